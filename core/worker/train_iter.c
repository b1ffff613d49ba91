/* One training iteration: act, step, observe, update. Nothing here depends on time or threads. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/worker/train.h"

#define OFF_POLICY_STEPS 1024u /* environment steps of an iteration that has no natural end */
#define UPDATE_SLICE_NS 20000000u

static void swap(void **a, void **b)
{
    void *p = *a;

    *a = *b;
    *b = p;
}

static const void *present_obs(const struct trainer *t)
{
    return t->nobs != NULL ? t->nobs : t->vec->obs;
}

void train_renormalize(struct trainer *t)
{
    uint32_t r;

    for (r = 0; t->nobs != NULL && r < t->vec->n_runs; r++)
        norm_apply_obs(&t->learner.norm, t->vec->obs, t->nobs, t->vec->obs_stride,
                       t->vec->runs[r].first, t->vec->runs[r].count);
}

static void new_observations(struct trainer *t)
{
    if (t->nobs == NULL)
        return;
    norm_update_obs(&t->learner.norm, t->vec->obs, t->vec->obs_stride, t->vec->runs,
                    t->vec->n_runs);
    train_renormalize(t);
}

int32_t train_start_rows(struct trainer *t, struct lathe_error *err)
{
    struct vec *vec = t->vec;
    uint64_t *seeds = mem_zalloc(vec->n, sizeof *seeds);
    uint64_t base = t->job->episodic ? t->c.env_episodes : 0;
    int episodic = t->job->episodic;
    uint32_t i;
    int32_t st;

    if (seeds == NULL)
        return fail(err, LATHE_E_NOMEM, "seeds of %u rows", vec->n);
    if (t->is_resumed && !episodic) { /* no snapshot: go on with seeds that were not used before */
        episodic = 1;
        base = t->c.env_steps;
    }
    for (i = 0; i < vec->n; i++)
        seeds[i] = vec_seed(episodic, t->job->seed, VEC_PURPOSE_TRAIN, base + i);
    st = vec_reset(vec, vec->n, seeds, NULL, err);
    mem_free(seeds);
    if (st != LATHE_OK) {
        t->error_id = "env_error";
        return st;
    }
    memset(t->learner.norm.ret, 0, t->learner.norm.n * sizeof(double));
    new_observations(t);
    return LATHE_OK;
}

static int32_t act_rows(struct trainer *t, struct lathe_error *err)
{
    struct vec *vec = t->vec;
    struct lathe_act act = {sizeof act, 0, vec->act, NULL, NULL};
    uint32_t r;

    for (r = 0; r < vec->n_runs; r++) {
        struct lathe_obs obs = {
            sizeof obs, vec->runs[r].first, vec->runs[r].count, 0, present_obs(t), vec->mask, 0, 0};
        int32_t st = t->learner.vt->act(t->learner.self, &obs, LATHE_ACT_EXPLORE, &act);

        if (st != LATHE_OK) {
            t->error_id = "plugin_error";
            return fail(err, st < 0 ? st : LATHE_E_INTERNAL, "%s could not act: %s",
                        t->setup->algorithm.entry->name, lathe_status_name(st));
        }
    }
    return LATHE_OK;
}

static int32_t step_rows(struct trainer *t, struct lathe_error *err)
{
    struct vec *vec = t->vec;
    struct norm *norm = &t->learner.norm;
    uint32_t k;
    int32_t st = vec_step(vec, !t->job->episodic, err);

    if (st != LATHE_OK) {
        t->error_id = st == LATHE_E_INTERNAL ? "non_finite_reward" : "env_error";
        return st;
    }
    t->c.env_steps += vec_active(vec);
    if (t->nreward != NULL)
        norm_rewards(norm, vec->reward, t->nreward, vec->ended_flag, vec->runs, vec->n_runs);
    if (t->nobs == NULL)
        return LATHE_OK;
    norm_update_obs(norm, vec->next_obs, vec->obs_stride, vec->runs, vec->n_runs);
    for (k = 0; k < vec->n_runs; k++)
        norm_apply_obs(norm, vec->next_obs, t->nnext, vec->obs_stride, vec->runs[k].first,
                       vec->runs[k].count);
    for (k = 0; k < vec->n_ended; k++)
        norm_apply_obs(norm, vec->final_obs, t->nfinal, vec->obs_stride, vec->ended[k], 1);
    return LATHE_OK;
}

static void count_episodes(struct trainer *t)
{
    uint32_t k;

    for (k = 0; k < t->vec->n_ended; k++) {
        uint32_t i = t->vec->ended[k];

        t->window_ret[t->c.window_pos] = t->vec->final_ret[i];
        t->window_len[t->c.window_pos] = t->vec->final_len[i];
        t->c.window_pos = (t->c.window_pos + 1) % TRAIN_WINDOW;
        if (t->c.window_count < TRAIN_WINDOW)
            t->c.window_count++;
        t->c.env_episodes++;
        t->iter_episodes++;
        t->iter_ret += t->vec->final_ret[i];
    }
}

/* Hands each run of active rows to the algorithm; *due is set when it wants to learn. */
static int32_t observe_rows(struct trainer *t, int *due, struct lathe_error *err)
{
    struct vec *vec = t->vec;
    uint32_t r, k = 0;

    for (r = 0; r < vec->n_runs; r++) {
        uint32_t end = vec->runs[r].first + vec->runs[r].count, from = k;
        struct lathe_transition tr = {0};
        int32_t st;

        while (k < vec->n_ended && vec->ended[k] < end)
            k++;
        tr.struct_size = sizeof tr;
        tr.first = vec->runs[r].first;
        tr.count = vec->runs[r].count;
        tr.n_ended = k - from;
        tr.ended = vec->ended + from;
        tr.obs = present_obs(t);
        tr.act = vec->act;
        tr.reward = t->nreward != NULL ? t->nreward : vec->reward;
        tr.terminated = vec->terminated;
        tr.truncated = vec->truncated;
        tr.next_obs = t->nnext != NULL ? t->nnext : vec->next_obs;
        tr.final_obs = t->nfinal != NULL ? t->nfinal : vec->final_obs;
        tr.mask = vec->mask;
        tr.next_mask = vec->next_mask;
        st = t->learner.vt->observe(t->learner.self, &tr);
        if (st == LATHE_UPDATE_DUE) {
            *due = 1;
        } else if (st != LATHE_OK) {
            t->error_id = "plugin_error";
            return fail(err, st < 0 ? st : LATHE_E_INTERNAL, "%s could not observe: %s",
                        t->setup->algorithm.entry->name, lathe_status_name(st));
        }
    }
    return LATHE_OK;
}

static int32_t learn(struct trainer *t, struct lathe_error *err)
{
    struct lathe_budget budget = {sizeof budget, 0, UPDATE_SLICE_NS, control_cancelled, t->control};
    int32_t st;

    do {
        st = t->learner.vt->update(t->learner.self, &budget, &t->report->stats, err);
        if (control_cancelled(t->control))
            return fail(err, LATHE_E_CANCELLED, "cancelled");
    } while (st == LATHE_AGAIN);
    if (st == LATHE_OK)
        return LATHE_OK;
    t->error_id = st == LATHE_E_INTERNAL && err->code == LATHE_E_INTERNAL &&
                          strstr(err->text, "finite") != NULL
                      ? "non_finite_loss"
                      : "plugin_error";
    if (err->code != st)
        fail(err, st < 0 ? st : LATHE_E_INTERNAL, "%s could not update: %s",
             t->setup->algorithm.entry->name, lathe_status_name(st));
    return err->code;
}

/* Lets the environments write where the algorithm will read: without normalization both see the
 * same numbers. */
static void lend_slots(struct trainer *t)
{
    struct learner *learner = &t->learner;
    struct lathe_env_io io = {.struct_size = sizeof io};

    if (learner->slots == NULL || t->job->episodic || t->nobs != NULL || t->nreward != NULL)
        return;
    vec_lend(t->vec, learner->slots->next(learner->self, &io) == LATHE_OK ? &io : NULL);
}

/* One step of all active rows. */
static int32_t collect(struct trainer *t, int *due, struct lathe_error *err)
{
    int32_t st;

    if (control_cancelled(t->control))
        return fail(err, LATHE_E_CANCELLED, "cancelled");
    if ((st = act_rows(t, err)) != LATHE_OK)
        return st;
    lend_slots(t);
    if ((st = step_rows(t, err)) != LATHE_OK)
        return st;
    if ((st = observe_rows(t, due, err)) != LATHE_OK)
        return st;
    if (*due)
        vec_keep(t->vec); /* learning and what follows it may use the lent memory anew */
    count_episodes(t);
    vec_advance(t->vec);
    swap(&t->nobs, &t->nnext);
    return LATHE_OK;
}

static int32_t iterate_episodic(struct trainer *t, struct lathe_error *err)
{
    int due = 0;
    int32_t st = train_start_rows(t, err);

    while (st == LATHE_OK && t->vec->n_runs > 0)
        st = collect(t, &due, err);
    if (st == LATHE_OK)
        st = learn(t, err);
    return st;
}

/* Ends where save is allowed: on-policy after an update, otherwise after a fixed number of steps.
 */
static int32_t iterate_continuous(struct trainer *t, struct lathe_error *err)
{
    uint32_t flags = t->learner.vt->flags;
    int needs_update = (flags & LATHE_ALGO_ON_POLICY) && !(flags & LATHE_ALGO_TABULAR);
    uint64_t start = t->c.env_steps;
    int32_t st;

    for (;;) {
        int due = 0;

        if ((st = collect(t, &due, err)) != LATHE_OK)
            return st;
        if (due && (st = learn(t, err)) != LATHE_OK)
            return st;
        if (needs_update
                ? due
                : t->c.env_steps - start >= OFF_POLICY_STEPS || t->c.env_steps >= t->job->total)
            return LATHE_OK;
    }
}

static void put_row(struct trainer *t)
{
    double ret = 0.0, len = 0.0;
    int64_t active_ms = train_active_ns(t) / 1000000;
    uint64_t i;

    for (i = 0; i < t->c.window_count; i++) {
        ret += t->window_ret[i];
        len += t->window_len[i];
    }
    if (t->c.window_count > 0) {
        report_put(t->report, "rollout/ep_rew_mean", ret / (double)t->c.window_count);
        report_put(t->report, "rollout/ep_len_mean", len / (double)t->c.window_count);
    }
    if (t->iter_episodes > 0)
        report_put(t->report, "rollout/reward", t->iter_ret / (double)t->iter_episodes);
    report_put(t->report, "rollout/episodes", (double)t->iter_episodes);
    report_put(t->report, "time/env_steps", (double)t->c.env_steps);
    report_put(t->report, "time/env_episodes", (double)t->c.env_episodes);
    report_put(t->report, "time/active_ms", (double)active_ms);
    report_row(t->report, t->c.current);
}

int32_t train_iterate(struct trainer *t, struct lathe_error *err)
{
    int32_t st;

    t->iter_episodes = 0;
    t->iter_ret = 0.0;
    st = t->job->episodic ? iterate_episodic(t, err) : iterate_continuous(t, err);
    if (st != LATHE_OK)
        return st;
    t->c.iteration++;
    t->c.current = t->job->episodic ? t->c.iteration : t->c.env_steps;
    atomic_store(&t->control->current, t->c.current);
    put_row(t);
    return LATHE_OK;
}
