/* The services "lathe.run/1" and "lathe.metrics/1" of a worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_SERVICES_H
#define CORE_WORKER_SERVICES_H

#include "core/worker/load.h"
#include "lathe/metrics.h"
#include "lathe/run.h"

struct services {
    struct lathe_run_service run;
    struct lathe_metrics_service metrics;
    const struct wjob *job;
    struct control *control;
    struct report *report;
    uint64_t row_step;
    int has_row;
};

/* Storage from the caller; everything is borrowed. */
void services_init(struct services *services, const struct wjob *job, struct control *control,
                   struct report *report);

#endif
