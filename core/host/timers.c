/* Timers by handle: a handle is never used twice, so a late cancel hits nothing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>

#include "core/base/mem.h"
#include "core/host/loop.h"

struct timer {
    struct timer *prev, *next;
    struct loop_timers *set;
    struct event *ev;
    uint64_t handle, period_ms;
    lathe_call_fn fn;
    void *user;
    lathe_drop_fn drop;
    int is_running, is_cancelled; /* a cancel from inside fn frees after fn returned */
};

struct loop_timers {
    struct loop *loop;
    struct timer *first;
    uint64_t next_handle;
    uint32_t count, max_timers;
};

static struct timeval tv_of(uint64_t ms)
{
    struct timeval tv = {(long)(ms / 1000), (long)(ms % 1000) * 1000};
    return tv;
}

static void timer_free(struct timer *t)
{
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        t->set->first = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->set->count--;
    event_free(t->ev);
    if (t->drop != NULL)
        t->drop(t->user);
    mem_free(t);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct timer *t = arg;
    struct timeval tv = tv_of(t->period_ms);

    (void)fd;
    (void)what;
    t->is_running = 1;
    t->fn(t->user);
    t->is_running = 0;
    if (t->is_cancelled || t->period_ms == 0)
        timer_free(t);
    else
        event_add(t->ev, &tv);
}

struct loop_timers *loop_timers_new(struct loop *loop, uint32_t max_timers)
{
    struct loop_timers *set = mem_new(struct loop_timers);
    if (set != NULL)
        *set = (struct loop_timers){loop, NULL, 1, 0, max_timers};
    return set;
}

void loop_timers_free(struct loop_timers *set)
{
    if (set == NULL)
        return;
    while (set->first != NULL)
        timer_free(set->first);
    mem_free(set);
}

int32_t loop_timer_start(struct loop_timers *set, uint64_t delay_ms, uint64_t period_ms,
                         lathe_call_fn fn, void *user, lathe_drop_fn drop, uint64_t *handle)
{
    struct timeval tv = tv_of(delay_ms);
    struct timer *t = set->count < set->max_timers ? mem_new(struct timer) : NULL;

    if (t != NULL && (t->ev = evtimer_new(loop_base(set->loop), on_timer, t)) == NULL) {
        mem_free(t);
        t = NULL;
    }
    if (t == NULL) {
        if (drop != NULL)
            drop(user);
        return set->count < set->max_timers ? LATHE_E_NOMEM : LATHE_E_LIMIT;
    }
    t->set = set;
    t->handle = set->next_handle++;
    t->period_ms = period_ms;
    t->fn = fn;
    t->user = user;
    t->drop = drop;
    t->next = set->first;
    if (set->first != NULL)
        set->first->prev = t;
    set->first = t;
    set->count++;
    event_add(t->ev, &tv);
    *handle = t->handle;
    return LATHE_OK;
}

void loop_timer_cancel(struct loop_timers *set, uint64_t handle)
{
    struct timer *t = set->first;
    while (t != NULL && t->handle != handle)
        t = t->next;
    if (t == NULL || t->is_cancelled)
        return;
    if (t->is_running)
        t->is_cancelled = 1;
    else
        timer_free(t);
}
