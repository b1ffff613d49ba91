/* SPDX-License-Identifier: Apache-2.0 */
/* Reading telemetry in memory. */

#include "plugins/storage/memory/memory.h"

/* The i-th of n rows in the order of the query. */
static size_t nth(const struct lathe_ts_query *q, size_t first, size_t end, size_t i)
{
    return q->flags & LATHE_TS_DESC ? end - 1 - i : first + i;
}

int32_t mem_ts_points(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err)
{
    const struct mem_ts *ts = mem_ts_find(self, query->series);
    struct ts_reader r;
    int32_t st = ts_check_query(query, 0, err);
    int stop = 0;

    if (st != LATHE_OK)
        return st;
    ts_reader_start(&r, query, result, user);
    r.visit_points = visit;
    if (ts != NULL && query->first_us < query->end_us) {
        size_t first = mem_ts_point_at(ts, query->first_us);
        size_t end = mem_ts_point_at(ts, query->end_us);

        for (size_t i = 0; i < end - first && st == LATHE_OK && !stop; i++)
            st = ts_reader_point(&r, &ts->points[nth(query, first, end, i)], &stop);
    }
    return st == LATHE_OK ? ts_reader_finish(&r) : st;
}

/* Feeds the rows of [first_us, end_us) to the reader. */
static int32_t feed(const struct mem_ts *ts, uint32_t level, int64_t first_us, int64_t end_us,
                    struct ts_reader *r)
{
    int raw = level == TS_LEVELS, stop = 0;
    size_t first = raw ? mem_ts_point_at(ts, first_us) : mem_ts_bucket_at(ts, level, first_us);
    size_t end = raw ? mem_ts_point_at(ts, end_us) : mem_ts_bucket_at(ts, level, end_us);
    int32_t st = LATHE_OK;

    for (size_t i = 0; i < end - first && st == LATHE_OK && !stop; i++) {
        size_t at = nth(r->q, first, end, i);
        struct lathe_ts_bucket one;

        if (raw) {
            ts_bucket_clear(&one, ts->points[at].ts_us);
            ts_bucket_add_point(&one, &ts->points[at]);
        }
        st = ts_reader_bucket(r, raw ? &one : &ts->buckets[level][at], &stop);
    }
    return st;
}

int32_t mem_ts_buckets(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                       void *user, struct lathe_ts_result *result, struct lathe_error *err)
{
    const struct mem_ts *ts = mem_ts_find(self, query->series);
    struct ts_reader r;
    int32_t st = ts_check_query(query, 1, err);

    if (st != LATHE_OK)
        return st;
    ts_reader_start(&r, query, result, user);
    r.visit_buckets = visit;
    if (ts != NULL && query->first_us < query->end_us)
        st = feed(ts, ts_query_level(query), ts_query_first(query), ts_query_end(query), &r);
    return st == LATHE_OK ? ts_reader_finish(&r) : st;
}

int32_t mem_ts_latest(void *self, const uint64_t *series, uint32_t n_series,
                      struct lathe_ts_latest *out, struct lathe_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < n_series; i++) {
        const struct mem_ts *ts = mem_ts_find(self, series[i]);

        out[i] = ts != NULL ? ts->latest : (struct lathe_ts_latest){.series = series[i]};
    }
    return LATHE_OK;
}

int32_t mem_ts_stats(void *self, struct lathe_ts_stats *out, struct lathe_error *err)
{
    const struct mem_storage *m = self;

    (void)err;
    out->n_series = m->n_ts;
    out->n_points = out->bytes = 0;
    out->backlog = out->log_bytes = 0;
    for (size_t i = 0; i < m->n_ts; i++) {
        out->n_points += m->ts[i].n;
        out->bytes += m->ts[i].cap * sizeof *m->ts[i].points;
        for (uint32_t level = 0; level < TS_LEVELS; level++)
            out->bytes += m->ts[i].cap_buckets[level] * sizeof *m->ts[i].buckets[level];
    }
    return LATHE_OK;
}
