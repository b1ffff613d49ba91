/* Services, parked requests, answers and pages, shared by the surfaces. Holds no state. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/api/common/api_kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const api_kit_needs[] = {LATHE_SERVICE_HTTP,
                                     LATHE_SERVICE_JSON,
                                     LATHE_SERVICE_JOBS,
                                     LATHE_SERVICE_MODELS,
                                     LATHE_SERVICE_PLUGINS,
                                     LATHE_SERVICE_SERVE,
                                     LATHE_SERVICE_STORE,
                                     LATHE_SERVICE_ARTIFACT,
                                     LATHE_SERVICE_EVENTS,
                                     LATHE_SERVICE_LOOP,
                                     LATHE_SERVICE_POOL,
                                     LATHE_SERVICE_CLOCK,
                                     NULL};

static const void *need(const struct lathe_host *host, const char *id, const char **missing)
{
    const void *table = host->get_service(host, id);

    if (!table && !*missing)
        *missing = id;
    return table;
}

int32_t api_kit_open(struct api_kit *kit, const struct lathe_host *host, struct lathe_error *err)
{
    const char *missing = NULL;

    memset(kit, 0, sizeof *kit);
    kit->host = host;
    kit->http = need(host, LATHE_SERVICE_HTTP, &missing);
    kit->json = need(host, LATHE_SERVICE_JSON, &missing);
    kit->jobs = need(host, LATHE_SERVICE_JOBS, &missing);
    kit->models = need(host, LATHE_SERVICE_MODELS, &missing);
    kit->plugins = need(host, LATHE_SERVICE_PLUGINS, &missing);
    kit->serve = need(host, LATHE_SERVICE_SERVE, &missing);
    kit->events = need(host, LATHE_SERVICE_EVENTS, &missing);
    kit->store = need(host, LATHE_SERVICE_STORE, &missing);
    kit->artifact = need(host, LATHE_SERVICE_ARTIFACT, &missing);
    kit->loop = need(host, LATHE_SERVICE_LOOP, &missing);
    kit->pool = need(host, LATHE_SERVICE_POOL, &missing);
    kit->clock = need(host, LATHE_SERVICE_CLOCK, &missing);
    kit->tokens = host->get_service(host, LATHE_SERVICE_TOKENS);
    kit->counters = host->get_service(host, LATHE_SERVICE_COUNTERS);
    if (missing)
        return api_fail(err, LATHE_E_UNAVAILABLE, "", "service %s is not offered here", missing);
    kit->open_ns = kit->clock->mono_ns(kit->clock);
    return LATHE_OK;
}

int32_t api_fail(struct lathe_error *err, int32_t code, const char *field, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return code;
    memset(err, 0, sizeof *err);
    err->code = code;
    snprintf(err->field, sizeof err->field, "%s", field);
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

int32_t api_send(const struct api_kit *kit, struct lathe_request *req, int32_t http_status,
                 struct text *t)
{
    int32_t st = LATHE_E_NOMEM;

    if (!t->failed)
        st = kit->http->respond(req, http_status, "application/json", text_get(t), t->len_bytes);
    text_fini(t);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

int32_t api_problem(const struct api_kit *kit, struct lathe_request *req, int32_t http_status,
                    const char *code, const char *fmt, ...)
{
    struct lathe_problem problem = {sizeof problem, 0,    http_status, 0,   code,
                                    NULL,           NULL, NULL,        NULL};
    char message[LATHE_ERROR_TEXT];
    va_list args;
    int32_t st;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    problem.text = message;
    st = kit->http->respond_problem(req, &problem);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

struct api_park *api_park_new(const struct api_kit *kit, void *self, struct lathe_request *req,
                              const char *arg)
{
    struct api_park *park = calloc(1, sizeof *park);

    if (!park)
        return NULL;
    park->self = self;
    park->kit = kit;
    park->req = kit->http->acquire(req);
    snprintf(park->arg, sizeof park->arg, "%s", arg ? arg : "");
    return park;
}

void api_park_drop(void *user)
{
    struct api_park *park = user;

    if (!park)
        return;
    park->kit->http->release(park->req);
    free(park);
}

void api_page_read(const struct api_kit *kit, struct lathe_request *req, struct api_page *page)
{
    page->limit = kit->http->query_int(req, "limit", 1000);
    page->offset = kit->http->query_int(req, "offset", 0);
    page->total = 0;
}

int api_page_take(struct api_page *page)
{
    int64_t place = page->total++;

    return place >= page->offset && place - page->offset < page->limit;
}

void api_page_header(const struct api_kit *kit, struct lathe_request *req,
                     const struct api_page *page)
{
    char number[24];

    snprintf(number, sizeof number, "%lld", (long long)page->total);
    kit->http->add_header(req, "X-Total-Count", number);
}

struct lathe_json *api_parse(const struct api_kit *kit, const char *text)
{
    struct lathe_json *value = NULL;

    if (!text || kit->json->parse(kit->json, text, strlen(text), NULL, &value, NULL) != LATHE_OK)
        return NULL;
    return value;
}

uint32_t api_thin(uint64_t *steps, double *values, uint32_t count, uint32_t max_points)
{
    uint32_t bucket, first = 0;

    if (!max_points || count <= max_points)
        return count;
    for (bucket = 0; bucket < max_points; bucket++) {
        uint32_t end = (uint32_t)((uint64_t)count * (bucket + 1) / max_points), i;
        double sum = 0;

        for (i = first; i < end; i++)
            sum += values[i];
        values[bucket] = sum / (double)(end - first);
        steps[bucket] = steps[end - 1];
        first = end;
    }
    return max_points;
}

char *api_dup(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

int32_t api_target(const struct api_kit *kit, struct api_targets *targets, const char *model,
                   uint64_t *handle, struct lathe_error *err)
{
    size_t i, oldest = 0;
    uint64_t fresh = 0;
    char spec[96];
    int32_t st;

    for (i = 0; i < API_TARGETS; i++) {
        if (targets->slot[i].handle && !strcmp(targets->slot[i].model, model)) {
            targets->slot[i].used = ++targets->uses;
            *handle = targets->slot[i].handle;
            return LATHE_OK;
        }
        if (targets->slot[i].used < targets->slot[oldest].used)
            oldest = i;
    }
    if (strlen(model) >= sizeof targets->slot[0].model)
        return api_fail(err, LATHE_E_NOT_FOUND, "", "there is no such model");
    snprintf(spec, sizeof spec, "{\"model\":\"%s\"}", model);
    if ((st = kit->serve->open(kit->serve, spec, &fresh, err)) != LATHE_OK)
        return st;
    if (targets->slot[oldest].handle)
        kit->serve->close(kit->serve, targets->slot[oldest].handle);
    snprintf(targets->slot[oldest].model, sizeof targets->slot[oldest].model, "%s", model);
    targets->slot[oldest].handle = *handle = fresh;
    targets->slot[oldest].used = ++targets->uses;
    return LATHE_OK;
}

void api_target_forget(const struct api_kit *kit, struct api_targets *targets, const char *model)
{
    size_t i;

    for (i = 0; i < API_TARGETS; i++)
        if (targets->slot[i].handle && !strcmp(targets->slot[i].model, model)) {
            kit->serve->close(kit->serve, targets->slot[i].handle);
            memset(&targets->slot[i], 0, sizeof targets->slot[i]);
        }
}

void api_targets_close(const struct api_kit *kit, struct api_targets *targets)
{
    size_t i;

    for (i = 0; i < API_TARGETS; i++)
        if (targets->slot[i].handle)
            kit->serve->close(kit->serve, targets->slot[i].handle);
    memset(targets, 0, sizeof *targets);
}

int32_t api_ask(const struct api_kit *kit, uint64_t handle, const struct api_question *question,
                struct lathe_error *err)
{
    struct lathe_serve_request call = {.struct_size = sizeof call,
                                       .op = question->op,
                                       .body = question->body,
                                       .deadline_ms = API_ASK_DEADLINE_MS,
                                       .done = question->done,
                                       .user = question->user,
                                       .drop = question->drop};

    return kit->serve->call(kit->serve, handle, &call, err);
}
