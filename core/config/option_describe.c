/* What option tables look like to others: JSON, JSON Schema, configuration text, Markdown. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/config/config_text.h"
#include "core/config/option.h"
#include "core/json/json.h"

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {{LATHE_OPT_REQUIRED, "required"},
                  {LATHE_OPT_LIVE, "live"},
                  {LATHE_OPT_SECRET, "secret"},
                  {LATHE_OPT_MIN_EXCLUDED, "min_excluded"},
                  {LATHE_OPT_MAX_EXCLUDED, "max_excluded"}};

/* Whole limits of integers print as integers. */
static json_t *limit_json(const struct lathe_option *option, double limit)
{
    if (option->type != LATHE_OPT_FLOAT && trunc(limit) == limit && fabs(limit) < 9e18)
        return json_integer((json_int_t)limit);
    return json_real(limit);
}

static int has_limits(const struct lathe_option *option)
{
    return option->min != 0 || option->max != 0;
}

static json_t *choices_json(const struct lathe_option *option)
{
    json_t *array = json_array();

    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++) {
        if (json_array_append_new(array, json_string(option->choices[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *option_json(const struct lathe_option *option)
{
    json_t *out = json_object();
    json_t *def = NULL;
    int bad = json_object_set_new(out, "name", json_string(option->name)) |
              json_object_set_new(out, "type", json_string(option_type_name(option->type)));

    if (option_default(option, &def, NULL) != LATHE_OK)
        bad = 1;
    if (def != NULL)
        bad |= json_object_set_new(out, "default", def);
    if (has_limits(option) && isfinite(option->min))
        bad |= json_object_set_new(out, "min", limit_json(option, option->min));
    if (has_limits(option) && isfinite(option->max))
        bad |= json_object_set_new(out, "max", limit_json(option, option->max));
    if (option->type == LATHE_OPT_ENUM)
        bad |= json_object_set_new(out, "choices", choices_json(option));
    if (option->unit != NULL)
        bad |= json_object_set_new(out, "unit", json_string(option->unit));
    bad |= json_object_set_new(out, "doc", json_string(option->doc));
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++) {
        if ((option->flags & flag_names[i].flag) != 0)
            bad |= json_object_set_new(out, flag_names[i].name, json_true());
    }
    if (bad == 0)
        return out;
    json_decref(out);
    return NULL;
}

json_t *options_to_json(option_list options)
{
    json_t *array = json_array();

    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        if (json_array_append_new(array, option_json(options[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int add_limits(json_t *schema, const struct lathe_option *option)
{
    int low_excluded = (option->flags & LATHE_OPT_MIN_EXCLUDED) != 0;
    int high_excluded = (option->flags & LATHE_OPT_MAX_EXCLUDED) != 0;
    int bad = 0;

    if (!has_limits(option))
        return 0;
    if (isfinite(option->min))
        bad |= json_object_set_new(schema, low_excluded ? "exclusiveMinimum" : "minimum",
                                   limit_json(option, option->min));
    if (isfinite(option->max))
        bad |= json_object_set_new(schema, high_excluded ? "exclusiveMaximum" : "maximum",
                                   limit_json(option, option->max));
    return bad;
}

static json_t *option_schema(const struct lathe_option *option)
{
    static const char *const types[] = {"boolean", "integer", "number", "string",
                                        "string",  "array",   NULL};
    json_t *out = json_object();
    json_t *def = NULL;
    int bad = json_object_set_new(out, "description", json_string(option->doc));

    if (option_default(option, &def, NULL) != LATHE_OK)
        bad = 1;
    if (option->type <= LATHE_OPT_LIST)
        bad |= json_object_set_new(out, "type", json_string(types[option->type]));
    if (def != NULL)
        bad |= json_object_set_new(out, "default", def);
    if (option->type == LATHE_OPT_INT || option->type == LATHE_OPT_FLOAT) {
        bad |= add_limits(out, option);
    } else if (option->type == LATHE_OPT_ENUM) {
        bad |= json_object_set_new(out, "enum", choices_json(option));
    } else if (option->type == LATHE_OPT_LIST) {
        json_t *items = json_pack("{s:s}", "type", "number");
        bad |= add_limits(items, option);
        bad |= json_object_set_new(out, "items", items);
    }
    if (option->unit != NULL)
        bad |= json_object_set_new(out, "x-unit", json_string(option->unit));
    if (bad == 0)
        return out;
    json_decref(out);
    return NULL;
}

json_t *options_to_schema(option_list options)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    int bad = properties == NULL || required == NULL;

    for (size_t i = 0; options != NULL && options[i] != NULL && !bad; i++) {
        bad |= json_object_set_new(properties, options[i]->name, option_schema(options[i]));
        if ((options[i]->flags & LATHE_OPT_REQUIRED) != 0)
            bad |= json_array_append_new(required, json_string(options[i]->name));
    }
    if (bad) {
        json_decref(properties);
        json_decref(required);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

/* "0 < x <= 1", "one of a, b"; empty when there is nothing to say. */
static void add_range(struct strbuf *out, const struct lathe_option *option)
{
    if (option->type == LATHE_OPT_ENUM) {
        for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++)
            strbuf_addf(out, "%s%s", i != 0 ? ", " : "one of ", option->choices[i]);
    } else if (option->type == LATHE_OPT_STRING && option->max > 0) {
        strbuf_addf(out, "at most %.0f bytes", option->max);
    } else if (has_limits(option)) {
        if (isfinite(option->min))
            strbuf_addf(out, "%s %.15g",
                        (option->flags & LATHE_OPT_MIN_EXCLUDED) != 0 ? "above" : "from",
                        option->min);
        if (isfinite(option->max))
            strbuf_addf(out, "%s%s %.15g", isfinite(option->min) ? " " : "",
                        (option->flags & LATHE_OPT_MAX_EXCLUDED) != 0 ? "below" : "to",
                        option->max);
    }
}

int32_t option_to_conf(const struct lathe_option *option, int indent, struct strbuf *out)
{
    json_t *def = NULL;
    struct strbuf note;

    if (option_default(option, &def, NULL) != LATHE_OK)
        return LATHE_E_INVALID;
    strbuf_init(&note);
    strbuf_addf(&note, "%s [%s", option->doc, option_type_name(option->type));
    if (option->unit != NULL)
        strbuf_addf(&note, ", %s", option->unit);
    if (option->type == LATHE_OPT_ENUM || has_limits(option))
        strbuf_adds(&note, ", ");
    add_range(&note, option);
    strbuf_adds(&note, (option->flags & LATHE_OPT_REQUIRED) != 0 ? ", required]" : "]");
    out->failed |= note.failed;
    conf_add_comment(out, indent, note.data);
    strbuf_fini(&note);
    strbuf_addf(out, "%*s%s%s = ", indent, "", def == NULL ? "# " : "", option->name);
    if (def == NULL)
        strbuf_adds(out, "...");
    else
        conf_add_value(out, option, def);
    strbuf_adds(out, ";\n");
    json_decref(def);
    return out->failed ? LATHE_E_NOMEM : LATHE_OK;
}

int32_t options_to_conf(option_list options, struct strbuf *out)
{
    int32_t st;

    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        if (i != 0)
            strbuf_addc(out, '\n');
        if ((st = option_to_conf(options[i], 0, out)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

/* A table cell: bars would end it. */
static void add_cell(struct strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *text == '\n' ? ' ' : *text);
    }
}

static int32_t add_row(struct strbuf *out, const struct lathe_option *option)
{
    json_t *def = NULL;
    struct strbuf text;

    if (option_default(option, &def, NULL) != LATHE_OK)
        return LATHE_E_INVALID;
    strbuf_init(&text);
    strbuf_addf(out, "| `%s` | %s | ", option->name, option_type_name(option->type));
    if (def != NULL) {
        conf_add_value(&text, option, def);
        strbuf_addc(out, '`');
        add_cell(out, text.data);
        strbuf_addc(out, '`');
    } else {
        strbuf_adds(out, "required");
    }
    strbuf_clear(&text);
    add_range(&text, option);
    if (option->unit != NULL)
        strbuf_addf(&text, "%s%s", text.len_bytes != 0 ? ", in " : "in ", option->unit);
    strbuf_adds(out, " | ");
    add_cell(out, text.data);
    strbuf_adds(out, " | ");
    add_cell(out, option->doc);
    if ((option->flags & LATHE_OPT_LIVE) != 0)
        strbuf_adds(out, " May change while a job runs.");
    strbuf_adds(out, " |\n");
    out->failed |= text.failed;
    strbuf_fini(&text);
    json_decref(def);
    return out->failed ? LATHE_E_NOMEM : LATHE_OK;
}

int32_t options_to_markdown(option_list options, struct strbuf *out)
{
    strbuf_adds(out, "| Option | Type | Default | Range | Description |\n"
                     "|---|---|---|---|---|\n");
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        int32_t st = add_row(out, options[i]);
        if (st != LATHE_OK)
            return st;
    }
    return out->failed ? LATHE_E_NOMEM : LATHE_OK;
}
