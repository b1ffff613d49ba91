/* Kind "lathe.storage/1": where documents, counters and metric series are kept.
 * Threads: every call is [store]: one thread per open storage; calls may block. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_STORAGE_H
#define LATHE_STORAGE_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_STORAGE "lathe.storage/1"
#define LATHE_STORAGE_TIMESERIES "lathe.storage.timeseries/1"

/* Limits that every storage keeps and checks (LATHE_E_LIMIT or LATHE_E_INVALID beyond them). */
#define LATHE_STORAGE_NAME_MAX 96 /* bytes of a collection, index or counter name: [a-z0-9_./-] */
#define LATHE_STORAGE_ID_MAX 200  /* bytes of a document id or series name: UTF-8, no controls */
#define LATHE_STORAGE_KEY_MAX 512 /* bytes of a string in an indexed field */
#define LATHE_STORAGE_DOC_MAX (16u << 20) /* bytes of one document */
#define LATHE_STORAGE_INDEX_MAX 16        /* indexes of one collection */
#define LATHE_STORAGE_VALUES_MAX 256      /* indexed elements of one array in one document */
#define LATHE_STORAGE_BATCH_MAX 1024      /* operations in one batch */
#define LATHE_STORAGE_SCAN_MAX 10000      /* documents that one scan returns */
#define LATHE_STORAGE_CURSOR_MAX 1536     /* bytes of a cursor, the NUL included */

/* Index types. A value of another JSON type, or no value, leaves the document out of that index. */
#define LATHE_INDEX_STRING 0u /* strings, compared as bytes */
#define LATHE_INDEX_NUMBER 1u /* numbers as doubles; false and true count as 0 and 1 */
/* Flag of a STRING index: its values are SHA-256 (hex) of artifacts the document keeps alive. */
#define LATHE_INDEX_ARTIFACT 0x100u

/* One declared index. field is a member name or a dotted path ("spec.env"). Where the path meets an
 * array, every element counts, and the document has one entry for each distinct value. */
struct lathe_storage_index {
    uint32_t struct_size, type; /* LATHE_INDEX_*, flags or-ed in */
    const char *field;
};

/* A collection of documents. indexes is NULL-terminated, or NULL. */
struct lathe_storage_collection {
    uint32_t struct_size, flags;
    const char *name;
    const struct lathe_storage_index *const *indexes;
};

/* One document: JSON text of one object. Revisions are positive and grow with every write of the
 * whole storage, so an id that was deleted and written again never shows an old revision. */
struct lathe_storage_doc {
    uint32_t struct_size, reserved0;
    const char *id;
    uint64_t revision;
    const char *json;
    uint64_t json_len; /* bytes, without the NUL that follows */
};

/* Expected revisions other than a revision seen before. */
#define LATHE_REV_NONE 0u        /* the document must not exist */
#define LATHE_REV_ANY UINT64_MAX /* no condition */

/* Operations of a batch. */
#define LATHE_OP_PUT 0u /* write the document; value is its new revision */
#define LATHE_OP_DELETE \
    1u /* remove it; LATHE_REV_ANY: fine when absent; value is the old revision or 0 */
#define LATHE_OP_CHECK 2u /* only compare; LATHE_REV_ANY: it must exist; value is its revision */
#define LATHE_OP_NEXT \
    3u /* take `count` numbers of counter `id`; value is the first. No collection. */

/* One operation, borrowed for the call. A missed expectation is LATHE_E_CONFLICT; expecting
 * LATHE_REV_NONE on an existing document is LATHE_E_EXISTS; expecting a revision of an absent one
 * is LATHE_E_NOT_FOUND. */
struct lathe_storage_op {
    uint32_t struct_size, op;
    const char *collection;
    const char *id;
    uint64_t expected; /* PUT, DELETE, CHECK */
    const char *json;  /* PUT */
    uint64_t json_len; /* 0: json is NUL-terminated */
    uint64_t count;    /* NEXT: 1 .. 1000000 */
};

/* All operations happen, or none. Later ones see what earlier ones of the batch did. */
struct lathe_storage_batch {
    uint32_t struct_size, n_ops;
    const struct lathe_storage_op *const *ops;
};

/* A value to compare with an index. */
struct lathe_storage_value {
    uint32_t struct_size, type; /* LATHE_INDEX_STRING or LATHE_INDEX_NUMBER */
    const char *str;
    double num;
};

/* Condition "field equals value" on a declared index. */
struct lathe_storage_filter {
    uint32_t struct_size, reserved0;
    const char *field;
    const struct lathe_storage_value *value;
};

#define LATHE_SCAN_DESC 1u         /* from high to low */
#define LATHE_SCAN_COUNT 2u        /* also count every match, without cursor, offset and limit */
#define LATHE_SCAN_MIN_EXCLUDED 4u /* lower bound is exclusive */
#define LATHE_SCAN_MAX_EXCLUDED 8u /* upper bound is exclusive */

/* What to read. Order: by the index value, then by id; by id alone without an index. Bytes compare
 * as unsigned. With an index on an array a document comes once for each value in the range. */
struct lathe_storage_query {
    uint32_t struct_size, flags;
    const char *collection;
    const char *index; /* declared field, or NULL for id order */
    const struct lathe_storage_value *min,
        *max; /* NULL: open. Without index: STRING, compared with ids */
    const struct lathe_storage_filter *const
        *filters;           /* NULL-terminated, at most 4, or NULL; all must hold */
    const char *cursor;     /* from an earlier result of the same query, or NULL */
    uint32_t limit, offset; /* limit 0: only count; offset skips rows after the cursor */
};

/* Outcome of a scan. cursor is "" when the range is exhausted; text safe in URLs otherwise. */
struct lathe_storage_scan_result {
    uint32_t struct_size, n_docs;
    uint64_t total; /* with LATHE_SCAN_COUNT */
    char cursor[LATHE_STORAGE_CURSOR_MAX];
};

/* Takes one document of a scan; everything is borrowed until it returns. A status other than
 * LATHE_OK ends the scan with that status. It must not call the storage. */
typedef int32_t (*lathe_storage_visit)(void *user, const struct lathe_storage_doc *doc);

/* What open receives. Borrowed until open returns, except host, which lives longer than the
 * storage. data_dir is an existing absolute directory for the storage's files. */
struct lathe_storage_args {
    uint32_t struct_size, reserved0;
    const struct lathe_host *host;
    const struct lathe_params *params;
    const char *data_dir;
};

#define LATHE_STORAGE_DURABLE \
    1u /* lathe_storage.flags: what commit returned survives a power cut */

/* The vtable. All functions are mandatory except where noted. Since 1.0. */
struct lathe_storage {
    uint32_t struct_size, flags;

    /* Opens or creates the storage, bringing an older schema up to date.
     * Errors: CORRUPT when damaged (nothing is changed), VERSION when written by a newer version,
     * CONFLICT when another process has it open. On failure there is nothing to close. */
    int32_t (*open)(const struct lathe_storage_args *args, struct lathe_error *err, void **self);

    /* Gives up an open group, then releases everything. NULL is fine. */
    void (*close)(void *self);

    /* Declares a collection; the declaration is kept. New indexes are filled from the documents
     * that exist, indexes no longer named are dropped. Not inside a group. */
    int32_t (*declare)(void *self, const struct lathe_storage_collection *collection,
                       struct lathe_error *err);

    /* Opens a group: what apply and the series calls write until commit becomes durable at commit,
     * together. Without a group every call commits by itself. Errors: CONFLICT when one is open. */
    int32_t (*begin)(void *self, struct lathe_error *err);

    /* Makes the group durable before it returns. On failure nothing of the group remains. */
    int32_t (*commit)(void *self, struct lathe_error *err);

    /* Gives up the open group; fine without one. */
    void (*rollback)(void *self);

    /* Does a batch, all or nothing. values (n_ops entries, may be NULL) receives each operation's
     * value; *failed_op (may be NULL) is the operation at fault. A failed batch leaves the group
     * usable, except for IO, CORRUPT and NOMEM, after which the caller rolls back. */
    int32_t (*apply)(void *self, const struct lathe_storage_batch *batch, uint64_t *values,
                     uint32_t *failed_op, struct lathe_error *err);

    /* Reads one document, uncommitted writes of the open group included. Memory: doc's pointers are
     * valid until the next call on self. Errors: NOT_FOUND. */
    int32_t (*get)(void *self, const char *collection, const char *id,
                   struct lathe_storage_doc *doc, struct lathe_error *err);

    /* Reads documents in order. Errors: NOT_FOUND for an undeclared collection or index, INVALID
     * for a cursor of another query. */
    int32_t (*scan)(void *self, const struct lathe_storage_query *query, lathe_storage_visit visit,
                    void *user, struct lathe_storage_scan_result *result, struct lathe_error *err);

    /* Optional. An extension table (LATHE_STORAGE_TIMESERIES), or NULL. */
    const void *(*extension)(void *self, const char *id);
};

/* One point of a series. step is an iteration, episode or time stamp; NaN and infinities are kept.
 */
struct lathe_series_point {
    int64_t step;
    double value;
};

/* Points of one series in any order; a step that exists gets the new value. */
struct lathe_series_chunk {
    uint32_t struct_size, n_points;
    const char *series; /* "job_12/loss" */
    const struct lathe_series_point *points;
};

/* Which points to read: first <= step <= last. With max_points > 0 and more points than that in
 * range, neighbours are merged into at most max_points groups of equal count: the step of the
 * group's last point, and the mean of its values that are not NaN. */
struct lathe_series_query {
    uint32_t struct_size, max_points;
    const char *series;
    int64_t first, last;
};

/* Takes points in order of step, many at a time; same rules as lathe_storage_visit. */
typedef int32_t (*lathe_series_visit)(void *user, const struct lathe_series_point *points,
                                      uint32_t n_points);

/* Telemetry: points in time, apart from the series above. A series has a number, given when its
 * name is first opened and never used again. */

#define LATHE_TS_NAMES_MAX 10000             /* names in one series_open */
#define LATHE_TS_BATCH_MAX 100000            /* points in one batch */
#define LATHE_TS_READ_MAX 1000000            /* points or buckets that one read returns */
#define LATHE_TS_MIN_US (-62135596800000000) /* year 1 .. 9999, microseconds UTC */
#define LATHE_TS_MAX_US 253402300799999999

/* Flags of a point. The lowest two bits are its quality. Bad points are kept but not aggregated. */
#define LATHE_TS_GOOD 0u
#define LATHE_TS_UNCERTAIN 1u
#define LATHE_TS_BAD 2u
#define LATHE_TS_QUALITY 3u /* mask */
#define LATHE_TS_GAP 4u     /* no value was measured: value is 0, quality is bad */
#define LATHE_TS_BOOL 8u    /* value is 0 or 1 and stands for false or true */

/* One point. Fixed layout: arrays of it are passed. value is finite. */
struct lathe_ts_point {
    uint64_t series;
    int64_t ts_us;
    double value;
    uint32_t flags, reserved0; /* LATHE_TS_* */
};

/* Points of any series in any order. recv_us is when they arrived. */
struct lathe_ts_batch {
    uint32_t struct_size, n_points;
    int64_t recv_us;
    const struct lathe_ts_point *points;
};

/* How long points and rollups of 1 minute, 5 minutes, 1 hour and 1 day are kept, in seconds; 0 is
 * forever. A coarser level is kept at least as long as a finer one. */
struct lathe_ts_retention {
    uint32_t struct_size, reserved0;
    int64_t raw_s, m1_s, m5_s, h1_s, d1_s;
};

#define LATHE_TS_DESC 1u  /* from late to early */
#define LATHE_TS_COUNT 2u /* also count everything in the range, without offset and limit */

/* What to read: points with first_us <= ts_us < end_us, or the buckets that touch that range.
 * Buckets begin at origin_us + k * interval_us; they are served from the coarsest rollup that
 * divides both, from points when none does. */
struct lathe_ts_query {
    uint32_t struct_size, flags;
    uint64_t series;
    int64_t first_us, end_us;
    int64_t interval_us, origin_us; /* buckets only */
    uint64_t offset;                /* rows to leave out first */
    uint32_t limit, reserved0;      /* 0: only count */
};

#define LATHE_TS_MORE 1u /* lathe_ts_result.flags: the limit ended the read */

/* Outcome of a read. With LATHE_TS_MORE the rest follows with first_us = next_us, or, descending,
 * with end_us = next_us, and offset 0. */
struct lathe_ts_result {
    uint32_t struct_size, flags;
    uint64_t n, total; /* rows handed over; with LATHE_TS_COUNT all in the range */
    uint64_t n_read;   /* stored rows that were looked at */
    int64_t next_us;
};

/* Points of one bucket that are not bad. Fixed layout. Without any (n 0) the doubles are NaN and
 * the times 0. avg is NaN too when the sum left the range of doubles. */
struct lathe_ts_bucket {
    int64_t start_us;
    uint64_t n, n_bad; /* n_bad: points left out for their quality */
    double avg, sum, min, max;
    double first, last; /* by time */
    int64_t first_us, last_us;
};

/* The latest point of a series: the greatest time, not the last arrival. Fixed layout. */
struct lathe_ts_latest {
    uint64_t series;
    int64_t ts_us, recv_us; /* recv_us: when the point arrived that gave ts_us */
    int64_t horizon_us;     /* earlier points are refused; LATHE_TS_MIN_US: none */
    double value;
    uint32_t flags, has_point; /* has_point 0: there is none, the other members are 0 */
};

/* backlog: points that are durable and readable, not yet merged into the tables. */
struct lathe_ts_stats {
    uint32_t struct_size, reserved0;
    uint64_t n_series, n_points, backlog;
    uint64_t bytes, log_bytes; /* on disk, all files; the log alone */
};

/* Take rows of a read in order, many at a time; same rules as lathe_storage_visit. */
typedef int32_t (*lathe_ts_visit_points)(void *user, const struct lathe_ts_point *points,
                                         uint32_t n_points);
typedef int32_t (*lathe_ts_visit_buckets)(void *user, const struct lathe_ts_bucket *buckets,
                                          uint32_t n_buckets);

/* Extension "lathe.storage.timeseries/1": series of numbers, and telemetry (from series_open on).
 * append, drop_after and ingest join an open group; the other writes are refused inside one with
 * CONFLICT. Every function is mandatory, ending with maintain. Since 1.0. */
struct lathe_storage_timeseries {
    uint32_t struct_size, reserved0;

    /* Appends chunks, all or none. chunks holds n_chunks pointers. */
    int32_t (*append)(void *self, const struct lathe_series_chunk *const *chunks, uint32_t n_chunks,
                      struct lathe_error *err);

    /* Reads one series; a series that does not exist has no points. */
    int32_t (*read)(void *self, const struct lathe_series_query *query, lathe_series_visit visit,
                    void *user, struct lathe_error *err);

    /* Removes the points with step > after of every series whose name begins with prefix: a run
     * that resumes from an older checkpoint writes them again. INT64_MIN removes the series. */
    int32_t (*drop_after)(void *self, const char *prefix, int64_t after, struct lathe_error *err);

    /* Calls visit with the name and number of points of each series that begins with prefix, in
     * byte order of names. */
    int32_t (*list)(void *self, const char *prefix,
                    int32_t (*visit)(void *user, const char *series, uint64_t n_points), void *user,
                    struct lathe_error *err);

    /* Gives the number of each name, making the series that do not exist; durable on return. ids
     * has n_names entries. All or none. */
    int32_t (*series_open)(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                           struct lathe_error *err);

    /* Removes a series: its name is free at once, its points are removed by maintain.
     * Errors: NOT_FOUND. */
    int32_t (*series_remove)(void *self, uint64_t series, struct lathe_error *err);

    /* Calls visit with each series whose name begins with prefix, in byte order of names. */
    int32_t (*series_each)(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *name, uint64_t series),
                           void *user, struct lathe_error *err);

    /* Sets how long the data of a series is kept; a new series is kept forever. Data goes in whole
     * UTC days. Rollups do not change when their points are removed. */
    int32_t (*retain)(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                      struct lathe_error *err);

    /* Stores a batch, all or nothing; with LATHE_STORAGE_DURABLE it survives a power cut on return,
     * or when the group is committed. A point that exists (series and ts_us) gets the new value;
     * equal points change nothing, so a batch may be sent again. Later points of a batch win. In a
     * group, reads see the points after commit.
     * Errors: INVALID for a bad point, an unknown series, or a point before the horizon, with
     * *failed_point (may be NULL) at fault; LIMIT when the disk is full (in a group: at the call or
     * at commit); UNAVAILABLE when the backlog is full. */
    int32_t (*ingest)(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                      struct lathe_error *err);

    /* Reads points in order of time; all that ingest acknowledged are there. A series without
     * points, or an unknown one, gives none. Works on a full disk. */
    int32_t (*points)(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err);

    /* Reads buckets in order of time, empty ones left out. */
    int32_t (*buckets)(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                       void *user, struct lathe_ts_result *result, struct lathe_error *err);

    /* Fills out[i] for series[i]; without reading points from disk. */
    int32_t (*latest)(void *self, const uint64_t *series, uint32_t n_series,
                      struct lathe_ts_latest *out, struct lathe_error *err);

    /* Removes points with first_us <= ts_us < end_us and corrects the rollups; durable on return.
     * Before the horizon, where points are gone, bounds must be multiples of a UTC day (INVALID).
     */
    int32_t (*erase)(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                     struct lathe_error *err);

    int32_t (*stats)(void *self, struct lathe_ts_stats *out, struct lathe_error *err);

    /* Does a short piece of background work: merging, retention, clearing. now_us is the time of
     * day. *wait_ms: when it wants to be called again; 0: there is more to do now. Not inside a
     * group. On failure nothing is lost and a later call tries again. */
    int32_t (*maintain)(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err);
};

#endif
