/* Running moments by the parallel update: exact in any order of batches, here always the same
 * order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/norm.h"

#include <math.h>
#include <string.h>

#include "core/base/mem.h"

#define COUNT_START 1e-4
#define EPSILON 1e-8
#define CLIP 10.0

static int32_t moments_init(struct moments *m, uint32_t dim)
{
    uint32_t k;

    m->dim = dim;
    m->count = COUNT_START;
    m->mean = mem_zalloc(dim, sizeof(double));
    m->var = mem_zalloc(dim, sizeof(double));
    m->batch_mean = mem_zalloc(dim, sizeof(double));
    m->batch_var = mem_zalloc(dim, sizeof(double));
    if (m->mean == NULL || m->var == NULL || m->batch_mean == NULL || m->batch_var == NULL)
        return LATHE_E_NOMEM;
    for (k = 0; k < dim; k++)
        m->var[k] = 1.0;
    return LATHE_OK;
}

static void moments_fini(struct moments *m)
{
    mem_free(m->mean);
    mem_free(m->var);
    mem_free(m->batch_mean);
    mem_free(m->batch_var);
}

int32_t norm_init(struct norm *norm, int obs, int reward, double gamma, uint32_t n, uint32_t dim)
{
    memset(norm, 0, sizeof *norm);
    norm->obs = obs;
    norm->reward = reward;
    norm->gamma = gamma;
    norm->n = n;
    norm->ret = mem_zalloc(n > 0 ? n : 1, sizeof(double));
    if (norm->ret == NULL || moments_init(&norm->obs_moments, dim > 0 ? dim : 1) != LATHE_OK ||
        moments_init(&norm->ret_moments, 1) != LATHE_OK) {
        norm_fini(norm);
        return LATHE_E_NOMEM;
    }
    return LATHE_OK;
}

void norm_fini(struct norm *norm)
{
    moments_fini(&norm->obs_moments);
    moments_fini(&norm->ret_moments);
    mem_free(norm->ret);
    memset(norm, 0, sizeof *norm);
}

/* Merges a batch of n samples with batch_mean and batch_var. */
static void moments_merge(struct moments *m, double n)
{
    double total = m->count + n;
    uint32_t k;

    for (k = 0; k < m->dim; k++) {
        double delta = m->batch_mean[k] - m->mean[k];
        double m2 =
            m->var[k] * m->count + m->batch_var[k] * n + delta * delta * m->count * n / total;

        m->mean[k] += delta * n / total;
        m->var[k] = m2 / total;
    }
    m->count = total;
}

static const float *row_of(const void *rows, size_t stride, uint32_t i)
{
    return (const float *)(const void *)((const char *)rows + i * stride);
}

void norm_update_obs(struct norm *norm, const void *obs, size_t stride, const struct vec_run *runs,
                     uint32_t n_runs)
{
    struct moments *m = &norm->obs_moments;
    uint32_t r, i, k, n = 0;

    memset(m->batch_mean, 0, m->dim * sizeof(double));
    memset(m->batch_var, 0, m->dim * sizeof(double));
    for (r = 0; r < n_runs; r++)
        for (i = runs[r].first; i < runs[r].first + runs[r].count; i++, n++)
            for (k = 0; k < m->dim; k++)
                m->batch_mean[k] += (double)row_of(obs, stride, i)[k];
    if (n == 0)
        return;
    for (k = 0; k < m->dim; k++)
        m->batch_mean[k] /= n;
    for (r = 0; r < n_runs; r++)
        for (i = runs[r].first; i < runs[r].first + runs[r].count; i++)
            for (k = 0; k < m->dim; k++) {
                double d = (double)row_of(obs, stride, i)[k] - m->batch_mean[k];

                m->batch_var[k] += d * d;
            }
    for (k = 0; k < m->dim; k++)
        m->batch_var[k] /= n;
    moments_merge(m, n);
}

static double clip(double v)
{
    return v > CLIP ? CLIP : v < -CLIP ? -CLIP : v;
}

void norm_apply_obs(const struct norm *norm, const void *in, void *out, size_t stride,
                    uint32_t first, uint32_t count)
{
    const struct moments *m = &norm->obs_moments;
    uint32_t i, k;

    for (i = first; i < first + count; i++) {
        const float *x = row_of(in, stride, i);
        float *y = (float *)(void *)((char *)out + i * stride);

        for (k = 0; k < m->dim; k++)
            y[k] = (float)clip(((double)x[k] - m->mean[k]) / sqrt(m->var[k] + EPSILON));
    }
}

void norm_rewards(struct norm *norm, const float *in, float *out, const uint8_t *ended,
                  const struct vec_run *runs, uint32_t n_runs)
{
    struct moments *m = &norm->ret_moments;
    uint32_t r, i, n = 0;
    double scale;

    m->batch_mean[0] = m->batch_var[0] = 0.0;
    for (r = 0; r < n_runs; r++)
        for (i = runs[r].first; i < runs[r].first + runs[r].count; i++, n++) {
            norm->ret[i] = norm->gamma * norm->ret[i] + (double)in[i];
            m->batch_mean[0] += norm->ret[i];
        }
    if (n == 0)
        return;
    m->batch_mean[0] /= n;
    for (r = 0; r < n_runs; r++)
        for (i = runs[r].first; i < runs[r].first + runs[r].count; i++) {
            double d = norm->ret[i] - m->batch_mean[0];

            m->batch_var[0] += d * d;
        }
    m->batch_var[0] /= n;
    moments_merge(m, n);
    scale = sqrt(m->var[0] + EPSILON);
    for (r = 0; r < n_runs; r++)
        for (i = runs[r].first; i < runs[r].first + runs[r].count; i++) {
            out[i] = (float)clip((double)in[i] / scale);
            if (ended[i])
                norm->ret[i] = 0.0;
        }
}
