/* Plugin files, environments, algorithms, and the state of the server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lathe/algorithm.h"
#include "lathe/env.h"
#include "lathe/version.h"
#include "plugins/api/lathe/native.h"

struct listing {
    struct jw w;
    struct api_page page;
};

static int32_t write_plugin(void *user, const struct lathe_plugin_info *plugin)
{
    static const char *const states[] = {"ok", "broken", "probing"};
    struct listing *l = user;
    const struct lathe_component_info *const *c;

    if (!api_page_take(&l->page))
        return 0;
    jw_obj(&l->w, NULL);
    jw_str(&l->w, "id", plugin->id);
    jw_str(&l->w, "version", plugin->version);
    jw_str(&l->w, "license", plugin->license);
    jw_str(&l->w, "summary", plugin->summary);
    jw_str(&l->w, "path", plugin->path);
    jw_str(&l->w, "status", plugin->status < 3 ? states[plugin->status] : "broken");
    jw_str(&l->w, "reason", plugin->reason);
    jw_str(&l->w, "sha256", plugin->sha256);
    jw_str(&l->w, "build_id", plugin->build_id);
    jw_time(&l->w, "modified_at", plugin->mtime_ms);
    jw_arr(&l->w, "components");
    for (c = plugin->components; c && *c; c++) {
        jw_obj(&l->w, NULL);
        jw_str(&l->w, "kind", (*c)->kind);
        jw_str(&l->w, "name", (*c)->name);
        jw_str(&l->w, "summary", (*c)->summary);
        jw_end_obj(&l->w);
    }
    jw_end_arr(&l->w);
    jw_end_obj(&l->w);
    return 0;
}

int32_t plugins_list(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct text body = {0};
    struct listing l;

    jw_init(&l.w, &body);
    api_page_read(kit, req, &l.page);
    jw_arr(&l.w, NULL);
    kit->plugins->list(kit->plugins, write_plugin, &l);
    jw_end_arr(&l.w);
    api_page_header(kit, req, &l.page);
    return api_send(kit, req, 200, &body);
}

int32_t plugins_rescan(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct text body = {0};

    kit->plugins->rescan(kit->plugins);
    text_adds(&body, "{\"status\":\"scanning\"}");
    return api_send(kit, req, 202, &body);
}

static int32_t write_component(void *user, const struct lathe_component_info *component)
{
    struct listing *l = user;

    if (api_page_take(&l->page))
        component_write(&l->w, component);
    return 0;
}

static int32_t list_kind(void *self, struct lathe_request *req, const char *kind)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct text body = {0};
    struct listing l;

    jw_init(&l.w, &body);
    api_page_read(kit, req, &l.page);
    jw_arr(&l.w, NULL);
    kit->plugins->components(kit->plugins, kind, write_component, &l);
    jw_end_arr(&l.w);
    api_page_header(kit, req, &l.page);
    return api_send(kit, req, 200, &body);
}

static int32_t get_kind(void *self, struct lathe_request *req, const char *kind, const char *what)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const struct lathe_component_info *component =
        kit->plugins->find(kit->plugins, kind, kit->http->path_param(req, "id"));
    struct text body = {0};
    struct jw w;

    if (!component)
        return native_unknown(kit, req, what);
    jw_init(&w, &body);
    component_write(&w, component);
    return api_send(kit, req, 200, &body);
}

int32_t environments_list(void *self, struct lathe_request *req)
{
    return list_kind(self, req, LATHE_KIND_ENV);
}

int32_t environments_get(void *self, struct lathe_request *req)
{
    return get_kind(self, req, LATHE_KIND_ENV, "environment");
}

int32_t algorithms_list(void *self, struct lathe_request *req)
{
    return list_kind(self, req, LATHE_KIND_ALGORITHM);
}

int32_t algorithms_get(void *self, struct lathe_request *req)
{
    return get_kind(self, req, LATHE_KIND_ALGORITHM, "algorithm");
}

/* ---- status ---- */

struct tally {
    int64_t plugins, broken, runs, models;
};

static int32_t count_plugin(void *user, const struct lathe_plugin_info *plugin)
{
    struct tally *t = user;

    t->plugins++;
    t->broken += plugin->status == LATHE_PLUGIN_BROKEN;
    return 0;
}

static int32_t count_run(void *user, const struct lathe_job_info *job)
{
    (void)job;
    ((struct tally *)user)->runs++;
    return 0;
}

static int32_t count_model(void *user, const struct lathe_model_info *model)
{
    (void)model;
    ((struct tally *)user)->models++;
    return 0;
}

int32_t status_get(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    uint32_t slots = 0, used = 0, queued = 0, limit = 0;
    struct tally t = {0, 0, 0, 0};
    struct text body = {0};
    struct jw w;

    kit->jobs->capacity(kit->jobs, &slots, &used, &queued, &limit);
    kit->plugins->list(kit->plugins, count_plugin, &t);
    kit->jobs->list(kit->jobs, NULL, count_run, &t);
    kit->models->list(kit->models, NULL, count_model, &t);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "name", "lathe");
    jw_str(&w, "version", LATHE_VERSION_STRING);
    jw_num(&w, "uptime_seconds",
           (double)(kit->clock->mono_ns(kit->clock) - kit->open_ns) / 1000000000.0);
    jw_uint(&w, "slots", slots);
    jw_uint(&w, "slots_used", used);
    jw_uint(&w, "queued", queued);
    jw_uint(&w, "queue_limit", limit);
    jw_int(&w, "plugins", t.plugins);
    jw_int(&w, "plugins_broken", t.broken);
    jw_int(&w, "runs", t.runs);
    jw_int(&w, "models", t.models);
    jw_end_obj(&w);
    return api_send(kit, req, 200, &body);
}
