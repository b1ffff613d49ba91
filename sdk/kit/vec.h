/* Float vectors of the instruction set a file is compiled for, and elementary functions on them.
 * One formula for AVX-512, AVX2 and portable builds: every lane has equal bits on all three.
 * Threads: [any]. A file that includes this is compiled once per instruction set. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#ifndef KIT_VEC_H
#define KIT_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define KIT_INLINE static inline __attribute__((always_inline, unused))
#else
#define KIT_INLINE static inline
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#define KIT_VL 16
#define KIT_ISA_NAME(f) f##_avx512
typedef __m512 vf;
KIT_INLINE vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
KIT_INLINE void v_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}
KIT_INLINE vf v_set1(float a)
{
    return _mm512_set1_ps(a);
}
KIT_INLINE vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
KIT_INLINE vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
KIT_INLINE vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
KIT_INLINE vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
KIT_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
KIT_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
KIT_INLINE vf v_min(vf a, vf b) /* b when one is NaN */
{
    return _mm512_min_ps(a, b);
}
KIT_INLINE vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
KIT_INLINE vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
KIT_INLINE vf v_abs(vf a)
{
    return _mm512_abs_ps(a);
}
KIT_INLINE vf v_sign(vf a, vf s) /* a >= 0 with the sign of s */
{
    const __m512i m = _mm512_set1_epi32((int)0x80000000u);
    return _mm512_castsi512_ps(
        _mm512_or_si512(_mm512_castps_si512(a), _mm512_and_si512(_mm512_castps_si512(s), m)));
}
KIT_INLINE vf v_lt(vf a, vf b, vf x, vf y) /* a < b ? x : y */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
KIT_INLINE vf v_scale2(vf a, vf t) /* bits of a plus the low bits of t as exponent */
{
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
}
KIT_INLINE void v_frexp(vf a, vf *m, vf *e) /* m in [sqrt(1/2), sqrt(2)) */
{
    const __m512i i =
        _mm512_add_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(0x3f800000 - 0x3f3504f3));
    *e = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_srli_epi32(i, 23), _mm512_set1_epi32(127)));
    *m = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_and_si512(i, _mm512_set1_epi32(0x7fffff)),
                                              _mm512_set1_epi32(0x3f3504f3)));
}

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define KIT_VL 8
#define KIT_ISA_NAME(f) f##_avx2
typedef __m256 vf;
KIT_INLINE vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
KIT_INLINE void v_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
KIT_INLINE vf v_set1(float a)
{
    return _mm256_set1_ps(a);
}
KIT_INLINE vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
KIT_INLINE vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
KIT_INLINE vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
KIT_INLINE vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
KIT_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
KIT_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
KIT_INLINE vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
KIT_INLINE vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
KIT_INLINE vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
KIT_INLINE vf v_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
KIT_INLINE vf v_sign(vf a, vf s)
{
    return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), s));
}
KIT_INLINE vf v_lt(vf a, vf b, vf x, vf y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
KIT_INLINE vf v_scale2(vf a, vf t)
{
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
}
KIT_INLINE void v_frexp(vf a, vf *m, vf *e)
{
    const __m256i i =
        _mm256_add_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(0x3f800000 - 0x3f3504f3));
    *e = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(i, 23), _mm256_set1_epi32(127)));
    *m = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_and_si256(i, _mm256_set1_epi32(0x7fffff)),
                                              _mm256_set1_epi32(0x3f3504f3)));
}

#else
#define KIT_VL 1
#define KIT_ISA_NAME(f) f##_portable
typedef float vf;
KIT_INLINE vf v_load(const float *p)
{
    return *p;
}
KIT_INLINE void v_store(float *p, vf a)
{
    *p = a;
}
KIT_INLINE vf v_set1(float a)
{
    return a;
}
KIT_INLINE vf v_add(vf a, vf b)
{
    return a + b;
}
KIT_INLINE vf v_sub(vf a, vf b)
{
    return a - b;
}
KIT_INLINE vf v_mul(vf a, vf b)
{
    return a * b;
}
KIT_INLINE vf v_div(vf a, vf b)
{
    return a / b;
}
KIT_INLINE vf v_fma(vf a, vf b, vf c)
{
    return fmaf(a, b, c);
}
KIT_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return fmaf(-a, b, c);
}
KIT_INLINE vf v_min(vf a, vf b)
{
    return a < b ? a : b;
}
KIT_INLINE vf v_max(vf a, vf b)
{
    return a > b ? a : b;
}
KIT_INLINE vf v_sqrt(vf a)
{
    return sqrtf(a);
}
KIT_INLINE vf v_abs(vf a)
{
    return fabsf(a);
}
KIT_INLINE vf v_sign(vf a, vf s)
{
    return copysignf(a, s);
}
KIT_INLINE vf v_lt(vf a, vf b, vf x, vf y)
{
    return a < b ? x : y;
}
KIT_INLINE vf v_scale2(vf a, vf t)
{
    uint32_t i, k;

    memcpy(&i, &a, sizeof i);
    memcpy(&k, &t, sizeof k);
    i += k << 23;
    memcpy(&a, &i, sizeof a);
    return a;
}
KIT_INLINE void v_frexp(vf a, vf *m, vf *e)
{
    uint32_t i;

    memcpy(&i, &a, sizeof i);
    i += 0x3f800000u - 0x3f3504f3u;
    *e = (float)((int32_t)(i >> 23) - 127);
    i = (i & 0x7fffffu) + 0x3f3504f3u;
    memcpy(m, &i, sizeof i);
}
#endif

/* e^x: below 2 ulp, 0 under -87.3, saturating above 88.37; NaN stays NaN. */
KIT_INLINE vf v_exp(vf x)
{
    const vf magic = v_set1(12582912.0f), lo = v_set1(-87.3f);
    const vf c = v_min(v_set1(88.376f), v_max(lo, x));
    const vf t = v_fma(c, v_set1(1.44269504088896341f), magic);
    const vf n = v_sub(t, magic);
    const vf r = v_fnma(n, v_set1(-2.12194440e-4f), v_fnma(n, v_set1(0.693359375f), c));
    vf p = v_fma(v_set1(1.9875691500e-4f), r, v_set1(1.3981999507e-3f));

    p = v_fma(p, r, v_set1(8.3334519073e-3f));
    p = v_fma(p, r, v_set1(4.1665795894e-2f));
    p = v_fma(p, r, v_set1(1.6666665459e-1f));
    p = v_fma(p, r, v_set1(5.0000001201e-1f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set1(1.0f));
    return v_lt(x, lo, v_set1(0.0f), v_scale2(p, t));
}

/* Natural logarithm of a normal positive number: below 2 ulp. */
KIT_INLINE vf v_log(vf x)
{
    vf f, e, z, y;

    v_frexp(x, &f, &e);
    f = v_sub(f, v_set1(1.0f));
    z = v_mul(f, f);
    y = v_fma(v_set1(7.0376836292e-2f), f, v_set1(-1.1514610310e-1f));
    y = v_fma(y, f, v_set1(1.1676998740e-1f));
    y = v_fma(y, f, v_set1(-1.2420140846e-1f));
    y = v_fma(y, f, v_set1(1.4249322787e-1f));
    y = v_fma(y, f, v_set1(-1.6668057665e-1f));
    y = v_fma(y, f, v_set1(2.0000714765e-1f));
    y = v_fma(y, f, v_set1(-2.4999993993e-1f));
    y = v_fma(y, f, v_set1(3.3333331174e-1f));
    y = v_mul(v_mul(y, f), z);
    y = v_fma(e, v_set1(-2.12194440e-4f), y);
    y = v_fma(z, v_set1(-0.5f), y);
    return v_fma(e, v_set1(0.693359375f), v_add(f, y));
}

/* tanh x = e / (e + 2) with e = expm1(2 x): below 2.5 ulp, 1 from 9.02 on; NaN stays NaN. */
KIT_INLINE vf v_tanh(vf x)
{
    const vf magic = v_set1(12582912.0f), one = v_set1(1.0f);
    const vf c = v_min(v_set1(9.02f), v_abs(x));
    const vf t =
        v_fma(c, v_set1(2.88539008177792682f), magic); /* low bits: n = round(2 c / ln 2) */
    const vf n = v_sub(t, magic);
    const vf r = v_fnma(n, v_set1(-2.12194440e-4f), v_fnma(n, v_set1(0.693359375f), v_add(c, c)));
    const vf s = v_scale2(one, t);
    vf p = v_fma(v_set1(1.9875691500e-4f), r, v_set1(1.3981999507e-3f));
    vf e;

    p = v_fma(p, r, v_set1(8.3334519073e-3f));
    p = v_fma(p, r, v_set1(4.1665795894e-2f));
    p = v_fma(p, r, v_set1(1.6666665459e-1f));
    p = v_fma(p, r, v_set1(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), r);
    e = v_fma(s, p, v_sub(s, one));
    return v_sign(v_div(e, v_add(e, v_set1(2.0f))), x);
}

#endif
