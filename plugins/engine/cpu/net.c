/* Nets of engine/cpu: layout of the parameter arrays, workspaces, tensor import and export. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

static uint32_t pad16(uint32_t n)
{
    return (n + 15u) & ~15u;
}

float *cpu_floats(size_t n)
{
    const size_t bytes = ((n == 0 ? 1 : n) * sizeof(float) + 63u) & ~(size_t)63u;
    float *p = aligned_alloc(64, bytes);

    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

int32_t cpu_fail(struct lathe_error *err, int32_t code, const char *text)
{
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->code = code;
        snprintf(err->text, sizeof err->text, "engine/cpu: %s", text);
    }
    return code;
}

static int32_t check_layer(const struct lathe_layer *const *layers, uint32_t i, uint32_t width,
                           struct lathe_error *err)
{
    const struct lathe_layer *l = layers[i];

    if (l->out == 0 || l->out > CPU_MAX_WIDTH || l->in > CPU_MAX_WIDTH)
        return cpu_fail(err, LATHE_E_INVALID, "a layer's width is outside 1..65536");
    if (l->activation > LATHE_ACTIVATION_GELU || l->init > LATHE_INIT_NORMAL || !isfinite(l->gain))
        return cpu_fail(err, LATHE_E_INVALID, "a layer has an unknown activation or initializer");
    if (l->in == 0 && (i > 0 || layers[1] != NULL))
        return cpu_fail(err, LATHE_E_INVALID, "a parameter vector (in = 0) must be the only layer");
    if (l->flags & LATHE_LAYER_JOIN) {
        if (i == 0 || l->in != layers[i - 1]->in || l->activation != layers[i - 1]->activation)
            return cpu_fail(err, LATHE_E_INVALID, "a JOIN layer differs from the layer before it");
    } else if (i > 0 && l->in != width) {
        return cpu_fail(err, LATHE_E_INVALID, "a layer's input is not the output before it");
    }
    return LATHE_OK;
}

/* Checks the specification and fills dense and parts. */
static int32_t plan(struct lathe_net *net, const struct lathe_layer *const *layers,
                    struct lathe_error *err)
{
    uint32_t i, width = 0;
    int32_t st;

    for (i = 0; layers[i] != NULL; i++) {
        const struct lathe_layer *l = layers[i];
        struct dense *d;
        if ((st = check_layer(layers, i, width, err)) != LATHE_OK)
            return st;
        if ((l->flags & LATHE_LAYER_JOIN) == 0) {
            net->n_dense++;
            width = 0;
        }
        d = &net->dense[net->n_dense - 1];
        d->in = l->in;
        d->in_pad = pad16(l->in);
        d->activation = l->activation;
        net->parts[i].dense = net->n_dense - 1;
        net->parts[i].col = width;
        net->parts[i].out = l->out;
        width += l->out;
        if (width > CPU_MAX_WIDTH)
            return cpu_fail(err, LATHE_E_INVALID, "joined layers are wider than 65536");
        d->out = width;
        d->out_pad = pad16(width);
    }
    return LATHE_OK;
}

/* Index of weight (k, j) in a packed matrix with rows rows and width columns. */
static size_t packed(uint32_t rows, uint32_t width, uint32_t k, uint32_t j)
{
    const uint32_t q = j / CPU_PANEL, left = width - q * CPU_PANEL;
    const size_t w = left < CPU_PANEL ? left : CPU_PANEL;

    return (size_t)q * CPU_PANEL * rows + k * w + j % CPU_PANEL;
}

static int32_t allocate(struct lathe_net *net)
{
    uint32_t i;

    for (i = 0; i < net->n_dense; i++) {
        struct dense *d = &net->dense[i];
        d->w_off = net->n_params;
        net->n_params += (size_t)d->in * d->out_pad;
        d->b_off = net->n_params;
        net->n_params += d->out_pad;
        d->wt_off = net->n_wt;
        net->n_wt += (size_t)d->out * d->in_pad;
    }
    net->arena = cpu_floats(4 * net->n_params + net->n_wt);
    if (net->arena == NULL)
        return LATHE_E_NOMEM;
    net->p = net->arena;
    net->g = net->p + net->n_params;
    net->m = net->g + net->n_params;
    net->v = net->m + net->n_params;
    net->wt = net->v + net->n_params;
    net->wt_stale = 1;
    return LATHE_OK;
}

static int32_t draw(struct lathe_net *net, const struct lathe_net_args *args)
{
    uint32_t i;

    for (i = 0; i < net->n_parts; i++) {
        const struct lathe_layer *l = args->layers[i];
        float *w = cpu_floats((size_t)l->in * l->out), *b = cpu_floats(l->out);
        int32_t st = w == NULL || b == NULL ? LATHE_E_NOMEM : LATHE_OK;
        if (st == LATHE_OK)
            st = cpu_init_layer(l, args->seed, args->seed_row, i, w, b);
        if (st == LATHE_OK && l->in > 0)
            st = cpu_tensor_set(net, LATHE_TENSOR_PARAM, i, 0, w);
        if (st == LATHE_OK)
            st = cpu_tensor_set(net, LATHE_TENSOR_PARAM, i, 1, b);
        free(w);
        free(b);
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

int32_t cpu_net_open(struct lathe_engine_self *self, const struct lathe_net_args *args,
                     struct lathe_error *err, struct lathe_net **net)
{
    struct lathe_net *made;
    uint32_t n = 0;
    int32_t st;

    while (args->layers[n] != NULL && n <= CPU_MAX_LAYERS)
        n++;
    if (n == 0 || n > CPU_MAX_LAYERS)
        return cpu_fail(err, LATHE_E_INVALID, "a net needs 1 to 64 layers");
    if ((made = calloc(1, sizeof *made)) == NULL)
        return cpu_fail(err, LATHE_E_NOMEM, "no memory for a net");
    made->kernels = self->kernels;
    made->n_parts = n;
    made->dense = calloc(n, sizeof *made->dense);
    made->parts = calloc(n, sizeof *made->parts);
    if (made->dense == NULL || made->parts == NULL) {
        st = cpu_fail(err, LATHE_E_NOMEM, "no memory for a net");
        goto fail;
    }
    if ((st = plan(made, args->layers, err)) != LATHE_OK)
        goto fail;
    if ((st = allocate(made)) != LATHE_OK || (st = draw(made, args)) != LATHE_OK) {
        st = cpu_fail(err, st, st == LATHE_E_NOMEM ? "no memory for a net" : "initializing failed");
        goto fail;
    }
    *net = made;
    return LATHE_OK;
fail:
    cpu_net_close(made);
    return st;
}

void cpu_net_close(struct lathe_net *net)
{
    if (net == NULL)
        return;
    free(net->arena);
    free(net->dense);
    free(net->parts);
    free(net);
}

int32_t cpu_workspace_open(struct lathe_net *net, uint32_t max_rows, struct lathe_error *err,
                           struct lathe_workspace **ws)
{
    struct lathe_workspace *made = calloc(1, sizeof *made);
    size_t floats = 0, widest = 0, rows = max_rows == 0 ? 1 : max_rows;
    float *at;
    uint32_t i;

    if (made == NULL)
        return cpu_fail(err, LATHE_E_NOMEM, "no memory for a workspace");
    made->net = net;
    made->max_rows = (uint32_t)rows;
    made->h = calloc(net->n_dense, sizeof *made->h);
    made->z = calloc(net->n_dense, sizeof *made->z);
    for (i = 0; i < net->n_dense; i++) {
        const struct dense *d = &net->dense[i];
        floats += rows * d->out_pad * (d->activation == LATHE_ACTIVATION_GELU ? 2u : 1u);
        widest = d->out_pad > widest ? d->out_pad : widest;
    }
    made->arena = cpu_floats(floats + 2 * rows * widest);
    if (made->h == NULL || made->z == NULL || made->arena == NULL) {
        cpu_workspace_close(made);
        return cpu_fail(err, LATHE_E_NOMEM, "no memory for a workspace");
    }
    at = made->arena;
    for (i = 0; i < net->n_dense; i++) {
        const size_t n = rows * net->dense[i].out_pad;
        made->h[i] = at;
        at += n;
        if (net->dense[i].activation == LATHE_ACTIVATION_GELU) {
            made->z[i] = at;
            at += n;
        }
    }
    made->d[0] = at;
    made->d[1] = at + rows * widest;
    *ws = made;
    return LATHE_OK;
}

void cpu_workspace_close(struct lathe_workspace *ws)
{
    if (ws == NULL)
        return;
    free(ws->arena);
    free(ws->h);
    free(ws->z);
    free(ws);
}

/* The array that what names, or NULL. */
static float *values(const struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias)
{
    if (layer >= net->n_parts || (bias == 0 && net->dense[net->parts[layer].dense].in == 0))
        return NULL;
    switch (what) {
    case LATHE_TENSOR_PARAM:
        return net->p;
    case LATHE_TENSOR_GRAD:
        return net->g;
    case LATHE_TENSOR_M:
        return net->m;
    case LATHE_TENSOR_V:
        return net->v;
    default:
        return NULL;
    }
}

int32_t cpu_tensor_get(const struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias,
                       float *out)
{
    const float *from = values(net, what, layer, bias);
    const struct part *part;
    const struct dense *d;
    uint32_t j, k;

    if (from == NULL)
        return LATHE_E_NOT_FOUND;
    part = &net->parts[layer];
    d = &net->dense[part->dense];
    if (bias) {
        memcpy(out, from + d->b_off + part->col, part->out * sizeof *out);
        return LATHE_OK;
    }
    for (j = 0; j < part->out; j++)
        for (k = 0; k < d->in; k++)
            out[(size_t)j * d->in + k] =
                from[d->w_off + packed(d->in, d->out_pad, k, part->col + j)];
    return LATHE_OK;
}

int32_t cpu_tensor_set(struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias,
                       const float *in)
{
    float *to = values(net, what, layer, bias);
    const struct part *part;
    const struct dense *d;
    size_t i, n;
    uint32_t j, k;

    if (to == NULL)
        return LATHE_E_NOT_FOUND;
    part = &net->parts[layer];
    d = &net->dense[part->dense];
    n = bias ? part->out : (size_t)part->out * d->in;
    for (i = 0; i < n; i++)
        if (!isfinite(in[i]))
            return LATHE_E_CORRUPT;
    net->wt_stale = 1;
    if (bias) {
        memcpy(to + d->b_off + part->col, in, n * sizeof *in);
        return LATHE_OK;
    }
    for (j = 0; j < part->out; j++)
        for (k = 0; k < d->in; k++)
            to[d->w_off + packed(d->in, d->out_pad, k, part->col + j)] = in[(size_t)j * d->in + k];
    return LATHE_OK;
}
