/* JSON values behind opaque handles: the service "lathe.json/1".
 * Threads: [any]; one value is changed by one thread at a time, and may be read by several. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_JSON_H
#define LATHE_JSON_H

#include "lathe/status.h"

/* Id for host->get_service(). */
#define LATHE_SERVICE_JSON "lathe.json/1"

/* What type() answers. */
#define LATHE_JSON_NONE 0 /* a NULL handle: an absent member */
#define LATHE_JSON_NULL 1
#define LATHE_JSON_BOOL 2
#define LATHE_JSON_INT 3 /* fits int64_t */
#define LATHE_JSON_FLOAT 4
#define LATHE_JSON_STRING 5
#define LATHE_JSON_ARRAY 6
#define LATHE_JSON_OBJECT 7

/* Flags of dump() and dup_text(). Without them: compact, members in insertion order. */
#define LATHE_JSON_PRETTY 1u /* two blanks per level, one member per line */
#define LATHE_JSON_SORTED 2u /* members by name (bytewise): the same value gives the same text */

/* A JSON value, counted. Made by the service below, and only the service looks inside. */
struct lathe_json;

/* Bounds of parse(). NULL stands for the defaults; a 0 field stands for its default. */
struct lathe_json_limits {
    uint32_t struct_size;
    uint32_t depth_max;     /* nesting of arrays and objects; default 64, highest 64 */
    uint64_t len_bytes_max; /* of the text; default 16 MiB */
};

/* References. A function that makes a value gives one reference to the caller, who ends it with
 * release() or passes it on through a parameter named take_. Values that come out of get(), at(),
 * next() and pointer() are borrowed: valid while their container is alive and keeps them; acquire()
 * them to keep them longer.
 *
 * Builders stay short: makers return NULL without memory, every function takes a NULL handle, set()
 * and append() of a NULL value report LATHE_E_NOMEM, and take_ values are taken even when the call
 * fails. Check the status of a member that must not be missing. Reading never fails: a NULL handle
 * or another type yields the given default.
 *
 *     struct lathe_json *o = j->object(j);
 *     j->set_string(o, "id", id);
 *     j->set_int(o, "episodes", 12);
 *     j->set(o, "tags", j->array(j));
 *     j->append_string(j->get(o, "tags"), "new");
 *     ...
 *     j->release(o);
 *
 * Strings are UTF-8. Names and NUL-terminated strings that are not valid UTF-8 are LATHE_E_INVALID.
 * Unless a function says otherwise: Thread: [any]. Since 1.0. */
struct lathe_json_service {
    uint32_t struct_size, reserved0;
    const void *ctx; /* the host's */

    /* Reads exactly one JSON text (RFC 8259) into *out; the caller owns the reference.
     * Errors: LATHE_E_INVALID with line and column for bad syntax or UTF-8, a member given twice
     * (its name is err->field), an integer outside int64_t, a number that no double holds,
     * "\u0000"; LATHE_E_LIMIT for depth or size; LATHE_E_NOMEM. *out is untouched then. */
    int32_t (*parse)(const struct lathe_json_service *json, const char *text, size_t len_bytes,
                     const struct lathe_json_limits *limits, struct lathe_json **out,
                     struct lathe_error *err);
    /* Writes text and a NUL into out; *len_bytes (may be NULL) gets the length without the NUL.
     * Errors: LATHE_E_LIMIT when cap is too small (*len_bytes then says what is needed; out may be
     * NULL with cap 0) or nesting exceeds 256; LATHE_E_INVALID for a NULL handle; LATHE_E_NOMEM. */
    int32_t (*dump)(const struct lathe_json *value, uint32_t flags, char *out, size_t cap,
                    size_t *len_bytes);
    /* As dump into fresh memory: end it with free_text(). NULL on failure. */
    char *(*dup_text)(const struct lathe_json *value, uint32_t flags, size_t *len_bytes);
    void (*free_text)(char *text); /* NULL is fine */

    /* Life of a value. acquire returns value. copy is deep and gives one reference. */
    struct lathe_json *(*acquire)(const struct lathe_json *value);
    void (*release)(struct lathe_json *value);
    struct lathe_json *(*copy)(const struct lathe_json *value);
    /* 1 when both are the same JSON value; 1 and 1.0 are, member order is ignored, two NULLs are.
     */
    int32_t (*equal)(const struct lathe_json *a, const struct lathe_json *b);

    /* Makers: a new reference, or NULL without memory (string: or for bad UTF-8; real: or for a
     * number that is not finite). */
    struct lathe_json *(*object)(const struct lathe_json_service *json);
    struct lathe_json *(*array)(const struct lathe_json_service *json);
    struct lathe_json *(*string)(const struct lathe_json_service *json, const char *text,
                                 size_t len_bytes);
    struct lathe_json *(*integer)(const struct lathe_json_service *json, int64_t number);
    struct lathe_json *(*real)(const struct lathe_json_service *json, double number);
    struct lathe_json *(*boolean)(const struct lathe_json_service *json, int32_t truth);
    struct lathe_json *(*null)(const struct lathe_json_service *json);

    uint32_t (*type)(const struct lathe_json *value);  /* LATHE_JSON_... */
    uint32_t (*count)(const struct lathe_json *value); /* members or elements; 0 for other types */

    /* Members of an object. set replaces in place. Errors: LATHE_E_INVALID when object is no
     * object, name is no UTF-8, a float is not finite; LATHE_E_NOMEM. set_string with NULL text
     * sets null. */
    int32_t (*set)(struct lathe_json *object, const char *name, struct lathe_json *take_value);
    int32_t (*set_string)(struct lathe_json *object, const char *name, const char *text);
    int32_t (*set_int)(struct lathe_json *object, const char *name, int64_t number);
    int32_t (*set_float)(struct lathe_json *object, const char *name, double number);
    int32_t (*set_bool)(struct lathe_json *object, const char *name, int32_t truth);
    int32_t (*set_null)(struct lathe_json *object, const char *name);
    int32_t (*remove)(struct lathe_json *object,
                      const char *name); /* LATHE_E_NOT_FOUND when absent */
    struct lathe_json *(*get)(const struct lathe_json *object,
                              const char *name); /* borrowed or NULL */
    /* Walks the members in insertion order: pass NULL, then the last answer; NULL is the end. The
     * object must not change meanwhile. name and value (borrowed) may be NULL. */
    const void *(*next)(const struct lathe_json *object, const void *last, const char **name,
                        struct lathe_json **value);

    /* Elements of an array; errors as for set. at: borrowed, NULL when there is no such index. */
    int32_t (*append)(struct lathe_json *array, struct lathe_json *take_value);
    int32_t (*append_string)(struct lathe_json *array, const char *text);
    int32_t (*append_int)(struct lathe_json *array, int64_t number);
    int32_t (*append_float)(struct lathe_json *array, double number);
    struct lathe_json *(*at)(const struct lathe_json *array, uint32_t index);

    /* The value itself, or def when it has another type. as_float takes integers too; as_int takes
     * floats without a fraction inside int64_t. as_string: borrowed, len_bytes may be NULL. */
    const char *(*as_string)(const struct lathe_json *value, const char *def, size_t *len_bytes);
    int64_t (*as_int)(const struct lathe_json *value, int64_t def);
    double (*as_float)(const struct lathe_json *value, double def);
    int32_t (*as_bool)(const struct lathe_json *value, int32_t def);

    /* get() and as_...() in one: the member of an object, or def. */
    const char *(*get_string)(const struct lathe_json *object, const char *name, const char *def);
    int64_t (*get_int)(const struct lathe_json *object, const char *name, int64_t def);
    double (*get_float)(const struct lathe_json *object, const char *name, double def);
    int32_t (*get_bool)(const struct lathe_json *object, const char *name, int32_t def);

    /* JSON pointer (RFC 6901): "/models/0/name", "" is the value itself. Borrowed, or NULL. */
    struct lathe_json *(*pointer)(const struct lathe_json *value, const char *path);
};

#endif
