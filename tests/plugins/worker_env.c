/* Fixture: a walk on a line. Observation: position and steps; actions: left, right; the right end
 * pays 1 and ends the episode. Every row draws its start and its noise from its own generator. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/env.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

#define GOAL 4

struct row {
    uint64_t rng;
    int32_t position;
    uint32_t steps;
    float reward_sum;
};

struct walk {
    uint32_t n;
    int has_snapshot, bad_reward_at;
    uint64_t calls; /* only read by rows of one thread in tests that set bad_reward_at */
    struct row *rows;
};

static const double low[2] = {-100, 0}, high[2] = {100, 1e6};
static const struct lathe_space obs_space = {.struct_size = sizeof obs_space,
                                             .kind = LATHE_SPACE_BOX,
                                             .dtype = LATHE_F32,
                                             .ndim = 1,
                                             .shape = {2},
                                             .len_bytes = 8,
                                             .low = low,
                                             .high = high};
static const struct lathe_space act_space = {.struct_size = sizeof act_space,
                                             .kind = LATHE_SPACE_DISCRETE,
                                             .dtype = LATHE_I32,
                                             .len_bytes = 4,
                                             .n = 2};
static const struct lathe_env_spec walk_spec = {
    .struct_size = sizeof walk_spec,
    .flags = LATHE_ENV_STOCHASTIC,
    .id = "Walk-v0",
    .version = 1,
    .obs_stride = 8,
    .act_stride = 4,
    .n_agents = 1,
    .default_limit = 20,
    .reward_threshold = 0.5,
    .obs = &obs_space,
    .act = &act_space,
};

static int32_t walk_open(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    struct walk *walk = calloc(1, sizeof *walk);

    (void)err;
    if (walk == NULL)
        return LATHE_E_NOMEM;
    walk->n = args->n_envs;
    walk->has_snapshot = args->params->get_bool(args->params, "snapshot");
    walk->bad_reward_at = (int)args->params->get_int(args->params, "bad_reward_at");
    walk->rows = calloc(args->n_envs, sizeof *walk->rows);
    if (walk->rows == NULL) {
        free(walk);
        return LATHE_E_NOMEM;
    }
    *batch = walk;
    return LATHE_OK;
}

static const struct lathe_env_spec *walk_get_spec(void *batch)
{
    (void)batch;
    return &walk_spec;
}

static void write_row(const struct walk *walk, uint32_t i, const struct lathe_env_io *io)
{
    float *obs = (float *)io->obs + 2 * (size_t)i;

    obs[0] = (float)walk->rows[i].position;
    obs[1] = (float)walk->rows[i].steps;
    if (io->info != NULL) {
        io->info[2 * (size_t)i] = walk->rows[i].position >= GOAL ? 1.0f : 0.0f;
        io->info[2 * (size_t)i + 1] = (float)walk->rows[i].steps;
    }
}

static int32_t walk_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                          const struct lathe_env_io *io)
{
    struct walk *walk = batch;
    uint32_t i;

    if (io->options_json != NULL)
        return LATHE_E_INVALID;
    for (i = first; i < first + count; i++) {
        struct row *row = &walk->rows[i];

        if (rows != NULL && !rows[i])
            continue;
        if (io->seeds != NULL)
            row->rng = io->seeds[i];
        row->position = lathe_splitmix_double(&row->rng) < 0.5 ? 0 : 1;
        row->steps = 0;
        row->reward_sum = 0;
        write_row(walk, i, io);
    }
    return LATHE_OK;
}

static int32_t walk_step(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io)
{
    struct walk *walk = batch;
    const int32_t *act = io->act;
    uint32_t i;

    for (i = first; i < first + count; i++) {
        struct row *row = &walk->rows[i];
        int slips = lathe_splitmix_double(&row->rng) < 0.1;

        if (act[i] != 0 && act[i] != 1)
            return LATHE_E_INVALID;
        row->position += (act[i] == 1) != slips ? 1 : -1;
        row->steps++;
        io->reward[i] = row->position >= GOAL ? 1.0f : -0.01f;
        if (walk->bad_reward_at > 0 && ++walk->calls == (uint64_t)walk->bad_reward_at)
            io->reward[i] /= 0.0f;
        io->terminated[i] = row->position >= GOAL;
        io->truncated[i] = 0;
        row->reward_sum += io->reward[i];
        write_row(walk, i, io);
    }
    return LATHE_OK;
}

static void walk_close(void *batch)
{
    struct walk *walk = batch;

    if (walk == NULL)
        return;
    free(walk->rows);
    free(walk);
}

static int32_t snapshot_get(void *batch, uint32_t first, uint32_t count, void *buffer)
{
    memcpy(buffer, ((struct walk *)batch)->rows + first, count * sizeof(struct row));
    return LATHE_OK;
}

static int32_t snapshot_set(void *batch, uint32_t first, uint32_t count, const void *buffer)
{
    memcpy(((struct walk *)batch)->rows + first, buffer, count * sizeof(struct row));
    return LATHE_OK;
}

static int32_t describe_state(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    const struct walk *walk = batch;
    int n = snprintf(json, cap_bytes, "{\"position\":%d}", walk->rows[row].position);

    return n > 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static int32_t describe_observe(void *batch, const char *state_json, void *obs,
                                struct lathe_error *err)
{
    int position;

    (void)batch;
    if (sscanf(state_json, "{\"position\":%d}", &position) != 1) {
        if (err != NULL)
            snprintf(err->field, sizeof err->field, "position");
        return LATHE_E_INVALID;
    }
    ((float *)obs)[0] = (float)position;
    ((float *)obs)[1] = 0.0f;
    return LATHE_OK;
}

static int32_t report(void *batch, uint32_t n_episodes, const float *info, const double *returns,
                      const uint32_t *lengths, char *json, uint64_t cap_bytes)
{
    double steps = 0;
    uint32_t i;
    int n;

    (void)batch;
    (void)returns;
    (void)lengths;
    for (i = 0; i < n_episodes; i++)
        steps += info[2 * (size_t)i + 1];
    n = snprintf(json, cap_bytes, "{\"mean_steps\":%.6f}", steps / n_episodes);
    return n > 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static int32_t solve(void *batch, const char *options_json, char *json, uint64_t cap_bytes,
                     struct lathe_error *err)
{
    (void)batch;
    (void)options_json;
    (void)err;
    return snprintf(json, cap_bytes, "{\"goal\":%d}", GOAL) > 0 ? LATHE_OK : LATHE_E_LIMIT;
}

static const struct lathe_env_snapshot snapshot_ext = {sizeof snapshot_ext, sizeof(struct row),
                                                       snapshot_get, snapshot_set};
static const char *const info_list[] = {"success", "steps", NULL};
static const struct lathe_env_info info_ext = {sizeof info_ext, 2, info_list};
static const char *const action_list[] = {"left", "right", NULL};
static const struct lathe_env_describe describe_ext = {sizeof describe_ext, 2, action_list,
                                                       describe_state, describe_observe};
static const struct lathe_env_report report_ext = {sizeof report_ext, 0, report};
static const struct lathe_env_solve solve_ext = {sizeof solve_ext, 0, solve};

static const void *walk_extension(void *batch, const char *id)
{
    if (strcmp(id, LATHE_ENV_SNAPSHOT) == 0)
        return ((struct walk *)batch)->has_snapshot ? &snapshot_ext : NULL;
    if (strcmp(id, LATHE_ENV_INFO) == 0)
        return &info_ext;
    if (strcmp(id, LATHE_ENV_DESCRIBE) == 0)
        return &describe_ext;
    if (strcmp(id, LATHE_ENV_REPORT) == 0)
        return &report_ext;
    if (strcmp(id, LATHE_ENV_SOLVE) == 0)
        return &solve_ext;
    return NULL;
}

static const struct lathe_env walk_env = {sizeof walk_env, 0,         walk_open,  walk_get_spec,
                                          walk_reset,      walk_step, walk_close, walk_extension};
static const struct lathe_option *const walk_options[] = {
    LATHE_OPTION_BOOL("snapshot", "true", "Offer the snapshot extension."),
    LATHE_OPTION_INT("bad_reward_at", "0", 0, 1e9, "Step whose reward is not finite, 0 = none."),
    NULL};

LATHE_PLUGIN_SINGLE("org.lathe.test.walk", "1.0.0", "Apache-2.0", "A walk on a line.",
                    LATHE_KIND_ENV, "Walk-v0", &walk_env, walk_options);
