/* Proposal, kind "lathe.tracker/1": copies runs and their metrics to an outside experiment tracker.
 * Threads: [pool]. May change until a user of it ships. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_DRAFT_TRACKER_H
#define LATHE_DRAFT_TRACKER_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_TRACKER "lathe.tracker/1"

struct lathe_tracker_point {
    const char *name; /* "rollout/ep_rew_mean" */
    uint64_t step;
    double value;
    int64_t wall_ms;
};

struct lathe_tracker {
    uint32_t struct_size, flags;
    int32_t (*open)(const struct lathe_host *host, const struct lathe_params *params,
                    struct lathe_error *err, void **self);
    void (*close)(void *self);
    /* spec: JSON object of the job. A tracker that is away returns LATHE_E_UNAVAILABLE: the server
     * tries again later and the job goes on. */
    int32_t (*run_start)(void *self, const char *run_id, const char *spec, struct lathe_error *err);
    int32_t (*points)(void *self, const char *run_id, const struct lathe_tracker_point *points,
                      uint32_t n_points, struct lathe_error *err);
    int32_t (*run_finish)(void *self, const char *run_id, const char *state, const char *result,
                          struct lathe_error *err);
};

#endif
