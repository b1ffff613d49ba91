/* The value table. Growth doubles; nothing depends on addresses, so equal inputs give equal tables.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/rng.h"
#include "lathe/status.h"

#define START_STATES 256u

static void fill(struct table *t, uint32_t from, uint32_t to)
{
    uint64_t i;
    uint32_t k;

    for (k = 0; k < t->n_tables; k++)
        for (i = (uint64_t)from * t->n_actions; i < (uint64_t)to * t->n_actions; i++)
            t->q[k][i] = t->q_init;
}

static uint32_t hash(const struct table *t, const float *key)
{
    uint64_t h = 0x9E3779B97F4A7C15u;
    uint32_t i, bits;

    for (i = 0; i < t->key_dims; i++) {
        memcpy(&bits, &key[i], sizeof bits);
        h = lathe_mix64(h + bits + 0x9E3779B97F4A7C15u);
    }
    return (uint32_t)(h >> 32);
}

/* Slot of a key: the one that holds it, or the free one where it belongs. */
static uint32_t probe(const struct table *t, const float *key)
{
    uint32_t at = hash(t, key) & (t->n_slots - 1);

    while (t->slots[at] != 0 && memcmp(t->keys + (uint64_t)(t->slots[at] - 1) * t->key_dims, key,
                                       t->key_dims * sizeof *key) != 0)
        at = (at + 1) & (t->n_slots - 1);
    return at;
}

void table_index(struct table *t, uint32_t n)
{
    uint32_t i;

    t->n = n;
    if (t->dense)
        return;
    memset(t->slots, 0, t->n_slots * sizeof *t->slots);
    for (i = 0; i < n; i++)
        t->slots[probe(t, t->keys + (uint64_t)i * t->key_dims)] = i + 1;
}

int32_t table_reserve(struct table *t, uint32_t n)
{
    uint32_t cap = t->cap == 0 ? START_STATES : t->cap, k, old = t->cap;
    uint32_t *slots;
    void *p;

    if (n > t->max_states)
        return LATHE_E_LIMIT;
    while (cap < n)
        cap *= 2;
    if (cap == t->cap)
        return LATHE_OK;
    cap = t->dense ? n : cap;
    for (k = 0; k < t->n_tables; k++) {
        if ((p = realloc(t->q[k], (size_t)cap * t->n_actions * sizeof(double))) == NULL)
            return LATHE_E_NOMEM;
        t->q[k] = p;
    }
    if (!t->dense) {
        if ((p = realloc(t->keys, (size_t)cap * t->key_dims * sizeof(float))) == NULL)
            return LATHE_E_NOMEM;
        t->keys = p;
        if ((slots = calloc(4u * (size_t)cap, sizeof *slots)) == NULL)
            return LATHE_E_NOMEM;
        free(t->slots);
        t->slots = slots;
        t->n_slots = 4u * cap;
    }
    t->cap = cap;
    fill(t, old, cap);
    table_index(t, t->n);
    return LATHE_OK;
}

int32_t table_open(struct table *t)
{
    const uint64_t states = kit_radix_size(t->flat, t->max_states);
    int32_t st;

    t->dense = states > 0 && t->key_dims == 0;
    if (t->key_dims == 0 || t->key_dims > t->flat->dim)
        t->key_dims = t->flat->dim;
    if ((t->key = calloc(t->flat->dim, sizeof *t->key)) == NULL)
        return LATHE_E_NOMEM;
    st = table_reserve(t, t->dense ? (uint32_t)states : START_STATES);
    if (st == LATHE_OK && t->dense)
        t->n = (uint32_t)states;
    return st;
}

void table_close(struct table *t)
{
    free(t->q[0]);
    free(t->q[1]);
    free(t->keys);
    free(t->slots);
    free(t->key);
}

uint32_t table_find(struct table *t, const void *obs, int insert)
{
    uint32_t at, i;

    if (t->dense) {
        const uint64_t s = kit_radix_index(t->flat, obs);
        return s < t->n ? (uint32_t)s : TABLE_NONE;
    }
    kit_flatten(t->flat, obs, t->key);
    for (i = 0; i < t->key_dims; i++) {
        if (t->bin_width > 0)
            t->key[i] = (float)floor((double)t->key[i] / t->bin_width);
        t->key[i] += 0.0f; /* -0 and 0 are one state */
    }
    at = probe(t, t->key);
    if (t->slots[at] != 0)
        return t->slots[at] - 1;
    if (!insert)
        return TABLE_NONE;
    if (t->n == t->cap) {
        if (table_reserve(t, t->n + 1) != LATHE_OK)
            return TABLE_NONE;
        at = probe(t, t->key);
    }
    memcpy(t->keys + (uint64_t)t->n * t->key_dims, t->key, t->key_dims * sizeof *t->key);
    t->slots[at] = ++t->n;
    return t->n - 1;
}
