/* Algorithm "ppo": proximal policy optimization for discrete actions or a float32 box, in
 * fixed-length rollouts or whole episodes. This file opens learners and holds the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "ppo.h"

static int32_t action_space(struct ppo *p, const struct lathe_env_spec *spec,
                            struct lathe_error *err)
{
    const struct lathe_space *s = spec->act;
    uint64_t n = 1;
    uint32_t i;

    p->act_space = s;
    p->n_parts = 1;
    if (s->kind == LATHE_SPACE_DISCRETE) {
        p->discrete = 1;
        p->act_start = s->start;
        n = (uint64_t)s->n;
        p->parts[0] = (uint32_t)n;
    } else if (s->kind == LATHE_SPACE_MULTIDISCRETE) {
        p->discrete = 1;
        p->n_parts = s->shape[0];
        if (p->n_parts == 0 || p->n_parts > PPO_MAX_PARTS)
            return ppo_fail(err, LATHE_E_UNSUPPORTED, "", "MULTIDISCRETE needs 1 to 64 parts");
        for (n = 0, i = 0; i < p->n_parts; n += p->parts[i++]) {
            if (s->nvec[i] < 1 || s->nvec[i] > PPO_MAX_ACTIONS)
                return ppo_fail(err, LATHE_E_UNSUPPORTED, "", "a part has too many actions");
            p->parts[i] = (uint32_t)s->nvec[i];
        }
    } else if (s->kind == LATHE_SPACE_BOX && s->dtype == LATHE_F32) {
        for (i = 0; i < s->ndim && i < 6; i++)
            n *= s->shape[i];
    } else {
        return ppo_fail(err, LATHE_E_UNSUPPORTED, "",
                        "actions must be DISCRETE, MULTIDISCRETE or a float32 BOX");
    }
    if (n == 0 || n > PPO_MAX_ACTIONS)
        return ppo_fail(err, LATHE_E_UNSUPPORTED, "", "the action space has too many elements");
    if (p->n_mask > 0 && (!p->discrete || p->n_mask != n))
        return ppo_fail(err, LATHE_E_UNSUPPORTED, "", "the action mask does not fit the actions");
    p->n_out = (uint32_t)n;
    return LATHE_OK;
}

static int32_t work_space(struct ppo *p, struct lathe_error *err)
{
    const size_t ls = p->log_std != NULL ? p->engine->stride(p->log_std) : 16u;
    const size_t ls_rows = p->trunk != NULL ? 1u : KIT_BLOCK;

    p->x_act = calloc((size_t)KIT_BLOCK * p->dim, sizeof(float));
    p->scratch = calloc(kit_scratch(p->n_out), sizeof(float));
    p->dy = calloc((size_t)KIT_BLOCK * p->stride_a, sizeof(float));
    p->dv = calloc((size_t)KIT_BLOCK * p->stride_c, sizeof(float));
    p->dls = calloc(ls_rows * ls, sizeof(float));
    p->s2 = calloc((size_t)p->n_feat * p->n_out + 1u, sizeof(float));
    p->dfeat = calloc((size_t)KIT_BLOCK * p->stride_t + 1u, sizeof(float));
    p->noise = calloc((size_t)2 * KIT_BLOCK * p->n_out, sizeof(float));
    return p->s2 && p->dfeat && p->x_act && p->scratch && p->dy && p->dv && p->dls && p->noise
               ? LATHE_OK
               : ppo_fail(err, LATHE_E_NOMEM, "", "no memory");
}

static void ppo_close(void *self)
{
    struct ppo *p = self;

    if (p == NULL)
        return;
    ppo_nets_close(p);
    ppo_rollout_close(p);
    free(p->x_act);
    free(p->scratch);
    free(p->dy);
    free(p->dv);
    free(p->dls);
    free(p->s2);
    free(p->dfeat);
    free(p->noise);
    free(p);
}

static int32_t ppo_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    struct ppo *p = calloc(1, sizeof *p);
    int32_t st;

    if (p == NULL)
        return ppo_fail(err, LATHE_E_NOMEM, "", "no memory");
    p->host = args->host;
    p->n_envs = args->n_envs > 0 ? args->n_envs : 1;
    p->n_mask = args->n_mask;
    p->threads = args->threads;
    p->seed = args->seed;
    p->total_steps = args->total_steps;
    p->total_iterations = args->total_iterations;
    p->memory_limit = args->memory_limit_bytes;
    p->episodic = (args->flags & LATHE_RUN_EPISODIC) != 0;
    p->policy_only = (args->flags & LATHE_RUN_POLICY_ONLY) != 0;
    p->obs_stride = args->spec->obs_stride;
    p->act_stride = args->spec->act_stride;
    if (args->engine == NULL) {
        st = ppo_fail(err, LATHE_E_INVALID, "engine", "ppo needs an engine");
        goto fail;
    }
    if (!kit_flat_init(&p->flat, args->spec->obs)) {
        st = ppo_fail(err, LATHE_E_UNSUPPORTED, "", "the observations cannot be flattened");
        goto fail;
    }
    p->dim = p->flat.dim;
    if ((st = action_space(p, args->spec, err)) != LATHE_OK ||
        (st = ppo_configure(p, args, err)) != LATHE_OK)
        goto fail;
    p->engine = args->engine;
    if ((st = ppo_nets_open(p, err)) != LATHE_OK || (st = work_space(p, err)) != LATHE_OK)
        goto fail;
    if (!p->policy_only && (st = ppo_rollout_open(p, err)) != LATHE_OK)
        goto fail;
    *self = p;
    return LATHE_OK;
fail:
    ppo_close(p);
    return st;
}

static const struct lathe_algo_slots slots = {.struct_size = sizeof slots, .next = ppo_slots_next};

static const struct lathe_algo_export export_table = {
    .struct_size = sizeof export_table,
    .describe = ppo_describe,
    .save_policy = ppo_save_policy,
    .load_policy = ppo_load_policy,
};

static const void *extension(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, LATHE_ALGO_SLOTS) == 0)
        return &slots;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export_table : NULL;
}

static const struct lathe_algorithm ppo_table = {
    .struct_size = sizeof(struct lathe_algorithm),
    .flags = LATHE_ALGO_DISCRETE | LATHE_ALGO_CONTINUOUS | LATHE_ALGO_MULTIDISCRETE |
             LATHE_ALGO_ON_POLICY | LATHE_ALGO_NEEDS_ENGINE,
    .open = ppo_open,
    .act = ppo_act,
    .observe = ppo_observe,
    .update = ppo_update,
    .save = ppo_save,
    .load = ppo_load,
    .close = ppo_close,
    .extension = extension,
};

LATHE_PLUGIN_SINGLE("org.lathe.ppo", "1.0.0", "Apache-2.0", "Proximal policy optimization.",
                    LATHE_KIND_ALGORITHM, "ppo", &ppo_table, ppo_options);
