/* SPDX-License-Identifier: Apache-2.0 */
/* What durable telemetry must stand: kill -9 under load; power cuts at any operation on any of the
 * files, with part of the unsynced writes lost, again during recovery; a full disk; files that do
 * not belong together. */

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "plugins/storage/tests/power_vfs.h"
#include "plugins/storage/tests/telemetry_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N_SERIES 4
#define N_SLOTS 700

struct slot {
    int acked; /* value is on disk */
    int maybe; /* `next` was sent; nobody knows. 2: in this batch */
    double value, next;
};

struct rig {
    struct fixture f;
    uint64_t ids[N_SERIES], rng;
    struct slot slots[N_SERIES][N_SLOTS];
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    const char *seed = getenv("LATHE_TEST_SEED");

    assert_non_null(r);
    assert_true(fixture_load(&r->f, "sqlite"));
    snprintf(r->f.dir, sizeof r->f.dir, "/tmp/lathe_tsd_XXXXXX");
    assert_non_null(mkdtemp(r->f.dir));
    r->f.merge_points = 150;
    r->rng = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    power_on(UINT64_MAX);
    *state = r;
    return 0;
}

static void clear_dir(struct rig *r)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s/*", r->f.dir);
    assert_int_equal(system(command), 0);
}

static int teardown(void **state)
{
    struct rig *r = *state;

    if (r->f.self != NULL)
        fixture_close(&r->f);
    power_on(UINT64_MAX);
    clear_dir(r);
    assert_int_equal(rmdir(r->f.dir), 0);
    free(r);
    return 0;
}

static uint64_t draw(struct rig *r, uint64_t below)
{
    uint64_t z = r->rng += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

struct reader {
    struct rig *r;
    int s;
    uint64_t n, last_second;
    double sum, v[N_SLOTS];
    int has[N_SLOTS];
};

static int32_t take_points(void *user, const struct lathe_ts_point *points, uint32_t n)
{
    struct reader *reader = user;

    for (uint32_t i = 0; i < n; i++) {
        int64_t at = (points[i].ts_us - T0) / SECOND;

        if (at < N_SLOTS) {
            assert_true(at >= 0 && !reader->has[at]);
            reader->has[at] = 1;
            reader->v[at] = points[i].value;
        }
        reader->sum += points[i].value;
        reader->last_second = (uint64_t)at;
        reader->n++;
    }
    return LATHE_OK;
}

struct totals {
    uint64_t n;
    double sum;
};

static int32_t take_buckets(void *user, const struct lathe_ts_bucket *buckets, uint32_t n)
{
    struct totals *t = user;

    for (uint32_t i = 0; i < n; i++) {
        t->n += buckets[i].n;
        t->sum += buckets[i].n > 0 ? buckets[i].sum : 0;
    }
    return LATHE_OK;
}

/* Every level holds exactly the points that can be read. */
static void levels_match(struct fixture *f, uint64_t id, const struct reader *reader)
{
    static const int64_t levels[] = {60, 300, 3600, 86400};
    struct lathe_ts_query q = {.struct_size = sizeof q,
                               .series = id,
                               .first_us = LATHE_TS_MIN_US,
                               .end_us = LATHE_TS_MAX_US,
                               .limit = LATHE_TS_READ_MAX};
    struct lathe_ts_result result = {.struct_size = sizeof result};
    struct lathe_error err = {0};

    for (size_t i = 0; i < 4; i++) {
        struct totals t = {0, 0};

        q.interval_us = levels[i] * SECOND;
        if (f->series->buckets(f->self, &q, take_buckets, &t, &result, &err) != LATHE_OK)
            fail_msg("%s", err.text);
        if (t.n != reader->n || fabs(t.sum - reader->sum) > 1e-6)
            fail_msg("level %d: %d points of sum %.17g, read were %d of sum %.17g", (int)levels[i],
                     (int)t.n, t.sum, (int)reader->n, reader->sum);
    }
}

static void read_all(struct fixture *f, uint64_t id, struct reader *reader)
{
    struct lathe_ts_query q = {.struct_size = sizeof q,
                               .series = id,
                               .first_us = LATHE_TS_MIN_US,
                               .end_us = LATHE_TS_MAX_US,
                               .limit = LATHE_TS_READ_MAX};
    struct lathe_ts_result result = {.struct_size = sizeof result};
    struct lathe_error err = {0};

    if (f->series->points(f->self, &q, take_points, reader, &result, &err) != LATHE_OK)
        fail_msg("%s", err.text);
}

/* Reads back every series; what is there becomes the acknowledged state. */
static void verify(struct rig *r)
{
    for (int s = 0; s < N_SERIES; s++) {
        struct reader reader = {.r = r, .s = s};

        if (r->ids[s] == 0)
            continue;
        read_all(&r->f, r->ids[s], &reader);
        for (int i = 0; i < N_SLOTS; i++) {
            struct slot *slot = &r->slots[s][i];

            if (slot->acked && !slot->maybe && !(reader.has[i] && reader.v[i] == slot->value))
                fail_msg("series %d, second %d: acknowledged %g is not there", s, i, slot->value);
            if (slot->acked && !reader.has[i])
                fail_msg("series %d, second %d: an acknowledged point is gone", s, i);
            if (reader.has[i] && !(slot->acked && reader.v[i] == slot->value) &&
                !(slot->maybe && reader.v[i] == slot->next))
                fail_msg("series %d, second %d: %g was never sent", s, i, reader.v[i]);
            slot->acked = reader.has[i];
            slot->value = reader.v[i];
            slot->maybe = 0;
        }
        levels_match(&r->f, r->ids[s], &reader);
    }
}

static int32_t ingest_some(struct rig *r)
{
    static struct lathe_ts_point points[120];
    struct lathe_ts_batch batch = {sizeof batch, 1 + (uint32_t)draw(r, 120), T0, points};
    struct lathe_error err = {0};
    int32_t st;

    for (uint32_t i = 0; i < batch.n_points; i++) {
        uint64_t s = draw(r, N_SERIES), at = draw(r, N_SLOTS);
        struct slot *slot = &r->slots[s][at];
        double value = slot->maybe ? slot->next : (double)draw(r, 5);

        slot->maybe = 2;
        slot->next = value;
        points[i] = (struct lathe_ts_point){r->ids[s], T0 + (int64_t)at * SECOND, value, 0, 0};
    }
    st = r->f.series->ingest(r->f.self, &batch, NULL, &err);
    for (int s = 0; s < N_SERIES; s++)
        for (int i = 0; i < N_SLOTS; i++) {
            struct slot *slot = &r->slots[s][i];

            if (slot->maybe == 2 && st == LATHE_OK)
                *slot = (struct slot){1, 0, slot->next, 0};
            else if (slot->maybe == 2)
                slot->maybe = 1;
        }
    return st;
}

static int32_t open_rig(struct rig *r)
{
    int32_t st = fixture_open(&r->f, NULL);

    for (int s = 0; s < N_SERIES && st == LATHE_OK; s++) {
        char name[8];
        uint64_t id;
        const char *names[] = {name};

        snprintf(name, sizeof name, "s%d", s);
        st = r->f.series->series_open(r->f.self, names, 1, &id, NULL);
        if (st != LATHE_OK)
            break;
        assert_true(r->ids[s] == 0 || r->ids[s] == id);
        r->ids[s] = id;
    }
    return st;
}

/* Works until the power goes, or for n_steps. */
static void work(struct rig *r, int n_steps)
{
    int64_t now = T0;
    int32_t st = open_rig(r);

    for (int i = 0; i < n_steps && st == LATHE_OK && !power_is_off(); i++) {
        uint32_t wait_ms;

        st = ingest_some(r);
        now += 2 * SECOND;
        for (int k = 0; k < 3 && st == LATHE_OK; k++)
            st = r->f.series->maintain(r->f.self, now, &wait_ms, NULL);
        if (i % 7 == 3 && st == LATHE_OK) { /* a read merges one series out of turn */
            struct reader reader = {.r = r};

            if (!power_is_off())
                st = r->f.series->points(
                    r->f.self,
                    &(struct lathe_ts_query){.struct_size = sizeof(struct lathe_ts_query),
                                             .series = r->ids[0],
                                             .first_us = T0,
                                             .end_us = T0 + 1000 * SECOND,
                                             .limit = 10000},
                    take_points, &reader,
                    &(struct lathe_ts_result){.struct_size = sizeof(struct lathe_ts_result)}, NULL);
        }
    }
    if (r->f.self != NULL)
        fixture_close(&r->f);
}

static void forget(struct rig *r)
{
    clear_dir(r);
    memset(r->ids, 0, sizeof r->ids);
    memset(r->slots, 0, sizeof r->slots);
}

static void power_cuts_lose_nothing_acknowledged(void **state)
{
    struct rig *r = *state;
    uint64_t total;

    printf("LATHE_TEST_SEED=%" PRIu64 "\n", r->rng);
    work(r, 24);
    total = power_ops();
    assert_true(total > 100);
    for (int trial = 0; trial < 120; trial++) {
        int cuts = 1 + (int)draw(r, 3);

        forget(r);
        for (int cut = 0; cut < cuts; cut++) {
            power_on(cut == 0 ? draw(r, total) : draw(r, 120));
            work(r, 24);
            assert_true(power_restore(r->f.dir, draw(r, UINT64_MAX)));
        }
        power_on(UINT64_MAX);
        assert_int_equal(open_rig(r), LATHE_OK);
        verify(r);
        assert_int_equal(ingest_some(r), LATHE_OK);
        assert_int_equal(fixture_settle(&r->f, T0 + 1000 * SECOND), LATHE_OK);
        verify(r);
        fixture_close(&r->f);
    }
}

static void a_full_disk_refuses_before_it_acknowledges(void **state)
{
    struct rig *r = *state;
    struct lathe_error err = {0};

    for (int trial = 0; trial < 12; trial++) {
        int32_t st = LATHE_OK;

        forget(r);
        power_on(UINT64_MAX);
        assert_int_equal(open_rig(r), LATHE_OK);
        for (int i = 0; i < trial; i++) {
            uint32_t wait_ms;

            assert_int_equal(ingest_some(r), LATHE_OK);
            if (trial % 3 == 0)
                assert_int_equal(r->f.series->maintain(r->f.self, T0 + i * SECOND, &wait_ms, NULL),
                                 LATHE_OK);
        }
        power_set_full(1);
        for (int i = 0; i < 200 && st == LATHE_OK; i++)
            st = ingest_some(r);
        assert_int_equal(st, LATHE_E_LIMIT);
        verify(r); /* reads go on, of merged and of pending points */
        {
            const struct lathe_ts_point p = {r->ids[0], T0, 1, 0, 0};
            const struct lathe_ts_batch batch = {sizeof batch, 1, T0, &p};

            assert_int_equal(r->f.vtable->begin(r->f.self, NULL), LATHE_OK);
            st = r->f.series->ingest(r->f.self, &batch, NULL, &err);
            if (st == LATHE_OK)
                st = r->f.vtable->commit(r->f.self, &err);
            else
                r->f.vtable->rollback(r->f.self);
            assert_int_equal(st, LATHE_E_LIMIT);
        }
        power_set_full(0);
        assert_int_equal(ingest_some(r), LATHE_OK);
        verify(r);
        assert_int_equal(fixture_settle(&r->f, T0 + 1000 * SECOND), LATHE_OK);
        fixture_close(&r->f);
        assert_int_equal(open_rig(r), LATHE_OK);
        verify(r);
        fixture_close(&r->f);
    }
}

static void a_real_size_limit_is_a_full_disk_too(void **state)
{
    struct rig *r = *state;
    struct rlimit old, small;
    int32_t st = LATHE_OK;

    assert_int_equal(open_rig(r), LATHE_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 200000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 2000 && st == LATHE_OK; i++)
        st = ingest_some(r);
    verify(r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(st, LATHE_E_LIMIT);
    assert_int_equal(ingest_some(r), LATHE_OK);
    verify(r);
}

/* Starts the writer at batch `first`, kills it after a while; returns the last acknowledged one. */
static int64_t run_and_kill(const struct fixture *f, int64_t first, int n_lines)
{
    int fds[2], status;
    int64_t last = first - 1;
    char line[64], number[24];
    FILE *in;
    pid_t pid;

    snprintf(number, sizeof number, "%" PRId64, first);
    assert_int_equal(pipe(fds), 0);
    if ((pid = fork()) == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        execl(LATHE_BINARY_DIR "/tests/telemetry_writer", "telemetry_writer", "sqlite", f->dir,
              number, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    in = fdopen(fds[0], "r");
    assert_non_null(in);
    for (int i = 0; i < n_lines && fgets(line, sizeof line, in) != NULL; i++)
        last = strtoll(line, NULL, 10);
    kill(pid, SIGKILL);
    while (fgets(line, sizeof line, in) != NULL)
        if (strchr(line, '\n') != NULL)
            last = strtoll(line, NULL, 10);
    fclose(in);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void kill_9_under_load_loses_and_doubles_nothing(void **state)
{
    struct rig *r = *state;
    int64_t acked = -1;

    for (int round = 0; round < 20; round++) {
        int64_t now = run_and_kill(&r->f, acked + 1, 10 + round * 7);

        assert_true(now > acked);
        acked = now;
        assert_int_equal(fixture_open(&r->f, NULL), LATHE_OK);
        for (int s = 0; s < TELEMETRY_SERIES; s++) {
            struct reader reader = {.r = r};
            char name[16];

            snprintf(name, sizeof name, "s%d", s);
            read_all(&r->f, fixture_series(&r->f, name), &reader);
            assert_true(reader.last_second >= (uint64_t)acked);
            assert_int_equal(reader.n, reader.last_second + 1); /* none is missing */
            levels_match(&r->f, fixture_series(&r->f, name), &reader);
        }
        fixture_close(&r->f);
    }
}

static void files_that_do_not_belong_together_are_refused(void **state)
{
    struct rig *r = *state;
    struct lathe_error err = {0};
    char path[128];

    work(r, 24);
    snprintf(path, sizeof path, "%s/lathe.db-telemetry", r->f.dir);
    assert_int_equal(unlink(path), 0);
    power_on(UINT64_MAX);
    assert_int_equal(fixture_open(&r->f, &err), LATHE_E_CORRUPT);
    if (strstr(err.text, "restore") == NULL)
        fail_msg("\"%s\" gives no advice", err.text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(kill_9_under_load_loses_and_doubles_nothing),   T(power_cuts_lose_nothing_acknowledged),
        T(a_full_disk_refuses_before_it_acknowledges),    T(a_real_size_limit_is_a_full_disk_too),
        T(files_that_do_not_belong_together_are_refused),
    };

    power_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
