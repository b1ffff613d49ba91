/* Threads for blocking work with deadlines. Threads: open, run and close are [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HOST_POOL_H
#define CORE_HOST_POOL_H

#include "core/host/loop.h"
#include "lathe/pool.h"

struct pool;

int32_t pool_open(struct loop *loop, uint32_t n_threads, uint32_t queue_limit, struct pool **out,
                  struct lathe_error *err) LATHE_MUST_USE;
/* Cancels and waits for running work; what did not start is dropped. Before loop_close. */
void pool_close(struct pool *pool);

/* As lathe_pool_service.run. */
int32_t pool_run(struct pool *pool, uint64_t deadline_ms, lathe_pool_work_fn work,
                 lathe_pool_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err);

/* The shape the http module asks for: work on a thread, then done on the loop; no deadline. */
int32_t pool_submit(void *pool, void (*work)(void *arg), void (*done)(void *arg), void *arg);

#endif
