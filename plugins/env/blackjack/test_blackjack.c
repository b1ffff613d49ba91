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

static void the_model_has_the_known_values(void **state)
{
    static const char *const plain[] = {"sab", "false", NULL};
    static const char *const pays[] = {"sab", "false", "natural", "true", NULL};
    struct testkit kit;
    double book, draw;

    (void)state;
    assert_int_equal(testkit_open(&kit, "blackjack", "Blackjack-v1", 1, NULL, NULL), LATHE_OK);
    book = check_value(&kit, 30, 0);
    assert_true(fabs(book - -0.04311) < 5e-6);
    assert_true(fabs(check_value(&kit, 30, 1) - -0.393) < 2e-3);
    testkit_close(&kit);
    assert_int_equal(testkit_open(&kit, "blackjack", "Blackjack-v1", 1, plain, NULL), LATHE_OK);
    draw = check_value(&kit, 30, 0);
    testkit_close(&kit);
    assert_int_equal(testkit_open(&kit, "blackjack", "Blackjack-v1", 1, pays, NULL), LATHE_OK);
    /* a natural that wins pays half a point more; under the book's rule it also wins draws */
    assert_true(draw < book && check_value(&kit, 30, 0) > draw);
    testkit_close(&kit);
}

static uint32_t state_of(const struct testkit *kit, uint32_t row)
{
    const int32_t *obs = (const int32_t *)kit->obs + 3 * row;

    return (uint32_t)((obs[0] * 11 + obs[1]) * 2 + obs[2]);
}

/* Hits of the batch against the model: what is reached is listed, and the mean reward agrees. */
static void the_model_lists_what_happens(void **state)
{
    enum { ROWS = 512 };
    const struct lathe_env_model *model;
    struct lathe_outcome out[10];
    struct testkit kit;
    double got = 0, expected = 0;

    (void)state;
    assert_int_equal(testkit_open(&kit, "blackjack", "Blackjack-v1", ROWS, NULL, NULL), LATHE_OK);
    model = kit.env->extension(kit.batch, LATHE_ENV_MODEL);
    assert_int_equal(model->transitions(kit.batch, model->n_states, 0, out, 10), 0);
    assert_int_equal(model->transitions(kit.batch, 0, 2, out, 10), 0);
    for (uint32_t seed = 0; seed < 40; seed++) {
        uint32_t from[ROWS];
        testkit_reset(&kit, (uint64_t)seed * ROWS);
        for (uint32_t i = 0; i < ROWS; i++) {
            from[i] = state_of(&kit, i);
            ((int32_t *)kit.act)[i] = 1;
        }
        assert_int_equal(kit.env->step(kit.batch, 0, ROWS, &kit.io), LATHE_OK);
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t seen = 0;
            assert_int_equal(model->transitions(kit.batch, from[i], 1, out, 10), 10);
            for (uint32_t k = 0; k < 10; k++) {
                expected += out[k].probability * out[k].reward;
                seen += out[k].next_state == state_of(&kit, i) &&
                        out[k].terminated == kit.terminated[i];
            }
            assert_true(seen > 0);
            got += (double)kit.reward[i];
        }
    }
    assert_true(fabs(got - expected) / (40.0 * ROWS) < 0.01);
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
        cmocka_unit_test(the_model_has_the_known_values),
        cmocka_unit_test(the_model_lists_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
