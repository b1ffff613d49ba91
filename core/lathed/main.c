/* lathed: the server. Reads the command line and the configuration, opens the parts, runs the loop,
 * and closes everything in reverse. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/http/auth.h"
#include "core/job/job.h"
#include "core/lathed/lathed.h"

#undef LOG_MODULE
#define LOG_MODULE "lathed"

#define EXIT_USAGE 2

static int complain(const struct lathe_error *err)
{
    fprintf(stderr, "lathed: %s\n", err->text);
    return 1;
}

/* ---- the end ---- */

static void on_drained(void *user)
{
    struct lathed *d = user;
    if (--d->n_draining == 0)
        loop_end(d->parts.loop);
}

static void end_begin(struct lathed *d)
{
    uint32_t grace_ms =
        (uint32_t)config_int(config_group(config_root(d->config), "server"), "drain_ms");

    if (d->is_ending) { /* asked twice: at once */
        loop_end(d->parts.loop);
        return;
    }
    d->is_ending = 1;
    log_info("server is ending", F_INT("grace_ms", grace_ms));
    d->n_draining = 2;
    http_server_drain(d->http, grace_ms, on_drained, d);
    jobs_drain(d->parts.jobs, grace_ms, on_drained, d);
}

/* ---- signals ---- */

static void on_end_signal(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    end_begin(arg);
}

static void log_configure(const struct config *config)
{
    const struct config_group *log = config_group(config_root(config), "log");
    int32_t level = LATHE_LOG_INFO;
    if (log_level_parse(config_string(log, "level"), &level))
        log_set_level(level);
}

/* Takes what may change while the server runs; the rest is named in the log when it differs. */
static void reload(struct lathed *d)
{
    struct lathe_error err = {0};
    struct config *next = NULL;
    const struct config_group *workers;

    if (log_reopen(&err) != LATHE_OK)
        log_error("log was not reopened", F_STR("reason", err.text));
    if (settings_load(d->args.config_path, &next, &err) != LATHE_OK) {
        log_error("configuration was not reloaded, the old one stays", F_STR("reason", err.text));
    } else {
        /* the old snapshot lives on: listeners and others borrow from it */
        log_configure(next);
        workers = config_group(config_root(next), "workers");
        jobs_set_limits(d->parts.jobs, (uint32_t)config_int(workers, "slots"),
                        (uint32_t)config_int(workers, "queue"));
        log_info(
            "configuration reloaded: log.level, workers.slots, workers.queue; the rest waits for a "
            "restart",
            F_NONE);
        config_free(next);
    }
    reg_scan(d->parts.reg, 1);
}

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    reload(arg);
}

static int32_t signals_open(struct lathed *d, struct lathe_error *err)
{
    struct event_base *base = loop_base(d->parts.loop);
    d->signals[0] = evsignal_new(base, SIGTERM, on_end_signal, d);
    d->signals[1] = evsignal_new(base, SIGINT, on_end_signal, d);
    d->signals[2] = evsignal_new(base, SIGHUP, on_hangup, d);
    for (size_t i = 0; i < 3; i++)
        if (d->signals[i] == NULL || event_add(d->signals[i], NULL) != 0)
            return fail(err, LATHE_E_NOMEM, "watch signals");
    return LATHE_OK;
}

static void signals_close(struct lathed *d)
{
    for (size_t i = 0; i < 4; i++)
        if (d->signals[i] != NULL)
            event_free(d->signals[i]);
}

/* Beside busy workers a wake-up waits for a scheduler tick; real-time priority avoids that. */
static void priority_raise(void)
{
    const struct sched_param param = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0)
        log_info("no real-time priority for the loop: answers wait for a tick beside busy workers",
                 F_STR("reason", strerror(errno)));
}

/* ---- one-shot commands ---- */

static int print_schema(int32_t (*write)(const struct config_section *, struct strbuf *))
{
    struct strbuf out;
    int32_t st;
    strbuf_init(&out);
    if ((st = write(settings_schema(), &out)) == LATHE_OK)
        fwrite(out.data, 1, out.len_bytes, stdout);
    strbuf_fini(&out);
    return st == LATHE_OK ? 0 : 1;
}

static int token_make(struct lathed *d)
{
    struct lathe_error err = {0};
    char text[HTTP_TOKEN_TEXT];
    char **scopes = settings_words(d->args.token_scopes != NULL ? d->args.token_scopes : "*:admin");
    int32_t st = scopes != NULL ? http_auth_create(d->parts.auth, d->args.token_name, NULL,
                                                   (const char *const *)scopes, 0, text, &err)
                                : fail(&err, LATHE_E_NOMEM, "make token");
    settings_words_free(scopes);
    if (st != LATHE_OK)
        return complain(&err);
    printf("%s\n", text);
    return 0;
}

static int check(const struct lathed *d)
{
    char address[128];
    uint16_t port;
    if (d->args.listen != NULL &&
        !settings_split_address(d->args.listen, address, sizeof address, &port)) {
        fprintf(stderr, "lathed: %s is not ADDRESS:PORT\n", d->args.listen);
        return 1;
    }
    printf("%s: the configuration is right\n",
           d->args.config_path != NULL ? d->args.config_path : "defaults");
    return 0;
}

/* ---- serving ---- */

static int32_t log_start(const struct lathed *d, struct lathe_error *err)
{
    const struct config_group *log = config_group(config_root(d->config), "log");
    int32_t level = LATHE_LOG_INFO;
    if (!log_level_parse(config_string(log, "level"), &level))
        level = LATHE_LOG_INFO;
    return log_open(config_string(log, "file"), level, err);
}

static int32_t serve_all(struct lathed *d, struct lathe_error *err)
{
    int32_t st;
    if ((st = signals_open(d, err)) != LATHE_OK || (st = lathed_http_open(d, err)) != LATHE_OK)
        return st;
    priority_raise();
    jobs_start(d->parts.jobs);
    d->is_ready = 1;
    lathed_ready_line(d);
    loop_run(d->parts.loop);
    log_info("server ended", F_NONE);
    return LATHE_OK;
}

static int run(struct lathed *d)
{
    struct lathe_error err = {0};
    int code = 0;
    int32_t st;

    if ((st = log_start(d, &err)) == LATHE_OK &&
        (st = settings_paths(d->config, &d->args, &d->paths, &err)) == LATHE_OK &&
        (st = lathed_parts_open(d, &err)) == LATHE_OK) {
        if (d->args.token_name != NULL)
            code = token_make(d);
        else
            st = serve_all(d, &err);
    }
    if (st != LATHE_OK)
        code = complain(&err);
    lathed_http_close(d);
    signals_close(d);
    lathed_parts_close(d);
    settings_paths_fini(&d->paths);
    log_close();
    return code;
}

static int command(struct lathed *d)
{
    struct lathe_error err = {0};
    int code;

    if (d->args.is_help)
        return fputs(arguments_help, stdout) < 0;
    if (d->args.is_version)
        return printf("lathed %s (SDK %d.%d)\n", LATHE_VERSION_STRING, LATHE_ABI_MAJOR,
                      LATHE_ABI_MINOR) < 0;
    if (d->args.is_default_config)
        return print_schema(config_schema_to_conf);
    if (d->args.is_reference)
        return print_schema(config_schema_to_markdown);
    if (settings_load(d->args.config_path, &d->config, &err) != LATHE_OK)
        return complain(&err);
    code = d->args.is_check ? check(d) : run(d);
    config_free(d->config);
    return code;
}

int main(int argc, char **argv)
{
    struct lathed *d = mem_new(struct lathed);
    struct lathe_error err = {0};
    int code = EXIT_USAGE;

    if (d == NULL)
        return 1;
    d->start_ns = clock_mono_ns();
    d->lock_fd = -1;
    signal(SIGPIPE, SIG_IGN);
    if (arguments_parse(argc, argv, &d->args, &err) != LATHE_OK)
        (void)complain(&err);
    else
        code = command(d);
    mem_free(d);
    return code;
}
