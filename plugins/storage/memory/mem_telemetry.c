/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry in memory: series, ingest, rollups, retention. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/memory/memory.h"

static int32_t no_memory(struct lathe_error *err)
{
    return storage_fail(err, LATHE_E_NOMEM, "no memory for telemetry");
}

static void ts_fini(struct mem_ts *ts)
{
    for (uint32_t level = 0; level < TS_LEVELS; level++)
        free(ts->buckets[level]);
    free(ts->points);
    free(ts->name);
}

void mem_ts_fini(struct mem_storage *m)
{
    for (size_t i = 0; i < m->n_ts; i++)
        ts_fini(&m->ts[i]);
    free(m->ts);
    free(m->staged);
}

struct mem_ts *mem_ts_find(const struct mem_storage *m, uint64_t series)
{
    size_t lo = 0, hi = m->n_ts;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (m->ts[mid].latest.series < series)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->n_ts && m->ts[lo].latest.series == series ? &m->ts[lo] : NULL;
}

static int32_t ts_need(const struct mem_storage *m, uint64_t series, struct mem_ts **out,
                       struct lathe_error *err)
{
    if (m->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "not inside a group");
    if ((*out = mem_ts_find(m, series)) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "there is no series %llu",
                            (unsigned long long)series);
    return LATHE_OK;
}

static int32_t ts_add(struct mem_storage *m, const char *name, uint64_t *id,
                      struct lathe_error *err)
{
    struct mem_ts *all = realloc(m->ts, (m->n_ts + 1) * sizeof *all), *ts;

    if (all == NULL)
        return no_memory(err);
    m->ts = all;
    ts = &all[m->n_ts];
    memset(ts, 0, sizeof *ts);
    if ((ts->name = strdup(name)) == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i <= TS_LEVELS; i++)
        ts->keep_us[i] = INT64_MAX;
    ts->latest.series = *id = ++m->last_ts;
    ts->latest.horizon_us = LATHE_TS_MIN_US;
    m->n_ts++;
    return LATHE_OK;
}

int32_t mem_ts_series_open(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                           struct lathe_error *err)
{
    struct mem_storage *m = self;
    size_t mark = m->n_ts;
    int32_t st = LATHE_OK;

    if (m->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "not inside a group");
    if (n_names > LATHE_TS_NAMES_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "at most %d names at a time", LATHE_TS_NAMES_MAX);
    for (uint32_t i = 0; i < n_names && st == LATHE_OK; i++) {
        size_t at = 0;

        if ((st = storage_check_id("series name", names[i], err)) != LATHE_OK)
            break;
        while (at < m->n_ts && strcmp(m->ts[at].name, names[i]) != 0)
            at++;
        if (at < m->n_ts)
            ids[i] = m->ts[at].latest.series;
        else
            st = ts_add(m, names[i], &ids[i], err);
    }
    while (st != LATHE_OK && m->n_ts > mark)
        ts_fini(&m->ts[--m->n_ts]);
    return st;
}

int32_t mem_ts_series_remove(void *self, uint64_t series, struct lathe_error *err)
{
    struct mem_storage *m = self;
    struct mem_ts *ts;
    int32_t st = ts_need(m, series, &ts, err);

    if (st != LATHE_OK)
        return st;
    ts_fini(ts);
    m->n_ts--;
    memmove(ts, ts + 1, (size_t)(m->ts + m->n_ts - ts) * sizeof *ts);
    return LATHE_OK;
}

int32_t mem_ts_series_each(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *name, uint64_t series),
                           void *user, struct lathe_error *err)
{
    const struct mem_storage *m = self;
    const struct mem_ts *last = NULL;
    size_t len = strlen(prefix);
    int32_t st = storage_check_id("series prefix", prefix, err);

    while (st == LATHE_OK) {
        const struct mem_ts *next = NULL;

        for (size_t i = 0; i < m->n_ts; i++) {
            const struct mem_ts *ts = &m->ts[i];

            if (strncmp(ts->name, prefix, len) == 0 &&
                (last == NULL || strcmp(ts->name, last->name) > 0) &&
                (next == NULL || strcmp(ts->name, next->name) < 0))
                next = ts;
        }
        if (next == NULL)
            break;
        st = visit(user, next->name, next->latest.series);
        last = next;
    }
    return st;
}

int32_t mem_ts_retain(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                      struct lathe_error *err)
{
    struct mem_ts *ts;
    int32_t st = ts_need(self, series, &ts, err);

    return st == LATHE_OK ? ts_check_retention(retention, ts->keep_us, err) : st;
}

size_t mem_ts_point_at(const struct mem_ts *ts, int64_t t)
{
    size_t lo = 0, hi = ts->n;

    if (ts->n > 0 && ts->points[ts->n - 1].ts_us < t)
        return ts->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (ts->points[mid].ts_us < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t mem_ts_bucket_at(const struct mem_ts *ts, uint32_t level, int64_t t)
{
    const struct lathe_ts_bucket *b = ts->buckets[level];
    size_t lo = 0, hi = ts->n_buckets[level];

    if (hi > 0 && b[hi - 1].start_us < t)
        return hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (b[mid].start_us < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Opens a gap for one more element at `at`. */
static int gap(void **array, size_t *n, size_t *cap, size_t at, size_t size)
{
    if (*n == *cap) {
        size_t grown = *cap != 0 ? *cap * 2 : 16;
        void *bigger = realloc(*array, grown * size);

        if (bigger == NULL)
            return 0;
        *array = bigger;
        *cap = grown;
    }
    memmove((char *)*array + (at + 1) * size, (char *)*array + at * size, (*n - at) * size);
    ++*n;
    return 1;
}

static void cut(void *array, size_t *n, size_t first, size_t end, size_t size)
{
    memmove((char *)array + first * size, (char *)array + end * size, (*n - end) * size);
    *n -= end - first;
}

/* The stored bucket, made when it does not exist. */
static struct lathe_ts_bucket *bucket_need(struct mem_ts *ts, uint32_t level, int64_t start_us)
{
    size_t at = mem_ts_bucket_at(ts, level, start_us);
    void *array = ts->buckets[level];

    if (at < ts->n_buckets[level] && ts->buckets[level][at].start_us == start_us)
        return &ts->buckets[level][at];
    if (!gap(&array, &ts->n_buckets[level], &ts->cap_buckets[level], at,
             sizeof(struct lathe_ts_bucket)))
        return NULL;
    ts->buckets[level] = array;
    ts_bucket_clear(&ts->buckets[level][at], start_us);
    return &ts->buckets[level][at];
}

static int32_t sink_add(struct ts_sink *sink, uint32_t level, const struct lathe_ts_bucket *b,
                        struct lathe_error *err)
{
    struct lathe_ts_bucket *have = bucket_need(sink->self, level, b->start_us);

    if (have == NULL)
        return no_memory(err);
    ts_bucket_add(have, b);
    return LATHE_OK;
}

static int32_t sink_drop(struct ts_sink *sink, uint32_t level, int64_t first_us, int64_t end_us,
                         struct lathe_error *err)
{
    struct mem_ts *ts = sink->self;

    (void)err;
    if (ts->n_buckets[level] > 0)
        cut(ts->buckets[level], &ts->n_buckets[level], mem_ts_bucket_at(ts, level, first_us),
            mem_ts_bucket_at(ts, level, end_us), sizeof(struct lathe_ts_bucket));
    return LATHE_OK;
}

static int32_t sink_recompute(struct ts_sink *sink, uint32_t level, int64_t start_us,
                              struct lathe_error *err)
{
    struct mem_ts *ts = sink->self;
    int64_t end_us = start_us + ts_level_us(level);
    struct lathe_ts_bucket sum, *have;

    ts_bucket_clear(&sum, start_us);
    if (level == 0) {
        for (size_t i = mem_ts_point_at(ts, start_us); i < ts->n && ts->points[i].ts_us < end_us;
             i++)
            ts_bucket_add_point(&sum, &ts->points[i]);
    } else {
        for (size_t i = mem_ts_bucket_at(ts, level - 1, start_us);
             i < ts->n_buckets[level - 1] && ts->buckets[level - 1][i].start_us < end_us; i++)
            ts_bucket_add(&sum, &ts->buckets[level - 1][i]);
    }
    if (sum.n + sum.n_bad == 0)
        return sink_drop(sink, level, start_us, start_us + 1, err);
    if ((have = bucket_need(ts, level, start_us)) == NULL)
        return no_memory(err);
    *have = sum;
    return LATHE_OK;
}

static int32_t point_put(struct mem_ts *ts, struct ts_levels *levels,
                         const struct lathe_ts_point *p, struct lathe_error *err)
{
    size_t at = mem_ts_point_at(ts, p->ts_us);
    struct lathe_ts_point *have = at < ts->n ? &ts->points[at] : NULL;
    void *array = ts->points;

    if (have != NULL && have->ts_us == p->ts_us) {
        if (memcmp(&have->value, &p->value, sizeof p->value) == 0 && have->flags == p->flags)
            return LATHE_OK;
        have->value = p->value;
        have->flags = p->flags;
        return ts_levels_change(levels, p->ts_us, err);
    }
    if (!gap(&array, &ts->n, &ts->cap, at, sizeof *p))
        return no_memory(err);
    ts->points = array;
    ts->points[at] = *p;
    ts->points[at].reserved0 = 0;
    return ts_levels_insert(levels, p, err);
}

/* Stores sorted points. */
static int32_t items_put(struct mem_storage *m, const struct ts_item **items, size_t n,
                         struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (size_t i = 0; i < n && st == LATHE_OK;) {
        uint64_t series = items[i]->point.series;
        struct mem_ts *ts = mem_ts_find(m, series);
        struct ts_sink sink = {ts, series, sink_add, sink_recompute};
        struct ts_levels levels;

        ts_levels_start(&levels, &sink);
        for (; i < n && items[i]->point.series == series && st == LATHE_OK; i++) {
            if (ts == NULL)
                continue;
            st = point_put(ts, &levels, &items[i]->point, err);
            ts_latest_take(&ts->latest, &items[i]->point, items[i]->recv_us);
        }
        if (st == LATHE_OK)
            st = ts_levels_finish(&levels, err);
    }
    return st;
}

int32_t mem_ts_commit(struct mem_storage *m, struct lathe_error *err)
{
    const struct ts_item **items = NULL;
    int32_t st;

    if (m->n_staged == 0)
        return LATHE_OK;
    if ((items = malloc(m->n_staged * sizeof *items)) == NULL)
        return no_memory(err);
    for (size_t i = 0; i < m->n_staged; i++)
        items[i] = &m->staged[i];
    ts_items_sort(items, m->n_staged);
    st = items_put(m, items, m->n_staged, err);
    m->n_staged = 0;
    free((void *)items);
    return st;
}

static int32_t check_points(const struct mem_storage *m, const struct lathe_ts_batch *batch,
                            uint32_t *failed, struct lathe_error *err)
{
    for (uint32_t i = 0; i < batch->n_points; i++) {
        const struct mem_ts *ts = mem_ts_find(m, batch->points[i].series);
        int32_t st = ts_check_point(&batch->points[i], err);

        if (st == LATHE_OK && ts == NULL)
            st = storage_fail(err, LATHE_E_INVALID, "there is no series %llu",
                              (unsigned long long)batch->points[i].series);
        else if (st == LATHE_OK && batch->points[i].ts_us < ts->latest.horizon_us)
            st = storage_fail(err, LATHE_E_INVALID, "the point is older than what is kept");
        if (st != LATHE_OK) {
            if (failed != NULL)
                *failed = i;
            return st;
        }
    }
    return LATHE_OK;
}

int32_t mem_ts_ingest(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                      struct lathe_error *err)
{
    struct mem_storage *m = self;
    size_t need = m->n_staged + batch->n_points;
    int32_t st = ts_check_batch(batch, err);

    if (st != LATHE_OK || (st = check_points(m, batch, failed_point, err)) != LATHE_OK)
        return st;
    if (need > m->cap_staged) {
        struct ts_item *staged = realloc(m->staged, need * 2 * sizeof *staged);

        if (staged == NULL)
            return no_memory(err);
        m->staged = staged;
        m->cap_staged = need * 2;
    }
    for (uint32_t i = 0; i < batch->n_points; i++) {
        m->staged[m->n_staged] =
            (struct ts_item){batch->points[i], batch->recv_us, (uint64_t)m->n_staged};
        m->n_staged++;
    }
    return m->in_group ? LATHE_OK : mem_ts_commit(m, err);
}

int32_t mem_ts_erase(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                     struct lathe_error *err)
{
    struct mem_ts *ts;
    struct ts_sink sink = {NULL, series, sink_add, sink_recompute};
    struct lathe_ts_latest latest;
    int32_t st = ts_need(self, series, &ts, err);

    if (st != LATHE_OK ||
        (st = ts_check_erase(first_us, end_us, ts->latest.horizon_us, err)) != LATHE_OK)
        return st;
    first_us = ts_clamp(first_us);
    end_us = ts_clamp(end_us);
    if (first_us >= end_us)
        return LATHE_OK;
    sink.self = ts;
    if (ts->n > 0)
        cut(ts->points, &ts->n, mem_ts_point_at(ts, first_us), mem_ts_point_at(ts, end_us),
            sizeof *ts->points);
    st = ts_levels_erase(&sink, first_us, end_us, sink_drop, err);
    latest = ts->latest;
    if (latest.ts_us >= first_us && latest.ts_us < end_us) {
        ts->latest = (struct lathe_ts_latest){.series = series, .horizon_us = latest.horizon_us};
        if (ts->n > 0)
            ts_latest_take(&ts->latest, &ts->points[ts->n - 1], latest.recv_us);
    }
    return st;
}

int32_t mem_ts_maintain(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err)
{
    struct mem_storage *m = self;

    if (m->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "not inside a group");
    for (size_t i = 0; i < m->n_ts; i++) {
        struct mem_ts *ts = &m->ts[i];
        struct ts_sink sink = {ts, ts->latest.series, sink_add, sink_recompute};
        int64_t horizon = ts_horizon(now_us, ts->keep_us[0]);

        if (horizon > ts->latest.horizon_us)
            ts->latest.horizon_us = horizon;
        if (ts->n > 0)
            cut(ts->points, &ts->n, 0, mem_ts_point_at(ts, horizon), sizeof *ts->points);
        for (uint32_t level = 0; level < TS_LEVELS; level++)
            (void)sink_drop(&sink, level, INT64_MIN, ts_horizon(now_us, ts->keep_us[level + 1]),
                            NULL);
    }
    *wait_ms = 60000;
    return LATHE_OK;
}
