/* Named tensors in and out of safetensors files, with a content hash that does not depend on order.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/ckpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

struct ckpt_digest {
    char name[CKPT_NAME_MAX];
    char hex[65];
};

static uint32_t to_file_dtype(uint32_t dtype)
{
    static const uint32_t map[] = {SAFETENSORS_F32, SAFETENSORS_F64, SAFETENSORS_I32,
                                   SAFETENSORS_I64, SAFETENSORS_U8,  SAFETENSORS_U32,
                                   SAFETENSORS_U64};

    return dtype < sizeof map / sizeof map[0] ? map[dtype] : 0;
}

static uint32_t from_file_dtype(uint32_t dtype)
{
    uint32_t i;

    for (i = 0; i <= LATHE_U64; i++)
        if (to_file_dtype(i) == dtype)
            return i;
    return UINT32_MAX;
}

static int32_t tensor_hash(uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data,
                           size_t len_bytes, char hex[65])
{
    struct sha256 sha;
    char head[256];
    int n;
    uint32_t i;
    int32_t st = sha256_open(&sha);

    if (st != LATHE_OK)
        return st;
    n = snprintf(head, sizeof head, "%s", safetensors_dtype_name(dtype));
    for (i = 0; i < ndim; i++)
        n += snprintf(head + n, sizeof head - (size_t)n, ",%llu", (unsigned long long)shape[i]);
    sha256_add(&sha, head, (size_t)n + 1);
    sha256_add(&sha, data, len_bytes);
    sha256_close_hex(&sha, hex);
    return LATHE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ckpt_digest *)a)->name, ((const struct ckpt_digest *)b)->name);
}

static int32_t digests_hash(struct ckpt_digest *digests, size_t n, char hex[65])
{
    struct sha256 sha;
    size_t i;
    int32_t st = sha256_open(&sha);

    if (st != LATHE_OK)
        return st;
    if (n > 1)
        qsort(digests, n, sizeof *digests, by_name);
    for (i = 0; i < n; i++) {
        sha256_add(&sha, digests[i].name, strlen(digests[i].name) + 1);
        sha256_add(&sha, digests[i].hex, 64);
    }
    sha256_close_hex(&sha, hex);
    return LATHE_OK;
}

static int32_t plugin_put(const struct lathe_writer *writer, const char *name, uint32_t dtype,
                          uint32_t ndim, const uint64_t *shape, const void *data)
{
    struct ckpt_writer *self = writer->ctx;
    char full[CKPT_NAME_MAX];
    int n = snprintf(full, sizeof full, "%s%s", self->prefix, name);

    if (n < 0 || (size_t)n >= sizeof full)
        return LATHE_E_LIMIT;
    ckpt_put(self, full, dtype, ndim, shape, data);
    return self->st;
}

int32_t ckpt_writer_open(struct ckpt_writer *writer, const char *path, struct lathe_error *err)
{
    memset(writer, 0, sizeof *writer);
    writer->writer.struct_size = sizeof writer->writer;
    writer->writer.ctx = writer;
    writer->writer.put = plugin_put;
    writer->prefix = "";
    return safetensors_writer_open(path, &writer->file, err);
}

static int32_t add_digest(struct ckpt_writer *writer, const char *name, const char *hex)
{
    struct ckpt_digest *d;

    if (writer->n == writer->cap) {
        size_t cap = writer->cap > 0 ? writer->cap * 2 : 32;

        d = mem_realloc(writer->digests, cap, sizeof *d);
        if (d == NULL)
            return LATHE_E_NOMEM;
        writer->digests = d;
        writer->cap = cap;
    }
    d = &writer->digests[writer->n++];
    snprintf(d->name, sizeof d->name, "%s", name);
    memcpy(d->hex, hex, 65);
    return LATHE_OK;
}

void ckpt_put(struct ckpt_writer *writer, const char *name, uint32_t dtype, uint32_t ndim,
              const uint64_t *shape, const void *data)
{
    uint32_t type = to_file_dtype(dtype);
    size_t len = safetensors_dtype_size(type);
    char hex[65];
    uint32_t i;

    if (writer->st != LATHE_OK)
        return;
    writer->st = safetensors_writer_add(writer->file, name, type, ndim, shape, data, &writer->err);
    for (i = 0; i < ndim; i++)
        len *= (size_t)shape[i]; /* the writer has checked the product */
    if (writer->st == LATHE_OK)
        writer->st = tensor_hash(type, ndim, shape, data, len, hex);
    if (writer->st == LATHE_OK)
        writer->st = add_digest(writer, name, hex);
    if (writer->st != LATHE_OK && writer->err.code == 0)
        fail(&writer->err, writer->st, "tensor %s", name);
}

void ckpt_put1(struct ckpt_writer *writer, const char *name, uint32_t dtype, uint64_t n,
               const void *data)
{
    ckpt_put(writer, name, dtype, 1, &n, data);
}

void ckpt_meta(struct ckpt_writer *writer, const char *key, const char *value)
{
    if (writer->st == LATHE_OK)
        writer->st = safetensors_writer_set_meta(writer->file, key, value, &writer->err);
}

int32_t ckpt_weights_hash(struct ckpt_writer *writer, char hex[65])
{
    return digests_hash(writer->digests, writer->n, hex);
}

int32_t ckpt_writer_close(struct ckpt_writer *writer, char weights_sha256[65], char file_sha256[65],
                          uint64_t *size_bytes, struct lathe_error *err)
{
    int32_t st;

    if (writer->st == LATHE_OK)
        writer->st = ckpt_weights_hash(writer, weights_sha256);
    ckpt_meta(writer, "weights_sha256", weights_sha256);
    if (writer->st != LATHE_OK) {
        st = writer->st;
        if (err != NULL && writer->err.code != 0)
            *err = writer->err;
        else
            fail(err, st, "checkpoint content");
        ckpt_writer_abandon(writer);
        return st;
    }
    st = safetensors_writer_close_durable(writer->file, file_sha256, size_bytes, err);
    writer->file = NULL;
    ckpt_writer_abandon(writer);
    return st;
}

void ckpt_writer_abandon(struct ckpt_writer *writer)
{
    safetensors_writer_abandon(writer->file);
    mem_free(writer->digests);
    writer->file = NULL;
    writer->digests = NULL;
    writer->n = writer->cap = 0;
}

static const struct safetensor *find_prefixed(const struct lathe_reader *reader, const char *name)
{
    const struct ckpt_reader *self = reader->ctx;
    char full[CKPT_NAME_MAX];
    int n = snprintf(full, sizeof full, "%s%s", self->prefix, name);

    if (n < 0 || (size_t)n >= sizeof full)
        return NULL;
    return safetensors_reader_find(self->file, full);
}

static int32_t plugin_get(const struct lathe_reader *reader, const char *name, uint32_t dtype,
                          uint32_t ndim, const uint64_t *shape, void *out)
{
    const struct safetensor *t = find_prefixed(reader, name);

    if (t == NULL)
        return LATHE_E_NOT_FOUND;
    if (t->dtype != to_file_dtype(dtype) || t->ndim != ndim ||
        (ndim > 0 && memcmp(t->shape, shape, ndim * sizeof *shape) != 0))
        return LATHE_E_CORRUPT;
    if (t->len_bytes > 0)
        memcpy(out, t->data, t->len_bytes);
    return LATHE_OK;
}

static int32_t plugin_shape(const struct lathe_reader *reader, const char *name, uint32_t *dtype,
                            uint64_t shape[8])
{
    const struct safetensor *t = find_prefixed(reader, name);

    if (t == NULL)
        return LATHE_E_NOT_FOUND;
    *dtype = from_file_dtype(t->dtype);
    memcpy(shape, t->shape, t->ndim * sizeof *shape);
    return (int32_t)t->ndim;
}

static int32_t check_content(struct ckpt_reader *reader, const char *path, struct lathe_error *err)
{
    const char *stored = ckpt_get_meta(reader, "weights_sha256");
    struct ckpt_writer sums;
    const struct safetensor *t;
    int32_t st = LATHE_OK;
    size_t i;

    memset(&sums, 0, sizeof sums);
    for (i = 0; st == LATHE_OK && (t = safetensors_reader_at(reader->file, i)) != NULL; i++) {
        char hex[65];

        if (strlen(t->name) >= CKPT_NAME_MAX)
            st = LATHE_E_CORRUPT;
        else
            st = tensor_hash(t->dtype, t->ndim, t->shape, t->data, t->len_bytes, hex);
        if (st == LATHE_OK)
            st = add_digest(&sums, t->name, hex);
    }
    if (st == LATHE_OK)
        st = digests_hash(sums.digests, sums.n, reader->weights_sha256);
    mem_free(sums.digests);
    if (st != LATHE_OK)
        return fail(err, st, "%s: %s", path, lathe_status_name(st));
    if (strcmp(stored, reader->weights_sha256) != 0)
        return fail(err, LATHE_E_CORRUPT, "%s: content does not match its hash", path);
    return LATHE_OK;
}

int32_t ckpt_reader_open(struct ckpt_reader *reader, const char *path, const char *format,
                         struct lathe_error *err)
{
    int32_t st;

    memset(reader, 0, sizeof *reader);
    reader->reader.struct_size = sizeof reader->reader;
    reader->reader.ctx = reader;
    reader->reader.get = plugin_get;
    reader->reader.shape = plugin_shape;
    reader->prefix = "";
    if ((st = safetensors_reader_open(path, CKPT_BYTES_MAX, &reader->file, err)) != LATHE_OK)
        return st;
    if (strcmp(ckpt_get_meta(reader, "format"), format) != 0)
        st = fail(err, LATHE_E_VERSION, "%s: not a %s file", path, format);
    else
        st = check_content(reader, path, err);
    if (st != LATHE_OK)
        ckpt_reader_close(reader);
    return st;
}

void ckpt_reader_close(struct ckpt_reader *reader)
{
    safetensors_reader_close(reader->file);
    reader->file = NULL;
}

int32_t ckpt_get1(const struct ckpt_reader *reader, const char *name, uint32_t dtype, uint64_t n,
                  void *out, struct lathe_error *err)
{
    const struct safetensor *t = safetensors_reader_find(reader->file, name);

    if (t == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "checkpoint has no tensor %s", name);
    if (t->dtype != to_file_dtype(dtype) || t->n_elements != n)
        return fail(err, LATHE_E_CORRUPT, "checkpoint tensor %s has another shape", name);
    if (t->len_bytes > 0)
        memcpy(out, t->data, t->len_bytes);
    return LATHE_OK;
}

const char *ckpt_get_meta(const struct ckpt_reader *reader, const char *key)
{
    const char *value = safetensors_reader_meta(reader->file, key);

    return value != NULL ? value : "";
}
