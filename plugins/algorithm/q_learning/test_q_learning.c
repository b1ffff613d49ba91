/* The tabular learners on problems with known answers, and exact resume. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/rl_harness.h"

static struct rl_setup setup_of(const char *file, const char *env, const char *algo,
                                const char *settings, uint64_t seed)
{
    struct rl_setup s;

    memset(&s, 0, sizeof s);
    s.env = rl_component(file, LATHE_KIND_ENV, env);
    s.algo = rl_component("q_learning", LATHE_KIND_ALGORITHM, algo);
    s.algo_settings = settings;
    s.n_envs = 1;
    s.threads = 1;
    s.seed = seed;
    assert_true(s.env != NULL && s.algo != NULL);
    return s;
}

static void scenarios_are_learned_from_hashed_keys(void **state)
{
    static const struct {
        const char *id;
        double want;
    } cases[] = {{"customer_support", 0.95}, {"code_review", 0.94}, {"data_analysis", 0.94}};
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        struct rl_setup s =
            setup_of("workflow_mdp", cases[i].id, "q_learning", "profile=agentgym", 1);
        struct rl_run r;
        double success;
        s.n_envs = 64;
        s.total_iterations = 200;
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        rl_evaluate(&r, 200, 1000003, &success);
        assert_true(success <= 0.1);
        assert_int_equal(rl_iterations(&r, 200), LATHE_OK);
        rl_evaluate(&r, 1000, 1000003, &success);
        assert_true(success >= cases[i].want);
        rl_close(&r);
    }
}

static void a_loaded_learner_is_the_saved_one(void **state)
{
    static const char *const algos[] = {"q_learning", "sarsa", "expected_sarsa", "double_q"};
    size_t i;

    (void)state;
    for (i = 0; i < 4; i++) {
        struct rl_setup s = setup_of("taxi", "Taxi-v4", algos[i], "alpha=0.5", 3);
        struct rl_store a, b, c;
        struct rl_run r, q;
        s.n_envs = 4;
        s.total_steps = 40000;
        rl_store_init(&a);
        rl_store_init(&b);
        rl_store_init(&c);
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        assert_int_equal(rl_steps(&r, 5000), LATHE_OK);
        assert_int_equal(r.algo->save(r.self, &a.writer), LATHE_OK);
        assert_int_equal(rl_open(&q, &s), LATHE_OK);
        assert_int_equal(q.algo->load(q.self, &a.reader, &q.err), LATHE_OK);
        assert_int_equal(q.algo->save(q.self, &b.writer), LATHE_OK);
        assert_true(rl_store_equal(&a, &b));
        /* learning changes what is saved */
        assert_int_equal(rl_steps(&r, 1000), LATHE_OK);
        assert_int_equal(r.algo->save(r.self, &c.writer), LATHE_OK);
        assert_false(rl_store_equal(&a, &c));
        rl_close(&r);
        rl_close(&q);
        rl_store_fini(&a);
        rl_store_fini(&b);
        rl_store_fini(&c);
    }
}

static void resume_equals_an_uninterrupted_run(void **state)
{
    struct rl_setup s =
        setup_of("workflow_mdp", "customer_support", "q_learning", "profile=agentgym", 5);
    struct rl_store half, a, b;
    struct rl_run r, q;

    (void)state;
    s.n_envs = 16;
    s.total_iterations = 40;
    rl_store_init(&half);
    rl_store_init(&a);
    rl_store_init(&b);
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_iterations(&r, 20), LATHE_OK);
    assert_int_equal(r.algo->save(r.self, &half.writer), LATHE_OK);
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(q.algo->load(q.self, &half.reader, &q.err), LATHE_OK);
    q.tickets = r.tickets;
    q.iterations = r.iterations;
    assert_int_equal(rl_iterations(&r, 20), LATHE_OK);
    assert_int_equal(rl_iterations(&q, 20), LATHE_OK);
    assert_int_equal(r.algo->save(r.self, &a.writer), LATHE_OK);
    assert_int_equal(q.algo->save(q.self, &b.writer), LATHE_OK);
    assert_true(rl_store_equal(&a, &b));
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&half);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static void a_foreign_checkpoint_is_refused(void **state)
{
    struct rl_setup s = setup_of("taxi", "Taxi-v4", "q_learning", "", 3);
    struct rl_setup f = setup_of("frozen_lake", "FrozenLake-v1", "q_learning", "", 3);
    struct rl_store a;
    struct rl_run r, q;

    (void)state;
    rl_store_init(&a);
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(r.algo->save(r.self, &a.writer), LATHE_OK);
    assert_int_equal(rl_open(&q, &f), LATHE_OK);
    assert_int_equal(q.algo->load(q.self, &a.reader, &q.err), LATHE_E_CORRUPT);
    assert_true(q.err.text[0] != '\0');
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_are_learned_from_hashed_keys),
        cmocka_unit_test(a_loaded_learner_is_the_saved_one),
        cmocka_unit_test(resume_equals_an_uninterrupted_run),
        cmocka_unit_test(a_foreign_checkpoint_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
