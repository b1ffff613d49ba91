/* Acting and remembering: the rollout of an iteration, in fixed-length (continuous) or
 * whole-episode form. Draws depend on (seed, row, step of that row) alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ppo.h"

#define GROW_START 4096u

/* Resizes one array to n elements; keeps the old one on failure. */
static int32_t grow(void *slot, size_t n, size_t size)
{
    void *old, *made;
    size_t bytes;

    memcpy(&old, slot, sizeof old);
    if (size == 0)
        return LATHE_OK;
    if (n > (SIZE_MAX - 64) / size)
        return LATHE_E_NOMEM;
    bytes = n * size;
    if ((made = realloc(old, bytes == 0 ? 1 : bytes)) == NULL)
        return LATHE_E_NOMEM;
    memcpy(slot, &made, sizeof made);
    return LATHE_OK;
}

static size_t entry_bytes(const struct ppo *p)
{
    return ((size_t)p->dim + 6u) * sizeof(float) + 1u + p->n_mask + 2u * sizeof(uint32_t) +
           (p->discrete ? p->n_parts * sizeof(int32_t) : p->n_out * sizeof(float));
}

static int32_t reserve(struct ppo *p, size_t cap)
{
    struct ppo_rollout *r = &p->roll;
    const size_t obs = cap + p->n_envs;

    if (p->memory_limit > 0 && cap > p->memory_limit / entry_bytes(p))
        return LATHE_E_LIMIT;
    if (grow(&r->obs, obs, p->dim * sizeof *r->obs) || grow(&r->logp, cap, sizeof *r->logp) ||
        grow(&r->value, cap, sizeof *r->value) || grow(&r->reward, cap, sizeof *r->reward) ||
        grow(&r->adv, cap, sizeof *r->adv) || grow(&r->ret, cap, sizeof *r->ret) ||
        grow(&r->done, cap, sizeof *r->done) || grow(&r->row, cap, sizeof *r->row) ||
        grow(&r->perm, cap, sizeof *r->perm) || grow(&r->mask, cap, p->n_mask) ||
        (p->discrete ? grow(&r->act_i, cap, p->n_parts * sizeof *r->act_i)
                     : grow(&r->act_f, cap, p->n_out * sizeof *r->act_f)))
        return LATHE_E_NOMEM;
    r->cap = cap;
    return LATHE_OK;
}

int32_t ppo_rollout_open(struct ppo *p, struct lathe_error *err)
{
    struct ppo_rollout *r = &p->roll;
    struct ppo_batch *b = &p->batch;
    const size_t n = p->n_envs, rows = p->cfg.batch_size;
    int32_t st = reserve(p, p->episodic ? GROW_START : (size_t)p->cfg.n_steps * n);

    if (st == LATHE_E_LIMIT)
        return ppo_fail(err, st, "n_steps", "the rollout exceeds the run's memory limit");
    r->pending = calloc(n, sizeof *r->pending);
    r->alive = calloc(n, sizeof *r->alive);
    r->row_step = calloc(n, sizeof *r->row_step);
    r->next_value = calloc(n, sizeof *r->next_value);
    r->next_adv = calloc(n, sizeof *r->next_adv);
    b->x = calloc(rows, p->dim * sizeof *b->x);
    b->logp_old = calloc(rows, sizeof *b->logp_old);
    b->adv = calloc(rows, sizeof *b->adv);
    b->ret = calloc(rows, sizeof *b->ret);
    b->value_old = calloc(rows, sizeof *b->value_old);
    r->theta = calloc(n, (size_t)p->n_feat * p->n_out * sizeof *r->theta + 1u);
    r->sde_step = calloc(n, sizeof *r->sde_step);
    b->act_i = calloc(rows, p->n_parts * sizeof *b->act_i);
    b->act_f = calloc(rows, (p->discrete ? 1u : p->n_out) * sizeof *b->act_f);
    b->mask = calloc(rows, p->n_mask + 1u);
    if (st != LATHE_OK || !r->pending || !r->alive || !r->row_step || !r->next_value ||
        !r->next_adv || !b->x || !b->logp_old || !b->adv || !b->ret || !b->value_old || !b->act_i ||
        !b->act_f || !b->mask || !r->theta || !r->sde_step)
        return ppo_fail(err, LATHE_E_NOMEM, "n_steps", "no memory for the rollout");
    ppo_rollout_reset(p);
    return LATHE_OK;
}

void ppo_rollout_close(struct ppo *p)
{
    struct ppo_rollout *r = &p->roll;
    struct ppo_batch *b = &p->batch;
    void *const all[] = {r->obs,   r->act_f,    r->logp,     r->value,      r->reward,    r->adv,
                         r->ret,   r->act_i,    r->done,     r->mask,       r->row,       r->perm,
                         r->alive, r->pending,  r->row_step, r->next_value, r->next_adv,  b->x,
                         b->act_f, b->logp_old, b->adv,      b->ret,        b->value_old, b->act_i,
                         b->mask,  r->theta,    r->sde_step};
    size_t i;

    for (i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

void ppo_rollout_reset(struct ppo *p)
{
    p->roll.n = 0;
    p->roll.t = 0;
    p->roll.rows_seen = 0;
    p->roll.n_alive = p->n_envs;
    memset(p->roll.alive, 1, p->n_envs);
    memset(p->roll.sde_step, 0, p->n_envs * sizeof *p->roll.sde_step);
}

static const unsigned char *obs_row(const struct ppo *p, const void *obs, size_t row)
{
    return (const unsigned char *)obs + row * p->obs_stride;
}

/* The policy on n <= KIT_BLOCK inputs x. u: uniform draws (discrete) or standard normals; NULL =
 * greedy. mask is n_mask bytes per row or NULL. Writes raw actions and, when asked,
 * log-probabilities, values and probabilities. */
struct policy_out {
    int32_t *act_i;
    float *act_f, *logp, *value, *prob;
    const uint32_t *row; /* gSDE while exploring: environment row of each input */
};

static void gaussian(struct ppo *p, const float *y, const float *feat, uint32_t n, const float *u,
                     const struct policy_out *out)
{
    const float *ls;
    float *std = p->scratch;
    uint32_t i, a;

    if (p->trunk != NULL) {
        const struct kit_sde s = ppo_sde(p, feat);
        ppo_sde_act(p, y, &s, n, out->row, u, out->act_f);
        if (out->logp != NULL)
            p->rows->sde_logp(y, p->stride_a, &s, p->n_out, n, out->act_f, p->n_out, out->logp,
                              p->scratch + KIT_BLOCK, p->scratch);
        return;
    }
    ls = p->engine->forward(p->log_std, p->std_ws, 1, NULL, 0);
    p->rows->exps(ls, std, p->n_out);
    for (i = 0; i < n; i++)
        for (a = 0; a < p->n_out; a++) {
            const float mean = y[(size_t)i * p->stride_a + a];
            out->act_f[(size_t)i * p->n_out + a] =
                u == NULL ? mean : mean + std[a] * u[(size_t)i * p->n_out + a];
        }
    if (out->logp != NULL)
        p->rows->gaussian_logp(y, p->stride_a, ls, p->n_out, n, out->act_f, p->n_out, out->logp);
}

static void policy(struct ppo *p, const float *x, const uint8_t *mask, uint32_t n, const float *u,
                   const struct policy_out *out)
{
    const float *feat, *y = ppo_actor(p, 0, n, x, &feat);
    const struct kit_categorical d = {y, p->stride_a, mask, p->n_mask, p->n_out};
    const struct kit_parts parts = {p->parts, p->n_parts};
    uint32_t i;

    if (!p->discrete)
        gaussian(p, y, feat, n, u, out);
    else if (p->n_parts == 1)
        p->rows->categorical(&d, n, u, out->act_i, 1, out->logp, out->prob, p->scratch);
    else
        p->rows->multi(&d, &parts, n, u, out->act_i, p->n_parts, out->logp, p->scratch);
    if (out->value == NULL)
        return;
    if (p->critic != NULL)
        y = p->engine->forward(p->critic, p->act_c, n, x, p->dim);
    for (i = 0; i < n; i++)
        out->value[i] = y[(size_t)i * p->stride_c + p->value_col];
}

/* Numbers that a decision draws. */
static uint32_t n_draws(const struct ppo *p)
{
    return p->discrete ? p->n_parts : p->n_out;
}

/* Draws of one decision: a uniform per part, or n_out normals. */
static void draw(const struct ppo *p, uint64_t key, uint32_t row, uint64_t step, float *u)
{
    uint32_t x[4], a;

    if (p->discrete) {
        for (a = 0; a < p->n_parts; a++) {
            if (a % 4 == 0)
                lathe_philox(key, LATHE_STREAM_ACTION, row, step, a / 4, x);
            u[a] = lathe_u32_to_f32(x[a % 4]);
        }
        return;
    }
    for (a = 0; a < p->n_out; a += 2) {
        float z[2];
        lathe_philox(key, LATHE_STREAM_ACTION, row, step, a / 2, x);
        lathe_normal_pair(x[0], x[1], z);
        u[a] = z[0];
        if (a + 1 < p->n_out)
            u[a + 1] = z[1];
    }
}

/* An action on its way out: index + start, or the raw numbers clipped to the bounds. */
static void emit(const struct ppo *p, const int32_t *act_i, const float *act_f, void *act,
                 size_t row)
{
    unsigned char *to = (unsigned char *)act + row * p->act_stride;
    const struct lathe_space *s = p->act_space;
    uint32_t a;

    if (p->discrete) {
        for (a = 0; a < p->n_parts; a++) {
            const int32_t v = (int32_t)(act_i[a] + p->act_start);
            memcpy(to + a * sizeof v, &v, sizeof v);
        }
        return;
    }
    for (a = 0; a < p->n_out; a++) {
        const uint32_t k = s->flags & LATHE_SPACE_ONE_BOUND ? 0 : a;
        double v = (double)act_f[a];
        float f;
        if (s->low != NULL && v < s->low[k])
            v = s->low[k];
        if (s->high != NULL && v > s->high[k])
            v = s->high[k];
        f = (float)v;
        memcpy(to + a * sizeof f, &f, sizeof f);
    }
}

/* Makes entries for the rows of obs and writes their observations; returns the first entry. */
static int32_t place(struct ppo *p, const struct lathe_obs *obs, size_t *first, size_t *last)
{
    struct ppo_rollout *r = &p->roll;
    uint32_t i;

    if (p->episodic && r->n + obs->count > r->cap) {
        const int32_t st = reserve(p, 2 * r->cap + obs->count);
        if (st != LATHE_OK)
            return st;
    }
    *first = p->episodic ? r->n : (size_t)r->t * p->n_envs + obs->first;
    *last = *first;
    for (i = obs->first; i < obs->first + obs->count; i++) {
        const size_t e = *last;
        const unsigned char *from = obs_row(p, obs->obs, i);
        float *to = r->obs + e * p->dim;
        if (p->episodic && !r->alive[i])
            continue;
        if ((const void *)from != (const void *)to)
            kit_flatten(&p->flat, from, to);
        if (p->n_mask > 0 && obs->mask != NULL)
            memcpy(r->mask + e * p->n_mask, obs->mask + (size_t)i * p->n_mask, p->n_mask);
        else if (p->n_mask > 0)
            memset(r->mask + e * p->n_mask, 1, p->n_mask);
        r->row[e] = i;
        r->pending[i] = e;
        (*last)++;
    }
    if (p->episodic)
        r->n = *last;
    return LATHE_OK;
}

/* Draws of one row's next step while exploring. */
static void draw_step(struct ppo *p, uint32_t row, float *u)
{
    struct ppo_rollout *r = &p->roll;
    const uint64_t step = r->row_step[row]++;
    const uint32_t t = r->sde_step[row]++;

    if (p->trunk == NULL)
        draw(p, p->seed, row, step, u);
    else if (t == 0 || (p->cfg.sde_sample_freq > 0 && t % p->cfg.sde_sample_freq == 0))
        ppo_sde_draw(p, row, step);
}

static int32_t explore(struct ppo *p, const struct lathe_obs *obs, struct lathe_act *act)
{
    struct ppo_rollout *r = &p->roll;
    size_t e, first, last;
    int32_t st;

    if (p->policy_only || p->upd.active || obs->first + obs->count > p->n_envs ||
        (!p->episodic && r->t >= p->cfg.n_steps))
        return LATHE_E_CONFLICT;
    if ((st = place(p, obs, &first, &last)) != LATHE_OK)
        return st;
    for (e = first; e < last; e += KIT_BLOCK) {
        const uint32_t n = last - e < KIT_BLOCK ? (uint32_t)(last - e) : KIT_BLOCK;
        const struct policy_out out = {p->discrete ? r->act_i + e * p->n_parts : NULL,
                                       p->discrete ? NULL : r->act_f + e * p->n_out,
                                       r->logp + e,
                                       r->value + e,
                                       NULL,
                                       r->row + e};
        uint32_t i;
        for (i = 0; i < n; i++)
            draw_step(p, r->row[e + i], p->noise + i * n_draws(p));
        policy(p, r->obs + e * p->dim, p->n_mask > 0 ? r->mask + e * p->n_mask : NULL, n, p->noise,
               &out);
        for (i = 0; i < n; i++)
            emit(p, p->discrete ? out.act_i + (size_t)i * p->n_parts : NULL,
                 p->discrete ? NULL : out.act_f + (size_t)i * p->n_out, act->act, r->row[e + i]);
    }
    return LATHE_OK;
}

/* GREEDY and SAMPLE. */
static void apply(struct ppo *p, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    const float undo = (float)(1.0 / p->cfg.reward_scale);
    int32_t act_i[KIT_BLOCK * PPO_MAX_PARTS];
    uint32_t at, i;

    for (at = 0; at < obs->count; at += KIT_BLOCK) {
        const uint32_t n = obs->count - at < KIT_BLOCK ? obs->count - at : KIT_BLOCK;
        const size_t row = (size_t)obs->first + at;
        const uint8_t *mask =
            p->n_mask > 0 && obs->mask != NULL ? obs->mask + row * p->n_mask : NULL;
        const struct policy_out out = {act_i,
                                       p->noise + (size_t)KIT_BLOCK * p->n_out,
                                       NULL,
                                       act->value != NULL ? act->value + row : NULL,
                                       p->discrete && act->prob != NULL ? act->prob + row * p->n_out
                                                                        : NULL,
                                       NULL};
        for (i = 0; i < n; i++)
            kit_flatten(&p->flat, obs_row(p, obs->obs, row + i), p->x_act + (size_t)i * p->dim);
        for (i = 0; i < n && mode == LATHE_ACT_SAMPLE; i++)
            draw(p, obs->sample_key, 0, obs->sample_index + at + i, p->noise + i * n_draws(p));
        policy(p, p->x_act, mask, n, mode == LATHE_ACT_SAMPLE ? p->noise : NULL, &out);
        for (i = 0; i < n; i++) {
            emit(p, act_i + (size_t)i * p->n_parts,
                 p->discrete ? NULL : out.act_f + (size_t)i * p->n_out, act->act, row + i);
            if (out.value != NULL)
                out.value[i] *= undo;
        }
    }
}

int32_t ppo_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act)
{
    struct ppo *p = self;

    if (mode == LATHE_ACT_EXPLORE)
        return explore(p, obs, act);
    if (mode > LATHE_ACT_SAMPLE)
        return LATHE_E_INVALID;
    apply(p, obs, mode, act);
    return LATHE_OK;
}

static void finish_entry(struct ppo *p, const struct lathe_transition *tr, uint32_t row, size_t e)
{
    struct ppo_rollout *r = &p->roll;
    const int32_t ended = tr->terminated[row] || tr->truncated[row];
    float reward = (float)((double)tr->reward[row] * p->cfg.reward_scale);

    if (p->cfg.bootstrap && tr->truncated[row] && !tr->terminated[row]) {
        float v;
        kit_flatten(&p->flat, obs_row(p, tr->final_obs, row), p->x_act);
        ppo_values(p, p->x_act, 1, &v);
        reward += (float)p->cfg.gamma * v;
    }
    r->reward[e] = reward;
    r->done[e] = ended ? 1 : 0;
    if (p->episodic && ended && r->alive[row]) {
        r->alive[row] = 0;
        r->n_alive--;
    }
}

int32_t ppo_observe(void *self, const struct lathe_transition *tr)
{
    struct ppo *p = self;
    struct ppo_rollout *r = &p->roll;
    uint32_t i;

    if (p->policy_only || p->upd.active || tr->first + tr->count > p->n_envs)
        return LATHE_E_CONFLICT;
    for (i = tr->first; i < tr->first + tr->count; i++) {
        if (p->episodic && !r->alive[i])
            continue;
        finish_entry(p, tr, i, r->pending[i]);
        p->steps++;
    }
    if (p->episodic)
        return r->n_alive == 0 ? LATHE_UPDATE_DUE : LATHE_OK;
    if (r->t + 1 == p->cfg.n_steps)
        for (i = tr->first; i < tr->first + tr->count; i++) {
            float *to = r->obs + ((size_t)p->cfg.n_steps * p->n_envs + i) * p->dim;
            const unsigned char *from = obs_row(p, tr->next_obs, i);
            if ((const void *)from != (const void *)to)
                kit_flatten(&p->flat, from, to);
        }
    r->rows_seen += tr->count;
    if (r->rows_seen < p->n_envs)
        return LATHE_OK;
    r->rows_seen = 0;
    r->n += p->n_envs;
    return ++r->t == p->cfg.n_steps ? LATHE_UPDATE_DUE : LATHE_OK;
}

int32_t ppo_slots_next(void *self, struct lathe_env_io *io)
{
    struct ppo *p = self;

    if (p->policy_only || p->episodic || p->roll.t >= p->cfg.n_steps)
        return LATHE_E_CONFLICT;
    if (p->flat.plain && p->dim * sizeof(float) == p->obs_stride)
        io->obs = p->roll.obs + (size_t)(p->roll.t + 1) * p->n_envs * p->dim;
    return LATHE_OK;
}
