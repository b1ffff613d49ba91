/* SPDX-License-Identifier: Apache-2.0 */
/* Statements, parameters and result codes. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

void arg_int(struct pg_args *a, int64_t value)
{
    snprintf(a->buf[a->n], sizeof a->buf[0], "%lld", (long long)value);
    a->v[a->n] = a->buf[a->n];
    a->n++;
}

void arg_num(struct pg_args *a, double value)
{
    snprintf(a->buf[a->n], sizeof a->buf[0], "%.17g", value);
    if (isnan(value))
        snprintf(a->buf[a->n], sizeof a->buf[0], "NaN");
    a->v[a->n] = a->buf[a->n];
    a->n++;
}

void arg_str(struct pg_args *a, const char *value)
{
    a->v[a->n++] = value;
}

static int32_t status_of(const char *state)
{
    if (state == NULL || strncmp(state, "08", 2) == 0 || strncmp(state, "57", 2) == 0 ||
        strncmp(state, "40", 2) == 0)
        return LATHE_E_UNAVAILABLE;
    if (strcmp(state, "53200") == 0)
        return LATHE_E_NOMEM;
    if (strcmp(state, "53100") == 0)
        return LATHE_E_LIMIT;
    if (strncmp(state, "58", 2) == 0 || strncmp(state, "53", 2) == 0)
        return LATHE_E_IO;
    return strncmp(state, "XX", 2) == 0 ? LATHE_E_CORRUPT : LATHE_E_INTERNAL;
}

int32_t pg_fail(struct pg_storage *s, const PGresult *res, struct lathe_error *err)
{
    const char *text = res != NULL ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *state = res != NULL ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;

    if (s->in_group)
        s->broken = 1;
    if (text == NULL)
        text = PQerrorMessage(s->db);
    return storage_fail(err, status_of(state), "PostgreSQL: %.200s", text);
}

static int32_t finish(struct pg_storage *s, PGresult *got, PGresult **res, struct lathe_error *err)
{
    ExecStatusType status = PQresultStatus(got);
    int32_t st = LATHE_OK;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN)
        st = pg_fail(s, got, err);
    if (st != LATHE_OK || res == NULL)
        PQclear(got);
    else
        *res = got;
    return st;
}

int32_t pg_run_once(struct pg_storage *s, const char *text, const struct pg_args *args,
                    PGresult **res, struct lathe_error *err)
{
    return finish(s,
                  PQexecParams(s->db, text, args != NULL ? args->n : 0, NULL,
                               args != NULL ? args->v : NULL, NULL, NULL, 0),
                  res, err);
}

/* A broken connection stays broken: lock, schema and temporary tables belong to the session. */
int32_t pg_run(struct pg_storage *s, const char *text, const struct pg_args *args, PGresult **res,
               struct lathe_error *err)
{
    char name[16];
    int at = 0;
    int32_t st;

    while (at < s->n_prepared && s->prepared[at] != text)
        at++;
    if (at == PG_PREPARED_MAX)
        return pg_run_once(s, text, args, res, err);
    snprintf(name, sizeof name, "s%d", at);
    if (at == s->n_prepared) {
        st = finish(s, PQprepare(s->db, name, text, 0, NULL), NULL, err);
        if (st != LATHE_OK)
            return st;
        s->prepared[s->n_prepared++] = text;
    }
    return finish(s,
                  PQexecPrepared(s->db, name, args != NULL ? args->n : 0,
                                 args != NULL ? args->v : NULL, NULL, NULL, 0),
                  res, err);
}

int64_t pg_int(const PGresult *res, int row, int column)
{
    return strtoll(PQgetvalue(res, row, column), NULL, 10);
}

double pg_num(const PGresult *res, int row, int column)
{
    return PQgetisnull(res, row, column) ? (double)NAN : strtod(PQgetvalue(res, row, column), NULL);
}
