/* A growing byte buffer, always NUL-terminated. A failed append sets `failed` and later appends do
 * nothing, so that a writer checks once at the end. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_STRBUF_H
#define CORE_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lathe/abi.h"

struct strbuf {
    char *data; /* "" when empty, never NULL after init */
    size_t len_bytes, cap_bytes;
    int failed;
};

void strbuf_init(struct strbuf *buf);
void strbuf_fini(struct strbuf *buf);
void strbuf_clear(struct strbuf *buf);                      /* keeps the memory */
int strbuf_reserve(struct strbuf *buf, size_t extra_bytes); /* 1, or 0 and failed */
void strbuf_add(struct strbuf *buf, const void *data, size_t len_bytes);
void strbuf_adds(struct strbuf *buf, const char *text);
void strbuf_addc(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *fmt, ...) LATHE_PRINTF(2, 3);
void strbuf_vaddf(struct strbuf *buf, const char *fmt, va_list args) LATHE_PRINTF(2, 0);
/* JSON pieces: a quoted escaped string (invalid UTF-8 becomes U+FFFD); the shortest decimal that
 * reads back as the same double (non-finite: null). */
void strbuf_add_json_string(struct strbuf *buf, const char *text, size_t len_bytes);
void strbuf_add_json_double(struct strbuf *buf, double value);
char *
strbuf_take(struct strbuf *buf); /* dup_: caller owns, free with mem_free; buf is empty after */

#endif
