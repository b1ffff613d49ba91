/* Files: bounded reads, complete writes, durable replacement, directory trees, random bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#define PATH_CAP 4096

/* Reads until end or cap; returns bytes, or -1 with errno. */
static ssize_t read_up_to(int fd, char *out, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, out + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

int32_t io_read_file(const char *path, size_t max_bytes, char **out, size_t *out_len,
                     struct lathe_error *err)
{
    int32_t st = LATHE_OK;
    char *data = NULL;
    struct stat info;
    size_t size;
    ssize_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return fail_errno(err, errno, "open %s", path);
    if (fstat(fd, &info) != 0) {
        st = fail_errno(err, errno, "read %s", path);
        goto out;
    }
    if (!S_ISREG(info.st_mode)) {
        st = fail(err, LATHE_E_IO, "read %s: not a regular file", path);
        goto out;
    }
    size = (size_t)info.st_size;
    if (size > max_bytes) {
        st =
            fail(err, LATHE_E_LIMIT, "read %s: %zu bytes, the limit is %zu", path, size, max_bytes);
        goto out;
    }
    if ((data = mem_alloc(size + 1)) == NULL) {
        st = fail(err, LATHE_E_NOMEM, "read %s: no memory", path);
        goto out;
    }
    if ((len = read_up_to(fd, data, size)) < 0) {
        st = fail_errno(err, errno, "read %s", path);
        goto out;
    }
    data[len] = '\0';
    *out = data;
    if (out_len != NULL)
        *out_len = (size_t)len;
    data = NULL;
out:
    mem_free(data);
    close(fd);
    return st;
}

int32_t io_write_all(int fd, const void *data, size_t len_bytes, struct lathe_error *err)
{
    const char *at = data;

    while (len_bytes != 0) {
        ssize_t n = write(fd, at, len_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "write");
        at += n;
        len_bytes -= (size_t)n;
    }
    return LATHE_OK;
}

int32_t io_write_file(const char *path, const void *data, size_t len_bytes, mode_t mode,
                      struct lathe_error *err)
{
    char tmp[PATH_CAP], tag[17];
    unsigned char random[8];
    int32_t st;
    int fd, len;

    io_random(random, sizeof random);
    hex_encode(random, sizeof random, tag);
    len = snprintf(tmp, sizeof tmp, "%s.%s.tmp", path, tag);
    if (len < 0 || (size_t)len >= sizeof tmp)
        return fail(err, LATHE_E_LIMIT, "the path %.120s is too long", path);
    if ((fd = open(tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode)) < 0)
        return fail_errno(err, errno, "create %s", tmp);
    st = io_write_all(fd, data, len_bytes, err);
    if (st != LATHE_OK && err != NULL)
        st = fail(err, st, "%s: %s", tmp, err->text);
    if (st == LATHE_OK && fsync(fd) != 0)
        st = fail_errno(err, errno, "sync %s", tmp);
    if (close(fd) != 0 && st == LATHE_OK)
        st = fail_errno(err, errno, "close %s", tmp);
    if (st == LATHE_OK && rename(tmp, path) != 0)
        st = fail_errno(err, errno, "publish %s", path);
    if (st != LATHE_OK) {
        unlink(tmp);
        return st;
    }
    return io_sync_parent(path, err); /* the new name must survive a power cut too */
}

int32_t io_sync_parent(const char *path, struct lathe_error *err)
{
    char dir[PATH_CAP];
    const char *slash = strrchr(path, '/');
    int32_t st = LATHE_OK;
    int fd, len;

    if (slash == NULL)
        len = snprintf(dir, sizeof dir, ".");
    else
        len = snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (len < 0 || (size_t)len >= sizeof dir)
        return fail(err, LATHE_E_LIMIT, "the path %.120s is too long", path);
    if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return fail_errno(err, errno, "open %s", dir);
    if (fsync(fd) != 0)
        st = fail_errno(err, errno, "sync %s", dir);
    close(fd);
    return st;
}

static int32_t make_one_dir(const char *path, mode_t mode, struct lathe_error *err)
{
    struct stat info;
    int saved;

    if (mkdir(path, mode) == 0)
        return LATHE_OK;
    saved = errno;
    if (saved == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return LATHE_OK;
    return fail_errno(err, saved, "create directory %s", path);
}

int32_t io_mkdir_p(const char *path, mode_t mode, struct lathe_error *err)
{
    char dir[PATH_CAP];
    size_t len = strlen(path);
    int32_t st;

    if (len == 0 || len >= sizeof dir)
        return fail(err, LATHE_E_LIMIT, "create directory: the path is empty or too long");
    memcpy(dir, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (dir[i] != '/' || dir[i - 1] == '/')
            continue;
        dir[i] = '\0';
        if ((st = make_one_dir(dir, mode, err)) != LATHE_OK)
            return st;
        dir[i] = '/';
    }
    return make_one_dir(dir, mode, err);
}

static int32_t remove_entry(const FTSENT *entry, struct lathe_error *err)
{
    switch (entry->fts_info) {
    case FTS_D: /* on the way down: its content goes first */
        return LATHE_OK;
    case FTS_DP:
        if (rmdir(entry->fts_accpath) != 0 && errno != ENOENT)
            return fail_errno(err, errno, "remove %s", entry->fts_path);
        return LATHE_OK;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        if (entry->fts_errno == ENOENT)
            return LATHE_OK;
        return fail_errno(err, entry->fts_errno, "remove %s", entry->fts_path);
    default:
        if (unlink(entry->fts_accpath) != 0 && errno != ENOENT)
            return fail_errno(err, errno, "remove %s", entry->fts_path);
        return LATHE_OK;
    }
}

int32_t io_remove_tree(const char *path, struct lathe_error *err)
{
    char copy[PATH_CAP];
    char *roots[2] = {copy, NULL};
    int32_t st = LATHE_OK;
    FTS *tree;
    int len = snprintf(copy, sizeof copy, "%s", path);

    if (len <= 0 || (size_t)len >= sizeof copy)
        return fail(err, LATHE_E_LIMIT, "remove: the path is empty or too long");
    if ((tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL)) == NULL)
        return fail_errno(err, errno, "remove %s", path);
    for (;;) {
        const FTSENT *entry;
        int32_t one;

        errno = 0;
        if ((entry = fts_read(tree)) == NULL) {
            if (errno != 0 && st == LATHE_OK)
                st = fail_errno(err, errno, "remove %s", path);
            break;
        }
        one = remove_entry(entry, st == LATHE_OK ? err : NULL);
        if (st == LATHE_OK)
            st = one; /* the first reason is reported; the rest is still removed */
    }
    fts_close(tree);
    return st;
}

void io_random(void *out, size_t len_bytes)
{
    char *at = out;

    while (len_bytes != 0) {
        ssize_t n = getrandom(at, len_bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* no identifiers or secrets can be made on such a system */
        at += n;
        len_bytes -= (size_t)n;
    }
}
