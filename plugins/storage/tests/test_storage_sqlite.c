/* SPDX-License-Identifier: Apache-2.0 */
/* What only a durable storage must stand: kill -9, a full disk, old, newer, foreign and damaged
 * files. */

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "plugins/storage/tests/storage_fixture.h"

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_true(fixture_load(f, "sqlite"));
    snprintf(f->dir, sizeof f->dir, "/tmp/lathe-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[96];

    if (f->self != NULL)
        fixture_close(f);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void db_path(const struct fixture *f, char out[96])
{
    snprintf(out, 96, "%s/lathe.db", f->dir);
}

static void run_sql(const struct fixture *f, const char *text)
{
    sqlite3 *db = NULL;
    char path[96];

    db_path(f, path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t number_of(struct fixture *f, const char *id)
{
    struct lathe_storage_doc doc = {.struct_size = sizeof doc};

    if (f->vtable->get(f->self, "things", id, &doc, NULL) != LATHE_OK)
        return 0;
    return strtoll(doc.json + strlen("{\"n\":"), NULL, 10);
}

static int32_t last_point(void *user, const struct lathe_series_point *points, uint32_t n)
{
    *(int64_t *)user = points[n - 1].step;
    return LATHE_OK;
}

/* Starts the writer, kills it after some acknowledged writes; returns the last one acknowledged. */
static int64_t run_and_kill(const struct fixture *f, int n_lines, useconds_t extra_us)
{
    int fds[2], status;
    int64_t last = 0;
    char line[64];
    FILE *in;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    if ((pid = fork()) == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        execl(LATHE_BINARY_DIR "/tests/storage_writer", "storage_writer", "sqlite", f->dir,
              (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    in = fdopen(fds[0], "r");
    assert_non_null(in);
    for (int i = 0; i < n_lines && fgets(line, sizeof line, in) != NULL; i++)
        last = strtoll(line, NULL, 10);
    usleep(extra_us);
    kill(pid, SIGKILL);
    while (fgets(line, sizeof line, in) != NULL) /* acknowledged before the kill */
        if (strchr(line, '\n') != NULL)
            last = strtoll(line, NULL, 10);
    fclose(in);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void nothing_acknowledged_is_lost_by_kill_9(void **state)
{
    struct fixture *f = *state;
    const struct lathe_series_query q = {sizeof q, 0, "run/x", 0, INT64_MAX};

    snprintf(f->integrity, sizeof f->integrity, "full");
    for (int round = 0; round < 12; round++) {
        int64_t acked = run_and_kill(f, 5 + round * 7, (useconds_t)(round * 137)), step = 0;

        assert_true(acked > 0);
        assert_int_equal(fixture_open(f, NULL), LATHE_OK);
        assert_true(number_of(f, "left") >= acked);
        assert_int_equal(number_of(f, "left"), number_of(f, "right"));
        assert_int_equal(f->series->read(f->self, &q, last_point, &step, NULL), LATHE_OK);
        assert_int_equal(step, number_of(f, "left"));
        fixture_close(f);
    }
}

static void a_full_disk_fails_the_write_and_keeps_the_rest(void **state)
{
    struct fixture *f = *state;
    size_t len = 200000;
    char *json = malloc(len + 16), id[16];
    struct rlimit old, small;
    int32_t st = LATHE_OK;
    int n = 0;

    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    assert_int_equal(fixture_declare(f, "things"), LATHE_OK);
    memcpy(json, "{\"n\":5,\"x\":\"", 12);
    memset(json + 12, 'x', len);
    memcpy(json + 12 + len, "\"}", 3);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (; n < 100 && st == LATHE_OK; n++) {
        snprintf(id, sizeof id, "id%d", n);
        st = fixture_put(f, "things", id, LATHE_REV_NONE, json, NULL);
    }
    assert_int_equal(st, LATHE_E_IO);
    assert_true(n > 1);
    assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", id, LATHE_REV_NONE, json, NULL) == LATHE_OK &&
                         f->vtable->commit(f->self, NULL) == LATHE_OK,
                     0);
    f->vtable->rollback(f->self);
    assert_int_equal(number_of(f, "id0"), 5); /* still readable */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(fixture_put(f, "things", id, LATHE_REV_NONE, json, NULL), LATHE_OK);
    fixture_close(f);
    snprintf(f->integrity, sizeof f->integrity, "full");
    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(number_of(f, id), 5);
    }
    free(json);
}

static char *read_text(const char *path)
{
    FILE *in = fopen(path, "r");
    char *text = calloc(1, 8192);

    assert_non_null(in);
    assert_true(fread(text, 1, 8191, in) > 0);
    fclose(in);
    return text;
}

static int32_t count_doc(void *user, const struct lathe_storage_doc *doc)
{
    (void)doc;
    ++*(int *)user;
    return LATHE_OK;
}

static void a_database_of_schema_1_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    char *text = read_text(LATHE_SOURCE_DIR "/plugins/storage/tests/v1.sql");
    const struct lathe_storage_query q = {
        .struct_size = sizeof q, .collection = "things", .index = "s", .limit = 5};
    struct lathe_storage_scan_result result = {.struct_size = sizeof result};
    const struct lathe_storage_op next = {sizeof next, LATHE_OP_NEXT, NULL, "ids", 0, NULL, 0, 1};
    const struct lathe_storage_op *ops[] = {&next};
    const struct lathe_storage_batch batch = {sizeof batch, 1, ops};
    const struct lathe_series_point p = {1, 1};
    const struct lathe_series_chunk chunk = {sizeof chunk, 1, "a", &p};
    const struct lathe_series_chunk *chunks[] = {&chunk};
    uint64_t value = 0;
    int n = 0;

    run_sql(f, text);
    free(text);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_open(f, NULL), LATHE_OK);
        assert_int_equal(number_of(f, "old"), 7);
        assert_int_equal(fixture_declare(f, "things"), LATHE_OK);
        assert_int_equal(f->vtable->apply(f->self, &batch, &value, NULL, NULL), LATHE_OK);
        assert_int_equal(value, 42 + round);
        assert_int_equal(f->series->append(f->self, chunks, 1, NULL), LATHE_OK);
        n = 0;
        assert_int_equal(f->vtable->scan(f->self, &q, count_doc, &n, &result, NULL), LATHE_OK);
        assert_int_equal(n, 1);
        fixture_close(f);
    }
}

static void expect_refusal(struct fixture *f, int32_t status, const char *words)
{
    struct lathe_error err = {0};

    assert_int_equal(fixture_open(f, &err), status);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    fixture_close(f);
    run_sql(f, "PRAGMA user_version=99");
    expect_refusal(f, LATHE_E_VERSION, "use a newer Lathe");
}

static void a_foreign_database_is_refused_and_not_touched(void **state)
{
    struct fixture *f = *state;

    run_sql(f, "CREATE TABLE t(x); PRAGMA application_id=7");
    expect_refusal(f, LATHE_E_CORRUPT, "another program");
    run_sql(f, "SELECT x FROM t");
}

static void overwrite(const struct fixture *f, long at, int n, const char *text)
{
    char path[96];
    FILE *out;

    db_path(f, path);
    out = fopen(path, "r+");
    if (out == NULL)
        out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fseek(out, at, SEEK_SET), 0);
    for (int i = 0; i < n; i++)
        fputs(text, out);
    fclose(out);
}

static void a_damaged_file_is_refused_with_advice(void **state)
{
    struct fixture *f = *state;
    char id[16];

    overwrite(f, 0, 500, "not a database ");
    expect_refusal(f, LATHE_E_CORRUPT, "restore a backup");
    overwrite(f, 0, 0, "");
    {
        char path[96];

        db_path(f, path);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    assert_int_equal(fixture_declare(f, "things"), LATHE_OK);
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(
            fixture_put(f, "things", id, LATHE_REV_ANY, "{\"n\":1,\"s\":\"words\"}", NULL),
            LATHE_OK);
    }
    fixture_close(f);
    overwrite(f, 3 * 4096, 2000, "damage ");
    expect_refusal(f, LATHE_E_CORRUPT, "restore a backup");
}

static void a_second_process_is_refused(void **state)
{
    struct fixture *f = *state, other = *f;

    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    expect_refusal(&other, LATHE_E_CONFLICT, "in use by another process");
}

static void a_missing_directory_is_reported(void **state)
{
    struct fixture *f = *state, other = *f;

    snprintf(other.dir, sizeof other.dir, "/nonexistent/dir");
    expect_refusal(&other, LATHE_E_IO, "No such file");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(nothing_acknowledged_is_lost_by_kill_9),
        T(a_full_disk_fails_the_write_and_keeps_the_rest),
        T(a_database_of_schema_1_is_brought_up_to_date),
        T(a_newer_schema_is_refused),
        T(a_foreign_database_is_refused_and_not_touched),
        T(a_damaged_file_is_refused_with_advice),
        T(a_second_process_is_refused),
        T(a_missing_directory_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
