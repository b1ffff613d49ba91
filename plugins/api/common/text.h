/* Text buffers and a JSON writer for the surfaces: answers are written straight as text, because
 * building a tree first costs more than the rest of a request. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_COMMON_TEXT_H
#define PLUGINS_API_COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "lathe/abi.h"

/* A growing buffer, NUL-terminated after the first append. A failed append sets `failed`, and
 * later ones do nothing: check once at the end. Zero-initialise. */
struct text {
    char *data;
    size_t len_bytes, cap_bytes;
    int failed;
};

void text_fini(struct text *t);
void text_clear(struct text *t);
void text_add(struct text *t, const void *data, size_t len_bytes);
void text_adds(struct text *t, const char *s);
void text_addf(struct text *t, const char *fmt, ...) LATHE_PRINTF(2, 3);
const char *text_get(const struct text *t); /* never NULL */

/* JSON writer over a text: commas are put by itself, at most 63 levels deep. name is NULL inside
 * arrays and at the top. */
struct jw {
    struct text *out;
    uint64_t more; /* bit per level: a value was written already */
    int depth;
};

void jw_init(struct jw *w, struct text *out);
void jw_obj(struct jw *w, const char *name);
void jw_arr(struct jw *w, const char *name);
void jw_end_obj(struct jw *w);
void jw_end_arr(struct jw *w);
void jw_str(struct jw *w, const char *name, const char *value); /* NULL is written as "" */
void jw_int(struct jw *w, const char *name, int64_t value);
void jw_uint(struct jw *w, const char *name, uint64_t value);
/* Shortest decimal that reads back the same, always with a fraction or exponent; a number that is
 * not finite is 0.0. */
void jw_num(struct jw *w, const char *name, double value);
void jw_bool(struct jw *w, const char *name, int value);
void jw_null(struct jw *w, const char *name);
void jw_raw(struct jw *w, const char *name,
            const char *json); /* a complete JSON value; NULL: null */
void jw_time(struct jw *w, const char *name, int64_t wall_ms); /* ISO 8601 UTC; "" for 0 */

/* "2026-01-01T00:00:00.000Z" */
void text_time(char out[32], int64_t wall_ms);

#endif
