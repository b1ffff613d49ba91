/* Transition table of jobs. Rows are states, columns events; X is a conflict. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/job/job_state.h"

#include <string.h>

#define X JOB_STATE_CONFLICT
#define QUEUED LATHE_JOB_QUEUED
#define START LATHE_JOB_STARTING
#define RUN LATHE_JOB_RUNNING
#define PAUSING LATHE_JOB_PAUSING
#define PAUSED LATHE_JOB_PAUSED
#define STOPPING LATHE_JOB_STOPPING
#define FINISH LATHE_JOB_FINISHING
#define SUCC LATHE_JOB_SUCCEEDED
#define STOPPED LATHE_JOB_STOPPED
#define FAILED LATHE_JOB_FAILED
#define CANC LATHE_JOB_CANCELLED
#define CRASHED LATHE_JOB_CRASHED

/* clang-format off */
static const int8_t next[LATHE_JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
/*              start     ready     pause    paused  resume  stop      stop_idle cancel done    succeed stopped  fail    crash    retry   restart */
/* queued    */ {START,    X,        PAUSED,  X,      QUEUED, STOPPING, STOPPED,  CANC,  X,      X,      X,       FAILED, X,       X,      QUEUED},
/* starting  */ {X,        RUN,      PAUSING, X,      START,  STOPPING, STOPPED,  CANC,  FINISH, X,      X,       FAILED, CRASHED, QUEUED, QUEUED},
/* running   */ {X,        RUN,      PAUSING, PAUSED, RUN,    STOPPING, STOPPED,  CANC,  FINISH, X,      X,       FAILED, CRASHED, QUEUED, QUEUED},
/* pausing   */ {X,        PAUSING,  PAUSING, PAUSED, X,      STOPPING, STOPPED,  CANC,  FINISH, X,      X,       FAILED, CRASHED, PAUSED, QUEUED},
/* paused    */ {X,        X,        PAUSED,  PAUSED, QUEUED, STOPPING, STOPPED,  CANC,  X,      X,      X,       FAILED, X,       X,      PAUSED},
/* stopping  */ {STOPPING, STOPPING, X,       X,      X,      STOPPING, STOPPED,  CANC,  FINISH, X,      STOPPED, FAILED, CRASHED, STOPPING, STOPPING},
/* finishing */ {X,        X,        X,       X,      X,      FINISH,   FINISH,   X,     X,      SUCC,   STOPPED, FAILED, FINISH,  X,      QUEUED},
/* succeeded */ {X,        X,        X,       X,      X,      X,        X,        X,     X,      X,      X,       X,      X,       X,      SUCC},
/* stopped   */ {X,        X,        X,       X,      X,      STOPPED,  STOPPED,  X,     X,      X,      X,       X,      X,       X,      STOPPED},
/* failed    */ {X,        X,        X,       X,      X,      X,        X,        X,     X,      X,      X,       X,      X,       X,      FAILED},
/* cancelled */ {X,        X,        X,       X,      X,      X,        X,        CANC,  X,      X,      X,       X,      X,       X,      CANC},
/* crashed   */ {X,        X,        X,       X,      X,      X,        X,        X,     X,      X,      X,       X,      X,       X,      CRASHED},
};
/* clang-format on */

static const char *const event_names[JOB_EVENT_COUNT] = {
    "start", "ready",   "pause",   "paused", "resume", "stop",  "stop_idle", "cancel",
    "done",  "succeed", "stopped", "fail",   "crash",  "retry", "restart"};

int32_t job_state_next(uint32_t state, enum job_event event)
{
    if (state >= LATHE_JOB_STATE_COUNT || (uint32_t)event >= JOB_EVENT_COUNT)
        return JOB_STATE_CONFLICT;
    return next[state][event];
}

int job_state_is_final(uint32_t state)
{
    return state >= LATHE_JOB_SUCCEEDED && state < LATHE_JOB_STATE_COUNT;
}

int job_state_has_worker(uint32_t state)
{
    return state == LATHE_JOB_STARTING || state == LATHE_JOB_RUNNING ||
           state == LATHE_JOB_PAUSING || state == LATHE_JOB_STOPPING;
}

const char *job_event_name(enum job_event event)
{
    return (uint32_t)event < JOB_EVENT_COUNT ? event_names[event] : "unknown";
}

uint32_t job_state_parse(const char *name)
{
    uint32_t s = 0;
    while (s < LATHE_JOB_STATE_COUNT && strcmp(lathe_job_state_name(s), name) != 0)
        s++;
    return s;
}
