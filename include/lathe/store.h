/* Service "lathe.store/1": documents, counters and series for plugins in the server, without
 * blocking. Threads: every function and callback is [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_STORE_H
#define LATHE_STORE_H

#include "lathe/storage.h"

#define LATHE_SERVICE_STORE "lathe.store/1"

/* What a finished call brings; everything is borrowed until done returns. Members that a call does
 * not fill are 0 or NULL. */
struct lathe_store_result {
    uint32_t struct_size, reserved0;
    const struct lathe_error *error; /* never NULL; text is empty on success */

    uint32_t n_docs, n_values;
    const struct lathe_storage_doc *const *docs; /* get: one; scan: n_docs, in order */
    uint64_t total;                              /* scan with LATHE_SCAN_COUNT */
    const char *cursor;                          /* scan: "" at the end */

    const uint64_t
        *values;        /* put: new revision; remove: old one; next_id: first; apply: one per op */
    uint32_t failed_op; /* apply: the operation at fault */

    uint32_t n_points;
    const struct lathe_series_point *points; /* series_read */
    uint32_t n_series, reserved1;
    const char *const *series; /* series_list: names */

    uint32_t n_ts, failed_point; /* telemetry: rows of one of the next three; ingest: at fault */
    const struct lathe_ts_point *ts_points;   /* ts_points */
    const struct lathe_ts_bucket *ts_buckets; /* ts_buckets */
    const struct lathe_ts_latest *ts_latest;  /* ts_latest, one for each number asked for */
    const struct lathe_ts_result *ts_result;  /* ts_points, ts_buckets: count, next_us */
    const struct lathe_ts_stats *ts_stats;
};

/* How a call ends. done comes exactly once, later and never from inside the call, with LATHE_OK
 * only after the write is durable. drop follows exactly once in every case: after done, or, when
 * the call itself returns an error (then done does not come), before that call returns. So the
 * caller never releases user itself. done and drop may be NULL. The struct is copied. */
struct lathe_store_call {
    uint32_t struct_size, reserved0;
    void (*done)(void *user, int32_t status, const struct lathe_store_result *result);
    void (*drop)(void *user);
    void *user;
};

/* The service. Arguments are copied before the function returns. call may be NULL: nobody is told.
 * Calls take effect in the order they were made, so a read sees every write before it. Writes of
 * many callers share one commit. Collections, counters and series are private to the plugin that
 * the table was given to; two plugins may use the same names. Names of collections and counters
 * have at most 35 bytes and no slash, names of series at most 139 bytes.
 * Errors of every function: INVALID and LIMIT for bad arguments, UNAVAILABLE when too much is
 * queued or the server is stopping, NOMEM. What the storage refuses arrives in done. Since 1.0. */
struct lathe_store_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* As lathe_storage.declare. Every collection is declared once after each start, before its use.
     */
    int32_t (*declare)(const struct lathe_store_service *store,
                       const struct lathe_storage_collection *collection,
                       const struct lathe_store_call *call);

    int32_t (*get)(const struct lathe_store_service *store, const char *collection, const char *id,
                   const struct lathe_store_call *call);

    /* json is NUL-terminated; expected is a revision, LATHE_REV_NONE or LATHE_REV_ANY. */
    int32_t (*put)(const struct lathe_store_service *store, const char *collection, const char *id,
                   uint64_t expected, const char *json, const struct lathe_store_call *call);

    int32_t (*remove)(const struct lathe_store_service *store, const char *collection,
                      const char *id, uint64_t expected, const struct lathe_store_call *call);

    /* Several operations, all or nothing. */
    int32_t (*apply)(const struct lathe_store_service *store,
                     const struct lathe_storage_batch *batch, const struct lathe_store_call *call);

    int32_t (*scan)(const struct lathe_store_service *store,
                    const struct lathe_storage_query *query, const struct lathe_store_call *call);

    /* Takes count numbers (values[0] .. values[0] + count - 1) of a counter that starts at 1. A
     * number is never given twice, not even after a crash. */
    int32_t (*next_id)(const struct lathe_store_service *store, const char *counter, uint64_t count,
                       const struct lathe_store_call *call);

    /* Series. Appends are collected and written together with the next commit.
     * Errors in done: UNSUPPORTED when the storage has no series. */
    int32_t (*series_append)(const struct lathe_store_service *store,
                             const struct lathe_series_chunk *const *chunks, uint32_t n_chunks,
                             const struct lathe_store_call *call);
    int32_t (*series_read)(const struct lathe_store_service *store,
                           const struct lathe_series_query *query,
                           const struct lathe_store_call *call);
    int32_t (*series_drop_after)(const struct lathe_store_service *store, const char *prefix,
                                 int64_t after, const struct lathe_store_call *call);
    int32_t (*series_list)(const struct lathe_store_service *store, const char *prefix,
                           const struct lathe_store_call *call);

    /* Telemetry, as in lathe_storage_timeseries. Numbers come from ts_open (values[i] belongs to
     * names[i]) and are good for this table alone; after each start names are opened again before
     * their numbers are used: INVALID otherwise. Ingested points are on disk when done comes; calls
     * in flight share one write to the disk.
     * Errors in done: UNSUPPORTED when the storage keeps no telemetry. */
    int32_t (*ts_open)(const struct lathe_store_service *store, const char *const *names,
                       uint32_t n_names, const struct lathe_store_call *call);
    int32_t (*ts_remove)(const struct lathe_store_service *store, uint64_t series,
                         const struct lathe_store_call *call);
    int32_t (*ts_retain)(const struct lathe_store_service *store, uint64_t series,
                         const struct lathe_ts_retention *retention,
                         const struct lathe_store_call *call);
    int32_t (*ts_ingest)(const struct lathe_store_service *store,
                         const struct lathe_ts_batch *batch, const struct lathe_store_call *call);
    int32_t (*ts_points)(const struct lathe_store_service *store,
                         const struct lathe_ts_query *query, const struct lathe_store_call *call);
    int32_t (*ts_buckets)(const struct lathe_store_service *store,
                          const struct lathe_ts_query *query, const struct lathe_store_call *call);
    int32_t (*ts_latest)(const struct lathe_store_service *store, const uint64_t *series,
                         uint32_t n_series, const struct lathe_store_call *call);
    int32_t (*ts_erase)(const struct lathe_store_service *store, uint64_t series, int64_t first_us,
                        int64_t end_us, const struct lathe_store_call *call);
    int32_t (*ts_stats)(const struct lathe_store_service *store,
                        const struct lathe_store_call *call); /* of the whole storage */
};

#endif
