/* SHA-256 (FIPS 180-4), hex, base64, CRC-32, and a string-keyed hash map. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_HASH_H
#define CORE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "lathe/status.h"

struct sha256 {
    void *impl;
};
int32_t sha256_open(struct sha256 *sha) LATHE_MUST_USE;
void sha256_add(struct sha256 *sha, const void *data, size_t len_bytes);
/* Finishes and releases; hex may be NULL. hex is "" when the digest failed (out of memory). */
void sha256_close_hex(struct sha256 *sha, char hex[65]);
void sha256_hex(const void *data, size_t len_bytes, char hex[65]);
int32_t sha256_file_hex(const char *path, char hex[65], struct lathe_error *err) LATHE_MUST_USE;

/* CRC-32 (IEEE 802.3, as in zlib); crc is 0 at first, then the previous result. */
uint32_t crc32_add(uint32_t crc, const void *data, size_t len_bytes);

void hex_encode(const void *data, size_t len_bytes, char *out); /* 2 * len + 1 bytes */
int hex_decode(const char *hex, size_t hex_len, void *out);     /* 1 on success */
size_t base64_len(size_t len_bytes);                            /* with NUL */
void base64_encode(const void *data, size_t len_bytes, char *out);
/* Returns decoded length, or -1 for bad input; cap >= 3 * text_len / 4. */
long base64_decode(const char *text, size_t text_len, void *out, size_t cap);
int bytes_equal_ct(const void *a, const void *b, size_t len_bytes); /* constant time */

/* String-keyed map with insertion-ordered iteration. Keys are copied; values are the caller's. */
struct hmap;
struct hmap *hmap_new(void);
void hmap_free(struct hmap *map, void (*drop)(void *value)); /* NULL map or drop is fine */
int32_t hmap_put(struct hmap *map, const char *key, void *value, void **old) LATHE_MUST_USE;
void *hmap_get(const struct hmap *map, const char *key); /* NULL: absent */
void *hmap_remove(struct hmap *map, const char *key);    /* the value, or NULL */
size_t hmap_count(const struct hmap *map);
/* *cursor starts at 0; returns 0 at the end. Removing the entry just returned is allowed. */
int hmap_next(const struct hmap *map, size_t *cursor, const char **key, void **value);

#endif
