/* A plugin file as JSON: what the probe prints and the server keeps. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registry/negotiate.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"bool", "int", "float", "string", "enum", "list", "json"};

/* An option's default as a JSON value of its type; null when it has none. */
static json_t *default_json(const struct lathe_option *o)
{
    if (o->def == NULL)
        return json_null();
    switch (o->type) {
    case LATHE_OPT_BOOL:
        return json_boolean(strcmp(o->def, "true") == 0);
    case LATHE_OPT_INT:
        return json_integer(strtoll(o->def, NULL, 10));
    case LATHE_OPT_FLOAT:
        return json_real(strtod(o->def, NULL));
    case LATHE_OPT_LIST:
    case LATHE_OPT_JSON: {
        json_t *value = json_loads(o->def, JSON_DECODE_ANY, NULL);
        return value != NULL ? value : json_null();
    }
    default:
        return json_string(o->def);
    }
}

static json_t *strings_json(const char *const *list)
{
    json_t *array = json_array();
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static json_t *option_json(const struct lathe_option *o)
{
    json_t *out = json_pack(
        "{s:s,s:s,s:o,s:s,s:b,s:b,s:b}", "name", o->name, "type", type_names[o->type], "default",
        default_json(o), "doc", o->doc, "required", (o->flags & LATHE_OPT_REQUIRED) != 0, "live",
        (o->flags & LATHE_OPT_LIVE) != 0, "secret", (o->flags & LATHE_OPT_SECRET) != 0);
    if (out == NULL)
        return NULL;
    if (o->min != 0 || o->max != 0) {
        json_object_set_new(out, "min", json_real(o->min));
        json_object_set_new(out, "max", json_real(o->max));
        json_object_set_new(out, "min_excluded",
                            json_boolean((o->flags & LATHE_OPT_MIN_EXCLUDED) != 0));
        json_object_set_new(out, "max_excluded",
                            json_boolean((o->flags & LATHE_OPT_MAX_EXCLUDED) != 0));
    }
    if (o->type == LATHE_OPT_ENUM)
        json_object_set_new(out, "choices", strings_json(o->choices));
    if (o->unit != NULL)
        json_object_set_new(out, "unit", json_string(o->unit));
    return out;
}

json_t *plugin_describe_options(const struct lathe_option *const *options)
{
    json_t *array = json_array();
    for (size_t i = 0; options != NULL && options[i] != NULL; i++)
        if (json_array_append_new(array, option_json(options[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *component_json(const struct lathe_component *c)
{
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:{}}", "kind", c->kind, "name", c->name, "summary",
                     c->summary, "needs", strings_json(c->needs), "options",
                     plugin_describe_options(c->options), "describe");
}

json_t *plugin_describe(const struct plugin_file *f)
{
    const struct lathe_plugin *p = f->entry;
    json_t *components = json_array();

    for (size_t i = 0; p->components[i] != NULL; i++)
        if (json_array_append_new(components, component_json(p->components[i])) != 0) {
            json_decref(components);
            return NULL;
        }
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:i,s:i,s:i},s:s,s:s,s:I,s:I,s:I,s:o}", "path",
                     f->path, "id", p->id, "version", p->version, "license", p->license, "summary",
                     p->summary, "abi", "major", p->abi_major, "minor", p->abi_minor, "minor_min",
                     p->abi_minor_min, "sha256", f->sha256, "build_id", f->build_id, "inode",
                     (json_int_t)f->inode, "size_bytes", (json_int_t)f->size_bytes, "mtime_ms",
                     (json_int_t)f->mtime_ms, "components", components);
}
