/* Samples on their way to the series of the store and back. Every sensor has the series "s<uid>/v"
 * with values over microseconds (NaN: a gap), and, once a sample was not good, "s<uid>/q" with
 * qualities. Buckets are made from samples here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/twin.h"

#define NAME_MAX_BYTES 40

static void series_name(char out[NAME_MAX_BYTES], int64_t uid, char what)
{
    snprintf(out, NAME_MAX_BYTES, "s%lld/%c", (long long)uid, what);
}

/* ---- writing ---- */

struct placed {
    const struct point *p;
    uint32_t order;
};

static int by_series(const void *x, const void *y)
{
    const struct placed *a = x, *b = y;
    int64_t ua = a->p->sensor->uid, ub = b->p->sensor->uid;

    if (ua != ub)
        return ua < ub ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Everything one append needs, in one allocation each. */
struct append {
    struct placed *placed;
    struct lathe_series_point *points;
    struct lathe_series_chunk *chunks;
    const struct lathe_series_chunk **list;
    char (*names)[NAME_MAX_BYTES];
    uint32_t n_points, n_chunks;
};

static void append_fini(struct append *a)
{
    free(a->placed);
    free(a->points);
    free(a->chunks);
    free(a->list);
    free(a->names);
}

static int append_init(struct append *a, const struct point *points, uint32_t n)
{
    uint32_t i;

    memset(a, 0, sizeof *a);
    a->placed = calloc(n, sizeof *a->placed);
    a->points = calloc((size_t)n * 2, sizeof *a->points);
    a->chunks = calloc((size_t)n * 2, sizeof *a->chunks);
    a->list = calloc((size_t)n * 2, sizeof *a->list);
    a->names = calloc((size_t)n * 2, sizeof *a->names);
    if (!a->placed || !a->points || !a->chunks || !a->list || !a->names)
        return 0;
    for (i = 0; i < n; i++) {
        a->placed[i].p = &points[i];
        a->placed[i].order = i;
        if (points[i].quality != QUALITY_GOOD || points[i].is_gap)
            points[i].sensor->uses_quality = 1;
    }
    qsort(a->placed, n, sizeof *a->placed, by_series);
    return 1;
}

/* One chunk of the points placed[first..end). */
static void add_chunk(struct append *a, uint32_t first, uint32_t end, char what)
{
    struct lathe_series_chunk *c = &a->chunks[a->n_chunks];
    char *name = a->names[a->n_chunks];
    uint32_t i;

    series_name(name, a->placed[first].p->sensor->uid, what);
    *c = (struct lathe_series_chunk){sizeof *c, end - first, name, &a->points[a->n_points]};
    for (i = first; i < end; i++) {
        const struct point *p = a->placed[i].p;
        a->points[a->n_points].step = p->ts_us;
        a->points[a->n_points++].value = what == 'q' ? (double)p->quality
                                         : p->is_gap ? NAN
                                                     : p->value;
    }
    a->list[a->n_chunks++] = c;
}

int32_t tele_ingest(struct tw *tw, const struct point *points, uint32_t n,
                    const struct lathe_store_call *call)
{
    struct append a;
    uint32_t i, end;
    int32_t st;

    if (!append_init(&a, points, n)) {
        append_fini(&a);
        if (call && call->drop)
            call->drop(call->user);
        return LATHE_E_NOMEM;
    }
    for (i = 0; i < n; i = end) {
        for (end = i; end < n && a.placed[end].p->sensor == a.placed[i].p->sensor; end++)
            ;
        add_chunk(&a, i, end, 'v');
        if (a.placed[i].p->sensor->uses_quality)
            add_chunk(&a, i, end, 'q');
    }
    st = tw->kit.store->series_append(tw->kit.store, a.list, a.n_chunks, call);
    append_fini(&a);
    return st;
}

void tele_apply(struct tw *tw, const struct point *p, int64_t recv_us)
{
    struct sensor *s = p->sensor;

    s->twin->tele++;
    if (s->has_point && p->ts_us < s->ts_us)
        return; /* older than what is shown: kept, drives nothing */
    s->has_previous = s->has_point && !s->is_gap && p->ts_us > s->ts_us;
    s->previous = s->value;
    s->previous_us = s->ts_us;
    s->has_point = 1;
    s->is_gap = p->is_gap;
    s->value = p->value;
    s->quality = p->is_gap ? QUALITY_BAD : p->quality;
    s->ts_us = p->ts_us;
    s->recv_us = recv_us;
    if (!s->is_dirty) {
        s->is_dirty = 1;
        s->window_n = 0;
        s->next_dirty = tw->dirty;
        tw->dirty = s;
    }
    if (!p->is_gap) {
        s->window_min = s->window_n ? fmin(s->window_min, p->value) : p->value;
        s->window_max = s->window_n ? fmax(s->window_max, p->value) : p->value;
        s->window_n++;
    }
    rules_sample(tw, s, p);
}

void tele_forget(struct tw *tw, int64_t uid)
{
    char prefix[NAME_MAX_BYTES];

    snprintf(prefix, sizeof prefix, "s%lld/", (long long)uid);
    tw->kit.store->series_drop_after(tw->kit.store, prefix, INT64_MIN, NULL);
}

/* ---- the start ---- */

struct restore {
    struct tw *tw;
    char twin_id[132];
    int64_t uid;
    int is_quality;
};

static struct sensor *find_uid(struct tw *tw, const struct restore *r)
{
    struct twin *t = twin_find(tw, r->twin_id);
    uint32_t i;

    for (i = 0; t && i < t->n_sensors; i++)
        if (t->sensors[i].uid == r->uid)
            return &t->sensors[i];
    return NULL;
}

static void on_latest(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct restore *r = user;
    struct sensor *s = find_uid(r->tw, r);
    const struct lathe_series_point *last;

    if (status != LATHE_OK || !s || !result->n_points)
        return;
    last = &result->points[result->n_points - 1];
    if (r->is_quality) {
        s->uses_quality = 1;
        if (s->has_point && last->step == s->ts_us)
            s->quality = (enum quality)(int)last->value;
        return;
    }
    s->has_point = 1;
    s->is_gap = isnan(last->value);
    s->quality = s->is_gap ? QUALITY_BAD : QUALITY_GOOD;
    s->value = s->is_gap ? 0 : last->value;
    s->ts_us = last->step;
    s->recv_us = last->step < now_us(r->tw) ? last->step : now_us(r->tw);
    s->is_out = !s->is_gap && ((s->min.is_set && s->value < s->min.value) ||
                               (s->max.is_set && s->value > s->max.value));
}

static void restore_drop(void *user)
{
    struct restore *r = user;

    r->tw->loading--;
    free(r);
}

static void restore_one(struct tw *tw, struct sensor *s, char what)
{
    struct restore *r = calloc(1, sizeof *r);
    const struct lathe_store_call call = {sizeof call, 0, on_latest, restore_drop, r};
    char name[NAME_MAX_BYTES];
    const struct lathe_series_query query = {sizeof query, 0, name, INT64_MIN, INT64_MAX};

    if (!r)
        return;
    series_name(name, s->uid, what);
    r->tw = tw;
    r->uid = s->uid;
    r->is_quality = what == 'q';
    snprintf(r->twin_id, sizeof r->twin_id, "%s", s->twin->id);
    tw->loading++;
    tw->kit.store->series_read(tw->kit.store, &query, &call);
}

void tele_restore(struct tw *tw, struct sensor *s)
{
    restore_one(tw, s, 'v');
    restore_one(tw, s, 'q');
}

/* ---- reading ---- */

struct reading {
    struct tw *tw;
    struct range range;
    int64_t uid, n;
    struct row *rows; /* samples */
    tele_rows_fn done;
    void *user;
};

static void reading_drop(void *user)
{
    struct reading *r = user;

    if (!r)
        return;
    free(r->rows);
    free(r);
}

/* Start of the bucket that ts is in. */
static int64_t bucket_of(const struct range *range, int64_t ts)
{
    int64_t at = (ts - range->origin_us) % range->interval_us;

    return ts - (at < 0 ? at + range->interval_us : at);
}

static void bucket_add(struct row *b, const struct row *p)
{
    b->min = b->count ? fmin(b->min, p->value) : p->value;
    b->max = b->count ? fmax(b->max, p->value) : p->value;
    b->first = b->count ? b->first : p->value;
    b->last = p->value;
    b->sum += p->value;
    b->count++;
    b->value = b->sum / (double)b->count;
}

/* Samples become buckets in place; bad ones do not count. */
static int64_t aggregate(const struct range *range, struct row *rows, int64_t n)
{
    struct row p;
    int64_t i, at = -1, start;

    for (i = 0; i < n; i++) {
        p = rows[i];
        if (p.is_gap || p.quality == QUALITY_BAD)
            continue;
        start = bucket_of(range, p.ts_us);
        if (at < 0 || rows[at].ts_us != start) {
            at++;
            memset(&rows[at], 0, sizeof rows[at]);
            rows[at].ts_us = start;
        }
        bucket_add(&rows[at], &p);
    }
    return at + 1;
}

static void finish(struct reading *r)
{
    int64_t n = r->range.interval_us ? aggregate(&r->range, r->rows, r->n) : r->n;
    struct row *rows = r->rows;

    r->rows = NULL;
    r->done(r->user, n, rows);
}

static void on_quality(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct reading *r = user;
    uint32_t i;
    int64_t at = 0;

    for (i = 0; status == LATHE_OK && i < result->n_points; i++) {
        while (at < r->n && r->rows[at].ts_us < result->points[i].step)
            at++;
        if (at < r->n && r->rows[at].ts_us == result->points[i].step)
            r->rows[at].quality = (enum quality)(int)result->points[i].value;
    }
    if (status == LATHE_OK)
        finish(r);
    else
        r->done(r->user, status, NULL);
}

static int32_t read_series(struct reading *r, char what,
                           void (*done)(void *, int32_t, const struct lathe_store_result *))
{
    const struct lathe_store_call call = {sizeof call, 0, done, reading_drop, r};
    char name[NAME_MAX_BYTES];
    const struct lathe_series_query query = {sizeof query, 0, name, r->range.start_us,
                                             r->range.end_us - 1};

    series_name(name, r->uid, what);
    return r->tw->kit.store->series_read(r->tw->kit.store, &query, &call);
}

/* Values are here; the qualities are read under a record of their own. */
static void on_values(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct reading *first = user, *r = calloc(1, sizeof *r);
    uint32_t i;

    if (r) {
        *r = *first;
        r->rows = calloc((size_t)result->n_points + 1, sizeof *r->rows);
    }
    if (status != LATHE_OK || !r || !r->rows) {
        first->done(first->user, status != LATHE_OK ? status : LATHE_E_NOMEM, NULL);
        reading_drop(r);
        return;
    }
    r->n = result->n_points;
    for (i = 0; i < result->n_points; i++) {
        r->rows[i].ts_us = result->points[i].step;
        r->rows[i].is_gap = isnan(result->points[i].value);
        r->rows[i].value = r->rows[i].is_gap ? 0 : result->points[i].value;
        r->rows[i].quality = r->rows[i].is_gap ? QUALITY_BAD : QUALITY_GOOD;
    }
    if ((status = read_series(r, 'q', on_quality)) != LATHE_OK)
        first->done(first->user, status, NULL);
}

int32_t tele_read(struct tw *tw, int64_t uid, const struct range *range, tele_rows_fn done,
                  void *user)
{
    struct reading *r = calloc(1, sizeof *r);

    if (!r)
        return LATHE_E_NOMEM;
    r->tw = tw;
    r->uid = uid;
    r->range = *range;
    r->done = done;
    r->user = user;
    return read_series(r, 'v', on_values);
}
