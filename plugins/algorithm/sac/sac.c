/* Algorithm "sac": soft actor-critic for float32 boxes, with learned entropy coefficient and
 * state-dependent exploration. This file opens learners and holds the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sac.h"

static float *floats(size_t rows, size_t width)
{
    const size_t bytes = (rows * width * sizeof(float) + 127u) / 64u * 64u;
    float *p = aligned_alloc(64, bytes);

    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static int32_t sde_space(struct sac *s)
{
    const size_t n = (size_t)s->base.n_act * s->nets.features;

    if (!s->cfg.sde)
        return 1;
    s->row_theta = floats(s->base.policy_only ? 1u : s->base.n_envs, n);
    s->theta = floats(1, n);
    s->act_theta = floats(1, n);
    s->std = floats(1, n);
    s->dlog_std = floats(1, s->base.engine->stride(s->nets.log_std.net));
    s->sde_scratch = floats(1, kit_squashed_sde_scratch(s->nets.features));
    return s->row_theta && s->theta && s->act_theta && s->std && s->dlog_std && s->sde_scratch;
}

static int32_t update_space(struct sac *s)
{
    const struct kit_off_policy *b = &s->base;
    const size_t rows = b->cfg.batch_size, chunk = KIT_OFF_POLICY_CHUNK;
    uint32_t i;

    s->noise = floats(rows, b->n_act);
    s->noise_next = floats(chunk, b->n_act);
    s->x_next = floats(rows, b->ld);
    s->x_pi = floats(rows, b->ld);
    s->logp_next = floats(rows, 1);
    s->logp = floats(rows, 1);
    s->da = floats(rows, b->n_act);
    s->dhead = floats(chunk, s->nets.ldo);
    s->dh = floats(chunk, s->nets.ldh);
    s->dh_sde = floats(chunk, s->nets.ldh);
    for (i = 0; i < 2; i++) {
        s->dq[i] = floats(rows, s->nets.ldq);
        s->dx[i] = floats(chunk, b->ld);
    }
    return s->noise && s->noise_next && s->x_next && s->x_pi && s->logp_next && s->logp && s->da &&
           s->dhead && s->dh && s->dh_sde && s->dq[0] && s->dq[1] && s->dx[0] && s->dx[1];
}

static int32_t work_space(struct sac *s, struct lathe_error *err)
{
    s->noise_act = floats(KIT_OFF_POLICY_BLOCK, s->base.n_act);
    s->u_act = floats(KIT_OFF_POLICY_BLOCK, s->base.n_act);
    if (s->noise_act && s->u_act && sde_space(s) && (s->base.policy_only || update_space(s)))
        return LATHE_OK;
    return kit_off_policy_fail(&s->base, err, LATHE_E_NOMEM, "", "no memory");
}

static void sac_close(void *self)
{
    struct sac *s = self;
    size_t i;

    if (s == NULL)
        return;
    {
        void *const all[] = {s->row_theta,   s->theta, s->act_theta, s->std,   s->dlog_std,
                             s->sde_scratch, s->noise, s->noise_act, s->u_act, s->noise_next,
                             s->x_next,      s->x_pi,  s->logp_next, s->logp,  s->dq[0],
                             s->dq[1],       s->dx[0], s->dx[1],     s->da,    s->dhead,
                             s->dh,          s->dh_sde};
        for (i = 0; i < sizeof all / sizeof all[0]; i++)
            free(all[i]);
    }
    free(s->q_rows[0]);
    free(s->q_rows[1]);
    sac_nets_close(s);
    kit_off_policy_close(&s->base);
    free(s);
}

static int32_t sac_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    struct sac *s = calloc(1, sizeof *s);
    int32_t st;

    if (s == NULL)
        return LATHE_E_NOMEM;
    if ((st = kit_off_policy_open(&s->base, "sac", args, err)) != LATHE_OK ||
        (st = sac_configure(s, args->params, err)) != LATHE_OK ||
        (st = kit_off_policy_start(&s->base, err)) != LATHE_OK ||
        (st = sac_nets_open(s, err)) != LATHE_OK || (st = work_space(s, err)) != LATHE_OK) {
        sac_close(s);
        return st;
    }
    *self = s;
    return LATHE_OK;
}

static const struct lathe_algo_export export_table = {
    .struct_size = sizeof export_table,
    .describe = sac_describe,
    .save_policy = sac_save_policy,
    .load_policy = sac_load_policy,
};

static const void *extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export_table : NULL;
}

static const struct lathe_algorithm sac_table = {
    .struct_size = sizeof(struct lathe_algorithm),
    .flags = LATHE_ALGO_CONTINUOUS | LATHE_ALGO_OFF_POLICY | LATHE_ALGO_NEEDS_ENGINE,
    .open = sac_open,
    .act = sac_act,
    .observe = sac_observe,
    .update = sac_update,
    .save = sac_save,
    .load = sac_load,
    .close = sac_close,
    .extension = extension,
};

LATHE_PLUGIN_SINGLE("org.lathe.sac", "1.0.0", "Apache-2.0", "Soft actor-critic.",
                    LATHE_KIND_ALGORITHM, "sac", &sac_table, sac_options);
