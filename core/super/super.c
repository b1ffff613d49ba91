/* The supervisor of worker processes. A worker is in the list until its process is reaped and its
 * link is read to the end; then the handler's end runs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/super/super.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/super/spawn.h"
#include "core/super/super_internal.h"

#undef LOG_MODULE
#define LOG_MODULE "super"

#define SILENCE_DEFAULT_MS 30000
#define TICK_MS 500
#define WAITING_MAX (8u << 20)
#define LOG_LINES_MAX 64

struct sup_worker {
    struct sup_worker *prev, *next;
    struct sup *sup;
    struct sup_handler handler;
    pid_t pid;
    int pidfd, fd;
    struct event *on_exit, *on_read, *on_write;
    struct link_decoder in;
    struct strbuf out; /* encoded, not yet written; out_pos bytes are gone */
    size_t out_pos;
    uint32_t sequence;
    int64_t last_frame_ns;
    int64_t term_at_ns, kill_at_ns; /* 0: not asked for */
    json_t *hello, *log;
    char *log_path;
    int has_hung, is_link_broken, was_killed, is_busy, has_exited;
    int32_t exit_code, signal_number;
};

static void worker_free(struct sup_worker *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else if (w->sup->first == w)
        w->sup->first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    if (w->on_exit != NULL)
        event_free(w->on_exit);
    if (w->on_read != NULL)
        event_free(w->on_read);
    if (w->on_write != NULL)
        event_free(w->on_write);
    if (w->pidfd >= 0)
        close(w->pidfd);
    if (w->fd >= 0)
        close(w->fd);
    link_decoder_fini(&w->in);
    strbuf_fini(&w->out);
    json_decref(w->hello);
    json_decref(w->log);
    mem_free(w->log_path);
    mem_free(w);
}

/* ---- frames in ---- */

/* Keeps the last lines for a crash report. */
static void log_keep(struct sup_worker *w, const char *line)
{
    if (json_array_size(w->log) >= LOG_LINES_MAX)
        json_array_remove(w->log, 0);
    json_array_append_new(w->log, json_string(line));
}

static void frame_take(struct sup_worker *w, const struct link_frame *frame)
{
    w->last_frame_ns = clock_mono_ns();
    if (frame->type == LINK_HEARTBEAT)
        return;
    if (frame->type == LINK_LOG)
        log_keep(w, frame->payload);
    if (frame->type == LINK_HELLO && w->hello == NULL)
        w->hello = json_loadb(frame->payload, frame->len_bytes, 0, NULL);
    w->handler.frame(w->handler.user, frame);
}

static void link_broken(struct sup_worker *w, const char *reason)
{
    if (w->is_link_broken)
        return;
    w->is_link_broken = 1;
    log_error("link to worker is damaged", F_INT("pid", w->pid), F_STR("reason", reason));
    event_del(w->on_read);
    spawn_signal(w->pid, SIGKILL);
}

static void frames_drain(struct sup_worker *w)
{
    struct lathe_error err = {0};
    struct link_frame frame;
    int32_t r;
    while ((r = link_decoder_next(&w->in, &frame, &err)) == 1)
        frame_take(w, &frame);
    if (r < 0)
        link_broken(w, err.text);
}

/* Reads what is there; 0 at the end of the stream. */
static int link_read(struct sup_worker *w)
{
    struct lathe_error err = {0};
    char buf[65536];
    ssize_t n = read(w->fd, buf, sizeof buf);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    if (n == 0)
        return 0;
    if (link_decoder_feed(&w->in, buf, (size_t)n, &err) != LATHE_OK)
        link_broken(w, err.text);
    else
        frames_drain(w);
    return 1;
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    struct sup_worker *w = arg;
    (void)fd;
    (void)what;
    if (link_read(w) == 0)
        event_del(w->on_read); /* its exit follows */
}

/* ---- frames out ---- */

static void link_write(struct sup_worker *w)
{
    while (w->out_pos < w->out.len_bytes) {
        ssize_t n =
            send(w->fd, w->out.data + w->out_pos, w->out.len_bytes - w->out_pos, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno == EAGAIN)
                event_add(w->on_write, NULL);
            return;
        }
        w->out_pos += (size_t)n;
    }
    w->out_pos = 0;
    strbuf_clear(&w->out);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    link_write(arg);
}

int32_t sup_worker_send(struct sup_worker *w, uint32_t type, const char *json, size_t len_bytes)
{
    int32_t st;
    if (w->has_exited || w->is_link_broken)
        return LATHE_E_UNAVAILABLE;
    if (w->out.len_bytes - w->out_pos > WAITING_MAX)
        return LATHE_E_LIMIT;
    if ((st = link_encode(&w->sequence, type, json, len_bytes, &w->out)) != LATHE_OK)
        return st;
    link_write(w);
    return LATHE_OK;
}

/* ---- the end ---- */

/* Adds the last lines of stderr: sanitizer reports and messages of the C library end up there. */
static void stderr_keep(struct sup_worker *w)
{
    struct lathe_error err = {0};
    char *text = NULL, *line;
    size_t len = 0;

    if (io_read_file(w->log_path, 4u << 20, &text, &len, &err) != LATHE_OK)
        return;
    line = len > 4096 ? text + len - 4096 : text;
    while (line != NULL && *line != '\0') {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (*line != '\0')
            log_keep(w, line);
        line = end != NULL ? end + 1 : NULL;
    }
    mem_free(text);
}

static void worker_over(struct sup_worker *w)
{
    struct sup_end end;
    struct sup_handler handler = w->handler;

    while (!w->is_link_broken && link_read(w) == 1)
        ; /* what it sent before it died */
    if (w->signal_number != 0 || w->exit_code != 0)
        stderr_keep(w);
    end = (struct sup_end){(int32_t)w->pid,   w->exit_code,  w->signal_number, w->has_hung,
                           w->is_link_broken, w->was_killed, w->hello,         w->log};
    w->sup->count--;
    handler.end(handler.user, &end);
    worker_free(w);
}

static void on_exit_event(evutil_socket_t fd, short what, void *arg)
{
    struct sup_worker *w = arg;
    (void)what;
    spawn_signal(w->pid, SIGKILL); /* the rest of its group, should there be one */
    spawn_reap(fd, &w->exit_code, &w->signal_number);
    w->has_exited = 1;
    worker_over(w);
}

void sup_worker_end(struct sup_worker *w, uint32_t term_ms, uint32_t kill_ms)
{
    int64_t now = clock_mono_ns();
    int64_t term_at = now + (int64_t)term_ms * 1000000;
    int64_t kill_at = term_at + (int64_t)kill_ms * 1000000;

    if (w->has_exited)
        return;
    if (w->term_at_ns == 0 || (term_at < w->term_at_ns && w->term_at_ns > 0))
        w->term_at_ns = term_at;
    if (w->kill_at_ns == 0 || kill_at < w->kill_at_ns)
        w->kill_at_ns = kill_at;
    if (term_ms == 0 && w->term_at_ns > 0) {
        w->term_at_ns = -1;
        spawn_signal(w->pid, SIGTERM);
    }
}

void sup_worker_kill(struct sup_worker *w)
{
    if (w->has_exited)
        return;
    w->was_killed = 1;
    spawn_signal(w->pid, SIGKILL);
}

static void frame_ignore(void *user, const struct link_frame *frame)
{
    (void)user;
    (void)frame;
}

static void end_ignore(void *user, const struct sup_end *end)
{
    (void)user;
    (void)end;
}

void sup_worker_forget(struct sup_worker *w)
{
    w->handler = (struct sup_handler){NULL, frame_ignore, end_ignore};
}

static void worker_tick(struct sup_worker *w, int64_t now)
{
    if (w->term_at_ns > 0 && now >= w->term_at_ns) {
        w->term_at_ns = -1; /* sent */
        log_warn("worker did not stop in time, terminating it", F_INT("pid", w->pid));
        spawn_signal(w->pid, SIGTERM);
    }
    if (w->kill_at_ns > 0 && now >= w->kill_at_ns) {
        w->kill_at_ns = -1;
        log_warn("worker did not end in time, killing it", F_INT("pid", w->pid));
        sup_worker_kill(w);
    }
    if (!w->has_hung && now - w->last_frame_ns > (int64_t)w->sup->silence_ms * 1000000) {
        w->has_hung = 1;
        log_error("worker gives no sign of life, killing it", F_INT("pid", w->pid));
        spawn_signal(w->pid, SIGKILL);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct sup *sup = arg;
    int64_t now = clock_mono_ns();
    (void)fd;
    (void)what;
    for (struct sup_worker *w = sup->first; w != NULL; w = w->next)
        worker_tick(w, now);
}

/* ---- start ---- */

static int32_t events_add(struct sup_worker *w, struct lathe_error *err)
{
    struct event_base *base = loop_base(w->sup->loop);
    w->on_exit = event_new(base, w->pidfd, EV_READ, on_exit_event, w);
    w->on_read = event_new(base, w->fd, EV_READ | EV_PERSIST, on_read, w);
    w->on_write = event_new(base, w->fd, EV_WRITE, on_write, w);
    if (w->on_exit == NULL || w->on_read == NULL || w->on_write == NULL ||
        event_add(w->on_exit, NULL) != 0 || event_add(w->on_read, NULL) != 0)
        return fail(err, LATHE_E_NOMEM, "watch worker");
    return LATHE_OK;
}

static int32_t worker_spawn(struct sup_worker *w, const struct sup_start *start,
                            struct lathe_error *err)
{
    const char *argv[] = {w->sup->worker_path, "--role", start->role, "--job",
                          start->job_path,     NULL};
    int fds[2];
    int32_t st;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return fail_errno(err, errno, "open worker link");
    w->fd = fds[0];
    if (evutil_make_socket_nonblocking(w->fd) != 0)
        st = fail_errno(err, errno, "open worker link");
    else
        st = spawn_start(&(struct spawn_spec){argv, fds[1], -1, start->log_path}, &w->pid,
                         &w->pidfd, err);
    close(fds[1]);
    if (st == LATHE_OK && (st = events_add(w, err)) != LATHE_OK) {
        int32_t code, signal_number;
        spawn_signal(w->pid, SIGKILL);
        spawn_reap(w->pidfd, &code, &signal_number);
    }
    return st;
}

int32_t sup_worker_start(struct sup *sup, const struct sup_start *start, struct sup_worker **out,
                         struct lathe_error *err)
{
    struct sup_worker *w = mem_new(struct sup_worker);
    int32_t st;

    if (w == NULL)
        return fail(err, LATHE_E_NOMEM, "start worker");
    w->sup = sup;
    w->handler = start->handler;
    w->pidfd = w->fd = -1;
    link_decoder_init(&w->in);
    strbuf_init(&w->out);
    w->last_frame_ns = clock_mono_ns();
    w->log = json_array();
    w->log_path = mem_strdup(start->log_path != NULL ? start->log_path : "/dev/null");
    if (w->log == NULL || w->log_path == NULL)
        st = fail(err, LATHE_E_NOMEM, "start worker");
    else
        st = worker_spawn(w, start, err);
    if (st != LATHE_OK) {
        worker_free(w);
        return st;
    }
    if ((w->next = sup->first) != NULL)
        sup->first->prev = w;
    sup->first = w;
    sup->count++;
    *out = w;
    return LATHE_OK;
}

int32_t sup_worker_pid(const struct sup_worker *w)
{
    return (int32_t)w->pid;
}

uint32_t sup_count(const struct sup *sup)
{
    return sup->count;
}

int32_t sup_open(struct loop *loop, const struct sup_config *cfg, struct sup **out,
                 struct lathe_error *err)
{
    struct sup *sup = mem_new(struct sup);
    struct timeval tick = {0, TICK_MS * 1000};

    if (sup == NULL || (sup->worker_path = mem_strdup(cfg->worker_path)) == NULL) {
        mem_free(sup);
        return fail(err, LATHE_E_NOMEM, "open supervisor");
    }
    sup->loop = loop;
    sup->silence_ms = cfg->silence_ms != 0 ? cfg->silence_ms : SILENCE_DEFAULT_MS;
    sup->tick = event_new(loop_base(loop), -1, EV_PERSIST, on_tick, sup);
    if (sup->tick == NULL || event_add(sup->tick, &tick) != 0) {
        sup_close(sup);
        return fail(err, LATHE_E_NOMEM, "open supervisor");
    }
    *out = sup;
    return LATHE_OK;
}

void sup_close(struct sup *sup)
{
    int32_t code, signal_number;

    if (sup == NULL)
        return;
    while (sup->first != NULL) {
        spawn_signal(sup->first->pid, SIGKILL);
        spawn_reap(sup->first->pidfd, &code, &signal_number);
        worker_free(sup->first);
    }
    sup_runs_close(sup);
    if (sup->tick != NULL)
        event_free(sup->tick);
    mem_free(sup->worker_path);
    mem_free(sup);
}
