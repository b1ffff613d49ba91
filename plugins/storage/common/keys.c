/* SPDX-License-Identifier: Apache-2.0 */
/* Index keys of a document: walks dotted paths, through arrays, and collects distinct values. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/common/storage_common.h"

/* JSON values that a path step has reached; doubled by arrays. */
struct level {
    const json_t *values[LATHE_STORAGE_VALUES_MAX];
    uint32_t n;
};

int32_t storage_doc_parse(const char *json, size_t len, json_t **out, struct lathe_error *err)
{
    json_error_t jerr;
    json_t *doc = json_loadb(json, len, JSON_REJECT_DUPLICATES, &jerr);

    if (doc == NULL) {
        if (json_error_code(&jerr) == json_error_out_of_memory)
            return storage_fail(err, LATHE_E_NOMEM, "no memory for a document");
        return storage_fail(err, LATHE_E_INVALID, "document is not JSON: line %d column %d: %.120s",
                            jerr.line, jerr.column, jerr.text);
    }
    if (!json_is_object(doc)) {
        json_decref(doc);
        return storage_fail(err, LATHE_E_INVALID, "a document must be a JSON object");
    }
    *out = doc;
    return LATHE_OK;
}

int storage_key_compare(uint32_t type, const struct storage_key *a, const struct storage_key *b)
{
    if ((type & 0xffu) == LATHE_INDEX_NUMBER)
        return a->num < b->num ? -1 : a->num > b->num;
    return strcmp(a->str, b->str);
}

static int32_t too_many(const char *field, struct lathe_error *err)
{
    return storage_fail(err, LATHE_E_LIMIT, "%s: more than %d values in one document", field,
                        LATHE_STORAGE_VALUES_MAX);
}

/* Adds value to level; an array adds its elements (one array deep). */
static int32_t level_add(struct level *level, const json_t *value, const char *field,
                         struct lathe_error *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    if (value == NULL)
        return LATHE_OK;
    if (n > LATHE_STORAGE_VALUES_MAX - level->n)
        return too_many(field, err);
    for (size_t i = 0; i < n; i++)
        level->values[level->n++] = json_is_array(value) ? json_array_get(value, i) : value;
    return LATHE_OK;
}

static int32_t level_descend(const struct level *from, struct level *to, const char *name,
                             size_t name_len, const char *field, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    to->n = 0;
    for (uint32_t i = 0; i < from->n && st == LATHE_OK; i++)
        st = level_add(to, json_object_getn(from->values[i], name, name_len), field, err);
    return st;
}

static int32_t keys_add(struct storage_keys *out, const json_t *value, const char *field,
                        uint32_t type, struct lathe_error *err)
{
    struct storage_key key = {0, NULL};

    if (type == LATHE_INDEX_NUMBER) {
        if (!json_is_number(value) && !json_is_boolean(value))
            return LATHE_OK;
        key.num = json_is_boolean(value) ? json_boolean_value(value) : json_number_value(value);
    } else {
        if (!json_is_string(value))
            return LATHE_OK;
        key.str = json_string_value(value);
        if (json_string_length(value) > LATHE_STORAGE_KEY_MAX)
            return storage_fail(err, LATHE_E_LIMIT, "%s: an indexed string may have %d bytes",
                                field, LATHE_STORAGE_KEY_MAX);
    }
    for (uint32_t i = 0; i < out->n; i++)
        if (storage_key_compare(type, &out->keys[i], &key) == 0)
            return LATHE_OK;
    out->keys[out->n++] = key; /* one level holds no more values than out has room for */
    return LATHE_OK;
}

int32_t storage_doc_keys(const json_t *doc, const char *field, uint32_t type,
                         struct storage_keys *out, struct lathe_error *err)
{
    struct level levels[2];
    const char *p = field;
    unsigned now = 0;
    int32_t st = LATHE_OK;

    levels[0].n = 1;
    levels[0].values[0] = doc;
    while (p != NULL && st == LATHE_OK) {
        const char *dot = strchr(p, '.');
        size_t len = dot != NULL ? (size_t)(dot - p) : strlen(p);

        st = level_descend(&levels[now], &levels[1 - now], p, len, field, err);
        now = 1 - now;
        p = dot != NULL ? dot + 1 : NULL;
    }
    out->n = 0;
    for (uint32_t i = 0; i < levels[now].n && st == LATHE_OK; i++)
        st = keys_add(out, levels[now].values[i], field, type & 0xffu, err);
    return st;
}
