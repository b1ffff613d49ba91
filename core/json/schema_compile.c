/* Turning one JSON value into a node: every keyword is checked and prepared here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/schema_node.h"

#define PATTERN_MAX 4096

struct compiler {
    struct schema_set *set;
    struct node *node;
    struct lathe_error *err;
};

static int32_t bad(const struct compiler *c, const char *keyword, const char *wanted)
{
    return fail_field(c->err, LATHE_E_INVALID, keyword, "%s: %s must be %s", c->node->where,
                      keyword, wanted);
}

static int32_t no_memory(const struct compiler *c)
{
    return fail(c->err, LATHE_E_NOMEM, "compile schema: no memory");
}

/* The schema in value; name (may be NULL) is the member or index below keyword. */
static int32_t sub_schema(const struct compiler *c, const char *keyword, const char *name,
                          json_t *value, struct node **out)
{
    char where[512];

    snprintf(where, sizeof where, "%s/%s%s%s", c->node->where, keyword, name != NULL ? "/" : "",
             name != NULL ? name : "");
    return set_node(c->set, value, c->node->base, where, out, c->err);
}

static int32_t sub_list(const struct compiler *c, const char *keyword, const json_t *value,
                        struct node_list *out)
{
    size_t n = json_array_size(value);
    int32_t st = LATHE_OK;

    if (!json_is_array(value) || n == 0)
        return bad(c, keyword, "a list of schemas, not empty");
    if ((out->items = mem_zalloc(n, sizeof(struct node *))) == NULL)
        return no_memory(c);
    for (size_t i = 0; i < n && st == LATHE_OK; i++, out->n++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        st = sub_schema(c, keyword, index, json_array_get(value, i), &out->items[i]);
    }
    return st;
}

static int32_t compile_pattern(const struct compiler *c, const char *keyword, const char *text,
                               pcre2_code **out)
{
    /* As ECMAScript: $ only at the very end, \u escapes, \d and \w are ASCII. */
    uint32_t flags = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF |
                     PCRE2_NEVER_BACKSLASH_C;
    PCRE2_UCHAR reason[128];
    PCRE2_SIZE at;
    int code;

    if (strlen(text) > PATTERN_MAX)
        return bad(c, keyword, "at most 4096 bytes");
    *out = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, flags, &code, &at, NULL);
    if (*out != NULL)
        return LATHE_OK;
    pcre2_get_error_message(code, reason, sizeof reason);
    return fail_field(c->err, LATHE_E_INVALID, keyword, "%s: %s \"%.60s\": %s at %zu",
                      c->node->where, keyword, text, (const char *)reason, (size_t)at);
}

static int32_t sub_map(const struct compiler *c, const char *keyword, json_t *value,
                       struct named_list *out, int patterns)
{
    size_t n = json_object_size(value);
    int32_t st = LATHE_OK;
    const char *name;
    json_t *member;

    if (!json_is_object(value))
        return bad(c, keyword, "an object of schemas");
    if (n == 0)
        return LATHE_OK;
    if ((out->items = mem_zalloc(n, sizeof(struct named_node))) == NULL)
        return no_memory(c);
    json_object_foreach(value, name, member)
    {
        struct named_node *item = &out->items[out->n++];
        item->name = name;
        if (patterns)
            st = compile_pattern(c, keyword, name, &item->pattern);
        if (st == LATHE_OK)
            st = sub_schema(c, keyword, name, member, &item->node);
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static unsigned type_bit(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {{"null", TYPE_NULL},     {"boolean", TYPE_BOOLEAN}, {"integer", TYPE_INTEGER},
                 {"number", TYPE_NUMBER}, {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
                 {"object", TYPE_OBJECT}};

    for (size_t i = 0; name != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) == 0)
            return types[i].bit;
    }
    return 0;
}

static int32_t compile_type(const struct compiler *c)
{
    const json_t *value = json_object_get(c->node->json, "type");
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    if (value == NULL)
        return LATHE_OK;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        unsigned bit = type_bit(json_string_value(one));
        if (bit == 0)
            return bad(c, "type", "a type name or a list of them");
        c->node->types |= bit;
    }
    return n != 0 ? LATHE_OK : bad(c, "type", "a type name or a list of them");
}

static int32_t compile_numbers(const struct compiler *c)
{
    static const char *const names[N_NUMBER_LIMITS] = {"minimum", "exclusiveMinimum", "maximum",
                                                       "exclusiveMaximum", "multipleOf"};

    for (int i = 0; i < N_NUMBER_LIMITS; i++) {
        const json_t *value = json_object_get(c->node->json, names[i]);
        if (value == NULL)
            continue;
        if (!json_is_number(value))
            return bad(c, names[i], "a number");
        if (i == NUM_MULTIPLE_OF && !(json_number_value(value) > 0))
            return bad(c, names[i], "a number above 0");
        c->node->numbers[i] = value;
    }
    return LATHE_OK;
}

static int32_t compile_sizes(const struct compiler *c)
{
    static const char *const names[N_SIZE_LIMITS] = {"minLength",     "maxLength",    "minItems",
                                                     "maxItems",      "minContains",  "maxContains",
                                                     "minProperties", "maxProperties"};

    for (int i = 0; i < N_SIZE_LIMITS; i++) {
        const json_t *value = json_object_get(c->node->json, names[i]);
        c->node->sizes[i] = -1;
        if (value == NULL)
            continue;
        if (!json_to_int(value, &c->node->sizes[i]) || c->node->sizes[i] < 0)
            return bad(c, names[i], "a whole number, not negative");
    }
    return LATHE_OK;
}

static int is_name_list(const json_t *value)
{
    if (!json_is_array(value))
        return 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i)))
            return 0;
    }
    return 1;
}

static int32_t compile_names(const struct compiler *c)
{
    const json_t *required = json_object_get(c->node->json, "required");
    json_t *dependent = json_object_get(c->node->json, "dependentRequired");
    const char *name;
    json_t *list;

    if (required != NULL && !is_name_list(required))
        return bad(c, "required", "a list of names");
    c->node->required = required;
    if (dependent != NULL && !json_is_object(dependent))
        return bad(c, "dependentRequired", "an object of name lists");
    json_object_foreach(dependent, name, list)
    {
        if (!is_name_list(list))
            return bad(c, "dependentRequired", "an object of name lists");
    }
    c->node->dependent_required = dependent;
    return LATHE_OK;
}

static int32_t compile_values(const struct compiler *c)
{
    const json_t *json = c->node->json;
    const json_t *unique = json_object_get(json, "uniqueItems");
    const json_t *pattern = json_object_get(json, "pattern");
    const json_t *format = json_object_get(json, "format");

    c->node->enum_values = json_object_get(json, "enum");
    c->node->const_value = json_object_get(json, "const");
    c->node->default_value = json_object_get(json, "default");
    if (c->node->enum_values != NULL && !json_is_array(c->node->enum_values))
        return bad(c, "enum", "a list");
    if (unique != NULL && !json_is_boolean(unique))
        return bad(c, "uniqueItems", "true or false");
    c->node->is_unique = json_is_true(unique);
    if (format != NULL && !json_is_string(format))
        return bad(c, "format", "a string");
    if (format != NULL)
        c->node->format = format_parse(json_string_value(format));
    if (pattern == NULL)
        return LATHE_OK;
    if (!json_is_string(pattern))
        return bad(c, "pattern", "a string");
    return compile_pattern(c, "pattern", json_string_value(pattern), &c->node->pattern);
}

static int32_t compile_children(const struct compiler *c)
{
    static const char *const names[N_CHILDREN] = {
        "additionalProperties", "propertyNames", "items", "contains", "unevaluatedProperties",
        "unevaluatedItems",     "not",           "if",    "then",     "else"};

    for (int i = 0; i < N_CHILDREN; i++) {
        json_t *value = json_object_get(c->node->json, names[i]);
        int32_t st;
        if (value == NULL)
            continue;
        st = sub_schema(c, names[i], NULL, value, &c->node->children[i]);
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t compile_lists(const struct compiler *c)
{
    const struct {
        const char *name;
        struct node_list *list;
    } lists[] = {{"prefixItems", &c->node->prefix},
                 {"allOf", &c->node->all_of},
                 {"anyOf", &c->node->any_of},
                 {"oneOf", &c->node->one_of}};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *value = json_object_get(c->node->json, lists[i].name);
        int32_t st = value != NULL ? sub_list(c, lists[i].name, value, lists[i].list) : LATHE_OK;
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

/* $defs only have to be known, for their $id and $anchor. */
static int32_t compile_maps(const struct compiler *c)
{
    struct named_list defs = {NULL, 0};
    const struct {
        const char *name;
        struct named_list *list;
        int patterns;
    } maps[] = {{"$defs", &defs, 0},
                {"properties", &c->node->properties, 0},
                {"patternProperties", &c->node->patterns, 1},
                {"dependentSchemas", &c->node->dependent_schemas, 0}};
    int32_t st = LATHE_OK;

    for (size_t i = 0; i < sizeof maps / sizeof *maps && st == LATHE_OK; i++) {
        json_t *value = json_object_get(c->node->json, maps[i].name);
        if (value != NULL)
            st = sub_map(c, maps[i].name, value, maps[i].list, maps[i].patterns);
    }
    mem_free(defs.items);
    return st;
}

static int32_t compile_references(const struct compiler *c)
{
    const json_t *json = c->node->json;
    static const char *const texts[] = {"$ref", "$id", "$anchor", "$dynamicAnchor"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const json_t *value = json_object_get(json, texts[i]);
        if (value != NULL && !json_is_string(value))
            return bad(c, texts[i], "a string");
    }
    if (json_object_get(json, "$dynamicRef") != NULL)
        return fail_field(c->err, LATHE_E_UNSUPPORTED, "$dynamicRef",
                          "%s: $dynamicRef is not supported, use $ref", c->node->where);
    return LATHE_OK;
}

static void free_list(struct node_list *list)
{
    mem_free(list->items);
    memset(list, 0, sizeof *list);
}

static void free_map(struct named_list *map)
{
    for (size_t i = 0; i < map->n; i++)
        pcre2_code_free(map->items[i].pattern);
    mem_free(map->items);
    memset(map, 0, sizeof *map);
}

static void free_parts(struct node *node)
{
    free_list(&node->prefix);
    free_list(&node->all_of);
    free_list(&node->any_of);
    free_list(&node->one_of);
    free_map(&node->properties);
    free_map(&node->patterns);
    free_map(&node->dependent_schemas);
    pcre2_code_free(node->pattern);
    node->pattern = NULL;
}

int32_t node_compile(struct schema_set *set, struct node *node, struct lathe_error *err)
{
    static int32_t (*const steps[])(const struct compiler *) = {
        compile_references, compile_type, compile_numbers,  compile_sizes, compile_names,
        compile_values,     compile_maps, compile_children, compile_lists};
    struct compiler c = {set, node, err};

    free_parts(node); /* left over from an attempt that failed */
    if (json_is_boolean(node->json)) {
        node->fixed = json_is_true(node->json);
        return LATHE_OK;
    }
    node->fixed = -1;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int32_t st = steps[i](&c);
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    free_parts(node);
    mem_free(node->where);
    mem_free(node->id_uri);
    mem_free(node);
}
