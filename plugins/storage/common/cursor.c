/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors as text: a digest of what the query asks, the last key, the last id; hex, so safe in
 * URLs. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/common/storage_common.h"

/* FNV-1a over everything that must not change between the pages of one query. */
static uint32_t mix(uint32_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 16777619u;
    return hash;
}

static uint32_t mix_text(uint32_t hash, const char *text)
{
    return text != NULL ? mix(hash, text, strlen(text) + 1) : mix(hash, "\1", 2);
}

static uint32_t query_digest(const struct lathe_storage_query *q)
{
    uint32_t desc = q->flags & LATHE_SCAN_DESC, hash = 2166136261u;

    hash = mix_text(hash, q->collection);
    hash = mix_text(hash, q->index);
    return mix(hash, &desc, sizeof desc);
}

static void put_hex(char **out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++) {
        *(*out)++ = digits[p[i] >> 4];
        *(*out)++ = digits[p[i] & 15];
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads len bytes; 1 on success. */
static int get_hex(const char **in, void *data, size_t len)
{
    unsigned char *p = data;

    for (size_t i = 0; i < len; i++) {
        int hi = hex_digit((*in)[0]), lo = hi < 0 ? -1 : hex_digit((*in)[1]);

        if (lo < 0)
            return 0;
        p[i] = (unsigned char)(hi << 4 | lo);
        *in += 2;
    }
    return 1;
}

void storage_cursor_write(const struct lathe_storage_query *q, uint32_t type,
                          const struct storage_key *key, const char *id,
                          char out[LATHE_STORAGE_CURSOR_MAX])
{
    uint32_t digest = query_digest(q);
    char *p = out;

    put_hex(&p, &digest, sizeof digest);
    if (q->index != NULL && (type & 0xffu) == LATHE_INDEX_NUMBER) {
        put_hex(&p, &key->num, sizeof key->num);
    } else if (q->index != NULL) {
        uint16_t len = (uint16_t)strlen(key->str);

        put_hex(&p, &len, sizeof len);
        put_hex(&p, key->str, len);
    }
    put_hex(&p, id, strlen(id));
    *p = 0;
}

static int read_key(const struct lathe_storage_query *q, uint32_t type, const char **in,
                    struct storage_cursor *out)
{
    uint16_t len = 0;

    out->key.str = NULL;
    if (q->index == NULL)
        return 1;
    if ((type & 0xffu) == LATHE_INDEX_NUMBER)
        return get_hex(in, &out->key.num, sizeof out->key.num) && out->key.num == out->key.num;
    if (!get_hex(in, &len, sizeof len) || len > LATHE_STORAGE_KEY_MAX ||
        !get_hex(in, out->str, len))
        return 0;
    out->str[len] = 0;
    out->key.str = out->str;
    return 1;
}

int32_t storage_cursor_read(const struct lathe_storage_query *q, uint32_t type,
                            struct storage_cursor *out, struct lathe_error *err)
{
    const char *in = q->cursor;
    uint32_t digest = 0;
    size_t len;

    if (!get_hex(&in, &digest, sizeof digest) || digest != query_digest(q) ||
        !read_key(q, type, &in, out))
        goto bad;
    len = strlen(in);
    if (len % 2 != 0 || len / 2 > LATHE_STORAGE_ID_MAX || !get_hex(&in, out->id, len / 2))
        goto bad;
    out->id[len / 2] = 0;
    if (strlen(out->id) != len / 2 || storage_check_id("cursor", out->id, NULL) != LATHE_OK)
        goto bad;
    return LATHE_OK;
bad:
    return storage_fail(err, LATHE_E_INVALID, "the cursor does not belong to this query");
}
