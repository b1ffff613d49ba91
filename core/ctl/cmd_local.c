/* Training without a server: plugins are found as the server finds them, the same job file is
 * written, and a worker runs it in standalone mode. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/ctl/show.h"
#include "core/job/job_spec.h"
#include "core/json/json.h"
#include "lathe/algorithm.h"
#include "lathe/env.h"

#define DIRS_MAX 16
#define NAMES_MAX 256
#define SETTLE_MS 60000
#define LOG_MAX (64u << 20)

struct local {
    struct ctl *ctl;
    char worker[CTL_PATH_MAX];
    char dir[PATH_MAX]; /* run directory */
    struct loop *loop;
    struct sup *sup;
    struct reg *reg;
    struct show show;
    json_t *last; /* the worker's closing line */
    int has_error;
};

/* ---- plugins ---- */

/* ~/.cache/lathe/probes.json, its directory made; 0 without a home. */
static int cache_path(char out[CTL_PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char dir[CTL_PATH_MAX - 32];
    struct lathe_error err;

    if (cache && cache[0] == '/')
        snprintf(dir, sizeof dir, "%s/lathe", cache);
    else if (home && home[0] == '/')
        snprintf(dir, sizeof dir, "%s/.cache/lathe", home);
    else
        return 0;
    snprintf(out, CTL_PATH_MAX, "%s/probes.json", dir);
    return io_mkdir_p(dir, 0700, &err) == LATHE_OK;
}

/* --plugins, then the directories of this build or installation. */
static int registry_open(struct local *l, const char *self, struct lathe_error *err)
{
    char build[PATH_MAX], installed[PATH_MAX], cache[CTL_PATH_MAX];
    const char *dirs[DIRS_MAX + 3] = {NULL}, *given;
    struct sup_config sup = {.worker_path = l->worker};
    struct reg_config reg = {.dirs = dirs, .worker_path = l->worker};
    int i, n = 0;

    for (i = 0; n < DIRS_MAX && (given = ctl_value_at(l->ctl, "plugins", i)) != NULL; i++)
        dirs[n++] = given;
    snprintf(build, sizeof build, "%.3800s/../plugins", self);
    snprintf(installed, sizeof installed, "%.3800s/%s", self, CTL_PLUGIN_RELPATH);
    dirs[n++] = build;
    dirs[n++] = installed;
    reg.cache_path = cache_path(cache) ? cache : NULL;
    if (loop_open(&l->loop, err) != LATHE_OK || sup_open(l->loop, &sup, &l->sup, err) != LATHE_OK)
        return 0;
    reg.loop = l->loop;
    reg.sup = l->sup;
    if (reg_open(&reg, &l->reg, err) != LATHE_OK)
        return 0;
    reg_scan(l->reg, 0);
    if (!reg_settle(l->reg, SETTLE_MS))
        ctl_error("some plugins were not probed in time");
    return 1;
}

struct names {
    const char *list[NAMES_MAX + 1];
    size_t n;
};

static int32_t take_name(void *user, const struct lathe_component_info *component)
{
    struct names *names = user;

    if (names->n < NAMES_MAX)
        names->list[names->n++] = component->name;
    return 0;
}

/* The option table of a component as JSON, new reference; NULL after an error was printed. */
static json_t *options_of(struct local *l, const char *kind, const char *word, const char *name)
{
    const struct lathe_component_info *component = reg_find(l->reg, kind, name, NULL);
    struct names names = {.n = 0};
    const char *nearest;
    json_t *options = NULL;

    if (component) {
        if (json_parse_text(component->options, strlen(component->options), NULL, &options, NULL) !=
            LATHE_OK)
            options = json_array();
        return options;
    }
    reg_components(l->reg, kind, take_name, &names);
    nearest = ctl_nearest(names.list, name);
    if (nearest)
        ctl_fail(l->ctl, "not_found", "no plugin brings the %s %s, did you mean %s?", word, name,
                 nearest);
    else
        ctl_fail(l->ctl, "not_found",
                 "no plugin brings the %s %s; add its directory with --plugins", word, name);
    return NULL;
}

/* ---- the worker ---- */

static void take_frame(void *user, const char *text)
{
    struct local *l = user;
    json_t *line = NULL, *data;
    const char *frame;

    if (json_parse_text(text, strlen(text), NULL, &line, NULL) != LATHE_OK)
        return;
    data = json_object_get(line, "data");
    frame = json_member_string(line, "frame", NULL);
    if (!frame) {
        json_decref(l->last);
        l->last = json_incref(line);
    } else if (!strcmp(frame, "EVAL")) {
        show_eval(&l->show, data);
    } else if (!strcmp(frame, "PROGRESS")) {
        show_progress(&l->show, data);
    } else if (!strcmp(frame, "ERROR")) {
        show_clear(&l->show);
        l->has_error = 1;
        ctl_fail(l->ctl, json_member_string(data, "id", "failed"), "%s",
                 json_member_string(data, "message", "the worker failed"));
    }
    json_decref(line);
}

/* What the worker logged last, when it ended without a frame that tells why. */
static void report_end(const struct local *l, const char *log_file, int code)
{
    json_t *line = NULL;
    char *text = NULL, *end, *start;
    size_t len = 0;

    ctl_fail(l->ctl, "worker_failed", "the worker ended with status %d", code);
    if (io_read_file(log_file, LOG_MAX, &text, &len, NULL) != LATHE_OK)
        return;
    for (end = text + len; end > text && end[-1] == '\n'; end--)
        end[-1] = '\0';
    start = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    if (json_parse_text(start, strlen(start), NULL, &line, NULL) == LATHE_OK)
        ctl_error("%s: %s", json_member_string(line, "msg", "worker"),
                  json_member_string(line, "reason", start));
    else if (start[0])
        ctl_error("%s", start);
    json_decref(line);
    mem_free(text);
}

static int show_end(const struct local *l)
{
    const json_t *last = l->last;
    char took[32], speed[32];

    if (l->ctl->json) {
        json_object_set_new(
            l->last, "policy_sha256",
            json_string(json_member_string(json_object_get(last, "artifact"), "sha256", "")));
        ctl_print_json(last);
        return CTL_OK;
    }
    render_duration(json_member_float(last, "wall_seconds", 0), took);
    render_count(json_member_float(last, "sps", 0), speed);
    printf("return %.2f %s %.2f, %lld steps in %s (%s per second)\n",
           json_member_float(last, "eval_mean_return", 0), l->ctl->is_utf8 ? "±" : "+/-",
           json_member_float(last, "eval_std_return", 0),
           (long long)json_member_int(last, "env_steps", 0), took, speed);
    if (ctl_has(l->ctl, "dir"))
        printf("policy and checkpoints: %s\n", l->dir);
    return CTL_OK;
}

static int show_interrupted(const struct local *l)
{
    if (ctl_has(l->ctl, "dir"))
        return ctl_fail(l->ctl, "interrupted", "interrupted; its checkpoint is in %s", l->dir);
    return ctl_fail(l->ctl, "interrupted", "interrupted; --dir DIR would have kept a checkpoint");
}

static int run_job(struct local *l, const json_t *job)
{
    char file[PATH_MAX + 16], log_file[PATH_MAX + 16];
    const char *argv[] = {l->worker, "--role", "run", "--job", file, "--standalone", NULL};
    struct ctl_child child = {argv, log_file, take_frame, l};
    char *text = json_dup_text(job, LATHE_JSON_PRETTY, NULL);
    struct lathe_error err = {0};
    int code, was_interrupted = 0;

    snprintf(file, sizeof file, "%s/job.json", l->dir);
    snprintf(log_file, sizeof log_file, "%s/worker.log", l->dir);
    if (!text || io_write_file(file, text, strlen(text), 0600, &err) != LATHE_OK) {
        mem_free(text);
        return ctl_fail(l->ctl, "io", "%s", err.text);
    }
    mem_free(text);
    show_init(&l->show, l->ctl);
    ctl_interrupts_begin(l->ctl);
    code = ctl_child_run(l->ctl, &child, &was_interrupted);
    ctl_interrupts_end(l->ctl);
    show_clear(&l->show);
    if (was_interrupted)
        return show_interrupted(l);
    if (code == 0 && l->last)
        return show_end(l);
    if (!l->has_error)
        report_end(l, log_file, code);
    return CTL_FAILED;
}

/* --dir, made when need be, or a fresh temporary one. 0 after an error was printed. */
static int run_dir_open(struct local *l)
{
    const char *given = ctl_value(l->ctl, "dir", NULL), *tmp = getenv("TMPDIR");
    struct lathe_error err = {0};
    char path[4000];

    if (given) {
        if (io_mkdir_p(given, 0755, &err) == LATHE_OK && realpath(given, l->dir))
            return 1;
        ctl_fail(l->ctl, "io", "%s cannot be used as run directory", given);
        return 0;
    }
    snprintf(path, sizeof path, "%.3900s/lathe-run-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (mkdtemp(path) && realpath(path, l->dir))
        return 1;
    ctl_fail(l->ctl, "io", "a temporary directory cannot be made: %s", strerror(errno));
    return 0;
}

/* Checks the request as the server does and runs it; takes nothing. */
static int train_here(struct local *l, const json_t *body)
{
    struct job_spec_run run = {.id = "local", .dir = l->dir, .role = "run", .is_confined = 1};
    json_t *given = ctl_run_spec(body), *spec = NULL, *job = NULL;
    struct lathe_error err = {0};
    int status;

    if (job_spec_resolve(l->reg, given, &spec, &err) != LATHE_OK)
        status = ctl_fail(l->ctl, "invalid", "%s", err.text);
    else if (!run_dir_open(l))
        status = CTL_FAILED;
    else if (job_spec_worker(l->reg, spec, &run, &job, &err) != LATHE_OK)
        status = ctl_fail(l->ctl, "invalid", "%s", err.text);
    else
        status = run_job(l, job);
    if (l->dir[0] && !ctl_has(l->ctl, "dir"))
        io_remove_tree(l->dir, NULL);
    json_decref(job);
    json_decref(spec);
    json_decref(given);
    return status;
}

static int train_with(struct local *l)
{
    json_t *env = options_of(l, LATHE_KIND_ENV, "environment", ctl_value(l->ctl, "env", ""));
    json_t *algorithm = NULL, *body = NULL;
    int status = CTL_FAILED;

    if (env)
        algorithm = options_of(l, LATHE_KIND_ALGORITHM, "algorithm", ctl_value(l->ctl, "algo", ""));
    if (algorithm) {
        body = ctl_run_body(l->ctl, algorithm, env);
        status = body ? train_here(l, body) : CTL_USAGE;
    }
    json_decref(body);
    json_decref(algorithm);
    json_decref(env);
    return status;
}

int ctl_local(struct ctl *ctl)
{
    struct local *l = mem_new(struct local);
    struct lathe_error err = {0};
    char self[3900];
    int status = CTL_FAILED;

    if (!l)
        return ctl_fail(ctl, "no_memory", "out of memory");
    l->ctl = ctl;
    if (path_self_dir(self, sizeof self, &err) != LATHE_OK)
        ctl_fail(ctl, "io", "%s", err.text);
    else if (ctl_program("lathe-worker", l->worker))
        status = registry_open(l, self, &err) ? train_with(l)
                                              : ctl_fail(ctl, "internal", "%s", err.text);
    reg_close(l->reg);
    sup_close(l->sup);
    loop_close(l->loop);
    json_decref(l->last);
    mem_free(l);
    return status;
}
