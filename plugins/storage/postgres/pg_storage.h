/* Private to the PostgreSQL storage: the connection and the calls between its files.
 * Threads: [store]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_POSTGRES_H
#define STORAGE_POSTGRES_H

#include <libpq-fe.h>

#include "plugins/storage/common/ts_common.h"

#define PG_ARGS_MAX 24
#define PG_PREPARED_MAX 96

/* Parameters of a statement, as text. */
struct pg_args {
    int n;
    const char *v[PG_ARGS_MAX];
    char buf[PG_ARGS_MAX][32];
};

struct pg_index {
    int64_t pk;
    char *field;
    uint32_t type;
};

struct pg_collection {
    int64_t pk;
    char *name;
    uint32_t n_indexes;
    struct pg_index indexes[LATHE_STORAGE_INDEX_MAX];
};

/* What ingest must know of a series without asking. */
struct pg_ts {
    int exists;
    int64_t horizon_us, keep_us[TS_LEVELS + 1];
};

struct pg_storage {
    PGconn *db;
    int in_group;
    int broken; /* the open group met a failure and cannot be committed */
    uint64_t next_revision, saved_revision;
    const char *prepared[PG_PREPARED_MAX]; /* texts, by address */
    int n_prepared;
    struct pg_collection **collections;
    size_t n_collections;
    PGresult *last; /* holds what get returned */
    char last_id[LATHE_STORAGE_ID_MAX + 1];
    struct pg_ts *ts; /* by number */
    uint64_t cap_ts;
    int64_t swept_us;
    uint64_t sweep_at;
};

/* pg_db.c */
void arg_int(struct pg_args *a, int64_t value);
void arg_num(struct pg_args *a, double value);
void arg_str(struct pg_args *a, const char *value);
/* Runs a statement whose text is a constant, prepared at first use. *res (may be NULL) is the
 * caller's to clear. */
int32_t pg_run(struct pg_storage *s, const char *text, const struct pg_args *args, PGresult **res,
               struct lathe_error *err);
/* The same without preparing, for texts that vary. */
int32_t pg_run_once(struct pg_storage *s, const char *text, const struct pg_args *args,
                    PGresult **res, struct lathe_error *err);
int32_t pg_fail(struct pg_storage *s, const PGresult *res, struct lathe_error *err);
int64_t pg_int(const PGresult *res, int row, int column);
double pg_num(const PGresult *res, int row, int column); /* NaN for NULL */

/* pg_schema.c */
int32_t pg_open(const struct lathe_storage_args *args, struct lathe_error *err, void **self);
void pg_close(void *self);

/* pg_declare.c */
int32_t pg_collections_load(struct pg_storage *s, struct lathe_error *err);
void pg_collections_free(struct pg_storage *s);
int32_t pg_collection_find(struct pg_storage *s, const char *name, const struct pg_collection **out,
                           struct lathe_error *err);
int32_t pg_declare(void *self, const struct lathe_storage_collection *collection,
                   struct lathe_error *err);

/* pg_docs.c */
int32_t pg_begin(void *self, struct lathe_error *err);
int32_t pg_commit(void *self, struct lathe_error *err);
void pg_rollback(void *self);
/* As in the SQLite storage: a transaction outside of a group, a savepoint inside. */
int32_t pg_write_start(struct pg_storage *s, struct lathe_error *err);
int32_t pg_write_end(struct pg_storage *s, int32_t st, struct lathe_error *err);
int32_t pg_apply(void *self, const struct lathe_storage_batch *batch, uint64_t *values,
                 uint32_t *failed_op, struct lathe_error *err);
int32_t pg_get(void *self, const char *collection, const char *id, struct lathe_storage_doc *doc,
               struct lathe_error *err);
int32_t pg_entries_write(struct pg_storage *s, const struct pg_index *ix, const char *id,
                         const json_t *doc, struct lathe_error *err);

/* pg_scan.c */
int32_t pg_scan(void *self, const struct lathe_storage_query *query, lathe_storage_visit visit,
                void *user, struct lathe_storage_scan_result *result, struct lathe_error *err);

/* pg_series.c */
extern const struct lathe_storage_timeseries pg_timeseries;

/* pg_ts.c */
int32_t pg_ts_load(struct pg_storage *s, struct lathe_error *err);
struct pg_ts *pg_ts_find(const struct pg_storage *s, uint64_t series);
int32_t pg_ts_series_open(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                          struct lathe_error *err);
int32_t pg_ts_series_remove(void *self, uint64_t series, struct lathe_error *err);
int32_t pg_ts_series_each(void *self, const char *prefix,
                          int32_t (*visit)(void *user, const char *name, uint64_t series),
                          void *user, struct lathe_error *err);
int32_t pg_ts_retain(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                     struct lathe_error *err);
int32_t pg_ts_erase(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                    struct lathe_error *err);
int32_t pg_ts_maintain(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err);
int32_t pg_ts_stats(void *self, struct lathe_ts_stats *out, struct lathe_error *err);

/* pg_ts_ingest.c */
int32_t pg_ts_ingest(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                     struct lathe_error *err);
/* Computes one stored bucket anew. */
int32_t pg_recompute(struct ts_sink *sink, uint32_t level, int64_t start_us,
                     struct lathe_error *err);

/* pg_ts_read.c */
int32_t pg_ts_points(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                     void *user, struct lathe_ts_result *result, struct lathe_error *err);
int32_t pg_ts_buckets(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err);
int32_t pg_ts_latest(void *self, const uint64_t *series, uint32_t n_series,
                     struct lathe_ts_latest *out, struct lathe_error *err);

#endif
