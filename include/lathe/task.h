/* Kind "lathe.task/1": long work in slices. The worker owns the loop, so pause, resume, stop,
 * checkpoints, metrics and recovery are written once, for all tasks.
 * Threads: all calls [learn]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_TASK_H
#define LATHE_TASK_H

#include "lathe/algorithm.h"
#include "lathe/metrics.h"
#include "lathe/run.h"

#define LATHE_KIND_TASK "lathe.task/1"

/* Capability flags of struct lathe_task. */
#define LATHE_TASK_RESUMABLE \
    1u /* save and load are complete: a resumed task continues bit-identically */

/* Arguments of open. Borrowed until open returns, except host (until close). */
struct lathe_task_args {
    uint32_t struct_size, flags;
    const struct lathe_host *host;     /* services: run, metrics, params, log */
    const struct lathe_params *params; /* the component's options, checked */
    const char *spec;                  /* JSON object, the job's own specification */
    uint64_t seed;
    uint32_t threads;
    uint32_t reserved0;
};

struct lathe_task {
    uint32_t struct_size, flags;

    /* Makes the task; does no long work. Memory: *task is the plugin's, released by close; on
     * failure nothing is left. Errors: LATHE_E_INVALID with err->field, LATHE_E_LIMIT,
     * LATHE_E_NOMEM. Since 1.0. */
    int32_t (*open)(const struct lathe_task_args *args, struct lathe_error *err, void **task);

    /* Works for about budget->max_ns. LATHE_AGAIN: more to do. LATHE_OK: the work is complete.
     * Between two slices the task is at a point where save describes it fully. Errors: end the run.
     * Since 1.0. */
    int32_t (*slice)(void *task, const struct lathe_budget *budget, struct lathe_error *err);

    /* How far it is; total 0 = unknown. Since 1.0. */
    void (*progress)(void *task, uint64_t *current, uint64_t *total);

    /* State as named tensors; load into a freshly opened task with equal arguments. Optional
     * without LATHE_TASK_RESUMABLE: a paused task then starts anew. Since 1.0. */
    int32_t (*save)(void *task, const struct lathe_writer *writer);
    int32_t (*load)(void *task, const struct lathe_reader *reader, struct lathe_error *err);

    /* The result so far as a JSON object, NUL-terminated, into json: called after the last slice,
     * also of a stopped task. A member "artifact" names a file in the run directory to keep.
     * LATHE_E_LIMIT when cap_bytes is too small. Since 1.0. */
    int32_t (*result)(void *task, char *json, uint64_t cap_bytes, struct lathe_error *err);

    /* Releases the task; NULL is fine. Since 1.0. */
    void (*close)(void *task);

    /* Constant table of an extension, or NULL. May be NULL itself. Since 1.0. */
    const void *(*extension)(void *task, const char *id);
};

#endif
