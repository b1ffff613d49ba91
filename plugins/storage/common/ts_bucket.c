/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: buckets, their levels, and readers that group and page. */

#include <math.h>
#include <string.h>

#include "plugins/storage/common/ts_common.h"

void ts_bucket_clear(struct lathe_ts_bucket *b, int64_t start_us)
{
    const double none = (double)NAN;

    *b = (struct lathe_ts_bucket){.start_us = start_us,
                                  .avg = none,
                                  .sum = none,
                                  .min = none,
                                  .max = none,
                                  .first = none,
                                  .last = none};
}

void ts_bucket_add_point(struct lathe_ts_bucket *b, const struct lathe_ts_point *p)
{
    struct lathe_ts_bucket one;

    if (ts_point_is_bad(p)) {
        b->n_bad++;
        return;
    }
    one = (struct lathe_ts_bucket){.n = 1,
                                   .sum = p->value,
                                   .min = p->value,
                                   .max = p->value,
                                   .first = p->value,
                                   .last = p->value,
                                   .first_us = p->ts_us,
                                   .last_us = p->ts_us};
    ts_bucket_add(b, &one);
}

void ts_bucket_add(struct lathe_ts_bucket *b, const struct lathe_ts_bucket *more)
{
    b->n_bad += more->n_bad;
    if (more->n == 0)
        return;
    if (b->n == 0) {
        int64_t start = b->start_us;
        uint64_t n_bad = b->n_bad;

        *b = *more;
        b->start_us = start;
        b->n_bad = n_bad;
    } else {
        b->n += more->n;
        b->sum += more->sum;
        b->min = more->min < b->min ? more->min : b->min;
        b->max = more->max > b->max ? more->max : b->max;
        if (more->first_us < b->first_us) {
            b->first_us = more->first_us;
            b->first = more->first;
        }
        if (more->last_us > b->last_us) {
            b->last_us = more->last_us;
            b->last = more->last;
        }
    }
    b->avg = isfinite(b->sum) ? b->sum / (double)b->n : (double)NAN;
}

uint32_t ts_query_level(const struct lathe_ts_query *q)
{
    for (uint32_t level = TS_LEVELS; level > 0; level--)
        if (q->interval_us % ts_level_us(level - 1) == 0 &&
            q->origin_us % ts_level_us(level - 1) == 0)
            return level - 1;
    return TS_LEVELS;
}

int64_t ts_query_first(const struct lathe_ts_query *q)
{
    int64_t first = ts_clamp(q->first_us);

    return q->interval_us > 0 ? ts_floor(first, q->interval_us, q->origin_us) : first;
}

int64_t ts_query_end(const struct lathe_ts_query *q)
{
    int64_t end = ts_clamp(q->end_us), low;

    if (q->interval_us <= 0)
        return end;
    low = ts_floor(end, q->interval_us, q->origin_us);
    return low == end ? end : low + q->interval_us;
}

void ts_reader_start(struct ts_reader *r, const struct lathe_ts_query *q,
                     struct lathe_ts_result *result, void *user)
{
    r->q = q;
    r->result = result;
    r->visit_points = NULL;
    r->visit_buckets = NULL;
    r->user = user;
    r->seen = 0;
    r->counting = (q->flags & LATHE_TS_COUNT) != 0;
    r->has_bucket = 0;
    r->n_block = 0;
    result->flags = 0;
    result->n = result->total = result->n_read = 0;
    result->next_us = 0;
}

static int32_t block_flush(struct ts_reader *r)
{
    uint32_t n = r->n_block;

    r->n_block = 0;
    if (n == 0)
        return LATHE_OK;
    return r->visit_points != NULL ? r->visit_points(r->user, r->block.points, n)
                                   : r->visit_buckets(r->user, r->block.buckets, n);
}

/* Counts a row; 1 when it is to be handed over. */
static int row_is_wanted(struct ts_reader *r, int *stop)
{
    r->seen++;
    if (r->seen <= r->q->offset)
        return 0;
    if (r->result->n < r->q->limit) {
        r->result->n++;
        return 1;
    }
    if (r->q->limit > 0)
        r->result->flags |= LATHE_TS_MORE;
    *stop = !r->counting;
    return 0;
}

int32_t ts_reader_point(struct ts_reader *r, const struct lathe_ts_point *p, int *stop)
{
    r->result->n_read++;
    if (!row_is_wanted(r, stop))
        return LATHE_OK;
    r->result->next_us = r->q->flags & LATHE_TS_DESC ? p->ts_us : p->ts_us + 1;
    r->block.points[r->n_block++] = *p;
    return r->n_block == sizeof r->block.points / sizeof r->block.points[0] ? block_flush(r)
                                                                            : LATHE_OK;
}

static int32_t bucket_done(struct ts_reader *r, int *stop)
{
    const struct lathe_ts_bucket *b = &r->bucket;

    if (!r->has_bucket)
        return LATHE_OK;
    r->has_bucket = 0;
    if (!row_is_wanted(r, stop))
        return LATHE_OK;
    r->result->next_us =
        r->q->flags & LATHE_TS_DESC ? b->start_us : b->start_us + r->q->interval_us;
    r->block.buckets[r->n_block++] = *b;
    return r->n_block == sizeof r->block.buckets / sizeof r->block.buckets[0] ? block_flush(r)
                                                                              : LATHE_OK;
}

int32_t ts_reader_bucket(struct ts_reader *r, const struct lathe_ts_bucket *b, int *stop)
{
    int64_t start = ts_floor(b->start_us, r->q->interval_us, r->q->origin_us);
    int32_t st = LATHE_OK;

    r->result->n_read++;
    if (r->has_bucket && r->bucket.start_us != start)
        st = bucket_done(r, stop);
    if (st != LATHE_OK || *stop)
        return st;
    if (!r->has_bucket) {
        /* The limit is known to be passed as soon as another bucket begins. */
        if (!r->counting && r->seen >= r->q->offset && r->result->n == r->q->limit) {
            if (r->q->limit > 0)
                r->result->flags |= LATHE_TS_MORE;
            *stop = 1;
            return LATHE_OK;
        }
        ts_bucket_clear(&r->bucket, start);
        r->has_bucket = 1;
    }
    ts_bucket_add(&r->bucket, b);
    return LATHE_OK;
}

int32_t ts_reader_finish(struct ts_reader *r)
{
    int stop = 0;
    int32_t st = bucket_done(r, &stop);

    if (st == LATHE_OK)
        st = block_flush(r);
    if (r->counting)
        r->result->total = r->seen;
    return st;
}

void ts_levels_start(struct ts_levels *levels, struct ts_sink *sink)
{
    memset(levels, 0, sizeof *levels);
    levels->sink = sink;
}

/* Writes the open bucket of a level. A level is written after the levels below. */
static int32_t level_write(struct ts_levels *levels, uint32_t level, struct lathe_error *err)
{
    const struct lathe_ts_bucket *b = &levels->buckets[level];
    int dirty = levels->dirty[level];

    if (!levels->open[level])
        return LATHE_OK;
    levels->open[level] = levels->dirty[level] = 0;
    if (dirty)
        return levels->sink->recompute(levels->sink, level, b->start_us, err);
    return levels->sink->add(levels->sink, level, b, err);
}

/* Opens the buckets that hold ts_us, writing those left behind. */
static int32_t levels_move(struct ts_levels *levels, int64_t ts_us, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++) {
        int64_t start = ts_floor(ts_us, ts_level_us(level), 0);

        if (levels->open[level] && levels->buckets[level].start_us == start)
            continue;
        st = level_write(levels, level, err);
        ts_bucket_clear(&levels->buckets[level], start);
        levels->open[level] = 1;
    }
    return st;
}

int32_t ts_levels_insert(struct ts_levels *levels, const struct lathe_ts_point *p,
                         struct lathe_error *err)
{
    int32_t st = levels_move(levels, p->ts_us, err);

    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++)
        ts_bucket_add_point(&levels->buckets[level], p);
    return st;
}

int32_t ts_levels_change(struct ts_levels *levels, int64_t ts_us, struct lathe_error *err)
{
    int32_t st = levels_move(levels, ts_us, err);

    for (uint32_t level = 0; level < TS_LEVELS; level++)
        levels->dirty[level] = 1;
    return st;
}

int32_t ts_levels_finish(struct ts_levels *levels, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++)
        st = level_write(levels, level, err);
    return st;
}

int32_t ts_levels_erase(struct ts_sink *sink, int64_t first_us, int64_t end_us,
                        int32_t (*drop)(struct ts_sink *sink, uint32_t level, int64_t first_us,
                                        int64_t end_us, struct lathe_error *err),
                        struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++) {
        int64_t length = ts_level_us(level);
        int64_t low = ts_floor(first_us, length, 0), high = ts_floor(end_us, length, 0);
        int64_t inner = low == first_us ? low : low + length;

        if (inner < high)
            st = drop(sink, level, inner, high, err);
        if (st == LATHE_OK && low != first_us)
            st = sink->recompute(sink, level, low, err);
        if (st == LATHE_OK && high != end_us && high != low)
            st = sink->recompute(sink, level, high, err);
        if (st == LATHE_OK && high != end_us && high == low && low == first_us)
            st = sink->recompute(sink, level, high, err);
    }
    return st;
}
