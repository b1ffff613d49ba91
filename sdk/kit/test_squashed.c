/* Squashed Gaussians: samples and gradients against double references and central differences,
 * edges of the action range, equal bits on every instruction set; bounds of boxes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kit/box.h"
#include "kit/squashed.h"
#include "lathe/engine.h"
#include "lathe/rng.h"

#define ROWS 75u
#define N 2u
#define LD 16u
#define FEATURES 21u
#define LDH 32u
#define COEF 0.3

struct data {
    float out[ROWS * LD], noise[ROWS * N], da[ROWS * N], h[ROWS * LDH];
    float theta[N * FEATURES], std[N * FEATURES], log_std[N * FEATURES], eps[N * FEATURES];
};

static float draw(uint32_t i, float scale)
{
    uint32_t x[4];

    lathe_philox(7, 1, i, 0, 0, x);
    return (lathe_u32_to_f32(x[0]) * 2.0f - 1.0f) * scale;
}

static void fill(struct data *t)
{
    uint32_t i;

    memset(t, 0, sizeof *t);
    for (i = 0; i < ROWS; i++) {
        uint32_t k;
        for (k = 0; k < 2 * N; k++)
            t->out[i * LD + k] = draw(i * 8 + k, k < N ? 1.5f : 1.0f);
        for (k = 0; k < N; k++) {
            t->noise[i * N + k] = draw(10000 + i * N + k, 1.5f);
            t->da[i * N + k] = draw(20000 + i * N + k, 1.0f);
        }
        for (k = 0; k < FEATURES; k++)
            t->h[i * LDH + k] = draw(30000 + i * 64 + k, 1.0f);
    }
    t->out[3 * LD + N] = 2.5f; /* outside the clip of log deviations */
    t->out[4 * LD] = 2.5f;     /* outside the clip of means */
    for (i = 0; i < N * FEATURES; i++) {
        t->log_std[i] = -1.0f + draw(40000 + i, 0.5f);
        t->std[i] = expf(t->log_std[i]);
        t->eps[i] = draw(50000 + i, 1.5f);
        t->theta[i] = t->std[i] * t->eps[i];
    }
}

static double log_slope(int stable, double u)
{
    const double a = tanh(u);

    return stable ? 2 * (log(2.0) - u - log1p(exp(-2 * u))) : log(1 - a * a + 1e-6);
}

/* coef * log pi + da * a of one element with mean, raw and noise in double. */
static double element(int tanh_std, int stable, const double in[3], double da, double *logp)
{
    const double ls = tanh_std ? -5 + 3.5 * (tanh(in[1]) + 1) : fmin(2, fmax(-20, in[1]));
    const double u = in[0] + exp(ls) * in[2];

    *logp = -0.5 * in[2] * in[2] - ls - 0.9189385332046727 - log_slope(stable, u);
    return COEF * *logp + da * tanh(u);
}

static void samples_and_gradients_match_double(void **state)
{
    const struct kit_squashed_rows *k = kit_squashed_get(LATHE_ISA_AUTO);
    struct data t;
    float act[ROWS * N], logp[ROWS], dout[ROWS * LD];
    uint32_t form, i, a;

    (void)state;
    fill(&t);
    for (form = 0; form < 4; form++) {
        const struct kit_squashed d = {t.out, LD, N, form & 1, (form >> 1) & 1};
        memset(dout, 0, sizeof dout);
        k->sample(&d, ROWS, t.noise, act, N, logp);
        k->gradient(&d, ROWS, t.noise, t.da, N, (float)COEF, dout);
        for (i = 0; i < ROWS; i++) {
            double sum = 0;
            for (a = 0; a < N; a++) {
                double in[3] = {(double)t.out[i * LD + a], (double)t.out[i * LD + N + a],
                                (double)t.noise[i * N + a]};
                const double da = (double)t.da[i * N + a], h = 1e-5;
                double one, g[2];
                uint32_t v;
                (void)element(d.tanh_std, d.stable, in, da, &one);
                sum += one;
                for (v = 0; v < 2; v++) {
                    double keep = in[v], unused;
                    in[v] = keep + h;
                    g[v] = element(d.tanh_std, d.stable, in, da, &unused);
                    in[v] = keep - h;
                    g[v] = (g[v] - element(d.tanh_std, d.stable, in, da, &unused)) / (2 * h);
                    in[v] = keep;
                }
                assert_true(fabs((double)dout[i * LD + a] - g[0]) <= 1e-4 * fmax(1, fabs(g[0])));
                assert_true(fabs((double)dout[i * LD + N + a] - g[1]) <=
                            1e-4 * fmax(1, fabs(g[1])));
            }
            assert_true(fabs((double)logp[i] - sum) <= 2e-4 * fmax(1, fabs(sum)));
        }
        assert_true(dout[2 * N] <= 0 && dout[2 * N] >= 0); /* nothing behind the outputs */
    }
}

/* Loss of one row with state-dependent noise; which number moves is up to the caller. */
static double sde_row(const struct data *t, uint32_t i, const double *h, const double *log_std,
                      const double mean[N], double *logp)
{
    double loss = 0;
    uint32_t a, f;

    *logp = 0;
    for (a = 0; a < N; a++) {
        double z = 0, v = 1e-6, u;
        for (f = 0; f < FEATURES; f++) {
            const double s = exp(log_std[a * FEATURES + f]);
            z += h[f] * s * (double)t->eps[a * FEATURES + f];
            v += h[f] * h[f] * s * s;
        }
        u = fmin(2, fmax(-2, mean[a])) + z;
        *logp += -z * z / (2 * v) - 0.5 * log(v) - 0.9189385332046727 - log_slope(0, u);
        loss += (double)t->da[i * N + a] * tanh(u);
    }
    return loss + COEF * *logp;
}

static double moved(const struct data *t, uint32_t i, double *h, double *ls, double *mean,
                    double *number)
{
    const double keep = *number, step = 1e-5;
    double up, down, unused;

    *number = keep + step;
    up = sde_row(t, i, h, ls, mean, &unused);
    *number = keep - step;
    down = sde_row(t, i, h, ls, mean, &unused);
    *number = keep;
    return (up - down) / (2 * step);
}

static void state_dependent_noise_matches_double(void **state)
{
    const struct kit_squashed_rows *k = kit_squashed_get(LATHE_ISA_AUTO);
    static float scratch[FEATURES * 64];
    float act[ROWS * N], logp[ROWS], dmean[ROWS * LD], dh[ROWS * LDH], dls[N * FEATURES] = {0};
    double want[N * FEATURES] = {0};
    struct data t;
    uint32_t i, f, a;

    (void)state;
    fill(&t);
    {
        const struct kit_squashed_sde d = {t.out, t.h, LD,       LDH, t.theta,
                                           t.std, N,   FEATURES, 0,   scratch};
        k->sde_sample(&d, ROWS, 1, act, N, logp);
        k->sde_gradient(&d, ROWS, t.da, N, (float)COEF, dmean, dh, dls);
    }
    for (i = 0; i < ROWS; i++) {
        double h[FEATURES], ls[N * FEATURES], mean[N], lp;
        for (f = 0; f < FEATURES; f++)
            h[f] = (double)t.h[i * LDH + f];
        for (f = 0; f < N * FEATURES; f++)
            ls[f] = log((double)t.std[f]);
        for (a = 0; a < N; a++)
            mean[a] = (double)t.out[i * LD + a];
        (void)sde_row(&t, i, h, ls, mean, &lp);
        assert_true(fabs((double)logp[i] - lp) <= 2e-4 * fmax(1, fabs(lp)));
        for (a = 0; a < N; a++)
            assert_true(fabs((double)dmean[i * LD + a] - moved(&t, i, h, ls, mean, &mean[a])) <=
                        2e-4);
        for (f = 0; f < FEATURES; f++)
            assert_true(fabs((double)dh[i * LDH + f] - moved(&t, i, h, ls, mean, &h[f])) <= 3e-4);
        for (f = 0; f < N * FEATURES; f++)
            want[f] += moved(&t, i, h, ls, mean, &ls[f]);
    }
    for (f = 0; f < N * FEATURES; f++)
        assert_true(fabs((double)dls[f] - want[f]) <= 1e-3 * fmax(1, fabs(want[f])));
}

static void every_instruction_set_has_equal_bits(void **state)
{
    static const uint32_t isas[] = {LATHE_ISA_AVX2, LATHE_ISA_AVX512};
    static float scratch[FEATURES * 64];
    struct result {
        float act[ROWS * N], logp[ROWS], dout[ROWS * LD], dh[ROWS * LDH], dls[N * FEATURES];
    };
    static struct result want, got;
    struct data t;
    uint32_t i, form;

    (void)state;
    fill(&t);
    for (form = 0; form < 5; form++)
        for (i = 0; i < 3; i++) {
            const struct kit_squashed_rows *k =
                kit_squashed_get(i == 0 ? LATHE_ISA_PORTABLE : isas[i - 1]);
            const struct kit_squashed d = {t.out, LD, N, form & 1, (form >> 1) & 1};
            const struct kit_squashed_sde s = {t.out, t.h, LD,       LDH, t.theta,
                                               t.std, N,   FEATURES, 1,   scratch};
            struct result *r = i == 0 ? &want : &got;
            if (k == NULL)
                continue;
            memset(r, 0, sizeof *r);
            if (form < 4) {
                k->sample(&d, ROWS, t.noise, r->act, N, r->logp);
                k->gradient(&d, ROWS, t.noise, t.da, N, (float)COEF, r->dout);
            } else {
                k->sde_sample(&s, ROWS, 1, r->act, N, r->logp);
                k->sde_gradient(&s, ROWS, t.da, N, (float)COEF, r->dout, r->dh, r->dls);
            }
            if (i > 0)
                assert_memory_equal(&want, &got, sizeof want);
        }
}

static void saturated_actions_have_finite_numbers(void **state)
{
    static const float means[] = {-1e4f, -30.0f, -9.1f, 9.1f, 30.0f, 1e4f};
    const struct kit_squashed_rows *k = kit_squashed_get(LATHE_ISA_AUTO);
    float out[6 * LD] = {0}, noise[6] = {0}, da[6] = {1, 1, 1, -1, -1, -1}, act[6], logp[6];
    float dout[6 * LD];
    uint32_t i, stable;

    (void)state;
    for (i = 0; i < 6; i++)
        out[i * LD] = means[i];
    for (stable = 0; stable < 2; stable++) {
        const struct kit_squashed d = {out, LD, 1, 0, (int32_t)stable};
        k->sample(&d, 6, noise, act, 1, logp);
        k->gradient(&d, 6, noise, da, 1, 0.1f, dout);
        for (i = 0; i < 6; i++) {
            assert_true(fabsf(act[i]) >= 1.0f && fabsf(act[i]) <= 1.0f);
            assert_true(isfinite(logp[i]));
            assert_true(isfinite(dout[i * LD]) && isfinite(dout[i * LD + 1]));
        }
    }
    out[0] = NAN; /* not hidden by clipping */
    k->sample(&(const struct kit_squashed){out, LD, 1, 0, 0}, 1, noise, act, 1, logp);
    assert_true(isnan(act[0]));
}

static void boxes_map_to_their_bounds(void **state)
{
    static const double low[] = {-2, 0}, high[] = {2, 10};
    const float unit[2] = {0.5f, -3.0f};
    struct lathe_space s = {.struct_size = sizeof s,
                            .kind = LATHE_SPACE_BOX,
                            .dtype = LATHE_F32,
                            .ndim = 1,
                            .shape = {2},
                            .low = low,
                            .high = high};
    const double endless[] = {2, (double)INFINITY};
    struct kit_box b;
    float out[2];

    (void)state;
    assert_true(kit_box_init(&b, &s));
    assert_int_equal(b.n, 2);
    kit_box_emit(&b, unit, out);
    assert_true(out[0] >= 1.0f && out[0] <= 1.0f && out[1] >= 0.0f && out[1] <= 0.0f);
    s.high = endless;
    assert_false(kit_box_init(&b, &s));
    s.high = low;
    assert_false(kit_box_init(&b, &s));
    s.high = high;
    s.dtype = LATHE_F64;
    assert_false(kit_box_init(&b, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_and_gradients_match_double),
        cmocka_unit_test(state_dependent_noise_matches_double),
        cmocka_unit_test(every_instruction_set_has_equal_bits),
        cmocka_unit_test(saturated_actions_have_finite_numbers),
        cmocka_unit_test(boxes_map_to_their_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
