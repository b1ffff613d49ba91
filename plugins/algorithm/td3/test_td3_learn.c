/* Learning quality, one seed: Pendulum to the bar of the ten-seed run in the README. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/box_learner.h"

static void pendulum_swings_up(void **state)
{
    static const struct box_learner td3 = {"td3", "td3", "", ""};
    struct rl_setup s = box_setup(
        &td3, rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1"), "",
        "learning_rate=1e-3;net_arch=[64,64];batch_size=128;gamma=0.98;learning_starts=1000");
    struct rl_run r;
    double mean;

    (void)state;
    s.n_envs = 1;
    s.total_steps = 10000;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 10000), LATHE_OK);
    mean = rl_evaluate(&r, 100, 10000, NULL);
    print_message("Pendulum: %.1f\n", mean);
    assert_true(mean >= -165);
    rl_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pendulum_swings_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
