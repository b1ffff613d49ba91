/* What every surface needs beside its own handlers: the services it asked for, parked requests,
 * answers and problems in one line, thinning of curves. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_COMMON_API_KIT_H
#define PLUGINS_API_COMMON_API_KIT_H

#include "lathe/artifact.h"
#include "lathe/clock.h"
#include "lathe/counters.h"
#include "lathe/events.h"
#include "lathe/http.h"
#include "lathe/jobs.h"
#include "lathe/json.h"
#include "lathe/models.h"
#include "lathe/plugins.h"
#include "lathe/pool.h"
#include "lathe/serve.h"
#include "lathe/store.h"
#include "lathe/tokens.h"
#include "plugins/api/common/text.h"

/* Tables of the server; tokens and counters may be NULL, the others are there. */
struct api_kit {
    const struct lathe_host *host;
    const struct lathe_http_service *http;
    const struct lathe_json_service *json;
    const struct lathe_jobs_service *jobs;
    const struct lathe_models_service *models;
    const struct lathe_plugins_service *plugins;
    const struct lathe_serve_service *serve;
    const struct lathe_events_service *events;
    const struct lathe_store_service *store;
    const struct lathe_artifact_service *artifact;
    const struct lathe_loop_service *loop;
    const struct lathe_pool_service *pool;
    const struct lathe_clock_service *clock;
    const struct lathe_tokens_service *tokens;
    const struct lathe_counters_service *counters;
    int64_t open_ns; /* when the surface was opened */
};

/* Service ids of all tables but tokens and counters: for lathe_component.needs. */
extern const char *const api_kit_needs[];

/* Fetches the tables. Errors: LATHE_E_UNAVAILABLE names the one that is missing. */
int32_t api_kit_open(struct api_kit *kit, const struct lathe_host *host, struct lathe_error *err);

/* Fills err (may be NULL) and returns code. */
int32_t api_fail(struct lathe_error *err, int32_t code, const char *field, const char *fmt, ...)
    LATHE_PRINTF(4, 5);

/* Answers with the text of t, which is released in any case. */
int32_t api_send(const struct api_kit *kit, struct lathe_request *req, int32_t http_status,
                 struct text *t);

/* Answers with a problem: code for programs, fmt for people. */
int32_t api_problem(const struct api_kit *kit, struct lathe_request *req, int32_t http_status,
                    const char *code, const char *fmt, ...) LATHE_PRINTF(5, 6);

/* A request that waits for an asynchronous call: self is the surface. Hand it on as user with
 * api_park_drop as drop. arg is for the handler. */
struct api_park {
    void *self;
    const struct api_kit *kit;
    struct lathe_request *req;
    char arg[128];
    int64_t number;
    int flag;
};

/* Takes a reference of req; NULL without memory. */
struct api_park *api_park_new(const struct api_kit *kit, void *self, struct lathe_request *req,
                              const char *arg);
void api_park_drop(void *park);

/* Page of a list from limit and offset. */
struct api_page {
    int64_t limit, offset, total;
};
void api_page_read(const struct api_kit *kit, struct lathe_request *req, struct api_page *page);
int api_page_take(struct api_page *page); /* counts one entry; 1 when it is on the page */
void api_page_header(const struct api_kit *kit, struct lathe_request *req,
                     const struct api_page *page);

/* Parses text made by the server; NULL when it is no JSON. The caller releases. */
struct lathe_json *api_parse(const struct api_kit *kit, const char *text);

/* Bucket means: count points become at most max_points; returns how many, in place. The step of a
 * bucket is that of its last point. */
uint32_t api_thin(uint64_t *steps, double *values, uint32_t count, uint32_t max_points);

/* Serve targets of models, kept so that a model is opened once. Zero-initialise. */
#define API_TARGETS 64
struct api_targets {
    struct {
        char model[48];
        uint64_t handle, used;
    } slot[API_TARGETS];
    uint64_t uses;
};

/* The target of a stored model, opened when need be; the least recently used one gives way.
 * Errors: those of serve->open. */
int32_t api_target(const struct api_kit *kit, struct api_targets *targets, const char *model,
                   uint64_t *handle, struct lathe_error *err);
void api_target_forget(const struct api_kit *kit, struct api_targets *targets, const char *model);
void api_targets_close(const struct api_kit *kit, struct api_targets *targets);

/* A question to a serve target: done gets the answer, drop releases user. */
struct api_question {
    const char *op, *body;
    lathe_serve_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

/* Sends it. Errors: those of serve->call; drop has run then. */
int32_t api_ask(const struct api_kit *kit, uint64_t handle, const struct api_question *question,
                struct lathe_error *err);
#define API_ASK_DEADLINE_MS 60000

/* Text copies; NULL stands for "". NULL without memory. */
char *api_dup(const char *text);

#endif
