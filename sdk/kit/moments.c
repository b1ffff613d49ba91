/* The parallel form of running moments (Chan et al.). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/moments.h"

void kit_moments_add(struct kit_moments *m, const float *x, size_t n, size_t stride)
{
    double mean = 0, var = 0, delta, total;
    const double nb = (double)n;
    size_t i;

    if (n == 0)
        return;
    for (i = 0; i < n; i++)
        mean += (double)x[i * stride];
    mean /= nb;
    for (i = 0; i < n; i++)
        var += ((double)x[i * stride] - mean) * ((double)x[i * stride] - mean);
    var /= nb;
    delta = mean - m->mean;
    total = m->count + nb;
    m->var = (m->var * m->count + var * nb + delta * delta * m->count * nb / total) / total;
    m->mean += delta * nb / total;
    m->count = total;
}
