/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: series, retention, erasing. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/postgres/pg_storage.h"

#define SWEEP_US INT64_C(600000000)
#define IDLE_MS 1000u

struct pg_ts *pg_ts_find(const struct pg_storage *s, uint64_t series)
{
    return series < s->cap_ts && s->ts[series].exists ? &s->ts[series] : NULL;
}

static int32_t ts_add(struct pg_storage *s, uint64_t series, struct lathe_error *err)
{
    struct pg_ts *all;
    uint64_t cap = series * 2 + 64;

    if (series >= s->cap_ts) {
        if (series > UINT32_MAX || (all = realloc(s->ts, (size_t)cap * sizeof *all)) == NULL)
            return storage_fail(err, LATHE_E_NOMEM, "no memory for series");
        memset(all + s->cap_ts, 0, (size_t)(cap - s->cap_ts) * sizeof *all);
        s->ts = all;
        s->cap_ts = cap;
    }
    s->ts[series].exists = 1;
    s->ts[series].horizon_us = LATHE_TS_MIN_US;
    for (uint32_t i = 0; i <= TS_LEVELS; i++)
        s->ts[series].keep_us[i] = INT64_MAX;
    return LATHE_OK;
}

int32_t pg_ts_load(struct pg_storage *s, struct lathe_error *err)
{
    PGresult *res;
    int32_t st = pg_run(s, "SELECT id, horizon, keep0, keep1, keep2, keep3, keep4 FROM ts_series",
                        NULL, &res, err);

    if (st != LATHE_OK)
        return st;
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++) {
        uint64_t id = (uint64_t)pg_int(res, i, 0);

        if ((st = ts_add(s, id, err)) != LATHE_OK)
            break;
        s->ts[id].horizon_us = pg_int(res, i, 1);
        for (int k = 0; k <= (int)TS_LEVELS; k++)
            s->ts[id].keep_us[k] = pg_int(res, i, k + 2);
    }
    PQclear(res);
    return st;
}

static int32_t name_open(struct pg_storage *s, const char *name, uint64_t *id,
                         struct lathe_error *err)
{
    struct pg_args args = {0};
    PGresult *res;
    int32_t st = storage_check_id("series name", name, err);
    int found;

    if (st != LATHE_OK)
        return st;
    arg_str(&args, name);
    if ((st = pg_run(s, "SELECT id FROM ts_series WHERE name=$1", &args, &res, err)) != LATHE_OK)
        return st;
    found = PQntuples(res) > 0;
    if (found)
        *id = (uint64_t)pg_int(res, 0, 0);
    PQclear(res);
    if (found)
        return LATHE_OK;
    st = pg_run(s, "INSERT INTO ts_series(name) VALUES($1) RETURNING id", &args, &res, err);
    if (st != LATHE_OK)
        return st;
    *id = (uint64_t)pg_int(res, 0, 0);
    PQclear(res);
    return LATHE_OK;
}

static int32_t outside_group(const struct pg_storage *s, struct lathe_error *err)
{
    return s->in_group ? storage_fail(err, LATHE_E_CONFLICT, "not inside a group") : LATHE_OK;
}

static int32_t need(const struct pg_storage *s, uint64_t series, struct lathe_error *err)
{
    int32_t st = outside_group(s, err);

    if (st == LATHE_OK && pg_ts_find(s, series) == NULL)
        st = storage_fail(err, LATHE_E_NOT_FOUND, "there is no series %llu",
                          (unsigned long long)series);
    return st;
}

int32_t pg_ts_series_open(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                          struct lathe_error *err)
{
    struct pg_storage *s = self;
    int32_t st = outside_group(s, err);

    if (st != LATHE_OK)
        return st;
    if (n_names > LATHE_TS_NAMES_MAX)
        return storage_fail(err, LATHE_E_LIMIT, "at most %d names at a time", LATHE_TS_NAMES_MAX);
    if ((st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    for (uint32_t i = 0; i < n_names && st == LATHE_OK; i++)
        st = name_open(s, names[i], &ids[i], err);
    st = pg_write_end(s, st, err);
    for (uint32_t i = 0; i < n_names && st == LATHE_OK; i++)
        if (pg_ts_find(s, ids[i]) == NULL)
            st = ts_add(s, ids[i], err);
    return st;
}

int32_t pg_ts_series_remove(void *self, uint64_t series, struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct pg_args args = {0};
    int32_t st = need(s, series, err);

    if (st != LATHE_OK || (st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    arg_int(&args, (int64_t)series);
    st = pg_run(s, "DELETE FROM ts_series WHERE id=$1", &args, NULL, err);
    if (st == LATHE_OK)
        st = pg_run(s, "INSERT INTO ts_purge VALUES($1)", &args, NULL, err);
    if ((st = pg_write_end(s, st, err)) == LATHE_OK) {
        s->ts[series].exists = 0;
        s->swept_us = INT64_MIN; /* clear at once */
    }
    return st;
}

int32_t pg_ts_series_each(void *self, const char *prefix,
                          int32_t (*visit)(void *user, const char *name, uint64_t series),
                          void *user, struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct pg_args args = {0};
    PGresult *res;
    int32_t st = storage_check_id("series prefix", prefix, err);

    if (st != LATHE_OK)
        return st;
    arg_str(&args, prefix);
    st = pg_run(s, "SELECT name, id FROM ts_series WHERE starts_with(name, $1) ORDER BY name",
                &args, &res, err);
    if (st != LATHE_OK)
        return st;
    for (int i = 0; i < PQntuples(res) && st == LATHE_OK; i++)
        st = visit(user, PQgetvalue(res, i, 0), (uint64_t)pg_int(res, i, 1));
    PQclear(res);
    return st;
}

int32_t pg_ts_retain(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                     struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct pg_args args = {0};
    int64_t keep_us[TS_LEVELS + 1];
    int32_t st = outside_group(s, err);

    if (st != LATHE_OK || (st = ts_check_retention(retention, keep_us, err)) != LATHE_OK ||
        (st = need(s, series, err)) != LATHE_OK)
        return st;
    arg_int(&args, (int64_t)series);
    for (uint32_t i = 0; i <= TS_LEVELS; i++)
        arg_int(&args, keep_us[i]);
    st = pg_run(s,
                "UPDATE ts_series SET keep0=$2, keep1=$3, keep2=$4, keep3=$5, keep4=$6"
                " WHERE id=$1",
                &args, NULL, err);
    if (st == LATHE_OK) {
        memcpy(s->ts[series].keep_us, keep_us, sizeof keep_us);
        s->swept_us = INT64_MIN; /* look at once */
    }
    return st;
}

static int32_t cut_points(struct pg_storage *s, uint64_t series, int64_t first_us, int64_t end_us,
                          struct lathe_error *err)
{
    struct pg_args args = {0};

    arg_int(&args, (int64_t)series);
    arg_int(&args, first_us);
    arg_int(&args, end_us);
    return pg_run(s, "DELETE FROM sample WHERE series=$1 AND ts>=$2 AND ts<$3", &args, NULL, err);
}

static int32_t sink_drop(struct ts_sink *sink, uint32_t level, int64_t first_us, int64_t end_us,
                         struct lathe_error *err)
{
    struct pg_args args = {0};

    arg_int(&args, (int64_t)sink->series);
    arg_int(&args, ts_level_us(level) / 1000000);
    arg_int(&args, first_us / 1000000);
    arg_int(&args, end_us / 1000000);
    return pg_run(sink->self,
                  "DELETE FROM rollup WHERE series=$1 AND res=$2 AND bucket>=$3 AND bucket<$4",
                  &args, NULL, err);
}

/* The latest point after an erase; when it arrived is kept. */
static int32_t latest_correct(struct pg_storage *s, uint64_t series, struct lathe_error *err)
{
    struct pg_args args = {0};
    int32_t st;

    arg_int(&args, (int64_t)series);
    st = pg_run(s,
                "UPDATE state SET ts=l.ts, value=l.value, flags=l.flags FROM (SELECT ts, value,"
                " flags FROM sample WHERE series=$1 ORDER BY ts DESC LIMIT 1) l WHERE series=$1",
                &args, NULL, err);
    if (st != LATHE_OK)
        return st;
    return pg_run(s,
                  "DELETE FROM state WHERE series=$1 AND NOT EXISTS"
                  " (SELECT 1 FROM sample WHERE series=$1)",
                  &args, NULL, err);
}

/* Did the range hold the latest point? */
static int32_t latest_in(struct pg_storage *s, uint64_t series, int64_t first_us, int64_t end_us,
                         int *in, struct lathe_error *err)
{
    struct pg_args args = {0};
    PGresult *res;
    int32_t st;

    arg_int(&args, (int64_t)series);
    arg_int(&args, first_us);
    arg_int(&args, end_us);
    st = pg_run(s, "SELECT 1 FROM state WHERE series=$1 AND ts>=$2 AND ts<$3", &args, &res, err);
    if (st != LATHE_OK)
        return st;
    *in = PQntuples(res) > 0;
    PQclear(res);
    return LATHE_OK;
}

int32_t pg_ts_erase(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                    struct lathe_error *err)
{
    struct pg_storage *s = self;
    struct ts_sink sink = {s, series, NULL, pg_recompute};
    int in = 0;
    int32_t st = need(s, series, err);

    if (st != LATHE_OK ||
        (st = ts_check_erase(first_us, end_us, s->ts[series].horizon_us, err)) != LATHE_OK)
        return st;
    first_us = ts_clamp(first_us);
    end_us = ts_clamp(end_us);
    if (first_us >= end_us || (st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    if ((st = latest_in(s, series, first_us, end_us, &in, err)) == LATHE_OK &&
        (st = cut_points(s, series, first_us, end_us, err)) == LATHE_OK)
        st = ts_levels_erase(&sink, first_us, end_us, sink_drop, err);
    if (st == LATHE_OK && in)
        st = latest_correct(s, series, err);
    return pg_write_end(s, st, err);
}

static int32_t series_sweep(struct pg_storage *s, uint64_t series, int64_t now_us,
                            struct lathe_error *err)
{
    struct pg_ts *ts = &s->ts[series];
    struct ts_sink sink = {s, series, NULL, pg_recompute};
    struct pg_args args = {0};
    int64_t horizon = ts_horizon(now_us, ts->keep_us[0]);
    int32_t st;

    if (horizon < ts->horizon_us)
        horizon = ts->horizon_us;
    if ((st = pg_write_start(s, err)) != LATHE_OK)
        return st;
    arg_int(&args, (int64_t)series);
    arg_int(&args, horizon);
    if ((st = cut_points(s, series, LATHE_TS_MIN_US, horizon, err)) == LATHE_OK)
        st = pg_run(s, "UPDATE ts_series SET horizon=$2 WHERE id=$1", &args, NULL, err);
    for (uint32_t level = 0; level < TS_LEVELS && st == LATHE_OK; level++)
        if (ts->keep_us[level + 1] != INT64_MAX)
            st = sink_drop(&sink, level, LATHE_TS_MIN_US,
                           ts_horizon(now_us, ts->keep_us[level + 1]), err);
    if ((st = pg_write_end(s, st, err)) == LATHE_OK)
        ts->horizon_us = horizon;
    return st;
}

/* Everything that removed series left. */
static int32_t purge(struct pg_storage *s, struct lathe_error *err)
{
    static const char *const texts[] = {
        "DELETE FROM sample WHERE series IN (SELECT series FROM ts_purge)",
        "DELETE FROM rollup WHERE series IN (SELECT series FROM ts_purge)",
        "DELETE FROM state WHERE series IN (SELECT series FROM ts_purge)", "DELETE FROM ts_purge"};
    int32_t st = pg_write_start(s, err);

    if (st != LATHE_OK)
        return st;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && st == LATHE_OK; i++)
        st = pg_run(s, texts[i], NULL, NULL, err);
    return pg_write_end(s, st, err);
}

int32_t pg_ts_maintain(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err)
{
    struct pg_storage *s = self;
    int32_t st = outside_group(s, err);

    *wait_ms = IDLE_MS;
    if (st != LATHE_OK)
        return st;
    now_us = ts_clamp(now_us);
    if (s->sweep_at == 0) {
        if (s->swept_us >= LATHE_TS_MIN_US && now_us >= s->swept_us &&
            now_us - s->swept_us < SWEEP_US)
            return LATHE_OK;
        s->swept_us = now_us;
        s->sweep_at = 1;
        *wait_ms = 0;
        return purge(s, err);
    }
    for (int n = 0; n < 2000 && s->sweep_at < s->cap_ts; n++, s->sweep_at++) {
        const struct pg_ts *ts = &s->ts[s->sweep_at];
        int keeps = 1;

        for (uint32_t i = 0; i <= TS_LEVELS; i++)
            keeps &= ts->keep_us[i] == INT64_MAX;
        if (ts->exists && !keeps) {
            st = series_sweep(s, s->sweep_at++, now_us, err);
            break;
        }
    }
    if (s->sweep_at >= s->cap_ts)
        s->sweep_at = 0;
    else if (st == LATHE_OK)
        *wait_ms = 0;
    return st;
}

int32_t pg_ts_stats(void *self, struct lathe_ts_stats *out, struct lathe_error *err)
{
    struct pg_storage *s = self;
    PGresult *res;
    int32_t st = pg_run(s,
                        "SELECT (SELECT count(*) FROM ts_series), (SELECT count(*) FROM sample),"
                        " (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint"
                        "  FROM pg_class WHERE relkind='r'"
                        "  AND relnamespace=(SELECT oid FROM pg_namespace"
                        "  WHERE nspname=current_schema()))",
                        NULL, &res, err);

    if (st != LATHE_OK)
        return st;
    out->n_series = (uint64_t)pg_int(res, 0, 0);
    out->n_points = (uint64_t)pg_int(res, 0, 1);
    out->bytes = (uint64_t)pg_int(res, 0, 2);
    out->backlog = out->log_bytes = 0;
    PQclear(res);
    return LATHE_OK;
}
