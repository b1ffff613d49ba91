/* Reads and writes safetensors files: named tensors and string metadata, the container of
 * checkpoints and models. Layout: 8-byte little-endian header length, JSON header, raw
 * little-endian data. Threads: [any]; one object belongs to one thread at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ARTIFACT_SAFETENSORS_H
#define CORE_ARTIFACT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "lathe/status.h"

#define SAFETENSORS_F64 1u
#define SAFETENSORS_F32 2u
#define SAFETENSORS_I64 3u
#define SAFETENSORS_I32 4u
#define SAFETENSORS_U8 5u
#define SAFETENSORS_U32 6u
#define SAFETENSORS_U64 7u

#define SAFETENSORS_DIMS_MAX 8        /* dimensions of a tensor */
#define SAFETENSORS_NAME_MAX 200      /* bytes of a tensor name or metadata key: printable ASCII */
#define SAFETENSORS_TENSORS_MAX 65536 /* tensors in a file */
#define SAFETENSORS_HEADER_MAX (16u << 20) /* bytes of the JSON header */

/* One tensor of an open reader. Pointers are valid until the reader is closed; data is aligned for
 * its type. ndim 0 is one number. */
struct safetensor {
    const char *name;
    uint32_t dtype, ndim;
    uint64_t shape[SAFETENSORS_DIMS_MAX];
    uint64_t n_elements;
    size_t len_bytes;
    const void *data;
};

/* Bytes of one element; 0 for an unknown dtype. */
size_t safetensors_dtype_size(uint32_t dtype);
/* "F32"; NULL for an unknown dtype. */
const char *safetensors_dtype_name(uint32_t dtype);
/* The dtype called name, or 0. */
uint32_t safetensors_dtype_parse(const char *name);

struct safetensors_writer;

/* Starts a file that will replace path. Nothing is written before close_durable. */
int32_t safetensors_writer_open(const char *path, struct safetensors_writer **out,
                                struct lathe_error *err) LATHE_MUST_USE;
/* Adds a tensor; its data is copied. Errors: INVALID (name, dtype, shape), EXISTS, LIMIT, NOMEM. */
int32_t safetensors_writer_add(struct safetensors_writer *writer, const char *name, uint32_t dtype,
                               uint32_t ndim, const uint64_t *shape, const void *data,
                               struct lathe_error *err) LATHE_MUST_USE;
/* As add for data that stays valid and unchanged until the writer is closed: nothing is copied. */
int32_t safetensors_writer_add_borrowed(struct safetensors_writer *writer, const char *name,
                                        uint32_t dtype, uint32_t ndim, const uint64_t *shape,
                                        const void *data, struct lathe_error *err) LATHE_MUST_USE;
/* Sets a metadata string; the last value of a key counts. Errors: INVALID, LIMIT, NOMEM. */
int32_t safetensors_writer_set_meta(struct safetensors_writer *writer, const char *key,
                                    const char *value, struct lathe_error *err) LATHE_MUST_USE;
/* Writes the file beside path, syncs it, renames it over path, syncs the directory, and releases
 * the writer whatever happens. The bytes depend on names and values only, not on the order of
 * adding. sha256 (65 bytes) and size_bytes may be NULL. On failure path is as it was. */
int32_t safetensors_writer_close_durable(struct safetensors_writer *writer, char *sha256,
                                         uint64_t *size_bytes,
                                         struct lathe_error *err) LATHE_MUST_USE;
/* Gives up: releases the writer, writes nothing. NULL is fine. */
void safetensors_writer_abandon(struct safetensors_writer *writer);

struct safetensors_reader;

/* Reads a whole file of at most max_bytes and checks every offset, size and name in it.
 * Errors: NOT_FOUND, LIMIT, CORRUPT, IO, NOMEM. */
int32_t safetensors_reader_open(const char *path, uint64_t max_bytes,
                                struct safetensors_reader **out,
                                struct lathe_error *err) LATHE_MUST_USE;
/* As open, from memory, which is copied. */
int32_t safetensors_reader_open_memory(const void *data, size_t len_bytes,
                                       struct safetensors_reader **out,
                                       struct lathe_error *err) LATHE_MUST_USE;
/* The tensor called name, or NULL. */
const struct safetensor *safetensors_reader_find(const struct safetensors_reader *reader,
                                                 const char *name);
/* As find, and it must have this dtype and shape. Errors: NOT_FOUND, CORRUPT. ndim UINT32_MAX: any.
 */
int32_t safetensors_reader_expect(const struct safetensors_reader *reader, const char *name,
                                  uint32_t dtype, uint32_t ndim, const uint64_t *shape,
                                  const struct safetensor **out,
                                  struct lathe_error *err) LATHE_MUST_USE;
/* The i-th tensor in file order, or NULL behind the last. */
const struct safetensor *safetensors_reader_at(const struct safetensors_reader *reader, size_t i);
/* A metadata string, or NULL. */
const char *safetensors_reader_meta(const struct safetensors_reader *reader, const char *key);
void safetensors_reader_close(struct safetensors_reader *reader); /* NULL is fine */

#endif
