/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: opening with recovery, and closing. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

struct ts_series *ts_find(const struct sql_ts *ts, uint64_t series)
{
    return series < ts->cap_series ? ts->series[series] : NULL;
}

int32_t ts_series_add(struct sql_ts *ts, uint64_t series, struct ts_series **out,
                      struct lathe_error *err)
{
    struct ts_series *s = calloc(1, sizeof *s);

    if (s != NULL && series >= ts->cap_series) {
        uint64_t cap = ts->cap_series * 2 > series ? ts->cap_series * 2 : series + 64;
        struct ts_series **all = realloc(ts->series, (size_t)cap * sizeof *all);

        if (all == NULL) {
            free(s);
            s = NULL;
        } else {
            memset(all + ts->cap_series, 0, (size_t)(cap - ts->cap_series) * sizeof *all);
            ts->series = all;
            ts->cap_series = cap;
        }
    }
    if (s == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a series");
    s->latest.series = series;
    s->latest.horizon_us = LATHE_TS_MIN_US;
    for (uint32_t i = 0; i <= TS_LEVELS; i++)
        s->keep_us[i] = INT64_MAX;
    ts->series[series] = s;
    ts->n_series++;
    *out = s;
    return LATHE_OK;
}

static int32_t number(struct sql_ts *ts, sqlite3 *db, const char *text, uint64_t *out,
                      struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int32_t st = LATHE_OK;
    int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        st = ts_fail(ts, db, rc, err, "read a number");
    sqlite3_finalize(stmt);
    return st;
}

static int32_t states_load(struct sql_ts *ts, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int32_t st = LATHE_OK;
    int rc = sqlite3_prepare_v2(
        ts->db, "SELECT series, has, ts, value, flags, recv, horizon FROM state", -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            struct ts_series *s = ts_find(ts, (uint64_t)sqlite3_column_int64(stmt, 0));

            if (s == NULL)
                continue;
            s->latest.has_point = (uint32_t)sqlite3_column_int(stmt, 1);
            s->latest.ts_us = sqlite3_column_int64(stmt, 2);
            s->latest.value = sqlite3_column_double(stmt, 3);
            s->latest.flags = (uint32_t)sqlite3_column_int(stmt, 4);
            s->latest.recv_us = sqlite3_column_int64(stmt, 5);
            s->latest.horizon_us = sqlite3_column_int64(stmt, 6);
        }
    }
    if (rc != SQLITE_DONE)
        st = ts_fail(ts, ts->db, rc, err, "read the state of the series");
    sqlite3_finalize(stmt);
    return st;
}

/* Brings what the files hold together. The tables may be behind the log, never before its start. */
static int32_t recover(struct sql_ts *ts, struct lathe_error *err)
{
    uint64_t left = 0;
    int32_t st;

    if ((st = number(ts, ts->db, "SELECT value FROM meta WHERE key=1", &ts->merged_seq, err)) !=
            LATHE_OK ||
        (st = number(ts, ts->db, "SELECT value FROM meta WHERE key=2", &ts->n_points, err)) !=
            LATHE_OK ||
        (st = number(ts, ts->log, "SELECT seq FROM base", &ts->base_seq, err)) != LATHE_OK ||
        (st = number(ts, ts->s->db, "SELECT count(*) FROM ts_purge", &left, err)) != LATHE_OK)
        return st;
    ts->has_purge = left > 0;
    if (ts->merged_seq < ts->base_seq)
        return storage_fail(err, LATHE_E_CORRUPT,
                            "%.80s is older than %.80s, points are missing: restore both files "
                            "from one backup",
                            ts->db_path, ts->log_path);
    if ((st = ts_series_load(ts, err)) != LATHE_OK || (st = states_load(ts, err)) != LATHE_OK)
        return st;
    return ts_log_replay(ts, err);
}

static char *path_make(const char *path, const char *suffix)
{
    size_t len = strlen(path) + strlen(suffix) + 1;
    char *out = malloc(len);

    if (out != NULL)
        sqlite3_snprintf((int)len, out, "%s%s", path, suffix);
    return out;
}

static int32_t is_used(struct sql_storage *s, int *used, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        s->db, "SELECT EXISTS(SELECT 1 FROM ts_series) OR EXISTS(SELECT 1 FROM ts_purge)", -1,
        &stmt, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *used = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? LATHE_OK : sql_fail(s, rc, err, "look for series");
}

int32_t sql_ts_open(struct sql_storage *s, int create, struct lathe_error *err)
{
    struct sql_ts *ts;
    int used = create;
    int32_t st = LATHE_OK;

    if (s->ts != NULL || (!create && (st = is_used(s, &used, err)) != LATHE_OK) || !used)
        return st;
    if ((ts = calloc(1, sizeof *ts)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for telemetry");
    s->ts = ts;
    ts->s = s;
    ts->swept_us = ts->checkpoint_us = INT64_MIN;
    ts->merge_points = s->ts_options.merge_points;
    ts->max_backlog = s->ts_options.max_backlog;
    ts->merge_age_us = s->ts_options.merge_age_s * 1000000;
    ts->full_sync = s->ts_options.full_sync;
    ts->db_path = path_make(s->path, "-telemetry");
    ts->log_path = path_make(s->path, "-ingest");
    if (ts->db_path == NULL || ts->log_path == NULL)
        st = storage_fail(err, LATHE_E_NOMEM, "no memory for a path");
    if (st == LATHE_OK)
        st = ts_files_open(ts, s->ts_options.cache_mib, err);
    if (st == LATHE_OK && (st = recover(ts, err)) == LATHE_OK)
        st = ts_checkpoint_start(ts, err);
    if (st != LATHE_OK)
        sql_ts_close(s);
    return st;
}

/* What is merged leaves the log, if the disk allows it; the rest is replayed at the next open. */
static void tidy(struct sql_ts *ts)
{
    int in_log = 0, done = 0;

    if (ts->db != NULL && ts->log != NULL && ts->merged_seq > ts->base_seq &&
        sqlite3_wal_checkpoint_v2(ts->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done) ==
            SQLITE_OK &&
        in_log == done)
        (void)ts_log_cut(ts, ts->merged_seq, NULL);
}

void sql_ts_close(struct sql_storage *s)
{
    struct sql_ts *ts = s->ts;

    if (ts == NULL)
        return;
    sql_ts_rollback(s);
    if (ts->checkpoint.runs) {
        ts_checkpoint_stop(ts);
        tidy(ts);
    }
    ts_checkpoint_stop(ts);
    ts_finalize(ts);
    sqlite3_close(ts->db);
    sqlite3_close(ts->log);
    for (uint64_t i = 0; i < ts->cap_series; i++)
        free(ts->series[i]);
    free(ts->series);
    free(ts->active.items);
    free(ts->sealed.items);
    free((void *)ts->sorted);
    free(ts->db_path);
    free(ts->log_path);
    free(ts);
    s->ts = NULL;
}
