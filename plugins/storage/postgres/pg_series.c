/* SPDX-License-Identifier: Apache-2.0 */
/* Series of numbers, and the table of the extension. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

/* *pk is 0 when there is no such series. */
static int32_t series_find(struct pg_storage *s, const char *name, int make, int64_t *pk,
                           struct lathe_error *err)
{
    struct pg_args args = {0};
    PGresult *res;
    int32_t st = storage_check_id("series name", name, err);

    if (st != LATHE_OK)
        return st;
    arg_str(&args, name);
    if ((st = pg_run(s, "SELECT pk FROM series WHERE name=$1", &args, &res, err)) != LATHE_OK)
        return st;
    *pk = PQntuples(res) > 0 ? pg_int(res, 0, 0) : 0;
    PQclear(res);
    if (*pk != 0 || !make)
        return LATHE_OK;
    st = pg_run(s, "INSERT INTO series(name) VALUES($1) RETURNING pk", &args, &res, err);
    if (st != LATHE_OK)
        return st;
    *pk = pg_int(res, 0, 0);
    PQclear(res);
    return LATHE_OK;
}

#define ROWS_AT_ONCE 1000u

/* Points [first, first + n) of a chunk as two array literals. */
static char *arrays(const struct lathe_series_chunk *chunk, uint32_t first, uint32_t n,
                    char **values)
{
    size_t cap = (size_t)n * 28 + 4, a = 0, b = 0;
    char *steps = malloc(cap);

    if (steps == NULL || (*values = malloc(cap)) == NULL) {
        free(steps);
        return NULL;
    }
    for (uint32_t i = first; i < first + n; i++) {
        const struct lathe_series_point *p = &chunk->points[i];
        char sep = i == first ? '{' : ',';

        a += (size_t)snprintf(steps + a, cap - a, "%c%lld", sep, (long long)p->step);
        if (isnan(p->value))
            b += (size_t)snprintf(*values + b, cap - b, "%cNaN", sep);
        else
            b += (size_t)snprintf(*values + b, cap - b, "%c%.17g", sep, p->value);
    }
    memcpy(steps + a, "}", 2);
    memcpy(*values + b, "}", 2);
    return steps;
}

static int32_t chunk_write(struct pg_storage *s, const struct lathe_series_chunk *chunk,
                           struct lathe_error *err)
{
    int64_t pk = 0;
    int32_t st = series_find(s, chunk->series, 1, &pk, err);

    for (uint32_t i = 0; i < chunk->n_points && st == LATHE_OK; i += ROWS_AT_ONCE) {
        uint32_t left = chunk->n_points - i, n = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        char *values = NULL, *steps = arrays(chunk, i, n, &values);
        struct pg_args args = {0};

        if (steps == NULL)
            return storage_fail(err, LATHE_E_NOMEM, "no memory for points");
        arg_int(&args, pk);
        arg_str(&args, steps);
        arg_str(&args, values);
        st = pg_run(s,
                    "INSERT INTO point SELECT DISTINCT ON (step) $1::bigint, step, value"
                    " FROM unnest($2::bigint[], $3::float8[]) WITH ORDINALITY u(step, value, ord)"
                    " ORDER BY step, ord DESC"
                    " ON CONFLICT(series, step) DO UPDATE SET value=excluded.value",
                    &args, NULL, err);
        free(steps);
        free(values);
    }
    return st;
}

static int32_t series_append(void *self, const struct lathe_series_chunk *const *chunks,
                             uint32_t n_chunks, struct lathe_error *err)
{
    struct pg_storage *s = self;
    int32_t st = pg_write_start(s, err);

    if (st != LATHE_OK)
        return st;
    for (uint32_t i = 0; i < n_chunks && st == LATHE_OK; i++)
        st = chunk_write(s, chunks[i], err);
    return pg_write_end(s, st, err);
}

static int32_t series_read(void *self, const struct lathe_series_query *query,
                           lathe_series_visit visit, void *user, struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct pg_args args = {0};
    struct storage_thin thin;
    PGresult *res;
    int64_t pk = 0;
    int32_t st = series_find(s, query->series, 0, &pk, err);

    if (st != LATHE_OK || pk == 0)
        return st;
    arg_int(&args, pk);
    arg_int(&args, query->first);
    arg_int(&args, query->last);
    st = pg_run(s,
                "SELECT step, value FROM point WHERE series=$1 AND step BETWEEN $2 AND $3"
                " ORDER BY step",
                &args, &res, err);
    if (st != LATHE_OK)
        return st;
    storage_thin_start(&thin, (uint64_t)PQntuples(res), query->max_points, visit, user);
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++)
        st = storage_thin_add(&thin, pg_int(res, i, 0), pg_num(res, i, 1));
    PQclear(res);
    return st == LATHE_OK ? storage_thin_finish(&thin) : st;
}

static int32_t series_drop_after(void *self, const char *prefix, int64_t after,
                                 struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct pg_args args = {0};
    int32_t st = storage_check_id("series prefix", prefix, err);

    if (st != LATHE_OK || (st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    arg_str(&args, prefix);
    if (after == INT64_MIN) {
        st = pg_run(s,
                    "DELETE FROM point USING series WHERE point.series=series.pk"
                    " AND starts_with(series.name, $1)",
                    &args, NULL, err);
        if (st == LATHE_OK)
            st = pg_run(s, "DELETE FROM series WHERE starts_with(name, $1)", &args, NULL, err);
    } else {
        arg_int(&args, after);
        st = pg_run(s,
                    "DELETE FROM point USING series WHERE point.series=series.pk"
                    " AND starts_with(series.name, $1) AND point.step>$2",
                    &args, NULL, err);
    }
    return pg_write_end(s, st, err);
}

static int32_t series_list(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *series, uint64_t n_points),
                           void *user, struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct pg_args args = {0};
    PGresult *res;
    int32_t st = storage_check_id("series prefix", prefix, err);

    if (st != LATHE_OK)
        return st;
    arg_str(&args, prefix);
    st = pg_run(s,
                "SELECT name, count(*) FROM series JOIN point ON point.series=series.pk"
                " WHERE starts_with(name, $1) GROUP BY name ORDER BY name",
                &args, &res, err);
    if (st != LATHE_OK)
        return st;
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++)
        st = visit(user, PQgetvalue(res, i, 0), (uint64_t)pg_int(res, i, 1));
    PQclear(res);
    return st;
}

const struct lathe_storage_timeseries pg_timeseries = {
    .struct_size = sizeof(struct lathe_storage_timeseries),
    .append = series_append,
    .read = series_read,
    .drop_after = series_drop_after,
    .list = series_list,
    .series_open = pg_ts_series_open,
    .series_remove = pg_ts_series_remove,
    .series_each = pg_ts_series_each,
    .retain = pg_ts_retain,
    .ingest = pg_ts_ingest,
    .points = pg_ts_points,
    .buckets = pg_ts_buckets,
    .latest = pg_ts_latest,
    .erase = pg_ts_erase,
    .stats = pg_ts_stats,
    .maintain = pg_ts_maintain,
};
