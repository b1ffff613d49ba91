/* Is a value right for an option, and is a table of options itself right? */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/config/option.h"
#include "core/json/json.h"

#define LIST_MAX 65536

static int has_range(const struct lathe_option *option)
{
    return (option->min != 0 || option->max != 0) && option->type != LATHE_OPT_STRING;
}

/* "at least 0 and below 1 s" */
static void describe_range(const struct lathe_option *option, char *out, size_t cap)
{
    const char *unit = option->unit != NULL ? option->unit : "";
    const char *space = option->unit != NULL ? " " : "";
    const char *low = (option->flags & LATHE_OPT_MIN_EXCLUDED) != 0 ? "above" : "at least";
    const char *high = (option->flags & LATHE_OPT_MAX_EXCLUDED) != 0 ? "below" : "at most";

    if (!isfinite(option->max))
        snprintf(out, cap, "%s %.15g%s%s", low, option->min, space, unit);
    else if (!isfinite(option->min))
        snprintf(out, cap, "%s %.15g%s%s", high, option->max, space, unit);
    else
        snprintf(out, cap, "%s %.15g and %s %.15g%s%s", low, option->min, high, option->max, space,
                 unit);
}

static int is_inside(const struct lathe_option *option, const json_t *number)
{
    /* Integers are compared without rounding: limits near 2^53 matter for seeds. */
    int above = json_compare_double(number, option->min);
    int below = json_compare_double(number, option->max);

    if ((option->flags & LATHE_OPT_MIN_EXCLUDED) != 0 ? above <= 0 : above < 0)
        return 0;
    return (option->flags & LATHE_OPT_MAX_EXCLUDED) != 0 ? below < 0 : below <= 0;
}

static int32_t check_number(const struct lathe_option *option, const json_t *value,
                            const char *what, struct lathe_error *err)
{
    char range[120];

    if (!has_range(option) || is_inside(option, value))
        return LATHE_OK;
    describe_range(option, range, sizeof range);
    if (json_is_integer(value))
        return fail_field(err, LATHE_E_INVALID, option->name, "%smust be %s, not %lld", what, range,
                          (long long)json_integer_value(value));
    return fail_field(err, LATHE_E_INVALID, option->name, "%smust be %s, not %.15g", what, range,
                      json_real_value(value));
}

static const char *kind_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static int32_t wrong_type(const struct lathe_option *option, const char *wanted,
                          const json_t *value, struct lathe_error *err)
{
    return fail_field(err, LATHE_E_INVALID, option->name, "must be %s, not %s", wanted,
                      kind_of(value));
}

static int32_t check_list(const struct lathe_option *option, const json_t *value,
                          struct lathe_error *err)
{
    if (json_array_size(value) > LIST_MAX)
        return fail_field(err, LATHE_E_INVALID, option->name, "must have at most %d elements",
                          LIST_MAX);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *number = json_array_get(value, i);
        char what[40];
        int32_t st;

        snprintf(what, sizeof what, "element %zu ", i);
        if (!json_is_number(number))
            return fail_field(err, LATHE_E_INVALID, option->name, "%smust be a number, not %s",
                              what, kind_of(number));
        if ((st = check_number(option, number, what, err)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t check_choice(const struct lathe_option *option, const char *text,
                            struct lathe_error *err)
{
    struct strbuf list;
    int32_t st;

    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], text) == 0)
            return LATHE_OK;
    }
    strbuf_init(&list);
    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++)
        strbuf_addf(&list, "%s\"%s\"", i != 0 ? ", " : "", option->choices[i]);
    st = fail_field(err, LATHE_E_INVALID, option->name, "must be one of %.160s, not \"%.40s\"",
                    list.data, text);
    strbuf_fini(&list);
    return st;
}

static int32_t check_string(const struct lathe_option *option, const json_t *value,
                            struct lathe_error *err)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);

    if (strlen(text) != len)
        return fail_field(err, LATHE_E_INVALID, option->name, "must not contain \\u0000");
    if (option->type == LATHE_OPT_ENUM)
        return check_choice(option, text, err);
    if (option->max > 0 && (double)len > option->max)
        return fail_field(err, LATHE_E_INVALID, option->name,
                          "must have at most %.0f bytes, not %zu", option->max, len);
    return LATHE_OK;
}

int32_t option_check_value(const struct lathe_option *option, const json_t *value,
                           struct lathe_error *err)
{
    switch (option->type) {
    case LATHE_OPT_BOOL:
        return json_is_boolean(value) ? LATHE_OK : wrong_type(option, "true or false", value, err);
    case LATHE_OPT_INT: {
        int64_t whole;
        if (!json_to_int(value, &whole))
            return wrong_type(option, "an integer", value, err);
        return check_number(option, value, "", err);
    }
    case LATHE_OPT_FLOAT:
        if (!json_is_number(value))
            return wrong_type(option, "a number", value, err);
        return check_number(option, value, "", err);
    case LATHE_OPT_STRING:
    case LATHE_OPT_ENUM:
        if (!json_is_string(value))
            return wrong_type(option, "a string", value, err);
        return check_string(option, value, err);
    case LATHE_OPT_LIST:
        if (!json_is_array(value))
            return wrong_type(option, "a list of numbers", value, err);
        return check_list(option, value, err);
    default:
        return LATHE_OK;
    }
}

static int is_option_name(const char *name)
{
    if (name == NULL || name[0] < 'a' || name[0] > 'z' || strlen(name) > 63)
        return 0;
    for (; *name != '\0'; name++) {
        if (!(*name >= 'a' && *name <= 'z') && !(*name >= '0' && *name <= '9') && *name != '_')
            return 0;
    }
    return 1;
}

static int32_t check_option(const struct lathe_option *option, struct lathe_error *err)
{
    struct lathe_error detail;
    json_t *value = NULL;
    int32_t st;

    if (!is_option_name(option->name))
        return fail(err, LATHE_E_INVALID,
                    "option \"%.60s\": names are snake_case, at most 63 bytes",
                    option->name != NULL ? option->name : "(null)");
    if (option->type > LATHE_OPT_JSON)
        return fail_field(err, LATHE_E_INVALID, option->name, "option \"%s\": unknown type %u",
                          option->name, option->type);
    if (option->doc == NULL || option->doc[0] == '\0')
        return fail_field(err, LATHE_E_INVALID, option->name, "option \"%s\": has no doc",
                          option->name);
    if (option->type == LATHE_OPT_ENUM && (option->choices == NULL || option->choices[0] == NULL))
        return fail_field(err, LATHE_E_INVALID, option->name, "option \"%s\": has no choices",
                          option->name);
    if (isnan(option->min) || isnan(option->max) || option->min > option->max)
        return fail_field(err, LATHE_E_INVALID, option->name, "option \"%s\": min is above max",
                          option->name);
    st = option_default(option, &value, &detail);
    if (st == LATHE_OK && value != NULL)
        st = option_check_value(option, value, &detail);
    json_decref(value);
    if (st != LATHE_OK)
        return fail_field(err, st, option->name, "option \"%s\": default: %s", option->name,
                          detail.text);
    return LATHE_OK;
}

int32_t options_check(option_list options, struct lathe_error *err)
{
    if (option_count(options) > OPTIONS_MAX)
        return fail(err, LATHE_E_LIMIT, "more than %d options", OPTIONS_MAX);
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        int32_t st = check_option(options[i], err);
        if (st != LATHE_OK)
            return st;
        if (option_find(options, options[i]->name) != options[i])
            return fail_field(err, LATHE_E_INVALID, options[i]->name,
                              "option \"%s\": declared twice", options[i]->name);
    }
    return LATHE_OK;
}
