/* Validation of one value by one node: scalars here, containers and combinations in their own
 * files. Recursion is bounded by a depth and by a number of steps. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json/schema_check.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

void seen_mark(struct seen *seen, size_t index)
{
    if (seen != NULL && index < seen->n)
        seen->bits[index / 8] |= (unsigned char)(1u << index % 8);
}

int seen_has(const struct seen *seen, size_t index)
{
    return index < seen->n && (seen->bits[index / 8] >> index % 8 & 1) != 0;
}

int32_t seen_open(struct seen *seen, const json_t *value)
{
    seen->n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    seen->bits = mem_zalloc(seen->n / 8 + 1, 1);
    return seen->bits != NULL ? LATHE_OK : LATHE_E_NOMEM;
}

void seen_close(struct seen *seen)
{
    mem_free(seen->bits);
    seen->bits = NULL;
}

int check_must_stop(const struct check *ck)
{
    return ck->status != LATHE_OK || ck->report == NULL || ck->report->n >= ck->max;
}

static json_t *mutable_json(const json_t *value)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {value};

    return pun.out;
}

int violate(struct check *ck, const struct node *node, const char *keyword,
            const struct subject *subject, const char *fmt, ...)
{
    struct schema_violation violation;
    va_list args;

    if (ck->report == NULL || ck->status != LATHE_OK)
        return 0;
    memset(&violation, 0, sizeof violation);
    violation.keyword = keyword;
    va_start(args, fmt);
    vsnprintf(violation.message, sizeof violation.message, fmt, args);
    va_end(args);
    /* A cut may have split a character; drop the pieces. */
    for (size_t len = strlen(violation.message);
         len == sizeof violation.message - 1 && (violation.message[len - 1] & 0x80) != 0; len--)
        violation.message[len - 1] = '\0';
    if ((violation.path = place_path(subject->place)) == NULL) {
        ck->status = LATHE_E_NOMEM;
        return 0;
    }
    violation.limit = json_incref(json_object_get(node->json, keyword));
    violation.value = json_incref(mutable_json(subject->value));
    ck->status = report_add(ck->report, ck->max, &violation);
    return 0;
}

static unsigned type_bits(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return TYPE_OBJECT;
    case JSON_ARRAY:
        return TYPE_ARRAY;
    case JSON_STRING:
        return TYPE_STRING;
    case JSON_INTEGER:
        return TYPE_INTEGER | TYPE_NUMBER;
    case JSON_REAL:
        return json_is_whole(value) ? TYPE_INTEGER | TYPE_NUMBER : TYPE_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return TYPE_BOOLEAN;
    default:
        return TYPE_NULL;
    }
}

/* "an integer or null" */
static void name_types(unsigned types, char *out, size_t cap)
{
    static const char *const names[] = {"null",     "a boolean", "an integer", "a number",
                                        "a string", "an array",  "an object"};
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < 7; i++) {
        if ((types >> i & 1) != 0 && len < cap)
            len += (size_t)snprintf(out + len, cap - len, "%s%s", len != 0 ? " or " : "", names[i]);
    }
}

static int check_values(struct check *ck, const struct node *node, const struct subject *subject)
{
    int ok = 1;

    if (node->types != 0 && (node->types & type_bits(subject->value)) == 0) {
        char names[120];
        name_types(node->types, names, sizeof names);
        ok = violate(ck, node, "type", subject, "must be %s", names);
    }
    if (ok && node->const_value != NULL && !json_same(node->const_value, subject->value))
        ok = violate(ck, node, "const", subject, "must be the fixed value");
    if (ok && node->enum_values != NULL) {
        size_t i = 0, n = json_array_size(node->enum_values);
        while (i < n && !json_same(json_array_get(node->enum_values, i), subject->value))
            i++;
        if (i == n)
            ok = violate(ck, node, "enum", subject, "must be one of the listed values");
    }
    return ok;
}

/* Decimal steps such as 0.01 are not exact in binary: a quotient within rounding of a whole number
 * is one, and beyond 2^53 every quotient is. Where it overflows the remainder decides. */
static int is_multiple(const json_t *value, const json_t *step)
{
    double v = json_number_value(value), s = json_number_value(step), quotient;

    if (json_is_integer(value) && json_is_integer(step))
        return json_integer_value(value) % json_integer_value(step) == 0;
    quotient = v / s;
    if (!isfinite(quotient))
        return fmod(v, s) == 0;
    return fabs(quotient - round(quotient)) <= 4 * DBL_EPSILON * fabs(quotient);
}

static int check_number(struct check *ck, const struct node *node, const struct subject *subject)
{
    static const struct {
        const char *keyword, *words;
    } limits[N_NUMBER_LIMITS] = {{"minimum", "at least"},
                                 {"exclusiveMinimum", "above"},
                                 {"maximum", "at most"},
                                 {"exclusiveMaximum", "below"},
                                 {"multipleOf", "a multiple of"}};
    int ok = 1;

    for (int i = 0; i < N_NUMBER_LIMITS; i++) {
        const json_t *limit = node->numbers[i];
        int order, good;

        if (limit == NULL)
            continue;
        order = json_compare_numbers(subject->value, limit);
        good = i == NUM_MINIMUM             ? order >= 0
               : i == NUM_EXCLUSIVE_MINIMUM ? order > 0
               : i == NUM_MAXIMUM           ? order <= 0
               : i == NUM_EXCLUSIVE_MAXIMUM ? order < 0
                                            : is_multiple(subject->value, limit);
        if (!good) {
            struct strbuf text;
            strbuf_init(&text);
            if (json_write_text(limit, 0, &text) != LATHE_OK)
                ck->status = LATHE_E_NOMEM;
            ok = violate(ck, node, limits[i].keyword, subject, "must be %s %s", limits[i].words,
                         text.data);
            strbuf_fini(&text);
        }
    }
    return ok;
}

static int check_string(struct check *ck, const struct node *node, const struct subject *subject)
{
    const char *text = json_string_value(subject->value);
    size_t len = json_string_length(subject->value);
    int64_t low = node->sizes[SIZE_MIN_LENGTH], high = node->sizes[SIZE_MAX_LENGTH];
    int ok = 1;

    if (low >= 0 || high >= 0) {
        int64_t n = (int64_t)utf8_count(text, len);
        if (n < low)
            ok = violate(ck, node, "minLength", subject, "must have at least %lld characters",
                         (long long)low);
        if (high >= 0 && n > high)
            ok = violate(ck, node, "maxLength", subject, "must have at most %lld characters",
                         (long long)high);
    }
    if (node->pattern != NULL && (ok || ck->report != NULL)) {
        int match = pattern_match(node->pattern, text, len);
        if (match < 0)
            ok = violate(ck, node, "pattern", subject,
                         "cannot be compared with the pattern within its limits");
        else if (match == 0)
            ok = violate(ck, node, "pattern", subject, "must match the pattern");
    }
    if (node->format != FORMAT_NONE && ck->set->options.strict_formats &&
        (strlen(text) != len || !format_check(node->format, text)))
        ok = violate(ck, node, "format", subject, "must have the format %s",
                     json_member_string(node->json, "format", ""));
    return ok;
}

static int check_by_type(struct check *ck, const struct node *node, const struct subject *subject,
                         struct seen *seen)
{
    switch (json_typeof(subject->value)) {
    case JSON_INTEGER:
    case JSON_REAL:
        return check_number(ck, node, subject);
    case JSON_STRING:
        return check_string(ck, node, subject);
    case JSON_ARRAY:
        return check_array(ck, node, subject, seen);
    case JSON_OBJECT:
        return check_object(ck, node, subject, seen);
    default:
        return 1;
    }
}

static int check_keywords(struct check *ck, const struct node *node, const struct subject *subject,
                          struct seen *seen)
{
    static int (*const parts[])(struct check *, const struct node *, const struct subject *,
                                struct seen *) = {check_by_type, check_combined, check_unevaluated};
    /* A value of the wrong type is reported as that alone. */
    int ok = check_values(ck, node, subject);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!ok && (i == 0 || check_must_stop(ck)))
            return 0;
        if (!parts[i](ck, node, subject, seen))
            ok = 0;
    }
    return ok && ck->status == LATHE_OK;
}

int check_node(struct check *ck, const struct node *node, const struct subject *subject,
               struct seen *seen)
{
    struct seen own = {NULL, 0};
    int ok;

    if (ck->status != LATHE_OK)
        return 0;
    if (ck->depth == 0 || ck->steps_left == 0) {
        ck->status = LATHE_E_LIMIT;
        return 0;
    }
    if (node->fixed >= 0)
        return node->fixed || violate(ck, node, "false", subject, "is not allowed");
    ck->depth--;
    ck->steps_left--;
    if (seen == NULL && (node->children[CHILD_UNEVALUATED_PROPERTIES] != NULL ||
                         node->children[CHILD_UNEVALUATED_ITEMS] != NULL)) {
        if ((ck->status = seen_open(&own, subject->value)) != LATHE_OK)
            return 0;
        seen = &own;
    }
    ok = check_keywords(ck, node, subject, seen);
    seen_close(&own);
    ck->depth++;
    return ok;
}

int32_t schema_validate(const struct schema *schema, const json_t *value,
                        struct schema_report *report)
{
    const struct place root = {NULL, NULL, 0};
    struct subject subject = {value, &root};
    struct check ck = {schema->set,      report,           schema->set->options.max_violations,
                       SCHEMA_DEPTH_MAX, SCHEMA_STEPS_MAX, LATHE_OK};
    int ok = check_node(&ck, schema->root, &subject, NULL);

    if (ck.status != LATHE_OK)
        return ck.status;
    if (ok)
        return LATHE_OK;
    if (report != NULL)
        report_sort(report, value);
    return LATHE_E_INVALID;
}
