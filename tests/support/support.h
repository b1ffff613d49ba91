/* Helpers shared by tests: temporary directories, whole files, comparisons with a tolerance.
 * Failures end the test through cmocka. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* core/base/fail.h has a function named fail; cmocka's macro of that name goes, fail_msg() stays.
 */
#undef fail
#undef fail_msg
#define fail_msg(...)                       \
    do {                                    \
        print_error("ERROR: " __VA_ARGS__); \
        print_error("\n");                  \
        _fail(__FILE__, __LINE__);          \
    } while (0)

#include "lathe/status.h"

/* A fresh directory below TMPDIR (or /tmp). dup_: end it with test_tmpdir_remove. */
char *test_tmpdir(void);
void test_tmpdir_remove(char *take_path); /* with all that is in it; NULL is fine */
/* dir/name in one of eight rotating buffers, so that several can be used in one expression. */
const char *test_path(const char *dir, const char *name);

/* Whole file as text; fails the test when it cannot be read. dup_: mem_free. */
char *test_read_file(const char *path, size_t *len_bytes);
void test_write_file(const char *path, const char *text);
/* The value of an environment variable, or def. */
const char *test_env(const char *name, const char *def);

/* |got - want| <= abs_tol + rel_tol * |want|; NaN equals only NaN. Prints both otherwise. */
void test_close(double got, double want, double abs_tol, double rel_tol, const char *what,
                const char *file, int line);
#define assert_close(got, want, abs_tol, rel_tol) \
    test_close((double)(got), (double)(want), abs_tol, rel_tol, #got, __FILE__, __LINE__)

/* st must be LATHE_OK; prints err otherwise. */
void test_ok(int32_t st, const struct lathe_error *err, const char *what, const char *file,
             int line);
#define assert_ok(call, err) test_ok((call), (err), #call, __FILE__, __LINE__)
/* text must contain part; prints both otherwise. */
void test_contains(const char *text, const char *part, const char *file, int line);
#define assert_contains(text, part) test_contains((text), (part), __FILE__, __LINE__)

#endif
