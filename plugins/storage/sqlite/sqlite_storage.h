/* Private to the SQLite storage: the open database and the calls between its files.
 * Threads: [store]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_SQLITE_H
#define STORAGE_SQLITE_H

#include <sqlite3.h>

#include "plugins/storage/common/storage_common.h"

/* Statements with constant text, prepared at first use; sqlite_db.c holds the texts in this order.
 */
enum sql_id {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,
    SQL_REVISION_SAVE,
    SQL_DOC_REVISION,
    SQL_DOC_GET,
    SQL_DOC_PUT,
    SQL_DOC_DELETE,
    SQL_DOC_ALL,
    SQL_ENTRY_GET,
    SQL_ENTRY_PUT,
    SQL_ENTRY_DELETE,
    SQL_COUNTER_TAKE,
    SQL_COLL_ADD,
    SQL_IX_ADD,
    SQL_IX_DELETE,
    SQL_IX_CLEAR,
    SQL_SERIES_FIND,
    SQL_SERIES_ADD,
    SQL_SERIES_LIST,
    SQL_SERIES_DELETE,
    SQL_POINT_PUT,
    SQL_POINT_READ,
    SQL_POINT_COUNT,
    SQL_POINT_CUT,
    SQL_POINT_CLEAR,
    SQL_TS_FIND,
    SQL_TS_ADD,
    SQL_TS_LIST,
    SQL_TS_KEEP,
    SQL_TS_REMOVE,
    SQL_TS_PURGE_ADD,
    SQL_TS_PURGE_NEXT,
    SQL_TS_PURGE_DONE,
    SQL_N
};

#define SCAN_CACHE 32 /* prepared scans kept */

struct sql_index {
    int64_t pk;
    char *field;
    uint32_t type;
};

struct sql_collection {
    int64_t pk;
    char *name;
    uint32_t n_indexes;
    struct sql_index indexes[LATHE_STORAGE_INDEX_MAX];
};

struct sql_scan_stmt {
    char *text;
    sqlite3_stmt *stmt;
};

struct sql_ts;

struct sql_ts_options {
    size_t merge_points, max_backlog;
    int64_t merge_age_s, cache_mib;
    int full_sync;
};

struct sql_storage {
    sqlite3 *db;
    char *path;
    int lock_fd;
    int in_group;
    int broken; /* the open group met a failure of the database and cannot be committed */
    uint64_t next_revision, saved_revision;
    sqlite3_stmt *stmts[SQL_N];
    struct sql_scan_stmt scans[SCAN_CACHE];
    unsigned next_scan;
    struct sql_collection **collections;
    size_t n_collections;
    char *buf; /* what get returned last: id, NUL, text, NUL */
    size_t cap_buf;
    struct sql_ts_options ts_options;
    struct sql_ts *ts; /* NULL until there is telemetry */
};

/* sqlite_db.c */
/* Status for an SQLite result code; names what was being done and marks the group as broken. */
int32_t sql_fail(struct sql_storage *s, int rc, struct lathe_error *err, const char *doing);
/* The status for an SQLite result code alone. */
int32_t sql_status(int rc);
/* The statement, reset and without bindings. */
int32_t sql_stmt(struct sql_storage *s, enum sql_id id, sqlite3_stmt **out,
                 struct lathe_error *err);
/* Steps a statement that returns no row, and resets it. */
int32_t sql_step_done(struct sql_storage *s, sqlite3_stmt *stmt, struct lathe_error *err,
                      const char *doing);
/* Runs a statement without parameters. */
int32_t sql_run(struct sql_storage *s, enum sql_id id, struct lathe_error *err);
void sql_bind_str(sqlite3_stmt *stmt, int at, const char *text);
void sql_bind_key(sqlite3_stmt *stmt, int at, uint32_t type, const struct storage_key *key);
/* A prepared scan from the cache. */
int32_t sql_scan_stmt(struct sql_storage *s, const char *text, sqlite3_stmt **out,
                      struct lathe_error *err);
void sql_finalize_all(struct sql_storage *s);

/* sqlite_open.c */
int32_t sql_open(const struct lathe_storage_args *args, struct lathe_error *err, void **self);
void sql_close(void *self);

/* sqlite_schema.c: brings the database to the newest schema. Errors: VERSION, CORRUPT, IO. */
int32_t sql_migrate(struct sql_storage *s, struct lathe_error *err);

/* sqlite_declare.c */
int32_t sql_collections_load(struct sql_storage *s, struct lathe_error *err);
void sql_collections_free(struct sql_storage *s);
int32_t sql_collection_find(struct sql_storage *s, const char *name,
                            const struct sql_collection **out, struct lathe_error *err);
int32_t sql_declare(void *self, const struct lathe_storage_collection *collection,
                    struct lathe_error *err);

/* sqlite_docs.c */
int32_t sql_begin(void *self, struct lathe_error *err);
int32_t sql_commit(void *self, struct lathe_error *err);
void sql_rollback(void *self);
/* Opens what a write outside of a group needs (a transaction) or inside of one (a savepoint). */
int32_t sql_write_start(struct sql_storage *s, struct lathe_error *err);
/* Ends it: keeps the write when st is LATHE_OK, takes it back otherwise. Returns the final status.
 */
int32_t sql_write_end(struct sql_storage *s, int32_t st, struct lathe_error *err);
int32_t sql_apply(void *self, const struct lathe_storage_batch *batch, uint64_t *values,
                  uint32_t *failed_op, struct lathe_error *err);
int32_t sql_get(void *self, const char *collection, const char *id, struct lathe_storage_doc *doc,
                struct lathe_error *err);
/* Writes the index entries of one document for one index. had: it may have entries already. */
int32_t sql_entries_write(struct sql_storage *s, const struct sql_index *ix, const char *id,
                          const json_t *doc, int had, struct lathe_error *err);

/* sqlite_scan.c */
int32_t sql_scan(void *self, const struct lathe_storage_query *query, lathe_storage_visit visit,
                 void *user, struct lathe_storage_scan_result *result, struct lathe_error *err);

/* sqlite_series.c */
extern const struct lathe_storage_timeseries sql_timeseries;

#endif
