/* Distributions and losses over many rows at once, vectorised, with equal bits on every instruction
 * set. Threads: [any] on distinct data. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#ifndef KIT_ROWS_H
#define KIT_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* Rows per block of the loss functions; scratch is sized by it. */
#define KIT_BLOCK 64u

/* A categorical distribution over n actions from rows of logits, ld floats apart. mask is n bytes
 * per row, mask_ld apart (1 = allowed), or NULL. */
struct kit_categorical {
    const float *logits;
    size_t ld;
    const uint8_t *mask;
    size_t mask_ld;
    uint32_t n;
};

/* Sums over rows, in row order. */
struct kit_policy_sums {
    double policy_loss, entropy, approx_kl, clip_fraction;
};

/* Clipped surrogate of one block of rows: the loss is -mean min(A r, A clip(r)) - ent_coef mean H
 * with r = exp(logp - logp_old); gradients are scaled by inv_rows. */
struct kit_policy_loss {
    uint32_t rows; /* <= KIT_BLOCK */
    const float *logp_old, *adv;
    float clip, ent_coef, inv_rows;
    float *scratch; /* kit_scratch(n) floats */
};

/* Independent categoricals whose logits (and mask bytes) lie side by side: n[0] .. n[count - 1]
 * actions; their sum is kit_categorical.n. */
struct kit_parts {
    const uint32_t *n;
    uint32_t count;
};

/* Noise that depends on the state: the deviation of action a is sqrt(sum_f feat_f^2 s2[f][a] +
 * 1e-6) with s2 = exp(2 log_std), n actions to a feature. */
struct kit_sde {
    const float *feat; /* rows of n_feat numbers, ld apart */
    size_t ld;
    uint32_t n_feat;
    const float *s2;
};

struct kit_rows {
    /* scratch: kit_scratch(n) floats. Samples row i with u[i] in (0, 1): first index whose
     * cumulative probability exceeds u, the last allowed one as fallback; u NULL takes the lowest
     * index among the maxima. prob [rows][n] and logp [rows] may be NULL. rows <= KIT_BLOCK. */
    void (*categorical)(const struct kit_categorical *d, uint32_t rows, const float *u,
                        int32_t *act, size_t act_ld, float *logp, float *prob, float *scratch);
    /* dlogits (ld floats per row, first n written) from actions act (act_ld apart). */
    void (*categorical_loss)(const struct kit_categorical *d, const struct kit_policy_loss *l,
                             const int32_t *act, size_t act_ld, float *dlogits,
                             struct kit_policy_sums *sums);
    /* logp[i] of raw actions act (act_ld apart) under N(mean, exp(log_std)). rows <= KIT_BLOCK. */
    void (*gaussian_logp)(const float *mean, size_t ld, const float *log_std, uint32_t n,
                          uint32_t rows, const float *act, size_t act_ld, float *logp);
    /* dmean (ld apart) and dlog_std (one row of ls_ld floats per row). */
    void (*gaussian_loss)(const float *mean, size_t ld, const float *log_std, uint32_t n,
                          const struct kit_policy_loss *l, const float *act, size_t act_ld,
                          float *dmean, float *dlog_std, size_t ls_ld,
                          struct kit_policy_sums *sums);
    /* std deviations exp(log_std). */
    void (*exps)(const float *x, float *y, size_t n);
    /* As categorical and categorical_loss; u and act hold one entry per part, log-probabilities and
     * entropies add. u is count floats per row. */
    void (*multi)(const struct kit_categorical *d, const struct kit_parts *parts, uint32_t rows,
                  const float *u, int32_t *act, size_t act_ld, float *logp, float *scratch);
    void (*multi_loss)(const struct kit_categorical *d, const struct kit_parts *parts,
                       const struct kit_policy_loss *l, const int32_t *act, size_t act_ld,
                       float *dlogits, struct kit_policy_sums *sums);
    /* Variances into var[a * KIT_BLOCK + row]; log-probabilities into logp unless it is NULL.
     * scratch: KIT_BLOCK floats. */
    void (*sde_logp)(const float *mean, size_t ld, const struct kit_sde *s, uint32_t n,
                     uint32_t rows, const float *act, size_t act_ld, float *logp, float *var,
                     float *scratch);
    /* dmean (ld apart); the gradient of log_std is added to dlog_std [n_feat][n]. Features count as
     * constants. */
    void (*sde_loss)(const float *mean, size_t ld, const struct kit_sde *s, uint32_t n,
                     const struct kit_policy_loss *l, const float *act, size_t act_ld, float *dmean,
                     float *dlog_std, struct kit_policy_sums *sums);
};

/* Floats of scratch for n actions. */
static inline size_t kit_scratch(uint32_t n)
{
    return ((size_t)3 * n + 8) * KIT_BLOCK;
}

/* The table for LATHE_ISA_* (see lathe/engine.h), AUTO = best; NULL when this CPU lacks it. */
const struct kit_rows *kit_rows_get(uint32_t isa);

/* Value loss of one row: squared error, or the clipped form. sb3: (R - v)^2 with v clipped around
 * v_old when clip > 0; cleanrl: half the larger of the plain and the clipped error. Writes dL/dV.
 */
static inline double kit_value_loss(int cleanrl, float v, float v_old, float ret, float clip,
                                    float *dv)
{
    const float e = v - ret;
    float moved = v - v_old, err;
    int inside = 1;

    if (clip > 0) {
        inside = moved <= clip && moved >= -clip;
        moved = moved > clip ? clip : moved < -clip ? -clip : moved;
    }
    err = v_old + moved - ret;
    if (!cleanrl) {
        if (clip > 0) {
            *dv = inside ? 2.0f * e : 0.0f;
            return inside ? (double)e * (double)e : (double)err * (double)err;
        }
        *dv = 2.0f * e;
        return (double)e * (double)e;
    }
    if (clip > 0 && !inside && err * err > e * e) {
        *dv = 0.0f;
        return 0.5 * (double)err * (double)err;
    }
    *dv = e;
    return 0.5 * (double)e * (double)e;
}

#endif
