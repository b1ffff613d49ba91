/* Temporal-difference targets and losses: squared, Huber, quantile Huber; dueling outputs.
 * References: Mnih et al. 2015; van Hasselt et al. 2016; Wang et al. 2016; Dabney et al. 2018. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"

#include <math.h>
#include <string.h>

/* Mean over actions of atom k's advantages. */
static float mean_advantage(const struct dqn_heads *h, const float *y, uint32_t k)
{
    float sum = 0;
    uint32_t a;

    for (a = 0; a < h->n_actions; a++)
        sum += y[a * h->n_atoms + k];
    return sum / (float)h->n_actions;
}

/* Atom k of action a. */
static float atom(const struct dqn_heads *h, const float *y, uint32_t a, uint32_t k)
{
    const float v = y[a * h->n_atoms + k];

    return h->dueling ? y[h->n_actions * h->n_atoms + k] + (v - mean_advantage(h, y, k)) : v;
}

void dqn_values(const struct dqn_heads *h, const float *y, float *q)
{
    uint32_t a, k;

    if (!h->dueling && h->n_atoms == 1) {
        memcpy(q, y, h->n_actions * sizeof *q);
        return;
    }
    for (a = 0; a < h->n_actions; a++)
        q[a] = 0;
    for (k = 0; k < h->n_atoms; k++) {
        const float mean = h->dueling ? mean_advantage(h, y, k) : 0.0f;
        const float base = h->dueling ? y[h->n_actions * h->n_atoms + k] : 0.0f;
        for (a = 0; a < h->n_actions; a++)
            q[a] += base + (y[a * h->n_atoms + k] - mean);
    }
    for (a = 0; a < h->n_actions && h->n_atoms > 1; a++)
        q[a] /= (float)h->n_atoms;
}

uint32_t dqn_best(const float *q, const uint8_t *mask, uint32_t n)
{
    uint32_t a, best = n;

    for (a = 0; a < n; a++)
        if ((mask == NULL || mask[a]) && (best == n || q[a] > q[best]))
            best = a;
    return best == n ? 0 : best;
}

void dqn_goals(const struct dqn_heads *h, const struct dqn_block *b, float *q)
{
    uint32_t i, k;

    for (i = 0; i < b->rows; i++) {
        const float *const next = b->next_target + (size_t)i * h->stride;
        const uint8_t *mask = b->next_mask == NULL ? NULL : b->next_mask + (size_t)i * h->n_actions;
        float *const goal = b->goal + (size_t)i * h->n_atoms;
        uint32_t best;
        dqn_values(h, h->double_q ? b->next_online + (size_t)i * h->stride : next, q);
        best = dqn_best(q, mask, h->n_actions);
        for (k = 0; k < h->n_atoms; k++)
            goal[k] = b->reward[i] + b->discount[i] * atom(h, next, best, k);
    }
}

/* Spreads the gradients g[n_atoms] of one action over a row of dy that is 0. */
static void spread(const struct dqn_heads *h, const float *g, uint32_t act, float *dy)
{
    const uint32_t n = h->n_atoms;
    const float share = 1.0f / (float)h->n_actions;
    uint32_t a, k;

    memcpy(dy + act * n, g, n * sizeof *g);
    if (!h->dueling)
        return;
    for (a = 0; a < h->n_actions; a++)
        for (k = 0; k < n; k++)
            dy[a * n + k] -= g[k] * share;
    memcpy(dy + h->n_actions * n, g, n * sizeof *g);
}

/* One value against one goal: loss and derivative. */
static double scalar_loss(const struct dqn_heads *h, float value, float goal, float *g)
{
    const float e = value - goal, size = fabsf(e);

    if (!h->huber) {
        *g = 2.0f * e;
        return (double)e * (double)e;
    }
    *g = size <= 1.0f ? e : e > 0 ? 1.0f : -1.0f;
    return size <= 1.0f ? 0.5 * (double)e * (double)e : (double)size - 0.5;
}

/* Loss of one row; g receives the derivatives of the taken action's atoms. */
static double row_loss(const struct dqn_heads *h, const struct dqn_block *b, uint32_t i,
                       const float *y, float *g, struct dqn_sums *sums)
{
    const float *const goal = b->goal + (size_t)i * h->n_atoms;
    const uint32_t a = (uint32_t)b->act[i];
    double value = 0, wanted = 0;
    uint32_t k;

    for (k = 0; k < h->n_atoms; k++) {
        g[k] = atom(h, y, a, k);
        value += (double)g[k];
        wanted += (double)goal[k];
    }
    value /= (double)h->n_atoms;
    b->error[i] = (float)(value - wanted / (double)h->n_atoms);
    sums->q += value;
    sums->td_abs += fabs((double)b->error[i]);
    if (h->quantile) {
        const double loss = h->quantile_loss(h->n_atoms, g, h->n_atoms, goal, h->huber, g);
        b->error[i] = (float)loss; /* the usual priority of a distribution */
        return loss;
    }
    return scalar_loss(h, g[0], goal[0], g);
}

void dqn_loss(const struct dqn_heads *h, const struct dqn_block *b, const float *y, float *dy,
              struct dqn_sums *sums)
{
    uint32_t i, k;

    memset(dy, 0, (size_t)b->rows * h->stride * sizeof *dy);
    for (i = 0; i < b->rows; i++) {
        float *const row = dy + (size_t)i * h->stride;
        float *const g = b->goal + (size_t)b->rows * h->n_atoms; /* one row behind the goals */
        const float scale = b->weight[i] * b->inv_rows;
        sums->loss += (double)b->weight[i] * row_loss(h, b, i, y + (size_t)i * h->stride, g, sums);
        for (k = 0; k < h->n_atoms; k++)
            g[k] *= scale;
        spread(h, g, (uint32_t)b->act[i], row);
    }
}
