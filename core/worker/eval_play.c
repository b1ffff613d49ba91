/* The evaluation loop: every episode has its own seed, rows that end stay idle. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/worker/codec.h"
#include "core/worker/control.h"
#include "core/worker/eval.h"
#include "lathe/rng.h"

#define EVAL_ROWS 256u

int32_t evaluator_open(struct evaluator *ev, const struct setup *setup, struct learner *learner,
                       struct lathe_error *err)
{
    int32_t st;
    uint32_t want = setup->job->eval.episodes;

    memset(ev, 0, sizeof *ev);
    ev->setup = setup;
    ev->learner = learner;
    if (setup->job->eval.final_episodes > want)
        want = setup->job->eval.final_episodes;
    if (setup->job->evaluate.episodes > want)
        want = setup->job->evaluate.episodes;
    st = setup_vec(setup, want < EVAL_ROWS ? want : EVAL_ROWS, &ev->vec, err);
    if (st != LATHE_OK)
        return st;
    if (learner->norm.obs) {
        ev->nobs = mem_aligned(64, ev->vec->n, ev->vec->obs_stride);
        if (ev->nobs == NULL) {
            evaluator_close(ev);
            return fail(err, LATHE_E_NOMEM, "evaluation buffers");
        }
    }
    return LATHE_OK;
}

void evaluator_close(struct evaluator *ev)
{
    if (ev == NULL)
        return;
    vec_close(ev->vec);
    mem_free(ev->nobs);
    memset(ev, 0, sizeof *ev);
}

int32_t eval_data_open(struct eval_data *data, uint32_t n, uint32_t n_info)
{
    memset(data, 0, sizeof *data);
    data->n = n;
    data->n_info = n_info;
    data->ret = mem_zalloc(n, sizeof(double));
    data->len = mem_zalloc(n, sizeof(uint32_t));
    data->info = mem_zalloc((size_t)n * (n_info > 0 ? n_info : 1), sizeof(float));
    if (data->ret != NULL && data->len != NULL && data->info != NULL)
        return LATHE_OK;
    eval_data_close(data);
    return LATHE_E_NOMEM;
}

void eval_data_close(struct eval_data *data)
{
    mem_free(data->ret);
    mem_free(data->len);
    mem_free(data->info);
    memset(data, 0, sizeof *data);
}

uint32_t vec_info_column(const struct vec *vec, const char *name)
{
    uint32_t i;

    for (i = 0; i < vec->n_info; i++)
        if (vec->info_names->names[i] != NULL && strcmp(vec->info_names->names[i], name) == 0)
            return i;
    return UINT32_MAX;
}

void vec_action_json(const struct vec *vec, const void *act, uint32_t row, struct strbuf *out)
{
    const char *p = (const char *)act + row * vec->act_stride;
    const struct lathe_space *space = vec->spec->act;
    uint64_t i, n = space->kind == LATHE_SPACE_MULTIDISCRETE ? space->shape[0] : vec->act_dim;

    if (space->kind == LATHE_SPACE_DISCRETE) {
        int32_t a = *(const int32_t *)(const void *)p;
        const struct lathe_env_describe *d = vec->describe;
        int64_t k = a - space->start;

        if (d != NULL && d->action_names != NULL && k >= 0 && k < d->n_actions)
            strbuf_add_json_string(out, d->action_names[k], strlen(d->action_names[k]));
        else
            strbuf_addf(out, "%d", a);
        return;
    }
    strbuf_addc(out, '[');
    for (i = 0; i < n; i++) {
        if (i > 0)
            strbuf_addc(out, ',');
        if (space->kind == LATHE_SPACE_MULTIDISCRETE)
            strbuf_addf(out, "%d", ((const int32_t *)(const void *)p)[i]);
        else
            codec_add_float(out, ((const float *)(const void *)p)[i]);
    }
    strbuf_addc(out, ']');
}

/* Repeat trials keep the episode's start and replace the noise of its steps: the reset option
 * "step_state". An environment without it starts from a seed of the trial's own. */
static int32_t reset_trial(struct evaluator *ev, const struct weval_spec *spec, uint64_t first,
                           uint32_t count, uint32_t trial, uint64_t *seeds, struct lathe_error *err)
{
    uint32_t i;
    int32_t st;

    for (i = 0; i < count; i++)
        seeds[i] = vec_seed(ev->setup->job->episodic, spec->seed, VEC_PURPOSE_EVAL, first + i);
    st = vec_reset(ev->vec, count, seeds, NULL, err);
    for (i = 0; i < count && st == LATHE_OK && trial > 0; i++) {
        uint64_t noise = vec_seed(1, spec->seed, VEC_PURPOSE_TRIAL, (first + i) * 64 + trial);
        char options[64];

        snprintf(options, sizeof options, "{\"step_state\":\"%llu\"}", (unsigned long long)noise);
        st = vec_reset_row(ev->vec, i, seeds[i], options);
        if (st == LATHE_E_INVALID)
            st = vec_reset_row(ev->vec, i, noise, NULL);
        if (st != LATHE_OK)
            fail(err, st, "%s: reset of trial %u failed", ev->vec->spec->id, trial);
    }
    return st;
}

/* Actions of one run of rows. Pointers start at the run, so that its rows count from 0 and the draw
 * of an episode is the same however the batch is cut. */
static int32_t act_run(struct evaluator *ev, const struct weval_spec *spec,
                       const struct vec_run *run, const void *obs, uint64_t first, uint64_t step)
{
    struct vec *vec = ev->vec;
    struct lathe_act act = {0};
    struct lathe_obs in = {0};

    act.struct_size = sizeof act;
    act.act = (char *)vec->act + run->first * vec->act_stride;
    in.struct_size = sizeof in;
    in.count = run->count;
    in.obs = (const char *)obs + run->first * vec->obs_stride;
    in.mask = vec->mask != NULL ? vec->mask + (size_t)run->first * vec->n_mask : NULL;
    in.sample_key = lathe_splitmix_stream(spec->sample_seed, 4, step);
    in.sample_index = first + run->first;
    return ev->learner->vt->act(ev->learner->self, &in,
                                spec->sample ? LATHE_ACT_SAMPLE : LATHE_ACT_GREEDY, &act);
}

/* Actions for all active rows. The draws of a sampled action depend on (sample seed, episode,
 * step). */
static int32_t choose(struct evaluator *ev, const struct weval_spec *spec, uint64_t first,
                      uint64_t step, struct lathe_error *err)
{
    struct vec *vec = ev->vec;
    struct learner *learner = ev->learner;
    const void *obs = vec->obs;
    uint32_t r;
    int32_t st = LATHE_OK;

    if (ev->nobs != NULL) {
        for (r = 0; r < vec->n_runs; r++)
            norm_apply_obs(&learner->norm, vec->obs, ev->nobs, vec->obs_stride, vec->runs[r].first,
                           vec->runs[r].count);
        obs = ev->nobs;
    }
    for (r = 0; r < vec->n_runs && st == LATHE_OK; r++)
        st = act_run(ev, spec, &vec->runs[r], obs, first, step);
    if (st != LATHE_OK)
        return fail(err, st < 0 ? st : LATHE_E_INTERNAL, "%s could not act: %s",
                    ev->setup->algorithm.entry->name, lathe_status_name(st));
    return LATHE_OK;
}

static void keep_ended(const struct vec *vec, struct eval_data *data, uint32_t at)
{
    uint32_t k;

    for (k = 0; k < vec->n_ended; k++) {
        uint32_t i = vec->ended[k];

        data->ret[at + i] = vec->final_ret[i];
        data->len[at + i] = vec->final_len[i];
        if (data->n_info > 0)
            memcpy(data->info + (size_t)(at + i) * data->n_info,
                   vec->final_info + (size_t)i * data->n_info, data->n_info * sizeof(float));
    }
}

/* What one traced episode did. */
struct trace {
    struct strbuf actions, rewards;
};

static void trace_step(const struct vec *vec, struct trace *trace)
{
    const char *comma = trace->actions.len_bytes > 0 ? "," : "";

    strbuf_adds(&trace->actions, comma);
    vec_action_json(vec, vec->act, 0, &trace->actions);
    strbuf_adds(&trace->rewards, comma);
    codec_add_float(&trace->rewards, vec->reward[0]);
}

/* Plays the episodes that were just reset, to the end of each. */
static int32_t play_chunk(struct evaluator *ev, const struct weval_spec *spec, uint64_t first,
                          uint32_t at, struct eval_data *data, struct trace *trace,
                          struct lathe_error *err)
{
    struct vec *vec = ev->vec;
    uint64_t step = 0;
    int32_t st;

    for (; vec->n_runs > 0; step++) {
        if (control_cancelled(ev->setup->control))
            return fail(err, LATHE_E_CANCELLED, "evaluation cancelled");
        if ((st = choose(ev, spec, first, step, err)) != LATHE_OK)
            return st;
        if ((st = vec_step(vec, 0, err)) != LATHE_OK)
            return st;
        if (trace != NULL)
            trace_step(vec, trace);
        keep_ended(vec, data, at);
        vec_advance(vec);
        if (vec->limit == 0 && step > 10000000)
            return fail(err, LATHE_E_LIMIT, "%s has no time limit and an episode does not end",
                        vec->spec->id);
    }
    return LATHE_OK;
}

int32_t eval_play(struct evaluator *ev, const struct weval_spec *spec, const struct eval_part *part,
                  struct eval_data *data, struct strbuf *trace_out, struct lathe_error *err)
{
    uint64_t seeds[EVAL_ROWS];
    struct trace trace;
    int32_t st = LATHE_OK;
    uint32_t done = 0;

    strbuf_init(&trace.actions);
    strbuf_init(&trace.rewards);
    while (done < part->count && st == LATHE_OK) {
        uint32_t n = part->count - done < ev->vec->n ? part->count - done : ev->vec->n;
        uint64_t first = part->first + done;

        st = reset_trial(ev, spec, first, n, part->trial, seeds, err);
        if (st == LATHE_OK)
            st = play_chunk(ev, spec, first, part->at + done, data,
                            trace_out != NULL ? &trace : NULL, err);
        done += n;
    }
    if (trace_out != NULL) {
        strbuf_addf(trace_out, "\"actions\":[%s],\"rewards\":[%s]", trace.actions.data,
                    trace.rewards.data);
        if (trace.actions.failed || trace.rewards.failed)
            trace_out->failed = 1;
    }
    strbuf_fini(&trace.actions);
    strbuf_fini(&trace.rewards);
    return st;
}
