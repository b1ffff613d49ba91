/* The gradient step, as phases over chunks of 128 rows of the minibatch. Chunks of independent nets
 * run on different cores. Profile sb3: entropy, critics, actor, targets, one draw of actions;
 * profile cleanrl: critics, then every policy_frequency steps as many actor and entropy steps on
 * fresh draws.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "sac.h"

/* Blocks of the target stream that a draw starts at: next actions, then two per actor step. */
#define NOISE_BLOCKS 1024u
#define THETA_ROW UINT32_MAX

static const float *obs_of(const struct sac *s, const float *obs, uint32_t chunk)
{
    return obs + (size_t)chunk * KIT_OFF_POLICY_CHUNK * s->base.dim;
}

/* Samples the actor for one chunk of observations: actions into x, log probabilities into logp. */
static void sample_chunk(struct sac *s, struct sac_pass *p, uint32_t kind, const float *obs,
                         float *noise, float *x, float *logp)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t c = s->upd.chunk, rows = kit_off_policy_rows(b, c);
    const uint32_t at = c * KIT_OFF_POLICY_CHUNK;
    const struct sac_draw draw = {1, noise, s->theta};
    uint32_t i;

    for (i = 0; i < rows && !s->cfg.sde; i++)
        kit_normals(b->seed, LATHE_STREAM_TARGET, at + i, b->n_updates, kind * NOISE_BLOCKS,
                    b->n_act, noise + (size_t)i * b->n_act);
    sac_actor(s, p, rows, obs_of(s, obs, c), b->dim);
    x += (size_t)at * b->ld;
    for (i = 0; i < rows; i++)
        memcpy(x + (size_t)i * b->ld, obs_of(s, obs, c) + (size_t)i * b->dim, b->dim * sizeof *x);
    sac_sample(s, p, rows, &draw, x + b->dim, b->ld, logp + at);
}

static void sample_next(struct sac *s)
{
    sample_chunk(s, &s->nets.next, 0, s->base.batch.next_obs, s->noise_next, s->x_next,
                 s->logp_next);
}

static void sample_policy(struct sac *s, uint32_t kind)
{
    const size_t at = (size_t)s->upd.chunk * KIT_OFF_POLICY_CHUNK;

    sample_chunk(s, &s->nets.policy[s->upd.chunk], kind, s->base.batch.obs,
                 s->noise + at * s->base.n_act, s->x_pi, s->logp);
}

/* Critic i on this chunk of inputs x [batch_size][ld]. */
static void critic_forward(struct sac *s, uint32_t i, const float *x)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t c = s->upd.chunk;

    s->q_rows[i][c] =
        b->engine->forward(s->nets.q[i].net, s->nets.q_ws[i][c], kit_off_policy_rows(b, c),
                           x + (size_t)c * KIT_OFF_POLICY_CHUNK * b->ld, b->ld);
}

static void critic_backward(struct sac *s, uint32_t i, float *dx)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t c = s->upd.chunk;

    b->engine->backward(s->nets.q[i].net, s->nets.q_ws[i][c], kit_off_policy_rows(b, c),
                        s->dq[i] + (size_t)c * KIT_OFF_POLICY_CHUNK * s->nets.ldq, dx, b->ld,
                        c > 0 ? LATHE_BACKWARD_ADD : 0);
}

/* ---- chunks; job runs on any core ---- */

static void forward_job(void *user, uint32_t job)
{
    struct sac *s = user;

    if (job > 0) { /* as much work as two passes of the actor */
        critic_forward(s, 0, s->base.x);
        critic_forward(s, 1, s->base.x);
        return;
    }
    sample_next(s);
    if (!s->cfg.cleanrl)
        sample_policy(s, 1);
}

static void forward_chunk(struct sac *s)
{
    s->base.engine->group(s->base.es, forward_job, s, 2);
}

static void target_job(void *user, uint32_t i)
{
    struct sac *s = user;
    const struct kit_off_policy *b = &s->base;
    const uint32_t c = s->upd.chunk;

    s->q_out[i] =
        b->engine->forward(s->nets.target[i].net, s->nets.target_ws[i], kit_off_policy_rows(b, c),
                           s->x_next + (size_t)c * KIT_OFF_POLICY_CHUNK * b->ld, b->ld);
}

static void target_chunk(struct sac *s)
{
    s->base.engine->group(s->base.es, target_job, s, 2);
    sac_target_rows(s, s->upd.chunk);
}

static void critic_job(void *user, uint32_t i)
{
    critic_backward(user, i, NULL);
}

static void critic_chunk(struct sac *s)
{
    s->base.engine->group(s->base.es, critic_job, s, 2);
}

static void policy_job(void *user, uint32_t i)
{
    struct sac *s = user;

    critic_forward(s, i, s->x_pi);
}

static void policy_chunk(struct sac *s)
{
    if (s->cfg.cleanrl)
        sample_policy(s, 1 + 2 * s->upd.pass);
    s->base.engine->group(s->base.es, policy_job, s, 2);
    sac_ascent_rows(s, s->upd.chunk);
}

static void ascent_job(void *user, uint32_t i)
{
    struct sac *s = user;

    critic_backward(s, i, s->dx[i]);
}

static void ascent_chunk(struct sac *s)
{
    const struct kit_off_policy *b = &s->base;
    const uint32_t c = s->upd.chunk, rows = kit_off_policy_rows(b, c);
    float *da = s->da + (size_t)c * KIT_OFF_POLICY_CHUNK * b->n_act;
    uint32_t r, a;

    b->engine->group(b->es, ascent_job, s, 2);
    for (r = 0; r < rows; r++)
        for (a = 0; a < b->n_act; a++) {
            const size_t k = (size_t)r * b->ld + b->dim + a;
            da[(size_t)r * b->n_act + a] = s->dx[0][k] + s->dx[1][k];
        }
}

static void actor_chunk(struct sac *s)
{
    sac_actor_backward(s, s->upd.chunk);
}

static void entropy_chunk(struct sac *s)
{
    sample_policy(s, 2 + 2 * s->upd.pass);
}

/* ---- ends of phases: steps of optimizers; each names the next phase ---- */

static int32_t optimize(struct sac *s, struct lathe_net *const *nets, uint32_t n, double lr,
                        double *norm)
{
    const struct lathe_optim o = {
        sizeof o, LATHE_OPTIM_ADAM, lr * s->base.lr_share, 0.9, 0.999, 1e-8, 0};

    *norm = s->base.engine->optim(s->base.es, nets, n, &o);
    return isfinite(*norm) ? LATHE_OK : LATHE_E_INTERNAL;
}

/* Step of log alpha by the log probabilities in logp. */
static int32_t entropy_step(struct sac *s)
{
    const struct kit_off_policy *b = &s->base;
    const struct sac_nets *n = &s->nets;
    float dy[16] = {0};
    double mean = 0, norm;
    uint32_t i;

    for (i = 0; i < b->cfg.batch_size; i++)
        mean += (double)s->logp[i];
    mean /= (double)b->cfg.batch_size;
    if (!isfinite(mean))
        return LATHE_E_INTERNAL;
    if (!s->cfg.auto_alpha)
        return LATHE_OK;
    mean += s->cfg.target_entropy;
    s->upd.alpha_loss = -(s->cfg.cleanrl ? sac_alpha(s) : log(sac_alpha(s))) * mean;
    dy[0] = (float)(s->cfg.cleanrl ? -sac_alpha(s) * mean : -mean);
    (void)b->engine->forward(n->log_alpha.net, n->alpha_ws, 1, NULL, 0);
    b->engine->backward(n->log_alpha.net, n->alpha_ws, 1, dy, NULL, 0, 0);
    return optimize(s, &n->log_alpha.net, 1, s->cfg.q_lr, &norm);
}

static int32_t end_sample(struct sac *s)
{
    struct kit_off_policy *b = &s->base;

    kit_off_policy_sample(b, b->n_updates);
    memset(&s->upd.sums, 0, sizeof s->upd.sums);
    s->upd.pass = 0;
    s->upd.alpha = sac_alpha(s);
    if (s->cfg.sde) {
        sac_refresh_std(s);
        sac_draw_theta(s, b->seed, LATHE_STREAM_TARGET, THETA_ROW, b->n_updates, s->theta);
    }
    s->upd.phase = SAC_FORWARD;
    return LATHE_OK;
}

static int32_t end_forward(struct sac *s)
{
    s->upd.phase = SAC_TARGET;
    return s->cfg.cleanrl ? LATHE_OK : entropy_step(s);
}

static int32_t end_target(struct sac *s)
{
    s->upd.phase = SAC_CRITIC;
    return isfinite(s->upd.sums.q_loss) ? LATHE_OK : LATHE_E_INTERNAL;
}

static int32_t end_critic(struct sac *s)
{
    struct lathe_net *const nets[2] = {s->nets.q[0].net, s->nets.q[1].net};
    const int act = s->base.n_updates % s->cfg.policy_frequency == 0;

    s->upd.phase = act ? SAC_POLICY : SAC_POLYAK;
    return optimize(s, nets, 2, s->cfg.q_lr, &s->upd.grad_norm);
}

static int32_t end_policy(struct sac *s)
{
    s->upd.phase = SAC_ASCENT;
    if (s->cfg.sde)
        memset(s->dlog_std, 0, (size_t)s->base.n_act * s->nets.features * sizeof *s->dlog_std);
    return isfinite(s->upd.sums.actor_loss) ? LATHE_OK : LATHE_E_INTERNAL;
}

static int32_t end_ascent(struct sac *s)
{
    s->upd.phase = SAC_ACTOR;
    return LATHE_OK;
}

static int32_t end_actor(struct sac *s)
{
    struct lathe_net *nets[3] = {s->nets.trunk.net, s->nets.head.net, s->nets.log_std.net};
    double norm;
    int32_t st;

    s->upd.phase = s->cfg.cleanrl ? SAC_ENTROPY : SAC_POLYAK;
    st = optimize(s, nets, 2, s->base.cfg.learning_rate, &norm);
    if (st != LATHE_OK || !s->cfg.sde)
        return st;
    s->base.engine->backward(nets[2], s->nets.log_std_ws, 1, s->dlog_std, NULL, 0, 0);
    return optimize(s, &nets[2], 1, s->base.cfg.learning_rate, &norm);
}

static int32_t end_entropy(struct sac *s)
{
    const int32_t st = entropy_step(s);

    s->upd.alpha = sac_alpha(s);
    s->upd.pass++;
    s->upd.phase = s->upd.pass < s->cfg.policy_frequency ? SAC_POLICY : SAC_POLYAK;
    if (s->cfg.sde)
        sac_refresh_std(s);
    return st;
}

static int32_t end_polyak(struct sac *s)
{
    struct kit_off_policy *b = &s->base;
    struct sac_update *u = &s->upd;
    uint32_t i;

    b->n_updates++;
    b->left--;
    for (i = 0; i < 2 && b->n_updates % s->cfg.target_update_interval == 0; i++)
        b->engine->polyak(s->nets.target[i].net, s->nets.q[i].net, b->cfg.tau);
    u->total.q_loss += u->sums.q_loss;
    u->total.q += u->sums.q;
    u->total.alpha += u->alpha;
    u->total.actor_loss += u->sums.actor_loss;
    u->total.logp += u->sums.logp;
    u->n_actor += (b->n_updates - 1) % s->cfg.policy_frequency == 0 ? s->cfg.policy_frequency : 0;
    u->n_reported++;
    u->phase = SAC_SAMPLE;
    return LATHE_OK;
}

static const struct {
    void (*chunk)(struct sac *s); /* NULL: nothing per chunk */
    int32_t (*end)(struct sac *s);
} phases[SAC_PHASES] = {
    [SAC_SAMPLE] = {NULL, end_sample},         [SAC_FORWARD] = {forward_chunk, end_forward},
    [SAC_TARGET] = {target_chunk, end_target}, [SAC_CRITIC] = {critic_chunk, end_critic},
    [SAC_POLICY] = {policy_chunk, end_policy}, [SAC_ASCENT] = {ascent_chunk, end_ascent},
    [SAC_ACTOR] = {actor_chunk, end_actor},    [SAC_ENTROPY] = {entropy_chunk, end_entropy},
    [SAC_POLYAK] = {NULL, end_polyak},
};

static int32_t slice(void *self)
{
    struct sac *s = self;
    struct sac_update *u = &s->upd;
    const enum sac_phase phase = u->phase;

    if (phases[phase].chunk != NULL) {
        phases[phase].chunk(s);
        if (++u->chunk < kit_off_policy_chunks(&s->base))
            return LATHE_OK;
        u->chunk = 0;
    }
    return phases[phase].end(s);
}

static void report(struct sac *s, struct lathe_stats *stats)
{
    struct sac_update *u = &s->upd;
    const double n = (double)u->n_reported, m = u->n_actor > 0 ? (double)u->n_actor : 1.0;

    if (u->n_reported < KIT_OFF_POLICY_REPORT)
        return;
    if (stats != NULL) {
        stats->put(stats, "train/critic_loss", u->total.q_loss / n);
        stats->put(stats, "train/actor_loss", u->total.actor_loss / m);
        stats->put(stats, "train/entropy", -u->total.logp / m);
        stats->put(stats, "train/q_mean", u->total.q / n);
        stats->put(stats, "train/ent_coef", u->total.alpha / n);
        if (s->cfg.auto_alpha)
            stats->put(stats, "train/ent_coef_loss", u->alpha_loss);
        stats->put(stats, "train/learning_rate", s->base.cfg.learning_rate * s->base.lr_share);
        stats->put(stats, "train/grad_norm", u->grad_norm);
        stats->put(stats, "train/n_updates", (double)s->base.n_updates);
    }
    memset(&u->total, 0, sizeof u->total);
    u->n_reported = u->n_actor = 0;
}

int32_t sac_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err)
{
    struct sac *s = self;
    const int32_t st = kit_off_policy_update(&s->base, budget, slice, s, err);

    if (st == LATHE_OK)
        report(s, stats);
    return st;
}
