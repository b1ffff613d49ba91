/* Reading job.json: every member is checked, unknown ones are refused. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/job.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"

#define JOB_FILE_MAX (8u * 1024u * 1024u)

/* Where the reader is: the object, its dotted name, and the first failure. */
struct rd {
    const json_t *object;
    const char *where;
    struct lathe_error *err;
    int32_t st;
};

static const char *full_name(const struct rd *rd, const char *name, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s%s%s", rd->where, rd->where[0] != '\0' ? "." : "", name);
    return buf;
}

static void bad(struct rd *rd, const char *name, const char *what)
{
    char full[64];

    if (rd->st != LATHE_OK)
        return;
    full_name(rd, name, full, sizeof full);
    rd->st = fail_field(rd->err, LATHE_E_INVALID, full, "job file: %s must be %s", full, what);
}

static const json_t *member(const struct rd *rd, const char *name)
{
    const json_t *v = json_object_get(rd->object, name);

    return json_is_null(v) ? NULL : v;
}

int wjob_u64(const json_t *value, uint64_t *out)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        return 1;
    }
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        char *end = NULL;
        unsigned long long v;

        if (text[0] < '0' || text[0] > '9')
            return 0;
        errno = 0;
        v = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0')
            return 0;
        *out = v;
        return 1;
    }
    return 0;
}

static uint64_t get_u64(struct rd *rd, const char *name, uint64_t def, uint64_t max)
{
    const json_t *v = member(rd, name);
    uint64_t out = def;

    if (v == NULL)
        return def;
    if (!wjob_u64(v, &out) || out > max) {
        bad(rd, name, "a whole number in range");
        return def;
    }
    return out;
}

static uint32_t get_u32(struct rd *rd, const char *name, uint32_t def, uint32_t min, uint32_t max)
{
    uint64_t v = get_u64(rd, name, def, max);

    if (v < min) {
        bad(rd, name, "a whole number in range");
        return def;
    }
    return (uint32_t)v;
}

static int get_bool(struct rd *rd, const char *name, int def)
{
    const json_t *v = member(rd, name);

    if (v == NULL)
        return def;
    if (!json_is_boolean(v)) {
        bad(rd, name, "true or false");
        return def;
    }
    return json_is_true(v);
}

static double get_double(struct rd *rd, const char *name, double def)
{
    const json_t *v = member(rd, name);

    if (v == NULL)
        return def;
    if (!json_is_number(v) || !isfinite(json_number_value(v))) {
        bad(rd, name, "a number");
        return def;
    }
    return json_number_value(v);
}

static const char *get_text(struct rd *rd, const char *name, const char *def)
{
    const json_t *v = member(rd, name);

    if (v == NULL)
        return def;
    if (!json_is_string(v)) {
        bad(rd, name, "text");
        return def;
    }
    return json_string_value(v);
}

/* 1 when the text is second, 0 when it is first (or absent). */
static int get_choice(struct rd *rd, const char *name, const char *first, const char *second)
{
    const char *text = get_text(rd, name, first);
    char what[80];

    if (strcmp(text, first) == 0)
        return 0;
    if (strcmp(text, second) == 0)
        return 1;
    snprintf(what, sizeof what, "\"%s\" or \"%s\"", first, second);
    bad(rd, name, what);
    return 0;
}

static const json_t *get_object(struct rd *rd, const char *name)
{
    const json_t *v = member(rd, name);

    if (v != NULL && !json_is_object(v)) {
        bad(rd, name, "an object");
        return NULL;
    }
    return v;
}

static void only(struct rd *rd, const char *const *known)
{
    const char *key;
    json_t *value;

    if (rd->st != LATHE_OK || rd->object == NULL)
        return;
    json_object_foreach((json_t *)(uintptr_t)rd->object, key, value)
    {
        size_t i = 0;
        char full[64];

        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] != NULL)
            continue;
        full_name(rd, key, full, sizeof full);
        rd->st = fail_field(rd->err, LATHE_E_INVALID, full, "job file: unknown member %s", full);
        return;
    }
}

int32_t wjob_only(const json_t *object, const char *where, const char *const *known,
                  struct lathe_error *err)
{
    struct rd rd = {object, where, err, LATHE_OK};

    only(&rd, known);
    return rd.st;
}

static struct rd child(struct rd *rd, const char *name)
{
    struct rd sub = {get_object(rd, name), name, rd->err, rd->st};

    return sub;
}

static void read_component(struct rd *rd, const char *name, struct wcomponent *out)
{
    static const char *const known[] = {"name", "options", NULL};
    struct rd sub = child(rd, name);
    const json_t *options;

    if (sub.object != NULL) {
        only(&sub, known);
        out->name = get_text(&sub, "name", NULL);
        if (out->name == NULL)
            bad(&sub, "name", "text");
        options = get_object(&sub, "options");
        if (options != NULL)
            out->options = json_incref((json_t *)(uintptr_t)options);
    }
    if (out->options == NULL)
        out->options = json_object();
    rd->st = sub.st;
}

static void read_plugins(struct rd *rd, struct wjob *job)
{
    static const char *const known[] = {"path", "sha256", NULL};
    const json_t *list = member(rd, "plugins");
    size_t i, n = json_array_size(list);

    if (list != NULL && !json_is_array(list))
        bad(rd, "plugins", "an array");
    if (n == 0 || rd->st != LATHE_OK)
        return;
    job->plugins = mem_zalloc(n, sizeof *job->plugins);
    if (job->plugins == NULL) {
        rd->st = fail(rd->err, LATHE_E_NOMEM, "job file: plugins");
        return;
    }
    job->n_plugins = n;
    for (i = 0; i < n; i++) {
        struct rd sub = {json_array_get(list, i), "plugins", rd->err, rd->st};

        if (!json_is_object(sub.object)) {
            bad(rd, "plugins", "an array of objects");
            return;
        }
        only(&sub, known);
        job->plugins[i].path = get_text(&sub, "path", "");
        job->plugins[i].sha256 = get_text(&sub, "sha256", "");
        if (job->plugins[i].path[0] == '\0')
            bad(&sub, "path", "a file name");
        rd->st = sub.st;
    }
}

static void read_eval(struct rd *sub, struct weval_spec *out)
{
    out->interval = get_u64(sub, "interval", 0, UINT64_MAX);
    out->episodes = get_u32(sub, "episodes", 100, 1, 1000000);
    out->final_episodes = get_u32(sub, "final_episodes", out->episodes, 1, 1000000);
    out->seed = get_u64(sub, "seed", 10000, INT64_MAX);
    out->sample_seed = get_u64(sub, "sample_seed", 0, INT64_MAX);
    out->sample = get_choice(sub, "mode", "greedy", "sample");
    out->at_start = get_bool(sub, "at_start", 1);
    out->trials = get_u32(sub, "trials", 1, 1, 64);
    out->traces = get_u32(sub, "traces", 0, 0, 100);
    out->info_rows = get_bool(sub, "info_rows", 0);
}

static void read_train_eval(struct rd *rd, struct weval_spec *out)
{
    static const char *const known[] = {"interval", "episodes",       "seed",        "mode",
                                        "at_start", "final_episodes", "sample_seed", NULL};
    struct rd sub = child(rd, "eval");

    only(&sub, known);
    read_eval(&sub, out);
    rd->st = sub.st;
}

int32_t weval_parse(const json_t *object, const char *where, struct weval_spec *spec,
                    struct lathe_error *err)
{
    static const char *const known[] = {"episodes", "seed",      "mode",        "trials",
                                        "traces",   "info_rows", "sample_seed", NULL};
    struct rd sub = {object, where, err, LATHE_OK};

    only(&sub, known);
    read_eval(&sub, spec);
    return sub.st;
}

static void read_limits(struct rd *rd, struct wlimits *out)
{
    static const char *const known[] = {"memory_bytes", "cpu_seconds", "files",
                                        "file_bytes",   "core_bytes",  NULL};
    struct rd sub = child(rd, "limits");

    only(&sub, known);
    out->memory_bytes = get_u64(&sub, "memory_bytes", 0, UINT64_MAX);
    out->cpu_seconds = get_u64(&sub, "cpu_seconds", 0, UINT64_MAX);
    out->file_bytes = get_u64(&sub, "file_bytes", 0, UINT64_MAX);
    out->core_bytes = get_u64(&sub, "core_bytes", 0, UINT64_MAX);
    out->files = get_u32(&sub, "files", 256, 16, 1u << 20);
    rd->st = sub.st;
}

static void read_small_objects(struct rd *rd, struct wjob *job)
{
    static const char *const known_target[] = {"metric", "value", NULL};
    static const char *const known_ckpt[] = {"interval", "keep", "best", NULL};
    static const char *const known_confine[] = {"seccomp", "landlock", NULL};
    struct rd target = child(rd, "target"), ckpt, confine;

    if (target.object != NULL) {
        only(&target, known_target);
        job->target_metric = get_text(&target, "metric", NULL);
        if (job->target_metric == NULL)
            bad(&target, "metric", "text");
        job->target_value = get_double(&target, "value", 0.0);
    }
    rd->st = target.st;
    ckpt = child(rd, "checkpoint");
    only(&ckpt, known_ckpt);
    job->checkpoint_interval = get_u64(&ckpt, "interval", 0, UINT64_MAX);
    job->checkpoint_keep = get_u32(&ckpt, "keep", 3, 1, 1000);
    job->checkpoint_best = get_bool(&ckpt, "best", 1);
    rd->st = ckpt.st;
    confine = child(rd, "confine");
    only(&confine, known_confine);
    job->seccomp = get_bool(&confine, "seccomp", 1);
    job->landlock = get_bool(&confine, "landlock", 1);
    rd->st = confine.st;
}

static void read_resume(struct rd *rd, struct wjob *job)
{
    const json_t *list = member(rd, "resume");
    size_t i;

    if (list == NULL)
        return;
    if (!json_is_array(list))
        bad(rd, "resume", "an array of file names");
    for (i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            bad(rd, "resume", "an array of file names");
    if (rd->st == LATHE_OK)
        job->resume = json_incref((json_t *)(uintptr_t)list);
}

static void read_totals(struct rd *rd, struct wjob *job)
{
    job->episodic = get_choice(rd, "mode", "continuous", "episodic");
    if (member(rd, "time_limit") != NULL)
        job->time_limit = (int64_t)get_u32(rd, "time_limit", 0, 0, UINT32_MAX);
    else
        job->time_limit = -1;
    if (job->episodic) {
        job->total = get_u64(rd, "total_iterations", 0, UINT64_MAX / 2);
        if (member(rd, "total_steps") != NULL)
            bad(rd, "total_steps", "absent in mode \"episodic\"");
    } else {
        job->total = get_u64(rd, "total_steps", 0, UINT64_MAX / 2);
        if (member(rd, "total_iterations") != NULL)
            bad(rd, "total_iterations", "absent in mode \"continuous\"");
    }
    if (strcmp(job->task, "rl.train") == 0 && job->total == 0)
        bad(rd, job->episodic ? "total_iterations" : "total_steps", "at least 1");
}

static const char *const known_members[] = {"version",
                                            "job",
                                            "dir",
                                            "role",
                                            "task",
                                            "plugins",
                                            "env",
                                            "algorithm",
                                            "engine",
                                            "spec",
                                            "solve",
                                            "seed",
                                            "threads",
                                            "n_envs",
                                            "mode",
                                            "total_steps",
                                            "total_iterations",
                                            "time_limit",
                                            "obs_norm",
                                            "reward_norm",
                                            "norm_gamma",
                                            "eval",
                                            "target",
                                            "checkpoint",
                                            "pace_ms",
                                            "numerics",
                                            "resume",
                                            "init_policy",
                                            "policy",
                                            "evaluate",
                                            "limits",
                                            "confine",
                                            NULL};

static void read_evaluate(struct rd *rd, struct wjob *job)
{
    const json_t *object = get_object(rd, "evaluate");

    if (rd->st == LATHE_OK)
        rd->st = weval_parse(object, "evaluate", &job->evaluate, rd->err);
}

static void read_all(struct rd *rd, struct wjob *job)
{
    only(rd, known_members);
    if (get_u64(rd, "version", 1, UINT64_MAX) != 1)
        bad(rd, "version", "1");
    job->id = get_text(rd, "job", "");
    job->dir = get_text(rd, "dir", "");
    job->role = get_text(rd, "role", "run");
    job->task = get_text(rd, "task", "");
    if (job->dir[0] != '/')
        bad(rd, "dir", "an absolute directory");
    if (job->task[0] == '\0' && strcmp(job->role, "run") == 0)
        bad(rd, "task", "text");
    read_plugins(rd, job);
    read_component(rd, "env", &job->env);
    read_component(rd, "algorithm", &job->algorithm);
    read_component(rd, "engine", &job->engine);
    job->spec = (json_t *)(uintptr_t)get_object(rd, "spec");
    job->solve = (json_t *)(uintptr_t)get_object(rd, "solve");
    job->seed = get_u64(rd, "seed", 0, INT64_MAX);
    job->threads = get_u32(rd, "threads", 1, 1, 1024);
    job->n_envs = get_u32(rd, "n_envs", 1, 1, 1u << 20);
    read_totals(rd, job);
    job->obs_norm = get_bool(rd, "obs_norm", 0);
    job->reward_norm = get_bool(rd, "reward_norm", 0);
    job->norm_gamma = get_double(rd, "norm_gamma", 0.99);
    read_train_eval(rd, &job->eval);
    read_evaluate(rd, job);
    read_small_objects(rd, job);
    job->pace_ms = get_u32(rd, "pace_ms", 0, 0, 60000);
    job->fast = get_choice(rd, "numerics", "strict", "fast");
    read_resume(rd, job);
    job->init_policy = get_text(rd, "init_policy", NULL);
    job->policy = get_text(rd, "policy", NULL);
    read_limits(rd, &job->limits);
}

int32_t wjob_parse(const char *text, size_t len_bytes, struct wjob *job, struct lathe_error *err)
{
    json_error_t jerr;
    struct rd rd = {NULL, "", err, LATHE_OK};

    memset(job, 0, sizeof *job);
    job->root = json_loadb(text, len_bytes, JSON_REJECT_DUPLICATES, &jerr);
    if (job->root == NULL)
        return fail(err, LATHE_E_INVALID, "job file line %d: %s", jerr.line, jerr.text);
    if (!json_is_object(job->root)) {
        wjob_close(job);
        return fail(err, LATHE_E_INVALID, "job file: not an object");
    }
    rd.object = job->root;
    read_all(&rd, job);
    if (rd.st != LATHE_OK)
        wjob_close(job);
    return rd.st;
}

int32_t wjob_open(const char *path, struct wjob *job, struct lathe_error *err)
{
    char *text = NULL;
    size_t len = 0;
    int32_t st;

    memset(job, 0, sizeof *job);
    if ((st = io_read_file(path, JOB_FILE_MAX, &text, &len, err)) != LATHE_OK)
        return st;
    st = wjob_parse(text, len, job, err);
    mem_free(text);
    return st;
}

void wjob_close(struct wjob *job)
{
    if (job == NULL)
        return;
    json_decref(job->env.options);
    json_decref(job->algorithm.options);
    json_decref(job->engine.options);
    json_decref(job->resume);
    json_decref(job->root);
    mem_free(job->plugins);
    memset(job, 0, sizeof *job);
}
