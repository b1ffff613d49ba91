/* The two mountain-car dynamics over a range of rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOUNTAIN_CAR_KERNEL_H
#define MOUNTAIN_CAR_KERNEL_H

#include <stdint.h>

/* n rows; every pointer is the first row of the range. */
struct mountain_car_rows {
    double *p, *v;
    int32_t *fresh; /* continuous: 1 until the first step after a reset */
    const void *act;
    float *obs; /* [n][2] */
    float *reward;
    uint8_t *terminated, *truncated;
    uint32_t n;
    double goal_velocity;
};

/* Steps all rows. Returns 0 without touching anything when an action is out of range (discrete) or
 * not finite (continuous). */
typedef int mountain_car_step_fn(const struct mountain_car_rows *rows);
typedef mountain_car_step_fn mountain_car_discrete_fn;
typedef mountain_car_step_fn mountain_car_continuous_fn;

mountain_car_step_fn *mountain_car_discrete(uint32_t isa);
mountain_car_step_fn *mountain_car_continuous(uint32_t isa);

#endif
