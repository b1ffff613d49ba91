/* Filling in what `default` says, along properties, elements, $ref and allOf. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/mem.h"
#include "core/json/schema_node.h"

#define DEFAULT_STEPS_MAX 200000

/* A value and a node to apply to it; kept on a heap stack because documents may nest. */
struct work {
    const struct node *node;
    json_t *value;
    unsigned depth;
};

struct stack {
    struct work *items;
    size_t n, cap;
    unsigned steps_left;
};

static int32_t push(struct stack *stack, const struct node *node, json_t *value, unsigned depth)
{
    if (node == NULL || node->fixed >= 0 || (!json_is_object(value) && !json_is_array(value)))
        return LATHE_OK;
    if (depth == 0 || stack->steps_left-- == 0)
        return LATHE_E_LIMIT;
    if (stack->n == stack->cap) {
        size_t cap = stack->cap == 0 ? 32 : 2 * stack->cap;
        struct work *items = mem_realloc(stack->items, cap, sizeof *items);
        if (items == NULL)
            return LATHE_E_NOMEM;
        stack->items = items;
        stack->cap = cap;
    }
    stack->items[stack->n++] = (struct work){node, value, depth};
    return LATHE_OK;
}

/* The default of a property: its own, or that of the schema it refers to. */
static const json_t *default_of(const struct node *node)
{
    for (int hops = 0; node != NULL && hops < 16; hops++, node = node->ref) {
        if (node->default_value != NULL)
            return node->default_value;
    }
    return NULL;
}

static int32_t fill_members(struct stack *stack, const struct work *work)
{
    for (size_t i = 0; i < work->node->properties.n; i++) {
        const struct named_node *item = &work->node->properties.items[i];
        json_t *member = json_object_get(work->value, item->name);
        int32_t st;

        if (member == NULL) {
            const json_t *def = default_of(item->node);
            if (def == NULL)
                continue;
            member = json_deep_copy(def);
            if (json_object_set_new(work->value, item->name, member) != 0)
                return LATHE_E_NOMEM;
        }
        if ((st = push(stack, item->node, member, work->depth - 1)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t visit(struct stack *stack, const struct work *work)
{
    const struct node *node = work->node;
    int32_t st = push(stack, node->ref, work->value, work->depth - 1);

    for (size_t i = 0; i < node->all_of.n && st == LATHE_OK; i++)
        st = push(stack, node->all_of.items[i], work->value, work->depth - 1);
    if (st == LATHE_OK && json_is_object(work->value))
        st = fill_members(stack, work);
    for (size_t i = 0; i < json_array_size(work->value) && st == LATHE_OK; i++)
        st = push(stack, i < node->prefix.n ? node->prefix.items[i] : node->children[CHILD_ITEMS],
                  json_array_get(work->value, i), work->depth - 1);
    return st;
}

int32_t schema_apply_defaults(const struct schema *schema, json_t *value)
{
    struct stack stack = {NULL, 0, 0, DEFAULT_STEPS_MAX};
    int32_t st = push(&stack, schema->root, value, SCHEMA_DEPTH_MAX);

    while (st == LATHE_OK && stack.n > 0) {
        struct work work = stack.items[--stack.n];
        st = visit(&stack, &work);
    }
    mem_free(stack.items);
    return st;
}
