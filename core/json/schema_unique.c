/* uniqueItems without comparing every pair: elements are ordered by a hash of their value first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/json/schema_node.h"

struct hashed {
    uint64_t hash;
    size_t index;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t hash_bytes(const char *text, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return mix(h);
}

static uint64_t hash_number(const json_t *value)
{
    double d = json_number_value(value);
    int64_t whole;
    uint64_t bits;

    if (json_to_int(value, &whole)) /* 1 and 1.0 are the same value */
        return mix((uint64_t)whole + 17);
    memcpy(&bits, &d, sizeof bits);
    return mix(bits);
}

/* Values that json_same calls equal hash alike. Beyond depth everything hashes alike. */
static uint64_t hash_value(const json_t *value, int depth)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {value};
    uint64_t h = (uint64_t)json_typeof(value) + 1000;
    const char *name;
    json_t *member;

    if (json_is_number(value))
        return hash_number(value);
    if (json_is_string(value))
        return hash_bytes(json_string_value(value), json_string_length(value));
    if (depth == 0)
        return mix(h);
    for (size_t i = 0; i < json_array_size(value); i++)
        h = mix(h * 31 + hash_value(json_array_get(value, i), depth - 1));
    json_object_foreach(pun.out, name, member) h +=
        mix(hash_bytes(name, strlen(name)) * 31 + hash_value(member, depth - 1));
    return mix(h);
}

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *x = a;
    const struct hashed *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int find_in_runs(const json_t *array, const struct hashed *hashed, size_t n, size_t pair[2],
                        unsigned *steps_left)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n && hashed[k].hash == hashed[i].hash; k++) {
            if ((*steps_left)-- <= 1)
                return -2;
            if (json_same(json_array_get(array, hashed[i].index),
                          json_array_get(array, hashed[k].index))) {
                pair[0] = hashed[i].index;
                pair[1] = hashed[k].index;
                return 1;
            }
        }
    }
    return 0;
}

int find_equal_elements(const json_t *array, size_t pair[2], unsigned *steps_left)
{
    size_t n = json_array_size(array);
    struct hashed *hashed;
    int found;

    if (n < 2)
        return 0;
    if ((hashed = mem_zalloc(n, sizeof *hashed)) == NULL)
        return -1;
    for (size_t i = 0; i < n; i++) {
        hashed[i].hash = hash_value(json_array_get(array, i), JSON_DEPTH_MAX);
        hashed[i].index = i;
    }
    qsort(hashed, n, sizeof *hashed, compare_hashed);
    found = find_in_runs(array, hashed, n, pair, steps_left);
    mem_free(hashed);
    return found;
}
