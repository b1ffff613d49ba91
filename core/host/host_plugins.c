/* Service "lathe.plugins/1" over the registry. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/host/host_internal.h"
#include "core/json/json.h"
#include "core/registry/registry.h"

static struct reg *reg_of(const struct lathe_plugins_service *plugins)
{
    return ((const struct host_plugin *)plugins->ctx)->parts->reg;
}

static void list(const struct lathe_plugins_service *plugins, lathe_plugin_visit_fn visit,
                 void *user)
{
    reg_list(reg_of(plugins), visit, user);
}

static void components(const struct lathe_plugins_service *plugins, const char *kind,
                       lathe_component_visit_fn visit, void *user)
{
    reg_components(reg_of(plugins), kind, visit, user);
}

static const struct lathe_component_info *find(const struct lathe_plugins_service *plugins,
                                               const char *kind, const char *name)
{
    return name != NULL ? reg_find(reg_of(plugins), kind, name, NULL) : NULL;
}

static int32_t resolve(const struct lathe_plugins_service *plugins, const char *kind,
                       const char *name, const char *options, const char **out,
                       struct lathe_error *err)
{
    const struct host_plugin *p = plugins->ctx;
    json_t *values = NULL, *full = NULL;
    char *text;
    int32_t st = LATHE_OK;

    if (options != NULL)
        st = json_parse_text(options, strlen(options), NULL, &values, err);
    if (st == LATHE_OK && values != NULL && !json_is_object(values))
        st = fail(err, LATHE_E_INVALID, "options must be a JSON object");
    if (st == LATHE_OK)
        st = reg_resolve(p->parts->reg, kind, name, values, &full, err);
    json_decref(values);
    if (st != LATHE_OK)
        return st;
    text = json_dup_text(full, 0, NULL);
    json_decref(full);
    if (text == NULL)
        return fail(err, LATHE_E_NOMEM, "resolve options");
    loop_retire(p->parts->loop, text, mem_free);
    *out = text;
    return LATHE_OK;
}

static void rescan(const struct lathe_plugins_service *plugins)
{
    reg_scan(reg_of(plugins), 1);
}

static uint64_t generation(const struct lathe_plugins_service *plugins)
{
    return reg_generation(reg_of(plugins));
}

void host_plugins_fill(struct host_plugin *p)
{
    p->plugins = (struct lathe_plugins_service){
        sizeof p->plugins, 0, p, list, components, find, resolve, rescan, generation};
}
