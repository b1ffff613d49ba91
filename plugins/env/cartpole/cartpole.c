/* Plugin of the cart-pole balancing task: options, spaces, resets. The dynamics are in
 * cartpole_kernel.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/cartpole/cartpole_kernel.h"
#include "plugins/env/common/env_base.h"
#include "plugins/env/common/env_math.h"

#include <stdlib.h>

#define THETA_LIMIT (12.0 * 2.0 * ENV_PI / 360.0)

enum { X, V, THETA, OMEGA, N_VARS };

struct cartpole {
    struct env_base base;
    cartpole_step_rows_fn *step_rows;
    double reset_low, reset_high;
    float reward_alive, reward_end;
    struct lathe_space obs, act;
};

static const double obs_low[4] = {-4.8, -INFINITY, -2.0 * THETA_LIMIT, -INFINITY};
static const double obs_high[4] = {4.8, INFINITY, 2.0 * THETA_LIMIT, INFINITY};
static const char *const variables[] = {"x", "v", "theta", "omega", NULL};
static const char *const actions[] = {"push_left", "push_right", NULL};

static void cartpole_close(void *batch)
{
    if (batch != NULL)
        env_base_fini(batch);
    free(batch);
}

static int32_t open_limit(const struct lathe_env_args *args, struct lathe_error *err, void **batch,
                          uint32_t limit)
{
    const struct lathe_params *p = args->params;
    struct cartpole *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a cart-pole batch");
    b->reset_low = p->get_float(p, "reset_low");
    b->reset_high = p->get_float(p, "reset_high");
    b->reward_alive = p->get_bool(p, "sutton_barto_reward") ? 0.0f : 1.0f;
    b->reward_end = p->get_bool(p, "sutton_barto_reward") ? -1.0f : 1.0f;
    if (b->reset_low > b->reset_high)
        st = env_fail(err, LATHE_E_INVALID, "reset_low", "reset_low is above reset_high");
    else
        st = env_base_init(&b->base, args->n_envs, N_VARS, 0, err);
    if (st != LATHE_OK) {
        free(b);
        return st;
    }
    b->step_rows = cartpole_step_rows(env_isa_best());
    b->obs = env_box(4, obs_low, obs_high);
    b->act = env_discrete(2, 0);
    b->base.spec.id = limit == 500 ? "CartPole-v1" : "CartPole-v0";
    b->base.spec.default_limit = limit;
    b->base.spec.reward_threshold = limit == 500 ? 475.0 : 195.0;
    b->base.spec.obs_stride = 16;
    b->base.spec.act_stride = 4;
    b->base.spec.obs = &b->obs;
    b->base.spec.act = &b->act;
    env_base_name(&b->base, variables, actions);
    *batch = b;
    return LATHE_OK;
}

static int32_t open_v1(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    return open_limit(args, err, batch, 500);
}

static int32_t open_v0(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    return open_limit(args, err, batch, 200);
}

static const struct lathe_env_spec *cartpole_spec(void *batch)
{
    return &((struct cartpole *)batch)->base.spec;
}

static void start_row(void *batch, uint32_t i, const struct lathe_env_io *io)
{
    struct cartpole *b = batch;
    float *obs = (float *)io->obs + 4 * (size_t)i;

    for (int k = 0; k < N_VARS; k++) {
        b->base.f64[k][i] = lathe_pcg64_uniform(&b->base.rng[i], b->reset_low, b->reset_high);
        obs[k] = (float)b->base.f64[k][i];
    }
}

static int32_t cartpole_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                              const struct lathe_env_io *io)
{
    return env_reset_rows(batch, first, count, rows, io, start_row);
}

static int32_t cartpole_step(void *batch, uint32_t first, uint32_t count,
                             const struct lathe_env_io *io)
{
    struct cartpole *b = batch;
    const uint32_t end = first + count;
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < end; i += ENV_CHUNK) {
        const struct cartpole_rows rows = {b->base.f64[X] + i,
                                           b->base.f64[V] + i,
                                           b->base.f64[THETA] + i,
                                           b->base.f64[OMEGA] + i,
                                           (const int32_t *)io->act + i,
                                           (float *)io->obs + 4 * (size_t)i,
                                           io->reward + i,
                                           io->terminated + i,
                                           io->truncated + i,
                                           end - i < ENV_CHUNK ? end - i : ENV_CHUNK,
                                           b->reward_alive,
                                           b->reward_end};
        if (b->step_rows(&rows))
            continue;
        for (uint32_t k = 0; k < rows.n; k++)
            if (!cartpole_step_one(&rows, k))
                st = LATHE_E_INVALID;
    }
    return st;
}

#define CARTPOLE_ENV(open_fn)                                                               \
    {                                                                                       \
        sizeof(struct lathe_env), 0, open_fn, cartpole_spec, cartpole_reset, cartpole_step, \
            cartpole_close, env_base_extension                                              \
    }

static const struct lathe_env cartpole_v1 = CARTPOLE_ENV(open_v1);
static const struct lathe_env cartpole_v0 = CARTPOLE_ENV(open_v0);

static const struct lathe_option *const options[] = {
    LATHE_OPTION_BOOL("sutton_barto_reward", "false",
                      "Reward 0 per step and -1 at the fall instead of 1 per step."),
    LATHE_OPTION_FLOAT("reset_low", "-0.05", -1, 1, "Lower end of the start state."),
    LATHE_OPTION_FLOAT("reset_high", "0.05", -1, 1, "Upper end of the start state."), NULL};

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ENV, "CartPole-v1", "Balance a pole on a cart, 500 steps.",
                    &cartpole_v1, options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "CartPole-v0", "Balance a pole on a cart, 200 steps.",
                    &cartpole_v0, options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,    "org.lathe.cartpole", "1.0.0", "Apache-2.0",
    "Cart-pole balancing.", components,           NULL,    NULL};
