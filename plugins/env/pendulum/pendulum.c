/* Plugin of the pendulum swing-up: options, spaces, resets. Dynamics: pendulum_kernel.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_base.h"
#include "plugins/env/common/env_math.h"
#include "plugins/env/pendulum/pendulum_kernel.h"

#include <stdlib.h>

struct pendulum {
    struct env_base base;
    pendulum_step_rows_fn *step_rows;
    double gravity;
    struct lathe_space obs, act;
};

static const double obs_low[3] = {-1.0, -1.0, -8.0}, obs_high[3] = {1.0, 1.0, 8.0};
static const double act_low[1] = {-2.0}, act_high[1] = {2.0};
static const char *const variables[] = {"theta", "omega", NULL};

static void pendulum_close(void *batch)
{
    if (batch != NULL)
        env_base_fini(batch);
    free(batch);
}

static int32_t pendulum_open(const struct lathe_env_args *args, struct lathe_error *err,
                             void **batch)
{
    struct pendulum *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a pendulum batch");
    if ((st = env_base_init(&b->base, args->n_envs, 2, 0, err)) != LATHE_OK) {
        free(b);
        return st;
    }
    b->gravity = args->params->get_float(args->params, "gravity");
    b->step_rows = pendulum_step_rows(env_isa_best());
    b->obs = env_box(3, obs_low, obs_high);
    b->act = env_box(1, act_low, act_high);
    b->base.spec.id = "Pendulum-v1";
    b->base.spec.default_limit = 200;
    b->base.spec.obs_stride = 12;
    b->base.spec.act_stride = 4;
    b->base.spec.obs = &b->obs;
    b->base.spec.act = &b->act;
    env_base_name(&b->base, variables, NULL);
    *batch = b;
    return LATHE_OK;
}

static const struct lathe_env_spec *pendulum_spec(void *batch)
{
    return &((struct pendulum *)batch)->base.spec;
}

static void start_row(void *batch, uint32_t i, const struct lathe_env_io *io)
{
    struct pendulum *b = batch;
    float *obs = (float *)io->obs + 3 * (size_t)i;
    double s, c;

    b->base.f64[0][i] = lathe_pcg64_uniform(&b->base.rng[i], -ENV_PI, ENV_PI);
    b->base.f64[1][i] = lathe_pcg64_uniform(&b->base.rng[i], -1.0, 1.0);
    env_sincos_small(b->base.f64[0][i], &s, &c);
    obs[0] = (float)c;
    obs[1] = (float)s;
    obs[2] = (float)b->base.f64[1][i];
}

static int32_t pendulum_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                              const struct lathe_env_io *io)
{
    return env_reset_rows(batch, first, count, rows, io, start_row);
}

static int32_t pendulum_step(void *batch, uint32_t first, uint32_t count,
                             const struct lathe_env_io *io)
{
    struct pendulum *b = batch;
    const uint32_t end = first + count;
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < end; i += ENV_CHUNK) {
        const struct pendulum_rows rows = {b->base.f64[0] + i,
                                           b->base.f64[1] + i,
                                           (const float *)io->act + i,
                                           (float *)io->obs + 3 * (size_t)i,
                                           io->reward + i,
                                           io->terminated + i,
                                           io->truncated + i,
                                           end - i < ENV_CHUNK ? end - i : ENV_CHUNK,
                                           b->gravity};
        if (b->step_rows(&rows))
            continue;
        for (uint32_t k = 0; k < rows.n; k++)
            if (!pendulum_step_one(&rows, k))
                st = LATHE_E_INVALID;
    }
    return st;
}

static const struct lathe_env pendulum_env = {sizeof(struct lathe_env),
                                              0,
                                              pendulum_open,
                                              pendulum_spec,
                                              pendulum_reset,
                                              pendulum_step,
                                              pendulum_close,
                                              env_base_extension};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_FLOAT("gravity", "10", 0, 100, "Acceleration of gravity in m/s^2."), NULL};

LATHE_PLUGIN_SINGLE("org.lathe.pendulum", "1.0.0", "Apache-2.0", "Pendulum swing-up.",
                    LATHE_KIND_ENV, "Pendulum-v1", &pendulum_env, options);
