/* Cliff walking: recorded run, agreement with Gymnasium, exact optimum. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void fall(void *act, uint32_t t)
{
    static const int32_t a[4] = {0, 1, 1, 2};

    *(int32_t *)act = a[t % 4];
}

static void cliff_walking_matches_the_recorded_run(void **state)
{
    const struct check_run run = {
        "cliff_walking", "CliffWalking-v1", NULL, 60, 1, fall, {36}, {36}, -1545, 0};

    (void)state;
    check_run(&run);
}

static void cliff_walking_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("cliff_walking", "CliffWalking-v1", NULL, "CliffWalking-v1.txt") >=
                1300);
}

static void slippery_cliff_walking_agrees_with_gymnasium(void **state)
{
    static const char *const options[] = {"is_slippery", "true", NULL};

    (void)state;
    assert_true(check_golden("cliff_walking", "CliffWalking-v1", options,
                             "CliffWalkingSlippery-v1.txt") >= 1300);
}

static void cliffwalking_v1_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("cliff_walking", "CliffWalking-v1", NULL);
}

static void cliffwalking_v1_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("cliff_walking", "CliffWalking-v1", NULL);
}

static void cliffwalking_v1_refuses_a_bad_action(void **state)
{
    const int32_t bad = 99;

    (void)state;
    check_bad_action("cliff_walking", "CliffWalking-v1", &bad);
}

static void the_shortest_way_costs_thirteen(void **state)
{
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "cliff_walking", "CliffWalking-v1", 1, NULL, NULL),
                     LATHE_OK);
    assert_true(check_value(&kit, 200, 0) == -13.0);
    testkit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cliff_walking_matches_the_recorded_run),
        cmocka_unit_test(cliff_walking_agrees_with_gymnasium),
        cmocka_unit_test(slippery_cliff_walking_agrees_with_gymnasium),
        cmocka_unit_test(cliffwalking_v1_does_not_depend_on_cuts),
        cmocka_unit_test(cliffwalking_v1_snapshot_continues_bit_identically),
        cmocka_unit_test(cliffwalking_v1_refuses_a_bad_action),
        cmocka_unit_test(the_shortest_way_costs_thirteen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
