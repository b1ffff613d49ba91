/* Plugins, environments and algorithms of the server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define NAMES_MAX 500

/* ---- components ---- */

/* "1 .. 10", "a | b", or nothing. */
static void range_of(const json_t *option, char out[160])
{
    const json_t *low = json_object_get(option, "min"), *high = json_object_get(option, "max");
    const json_t *choices = json_object_get(option, "choices"), *choice;
    size_t n = 0, i;

    out[0] = '\0';
    if (json_array_size(choices)) {
        json_array_foreach(choices, i, choice) if (n < 120) n +=
            (size_t)snprintf(out + n, 160 - n, "%s%.30s", i ? " | " : "",
                             json_string_value(choice) ? json_string_value(choice) : "");
    } else if (json_is_number(low) && json_is_number(high)) {
        snprintf(out, 160, "%g .. %g", json_number_value(low), json_number_value(high));
    }
}

static void print_options(const json_t *options)
{
    static const char *const heading[] = {"OPTION", "TYPE", "DEFAULT", "RANGE", "MEANING"};
    struct ctl_table table = {0};
    const json_t *option;
    size_t i;

    ctl_table_row(&table, 5, heading);
    json_array_foreach(options, i, option)
    {
        const json_t *def = json_object_get(option, "default");
        char *text = def && !json_is_string(def) ? json_dup_text(def, 0, NULL) : NULL;
        char range[160];
        const char *cells[] = {json_member_string(option, "name", ""),
                               json_member_string(option, "type", ""),
                               text ? text : json_member_string(option, "default", ""), range,
                               json_member_string(option, "doc", "")};

        range_of(option, range);
        ctl_table_row(&table, 5, cells);
        mem_free(text);
    }
    ctl_table_print(&table);
}

static void print_component(const json_t *c)
{
    char *describe = json_dup_text(json_object_get(c, "describe"), LATHE_JSON_PRETTY, NULL);

    printf("%s  %s\n%s\n\n", json_member_string(c, "id", ""), json_member_string(c, "plugin", ""),
           json_member_string(c, "summary", ""));
    if (json_array_size(json_object_get(c, "options")))
        print_options(json_object_get(c, "options"));
    printf("\n%s\n", describe ? describe : "");
    mem_free(describe);
}

/* ---- finding one ---- */

/* Says which name was probably meant. */
static void suggest(struct ctl *ctl, const char *what, const char *name)
{
    const char *names[NAMES_MAX + 1] = {NULL}, *nearest;
    json_t *list = NULL, *one;
    char path[400];
    size_t i;

    snprintf(path, sizeof path, "/lathe/v1/%s?limit=%d", what, NAMES_MAX);
    ctl->is_quiet = 1;
    if (ctl_call(ctl, "GET", path, NULL, &list) == CTL_OK)
        json_array_foreach(list, i, one) if (i < NAMES_MAX) names[i] =
            json_member_string(one, "id", "");
    ctl->is_quiet = 0;
    nearest = ctl_nearest(names, name);
    if (nearest)
        ctl_error("did you mean %s?", nearest);
    else
        ctl_error("lathectl %s lists what there is",
                  !strcmp(what, "environments") ? "envs" : "algos");
    json_decref(list);
}

json_t *ctl_component(struct ctl *ctl, const char *what, const char *name)
{
    char path[400];
    json_t *reply = NULL;

    ctl_path(what, name, NULL, path);
    if (ctl_call(ctl, "GET", path, NULL, &reply) == CTL_OK)
        return reply;
    if (ctl->http_status == 404)
        suggest(ctl, what, name);
    return NULL;
}

static int list_components(struct ctl *ctl, const char *what)
{
    static const char *const heading[] = {"NAME", "PLUGIN", "SUMMARY"};
    struct ctl_table table = {0};
    char path[400];
    json_t *reply, *c;
    int status;
    size_t i;

    snprintf(path, sizeof path, "/lathe/v1/%s?limit=1000", what);
    if (!ctl_fetch(ctl, "GET", path, NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 3, heading);
    json_array_foreach(reply, i, c)
    {
        const char *cells[] = {json_member_string(c, "id", ""), json_member_string(c, "plugin", ""),
                               json_member_string(c, "summary", "")};

        ctl_table_row(&table, 3, cells);
    }
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

int ctl_components(struct ctl *ctl)
{
    const char *what = !strcmp(ctl->command->name, "envs") ? "environments" : "algorithms";
    json_t *one;

    if (!ctl->n_args)
        return list_components(ctl, what);
    if (!(one = ctl_component(ctl, what, ctl->arg[0])))
        return CTL_FAILED;
    if (ctl->json)
        ctl_print_json(one);
    else
        print_component(one);
    json_decref(one);
    return CTL_OK;
}

/* ---- files ---- */

int ctl_plugins(struct ctl *ctl)
{
    static const char *const heading[] = {"PLUGIN", "VERSION", "STATUS", "COMPONENTS", "FILE"};
    struct ctl_table table = {0};
    json_t *reply, *plugin;
    const json_t *c;
    int status;
    size_t i, k;

    if (ctl_has(ctl, "rescan") &&
        (status = ctl_call(ctl, "POST", "/lathe/v1/plugins/rescan", NULL, NULL)) != CTL_OK)
        return status;
    if (!ctl_fetch(ctl, "GET", "/lathe/v1/plugins?limit=1000", NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 5, heading);
    json_array_foreach(reply, i, plugin)
    {
        struct strbuf names;
        const char *reason = json_member_string(plugin, "reason", "");

        strbuf_init(&names);
        json_array_foreach(json_object_get(plugin, "components"), k, c)
            strbuf_addf(&names, "%s%s", k ? " " : "", json_member_string(c, "name", ""));
        {
            const char *cells[] = {
                json_member_string(plugin, "id", ""), json_member_string(plugin, "version", ""),
                json_member_string(plugin, "status", ""), reason[0] ? reason : names.data,
                json_member_string(plugin, "path", "")};

            ctl_table_row(&table, 5, cells);
        }
        strbuf_fini(&names);
    }
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}
