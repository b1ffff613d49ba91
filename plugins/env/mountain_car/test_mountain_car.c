/* Mountain car, both kinds: recorded runs, agreement with Gymnasium, equal bits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"
#include "plugins/env/common/env_math.h"
#include "plugins/env/mountain_car/mountain_car_kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void twenties(void *act, uint32_t t)
{
    *(int32_t *)act = (int32_t)(t / 20 % 3);
}

static void mountain_car_matches_the_recorded_run(void **state)
{
    const struct check_run run = {"mountain_car",
                                  "MountainCar-v0",
                                  NULL,
                                  250,
                                  2,
                                  twenties,
                                  {-0.474980921, 0},
                                  {-0.410363346, -0.00329513801},
                                  -250,
                                  1};

    (void)state;
    check_run(&run);
}

static void wave(void *act, uint32_t t)
{
    *(float *)act = (float)(1.3 * sin(0.05 * (double)t));
}

static void mountain_car_continuous_matches_the_recorded_run(void **state)
{
    const struct check_run run = {
        "mountain_car",    "MountainCarContinuous-v0",   NULL,       300, 2, wave,
        {-0.474980921, 0}, {-0.317887545, 0.0106478548}, 173.851542, 2};

    (void)state;
    check_run(&run);
}

static void mountain_car_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("mountain_car", "MountainCar-v0", NULL, "MountainCar-v0.txt") >= 1300);
}

static void mountain_car_continuous_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("mountain_car", "MountainCarContinuous-v0", NULL,
                             "MountainCarContinuous-v0.txt") >= 1300);
}

static void mountaincar_v0_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("mountain_car", "MountainCar-v0", NULL);
}

static void mountaincar_v0_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("mountain_car", "MountainCar-v0", NULL);
}

static void mountaincar_v0_refuses_a_bad_action(void **state)
{
    const int32_t bad = -1;

    (void)state;
    check_bad_action("mountain_car", "MountainCar-v0", &bad);
}

static void mountaincarcontinuous_v0_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("mountain_car", "MountainCarContinuous-v0", NULL);
}

static void mountaincarcontinuous_v0_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("mountain_car", "MountainCarContinuous-v0", NULL);
}

static void mountaincarcontinuous_v0_refuses_a_bad_action(void **state)
{
    const float bad = (float)NAN;

    (void)state;
    check_bad_action("mountain_car", "MountainCarContinuous-v0", &bad);
}

/* 200 steps of 77 rows on one instruction set; out receives the states. */
static void run_on(uint32_t isa, double out[2][80])
{
    float act[80];
    float obs[80 * 2], reward[80];
    uint8_t terminated[80], truncated[80];
    int32_t fresh[80] = {0};

    for (uint32_t i = 0; i < 80; i++)
        for (uint32_t k = 0; k < 2; k++)
            out[k][i] = 0.001 * (double)(i + 3 * k);
    for (uint32_t t = 0; t < 200; t++) {
        for (uint32_t i = 0; i < 77; i++)
            act[i] = 1.3f * (float)((int32_t)((t + i) % 7u) - 3) / 3.0f;
        const struct mountain_car_rows rows = {out[0], out[1],     fresh,     act, obs,
                                               reward, terminated, truncated, 77,  0.0};
        assert_int_equal(mountain_car_continuous(isa)(&rows), 1);
    }
}

static void every_instruction_set_gives_equal_bits(void **state)
{
    static double plain[2][80], other[2][80];

    (void)state;
    run_on(ENV_ISA_PLAIN, plain);
    for (uint32_t isa = 1; isa <= env_isa_best(); isa++) {
        run_on(isa, other);
        assert_memory_equal(other, plain, sizeof plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mountain_car_matches_the_recorded_run),
        cmocka_unit_test(mountain_car_continuous_matches_the_recorded_run),
        cmocka_unit_test(mountain_car_agrees_with_gymnasium),
        cmocka_unit_test(mountain_car_continuous_agrees_with_gymnasium),
        cmocka_unit_test(mountaincar_v0_does_not_depend_on_cuts),
        cmocka_unit_test(mountaincar_v0_snapshot_continues_bit_identically),
        cmocka_unit_test(mountaincar_v0_refuses_a_bad_action),
        cmocka_unit_test(mountaincarcontinuous_v0_does_not_depend_on_cuts),
        cmocka_unit_test(mountaincarcontinuous_v0_snapshot_continues_bit_identically),
        cmocka_unit_test(mountaincarcontinuous_v0_refuses_a_bad_action),
        cmocka_unit_test(every_instruction_set_gives_equal_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
