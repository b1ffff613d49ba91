/* Interactive environments: tickets worked on from outside. The environments live in a worker;
 * this side keeps their names, when they were last used, and what was seen last. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define ENVS_MAX 1000
#define IDLE_MS (15 * 60 * 1000)
#define PURPOSE_INTERACTIVE 3

struct env_slot {
    struct env_slot *next;
    char id[40];
    char scenario[64];
    int64_t seed, index, used_ms, violations;
    int ready, over, terminated, truncated;
    double total;                   /* return so far */
    struct text observation, state; /* JSON, as seen last */
};

int32_t env_host(struct gym *gym, uint64_t *handle, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (!gym->env_host)
        st = gym->kit.serve->open(gym->kit.serve, "{\"host\":\"env\"}", &gym->env_host, err);
    *handle = gym->env_host;
    return st;
}

static struct env_slot *slot_find(struct gym *gym, const char *id)
{
    struct env_slot *e;

    for (e = gym->envs; e; e = e->next)
        if (!strcmp(e->id, id))
            return e;
    return NULL;
}

static void slot_remove(struct gym *gym, const char *id)
{
    struct env_slot **place = &gym->envs, *e;

    for (; (e = *place) != NULL; place = &e->next)
        if (!strcmp(e->id, id)) {
            *place = e->next;
            gym->n_envs--;
            text_fini(&e->observation);
            text_fini(&e->state);
            free(e);
            return;
        }
}

static int64_t now_ms(const struct gym *gym)
{
    return gym->kit.clock->mono_ns(gym->kit.clock) / 1000000;
}

static int32_t ask(struct gym *gym, const char *op, const char *body, lathe_serve_done_fn done,
                   void *user, lathe_drop_fn drop, struct lathe_error *err)
{
    uint64_t handle = 0;
    int32_t st = env_host(gym, &handle, err);

    if (st != LATHE_OK) {
        if (drop)
            drop(user);
        return st;
    }
    return api_ask(&gym->kit, handle, &(struct api_question){op, body, done, user, drop}, err);
}

static void forget_in_worker(struct gym *gym, const char *id)
{
    char body[80];

    snprintf(body, sizeof body, "{\"id\":\"%s\"}", id);
    ask(gym, "env.close", body, NULL, NULL, NULL, NULL);
}

void envs_tick(struct gym *gym, int64_t now)
{
    struct env_slot *e, *next;

    for (e = gym->envs; e; e = next) {
        next = e->next;
        if (now - e->used_ms > IDLE_MS) {
            forget_in_worker(gym, e->id);
            slot_remove(gym, e->id);
        }
    }
}

void envs_close(struct gym *gym)
{
    while (gym->envs)
        slot_remove(gym, gym->envs->id);
}

/* ---- in words ---- */

static void add_list(struct text *t, const char *intro, const struct lathe_json_service *j,
                     const struct lathe_json *list)
{
    uint32_t i;

    if (!j->count(list))
        return;
    text_adds(t, intro);
    for (i = 0; i < j->count(list); i++)
        text_addf(t, "%s%s", i ? ", " : "", j->as_string(j->at(list, i), "", NULL));
    text_adds(t, ".");
}

static void describe(const struct api_kit *kit, struct text *t, const struct lathe_json *state,
                     int max_steps)
{
    const struct lathe_json_service *j = kit->json;
    const char *task = j->get_string(state, "task", NULL), *name;
    const struct lathe_json *facts = j->get(state, "facts");
    struct lathe_json *value;
    const void *at = NULL;

    text_addf(t, "Ticket labelled %s.", j->get_string(state, "label", "unknown"));
    if (task)
        text_addf(t, " The task is %s.", task);
    else
        text_adds(t, " The task is not identified yet.");
    while (facts && (at = j->next(facts, at, &name, &value)) != NULL)
        if (strcmp(j->as_string(value, "unknown", NULL), "unknown") != 0)
            text_addf(t, " %s is %s.", name, j->as_string(value, "", NULL));
    add_list(t, " Done: ", j, j->get(state, "done"));
    text_addf(t, " Last call: %s. Call %lld of %d.", j->get_string(state, "last", "none"),
              (long long)j->get_int(state, "t", 0), max_steps);
}

void tools_write(struct jw *w, const char *name, const struct scenario *s)
{
    char line[160];
    int i;

    jw_arr(w, name);
    for (i = 0; i < s->n_tools; i++) {
        jw_obj(w, NULL);
        jw_str(w, "type", "function");
        jw_obj(w, "function");
        jw_str(w, "name", s->tool[i]);
        snprintf(line, sizeof line, "Calls %s in the scenario %s.", s->tool[i], s->id);
        jw_str(w, "description", line);
        jw_raw(w, "parameters",
               "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}");
        jw_end_obj(w);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

/* ---- what comes back from the worker ---- */

static double rounded(double value)
{
    return round(value * 1e6) / 1e6; /* rewards travel as float */
}

static void keep_view(struct gym *gym, struct env_slot *e, const struct lathe_json *reply)
{
    const struct lathe_json_service *j = gym->kit.json;
    char *observation = j->dup_text(j->get(reply, "observation"), 0, NULL);
    char *state = j->dup_text(j->get(reply, "state"), 0, NULL);

    text_clear(&e->observation);
    text_adds(&e->observation, observation ? observation : "[]");
    text_clear(&e->state);
    text_adds(&e->state, state ? state : "{}");
    j->free_text(observation);
    j->free_text(state);
    e->used_ms = now_ms(gym);
}

static void write_view(struct gym *gym, struct jw *w, const struct env_slot *e, int max_steps)
{
    struct lathe_json *state = api_parse(&gym->kit, text_get(&e->state));
    struct text words = {0};

    jw_raw(w, "observation", text_get(&e->observation));
    jw_raw(w, "state", text_get(&e->state));
    describe(&gym->kit, &words, state, max_steps);
    jw_str(w, "text", text_get(&words));
    text_fini(&words);
    gym->kit.json->release(state);
}

static int32_t answer_env(struct gym *gym, struct lathe_request *req, const struct env_slot *e,
                          int32_t http_status)
{
    const struct scenario *s = scenario_find(gym, e->scenario);
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "env_id", e->id);
    jw_str(&w, "scenario_id", e->scenario);
    write_view(gym, &w, e, s ? s->max_steps : 0);
    if (s && http_status == 201)
        tools_write(&w, "tools", s);
    jw_int(&w, "max_steps", s ? s->max_steps : 1);
    jw_int(&w, "seed", e->seed);
    jw_int(&w, "index", e->index);
    if (http_status == 200) {
        jw_bool(&w, "terminated", e->terminated);
        jw_bool(&w, "truncated", e->truncated);
        jw_num(&w, "return", rounded(e->total));
    }
    jw_end_obj(&w);
    return api_send(&gym->kit, req, http_status, &body);
}

/* The worker forgot it (it ended meanwhile), or the environment is gone here. */
static int env_lost(struct gym *gym, struct api_park *park, int32_t status,
                    const struct env_slot *e)
{
    if (e && status != LATHE_E_NOT_FOUND)
        return 0;
    slot_remove(gym, park->arg);
    gym_not_found(&gym->kit, park->req, "env_not_found");
    return 1;
}

static void env_placed(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                       const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    struct env_slot *e = slot_find(gym, park->arg);
    struct lathe_json *reply;

    (void)len_bytes;
    if (!e || (!park->flag && env_lost(gym, park, status, e)))
        return;
    if (status != LATHE_OK) {
        if (park->flag)
            slot_remove(gym, park->arg);
        gym->kit.http->respond_error(park->req, status, NULL, err);
        return;
    }
    reply = api_parse(&gym->kit, answer);
    keep_view(gym, e, reply);
    gym->kit.json->release(reply);
    e->ready = 1;
    e->over = e->terminated = e->truncated = 0;
    e->total = 0;
    e->violations = 0;
    answer_env(gym, park->req, e, park->flag ? 201 : 200);
}

/* ---- handlers ---- */

/* seed and index of a request; the former ones, or a fresh seed, where they are missing. */
static void ticket(struct gym *gym, struct lathe_request *req, struct env_slot *e)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *body = gym->kit.http->body_json(req);

    e->seed = j->get(body, "seed") ? j->get_int(body, "seed", 0) : random_seed();
    e->index = j->get_int(body, "index", 0);
}

static void stream_of(struct text *body, const struct env_slot *e)
{
    text_addf(body, "\"stream\":{\"seed\":%lld,\"purpose\":%d,\"index\":%lld}", (long long)e->seed,
              PURPOSE_INTERACTIVE, (long long)e->index);
}

int32_t op_create_env(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct scenario *s = scenario_find(gym, gym->kit.http->path_param(req, "scenario_id"));
    struct lathe_error err = {0};
    struct text body = {0};
    struct lathe_json *env;
    struct api_park *park;
    struct env_slot *e;
    char hex[33], *env_text;
    int32_t st;

    if (!s)
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if (gym->n_envs >= ENVS_MAX)
        return api_problem(&gym->kit, req, 429, "too_many_envs", "Too many environments are open");
    if (!(e = calloc(1, sizeof *e)))
        return LATHE_E_NOMEM;
    random_hex(hex);
    snprintf(e->id, sizeof e->id, "env_%s", hex);
    snprintf(e->scenario, sizeof e->scenario, "%s", s->id);
    ticket(gym, req, e);
    e->used_ms = now_ms(gym);
    e->next = gym->envs;
    gym->envs = e;
    gym->n_envs++;
    tick_want(gym);
    env = scenario_env(gym, s, 0);
    env_text = j->dup_text(env, 0, NULL);
    j->release(env);
    text_addf(&body, "{\"id\":\"%s\",\"env\":%s,", e->id, env_text ? env_text : "null");
    j->free_text(env_text);
    stream_of(&body, e);
    text_adds(&body, "}");
    if (body.failed || !(park = api_park_new(&gym->kit, gym, req, e->id))) {
        text_fini(&body);
        slot_remove(gym, e->id);
        return LATHE_E_NOMEM;
    }
    park->flag = 1;
    st = ask(gym, "env.create", body.data, env_placed, park, api_park_drop, &err);
    text_fini(&body);
    if (st != LATHE_OK) {
        slot_remove(gym, e->id);
        gym->kit.http->set_error(req, &err);
    }
    return st;
}

static struct env_slot *env_of(struct gym *gym, struct lathe_request *req)
{
    struct env_slot *e = slot_find(gym, gym->kit.http->path_param(req, "env_id"));

    if (e && e->ready)
        return e;
    gym_not_found(&gym->kit, req, "env_not_found");
    return NULL;
}

int32_t op_get_env(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct env_slot *e = env_of(gym, req);

    if (!e)
        return LATHE_OK;
    e->used_ms = now_ms(gym);
    return answer_env(gym, req, e, 200);
}

int32_t op_reset_env(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct env_slot *e = env_of(gym, req);
    struct lathe_error err = {0};
    struct text body = {0};
    struct api_park *park;
    int32_t st;

    if (!e)
        return LATHE_OK;
    ticket(gym, req, e);
    text_addf(&body, "{\"id\":\"%s\",", e->id);
    stream_of(&body, e);
    text_adds(&body, "}");
    if (body.failed || !(park = api_park_new(&gym->kit, gym, req, e->id))) {
        text_fini(&body);
        return LATHE_E_NOMEM;
    }
    st = ask(gym, "env.reset", body.data, env_placed, park, api_park_drop, &err);
    text_fini(&body);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

static int32_t episode_over(struct gym *gym, struct lathe_request *req)
{
    return api_problem(&gym->kit, req, 409, "episode_over", "Episode is over; call reset");
}

/* The hidden truth, told when the episode is over. */
static void write_truth(const struct lathe_json_service *j, struct jw *w, const struct scenario *s,
                        const struct lathe_json *info)
{
    int64_t task = j->get_int(info, "task", -1), truth = j->get_int(info, "truth", 0);
    int i;

    jw_bool(w, "success", j->get_float(info, "success", 0) > 0);
    jw_obj(w, "truth");
    if (task >= 0 && task < s->n_tasks)
        jw_str(w, "task", s->task[task]);
    jw_obj(w, "facts");
    for (i = 0; i < s->n_facts; i++)
        jw_bool(w, s->fact[i], (int)(truth >> i & 1));
    jw_end_obj(w);
    jw_end_obj(w);
}

/* What the call did, in counts; the worker's numbers hold more than an agent may see. */
static void write_info(struct gym *gym, struct jw *w, struct env_slot *e, const struct scenario *s,
                       const struct lathe_json *reply)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *info = j->get(reply, "info");
    int64_t violations = j->get_int(info, "violations", 0);

    jw_obj(w, "info");
    jw_str(w, "outcome",
           violations > e->violations ? "violation"
                                      : j->get_string(j->get(reply, "state"), "last", "none"));
    jw_int(w, "calls", j->get_int(info, "calls", 0));
    jw_int(w, "wasted", j->get_int(info, "wasted", 0));
    jw_int(w, "violations", violations);
    if (e->over && s)
        write_truth(j, w, s, info);
    jw_end_obj(w);
    e->violations = violations;
}

static void env_stepped(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                        const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_json_service *j = gym->kit.json;
    struct env_slot *e = slot_find(gym, park->arg);
    const struct scenario *s;
    struct lathe_json *reply;
    struct text body = {0};
    struct jw w;

    (void)len_bytes;
    if (env_lost(gym, park, status, e))
        return;
    if (status == LATHE_E_CONFLICT) {
        episode_over(gym, park->req);
        return;
    }
    if (status != LATHE_OK) {
        gym_failed(&gym->kit, park->req, status, err, "body");
        return;
    }
    reply = api_parse(&gym->kit, answer);
    keep_view(gym, e, reply);
    e->terminated = j->get_bool(reply, "terminated", 0);
    e->truncated = j->get_bool(reply, "truncated", 0);
    e->over = e->terminated || e->truncated;
    e->total = j->get_float(reply, "return", 0);
    s = scenario_find(gym, e->scenario);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    write_view(gym, &w, e, s ? s->max_steps : 0);
    jw_num(&w, "reward", rounded(j->get_float(reply, "reward", 0)));
    jw_bool(&w, "terminated", e->terminated);
    jw_bool(&w, "truncated", e->truncated);
    write_info(gym, &w, e, s, reply);
    jw_end_obj(&w);
    j->release(reply);
    api_send(&gym->kit, park->req, 200, &body);
}

/* 1 when the action names a tool; else 422 that lists them. */
static int tool_known(struct gym *gym, struct lathe_request *req, const struct scenario *s,
                      const struct lathe_json *action)
{
    const struct lathe_json_service *j = gym->kit.json;
    const char *name = j->as_string(action, NULL, NULL);
    struct text tools = {0};
    struct jw w;
    char *input;
    int i;

    if (!name && j->as_int(action, -1) >= 0 && j->as_int(action, -1) < s->n_tools)
        return 1;
    for (i = 0; name && i < s->n_tools; i++)
        if (!strcmp(name, s->tool[i]))
            return 1;
    jw_init(&w, &tools);
    jw_arr(&w, NULL);
    for (i = 0; i < s->n_tools; i++)
        jw_str(&w, NULL, s->tool[i]);
    jw_end_arr(&w);
    input = j->dup_text(action, 0, NULL);
    gym_invalid(&gym->kit, req, "enum", "body.action", "unknown tool", input, text_get(&tools));
    j->free_text(input);
    text_fini(&tools);
    return 0;
}

int32_t op_step_env(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *action = j->get(gym->kit.http->body_json(req), "action");
    struct env_slot *e = env_of(gym, req);
    const struct scenario *s;
    struct lathe_error err = {0};
    struct text body = {0};
    struct api_park *park;
    char *text;
    int32_t st;

    if (!e)
        return LATHE_OK;
    if (!(s = scenario_find(gym, e->scenario)))
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if (!tool_known(gym, req, s, action))
        return LATHE_OK;
    if (e->over)
        return episode_over(gym, req);
    text = j->dup_text(action, 0, NULL);
    text_addf(&body, "{\"id\":\"%s\",\"action\":%s}", e->id, text ? text : "null");
    j->free_text(text);
    if (body.failed || !(park = api_park_new(&gym->kit, gym, req, e->id))) {
        text_fini(&body);
        return LATHE_E_NOMEM;
    }
    st = ask(gym, "env.step", body.data, env_stepped, park, api_park_drop, &err);
    text_fini(&body);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

int32_t op_delete_env(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct env_slot *e = env_of(gym, req);
    struct text body = {0};

    if (!e)
        return LATHE_OK;
    forget_in_worker(gym, e->id);
    slot_remove(gym, e->id);
    text_adds(&body, "{\"status\":\"deleted\"}");
    return api_send(&gym->kit, req, 200, &body);
}
