/* Corridor-v0: walk right to the exit of a slippery corridor. A complete environment plugin on one
 * page: copy it, rename it, change the dynamics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <lathe/env.h>
#include <lathe/plugin.h>
#include <lathe/rng.h>
#include <stdlib.h>
#include <string.h>

struct row { /* all that one copy of the environment remembers */
    struct lathe_pcg64 rng;
    int32_t cell;
};

struct corridor {
    struct lathe_space obs, act;
    struct lathe_env_spec spec;
    double slip;
    uint32_t n_rows;
    struct row rows[];
};

static int32_t corridor_open(const struct lathe_env_args *args, struct lathe_error *err,
                             void **batch)
{
    struct corridor *c = calloc(1, sizeof *c + args->n_envs * sizeof c->rows[0]);

    (void)err;
    if (c == NULL)
        return LATHE_E_NOMEM;
    c->n_rows = args->n_envs;
    c->slip = args->params->get_float(args->params, "slip");
    c->obs = (struct lathe_space){.struct_size = sizeof c->obs,
                                  .kind = LATHE_SPACE_DISCRETE,
                                  .dtype = LATHE_I32,
                                  .len_bytes = sizeof(int32_t),
                                  .n = args->params->get_int(args->params, "length")};
    c->act = c->obs;
    c->act.n = 2; /* 0 = left, 1 = right */
    c->spec = (struct lathe_env_spec){.struct_size = sizeof c->spec,
                                      .flags = LATHE_ENV_FINITE | LATHE_ENV_STOCHASTIC,
                                      .id = "Corridor-v0",
                                      .version = 1,
                                      .obs_stride = sizeof(int32_t),
                                      .act_stride = sizeof(int32_t),
                                      .n_agents = 1,
                                      .default_limit = 100,
                                      .reward_threshold = 0.8,
                                      .obs = &c->obs,
                                      .act = &c->act};
    *batch = c;
    return LATHE_OK;
}

static const struct lathe_env_spec *corridor_spec(void *batch)
{
    return &((struct corridor *)batch)->spec;
}

static int32_t corridor_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                              const struct lathe_env_io *io)
{
    struct corridor *c = batch;
    int32_t *obs = io->obs;

    for (uint32_t i = first; i < first + count; i++) {
        if (rows != NULL && !rows[i])
            continue;
        if (io->seeds != NULL)
            lathe_pcg64_seed(&c->rows[i].rng, io->seeds[i]);
        obs[i] = c->rows[i].cell = 0;
    }
    return LATHE_OK;
}

static int32_t corridor_step(void *batch, uint32_t first, uint32_t count,
                             const struct lathe_env_io *io)
{
    struct corridor *c = batch;
    const int32_t *act = io->act;
    int32_t *obs = io->obs, status = LATHE_OK, last = (int32_t)c->obs.n - 1;

    for (uint32_t i = first; i < first + count; i++) {
        struct row *row = &c->rows[i];
        if (act[i] != 0 && act[i] != 1) {
            status = LATHE_E_INVALID; /* this row stays as it is, the others go on */
            continue;
        }
        int32_t move = act[i] == 1 ? 1 : -1;
        if (lathe_pcg64_double(&row->rng) < c->slip)
            move = -move;
        row->cell = row->cell + move < 0 ? 0 : row->cell + move;
        obs[i] = row->cell;
        io->terminated[i] = row->cell == last;
        io->truncated[i] = 0;
        io->reward[i] = row->cell == last ? 1.0f : -0.01f;
    }
    return status;
}

static void corridor_close(void *batch)
{
    free(batch);
}

/* Optional: with a snapshot, interrupted trainings resume bit-identically. */
static int32_t snapshot_get(void *batch, uint32_t first, uint32_t count, void *buffer)
{
    memcpy(buffer, ((struct corridor *)batch)->rows + first, count * sizeof(struct row));
    return LATHE_OK;
}

static int32_t snapshot_set(void *batch, uint32_t first, uint32_t count, const void *buffer)
{
    struct corridor *c = batch;
    const struct row *from = buffer;

    for (uint32_t i = 0; i < count; i++)
        if (from[i].cell < 0 || from[i].cell >= c->obs.n)
            return LATHE_E_CORRUPT;
    memcpy(c->rows + first, from, count * sizeof *from);
    return LATHE_OK;
}

static const void *corridor_extension(void *batch, const char *id)
{
    static const struct lathe_env_snapshot snapshot = {sizeof snapshot, sizeof(struct row),
                                                       snapshot_get, snapshot_set};
    (void)batch;
    return strcmp(id, LATHE_ENV_SNAPSHOT) == 0 ? &snapshot : NULL;
}

static const struct lathe_option *const corridor_options[] = {
    LATHE_OPTION_INT("length", "8", 2, 1000, "Cells from the start to the exit."),
    LATHE_OPTION_FLOAT("slip", "0.1", 0, 1, "Probability that a step goes the other way."), NULL};

static const struct lathe_env corridor = {sizeof corridor, 0,
                                          corridor_open,   corridor_spec,
                                          corridor_reset,  corridor_step,
                                          corridor_close,  corridor_extension};

LATHE_PLUGIN_SINGLE("org.example.corridor", "0.1.0", "Apache-2.0", "A slippery corridor.",
                    LATHE_KIND_ENV, "Corridor-v0", &corridor, corridor_options);
