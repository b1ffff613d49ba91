/* Cart-pole after Barto, Sutton and Anderson (1983), with the constants everyone uses: masses 1.0
 * and 0.1, half pole length 0.5, force 10, explicit Euler with 0.02 s. Letters as in the model: x,
 * v cart; theta, omega pole. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/cartpole/cartpole_kernel.h"

#include "plugins/env/common/env_math.h"

#define GRAVITY 9.8
#define TOTAL_MASS 1.1
#define POLE_MASS 0.1
#define HALF_LENGTH 0.5
#define POLE_MOMENT 0.05 /* POLE_MASS * HALF_LENGTH */
#define FORCE 10.0
#define TAU 0.02
#define X_LIMIT 2.4
#define THETA_LIMIT (12.0 * 2.0 * ENV_PI / 360.0)

/* Accelerations of cart (*a) and pole (*alpha) under force f. */
ENV_INLINE void accelerate(double f, double omega, double s, double c, double *a, double *alpha)
{
    const double t = (f + POLE_MOMENT * (omega * omega) * s) / TOTAL_MASS;

    *alpha = (GRAVITY * s - c * t) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (c * c) / TOTAL_MASS));
    *a = t - POLE_MOMENT * *alpha * c / TOTAL_MASS;
}

ENV_INLINE int is_out(double x, double theta)
{
    return (x < -X_LIMIT) | (x > X_LIMIT) | (theta < -THETA_LIMIT) | (theta > THETA_LIMIT);
}

/* Nonzero when the vector path may not be taken for some row. */
ENV_INLINE uint32_t any_special(const int32_t *act, const double *theta, uint32_t n)
{
    uint64_t bad = 0;

    for (uint32_t i = 0; i < n; i++)
        bad |= ((uint32_t)act[i] & ~1u) | (uint64_t) !(fabs(theta[i]) <= ENV_SINCOS_MAX);
    return bad != 0;
}

ENV_INLINE void move_rows(const struct cartpole_rows *r)
{
    double *restrict x = r->x, *restrict v = r->v, *restrict th = r->theta, *restrict om = r->omega;
    const int32_t *restrict act = r->act;
    const uint32_t n = r->n;

    for (uint32_t i = 0; i < n; i++) {
        double s, c, a, alpha;
        env_sincos_small(th[i], &s, &c);
        accelerate((double)(2 * act[i] - 1) * FORCE, om[i], s, c, &a, &alpha);
        x[i] = x[i] + TAU * v[i];
        v[i] = v[i] + TAU * a;
        th[i] = th[i] + TAU * om[i];
        om[i] = om[i] + TAU * alpha;
    }
}

/* Rounds to float array by array, then interleaves: both loops vectorize. */
ENV_INLINE void observe_rows(const struct cartpole_rows *r)
{
    const double *restrict x = r->x, *restrict v = r->v, *restrict th = r->theta;
    const double *restrict om = r->omega;
    float *restrict obs = r->obs;
    float part[4][ENV_KERNEL_ROWS];
    const uint32_t n = r->n;

    for (uint32_t i = 0; i < n; i++) {
        part[0][i] = (float)x[i];
        part[1][i] = (float)v[i];
        part[2][i] = (float)th[i];
        part[3][i] = (float)om[i];
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < 4; k++)
            obs[4 * i + k] = part[k][i];
}

ENV_INLINE void judge_rows(const struct cartpole_rows *r)
{
    const double *restrict x = r->x, *restrict th = r->theta;
    uint8_t *restrict terminated = r->terminated, *restrict truncated = r->truncated;
    float *restrict reward = r->reward;
    const float alive = r->reward_alive, end = r->reward_end;
    const uint32_t n = r->n;

    for (uint32_t i = 0; i < n; i++) {
        const int out = is_out(x[i], th[i]);
        reward[i] = out ? end : alive;
        terminated[i] = (uint8_t)out;
        truncated[i] = 0;
    }
}

ENV_INLINE int cartpole_step_rows_body(const struct cartpole_rows *r)
{
    if (any_special(r->act, r->theta, r->n))
        return 0;
    move_rows(r);
    observe_rows(r);
    judge_rows(r);
    return 1;
}

ENV_VARIANTS(cartpole_step_rows, cartpole_rows)

int cartpole_step_one(const struct cartpole_rows *r, uint32_t i)
{
    double s, c, a, alpha;

    if ((uint32_t)r->act[i] > 1u)
        return 0;
    env_sincos(r->theta[i], &s, &c);
    accelerate((double)(2 * r->act[i] - 1) * FORCE, r->omega[i], s, c, &a, &alpha);
    r->x[i] += TAU * r->v[i];
    r->v[i] += TAU * a;
    r->theta[i] += TAU * r->omega[i];
    r->omega[i] += TAU * alpha;
    r->obs[4 * i] = (float)r->x[i];
    r->obs[4 * i + 1] = (float)r->v[i];
    r->obs[4 * i + 2] = (float)r->theta[i];
    r->obs[4 * i + 3] = (float)r->omega[i];
    r->terminated[i] = (uint8_t)is_out(r->x[i], r->theta[i]);
    r->truncated[i] = 0;
    r->reward[i] = r->terminated[i] ? r->reward_end : r->reward_alive;
    return 1;
}
