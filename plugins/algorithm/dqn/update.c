/* Learning: gradient steps on minibatches from the replay memory. While one minibatch is learned,
 * the next one is drawn and rated by the target net on another core; the results are those of doing
 * one after the other. Resumable between slices of 256 rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "dqn.h"

#define REPORT_EVERY 64u /* gradient steps in one line of metrics */

static double progress(const struct dqn *d)
{
    if (d->episodic)
        return d->total_iterations > 0 ? (double)d->iterations / (double)d->total_iterations : 0;
    return d->total_steps > 0 ? (double)d->steps / (double)d->total_steps : 0;
}

static void copy_pending(struct dqn *d)
{
    for (; d->copies_due > 0; d->copies_due--) {
        dqn_target_copy(d);
        if (d->cfg.tau >= 1.0)
            d->copies_due = 1;
    }
}

static void begin(struct dqn *d)
{
    const double at = progress(d), share = at > 1 ? 1 : at;
    const struct kit_schedule lr = {(uint32_t)d->cfg.lr_schedule, 0, d->cfg.learning_rate,
                                    d->cfg.learning_rate * d->cfg.lr_end, 1.0};
    struct dqn_update *u = &d->upd;

    u->active = 1;
    u->ready = u->ahead = 0;
    u->at = 0;
    u->lr = kit_schedule(&lr, at);
    u->beta = d->cfg.per_beta + (1.0 - d->cfg.per_beta) * share;
    /* cleanrl copies after the gradient step of the same environment step */
    u->copy_after =
        d->cfg.profile == DQN_CLEANRL && d->copies_due > 0 && d->steps % d->cfg.target_update == 0;
    if (u->copy_after)
        d->copies_due--;
    copy_pending(d);
}

static uint32_t slice_rows(const struct dqn *d)
{
    const uint32_t left = d->cfg.batch_size - d->upd.at;

    return left < DQN_SLICE ? left : DQN_SLICE;
}

/* Rows [at, at + n) of minibatch number draw: drawn, gathered, rated by the target net. */
static void prepare(struct dqn *d, struct dqn_prepared *p, uint64_t draw)
{
    const uint32_t n = slice_rows(d), at = d->upd.at;
    const float *y;

    if (at == 0) {
        kit_replay_sample(d->replay, &p->batch, d->cfg.batch_size, draw, d->upd.beta);
        kit_replay_gather(d->replay, &p->batch, d->cfg.n_step, d->cfg.gamma);
    }
    y = d->engine->forward(d->target, d->target_ws, n, p->batch.next_obs + (size_t)at * d->dim,
                           d->dim);
    memcpy(p->next_q + (size_t)at * d->heads.stride, y, (size_t)n * d->heads.stride * sizeof *y);
}

/* Loss and gradients of rows [at, at + n) of the current minibatch. */
static void learn(struct dqn *d)
{
    const struct dqn_heads *h = &d->heads;
    const struct kit_replay_batch *m = &d->prepared[d->upd.cur].batch;
    const uint32_t n = slice_rows(d), at = d->upd.at;
    const float *y = NULL;
    struct dqn_block b = {.rows = n, .goal = d->goal, .error = d->error + at};

    if (h->double_q)
        y = d->engine->forward(d->online, d->next_ws, n, m->next_obs + (size_t)at * d->dim, d->dim);
    b.next_online = y;
    b.next_target = d->prepared[d->upd.cur].next_q + (size_t)at * h->stride;
    b.next_mask = m->next_mask == NULL ? NULL : m->next_mask + (size_t)at * d->n_mask;
    b.reward = m->reward + at;
    b.discount = m->discount + at;
    b.weight = m->weight + at;
    b.act = (const int32_t *)m->act + at;
    b.inv_rows = 1.0f / (float)d->cfg.batch_size;
    dqn_goals(h, &b, d->best);
    y = d->engine->forward(d->online, d->obs_ws, n, m->obs + (size_t)at * d->dim, d->dim);
    dqn_loss(h, &b, y, d->dy, &d->upd.sums);
    d->engine->backward(d->online, d->obs_ws, n, d->dy, NULL, 0, at > 0 ? LATHE_BACKWARD_ADD : 0);
}

static void pass_one(void *user, uint32_t index)
{
    struct dqn *d = user;

    if (index == 0)
        learn(d);
    else
        prepare(d, &d->prepared[d->upd.cur ^ 1u], d->n_updates + 1);
}

/* May the next minibatch be prepared while this one is learned? Not when what it depends on changes
 * in between: priorities, the target net. */
static int can_prepare(const struct dqn *d)
{
    return d->upd.left > 1 && !d->cfg.per &&
           !(d->cfg.target_by_updates && (d->n_updates + 1) % d->cfg.target_update == 0);
}

/* Ends a minibatch: optimizer step, priorities, target copy. */
static int32_t step(struct dqn *d)
{
    struct dqn_update *u = &d->upd;
    const struct lathe_optim o = {sizeof o,        LATHE_OPTIM_ADAM,    u->lr, 0.9, 0.999,
                                  d->cfg.adam_eps, d->cfg.max_grad_norm};
    const double n = (double)d->cfg.batch_size;

    if (!isfinite(u->sums.loss))
        return LATHE_E_INTERNAL;
    u->grad_norm = d->engine->optim(d->es, &d->online, 1, &o);
    if (!isfinite(u->grad_norm))
        return LATHE_E_INTERNAL;
    kit_replay_prioritize(d->replay, &d->prepared[u->cur].batch, d->error);
    u->total.loss += u->sums.loss / n;
    u->total.q += u->sums.q / n;
    u->total.td_abs += u->sums.td_abs / n;
    u->n_reported++;
    d->n_updates++;
    u->left--;
    u->cur ^= u->ahead ? 1u : 0u;
    u->ready = u->ahead;
    u->at = 0;
    if (d->cfg.target_by_updates && d->n_updates % d->cfg.target_update == 0)
        dqn_target_copy(d);
    return LATHE_OK;
}

/* One slice of work. */
static int32_t slice(struct dqn *d)
{
    struct dqn_update *u = &d->upd;

    if (!u->ready) {
        prepare(d, &d->prepared[u->cur], d->n_updates);
        u->at += slice_rows(d);
        if (u->at < d->cfg.batch_size)
            return LATHE_OK;
        u->ready = 1;
        u->at = 0;
        return LATHE_OK;
    }
    if (u->at == 0) {
        memset(&u->sums, 0, sizeof u->sums);
        u->ahead = can_prepare(d);
    }
    if (u->ahead)
        d->engine->group(d->es, pass_one, d, 2);
    else
        learn(d);
    u->at += slice_rows(d);
    return u->at < d->cfg.batch_size ? LATHE_OK : step(d);
}

static void report(struct dqn *d, struct lathe_stats *stats)
{
    struct dqn_update *u = &d->upd;
    const double n = (double)u->n_reported;

    if (u->n_reported == 0 ||
        (u->n_reported < REPORT_EVERY && !d->episodic && d->n_updates > REPORT_EVERY))
        return;
    if (stats != NULL) {
        stats->put(stats, "train/loss", u->total.loss / n);
        stats->put(stats, "train/q_mean", u->total.q / n / d->cfg.reward_scale);
        stats->put(stats, "train/td_abs", u->total.td_abs / n);
        stats->put(stats, "train/learning_rate", u->lr);
        stats->put(stats, "train/grad_norm", u->grad_norm);
        stats->put(stats, "train/n_updates", (double)d->n_updates);
    }
    memset(&u->total, 0, sizeof u->total);
    u->n_reported = 0;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int32_t dqn_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err)
{
    struct dqn *d = self;
    struct dqn_update *u = &d->upd;
    const uint64_t end = budget->max_ns > 0 ? now_ns() + budget->max_ns : UINT64_MAX;
    uint64_t polled = 0;

    if (d->policy_only || (!u->active && u->left == 0 && !(d->episodic && d->n_alive == 0)))
        return dqn_fail(err, LATHE_E_CONFLICT, "", "update without new steps");
    if (!u->active)
        begin(d);
    while (u->left > 0) {
        const uint64_t now = now_ns();
        if (now - polled > 500000) {
            polled = now;
            if (budget->cancelled != NULL && budget->cancelled(budget->user))
                return dqn_fail(err, LATHE_E_CANCELLED, "", "update cancelled");
        }
        if (now >= end)
            return LATHE_AGAIN;
        if (slice(d) != LATHE_OK)
            return dqn_fail(err, LATHE_E_INTERNAL, "",
                            "the loss is not finite; rewards or the learning rate may be too "
                            "large");
    }
    if (u->copy_after)
        dqn_target_copy(d);
    report(d, stats);
    u->active = u->copy_after = 0;
    if (d->episodic) {
        d->iterations++;
        dqn_start_episodes(d);
    }
    return LATHE_OK;
}
