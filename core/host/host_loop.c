/* Service "lathe.loop/1": timers of one plugin, posts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host_internal.h"

static int32_t timer_start(const struct lathe_loop_service *loop, uint64_t delay_ms,
                           uint64_t period_ms, lathe_call_fn fn, void *user, lathe_drop_fn drop,
                           uint64_t *handle)
{
    const struct host_plugin *p = loop->ctx;
    return loop_timer_start(p->timers, delay_ms, period_ms, fn, user, drop, handle);
}

static void timer_cancel(const struct lathe_loop_service *loop, uint64_t handle)
{
    const struct host_plugin *p = loop->ctx;
    loop_timer_cancel(p->timers, handle);
}

static int32_t post(const struct lathe_loop_service *loop, lathe_call_fn fn, void *user,
                    lathe_drop_fn drop)
{
    const struct host_plugin *p = loop->ctx;
    return loop_post(p->parts->loop, fn, user, drop);
}

void host_loop_fill(struct host_plugin *p)
{
    p->loop = (struct lathe_loop_service){sizeof p->loop, 0, p, timer_start, timer_cancel, post};
}
