/* Text buffers and the JSON writer. Knows nothing of HTTP or of the server's values. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/api/common/text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void text_fini(struct text *t)
{
    free(t->data);
    memset(t, 0, sizeof *t);
}

void text_clear(struct text *t)
{
    t->len_bytes = 0;
    t->failed = 0;
    if (t->data)
        t->data[0] = '\0';
}

static int text_reserve(struct text *t, size_t extra)
{
    size_t need, cap = t->cap_bytes ? t->cap_bytes : 256;
    char *data;

    if (t->failed || extra > SIZE_MAX / 4 - t->len_bytes - 1) {
        t->failed = 1;
        return 0;
    }
    need = t->len_bytes + extra + 1;
    if (need <= t->cap_bytes)
        return 1;
    while (cap < need)
        cap *= 2;
    if (!(data = realloc(t->data, cap))) {
        t->failed = 1;
        return 0;
    }
    t->data = data;
    t->cap_bytes = cap;
    return 1;
}

void text_add(struct text *t, const void *data, size_t len_bytes)
{
    if (!text_reserve(t, len_bytes))
        return;
    if (len_bytes)
        memcpy(t->data + t->len_bytes, data, len_bytes);
    t->len_bytes += len_bytes;
    t->data[t->len_bytes] = '\0';
}

void text_adds(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_addf(struct text *t, const char *fmt, ...)
{
    va_list args, again;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0 || !text_reserve(t, (size_t)n)) {
        t->failed = 1;
    } else {
        vsnprintf(t->data + t->len_bytes, (size_t)n + 1, fmt, again);
        t->len_bytes += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

const char *text_get(const struct text *t)
{
    return t->data ? t->data : "";
}

void text_time(char out[32], int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char stamp[24];

    if (!gmtime_r(&seconds, &tm) || !strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm)) {
        out[0] = '\0';
        return;
    }
    snprintf(out, 32, "%s.%03dZ", stamp, (int)(wall_ms % 1000));
}

/* ---- JSON ---- */

static void add_json_string(struct text *t, const char *s)
{
    const char *run = s;

    text_add(t, "\"", 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        text_add(t, run, (size_t)(s - run));
        run = s + 1;
        if (c == '"' || c == '\\')
            text_addf(t, "\\%c", c);
        else if (c == '\n')
            text_add(t, "\\n", 2);
        else if (c == '\t')
            text_add(t, "\\t", 2);
        else
            text_addf(t, "\\u%04x", c);
    }
    text_add(t, run, (size_t)(s - run));
    text_add(t, "\"", 1);
}

void jw_init(struct jw *w, struct text *out)
{
    w->out = out;
    w->more = 0;
    w->depth = 0;
}

static void jw_name(struct jw *w, const char *name)
{
    uint64_t bit = UINT64_C(1) << w->depth;

    if (w->more & bit)
        text_add(w->out, ",", 1);
    w->more |= bit;
    if (name) {
        add_json_string(w->out, name);
        text_add(w->out, ":", 1);
    }
}

static void jw_down(struct jw *w, const char *name, const char *bracket)
{
    assert(w->depth < 63);
    jw_name(w, name);
    text_add(w->out, bracket, 1);
    w->depth++;
    w->more &= ~(UINT64_C(1) << w->depth);
}

static void jw_up(struct jw *w, const char *bracket)
{
    assert(w->depth > 0);
    w->depth--;
    text_add(w->out, bracket, 1);
}

void jw_obj(struct jw *w, const char *name)
{
    jw_down(w, name, "{");
}

void jw_arr(struct jw *w, const char *name)
{
    jw_down(w, name, "[");
}

void jw_end_obj(struct jw *w)
{
    jw_up(w, "}");
}

void jw_end_arr(struct jw *w)
{
    jw_up(w, "]");
}

void jw_str(struct jw *w, const char *name, const char *value)
{
    jw_name(w, name);
    add_json_string(w->out, value ? value : "");
}

void jw_int(struct jw *w, const char *name, int64_t value)
{
    jw_name(w, name);
    text_addf(w->out, "%lld", (long long)value);
}

void jw_uint(struct jw *w, const char *name, uint64_t value)
{
    jw_name(w, name);
    text_addf(w->out, "%llu", (unsigned long long)value);
}

void jw_num(struct jw *w, const char *name, double value)
{
    char buf[40];
    int digits;

    jw_name(w, name);
    if (!isfinite(value))
        value = 0.0;
    for (digits = 15; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, value);
        if (strtod(buf, NULL) == value)
            break;
    }
    text_adds(w->out, buf);
    if (!strpbrk(buf, ".e"))
        text_add(w->out, ".0", 2);
}

void jw_bool(struct jw *w, const char *name, int value)
{
    jw_name(w, name);
    text_adds(w->out, value ? "true" : "false");
}

void jw_null(struct jw *w, const char *name)
{
    jw_name(w, name);
    text_add(w->out, "null", 4);
}

void jw_raw(struct jw *w, const char *name, const char *json)
{
    jw_name(w, name);
    text_adds(w->out, json ? json : "null");
}

void jw_time(struct jw *w, const char *name, int64_t wall_ms)
{
    char stamp[32] = "";

    if (wall_ms)
        text_time(stamp, wall_ms);
    jw_str(w, name, stamp);
}
