/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: one SELECT per shape of query, built from constant pieces; every value is bound. */

#include <stdio.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

#define TEXT_MAX 2048

/* A SELECT under construction. Parameters are numbered in the order they were added. */
struct select {
    char text[TEXT_MAX];
    size_t len;
    struct pg_args args;
};

struct scan {
    struct pg_storage *s;
    const struct lathe_storage_query *q;
    const struct pg_collection *c;
    const struct pg_index *ix;
    const struct pg_index *filters[4];
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

static void add_mark(struct select *sel, const char *cast)
{
    char mark[24];

    snprintf(mark, sizeof mark, "$%d%s", sel->args.n, cast);
    add(sel, mark);
}

static void add_int(struct select *sel, int64_t i)
{
    if (sel->args.n < PG_ARGS_MAX) {
        arg_int(&sel->args, i);
        add_mark(sel, "::bigint");
    }
}

static void add_str(struct select *sel, const char *str)
{
    if (sel->args.n < PG_ARGS_MAX) {
        arg_str(&sel->args, str);
        add_mark(sel, "::text");
    }
}

static void add_value(struct select *sel, uint32_t type, double num, const char *str)
{
    if (type != LATHE_INDEX_NUMBER) {
        add_str(sel, str);
    } else if (sel->args.n < PG_ARGS_MAX) {
        arg_num(&sel->args, num);
        add_mark(sel, "::float8");
    }
}

/* The column that holds an index's values. */
static const char *column(const struct pg_index *ix)
{
    return ix->type == LATHE_INDEX_NUMBER ? "num" : "str";
}

static int32_t index_need(const struct pg_collection *c, const char *field,
                          const struct pg_index **out, struct lathe_error *err)
{
    for (uint32_t i = 0; i < c->n_indexes; i++)
        if (strcmp(c->indexes[i].field, field) == 0) {
            *out = &c->indexes[i];
            return LATHE_OK;
        }
    return storage_fail(err, LATHE_E_NOT_FOUND, "%s has no index on %.64s", c->name, field);
}

static int32_t type_check(const struct pg_index *ix, const struct lathe_storage_value *v,
                          struct lathe_error *err)
{
    if (ix != NULL && v != NULL && v->type != ix->type)
        return storage_fail(err, LATHE_E_INVALID, "%s is indexed with another type", ix->field);
    return LATHE_OK;
}

static int32_t prepare(struct scan *sc, struct lathe_error *err)
{
    const struct lathe_storage_query *q = sc->q;
    int32_t st = pg_collection_find(sc->s, q->collection, &sc->c, err);

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
    add(sel, sc->ix != NULL ? " AND e." : " AND d.id");
    if (sc->ix != NULL)
        add(sel, column(sc->ix));
    add(sel, op);
    add_value(sel, v->type, v->num, v->str);
}

static void add_filters(const struct scan *sc, struct select *sel)
{
    for (uint32_t i = 0; sc->q->filters != NULL && sc->q->filters[i] != NULL; i++) {
        const struct lathe_storage_value *v = sc->q->filters[i]->value;

        add(sel, " AND EXISTS(SELECT 1 FROM entry f WHERE f.ix=");
        add_int(sel, sc->filters[i]->pk);
        add(sel, " AND f.");
        add(sel, column(sc->filters[i]));
        add(sel, "=");
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
    add(sel, " AND (e.");
    add(sel, column(sc->ix));
    add(sel, ", e.id)");
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
        add(sel, "SELECT e.id, d.rev, d.json, e.");
        add(sel, column(sc->ix));
        add(sel, " FROM entry e JOIN doc d ON d.coll=");
        add_int(sel, sc->c->pk);
        add(sel, " AND d.id=e.id");
    } else {
        add(sel, "SELECT d.id, d.rev, d.json FROM doc d");
    }
    add_where(sc, sel);
    add_cursor(sc, sel);
    add(sel, " ORDER BY ");
    if (sc->ix != NULL) {
        add(sel, "e.");
        add(sel, column(sc->ix));
        add(sel, desc ? " DESC, e.id DESC" : ", e.id");
    } else {
        add(sel, desc ? "d.id DESC" : "d.id");
    }
    add(sel, " LIMIT ");
    add_int(sel, (int64_t)sc->q->limit + 1); /* one more tells whether there are more */
    add(sel, " OFFSET ");
    add_int(sel, sc->q->offset);
}

static int32_t select_run(struct scan *sc, const struct select *sel, PGresult **res,
                          struct lathe_error *err)
{
    if (sel->len + 64 > TEXT_MAX || sel->args.n == PG_ARGS_MAX)
        return storage_fail(err, LATHE_E_INTERNAL, "a scan of %s is too long", sc->c->name);
    return pg_run_once(sc->s, sel->text, &sel->args, res, err);
}

static int32_t count(struct scan *sc, uint64_t *total, struct lathe_error *err)
{
    struct select sel = {.len = 0};
    PGresult *res;
    int32_t st;

    add(&sel, sc->ix != NULL ? "SELECT count(*) FROM entry e" : "SELECT count(*) FROM doc d");
    add_where(sc, &sel);
    if ((st = select_run(sc, &sel, &res, err)) != LATHE_OK)
        return st;
    *total = (uint64_t)pg_int(res, 0, 0);
    PQclear(res);
    return LATHE_OK;
}

/* Hands row i over. */
static int32_t row(const PGresult *res, int i, lathe_storage_visit visit, void *user)
{
    const struct lathe_storage_doc doc = {.struct_size = sizeof doc,
                                          .id = PQgetvalue(res, i, 0),
                                          .revision = (uint64_t)pg_int(res, i, 1),
                                          .json = PQgetvalue(res, i, 2),
                                          .json_len = (uint64_t)PQgetlength(res, i, 2)};

    return visit(user, &doc);
}

static int32_t rows(struct scan *sc, lathe_storage_visit visit, void *user,
                    struct lathe_storage_scan_result *result, struct lathe_error *err)
{
    struct select sel = {.len = 0};
    uint32_t type = sc->ix != NULL ? sc->ix->type : 0;
    PGresult *res;
    int32_t st;

    build_rows(sc, &sel);
    if ((st = select_run(sc, &sel, &res, err)) != LATHE_OK)
        return st;
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK && result->n_docs < sc->q->limit; i++) {
        if ((st = row(res, i, visit, user)) == LATHE_OK)
            result->n_docs++;
        else
            storage_fail(err, st, "a scan of %s was ended by its reader", sc->c->name);
    }
    if (st == LATHE_OK && (uint32_t)PQntuples(res) > result->n_docs && result->n_docs > 0) {
        int last = (int)result->n_docs - 1;
        struct storage_key key = {0, NULL};

        if (sc->ix != NULL && type == LATHE_INDEX_NUMBER)
            key.num = pg_num(res, last, 3);
        else if (sc->ix != NULL)
            key.str = PQgetvalue(res, last, 3);
        storage_cursor_write(sc->q, type, &key, PQgetvalue(res, last, 0), result->cursor);
    }
    PQclear(res);
    return st;
}

int32_t pg_scan(void *self, const struct lathe_storage_query *query, lathe_storage_visit visit,
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
