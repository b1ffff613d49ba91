/* Summaries of evaluations as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/eval.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/worker/codec.h"

#define REPORT_MAX (64u * 1024u)
#define RETURNS_MAX 1000u

static void add_number(struct strbuf *out, const char *name, double value)
{
    strbuf_addf(out, ",\"%s\":", name);
    strbuf_add_json_double(out, value);
}

static void add_summary(const struct eval_data *data, uint32_t success_column, struct strbuf *out,
                        struct eval_summary *summary)
{
    double sum = 0.0, squares = 0.0, length = 0.0, lo = data->ret[0], hi = data->ret[0];
    uint32_t i, successes = 0;

    for (i = 0; i < data->n; i++) {
        sum += data->ret[i];
        length += data->len[i];
        lo = data->ret[i] < lo ? data->ret[i] : lo;
        hi = data->ret[i] > hi ? data->ret[i] : hi;
        if (success_column != UINT32_MAX &&
            data->info[(size_t)i * data->n_info + success_column] > 0.5f)
            successes++;
    }
    summary->episodes = data->n;
    summary->mean = sum / data->n;
    for (i = 0; i < data->n; i++)
        squares += (data->ret[i] - summary->mean) * (data->ret[i] - summary->mean);
    summary->std = data->n > 1 ? sqrt(squares / (data->n - 1)) : 0.0;
    summary->success_rate =
        success_column != UINT32_MAX ? (double)successes / data->n : (double)NAN;
    add_number(out, "mean_return", summary->mean);
    add_number(out, "std_return", summary->std);
    add_number(out, "min_return", lo);
    add_number(out, "max_return", hi);
    add_number(out, "mean_length", length / data->n);
    if (success_column != UINT32_MAX)
        strbuf_addf(out, ",\"successes\":%u", successes);
    else
        strbuf_adds(out, ",\"successes\":null");
    add_number(out, "success_rate", summary->success_rate); /* not finite becomes null */
}

/* The number that the job's target names: of the summary or of the environment's report. */
static double target_value(const struct wjob *job, const struct eval_summary *summary,
                           const char *report)
{
    const char *metric = job->target_metric;
    json_t *root, *value;
    double out = (double)NAN;

    if (metric == NULL)
        return out;
    if (strcmp(metric, "mean_return") == 0)
        return summary->mean;
    if (strcmp(metric, "success_rate") == 0)
        return summary->success_rate;
    if (strncmp(metric, "metrics.", 8) != 0 || report == NULL)
        return out;
    root = json_loads(report, 0, NULL);
    value = json_object_get(root, metric + 8);
    if (json_is_number(value))
        out = json_number_value(value);
    json_decref(root);
    return out;
}

static void add_report(struct evaluator *ev, const struct eval_data *data, struct strbuf *out,
                       struct eval_summary *summary)
{
    const struct lathe_env_report *ext = ev->vec->report;
    char *text = ext != NULL ? mem_alloc(REPORT_MAX) : NULL;

    if (text != NULL && ext->report(ev->vec->batch, data->n, data->info, data->ret, data->len, text,
                                    REPORT_MAX) != LATHE_OK) {
        mem_free(text);
        text = NULL;
    }
    strbuf_addf(out, ",\"metrics\":%s", text != NULL ? text : "null");
    summary->target = target_value(ev->setup->job, summary, text);
    mem_free(text);
}

static void add_returns(const struct eval_data *data, struct strbuf *out)
{
    uint32_t i;

    strbuf_adds(out, ",\"returns\":[");
    for (i = 0; i < data->n; i++) {
        if (i > 0)
            strbuf_addc(out, ',');
        strbuf_add_json_double(out, data->ret[i]);
    }
    strbuf_addc(out, ']');
}

static void add_info_rows(struct evaluator *ev, const struct eval_data *data, struct strbuf *out)
{
    uint32_t i, k;

    strbuf_adds(out, ",\"info\":{\"names\":[");
    for (k = 0; k < data->n_info; k++)
        strbuf_addf(out, "%s\"%s\"", k > 0 ? "," : "", ev->vec->info_names->names[k]);
    strbuf_adds(out, "],\"rows\":[");
    for (i = 0; i < data->n; i++) {
        strbuf_adds(out, i > 0 ? ",[" : "[");
        for (k = 0; k < data->n_info; k++) {
            if (k > 0)
                strbuf_addc(out, ',');
            codec_add_float(out, data->info[(size_t)i * data->n_info + k]);
        }
        strbuf_addc(out, ']');
    }
    strbuf_adds(out, "]");
    add_returns(data, out);
    strbuf_adds(out, ",\"lengths\":[");
    for (i = 0; i < data->n; i++)
        strbuf_addf(out, "%s%u", i > 0 ? "," : "", data->len[i]);
    strbuf_adds(out, "]}");
}

/* C(c, k) / C(n, k): the chance that k of the n trials, drawn without replacement, all succeeded.
 */
static double all_succeed(uint32_t c, uint32_t n, uint32_t k)
{
    double p = 1.0;
    uint32_t i;

    for (i = 0; i < k; i++)
        p *= c > i ? (double)(c - i) / (double)(n - i) : 0.0;
    return p;
}

static int32_t add_trials(struct evaluator *ev, const struct weval_spec *spec,
                          const struct eval_data *first, uint32_t column, struct strbuf *out,
                          struct lathe_error *err)
{
    uint32_t *wins = mem_zalloc(first->n, sizeof *wins);
    struct eval_data data = {0};
    uint32_t trial, i, k;
    int32_t st = wins != NULL ? eval_data_open(&data, first->n, first->n_info) : LATHE_E_NOMEM;

    if (st != LATHE_OK)
        fail(err, st, "trials");
    for (i = 0; i < first->n && st == LATHE_OK; i++)
        wins[i] = first->info[(size_t)i * first->n_info + column] > 0.5f;
    for (trial = 1; trial < spec->trials && st == LATHE_OK; trial++) {
        struct eval_part part = {0, first->n, trial, 0};

        st = eval_play(ev, spec, &part, &data, NULL, err);
        for (i = 0; i < first->n && st == LATHE_OK; i++)
            wins[i] += data.info[(size_t)i * data.n_info + column] > 0.5f;
    }
    strbuf_adds(out, ",\"pass_k\":{");
    for (k = 1; k <= spec->trials && st == LATHE_OK; k *= 2) {
        double sum = 0.0;

        for (i = 0; i < first->n; i++)
            sum += all_succeed(wins[i], spec->trials, k);
        strbuf_addf(out, "%s\"%u\":", k > 1 ? "," : "", k);
        strbuf_add_json_double(out, sum / first->n);
    }
    strbuf_addc(out, '}');
    eval_data_close(&data);
    mem_free(wins);
    return st;
}

/* Episode with the lowest return among those not yet taken. */
static uint32_t next_worst(const struct eval_data *data, const uint8_t *taken)
{
    uint32_t i, best = UINT32_MAX;

    for (i = 0; i < data->n; i++)
        if (!taken[i] && (best == UINT32_MAX || data->ret[i] < data->ret[best]))
            best = i;
    return best;
}

/* Episodes are functions of their index, so the worst ones are simply played once more. */
static int32_t add_traces(struct evaluator *ev, const struct weval_spec *spec,
                          const struct eval_data *data, uint32_t column, struct strbuf *out,
                          struct lathe_error *err)
{
    uint8_t *taken = mem_zalloc(data->n, 1);
    struct eval_data one = {0};
    uint32_t k;
    int32_t st = taken != NULL ? eval_data_open(&one, 1, data->n_info) : LATHE_E_NOMEM;

    if (st != LATHE_OK)
        fail(err, st, "traces");
    strbuf_adds(out, ",\"traces\":[");
    for (k = 0; k < spec->traces && k < data->n && st == LATHE_OK; k++) {
        uint32_t i = next_worst(data, taken);
        struct eval_part part = {i, 1, 0, 0};

        taken[i] = 1;
        strbuf_addf(out, "%s{\"index\":%u,\"seed\":\"%llu\"", k > 0 ? "," : "", i,
                    (unsigned long long)vec_seed(ev->setup->job->episodic, spec->seed,
                                                 VEC_PURPOSE_EVAL, i));
        add_number(out, "return", data->ret[i]);
        strbuf_addf(out, ",\"length\":%u,\"success\":%s,", data->len[i],
                    column == UINT32_MAX                                   ? "null"
                    : data->info[(size_t)i * data->n_info + column] > 0.5f ? "true"
                                                                           : "false");
        st = eval_play(ev, spec, &part, &one, out, err);
        strbuf_addc(out, '}');
    }
    strbuf_addc(out, ']');
    eval_data_close(&one);
    mem_free(taken);
    return st;
}

static int32_t add_extras(struct evaluator *ev, const struct weval_spec *spec,
                          const struct eval_data *data, uint32_t column, struct strbuf *out,
                          struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (spec->trials > 1) {
        strbuf_addf(out, ",\"trials\":%u", spec->trials);
        if (column != UINT32_MAX)
            st = add_trials(ev, spec, data, column, out, err);
    }
    if (st == LATHE_OK && spec->traces > 0)
        st = add_traces(ev, spec, data, column, out, err);
    if (st == LATHE_OK && spec->info_rows)
        add_info_rows(ev, data, out);
    return st;
}

int32_t eval_run(struct evaluator *ev, const struct weval_spec *spec, uint32_t episodes,
                 const struct eval_at *at, struct strbuf *out, struct eval_summary *summary,
                 struct lathe_error *err)
{
    struct eval_part all = {0, episodes, 0, 0};
    struct eval_data data;
    uint32_t column = vec_info_column(ev->vec, "success");
    int64_t start_ns = clock_mono_ns();
    int32_t st = eval_data_open(&data, episodes, ev->vec->n_info);

    if (st != LATHE_OK)
        return fail(err, st, "evaluation of %u episodes", episodes);
    st = eval_play(ev, spec, &all, &data, NULL, err);
    if (st == LATHE_OK) {
        strbuf_addf(out,
                    "{\"current\":%llu,\"iteration\":%llu,\"env_steps\":%llu,\"episodes\":%u,"
                    "\"seed\":%llu,\"mode\":\"%s\"",
                    (unsigned long long)at->current, (unsigned long long)at->iteration,
                    (unsigned long long)at->env_steps, episodes, (unsigned long long)spec->seed,
                    spec->sample ? "sample" : "greedy");
        add_summary(&data, column, out, summary);
        add_report(ev, &data, out, summary);
        if (episodes <= RETURNS_MAX)
            add_returns(&data, out);
        st = add_extras(ev, spec, &data, column, out, err);
        strbuf_addf(out, ",\"final\":%s,\"wall_ms\":%lld}", at->is_final ? "true" : "false",
                    (long long)((clock_mono_ns() - start_ns) / 1000000));
    }
    eval_data_close(&data);
    if (st == LATHE_OK && out->failed)
        st = fail(err, LATHE_E_NOMEM, "evaluation of %u episodes", episodes);
    return st;
}
