/* Running mean and variance over batches, in double. Threads: [any] on distinct objects. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_MOMENTS_H
#define KIT_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

/* One number's moments; starts at {1e-4, 0, 1}. */
struct kit_moments {
    double count, mean, var;
};

#define KIT_MOMENTS_START \
    {                     \
        1e-4, 0.0, 1.0    \
    }

/* Adds n numbers, stride floats apart. */
void kit_moments_add(struct kit_moments *m, const float *x, size_t n, size_t stride);

#endif
