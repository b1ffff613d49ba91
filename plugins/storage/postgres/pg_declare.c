/* SPDX-License-Identifier: Apache-2.0 */
/* Declared collections and indexes: kept in the database, mirrored in memory. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

void pg_collections_free(struct pg_storage *s)
{
    for (size_t i = 0; i < s->n_collections; i++) {
        for (uint32_t k = 0; k < s->collections[i]->n_indexes; k++)
            free(s->collections[i]->indexes[k].field);
        free(s->collections[i]->name);
        free(s->collections[i]);
    }
    free(s->collections);
    s->collections = NULL;
    s->n_collections = 0;
}

static struct pg_collection *find(const struct pg_storage *s, const char *name)
{
    for (size_t i = 0; i < s->n_collections; i++)
        if (strcmp(s->collections[i]->name, name) == 0)
            return s->collections[i];
    return NULL;
}

int32_t pg_collection_find(struct pg_storage *s, const char *name, const struct pg_collection **out,
                           struct lathe_error *err)
{
    if ((*out = find(s, name)) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "collection %s is not declared", name);
    return LATHE_OK;
}

static int32_t no_memory(struct lathe_error *err)
{
    return storage_fail(err, LATHE_E_NOMEM, "no memory for a collection");
}

/* One row of: coll.pk, coll.name, ix.pk, ix.field, ix.type (the last three may be NULL). */
static int32_t load_row(struct pg_storage *s, const PGresult *res, int row, struct lathe_error *err)
{
    const char *name = PQgetvalue(res, row, 1);
    struct pg_collection *c = find(s, name), **all;
    struct pg_index *ix;

    if (c == NULL) {
        all = realloc(s->collections, (s->n_collections + 1) * sizeof *all);
        if (all == NULL)
            return no_memory(err);
        s->collections = all;
        if ((c = calloc(1, sizeof *c)) == NULL || (c->name = strdup(name)) == NULL) {
            free(c);
            return no_memory(err);
        }
        c->pk = pg_int(res, row, 0);
        s->collections[s->n_collections++] = c;
    }
    if (PQgetisnull(res, row, 2))
        return LATHE_OK;
    if (c->n_indexes == LATHE_STORAGE_INDEX_MAX)
        return storage_fail(err, LATHE_E_CORRUPT, "too many indexes on %.80s", name);
    ix = &c->indexes[c->n_indexes];
    if ((ix->field = strdup(PQgetvalue(res, row, 3))) == NULL)
        return no_memory(err);
    ix->pk = pg_int(res, row, 2);
    ix->type = (uint32_t)pg_int(res, row, 4);
    c->n_indexes++;
    return LATHE_OK;
}

int32_t pg_collections_load(struct pg_storage *s, struct lathe_error *err)
{
    PGresult *res;
    int32_t st;

    pg_collections_free(s);
    st = pg_run(s,
                "SELECT c.pk, c.name, i.pk, i.field, i.type FROM coll c"
                " LEFT JOIN ix i ON i.coll=c.pk ORDER BY c.pk, i.pk",
                NULL, &res, err);
    if (st != LATHE_OK)
        return st;
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++)
        st = load_row(s, res, i, err);
    PQclear(res);
    return st;
}

static int32_t index_drop(struct pg_storage *s, const struct pg_index *ix, struct lathe_error *err)
{
    struct pg_args args = {0};
    int32_t st;

    arg_int(&args, ix->pk);
    st = pg_run(s, "DELETE FROM entry WHERE ix=$1", &args, NULL, err);
    return st == LATHE_OK ? pg_run(s, "DELETE FROM ix WHERE pk=$1", &args, NULL, err) : st;
}

static int32_t index_fill(struct pg_storage *s, int64_t coll, const struct pg_index *ix,
                          struct lathe_error *err)
{
    struct pg_args args = {0};
    json_t *doc = NULL;
    PGresult *res;
    int32_t st;

    arg_int(&args, coll);
    if ((st = pg_run(s, "SELECT id, json FROM doc WHERE coll=$1", &args, &res, err)) != LATHE_OK)
        return st;
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++) {
        st = storage_doc_parse(PQgetvalue(res, i, 1), (size_t)PQgetlength(res, i, 1), &doc, err);
        if (st != LATHE_OK)
            break;
        st = pg_entries_write(s, ix, PQgetvalue(res, i, 0), doc, err);
        json_decref(doc);
    }
    PQclear(res);
    return st;
}

static int32_t index_create(struct pg_storage *s, int64_t coll,
                            const struct lathe_storage_index *decl, struct lathe_error *err)
{
    struct pg_index ix = {.type = decl->type & 0xffu};
    struct pg_args args = {0};
    PGresult *res;
    int32_t st;

    arg_int(&args, coll);
    arg_str(&args, decl->field);
    arg_int(&args, ix.type);
    st = pg_run(s, "INSERT INTO ix(coll, field, type) VALUES($1, $2, $3) RETURNING pk", &args, &res,
                err);
    if (st != LATHE_OK)
        return st;
    ix.pk = pg_int(res, 0, 0);
    PQclear(res);
    if ((ix.field = strdup(decl->field)) == NULL)
        return no_memory(err);
    st = index_fill(s, coll, &ix, err);
    free(ix.field);
    return st;
}

static int same(const struct pg_index *ix, const struct lathe_storage_index *decl)
{
    return ix->type == (decl->type & 0xffu) && strcmp(ix->field, decl->field) == 0;
}

static int32_t indexes_sync(struct pg_storage *s, const struct pg_collection *c, int64_t coll,
                            const struct lathe_storage_collection *decl, struct lathe_error *err)
{
    uint32_t n = storage_index_count(decl->indexes), had = c != NULL ? c->n_indexes : 0;
    int32_t st = LATHE_OK;

    for (uint32_t i = 0; i < had && st == LATHE_OK; i++) {
        int keep = 0;

        for (uint32_t j = 0; j < n && !keep; j++)
            keep = same(&c->indexes[i], decl->indexes[j]);
        if (!keep)
            st = index_drop(s, &c->indexes[i], err);
    }
    for (uint32_t j = 0; j < n && st == LATHE_OK; j++) {
        int have = 0;

        for (uint32_t i = 0; i < had && !have; i++)
            have = same(&c->indexes[i], decl->indexes[j]);
        if (!have)
            st = index_create(s, coll, decl->indexes[j], err);
    }
    return st;
}

static int32_t collection_create(struct pg_storage *s, const char *name, int64_t *pk,
                                 struct lathe_error *err)
{
    struct pg_args args = {0};
    PGresult *res;
    int32_t st;

    arg_str(&args, name);
    st = pg_run(s, "INSERT INTO coll(name) VALUES($1) RETURNING pk", &args, &res, err);
    if (st != LATHE_OK)
        return st;
    *pk = pg_int(res, 0, 0);
    PQclear(res);
    return LATHE_OK;
}

int32_t pg_declare(void *self, const struct lathe_storage_collection *collection,
                   struct lathe_error *err)
{
    struct pg_storage *s = self;
    const struct pg_collection *c;
    int64_t pk = 0;
    int32_t st = storage_check_collection(collection, err), st2;

    if (st != LATHE_OK)
        return st;
    if (s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "a collection is declared outside of groups");
    c = find(s, collection->name);
    if ((st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    if (c != NULL)
        pk = c->pk;
    else
        st = collection_create(s, collection->name, &pk, err);
    if (st == LATHE_OK)
        st = indexes_sync(s, c, pk, collection, err);
    st = pg_write_end(s, st, err);
    st2 = pg_collections_load(s, st == LATHE_OK ? err : NULL);
    return st == LATHE_OK ? st2 : st;
}
