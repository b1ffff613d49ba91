/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of arguments, the same in every storage. */

#include "plugins/storage/common/storage_common.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int32_t storage_fail(struct lathe_error *err, int32_t code, const char *fmt, ...)
{
    va_list args;

    if (err == NULL)
        return code;
    err->code = code;
    err->field[0] = 0;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

uint32_t storage_index_count(const struct lathe_storage_index *const *indexes)
{
    uint32_t n = 0;

    while (indexes != NULL && indexes[n] != NULL)
        n++;
    return n;
}

int32_t storage_check_name(const char *what, const char *name, struct lathe_error *err)
{
    size_t len = name != NULL ? strnlen(name, LATHE_STORAGE_NAME_MAX + 1) : 0;

    if (len == 0 || len > LATHE_STORAGE_NAME_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_./-") != len)
        return storage_fail(err, LATHE_E_INVALID,
                            "%s name must be 1 to %d bytes of a-z, 0-9, _, ., / and -", what,
                            LATHE_STORAGE_NAME_MAX);
    return LATHE_OK;
}

/* Bytes that follow the lead byte c in UTF-8, or -1; *min is the smallest code point of that
 * length. */
static int utf8_tail(unsigned char c, uint32_t *point, uint32_t *min)
{
    if (c < 0x80) {
        *point = c;
        *min = 0;
        return 0;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        *point = c & 0x1fu;
        *min = 0x80;
        return 1;
    }
    if (c >= 0xe0 && c <= 0xef) {
        *point = c & 0x0fu;
        *min = 0x800;
        return 2;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        *point = c & 0x07u;
        *min = 0x10000;
        return 3;
    }
    return -1;
}

static int text_is_good(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;

    while (p < end) {
        uint32_t point = 0, min = 0;
        int tail = utf8_tail(*p++, &point, &min);

        for (; tail > 0; tail--) {
            if (p == end || (*p & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (*p++ & 0x3fu);
        }
        if (tail < 0 || point < min || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ||
            point < 0x20 || point == 0x7f)
            return 0;
    }
    return 1;
}

int32_t storage_check_id(const char *what, const char *id, struct lathe_error *err)
{
    size_t len = id != NULL ? strnlen(id, LATHE_STORAGE_ID_MAX + 1) : 0;

    if (len == 0 || len > LATHE_STORAGE_ID_MAX || !text_is_good(id, len))
        return storage_fail(err, LATHE_E_INVALID,
                            "%s must be 1 to %d bytes of UTF-8 without control bytes", what,
                            LATHE_STORAGE_ID_MAX);
    return LATHE_OK;
}

size_t storage_op_len(const struct lathe_storage_op *op)
{
    return op->json_len != 0 ? (size_t)op->json_len : strlen(op->json);
}

int32_t storage_check_op(const struct lathe_storage_op *op, struct lathe_error *err)
{
    int32_t st;

    if (op->op == LATHE_OP_NEXT) {
        if (op->count < 1 || op->count > 1000000)
            return storage_fail(err, LATHE_E_INVALID,
                                "a counter gives 1 to 1000000 numbers at a time");
        return storage_check_name("counter", op->id, err);
    }
    if (op->op > LATHE_OP_NEXT)
        return storage_fail(err, LATHE_E_INVALID, "operation %u is unknown", op->op);
    if ((st = storage_check_name("collection", op->collection, err)) != LATHE_OK ||
        (st = storage_check_id("document id", op->id, err)) != LATHE_OK)
        return st;
    if (op->expected != LATHE_REV_ANY && op->expected > INT64_MAX)
        return storage_fail(err, LATHE_E_INVALID, "%s: no such revision", op->id);
    if (op->op != LATHE_OP_PUT)
        return LATHE_OK;
    if (op->json == NULL)
        return storage_fail(err, LATHE_E_INVALID, "%s: a put needs a document", op->id);
    if (storage_op_len(op) > LATHE_STORAGE_DOC_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "%s: a document may have %u bytes", op->id,
                            LATHE_STORAGE_DOC_MAX);
    return LATHE_OK;
}

int32_t storage_check_revision(const struct lathe_storage_op *op, uint64_t revision,
                               struct lathe_error *err)
{
    int any = op->expected == LATHE_REV_ANY;

    if (op->expected == LATHE_REV_NONE && revision != 0)
        return storage_fail(err, LATHE_E_EXISTS, "%s already has a document %s", op->collection,
                            op->id);
    if (revision == 0 && op->expected != LATHE_REV_NONE && (!any || op->op == LATHE_OP_CHECK))
        return storage_fail(err, LATHE_E_NOT_FOUND, "%s has no document %s", op->collection,
                            op->id);
    if (!any && revision != op->expected)
        return storage_fail(err, LATHE_E_CONFLICT, "%s: document %s was changed meanwhile",
                            op->collection, op->id);
    return LATHE_OK;
}

static int32_t check_field(const char *field, struct lathe_error *err)
{
    size_t len = field != NULL ? strnlen(field, LATHE_STORAGE_NAME_MAX + 1) : 0;

    if (len == 0 || len > LATHE_STORAGE_NAME_MAX || field[0] == '.' || field[len - 1] == '.' ||
        strstr(field, "..") != NULL || !text_is_good(field, len))
        return storage_fail(err, LATHE_E_INVALID,
                            "an indexed field is a dotted path of 1 to %d bytes",
                            LATHE_STORAGE_NAME_MAX);
    return LATHE_OK;
}

int32_t storage_check_collection(const struct lathe_storage_collection *c, struct lathe_error *err)
{
    uint32_t n = storage_index_count(c->indexes);
    int32_t st = storage_check_name("collection", c->name, err);

    if (st != LATHE_OK)
        return st;
    if (n > LATHE_STORAGE_INDEX_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "%s: more than %d indexes", c->name,
                            LATHE_STORAGE_INDEX_MAX);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t type = c->indexes[i]->type;

        if ((st = check_field(c->indexes[i]->field, err)) != LATHE_OK)
            return st;
        if (type != LATHE_INDEX_STRING && type != LATHE_INDEX_NUMBER &&
            type != (LATHE_INDEX_STRING | LATHE_INDEX_ARTIFACT))
            return storage_fail(err, LATHE_E_INVALID, "%s.%s: unknown index type %u", c->name,
                                c->indexes[i]->field, type);
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(c->indexes[i]->field, c->indexes[j]->field) == 0)
                return storage_fail(err, LATHE_E_INVALID, "%s.%s is declared twice", c->name,
                                    c->indexes[i]->field);
    }
    return LATHE_OK;
}

static int32_t check_value(const struct lathe_storage_value *v, struct lathe_error *err)
{
    if (v == NULL)
        return LATHE_OK;
    if (v->type != LATHE_INDEX_STRING && v->type != LATHE_INDEX_NUMBER)
        return storage_fail(err, LATHE_E_INVALID, "bound of unknown type %u", v->type);
    if (v->type == LATHE_INDEX_STRING && v->str == NULL)
        return storage_fail(err, LATHE_E_INVALID, "bound without a string");
    if (v->type == LATHE_INDEX_NUMBER && isnan(v->num))
        return storage_fail(err, LATHE_E_INVALID, "bound is not a number");
    return LATHE_OK;
}

int32_t storage_check_query(const struct lathe_storage_query *q, struct lathe_error *err)
{
    int32_t st = storage_check_name("collection", q->collection, err);

    if (st != LATHE_OK || (st = check_value(q->min, err)) != LATHE_OK ||
        (st = check_value(q->max, err)) != LATHE_OK)
        return st;
    if (q->limit > LATHE_STORAGE_SCAN_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "a scan returns at most %d documents",
                            LATHE_STORAGE_SCAN_MAX);
    if (q->index == NULL && ((q->min != NULL && q->min->type != LATHE_INDEX_STRING) ||
                             (q->max != NULL && q->max->type != LATHE_INDEX_STRING)))
        return storage_fail(err, LATHE_E_INVALID, "bounds of ids must be strings");
    for (uint32_t i = 0; q->filters != NULL && q->filters[i] != NULL; i++) {
        if (i >= 4)
            return storage_fail(err, LATHE_E_LIMIT, "a scan has at most 4 filters");
        if (q->filters[i]->field == NULL || q->filters[i]->value == NULL)
            return storage_fail(err, LATHE_E_INVALID, "a filter needs a field and a value");
        if ((st = check_value(q->filters[i]->value, err)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}
