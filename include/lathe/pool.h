/* Service "lathe.pool/1": blocking work off the loop, with a deadline.
 * Threads: run is [loop]; work runs on [pool]; its completion runs on [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_POOL_H
#define LATHE_POOL_H

#include "lathe/loop.h"

#define LATHE_SERVICE_POOL "lathe.pool/1"

/* What a running piece of work may ask. Valid during the call only. */
struct lathe_pool_job {
    uint32_t struct_size, reserved0;
    const void *ctx; /* the host's */

    /* 1 once the deadline has passed or the server is ending: return soon. Thread: [pool]. */
    int32_t (*cancelled)(const struct lathe_pool_job *job);
};

/* The work itself: may block. Its status and err reach done. Thread: [pool]. */
typedef int32_t (*lathe_pool_work_fn)(void *user, const struct lathe_pool_job *job,
                                      struct lathe_error *err);

/* The outcome. Thread: [loop]. */
typedef void (*lathe_pool_done_fn)(void *user, int32_t status, const struct lathe_error *err);

struct lathe_pool_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Queues work(user) for a pool thread and calls done(user) on the loop with its status, or with
     * LATHE_E_TIMEOUT when deadline_ms passes first. done runs at most once, and always before
     * drop(user); after a timeout, drop waits until work has returned, so user stays valid for
     * both. done may be NULL. On failure nothing runs but drop. Errors: LATHE_E_INVALID for a zero
     * deadline, LATHE_E_LIMIT when the queue is full, LATHE_E_CANCELLED once the server is ending,
     * LATHE_E_NOMEM. Thread: [loop]. Since 1.0. */
    int32_t (*run)(const struct lathe_pool_service *pool, uint64_t deadline_ms,
                   lathe_pool_work_fn work, lathe_pool_done_fn done, void *user, lathe_drop_fn drop,
                   struct lathe_error *err);
};

#endif
