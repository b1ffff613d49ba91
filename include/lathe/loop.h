/* Service "lathe.loop/1": timers, and calls handed to the server's event loop.
 * Threads: post is [any]; everything else is [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_LOOP_H
#define LATHE_LOOP_H

#include "lathe/status.h"

#define LATHE_SERVICE_LOOP "lathe.loop/1"

/* A call on the loop thread, and the release of the user pointer. Wherever a pair (fn, drop) is
 * taken, drop(user) runs exactly once: after the last call of fn, or instead of it. drop may be
 * NULL. */
typedef void (*lathe_call_fn)(void *user);
typedef void (*lathe_drop_fn)(void *user);

struct lathe_loop_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Calls fn(user) once after delay_ms, then every period_ms when period_ms > 0. *handle names
     * the timer until its last call or its cancel. On failure drop has run and *handle is
     * unchanged. Errors: LATHE_E_LIMIT for more than 10,000 timers of one plugin, LATHE_E_NOMEM.
     * Thread: [loop]. Since 1.0. */
    int32_t (*timer_start)(const struct lathe_loop_service *loop, uint64_t delay_ms,
                           uint64_t period_ms, lathe_call_fn fn, void *user, lathe_drop_fn drop,
                           uint64_t *handle);

    /* Ends a timer and runs its drop before returning. An ended or unknown handle is ignored, so a
     * timer may be cancelled from its own call. Thread: [loop]. Since 1.0. */
    void (*timer_cancel)(const struct lathe_loop_service *loop, uint64_t handle);

    /* Runs fn(user) on the loop soon, in the order of the posts of one thread. On failure drop has
     * run. Errors: LATHE_E_NOMEM, LATHE_E_CANCELLED once the server is ending.
     * Thread: [any]. Since 1.0. */
    int32_t (*post)(const struct lathe_loop_service *loop, lathe_call_fn fn, void *user,
                    lathe_drop_fn drop);
};

#endif
