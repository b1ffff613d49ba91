/* Action values by state: dense for finite spaces, hashed by observation otherwise. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_Q_TABLE_H
#define ALGORITHM_Q_TABLE_H

#include "kit/flatten.h"

#define TABLE_NONE UINT32_MAX

/* Hashed states are numbered in the order they were first seen; their keys are dim floats each. */
struct table {
    const struct kit_flat *flat;
    uint32_t n_actions, n_tables; /* 2 for double Q */
    uint32_t dense;               /* 1: the state is the mixed-radix index */
    uint32_t key_dims, max_states;
    double q_init, bin_width;
    uint32_t n, cap;  /* states in use, allocated */
    double *q[2];     /* [cap][n_actions] */
    float *keys;      /* [cap][key_dims] */
    uint32_t *slots;  /* open addressing: state + 1, 0 = free */
    uint32_t n_slots; /* a power of two, at least twice cap */
    float *key;       /* flat.dim floats of work space */
};

int32_t table_open(struct table *t);
void table_close(struct table *t);
/* State of an observation row; insert 0: TABLE_NONE when it was never seen. TABLE_NONE also when
 * the table is full or memory is out. */
uint32_t table_find(struct table *t, const void *obs, int insert);
/* Makes room for n states whose keys and values are about to be loaded; then rebuilds the index. */
int32_t table_reserve(struct table *t, uint32_t n);
void table_index(struct table *t, uint32_t n);

static inline double *table_q(const struct table *t, uint32_t which, uint32_t state)
{
    return t->q[which] + (uint64_t)state * t->n_actions;
}

#endif
