/* SPDX-License-Identifier: Apache-2.0 */
/* Writing safetensors: collects tensors, lays them out by falling element size and then by name (so
 * every one is aligned and the bytes do not depend on the order of calls), and replaces the file
 * durably. */

#include "core/artifact/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/strbuf.h"

#define META_BYTES_MAX (8u << 20)

struct item {
    char *name;
    uint32_t dtype, ndim;
    uint64_t shape[SAFETENSORS_DIMS_MAX];
    size_t len_bytes;
    const void *data;
    void *copy; /* owned, or NULL when data is borrowed */
};

struct meta {
    char *key, *value;
};

struct safetensors_writer {
    char *path;
    struct item *items;
    size_t n_items, cap_items;
    struct hmap *names;
    struct meta *metas;
    size_t n_metas;
    size_t meta_bytes;
};

/* Where bytes go while the file is written. */
struct sink {
    int fd;
    struct sha256 sha;
    uint64_t written;
};

static int name_is_good(const char *name)
{
    size_t len = strnlen(name, SAFETENSORS_NAME_MAX + 1);

    if (len == 0 || len > SAFETENSORS_NAME_MAX)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return 0;
    return 1;
}

static int32_t item_size(const struct item *item, size_t *len, struct lathe_error *err)
{
    size_t size = safetensors_dtype_size(item->dtype);

    if (size == 0)
        return fail(err, LATHE_E_INVALID, "tensor %s: unknown dtype %u", item->name, item->dtype);
    for (uint32_t d = 0; d < item->ndim; d++)
        if (item->shape[d] > SIZE_MAX || !size_mul(size, (size_t)item->shape[d], &size))
            return fail(err, LATHE_E_LIMIT, "tensor %s is too large", item->name);
    *len = size;
    return LATHE_OK;
}

static int32_t items_grow(struct safetensors_writer *w, struct lathe_error *err)
{
    size_t cap = w->cap_items != 0 ? w->cap_items * 2 : 16;
    struct item *items;

    if (w->n_items < w->cap_items)
        return LATHE_OK;
    if (w->n_items >= SAFETENSORS_TENSORS_MAX)
        return fail(err, LATHE_E_LIMIT, "%s: more than %d tensors", w->path,
                    SAFETENSORS_TENSORS_MAX);
    if ((items = mem_realloc(w->items, cap, sizeof *items)) == NULL)
        return fail(err, LATHE_E_NOMEM, "%s: no memory for tensor list", w->path);
    w->items = items;
    w->cap_items = cap;
    return LATHE_OK;
}

static void item_fini(struct item *item)
{
    mem_free(item->name);
    mem_free(item->copy);
}

/* Takes item->name and item->copy, also on failure. */
static int32_t items_append(struct safetensors_writer *w, struct item *item,
                            struct lathe_error *err)
{
    int32_t st = items_grow(w, err);
    void *old = NULL;

    if (st == LATHE_OK && hmap_get(w->names, item->name) != NULL)
        st = fail(err, LATHE_E_EXISTS, "tensor %s was added before", item->name);
    if (st == LATHE_OK && hmap_put(w->names, item->name, w, &old) != LATHE_OK)
        st = fail(err, LATHE_E_NOMEM, "%s: no memory for a tensor name", w->path);
    if (st != LATHE_OK) {
        item_fini(item);
        return st;
    }
    w->items[w->n_items++] = *item;
    return LATHE_OK;
}

int32_t safetensors_writer_add_borrowed(struct safetensors_writer *writer, const char *name,
                                        uint32_t dtype, uint32_t ndim, const uint64_t *shape,
                                        const void *data, struct lathe_error *err)
{
    struct item item = {.dtype = dtype, .ndim = ndim, .data = data};
    int32_t st;

    if (!name_is_good(name) || strcmp(name, "__metadata__") == 0)
        return fail(err, LATHE_E_INVALID,
                    "tensor name is empty, reserved, too long or has a control byte");
    if (ndim > SAFETENSORS_DIMS_MAX)
        return fail(err, LATHE_E_INVALID, "tensor %s has %u dimensions, at most %d are allowed",
                    name, ndim, SAFETENSORS_DIMS_MAX);
    if (ndim > 0)
        memcpy(item.shape, shape, ndim * sizeof *shape);
    if ((item.name = mem_strdup(name)) == NULL)
        return fail(err, LATHE_E_NOMEM, "tensor %s: no memory", name);
    if ((st = item_size(&item, &item.len_bytes, err)) != LATHE_OK) {
        item_fini(&item);
        return st;
    }
    return items_append(writer, &item, err);
}

int32_t safetensors_writer_add(struct safetensors_writer *writer, const char *name, uint32_t dtype,
                               uint32_t ndim, const uint64_t *shape, const void *data,
                               struct lathe_error *err)
{
    int32_t st = safetensors_writer_add_borrowed(writer, name, dtype, ndim, shape, data, err);
    struct item *item;

    if (st != LATHE_OK)
        return st;
    item = &writer->items[writer->n_items - 1];
    if (item->len_bytes == 0)
        return LATHE_OK;
    if ((item->copy = mem_dup(data, item->len_bytes)) == NULL) {
        st = fail(err, LATHE_E_NOMEM, "tensor %s: no memory for %zu bytes", name, item->len_bytes);
        (void)hmap_remove(writer->names, name);
        item_fini(item);
        writer->n_items--;
        return st;
    }
    item->data = item->copy;
    return LATHE_OK;
}

static struct meta *meta_find(struct safetensors_writer *w, const char *key)
{
    for (size_t i = 0; i < w->n_metas; i++)
        if (strcmp(w->metas[i].key, key) == 0)
            return &w->metas[i];
    return NULL;
}

int32_t safetensors_writer_set_meta(struct safetensors_writer *writer, const char *key,
                                    const char *value, struct lathe_error *err)
{
    size_t len = strlen(value);
    struct meta *meta, *metas;
    char *dup;

    if (!name_is_good(key))
        return fail(err, LATHE_E_INVALID, "metadata key is empty, too long or has a control byte");
    if (len > META_BYTES_MAX || writer->meta_bytes + len > META_BYTES_MAX)
        return fail(err, LATHE_E_LIMIT, "metadata %s: more than %u bytes in all", key,
                    META_BYTES_MAX);
    if ((dup = mem_strdup(value)) == NULL)
        return fail(err, LATHE_E_NOMEM, "metadata %s: no memory", key);
    if ((meta = meta_find(writer, key)) == NULL) {
        metas = mem_realloc(writer->metas, writer->n_metas + 1, sizeof *metas);
        if (metas == NULL) {
            mem_free(dup);
            return fail(err, LATHE_E_NOMEM, "metadata %s: no memory", key);
        }
        writer->metas = metas;
        meta = &metas[writer->n_metas];
        meta->value = NULL;
        if ((meta->key = mem_strdup(key)) == NULL) {
            mem_free(dup);
            return fail(err, LATHE_E_NOMEM, "metadata %s: no memory", key);
        }
        writer->n_metas++;
    }
    if (meta->value != NULL)
        writer->meta_bytes -= strlen(meta->value);
    mem_free(meta->value);
    meta->value = dup;
    writer->meta_bytes += len;
    return LATHE_OK;
}

static int meta_compare(const void *a, const void *b)
{
    return strcmp(((const struct meta *)a)->key, ((const struct meta *)b)->key);
}

static int item_compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    size_t xs = safetensors_dtype_size(x->dtype), ys = safetensors_dtype_size(y->dtype);

    if (xs != ys)
        return xs > ys ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void header_meta(struct strbuf *buf, const struct safetensors_writer *w)
{
    strbuf_adds(buf, "\"__metadata__\":{");
    for (size_t i = 0; i < w->n_metas; i++) {
        if (i > 0)
            strbuf_addc(buf, ',');
        strbuf_add_json_string(buf, w->metas[i].key, strlen(w->metas[i].key));
        strbuf_addc(buf, ':');
        strbuf_add_json_string(buf, w->metas[i].value, strlen(w->metas[i].value));
    }
    strbuf_addc(buf, '}');
}

static void header_item(struct strbuf *buf, const struct item *item, uint64_t offset)
{
    strbuf_add_json_string(buf, item->name, strlen(item->name));
    strbuf_addf(buf, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_dtype_name(item->dtype));
    for (uint32_t d = 0; d < item->ndim; d++)
        strbuf_addf(buf, "%s%llu", d > 0 ? "," : "", (unsigned long long)item->shape[d]);
    strbuf_addf(buf, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)offset,
                (unsigned long long)offset + item->len_bytes);
}

/* The first 8 bytes and the JSON, padded with spaces so that the data starts on an 8-byte boundary.
 */
static int32_t header_build(struct safetensors_writer *w, struct strbuf *buf,
                            struct lathe_error *err)
{
    unsigned char prefix[8] = {0};
    uint64_t offset = 0, len;

    if (w->n_metas > 1)
        qsort(w->metas, w->n_metas, sizeof *w->metas, meta_compare);
    if (w->n_items > 1)
        qsort(w->items, w->n_items, sizeof *w->items, item_compare);
    strbuf_add(buf, prefix, sizeof prefix);
    strbuf_addc(buf, '{');
    if (w->n_metas > 0)
        header_meta(buf, w);
    for (size_t i = 0; i < w->n_items; i++) {
        if (i > 0 || w->n_metas > 0)
            strbuf_addc(buf, ',');
        header_item(buf, &w->items[i], offset);
        offset += w->items[i].len_bytes;
    }
    strbuf_addc(buf, '}');
    while (buf->len_bytes % 8 != 0 && !buf->failed)
        strbuf_addc(buf, ' ');
    if (buf->failed)
        return fail(err, LATHE_E_NOMEM, "%s: no memory for the header", w->path);
    len = buf->len_bytes - 8;
    if (len > SAFETENSORS_HEADER_MAX)
        return fail(err, LATHE_E_LIMIT, "%s: header of %llu bytes is too large", w->path,
                    (unsigned long long)len);
    for (size_t i = 0; i < 8; i++)
        buf->data[i] = (char)(unsigned char)(len >> (8 * i) & 0xff);
    return LATHE_OK;
}

static int32_t sink_add(struct sink *sink, const void *data, size_t len, struct lathe_error *err)
{
    int32_t st = len > 0 ? io_write_all(sink->fd, data, len, err) : LATHE_OK;

    if (st == LATHE_OK && len > 0) {
        sha256_add(&sink->sha, data, len);
        sink->written += len;
    }
    return st;
}

static int32_t write_parts(struct safetensors_writer *w, const struct strbuf *header,
                           struct sink *sink, struct lathe_error *err)
{
    int32_t st = sink_add(sink, header->data, header->len_bytes, err);

    for (size_t i = 0; i < w->n_items && st == LATHE_OK; i++)
        st = sink_add(sink, w->items[i].data, w->items[i].len_bytes, err);
    return st;
}

/* Writes tmp, then moves it over the target. */
static int32_t publish(struct safetensors_writer *w, const char *tmp, const struct strbuf *header,
                       struct sink *sink, struct lathe_error *err)
{
    int32_t st;

    sink->fd = open(tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (sink->fd < 0)
        return fail_errno(err, errno, "create %s", tmp);
    st = write_parts(w, header, sink, err);
    if (st == LATHE_OK && fsync(sink->fd) != 0)
        st = fail_errno(err, errno, "sync %s", tmp);
    if (close(sink->fd) != 0 && st == LATHE_OK)
        st = fail_errno(err, errno, "close %s", tmp);
    if (st == LATHE_OK && rename(tmp, w->path) != 0)
        st = fail_errno(err, errno, "rename %s to %s", tmp, w->path);
    if (st != LATHE_OK) {
        unlink(tmp);
        return st;
    }
    return io_sync_parent(w->path, err); /* the new name must survive a power cut too */
}

int32_t safetensors_writer_close_durable(struct safetensors_writer *writer, char *sha256,
                                         uint64_t *size_bytes, struct lathe_error *err)
{
    struct strbuf header, tmp;
    struct sink sink = {.fd = -1};
    char hex[65];
    uint64_t salt;
    int32_t st;

    io_random(&salt, sizeof salt);
    strbuf_init(&header);
    strbuf_init(&tmp);
    strbuf_addf(&tmp, "%s.%016llx.tmp", writer->path, (unsigned long long)salt);
    st = header_build(writer, &header, err);
    if (st == LATHE_OK && (tmp.failed || sha256_open(&sink.sha) != LATHE_OK))
        st = fail(err, LATHE_E_NOMEM, "%s: no memory to write it", writer->path);
    if (st == LATHE_OK) {
        st = publish(writer, tmp.data, &header, &sink, err);
        sha256_close_hex(&sink.sha, hex);
    }
    if (st == LATHE_OK && sha256 != NULL)
        memcpy(sha256, hex, sizeof hex);
    if (st == LATHE_OK && size_bytes != NULL)
        *size_bytes = sink.written;
    strbuf_fini(&tmp);
    strbuf_fini(&header);
    safetensors_writer_abandon(writer);
    return st;
}

int32_t safetensors_writer_open(const char *path, struct safetensors_writer **out,
                                struct lathe_error *err)
{
    struct safetensors_writer *w = mem_new(struct safetensors_writer);

    if (w != NULL) {
        w->path = mem_strdup(path);
        w->names = hmap_new();
    }
    if (w == NULL || w->path == NULL || w->names == NULL) {
        safetensors_writer_abandon(w);
        return fail(err, LATHE_E_NOMEM, "%s: no memory for a writer", path);
    }
    *out = w;
    return LATHE_OK;
}

void safetensors_writer_abandon(struct safetensors_writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < writer->n_items; i++)
        item_fini(&writer->items[i]);
    for (size_t i = 0; i < writer->n_metas; i++) {
        mem_free(writer->metas[i].key);
        mem_free(writer->metas[i].value);
    }
    mem_free(writer->items);
    mem_free(writer->metas);
    hmap_free(writer->names, NULL);
    mem_free(writer->path);
    mem_free(writer);
}
