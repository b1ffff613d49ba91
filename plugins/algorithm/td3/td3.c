/* Algorithms "td3" (twin delayed deep deterministic policy gradient) and "ddpg" for float32 boxes.
 * This file opens learners and holds the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "td3.h"

static float *floats(size_t rows, size_t width)
{
    const size_t bytes = (rows * width * sizeof(float) + 127u) / 64u * 64u;
    float *p = aligned_alloc(64, bytes);

    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static int32_t update_space(struct td3 *t)
{
    const struct kit_off_policy *b = &t->base;
    const size_t rows = b->cfg.batch_size, chunk = KIT_OFF_POLICY_CHUNK;
    size_t r;

    t->ou = floats(b->n_envs, b->n_act);
    t->x_next = floats(rows, b->ld);
    t->x_pi = floats(rows, b->ld);
    t->dq[0] = floats(rows, t->nets.ldq);
    t->dq[1] = floats(rows, t->nets.ldq);
    t->da = floats(rows, t->nets.lda);
    t->dq_policy = floats(chunk, t->nets.ldq);
    t->dx = floats(chunk, b->ld);
    if (!t->ou || !t->x_next || !t->x_pi || !t->dq[0] || !t->dq[1] || !t->da || !t->dq_policy ||
        !t->dx)
        return 0;
    for (r = 0; r < chunk; r++)
        t->dq_policy[r * t->nets.ldq] = (float)(-1.0 / (double)rows);
    return 1;
}

static int32_t work_space(struct td3 *t, struct lathe_error *err)
{
    t->noise = floats(1, t->base.n_act);
    t->u_act = floats(KIT_OFF_POLICY_BLOCK, t->base.n_act);
    if (t->noise && t->u_act && (t->base.policy_only || update_space(t)))
        return LATHE_OK;
    return kit_off_policy_fail(&t->base, err, LATHE_E_NOMEM, "", "no memory");
}

static void td3_close(void *self)
{
    struct td3 *t = self;

    if (t == NULL)
        return;
    free(t->ou);
    free(t->noise);
    free(t->u_act);
    free(t->x_next);
    free(t->x_pi);
    free(t->dq[0]);
    free(t->dq[1]);
    free(t->da);
    free(t->dq_policy);
    free(t->dx);
    free(t->q_rows[0]);
    free(t->q_rows[1]);
    td3_nets_close(t);
    kit_off_policy_close(&t->base);
    free(t);
}

static int32_t open_as(const char *name, int32_t ddpg, const struct lathe_algo_args *args,
                       struct lathe_error *err, void **self)
{
    struct td3 *t = calloc(1, sizeof *t);
    int32_t st;

    if (t == NULL)
        return LATHE_E_NOMEM;
    if ((st = kit_off_policy_open(&t->base, name, args, err)) == LATHE_OK)
        td3_configure(t, args->params, ddpg);
    if (st != LATHE_OK || (st = kit_off_policy_start(&t->base, err)) != LATHE_OK ||
        (st = td3_nets_open(t, err)) != LATHE_OK || (st = work_space(t, err)) != LATHE_OK) {
        td3_close(t);
        return st;
    }
    *self = t;
    return LATHE_OK;
}

static int32_t td3_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    return open_as("td3", 0, args, err, self);
}

static int32_t ddpg_open(const struct lathe_algo_args *args, struct lathe_error *err, void **self)
{
    return open_as("ddpg", 1, args, err, self);
}

static const struct lathe_algo_export export_table = {
    .struct_size = sizeof export_table,
    .describe = td3_describe,
    .save_policy = td3_save_policy,
    .load_policy = td3_load_policy,
};

static const void *extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export_table : NULL;
}

#define TABLE(open_fn)                                                                    \
    {                                                                                     \
        .struct_size = sizeof(struct lathe_algorithm),                                    \
        .flags = LATHE_ALGO_CONTINUOUS | LATHE_ALGO_OFF_POLICY | LATHE_ALGO_NEEDS_ENGINE, \
        .open = (open_fn), .act = td3_act, .observe = td3_observe, .update = td3_update,  \
        .save = td3_save, .load = td3_load, .close = td3_close, .extension = extension,   \
    }

static const struct lathe_algorithm td3_table = TABLE(td3_open), ddpg_table = TABLE(ddpg_open);

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "td3", "Twin delayed deep deterministic policy gradient.",
                    &td3_table, td3_options),
    LATHE_COMPONENT(LATHE_KIND_ALGORITHM, "ddpg", "Deep deterministic policy gradient.",
                    &ddpg_table, ddpg_options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,
    "org.lathe.td3",
    "1.0.0",
    "Apache-2.0",
    "Deterministic policies for box actions: TD3 and DDPG.",
    components,
    NULL,
    NULL,
};
