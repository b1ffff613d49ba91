/* SPDX-License-Identifier: Apache-2.0 */
/* One OpenAPI document for all surfaces of a listener. Component names get the surface's name in
 * front when there is more than one, on the text, where every reference is easy to see. */
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/http/server.h"
#include "core/json/json.h"
#include "lathe/version.h"

/* The server's own paths. */
static const char own_doc[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Lathe\",\"version\":\"" LATHE_VERSION_STRING
    "\"},"
    "\"servers\":[{\"url\":\"/\"}],\"paths\":{"
    "\"/\":{\"get\":{\"operationId\":\"serverIndex\",\"tags\":[\"Server\"],\"summary\":\"What is "
    "served "
    "here\",\"responses\":{\"200\":{\"description\":\"Index; HTML for browsers\"}}}},"
    "\"/-/"
    "health\":{\"get\":{\"operationId\":\"serverHealth\",\"tags\":[\"Server\"],\"summary\":\"Is "
    "the "
    "process alive\",\"responses\":{\"200\":{\"description\":\"It is\"}}}},"
    "\"/-/"
    "ready\":{\"get\":{\"operationId\":\"serverReady\",\"tags\":[\"Server\"],\"summary\":\"Can "
    "work be "
    "taken\",\"responses\":{\"200\":{\"description\":\"Yes\"},\"503\":{\"description\":\"No; "
    "says why\"}}}},"
    "\"/-/"
    "plugins\":{\"get\":{\"operationId\":\"serverPlugins\",\"tags\":[\"Server\"],\"summary\":"
    "\"Plugin "
    "files and their state\",\"responses\":{\"200\":{\"description\":\"List\"}}}},"
    "\"/"
    "metrics\":{\"get\":{\"operationId\":\"serverMetrics\",\"tags\":[\"Server\"],\"summary\":"
    "\"Counters in "
    "Prometheus text\",\"responses\":{\"200\":{\"description\":\"Text\"}}}}},"
    "\"components\":{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}}}";

/* text with "#/components/<kind>/X" turned into "#/components/<kind>/<name>.X". */
static void rename_refs(const char *text, const char *name, struct strbuf *out)
{
    static const char mark[] = "\"#/components/";
    const char *hit;

    while ((hit = strstr(text, mark)) != NULL) {
        const char *kind = hit + sizeof mark - 1;
        const char *slash = strpbrk(kind, "/\"");

        if (slash == NULL || *slash != '/')
            slash = kind - 1;
        strbuf_add(out, text, (size_t)(slash + 1 - text));
        if (slash >= kind)
            strbuf_addf(out, "%s.", name);
        text = slash + 1;
    }
    strbuf_adds(out, text);
}

static json_t *load(const struct http_mount *mount, int rename)
{
    struct strbuf text;
    json_t *doc = NULL;

    strbuf_init(&text);
    if (rename)
        rename_refs(mount->openapi, mount->name, &text);
    else
        strbuf_add(&text, mount->openapi, mount->openapi_len);
    if (text.failed || json_parse_text(text.data, text.len_bytes, NULL, &doc, NULL) != LATHE_OK)
        doc = NULL;
    strbuf_fini(&text);
    return doc;
}

static void merge_components(json_t *into, const json_t *from, const char *name, int rename)
{
    const char *kind, *key;
    json_t *group, *value;
    char full[256];

    json_object_foreach((json_t *)(uintptr_t)from, kind, group)
    {
        json_t *target = json_object_get(into, kind);

        if (target == NULL) {
            target = json_object();
            (void)json_object_set_new(into, kind, target);
        }
        json_object_foreach(group, key, value)
        {
            if (rename && strcmp(kind, "securitySchemes") != 0)
                snprintf(full, sizeof full, "%.60s.%.150s", name, key);
            else
                snprintf(full, sizeof full, "%.200s", key);
            if (json_object_get(target, full) == NULL)
                (void)json_object_set(target, full, value);
        }
    }
}

/* What held for the whole document has to stand on each operation now; ids must stay unique. */
static void settle_operation(json_t *op, const json_t *doc, const char *name, json_t *ids)
{
    const char *id = json_member_string(op, "operationId", NULL);
    json_t *security = json_object_get(doc, "security");
    char full[160];

    if (security != NULL && json_object_get(op, "security") == NULL)
        (void)json_object_set(op, "security", security);
    if (id == NULL)
        return;
    if (json_object_get(ids, id) == NULL) {
        (void)json_object_set_new(ids, id, json_true());
        return;
    }
    snprintf(full, sizeof full, "%.60s.%.64s", name, id);
    (void)json_object_set_new(op, "operationId", json_string(full));
}

static void merge_paths(json_t *into, const json_t *doc, const char *prefix, const char *name,
                        json_t *ids)
{
    static const char *const methods[] = {"get",   "head",   "post",    "put",
                                          "patch", "delete", "options", NULL};
    const char *path;
    json_t *item;
    char full[512];

    json_object_foreach(json_object_get(doc, "paths"), path, item)
    {
        for (size_t i = 0; methods[i] != NULL; i++)
            if (json_object_get(item, methods[i]) != NULL)
                settle_operation(json_object_get(item, methods[i]), doc, name, ids);
        snprintf(full, sizeof full, "%.100s%.400s", prefix, path);
        (void)json_object_set(into, full, item);
    }
}

static void merge_tags(json_t *into, const json_t *doc)
{
    json_t *tags = json_object_get(doc, "tags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        json_t *tag = json_array_get(tags, i);
        size_t k = 0;

        while (k < json_array_size(into) &&
               strcmp(json_member_string(json_array_get(into, k), "name", ""),
                      json_member_string(tag, "name", "?")) != 0)
            k++;
        if (k == json_array_size(into))
            (void)json_array_append(into, tag);
    }
}

static void merge_one(json_t *all, const json_t *doc, const char *prefix, const char *name,
                      int rename, json_t *ids)
{
    merge_paths(json_object_get(all, "paths"), doc, prefix, name, ids);
    merge_tags(json_object_get(all, "tags"), doc);
    merge_components(json_object_get(all, "components"), json_object_get(doc, "components"), name,
                     rename);
}

static json_t *merge(const struct http_listener *listener)
{
    json_t *all = json_object(), *ids = json_object(), *doc = NULL;
    int rename = listener->n_mounts > 1;

    if (json_parse_text(own_doc, sizeof own_doc - 1, NULL, &doc, NULL) != LATHE_OK)
        doc = NULL;
    (void)json_object_set(all, "openapi", json_object_get(doc, "openapi"));
    (void)json_object_set(all, "info", json_object_get(doc, "info"));
    (void)json_object_set(all, "servers", json_object_get(doc, "servers"));
    (void)json_object_set_new(all, "tags", json_array());
    (void)json_object_set_new(all, "paths", json_object());
    (void)json_object_set_new(all, "components", json_object());
    for (size_t i = 0; i < listener->n_mounts; i++) {
        const struct http_mount *mount = listener->mounts[i];
        json_t *one = load(mount, rename);

        if (listener->n_mounts == 1 && json_object_get(one, "info") != NULL)
            (void)json_object_set(all, "info", json_object_get(one, "info"));
        merge_one(all, one, mount->prefix, mount->name, rename, ids);
        json_decref(one);
    }
    merge_one(all, doc, "", "server", 0, ids);
    json_decref(doc);
    json_decref(ids);
    return all;
}

int32_t openapi_get(struct http_listener *listener, const char **text, size_t *len)
{
    json_t *all;

    if (listener->openapi == NULL) {
        if ((all = merge(listener)) == NULL)
            return LATHE_E_NOMEM;
        listener->openapi = json_dup_text(all, 0, &listener->openapi_len);
        json_decref(all);
    }
    *text = listener->openapi;
    *len = listener->openapi_len;
    return listener->openapi ? LATHE_OK : LATHE_E_NOMEM;
}

int32_t http_server_openapi(struct http_server *server, size_t index, struct strbuf *out)
{
    const char *text;
    size_t len;
    int32_t st;

    if (index >= server->n_listeners)
        return LATHE_E_NOT_FOUND;
    if ((st = openapi_get(server->listeners[index], &text, &len)) == LATHE_OK)
        strbuf_add(out, text, len);
    return st;
}
