/* The cart-pole dynamics over a range of rows, structure of arrays in, rows of floats out. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CARTPOLE_KERNEL_H
#define CARTPOLE_KERNEL_H

#include <stdint.h>

/* n rows, at most ENV_KERNEL_ROWS; every pointer is the first row of the range. */
struct cartpole_rows {
    double *x, *v, *theta, *omega;
    const int32_t *act;
    float *obs; /* [n][4] */
    float *reward;
    uint8_t *terminated, *truncated;
    uint32_t n;
    float reward_alive, reward_end;
};

/* Steps all rows with actions 0 or 1. Returns 0 without touching anything when a row has another
 * action or an angle beyond the range of the vector sine; step such ranges row by row. */
typedef int cartpole_step_rows_fn(const struct cartpole_rows *rows);

/* The kernel for an instruction set (ENV_ISA_*). */
cartpole_step_rows_fn *cartpole_step_rows(uint32_t isa);

/* One row, any finite angle. Returns 0 for an action other than 0 or 1; the row is then unchanged.
 */
int cartpole_step_one(const struct cartpole_rows *rows, uint32_t i);

#endif
