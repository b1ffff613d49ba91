/* SPDX-License-Identifier: Apache-2.0 */
/* The directory: ab/abcd... (artifacts by hash), tmp (half-written), trash (about to be removed). A
 * file gets its final name only when its bytes are verified and on disk. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/artifact/artifact_internal.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"

#define COPY_BYTES (256u * 1024)

int artifact_sha_is_good(const char *sha256)
{
    return sha256 != NULL &&
           strnlen(sha256, LATHE_ARTIFACT_SHA_MAX) == LATHE_ARTIFACT_SHA_MAX - 1 &&
           strspn(sha256, "0123456789abcdef") == LATHE_ARTIFACT_SHA_MAX - 1;
}

static int32_t make_path(char out[ARTIFACT_PATH_MAX], struct lathe_error *err, const char *dir,
                         const char *sub, const char *name)
{
    int n = snprintf(out, ARTIFACT_PATH_MAX, "%s/%.5s/%s", dir, sub, name);

    if (n < 0 || n >= ARTIFACT_PATH_MAX)
        return fail(err, LATHE_E_LIMIT, "path of artifact %.64s is too long", name);
    return LATHE_OK;
}

int32_t artifact_path(const char *dir, const char *sha256, char out[ARTIFACT_PATH_MAX],
                      struct lathe_error *err)
{
    const char sub[3] = {sha256[0], sha256[1], 0};

    return make_path(out, err, dir, sub, sha256);
}

int32_t artifact_trash_path(const char *dir, const char *sha256, char out[ARTIFACT_PATH_MAX],
                            struct lathe_error *err)
{
    return make_path(out, err, dir, "trash", sha256);
}

static int32_t tmp_path(const char *dir, char out[ARTIFACT_PATH_MAX], struct lathe_error *err)
{
    unsigned char salt[16];
    char name[2 * sizeof salt + 1];

    io_random(salt, sizeof salt);
    hex_encode(salt, sizeof salt, name);
    return make_path(out, err, dir, "tmp", name);
}

/* Copies everything from `from` to `to`; the hash is of what was written. */
static int32_t copy_hashed(int from, int to, struct sha256 *sha, uint64_t *size,
                           struct lathe_error *err)
{
    char *buf = mem_alloc(COPY_BYTES);
    int32_t st = LATHE_OK;
    ssize_t n;

    if (buf == NULL)
        return fail(err, LATHE_E_NOMEM, "no memory to copy an artifact");
    while (st == LATHE_OK && (n = read(from, buf, COPY_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = fail_errno(err, errno, "read an artifact");
            break;
        }
        sha256_add(sha, buf, (size_t)n);
        *size += (uint64_t)n;
        if (to >= 0)
            st = io_write_all(to, buf, (size_t)n, err);
    }
    mem_free(buf);
    return st;
}

/* Hashes fd to its end, copying to `to` unless that is < 0. */
static int32_t hash_fd(int fd, int to, char sha256[65], uint64_t *size, struct lathe_error *err)
{
    struct sha256 sha;
    int32_t st;

    if (sha256_open(&sha) != LATHE_OK)
        return fail(err, LATHE_E_NOMEM, "no memory to hash an artifact");
    *size = 0;
    st = copy_hashed(fd, to, &sha, size, err);
    sha256_close_hex(&sha, sha256);
    return st;
}

static int32_t open_regular(const char *path, int *fd, struct lathe_error *err)
{
    struct stat info;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0)
        return fail_errno(err, errno, "open %s", path);
    if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode))
        return LATHE_OK;
    close(*fd);
    return fail(err, LATHE_E_INVALID, "%s is not a regular file", path);
}

static int32_t check_expected(const char *sha256, const char *expected, const char *what,
                              struct lathe_error *err)
{
    if (expected == NULL || strcmp(sha256, expected) == 0)
        return LATHE_OK;
    return fail(err, LATHE_E_CORRUPT, "%.90s has SHA-256 %.16s..., expected was %.16s...", what,
                sha256, expected);
}

/* Makes a verified temporary file the artifact: read-only, dated now, durable, named by its hash.
 */
static int32_t publish(const char *dir, const char *tmp, int fd, const char *sha256,
                       struct lathe_error *err)
{
    char path[ARTIFACT_PATH_MAX];
    int32_t st = artifact_path(dir, sha256, path, err);

    if (st != LATHE_OK)
        return st;
    if (fchmod(fd, 0440) != 0 || futimens(fd, NULL) != 0 || fsync(fd) != 0)
        return fail_errno(err, errno, "sync %s", tmp);
    path[strlen(path) - LATHE_ARTIFACT_SHA_MAX] = 0; /* dir/ab */
    if (mkdir(path, 0750) == 0)
        st = io_sync_parent(path, err);
    else if (errno != EEXIST)
        st = fail_errno(err, errno, "create %s", path);
    path[strlen(path)] = '/';
    if (st == LATHE_OK && rename(tmp, path) != 0)
        st = fail_errno(err, errno, "rename %s to %s", tmp, path);
    return st == LATHE_OK ? io_sync_parent(path, err) : st;
}

static int32_t take_copy(const char *dir, int from, const char *path, const char *expected,
                         char sha256[LATHE_ARTIFACT_SHA_MAX], uint64_t *size,
                         struct lathe_error *err)
{
    char tmp[ARTIFACT_PATH_MAX];
    int fd;
    int32_t st = tmp_path(dir, tmp, err);

    if (st != LATHE_OK)
        return st;
    if ((fd = open(tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)) < 0)
        return fail_errno(err, errno, "create %s", tmp);
    if ((st = hash_fd(from, fd, sha256, size, err)) == LATHE_OK &&
        (st = check_expected(sha256, expected, path, err)) == LATHE_OK)
        st = publish(dir, tmp, fd, sha256, err);
    close(fd);
    if (st != LATHE_OK)
        unlink(tmp);
    return st;
}

/* The file is taken out of reach before it is hashed; a refused one goes back to where it was. */
static int32_t take_moved(const char *dir, const char *tmp, const char *path, const char *expected,
                          char sha256[LATHE_ARTIFACT_SHA_MAX], uint64_t *size,
                          struct lathe_error *err)
{
    int fd;
    int32_t st = open_regular(tmp, &fd, err);

    if (st == LATHE_OK) {
        if ((st = hash_fd(fd, -1, sha256, size, err)) == LATHE_OK &&
            (st = check_expected(sha256, expected, path, err)) == LATHE_OK)
            st = publish(dir, tmp, fd, sha256, err);
        close(fd);
    }
    if (st != LATHE_OK && rename(tmp, path) != 0 && errno != ENOENT)
        unlink(tmp);
    return st;
}

int32_t artifact_take_file(const char *dir, const char *path, const char *expected, int move,
                           char sha256[LATHE_ARTIFACT_SHA_MAX], uint64_t *size,
                           struct lathe_error *err)
{
    char tmp[ARTIFACT_PATH_MAX];
    int fd, errnum;
    int32_t st;

    if (move) {
        if ((st = tmp_path(dir, tmp, err)) != LATHE_OK)
            return st;
        if (rename(path, tmp) == 0)
            return take_moved(dir, tmp, path, expected, sha256, size, err);
        errnum = errno;
        if (errnum != EXDEV)
            return fail_errno(err, errnum, "move %s", path);
    }
    if ((st = open_regular(path, &fd, err)) != LATHE_OK)
        return st;
    st = take_copy(dir, fd, path, expected, sha256, size, err);
    close(fd);
    if (st == LATHE_OK && move)
        unlink(path);
    return st;
}

int32_t artifact_take_bytes(const char *dir, const void *data, size_t len,
                            char sha256[LATHE_ARTIFACT_SHA_MAX], struct lathe_error *err)
{
    char tmp[ARTIFACT_PATH_MAX];
    int fd;
    int32_t st = tmp_path(dir, tmp, err);

    if (st != LATHE_OK)
        return st;
    if ((fd = open(tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)) < 0)
        return fail_errno(err, errno, "create %s", tmp);
    sha256_hex(data, len, sha256);
    if ((st = io_write_all(fd, data, len, err)) == LATHE_OK)
        st = publish(dir, tmp, fd, sha256, err);
    close(fd);
    if (st != LATHE_OK)
        unlink(tmp);
    return st;
}

int32_t artifact_read(const char *dir, const char *sha256, uint64_t max_bytes, char **out,
                      size_t *len, struct lathe_error *err)
{
    char path[ARTIFACT_PATH_MAX], have[65];
    int32_t st = artifact_path(dir, sha256, path, err);

    if (st != LATHE_OK ||
        (st = io_read_file(path, max_bytes < SIZE_MAX ? (size_t)max_bytes : SIZE_MAX - 1, out, len,
                           err)) != LATHE_OK)
        return st;
    sha256_hex(*out, *len, have);
    if ((st = check_expected(have, sha256, path, err)) != LATHE_OK)
        mem_free(*out);
    return st;
}

/* Calls fn(dir, name) for each entry of dir/sub. */
static int32_t each(const char *dir, const char *sub,
                    int32_t (*fn)(const char *dir, const char *path, const char *name,
                                  struct lathe_error *err),
                    struct lathe_error *err)
{
    char path[ARTIFACT_PATH_MAX];
    struct dirent *entry;
    int32_t st = make_path(path, err, dir, sub, "");
    DIR *d;

    if (st != LATHE_OK)
        return st;
    if ((d = opendir(path)) == NULL)
        return fail_errno(err, errno, "open %s", path);
    while (st == LATHE_OK && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.' &&
            (st = make_path(path, err, dir, sub, entry->d_name)) == LATHE_OK)
            st = fn(dir, path, entry->d_name, err);
    closedir(d);
    return st;
}

static int32_t remove_one(const char *dir, const char *path, const char *name,
                          struct lathe_error *err)
{
    (void)dir;
    (void)name;
    return unlink(path) == 0 ? LATHE_OK : fail_errno(err, errno, "remove %s", path);
}

static int32_t restore_one(const char *dir, const char *path, const char *name,
                           struct lathe_error *err)
{
    char to[ARTIFACT_PATH_MAX];
    int32_t st;

    if (!artifact_sha_is_good(name))
        return remove_one(dir, path, name, err);
    if ((st = artifact_path(dir, name, to, err)) != LATHE_OK)
        return st;
    return rename(path, to) == 0 ? LATHE_OK : fail_errno(err, errno, "restore %s", to);
}

int32_t artifact_dirs_open(const char *dir, struct lathe_error *err)
{
    char path[ARTIFACT_PATH_MAX];
    int32_t st;

    if ((st = make_path(path, err, dir, "tmp", "")) != LATHE_OK ||
        (st = io_mkdir_p(path, 0750, err)) != LATHE_OK ||
        (st = make_path(path, err, dir, "trash", "")) != LATHE_OK ||
        (st = io_mkdir_p(path, 0750, err)) != LATHE_OK)
        return st;
    if ((st = each(dir, "tmp", remove_one, err)) != LATHE_OK)
        return st;
    return each(dir, "trash", restore_one, err);
}
