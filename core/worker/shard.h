/* The [step] threads of a worker: row ranges run at once, results do not depend on how many. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_SHARD_H
#define CORE_WORKER_SHARD_H

#include <stdint.h>

#include "lathe/status.h"

struct shard;

/* Works on rows [first, first + count) and returns a status. */
typedef int32_t (*shard_fn)(void *user, uint32_t first, uint32_t count);

/* A pool of threads - 1 helpers; the caller is the last one. Errors: LATHE_E_NOMEM. */
int32_t shard_open(uint32_t threads, struct shard **out, struct lathe_error *err) LATHE_MUST_USE;
void shard_close(struct shard *shard); /* NULL is fine */

/* Cuts [first, first + count) into ranges and waits for all of them. Fewer than 32 rows per thread
 * run on the caller alone. Returns the status of the lowest range that failed. shard NULL: the
 * caller does it all. */
int32_t shard_run(struct shard *shard, uint32_t first, uint32_t count, shard_fn fn, void *user);

#endif
