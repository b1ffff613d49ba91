/* Taxi: recorded run, agreement with Gymnasium in every weather, exact optimum, mask. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void fives(void *act, uint32_t t)
{
    *(int32_t *)act = (int32_t)((5 * t + t / 7) % 6);
}

static void taxi_matches_the_recorded_run(void **state)
{
    const struct check_run run = {"taxi", "Taxi-v4", NULL, 300, 1, fives, {309}, {347}, -561, 1};

    (void)state;
    check_run(&run);
}

static void taxi_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("taxi", "Taxi-v4", NULL, "Taxi-v4.txt") >= 1300);
}

static void taxi_in_the_rain_agrees_with_gymnasium(void **state)
{
    static const char *const options[] = {"is_rainy", "true", NULL};

    (void)state;
    assert_true(check_golden("taxi", "Taxi-v4", options, "Taxi-v4-rain.txt") >= 1300);
}

static void fickle_taxi_agrees_with_gymnasium(void **state)
{
    static const char *const options[] = {"is_rainy", "true", "fickle_passenger", "true", NULL};

    (void)state;
    assert_true(check_golden("taxi", "Taxi-v4", options, "Taxi-v4-fickle.txt") >= 1300);
}

static void taxi_v4_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("taxi", "Taxi-v4", NULL);
}

static void taxi_v4_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("taxi", "Taxi-v4", NULL);
}

static void taxi_v4_refuses_a_bad_action(void **state)
{
    const int32_t bad = 99;

    (void)state;
    check_bad_action("taxi", "Taxi-v4", &bad);
}

static void the_exact_optimum_is_known(void **state)
{
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "taxi", "Taxi-v3", 1, NULL, NULL), LATHE_OK);
    assert_true(fabs(check_value(&kit, 200, 0) - 7.930) < 5e-4);
    testkit_close(&kit);
}

static void the_mask_allows_what_changes_the_state(void **state)
{
    const struct lathe_env_model *model;
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "taxi", "Taxi-v4", 1, NULL, NULL), LATHE_OK);
    model = kit.env->extension(kit.batch, LATHE_ENV_MODEL);
    assert_int_equal(kit.n_mask, 6);
    testkit_reset(&kit, 0);
    for (uint32_t t = 0; t < 500; t++) {
        for (uint32_t a = 0; a < 6; a++) {
            struct lathe_outcome out;
            assert_int_equal(
                model->transitions(kit.batch, (uint32_t)((int32_t *)kit.obs)[0], a, &out, 1), 1);
            assert_int_equal(kit.mask[a], out.next_state != (uint32_t)((int32_t *)kit.obs)[0]);
        }
        ((int32_t *)kit.act)[0] = (int32_t)((t * t + t / 3) % 6);
        testkit_advance(&kit);
    }
    testkit_close(&kit);
}

static void the_city_is_drawn_with_its_taxi(void **state)
{
    const struct lathe_env_render *render;
    const struct lathe_env_describe *describe;
    struct testkit kit;
    uint32_t dims[4];
    char text[200];

    (void)state;
    assert_int_equal(testkit_open(&kit, "taxi", "Taxi-v4", 1, NULL, NULL), LATHE_OK);
    testkit_reset(&kit, 7); /* state 309: row 3, column 0, passenger at Y, destination G */
    render = kit.env->extension(kit.batch, LATHE_ENV_RENDER);
    describe = kit.env->extension(kit.batch, LATHE_ENV_DESCRIBE);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, sizeof text, dims),
                     LATHE_OK);
    assert_non_null(strstr(text, "|x| : | : |\n"));
    assert_non_null(strstr(text, "passenger Y, destination G\n"));
    assert_int_equal(describe->state(kit.batch, 0, text, sizeof text), LATHE_OK);
    assert_string_equal(text, "{\"state\":309,\"row\":3,\"col\":0,\"passenger\":\"Y\","
                              "\"destination\":\"G\"}");
    testkit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taxi_matches_the_recorded_run),
        cmocka_unit_test(taxi_agrees_with_gymnasium),
        cmocka_unit_test(taxi_in_the_rain_agrees_with_gymnasium),
        cmocka_unit_test(fickle_taxi_agrees_with_gymnasium),
        cmocka_unit_test(taxi_v4_does_not_depend_on_cuts),
        cmocka_unit_test(taxi_v4_snapshot_continues_bit_identically),
        cmocka_unit_test(taxi_v4_refuses_a_bad_action),
        cmocka_unit_test(the_exact_optimum_is_known),
        cmocka_unit_test(the_mask_allows_what_changes_the_state),
        cmocka_unit_test(the_city_is_drawn_with_its_taxi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
