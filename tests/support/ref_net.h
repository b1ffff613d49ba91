/* Dense nets in double, read from a checkpoint, and gradients by central differences: the slow
 * reference of learners. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_REF_NET_H
#define TESTS_REF_NET_H

#include "tests/support/rl_harness.h"

#define REF_MAX_LAYERS 6u
#define REF_MAX_WIDTH 64u

enum ref_activation { REF_IDENTITY, REF_TANH };

/* Layer l: weights [out][in] at p + off, biases behind them. in = 0: a parameter vector. */
struct ref_net {
    uint32_t n_layers, in[REF_MAX_LAYERS], out[REF_MAX_LAYERS];
    size_t off[REF_MAX_LAYERS], n;
    double *p;
};

/* Tensors "<name>.<layer>.weight" and ".bias", or the vector "<name>" when there are none. Fails
 * the test when there is neither. */
void ref_open(struct ref_net *net, const struct rl_store *store, const char *name);
void ref_close(struct ref_net *net);
/* Layer l of x into y. */
void ref_layer(const struct ref_net *net, uint32_t l, const double *x, double *y,
               enum ref_activation activation);
/* All layers: tanh, the last one as asked. Output 0 is returned. */
double ref_eval(const struct ref_net *net, const double *x, double *y, enum ref_activation last);

/* Compares gradient[i] (a net of the same shape, times scale) with central differences of loss by
 * net's numbers: relative to the largest of them, within 1e-4. Returns the largest. */
double ref_check(struct ref_net *net, const struct ref_net *gradient, double scale,
                 double (*loss)(void *user), void *user);
/* after = before - lr * sign-like first Adam step of the gradients m * scale, within 1e-5. */
void ref_check_adam(const struct ref_net *before, const struct ref_net *after,
                    const struct ref_net *m, double lr);
/* after = tau * source + (1 - tau) * before. */
void ref_check_polyak(const struct ref_net *before, const struct ref_net *after,
                      const struct ref_net *source, double tau);

#endif
