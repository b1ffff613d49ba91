/* Training without a server: plugins are probed, a job file is written, and a worker runs it in
 * standalone mode. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/env.h"

extern char **environ;

/* A usable component: its file and its description. */
struct found {
    char *path;
    json_t *component;
};

struct local {
    struct ctl *ctl;
    char worker[4096];
    struct found env, algorithm, engine;
    struct ctl_progress progress;
    json_t *last; /* the worker's closing line */
};

/* ---- a child and its output, line by line ---- */

typedef void (*line_fn)(void *user, const char *line);

static int run_lines(char *const argv[], line_fn fn, void *user)
{
    posix_spawn_file_actions_t actions;
    struct strbuf line;
    char block[8192];
    int fds[2], status = -1;
    ssize_t n, i;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (errno) {
        ctl_error("%s cannot be started: %s", argv[0], strerror(errno));
        close(fds[0]);
        return -1;
    }
    strbuf_init(&line);
    while ((n = read(fds[0], block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
        for (i = 0; i < n; i++) {
            if (block[i] != '\n') {
                strbuf_addc(&line, block[i]);
                continue;
            }
            fn(user, line.data);
            strbuf_clear(&line);
        }
    if (line.len_bytes)
        fn(user, line.data);
    strbuf_fini(&line);
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- plugins ---- */

struct probe {
    json_t *reply;
};

static void take_probe(void *user, const char *line)
{
    struct probe *p = user;

    if (!p->reply && json_parse_text(line, strlen(line), NULL, &p->reply, NULL) != LATHE_OK)
        p->reply = NULL;
}

static void take_component(struct found *found, const json_t *component, const char *path,
                           const char *kind, const char *name)
{
    if (found->component || strcmp(json_member_string(component, "kind", ""), kind) != 0 ||
        (name && strcmp(json_member_string(component, "name", ""), name) != 0))
        return;
    found->component = json_deep_copy(component);
    found->path = mem_strdup(path);
}

static void probe_file(struct local *l, char *path)
{
    char *argv[] = {l->worker, (char[]){"--role"}, (char[]){"probe"}, path, NULL};
    const struct ctl *ctl = l->ctl;
    struct probe p = {NULL};
    const json_t *component;
    size_t i;

    run_lines(argv, take_probe, &p);
    json_array_foreach(json_object_get(p.reply, "components"), i, component)
    {
        take_component(&l->env, component, path, LATHE_KIND_ENV, ctl_value(ctl, "env", ""));
        take_component(&l->algorithm, component, path, LATHE_KIND_ALGORITHM,
                       ctl_value(ctl, "algo", ""));
        take_component(&l->engine, component, path, LATHE_KIND_ENGINE, NULL);
    }
    json_decref(p.reply);
}

static int is_complete(const struct local *l)
{
    return l->env.component && l->algorithm.component && l->engine.component;
}

static void probe_dir(struct local *l, const char *dir)
{
    char pattern[4200], real[4096];
    glob_t files;
    size_t i;

    snprintf(pattern, sizeof pattern, "%s/*.so", dir);
    if (glob(pattern, 0, NULL, &files) != 0)
        return;
    for (i = 0; i < files.gl_pathc && !is_complete(l); i++)
        if (realpath(files.gl_pathv[i], real))
            probe_file(l, real);
    globfree(&files);
}

static void probe_all(struct local *l, const char *self)
{
    char dir[4200];
    const char *given;
    int i;

    for (i = 0; (given = ctl_value_at(l->ctl, "plugins", i)) != NULL; i++)
        probe_dir(l, given);
    if (is_complete(l))
        return;
    snprintf(dir, sizeof dir, "%s/../plugins", self);
    probe_dir(l, dir);
    if (!is_complete(l))
        probe_dir(l, CTL_PLUGIN_DIR);
}

/* ---- the job file ---- */

static void rename_member(json_t *object, const char *from, const char *to)
{
    json_t *value = json_object_get(object, from);

    if (!value)
        return;
    json_object_set(object, to, value);
    json_object_del(object, from);
}

/* A run request in the words of a worker's job file; takes body. */
static json_t *job_of(const struct local *l, json_t *body, const char *dir)
{
    json_t *plugins = json_array();
    const json_t *describe = json_object_get(l->algorithm.component, "describe");

    json_array_append_new(plugins, json_pack("{s:s}", "path", l->env.path));
    if (strcmp(l->env.path, l->algorithm.path) != 0)
        json_array_append_new(plugins, json_pack("{s:s}", "path", l->algorithm.path));
    if (json_member_bool(describe, "needs_engine", 0) && l->engine.path)
        json_array_append_new(plugins, json_pack("{s:s}", "path", l->engine.path));
    rename_member(json_object_get(body, "env"), "id", "name");
    rename_member(json_object_get(body, "algorithm"), "id", "name");
    rename_member(json_object_get(body, "eval"), "every", "interval");
    rename_member(json_object_get(body, "checkpoint"), "every", "interval");
    if (json_object_get(body, "target"))
        json_object_set_new(body, "target",
                            json_pack("{s:s,s:O}", "metric", "mean_return", "value",
                                      json_object_get(body, "target")));
    json_object_del(body, "name");
    json_object_set_new(body, "version", json_integer(1));
    json_object_set_new(body, "job", json_string("local"));
    json_object_set_new(body, "dir", json_string(dir));
    json_object_set_new(body, "role", json_string("run"));
    json_object_set_new(body, "task", json_string("rl.train"));
    json_object_set_new(body, "plugins", plugins);
    if (!json_object_get(body, "n_envs"))
        json_object_set_new(body, "n_envs", json_integer(8));
    return body;
}

/* ---- running ---- */

static void show_eval(struct local *l, json_t *eval)
{
    if (l->ctl->json) {
        json_object_del(eval, "returns");
        ctl_print_json(eval);
        return;
    }
    ctl_progress_clear(&l->progress);
    printf("%10lld  return %.2f ± %.2f over %lld episodes%s\n",
           (long long)json_member_int(eval, "current", 0),
           json_member_float(eval, "mean_return", 0), json_member_float(eval, "std_return", 0),
           (long long)json_member_int(eval, "episodes", 0),
           json_member_bool(eval, "final", 0) ? " (final)" : "");
    fflush(stdout);
}

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
        show_eval(l, data);
    } else if (!strcmp(frame, "PROGRESS") && !l->ctl->json) {
        ctl_progress_show(&l->progress, data);
    } else if (!strcmp(frame, "ERROR")) {
        ctl_progress_clear(&l->progress);
        ctl_error("%s", json_member_string(data, "message", "the worker failed"));
    }
    json_decref(line);
}

static int run_job(struct local *l, const json_t *job, const char *dir)
{
    char file[4200];
    char *argv[] = {l->worker,
                    (char[]){"--role"},
                    (char[]){"run"},
                    (char[]){"--job"},
                    file,
                    (char[]){"--standalone"},
                    NULL};
    char *text = json_dup_text(job, LATHE_JSON_PRETTY, NULL);
    struct lathe_error err = {0};
    int code;

    snprintf(file, sizeof file, "%s/job.json", dir);
    if (!text || io_write_file(file, text, strlen(text), 0600, &err) != LATHE_OK) {
        ctl_error("%s", err.text);
        mem_free(text);
        return CTL_FAILED;
    }
    mem_free(text);
    ctl_progress_init(&l->progress, l->ctl->is_terminal);
    code = run_lines(argv, take_frame, l);
    ctl_progress_clear(&l->progress);
    if (code != 0 || !l->last) {
        ctl_error("the worker ended with status %d", code);
        return CTL_FAILED;
    }
    if (l->ctl->json)
        ctl_print_json(l->last);
    else
        printf("return %.2f ± %.2f, %lld steps in %.1f s (%.0f per second)\n",
               json_member_float(l->last, "eval_mean_return", 0),
               json_member_float(l->last, "eval_std_return", 0),
               (long long)json_member_int(l->last, "env_steps", 0),
               json_member_float(l->last, "wall_seconds", 0), json_member_float(l->last, "sps", 0));
    return CTL_OK;
}

/* --dir, made when need be, or a fresh temporary one. 0 after an error was printed. */
static int run_dir(const struct ctl *ctl, char out[4096])
{
    const char *given = ctl_value(ctl, "dir", NULL), *tmp = getenv("TMPDIR");
    struct lathe_error err = {0};
    char path[4000];

    if (given) {
        if (io_mkdir_p(given, 0755, &err) == LATHE_OK && realpath(given, out))
            return 1;
        ctl_error("%s cannot be used as run directory", given);
        return 0;
    }
    snprintf(path, sizeof path, "%.3900s/lathe-run-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (mkdtemp(path) && realpath(path, out))
        return 1;
    ctl_error("a temporary directory could not be made");
    return 0;
}

static int train_here(struct local *l)
{
    char dir[4096];
    json_t *body;
    int status;

    body = ctl_run_body(l->ctl, json_object_get(l->algorithm.component, "options"),
                        json_object_get(l->env.component, "options"));
    if (!body)
        return CTL_USAGE;
    if (!json_object_get(body, "total_steps") && !json_object_get(body, "total_iterations")) {
        ctl_error("--steps or --iterations is needed");
        json_decref(body);
        return CTL_USAGE;
    }
    if (!run_dir(l->ctl, dir)) {
        json_decref(body);
        return CTL_FAILED;
    }
    body = job_of(l, body, dir);
    status = run_job(l, body, dir);
    if (!ctl_value(l->ctl, "dir", NULL))
        io_remove_tree(dir, NULL);
    json_decref(body);
    return status;
}

static void found_free(struct found *found)
{
    mem_free(found->path);
    json_decref(found->component);
}

int ctl_local(struct ctl *ctl)
{
    struct local l = {.ctl = ctl};
    struct lathe_error err = {0};
    char self[3900];
    int status = CTL_FAILED;

    if (path_self_dir(self, sizeof self, &err) != LATHE_OK) {
        ctl_error("%s", err.text);
        return CTL_FAILED;
    }
    snprintf(l.worker, sizeof l.worker, "%s/lathe-worker", self);
    probe_all(&l, self);
    if (!l.env.component)
        ctl_error("no plugin brings the environment %s", ctl_value(ctl, "env", ""));
    else if (!l.algorithm.component)
        ctl_error("no plugin brings the algorithm %s", ctl_value(ctl, "algo", ""));
    else
        status = train_here(&l);
    found_free(&l.env);
    found_free(&l.algorithm);
    found_free(&l.engine);
    json_decref(l.last);
    return status;
}
