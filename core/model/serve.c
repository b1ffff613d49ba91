/* Serving: targets, their workers, and questions on their way. A question knows its worker by
 * number, a worker its questions by list; either may go first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/serve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/model/serve_internal.h"
#include "lathe/env.h"

#undef LOG_MODULE
#define LOG_MODULE "serve"

#define TARGETS_MAX 10000
#define QUESTIONS_MAX 1000
#define BODY_MAX (LINK_PAYLOAD_MAX - 512)
#define ANSWER_FILE_MAX ((size_t)256 << 20)
#define TICK_MS 5000
#define WORKERS_DEFAULT 8
#define IDLE_DEFAULT_MS 300000
#define ENV_IDLE_MS 1800000 /* with environments open */

static void question_free(struct question *q)
{
    if (q->timer != 0)
        loop_timer_cancel(q->serve->timers, q->timer);
    if (q->drop != NULL)
        q->drop(q->user);
    mem_free(q->env_id);
    mem_free(q);
}

/* Takes q out of its worker's list. */
static void question_unlink(struct question *q)
{
    struct question **at = &q->worker->questions;
    while (*at != NULL && *at != q)
        at = &(*at)->next;
    if (*at == q) {
        *at = q->next;
        q->worker->n_questions--;
    }
}

static void question_answer(struct question *q, int32_t status, const char *answer, size_t len,
                            const struct lathe_error *err)
{
    question_unlink(q);
    if (q->done != NULL)
        q->done(q->user, status, answer, len, err);
    question_free(q);
}

static void on_deadline(void *arg)
{
    struct question *q = arg;
    struct lathe_error err = {0};
    q->timer = 0;
    question_answer(q, fail(&err, LATHE_E_TIMEOUT, "no answer in time"), NULL, 0, &err);
}

void serve_questions_end(struct serve_worker *w, int32_t status, const char *text)
{
    struct lathe_error err = {0};
    (void)fail(&err, status, "%s", text);
    while (w->questions != NULL)
        question_answer(w->questions, status, NULL, 0, &err);
}

/* ---- answers ---- */

/* Environments opened and closed decide where later questions go. */
static void ids_update(const struct question *q)
{
    struct target *t = q->worker->target;
    if (q->env_id == NULL || t == NULL)
        return;
    if (q->is_create) {
        if (hmap_put(t->env_ids, q->env_id, q->worker, NULL) == LATHE_OK)
            q->worker->n_envs++;
    } else if (q->is_close && hmap_remove(t->env_ids, q->env_id) != NULL) {
        q->worker->n_envs--;
    }
}

static void answer_file(struct question *q, const json_t *json)
{
    const char *file = json_member_string(json, "file", "");
    struct lathe_error err = {0};
    char path[4096], *text = NULL;
    size_t len = 0;
    int32_t st = path_is_component(file)
                     ? path_join(path, sizeof path, q->worker->dir, file, &err)
                     : fail(&err, LATHE_E_CORRUPT, "the worker named no file of its directory");
    if (st == LATHE_OK)
        st = io_read_file(path, ANSWER_FILE_MAX, &text, &len, &err);
    if (st == LATHE_OK)
        unlink(path);
    question_answer(q, st, text, len, &err);
    mem_free(text);
}

static void answer_ok(struct question *q, const json_t *json)
{
    const json_t *body = json_object_get(json, "body");
    struct lathe_error err = {0};
    size_t len = 0;
    char *text;

    ids_update(q);
    if (body == NULL && json_object_get(json, "file") != NULL) {
        answer_file(q, json);
        return;
    }
    text = body != NULL ? json_dup_text(body, 0, &len) : mem_strdup("{}");
    if (text == NULL)
        question_answer(q, fail(&err, LATHE_E_NOMEM, "read answer"), NULL, 0, &err);
    else
        question_answer(q, LATHE_OK, text, body != NULL ? len : 2, &err);
    mem_free(text);
}

static void answer_error(struct question *q, int32_t status, const json_t *error)
{
    struct lathe_error err = {0};
    if (status >= 0 || status < LATHE_STATUS_LOWEST)
        status = LATHE_E_INTERNAL;
    (void)fail_field(&err, status, json_member_string(error, "field", ""), "%s",
                     json_member_string(error, "text", "the worker gave no reason"));
    question_answer(q, status, NULL, 0, &err);
}

static void on_response(struct serve_worker *w, const json_t *json)
{
    int64_t id = json_member_int(json, "id", -1);
    int32_t status = (int32_t)json_member_int(json, "status", LATHE_E_INTERNAL);
    struct question *q = w->questions;

    while (q != NULL && (int64_t)q->number != id)
        q = q->next;
    if (q == NULL)
        return; /* its deadline passed */
    if (status == LATHE_OK)
        answer_ok(q, json);
    else
        answer_error(q, status, json_object_get(json, "error"));
}

void serve_on_frame(void *user, const struct link_frame *frame)
{
    struct serve_worker *w = user;
    json_t *json = NULL;

    if (frame->type != LINK_RESPONSE && frame->type != LINK_ERROR && frame->type != LINK_LOG)
        return;
    if (json_parse_text(frame->payload, frame->len_bytes, NULL, &json, NULL) != LATHE_OK)
        return;
    if (frame->type == LINK_RESPONSE)
        on_response(w, json);
    else if (frame->type == LINK_ERROR)
        snprintf(w->reason, sizeof w->reason, "%s", json_member_string(json, "message", ""));
    else
        log_event((int32_t)json_member_int(json, "level", LATHE_LOG_INFO), "worker",
                  json_member_string(json, "message", ""),
                  (const struct lathe_field *const[]){F_STR("serve", w->dir), NULL});
    json_decref(json);
}

/* ---- routing ---- */

static int has_env(const struct serve_worker *w, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(w->env_names, i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return 1;
    }
    return 0;
}

/* The worker for a question about an environment: where its id lives, else one that has the plugin.
 */
static int32_t route_env(struct serve *serve, struct target *t, const struct question *q,
                         const json_t *body, struct serve_worker **out, struct lathe_error *err)
{
    const char *name = json_member_string(json_object_get(body, "env"), "name", NULL);

    if (q->env_id != NULL && !q->is_create) {
        if ((*out = hmap_get(t->env_ids, q->env_id)) == NULL)
            return fail(err, LATHE_E_NOT_FOUND, "there is no environment %.64s", q->env_id);
        return LATHE_OK;
    }
    if (name == NULL)
        return fail_field(err, LATHE_E_INVALID, "env.name", "the request names no environment");
    for (struct serve_worker *w = serve->workers; w != NULL; w = w->next)
        if (w->target == t && !w->is_ending && has_env(w, name)) {
            *out = w;
            return LATHE_OK;
        }
    if (reg_find(serve->cfg.reg, LATHE_KIND_ENV, name, NULL) == NULL)
        return fail_field(err, LATHE_E_NOT_FOUND, "env.name", "there is no environment named %.64s",
                          name);
    return serve_worker_start(serve, t, out, err);
}

static int32_t route(struct serve *serve, struct target *t, const struct question *q,
                     const json_t *body, struct serve_worker **out, struct lathe_error *err)
{
    if (t->model_id[0] == '\0')
        return route_env(serve, t, q, body, out, err);
    for (struct serve_worker *w = serve->workers; w != NULL; w = w->next)
        if (!w->is_ending && w->target != NULL && strcmp(w->target->model_id, t->model_id) == 0) {
            *out = w;
            return LATHE_OK;
        }
    return serve_worker_start(serve, t, out, err);
}

/* ---- questions ---- */

static int32_t question_send(struct question *q, const char *op, const char *body,
                             struct lathe_error *err)
{
    struct strbuf text;
    int32_t st;

    strbuf_init(&text);
    strbuf_addf(&text, "{\"id\":%llu,\"op\":", (unsigned long long)q->number);
    strbuf_add_json_string(&text, op, strlen(op));
    strbuf_adds(&text, ",\"body\":");
    strbuf_adds(&text, body);
    strbuf_adds(&text, "}");
    st = text.failed ? LATHE_E_NOMEM
                     : sup_worker_send(q->worker->process, LINK_REQUEST, text.data, text.len_bytes);
    strbuf_fini(&text);
    return st == LATHE_OK ? LATHE_OK : fail(err, st, "ask the worker: %s", lathe_status_name(st));
}

static int32_t question_make(struct serve *serve, const struct lathe_serve_request *request,
                             const json_t *body, struct question **out, struct lathe_error *err)
{
    const char *env_id = json_member_string(body, "id", NULL);
    struct question *q = mem_new(struct question);

    if (q == NULL || (env_id != NULL && (q->env_id = mem_strdup(env_id)) == NULL)) {
        mem_free(q);
        return fail(err, LATHE_E_NOMEM, "ask a worker");
    }
    q->serve = serve;
    q->number = ++serve->next_question;
    q->is_create = strcmp(request->op, "env.create") == 0;
    q->is_close = strcmp(request->op, "env.close") == 0;
    *out = q;
    return LATHE_OK;
}

/* Adds q to its worker and sends it. On failure q is gone. */
static int32_t question_start(struct question *q, const struct lathe_serve_request *request,
                              struct lathe_error *err)
{
    struct question **at = &q->worker->questions;
    int32_t st = LATHE_OK;

    if (q->worker->n_questions >= QUESTIONS_MAX)
        st = fail(err, LATHE_E_LIMIT, "too many questions wait for an answer");
    if (st == LATHE_OK && request->deadline_ms > 0)
        st = loop_timer_start(q->serve->timers, request->deadline_ms, 0, on_deadline, q, NULL,
                              &q->timer);
    if (st == LATHE_OK)
        st = question_send(q, request->op, request->body, err);
    if (st != LATHE_OK) {
        question_free(q); /* without done and drop: the caller keeps its part */
        return st;
    }
    while (*at != NULL)
        at = &(*at)->next;
    *at = q;
    q->worker->n_questions++;
    q->worker->used_ns = clock_mono_ns();
    q->done = request->done;
    q->user = request->user;
    q->drop = request->drop;
    return LATHE_OK;
}

static struct target *target_find(const struct serve *serve, uint64_t handle)
{
    struct target *t = serve->targets;
    while (t != NULL && t->handle != handle)
        t = t->next;
    return t;
}

static int32_t ask(struct serve *serve, struct target *t, const struct lathe_serve_request *request,
                   struct lathe_error *err)
{
    struct question *q = NULL;
    json_t *body = NULL;
    int32_t st;

    if (t == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "the target is closed");
    if (strlen(request->body) > BODY_MAX)
        return fail(err, LATHE_E_LIMIT, "a question holds at most %u bytes", (unsigned)BODY_MAX);
    if ((st = json_parse_text(request->body, strlen(request->body), NULL, &body, err)) != LATHE_OK)
        return st;
    if ((st = question_make(serve, request, body, &q, err)) == LATHE_OK) {
        if ((st = route(serve, t, q, body, &q->worker, err)) != LATHE_OK)
            question_free(q);
        else
            st = question_start(q, request, err);
    }
    json_decref(body);
    return st;
}

int32_t serve_target_call(struct serve *serve, uint64_t handle,
                          const struct lathe_serve_request *request, struct lathe_error *err)
{
    int32_t st = ask(serve, target_find(serve, handle), request, err);
    if (st != LATHE_OK && request->drop != NULL)
        request->drop(request->user);
    return st;
}

/* ---- targets ---- */

int32_t serve_target_open(struct serve *serve, const char *spec, uint64_t *handle,
                          struct lathe_error *err)
{
    struct target *t;
    json_t *json = NULL;
    int32_t st = json_parse_text(spec, strlen(spec), NULL, &json, err);
    const char *model = json_member_string(json, "model", NULL);
    const char *host = json_member_string(json, "host", NULL);

    if (st == LATHE_OK && model != NULL && models_get(serve->cfg.models, model) == NULL)
        st = fail_field(err, LATHE_E_NOT_FOUND, "model", "there is no model %.64s", model);
    if (st == LATHE_OK && model == NULL && (host == NULL || strcmp(host, "env") != 0))
        st = fail(err, LATHE_E_INVALID, "a target is {\"model\":id} or {\"host\":\"env\"}");
    if (st == LATHE_OK && serve->n_targets >= TARGETS_MAX)
        st = fail(err, LATHE_E_LIMIT, "too many targets are open");
    if (st == LATHE_OK &&
        ((t = mem_new(struct target)) == NULL || (t->env_ids = hmap_new()) == NULL)) {
        mem_free(t);
        st = fail(err, LATHE_E_NOMEM, "open target");
    }
    if (st == LATHE_OK) {
        t->handle = ++serve->next_handle;
        snprintf(t->model_id, sizeof t->model_id, "%s", model != NULL ? model : "");
        t->next = serve->targets;
        serve->targets = t;
        serve->n_targets++;
        *handle = t->handle;
    }
    json_decref(json);
    return st;
}

/* Another open target of the same model, to take over its worker. */
static struct target *heir_find(const struct serve *serve, const struct target *t)
{
    for (struct target *o = serve->targets; o != NULL; o = o->next)
        if (o != t && t->model_id[0] != '\0' && strcmp(o->model_id, t->model_id) == 0)
            return o;
    return NULL;
}

void serve_target_close(struct serve *serve, uint64_t handle)
{
    struct target **at = &serve->targets, *t = target_find(serve, handle);

    if (t == NULL)
        return;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    serve->n_targets--;
    for (struct serve_worker *w = serve->workers; w != NULL; w = w->next) {
        if (w->target != t)
            continue;
        if ((w->target = heir_find(serve, t)) != NULL)
            continue;
        w->n_envs = 0;
        serve_questions_end(w, LATHE_E_CANCELLED, "the target was closed");
        serve_worker_end(w);
    }
    hmap_free(t->env_ids, NULL);
    mem_free(t);
}

/* ---- life ---- */

static void on_tick(void *arg)
{
    struct serve *serve = arg;
    int64_t now = clock_mono_ns();
    for (struct serve_worker *w = serve->workers; w != NULL; w = w->next) {
        int64_t limit_ms = w->n_envs > 0 ? ENV_IDLE_MS : serve->cfg.idle_ms;
        if (w->questions == NULL && now - w->used_ns > limit_ms * 1000000)
            serve_worker_end(w);
    }
}

int32_t serve_open(const struct serve_config *cfg, struct serve **out, struct lathe_error *err)
{
    struct serve *serve = mem_new(struct serve);
    uint32_t tick_ms = cfg->idle_ms != 0 && cfg->idle_ms < TICK_MS ? cfg->idle_ms : TICK_MS;
    int32_t st;

    if (serve == NULL || (serve->dir = mem_strdup(cfg->dir)) == NULL ||
        (serve->timers = loop_timers_new(cfg->loop, UINT32_MAX)) == NULL) {
        serve_close(serve);
        return fail(err, LATHE_E_NOMEM, "open serving");
    }
    serve->cfg = *cfg;
    serve->cfg.max_workers = cfg->max_workers != 0 ? cfg->max_workers : WORKERS_DEFAULT;
    serve->cfg.idle_ms = cfg->idle_ms != 0 ? cfg->idle_ms : IDLE_DEFAULT_MS;
    if ((st = io_remove_tree(serve->dir, err)) != LATHE_OK ||
        (st = io_mkdir_p(serve->dir, 0700, err)) != LATHE_OK ||
        (st = loop_timer_start(serve->timers, tick_ms, tick_ms, on_tick, serve, NULL,
                               &serve->tick)) != LATHE_OK) {
        serve_close(serve);
        return st;
    }
    *out = serve;
    return LATHE_OK;
}

void serve_close(struct serve *serve)
{
    if (serve == NULL)
        return;
    while (serve->targets != NULL)
        serve_target_close(serve, serve->targets->handle);
    while (serve->workers != NULL) { /* their processes end with the supervisor */
        struct serve_worker *w = serve->workers;
        serve->workers = w->next;
        sup_worker_forget(w->process);
        json_decref(w->env_names);
        mem_free(w);
    }
    loop_timers_free(serve->timers);
    mem_free(serve->dir);
    mem_free(serve);
}

void serve_metrics_text(const struct serve *serve, struct strbuf *out)
{
    strbuf_addf(out,
                "# HELP lathe_serving_workers Workers that answer questions.\n"
                "# TYPE lathe_serving_workers gauge\nlathe_serving_workers %u\n",
                serve->n_workers);
}
