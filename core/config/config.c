/* Reading a configuration file against its sections, and reading the snapshot. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config/config.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/config/config_text.h"
#include "core/json/json.h"

#define LOG_MODULE "config"
#include "core/base/log.h"

#define LIST_ITEMS_MAX 1024

/* The groups of one nested section: exactly one, or as many as the list has. */
struct child {
    struct config_group **items;
    size_t n;
};

struct config_group {
    const struct config_section *schema;
    unsigned line; /* 0: absent from the file */
    struct params *params;
    struct child *children; /* parallel to schema->sections */
    size_t n_children;
};

struct config {
    struct config_group *root;
};

struct reader {
    const char *name; /* of the file */
    struct lathe_error *err;
};

static size_t section_count(const struct config_section *schema)
{
    size_t n = 0;

    while (schema->sections != NULL && schema->sections[n] != NULL)
        n++;
    return n;
}

static void group_free(struct config_group *group)
{
    if (group == NULL)
        return;
    for (size_t i = 0; i < group->n_children; i++) {
        for (size_t k = 0; k < group->children[i].n; k++)
            group_free(group->children[i].items[k]);
        mem_free(group->children[i].items);
    }
    mem_free(group->children);
    params_free(group->params);
    mem_free(group);
}

static int32_t no_memory(const struct reader *rd)
{
    return fail(rd->err, LATHE_E_NOMEM, "%s: no memory", rd->name);
}

static unsigned line_of(const config_setting_t *setting)
{
    if (setting == NULL)
        return 0;
    return config_setting_is_root(setting) ? 1 : config_setting_source_line(setting);
}

/* "server.tls" or "" + "." + name */
static void join(char *out, size_t cap, const char *path, const char *name)
{
    snprintf(out, cap, "%.180s%s%.60s", path, path[0] != '\0' ? "." : "", name);
}

static int32_t fail_unknown(const struct reader *rd, const struct config_section *schema,
                            const config_setting_t *setting, const char *path)
{
    const char *name = config_setting_name(setting);
    const char *nearest = option_nearest(schema->options, name);
    size_t best = nearest != NULL ? text_distance(name, nearest, 3) : 4;
    char full[256];

    for (size_t i = 0; i < section_count(schema); i++) {
        size_t distance = text_distance(name, schema->sections[i]->name, 3);
        if (distance < best && distance <= strlen(name) / 3 + 1) {
            best = distance;
            nearest = schema->sections[i]->name;
        }
    }
    join(full, sizeof full, path, name);
    return fail_field(rd->err, LATHE_E_INVALID, full, "%s:%u: unknown setting \"%.80s\"%s%s%s",
                      rd->name, line_of(setting), full, nearest != NULL ? ", did you mean \"" : "",
                      nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

/* One setting that an option declares, into values. */
static int32_t read_option(const struct reader *rd, const struct lathe_option *option,
                           const config_setting_t *setting, const char *path, json_t *values)
{
    struct lathe_error detail = {0};
    json_t *value = NULL;
    char full[256];
    int32_t st = conf_to_json(setting, option, &value, &detail);

    if (st == LATHE_OK)
        st = option_check_value(option, value, &detail);
    if (st != LATHE_OK) {
        json_decref(value);
        join(full, sizeof full, path, option->name);
        return fail_field(rd->err, st, full, "%s:%u: \"%.80s\" %s", rd->name, line_of(setting),
                          full, detail.text);
    }
    return json_object_set_new(values, option->name, value) == 0 ? LATHE_OK : no_memory(rd);
}

/* Every setting of a group must be an option or a section; options go into values. */
static int32_t read_options(const struct reader *rd, const struct config_section *schema,
                            const config_setting_t *setting, const char *path, json_t *values)
{
    int n = setting != NULL ? config_setting_length(setting) : 0;

    for (unsigned i = 0; i < (unsigned)n; i++) {
        const config_setting_t *child = config_setting_get_elem(setting, i);
        const char *name = config_setting_name(child);
        const struct lathe_option *option = option_find(schema->options, name);
        size_t k = 0;
        int32_t st;

        if (option != NULL) {
            if ((st = read_option(rd, option, child, path, values)) != LATHE_OK)
                return st;
            continue;
        }
        while (k < section_count(schema) && strcmp(schema->sections[k]->name, name) != 0)
            k++;
        if (k == section_count(schema))
            return fail_unknown(rd, schema, child, path);
    }
    return LATHE_OK;
}

static int32_t read_params(const struct reader *rd, struct config_group *group,
                           const config_setting_t *setting, const char *path)
{
    struct lathe_error detail = {0};
    json_t *values = json_object();
    char full[256];
    int32_t st;

    if (values == NULL)
        return no_memory(rd);
    st = read_options(rd, group->schema, setting, path, values);
    if (st == LATHE_OK) {
        st = params_build(group->schema->options, values, setting != NULL, &group->params, &detail);
        if (st != LATHE_OK) {
            join(full, sizeof full, path, detail.field);
            st = fail_field(rd->err, st, full, "%s:%u: %s%s%s", rd->name, group->line,
                            path[0] != '\0' ? path : "", path[0] != '\0' ? ": " : "", detail.text);
        }
    }
    json_decref(values);
    return st;
}

static int32_t read_group(const struct reader *rd, const struct config_section *schema,
                          const config_setting_t *setting, const char *path,
                          struct config_group **out);

static int32_t read_list(const struct reader *rd, const struct config_section *schema,
                         const config_setting_t *setting, const char *path, struct child *child)
{
    size_t n = setting != NULL ? (size_t)config_setting_length(setting) : 0;
    int32_t st = LATHE_OK;

    if (n == 0)
        return LATHE_OK;
    if (n > LIST_ITEMS_MAX)
        return fail_field(rd->err, LATHE_E_LIMIT, path, "%s:%u: \"%.80s\" has more than %d groups",
                          rd->name, line_of(setting), path, LIST_ITEMS_MAX);
    if ((child->items = mem_zalloc(n, sizeof(struct config_group *))) == NULL)
        return no_memory(rd);
    for (size_t i = 0; i < n && st == LATHE_OK; i++) {
        char full[256];
        snprintf(full, sizeof full, "%.200s[%zu]", path, i);
        st = read_group(rd, schema, config_setting_get_elem(setting, (unsigned)i), full,
                        &child->items[i]);
        child->n = i + 1;
    }
    return st;
}

static int32_t read_child(const struct reader *rd, const struct config_section *schema,
                          const config_setting_t *parent, const char *path, struct child *child)
{
    const config_setting_t *setting =
        parent != NULL ? config_setting_get_member(parent, schema->name) : NULL;
    int is_list = (schema->flags & CONFIG_LIST) != 0;
    char full[256];

    join(full, sizeof full, path, schema->name);
    if (is_list) {
        if (setting != NULL && config_setting_is_list(setting) != CONFIG_TRUE)
            return fail_field(rd->err, LATHE_E_INVALID, full,
                              "%s:%u: \"%.80s\" must be a list of groups: ( { ... }, { ... } )",
                              rd->name, line_of(setting), full);
        return read_list(rd, schema, setting, full, child);
    }
    if ((child->items = mem_zalloc(1, sizeof(struct config_group *))) == NULL)
        return no_memory(rd);
    child->n = 1;
    return read_group(rd, schema, setting, full, &child->items[0]);
}

/* setting NULL: the group is absent and everything has its default. Recursion follows the schema.
 */
static int32_t read_group(const struct reader *rd, const struct config_section *schema,
                          const config_setting_t *setting, const char *path,
                          struct config_group **out)
{
    struct config_group *group;
    int32_t st;

    if (setting != NULL && config_setting_is_group(setting) != CONFIG_TRUE)
        return fail_field(rd->err, LATHE_E_INVALID, path,
                          "%s:%u: \"%.80s\" must be a group: { ... }", rd->name, line_of(setting),
                          path);
    if ((group = mem_new(struct config_group)) == NULL)
        return no_memory(rd);
    *out = group; /* the caller frees it with its parent, also after a failure */
    group->schema = schema;
    group->line = line_of(setting);
    group->n_children = section_count(schema);
    if ((group->children = mem_zalloc(group->n_children, sizeof *group->children)) == NULL) {
        group->n_children = 0;
        return no_memory(rd);
    }
    st = read_params(rd, group, setting, path);
    for (size_t i = 0; i < group->n_children && st == LATHE_OK; i++)
        st = read_child(rd, schema->sections[i], setting, path, &group->children[i]);
    return st;
}

int32_t config_parse(const char *text, size_t len_bytes, const char *name,
                     const struct config_section *schema, struct config **out,
                     struct lathe_error *err)
{
    const struct reader rd = {name, err};
    struct config *config = mem_new(struct config);
    config_t file;
    int32_t st;

    if (config == NULL)
        return no_memory(&rd);
    st = conf_parse(&file, text, len_bytes, name, err);
    if (st == LATHE_OK)
        st = read_group(&rd, schema, config_root_setting(&file), "", &config->root);
    config_destroy(&file);
    if (st != LATHE_OK) {
        config_free(config);
        return st;
    }
    *out = config;
    return LATHE_OK;
}

int32_t config_load(const char *path, const struct config_section *schema, struct config **out,
                    struct lathe_error *err)
{
    char *text = NULL;
    size_t len = 0;
    int32_t st = io_read_file(path, CONFIG_FILE_MAX, &text, &len, err);

    if (st != LATHE_OK)
        return st;
    st = config_parse(text, len, path, schema, out, err);
    mem_free(text);
    return st;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    group_free(config->root);
    mem_free(config);
}

struct params *config_take_params(struct config *config)
{
    struct params *params = config->root->params;

    config->root->params = NULL;
    return params;
}

const struct config_group *config_root(const struct config *config)
{
    return config->root;
}

static const struct child *find_child(const struct config_group *group, const char *name,
                                      size_t len)
{
    for (size_t i = 0; group != NULL && i < group->n_children; i++) {
        const char *known = group->schema->sections[i]->name;
        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return &group->children[i];
    }
    log_error("configuration section read that is not declared", F_STR("section", name));
    return NULL;
}

const struct config_group *config_group(const struct config_group *group, const char *path)
{
    while (group != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        const struct child *child = find_child(group, path, len);

        group = child != NULL && child->n > 0 ? child->items[0] : NULL;
        path += len + (path[len] == '.');
    }
    return group;
}

size_t config_count(const struct config_group *group, const char *name)
{
    const struct child *child = find_child(group, name, strlen(name));

    return child != NULL ? child->n : 0;
}

const struct config_group *config_item(const struct config_group *group, const char *name, size_t i)
{
    const struct child *child = find_child(group, name, strlen(name));

    return child != NULL && i < child->n ? child->items[i] : NULL;
}

unsigned config_line(const struct config_group *group)
{
    return group != NULL ? group->line : 0;
}

const struct lathe_params *config_params(const struct config_group *group)
{
    return group != NULL ? params_table(group->params) : NULL;
}

int config_bool(const struct config_group *group, const char *name)
{
    const struct lathe_params *params = config_params(group);

    return params != NULL && params->get_bool(params, name) != 0;
}

int64_t config_int(const struct config_group *group, const char *name)
{
    const struct lathe_params *params = config_params(group);

    return params != NULL ? params->get_int(params, name) : 0;
}

double config_float(const struct config_group *group, const char *name)
{
    const struct lathe_params *params = config_params(group);

    return params != NULL ? params->get_float(params, name) : 0;
}

const char *config_string(const struct config_group *group, const char *name)
{
    const struct lathe_params *params = config_params(group);

    return params != NULL ? params->get_string(params, name) : "";
}

int config_is_set(const struct config_group *group, const char *name)
{
    const struct lathe_params *params = config_params(group);

    return params != NULL && params->is_set(params, name) != 0;
}

/* Recursion follows the schema. */
static json_t *group_json(const struct config_group *group)
{
    json_t *out = params_to_json(group->params, 0, 0);

    for (size_t i = 0; out != NULL && i < group->n_children; i++) {
        const struct config_section *section = group->schema->sections[i];
        const struct child *child = &group->children[i];
        json_t *value;
        int bad = 0;

        if ((section->flags & CONFIG_LIST) != 0) {
            value = json_array();
            for (size_t k = 0; k < child->n; k++)
                bad |= json_array_append_new(value, group_json(child->items[k]));
        } else {
            value = group_json(child->items[0]);
        }
        if (json_object_set_new(out, section->name, value) != 0 || bad) {
            json_decref(out);
            out = NULL;
        }
    }
    return out;
}

json_t *config_to_json(const struct config *config)
{
    return group_json(config->root);
}
