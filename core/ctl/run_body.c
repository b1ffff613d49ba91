/* From the options of `lathectl train` to a run request. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

/* Members of a run request that --set may give. */
static const char *const run_keys[] = {"n_envs",     "threads",  "mode",     "total_steps",
                                       "seed",       "pace_ms",  "target",   "total_iterations",
                                       "time_limit", "obs_norm", "numerics", "reward_norm",
                                       "norm_gamma", NULL};

static int in_list(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (!strcmp(*list, name))
            return 1;
    return 0;
}

/* 1 when an option table (array of {"name",...}) has the name. */
static int in_table(const json_t *table, const char *name)
{
    size_t i;
    const json_t *option;

    json_array_foreach(table, i,
                       option) if (!strcmp(json_member_string(option, "name", ""), name)) return 1;
    return 0;
}

/* Text as the JSON value it spells, else as a string. */
static json_t *value_of(const char *text)
{
    json_t *value = NULL;

    if (json_parse_text(text, strlen(text), NULL, &value, NULL) == LATHE_OK)
        return value;
    return json_string(text);
}

static json_t *part(json_t *body, const char *name)
{
    json_t *object = json_object_get(body, name);

    if (!object) {
        object = json_object();
        json_object_set_new(body, name, object);
    }
    return object;
}

/* Puts one KEY=VALUE where it belongs; 0 after an error was printed. */
static int put(json_t *body, const char *setting, const json_t *algorithm, const json_t *env)
{
    const char *equals = strchr(setting, '=');
    json_t *target = NULL;
    char key[128];
    const char *name = key;

    if (!equals || equals == setting || (size_t)(equals - setting) >= sizeof key) {
        ctl_error("--set takes KEY=VALUE, not \"%s\"", setting);
        return 0;
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - setting), setting);
    if (!strncmp(key, "eval.", 5)) {
        target = part(body, "eval");
        name = key + 5;
    } else if (!strncmp(key, "checkpoint.", 11)) {
        target = part(body, "checkpoint");
        name = key + 11;
    } else if (!strncmp(key, "algo.", 5)) {
        target = part(json_object_get(body, "algorithm"), "options");
        name = key + 5;
    } else if (!strncmp(key, "env.", 4)) {
        target = part(json_object_get(body, "env"), "options");
        name = key + 4;
    } else if (in_list(run_keys, key)) {
        target = body;
    } else if (in_table(algorithm, key)) {
        target = part(json_object_get(body, "algorithm"), "options");
    } else if (in_table(env, key)) {
        target = part(json_object_get(body, "env"), "options");
    }
    if (!target) {
        ctl_error("neither the run, the algorithm nor the environment has an option \"%s\"", key);
        return 0;
    }
    json_object_set_new(target, name, value_of(equals + 1));
    return 1;
}

static int put_number(const struct ctl *ctl, json_t *body, const char *option, const char *name)
{
    int64_t value;

    if (!ctl_value(ctl, option, NULL))
        return 1;
    if (!ctl_int(ctl, option, 0, &value))
        return 0;
    json_object_set_new(body, name, json_integer(value));
    return 1;
}

json_t *ctl_run_body(const struct ctl *ctl, const json_t *algorithm, const json_t *env)
{
    json_t *body = json_pack("{s:{s:s},s:{s:s}}", "env", "id", ctl_value(ctl, "env", ""),
                             "algorithm", "id", ctl_value(ctl, "algo", ""));
    const char *setting;
    int i, ok;

    if (!body)
        return NULL;
    if (ctl_value(ctl, "iterations", NULL))
        json_object_set_new(body, "mode", json_string("episodic"));
    if (ctl_value(ctl, "name", NULL))
        json_object_set_new(body, "name", json_string(ctl_value(ctl, "name", "")));
    ok = put_number(ctl, body, "steps", "total_steps") &&
         put_number(ctl, body, "iterations", "total_iterations") &&
         put_number(ctl, body, "seed", "seed") && put_number(ctl, body, "threads", "threads");
    for (i = 0; ok && (setting = ctl_value_at(ctl, "set", i)) != NULL; i++)
        ok = put(body, setting, algorithm, env);
    if (ok)
        return body;
    json_decref(body);
    return NULL;
}
