/* The acrobot dynamics over a range of rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACROBOT_KERNEL_H
#define ACROBOT_KERNEL_H

#include <stdint.h>

/* n rows, at most ENV_KERNEL_ROWS; every pointer is the first row of the range. State inside its
 * bounds: |theta| <= pi. */
struct acrobot_rows {
    double *theta1, *theta2, *omega1, *omega2;
    const int32_t *act;
    float *obs; /* [n][6] */
    float *reward;
    uint8_t *terminated, *truncated;
    uint32_t n;
    double centripetal; /* 1 = the book's equations, 0 = those of the 1996 NIPS paper */
};

/* Steps all rows. Returns 0 without touching anything when an action is not 0, 1 or 2. */
typedef int acrobot_step_rows_fn(const struct acrobot_rows *rows);

acrobot_step_rows_fn *acrobot_step_rows(uint32_t isa);

#endif
