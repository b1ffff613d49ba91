/* Service "lathe.metrics/1": named numbers over time. They become series of the job's history.
 * Threads: [learn]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_METRICS_H
#define LATHE_METRICS_H

#include "lathe/abi.h"

#define LATHE_SERVICE_METRICS "lathe.metrics/1"

struct lathe_metrics_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Adds value to the series called name at step. Steps of a series must not go down; several
     * names at one step form one row. name: 1 to 95 bytes of [a-z0-9_./-]. A bad name, a falling
     * step or a non-finite value is dropped and logged once. Memory: name is copied. Since 1.0. */
    void (*put)(const struct lathe_metrics_service *metrics, const char *name, uint64_t step,
                double value);
};

#endif
