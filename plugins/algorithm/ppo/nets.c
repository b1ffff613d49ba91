/* The networks: separate actor and critic, or one trunk with two heads; a parameter vector for the
 * Gaussian's log deviation. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ppo.h"

#define MAX_LAYERS (PPO_MAX_HIDDEN + 2u)

/* Initializer of a layer. head: 0 hidden, 1 policy, 2 value. */
static void initializer(const struct ppo_config *c, struct lathe_layer *l, int head)
{
    if (c->agentgym && !c->ortho_init) {
        l->init = LATHE_INIT_NORMAL;
        l->gain = head == 1 ? 0.01 : sqrt((head == 2 ? 1.0 : 2.0) / (double)l->in);
    } else if (c->ortho_init) {
        l->init = LATHE_INIT_ORTHOGONAL;
        l->gain = head == 1 ? 0.01 : head == 2 ? 1.0 : 1.4142135623730951;
    } else {
        l->init = LATHE_INIT_UNIFORM;
        l->gain = 1.0;
    }
}

/* What a net is made of: hidden layers, a policy head, a value head. */
enum { PART_HIDDEN = 1, PART_POLICY = 2, PART_VALUE = 4 };

static int32_t open_net(struct ppo *p, uint32_t what, uint32_t seed_row, struct lathe_net **net,
                        struct lathe_error *err)
{
    struct lathe_layer layers[MAX_LAYERS];
    const struct lathe_layer *list[MAX_LAYERS + 1];
    struct lathe_net_args args = {sizeof args, 0, list, p->seed, seed_row, 0};
    uint32_t i, n = 0, in = what & PART_HIDDEN ? p->dim : p->cfg.hidden[p->cfg.n_hidden - 1];

    memset(layers, 0, sizeof layers);
    for (; n < p->cfg.n_hidden && what & PART_HIDDEN; n++) {
        layers[n].in = in;
        layers[n].out = p->cfg.hidden[n];
        layers[n].activation = p->cfg.activation;
        initializer(&p->cfg, &layers[n], 0);
        in = p->cfg.hidden[n];
    }
    if (what & PART_POLICY) {
        layers[n].in = in;
        layers[n].out = p->n_out;
        initializer(&p->cfg, &layers[n++], 1);
    }
    if (what & PART_VALUE) {
        layers[n].flags = what & PART_POLICY ? LATHE_LAYER_JOIN : 0;
        layers[n].in = in;
        layers[n].out = 1;
        initializer(&p->cfg, &layers[n++], 2);
    }
    for (i = 0; i < n; i++) {
        layers[i].struct_size = sizeof layers[i];
        list[i] = &layers[i];
    }
    list[n] = NULL;
    return p->engine->net_open(p->es, &args, err, net);
}

static int32_t open_log_std(struct ppo *p, struct lathe_error *err)
{
    const struct lathe_layer layer = {
        sizeof layer,
        0,
        0,
        p->n_out * (p->trunk != NULL ? p->n_feat : 1u),
        LATHE_ACTIVATION_IDENTITY,
        LATHE_INIT_CONSTANT,
        p->cfg.log_std_init,
    };
    const struct lathe_layer *const list[2] = {&layer, NULL};
    const struct lathe_net_args args = {sizeof args, 0, list, p->seed, 2, 0};
    int32_t st = p->engine->net_open(p->es, &args, err, &p->log_std);

    return st != LATHE_OK ? st : p->engine->workspace_open(p->log_std, KIT_BLOCK, err, &p->std_ws);
}

/* The actor, in two pieces with gSDE. */
static int32_t open_actor(struct ppo *p, struct lathe_error *err)
{
    const struct lathe_engine *e = p->engine;
    const uint32_t heads = PART_POLICY | (p->cfg.shared ? PART_VALUE : 0u);
    int32_t st;

    if (p->cfg.use_sde) {
        p->n_feat = p->cfg.hidden[p->cfg.n_hidden - 1];
        if ((st = open_net(p, PART_HIDDEN, 0, &p->trunk, err)) != LATHE_OK ||
            (st = e->workspace_open(p->trunk, KIT_BLOCK, err, &p->act_t)) != LATHE_OK ||
            (st = e->workspace_open(p->trunk, KIT_BLOCK, err, &p->upd_t)) != LATHE_OK)
            return st;
        p->stride_t = e->stride(p->trunk);
        st = open_net(p, heads, 3, &p->actor, err);
    } else {
        st = open_net(p, PART_HIDDEN | heads, 0, &p->actor, err);
    }
    if (st != LATHE_OK ||
        (st = e->workspace_open(p->actor, KIT_BLOCK, err, &p->act_a)) != LATHE_OK ||
        (st = e->workspace_open(p->actor, KIT_BLOCK, err, &p->upd_a)) != LATHE_OK)
        return st;
    p->stride_a = p->stride_c = e->stride(p->actor);
    return LATHE_OK;
}

int32_t ppo_nets_open(struct ppo *p, struct lathe_error *err)
{
    const struct lathe_engine *e = p->engine;
    const struct lathe_engine_args args = {sizeof args, 0, p->host,
                                           p->cfg.shared || p->threads < 2 ? 1u : 2u, p->cfg.isa};
    int32_t st;

    if ((st = e->open(&args, err, &p->es)) != LATHE_OK)
        return st;
    if ((p->rows = kit_rows_get(e->isa(p->es))) == NULL)
        return ppo_fail(err, LATHE_E_UNSUPPORTED, "isa", "no row kernels for this CPU");
    p->value_col = p->cfg.shared ? p->n_out : 0;
    p->n_layers_a = p->cfg.n_hidden + (p->cfg.shared ? 2u : 1u);
    p->n_layers_c = p->cfg.n_hidden + 1u;
    if ((st = open_actor(p, err)) != LATHE_OK)
        return st;
    if (!p->discrete && (st = open_log_std(p, err)) != LATHE_OK)
        return st;
    if (p->cfg.shared)
        return LATHE_OK;
    if ((st = open_net(p, PART_HIDDEN | PART_VALUE, 1, &p->critic, err)) != LATHE_OK ||
        (st = e->workspace_open(p->critic, KIT_BLOCK, err, &p->act_c)) != LATHE_OK ||
        (st = e->workspace_open(p->critic, KIT_BLOCK, err, &p->upd_c)) != LATHE_OK)
        return st;
    p->stride_c = e->stride(p->critic);
    return LATHE_OK;
}

void ppo_nets_close(struct ppo *p)
{
    const struct lathe_engine *e = p->engine;

    if (e == NULL)
        return;
    e->workspace_close(p->act_a);
    e->workspace_close(p->act_c);
    e->workspace_close(p->upd_a);
    e->workspace_close(p->upd_c);
    e->workspace_close(p->std_ws);
    e->workspace_close(p->act_t);
    e->workspace_close(p->upd_t);
    e->net_close(p->trunk);
    e->net_close(p->actor);
    e->net_close(p->critic);
    e->net_close(p->log_std);
    e->close(p->es);
}

const float *ppo_actor(struct ppo *p, int32_t update, uint32_t n, const float *x,
                       const float **feat)
{
    uint32_t ldx = p->dim;

    if (p->trunk != NULL) {
        x = p->engine->forward(p->trunk, update ? p->upd_t : p->act_t, n, x, ldx);
        ldx = p->stride_t;
    }
    *feat = x;
    return p->engine->forward(p->actor, update ? p->upd_a : p->act_a, n, x, ldx);
}

void ppo_values(struct ppo *p, const float *x, uint32_t rows, float *v)
{
    const float *feat;
    uint32_t at, i;

    for (at = 0; at < rows; at += KIT_BLOCK) {
        const uint32_t n = rows - at < KIT_BLOCK ? rows - at : KIT_BLOCK;
        const float *in = x + (size_t)at * p->dim;
        const float *y = p->critic != NULL ? p->engine->forward(p->critic, p->act_c, n, in, p->dim)
                                           : ppo_actor(p, 0, n, in, &feat);
        for (i = 0; i < n; i++)
            v[at + i] = y[(size_t)i * p->stride_c + p->value_col];
    }
}
