/* From the options of `lathectl train` to a run request, and from that to a job specification. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/params.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define N_ENVS 8 /* what the REST interface takes when none are given */
#define KEY_MAX 128
#define NAMES_MAX (OPTIONS_MAX + 32)

/* Members of a run request that --set may give, and their types. */
struct run_key {
    const char *name, *type;
};
static const struct run_key run_keys[] = {{"n_envs", "int"},
                                          {"threads", "int"},
                                          {"mode", "string"},
                                          {"total_steps", "int"},
                                          {"seed", "int"},
                                          {"pace_ms", "int"},
                                          {"target", "float"},
                                          {"time_limit", "int"},
                                          {"total_iterations", "int"},
                                          {"obs_norm", "bool"},
                                          {"reward_norm", "bool"},
                                          {"norm_gamma", "float"},
                                          {"numerics", "string"},
                                          {"eval.every", "int"},
                                          {"eval.episodes", "int"},
                                          {"eval.seed", "int"},
                                          {"checkpoint.every", "int"},
                                          {"eval.final_episodes", "int"}};
#define N_RUN_KEYS (sizeof run_keys / sizeof run_keys[0])

/* ---- values ---- */

static json_t *boolean_value(const char *text)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    size_t i;

    for (i = 0; i < 8; i++)
        if (!strcmp(text, words[i]))
            return json_boolean(i >= 4);
    return NULL;
}

static json_t *number_value(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    return end != text && !*end && isfinite(value) ? json_real(value) : NULL;
}

static json_t *parsed_value(const char *text)
{
    json_t *value = NULL;

    return json_parse_text(text, strlen(text), NULL, &value, NULL) == LATHE_OK ? value : NULL;
}

/* "[64, 64]", or short "64,64". */
static json_t *list_value(const char *text)
{
    struct strbuf wrapped;
    json_t *value = parsed_value(text);

    if (json_is_array(value))
        return value;
    json_decref(value);
    strbuf_init(&wrapped);
    strbuf_addf(&wrapped, "[%s]", text);
    value = parsed_value(wrapped.data);
    strbuf_fini(&wrapped);
    return value;
}

json_t *ctl_typed_value(const char *type, const char *text)
{
    json_t *value;
    int64_t whole;

    if (!type) {
        value = parsed_value(text);
        return value ? value : json_string(text);
    }
    if (!strcmp(type, "string") || !strcmp(type, "enum"))
        return json_string(text);
    if (!strcmp(type, "bool"))
        return boolean_value(text);
    if (!strcmp(type, "int"))
        return ctl_parse_count(text, &whole) ? json_integer((json_int_t)whole) : NULL;
    if (!strcmp(type, "float"))
        return number_value(text);
    return !strcmp(type, "list") ? list_value(text) : parsed_value(text);
}

/* ---- where a key belongs ---- */

static const json_t *option_in(const json_t *table, const char *name)
{
    const json_t *option;
    size_t i;

    json_array_foreach(table, i, option)
    {
        if (!strcmp(json_member_string(option, "name", ""), name))
            return option;
    }
    return NULL;
}

static const char *run_type(const char *name)
{
    size_t i;

    for (i = 0; i < N_RUN_KEYS; i++)
        if (!strcmp(run_keys[i].name, name))
            return run_keys[i].type;
    return NULL;
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

/* Names that key may have been meant to be; the run's only when with_run. */
static const char *nearest_of(const json_t *table, int with_run, const char *key)
{
    const char *names[NAMES_MAX + 1] = {NULL};
    const json_t *option;
    size_t n = 0, i;

    json_array_foreach(table, i, option)
    {
        if (n < OPTIONS_MAX)
            names[n++] = json_member_string(option, "name", "");
    }
    for (i = 0; with_run && i < N_RUN_KEYS; i++)
        names[n++] = run_keys[i].name;
    return ctl_nearest(names, key);
}

struct assignment {
    const char *flag; /* "set" or "env-set" */
    char key[KEY_MAX];
    const char *text;
};

static int split(const char *flag, const char *setting, struct assignment *a)
{
    const char *equals = strchr(setting, '=');

    if (!equals || equals == setting || (size_t)(equals - setting) >= sizeof a->key) {
        ctl_error("--%s takes KEY=VALUE, not \"%s\"", flag, setting);
        return 0;
    }
    a->flag = flag;
    snprintf(a->key, sizeof a->key, "%.*s", (int)(equals - setting), setting);
    a->text = equals + 1;
    return 1;
}

static int put(json_t *target, const struct assignment *a, const char *name, const char *type)
{
    json_t *value = ctl_typed_value(type, a->text);

    if (!value) {
        ctl_error("%s takes a value of type %s, not \"%s\"", a->key, type, a->text);
        return 0;
    }
    json_object_set_new(target, name, value);
    return 1;
}

/* An option of the component that member of the request names. */
static int put_option(json_t *body, const char *member, const json_t *table,
                      const struct assignment *a, const char *name)
{
    const json_t *option = option_in(table, name);

    return put(part(json_object_get(body, member), "options"), a, name,
               json_member_string(option, "type", NULL));
}

static int put_run(json_t *body, const struct assignment *a)
{
    const char *dot = strchr(a->key, '.');
    char group[KEY_MAX];

    if (!dot)
        return put(body, a, a->key, run_type(a->key));
    snprintf(group, sizeof group, "%.*s", (int)(dot - a->key), a->key);
    return put(part(body, group), a, dot + 1, run_type(a->key));
}

/* Puts one KEY=VALUE of --set where it belongs; 0 after an error was printed. */
static int put_set(json_t *body, const struct assignment *a, const json_t *algorithm,
                   const json_t *env)
{
    const char *nearest;

    if (run_type(a->key))
        return put_run(body, a);
    if (!strncmp(a->key, "algo.", 5))
        return put_option(body, "algorithm", algorithm, a, a->key + 5);
    if (!strncmp(a->key, "env.", 4))
        return put_option(body, "env", env, a, a->key + 4);
    if (option_in(algorithm, a->key))
        return put_option(body, "algorithm", algorithm, a, a->key);
    nearest = nearest_of(algorithm, 1, a->key);
    if (option_in(env, a->key))
        ctl_error("%s is an option of the environment: --env-set %s=%s", a->key, a->key, a->text);
    else if (nearest)
        ctl_error("unknown option \"%s\", did you mean \"%s\"?", a->key, nearest);
    else
        ctl_error("neither the algorithm nor the run has an option \"%s\"; lathectl algos NAME "
                  "lists them",
                  a->key);
    return 0;
}

/* Checks the options of a component as the server will: names, types, ranges. */
static int check(const json_t *body, const char *member, const json_t *table)
{
    const json_t *values = json_object_get(json_object_get(body, member), "options");
    struct option_table *options = NULL;
    struct params *params = NULL;
    struct lathe_error err = {0};
    int ok = 1;

    if (!values || options_from_json(table, &options, NULL) != LATHE_OK)
        return 1; /* the server has the last word */
    if (params_new(option_table_list(options), values, &params, &err) != LATHE_OK) {
        ctl_error("%s: %s", member, err.text);
        ok = 0;
    }
    params_free(params);
    option_table_free(options);
    return ok;
}

/* ---- the request ---- */

static int put_number(const struct ctl *ctl, json_t *target, const char *option, const char *name)
{
    int64_t value;

    if (!ctl_has(ctl, option))
        return 1;
    if (!ctl_int(ctl, option, 0, &value))
        return 0;
    json_object_set_new(target, name, json_integer(value));
    return 1;
}

static int put_evaluation(const struct ctl *ctl, json_t *body)
{
    if (!ctl_has(ctl, "eval-every") && !ctl_has(ctl, "eval-episodes"))
        return 1;
    return put_number(ctl, part(body, "eval"), "eval-every", "every") &&
           put_number(ctl, part(body, "eval"), "eval-episodes", "episodes");
}

static int put_settings(const struct ctl *ctl, json_t *body, const json_t *algorithm,
                        const json_t *env)
{
    struct assignment a;
    const char *setting;
    int i;

    for (i = 0; (setting = ctl_value_at(ctl, "set", i)) != NULL; i++)
        if (!split("set", setting, &a) || !put_set(body, &a, algorithm, env))
            return 0;
    for (i = 0; (setting = ctl_value_at(ctl, "env-set", i)) != NULL; i++)
        if (!split("env-set", setting, &a) || !put_option(body, "env", env, &a, a.key))
            return 0;
    return check(body, "algorithm", algorithm) && check(body, "env", env);
}

static int has_length(const json_t *body)
{
    const char *mode = json_member_string(body, "mode", "continuous");
    int is_episodic = !strcmp(mode, "episodic");

    if (json_object_get(body, is_episodic ? "total_iterations" : "total_steps"))
        return 1;
    ctl_error("how long? Give --steps N, or --iterations N for whole episodes");
    return 0;
}

json_t *ctl_run_body(const struct ctl *ctl, const json_t *algorithm, const json_t *env)
{
    json_t *body = json_pack("{s:{s:s},s:{s:s}}", "env", "id", ctl_value(ctl, "env", ""),
                             "algorithm", "id", ctl_value(ctl, "algo", ""));

    if (!body)
        return NULL;
    if (ctl_has(ctl, "iterations"))
        json_object_set_new(body, "mode", json_string("episodic"));
    if (ctl_has(ctl, "name"))
        json_object_set_new(body, "name", json_string(ctl_value(ctl, "name", "")));
    if (put_number(ctl, body, "steps", "total_steps") &&
        put_number(ctl, body, "iterations", "total_iterations") &&
        put_number(ctl, body, "seed", "seed") && put_number(ctl, body, "threads", "threads") &&
        put_evaluation(ctl, body) && put_settings(ctl, body, algorithm, env) && has_length(body))
        return body;
    json_decref(body);
    return NULL;
}

/* ---- the specification ---- */

static void rename_member(json_t *object, const char *from, const char *to)
{
    json_t *value = json_object_get(object, from);

    if (!value)
        return;
    json_object_set(object, to, value);
    json_object_del(object, from);
}

json_t *ctl_run_spec(const json_t *body)
{
    json_t *spec = json_deep_copy(body), *target;

    if (!spec)
        return NULL;
    rename_member(json_object_get(spec, "env"), "id", "name");
    rename_member(json_object_get(spec, "algorithm"), "id", "name");
    rename_member(json_object_get(spec, "eval"), "every", "interval");
    rename_member(json_object_get(spec, "checkpoint"), "every", "interval");
    if ((target = json_object_get(spec, "target")) != NULL)
        json_object_set_new(spec, "target",
                            json_pack("{s:s,s:O}", "metric", "mean_return", "value", target));
    if (!json_object_get(spec, "n_envs"))
        json_object_set_new(spec, "n_envs", json_integer(N_ENVS));
    json_object_del(spec, "name");
    json_object_set_new(spec, "task", json_string("rl.train"));
    return spec;
}
