/* The hash is open addressing with linear probing over FNV-1a of the key's bytes; entries are never
 * removed. A dense table needs no keys: the state number is a mixed-radix number of the
 * observation. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/algorithm/q_learning/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_STATES 1024u

static int32_t refuse(struct lathe_error *err, int32_t code, const char *field, const char *text)
{
    if (err != NULL) {
        err->code = code;
        snprintf(err->text, sizeof err->text, "%s", text);
        snprintf(err->field, sizeof err->field, "%s", field);
    }
    return code;
}

/* Adds the leaf's numbers to the mixed radix; 0 when it is not discrete or there are too many. */
static int add_leaf(struct table *table, const struct lathe_space *leaf)
{
    uint32_t n = leaf->kind == LATHE_SPACE_DISCRETE ? 1 : leaf->shape[0];

    if (leaf->kind != LATHE_SPACE_DISCRETE && leaf->kind != LATHE_SPACE_MULTIDISCRETE)
        return 0;
    for (uint32_t k = 0; k < n; k++) {
        if (table->n_leaves == 16)
            return 0;
        uint32_t at = table->n_leaves++;
        table->leaf_offset[at] = leaf->offset_bytes + 4 * k;
        table->leaf_start[at] = leaf->kind == LATHE_SPACE_DISCRETE ? leaf->start : 0;
        table->leaf_n[at] = leaf->kind == LATHE_SPACE_DISCRETE ? leaf->n : leaf->nvec[k];
    }
    return 1;
}

static int fit_dense(struct table *table, const struct lathe_space *obs)
{
    uint64_t n = 1;

    if (obs->kind == LATHE_SPACE_TUPLE || obs->kind == LATHE_SPACE_DICT) {
        for (const struct lathe_space *const *c = obs->children; *c != NULL; c++)
            if (!add_leaf(table, *c))
                return 0;
    } else if (!add_leaf(table, obs)) {
        return 0;
    }
    for (uint32_t i = 0; i < table->n_leaves; i++) {
        if (table->leaf_n[i] < 1 || n > TABLE_MAX_DENSE / (uint64_t)table->leaf_n[i])
            return 0;
        n *= (uint64_t)table->leaf_n[i];
    }
    table->n_states = table->cap_states = (uint32_t)n;
    return 1;
}

int32_t table_open(struct table *table, const struct lathe_space *obs, uint32_t key_dims,
                   uint64_t max_bytes, struct lathe_error *err)
{
    uint32_t n = 1;

    table->max_bytes = max_bytes;
    if (fit_dense(table, obs)) {
        table->is_dense = 1;
        if (key_dims != 0)
            return refuse(err, LATHE_E_INVALID, "key_dims",
                          "key_dims is for box observations; this one is discrete");
        return LATHE_OK;
    }
    if (obs->kind != LATHE_SPACE_BOX || obs->dtype != LATHE_F32)
        return refuse(err, LATHE_E_UNSUPPORTED, "",
                      "tabular learning needs discrete or float32 box observations");
    for (uint32_t i = 0; i < obs->ndim; i++)
        n *= obs->shape[i];
    if (key_dims > n)
        return refuse(err, LATHE_E_INVALID, "key_dims", "key_dims is larger than the observation");
    table->key_bytes = 4 * (key_dims != 0 ? key_dims : n);
    return LATHE_OK;
}

static uint64_t state_bytes(const struct table *table)
{
    return (uint64_t)table->n_actions * table->n_tables * sizeof(double) + table->key_bytes + 8;
}

static void init_rows(struct table *table, uint32_t from, uint32_t to)
{
    double *q = table_row(table, from, 0);
    uint64_t n = (uint64_t)(to - from) * table->n_tables * table->n_actions;

    for (uint64_t i = 0; i < n; i++)
        q[i] = table->q_init;
}

int32_t table_alloc(struct table *table)
{
    uint32_t n = table->is_dense ? table->n_states : FIRST_STATES;

    if (table->max_bytes != 0 && n * state_bytes(table) > table->max_bytes)
        return LATHE_E_LIMIT;
    table->q = malloc((size_t)n * table->n_tables * table->n_actions * sizeof *table->q);
    if (table->q == NULL)
        return LATHE_E_NOMEM;
    table->cap_states = n;
    if (table->is_dense) {
        init_rows(table, 0, n);
        return LATHE_OK;
    }
    table->n_slots = 2 * n;
    table->keys = malloc((size_t)n * table->key_bytes);
    table->slots = calloc(table->n_slots, sizeof *table->slots);
    return table->keys != NULL && table->slots != NULL ? LATHE_OK : LATHE_E_NOMEM;
}

void table_close(struct table *table)
{
    free(table->q);
    free(table->keys);
    free(table->slots);
    table->q = NULL;
    table->keys = NULL;
    table->slots = NULL;
}

static uint32_t dense_index(const struct table *table, const void *obs)
{
    uint64_t index = 0;

    for (uint32_t i = 0; i < table->n_leaves; i++) {
        int32_t value;
        memcpy(&value, (const char *)obs + table->leaf_offset[i], sizeof value);
        int64_t digit = value - table->leaf_start[i];
        if (digit < 0 || digit >= table->leaf_n[i])
            return TABLE_NONE;
        index = index * (uint64_t)table->leaf_n[i] + (uint64_t)digit;
    }
    return (uint32_t)index;
}

static uint32_t first_slot(const struct table *table, const void *key)
{
    const unsigned char *bytes = key;
    uint64_t hash = 0xcbf29ce484222325u;

    for (uint32_t i = 0; i < table->key_bytes; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return (uint32_t)(hash ^ hash >> 32) & (table->n_slots - 1);
}

/* Slot of the key, or the free slot where it belongs. */
static uint32_t find_slot(const struct table *table, const void *key)
{
    uint32_t slot = first_slot(table, key);

    while (table->slots[slot] != 0 &&
           memcmp(table->keys + (size_t)(table->slots[slot] - 1) * table->key_bytes, key,
                  table->key_bytes) != 0)
        slot = (slot + 1) & (table->n_slots - 1);
    return slot;
}

uint32_t table_find(const struct table *table, const void *obs)
{
    if (table->is_dense)
        return dense_index(table, obs);
    uint32_t entry = table->slots[find_slot(table, obs)];
    return entry != 0 ? entry - 1 : TABLE_NONE;
}

static int grow(struct table *table, uint32_t cap)
{
    size_t row = (size_t)table->n_tables * table->n_actions * sizeof *table->q;

    if (cap > UINT32_MAX / 4 ||
        (table->max_bytes != 0 && cap * state_bytes(table) > table->max_bytes))
        return 0;
    double *q = realloc(table->q, cap * row);
    if (q == NULL)
        return 0;
    table->q = q;
    unsigned char *keys = realloc(table->keys, (size_t)cap * table->key_bytes);
    if (keys == NULL)
        return 0;
    table->keys = keys;
    uint32_t *slots = calloc((size_t)cap * 2, sizeof *slots);
    if (slots == NULL)
        return 0;
    free(table->slots);
    table->slots = slots;
    table->n_slots = cap * 2;
    table->cap_states = cap;
    for (uint32_t s = 0; s < table->n_states; s++)
        slots[find_slot(table, keys + (size_t)s * table->key_bytes)] = s + 1;
    return 1;
}

uint32_t table_add(struct table *table, const void *obs)
{
    if (table->is_dense)
        return dense_index(table, obs);
    uint32_t slot = find_slot(table, obs);
    if (table->slots[slot] != 0)
        return table->slots[slot] - 1;
    if (table->n_states == table->cap_states) {
        if (!grow(table, table->cap_states * 2))
            return TABLE_NONE;
        slot = find_slot(table, obs);
    }
    uint32_t state = table->n_states++;
    memcpy(table->keys + (size_t)state * table->key_bytes, obs, table->key_bytes);
    init_rows(table, state, state + 1);
    table->slots[slot] = state + 1;
    return state;
}

static void tensor_name(char out[64], const char *prefix, const char *name)
{
    snprintf(out, 64, "%s%s", prefix, name);
}

int32_t table_save(const struct table *table, const char *prefix, const struct lathe_writer *writer)
{
    const uint64_t q_shape[3] = {table->n_states, table->n_tables, table->n_actions};
    const uint64_t key_shape[2] = {table->n_states, table->key_bytes};
    char name[64];

    tensor_name(name, prefix, "q");
    int32_t st = writer->put(writer, name, LATHE_F64, 3, q_shape, table->q);
    if (st != LATHE_OK || table->is_dense)
        return st;
    tensor_name(name, prefix, "keys");
    return writer->put(writer, name, LATHE_U8, 2, key_shape, table->keys);
}

static int32_t load_keys(struct table *table, const char *name, const struct lathe_reader *reader,
                         uint32_t n, struct lathe_error *err)
{
    const uint64_t key_shape[2] = {n, table->key_bytes};

    table->n_states = 0;
    memset(table->slots, 0, table->n_slots * sizeof *table->slots);
    if (n > table->cap_states && !grow(table, n))
        return refuse(err, LATHE_E_LIMIT, "", "the saved table is larger than the memory limit");
    int32_t st = reader->get(reader, name, LATHE_U8, 2, key_shape, table->keys);
    if (st != LATHE_OK)
        return refuse(err, st, "", "the saved table has no keys of this size");
    for (uint32_t s = 0; s < n; s++) {
        uint32_t slot = find_slot(table, table->keys + (size_t)s * table->key_bytes);
        if (table->slots[slot] != 0)
            return refuse(err, LATHE_E_CORRUPT, "", "the saved table holds a key twice");
        table->slots[slot] = s + 1;
    }
    table->n_states = n;
    return LATHE_OK;
}

int32_t table_load(struct table *table, const char *prefix, const struct lathe_reader *reader,
                   struct lathe_error *err)
{
    uint64_t shape[8] = {0};
    uint32_t dtype = 0;
    char name[64];
    int32_t st = LATHE_OK;

    tensor_name(name, prefix, "q");
    int32_t ndim = reader->shape(reader, name, &dtype, shape);
    if (ndim != 3 || dtype != LATHE_F64 || shape[1] != table->n_tables ||
        shape[2] != table->n_actions || shape[0] > UINT32_MAX / 4 ||
        (table->is_dense && shape[0] != table->n_states))
        return refuse(err, ndim < 0 ? ndim : LATHE_E_CORRUPT, "",
                      "the saved table does not fit this environment");
    if (!table->is_dense) {
        tensor_name(name, prefix, "keys");
        st = load_keys(table, name, reader, (uint32_t)shape[0], err);
    }
    tensor_name(name, prefix, "q");
    if (st == LATHE_OK &&
        (st = reader->get(reader, name, LATHE_F64, 3, shape, table->q)) != LATHE_OK)
        return refuse(err, st, "", "the saved table cannot be read");
    uint64_t n = shape[0] * shape[1] * shape[2];
    for (uint64_t i = 0; st == LATHE_OK && i < n; i++)
        if (!isfinite(table->q[i]))
            return refuse(err, LATHE_E_CORRUPT, "",
                          "the saved table holds a number that is not finite");
    return st;
}
