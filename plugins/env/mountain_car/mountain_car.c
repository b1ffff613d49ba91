/* Plugin of the two mountain-car tasks: options, spaces, resets. Dynamics: mountain_car_kernel.c.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_base.h"
#include "plugins/env/common/env_math.h"
#include "plugins/env/mountain_car/mountain_car_kernel.h"

#include <stdlib.h>

struct mountain_car {
    struct env_base base;
    mountain_car_step_fn *step_rows;
    double goal_velocity;
    struct lathe_space obs, act;
};

static const double obs_low[2] = {-1.2, -0.07}, obs_high[2] = {0.6, 0.07};
static const double act_low[1] = {-1.0}, act_high[1] = {1.0};
static const char *const variables[] = {"position", "velocity", NULL};
static const char *const actions[] = {"push_left", "coast", "push_right", NULL};

static void mountain_car_close(void *batch)
{
    if (batch != NULL)
        env_base_fini(batch);
    free(batch);
}

static int32_t open_common(const struct lathe_env_args *args, struct lathe_error *err,
                           struct mountain_car **batch)
{
    struct mountain_car *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a mountain-car batch");
    if ((st = env_base_init(&b->base, args->n_envs, 2, 1, err)) != LATHE_OK) {
        free(b);
        return st;
    }
    b->goal_velocity = args->params->get_float(args->params, "goal_velocity");
    b->obs = env_box(2, obs_low, obs_high);
    b->base.spec.obs_stride = 8;
    b->base.spec.act_stride = 4;
    b->base.spec.obs = &b->obs;
    b->base.spec.act = &b->act;
    *batch = b;
    return LATHE_OK;
}

static int32_t open_discrete(const struct lathe_env_args *args, struct lathe_error *err,
                             void **batch)
{
    struct mountain_car *b;
    const int32_t st = open_common(args, err, &b);

    if (st != LATHE_OK)
        return st;
    b->step_rows = mountain_car_discrete(env_isa_best());
    b->act = env_discrete(3, 0);
    b->base.spec.id = "MountainCar-v0";
    b->base.spec.default_limit = 200;
    b->base.spec.reward_threshold = -110.0;
    env_base_name(&b->base, variables, actions);
    *batch = b;
    return LATHE_OK;
}

static int32_t open_continuous(const struct lathe_env_args *args, struct lathe_error *err,
                               void **batch)
{
    struct mountain_car *b;
    const int32_t st = open_common(args, err, &b);

    if (st != LATHE_OK)
        return st;
    b->step_rows = mountain_car_continuous(env_isa_best());
    b->act = env_box(1, act_low, act_high);
    b->base.spec.id = "MountainCarContinuous-v0";
    b->base.spec.default_limit = 999;
    b->base.spec.reward_threshold = 90.0;
    env_base_name(&b->base, variables, NULL);
    *batch = b;
    return LATHE_OK;
}

static const struct lathe_env_spec *mountain_car_spec(void *batch)
{
    return &((struct mountain_car *)batch)->base.spec;
}

static void start_row(void *batch, uint32_t i, const struct lathe_env_io *io)
{
    struct mountain_car *b = batch;
    float *obs = (float *)io->obs + 2 * (size_t)i;

    b->base.f64[0][i] = lathe_pcg64_uniform(&b->base.rng[i], -0.6, -0.4);
    b->base.f64[1][i] = 0.0;
    b->base.i32[0][i] = 1;
    obs[0] = (float)b->base.f64[0][i];
    obs[1] = 0.0f;
}

static int32_t mountain_car_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                                  const struct lathe_env_io *io)
{
    return env_reset_rows(batch, first, count, rows, io, start_row);
}

static struct mountain_car_rows range(const struct mountain_car *b, uint32_t i, uint32_t n,
                                      const struct lathe_env_io *io)
{
    return (struct mountain_car_rows){b->base.f64[0] + i,
                                      b->base.f64[1] + i,
                                      b->base.i32[0] + i,
                                      (const char *)io->act + 4 * (size_t)i,
                                      (float *)io->obs + 2 * (size_t)i,
                                      io->reward + i,
                                      io->terminated + i,
                                      io->truncated + i,
                                      n,
                                      b->goal_velocity};
}

static int32_t mountain_car_step(void *batch, uint32_t first, uint32_t count,
                                 const struct lathe_env_io *io)
{
    struct mountain_car *b = batch;
    const uint32_t end = first + count;
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < end; i += ENV_CHUNK) {
        const uint32_t n = end - i < ENV_CHUNK ? end - i : ENV_CHUNK;
        struct mountain_car_rows rows = range(b, i, n, io);
        if (b->step_rows(&rows))
            continue;
        for (uint32_t k = 0; k < n; k++) { /* some action is bad: find whose */
            rows = range(b, i + k, 1, io);
            if (!b->step_rows(&rows))
                st = LATHE_E_INVALID;
        }
    }
    return st;
}

#define MOUNTAIN_CAR_ENV(open_fn)                                                    \
    {                                                                                \
        sizeof(struct lathe_env), 0, open_fn, mountain_car_spec, mountain_car_reset, \
            mountain_car_step, mountain_car_close, env_base_extension                \
    }

static const struct lathe_env discrete_env = MOUNTAIN_CAR_ENV(open_discrete);
static const struct lathe_env continuous_env = MOUNTAIN_CAR_ENV(open_continuous);

static const struct lathe_option *const options[] = {
    LATHE_OPTION_FLOAT("goal_velocity", "0", 0, 0.07,
                       "Least velocity at the flag that ends the episode."),
    NULL};

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ENV, "MountainCar-v0", "Drive an underpowered car up a hill.",
                    &discrete_env, options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "MountainCarContinuous-v0",
                    "Drive an underpowered car up a hill with a continuous force.", &continuous_env,
                    options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {LATHE_PLUGIN_HEADER,
                                                          "org.lathe.mountain_car",
                                                          "1.0.0",
                                                          "Apache-2.0",
                                                          "Mountain car.",
                                                          components,
                                                          NULL,
                                                          NULL};
