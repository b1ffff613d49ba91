/* Numbers for people: what an evaluation says in the scenario's own terms, and the exact values. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_base.h"
#include "plugins/env/workflow_mdp/workflow.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums over the tickets of an evaluation. */
struct tally {
    double n, success, right, clean_success, ret, steps, calls, ok, wasted, violations, faults,
        tokens, seconds;
    double facts_present, facts_found, defects_present, defects_repaired;
    double harmless, false_alarms; /* code_review: nothing to object to, objected all the same */
    double tool_calls[WF_MAX_TOOLS], tool_ok[WF_MAX_TOOLS];
};

static double rate(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

/* Wilson 95 % interval of k out of n. */
static void wilson(double k, double n, double out[2])
{
    const double z = 1.959963984540054, p = rate(k, n);
    const double centre = p + z * z / (2.0 * n),
                 root = z * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));

    out[0] = n > 0.0 ? fmax(0.0, (centre - root) / (1.0 + z * z / n)) : 0.0;
    out[1] = n > 0.0 ? fmin(1.0, (centre + root) / (1.0 + z * z / n)) : 0.0;
}

static uint32_t tool_named(const struct wf_scenario *s, const char *tool)
{
    uint32_t a = 0;

    while (a < s->n_tools && strcmp(s->tool[a].name, tool) != 0)
        a++;
    return a;
}

/* Bits of the facts that call for an objection in a code review. */
static uint32_t objections(const struct wf_scenario *s)
{
    static const char *const names[3] = {"bug", "security", "tests_missing"};
    uint32_t bits = 0;

    for (uint32_t f = 0; f < s->n_facts; f++)
        for (uint32_t k = 0; k < 3; k++)
            bits |= strcmp(s->fact[f].name, names[k]) == 0 ? 1u << f : 0;
    return bits;
}

static void count(const struct wf_scenario *s, const float *i, double ret, struct tally *y)
{
    const int final = (int)i[WF_I_FINAL_TOOL];

    y->n++;
    y->ret += ret;
    y->success += (double)i[WF_I_SUCCESS];
    y->right += (double)i[WF_I_RIGHT_FINAL];
    y->clean_success += i[WF_I_SUCCESS] > 0 && !(i[WF_I_WASTED] > 0);
    y->calls += (double)i[WF_I_CALLS];
    y->ok += (double)i[WF_I_OK];
    y->wasted += (double)i[WF_I_WASTED];
    y->violations += (double)i[WF_I_VIOLATIONS];
    y->faults += (double)i[WF_I_FAULTS];
    y->tokens += (double)i[WF_I_SIM_TOKENS];
    y->seconds += (double)i[WF_I_SIM_SECONDS];
    y->facts_present += (double)i[WF_I_FACTS_PRESENT];
    y->facts_found += (double)i[WF_I_FACTS_FOUND];
    y->defects_present += (double)i[WF_I_DEFECTS_PRESENT];
    y->defects_repaired += (double)i[WF_I_DEFECTS_REPAIRED];
    if (((uint32_t)i[WF_I_TRUTH] & objections(s)) == 0) {
        y->harmless++;
        y->false_alarms += final >= 0 && (uint32_t) final != tool_named(s, "approve");
    }
    for (uint32_t a = 0; a < s->n_tools; a++) {
        y->tool_calls[a] += (double)i[WF_I_FIXED + a];
        y->tool_ok[a] += (double)i[WF_I_FIXED + s->n_tools + a];
    }
}

/* A metric with its target: sign 1 = at least, -1 = at most, 0 = no target. */
static void metric(struct wf_text *t, const char *key, double x, int sign, double target, int *met)
{
    wf_put(t, ",");
    wf_put_number(t, key, x);
    if (sign != 0 && (double)sign * (x - target) < 0.0)
        *met = 0;
}

static double tool_rate(const struct wf_scenario *s, const struct tally *y, const char *tool)
{
    const uint32_t a = tool_named(s, tool);

    return a < s->n_tools ? rate(y->tool_ok[a], y->tool_calls[a]) : 0.0;
}

static void put_metrics(struct wf_text *t, const struct wf_batch *b, const struct tally *y,
                        int *met)
{
    const struct wf_value *random = &wf_solver_analysis(b->solver)->random;
    const struct wf_scenario *s = &b->scenario;
    const int support = strcmp(s->id, "customer_support") == 0;
    const double cost = random->tokens > 0 ? 1.0 - y->tokens / y->n / random->tokens : 0.0;

    wf_put(t, "\"metrics\":{");
    wf_put_number(t, "success_rate", rate(y->success, y->n));
    metric(t, "tool_reliability", rate(y->ok, y->calls), support, 0.95, met);
    metric(t, "response_quality", rate(y->clean_success, y->n), support, 0.95, met);
    metric(t, "resolution_rate", rate(y->right, y->n), support, 0.95, met);
    metric(t, "cost_reduction", cost, support, 0.30, met);
    metric(t, "time_savings", random->seconds > 0 ? 1.0 - y->seconds / y->n / random->seconds : 0.0,
           0, 0, met);
    metric(t, "sim_tokens", rate(y->tokens, y->n), 0, 0, met);
    metric(t, "sim_seconds", rate(y->seconds, y->n), 0, 0, met);
    metric(t, "mean_steps", rate(y->steps, y->n), 0, 0, met);
    metric(t, "wasted_per_ticket", rate(y->wasted, y->n), 0, 0, met);
    metric(t, "violations_per_ticket", rate(y->violations, y->n), 0, 0, met);
    metric(t, "faults_per_ticket", rate(y->faults, y->n), 0, 0, met);
    if (strcmp(s->id, "code_review") == 0) {
        metric(t, "review_accuracy", rate(y->right, y->n), 1, 0.90, met);
        metric(t, "false_positive_rate", rate(y->false_alarms, y->harmless), -1, 0.10, met);
        metric(t, "review_completeness", rate(y->facts_found, y->facts_present), 1, 0.85, met);
        metric(t, "sim_review_seconds", rate(y->seconds, y->n), -1, 600, met);
    } else if (strcmp(s->id, "data_analysis") == 0) {
        metric(t, "analysis_accuracy", rate(y->right, y->n), 1, 0.85, met);
        metric(t, "data_quality", rate(y->defects_repaired, y->defects_present), 1, 0.90, met);
        metric(t, "insight_quality", tool_rate(s, y, "generate_insights"), 1, 0.80, met);
        metric(t, "visualization_quality", tool_rate(s, y, "create_visualization"), 1, 0.85, met);
    }
    wf_put(t, "},\"targets_met\":%s", *met ? "true" : "false");
}

static void put_tasks(struct wf_text *t, const struct wf_scenario *s, const struct tally *task)
{
    wf_put(t, ",\"per_task\":[");
    for (uint32_t k = 0; k < s->n_tasks; k++) {
        wf_put(t, "%s{\"task\":\"%s\",\"episodes\":%.0f,", k > 0 ? "," : "", s->task[k].name,
               task[k].n);
        wf_put_number(t, "accuracy", 100.0 * rate(task[k].success, task[k].n));
        wf_put(t, ",");
        wf_put_number(t, "mean_return", rate(task[k].ret, task[k].n));
        wf_put(t, "}");
    }
    wf_put(t, "]");
}

/* Tasks x finals, the last column for tickets that ended without one. */
static void put_confusion(struct wf_text *t, const struct wf_scenario *s, uint32_t n,
                          const float *info, uint32_t n_info)
{
    uint32_t table[WF_MAX_TASKS][WF_MAX_TOOLS + 1] = {{0}};

    for (uint32_t e = 0; e < n; e++) {
        const float *i = info + (size_t)e * n_info;
        const uint32_t a = i[WF_I_FINAL_TOOL] < 0 ? WF_MAX_TOOLS : (uint32_t)i[WF_I_FINAL_TOOL];
        if ((uint32_t)i[WF_I_TASK] < s->n_tasks && a <= WF_MAX_TOOLS)
            table[(uint32_t)i[WF_I_TASK]][a]++;
    }
    wf_put(t, ",\"confusion_columns\":[");
    for (uint32_t a = 0; a < s->n_tools; a++)
        if (s->tool[a].kind == WF_FINAL)
            wf_put(t, "\"%s\",", s->tool[a].name);
    wf_put(t, "\"none\"],\"confusion\":[");
    for (uint32_t k = 0; k < s->n_tasks; k++) {
        wf_put(t, "%s[", k > 0 ? "," : "");
        for (uint32_t a = 0; a < s->n_tools; a++)
            if (s->tool[a].kind == WF_FINAL)
                wf_put(t, "%u,", table[k][a]);
        wf_put(t, "%u]", table[k][WF_MAX_TOOLS]);
    }
    wf_put(t, "]");
}

static void put_head(struct wf_text *t, const struct wf_batch *b, const struct tally *y)
{
    const struct wf_analysis *v = wf_solver_analysis(b->solver);
    const double mean = rate(y->ret, y->n), span = v->optimal.mean_return - v->random.mean_return;
    double ci[2];

    wilson(y->success, y->n, ci);
    wf_put(t, "{\"episodes\":%.0f,\"successes\":%.0f,", y->n, y->success);
    wf_put_number(t, "accuracy", 100.0 * rate(y->success, y->n));
    wf_put(t, ",\"accuracy_ci95\":[");
    wf_put_number(t, NULL, 100.0 * ci[0]);
    wf_put(t, ",");
    wf_put_number(t, NULL, 100.0 * ci[1]);
    wf_put(t, "],");
    wf_put_number(t, "mean_return", mean);
    wf_put(t, ",");
    wf_put_number(t, "score", v->exact && span > 0 ? (mean - v->random.mean_return) / span : 0.0);
    wf_put(t, ",");
    wf_put_number(t, "regret", v->exact ? v->optimal.mean_return - mean : 0.0);
    wf_put(t, ",");
    wf_put_number(t, "tool_reliability", rate(y->ok, y->calls));
    wf_put(t, ",");
}

int32_t wf_report(void *batch, uint32_t n, const float *info, const double *returns,
                  const uint32_t *lengths, char *json, uint64_t cap_bytes)
{
    struct wf_batch *b = batch;
    const struct wf_scenario *s = &b->scenario;
    const uint32_t n_info = b->info.n_info;
    struct tally all = {0}, task[WF_MAX_TASKS];
    struct wf_text t = {json, cap_bytes, 0};
    int met = 1;
    const int32_t st = wf_batch_solver(b, NULL);

    if (st != LATHE_OK)
        return st;
    memset(task, 0, sizeof task);
    for (uint32_t e = 0; e < n; e++) {
        const float *i = info + (size_t)e * n_info;
        count(s, i, returns[e], &all);
        all.steps += lengths[e];
        if ((uint32_t)i[WF_I_TASK] < s->n_tasks)
            count(s, i, returns[e], &task[(uint32_t)i[WF_I_TASK]]);
    }
    put_head(&t, b, &all);
    put_metrics(&t, b, &all, &met);
    put_tasks(&t, s, task);
    put_confusion(&t, s, n, info, n_info);
    wf_put(&t, "}");
    return wf_text_status(&t);
}

/* ---- exact values
 * ---------------------------------------------------------------------------------- */

static void put_value(struct wf_text *t, const struct wf_scenario *s, const char *who,
                      const struct wf_value *v)
{
    const struct {
        const char *key;
        double x;
    } rows[] = {{"return", v->mean_return}, {"success", v->success},
                {"right_final", v->right},  {"tool_reliability", v->reliability},
                {"steps", v->steps},        {"sim_tokens", v->tokens},
                {"sim_seconds", v->seconds}};

    for (uint32_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        wf_put(t, ",\"%s_%s\":", who, rows[k].key);
        wf_put_number(t, NULL, rows[k].x);
    }
    wf_put(t, ",\"%s_return_by_label\":{", who);
    for (uint32_t k = 0; k < s->n_tasks; k++) {
        wf_put(t, k > 0 ? "," : "");
        wf_put_number(t, s->task[k].name, v->by_label[k]);
    }
    wf_put(t, "}");
}

/* The best action in the state of options {"state": {...}}. */
static int32_t put_best(struct wf_text *t, const struct wf_batch *b, const json_t *state,
                        struct lathe_error *err)
{
    char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
    struct wf_state x;
    uint32_t action;
    double value;
    int32_t st = LATHE_E_NOMEM;

    if (text != NULL)
        st = wf_read_state(&b->scenario, text, &x, err);
    free(text);
    if (st != LATHE_OK)
        return st;
    if (wf_solver_best(b->solver, &x, &action, &value)) {
        wf_put(t, ",\"optimal_action\":\"%s\",", b->scenario.tool[action].name);
        wf_put_number(t, "optimal_value", value);
    }
    return LATHE_OK;
}

int32_t wf_solve_json(void *batch, const char *options_json, char *json, uint64_t cap_bytes,
                      struct lathe_error *err)
{
    struct wf_batch *b = batch;
    struct wf_text t = {json, cap_bytes, 0};
    json_error_t where;
    json_t *options = env_json_is_empty(options_json) ? NULL : json_loads(options_json, 0, &where);
    const struct wf_analysis *v;
    int32_t st;

    if (options == NULL && !env_json_is_empty(options_json))
        return env_fail(err, LATHE_E_INVALID, "options", "solve options: %s", where.text);
    if ((st = wf_batch_solver(b, err)) != LATHE_OK)
        goto out;
    v = wf_solver_analysis(b->solver);
    wf_put(&t, "{\"exact\":%s,\"unsolvable\":%s,\"states\":%u,\"sha256\":\"%s\"",
           v->exact ? "true" : "false", v->unsolvable ? "true" : "false", v->n_states,
           b->scenario.sha256);
    if (v->exact)
        put_value(&t, &b->scenario, "optimal", &v->optimal);
    put_value(&t, &b->scenario, "random", &v->random);
    if (json_is_true(json_object_get(options, "definition")))
        wf_put(&t, ",\"definition\":%s", b->scenario.canonical);
    if (json_object_get(options, "state") != NULL)
        st = put_best(&t, b, json_object_get(options, "state"), err);
    wf_put(&t, "}");
    if (st == LATHE_OK)
        st = wf_text_status(&t);
out:
    json_decref(options);
    return st;
}
