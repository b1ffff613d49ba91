/* Schedules of hyperparameters over the progress of a run. Threads: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_SCHEDULE_H
#define KIT_SCHEDULE_H

#include <stdint.h>

#define KIT_SCHEDULE_CONSTANT 0
#define KIT_SCHEDULE_LINEAR 1 /* from a to b over the first fraction of the run, then b */
#define KIT_SCHEDULE_COSINE 2

struct kit_schedule {
    uint32_t kind, reserved0;
    double a, b, fraction;
};

/* Value at progress (steps done / total, 0 .. 1). */
double kit_schedule(const struct kit_schedule *s, double progress);

/* "constant", "linear", "cosine", or -1. */
int32_t kit_schedule_kind(const char *name);

#endif
