/* lathe-worker: arguments, confinement, plugins, then the role. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/worker/confine.h"
#include "core/worker/probe.h"
#include "core/worker/serve.h"
#include "core/worker/services.h"
#include "core/worker/task.h"
#define LOG_MODULE "worker"
#include "core/base/log.h"

struct arguments {
    const char *role, *job, *file;
    long threads, timeout_ms;
    int standalone;
};

static int usage(void)
{
    fputs("usage: lathe-worker --role run|serve --job FILE [--standalone] [--threads N]\n"
          "       lathe-worker --role probe FILE [--timeout-ms N]\n",
          stderr);
    return 2;
}

static int parse_long(const char *text, long min, long max, long *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= min && *out <= max;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    int i;

    memset(a, 0, sizeof *a);
    a->timeout_ms = 5000;
    for (i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--standalone") == 0) {
            a->standalone = 1;
        } else if (strncmp(argv[i], "--", 2) != 0 && a->file == NULL) {
            a->file = argv[i];
        } else if (value == NULL) {
            return 0;
        } else if (strcmp(argv[i], "--role") == 0) {
            a->role = argv[++i];
        } else if (strcmp(argv[i], "--job") == 0) {
            a->job = argv[++i];
        } else if (strcmp(argv[i], "--threads") == 0) {
            if (!parse_long(argv[++i], 1, 1024, &a->threads))
                return 0;
        } else if (strcmp(argv[i], "--timeout-ms") == 0) {
            if (!parse_long(argv[++i], 1, 600000, &a->timeout_ms))
                return 0;
        } else {
            return 0;
        }
    }
    return a->role != NULL;
}

static int work(const struct arguments *a, const struct wjob *job, struct control *control,
                struct report *report)
{
    struct services services;
    struct worker_services table = {&services.run, &services.metrics, control};
    struct loaded *loaded = NULL;
    struct lathe_error err = {0};
    int code;

    services_init(&services, job, control, report);
    control_busy(control, 1);
    if (load_open(job->plugins, job->n_plugins, &table, &loaded, &err) != LATHE_OK) {
        report_error(report, "load_failed", &err, 0, "");
        return 1;
    }
    control_busy(control, 0);
    code = strcmp(a->role, "serve") == 0 ? serve_run(job, loaded, control, report)
                                         : task_run(job, loaded, control, report);
    load_close(loaded);
    return code;
}

static int with_link(const struct arguments *a, const struct wjob *job)
{
    struct link_channel link;
    struct control control;
    struct report report;
    struct lathe_error err = {0};
    int code = 1;
    int32_t st = a->standalone ? link_channel_open_lines(&link, STDOUT_FILENO, &err)
                               : link_channel_open(&link, LINK_FD, &err);

    if (st != LATHE_OK) {
        log_error("no link", F_STR("reason", err.text));
        return 2;
    }
    if (control_open(&control, &link, &err) == LATHE_OK) {
        report_init(&report, &control);
        code = work(a, job, &control, &report);
        report_flush(&report, 1);
        report_fini(&report);
    } else {
        log_error("worker cannot start", F_STR("reason", err.text));
    }
    control_close(&control);
    link_channel_close(&link);
    return code;
}

static int run_role(const struct arguments *a)
{
    struct lathe_error err = {0};
    struct wjob job;
    int code;

    if (a->job == NULL)
        return usage();
    if (wjob_open(a->job, &job, &err) != LATHE_OK) {
        log_error("job file refused", F_STR("reason", err.text), F_STR("field", err.field));
        return 2;
    }
    if (a->threads > 0)
        job.threads = (uint32_t)a->threads;
    if (confine_apply(&job, a->standalone ? STDERR_FILENO : LINK_FD, &err) != LATHE_OK) {
        log_error("confinement failed", F_STR("reason", err.text));
        wjob_close(&job);
        return 2;
    }
    code = with_link(a, &job);
    wjob_close(&job);
    return code;
}

int main(int argc, char **argv)
{
    struct arguments a;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of the write, not the end */
    if (!parse(argc, argv, &a))
        return usage();
    if (strcmp(a.role, "probe") == 0)
        return a.file != NULL ? probe_run(a.file, (int)a.timeout_ms) : usage();
    if (strcmp(a.role, "probe-child") == 0)
        return a.file != NULL ? probe_child(a.file) : usage();
    if (strcmp(a.role, "run") == 0 || strcmp(a.role, "serve") == 0)
        return run_role(&a);
    return usage();
}
