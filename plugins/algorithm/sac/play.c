/* Acting: uniform actions at first, then samples of the policy; draws depend on (seed, row, step of
 * that row) alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sac.h"

/* Noise matrix of a row: drawn when a collection phase starts, and every sde_sample_freq steps. */
static float *row_theta(struct sac *s, uint32_t row, uint64_t step)
{
    const struct kit_off_policy *b = &s->base;
    float *theta = s->row_theta + (size_t)row * b->n_act * s->nets.features;
    const uint64_t at = step % b->cfg.train_freq, freq = s->cfg.sde_sample_freq;

    if (at == 0 || (freq > 0 && at % freq == 0)) {
        sac_refresh_std(s);
        sac_draw_theta(s, b->seed, LATHE_STREAM_ACTION, row, step, theta);
    }
    return theta;
}

static void explore_row(struct sac *s, const struct lathe_obs *obs, uint32_t row,
                        struct lathe_act *act)
{
    struct kit_off_policy *b = &s->base;
    float *u = b->pending + (size_t)row * b->n_act;
    const uint64_t step = b->row_step[row]++;
    struct sac_draw draw = {1, s->noise_act, NULL};

    if (s->cfg.sde)
        draw.theta = row_theta(s, row, step);
    if (kit_off_policy_warm_up(b, step)) {
        kit_uniforms(b->seed, LATHE_STREAM_EXPLORE, row, step, b->n_act, u);
    } else {
        kit_off_policy_flatten(b, obs->obs, row, b->x_act);
        sac_actor(s, &s->nets.act, 1, b->x_act, b->ld);
        if (!s->cfg.sde)
            kit_normals(b->seed, LATHE_STREAM_ACTION, row, step, 0, b->n_act, s->noise_act);
        sac_sample(s, &s->nets.act, 1, &draw, u, b->n_act, NULL);
    }
    kit_off_policy_emit(b, u, act->act, row);
}

/* Smaller value of the two critics; 0 without critics. x_act holds the observations. */
static void values(struct sac *s, uint32_t rows, const float *u, float *value)
{
    struct kit_off_policy *b = &s->base;
    const struct sac_nets *n = &s->nets;
    const float *q0, *q1;
    uint32_t i;

    if (b->policy_only) {
        memset(value, 0, rows * sizeof *value);
        return;
    }
    for (i = 0; i < rows; i++)
        memcpy(b->x_act + (size_t)i * b->ld + b->dim, u + (size_t)i * b->n_act,
               b->n_act * sizeof *u);
    q0 = b->engine->forward(n->q[0].net, n->q_act[0], rows, b->x_act, b->ld);
    q1 = b->engine->forward(n->q[1].net, n->q_act[1], rows, b->x_act, b->ld);
    for (i = 0; i < rows; i++) {
        const float a = q0[(size_t)i * n->ldq], c = q1[(size_t)i * n->ldq];
        value[i] = a < c ? a : c;
    }
}

/* Samples of rows [row, row + n) drawn with the caller's key. */
static void sample_rows(struct sac *s, const struct lathe_obs *obs, uint32_t at, uint32_t n)
{
    const struct kit_off_policy *b = &s->base;
    struct sac_draw draw = {1, s->noise_act, s->act_theta};
    uint32_t i;

    for (i = 0; i < n && !s->cfg.sde; i++)
        kit_normals(obs->sample_key, LATHE_STREAM_ACTION, 0, obs->sample_index + at + i, 0,
                    b->n_act, s->noise_act + (size_t)i * b->n_act);
    if (!s->cfg.sde) {
        sac_sample(s, &s->nets.act, n, &draw, s->u_act, b->n_act, NULL);
        return;
    }
    sac_refresh_std(s);
    for (i = 0; i < n; i++) { /* every row has a matrix of its own */
        struct sac_pass one = s->nets.act;
        sac_draw_theta(s, obs->sample_key, LATHE_STREAM_ACTION, 0, obs->sample_index + at + i,
                       s->act_theta);
        one.h += (size_t)i * s->nets.ldh;
        one.out += (size_t)i * s->nets.ldo;
        sac_sample(s, &one, 1, &draw, s->u_act + (size_t)i * b->n_act, b->n_act, NULL);
    }
}

/* GREEDY and SAMPLE. */
static void apply(struct sac *s, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    static const struct sac_draw mean = {0, NULL, NULL};
    struct kit_off_policy *b = &s->base;
    uint32_t at, i;

    for (at = 0; at < obs->count; at += KIT_OFF_POLICY_BLOCK) {
        const uint32_t left = obs->count - at;
        const uint32_t n = left < KIT_OFF_POLICY_BLOCK ? left : KIT_OFF_POLICY_BLOCK;
        const size_t row = (size_t)obs->first + at;
        for (i = 0; i < n; i++)
            kit_off_policy_flatten(b, obs->obs, row + i, b->x_act + (size_t)i * b->ld);
        sac_actor(s, &s->nets.act, n, b->x_act, b->ld);
        if (mode == LATHE_ACT_SAMPLE)
            sample_rows(s, obs, at, n);
        else
            sac_sample(s, &s->nets.act, n, &mean, s->u_act, b->n_act, NULL);
        for (i = 0; i < n; i++)
            kit_off_policy_emit(b, s->u_act + (size_t)i * b->n_act, act->act, row + i);
        if (act->value != NULL)
            values(s, n, s->u_act, act->value + row);
    }
}

int32_t sac_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    struct sac *s = self;
    uint32_t i;

    if (mode > LATHE_ACT_SAMPLE)
        return LATHE_E_INVALID;
    if (mode != LATHE_ACT_EXPLORE) {
        apply(s, obs, mode, act);
        return LATHE_OK;
    }
    if (kit_off_policy_may_explore(&s->base, obs) != LATHE_OK)
        return LATHE_E_CONFLICT;
    for (i = obs->first; i < obs->first + obs->count; i++)
        explore_row(s, obs, i, act);
    return LATHE_OK;
}

int32_t sac_observe(void *self, const struct lathe_transition *tr)
{
    return kit_off_policy_observe(&((struct sac *)self)->base, tr);
}
