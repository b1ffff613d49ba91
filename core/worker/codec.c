/* Observations and actions on the wire. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/codec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/json/json.h"

#define DEPTH_MAX 16

/* Visits the leaves of a space in order. */
struct leaves {
    const struct lathe_space *const *stack[DEPTH_MAX];
    const struct lathe_space *single;
    int depth;
};

static int is_inner(const struct lathe_space *space)
{
    return space->kind == LATHE_SPACE_TUPLE || space->kind == LATHE_SPACE_DICT;
}

static void leaves_init(struct leaves *it, const struct lathe_space *space)
{
    memset(it, 0, sizeof *it);
    if (is_inner(space)) {
        it->stack[0] = space->children;
    } else {
        it->single = space;
        it->depth = -1;
    }
}

static const struct lathe_space *leaves_next(struct leaves *it)
{
    const struct lathe_space *leaf = it->single;

    it->single = NULL;
    while (leaf == NULL && it->depth >= 0) {
        const struct lathe_space *child = *it->stack[it->depth];

        if (child == NULL) {
            it->depth--;
            continue;
        }
        it->stack[it->depth]++;
        if (!is_inner(child))
            leaf = child;
        else if (it->depth + 1 < DEPTH_MAX)
            it->stack[++it->depth] = child->children;
    }
    return leaf;
}

static uint64_t leaf_count(const struct lathe_space *leaf)
{
    uint64_t n = 1;
    uint32_t i;

    if (leaf->kind == LATHE_SPACE_DISCRETE)
        return 1;
    for (i = 0; i < leaf->ndim && i < 6; i++)
        n *= leaf->shape[i];
    return leaf->kind == LATHE_SPACE_MULTIDISCRETE ? leaf->shape[0] : n;
}

static uint32_t leaf_dtype(const struct lathe_space *leaf)
{
    if (leaf->kind == LATHE_SPACE_DISCRETE || leaf->kind == LATHE_SPACE_MULTIDISCRETE)
        return LATHE_I32;
    return leaf->kind == LATHE_SPACE_MULTIBINARY ? LATHE_U8 : leaf->dtype;
}

static double get_number(const void *base, uint32_t dtype, uint64_t i)
{
    switch (dtype) {
    case LATHE_F32:
        return (double)((const float *)base)[i];
    case LATHE_F64:
        return ((const double *)base)[i];
    case LATHE_I32:
        return ((const int32_t *)base)[i];
    case LATHE_I64:
        return (double)((const int64_t *)base)[i];
    default:
        return ((const uint8_t *)base)[i];
    }
}

static void set_number(void *base, uint32_t dtype, uint64_t i, double v)
{
    switch (dtype) {
    case LATHE_F32:
        ((float *)base)[i] = (float)v;
        break;
    case LATHE_F64:
        ((double *)base)[i] = v;
        break;
    case LATHE_I32:
        ((int32_t *)base)[i] = (int32_t)v;
        break;
    case LATHE_I64:
        ((int64_t *)base)[i] = (int64_t)v;
        break;
    default:
        ((uint8_t *)base)[i] = (uint8_t)v;
    }
}

static const char *leaf_data(const struct lathe_space *leaf, const void *row)
{
    return (const char *)row + leaf->offset_bytes;
}

void codec_add_float(struct strbuf *out, float value)
{
    char text[32];
    int digits;

    if (!isfinite(value)) {
        strbuf_adds(out, "null");
        return;
    }
    for (digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    strbuf_adds(out, text);
}

static void add_number(struct strbuf *out, const void *base, uint32_t dtype, uint64_t i)
{
    if (dtype == LATHE_F32)
        codec_add_float(out, ((const float *)base)[i]);
    else
        strbuf_add_json_double(out, get_number(base, dtype, i));
}

void codec_write(const struct lathe_space *space, const void *row, struct strbuf *out)
{
    const struct lathe_space *leaf;
    struct leaves it;
    const char *comma = "";

    if (space->kind == LATHE_SPACE_DISCRETE) {
        strbuf_add_json_double(out, get_number(leaf_data(space, row), LATHE_I32, 0));
        return;
    }
    strbuf_addc(out, '[');
    leaves_init(&it, space);
    while ((leaf = leaves_next(&it)) != NULL) {
        const char *data = leaf_data(leaf, row);
        uint64_t i, n = leaf_count(leaf);

        if (leaf->kind == LATHE_SPACE_TEXT) {
            strbuf_adds(out, comma);
            strbuf_add_json_string(out, data, strnlen(data, leaf->len_bytes));
            comma = ",";
            continue;
        }
        for (i = 0; i < n; i++) {
            strbuf_adds(out, comma);
            add_number(out, data, leaf_dtype(leaf), i);
            comma = ",";
        }
    }
    strbuf_addc(out, ']');
}

/* Is v a value of element i? Boxes accept any finite number that the type holds. */
static int in_range(const struct lathe_space *leaf, uint64_t i, double v)
{
    double lo = -3.4028234663852886e38, hi = 3.4028234663852886e38;

    if (!isfinite(v))
        return 0;
    switch (leaf->kind) {
    case LATHE_SPACE_DISCRETE:
        lo = (double)leaf->start;
        hi = (double)(leaf->start + leaf->n - 1);
        break;
    case LATHE_SPACE_MULTIDISCRETE:
        lo = 0;
        hi = (double)(leaf->nvec[i] - 1);
        break;
    case LATHE_SPACE_MULTIBINARY:
        lo = 0;
        hi = 1;
        break;
    default:
        if (leaf->dtype == LATHE_U8) {
            lo = 0;
            hi = 255;
        } else if (leaf->dtype == LATHE_I32) {
            lo = -2147483648.0;
            hi = 2147483647.0;
        } else if (leaf->dtype == LATHE_I64) {
            lo = -9007199254740992.0;
            hi = 9007199254740992.0;
        }
    }
    if (v < lo || v > hi)
        return 0;
    return leaf_dtype(leaf) == LATHE_F32 || leaf_dtype(leaf) == LATHE_F64 || v == floor(v);
}

static int32_t read_text(const struct lathe_space *leaf, const json_t *value, const char *where,
                         char *data, struct lathe_error *err)
{
    size_t len = json_string_length(value);

    if (!json_is_string(value) || len > leaf->len_bytes)
        return fail_field(err, LATHE_E_INVALID, where, "%s needs text of at most %u bytes", where,
                          leaf->len_bytes);
    memcpy(data, json_string_value(value), len);
    return LATHE_OK;
}

int32_t codec_read(const struct lathe_space *space, const json_t *value, const char *where,
                   void *row, struct lathe_error *err)
{
    const struct lathe_space *leaf;
    struct leaves it;
    uint64_t at = 0, total = json_is_array(value) ? json_array_size(value) : 1;

    leaves_init(&it, space);
    while ((leaf = leaves_next(&it)) != NULL) {
        char *data = (char *)row + leaf->offset_bytes;
        uint64_t i, n = leaf->kind == LATHE_SPACE_TEXT ? 1 : leaf_count(leaf);

        for (i = 0; i < n; i++, at++) {
            const json_t *v = json_is_array(value) ? json_array_get(value, at) : value;
            int32_t st;

            if (at >= total)
                return fail_field(err, LATHE_E_INVALID, where,
                                  "%s has %llu values, more are needed", where,
                                  (unsigned long long)total);
            if (leaf->kind == LATHE_SPACE_TEXT) {
                if ((st = read_text(leaf, v, where, data, err)) != LATHE_OK)
                    return st;
            } else if (!json_is_number(v) || !in_range(leaf, i, json_number_value(v))) {
                return fail_field(err, LATHE_E_INVALID, where, "%s: value %llu is not in its space",
                                  where, (unsigned long long)at);
            } else {
                set_number(data, leaf_dtype(leaf), i, json_number_value(v));
            }
        }
    }
    if (at != total)
        return fail_field(err, LATHE_E_INVALID, where, "%s has %llu values, %llu are needed", where,
                          (unsigned long long)total, (unsigned long long)at);
    return LATHE_OK;
}
