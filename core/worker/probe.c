/* Describing a plugin file. The file runs in a child of this process, so a crash is an answer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/describe.h"
#include "core/worker/load.h"

#define OUT_MAX (4u * 1024u * 1024u)

static void print_text(const char *text)
{
    struct lathe_error err;

    if (io_write_all(STDOUT_FILENO, text, strlen(text), &err) != LATHE_OK)
        _exit(1);
}

static void print_json(json_t *value)
{
    char *text = json_dup_text(value, 0, NULL);

    print_text(text != NULL ? text : "{\"ok\":false,\"path\":\"\",\"reason\":\"no memory\"}");
    print_text("\n");
    mem_free(text);
}

static void print_refusal(const char *file, const char *reason)
{
    json_t *out = json_pack("{s:b,s:s,s:s}", "ok", 0, "path", file, "reason", reason);

    print_json(out);
    json_decref(out);
}

static void phase(const char *name, const char *detail)
{
    char line[256];

    snprintf(line, sizeof line, "#%s%s%s\n", name, detail[0] != '\0' ? " " : "", detail);
    print_text(line);
}

/* ---- the child --------------------------------------------------------------------------------
 */

static json_t *describe_default_env(const struct lathe_component *c, const struct lathe_host *host)
{
    struct lathe_error err = {0};
    struct params *params = NULL;
    struct vec *vec = NULL;
    json_t *out = NULL;

    phase("open", c->name);
    if (params_new(c->options, NULL, &params, &err) == LATHE_OK) {
        struct vec_args args = {c->vtable, host, params_table(params), NULL, 1, -1};

        if (vec_open(&args, &vec, &err) == LATHE_OK)
            out = describe_env(vec);
    }
    if (out == NULL)
        out = json_pack("{s:s}", "error", err.text);
    vec_close(vec);
    params_free(params);
    return out;
}

static void add_describe(json_t *component, const struct lathe_component *c,
                         const struct lathe_host *host)
{
    json_t *describe = NULL;

    if (strcmp(c->kind, LATHE_KIND_ENV) == 0)
        describe = describe_default_env(c, host);
    else if (strcmp(c->kind, LATHE_KIND_ALGORITHM) == 0)
        describe = describe_algorithm(c->vtable);
    if (describe != NULL)
        json_object_set_new(component, "describe", describe);
}

/* The flat record of the registry in the shape that the probe promises. */
static json_t *reshape(json_t *flat)
{
    static const char *const moved[] = {"id", "version", "license", "summary", "abi", NULL};
    json_t *plugin = json_object();
    size_t i;

    for (i = 0; moved[i] != NULL; i++) {
        json_object_set(plugin, moved[i], json_object_get(flat, moved[i]));
        json_object_del(flat, moved[i]);
    }
    json_object_set_new(flat, "plugin", plugin);
    json_object_set_new(flat, "ok", json_true());
    return flat;
}

static int32_t child_work(const char *path, struct lathe_error *err)
{
    struct worker_services services = {0};
    struct plugin_file *file = NULL;
    const struct lathe_host *host;
    json_t *out;
    size_t i;
    int32_t st;

    phase("load", "");
    if ((st = plugin_open(path, &file, err)) != LATHE_OK)
        return st;
    host = host_new(file->entry->id, &services);
    if (host == NULL)
        return fail(err, LATHE_E_NOMEM, "probe %s", path);
    if (plugin_runs_in(file, KIND_IN_WORKER)) {
        phase("init", "");
        if ((st = plugin_init(file, host, err)) != LATHE_OK)
            return st;
    }
    out = reshape(plugin_describe(file));
    for (i = 0; file->entry->components[i] != NULL; i++)
        add_describe(json_array_get(json_object_get(out, "components"), i),
                     file->entry->components[i], host);
    phase("fini", "");
    plugin_fini(file);
    print_json(out);
    json_decref(out);
    plugin_close(file);
    host_free(host);
    return LATHE_OK;
}

static void limit_child(void)
{
    struct rlimit core = {0, 0}, cpu = {30, 30};

    /* failing to limit is no reason to refuse the file: the parent has the clock */
    if (setrlimit(RLIMIT_CORE, &core) != 0 || setrlimit(RLIMIT_CPU, &cpu) != 0)
        phase("unlimited", "");
}

int probe_child(const char *file)
{
    struct lathe_error err = {0};

    limit_child();
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (child_work(file, &err) != LATHE_OK)
        print_refusal(file, err.text);
    return 0;
}

/* ---- the parent -------------------------------------------------------------------------------
 */

static int32_t spawn_child(const char *file, pid_t *pid, int *fd, struct lathe_error *err)
{
    char self[] = "/proc/self/exe", role[] = "--role", probe[] = "probe-child";
    char *path = mem_strdup(file);
    char *argv[] = {self, role, probe, path, NULL};
    posix_spawn_file_actions_t actions;
    int pipes[2], r;

    if (path == NULL || pipe2(pipes, O_CLOEXEC) != 0) {
        mem_free(path);
        return fail_errno(err, errno, "pipe");
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    r = posix_spawn(pid, self, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    mem_free(path);
    close(pipes[1]);
    if (r != 0) {
        close(pipes[0]);
        return fail_errno(err, r, "start the probe");
    }
    *fd = pipes[0];
    return LATHE_OK;
}

/* Reads until the end, the deadline or the limit; returns 1 at the end. */
static int read_all(int fd, int timeout_ms, struct strbuf *out)
{
    int64_t deadline_ns = clock_mono_ns() + (int64_t)timeout_ms * 1000000;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_ms = (deadline_ns - clock_mono_ns()) / 1000000;
        char buf[8192];
        ssize_t n;

        if (left_ms <= 0 || out->len_bytes > OUT_MAX)
            return 0;
        if (poll(&p, 1, (int)left_ms) <= 0)
            continue;
        n = read(fd, buf, sizeof buf);
        if (n == 0)
            return 1;
        if (n > 0)
            strbuf_add(out, buf, (size_t)n);
        else if (errno != EINTR)
            return 1;
    }
}

/* The last phase line, and where the object starts (NULL without one). */
static const char *find_object(const struct strbuf *out, char last_phase[96])
{
    const char *line = out->data;

    snprintf(last_phase, 96, "start");
    while (*line == '#') {
        const char *end = strchr(line, '\n');

        if (end == NULL)
            return NULL;
        snprintf(last_phase, 96, "%.*s", (int)(end - line - 1), line + 1);
        line = end + 1;
    }
    return *line == '{' && strchr(line, '\n') != NULL ? line : NULL;
}

int probe_run(const char *file, int timeout_ms)
{
    struct lathe_error err = {0};
    struct strbuf out;
    char last_phase[96], reason[256];
    const char *object;
    pid_t pid = -1;
    int fd = -1, status = 0, ended;

    if (spawn_child(file, &pid, &fd, &err) != LATHE_OK) {
        print_refusal(file, err.text);
        return 0;
    }
    strbuf_init(&out);
    ended = read_all(fd, timeout_ms, &out);
    close(fd);
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    object = find_object(&out, last_phase);
    reason[0] = '\0';
    if (!ended)
        snprintf(reason, sizeof reason, "no answer within %d ms in %s", timeout_ms, last_phase);
    else if (WIFSIGNALED(status))
        snprintf(reason, sizeof reason, "signal %d in %s", WTERMSIG(status), last_phase);
    else if (object == NULL)
        snprintf(reason, sizeof reason, "exit code %d in %s", WEXITSTATUS(status), last_phase);
    if (reason[0] != '\0')
        print_refusal(file, reason);
    else
        print_text(object);
    strbuf_fini(&out);
    return 0;
}
