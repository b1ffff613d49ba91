/* Proposal, kind "lathe.executor/1": where a worker process runs. "local" spawns it; others hand it
 * to an existing cluster scheduler. Threads: [pool]. May change until a user of it ships. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_DRAFT_EXECUTOR_H
#define LATHE_DRAFT_EXECUTOR_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_EXECUTOR "lathe.executor/1"

struct lathe_executor {
    uint32_t struct_size, flags;
    int32_t (*open)(const struct lathe_host *host, const struct lathe_params *params,
                    struct lathe_error *err, void **self);
    void (*close)(void *self);
    /* Starts a worker for the run directory; it connects back to address with the one-time key.
     * handle receives the scheduler's own name of the job (cap bytes). */
    int32_t (*start)(void *self, const char *run_dir, const char *address, const char *key,
                     char *handle, uint32_t cap, struct lathe_error *err);
    int32_t (*signal)(void *self, const char *handle, int32_t signum, struct lathe_error *err);
    /* LATHE_OK while it runs, LATHE_E_NOT_FOUND once it ended (*exit_status is then set). */
    int32_t (*poll)(void *self, const char *handle, int32_t *exit_status, struct lathe_error *err);
};

#endif
