/* The table of numeric kernels, one per instruction set, all with equal bits. Internal to
 * engine/cpu. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CPU_KERNELS_H
#define ENGINE_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* One column panel of C = init + A B. Element (i, k) of A is a[i * a_row + k * a_k]; B and C are
 * row-major with width columns, a multiple of 16 up to 64. Every C element is one fma chain over
 * ascending k that starts at bias[j], at C itself (add) or at 0. */
struct gemm_panel {
    uint32_t m, k, width, add;
    const float *a;
    size_t a_row, a_k;
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    const float *bias; /* or NULL */
};

/* Scalars of one Adam pass. */
struct adam_scalars {
    float clip, step, beta1, beta2, root,
        eps; /* step = lr / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t) */
};

struct kernels {
    uint32_t isa;
    void (*gemm)(const struct gemm_panel *p);
    /* h = act(z) in place; for GELU z keeps the input. n is a multiple of 16 in all of these. */
    void (*activate)(uint32_t activation, float *h, float *z, size_t n);
    /* d *= act'(.) from the outputs h (GELU: the inputs z). */
    void (*derive)(uint32_t activation, float *d, const float *h, const float *z, size_t n);
    /* db[j] = (add ? db[j] : 0) + sum of rows ascending. */
    void (*bias_grad)(uint32_t rows, uint32_t width, const float *dy, size_t ld, float *db,
                      uint32_t add);
    double (*sum_squares)(const float *x, size_t n); /* 16 lane partials, fixed tree */
    void (*adam)(const struct adam_scalars *s, float *p, const float *g, float *m, float *v,
                 size_t n);
    void (*rmsprop)(const struct adam_scalars *s, float *p, const float *g, float *v, size_t n);
    void (*axpy)(float a, float *p, const float *g, size_t n);        /* p = fma(a, g, p) */
    void (*blend)(float tau, float *dst, const float *src, size_t n); /* dst += tau * (src - dst) */
    /* b[j * ldb + i] = a[i * lda + j] for i < rows, j < cols; both multiples of 16 when padded. */
    void (*transpose)(const float *a, size_t lda, float *b, size_t ldb, uint32_t rows,
                      uint32_t cols);
};

extern const struct kernels kernels_portable;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
#endif

/* The kernels for LATHE_ISA_*, or NULL when this CPU lacks them. */
const struct kernels *kernels_get(uint32_t isa);

#endif
