/* One environment with seven tiny problems. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/probe_env.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/env.h"
#include "lathe/rng.h"

#define MAX_ROWS 256u

struct probe {
    char id;
    int32_t continuous;
    uint32_t t[MAX_ROWS];
    uint64_t draws[MAX_ROWS];
    float obs[MAX_ROWS];
    struct lathe_env_spec spec;
    struct lathe_space obs_space, act_space;
};

static const double obs_low = -2.0, obs_high = 2.0, act_low = -1.0, act_high = 1.0;

static void box(struct lathe_space *s, const double *low, const double *high)
{
    s->struct_size = sizeof *s;
    s->kind = LATHE_SPACE_BOX;
    s->dtype = LATHE_F32;
    s->ndim = 1;
    s->shape[0] = 1;
    s->len_bytes = 4;
    s->flags = LATHE_SPACE_ONE_BOUND;
    s->low = low;
    s->high = high;
}

static int32_t probe_open(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    struct probe *e;

    (void)err;
    if (args->n_envs > MAX_ROWS)
        return LATHE_E_LIMIT;
    if ((e = calloc(1, sizeof *e)) == NULL)
        return LATHE_E_NOMEM;
    e->id = args->params->get_string(args->params, "probe")[0];
    e->continuous = args->params->get_bool(args->params, "continuous");
    box(&e->obs_space, &obs_low, &obs_high);
    box(&e->act_space, &act_low, &act_high);
    if (!e->continuous) {
        e->act_space.kind = LATHE_SPACE_DISCRETE;
        e->act_space.dtype = LATHE_I32;
        e->act_space.ndim = 0;
        e->act_space.n = e->id == 'a' ? 1 : 2;
    }
    e->spec.struct_size = sizeof e->spec;
    e->spec.id = "probe";
    e->spec.obs_stride = e->spec.act_stride = 4;
    e->spec.n_agents = 1;
    e->spec.obs = &e->obs_space;
    e->spec.act = &e->act_space;
    *batch = e;
    return LATHE_OK;
}

static const struct lathe_env_spec *probe_spec(void *batch)
{
    return &((struct probe *)batch)->spec;
}

static float first_obs(struct probe *e, uint32_t i)
{
    uint32_t x[4];

    if (e->id != 'b' && e->id != 'e')
        return 0;
    lathe_philox(5, 1, i, e->draws[i]++, 0, x);
    return x[0] & 1u ? 1.0f : -1.0f;
}

static int32_t probe_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                           const struct lathe_env_io *io)
{
    struct probe *e = batch;
    uint32_t i;

    for (i = first; i < first + count; i++)
        if (rows == NULL || rows[i]) {
            e->t[i] = 0;
            e->obs[i] = first_obs(e, i);
            ((float *)io->obs)[i] = e->obs[i];
        }
    return LATHE_OK;
}

static float reward_of(const struct probe *e, uint32_t i, int one)
{
    switch (e->id) {
    case 'b':
        return e->obs[i];
    case 'c':
        return e->t[i] == 2 ? 1.0f : 0.0f;
    case 'd':
        return one ? 1.0f : -1.0f;
    case 'e':
        return one == (e->obs[i] > 0) ? 1.0f : 0.0f;
    case 'w':
        return NAN;
    default:
        return 1.0f;
    }
}

static int32_t probe_step(void *batch, uint32_t first, uint32_t count,
                          const struct lathe_env_io *io)
{
    struct probe *e = batch;
    uint32_t i;

    for (i = first; i < first + count; i++) {
        const int one =
            e->continuous ? ((const float *)io->act)[i] > 0 : ((const int32_t *)io->act)[i] == 1;
        e->t[i]++;
        io->reward[i] = reward_of(e, i, one);
        io->terminated[i] = e->id == 'f' ? 0 : e->id == 'c' ? e->t[i] == 2 : 1;
        io->truncated[i] = 0;
        if (e->id == 'c')
            e->obs[i] = 1;
        ((float *)io->obs)[i] = e->obs[i];
    }
    return LATHE_OK;
}

static const struct lathe_env probe_vtable = {
    .struct_size = sizeof probe_vtable,
    .open = probe_open,
    .spec = probe_spec,
    .reset = probe_reset,
    .step = probe_step,
    .close = free,
};
static const struct lathe_option *const probe_options[] = {
    LATHE_OPTION_STRING("probe", "a", 8, "Which problem."),
    LATHE_OPTION_BOOL("continuous", "false", "A box action."), NULL};

const struct lathe_component probe_env_component = {
    sizeof probe_env_component, 0, LATHE_KIND_ENV, "probe", "", &probe_vtable, NULL, probe_options};
