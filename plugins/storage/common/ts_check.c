/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: times, and checks of arguments, the same in every storage. */

#include <math.h>
#include <stdlib.h>

#include "plugins/storage/common/ts_common.h"

#define KEEP_MAX_S INT64_C(315360000000) /* 10,000 years */

int64_t ts_level_us(uint32_t level)
{
    static const int64_t lengths[TS_LEVELS] = {60000000, 300000000, 3600000000, TS_DAY_US};

    return lengths[level];
}

int64_t ts_floor(int64_t t, int64_t step, int64_t origin)
{
    int64_t rest = (t - origin) % step;

    return t - (rest < 0 ? rest + step : rest);
}

int64_t ts_clamp(int64_t t)
{
    if (t < LATHE_TS_MIN_US)
        return LATHE_TS_MIN_US;
    return t > LATHE_TS_MAX_US ? LATHE_TS_MAX_US + 1 : t;
}

int ts_point_is_bad(const struct lathe_ts_point *p)
{
    return (p->flags & LATHE_TS_QUALITY) == LATHE_TS_BAD;
}

int32_t ts_check_point(const struct lathe_ts_point *p, struct lathe_error *err)
{
    if (!isfinite(p->value))
        return storage_fail(err, LATHE_E_INVALID, "a point's value must be finite");
    if (p->ts_us < LATHE_TS_MIN_US || p->ts_us > LATHE_TS_MAX_US)
        return storage_fail(err, LATHE_E_INVALID, "a point's time must lie in the years 1 to 9999");
    if (p->flags > (LATHE_TS_QUALITY | LATHE_TS_GAP | LATHE_TS_BOOL) ||
        (p->flags & LATHE_TS_QUALITY) > LATHE_TS_BAD)
        return storage_fail(err, LATHE_E_INVALID, "a point has unknown flags %u", p->flags);
    if ((p->flags & LATHE_TS_GAP) && (!ts_point_is_bad(p) || p->value > 0 || p->value < 0))
        return storage_fail(err, LATHE_E_INVALID, "a gap has value 0 and bad quality");
    if ((p->flags & LATHE_TS_BOOL) && p->value != 0 && p->value != 1)
        return storage_fail(err, LATHE_E_INVALID, "a boolean point is 0 or 1");
    return LATHE_OK;
}

int32_t ts_check_batch(const struct lathe_ts_batch *batch, struct lathe_error *err)
{
    if (batch->n_points > LATHE_TS_BATCH_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "a batch has at most %d points",
                            LATHE_TS_BATCH_MAX);
    return LATHE_OK;
}

int32_t ts_check_query(const struct lathe_ts_query *q, int buckets, struct lathe_error *err)
{
    if (q->flags & ~(LATHE_TS_DESC | LATHE_TS_COUNT))
        return storage_fail(err, LATHE_E_INVALID, "unknown flags %u", q->flags);
    if (q->limit > LATHE_TS_READ_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "a read returns at most %d rows",
                            LATHE_TS_READ_MAX);
    if (buckets && (q->interval_us <= 0 || q->interval_us > 3660 * TS_DAY_US))
        return storage_fail(err, LATHE_E_INVALID, "an interval has 1 us to 3660 days");
    if (buckets && (q->origin_us < -3660 * TS_DAY_US || q->origin_us > LATHE_TS_MAX_US))
        return storage_fail(err, LATHE_E_INVALID, "the origin is out of range");
    return LATHE_OK;
}

int32_t ts_check_retention(const struct lathe_ts_retention *r, int64_t keep_us[TS_LEVELS + 1],
                           struct lathe_error *err)
{
    const int64_t seconds[] = {r->raw_s, r->m1_s, r->m5_s, r->h1_s, r->d1_s};
    int64_t least = 0;

    for (uint32_t i = 0; i <= TS_LEVELS; i++) {
        if (seconds[i] < 0 || seconds[i] > KEEP_MAX_S)
            return storage_fail(err, LATHE_E_INVALID, "a retention is 0 or a number of seconds");
        keep_us[i] = seconds[i] == 0 ? INT64_MAX : seconds[i] * 1000000;
        if (keep_us[i] < least)
            return storage_fail(err, LATHE_E_INVALID,
                                "a coarser level must be kept at least as long as a finer one");
        least = keep_us[i];
    }
    return LATHE_OK;
}

int64_t ts_horizon(int64_t now_us, int64_t keep_us)
{
    if (keep_us == INT64_MAX || keep_us > now_us - LATHE_TS_MIN_US)
        return LATHE_TS_MIN_US;
    return ts_floor(now_us - keep_us, TS_DAY_US, 0);
}

int32_t ts_check_erase(int64_t first_us, int64_t end_us, int64_t horizon_us,
                       struct lathe_error *err)
{
    if ((first_us > LATHE_TS_MIN_US && first_us < horizon_us && first_us % TS_DAY_US != 0) ||
        (end_us < horizon_us && end_us % TS_DAY_US != 0))
        return storage_fail(err, LATHE_E_INVALID,
                            "points of that time are gone: only whole UTC days can be erased");
    return LATHE_OK;
}

static int item_compare(const void *a, const void *b)
{
    const struct ts_item *x = *(const struct ts_item *const *)a;
    const struct ts_item *y = *(const struct ts_item *const *)b;

    if (x->point.series != y->point.series)
        return x->point.series < y->point.series ? -1 : 1;
    if (x->point.ts_us != y->point.ts_us)
        return x->point.ts_us < y->point.ts_us ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

void ts_items_sort(const struct ts_item **items, size_t n)
{
    if (n > 1)
        qsort((void *)items, n, sizeof *items, item_compare);
}

int ts_latest_take(struct lathe_ts_latest *latest, const struct lathe_ts_point *p, int64_t recv_us)
{
    if (latest->has_point && p->ts_us < latest->ts_us)
        return 0;
    if (!latest->has_point || p->ts_us > latest->ts_us)
        latest->recv_us = recv_us;
    latest->has_point = 1;
    latest->ts_us = p->ts_us;
    latest->value = p->value;
    latest->flags = p->flags;
    return 1;
}
