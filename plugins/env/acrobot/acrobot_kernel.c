/* Acrobot after Sutton and Barto (2018): two links of length 1 and mass 1, centre of mass at 0.5,
 * moment 1, torque at the joint between them, one classic Runge-Kutta step of 0.2 s. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/acrobot/acrobot_kernel.h"

#include "plugins/env/common/env_math.h"

#define LC 0.5
#define G 9.8
#define DT 0.2
#define OMEGA1_MAX (4.0 * ENV_PI)
#define OMEGA2_MAX (9.0 * ENV_PI)

struct arms {
    double t1, t2, w1, w2;
};

/* Time derivative of s under torque a. */
ENV_INLINE struct arms derivative(struct arms s, double a, double centripetal)
{
    double s2, c2;
    struct arms d;

    env_sincos_small(s.t2, &s2, &c2);
    const double d1 = LC * LC + (1.0 + LC * LC + 2.0 * LC * c2) + 1.0 + 1.0;
    const double d2 = (LC * LC + LC * c2) + 1.0;
    const double phi2 = LC * G * env_cos_small(s.t1 + s.t2 - ENV_PI / 2.0);
    const double phi1 = -LC * (s.w2 * s.w2) * s2 - 2.0 * LC * s.w2 * s.w1 * s2 +
                        (LC + 1.0) * G * env_cos_small(s.t1 - ENV_PI / 2.0) + phi2;
    const double pull = centripetal * (LC * (s.w1 * s.w1) * s2);

    d.t1 = s.w1;
    d.t2 = s.w2;
    d.w2 = (a + d2 / d1 * phi1 - pull - phi2) / (LC * LC + 1.0 - d2 * d2 / d1);
    d.w1 = -(d2 * d.w2 + phi1) / d1;
    return d;
}

ENV_INLINE struct arms along(struct arms s, struct arms k, double h)
{
    const struct arms r = {s.t1 + h * k.t1, s.t2 + h * k.t2, s.w1 + h * k.w1, s.w2 + h * k.w2};

    return r;
}

ENV_INLINE double weigh(double k1, double k2, double k3, double k4)
{
    return DT / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
}

ENV_INLINE struct arms runge_kutta(struct arms s, double a, double centripetal)
{
    const struct arms k1 = derivative(s, a, centripetal);
    const struct arms k2 = derivative(along(s, k1, DT / 2.0), a, centripetal);
    const struct arms k3 = derivative(along(s, k2, DT / 2.0), a, centripetal);
    const struct arms k4 = derivative(along(s, k3, DT), a, centripetal);
    const struct arms r = {
        s.t1 + weigh(k1.t1, k2.t1, k3.t1, k4.t1), s.t2 + weigh(k1.t2, k2.t2, k3.t2, k4.t2),
        s.w1 + weigh(k1.w1, k2.w1, k3.w1, k4.w1), s.w2 + weigh(k1.w2, k2.w2, k3.w2, k4.w2)};

    return r;
}

/* Into [-pi, pi] by whole turns; a step moves an angle by a few turns at most. */
ENV_INLINE double wrap(double x)
{
    if (fabs(x) <= ENV_PI)
        return x;
    for (int k = 0; k < 64 && x > ENV_PI; k++)
        x -= 2.0 * ENV_PI;
    for (int k = 0; k < 64 && x < -ENV_PI; k++)
        x += 2.0 * ENV_PI;
    return x;
}

ENV_INLINE void observe_rows(const struct acrobot_rows *r)
{
    const double *restrict t1 = r->theta1, *restrict t2 = r->theta2;
    const double *restrict w1 = r->omega1, *restrict w2 = r->omega2;
    float *restrict obs = r->obs, *restrict reward = r->reward;
    uint8_t *restrict terminated = r->terminated;
    float seen[4][ENV_KERNEL_ROWS];
    double height[ENV_KERNEL_ROWS];
    const uint32_t n = r->n;

    for (uint32_t i = 0; i < n; i++) {
        double s1, c1, s2, c2;
        env_sincos_small(t1[i], &s1, &c1);
        env_sincos_small(t2[i], &s2, &c2);
        seen[0][i] = (float)c1;
        seen[1][i] = (float)s1;
        seen[2][i] = (float)c2;
        seen[3][i] = (float)s2;
        height[i] = -c1 - env_cos_small(t2[i] + t1[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < 4; k++)
            obs[6 * i + k] = seen[k][i];
        obs[6 * i + 4] = (float)w1[i];
        obs[6 * i + 5] = (float)w2[i];
        reward[i] = height[i] > 1.0 ? 0.0f : -1.0f;
    }
    for (uint32_t i = 0; i < n; i++)
        terminated[i] = reward[i] == 0.0f;
}

ENV_INLINE int acrobot_step_rows_body(const struct acrobot_rows *r)
{
    double *restrict t1 = r->theta1, *restrict t2 = r->theta2;
    double *restrict w1 = r->omega1, *restrict w2 = r->omega2;
    const int32_t *restrict act = r->act;
    const double centripetal = r->centripetal;
    const uint32_t n = r->n;
    uint32_t bad = 0;

    for (uint32_t i = 0; i < n; i++)
        bad |= (uint32_t)act[i] > 2u;
    if (bad)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct arms s = {t1[i], t2[i], w1[i], w2[i]};
        const struct arms next = runge_kutta(s, (double)(act[i] - 1), centripetal);
        t1[i] = next.t1;
        t2[i] = next.t2;
        w1[i] = env_clamp(next.w1, -OMEGA1_MAX, OMEGA1_MAX);
        w2[i] = env_clamp(next.w2, -OMEGA2_MAX, OMEGA2_MAX);
    }
    for (uint32_t i = 0; i < n; i++) {
        t1[i] = wrap(t1[i]);
        t2[i] = wrap(t2[i]);
        r->truncated[i] = 0;
    }
    observe_rows(r);
    return 1;
}

ENV_VARIANTS(acrobot_step_rows, acrobot_rows)
