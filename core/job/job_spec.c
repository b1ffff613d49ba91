/* Option tables of job specifications, resolution against the registry, and the worker's job file.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/job/job_spec.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/config/params.h"
#include "core/json/json.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/task.h"

#define SEED_DRAWN_MASK (((uint64_t)1 << 53) - 1) /* what every JSON client can hold */
#define SEED_MAX 9007199254740992.0

static const char *const modes[] = {"continuous", "episodic", NULL};
static const char *const numerics[] = {"strict", "fast", NULL};
static const char *const eval_modes[] = {"greedy", "sample", NULL};

static const struct lathe_option *const spec_options[] = {
    LATHE_OPTION("task", LATHE_OPT_STRING, LATHE_OPT_REQUIRED, NULL, 0, 64, NULL, NULL,
                 "Kind of work."),
    LATHE_OPTION_JSON("env", "null", "Environment: name and options."),
    LATHE_OPTION_JSON("algorithm", "null", "Algorithm: name and options."),
    LATHE_OPTION_JSON("engine", "null", "Engine: name and options."),
    LATHE_OPTION_JSON("seed", "null", "Seed of all random draws."),
    LATHE_OPTION_INT("threads", "1", 1, 256, "Cores the run may use."),
    LATHE_OPTION_INT("n_envs", "1", 1, 65536, "Copies of the environment stepped together."),
    LATHE_OPTION_ENUM("mode", "continuous", modes, "Steps without end, or whole episodes."),
    LATHE_OPTION_INT("total_steps", "1", 1, 1e15, "Environment steps (continuous)."),
    LATHE_OPTION_INT("total_iterations", "1", 1, 1e12, "Iterations of n_envs episodes (episodic)."),
    LATHE_OPTION_INT("time_limit", "0", 0, 4294967295.0, "Steps per episode; 0: none."),
    LATHE_OPTION_BOOL("obs_norm", "false", "Normalise observations."),
    LATHE_OPTION_BOOL("reward_norm", "false", "Normalise rewards."),
    LATHE_OPTION_FLOAT("norm_gamma", "0.99", 0, 1, "Discount of reward normalisation."),
    LATHE_OPTION_JSON("eval", "null", "Evaluations while training."),
    LATHE_OPTION_JSON("target", "null", "Metric at which training ends early."),
    LATHE_OPTION_JSON("checkpoint", "null", "When to write checkpoints."),
    LATHE_OPTION_INT("pace_ms", "0", 0, 600000, "Least wall time of an iteration."),
    LATHE_OPTION_ENUM("numerics", "strict", numerics, "Reproducible, or fastest."),
    LATHE_OPTION_STRING("init_model", "", 128, "Model whose weights start the run."),
    LATHE_OPTION_STRING("model", "", 128, "Model that is evaluated."),
    LATHE_OPTION_JSON("evaluate", "null", "What rl.evaluate does."),
    LATHE_OPTION_JSON("solve", "null", "Options of env.solve."),
    LATHE_OPTION_JSON("spec", "null", "Specification of a plugin's task."),
    NULL};

static const struct lathe_option *const eval_options[] = {
    LATHE_OPTION_INT("interval", "0", 0, 1e15, "Iterations or steps between evaluations; 0: none."),
    LATHE_OPTION_INT("episodes", "100", 1, 1000000, "Episodes of an evaluation."),
    LATHE_OPTION_INT("seed", "10000", 0, SEED_MAX, "Seed of the evaluation episodes."),
    LATHE_OPTION_ENUM("mode", "greedy", eval_modes, "How the policy acts."),
    LATHE_OPTION_BOOL("at_start", "true", "Evaluate the untrained policy too."),
    LATHE_OPTION_INT("final_episodes", "100", 1, 1000000, "Episodes of the last evaluation."),
    LATHE_OPTION_INT("sample_seed", "0", 0, SEED_MAX, "Seed of sampled actions."),
    NULL};

static const struct lathe_option *const checkpoint_options[] = {
    LATHE_OPTION_INT("interval", "0", 0, 1e15, "Iterations or steps between checkpoints; 0: none."),
    LATHE_OPTION_INT("keep", "3", 1, 1000, "Periodic checkpoints kept."),
    LATHE_OPTION_BOOL("best", "true", "Keep the best one too."), NULL};

static const struct lathe_option *const evaluate_options[] = {
    LATHE_OPTION_INT("episodes", "100", 1, 1000000, "Episodes."),
    LATHE_OPTION_INT("seed", "10000", 0, SEED_MAX, "Seed of the episodes."),
    LATHE_OPTION_ENUM("mode", "greedy", eval_modes, "How the policy acts."),
    LATHE_OPTION_INT("trials", "1", 1, 64, "Repetitions of each episode."),
    LATHE_OPTION_INT("traces", "0", 0, 100, "Worst episodes reported step by step."),
    LATHE_OPTION_BOOL("info_rows", "false", "Report the numbers of every episode."),
    LATHE_OPTION_INT("sample_seed", "0", 0, SEED_MAX, "Seed of sampled actions."),
    NULL};

static const struct lathe_option *const target_options[] = {
    LATHE_OPTION("metric", LATHE_OPT_STRING, LATHE_OPT_REQUIRED, NULL, 0, 128, NULL, NULL,
                 "Which number: mean_return, success_rate or metrics.NAME."),
    LATHE_OPTION("value", LATHE_OPT_FLOAT, LATHE_OPT_REQUIRED, NULL, 0, 0, NULL, NULL,
                 "Value to reach."),
    NULL};

static const struct lathe_option *const component_options[] = {
    LATHE_OPTION("name", LATHE_OPT_STRING, LATHE_OPT_REQUIRED, NULL, 0, 64, NULL, NULL,
                 "Name of the component."),
    LATHE_OPTION_JSON("options", "{}", "Its options."), NULL};

/* Puts "prefix." in front of the field that a deeper check named. */
static int32_t prefixed(int32_t st, const char *prefix, struct lathe_error *err)
{
    char inner[64];
    if (st == LATHE_OK || err == NULL)
        return st;
    memcpy(inner, err->field, sizeof inner);
    inner[sizeof inner - 1] = '\0';
    snprintf(err->field, sizeof err->field, "%.20s%s%.40s", prefix, inner[0] != '\0' ? "." : "",
             inner);
    return st;
}

/* Replaces member name of spec by its checked form; set_only keeps what the user gave alone. */
static int32_t part_resolve(json_t *spec, const char *name, option_list table, int set_only,
                            struct lathe_error *err)
{
    struct params *params = NULL;
    json_t *value = json_object_get(spec, name), *full;
    int32_t st;

    if (value != NULL && !json_is_null(value) && !json_is_object(value))
        return fail_field(err, LATHE_E_INVALID, name, "%s must be an object", name);
    st = params_new(table, json_is_object(value) ? value : NULL, &params, err);
    if (st != LATHE_OK)
        return prefixed(st, name, err);
    full = params_to_json(params, set_only, 1);
    params_free(params);
    return json_object_set_new(spec, name, full) == 0
               ? LATHE_OK
               : fail(err, LATHE_E_NOMEM, "resolve %s", name);
}

/* Resolves {"name","options"} of a component; absent stays absent. */
static int32_t component_resolve(const struct reg *reg, json_t *spec, const char *member,
                                 const char *kind, struct lathe_error *err)
{
    json_t *part = json_object_get(spec, member), *options = NULL;
    char prefix[32];
    int32_t st;

    if (part == NULL || json_is_null(part)) {
        json_object_del(spec, member);
        return LATHE_OK;
    }
    if ((st = part_resolve(spec, member, component_options, 0, err)) != LATHE_OK)
        return st;
    part = json_object_get(spec, member);
    if (!json_is_object(json_object_get(part, "options"))) {
        snprintf(prefix, sizeof prefix, "%s.options", member);
        return fail_field(err, LATHE_E_INVALID, prefix, "%s must be an object", prefix);
    }
    if (reg_find(reg, kind, json_member_string(part, "name", ""), NULL) == NULL) {
        snprintf(prefix, sizeof prefix, "%s.name", member);
        return fail_field(err, LATHE_E_NOT_FOUND, prefix, "there is no %s named %.64s", member,
                          json_member_string(part, "name", ""));
    }
    snprintf(prefix, sizeof prefix, "%s.options", member);
    st = reg_resolve(reg, kind, json_member_string(part, "name", ""),
                     json_object_get(part, "options"), &options, err);
    if (st != LATHE_OK)
        return prefixed(st, prefix, err);
    json_decref(options); /* only checked: a component tells what was set from its defaults */
    return LATHE_OK;
}

int32_t job_spec_engine(const struct reg *reg, json_t *spec, struct lathe_error *err)
{
    const char *name = json_member_string(json_object_get(spec, "algorithm"), "name", NULL);
    const struct lathe_component_info *algorithm, *engine;

    if (name == NULL || json_object_get(spec, "engine") != NULL)
        return LATHE_OK;
    algorithm = reg_find(reg, LATHE_KIND_ALGORITHM, name, NULL);
    if (algorithm == NULL || !json_member_bool(reg_describe(reg, algorithm), "needs_engine", 0))
        return LATHE_OK;
    if ((engine = reg_find(reg, LATHE_KIND_ENGINE, NULL, NULL)) == NULL)
        return fail_field(err, LATHE_E_NOT_FOUND, "engine",
                          "algorithm %s needs an engine and there is none", name);
    json_object_set_new(spec, "engine", json_pack("{s:s}", "name", engine->name));
    return component_resolve(reg, spec, "engine", LATHE_KIND_ENGINE, err);
}

static int32_t seed_resolve(json_t *spec, struct lathe_error *err)
{
    json_t *seed = json_object_get(spec, "seed");
    int64_t value;
    uint64_t drawn;

    if (seed == NULL || json_is_null(seed)) {
        io_random(&drawn, sizeof drawn);
        json_object_set_new(spec, "seed", json_integer((json_int_t)(drawn & SEED_DRAWN_MASK)));
        return LATHE_OK;
    }
    if (!json_to_int(seed, &value) || value < 0)
        return fail_field(err, LATHE_E_INVALID, "seed",
                          "seed must be an integer from 0 to 2^63 - 1");
    json_object_set_new(spec, "seed", json_integer(value));
    return LATHE_OK;
}

static int32_t must_have(const json_t *spec, const char *member, struct lathe_error *err)
{
    return json_object_get(spec, member) != NULL
               ? LATHE_OK
               : fail_field(err, LATHE_E_INVALID, member, "%s is required for task %s", member,
                            json_member_string(spec, "task", ""));
}

static int32_t train_check(json_t *spec, struct lathe_error *err)
{
    int is_episodic = strcmp(json_member_string(spec, "mode", "continuous"), "episodic") == 0;
    int32_t st;
    int has_final = json_object_get(json_object_get(spec, "eval"), "final_episodes") != NULL;

    if ((st = must_have(spec, "env", err)) != LATHE_OK ||
        (st = must_have(spec, "algorithm", err)) != LATHE_OK ||
        (st = must_have(spec, is_episodic ? "total_iterations" : "total_steps", err)) != LATHE_OK ||
        (st = part_resolve(spec, "eval", eval_options, 0, err)) != LATHE_OK ||
        (st = part_resolve(spec, "checkpoint", checkpoint_options, 0, err)) != LATHE_OK)
        return st;
    if (!has_final)
        json_object_set(json_object_get(spec, "eval"), "final_episodes",
                        json_object_get(json_object_get(spec, "eval"), "episodes"));
    if (json_is_object(json_object_get(spec, "target")))
        return part_resolve(spec, "target", target_options, 0, err);
    json_object_del(spec, "target");
    return LATHE_OK;
}

static int32_t task_check(const struct reg *reg, json_t *spec, struct lathe_error *err)
{
    const char *task = json_member_string(spec, "task", "");
    int32_t st;

    if (strcmp(task, "rl.train") == 0)
        return train_check(spec, err);
    if (strcmp(task, "rl.evaluate") == 0) {
        if ((st = must_have(spec, "model", err)) != LATHE_OK ||
            (st = must_have(spec, "env", err)) != LATHE_OK ||
            (st = must_have(spec, "algorithm", err)) != LATHE_OK)
            return st;
        return part_resolve(spec, "evaluate", evaluate_options, 0, err);
    }
    if (strcmp(task, "env.solve") == 0)
        return must_have(spec, "env", err);
    if (reg_find(reg, LATHE_KIND_TASK, task, NULL) == NULL)
        return fail_field(err, LATHE_E_NOT_FOUND, "task", "there is no task named %.64s", task);
    return LATHE_OK;
}

/* Members that say nothing: the user left them out or gave null. */
static void nulls_drop(json_t *spec)
{
    const char *key;
    json_t *value;
    void *tmp;
    json_object_foreach_safe(spec, tmp, key, value)
    {
        if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
            json_object_del(spec, key);
    }
}

int32_t job_spec_resolve(const struct reg *reg, const json_t *given, json_t **out,
                         struct lathe_error *err)
{
    struct params *params = NULL;
    json_t *spec;
    int32_t st;

    if (!json_is_object(given))
        return fail(err, LATHE_E_INVALID, "the specification must be a JSON object");
    if ((st = params_new(spec_options, given, &params, err)) != LATHE_OK)
        return st;
    spec = params_to_json(params, 1, 1);
    params_free(params);
    if (spec == NULL)
        return fail(err, LATHE_E_NOMEM, "resolve the specification");
    nulls_drop(spec);
    if ((st = component_resolve(reg, spec, "env", LATHE_KIND_ENV, err)) == LATHE_OK &&
        (st = component_resolve(reg, spec, "algorithm", LATHE_KIND_ALGORITHM, err)) == LATHE_OK &&
        (st = component_resolve(reg, spec, "engine", LATHE_KIND_ENGINE, err)) == LATHE_OK &&
        (st = job_spec_engine(reg, spec, err)) == LATHE_OK &&
        (st = seed_resolve(spec, err)) == LATHE_OK)
        st = task_check(reg, spec, err);
    if (st != LATHE_OK) {
        json_decref(spec);
        return st;
    }
    *out = spec;
    return LATHE_OK;
}

uint64_t job_spec_total(const json_t *spec)
{
    int64_t n = json_member_int(spec, "total_iterations", 0);
    if (strcmp(json_member_string(spec, "mode", "continuous"), "episodic") != 0)
        n = json_member_int(spec, "total_steps", 0);
    return n > 0 ? (uint64_t)n : 0;
}

uint64_t job_spec_seed(const json_t *spec)
{
    return (uint64_t)json_member_int(spec, "seed", 0);
}

int32_t job_spec_add_plugin(const struct reg *reg, const char *kind, const char *name,
                            json_t *plugins, struct lathe_error *err)
{
    const struct lathe_plugin_info *file = NULL;
    size_t i;
    json_t *item;

    if (reg_find(reg, kind, name, &file) == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "no usable plugin brings %.64s of kind %s", name, kind);
    json_array_foreach(plugins, i, item)
    {
        if (strcmp(json_member_string(item, "path", ""), file->path) == 0)
            return LATHE_OK;
    }
    json_array_append_new(plugins,
                          json_pack("{s:s,s:s}", "path", file->path, "sha256", file->sha256));
    return LATHE_OK;
}

static int32_t plugins_add(const struct reg *reg, const json_t *spec, json_t *plugins,
                           struct lathe_error *err)
{
    static const char *const parts[][2] = {{"env", LATHE_KIND_ENV},
                                           {"algorithm", LATHE_KIND_ALGORITHM},
                                           {"engine", LATHE_KIND_ENGINE}};
    const char *task = json_member_string(spec, "task", "");
    int32_t st = LATHE_OK;

    for (size_t i = 0; i < 3 && st == LATHE_OK; i++) {
        const char *name = json_member_string(json_object_get(spec, parts[i][0]), "name", NULL);
        if (name != NULL)
            st = job_spec_add_plugin(reg, parts[i][1], name, plugins, err);
    }
    if (st == LATHE_OK && reg_find(reg, LATHE_KIND_TASK, task, NULL) != NULL)
        st = job_spec_add_plugin(reg, LATHE_KIND_TASK, task, plugins, err);
    return st;
}

int32_t job_spec_worker(const struct reg *reg, const json_t *spec, const struct job_spec_run *run,
                        json_t **out, struct lathe_error *err)
{
    json_t *job = json_deep_copy(spec), *plugins = json_array(), *limits = json_object();
    int64_t threads = json_member_int(spec, "threads", 1);
    int32_t st = plugins_add(reg, spec, plugins, err);

    if (st != LATHE_OK) {
        json_decref(job);
        json_decref(plugins);
        json_decref(limits);
        return st;
    }
    json_object_del(job, "init_model");
    json_object_del(job, "model");
    json_object_set_new(job, "version", json_integer(1));
    json_object_set_new(job, "job", json_string(run->id));
    json_object_set_new(job, "dir", json_string(run->dir));
    json_object_set_new(job, "role", json_string(run->role));
    json_object_set_new(job, "plugins", plugins);
    if (run->threads_max > 0 && threads > (int64_t)run->threads_max)
        json_object_set_new(job, "threads", json_integer((json_int_t)run->threads_max));
    if (run->resume != NULL && json_array_size(run->resume) > 0)
        json_object_set_new(job, "resume", json_deep_copy(run->resume));
    if (run->init_policy != NULL)
        json_object_set_new(job, "init_policy", json_string(run->init_policy));
    if (run->policy != NULL)
        json_object_set_new(job, "policy", json_string(run->policy));
    if (run->memory_bytes > 0)
        json_object_set_new(limits, "memory_bytes", json_integer((json_int_t)run->memory_bytes));
    json_object_set_new(job, "limits", limits);
    json_object_set_new(
        job, "confine",
        json_pack("{s:b,s:b}", "seccomp", run->is_confined, "landlock", run->is_confined));
    *out = job;
    return LATHE_OK;
}
