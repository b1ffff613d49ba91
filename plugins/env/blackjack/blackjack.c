/* Plugin of blackjack as in Sutton and Barto, example 5.1: infinite deck, one player, hit or stick.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/env/blackjack/model.h"

enum { P_SUM, P_ACE, P_CARDS, D_SHOWN, D_SUM, D_ACE, D_CARDS, N_VARS };

struct blackjack {
    struct env_base base;
    int sab, natural;
    struct lathe_env_model model;
    struct blackjack_dealer dealer;
    struct lathe_space obs, act, parts[3];
    const struct lathe_space *children[4];
};

static const char *const actions[] = {"stick", "hit", NULL};

static void blackjack_close(void *batch)
{
    if (batch != NULL)
        env_base_fini(batch);
    free(batch);
}

static const struct lathe_env_spec *blackjack_spec(void *batch)
{
    return &((struct blackjack *)batch)->base.spec;
}

static int32_t draw_card(struct lathe_pcg64 *rng)
{
    const int32_t k = (int32_t)lathe_pcg64_below(rng, 13) + 1;

    return k < 10 ? k : 10;
}

/* hands: sum with aces as 1, whether there is an ace, number of cards */
static void take(struct env_base *b, uint32_t i, uint32_t hand)
{
    const int32_t card = draw_card(&b->rng[i]);

    b->i32[hand][i] += card;
    b->i32[hand + 1][i] |= card == 1;
    b->i32[hand + 2][i]++;
}

static int is_usable(const struct env_base *b, uint32_t i, uint32_t hand)
{
    return b->i32[hand + 1][i] && b->i32[hand][i] + 10 <= 21;
}

static int32_t total(const struct env_base *b, uint32_t i, uint32_t hand)
{
    return b->i32[hand][i] + (is_usable(b, i, hand) ? 10 : 0);
}

static int32_t score(const struct env_base *b, uint32_t i, uint32_t hand)
{
    const int32_t sum = total(b, i, hand);

    return sum > 21 ? 0 : sum;
}

static int is_natural(const struct env_base *b, uint32_t i, uint32_t hand)
{
    return b->i32[hand + 2][i] == 2 && b->i32[hand + 1][i] && b->i32[hand][i] == 11;
}

static void observe(const struct env_base *b, uint32_t i, const struct lathe_env_io *io)
{
    int32_t *obs = (int32_t *)io->obs + 3 * (size_t)i;

    obs[0] = total(b, i, P_SUM);
    obs[1] = b->i32[D_SHOWN][i];
    obs[2] = is_usable(b, i, P_SUM);
}

static void start_row(void *batch, uint32_t i, const struct lathe_env_io *io)
{
    struct env_base *b = batch;

    for (uint32_t k = 0; k < N_VARS; k++)
        b->i32[k][i] = 0;
    take(b, i, D_SUM);
    b->i32[D_SHOWN][i] = b->i32[D_SUM][i];
    take(b, i, D_SUM);
    take(b, i, P_SUM);
    take(b, i, P_SUM);
    (void)lathe_pcg64_below(&b->rng[i],
                            4); /* suit and face of the picture, drawn to keep the stream */
    if (b->i32[D_SHOWN][i] == 10)
        (void)lathe_pcg64_below(&b->rng[i], 3);
    observe(b, i, io);
}

static int32_t blackjack_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                               const struct lathe_env_io *io)
{
    return env_reset_rows(batch, first, count, rows, io, start_row);
}

/* Plays out the dealer and returns the reward. */
static float stick(struct blackjack *bj, uint32_t i)
{
    struct env_base *b = &bj->base;
    int32_t player, dealer;
    float reward;

    while (total(b, i, D_SUM) < 17)
        take(b, i, D_SUM);
    player = score(b, i, P_SUM);
    dealer = score(b, i, D_SUM);
    reward = (float)((player > dealer) - (player < dealer));
    if (bj->sab && is_natural(b, i, P_SUM) && !is_natural(b, i, D_SUM))
        reward = 1.0f;
    else if (!bj->sab && bj->natural && is_natural(b, i, P_SUM) && reward == 1.0f)
        reward = 1.5f;
    return reward;
}

static int32_t blackjack_step(void *batch, uint32_t first, uint32_t count,
                              const struct lathe_env_io *io)
{
    struct blackjack *bj = batch;
    struct env_base *b = &bj->base;
    const int32_t *act = io->act;
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < first + count; i++) {
        if ((uint32_t)act[i] > 1u) {
            st = LATHE_E_INVALID;
            continue;
        }
        io->truncated[i] = 0;
        if (act[i] == 0) {
            io->reward[i] = stick(bj, i);
            io->terminated[i] = 1;
        } else {
            /* stepping on after a bust would grow the hand without end; 31 is the space's limit */
            if (total(b, i, P_SUM) <= 21)
                take(b, i, P_SUM);
            io->terminated[i] = total(b, i, P_SUM) > 21;
            io->reward[i] = io->terminated[i] ? -1.0f : 0.0f;
        }
        observe(b, i, io);
    }
    return st;
}

static int32_t state_json(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    const struct env_base *b = batch;

    return env_emit(json, cap_bytes, NULL,
                    "{\"player_sum\":%d,\"dealer_card\":%d,\"usable_ace\":%s,\"player_cards\":%d}",
                    total(b, row, P_SUM), b->i32[D_SHOWN][row],
                    is_usable(b, row, P_SUM) ? "true" : "false", b->i32[P_CARDS][row]);
}

static int32_t render(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                      uint32_t dims[4])
{
    const struct env_base *b = batch;

    if (row >= b->n_envs)
        return LATHE_E_INVALID;
    if (mode != LATHE_RENDER_TEXT)
        return LATHE_E_UNSUPPORTED;
    memset(dims, 0, 4 * sizeof *dims);
    return env_emit(buffer, cap_bytes, &dims[0], "player %d%s, dealer shows %d\n",
                    total(b, row, P_SUM), is_usable(b, row, P_SUM) ? " (soft)" : "",
                    b->i32[D_SHOWN][row]);
}

static const struct lathe_env_render render_table = {sizeof render_table, 0, render};
static const struct lathe_env_describe describe_table = {sizeof describe_table, 2, actions,
                                                         state_json, NULL};

static uint32_t model_transitions(void *batch, uint32_t state, uint32_t action,
                                  struct lathe_outcome *out, uint32_t cap)
{
    const struct blackjack *b = batch;
    const double natural_pays = b->sab ? 1.0 : b->natural ? 1.5 : 0.0;

    if (state >= BLACKJACK_STATES || action > 1u)
        return 0;
    return action == 1 ? blackjack_hits(state, out, cap)
                       : blackjack_sticks(&b->dealer, b->sab, natural_pays, state, out, cap);
}

static uint32_t model_start(void *batch, struct lathe_outcome *out, uint32_t cap)
{
    (void)batch;
    return blackjack_deals(out, cap);
}

static const void *blackjack_extension(void *batch, const char *id)
{
    if (strcmp(id, LATHE_ENV_MODEL) == 0)
        return &((struct blackjack *)batch)->model;
    if (strcmp(id, LATHE_ENV_RENDER) == 0)
        return &render_table;
    if (strcmp(id, LATHE_ENV_DESCRIBE) == 0)
        return &describe_table;
    return env_base_extension(batch, id);
}

static int32_t blackjack_open(const struct lathe_env_args *args, struct lathe_error *err,
                              void **batch)
{
    static const int64_t sizes[3] = {32, 11, 2};
    struct blackjack *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a blackjack batch");
    if ((st = env_base_init(&b->base, args->n_envs, 0, N_VARS, err)) != LATHE_OK) {
        free(b);
        return st;
    }
    b->sab = args->params->get_bool(args->params, "sab");
    b->natural = args->params->get_bool(args->params, "natural");
    blackjack_dealer_init(&b->dealer);
    b->model = (struct lathe_env_model){sizeof b->model,   BLACKJACK_STATES, 2, 0,
                                        model_transitions, model_start};
    for (uint32_t k = 0; k < 3; k++) {
        b->parts[k] = env_discrete(sizes[k], 4 * k);
        b->children[k] = &b->parts[k];
    }
    b->obs.struct_size = sizeof b->obs;
    b->obs.kind = LATHE_SPACE_TUPLE;
    b->obs.len_bytes = 12;
    b->obs.children = b->children;
    b->act = env_discrete(2, 0);
    b->base.spec.id = "Blackjack-v1";
    b->base.spec.flags = LATHE_ENV_STOCHASTIC | LATHE_ENV_FINITE;
    b->base.spec.obs_stride = 12;
    b->base.spec.act_stride = 4;
    b->base.spec.obs = &b->obs;
    b->base.spec.act = &b->act;
    *batch = b;
    return LATHE_OK;
}

static const struct lathe_env blackjack_env = {sizeof(struct lathe_env), 0,
                                               blackjack_open,           blackjack_spec,
                                               blackjack_reset,          blackjack_step,
                                               blackjack_close,          blackjack_extension};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_BOOL("sab", "true", "Rules of the book: a natural beats every other 21."),
    LATHE_OPTION_BOOL("natural", "false", "Without sab: winning with a natural pays 1.5."), NULL};

LATHE_PLUGIN_SINGLE("org.lathe.blackjack", "1.0.0", "Apache-2.0", "Blackjack.", LATHE_KIND_ENV,
                    "Blackjack-v1", &blackjack_env, options);
