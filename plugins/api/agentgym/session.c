/* Sessions: the status object and the evaluations of a job, kept until the job changes, so that
 * polling a session costs one copy of text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

/* ---- the table of sessions ---- */

static struct session **bucket(struct gym *gym, const char *id)
{
    uint32_t h = 2166136261u;

    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return &gym->sessions[h % GYM_BUCKETS];
}

static void session_free(struct gym *gym, struct session *s)
{
    gym->kit.json->release(s->extra);
    free(s->evals);
    text_fini(&s->text);
    free(s);
}

struct session *session_get(struct gym *gym, const struct lathe_job_info *job)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct session **place = bucket(gym, job->id), *s;

    for (s = *place; s; s = s->next)
        if (!strcmp(s->id, job->id))
            return s;
    if (!(s = calloc(1, sizeof *s)))
        return NULL;
    snprintf(s->id, sizeof s->id, "%s", job->id);
    s->extra = api_parse(&gym->kit, job->extra);
    s->best_accuracy = j->get_float(s->extra, "best_accuracy", 0);
    s->best_episode = j->get_int(s->extra, "best_episode", 0);
    s->next = *place;
    *place = s;
    return s;
}

void session_forget(struct gym *gym, const char *id)
{
    struct session **place = bucket(gym, id), *s;

    for (; (s = *place) != NULL; place = &s->next)
        if (!strcmp(s->id, id)) {
            *place = s->next;
            session_free(gym, s);
            return;
        }
}

void sessions_close(struct gym *gym)
{
    struct session *s;
    size_t i;

    for (i = 0; i < GYM_BUCKETS; i++)
        while ((s = gym->sessions[i]) != NULL) {
            gym->sessions[i] = s->next;
            session_free(gym, s);
        }
}

/* ---- states ---- */

const char *session_state(const struct lathe_job_info *job)
{
    switch (job->state) {
    case LATHE_JOB_QUEUED:
        return "pending";
    case LATHE_JOB_STARTING:
    case LATHE_JOB_RUNNING:
        return "running";
    case LATHE_JOB_PAUSING:
        return "pausing";
    case LATHE_JOB_PAUSED:
        return "paused";
    case LATHE_JOB_STOPPING:
        return "stopping";
    case LATHE_JOB_FINISHING: /* the last evaluation, and storing what came of it */
        return strcmp(job->reason, "user") ? "running" : "stopping";
    case LATHE_JOB_SUCCEEDED:
        return "completed";
    case LATHE_JOB_STOPPED:
    case LATHE_JOB_CANCELLED:
        return "stopped";
    default:
        return "failed";
    }
}

int session_is_final(const struct lathe_job_info *job)
{
    return job->state >= LATHE_JOB_SUCCEEDED;
}

/* ---- evaluations ---- */

void wilson(double successes, double n, double *low, double *high)
{
    const double z = 1.959963984540054;
    double p, centre, half;

    *low = *high = 0;
    if (n <= 0)
        return;
    p = successes / n;
    centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = fmax(0, centre - half);
    *high = fmin(1, centre + half);
}

static double round_to(double value, double unit)
{
    return isfinite(value) ? round(value * unit) / unit : 0;
}

const struct lathe_json *eval_metrics(const struct lathe_json_service *j,
                                      const struct lathe_json *eval)
{
    const struct lathe_json *report = j->get(eval, "metrics");
    const struct lathe_json *inner = j->get(report, "metrics");

    return inner ? inner : report;
}

double eval_accuracy(const struct lathe_json_service *j, const struct lathe_json *eval)
{
    int64_t episodes = j->get_int(eval, "episodes", 0);

    return episodes > 0 ? 100.0 * (double)j->get_int(eval, "successes", 0) / (double)episodes
                        : 100.0 * j->get_float(eval, "success_rate", 0);
}

void evaluation_write(struct gym *gym, struct jw *w, const char *name, const char *eval_text,
                      const struct scenario *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *eval = api_parse(&gym->kit, eval_text), *value;
    const struct lathe_json *metrics = eval_metrics(j, eval);
    int64_t episodes = j->get_int(eval, "episodes", 0);
    int64_t successes = j->get_int(eval, "successes", 0);
    const void *at = NULL;
    const char *key;
    double low, high;

    wilson((double)successes, (double)episodes, &low, &high);
    jw_obj(w, name);
    jw_int(w, "episode", j->get_int(eval, "current", 0));
    jw_int(w, "episodes", episodes);
    jw_int(w, "successes", successes);
    jw_arr(w, "accuracy_ci95");
    jw_num(w, NULL, round_to(100 * low, 100));
    jw_num(w, NULL, round_to(100 * high, 100));
    jw_end_arr(w);
    jw_num(w, "mean_return", j->get_float(eval, "mean_return", 0));
    jw_num(w, "tool_reliability", j->get_float(metrics, "tool_reliability", 0));
    jw_obj(w, "metrics");
    while (metrics && (at = j->next(metrics, at, &key, &value)) != NULL)
        if (j->type(value) == LATHE_JSON_INT || j->type(value) == LATHE_JSON_FLOAT)
            jw_num(w, key, j->as_float(value, 0));
    jw_end_obj(w);
    jw_bool(w, "targets_met", episodes && scenario_targets_met(gym, s, metrics));
    jw_end_obj(w);
    j->release(eval);
}

static struct eval_point *eval_slot(struct session *s, int64_t episode)
{
    uint32_t at = s->n_evals, cap;
    struct eval_point *grown;

    while (at > 0 && s->evals[at - 1].episode >= episode)
        at--;
    if (at < s->n_evals && s->evals[at].episode == episode)
        return &s->evals[at];
    if (s->n_evals == s->cap_evals) {
        cap = s->cap_evals ? 2 * s->cap_evals : 32;
        if (!(grown = realloc(s->evals, cap * sizeof *grown)))
            return NULL;
        s->evals = grown;
        s->cap_evals = cap;
    }
    memmove(s->evals + at + 1, s->evals + at, (s->n_evals - at) * sizeof *s->evals);
    s->n_evals++;
    s->evals[at].episode = episode;
    return &s->evals[at];
}

static void note_eval(struct session *s, int64_t episode, double accuracy, double reliability)
{
    struct eval_point *point = eval_slot(s, episode);

    if (point) {
        point->accuracy = accuracy;
        point->reliability = reliability;
    }
    if (accuracy > s->best_accuracy) {
        s->best_accuracy = accuracy;
        s->best_episode = episode;
    }
}

static void keep_eval(struct gym *gym, const struct session *s, int64_t episode, double accuracy,
                      double reliability)
{
    const struct lathe_store_service *store = gym->kit.store;
    char names[2][96];
    struct lathe_series_point points[2] = {{episode, accuracy}, {episode, reliability}};
    struct lathe_series_chunk chunks[2];
    const struct lathe_series_chunk *list[2] = {&chunks[0], &chunks[1]};
    int i;

    snprintf(names[0], sizeof names[0], "%s/accuracy", s->id);
    snprintf(names[1], sizeof names[1], "%s/reliability", s->id);
    for (i = 0; i < 2; i++) {
        chunks[i].struct_size = sizeof chunks[i];
        chunks[i].n_points = 1;
        chunks[i].series = names[i];
        chunks[i].points = &points[i];
    }
    store->series_append(store, list, 2, NULL);
}

void session_add_eval(struct gym *gym, struct session *s, const char *eval_text, int keep)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *eval = api_parse(&gym->kit, eval_text);
    double accuracy = eval_accuracy(j, eval);
    double reliability = j->get_float(eval_metrics(j, eval), "tool_reliability", 0);
    int64_t episode = j->get_int(eval, "current", 0);

    /* the evaluation behind the model uses other tickets than the curve */
    if (eval && !j->get_bool(eval, "final", 0)) {
        note_eval(s, episode, accuracy, reliability);
        if (keep) {
            keep_eval(gym, s, episode, accuracy, reliability);
            counts_accuracy(gym, accuracy);
        }
    }
    j->release(eval);
}

int session_eval_at(const struct session *s, int64_t episode, double *accuracy, double *reliability)
{
    uint32_t low = 0, high = s->n_evals;

    while (low < high) { /* first evaluation after episode */
        uint32_t mid = low + (high - low) / 2;

        if (s->evals[mid].episode <= episode)
            low = mid + 1;
        else
            high = mid;
    }
    *accuracy = low ? s->evals[low - 1].accuracy : 0;
    *reliability = low ? s->evals[low - 1].reliability : 0;
    return low && s->evals[low - 1].episode == episode;
}

/* ---- loading evaluations ---- */

struct eval_load {
    struct gym *gym;
    char id[64];
    struct lathe_series_point *accuracy;
    uint32_t n_accuracy;
    void (*then)(void *user);
    void *user;
    lathe_drop_fn drop;
    int parts; /* reads under way */
};

static void eval_load_drop(void *user)
{
    struct eval_load *load = user;

    if (--load->parts > 0)
        return;
    if (load->then)
        load->then(load->user);
    if (load->drop)
        load->drop(load->user);
    free(load->accuracy);
    free(load);
}

static void eval_accuracy_read(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct eval_load *load = user;

    if (status != LATHE_OK || !result->n_points)
        return;
    if (!(load->accuracy = calloc(result->n_points, sizeof *load->accuracy)))
        return;
    memcpy(load->accuracy, result->points, result->n_points * sizeof *load->accuracy);
    load->n_accuracy = result->n_points;
}

/* The second read: both lists have the same steps. */
static void eval_reliability_read(void *user, int32_t status,
                                  const struct lathe_store_result *result)
{
    struct eval_load *load = user;
    struct gym *gym = load->gym;
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, load->id);
    struct session *s = job ? session_get(gym, job) : NULL;
    uint32_t i;

    if (!s || status != LATHE_OK)
        return;
    for (i = 0; i < load->n_accuracy; i++)
        note_eval(s, load->accuracy[i].step, load->accuracy[i].value,
                  i < result->n_points ? result->points[i].value : 0);
    s->evals_loaded = 1;
    s->text_valid = 0;
}

void session_load_evals(struct gym *gym, const char *id, void (*then)(void *user), void *user,
                        lathe_drop_fn drop)
{
    const struct lathe_store_service *store = gym->kit.store;
    struct lathe_series_query query = {sizeof query, 0, NULL, INT64_MIN, INT64_MAX};
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, id);
    struct session *s = job ? session_get(gym, job) : NULL;
    struct lathe_store_call call = {sizeof call, 0, eval_accuracy_read, eval_load_drop, NULL};
    struct eval_load *load = s && !s->evals_loaded ? calloc(1, sizeof *load) : NULL;
    char name[96];

    if (!load) {
        if (then)
            then(user);
        if (drop)
            drop(user);
        return;
    }
    load->gym = gym;
    snprintf(load->id, sizeof load->id, "%s", id);
    load->then = then;
    load->user = user;
    load->drop = drop;
    load->parts = 2;
    call.user = load;
    query.series = name;
    snprintf(name, sizeof name, "%s/accuracy", id);
    store->series_read(store, &query, &call);
    call.done = eval_reliability_read;
    snprintf(name, sizeof name, "%s/reliability", id);
    store->series_read(store, &query, &call);
}

/* ---- the status object ---- */

static void write_elapsed(struct jw *w, int64_t active_ms)
{
    int64_t seconds = active_ms / 1000;
    char clock[40];

    snprintf(clock, sizeof clock, "%lld:%02d:%02d", (long long)(seconds / 3600),
             (int)(seconds / 60 % 60), (int)(seconds % 60));
    jw_str(w, "elapsed_time", clock);
    jw_num(w, "elapsed_seconds", (double)active_ms / 1000.0);
}

/* "train/policy_loss" -> policy: every train/..._loss but the total, and the entropy. */
static void write_losses(const struct lathe_json_service *j, struct jw *w,
                         const struct lathe_json *metrics)
{
    struct lathe_json *value;
    const void *at = NULL;
    const char *name;
    char short_name[64];
    size_t len;

    jw_obj(w, "losses");
    while (metrics && (at = j->next(metrics, at, &name, &value)) != NULL) {
        if (strncmp(name, "train/", 6) != 0 || !strcmp(name, "train/loss"))
            continue;
        snprintf(short_name, sizeof short_name, "%s", name + 6);
        len = strlen(short_name);
        if (len > 5 && !strcmp(short_name + len - 5, "_loss"))
            short_name[len - 5] = '\0';
        else if (strcmp(short_name, "entropy") != 0)
            continue;
        jw_num(w, short_name, j->as_float(value, 0));
    }
    jw_end_obj(w);
}

static void write_error(struct jw *w, const struct lathe_job_info *job)
{
    if (!job->error_code) {
        jw_null(w, "error");
        return;
    }
    jw_obj(w, "error");
    jw_str(w, "code", job->error_id[0] ? job->error_id : lathe_status_name(job->error_code));
    jw_str(w, "message", job->error_text);
    jw_uint(w, "episode", job->current);
    jw_end_obj(w);
}

static void write_contract(struct gym *gym, struct jw *w, const struct lathe_job_info *job,
                           const struct session *s, const struct lathe_json *progress,
                           double accuracy)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *metrics = j->get(progress, "metrics");
    int64_t total = j->get_int(s->extra, "max_episodes", (int64_t)job->total);

    jw_str(w, "session_id", job->id);
    jw_str(w, "scenario_id", j->get_string(s->extra, "scenario_id", ""));
    jw_str(w, "framework", j->get_string(s->extra, "framework", ""));
    jw_str(w, "status", session_state(job));
    jw_uint(w, "current_episode", job->current);
    jw_int(w, "max_episodes", total);
    jw_num(w, "accuracy", accuracy);
    jw_num(w, "avg_reward", j->get_float(progress, "mean_return", 0));
    jw_num(w, "loss",
           j->get_float(metrics, "train/loss", j->get_float(metrics, "train/td_abs", 0)));
    jw_time(w, "start_time", job->started_ms ? job->started_ms : job->created_ms);
    write_elapsed(w, job->active_ms);
}

static void write_rest(struct gym *gym, struct jw *w, const struct lathe_job_info *job,
                       const struct session *s, const struct lathe_json *progress)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *tags = j->get(s->extra, "tags");
    uint32_t i;

    write_losses(j, w, j->get(progress, "metrics"));
    jw_obj(w, "checkpoint");
    jw_str(w, "id", job->checkpoint_id);
    jw_uint(w, "episode", job->checkpoint_current);
    jw_str(w, "sha256", job->checkpoint_sha256);
    jw_end_obj(w);
    jw_str(w, "model_id", job->model_id);
    jw_str(w, "parent_session_id", j->get_string(s->extra, "parent_session_id", ""));
    jw_uint(w, "queue_position", job->queue_position);
    jw_uint(w, "seq", job->seq);
    write_error(w, job);
    jw_str(w, "name", j->get_string(s->extra, "name", ""));
    jw_arr(w, "tags");
    for (i = 0; i < j->count(tags); i++)
        jw_str(w, NULL, j->as_string(j->at(tags, i), "", NULL));
    jw_end_arr(w);
    jw_time(w, "created_at", job->created_ms);
    jw_time(w, "updated_at", job->updated_ms);
    jw_time(w, "end_time", job->ended_ms);
}

static void write_status(struct gym *gym, struct text *out, const struct lathe_job_info *job,
                         struct session *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *progress = api_parse(&gym->kit, job->progress);
    struct lathe_json *eval = api_parse(&gym->kit, job->eval);
    const struct scenario *scenario =
        scenario_find(gym, j->get_string(s->extra, "scenario_id", ""));
    double mean = j->get_float(eval, "mean_return", 0);
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    write_contract(gym, &w, job, s, progress, eval_accuracy(j, eval));
    jw_str(&w, "status_reason", job->reason);
    jw_str(&w, "algorithm", j->get_string(s->extra, "algorithm", ""));
    jw_num(&w, "learning_rate", j->get_float(s->extra, "learning_rate", 0));
    jw_uint(&w, "seed", job->seed);
    jw_int(&w, "batch_size", j->get_int(s->extra, "batch_size", 0));
    jw_int(&w, "env_episodes", j->get_int(progress, "env_episodes", 0));
    jw_int(&w, "env_steps", j->get_int(progress, "env_steps", 0));
    jw_num(&w, "steps_per_second", round_to(j->get_float(progress, "sps", 0), 10));
    jw_num(&w, "score",
           j->type(eval) == LATHE_JSON_OBJECT ? round_to(scenario_score(scenario, mean), 1e6) : 0);
    jw_num(&w, "best_accuracy", s->best_accuracy);
    jw_int(&w, "best_episode", s->best_episode);
    evaluation_write(gym, &w, "evaluation", job->eval, scenario);
    write_rest(gym, &w, job, s, progress);
    jw_end_obj(&w);
    j->release(progress);
    j->release(eval);
}

const struct text *session_status(struct gym *gym, const struct lathe_job_info *job)
{
    struct session *s = session_get(gym, job);

    if (!s)
        return NULL;
    if (s->text_valid && s->text_seq == job->seq && s->text_queue == job->queue_position &&
        s->text_state == job->state)
        return &s->text;
    text_clear(&s->text);
    write_status(gym, &s->text, job, s);
    if (s->text.failed)
        return NULL;
    s->text_seq = job->seq;
    s->text_queue = job->queue_position;
    s->text_state = job->state;
    s->text_valid = 1;
    return &s->text;
}
