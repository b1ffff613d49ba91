/* Walks a space's leaves without recursion and turns rows into vectors or indices. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/flatten.h"

#include <string.h>

#define MAX_DEPTH 16

static uint32_t elements(const struct lathe_space *s)
{
    uint32_t n = 1, i;

    for (i = 0; i < s->ndim && i < 6; i++)
        n *= s->shape[i];
    return n;
}

/* Numbers of a leaf in the flat vector. */
static uint64_t leaf_dim(const struct lathe_space *s)
{
    uint64_t dim = 0;
    uint32_t i;

    switch (s->kind) {
    case LATHE_SPACE_DISCRETE:
        return (uint64_t)s->n;
    case LATHE_SPACE_MULTIDISCRETE:
        for (i = 0; i < s->shape[0]; i++)
            dim += (uint64_t)s->nvec[i];
        return dim;
    case LATHE_SPACE_BOX:
    case LATHE_SPACE_MULTIBINARY:
        return elements(s);
    default:
        return 0;
    }
}

static int32_t add_leaf(struct kit_flat *flat, const struct lathe_space *s)
{
    const uint64_t dim = leaf_dim(s);
    struct kit_leaf *leaf;

    if (dim == 0 || flat->dim + dim > 1u << 24 || flat->n_leaves == KIT_MAX_LEAVES)
        return 0;
    leaf = &flat->leaf[flat->n_leaves++];
    leaf->space = s;
    leaf->col = flat->dim;
    leaf->dim = (uint32_t)dim;
    flat->dim += (uint32_t)dim;
    flat->plain = flat->n_leaves == 1 && s->kind == LATHE_SPACE_BOX && s->dtype == LATHE_F32 &&
                  s->offset_bytes == 0;
    return 1;
}

int32_t kit_flat_init(struct kit_flat *flat, const struct lathe_space *space)
{
    const struct lathe_space *const *stack[MAX_DEPTH];
    uint32_t depth = 0;

    memset(flat, 0, sizeof *flat);
    if (space->kind != LATHE_SPACE_TUPLE && space->kind != LATHE_SPACE_DICT)
        return add_leaf(flat, space);
    stack[depth++] = space->children;
    while (depth > 0) {
        const struct lathe_space *s = *stack[depth - 1];
        if (s == NULL) {
            depth--;
            continue;
        }
        stack[depth - 1]++;
        if (s->kind == LATHE_SPACE_TUPLE || s->kind == LATHE_SPACE_DICT) {
            if (depth == MAX_DEPTH)
                return 0;
            stack[depth++] = s->children;
        } else if (!add_leaf(flat, s)) {
            return 0;
        }
    }
    return flat->dim > 0;
}

static float number(const struct lathe_space *s, const unsigned char *at, uint32_t i)
{
    double f64;
    float f32;
    int32_t i32;
    int64_t i64;

    switch (s->dtype) {
    case LATHE_F32:
        memcpy(&f32, at + (size_t)i * 4, 4);
        return f32;
    case LATHE_F64:
        memcpy(&f64, at + (size_t)i * 8, 8);
        return (float)f64;
    case LATHE_I32:
        memcpy(&i32, at + (size_t)i * 4, 4);
        return (float)i32;
    case LATHE_I64:
        memcpy(&i64, at + (size_t)i * 8, 8);
        return (float)i64;
    default:
        return (float)at[i];
    }
}

static int64_t integer(const unsigned char *at, uint32_t i)
{
    int32_t v;

    memcpy(&v, at + (size_t)i * 4, 4);
    return v;
}

static void one_hots(const struct lathe_space *s, const unsigned char *at, float *out, uint32_t dim)
{
    uint32_t i, col = 0;
    int64_t v;

    memset(out, 0, dim * sizeof *out);
    if (s->kind == LATHE_SPACE_DISCRETE) {
        v = integer(at, 0) - s->start;
        if (v >= 0 && v < s->n)
            out[v] = 1.0f;
        return;
    }
    for (i = 0; i < s->shape[0]; i++) {
        v = integer(at, i);
        if (v >= 0 && v < s->nvec[i])
            out[col + (uint64_t)v] = 1.0f;
        col += (uint32_t)s->nvec[i];
    }
}

void kit_flatten(const struct kit_flat *flat, const void *row, float *out)
{
    uint32_t l, i;

    if (flat->plain) {
        memcpy(out, row, flat->dim * sizeof *out);
        return;
    }
    for (l = 0; l < flat->n_leaves; l++) {
        const struct kit_leaf *leaf = &flat->leaf[l];
        const unsigned char *at = (const unsigned char *)row + leaf->space->offset_bytes;
        if (leaf->space->kind == LATHE_SPACE_DISCRETE ||
            leaf->space->kind == LATHE_SPACE_MULTIDISCRETE)
            one_hots(leaf->space, at, out + leaf->col, leaf->dim);
        else
            for (i = 0; i < leaf->dim; i++)
                out[leaf->col + i] = number(leaf->space, at, i);
    }
}

uint64_t kit_radix_size(const struct kit_flat *flat, uint64_t max)
{
    uint64_t size = 1;
    uint32_t l, i;

    for (l = 0; l < flat->n_leaves; l++) {
        const struct lathe_space *s = flat->leaf[l].space;
        const uint32_t n = s->kind == LATHE_SPACE_DISCRETE ? 1 : s->shape[0];
        if (s->kind != LATHE_SPACE_DISCRETE && s->kind != LATHE_SPACE_MULTIDISCRETE)
            return 0;
        for (i = 0; i < n; i++) {
            const uint64_t k = (uint64_t)(s->kind == LATHE_SPACE_DISCRETE ? s->n : s->nvec[i]);
            if (k == 0 || size > max / k)
                return 0;
            size *= k;
        }
    }
    return size;
}

uint64_t kit_radix_index(const struct kit_flat *flat, const void *row)
{
    uint64_t index = 0;
    uint32_t l, i;

    for (l = 0; l < flat->n_leaves; l++) {
        const struct lathe_space *s = flat->leaf[l].space;
        const unsigned char *at = (const unsigned char *)row + s->offset_bytes;
        if (s->kind == LATHE_SPACE_DISCRETE)
            index = index * (uint64_t)s->n + (uint64_t)(integer(at, 0) - s->start);
        else
            for (i = 0; i < s->shape[0]; i++)
                index = index * (uint64_t)s->nvec[i] + (uint64_t)integer(at, i);
    }
    return index;
}
