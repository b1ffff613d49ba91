/* Tabular algorithms q_learning, sarsa, expected_sarsa and double_q: options, opening, tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "q_learning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const profiles[] = {"standard", "agentgym", NULL};

const struct lathe_option *const q_options[] = {
    LATHE_OPTION_ENUM(
        "profile", "standard", profiles,
        "agentgym: alpha 0.3 to a tenth, epsilon 1 to 0.05 over 80 %, key without the "
        "last 5 numbers (outcome, time)."),
    LATHE_OPTION("alpha", LATHE_OPT_FLOAT, 0, "0.1", 0, 1, NULL, NULL, "Step size at the start."),
    LATHE_OPTION_FLOAT("alpha_end", "-1", -1, 1, "Step size at the end, -1 = like alpha."),
    LATHE_OPTION_FLOAT("alpha_fraction", "1", 0, 1, "Share of the run until alpha_end is reached."),
    LATHE_OPTION_FLOAT("epsilon", "1", 0, 1, "Exploration at the start."),
    LATHE_OPTION_FLOAT("epsilon_end", "0.05", 0, 1, "Exploration at the end."),
    LATHE_OPTION_FLOAT("epsilon_fraction", "0.5", 0, 1,
                       "Share of the run until epsilon_end is reached."),
    LATHE_OPTION_FLOAT("gamma", "0.99", 0, 1, "Discount factor."),
    LATHE_OPTION_FLOAT("q_init", "0", -1e9, 1e9, "Start value of every entry."),
    LATHE_OPTION_INT("key_dims", "0", 0, 65536,
                     "Leading numbers of the flat observation that form the key, 0 = all."),
    LATHE_OPTION_FLOAT("bin_width", "0", 0, 1e9,
                       "Width of bins for float observations, 0 = exact values."),
    LATHE_OPTION_INT("max_states", "4194304", 1, 268435456, "Largest number of table states."),
    NULL};

int32_t q_fail(struct lathe_error *err, int32_t code, const char *field, const char *text)
{
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->code = code;
        snprintf(err->text, sizeof err->text, "q_learning: %s", text);
        snprintf(err->field, sizeof err->field, "%s", field);
    }
    return code;
}

static double pick(const struct lathe_params *o, const char *name, int32_t use, double profile)
{
    return use && !o->is_set(o, name) ? profile : o->get_float(o, name);
}

static void configure(struct q_self *q, const struct lathe_params *o)
{
    const int32_t ag = strcmp(o->get_string(o, "profile"), "agentgym") == 0;

    q->alpha = pick(o, "alpha", ag, 0.3);
    q->alpha_end = pick(o, "alpha_end", ag, 0.1 * q->alpha);
    if (q->alpha_end < 0)
        q->alpha_end = q->alpha;
    q->alpha_fraction = o->get_float(o, "alpha_fraction");
    q->epsilon = o->get_float(o, "epsilon");
    q->epsilon_end = o->get_float(o, "epsilon_end");
    q->epsilon_fraction = pick(o, "epsilon_fraction", ag, 0.8);
    q->gamma = o->get_float(o, "gamma");
    q->table.q_init = o->get_float(o, "q_init");
    q->table.bin_width = o->get_float(o, "bin_width");
    q->table.max_states = (uint32_t)o->get_int(o, "max_states");
    q->table.key_dims = (uint32_t)o->get_int(o, "key_dims");
    if (ag && !o->is_set(o, "key_dims") && q->flat.dim > 5)
        q->table.key_dims = q->flat.dim - 5;
}

static void q_close(void *self)
{
    struct q_self *q = self;

    if (q == NULL)
        return;
    table_close(&q->table);
    free(q->row_step);
    free(q->next_act);
    free(q->state);
    free(q->taken);
    free(q->alive);
    free(q->work);
    free(q);
}

static int32_t spaces(struct q_self *q, const struct lathe_algo_args *args, struct lathe_error *err)
{
    const struct lathe_space *act = args->spec->act;

    if (act->kind != LATHE_SPACE_DISCRETE || act->n < 1 || act->n > 65536)
        return q_fail(err, LATHE_E_UNSUPPORTED, "", "actions must be one DISCRETE number");
    if (!kit_flat_init(&q->flat, args->spec->obs))
        return q_fail(err, LATHE_E_UNSUPPORTED, "", "the observations cannot be flattened");
    q->n_actions = (uint32_t)act->n;
    q->act_start = act->start;
    q->n_mask = args->n_mask;
    if (q->n_mask > 0 && q->n_mask != q->n_actions)
        return q_fail(err, LATHE_E_UNSUPPORTED, "", "the action mask does not fit the actions");
    return LATHE_OK;
}

static int32_t allocate(struct q_self *q)
{
    uint32_t i;

    q->row_step = calloc(q->n_envs, sizeof *q->row_step);
    q->next_act = calloc(q->n_envs, sizeof *q->next_act);
    q->state = calloc(q->n_envs, sizeof *q->state);
    q->taken = calloc(q->n_envs, sizeof *q->taken);
    q->alive = calloc(q->n_envs, 1);
    q->work = calloc(q->n_actions, sizeof *q->work);
    if (!q->row_step || !q->next_act || !q->state || !q->taken || !q->alive || !q->work)
        return LATHE_E_NOMEM;
    for (i = 0; i < q->n_envs; i++)
        q->next_act[i] = -1;
    q_start_episodes(q);
    return table_open(&q->table);
}

static int32_t open_rule(enum q_rule rule, const struct lathe_algo_args *args,
                         struct lathe_error *err, void **self)
{
    struct q_self *q = calloc(1, sizeof *q);
    int32_t st;

    if (q == NULL)
        return q_fail(err, LATHE_E_NOMEM, "", "no memory");
    q->rule = rule;
    q->n_envs = args->n_envs > 0 ? args->n_envs : 1;
    q->obs_stride = args->spec->obs_stride;
    q->act_stride = args->spec->act_stride;
    q->seed = args->seed;
    q->total_steps = args->total_steps;
    q->total_iterations = args->total_iterations;
    q->episodic = (args->flags & LATHE_RUN_EPISODIC) != 0;
    q->policy_only = (args->flags & LATHE_RUN_POLICY_ONLY) != 0;
    if ((st = spaces(q, args, err)) != LATHE_OK)
        goto fail;
    configure(q, args->params);
    q->table.flat = &q->flat;
    q->table.n_actions = q->n_actions;
    q->table.n_tables = rule == Q_DOUBLE ? 2 : 1;
    if (args->memory_limit_bytes > 0) {
        const uint64_t row = (uint64_t)q->n_actions * 8u * q->table.n_tables + 64u;
        if (args->memory_limit_bytes / row < q->table.max_states)
            q->table.max_states = (uint32_t)(args->memory_limit_bytes / row);
    }
    if ((st = allocate(q)) != LATHE_OK) {
        st = q_fail(err, st, "max_states",
                    st == LATHE_E_LIMIT ? "the table exceeds max_states or the memory limit"
                                        : "no memory for the table");
        goto fail;
    }
    *self = q;
    return LATHE_OK;
fail:
    q_close(q);
    return st;
}

static int32_t open_q(const struct lathe_algo_args *a, struct lathe_error *err, void **self)
{
    return open_rule(Q_LEARNING, a, err, self);
}

static int32_t open_sarsa(const struct lathe_algo_args *a, struct lathe_error *err, void **self)
{
    return open_rule(Q_SARSA, a, err, self);
}

static int32_t open_expected(const struct lathe_algo_args *a, struct lathe_error *err, void **self)
{
    return open_rule(Q_EXPECTED_SARSA, a, err, self);
}

static int32_t open_double(const struct lathe_algo_args *a, struct lathe_error *err, void **self)
{
    return open_rule(Q_DOUBLE, a, err, self);
}

static const struct lathe_algo_export export_table = {
    .struct_size = sizeof export_table,
    .describe = q_describe,
    .save_policy = q_save_policy,
    .load_policy = q_load_policy,
};

static const void *extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export_table : NULL;
}

#define Q_TABLE(open_function)                                                           \
    {                                                                                    \
        .struct_size = sizeof(struct lathe_algorithm),                                   \
        .flags = LATHE_ALGO_DISCRETE | LATHE_ALGO_OFF_POLICY | LATHE_ALGO_TABULAR,       \
        .open = (open_function), .act = q_act, .observe = q_observe, .update = q_update, \
        .save = q_save, .load = q_load, .close = q_close, .extension = extension         \
    }

static const struct lathe_algorithm q_table_vt = Q_TABLE(open_q);
static const struct lathe_algorithm sarsa_vt = Q_TABLE(open_sarsa);
static const struct lathe_algorithm expected_vt = Q_TABLE(open_expected);
static const struct lathe_algorithm double_vt = Q_TABLE(open_double);

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "q_learning", "Tabular Q-learning.", &q_table_vt,
                    q_options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "sarsa", "Tabular Sarsa.", &sarsa_vt, q_options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "expected_sarsa", "Tabular expected Sarsa.", &expected_vt,
                    q_options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "double_q", "Tabular double Q-learning.", &double_vt,
                    q_options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,
    "org.lathe.q_learning",
    "1.0.0",
    "Apache-2.0",
    "Tabular temporal-difference learning.",
    components,
    NULL,
    NULL,
};
