/* Models: what the registry keeps of a session's policy, and questions to it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define WORST_EPISODES 5

/* ---- facts ---- */

static double rounded(double value, double unit)
{
    return isfinite(value) ? round(value * unit) / unit : 0;
}

static void facts_of_eval(struct gym *gym, struct lathe_json *facts, const struct lathe_json *eval,
                          const struct scenario *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    double n = j->get_float(eval, "episodes", 0), low, high;
    struct lathe_json *ci = j->array(j);

    wilson(j->get_float(eval, "successes", 0), n, &low, &high);
    j->append_float(ci, rounded(100 * low, 100));
    j->append_float(ci, rounded(100 * high, 100));
    j->set_float(facts, "accuracy", eval_accuracy(j, eval));
    j->set(facts, "accuracy_ci95", ci);
    j->set_float(facts, "score",
                 n > 0 ? rounded(scenario_score(s, j->get_float(eval, "mean_return", 0)), 1e6) : 0);
    j->set_float(facts, "mean_return", j->get_float(eval, "mean_return", 0));
    if (j->type(eval_metrics(j, eval)) == LATHE_JSON_OBJECT)
        j->set(facts, "metrics", j->acquire(eval_metrics(j, eval)));
}

/* From what the server keeps with a session's model: the start fields and the result of the job. */
static struct lathe_json *facts_of_session(struct gym *gym, const struct lathe_model_info *model,
                                           const struct lathe_json *start,
                                           const struct lathe_json *result)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *facts = j->object(j);
    const struct scenario *s = scenario_find(gym, j->get_string(start, "scenario_id", ""));

    j->set_string(facts, "scenario", j->get_string(start, "scenario_id", ""));
    j->set_string(facts, "framework", j->get_string(start, "framework", ""));
    j->set_int(facts, "episodes", j->get_int(result, "iterations", 0));
    j->set_int(facts, "env_episodes", j->get_int(result, "env_episodes", 0));
    j->set_int(facts, "env_steps", j->get_int(result, "env_steps", 0));
    j->set_string(facts, "session_id", model->job_id);
    j->set_int(facts, "scenario_version", 1);
    j->set_string(facts, "scenario_sha256", j->get_string(start, "scenario_sha256", ""));
    j->set_int(facts, "observation_dim", s ? s->observation_dim : 0);
    j->set_int(facts, "actions", s ? s->n_tools : 0);
    j->set_bool(facts, "imported", 0);
    j->set_null(facts, "claimed_accuracy");
    facts_of_eval(gym, facts, j->get(result, "eval"), s);
    if (start)
        j->set(facts, "training", j->acquire(start));
    return facts;
}

struct lathe_json *model_facts(struct gym *gym, const struct lathe_model_info *model)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *extra = api_parse(&gym->kit, model->extra), *facts;

    if (j->get(extra, "scenario_sha256")) /* imported: they were written here */
        return extra;
    facts = facts_of_session(gym, model, j->get(extra, "job"), j->get(extra, "result"));
    j->release(extra);
    return facts;
}

/* ---- wire ---- */

static void write_numbers(const struct lathe_json_service *j, struct jw *w, const char *name,
                          const struct lathe_json *object)
{
    struct lathe_json *value;
    const void *at = NULL;
    const char *key;

    jw_obj(w, name);
    while (object && (at = j->next(object, at, &key, &value)) != NULL)
        if (j->type(value) == LATHE_JSON_INT || j->type(value) == LATHE_JSON_FLOAT)
            jw_num(w, key, j->as_float(value, 0));
    jw_end_obj(w);
}

static void write_model_rest(const struct lathe_json_service *j, struct jw *w,
                             const struct lathe_model_info *model, const struct lathe_json *f)
{
    const struct lathe_json *ci = j->get(f, "accuracy_ci95");

    jw_uint(w, "size_bytes", model->size_bytes);
    jw_str(w, "sha256", model->artifact_sha256);
    jw_str(w, "algorithm", model->algorithm_id);
    jw_uint(w, "seed", model->seed);
    jw_str(w, "session_id", j->get_string(f, "session_id", model->job_id));
    jw_int(w, "env_episodes", j->get_int(f, "env_episodes", 0));
    jw_int(w, "env_steps", j->get_int(f, "env_steps", 0));
    jw_num(w, "score", j->get_float(f, "score", 0));
    write_numbers(j, w, "metrics", j->get(f, "metrics"));
    jw_arr(w, "accuracy_ci95");
    jw_num(w, NULL, j->as_float(j->at(ci, 0), 0));
    jw_num(w, NULL, j->as_float(j->at(ci, 1), 0));
    jw_end_arr(w);
    jw_int(w, "scenario_version", j->get_int(f, "scenario_version", 1));
    jw_str(w, "scenario_sha256", j->get_string(f, "scenario_sha256", ""));
    jw_int(w, "observation_dim", j->get_int(f, "observation_dim", 0));
    jw_int(w, "actions", j->get_int(f, "actions", 0));
    jw_bool(w, "imported", j->get_bool(f, "imported", 0));
    if (j->type(j->get(f, "claimed_accuracy")) > LATHE_JSON_NULL)
        jw_num(w, "claimed_accuracy", j->get_float(f, "claimed_accuracy", 0));
    else
        jw_null(w, "claimed_accuracy");
}

void model_render(struct gym *gym, struct jw *w, const struct lathe_model_info *model,
                  const struct lathe_json *f)
{
    const struct lathe_json_service *j = gym->kit.json;

    jw_obj(w, NULL);
    jw_str(w, "id", model->id);
    jw_str(w, "name", model->name);
    jw_str(w, "scenario", j->get_string(f, "scenario", ""));
    jw_str(w, "framework", j->get_string(f, "framework", ""));
    jw_num(w, "accuracy", j->get_float(f, "accuracy", 0));
    jw_int(w, "episodes", j->get_int(f, "episodes", 0));
    jw_time(w, "created_at", model->created_ms);
    jw_num(w, "size_mb", rounded((double)model->size_bytes / 1e6, 1000));
    write_model_rest(j, w, model, f);
    jw_end_obj(w);
}

void model_write(struct gym *gym, struct jw *w, const char *name,
                 const struct lathe_model_info *model)
{
    const struct text *text = model_text(gym, model, NULL);

    jw_raw(w, name, text != NULL ? text_get(text) : NULL);
    if (text == NULL)
        w->out->failed = 1;
}

const struct lathe_model_info *model_find(struct gym *gym, struct lathe_request *req)
{
    const char *id = gym->kit.http->path_param(req, "model_id");
    const struct lathe_model_info *model = gym->kit.models->get(gym->kit.models, id);

    if (model && !strcmp(model->owner, GYM_OWNER))
        return model;
    gym_not_found(&gym->kit, req, "model_not_found");
    return NULL;
}

static int32_t answer_model(struct gym *gym, struct lathe_request *req,
                            const struct lathe_model_info *model)
{
    const struct text *text = model_text(gym, model, NULL);
    int32_t st = LATHE_E_NOMEM;

    if (text != NULL)
        st = gym->kit.http->respond(req, 200, "application/json", text_get(text), text->len_bytes);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

/* ---- list, get, rename, delete ---- */

struct model_list {
    struct gym *gym;
    const char *scenario;
    struct jw w;
    struct api_page page;
};

static int32_t list_one(void *user, const struct lathe_model_info *model)
{
    struct model_list *l = user;
    const char *scenario = "";

    if (l->scenario &&
        (!model_text(l->gym, model, &scenario) || strcmp(scenario, l->scenario) != 0))
        return 0;
    if (api_page_take(&l->page))
        model_write(l->gym, &l->w, NULL, model);
    return 0;
}

int32_t op_list_models(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct text body = {0};
    struct model_list l;

    l.gym = gym;
    l.scenario = gym->kit.http->query(req, "scenario");
    api_page_read(&gym->kit, req, &l.page);
    jw_init(&l.w, &body);
    jw_arr(&l.w, NULL);
    gym->kit.models->list(gym->kit.models, GYM_OWNER, list_one, &l);
    jw_end_arr(&l.w);
    api_page_header(&gym->kit, req, &l.page);
    return api_send(&gym->kit, req, 200, &body);
}

int32_t op_get_model(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_model_info *model = model_find(gym, req);

    return model ? answer_model(gym, req, model) : LATHE_OK;
}

static void renamed(void *user, int32_t status, const struct lathe_model_info *model,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;

    if (!model)
        model = gym->kit.models->get(gym->kit.models, park->arg);
    model_texts_forget(gym, park->arg);
    if (status != LATHE_OK || !model)
        gym->kit.http->respond_error(park->req, status ? status : LATHE_E_NOT_FOUND, NULL, err);
    else {
        gym_audit(gym, park->req, "model.rename", park->arg);
        answer_model(gym, park->req, model);
    }
}

int32_t op_rename_model(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_model_info *model = model_find(gym, req);
    struct lathe_model_info changes = {.struct_size = sizeof changes};
    struct lathe_error err = {0};
    struct api_park *park;
    int32_t st;

    if (!model)
        return LATHE_OK;
    if (!(park = api_park_new(&gym->kit, gym, req, model->id)))
        return LATHE_E_NOMEM;
    changes.name = gym->kit.json->get_string(gym->kit.http->body_json(req), "name", "");
    st = gym->kit.models->update(gym->kit.models, park->arg, &changes, renamed, park, api_park_drop,
                                 &err);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

static void deleted(void *user, int32_t status, const struct lathe_model_info *model,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    struct text body = {0};

    (void)model;
    if (status != LATHE_OK) {
        park->kit->http->respond_error(park->req, status, NULL, err);
        return;
    }
    gym_audit(park->self, park->req, "model.delete", park->arg);
    text_adds(&body, "{\"status\":\"deleted\"}");
    api_send(park->kit, park->req, 200, &body);
}

int32_t op_delete_model(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_model_info *model = model_find(gym, req);
    struct lathe_error err = {0};
    struct api_park *park;
    int32_t st;

    if (!model)
        return LATHE_OK;
    if (!(park = api_park_new(&gym->kit, gym, req, model->id)))
        return LATHE_E_NOMEM;
    api_target_forget(&gym->kit, &gym->targets, park->arg);
    model_texts_forget(gym, park->arg);
    st = gym->kit.models->remove(gym->kit.models, park->arg, deleted, park, api_park_drop, &err);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

/* ---- act ---- */

static void write_action(const struct lathe_json_service *j, struct jw *w,
                         const struct lathe_json *action)
{
    jw_str(w, "action", j->get_string(action, "action", ""));
    jw_int(w, "action_index", j->get_int(action, "action_index", 0));
    write_numbers(j, w, "probabilities", j->get(action, "probabilities"));
    jw_num(w, "value", j->get_float(action, "value", 0));
}

static void acted(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                  const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *reply;
    const struct lathe_json *actions;
    struct text body = {0};
    struct jw w;
    uint32_t i;

    (void)len_bytes;
    if (status != LATHE_OK) {
        gym_failed(&gym->kit, park->req, status, err, "body");
        return;
    }
    reply = api_parse(&gym->kit, answer);
    actions = j->get(reply, "actions");
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    if (park->flag) {
        jw_arr(&w, "actions");
        for (i = 0; i < j->count(actions); i++) {
            jw_obj(&w, NULL);
            write_action(j, &w, j->at(actions, i));
            jw_end_obj(&w);
        }
        jw_end_arr(&w);
    } else {
        write_action(j, &w, j->at(actions, 0));
    }
    jw_int(&w, "latency_us", j->get_int(reply, "latency_us", 0));
    jw_end_obj(&w);
    j->release(reply);
    api_send(&gym->kit, park->req, 200, &body);
}

/* Sends body to the model's worker. */
static int32_t ask_model(struct gym *gym, struct lathe_request *req, const char *id, const char *op,
                         const char *body, lathe_serve_done_fn done, int flag)
{
    struct lathe_error err = {0};
    struct api_park *park;
    uint64_t handle = 0;
    int32_t st = api_target(&gym->kit, &gym->targets, id, &handle, &err);

    if (st == LATHE_OK) {
        if (!(park = api_park_new(&gym->kit, gym, req, id)))
            return LATHE_E_NOMEM;
        park->flag = flag;
        st = api_ask(&gym->kit, handle, &(struct api_question){op, body, done, park, api_park_drop},
                     &err);
    }
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

/* Length of every observation; answers 422 and returns 0 when one is wrong. */
static int lengths_fit(struct gym *gym, struct lathe_request *req, const struct lathe_json *body,
                       uint32_t dim)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *many = j->get(body, "observations"),
                            *one = j->get(body, "observation");
    char path[64] = "body.observation", message[96];
    uint32_t i;

    if (one && j->count(one) == dim)
        one = NULL;
    for (i = 0; !one && i < j->count(many); i++)
        if (j->count(j->at(many, i)) != dim) {
            one = many;
            snprintf(path, sizeof path, "body.observations.%u", i);
        }
    if (!one || !dim)
        return 1;
    snprintf(message, sizeof message, "an observation has %u numbers", dim);
    gym_invalid(&gym->kit, req, "value", path, message, NULL, NULL);
    return 0;
}

int32_t op_act(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_model_info *model = model_find(gym, req);
    const struct lathe_json *body = gym->kit.http->body_json(req);
    int many = j->get(body, "observations") != NULL;
    const struct scenario *s;
    const char *scenario = "";
    char *text;
    int32_t st;

    if (!model)
        return LATHE_OK;
    if ((j->get(body, "state") != NULL) + (j->get(body, "observation") != NULL) + many != 1)
        return gym_invalid(&gym->kit, req, "value", "body",
                           "give exactly one of state, observation and observations", NULL, NULL);
    if (!model_text(gym, model, &scenario))
        return LATHE_E_NOMEM;
    s = scenario_find(gym, scenario);
    if (!lengths_fit(gym, req, body, s ? (uint32_t)s->observation_dim : 0))
        return LATHE_OK;
    if (!(text = j->dup_text(body, 0, NULL)))
        return LATHE_E_NOMEM;
    st = ask_model(gym, req, model->id, "act", text, acted, many);
    j->free_text(text);
    return st;
}

/* ---- evaluate ---- */

static void write_pass_k(const struct lathe_json_service *j, struct jw *w,
                         const struct lathe_json *eval)
{
    if (j->type(j->get(eval, "pass_k")) == LATHE_JSON_OBJECT) {
        write_numbers(j, w, "pass_k", j->get(eval, "pass_k"));
        return;
    }
    jw_obj(w, "pass_k");
    jw_num(w, "1", j->get_float(eval, "success_rate", 0));
    jw_end_obj(w);
}

static void write_per_task(const struct lathe_json_service *j, struct jw *w,
                           const struct lathe_json *list)
{
    uint32_t i;

    jw_arr(w, "per_task");
    for (i = 0; i < j->count(list); i++) {
        const struct lathe_json *row = j->at(list, i);

        jw_obj(w, NULL);
        jw_str(w, "task", j->get_string(row, "task", ""));
        jw_int(w, "episodes", j->get_int(row, "episodes", 0));
        jw_num(w, "accuracy", j->get_float(row, "accuracy", 0));
        jw_num(w, "mean_return", j->get_float(row, "mean_return", 0));
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

static void write_worst(const struct lathe_json_service *j, struct jw *w,
                        const struct lathe_json *traces)
{
    uint32_t i;
    char *text;

    jw_arr(w, "worst_episodes");
    for (i = 0; i < j->count(traces) && i < WORST_EPISODES; i++) {
        const struct lathe_json *t = j->at(traces, i);

        jw_obj(w, NULL);
        jw_int(w, "index", j->get_int(t, "index", 0));
        jw_num(w, "return", j->get_float(t, "return", 0));
        jw_raw(w, "actions", text = j->dup_text(j->get(t, "actions"), 0, NULL));
        j->free_text(text);
        jw_raw(w, "rewards", text = j->dup_text(j->get(t, "rewards"), 0, NULL));
        j->free_text(text);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

static void write_evaluated(struct gym *gym, struct jw *w, const struct lathe_model_info *model,
                            const struct lathe_json *eval)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *report = j->get(eval, "metrics");
    struct lathe_json *facts = model_facts(gym, model);
    const struct scenario *s = scenario_find(gym, j->get_string(facts, "scenario", ""));
    double mean = j->get_float(eval, "mean_return", 0), low, high;
    char *confusion;

    wilson(j->get_float(eval, "successes", 0), j->get_float(eval, "episodes", 0), &low, &high);
    jw_obj(w, NULL);
    jw_str(w, "model_id", model->id);
    jw_int(w, "episodes", j->get_int(eval, "episodes", 0));
    jw_int(w, "trials", j->get_int(eval, "trials", 1));
    jw_num(w, "accuracy", eval_accuracy(j, eval));
    jw_arr(w, "accuracy_ci95");
    jw_num(w, NULL, rounded(100 * low, 100));
    jw_num(w, NULL, rounded(100 * high, 100));
    jw_end_arr(w);
    jw_num(w, "mean_return", mean);
    jw_num(w, "score", rounded(scenario_score(s, mean), 1e6));
    jw_num(w, "regret", s && s->analysis.known ? s->analysis.optimal_return - mean : 0);
    write_numbers(j, w, "metrics", eval_metrics(j, eval));
    write_pass_k(j, w, eval);
    write_per_task(j, w, j->get(report, "per_task"));
    confusion =
        j->get(report, "confusion") ? j->dup_text(j->get(report, "confusion"), 0, NULL) : NULL;
    jw_raw(w, "confusion", confusion ? confusion : "[]");
    j->free_text(confusion);
    write_worst(j, w, j->get(eval, "traces"));
    jw_end_obj(w);
    j->release(facts);
}

static void evaluated(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                      const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_model_info *model = gym->kit.models->get(gym->kit.models, park->arg);
    struct lathe_json *eval;
    struct text body = {0};
    struct jw w;

    (void)len_bytes;
    if (status != LATHE_OK || !model) {
        gym_failed(&gym->kit, park->req, status ? status : LATHE_E_NOT_FOUND, err, "body");
        return;
    }
    eval = api_parse(&gym->kit, answer);
    jw_init(&w, &body);
    write_evaluated(gym, &w, model, eval);
    gym->kit.json->release(eval);
    api_send(&gym->kit, park->req, 200, &body);
}

int32_t op_evaluate(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_model_info *model = model_find(gym, req);
    const struct lathe_json *given = gym->kit.http->body_json(req);
    char body[200];

    if (!model)
        return LATHE_OK;
    snprintf(body, sizeof body,
             "{\"episodes\":%lld,\"seed\":%lld,\"trials\":%lld,\"traces\":%d,\"mode\":\"greedy\"}",
             (long long)j->get_int(given, "episodes", 1000),
             (long long)j->get_int(given, "seed", 1000003),
             (long long)j->get_int(given, "trials", 1), WORST_EPISODES);
    return ask_model(gym, req, model->id, "evaluate", body, evaluated, 0);
}
