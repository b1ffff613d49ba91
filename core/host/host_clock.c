/* Service "lathe.clock/1". */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"
#include "core/host/host_internal.h"

static int64_t wall_ms(const struct lathe_clock_service *clock)
{
    (void)clock;
    return clock_wall_ms();
}

static int64_t mono_ns(const struct lathe_clock_service *clock)
{
    (void)clock;
    return clock_mono_ns();
}

void host_clock_fill(struct host_plugin *p)
{
    p->clock = (struct lathe_clock_service){sizeof p->clock, 0, p, wall_ms, mono_ns};
}
