/* Dense nets in double and central differences. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/ref_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEP 1e-5

static const struct rl_tensor *find(const struct rl_store *s, const char *name)
{
    uint32_t i;

    for (i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, name) == 0)
            return &s->list[i];
    return NULL;
}

static void append(struct ref_net *net, const struct rl_tensor *t)
{
    const float *from = t->data;
    const size_t n = t->len_bytes / sizeof *from;
    size_t i;

    net->p = realloc(net->p, (net->n + n) * sizeof *net->p);
    assert_non_null(net->p);
    for (i = 0; i < n; i++)
        net->p[net->n++] = (double)from[i];
}

void ref_open(struct ref_net *net, const struct rl_store *store, const char *name)
{
    const struct rl_tensor *t = find(store, name);

    memset(net, 0, sizeof *net);
    if (t != NULL) {
        net->n_layers = 1;
        net->out[0] = (uint32_t)t->shape[0];
        append(net, t);
        return;
    }
    for (; net->n_layers < REF_MAX_LAYERS; net->n_layers++) {
        const uint32_t l = net->n_layers;
        char text[96];
        snprintf(text, sizeof text, "%s.%u.weight", name, l);
        if ((t = find(store, text)) == NULL)
            break;
        net->out[l] = (uint32_t)t->shape[0];
        net->in[l] = (uint32_t)t->shape[1];
        assert_true(net->out[l] <= REF_MAX_WIDTH);
        net->off[l] = net->n;
        append(net, t);
        snprintf(text, sizeof text, "%s.%u.bias", name, l);
        append(net, find(store, text));
    }
    assert_true(net->n_layers > 0);
}

void ref_close(struct ref_net *net)
{
    free(net->p);
    net->p = NULL;
}

void ref_layer(const struct ref_net *net, uint32_t l, const double *x, double *y,
               enum ref_activation activation)
{
    const double *w = net->p + net->off[l], *b = w + (size_t)net->in[l] * net->out[l];
    uint32_t i, k;

    for (i = 0; i < net->out[l]; i++) {
        y[i] = b[i];
        for (k = 0; k < net->in[l]; k++)
            y[i] += w[(size_t)i * net->in[l] + k] * x[k];
        if (activation == REF_TANH)
            y[i] = tanh(y[i]);
    }
}

double ref_eval(const struct ref_net *net, const double *x, double *y, enum ref_activation last)
{
    double a[REF_MAX_WIDTH], b[REF_MAX_WIDTH];
    uint32_t l;

    for (l = 0; l + 1 < net->n_layers; l++) {
        ref_layer(net, l, l == 0 ? x : a, b, REF_TANH);
        memcpy(a, b, sizeof a);
    }
    ref_layer(net, l, l == 0 ? x : a, b, last);
    if (y != NULL)
        memcpy(y, b, net->out[l] * sizeof *y);
    return b[0];
}

double ref_check(struct ref_net *net, const struct ref_net *gradient, double scale,
                 double (*loss)(void *user), void *user)
{
    double *want = calloc(net->n, sizeof *want), top = 0;
    size_t i;

    assert_non_null(want);
    assert_true(net->n == gradient->n);
    for (i = 0; i < net->n; i++) {
        const double keep = net->p[i];
        net->p[i] = keep + STEP;
        want[i] = loss(user);
        net->p[i] = keep - STEP;
        want[i] = (want[i] - loss(user)) / (2 * STEP);
        net->p[i] = keep;
        top = fabs(want[i]) > top ? fabs(want[i]) : top;
    }
    for (i = 0; i < net->n; i++) {
        const double got = scale * gradient->p[i];
        if (!(fabs(got - want[i]) <= 1e-4 * top))
            print_message("gradient %zu: got %g, want %g\n", i, got, want[i]);
        assert_true(fabs(got - want[i]) <= 1e-4 * top);
    }
    free(want);
    return top;
}

void ref_check_adam(const struct ref_net *before, const struct ref_net *after,
                    const struct ref_net *m, double lr)
{
    size_t i;

    assert_true(before->n == after->n && before->n == m->n);
    for (i = 0; i < before->n; i++) {
        const double g = 10.0 * m->p[i]; /* the first step: m = 0.1 g */
        const double want = before->p[i] - lr * g / (fabs(g) + 1e-8);
        assert_true(fabs(after->p[i] - want) <= 1e-5 * fmax(1.0, fabs(want)));
    }
}

void ref_check_polyak(const struct ref_net *before, const struct ref_net *after,
                      const struct ref_net *source, double tau)
{
    size_t i;

    for (i = 0; i < before->n; i++) {
        const double want = tau * source->p[i] + (1 - tau) * before->p[i];
        assert_true(fabs(after->p[i] - want) <= 1e-6 * fmax(1.0, fabs(want)));
    }
}
