/* Advantages, their normalisation, and how much of the returns the values explain. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/gae.h"

#include <math.h>

void kit_gae(const struct kit_gae *g)
{
    size_t e = g->n;

    while (e-- > 0) {
        const uint32_t r = g->row != NULL ? g->row[e] : (uint32_t)(e % g->n_rows);
        const float go = g->done[e] ? 0.0f : 1.0f;
        const float delta = g->reward[e] + g->gamma * g->next_value[r] * go - g->value[e];
        const float adv = delta + g->gamma * g->lambda * go * g->next_adv[r];
        g->adv[e] = adv;
        g->ret[e] = adv + g->value[e];
        g->next_adv[r] = adv;
        g->next_value[r] = g->value[e];
    }
}

void kit_normalize(float *x, size_t n)
{
    double sum = 0, squares = 0, mean, scale;
    size_t i;

    if (n < 2)
        return;
    for (i = 0; i < n; i++)
        sum += (double)x[i];
    mean = sum / (double)n;
    for (i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    scale = 1.0 / (sqrt(squares / (double)(n - 1)) + 1e-8);
    for (i = 0; i < n; i++)
        x[i] = (float)(((double)x[i] - mean) * scale);
}

static double variance(const float *a, const float *minus, size_t n)
{
    double sum = 0, squares = 0, mean;
    size_t i;

    for (i = 0; i < n; i++)
        sum += (double)a[i] - (minus != NULL ? (double)minus[i] : 0.0);
    mean = sum / (double)n;
    for (i = 0; i < n; i++) {
        const double d = (double)a[i] - (minus != NULL ? (double)minus[i] : 0.0) - mean;
        squares += d * d;
    }
    return squares / (double)n;
}

double kit_explained_variance(const float *value, const float *ret, size_t n)
{
    const double all = n == 0 ? 0 : variance(ret, NULL, n);

    return all > 0 ? 1.0 - variance(ret, value, n) / all : NAN;
}
