/* SPDX-License-Identifier: Apache-2.0 */
/* Declared collections and indexes: kept in the database, mirrored in memory. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_storage.h"

static void collection_free(struct sql_collection *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->n_indexes; i++)
        free(c->indexes[i].field);
    free(c->name);
    free(c);
}

void sql_collections_free(struct sql_storage *s)
{
    for (size_t i = 0; i < s->n_collections; i++)
        collection_free(s->collections[i]);
    free(s->collections);
    s->collections = NULL;
    s->n_collections = 0;
}

static struct sql_collection *find(const struct sql_storage *s, const char *name)
{
    for (size_t i = 0; i < s->n_collections; i++)
        if (strcmp(s->collections[i]->name, name) == 0)
            return s->collections[i];
    return NULL;
}

int32_t sql_collection_find(struct sql_storage *s, const char *name,
                            const struct sql_collection **out, struct lathe_error *err)
{
    if ((*out = find(s, name)) == NULL)
        return storage_fail(err, LATHE_E_NOT_FOUND, "collection %s is not declared", name);
    return LATHE_OK;
}

static int32_t no_memory(struct lathe_error *err)
{
    return storage_fail(err, LATHE_E_NOMEM, "no memory for a collection");
}

static int32_t collection_add(struct sql_storage *s, int64_t pk, const char *name,
                              struct sql_collection **out, struct lathe_error *err)
{
    struct sql_collection **all = realloc(s->collections, (s->n_collections + 1) * sizeof *all);
    struct sql_collection *c;

    if (all == NULL)
        return no_memory(err);
    s->collections = all;
    if ((c = calloc(1, sizeof *c)) == NULL || (c->name = strdup(name)) == NULL) {
        collection_free(c);
        return no_memory(err);
    }
    c->pk = pk;
    s->collections[s->n_collections++] = c;
    *out = c;
    return LATHE_OK;
}

/* Reads one row of: coll.pk, coll.name, ix.pk, ix.field, ix.type (the last three may be NULL). */
static int32_t load_row(struct sql_storage *s, sqlite3_stmt *stmt, struct lathe_error *err)
{
    const char *name = (const char *)sqlite3_column_text(stmt, 1);
    struct sql_collection *c;
    struct sql_index *ix;
    int32_t st;

    if (name == NULL)
        return no_memory(err);
    if ((c = find(s, name)) == NULL &&
        (st = collection_add(s, sqlite3_column_int64(stmt, 0), name, &c, err)) != LATHE_OK)
        return st;
    if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
        return LATHE_OK;
    if (c->n_indexes == LATHE_STORAGE_INDEX_MAX)
        return storage_fail(err, LATHE_E_CORRUPT, "%.80s: too many indexes on %.80s", s->path,
                            name);
    ix = &c->indexes[c->n_indexes];
    if ((ix->field = strdup((const char *)sqlite3_column_text(stmt, 3))) == NULL)
        return no_memory(err);
    ix->pk = sqlite3_column_int64(stmt, 2);
    ix->type = (uint32_t)sqlite3_column_int(stmt, 4);
    c->n_indexes++;
    return LATHE_OK;
}

int32_t sql_collections_load(struct sql_storage *s, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int32_t st = LATHE_OK;
    int rc = sqlite3_prepare_v2(s->db,
                                "SELECT c.pk, c.name, i.pk, i.field, i.type FROM coll c"
                                " LEFT JOIN ix i ON i.coll=c.pk ORDER BY c.pk, i.pk",
                                -1, &stmt, NULL);

    sql_collections_free(s);
    if (rc != SQLITE_OK)
        return sql_fail(s, rc, err, "read the collections");
    while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        st = load_row(s, stmt, err);
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "read the collections");
    sqlite3_finalize(stmt);
    return st;
}

static int32_t index_drop(struct sql_storage *s, const struct sql_index *ix,
                          struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_IX_CLEAR, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, ix->pk);
    if ((st = sql_step_done(s, stmt, err, "clear an index")) != LATHE_OK ||
        (st = sql_stmt(s, SQL_IX_DELETE, &stmt, err)) != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, ix->pk);
    return sql_step_done(s, stmt, err, "drop an index");
}

/* Fills a new index from the documents that exist. */
static int32_t index_fill(struct sql_storage *s, int64_t coll, const struct sql_index *ix,
                          struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    json_t *doc = NULL;
    int rc = SQLITE_DONE;
    int32_t st = sql_stmt(s, SQL_DOC_ALL, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, coll);
    while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        st = storage_doc_parse((const char *)sqlite3_column_text(stmt, 1),
                               (size_t)sqlite3_column_bytes(stmt, 1), &doc, err);
        if (st != LATHE_OK)
            break;
        st = sql_entries_write(s, ix, (const char *)sqlite3_column_text(stmt, 0), doc, 0, err);
        json_decref(doc);
    }
    if (st == LATHE_OK && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "fill an index");
    sqlite3_reset(stmt);
    return st;
}

static int32_t index_create(struct sql_storage *s, int64_t coll,
                            const struct lathe_storage_index *decl, struct lathe_error *err)
{
    struct sql_index ix = {.type = decl->type & 0xffu};
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_IX_ADD, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, coll);
    sql_bind_str(stmt, 2, decl->field);
    sqlite3_bind_int64(stmt, 3, ix.type);
    if ((st = sql_step_done(s, stmt, err, "add an index")) != LATHE_OK)
        return st;
    ix.pk = sqlite3_last_insert_rowid(s->db);
    if ((ix.field = strdup(decl->field)) == NULL)
        return no_memory(err);
    st = index_fill(s, coll, &ix, err);
    free(ix.field);
    return st;
}

static int same(const struct sql_index *ix, const struct lathe_storage_index *decl)
{
    return ix->type == (decl->type & 0xffu) && strcmp(ix->field, decl->field) == 0;
}

static int32_t indexes_sync(struct sql_storage *s, const struct sql_collection *c, int64_t coll,
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

static int32_t collection_create(struct sql_storage *s, const char *name, int64_t *pk,
                                 struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_COLL_ADD, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, name);
    st = sql_step_done(s, stmt, err, "add a collection");
    *pk = sqlite3_last_insert_rowid(s->db);
    return st;
}

static int is_unchanged(const struct sql_collection *c, const struct lathe_storage_collection *decl)
{
    uint32_t n = storage_index_count(decl->indexes), equal = 0;

    if (c == NULL || c->n_indexes != n)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            equal += (uint32_t)same(&c->indexes[i], decl->indexes[j]);
    return equal == n;
}

int32_t sql_declare(void *self, const struct lathe_storage_collection *collection,
                    struct lathe_error *err)
{
    struct sql_storage *s = self;
    const struct sql_collection *c;
    int64_t pk = 0;
    int32_t st = storage_check_collection(collection, err), st2;

    if (st != LATHE_OK)
        return st;
    if (s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "a collection is declared outside of groups");
    c = find(s, collection->name);
    if (is_unchanged(c, collection))
        return LATHE_OK;
    if ((st = sql_write_start(s, err)) != LATHE_OK)
        return st;
    if (c != NULL)
        pk = c->pk;
    else
        st = collection_create(s, collection->name, &pk, err);
    if (st == LATHE_OK)
        st = indexes_sync(s, c, pk, collection, err);
    st = sql_write_end(s, st, err);
    st2 = sql_collections_load(s, st == LATHE_OK ? err : NULL);
    return st == LATHE_OK ? st2 : st;
}
