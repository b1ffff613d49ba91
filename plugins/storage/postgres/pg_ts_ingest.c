/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: ingest. A batch is copied into a temporary table, then merged by a few statements:
 * new points are added to the rollups of their buckets; where a value changed, the bucket is
 * computed anew. All in one transaction, so no log is needed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

/* PostgreSQL refuses a sum beyond doubles: from 1e300 on it is NaN here, which gives no average. */
#define GOOD "(flags & 3 <> 2)"
#define POINT_AGGREGATES                                                                    \
    "count(*) FILTER (WHERE " GOOD ") AS n, count(*) FILTER (WHERE NOT " GOOD ") AS n_bad," \
    " CASE WHEN count(*) FILTER (WHERE " GOOD ")=1 THEN max(value) FILTER (WHERE " GOOD ")" \
    " WHEN max(abs(value)) FILTER (WHERE " GOOD ")>1e300 THEN 'NaN'::float8"                \
    " ELSE sum(value) FILTER (WHERE " GOOD " AND abs(value)<=1e300) END AS sum,"            \
    " min(value) FILTER (WHERE " GOOD ") AS mn, max(value) FILTER (WHERE " GOOD ") AS mx,"  \
    " (array_agg(value ORDER BY ts) FILTER (WHERE " GOOD "))[1] AS first,"                  \
    " min(ts) FILTER (WHERE " GOOD ") AS first_ts,"                                         \
    " (array_agg(value ORDER BY ts DESC) FILTER (WHERE " GOOD "))[1] AS last,"              \
    " max(ts) FILTER (WHERE " GOOD ") AS last_ts"

static const char insert_new[] =
    "WITH src AS (SELECT DISTINCT ON (series, ts) series, ts, value, flags FROM stage"
    " ORDER BY series, ts, ord DESC),"
    " ins AS (INSERT INTO sample SELECT * FROM src ON CONFLICT DO NOTHING"
    " RETURNING series, ts, value, flags),"
    " agg AS (SELECT series, res, floor(ts / (res * 1e6))::bigint * res AS "
    "bucket, " POINT_AGGREGATES " FROM ins, (VALUES (60::bigint), (300), (3600), (86400)) l(res)"
    " GROUP BY 1, 2, 3)"
    " INSERT INTO rollup AS r(series, res, bucket, n, n_bad, sum, mn, mx, first, first_ts, last,"
    " last_ts) SELECT * FROM agg ON CONFLICT(series, res, bucket) DO UPDATE SET"
    " n=r.n+excluded.n, n_bad=r.n_bad+excluded.n_bad,"
    " sum=CASE WHEN excluded.n=0 THEN r.sum WHEN r.n=0 THEN excluded.sum"
    " WHEN abs(r.sum)>1e300 OR abs(excluded.sum)>1e300 THEN 'NaN' ELSE r.sum+excluded.sum END,"
    " mn=least(r.mn, excluded.mn), mx=greatest(r.mx, excluded.mx),"
    " first=CASE WHEN excluded.n>0 AND (r.n=0 OR excluded.first_ts<r.first_ts)"
    " THEN excluded.first ELSE r.first END, first_ts=least(r.first_ts, excluded.first_ts),"
    " last=CASE WHEN excluded.n>0 AND (r.n=0 OR excluded.last_ts>r.last_ts)"
    " THEN excluded.last ELSE r.last END, last_ts=greatest(r.last_ts, excluded.last_ts)";

static const char change_old[] =
    "WITH src AS (SELECT DISTINCT ON (series, ts) series, ts, value, flags FROM stage"
    " ORDER BY series, ts, ord DESC),"
    " upd AS (UPDATE sample SET value=src.value, flags=src.flags FROM src"
    " WHERE sample.series=src.series AND sample.ts=src.ts"
    " AND (sample.value<>src.value OR sample.flags<>src.flags)"
    " RETURNING sample.series, sample.ts)"
    " INSERT INTO changed SELECT series, ts FROM upd";

static const char state_new[] =
    "INSERT INTO state AS s SELECT DISTINCT ON (series) series, ts, value, flags, $1::bigint"
    " FROM stage ORDER BY series, ts DESC, ord DESC ON CONFLICT(series) DO UPDATE SET"
    " recv=CASE WHEN excluded.ts>s.ts THEN excluded.recv ELSE s.recv END,"
    " ts=excluded.ts, value=excluded.value, flags=excluded.flags WHERE excluded.ts>=s.ts";

int32_t pg_recompute(struct ts_sink *sink, uint32_t level, int64_t start_us,
                     struct lathe_error *err)
{
    static const char from_points[] =
        "INSERT INTO rollup(series, res, bucket, n, n_bad, sum, mn, mx, first, first_ts, last,"
        " last_ts) SELECT $1::bigint, $2::bigint, $3::bigint, " POINT_AGGREGATES
        " FROM sample WHERE series=$1::bigint AND ts>=$3::bigint*1000000"
        " AND ts<($3::bigint+$2::bigint)*1000000 HAVING count(*)>0";
    static const char from_rollups[] =
        "INSERT INTO rollup(series, res, bucket, n, n_bad, sum, mn, mx, first, first_ts, last,"
        " last_ts) SELECT $1::bigint, $2::bigint, $3::bigint, sum(n), sum(n_bad),"
        " CASE WHEN count(*) FILTER (WHERE n>0)=1 THEN max(sum) FILTER (WHERE n>0)"
        " WHEN max(abs(sum)) FILTER (WHERE n>0)>1e300 THEN 'NaN'::float8"
        " ELSE sum(sum) FILTER (WHERE n>0 AND abs(sum)<=1e300) END, min(mn), max(mx),"
        " (array_agg(first ORDER BY first_ts) FILTER (WHERE n>0))[1], min(first_ts),"
        " (array_agg(last ORDER BY last_ts DESC) FILTER (WHERE n>0))[1], max(last_ts)"
        " FROM rollup WHERE series=$1::bigint AND res=$4::bigint AND bucket>=$3::bigint"
        " AND bucket<$3::bigint+$2::bigint HAVING count(*)>0";
    struct pg_args args = {0};
    int32_t st;

    arg_int(&args, (int64_t)sink->series);
    arg_int(&args, ts_level_us(level) / 1000000);
    arg_int(&args, start_us / 1000000);
    st = pg_run(sink->self, "DELETE FROM rollup WHERE series=$1 AND res=$2 AND bucket=$3", &args,
                NULL, err);
    if (st != LATHE_OK)
        return st;
    if (level == 0)
        return pg_run(sink->self, from_points, &args, NULL, err);
    arg_int(&args, ts_level_us(level - 1) / 1000000);
    return pg_run(sink->self, from_rollups, &args, NULL, err);
}

/* Buckets with changed points, level by level. */
static int32_t recompute_changed(struct pg_storage *s, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++) {
        struct pg_args args = {0};
        PGresult *res;

        arg_int(&args, ts_level_us(level));
        st = pg_run(s,
                    "SELECT DISTINCT series, floor(ts / $1::numeric)::bigint * $1::bigint"
                    " FROM changed",
                    &args, &res, err);
        if (st != LATHE_OK)
            return st;
        for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++) {
            struct ts_sink sink = {s, (uint64_t)pg_int(res, i, 0), NULL, pg_recompute};

            st = pg_recompute(&sink, level, pg_int(res, i, 1), err);
        }
        PQclear(res);
    }
    return st;
}

static void put(unsigned char **to, uint64_t value, int n)
{
    for (int i = n - 1; i >= 0; i--)
        *(*to)++ = (unsigned char)(value >> (8 * i));
}

/* The batch in COPY's binary format. */
static size_t pack(const struct lathe_ts_batch *batch, unsigned char *out)
{
    static const char header[19] = "PGCOPY\n\377\r\n";
    unsigned char *at = out;

    memcpy(at, header, sizeof header);
    at += sizeof header;
    for (uint32_t i = 0; i < batch->n_points; i++) {
        const struct lathe_ts_point *p = &batch->points[i];
        uint64_t bits;

        memcpy(&bits, &p->value, sizeof bits);
        put(&at, 5, 2);
        put(&at, 4, 4);
        put(&at, i, 4);
        put(&at, 8, 4);
        put(&at, p->series, 8);
        put(&at, 8, 4);
        put(&at, (uint64_t)p->ts_us, 8);
        put(&at, 8, 4);
        put(&at, bits, 8);
        put(&at, 4, 4);
        put(&at, p->flags, 4);
    }
    put(&at, 0xffff, 2);
    return (size_t)(at - out);
}

static int32_t copy(struct pg_storage *s, const struct lathe_ts_batch *batch,
                    struct lathe_error *err)
{
    unsigned char *data = malloc((size_t)batch->n_points * 64 + 64);
    PGresult *res;
    int32_t st;

    if (data == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for points");
    st = pg_run_once(s, "COPY stage FROM STDIN (FORMAT binary)", NULL, NULL, err);
    if (st != LATHE_OK)
        goto out;
    if (PQputCopyData(s->db, (const char *)data, (int)pack(batch, data)) != 1 ||
        PQputCopyEnd(s->db, NULL) != 1)
        st = pg_fail(s, NULL, err);
    while ((res = PQgetResult(s->db)) != NULL) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK && st == LATHE_OK)
            st = pg_fail(s, res, err);
        PQclear(res);
    }
out:
    free(data);
    return st;
}

static int32_t merge(struct pg_storage *s, const struct lathe_ts_batch *batch,
                     struct lathe_error *err)
{
    struct pg_args recv = {0};
    PGresult *res;
    int32_t st;
    int any;

    arg_int(&recv, ts_clamp(batch->recv_us));
    if ((st = pg_run(s, "TRUNCATE stage, changed", NULL, NULL, err)) != LATHE_OK ||
        (st = copy(s, batch, err)) != LATHE_OK ||
        (st = pg_run(s, change_old, NULL, &res, err)) != LATHE_OK)
        return st;
    any = strtol(PQcmdTuples(res), NULL, 10) > 0;
    PQclear(res);
    if ((st = pg_run(s, insert_new, NULL, NULL, err)) != LATHE_OK ||
        (any && (st = recompute_changed(s, err)) != LATHE_OK))
        return st;
    return pg_run(s, state_new, &recv, NULL, err);
}

static int32_t check_points(const struct pg_storage *s, const struct lathe_ts_batch *batch,
                            uint32_t *failed, struct lathe_error *err)
{
    for (uint32_t i = 0; i < batch->n_points; i++) {
        const struct lathe_ts_point *p = &batch->points[i];
        const struct pg_ts *ts = pg_ts_find(s, p->series);
        int32_t st = ts_check_point(p, err);

        if (st == LATHE_OK && ts == NULL)
            st = storage_fail(err, LATHE_E_INVALID, "there is no series %llu",
                              (unsigned long long)p->series);
        else if (st == LATHE_OK && p->ts_us < ts->horizon_us)
            st = storage_fail(err, LATHE_E_INVALID, "the point is older than what is kept");
        if (st != LATHE_OK) {
            if (failed != NULL)
                *failed = i;
            return st;
        }
    }
    return LATHE_OK;
}

int32_t pg_ts_ingest(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                     struct lathe_error *err)
{
    struct pg_storage *s = self;
    int32_t st = ts_check_batch(batch, err);

    if (st != LATHE_OK || (st = check_points(s, batch, failed_point, err)) != LATHE_OK ||
        batch->n_points == 0)
        return st;
    if ((st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    return pg_write_end(s, merge(s, batch, err), err);
}
