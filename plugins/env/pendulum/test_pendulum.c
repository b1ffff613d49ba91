/* Pendulum: recorded run, agreement with Gymnasium, equal bits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"
#include "plugins/env/common/env_math.h"
#include "plugins/env/pendulum/pendulum_kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void wave(void *act, uint32_t t)
{
    *(float *)act = (float)(2.5 * sin(0.7 * (double)t));
}

static void pendulum_matches_the_recorded_run(void **state)
{
    const struct check_run run = {"pendulum",
                                  "Pendulum-v1",
                                  NULL,
                                  250,
                                  3,
                                  wave,
                                  {0.706682503, 0.707530797, 0.794427574},
                                  {-0.615288973, -0.788301647, 3.81009889},
                                  -1295.16211,
                                  1};

    (void)state;
    check_run(&run);
}

static void pendulum_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("pendulum", "Pendulum-v1", NULL, "Pendulum-v1.txt") >= 1300);
}

static void pendulum_v1_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("pendulum", "Pendulum-v1", NULL);
}

static void pendulum_v1_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("pendulum", "Pendulum-v1", NULL);
}

static void pendulum_v1_refuses_a_bad_action(void **state)
{
    const float bad = (float)NAN;

    (void)state;
    check_bad_action("pendulum", "Pendulum-v1", &bad);
}

/* 200 steps of 77 rows on one instruction set; out receives the states. */
static void run_on(uint32_t isa, double out[2][80])
{
    float act[80];
    float obs[80 * 3], reward[80];
    uint8_t terminated[80], truncated[80];

    for (uint32_t i = 0; i < 80; i++)
        for (uint32_t k = 0; k < 2; k++)
            out[k][i] = 0.001 * (double)(i + 3 * k);
    for (uint32_t t = 0; t < 200; t++) {
        for (uint32_t i = 0; i < 77; i++)
            act[i] = 0.7f * (float)((int32_t)((t + i) % 7u) - 3);
        const struct pendulum_rows rows = {out[0],     out[1],    act, obs, reward,
                                           terminated, truncated, 77,  10.0};
        assert_int_equal(pendulum_step_rows(isa)(&rows), 1);
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

static void a_pendulum_far_out_steps_like_its_neighbours(void **state)
{
    static const double far[2] = {3.0e7, 1.0};
    struct testkit a, b;

    (void)state; /* one angle beyond the vector sine must not change the other rows */
    assert_int_equal(testkit_open(&a, "pendulum", "Pendulum-v1", 8, NULL, NULL), LATHE_OK);
    assert_int_equal(testkit_open(&b, "pendulum", "Pendulum-v1", 8, NULL, NULL), LATHE_OK);
    testkit_reset(&a, 4);
    testkit_reset(&b, 4);
    check_set_state(&a, far, 2);
    assert_int_equal(a.env->step(a.batch, 0, 8, &a.io), LATHE_OK);
    assert_int_equal(b.env->step(b.batch, 0, 8, &b.io), LATHE_OK);
    assert_memory_equal((char *)a.obs + 12, (char *)b.obs + 12, 7 * 12);
    assert_true(a.reward[0] <= 0.0f && a.reward[0] > -17.0f);
    testkit_close(&a);
    testkit_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pendulum_matches_the_recorded_run),
        cmocka_unit_test(pendulum_agrees_with_gymnasium),
        cmocka_unit_test(pendulum_v1_does_not_depend_on_cuts),
        cmocka_unit_test(pendulum_v1_snapshot_continues_bit_identically),
        cmocka_unit_test(pendulum_v1_refuses_a_bad_action),
        cmocka_unit_test(every_instruction_set_gives_equal_bits),
        cmocka_unit_test(a_pendulum_far_out_steps_like_its_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
