/* Checkpoint and policy files: safetensors with a hash over their content. Who puts what into them
 * is decided elsewhere. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_CKPT_H
#define CORE_WORKER_CKPT_H

#include <stddef.h>

#include "core/artifact/safetensors.h"
#include "lathe/algorithm.h"

#define CKPT_BYTES_MAX ((uint64_t)64 << 30)
#define CKPT_NAME_MAX 160

/* A file being written. Tensors go through put() (any prefix) or through the lathe_writer, which
 * puts the prefix in front of the plugin's names. Storage from the caller. */
struct ckpt_writer {
    struct safetensors_writer *file;
    struct lathe_writer writer; /* for plugins */
    const char *prefix;
    struct ckpt_digest *digests;
    size_t n, cap;
    int32_t st; /* first failure; later puts do nothing */
    struct lathe_error err;
};

int32_t ckpt_writer_open(struct ckpt_writer *writer, const char *path,
                         struct lathe_error *err) LATHE_MUST_USE;
/* dtype: LATHE_F32 ... LATHE_U64. A failure is kept and reported by close. */
void ckpt_put(struct ckpt_writer *writer, const char *name, uint32_t dtype, uint32_t ndim,
              const uint64_t *shape, const void *data);
void ckpt_put1(struct ckpt_writer *writer, const char *name, uint32_t dtype, uint64_t n,
               const void *data);
void ckpt_meta(struct ckpt_writer *writer, const char *key, const char *value);
/* Hash of all tensors (names, types, shapes, bytes), whatever the order they came in. */
int32_t ckpt_weights_hash(struct ckpt_writer *writer, char hex[65]) LATHE_MUST_USE;
/* Writes durably with metadata "weights_sha256". On failure the file that was there is as it was.
 */
int32_t ckpt_writer_close(struct ckpt_writer *writer, char weights_sha256[65], char file_sha256[65],
                          uint64_t *size_bytes, struct lathe_error *err) LATHE_MUST_USE;
void ckpt_writer_abandon(struct ckpt_writer *writer);

struct ckpt_reader {
    struct safetensors_reader *file;
    struct lathe_reader reader; /* for plugins */
    const char *prefix;
    char weights_sha256[65];
};

/* Reads a file and checks its content hash and its metadata "format".
 * Errors: LATHE_E_NOT_FOUND, LATHE_E_CORRUPT, LATHE_E_VERSION for another format. */
int32_t ckpt_reader_open(struct ckpt_reader *reader, const char *path, const char *format,
                         struct lathe_error *err) LATHE_MUST_USE;
void ckpt_reader_close(struct ckpt_reader *reader);
/* Copies a tensor; it must have this type and n numbers in all. */
int32_t ckpt_get1(const struct ckpt_reader *reader, const char *name, uint32_t dtype, uint64_t n,
                  void *out, struct lathe_error *err) LATHE_MUST_USE;
const char *ckpt_get_meta(const struct ckpt_reader *reader, const char *key); /* "" when absent */

#endif
