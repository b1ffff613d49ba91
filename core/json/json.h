/* JSON inside the core: Jansson values, read with limits and written by our own writer.
 * Plugins see the same values as opaque handles through json_service(). Thread: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JSON_JSON_H
#define CORE_JSON_JSON_H

#include <jansson.h>

#include "core/base/strbuf.h"
#include "lathe/json.h"

#define JSON_DEPTH_MAX 64        /* of texts read */
#define JSON_WRITE_DEPTH_MAX 256 /* of values written */
#define JSON_LEN_MAX ((uint64_t)16 << 20)

/* The table behind "lathe.json/1". */
const struct lathe_json_service *json_service(void);

/* A handle is a json_t under another name; these keep the casts in one place. */
static inline struct lathe_json *json_handle(json_t *value)
{
    return (struct lathe_json *)(void *)value;
}
static inline json_t *json_of_handle(struct lathe_json *handle)
{
    return (json_t *)(void *)handle;
}

/* As lathe_json_service.parse. *out: new reference, end with json_decref. */
int32_t json_parse_text(const char *text, size_t len_bytes, const struct lathe_json_limits *limits,
                        json_t **out, struct lathe_error *err) LATHE_MUST_USE;
/* Reads a file of at most 16 MiB; errors name the file. */
int32_t json_parse_file(const char *path, json_t **out, struct lathe_error *err) LATHE_MUST_USE;

/* Appends the text of value. Doubles are shortest round-trip, integers exact, no ASCII escaping.
 * LATHE_E_LIMIT beyond 256 levels, LATHE_E_NOMEM, LATHE_E_INVALID for NULL. flags: LATHE_JSON_...
 */
int32_t json_write_text(const json_t *value, uint32_t flags, struct strbuf *out) LATHE_MUST_USE;
/* dup_: free with mem_free; NULL on failure. len_bytes may be NULL. */
char *json_dup_text(const json_t *value, uint32_t flags, size_t *len_bytes);

/* Equality of JSON values: 1 equals 1.0, member order is ignored. Bounded by the depth limit of
 * written values; deeper values are unequal. */
int json_same(const json_t *a, const json_t *b);
/* Exact comparison of two numbers, whichever of integer and real: -1, 0, 1. */
int json_compare_numbers(const json_t *a, const json_t *b);
int json_compare_double(const json_t *number, double other); /* other may be infinite */
/* 1 for integers and for reals without a fraction (JSON Schema's "integer"). */
int json_is_whole(const json_t *value);

/* JSON pointer; borrowed or NULL. */
json_t *json_at_pointer(const json_t *root, const char *path);

/* Members with a default: absent, NULL object or another type give def. Borrowed. */
const char *json_member_string(const json_t *object, const char *name, const char *def);
int64_t json_member_int(const json_t *object, const char *name, int64_t def);
double json_member_float(const json_t *object, const char *name, double def);
int json_member_bool(const json_t *object, const char *name, int def);

/* The value as integer: integers, and reals without a fraction inside int64_t. 1 on success. */
int json_to_int(const json_t *value, int64_t *out);

#endif
