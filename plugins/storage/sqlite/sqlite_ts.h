/* Private to the SQLite storage: telemetry. Three files: the main database knows the series; the
 * log (-ingest) takes every batch and is on disk before it is acknowledged; the tables (-telemetry)
 * get the points later, sorted, with their rollups. merged_seq in the tables says how far the log
 * is in them, so replaying the rest after a crash adds nothing twice. Rows leave the log when a
 * checkpoint has brought the tables to the disk. Threads: [store], and one thread for
 * checkpoints. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_SQLITE_TS_H
#define STORAGE_SQLITE_TS_H

#include <pthread.h>

#include "plugins/storage/common/ts_common.h"
#include "plugins/storage/sqlite/sqlite_storage.h"

/* Statements with constant text; sqlite_ts_db.c holds the texts in this order. Those from
 * TS_LOG_ADD on belong to the log. */
enum ts_sql {
    TS_BEGIN,
    TS_COMMIT,
    TS_ROLLBACK,
    TS_SAMPLE_ADD,
    TS_SAMPLE_GET,
    TS_SAMPLE_SET,
    TS_SAMPLE_CUT,
    TS_SAMPLE_EDGE,
    TS_SAMPLE_UP,
    TS_SAMPLE_DOWN,
    TS_SAMPLE_COUNT,
    TS_ROLLUP_ADD,
    TS_ROLLUP_PUT,
    TS_ROLLUP_CUT,
    TS_ROLLUP_EDGE,
    TS_ROLLUP_DROP,
    TS_ROLLUP_UP,
    TS_ROLLUP_DOWN,
    TS_ROLLUP_COUNT,
    TS_ROLLUP_SUM,
    TS_STATE_PUT,
    TS_STATE_DROP,
    TS_META_SET,
    TS_LOG_ADD,
    TS_LOG_BEGIN,
    TS_LOG_COMMIT,
    TS_LOG_ROLLBACK,
    TS_LOG_CUT,
    TS_LOG_BASE,
    TS_SQL_N
};

struct ts_series {
    struct lathe_ts_latest latest;
    int64_t keep_us[TS_LEVELS + 1];
    uint32_t n_pending; /* points in the queues below */
    uint32_t state_due; /* latest changed since it was written */
};

/* Points that wait for the tables. merged ones (reserved0 1) went out of turn. */
struct ts_queue {
    struct ts_item *items;
    size_t n, cap;
    uint64_t seq; /* of the last log row in it */
};

struct ts_checkpoint {
    pthread_t thread;
    int runs;
    pthread_mutex_t lock; /* protects the members below */
    pthread_cond_t changed;
    sqlite3 *db;
    int wanted, stop, finished, complete;
    uint64_t seq; /* merged_seq when it was asked for */
};

struct sql_ts {
    struct sql_storage *s;
    sqlite3 *db, *log;
    char *db_path, *log_path;
    sqlite3_stmt *stmts[TS_SQL_N];
    struct ts_series **series; /* by number; NULL: removed or never there */
    uint64_t cap_series, n_series;

    /* sealed is being merged, in the order of `sorted` from `at` on; active takes new points. */
    struct ts_queue active, sealed;
    const struct ts_item **sorted;
    size_t n_sorted, at;
    uint64_t order;
    size_t n_staged; /* points of the open group, after those of active */
    int log_open;    /* the group has a transaction on the log */
    uint64_t group_seq;

    uint64_t next_seq, merged_seq, base_seq; /* base: rows up to here left the log */
    uint64_t n_points;                       /* stored in the tables */
    uint64_t ingested;                       /* since the last maintain */
    size_t merge_points, max_backlog;
    int64_t merge_age_us;
    int full_sync;

    int64_t swept_us, checkpoint_us; /* when retention ran and a checkpoint was asked for */
    uint64_t sweep_at;               /* next series of a running sweep; 0: none runs */
    uint64_t checkpoint_seq;
    int has_purge;
    int last_errno; /* of the last statement */
    struct ts_checkpoint checkpoint;
};

/* sqlite_ts_db.c */
int32_t ts_fail(struct sql_ts *ts, sqlite3 *db, int rc, struct lathe_error *err, const char *doing);
int32_t ts_stmt(struct sql_ts *ts, enum ts_sql id, sqlite3_stmt **out, struct lathe_error *err);
int32_t ts_done(struct sql_ts *ts, sqlite3_stmt *stmt, struct lathe_error *err, const char *doing);
int32_t ts_run(struct sql_ts *ts, enum ts_sql id, struct lathe_error *err);
int32_t ts_files_open(struct sql_ts *ts, int64_t cache_mib, struct lathe_error *err);
int32_t ts_meta_set(struct sql_ts *ts, int64_t key, uint64_t value, struct lathe_error *err);
/* Makes commits of the tables wait for the disk, or not. */
int32_t ts_sync(struct sql_ts *ts, int full, struct lathe_error *err);
void ts_finalize(struct sql_ts *ts);
#define TS_META_MERGED 1
#define TS_META_POINTS 2

/* sqlite_ts_open.c */
/* Opens telemetry when there is some (or, with create, in any case). */
int32_t sql_ts_open(struct sql_storage *s, int create, struct lathe_error *err);
void sql_ts_close(struct sql_storage *s);
struct ts_series *ts_find(const struct sql_ts *ts, uint64_t series);
int32_t ts_series_add(struct sql_ts *ts, uint64_t series, struct ts_series **out,
                      struct lathe_error *err);

/* sqlite_ts_log.c */
int32_t ts_queue_add(struct ts_queue *queue, const struct ts_item *item, struct lathe_error *err);
size_t ts_backlog(const struct sql_ts *ts);
/* Ends the log's part of a group. */
int32_t sql_ts_commit(struct sql_storage *s, struct lathe_error *err);
void sql_ts_rollback(struct sql_storage *s);
int32_t sql_ts_ingest(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                      struct lathe_error *err);
int32_t ts_log_replay(struct sql_ts *ts, struct lathe_error *err);
/* Removes rows up to seq, which the tables have on disk. */
int32_t ts_log_cut(struct sql_ts *ts, uint64_t seq, struct lathe_error *err);

/* sqlite_ts_merge.c */
/* Merges up to n_rows points, when there is reason to; *more: there are more to merge now. */
int32_t ts_merge(struct sql_ts *ts, int force, size_t n_rows, int *more, struct lathe_error *err);
/* Everything, at once. */
int32_t ts_merge_all(struct sql_ts *ts, struct lathe_error *err);
/* Brings the waiting points of one series into the tables. When the disk is full they are put into
 * a transaction that stays open for a read: *open is 1 then and the caller rolls back. */
int32_t ts_flush(struct sql_ts *ts, struct ts_series *series, int *open, struct lathe_error *err);
void ts_sink_init(struct ts_sink *sink, struct sql_ts *ts, uint64_t series);
int32_t ts_sink_drop(struct ts_sink *sink, uint32_t level, int64_t first_us, int64_t end_us,
                     struct lathe_error *err);
int32_t ts_state_put(struct sql_ts *ts, const struct ts_series *series, struct lathe_error *err);
/* Reads the stored row under stmt, of TS_ROLLUP_UP or _DOWN. */
void ts_rollup_row(sqlite3_stmt *stmt, struct lathe_ts_bucket *b);

/* sqlite_ts_read.c */
int32_t sql_ts_points(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err);
int32_t sql_ts_buckets(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                       void *user, struct lathe_ts_result *result, struct lathe_error *err);
int32_t sql_ts_latest(void *self, const uint64_t *series, uint32_t n_series,
                      struct lathe_ts_latest *out, struct lathe_error *err);
int32_t sql_ts_stats(void *self, struct lathe_ts_stats *out, struct lathe_error *err);

/* sqlite_ts_keep.c */
int32_t sql_ts_erase(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                     struct lathe_error *err);
int32_t sql_ts_maintain(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err);
int32_t ts_checkpoint_start(struct sql_ts *ts, struct lathe_error *err);
void ts_checkpoint_stop(struct sql_ts *ts);

/* sqlite_ts_series.c: the main database */
int32_t ts_series_load(struct sql_ts *ts, struct lathe_error *err);
int32_t sql_ts_series_open(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                           struct lathe_error *err);
int32_t sql_ts_series_remove(void *self, uint64_t series, struct lathe_error *err);
int32_t sql_ts_series_each(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *name, uint64_t series),
                           void *user, struct lathe_error *err);
int32_t sql_ts_retain(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                      struct lathe_error *err);
/* The number of a removed series whose points are still there, or 0. */
int32_t ts_purge_next(struct sql_ts *ts, uint64_t *series, struct lathe_error *err);
int32_t ts_purge_done(struct sql_ts *ts, uint64_t series, struct lathe_error *err);

#endif
