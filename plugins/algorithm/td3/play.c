/* Acting: uniform actions at first, then the policy, with noise on both; draws depend on (seed,
 * row, step of that row) alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "td3.h"

static float unit(float a)
{
    return a < -1.0f ? -1.0f : a > 1.0f ? 1.0f : a;
}

/* Adds exploration noise to the action u of a row. */
static void disturb(struct td3 *t, uint32_t row, uint64_t step, float *u)
{
    const struct kit_off_policy *b = &t->base;
    const float pull = TD3_OU_THETA * TD3_OU_DT, push = t->cfg.noise_std * sqrtf(TD3_OU_DT);
    float *ou = t->ou + (size_t)row * b->n_act;
    uint32_t a;

    if (t->cfg.noise == TD3_NOISE_NONE)
        return;
    kit_normals(b->seed, LATHE_STREAM_ACTION, row, step, 0, b->n_act, t->noise);
    for (a = 0; a < b->n_act; a++) {
        float z = t->cfg.noise_std * t->noise[a];
        if (t->cfg.noise == TD3_NOISE_OU) {
            ou[a] = ou[a] - pull * ou[a] + push * t->noise[a];
            z = ou[a];
        }
        u[a] = unit(u[a] + z);
    }
}

static void explore_row(struct td3 *t, const struct lathe_obs *obs, uint32_t row,
                        struct lathe_act *act)
{
    struct kit_off_policy *b = &t->base;
    float *u = b->pending + (size_t)row * b->n_act;
    const uint64_t step = b->row_step[row]++;

    if (kit_off_policy_warm_up(b, step)) {
        kit_uniforms(b->seed, LATHE_STREAM_EXPLORE, row, step, b->n_act, u);
    } else {
        const float *y;
        kit_off_policy_flatten(b, obs->obs, row, b->x_act);
        y = b->engine->forward(t->nets.actor.net, t->nets.actor_act, 1, b->x_act, b->ld);
        memcpy(u, y, b->n_act * sizeof *u);
    }
    disturb(t, row, step, u);
    kit_off_policy_emit(b, u, act->act, row);
}

/* Smallest value of the critics; 0 without critics. x_act holds the observations. */
static void values(struct td3 *t, uint32_t rows, float *value)
{
    struct kit_off_policy *b = &t->base;
    const struct td3_nets *n = &t->nets;
    uint32_t i, k;

    memset(value, 0, rows * sizeof *value);
    if (b->policy_only)
        return;
    for (i = 0; i < rows; i++)
        memcpy(b->x_act + (size_t)i * b->ld + b->dim, t->u_act + (size_t)i * b->n_act,
               b->n_act * sizeof *b->x_act);
    for (k = 0; k < t->cfg.n_critics; k++) {
        const float *q = b->engine->forward(n->q[k].net, n->q_act[k], rows, b->x_act, b->ld);
        for (i = 0; i < rows; i++)
            if (k == 0 || q[(size_t)i * n->ldq] < value[i])
                value[i] = q[(size_t)i * n->ldq];
    }
}

/* GREEDY and SAMPLE are the same: the policy is deterministic. */
static void apply(struct td3 *t, const struct lathe_obs *obs, struct lathe_act *act)
{
    struct kit_off_policy *b = &t->base;
    uint32_t at, i;

    for (at = 0; at < obs->count; at += KIT_OFF_POLICY_BLOCK) {
        const uint32_t left = obs->count - at;
        const uint32_t n = left < KIT_OFF_POLICY_BLOCK ? left : KIT_OFF_POLICY_BLOCK;
        const size_t row = (size_t)obs->first + at;
        const float *y;
        for (i = 0; i < n; i++)
            kit_off_policy_flatten(b, obs->obs, row + i, b->x_act + (size_t)i * b->ld);
        y = b->engine->forward(t->nets.actor.net, t->nets.actor_act, n, b->x_act, b->ld);
        for (i = 0; i < n; i++) {
            float *u = t->u_act + (size_t)i * b->n_act;
            memcpy(u, y + (size_t)i * t->nets.lda, b->n_act * sizeof *u);
            kit_off_policy_emit(b, u, act->act, row + i);
        }
        if (act->value != NULL)
            values(t, n, act->value + row);
    }
}

int32_t td3_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    struct td3 *t = self;
    uint32_t i;

    if (mode > LATHE_ACT_SAMPLE)
        return LATHE_E_INVALID;
    if (mode != LATHE_ACT_EXPLORE) {
        apply(t, obs, act);
        return LATHE_OK;
    }
    if (kit_off_policy_may_explore(&t->base, obs) != LATHE_OK)
        return LATHE_E_CONFLICT;
    for (i = obs->first; i < obs->first + obs->count; i++)
        explore_row(t, obs, i, act);
    return LATHE_OK;
}

int32_t td3_observe(void *self, const struct lathe_transition *tr)
{
    struct td3 *t = self;
    const int32_t st = kit_off_policy_observe(&t->base, tr);
    uint32_t i;

    for (i = 0; st >= 0 && i < tr->n_ended; i++) /* the process starts anew with an episode */
        memset(t->ou + (size_t)tr->ended[i] * t->base.n_act, 0, t->base.n_act * sizeof *t->ou);
    return st;
}
