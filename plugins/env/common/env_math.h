/* Sine and cosine in double with equal bits on every instruction set: plain multiply and add, no
 * branches, so compilers vectorize loops around them. Source: the classic two-step reduction by
 * pi/2 and the degree 13 and 14 kernels of fdlibm. Build users with -ffp-contract=off. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENV_MATH_H
#define ENV_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define ENV_PI 3.14159265358979323846
#define ENV_KERNEL_ROWS 256 /* rows that a step kernel takes at once */
#define ENV_SINCOS_MAX 1e5  /* |x| up to which env_sincos_small holds 1 ulp */

#if defined(__GNUC__) || defined(__clang__)
#define ENV_INLINE static inline __attribute__((always_inline))
#else
#define ENV_INLINE static inline
#endif

/* Builds for one kernel. */
#define ENV_ISA_PLAIN 0u
#define ENV_ISA_AVX2 1u
#define ENV_ISA_AVX512 2u

/* ENV_VARIANTS(name, args): from `ENV_INLINE int name_body(const struct args *)` makes one copy per
 * instruction set and `name_fn name(isa)`, the copy for isa. All copies give equal bits. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define ENV_X86 1
#define ENV_VARIANTS(name, args)                                                            \
    static int name##_plain(const struct args *r)                                           \
    {                                                                                       \
        return name##_body(r);                                                              \
    }                                                                                       \
    __attribute__((target("avx2"))) static int name##_avx2(const struct args *r)            \
    {                                                                                       \
        return name##_body(r);                                                              \
    }                                                                                       \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl"))) static int name##_avx512( \
        const struct args *r)                                                               \
    {                                                                                       \
        return name##_body(r);                                                              \
    }                                                                                       \
    name##_fn *name(uint32_t isa)                                                           \
    {                                                                                       \
        return isa == ENV_ISA_AVX512 ? name##_avx512                                        \
               : isa == ENV_ISA_AVX2 ? name##_avx2                                          \
                                     : name##_plain;                                        \
    }
#else
#define ENV_X86 0
#define ENV_VARIANTS(name, args)                  \
    static int name##_plain(const struct args *r) \
    {                                             \
        return name##_body(r);                    \
    }                                             \
    name##_fn *name(uint32_t isa)                 \
    {                                             \
        (void)isa;                                \
        return name##_plain;                      \
    }
#endif

/* The widest instruction set of this machine. */
static inline uint32_t env_isa_best(void)
{
#if ENV_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return ENV_ISA_AVX512;
    if (__builtin_cpu_supports("avx2"))
        return ENV_ISA_AVX2;
#endif
    return ENV_ISA_PLAIN;
}

ENV_INLINE uint64_t env_bits(double x)
{
    uint64_t b;

    memcpy(&b, &x, sizeof b);
    return b;
}

ENV_INLINE double env_from_bits(uint64_t b)
{
    double x;

    memcpy(&x, &b, sizeof x);
    return x;
}

/* *s = sin x and *c = cos x for |x| <= ENV_SINCOS_MAX, below 1 ulp. Any other x gives some number.
 */
ENV_INLINE void env_sincos_small(double x, double *s, double *c)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    const double shifted = x * 6.36619772367581382433e-01 + magic;
    const uint64_t q = env_bits(shifted);
    const double n = shifted - magic;
    /* x - n pi/2 as y + t, pi/2 in three parts of which the first two are exact products */
    const double r0 = x - n * 1.57079632673412561417e+00;
    const double w0 = n * 6.07710050630396597660e-11;
    const double r1 = r0 - w0;
    const double w1 = n * 2.02226624879595063154e-21 - ((r0 - r1) - w0);
    const double y = r1 - w1;
    const double t = (r1 - y) - w1;
    const double z = y * y;
    const double zz = z * z;
    const double v = z * y;
    const double ps = 8.33333333332248946124e-03 +
                      z * (-1.98412698298579493134e-04 +
                           z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 +
                                                                  z * 1.58969099521155010221e-10)));
    const double ks = y - ((z * (0.5 * t - v * ps) - t) - v * -1.66666666666666324348e-01);
    const double pc = z * (4.16666666666666019037e-02 +
                           z * (-1.38888888888741095749e-03 + z * 2.48015872894767294178e-05)) +
                      zz * zz *
                          (-2.75573143513906633035e-07 +
                           z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11));
    const double hz = 0.5 * z;
    const double wc = 1.0 - hz;
    const double kc = wc + (((1.0 - wc) - hz) + (z * pc - y * t));
    const uint64_t swap = 0u - (q & 1u);
    const uint64_t bs = env_bits(ks), bc = env_bits(kc);

    *s = env_from_bits(((bs & ~swap) | (bc & swap)) ^ ((q & 2u) << 62));
    *c = env_from_bits(((bc & ~swap) | (bs & swap)) ^ (((q + 1u) & 2u) << 62));
}

ENV_INLINE double env_cos_small(double x)
{
    double s, c;

    env_sincos_small(x, &s, &c);
    return c;
}

/* As above for every x; large and non-finite arguments go to the C library. */
static inline void env_sincos(double x, double *s, double *c)
{
    if (fabs(x) <= ENV_SINCOS_MAX) {
        env_sincos_small(x, s, c);
    } else {
        *s = sin(x);
        *c = cos(x);
    }
}

static inline double env_cos(double x)
{
    double s, c;

    env_sincos(x, &s, &c);
    return c;
}

/* a where cond is 1, b where it is 0. Compilers turn conditional expressions in a chain into jumps,
 * which stops vectorization; this form stays a select. */
ENV_INLINE double env_pick(int cond, double a, double b)
{
    const uint64_t m = 0u - (uint64_t)cond;

    return env_from_bits((env_bits(a) & m) | (env_bits(b) & ~m));
}

/* x inside [lo, hi]. x must not be NaN. */
ENV_INLINE double env_clamp(double x, double lo, double hi)
{
    const double y = env_pick(x < lo, lo, x);

    return env_pick(y > hi, hi, y);
}

#endif
