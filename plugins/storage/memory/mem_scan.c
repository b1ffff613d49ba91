/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: walks the sorted array from one end to the other and keeps what matches. */

#include <string.h>

#include "plugins/storage/memory/memory.h"

/* A scan under way. ix is NULL for id order. */
struct scan {
    const struct lathe_storage_query *q;
    const struct mem_collection *c;
    const struct mem_index *ix;
    const struct mem_index *filter_ix[4];
    struct storage_cursor cursor;
    int has_cursor;
};

static const struct mem_index *index_find(const struct mem_collection *c, const char *field)
{
    for (uint32_t i = 0; i < c->n_indexes; i++)
        if (strcmp(c->indexes[i].field, field) == 0)
            return &c->indexes[i];
    return NULL;
}

static int32_t index_need(const struct mem_collection *c, const char *field,
                          const struct mem_index **out, struct lathe_error *err)
{
    if ((*out = index_find(c, field)) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "%s has no index on %.64s", c->name, field);
    return LATHE_OK;
}

static int32_t type_check(const struct mem_index *ix, const struct lathe_storage_value *v,
                          struct lathe_error *err)
{
    if (ix != NULL && v != NULL && v->type != ix->type)
        return storage_fail(err, LATHE_E_INVALID, "%s is indexed with another type", ix->field);
    return LATHE_OK;
}

static int32_t prepare(struct scan *s, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (s->q->index != NULL)
        st = index_need(s->c, s->q->index, &s->ix, err);
    if (st == LATHE_OK && (st = type_check(s->ix, s->q->min, err)) == LATHE_OK)
        st = type_check(s->ix, s->q->max, err);
    for (uint32_t i = 0; st == LATHE_OK && s->q->filters != NULL && s->q->filters[i] != NULL; i++) {
        st = index_need(s->c, s->q->filters[i]->field, &s->filter_ix[i], err);
        if (st == LATHE_OK)
            st = type_check(s->filter_ix[i], s->q->filters[i]->value, err);
    }
    if (st == LATHE_OK && s->q->cursor != NULL) {
        s->has_cursor = 1;
        st = storage_cursor_read(s->q, s->ix != NULL ? s->ix->type : 0, &s->cursor, err);
    }
    return st;
}

static int bound_compare(const struct scan *s, const struct storage_key *key, const char *id,
                         const struct lathe_storage_value *v)
{
    struct storage_key bound = {v->num, v->str};

    return s->ix != NULL ? storage_key_compare(s->ix->type, key, &bound) : strcmp(id, v->str);
}

static int in_range(const struct scan *s, const struct storage_key *key, const char *id)
{
    const struct lathe_storage_query *q = s->q;
    int order;

    if (q->min != NULL) {
        order = bound_compare(s, key, id, q->min);
        if (order < 0 || (order == 0 && (q->flags & LATHE_SCAN_MIN_EXCLUDED)))
            return 0;
    }
    if (q->max != NULL) {
        order = bound_compare(s, key, id, q->max);
        if (order > 0 || (order == 0 && (q->flags & LATHE_SCAN_MAX_EXCLUDED)))
            return 0;
    }
    return 1;
}

static int filters_hold(const struct scan *s, const struct mem_doc *doc)
{
    struct storage_keys keys;

    for (uint32_t i = 0; s->q->filters != NULL && s->q->filters[i] != NULL; i++) {
        const struct lathe_storage_value *v = s->q->filters[i]->value;
        struct storage_key want = {v->num, v->str};
        int hit = 0;

        if (storage_doc_keys(doc->parsed, s->filter_ix[i]->field, s->filter_ix[i]->type, &keys,
                             NULL) != LATHE_OK)
            return 0;
        for (uint32_t k = 0; k < keys.n && !hit; k++)
            hit = storage_key_compare(v->type, &keys.keys[k], &want) == 0;
        if (!hit)
            return 0;
    }
    return 1;
}

static int behind_cursor(const struct scan *s, const struct storage_key *key, const char *id)
{
    int order = 0;

    if (!s->has_cursor)
        return 1;
    if (s->ix != NULL)
        order = storage_key_compare(s->ix->type, key, &s->cursor.key);
    if (order == 0)
        order = strcmp(id, s->cursor.id);
    return s->q->flags & LATHE_SCAN_DESC ? order < 0 : order > 0;
}

static int32_t hand_over(const struct mem_doc *d, lathe_storage_visit visit, void *user)
{
    struct lathe_storage_doc doc = {sizeof doc, 0, d->id, d->revision, d->json, d->json_len};

    return visit(user, &doc);
}

/* What the walk has found so far. */
struct found {
    uint64_t skipped;
    const struct storage_key *last_key;
    const char *last_id;
    int more;
};

static int32_t consider(const struct scan *s, const struct mem_doc *d,
                        const struct storage_key *key, struct found *f,
                        struct lathe_storage_scan_result *result, lathe_storage_visit visit,
                        void *user)
{
    if (!in_range(s, key, d->id) || !filters_hold(s, d))
        return LATHE_OK;
    result->total++;
    if (!behind_cursor(s, key, d->id))
        return LATHE_OK;
    if (f->skipped < s->q->offset) {
        f->skipped++;
        return LATHE_OK;
    }
    if (result->n_docs >= s->q->limit) {
        f->more = 1;
        return LATHE_OK;
    }
    result->n_docs++;
    f->last_key = key;
    f->last_id = d->id;
    return hand_over(d, visit, user);
}

int32_t mem_scan(struct mem_storage *m, const struct lathe_storage_query *q,
                 lathe_storage_visit visit, void *user, struct lathe_storage_scan_result *result,
                 struct lathe_error *err)
{
    struct scan s = {.q = q, .c = mem_collection_find(m, q->collection)};
    struct found f = {0};
    size_t n;
    int32_t st;

    if (s.c == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "collection %s is not declared", q->collection);
    if ((st = prepare(&s, err)) != LATHE_OK)
        return st;
    result->n_docs = 0;
    result->total = 0;
    result->cursor[0] = 0;
    n = s.ix != NULL ? s.ix->n : s.c->n;
    for (size_t i = 0; i < n && st == LATHE_OK; i++) {
        size_t at = q->flags & LATHE_SCAN_DESC ? n - 1 - i : i;

        st = consider(&s, s.ix != NULL ? s.ix->entries[at].doc : s.c->docs[at],
                      s.ix != NULL ? &s.ix->entries[at].key : NULL, &f, result, visit, user);
    }
    if (st == LATHE_OK && f.more && f.last_id != NULL)
        storage_cursor_write(q, s.ix != NULL ? s.ix->type : 0, f.last_key, f.last_id,
                             result->cursor);
    if ((q->flags & LATHE_SCAN_COUNT) == 0)
        result->total = 0;
    return st;
}
