/* SPDX-License-Identifier: Apache-2.0 */
/* Storage "memory": everything in the process, gone when it ends. For tests and demonstrations.
 * This file holds life cycle, groups and undo; documents, scans and series are beside it. */

#include "plugins/storage/memory/memory.h"

#include <stdlib.h>
#include <string.h>

#include "lathe/plugin.h"

static void undo_fini(struct mem_undo *u)
{
    free(u->name);
    mem_doc_free(u->doc);
    mem_series_fini(&u->series);
    memset(u, 0, sizeof *u);
}

static void undo_counter(struct mem_storage *m, const struct mem_undo *u)
{
    struct mem_counter *c = mem_counter_find(m, u->name);

    if (u->next != 0) {
        c->next = u->next;
        return;
    }
    free(c->name);
    *c = m->counters[--m->n_counters];
}

static void undo_doc(struct mem_undo *u)
{
    mem_doc_free(mem_doc_detach(u->collection, u->name));
    if (u->doc != NULL)
        mem_doc_attach(u->collection, u->doc);
    u->doc = NULL;
}

int32_t mem_undo_reserve(struct mem_storage *m, struct mem_undo **slot, struct lathe_error *err)
{
    size_t cap = m->cap_undo != 0 ? m->cap_undo * 2 : 16;
    struct mem_undo *undo;

    if (m->n_undo == m->cap_undo) {
        if ((undo = realloc(m->undo, cap * sizeof *undo)) == NULL)
            return storage_fail(err, LATHE_E_NOMEM, "no memory to remember a change");
        m->undo = undo;
        m->cap_undo = cap;
    }
    *slot = &m->undo[m->n_undo];
    memset(*slot, 0, sizeof **slot);
    return LATHE_OK;
}

void mem_undo_to(struct mem_storage *m, size_t mark)
{
    while (m->n_undo > mark) {
        struct mem_undo *u = &m->undo[--m->n_undo];

        if (u->kind == UNDO_DOC)
            undo_doc(u);
        else if (u->kind == UNDO_COUNTER)
            undo_counter(m, u);
        else
            mem_series_restore(m, u);
        undo_fini(u);
    }
}

void mem_undo_forget(struct mem_storage *m)
{
    while (m->n_undo > 0)
        undo_fini(&m->undo[--m->n_undo]);
}

static int32_t memory_open(const struct lathe_storage_args *args, struct lathe_error *err,
                           void **self)
{
    struct mem_storage *m = calloc(1, sizeof *m);

    (void)args;
    if (m == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a storage");
    m->next_revision = 1;
    *self = m;
    return LATHE_OK;
}

static void memory_close(void *self)
{
    struct mem_storage *m = self;

    if (m == NULL)
        return;
    mem_undo_forget(m);
    free(m->undo);
    for (size_t i = 0; i < m->n_collections; i++)
        mem_collection_free(m->collections[i]);
    free(m->collections);
    for (size_t i = 0; i < m->n_counters; i++)
        free(m->counters[i].name);
    free(m->counters);
    for (size_t i = 0; i < m->n_series; i++)
        mem_series_fini(&m->series[i]);
    free(m->series);
    mem_ts_fini(m);
    free(m);
}

static int32_t memory_declare(void *self, const struct lathe_storage_collection *collection,
                              struct lathe_error *err)
{
    struct mem_storage *m = self;
    int32_t st = storage_check_collection(collection, err);

    if (st != LATHE_OK)
        return st;
    if (m->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "a collection is declared outside of groups");
    return mem_declare(m, collection, err);
}

static int32_t memory_begin(void *self, struct lathe_error *err)
{
    struct mem_storage *m = self;

    if (m->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "a group is open already");
    m->in_group = 1;
    return LATHE_OK;
}

static int32_t memory_commit(void *self, struct lathe_error *err)
{
    struct mem_storage *m = self;

    if (!m->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "no group is open");
    if (mem_ts_commit(m, err) != LATHE_OK) {
        m->in_group = 0;
        mem_undo_to(m, 0);
        return LATHE_E_NOMEM;
    }
    m->in_group = 0;
    mem_undo_forget(m);
    return LATHE_OK;
}

static void memory_rollback(void *self)
{
    struct mem_storage *m = self;

    m->in_group = 0;
    m->n_staged = 0;
    mem_undo_to(m, 0);
}

static int32_t memory_apply(void *self, const struct lathe_storage_batch *batch, uint64_t *values,
                            uint32_t *failed_op, struct lathe_error *err)
{
    struct mem_storage *m = self;
    size_t mark = m->n_undo;
    uint64_t value;
    int32_t st = LATHE_OK;

    if (batch->n_ops > LATHE_STORAGE_BATCH_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "a batch has at most %d operations",
                            LATHE_STORAGE_BATCH_MAX);
    for (uint32_t i = 0; i < batch->n_ops && st == LATHE_OK; i++) {
        value = 0;
        if ((st = storage_check_op(batch->ops[i], err)) == LATHE_OK)
            st = mem_apply_op(m, batch->ops[i], &value, err);
        if (st == LATHE_OK && values != NULL)
            values[i] = value;
        if (st != LATHE_OK && failed_op != NULL)
            *failed_op = i;
    }
    if (st != LATHE_OK)
        mem_undo_to(m, mark);
    else if (!m->in_group)
        mem_undo_forget(m);
    return st;
}

static int32_t memory_get(void *self, const char *collection, const char *id,
                          struct lathe_storage_doc *doc, struct lathe_error *err)
{
    struct mem_collection *c;
    const struct mem_doc *d;
    int found = 0;
    size_t at;

    if (storage_check_name("collection", collection, err) != LATHE_OK ||
        storage_check_id("document id", id, err) != LATHE_OK)
        return LATHE_E_INVALID;
    if ((c = mem_collection_find(self, collection)) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "collection %s is not declared", collection);
    at = mem_doc_position(c, id, &found);
    if (!found)
        return storage_fail(err, LATHE_E_NOT_FOUND, "%s has no document %s", collection, id);
    d = c->docs[at];
    doc->id = d->id;
    doc->revision = d->revision;
    doc->json = d->json;
    doc->json_len = d->json_len;
    return LATHE_OK;
}

static int32_t memory_scan(void *self, const struct lathe_storage_query *query,
                           lathe_storage_visit visit, void *user,
                           struct lathe_storage_scan_result *result, struct lathe_error *err)
{
    int32_t st = storage_check_query(query, err);

    return st == LATHE_OK ? mem_scan(self, query, visit, user, result, err) : st;
}

static const void *memory_extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_STORAGE_TIMESERIES) == 0 ? &mem_timeseries : NULL;
}

static const struct lathe_storage memory_storage = {
    .struct_size = sizeof(struct lathe_storage),
    .open = memory_open,
    .close = memory_close,
    .declare = memory_declare,
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .apply = memory_apply,
    .get = memory_get,
    .scan = memory_scan,
    .extension = memory_extension,
};

LATHE_PLUGIN_SINGLE("org.lathe.storage.memory", LATHE_VERSION_STRING, "Apache-2.0",
                    "Keeps documents and series in memory until the server ends.",
                    LATHE_KIND_STORAGE, "memory", &memory_storage, NULL);
