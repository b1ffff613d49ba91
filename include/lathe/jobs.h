/* Service "lathe.jobs/1": long work in worker processes: submit, watch, pause, stop, read its
 * history. Threads: [loop], callbacks too. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_JOBS_H
#define LATHE_JOBS_H

#include "lathe/loop.h"
#include "lathe/status.h"

#define LATHE_SERVICE_JOBS "lathe.jobs/1"

/* Job states; from SUCCEEDED on they are final. */
#define LATHE_JOB_QUEUED 0
#define LATHE_JOB_STARTING 1
#define LATHE_JOB_RUNNING 2
#define LATHE_JOB_PAUSING 3
#define LATHE_JOB_PAUSED 4
#define LATHE_JOB_STOPPING 5
#define LATHE_JOB_FINISHING 6
#define LATHE_JOB_SUCCEEDED 7
#define LATHE_JOB_STOPPED 8
#define LATHE_JOB_FAILED 9
#define LATHE_JOB_CANCELLED 10
#define LATHE_JOB_CRASHED 11
#define LATHE_JOB_STATE_COUNT 12

/* A job as it is now. Memory: borrowed for the call that hands it out. Text fields are never NULL;
 * JSON texts are complete values. */
struct lathe_job_info {
    uint32_t struct_size;
    uint32_t state; /* LATHE_JOB_* */
    const char *id;
    const char *owner; /* surface that submitted it */
    const char *task;  /* "rl.train" */
    const char
        *reason; /* why it is in this state: "user", "resumed_after_restart", "crash_loop", "" */
    const char *spec;  /* resolved specification, JSON object */
    const char *extra; /* what the owner gave at submit or set later, JSON object */

    uint64_t current, total; /* iterations (mode "episodic") or steps; total 0: open end */
    const char *progress;    /* latest report of the worker, JSON object */
    const char *eval;        /* latest evaluation, JSON object, or "null" */
    const char *result;      /* JSON object once it ended with one, else "null" */
    const char *model_id;    /* model made from the result, else "" */

    int64_t created_ms, updated_ms; /* wall clock */
    int64_t started_ms, ended_ms;   /* first start and end; 0 when not yet */
    int64_t active_ms;              /* time in a worker, without queue and pauses */

    uint64_t seed;
    uint64_t seq;            /* of the last event, grows by one per event, survives restarts */
    uint32_t queue_position; /* from 1 while queued, else 0 */
    int32_t worker_pid;      /* 0 without a worker */
    uint32_t restarts;       /* workers started after the first */
    int32_t error_code;      /* 0 or a LATHE_E_ code */
    const char *error_id;    /* short word for programs: "non_finite_loss", "crash_loop", "" */
    const char *error_text;
    const char *crash; /* report of the last crash, JSON object, or "null" */

    uint64_t checkpoint_current; /* value of current at the last checkpoint */
    const char *checkpoint_id;   /* "ckpt_12"; "" when there is none */
    const char *checkpoint_path;
    const char *checkpoint_sha256;         /* of its file, which holds times too */
    const char *checkpoint_weights_sha256; /* of what it holds that seed and settings decide; ""
                                              when the worker names none */
};

/* What to run. Memory: borrowed for the call.
 *
 * spec, members with their default; unknown ones are refused:
 *   task        "rl.train" | "rl.evaluate" | "env.solve" | name of a lathe.task/1 component
 *   env         {"name","options":{}}         algorithm {"name","options":{}}
 *   engine      {"name","options":{}}: the shipped one when the algorithm needs one
 *   seed        0 .. 2^63-1; drawn and recorded when absent
 *   threads 1, n_envs 1, mode "continuous" | "episodic", total_steps | total_iterations
 *   time_limit (the environment's), obs_norm false, reward_norm false, norm_gamma 0.99
 *   eval        {"interval":0,"episodes":100,"seed":10000,"mode":"greedy","at_start":true,
 *                "final_episodes":episodes,"sample_seed":0}
 *   target      {"metric":"mean_return" | "success_rate" | "metrics.<name>","value":x}
 *   checkpoint  {"interval":0,"keep":3,"best":true}
 *   pace_ms 0, numerics "strict" | "fast"
 *   init_model  id of a model whose weights start the run
 *   model       id of the model that rl.evaluate plays; evaluate
 * {"episodes","seed","mode","trials", "traces","info_rows","sample_seed"} solve {} for env.solve,
 * spec {} for a lathe.task/1 component In the stored spec of a job every option is present, seed
 * included. */
struct lathe_job_request {
    uint32_t struct_size, flags; /* LATHE_JOB_ID_TIME */
    const char *owner;           /* id of the surface, required */
    const char *id_prefix;       /* id: prefix + number, "session_7"; NULL: "job_" */
    const char *spec;            /* JSON object: task, env, algorithm, seed, ... */
    const char *extra;           /* JSON object kept with the job for its owner; NULL: "{}" */
    const char *from_job;        /* continue from a checkpoint of this job; NULL: from the start */
    const char *from_checkpoint; /* "ckpt_12"; NULL: the last one */
};
#define LATHE_JOB_ID_TIME 1u /* append "_<unix seconds>" to the id */

/* Outcome of an asynchronous call. job is NULL when there is none to show. */
typedef void (*lathe_job_done_fn)(void *user, int32_t status, const struct lathe_job_info *job,
                                  const struct lathe_error *err);

#define LATHE_JOB_STOP_DISCARD 1u /* stop: make no model from what was learned */

/* A change of state, and who waits for it. done may be NULL. */
struct lathe_job_wish {
    uint32_t struct_size, flags; /* LATHE_JOB_STOP_DISCARD for stop, else 0 */
    uint64_t wait_ms;            /* 0: wait without limit */
    lathe_job_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

/* Returns 0 to go on, anything else to stop the listing. */
typedef int32_t (*lathe_job_visit_fn)(void *user, const struct lathe_job_info *job);

/* Kinds of events. */
#define LATHE_JOB_EVENT_STATE 0    /* data {"from","to","reason"} */
#define LATHE_JOB_EVENT_PROGRESS 1 /* data: the worker's report */
#define LATHE_JOB_EVENT_EVAL 2     /* data: the evaluation */
#define LATHE_JOB_EVENT_CHECKPOINT \
    3 /* data {"id","current","sha256","weights_sha256","size_bytes","kind"} */
#define LATHE_JOB_EVENT_METRICS 4   /* data {"rows":[{"step","values":{name: number}}]} */
#define LATHE_JOB_EVENT_DONE 5      /* final state reached; data: the result or null */
#define LATHE_JOB_EVENT_LOG 6       /* data {"level","message"} */
#define LATHE_JOB_EVENT_SUBMITTED 7 /* the job exists; data {} */

/* One event. Events are also published as topic "job/<id>" by the event
 * service, with the same seq. */
struct lathe_job_event {
    uint32_t struct_size, kind;
    uint64_t seq;
    int64_t wall_ms;
    const char *data; /* JSON text, borrowed for the call */
    const struct lathe_job_info *job;
};
typedef void (*lathe_job_event_fn)(void *user, const struct lathe_job_event *event);

/* One checkpoint on disk. */
struct lathe_checkpoint_info {
    uint32_t struct_size, reserved0;
    const char *id, *kind; /* kind: "periodic", "pause", "shutdown", "best", "final", "manual" */
    const char *path, *sha256;
    uint64_t current, size_bytes;
    int64_t created_ms;
    const char *eval;           /* evaluation known when it was written, JSON object, or "null" */
    const char *weights_sha256; /* as lathe_job_info.checkpoint_weights_sha256 */
};
typedef int32_t (*lathe_checkpoint_visit_fn)(void *user,
                                             const struct lathe_checkpoint_info *checkpoint);

/* One series of a history answer: count pairs, steps ascending. */
struct lathe_job_series {
    uint32_t struct_size, count;
    const char *name; /* "rollout/ep_rew_mean" */
    const uint64_t *steps;
    const double *values;
};
/* Series NULL-terminated, borrowed for the call. */
typedef void (*lathe_job_series_fn)(void *user, int32_t status,
                                    const struct lathe_job_series *const *series,
                                    const struct lathe_error *err);

/* Which points to read: those with from_step <= step, at most limit per series (0: 100,000). */
struct lathe_job_query {
    uint32_t struct_size, limit;
    const char *const *names; /* NULL-terminated, or NULL for all series */
    uint64_t from_step;
    lathe_job_series_fn done;
    void *user;
    lathe_drop_fn drop;
};

/* Asynchronous calls carry (done, user, drop): done runs at most once, on the loop, never before
 * the call returns; drop(user) runs once after it. When the call itself fails, done does not run,
 * drop does. */
struct lathe_jobs_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Checks, resolves and stores a job, then queues it; done runs once the job is durable.
     * Errors: LATHE_E_INVALID (err->field: "algorithm.options.clip"), LATHE_E_NOT_FOUND (unknown
     * environment, algorithm, job or checkpoint), LATHE_E_LIMIT (queue full), LATHE_E_UNAVAILABLE
     * (server ending), LATHE_E_CONFLICT (checkpoint does not fit). Thread: [loop]. Since 1.0. */
    int32_t (*submit)(const struct lathe_jobs_service *jobs,
                      const struct lathe_job_request *request, lathe_job_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err);

    /* The job, or NULL. Memory: valid until the handler returns to the loop. Since 1.0. */
    const struct lathe_job_info *(*get)(const struct lathe_jobs_service *jobs, const char *id);

    /* Visits jobs, newest first; owner NULL for all. Since 1.0. */
    void (*list)(const struct lathe_jobs_service *jobs, const char *owner, lathe_job_visit_fn visit,
                 void *user);

    /* Changes state as the transition table allows. wish->done runs when the wish is fulfilled
     * (paused with a durable checkpoint; queued or running again; stopped with its model stored),
     * or with LATHE_E_TIMEOUT after wait_ms while it goes on. A wish that the state already fulfils
     * succeeds. cancel ends at once: no model, no further checkpoint. Memory: wish is borrowed for
     * the call. Errors: LATHE_E_NOT_FOUND, LATHE_E_CONFLICT. Thread: [loop]. Since 1.0. */
    int32_t (*pause)(const struct lathe_jobs_service *jobs, const char *id,
                     const struct lathe_job_wish *wish, struct lathe_error *err);
    int32_t (*resume)(const struct lathe_jobs_service *jobs, const char *id,
                      const struct lathe_job_wish *wish, struct lathe_error *err);
    int32_t (*stop)(const struct lathe_jobs_service *jobs, const char *id,
                    const struct lathe_job_wish *wish, struct lathe_error *err);
    int32_t (*cancel)(const struct lathe_jobs_service *jobs, const char *id,
                      const struct lathe_job_wish *wish, struct lathe_error *err);

    /* Asks a running job for a checkpoint of kind "manual"; done runs when it is durable.
     * Errors: LATHE_E_NOT_FOUND, LATHE_E_CONFLICT when the job does not run. Since 1.0. */
    int32_t (*checkpoint)(const struct lathe_jobs_service *jobs, const char *id,
                          const struct lathe_job_wish *wish, struct lathe_error *err);

    /* Removes a job in a final state, its history and its files; its model stays. done runs once
     * that is durable, with job NULL. Errors: LATHE_E_NOT_FOUND, LATHE_E_CONFLICT. Since 1.0. */
    int32_t (*remove)(const struct lathe_jobs_service *jobs, const char *id, lathe_job_done_fn done,
                      void *user, lathe_drop_fn drop, struct lathe_error *err);

    /* Replaces the owner's extra JSON object. done runs once it is durable. Since 1.0. */
    int32_t (*set_extra)(const struct lathe_jobs_service *jobs, const char *id, const char *extra,
                         lathe_job_done_fn done, void *user, lathe_drop_fn drop,
                         struct lathe_error *err);

    /* Visits the checkpoints of a job that still exist, newest first. Errors: LATHE_E_NOT_FOUND. */
    int32_t (*checkpoints)(const struct lathe_jobs_service *jobs, const char *id,
                           lathe_checkpoint_visit_fn visit, void *user);

    /* Reads metric series. Errors: LATHE_E_NOT_FOUND, LATHE_E_LIMIT; for done also LATHE_E_IO. */
    int32_t (*history)(const struct lathe_jobs_service *jobs, const char *id,
                       const struct lathe_job_query *query, struct lathe_error *err);

    /* Calls fn for every event of the jobs of owner (NULL: all) until unwatch, or the end of the
     * server, then drop. *handle names the watch. fn may call this service. Errors: LATHE_E_NOMEM
     * (drop has run). Thread: [loop]. Since 1.0. */
    int32_t (*watch)(const struct lathe_jobs_service *jobs, const char *owner,
                     lathe_job_event_fn fn, void *user, lathe_drop_fn drop, uint64_t *handle);
    void (*unwatch)(const struct lathe_jobs_service *jobs, uint64_t handle);

    /* Slots in all, slots in use, jobs queued, limit of the queue. Pointers may be NULL. */
    void (*capacity)(const struct lathe_jobs_service *jobs, uint32_t *slots, uint32_t *used,
                     uint32_t *queued, uint32_t *queue_limit);
};

/* State as a lower-case word ("queued"); never NULL. Thread: [any]. Since 1.0. */
static inline const char *lathe_job_state_name(uint32_t state)
{
    static const char *const names[] = {"queued",  "starting", "running",   "pausing",
                                        "paused",  "stopping", "finishing", "succeeded",
                                        "stopped", "failed",   "cancelled", "crashed"};
    return state < LATHE_JOB_STATE_COUNT ? names[state] : "unknown";
}

#endif
