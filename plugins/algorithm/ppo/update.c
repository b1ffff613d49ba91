/* Learning from a rollout: advantages, epochs of shuffled minibatches, clipped objective. Resumable
 * between slices of 512 rows. Reference: Schulman et al., Proximal Policy Optimization Algorithms,
 * 2017. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "ppo.h"

static double progress(const struct ppo *p)
{
    if (p->episodic)
        return p->total_iterations > 0 ? (double)p->iterations / (double)p->total_iterations : 0;
    /* evaluated at the start of the iteration, so the first one runs at full size */
    return p->total_steps > 0 ? (double)(p->steps - (uint64_t)p->roll.n) / (double)p->total_steps
                              : 0;
}

static double scheduled(int32_t kind, double value, double at)
{
    const struct kit_schedule s = {(uint32_t)kind, 0, value, 0.0, 1.0};

    return kit_schedule(&s, at);
}

/* Advantages and the iteration's scalars. */
static void begin(struct ppo *p)
{
    struct ppo_rollout *r = &p->roll;
    struct ppo_update *u = &p->upd;
    const double at = progress(p);
    struct kit_gae g = {.n = r->n, .n_rows = p->n_envs, .row = r->row, .reward = r->reward};

    memset(u, 0, sizeof *u);
    memset(r->next_adv, 0, p->n_envs * sizeof *r->next_adv);
    memset(r->next_value, 0, p->n_envs * sizeof *r->next_value);
    if (!p->episodic)
        ppo_values(p, r->obs + r->n * p->dim, p->n_envs, r->next_value);
    g.value = r->value;
    g.done = r->done;
    g.gamma = (float)p->cfg.gamma;
    g.lambda = (float)p->cfg.gae_lambda;
    g.next_value = r->next_value;
    g.next_adv = r->next_adv;
    g.adv = r->adv;
    g.ret = r->ret;
    kit_gae(&g);
    if (p->cfg.norm == PPO_NORM_ITERATION)
        kit_normalize(r->adv, r->n);
    u->explained = kit_explained_variance(r->value, r->ret, r->n);
    u->lr = scheduled(p->cfg.lr_schedule, p->cfg.learning_rate, at);
    u->clip = scheduled(p->cfg.clip_schedule, p->cfg.clip_range, at);
    u->ent = scheduled(p->cfg.ent_schedule, p->cfg.ent_coef, at);
    u->clip_vf = p->cfg.clip_range_vf;
    u->active = 1;
}

/* Fisher-Yates; the draws depend on (seed, iteration, epoch). */
static void shuffle(struct ppo *p)
{
    struct ppo_rollout *r = &p->roll;
    uint32_t x[4] = {0};
    size_t i;

    for (i = 0; i < r->n; i++)
        r->perm[i] = (uint32_t)i;
    for (i = r->n; i > 1; i--) {
        const size_t k = r->n - i;
        size_t j;
        uint32_t keep;
        if ((k & 3u) == 0)
            lathe_philox(p->seed, LATHE_STREAM_SHUFFLE, p->upd.epoch, p->iterations,
                         (uint32_t)(k / 4), x);
        j = (size_t)(((uint64_t)x[k & 3u] * i) >> 32);
        keep = r->perm[i - 1];
        r->perm[i - 1] = r->perm[j];
        r->perm[j] = keep;
    }
}

/* Copies the minibatch that starts at upd.start. */
static void gather(struct ppo *p)
{
    const struct ppo_rollout *r = &p->roll;
    struct ppo_batch *b = &p->batch;
    const size_t left = r->n - p->upd.start, na = p->n_out, np = p->n_parts;
    uint32_t i;

    b->n = left < p->cfg.batch_size ? (uint32_t)left : p->cfg.batch_size;
    for (i = 0; i < b->n; i++) {
        const size_t e = r->perm[p->upd.start + i];
        memcpy(b->x + (size_t)i * p->dim, r->obs + e * p->dim, p->dim * sizeof *b->x);
        b->logp_old[i] = r->logp[e];
        b->adv[i] = r->adv[e];
        b->ret[i] = r->ret[e];
        b->value_old[i] = r->value[e];
        if (p->discrete)
            memcpy(b->act_i + i * np, r->act_i + e * np, np * sizeof *b->act_i);
        else
            memcpy(b->act_f + i * na, r->act_f + e * na, na * sizeof *b->act_f);
        if (p->n_mask > 0)
            memcpy(b->mask + (size_t)i * p->n_mask, r->mask + e * p->n_mask, p->n_mask);
    }
    if (p->cfg.norm == PPO_NORM_MINIBATCH)
        kit_normalize(b->adv, b->n);
}

/* Gradient of a Gaussian policy; with gSDE one row holds the sum of a block's deviation gradients.
 */
static void gaussian_block(struct ppo *p, const float *y, const float *feat,
                           const struct kit_policy_loss *l, uint32_t at)
{
    const float *act = p->batch.act_f + (size_t)at * p->n_out;
    const uint32_t ld = p->engine->stride(p->log_std), add = at > 0 ? LATHE_BACKWARD_ADD : 0;

    if (p->trunk != NULL) {
        const struct kit_sde s = ppo_sde(p, feat);
        memset(p->dls, 0, ld * sizeof *p->dls);
        p->rows->sde_loss(y, p->stride_a, &s, p->n_out, l, act, p->n_out, p->dy, p->dls,
                          &p->upd.pass.sums);
        p->engine->backward(p->log_std, p->std_ws, 1, p->dls, NULL, 0, add);
    } else {
        const float *ls = p->engine->forward(p->log_std, p->std_ws, l->rows, NULL, 0);
        p->rows->gaussian_loss(y, p->stride_a, ls, p->n_out, l, act, p->n_out, p->dy, p->dls, ld,
                               &p->upd.pass.sums);
        p->engine->backward(p->log_std, p->std_ws, l->rows, p->dls, NULL, 0, add);
    }
}

/* Policy gradient of rows [at, at + n) from outputs y into dy. */
static void policy_block(struct ppo *p, const float *y, const float *feat, uint32_t at, uint32_t n)
{
    const struct ppo_batch *b = &p->batch;
    const struct kit_policy_loss l = {n,
                                      b->logp_old + at,
                                      b->adv + at,
                                      (float)p->upd.clip,
                                      (float)p->upd.ent,
                                      1.0f / (float)b->n,
                                      p->scratch};

    const struct kit_categorical d = {y, p->stride_a,
                                      p->n_mask > 0 ? b->mask + (size_t)at * p->n_mask : NULL,
                                      p->n_mask, p->n_out};
    const struct kit_parts parts = {p->parts, p->n_parts};

    if (!p->discrete)
        gaussian_block(p, y, feat, &l, at);
    else if (p->n_parts == 1)
        p->rows->categorical_loss(&d, &l, b->act_i + at, 1, p->dy, &p->upd.pass.sums);
    else
        p->rows->multi_loss(&d, &parts, &l, b->act_i + (size_t)at * p->n_parts, p->n_parts, p->dy,
                            &p->upd.pass.sums);
}

/* Value gradient of rows [at, at + n) from outputs y into dy, both stride floats per row. */
static void value_block(struct ppo *p, const float *y, float *dy, uint32_t at, uint32_t n)
{
    const struct ppo_batch *b = &p->batch;
    const float scale = (float)(p->cfg.vf_coef / (double)b->n);
    uint32_t i;

    for (i = 0; i < n; i++) {
        const size_t k = (size_t)i * p->stride_c + p->value_col;
        float dv;
        p->upd.pass.value_loss += kit_value_loss(p->cfg.half_value, y[k], b->value_old[at + i],
                                                 b->ret[at + i], (float)p->upd.clip_vf, &dv);
        dy[k] = dv * scale;
    }
}

static void actor_pass(struct ppo *p)
{
    uint32_t at;

    for (at = p->upd.pass.from; at < p->upd.pass.to; at += KIT_BLOCK) {
        const uint32_t left = p->upd.pass.to - at, n = left < KIT_BLOCK ? left : KIT_BLOCK;
        const uint32_t add = at > 0 ? LATHE_BACKWARD_ADD : 0;
        const float *feat, *y = ppo_actor(p, 1, n, p->batch.x + (size_t)at * p->dim, &feat);
        policy_block(p, y, feat, at, n);
        if (p->critic == NULL)
            value_block(p, y, p->dy, at, n);
        if (p->trunk == NULL) {
            p->engine->backward(p->actor, p->upd_a, n, p->dy, NULL, 0, add);
        } else {
            p->engine->backward(p->actor, p->upd_a, n, p->dy, p->dfeat, p->stride_t, add);
            p->engine->backward(p->trunk, p->upd_t, n, p->dfeat, NULL, 0, add);
        }
    }
}

static void critic_pass(struct ppo *p)
{
    uint32_t at;

    for (at = p->upd.pass.from; at < p->upd.pass.to; at += KIT_BLOCK) {
        const uint32_t left = p->upd.pass.to - at, n = left < KIT_BLOCK ? left : KIT_BLOCK;
        const float *y =
            p->engine->forward(p->critic, p->upd_c, n, p->batch.x + (size_t)at * p->dim, p->dim);
        value_block(p, y, p->dv, at, n);
        p->engine->backward(p->critic, p->upd_c, n, p->dv, NULL, 0,
                            at > 0 ? LATHE_BACKWARD_ADD : 0);
    }
}

static void pass_one(void *user, uint32_t index)
{
    if (index == 0)
        actor_pass(user);
    else
        critic_pass(user);
}

/* Ends a minibatch: early stop, optimizer step, sums. */
static int32_t step(struct ppo *p)
{
    struct ppo_update *u = &p->upd;
    const struct lathe_optim o = {sizeof o,        LATHE_OPTIM_ADAM,    u->lr, 0.9, 0.999,
                                  p->cfg.adam_eps, p->cfg.max_grad_norm};
    struct lathe_net *nets[4];
    const double n = (double)p->batch.n;
    uint32_t k = 0;

    u->last_kl = u->pass.sums.approx_kl / n;
    u->total.policy_loss += u->pass.sums.policy_loss / n;
    u->total.entropy += u->pass.sums.entropy / n;
    u->total.approx_kl += u->last_kl;
    u->total.clip_fraction += u->pass.sums.clip_fraction / n;
    u->value_total += u->pass.value_loss / n;
    u->minibatches++;
    if (!isfinite(u->pass.sums.policy_loss + u->pass.value_loss))
        return LATHE_E_INTERNAL;
    if (!p->cfg.cleanrl && p->cfg.target_kl > 0 && u->last_kl > 1.5 * p->cfg.target_kl) {
        u->stopped = 1;
        return LATHE_OK;
    }
    nets[k++] = p->actor;
    if (p->trunk != NULL)
        nets[k++] = p->trunk;
    if (p->critic != NULL)
        nets[k++] = p->critic;
    if (p->log_std != NULL)
        nets[k++] = p->log_std;
    u->grad_norm = p->engine->optim(p->es, nets, k, &o);
    p->n_updates++;
    return isfinite(u->grad_norm) ? LATHE_OK : LATHE_E_INTERNAL;
}

/* One slice of work; *done when the last epoch is over. */
static int32_t slice(struct ppo *p, int32_t *done)
{
    struct ppo_update *u = &p->upd;
    int32_t st;

    if (u->start == 0 && u->at == 0)
        shuffle(p);
    if (u->at == 0) {
        gather(p);
        memset(&u->pass, 0, sizeof u->pass);
    }
    u->pass.from = u->at;
    u->pass.to = p->batch.n - u->at < PPO_SLICE ? p->batch.n : u->at + PPO_SLICE;
    if (p->critic != NULL)
        p->engine->group(p->es, pass_one, p, 2);
    else
        actor_pass(p);
    u->at = u->pass.to;
    if (u->at < p->batch.n)
        return LATHE_OK;
    if ((st = step(p)) != LATHE_OK)
        return st;
    u->start += p->batch.n;
    u->at = 0;
    if (u->start >= p->roll.n) {
        u->start = 0;
        u->epoch++;
        if (p->cfg.cleanrl && p->cfg.target_kl > 0 && u->last_kl > p->cfg.target_kl)
            u->stopped = 1;
    }
    *done = u->stopped || u->epoch >= p->cfg.n_epochs;
    return LATHE_OK;
}

static void report(struct ppo *p, struct lathe_stats *stats)
{
    const struct ppo_update *u = &p->upd;
    const double n = u->minibatches > 0 ? (double)u->minibatches : 1.0;
    const double pl = u->total.policy_loss / n, vl = u->value_total / n, h = u->total.entropy / n;

    if (stats == NULL)
        return;
    stats->put(stats, "train/policy_loss", pl);
    stats->put(stats, "train/value_loss", vl);
    stats->put(stats, "train/entropy", h);
    stats->put(stats, "train/loss", pl + p->cfg.vf_coef * vl - u->ent * h);
    stats->put(stats, "train/approx_kl", u->total.approx_kl / n);
    stats->put(stats, "train/clip_fraction", u->total.clip_fraction / n);
    if (isfinite(u->explained))
        stats->put(stats, "train/explained_variance", u->explained);
    stats->put(stats, "train/learning_rate", u->lr);
    stats->put(stats, "train/ent_coef", u->ent);
    stats->put(stats, "train/clip_range", u->clip);
    stats->put(stats, "train/grad_norm", u->grad_norm);
    stats->put(stats, "train/n_updates", (double)p->n_updates);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int32_t ppo_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err)
{
    struct ppo *p = self;
    const uint64_t end = budget->max_ns > 0 ? now_ns() + budget->max_ns : UINT64_MAX;
    uint64_t polled = 0;
    int32_t done = 0, st;

    if (p->policy_only || p->roll.n == 0)
        return ppo_fail(err, LATHE_E_CONFLICT, "", "update without a rollout");
    if (!p->upd.active)
        begin(p);
    do {
        const uint64_t now = now_ns();
        if (now - polled > 500000) {
            polled = now;
            if (budget->cancelled != NULL && budget->cancelled(budget->user))
                return ppo_fail(err, LATHE_E_CANCELLED, "", "update cancelled");
        }
        if (now >= end)
            return LATHE_AGAIN;
        if ((st = slice(p, &done)) != LATHE_OK)
            return ppo_fail(err, st, "",
                            "the loss is not finite; rewards or the learning rate may "
                            "be too large");
    } while (!done);
    report(p, stats);
    p->iterations++;
    p->upd.active = 0;
    ppo_rollout_reset(p);
    return LATHE_OK;
}
