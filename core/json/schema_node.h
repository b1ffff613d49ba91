/* Private to schema_*.c: compiled schemas as a graph of nodes. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JSON_SCHEMA_NODE_H
#define CORE_JSON_SCHEMA_NODE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/base/hash.h"
#include "core/base/strbuf.h"
#include "core/json/json.h"
#include "core/json/schema.h"

/* Bits of node.types. A whole number has INTEGER and NUMBER. */
#define TYPE_NULL 1u
#define TYPE_BOOLEAN 2u
#define TYPE_INTEGER 4u
#define TYPE_NUMBER 8u
#define TYPE_STRING 16u
#define TYPE_ARRAY 32u
#define TYPE_OBJECT 64u

enum number_limit {
    NUM_MINIMUM,
    NUM_EXCLUSIVE_MINIMUM,
    NUM_MAXIMUM,
    NUM_EXCLUSIVE_MAXIMUM,
    NUM_MULTIPLE_OF,
    N_NUMBER_LIMITS
};

enum size_limit {
    SIZE_MIN_LENGTH,
    SIZE_MAX_LENGTH,
    SIZE_MIN_ITEMS,
    SIZE_MAX_ITEMS,
    SIZE_MIN_CONTAINS,
    SIZE_MAX_CONTAINS,
    SIZE_MIN_PROPERTIES,
    SIZE_MAX_PROPERTIES,
    N_SIZE_LIMITS
};

enum node_child {
    CHILD_ADDITIONAL,
    CHILD_NAMES,
    CHILD_ITEMS,
    CHILD_CONTAINS,
    CHILD_UNEVALUATED_PROPERTIES,
    CHILD_UNEVALUATED_ITEMS,
    CHILD_NOT,
    CHILD_IF,
    CHILD_THEN,
    CHILD_ELSE,
    N_CHILDREN
};

enum string_format {
    FORMAT_NONE,
    FORMAT_DATE_TIME,
    FORMAT_UUID,
    FORMAT_URI,
    FORMAT_EMAIL,
    FORMAT_IPV4,
    FORMAT_IPV6
};

struct node_list {
    struct node **items;
    size_t n;
};

/* Member of properties, patternProperties or dependentSchemas. */
struct named_node {
    const char *name;    /* in the document */
    pcre2_code *pattern; /* patternProperties only */
    struct node *node;
};

struct named_list {
    struct named_node *items;
    size_t n;
};

/* One schema. Pointers into the document are borrowed from the set. */
struct node {
    const json_t *json;
    char *where;      /* place in the document, for messages */
    char *id_uri;     /* own $id resolved, or NULL */
    const char *base; /* URI that references here are relative to */
    int fixed;        /* 0 or 1: a boolean schema; -1: keywords */
    int is_unique;
    unsigned types; /* 0: any */
    const json_t *enum_values, *const_value, *default_value, *required, *dependent_required;
    const json_t *numbers[N_NUMBER_LIMITS];
    int64_t sizes[N_SIZE_LIMITS]; /* -1: absent */
    pcre2_code *pattern;
    enum string_format format;
    struct named_list properties, patterns, dependent_schemas;
    struct node_list prefix, all_of, any_of, one_of;
    struct node *children[N_CHILDREN];
    struct node *ref;
};

struct schema_set {
    unsigned n_refs; /* atomic: schemas are freed on any thread */
    json_t *document;
    struct schema_options options;
    char *root_base;
    struct hmap *by_place;  /* address of the JSON value -> struct node */
    struct hmap *by_uri;    /* resource URI -> json_t */
    struct hmap *by_anchor; /* "uri#anchor" -> struct node */
    struct node **nodes;
    size_t n_nodes, cap_nodes;
    size_t n_compiled, n_linked; /* nodes before these are done */
    int indexed_all;
};

struct schema {
    struct schema_set *set;
    const struct node *root;
};

/* --- schema_set.c --- */
/* The node of a JSON value, made when it is new. */
int32_t set_node(struct schema_set *set, json_t *json, const char *base, const char *where,
                 struct node **out, struct lathe_error *err) LATHE_MUST_USE;
struct node *set_find_node(const struct schema_set *set, const json_t *json);

/* --- schema_compile.c --- */
int32_t node_compile(struct schema_set *set, struct node *node,
                     struct lathe_error *err) LATHE_MUST_USE;
void node_free(struct node *node);

/* --- schema_link.c --- */
/* Registers $id and $anchor of a node. */
int32_t node_register(struct schema_set *set, struct node *node,
                      struct lathe_error *err) LATHE_MUST_USE;
/* Finds the target of node's $ref. LATHE_E_NOT_FOUND when there is none (yet). */
int32_t node_link(struct schema_set *set, struct node *node,
                  struct lathe_error *err) LATHE_MUST_USE;
/* RFC 3986 5.2: reference against base, both as text. */
void uri_resolve(const char *base, const char *reference, struct strbuf *out);

/* --- schema_format.c --- */
enum string_format format_parse(const char *name);
int format_check(enum string_format format, const char *text);
/* 1 match, 0 no match, -1 the limits of matching were reached. */
int pattern_match(const pcre2_code *pattern, const char *text, size_t len_bytes);
size_t utf8_count(const char *text, size_t len_bytes);

/* --- schema_report.c --- */
/* Where a value stands: a chain on the stack, innermost first. */
struct place {
    const struct place *up; /* NULL: this is the root and has no token */
    const char *name;       /* NULL: index */
    size_t index;
};
int32_t report_add(struct schema_report *report, size_t max,
                   const struct schema_violation *violation);
json_t *place_path(const struct place *place);
void report_sort(struct schema_report *report, const json_t *root);
/* Moves what from holds to the end of to. */
int32_t report_move(struct schema_report *to, size_t max, struct schema_report *from);

/* --- schema_unique.c --- */
/* Indexes of two equal elements into pair: 1; 0 none; -1 no memory; -2 steps used up. */
int find_equal_elements(const json_t *array, size_t pair[2], unsigned *steps_left);

#endif
