/* The learning curve: series of the job and the evaluations, put together row by row. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

enum column { STEPS, MEAN, REWARD, LOSS, ELAPSED, ERROR_SIZE, COLUMNS };

static const char *const column_names[COLUMNS + 1] = {"time/env_steps", "rollout/ep_rew_mean",
                                                      "rollout/reward", "train/loss",
                                                      "time/active_ms", NULL};

struct row {
    int64_t episode;
    double value[COLUMNS];
    double accuracy, reliability;
    int evaluated;
};

static void write_row(struct jw *w, const struct row *row)
{
    jw_obj(w, NULL);
    jw_int(w, "episode", row->episode);
    jw_num(w, "avg_reward", row->value[MEAN]);
    jw_num(w, "reward", row->value[REWARD]);
    jw_num(w, "loss", row->value[LOSS]);
    jw_num(w, "accuracy", row->accuracy);
    jw_num(w, "tool_reliability", row->reliability);
    jw_bool(w, "evaluated", row->evaluated);
    jw_int(w, "env_steps", (int64_t)row->value[STEPS]);
    jw_num(w, "elapsed_seconds", row->value[ELAPSED] / 1000.0);
    jw_end_obj(w);
}

void history_row(struct gym *gym, struct jw *w, const struct session *s, int64_t episode,
                 const struct lathe_json *values)
{
    struct row row = {.episode = episode};
    int c;

    for (c = 0; c < COLUMNS; c++)
        row.value[c] = gym->kit.json->get_float(values, column_names[c], 0);
    if (!gym->kit.json->get(values, column_names[LOSS]))
        row.value[LOSS] = row.value[ERROR_SIZE];
    row.evaluated = session_eval_at(s, episode, &row.accuracy, &row.reliability);
    write_row(w, &row);
}

/* Means of equal buckets; the episode is the last of the bucket. */
static uint32_t thin_rows(struct row *rows, uint32_t n, uint32_t max_points)
{
    uint32_t bucket, first = 0, i;
    int c;

    if (!max_points || n <= max_points)
        return n;
    for (bucket = 0; bucket < max_points; bucket++) {
        uint32_t end = (uint32_t)((uint64_t)n * (bucket + 1) / max_points);
        struct row mean = rows[end - 1];

        memset(mean.value, 0, sizeof mean.value);
        mean.accuracy = mean.reliability = 0;
        mean.evaluated = 0;
        for (i = first; i < end; i++) {
            for (c = 0; c < COLUMNS; c++)
                mean.value[c] += rows[i].value[c] / (double)(end - first);
            mean.accuracy += rows[i].accuracy / (double)(end - first);
            mean.reliability += rows[i].reliability / (double)(end - first);
            mean.evaluated |= rows[i].evaluated;
        }
        mean.value[STEPS] = rows[end - 1].value[STEPS];
        mean.value[ELAPSED] = rows[end - 1].value[ELAPSED];
        rows[bucket] = mean;
        first = end;
    }
    return max_points;
}

static enum column column_of(const char *name)
{
    int c;

    for (c = 0; c < COLUMNS; c++)
        if (!strcmp(name, column_names[c]))
            break;
    return (enum column)c;
}

/* Rows of the steps series, the others joined by episode. NULL without memory. */
static struct row *join(const struct session *s, const struct lathe_job_series *const *series,
                        uint32_t *n_rows)
{
    const struct lathe_job_series *column[COLUMNS] = {NULL};
    uint32_t at[COLUMNS] = {0}, i, n;
    struct row *rows;
    int c;

    for (; series && *series; series++)
        if ((c = (int)column_of((*series)->name)) < COLUMNS)
            column[c] = *series;
    n = column[STEPS] ? column[STEPS]->count : 0;
    if (!(rows = calloc(n ? n : 1, sizeof *rows)))
        return NULL;
    for (i = 0; i < n; i++) {
        uint64_t episode = column[STEPS]->steps[i];

        rows[i].episode = (int64_t)episode;
        for (c = 0; c < COLUMNS; c++) {
            if (!column[c])
                continue;
            while (at[c] < column[c]->count && column[c]->steps[at[c]] < episode)
                at[c]++;
            if (at[c] < column[c]->count && column[c]->steps[at[c]] == episode)
                rows[i].value[c] = column[c]->values[at[c]];
        }
        if (!column[LOSS]) /* learners without a loss tell how wrong their table was */
            rows[i].value[LOSS] = rows[i].value[ERROR_SIZE];
        rows[i].evaluated =
            session_eval_at(s, rows[i].episode, &rows[i].accuracy, &rows[i].reliability);
    }
    *n_rows = n;
    return rows;
}

static void history_read(void *user, int32_t status, const struct lathe_job_series *const *series,
                         const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, park->arg);
    const struct session *s = job ? session_get(gym, job) : NULL;
    uint32_t n = 0, i;
    struct row *rows = NULL;
    struct text body = {0};
    struct jw w;

    if (status != LATHE_OK || !s || !(rows = join(s, series, &n))) {
        gym->kit.http->respond_error(park->req, status ? status : LATHE_E_NOT_FOUND, NULL, err);
        return;
    }
    n = thin_rows(rows, n, (uint32_t)park->number);
    jw_init(&w, &body);
    jw_arr(&w, NULL);
    for (i = 0; i < n; i++)
        write_row(&w, &rows[i]);
    jw_end_arr(&w);
    free(rows);
    api_send(&gym->kit, park->req, 200, &body);
}

/* The evaluations are in memory now: read the series. */
static void evals_ready(void *user)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    struct lathe_job_query query = {
        .struct_size = sizeof query,
        .limit = (uint32_t)park->flag,
        .names = column_names,
        .from_step = (uint64_t)gym->kit.http->query_int(park->req, "since_episode", 0),
        .done = history_read,
        .drop = api_park_drop};
    struct lathe_error err = {0};
    struct api_park *next = api_park_new(&gym->kit, gym, park->req, park->arg);
    int32_t st;

    if (!next) {
        gym->kit.http->respond_error(park->req, LATHE_E_NOMEM, NULL, NULL);
        return;
    }
    next->number = park->number;
    query.user = next;
    if ((st = gym->kit.jobs->history(gym->kit.jobs, park->arg, &query, &err)) != LATHE_OK)
        gym->kit.http->respond_error(park->req, st, NULL, &err);
}

int32_t op_history(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_job_info *job = training_find(gym, req);
    struct api_park *park;

    if (!job)
        return LATHE_OK;
    if (!(park = api_park_new(&gym->kit, gym, req, job->id)))
        return LATHE_E_NOMEM;
    park->number = gym->kit.http->query_int(req, "max_points", 0);
    park->flag = (int)gym->kit.http->query_int(req, "limit", 1000);
    session_load_evals(gym, park->arg, evals_ready, park, api_park_drop);
    return LATHE_OK;
}
