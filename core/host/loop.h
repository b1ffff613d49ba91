/* The event loop of lathed as other core modules see it: posts from any thread, timers by handle.
 * Threads: loop_post is [any]; the rest is [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HOST_LOOP_H
#define CORE_HOST_LOOP_H

#include "lathe/loop.h"

struct event_base;
struct loop;

int32_t loop_open(struct loop **out, struct lathe_error *err) LATHE_MUST_USE;
/* Drops what was posted and all timers. NULL is fine. No other thread may post any more. */
void loop_close(struct loop *loop);
struct event_base *loop_base(struct loop *loop);

/* Runs until loop_end. */
void loop_run(struct loop *loop);
/* Handles events until *flag is not 0, loop_end, or timeout_ms (0: no limit) passed. Returns *flag.
 */
int loop_run_until(struct loop *loop, const int *flag, uint32_t timeout_ms);
void loop_end(struct loop *loop);

/* As lathe_loop_service. post returns LATHE_E_CANCELLED after loop_refuse. */
int32_t loop_post(struct loop *loop, lathe_call_fn fn, void *user,
                  lathe_drop_fn drop) LATHE_MUST_USE;
void loop_refuse(struct loop *loop);
/* Calls free_fn(ptr) at the next turn of the loop: what a handler was given stays valid until then.
 */
void loop_retire(struct loop *loop, void *ptr, void (*free_fn)(void *ptr));
int loop_on_thread(const struct loop *loop); /* 1 when called on the loop's thread */

/* A set of timers that ends as one: each plugin has its own. */
struct loop_timers;
struct loop_timers *loop_timers_new(struct loop *loop, uint32_t max_timers);
void loop_timers_free(struct loop_timers *set); /* cancels what is left */
int32_t loop_timer_start(struct loop_timers *set, uint64_t delay_ms, uint64_t period_ms,
                         lathe_call_fn fn, void *user, lathe_drop_fn drop,
                         uint64_t *handle) LATHE_MUST_USE;
void loop_timer_cancel(struct loop_timers *set, uint64_t handle);

#endif
