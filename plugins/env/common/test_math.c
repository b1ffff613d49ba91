/* Accuracy of the shared sine and cosine, and equal bits of a loop on every instruction set. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_math.h"

#include "lathe/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define N 4099

struct sines {
    const double *x;
    double *s, *c;
};

typedef int sines_all_fn(const struct sines *);

ENV_INLINE int sines_all_body(const struct sines *r)
{
    const double *restrict x = r->x;
    double *restrict s = r->s, *restrict c = r->c;

    for (uint32_t i = 0; i < N; i++)
        env_sincos_small(x[i], &s[i], &c[i]);
    return 1;
}

sines_all_fn *sines_all(uint32_t isa);
ENV_VARIANTS(sines_all, sines)

/* Distance in units of the last place of want. */
static double ulps(double got, long double want)
{
    int e;

    (void)frexp((double)want, &e);
    return (double)fabsl((long double)got - want) / ldexp(1.0, e - 53);
}

static void sincos_is_within_one_ulp(void **state)
{
    static const double ranges[6] = {1e-8, 0.5, 3.2, 50.0, 1e3, 1e5};
    struct lathe_pcg64 rng;
    double worst = 0;

    (void)state;
    lathe_pcg64_seed(&rng, 1);
    for (int k = 0; k < 6; k++)
        for (int i = 0; i < 50000; i++) {
            const double x = lathe_pcg64_uniform(&rng, -ranges[k], ranges[k]);
            double s, c;
            env_sincos_small(x, &s, &c);
            worst = fmax(worst, fmax(ulps(s, sinl(x)), ulps(c, cosl(x))));
        }
    assert_true(worst < 1.0);
}

static void sincos_holds_next_to_multiples_of_half_pi(void **state)
{
    (void)state;
    for (int k = -60000; k <= 60000; k += 7) {
        const double x = (double)k * 1.57079632679489661923;
        double s, c;
        env_sincos_small(x, &s, &c);
        assert_true(ulps(s, sinl(x)) < 1.0 || fabs(s) < 1e-300);
        assert_true(ulps(c, cosl(x)) < 1.0);
    }
}

static void large_and_special_arguments_go_to_libm(void **state)
{
    double s, c;

    (void)state;
    env_sincos(3e9, &s, &c);
    assert_true(s == sin(3e9) && c == cos(3e9));
    env_sincos((double)INFINITY, &s, &c);
    assert_true(isnan(s) && isnan(c));
}

static void every_instruction_set_gives_equal_bits(void **state)
{
    static double x[N], s[3][N], c[3][N];
    struct lathe_pcg64 rng;

    (void)state;
    lathe_pcg64_seed(&rng, 2);
    for (int i = 0; i < N; i++)
        x[i] = lathe_pcg64_uniform(&rng, -20, 20);
    for (uint32_t isa = 0; isa <= env_isa_best(); isa++) {
        (void)sines_all(isa)(&(struct sines){x, s[isa], c[isa]});
        assert_memory_equal(s[isa], s[0], sizeof s[0]);
        assert_memory_equal(c[isa], c[0], sizeof c[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sincos_is_within_one_ulp),
        cmocka_unit_test(sincos_holds_next_to_multiples_of_half_pi),
        cmocka_unit_test(large_and_special_arguments_go_to_libm),
        cmocka_unit_test(every_instruction_set_gives_equal_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
