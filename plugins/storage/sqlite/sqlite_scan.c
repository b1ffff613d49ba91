/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: one SELECT per shape of query, built from constant pieces; every value is bound. */

#include <stdio.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_storage.h"

#define PARAMS_MAX 24
#define TEXT_MAX 2048

struct param {
    enum { PARAM_INT, PARAM_NUM, PARAM_STR } kind;
    int64_t i;
    double num;
    const char *str;
};

/* A SELECT under construction. Parameters are numbered in the order they were added. */
struct select {
    char text[TEXT_MAX];
    size_t len;
    struct param params[PARAMS_MAX];
    int n_params;
};

struct scan {
    struct sql_storage *s;
    const struct lathe_storage_query *q;
    const struct sql_collection *c;
    const struct sql_index *ix;
    const struct sql_index *filters[4];
    struct storage_cursor cursor;
};

static void add(struct select *sel, const char *text)
{
    size_t len = strlen(text);

    if (sel->len + len < TEXT_MAX) {
        memcpy(sel->text + sel->len, text, len + 1);
        sel->len += len;
    }
}

static void add_param(struct select *sel, const struct param *p)
{
    if (sel->n_params < PARAMS_MAX) {
        sel->params[sel->n_params++] = *p;
        add(sel, "?");
    }
}

static void add_int(struct select *sel, int64_t i)
{
    add_param(sel, &(struct param){PARAM_INT, i, 0, NULL});
}

static void add_str(struct select *sel, const char *str)
{
    add_param(sel, &(struct param){PARAM_STR, 0, 0, str});
}

static void add_value(struct select *sel, uint32_t type, double num, const char *str)
{
    if (type == LATHE_INDEX_NUMBER)
        add_param(sel, &(struct param){PARAM_NUM, 0, num, NULL});
    else
        add_str(sel, str);
}

static int32_t index_need(const struct sql_collection *c, const char *field,
                          const struct sql_index **out, struct lathe_error *err)
{
    for (uint32_t i = 0; i < c->n_indexes; i++)
        if (strcmp(c->indexes[i].field, field) == 0) {
            *out = &c->indexes[i];
            return LATHE_OK;
        }
    return storage_fail(err, LATHE_E_NOT_FOUND, "%s has no index on %.64s", c->name, field);
}

static int32_t type_check(const struct sql_index *ix, const struct lathe_storage_value *v,
                          struct lathe_error *err)
{
    if (ix != NULL && v != NULL && v->type != ix->type)
        return storage_fail(err, LATHE_E_INVALID, "%s is indexed with another type", ix->field);
    return LATHE_OK;
}

static int32_t prepare(struct scan *sc, struct lathe_error *err)
{
    const struct lathe_storage_query *q = sc->q;
    int32_t st = sql_collection_find(sc->s, q->collection, &sc->c, err);

    if (st == LATHE_OK && q->index != NULL)
        st = index_need(sc->c, q->index, &sc->ix, err);
    if (st == LATHE_OK && (st = type_check(sc->ix, q->min, err)) == LATHE_OK)
        st = type_check(sc->ix, q->max, err);
    for (uint32_t i = 0; st == LATHE_OK && q->filters != NULL && q->filters[i] != NULL; i++) {
        st = index_need(sc->c, q->filters[i]->field, &sc->filters[i], err);
        if (st == LATHE_OK)
            st = type_check(sc->filters[i], q->filters[i]->value, err);
    }
    if (st == LATHE_OK && q->cursor != NULL)
        st = storage_cursor_read(q, sc->ix != NULL ? sc->ix->type : 0, &sc->cursor, err);
    return st;
}

static void add_bound(const struct scan *sc, struct select *sel,
                      const struct lathe_storage_value *v, const char *op)
{
    if (v == NULL)
        return;
    add(sel, sc->ix != NULL ? " AND e.val" : " AND d.id");
    add(sel, op);
    add_value(sel, v->type, v->num, v->str);
}

static void add_filters(const struct scan *sc, struct select *sel)
{
    for (uint32_t i = 0; sc->q->filters != NULL && sc->q->filters[i] != NULL; i++) {
        const struct lathe_storage_value *v = sc->q->filters[i]->value;

        add(sel, " AND EXISTS(SELECT 1 FROM entry f WHERE f.ix=");
        add_int(sel, sc->filters[i]->pk);
        add(sel, " AND f.val=");
        add_value(sel, v->type, v->num, v->str);
        add(sel, sc->ix != NULL ? " AND f.id=e.id)" : " AND f.id=d.id)");
    }
}

/* Everything that decides which documents match, without cursor and limit. */
static void add_where(const struct scan *sc, struct select *sel)
{
    const struct lathe_storage_query *q = sc->q;

    if (sc->ix != NULL) {
        add(sel, " WHERE e.ix=");
        add_int(sel, sc->ix->pk);
    } else {
        add(sel, " WHERE d.coll=");
        add_int(sel, sc->c->pk);
    }
    add_bound(sc, sel, q->min, q->flags & LATHE_SCAN_MIN_EXCLUDED ? ">" : ">=");
    add_bound(sc, sel, q->max, q->flags & LATHE_SCAN_MAX_EXCLUDED ? "<" : "<=");
    add_filters(sc, sel);
}

static void add_cursor(const struct scan *sc, struct select *sel)
{
    const char *op = sc->q->flags & LATHE_SCAN_DESC ? "<" : ">";

    if (sc->q->cursor == NULL)
        return;
    if (sc->ix == NULL) {
        add(sel, " AND d.id");
        add(sel, op);
        add_str(sel, sc->cursor.id);
        return;
    }
    add(sel, " AND (e.val, e.id)");
    add(sel, op);
    add(sel, "(");
    add_value(sel, sc->ix->type, sc->cursor.key.num, sc->cursor.key.str);
    add(sel, ",");
    add_str(sel, sc->cursor.id);
    add(sel, ")");
}

static void build_rows(const struct scan *sc, struct select *sel)
{
    int desc = (sc->q->flags & LATHE_SCAN_DESC) != 0;

    if (sc->ix != NULL) {
        add(sel, "SELECT e.id, d.rev, d.json, e.val FROM entry e CROSS JOIN doc d ON d.coll=");
        add_int(sel, sc->c->pk);
        add(sel, " AND d.id=e.id");
    } else {
        add(sel, "SELECT d.id, d.rev, d.json FROM doc d");
    }
    add_where(sc, sel);
    add_cursor(sc, sel);
    if (sc->ix != NULL)
        add(sel, desc ? " ORDER BY e.val DESC, e.id DESC" : " ORDER BY e.val, e.id");
    else
        add(sel, desc ? " ORDER BY d.id DESC" : " ORDER BY d.id");
    add(sel, " LIMIT ");
    add_int(sel, (int64_t)sc->q->limit + 1); /* one more tells whether there are more */
    add(sel, " OFFSET ");
    add_int(sel, sc->q->offset);
}

static int32_t select_open(struct scan *sc, const struct select *sel, sqlite3_stmt **out,
                           struct lathe_error *err)
{
    int32_t st;

    if (sel->len + 64 > TEXT_MAX || sel->n_params == PARAMS_MAX)
        return storage_fail(err, LATHE_E_INTERNAL, "a scan of %s is too long", sc->c->name);
    if ((st = sql_scan_stmt(sc->s, sel->text, out, err)) != LATHE_OK)
        return st;
    for (int i = 0; i < sel->n_params; i++) {
        const struct param *p = &sel->params[i];

        if (p->kind == PARAM_INT)
            sqlite3_bind_int64(*out, i + 1, p->i);
        else if (p->kind == PARAM_NUM)
            sqlite3_bind_double(*out, i + 1, p->num);
        else
            sql_bind_str(*out, i + 1, p->str);
    }
    return LATHE_OK;
}

static int32_t count(struct scan *sc, uint64_t *total, struct lathe_error *err)
{
    struct select sel = {.len = 0};
    sqlite3_stmt *stmt;
    int32_t st;
    int rc;

    add(&sel, sc->ix != NULL ? "SELECT count(*) FROM entry e" : "SELECT count(*) FROM doc d");
    add_where(sc, &sel);
    if ((st = select_open(sc, &sel, &stmt, err)) != LATHE_OK)
        return st;
    if ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *total = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        st = sql_fail(sc->s, rc, err, "count documents");
    sqlite3_reset(stmt);
    return st;
}

/* Hands one row over; keeps what a cursor needs in sc->cursor, whose bound use is over for this
 * row's statement only after the last step: so the key is copied into last. */
static int32_t row(const struct scan *sc, sqlite3_stmt *stmt, struct storage_cursor *last,
                   lathe_storage_visit visit, void *user)
{
    struct lathe_storage_doc doc = {.struct_size = sizeof doc};
    const char *text;

    doc.id = (const char *)sqlite3_column_text(stmt, 0);
    doc.revision = (uint64_t)sqlite3_column_int64(stmt, 1);
    doc.json = (const char *)sqlite3_column_text(stmt, 2);
    doc.json_len = (uint64_t)sqlite3_column_bytes(stmt, 2);
    if (doc.id == NULL || doc.json == NULL)
        return LATHE_E_NOMEM;
    snprintf(last->id, sizeof last->id, "%s", doc.id);
    if (sc->ix != NULL && sc->ix->type == LATHE_INDEX_NUMBER) {
        last->key.num = sqlite3_column_double(stmt, 3);
    } else if (sc->ix != NULL) {
        if ((text = (const char *)sqlite3_column_text(stmt, 3)) == NULL)
            return LATHE_E_NOMEM;
        snprintf(last->str, sizeof last->str, "%s", text);
        last->key.str = last->str;
    }
    return visit(user, &doc);
}

static int32_t rows(struct scan *sc, lathe_storage_visit visit, void *user,
                    struct lathe_storage_scan_result *result, struct lathe_error *err)
{
    struct select sel = {.len = 0};
    struct storage_cursor last;
    sqlite3_stmt *stmt;
    int32_t st;
    int rc = SQLITE_DONE;

    build_rows(sc, &sel);
    if ((st = select_open(sc, &sel, &stmt, err)) != LATHE_OK)
        return st;
    while (st == LATHE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (result->n_docs == sc->q->limit) {
            storage_cursor_write(sc->q, sc->ix != NULL ? sc->ix->type : 0, &last.key, last.id,
                                 result->cursor);
            break;
        }
        if ((st = row(sc, stmt, &last, visit, user)) == LATHE_OK)
            result->n_docs++;
        else
            storage_fail(err, st, "a scan of %s was ended by its reader", sc->c->name);
    }
    if (st == LATHE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        st = sql_fail(sc->s, rc, err, "scan documents");
    sqlite3_reset(stmt);
    return st;
}

int32_t sql_scan(void *self, const struct lathe_storage_query *query, lathe_storage_visit visit,
                 void *user, struct lathe_storage_scan_result *result, struct lathe_error *err)
{
    struct scan sc = {.s = self, .q = query};
    int32_t st = storage_check_query(query, err);

    if (st != LATHE_OK || (st = prepare(&sc, err)) != LATHE_OK)
        return st;
    result->n_docs = 0;
    result->total = 0;
    result->cursor[0] = 0;
    if (query->flags & LATHE_SCAN_COUNT)
        st = count(&sc, &result->total, err);
    if (st == LATHE_OK && query->limit > 0)
        st = rows(&sc, visit, user, result, err);
    return st;
}
