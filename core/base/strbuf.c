/* The growing buffer and the two JSON pieces that need care: strings and doubles. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

/* Shared empty text of buffers that own no memory; cap_bytes is 0 then and nobody writes to it. */
static char empty_text[1];

void strbuf_init(struct strbuf *buf)
{
    buf->data = empty_text;
    buf->len_bytes = 0;
    buf->cap_bytes = 0;
    buf->failed = 0;
}

void strbuf_fini(struct strbuf *buf)
{
    if (buf->cap_bytes != 0)
        mem_free(buf->data);
    strbuf_init(buf);
}

void strbuf_clear(struct strbuf *buf)
{
    buf->len_bytes = 0;
    buf->failed = 0;
    if (buf->cap_bytes != 0)
        buf->data[0] = '\0';
}

int strbuf_reserve(struct strbuf *buf, size_t extra_bytes)
{
    size_t need, cap;
    char *data;

    if (buf->failed)
        return 0;
    if (!size_add(buf->len_bytes, extra_bytes, &need) || !size_add(need, 1, &need)) {
        buf->failed = 1;
        return 0;
    }
    if (need <= buf->cap_bytes)
        return 1;
    cap = buf->cap_bytes < 32 ? 64 : buf->cap_bytes;
    while (cap < need && size_mul(cap, 2, &cap))
        continue;
    if (cap < need)
        cap = need;
    data = mem_realloc(buf->cap_bytes != 0 ? buf->data : NULL, cap, 1);
    if (data == NULL) {
        buf->failed = 1;
        return 0;
    }
    buf->data = data;
    buf->cap_bytes = cap;
    buf->data[buf->len_bytes] = '\0';
    return 1;
}

void strbuf_add(struct strbuf *buf, const void *data, size_t len_bytes)
{
    if (len_bytes == 0 || !strbuf_reserve(buf, len_bytes))
        return;
    memcpy(buf->data + buf->len_bytes, data, len_bytes);
    buf->len_bytes += len_bytes;
    buf->data[buf->len_bytes] = '\0';
}

void strbuf_adds(struct strbuf *buf, const char *text)
{
    strbuf_add(buf, text, strlen(text));
}

void strbuf_addc(struct strbuf *buf, char c)
{
    strbuf_add(buf, &c, 1);
}

void strbuf_addf(struct strbuf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    strbuf_vaddf(buf, fmt, args);
    va_end(args);
}

void strbuf_vaddf(struct strbuf *buf, const char *fmt, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0) {
        buf->failed = 1;
        return;
    }
    if (!strbuf_reserve(buf, (size_t)len))
        return;
    vsnprintf(buf->data + buf->len_bytes, (size_t)len + 1, fmt, args);
    buf->len_bytes += (size_t)len;
}

/* Length of the well-formed UTF-8 sequence at s, or 0. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left < 2 || (s[1] & 0xc0) != 0x80)
        return 0;
    if (s[0] < 0xe0)
        return 2;
    if (left < 3 || (s[2] & 0xc0) != 0x80)
        return 0;
    if (s[0] < 0xf0)
        return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ? 0 : 3;
    if (left < 4 || (s[3] & 0xc0) != 0x80)
        return 0;
    return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
}

static void add_escape(struct strbuf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        strbuf_adds(buf, "\\\"");
        break;
    case '\\':
        strbuf_adds(buf, "\\\\");
        break;
    case '\n':
        strbuf_adds(buf, "\\n");
        break;
    case '\r':
        strbuf_adds(buf, "\\r");
        break;
    case '\t':
        strbuf_adds(buf, "\\t");
        break;
    default:
        strbuf_addf(buf, "\\u%04x", (unsigned)c);
        break;
    }
}

void strbuf_add_json_string(struct strbuf *buf, const char *text, size_t len_bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t run = 0; /* first byte not yet copied */
    size_t i = 0;

    strbuf_addc(buf, '"');
    while (i < len_bytes) {
        size_t n = utf8_len(s + i, len_bytes - i);
        int plain = n > 1 || (n == 1 && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\');

        if (plain) {
            i += n;
            continue;
        }
        strbuf_add(buf, s + run, i - run);
        if (n == 0)
            strbuf_adds(buf, "\xef\xbf\xbd");
        else
            add_escape(buf, s[i]);
        run = ++i;
    }
    strbuf_add(buf, s + run, len_bytes - run);
    strbuf_addc(buf, '"');
}

void strbuf_add_json_double(struct strbuf *buf, double value)
{
    char text[40];

    if (!isfinite(value)) {
        strbuf_adds(buf, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    strbuf_adds(buf, text);
    /* "1.0", not "1": typed readers must keep seeing a float. */
    if (strpbrk(text, ".e") == NULL)
        strbuf_adds(buf, ".0");
}

char *strbuf_take(struct strbuf *buf)
{
    char *data = NULL;

    if (!buf->failed)
        data = buf->cap_bytes != 0 ? buf->data : mem_strdup("");
    if (data != NULL && buf->cap_bytes != 0)
        strbuf_init(buf);
    else
        strbuf_fini(buf);
    return data;
}
