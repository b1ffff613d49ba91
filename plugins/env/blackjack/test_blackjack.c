/* Blackjack: recorded run, agreement with Gymnasium, hands stay inside the space. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void squares(void *act, uint32_t t)
{
    *(int32_t *)act = (int32_t)(t * t % 3 % 2);
}

static void blackjack_matches_the_recorded_run(void **state)
{
    const struct check_run run = {"blackjack", "Blackjack-v1", NULL,       500,  3,
                                  squares,     {19, 10, 0},    {18, 4, 0}, -161, 324};

    (void)state;
    check_run(&run);
}

static void blackjack_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("blackjack", "Blackjack-v1", NULL, "Blackjack-v1.txt") >= 1300);
}

static void blackjack_v1_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("blackjack", "Blackjack-v1", NULL);
}

static void blackjack_v1_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("blackjack", "Blackjack-v1", NULL);
}

static void blackjack_v1_refuses_a_bad_action(void **state)
{
    const int32_t bad = 99;

    (void)state;
    check_bad_action("blackjack", "Blackjack-v1", &bad);
}

static void hitting_on_after_a_bust_stays_inside_the_space(void **state)
{
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "blackjack", "Blackjack-v1", 64, NULL, NULL), LATHE_OK);
    testkit_reset(&kit, 0);
    for (uint32_t i = 0; i < 64; i++)
        ((int32_t *)kit.act)[i] = 1;
    for (uint32_t t = 0; t < 30; t++)
        assert_int_equal(kit.env->step(kit.batch, 0, 64, &kit.io), LATHE_OK);
    for (uint32_t i = 0; i < 64; i++) {
        assert_in_range(((int32_t *)kit.obs)[3 * i], 22, 31);
        assert_int_equal(kit.terminated[i], 1);
    }
    testkit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blackjack_matches_the_recorded_run),
        cmocka_unit_test(blackjack_agrees_with_gymnasium),
        cmocka_unit_test(blackjack_v1_does_not_depend_on_cuts),
        cmocka_unit_test(blackjack_v1_snapshot_continues_bit_identically),
        cmocka_unit_test(blackjack_v1_refuses_a_bad_action),
        cmocka_unit_test(hitting_on_after_a_bust_stays_inside_the_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
