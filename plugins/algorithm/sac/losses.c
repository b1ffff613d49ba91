/* Errors of the critics, the actor's ascent on the smaller critic, and the way back through the
 * squashed sample. Reference: Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sac.h"

/* Goal y = r + discount (min target - alpha log pi'); gradients of both squared errors. */
void sac_target_rows(struct sac *s, uint32_t chunk)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t ld = s->nets.ldq, at = chunk * KIT_OFF_POLICY_CHUNK;
    const uint32_t rows = kit_off_policy_rows(b, chunk);
    const double inv = 1.0 / (double)b->cfg.batch_size;
    const float alpha = (float)s->upd.alpha;
    const float scale = (float)(s->cfg.cleanrl ? 2.0 * inv : inv);
    uint32_t r, i;

    for (r = 0; r < rows; r++) {
        const size_t row = (size_t)at + r, k = (size_t)r * ld;
        const float t0 = s->q_out[0][k], t1 = s->q_out[1][k], low = t1 < t0 ? t1 : t0;
        const float y =
            b->batch.reward[row] + b->batch.discount[row] * (low - alpha * s->logp_next[row]);
        for (i = 0; i < 2; i++) {
            const float q = s->q_rows[i][chunk][k], e = q - y;
            s->dq[i][row * ld] = scale * e;
            s->upd.sums.q_loss += (s->cfg.cleanrl ? inv : 0.5 * inv) * (double)e * (double)e;
            s->upd.sums.q += 0.5 * inv * (double)q;
        }
    }
}

/* Gradient of -mean min(Q1, Q2): only the smaller critic of a row gets any. */
void sac_ascent_rows(struct sac *s, uint32_t chunk)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t ld = s->nets.ldq, at = chunk * KIT_OFF_POLICY_CHUNK;
    const uint32_t rows = kit_off_policy_rows(b, chunk);
    const double inv = 1.0 / (double)b->cfg.batch_size;
    uint32_t r;

    for (r = 0; r < rows; r++) {
        const size_t row = (size_t)at + r, k = (size_t)r * ld;
        const float q0 = s->q_rows[0][chunk][k], q1 = s->q_rows[1][chunk][k];
        const int second = q1 < q0;
        s->dq[0][row * ld] = second ? 0.0f : -(float)inv;
        s->dq[1][row * ld] = second ? -(float)inv : 0.0f;
        s->upd.sums.actor_loss +=
            inv * (s->upd.alpha * (double)s->logp[row] - (double)(second ? q1 : q0));
        s->upd.sums.logp += inv * (double)s->logp[row];
    }
}

static void sde_backward(struct sac *s, const struct sac_pass *p, uint32_t at, uint32_t rows)
{
    const struct sac_nets *n = &s->nets;
    const uint32_t na = s->base.n_act;
    const float coef = (float)(s->upd.alpha / (double)s->base.cfg.batch_size);
    const struct kit_squashed_sde d = {p->out, p->h, n->ldo,      n->ldh,        s->theta,
                                       s->std, na,   n->features, s->cfg.stable, s->sde_scratch};

    s->squashed->sde_gradient(&d, rows, s->da + (size_t)at * na, na, coef, s->dhead, s->dh_sde,
                              s->dlog_std);
}

void sac_actor_backward(struct sac *s, uint32_t chunk)
{
    const struct lathe_engine *e = s->base.engine;
    const struct sac_nets *n = &s->nets;
    const struct sac_pass *p = &n->policy[chunk];
    const uint32_t at = chunk * KIT_OFF_POLICY_CHUNK, na = s->base.n_act;
    const uint32_t rows = kit_off_policy_rows(&s->base, chunk);
    const uint32_t add = chunk > 0 ? LATHE_BACKWARD_ADD : 0;
    size_t i;

    if (s->cfg.sde) {
        sde_backward(s, p, at, rows);
    } else {
        const struct kit_squashed d = {p->out, n->ldo, na, s->cfg.cleanrl, s->cfg.stable};
        s->squashed->gradient(&d, rows, s->noise + (size_t)at * na, s->da + (size_t)at * na, na,
                              (float)(s->upd.alpha / (double)s->base.cfg.batch_size), s->dhead);
    }
    e->backward(n->head.net, p->head, rows, s->dhead, s->dh, n->ldh, add);
    for (i = 0; s->cfg.sde && i < (size_t)rows * n->ldh; i++)
        s->dh[i] += s->dh_sde[i];
    e->backward(n->trunk.net, p->trunk, rows, s->dh, NULL, 0, add);
}
