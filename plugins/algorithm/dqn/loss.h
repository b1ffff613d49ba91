/* Values and temporal-difference losses of "dqn" on blocks of network outputs. Pure functions of
 * their arguments. Row layout of the outputs: per action n_atoms advantages (or values), and behind
 * them, when dueling, n_atoms state values. Sums run over rows ascending, in double. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_DQN_LOSS_H
#define ALGORITHM_DQN_LOSS_H

#include "kit/quantile.h"

/* Shape of the output layer and form of the error. */
struct dqn_heads {
    uint32_t n_actions, n_atoms, stride; /* atoms: quantiles, or 1; stride: floats per output row */
    int32_t dueling, double_q, huber, quantile;
    kit_quantile_fn quantile_loss;
};

/* Sums over rows. */
struct dqn_sums {
    double loss, q, td_abs;
};

/* What one block of rows needs. */
struct dqn_block {
    uint32_t rows;
    const float *next_target; /* target net at next_obs */
    const float *next_online; /* online net at next_obs; double_q only, else NULL */
    const uint8_t *next_mask; /* n_actions bytes per row, or NULL */
    const float *reward, *discount, *weight;
    const int32_t *act;
    float inv_rows; /* 1 / rows of the whole minibatch */
    float *goal;    /* work space: rows * n_atoms, and n_atoms padded */
    float *error;   /* result: the rows' errors, for priorities */
};

/* Mean over atoms of every action into q[n_actions]. */
void dqn_values(const struct dqn_heads *h, const float *y, float *q);

/* Lowest index among the largest allowed values (mask may be NULL; 0 when nothing is allowed). */
uint32_t dqn_best(const float *q, const uint8_t *mask, uint32_t n);

/* goal[row][atom] = reward + discount * value of the best next action. q: n_actions floats. */
void dqn_goals(const struct dqn_heads *h, const struct dqn_block *b, float *q);

/* Loss of the outputs y against b->goal; writes dy (stride floats per row, all of them). */
void dqn_loss(const struct dqn_heads *h, const struct dqn_block *b, const float *y, float *dy,
              struct dqn_sums *sums);

#endif
