/* core/base: allocation, errors, strings, hashes, maps, files, clock, log. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/strbuf.h"

/* --- allocation ------------------------------------------------------------------------------ */

static void mem_sizes_that_overflow_are_refused(void **state)
{
    size_t out = 7;

    (void)state;
    assert_false(size_mul(SIZE_MAX / 2, 3, &out));
    assert_false(size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 7);
    assert_true(size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_null(mem_zalloc(SIZE_MAX / 2, 3));
    assert_null(mem_realloc(NULL, SIZE_MAX / 2, 3));
}

static void mem_the_nth_allocation_fails_once(void **state)
{
    void *a, *b, *c;

    (void)state;
    mem_fail_after(2);
    a = mem_alloc(1);
    b = mem_alloc(1);
    c = mem_alloc(1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    mem_free(a);
    mem_free(c);
}

static void mem_aligned_is_zeroed(void **state)
{
    unsigned char *p = mem_aligned(64, 10, 10);

    (void)state;
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
}

/* --- errors ---------------------------------------------------------------------------------- */

static void fail_may_quote_its_own_record(void **state)
{
    struct lathe_error err = {0};

    (void)state;
    assert_int_equal(fail_field(&err, LATHE_E_INVALID, "x", "inner"), LATHE_E_INVALID);
    assert_string_equal(err.field, "x");
    fail_field(&err, LATHE_E_LIMIT, err.field, "outer: %s", err.text);
    assert_string_equal(err.text, "outer: inner");
    assert_string_equal(err.field, "x");
    assert_int_equal(fail(NULL, LATHE_E_IO, "%d", 1), LATHE_E_IO);
}

static void fail_cuts_long_text_between_characters(void **state)
{
    struct lathe_error err = {0};
    char text[LATHE_ERROR_TEXT + 20];

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + LATHE_ERROR_TEXT - 3, "\xe2\x82\xac", 4); /* cut inside the euro sign */
    fail(&err, LATHE_E_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), LATHE_ERROR_TEXT - 3);
}

static void fail_errno_maps_codes_and_keeps_the_reason(void **state)
{
    struct lathe_error err = {0};
    char name[400];

    (void)state;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(fail_errno(&err, ENOENT, "open %s", name), LATHE_E_NOT_FOUND);
    assert_contains(err.text, ": No such file or directory");
    assert_int_equal(fail_errno(&err, ENOSPC, "w"), LATHE_E_LIMIT);
    assert_int_equal(fail_errno(&err, EACCES, "w"), LATHE_E_DENIED);
    assert_int_equal(fail_errno(&err, EIO, "w"), LATHE_E_IO);
}

/* --- strings --------------------------------------------------------------------------------- */

static const char *json_double(double value)
{
    static char text[64];
    struct strbuf buf;

    strbuf_init(&buf);
    strbuf_add_json_double(&buf, value);
    snprintf(text, sizeof text, "%s", buf.data);
    strbuf_fini(&buf);
    return text;
}

static void strbuf_doubles_are_shortest_and_stay_floats(void **state)
{
    (void)state;
    assert_string_equal(json_double(1), "1.0");
    assert_string_equal(json_double(-0.0), "-0.0");
    assert_string_equal(json_double(0.1), "0.1");
    assert_string_equal(json_double(1e22), "1e+22");
    assert_string_equal(json_double(NAN), "null");
    assert_string_equal(json_double(-INFINITY), "null");
    assert_string_equal(json_double(123456789012.0), "123456789012.0");
    for (int i = 0; i < 1000; i++) {
        double x = sin(i) * pow(10, i % 40 - 20);
        assert_true(strtod(json_double(x), NULL) == x);
    }
}

static void strbuf_json_strings_are_escaped_and_valid(void **state)
{
    struct strbuf buf;

    (void)state;
    strbuf_init(&buf);
    strbuf_add_json_string(&buf, "a\"\\\n\x01\xc3\xa4\xff\xed\xa0\x80z", 12);
    assert_string_equal(buf.data,
                        "\"a\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                        "\xef\xbf\xbdz\"");
    strbuf_fini(&buf);
}

static void strbuf_failure_sticks_until_cleared(void **state)
{
    struct strbuf buf;
    char *text;

    (void)state;
    strbuf_init(&buf);
    mem_fail_after(1);
    strbuf_adds(&buf, "lost");
    strbuf_adds(&buf, "also lost");
    assert_true(buf.failed);
    assert_string_equal(buf.data, "");
    assert_null(strbuf_take(&buf));
    strbuf_addf(&buf, "%d-%s", 5, "x");
    text = strbuf_take(&buf);
    assert_string_equal(text, "5-x");
    assert_int_equal(buf.len_bytes, 0);
    mem_free(text);
}

/* --- hashes ---------------------------------------------------------------------------------- */

static void hash_sha256_matches_the_standard(void **state)
{
    char hex[65];

    (void)state;
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hash_crc32_matches_the_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(crc32_add(crc32_add(0, "1234", 4), "56789", 5), 0xcbf43926u);
}

static void hash_base64_round_trips_and_refuses_bad_text(void **state)
{
    static const char *const texts[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    char out[32];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        base64_encode(texts[i][0], strlen(texts[i][0]), out);
        assert_string_equal(out, texts[i][1]);
        assert_int_equal(strlen(out) + 1, base64_len(strlen(texts[i][0])));
        assert_int_equal(base64_decode(texts[i][1], strlen(texts[i][1]), out, sizeof out),
                         strlen(texts[i][0]));
        assert_memory_equal(out, texts[i][0], strlen(texts[i][0]));
    }
    assert_int_equal(base64_decode("Zg=", 3, out, sizeof out), -1);
    assert_int_equal(base64_decode("Zh==", 4, out, sizeof out), -1); /* bits under the padding */
    assert_int_equal(base64_decode("Z*==", 4, out, sizeof out), -1);
    assert_int_equal(base64_decode("Zg==Zg==", 8, out, sizeof out), -1);
    assert_int_equal(base64_decode("Zm9v", 4, out, 2), -1);
}

static void hash_hex_refuses_odd_and_foreign_text(void **state)
{
    char out[8];

    (void)state;
    assert_true(hex_decode("0aFf", 4, out));
    assert_memory_equal(out, "\x0a\xff", 2);
    assert_false(hex_decode("0af", 3, out));
    assert_false(hex_decode("0g", 2, out));
}

static void hmap_keeps_insertion_order_through_growth_and_removal(void **state)
{
    struct hmap *map = hmap_new();
    char key[16];
    size_t cursor = 0, n = 0;
    const char *name;
    void *value;

    (void)state;
    for (intptr_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", (int)i);
        assert_int_equal(hmap_put(map, key, (void *)(i + 1), NULL), LATHE_OK);
    }
    while (hmap_next(map, &cursor, &name, &value)) {
        int i = atoi(name + 1);
        assert_int_equal((intptr_t)value, i + 1);
        if (i % 2 == 0)
            assert_int_equal((intptr_t)hmap_remove(map, name), i + 1);
        n++;
    }
    assert_int_equal(n, 1000);
    assert_int_equal(hmap_count(map), 500);
    assert_null(hmap_get(map, "k0"));
    assert_int_equal((intptr_t)hmap_get(map, "k1"), 2);
    assert_int_equal(hmap_put(map, "k1", (void *)77, &value), LATHE_OK);
    assert_int_equal((intptr_t)value, 2);
    for (int i = 0; i < 5000; i++) { /* churn must not grow the map for ever */
        assert_int_equal(hmap_put(map, "churn", map, NULL), LATHE_OK);
        assert_ptr_equal(hmap_remove(map, "churn"), map);
    }
    cursor = 0;
    assert_true(hmap_next(map, &cursor, &name, NULL));
    assert_string_equal(name, "k1");
    hmap_free(map, NULL);
}

static void hmap_put_without_memory_changes_nothing(void **state)
{
    struct hmap *map = hmap_new();

    (void)state;
    for (int i = 0; i < 8; i++) {
        char key[2] = {(char)('a' + i), 0};
        assert_int_equal(hmap_put(map, key, map, NULL), LATHE_OK);
    }
    for (unsigned long n = 1; n <= 3; n++) { /* key, entries, slots */
        mem_fail_after(n);
        assert_int_equal(hmap_put(map, "z", map, NULL), LATHE_E_NOMEM);
        mem_fail_after(0);
        assert_null(hmap_get(map, "z"));
        assert_ptr_equal(hmap_get(map, "h"), map);
    }
    hmap_free(map, NULL);
}

/* --- files ----------------------------------------------------------------------------------- */

static void io_write_then_read_gives_the_same_bytes(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};
    char hex[65], want[65], *text;
    size_t len;

    (void)state;
    assert_ok(io_write_file(test_path(dir, "f"), "one", 3, 0600, &err), &err);
    assert_ok(io_write_file(test_path(dir, "f"), "a\0b", 3, 0600, &err), &err);
    assert_ok(io_read_file(test_path(dir, "f"), 3, &text, &len, &err), &err);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "a\0b\0", 4);
    mem_free(text);
    assert_ok(sha256_file_hex(test_path(dir, "f"), hex, &err), &err);
    sha256_hex("a\0b", 3, want);
    assert_string_equal(hex, want);
    assert_int_equal(io_read_file(test_path(dir, "f"), 2, &text, &len, &err), LATHE_E_LIMIT);
    assert_int_equal(io_read_file(dir, 100, &text, &len, &err), LATHE_E_IO);
    assert_int_equal(io_read_file(test_path(dir, "no"), 9, &text, &len, &err), LATHE_E_NOT_FOUND);
    test_tmpdir_remove(dir);
}

static void io_failed_write_leaves_the_old_file_and_no_temporary(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};

    (void)state;
    assert_ok(io_mkdir_p(test_path(dir, "target/child"), 0700, &err), &err);
    /* A directory that is not empty cannot be replaced by a file. */
    assert_true(io_write_file(test_path(dir, "target"), "x", 1, 0600, &err) < 0);
    assert_contains(err.text, "publish");
    assert_int_equal(rmdir(test_path(dir, "target/child")), 0);
    assert_int_equal(rmdir(test_path(dir, "target")), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else was left */
    mem_free(dir);
}

static void io_remove_tree_does_not_follow_links(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};

    (void)state;
    assert_ok(io_mkdir_p(test_path(dir, "a/b/c"), 0700, &err), &err);
    assert_ok(io_mkdir_p(test_path(dir, "keep"), 0700, &err), &err);
    test_write_file(test_path(dir, "keep/file"), "x");
    assert_int_equal(symlink(test_path(dir, "keep"), test_path(dir, "a/b/link")), 0);
    assert_ok(io_remove_tree(test_path(dir, "a"), &err), &err);
    assert_int_not_equal(access(test_path(dir, "a"), F_OK), 0);
    assert_int_equal(access(test_path(dir, "keep/file"), F_OK), 0);
    assert_ok(io_remove_tree(test_path(dir, "missing"), &err), &err);
    test_tmpdir_remove(dir);
}

static void path_join_and_components(void **state)
{
    struct lathe_error err = {0};
    char out[16];

    (void)state;
    assert_ok(path_join(out, sizeof out, "/a/", "/b", &err), &err);
    assert_string_equal(out, "/a/b");
    assert_ok(path_join(out, sizeof out, "/", "b", &err), &err);
    assert_string_equal(out, "/b");
    assert_int_equal(path_join(out, sizeof out, "/0123456789", "abcdef", &err), LATHE_E_LIMIT);
    assert_true(path_is_component("a.b"));
    assert_false(path_is_component(".."));
    assert_false(path_is_component("a/b"));
    assert_false(path_is_component(""));
}

static void path_self_dir_holds_this_test(void **state)
{
    struct lathe_error err = {0};
    char dir[4096], tiny[2];

    (void)state;
    assert_ok(path_self_dir(dir, sizeof dir, &err), &err);
    assert_int_equal(access(test_path(dir, "test_base"), X_OK), 0);
    assert_int_equal(path_self_dir(tiny, sizeof tiny, &err), LATHE_E_LIMIT);
}

static void io_calls_on_missing_directories_say_which(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};
    char hex[65], *text;

    (void)state;
    assert_int_equal(io_write_file(test_path(dir, "no/f"), "x", 1, 0600, &err), LATHE_E_NOT_FOUND);
    assert_contains(err.text, "no/f");
    assert_int_equal(io_sync_parent(test_path(dir, "no/f"), &err), LATHE_E_NOT_FOUND);
    assert_int_equal(sha256_file_hex(test_path(dir, "f"), hex, &err), LATHE_E_NOT_FOUND);
    test_write_file(test_path(dir, "file"), "x");
    assert_true(io_mkdir_p(test_path(dir, "file/below"), 0700, &err) < 0);
    assert_int_equal(io_mkdir_p("", 0700, &err), LATHE_E_LIMIT);
    mem_fail_after(1);
    assert_int_equal(io_read_file(test_path(dir, "file"), 9, &text, NULL, &err), LATHE_E_NOMEM);
    mem_fail_after(0);
    assert_ok(io_mkdir_p(test_path(dir, "a//b/"), 0700, &err), &err);
    assert_ok(io_mkdir_p(test_path(dir, "a/b"), 0700, &err), &err);
    test_tmpdir_remove(dir);
}

/* --- clock ----------------------------------------------------------------------------------- */

static void clock_text_round_trips(void **state)
{
    static const int64_t times[] = {0,  951782400123,    1709164800000,
                                    -1, 253402300799999, -62167219200000};
    char text[25];
    int64_t back;

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        clock_iso8601(times[i], text);
        assert_true(clock_parse_iso8601(text, &back));
        assert_int_equal(back, times[i]);
    }
    clock_iso8601(951782400123, text);
    assert_string_equal(text, "2000-02-29T00:00:00.123Z");
}

static void clock_parse_reads_offsets_and_refuses_nonsense(void **state)
{
    static const char *const bad[] = {"",
                                      "2026-01-01",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00+2",
                                      "2026-01-01T00:00:00Zx"};
    int64_t a, b;

    (void)state;
    assert_true(clock_parse_iso8601("2026-01-01T02:30:00.5+02:30", &a));
    assert_true(clock_parse_iso8601("2026-01-01T00:00:00.500Z", &b));
    assert_int_equal(a, b);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(clock_parse_iso8601(bad[i], &a));
}

static void clock_can_be_frozen(void **state)
{
    (void)state;
    clock_fake(1000, 5);
    assert_int_equal(clock_wall_ms(), 1000);
    assert_int_equal(clock_mono_ns(), 5);
    clock_fake(0, 0);
    assert_true(clock_wall_ms() > 1600000000000);
}

/* --- log ------------------------------------------------------------------------------------- */

static void log_writes_one_json_line_per_event(void **state)
{
    char *dir = test_tmpdir(), *text;
    struct lathe_error err = {0};

    (void)state;
    clock_fake(1000, 1);
    assert_ok(log_open(test_path(dir, "log"), LATHE_LOG_INFO, &err), &err);
    log_event(LATHE_LOG_INFO, "job", "started",
              (const struct lathe_field *const[]){F_STR("id", "j\"1"), F_INT("pid", 12),
                                                  F_FLOAT("load", 0.5), F_BOOL("ok", 1),
                                                  F_STR("none", NULL), F_STR("msg", "x"), NULL});
    log_debug("not written", F_NONE);
    log_close();
    clock_fake(0, 0);
    text = test_read_file(test_path(dir, "log"), NULL);
    assert_string_equal(text,
                        "{\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"info\",\"module\":"
                        "\"job\",\"msg\":\"started\",\"id\":\"j\\\"1\",\"pid\":12,\"load\":0.5,"
                        "\"ok\":true,\"none\":null,\"field_msg\":\"x\"}\n");
    mem_free(text);
    test_tmpdir_remove(dir);
}

static size_t count_lines(const char *text, const char *part)
{
    size_t n = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

static void log_folds_repeats_within_a_second(void **state)
{
    char *dir = test_tmpdir(), *text;
    struct lathe_error err = {0};

    (void)state;
    clock_fake(1000, 1);
    assert_ok(log_open(test_path(dir, "log"), LATHE_LOG_INFO, &err), &err);
    for (int i = 0; i < 25; i++)
        log_warn("again", F_INT("i", i));
    log_warn("other", F_NONE);
    clock_fake(3000, 2000000001);
    log_warn("later", F_NONE);
    log_close();
    clock_fake(0, 0);
    text = test_read_file(test_path(dir, "log"), NULL);
    assert_int_equal(count_lines(text, "\"msg\":\"again\""), 11);
    assert_int_equal(count_lines(text, "\"repeated\":15}"), 1);
    assert_int_equal(count_lines(text, "\"msg\":\"other\""), 1);
    mem_free(text);
    test_tmpdir_remove(dir);
}

static void log_reopen_follows_a_rotation(void **state)
{
    char *dir = test_tmpdir(), *text;
    struct lathe_error err = {0};

    (void)state;
    assert_ok(log_open(test_path(dir, "log"), LATHE_LOG_INFO, &err), &err);
    log_info("first", F_NONE);
    assert_int_equal(rename(test_path(dir, "log"), test_path(dir, "old")), 0);
    assert_ok(log_reopen(&err), &err);
    log_info("second", F_NONE);
    log_close();
    text = test_read_file(test_path(dir, "log"), NULL);
    assert_int_equal(count_lines(text, "second"), 1);
    assert_int_equal(count_lines(text, "first"), 0);
    mem_free(text);
    test_tmpdir_remove(dir);
}

static void log_tail_holds_the_newest_lines(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};
    char tail[4096], name[32];

    (void)state;
    assert_ok(log_open(test_path(dir, "log"), LATHE_LOG_INFO, &err), &err);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "event %d.", i);
        log_info(name, F_NONE);
    }
    log_close();
    assert_true(log_tail(tail, sizeof tail) < sizeof tail);
    assert_contains(tail, "event 99.");
    assert_null(strstr(tail, "event 10."));
    assert_int_equal(tail[0], '{'); /* whole lines only */
    assert_int_equal(log_tail(tail, 5), 0);
    test_tmpdir_remove(dir);
}

static void *log_from_thread(void *arg)
{
    char name[32];

    snprintf(name, sizeof name, "thread %d", *(const int *)arg);
    for (int i = 0; i < 200; i++)
        log_info(name, F_INT("i", i));
    return NULL;
}

static void log_lines_of_threads_do_not_mix(void **state)
{
    char *dir = test_tmpdir(), *text;
    struct lathe_error err = {0};
    pthread_t threads[4];
    int ids[4];
    size_t n_lines = 0;

    (void)state;
    assert_ok(log_open(test_path(dir, "log"), LATHE_LOG_INFO, &err), &err);
    for (int i = 0; i < 4; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_from_thread, &ids[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_close();
    text = test_read_file(test_path(dir, "log"), NULL);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_int_equal(strncmp(line, "{\"time\"", 7), 0);
        assert_int_equal(line[strlen(line) - 1], '}');
        n_lines++;
    }
    assert_true(n_lines >= 44); /* ten of each and the folded count */
    mem_free(text);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem_sizes_that_overflow_are_refused),
        cmocka_unit_test(mem_the_nth_allocation_fails_once),
        cmocka_unit_test(mem_aligned_is_zeroed),
        cmocka_unit_test(fail_may_quote_its_own_record),
        cmocka_unit_test(fail_cuts_long_text_between_characters),
        cmocka_unit_test(fail_errno_maps_codes_and_keeps_the_reason),
        cmocka_unit_test(strbuf_doubles_are_shortest_and_stay_floats),
        cmocka_unit_test(strbuf_json_strings_are_escaped_and_valid),
        cmocka_unit_test(strbuf_failure_sticks_until_cleared),
        cmocka_unit_test(hash_sha256_matches_the_standard),
        cmocka_unit_test(hash_crc32_matches_the_check_value),
        cmocka_unit_test(hash_base64_round_trips_and_refuses_bad_text),
        cmocka_unit_test(hash_hex_refuses_odd_and_foreign_text),
        cmocka_unit_test(hmap_keeps_insertion_order_through_growth_and_removal),
        cmocka_unit_test(hmap_put_without_memory_changes_nothing),
        cmocka_unit_test(io_write_then_read_gives_the_same_bytes),
        cmocka_unit_test(io_failed_write_leaves_the_old_file_and_no_temporary),
        cmocka_unit_test(io_remove_tree_does_not_follow_links),
        cmocka_unit_test(path_join_and_components),
        cmocka_unit_test(path_self_dir_holds_this_test),
        cmocka_unit_test(io_calls_on_missing_directories_say_which),
        cmocka_unit_test(clock_text_round_trips),
        cmocka_unit_test(clock_parse_reads_offsets_and_refuses_nonsense),
        cmocka_unit_test(clock_can_be_frozen),
        cmocka_unit_test(log_writes_one_json_line_per_event),
        cmocka_unit_test(log_folds_repeats_within_a_second),
        cmocka_unit_test(log_reopen_follows_a_rotation),
        cmocka_unit_test(log_tail_holds_the_newest_lines),
        cmocka_unit_test(log_lines_of_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
