/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: names, numbers and retention of series, in the main database. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

static int32_t outside_group(const struct sql_storage *s, struct lathe_error *err)
{
    return s->in_group ? storage_fail(err, LATHE_E_CONFLICT, "not inside a group") : LATHE_OK;
}

int32_t ts_series_load(struct sql_ts *ts, struct lathe_error *err)
{
    struct sql_storage *s = ts->s;
    sqlite3_stmt *stmt = NULL;
    int32_t st = LATHE_OK;
    int rc = sqlite3_prepare_v2(
        s->db, "SELECT id, keep0, keep1, keep2, keep3, keep4 FROM ts_series", -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        struct ts_series *series;

        if ((rc = sqlite3_step(stmt)) != SQLITE_ROW)
            break;
        st = ts_series_add(ts, (uint64_t)sqlite3_column_int64(stmt, 0), &series, err);
        if (st != LATHE_OK)
            break;
        for (int i = 0; i <= (int)TS_LEVELS; i++)
            series->keep_us[i] = sqlite3_column_int64(stmt, i + 1);
    }
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "read the series");
    sqlite3_finalize(stmt);
    return st;
}

/* Finds a name, or adds it: *id is its number, *is_new says which. In a transaction. */
static int32_t name_need(struct sql_storage *s, const char *name, uint64_t *id, int *is_new,
                         struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_TS_FIND, &stmt, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, name);
    rc = sqlite3_step(stmt);
    *is_new = rc == SQLITE_DONE;
    if (rc == SQLITE_ROW)
        *id = (uint64_t)sqlite3_column_int64(stmt, 0);
    else if (rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "find a series");
    sqlite3_reset(stmt);
    if (st != LATHE_OK || !*is_new || (st = sql_stmt(s, SQL_TS_ADD, &stmt, err)) != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, name);
    st = sql_step_done(s, stmt, err, "add a series");
    *id = (uint64_t)sqlite3_last_insert_rowid(s->db);
    if (st == LATHE_OK && *id > UINT32_MAX)
        st = storage_fail(err, LATHE_E_LIMIT, "there are no numbers left for series");
    return st;
}

static void forget(struct sql_ts *ts, uint64_t id)
{
    if (ts_find(ts, id) == NULL)
        return;
    free(ts->series[id]);
    ts->series[id] = NULL;
    ts->n_series--;
}

/* All names, or none. n_done tells how many were added to memory. */
static int32_t names_open(struct sql_ts *ts, const char *const *names, uint32_t n_names,
                          uint64_t *ids, struct lathe_error *err)
{
    struct sql_storage *s = ts->s;
    unsigned char *is_new = calloc(n_names + 1u, 1);
    int32_t st = is_new != NULL ? sql_write_start(s, err)
                                : storage_fail(err, LATHE_E_NOMEM, "no memory for series");

    if (st != LATHE_OK) {
        free(is_new);
        return st;
    }
    for (uint32_t i = 0; i < n_names && st == LATHE_OK; i++) {
        struct ts_series *series;
        int made = 0;

        if ((st = storage_check_id("series name", names[i], err)) == LATHE_OK)
            st = name_need(s, names[i], &ids[i], &made, err);
        if (st == LATHE_OK && made) {
            st = ts_series_add(ts, ids[i], &series, err);
            is_new[i] = st == LATHE_OK;
        }
    }
    st = sql_write_end(s, st, err);
    for (uint32_t i = 0; i < n_names && st != LATHE_OK; i++)
        if (is_new[i])
            forget(ts, ids[i]);
    free(is_new);
    return st;
}

int32_t sql_ts_series_open(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                           struct lathe_error *err)
{
    struct sql_storage *s = self;
    int32_t st = outside_group(s, err);

    if (st != LATHE_OK)
        return st;
    if (n_names > LATHE_TS_NAMES_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "at most %d names at a time", LATHE_TS_NAMES_MAX);
    if ((st = sql_ts_open(s, 1, err)) != LATHE_OK)
        return st;
    return names_open(s->ts, names, n_names, ids, err);
}

int32_t sql_ts_series_remove(void *self, uint64_t series, struct lathe_error *err)
{
    static const enum sql_id steps[] = {SQL_TS_REMOVE, SQL_TS_PURGE_ADD};
    struct sql_storage *s = self;
    sqlite3_stmt *stmt;
    int32_t st = outside_group(s, err);

    if (st != LATHE_OK)
        return st;
    if (s->ts == NULL || ts_find(s->ts, series) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "there is no series %llu",
                            (unsigned long long)series);
    if ((st = sql_write_start(s, err)) != LATHE_OK)
        return st;
    for (int i = 0; i < 2 && st == LATHE_OK; i++) {
        if ((st = sql_stmt(s, steps[i], &stmt, err)) != LATHE_OK)
            break;
        sqlite3_bind_int64(stmt, 1, (int64_t)series);
        st = sql_step_done(s, stmt, err, "remove a series");
    }
    if ((st = sql_write_end(s, st, err)) == LATHE_OK) {
        forget(s->ts, series);
        s->ts->has_purge = 1;
    }
    return st;
}

int32_t sql_ts_series_each(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *name, uint64_t series),
                           void *user, struct lathe_error *err)
{
    struct sql_storage *s = self;
    char end[LATHE_STORAGE_ID_MAX + 2];
    sqlite3_stmt *stmt;
    int rc = SQLITE_DONE;
    int32_t st = storage_check_id("series prefix", prefix, err);

    if (st != LATHE_OK || (st = sql_stmt(s, SQL_TS_LIST, &stmt, err)) != LATHE_OK)
        return st;
    sqlite3_snprintf(sizeof end, end, "%s\xff", prefix); /* UTF-8 has no byte 0xff */
    sql_bind_str(stmt, 1, prefix);
    sql_bind_str(stmt, 2, end);
    while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        st = visit(user, (const char *)sqlite3_column_text(stmt, 0),
                   (uint64_t)sqlite3_column_int64(stmt, 1));
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "list series");
    sqlite3_reset(stmt);
    return st;
}

int32_t sql_ts_retain(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                      struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct ts_series *found = s->ts != NULL ? ts_find(s->ts, series) : NULL;
    int64_t keep_us[TS_LEVELS + 1];
    sqlite3_stmt *stmt;
    int32_t st = outside_group(s, err);

    if (st != LATHE_OK || (st = ts_check_retention(retention, keep_us, err)) != LATHE_OK)
        return st;
    if (found == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "there is no series %llu",
                            (unsigned long long)series);
    if ((st = sql_write_start(s, err)) != LATHE_OK)
        return st;
    if ((st = sql_stmt(s, SQL_TS_KEEP, &stmt, err)) == LATHE_OK) {
        sqlite3_bind_int64(stmt, 1, (int64_t)series);
        for (int i = 0; i <= (int)TS_LEVELS; i++)
            sqlite3_bind_int64(stmt, i + 2, keep_us[i]);
        st = sql_step_done(s, stmt, err, "set a retention");
    }
    if ((st = sql_write_end(s, st, err)) == LATHE_OK) {
        memcpy(found->keep_us, keep_us, sizeof keep_us);
        s->ts->swept_us = INT64_MIN; /* look at once */
    }
    return st;
}

int32_t ts_purge_next(struct sql_ts *ts, uint64_t *series, struct lathe_error *err)
{
    struct sql_storage *s = ts->s;
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_TS_PURGE_NEXT, &stmt, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    if ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *series = (uint64_t)sqlite3_column_int64(stmt, 0);
    else if (rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "read removed series");
    sqlite3_reset(stmt);
    return st;
}

int32_t ts_purge_done(struct sql_ts *ts, uint64_t series, struct lathe_error *err)
{
    struct sql_storage *s = ts->s;
    sqlite3_stmt *stmt;
    int32_t st = sql_write_start(s, err);

    if (st != LATHE_OK)
        return st;
    if ((st = sql_stmt(s, SQL_TS_PURGE_DONE, &stmt, err)) == LATHE_OK) {
        sqlite3_bind_int64(stmt, 1, (int64_t)series);
        st = sql_step_done(s, stmt, err, "forget a removed series");
    }
    return sql_write_end(s, st, err);
}
