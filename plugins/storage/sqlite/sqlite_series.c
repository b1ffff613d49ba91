/* SPDX-License-Identifier: Apache-2.0 */
/* Series of numbers, clustered by series and step, so that a range is read in one pass. */

#include <math.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

/* The names that begin with prefix are those in [prefix, prefix 0xff): UTF-8 has no byte 0xff. */
struct prefix {
    char end[LATHE_STORAGE_ID_MAX + 2];
};

static int32_t prefix_check(const char *text, struct prefix *out, struct lathe_error *err)
{
    int32_t st = storage_check_id("series prefix", text, err);
    size_t len;

    if (st != LATHE_OK)
        return st;
    len = strlen(text);
    memcpy(out->end, text, len);
    out->end[len] = (char)0xff;
    out->end[len + 1] = 0;
    return LATHE_OK;
}

/* *pk is 0 when there is no such series. */
static int32_t series_find(struct sql_storage *s, const char *name, int64_t *pk,
                           struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = storage_check_id("series name", name, err);
    int rc;

    if (st != LATHE_OK || (st = sql_stmt(s, SQL_SERIES_FIND, &stmt, err)) != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, name);
    rc = sqlite3_step(stmt);
    *pk = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "find a series");
    sqlite3_reset(stmt);
    return st;
}

static int32_t series_need(struct sql_storage *s, const char *name, int64_t *pk,
                           struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = series_find(s, name, pk, err);

    if (st != LATHE_OK || *pk != 0 || (st = sql_stmt(s, SQL_SERIES_ADD, &stmt, err)) != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, name);
    st = sql_step_done(s, stmt, err, "add a series");
    *pk = sqlite3_last_insert_rowid(s->db);
    return st;
}

static int32_t chunk_write(struct sql_storage *s, const struct lathe_series_chunk *chunk,
                           struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int64_t pk = 0;
    int32_t st = series_need(s, chunk->series, &pk, err);

    for (uint32_t i = 0; i < chunk->n_points && st == LATHE_OK; i++) {
        if ((st = sql_stmt(s, SQL_POINT_PUT, &stmt, err)) != LATHE_OK)
            return st;
        sqlite3_bind_int64(stmt, 1, pk);
        sqlite3_bind_int64(stmt, 2, chunk->points[i].step);
        sqlite3_bind_double(stmt, 3, chunk->points[i].value); /* NaN is stored as NULL */
        st = sql_step_done(s, stmt, err, "write a point");
    }
    return st;
}

static int32_t series_append(void *self, const struct lathe_series_chunk *const *chunks,
                             uint32_t n_chunks, struct lathe_error *err)
{
    struct sql_storage *s = self;
    int32_t st = sql_write_start(s, err);

    if (st != LATHE_OK)
        return st;
    for (uint32_t i = 0; i < n_chunks && st == LATHE_OK; i++)
        st = chunk_write(s, chunks[i], err);
    return sql_write_end(s, st, err);
}

static int32_t range_open(struct sql_storage *s, enum sql_id id, int64_t pk,
                          const struct lathe_series_query *q, sqlite3_stmt **out,
                          struct lathe_error *err)
{
    int32_t st = sql_stmt(s, id, out, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(*out, 1, pk);
    sqlite3_bind_int64(*out, 2, q->first);
    sqlite3_bind_int64(*out, 3, q->last);
    return LATHE_OK;
}

static int32_t range_count(struct sql_storage *s, int64_t pk, const struct lathe_series_query *q,
                           uint64_t *total, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = range_open(s, SQL_POINT_COUNT, pk, q, &stmt, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    if ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *total = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        st = sql_fail(s, rc, err, "count points");
    sqlite3_reset(stmt);
    return st;
}

static int32_t series_read(void *self, const struct lathe_series_query *query,
                           lathe_series_visit visit, void *user, struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct storage_thin thin;
    sqlite3_stmt *stmt;
    uint64_t total = 0;
    int64_t pk = 0;
    int rc = SQLITE_DONE;
    int32_t st = series_find(s, query->series, &pk, err);

    if (st != LATHE_OK || pk == 0)
        return st;
    if (query->max_points > 0 && (st = range_count(s, pk, query, &total, err)) != LATHE_OK)
        return st;
    if ((st = range_open(s, SQL_POINT_READ, pk, query, &stmt, err)) != LATHE_OK)
        return st;
    storage_thin_start(&thin, total, query->max_points, visit, user);
    while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int is_null = sqlite3_column_type(stmt, 1) == SQLITE_NULL;

        st = storage_thin_add(&thin, sqlite3_column_int64(stmt, 0),
                              is_null ? (double)NAN : sqlite3_column_double(stmt, 1));
    }
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "read points");
    sqlite3_reset(stmt);
    return st == LATHE_OK ? storage_thin_finish(&thin) : st;
}

static int32_t run_prefix(struct sql_storage *s, enum sql_id id, const char *prefix,
                          const struct prefix *range, const int64_t *after, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, id, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, prefix);
    sql_bind_str(stmt, 2, range->end);
    if (after != NULL)
        sqlite3_bind_int64(stmt, 3, *after);
    return sql_step_done(s, stmt, err, "remove points");
}

static int32_t series_drop_after(void *self, const char *prefix, int64_t after,
                                 struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct prefix range;
    int32_t st = prefix_check(prefix, &range, err);

    if (st != LATHE_OK || (st = sql_write_start(s, err)) != LATHE_OK)
        return st;
    if (after != INT64_MIN) {
        st = run_prefix(s, SQL_POINT_CUT, prefix, &range, &after, err);
    } else {
        st = run_prefix(s, SQL_POINT_CLEAR, prefix, &range, NULL, err);
        if (st == LATHE_OK)
            st = run_prefix(s, SQL_SERIES_DELETE, prefix, &range, NULL, err);
    }
    return sql_write_end(s, st, err);
}

static int32_t series_list(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *series, uint64_t n_points),
                           void *user, struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct prefix range;
    sqlite3_stmt *stmt;
    int rc = SQLITE_DONE;
    int32_t st = prefix_check(prefix, &range, err);

    if (st != LATHE_OK || (st = sql_stmt(s, SQL_SERIES_LIST, &stmt, err)) != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, prefix);
    sql_bind_str(stmt, 2, range.end);
    while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        if (sqlite3_column_int64(stmt, 1) > 0)
            st = visit(user, (const char *)sqlite3_column_text(stmt, 0),
                       (uint64_t)sqlite3_column_int64(stmt, 1));
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "list series");
    sqlite3_reset(stmt);
    return st;
}

const struct lathe_storage_timeseries sql_timeseries = {
    .struct_size = sizeof(struct lathe_storage_timeseries),
    .append = series_append,
    .read = series_read,
    .drop_after = series_drop_after,
    .list = series_list,
    .series_open = sql_ts_series_open,
    .series_remove = sql_ts_series_remove,
    .series_each = sql_ts_series_each,
    .retain = sql_ts_retain,
    .ingest = sql_ts_ingest,
    .points = sql_ts_points,
    .buckets = sql_ts_buckets,
    .latest = sql_ts_latest,
    .erase = sql_ts_erase,
    .stats = sql_ts_stats,
    .maintain = sql_ts_maintain,
};
