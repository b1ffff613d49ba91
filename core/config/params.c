/* Checked values of an option table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config/params.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/config/config.h"
#include "core/config/config_text.h"
#include "core/json/json.h"

#define LOG_MODULE "config"
#include "core/base/log.h"

struct value {
    json_t *json;    /* NULL: required, not given, and not demanded */
    char *json_text; /* JSON options only */
    int is_set;
};

struct params {
    struct lathe_params table; /* ctx points back here */
    option_list options;
    size_t n;
    struct value *values; /* [n], in the order of options */
};

/* --- reading (struct lathe_params) ------------------------------------------------------------ */

static const struct value *find_value(const struct lathe_params *table, const char *name,
                                      uint32_t types)
{
    const struct params *params = table->ctx;

    for (size_t i = 0; i < params->n; i++) {
        const struct lathe_option *option = params->options[i];
        if (strcmp(option->name, name) != 0)
            continue;
        if ((types >> option->type & 1) != 0)
            return &params->values[i];
        log_error("option read as another type than it is declared", F_STR("option", name),
                  F_STR("type", option_type_name(option->type)));
        return NULL;
    }
    log_error("option read that is not declared", F_STR("option", name));
    return NULL;
}

static int32_t get_bool(const struct lathe_params *table, const char *name)
{
    const struct value *value = find_value(table, name, 1u << LATHE_OPT_BOOL);

    return value != NULL && json_is_true(value->json);
}

static int64_t get_int(const struct lathe_params *table, const char *name)
{
    const struct value *value = find_value(table, name, 1u << LATHE_OPT_INT);

    return value != NULL ? json_integer_value(value->json) : 0;
}

static double get_float(const struct lathe_params *table, const char *name)
{
    const struct value *value =
        find_value(table, name, 1u << LATHE_OPT_FLOAT | 1u << LATHE_OPT_INT);

    return value != NULL ? json_number_value(value->json) : 0;
}

static const char *get_string(const struct lathe_params *table, const char *name)
{
    const struct value *value =
        find_value(table, name, 1u << LATHE_OPT_STRING | 1u << LATHE_OPT_ENUM);

    return value != NULL && value->json != NULL ? json_string_value(value->json) : "";
}

static uint32_t get_list(const struct lathe_params *table, const char *name, double *out,
                         uint32_t cap)
{
    const struct value *value = find_value(table, name, 1u << LATHE_OPT_LIST);
    size_t n = value != NULL ? json_array_size(value->json) : 0;

    for (size_t i = 0; i < n && i < cap; i++)
        out[i] = json_number_value(json_array_get(value->json, i));
    return (uint32_t)n;
}

static const char *get_json(const struct lathe_params *table, const char *name)
{
    const struct value *value = find_value(table, name, 1u << LATHE_OPT_JSON);

    return value != NULL && value->json_text != NULL ? value->json_text : "null";
}

static int32_t is_set(const struct lathe_params *table, const char *name)
{
    const struct value *value = find_value(table, name, UINT32_MAX);

    return value != NULL && value->is_set;
}

/* --- making ---------------------------------------------------------------------------------- */

static int32_t no_memory(struct lathe_error *err)
{
    return fail(err, LATHE_E_NOMEM, "read options: no memory");
}

/* Integers given as 3.0 become 3, so that every reader sees one form. Takes value. */
static json_t *normalize(const struct lathe_option *option, json_t *take_value)
{
    int64_t whole;
    json_t *out = NULL;

    if (option->type == LATHE_OPT_INT && json_to_int(take_value, &whole))
        out = json_integer(whole);
    else if (option->type == LATHE_OPT_FLOAT)
        out = json_real(json_number_value(take_value));
    else
        out = json_deep_copy(take_value);
    json_decref(take_value);
    return out;
}

static int32_t set_value(struct params *params, size_t i, const json_t *given, int demand_required,
                         struct lathe_error *err)
{
    const struct lathe_option *option = params->options[i];
    struct value *value = &params->values[i];
    union {
        const json_t *in;
        json_t *out;
    } pun = {given};
    struct lathe_error detail;
    json_t *json = NULL;
    int32_t st;

    value->is_set = given != NULL;
    if (given != NULL) {
        st = option_check_value(option, given, &detail);
        json = json_incref(pun.out);
    } else {
        st = option_default(option, &json, &detail);
        if (st == LATHE_OK && json == NULL && demand_required)
            st = fail(&detail, LATHE_E_INVALID, "is required");
    }
    if (st != LATHE_OK) {
        json_decref(json);
        return fail_field(err, st, option->name, "option \"%s\" %s", option->name, detail.text);
    }
    if (json == NULL)
        return LATHE_OK;
    if ((value->json = normalize(option, json)) == NULL)
        return no_memory(err);
    if (option->type == LATHE_OPT_JSON &&
        (value->json_text = json_dup_text(value->json, 0, NULL)) == NULL)
        return no_memory(err);
    return LATHE_OK;
}

static int32_t refuse_unknown(option_list options, const json_t *values, struct lathe_error *err)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {values};
    const char *name;
    json_t *value;

    if (values != NULL && !json_is_object(values))
        return fail(err, LATHE_E_INVALID, "options must be an object of names and values");
    json_object_foreach(pun.out, name, value)
    {
        const char *nearest;
        (void)value;
        if (option_find(options, name) != NULL)
            continue;
        nearest = option_nearest(options, name);
        if (nearest != NULL)
            return fail_field(err, LATHE_E_INVALID, name,
                              "unknown option \"%.60s\", did you mean \"%s\"?", name, nearest);
        return fail_field(err, LATHE_E_INVALID, name, "unknown option \"%.60s\"", name);
    }
    return LATHE_OK;
}

int32_t params_build(option_list options, const json_t *values, int demand_required,
                     struct params **out, struct lathe_error *err)
{
    static const struct lathe_params table = {sizeof(struct lathe_params),
                                              0,
                                              NULL,
                                              get_bool,
                                              get_int,
                                              get_float,
                                              get_string,
                                              get_list,
                                              get_json,
                                              is_set};
    int32_t st = refuse_unknown(options, values, err);
    struct params *params;

    if (st != LATHE_OK)
        return st;
    if ((params = mem_new(struct params)) == NULL)
        return no_memory(err);
    params->table = table;
    params->table.ctx = params;
    params->options = options;
    params->n = option_count(options);
    if ((params->values = mem_zalloc(params->n, sizeof *params->values)) == NULL)
        st = no_memory(err);
    for (size_t i = 0; i < params->n && st == LATHE_OK; i++)
        st = set_value(params, i, json_object_get(values, options[i]->name), demand_required, err);
    if (st != LATHE_OK) {
        params_free(params);
        return st;
    }
    *out = params;
    return LATHE_OK;
}

int32_t params_new(option_list options, const json_t *values, struct params **out,
                   struct lathe_error *err)
{
    return params_build(options, values, 1, out, err);
}

int32_t params_change(const struct params *old, const json_t *values, struct params **out,
                      struct lathe_error *err)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {values};
    int32_t st = refuse_unknown(old->options, values, err);
    const char *name;
    json_t *value, *merged;

    if (st != LATHE_OK)
        return st;
    json_object_foreach(pun.out, name, value)
    {
        (void)value;
        if ((option_find(old->options, name)->flags & LATHE_OPT_LIVE) == 0)
            return fail_field(err, LATHE_E_CONFLICT, name,
                              "option \"%.60s\" cannot change while the job runs", name);
    }
    merged = params_to_json(old, 1, 1);
    if (merged == NULL || json_object_update(merged, pun.out) != 0)
        st = no_memory(err);
    if (st == LATHE_OK)
        st = params_build(old->options, merged, 0, out, err);
    json_decref(merged);
    return st;
}

/* --- files ----------------------------------------------------------------------------------- */

static int32_t parse_file(option_list options, const char *path, const char *text, size_t len,
                          struct params **out, struct lathe_error *err)
{
    const struct config_section schema = {"", "", 0, options, NULL};
    struct config *config;
    int32_t st = config_parse(text, len, path, &schema, &config, err);

    if (st != LATHE_OK)
        return st;
    *out = config_take_params(config);
    config_free(config);
    return LATHE_OK;
}

int32_t params_from_file(option_list options, const char *path, struct params **out,
                         struct lathe_error *err)
{
    struct lathe_error detail = {0};
    char *text = NULL;
    size_t len = 0;
    int32_t st = io_read_file(path, CONFIG_FILE_MAX, &text, &len, &detail);

    if (st == LATHE_E_NOT_FOUND) {
        st = params_new(options, NULL, out, &detail);
        return st == LATHE_OK ? st : fail_field(err, st, detail.field, "%s: %s", path, detail.text);
    }
    if (st != LATHE_OK)
        return fail(err, st, "%s", detail.text);
    st = parse_file(options, path, text, len, out, err);
    mem_free(text);
    return st;
}

/* --- the rest -------------------------------------------------------------------------------- */

void params_free(struct params *params)
{
    if (params == NULL)
        return;
    for (size_t i = 0; params->values != NULL && i < params->n; i++) {
        json_decref(params->values[i].json);
        mem_free(params->values[i].json_text);
    }
    mem_free(params->values);
    mem_free(params);
}

const struct lathe_params *params_table(const struct params *params)
{
    return &params->table;
}

json_t *params_to_json(const struct params *params, int set_only, int with_secrets)
{
    json_t *out = json_object();

    for (size_t i = 0; i < params->n; i++) {
        const struct lathe_option *option = params->options[i];
        const struct value *value = &params->values[i];
        int hide = (option->flags & LATHE_OPT_SECRET) != 0 && !with_secrets;

        if (value->json == NULL || (set_only && !value->is_set))
            continue;
        if (json_object_set_new(out, option->name,
                                hide ? json_string("***") : json_deep_copy(value->json)) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}
