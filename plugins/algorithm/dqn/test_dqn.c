/* DQN on probe problems with known answers, and bit equality of resume, threads and instruction
 * sets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/probe_env.h"
#include "tests/support/rl_harness.h"

static struct rl_setup setup_of(const struct lathe_component *env, const char *algorithm,
                                const char *env_settings, const char *settings)
{
    struct rl_setup s;

    memset(&s, 0, sizeof s);
    s.env = env;
    s.algo = rl_component("dqn", LATHE_KIND_ALGORITHM, algorithm);
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    s.env_settings = env_settings;
    s.algo_settings = settings;
    s.n_envs = 4;
    s.threads = 1;
    s.seed = 1;
    s.total_steps = 20000;
    assert_true(s.env != NULL && s.algo != NULL && s.engine != NULL);
    return s;
}

static void look(struct rl_run *r, float obs, float *value, float *prob)
{
    struct lathe_obs o = {sizeof o, 0, 1, 0, &obs, NULL, 0, 0};
    int32_t a;
    struct lathe_act act = {sizeof act, 0, &a, prob, value};

    assert_int_equal(r->algo->act(r->self, &o, LATHE_ACT_GREEDY, &act), LATHE_OK);
}

static void near(float got, double want, double tolerance)
{
    if (!(fabs((double)got - want) <= tolerance))
        print_message("got %g, want %g\n", (double)got, want);
    assert_true(fabs((double)got - want) <= tolerance);
}

#define PROBE_SETTINGS                                                                       \
    "gamma=0.9;learning_rate=2e-3;target_update_interval=100;buffer_size=10000;lr_schedule=" \
    "linear;"

static void probe(const char *algorithm, const char *env_settings, const char *more, int32_t limit,
                  struct rl_run *r)
{
    char settings[400];
    struct rl_setup s;

    snprintf(settings, sizeof settings, PROBE_SETTINGS "%s", more);
    s = setup_of(&probe_env_component, algorithm, env_settings, settings);
    s.time_limit = limit;
    assert_int_equal(rl_open(r, &s), LATHE_OK);
    assert_int_equal(rl_steps(r, 5000), LATHE_OK);
}

static void solve_probes(const char *algorithm, const char *more)
{
    struct rl_run r;
    float v, p[2];

    probe(algorithm, "probe=a", more, 0, &r);
    look(&r, 0, &v, p);
    near(v, 1, 0.02);
    rl_close(&r);
    probe(algorithm, "probe=b", more, 0, &r);
    look(&r, 1, &v, NULL);
    near(v, 1, 0.03);
    look(&r, -1, &v, NULL);
    near(v, -1, 0.03);
    rl_close(&r);
    probe(algorithm, "probe=c", more, 0, &r);
    look(&r, 0, &v, NULL);
    near(v, 0.9, 0.03);
    look(&r, 1, &v, NULL);
    near(v, 1, 0.03);
    rl_close(&r);
    probe(algorithm, "probe=d", more, 0, &r);
    look(&r, 0, NULL, p);
    assert_true(p[1] >= 0.95f);
    rl_close(&r);
    probe(algorithm, "probe=e", more, 0, &r);
    assert_true(rl_evaluate(&r, 64, 3, NULL) >= 0.98);
    rl_close(&r);
    probe(algorithm, "probe=f", more, 5, &r);
    look(&r, 0, &v, NULL);
    near(v, 10, 0.5);
    rl_close(&r);
}

static void probes_have_their_known_answers(void **state)
{
    (void)state;
    solve_probes("dqn", "");
    solve_probes("dqn", "double=true;dueling=true;n_step=3");
    solve_probes("dqn", "per=true;huber=false");
    solve_probes("qrdqn", "quantile=16;learning_rate=3e-3");
}

static void a_cut_counts_as_an_end_only_when_asked(void **state)
{
    struct rl_run r;
    float v;

    (void)state;
    /* squared error: Huber's is nearer to the median of the two outcomes */
    probe("dqn", "probe=f", "bootstrap_truncation=false;huber=false", 5, &r);
    look(&r, 0, &v, NULL);
    assert_true(v > 3.0f && v < 4.2f);
    rl_close(&r);
}

/* ---- bit equality ---- */

#define SMALL                                                                          \
    "learning_starts=50;train_freq=8;gradient_steps=4;batch_size=300;buffer_size=700;" \
    "target_update_interval=60;net_arch=[40,24];learning_rate=1e-3;lr_schedule=linear"
#define EVERYTHING ";double=true;dueling=true;n_step=3;per=true;quantile=5"

static void save(struct rl_run *r, struct rl_store *s)
{
    rl_store_init(s);
    assert_int_equal(r->algo->save(r->self, &s->writer), LATHE_OK);
}

/* The state after 500 steps of 4 rows; LATHE_E_UNSUPPORTED when the CPU lacks the instruction set.
 */
static int32_t state_after(const char *settings, uint32_t threads, struct rl_store *out)
{
    struct rl_setup s =
        setup_of(rl_component("cartpole", LATHE_KIND_ENV, "CartPole-v1"), "dqn", "", settings);
    struct rl_run r;
    int32_t st;

    s.threads = threads;
    st = rl_open(&r, &s);
    if (st == LATHE_OK) {
        assert_int_equal(rl_steps(&r, 500), LATHE_OK);
        save(&r, out);
    }
    rl_close(&r);
    return st;
}

static void threads_and_isa_do_not_change_a_bit(void **state)
{
    static const char *const sets[2][3] = {
        {SMALL, SMALL ";isa=avx2", SMALL ";isa=portable"},
        {SMALL EVERYTHING, SMALL EVERYTHING ";isa=avx2", SMALL EVERYTHING ";isa=portable"}};
    size_t set, i;

    (void)state;
    for (set = 0; set < 2; set++) {
        struct rl_store first;
        assert_int_equal(state_after(sets[set][0], 1, &first), LATHE_OK);
        for (i = 1; i < 6; i++) {
            struct rl_store other;
            const int32_t st = state_after(sets[set][i / 2], i % 2 ? 2 : 1, &other);
            if (st == LATHE_E_UNSUPPORTED)
                continue;
            assert_int_equal(st, LATHE_OK);
            assert_true(rl_store_equal(&first, &other));
            rl_store_fini(&other);
        }
        rl_store_fini(&first);
    }
}

/* Copies a run: a second one with the same environment state that loads what the first saved. */
static void resume_continuous(const char *settings)
{
    struct rl_setup s =
        setup_of(rl_component("cartpole", LATHE_KIND_ENV, "CartPole-v1"), "dqn", "", settings);
    struct rl_store half, a, b;
    struct rl_run r, q;

    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 251), LATHE_OK);
    assert_int_equal(rl_steps(&q, 251), LATHE_OK); /* brings q's environments to the same place */
    save(&r, &half);
    r.algo->close(q.self);
    {
        struct lathe_algo_args aa;
        memset(&aa, 0, sizeof aa);
        aa.struct_size = sizeof aa;
        aa.spec = q.spec;
        aa.params = &q.algo_params.api;
        aa.engine = s.engine->vtable;
        aa.n_envs = s.n_envs;
        aa.threads = 2;
        aa.max_act_rows = 64;
        aa.seed = s.seed;
        aa.total_steps = s.total_steps;
        assert_int_equal(q.algo->open(&aa, &q.err, &q.self), LATHE_OK);
    }
    assert_int_equal(q.algo->load(q.self, &half.reader, &q.err), LATHE_OK);
    assert_int_equal(rl_steps(&r, 300), LATHE_OK);
    assert_int_equal(rl_steps(&q, 300), LATHE_OK);
    save(&r, &a);
    save(&q, &b);
    assert_true(rl_store_equal(&a, &b));
    assert_false(rl_store_equal(&a, &half));
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&half);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static void resume_equals_an_uninterrupted_run(void **state)
{
    (void)state;
    resume_continuous(SMALL);
    resume_continuous(SMALL EVERYTHING);
    resume_continuous("profile=cleanrl;learning_starts=100;target_update_interval=50");
}

static void resume_of_whole_episodes_is_exact(void **state)
{
    struct rl_setup s = setup_of(rl_component("workflow_mdp", LATHE_KIND_ENV, "customer_support"),
                                 "dqn", "", "profile=agentgym;target_update_interval=50");
    struct rl_store half, a, b;
    struct rl_run r, q;

    (void)state;
    s.n_envs = 16;
    s.total_iterations = 8;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_iterations(&r, 4), LATHE_OK);
    save(&r, &half);
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(q.algo->load(q.self, &half.reader, &q.err), LATHE_OK);
    q.tickets = r.tickets;
    q.iterations = r.iterations;
    assert_int_equal(rl_iterations(&r, 4), LATHE_OK);
    assert_int_equal(rl_iterations(&q, 4), LATHE_OK);
    save(&r, &a);
    save(&q, &b);
    assert_true(rl_store_equal(&a, &b));
    assert_false(rl_store_equal(&a, &half));
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&half);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

/* ---- refusals and edges ---- */

static int same_tensors(const struct rl_store *a, const struct rl_store *b, const char *prefix)
{
    uint32_t i;

    for (i = 0; i < a->n; i++)
        if (strncmp(a->list[i].name, prefix, strlen(prefix)) == 0 &&
            memcmp(a->list[i].data, b->list[i].data, a->list[i].len_bytes) != 0)
            return 0;
    return 1;
}

static void zero_learning_rate_changes_no_weight(void **state)
{
    struct rl_setup s =
        setup_of(&probe_env_component, "dqn", "probe=e", "learning_starts=8;learning_rate=0");
    struct rl_store a, b;
    struct rl_run r;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    save(&r, &a);
    assert_int_equal(rl_steps(&r, 64), LATHE_OK);
    save(&r, &b);
    assert_true(same_tensors(&a, &b, "policy/"));
    assert_false(same_tensors(&a, &b, "adam_m/"));
    rl_close(&r);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static void non_finite_rewards_stop_the_run_and_spare_the_weights(void **state)
{
    struct rl_setup s = setup_of(&probe_env_component, "dqn", "probe=w", "learning_starts=8");
    const struct lathe_algo_export *x;
    struct rl_store a, b;
    struct rl_run r;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    x = r.algo->extension(r.self, LATHE_ALGO_EXPORT);
    rl_store_init(&a);
    rl_store_init(&b);
    assert_int_equal(x->save_policy(r.self, &a.writer), LATHE_OK);
    assert_int_equal(rl_steps(&r, 16), LATHE_E_INTERNAL);
    assert_non_null(strstr(r.err.text, "finite"));
    assert_int_equal(x->save_policy(r.self, &b.writer), LATHE_OK);
    assert_true(rl_store_equal(&a, &b));
    rl_close(&r);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static void refuses(const char *settings, int32_t status, const char *field)
{
    struct rl_setup s = setup_of(&probe_env_component, "dqn", "probe=e", settings);
    struct rl_run r;

    assert_int_equal(rl_open(&r, &s), status);
    assert_string_equal(r.err.field, field);
    rl_close(&r);
}

static void options_that_cannot_work_are_named(void **state)
{
    struct rl_setup s =
        setup_of(rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1"), "dqn", "", "");
    struct rl_run r;

    (void)state;
    refuses("gradient_steps=0", LATHE_E_INVALID, "gradient_steps");
    refuses("learning_starts=20000", LATHE_E_INVALID, "learning_starts");
    refuses("net_arch=[]", LATHE_E_INVALID, "net_arch");
    assert_int_equal(rl_open(&r, &s), LATHE_E_UNSUPPORTED);
    rl_close(&r);
}

static void a_cancelled_update_ends_at_once(void **state)
{
    struct rl_setup s = setup_of(&probe_env_component, "dqn", "probe=e",
                                 "learning_starts=8;train_freq=16;gradient_steps=1000000");
    struct rl_run r;
    struct lathe_budget budget = {sizeof budget, 0, 1000000, NULL, NULL};
    struct rl_store store;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 3), LATHE_OK);
    {
        float obs[4] = {1, 1, 1, 1}, reward[4] = {0};
        int32_t acts[4];
        uint8_t ones[4] = {1, 1, 1, 1}, zeros[4] = {0};
        uint32_t ended[4] = {0, 1, 2, 3};
        struct lathe_obs o = {sizeof o, 0, 4, 0, obs, NULL, 0, 0};
        struct lathe_act act = {sizeof act, 0, acts, NULL, NULL};
        struct lathe_transition tr = {sizeof tr, 0,     4,   4,   obs,   acts, reward,
                                      ones,      zeros, obs, obs, ended, NULL, NULL};
        assert_int_equal(r.algo->act(r.self, &o, LATHE_ACT_EXPLORE, &act), LATHE_OK);
        assert_int_equal(r.algo->observe(r.self, &tr), LATHE_UPDATE_DUE);
        assert_int_equal(r.algo->update(r.self, &budget, NULL, &r.err), LATHE_AGAIN);
        /* neither acting nor saving inside an update */
        assert_int_equal(r.algo->act(r.self, &o, LATHE_ACT_EXPLORE, &act), LATHE_E_CONFLICT);
        rl_store_init(&store);
        assert_int_equal(r.algo->save(r.self, &store.writer), LATHE_E_CONFLICT);
        rl_store_fini(&store);
    }
    rl_close(&r);
}

static void descriptions_and_policies_travel(void **state)
{
    struct rl_setup s = setup_of(&probe_env_component, "dqn", "probe=e", "dueling=true");
    const struct lathe_algo_export *x;
    struct rl_store policy, full;
    struct rl_run r, q;
    char json[1024];
    float v[2];

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 100), LATHE_OK);
    x = r.algo->extension(r.self, LATHE_ALGO_EXPORT);
    assert_int_equal(x->describe(r.self, json, sizeof json), LATHE_OK);
    assert_non_null(strstr(json, "\"dueling\":true"));
    assert_int_equal(x->describe(r.self, json, 40), LATHE_E_LIMIT);
    rl_store_init(&policy);
    assert_int_equal(x->save_policy(r.self, &policy.writer), LATHE_OK);
    s.seed = 99;
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(x->load_policy(q.self, &policy.reader, &q.err), LATHE_OK);
    look(&r, 1, &v[0], NULL);
    look(&q, 1, &v[1], NULL);
    assert_memory_equal(&v[0], &v[1], sizeof v[0]);
    save(&r, &full);
    rl_close(&q);
    s.algo_settings = "dueling=true;net_arch=[32]";
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(x->load_policy(q.self, &policy.reader, &q.err), LATHE_E_CORRUPT);
    rl_close(&q);
    rl_close(&r);
    rl_store_fini(&policy);
    rl_store_fini(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_have_their_known_answers),
        cmocka_unit_test(a_cut_counts_as_an_end_only_when_asked),
        cmocka_unit_test(threads_and_isa_do_not_change_a_bit),
        cmocka_unit_test(resume_equals_an_uninterrupted_run),
        cmocka_unit_test(resume_of_whole_episodes_is_exact),
        cmocka_unit_test(zero_learning_rate_changes_no_weight),
        cmocka_unit_test(non_finite_rewards_stop_the_run_and_spare_the_weights),
        cmocka_unit_test(options_that_cannot_work_are_named),
        cmocka_unit_test(a_cancelled_update_ends_at_once),
        cmocka_unit_test(descriptions_and_policies_travel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
