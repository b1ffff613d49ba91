/* Gaussian policies squashed by tanh, with independent or state-dependent noise, and the gradients
 * of losses on their samples; vectorised, with equal bits on every instruction set. References:
 * Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018; Raffin et al., Smooth
 * Exploration for Robotic Reinforcement Learning, 2021. Threads: [any] on distinct data. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#ifndef KIT_SQUASHED_H
#define KIT_SQUASHED_H

#include <stddef.h>
#include <stdint.h>

#define KIT_SDE_MEAN_LIMIT 2.0f /* means are clipped to +- this before state-dependent noise */

/* Action a = tanh(u), u = mean + std * noise. A row of out holds n means, then n raw log
 * deviations. log pi subtracts log(1 - a^2 + 1e-6), or its exact stable form. */
struct kit_squashed {
    const float *out;
    size_t ld;
    uint32_t n;
    int32_t tanh_std; /* log std = -5 + 3.5 (tanh(raw) + 1); else raw clipped to -20 .. 2 */
    int32_t stable;   /* log(1 - a^2) = 2 (log 2 - u - softplus(-2u)) */
};

/* Noise of a row is its features h times theta; the density is N(mean, h^2 std^2 + 1e-6). Matrices
 * are [n][features]; theta = std * (standard normals). */
struct kit_squashed_sde {
    const float *mean, *h; /* [rows][ld], [rows][ldh] */
    size_t ld, ldh;
    const float *theta, *std;
    uint32_t n, features;
    int32_t stable;
    float *scratch; /* kit_squashed_sde_scratch(features) floats */
};

struct kit_squashed_rows {
    /* Actions (act_ld apart) for standard normals noise [rows][n], NULL = the means; logp [rows] or
     * NULL. */
    void (*sample)(const struct kit_squashed *d, uint32_t rows, const float *noise, float *act,
                   size_t act_ld, float *logp);
    /* Gradient of sum of coef * log pi + da * a, through the sample drawn with noise, into dout (ld
     * apart, 2n written). da has da_ld floats per row. */
    void (*gradient)(const struct kit_squashed *d, uint32_t rows, const float *noise,
                     const float *da, size_t da_ld, float coef, float *dout);
    /* As sample with the noise h theta; explore 0 = the means. */
    void (*sde_sample)(const struct kit_squashed_sde *d, uint32_t rows, int32_t explore, float *act,
                       size_t act_ld, float *logp);
    /* As gradient: dmean (ld apart), dh (ldh apart, features written), and dlog_std [n][features],
     * to which the rows are added in order. Theta moves with std. */
    void (*sde_gradient)(const struct kit_squashed_sde *d, uint32_t rows, const float *da,
                         size_t da_ld, float coef, float *dmean, float *dh, float *dlog_std);
};

static inline size_t kit_squashed_sde_scratch(uint32_t features)
{
    return (size_t)features * 64u;
}

/* The table for LATHE_ISA_* (see lathe/engine.h), AUTO = best; NULL when this CPU lacks it. */
const struct kit_squashed_rows *kit_squashed_get(uint32_t isa);

#endif
