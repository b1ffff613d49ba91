/* The pendulum dynamics over a range of rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PENDULUM_KERNEL_H
#define PENDULUM_KERNEL_H

#include <stdint.h>

/* n rows, at most ENV_KERNEL_ROWS; every pointer is the first row of the range. */
struct pendulum_rows {
    double *theta, *omega;
    const float *act;
    float *obs; /* [n][3] */
    float *reward;
    uint8_t *terminated, *truncated;
    uint32_t n;
    double gravity;
};

/* Steps all rows. Returns 0 without touching anything when an action is not finite or an angle
 * beyond the range of the vector sine; step such ranges row by row. */
typedef int pendulum_step_rows_fn(const struct pendulum_rows *rows);

pendulum_step_rows_fn *pendulum_step_rows(uint32_t isa);

/* One row with any angle, equal bits. Returns 0 when the action is not finite. */
int pendulum_step_one(const struct pendulum_rows *rows, uint32_t i);

#endif
