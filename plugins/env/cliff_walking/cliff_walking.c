/* Plugin of the cliff walk of Sutton and Barto, example 6.6: a 4 x 12 grid whose lower edge falls.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_mdp.h"

#include <stdlib.h>
#include <string.h>

#define N_ROWS 4u
#define N_COLS 12u
#define START 36u
#define GOAL 47u

static const char *const actions[] = {"up", "right", "down", "left", NULL};

static void cliff_walking_close(void *batch)
{
    if (batch != NULL)
        env_mdp_fini(batch);
    free(batch);
}

static struct lathe_outcome arrival(uint32_t at, uint32_t direction, double probability)
{
    const uint32_t row = at / N_COLS, col = at % N_COLS;
    const uint32_t to = direction == 0   ? (row > 0 ? at - N_COLS : at)
                        : direction == 1 ? (col + 1 < N_COLS ? at + 1 : at)
                        : direction == 2 ? (row + 1 < N_ROWS ? at + N_COLS : at)
                                         : (col > 0 ? at - 1 : at);

    if (to > START && to < GOAL)
        return (struct lathe_outcome){probability, -100.0, START, 0};
    return (struct lathe_outcome){probability, -1.0, to, to == GOAL};
}

static int32_t state_json(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    const struct env_mdp *m = batch;
    const uint32_t s = (uint32_t)m->base.i32[0][row];

    return env_emit(json, cap_bytes, NULL, "{\"state\":%u,\"row\":%u,\"col\":%u}", s, s / N_COLS,
                    s % N_COLS);
}

/* The grid: x walker, C cliff, T goal. */
static int32_t render(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                      uint32_t dims[4])
{
    const struct env_mdp *m = batch;
    const uint32_t need = N_ROWS * (N_COLS + 1) + 1;
    char *out = buffer;

    if (row >= m->base.n_envs)
        return LATHE_E_INVALID;
    if (mode != LATHE_RENDER_TEXT)
        return LATHE_E_UNSUPPORTED;
    memset(dims, 0, 4 * sizeof *dims);
    dims[0] = cap_bytes < need ? need : need - 1;
    if (cap_bytes < need)
        return LATHE_E_LIMIT;
    for (uint32_t s = 0; s < N_ROWS * N_COLS; s++) {
        *out++ = (char)((int32_t)s == m->base.i32[0][row] ? 'x'
                        : s == GOAL                       ? 'T'
                        : s > START                       ? 'C'
                                                          : 'o');
        if ((s + 1) % N_COLS == 0)
            *out++ = '\n';
    }
    *out = '\0';
    return LATHE_OK;
}

static int32_t cliff_walking_open(const struct lathe_env_args *args, struct lathe_error *err,
                                  void **batch)
{
    const int slippery = args->params->get_bool(args->params, "is_slippery");
    struct env_mdp *m = calloc(1, sizeof *m);
    int32_t st;

    if (m == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a cliff-walking batch");
    if ((st = env_mdp_init(m, args, N_ROWS * N_COLS, 4, 0, err)) != LATHE_OK) {
        free(m);
        return st;
    }
    m->start[START] = 1.0;
    for (uint32_t s = 0; s < N_ROWS * N_COLS; s++)
        for (uint32_t a = 0; a < 4; a++)
            for (uint32_t k = slippery ? 0 : 1; k < (slippery ? 3u : 2u); k++)
                env_mdp_add(m, s, a, arrival(s, (a + 3 + k) % 4, slippery ? 1.0 / 3.0 : 1.0));
    m->base.spec.flags |= slippery ? LATHE_ENV_STOCHASTIC : 0;
    m->base.spec.id = "CliffWalking-v1";
    m->describe = (struct lathe_env_describe){sizeof m->describe, 4, actions, state_json, NULL};
    m->render = (struct lathe_env_render){sizeof m->render, 0, render};
    *batch = m;
    return LATHE_OK;
}

static const struct lathe_env cliff_walking_env = {sizeof(struct lathe_env),
                                                   0,
                                                   cliff_walking_open,
                                                   env_mdp_spec,
                                                   env_mdp_reset,
                                                   env_mdp_step,
                                                   cliff_walking_close,
                                                   env_mdp_extension};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_BOOL("is_slippery", "false",
                      "Each step slides to either side with one third each."),
    NULL};

LATHE_PLUGIN_SINGLE("org.lathe.cliff_walking", "1.0.0", "Apache-2.0", "Cliff walking.",
                    LATHE_KIND_ENV, "CliffWalking-v1", &cliff_walking_env, options);
