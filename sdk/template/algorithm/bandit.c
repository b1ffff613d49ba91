/* mean_bandit: keeps the mean reward of each action per observation and acts epsilon-greedily: the
 * smallest complete learner. It suits problems whose episodes last one step. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <lathe/algorithm.h>
#include <lathe/plugin.h>
#include <lathe/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bandit {
    uint32_t n_obs, n_act;
    int32_t obs_start, act_start;
    double epsilon;
    uint64_t seed, steps;
    double *mean;    /* [n_obs][n_act] */
    uint64_t *count; /* [n_obs][n_act] */
};

static void bandit_close(void *self)
{
    struct bandit *b = self;

    if (b == NULL)
        return;
    free(b->mean);
    free(b->count);
    free(b);
}

static int32_t bandit_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    const struct lathe_space *obs = args->spec->obs, *act = args->spec->act;

    if (obs->kind != LATHE_SPACE_DISCRETE || act->kind != LATHE_SPACE_DISCRETE ||
        obs->n * act->n > 1000000) {
        if (err != NULL) {
            err->code = LATHE_E_UNSUPPORTED;
            strcpy(err->text, "mean_bandit needs discrete observations and actions");
        }
        return LATHE_E_UNSUPPORTED;
    }
    struct bandit *b = calloc(1, sizeof *b);
    if (b == NULL)
        return LATHE_E_NOMEM;
    b->n_obs = (uint32_t)obs->n;
    b->n_act = (uint32_t)act->n;
    b->obs_start = (int32_t)obs->start;
    b->act_start = (int32_t)act->start;
    b->epsilon = args->params->get_float(args->params, "epsilon");
    b->seed = args->seed;
    b->mean = calloc((size_t)b->n_obs * b->n_act, sizeof *b->mean);
    b->count = calloc((size_t)b->n_obs * b->n_act, sizeof *b->count);
    if (b->mean == NULL || b->count == NULL) {
        bandit_close(b);
        return LATHE_E_NOMEM;
    }
    *self = b;
    return LATHE_OK;
}

static uint32_t best_action(const struct bandit *b, uint32_t obs)
{
    const double *mean = b->mean + (size_t)obs * b->n_act;
    uint32_t best = 0;

    for (uint32_t a = 1; a < b->n_act; a++)
        if (mean[a] > mean[best])
            best = a;
    return best;
}

static int32_t bandit_act(void *self, const struct lathe_obs *obs, uint32_t mode,
                          struct lathe_act *act)
{
    const struct bandit *b = self;
    const int32_t *seen = obs->obs;
    int32_t *chosen = act->act;

    for (uint32_t i = obs->first; i < obs->first + obs->count; i++) {
        uint32_t action = best_action(b, (uint32_t)(seen[i] - b->obs_start));
        uint32_t draw[4];
        if (mode == LATHE_ACT_EXPLORE) /* a draw is a function of (seed, use, row, step) */
            lathe_philox(b->seed, LATHE_STREAM_ACTION, i, b->steps, 0, draw);
        else
            lathe_philox(obs->sample_key, LATHE_STREAM_ACTION, 0,
                         obs->sample_index + i - obs->first, 0, draw);
        if (mode != LATHE_ACT_GREEDY && (double)draw[0] / 4294967296.0 < b->epsilon)
            action = draw[1] % b->n_act;
        chosen[i] = (int32_t)action + b->act_start;
        for (uint32_t a = 0; act->prob != NULL && a < b->n_act; a++)
            act->prob[(size_t)i * b->n_act + a] = a == action ? 1.0f : 0.0f;
        if (act->value != NULL)
            act->value[i] = 0.0f;
    }
    return LATHE_OK;
}

static int32_t bandit_observe(void *self, const struct lathe_transition *t)
{
    struct bandit *b = self;
    const int32_t *obs = t->obs, *act = t->act;

    for (uint32_t i = t->first; i < t->first + t->count; i++) {
        size_t at = (size_t)(obs[i] - b->obs_start) * b->n_act + (uint32_t)(act[i] - b->act_start);
        if (!isfinite(t->reward[i]))
            return LATHE_E_INVALID;
        b->count[at]++;
        b->mean[at] += ((double)t->reward[i] - b->mean[at]) / (double)b->count[at];
    }
    b->steps++;
    return LATHE_OK;
}

static int32_t bandit_update(void *self, const struct lathe_budget *budget,
                             struct lathe_stats *stats, struct lathe_error *err)
{
    (void)budget;
    (void)err;
    stats->put(stats, "train/n_updates", (double)((struct bandit *)self)->steps);
    return LATHE_OK; /* everything was learned in observe */
}

static int32_t bandit_save(void *self, const struct lathe_writer *w)
{
    struct bandit *b = self;
    const uint64_t table[2] = {b->n_obs, b->n_act}, one[1] = {1};
    int32_t st = w->put(w, "mean", LATHE_F64, 2, table, b->mean);

    if (st == LATHE_OK)
        st = w->put(w, "count", LATHE_U64, 2, table, b->count);
    return st == LATHE_OK ? w->put(w, "steps", LATHE_U64, 1, one, &b->steps) : st;
}

static int32_t bandit_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct bandit *b = self;
    const uint64_t table[2] = {b->n_obs, b->n_act}, one[1] = {1};
    int32_t st = r->get(r, "mean", LATHE_F64, 2, table, b->mean);

    (void)err;
    if (st == LATHE_OK)
        st = r->get(r, "count", LATHE_U64, 2, table, b->count);
    return st == LATHE_OK ? r->get(r, "steps", LATHE_U64, 1, one, &b->steps) : st;
}

static const struct lathe_option *const bandit_options[] = {
    LATHE_OPTION_FLOAT("epsilon", "0.1", 0, 1, "Probability of a uniformly random action."), NULL};

static const struct lathe_algorithm bandit = {
    sizeof bandit,  LATHE_ALGO_DISCRETE | LATHE_ALGO_OFF_POLICY | LATHE_ALGO_TABULAR,
    bandit_open,    bandit_act,
    bandit_observe, bandit_update,
    bandit_save,    bandit_load,
    bandit_close,   NULL};

LATHE_PLUGIN_SINGLE("org.example.bandit", "0.1.0", "Apache-2.0", "Mean reward per action.",
                    LATHE_KIND_ALGORITHM, "mean_bandit", &bandit, bandit_options);
