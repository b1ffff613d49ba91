/* The one table of job states and transitions. Everything else asks here. Thread: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JOB_JOB_STATE_H
#define CORE_JOB_JOB_STATE_H

#include "lathe/jobs.h"

/* What can happen to a job. */
enum job_event {
    JOB_ON_START,     /* a worker was started for it */
    JOB_ON_READY,     /* the worker is set up and works */
    JOB_ON_PAUSE,     /* somebody wants it paused */
    JOB_ON_PAUSED,    /* the worker stands still and its checkpoint is durable */
    JOB_ON_RESUME,    /* somebody wants it to go on */
    JOB_ON_STOP,      /* somebody wants it ended, keeping what was learned */
    JOB_ON_STOP_IDLE, /* the same for a job that has learned nothing yet */
    JOB_ON_CANCEL,    /* somebody wants it gone */
    JOB_ON_DONE,      /* the worker ended well; its results are being stored */
    JOB_ON_SUCCEED,   /* results of a complete run are durable */
    JOB_ON_STOPPED,   /* results of a stopped run are durable */
    JOB_ON_FAIL,      /* the worker, or the server on its behalf, gave up */
    JOB_ON_CRASH,     /* the worker died */
    JOB_ON_RETRY,     /* the worker died and gets another try from the last checkpoint */
    JOB_ON_RESTART,   /* the server ended, or came back, with the job under way */
    JOB_EVENT_COUNT
};

#define JOB_STATE_CONFLICT (-1)

/* The state after event, the same state when the event changes nothing, or JOB_STATE_CONFLICT. */
int32_t job_state_next(uint32_t state, enum job_event event);
int job_state_is_final(uint32_t state);
/* 1 for states in which a worker process belongs to the job (or is about to). */
int job_state_has_worker(uint32_t state);
const char *job_event_name(enum job_event event);
/* State by its name; LATHE_JOB_STATE_COUNT for an unknown one. */
uint32_t job_state_parse(const char *name);

#endif
