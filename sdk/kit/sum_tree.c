/* Sums in a binary tree, bottom up. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/sum_tree.h"

#include <stdlib.h>

int32_t kit_sum_tree_open(struct kit_sum_tree *tree, uint64_t n)
{
    tree->n_leaves = kit_sum_tree_width(n);
    tree->node = calloc((size_t)(2 * tree->n_leaves), sizeof *tree->node);
    return tree->node != NULL ? LATHE_OK : LATHE_E_NOMEM;
}

void kit_sum_tree_close(struct kit_sum_tree *tree)
{
    free(tree->node);
    tree->node = NULL;
}

void kit_sum_tree_set(struct kit_sum_tree *tree, uint64_t i, double value)
{
    double *const node = tree->node;

    i += tree->n_leaves;
    node[i] = value;
    for (i /= 2; i > 0; i /= 2)
        node[i] = node[2 * i] + node[2 * i + 1];
}

uint64_t kit_sum_tree_find(const struct kit_sum_tree *tree, double target)
{
    const double *const node = tree->node;
    uint64_t i = 1;

    while (i < tree->n_leaves) {
        const double left = node[2 * i];
        const int go_left = node[2 * i + 1] <= 0 || (target < left && left > 0);
        i = 2 * i + (go_left ? 0 : 1);
        if (!go_left)
            target -= left;
    }
    return i - tree->n_leaves;
}

double *kit_sum_tree_leaves(const struct kit_sum_tree *tree)
{
    return tree->node + tree->n_leaves;
}

void kit_sum_tree_rebuild(struct kit_sum_tree *tree)
{
    double *const node = tree->node;
    uint64_t i;

    for (i = tree->n_leaves - 1; i > 0; i--)
        node[i] = node[2 * i] + node[2 * i + 1];
}
