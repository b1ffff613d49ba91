/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: reads. What waits for the tables is brought there first, for the one series. */

#include <string.h>
#include <sys/stat.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

struct range {
    int64_t first_us, end_us;
    uint64_t offset;
};

static int32_t bind_open(struct sql_ts *ts, enum ts_sql id, uint64_t series, uint32_t level,
                         const struct range *r, sqlite3_stmt **out, struct lathe_error *err)
{
    int raw = level == TS_LEVELS, at = 1;
    int32_t st = ts_stmt(ts, id, out, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(*out, at++, (int64_t)series);
    if (!raw)
        sqlite3_bind_int64(*out, at++, ts_level_us(level) / 1000000);
    sqlite3_bind_int64(*out, at++, raw ? r->first_us : r->first_us / 1000000);
    sqlite3_bind_int64(*out, at++, raw ? r->end_us : r->end_us / 1000000);
    if (at <= sqlite3_bind_parameter_count(*out))
        sqlite3_bind_int64(*out, at, r->offset > INT64_MAX ? INT64_MAX : (int64_t)r->offset);
    return LATHE_OK;
}

static int32_t count(struct sql_ts *ts, enum ts_sql id, uint64_t series, uint32_t level,
                     const struct range *r, uint64_t *total, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = LATHE_OK;
    int rc;

    if (r->first_us >= r->end_us ||
        (st = bind_open(ts, id, series, level, r, &stmt, err)) != LATHE_OK)
        return st;
    if ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *total += (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        st = ts_fail(ts, ts->db, rc, err, "count");
    sqlite3_reset(stmt);
    return st;
}

/* Points in a range: whole hours from their rollups, the edges from the points. */
static int32_t count_points(struct sql_ts *ts, uint64_t series, const struct range *r,
                            uint64_t *total, struct lathe_error *err)
{
    int64_t hour = ts_level_us(2), low = ts_floor(r->first_us + hour - 1, hour, 0);
    int64_t high = ts_floor(r->end_us, hour, 0);
    int32_t st;

    if (low >= high)
        return count(ts, TS_SAMPLE_COUNT, series, TS_LEVELS, r, total, err);
    st = count(ts, TS_ROLLUP_SUM, series, 2, &(struct range){low, high, 0}, total, err);
    if (st == LATHE_OK)
        st = count(ts, TS_SAMPLE_COUNT, series, TS_LEVELS, &(struct range){r->first_us, low, 0},
                   total, err);
    if (st == LATHE_OK)
        st = count(ts, TS_SAMPLE_COUNT, series, TS_LEVELS, &(struct range){high, r->end_us, 0},
                   total, err);
    return st;
}

static void point_of(sqlite3_stmt *stmt, uint64_t series, struct lathe_ts_point *p)
{
    p->series = series;
    p->ts_us = sqlite3_column_int64(stmt, 0);
    p->value = sqlite3_column_double(stmt, 1);
    p->flags = (uint32_t)sqlite3_column_int(stmt, 2);
    p->reserved0 = 0;
}

static int32_t row_feed(struct ts_reader *reader, sqlite3_stmt *stmt, uint32_t level, int *stop)
{
    struct lathe_ts_point p;
    struct lathe_ts_bucket b;

    if (level < TS_LEVELS) {
        ts_rollup_row(stmt, &b);
        return ts_reader_bucket(reader, &b, stop);
    }
    point_of(stmt, reader->q->series, &p);
    if (reader->visit_points != NULL)
        return ts_reader_point(reader, &p, stop);
    ts_bucket_clear(&b, p.ts_us);
    ts_bucket_add_point(&b, &p);
    return ts_reader_bucket(reader, &b, stop);
}

static int32_t feed(struct sql_ts *ts, struct ts_reader *reader, uint32_t level,
                    const struct range *r, struct lathe_error *err)
{
    int desc = (reader->q->flags & LATHE_TS_DESC) != 0, stop = 0, rc = SQLITE_DONE;
    enum ts_sql id = level < TS_LEVELS ? (desc ? TS_ROLLUP_DOWN : TS_ROLLUP_UP)
                                       : (desc ? TS_SAMPLE_DOWN : TS_SAMPLE_UP);
    sqlite3_stmt *stmt;
    int32_t st = LATHE_OK;

    if (r->first_us >= r->end_us || (reader->q->limit == 0 && !reader->counting))
        return st;
    if ((st = bind_open(ts, id, reader->q->series, level, r, &stmt, err)) != LATHE_OK)
        return st;
    while (st == LATHE_OK && !stop && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        st = row_feed(reader, stmt, level, &stop);
    if (st == LATHE_OK && !stop && rc != SQLITE_DONE)
        st = ts_fail(ts, ts->db, rc, err, "read telemetry");
    sqlite3_reset(stmt);
    return st;
}

/* Counts and pages in the database where rows are what the reader hands over. */
static int32_t read_paged(struct sql_ts *ts, struct ts_reader *reader, uint32_t level,
                          const struct range *r, struct lathe_error *err)
{
    struct range page = *r;
    uint64_t total = 0, series = reader->q->series;
    int32_t st = LATHE_OK;

    if (reader->counting)
        st = level < TS_LEVELS ? count(ts, TS_ROLLUP_COUNT, series, level, r, &total, err)
                               : count_points(ts, series, r, &total, err);
    reader->counting = 0;
    reader->seen = page.offset = reader->q->offset;
    if (st == LATHE_OK)
        st = feed(ts, reader, level, &page, err);
    reader->result->total = total;
    return st;
}

static int32_t read_series(struct sql_ts *ts, struct ts_reader *reader, uint32_t level, int paged,
                           struct lathe_error *err)
{
    struct ts_series *series = ts_find(ts, reader->q->series);
    struct range r = {ts_clamp(reader->q->first_us), ts_clamp(reader->q->end_us), 0};
    int open = 0;
    int32_t st;

    if (series == NULL)
        return LATHE_OK;
    if (reader->visit_points == NULL) {
        r.first_us = ts_query_first(reader->q);
        r.end_us = ts_query_end(reader->q);
    }
    if (level == TS_LEVELS && r.first_us < series->latest.horizon_us)
        r.first_us = series->latest.horizon_us;
    if (r.first_us >= r.end_us || (st = ts_flush(ts, series, &open, err)) != LATHE_OK)
        return r.first_us >= r.end_us ? LATHE_OK : st;
    st = paged ? read_paged(ts, reader, level, &r, err) : feed(ts, reader, level, &r, err);
    if (open)
        (void)ts_run(ts, TS_ROLLBACK, NULL);
    return st;
}

int32_t sql_ts_points(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err)
{
    const struct sql_storage *s = self;
    struct ts_reader reader;
    int32_t st = ts_check_query(query, 0, err);

    if (st != LATHE_OK)
        return st;
    ts_reader_start(&reader, query, result, user);
    reader.visit_points = visit;
    if (s->ts != NULL && query->first_us < query->end_us)
        st = read_series(s->ts, &reader, TS_LEVELS, 1, err);
    return st == LATHE_OK ? ts_reader_finish(&reader) : st;
}

int32_t sql_ts_buckets(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                       void *user, struct lathe_ts_result *result, struct lathe_error *err)
{
    const struct sql_storage *s = self;
    struct ts_reader reader;
    uint32_t level;
    int32_t st = ts_check_query(query, 1, err);

    if (st != LATHE_OK)
        return st;
    ts_reader_start(&reader, query, result, user);
    reader.visit_buckets = visit;
    level = ts_query_level(query);
    if (s->ts != NULL && query->first_us < query->end_us)
        st = read_series(s->ts, &reader, level,
                         level < TS_LEVELS && query->interval_us == ts_level_us(level), err);
    return st == LATHE_OK ? ts_reader_finish(&reader) : st;
}

int32_t sql_ts_latest(void *self, const uint64_t *series, uint32_t n_series,
                      struct lathe_ts_latest *out, struct lathe_error *err)
{
    const struct sql_storage *s = self;

    (void)err;
    for (uint32_t i = 0; i < n_series; i++) {
        const struct ts_series *have = s->ts != NULL ? ts_find(s->ts, series[i]) : NULL;

        out[i] = have != NULL ? have->latest : (struct lathe_ts_latest){.series = series[i]};
    }
    return LATHE_OK;
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    char name[1024];
    struct stat info;

    sqlite3_snprintf(sizeof name, name, "%s%s", path, suffix);
    return stat(name, &info) == 0 ? (uint64_t)info.st_size : 0;
}

int32_t sql_ts_stats(void *self, struct lathe_ts_stats *out, struct lathe_error *err)
{
    const struct sql_storage *s = self;
    const struct sql_ts *ts = s->ts;

    (void)err;
    out->n_series = out->n_points = out->backlog = out->log_bytes = 0;
    out->bytes = file_bytes(s->path, "") + file_bytes(s->path, "-wal");
    if (ts == NULL)
        return LATHE_OK;
    out->n_series = ts->n_series;
    out->n_points = ts->n_points;
    out->backlog = ts_backlog(ts);
    out->log_bytes = file_bytes(ts->log_path, "") + file_bytes(ts->log_path, "-wal");
    out->bytes += out->log_bytes + file_bytes(ts->db_path, "") + file_bytes(ts->db_path, "-wal");
    return LATHE_OK;
}
