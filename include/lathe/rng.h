/* Random numbers: PCG64 for environment rows, Philox4x32-10 for algorithms, SplitMix64 for scenario
 * streams. Header-only; portable integer code, equal bits on every platform.
 * Threads: [any] on distinct objects. Compile users with -ffp-contract=off for equal normals. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_RNG_H
#define LATHE_RNG_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Streams of the counter-based generator: what a draw is for. Values are part of every recorded
 * run. */
#define LATHE_STREAM_INIT 1u      /* network and table initialisation */
#define LATHE_STREAM_ACTION 2u    /* sampling actions */
#define LATHE_STREAM_SHUFFLE 3u   /* minibatch order */
#define LATHE_STREAM_REPLAY 4u    /* replay sampling */
#define LATHE_STREAM_TARGET 5u    /* target policy noise */
#define LATHE_STREAM_EXPLORE 6u   /* exploration noise */
#define LATHE_STREAM_BOOTSTRAP 7u /* bootstrap of metrics */
#define LATHE_STREAM_POPULATION 8u

/* 64 x 64 -> 128 bit product: returns the low half, *hi receives the high half. Since 1.0. */
static inline uint64_t lathe_mul64(uint64_t a, uint64_t b, uint64_t *hi)
{
    const uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    const uint64_t ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
    const uint64_t mid = (ll >> 32) + (uint32_t)lh + (uint32_t)hl;

    *hi = hh + (lh >> 32) + (hl >> 32) + (mid >> 32);
    return (mid << 32) | (uint32_t)ll;
}

/* ---- PCG64, equal to NumPy's Generator(PCG64(SeedSequence(seed))) ------------------------------
 */

/* Complete state: copying the struct copies the generator. half is the unused upper part of the
 * last 64-bit draw when has_half is 1. */
struct lathe_pcg64 {
    uint64_t state_hi, state_lo, inc_hi, inc_lo;
    uint32_t half, has_half;
};

static inline void lathe_pcg64_step_(struct lathe_pcg64 *rng)
{
    const uint64_t mul_hi = 2549297995355413924u, mul_lo = 4865540595714422341u;
    uint64_t hi;
    const uint64_t lo = lathe_mul64(rng->state_lo, mul_lo, &hi);

    hi += rng->state_hi * mul_lo + rng->state_lo * mul_hi;
    rng->state_lo = lo + rng->inc_lo;
    rng->state_hi = hi + rng->inc_hi + (rng->state_lo < lo ? 1u : 0u);
}

static inline uint32_t lathe_seed_hash_(uint32_t value, uint32_t *hash, uint32_t mult)
{
    value ^= *hash;
    *hash *= mult;
    value *= *hash;
    return value ^ (value >> 16);
}

/* The SeedSequence of NumPy: four 64-bit words from a seed. Since 1.0. */
static inline void lathe_seed_sequence(uint64_t seed, uint64_t out[4])
{
    uint32_t pool[4], hash = 0x43b0d7e5u, words[8];
    unsigned i, j;

    for (i = 0; i < 4; i++) {
        const uint32_t word = i == 0 ? (uint32_t)seed : i == 1 ? (uint32_t)(seed >> 32) : 0u;
        pool[i] = lathe_seed_hash_(word, &hash, 0x931e8875u);
    }
    for (i = 0; i < 4; i++)
        for (j = 0; j < 4; j++)
            if (i != j) {
                const uint32_t h = lathe_seed_hash_(pool[i], &hash, 0x931e8875u);
                const uint32_t r = 0xca01f9ddu * pool[j] - 0x4973f715u * h;
                pool[j] = r ^ (r >> 16);
            }
    hash = 0x8b51f9ddu;
    for (i = 0; i < 8; i++)
        words[i] = lathe_seed_hash_(pool[i & 3u], &hash, 0x58f38dedu);
    for (i = 0; i < 4; i++)
        out[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
}

/* Seeds the generator. Since 1.0. */
static inline void lathe_pcg64_seed(struct lathe_pcg64 *rng, uint64_t seed)
{
    uint64_t o[4];
    uint64_t lo;

    lathe_seed_sequence(seed, o);
    rng->inc_hi = o[2] << 1 | o[3] >> 63;
    rng->inc_lo = o[3] << 1 | 1u;
    rng->state_hi = rng->state_lo = 0;
    rng->half = rng->has_half = 0;
    lathe_pcg64_step_(rng);
    lo = rng->state_lo + o[1];
    rng->state_hi += o[0] + (lo < o[1] ? 1u : 0u);
    rng->state_lo = lo;
    lathe_pcg64_step_(rng);
}

/* Next 64 bits. Since 1.0. */
static inline uint64_t lathe_pcg64_next64(struct lathe_pcg64 *rng)
{
    uint64_t x;
    unsigned rot;

    lathe_pcg64_step_(rng);
    x = rng->state_hi ^ rng->state_lo;
    rot = (unsigned)(rng->state_hi >> 58);
    return x >> rot | x << ((64u - rot) & 63u);
}

/* Next 32 bits: the low half of a draw first, the high half is kept for the next call. Since 1.0.
 */
static inline uint32_t lathe_pcg64_next32(struct lathe_pcg64 *rng)
{
    uint64_t x;

    if (rng->has_half) {
        rng->has_half = 0;
        return rng->half;
    }
    x = lathe_pcg64_next64(rng);
    rng->half = (uint32_t)(x >> 32);
    rng->has_half = 1;
    return (uint32_t)x;
}

/* Uniform in [0, 1) with 53 bits. Since 1.0. */
static inline double lathe_pcg64_double(struct lathe_pcg64 *rng)
{
    return (double)(lathe_pcg64_next64(rng) >> 11) * (1.0 / 9007199254740992.0);
}

/* Uniform in [a, b). Since 1.0. */
static inline double lathe_pcg64_uniform(struct lathe_pcg64 *rng, double a, double b)
{
    return a + (b - a) * lathe_pcg64_double(rng);
}

/* Uniform integer in [0, n), as integers(0, n) and choice(list of n). n <= 1 draws nothing and
 * yields 0. Since 1.0. */
static inline uint32_t lathe_pcg64_below(struct lathe_pcg64 *rng, uint32_t n)
{
    uint64_t m;

    if (n <= 1)
        return 0;
    m = (uint64_t)lathe_pcg64_next32(rng) * n;
    if ((uint32_t)m < n) {
        const uint32_t threshold = (0u - n) % n;
        while ((uint32_t)m < threshold)
            m = (uint64_t)lathe_pcg64_next32(rng) * n;
    }
    return (uint32_t)(m >> 32);
}

/* Uniform integer in [lo, hi), as integers(lo, hi); hi - lo < 2^32. Since 1.0. */
static inline int64_t lathe_pcg64_integers(struct lathe_pcg64 *rng, int64_t lo, int64_t hi)
{
    return hi <= lo ? lo : lo + (int64_t)lathe_pcg64_below(rng, (uint32_t)(hi - lo));
}

/* First i with p[0] + ... + p[i] > u for one uniform u, else 0. Since 1.0. */
static inline uint32_t lathe_pcg64_categorical(struct lathe_pcg64 *rng, const double *p, uint32_t n)
{
    const double u = lathe_pcg64_double(rng);
    double sum = 0.0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        sum += p[i];
        if (sum > u)
            return i;
    }
    return 0;
}

/* ---- Philox4x32-10, stateless: a draw depends on what it is for, never on order or threads ------
 */

/* Ten rounds over the counter ctr with the 64-bit key, low word first. Since 1.0. */
static inline void lathe_philox4x32(uint64_t key, const uint32_t ctr[4], uint32_t out[4])
{
    uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    int round;

    for (round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Four words for (run seed, stream, row, step, block): key = seed, counter = (block, stream, row,
 * step). Bits 32..55 of step travel in the upper bits of the stream word; streams are below 256.
 * Since 1.0. */
static inline void lathe_philox(uint64_t seed, uint32_t stream, uint32_t row, uint64_t step,
                                uint32_t block, uint32_t out[4])
{
    uint32_t ctr[4];

    ctr[0] = block;
    ctr[1] = stream | (uint32_t)(step >> 32) << 8;
    ctr[2] = row;
    ctr[3] = (uint32_t)step;
    lathe_philox4x32(seed, ctr, out);
}

/* ((x >> 8) + 0.5) / 2^24 as float; inside (0, 1], the upper end only by rounding. Since 1.0. */
static inline float lathe_u32_to_f32(uint32_t x)
{
    return (float)(((double)(x >> 8) + 0.5) * (1.0 / 16777216.0));
}

/* Natural logarithm of a normal positive double by the classic reduction to sqrt(2)/2 .. sqrt(2);
 * below 1 ulp, plain multiply and add, so bits do not depend on the C library. */
static inline double lathe_log_(double x)
{
    uint64_t bits;
    int k;
    double f, s, z, w, t, r, hfsq, dk;

    memcpy(&bits, &x, sizeof bits);
    bits += (uint64_t)(0x3ff00000u - 0x3fe6a09eu) << 32;
    k = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffu) + ((uint64_t)0x3fe6a09eu << 32);
    memcpy(&x, &bits, sizeof x);
    f = x - 1.0;
    hfsq = 0.5 * f * f;
    s = f / (2.0 + f);
    z = s * s;
    w = z * z;
    t = w *
        (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    r = z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 +
                  w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))) +
        t;
    dk = (double)k;
    return s * (hfsq + r) + dk * 1.90821492927058770002e-10 - hfsq + f +
           dk * 6.93147180369123816490e-01;
}

/* sin and cos of 2 pi u for u in [0, 1): exact quadrant reduction, then the classic kernels. */
static inline void lathe_sincos_turn_(double u, double *s, double *c)
{
    const int quadrant = (int)(u * 4.0 + 0.5);
    const double x = (u - 0.25 * (double)quadrant) * 6.28318530717958647692;
    const double z = x * x;
    const double ks =
        x +
        x * z *
            (-1.66666666666666324348e-01 +
             z * (8.33333333332248946124e-03 +
                  z * (-1.98412698298579493134e-04 +
                       z * (2.75573137070700676789e-06 +
                            z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const double kc =
        1.0 - 0.5 * z +
        z * z *
            (4.16666666666666019037e-02 +
             z * (-1.38888888888741095749e-03 +
                  z * (2.48015872894767294178e-05 +
                       z * (-2.75573143513906633035e-07 +
                            z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    switch (quadrant & 3) {
    case 0:
        *s = ks, *c = kc;
        break;
    case 1:
        *s = kc, *c = -ks;
        break;
    case 2:
        *s = -ks, *c = -kc;
        break;
    default:
        *s = -kc, *c = ks;
        break;
    }
}

/* Two standard normals from two words (Box-Muller): radius from x0, angle from x1. Since 1.0. */
static inline void lathe_normal_pair(uint32_t x0, uint32_t x1, float out[2])
{
    const double u = ((double)(x0 >> 8) + 0.5) * (1.0 / 16777216.0);
    const double v = ((double)(x1 >> 8) + 0.5) * (1.0 / 16777216.0);
    const double radius = sqrt(-2.0 * lathe_log_(u));
    double s, c;

    lathe_sincos_turn_(v, &s, &c);
    out[0] = (float)(radius * c);
    out[1] = (float)(radius * s);
}

/* ---- SplitMix64 streams of scenario environments ------------------------------------------------
 */

#define LATHE_PURPOSE_TRAIN 1u       /* training tickets */
#define LATHE_PURPOSE_EVAL 2u        /* evaluation tickets */
#define LATHE_PURPOSE_INTERACTIVE 3u /* environments stepped by a person or an outside agent */
#define LATHE_PURPOSE_ACTION 4u      /* action sampling */
#define LATHE_PURPOSE_INIT 5u        /* weight initialisation */
#define LATHE_PURPOSE_SHUFFLE 6u     /* minibatch order */
#define LATHE_PURPOSE_TRIAL 7u       /* repeat trials: index = ticket * 64 + trial */

/* The finaliser. Since 1.0. */
static inline uint64_t lathe_mix64(uint64_t z)
{
    z ^= z >> 30;
    z *= 0xBF58476D1CE4E5B9u;
    z ^= z >> 27;
    z *= 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Next 64 bits of the stream whose state is *state. Since 1.0. */
static inline uint64_t lathe_splitmix_next(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    return lathe_mix64(*state);
}

/* Uniform in [0, 1) with 53 bits. Since 1.0. */
static inline double lathe_splitmix_double(uint64_t *state)
{
    return (double)(lathe_splitmix_next(state) >> 11) * (1.0 / 9007199254740992.0);
}

/* First state of stream (seed, purpose, index). Since 1.0. */
static inline uint64_t lathe_splitmix_stream(uint64_t seed, uint64_t purpose, uint64_t index)
{
    return lathe_mix64(lathe_mix64(seed + purpose * 0x9E3779B97F4A7C15u) + index);
}

#endif
