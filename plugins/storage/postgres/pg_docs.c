/* SPDX-License-Identifier: Apache-2.0 */
/* Groups, batches, documents and counters. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

static void abandon(struct pg_storage *s)
{
    if (PQtransactionStatus(s->db) != PQTRANS_IDLE)
        (void)pg_run(s, "ROLLBACK", NULL, NULL, NULL);
}

static int32_t transaction_end(struct pg_storage *s, struct lathe_error *err)
{
    struct pg_args args = {0};
    int32_t st = LATHE_OK;

    if (s->next_revision != s->saved_revision) {
        arg_int(&args, (int64_t)s->next_revision);
        st = pg_run(s, "UPDATE meta SET value=$1 WHERE key='next_revision'", &args, NULL, err);
    }
    if (st == LATHE_OK)
        st = pg_run(s, "COMMIT", NULL, NULL, err);
    if (st == LATHE_OK)
        s->saved_revision = s->next_revision;
    else
        abandon(s);
    return st;
}

int32_t pg_begin(void *self, struct lathe_error *err)
{
    struct pg_storage *s = self;
    int32_t st;

    if (s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "a group is open already");
    if ((st = pg_run(s, "BEGIN", NULL, NULL, err)) != LATHE_OK)
        return st;
    s->in_group = 1;
    s->broken = 0;
    return LATHE_OK;
}

int32_t pg_commit(void *self, struct lathe_error *err)
{
    struct pg_storage *s = self;

    if (!s->in_group)
        return storage_fail(err, LATHE_E_CONFLICT, "no group is open");
    if (s->broken) {
        pg_rollback(s);
        return storage_fail(err, LATHE_E_IO, "a write of this group failed, all were taken back");
    }
    s->in_group = 0;
    return transaction_end(s, err);
}

void pg_rollback(void *self)
{
    struct pg_storage *s = self;

    s->in_group = 0;
    s->broken = 0;
    abandon(s);
}

int32_t pg_write_start(struct pg_storage *s, struct lathe_error *err)
{
    if (s->broken)
        return storage_fail(err, LATHE_E_IO, "an earlier write of this group failed");
    return s->in_group ? pg_run(s, "SAVEPOINT batch", NULL, NULL, err)
                       : pg_run(s, "BEGIN", NULL, NULL, err);
}

int32_t pg_write_end(struct pg_storage *s, int32_t st, struct lathe_error *err)
{
    if (!s->in_group) {
        if (st == LATHE_OK)
            return transaction_end(s, err);
        abandon(s);
        return st;
    }
    if (st == LATHE_OK)
        return pg_run(s, "RELEASE batch", NULL, NULL, err);
    if (s->broken)
        return st; /* all of the group goes */
    (void)pg_run(s, "ROLLBACK TO batch", NULL, NULL, NULL);
    (void)pg_run(s, "RELEASE batch", NULL, NULL, NULL);
    return st;
}

int32_t pg_entries_write(struct pg_storage *s, const struct pg_index *ix, const char *id,
                         const json_t *doc, struct lathe_error *err)
{
    struct storage_keys keys;
    struct pg_args args = {0};
    int32_t st = storage_doc_keys(doc, ix->field, ix->type, &keys, err);

    if (st != LATHE_OK)
        return st;
    arg_int(&args, ix->pk);
    arg_str(&args, id);
    st = pg_run(s, "DELETE FROM entry WHERE ix=$1 AND id=$2", &args, NULL, err);
    for (uint32_t i = 0; i < keys.n && st == LATHE_OK; i++) {
        args.n = 2;
        if (ix->type == LATHE_INDEX_NUMBER) {
            arg_num(&args, keys.keys[i].num);
            st = pg_run(s, "INSERT INTO entry(ix, id, num) VALUES($1, $2, $3)", &args, NULL, err);
        } else {
            arg_str(&args, keys.keys[i].str);
            st = pg_run(s, "INSERT INTO entry(ix, id, str) VALUES($1, $2, $3)", &args, NULL, err);
        }
    }
    return st;
}

static int32_t doc_put(struct pg_storage *s, const struct pg_collection *c,
                       const struct lathe_storage_op *op, struct lathe_error *err)
{
    size_t len = storage_op_len(op);
    struct pg_args args = {0};
    char *text = malloc(len + 1);
    json_t *doc = NULL;
    int32_t st = text != NULL ? storage_doc_parse(op->json, len, &doc, err)
                              : storage_fail(err, LATHE_E_NOMEM, "no memory for a document");

    if (st == LATHE_OK) {
        memcpy(text, op->json, len);
        text[len] = 0;
        arg_int(&args, c->pk);
        arg_str(&args, op->id);
        arg_int(&args, (int64_t)s->next_revision);
        arg_str(&args, text);
        for (uint32_t i = 0; i < c->n_indexes && st == LATHE_OK; i++)
            st = pg_entries_write(s, &c->indexes[i], op->id, doc, err);
        if (st == LATHE_OK)
            st = pg_run(s,
                        "INSERT INTO doc(coll, id, rev, json) VALUES($1, $2, $3, $4)"
                        " ON CONFLICT(coll, id) DO UPDATE SET rev=excluded.rev, json=excluded.json",
                        &args, NULL, err);
        json_decref(doc);
    }
    free(text);
    return st;
}

static int32_t doc_delete(struct pg_storage *s, const struct pg_collection *c, const char *id,
                          struct lathe_error *err)
{
    struct pg_args args = {0};
    int32_t st;

    arg_int(&args, c->pk);
    arg_str(&args, id);
    st = pg_run(s, "DELETE FROM entry USING ix WHERE entry.ix=ix.pk AND ix.coll=$1 AND entry.id=$2",
                &args, NULL, err);
    return st == LATHE_OK ? pg_run(s, "DELETE FROM doc WHERE coll=$1 AND id=$2", &args, NULL, err)
                          : st;
}

static int32_t counter_take(struct pg_storage *s, const struct lathe_storage_op *op,
                            uint64_t *value, struct lathe_error *err)
{
    struct pg_args args = {0};
    PGresult *res;
    int32_t st;

    arg_str(&args, op->id);
    arg_int(&args, (int64_t)op->count);
    st = pg_run(s,
                "INSERT INTO counter AS c VALUES($1, 1 + $2::bigint) ON CONFLICT(name)"
                " DO UPDATE SET next=c.next + $2::bigint RETURNING next - $2::bigint",
                &args, &res, err);
    if (st != LATHE_OK)
        return st;
    *value = (uint64_t)pg_int(res, 0, 0);
    PQclear(res);
    return LATHE_OK;
}

static int32_t revision_read(struct pg_storage *s, int64_t coll, const char *id, uint64_t *revision,
                             struct lathe_error *err)
{
    struct pg_args args = {0};
    PGresult *res;
    int32_t st;

    arg_int(&args, coll);
    arg_str(&args, id);
    st = pg_run(s, "SELECT rev FROM doc WHERE coll=$1 AND id=$2", &args, &res, err);
    if (st != LATHE_OK)
        return st;
    *revision = PQntuples(res) > 0 ? (uint64_t)pg_int(res, 0, 0) : 0;
    PQclear(res);
    return LATHE_OK;
}

static int32_t op_apply(struct pg_storage *s, const struct lathe_storage_op *op, uint64_t *value,
                        struct lathe_error *err)
{
    const struct pg_collection *c;
    uint64_t revision = 0;
    int32_t st = storage_check_op(op, err);

    if (st != LATHE_OK)
        return st;
    if (op->op == LATHE_OP_NEXT)
        return counter_take(s, op, value, err);
    if ((st = pg_collection_find(s, op->collection, &c, err)) != LATHE_OK ||
        (st = revision_read(s, c->pk, op->id, &revision, err)) != LATHE_OK ||
        (st = storage_check_revision(op, revision, err)) != LATHE_OK)
        return st;
    *value = revision;
    if (op->op == LATHE_OP_CHECK || (op->op == LATHE_OP_DELETE && revision == 0))
        return LATHE_OK;
    if (op->op == LATHE_OP_DELETE)
        return doc_delete(s, c, op->id, err);
    if ((st = doc_put(s, c, op, err)) == LATHE_OK)
        *value = s->next_revision++;
    return st;
}

int32_t pg_apply(void *self, const struct lathe_storage_batch *batch, uint64_t *values,
                 uint32_t *failed_op, struct lathe_error *err)
{
    struct pg_storage *s = self;
    int32_t st;

    if (batch->n_ops > LATHE_STORAGE_BATCH_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "a batch has at most %d operations",
                            LATHE_STORAGE_BATCH_MAX);
    if ((st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    for (uint32_t i = 0; i < batch->n_ops && st == LATHE_OK; i++) {
        uint64_t value = 0;

        st = op_apply(s, batch->ops[i], &value, err);
        if (st == LATHE_OK && values != NULL)
            values[i] = value;
        if (st != LATHE_OK && failed_op != NULL)
            *failed_op = i;
    }
    return pg_write_end(s, st, err);
}

int32_t pg_get(void *self, const char *collection, const char *id, struct lathe_storage_doc *doc,
               struct lathe_error *err)
{
    struct pg_storage *s = self;
    const struct pg_collection *c;
    struct pg_args args = {0};
    int32_t st;

    PQclear(s->last);
    s->last = NULL;
    if ((st = storage_check_name("collection", collection, err)) != LATHE_OK ||
        (st = storage_check_id("document id", id, err)) != LATHE_OK ||
        (st = pg_collection_find(s, collection, &c, err)) != LATHE_OK)
        return st;
    arg_int(&args, c->pk);
    arg_str(&args, id);
    st = pg_run(s, "SELECT rev, json FROM doc WHERE coll=$1 AND id=$2", &args, &s->last, err);
    if (st != LATHE_OK)
        return st;
    if (PQntuples(s->last) == 0)
        return storage_fail(err, LATHE_E_NOT_FOUND, "%s has no document %s", collection, id);
    snprintf(s->last_id, sizeof s->last_id, "%s", id);
    doc->id = s->last_id;
    doc->revision = (uint64_t)pg_int(s->last, 0, 0);
    doc->json = PQgetvalue(s->last, 0, 1);
    doc->json_len = (uint64_t)PQgetlength(s->last, 0, 1);
    return LATHE_OK;
}
