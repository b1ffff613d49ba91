/* The server's storage thread: owns one storage, groups the writes of many callers into one commit,
 * and brings results back to the loop. Threads: [loop] for everything here. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include "lathe/store.h"

struct event_base;
struct store;

/* How to open a store. Everything is borrowed until store_close, except data_dir (until store_open
 * returns). */
struct store_options {
    const struct lathe_storage *storage;
    const struct lathe_host *host; /* handed to the storage plugin */
    const struct lathe_params *params;
    const char *data_dir;
    struct event_base *base;
    uint32_t max_queued;       /* calls that may wait; 0: 20000 */
    uint64_t max_queued_bytes; /* 0: 128 MiB */
};

struct store_stats {
    uint64_t calls, writes, commits, failed_commits;
    uint64_t queued, queued_bytes; /* now */
};

/* Starts the thread and opens the storage on it; returns when it is open. Errors: what the
 * storage's open gives, NOMEM, INTERNAL. */
int32_t store_open(const struct store_options *options, struct store **out,
                   struct lathe_error *err) LATHE_MUST_USE;

/* Refuses new calls, finishes every queued one, runs the callbacks, closes the storage. NULL is
 * fine. */
void store_close(struct store *store);

/* The service table of one name space (a plugin id, or "core" for the server itself): 1 to 60 bytes
 * of [a-z0-9_.-]. The same name gives the same table. Memory: the store's, valid until store_close.
 * Errors: INVALID, NOMEM. */
int32_t store_service(struct store *store, const char *space,
                      const struct lathe_store_service **out,
                      struct lathe_error *err) LATHE_MUST_USE;

/* Blocks until every call made so far, and every call that their callbacks make, is done. For start
 * and stop of the server and for tests. */
void store_drain(struct store *store);

/* Does any document refer to this artifact, through an index declared with LATHE_INDEX_ARTIFACT in
 * any name space? done's values[0] is 1 or 0. Rules as in lathe/store.h. */
int32_t store_refers(struct store *store, const char *sha256, const struct lathe_store_call *call);

void store_get_stats(struct store *store, struct store_stats *out);

#endif
