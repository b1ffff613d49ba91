/* Acting and learning by temporal differences, one row after the other.
 * Reference: Sutton and Barto, Reinforcement Learning, 2nd edition, chapter 6. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kit/schedule.h"
#include "q_learning.h"

static double progress(const struct q_self *q)
{
    if (q->episodic)
        return q->total_iterations > 0 ? (double)q->iterations / (double)q->total_iterations : 0;
    return q->total_steps > 0 ? (double)q->steps / (double)q->total_steps : 0;
}

static double linear(double a, double b, double fraction, double at)
{
    const struct kit_schedule s = {KIT_SCHEDULE_LINEAR, 0, a, b, fraction};

    return kit_schedule(&s, at);
}

static double epsilon_now(const struct q_self *q)
{
    return linear(q->epsilon, q->epsilon_end, q->epsilon_fraction, progress(q));
}

/* Values of a state: the table's, or the sum of both for double Q; NULL state: q_init. */
static const double *values(struct q_self *q, uint32_t state)
{
    uint32_t a;

    if (state == TABLE_NONE) {
        for (a = 0; a < q->n_actions; a++)
            q->work[a] = q->table.q_init;
        return q->work;
    }
    if (q->table.n_tables == 1)
        return table_q(&q->table, 0, state);
    for (a = 0; a < q->n_actions; a++)
        q->work[a] = 0.5 * (table_q(&q->table, 0, state)[a] + table_q(&q->table, 1, state)[a]);
    return q->work;
}

static int allowed(const uint8_t *mask, uint32_t a)
{
    return mask == NULL || mask[a] != 0;
}

/* Greatest allowed value; *ties = how many actions have it (0: nothing is allowed). */
static double best_value(const double *v, uint32_t n, const uint8_t *mask, uint32_t *ties)
{
    double best = 0;
    uint32_t a;

    *ties = 0;
    for (a = 0; a < n; a++) {
        if (!allowed(mask, a))
            continue;
        if (*ties == 0 || v[a] > best) {
            best = v[a];
            *ties = 1;
        } else if (v[a] >= best) {
            (*ties)++;
        }
    }
    return best;
}

static uint32_t below(uint32_t x, uint32_t n)
{
    return (uint32_t)((uint64_t)x * n >> 32);
}

/* The k-th allowed action, or the k-th with the value best. */
static int32_t kth(const double *v, double best, int any, uint32_t n, const uint8_t *mask,
                   uint32_t k)
{
    uint32_t a;

    for (a = 0; a < n; a++)
        if (allowed(mask, a) && (any || v[a] >= best) && k-- == 0)
            return (int32_t)a;
    return 0;
}

/* Epsilon-greedy with the draws of (row, step); ties are broken uniformly. */
static int32_t choose(struct q_self *q, uint32_t state, const uint8_t *mask, uint32_t row)
{
    const double *v = values(q, state);
    uint32_t x[4], n = 0, ties, a;
    double best;

    lathe_philox(q->seed, LATHE_STREAM_ACTION, row, q->row_step[row]++, 0, x);
    if ((double)lathe_u32_to_f32(x[0]) < epsilon_now(q)) {
        for (a = 0; a < q->n_actions; a++)
            n += allowed(mask, a) ? 1u : 0u;
        return n == 0 ? 0 : kth(v, 0, 1, q->n_actions, mask, below(x[1], n));
    }
    best = best_value(v, q->n_actions, mask, &ties);
    return ties == 0 ? 0 : kth(v, best, 0, q->n_actions, mask, below(x[2], ties));
}

static const unsigned char *row_of(const void *base, size_t stride, size_t row)
{
    return (const unsigned char *)base + stride * row;
}

static const uint8_t *mask_of(const struct q_self *q, const uint8_t *mask, uint32_t row)
{
    return mask == NULL || q->n_mask == 0 ? NULL : mask + (size_t)row * q->n_mask;
}

static void put_action(const struct q_self *q, void *act, uint32_t row, int32_t a)
{
    const int32_t v = (int32_t)(a + q->act_start);

    memcpy((unsigned char *)act + (size_t)row * q->act_stride, &v, sizeof v);
}

static int32_t explore(struct q_self *q, const struct lathe_obs *obs, struct lathe_act *act)
{
    uint32_t i;

    if (q->policy_only || obs->first + obs->count > q->n_envs)
        return LATHE_E_CONFLICT;
    for (i = obs->first; i < obs->first + obs->count; i++) {
        if (q->episodic && !q->alive[i])
            continue;
        q->state[i] = table_find(&q->table, row_of(obs->obs, q->obs_stride, i), 1);
        if (q->state[i] == TABLE_NONE)
            return LATHE_E_LIMIT;
        q->taken[i] = q->next_act[i] >= 0 ? q->next_act[i]
                                          : choose(q, q->state[i], mask_of(q, obs->mask, i), i);
        q->next_act[i] = -1;
        put_action(q, act->act, i, q->taken[i]);
    }
    return LATHE_OK;
}

/* GREEDY: lowest index among the maxima; SAMPLE: uniform among them. */
static void apply(struct q_self *q, const struct lathe_obs *obs, uint32_t mode,
                  struct lathe_act *act)
{
    uint32_t i, a, ties, x[4];

    for (i = obs->first; i < obs->first + obs->count; i++) {
        const uint8_t *mask = mask_of(q, obs->mask, i);
        const double *v = values(q, table_find(&q->table, row_of(obs->obs, q->obs_stride, i), 0));
        const double best = best_value(v, q->n_actions, mask, &ties);
        uint32_t k = 0;
        if (mode == LATHE_ACT_SAMPLE && ties > 1) {
            lathe_philox(obs->sample_key, LATHE_STREAM_ACTION, 0,
                         obs->sample_index + (i - obs->first), 0, x);
            k = below(x[0], ties);
        }
        put_action(q, act->act, i, kth(v, best, 0, q->n_actions, mask, k));
        for (a = 0; act->prob != NULL && a < q->n_actions; a++)
            act->prob[(size_t)i * q->n_actions + a] =
                ties > 0 && allowed(mask, a) && v[a] >= best ? 1.0f / (float)ties : 0.0f;
        if (act->value != NULL)
            act->value[i] = (float)best;
    }
}

int32_t q_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    if (mode == LATHE_ACT_EXPLORE)
        return explore(self, obs, act);
    if (mode > LATHE_ACT_SAMPLE)
        return LATHE_E_INVALID;
    apply(self, obs, mode, act);
    return LATHE_OK;
}

static double expectation(struct q_self *q, uint32_t state, const uint8_t *mask)
{
    const double eps = epsilon_now(q), *v = values(q, state);
    double sum = 0, best;
    uint32_t a, n = 0, ties;

    best = best_value(v, q->n_actions, mask, &ties);
    for (a = 0; a < q->n_actions; a++)
        if (allowed(mask, a)) {
            sum += v[a];
            n++;
        }
    return n == 0 ? 0 : eps * sum / (double)n + (1.0 - eps) * best;
}

/* Value of the state reached; which: table that is updated. */
static double next_value(struct q_self *q, uint32_t state, const uint8_t *mask, uint32_t row,
                         uint32_t which, int ended)
{
    const double *v;
    double best;
    uint32_t ties;
    int32_t a;

    switch (q->rule) {
    case Q_SARSA:
        a = choose(q, state, mask, row);
        q->next_act[row] = ended ? -1 : a;
        return values(q, state)[a];
    case Q_EXPECTED_SARSA:
        return expectation(q, state, mask);
    case Q_DOUBLE:
        v = table_q(&q->table, which, state);
        best = best_value(v, q->n_actions, mask, &ties);
        a = ties == 0 ? 0 : kth(v, best, 0, q->n_actions, mask, 0);
        return table_q(&q->table, 1 - which, state)[a];
    default:
        return best_value(values(q, state), q->n_actions, mask, &ties);
    }
}

/* One row's update. */
static int32_t learn(struct q_self *q, const struct lathe_transition *tr, uint32_t i)
{
    const int ended = tr->terminated[i] || tr->truncated[i];
    const double alpha = linear(q->alpha, q->alpha_end, q->alpha_fraction, progress(q));
    double target = (double)tr->reward[i], td, *value;
    uint32_t which = 0, x[4];

    if (q->rule == Q_DOUBLE) {
        lathe_philox(q->seed, LATHE_STREAM_REPLAY, i, q->row_step[i], 0, x);
        which = x[0] >> 31;
    }
    if (!tr->terminated[i]) {
        const void *reached = row_of(ended ? tr->final_obs : tr->next_obs, q->obs_stride, i);
        const uint32_t state = table_find(&q->table, reached, 1);
        if (state == TABLE_NONE)
            return LATHE_E_LIMIT;
        target += q->gamma * next_value(q, state, ended ? NULL : mask_of(q, tr->next_mask, i), i,
                                        which, ended);
    }
    value = &table_q(&q->table, which, q->state[i])[q->taken[i]];
    td = target - *value;
    if (!isfinite(td))
        return LATHE_E_INTERNAL;
    *value += alpha * td;
    q->td_sum += fabs(td);
    q->td_count++;
    q->steps++;
    if (q->episodic && ended) {
        q->alive[i] = 0;
        q->n_alive--;
    }
    return LATHE_OK;
}

int32_t q_observe(void *self, const struct lathe_transition *tr)
{
    struct q_self *q = self;
    uint32_t i;
    int32_t st;

    if (q->policy_only || tr->first + tr->count > q->n_envs)
        return LATHE_E_CONFLICT;
    for (i = tr->first; i < tr->first + tr->count; i++)
        if ((!q->episodic || q->alive[i]) && (st = learn(q, tr, i)) != LATHE_OK)
            return st;
    return q->episodic && q->n_alive == 0 ? LATHE_UPDATE_DUE : LATHE_OK;
}

void q_start_episodes(struct q_self *q)
{
    q->n_alive = q->n_envs;
    memset(q->alive, 1, q->n_envs);
}

int32_t q_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                 struct lathe_error *err)
{
    struct q_self *q = self;

    (void)budget;
    (void)err;
    if (q->policy_only)
        return LATHE_E_CONFLICT;
    if (stats != NULL) {
        stats->put(stats, "train/td_abs", q->td_count > 0 ? q->td_sum / (double)q->td_count : 0.0);
        stats->put(stats, "train/learning_rate",
                   linear(q->alpha, q->alpha_end, q->alpha_fraction, progress(q)));
        stats->put(stats, "train/epsilon", epsilon_now(q));
        stats->put(stats, "train/n_states", (double)q->table.n);
    }
    q->td_sum = 0;
    q->td_count = 0;
    q->iterations++;
    q_start_episodes(q);
    return LATHE_OK;
}
