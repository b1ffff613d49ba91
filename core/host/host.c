/* The host table of plugins in the server: logging under the plugin's id, and services by id. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host.h"

#include <stdio.h>
#include <string.h>

#include "core/artifact/artifact.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/event/events.h"
#include "core/host/host_internal.h"
#include "core/http/http.h"
#include "core/json/json.h"
#include "core/store/store.h"

#undef LOG_MODULE
#define LOG_MODULE "host"

#define TIMERS_MAX 10000

static void plugin_log(const struct lathe_host *host, int32_t level, const char *msg,
                       const struct lathe_field *const *fields)
{
    const struct host_plugin *p = host->ctx;
    if (level <= log_get_level())
        log_event(level, p->id, msg, fields);
}

/* The plugin's own collections. Name spaces hold 60 bytes; longer ids share by their first 60. */
static const void *store_of(struct host_plugin *p)
{
    struct lathe_error err = {0};
    char space[61];

    if (p->store != NULL || p->parts->store == NULL)
        return p->store;
    snprintf(space, sizeof space, "%.60s", p->id);
    if (store_service(p->parts->store, space, &p->store, &err) != LATHE_OK)
        log_error("plugin gets no store", F_STR("plugin", p->id), F_STR("reason", err.text));
    return p->store;
}

struct service {
    const char *id;
    const void *table;
};

static const void *plugin_service(const struct lathe_host *host, const char *id)
{
    struct host_plugin *p = host->ctx;
    const struct host_parts *parts = p->parts;
    const struct service services[] = {
        {LATHE_SERVICE_CLOCK, &p->clock},
        {LATHE_SERVICE_JSON, json_service()},
        {LATHE_SERVICE_HTTP, http_service()},
        {LATHE_SERVICE_LOOP, parts->loop != NULL ? &p->loop : NULL},
        {LATHE_SERVICE_POOL, parts->pool != NULL ? &p->pool : NULL},
        {LATHE_SERVICE_PLUGINS, parts->reg != NULL ? &p->plugins : NULL},
        {LATHE_SERVICE_EVENTS, parts->events != NULL ? events_service(parts->events) : NULL},
        {LATHE_SERVICE_ARTIFACT,
         parts->artifacts != NULL ? artifacts_service(parts->artifacts) : NULL},
        {LATHE_SERVICE_MODELS, parts->models != NULL ? &p->models : NULL},
        {LATHE_SERVICE_SERVE, parts->serve != NULL ? &p->serve : NULL},
        {LATHE_SERVICE_JOBS, parts->jobs != NULL ? &p->jobs : NULL},
        {LATHE_SERVICE_COUNTERS, parts->metrics != NULL ? &p->counters : NULL},
        {LATHE_SERVICE_TOKENS, parts->auth != NULL ? &p->tokens : NULL},
    };

    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (strcmp(services[i].id, id) == 0)
            return services[i].table;
    return strcmp(id, LATHE_SERVICE_STORE) == 0 ? store_of(p) : NULL;
}

int32_t host_open(const struct host_parts *parts, const char *plugin_id, struct host_plugin **out,
                  struct lathe_error *err)
{
    struct host_plugin *p = mem_new(struct host_plugin);

    if (p == NULL || (p->timers = loop_timers_new(parts->loop, TIMERS_MAX)) == NULL) {
        mem_free(p);
        return fail(err, LATHE_E_NOMEM, "open host of %s", plugin_id);
    }
    p->parts = parts;
    snprintf(p->id, sizeof p->id, "%s", plugin_id);
    p->host = (struct lathe_host){sizeof p->host, LATHE_ABI_MAJOR, LATHE_ABI_MINOR, p,
                                  plugin_service, plugin_log};
    host_clock_fill(p);
    host_loop_fill(p);
    host_pool_fill(p);
    host_plugins_fill(p);
    host_jobs_fill(p);
    host_models_fill(p);
    host_serve_fill(p);
    host_tokens_fill(p);
    host_counters_fill(p);
    *out = p;
    return LATHE_OK;
}

void host_close(struct host_plugin *p)
{
    if (p == NULL)
        return;
    loop_timers_free(p->timers);
    mem_free(p);
}

const struct lathe_host *host_table(const struct host_plugin *p)
{
    return &p->host;
}
