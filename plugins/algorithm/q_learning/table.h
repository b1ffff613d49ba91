/* From observations to rows of a value table: dense for discrete observations, hashed for all
 * others. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef Q_LEARNING_TABLE_H
#define Q_LEARNING_TABLE_H

#include "lathe/algorithm.h"

#define TABLE_MAX_DENSE 8000000u /* values of a dense table */
#define TABLE_NONE UINT32_MAX

/* States are numbered 0 .. n_states - 1; a hashed table numbers them in the order they are met. */
struct table {
    uint32_t n_actions, n_tables; /* n_tables value columns per action: 2 for double learning */
    uint32_t n_states, cap_states;
    uint32_t is_dense, key_bytes;
    uint32_t n_leaves;
    uint32_t leaf_offset[16];
    int64_t leaf_start[16], leaf_n[16];
    uint32_t n_slots;    /* of the hash, a power of two */
    uint32_t *slots;     /* state number + 1, 0 = free */
    unsigned char *keys; /* [n_states][key_bytes] */
    double *q;           /* [n_states][n_tables][n_actions] */
    double q_init;
    uint64_t max_bytes;
};

/* Fits the table to a space. key_dims: leading float32 numbers of a Box that form the key, 0 = all.
 * Errors: LATHE_E_UNSUPPORTED, LATHE_E_INVALID (key_dims), LATHE_E_NOMEM, LATHE_E_LIMIT. */
int32_t table_open(struct table *table, const struct lathe_space *obs, uint32_t key_dims,
                   uint64_t max_bytes, struct lathe_error *err);
int32_t table_alloc(struct table *table); /* after n_actions, n_tables and q_init are set */
void table_close(struct table *table);

/* Number of the state, TABLE_NONE when a hashed table has not met it. */
uint32_t table_find(const struct table *table, const void *obs);
/* The same, adding it. TABLE_NONE when memory or the limit is used up. */
uint32_t table_add(struct table *table, const void *obs);

static inline double *table_row(const struct table *table, uint32_t state, uint32_t which)
{
    return table->q + ((uint64_t)state * table->n_tables + which) * table->n_actions;
}

/* Tensors "<prefix>q" and, hashed, "<prefix>keys". */
int32_t table_save(const struct table *table, const char *prefix,
                   const struct lathe_writer *writer);
int32_t table_load(struct table *table, const char *prefix, const struct lathe_reader *reader,
                   struct lathe_error *err);

#endif
