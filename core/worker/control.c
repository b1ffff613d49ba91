/* Control frames, signals and heartbeats of a worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/control.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#define LOG_MODULE "worker"
#include "core/base/log.h"

#define SECOND_NS 1000000000LL
#define ALIVE_NS (10 * SECOND_NS)
#define BUSY_NS (120 * SECOND_NS)
#define BEAT_NS (LINK_HEARTBEAT_MS * 1000000LL)

static void lost_link(struct control *control, const struct lathe_error *err)
{
    if (!control->link_gone)
        log_warn("link lost, shutting down", F_STR("reason", err->text));
    control->link_gone = 1;
    atomic_store(&control->shutdown, 1);
}

void control_send(struct control *control, uint32_t type, const char *payload, size_t len_bytes)
{
    struct lathe_error err = {0};

    if (control->link_gone)
        return;
    if (link_send(control->link, type, payload, len_bytes, &err) == LATHE_OK)
        return;
    if (err.code == LATHE_E_LIMIT || err.code == LATHE_E_NOMEM)
        log_error("frame not sent", F_STR("type", link_type_name(type)), F_STR("reason", err.text));
    else
        lost_link(control, &err);
}

static void beat(struct control *control)
{
    char text[48];
    struct lathe_error err = {0};
    int n = snprintf(text, sizeof text, "{\"current\":%llu}",
                     (unsigned long long)atomic_load(&control->current));

    /* the main thread notices a lost link by itself */
    if (link_send(control->link, LINK_HEARTBEAT, text, (size_t)n, &err) != LATHE_OK)
        log_debug("heartbeat not sent", F_STR("reason", err.text));
}

static void *pulse_main(void *arg)
{
    struct control *control = arg;

    pthread_mutex_lock(&control->lock);
    while (!control->quit) {
        struct timespec until;
        int64_t now = clock_mono_ns();
        int64_t next = link_last_send_ns(control->link) + BEAT_NS - SECOND_NS / 2;

        if (next <= now && now < atomic_load(&control->alive_until_ns)) {
            pthread_mutex_unlock(&control->lock);
            beat(control);
            pthread_mutex_lock(&control->lock);
            continue;
        }
        if (next <= now)
            next = now + SECOND_NS / 4;
        until.tv_sec = next / SECOND_NS;
        until.tv_nsec = next % SECOND_NS;
        pthread_cond_timedwait(&control->wake, &control->lock, &until);
    }
    pthread_mutex_unlock(&control->lock);
    return NULL;
}

static int32_t pulse_start(struct control *control, struct lathe_error *err)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr) != 0)
        return fail(err, LATHE_E_INTERNAL, "heartbeat");
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&control->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&control->lock, NULL);
    if (control->link->standalone)
        return LATHE_OK;
    if (pthread_create(&control->pulse, NULL, pulse_main, control) != 0)
        return fail(err, LATHE_E_UNAVAILABLE, "heartbeat thread");
    control->pulse_started = 1;
    return LATHE_OK;
}

int32_t control_open(struct control *control, struct link_channel *link, struct lathe_error *err)
{
    sigset_t set;

    memset(control, 0, sizeof *control);
    control->link = link;
    control->stop_save = 1;
    atomic_store(&control->alive_until_ns, clock_mono_ns() + BUSY_NS);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return fail(err, LATHE_E_INTERNAL, "signal mask");
    control->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (control->signal_fd < 0)
        return fail_errno(err, errno, "signalfd");
    return pulse_start(control, err);
}

void control_close(struct control *control)
{
    if (control == NULL || control->link == NULL)
        return;
    if (control->pulse_started) {
        pthread_mutex_lock(&control->lock);
        control->quit = 1;
        pthread_cond_signal(&control->wake);
        pthread_mutex_unlock(&control->lock);
        pthread_join(control->pulse, NULL);
    }
    pthread_cond_destroy(&control->wake);
    pthread_mutex_destroy(&control->lock);
    if (control->signal_fd >= 0)
        close(control->signal_fd);
    control->link = NULL;
}

static int stop_saves(const struct link_frame *frame)
{
    json_t *body = json_loadb(frame->payload, frame->len_bytes, 0, NULL);
    int save = !json_is_false(json_object_get(body, "save"));

    json_decref(body);
    return save;
}

int control_frame(struct control *control, const struct link_frame *frame)
{
    switch (frame->type) {
    case LINK_PAUSE:
        atomic_store(&control->pause, 1);
        return 1;
    case LINK_RESUME:
        atomic_store(&control->pause, 0);
        return 1;
    case LINK_STOP:
        control->stop_save = stop_saves(frame);
        atomic_store(&control->stop, 1);
        return 1;
    case LINK_CANCEL:
        atomic_store(&control->cancel, 1);
        return 1;
    case LINK_CHECKPOINT_NOW:
        atomic_store(&control->checkpoint_now, 1);
        return 1;
    case LINK_SHUTDOWN:
        atomic_store(&control->shutdown, 1);
        return 1;
    default:
        return 0;
    }
}

static void read_signals(struct control *control)
{
    struct signalfd_siginfo info;

    while (read(control->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        atomic_store(&control->shutdown, 1);
}

static void read_frames(struct control *control)
{
    struct link_frame frame;
    struct lathe_error err = {0};
    int32_t st = 0;

    while (!control->is_serving && !control->link_gone &&
           (st = link_poll(control->link, 0, &frame, &err)) > 0)
        if (!control_frame(control, &frame))
            log_warn("frame ignored", F_INT("type", frame.type));
    if (st < 0)
        lost_link(control, &err);
}

static void alive_for(struct control *control, int64_t ns)
{
    control->last_poll_ns = clock_mono_ns();
    atomic_store(&control->alive_until_ns, control->last_poll_ns + ns);
}

void control_poll(struct control *control)
{
    alive_for(control, ALIVE_NS);
    read_signals(control);
    read_frames(control);
}

int control_next(struct control *control, int timeout_ms, struct link_frame *frame)
{
    struct lathe_error err = {0};
    int32_t st = 0;

    alive_for(control, ALIVE_NS);
    read_signals(control);
    if (control->link_gone || control_should_yield(control))
        return 0;
    st = link_poll(control->link, timeout_ms, frame, &err);
    if (st < 0)
        lost_link(control, &err);
    return st > 0 && !control_frame(control, frame);
}

void control_tick(struct control *control)
{
    if (clock_mono_ns() - control->last_poll_ns >= 1000000)
        control_poll(control);
}

void control_wait(struct control *control, int timeout_ms)
{
    struct pollfd p[2] = {{.fd = control->signal_fd, .events = POLLIN},
                          {.fd = control->link->fd, .events = POLLIN}};
    nfds_t n = control->link->standalone || control->link_gone ? 1 : 2;

    alive_for(control, ALIVE_NS + (int64_t)timeout_ms * 1000000);
    if (poll(p, n, timeout_ms) < 0 && errno != EINTR)
        log_warn("poll failed", F_INT("errno", errno));
    control_poll(control);
}

void control_busy(struct control *control, int busy)
{
    alive_for(control, busy ? BUSY_NS : ALIVE_NS);
}

int control_should_yield(struct control *control)
{
    return atomic_load(&control->pause) || atomic_load(&control->stop) ||
           atomic_load(&control->cancel) || atomic_load(&control->shutdown);
}

int32_t control_cancelled(void *user)
{
    struct control *control = user;

    control_tick(control);
    return atomic_load(&control->cancel) ? 1 : 0;
}
