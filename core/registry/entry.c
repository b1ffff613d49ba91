/* Plugin list entries. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registry/entry.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/registry/kinds.h"

struct entry *reg_entry_new(const char *path)
{
    struct entry *e = mem_new(struct entry);
    if (e != NULL && (e->path = mem_strdup(path)) == NULL) {
        mem_free(e);
        return NULL;
    }
    return e;
}

static void components_free(struct entry *e)
{
    for (uint32_t i = 0; i < e->n_components; i++) {
        option_table_free(e->components[i].options);
        mem_free(e->components[i].options_text);
        mem_free(e->components[i].describe_text);
    }
    mem_free(e->components);
    mem_free(e->infos);
    e->components = NULL;
    e->infos = NULL;
    e->n_components = 0;
}

void reg_entry_free(struct entry *e)
{
    if (e == NULL)
        return;
    components_free(e);
    json_decref(e->json);
    mem_free(e->path);
    mem_free(e);
}

/* The probe writes flags as booleans; option tables are read from a list of words. */
static json_t *options_with_flags(const json_t *options)
{
    static const char *const words[] = {"required", "live", "secret", "min_excluded",
                                        "max_excluded"};
    json_t *out = json_array();
    size_t i;
    json_t *option;

    json_array_foreach(options, i, option)
    {
        json_t *copy = json_copy(option), *flags = json_array();
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
            if (json_is_true(json_object_get(option, words[w])))
                json_array_append_new(flags, json_string(words[w]));
            json_object_del(copy, words[w]);
        }
        if (json_object_get(copy, "flags") == NULL)
            json_object_set(copy, "flags", flags);
        json_decref(flags);
        if (json_is_null(json_object_get(copy, "default")) &&
            json_is_true(json_object_get(option, "required")))
            json_object_del(copy, "default");
        for (const char *const *m = (const char *const[]){"min", "max", "choices", "unit", NULL};
             *m != NULL; m++)
            if (json_is_null(json_object_get(copy, *m)))
                json_object_del(copy, *m);
        json_array_append_new(out, copy);
    }
    return out;
}

static int32_t component_fill(struct entry_component *c, const json_t *json, const char *plugin_id,
                              struct lathe_error *err)
{
    const json_t *options = json_object_get(json, "options");
    json_t *flagged = options_with_flags(options);
    int32_t st = options_from_json(flagged, &c->options, err);

    json_decref(flagged);
    if (st != LATHE_OK)
        return st;
    c->describe = json_object_get(json, "describe");
    c->options_text = json_dup_text(options, 0, NULL);
    c->describe_text =
        json_is_object(c->describe) ? json_dup_text(c->describe, 0, NULL) : mem_strdup("{}");
    c->info = (struct lathe_component_info){sizeof c->info,
                                            0,
                                            json_member_string(json, "kind", NULL),
                                            json_member_string(json, "name", NULL),
                                            json_member_string(json, "summary", ""),
                                            plugin_id,
                                            c->options_text,
                                            c->describe_text};
    if (c->info.kind == NULL || c->info.name == NULL || c->options_text == NULL ||
        c->describe_text == NULL || kind_find(c->info.kind) == NULL)
        return fail(err, LATHE_E_CORRUPT, "the probe's answer is malformed");
    return LATHE_OK;
}

static int32_t components_fill(struct entry *e, const json_t *list, const char *plugin_id,
                               struct lathe_error *err)
{
    size_t n = json_array_size(list);
    int32_t st = LATHE_OK;

    e->components = mem_zalloc(n + 1, sizeof *e->components);
    e->infos = mem_zalloc(n + 1, sizeof *e->infos);
    if (e->components == NULL || e->infos == NULL)
        return fail(err, LATHE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n && st == LATHE_OK; i++) {
        e->n_components++;
        st = component_fill(&e->components[i], json_array_get(list, i), plugin_id, err);
        e->infos[i] = &e->components[i].info;
    }
    return st;
}

void reg_entry_describe(struct entry *e, json_t *take_json)
{
    struct lathe_error err = {0};
    const json_t *list = json_object_get(take_json, "components");
    const char *id = json_member_string(json_object_get(take_json, "plugin"), "id", NULL);

    components_free(e);
    json_decref(e->json);
    e->json = take_json;
    e->reason[0] = '\0';
    if (!json_member_bool(take_json, "ok", 0)) {
        snprintf(e->reason, sizeof e->reason, "%s",
                 json_member_string(take_json, "reason", "the probe's answer is malformed"));
    } else if (id == NULL || !json_is_array(list)) {
        snprintf(e->reason, sizeof e->reason, "the probe's answer is malformed");
    } else if (components_fill(e, list, id, &err) != LATHE_OK) {
        components_free(e);
        snprintf(e->reason, sizeof e->reason, "%s", err.text);
    }
}

void reg_entry_refresh(struct entry *e)
{
    static const struct lathe_component_info *const none[] = {NULL};
    const json_t *plugin = json_object_get(e->json, "plugin");
    int is_usable = e->json != NULL && e->reason[0] == '\0' && e->shadow[0] == '\0';

    e->info = (struct lathe_plugin_info){sizeof e->info,
                                         is_usable       ? LATHE_PLUGIN_OK
                                         : e->is_probing ? LATHE_PLUGIN_PROBING
                                                         : LATHE_PLUGIN_BROKEN,
                                         e->path,
                                         json_member_string(plugin, "id", ""),
                                         json_member_string(plugin, "version", ""),
                                         json_member_string(plugin, "license", ""),
                                         json_member_string(plugin, "summary", ""),
                                         json_member_string(e->json, "sha256", ""),
                                         json_member_string(e->json, "build_id", ""),
                                         e->reason[0] != '\0' ? e->reason : e->shadow,
                                         e->mtime_ns / 1000000,
                                         is_usable ? e->infos : none};
}
