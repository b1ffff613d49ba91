/* Algorithms "dqn" and "qrdqn": deep Q-learning from replay for one discrete action, step by step
 * or in whole episodes. This file opens learners and holds the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dqn.h"

#include <stdlib.h>
#include <string.h>

static int32_t spaces(struct dqn *d, const struct lathe_env_spec *spec, struct lathe_error *err)
{
    const struct lathe_space *s = spec->act;

    if (s->kind != LATHE_SPACE_DISCRETE || s->n < 1 || s->n > DQN_MAX_ACTIONS)
        return dqn_fail(err, LATHE_E_UNSUPPORTED, "", "actions must be one DISCRETE number");
    if (!kit_flat_init(&d->flat, spec->obs))
        return dqn_fail(err, LATHE_E_UNSUPPORTED, "", "the observations cannot be flattened");
    d->dim = d->flat.dim;
    d->act_start = s->start;
    d->heads.n_actions = (uint32_t)s->n;
    if (d->n_mask > 0 && d->n_mask != d->heads.n_actions)
        return dqn_fail(err, LATHE_E_UNSUPPORTED, "", "the action mask does not fit the actions");
    return LATHE_OK;
}

static int32_t memory(struct dqn *d, struct lathe_error *err)
{
    const struct kit_replay_args args = {.capacity = d->cfg.buffer_size,
                                         .n_streams = d->n_envs,
                                         .obs_dim = d->dim,
                                         .act_bytes = sizeof(int32_t),
                                         .mask_bytes = d->n_mask,
                                         .seed = d->seed,
                                         .prioritized = d->cfg.per,
                                         .alpha = d->cfg.per_alpha,
                                         .max_memory_bytes = d->memory_limit};
    const int32_t st = kit_replay_open(&args, &d->replay);

    if (st == LATHE_OK)
        return LATHE_OK;
    return dqn_fail(err, st == LATHE_E_INVALID ? LATHE_E_LIMIT : st, "buffer_size",
                    st == LATHE_E_NOMEM ? "no memory for the replay memory"
                                        : "the replay memory exceeds the run's memory limit");
}

static int32_t work_space(struct dqn *d, struct lathe_error *err)
{
    const struct dqn_heads *h = &d->heads;
    const size_t rows = d->cfg.batch_size, slice = rows < DQN_SLICE ? rows : DQN_SLICE;
    int i, ok;

    d->x_act = calloc((size_t)KIT_BLOCK * d->dim, sizeof(float));
    d->q = calloc(h->n_actions, sizeof(float));
    if (d->x_act == NULL || d->q == NULL)
        return dqn_fail(err, LATHE_E_NOMEM, "", "no memory");
    if (d->policy_only)
        return LATHE_OK;
    d->best = calloc(h->n_actions, sizeof(float));
    d->dy = calloc(slice * h->stride, sizeof(float));
    d->goal = calloc((slice + 1) * h->n_atoms + KIT_QUANTILE_PAD, sizeof(float));
    d->error = calloc(rows, sizeof(float));
    d->row_step = calloc(d->n_envs, sizeof *d->row_step);
    d->alive = calloc(d->n_envs, 1);
    ok = d->best && d->dy && d->goal && d->error && d->row_step && d->alive;
    for (i = 0; i < 2 && ok; i++) {
        d->prepared[i].next_q = calloc(rows * h->stride, sizeof(float));
        ok = d->prepared[i].next_q != NULL &&
             kit_replay_batch_open(d->replay, (uint32_t)rows, &d->prepared[i].batch) == LATHE_OK;
    }
    return ok ? LATHE_OK : dqn_fail(err, LATHE_E_NOMEM, "batch_size", "no memory for minibatches");
}

static void dqn_close(void *self)
{
    struct dqn *d = self;
    int i;

    if (d == NULL)
        return;
    dqn_nets_close(d);
    kit_replay_close(d->replay);
    for (i = 0; i < 2; i++) {
        kit_replay_batch_close(&d->prepared[i].batch);
        free(d->prepared[i].next_q);
    }
    free(d->x_act);
    free(d->q);
    free(d->dy);
    free(d->best);
    free(d->goal);
    free(d->error);
    free(d->row_step);
    free(d->alive);
    free(d);
}

static int32_t open_kind(const struct lathe_algo_args *args, int32_t quantiles,
                         struct lathe_error *err, void **self)
{
    struct dqn *d = calloc(1, sizeof *d);
    int32_t st;

    if (d == NULL)
        return dqn_fail(err, LATHE_E_NOMEM, "", "no memory");
    d->host = args->host;
    d->n_envs = args->n_envs > 0 ? args->n_envs : 1;
    d->n_mask = args->n_mask;
    d->threads = args->threads;
    d->seed = args->seed;
    d->total_steps = args->total_steps;
    d->total_iterations = args->total_iterations;
    d->memory_limit = args->memory_limit_bytes;
    d->episodic = (args->flags & LATHE_RUN_EPISODIC) != 0;
    d->policy_only = (args->flags & LATHE_RUN_POLICY_ONLY) != 0;
    d->obs_stride = args->spec->obs_stride;
    d->act_stride = args->spec->act_stride;
    if (args->engine == NULL) {
        st = dqn_fail(err, LATHE_E_INVALID, "engine", "dqn needs an engine");
        goto fail;
    }
    if ((st = spaces(d, args->spec, err)) != LATHE_OK ||
        (st = dqn_configure(d, args, quantiles, err)) != LATHE_OK)
        goto fail;
    d->engine = args->engine;
    if ((st = dqn_nets_open(d, err)) != LATHE_OK ||
        (!d->policy_only && (st = memory(d, err)) != LATHE_OK) ||
        (st = work_space(d, err)) != LATHE_OK)
        goto fail;
    if (!d->policy_only)
        dqn_start_episodes(d);
    *self = d;
    return LATHE_OK;
fail:
    dqn_close(d);
    return st;
}

static int32_t dqn_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    return open_kind(args, 0, err, self);
}

static int32_t qrdqn_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    return open_kind(args, 1, err, self);
}

static const struct lathe_algo_export export_table = {
    .struct_size = sizeof export_table,
    .describe = dqn_describe,
    .save_policy = dqn_save_policy,
    .load_policy = dqn_load_policy,
};

static const void *extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export_table : NULL;
}

#define DQN_TABLE(open_function)                                                             \
    {                                                                                        \
        .struct_size = sizeof(struct lathe_algorithm),                                       \
        .flags = LATHE_ALGO_DISCRETE | LATHE_ALGO_OFF_POLICY | LATHE_ALGO_NEEDS_ENGINE,      \
        .open = open_function, .act = dqn_act, .observe = dqn_observe, .update = dqn_update, \
        .save = dqn_save, .load = dqn_load, .close = dqn_close, .extension = extension       \
    }

static const struct lathe_algorithm dqn_table = DQN_TABLE(dqn_open);
static const struct lathe_algorithm qrdqn_table = DQN_TABLE(qrdqn_open);

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "dqn", "Deep Q-learning from replay.", &dqn_table,
                    dqn_options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "qrdqn", "Deep Q-learning of return quantiles.",
                    &qrdqn_table, qrdqn_options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,
    "org.lathe.dqn",
    "1.0.0",
    "Apache-2.0",
    "Deep Q-learning, plain and by quantiles.",
    components,
    NULL,
    NULL,
};
