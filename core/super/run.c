/* A program run to its end with its output captured: the probe. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/super/spawn.h"
#include "core/super/super_internal.h"

struct sup_run_state {
    struct sup_run_state *prev, *next;
    struct sup *sup;
    struct sup_run run; /* argv is not kept */
    pid_t pid;
    int pidfd, fd;
    struct event *on_exit, *on_read, *on_timeout;
    struct strbuf out;
    int has_timed_out, is_too_long;
};

static void run_free(struct sup_run_state *r)
{
    if (r->prev != NULL)
        r->prev->next = r->next;
    else if (r->sup->first_run == r)
        r->sup->first_run = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    if (r->on_exit != NULL)
        event_free(r->on_exit);
    if (r->on_read != NULL)
        event_free(r->on_read);
    if (r->on_timeout != NULL)
        event_free(r->on_timeout);
    if (r->pidfd >= 0)
        close(r->pidfd);
    if (r->fd >= 0)
        close(r->fd);
    strbuf_fini(&r->out);
    mem_free(r);
}

static int run_read(struct sup_run_state *r)
{
    char buf[16384];
    ssize_t n = read(r->fd, buf, sizeof buf);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? -1 : 0;
    if (r->out.len_bytes + (size_t)n > r->run.max_bytes) {
        r->is_too_long = 1;
        spawn_signal(r->pid, SIGKILL);
        return 0;
    }
    strbuf_add(&r->out, buf, (size_t)n);
    return 1;
}

static void on_run_read(evutil_socket_t fd, short what, void *arg)
{
    struct sup_run_state *r = arg;
    (void)fd;
    (void)what;
    if (run_read(r) == 0)
        event_del(r->on_read);
}

static int32_t run_outcome(const struct sup_run_state *r, int32_t exit_code, int32_t signal_number,
                           struct lathe_error *err)
{
    if (r->has_timed_out)
        return fail(err, LATHE_E_TIMEOUT, "did not end within %u ms", r->run.timeout_ms);
    if (r->is_too_long || r->out.failed)
        return fail(err, LATHE_E_LIMIT, "printed more than %zu bytes", r->run.max_bytes);
    if (signal_number != 0)
        return fail(err, LATHE_E_INTERNAL, "ended by signal %d (%s)", signal_number,
                    strsignal(signal_number));
    if (exit_code != 0 && r->out.len_bytes == 0)
        return fail(err, LATHE_E_INTERNAL, "ended with exit code %d", exit_code);
    return LATHE_OK;
}

static void on_run_exit(evutil_socket_t fd, short what, void *arg)
{
    struct sup_run_state *r = arg;
    struct lathe_error err = {0};
    int32_t exit_code, signal_number, st;

    (void)what;
    spawn_signal(r->pid, SIGKILL);
    spawn_reap(fd, &exit_code, &signal_number);
    while (!r->is_too_long && run_read(r) == 1)
        ;
    st = run_outcome(r, exit_code, signal_number, &err);
    r->run.done(r->run.user, st, r->out.data, r->out.len_bytes, &err);
    run_free(r);
}

static void on_run_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct sup_run_state *r = arg;
    (void)fd;
    (void)what;
    r->has_timed_out = 1;
    spawn_signal(r->pid, SIGKILL);
}

static int32_t run_events(struct sup_run_state *r, struct lathe_error *err)
{
    struct event_base *base = loop_base(r->sup->loop);
    struct timeval tv = {r->run.timeout_ms / 1000, (int)(r->run.timeout_ms % 1000) * 1000};
    r->on_exit = event_new(base, r->pidfd, EV_READ, on_run_exit, r);
    r->on_read = event_new(base, r->fd, EV_READ | EV_PERSIST, on_run_read, r);
    r->on_timeout = evtimer_new(base, on_run_timeout, r);
    if (r->on_exit == NULL || r->on_read == NULL || r->on_timeout == NULL ||
        event_add(r->on_exit, NULL) != 0 || event_add(r->on_read, NULL) != 0 ||
        event_add(r->on_timeout, &tv) != 0)
        return fail(err, LATHE_E_NOMEM, "watch program");
    return LATHE_OK;
}

static int32_t run_spawn(struct sup_run_state *r, struct lathe_error *err)
{
    int fds[2];
    int32_t st, code, signal_number;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return fail_errno(err, errno, "open pipe");
    r->fd = fds[0];
    if (evutil_make_socket_nonblocking(r->fd) != 0)
        st = fail_errno(err, errno, "open pipe");
    else
        st = spawn_start(&(struct spawn_spec){r->run.argv, -1, fds[1], NULL}, &r->pid, &r->pidfd,
                         err);
    close(fds[1]);
    if (st == LATHE_OK && (st = run_events(r, err)) != LATHE_OK) {
        spawn_signal(r->pid, SIGKILL);
        spawn_reap(r->pidfd, &code, &signal_number);
    }
    return st;
}

int32_t sup_run(struct sup *sup, const struct sup_run *run, struct lathe_error *err)
{
    struct sup_run_state *r = mem_new(struct sup_run_state);
    int32_t st;

    if (r == NULL)
        return fail(err, LATHE_E_NOMEM, "start %s", run->argv[0]);
    r->sup = sup;
    r->run = *run;
    r->pidfd = r->fd = -1;
    strbuf_init(&r->out);
    if ((st = run_spawn(r, err)) != LATHE_OK) {
        run_free(r);
        return st;
    }
    r->run.argv = NULL;
    if ((r->next = sup->first_run) != NULL)
        sup->first_run->prev = r;
    sup->first_run = r;
    return LATHE_OK;
}

void sup_runs_close(struct sup *sup)
{
    int32_t code, signal_number;
    while (sup->first_run != NULL) {
        spawn_signal(sup->first_run->pid, SIGKILL);
        spawn_reap(sup->first_run->pidfd, &code, &signal_number);
        run_free(sup->first_run);
    }
}
