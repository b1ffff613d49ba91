/* SPDX-License-Identifier: Apache-2.0 */
/* The service table: checks what can be checked at once, copies the arguments with the name space
 * in front of every name, and queues a request. */

#include <string.h>

#include "core/base/mem.h"
#include "core/store/store_internal.h"

struct store_space *service_space(const struct lathe_store_service *service)
{
    return service->ctx;
}

int32_t service_give_up(struct store_req *req, int32_t st)
{
    req_end(req, 0);
    return st;
}

/* A name as plugins write it: no slash, short enough to get the name space in front. */
static int name_is_good(const char *name)
{
    size_t len = name != NULL ? strnlen(name, LATHE_STORAGE_NAME_MAX) : 0;

    return len > 0 && len <= LATHE_STORAGE_NAME_MAX - STORE_SPACE_MAX - 1 &&
           strchr(name, '/') == NULL;
}

static const char *copy_name(const struct store_space *space, struct store_req *req,
                             const char *name, int32_t *st)
{
    const char *out = NULL;

    if (!name_is_good(name))
        *st = LATHE_E_INVALID;
    else if ((out = arena_strdup(&req->args, space->prefix, name)) == NULL)
        *st = LATHE_E_NOMEM;
    return out;
}

const char *service_copy_id(struct store_req *req, const char *prefix, const char *id, int32_t *st)
{
    size_t len = id != NULL ? strnlen(id, LATHE_STORAGE_ID_MAX + 1) : 0;
    const char *out = NULL;

    if (id == NULL || (len == 0 && prefix[0] == 0) || len + strlen(prefix) > LATHE_STORAGE_ID_MAX)
        *st = LATHE_E_INVALID;
    else if ((out = arena_strdup(&req->args, prefix, id)) == NULL)
        *st = LATHE_E_NOMEM;
    return out;
}

static int32_t copy_op(const struct store_space *space, struct store_req *req,
                       const struct lathe_storage_op *op, struct lathe_storage_op *out)
{
    size_t len;
    char *json;
    int32_t st = LATHE_OK;

    out->struct_size = sizeof *out;
    out->op = op->op;
    out->expected = op->expected;
    out->count = op->count;
    if (op->op == LATHE_OP_NEXT) {
        out->id = copy_name(space, req, op->id, &st);
        return st;
    }
    out->collection = copy_name(space, req, op->collection, &st);
    if (st == LATHE_OK)
        out->id = service_copy_id(req, "", op->id, &st);
    if (st != LATHE_OK || op->op != LATHE_OP_PUT)
        return st;
    if (op->json == NULL)
        return LATHE_E_INVALID;
    len = op->json_len != 0 ? (size_t)op->json_len : strlen(op->json);
    if (len > LATHE_STORAGE_DOC_MAX)
        return LATHE_E_LIMIT;
    if (len == 0)
        return LATHE_E_INVALID;
    if ((json = arena_alloc(&req->args, 1, len + 1)) == NULL)
        return LATHE_E_NOMEM;
    memcpy(json, op->json, len);
    out->json = json;
    out->json_len = len;
    return LATHE_OK;
}

static int32_t submit_batch(const struct lathe_store_service *service,
                            const struct lathe_storage_op *const *ops, uint32_t n_ops,
                            const struct lathe_store_call *call)
{
    struct store_space *space = service_space(service);
    struct store_req *req = req_new(STORE_APPLY, call);
    const struct lathe_storage_op **list;
    struct lathe_storage_op *copies;
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    if (n_ops == 0 || n_ops > LATHE_STORAGE_BATCH_MAX)
        return service_give_up(req, n_ops == 0 ? LATHE_E_INVALID : LATHE_E_LIMIT);
    list = arena_alloc(&req->args, n_ops, sizeof *list);
    copies = arena_alloc(&req->args, n_ops, sizeof *copies);
    if (list == NULL || copies == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    for (uint32_t i = 0; i < n_ops && st == LATHE_OK; i++) {
        list[i] = &copies[i];
        st = copy_op(space, req, ops[i], &copies[i]);
    }
    if (st != LATHE_OK)
        return service_give_up(req, st);
    req->batch.struct_size = sizeof req->batch;
    req->batch.n_ops = n_ops;
    req->batch.ops = list;
    return store_submit(space->store, req);
}

static int32_t service_apply(const struct lathe_store_service *service,
                             const struct lathe_storage_batch *batch,
                             const struct lathe_store_call *call)
{
    return submit_batch(service, batch->ops, batch->n_ops, call);
}

static int32_t submit_op(const struct lathe_store_service *service,
                         const struct lathe_storage_op *op, const struct lathe_store_call *call)
{
    return submit_batch(service, &op, 1, call);
}

static int32_t service_put(const struct lathe_store_service *service, const char *collection,
                           const char *id, uint64_t expected, const char *json,
                           const struct lathe_store_call *call)
{
    const struct lathe_storage_op op = {sizeof op, LATHE_OP_PUT, collection, id,
                                        expected,  json,         0,          0};

    return submit_op(service, &op, call);
}

static int32_t service_remove(const struct lathe_store_service *service, const char *collection,
                              const char *id, uint64_t expected,
                              const struct lathe_store_call *call)
{
    const struct lathe_storage_op op = {
        sizeof op, LATHE_OP_DELETE, collection, id, expected, NULL, 0, 0};

    return submit_op(service, &op, call);
}

static int32_t service_next_id(const struct lathe_store_service *service, const char *counter,
                               uint64_t count, const struct lathe_store_call *call)
{
    const struct lathe_storage_op op = {sizeof op, LATHE_OP_NEXT, NULL, counter, 0, NULL, 0, count};

    return submit_op(service, &op, call);
}

static int32_t service_get(const struct lathe_store_service *service, const char *collection,
                           const char *id, const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_GET, call);
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    req->name = copy_name(service_space(service), req, collection, &st);
    if (st == LATHE_OK)
        req->id = service_copy_id(req, "", id, &st);
    return st == LATHE_OK ? store_submit(service_space(service)->store, req)
                          : service_give_up(req, st);
}

static int32_t copy_indexes(struct store_req *req, const struct lathe_storage_index *const *from,
                            const struct lathe_storage_index *const **out)
{
    const struct lathe_storage_index **list;
    uint32_t n = 0;

    while (from != NULL && from[n] != NULL)
        if (++n > LATHE_STORAGE_INDEX_MAX)
            return LATHE_E_LIMIT;
    if ((list = arena_alloc(&req->args, n + 1u, sizeof *list)) == NULL)
        return LATHE_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        struct lathe_storage_index *ix = arena_alloc(&req->args, 1, sizeof *ix);

        if (from[i]->field == NULL)
            return LATHE_E_INVALID;
        if (ix == NULL || (ix->field = arena_strdup(&req->args, "", from[i]->field)) == NULL)
            return LATHE_E_NOMEM;
        ix->struct_size = sizeof *ix;
        ix->type = from[i]->type;
        list[i] = ix;
    }
    *out = list;
    return LATHE_OK;
}

static int32_t service_declare(const struct lathe_store_service *service,
                               const struct lathe_storage_collection *collection,
                               const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_DECLARE, call);
    struct lathe_storage_collection *copy;
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    if ((copy = arena_alloc(&req->args, 1, sizeof *copy)) == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    copy->struct_size = sizeof *copy;
    copy->name = copy_name(service_space(service), req, collection->name, &st);
    if (st == LATHE_OK)
        st = copy_indexes(req, collection->indexes, &copy->indexes);
    req->collection = copy;
    return st == LATHE_OK ? store_submit(service_space(service)->store, req)
                          : service_give_up(req, st);
}

static const struct lathe_storage_value *
copy_value(struct store_req *req, const struct lathe_storage_value *v, int32_t *st)
{
    struct lathe_storage_value *out;

    if (v == NULL || *st != LATHE_OK)
        return NULL;
    if ((out = arena_alloc(&req->args, 1, sizeof *out)) == NULL) {
        *st = LATHE_E_NOMEM;
        return NULL;
    }
    out->struct_size = sizeof *out;
    out->type = v->type;
    out->num = v->num;
    if (v->str != NULL && (out->str = arena_strdup(&req->args, "", v->str)) == NULL)
        *st = LATHE_E_NOMEM;
    return out;
}

static int32_t copy_filters(struct store_req *req, const struct lathe_storage_filter *const *from,
                            const struct lathe_storage_filter *const **out)
{
    const struct lathe_storage_filter **list;
    uint32_t n = 0;
    int32_t st = LATHE_OK;

    while (from != NULL && from[n] != NULL)
        if (++n > 4)
            return LATHE_E_LIMIT;
    if ((list = arena_alloc(&req->args, n + 1u, sizeof *list)) == NULL)
        return LATHE_E_NOMEM;
    for (uint32_t i = 0; i < n && st == LATHE_OK; i++) {
        struct lathe_storage_filter *f = arena_alloc(&req->args, 1, sizeof *f);

        if (from[i]->field == NULL || from[i]->value == NULL)
            return LATHE_E_INVALID;
        if (f == NULL || (f->field = arena_strdup(&req->args, "", from[i]->field)) == NULL)
            return LATHE_E_NOMEM;
        f->struct_size = sizeof *f;
        f->value = copy_value(req, from[i]->value, &st);
        list[i] = f;
    }
    *out = list;
    return st;
}

static int32_t copy_text(struct store_req *req, const char *text, const char **out)
{
    if (text == NULL)
        return LATHE_OK;
    *out = arena_strdup(&req->args, "", text);
    return *out != NULL ? LATHE_OK : LATHE_E_NOMEM;
}

static int32_t service_scan(const struct lathe_store_service *service,
                            const struct lathe_storage_query *query,
                            const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_SCAN, call);
    struct lathe_storage_query *q;
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    q = &req->query;
    q->struct_size = sizeof *q;
    q->flags = query->flags;
    q->limit = query->limit;
    q->offset = query->offset;
    q->collection = copy_name(service_space(service), req, query->collection, &st);
    q->min = copy_value(req, query->min, &st);
    q->max = copy_value(req, query->max, &st);
    if (st == LATHE_OK)
        st = copy_text(req, query->index, &q->index);
    if (st == LATHE_OK)
        st = copy_text(req, query->cursor, &q->cursor);
    if (st == LATHE_OK)
        st = copy_filters(req, query->filters, &q->filters);
    return st == LATHE_OK ? store_submit(service_space(service)->store, req)
                          : service_give_up(req, st);
}

static int32_t copy_chunk(const struct store_space *space, struct store_req *req,
                          const struct lathe_series_chunk *from,
                          const struct lathe_series_chunk **out)
{
    struct lathe_series_chunk *chunk = arena_alloc(&req->args, 1, sizeof *chunk);
    struct lathe_series_point *points = arena_alloc(&req->args, from->n_points, sizeof *points);
    int32_t st = LATHE_OK;

    if (chunk == NULL || points == NULL)
        return LATHE_E_NOMEM;
    chunk->struct_size = sizeof *chunk;
    chunk->n_points = from->n_points;
    chunk->series = service_copy_id(req, space->prefix, from->series, &st);
    if (from->n_points > 0)
        memcpy(points, from->points, from->n_points * sizeof *points);
    chunk->points = points;
    *out = chunk;
    return st;
}

static int32_t service_series_append(const struct lathe_store_service *service,
                                     const struct lathe_series_chunk *const *chunks,
                                     uint32_t n_chunks, const struct lathe_store_call *call)
{
    struct store_space *space = service_space(service);
    struct store_req *req = req_new(STORE_SERIES_APPEND, call);
    const struct lathe_series_chunk **list;
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    if ((list = arena_alloc(&req->args, n_chunks + (size_t)1, sizeof *list)) == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    for (uint32_t i = 0; i < n_chunks && st == LATHE_OK; i++)
        st = copy_chunk(space, req, chunks[i], &list[i]);
    req->chunks = list;
    req->n_chunks = n_chunks;
    return st == LATHE_OK ? store_submit(space->store, req) : service_give_up(req, st);
}

static int32_t service_series_read(const struct lathe_store_service *service,
                                   const struct lathe_series_query *query,
                                   const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_SERIES_READ, call);
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    req->series_query.struct_size = sizeof req->series_query;
    req->series_query.max_points = query->max_points;
    req->series_query.first = query->first;
    req->series_query.last = query->last;
    req->series_query.series =
        service_copy_id(req, service_space(service)->prefix, query->series, &st);
    return st == LATHE_OK ? store_submit(service_space(service)->store, req)
                          : service_give_up(req, st);
}

static int32_t submit_prefix(const struct lathe_store_service *service, enum store_kind kind,
                             const char *prefix, int64_t after, const struct lathe_store_call *call)
{
    struct store_req *req = req_new(kind, call);
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    req->name = service_copy_id(req, service_space(service)->prefix, prefix, &st);
    req->space_len = strlen(service_space(service)->prefix);
    req->after = after;
    return st == LATHE_OK ? store_submit(service_space(service)->store, req)
                          : service_give_up(req, st);
}

static int32_t service_series_drop_after(const struct lathe_store_service *service,
                                         const char *prefix, int64_t after,
                                         const struct lathe_store_call *call)
{
    return submit_prefix(service, STORE_SERIES_DROP, prefix, after, call);
}

static int32_t service_series_list(const struct lathe_store_service *service, const char *prefix,
                                   const struct lathe_store_call *call)
{
    return submit_prefix(service, STORE_SERIES_LIST, prefix, 0, call);
}

int32_t store_refers(struct store *store, const char *sha256, const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_REFERS, call);

    if (req == NULL)
        return LATHE_E_NOMEM;
    if ((req->name = arena_strdup(&req->args, "", sha256)) == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    return store_submit(store, req);
}

void service_init(struct store_space *space)
{
    space->service = (struct lathe_store_service){
        .struct_size = sizeof(struct lathe_store_service),
        .ctx = space,
        .declare = service_declare,
        .get = service_get,
        .put = service_put,
        .remove = service_remove,
        .apply = service_apply,
        .scan = service_scan,
        .next_id = service_next_id,
        .series_append = service_series_append,
        .series_read = service_series_read,
        .series_drop_after = service_series_drop_after,
        .series_list = service_series_list,
    };
    service_ts_init(space);
}
