/* Binary tree of sums in double, for drawing positions in proportion to their weight. Inner nodes
 * are always left + right, so equal leaves give equal trees. Threads: [any] on distinct objects. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_SUM_TREE_H
#define KIT_SUM_TREE_H

#include "lathe/status.h"

struct kit_sum_tree {
    uint64_t n_leaves; /* a power of two */
    double *node;      /* [2 n_leaves], root at 1, leaves from n_leaves on */
};

static inline uint64_t kit_sum_tree_width(uint64_t n)
{
    uint64_t width = 1;

    while (width < n)
        width *= 2;
    return width;
}

static inline uint64_t kit_sum_tree_bytes(uint64_t n)
{
    return 2 * kit_sum_tree_width(n) * sizeof(double);
}

/* A tree of n <= 2^31 zeros. Errors: LATHE_E_NOMEM. */
LATHE_MUST_USE int32_t kit_sum_tree_open(struct kit_sum_tree *tree, uint64_t n);
void kit_sum_tree_close(struct kit_sum_tree *tree);

/* Sets leaf i to a finite number >= 0. */
void kit_sum_tree_set(struct kit_sum_tree *tree, uint64_t i, double value);

/* The leaf in which the running sum passes target (0 <= target < total); never an empty leaf unless
 * all are. */
uint64_t kit_sum_tree_find(const struct kit_sum_tree *tree, double target);

/* The leaves, for saving; after writing to them call rebuild. */
double *kit_sum_tree_leaves(const struct kit_sum_tree *tree);
void kit_sum_tree_rebuild(struct kit_sum_tree *tree);

static inline double kit_sum_tree_total(const struct kit_sum_tree *tree)
{
    return tree->node[1];
}

static inline double kit_sum_tree_get(const struct kit_sum_tree *tree, uint64_t i)
{
    return tree->node[tree->n_leaves + i];
}

#endif
