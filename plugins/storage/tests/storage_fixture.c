/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a storage plugin with the options' defaults. */

#include "plugins/storage/tests/storage_fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/plugin.h"

int fixture_load(struct fixture *f, const char *name)
{
    char path[512];
    const struct lathe_plugin *plugin;
    void *handle;

    snprintf(path, sizeof path, LATHE_BINARY_DIR "/plugins/storage_%s.so", name);
    if ((handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)) == NULL ||
        (plugin = dlsym(handle, "lathe_plugin_v1")) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    f->vtable = plugin->components[0]->vtable;
    return strcmp(plugin->components[0]->kind, LATHE_KIND_STORAGE) == 0;
}

static int64_t get_int(const struct lathe_params *params, const char *name)
{
    const struct fixture *f = params->ctx;

    if (strcmp(name, "merge_points") == 0)
        return f->merge_points != 0 ? f->merge_points : 60000;
    if (strcmp(name, "max_backlog") == 0)
        return 2000000;
    return strcmp(name, "cache_mib") == 0 ? 16 : strcmp(name, "merge_age") == 0 ? 30 : 0;
}

static const char *get_string(const struct lathe_params *params, const char *name)
{
    const struct fixture *f = params->ctx;

    if (strcmp(name, "file") == 0)
        return "lathe.db";
    if (strcmp(name, "conninfo") == 0) {
        const char *info = getenv("LATHE_TEST_POSTGRES");

        return info != NULL ? info : "";
    }
    if (strcmp(name, "schema") == 0)
        return f->dir + strlen("/tmp/"); /* one for each test */
    if (strcmp(name, "durability") == 0)
        return "full";
    return strcmp(name, "integrity_check") == 0 && f->integrity[0] != 0 ? f->integrity : "quick";
}

int32_t fixture_open(struct fixture *f, struct lathe_error *err)
{
    const struct lathe_params params = {
        .struct_size = sizeof params, .ctx = f, .get_int = get_int, .get_string = get_string};
    const struct lathe_storage_args args = {sizeof args, 0, NULL, &params, f->dir};
    int32_t st = f->vtable->open(&args, err, &f->self);

    f->series = st == LATHE_OK ? f->vtable->extension(f->self, LATHE_STORAGE_TIMESERIES) : NULL;
    return st;
}

void fixture_close(struct fixture *f)
{
    f->vtable->close(f->self);
    f->self = NULL;
}

static int32_t one(struct fixture *f, const struct lathe_storage_op *op, uint64_t *value)
{
    const struct lathe_storage_batch batch = {sizeof batch, 1, &op};

    return f->vtable->apply(f->self, &batch, value, NULL, NULL);
}

int32_t fixture_put(struct fixture *f, const char *coll, const char *id, uint64_t expected,
                    const char *json, uint64_t *revision)
{
    const struct lathe_storage_op op = {sizeof op, LATHE_OP_PUT, coll, id, expected, json, 0, 0};

    return one(f, &op, revision);
}

int32_t fixture_delete(struct fixture *f, const char *coll, const char *id, uint64_t expected)
{
    const struct lathe_storage_op op = {sizeof op, LATHE_OP_DELETE, coll, id, expected, NULL, 0, 0};

    return one(f, &op, NULL);
}

int32_t fixture_declare(struct fixture *f, const char *coll)
{
    static const struct lathe_storage_index n = {sizeof n, LATHE_INDEX_NUMBER, "n"};
    static const struct lathe_storage_index s = {sizeof s, LATHE_INDEX_STRING, "s"};
    static const struct lathe_storage_index tags = {sizeof tags, LATHE_INDEX_STRING, "tags"};
    static const struct lathe_storage_index deep = {sizeof deep, LATHE_INDEX_NUMBER, "deep.list.x"};
    static const struct lathe_storage_index *const indexes[] = {&n, &s, &tags, &deep, NULL};
    const struct lathe_storage_collection c = {sizeof c, 0, coll, indexes};

    return f->vtable->declare(f->self, &c, NULL);
}

int32_t fixture_settle(struct fixture *f, int64_t now_us)
{
    uint32_t wait_ms = 0;
    int32_t st;

    do
        st = f->series->maintain(f->self, now_us, &wait_ms, NULL);
    while (st == LATHE_OK && wait_ms == 0);
    return st;
}

int32_t fixture_point(struct fixture *f, uint64_t series, int64_t ts_us, double value,
                      uint32_t flags)
{
    const struct lathe_ts_point p = {series, ts_us, value, flags, 0};
    const struct lathe_ts_batch batch = {sizeof batch, 1, ts_us, &p};

    return f->series->ingest(f->self, &batch, NULL, NULL);
}

uint64_t fixture_series(struct fixture *f, const char *name)
{
    uint64_t id = 0;

    return f->series->series_open(f->self, &name, 1, &id, NULL) == LATHE_OK ? id : 0;
}
