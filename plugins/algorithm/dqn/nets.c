/* The networks: online and target, one trunk with an advantage head and, when dueling, a value head
 * joined to it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "dqn.h"

#define MAX_LAYERS (DQN_MAX_HIDDEN + 2u)

static void layer(const struct dqn *d, struct lathe_layer *l, uint32_t in, uint32_t out, int head)
{
    const int normal = d->cfg.profile == DQN_AGENTGYM;

    memset(l, 0, sizeof *l);
    l->struct_size = sizeof *l;
    l->in = in;
    l->out = out;
    l->activation = head ? LATHE_ACTIVATION_IDENTITY : d->cfg.activation;
    l->init = normal ? LATHE_INIT_NORMAL : LATHE_INIT_UNIFORM;
    l->gain = !normal ? 1.0 : head ? 0.01 : sqrt(2.0 / (double)in);
}

static int32_t open_net(struct dqn *d, struct lathe_net **net, struct lathe_error *err)
{
    const struct dqn_heads *h = &d->heads;
    struct lathe_layer layers[MAX_LAYERS];
    const struct lathe_layer *list[MAX_LAYERS + 1];
    const struct lathe_net_args args = {sizeof args, 0, list, d->seed, 0, 0};
    uint32_t i, n = 0, in = d->dim;

    for (; n < d->cfg.n_hidden; n++) {
        layer(d, &layers[n], in, d->cfg.hidden[n], 0);
        in = d->cfg.hidden[n];
    }
    layer(d, &layers[n++], in, h->n_actions * h->n_atoms, 1);
    if (h->dueling) {
        layer(d, &layers[n], in, h->n_atoms, 1);
        layers[n++].flags = LATHE_LAYER_JOIN;
    }
    for (i = 0; i < n; i++)
        list[i] = &layers[i];
    list[n] = NULL;
    d->n_layers = n;
    return d->engine->net_open(d->es, &args, err, net);
}

int32_t dqn_nets_open(struct dqn *d, struct lathe_error *err)
{
    const struct lathe_engine *e = d->engine;
    const uint32_t rows = d->cfg.batch_size < DQN_SLICE ? d->cfg.batch_size : DQN_SLICE;
    const struct lathe_engine_args args = {sizeof args, 0, d->host, d->threads < 2 ? 1u : 2u,
                                           d->cfg.isa};
    int32_t st;

    if ((st = e->open(&args, err, &d->es)) != LATHE_OK ||
        (st = open_net(d, &d->online, err)) != LATHE_OK ||
        (st = e->workspace_open(d->online, KIT_BLOCK, err, &d->act_ws)) != LATHE_OK)
        return st;
    d->heads.stride = e->stride(d->online);
    if ((d->heads.quantile_loss = kit_quantile_get(e->isa(d->es))) == NULL)
        return dqn_fail(err, LATHE_E_UNSUPPORTED, "isa", "no loss kernel for this CPU");
    if (d->policy_only)
        return LATHE_OK;
    if ((st = open_net(d, &d->target, err)) != LATHE_OK ||
        (st = e->workspace_open(d->online, rows, err, &d->obs_ws)) != LATHE_OK ||
        (st = e->workspace_open(d->online, rows, err, &d->next_ws)) != LATHE_OK ||
        (st = e->workspace_open(d->target, rows, err, &d->target_ws)) != LATHE_OK)
        return st;
    return LATHE_OK;
}

void dqn_nets_close(struct dqn *d)
{
    const struct lathe_engine *e = d->engine;

    if (e == NULL || d->es == NULL)
        return;
    e->workspace_close(d->act_ws);
    e->workspace_close(d->obs_ws);
    e->workspace_close(d->next_ws);
    e->workspace_close(d->target_ws);
    e->net_close(d->online);
    e->net_close(d->target);
    e->close(d->es);
}

void dqn_target_copy(struct dqn *d)
{
    d->engine->polyak(d->target, d->online, d->cfg.tau);
}
