/* The HTTP server and the REST surfaces it serves. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/config/params.h"
#include "core/event/events.h"
#include "core/http/metrics.h"
#include "core/job/job.h"
#include "core/json/json.h"
#include "core/lathed/lathed.h"
#include "core/model/serve.h"
#include "core/store/store.h"

#undef LOG_MODULE
#define LOG_MODULE "lathed"

static const struct config_group *group(const struct lathed *d, const char *name)
{
    return config_group(config_root(d->config), name);
}

/* ---- callbacks of the HTTP server ---- */

static int on_ready(void *ctx, char *why, size_t cap)
{
    const struct lathed *d = ctx;
    if (d->is_ready && !d->is_ending)
        return 1;
    snprintf(why, cap, "%s", d->is_ending ? "the server is ending" : "the server is starting");
    return 0;
}

static void on_plugins(void *ctx, struct strbuf *out)
{
    reg_json(((const struct lathed *)ctx)->parts.reg, out);
}

static long resident_bytes(void)
{
    char line[128] = "", *resident = line;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fgets(line, sizeof line, f) != NULL) /* "total resident ..." in pages */
        (void)strtol(line, &resident, 10);
    fclose(f);
    return strtol(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static void on_metrics(void *ctx, struct strbuf *out)
{
    const struct lathed *d = ctx;
    struct store_stats stats;

    for (size_t i = 0; i < d->n_files; i++)
        host_collect(d->files[i].host);
    http_metrics_write(d->parts.metrics, out);
    jobs_metrics_text(d->parts.jobs, out);
    serve_metrics_text(d->parts.serve, out);
    store_get_stats(d->parts.store, &stats);
    strbuf_addf(out,
                "# HELP lathe_store_commits_total Commits of the store.\n"
                "# TYPE lathe_store_commits_total counter\nlathe_store_commits_total %" PRIu64 "\n"
                "# HELP lathe_store_queued Calls that wait for the store.\n"
                "# TYPE lathe_store_queued gauge\nlathe_store_queued %" PRIu64 "\n",
                stats.commits, stats.queued);
    strbuf_addf(out,
                "# HELP lathe_uptime_seconds Time since the server started.\n"
                "# TYPE lathe_uptime_seconds gauge\nlathe_uptime_seconds %.3f\n"
                "# HELP process_resident_memory_bytes Resident memory.\n"
                "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n",
                (double)(clock_mono_ns() - d->start_ns) / 1e9, resident_bytes());
}

/* ---- listeners ---- */

static int32_t listener_from_argument(struct lathed *d, struct lathe_error *err)
{
    struct http_listener_config *l = &d->listeners[0];
    if (!settings_split_address(d->args.listen, d->listen_address, sizeof d->listen_address,
                                &l->port))
        return fail_field(err, LATHE_E_INVALID, "--listen", "%.80s is not ADDRESS:PORT",
                          d->args.listen);
    l->address = d->listen_address;
    l->insecure = d->args.is_insecure;
    d->n_listeners = 1;
    return LATHE_OK;
}

static int32_t listener_from_group(struct lathed *d, const struct config_group *g,
                                   struct lathe_error *err)
{
    size_t i = d->n_listeners;
    struct http_listener_config *l = &d->listeners[i];
    const char *surfaces = config_string(g, "surfaces");

    if (i == LATHED_LISTENERS_MAX)
        return fail(err, LATHE_E_LIMIT, "more than %d listeners", LATHED_LISTENERS_MAX);
    l->address = config_string(g, "address");
    l->port = (uint16_t)config_int(g, "port");
    l->insecure = config_bool(g, "insecure");
    l->tls_cert = config_string(g, "tls_cert")[0] != '\0' ? config_string(g, "tls_cert") : NULL;
    l->tls_key = l->tls_cert != NULL ? config_string(g, "tls_key") : NULL;
    if (!settings_has_word(surfaces, "*")) {
        if ((d->listener_words[i] = settings_words(surfaces)) == NULL)
            return fail(err, LATHE_E_NOMEM, "read listeners");
        l->surfaces = (const char *const *)d->listener_words[i];
    }
    d->n_listeners++;
    return LATHE_OK;
}

static int32_t listeners_make(struct lathed *d, struct lathe_error *err)
{
    const struct config_group *server = group(d, "server");
    size_t n = config_count(server, "listeners");
    int32_t st = LATHE_OK;

    if (d->args.listen != NULL)
        return listener_from_argument(d, err);
    for (size_t i = 0; i < n && st == LATHE_OK; i++)
        st = listener_from_group(d, config_item(server, "listeners", i), err);
    if (n == 0) {
        d->listeners[0].address = "127.0.0.1";
        d->listeners[0].port = 8000;
        d->n_listeners = 1;
    }
    return st;
}

static int32_t server_open(struct lathed *d, struct lathe_error *err)
{
    const struct config_group *server = group(d, "server");
    struct http_config cfg;

    http_config_init(&cfg);
    d->cors = settings_words(config_string(server, "cors_origins"));
    d->hosts = settings_words(config_string(server, "hosts"));
    d->proxies = settings_words(config_string(server, "proxies"));
    if (d->cors == NULL || d->hosts == NULL || d->proxies == NULL)
        return fail(err, LATHE_E_NOMEM, "read server settings");
    cfg.listeners = d->listeners;
    cfg.n_listeners = d->n_listeners;
    cfg.www_dir = d->paths.www[0] != '\0' ? d->paths.www : NULL;
    cfg.cors_origins = (const char *const *)d->cors;
    cfg.hosts = (const char *const *)d->hosts;
    cfg.proxies = (const char *const *)d->proxies;
    cfg.auth = d->parts.auth;
    cfg.metrics_need_token = config_bool(server, "metrics_need_token");
    cfg.validate_responses = config_bool(server, "validate_responses");
    cfg.access_log = config_bool(group(d, "log"), "access");
    cfg.max_connections = (uint32_t)config_int(server, "max_connections");
    cfg.max_ws_clients = (uint32_t)config_int(server, "max_websockets");
    cfg.max_body_bytes = (uint64_t)config_int(server, "max_body_bytes");
    cfg.header_timeout_ms = (uint32_t)config_int(server, "header_timeout_ms");
    cfg.body_timeout_ms = (uint32_t)config_int(server, "body_timeout_ms");
    cfg.idle_timeout_ms = (uint32_t)config_int(server, "idle_timeout_ms");
    cfg.pool = (struct http_pool){d->parts.pool, pool_submit};
    cfg.ctx = d;
    cfg.ready = on_ready;
    cfg.plugins_json = on_plugins;
    cfg.metrics_text = on_metrics;
    return http_server_open(loop_base(d->parts.loop), &cfg, &d->http, err);
}

/* ---- surfaces ---- */

struct names {
    char list[LATHED_SURFACES_MAX][65];
    size_t n;
};

static int32_t name_visit(void *user, const struct lathe_component_info *component)
{
    struct names *names = user;
    if (names->n < LATHED_SURFACES_MAX)
        snprintf(names->list[names->n++], 65, "%s", component->name);
    return 0;
}

static int32_t surface_open(struct lathed *d, struct lathed_surface *s, const char *path,
                            struct lathe_error *err)
{
    const struct lathe_component *component;
    struct http_surface mount = {.name = s->name};
    struct lathed_file *file;
    int32_t st;

    if ((st = lathed_file_open(d, path, &file, err)) != LATHE_OK)
        return st;
    if ((component = plugin_find(file->file, LATHE_KIND_API, s->name)) == NULL)
        return fail(err, LATHE_E_CONFLICT, "%s has changed since it was described", path);
    if ((st = lathed_params(d, component, &s->params, err)) != LATHE_OK)
        return st;
    s->api = component->vtable;
    st = s->api->open(host_table(file->host), params_table(s->params), err, &s->self);
    if (st != LATHE_OK)
        return st;
    mount.api = s->api;
    mount.self = s->self;
    mount.auth_required = settings_has_word(config_string(group(d, "auth"), "required"), s->name);
    if ((st = http_server_mount(d->http, &mount, err)) != LATHE_OK)
        s->api->close(s->self);
    return st;
}

/* A broken surface is named in the log; it ends the start only when its plugin is required. */
static int32_t surface_add(struct lathed *d, const char *name, struct lathe_error *err)
{
    struct lathed_surface *s = &d->surfaces[d->n_surfaces];
    const struct config_group *plugins = group(d, "plugins");
    const struct lathe_plugin_info *file = NULL;
    const struct lathe_component_info *info = reg_find(d->parts.reg, LATHE_KIND_API, name, &file);
    struct lathe_error local = {0};
    int32_t st;

    if (info == NULL || d->n_surfaces == LATHED_SURFACES_MAX)
        return LATHE_OK;
    memset(s, 0, sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", name);
    if ((st = surface_open(d, s, file->path, &local)) == LATHE_OK) {
        d->n_surfaces++;
        log_info("surface opened", F_STR("surface", name));
        return LATHE_OK;
    }
    params_free(s->params);
    log_error("surface is not available", F_STR("surface", name), F_STR("reason", local.text));
    if (strcmp(config_string(plugins, "required"), "") == 0 ||
        !settings_has_word(config_string(plugins, "required"), file->id))
        return LATHE_OK;
    return fail(err, st, "surface %s: %.180s", name, local.text);
}

int32_t lathed_http_open(struct lathed *d, struct lathe_error *err)
{
    const char *wanted = config_string(group(d, "plugins"), "surfaces");
    struct names names = {.n = 0};
    int32_t st;

    if ((st = listeners_make(d, err)) != LATHE_OK || (st = server_open(d, err)) != LATHE_OK)
        return st;
    reg_components(d->parts.reg, LATHE_KIND_API, name_visit, &names);
    for (size_t i = 0; i < names.n && st == LATHE_OK; i++)
        if (settings_has_word(wanted, names.list[i]))
            st = surface_add(d, names.list[i], err);
    return st == LATHE_OK ? http_server_start(d->http, err) : st;
}

void lathed_http_close(struct lathed *d)
{
    http_server_close(d->http);
    d->http = NULL;
    while (d->n_surfaces > 0) {
        struct lathed_surface *s = &d->surfaces[--d->n_surfaces];
        s->api->close(s->self);
        params_free(s->params);
    }
    settings_words_free(d->cors);
    settings_words_free(d->hosts);
    settings_words_free(d->proxies);
    for (size_t i = 0; i < LATHED_LISTENERS_MAX; i++)
        settings_words_free(d->listener_words[i]);
}

static json_t *listener_json(const struct lathed *d, size_t i)
{
    const struct http_listener_config *l = &d->listeners[i];
    json_t *surfaces = json_array();

    for (size_t s = 0; s < d->n_surfaces; s++) {
        int is_here = l->surfaces == NULL;
        for (size_t w = 0; !is_here && l->surfaces[w] != NULL; w++)
            is_here = strcmp(l->surfaces[w], d->surfaces[s].name) == 0;
        if (is_here)
            json_array_append_new(surfaces, json_string(d->surfaces[s].name));
    }
    return json_pack("{s:s,s:i,s:b,s:o}", "address", l->address, "port",
                     (int)http_server_port(d->http, i), "tls", l->tls_cert != NULL, "surfaces",
                     surfaces);
}

void lathed_ready_line(const struct lathed *d)
{
    json_t *listeners = json_array();
    json_t *line;
    char *text;

    for (size_t i = 0; i < d->n_listeners; i++) {
        json_array_append_new(listeners, listener_json(d, i));
        log_info("listening", F_STR("address", d->listeners[i].address),
                 F_INT("port", http_server_port(d->http, i)));
    }
    line = json_pack("{s:s,s:o,s:i,s:I}", "event", "ready", "listeners", listeners, "pid",
                     (int)getpid(), "start_ms",
                     (json_int_t)((clock_mono_ns() - d->start_ns) / 1000000));
    if ((text = json_dumps(line, JSON_COMPACT)) != NULL)
        printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(line);
}
