/* Spaces: the shape and range of observations and actions, as a tree whose leaves lie packed in one
 * row. Threads: constant data. Source: the space model of Gymnasium 1.x. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_SPACE_H
#define LATHE_SPACE_H

#include "lathe/abi.h"

#define LATHE_SPACE_BOX 0           /* shape[ndim] numbers inside [low, high] */
#define LATHE_SPACE_DISCRETE 1      /* one int32: start .. start + n - 1 */
#define LATHE_SPACE_MULTIDISCRETE 2 /* shape[0] int32, element k in 0 .. nvec[k] - 1 */
#define LATHE_SPACE_MULTIBINARY 3   /* shape[0] uint8, each 0 or 1 */
#define LATHE_SPACE_TUPLE 4
#define LATHE_SPACE_DICT 5 /* children sorted by key in byte order */
#define LATHE_SPACE_TEXT 6 /* NUL-padded UTF-8 of len_bytes; cannot be flattened */

#define LATHE_F32 0
#define LATHE_F64 1
#define LATHE_I32 2
#define LATHE_I64 3
#define LATHE_U8 4

#define LATHE_SPACE_ONE_BOUND 1u /* low and high hold one number that counts for every element */

/* One node of a space. Leaves: BOX, DISCRETE, MULTIDISCRETE, MULTIBINARY, TEXT; a leaf occupies
 * len_bytes at offset_bytes of the row, aligned to its element size. Discrete leaves are int32.
 * Flattening for networks: BOX and MULTIBINARY as they are, DISCRETE one-hot of n, MULTIDISCRETE
 * concatenated one-hots, TUPLE and DICT concatenated in order. */
struct lathe_space {
    uint32_t struct_size;
    uint8_t kind, dtype, ndim, flags;
    uint32_t shape[6], offset_bytes, len_bytes;
    int64_t n, start;    /* DISCRETE */
    const int64_t *nvec; /* MULTIDISCRETE: shape[0] sizes */
    const double *low,
        *high;       /* BOX: one number per element, or one with ONE_BOUND; may be infinite */
    const char *key; /* name inside a DICT, else NULL */
    const struct lathe_space *const *children; /* TUPLE, DICT: NULL-terminated */
};

#endif
