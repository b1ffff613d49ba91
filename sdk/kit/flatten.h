/* Flattening of observations for networks and mixed-radix indices for tables. Threads: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_FLATTEN_H
#define KIT_FLATTEN_H

#include "lathe/space.h"

#define KIT_MAX_LEAVES 64u

struct kit_leaf {
    const struct lathe_space *space;
    uint32_t col, dim; /* place in the flat vector */
};

/* A space's leaves in order; constant after kit_flat_init. */
struct kit_flat {
    uint32_t n_leaves, dim;
    int32_t plain; /* the row is exactly dim float32 numbers */
    struct kit_leaf leaf[KIT_MAX_LEAVES];
};

/* Returns 1, or 0 when the space has text, too many leaves or no elements. */
int32_t kit_flat_init(struct kit_flat *flat, const struct lathe_space *space);

/* Writes one row's dim numbers. */
void kit_flatten(const struct kit_flat *flat, const void *row, float *out);

/* Number of distinct rows when every leaf is DISCRETE or MULTIDISCRETE (0: not finite, or beyond
 * max), and the mixed-radix index of a row, first element most significant. */
uint64_t kit_radix_size(const struct kit_flat *flat, uint64_t max);
uint64_t kit_radix_index(const struct kit_flat *flat, const void *row);

#endif
