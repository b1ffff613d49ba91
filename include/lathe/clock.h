/* Service "lathe.clock/1": wall and monotonic time as the server sees it.
 * Threads: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_CLOCK_H
#define LATHE_CLOCK_H

#include "lathe/abi.h"

#define LATHE_SERVICE_CLOCK "lathe.clock/1"

/* Tests freeze both clocks, so plugins that ask here stay testable. */
struct lathe_clock_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* UTC milliseconds since 1970. Thread: [any]. Since 1.0. */
    int64_t (*wall_ms)(const struct lathe_clock_service *clock);

    /* Nanoseconds that never go back; the origin means nothing. Thread: [any]. Since 1.0. */
    int64_t (*mono_ns)(const struct lathe_clock_service *clock);
};

#endif
