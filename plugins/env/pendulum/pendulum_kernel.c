/* Torque-limited pendulum, m = l = 1, semi-implicit Euler with 0.05 s; theta = 0 is upright. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/pendulum/pendulum_kernel.h"

#include "plugins/env/common/env_math.h"

#define OMEGA_MAX 8.0
#define U_MAX 2.0
#define DT 0.05
#define ANGLE_SAFE (0.99 * ENV_SINCOS_MAX) /* still inside the range after one more step */

/* theta wrapped into [-pi, pi) with a floor modulo. */
ENV_INLINE double wrap_small(double theta)
{
    const double magic = 6755399441055744.0;
    const double turns = (theta + ENV_PI) / (2.0 * ENV_PI);
    const double nearest = (turns + magic) - magic;
    const double whole = nearest - env_pick(nearest > turns, 1.0, 0.0);

    return (theta + ENV_PI - whole * (2.0 * ENV_PI)) - ENV_PI;
}

ENV_INLINE double wrap_any(double theta)
{
    double m;

    if (fabs(theta) <= ENV_SINCOS_MAX)
        return wrap_small(theta);
    m = fmod(theta + ENV_PI, 2.0 * ENV_PI);
    return (m < 0.0 ? m + 2.0 * ENV_PI : m) - ENV_PI;
}

/* Advances one row given sin theta; returns the reward of the old state. */
ENV_INLINE double advance(double *theta, double *omega, float a, double s, double n, double gravity)
{
    const float u = (float)env_clamp((double)a, -U_MAX, U_MAX); /* exact: a is float */
    const float cost_u = 0.001f * (u * u), push = 3.0f * u;     /* float: the action is */
    const double cost = n * n + 0.1 * (*omega * *omega) + (double)cost_u;
    const double w = *omega + (3.0 * gravity / 2.0 * s + (double)push) * DT;

    *omega = env_clamp(w, -OMEGA_MAX, OMEGA_MAX);
    *theta = *theta + *omega * DT;
    return -cost;
}

ENV_INLINE int pendulum_step_rows_body(const struct pendulum_rows *r)
{
    double *restrict th = r->theta, *restrict om = r->omega;
    const float *restrict act = r->act;
    float *restrict obs = r->obs, *restrict reward = r->reward;
    uint8_t *restrict terminated = r->terminated, *restrict truncated = r->truncated;
    const uint32_t n = r->n;
    const double gravity = r->gravity;
    float cosine[ENV_KERNEL_ROWS], sine[ENV_KERNEL_ROWS];
    uint64_t bad = 0;

    for (uint32_t i = 0; i < n; i++)
        bad |=
            (uint64_t) !(fabs(th[i]) <= ANGLE_SAFE) | (uint64_t) !(fabs((double)act[i]) <= 3.5e38);
    if (bad)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        double s, c;
        env_sincos_small(th[i], &s, &c);
        reward[i] = (float)advance(&th[i], &om[i], act[i], s, wrap_small(th[i]), gravity);
    }
    for (uint32_t i = 0; i < n; i++) {
        double s, c;
        env_sincos_small(th[i], &s, &c);
        cosine[i] = (float)c;
        sine[i] = (float)s;
    }
    for (uint32_t i = 0; i < n; i++) {
        obs[3 * i] = cosine[i];
        obs[3 * i + 1] = sine[i];
        obs[3 * i + 2] = (float)om[i];
    }
    for (uint32_t i = 0; i < n; i++)
        terminated[i] = truncated[i] = 0;
    return 1;
}

ENV_VARIANTS(pendulum_step_rows, pendulum_rows)

int pendulum_step_one(const struct pendulum_rows *r, uint32_t i)
{
    double s, c;

    if (!isfinite(r->act[i]))
        return 0;
    env_sincos(r->theta[i], &s, &c);
    r->reward[i] =
        (float)advance(&r->theta[i], &r->omega[i], r->act[i], s, wrap_any(r->theta[i]), r->gravity);
    env_sincos(r->theta[i], &s, &c);
    r->obs[3 * i] = (float)c;
    r->obs[3 * i + 1] = (float)s;
    r->obs[3 * i + 2] = (float)r->omega[i];
    r->terminated[i] = r->truncated[i] = 0;
    return 1;
}
