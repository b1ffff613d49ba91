/* Metric series of jobs: rows from workers go to the store as points, and come back as history.
 * Series of a job are named "job/<id>/<metric>". */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

#define NAME_MAX_BYTES LATHE_STORAGE_ID_MAX
#define SERIES_MAX 1000
#define POINTS_DEFAULT 100000u

/* Points of one frame, sorted into series. */
struct column {
    char name[NAME_MAX_BYTES + 1];
    struct lathe_series_point *points;
    uint32_t n, cap;
};

static void column_free(void *arg)
{
    struct column *c = arg;
    mem_free(c->points);
    mem_free(c);
}

static void column_add(struct hmap *columns, const struct job *job, const char *metric,
                       uint32_t cap, struct lathe_series_point point)
{
    struct column *c = hmap_get(columns, metric);

    if (c == NULL) {
        if (hmap_count(columns) >= SERIES_MAX || (c = mem_new(struct column)) == NULL)
            return;
        c->cap = cap;
        c->points = mem_zalloc(cap, sizeof *c->points);
        if (c->points == NULL ||
            snprintf(c->name, sizeof c->name, "job/%s/%s", job->id, metric) > NAME_MAX_BYTES ||
            hmap_put(columns, metric, c, NULL) != LATHE_OK) {
            column_free(c);
            return;
        }
    }
    if (c->n < c->cap)
        c->points[c->n++] = point;
}

static void on_appended(void *user, int32_t status, const struct lathe_store_result *result)
{
    (void)user;
    if (status != LATHE_OK)
        log_error("metric points were not stored", F_STR("reason", result->error->text));
}

static void columns_append(struct job *job, struct hmap *columns)
{
    const struct lathe_store_service *store = job->jobs->cfg.store;
    struct lathe_store_call call = {sizeof call, 0, on_appended, NULL, NULL};
    size_t n = hmap_count(columns), cursor = 0, i = 0;
    struct lathe_series_chunk *chunks = mem_zalloc(n + 1, sizeof *chunks);
    const struct lathe_series_chunk **list = mem_zalloc(n + 1, sizeof *list);
    const char *key;
    void *value;
    int32_t st = LATHE_E_NOMEM;

    while (chunks != NULL && list != NULL && hmap_next(columns, &cursor, &key, &value)) {
        const struct column *c = value;
        chunks[i] = (struct lathe_series_chunk){sizeof chunks[i], c->n, c->name, c->points};
        list[i] = &chunks[i];
        i++;
    }
    if (i > 0)
        st = store->series_append(store, list, (uint32_t)i, &call);
    else if (n == 0)
        st = LATHE_OK;
    if (st != LATHE_OK)
        log_error("metric points were not stored", F_STR("job", job->id),
                  F_STR("reason", lathe_status_name(st)));
    mem_free(chunks);
    mem_free(list);
}

void job_series_rows(struct job *job, const json_t *metrics)
{
    const json_t *rows = json_object_get(metrics, "rows");
    uint32_t n_rows = (uint32_t)json_array_size(rows);
    struct hmap *columns = hmap_new();
    size_t i;
    json_t *row;

    if (columns == NULL || n_rows == 0) {
        hmap_free(columns, column_free);
        return;
    }
    json_array_foreach(rows, i, row)
    {
        int64_t step = json_member_int(row, "step", 0);
        json_t *values = json_object_get(row, "values"), *value;
        const char *name;
        json_object_foreach(values, name, value)
        {
            if (json_is_number(value))
                column_add(columns, job, name, n_rows,
                           (struct lathe_series_point){step, json_number_value(value)});
        }
        column_add(columns, job, "time/elapsed_ms", n_rows,
                   (struct lathe_series_point){step, (double)job_active_ms(job)});
    }
    columns_append(job, columns);
    hmap_free(columns, column_free);
}

static void eval_add(struct hmap *columns, const struct job *job, const char *name,
                     const json_t *value, int64_t step)
{
    char metric[128];

    if (json_is_number(value) && snprintf(metric, sizeof metric, "eval/%s", name) < 128)
        column_add(columns, job, metric, 1,
                   (struct lathe_series_point){step, json_number_value(value)});
}

/* The last evaluation of a run may follow one within the run of the same step: that one is the
 * curve's. */
static int is_on_curve(const struct job *job, int64_t step)
{
    json_t *before = json_loads(job->texts.eval, JSON_DECODE_ANY, NULL);
    int found = json_is_object(before) && json_member_int(before, "current", -1) == step &&
                !json_member_bool(before, "final", 0);

    json_decref(before);
    return found;
}

void job_series_eval(struct job *job, const json_t *eval)
{
    static const char *const figures[] = {"mean_return", "std_return",  "min_return",
                                          "max_return",  "mean_length", "success_rate"};
    int64_t step = json_member_int(eval, "current", 0);
    struct hmap *columns;
    const char *name;
    json_t *value;

    if (json_member_bool(eval, "final", 0) && is_on_curve(job, step))
        return;
    if ((columns = hmap_new()) == NULL)
        return;
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        eval_add(columns, job, figures[i], json_object_get(eval, figures[i]), step);
    json_object_foreach(json_object_get(eval, "metrics"), name, value)
    {
        eval_add(columns, job, name, value, step);
    }
    columns_append(job, columns);
    hmap_free(columns, column_free);
}

void job_series_cut(struct job *job, int64_t after)
{
    const struct lathe_store_service *store = job->jobs->cfg.store;
    struct lathe_store_call call = {sizeof call, 0, on_appended, NULL, NULL};
    char prefix[JOB_ID_MAX + 8];
    int32_t st;

    snprintf(prefix, sizeof prefix, "job/%s/", job->id);
    if ((st = store->series_drop_after(store, prefix, after, &call)) != LATHE_OK)
        log_error("metric points were not dropped", F_STR("job", job->id),
                  F_STR("reason", lathe_status_name(st)));
}

/* ---- history ---- */

struct history {
    const struct lathe_store_service *store;
    char prefix[JOB_ID_MAX + 8];
    uint32_t n, n_done, limit;
    int64_t first;
    int32_t status;
    int is_answered;
    struct lathe_error err;
    char **names; /* with the prefix */
    struct lathe_job_series *series;
    const struct lathe_job_series **list;
    lathe_job_series_fn done;
    void *user;
    lathe_drop_fn drop;
};

static void history_free(struct history *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        if (h->names != NULL)
            mem_free(h->names[i]);
        if (h->series != NULL) {
            mem_free((void *)(uintptr_t)h->series[i].steps);
            mem_free((void *)(uintptr_t)h->series[i].values);
        }
    }
    mem_free(h->names);
    mem_free(h->series);
    mem_free(h->list);
    if (h->drop != NULL)
        h->drop(h->user);
    mem_free(h);
}

/* Answers and frees. */
static void history_answer(struct history *h)
{
    h->is_answered = 1;
    if (h->done != NULL)
        h->done(h->user, h->status, h->status == LATHE_OK ? h->list : NULL, &h->err);
    history_free(h);
}

struct history_read {
    struct history *history;
    uint32_t index;
};

static void points_take(struct history *h, uint32_t index, const struct lathe_store_result *result)
{
    struct lathe_job_series *s = &h->series[index];
    uint32_t n = result->n_points < h->limit ? result->n_points : h->limit;
    uint64_t *steps = mem_zalloc((size_t)n + 1, sizeof *steps);
    double *values = mem_zalloc((size_t)n + 1, sizeof *values);

    s->steps = steps;
    s->values = values;
    if (steps == NULL || values == NULL) {
        h->status = fail(&h->err, LATHE_E_NOMEM, "read history");
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        steps[i] = (uint64_t)result->points[i].step;
        values[i] = result->points[i].value;
    }
    s->count = n;
}

static void on_points(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct history_read *r = user;
    if (status != LATHE_OK) {
        r->history->status = status;
        r->history->err = *result->error;
    } else {
        points_take(r->history, r->index, result);
    }
}

static void on_points_dropped(void *user)
{
    struct history_read *r = user;
    struct history *h = r->history;
    mem_free(r);
    if (++h->n_done == h->n)
        history_answer(h);
}

static void read_one(struct history *h, uint32_t i)
{
    struct history_read *r = mem_new(struct history_read);
    struct lathe_store_call call = {sizeof call, 0, on_points, on_points_dropped, r};
    struct lathe_series_query query = {sizeof query, 0, h->names[i], h->first, INT64_MAX};
    int32_t st;

    if (r == NULL) {
        h->status = LATHE_E_NOMEM;
        h->n_done++;
        return;
    }
    *r = (struct history_read){h, i};
    h->series[i].struct_size = sizeof h->series[i];
    h->series[i].name = h->names[i] + strlen(h->prefix);
    h->list[i] = &h->series[i];
    if ((st = h->store->series_read(h->store, &query, &call)) != LATHE_OK)
        h->status = fail(&h->err, st, "read history: %s", lathe_status_name(st));
}

/* Reads all names. The n-th drop answers; one count is held back until all reads are on their way.
 */
static void history_read_all(struct history *h)
{
    uint32_t n = h->n;
    h->n = n + 1;
    for (uint32_t i = 0; i < n; i++)
        read_one(h, i);
    h->n = n;
    if (h->n_done == n)
        history_answer(h);
}

static int32_t history_alloc(struct history *h, uint32_t n)
{
    h->names = mem_zalloc((size_t)n + 1, sizeof *h->names);
    h->series = mem_zalloc((size_t)n + 1, sizeof *h->series);
    h->list = mem_zalloc((size_t)n + 1, sizeof *h->list);
    if (h->names == NULL || h->series == NULL || h->list == NULL)
        return LATHE_E_NOMEM;
    h->n = n;
    return LATHE_OK;
}

static void on_listed(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct history *h = user;
    uint32_t n = result->n_series < SERIES_MAX ? result->n_series : SERIES_MAX;

    if (status == LATHE_OK && (status = history_alloc(h, n)) == LATHE_OK) {
        for (uint32_t i = 0; i < n; i++)
            if ((h->names[i] = mem_strdup(result->series[i])) == NULL)
                status = LATHE_E_NOMEM;
    }
    if (status == LATHE_OK) {
        history_read_all(h);
        return;
    }
    h->status = status;
    h->err = *result->error;
    history_answer(h);
}

static int32_t names_copy(struct history *h, const char *const *names)
{
    uint32_t n = 0;
    while (names[n] != NULL && n < SERIES_MAX)
        n++;
    if (history_alloc(h, n) != LATHE_OK)
        return LATHE_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        size_t len = strlen(h->prefix) + strlen(names[i]) + 1;
        if ((h->names[i] = mem_alloc(len)) == NULL)
            return LATHE_E_NOMEM;
        snprintf(h->names[i], len, "%s%s", h->prefix, names[i]);
    }
    return LATHE_OK;
}

/* Named series are read after an empty turn of the store, so that done never comes from inside. */
static void on_turn(void *user, int32_t status, const struct lathe_store_result *result)
{
    (void)status;
    (void)result;
    history_read_all(user);
}

int32_t jobs_history(struct jobs *jobs, const char *id, const struct lathe_job_query *query,
                     struct lathe_error *err)
{
    const struct lathe_store_service *store = jobs->cfg.store;
    struct history *h = mem_new(struct history);
    struct lathe_store_call call = {sizeof call, 0, NULL, NULL, h};
    int32_t st = LATHE_OK;

    if (h == NULL) {
        if (query->drop != NULL)
            query->drop(query->user);
        return fail(err, LATHE_E_NOMEM, "read history");
    }
    h->store = store;
    h->first = query->from_step > INT64_MAX ? INT64_MAX : (int64_t)query->from_step;
    h->limit = query->limit != 0 ? query->limit : POINTS_DEFAULT;
    h->done = query->done;
    h->user = query->user;
    h->drop = query->drop;
    snprintf(h->prefix, sizeof h->prefix, "job/%.96s/", id);
    if (hmap_get(jobs->by_id, id) == NULL)
        st = fail(err, LATHE_E_NOT_FOUND, "there is no job %.64s", id);
    else if (query->names != NULL && names_copy(h, query->names) != LATHE_OK)
        st = fail(err, LATHE_E_NOMEM, "read history");
    if (st == LATHE_OK) {
        call.done = query->names != NULL ? on_turn : on_listed;
        st = store->series_list(store, query->names != NULL ? "job/-/" : h->prefix, &call);
        if (st != LATHE_OK)
            (void)fail(err, st, "read history: %s", lathe_status_name(st));
    }
    if (st != LATHE_OK)
        history_free(h);
    return st;
}
