/* Two to eight sessions or models side by side. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define COMPARED_MAX 8

struct compared {
    struct gym *gym;
    struct lathe_request *req;
    char *ids; /* cut into id[] */
    const char *id[COMPARED_MAX];
    struct text object[COMPARED_MAX];
    struct lathe_json *value[COMPARED_MAX], *fields[COMPARED_MAX];
    int n, is_models, waiting;
};

static void compared_free(struct compared *c)
{
    int i;

    for (i = 0; i < c->n; i++) {
        text_fini(&c->object[i]);
        c->gym->kit.json->release(c->value[i]);
        c->gym->kit.json->release(c->fields[i]);
    }
    c->gym->kit.http->release(c->req);
    free(c->ids);
    free(c);
}

/* ---- parts ---- */

/* 1 when the items do not all have the same value of the field. */
static int differs(const struct compared *c, const char *name)
{
    const struct lathe_json_service *j = c->gym->kit.json;
    int i;

    for (i = 1; i < c->n; i++)
        if (!j->equal(j->get(c->fields[0], name), j->get(c->fields[i], name)))
            return 1;
    return 0;
}

static void write_differences(const struct compared *c, struct jw *w)
{
    static const char *const names[] = {"scenario_id",
                                        "framework",
                                        "max_episodes",
                                        "learning_rate",
                                        "algorithm",
                                        "seed",
                                        "batch_size",
                                        "discount_factor",
                                        "eval_interval",
                                        "eval_episodes",
                                        "eval_seed",
                                        "checkpoint_interval",
                                        "target_accuracy",
                                        "reward_mode",
                                        "hyperparameters",
                                        "init_model_id",
                                        NULL};
    const struct lathe_json_service *j = c->gym->kit.json;
    const char *const *name;
    char *text;
    int i;

    jw_obj(w, "differences");
    for (name = names; *name; name++) {
        if (!differs(c, *name))
            continue;
        jw_arr(w, *name);
        for (i = 0; i < c->n; i++) {
            text = j->get(c->fields[i], *name) ? j->dup_text(j->get(c->fields[i], *name), 0, NULL)
                                               : NULL;
            jw_raw(w, NULL, text);
            j->free_text(text);
        }
        jw_end_arr(w);
    }
    jw_end_obj(w);
}

static int64_t tickets(const struct compared *c, int i)
{
    const struct lathe_json_service *j = c->gym->kit.json;

    if (c->is_models)
        return GYM_FINAL_TICKETS;
    return j->as_int(j->pointer(c->value[i], "/evaluation/episodes"), 0);
}

/* Difference of two proportions with the usual 95 % interval, in percent. */
static void write_test(const struct compared *c, struct jw *w)
{
    const struct lathe_json_service *j = c->gym->kit.json;
    double p[2], n[2], delta, half;
    int i;

    if (c->n != 2) {
        jw_null(w, "test");
        return;
    }
    for (i = 0; i < 2; i++) {
        p[i] = j->get_float(c->value[i], "accuracy", 0) / 100;
        n[i] = fmax(1, (double)tickets(c, i));
    }
    delta = 100 * (p[1] - p[0]);
    half = 196 * sqrt(p[0] * (1 - p[0]) / n[0] + p[1] * (1 - p[1]) / n[1]);
    jw_obj(w, "test");
    jw_str(w, "metric", "accuracy");
    jw_num(w, "delta", delta);
    jw_arr(w, "ci95");
    jw_num(w, NULL, delta - half);
    jw_num(w, NULL, delta + half);
    jw_end_arr(w);
    jw_bool(w, "significant", delta - half > 0 || delta + half < 0);
    jw_end_obj(w);
}

/* Accuracy of every session at the episodes that all were evaluated at. */
static void write_history(const struct compared *c, struct jw *w)
{
    const struct session *s[COMPARED_MAX];
    double accuracy, reliability;
    struct text shared = {0};
    struct jw list;
    uint32_t k;
    int i, all;

    for (i = 0; i < c->n; i++) {
        const struct lathe_job_info *job = c->gym->kit.jobs->get(c->gym->kit.jobs, c->id[i]);

        if (!job || !(s[i] = session_get(c->gym, job)))
            return;
    }
    jw_obj(w, "history");
    jw_init(&list, &shared);
    jw_arr(&list, NULL);
    for (k = 0; k < s[0]->n_evals; k++) {
        for (i = 1, all = 1; i < c->n && all; i++)
            all = session_eval_at(s[i], s[0]->evals[k].episode, &accuracy, &reliability);
        if (all)
            jw_int(&list, NULL, s[0]->evals[k].episode);
    }
    jw_end_arr(&list);
    jw_raw(w, "episodes", text_get(&shared));
    text_fini(&shared);
    jw_obj(w, "accuracy");
    for (i = 0; i < c->n; i++) {
        jw_arr(w, c->id[i]);
        for (k = 0; k < s[0]->n_evals; k++) {
            int64_t episode = s[0]->evals[k].episode;
            int o;

            for (o = 1, all = 1; o < c->n && all; o++)
                all = session_eval_at(s[o], episode, &accuracy, &reliability);
            if (!all)
                continue;
            session_eval_at(s[i], episode, &accuracy, &reliability);
            jw_num(w, NULL, accuracy);
        }
        jw_end_arr(w);
    }
    jw_end_obj(w);
    jw_end_obj(w);
}

static const char *item_scenario(const struct compared *c, int i)
{
    return c->gym->kit.json->get_string(c->value[i], c->is_models ? "scenario" : "scenario_id", "");
}

/* The object with "id" in front of a session's fields. */
static void write_item(const struct compared *c, struct jw *w, int i)
{
    const char *text = text_get(&c->object[i]);

    if (c->is_models) {
        jw_raw(w, NULL, text);
        return;
    }
    jw_obj(w, NULL);
    jw_str(w, "id", c->id[i]);
    if (text[0] == '{' && text[1] != '}')
        text_addf(w->out, ",%.*s", (int)strlen(text) - 2, text + 1);
    jw_end_obj(w);
}

static void answer(struct compared *c)
{
    const struct lathe_json_service *j = c->gym->kit.json;
    int i, best = 0, same = 1;
    struct text body = {0};
    struct jw w;

    for (i = 1; i < c->n; i++) {
        same &= !strcmp(item_scenario(c, 0), item_scenario(c, i));
        if (j->get_float(c->value[i], "accuracy", 0) > j->get_float(c->value[best], "accuracy", 0))
            best = i;
    }
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "kind", c->is_models ? "models" : "sessions");
    jw_arr(&w, "items");
    for (i = 0; i < c->n; i++)
        write_item(c, &w, i);
    jw_end_arr(&w);
    write_differences(c, &w);
    jw_bool(&w, "same_scenario", same);
    jw_str(&w, "best", c->id[best]);
    write_test(c, &w);
    if (!c->is_models)
        write_history(c, &w);
    jw_end_obj(&w);
    api_send(&c->gym->kit, c->req, 200, &body);
}

/* ---- gathering ---- */

static int take_session(struct compared *c, int i)
{
    const struct lathe_job_info *job = c->gym->kit.jobs->get(c->gym->kit.jobs, c->id[i]);
    const struct session *s;
    const struct text *status;

    if (!job || strcmp(job->owner, GYM_OWNER) != 0 || !(s = session_get(c->gym, job)) ||
        !(status = session_status(c->gym, job)))
        return 0;
    text_add(&c->object[i], text_get(status), status->len_bytes);
    c->fields[i] = c->gym->kit.json->acquire(s->extra);
    return 1;
}

static int take_model(struct compared *c, int i)
{
    const struct lathe_json_service *j = c->gym->kit.json;
    const struct lathe_model_info *model = c->gym->kit.models->get(c->gym->kit.models, c->id[i]);
    struct lathe_json *facts;
    struct jw w;

    if (!model || strcmp(model->owner, GYM_OWNER) != 0)
        return 0;
    jw_init(&w, &c->object[i]);
    model_write(c->gym, &w, NULL, model);
    facts = model_facts(c->gym, model);
    c->fields[i] = j->acquire(j->get(facts, "training") ? j->get(facts, "training") : facts);
    j->release(facts);
    return 1;
}

static void one_loaded(void *user)
{
    struct compared *c = user;

    if (--c->waiting > 0)
        return;
    answer(c);
    compared_free(c);
}

/* Everything is there but the evaluations of sessions. */
static void load_and_answer(struct compared *c)
{
    int i, n = c->n;

    c->waiting = 1;
    for (i = 0; !c->is_models && i < n; i++) {
        c->waiting++;
        session_load_evals(c->gym, c->id[i], NULL, c, one_loaded);
    }
    one_loaded(c);
}

int32_t op_compare(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const char *sessions = gym->kit.http->query(req, "sessions");
    const char *models = gym->kit.http->query(req, "models");
    struct compared *c;
    char *save = NULL, *id;
    int i, ok;

    if (!sessions == !models)
        return api_problem(&gym->kit, req, 400, "bad_query", "Give either sessions or models");
    if (!(c = calloc(1, sizeof *c)))
        return LATHE_E_NOMEM;
    c->gym = gym;
    c->req = gym->kit.http->acquire(req);
    c->is_models = models != NULL;
    c->ids = api_dup(models ? models : sessions);
    for (id = c->ids ? strtok_r(c->ids, ",", &save) : NULL; id && c->n <= COMPARED_MAX;
         id = strtok_r(NULL, ",", &save)) {
        if (c->n == COMPARED_MAX)
            break;
        c->id[c->n++] = id;
    }
    if (c->n < 2 || id) {
        compared_free(c);
        return api_problem(&gym->kit, req, 400, "bad_query", "Give two to eight ids");
    }
    for (i = 0, ok = 1; i < c->n && ok; i++) {
        ok = c->is_models ? take_model(c, i) : take_session(c, i);
        c->value[i] = api_parse(&gym->kit, text_get(&c->object[i]));
    }
    if (!ok) {
        compared_free(c);
        return gym_not_found(&gym->kit, req, models ? "model_not_found" : "session_not_found");
    }
    load_and_answer(c);
    return LATHE_OK;
}
