/* Identifiers and references of schemas: $id, $anchor, $ref, and URI resolution (RFC 3986). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/schema_node.h"

/* Parts of a URI reference; pieces of the text, authority and query without their marks. */
struct uri {
    const char *scheme, *authority, *path, *query, *fragment; /* NULL: absent; path is never NULL */
    size_t scheme_len, authority_len, path_len, query_len, fragment_len;
};

static void uri_split(const char *text, struct uri *uri)
{
    size_t n = strcspn(text, ":/?#");

    memset(uri, 0, sizeof *uri);
    if (n > 0 && text[n] == ':') {
        uri->scheme = text;
        uri->scheme_len = n;
        text += n + 1;
    }
    if (text[0] == '/' && text[1] == '/') {
        uri->authority = text + 2;
        uri->authority_len = strcspn(uri->authority, "/?#");
        text = uri->authority + uri->authority_len;
    }
    uri->path = text;
    uri->path_len = strcspn(text, "?#");
    text += uri->path_len;
    if (*text == '?') {
        uri->query = text + 1;
        uri->query_len = strcspn(uri->query, "#");
        text = uri->query + uri->query_len;
    }
    if (*text == '#') {
        uri->fragment = text + 1;
        uri->fragment_len = strlen(uri->fragment);
    }
}

/* Appends path with "." and ".." segments resolved; nothing before start is touched. */
static void add_clean_path(struct strbuf *out, const char *path, size_t len)
{
    size_t start = out->len_bytes;
    size_t i = 0;

    if (len > 0 && path[0] == '/') {
        strbuf_addc(out, '/');
        i = 1;
    }
    while (i <= len && !out->failed) {
        const char *slash = memchr(path + i, '/', len - i);
        size_t seg = slash != NULL ? (size_t)(slash - path) - i : len - i;
        int is_last = slash == NULL;

        if (seg == 1 && path[i] == '.') {
            /* nothing */
        } else if (seg == 2 && path[i] == '.' && path[i + 1] == '.') {
            size_t end = out->len_bytes;
            if (end > start + 1)
                end--; /* the slash after the previous segment */
            while (end > start && out->data[end - 1] != '/')
                end--;
            out->len_bytes = end;
            if (out->cap_bytes != 0)
                out->data[end] = '\0';
        } else {
            strbuf_add(out, path + i, seg);
            if (!is_last)
                strbuf_addc(out, '/');
        }
        if (is_last)
            break;
        i += seg + 1;
    }
}

static void add_merged_path(struct strbuf *out, const struct uri *base, const struct uri *ref)
{
    struct strbuf merged;
    size_t dir = base->path_len;

    if (ref->path[0] == '/') {
        add_clean_path(out, ref->path, ref->path_len);
        return;
    }
    strbuf_init(&merged);
    while (dir > 0 && base->path[dir - 1] != '/')
        dir--;
    if (base->authority != NULL && base->path_len == 0)
        strbuf_addc(&merged, '/');
    else
        strbuf_add(&merged, base->path, dir);
    strbuf_add(&merged, ref->path, ref->path_len);
    out->failed |= merged.failed;
    add_clean_path(out, merged.data, merged.len_bytes);
    strbuf_fini(&merged);
}

static void add_part(struct strbuf *out, const char *before, const char *text, size_t len,
                     const char *after)
{
    if (text == NULL)
        return;
    strbuf_adds(out, before);
    strbuf_add(out, text, len);
    strbuf_adds(out, after);
}

void uri_resolve(const char *base_text, const char *reference, struct strbuf *out)
{
    struct uri base, ref;
    const struct uri *from;

    uri_split(base_text, &base);
    uri_split(reference, &ref);
    from = ref.scheme != NULL ? &ref : &base;
    add_part(out, "", from->scheme, from->scheme_len, ":");
    from = ref.scheme != NULL || ref.authority != NULL ? &ref : &base;
    add_part(out, "//", from->authority, from->authority_len, "");
    if (from == &ref) {
        if (ref.authority != NULL || ref.path[0] == '/')
            add_clean_path(out, ref.path, ref.path_len);
        else
            strbuf_add(out, ref.path, ref.path_len); /* urn:... has no segments */
    } else if (ref.path_len == 0) {
        strbuf_add(out, base.path, base.path_len);
        if (ref.query == NULL)
            add_part(out, "?", base.query, base.query_len, "");
    } else {
        add_merged_path(out, &base, &ref);
    }
    add_part(out, "?", ref.query, ref.query_len, "");
    add_part(out, "#", ref.fragment, ref.fragment_len, "");
}

static int32_t register_id(struct schema_set *set, struct node *node, const char *id,
                           struct lathe_error *err)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {node->json};
    struct strbuf uri;
    void *old;

    strbuf_init(&uri);
    uri_resolve(node->base, id, &uri);
    if (uri.cap_bytes != 0)
        uri.data[strcspn(uri.data, "#")] = '\0';
    if ((node->id_uri = strbuf_take(&uri)) == NULL)
        return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
    node->base = node->id_uri;
    if (hmap_put(set->by_uri, node->id_uri, pun.out, &old) != LATHE_OK)
        return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
    if (old != NULL && old != pun.out)
        return fail(err, LATHE_E_INVALID, "%s: $id \"%.100s\" is given twice", node->where, id);
    return LATHE_OK;
}

static int32_t register_anchor(struct schema_set *set, struct node *node, const char *anchor,
                               struct lathe_error *err)
{
    struct strbuf key;
    int32_t st = LATHE_E_NOMEM;
    void *old = NULL;

    strbuf_init(&key);
    strbuf_adds(&key, node->base);
    strbuf_addc(&key, '#');
    strbuf_adds(&key, anchor);
    if (!key.failed)
        st = hmap_put(set->by_anchor, key.data, node, &old);
    strbuf_fini(&key);
    if (st != LATHE_OK)
        return fail(err, st, "compile schema: no memory");
    if (old != NULL && old != node)
        return fail(err, LATHE_E_INVALID, "%s: $anchor \"%.60s\" is given twice", node->where,
                    anchor);
    return LATHE_OK;
}

int32_t node_register(struct schema_set *set, struct node *node, struct lathe_error *err)
{
    const char *id = json_member_string(node->json, "$id", NULL);
    const char *anchor = json_member_string(node->json, "$anchor", NULL);
    const char *dynamic = json_member_string(node->json, "$dynamicAnchor", NULL);
    int32_t st = LATHE_OK;

    if (id != NULL)
        st = register_id(set, node, id, err);
    if (st == LATHE_OK && anchor != NULL)
        st = register_anchor(set, node, anchor, err);
    if (st == LATHE_OK && dynamic != NULL)
        st = register_anchor(set, node, dynamic, err);
    return st;
}

static int hex_digit(char c)
{
    unsigned char byte;
    char pair[2] = {'0', c};

    return hex_decode(pair, 2, &byte) ? byte : -1;
}

/* %41 -> A in place. */
static void percent_decode(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++) {
        if (*text == '%' && text[1] != '\0' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            *to++ = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

/* The base URI at the end of a pointer: that of the innermost known schema on the way. */
static const char *base_along(const struct schema_set *set, json_t *root, const char *base,
                              char *pointer)
{
    for (char *at = pointer; *at != '\0';) {
        char *slash = strchr(at + 1, '/');
        const struct node *node;
        json_t *json;

        if (slash != NULL)
            *slash = '\0';
        json = json_at_pointer(root, pointer);
        if (slash != NULL)
            *slash = '/';
        node = json_is_object(json) ? set_find_node(set, json) : NULL;
        if (node != NULL)
            base = node->base;
        at = slash != NULL ? slash : at + strlen(at);
    }
    return base;
}

static int32_t link_pointer(struct schema_set *set, struct node *node, const char *uri,
                            char *pointer, struct lathe_error *err)
{
    json_t *root = hmap_get(set->by_uri, uri);
    const struct node *root_node;
    const char *base;
    json_t *target;

    if (root == NULL)
        return LATHE_E_NOT_FOUND;
    percent_decode(pointer);
    if ((target = json_at_pointer(root, pointer)) == NULL)
        return LATHE_E_NOT_FOUND;
    root_node = set_find_node(set, root);
    base = root_node != NULL ? root_node->base : set->root_base;
    base = base_along(set, root, base, pointer);
    return set_node(set, target, base, json_member_string(node->json, "$ref", "#"), &node->ref,
                    err);
}

int32_t node_link(struct schema_set *set, struct node *node, struct lathe_error *err)
{
    const char *reference = json_member_string(node->json, "$ref", NULL);
    struct strbuf full;
    char *fragment;
    int32_t st;

    if (reference == NULL)
        return LATHE_OK;
    strbuf_init(&full);
    uri_resolve(node->base, reference, &full);
    if (!strbuf_reserve(&full, 1)) {
        strbuf_fini(&full);
        return fail(err, LATHE_E_NOMEM, "compile schema: no memory");
    }
    fragment = strchr(full.data, '#');
    if (fragment != NULL && fragment[1] != '\0' && fragment[1] != '/') {
        percent_decode(fragment + 1);
        node->ref = hmap_get(set->by_anchor, full.data);
        st = node->ref != NULL ? LATHE_OK : LATHE_E_NOT_FOUND;
    } else {
        char none[1] = "";
        if (fragment != NULL)
            *fragment++ = '\0';
        st = link_pointer(set, node, full.data, fragment != NULL ? fragment : none, err);
    }
    strbuf_fini(&full);
    return st;
}
