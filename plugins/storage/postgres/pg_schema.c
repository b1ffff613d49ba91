/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: one process at a time for each schema, created and brought up to date. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/storage/postgres/pg_storage.h"

#define VERSION_NOW 1
#define LOCK_TRIES 20 /* 0.1 s apart */

static const char tables[] =
    "CREATE TABLE meta(key text PRIMARY KEY, value bigint NOT NULL);"
    "INSERT INTO meta VALUES('next_revision', 1), ('version', 1);"
    "CREATE TABLE coll(pk bigserial PRIMARY KEY, name text COLLATE \"C\" NOT NULL UNIQUE);"
    "CREATE TABLE ix(pk bigserial PRIMARY KEY, coll bigint NOT NULL, field text NOT NULL,"
    " type int NOT NULL, UNIQUE(coll, field));"
    "CREATE TABLE doc(coll bigint NOT NULL, id text COLLATE \"C\" NOT NULL, rev bigint NOT NULL,"
    " json text NOT NULL, PRIMARY KEY(coll, id));"
    "CREATE TABLE entry(ix bigint NOT NULL, num float8, str text COLLATE \"C\","
    " id text COLLATE \"C\" NOT NULL);"
    "CREATE INDEX entry_num ON entry(ix, num, id) WHERE num IS NOT NULL;"
    "CREATE INDEX entry_str ON entry(ix, str, id) WHERE str IS NOT NULL;"
    "CREATE INDEX entry_doc ON entry(ix, id);"
    "CREATE TABLE counter(name text PRIMARY KEY, next bigint NOT NULL);"
    "CREATE TABLE series(pk bigserial PRIMARY KEY, name text COLLATE \"C\" NOT NULL UNIQUE);"
    "CREATE TABLE point(series bigint NOT NULL, step bigint NOT NULL, value float8 NOT NULL,"
    " PRIMARY KEY(series, step));"
    "CREATE TABLE ts_series(id bigserial PRIMARY KEY, name text COLLATE \"C\" NOT NULL UNIQUE,"
    " keep0 bigint NOT NULL DEFAULT 9223372036854775807,"
    " keep1 bigint NOT NULL DEFAULT 9223372036854775807,"
    " keep2 bigint NOT NULL DEFAULT 9223372036854775807,"
    " keep3 bigint NOT NULL DEFAULT 9223372036854775807,"
    " keep4 bigint NOT NULL DEFAULT 9223372036854775807,"
    " horizon bigint NOT NULL DEFAULT -62135596800000000);"
    "CREATE TABLE ts_purge(series bigint PRIMARY KEY);"
    "CREATE TABLE sample(series bigint NOT NULL, ts bigint NOT NULL, value float8 NOT NULL,"
    " flags int NOT NULL, PRIMARY KEY(series, ts));"
    "CREATE TABLE rollup(series bigint NOT NULL, res bigint NOT NULL, bucket bigint NOT NULL,"
    " n bigint NOT NULL, n_bad bigint NOT NULL, sum float8, mn float8, mx float8,"
    " first float8, first_ts bigint, last float8, last_ts bigint,"
    " PRIMARY KEY(series, res, bucket));"
    "CREATE TABLE state(series bigint PRIMARY KEY, ts bigint NOT NULL, value float8 NOT NULL,"
    " flags int NOT NULL, recv bigint NOT NULL);";

static int32_t exec(struct pg_storage *s, const char *text, struct lathe_error *err)
{
    PGresult *res = PQexec(s->db, text);
    int32_t st = LATHE_OK;

    if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
        st = pg_fail(s, res, err);
    PQclear(res);
    return st;
}

/* The name goes into statements: quoted, so any text will do. */
static int32_t schema_enter(struct pg_storage *s, const char *schema, struct lathe_error *err)
{
    char *quoted = PQescapeIdentifier(s->db, schema, strlen(schema)), *text = NULL;
    size_t len;
    int32_t st;

    if (quoted == NULL)
        return storage_fail(err, LATHE_E_INVALID, "option schema: not a name");
    len = strlen(quoted) * 2 + 96;
    if ((text = malloc(len)) != NULL)
        snprintf(text, len, "CREATE SCHEMA IF NOT EXISTS %s; SET search_path TO %s, pg_temp",
                 quoted, quoted);
    st = text != NULL ? exec(s, text, err) : storage_fail(err, LATHE_E_NOMEM, "no memory");
    PQfreemem(quoted);
    free(text);
    return st;
}

/* A server that ended a moment ago may still be seen: it is given some time. */
static int32_t lock(struct pg_storage *s, const char *schema, struct lathe_error *err)
{
    const struct timespec pause = {0, 100000000};
    struct pg_args args = {0};
    int taken = 0;

    arg_str(&args, schema);
    for (int i = 0; i < LOCK_TRIES && !taken; i++) {
        PGresult *res;
        int32_t st = pg_run(s, "SELECT pg_try_advisory_lock(hashtextextended('lathe/' || $1, 0))",
                            &args, &res, err);

        if (st != LATHE_OK)
            return st;
        taken = PQgetvalue(res, 0, 0)[0] == 't';
        PQclear(res);
        if (!taken)
            nanosleep(&pause, NULL);
    }
    return taken ? LATHE_OK
                 : storage_fail(err, LATHE_E_CONFLICT,
                                "schema %.80s is in use by another process; stop it or choose "
                                "another",
                                schema);
}

static int32_t migrate(struct pg_storage *s, const char *schema, struct lathe_error *err)
{
    PGresult *res;
    int64_t version = VERSION_NOW;
    int32_t st = pg_run(s, "SELECT to_regclass('meta') IS NULL", NULL, &res, err);
    int fresh;

    if (st != LATHE_OK)
        return st;
    fresh = PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    if (fresh) {
        if ((st = exec(s, "BEGIN", err)) == LATHE_OK && (st = exec(s, tables, err)) == LATHE_OK)
            return exec(s, "COMMIT", err);
        (void)exec(s, "ROLLBACK", NULL);
        return st;
    }
    if ((st = pg_run(s, "SELECT value FROM meta WHERE key='version'", NULL, &res, err)) != LATHE_OK)
        return st;
    if (PQntuples(res) == 1)
        version = pg_int(res, 0, 0);
    PQclear(res);
    if (version > VERSION_NOW)
        return storage_fail(err, LATHE_E_VERSION,
                            "schema %.80s has version %lld, this version knows %d: use a newer "
                            "Lathe",
                            schema, (long long)version, VERSION_NOW);
    return LATHE_OK;
}

static int32_t session(struct pg_storage *s, const char *schema, struct lathe_error *err)
{
    PGresult *res;
    int32_t st;

    if ((st = exec(s,
                   "SET client_min_messages=error; SET client_encoding='UTF8';"
                   "SET extra_float_digits=1; SET synchronous_commit=on",
                   err)) != LATHE_OK ||
        (st = lock(s, schema, err)) != LATHE_OK ||
        (st = schema_enter(s, schema, err)) != LATHE_OK ||
        (st = migrate(s, schema, err)) != LATHE_OK ||
        (st = exec(s,
                   "CREATE TEMP TABLE stage(ord int, series bigint, ts bigint, value float8,"
                   " flags int); CREATE TEMP TABLE changed(series bigint, ts bigint)",
                   err)) != LATHE_OK ||
        (st = pg_run(s, "SELECT value FROM meta WHERE key='next_revision'", NULL, &res, err)) !=
            LATHE_OK)
        return st;
    s->next_revision = s->saved_revision = (uint64_t)pg_int(res, 0, 0);
    PQclear(res);
    if ((st = pg_collections_load(s, err)) != LATHE_OK)
        return st;
    return pg_ts_load(s, err);
}

int32_t pg_open(const struct lathe_storage_args *args, struct lathe_error *err, void **self)
{
    const struct lathe_params *params = args->params;
    struct pg_storage *s = calloc(1, sizeof *s);
    int32_t st;

    if (s == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a storage");
    s->swept_us = INT64_MIN;
    s->db = PQconnectdb(params->get_string(params, "conninfo"));
    if (PQstatus(s->db) != CONNECTION_OK)
        st = storage_fail(err, LATHE_E_UNAVAILABLE, "connect to PostgreSQL: %.180s",
                          PQerrorMessage(s->db));
    else
        st = session(s, params->get_string(params, "schema"), err);
    if (st != LATHE_OK) {
        pg_close(s);
        return st;
    }
    *self = s;
    return LATHE_OK;
}

void pg_close(void *self)
{
    struct pg_storage *s = self;

    if (s == NULL)
        return;
    if (s->in_group)
        pg_rollback(s);
    PQclear(s->last);
    PQfinish(s->db);
    pg_collections_free(s);
    free(s->ts);
    free(s);
}
