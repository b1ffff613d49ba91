/* Mountain car after Moore (1990): p position, v velocity, gravity 0.0025 cos 3p. The continuous
 * task keeps the number formats of its reference: the state is double in the first step of an
 * episode and float afterwards. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/mountain_car/mountain_car_kernel.h"

#include "plugins/env/common/env_math.h"

#define P_MIN (-1.2)
#define P_MAX 0.6
#define V_MAX 0.07
#define POWER 0.0015

ENV_INLINE int mountain_car_discrete_body(const struct mountain_car_rows *r)
{
    const int32_t *restrict act = r->act;
    double *restrict p = r->p, *restrict v = r->v;
    float *restrict obs = r->obs, *restrict reward = r->reward;
    uint8_t *restrict terminated = r->terminated, *restrict truncated = r->truncated;
    const uint32_t n = r->n;
    const double goal_velocity = r->goal_velocity;
    uint32_t bad = 0;

    for (uint32_t i = 0; i < n; i++)
        bad |= (uint32_t)act[i] > 2u;
    if (bad)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        double w = v[i] + ((double)(act[i] - 1) * 0.001 + env_cos_small(3.0 * p[i]) * -0.0025);
        double q;
        w = env_clamp(w, -V_MAX, V_MAX);
        q = env_clamp(p[i] + w, P_MIN, P_MAX);
        v[i] = env_pick((q <= P_MIN) & (w < 0.0), 0.0, w);
        p[i] = q;
    }
    for (uint32_t i = 0; i < n; i++) {
        obs[2 * i] = (float)p[i];
        obs[2 * i + 1] = (float)v[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        terminated[i] = (uint8_t)((p[i] >= 0.5) & (v[i] >= goal_velocity));
        truncated[i] = 0;
        reward[i] = -1.0f;
    }
    return 1;
}

ENV_VARIANTS(mountain_car_discrete, mountain_car_rows)

/* First step of an episode, in double. Returns whether the goal was reached. */
ENV_INLINE int step_fresh(double *p, double *v, float a, double goal_velocity)
{
    const double c = 0.0025 * env_cos_small(3.0 * *p);
    const float within = a * (float)POWER - (float)c;
    const double beyond = (a > 0 ? POWER : -POWER) - c;
    const double w = env_clamp(*v + (fabsf(a) <= 1.0f ? (double)within : beyond), -V_MAX, V_MAX);
    const double q = env_clamp(*p + w, P_MIN, P_MAX);

    *p = q;
    *v = env_pick((q <= P_MIN) & (w < 0.0), 0.0, w);
    return (q >= 0.45) & (*v >= goal_velocity);
}

/* Any later step, in float. */
ENV_INLINE int step_float(double *p, double *v, float a, double goal_velocity)
{
    const float p0 = (float)*p, v0 = (float)*v;
    const float three_p = 3.0f * p0;
    const double c = 0.0025 * env_cos_small((double)three_p);
    const float within = a * (float)POWER - (float)c;
    const float beyond = (float)((a > 0 ? POWER : -POWER) - c);
    float w = v0 + (fabsf(a) <= 1.0f ? within : beyond);
    float q;

    w = w < (float)-V_MAX ? (float)-V_MAX : w;
    w = w > (float)V_MAX ? (float)V_MAX : w;
    q = p0 + w;
    q = q < (float)P_MIN ? (float)P_MIN : q;
    q = q > (float)P_MAX ? (float)P_MAX : q;
    w = ((q <= (float)P_MIN) & (w < 0.0f)) ? 0.0f : w;
    *p = (double)q;
    *v = (double)w;
    return (q >= 0.45f) & ((double)w >= goal_velocity);
}

ENV_INLINE int mountain_car_continuous_body(const struct mountain_car_rows *r)
{
    const float *restrict act = r->act;
    float *restrict obs = r->obs;
    const uint32_t n = r->n;

    for (uint32_t i = 0; i < n; i++)
        if (!isfinite(act[i]))
            return 0;
    for (uint32_t i = 0; i < n; i++) {
        const double a = (double)act[i];
        const int goal = r->fresh[i] ? step_fresh(&r->p[i], &r->v[i], act[i], r->goal_velocity)
                                     : step_float(&r->p[i], &r->v[i], act[i], r->goal_velocity);
        /* stored as float: read back from the array, which is what rounds */
        obs[2 * i] = (float)r->p[i];
        obs[2 * i + 1] = (float)r->v[i];
        r->fresh[i] = 0;
        r->terminated[i] = (uint8_t)goal;
        r->truncated[i] = 0;
        r->reward[i] = (float)((goal ? 100.0 : 0.0) - a * a * 0.1);
    }
    for (uint32_t i = 0; i < n; i++) {
        r->p[i] = (double)obs[2 * i];
        r->v[i] = (double)obs[2 * i + 1];
    }
    return 1;
}

ENV_VARIANTS(mountain_car_continuous, mountain_car_rows)
