/* SPDX-License-Identifier: Apache-2.0 */
/* Series: one sorted array of points each. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/memory/memory.h"

void mem_series_fini(struct mem_series *series)
{
    free(series->name);
    free(series->points);
}

static size_t series_position(const struct mem_storage *m, const char *name, int *found)
{
    size_t lo = 0, hi = m->n_series;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (strcmp(m->series[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < m->n_series && strcmp(m->series[lo].name, name) == 0;
    return lo;
}

static struct mem_series *series_find(const struct mem_storage *m, const char *name)
{
    int found = 0;
    size_t at = series_position(m, name, &found);

    return found ? &m->series[at] : NULL;
}

static void series_remove(struct mem_storage *m, size_t at)
{
    mem_series_fini(&m->series[at]);
    m->n_series--;
    memmove(&m->series[at], &m->series[at + 1], (m->n_series - at) * sizeof *m->series);
}

static int32_t series_insert(struct mem_storage *m, const char *name, struct mem_series **out,
                             struct lathe_error *err)
{
    struct mem_series *all = realloc(m->series, (m->n_series + 1) * sizeof *all);
    char *dup = all != NULL ? strdup(name) : NULL;
    int found = 0;
    size_t at;

    if (all != NULL)
        m->series = all;
    if (dup == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "%s: no memory for a series", name);
    at = series_position(m, name, &found);
    memmove(&all[at + 1], &all[at], (m->n_series - at) * sizeof *all);
    m->n_series++;
    memset(&all[at], 0, sizeof *all);
    all[at].name = dup;
    *out = &all[at];
    return LATHE_OK;
}

/* Remembers the points of a series as they are; a series that does not exist is created. */
static int32_t series_touch(struct mem_storage *m, const char *name, struct mem_series **out,
                            struct lathe_error *err)
{
    struct mem_undo *undo;
    struct mem_series *s = series_find(m, name);
    int32_t st = mem_undo_reserve(m, &undo, err);

    if (st != LATHE_OK)
        return st;
    undo->kind = UNDO_SERIES;
    undo->name = strdup(name);
    if (s != NULL && s->n > 0 && (undo->series.points = malloc(s->n * sizeof *s->points)) != NULL)
        memcpy(undo->series.points, s->points, s->n * sizeof *s->points);
    if (undo->name == NULL || (s != NULL && s->n > 0 && undo->series.points == NULL)) {
        free(undo->name);
        free(undo->series.points);
        return storage_fail(err, LATHE_E_NOMEM, "%s: no memory", name);
    }
    undo->series.n = undo->series.cap = s != NULL ? s->n : 0;
    undo->next = s != NULL;
    if (s == NULL && (st = series_insert(m, name, &s, err)) != LATHE_OK) {
        free(undo->name);
        return st;
    }
    m->n_undo++;
    *out = s;
    return LATHE_OK;
}

void mem_series_restore(struct mem_storage *m, struct mem_undo *undo)
{
    int found = 0;
    size_t at = series_position(m, undo->name, &found);
    struct mem_series *s;

    if (undo->next == 0) {
        series_remove(m, at);
        return;
    }
    s = &m->series[at];
    free(s->points);
    s->points = undo->series.points;
    s->n = undo->series.n;
    s->cap = undo->series.cap;
    undo->series.points = NULL;
}

static int32_t point_put(struct mem_series *s, const struct lathe_series_point *p,
                         struct lathe_error *err)
{
    size_t lo = 0, hi = s->n;

    if (s->n == s->cap) {
        size_t cap = s->cap != 0 ? s->cap * 2 : 64;
        struct lathe_series_point *points = realloc(s->points, cap * sizeof *points);

        if (points == NULL)
            return storage_fail(err, LATHE_E_NOMEM, "%s: no memory for points", s->name);
        s->points = points;
        s->cap = cap;
    }
    if (s->n > 0 && s->points[s->n - 1].step < p->step)
        lo = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->points[mid].step < p->step)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < s->n && s->points[lo].step == p->step) {
        s->points[lo].value = p->value;
        return LATHE_OK;
    }
    memmove(&s->points[lo + 1], &s->points[lo], (s->n - lo) * sizeof *s->points);
    s->points[lo] = *p;
    s->n++;
    return LATHE_OK;
}

static int32_t finish(struct mem_storage *m, size_t mark, int32_t st)
{
    if (st != LATHE_OK)
        mem_undo_to(m, mark);
    else if (!m->in_group)
        mem_undo_forget(m);
    return st;
}

static int32_t series_append(void *self, const struct lathe_series_chunk *const *chunks,
                             uint32_t n_chunks, struct lathe_error *err)
{
    struct mem_storage *m = self;
    struct mem_series *s = NULL;
    size_t mark = m->n_undo;
    int32_t st = LATHE_OK;

    for (uint32_t i = 0; i < n_chunks && st == LATHE_OK; i++) {
        if ((st = storage_check_id("series name", chunks[i]->series, err)) == LATHE_OK)
            st = series_touch(m, chunks[i]->series, &s, err);
        for (uint32_t p = 0; p < chunks[i]->n_points && st == LATHE_OK; p++)
            st = point_put(s, &chunks[i]->points[p], err);
    }
    return finish(m, mark, st);
}

static int32_t series_read(void *self, const struct lathe_series_query *query,
                           lathe_series_visit visit, void *user, struct lathe_error *err)
{
    const struct mem_series *s;
    struct storage_thin thin;
    size_t begin = 0, end;
    int32_t st = storage_check_id("series name", query->series, err);

    if (st != LATHE_OK || (s = series_find(self, query->series)) == NULL)
        return st;
    while (begin < s->n && s->points[begin].step < query->first)
        begin++;
    for (end = begin; end < s->n && s->points[end].step <= query->last; end++)
        ;
    storage_thin_start(&thin, end - begin, query->max_points, visit, user);
    for (size_t i = begin; i < end && st == LATHE_OK; i++)
        st = storage_thin_add(&thin, s->points[i].step, s->points[i].value);
    return st == LATHE_OK ? storage_thin_finish(&thin) : st;
}

static int32_t drop_one(struct mem_storage *m, const char *name, int64_t after,
                        struct lathe_error *err)
{
    struct mem_series *s = NULL;
    int32_t st = series_touch(m, name, &s, err);

    if (st != LATHE_OK)
        return st;
    if (after == INT64_MIN)
        s->n = 0;
    while (s->n > 0 && s->points[s->n - 1].step > after)
        s->n--;
    return LATHE_OK;
}

static int32_t series_drop_after(void *self, const char *prefix, int64_t after,
                                 struct lathe_error *err)
{
    struct mem_storage *m = self;
    size_t len, mark = m->n_undo;
    int32_t st = storage_check_id("series prefix", prefix, err);

    if (st != LATHE_OK)
        return st;
    len = strlen(prefix);
    for (size_t i = 0; i < m->n_series && st == LATHE_OK; i++)
        if (strncmp(m->series[i].name, prefix, len) == 0)
            st = drop_one(m, m->series[i].name, after, err);
    return finish(m, mark, st);
}

static int32_t series_list(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *series, uint64_t n_points),
                           void *user, struct lathe_error *err)
{
    const struct mem_storage *m = self;
    int32_t st = storage_check_id("series prefix", prefix, err);

    for (size_t i = 0; i < m->n_series && st == LATHE_OK; i++)
        if (strncmp(m->series[i].name, prefix, strlen(prefix)) == 0 && m->series[i].n > 0)
            st = visit(user, m->series[i].name, m->series[i].n);
    return st;
}

const struct lathe_storage_timeseries mem_timeseries = {
    .struct_size = sizeof(struct lathe_storage_timeseries),
    .append = series_append,
    .read = series_read,
    .drop_after = series_drop_after,
    .list = series_list,
    .series_open = mem_ts_series_open,
    .series_remove = mem_ts_series_remove,
    .series_each = mem_ts_series_each,
    .retain = mem_ts_retain,
    .ingest = mem_ts_ingest,
    .points = mem_ts_points,
    .buckets = mem_ts_buckets,
    .latest = mem_ts_latest,
    .erase = mem_ts_erase,
    .stats = mem_ts_stats,
    .maintain = mem_ts_maintain,
};
