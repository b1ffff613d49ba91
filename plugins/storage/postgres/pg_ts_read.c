/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: reads, a page of rows at a time. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

#define PAGE_ROWS 10000

struct range {
    int64_t first_us, end_us;
    uint64_t offset;
};

static void bind(struct pg_args *args, uint64_t series, uint32_t level, const struct range *r)
{
    int raw = level == TS_LEVELS;

    args->n = 0;
    arg_int(args, (int64_t)series);
    if (!raw)
        arg_int(args, ts_level_us(level) / 1000000);
    arg_int(args, raw ? r->first_us : r->first_us / 1000000);
    arg_int(args, raw ? r->end_us : r->end_us / 1000000);
}

static int32_t count(struct pg_storage *s, const char *text, uint64_t series, uint32_t level,
                     const struct range *r, uint64_t *total, struct lathe_error *err)
{
    struct pg_args args;
    PGresult *res;
    int32_t st;

    if (r->first_us >= r->end_us)
        return LATHE_OK;
    bind(&args, series, level, r);
    if ((st = pg_run(s, text, &args, &res, err)) != LATHE_OK)
        return st;
    *total += (uint64_t)pg_int(res, 0, 0);
    PQclear(res);
    return LATHE_OK;
}

/* Points in a range: whole hours from their rollups, the edges from the points. */
static int32_t count_points(struct pg_storage *s, uint64_t series, const struct range *r,
                            uint64_t *total, struct lathe_error *err)
{
    static const char points[] = "SELECT count(*) FROM sample WHERE series=$1 AND ts>=$2 AND ts<$3";
    int64_t hour = ts_level_us(2), low = ts_floor(r->first_us + hour - 1, hour, 0);
    int64_t high = ts_floor(r->end_us, hour, 0);
    int32_t st;

    if (low >= high)
        return count(s, points, series, TS_LEVELS, r, total, err);
    st = count(s,
               "SELECT coalesce(sum(n + n_bad), 0)::bigint FROM rollup WHERE series=$1 AND res=$2"
               " AND bucket>=$3 AND bucket<$4",
               series, 2, &(struct range){low, high, 0}, total, err);
    if (st == LATHE_OK)
        st = count(s, points, series, TS_LEVELS, &(struct range){r->first_us, low, 0}, total, err);
    if (st == LATHE_OK)
        st = count(s, points, series, TS_LEVELS, &(struct range){high, r->end_us, 0}, total, err);
    return st;
}

static void bucket_of(const PGresult *res, int i, struct lathe_ts_bucket *b)
{
    b->start_us = pg_int(res, i, 0) * 1000000;
    b->n = (uint64_t)pg_int(res, i, 1);
    b->n_bad = (uint64_t)pg_int(res, i, 2);
    b->sum = pg_num(res, i, 3);
    b->min = pg_num(res, i, 4);
    b->max = pg_num(res, i, 5);
    b->first = pg_num(res, i, 6);
    b->first_us = PQgetisnull(res, i, 7) ? 0 : pg_int(res, i, 7);
    b->last = pg_num(res, i, 8);
    b->last_us = PQgetisnull(res, i, 9) ? 0 : pg_int(res, i, 9);
    b->avg = b->n > 0 && isfinite(b->sum) ? b->sum / (double)b->n : (double)NAN;
}

static int32_t row_feed(struct ts_reader *reader, const PGresult *res, int i, uint32_t level,
                        int *stop)
{
    struct lathe_ts_bucket b;
    struct lathe_ts_point p = {.series = reader->q->series};

    if (level < TS_LEVELS) {
        bucket_of(res, i, &b);
        return ts_reader_bucket(reader, &b, stop);
    }
    p.ts_us = pg_int(res, i, 0);
    p.value = pg_num(res, i, 1);
    p.flags = (uint32_t)pg_int(res, i, 2);
    if (reader->visit_points != NULL)
        return ts_reader_point(reader, &p, stop);
    ts_bucket_clear(&b, p.ts_us);
    ts_bucket_add_point(&b, &p);
    return ts_reader_bucket(reader, &b, stop);
}

#define ROLLUP_ROWS                                                                    \
    "SELECT bucket, n, n_bad, sum, mn, mx, first, first_ts, last, last_ts FROM rollup" \
    " WHERE series=$1 AND res=$2 AND bucket>=$3 AND bucket<$4 ORDER BY bucket"

/* Continues behind the last row of a page. */
static int64_t page_end(const PGresult *res, uint32_t level)
{
    int64_t last = pg_int(res, PQntuples(res) - 1, 0);

    return level < TS_LEVELS ? last * 1000000 : last;
}

static int32_t feed(struct pg_storage *s, struct ts_reader *reader, uint32_t level,
                    const struct range *range, struct lathe_error *err)
{
    static const char *const texts[2][2] = {
        {"SELECT ts, value, flags FROM sample WHERE series=$1 AND ts>=$2 AND ts<$3 ORDER BY ts"
         " LIMIT $4 OFFSET $5",
         "SELECT ts, value, flags FROM sample WHERE series=$1 AND ts>=$2 AND ts<$3 ORDER BY ts DESC"
         " LIMIT $4 OFFSET $5"},
        {ROLLUP_ROWS " LIMIT $5 OFFSET $6", ROLLUP_ROWS " DESC LIMIT $5 OFFSET $6"}};
    int desc = (reader->q->flags & LATHE_TS_DESC) != 0, stop = 0, more = 1;
    int64_t unit = level < TS_LEVELS ? 1000000 : 1;
    struct range r = *range;
    int32_t st = LATHE_OK;

    if (reader->q->limit == 0 && !reader->counting)
        return LATHE_OK;
    while (more && st == LATHE_OK && !stop && r.first_us < r.end_us) {
        uint64_t want = (uint64_t)reader->q->limit + 1;
        struct pg_args args;
        PGresult *res;

        bind(&args, reader->q->series, level, &r);
        arg_int(&args, !reader->counting && level < TS_LEVELS &&
                               reader->q->interval_us == ts_level_us(level) && want < PAGE_ROWS
                           ? (int64_t)want
                       : reader->visit_points != NULL && want < PAGE_ROWS ? (int64_t)want
                                                                          : PAGE_ROWS);
        arg_int(&args, r.offset > INT64_MAX ? INT64_MAX : (int64_t)r.offset);
        if ((st = pg_run(s, texts[level < TS_LEVELS][desc], &args, &res, err)) != LATHE_OK)
            return st;
        more = PQntuples(res) > 0;
        for (int i = 0; i < PQntuples(res) && st == LATHE_OK && !stop; i++)
            st = row_feed(reader, res, i, level, &stop);
        if (more && desc)
            r.end_us = page_end(res, level);
        else if (more)
            r.first_us = page_end(res, level) + unit;
        r.offset = 0;
        PQclear(res);
    }
    return st;
}

static int32_t read_paged(struct pg_storage *s, struct ts_reader *reader, uint32_t level,
                          struct range *r, struct lathe_error *err)
{
    uint64_t total = 0, series = reader->q->series;
    int32_t st = LATHE_OK;

    if (reader->counting)
        st = level < TS_LEVELS
                 ? count(s,
                         "SELECT count(*) FROM rollup WHERE series=$1 AND res=$2 AND bucket>=$3"
                         " AND bucket<$4",
                         series, level, r, &total, err)
                 : count_points(s, series, r, &total, err);
    reader->counting = 0;
    reader->seen = r->offset = reader->q->offset;
    if (st == LATHE_OK)
        st = feed(s, reader, level, r, err);
    reader->result->total = total;
    return st;
}

static int32_t read_series(struct pg_storage *s, struct ts_reader *reader, uint32_t level,
                           int paged, struct lathe_error *err)
{
    const struct pg_ts *ts = pg_ts_find(s, reader->q->series);
    struct range r = {ts_clamp(reader->q->first_us), ts_clamp(reader->q->end_us), 0};

    if (ts == NULL)
        return LATHE_OK;
    if (reader->visit_points == NULL) {
        r.first_us = ts_query_first(reader->q);
        r.end_us = ts_query_end(reader->q);
    }
    if (level == TS_LEVELS && r.first_us < ts->horizon_us)
        r.first_us = ts->horizon_us;
    if (r.first_us >= r.end_us)
        return LATHE_OK;
    return paged ? read_paged(s, reader, level, &r, err) : feed(s, reader, level, &r, err);
}

int32_t pg_ts_points(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                     void *user, struct lathe_ts_result *result, struct lathe_error *err)
{
    struct ts_reader reader;
    int32_t st = ts_check_query(query, 0, err);

    if (st != LATHE_OK)
        return st;
    ts_reader_start(&reader, query, result, user);
    reader.visit_points = visit;
    if (query->first_us < query->end_us)
        st = read_series(self, &reader, TS_LEVELS, 1, err);
    return st == LATHE_OK ? ts_reader_finish(&reader) : st;
}

int32_t pg_ts_buckets(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err)
{
    struct ts_reader reader;
    uint32_t level;
    int32_t st = ts_check_query(query, 1, err);

    if (st != LATHE_OK)
        return st;
    ts_reader_start(&reader, query, result, user);
    reader.visit_buckets = visit;
    level = ts_query_level(query);
    if (query->first_us < query->end_us)
        st = read_series(self, &reader, level,
                         level < TS_LEVELS && query->interval_us == ts_level_us(level), err);
    return st == LATHE_OK ? ts_reader_finish(&reader) : st;
}

static int32_t latest_one(struct pg_storage *s, uint64_t series, struct lathe_ts_latest *out,
                          struct lathe_error *err)
{
    const struct pg_ts *ts = pg_ts_find(s, series);
    struct pg_args args = {0};
    PGresult *res;
    int32_t st;

    *out = (struct lathe_ts_latest){.series = series};
    if (ts == NULL)
        return LATHE_OK;
    out->horizon_us = ts->horizon_us;
    arg_int(&args, (int64_t)series);
    st = pg_run(s, "SELECT ts, value, flags, recv FROM state WHERE series=$1", &args, &res, err);
    if (st != LATHE_OK)
        return st;
    if (PQntuples(res) > 0) {
        out->has_point = 1;
        out->ts_us = pg_int(res, 0, 0);
        out->value = pg_num(res, 0, 1);
        out->flags = (uint32_t)pg_int(res, 0, 2);
        out->recv_us = pg_int(res, 0, 3);
    }
    PQclear(res);
    return LATHE_OK;
}

int32_t pg_ts_latest(void *self, const uint64_t *series, uint32_t n_series,
                     struct lathe_ts_latest *out, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (uint32_t i = 0; i < n_series && st == LATHE_OK; i++)
        st = latest_one(self, series[i], &out[i], err);
    return st;
}
