/* SPDX-License-Identifier: Apache-2.0 */
/* Paths to operations: a trie over segments, literal before parameter, with bounded backtracking.
 */
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/http/server.h"

struct node {
    char *text; /* segment; NULL for a parameter */
    size_t len;
    char *param_name;
    struct node **children; /* literals sorted by nothing: there are few */
    size_t n_children;
    struct node *param;
    struct http_op *ops[HTTP_M_COUNT];
    const struct http_mount *owner; /* surface whose path ends here */
    const struct http_mount *below; /* the one surface with paths here or below; NULL: several */
    int has_below;
};

struct router {
    struct node *root;
    struct node **all; /* every node, for freeing */
    size_t n_all, cap_all;
};

struct router *router_new(void)
{
    return mem_new(struct router);
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    for (size_t i = 0; i < router->n_all; i++) {
        mem_free(router->all[i]->text);
        mem_free(router->all[i]->param_name);
        mem_free(router->all[i]->children);
        mem_free(router->all[i]);
    }
    mem_free(router->all);
    mem_free(router);
}

static struct node *new_node(struct router *router, const char *text, size_t len)
{
    struct node *node;

    if (router->n_all == router->cap_all) {
        size_t cap = router->cap_all ? router->cap_all * 2 : 64;
        struct node **grown = mem_realloc(router->all, cap, sizeof(struct node *));

        if (grown == NULL)
            return NULL;
        router->all = grown;
        router->cap_all = cap;
    }
    if ((node = mem_new(struct node)) == NULL)
        return NULL;
    if (text != NULL && (node->text = mem_strndup(text, len)) == NULL) {
        mem_free(node);
        return NULL;
    }
    node->len = len;
    router->all[router->n_all++] = node;
    return node;
}

static struct node *find_literal(const struct node *node, const char *text, size_t len)
{
    for (size_t i = 0; i < node->n_children; i++)
        if (node->children[i]->len == len && memcmp(node->children[i]->text, text, len) == 0)
            return node->children[i];
    return NULL;
}

static struct node *literal_child(struct router *router, struct node *node, const char *text,
                                  size_t len)
{
    struct node *child = find_literal(node, text, len);
    struct node **grown;

    if (child != NULL)
        return child;
    grown = mem_realloc(node->children, node->n_children + 1, sizeof(struct node *));
    if (grown == NULL)
        return NULL;
    node->children = grown;
    if ((child = new_node(router, text, len)) != NULL)
        node->children[node->n_children++] = child;
    return child;
}

static struct node *param_child(struct router *router, struct node *node, const char *name,
                                size_t len)
{
    if (node->param != NULL)
        return node->param;
    if ((node->param = new_node(router, NULL, 0)) == NULL)
        return NULL;
    node->param->param_name = mem_strndup(name, len);
    return node->param->param_name ? node->param : NULL;
}

static void mark(struct node *node, const struct http_mount *mount)
{
    if (!node->has_below)
        node->below = mount;
    else if (node->below != mount)
        node->below = NULL;
    node->has_below = 1;
}

/* The parameter's own name, from the template of the operation that was found. */
static int32_t place(struct node *node, struct http_op *op, struct lathe_error *err)
{
    if (node->owner != NULL && node->owner != op->mount)
        return fail(
            err, LATHE_E_CONFLICT,
            "path %s is claimed by surface \"%s\" and by surface \"%s\"; give one of them a "
            "prefix or another listener",
            op->path, node->owner->name, op->mount->name);
    if (node->ops[op->method] != NULL)
        return fail(err, LATHE_E_CONFLICT,
                    "surface \"%s\": operations \"%s\" and \"%s\" have the same path",
                    op->mount->name, node->ops[op->method]->id, op->id);
    node->owner = op->mount;
    node->ops[op->method] = op;
    return LATHE_OK;
}

int32_t router_add(struct router *router, struct http_op *op, struct lathe_error *err)
{
    const char *at = op->path;
    struct node *node;
    size_t depth = 0;

    if (router->root == NULL && (router->root = new_node(router, "", 0)) == NULL)
        return fail(err, LATHE_E_NOMEM, "build the router: out of memory");
    node = router->root;
    mark(node, op->mount);
    while (*at == '/') {
        size_t len = strcspn(++at, "/");

        if (++depth > HTTP_SEGMENTS_MAX)
            return fail(err, LATHE_E_INVALID, "path %s has too many segments", op->path);
        if (len > 2 && at[0] == '{' && at[len - 1] == '}')
            node = param_child(router, node, at + 1, len - 2);
        else if (memchr(at, '{', len) != NULL)
            return fail(err, LATHE_E_INVALID, "path %s: a parameter must be a whole segment",
                        op->path);
        else
            node = literal_child(router, node, at, len);
        if (node == NULL)
            return fail(err, LATHE_E_NOMEM, "build the router: out of memory");
        mark(node, op->mount);
        at += len;
    }
    return place(node, op, err);
}

/* --- matching
 * -------------------------------------------------------------------------------------------- */

struct segment {
    const char *text;
    size_t len;
};

static size_t split(const char *path, size_t len, struct segment *segments)
{
    size_t n = 0, at = 0;

    while (at < len) {
        size_t start = ++at; /* path[at - 1] is a slash */

        while (at < len && path[at] != '/')
            at++;
        if (n == HTTP_SEGMENTS_MAX)
            return HTTP_SEGMENTS_MAX + 1;
        segments[n].text = path + start;
        segments[n++].len = at - start;
    }
    return n;
}

/* Parameter names come from the operation's own template, values from the path. */
static void fill_params(struct router_match *match, const struct segment *segments, size_t n)
{
    const char *at = match->op->path;

    match->n_params = 0;
    for (size_t i = 0; i < n && *at == '/'; i++) {
        size_t len = strcspn(++at, "/");

        if (len > 2 && at[0] == '{' && match->n_params < HTTP_PATH_PARAMS_MAX) {
            match->params[match->n_params].name = match->op->params[match->n_params].name;
            match->params[match->n_params].text = segments[i].text;
            match->params[match->n_params++].len = (uint32_t)segments[i].len;
        }
        at += len;
    }
}

static void take(struct router_match *match, const struct node *node, enum http_method method,
                 const struct segment *segments, size_t n)
{
    match->path_known = 1;
    match->surface = node->owner;
    for (int i = 0; i < HTTP_M_COUNT; i++)
        if (node->ops[i] != NULL)
            match->methods |= 1u << i;
    if ((match->op = node->ops[method]) != NULL)
        fill_params(match, segments, n);
}

void router_find(const struct router *router, const char *path, size_t len_bytes,
                 enum http_method method, struct router_match *match)
{
    struct segment segments[HTTP_SEGMENTS_MAX];
    const struct node *stack[HTTP_SEGMENTS_MAX + 1]; /* node reached before segment i */
    uint8_t tried[HTTP_SEGMENTS_MAX + 1] = {0};      /* 1: literal tried, 2: parameter too */
    size_t n = split(path, len_bytes, segments), i = 0, deepest = 0;

    memset(match, 0, offsetof(struct router_match, params));
    if (router->root == NULL || n > HTTP_SEGMENTS_MAX)
        return;
    stack[0] = router->root;
    for (;;) {
        const struct node *node = stack[i], *child = NULL;

        if (i == n) {
            if (node->owner != NULL) {
                take(match, node, method, segments, n);
                return;
            }
            tried[i] = 2;
        }
        if (i > deepest) {
            deepest = i;
            match->surface = node->below;
        }
        if (tried[i] == 0)
            child = find_literal(node, segments[i].text, segments[i].len);
        if (child == NULL && tried[i] <= 1 && segments[i].len > 0) {
            child = node->param;
            tried[i] = 2;
        } else if (child != NULL) {
            tried[i] = 1;
        }
        if (child != NULL) {
            stack[++i] = child;
            tried[i] = 0;
        } else if (i-- == 0) {
            return;
        }
    }
}
