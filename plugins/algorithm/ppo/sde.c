/* State-dependent exploration: noise = features x weights, where the weights are drawn now and
 * then. Reference: Raffin, Kober, Stulp, Smooth Exploration for Robotic Reinforcement Learning,
 * 2021. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "ppo.h"

struct kit_sde ppo_sde(struct ppo *p, const float *feat)
{
    const struct kit_sde s = {feat, p->stride_t, p->n_feat, p->s2};
    const size_t n = (size_t)p->n_feat * p->n_out;
    const float *ls = p->engine->forward(p->log_std, p->std_ws, 1, NULL, 0);
    size_t i;

    for (i = 0; i < n; i++)
        p->s2[i] = 2.0f * ls[i];
    p->rows->exps(p->s2, p->s2, n);
    return s;
}

void ppo_sde_draw(struct ppo *p, uint32_t row, uint64_t step)
{
    const size_t n = (size_t)p->n_feat * p->n_out;
    const float *ls = p->engine->forward(p->log_std, p->std_ws, 1, NULL, 0);
    float *theta = p->roll.theta + row * n, z[4];
    uint32_t x[4];
    size_t i, k;

    p->rows->exps(ls, theta, n);
    for (i = 0; i < n; i += 4) {
        lathe_philox(p->seed, LATHE_STREAM_EXPLORE, row, step, (uint32_t)(i / 4), x);
        lathe_normal_pair(x[0], x[1], z);
        lathe_normal_pair(x[2], x[3], z + 2);
        for (k = 0; k < 4 && i + k < n; k++)
            theta[i + k] *= z[k];
    }
}

void ppo_sde_act(struct ppo *p, const float *mean, const struct kit_sde *s, uint32_t rows,
                 const uint32_t *row, const float *u, float *act)
{
    float *var = p->scratch + KIT_BLOCK;
    uint32_t a, f, i;

    if (u != NULL)
        p->rows->sde_logp(mean, p->stride_a, s, p->n_out, rows, NULL, 0, NULL, var, p->scratch);
    for (i = 0; i < rows; i++)
        for (a = 0; a < p->n_out; a++) {
            const float *h = s->feat + i * s->ld;
            float noise = 0;
            if (row != NULL) {
                const float *theta = p->roll.theta + (size_t)row[i] * p->n_feat * p->n_out + a;
                for (f = 0; f < p->n_feat; f++)
                    noise += h[f] * theta[(size_t)f * p->n_out];
            } else if (u != NULL) {
                noise = sqrtf(var[(size_t)a * KIT_BLOCK + i]) * u[(size_t)i * p->n_out + a];
            }
            act[(size_t)i * p->n_out + a] = mean[(size_t)i * p->stride_a + a] + noise;
        }
}
