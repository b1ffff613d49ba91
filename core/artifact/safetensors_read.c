/* SPDX-License-Identifier: Apache-2.0 */
/* Reading safetensors: nothing in the file is believed before it is checked. The data must be
 * covered exactly once, in order, aligned, with sizes that agree with type and shape. */

#include "core/artifact/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#define PREFIX_BYTES 8u
#define DATA_ALIGN 64u

struct safetensors_reader {
    unsigned char *bytes; /* the whole file */
    size_t len_bytes;
    const unsigned char *data;
    size_t data_bytes;
    json_t *header; /* owns names and metadata strings */
    struct safetensor *tensors;
    size_t n_tensors;
    struct hmap *by_name;
};

static int32_t corrupt(struct lathe_error *err, const char *name, const char *what)
{
    return fail(err, LATHE_E_CORRUPT, "tensor file: %.80s: %s", name, what);
}

static int32_t shape_read(struct safetensor *t, const json_t *shape, struct lathe_error *err)
{
    size_t n = json_array_size(shape), total = 1;

    if (!json_is_array(shape) || n > SAFETENSORS_DIMS_MAX)
        return corrupt(err, t->name, "shape is not a list of at most 8 numbers");
    for (size_t i = 0; i < n; i++) {
        const json_t *dim = json_array_get(shape, i);
        json_int_t value = json_integer_value(dim);

        if (!json_is_integer(dim) || value < 0 || !size_mul(total, (size_t)value, &total))
            return corrupt(err, t->name, "shape has a bad or too large dimension");
        t->shape[i] = (uint64_t)value;
    }
    t->ndim = (uint32_t)n;
    t->n_elements = total;
    return LATHE_OK;
}

static int32_t offsets_read(const struct safetensors_reader *r, struct safetensor *t,
                            const json_t *offsets, struct lathe_error *err)
{
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    size_t begin, end, want;

    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first) ||
        (uint64_t)json_integer_value(last) > r->data_bytes)
        return corrupt(err, t->name, "data_offsets are not inside the file");
    begin = (size_t)json_integer_value(first);
    end = (size_t)json_integer_value(last);
    if (!size_mul((size_t)t->n_elements, safetensors_dtype_size(t->dtype), &want) ||
        want != end - begin)
        return corrupt(err, t->name, "data_offsets do not agree with dtype and shape");
    t->data = r->data + begin;
    t->len_bytes = want;
    if ((size_t)((const unsigned char *)t->data - r->bytes) % safetensors_dtype_size(t->dtype) != 0)
        return corrupt(err, t->name, "data is not aligned for its dtype");
    return LATHE_OK;
}

static int32_t tensor_read(const struct safetensors_reader *r, struct safetensor *t,
                           const char *name, const json_t *entry, struct lathe_error *err)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    size_t len = strlen(name);
    int32_t st;

    t->name = name;
    if (len == 0 || len > SAFETENSORS_NAME_MAX)
        return corrupt(err, name, "tensor name is empty or too long");
    if (json_object_size(entry) != 3 || dtype == NULL)
        return corrupt(err, name, "needs exactly dtype, shape and data_offsets");
    if ((t->dtype = safetensors_dtype_parse(dtype)) == 0)
        return corrupt(err, name, "dtype is not supported");
    if ((st = shape_read(t, json_object_get(entry, "shape"), err)) != LATHE_OK)
        return st;
    return offsets_read(r, t, json_object_get(entry, "data_offsets"), err);
}

static int32_t meta_check(const json_t *meta, struct lathe_error *err)
{
    void *it;

    if (!json_is_object(meta))
        return corrupt(err, "__metadata__", "is not an object");
    for (it = json_object_iter((json_t *)(uintptr_t)meta); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)meta, it))
        if (!json_is_string(json_object_iter_value(it)))
            return corrupt(err, json_object_iter_key(it), "metadata value is not a string");
    return LATHE_OK;
}

static int32_t tensors_read(struct safetensors_reader *r, struct lathe_error *err)
{
    size_t count = json_object_size(r->header);
    void *it;
    int32_t st = LATHE_OK;

    if (count > SAFETENSORS_TENSORS_MAX + 1u)
        return fail(err, LATHE_E_LIMIT, "tensor file: %zu tensors are too many", count);
    if ((r->tensors = mem_zalloc(count + 1, sizeof *r->tensors)) == NULL)
        return fail(err, LATHE_E_NOMEM, "tensor file: no memory for %zu tensors", count);
    for (it = json_object_iter(r->header); it != NULL && st == LATHE_OK;
         it = json_object_iter_next(r->header, it)) {
        const char *name = json_object_iter_key(it);

        if (strcmp(name, "__metadata__") == 0)
            st = meta_check(json_object_iter_value(it), err);
        else
            st = tensor_read(r, &r->tensors[r->n_tensors++], name, json_object_iter_value(it), err);
    }
    return st;
}

static int tensor_compare(const void *a, const void *b)
{
    const struct safetensor *x = a, *y = b;

    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    if (x->len_bytes != y->len_bytes) /* empty tensors first: they share an address with the next */
        return x->len_bytes < y->len_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Every data byte belongs to exactly one tensor. */
static int32_t coverage_check(struct safetensors_reader *r, struct lathe_error *err)
{
    const unsigned char *next = r->data;

    if (r->n_tensors > 1)
        qsort(r->tensors, r->n_tensors, sizeof *r->tensors, tensor_compare);
    for (size_t i = 0; i < r->n_tensors; i++) {
        if ((const unsigned char *)r->tensors[i].data != next)
            return corrupt(err, r->tensors[i].name, "overlaps another tensor or leaves a hole");
        next += r->tensors[i].len_bytes;
    }
    if (next != r->data + r->data_bytes)
        return corrupt(err, "end", "data behind the last tensor");
    return LATHE_OK;
}

static int32_t index_build(struct safetensors_reader *r, struct lathe_error *err)
{
    void *old = NULL;

    if ((r->by_name = hmap_new()) == NULL)
        return fail(err, LATHE_E_NOMEM, "tensor file: no memory for names");
    for (size_t i = 0; i < r->n_tensors; i++)
        if (hmap_put(r->by_name, r->tensors[i].name, &r->tensors[i], &old) != LATHE_OK)
            return fail(err, LATHE_E_NOMEM, "tensor file: no memory for names");
    return LATHE_OK;
}

static int32_t header_parse(struct safetensors_reader *r, struct lathe_error *err)
{
    uint64_t len = 0;
    json_error_t jerr;

    if (r->len_bytes < PREFIX_BYTES + 2)
        return fail(err, LATHE_E_CORRUPT, "tensor file: only %zu bytes", r->len_bytes);
    for (unsigned i = 0; i < PREFIX_BYTES; i++)
        len |= (uint64_t)r->bytes[i] << (8 * i);
    if (len > SAFETENSORS_HEADER_MAX || len > r->len_bytes - PREFIX_BYTES)
        return fail(err, LATHE_E_CORRUPT, "tensor file: header length %llu does not fit",
                    (unsigned long long)len);
    if (r->bytes[PREFIX_BYTES] != '{')
        return fail(err, LATHE_E_CORRUPT, "tensor file: header does not start with {");
    r->data = r->bytes + PREFIX_BYTES + len;
    r->data_bytes = r->len_bytes - PREFIX_BYTES - (size_t)len;
    r->header = json_loadb((const char *)r->bytes + PREFIX_BYTES, (size_t)len,
                           JSON_REJECT_DUPLICATES, &jerr);
    if (r->header == NULL)
        return fail(err, LATHE_E_CORRUPT, "tensor file: header at byte %d: %.100s", jerr.position,
                    jerr.text);
    if (!json_is_object(r->header))
        return fail(err, LATHE_E_CORRUPT, "tensor file: header is not an object");
    return LATHE_OK;
}

/* Takes r; on failure it is released. */
static int32_t parse(struct safetensors_reader *r, struct safetensors_reader **out,
                     struct lathe_error *err)
{
    int32_t st = header_parse(r, err);

    if (st == LATHE_OK)
        st = tensors_read(r, err);
    if (st == LATHE_OK)
        st = coverage_check(r, err);
    if (st == LATHE_OK)
        st = index_build(r, err);
    if (st != LATHE_OK) {
        safetensors_reader_close(r);
        return st;
    }
    *out = r;
    return LATHE_OK;
}

static int32_t reader_new(size_t len, struct safetensors_reader **out, struct lathe_error *err)
{
    struct safetensors_reader *r = mem_new(struct safetensors_reader);

    if (r != NULL)
        r->bytes = mem_aligned(DATA_ALIGN, len + 1, 1);
    if (r == NULL || r->bytes == NULL) {
        mem_free(r);
        return fail(err, LATHE_E_NOMEM, "tensor file: no memory for %zu bytes", len);
    }
    r->len_bytes = len;
    *out = r;
    return LATHE_OK;
}

int32_t safetensors_reader_open_memory(const void *data, size_t len_bytes,
                                       struct safetensors_reader **out, struct lathe_error *err)
{
    struct safetensors_reader *r = NULL;
    int32_t st = reader_new(len_bytes, &r, err);

    if (st != LATHE_OK)
        return st;
    if (len_bytes > 0)
        memcpy(r->bytes, data, len_bytes);
    return parse(r, out, err);
}

static int32_t read_all(int fd, const char *path, struct safetensors_reader *r,
                        struct lathe_error *err)
{
    size_t done = 0;

    while (done < r->len_bytes) {
        ssize_t n = read(fd, r->bytes + done, r->len_bytes - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "read %s", path);
        if (n == 0)
            return fail(err, LATHE_E_CORRUPT, "%s became shorter while it was read", path);
        done += (size_t)n;
    }
    return LATHE_OK;
}

static int32_t open_checked(int fd, const char *path, uint64_t max_bytes,
                            struct safetensors_reader **out, struct lathe_error *err)
{
    struct safetensors_reader *r = NULL;
    struct stat info;
    int32_t st;

    if (fstat(fd, &info) != 0)
        return fail_errno(err, errno, "stat %s", path);
    if (!S_ISREG(info.st_mode))
        return fail(err, LATHE_E_INVALID, "%s is not a regular file", path);
    if ((uint64_t)info.st_size > max_bytes || (uint64_t)info.st_size >= SIZE_MAX)
        return fail(err, LATHE_E_LIMIT, "%s has %llu bytes, allowed are %llu", path,
                    (unsigned long long)info.st_size, (unsigned long long)max_bytes);
    if ((st = reader_new((size_t)info.st_size, &r, err)) != LATHE_OK)
        return st;
    if ((st = read_all(fd, path, r, err)) != LATHE_OK) {
        safetensors_reader_close(r);
        return st;
    }
    return parse(r, out, err);
}

int32_t safetensors_reader_open(const char *path, uint64_t max_bytes,
                                struct safetensors_reader **out, struct lathe_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int32_t st;

    if (fd < 0)
        return fail_errno(err, errno, "open %s", path);
    st = open_checked(fd, path, max_bytes, out, err);
    close(fd);
    return st;
}

const struct safetensor *safetensors_reader_find(const struct safetensors_reader *reader,
                                                 const char *name)
{
    return hmap_get(reader->by_name, name);
}

int32_t safetensors_reader_expect(const struct safetensors_reader *reader, const char *name,
                                  uint32_t dtype, uint32_t ndim, const uint64_t *shape,
                                  const struct safetensor **out, struct lathe_error *err)
{
    const struct safetensor *t = safetensors_reader_find(reader, name);

    if (t == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "tensor %s is missing", name);
    if (t->dtype != dtype)
        return corrupt(err, name, "has another dtype than expected");
    if (ndim != UINT32_MAX &&
        (t->ndim != ndim || (ndim > 0 && memcmp(t->shape, shape, ndim * sizeof *shape) != 0)))
        return corrupt(err, name, "has another shape than expected");
    *out = t;
    return LATHE_OK;
}

const struct safetensor *safetensors_reader_at(const struct safetensors_reader *reader, size_t i)
{
    return i < reader->n_tensors ? &reader->tensors[i] : NULL;
}

const char *safetensors_reader_meta(const struct safetensors_reader *reader, const char *key)
{
    return json_string_value(json_object_get(json_object_get(reader->header, "__metadata__"), key));
}

void safetensors_reader_close(struct safetensors_reader *reader)
{
    if (reader == NULL)
        return;
    hmap_free(reader->by_name, NULL);
    mem_free(reader->tensors);
    json_decref(reader->header);
    mem_free(reader->bytes);
    mem_free(reader);
}
