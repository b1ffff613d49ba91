/* Sets of schemas: which JSON value is which node, and the loop that compiles and links new nodes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/schema_node.h"

#define N_NODES_MAX 200000

static void place_key(const json_t *json, char out[24])
{
    snprintf(out, 24, "%" PRIxPTR, (uintptr_t)(const void *)json);
}

struct node *set_find_node(const struct schema_set *set, const json_t *json)
{
    char key[24];

    place_key(json, key);
    return hmap_get(set->by_place, key);
}

static int32_t grow_nodes(struct schema_set *set)
{
    size_t cap = set->cap_nodes == 0 ? 64 : 2 * set->cap_nodes;
    struct node **nodes;

    if (set->n_nodes < set->cap_nodes)
        return LATHE_OK;
    if ((nodes = mem_realloc(set->nodes, cap, sizeof *nodes)) == NULL)
        return LATHE_E_NOMEM;
    set->nodes = nodes;
    set->cap_nodes = cap;
    return LATHE_OK;
}

int32_t set_node(struct schema_set *set, json_t *json, const char *base, const char *where,
                 struct node **out, struct lathe_error *err)
{
    struct node *node;
    char key[24];

    /* true and false are shared values in Jansson: one node each is enough. */
    if ((node = set_find_node(set, json)) != NULL) {
        *out = node;
        return LATHE_OK;
    }
    if (!json_is_object(json) && !json_is_boolean(json))
        return fail(err, LATHE_E_INVALID, "%s: a schema must be an object or a boolean", where);
    if (set->n_nodes == N_NODES_MAX)
        return fail(err, LATHE_E_LIMIT, "the document has more than %d schemas", N_NODES_MAX);
    node = mem_new(struct node);
    if (node == NULL || grow_nodes(set) != LATHE_OK || (node->where = mem_strdup(where)) == NULL)
        goto no_memory;
    node->json = json;
    node->base = base;
    place_key(json, key);
    if (hmap_put(set->by_place, key, node, NULL) != LATHE_OK)
        goto no_memory;
    set->nodes[set->n_nodes++] = node;
    *out = node;
    return node_register(set, node, err);
no_memory:
    node_free(node);
    return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
}

/* Makes nodes for everything that may carry an $id or $anchor, for a reference that was not found.
 */
static int32_t index_all(struct schema_set *set, struct lathe_error *err)
{
    json_t *components = json_at_pointer(set->document, "/components/schemas");
    struct node *node;
    const char *name;
    json_t *value;
    int32_t st;

    if (json_object_get(set->document, "openapi") == NULL)
        return set_node(set, set->document, set->root_base, "#", &node, err);
    json_object_foreach(components, name, value)
    {
        char where[256];
        snprintf(where, sizeof where, "#/components/schemas/%.200s", name);
        if ((st = set_node(set, value, set->root_base, where, &node, err)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t link_one(struct schema_set *set, struct lathe_error *err)
{
    struct node *node = set->nodes[set->n_linked];
    int32_t st = node_link(set, node, err);

    if (st == LATHE_OK) {
        set->n_linked++;
        return LATHE_OK;
    }
    if (st != LATHE_E_NOT_FOUND)
        return st;
    if (set->indexed_all)
        return fail(err, LATHE_E_INVALID, "%s: $ref \"%.100s\" has no target", node->where,
                    json_member_string(node->json, "$ref", ""));
    set->indexed_all = 1;
    return index_all(set, err); /* and try again when these are compiled */
}

/* Compiles and links until nothing is new. */
static int32_t settle(struct schema_set *set, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    while (st == LATHE_OK) {
        if (set->n_compiled < set->n_nodes) {
            st = node_compile(set, set->nodes[set->n_compiled], err);
            if (st == LATHE_OK)
                set->n_compiled++;
        } else if (set->n_linked < set->n_nodes) {
            st = link_one(set, err);
        } else {
            break;
        }
    }
    return st;
}

static void release_set(struct schema_set *set)
{
    if (set == NULL || __atomic_sub_fetch(&set->n_refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < set->n_nodes; i++)
        node_free(set->nodes[i]);
    mem_free(set->nodes);
    hmap_free(set->by_place, NULL);
    hmap_free(set->by_uri, NULL);
    hmap_free(set->by_anchor, NULL);
    mem_free(set->root_base);
    json_decref(set->document);
    mem_free(set);
}

static int32_t fill_set(struct schema_set *set)
{
    const char *id = json_member_string(set->document, "$id", "");
    struct strbuf base;

    strbuf_init(&base);
    uri_resolve("", id, &base);
    if (strchr(base.data, '#') != NULL)
        base.data[strcspn(base.data, "#")] = '\0';
    set->root_base = strbuf_take(&base);
    set->by_place = hmap_new();
    set->by_uri = hmap_new();
    set->by_anchor = hmap_new();
    if (set->root_base == NULL || set->by_place == NULL || set->by_uri == NULL ||
        set->by_anchor == NULL)
        return LATHE_E_NOMEM;
    if (hmap_put(set->by_uri, "", set->document, NULL) != LATHE_OK)
        return LATHE_E_NOMEM;
    return hmap_put(set->by_uri, set->root_base, set->document, NULL);
}

int32_t schema_set_open(json_t *document, const struct schema_options *options,
                        struct schema_set **out, struct lathe_error *err)
{
    struct schema_set *set = mem_new(struct schema_set);

    if (set == NULL)
        return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
    set->n_refs = 1;
    set->document = json_incref(document);
    if (options != NULL)
        set->options = *options;
    if (set->options.max_violations == 0 || set->options.max_violations > SCHEMA_VIOLATIONS_MAX)
        set->options.max_violations = SCHEMA_VIOLATIONS_MAX;
    if (set->options.first_only)
        set->options.max_violations = 1;
    if (fill_set(set) != LATHE_OK) {
        release_set(set);
        return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
    }
    *out = set;
    return LATHE_OK;
}

void schema_set_close(struct schema_set *set)
{
    release_set(set);
}

int32_t schema_get(struct schema_set *set, const char *pointer, struct schema **out,
                   struct lathe_error *err)
{
    json_t *json = json_at_pointer(set->document, pointer);
    struct schema *schema;
    struct node *root;
    char where[256];
    int32_t st;

    if (json == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "the document has no schema at \"%.120s\"", pointer);
    snprintf(where, sizeof where, "#%.250s", pointer);
    st = set_node(set, json, set->root_base, where, &root, err);
    if (st == LATHE_OK)
        st = settle(set, err);
    if (st != LATHE_OK)
        return st;
    if ((schema = mem_new(struct schema)) == NULL)
        return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
    __atomic_add_fetch(&set->n_refs, 1, __ATOMIC_RELAXED);
    schema->set = set;
    schema->root = root;
    *out = schema;
    return LATHE_OK;
}

int32_t schema_compile(json_t *document, const char *pointer, const struct schema_options *options,
                       struct schema **out, struct lathe_error *err)
{
    struct schema_set *set;
    int32_t st = schema_set_open(document, options, &set, err);

    if (st != LATHE_OK)
        return st;
    st = schema_get(set, pointer, out, err);
    schema_set_close(set);
    return st;
}

void schema_free(struct schema *schema)
{
    if (schema == NULL)
        return;
    release_set(schema->set);
    mem_free(schema);
}
