/* SPDX-License-Identifier: Apache-2.0 */
/* The tensor container: what is written comes back, same content gives same bytes, damage is
 * refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/artifact/safetensors.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"

struct fixture {
    char dir[64];
    char path[128];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/lathe-st-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/a.safetensors", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    io_remove_tree(f->dir, NULL);
    free(f);
    return 0;
}

static void write_sample(const char *path, char *sha)
{
    static const float w[6] = {1, 2, 3, 4, 5, 6};
    static const uint8_t mask[3] = {1, 0, 1};
    static const uint64_t state[2] = {UINT64_MAX, 7};
    struct safetensors_writer *writer = NULL;
    uint64_t size = 0;

    assert_int_equal(safetensors_writer_open(path, &writer, NULL), 0);
    assert_int_equal(safetensors_writer_add(writer, "policy.w", SAFETENSORS_F32, 2,
                                            (const uint64_t[]){2, 3}, w, NULL),
                     0);
    assert_int_equal(safetensors_writer_add_borrowed(writer, "mask", SAFETENSORS_U8, 1,
                                                     (const uint64_t[]){3}, mask, NULL),
                     0);
    assert_int_equal(safetensors_writer_add(writer, "rng", SAFETENSORS_U64, 1,
                                            (const uint64_t[]){2}, state, NULL),
                     0);
    assert_int_equal(safetensors_writer_set_meta(writer, "b", "1", NULL), 0);
    assert_int_equal(safetensors_writer_set_meta(writer, "a", "1", NULL), 0);
    assert_int_equal(safetensors_writer_set_meta(writer, "b", "quote \" and \n", NULL), 0);
    assert_int_equal(safetensors_writer_close_durable(writer, sha, &size, NULL), 0);
    assert_true(size > 0);
}

static void written_tensors_and_metadata_come_back(void **state)
{
    struct fixture *f = *state;
    struct safetensors_reader *r = NULL;
    const struct safetensor *t = NULL;
    char sha[65], check[65];

    write_sample(f->path, sha);
    assert_int_equal(sha256_file_hex(f->path, check, NULL), 0);
    assert_string_equal(sha, check);
    assert_int_equal(safetensors_reader_open(f->path, 1 << 20, &r, NULL), 0);
    assert_int_equal(safetensors_reader_expect(r, "policy.w", SAFETENSORS_F32, 2,
                                               (const uint64_t[]){2, 3}, &t, NULL),
                     0);
    assert_int_equal(t->n_elements, 6);
    assert_true(((const float *)t->data)[5] == 6.0f);
    assert_int_equal((uintptr_t)t->data % 4, 0);
    t = safetensors_reader_find(r, "rng");
    assert_non_null(t);
    assert_true(((const uint64_t *)t->data)[0] == UINT64_MAX);
    assert_int_equal(
        safetensors_reader_expect(r, "rng", SAFETENSORS_F32, UINT32_MAX, NULL, &t, NULL),
        LATHE_E_CORRUPT);
    assert_int_equal(safetensors_reader_expect(r, "none", SAFETENSORS_F32, 0, NULL, &t, NULL),
                     LATHE_E_NOT_FOUND);
    assert_string_equal(safetensors_reader_meta(r, "b"), "quote \" and \n");
    assert_null(safetensors_reader_meta(r, "c"));
    assert_string_equal(safetensors_reader_at(r, 2)->name, "mask");
    assert_null(safetensors_reader_at(r, 3));
    safetensors_reader_close(r);
}

static void tensor_order_does_not_change_the_bytes(void **state)
{
    struct fixture *f = *state;
    const double x = 1;
    char sha[2][65];

    for (int i = 0; i < 2; i++) {
        struct safetensors_writer *w = NULL;

        assert_int_equal(safetensors_writer_open(f->path, &w, NULL), 0);
        assert_int_equal(
            safetensors_writer_add(w, i ? "b" : "a", SAFETENSORS_F64, 0, NULL, &x, NULL), 0);
        assert_int_equal(
            safetensors_writer_add(w, i ? "a" : "b", SAFETENSORS_F64, 0, NULL, &x, NULL), 0);
        assert_int_equal(safetensors_writer_close_durable(w, sha[i], NULL, NULL), 0);
    }
    assert_string_equal(sha[0], sha[1]);
}

static void writer_refuses_bad_tensors(void **state)
{
    struct fixture *f = *state;
    struct safetensors_writer *w = NULL;
    struct safetensors_reader *r = NULL;
    const double x = 1;
    const uint64_t huge[2] = {UINT64_MAX / 2, 3};
    const uint64_t empty[2] = {0, 3};

    assert_int_equal(safetensors_writer_open(f->path, &w, NULL), 0);
    assert_int_equal(safetensors_writer_add(w, "", SAFETENSORS_F64, 0, NULL, &x, NULL),
                     LATHE_E_INVALID);
    assert_int_equal(safetensors_writer_add(w, "__metadata__", SAFETENSORS_F64, 0, NULL, &x, NULL),
                     LATHE_E_INVALID);
    assert_int_equal(safetensors_writer_add(w, "x", 99, 0, NULL, &x, NULL), LATHE_E_INVALID);
    assert_int_equal(safetensors_writer_add(w, "x", SAFETENSORS_F64, 9, huge, &x, NULL),
                     LATHE_E_INVALID);
    assert_int_equal(safetensors_writer_add(w, "x", SAFETENSORS_F64, 2, huge, &x, NULL),
                     LATHE_E_LIMIT);
    assert_int_equal(safetensors_writer_add(w, "x", SAFETENSORS_F64, 0, NULL, &x, NULL), LATHE_OK);
    assert_int_equal(safetensors_writer_add(w, "x", SAFETENSORS_F64, 0, NULL, &x, NULL),
                     LATHE_E_EXISTS);
    assert_int_equal(safetensors_writer_add(w, "void", SAFETENSORS_F64, 2, empty, NULL, NULL),
                     LATHE_OK);
    assert_int_equal(safetensors_writer_close_durable(w, NULL, NULL, NULL), LATHE_OK);
    assert_int_equal(safetensors_reader_open(f->path, 1 << 20, &r, NULL), LATHE_OK);
    assert_int_equal(safetensors_reader_find(r, "void")->len_bytes, 0);
    safetensors_reader_close(r);
}

/* A file with this header text, padded to 8 bytes, and data_bytes of data. */
static int32_t try_header(const char *header, size_t data_bytes)
{
    size_t text_len = strlen(header), len = (text_len + 7) / 8 * 8, total = 8 + len + data_bytes;
    unsigned char *bytes = calloc(1, total);
    struct safetensors_reader *r = NULL;
    struct lathe_error err = {0};
    int32_t st;

    assert_non_null(bytes);
    bytes[0] = (unsigned char)(len & 0xff);
    bytes[1] = (unsigned char)(len >> 8);
    memset(bytes + 8, ' ', len);
    memcpy(bytes + 8, header, text_len);
    st = safetensors_reader_open_memory(bytes, total, &r, &err);
    if (st == LATHE_OK)
        safetensors_reader_close(r);
    else
        assert_true(err.text[0] != 0);
    free(bytes);
    return st;
}

static void reader_refuses_inconsistent_headers(void **state)
{
    (void)state;
#define T(name, dtype, shape, off) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" off "}"
    assert_int_equal(try_header("{" T("a", "F32", "[2]", "[0,8]") "}    ", 8), LATHE_OK);
    assert_int_equal(try_header("{}", 0), LATHE_OK);
    assert_int_equal(try_header("{}", 8), LATHE_E_CORRUPT);
    assert_int_equal(try_header("[]", 0), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{", 0), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{" T("a", "F32", "[2]", "[0,4]") "}    ", 8), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{" T("a", "F32", "[2]", "[0,16]") "}   ", 8), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{" T("a", "F32", "[2]", "[8,0]") "}    ", 8), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{" T("a", "F32", "[-2]", "[0,8]") "}   ", 8), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{" T("a", "F31", "[2]", "[0,8]") "}    ", 8), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{" T("a", "F32", "[2]", "[4,12]") "}   ", 12), LATHE_E_CORRUPT);
    assert_int_equal(
        try_header("{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[2]", "[4,12]") "}  ", 12),
        LATHE_E_CORRUPT);
    assert_int_equal(
        try_header("{" T("a", "F32", "[2]", "[0,8]") "," T("a", "F32", "[2]", "[8,16]") "}  ", 16),
        LATHE_E_CORRUPT);
    assert_int_equal(
        try_header("{" T("a", "F64", "[9223372036854775807,9223372036854775807]", "[0,8]") "}", 8),
        LATHE_E_CORRUPT);
    assert_int_equal(
        try_header("{" T("a", "U8", "[1]", "[0,1]") "," T("b", "F64", "[1]", "[1,9]") "}", 9),
        LATHE_E_CORRUPT);
    assert_int_equal(try_header("{\"__metadata__\":{\"a\":1}}", 0), LATHE_E_CORRUPT);
    assert_int_equal(try_header("{\"__metadata__\":{\"a\":\"1\"}}", 0), LATHE_OK);
#undef T
}

static void reader_refuses_every_truncation(void **state)
{
    struct fixture *f = *state;
    char *bytes = NULL;
    size_t len = 0;

    write_sample(f->path, NULL);
    assert_int_equal(io_read_file(f->path, 1 << 20, &bytes, &len, NULL), 0);
    for (size_t n = 0; n < len; n++) {
        struct safetensors_reader *r = NULL;

        assert_int_equal(safetensors_reader_open_memory(bytes, n, &r, NULL), LATHE_E_CORRUPT);
        assert_null(r);
    }
    mem_free(bytes);
}

static void failed_write_leaves_the_old_file(void **state)
{
    struct fixture *f = *state;
    struct safetensors_writer *w = NULL;
    struct rlimit old, small;
    static const uint8_t zeros[65536];
    char before[65], after[65];
    uint64_t shape = sizeof zeros;

    write_sample(f->path, before);
    assert_int_equal(safetensors_writer_open(f->path, &w, NULL), 0);
    assert_int_equal(safetensors_writer_add(w, "z", SAFETENSORS_U8, 1, &shape, zeros, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(safetensors_writer_close_durable(w, after, NULL, NULL), LATHE_E_LIMIT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(sha256_file_hex(f->path, after, NULL), 0);
    assert_string_equal(before, after);
    assert_int_equal(remove(f->path), 0);
    assert_int_equal(rmdir(f->dir), 0); /* no temporary file is left */
}

static void file_over_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct safetensors_reader *r = NULL;

    write_sample(f->path, NULL);
    assert_int_equal(safetensors_reader_open(f->path, 16, &r, NULL), LATHE_E_LIMIT);
    assert_int_equal(safetensors_reader_open(f->dir, 1 << 20, &r, NULL), LATHE_E_INVALID);
    assert_int_equal(safetensors_reader_open("/nonexistent/x", 16, &r, NULL), LATHE_E_NOT_FOUND);
}

static void every_failed_allocation_is_reported(void **state)
{
    struct fixture *f = *state;
    const double x = 1;

    for (unsigned long n = 1; n < 60; n++) {
        struct safetensors_writer *w = NULL;
        int32_t st;

        mem_fail_after(n);
        st = safetensors_writer_open(f->path, &w, NULL);
        if (st == LATHE_OK) {
            st = safetensors_writer_add(w, "a", SAFETENSORS_F64, 0, NULL, &x, NULL);
            if (st == LATHE_OK)
                st = safetensors_writer_set_meta(w, "k", "v", NULL);
            if (st == LATHE_OK)
                st = safetensors_writer_close_durable(w, NULL, NULL, NULL);
            else
                safetensors_writer_abandon(w);
        }
        mem_fail_after(0);
        assert_true(st == LATHE_OK || st == LATHE_E_NOMEM);
        if (st == LATHE_OK)
            return;
    }
    fail_msg("never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(written_tensors_and_metadata_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(tensor_order_does_not_change_the_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(writer_refuses_bad_tensors, setup, teardown),
        cmocka_unit_test(reader_refuses_inconsistent_headers),
        cmocka_unit_test_setup_teardown(reader_refuses_every_truncation, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_write_leaves_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(file_over_the_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_reported, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
