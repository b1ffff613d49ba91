/* Content-addressed files: the implementation of service "lathe.artifact/1". A thread of its own
 * hashes, copies and syncs; unreferenced files are removed after a grace period. Threads: [loop],
 * except that the service's find is [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ARTIFACT_ARTIFACT_H
#define CORE_ARTIFACT_ARTIFACT_H

#include "lathe/artifact.h"

struct event_base;
struct store;
struct artifacts;

/* Zeros mean the defaults in brackets. base and store are borrowed until artifacts_close; store may
 * be NULL: then nothing is ever removed. */
struct artifacts_options {
    struct event_base *base;
    struct store *store;
    const char *dir;   /* created when missing; must be on one file system with the run directories
                          for   imports by move to be cheap */
    int64_t grace_ms;  /* [one hour] */
    int64_t period_ms; /* between collections [ten minutes]; < 0: only by artifacts_collect */
    uint32_t max_queued; /* [1000] */
};

int32_t artifacts_open(const struct artifacts_options *options, struct artifacts **out,
                       struct lathe_error *err) LATHE_MUST_USE;

/* Finishes what is queued, runs the callbacks. Call before store_close. NULL is fine. */
void artifacts_close(struct artifacts *artifacts);

/* The service table, valid until artifacts_close. */
const struct lathe_artifact_service *artifacts_service(const struct artifacts *artifacts);

/* Starts a collection now unless one is running. done(user, removed) may be NULL. */
void artifacts_collect(struct artifacts *artifacts, void (*done)(void *user, uint64_t removed),
                       void *user);

/* Blocks until every call made so far is done and its callbacks have run. */
void artifacts_drain(struct artifacts *artifacts);

#endif
