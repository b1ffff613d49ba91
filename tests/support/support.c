/* Implementation of the shared test helpers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/io.h"
#include "core/base/mem.h"

#define FILE_MAX ((size_t)64 << 20)

char *test_tmpdir(void)
{
    const char *root = test_env("TMPDIR", "/tmp");
    char path[1024];

    snprintf(path, sizeof path, "%s/lathe-test-XXXXXX", root);
    if (mkdtemp(path) == NULL)
        fail_msg("cannot make a directory below %s", root);
    return mem_strdup(path);
}

void test_tmpdir_remove(char *take_path)
{
    if (take_path == NULL)
        return;
    (void)io_remove_tree(take_path, NULL);
    mem_free(take_path);
}

const char *test_path(const char *dir, const char *name)
{
    static _Thread_local char paths[8][2048];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

char *test_read_file(const char *path, size_t *len_bytes)
{
    struct lathe_error err = {0};
    char *text = NULL;

    if (io_read_file(path, FILE_MAX, &text, len_bytes, &err) != LATHE_OK)
        fail_msg("%s", err.text);
    return text;
}

void test_write_file(const char *path, const char *text)
{
    struct lathe_error err = {0};

    if (io_write_file(path, text, strlen(text), 0600, &err) != LATHE_OK)
        fail_msg("%s", err.text);
}

const char *test_env(const char *name, const char *def)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : def;
}

void test_close(double got, double want, double abs_tol, double rel_tol, const char *what,
                const char *file, int line)
{
    int good = isnan(want) ? isnan(got)
                           : got == want || fabs(got - want) <= abs_tol + rel_tol * fabs(want);

    if (!good) {
        print_error("%s is %.17g, wanted %.17g (off by %g)\n", what, got, want, got - want);
        _fail(file, line);
    }
}

void test_ok(int32_t st, const struct lathe_error *err, const char *what, const char *file,
             int line)
{
    if (st != LATHE_OK) {
        print_error("%s: %s: %s\n", what, lathe_status_name(st), err != NULL ? err->text : "");
        _fail(file, line);
    }
}

void test_contains(const char *text, const char *part, const char *file, int line)
{
    if (text == NULL || strstr(text, part) == NULL) {
        print_error("\"%s\" does not contain \"%s\"\n", text != NULL ? text : "(null)", part);
        _fail(file, line);
    }
}
