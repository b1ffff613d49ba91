/* String-keyed map: an index of open-addressed slots over an array of entries in insertion order.
 * Keys are hashed with SipHash-1-3 under a random key, because names may come from clients. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"

#define SLOT_FREE UINT32_MAX
#define N_ENTRIES_MAX (UINT32_C(1) << 30)

struct entry {
    char *key; /* NULL: removed */
    void *value;
    uint64_t hash;
};

struct hmap {
    uint64_t seed[2];
    struct entry *entries; /* [cap_entries] */
    uint32_t *slots;       /* [2 * cap_entries], index of an entry or SLOT_FREE */
    size_t cap_entries, n_entries, n_live;
};

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t sip_hash(const uint64_t seed[2], const char *text, size_t len)
{
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261),
                     seed[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t tail = (uint64_t)len << 56;
    size_t i;

    for (i = 0; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t k = 0; i + k < len; k++)
        tail |= (uint64_t)(unsigned char)text[i + k] << (8 * k);
    v[3] ^= tail;
    sip_round(v);
    v[0] ^= tail;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Slot that holds key, or the free slot where it would go. There is always a free slot. */
static size_t find_slot(const struct hmap *map, const char *key, uint64_t hash)
{
    size_t mask = 2 * map->cap_entries - 1;
    size_t at = (size_t)hash & mask;

    while (map->slots[at] != SLOT_FREE) {
        const struct entry *entry = &map->entries[map->slots[at]];
        if (entry->key != NULL && entry->hash == hash && strcmp(entry->key, key) == 0)
            break;
        at = (at + 1) & mask;
    }
    return at;
}

/* Drops removed entries and rebuilds the index for cap entries (a power of two). */
static int rebuild(struct hmap *map, size_t cap)
{
    struct entry *entries = mem_zalloc(cap, sizeof *entries);
    uint32_t *slots = mem_zalloc(2 * cap, sizeof *slots);
    size_t n = 0;

    if (entries == NULL || slots == NULL) {
        mem_free(entries);
        mem_free(slots);
        return 0;
    }
    memset(slots, 0xff, 2 * cap * sizeof *slots);
    for (size_t i = 0; i < map->n_entries; i++) {
        if (map->entries[i].key != NULL)
            entries[n++] = map->entries[i];
    }
    mem_free(map->entries);
    mem_free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->cap_entries = cap;
    map->n_entries = n;
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)entries[i].hash & (2 * cap - 1);
        while (slots[at] != SLOT_FREE)
            at = (at + 1) & (2 * cap - 1);
        slots[at] = (uint32_t)i;
    }
    return 1;
}

struct hmap *hmap_new(void)
{
    struct hmap *map = mem_new(struct hmap);

    if (map == NULL)
        return NULL;
    io_random(map->seed, sizeof map->seed);
    if (!rebuild(map, 8)) {
        mem_free(map);
        return NULL;
    }
    return map;
}

void hmap_free(struct hmap *map, void (*drop)(void *value))
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->n_entries; i++) {
        if (map->entries[i].key != NULL && drop != NULL)
            drop(map->entries[i].value);
        mem_free(map->entries[i].key);
    }
    mem_free(map->entries);
    mem_free(map->slots);
    mem_free(map);
}

int32_t hmap_put(struct hmap *map, const char *key, void *value, void **old)
{
    uint64_t hash = sip_hash(map->seed, key, strlen(key));
    size_t at = find_slot(map, key, hash);
    struct entry *entry;
    char *copy;

    if (old != NULL)
        *old = NULL;
    if (map->slots[at] != SLOT_FREE) {
        entry = &map->entries[map->slots[at]];
        if (old != NULL)
            *old = entry->value;
        entry->value = value;
        return LATHE_OK;
    }
    if ((copy = mem_strdup(key)) == NULL)
        return LATHE_E_NOMEM;
    if (map->n_entries == map->cap_entries) {
        size_t cap = map->n_live > map->cap_entries / 2 ? 2 * map->cap_entries : map->cap_entries;
        if (cap > N_ENTRIES_MAX || !rebuild(map, cap)) {
            mem_free(copy);
            return LATHE_E_NOMEM;
        }
        at = find_slot(map, key, hash);
    }
    entry = &map->entries[map->n_entries];
    entry->key = copy;
    entry->value = value;
    entry->hash = hash;
    map->slots[at] = (uint32_t)map->n_entries++;
    map->n_live++;
    return LATHE_OK;
}

void *hmap_get(const struct hmap *map, const char *key)
{
    size_t at = find_slot(map, key, sip_hash(map->seed, key, strlen(key)));

    return map->slots[at] != SLOT_FREE ? map->entries[map->slots[at]].value : NULL;
}

void *hmap_remove(struct hmap *map, const char *key)
{
    size_t at = find_slot(map, key, sip_hash(map->seed, key, strlen(key)));
    struct entry *entry;
    void *value;

    if (map->slots[at] == SLOT_FREE)
        return NULL;
    /* The slot keeps pointing at the dead entry, so that probes pass over it. */
    entry = &map->entries[map->slots[at]];
    value = entry->value;
    mem_free(entry->key);
    entry->key = NULL;
    entry->value = NULL;
    map->n_live--;
    return value;
}

size_t hmap_count(const struct hmap *map)
{
    return map->n_live;
}

int hmap_next(const struct hmap *map, size_t *cursor, const char **key, void **value)
{
    while (*cursor < map->n_entries) {
        const struct entry *entry = &map->entries[(*cursor)++];
        if (entry->key == NULL)
            continue;
        if (key != NULL)
            *key = entry->key;
        if (value != NULL)
            *value = entry->value;
        return 1;
    }
    return 0;
}
