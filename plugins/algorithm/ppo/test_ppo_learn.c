/* Learning quality, two seeds each: CartPole and the tool-use scenarios. */
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
    s.algo = rl_component("ppo", LATHE_KIND_ALGORITHM, "ppo");
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    s.algo_settings = settings;
    s.threads = 1;
    assert_true(s.env != NULL && s.algo != NULL && s.engine != NULL);
    return s;
}

static void cartpole_is_solved_in_100k_steps(void **state)
{
    struct rl_setup s = setup_of("cartpole", "CartPole-v1",
                                 "n_steps=32;batch_size=256;gae_lambda=0.8;gamma=0.98;n_epochs=20;"
                                 "learning_rate=1e-3;lr_schedule=linear;clip_schedule=linear");
    struct rl_run r;

    (void)state;
    s.n_envs = 8;
    s.total_steps = 100000;
    for (s.seed = 0; s.seed < 2; s.seed++) {
        double mean;
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        assert_int_equal(rl_steps(&r, 100000 / 8), LATHE_OK);
        mean = rl_evaluate(&r, 100, 10000, NULL);
        print_message("CartPole seed %u: %.1f\n", (unsigned)s.seed, mean);
        assert_true(mean >= 495);
        rl_close(&r);
    }
}

static void scenario(const char *id, double accuracy, double mean_return)
{
    struct rl_setup s = setup_of("workflow_mdp", id, "profile=agentgym;learning_rate=0.001");
    struct rl_run r;

    s.n_envs = 64;
    s.total_iterations = 200;
    for (s.seed = 1; s.seed <= 2; s.seed++) {
        double success, mean;
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        rl_evaluate(&r, 200, 1000003, &success);
        assert_true(success <= 0.10);
        assert_int_equal(rl_iterations(&r, 200), LATHE_OK);
        mean = rl_evaluate(&r, 2000, 1000003, &success);
        print_message("%s seed %u: accuracy %.4f, return %.3f\n", id, (unsigned)s.seed, success,
                      mean);
        assert_true(success >= accuracy && mean >= mean_return);
        rl_close(&r);
    }
}

static void customer_support_is_learned(void **state)
{
    (void)state;
    scenario("customer_support", 0.97, 11.5);
}

static void code_review_is_learned(void **state)
{
    (void)state;
    scenario("code_review", 0.95, 12.8);
}

static void data_analysis_is_learned(void **state)
{
    (void)state;
    scenario("data_analysis", 0.97, 15.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cartpole_is_solved_in_100k_steps),
        cmocka_unit_test(customer_support_is_learned),
        cmocka_unit_test(code_review_is_learned),
        cmocka_unit_test(data_analysis_is_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
