/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: the log in front of the tables. A batch is one row; its commit is the
 * acknowledgement. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

#define POINT_BYTES 21u /* series u32, time i64, value f64, flags u8, little-endian */

static void put_bytes(unsigned char *to, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_bytes(const unsigned char *from, int n)
{
    uint64_t value = 0;

    for (int i = 0; i < n; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static void point_pack(unsigned char *to, const struct lathe_ts_point *p)
{
    uint64_t bits;

    memcpy(&bits, &p->value, sizeof bits);
    put_bytes(to, p->series, 4);
    put_bytes(to + 4, (uint64_t)p->ts_us, 8);
    put_bytes(to + 12, bits, 8);
    to[20] = (unsigned char)p->flags;
}

static void point_unpack(const unsigned char *from, struct lathe_ts_point *p)
{
    uint64_t bits = get_bytes(from + 12, 8);

    p->series = get_bytes(from, 4);
    p->ts_us = (int64_t)get_bytes(from + 4, 8);
    memcpy(&p->value, &bits, sizeof bits);
    p->flags = from[20];
    p->reserved0 = 0;
}

static int32_t queue_room(struct ts_queue *queue, size_t more, struct lathe_error *err)
{
    size_t need = queue->n + more, cap = queue->cap != 0 ? queue->cap : 1024;
    struct ts_item *items;

    if (need <= queue->cap)
        return LATHE_OK;
    while (cap < need)
        cap *= 2;
    if ((items = realloc(queue->items, cap * sizeof *items)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for points");
    queue->items = items;
    queue->cap = cap;
    return LATHE_OK;
}

int32_t ts_queue_add(struct ts_queue *queue, const struct ts_item *item, struct lathe_error *err)
{
    int32_t st = queue_room(queue, 1, err);

    if (st == LATHE_OK)
        queue->items[queue->n++] = *item;
    return st;
}

size_t ts_backlog(const struct sql_ts *ts)
{
    return ts->active.n + ts->n_staged + (ts->n_sorted - ts->at);
}

/* Points that are on disk become visible. */
static void items_publish(struct sql_ts *ts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct ts_item *item = &ts->active.items[ts->active.n + i];
        struct ts_series *series = ts_find(ts, item->point.series);

        if (series == NULL)
            continue;
        series->n_pending++;
        if (ts_latest_take(&series->latest, &item->point, item->recv_us))
            series->state_due = 1;
    }
    ts->active.n += n;
    ts->ingested += n;
}

static int32_t check_points(const struct sql_ts *ts, const struct lathe_ts_batch *batch,
                            uint32_t *failed, struct lathe_error *err)
{
    for (uint32_t i = 0; i < batch->n_points; i++) {
        const struct lathe_ts_point *p = &batch->points[i];
        const struct ts_series *series = ts != NULL ? ts_find(ts, p->series) : NULL;
        int32_t st = ts_check_point(p, err);

        if (st == LATHE_OK && series == NULL)
            st = storage_fail(err, LATHE_E_INVALID, "there is no series %llu",
                              (unsigned long long)p->series);
        else if (st == LATHE_OK && p->ts_us < series->latest.horizon_us)
            st = storage_fail(err, LATHE_E_INVALID, "the point is older than what is kept");
        if (st != LATHE_OK) {
            if (failed != NULL)
                *failed = i;
            return st;
        }
    }
    return LATHE_OK;
}

static int32_t row_write(struct sql_ts *ts, const struct lathe_ts_batch *batch,
                         struct lathe_error *err)
{
    size_t len = (size_t)batch->n_points * POINT_BYTES;
    unsigned char *payload = malloc(len);
    sqlite3_stmt *stmt;
    int32_t st = payload != NULL ? ts_stmt(ts, TS_LOG_ADD, &stmt, err)
                                 : storage_fail(err, LATHE_E_NOMEM, "no memory for points");

    if (st == LATHE_OK) {
        for (uint32_t i = 0; i < batch->n_points; i++)
            point_pack(payload + (size_t)i * POINT_BYTES, &batch->points[i]);
        sqlite3_bind_int64(stmt, 1, (int64_t)ts->next_seq);
        sqlite3_bind_int64(stmt, 2, ts_clamp(batch->recv_us));
        sqlite3_bind_int64(stmt, 3, batch->n_points);
        sqlite3_bind_blob64(stmt, 4, payload, len, SQLITE_STATIC);
        st = ts_done(ts, stmt, err, "write to the log");
        sqlite3_clear_bindings(stmt);
    }
    free(payload);
    return st;
}

static void staged_drop(struct sql_ts *ts)
{
    ts->n_staged = 0;
    ts->log_open = 0;
    ts->next_seq = ts->group_seq;
    if (!sqlite3_get_autocommit(ts->log))
        (void)ts_run(ts, TS_LOG_ROLLBACK, NULL);
}

int32_t sql_ts_commit(struct sql_storage *s, struct lathe_error *err)
{
    struct sql_ts *ts = s->ts;
    int32_t st;

    if (ts == NULL || !ts->log_open)
        return LATHE_OK;
    if ((st = ts_run(ts, TS_LOG_COMMIT, err)) != LATHE_OK) {
        staged_drop(ts);
        return st;
    }
    ts->log_open = 0;
    ts->active.seq = ts->next_seq - 1;
    items_publish(ts, ts->n_staged);
    ts->n_staged = 0;
    return LATHE_OK;
}

void sql_ts_rollback(struct sql_storage *s)
{
    if (s->ts != NULL && s->ts->log_open)
        staged_drop(s->ts);
}

static int32_t batch_stage(struct sql_ts *ts, const struct lathe_ts_batch *batch,
                           struct lathe_error *err)
{
    int32_t st = queue_room(&ts->active, ts->n_staged + batch->n_points, err);

    if (st != LATHE_OK)
        return st;
    if (!ts->log_open) {
        ts->group_seq = ts->next_seq;
        if ((st = ts_run(ts, TS_LOG_BEGIN, err)) != LATHE_OK)
            return st;
        ts->log_open = 1;
    }
    if ((st = row_write(ts, batch, err)) != LATHE_OK)
        return st;
    ts->next_seq++;
    for (uint32_t i = 0; i < batch->n_points; i++) {
        struct ts_item *item = &ts->active.items[ts->active.n + ts->n_staged++];

        *item = (struct ts_item){batch->points[i], ts_clamp(batch->recv_us), ts->order++};
        item->point.reserved0 = 0;
    }
    return LATHE_OK;
}

int32_t sql_ts_ingest(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                      struct lathe_error *err)
{
    struct sql_storage *s = self;
    struct sql_ts *ts = s->ts;
    int32_t st = ts_check_batch(batch, err);

    if (st != LATHE_OK || (st = check_points(ts, batch, failed_point, err)) != LATHE_OK)
        return st;
    if (batch->n_points == 0)
        return LATHE_OK;
    if (s->broken)
        return storage_fail(err, LATHE_E_IO, "%.120s: an earlier write of this group failed",
                            s->path);
    if (ts_backlog(ts) + batch->n_points > ts->max_backlog)
        return storage_fail(err, LATHE_E_UNAVAILABLE,
                            "%zu points wait to be merged; send more later", ts_backlog(ts));
    if ((st = batch_stage(ts, batch, err)) != LATHE_OK) {
        staged_drop(ts);
        s->broken = s->in_group; /* earlier points of the group are gone too */
        return st;
    }
    return s->in_group ? LATHE_OK : sql_ts_commit(s, err);
}

static int32_t row_replay(struct sql_ts *ts, sqlite3_stmt *stmt, struct lathe_error *err)
{
    int64_t n = sqlite3_column_int64(stmt, 2);
    int64_t recv_us = ts_clamp(sqlite3_column_int64(stmt, 1));
    const unsigned char *payload = sqlite3_column_blob(stmt, 3);
    int32_t st = LATHE_OK;

    if (n < 0 || (uint64_t)sqlite3_column_bytes(stmt, 3) != (uint64_t)n * POINT_BYTES ||
        (n > 0 && payload == NULL))
        return storage_fail(err, LATHE_E_CORRUPT, "%.100s is damaged: restore a backup",
                            ts->log_path);
    for (int64_t i = 0; i < n && st == LATHE_OK; i++) {
        struct ts_item item = {.recv_us = recv_us, .order = ts->order};
        struct ts_series *series;

        point_unpack(payload + (size_t)i * POINT_BYTES, &item.point);
        series = ts_find(ts, item.point.series);
        if (series == NULL || item.point.ts_us < series->latest.horizon_us)
            continue; /* removed, or merged before its time was over */
        st = queue_room(&ts->active, 1, err);
        if (st == LATHE_OK) {
            ts->active.items[ts->active.n] = item;
            ts->order++;
            items_publish(ts, 1);
        }
    }
    return st;
}

int32_t ts_log_replay(struct sql_ts *ts, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int32_t st = LATHE_OK;
    int rc = sqlite3_prepare_v2(ts->log,
                                "SELECT seq, recv, n, payload FROM log WHERE seq>?1 ORDER BY seq",
                                -1, &stmt, NULL);

    ts->active.seq = ts->merged_seq;
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, (int64_t)ts->merged_seq);
        while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            ts->active.seq = (uint64_t)sqlite3_column_int64(stmt, 0);
            st = row_replay(ts, stmt, err);
        }
    }
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = ts_fail(ts, ts->log, rc, err, "read the log");
    sqlite3_finalize(stmt);
    ts->next_seq = ts->active.seq + 1;
    return st;
}

int32_t ts_log_cut(struct sql_ts *ts, uint64_t seq, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st;

    if (seq <= ts->base_seq || (st = ts_run(ts, TS_LOG_BEGIN, err)) != LATHE_OK)
        return seq <= ts->base_seq ? LATHE_OK : st;
    for (int i = 0; i < 2 && st == LATHE_OK; i++) {
        if ((st = ts_stmt(ts, i == 0 ? TS_LOG_BASE : TS_LOG_CUT, &stmt, err)) != LATHE_OK)
            break;
        sqlite3_bind_int64(stmt, 1, (int64_t)seq);
        st = ts_done(ts, stmt, err, "shorten the log");
    }
    if (st == LATHE_OK)
        st = ts_run(ts, TS_LOG_COMMIT, err);
    if (st == LATHE_OK)
        ts->base_seq = seq;
    else if (!sqlite3_get_autocommit(ts->log))
        (void)ts_run(ts, TS_LOG_ROLLBACK, NULL);
    return st;
}
