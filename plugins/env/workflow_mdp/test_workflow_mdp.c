/* The shipped scenarios against their published numbers: exact values, recorded tickets, Monte
 * Carlo; and the plugin's faces: streams, reports, states, definitions that must be refused. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"
#include "plugins/env/workflow_mdp/solve.h"

#include "lathe/rng.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PLUGIN "workflow_mdp"
#define N_TICKETS 1000u

static const char *const ids[3] = {"customer_support", "code_review", "data_analysis"};

/* Text of a shipped definition; the caller frees it. */
static char *definition_of(const char *id)
{
    char path[512], *text = calloc(1, 65536);
    FILE *in;

    assert_non_null(text);
    (void)snprintf(path, sizeof path, "%s/plugins/env/workflow_mdp/scenarios/%s.json",
                   LATHE_SOURCE_DIR, id);
    in = fopen(path, "r");
    assert_non_null(in);
    assert_true(fread(text, 1, 65535, in) > 0);
    (void)fclose(in);
    return text;
}

static void read_scenario(const char *id, struct wf_scenario *s)
{
    char *text = definition_of(id);
    struct lathe_error err = {0};

    if (wf_scenario_read(s, text, strlen(text), &err) != LATHE_OK)
        fail_msg("%s: %s", id, err.text);
    free(text);
}

/* Equal to the printed digits. */
static void assert_digits(double got, double want, int digits)
{
    if (!(fabs(got - want) <= 0.5000001 * pow(10.0, -digits)))
        fail_msg("%.9f is not %.*f", got, digits, want);
}

struct exact {
    double ret, success, reliability, steps, tokens, seconds;
    double random_ret, random_success, random_reliability, random_tokens, random_seconds;
    double by_label[6];
    uint32_t n_states;
};

static const struct exact published[3] = {
    {11.867422,
     1.000000,
     0.975428,
     3.7629,
     337.411,
     16.069,
     -25.690902,
     0.001878,
     0.123447,
     1101.676,
     63.724,
     {11.4686, 11.9160, 11.8566, 11.9859, 12.1100},
     1340},
    {14.752428,
     0.981510,
     0.984172,
     7.4676,
     1831.006,
     552.063,
     -15.346942,
     0.002310,
     0.175367,
     2894.011,
     916.853,
     {15.5855, 16.0722, 13.1213, 15.9785, 11.9927, 15.7645},
     23008},
    {15.718744,
     0.999600,
     0.980457,
     8.6000,
     1604.681,
     781.556,
     -21.730071,
     0.0,
     0.069565,
     3586.550,
     1946.603,
     {15.0398, 15.5509, 15.7561, 16.0162, 14.8602, 17.0892},
     9505},
};

static void exact_values_equal_the_published_table(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        const struct exact *e = &published[k];
        const struct wf_analysis *v;
        struct wf_scenario s;
        struct wf_solver *solver;
        read_scenario(ids[k], &s);
        assert_int_equal(wf_solver_open(&s, 0, &solver, NULL), LATHE_OK);
        v = wf_solver_analysis(solver);
        assert_true(v->exact && !v->unsolvable);
        assert_int_equal(v->n_states, e->n_states);
        assert_digits(v->optimal.mean_return, e->ret, 6);
        assert_digits(v->optimal.success, e->success, 6);
        assert_digits(v->optimal.reliability, e->reliability, 6);
        assert_digits(v->optimal.steps, e->steps, 4);
        assert_digits(v->optimal.tokens, e->tokens, 3);
        assert_digits(v->optimal.seconds, e->seconds, 3);
        assert_digits(v->random.mean_return, e->random_ret, 6);
        assert_true(k < 2 || v->random.success < 1e-6);
        assert_digits(v->random.success, e->random_success, k < 2 ? 6 : 5);
        assert_digits(v->random.reliability, e->random_reliability, 6);
        assert_digits(v->random.tokens, e->random_tokens, 3);
        assert_digits(v->random.seconds, e->random_seconds, 3);
        for (uint32_t j = 0; j < s.n_tasks; j++)
            assert_digits(v->optimal.by_label[j], e->by_label[j], 4);
        wf_solver_close(solver);
        wf_scenario_fini(&s);
    }
}

static void open_kit(struct testkit *kit, const char *id, uint32_t n, const char *const *options)
{
    struct lathe_error err = {0};

    if (testkit_open(kit, PLUGIN, id, n, options, &err) != LATHE_OK)
        fail_msg("%s: %s", id, err.text);
}

static void reset_to(struct testkit *kit, uint64_t seed, uint64_t purpose)
{
    for (uint32_t i = 0; i < kit->n; i++)
        kit->seeds[i] = lathe_splitmix_stream(seed, purpose, i);
    kit->io.seeds = kit->seeds;
    assert_int_equal(kit->env->reset(kit->batch, 0, kit->n, NULL, &kit->io), LATHE_OK);
    kit->io.seeds = NULL;
}

static uint32_t column(const struct testkit *kit, const char *name)
{
    const struct lathe_env_info *info = kit->env->extension(kit->batch, LATHE_ENV_INFO);
    uint32_t k = 0;

    while (info->names[k] != NULL && strcmp(info->names[k], name) != 0)
        k++;
    assert_true(k < info->n_info);
    return k;
}

static double total(const struct testkit *kit, const char *name)
{
    const uint32_t k = column(kit, name);
    double sum = 0;

    for (uint32_t i = 0; i < kit->n; i++)
        sum += (double)kit->info[(size_t)i * kit->n_info + k];
    return sum;
}

/* Plays tool t mod n in step t in every row until all tickets are over; returns per row. */
static void play_in_turn(struct testkit *kit, double *returns, uint32_t *lengths)
{
    const uint32_t n_tools = (uint32_t)kit->spec->act->n;

    for (uint32_t t = 0; t < 64; t++) {
        for (uint32_t i = 0; i < kit->n; i++)
            ((int32_t *)kit->act)[i] = (int32_t)(t % n_tools);
        for (uint32_t i = 0; i < kit->n; i++)
            lengths[i] += !(kit->terminated[i] || kit->truncated[i]) || t == 0;
        assert_int_equal(kit->env->step(kit->batch, 0, kit->n, &kit->io), LATHE_OK);
        for (uint32_t i = 0; i < kit->n; i++)
            returns[i] += (double)kit->reward[i];
    }
}

static void recorded_tickets_play_as_published(void **state)
{
    static const double mean[3] = {-22.522, -8.5904, -2.205};
    static const int success[3] = {0, 20, 1}, calls[3] = {12000, 10690, 14435},
                     ok[3] = {2916, 5467, 6537};
    static const int tasks[3][6] = {{196, 215, 195, 202, 192, 0},
                                    {166, 186, 156, 158, 181, 153},
                                    {166, 186, 156, 158, 181, 153}};

    (void)state;
    for (int k = 0; k < 3; k++) {
        double returns[N_TICKETS] = {0}, sum = 0;
        uint32_t lengths[N_TICKETS] = {0};
        int count[6] = {0};
        struct testkit kit;
        open_kit(&kit, ids[k], N_TICKETS, NULL);
        reset_to(&kit, 42, LATHE_PURPOSE_EVAL);
        play_in_turn(&kit, returns, lengths);
        for (uint32_t i = 0; i < N_TICKETS; i++) {
            sum += returns[i];
            count[(int)kit.info[i * kit.n_info + column(&kit, "task")]]++;
        }
        assert_true(fabs(sum / N_TICKETS - mean[k]) < 1e-6);
        assert_int_equal(total(&kit, "success"), success[k]);
        assert_int_equal(total(&kit, "calls"), calls[k]);
        assert_int_equal(total(&kit, "ok"), ok[k]);
        assert_memory_equal(count, tasks[k], sizeof count);
        testkit_close(&kit);
    }
}

static void interactive_ticket_one_plays_as_published(void **state)
{
    static const double want[6] = {-0.2, -0.7, 0.8, -3.2, 0.8, -3.2};
    const struct lathe_env_describe *describe;
    struct testkit kit;
    char text[512];

    (void)state;
    open_kit(&kit, "customer_support", 1, NULL);
    kit.seeds[0] = lathe_splitmix_stream(42, LATHE_PURPOSE_INTERACTIVE, 1);
    kit.io.seeds = kit.seeds;
    assert_int_equal(kit.env->reset(kit.batch, 0, 1, NULL, &kit.io), LATHE_OK);
    describe = kit.env->extension(kit.batch, LATHE_ENV_DESCRIBE);
    assert_int_equal(describe->state(kit.batch, 0, text, sizeof text), LATHE_OK);
    assert_string_equal(
        text, "{\"label\":\"account_locked\",\"task\":null,\"facts\":{\"charged\":\"unknown\","
              "\"documented\":\"unknown\",\"eligible\":\"unknown\",\"verified\":\"unknown\"},"
              "\"done\":[],\"last\":\"none\",\"t\":0}");
    for (int a = 0; a < 6; a++) {
        ((int32_t *)kit.act)[0] = a;
        assert_int_equal(kit.env->step(kit.batch, 0, 1, &kit.io), LATHE_OK);
        assert_true(fabs((double)kit.reward[0] - want[a]) < 1e-6);
    }
    assert_int_equal(describe->state(kit.batch, 0, text, sizeof text), LATHE_OK);
    assert_non_null(strstr(text, "\"task\":\"payment_failed\",\"facts\":{\"charged\":\"false\""));
    assert_non_null(
        strstr(text, "\"done\":[\"lookup_user\",\"check_payment\"],\"last\":\"wasted\",\"t\":6}"));
    assert_int_equal(describe->state(kit.batch, 0, text, 20), LATHE_E_LIMIT);
    testkit_close(&kit);
}

/* Mean return of n tickets under the best or the random policy, with its standard error. */
static void play(const struct wf_scenario *s, const struct wf_solver *solver, int random,
                 double out[2])
{
    const uint32_t n = 20000;
    double sum = 0, sum2 = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t draws = lathe_splitmix_stream(7, LATHE_PURPOSE_ACTION, i);
        struct wf_ticket t;
        double ret = 0;
        wf_start(s, &t, lathe_splitmix_stream(7, LATHE_PURPOSE_EVAL, i));
        while (!t.over) {
            double terminal, value;
            uint32_t a = (uint32_t)(lathe_splitmix_double(&draws) * (double)s->n_tools);
            if (!random)
                assert_true(wf_solver_best(solver, &t.seen, &a, &value));
            ret += wf_step(s, &t, a, &terminal);
        }
        sum += ret;
        sum2 += ret * ret;
    }
    out[0] = sum / n;
    out[1] = sqrt((sum2 / n - out[0] * out[0]) / n);
}

static void played_tickets_agree_with_the_exact_values(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct wf_scenario s;
        struct wf_solver *solver;
        double got[2];
        read_scenario(ids[k], &s);
        assert_int_equal(wf_solver_open(&s, 0, &solver, NULL), LATHE_OK);
        play(&s, solver, 0, got);
        assert_true(fabs(got[0] - published[k].ret) < 4 * got[1]);
        play(&s, solver, 1, got);
        assert_true(fabs(got[0] - published[k].random_ret) < 4 * got[1]);
        wf_solver_close(solver);
        wf_scenario_fini(&s);
    }
}

static void results_do_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts(PLUGIN, "customer_support", NULL);
    check_cuts(PLUGIN, "data_analysis", NULL);
}

static void snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot(PLUGIN, "code_review", NULL);
}

static void an_unknown_tool_is_refused(void **state)
{
    const int32_t bad = 11;

    (void)state;
    check_bad_action(PLUGIN, "customer_support", &bad);
}

static void a_trial_keeps_the_ticket_and_changes_the_noise(void **state)
{
    double returns[2][64] = {{0}};
    uint32_t lengths[64] = {0};
    struct testkit a, b;
    char options[200];

    (void)state;
    open_kit(&a, "data_analysis", 64, NULL);
    open_kit(&b, "data_analysis", 64, NULL);
    reset_to(&a, 9, LATHE_PURPOSE_EVAL);
    for (uint32_t i = 0; i < 64; i++) {
        (void)snprintf(
            options, sizeof options, "{\"reset_state\":\"0x%llx\",\"step_state\":\"%llu\"}",
            (unsigned long long)lathe_splitmix_stream(9, LATHE_PURPOSE_EVAL, i),
            (unsigned long long)lathe_splitmix_stream(9, LATHE_PURPOSE_TRIAL, i * 64 + 1));
        b.io.options_json = options;
        assert_int_equal(b.env->reset(b.batch, i, 1, NULL, &b.io), LATHE_OK);
    }
    b.io.options_json = NULL;
    assert_memory_equal(a.obs, b.obs, 64 * (size_t)a.spec->obs_stride);
    assert_true(total(&a, "truth") == total(&b, "truth"));
    play_in_turn(&a, returns[0], lengths);
    play_in_turn(&b, returns[1], lengths);
    assert_memory_not_equal(returns[0], returns[1], sizeof returns[0]);
    b.io.options_json = "{\"reset_state\":-1.5}";
    assert_int_equal(b.env->reset(b.batch, 0, 1, NULL, &b.io), LATHE_E_INVALID);
    b.io.options_json = "{\"noise\":1}";
    assert_int_equal(b.env->reset(b.batch, 0, 1, NULL, &b.io), LATHE_E_INVALID);
    testkit_close(&a);
    testkit_close(&b);
}

static void without_seeds_the_next_ticket_follows_from_the_last(void **state)
{
    struct testkit a, b;

    (void)state;
    open_kit(&a, "customer_support", 4, NULL);
    open_kit(&b, "customer_support", 4, NULL);
    reset_to(&a, 1, LATHE_PURPOSE_TRAIN);
    reset_to(&b, 1, LATHE_PURPOSE_TRAIN);
    for (int k = 0; k < 5; k++) {
        assert_int_equal(a.env->reset(a.batch, 0, 4, NULL, &a.io), LATHE_OK);
        assert_int_equal(b.env->reset(b.batch, 0, 2, NULL, &b.io), LATHE_OK);
        assert_int_equal(b.env->reset(b.batch, 2, 2, NULL, &b.io), LATHE_OK);
        assert_memory_equal(a.obs, b.obs, 4 * (size_t)a.spec->obs_stride);
    }
    testkit_close(&a);
    testkit_close(&b);
}

static void sparse_rewards_count_the_end_alone(void **state)
{
    static const char *const options[] = {"reward_mode", "sparse", NULL};
    double returns[50] = {0};
    uint32_t lengths[50] = {0};
    struct testkit kit;

    (void)state;
    open_kit(&kit, "code_review", 50, options);
    reset_to(&kit, 3, LATHE_PURPOSE_EVAL);
    play_in_turn(&kit, returns, lengths);
    for (int i = 0; i < 50; i++)
        assert_true(returns[i] == 10.0 || returns[i] == -10.0);
    testkit_close(&kit);
}

static void a_state_gives_the_observation_of_its_ticket(void **state)
{
    const struct lathe_env_describe *describe;
    struct lathe_error err = {0};
    struct testkit kit;
    float obs[64];
    char text[1024];

    (void)state;
    open_kit(&kit, "code_review", 20, NULL);
    describe = kit.env->extension(kit.batch, LATHE_ENV_DESCRIBE);
    assert_int_equal(describe->n_actions, 11);
    assert_string_equal(describe->action_names[5], "approve");
    reset_to(&kit, 5, LATHE_PURPOSE_EVAL);
    for (int32_t t = 0; t < 12; t++) {
        for (uint32_t i = 0; i < 20; i++) {
            ((int32_t *)kit.act)[i] = t == 0 ? 0 : (int32_t)((uint32_t)t * (i + 3) % 11);
            assert_int_equal(describe->state(kit.batch, i, text, sizeof text), LATHE_OK);
            assert_int_equal(describe->observe(kit.batch, text, obs, &err), LATHE_OK);
            assert_memory_equal(obs, (float *)kit.obs + 38 * i, 38 * sizeof *obs);
        }
        assert_int_equal(kit.env->step(kit.batch, 0, 20, &kit.io), LATHE_OK);
    }
    assert_int_equal(
        describe->observe(kit.batch, "{\"label\":\"pr_003_documentation\"}", obs, &err), LATHE_OK);
    assert_true(obs[2] == 1.0f && obs[33] == 1.0f && obs[37] == 0.0f);
    assert_int_equal(describe->observe(kit.batch, "{\"label\":\"pr_9\"}", obs, &err),
                     LATHE_E_INVALID);
    assert_string_equal(err.field, "label");
    assert_int_equal(describe->observe(kit.batch,
                                       "{\"label\":\"pr_003_documentation\",\"done\":[\"x\"]}", obs,
                                       &err),
                     LATHE_E_INVALID);
    assert_string_equal(err.field, "done");
    testkit_close(&kit);
}

/* Parses text or fails. */
static json_t *parsed(const char *text)
{
    json_error_t where;
    json_t *v = json_loads(text, JSON_REJECT_DUPLICATES, &where);

    if (v == NULL)
        fail_msg("%s in %.300s", where.text, text);
    return v;
}

static double member(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_number(v))
        fail_msg("no number %s", key);
    return json_number_value(v);
}

static void a_report_says_what_happened(void **state)
{
    double returns[N_TICKETS] = {0};
    uint32_t lengths[N_TICKETS] = {0};
    const struct lathe_env_report *report;
    struct testkit kit;
    char *text = calloc(1, 16384);
    json_t *o, *m;

    (void)state;
    assert_non_null(text);
    open_kit(&kit, "code_review", N_TICKETS, NULL);
    reset_to(&kit, 42, LATHE_PURPOSE_EVAL);
    play_in_turn(&kit, returns, lengths);
    report = kit.env->extension(kit.batch, LATHE_ENV_REPORT);
    assert_int_equal(report->report(kit.batch, N_TICKETS, kit.info, returns, lengths, text, 100),
                     LATHE_E_LIMIT);
    assert_int_equal(report->report(kit.batch, N_TICKETS, kit.info, returns, lengths, text, 16384),
                     LATHE_OK);
    o = parsed(text);
    m = json_object_get(o, "metrics");
    assert_true(member(o, "successes") == 20 && member(o, "accuracy") == 2.0);
    assert_true(fabs(member(o, "mean_return") + 8.5904) < 1e-6);
    assert_true(fabs(member(o, "tool_reliability") - 5467.0 / 10690.0) < 1e-12);
    assert_true(fabs(member(o, "score") - (-8.5904 + 15.346942) / (14.752428 + 15.346942)) < 1e-6);
    assert_true(fabs(json_number_value(json_array_get(json_object_get(o, "accuracy_ci95"), 0)) -
                     1.298622) < 1e-3);
    assert_true(member(m, "false_positive_rate") >= 0.0 && member(m, "review_completeness") <= 1.0);
    assert_true(json_is_false(json_object_get(o, "targets_met")));
    assert_int_equal(json_array_size(json_object_get(o, "per_task")), 6);
    assert_int_equal(json_array_size(json_array_get(json_object_get(o, "confusion"), 0)), 4);
    json_decref(o);
    assert_int_equal(report->report(kit.batch, 0, kit.info, returns, lengths, text, 16384),
                     LATHE_OK);
    json_decref(parsed(text));
    free(text);
    testkit_close(&kit);
}

static void rendering_and_solving_write_valid_json(void **state)
{
    const struct lathe_env_render *render;
    const struct lathe_env_solve *solve;
    struct lathe_error err = {0};
    struct testkit kit;
    char *text = calloc(1, 65536);
    uint32_t dims[4];
    json_t *o;

    (void)state;
    assert_non_null(text);
    open_kit(&kit, "customer_support", 1, NULL);
    reset_to(&kit, 1, LATHE_PURPOSE_INTERACTIVE);
    render = kit.env->extension(kit.batch, LATHE_ENV_RENDER);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_JSON, text, 65536, dims), LATHE_OK);
    o = parsed(text);
    assert_int_equal(json_array_size(json_object_get(o, "tools")), 11);
    assert_int_equal(dims[0], strlen(text));
    json_decref(o);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, 65536, dims), LATHE_OK);
    assert_true(strncmp(text, "Ticket labelled ", 16) == 0);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, 8, dims), LATHE_E_LIMIT);
    solve = kit.env->extension(kit.batch, LATHE_ENV_SOLVE);
    assert_int_equal(
        solve->solve(
            kit.batch,
            "{\"definition\":true,\"state\":{\"label\":\"payment_failed\",\"task\":"
            "\"payment_failed\",\"facts\":{\"charged\":\"true\"},\"done\":[\"lookup_user\","
            "\"check_payment\"],\"last\":\"ok\",\"t\":2}}",
            text, 65536, &err),
        LATHE_OK);
    o = parsed(text);
    assert_string_equal(json_string_value(json_object_get(o, "optimal_action")), "refund");
    assert_digits(member(o, "optimal_return"), 11.867422, 6);
    assert_int_equal(strlen(json_string_value(json_object_get(o, "sha256"))), 64);
    assert_int_equal(json_array_size(json_object_get(json_object_get(o, "definition"), "tools")),
                     11);
    json_decref(o);
    assert_int_equal(solve->solve(kit.batch, "{\"state\":{\"label\":\"x\"}}", text, 65536, &err),
                     LATHE_E_INVALID);
    free(text);
    testkit_close(&kit);
}

static void a_copy_of_a_definition_is_the_same_scenario(void **state)
{
    char *text = definition_of("customer_support"), *copy;
    json_t *o = parsed(text);
    struct wf_scenario a, b;
    struct lathe_error err = {0};

    (void)state; /* key order and blanks do not matter, members do */
    copy = json_dumps(o, JSON_INDENT(3) | JSON_SORT_KEYS);
    assert_int_equal(wf_scenario_read(&a, text, strlen(text), &err), LATHE_OK);
    assert_int_equal(wf_scenario_read(&b, copy, strlen(copy), &err), LATHE_OK);
    assert_string_equal(a.sha256, b.sha256);
    assert_string_equal(a.sha256,
                        "eeceb1a1216bc5a31e194b1fad5b11b0512b53430e7e4568a874141a947c6848");
    wf_scenario_fini(&b);
    json_object_set_new(o, "id", json_string("other"));
    free(copy);
    copy = json_dumps(o, JSON_COMPACT);
    assert_int_equal(wf_scenario_read(&b, copy, strlen(copy), &err), LATHE_OK);
    assert_string_not_equal(a.sha256, b.sha256);
    wf_scenario_fini(&a);
    wf_scenario_fini(&b);
    json_decref(o);
    free(copy);
    free(text);
}

/* The small scenario of the tests below; %s are tools, plan and extra members. */
#define SMALL(extra, cost, plan, when)                                                             \
    "{\"id\":\"small\",\"max_steps\":6" extra ",\"tools\":[{\"name\":\"look\",\"kind\":\"probe\"," \
    "\"cost\":" cost                                                                               \
    ",\"identifies\":true},{\"name\":\"fix\",\"kind\":\"act\"},{\"name\":\"end\","                 \
    "\"kind\":\"final\"}],\"facts\":[{\"name\":\"broken\",\"revealed_by\":\"look\"}],\"tasks\":[{" \
    "\"id\":\"one\",\"weight\":1,\"priors\":{\"broken\":0.5},\"plan\":[" plan "],\"finals\":[{"    \
    "\"tool\":\"end\"" when "}]}]}"

static void definitions_out_of_bounds_are_refused_by_member(void **state)
{
    static const struct {
        const char *json, *field;
    } bad[] = {
        {"{", "definition"},
        {"[]", ""},
        {SMALL(",\"color\":1", "0", "{\"tool\":\"look\"}", ""), "color"},
        {SMALL(",\"label_noise\":1.5", "0", "{\"tool\":\"look\"}", ""), "label_noise"},
        {SMALL(",\"label_noise\":0.5", "0", "{\"tool\":\"look\"}", ""), "label_noise"},
        {SMALL("", "-1", "{\"tool\":\"look\"}", ""), "tools[0].cost"},
        {SMALL("", "\"x\"", "{\"tool\":\"look\"}", ""), "tools[0].cost"},
        {SMALL("", "0", "{\"tool\":\"nothing\"}", ""), "tasks[0].plan[0].tool"},
        {SMALL("", "0", "{\"tool\":\"end\"}", ""), "tasks[0].plan[0]"},
        {SMALL("", "0", "{\"tool\":\"look\"},{\"tool\":\"look\"}", ""), "tasks[0].plan[1]"},
        {SMALL("", "0",
               "{\"tool\":\"look\",\"after\":[\"fix\"]},{\"tool\":\"fix\",\"after\":[\"look\"]}",
               ""),
         "tasks[0].plan"},
        {SMALL("", "0", "{\"tool\":\"fix\",\"pass\":2}", ""), "tasks[0].plan[0].pass"},
        {SMALL("", "0", "{\"tool\":\"fix\",\"when\":[[{\"fact\":\"x\"}]]}", ""),
         "tasks[0].plan[0].when[0][0]"},
        {SMALL("", "0", "", ",\"when\":[{}]"), "tasks[0].finals[0].when[0]"},
        {SMALL(",\"rewards\":{\"success\":1e9}", "0", "", ""), "rewards.success"},
        {"{\"id\":\"Bad\"}", "id"},
        {"{\"id\":\"x\",\"max_steps\":65}", "max_steps"},
        {"{\"id\":\"x\",\"max_steps\":2.5}", "max_steps"},
        {"{\"id\":\"x\",\"max_steps\":2}", "tools"},
    };

    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        struct lathe_error err = {0};
        struct wf_scenario s;
        if (wf_scenario_read(&s, bad[k].json, strlen(bad[k].json), &err) != LATHE_E_INVALID ||
            strcmp(err.field, bad[k].field) != 0)
            fail_msg("%s: [%s] %s", bad[k].json, err.field, err.text);
        wf_scenario_fini(&s);
    }
}

static void a_small_scenario_is_solved_by_hand(void **state)
{
    static const char json[] = SMALL(
        "", "0.5",
        "{\"tool\":\"look\"},{\"tool\":\"fix\",\"when\":[[{\"fact\":\"broken\",\"is\":true}]]}",
        "");
    static const char *const options[] = {"definition", json, NULL};
    const struct lathe_env_solve *solve;
    struct testkit kit;
    char text[2048];
    json_t *o;

    (void)state; /* look: -0.5 + 1; fix in half of the tickets: + 1; end: + 10 */
    open_kit(&kit, "workflow_mdp", 1, options);
    assert_int_equal(kit.spec->obs_stride, 4 * (2 + 2 + 3 + 5));
    solve = kit.env->extension(kit.batch, LATHE_ENV_SOLVE);
    assert_int_equal(solve->solve(kit.batch, NULL, text, sizeof text, NULL), LATHE_OK);
    o = parsed(text);
    assert_true(fabs(member(o, "optimal_return") - 11.0) < 1e-12);
    assert_true(fabs(member(o, "optimal_steps") - 2.5) < 1e-12);
    assert_true(json_is_false(json_object_get(o, "unsolvable")));
    json_decref(o);
    testkit_close(&kit);
}

static void a_scenario_that_cannot_succeed_is_flagged(void **state)
{
    static const char json[] = SMALL("", "0", "{\"tool\":\"fix\",\"pass\":0}", "");
    struct wf_scenario s;
    struct wf_solver *solver;

    (void)state;
    assert_int_equal(wf_scenario_read(&s, json, sizeof json - 1, NULL), LATHE_OK);
    assert_int_equal(wf_solver_open(&s, 0, &solver, NULL), LATHE_OK);
    assert_true(wf_solver_analysis(solver)->exact && wf_solver_analysis(solver)->unsolvable);
    wf_solver_close(solver);
    wf_scenario_fini(&s);
}

/* 15 free items and 8 facts over 64 steps: too many states to list. */
static char *huge_definition(void)
{
    char *text = calloc(1, 16384);
    size_t n;

    assert_non_null(text);
    n = (size_t)sprintf(
        text, "{\"id\":\"huge\",\"max_steps\":64,\"tools\":[{\"name\":\"end\",\"kind\":\"final\"}");
    for (int k = 0; k < 15; k++)
        n += (size_t)sprintf(
            text + n, ",{\"name\":\"t%d\",\"kind\":\"probe\",\"fault\":0.1,\"identifies\":true}",
            k);
    n += (size_t)sprintf(text + n, "],\"facts\":[");
    for (int k = 0; k < 8; k++)
        n += (size_t)sprintf(text + n, "%s{\"name\":\"f%d\",\"revealed_by\":\"t%d\"}", k ? "," : "",
                             k, k);
    n += (size_t)sprintf(text + n, "],\"tasks\":[{\"id\":\"a\",\"weight\":1,\"priors\":{");
    for (int k = 0; k < 8; k++)
        n += (size_t)sprintf(text + n, "%s\"f%d\":0.5", k ? "," : "", k);
    n += (size_t)sprintf(text + n, "},\"plan\":[");
    for (int k = 0; k < 15; k++)
        n += (size_t)sprintf(text + n, "%s{\"tool\":\"t%d\"}", k ? "," : "", k);
    (void)sprintf(text + n, "],\"finals\":[{\"tool\":\"end\"}]}]}");
    return text;
}

static void too_many_states_fall_back_to_played_tickets(void **state)
{
    char *text = huge_definition();
    struct wf_scenario s;
    struct wf_solver *solver;
    const struct wf_analysis *v;

    (void)state;
    assert_int_equal(wf_scenario_read(&s, text, strlen(text), NULL), LATHE_OK);
    assert_int_equal(wf_solver_open(&s, 0, &solver, NULL), LATHE_OK);
    v = wf_solver_analysis(solver);
    assert_true(!v->exact && !v->unsolvable);
    assert_true(v->random.steps > 15.0 && v->random.steps <= 64.0);
    assert_true(v->random.reliability > 0.1 && v->random.reliability < 1.0);
    wf_solver_close(solver);
    wf_scenario_fini(&s);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_values_equal_the_published_table),
        cmocka_unit_test(recorded_tickets_play_as_published),
        cmocka_unit_test(interactive_ticket_one_plays_as_published),
        cmocka_unit_test(played_tickets_agree_with_the_exact_values),
        cmocka_unit_test(results_do_not_depend_on_cuts),
        cmocka_unit_test(snapshot_continues_bit_identically),
        cmocka_unit_test(an_unknown_tool_is_refused),
        cmocka_unit_test(a_trial_keeps_the_ticket_and_changes_the_noise),
        cmocka_unit_test(without_seeds_the_next_ticket_follows_from_the_last),
        cmocka_unit_test(sparse_rewards_count_the_end_alone),
        cmocka_unit_test(a_state_gives_the_observation_of_its_ticket),
        cmocka_unit_test(a_report_says_what_happened),
        cmocka_unit_test(rendering_and_solving_write_valid_json),
        cmocka_unit_test(a_copy_of_a_definition_is_the_same_scenario),
        cmocka_unit_test(definitions_out_of_bounds_are_refused_by_member),
        cmocka_unit_test(a_small_scenario_is_solved_by_hand),
        cmocka_unit_test(a_scenario_that_cannot_succeed_is_flagged),
        cmocka_unit_test(too_many_states_fall_back_to_played_tickets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
