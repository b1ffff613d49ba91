/* Learning quality, two seeds each: CartPole with the CleanRL settings, and the tool-use scenarios.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/rl_harness.h"

static struct rl_setup setup_of(const char *file, const char *env, const char *settings)
{
    struct rl_setup s;

    memset(&s, 0, sizeof s);
    s.env = rl_component(file, LATHE_KIND_ENV, env);
    s.algo = rl_component("dqn", LATHE_KIND_ALGORITHM, "dqn");
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    s.algo_settings = settings;
    s.threads = 1;
    assert_true(s.env != NULL && s.algo != NULL && s.engine != NULL);
    return s;
}

static void cartpole_is_solved_in_500k_steps(void **state)
{
    struct rl_setup s = setup_of("cartpole", "CartPole-v1", "profile=cleanrl");
    struct rl_run r;

    (void)state;
    s.n_envs = 1;
    s.total_steps = 500000;
    for (s.seed = 0; s.seed < 2; s.seed++) {
        double mean;
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        assert_int_equal(rl_steps(&r, s.total_steps), LATHE_OK);
        mean = rl_evaluate(&r, 100, 10000, NULL);
        print_message("CartPole seed %u: %.1f\n", (unsigned)s.seed, mean);
        assert_true(mean >= 470);
        rl_close(&r);
    }
}

static void scenario(const char *id, double accuracy)
{
    struct rl_setup s = setup_of("workflow_mdp", id, "profile=agentgym");
    struct rl_run r;

    s.n_envs = 64;
    s.total_iterations = 200;
    for (s.seed = 1; s.seed <= 2; s.seed++) {
        double success, mean;
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        assert_int_equal(rl_iterations(&r, 200), LATHE_OK);
        mean = rl_evaluate(&r, 2000, 1000003, &success);
        print_message("%s seed %u: accuracy %.4f, return %.3f\n", id, (unsigned)s.seed, success,
                      mean);
        assert_true(success >= accuracy);
        rl_close(&r);
    }
}

static void customer_support_is_learned(void **state)
{
    (void)state;
    scenario("customer_support", 0.95);
}

static void code_review_is_learned(void **state)
{
    (void)state;
    scenario("code_review", 0.90);
}

static void data_analysis_is_learned(void **state)
{
    (void)state;
    scenario("data_analysis", 0.95);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cartpole_is_solved_in_500k_steps),
        cmocka_unit_test(customer_support_is_learned),
        cmocka_unit_test(code_review_is_learned),
        cmocka_unit_test(data_analysis_is_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
