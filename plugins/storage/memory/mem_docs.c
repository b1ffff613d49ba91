/* SPDX-License-Identifier: Apache-2.0 */
/* Collections, documents, their index entries, and counters. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/memory/memory.h"

struct mem_collection *mem_collection_find(const struct mem_storage *m, const char *name)
{
    for (size_t i = 0; i < m->n_collections; i++)
        if (strcmp(m->collections[i]->name, name) == 0)
            return m->collections[i];
    return NULL;
}

struct mem_counter *mem_counter_find(const struct mem_storage *m, const char *name)
{
    for (size_t i = 0; i < m->n_counters; i++)
        if (strcmp(m->counters[i].name, name) == 0)
            return &m->counters[i];
    return NULL;
}

void mem_doc_free(struct mem_doc *doc)
{
    if (doc == NULL)
        return;
    json_decref(doc->parsed);
    free(doc->id);
    free(doc->json);
    free(doc);
}

size_t mem_doc_position(const struct mem_collection *c, const char *id, int *found)
{
    size_t lo = 0, hi = c->n;

    *found = 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(c->docs[mid]->id, id);

        if (order == 0) {
            *found = 1;
            return mid;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int entry_compare(uint32_t type, const struct mem_entry *a, const struct mem_entry *b)
{
    int order = storage_key_compare(type, &a->key, &b->key);

    return order != 0 ? order : strcmp(a->doc->id, b->doc->id);
}

static void index_add(struct mem_index *ix, const struct mem_entry *entry)
{
    size_t lo = 0, hi = ix->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (entry_compare(ix->type, &ix->entries[mid], entry) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    memmove(&ix->entries[lo + 1], &ix->entries[lo], (ix->n - lo) * sizeof *ix->entries);
    ix->entries[lo] = *entry;
    ix->n++;
}

static void index_remove(struct mem_index *ix, const struct mem_doc *doc)
{
    size_t kept = 0;

    for (size_t i = 0; i < ix->n; i++)
        if (ix->entries[i].doc != doc)
            ix->entries[kept++] = ix->entries[i];
    ix->n = kept;
}

static int32_t index_room(struct mem_index *ix, size_t extra, struct lathe_error *err)
{
    size_t cap = ix->cap;
    struct mem_entry *entries;

    while (cap < ix->n + extra)
        cap = cap != 0 ? cap * 2 : 16;
    if (cap == ix->cap)
        return LATHE_OK;
    if ((entries = realloc(ix->entries, cap * sizeof *entries)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for an index");
    ix->entries = entries;
    ix->cap = cap;
    return LATHE_OK;
}

int32_t mem_doc_room(struct mem_collection *c, const struct mem_doc *doc, struct lathe_error *err)
{
    struct storage_keys keys;
    int32_t st = LATHE_OK;

    if (c->n == c->cap) {
        size_t cap = c->cap != 0 ? c->cap * 2 : 16;
        struct mem_doc **docs = realloc(c->docs, cap * sizeof *docs);

        if (docs == NULL)
            return storage_fail(err, LATHE_E_NOMEM, "no memory for documents");
        c->docs = docs;
        c->cap = cap;
    }
    for (uint32_t i = 0; i < c->n_indexes && st == LATHE_OK; i++) {
        st = storage_doc_keys(doc->parsed, c->indexes[i].field, c->indexes[i].type, &keys, err);
        if (st == LATHE_OK)
            st = index_room(&c->indexes[i], keys.n, err);
    }
    return st;
}

static void index_add_doc(struct mem_index *ix, const struct mem_doc *doc)
{
    struct storage_keys keys;

    /* Cannot fail: mem_doc_room read the same keys. */
    if (storage_doc_keys(doc->parsed, ix->field, ix->type, &keys, NULL) != LATHE_OK)
        return;
    for (uint32_t k = 0; k < keys.n; k++)
        index_add(ix, &(struct mem_entry){keys.keys[k], doc});
}

void mem_doc_attach(struct mem_collection *c, struct mem_doc *doc)
{
    int found = 0;
    size_t at = mem_doc_position(c, doc->id, &found);

    memmove(&c->docs[at + 1], &c->docs[at], (c->n - at) * sizeof(struct mem_doc *));
    c->docs[at] = doc;
    c->n++;
    for (uint32_t i = 0; i < c->n_indexes; i++)
        index_add_doc(&c->indexes[i], doc);
}

struct mem_doc *mem_doc_detach(struct mem_collection *c, const char *id)
{
    int found = 0;
    size_t at = mem_doc_position(c, id, &found);
    struct mem_doc *doc;

    if (!found)
        return NULL;
    doc = c->docs[at];
    for (uint32_t i = 0; i < c->n_indexes; i++)
        index_remove(&c->indexes[i], doc);
    c->n--;
    memmove(&c->docs[at], &c->docs[at + 1], (c->n - at) * sizeof(struct mem_doc *));
    return doc;
}

static void indexes_fini(struct mem_index *indexes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        free(indexes[i].field);
        free(indexes[i].entries);
    }
}

void mem_collection_free(struct mem_collection *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        mem_doc_free(c->docs[i]);
    free(c->docs);
    indexes_fini(c->indexes, c->n_indexes);
    free(c->name);
    free(c);
}

static int32_t index_build(const struct mem_collection *c, struct mem_index *ix,
                           const struct lathe_storage_index *decl, struct lathe_error *err)
{
    struct storage_keys keys;
    int32_t st = LATHE_OK;

    memset(ix, 0, sizeof *ix);
    ix->type = decl->type & 0xffu;
    if ((ix->field = strdup(decl->field)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for an index");
    for (size_t d = 0; d < c->n && st == LATHE_OK; d++) {
        st = storage_doc_keys(c->docs[d]->parsed, ix->field, ix->type, &keys, err);
        if (st == LATHE_OK && (st = index_room(ix, keys.n, err)) == LATHE_OK)
            index_add_doc(ix, c->docs[d]);
    }
    return st;
}

static int32_t indexes_rebuild(struct mem_collection *c,
                               const struct lathe_storage_collection *decl, struct lathe_error *err)
{
    struct mem_index fresh[LATHE_STORAGE_INDEX_MAX];
    uint32_t n = storage_index_count(decl->indexes), built = 0;
    int32_t st = LATHE_OK;

    while (built < n && st == LATHE_OK) {
        st = index_build(c, &fresh[built], decl->indexes[built], err);
        built++;
    }
    if (st != LATHE_OK) {
        indexes_fini(fresh, built);
        return st;
    }
    indexes_fini(c->indexes, c->n_indexes);
    memcpy(c->indexes, fresh, n * sizeof fresh[0]);
    c->n_indexes = n;
    return LATHE_OK;
}

int32_t mem_declare(struct mem_storage *m, const struct lathe_storage_collection *decl,
                    struct lathe_error *err)
{
    struct mem_collection *c = mem_collection_find(m, decl->name), **all;
    int32_t st;

    if (c != NULL)
        return indexes_rebuild(c, decl, err);
    all = realloc(m->collections, (m->n_collections + 1) * sizeof *all);
    if (all == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a collection");
    m->collections = all;
    if ((c = calloc(1, sizeof *c)) == NULL || (c->name = strdup(decl->name)) == NULL) {
        mem_collection_free(c);
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a collection");
    }
    if ((st = indexes_rebuild(c, decl, err)) != LATHE_OK) {
        mem_collection_free(c);
        return st;
    }
    m->collections[m->n_collections++] = c;
    return LATHE_OK;
}

static int32_t doc_new(const struct lathe_storage_op *op, struct mem_doc **out,
                       struct lathe_error *err)
{
    size_t len = storage_op_len(op);
    struct mem_doc *doc = calloc(1, sizeof *doc);
    int32_t st;

    if (doc == NULL || (doc->id = strdup(op->id)) == NULL ||
        (doc->json = malloc(len + 1)) == NULL) {
        mem_doc_free(doc);
        return storage_fail(err, LATHE_E_NOMEM, "%s: no memory for a document", op->id);
    }
    memcpy(doc->json, op->json, len);
    doc->json[len] = 0;
    doc->json_len = len;
    if ((st = storage_doc_parse(doc->json, len, &doc->parsed, err)) != LATHE_OK) {
        mem_doc_free(doc);
        return st;
    }
    *out = doc;
    return LATHE_OK;
}

/* Replaces the document called id by doc (NULL: removes it) and remembers the old one. Takes doc.
 */
static int32_t doc_replace(struct mem_storage *m, struct mem_collection *c, const char *id,
                           struct mem_doc *doc, struct lathe_error *err)
{
    struct mem_undo *undo;
    int32_t st = doc != NULL ? mem_doc_room(c, doc, err) : LATHE_OK;

    if (st == LATHE_OK)
        st = mem_undo_reserve(m, &undo, err);
    if (st == LATHE_OK && (undo->name = strdup(id)) == NULL)
        st = storage_fail(err, LATHE_E_NOMEM, "%s: no memory", id);
    if (st != LATHE_OK) {
        mem_doc_free(doc);
        return st;
    }
    undo->kind = UNDO_DOC;
    undo->collection = c;
    undo->doc = mem_doc_detach(c, id);
    if (doc != NULL)
        mem_doc_attach(c, doc);
    m->n_undo++;
    return LATHE_OK;
}

static int32_t counter_take(struct mem_storage *m, const struct lathe_storage_op *op,
                            uint64_t *value, struct lathe_error *err)
{
    struct mem_counter *c = mem_counter_find(m, op->id), *all;
    struct mem_undo *undo;
    int32_t st = mem_undo_reserve(m, &undo, err);

    if (st != LATHE_OK)
        return st;
    if ((undo->name = strdup(op->id)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a counter");
    undo->kind = UNDO_COUNTER;
    undo->next = c != NULL ? c->next : 0;
    if (c == NULL) {
        all = realloc(m->counters, (m->n_counters + 1) * sizeof *all);
        if (all != NULL) {
            m->counters = all;
            all[m->n_counters].name = strdup(op->id);
        }
        if (all == NULL || all[m->n_counters].name == NULL) {
            free(undo->name);
            return storage_fail(err, LATHE_E_NOMEM, "no memory for a counter");
        }
        c = &all[m->n_counters++];
        c->next = 1;
    }
    m->n_undo++;
    *value = c->next;
    c->next += op->count;
    return LATHE_OK;
}

int32_t mem_apply_op(struct mem_storage *m, const struct lathe_storage_op *op, uint64_t *value,
                     struct lathe_error *err)
{
    struct mem_collection *c;
    struct mem_doc *doc = NULL;
    uint64_t revision;
    int found = 0;
    size_t at;
    int32_t st;

    if (op->op == LATHE_OP_NEXT)
        return counter_take(m, op, value, err);
    if ((c = mem_collection_find(m, op->collection)) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "collection %s is not declared",
                            op->collection);
    at = mem_doc_position(c, op->id, &found);
    revision = found ? c->docs[at]->revision : 0;
    if ((st = storage_check_revision(op, revision, err)) != LATHE_OK)
        return st;
    *value = revision;
    if (op->op == LATHE_OP_CHECK || (op->op == LATHE_OP_DELETE && !found))
        return LATHE_OK;
    if (op->op == LATHE_OP_DELETE)
        return doc_replace(m, c, op->id, NULL, err);
    if ((st = doc_new(op, &doc, err)) != LATHE_OK)
        return st;
    doc->revision = m->next_revision++;
    *value = doc->revision;
    return doc_replace(m, c, op->id, doc, err);
}
