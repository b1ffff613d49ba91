/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of telemetry, for every storage plugin that keeps it: argument 1 names the plugin.
 * Examples of each rule; telemetry_model.c compares random histories with a naive model. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/tests/test_telemetry.h"

static const char *plugin_name = "memory";

int telemetry_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_true(fixture_load(f, plugin_name));
    snprintf(f->dir, sizeof f->dir, "/tmp/lathe_ts_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->merge_points = 500;
    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    assert_true(LATHE_CAN(f->series, struct lathe_storage_timeseries, maintain));
    *state = f;
    return 0;
}

int telemetry_teardown(void **state)
{
    struct fixture *f = *state;
    char command[96];

    fixture_close(f);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static int32_t take_points(void *user, const struct lathe_ts_point *points, uint32_t n)
{
    struct telemetry_rows *out = user;

    for (uint32_t i = 0; i < n; i++) {
        assert_true(out->n < TELEMETRY_ROWS);
        out->points[out->n++] = points[i];
    }
    return LATHE_OK;
}

static int32_t take_buckets(void *user, const struct lathe_ts_bucket *buckets, uint32_t n)
{
    struct telemetry_rows *out = user;

    for (uint32_t i = 0; i < n; i++) {
        assert_true(out->n < TELEMETRY_ROWS);
        out->buckets[out->n++] = buckets[i];
    }
    return LATHE_OK;
}

void telemetry_points(struct fixture *f, const struct lathe_ts_query *q, struct telemetry_rows *out)
{
    struct lathe_error err = {0};

    out->n = 0;
    memset(&out->result, 0, sizeof out->result);
    out->result.struct_size = sizeof out->result;
    if (f->series->points(f->self, q, take_points, out, &out->result, &err) != LATHE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(out->n, out->result.n);
}

void telemetry_buckets(struct fixture *f, const struct lathe_ts_query *q,
                       struct telemetry_rows *out)
{
    struct lathe_error err = {0};

    out->n = 0;
    memset(&out->result, 0, sizeof out->result);
    out->result.struct_size = sizeof out->result;
    if (f->series->buckets(f->self, q, take_buckets, out, &out->result, &err) != LATHE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(out->n, out->result.n);
}

static struct lathe_ts_query all_of(uint64_t series)
{
    return (struct lathe_ts_query){.struct_size = sizeof(struct lathe_ts_query),
                                   .series = series,
                                   .first_us = LATHE_TS_MIN_US,
                                   .end_us = LATHE_TS_MAX_US,
                                   .limit = TELEMETRY_ROWS};
}

static struct telemetry_rows *rows_new(void)
{
    struct telemetry_rows *rows = calloc(1, sizeof *rows);

    assert_non_null(rows);
    return rows;
}

static void a_name_has_one_number_until_it_is_removed(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {"tank/level", "tank/flow", "tank/level"};
    const char *bad[] = {"fine", "bad\n"};
    uint64_t ids[3] = {0}, again;
    struct telemetry_rows *rows = rows_new();
    struct lathe_ts_query q;

    assert_int_equal(f->series->series_open(f->self, names, 3, ids, NULL), LATHE_OK);
    assert_true(ids[0] != 0 && ids[1] != 0 && ids[0] != ids[1]);
    assert_int_equal(ids[2], ids[0]);
    assert_int_equal(fixture_series(f, "tank/flow"), ids[1]);
    assert_int_equal(fixture_point(f, ids[0], T0, 1, 0), LATHE_OK);
    assert_int_equal(f->series->series_remove(f->self, ids[0], NULL), LATHE_OK);
    assert_int_equal(f->series->series_remove(f->self, ids[0], NULL), LATHE_E_NOT_FOUND);
    assert_int_equal(fixture_point(f, ids[0], T0, 1, 0), LATHE_E_INVALID);
    again = fixture_series(f, "tank/level");
    assert_true(again != ids[0] && again != ids[1] && again != 0);
    q = all_of(again);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    assert_int_equal(fixture_settle(f, T0), LATHE_OK);
    q = all_of(ids[0]);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    assert_int_equal(f->series->series_open(f->self, bad, 2, ids, NULL), LATHE_E_INVALID);
    free(rows);
}

static int32_t join_name(void *user, const char *name, uint64_t series)
{
    char *text = user;
    size_t len = strlen(text);

    assert_true(series != 0);
    snprintf(text + len, 100 - len, "%s ", name);
    return LATHE_OK;
}

static void series_are_listed_by_prefix(void **state)
{
    struct fixture *f = *state;
    char text[100] = "";

    assert_true(fixture_series(f, "b/1") != 0 && fixture_series(f, "a/2") != 0 &&
                fixture_series(f, "a/10") != 0 && fixture_series(f, "a_") != 0);
    assert_int_equal(f->series->series_each(f->self, "a/", join_name, text, NULL), LATHE_OK);
    assert_string_equal(text, "a/10 a/2 ");
}

static void points_come_in_order_in_pages_both_ways(void **state)
{
    struct fixture *f = *state;
    struct telemetry_rows *rows = rows_new();
    uint64_t id = fixture_series(f, "a");
    struct lathe_ts_query q = all_of(id);

    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_point(f, id, T0 + (i * 37 % 100) * SECOND, i * 37 % 100, 0),
                         LATHE_OK);
    q.limit = 30;
    q.flags = LATHE_TS_COUNT;
    q.first_us = T0 + 10 * SECOND;
    q.end_us = T0 + 90 * SECOND;
    for (int page = 0; page < 3; page++) {
        telemetry_points(f, &q, rows);
        assert_int_equal(rows->n, page < 2 ? 30 : 20);
        assert_int_equal(rows->result.total, 80 - page * 30);
        assert_int_equal(rows->result.flags, page < 2 ? LATHE_TS_MORE : 0);
        for (uint32_t i = 0; i < rows->n; i++) {
            assert_int_equal(rows->points[i].ts_us, T0 + (10 + page * 30 + (int)i) * SECOND);
            assert_true(rows->points[i].value == 10 + page * 30 + (int)i);
            assert_int_equal(rows->points[i].series, id);
        }
        q.first_us = rows->result.next_us;
    }
    q.flags = LATHE_TS_DESC;
    q.first_us = T0 + 10 * SECOND;
    q.offset = 5;
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->points[0].ts_us, T0 + 84 * SECOND);
    q.end_us = rows->result.next_us;
    q.offset = 0;
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->points[0].ts_us, T0 + 54 * SECOND);
    q.limit = 0;
    q.flags = LATHE_TS_COUNT;
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    assert_int_equal(rows->result.total, 45);
    free(rows);
}

static void minute(struct fixture *f, uint64_t id)
{
    for (int i = 0; i < 60; i++)
        assert_int_equal(fixture_point(f, id, T0 + i * SECOND, i, 0), LATHE_OK);
}

static void expect_bucket(struct fixture *f, uint64_t id, int64_t interval_s, double avg,
                          double max)
{
    struct telemetry_rows *rows = rows_new();
    struct lathe_ts_query q = all_of(id);

    q.interval_us = interval_s * SECOND;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 1);
    assert_int_equal(rows->buckets[0].n, 60);
    assert_true(fabs(rows->buckets[0].avg - avg) < 1e-9);
    assert_true(rows->buckets[0].min == 0);
    assert_true(rows->buckets[0].max == max);
    assert_true(rows->buckets[0].first == 0 && rows->buckets[0].first_us == T0);
    assert_true(rows->buckets[0].last == 59 && rows->buckets[0].last_us == T0 + 59 * SECOND);
    assert_int_equal(rows->buckets[0].start_us, T0 - T0 % (interval_s * SECOND));
    free(rows);
}

/* Resent and overwritten points, in every state of the merge. */
static void rollups_follow_resent_and_overwritten_points(void **state)
{
    static const int64_t levels[] = {60, 300, 900, 3600, 86400};
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");

    minute(f, id);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5; i++)
            expect_bucket(f, id, levels[i], 29.5, 59);
        if (round == 1)
            assert_int_equal(fixture_settle(f, T0 + 3600 * SECOND), LATHE_OK);
        minute(f, id);
    }
    assert_int_equal(fixture_point(f, id, T0 + 30 * SECOND, 1000, 0), LATHE_OK);
    for (size_t i = 0; i < 5; i++)
        expect_bucket(f, id, levels[i], (29.5 * 60 + 970) / 60, 1000);
    assert_int_equal(fixture_point(f, id, T0 + 30 * SECOND, 1000, 0), LATHE_OK);
    assert_int_equal(fixture_settle(f, T0 + 7200 * SECOND), LATHE_OK);
    for (size_t i = 0; i < 5; i++)
        expect_bucket(f, id, levels[i], (29.5 * 60 + 970) / 60, 1000);
}

static void a_bad_batch_stores_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    struct lathe_ts_query q = all_of(id);
    struct telemetry_rows *rows = rows_new();
    const struct lathe_ts_point bad[] = {
        {id, T0, (double)NAN, 0, 0},
        {id, T0, (double)INFINITY, 0, 0},
        {id + 77, T0, 1, 0, 0},
        {0, T0, 1, 0, 0},
        {id, LATHE_TS_MIN_US - 1, 1, 0, 0},
        {id, LATHE_TS_MAX_US + 1, 1, 0, 0},
        {id, T0, 1, 3, 0},
        {id, T0, 1, 16, 0},
        {id, T0, 0, LATHE_TS_GAP, 0},
        {id, T0, 2, LATHE_TS_BOOL, 0},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct lathe_ts_point points[] = {{id, T0 + 1, 1, 0, 0}, bad[i]};
        const struct lathe_ts_batch batch = {sizeof batch, 2, T0, points};
        uint32_t failed = 9;

        assert_int_equal(f->series->ingest(f->self, &batch, &failed, NULL), LATHE_E_INVALID);
        assert_int_equal(failed, 1);
    }
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    {
        struct lathe_ts_batch batch = {sizeof batch, LATHE_TS_BATCH_MAX + 1, T0, bad};

        assert_int_equal(f->series->ingest(f->self, &batch, NULL, NULL), LATHE_E_LIMIT);
        batch.n_points = 0;
        assert_int_equal(f->series->ingest(f->self, &batch, NULL, NULL), LATHE_OK);
    }
    free(rows);
}

static void bad_reads_are_refused(void **state)
{
    struct fixture *f = *state;
    struct lathe_ts_query q = all_of(fixture_series(f, "a"));
    struct lathe_ts_result result = {.struct_size = sizeof result};
    struct telemetry_rows *rows = rows_new();

    assert_int_equal(f->series->buckets(f->self, &q, take_buckets, rows, &result, NULL),
                     LATHE_E_INVALID); /* no interval */
    q.interval_us = -60;
    assert_int_equal(f->series->buckets(f->self, &q, take_buckets, rows, &result, NULL),
                     LATHE_E_INVALID);
    q.interval_us = 60 * SECOND;
    q.flags = 64;
    assert_int_equal(f->series->buckets(f->self, &q, take_buckets, rows, &result, NULL),
                     LATHE_E_INVALID);
    q.flags = 0;
    q.limit = LATHE_TS_READ_MAX + 1;
    assert_int_equal(f->series->points(f->self, &q, take_points, rows, &result, NULL),
                     LATHE_E_LIMIT);
    q = all_of(4711);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    q.first_us = T0;
    q.end_us = T0 - 1;
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    free(rows);
}

static void quality_decides_what_is_aggregated(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    struct lathe_ts_query q = all_of(id);
    struct telemetry_rows *rows = rows_new();

    assert_int_equal(fixture_point(f, id, T0, 100, LATHE_TS_BAD), LATHE_OK);
    assert_int_equal(fixture_point(f, id, T0 + 1, 0, LATHE_TS_BAD | LATHE_TS_GAP), LATHE_OK);
    q.interval_us = 60 * SECOND;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 1);
    assert_int_equal(rows->buckets[0].n, 0);
    assert_int_equal(rows->buckets[0].n_bad, 2);
    assert_true(isnan(rows->buckets[0].avg) && isnan(rows->buckets[0].min) &&
                isnan(rows->buckets[0].max) && isnan(rows->buckets[0].sum) &&
                isnan(rows->buckets[0].last));
    assert_int_equal(fixture_point(f, id, T0 + 2, 1, LATHE_TS_UNCERTAIN | LATHE_TS_BOOL), LATHE_OK);
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->buckets[0].n, 1);
    assert_int_equal(rows->buckets[0].n_bad, 2);
    assert_true(rows->buckets[0].min == 1 && rows->buckets[0].first_us == T0 + 2);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 3);
    assert_int_equal(rows->points[0].flags, LATHE_TS_BAD);
    assert_int_equal(rows->points[1].flags, LATHE_TS_BAD | LATHE_TS_GAP);
    assert_int_equal(rows->points[2].flags, LATHE_TS_UNCERTAIN | LATHE_TS_BOOL);
    free(rows);
}

static void a_sum_beyond_doubles_has_no_average(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    struct lathe_ts_query q = all_of(id);
    struct telemetry_rows *rows = rows_new();

    assert_int_equal(fixture_point(f, id, T0, 1.7e308, 0), LATHE_OK);
    assert_int_equal(fixture_point(f, id, T0 + 1, 1.7e308, 0), LATHE_OK);
    q.interval_us = 60 * SECOND;
    for (int i = 0; i < 2; i++) {
        telemetry_buckets(f, &q, rows);
        assert_int_equal(rows->buckets[0].n, 2);
        assert_true(isnan(rows->buckets[0].avg));
        assert_true(rows->buckets[0].max == 1.7e308);
        q.interval_us = 86400 * SECOND;
    }
    free(rows);
}

static void buckets_are_served_from_the_coarsest_level(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    struct lathe_ts_query q = all_of(id);
    struct telemetry_rows *rows = rows_new();
    struct lathe_ts_point *points = calloc(28800, sizeof *points);
    struct lathe_ts_batch batch = {sizeof batch, 28800, T0, points};
    int64_t day = T0 - T0 % (86400 * SECOND);

    for (int i = 0; i < 28800; i++) /* 48 h, every 6 s */
        points[i] = (struct lathe_ts_point){id, day + i * 6 * SECOND, i, 0, 0};
    assert_int_equal(f->series->ingest(f->self, &batch, NULL, NULL), LATHE_OK);
    assert_int_equal(fixture_settle(f, T0 + 1000 * 86400 * SECOND), LATHE_OK);
    q.interval_us = 3600 * SECOND;
    q.first_us = day + 1800 * SECOND; /* touches the first hour */
    q.end_us = day + 86400 * SECOND + 1;
    q.flags = LATHE_TS_COUNT;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 25);
    assert_int_equal(rows->result.total, 25);
    assert_true(rows->result.n_read <= 2 * 25 + 120);
    assert_int_equal(rows->buckets[0].start_us, day);
    assert_int_equal(rows->buckets[0].n, 600);
    q.interval_us = 86400 * SECOND; /* days of +02:00, from hours */
    q.origin_us = -7200 * SECOND;
    q.end_us = LATHE_TS_MAX_US;
    q.first_us = LATHE_TS_MIN_US;
    q.flags = LATHE_TS_DESC;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 3);
    assert_int_equal(rows->buckets[0].start_us, day + (48 - 2) * 3600 * SECOND);
    assert_int_equal(rows->buckets[0].n, 1200);
    assert_int_equal(rows->buckets[1].n, 14400);
    assert_int_equal(rows->buckets[2].n, 13200);
    assert_true(rows->buckets[2].first == 0 && rows->buckets[0].last == 28799);
    assert_true(rows->result.n_read <= 60);
    q = all_of(id);
    q.interval_us = 10 * SECOND; /* from points */
    q.limit = 4;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 4);
    assert_int_equal(rows->buckets[0].n, 2);
    assert_int_equal(rows->buckets[1].n, 2);
    assert_int_equal(rows->buckets[2].n, 1);
    assert_int_equal(rows->result.flags, LATHE_TS_MORE);
    assert_int_equal(rows->result.next_us, day + 40 * SECOND);
    q.interval_us = 900 * SECOND; /* from 5 minutes, in pages */
    q.offset = 3;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->buckets[0].start_us, day + 2700 * SECOND);
    assert_int_equal(rows->buckets[0].n, 150);
    assert_int_equal(rows->result.next_us, day + 7 * 900 * SECOND);
    q.flags = LATHE_TS_DESC;
    q.offset = 1;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->buckets[0].start_us, day + (2 * 86400 - 1800) * SECOND);
    assert_int_equal(rows->result.next_us, day + (2 * 86400 - 5 * 900) * SECOND);
    free(points);
    free(rows);
}

static void the_latest_point_is_the_one_with_the_greatest_time(void **state)
{
    struct fixture *f = *state;
    uint64_t ids[] = {fixture_series(f, "a"), fixture_series(f, "b"), 999};
    struct lathe_ts_latest out[3];
    const struct lathe_ts_point points[] = {{ids[0], T0 + 5, 5, 1, 0}, {ids[0], T0 + 3, 3, 0, 0}};
    struct lathe_ts_batch batch = {sizeof batch, 2, T0 + 100, points};

    assert_int_equal(f->series->ingest(f->self, &batch, NULL, NULL), LATHE_OK);
    batch.n_points = 1;
    batch.points = points + 1;
    batch.recv_us = T0 + 200;
    assert_int_equal(f->series->ingest(f->self, &batch, NULL, NULL), LATHE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(f->series->latest(f->self, ids, 3, out, NULL), LATHE_OK);
        assert_int_equal(out[0].has_point, 1);
        assert_int_equal(out[0].ts_us, T0 + 5);
        assert_int_equal(out[0].recv_us, T0 + 100);
        assert_int_equal(out[0].flags, 1);
        assert_int_equal(out[0].horizon_us, LATHE_TS_MIN_US);
        assert_true(out[0].value == 5);
        assert_int_equal(out[1].has_point, 0);
        assert_int_equal(out[1].series, ids[1]);
        assert_int_equal(out[2].has_point, 0);
        assert_int_equal(fixture_settle(f, T0 + 3600 * SECOND), LATHE_OK);
    }
    assert_int_equal(f->series->erase(f->self, ids[0], T0 + 4, T0 + 6, NULL), LATHE_OK);
    assert_int_equal(f->series->latest(f->self, ids, 1, out, NULL), LATHE_OK);
    assert_int_equal(out[0].ts_us, T0 + 3);
}

static void erasing_corrects_every_level(void **state)
{
    static const int64_t levels[] = {60, 300, 3600, 86400};
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a"), other = fixture_series(f, "b");
    struct telemetry_rows *rows = rows_new();
    struct lathe_ts_query q = all_of(id);

    for (int i = 0; i < 600; i++) {
        assert_int_equal(fixture_point(f, id, T0 + i * 10 * SECOND, i, 0), LATHE_OK);
        assert_int_equal(fixture_point(f, other, T0 + i * 10 * SECOND, i, 0), LATHE_OK);
    }
    assert_int_equal(f->series->erase(f->self, id, T0 + 95 * SECOND, T0 + 5555 * SECOND, NULL),
                     LATHE_OK);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 54);
    for (size_t i = 0; i < 4; i++) {
        uint64_t n = 0;
        double sum = 0;

        q.interval_us = levels[i] * SECOND;
        telemetry_buckets(f, &q, rows);
        for (uint32_t b = 0; b < rows->n; b++) {
            n += rows->buckets[b].n;
            sum += rows->buckets[b].sum;
        }
        assert_int_equal(n, 54);
        assert_true(sum == 45 + (556 + 599) * 44 / 2);
    }
    assert_int_equal(f->series->erase(f->self, id, LATHE_TS_MIN_US, LATHE_TS_MAX_US, NULL),
                     LATHE_OK);
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 0);
    q = all_of(other);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 600);
    assert_int_equal(f->series->erase(f->self, 999, T0, T0 + 1, NULL), LATHE_E_NOT_FOUND);
    free(rows);
}

static void retention_keeps_coarse_levels_as_they_are(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    const int64_t day = T0 - T0 % (86400 * SECOND);
    const struct lathe_ts_retention keep = {sizeof keep, 0, 86400, 2 * 86400, 4 * 86400, 0, 0};
    const struct lathe_ts_retention wrong = {sizeof wrong, 0, 0, 2 * 86400, 0, 0, 0};
    struct telemetry_rows *rows = rows_new(), *before = rows_new();
    struct lathe_ts_query q = all_of(id);
    struct lathe_ts_latest latest;

    assert_int_equal(f->series->retain(f->self, id, &wrong, NULL), LATHE_E_INVALID);
    assert_int_equal(f->series->retain(f->self, 999, &keep, NULL), LATHE_E_NOT_FOUND);
    assert_int_equal(f->series->retain(f->self, id, &keep, NULL), LATHE_OK);
    for (int i = 0; i < 500; i++)
        assert_int_equal(fixture_point(f, id, day + i * 100 * SECOND, i, 0), LATHE_OK);
    q.interval_us = 3600 * SECOND;
    telemetry_buckets(f, &q, before);
    assert_int_equal(fixture_settle(f, day + 3 * 86400 * SECOND + 5), LATHE_OK);
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, before->n);
    assert_memory_equal(rows->buckets, before->buckets, rows->n * sizeof rows->buckets[0]);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    q.interval_us = 60 * SECOND;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 0);
    q.interval_us = 300 * SECOND;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 167);
    assert_int_equal(f->series->latest(f->self, &id, 1, &latest, NULL), LATHE_OK);
    assert_int_equal(latest.horizon_us, day + 2 * 86400 * SECOND);
    assert_int_equal(latest.ts_us, day + 499 * 100 * SECOND);
    assert_int_equal(fixture_point(f, id, latest.horizon_us - 1, 1, 0), LATHE_E_INVALID);
    assert_int_equal(fixture_point(f, id, latest.horizon_us, 1, 0), LATHE_OK);
    assert_int_equal(f->series->erase(f->self, id, day + 5, day + 50, NULL), LATHE_E_INVALID);
    assert_int_equal(f->series->erase(f->self, id, day, day + 86400 * SECOND, NULL), LATHE_OK);
    q.interval_us = 86400 * SECOND;
    telemetry_buckets(f, &q, rows);
    assert_int_equal(rows->n, 1);
    assert_int_equal(rows->buckets[0].start_us, latest.horizon_us);
    free(rows);
    free(before);
}

static void points_of_a_group_come_with_its_commit(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    struct telemetry_rows *rows = rows_new();
    struct lathe_ts_query q = all_of(id);
    uint64_t other;

    assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
    assert_int_equal(fixture_point(f, id, T0, 1, 0), LATHE_OK);
    assert_int_equal(f->series->series_open(f->self, (const char *const[]){"x"}, 1, &other, NULL),
                     LATHE_E_CONFLICT);
    assert_int_equal(f->series->erase(f->self, id, 0, 1, NULL), LATHE_E_CONFLICT);
    assert_int_equal(fixture_settle(f, T0), LATHE_E_CONFLICT);
    f->vtable->rollback(f->self);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 0);
    assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
    assert_int_equal(fixture_point(f, id, T0, 2, 0), LATHE_OK);
    assert_int_equal(fixture_point(f, id + 9, T0, 2, 0), LATHE_E_INVALID);
    assert_int_equal(fixture_point(f, id, T0 + 1, 3, 0), LATHE_OK);
    assert_int_equal(f->vtable->commit(f->self, NULL), LATHE_OK);
    telemetry_points(f, &q, rows);
    assert_int_equal(rows->n, 2);
    assert_true(rows->points[0].value == 2);
    free(rows);
}

static void figures_tell_what_is_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_series(f, "a");
    struct lathe_ts_stats stats = {.struct_size = sizeof stats};

    minute(f, id);
    minute(f, id);
    assert_int_equal(fixture_settle(f, T0 + 86400 * SECOND), LATHE_OK);
    assert_int_equal(f->series->stats(f->self, &stats, NULL), LATHE_OK);
    assert_int_equal(stats.n_series, 1);
    assert_int_equal(stats.n_points, 60);
    assert_int_equal(stats.backlog, 0);
    assert_true(stats.bytes > 0);
}

static void everything_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct telemetry_rows *rows = rows_new();
    struct lathe_ts_latest latest;
    struct lathe_ts_query q;
    uint64_t id = fixture_series(f, "a");
    const struct lathe_ts_retention keep = {sizeof keep, 0, 86400, 86400, 0, 0, 0};

    if (!(f->vtable->flags & LATHE_STORAGE_DURABLE)) {
        free(rows);
        skip();
    }
    assert_int_equal(f->series->retain(f->self, id, &keep, NULL), LATHE_OK);
    assert_int_equal(fixture_point(f, id, T0, 9, 0), LATHE_OK);
    assert_int_equal(fixture_settle(f, T0 + 4 * 86400 * SECOND), LATHE_OK);
    q = all_of(id);
    minute(f, fixture_series(f, "b"));
    for (int i = 0; i < 2; i++) {
        fixture_close(f);
        assert_int_equal(fixture_open(f, NULL), LATHE_OK);
        assert_int_equal(fixture_series(f, "a"), id);
        expect_bucket(f, fixture_series(f, "b"), 3600, 29.5, 59);
        telemetry_points(f, &q, rows);
        assert_int_equal(rows->n, 0);
        assert_int_equal(f->series->latest(f->self, &id, 1, &latest, NULL), LATHE_OK);
        assert_int_equal(latest.has_point, 1);
        assert_true(latest.value == 9 && latest.ts_us == T0 && latest.recv_us == T0);
        assert_true(latest.horizon_us > T0);
        assert_int_equal(fixture_point(f, id, T0 + 1, 9, 0), LATHE_E_INVALID);
    }
    free(rows);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        plugin_name = argv[1];
#define T(name) cmocka_unit_test_setup_teardown(name, telemetry_setup, telemetry_teardown)
    const struct CMUnitTest tests[] = {
        T(a_name_has_one_number_until_it_is_removed),
        T(series_are_listed_by_prefix),
        T(points_come_in_order_in_pages_both_ways),
        T(rollups_follow_resent_and_overwritten_points),
        T(a_bad_batch_stores_nothing),
        T(bad_reads_are_refused),
        T(quality_decides_what_is_aggregated),
        T(a_sum_beyond_doubles_has_no_average),
        T(buckets_are_served_from_the_coarsest_level),
        T(the_latest_point_is_the_one_with_the_greatest_time),
        T(erasing_corrects_every_level),
        T(retention_keeps_coarse_levels_as_they_are),
        T(points_of_a_group_come_with_its_commit),
        T(figures_tell_what_is_kept),
        T(everything_is_there_after_a_restart),
        T(random_telemetry_agrees_with_the_model),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
