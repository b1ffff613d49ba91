/* Telemetry of a storage plugin, and a plain PostgreSQL table of readings in the same run:
 * bench_series PLUGIN_FILE DIRECTORY [SECONDS [HOURS]]. Prints durable ingest of 1,000 series in
 * batches of 5,000 points, then reads of 5 series at 1 Hz over HOURS (72), each with the rate or
 * the 99th percentile. The peer runs when LATHE_TEST_POSTGRES names a server (with_postgres.sh). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "lathe/plugin.h"
#include "lathe/storage.h"

#define SECOND INT64_C(1000000)
#define T0 INT64_C(1767571200000000) /* a full UTC day */
#define BATCH 5000
#define N_SERIES 1000
#define READS 200

struct bench {
    const struct lathe_storage *vtable;
    const struct lathe_storage_timeseries *ts;
    void *self;
    uint64_t ids[N_SERIES], days[5];
    struct lathe_ts_point points[BATCH];
};

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_series: %s failed\n", what);
        exit(1);
    }
}

static int64_t get_int(const struct lathe_params *params, const char *name)
{
    (void)params;
    if (strcmp(name, "merge_points") == 0)
        return 60000;
    if (strcmp(name, "max_backlog") == 0)
        return 2000000;
    return strcmp(name, "cache_mib") == 0 ? 16 : 30;
}

static const char *get_string(const struct lathe_params *params, const char *name)
{
    const char *info = getenv("LATHE_TEST_POSTGRES");

    (void)params;
    if (strcmp(name, "conninfo") == 0)
        return info != NULL ? info : "";
    return strcmp(name, "file") == 0         ? "lathe.db"
           : strcmp(name, "schema") == 0     ? "bench"
           : strcmp(name, "durability") == 0 ? "full"
                                             : "quick";
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double percentile(double *values, size_t n, double p)
{
    qsort(values, n, sizeof *values, compare);
    return values[(size_t)((double)(n - 1) * p)];
}

static void bench_open(struct bench *b, const char *path, const char *dir)
{
    const struct lathe_params params = {
        .struct_size = sizeof params, .get_int = get_int, .get_string = get_string};
    const struct lathe_storage_args args = {sizeof args, 0, NULL, &params, dir};
    struct lathe_error err = {0};
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct lathe_plugin *plugin = handle != NULL ? dlsym(handle, "lathe_plugin_v1") : NULL;

    need(plugin != NULL, path);
    b->vtable = plugin->components[0]->vtable;
    need(b->vtable->open(&args, &err, &b->self) == LATHE_OK, err.text);
    b->ts = b->vtable->extension(b->self, LATHE_STORAGE_TIMESERIES);
    for (int i = 0; i < N_SERIES + 5; i++) {
        char name[24];
        const char *names[] = {name};

        snprintf(name, sizeof name, i < N_SERIES ? "load/%d" : "days/%d", i);
        need(b->ts->series_open(b->self, names, 1,
                                i < N_SERIES ? &b->ids[i] : &b->days[i - N_SERIES],
                                NULL) == LATHE_OK,
             "series_open");
    }
}

static void ingest(struct bench *b, int64_t recv_us)
{
    const struct lathe_ts_batch batch = {sizeof batch, BATCH, recv_us, b->points};
    struct lathe_error err = {0};

    need(b->ts->ingest(b->self, &batch, NULL, &err) == LATHE_OK, err.text);
}

static void bench_ingest(struct bench *b, double seconds)
{
    double *acks = calloc(1000000, sizeof *acks), start = now_s(), end;
    struct lathe_ts_stats stats = {.struct_size = sizeof stats};
    uint32_t wait_ms = 0;
    size_t n = 0;

    need(acks != NULL, "memory");
    do {
        double before = now_s();

        for (int i = 0; i < BATCH; i++) {
            int64_t at = (int64_t)n * (BATCH / N_SERIES) + i / N_SERIES;

            b->points[i] = (struct lathe_ts_point){b->ids[i % N_SERIES], T0 + at * SECOND,
                                                   (double)(at % 97) * 0.25, 0, 0};
        }
        ingest(b, T0);
        need(b->ts->maintain(b->self, T0 + (int64_t)((now_s() - start) * 1e6), &wait_ms, NULL) ==
                 LATHE_OK,
             "maintain");
        end = now_s();
        acks[n++] = end - before; /* the next batch waits for the merge too */
    } while (end - start < seconds && n < 1000000);
    need(b->ts->stats(b->self, &stats, NULL) == LATHE_OK, "stats");
    printf("ingest, durable: %.0f points/s (target 100000), batch p50 %.1f ms p99 %.1f ms (target "
           "100), backlog at end %.0f (target 60000), %.1f bytes/point\n",
           (double)n * BATCH / (end - start), percentile(acks, n, 0.5) * 1e3,
           percentile(acks, n, 0.99) * 1e3, (double)stats.backlog,
           (double)stats.bytes / (double)(n * BATCH));
    free(acks);
}

static void fill_days(struct bench *b, int64_t n_seconds)
{
    uint32_t wait_ms;

    for (int s = 0; s < 5; s++)
        for (int64_t at = 0; at < n_seconds; at += BATCH) {
            for (int64_t i = 0; i < BATCH; i++)
                b->points[i] = (struct lathe_ts_point){b->days[s], T0 + (at + i) * SECOND,
                                                       (double)((at + i) % 997), 0, 0};
            ingest(b, T0);
            need(b->ts->maintain(b->self, T0, &wait_ms, NULL) == LATHE_OK, "maintain");
        }
    do
        need(b->ts->maintain(b->self, T0 + 86400 * SECOND, &wait_ms, NULL) == LATHE_OK, "maintain");
    while (wait_ms == 0);
}

static int32_t skip_points(void *user, const struct lathe_ts_point *points, uint32_t n)
{
    *(double *)user += points[n - 1].value;
    return LATHE_OK;
}

static int32_t skip_buckets(void *user, const struct lathe_ts_bucket *buckets, uint32_t n)
{
    *(double *)user += buckets[n - 1].avg;
    return LATHE_OK;
}

static void bench_read(struct bench *b, const char *what, struct lathe_ts_query q, int reads)
{
    double times[READS], sum = 0;
    struct lathe_ts_result result = {.struct_size = sizeof result};

    q.struct_size = sizeof q;
    for (int i = 0; i < reads; i++) {
        double start = now_s();

        q.series = b->days[i % 5];
        need((q.interval_us > 0
                  ? b->ts->buckets(b->self, &q, skip_buckets, &sum, &result, NULL)
                  : b->ts->points(b->self, &q, skip_points, &sum, &result, NULL)) == LATHE_OK,
             what);
        times[i] = now_s() - start;
    }
    printf("%s: p50 %.3f ms, p99 %.3f ms, %.0f rows of %.0f read, %.0f rows/s\n", what,
           percentile(times, (size_t)reads, 0.5) * 1e3,
           percentile(times, (size_t)reads, 0.99) * 1e3, (double)result.n, (double)result.n_read,
           (double)result.n / percentile(times, (size_t)reads, 0.5));
}

static void bench_reads(struct bench *b, int64_t n_seconds)
{
    struct lathe_ts_query q = {.first_us = T0 + (n_seconds - 86400) * SECOND,
                               .end_us = T0 + n_seconds * SECOND,
                               .interval_us = 3600 * SECOND,
                               .limit = 1000};

    bench_read(b, "24 h at 1h (target p99 5 ms with HTTP)", q, READS);
    q.interval_us = 60 * SECOND;
    bench_read(b, "24 h at 1m, first 1000 (target 10 ms)", q, READS);
    q.interval_us = 0;
    q.flags = LATHE_TS_COUNT;
    bench_read(b, "raw, first 1000 and count (target 10 ms)", q, READS);
    q.offset = 85000;
    bench_read(b, "raw, page 86 of 87 (target 40 ms)", q, READS);
    q.offset = 0;
    q.flags = 0;
    q.limit = 86400;
    bench_read(b, "raw, 24 h", q, 40);
}

static void sql(PGconn *db, const char *text, const char *what)
{
    PGresult *res = PQexec(db, text);
    ExecStatusType status = PQresultStatus(res);

    need(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN, what);
    PQclear(res);
}

static void peer_copy(PGconn *db, int64_t n)
{
    static char text[BATCH * 64];
    size_t len = 0;
    PGresult *res;

    for (int i = 0; i < BATCH; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%d\t%lld\t%.2f\n", i % N_SERIES,
                                (long long)(T0 + (n * (BATCH / N_SERIES) + i / N_SERIES) * SECOND),
                                (double)(i % 97) * 0.25);
    sql(db, "COPY readings FROM STDIN", "COPY");
    need(PQputCopyData(db, text, (int)len) == 1 && PQputCopyEnd(db, NULL) == 1, "COPY");
    while ((res = PQgetResult(db)) != NULL)
        PQclear(res);
}

static void peer_read(PGconn *db, const char *what, const char *text)
{
    double times[20];

    for (int i = 0; i < 20; i++) {
        double start = now_s();

        sql(db, text, what);
        times[i] = now_s() - start;
    }
    printf("PostgreSQL, %s: p50 %.3f ms, p99 %.3f ms\n", what, percentile(times, 20, 0.5) * 1e3,
           percentile(times, 20, 0.99) * 1e3);
}

static void peer(const char *conninfo, double seconds)
{
    PGconn *db = PQconnectdb(conninfo);
    double start, end;
    int64_t n = 0;

    need(PQstatus(db) == CONNECTION_OK, "connect to PostgreSQL");
    sql(db,
        "SET client_min_messages=error; DROP TABLE IF EXISTS readings;"
        "CREATE TABLE readings(series int NOT NULL, ts bigint NOT NULL, value float8 NOT NULL);"
        "CREATE INDEX ON readings(series, ts)",
        "create the table");
    start = now_s();
    do {
        peer_copy(db, n++);
        end = now_s();
    } while (end - start < seconds);
    printf("PostgreSQL, plain readings table, COPY of %d: %.0f points/s\n", BATCH,
           (double)n * BATCH / (end - start));
    sql(db,
        "INSERT INTO readings SELECT 5000, 1767571200000000 + i * 1000000::bigint, i % 997"
        " FROM generate_series(0, 86399) i; ANALYZE readings",
        "fill a day");
    peer_read(db, "24 h at 1h",
              "SELECT ts / 3600000000, avg(value), min(value), max(value), count(*)"
              " FROM readings WHERE series=5000 GROUP BY 1 ORDER BY 1");
    peer_read(db, "raw, 24 h", "SELECT ts, value FROM readings WHERE series=5000 ORDER BY ts");
    PQfinish(db);
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof *b);
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 5;
    int64_t hours = argc > 4 ? strtoll(argv[4], NULL, 10) : 72;
    const char *conninfo = getenv("LATHE_TEST_POSTGRES");

    if (argc < 3 || b == NULL || hours < 24)
        return 2;
    bench_open(b, argv[1], argv[2]);
    bench_ingest(b, seconds);
    fill_days(b, hours * 3600);
    bench_reads(b, hours * 3600);
    b->vtable->close(b->self);
    free(b);
    if (conninfo != NULL)
        peer(conninfo, seconds);
    return 0;
}
