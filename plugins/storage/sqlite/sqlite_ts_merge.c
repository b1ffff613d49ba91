/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: from the queue into the tables, sorted, rollups by addition. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

static void bind_double(sqlite3_stmt *stmt, int at, double value)
{
    if (isnan(value))
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_double(stmt, at, value);
}

static double column_double(sqlite3_stmt *stmt, int at)
{
    return sqlite3_column_type(stmt, at) == SQLITE_NULL ? (double)NAN
                                                        : sqlite3_column_double(stmt, at);
}

void ts_rollup_row(sqlite3_stmt *stmt, struct lathe_ts_bucket *b)
{
    b->start_us = sqlite3_column_int64(stmt, 0) * 1000000;
    b->n = (uint64_t)sqlite3_column_int64(stmt, 1);
    b->n_bad = (uint64_t)sqlite3_column_int64(stmt, 2);
    b->sum = column_double(stmt, 3);
    b->min = column_double(stmt, 4);
    b->max = column_double(stmt, 5);
    b->first = column_double(stmt, 6);
    b->first_us = sqlite3_column_int64(stmt, 7);
    b->last = column_double(stmt, 8);
    b->last_us = sqlite3_column_int64(stmt, 9);
    b->avg = b->n > 0 && isfinite(b->sum) ? b->sum / (double)b->n : (double)NAN;
}

static int32_t rollup_write(struct ts_sink *sink, enum ts_sql id, uint32_t level,
                            const struct lathe_ts_bucket *b, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = ts_stmt(sink->self, id, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)sink->series);
    sqlite3_bind_int64(stmt, 2, ts_level_us(level) / 1000000);
    sqlite3_bind_int64(stmt, 3, b->start_us / 1000000);
    sqlite3_bind_int64(stmt, 4, (int64_t)b->n);
    sqlite3_bind_int64(stmt, 5, (int64_t)b->n_bad);
    bind_double(stmt, 6, b->sum);
    bind_double(stmt, 7, b->min);
    bind_double(stmt, 8, b->max);
    bind_double(stmt, 9, b->first);
    sqlite3_bind_int64(stmt, 10, b->first_us);
    bind_double(stmt, 11, b->last);
    sqlite3_bind_int64(stmt, 12, b->last_us);
    return ts_done(sink->self, stmt, err, "write a rollup");
}

static int32_t sink_add(struct ts_sink *sink, uint32_t level, const struct lathe_ts_bucket *b,
                        struct lathe_error *err)
{
    return rollup_write(sink, TS_ROLLUP_ADD, level, b, err);
}

int32_t ts_sink_drop(struct ts_sink *sink, uint32_t level, int64_t first_us, int64_t end_us,
                     struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = ts_stmt(sink->self, TS_ROLLUP_CUT, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)sink->series);
    sqlite3_bind_int64(stmt, 2, ts_level_us(level) / 1000000);
    sqlite3_bind_int64(stmt, 3, first_us / 1000000);
    sqlite3_bind_int64(stmt, 4, end_us / 1000000);
    return ts_done(sink->self, stmt, err, "remove rollups");
}

static int32_t collect(struct ts_sink *sink, uint32_t level, struct lathe_ts_bucket *sum,
                       struct lathe_error *err)
{
    struct sql_ts *ts = sink->self;
    int64_t start = sum->start_us, end = start + ts_level_us(level);
    sqlite3_stmt *stmt;
    int32_t st = ts_stmt(ts, level == 0 ? TS_SAMPLE_UP : TS_ROLLUP_UP, &stmt, err);
    int rc, at = 1;

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, at++, (int64_t)sink->series);
    if (level > 0)
        sqlite3_bind_int64(stmt, at++, ts_level_us(level - 1) / 1000000);
    sqlite3_bind_int64(stmt, at++, level == 0 ? start : start / 1000000);
    sqlite3_bind_int64(stmt, at++, level == 0 ? end : end / 1000000);
    sqlite3_bind_int64(stmt, at, 0);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct lathe_ts_bucket b;
        struct lathe_ts_point p = {.series = sink->series};

        if (level > 0) {
            ts_rollup_row(stmt, &b);
            ts_bucket_add(sum, &b);
        } else {
            p.ts_us = sqlite3_column_int64(stmt, 0);
            p.value = sqlite3_column_double(stmt, 1);
            p.flags = (uint32_t)sqlite3_column_int(stmt, 2);
            ts_bucket_add_point(sum, &p);
        }
    }
    if (rc != SQLITE_DONE)
        st = ts_fail(ts, ts->db, rc, err, "read what a rollup is made of");
    sqlite3_reset(stmt);
    return st;
}

static int32_t sink_recompute(struct ts_sink *sink, uint32_t level, int64_t start_us,
                              struct lathe_error *err)
{
    struct lathe_ts_bucket sum;
    int32_t st;

    ts_bucket_clear(&sum, start_us);
    if ((st = collect(sink, level, &sum, err)) != LATHE_OK)
        return st;
    if (sum.n + sum.n_bad == 0)
        return ts_sink_drop(sink, level, start_us, start_us + ts_level_us(level), err);
    return rollup_write(sink, TS_ROLLUP_PUT, level, &sum, err);
}

void ts_sink_init(struct ts_sink *sink, struct sql_ts *ts, uint64_t series)
{
    *sink = (struct ts_sink){ts, series, sink_add, sink_recompute};
}

/* The point exists already: another value replaces it. */
static int32_t point_replace(struct sql_ts *ts, struct ts_levels *levels,
                             const struct lathe_ts_point *p, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = ts_stmt(ts, TS_SAMPLE_GET, &stmt, err);
    int rc, equal;

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)p->series);
    sqlite3_bind_int64(stmt, 2, p->ts_us);
    if ((rc = sqlite3_step(stmt)) != SQLITE_ROW) {
        st = ts_fail(ts, ts->db, rc, err, "read a point");
        sqlite3_reset(stmt);
        return st;
    }
    equal = !(sqlite3_column_double(stmt, 0) < p->value) &&
            !(sqlite3_column_double(stmt, 0) > p->value) &&
            (uint32_t)sqlite3_column_int(stmt, 1) == p->flags;
    sqlite3_reset(stmt);
    if (equal || (st = ts_stmt(ts, TS_SAMPLE_SET, &stmt, err)) != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)p->series);
    sqlite3_bind_int64(stmt, 2, p->ts_us);
    sqlite3_bind_double(stmt, 3, p->value);
    sqlite3_bind_int64(stmt, 4, p->flags);
    if ((st = ts_done(ts, stmt, err, "replace a point")) != LATHE_OK)
        return st;
    return ts_levels_change(levels, p->ts_us, err);
}

static int32_t point_put(struct sql_ts *ts, struct ts_levels *levels,
                         const struct lathe_ts_point *p, uint64_t *n_new, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = ts_stmt(ts, TS_SAMPLE_ADD, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)p->series);
    sqlite3_bind_int64(stmt, 2, p->ts_us);
    sqlite3_bind_double(stmt, 3, p->value);
    sqlite3_bind_int64(stmt, 4, p->flags);
    if ((st = ts_done(ts, stmt, err, "write a point")) != LATHE_OK)
        return st;
    if (sqlite3_changes(ts->db) == 0)
        return point_replace(ts, levels, p, err);
    ++*n_new;
    return ts_levels_insert(levels, p, err);
}

int32_t ts_state_put(struct sql_ts *ts, const struct ts_series *series, struct lathe_error *err)
{
    const struct lathe_ts_latest *l = &series->latest;
    sqlite3_stmt *stmt;
    int32_t st = ts_stmt(ts, TS_STATE_PUT, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)l->series);
    sqlite3_bind_int64(stmt, 2, l->has_point);
    sqlite3_bind_int64(stmt, 3, l->ts_us);
    sqlite3_bind_double(stmt, 4, l->value);
    sqlite3_bind_int64(stmt, 5, l->flags);
    sqlite3_bind_int64(stmt, 6, l->recv_us);
    sqlite3_bind_int64(stmt, 7, l->horizon_us);
    return ts_done(ts, stmt, err, "write the state of a series");
}

/* Writes sorted points inside a transaction. */
static int32_t items_put(struct sql_ts *ts, const struct ts_item *const *items, size_t n,
                         uint64_t *n_new, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (size_t i = 0; i < n && st == LATHE_OK;) {
        uint64_t id = items[i]->point.series;
        const struct ts_series *series = ts_find(ts, id);
        struct ts_levels levels;
        struct ts_sink sink;

        ts_sink_init(&sink, ts, id);
        ts_levels_start(&levels, &sink);
        for (; i < n && items[i]->point.series == id && st == LATHE_OK; i++)
            if (series != NULL && items[i]->point.reserved0 == 0)
                st = point_put(ts, &levels, &items[i]->point, n_new, err);
        if (st == LATHE_OK)
            st = ts_levels_finish(&levels, err);
        if (st == LATHE_OK && series != NULL && series->state_due)
            st = ts_state_put(ts, series, err);
    }
    return st;
}

/* What was written stays: the points wait no longer. */
static void items_done(struct sql_ts *ts, const struct ts_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct ts_series *series = ts_find(ts, items[i]->point.series);

        if (series == NULL || items[i]->point.reserved0 != 0)
            continue;
        series->n_pending--;
        series->state_due = 0;
    }
}

static void rollback(struct sql_ts *ts)
{
    if (!sqlite3_get_autocommit(ts->db))
        (void)ts_run(ts, TS_ROLLBACK, NULL);
}

/* Turns the active queue into the sealed one. */
static int32_t seal(struct sql_ts *ts, struct lathe_error *err)
{
    struct ts_queue queue = ts->sealed;
    size_t n = ts->active.n;

    free((void *)ts->sorted);
    ts->n_sorted = ts->at = 0;
    if ((ts->sorted = malloc((n + 1) * sizeof *ts->sorted)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory to sort points");
    ts->sealed = ts->active;
    ts->active = queue;
    ts->active.n = 0;
    ts->active.seq = ts->sealed.seq;
    for (size_t i = 0; i < n; i++)
        ts->sorted[i] = &ts->sealed.items[i];
    ts->n_sorted = n;
    ts_items_sort(ts->sorted, n);
    return LATHE_OK;
}

static int32_t slice(struct sql_ts *ts, size_t n_rows, struct lathe_error *err)
{
    size_t left = ts->n_sorted - ts->at, n = n_rows < left ? n_rows : left;
    uint64_t n_new = 0;
    int32_t st = ts_run(ts, TS_BEGIN, err);

    if (st != LATHE_OK)
        return st;
    st = items_put(ts, ts->sorted + ts->at, n, &n_new, err);
    if (st == LATHE_OK && n == left)
        st = ts_meta_set(ts, TS_META_MERGED, ts->sealed.seq, err);
    if (st == LATHE_OK && n_new > 0)
        st = ts_meta_set(ts, TS_META_POINTS, ts->n_points + n_new, err);
    if (st == LATHE_OK)
        st = ts_run(ts, TS_COMMIT, err);
    if (st != LATHE_OK) {
        rollback(ts);
        return st;
    }
    items_done(ts, ts->sorted + ts->at, n);
    ts->n_points += n_new;
    ts->at += n;
    if (n == left) {
        ts->merged_seq = ts->sealed.seq;
        ts->sealed.n = ts->n_sorted = ts->at = 0;
    }
    return LATHE_OK;
}

int32_t ts_merge(struct sql_ts *ts, int force, size_t n_rows, int *more, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (ts->n_sorted == 0 && ts->active.n > 0 && (force || ts->active.n >= ts->merge_points))
        st = seal(ts, err);
    if (st == LATHE_OK && ts->n_sorted > 0)
        st = slice(ts, n_rows, err);
    *more = ts->n_sorted > 0 || ts->active.n >= ts->merge_points;
    return st;
}

int32_t ts_merge_all(struct sql_ts *ts, struct lathe_error *err)
{
    int32_t st = LATHE_OK;
    int more;

    while (st == LATHE_OK && (ts->n_sorted > 0 || ts->active.n > 0))
        st = ts_merge(ts, 1, 8000, &more, err);
    return st;
}

static size_t gather(struct ts_queue *queue, uint64_t id, const struct ts_item **out, size_t n,
                     size_t cap)
{
    for (size_t i = 0; i < queue->n && n < cap; i++)
        if (queue->items[i].point.series == id && queue->items[i].point.reserved0 == 0)
            out[n++] = &queue->items[i];
    return n;
}

static void mark(struct ts_queue *queue, uint64_t id)
{
    for (size_t i = 0; i < queue->n; i++)
        if (queue->items[i].point.series == id)
            queue->items[i].point.reserved0 = 1;
}

/* The part of sealed before `at` is merged already, in sorted order. */
static void mark_merged(struct sql_ts *ts, uint64_t id)
{
    for (size_t i = 0; i < ts->at; i++)
        if (ts->sorted[i]->point.series == id)
            ts->sealed.items[ts->sorted[i] - ts->sealed.items].point.reserved0 = 1;
}

int32_t ts_flush(struct sql_ts *ts, struct ts_series *series, int *open, struct lathe_error *err)
{
    size_t cap = series->n_pending, n;
    uint64_t n_new = 0, id = series->latest.series;
    const struct ts_item **items;
    int32_t st;

    *open = 0;
    if (cap == 0)
        return LATHE_OK;
    if ((items = malloc(cap * sizeof *items)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory to sort points");
    mark_merged(ts, id);
    n = gather(&ts->sealed, id, items, 0, cap);
    n = gather(&ts->active, id, items, n, cap);
    ts_items_sort(items, n);
    if ((st = ts_run(ts, TS_BEGIN, err)) != LATHE_OK)
        goto out;
    st = items_put(ts, items, n, &n_new, err);
    if (st == LATHE_OK)
        st = ts_meta_set(ts, TS_META_POINTS, ts->n_points + n_new, err);
    if (st == LATHE_OK)
        st = ts_run(ts, TS_COMMIT, err);
    if (st == LATHE_OK) {
        items_done(ts, items, n);
        mark(&ts->sealed, id);
        mark(&ts->active, id);
        ts->n_points += n_new;
        goto out;
    }
    rollback(ts);
    if (st == LATHE_E_LIMIT && (st = ts_run(ts, TS_BEGIN, err)) == LATHE_OK) {
        *open = 1; /* in memory alone, for one read */
        if ((st = items_put(ts, items, n, &n_new, err)) != LATHE_OK) {
            rollback(ts);
            *open = 0;
        }
    }
out:
    free((void *)items);
    return st;
}
