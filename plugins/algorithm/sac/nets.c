/* Actor, twin critics, target critics, entropy coefficient: opening and evaluating. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sac.h"

enum { SEED_TRUNK, SEED_HEAD, SEED_LOG_STD, SEED_ALPHA, SEED_Q };

static int32_t open_vector(struct sac *s, struct kit_mlp *m, uint32_t n, double value,
                           uint32_t seed_row, struct lathe_error *err)
{
    const struct lathe_layer layer = {sizeof layer,        0,    0, n, LATHE_ACTIVATION_IDENTITY,
                                      LATHE_INIT_CONSTANT, value};
    const struct lathe_layer *const list[2] = {&layer, NULL};
    const struct lathe_net_args args = {sizeof args, 0, list, s->base.seed, seed_row, 0};

    return kit_mlp_open(m, s->base.engine, s->base.es, &args, err);
}

static int32_t open_pass(struct sac *s, struct sac_pass *p, uint32_t rows, struct lathe_error *err)
{
    const struct lathe_engine *e = s->base.engine;
    const int32_t st = e->workspace_open(s->nets.trunk.net, rows, err, &p->trunk);

    return st != LATHE_OK ? st : e->workspace_open(s->nets.head.net, rows, err, &p->head);
}

static int32_t open_actor(struct sac *s, struct lathe_error *err)
{
    const struct kit_off_policy *b = &s->base;
    const struct kit_off_policy_net trunk = {b->dim, 0, 0, 1, 0, SEED_TRUNK};
    struct kit_off_policy_net head = {0, b->n_act, s->cfg.sde ? 1u : 2u, 2, 0, SEED_HEAD};
    struct sac_nets *n = &s->nets;
    int32_t st;

    n->features = head.in = b->cfg.hidden[b->cfg.n_hidden - 1];
    if ((st = kit_off_policy_net_open(b, &trunk, &n->trunk, err)) != LATHE_OK ||
        (st = kit_off_policy_net_open(b, &head, &n->head, err)) != LATHE_OK)
        return st;
    n->ldh = b->engine->stride(n->trunk.net);
    n->ldo = b->engine->stride(n->head.net);
    if (s->cfg.sde &&
        ((st = open_vector(s, &n->log_std, b->n_act * n->features, s->cfg.log_std_init,
                           SEED_LOG_STD, err)) != LATHE_OK ||
         (st = b->engine->workspace_open(n->log_std.net, 1, err, &n->log_std_ws)) != LATHE_OK))
        return st;
    return open_pass(s, &n->act, KIT_OFF_POLICY_BLOCK, err);
}

static int32_t open_critic(struct sac *s, uint32_t i, struct lathe_error *err)
{
    const struct kit_off_policy *b = &s->base;
    const struct kit_off_policy_net q = {b->dim + b->n_act, 1, 1, 3, 0, SEED_Q + i};
    const uint32_t chunks = kit_off_policy_chunks(b);
    struct sac_nets *n = &s->nets;
    uint32_t c;
    int32_t st;

    if ((st = kit_off_policy_net_open(b, &q, &n->q[i], err)) != LATHE_OK ||
        (st = kit_off_policy_net_open(b, &q, &n->target[i], err)) != LATHE_OK ||
        (st = b->engine->workspace_open(n->q[i].net, KIT_OFF_POLICY_BLOCK, err, &n->q_act[i])) !=
            LATHE_OK ||
        (st = b->engine->workspace_open(n->target[i].net, KIT_OFF_POLICY_CHUNK, err,
                                        &n->target_ws[i])) != LATHE_OK)
        return st;
    n->ldq = b->engine->stride(n->q[i].net);
    n->q_ws[i] = calloc(chunks, sizeof(struct lathe_workspace *));
    s->q_rows[i] = calloc(chunks, sizeof *s->q_rows[i]);
    if (n->q_ws[i] == NULL || s->q_rows[i] == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_NOMEM, "", "no memory");
    for (c = 0; c < chunks; c++)
        if ((st = b->engine->workspace_open(n->q[i].net, kit_off_policy_rows(b, c), err,
                                            &n->q_ws[i][c])) != LATHE_OK)
            return st;
    b->engine->polyak(n->target[i].net, n->q[i].net, 1.0);
    return LATHE_OK;
}

int32_t sac_nets_open(struct sac *s, struct lathe_error *err)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t chunks = kit_off_policy_chunks(b);
    struct sac_nets *n = &s->nets;
    uint32_t c;
    int32_t st;

    s->rows = kit_rows_get(b->engine->isa(b->es));
    s->squashed = kit_squashed_get(b->engine->isa(b->es));
    if (s->rows == NULL || s->squashed == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_UNSUPPORTED, "isa",
                                   "no row kernels for this CPU");
    if ((st = open_actor(s, err)) != LATHE_OK || b->policy_only)
        return st;
    if ((n->policy = calloc(chunks, sizeof *n->policy)) == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_NOMEM, "", "no memory");
    for (c = 0; c < chunks; c++)
        if ((st = open_pass(s, &n->policy[c], kit_off_policy_rows(b, c), err)) != LATHE_OK)
            return st;
    if ((st = open_pass(s, &n->next, KIT_OFF_POLICY_CHUNK, err)) != LATHE_OK ||
        (st = open_critic(s, 0, err)) != LATHE_OK || (st = open_critic(s, 1, err)) != LATHE_OK)
        return st;
    if (!s->cfg.auto_alpha)
        return LATHE_OK;
    if ((st = open_vector(s, &n->log_alpha, 1, log(s->cfg.ent_coef), SEED_ALPHA, err)) != LATHE_OK)
        return st;
    return b->engine->workspace_open(n->log_alpha.net, 1, err, &n->alpha_ws);
}

static void close_pass(const struct sac *s, const struct sac_pass *p)
{
    s->base.engine->workspace_close(p->trunk);
    s->base.engine->workspace_close(p->head);
}

void sac_nets_close(struct sac *s)
{
    const struct lathe_engine *e = s->base.engine;
    const uint32_t chunks = kit_off_policy_chunks(&s->base);
    struct sac_nets *n = &s->nets;
    uint32_t i, c;

    if (e == NULL)
        return;
    close_pass(s, &n->act);
    close_pass(s, &n->next);
    for (c = 0; n->policy != NULL && c < chunks; c++)
        close_pass(s, &n->policy[c]);
    free(n->policy);
    for (i = 0; i < 2; i++) {
        for (c = 0; n->q_ws[i] != NULL && c < chunks; c++)
            e->workspace_close(n->q_ws[i][c]);
        free(n->q_ws[i]);
        e->workspace_close(n->q_act[i]);
        e->workspace_close(n->target_ws[i]);
        kit_mlp_close(&n->q[i]);
        kit_mlp_close(&n->target[i]);
    }
    e->workspace_close(n->log_std_ws);
    e->workspace_close(n->alpha_ws);
    kit_mlp_close(&n->trunk);
    kit_mlp_close(&n->head);
    kit_mlp_close(&n->log_std);
    kit_mlp_close(&n->log_alpha);
}

void sac_actor(struct sac *s, struct sac_pass *p, uint32_t rows, const float *x, uint32_t ldx)
{
    const struct lathe_engine *e = s->base.engine;

    p->h = e->forward(s->nets.trunk.net, p->trunk, rows, x, ldx);
    p->out = e->forward(s->nets.head.net, p->head, rows, p->h, s->nets.ldh);
}

void sac_sample(struct sac *s, const struct sac_pass *p, uint32_t rows, const struct sac_draw *draw,
                float *act, size_t act_ld, float *logp)
{
    const struct sac_nets *n = &s->nets;

    if (s->cfg.sde) {
        const struct kit_squashed_sde d = {p->out,        p->h,          n->ldo,        n->ldh,
                                           draw->theta,   s->std,        s->base.n_act, n->features,
                                           s->cfg.stable, s->sde_scratch};
        s->squashed->sde_sample(&d, rows, draw->explore, act, act_ld, logp);
    } else {
        const struct kit_squashed d = {p->out, n->ldo, s->base.n_act, s->cfg.cleanrl,
                                       s->cfg.stable};
        s->squashed->sample(&d, rows, draw->explore ? draw->noise : NULL, act, act_ld, logp);
    }
}

void sac_refresh_std(struct sac *s)
{
    const float *log_std =
        s->base.engine->forward(s->nets.log_std.net, s->nets.log_std_ws, 1, NULL, 0);

    s->rows->exps(log_std, s->std, (size_t)s->base.n_act * s->nets.features);
}

void sac_draw_theta(struct sac *s, uint64_t key, uint32_t stream, uint32_t row, uint64_t step,
                    float *theta)
{
    const uint32_t n = s->base.n_act * s->nets.features;
    uint32_t i;

    kit_normals(key, stream, row, step, 0, n, theta);
    for (i = 0; i < n; i++)
        theta[i] *= s->std[i];
}

double sac_alpha(struct sac *s)
{
    float log_alpha, alpha;

    if (!s->cfg.auto_alpha)
        return s->cfg.ent_coef;
    log_alpha = s->base.engine->forward(s->nets.log_alpha.net, s->nets.alpha_ws, 1, NULL, 0)[0];
    s->rows->exps(&log_alpha, &alpha, 1);
    return alpha < 1e-8f ? 1e-8 : alpha > 1e4f ? 1e4 : (double)alpha; /* NaN stays NaN */
}
