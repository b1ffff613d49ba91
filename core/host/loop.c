/* The event loop: libevent base with precise timers, a queue of posted calls behind an eventfd.
 * Does not handle signals; lathed does. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/mem.h"

struct post {
    struct post *next;
    lathe_call_fn fn;
    void *user;
    lathe_drop_fn drop;
};

struct loop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock; /* guards head, tail, is_refusing */
    struct post *head, *tail;
    int is_refusing;
};

static void drop_posts(struct post *p)
{
    while (p != NULL) {
        struct post *next = p->next;
        if (p->drop != NULL)
            p->drop(p->user);
        mem_free(p);
        p = next;
    }
}

static struct post *take_posts(struct loop *loop)
{
    struct post *head;
    pthread_mutex_lock(&loop->lock);
    head = loop->head;
    loop->head = loop->tail = NULL;
    pthread_mutex_unlock(&loop->lock);
    return head;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;
    struct post *p;

    (void)what;
    if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
        return;
    p = take_posts(arg);
    while (p != NULL) {
        struct post *next = p->next;
        p->fn(p->user);
        if (p->drop != NULL)
            p->drop(p->user);
        mem_free(p);
        p = next;
    }
}

static int32_t base_open(struct loop *loop, struct lathe_error *err)
{
    struct event_config *cfg = event_config_new();
    if (cfg == NULL)
        return fail(err, LATHE_E_NOMEM, "open event loop");
    event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    if (loop->base == NULL)
        return fail(err, LATHE_E_IO, "open event loop");
    if ((loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        return fail_errno(err, errno, "open event loop");
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (loop->wake == NULL || event_add(loop->wake, NULL) != 0)
        return fail(err, LATHE_E_NOMEM, "open event loop");
    return LATHE_OK;
}

int32_t loop_open(struct loop **out, struct lathe_error *err)
{
    struct loop *loop = mem_new(struct loop);
    int32_t st;

    if (loop == NULL)
        return fail(err, LATHE_E_NOMEM, "open event loop");
    loop->wake_fd = -1;
    loop->thread = pthread_self();
    pthread_mutex_init(&loop->lock, NULL);
    if ((st = base_open(loop, err)) != LATHE_OK) {
        loop_close(loop);
        return st;
    }
    *out = loop;
    return LATHE_OK;
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    drop_posts(take_posts(loop));
    if (loop->wake != NULL)
        event_free(loop->wake);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->base != NULL)
        event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

void loop_run(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(int *)arg = 1;
}

int loop_run_until(struct loop *loop, const int *flag, uint32_t timeout_ms)
{
    struct timeval tv = {timeout_ms / 1000, (int)(timeout_ms % 1000) * 1000};
    int is_over = 0;
    struct event *ev = evtimer_new(loop->base, on_deadline, &is_over);

    if (ev != NULL && timeout_ms > 0)
        event_add(ev, &tv);
    while (!*flag && !is_over && !event_base_got_break(loop->base))
        if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) != 0)
            break;
    if (ev != NULL)
        event_free(ev);
    return *flag;
}

void loop_end(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

int32_t loop_post(struct loop *loop, lathe_call_fn fn, void *user, lathe_drop_fn drop)
{
    struct post *p = mem_new(struct post);
    int is_refusing = 0;
    const uint64_t one = 1;

    if (p == NULL) {
        if (drop != NULL)
            drop(user);
        return LATHE_E_NOMEM;
    }
    *p = (struct post){NULL, fn, user, drop};
    pthread_mutex_lock(&loop->lock);
    is_refusing = loop->is_refusing;
    if (!is_refusing) {
        if (loop->tail != NULL)
            loop->tail->next = p;
        else
            loop->head = p;
        loop->tail = p;
    }
    pthread_mutex_unlock(&loop->lock);
    if (is_refusing) {
        drop_posts(p);
        return LATHE_E_CANCELLED;
    }
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return LATHE_OK;
}

static void nothing(void *user)
{
    (void)user;
}

void loop_retire(struct loop *loop, void *ptr, void (*free_fn)(void *ptr))
{
    /* a post that fails has called free_fn already */
    (void)!loop_post(loop, nothing, ptr, free_fn);
}

void loop_refuse(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->is_refusing = 1;
    pthread_mutex_unlock(&loop->lock);
}

int loop_on_thread(const struct loop *loop)
{
    return pthread_equal(loop->thread, pthread_self());
}
