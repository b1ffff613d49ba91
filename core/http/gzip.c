/* SPDX-License-Identifier: Apache-2.0 */
/* gzip of answers and of request bodies, both with limits. */
#include <string.h>

#include "core/base/mem.h"
#include "core/http/server.h"

#define PACK_BYTES_MAX (512 * 1024) /* larger answers would hold the loop too long */
#define PACK_LEVEL 1
#define UNPACK_RATIO_MAX 200 /* beyond it the data was made to swell */

int gzip_accepted(const char *accept_encoding)
{
    const char *at = accept_encoding;

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ","), name;
        const char *quality;

        while (len > 0 && (*at == ' ' || *at == '\t')) {
            at++;
            len--;
        }
        name = strcspn(at, ",; \t");
        if ((name == 4 && strncasecmp(at, "gzip", 4) == 0) || (name == 1 && *at == '*')) {
            quality = memchr(at, '=', len);
            /* "q=0", "q=0.0", ... say no */
            return quality == NULL || strspn(quality + 1, "0.") < strcspn(quality + 1, ", \t");
        }
        at += len;
        at += *at == ',';
    }
    return 0;
}

int gzip_worthwhile(const char *content_type, uint64_t len_bytes)
{
    if (content_type == NULL || len_bytes > PACK_BYTES_MAX)
        return 0;
    return strncmp(content_type, "application/json", 16) == 0 ||
           strncmp(content_type, "text/", 5) == 0 || strstr(content_type, "+json") != NULL ||
           strncmp(content_type, "application/javascript", 22) == 0 ||
           strncmp(content_type, "image/svg", 9) == 0;
}

int32_t gzip_pack(struct http_server *server, const void *data, size_t len_bytes, char **out,
                  size_t *out_len)
{
    z_stream *z = &server->deflate;
    size_t bound;
    char *buf;

    if (!server->deflate_ready) {
        if (deflateInit2(z, PACK_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            return LATHE_E_NOMEM;
        server->deflate_ready = 1;
    } else {
        deflateReset(z);
    }
    bound = deflateBound(z, (uLong)len_bytes);
    if ((buf = mem_alloc(bound)) == NULL)
        return LATHE_E_NOMEM;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len_bytes;
    z->next_out = (Bytef *)buf;
    z->avail_out = (uInt)bound;
    if (deflate(z, Z_FINISH) != Z_STREAM_END || bound - z->avail_out >= len_bytes) {
        mem_free(buf);
        return LATHE_E_LIMIT;
    }
    *out = buf;
    *out_len = bound - z->avail_out;
    return LATHE_OK;
}

static int32_t inflate_into(z_stream *z, size_t max, char **buf, size_t *len)
{
    size_t cap = 4096;
    int rc = Z_OK;

    *len = 0;
    if ((*buf = mem_alloc(cap + 1)) == NULL)
        return LATHE_E_NOMEM;
    while (rc != Z_STREAM_END) {
        size_t room = cap - *len;

        if (room == 0) {
            char *grown;

            if (cap > max)
                return LATHE_E_LIMIT;
            cap *= 2;
            if ((grown = mem_realloc(*buf, cap + 1, 1)) == NULL)
                return LATHE_E_NOMEM;
            *buf = grown;
            room = cap - *len;
        }
        z->next_out = (Bytef *)*buf + *len;
        z->avail_out = (uInt)room;
        rc = inflate(z, Z_NO_FLUSH);
        *len = cap - z->avail_out;
        if (*len > max || z->total_out / UNPACK_RATIO_MAX > z->total_in + 64)
            return LATHE_E_LIMIT;
        if (rc != Z_OK && rc != Z_STREAM_END)
            return LATHE_E_INVALID; /* damaged, or it ends too early (Z_BUF_ERROR) */
    }
    (*buf)[*len] = '\0';
    return z->avail_in == 0 ? LATHE_OK : LATHE_E_INVALID;
}

int32_t gzip_unpack(const char *data, size_t len_bytes, size_t max, char **out, size_t *out_len)
{
    z_stream z;
    char *buf = NULL;
    size_t len = 0;
    int32_t st;

    memset(&z, 0, sizeof z);
    if (len_bytes > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK)
        return LATHE_E_NOMEM;
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len_bytes;
    st = inflate_into(&z, max, &buf, &len);
    inflateEnd(&z);
    if (st != LATHE_OK) {
        mem_free(buf);
        return st;
    }
    *out = buf;
    *out_len = len;
    return LATHE_OK;
}
