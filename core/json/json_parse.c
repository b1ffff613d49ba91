/* Reading JSON text: a linear scan bounds depth before Jansson's recursive parser sees the text;
 * its errors are turned into ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/json/json.h"

/* Deepest nesting of brackets outside strings. Malformed text gives some number; the parser
 * decides. */
static uint32_t scan_depth(const char *text, size_t len)
{
    uint32_t depth = 0, deepest = 0;
    int in_string = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = 0;
        } else if (c == '"') {
            in_string = 1;
        } else if (c == '[' || c == '{') {
            if (++depth > deepest)
                deepest = depth;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

/* The member name whose closing quote is the byte before end. */
static void name_before(const char *text, size_t len, size_t end, char *out, size_t cap)
{
    size_t start, name_len;

    out[0] = '\0';
    if (end < 2 || end > len || text[end - 1] != '"')
        return;
    for (start = end - 1; start > 0; start--) {
        size_t slashes = 0;

        if (text[start - 1] != '"')
            continue;
        while (slashes < start - 1 && text[start - 2 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            break;
    }
    name_len = end - 1 - start;
    if (name_len >= cap)
        name_len = cap - 1;
    memcpy(out, text + start, name_len);
    out[name_len] = '\0';
}

static int32_t fail_parse(const char *text, size_t len, const json_error_t *jerr,
                          struct lathe_error *err)
{
    enum json_error_code code = json_error_code(jerr);
    char name[64];

    switch (code) {
    case json_error_out_of_memory:
        return fail(err, LATHE_E_NOMEM, "read JSON: no memory");
    case json_error_duplicate_key:
        name_before(text, len, (size_t)(jerr->position > 0 ? jerr->position : 0), name,
                    sizeof name);
        return fail_field(err, LATHE_E_INVALID, name,
                          "line %d column %d: member \"%s\" is given twice", jerr->line,
                          jerr->column, name);
    case json_error_numeric_overflow:
        return fail(err, LATHE_E_INVALID, "line %d column %d: the number is out of range",
                    jerr->line, jerr->column);
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return fail(err, LATHE_E_INVALID, "line %d column %d: \\u0000 is not accepted", jerr->line,
                    jerr->column);
    default:
        if (jerr->text[0] == '\0') /* Jansson had no memory to start with, and says nothing */
            return fail(err, LATHE_E_NOMEM, "read JSON: no memory");
        return fail(err, LATHE_E_INVALID, "line %d column %d: %s", jerr->line, jerr->column,
                    jerr->text);
    }
}

int32_t json_parse_text(const char *text, size_t len_bytes, const struct lathe_json_limits *limits,
                        json_t **out, struct lathe_error *err)
{
    uint32_t depth_max = JSON_DEPTH_MAX;
    uint64_t len_max = JSON_LEN_MAX;
    json_error_t jerr = {0}; /* Jansson leaves the code as it is when memory is out at once */
    json_t *value;

    if (limits != NULL && LATHE_HAS(limits, struct lathe_json_limits, len_bytes_max)) {
        if (limits->depth_max != 0 && limits->depth_max < depth_max)
            depth_max = limits->depth_max;
        if (limits->len_bytes_max != 0)
            len_max = limits->len_bytes_max;
    }
    if (len_bytes > len_max)
        return fail(err, LATHE_E_LIMIT, "the JSON text has %zu bytes, the limit is %llu", len_bytes,
                    (unsigned long long)len_max);
    if (scan_depth(text, len_bytes) > depth_max)
        return fail(err, LATHE_E_LIMIT, "the JSON text is nested deeper than %u levels", depth_max);
    value = json_loadb(text, len_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &jerr);
    if (value == NULL)
        return fail_parse(text, len_bytes, &jerr, err);
    *out = value;
    return LATHE_OK;
}

int32_t json_parse_file(const char *path, json_t **out, struct lathe_error *err)
{
    struct lathe_error detail;
    size_t len = 0;
    char *text;
    int32_t st = io_read_file(path, (size_t)JSON_LEN_MAX, &text, &len, err);

    if (st != LATHE_OK)
        return st;
    st = json_parse_text(text, len, NULL, out, &detail);
    if (st != LATHE_OK)
        st = fail_field(err, st, detail.field, "%s: %s", path, detail.text);
    mem_free(text);
    return st;
}
