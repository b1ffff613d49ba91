/* The gradient step, as phases over chunks of 128 rows of the minibatch. Chunks of independent nets
 * run on different cores; the actor's ascent is a pipeline of actor and critic over the chunks.
 * References: Fujimoto et al., Addressing Function Approximation Error in Actor-Critic Methods,
 * 2018; Lillicrap et al., Continuous Control with Deep Reinforcement Learning, 2016. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "td3.h"

/* Row 0 of chunk c in an array of rows width floats wide. */
static size_t start(uint32_t c, uint32_t width)
{
    return (size_t)c * KIT_OFF_POLICY_CHUNK * width;
}

/* Target actions of this chunk, with clipped noise, into x_next. */
static void next_actions(struct td3 *t)
{
    const struct kit_off_policy *b = &t->base;
    const uint32_t c = t->upd.chunk, rows = kit_off_policy_rows(b, c), na = b->n_act;
    const float *obs = b->batch.next_obs + start(c, b->dim), clip = t->cfg.target_clip;
    const float *y =
        b->engine->forward(t->nets.actor_target.net, t->nets.actor_next, rows, obs, b->dim);
    uint32_t i, a;

    for (i = 0; i < rows; i++) {
        float *x = t->x_next + start(c, b->ld) + (size_t)i * b->ld, *u = x + b->dim;
        memcpy(x, obs + (size_t)i * b->dim, b->dim * sizeof *x);
        if (t->cfg.target_noise > 0)
            kit_normals(b->seed, LATHE_STREAM_TARGET, c * KIT_OFF_POLICY_CHUNK + i, b->n_updates, 0,
                        na, u);
        else
            memset(u, 0, na * sizeof *u);
        for (a = 0; a < na; a++) {
            const float z = t->cfg.target_noise * u[a];
            const float moved = y[(size_t)i * t->nets.lda + a] + (z < -clip  ? -clip
                                                                  : z > clip ? clip
                                                                             : z);
            u[a] = moved < -1.0f ? -1.0f : moved > 1.0f ? 1.0f : moved;
        }
    }
}

static void forward_job(void *user, uint32_t job)
{
    struct td3 *t = user;
    const struct kit_off_policy *b = &t->base;
    const uint32_t c = t->upd.chunk;
    uint32_t i;

    if (job == 0) {
        next_actions(t);
        return;
    }
    for (i = 0; i < t->cfg.n_critics; i++)
        t->q_rows[i][c] =
            b->engine->forward(t->nets.q[i].net, t->nets.q_ws[i][c], kit_off_policy_rows(b, c),
                               b->x + start(c, b->ld), b->ld);
}

static void forward_chunk(struct td3 *t)
{
    t->base.engine->group(t->base.es, forward_job, t, 2);
}

static void target_job(void *user, uint32_t i)
{
    struct td3 *t = user;
    const struct kit_off_policy *b = &t->base;
    const uint32_t c = t->upd.chunk;

    t->q_out[i] = b->engine->forward(t->nets.q_target[i].net, t->nets.q_next[i],
                                     kit_off_policy_rows(b, c), t->x_next + start(c, b->ld), b->ld);
}

/* Goal y = r + discount min target; gradients of the mean squared errors. */
static void target_chunk(struct td3 *t)
{
    const struct kit_off_policy *b = &t->base;
    const uint32_t c = t->upd.chunk, ld = t->nets.ldq, n = t->cfg.n_critics;
    const double inv = 1.0 / (double)b->cfg.batch_size;
    uint32_t r, i;

    b->engine->group(b->es, target_job, t, n);
    for (r = 0; r < kit_off_policy_rows(b, c); r++) {
        const size_t row = (size_t)c * KIT_OFF_POLICY_CHUNK + r, k = (size_t)r * ld;
        float y = t->q_out[0][k];
        if (n > 1 && t->q_out[1][k] < y)
            y = t->q_out[1][k];
        y = b->batch.reward[row] + b->batch.discount[row] * y;
        for (i = 0; i < n; i++) {
            const float q = t->q_rows[i][c][k], e = q - y;
            t->dq[i][row * ld] = (float)(2.0 * inv) * e;
            t->upd.q_loss += inv * (double)e * (double)e;
            t->upd.q += inv * (double)q / (double)n;
        }
    }
}

static void critic_job(void *user, uint32_t i)
{
    struct td3 *t = user;
    const struct kit_off_policy *b = &t->base;
    const uint32_t c = t->upd.chunk;

    b->engine->backward(t->nets.q[i].net, t->nets.q_ws[i][c], kit_off_policy_rows(b, c),
                        t->dq[i] + start(c, t->nets.ldq), NULL, 0, c > 0 ? LATHE_BACKWARD_ADD : 0);
}

static void critic_chunk(struct td3 *t)
{
    t->base.engine->group(t->base.es, critic_job, t, t->cfg.n_critics);
}

/* Pipeline stage k: the critic works on chunk k - 1 ... */
static void ascend(struct td3 *t, uint32_t c)
{
    const struct kit_off_policy *b = &t->base;
    const uint32_t rows = kit_off_policy_rows(b, c), lda = t->nets.lda;
    const double inv = 1.0 / (double)b->cfg.batch_size;
    const float *q = b->engine->forward(t->nets.q[0].net, t->nets.q_policy, rows,
                                        t->x_pi + start(c, b->ld), b->ld);
    uint32_t r;

    for (r = 0; r < rows; r++)
        t->upd.actor_loss -= inv * (double)q[(size_t)r * t->nets.ldq];
    b->engine->backward(t->nets.q[0].net, t->nets.q_policy, rows, t->dq_policy, t->dx, b->ld, 0);
    for (r = 0; r < rows; r++)
        memcpy(t->da + start(c, lda) + (size_t)r * lda, t->dx + (size_t)r * b->ld + b->dim,
               b->n_act * sizeof *t->da);
}

/* ... while the actor goes forward on chunk k and backward on chunk k - 2. */
static void policy_forward(struct td3 *t, uint32_t c)
{
    const struct kit_off_policy *b = &t->base;
    const uint32_t rows = kit_off_policy_rows(b, c);
    const float *obs = b->batch.obs + start(c, b->dim);
    const float *y = b->engine->forward(t->nets.actor.net, t->nets.actor_ws[c], rows, obs, b->dim);
    uint32_t r;

    for (r = 0; r < rows; r++) {
        float *x = t->x_pi + start(c, b->ld) + (size_t)r * b->ld;
        memcpy(x, obs + (size_t)r * b->dim, b->dim * sizeof *x);
        memcpy(x + b->dim, y + (size_t)r * t->nets.lda, b->n_act * sizeof *x);
    }
}

static void policy_job(void *user, uint32_t job)
{
    struct td3 *t = user;
    const struct kit_off_policy *b = &t->base;
    const uint32_t k = t->upd.chunk, chunks = kit_off_policy_chunks(b);

    if (job == 0) {
        if (k >= 1 && k - 1 < chunks)
            ascend(t, k - 1);
        return;
    }
    if (k < chunks)
        policy_forward(t, k);
    if (k >= 2)
        b->engine->backward(t->nets.actor.net, t->nets.actor_ws[k - 2],
                            kit_off_policy_rows(b, k - 2), t->da + start(k - 2, t->nets.lda), NULL,
                            0, k > 2 ? LATHE_BACKWARD_ADD : 0);
}

static void policy_chunk(struct td3 *t)
{
    t->base.engine->group(t->base.es, policy_job, t, 2);
}

/* ---- ends of phases: steps of optimizers; each names the next phase ---- */

static int32_t optimize(struct td3 *t, struct lathe_net *const *nets, uint32_t n, double *norm)
{
    const struct lathe_optim o = {
        sizeof o, LATHE_OPTIM_ADAM, t->base.cfg.learning_rate * t->base.lr_share, 0.9, 0.999, 1e-8,
        0};

    *norm = t->base.engine->optim(t->base.es, nets, n, &o);
    return isfinite(*norm) ? LATHE_OK : LATHE_E_INTERNAL;
}

static int32_t end_sample(struct td3 *t)
{
    kit_off_policy_sample(&t->base, t->base.n_updates);
    t->upd.q_loss = t->upd.q = t->upd.actor_loss = 0;
    t->upd.phase = TD3_FORWARD;
    return LATHE_OK;
}

static int32_t end_forward(struct td3 *t)
{
    t->upd.phase = TD3_TARGET;
    return LATHE_OK;
}

static int32_t end_target(struct td3 *t)
{
    t->upd.phase = TD3_CRITIC;
    return isfinite(t->upd.q_loss) ? LATHE_OK : LATHE_E_INTERNAL;
}

static int policy_step(const struct td3 *t)
{
    return (t->base.n_updates + 1) % t->cfg.policy_delay == 0;
}

static int32_t end_critic(struct td3 *t)
{
    struct lathe_net *const nets[2] = {t->nets.q[0].net, t->nets.q[1].net};

    t->upd.phase = policy_step(t) ? TD3_POLICY : TD3_FINISH;
    return optimize(t, nets, t->cfg.n_critics, &t->upd.grad_norm);
}

static int32_t end_policy(struct td3 *t)
{
    double norm;

    t->upd.phase = TD3_FINISH;
    if (!isfinite(t->upd.actor_loss))
        return LATHE_E_INTERNAL;
    return optimize(t, &t->nets.actor.net, 1, &norm);
}

static int32_t end_finish(struct td3 *t)
{
    struct kit_off_policy *b = &t->base;
    struct td3_nets *n = &t->nets;
    struct td3_update *u = &t->upd;
    const int step = policy_step(t);
    uint32_t i;

    for (i = 0; i < t->cfg.n_critics && step; i++)
        b->engine->polyak(n->q_target[i].net, n->q[i].net, b->cfg.tau);
    if (step)
        b->engine->polyak(n->actor_target.net, n->actor.net, b->cfg.tau);
    b->n_updates++;
    b->left--;
    u->total_q_loss += u->q_loss;
    u->total_q += u->q;
    u->total_actor_loss += u->actor_loss;
    u->n_actor += step ? 1 : 0;
    u->n_reported++;
    u->phase = TD3_SAMPLE;
    return LATHE_OK;
}

/* more: stages beyond the number of chunks. */
static const struct {
    void (*chunk)(struct td3 *t); /* NULL: nothing per chunk */
    int32_t (*end)(struct td3 *t);
    uint32_t more;
} phases[TD3_PHASES] = {
    [TD3_SAMPLE] = {NULL, end_sample, 0},         [TD3_FORWARD] = {forward_chunk, end_forward, 0},
    [TD3_TARGET] = {target_chunk, end_target, 0}, [TD3_CRITIC] = {critic_chunk, end_critic, 0},
    [TD3_POLICY] = {policy_chunk, end_policy, 2}, [TD3_FINISH] = {NULL, end_finish, 0},
};

static int32_t slice(void *self)
{
    struct td3 *t = self;
    struct td3_update *u = &t->upd;
    const enum td3_phase phase = u->phase;

    if (phases[phase].chunk != NULL) {
        phases[phase].chunk(t);
        if (++u->chunk < kit_off_policy_chunks(&t->base) + phases[phase].more)
            return LATHE_OK;
        u->chunk = 0;
    }
    return phases[phase].end(t);
}

static void report(struct td3 *t, struct lathe_stats *stats)
{
    struct td3_update *u = &t->upd;
    const double n = (double)u->n_reported;

    if (u->n_reported < KIT_OFF_POLICY_REPORT)
        return;
    if (stats != NULL) {
        stats->put(stats, "train/critic_loss", u->total_q_loss / n);
        if (u->n_actor > 0)
            stats->put(stats, "train/actor_loss", u->total_actor_loss / (double)u->n_actor);
        stats->put(stats, "train/q_mean", u->total_q / n);
        stats->put(stats, "train/learning_rate", t->base.cfg.learning_rate * t->base.lr_share);
        stats->put(stats, "train/grad_norm", u->grad_norm);
        stats->put(stats, "train/n_updates", (double)t->base.n_updates);
    }
    u->total_q_loss = u->total_q = u->total_actor_loss = 0;
    u->n_reported = u->n_actor = 0;
}

int32_t td3_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err)
{
    struct td3 *t = self;
    const int32_t st = kit_off_policy_update(&t->base, budget, slice, t, err);

    if (st == LATHE_OK)
        report(t, stats);
    return st;
}
