/* Nets with a known shape: opening, tensors by name, description. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/mlp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t kit_mlp_open(struct kit_mlp *m, const struct lathe_engine *engine,
                     struct lathe_engine_self *self, const struct lathe_net_args *args,
                     struct lathe_error *err)
{
    uint32_t i;

    memset(m, 0, sizeof *m);
    for (i = 0; args->layers[i] != NULL; i++) {
        if (i == KIT_MLP_LAYERS)
            return LATHE_E_INVALID;
        m->in[i] = args->layers[i]->in;
        m->out[i] = args->layers[i]->out;
        m->activation[i] = args->layers[i]->activation;
    }
    m->n_layers = i;
    m->engine = engine;
    return engine->net_open(self, args, err, &m->net);
}

void kit_mlp_close(struct kit_mlp *m)
{
    if (m->net != NULL)
        m->engine->net_close(m->net);
    m->net = NULL;
}

/* Tensor i (weights and biases in turn) of a net. */
struct tensor {
    char name[96];
    uint32_t layer, bias, ndim;
    uint64_t shape[2];
    float *data;
};

static int32_t tensor_open(const struct kit_mlp *m, const struct kit_mlp_names *names, uint32_t i,
                           struct tensor *t)
{
    const uint32_t l = i / 2;

    t->layer = l;
    t->bias = i % 2;
    t->ndim = t->bias ? 1 : 2;
    t->shape[0] = m->out[l];
    t->shape[1] = m->in[l];
    if (m->in[l] == 0)
        snprintf(t->name, sizeof t->name, "%s/%s", names->prefix, names->name);
    else
        snprintf(t->name, sizeof t->name, "%s/%s.%u.%s", names->prefix, names->name,
                 names->first + l, t->bias ? "bias" : "weight");
    t->data = calloc((size_t)m->out[l] * (t->bias ? 1u : m->in[l]), sizeof *t->data);
    return t->data == NULL ? LATHE_E_NOMEM : LATHE_OK;
}

static int32_t move(const struct kit_mlp *m, const struct kit_mlp_names *names,
                    const struct lathe_writer *w, const struct lathe_reader *r)
{
    int32_t st = LATHE_OK;
    uint32_t i;

    for (i = 0; m->net != NULL && i < 2 * m->n_layers && st == LATHE_OK; i++) {
        struct tensor t;
        if (i % 2 == 0 && m->in[i / 2] == 0)
            continue; /* a parameter vector has biases alone */
        if ((st = tensor_open(m, names, i, &t)) != LATHE_OK)
            return st;
        if (w != NULL) {
            st = m->engine->tensor_get(m->net, names->what, t.layer, t.bias, t.data);
            st = st != LATHE_OK ? st : w->put(w, t.name, LATHE_F32, t.ndim, t.shape, t.data);
        } else {
            st = r->get(r, t.name, LATHE_F32, t.ndim, t.shape, t.data);
            st = st != LATHE_OK
                     ? st
                     : m->engine->tensor_set(m->net, names->what, t.layer, t.bias, t.data);
        }
        free(t.data);
    }
    return st;
}

int32_t kit_mlp_save(const struct kit_mlp *m, const struct kit_mlp_names *names,
                     const struct lathe_writer *w)
{
    return move(m, names, w, NULL);
}

int32_t kit_mlp_load(const struct kit_mlp *m, const struct kit_mlp_names *names,
                     const struct lathe_reader *r)
{
    return move(m, names, NULL, r);
}

void kit_text_add(struct kit_text *t, const char *format, ...)
{
    va_list args;
    int n;

    if (t->full)
        return;
    va_start(args, format);
    n = vsnprintf(t->at + t->len, (size_t)(t->cap - t->len), format, args);
    va_end(args);
    if (n < 0 || (uint64_t)n >= t->cap - t->len)
        t->full = 1;
    else
        t->len += (uint64_t)n;
}

void kit_mlp_describe(const struct kit_mlp *m, uint32_t n_layers, const struct kit_mlp_names *names,
                      int32_t comma, struct kit_text *t)
{
    static const char *const activations[] = {"identity", "tanh", "relu", "gelu"};
    uint32_t l;

    for (l = 0; l < n_layers && l < m->n_layers; l++)
        kit_text_add(t, "%s{\"in\":%u,\"out\":%u,\"activation\":\"%s\",\"tensor\":\"%s/%s.%u\"}",
                     l > 0 || comma ? "," : "", m->in[l], m->out[l], activations[m->activation[l]],
                     names->prefix, names->name, names->first + l);
}
