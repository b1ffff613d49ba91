/* Plugin of the acrobot swing-up: options, spaces, resets. Dynamics: acrobot_kernel.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/acrobot/acrobot_kernel.h"
#include "plugins/env/common/env_base.h"
#include "plugins/env/common/env_math.h"

#include <stdlib.h>
#include <string.h>

struct acrobot {
    struct env_base base;
    acrobot_step_rows_fn *step_rows;
    double centripetal;
    struct lathe_space obs, act;
};

static const double obs_low[6] = {-1.0, -1.0, -1.0, -1.0, -4.0 * ENV_PI, -9.0 * ENV_PI};
static const double obs_high[6] = {1.0, 1.0, 1.0, 1.0, 4.0 * ENV_PI, 9.0 * ENV_PI};
static const char *const variables[] = {"theta1", "theta2", "omega1", "omega2", NULL};
static const char *const actions[] = {"torque_negative", "torque_none", "torque_positive", NULL};

static void acrobot_close(void *batch)
{
    if (batch != NULL)
        env_base_fini(batch);
    free(batch);
}

static int32_t acrobot_open(const struct lathe_env_args *args, struct lathe_error *err,
                            void **batch)
{
    struct acrobot *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for an acrobot batch");
    if ((st = env_base_init(&b->base, args->n_envs, 4, 0, err)) != LATHE_OK) {
        free(b);
        return st;
    }
    b->centripetal =
        strcmp(args->params->get_string(args->params, "equations"), "nips") == 0 ? 0.0 : 1.0;
    b->step_rows = acrobot_step_rows(env_isa_best());
    b->obs = env_box(6, obs_low, obs_high);
    b->act = env_discrete(3, 0);
    b->base.spec.id = "Acrobot-v1";
    b->base.spec.default_limit = 500;
    b->base.spec.reward_threshold = -100.0;
    b->base.spec.obs_stride = 24;
    b->base.spec.act_stride = 4;
    b->base.spec.obs = &b->obs;
    b->base.spec.act = &b->act;
    env_base_name(&b->base, variables, actions);
    *batch = b;
    return LATHE_OK;
}

static const struct lathe_env_spec *acrobot_spec(void *batch)
{
    return &((struct acrobot *)batch)->base.spec;
}

static void start_row(void *batch, uint32_t i, const struct lathe_env_io *io)
{
    struct acrobot *b = batch;
    float *obs = (float *)io->obs + 6 * (size_t)i;
    volatile float rounded; /* the start state is float; a cast alone is not always kept */

    for (int k = 0; k < 4; k++) {
        rounded = (float)lathe_pcg64_uniform(&b->base.rng[i], -0.1, 0.1);
        b->base.f64[k][i] = (double)rounded;
    }
    for (int k = 0; k < 2; k++) {
        double s, c;
        env_sincos_small(b->base.f64[k][i], &s, &c);
        obs[2 * k] = (float)c;
        obs[2 * k + 1] = (float)s;
        obs[4 + k] = (float)b->base.f64[2 + k][i];
    }
}

static int32_t acrobot_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                             const struct lathe_env_io *io)
{
    return env_reset_rows(batch, first, count, rows, io, start_row);
}

static struct acrobot_rows range(const struct acrobot *b, uint32_t i, uint32_t n,
                                 const struct lathe_env_io *io)
{
    return (struct acrobot_rows){b->base.f64[0] + i,
                                 b->base.f64[1] + i,
                                 b->base.f64[2] + i,
                                 b->base.f64[3] + i,
                                 (const int32_t *)io->act + i,
                                 (float *)io->obs + 6 * (size_t)i,
                                 io->reward + i,
                                 io->terminated + i,
                                 io->truncated + i,
                                 n,
                                 b->centripetal};
}

static int32_t acrobot_step(void *batch, uint32_t first, uint32_t count,
                            const struct lathe_env_io *io)
{
    struct acrobot *b = batch;
    const uint32_t end = first + count;
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < end; i += ENV_CHUNK) {
        const uint32_t n = end - i < ENV_CHUNK ? end - i : ENV_CHUNK;
        struct acrobot_rows rows = range(b, i, n, io);
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

static const struct lathe_env acrobot_env = {sizeof(struct lathe_env),
                                             0,
                                             acrobot_open,
                                             acrobot_spec,
                                             acrobot_reset,
                                             acrobot_step,
                                             acrobot_close,
                                             env_base_extension};

static const char *const equations[] = {"book", "nips", NULL};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_ENUM("equations", "book", equations,
                      "Equations of motion: the book's, or those of the 1996 NIPS paper."),
    NULL};

LATHE_PLUGIN_SINGLE("org.lathe.acrobot", "1.0.0", "Apache-2.0", "Acrobot swing-up.", LATHE_KIND_ENV,
                    "Acrobot-v1", &acrobot_env, options);
