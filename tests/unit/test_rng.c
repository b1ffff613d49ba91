/* Known values of the three generators: NumPy's PCG64, the published Philox vectors, SplitMix64. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lathe/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void mul64_gives_the_full_product(void **state)
{
    uint64_t hi;

    (void)state;
    assert_true(lathe_mul64(UINT64_MAX, UINT64_MAX, &hi) == 1u);
    assert_true(hi == UINT64_MAX - 1);
    assert_true(lathe_mul64(0x123456789abcdef0u, 0xfedcba9876543210u, &hi) == 0x236d88fe5618cf00u);
    assert_true(hi == 0x121fa00ad77d7422u);
}

static void pcg64_doubles_equal_numpy(void **state)
{
    struct lathe_pcg64 r;

    (void)state;
    lathe_pcg64_seed(&r, 123);
    assert_true(lathe_pcg64_double(&r) == 0.68235186324814345);
    assert_true(lathe_pcg64_double(&r) == 0.053821018802222675);
    assert_true(lathe_pcg64_double(&r) == 0.22035987277261138);
}

static void pcg64_mixed_draws_equal_numpy(void **state)
{
    static const uint32_t want[5] = {0, 0, 2, 10, 8};
    struct lathe_pcg64 r;

    (void)state;
    lathe_pcg64_seed(&r, 0);
    for (int i = 0; i < 3; i++)
        (void)lathe_pcg64_double(&r);
    for (int i = 0; i < 5; i++)
        assert_int_equal(lathe_pcg64_below(&r, 13), want[i]);
    assert_true(lathe_pcg64_uniform(&r, -0.05, 0.05) == 0.010663577576717986);
    assert_int_equal(lathe_pcg64_below(&r, 4), 3);
}

static void pcg64_wide_seed_equals_numpy(void **state)
{
    struct lathe_pcg64 r;

    (void)state;
    lathe_pcg64_seed(&r, 0x123456789abcdefu);
    assert_true(lathe_pcg64_next64(&r) == 0xb615d4ad31fd27fcu);
    assert_true(lathe_pcg64_next64(&r) == 0xf53f7b2b881f0ae4u);
    assert_int_equal(lathe_pcg64_integers(&r, -5, 3000000000), 1279284616);
}

static void pcg64_categorical_takes_the_first_index_above_the_draw(void **state)
{
    static const double third[3] = {1.0 / 3, 1.0 / 3, 1.0 / 3}, none[2] = {0.0, 0.0};
    struct lathe_pcg64 r;

    (void)state;
    lathe_pcg64_seed(&r, 123);
    assert_int_equal(lathe_pcg64_categorical(&r, third, 3), 2);
    assert_int_equal(lathe_pcg64_categorical(&r, third, 3), 0);
    assert_int_equal(lathe_pcg64_categorical(&r, none, 2), 0);
}

static void philox_equals_the_published_vectors(void **state)
{
    static const uint32_t zero[4] = {0, 0, 0, 0}, ones[4] = {~0u, ~0u, ~0u, ~0u},
                          pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    static const uint32_t want[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                        {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    uint32_t out[4];

    (void)state;
    lathe_philox4x32(0, zero, out);
    assert_memory_equal(out, want[0], sizeof out);
    lathe_philox4x32(UINT64_MAX, ones, out);
    assert_memory_equal(out, want[1], sizeof out);
    lathe_philox4x32(0x299f31d0a4093822u, pi, out);
    assert_memory_equal(out, want[2], sizeof out);
}

static void philox_draws_differ_by_purpose_and_place(void **state)
{
    uint32_t a[4], b[4];

    (void)state;
    lathe_philox(7, LATHE_STREAM_ACTION, 3, 5, 0, a);
    lathe_philox(7, LATHE_STREAM_ACTION, 3, 5, 0, b);
    assert_memory_equal(a, b, sizeof a);
    lathe_philox(7, LATHE_STREAM_SHUFFLE, 3, 5, 0, b);
    assert_memory_not_equal(a, b, sizeof a);
    lathe_philox(7, LATHE_STREAM_ACTION, 3, 5 + ((uint64_t)1 << 32), 0, b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void normals_have_the_right_moments_and_match_libm(void **state)
{
    double sum = 0, sum2 = 0, sum4 = 0;
    const int n = 100000;

    (void)state;
    for (int i = 0; i < n; i++) {
        uint32_t x[4];
        float z[2];
        lathe_philox(1, LATHE_STREAM_INIT, 0, (uint64_t)i, 0, x);
        lathe_normal_pair(x[0], x[1], z);
        const double u = ((x[0] >> 8) + 0.5) / 16777216.0, v = ((x[1] >> 8) + 0.5) / 16777216.0;
        const double radius = sqrt(-2 * log(u));
        assert_true(fabs(z[0] - radius * cos(6.283185307179586 * v)) < 1e-6);
        assert_true(fabs(z[1] - radius * sin(6.283185307179586 * v)) < 1e-6);
        for (int j = 0; j < 2; j++) {
            const double q = (double)z[j] * z[j];
            sum += z[j];
            sum2 += q;
            sum4 += q * q;
        }
    }
    assert_true(fabs(sum / (2 * n)) < 0.01);
    assert_true(fabs(sum2 / (2 * n) - 1) < 0.015);
    assert_true(fabs(sum4 / (2 * n) - 3) < 0.1);
}

static void uniform_f32_stays_above_zero(void **state)
{
    (void)state;
    assert_true(lathe_u32_to_f32(0) > 0.0f);
    assert_true(lathe_u32_to_f32(UINT32_MAX) <= 1.0f);
    assert_true(lathe_u32_to_f32(0x80000000u) > 0.5f || lathe_u32_to_f32(0x80000000u) == 0.5f);
}

static void splitmix_stream_has_its_known_start(void **state)
{
    uint64_t s = lathe_splitmix_stream(42, LATHE_PURPOSE_INTERACTIVE, 0);

    (void)state;
    assert_true(s == 0x3ae630b6821f9a30u);
    assert_true(lathe_splitmix_double(&s) == 0.64883115175195882);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mul64_gives_the_full_product),
        cmocka_unit_test(pcg64_doubles_equal_numpy),
        cmocka_unit_test(pcg64_mixed_draws_equal_numpy),
        cmocka_unit_test(pcg64_wide_seed_equals_numpy),
        cmocka_unit_test(pcg64_categorical_takes_the_first_index_above_the_draw),
        cmocka_unit_test(philox_equals_the_published_vectors),
        cmocka_unit_test(philox_draws_differ_by_purpose_and_place),
        cmocka_unit_test(normals_have_the_right_moments_and_match_libm),
        cmocka_unit_test(uniform_f32_stays_above_zero),
        cmocka_unit_test(splitmix_stream_has_its_known_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
