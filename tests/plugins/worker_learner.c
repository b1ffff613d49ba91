/* Fixture: a learner with real state and no network. It keeps one preference per action, moves it
 * by the rewards it sees, and records a checksum over everything it was shown. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/algorithm.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

struct learner {
    uint64_t seed, step, updates, checksum;
    double preference[2];
    uint32_t n_steps, pending, n_envs, fail_at, slices;
    int is_episodic;
    int64_t slots;          /* 0: none, 1: lends its memory, 2: lends places that are not aligned */
    unsigned char *lent;    /* SLOTS places, one after the other */
    struct lathe_env_io at; /* the last one lent; obs NULL: none */
};

#define SLOTS 3u
#define SLOT_BYTES(n) (((size_t)(n)*8 + 63) / 64 * 64) /* observations; the rest needs less */

static void learner_close(void *self)
{
    struct learner *l = self;

    free(l->lent);
    free(l);
}

/* Four regions of a place: observations, rewards, terminated, truncated. */
static int32_t slots_next(void *self, struct lathe_env_io *io)
{
    struct learner *l = self;
    size_t size = SLOT_BYTES(l->n_envs), off = l->slots == 2 ? 4 : 0;
    unsigned char *p = l->lent + (size_t)(l->step % SLOTS) * 4 * size + off;

    l->at.obs = NULL;
    if (l->step % 7 == 6)
        return LATHE_E_CONFLICT; /* now and then it has none */
    io->obs = p;
    io->reward = (float *)(void *)(p + size);
    io->terminated = p + 2 * size;
    io->truncated = p + 3 * size;
    l->at = *io;
    return LATHE_OK;
}

/* What the environment wrote is where it was asked to be, or elsewhere when that could not be. */
static int places_are_right(const struct learner *l, const struct lathe_transition *tr)
{
    if (l->slots == 0 || l->is_episodic || l->at.obs == NULL)
        return 1;
    if (l->slots == 2)
        return tr->next_obs != l->at.obs && tr->reward != l->at.reward;
    return tr->next_obs == l->at.obs && tr->reward == l->at.reward &&
           tr->terminated == l->at.terminated && tr->truncated == l->at.truncated;
}

static int32_t learner_open(const struct lathe_algo_args *args, struct lathe_error *err,
                            void **self)
{
    struct learner *l = calloc(1, sizeof *l);

    if (l == NULL)
        return LATHE_E_NOMEM;
    l->seed = args->seed;
    l->n_envs = args->n_envs;
    l->n_steps = (uint32_t)args->params->get_int(args->params, "n_steps");
    l->fail_at = (uint32_t)args->params->get_int(args->params, "fail_at");
    l->is_episodic = (args->flags & LATHE_RUN_EPISODIC) != 0;
    if (args->params->get_bool(args->params, "refuse")) {
        free(l);
        if (err != NULL) {
            err->code = LATHE_E_INVALID;
            snprintf(err->text, sizeof err->text, "refuse is on");
            snprintf(err->field, sizeof err->field, "refuse");
        }
        return LATHE_E_INVALID;
    }
    l->slots = args->params->get_int(args->params, "slots");
    if ((l->lent = aligned_alloc(64, (4 * SLOTS + 1) * SLOT_BYTES(l->n_envs) + 64)) == NULL) {
        free(l);
        return LATHE_E_NOMEM;
    }
    *self = l;
    return LATHE_OK;
}

static float chance(const struct learner *l)
{
    double d = l->preference[1] - l->preference[0];

    d = d > 0.45 ? 0.45 : d < -0.45 ? -0.45 : d;
    return (float)(0.5 + d);
}

static int32_t learner_act(void *self, const struct lathe_obs *obs, uint32_t mode,
                           struct lathe_act *act)
{
    struct learner *l = self;
    int32_t *out = act->act;
    uint32_t i;

    for (i = obs->first; i < obs->first + obs->count; i++) {
        uint32_t draw[4];

        if (mode == LATHE_ACT_EXPLORE)
            lathe_philox(l->seed, LATHE_STREAM_ACTION, i, l->step, 0, draw);
        else
            lathe_philox(obs->sample_key, LATHE_STREAM_ACTION, 0, obs->sample_index + i, 0, draw);
        out[i] = mode == LATHE_ACT_GREEDY ? l->preference[1] > l->preference[0]
                                          : lathe_u32_to_f32(draw[0]) < chance(l);
        if (act->prob != NULL) {
            act->prob[2 * (size_t)i] = 1.0f - chance(l);
            act->prob[2 * (size_t)i + 1] = chance(l);
        }
        if (act->value != NULL)
            act->value[i] = (float)l->preference[1];
    }
    return LATHE_OK;
}

static void mix_in(struct learner *l, const void *data, size_t len)
{
    const unsigned char *p = data;

    while (len-- > 0)
        l->checksum = (l->checksum ^ *p++) * 1099511628211u;
}

static int32_t learner_observe(void *self, const struct lathe_transition *tr)
{
    struct learner *l = self;
    const int32_t *act = tr->act;
    uint32_t i;

    if (!places_are_right(l, tr))
        return LATHE_E_INTERNAL;
    for (i = tr->first; i < tr->first + tr->count; i++) {
        l->preference[act[i]] += 0.001 * (double)tr->reward[i];
        mix_in(l, (const float *)tr->obs + 2 * (size_t)i, 8);
        mix_in(l, &tr->reward[i], 4);
        mix_in(l, &tr->truncated[i], 1);
        mix_in(l, (const float *)tr->next_obs + 2 * (size_t)i, 8);
    }
    for (i = 0; i < tr->n_ended; i++)
        mix_in(l, (const float *)tr->final_obs + 2 * (size_t)tr->ended[i], 8);
    l->step++;
    return !l->is_episodic && ++l->pending >= l->n_steps ? LATHE_UPDATE_DUE : LATHE_OK;
}

static int32_t learner_update(void *self, const struct lathe_budget *budget,
                              struct lathe_stats *stats, struct lathe_error *err)
{
    struct learner *l = self;

    (void)budget;
    if (l->slices++ == 0)
        return LATHE_AGAIN; /* two slices per update */
    l->slices = 0;
    l->pending = 0;
    memset(l->lent, 0xee, (4 * SLOTS + 1) * SLOT_BYTES(l->n_envs)); /* it is ours again */
    l->updates++;
    if (l->fail_at > 0 && l->updates == l->fail_at) {
        if (err != NULL) {
            err->code = LATHE_E_INTERNAL;
            snprintf(err->text, sizeof err->text, "the loss is not finite");
        }
        return LATHE_E_INTERNAL;
    }
    stats->put(stats, "train/loss", 1.0 / (double)l->updates);
    return LATHE_OK;
}

static int32_t learner_save(void *self, const struct lathe_writer *w)
{
    const struct learner *l = self;
    const uint64_t three = 3, two = 2;
    const uint64_t counters[3] = {l->step, l->updates, l->checksum};
    int32_t st = w->put(w, "counters", LATHE_U64, 1, &three, counters);

    return st == LATHE_OK ? w->put(w, "preference", LATHE_F64, 1, &two, l->preference) : st;
}

static int32_t learner_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct learner *l = self;
    const uint64_t three = 3, two = 2;
    uint64_t counters[3];
    int32_t st = r->get(r, "counters", LATHE_U64, 1, &three, counters);

    (void)err;
    if (st == LATHE_OK)
        st = r->get(r, "preference", LATHE_F64, 1, &two, l->preference);
    if (st != LATHE_OK)
        return st;
    l->step = counters[0];
    l->updates = counters[1];
    l->checksum = counters[2];
    l->pending = 0;
    return LATHE_OK;
}

static int32_t export_describe(void *self, char *json, uint64_t cap_bytes)
{
    const struct learner *l = self;
    int n = snprintf(json, cap_bytes, "{\"kind\":\"preference\",\"updates\":%llu}",
                     (unsigned long long)l->updates);

    return n > 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static int32_t export_save(void *self, const struct lathe_writer *w)
{
    const struct learner *l = self;
    const uint64_t two = 2;

    return w->put(w, "policy/preference", LATHE_F64, 1, &two, l->preference);
}

static int32_t export_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct learner *l = self;
    const uint64_t two = 2;

    (void)err;
    return r->get(r, "policy/preference", LATHE_F64, 1, &two, l->preference);
}

static const struct lathe_algo_export export_ext = {sizeof export_ext, 0, export_describe,
                                                    export_save, export_load};

static const struct lathe_algo_slots slots_ext = {sizeof slots_ext, 0, slots_next};

static const void *learner_extension(void *self, const char *id)
{
    const struct learner *l = self;

    if (strcmp(id, LATHE_ALGO_SLOTS) == 0)
        return l->slots != 0 ? &slots_ext : NULL;
    return strcmp(id, LATHE_ALGO_EXPORT) == 0 ? &export_ext : NULL;
}

static const struct lathe_algorithm learner = {
    sizeof learner,  LATHE_ALGO_DISCRETE | LATHE_ALGO_ON_POLICY,
    learner_open,    learner_act,
    learner_observe, learner_update,
    learner_save,    learner_load,
    learner_close,   learner_extension};
static const struct lathe_option *const options[] = {
    LATHE_OPTION_INT("n_steps", "8", 1, 1000, "Steps between updates."),
    LATHE_OPTION_INT("fail_at", "0", 0, 1000000, "Update that fails, 0 = none."),
    LATHE_OPTION_INT("slots", "0", 0, 2, "Lends its memory: 1 as it should, 2 not aligned."),
    LATHE_OPTION_BOOL("refuse", "false", "Make open fail."), NULL};

LATHE_PLUGIN_SINGLE("org.lathe.test.learner", "1.0.0", "Apache-2.0", "A learner for tests.",
                    LATHE_KIND_ALGORITHM, "preference", &learner, options);
