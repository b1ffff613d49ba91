/* Plugin of the frozen-lake grids: walk from S to G without falling into a hole H. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_mdp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIDE 64u
#define MAP_TRIES 10000

struct frozen_lake {
    struct env_mdp mdp; /* first */
    uint32_t n_rows, n_cols;
    char *tiles;      /* [n_rows][n_cols] of S F H G */
    double reward[3]; /* goal, hole, frozen */
};

static const char map_4x4[] = "SFFFFHFHFFFHHFFG";
static const char map_8x8[] = "SFFFFFFFFFFFFFFFFFFHFFFFFFFFFHFFFFFHFFFFFHHFFFHFFHFFHFHFFFFHFFFG";
static const char *const actions[] = {"left", "down", "right", "up", NULL};

static void frozen_lake_close(void *batch)
{
    struct frozen_lake *b = batch;

    if (b != NULL) {
        free(b->tiles);
        env_mdp_fini(&b->mdp);
    }
    free(b);
}

/* Depth-first search from the first to the last tile around holes; stack holds n tiles. */
static int goal_is_reachable(const char *tiles, uint32_t side, uint32_t *stack, uint8_t *seen)
{
    uint32_t n = 0;

    memset(seen, 0, (size_t)side * side);
    stack[n++] = 0;
    seen[0] = 1;
    while (n > 0) {
        const uint32_t at = stack[--n], row = at / side, col = at % side;
        const uint32_t near[4] = {col > 0 ? at - 1 : at, row + 1 < side ? at + side : at,
                                  col + 1 < side ? at + 1 : at, row > 0 ? at - side : at};
        if (tiles[at] == 'G')
            return 1;
        for (int k = 0; k < 4; k++)
            if (!seen[near[k]] && tiles[near[k]] != 'H') {
                seen[near[k]] = 1;
                stack[n++] = near[k];
            }
    }
    return 0;
}

/* Draws maps of frozen tiles (probability p) and holes until the goal can be reached. */
static int32_t draw_map(struct frozen_lake *b, uint64_t seed, double p, struct lathe_error *err)
{
    const uint32_t side = b->n_rows, n = side * side;
    uint32_t *stack = env_alloc(n, sizeof *stack);
    uint8_t *seen = env_alloc(n, 1);
    struct lathe_pcg64 rng;
    int32_t st = LATHE_OK;
    int found = 0;

    if (stack == NULL || seen == NULL) {
        st = env_fail(err, LATHE_E_NOMEM, "size", "no memory for a map of side %u", side);
        goto out;
    }
    lathe_pcg64_seed(&rng, seed);
    for (int k = 0; k < MAP_TRIES && !found; k++) {
        for (uint32_t i = 0; i < n; i++)
            b->tiles[i] = lathe_pcg64_double(&rng) < p ? 'F' : 'H';
        b->tiles[0] = 'S';
        b->tiles[n - 1] = 'G';
        found = goal_is_reachable(b->tiles, side, stack, seen);
    }
    if (!found)
        st = env_fail(err, LATHE_E_INVALID, "frozen_probability",
                      "no map with a path was found in %d draws; raise frozen_probability",
                      MAP_TRIES);
out:
    free(seen);
    free(stack);
    return st;
}

/* Fills the map from text rows separated by blanks or commas. */
static int32_t read_map(struct frozen_lake *b, const char *text, struct lathe_error *err)
{
    uint32_t n = 0, col = 0, n_start = 0;

    for (const char *p = text;; p++) {
        if (*p == ' ' || *p == ',' || *p == '\n' || *p == '\0') {
            if (col != 0 && b->n_cols != 0 && col != b->n_cols)
                return env_fail(err, LATHE_E_INVALID, "map_rows", "map row %u has %u tiles, not %u",
                                b->n_rows, col, b->n_cols);
            if (col != 0) {
                b->n_cols = col;
                b->n_rows++;
            }
            col = 0;
            if (*p == '\0')
                break;
            continue;
        }
        if (strchr("SFHG", *p) == NULL || n == MAX_SIDE * MAX_SIDE)
            return env_fail(err, LATHE_E_INVALID, "map_rows",
                            "a map has the tiles S, F, H, G and at most %u of them",
                            MAX_SIDE * MAX_SIDE);
        n_start += *p == 'S';
        b->tiles[n++] = *p;
        col++;
    }
    return n_start > 0 ? LATHE_OK
                       : env_fail(err, LATHE_E_INVALID, "map_rows", "the map has no start tile S");
}

static int32_t make_map(struct frozen_lake *b, const struct lathe_params *p, uint32_t side,
                        struct lathe_error *err)
{
    const char *name = p->get_string(p, "map_name"), *rows = p->get_string(p, "map_rows");

    if ((b->tiles = calloc(1, MAX_SIDE * MAX_SIDE)) == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a map");
    if (rows[0] != '\0')
        return read_map(b, rows, err);
    if (strcmp(name, "random") == 0) {
        b->n_rows = b->n_cols = (uint32_t)p->get_int(p, "size");
        return draw_map(b, (uint64_t)p->get_int(p, "map_seed"),
                        p->get_float(p, "frozen_probability"), err);
    }
    if (strcmp(name, "4x4") == 0)
        side = 4;
    else if (strcmp(name, "8x8") == 0)
        side = 8;
    b->n_rows = b->n_cols = side;
    memcpy(b->tiles, side == 4 ? map_4x4 : map_8x8, (size_t)side * side);
    return LATHE_OK;
}

static uint32_t neighbour(const struct frozen_lake *b, uint32_t at, uint32_t direction)
{
    const uint32_t row = at / b->n_cols, col = at % b->n_cols;

    switch (direction) {
    case 0:
        return col > 0 ? at - 1 : at;
    case 1:
        return row + 1 < b->n_rows ? at + b->n_cols : at;
    case 2:
        return col + 1 < b->n_cols ? at + 1 : at;
    default:
        return row > 0 ? at - b->n_cols : at;
    }
}

static struct lathe_outcome arrival(const struct frozen_lake *b, uint32_t to, double probability)
{
    const char tile = b->tiles[to];
    const double reward = b->reward[tile == 'G' ? 0 : tile == 'H' ? 1 : 2];

    return (struct lathe_outcome){probability, reward, to, tile == 'G' || tile == 'H'};
}

static void fill_tables(struct frozen_lake *b, int slippery, double success)
{
    const double fail = (1.0 - success) / 2.0;
    const uint32_t n = b->n_rows * b->n_cols;
    uint32_t n_start = 0;

    for (uint32_t s = 0; s < n; s++)
        n_start += b->tiles[s] == 'S';
    for (uint32_t s = 0; s < n; s++) {
        b->mdp.start[s] = b->tiles[s] == 'S' ? 1.0 / n_start : 0.0;
        for (uint32_t a = 0; a < 4; a++) {
            if (b->tiles[s] == 'G' || b->tiles[s] == 'H') {
                env_mdp_add(&b->mdp, s, a, (struct lathe_outcome){1.0, 0.0, s, 1});
            } else if (!slippery) {
                env_mdp_add(&b->mdp, s, a, arrival(b, neighbour(b, s, a), 1.0));
            } else {
                env_mdp_add(&b->mdp, s, a, arrival(b, neighbour(b, s, (a + 3) % 4), fail));
                env_mdp_add(&b->mdp, s, a, arrival(b, neighbour(b, s, a), success));
                env_mdp_add(&b->mdp, s, a, arrival(b, neighbour(b, s, (a + 1) % 4), fail));
            }
        }
    }
}

static int32_t state_json(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    const struct frozen_lake *b = batch;
    const uint32_t s = (uint32_t)b->mdp.base.i32[0][row];

    return env_emit(json, cap_bytes, NULL, "{\"state\":%u,\"row\":%u,\"col\":%u,\"tile\":\"%c\"}",
                    s, s / b->n_cols, s % b->n_cols, b->tiles[s]);
}

/* The grid with the walker's tile in brackets. */
static int32_t render(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                      uint32_t dims[4])
{
    const struct frozen_lake *b = batch;
    const uint32_t need = b->n_rows * (3 * b->n_cols + 1) + 1;
    char *out = buffer;

    if (row >= b->mdp.base.n_envs)
        return LATHE_E_INVALID;
    if (mode != LATHE_RENDER_TEXT)
        return LATHE_E_UNSUPPORTED;
    memset(dims, 0, 4 * sizeof *dims);
    dims[0] = cap_bytes < need ? need : need - 1;
    if (cap_bytes < need)
        return LATHE_E_LIMIT;
    for (uint32_t s = 0; s < b->n_rows * b->n_cols; s++) {
        const int here = (int32_t)s == b->mdp.base.i32[0][row];
        *out++ = here ? '[' : ' ';
        *out++ = b->tiles[s];
        *out++ = here ? ']' : ' ';
        if ((s + 1) % b->n_cols == 0)
            *out++ = '\n';
    }
    *out = '\0';
    return LATHE_OK;
}

static int32_t open_side(const struct lathe_env_args *args, struct lathe_error *err, void **batch,
                         uint32_t side)
{
    const struct lathe_params *p = args->params;
    const int slippery = p->get_bool(p, "is_slippery");
    struct frozen_lake *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a frozen-lake batch");
    if ((st = make_map(b, p, side, err)) != LATHE_OK)
        goto fail;
    if (p->get_list(p, "reward_schedule", b->reward, 3) != 3) {
        st = env_fail(err, LATHE_E_INVALID, "reward_schedule",
                      "give the rewards of goal, hole, frozen");
        goto fail;
    }
    if ((st = env_mdp_init(&b->mdp, args, b->n_rows * b->n_cols, 4, 0, err)) != LATHE_OK)
        goto fail;
    fill_tables(b, slippery, p->get_float(p, "success_rate"));
    b->mdp.base.spec.flags |= slippery ? LATHE_ENV_STOCHASTIC : 0;
    b->mdp.base.spec.id = side == 4 ? "FrozenLake-v1" : "FrozenLake8x8-v1";
    b->mdp.base.spec.default_limit = side == 4 ? 100 : 200;
    b->mdp.base.spec.reward_threshold = side == 4 ? 0.70 : 0.85;
    b->mdp.describe =
        (struct lathe_env_describe){sizeof b->mdp.describe, 4, actions, state_json, NULL};
    b->mdp.render = (struct lathe_env_render){sizeof b->mdp.render, 0, render};
    *batch = b;
    return LATHE_OK;
fail:
    free(b->tiles);
    free(b);
    return st;
}

static int32_t open_4x4(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    return open_side(args, err, batch, 4);
}

static int32_t open_8x8(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    return open_side(args, err, batch, 8);
}

#define FROZEN_LAKE_ENV(open_fn)                                                         \
    {                                                                                    \
        sizeof(struct lathe_env), 0, open_fn, env_mdp_spec, env_mdp_reset, env_mdp_step, \
            frozen_lake_close, env_mdp_extension                                         \
    }

static const struct lathe_env env_4x4 = FROZEN_LAKE_ENV(open_4x4);
static const struct lathe_env env_8x8 = FROZEN_LAKE_ENV(open_8x8);
static const char *const map_names[] = {"default", "4x4", "8x8", "random", NULL};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_ENUM("map_name", "default", map_names,
                      "Which map; default is the component's own."),
    LATHE_OPTION_STRING("map_rows", "", 8192, "Own map: rows of S, F, H, G separated by blanks."),
    LATHE_OPTION_BOOL("is_slippery", "true", "Steps may slide to either side."),
    LATHE_OPTION_FLOAT("success_rate", "0.3333333333333333", 0, 1,
                       "Probability that a slippery step goes where it was aimed."),
    LATHE_OPTION_LIST("reward_schedule", "[1,0,0]", -1000, 1000,
                      "Rewards of goal, hole and frozen."),
    LATHE_OPTION_INT("size", "8", 2, 64, "Side of a random map."),
    LATHE_OPTION_INT("map_seed", "0", 0, 9007199254740991, "Seed of a random map."),
    LATHE_OPTION_FLOAT("frozen_probability", "0.8", 0, 1, "Share of frozen tiles of a random map."),
    NULL};

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ENV, "FrozenLake-v1", "Cross a slippery 4x4 lake.", &env_4x4,
                    options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "FrozenLake8x8-v1", "Cross a slippery 8x8 lake.", &env_8x8,
                    options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {LATHE_PLUGIN_HEADER,
                                                          "org.lathe.frozen_lake",
                                                          "1.0.0",
                                                          "Apache-2.0",
                                                          "Frozen-lake grids.",
                                                          components,
                                                          NULL,
                                                          NULL};
