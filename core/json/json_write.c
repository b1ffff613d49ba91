/* Writing JSON text. Jansson's writer prints 0.1 as 0.10000000000000001 and recurses; this one
 * prints shortest round-trip numbers and walks with a stack of fixed size. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/json/json.h"

/* An open array or object. */
struct frame {
    const json_t *value;
    size_t at;         /* next element, or next of keys */
    void *iter;        /* objects in insertion order */
    const char **keys; /* objects in name order, else NULL */
    size_t n;
};

struct writer {
    struct strbuf *out;
    uint32_t flags;
    uint32_t depth;
    struct frame frames[JSON_WRITE_DEPTH_MAX];
};

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Jansson's iterators take a non-const object although they only read. */
static json_t *mutable_json(const json_t *value)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {value};

    return pun.out;
}

static int32_t sort_keys(struct frame *frame)
{
    size_t i = 0;
    const char *key;
    json_t *member;

    frame->keys = mem_zalloc(frame->n, sizeof *frame->keys);
    if (frame->keys == NULL)
        return LATHE_E_NOMEM;
    json_object_foreach(mutable_json(frame->value), key, member)
    {
        (void)member;
        frame->keys[i++] = key;
    }
    qsort(frame->keys, frame->n, sizeof *frame->keys, compare_keys);
    return LATHE_OK;
}

static void new_line(struct writer *w)
{
    if ((w->flags & LATHE_JSON_PRETTY) == 0)
        return;
    strbuf_addc(w->out, '\n');
    for (uint32_t i = 0; i < w->depth; i++)
        strbuf_adds(w->out, "  ");
}

static int32_t open_frame(struct writer *w, const json_t *value)
{
    int is_object = json_is_object(value);
    struct frame *frame;

    if (w->depth == JSON_WRITE_DEPTH_MAX)
        return LATHE_E_LIMIT;
    frame = &w->frames[w->depth];
    memset(frame, 0, sizeof *frame);
    frame->value = value;
    frame->n = is_object ? json_object_size(value) : json_array_size(value);
    if (frame->n == 0) {
        strbuf_adds(w->out, is_object ? "{}" : "[]");
        return LATHE_OK;
    }
    if (is_object && (w->flags & LATHE_JSON_SORTED) != 0) {
        int32_t st = sort_keys(frame);
        if (st != LATHE_OK)
            return st;
    }
    strbuf_addc(w->out, is_object ? '{' : '[');
    w->depth++;
    return LATHE_OK;
}

static int32_t write_one(struct writer *w, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return open_frame(w, value);
    case JSON_STRING:
        strbuf_add_json_string(w->out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        strbuf_addf(w->out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        strbuf_add_json_double(w->out, json_real_value(value));
        break;
    case JSON_TRUE:
        strbuf_adds(w->out, "true");
        break;
    case JSON_FALSE:
        strbuf_adds(w->out, "false");
        break;
    case JSON_NULL:
        strbuf_adds(w->out, "null");
        break;
    }
    return LATHE_OK;
}

/* The next member's value, its name already written; NULL at the end. */
static const json_t *next_member(struct writer *w, struct frame *frame)
{
    const json_t *value;
    const char *key;
    size_t key_len;

    if (frame->at == frame->n)
        return NULL;
    if (frame->keys != NULL) {
        key = frame->keys[frame->at];
        key_len = strlen(key);
        value = json_object_get(frame->value, key);
    } else {
        json_t *object = mutable_json(frame->value);
        frame->iter =
            frame->at == 0 ? json_object_iter(object) : json_object_iter_next(object, frame->iter);
        key = json_object_iter_key(frame->iter);
        key_len = json_object_iter_key_len(frame->iter);
        value = json_object_iter_value(frame->iter);
    }
    if (frame->at++ != 0)
        strbuf_addc(w->out, ',');
    new_line(w);
    strbuf_add_json_string(w->out, key, key_len);
    strbuf_adds(w->out, (w->flags & LATHE_JSON_PRETTY) != 0 ? ": " : ":");
    return value;
}

static const json_t *next_element(struct writer *w, struct frame *frame)
{
    if (frame->at == frame->n)
        return NULL;
    if (frame->at != 0)
        strbuf_addc(w->out, ',');
    new_line(w);
    return json_array_get(frame->value, frame->at++);
}

static void close_frame(struct writer *w, struct frame *frame)
{
    w->depth--;
    new_line(w);
    strbuf_addc(w->out, json_is_object(frame->value) ? '}' : ']');
    mem_free(frame->keys);
    frame->keys = NULL;
}

int32_t json_write_text(const json_t *value, uint32_t flags, struct strbuf *out)
{
    struct writer w;
    int32_t st;

    if (value == NULL)
        return LATHE_E_INVALID;
    w.out = out;
    w.flags = flags;
    w.depth = 0;
    st = write_one(&w, value);
    while (w.depth > 0) {
        struct frame *frame = &w.frames[w.depth - 1];
        const json_t *next = NULL;

        if (st == LATHE_OK)
            next = json_is_object(frame->value) ? next_member(&w, frame) : next_element(&w, frame);
        if (next != NULL)
            st = write_one(&w, next);
        else
            close_frame(&w, frame);
    }
    return st == LATHE_OK && out->failed ? LATHE_E_NOMEM : st;
}

char *json_dup_text(const json_t *value, uint32_t flags, size_t *len_bytes)
{
    struct strbuf out;

    strbuf_init(&out);
    if (json_write_text(value, flags, &out) != LATHE_OK) {
        strbuf_fini(&out);
        return NULL;
    }
    if (len_bytes != NULL)
        *len_bytes = out.len_bytes;
    return strbuf_take(&out);
}
