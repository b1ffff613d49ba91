/* Small questions about JSON values: equality, exact number comparison, pointers, members. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/json/json.h"

#define TWO_POW_63 9223372036854775808.0

/* Compares an integer with a double without rounding either. */
static int compare_int_real(int64_t i, double d)
{
    double whole;
    int64_t part;

    if (isnan(d) || d < -TWO_POW_63)
        return 1;
    if (d >= TWO_POW_63)
        return -1;
    whole = trunc(d);
    part = (int64_t)whole;
    if (i != part)
        return i < part ? -1 : 1;
    return d > whole ? -1 : d < whole ? 1 : 0;
}

int json_compare_numbers(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a);
        json_int_t y = json_integer_value(b);
        return x < y ? -1 : x > y;
    }
    if (json_is_integer(a))
        return compare_int_real(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_int_real(json_integer_value(b), json_real_value(a));
    return json_real_value(a) < json_real_value(b) ? -1 : json_real_value(a) > json_real_value(b);
}

int json_compare_double(const json_t *number, double other)
{
    if (json_is_integer(number))
        return compare_int_real(json_integer_value(number), other);
    return json_real_value(number) < other ? -1 : json_real_value(number) > other;
}

int json_is_whole(const json_t *value)
{
    if (json_is_integer(value))
        return 1;
    return json_is_real(value) && trunc(json_real_value(value)) == json_real_value(value);
}

int json_to_int(const json_t *value, int64_t *out)
{
    double d;

    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return 1;
    }
    if (!json_is_real(value))
        return 0;
    d = json_real_value(value);
    if (trunc(d) != d || d < -TWO_POW_63 || d >= TWO_POW_63)
        return 0;
    *out = (int64_t)d;
    return 1;
}

static int same_at(const json_t *a, const json_t *b, int depth);

static int same_objects(const json_t *a, const json_t *b, int depth)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {a};
    const char *key;
    size_t key_len;
    json_t *value;

    if (json_object_size(a) != json_object_size(b))
        return 0;
    json_object_keylen_foreach(pun.out, key, key_len, value)
    {
        const json_t *other = json_object_getn(b, key, key_len);
        if (other == NULL || !same_at(value, other, depth - 1))
            return 0;
    }
    return 1;
}

static int same_arrays(const json_t *a, const json_t *b, int depth)
{
    size_t n = json_array_size(a);

    if (n != json_array_size(b))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!same_at(json_array_get(a, i), json_array_get(b, i), depth - 1))
            return 0;
    }
    return 1;
}

static int same_at(const json_t *a, const json_t *b, int depth)
{
    if (a == b)
        return 1;
    if (a == NULL || b == NULL || depth == 0)
        return 0;
    if (json_is_number(a) && json_is_number(b))
        return json_compare_numbers(a, b) == 0;
    if (json_typeof(a) != json_typeof(b))
        return 0;
    switch (json_typeof(a)) {
    case JSON_OBJECT:
        return same_objects(a, b, depth);
    case JSON_ARRAY:
        return same_arrays(a, b, depth);
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    default: /* true, false, null: the type says it all */
        return 1;
    }
}

int json_same(const json_t *a, const json_t *b)
{
    return same_at(a, b, JSON_WRITE_DEPTH_MAX);
}

/* Unescapes one reference token into out; returns its length, or -1 when malformed or too long. */
static long read_token(const char **at, char *out, size_t cap)
{
    size_t len = 0;
    const char *s = *at;

    for (; *s != '\0' && *s != '/'; s++) {
        char c = *s;

        if (c == '~') {
            if (s[1] != '0' && s[1] != '1')
                return -1;
            c = *++s == '0' ? '~' : '/';
        }
        if (len + 1 >= cap)
            return -1;
        out[len++] = c;
    }
    out[len] = '\0';
    *at = s;
    return (long)len;
}

static json_t *element_at(const json_t *array, const char *token)
{
    size_t index = 0;

    if (token[0] == '\0' || strlen(token) > 9 || (token[0] == '0' && token[1] != '\0'))
        return NULL;
    for (; *token != '\0'; token++) {
        if (*token < '0' || *token > '9')
            return NULL;
        index = index * 10 + (size_t)(*token - '0');
    }
    return json_array_get(array, index);
}

json_t *json_at_pointer(const json_t *root, const char *path)
{
    union {
        const json_t *in;
        json_t *out;
    } at = {root};
    char token[512];

    while (at.out != NULL && *path != '\0') {
        long len;

        if (*path++ != '/' || (len = read_token(&path, token, sizeof token)) < 0)
            return NULL;
        if (json_is_object(at.out))
            at.out = json_object_getn(at.out, token, (size_t)len);
        else
            at.out = element_at(at.out, token);
    }
    return at.out;
}

const char *json_member_string(const json_t *object, const char *name, const char *def)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : def;
}

int64_t json_member_int(const json_t *object, const char *name, int64_t def)
{
    int64_t number;

    return json_to_int(json_object_get(object, name), &number) ? number : def;
}

double json_member_float(const json_t *object, const char *name, double def)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : def;
}

int json_member_bool(const json_t *object, const char *name, int def)
{
    const json_t *value = json_object_get(object, name);

    return json_is_boolean(value) ? json_is_true(value) : def;
}
