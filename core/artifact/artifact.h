/* Content-addressed files: the implementation of service "lathe.artifact/1". Hashing, copying and
 * syncing happen on the pool; unreferenced files are removed after a grace period. Threads: [loop],
 * except that the service's find is [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ARTIFACT_ARTIFACT_H
#define CORE_ARTIFACT_ARTIFACT_H

#include "lathe/artifact.h"

struct artifacts;
struct loop;
struct pool;
struct store;

/* Zeros mean the defaults in brackets. loop, pool and store are borrowed until artifacts_close. */
struct artifacts_options {
    struct loop *loop;
    struct pool *pool;
    struct store *store; /* NULL: nothing is ever removed */
    const char
        *dir; /* created when missing; on the file system of the run directories a move is cheap */
    int64_t grace_ms;  /* [one hour] */
    int64_t period_ms; /* between collections [ten minutes]; < 0: only artifacts_collect */
};

/* Errors: those of the directory, LIMIT for a long path, NOMEM. */
int32_t artifacts_open(const struct artifacts_options *options, struct artifacts **out,
                       struct lathe_error *err) LATHE_MUST_USE;

/* Ends the service: call after pool_close, which ends what is under way, and before store_close.
 * NULL is fine. */
void artifacts_close(struct artifacts *artifacts);

/* The service table, valid until artifacts_close. */
const struct lathe_artifact_service *artifacts_service(const struct artifacts *artifacts);

/* Starts a collection now, unless one is running (then done gets the status LATHE_E_CONFLICT). done
 * may be NULL. */
void artifacts_collect(struct artifacts *artifacts,
                       void (*done)(void *user, int32_t status, uint64_t removed), void *user);

#endif
