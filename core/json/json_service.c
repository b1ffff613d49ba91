/* The service "lathe.json/1": thin functions that map opaque handles to Jansson values. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/json/json.h"

static json_t *in(const struct lathe_json *handle)
{
    union {
        const struct lathe_json *handle;
        json_t *value;
    } pun = {handle};

    return pun.value;
}

static int32_t svc_parse(const struct lathe_json_service *json, const char *text, size_t len_bytes,
                         const struct lathe_json_limits *limits, struct lathe_json **out,
                         struct lathe_error *err)
{
    json_t *value;
    int32_t st = json_parse_text(text, len_bytes, limits, &value, err);

    (void)json;
    if (st == LATHE_OK)
        *out = json_handle(value);
    return st;
}

static int32_t svc_dump(const struct lathe_json *value, uint32_t flags, char *out, size_t cap,
                        size_t *len_bytes)
{
    struct strbuf text;
    int32_t st;

    strbuf_init(&text);
    st = json_write_text(in(value), flags, &text);
    if (st == LATHE_OK) {
        if (len_bytes != NULL)
            *len_bytes = text.len_bytes;
        if (text.len_bytes >= cap)
            st = LATHE_E_LIMIT;
        else
            memcpy(out, text.data, text.len_bytes + 1);
    }
    strbuf_fini(&text);
    return st;
}

static char *svc_dup_text(const struct lathe_json *value, uint32_t flags, size_t *len_bytes)
{
    return json_dup_text(in(value), flags, len_bytes);
}

static void svc_free_text(char *text)
{
    mem_free(text);
}

static struct lathe_json *svc_acquire(const struct lathe_json *value)
{
    return json_handle(json_incref(in(value)));
}

static void svc_release(struct lathe_json *value)
{
    json_decref(json_of_handle(value));
}

static struct lathe_json *svc_copy(const struct lathe_json *value)
{
    return json_handle(json_deep_copy(in(value)));
}

static int32_t svc_equal(const struct lathe_json *a, const struct lathe_json *b)
{
    return json_same(in(a), in(b));
}

static struct lathe_json *svc_object(const struct lathe_json_service *json)
{
    (void)json;
    return json_handle(json_object());
}

static struct lathe_json *svc_array(const struct lathe_json_service *json)
{
    (void)json;
    return json_handle(json_array());
}

static struct lathe_json *svc_string(const struct lathe_json_service *json, const char *text,
                                     size_t len_bytes)
{
    (void)json;
    return json_handle(json_stringn(text, len_bytes));
}

static struct lathe_json *svc_integer(const struct lathe_json_service *json, int64_t number)
{
    (void)json;
    return json_handle(json_integer(number));
}

static struct lathe_json *svc_real(const struct lathe_json_service *json, double number)
{
    (void)json;
    return json_handle(json_real(number)); /* NULL for NaN and infinities */
}

static struct lathe_json *svc_boolean(const struct lathe_json_service *json, int32_t truth)
{
    (void)json;
    return json_handle(json_boolean(truth));
}

static struct lathe_json *svc_null(const struct lathe_json_service *json)
{
    (void)json;
    return json_handle(json_null());
}

static uint32_t svc_type(const struct lathe_json *value)
{
    const json_t *v = in(value);

    if (v == NULL)
        return LATHE_JSON_NONE;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return LATHE_JSON_OBJECT;
    case JSON_ARRAY:
        return LATHE_JSON_ARRAY;
    case JSON_STRING:
        return LATHE_JSON_STRING;
    case JSON_INTEGER:
        return LATHE_JSON_INT;
    case JSON_REAL:
        return LATHE_JSON_FLOAT;
    case JSON_TRUE:
    case JSON_FALSE:
        return LATHE_JSON_BOOL;
    default:
        return LATHE_JSON_NULL;
    }
}

static uint32_t svc_count(const struct lathe_json *value)
{
    const json_t *v = in(value);

    return (uint32_t)(json_is_object(v) ? json_object_size(v) : json_array_size(v));
}

/* Which status explains a failed insertion: Jansson itself only says that it failed. */
static int32_t insert_status(int done)
{
    return done == 0 ? LATHE_OK : LATHE_E_NOMEM;
}

static int32_t svc_set(struct lathe_json *object, const char *name, struct lathe_json *take_value)
{
    json_t *o = json_of_handle(object);
    json_t *v = json_of_handle(take_value);
    json_t *probe;

    if (v == NULL)
        return o != NULL && !json_is_object(o) ? LATHE_E_INVALID : LATHE_E_NOMEM;
    if (!json_is_object(o) || name == NULL || o == v) {
        json_decref(v);
        return o == NULL ? LATHE_E_NOMEM : LATHE_E_INVALID;
    }
    if (json_object_set_new(o, name, json_incref(v)) == 0) {
        json_decref(v);
        return LATHE_OK;
    }
    json_decref(v);
    probe = json_string(name); /* fails for bad UTF-8 */
    json_decref(probe);
    return probe == NULL ? LATHE_E_INVALID : LATHE_E_NOMEM;
}

static struct lathe_json *make_string(const char *text, int32_t *st)
{
    json_t *value = text != NULL ? json_string(text) : json_null();

    *st = value != NULL ? LATHE_OK : LATHE_E_INVALID;
    return json_handle(value);
}

static int32_t svc_set_string(struct lathe_json *object, const char *name, const char *text)
{
    int32_t st;
    struct lathe_json *value = make_string(text, &st);

    return st == LATHE_OK ? svc_set(object, name, value) : st;
}

static int32_t svc_set_int(struct lathe_json *object, const char *name, int64_t number)
{
    return svc_set(object, name, json_handle(json_integer(number)));
}

static int32_t svc_set_float(struct lathe_json *object, const char *name, double number)
{
    if (!isfinite(number))
        return LATHE_E_INVALID;
    return svc_set(object, name, json_handle(json_real(number)));
}

static int32_t svc_set_bool(struct lathe_json *object, const char *name, int32_t truth)
{
    return svc_set(object, name, json_handle(json_boolean(truth)));
}

static int32_t svc_set_null(struct lathe_json *object, const char *name)
{
    return svc_set(object, name, json_handle(json_null()));
}

static int32_t svc_remove(struct lathe_json *object, const char *name)
{
    return json_object_del(json_of_handle(object), name) == 0 ? LATHE_OK : LATHE_E_NOT_FOUND;
}

static struct lathe_json *svc_get(const struct lathe_json *object, const char *name)
{
    return json_handle(json_object_get(in(object), name));
}

static const void *svc_next(const struct lathe_json *object, const void *last, const char **name,
                            struct lathe_json **value)
{
    union {
        const void *in;
        void *out;
    } pun = {last};
    void *iter =
        last == NULL ? json_object_iter(in(object)) : json_object_iter_next(in(object), pun.out);

    if (iter != NULL && name != NULL)
        *name = json_object_iter_key(iter);
    if (iter != NULL && value != NULL)
        *value = json_handle(json_object_iter_value(iter));
    return iter;
}

static int32_t svc_append(struct lathe_json *array, struct lathe_json *take_value)
{
    json_t *a = json_of_handle(array);
    json_t *v = json_of_handle(take_value);

    if (v == NULL)
        return a != NULL && !json_is_array(a) ? LATHE_E_INVALID : LATHE_E_NOMEM;
    if (!json_is_array(a) || a == v) {
        json_decref(v);
        return a == NULL ? LATHE_E_NOMEM : LATHE_E_INVALID;
    }
    return insert_status(json_array_append_new(a, v));
}

static int32_t svc_append_string(struct lathe_json *array, const char *text)
{
    int32_t st;
    struct lathe_json *value = make_string(text, &st);

    return st == LATHE_OK ? svc_append(array, value) : st;
}

static int32_t svc_append_int(struct lathe_json *array, int64_t number)
{
    return svc_append(array, json_handle(json_integer(number)));
}

static int32_t svc_append_float(struct lathe_json *array, double number)
{
    if (!isfinite(number))
        return LATHE_E_INVALID;
    return svc_append(array, json_handle(json_real(number)));
}

static struct lathe_json *svc_at(const struct lathe_json *array, uint32_t index)
{
    return json_handle(json_array_get(in(array), index));
}

static const char *svc_as_string(const struct lathe_json *value, const char *def, size_t *len_bytes)
{
    const char *text = json_string_value(in(value));

    if (len_bytes != NULL)
        *len_bytes = text != NULL ? json_string_length(in(value)) : def != NULL ? strlen(def) : 0;
    return text != NULL ? text : def;
}

static int64_t svc_as_int(const struct lathe_json *value, int64_t def)
{
    int64_t number;

    return json_to_int(in(value), &number) ? number : def;
}

static double svc_as_float(const struct lathe_json *value, double def)
{
    return json_is_number(in(value)) ? json_number_value(in(value)) : def;
}

static int32_t svc_as_bool(const struct lathe_json *value, int32_t def)
{
    return json_is_boolean(in(value)) ? json_is_true(in(value)) : def;
}

static const char *svc_get_string(const struct lathe_json *object, const char *name,
                                  const char *def)
{
    return json_member_string(in(object), name, def);
}

static int64_t svc_get_int(const struct lathe_json *object, const char *name, int64_t def)
{
    return json_member_int(in(object), name, def);
}

static double svc_get_float(const struct lathe_json *object, const char *name, double def)
{
    return json_member_float(in(object), name, def);
}

static int32_t svc_get_bool(const struct lathe_json *object, const char *name, int32_t def)
{
    return json_member_bool(in(object), name, def);
}

static struct lathe_json *svc_pointer(const struct lathe_json *value, const char *path)
{
    return json_handle(json_at_pointer(in(value), path));
}

static const struct lathe_json_service service = {
    .struct_size = sizeof(struct lathe_json_service),
    .parse = svc_parse,
    .dump = svc_dump,
    .dup_text = svc_dup_text,
    .free_text = svc_free_text,
    .acquire = svc_acquire,
    .release = svc_release,
    .copy = svc_copy,
    .equal = svc_equal,
    .object = svc_object,
    .array = svc_array,
    .string = svc_string,
    .integer = svc_integer,
    .real = svc_real,
    .boolean = svc_boolean,
    .null = svc_null,
    .type = svc_type,
    .count = svc_count,
    .set = svc_set,
    .set_string = svc_set_string,
    .set_int = svc_set_int,
    .set_float = svc_set_float,
    .set_bool = svc_set_bool,
    .set_null = svc_set_null,
    .remove = svc_remove,
    .get = svc_get,
    .next = svc_next,
    .append = svc_append,
    .append_string = svc_append_string,
    .append_int = svc_append_int,
    .append_float = svc_append_float,
    .at = svc_at,
    .as_string = svc_as_string,
    .as_int = svc_as_int,
    .as_float = svc_as_float,
    .as_bool = svc_as_bool,
    .get_string = svc_get_string,
    .get_int = svc_get_int,
    .get_float = svc_get_float,
    .get_bool = svc_get_bool,
    .pointer = svc_pointer,
};

const struct lathe_json_service *json_service(void)
{
    return &service;
}
