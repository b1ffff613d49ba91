/* The small commands: lists, records, changes of state, tokens. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

/* Calls and prints the answer as JSON when asked to; *reply is the caller's otherwise. 1: print. */
static int fetch(struct ctl *ctl, const char *method, const char *path, const json_t *body,
                 json_t **reply, int *status)
{
    *reply = NULL;
    *status = ctl_call(ctl, method, path, body, reply);
    if (*status == CTL_OK && !ctl->json)
        return 1;
    if (*status == CTL_OK)
        ctl_print_json(*reply);
    json_decref(*reply);
    *reply = NULL;
    return 0;
}

static void path_of(const char *collection, const char *id, const char *verb, char out[400])
{
    char safe[256];

    ctl_escape(id, safe, sizeof safe);
    snprintf(out, 400, "/lathe/v1/%s/%s%s%s", collection, safe, verb ? "/" : "", verb ? verb : "");
}

/* A record as "name  value" lines; objects and lists as JSON. */
static void print_record(const json_t *record)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)record, key, value)
    {
        char *text = NULL;

        if (!json_is_string(value))
            text = json_dup_text(value, 0, NULL);
        printf("%-18s %s\n", key, text ? text : json_string_value(value));
        mem_free(text);
    }
}

/* ---- runs ---- */

static void run_row(struct ctl_table *table, const json_t *run)
{
    char progress[64], value[32] = "";
    const json_t *eval = json_object_get(run, "eval");
    const char *cells[] = {json_member_string(run, "id", ""),
                           json_member_string(run, "state", ""),
                           json_member_string(run, "env", ""),
                           json_member_string(run, "algorithm", ""),
                           progress,
                           value,
                           json_member_string(run, "model_id", ""),
                           json_member_string(run, "created_at", "")};

    snprintf(progress, sizeof progress, "%lld/%lld", (long long)json_member_int(run, "current", 0),
             (long long)json_member_int(run, "total", 0));
    if (json_is_object(eval))
        snprintf(value, sizeof value, "%.2f", json_member_float(eval, "mean_return", 0));
    ctl_table_row(table, 8, cells);
}

int ctl_list(struct ctl *ctl)
{
    static const char *const heading[] = {"RUN",      "STATE",  "ENVIRONMENT", "ALGORITHM",
                                          "PROGRESS", "RETURN", "MODEL",       "CREATED"};
    struct ctl_table table = {0};
    char path[300];
    json_t *reply, *run;
    int64_t limit;
    int status;
    size_t i;

    if (!ctl_int(ctl, "limit", 100, &limit))
        return CTL_USAGE;
    snprintf(path, sizeof path, "/lathe/v1/runs?limit=%lld%s%.64s", (long long)limit,
             ctl_value(ctl, "state", NULL) ? "&state=" : "", ctl_value(ctl, "state", ""));
    if (!fetch(ctl, "GET", path, NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 8, heading);
    json_array_foreach(reply, i, run) run_row(&table, run);
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

int ctl_show(struct ctl *ctl)
{
    char path[400];
    json_t *reply;
    int status;

    path_of("runs", ctl->arg[0], NULL, path);
    if (fetch(ctl, "GET", path, NULL, &reply, &status)) {
        print_record(reply);
        json_decref(reply);
    }
    return status;
}

int ctl_change(struct ctl *ctl)
{
    char path[400];
    json_t *reply;
    int status;

    path_of("runs", ctl->arg[0], ctl->command->name, path);
    if (fetch(ctl, "POST", path, NULL, &reply, &status)) {
        printf("%s is %s\n", ctl->arg[0], json_member_string(reply, "state", ""));
        json_decref(reply);
    }
    return status;
}

int ctl_delete(struct ctl *ctl)
{
    char path[400];
    json_t *reply;
    int status;

    path_of("runs", ctl->arg[0], NULL, path);
    if (fetch(ctl, "DELETE", path, NULL, &reply, &status)) {
        printf("%s is deleted\n", ctl->arg[0]);
        json_decref(reply);
    }
    return status;
}

/* ---- models ---- */

static int list_models(struct ctl *ctl)
{
    static const char *const heading[] = {"MODEL", "NAME", "ENVIRONMENT", "ALGORITHM",
                                          "BYTES", "RUN",  "CREATED"};
    struct ctl_table table = {0};
    json_t *reply, *model;
    int status;
    size_t i;

    if (!fetch(ctl, "GET", "/lathe/v1/models?limit=1000", NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 7, heading);
    json_array_foreach(reply, i, model)
    {
        char size[32];
        const char *cells[] = {json_member_string(model, "id", ""),
                               json_member_string(model, "name", ""),
                               json_member_string(model, "env", ""),
                               json_member_string(model, "algorithm", ""),
                               size,
                               json_member_string(model, "run_id", ""),
                               json_member_string(model, "created_at", "")};

        snprintf(size, sizeof size, "%lld", (long long)json_member_int(model, "size_bytes", 0));
        ctl_table_row(&table, 7, cells);
    }
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

int ctl_models(struct ctl *ctl)
{
    const char *method = ctl_value(ctl, "delete", NULL) ? "DELETE" : "GET";
    char path[400];
    json_t *reply;
    int status;

    if (!ctl->n_args)
        return list_models(ctl);
    path_of("models", ctl->arg[0], NULL, path);
    if (fetch(ctl, method, path, NULL, &reply, &status)) {
        print_record(reply);
        json_decref(reply);
    }
    return status;
}

int ctl_export(struct ctl *ctl)
{
    char path[400], file[300];
    int status;

    snprintf(file, sizeof file, "%.200s.safetensors", ctl->arg[0]);
    path_of("models", ctl->arg[0], "export", path);
    status = ctl_download(ctl, path, ctl_value(ctl, "output", file));
    if (status == CTL_OK && !ctl->json)
        printf("%s\n", ctl_value(ctl, "output", file));
    else if (status == CTL_OK)
        printf("{\"file\":\"%s\"}\n", ctl_value(ctl, "output", file));
    return status;
}

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

int ctl_components(struct ctl *ctl)
{
    static const char *const heading[] = {"NAME", "PLUGIN", "SUMMARY"};
    const char *what = !strcmp(ctl->command->name, "envs") ? "environments" : "algorithms";
    struct ctl_table table = {0};
    char path[400];
    json_t *reply, *c;
    int status;
    size_t i;

    if (ctl->n_args)
        path_of(what, ctl->arg[0], NULL, path);
    else
        snprintf(path, sizeof path, "/lathe/v1/%s?limit=1000", what);
    if (!fetch(ctl, "GET", path, NULL, &reply, &status))
        return status;
    if (ctl->n_args) {
        print_component(reply);
    } else {
        ctl_table_row(&table, 3, heading);
        json_array_foreach(reply, i, c)
        {
            const char *cells[] = {json_member_string(c, "id", ""),
                                   json_member_string(c, "plugin", ""),
                                   json_member_string(c, "summary", "")};

            ctl_table_row(&table, 3, cells);
        }
        ctl_table_print(&table);
    }
    json_decref(reply);
    return CTL_OK;
}

int ctl_plugins(struct ctl *ctl)
{
    static const char *const heading[] = {"PLUGIN", "VERSION", "STATUS", "COMPONENTS", "FILE"};
    struct ctl_table table = {0};
    json_t *reply, *plugin;
    const json_t *c;
    int status;
    size_t i, k;

    if (ctl_value(ctl, "rescan", NULL) &&
        (status = ctl_call(ctl, "POST", "/lathe/v1/plugins/rescan", NULL, NULL)) != CTL_OK)
        return status;
    if (!fetch(ctl, "GET", "/lathe/v1/plugins?limit=1000", NULL, &reply, &status))
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

/* ---- tokens ---- */

static int create_token(struct ctl *ctl)
{
    json_t *body = json_object(), *scopes = json_array(), *reply;
    const char *scope;
    int64_t expires;
    int status, i;

    if (!ctl_int(ctl, "expires", 0, &expires)) {
        json_decref(scopes);
        json_decref(body);
        return CTL_USAGE;
    }
    for (i = 0; (scope = ctl_value_at(ctl, "scope", i)) != NULL; i++)
        json_array_append_new(scopes, json_string(scope));
    json_object_set_new(body, "name", json_string(ctl_value(ctl, "name", "lathectl")));
    if (json_array_size(scopes))
        json_object_set(body, "scopes", scopes);
    if (ctl_value(ctl, "role", NULL) || !json_array_size(scopes))
        json_object_set_new(body, "role", json_string(ctl_value(ctl, "role", "viewer")));
    if (expires)
        json_object_set_new(body, "expires_in", json_integer(expires));
    if (fetch(ctl, "POST", "/lathe/v1/tokens", body, &reply, &status)) {
        printf("%s\n", json_member_string(reply, "token", ""));
        json_decref(reply);
    }
    json_decref(scopes);
    json_decref(body);
    return status;
}

static int list_tokens(struct ctl *ctl)
{
    static const char *const heading[] = {"TOKEN", "NAME", "ROLE", "SCOPES", "CREATED", "EXPIRES"};
    struct ctl_table table = {0};
    json_t *reply, *token;
    int status;
    size_t i;

    if (!fetch(ctl, "GET", "/lathe/v1/tokens?limit=1000", NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 6, heading);
    json_array_foreach(reply, i, token)
    {
        char *scopes = json_dup_text(json_object_get(token, "scopes"), 0, NULL);
        const char *cells[] = {json_member_string(token, "id", ""),
                               json_member_string(token, "name", ""),
                               json_member_string(token, "role", ""),
                               scopes,
                               json_member_string(token, "created_at", ""),
                               json_member_string(token, "expires_at", "")};

        ctl_table_row(&table, 6, cells);
        mem_free(scopes);
    }
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

int ctl_tokens(struct ctl *ctl)
{
    const char *verb = ctl->n_args ? ctl->arg[0] : "list";
    char path[400];
    json_t *reply;
    int status;

    if (!strcmp(verb, "create") && ctl->n_args == 1)
        return create_token(ctl);
    if (!strcmp(verb, "list") && ctl->n_args < 2)
        return list_tokens(ctl);
    if (strcmp(verb, "revoke") != 0 || ctl->n_args != 2) {
        ctl_error("usage: lathectl tokens create | list | revoke ID");
        return CTL_USAGE;
    }
    path_of("tokens", ctl->arg[1], NULL, path);
    if (fetch(ctl, "DELETE", path, NULL, &reply, &status)) {
        printf("%s is revoked\n", ctl->arg[1]);
        json_decref(reply);
    }
    return status;
}

int ctl_status(struct ctl *ctl)
{
    json_t *reply;
    int status;

    if (fetch(ctl, "GET", "/lathe/v1/status", NULL, &reply, &status)) {
        print_record(reply);
        json_decref(reply);
    }
    return status;
}
