/* Plugin of the taxi task of Dietterich (2000): fetch a passenger and bring them to their stand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_mdp.h"

#include <stdlib.h>
#include <string.h>

#define SIDE 5u
#define N_STATES 500u
#define N_ACTIONS 6u
#define INSIDE 4u /* passenger position: in the taxi */

enum { SOUTH, NORTH, EAST, WEST, PICKUP, DROPOFF };

struct taxi {
    struct env_mdp mdp; /* first; i32[2] = 1 while a fickle passenger has not changed their mind */
    double fickle_probability;
};

/* decoded state */
struct place {
    uint32_t row, col, passenger, goal;
};

static const char *const actions[] = {"south", "north", "east", "west", "pickup", "dropoff", NULL};
static const char *const city[SIDE] = {"|R: | : :G|", "| : | : : |", "| : : : : |", "| | : | : |",
                                       "|Y| : |B: |"};
static const uint32_t stand_row[4] = {0, 0, 4, 4}, stand_col[4] = {0, 4, 0, 3};
static const char *const stand_name[5] = {"R", "G", "Y", "B", "inside"};

static uint32_t encode(struct place p)
{
    return ((p.row * SIDE + p.col) * 5 + p.passenger) * 4 + p.goal;
}

static struct place decode(uint32_t s)
{
    return (struct place){s / 100, s / 20 % 5, s / 4 % 5, s % 4};
}

/* Index of the stand at the taxi's tile, 4 when there is none. */
static uint32_t stand_at(struct place p)
{
    uint32_t k = 0;

    while (k < 4 && (p.row != stand_row[k] || p.col != stand_col[k]))
        k++;
    return k;
}

static int can_move(struct place p, uint32_t direction)
{
    switch (direction) {
    case SOUTH:
        return p.row + 1 < SIDE;
    case NORTH:
        return p.row > 0;
    case EAST:
        return city[p.row][2 * p.col + 2] == ':';
    default:
        return city[p.row][2 * p.col] == ':';
    }
}

static struct place move(struct place p, uint32_t direction)
{
    p.row += direction == SOUTH ? 1u : 0u;
    p.row -= direction == NORTH ? 1u : 0u;
    p.col += direction == EAST ? 1u : 0u;
    p.col -= direction == WEST ? 1u : 0u;
    return p;
}

/* A sideways slip in the rain. The reference looks at the wall beyond the tile it slips to (on the
 * far side), not at the one between; kept, because its numbers are the ones everybody has. */
static struct place slip(struct place p, uint32_t direction)
{
    struct place q = p;

    if (direction == SOUTH || direction == NORTH)
        return can_move(p, direction) ? move(p, direction) : p;
    if (direction == EAST)
        q.col = p.col + 1 < SIDE ? p.col + 1 : p.col;
    else
        q.col = p.col > 0 ? p.col - 1 : p.col;
    if (direction == EAST && city[q.row][2 * q.col] != ':')
        return p;
    if (direction == WEST && city[q.row][2 * q.col + 2] != ':')
        return p;
    return q;
}

static struct lathe_outcome pickup(struct place p)
{
    if (p.passenger < INSIDE && stand_at(p) == p.passenger) {
        p.passenger = INSIDE;
        return (struct lathe_outcome){1.0, -1.0, encode(p), 0};
    }
    return (struct lathe_outcome){1.0, -10.0, encode(p), 0};
}

static struct lathe_outcome dropoff(struct place p)
{
    const uint32_t stand = stand_at(p);

    if (p.passenger != INSIDE || stand == 4)
        return (struct lathe_outcome){1.0, -10.0, encode(p), 0};
    p.passenger = stand;
    return (struct lathe_outcome){1.0, stand == p.goal ? 20.0 : -1.0, encode(p), stand == p.goal};
}

static void fill_moves(struct taxi *b, uint32_t s, uint32_t a, int rainy, double forward)
{
    static const uint32_t left[4] = {EAST, WEST, NORTH, SOUTH},
                          right[4] = {WEST, EAST, SOUTH, NORTH};
    const struct place p = decode(s);
    const int free_ahead = can_move(p, a);
    const uint32_t ahead = free_ahead ? encode(move(p, a)) : s;
    const double side = (1.0 - forward) / 2.0;

    if (!rainy) {
        env_mdp_add(&b->mdp, s, a, (struct lathe_outcome){1.0, -1.0, ahead, 0});
        return;
    }
    env_mdp_add(&b->mdp, s, a, (struct lathe_outcome){forward, -1.0, ahead, 0});
    env_mdp_add(&b->mdp, s, a,
                (struct lathe_outcome){side, -1.0, free_ahead ? encode(slip(p, left[a])) : s, 0});
    env_mdp_add(&b->mdp, s, a,
                (struct lathe_outcome){side, -1.0, free_ahead ? encode(slip(p, right[a])) : s, 0});
}

static void fill_tables(struct taxi *b, int rainy, double forward)
{
    for (uint32_t s = 0; s < N_STATES; s++) {
        const struct place p = decode(s);
        uint8_t *allowed = b->mdp.allowed + (size_t)s * N_ACTIONS;
        b->mdp.start[s] = p.passenger < INSIDE && p.passenger != p.goal ? 1.0 / 300.0 : 0.0;
        for (uint32_t a = SOUTH; a <= WEST; a++) {
            fill_moves(b, s, a, rainy, forward);
            allowed[a] = (uint8_t)can_move(p, a);
        }
        env_mdp_add(&b->mdp, s, PICKUP, pickup(p));
        env_mdp_add(&b->mdp, s, DROPOFF, dropoff(p));
        allowed[PICKUP] = p.passenger < INSIDE && stand_at(p) == p.passenger;
        allowed[DROPOFF] = p.passenger == INSIDE && stand_at(p) < 4;
    }
}

/* Fickle passengers: a further draw at reset decides whether they will change their mind ... */
static void fickle_started(struct env_mdp *m, uint32_t i)
{
    const struct taxi *b = (const struct taxi *)m;

    m->base.i32[2][i] = lathe_pcg64_double(&m->base.rng[i]) < b->fickle_probability;
}

/* ... and they do so at the first move with them inside. */
static int32_t fickle_moved(struct env_mdp *m, uint32_t i, int32_t from, int32_t to)
{
    const struct place old = decode((uint32_t)from);
    struct place p = decode((uint32_t)to);
    uint32_t k;

    if (!m->base.i32[2][i] || old.passenger != INSIDE || (p.row == old.row && p.col == old.col))
        return to;
    m->base.i32[2][i] = 0;
    k = lathe_pcg64_below(&m->base.rng[i], 3);
    p.goal = k < old.goal ? k : k + 1;
    return (int32_t)encode(p);
}

static int32_t state_json(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    const struct env_mdp *m = batch;
    const struct place p = decode((uint32_t)m->base.i32[0][row]);

    return env_emit(
        json, cap_bytes, NULL,
        "{\"state\":%u,\"row\":%u,\"col\":%u,\"passenger\":\"%s\",\"destination\":\"%s\"}",
        encode(p), p.row, p.col, stand_name[p.passenger], stand_name[p.goal]);
}

/* The city with the taxi as x (X with the passenger inside), then passenger and destination. */
static int32_t render(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                      uint32_t dims[4])
{
    const struct env_mdp *m = batch;
    struct place p;
    char map[SIDE][12];

    if (row >= m->base.n_envs)
        return LATHE_E_INVALID;
    if (mode != LATHE_RENDER_TEXT)
        return LATHE_E_UNSUPPORTED;
    memset(dims, 0, 4 * sizeof *dims);
    p = decode((uint32_t)m->base.i32[0][row]);
    for (uint32_t r = 0; r < SIDE; r++)
        memcpy(map[r], city[r], sizeof map[r]);
    map[p.row][2 * p.col + 1] = p.passenger == INSIDE ? 'X' : 'x';
    return env_emit(buffer, cap_bytes, &dims[0],
                    "%s\n%s\n%s\n%s\n%s\npassenger %s, destination %s\n", map[0], map[1], map[2],
                    map[3], map[4], stand_name[p.passenger], stand_name[p.goal]);
}

static void taxi_close(void *batch)
{
    if (batch != NULL)
        env_mdp_fini(batch);
    free(batch);
}

static int32_t open_id(const struct lathe_env_args *args, struct lathe_error *err, void **batch,
                       const char *id)
{
    const struct lathe_params *p = args->params;
    const int rainy = p->get_bool(p, "is_rainy"), fickle = p->get_bool(p, "fickle_passenger");
    struct taxi *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a taxi batch");
    if ((st = env_mdp_init(&b->mdp, args, N_STATES, N_ACTIONS, 1, err)) != LATHE_OK) {
        free(b);
        return st;
    }
    if ((b->mdp.allowed = env_alloc((size_t)N_STATES * N_ACTIONS, 1)) == NULL) {
        taxi_close(b);
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for the action mask");
    }
    fill_tables(b, rainy, p->get_float(p, "rainy_probability"));
    b->fickle_probability = p->get_float(p, "fickle_probability");
    if (fickle) { /* a hidden variable: the 500 states are no longer the whole model */
        b->mdp.hooks = (struct env_mdp_hooks){fickle_started, fickle_moved};
        b->mdp.model.n_states = 0;
        b->mdp.base.spec.flags &= ~LATHE_ENV_FINITE;
    }
    b->mdp.base.spec.flags |= rainy || fickle ? LATHE_ENV_STOCHASTIC : 0;
    b->mdp.base.spec.id = id;
    b->mdp.base.spec.default_limit = 200;
    b->mdp.base.spec.reward_threshold = 7.9;
    b->mdp.describe =
        (struct lathe_env_describe){sizeof b->mdp.describe, N_ACTIONS, actions, state_json, NULL};
    b->mdp.render = (struct lathe_env_render){sizeof b->mdp.render, 0, render};
    *batch = b;
    return LATHE_OK;
}

static int32_t open_v4(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    return open_id(args, err, batch, "Taxi-v4");
}

static int32_t open_v3(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    return open_id(args, err, batch, "Taxi-v3");
}

#define TAXI_ENV(open_fn)                                                                \
    {                                                                                    \
        sizeof(struct lathe_env), 0, open_fn, env_mdp_spec, env_mdp_reset, env_mdp_step, \
            taxi_close, env_mdp_extension                                                \
    }

static const struct lathe_env taxi_v4 = TAXI_ENV(open_v4);
static const struct lathe_env taxi_v3 = TAXI_ENV(open_v3);

static const struct lathe_option *const options[] = {
    LATHE_OPTION_BOOL("is_rainy", "false", "Moves may slip to either side."),
    LATHE_OPTION_FLOAT("rainy_probability", "0.8", 0, 1,
                       "Probability that a move in the rain goes straight."),
    LATHE_OPTION_BOOL("fickle_passenger", "false", "Passengers may change their destination once."),
    LATHE_OPTION_FLOAT("fickle_probability", "0.3", 0, 1,
                       "Probability that a passenger will do so."),
    NULL};

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ENV, "Taxi-v4", "Bring a passenger to their stand.", &taxi_v4,
                    options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "Taxi-v3", "The same under its older name.", &taxi_v3, options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER, "org.lathe.taxi", "1.0.0", "Apache-2.0", "Taxi.", components, NULL, NULL};
