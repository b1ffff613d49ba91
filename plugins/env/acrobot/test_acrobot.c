/* Acrobot: recorded run, agreement with Gymnasium, equal bits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"
#include "plugins/env/acrobot/acrobot_kernel.h"
#include "plugins/env/common/env_math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void thirds(void *act, uint32_t t)
{
    *(int32_t *)act = (int32_t)(t / 3 % 3);
}

static void acrobot_matches_the_recorded_run(void **state)
{
    const struct check_run run = {
        "acrobot",
        "Acrobot-v1",
        NULL,
        100,
        6,
        thirds,
        {0.999687016, 0.0250164829, 0.99684608, 0.0793592259, 0.0551371388, -0.0549585633},
        {0.933958709, -0.357380897, 0.70652312, 0.707690001, -0.515016437, 1.02690876},
        -100,
        0};

    (void)state;
    check_run(&run);
}

static void acrobot_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("acrobot", "Acrobot-v1", NULL, "Acrobot-v1.txt") >= 1300);
}

static void acrobot_v1_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("acrobot", "Acrobot-v1", NULL);
}

static void acrobot_v1_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("acrobot", "Acrobot-v1", NULL);
}

static void acrobot_v1_refuses_a_bad_action(void **state)
{
    const int32_t bad = 99;

    (void)state;
    check_bad_action("acrobot", "Acrobot-v1", &bad);
}

/* 200 steps of 77 rows on one instruction set; out receives the states. */
static void run_on(uint32_t isa, double out[4][80])
{
    int32_t act[80];
    float obs[80 * 6], reward[80];
    uint8_t terminated[80], truncated[80];

    for (uint32_t i = 0; i < 80; i++)
        for (uint32_t k = 0; k < 4; k++)
            out[k][i] = 0.001 * (double)(i + 3 * k);
    for (uint32_t t = 0; t < 200; t++) {
        for (uint32_t i = 0; i < 77; i++)
            act[i] = (int32_t)((t + i) % 3u);
        const struct acrobot_rows rows = {out[0], out[1],     out[2],    out[3], act, obs,
                                          reward, terminated, truncated, 77,     1.0};
        assert_int_equal(acrobot_step_rows(isa)(&rows), 1);
    }
}

static void every_instruction_set_gives_equal_bits(void **state)
{
    static double plain[4][80], other[4][80];

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
        cmocka_unit_test(acrobot_matches_the_recorded_run),
        cmocka_unit_test(acrobot_agrees_with_gymnasium),
        cmocka_unit_test(acrobot_v1_does_not_depend_on_cuts),
        cmocka_unit_test(acrobot_v1_snapshot_continues_bit_identically),
        cmocka_unit_test(acrobot_v1_refuses_a_bad_action),
        cmocka_unit_test(every_instruction_set_gives_equal_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
