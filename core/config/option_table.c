/* An option table read from JSON: the server knows plugins only by what the probe wrote down. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/config/option.h"
#include "core/json/json.h"

struct option_table {
    struct lathe_option *options;     /* [n] */
    const struct lathe_option **list; /* [n + 1] */
    void **owned;                     /* texts and choice lists */
    size_t n, n_owned, cap_owned;
};

/* Hands ptr to the table, also on failure. */
static void *keep(struct option_table *table, void *ptr)
{
    if (ptr == NULL)
        return NULL;
    if (table->n_owned == table->cap_owned) {
        size_t cap = table->cap_owned == 0 ? 64 : 2 * table->cap_owned;
        void **owned = mem_realloc(table->owned, cap, sizeof *owned);
        if (owned == NULL) {
            mem_free(ptr);
            return NULL;
        }
        table->owned = owned;
        table->cap_owned = cap;
    }
    table->owned[table->n_owned++] = ptr;
    return ptr;
}

static int32_t keep_text(struct option_table *table, const char *text, const char **out,
                         struct lathe_error *err)
{
    if (strlen(text) > OPTION_TEXT_MAX)
        return fail(err, LATHE_E_LIMIT, "the text of an option has more than %d bytes",
                    OPTION_TEXT_MAX);
    *out = keep(table, mem_strdup(text));
    return *out != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "read options: no memory");
}

static int32_t read_choices(struct option_table *table, struct lathe_option *option,
                            const json_t *list, struct lathe_error *err)
{
    size_t n = json_array_size(list);
    const char **choices;
    int32_t st;

    if (list == NULL || json_is_null(list))
        return LATHE_OK;
    if (n > OPTIONS_MAX)
        return fail_field(err, LATHE_E_LIMIT, option->name, "more than %d choices", OPTIONS_MAX);
    choices = keep(table, mem_zalloc(n + 1, sizeof *choices));
    if (choices == NULL)
        return fail(err, LATHE_E_NOMEM, "read options: no memory");
    option->choices = choices;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            return fail_field(err, LATHE_E_INVALID, option->name, "a choice is not a string");
        if ((st = keep_text(table, text, &choices[i], err)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t read_default(struct option_table *table, struct lathe_option *option,
                            const json_t *value, struct lathe_error *err)
{
    char *text;
    int32_t st;

    /* Only a JSON option can have null itself as its default. */
    if (value == NULL || (json_is_null(value) && option->type != LATHE_OPT_JSON))
        return LATHE_OK;
    if (json_is_null(value) && (option->flags & LATHE_OPT_REQUIRED) != 0)
        return LATHE_OK;
    if (json_is_string(value) && option->type != LATHE_OPT_JSON)
        return keep_text(table, json_string_value(value), &option->def, err);
    if ((text = json_dup_text(value, 0, NULL)) == NULL)
        return fail(err, LATHE_E_NOMEM, "read options: no memory");
    st = keep_text(table, text, &option->def, err);
    mem_free(text);
    return st;
}

static uint32_t read_flags(const json_t *json)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{LATHE_OPT_REQUIRED, "required"},
                 {LATHE_OPT_LIVE, "live"},
                 {LATHE_OPT_SECRET, "secret"},
                 {LATHE_OPT_MIN_EXCLUDED, "min_excluded"},
                 {LATHE_OPT_MAX_EXCLUDED, "max_excluded"}};
    const json_t *words = json_object_get(json, "flags");
    uint32_t flags = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (json_is_true(json_object_get(json, names[i].name)))
            flags |= names[i].flag;
        for (size_t k = 0; k < json_array_size(words); k++) {
            const char *word = json_string_value(json_array_get(words, k));
            if (word != NULL && strcmp(word, names[i].name) == 0)
                flags |= names[i].flag;
        }
    }
    return flags;
}

static int32_t read_limits(struct lathe_option *option, const json_t *json)
{
    const json_t *min = json_object_get(json, "min"), *max = json_object_get(json, "max");

    if (!json_is_number(min) && !json_is_number(max))
        return LATHE_OK;
    option->min = json_is_number(min) ? json_number_value(min) : -HUGE_VAL;
    option->max = json_is_number(max) ? json_number_value(max) : HUGE_VAL;
    return LATHE_OK;
}

static int32_t read_option(struct option_table *table, struct lathe_option *option,
                           const json_t *json, struct lathe_error *err)
{
    const char *name = json_member_string(json, "name", NULL);
    const char *type = json_member_string(json, "type", NULL);
    const char *unit = json_member_string(json, "unit", NULL);
    int32_t st;

    if (name == NULL || type == NULL)
        return fail(err, LATHE_E_INVALID, "an option has no name or no type");
    option->struct_size = sizeof *option;
    for (option->type = 0; option->type <= LATHE_OPT_JSON; option->type++) {
        if (strcmp(option_type_name(option->type), type) == 0)
            break;
    }
    if (option->type > LATHE_OPT_JSON)
        return fail_field(err, LATHE_E_INVALID, name, "option \"%.60s\": unknown type \"%.40s\"",
                          name, type);
    option->flags = read_flags(json);
    if ((st = read_limits(option, json)) != LATHE_OK ||
        (st = keep_text(table, name, &option->name, err)) != LATHE_OK ||
        (st = keep_text(table, json_member_string(json, "doc", ""), &option->doc, err)) !=
            LATHE_OK ||
        (unit != NULL && (st = keep_text(table, unit, &option->unit, err)) != LATHE_OK) ||
        (st = read_choices(table, option, json_object_get(json, "choices"), err)) != LATHE_OK)
        return st;
    return read_default(table, option, json_object_get(json, "default"), err);
}

int32_t options_from_json(const json_t *array, struct option_table **out, struct lathe_error *err)
{
    size_t n = json_array_size(array);
    struct option_table *table;
    int32_t st = LATHE_OK;

    if (array != NULL && !json_is_array(array))
        return fail(err, LATHE_E_INVALID, "options must be a list");
    if (n > OPTIONS_MAX)
        return fail(err, LATHE_E_LIMIT, "more than %d options", OPTIONS_MAX);
    if ((table = mem_new(struct option_table)) == NULL)
        return fail(err, LATHE_E_NOMEM, "read options: no memory");
    table->options = mem_zalloc(n + 1, sizeof *table->options);
    table->list = mem_zalloc(n + 1, sizeof *table->list);
    if (table->options == NULL || table->list == NULL)
        st = fail(err, LATHE_E_NOMEM, "read options: no memory");
    for (size_t i = 0; i < n && st == LATHE_OK; i++) {
        table->list[i] = &table->options[i];
        st = read_option(table, &table->options[i], json_array_get(array, i), err);
    }
    if (st == LATHE_OK)
        st = options_check(table->list, err);
    if (st != LATHE_OK) {
        option_table_free(table);
        return st;
    }
    *out = table;
    return LATHE_OK;
}

option_list option_table_list(const struct option_table *table)
{
    return table != NULL ? table->list : NULL;
}

void option_table_free(struct option_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->n_owned; i++)
        mem_free(table->owned[i]);
    mem_free(table->owned);
    mem_free(table->options);
    mem_free(table->list);
    mem_free(table);
}
