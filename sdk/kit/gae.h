/* Generalised advantage estimation over a list of transitions.
 * Reference: Schulman et al., High-Dimensional Continuous Control Using GAE, 2016. Threads: [any].
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_GAE_H
#define KIT_GAE_H

#include <stddef.h>
#include <stdint.h>

/* Transitions in time order; entry e belongs to row row[e] (NULL: e % n_rows). done ends the
 * episode after the entry. next_value and next_adv are [n_rows] work arrays: on entry next_value
 * holds V of the observation behind each row's last entry (unused where that entry is done),
 * next_adv 0. */
struct kit_gae {
    size_t n;
    uint32_t n_rows, reserved0;
    const uint32_t *row;
    const float *reward, *value;
    const uint8_t *done;
    float gamma, lambda;
    float *next_value, *next_adv;
    float *adv, *ret; /* out: [n] advantages; returns = advantage + value */
};

void kit_gae(const struct kit_gae *g);

/* Normalises n numbers in place to mean 0 and deviation 1 (n - 1 in the denominator, + 1e-8); one
 * number is left as it is. Sums in double, in order. */
void kit_normalize(float *x, size_t n);

/* 1 - var(ret - value) / var(ret), NaN when ret is constant. */
double kit_explained_variance(const float *value, const float *ret, size_t n);

#endif
