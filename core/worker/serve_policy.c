/* Answers of one policy: actions for observations or states, and evaluations. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/codec.h"
#include "core/worker/serve_internal.h"
#include "lathe/rng.h"

#define ROWS LEARNER_ACT_ROWS

static int32_t alloc_rows(struct serve *s, struct lathe_error *err)
{
    uint32_t n_actions = space_n_actions(s->vec->spec->act);

    s->obs = mem_aligned(64, ROWS, s->vec->obs_stride);
    s->act = mem_aligned(64, ROWS, s->vec->act_stride);
    s->value = mem_aligned(64, ROWS, sizeof(float));
    s->nobs = s->learner.norm.obs ? mem_aligned(64, ROWS, s->vec->obs_stride) : NULL;
    s->prob = n_actions > 0 ? mem_aligned(64, ROWS, n_actions * sizeof(float)) : NULL;
    s->mask = s->vec->n_mask > 0 ? mem_aligned(64, ROWS, s->vec->n_mask) : NULL;
    if (s->obs == NULL || s->act == NULL || s->value == NULL ||
        (s->learner.norm.obs && s->nobs == NULL) || (n_actions > 0 && s->prob == NULL) ||
        (s->vec->n_mask > 0 && s->mask == NULL))
        return fail(err, LATHE_E_NOMEM, "serving buffers");
    return LATHE_OK;
}

int32_t serve_policy_open(struct serve *s, struct lathe_error *err)
{
    int32_t st = setup_open(&s->setup, s->job, s->loaded, s->control, err);

    if (st != LATHE_OK)
        return st;
    s->has_policy = 1;
    if (s->setup.algorithm.entry == NULL)
        return fail_field(err, LATHE_E_INVALID, "algorithm", "job file: algorithm is missing");
    if ((st = setup_vec(&s->setup, 1, &s->vec, err)) != LATHE_OK ||
        (st = learner_open(&s->setup, s->vec, 1, 1, &s->learner, err)) != LATHE_OK ||
        (st = policy_load(&s->setup, s->vec, &s->learner, s->job->policy, err)) != LATHE_OK)
        return st;
    return alloc_rows(s, err);
}

void serve_policy_close(struct serve *s)
{
    if (!s->has_policy)
        return;
    if (s->ev.vec != NULL)
        evaluator_close(&s->ev);
    learner_close(&s->learner);
    vec_close(s->vec);
    setup_close(&s->setup);
    mem_free(s->obs);
    mem_free(s->nobs);
    mem_free(s->act);
    mem_free(s->mask);
    mem_free(s->prob);
    mem_free(s->value);
}

static int32_t read_state(struct serve *s, const json_t *state, void *row, struct lathe_error *err)
{
    const struct lathe_env_describe *d = s->vec->describe;
    char *text;
    int32_t st;

    if (d == NULL || d->observe == NULL)
        return fail_field(err, LATHE_E_UNSUPPORTED, "state", "%s takes observations only",
                          s->vec->spec->id);
    text = json_dup_text(state, 0, NULL);
    if (text == NULL)
        return fail(err, LATHE_E_NOMEM, "state");
    st = d->observe(s->vec->batch, text, row, err);
    mem_free(text);
    if (st != LATHE_OK && err->code != st) { /* it named the member at most */
        char field[sizeof err->field];

        snprintf(field, sizeof field, "%s", err->field[0] != '\0' ? err->field : "state");
        return fail_field(err, st, field, "the state is not valid at %s", field);
    }
    return st;
}

/* The i-th row of "observation(s)", "state(s)", "mask(s)". */
static const json_t *row_of(const json_t *body, const char *one, const char *many, uint32_t i)
{
    const json_t *list = json_object_get(body, many);

    return list != NULL ? json_array_get(list, i) : json_object_get(body, one);
}

static int32_t count_rows(const json_t *body, uint32_t *n, struct lathe_error *err)
{
    const json_t *many = json_object_get(body, "observations");
    size_t count = 1;

    if (many == NULL)
        many = json_object_get(body, "states");
    if (many != NULL)
        count = json_array_size(many);
    if (many != NULL && (!json_is_array(many) || count == 0 || count > ROWS))
        return fail_field(err, LATHE_E_INVALID, "observations", "1 to %u rows are needed", ROWS);
    *n = (uint32_t)count;
    return LATHE_OK;
}

static int32_t read_mask(struct serve *s, const json_t *mask, uint32_t i, struct lathe_error *err)
{
    uint8_t *row = s->mask + (size_t)i * s->vec->n_mask;
    uint32_t k, allowed = 0;

    memset(row, 1, s->vec->n_mask);
    if (mask == NULL)
        return LATHE_OK;
    if (json_array_size(mask) != s->vec->n_mask)
        return fail_field(err, LATHE_E_INVALID, "mask", "mask needs %u values", s->vec->n_mask);
    for (k = 0; k < s->vec->n_mask; k++) {
        const json_t *v = json_array_get(mask, k);

        row[k] = json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0.0);
        allowed += row[k];
    }
    if (allowed == 0)
        return fail_field(err, LATHE_E_INVALID, "mask", "mask allows no action");
    return LATHE_OK;
}

static int32_t read_rows(struct serve *s, const json_t *body, uint32_t n, struct lathe_error *err)
{
    uint32_t i;
    int32_t st = LATHE_OK;

    memset(s->obs, 0, n * s->vec->obs_stride);
    for (i = 0; i < n && st == LATHE_OK; i++) {
        const json_t *obs = row_of(body, "observation", "observations", i);
        const json_t *state = row_of(body, "state", "states", i);
        char *row = (char *)s->obs + i * s->vec->obs_stride;

        if (obs != NULL)
            st = codec_read(s->vec->spec->obs, obs, "observation", row, err);
        else if (json_is_object(state))
            st = read_state(s, state, row, err);
        else
            st = fail_field(err, LATHE_E_INVALID, "observation",
                            "an observation or a state is needed");
        if (st == LATHE_OK && s->mask != NULL)
            st = read_mask(s, row_of(body, "mask", "masks", i), i, err);
    }
    return st;
}

static void add_probabilities(struct serve *s, uint32_t i, struct strbuf *out)
{
    uint32_t k, n = space_n_actions(s->vec->spec->act);
    const struct lathe_env_describe *d = s->vec->describe;
    int named = d != NULL && d->action_names != NULL && d->n_actions == n;

    strbuf_adds(out, named ? ",\"probabilities\":{" : ",\"probabilities\":[");
    for (k = 0; k < n; k++) {
        if (k > 0)
            strbuf_addc(out, ',');
        if (named) {
            strbuf_add_json_string(out, d->action_names[k], strlen(d->action_names[k]));
            strbuf_addc(out, ':');
        }
        codec_add_float(out, s->prob[(size_t)i * n + k]);
    }
    strbuf_addc(out, named ? '}' : ']');
}

static void write_rows(struct serve *s, uint32_t n, int64_t latency_ns, struct strbuf *out)
{
    const struct lathe_space *act = s->vec->spec->act;
    uint32_t i;

    strbuf_adds(out, "{\"actions\":[");
    for (i = 0; i < n; i++) {
        strbuf_adds(out, i > 0 ? ",{\"action\":" : "{\"action\":");
        vec_action_json(s->vec, s->act, i, out);
        if (s->prob != NULL) {
            int32_t a =
                *(const int32_t *)(const void *)((const char *)s->act + i * s->vec->act_stride);

            strbuf_addf(out, ",\"action_index\":%lld", (long long)(a - act->start));
            add_probabilities(s, i, out);
        }
        strbuf_adds(out, ",\"value\":");
        codec_add_float(out, s->value[i]);
        strbuf_addc(out, '}');
    }
    strbuf_addf(out, "],\"latency_us\":%lld}", (long long)(latency_ns / 1000));
}

int32_t serve_act(struct serve *s, const json_t *body, struct strbuf *out, struct lathe_error *err)
{
    static const char *const known[] = {"observation", "observations", "state", "states", "mask",
                                        "masks",       "mode",         "seed",  "index",  NULL};
    const char *mode = json_member_string(body, "mode", "greedy");
    struct lathe_act act = {sizeof act, 0, s->act, s->prob, s->value};
    struct lathe_obs obs = {0};
    uint64_t seed = 0, index = 0;
    uint32_t n = 0;
    int64_t start_ns;
    int32_t st;

    if ((st = wjob_only(body, "", known, err)) != LATHE_OK)
        return st;
    if (strcmp(mode, "greedy") != 0 && strcmp(mode, "sample") != 0)
        return fail_field(err, LATHE_E_INVALID, "mode", "mode is \"greedy\" or \"sample\"");
    if ((json_object_get(body, "seed") && !wjob_u64(json_object_get(body, "seed"), &seed)) ||
        (json_object_get(body, "index") && !wjob_u64(json_object_get(body, "index"), &index)))
        return fail_field(err, LATHE_E_INVALID, "seed", "seed and index are whole numbers");
    if ((st = count_rows(body, &n, err)) != LATHE_OK ||
        (st = read_rows(s, body, n, err)) != LATHE_OK)
        return st;
    start_ns = clock_mono_ns();
    memset(s->value, 0, n * sizeof *s->value);
    if (s->nobs != NULL)
        norm_apply_obs(&s->learner.norm, s->obs, s->nobs, s->vec->obs_stride, 0, n);
    obs.struct_size = sizeof obs;
    obs.count = n;
    obs.obs = s->nobs != NULL ? s->nobs : s->obs;
    obs.mask = s->mask;
    obs.sample_key = lathe_splitmix_stream(seed, 4, 0);
    obs.sample_index = index;
    st = s->learner.vt->act(s->learner.self, &obs,
                            mode[0] == 's' ? LATHE_ACT_SAMPLE : LATHE_ACT_GREEDY, &act);
    if (st != LATHE_OK)
        return fail(err, st < 0 ? st : LATHE_E_INTERNAL, "the policy could not act: %s",
                    lathe_status_name(st));
    write_rows(s, n, clock_mono_ns() - start_ns, out);
    return LATHE_OK;
}

int32_t serve_evaluate(struct serve *s, const json_t *body, struct strbuf *out,
                       struct lathe_error *err)
{
    struct eval_at at = {0, 0, 0, 1};
    struct eval_summary summary;
    struct weval_spec spec = {0};
    int32_t st = weval_parse(body, "", &spec, err);

    if (st != LATHE_OK)
        return st;
    if (s->ev.vec == NULL && (st = evaluator_open(&s->ev, &s->setup, &s->learner, err)) != LATHE_OK)
        return st;
    return eval_run(&s->ev, &spec, spec.episodes, &at, out, &summary, err);
}
