/* SPDX-License-Identifier: Apache-2.0 */
/* What the storage thread does with one request: calls the storage, collects the result. */

#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/store/store_internal.h"

int req_is_write(const struct store_req *req)
{
    return req->kind == STORE_APPLY || req->kind == STORE_SERIES_APPEND ||
           req->kind == STORE_SERIES_DROP || req->kind == STORE_TS_INGEST;
}

static int32_t no_memory(struct store_req *req)
{
    return fail(&req->error, LATHE_E_NOMEM, "no memory for a result of the store");
}

int exec_room(void **array, uint32_t n, uint32_t *cap, size_t size)
{
    uint32_t grown = *cap != 0 ? *cap * 2 : 8;
    void *bigger;

    if (n < *cap)
        return 1;
    if ((bigger = mem_realloc(*array, grown, size)) == NULL)
        return 0;
    *array = bigger;
    *cap = grown;
    return 1;
}

static int32_t take_doc(void *user, const struct lathe_storage_doc *doc)
{
    struct store_req *req = user;
    struct lathe_storage_doc *copy = arena_alloc(&req->results, 1, sizeof *copy);
    char *json = arena_alloc(&req->results, 1, (size_t)doc->json_len + 1);
    char *id = arena_strdup(&req->results, "", doc->id);

    if (copy == NULL || json == NULL || id == NULL ||
        !exec_room((void **)&req->docs, req->result.n_docs, &req->cap_docs,
                   sizeof(const struct lathe_storage_doc *)))
        return no_memory(req);
    memcpy(json, doc->json, (size_t)doc->json_len);
    copy->struct_size = sizeof *copy;
    copy->id = id;
    copy->json = json;
    copy->json_len = doc->json_len;
    copy->revision = doc->revision;
    req->docs[req->result.n_docs++] = copy;
    req->result.docs = req->docs;
    return LATHE_OK;
}

static int32_t take_points(void *user, const struct lathe_series_point *points, uint32_t n_points)
{
    struct store_req *req = user;

    for (uint32_t i = 0; i < n_points; i++) {
        if (!exec_room((void **)&req->points, req->result.n_points, &req->cap_points,
                       sizeof *req->points))
            return no_memory(req);
        req->points[req->result.n_points++] = points[i];
    }
    req->result.points = req->points;
    return LATHE_OK;
}

static int32_t take_series(void *user, const char *series, uint64_t n_points)
{
    struct store_req *req = user;
    char *name = arena_strdup(&req->results, "", series + req->space_len);

    (void)n_points;
    if (name == NULL || !exec_room((void **)&req->series, req->result.n_series, &req->cap_series,
                                   sizeof(const char *)))
        return no_memory(req);
    req->series[req->result.n_series++] = name;
    req->result.series = req->series;
    return LATHE_OK;
}

static int32_t exec_get(struct store *store, struct store_req *req)
{
    struct lathe_storage_doc doc = {.struct_size = sizeof doc};
    int32_t st = store->options.storage->get(store->self, req->name, req->id, &doc, &req->error);

    return st == LATHE_OK ? take_doc(req, &doc) : st;
}

static int32_t exec_scan(struct store *store, struct store_req *req)
{
    struct lathe_storage_scan_result out = {.struct_size = sizeof out};
    int32_t st =
        store->options.storage->scan(store->self, &req->query, take_doc, req, &out, &req->error);

    if (st != LATHE_OK)
        return st;
    memcpy(req->cursor, out.cursor, sizeof req->cursor);
    req->result.cursor = req->cursor;
    req->result.total = out.total;
    return LATHE_OK;
}

static int32_t exec_apply(struct store *store, struct store_req *req)
{
    uint64_t *values = arena_alloc(&req->results, req->batch.n_ops + 1u, sizeof *values);
    int32_t st;

    if (values == NULL)
        return no_memory(req);
    st = store->options.storage->apply(store->self, &req->batch, values, &req->result.failed_op,
                                       &req->error);
    if (st == LATHE_OK) {
        req->result.values = values;
        req->result.n_values = req->batch.n_ops;
    }
    return st;
}

static int refs_have(const struct store *store, const char *collection, const char *field)
{
    for (size_t i = 0; i < store->n_refs; i++)
        if (strcmp(store->refs[i].collection, collection) == 0 &&
            strcmp(store->refs[i].field, field) == 0)
            return 1;
    return 0;
}

static int32_t refs_add(struct store *store, struct store_req *req, const char *field)
{
    struct store_ref *refs, ref;

    if (refs_have(store, req->collection->name, field))
        return LATHE_OK;
    ref.collection = mem_strdup(req->collection->name);
    ref.field = mem_strdup(field);
    refs = mem_realloc(store->refs, store->n_refs + 1, sizeof *refs);
    if (refs != NULL)
        store->refs = refs;
    if (refs == NULL || ref.collection == NULL || ref.field == NULL) {
        mem_free(ref.collection);
        mem_free(ref.field);
        return no_memory(req);
    }
    refs[store->n_refs++] = ref;
    return LATHE_OK;
}

static int32_t exec_declare(struct store *store, struct store_req *req)
{
    const struct lathe_storage_index *const *ix = req->collection->indexes;
    int32_t st = store->options.storage->declare(store->self, req->collection, &req->error);

    for (uint32_t i = 0; st == LATHE_OK && ix != NULL && ix[i] != NULL; i++)
        if (ix[i]->type & LATHE_INDEX_ARTIFACT)
            st = refs_add(store, req, ix[i]->field);
    return st;
}

static int32_t ignore_doc(void *user, const struct lathe_storage_doc *doc)
{
    (void)user;
    (void)doc;
    return LATHE_OK;
}

static int32_t exec_refers(struct store *store, struct store_req *req)
{
    struct lathe_storage_value value = {sizeof value, LATHE_INDEX_STRING, req->name, 0};
    struct lathe_storage_scan_result out = {.struct_size = sizeof out};
    uint64_t *found = arena_alloc(&req->results, 1, sizeof *found);
    int32_t st = LATHE_OK;

    if (found == NULL)
        return no_memory(req);
    for (size_t i = 0; i < store->n_refs && st == LATHE_OK && *found == 0; i++) {
        struct lathe_storage_query q = {.struct_size = sizeof q,
                                        .collection = store->refs[i].collection,
                                        .index = store->refs[i].field,
                                        .min = &value,
                                        .max = &value,
                                        .limit = 1};

        st = store->options.storage->scan(store->self, &q, ignore_doc, NULL, &out, &req->error);
        *found = st == LATHE_OK && out.n_docs > 0;
        if (st == LATHE_E_NOT_FOUND) /* the index was given up by a later declaration */
            st = LATHE_OK;
    }
    req->result.values = found;
    req->result.n_values = 1;
    return st;
}

static int32_t exec_series(struct store *store, struct store_req *req)
{
    const struct lathe_storage_timeseries *t = store->series;

    if (t == NULL)
        return fail(&req->error, LATHE_E_UNSUPPORTED, "this storage keeps no series");
    switch (req->kind) {
    case STORE_SERIES_APPEND:
        return t->append(store->self, req->chunks, req->n_chunks, &req->error);
    case STORE_SERIES_READ:
        return t->read(store->self, &req->series_query, take_points, req, &req->error);
    case STORE_SERIES_DROP:
        return t->drop_after(store->self, req->name, req->after, &req->error);
    default:
        return t->list(store->self, req->name, take_series, req, &req->error);
    }
}

static void result_clear(struct store_req *req)
{
    arena_fini(&req->results);
    memset(&req->result, 0, sizeof req->result);
    memset(&req->error, 0, sizeof req->error);
}

void exec_request(struct store *store, struct store_req *req)
{
    result_clear(req);
    switch (req->kind) {
    case STORE_DECLARE:
        req->status = exec_declare(store, req);
        break;
    case STORE_GET:
        req->status = exec_get(store, req);
        break;
    case STORE_APPLY:
        req->status = exec_apply(store, req);
        break;
    case STORE_SCAN:
        req->status = exec_scan(store, req);
        break;
    case STORE_REFERS:
        req->status = exec_refers(store, req);
        break;
    case STORE_SERIES_APPEND:
    case STORE_SERIES_READ:
    case STORE_SERIES_DROP:
    case STORE_SERIES_LIST:
        req->status = exec_series(store, req);
        break;
    default:
        req->status = exec_telemetry(store, req);
        break;
    }
    if (req->status == LATHE_OK)
        memset(&req->error, 0, sizeof req->error);
}

void exec_fini(struct store *store)
{
    for (size_t i = 0; i < store->n_refs; i++) {
        mem_free(store->refs[i].collection);
        mem_free(store->refs[i].field);
    }
    mem_free(store->refs);
    store->refs = NULL;
    store->n_refs = 0;
}
