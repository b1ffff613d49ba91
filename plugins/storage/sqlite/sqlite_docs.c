/* SPDX-License-Identifier: Apache-2.0 */
/* Groups, batches, documents and counters. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

static int32_t revision_save(struct sql_storage *s, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st;

    if (s->next_revision == s->saved_revision)
        return LATHE_OK;
    if ((st = sql_stmt(s, SQL_REVISION_SAVE, &stmt, err)) != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, (int64_t)s->next_revision);
    return sql_step_done(s, stmt, err, "save the revision counter");
}

static int32_t transaction_end(struct sql_storage *s, struct lathe_error *err)
{
    int32_t st = revision_save(s, err);

    if (st == LATHE_OK)
        st = sql_run(s, SQL_COMMIT, err);
    if (st == LATHE_OK)
        s->saved_revision = s->next_revision;
    else if (!sqlite3_get_autocommit(s->db))
        (void)sql_run(s, SQL_ROLLBACK, NULL);
    return st;
}

int32_t sql_begin(void *self, struct lathe_error *err)
{
    struct sql_storage *s = self;
    int32_t st;

    if (s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "a group is open already");
    if ((st = sql_run(s, SQL_BEGIN, err)) != LATHE_OK)
        return st;
    s->in_group = 1;
    s->broken = 0;
    return LATHE_OK;
}

int32_t sql_commit(void *self, struct lathe_error *err)
{
    struct sql_storage *s = self;
    int32_t st;

    if (!s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "no group is open");
    if (s->broken) {
        sql_rollback(s);
        return storage_fail(err, LATHE_E_IO,
                            "%.120s: a write of this group failed, all were taken back", s->path);
    }
    if ((st = sql_ts_commit(s, err)) != LATHE_OK) { /* telemetry first: it can come again */
        sql_rollback(s);
        return st;
    }
    s->in_group = 0;
    return transaction_end(s, err);
}

void sql_rollback(void *self)
{
    struct sql_storage *s = self;

    s->in_group = 0;
    s->broken = 0;
    sql_ts_rollback(s);
    if (!sqlite3_get_autocommit(s->db))
        (void)sql_run(s, SQL_ROLLBACK, NULL);
}

int32_t sql_write_start(struct sql_storage *s, struct lathe_error *err)
{
    if (s->broken)
        return storage_fail(err, LATHE_E_IO, "%.120s: an earlier write of this group failed",
                            s->path);
    return sql_run(s, s->in_group ? SQL_SAVEPOINT : SQL_BEGIN, err);
}

int32_t sql_write_end(struct sql_storage *s, int32_t st, struct lathe_error *err)
{
    if (!s->in_group) {
        if (st == LATHE_OK)
            return transaction_end(s, err);
        if (!sqlite3_get_autocommit(s->db))
            (void)sql_run(s, SQL_ROLLBACK, NULL);
        return st;
    }
    if (st == LATHE_OK)
        return sql_run(s, SQL_RELEASE, err);
    if (!sqlite3_get_autocommit(s->db) && sql_run(s, SQL_ROLLBACK_TO, NULL) == LATHE_OK)
        (void)sql_run(s, SQL_RELEASE, NULL);
    else
        s->broken = 1;
    return st;
}

/* Is the one value that the index holds for id equal to the one it should hold? */
static int32_t entries_equal(struct sql_storage *s, const struct sql_index *ix, const char *id,
                             const struct storage_keys *keys, int *equal, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_ENTRY_GET, &stmt, err);
    uint32_t n = 0;
    int rc;

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, ix->pk);
    sql_bind_str(stmt, 2, id);
    *equal = keys->n <= 1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *equal) {
        struct storage_key have = {0, NULL};

        if (ix->type == LATHE_INDEX_NUMBER)
            have.num = sqlite3_column_double(stmt, 0);
        else if ((have.str = (const char *)sqlite3_column_text(stmt, 0)) == NULL)
            have.str = "";
        *equal = ++n == keys->n && storage_key_compare(ix->type, &have, &keys->keys[0]) == 0;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "read index entries");
    *equal = *equal && n == keys->n;
    sqlite3_reset(stmt);
    return st;
}

static int32_t entries_delete(struct sql_storage *s, const struct sql_index *ix, const char *id,
                              struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_ENTRY_DELETE, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, ix->pk);
    sql_bind_str(stmt, 2, id);
    return sql_step_done(s, stmt, err, "remove index entries");
}

int32_t sql_entries_write(struct sql_storage *s, const struct sql_index *ix, const char *id,
                          const json_t *doc, int had, struct lathe_error *err)
{
    struct storage_keys keys;
    sqlite3_stmt *stmt;
    int equal = 0;
    int32_t st = storage_doc_keys(doc, ix->field, ix->type, &keys, err);

    if (st == LATHE_OK && had) {
        st = entries_equal(s, ix, id, &keys, &equal, err);
        if (st == LATHE_OK && !equal)
            st = entries_delete(s, ix, id, err);
    }
    for (uint32_t i = 0; i < keys.n && st == LATHE_OK && !equal; i++) {
        if ((st = sql_stmt(s, SQL_ENTRY_PUT, &stmt, err)) != LATHE_OK)
            return st;
        sqlite3_bind_int64(stmt, 1, ix->pk);
        sql_bind_str(stmt, 2, id);
        sql_bind_key(stmt, 3, ix->type, &keys.keys[i]);
        st = sql_step_done(s, stmt, err, "write an index entry");
    }
    return st;
}

static int32_t revision_read(struct sql_storage *s, int64_t coll, const char *id,
                             uint64_t *revision, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_DOC_REVISION, &stmt, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, coll);
    sql_bind_str(stmt, 2, id);
    rc = sqlite3_step(stmt);
    *revision = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "read a revision");
    sqlite3_reset(stmt);
    return st;
}

static int32_t doc_put(struct sql_storage *s, const struct sql_collection *c,
                       const struct lathe_storage_op *op, int had, struct lathe_error *err)
{
    size_t len = storage_op_len(op);
    sqlite3_stmt *stmt;
    json_t *doc = NULL;
    int32_t st = storage_doc_parse(op->json, len, &doc, err);

    if (st != LATHE_OK)
        return st;
    if ((st = sql_stmt(s, SQL_DOC_PUT, &stmt, err)) != LATHE_OK)
        goto out;
    sqlite3_bind_int64(stmt, 1, c->pk);
    sql_bind_str(stmt, 2, op->id);
    sqlite3_bind_int64(stmt, 3, (int64_t)s->next_revision);
    sqlite3_bind_text(stmt, 4, op->json, (int)len, SQLITE_STATIC);
    st = sql_step_done(s, stmt, err, "write a document");
    for (uint32_t i = 0; i < c->n_indexes && st == LATHE_OK; i++)
        st = sql_entries_write(s, &c->indexes[i], op->id, doc, had, err);
out:
    json_decref(doc);
    return st;
}

static int32_t doc_delete(struct sql_storage *s, const struct sql_collection *c, const char *id,
                          struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_DOC_DELETE, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, c->pk);
    sql_bind_str(stmt, 2, id);
    st = sql_step_done(s, stmt, err, "remove a document");
    for (uint32_t i = 0; i < c->n_indexes && st == LATHE_OK; i++)
        st = entries_delete(s, &c->indexes[i], id, err);
    return st;
}

static int32_t counter_take(struct sql_storage *s, const struct lathe_storage_op *op,
                            uint64_t *value, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, SQL_COUNTER_TAKE, &stmt, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    sql_bind_str(stmt, 1, op->id);
    sqlite3_bind_int64(stmt, 2, (int64_t)op->count);
    if ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *value = (uint64_t)sqlite3_column_int64(stmt, 0);
        rc = sqlite3_step(stmt);
    }
    if (rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, "take a number");
    sqlite3_reset(stmt);
    return st;
}

static int32_t op_apply(struct sql_storage *s, const struct lathe_storage_op *op, uint64_t *value,
                        struct lathe_error *err)
{
    const struct sql_collection *c;
    uint64_t revision = 0;
    int32_t st = storage_check_op(op, err);

    if (st != LATHE_OK)
        return st;
    if (op->op == LATHE_OP_NEXT)
        return counter_take(s, op, value, err);
    if ((st = sql_collection_find(s, op->collection, &c, err)) != LATHE_OK ||
        (st = revision_read(s, c->pk, op->id, &revision, err)) != LATHE_OK ||
        (st = storage_check_revision(op, revision, err)) != LATHE_OK)
        return st;
    *value = revision;
    if (op->op == LATHE_OP_CHECK || (op->op == LATHE_OP_DELETE && revision == 0))
        return LATHE_OK;
    if (op->op == LATHE_OP_DELETE)
        return doc_delete(s, c, op->id, err);
    if ((st = doc_put(s, c, op, revision != 0, err)) == LATHE_OK)
        *value = s->next_revision++;
    return st;
}

int32_t sql_apply(void *self, const struct lathe_storage_batch *batch, uint64_t *values,
                  uint32_t *failed_op, struct lathe_error *err)
{
    struct sql_storage *s = self;
    int32_t st;

    if (batch->n_ops > LATHE_STORAGE_BATCH_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "a batch has at most %d operations",
                            LATHE_STORAGE_BATCH_MAX);
    if ((st = sql_write_start(s, err)) != LATHE_OK)
        return st;
    for (uint32_t i = 0; i < batch->n_ops && st == LATHE_OK; i++) {
        uint64_t value = 0;

        st = op_apply(s, batch->ops[i], &value, err);
        if (st == LATHE_OK && values != NULL)
            values[i] = value;
        if (st != LATHE_OK && failed_op != NULL)
            *failed_op = i;
    }
    return sql_write_end(s, st, err);
}

static int32_t buf_fill(struct sql_storage *s, const char *id, sqlite3_stmt *stmt,
                        struct lathe_storage_doc *doc, struct lathe_error *err)
{
    const char *json = (const char *)sqlite3_column_text(stmt, 1);
    size_t id_len = strlen(id), len = (size_t)sqlite3_column_bytes(stmt, 1);
    size_t need = id_len + len + 2;

    if (json == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "%s: no memory to read it", id);
    if (need > s->cap_buf) {
        char *buf = malloc(need);

        if (buf == NULL)
            return storage_fail(err, LATHE_E_NOMEM, "%s: no memory to read it", id);
        free(s->buf);
        s->buf = buf;
        s->cap_buf = need;
    }
    memcpy(s->buf, id, id_len + 1);
    memcpy(s->buf + id_len + 1, json, len);
    s->buf[need - 1] = 0;
    doc->id = s->buf;
    doc->json = s->buf + id_len + 1;
    doc->json_len = len;
    doc->revision = (uint64_t)sqlite3_column_int64(stmt, 0);
    return LATHE_OK;
}

int32_t sql_get(void *self, const char *collection, const char *id, struct lathe_storage_doc *doc,
                struct lathe_error *err)
{
    struct sql_storage *s = self;
    const struct sql_collection *c;
    sqlite3_stmt *stmt;
    int rc;
    int32_t st;

    if ((st = storage_check_name("collection", collection, err)) != LATHE_OK ||
        (st = storage_check_id("document id", id, err)) != LATHE_OK ||
        (st = sql_collection_find(s, collection, &c, err)) != LATHE_OK ||
        (st = sql_stmt(s, SQL_DOC_GET, &stmt, err)) != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, c->pk);
    sql_bind_str(stmt, 2, id);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        st = buf_fill(s, id, stmt, doc, err);
    else if (rc == SQLITE_DONE)
        st = storage_fail(err, LATHE_E_NOT_FOUND, "%s has no document %s", collection, id);
    else
        st = sql_fail(s, rc, err, "read a document");
    sqlite3_reset(stmt);
    return st;
}
