/* Files and paths: whole-file reads, durable replacement, directories. All paths are UTF-8 bytes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_IO_H
#define CORE_BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "lathe/status.h"

/* Reads a regular file of at most max_bytes. *out is NUL-terminated, dup_, free with mem_free. */
int32_t io_read_file(const char *path, size_t max_bytes, char **out, size_t *out_len,
                     struct lathe_error *err) LATHE_MUST_USE;
/* Writes all of it or fails; EINTR and short writes are handled. */
int32_t io_write_all(int fd, const void *data, size_t len_bytes,
                     struct lathe_error *err) LATHE_MUST_USE;
/* Replaces path durably: temporary file beside it, fsync, rename, fsync of the directory. */
int32_t io_write_file(const char *path, const void *data, size_t len_bytes, mode_t mode,
                      struct lathe_error *err) LATHE_MUST_USE;
int32_t io_sync_parent(const char *path, struct lathe_error *err) LATHE_MUST_USE;
int32_t io_mkdir_p(const char *path, mode_t mode, struct lathe_error *err) LATHE_MUST_USE;
int32_t io_remove_tree(const char *path,
                       struct lathe_error *err); /* missing is fine; never follows links */
/* Joins with one slash into out. LATHE_E_LIMIT when it does not fit. */
int32_t path_join(char *out, size_t cap, const char *dir, const char *name,
                  struct lathe_error *err) LATHE_MUST_USE;
/* 1 when name is a single safe path component (no slash, not "." or "..", not empty, <= 200 bytes).
 */
int path_is_component(const char *name);
/* Directory of the running executable. */
int32_t path_self_dir(char *out, size_t cap, struct lathe_error *err) LATHE_MUST_USE;
/* Fills out from the OS generator; never fails short of a broken kernel (then aborts the process).
 */
void io_random(void *out, size_t len_bytes);

#endif
