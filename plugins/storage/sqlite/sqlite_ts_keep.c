/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: background work. Merging, retention, clearing after removed series, checkpoints, and
 * erasing on request. */

#include <signal.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

#define SLICE_ROWS 1000u /* of merging in one call, besides as many as came in */
#define SLICE_MAX 20000u
#define CUT_ROWS 5000      /* removed in one transaction */
#define SWEEP_SERIES 2000u /* looked at in one call */
#define SWEEP_US INT64_C(600000000)
#define CHECKPOINT_US INT64_C(5000000)
#define IDLE_MS 1000u

/* The thread brings the tables to the disk while [store] goes on writing. */
static void *checkpoint_thread(void *arg)
{
    struct sql_ts *ts = arg;
    struct ts_checkpoint *c = &ts->checkpoint;

    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        int in_log = 0, done = 0, rc;

        if (!c->wanted) {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        c->wanted = 0;
        pthread_mutex_unlock(&c->lock);
        rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
        pthread_mutex_lock(&c->lock);
        c->complete = rc == SQLITE_OK && in_log == done;
        c->finished = 1;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int32_t ts_checkpoint_start(struct sql_ts *ts, struct lathe_error *err)
{
    struct ts_checkpoint *c = &ts->checkpoint;
    sigset_t all, old;
    int rc =
        sqlite3_open_v2(ts->db_path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->db, "PRAGMA synchronous=NORMAL; SELECT * FROM meta", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return storage_fail(err, sql_status(rc), "%.100s: open it for checkpoints", ts->db_path);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to the server's loop */
    rc = pthread_create(&c->thread, NULL, checkpoint_thread, ts);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        return storage_fail(err, LATHE_E_NOMEM, "start the thread for checkpoints");
    }
    c->runs = 1;
    return LATHE_OK;
}

void ts_checkpoint_stop(struct sql_ts *ts)
{
    struct ts_checkpoint *c = &ts->checkpoint;

    if (c->runs) {
        pthread_mutex_lock(&c->lock);
        c->stop = 1;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
    }
    sqlite3_close(c->db);
    c->db = NULL;
    c->runs = 0;
}

/* Takes the outcome of a finished checkpoint: what it brought to the disk leaves the log. */
static int32_t checkpoint_poll(struct sql_ts *ts, struct lathe_error *err)
{
    struct ts_checkpoint *c = &ts->checkpoint;
    int finished, complete;

    pthread_mutex_lock(&c->lock);
    finished = c->finished;
    complete = c->complete;
    c->finished = 0;
    pthread_mutex_unlock(&c->lock);
    if (!finished)
        return LATHE_OK;
    if (!complete) {
        ts->checkpoint_seq = 0; /* another one is due */
        return LATHE_OK;
    }
    /* The little that was written meanwhile, so that the file can start over. */
    (void)sqlite3_wal_checkpoint_v2(ts->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return ts_log_cut(ts, c->seq, err);
}

/* Is it time again? A clock that went back counts as time gone by. */
static int is_due(int64_t then_us, int64_t now_us, int64_t period_us)
{
    return then_us < LATHE_TS_MIN_US || now_us < then_us || now_us - then_us >= period_us;
}

static void checkpoint_ask(struct sql_ts *ts, int64_t now_us)
{
    struct ts_checkpoint *c = &ts->checkpoint;

    if (ts->merged_seq == ts->checkpoint_seq || !is_due(ts->checkpoint_us, now_us, CHECKPOINT_US))
        return;
    ts->checkpoint_us = now_us;
    ts->checkpoint_seq = ts->merged_seq;
    pthread_mutex_lock(&c->lock);
    c->seq = ts->merged_seq;
    c->wanted = 1;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static int32_t range_bind(struct sql_ts *ts, enum ts_sql id, uint64_t series, int64_t first_us,
                          int64_t end_us, sqlite3_stmt **out, struct lathe_error *err)
{
    int32_t st = ts_stmt(ts, id, out, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(*out, 1, (int64_t)series);
    sqlite3_bind_int64(*out, 2, first_us);
    sqlite3_bind_int64(*out, 3, end_us);
    return LATHE_OK;
}

/* Removes points in the range, CUT_ROWS at most; *more: there are others. In a transaction. */
static int32_t points_cut(struct sql_ts *ts, uint64_t series, int64_t first_us, int64_t end_us,
                          int limited, int *more, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = LATHE_OK;
    int rc;

    *more = 0;
    if (limited) {
        st = range_bind(ts, TS_SAMPLE_EDGE, series, first_us, end_us, &stmt, err);
        if (st != LATHE_OK)
            return st;
        sqlite3_bind_int64(stmt, 4, CUT_ROWS);
        if ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            end_us = sqlite3_column_int64(stmt, 0);
            *more = 1;
        } else if (rc != SQLITE_DONE) {
            st = ts_fail(ts, ts->db, rc, err, "find old points");
        }
        sqlite3_reset(stmt);
    }
    if (st == LATHE_OK)
        st = range_bind(ts, TS_SAMPLE_CUT, series, first_us, end_us, &stmt, err);
    if (st == LATHE_OK)
        st = ts_done(ts, stmt, err, "remove points");
    if (st == LATHE_OK && (rc = sqlite3_changes(ts->db)) > 0) {
        ts->n_points -= (uint64_t)rc; /* taken back by transaction_end when it fails */
        st = ts_meta_set(ts, TS_META_POINTS, ts->n_points, err);
    }
    return st;
}

static int32_t transaction_end(struct sql_ts *ts, uint64_t n_points, int32_t st,
                               struct lathe_error *err)
{
    if (st == LATHE_OK)
        st = ts_run(ts, TS_COMMIT, err);
    if (st == LATHE_OK)
        return st;
    ts->n_points = n_points;
    if (!sqlite3_get_autocommit(ts->db))
        (void)ts_run(ts, TS_ROLLBACK, NULL);
    return st;
}

/* Old points of one series, then its old rollups. *did: something was there. */
static int32_t series_sweep(struct sql_ts *ts, struct ts_series *series, int64_t now_us, int *did,
                            struct lathe_error *err)
{
    const struct lathe_ts_latest before = series->latest;
    int64_t horizon = ts_horizon(now_us, series->keep_us[0]);
    uint64_t n_points;
    struct ts_sink sink;
    int open = 0, more = 0;
    int32_t st;

    if (horizon > before.horizon_us) {
        if ((st = ts_flush(ts, series, &open, err)) != LATHE_OK || open) {
            if (open)
                (void)ts_run(ts, TS_ROLLBACK, NULL);
            return st != LATHE_OK ? st : storage_fail(err, LATHE_E_LIMIT, "the disk is full");
        }
        *did = 1;
    } else {
        horizon = before.horizon_us;
    }
    if ((st = ts_run(ts, TS_BEGIN, err)) != LATHE_OK)
        return st;
    n_points = ts->n_points;
    ts_sink_init(&sink, ts, before.series);
    st = points_cut(ts, before.series, LATHE_TS_MIN_US, horizon, 1, &more, err);
    if (st == LATHE_OK && horizon > before.horizon_us) {
        series->latest.horizon_us = horizon;
        st = ts_state_put(ts, series, err);
    }
    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++)
        if (series->keep_us[level + 1] != INT64_MAX)
            st = ts_sink_drop(&sink, level, LATHE_TS_MIN_US,
                              ts_horizon(now_us, series->keep_us[level + 1]), err);
    st = transaction_end(ts, n_points, st, err);
    if (st != LATHE_OK)
        series->latest.horizon_us = before.horizon_us;
    *did |= more;
    return st;
}

/* A part of the round over all series. */
static int32_t sweep(struct sql_ts *ts, int64_t now_us, int *more, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (ts->sweep_at == 0) {
        if (!is_due(ts->swept_us, now_us, SWEEP_US))
            return LATHE_OK;
        ts->swept_us = now_us;
        ts->sweep_at = 1;
    }
    for (uint32_t n = 0; n < SWEEP_SERIES && ts->sweep_at < ts->cap_series; n++) {
        struct ts_series *series = ts->series[ts->sweep_at];
        int did = 0, keeps = 1;

        for (uint32_t i = 0; series != NULL && i <= TS_LEVELS; i++)
            keeps &= series->keep_us[i] == INT64_MAX;
        if (series != NULL && (!keeps || series->latest.horizon_us > LATHE_TS_MIN_US))
            if ((st = series_sweep(ts, series, now_us, &did, err)) != LATHE_OK)
                return st;
        if (did) {
            *more = 1; /* enough for one call; the same series again */
            return LATHE_OK;
        }
        ts->sweep_at++;
    }
    if (ts->sweep_at < ts->cap_series)
        *more = 1;
    else
        ts->sweep_at = 0;
    return LATHE_OK;
}

/* A part of what removed series left. */
static int32_t purge(struct sql_ts *ts, int *more, struct lathe_error *err)
{
    uint64_t series = 0, n_points = ts->n_points;
    sqlite3_stmt *stmt;
    int left = 0;
    int32_t st;

    if (!ts->has_purge || (st = ts_purge_next(ts, &series, err)) != LATHE_OK)
        return ts->has_purge ? st : LATHE_OK;
    if (series == 0) {
        ts->has_purge = 0;
        return LATHE_OK;
    }
    *more = 1;
    if ((st = ts_sync(ts, 1, err)) != LATHE_OK || (st = ts_run(ts, TS_BEGIN, err)) != LATHE_OK)
        return st;
    st = points_cut(ts, series, LATHE_TS_MIN_US, LATHE_TS_MAX_US + 1, 1, &left, err);
    for (int i = 0; i < 2 && st == LATHE_OK && !left; i++) {
        if ((st = ts_stmt(ts, i == 0 ? TS_ROLLUP_DROP : TS_STATE_DROP, &stmt, err)) != LATHE_OK)
            break;
        sqlite3_bind_int64(stmt, 1, (int64_t)series);
        st = ts_done(ts, stmt, err, "remove a series");
    }
    st = transaction_end(ts, n_points, st, err);
    if (st == LATHE_OK && !left)
        st = ts_purge_done(ts, series, err);
    (void)ts_sync(ts, 0, NULL);
    return st;
}

static int is_old(const struct sql_ts *ts, int64_t now_us)
{
    return ts->active.n > 0 && now_us - ts->active.items[0].recv_us >= ts->merge_age_us;
}

int32_t sql_ts_maintain(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct sql_ts *ts = s->ts;
    uint64_t rows;
    int more = 0;
    int32_t st;

    *wait_ms = IDLE_MS;
    now_us = ts_clamp(now_us);
    if (s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "not inside a group");
    if (ts == NULL)
        return LATHE_OK;
    rows = SLICE_ROWS + ts->ingested + ts->ingested / 4;
    ts->ingested = 0;
    st = checkpoint_poll(ts, err);
    if (st == LATHE_OK)
        st = ts_merge(ts, is_old(ts, now_us), rows < SLICE_MAX ? (size_t)rows : SLICE_MAX, &more,
                      err);
    if (st == LATHE_OK && !more)
        st = sweep(ts, now_us, &more, err);
    if (st == LATHE_OK && !more)
        st = purge(ts, &more, err);
    if (st == LATHE_OK)
        checkpoint_ask(ts, now_us);
    if (st == LATHE_OK && more)
        *wait_ms = 0;
    return st;
}

/* The latest point after an erase that took it. */
static int32_t latest_find(struct sql_ts *ts, struct ts_series *series, struct lathe_error *err)
{
    struct lathe_ts_latest *l = &series->latest, old = *l;
    sqlite3_stmt *stmt;
    int32_t st =
        range_bind(ts, TS_SAMPLE_DOWN, l->series, LATHE_TS_MIN_US, LATHE_TS_MAX_US + 1, &stmt, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 4, 0);
    *l = (struct lathe_ts_latest){.series = old.series, .horizon_us = old.horizon_us};
    if ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct lathe_ts_point p = {.series = old.series,
                                   .ts_us = sqlite3_column_int64(stmt, 0),
                                   .value = sqlite3_column_double(stmt, 1),
                                   .flags = (uint32_t)sqlite3_column_int(stmt, 2)};

        ts_latest_take(l, &p, old.recv_us);
    } else if (rc != SQLITE_DONE) {
        st = ts_fail(ts, ts->db, rc, err, "find the latest point");
    }
    sqlite3_reset(stmt);
    return st;
}

static int32_t erase(struct sql_ts *ts, struct ts_series *series, int64_t first_us, int64_t end_us,
                     struct lathe_error *err)
{
    const struct lathe_ts_latest before = series->latest;
    uint64_t n_points = ts->n_points;
    struct ts_sink sink;
    int more;
    int32_t st = ts_run(ts, TS_BEGIN, err);

    if (st != LATHE_OK)
        return st;
    ts_sink_init(&sink, ts, before.series);
    st = points_cut(ts, before.series, first_us, end_us, 0, &more, err);
    if (st == LATHE_OK)
        st = ts_levels_erase(&sink, first_us, end_us, ts_sink_drop, err);
    if (st == LATHE_OK && before.ts_us >= first_us && before.ts_us < end_us)
        st = latest_find(ts, series, err);
    if (st == LATHE_OK)
        st = ts_state_put(ts, series, err);
    st = transaction_end(ts, n_points, st, err);
    if (st != LATHE_OK)
        series->latest = before;
    return st;
}

int32_t sql_ts_erase(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                     struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct ts_series *found = s->ts != NULL ? ts_find(s->ts, series) : NULL;
    int32_t st;

    if (s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "not inside a group");
    if (found == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "there is no series %llu",
                            (unsigned long long)series);
    if ((st = ts_check_erase(first_us, end_us, found->latest.horizon_us, err)) != LATHE_OK)
        return st;
    first_us = ts_clamp(first_us);
    end_us = ts_clamp(end_us);
    if (first_us >= end_us)
        return LATHE_OK;
    /* Nothing may wait in the log: replaying it would bring the points back. The commit below
     * brings that to the disk too. */
    if ((st = ts_merge_all(s->ts, err)) != LATHE_OK || (st = ts_sync(s->ts, 1, err)) != LATHE_OK)
        return st;
    st = erase(s->ts, found, first_us, end_us, err);
    (void)ts_sync(s->ts, 0, NULL);
    return st;
}
