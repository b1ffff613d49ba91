/* Initial weights. A draw depends on (seed, net, layer, element) alone. Orthogonal matrices come
 * from Gram-Schmidt in double, done twice per column, which is the QR factor with a positive
 * diagonal. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "cpu.h"
#include "lathe/rng.h"

static void normals(uint64_t seed, uint32_t row, uint64_t step, float *out, size_t n)
{
    size_t i;

    for (i = 0; i < n; i += 4) {
        uint32_t x[4];
        float z[4];
        size_t j;
        lathe_philox(seed, LATHE_STREAM_INIT, row, step, (uint32_t)(i / 4), x);
        lathe_normal_pair(x[0], x[1], z);
        lathe_normal_pair(x[2], x[3], z + 2);
        for (j = 0; j < 4 && i + j < n; j++)
            out[i + j] = z[j];
    }
}

static void uniforms(uint64_t seed, uint32_t row, uint64_t step, float *out, size_t n, double bound)
{
    size_t i;

    for (i = 0; i < n; i++) {
        uint32_t x[4];
        lathe_philox(seed, LATHE_STREAM_INIT, row, step, (uint32_t)(i / 4), x);
        out[i] = (float)(((double)lathe_u32_to_f32(x[i & 3u]) * 2.0 - 1.0) * bound);
    }
}

/* Makes the cols columns of q (rows x cols, rows >= cols, column j at q + j * rows) orthonormal. */
static void gram_schmidt(double *q, size_t rows, size_t cols)
{
    size_t i, j, r;
    int pass;

    for (j = 0; j < cols; j++) {
        double *v = q + j * rows, norm = 0;
        for (pass = 0; pass < 2; pass++)
            for (i = 0; i < j; i++) {
                const double *u = q + i * rows;
                double dot = 0;
                for (r = 0; r < rows; r++)
                    dot += u[r] * v[r];
                for (r = 0; r < rows; r++)
                    v[r] -= dot * u[r];
            }
        for (r = 0; r < rows; r++)
            norm += v[r] * v[r];
        norm = norm > 0 ? 1.0 / sqrt(norm) : 0;
        for (r = 0; r < rows; r++)
            v[r] *= norm;
    }
}

static int32_t orthogonal(const struct lathe_layer *l, float *w)
{
    const size_t rows = l->in > l->out ? l->in : l->out, cols = l->in > l->out ? l->out : l->in;
    double *q = malloc(rows * cols * sizeof *q);
    size_t i, j;

    if (q == NULL)
        return LATHE_E_NOMEM;
    /* the normal matrix is rows x cols in row-major order, as PyTorch draws it */
    for (i = 0; i < rows; i++)
        for (j = 0; j < cols; j++)
            q[j * rows + i] = (double)w[i * cols + j];
    gram_schmidt(q, rows, cols);
    for (i = 0; i < l->out; i++)
        for (j = 0; j < l->in; j++)
            w[i * l->in + j] =
                (float)(l->gain * (l->out < l->in ? q[i * rows + j] : q[j * rows + i]));
    free(q);
    return LATHE_OK;
}

int32_t cpu_init_layer(const struct lathe_layer *l, uint64_t seed, uint32_t seed_row,
                       uint32_t index, float *w, float *b)
{
    const size_t n = (size_t)l->in * l->out;
    size_t i;

    switch (l->init) {
    case LATHE_INIT_ORTHOGONAL:
        normals(seed, seed_row, 2u * index, w, n);
        return n == 0 ? LATHE_OK : orthogonal(l, w);
    case LATHE_INIT_UNIFORM: {
        const double bound = l->in == 0 ? l->gain : l->gain / sqrt((double)l->in);
        uniforms(seed, seed_row, 2u * index, w, n, bound);
        uniforms(seed, seed_row, 2u * index + 1u, b, l->out, bound);
        return LATHE_OK;
    }
    case LATHE_INIT_NORMAL:
        normals(seed, seed_row, 2u * index, w, n);
        for (i = 0; i < n; i++)
            w[i] = (float)((double)w[i] * l->gain);
        return LATHE_OK;
    default:
        for (i = 0; i < l->out; i++)
            b[i] = (float)l->gain;
        return LATHE_OK;
    }
}
