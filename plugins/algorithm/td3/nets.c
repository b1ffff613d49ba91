/* Actor, one or two critics, and their target nets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "td3.h"

enum { SEED_ACTOR, SEED_Q };

static int32_t open_chunks(struct td3 *t, const struct kit_mlp *m, struct lathe_workspace ***list,
                           struct lathe_error *err)
{
    const struct kit_off_policy *b = &t->base;
    const uint32_t chunks = kit_off_policy_chunks(b);
    int32_t st = LATHE_OK;
    uint32_t c;

    if ((*list = calloc(chunks, sizeof **list)) == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_NOMEM, "", "no memory");
    for (c = 0; c < chunks && st == LATHE_OK; c++)
        st = b->engine->workspace_open(m->net, kit_off_policy_rows(b, c), err, &(*list)[c]);
    return st;
}

static int32_t open_actor(struct td3 *t, struct lathe_error *err)
{
    const struct kit_off_policy *b = &t->base;
    const struct kit_off_policy_net actor = {b->dim,    b->n_act, 1, 3, LATHE_ACTIVATION_TANH,
                                             SEED_ACTOR};
    struct td3_nets *n = &t->nets;
    int32_t st;

    if ((st = kit_off_policy_net_open(b, &actor, &n->actor, err)) != LATHE_OK ||
        (st = b->engine->workspace_open(n->actor.net, KIT_OFF_POLICY_BLOCK, err, &n->actor_act)) !=
            LATHE_OK)
        return st;
    n->lda = b->engine->stride(n->actor.net);
    if (b->policy_only)
        return LATHE_OK;
    if ((st = kit_off_policy_net_open(b, &actor, &n->actor_target, err)) != LATHE_OK ||
        (st = b->engine->workspace_open(n->actor_target.net, KIT_OFF_POLICY_CHUNK, err,
                                        &n->actor_next)) != LATHE_OK)
        return st;
    b->engine->polyak(n->actor_target.net, n->actor.net, 1.0);
    return open_chunks(t, &n->actor, &n->actor_ws, err);
}

static int32_t open_critic(struct td3 *t, uint32_t i, struct lathe_error *err)
{
    const struct kit_off_policy *b = &t->base;
    const struct kit_off_policy_net q = {b->dim + b->n_act, 1, 1, 3, 0, SEED_Q + i};
    struct td3_nets *n = &t->nets;
    int32_t st;

    if ((st = kit_off_policy_net_open(b, &q, &n->q[i], err)) != LATHE_OK ||
        (st = kit_off_policy_net_open(b, &q, &n->q_target[i], err)) != LATHE_OK ||
        (st = b->engine->workspace_open(n->q[i].net, KIT_OFF_POLICY_BLOCK, err, &n->q_act[i])) !=
            LATHE_OK ||
        (st = b->engine->workspace_open(n->q_target[i].net, KIT_OFF_POLICY_CHUNK, err,
                                        &n->q_next[i])) != LATHE_OK)
        return st;
    n->ldq = b->engine->stride(n->q[i].net);
    t->q_rows[i] = calloc(kit_off_policy_chunks(b), sizeof *t->q_rows[i]);
    if (t->q_rows[i] == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_NOMEM, "", "no memory");
    b->engine->polyak(n->q_target[i].net, n->q[i].net, 1.0);
    return open_chunks(t, &n->q[i], &n->q_ws[i], err);
}

int32_t td3_nets_open(struct td3 *t, struct lathe_error *err)
{
    int32_t st = open_actor(t, err);
    uint32_t i;

    if (st != LATHE_OK || t->base.policy_only)
        return st;
    for (i = 0; i < t->cfg.n_critics; i++)
        if ((st = open_critic(t, i, err)) != LATHE_OK)
            return st;
    return t->base.engine->workspace_open(t->nets.q[0].net, KIT_OFF_POLICY_CHUNK, err,
                                          &t->nets.q_policy);
}

static void close_chunks(const struct td3 *t, struct lathe_workspace **list)
{
    uint32_t c;

    for (c = 0; list != NULL && c < kit_off_policy_chunks(&t->base); c++)
        t->base.engine->workspace_close(list[c]);
    free(list);
}

void td3_nets_close(struct td3 *t)
{
    const struct lathe_engine *e = t->base.engine;
    struct td3_nets *n = &t->nets;
    uint32_t i;

    if (e == NULL)
        return;
    close_chunks(t, n->actor_ws);
    e->workspace_close(n->actor_act);
    e->workspace_close(n->actor_next);
    e->workspace_close(n->q_policy);
    for (i = 0; i < 2; i++) {
        close_chunks(t, n->q_ws[i]);
        e->workspace_close(n->q_act[i]);
        e->workspace_close(n->q_next[i]);
        kit_mlp_close(&n->q[i]);
        kit_mlp_close(&n->q_target[i]);
    }
    kit_mlp_close(&n->actor);
    kit_mlp_close(&n->actor_target);
}
