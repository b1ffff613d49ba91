/* Running normalization of observations and rewards (moments in double, one batch at a time). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_NORM_H
#define CORE_WORKER_NORM_H

#include <stddef.h>

#include "core/worker/vec.h"

/* Mean and variance of each of dim numbers; count starts at 1e-4, mean 0, variance 1. */
struct moments {
    uint32_t dim;
    double count;
    double *mean, *var;
    double *batch_mean, *batch_var; /* scratch of an update */
};

struct norm {
    int obs, reward; /* which of the two are on */
    double gamma;
    uint32_t n;
    struct moments obs_moments, ret_moments;
    double *ret; /* [n] discounted return of each row so far */
};

/* Sizes for n rows of dim numbers; storage from the caller. Errors: LATHE_E_NOMEM. */
int32_t norm_init(struct norm *norm, int obs, int reward, double gamma, uint32_t n,
                  uint32_t dim) LATHE_MUST_USE;
void norm_fini(struct norm *norm);

/* Takes the observations of the rows in runs into the moments. */
void norm_update_obs(struct norm *norm, const void *obs, size_t stride, const struct vec_run *runs,
                     uint32_t n_runs);
/* out = clip((in - mean) / sqrt(var + 1e-8), +-10) for rows [first, first + count). */
void norm_apply_obs(const struct norm *norm, const void *in, void *out, size_t stride,
                    uint32_t first, uint32_t count);
/* Rewards of the active rows: moments of the discounted return, then out = clip(r / sqrt(var +
 * 1e-8), +-10); rows that ended start again at 0. */
void norm_rewards(struct norm *norm, const float *in, float *out, const uint8_t *ended,
                  const struct vec_run *runs, uint32_t n_runs);

#endif
