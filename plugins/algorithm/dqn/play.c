/* Acting and remembering: epsilon-greedy actions whose draws depend on (seed, row, step of that
 * row) alone, and rows for the replay memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "dqn.h"

static const unsigned char *obs_row(const struct dqn *d, const void *obs, size_t row)
{
    return (const unsigned char *)obs + row * d->obs_stride;
}

static void emit(const struct dqn *d, void *act, size_t row, uint32_t a)
{
    const int32_t v = (int32_t)((int64_t)a + d->act_start);

    memcpy((unsigned char *)act + row * d->act_stride, &v, sizeof v);
}

static const uint8_t *mask_of(const struct dqn *d, const uint8_t *mask, size_t row)
{
    return d->n_mask > 0 && mask != NULL ? mask + row * d->n_mask : NULL;
}

/* Share of random actions at step number step of a row. */
static double epsilon(const struct dqn *d, uint64_t step)
{
    const struct kit_schedule s = {KIT_SCHEDULE_LINEAR, 0, d->cfg.eps_start, d->cfg.eps_end,
                                   d->cfg.eps_fraction};
    const uint64_t done = step * d->n_envs;

    if (d->episodic)
        return kit_schedule(&s, d->total_iterations > 0
                                    ? (double)d->iterations / (double)d->total_iterations
                                    : 1.0);
    if (d->cfg.profile == DQN_SB3 && done < d->cfg.learning_starts)
        return 1.0;
    return kit_schedule(&s, d->total_steps > 0 ? (double)done / (double)d->total_steps : 1.0);
}

/* A uniform choice among the allowed actions, or n_actions when none is. */
static uint32_t random_action(const struct dqn *d, const uint8_t *mask, uint32_t word)
{
    const uint32_t n = d->heads.n_actions;
    uint32_t a, allowed = n, k;

    if (mask == NULL)
        return (uint32_t)((uint64_t)word * n >> 32);
    for (a = 0, allowed = 0; a < n; a++)
        allowed += mask[a] != 0;
    k = (uint32_t)((uint64_t)word * allowed >> 32);
    for (a = 0; a < n; a++)
        if (mask[a] && k-- == 0)
            return a;
    return 0;
}

/* Greedy actions of rows[0 .. n) whose inputs lie in x_act. */
static void greedy(struct dqn *d, const struct lathe_obs *obs, const uint32_t *rows, uint32_t n,
                   struct lathe_act *act)
{
    const float *y = d->engine->forward(d->online, d->act_ws, n, d->x_act, d->dim);
    const uint32_t actions = d->heads.n_actions;
    const float undo = (float)(1.0 / d->cfg.reward_scale);
    uint32_t i;

    for (i = 0; i < n; i++) {
        uint32_t best;
        dqn_values(&d->heads, y + (size_t)i * d->heads.stride, d->q);
        best = dqn_best(d->q, mask_of(d, obs->mask, rows[i]), actions);
        emit(d, act->act, rows[i], best);
        if (act->value != NULL)
            act->value[rows[i]] = d->q[best] * undo;
        if (act->prob != NULL) {
            float *const prob = act->prob + (size_t)rows[i] * actions;
            memset(prob, 0, actions * sizeof *prob);
            prob[best] = 1.0f;
        }
    }
}

/* Rows [first, first + n), n <= KIT_BLOCK. */
static void act_block(struct dqn *d, const struct lathe_obs *obs, uint32_t first, uint32_t n,
                      int explore, struct lathe_act *act)
{
    uint32_t rows[KIT_BLOCK], x[4], i, k = 0;

    for (i = first; i < first + n; i++) {
        if (d->episodic && explore && !d->alive[i])
            continue;
        if (explore) {
            const uint64_t step = d->row_step[i]++;
            lathe_philox(d->seed, LATHE_STREAM_ACTION, i, step, 0, x);
            if (((double)x[0] + 0.5) * (1.0 / 4294967296.0) < epsilon(d, step)) {
                emit(d, act->act, i, random_action(d, mask_of(d, obs->mask, i), x[1]));
                continue;
            }
        }
        kit_flatten(&d->flat, obs_row(d, obs->obs, i), d->x_act + (size_t)k * d->dim);
        rows[k++] = i;
    }
    if (k > 0)
        greedy(d, obs, rows, k, act);
}

int32_t dqn_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    struct dqn *d = self;
    const int explore = mode == LATHE_ACT_EXPLORE;
    struct lathe_act only = *act;
    uint32_t at;

    if (mode > LATHE_ACT_SAMPLE)
        return LATHE_E_INVALID;
    if (explore && (d->policy_only || d->upd.active || obs->first + obs->count > d->n_envs))
        return LATHE_E_CONFLICT;
    if (explore)
        only.prob = only.value = NULL;
    for (at = 0; at < obs->count; at += KIT_BLOCK) {
        const uint32_t left = obs->count - at;
        act_block(d, obs, obs->first + at, left < KIT_BLOCK ? left : KIT_BLOCK, explore, &only);
    }
    return LATHE_OK;
}

/* One row into the replay memory. */
static int32_t remember(struct dqn *d, const struct lathe_transition *tr, uint32_t i)
{
    const int32_t ended = tr->terminated[i] || tr->truncated[i];
    const uint8_t *mask = ended ? NULL : mask_of(d, tr->next_mask, i);
    struct kit_replay_slot slot;
    int32_t a;

    memcpy(&a, (const unsigned char *)tr->act + (size_t)i * d->act_stride, sizeof a);
    a = (int32_t)((int64_t)a - d->act_start);
    if (a < 0 || (uint32_t)a >= d->heads.n_actions)
        return LATHE_E_INVALID;
    kit_replay_slot(d->replay, &slot);
    memcpy(slot.act, &a, sizeof a);
    kit_flatten(&d->flat, obs_row(d, tr->obs, i), slot.obs);
    kit_flatten(&d->flat, obs_row(d, ended ? tr->final_obs : tr->next_obs, i), slot.next_obs);
    if (slot.next_mask != NULL && mask != NULL)
        memcpy(slot.next_mask, mask, d->n_mask);
    else if (slot.next_mask != NULL)
        memset(slot.next_mask, 1, d->n_mask);
    kit_replay_commit(d->replay, i, (float)((double)tr->reward[i] * d->cfg.reward_scale),
                      tr->terminated[i] || (ended && !d->cfg.bootstrap), tr->truncated[i]);
    if (d->episodic && ended) {
        d->alive[i] = 0;
        d->n_alive--;
    }
    return LATHE_OK;
}

void dqn_start_episodes(struct dqn *d)
{
    d->rows_seen = 0;
    d->n_alive = d->n_envs;
    memset(d->alive, 1, d->n_envs);
}

/* Gradient steps that are due now; keeps what is left of the step count. */
static int32_t schedule_training(struct dqn *d)
{
    const uint64_t freq = d->cfg.train_freq, phases = d->since_train / freq;

    if (phases == 0)
        return LATHE_OK;
    d->since_train -= phases * freq;
    if (kit_replay_pushed(d->replay) <= d->cfg.learning_starts)
        return LATHE_OK;
    d->upd.left = phases * (d->cfg.gradient_steps < 0 ? freq : (uint64_t)d->cfg.gradient_steps);
    return LATHE_UPDATE_DUE;
}

int32_t dqn_observe(void *self, const struct lathe_transition *tr)
{
    struct dqn *d = self;
    const uint64_t before = d->steps;
    uint32_t i;
    int32_t st;

    if (d->policy_only || d->upd.active || tr->first + tr->count > d->n_envs)
        return LATHE_E_CONFLICT;
    for (i = tr->first; i < tr->first + tr->count; i++) {
        if (d->episodic && !d->alive[i])
            continue;
        if ((st = remember(d, tr, i)) != LATHE_OK)
            return st;
        d->steps++;
        d->since_train++;
    }
    if (!d->cfg.target_by_updates &&
        (d->n_updates > 0 || d->cfg.profile == DQN_CLEANRL)) /* before, the nets are equal */
        d->copies_due += d->steps / d->cfg.target_update - before / d->cfg.target_update;
    if (d->episodic) {
        if (d->n_alive > 0)
            return LATHE_OK;
        (void)schedule_training(d);
        return LATHE_UPDATE_DUE;
    }
    d->rows_seen += tr->count;
    if (d->rows_seen < d->n_envs)
        return LATHE_OK;
    d->rows_seen = 0;
    return schedule_training(d);
}
