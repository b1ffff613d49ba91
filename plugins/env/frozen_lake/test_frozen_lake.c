/* Frozen lake: recorded runs, agreement with Gymnasium, exact optimum, maps. */
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
    *(int32_t *)act = (int32_t)((t * t + 1) % 4);
}

static void frozen_lake_4x4_matches_the_recorded_run(void **state)
{
    const struct check_run run = {
        "frozen_lake", "FrozenLake-v1", NULL, 200, 1, squares, {0}, {0}, 1, 38};

    (void)state;
    check_run(&run);
}

static void frozen_lake_8x8_matches_the_recorded_run(void **state)
{
    const struct check_run run = {
        "frozen_lake", "FrozenLake8x8-v1", NULL, 300, 1, squares, {0}, {2}, 0, 19};

    (void)state;
    check_run(&run);
}

static void frozen_lake_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("frozen_lake", "FrozenLake-v1", NULL, "FrozenLake-v1.txt") >= 1300);
}

static void frozen_lake_8x8_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("frozen_lake", "FrozenLake8x8-v1", NULL, "FrozenLake8x8-v1.txt") >=
                1300);
}

static void frozenlake_v1_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("frozen_lake", "FrozenLake-v1", NULL);
}

static void frozenlake_v1_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("frozen_lake", "FrozenLake-v1", NULL);
}

static void frozenlake_v1_refuses_a_bad_action(void **state)
{
    const int32_t bad = -1;

    (void)state;
    check_bad_action("frozen_lake", "FrozenLake-v1", &bad);
}

static void frozen_lake_optimum_within_the_limit_is_known(void **state)
{
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "frozen_lake", "FrozenLake-v1", 1, NULL, NULL), LATHE_OK);
    assert_true(fabs(check_value(&kit, 100, 0) - 0.7442) < 5e-5);
    testkit_close(&kit);
    assert_int_equal(testkit_open(&kit, "frozen_lake", "FrozenLake8x8-v1", 1, NULL, NULL),
                     LATHE_OK);
    assert_true(fabs(check_value(&kit, 200, 0) - 0.9132) < 5e-5);
    testkit_close(&kit);
}

static void firm_ice_is_solved_in_six_steps(void **state)
{
    static const char *const options[] = {"is_slippery", "false", NULL};
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "frozen_lake", "FrozenLake-v1", 1, options, NULL),
                     LATHE_OK);
    assert_true(check_value(&kit, 5, 0) == 0.0);
    assert_true(check_value(&kit, 6, 0) == 1.0);
    testkit_close(&kit);
}

static void a_random_map_equals_gymnasiums_and_shows_its_walker(void **state)
{
    static const char *const options[] = {"map_name", "random", "size", "5", "map_seed", "3", NULL};
    const struct lathe_env_render *render;
    struct testkit kit;
    uint32_t dims[4];
    char text[100];

    (void)state;
    assert_int_equal(testkit_open(&kit, "frozen_lake", "FrozenLake-v1", 1, options, NULL),
                     LATHE_OK);
    assert_int_equal(kit.spec->obs->n, 25);
    testkit_reset(&kit, 0);
    render = kit.env->extension(kit.batch, LATHE_ENV_RENDER);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, sizeof text, dims),
                     LATHE_OK);
    assert_string_equal(
        text,
        "[S] F  H  F  F \n F  F  F  F  F \n F  F  F  F  F \n H  F  F  F  F \n F  H  F  F  G \n");
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, 9, dims), LATHE_E_LIMIT);
    assert_int_equal(dims[0], 5 * 16 + 1);
    testkit_close(&kit);
}

static void bad_maps_are_refused(void **state)
{
    static const char *const ragged[] = {"map_rows", "SFF FFG FG", NULL};
    static const char *const tile[] = {"map_rows", "SXG", NULL};
    static const char *const no_start[] = {"map_rows", "FFG", NULL};
    static const char *const holes[] = {"map_name", "random", "frozen_probability", "0", NULL};
    static const char *const *const bad[] = {ragged, tile, no_start, holes};
    struct lathe_error err;
    struct testkit kit;

    (void)state;
    for (int k = 0; k < 4; k++) {
        assert_int_equal(testkit_open(&kit, "frozen_lake", "FrozenLake-v1", 1, bad[k], &err),
                         LATHE_E_INVALID);
        assert_string_equal(err.field, k == 3 ? "frozen_probability" : "map_rows");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_lake_4x4_matches_the_recorded_run),
        cmocka_unit_test(frozen_lake_8x8_matches_the_recorded_run),
        cmocka_unit_test(frozen_lake_agrees_with_gymnasium),
        cmocka_unit_test(frozen_lake_8x8_agrees_with_gymnasium),
        cmocka_unit_test(frozenlake_v1_does_not_depend_on_cuts),
        cmocka_unit_test(frozenlake_v1_snapshot_continues_bit_identically),
        cmocka_unit_test(frozenlake_v1_refuses_a_bad_action),
        cmocka_unit_test(frozen_lake_optimum_within_the_limit_is_known),
        cmocka_unit_test(firm_ice_is_solved_in_six_steps),
        cmocka_unit_test(a_random_map_equals_gymnasiums_and_shows_its_walker),
        cmocka_unit_test(bad_maps_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
