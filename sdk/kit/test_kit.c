/* Kit blocks against double references, and equal bits of the row kernels on every instruction set.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kit/flatten.h"
#include "kit/gae.h"
#include "kit/moments.h"
#include "kit/rows.h"
#include "kit/schedule.h"
#include "lathe/engine.h"
#include "lathe/rng.h"

#define ROWS 37u
#define ACTIONS 5u
#define LD 16u

static float draw(uint32_t i, float scale)
{
    uint32_t x[4];

    lathe_philox(99, 1, i, 0, 0, x);
    return (lathe_u32_to_f32(x[0]) * 2.0f - 1.0f) * scale;
}

static void near(double a, double b, double tolerance)
{
    assert_true(fabs(a - b) <= tolerance);
}

struct data {
    float logits[ROWS * LD], d[ROWS * LD], old[ROWS], adv[ROWS], raw[ROWS * 2], ls[2];
    float dls[ROWS * LD];
    int32_t act[ROWS];
    uint8_t mask[ROWS * ACTIONS];
};

static void fill(struct data *t)
{
    uint32_t i, a;

    memset(t, 0, sizeof *t);
    for (i = 0; i < ROWS; i++) {
        for (a = 0; a < ACTIONS; a++) {
            t->logits[i * LD + a] = draw(i * 8 + a, 2.0f);
            t->mask[i * ACTIONS + a] = (i + a) % 4 != 0 || i % 2 == 0;
        }
        t->act[i] = (int32_t)((i * 2 + 1) % ACTIONS);
        t->mask[i * ACTIONS + (uint32_t)t->act[i]] = 1;
        t->old[i] = -1.5f + draw(1000 + i, 0.3f);
        t->adv[i] = draw(2000 + i, 1.0f);
        t->raw[2 * i] = draw(3000 + i, 1.5f);
        t->raw[2 * i + 1] = draw(4000 + i, 1.5f);
    }
    t->ls[0] = -0.3f;
    t->ls[1] = 0.2f;
}

static double row_terms(double logp, double old, double adv, double clip)
{
    const double r = exp(logp - old), c = r < 1 - clip ? 1 - clip : r > 1 + clip ? 1 + clip : r;

    return -(adv * r < adv * c ? adv * r : adv * c);
}

/* Loss in double; element (row, a) of the logits moved by h. */
static double reference(const struct data *t, uint32_t row, uint32_t a, double h, double ent_coef)
{
    double total = 0;
    uint32_t i, k;

    for (i = 0; i < ROWS; i++) {
        double z[ACTIONS], s = 0, entropy = 0;
        for (k = 0; k < ACTIONS; k++) {
            z[k] = (double)t->logits[i * LD + k] + (i == row && k == a ? h : 0);
            s += t->mask[i * ACTIONS + k] ? exp(z[k]) : 0;
        }
        for (k = 0; k < ACTIONS; k++)
            if (t->mask[i * ACTIONS + k])
                entropy -= exp(z[k]) / s * (z[k] - log(s));
        total += row_terms(z[t->act[i]] - log(s), (double)t->old[i], (double)t->adv[i], 0.2) -
                 ent_coef * entropy;
    }
    return total / ROWS;
}

static struct kit_policy_loss loss_of(const struct data *t, float *scratch, float ent_coef)
{
    struct kit_policy_loss l = {ROWS, t->old, t->adv, 0.2f, ent_coef, 1.0f / ROWS, scratch};

    return l;
}

static void categorical_gradient_matches_differences(void **state)
{
    static float scratch[(3 * ACTIONS + 8) * KIT_BLOCK];
    struct kit_policy_sums sums = {0};
    struct kit_policy_loss l;
    struct kit_categorical d;
    struct data t;
    uint32_t i, a;

    (void)state;
    fill(&t);
    d = (struct kit_categorical){t.logits, LD, t.mask, ACTIONS, ACTIONS};
    l = loss_of(&t, scratch, 0.05f);
    kit_rows_get(LATHE_ISA_AUTO)->categorical_loss(&d, &l, t.act, 1, t.d, &sums);
    for (i = 0; i < ROWS; i++)
        for (a = 0; a < ACTIONS; a++) {
            const double h = 1e-6;
            const double g = (reference(&t, i, a, h, 0.05) - reference(&t, i, a, -h, 0.05)) / 2e-6;
            if (t.mask[i * ACTIONS + a])
                assert_true(fabs(g - (double)t.d[i * LD + a]) < 1e-6 + 1e-4 * fabs(g));
            else
                assert_true(t.d[i * LD + a] == 0.0f);
        }
    assert_true(fabs((sums.policy_loss - 0.05 * sums.entropy) / ROWS -
                     reference(&t, 0, 0, 0, 0.05)) < 1e-6);
}

static double gaussian_reference(const struct data *t, uint32_t which, double h, double ent_coef)
{
    double total = 0;
    uint32_t i, a;

    for (i = 0; i < ROWS; i++) {
        double logp = 0, entropy = 0;
        for (a = 0; a < 2; a++) {
            const double mean = (double)t->logits[i * LD + a] + (which == i * 2 + a ? h : 0);
            const double ls = (double)t->ls[a] + (which == 2 * ROWS + a ? h : 0);
            const double z = ((double)t->raw[2 * i + a] - mean) / exp(ls);
            logp += -0.5 * z * z - ls - 0.91893853320467274178;
            entropy += 0.5 + 0.91893853320467274178 + ls;
        }
        total +=
            row_terms(logp, (double)t->old[i] * 2, (double)t->adv[i], 0.2) - ent_coef * entropy;
    }
    return total / ROWS;
}

static void gaussian_gradient_matches_differences(void **state)
{
    static float scratch[(3 * ACTIONS + 8) * KIT_BLOCK];
    struct kit_policy_sums sums = {0};
    struct kit_policy_loss l;
    struct data t;
    float old[ROWS];
    uint32_t i, w;

    (void)state;
    fill(&t);
    for (i = 0; i < ROWS; i++)
        old[i] = 2 * t.old[i];
    l = loss_of(&t, scratch, 0.05f);
    l.logp_old = old;
    kit_rows_get(LATHE_ISA_AUTO)
        ->gaussian_loss(t.logits, LD, t.ls, 2, &l, t.raw, 2, t.d, t.dls, LD, &sums);
    for (w = 0; w < 2 * ROWS + 2; w++) {
        const double g =
            (gaussian_reference(&t, w, 1e-6, 0.05) - gaussian_reference(&t, w, -1e-6, 0.05)) / 2e-6;
        double got = 0;
        if (w < 2 * ROWS)
            got = (double)t.d[w / 2 * LD + w % 2];
        else
            for (i = 0; i < ROWS; i++)
                got += (double)t.dls[i * LD + w - 2 * ROWS];
        assert_true(fabs(g - got) < 2e-6 + 2e-4 * fabs(g));
    }
}

static void row_kernels_have_equal_bits_everywhere(void **state)
{
    static float scratch[(3 * ACTIONS + 8) * KIT_BLOCK];
    struct data t[3];
    float prob[3][ROWS * ACTIONS], logp[3][ROWS], u[ROWS];
    struct kit_policy_sums sums[3];
    int32_t act[3][ROWS];
    uint32_t isa, i, n = 0;

    (void)state;
    for (i = 0; i < ROWS; i++)
        u[i] = 0.5f + draw(5000 + i, 0.5f);
    for (isa = LATHE_ISA_PORTABLE; isa <= LATHE_ISA_AVX512; isa++) {
        const struct kit_rows *k = kit_rows_get(isa);
        struct kit_policy_loss l;
        struct kit_categorical d;
        if (k == NULL)
            continue;
        fill(&t[n]);
        memset(&sums[n], 0, sizeof sums[n]);
        d = (struct kit_categorical){t[n].logits, LD, t[n].mask, ACTIONS, ACTIONS};
        l = loss_of(&t[n], scratch, 0.05f);
        k->categorical(&d, ROWS, u, act[n], 1, logp[n], prob[n], scratch);
        k->categorical_loss(&d, &l, t[n].act, 1, t[n].d, &sums[n]);
        k->gaussian_loss(t[n].logits, LD, t[n].ls, 2, &l, t[n].raw, 2, t[n].dls, t[n].dls, LD,
                         &sums[n]);
        assert_memory_equal(&t[n], &t[0], sizeof t[0]);
        assert_memory_equal(&sums[n], &sums[0], sizeof sums[0]);
        assert_memory_equal(act[n], act[0], sizeof act[0]);
        assert_memory_equal(logp[n], logp[0], sizeof logp[0]);
        assert_memory_equal(prob[n], prob[0], sizeof prob[0]);
        for (i = 0; i < ROWS; i++)
            assert_true(t[n].mask[i * ACTIONS + (uint32_t)act[n][i]]);
        n++;
    }
}

struct wide {
    float logits[ROWS * LD], dmulti[ROWS * LD], dmean[ROWS * LD], logp[ROWS], sde_logp[ROWS];
    float var[2 * KIT_BLOCK], s2[2 * 5], dlog_std[2 * 5];
    int32_t act[ROWS * 2];
    struct kit_policy_sums sums;
};

/* Several choices a row, and noise of five features for two actions. */
static void run_wide(const struct kit_rows *k, struct data *t, struct wide *w)
{
    static float scratch[(3 * ACTIONS + 8) * KIT_BLOCK];
    const uint32_t sizes[2] = {2, 3};
    const struct kit_parts parts = {sizes, 2};
    const struct kit_categorical d = {t->logits, LD, NULL, 0, ACTIONS};
    const struct kit_sde sde = {t->logits, LD, 5, w->s2};
    const struct kit_policy_loss l = loss_of(t, scratch, 0.05f);
    float u[ROWS * 2];
    uint32_t i;

    memset(w, 0, sizeof *w);
    for (i = 0; i < 10; i++)
        w->s2[i] = 0.6f + draw(7000 + i, 0.5f);
    for (i = 0; i < 2 * ROWS; i++)
        u[i] = 0.5f + draw(6000 + i, 0.5f);
    k->multi(&d, &parts, ROWS, u, w->act, 2, w->logp, scratch);
    k->multi_loss(&d, &parts, &l, w->act, 2, w->dmulti, &w->sums);
    k->sde_logp(t->logits, LD, &sde, 2, ROWS, t->raw, 2, w->sde_logp, w->var, scratch);
    k->sde_loss(t->logits, LD, &sde, 2, &l, t->raw, 2, w->dmean, w->dlog_std, &w->sums);
}

static void wide_kernels_have_equal_bits_everywhere(void **state)
{
    static struct wide first, other;
    struct data t;
    uint32_t isa, i, n = 0;

    (void)state;
    for (isa = LATHE_ISA_PORTABLE; isa <= LATHE_ISA_AVX512; isa++) {
        const struct kit_rows *k = kit_rows_get(isa);
        if (k == NULL)
            continue;
        fill(&t);
        run_wide(k, &t, n == 0 ? &first : &other);
        if (n++ > 0)
            assert_memory_equal(&first, &other, sizeof first);
    }
    for (i = 0; i < ROWS; i++) { /* parts are independent: their log-probabilities add */
        const float *z = t.logits + (size_t)i * LD;
        const double a = log(exp((double)z[0]) + exp((double)z[1]));
        const double b = log(exp((double)z[2]) + exp((double)z[3]) + exp((double)z[4]));
        assert_in_range(first.act[2 * i], 0, 1);
        assert_in_range(first.act[2 * i + 1], 0, 2);
        near((double)first.logp[i],
             (double)z[first.act[2 * i]] - a + (double)z[2 + first.act[2 * i + 1]] - b, 1e-5);
    }
}

static void greedy_takes_the_lowest_maximum_allowed(void **state)
{
    static float scratch[(3 * 4 + 8) * KIT_BLOCK];
    const float logits[8] = {1, 3, 3, 0, 9, 2, 1, 2};
    const uint8_t mask[8] = {1, 1, 1, 1, 0, 1, 1, 1};
    const struct kit_categorical d = {logits, 4, mask, 4, 4};
    int32_t act[2];

    (void)state;
    kit_rows_get(LATHE_ISA_AUTO)->categorical(&d, 2, NULL, act, 1, NULL, NULL, scratch);
    assert_int_equal(act[0], 1);
    assert_int_equal(act[1], 1);
}

static void gae_matches_the_definition(void **state)
{
    const float r[4] = {1, 2, 3, 4}, v[4] = {0.5f, 0.25f, 0.75f, 1};
    const uint8_t done[4] = {0, 0, 1, 0};
    float nv[2] = {10, 20}, na[2] = {0, 0}, adv[4], ret[4];
    const struct kit_gae g = {4, 2, 0, NULL, r, v, done, 0.9f, 0.8f, nv, na, adv, ret};

    (void)state;
    kit_gae(&g);
    near((double)adv[2], 3 - 0.75, 1e-6);
    near((double)adv[3], 4 + 0.9 * 20 - 1, 1e-5);
    near((double)adv[0], 1 + 0.9 * 0.75 - 0.5 + 0.72 * 2.25, 1e-5);
    near((double)ret[1], 2 + 0.9 * 1 - 0.25 + 0.72 * 21 + 0.25, 1e-5);
}

static void normalizing_a_constant_gives_zeros(void **state)
{
    float x[5] = {2, 2, 2, 2, 2};
    int i;

    (void)state;
    kit_normalize(x, 5);
    for (i = 0; i < 5; i++)
        assert_true(x[i] == 0.0f);
}

static void schedules_hit_their_ends(void **state)
{
    const struct kit_schedule s = {KIT_SCHEDULE_LINEAR, 0, 1.0, 0.1, 0.5};

    (void)state;
    near(kit_schedule(&s, 0), 1.0, 0);
    near(kit_schedule(&s, 0.25), 0.55, 1e-12);
    near(kit_schedule(&s, 0.9), 0.1, 1e-12);
}

static double value_reference(int cleanrl, double v, double old, double ret, double clip)
{
    const double plain = (v - ret) * (v - ret);
    double moved = v - old, held;

    if (clip <= 0)
        return cleanrl ? 0.5 * plain : plain;
    moved = moved > clip ? clip : moved < -clip ? -clip : moved;
    held = (old + moved - ret) * (old + moved - ret);
    return cleanrl ? 0.5 * (held > plain ? held : plain) : held;
}

static void value_loss_matches_differences(void **state)
{
    uint32_t i;

    (void)state;
    for (i = 0; i < 400; i++) {
        const int cleanrl = i & 1u;
        const float clip = i & 2u ? 0.3f : 0.0f;
        const float v = draw(i, 1), old = draw(1000 + i, 1), ret = draw(2000 + i, 1);
        const double x = (double)v, o = (double)old, r = (double)ret, c = (double)clip, h = 1e-6;
        const double g =
            (value_reference(cleanrl, x + h, o, r, c) - value_reference(cleanrl, x - h, o, r, c)) /
            (2 * h);
        float dv;
        near(kit_value_loss(cleanrl, v, old, ret, clip, &dv), value_reference(cleanrl, x, o, r, c),
             1e-5);
        near((double)dv, g, 1e-4);
    }
}

static void moments_equal_one_big_batch(void **state)
{
    struct kit_moments a = KIT_MOMENTS_START, b = KIT_MOMENTS_START;
    float x[64];
    uint32_t i;

    (void)state;
    for (i = 0; i < 64; i++)
        x[i] = draw(i, 3.0f);
    kit_moments_add(&a, x, 64, 1);
    kit_moments_add(&b, x, 10, 1);
    kit_moments_add(&b, x + 10, 54, 1);
    near(a.mean, b.mean, 1e-6);
    near(a.var, b.var, 1e-5);
}

static void radix_and_one_hots_follow_the_space(void **state)
{
    const int64_t nvec[3] = {32, 11, 2};
    struct lathe_space s = {.struct_size = sizeof s,
                            .kind = LATHE_SPACE_MULTIDISCRETE,
                            .dtype = LATHE_I32,
                            .ndim = 1,
                            .shape = {3},
                            .len_bytes = 12,
                            .nvec = nvec};
    const int32_t row[3] = {4, 10, 1};
    struct kit_flat flat;
    float out[45];

    (void)state;
    assert_int_equal(kit_flat_init(&flat, &s), 1);
    assert_int_equal(flat.dim, 45);
    assert_int_equal(kit_radix_size(&flat, 1 << 20), 704);
    assert_int_equal(kit_radix_index(&flat, row), (4 * 11 + 10) * 2 + 1);
    kit_flatten(&flat, row, out);
    assert_true(out[4] == 1.0f && out[32 + 10] == 1.0f && out[43 + 1] == 1.0f && out[0] == 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categorical_gradient_matches_differences),
        cmocka_unit_test(gaussian_gradient_matches_differences),
        cmocka_unit_test(row_kernels_have_equal_bits_everywhere),
        cmocka_unit_test(wide_kernels_have_equal_bits_everywhere),
        cmocka_unit_test(greedy_takes_the_lowest_maximum_allowed),
        cmocka_unit_test(gae_matches_the_definition),
        cmocka_unit_test(normalizing_a_constant_gives_zeros),
        cmocka_unit_test(schedules_hit_their_ends),
        cmocka_unit_test(value_loss_matches_differences),
        cmocka_unit_test(moments_equal_one_big_batch),
        cmocka_unit_test(radix_and_one_hots_follow_the_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
