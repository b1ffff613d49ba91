/* Tabular temporal-difference learning: q_learning, sarsa, expected_sarsa and double_q.
 * Sources: Watkins (1989); Rummery and Niranjan (1994); van Seijen et al. (2009); van Hasselt
 * (2010). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/plugin.h"
#include "lathe/rng.h"
#include "plugins/algorithm/q_learning/table.h"

#define REPORT_STEPS 4096u /* row steps between two reports of metrics */

enum variant { Q_LEARNING, SARSA, EXPECTED_SARSA, DOUBLE_Q };

struct learner {
    enum variant variant;
    struct table table;
    uint32_t n_rows, n_actions, n_mask, is_episodic;
    int32_t act_start;
    uint32_t obs_stride;
    uint64_t seed, total_steps, total_iterations;
    double lr_start, lr_end, gamma, eps_start, eps_end, eps_fraction;

    uint64_t steps, iterations, since_report; /* row steps, episodic iterations */
    uint64_t *row_step; /* [n_rows] draws made: the counter of the row's random numbers */
    int32_t *planned;   /* [n_rows] sarsa: the action already chosen for the next step, -1 none */
    double lr, eps;
    double td_sum, q_sum;
    uint64_t n_td;
};

static int32_t refuse(struct lathe_error *err, int32_t code, const char *field, const char *text)
{
    if (err != NULL) {
        err->code = code;
        snprintf(err->text, sizeof err->text, "%s", text);
        snprintf(err->field, sizeof err->field, "%s", field);
    }
    return code;
}

static double progress(const struct learner *l)
{
    uint64_t done = l->is_episodic ? l->iterations : l->steps;
    uint64_t total = l->is_episodic ? l->total_iterations : l->total_steps;

    if (total == 0)
        return 0;
    return done >= total ? 1.0 : (double)done / (double)total;
}

static void set_schedules(struct learner *l)
{
    double p = progress(l);
    double e = l->eps_fraction <= 0 || p >= l->eps_fraction ? 1.0 : p / l->eps_fraction;

    l->lr = l->lr_start + (l->lr_end - l->lr_start) * p;
    l->eps = l->eps_start + (l->eps_end - l->eps_start) * e;
}

/* ---- choosing actions
 * ---------------------------------------------------------------------------- */

static double value_of(const struct learner *l, uint32_t state, uint32_t action)
{
    double q = table_row(&l->table, state, 0)[action];

    return l->variant == DOUBLE_Q ? 0.5 * (q + table_row(&l->table, state, 1)[action]) : q;
}

static int allowed(const uint8_t *mask, uint32_t action)
{
    return mask == NULL || mask[action] != 0;
}

/* Number of allowed actions with the greatest value, which goes to *best (and the first to *first).
 */
static uint32_t maxima(const struct learner *l, uint32_t state, const uint8_t *mask, double *best,
                       uint32_t *first)
{
    uint32_t n = 0;

    *best = -INFINITY;
    *first = 0;
    for (uint32_t a = 0; a < l->n_actions; a++) {
        if (!allowed(mask, a))
            continue;
        double q = state == TABLE_NONE ? l->table.q_init : value_of(l, state, a);
        if (n == 0 || q > *best) {
            *best = q;
            *first = a;
            n = 1;
        } else if (q == *best) {
            n++;
        }
    }
    return n;
}

/* The k-th allowed action whose value is at least `least`. */
static uint32_t pick(const struct learner *l, uint32_t state, const uint8_t *mask, double least,
                     uint32_t k)
{
    for (uint32_t a = 0; a < l->n_actions; a++) {
        double q = state == TABLE_NONE ? l->table.q_init : value_of(l, state, a);
        if (allowed(mask, a) && q >= least && k-- == 0)
            return a;
    }
    return 0;
}

static uint32_t count_allowed(const struct learner *l, const uint8_t *mask)
{
    uint32_t n = 0;

    for (uint32_t a = 0; a < l->n_actions; a++)
        n += (uint32_t)allowed(mask, a);
    return n;
}

/* Epsilon-greedy; draw[0] decides whether, draw[1] which. Ties are broken uniformly. */
static uint32_t explore(const struct learner *l, uint32_t state, const uint8_t *mask, double eps,
                        const uint32_t draw[4])
{
    double best;
    uint32_t first;

    if ((double)draw[0] * 0x1p-32 < eps) {
        uint32_t n = count_allowed(l, mask);
        return n == 0 ? 0
                      : pick(l, state, mask, -INFINITY, (uint32_t)((uint64_t)draw[1] * n >> 32));
    }
    uint32_t n = maxima(l, state, mask, &best, &first);
    return n <= 1 ? first : pick(l, state, mask, best, (uint32_t)((uint64_t)draw[1] * n >> 32));
}

static void row_draw(struct learner *l, uint32_t row, uint32_t out[4])
{
    lathe_philox(l->seed, LATHE_STREAM_ACTION, row, l->row_step[row]++, 0, out);
}

static void write_result(const struct learner *l, const struct lathe_act *act, uint32_t row,
                         uint32_t state, uint32_t action)
{
    double best;
    uint32_t first;

    ((int32_t *)act->act)[row] = (int32_t)action + l->act_start;
    for (uint32_t a = 0; act->prob != NULL && a < l->n_actions; a++)
        act->prob[(size_t)row * l->n_actions + a] = a == action ? 1.0f : 0.0f;
    if (act->value != NULL) {
        maxima(l, state, NULL, &best, &first);
        act->value[row] = (float)best;
    }
}

static int32_t learner_act(void *self, const struct lathe_obs *obs, uint32_t mode,
                           struct lathe_act *act)
{
    struct learner *l = self;

    for (uint32_t row = obs->first; row < obs->first + obs->count; row++) {
        const char *at = (const char *)obs->obs + (size_t)row * l->obs_stride;
        const uint8_t *mask = obs->mask != NULL ? obs->mask + (size_t)row * l->n_mask : NULL;
        uint32_t draw[4], action;
        double best;
        if (mode == LATHE_ACT_EXPLORE) {
            uint32_t state = table_add(&l->table, at);
            if (state == TABLE_NONE)
                return LATHE_E_LIMIT;
            if (l->planned[row] >= 0) {
                action = (uint32_t)l->planned[row];
                l->planned[row] = -1;
            } else {
                row_draw(l, row, draw);
                action = explore(l, state, mask, l->eps, draw);
            }
            write_result(l, act, row, state, action);
            continue;
        }
        uint32_t state = table_find(&l->table, at);
        maxima(l, state, mask, &best, &action);
        if (mode == LATHE_ACT_SAMPLE) {
            lathe_philox(obs->sample_key, LATHE_STREAM_ACTION, 0, obs->sample_index + row, 0, draw);
            action = explore(l, state, mask, l->eps_end, draw);
        }
        write_result(l, act, row, state, action);
    }
    return LATHE_OK;
}

/* ---- learning
 * ------------------------------------------------------------------------------------ */

/* Value of the next state under the variant's target; sarsa plans the next action on the way. */
static double bootstrap(struct learner *l, uint32_t row, uint32_t next, const uint8_t *mask,
                        int goes_on, uint32_t table_a)
{
    double best, sum = 0;
    uint32_t first, draw[4];
    uint32_t n_best = maxima(l, next, mask, &best, &first);

    if (l->variant == SARSA) {
        row_draw(l, row, draw);
        uint32_t action = explore(l, next, mask, l->eps, draw);
        if (goes_on)
            l->planned[row] = (int32_t)action;
        return table_row(&l->table, next, 0)[action];
    }
    if (l->variant == EXPECTED_SARSA) {
        uint32_t n = count_allowed(l, mask);
        for (uint32_t a = 0; a < l->n_actions; a++) {
            double q = table_row(&l->table, next, 0)[a];
            if (allowed(mask, a))
                sum += q * (l->eps / n + (q == best ? (1 - l->eps) / n_best : 0));
        }
        return sum;
    }
    if (l->variant == DOUBLE_Q) { /* the action by one table, its value by the other */
        const double *chooser = table_row(&l->table, next, table_a);
        uint32_t action = first;
        double top = -INFINITY;
        for (uint32_t a = 0; a < l->n_actions; a++)
            if (allowed(mask, a) && chooser[a] > top) {
                top = chooser[a];
                action = a;
            }
        return table_row(&l->table, next, 1 - table_a)[action];
    }
    return best;
}

static int32_t learn_row(struct learner *l, const struct lathe_transition *t, uint32_t row)
{
    int ended = t->terminated[row] || t->truncated[row];
    const void *next_obs = ended ? t->final_obs : t->next_obs;
    const uint8_t *mask =
        t->next_mask != NULL && !ended ? t->next_mask + (size_t)row * l->n_mask : NULL;
    size_t offset = (size_t)row * l->obs_stride;
    uint32_t action = (uint32_t)(((const int32_t *)t->act)[row] - l->act_start);
    uint32_t state = table_add(&l->table, (const char *)t->obs + offset);
    uint32_t next =
        t->terminated[row] ? state : table_add(&l->table, (const char *)next_obs + offset);
    uint32_t table_a = 0, draw[4];
    double reward = (double)t->reward[row];

    if (state == TABLE_NONE || next == TABLE_NONE)
        return LATHE_E_LIMIT;
    if (!isfinite(reward) || action >= l->n_actions)
        return LATHE_E_INVALID;
    if (l->variant == DOUBLE_Q) {
        row_draw(l, row, draw);
        table_a = draw[0] >> 31;
    }
    double target = t->terminated[row]
                        ? reward
                        : reward + l->gamma * bootstrap(l, row, next, mask, !ended, table_a);
    double *q = table_row(&l->table, state, table_a) + action;
    double delta = target - *q;
    *q += l->lr * delta;
    l->td_sum += fabs(delta);
    l->q_sum += *q;
    l->n_td++;
    return LATHE_OK;
}

static int32_t learner_observe(void *self, const struct lathe_transition *t)
{
    struct learner *l = self;

    for (uint32_t row = t->first; row < t->first + t->count; row++) {
        int32_t st = learn_row(l, t, row);
        if (st != LATHE_OK)
            return st;
    }
    l->steps += t->count;
    l->since_report += t->count;
    if (l->is_episodic)
        return LATHE_OK;
    set_schedules(l);
    return l->since_report >= REPORT_STEPS ? LATHE_UPDATE_DUE : LATHE_OK;
}

static int32_t learner_update(void *self, const struct lathe_budget *budget,
                              struct lathe_stats *stats, struct lathe_error *err)
{
    struct learner *l = self;
    double n = l->n_td > 0 ? (double)l->n_td : 1.0;

    (void)budget;
    if (!isfinite(l->td_sum) || !isfinite(l->q_sum))
        return refuse(err, LATHE_E_INTERNAL, "",
                      "the values grew beyond all bounds; lower learning_rate or gamma");
    stats->put(stats, "train/loss", l->td_sum / n);
    stats->put(stats, "train/td_abs", l->td_sum / n);
    stats->put(stats, "train/q_mean", l->q_sum / n);
    stats->put(stats, "train/learning_rate", l->lr);
    stats->put(stats, "rollout/exploration_rate", l->eps);
    stats->put(stats, "train/n_states", (double)l->table.n_states);
    l->td_sum = l->q_sum = 0;
    l->n_td = l->since_report = 0;
    l->iterations++;
    set_schedules(l);
    return LATHE_OK;
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

static void learner_close(void *self)
{
    struct learner *l = self;

    if (l == NULL)
        return;
    table_close(&l->table);
    free(l->row_step);
    free(l->planned);
    free(l);
}

static void read_options(struct learner *l, const struct lathe_params *p)
{
    l->lr_start = p->get_float(p, "learning_rate");
    l->lr_end = l->lr_start * p->get_float(p, "learning_rate_final_fraction");
    l->gamma = p->get_float(p, "gamma");
    l->eps_start = p->get_float(p, "exploration_initial_eps");
    l->eps_end = p->get_float(p, "exploration_final_eps");
    l->eps_fraction = p->get_float(p, "exploration_fraction");
    l->table.q_init = p->get_float(p, "q_init");
}

static int32_t setup(struct learner *l, const struct lathe_algo_args *args, struct lathe_error *err)
{
    const struct lathe_space *act = args->spec->act;
    int64_t key_dims = args->params->get_int(args->params, "key_dims");

    if (act->kind != LATHE_SPACE_DISCRETE || act->n > 65536)
        return refuse(err, LATHE_E_UNSUPPORTED, "", "tabular learning needs one discrete action");
    l->n_rows = args->n_envs > 0 ? args->n_envs : 1;
    l->n_actions = (uint32_t)act->n;
    l->act_start = (int32_t)act->start;
    l->n_mask = args->n_mask;
    l->obs_stride = args->spec->obs_stride;
    l->seed = args->seed;
    l->is_episodic = (args->flags & LATHE_RUN_EPISODIC) != 0;
    l->total_steps = args->total_steps;
    l->total_iterations = args->total_iterations;
    read_options(l, args->params);
    l->table.n_actions = l->n_actions;
    l->table.n_tables = l->variant == DOUBLE_Q ? 2 : 1;
    int32_t st =
        table_open(&l->table, args->spec->obs, (uint32_t)key_dims, args->memory_limit_bytes, err);
    if (st != LATHE_OK)
        return st;
    l->row_step = calloc(l->n_rows, sizeof *l->row_step);
    l->planned = calloc(l->n_rows, sizeof *l->planned);
    st = l->row_step != NULL && l->planned != NULL ? table_alloc(&l->table) : LATHE_E_NOMEM;
    if (st != LATHE_OK)
        return refuse(err, st, "", "not enough memory for the value table");
    for (uint32_t i = 0; i < l->n_rows; i++)
        l->planned[i] = -1;
    set_schedules(l);
    return LATHE_OK;
}

static int32_t open_variant(enum variant variant, const struct lathe_algo_args *args,
                            struct lathe_error *err, void **self)
{
    struct learner *l = calloc(1, sizeof *l);

    if (l == NULL)
        return LATHE_E_NOMEM;
    l->variant = variant;
    int32_t st = setup(l, args, err);
    if (st != LATHE_OK) {
        learner_close(l);
        return st;
    }
    *self = l;
    return LATHE_OK;
}

/* ---- state
 * --------------------------------------------------------------------------------------- */

static int32_t learner_save(void *self, const struct lathe_writer *w)
{
    struct learner *l = self;
    const uint64_t rows[1] = {l->n_rows}, counters_shape[1] = {4}, sums_shape[1] = {2};
    const uint64_t counters[4] = {l->steps, l->iterations, l->since_report, l->n_td};
    const double sums[2] = {l->td_sum, l->q_sum};
    int32_t st = table_save(&l->table, "", w);

    if (st == LATHE_OK)
        st = w->put(w, "counters", LATHE_U64, 1, counters_shape, counters);
    if (st == LATHE_OK)
        st = w->put(w, "sums", LATHE_F64, 1, sums_shape, sums);
    if (st == LATHE_OK)
        st = w->put(w, "row_step", LATHE_U64, 1, rows, l->row_step);
    return st == LATHE_OK ? w->put(w, "planned", LATHE_I32, 1, rows, l->planned) : st;
}

static int32_t learner_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct learner *l = self;
    const uint64_t rows[1] = {l->n_rows}, counters_shape[1] = {4}, sums_shape[1] = {2};
    uint64_t counters[4];
    double sums[2];
    int32_t st = table_load(&l->table, "", r, err);

    if (st != LATHE_OK)
        return st;
    if ((st = r->get(r, "counters", LATHE_U64, 1, counters_shape, counters)) != LATHE_OK ||
        (st = r->get(r, "sums", LATHE_F64, 1, sums_shape, sums)) != LATHE_OK ||
        (st = r->get(r, "row_step", LATHE_U64, 1, rows, l->row_step)) != LATHE_OK ||
        (st = r->get(r, "planned", LATHE_I32, 1, rows, l->planned)) != LATHE_OK)
        return refuse(err, st, "", "the checkpoint lacks the learner's counters");
    for (uint32_t i = 0; i < l->n_rows; i++)
        if (l->planned[i] < -1 || l->planned[i] >= (int32_t)l->n_actions)
            return refuse(err, LATHE_E_CORRUPT, "", "the checkpoint plans an unknown action");
    l->steps = counters[0];
    l->iterations = counters[1];
    l->since_report = counters[2];
    l->n_td = counters[3];
    l->td_sum = sums[0];
    l->q_sum = sums[1];
    set_schedules(l);
    return LATHE_OK;
}

static int32_t describe(void *self, char *json, uint64_t cap_bytes)
{
    struct learner *l = self;
    int n = snprintf(
        json, cap_bytes,
        "{\"kind\":\"table\",\"states\":%u,\"actions\":%u,\"tables\":%u,\"key_numbers\":%u}",
        l->table.n_states, l->n_actions, l->table.n_tables, l->table.key_bytes / 4);

    return n >= 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static int32_t save_policy(void *self, const struct lathe_writer *writer)
{
    return table_save(&((struct learner *)self)->table, "policy/", writer);
}

static int32_t load_policy(void *self, const struct lathe_reader *reader, struct lathe_error *err)
{
    return table_load(&((struct learner *)self)->table, "policy/", reader, err);
}

static const void *learner_extension(void *self, const char *id)
{
    static const struct lathe_algo_export export = {sizeof export, 0, describe, save_policy,
                                                    load_policy};
    (void)self;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export : NULL;
}

static const struct lathe_option *const options[] = {
    LATHE_OPTION_FLOAT("learning_rate", "0.1", 0, 1, "Step size alpha at the start."),
    LATHE_OPTION_FLOAT(
        "learning_rate_final_fraction", "1.0", 0, 1,
        "Step size at the end of the run as a share of learning_rate, reached linearly."),
    LATHE_OPTION_FLOAT("gamma", "0.99", 0, 1, "Discount factor."),
    LATHE_OPTION_FLOAT("exploration_initial_eps", "1.0", 0, 1,
                       "Probability of a random action at the start."),
    LATHE_OPTION_FLOAT("exploration_final_eps", "0.05", 0, 1,
                       "Probability of a random action after exploration_fraction."),
    LATHE_OPTION_FLOAT("exploration_fraction", "0.8", 0, 1,
                       "Share of the run over which exploration falls linearly."),
    LATHE_OPTION_FLOAT("q_init", "0.0", -1e9, 1e9, "Value of actions that were never tried."),
    LATHE_OPTION_INT(
        "key_dims", "0", 0, 65536,
        "Leading numbers of a box observation that tell states apart; 0: all of them."),
    NULL};

#define VARIANT(tag, code)                                                                 \
    static int32_t open_##tag(const struct lathe_algo_args *args, struct lathe_error *err, \
                              void **self)                                                 \
    {                                                                                      \
        return open_variant(code, args, err, self);                                        \
    }                                                                                      \
    static const struct lathe_algorithm tag = {                                            \
        sizeof tag,      LATHE_ALGO_DISCRETE | LATHE_ALGO_OFF_POLICY | LATHE_ALGO_TABULAR, \
        open_##tag,      learner_act,                                                      \
        learner_observe, learner_update,                                                   \
        learner_save,    learner_load,                                                     \
        learner_close,   learner_extension}
VARIANT(q_learning, Q_LEARNING);
VARIANT(sarsa, SARSA);
VARIANT(expected_sarsa, EXPECTED_SARSA);
VARIANT(double_q, DOUBLE_Q);

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "q_learning", "Q-learning on a value table.", &q_learning,
                    options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "sarsa", "SARSA on a value table.", &sarsa, options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "expected_sarsa", "Expected SARSA on a value table.",
                    &expected_sarsa, options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "double_q", "Double Q-learning on two value tables.",
                    &double_q, options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {LATHE_PLUGIN_HEADER,
                                                          "org.lathe.q_learning",
                                                          "1.0.0",
                                                          "Apache-2.0",
                                                          "Tabular temporal-difference learning.",
                                                          components,
                                                          NULL,
                                                          NULL};
