/* The quantile Huber loss of distributional learners, vectorized over the own quantiles, with equal
 * bits on every instruction set. Threads: [any] on distinct data. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_QUANTILE_H
#define KIT_QUANTILE_H

#include <stdint.h>

#define KIT_QUANTILE_PAD 16u /* theta and grad reach to the next multiple of it */

/* theta: n own quantiles at levels (i + 1/2) / n; goal: m wanted values. Loss: sum over i of the
 * mean over j of |level_i - [goal_j < theta_i]| * huber(goal_j - theta_i); huber 0: absolute error.
 * grad[i] = dloss / dtheta_i; entries behind n are written too and mean nothing. grad may be theta.
 * Order: j ascending in float for each i, then i ascending in double. */
typedef double (*kit_quantile_fn)(uint32_t n, const float *theta, uint32_t m, const float *goal,
                                  int32_t huber, float *grad);

/* The function for LATHE_ISA_* (see lathe/engine.h), AUTO = best; NULL when this CPU lacks it. */
kit_quantile_fn kit_quantile_get(uint32_t isa);

#endif
