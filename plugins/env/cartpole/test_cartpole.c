/* Cart-pole: recorded run, agreement with Gymnasium, equal bits, options. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"
#include "plugins/env/cartpole/cartpole_kernel.h"
#include "plugins/env/common/env_math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void halves(void *act, uint32_t t)
{
    *(int32_t *)act = (int32_t)(t / 2 % 2);
}

static void cartpole_matches_the_recorded_run(void **state)
{
    const struct check_run run = {"cartpole",
                                  "CartPole-v1",
                                  NULL,
                                  40,
                                  4,
                                  halves,
                                  {0.0125095462, 0.0397213809, 0.0275685694, -0.0274792816},
                                  {-0.0072488985, 0.247640431, -0.0853534713, -0.596994698},
                                  40,
                                  1};

    (void)state;
    check_run(&run);
}

static void cartpole_agrees_with_gymnasium(void **state)
{
    (void)state;
    assert_true(check_golden("cartpole", "CartPole-v1", NULL, "CartPole-v1.txt") >= 1300);
}

static void cartpole_v1_does_not_depend_on_cuts(void **state)
{
    (void)state;
    check_cuts("cartpole", "CartPole-v1", NULL);
}

static void cartpole_v1_snapshot_continues_bit_identically(void **state)
{
    (void)state;
    check_snapshot("cartpole", "CartPole-v1", NULL);
}

static void cartpole_v1_refuses_a_bad_action(void **state)
{
    const int32_t bad = 99;

    (void)state;
    check_bad_action("cartpole", "CartPole-v1", &bad);
}

/* 200 steps of 77 rows on one instruction set; out receives the states. */
static void run_on(uint32_t isa, double out[4][80])
{
    int32_t act[80];
    float obs[80 * 4], reward[80];
    uint8_t terminated[80], truncated[80];

    for (uint32_t i = 0; i < 80; i++)
        for (uint32_t k = 0; k < 4; k++)
            out[k][i] = 0.001 * (double)(i + 3 * k);
    for (uint32_t t = 0; t < 200; t++) {
        for (uint32_t i = 0; i < 77; i++)
            act[i] = (int32_t)((t + i) & 1u);
        const struct cartpole_rows rows = {out[0], out[1],     out[2],    out[3], act,  obs,
                                           reward, terminated, truncated, 77,     1.0f, 1.0f};
        assert_int_equal(cartpole_step_rows(isa)(&rows), 1);
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

static void a_spun_pole_steps_like_its_neighbours(void **state)
{
    static const double far[4] = {0.0, 0.0, 2.5e5, 0.0};
    struct testkit a, b;

    (void)state; /* one angle beyond the vector sine must not change the other rows */
    assert_int_equal(testkit_open(&a, "cartpole", "CartPole-v1", 8, NULL, NULL), LATHE_OK);
    assert_int_equal(testkit_open(&b, "cartpole", "CartPole-v1", 8, NULL, NULL), LATHE_OK);
    testkit_reset(&a, 4);
    testkit_reset(&b, 4);
    check_set_state(&a, far, 4);
    assert_int_equal(a.env->step(a.batch, 0, 8, &a.io), LATHE_OK);
    assert_int_equal(b.env->step(b.batch, 0, 8, &b.io), LATHE_OK);
    assert_memory_equal((char *)a.obs + 16, (char *)b.obs + 16, 7 * 16);
    assert_true(isfinite(((float *)a.obs)[2]));
    assert_int_equal(a.terminated[0], 1);
    testkit_close(&a);
    testkit_close(&b);
}

static void sutton_barto_reward_pays_minus_one_at_the_end(void **state)
{
    static const char *const options[] = {"sutton_barto_reward", "true", NULL};
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "cartpole", "CartPole-v0", 1, options, NULL), LATHE_OK);
    testkit_reset(&kit, 0);
    while (kit.n_episodes == 0)
        testkit_advance(&kit);
    assert_true(kit.total_reward == -1.0);
    testkit_close(&kit);
}

static void reset_bounds_are_checked(void **state)
{
    static const char *const options[] = {"reset_low", "0.5", "reset_high", "0.1", NULL};
    struct lathe_error err;
    struct testkit kit;

    (void)state;
    assert_int_equal(testkit_open(&kit, "cartpole", "CartPole-v1", 1, options, &err),
                     LATHE_E_INVALID);
    assert_string_equal(err.field, "reset_low");
}

static void render_writes_text_and_json(void **state)
{
    static const double at[4] = {0.5, -1.0, 0.25, 0.0};
    const struct lathe_env_render *render;
    struct testkit kit;
    uint32_t dims[4];
    char text[200];

    (void)state;
    assert_int_equal(testkit_open(&kit, "cartpole", "CartPole-v1", 1, NULL, NULL), LATHE_OK);
    check_set_state(&kit, at, 4);
    render = kit.env->extension(kit.batch, LATHE_ENV_RENDER);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_JSON, text, sizeof text, dims),
                     LATHE_OK);
    assert_string_equal(text, "{\"x\":0.5,\"v\":-1,\"theta\":0.25,\"omega\":0}");
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, sizeof text, dims),
                     LATHE_OK);
    assert_string_equal(text, "x 0.5\nv -1\ntheta 0.25\nomega 0\n");
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_TEXT, text, 4, dims), LATHE_E_LIMIT);
    assert_int_equal(dims[0], strlen("x 0.5\nv -1\ntheta 0.25\nomega 0\n") + 1);
    assert_int_equal(render->render(kit.batch, 0, LATHE_RENDER_RGB, text, 4, dims),
                     LATHE_E_UNSUPPORTED);
    testkit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cartpole_matches_the_recorded_run),
        cmocka_unit_test(cartpole_agrees_with_gymnasium),
        cmocka_unit_test(cartpole_v1_does_not_depend_on_cuts),
        cmocka_unit_test(cartpole_v1_snapshot_continues_bit_identically),
        cmocka_unit_test(cartpole_v1_refuses_a_bad_action),
        cmocka_unit_test(every_instruction_set_gives_equal_bits),
        cmocka_unit_test(a_spun_pole_steps_like_its_neighbours),
        cmocka_unit_test(sutton_barto_reward_pays_minus_one_at_the_end),
        cmocka_unit_test(reset_bounds_are_checked),
        cmocka_unit_test(render_writes_text_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
