/* Data directory, registry, storage, and the modules that keep their state in it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/artifact/artifact.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/event/events.h"
#include "core/http/auth.h"
#include "core/http/metrics.h"
#include "core/job/job.h"
#include "core/lathed/lathed.h"
#include "core/model/serve.h"
#include "core/store/store.h"
#include "lathe/storage.h"

#undef LOG_MODULE
#define LOG_MODULE "lathed"

#define SETTLE_MS 120000
#define POOL_QUEUE 1000

static const struct config_group *group(const struct lathed *d, const char *name)
{
    return config_group(config_root(d->config), name);
}

/* Directory below the data directory, created. */
static int32_t data_sub(const struct lathed *d, const char *name, char out[SETTINGS_PATH_MAX],
                        struct lathe_error *err)
{
    int32_t st = path_join(out, SETTINGS_PATH_MAX, d->paths.data, name, err);
    return st == LATHE_OK ? io_mkdir_p(out, 0700, err) : st;
}

/* One server per data directory. */
static int32_t data_lock(struct lathed *d, struct lathe_error *err)
{
    char path[SETTINGS_PATH_MAX];
    int32_t st;

    if ((st = io_mkdir_p(d->paths.data, 0700, err)) != LATHE_OK ||
        (st = path_join(path, sizeof path, d->paths.data, "lock", err)) != LATHE_OK)
        return st;
    if ((d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        return fail_errno(err, errno, "open %s", path);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return LATHE_OK;
    if (errno != EWOULDBLOCK)
        return fail_errno(err, errno, "lock %s", path);
    return fail(err, LATHE_E_CONFLICT, "another server uses the data directory %.160s",
                d->paths.data);
}

static int32_t registry_open(struct lathed *d, struct lathe_error *err)
{
    char cache[SETTINGS_PATH_MAX];
    struct sup_config sup = {d->paths.worker,
                             (uint32_t)config_int(group(d, "workers"), "silence_ms")};
    struct reg_config reg = {.loop = d->parts.loop,
                             .dirs = (const char *const *)d->paths.plugins,
                             .worker_path = d->paths.worker,
                             .cache_path = cache,
                             .probe_ms = (uint32_t)config_int(group(d, "plugins"), "probe_ms")};
    int32_t st;

    if (access(d->paths.worker, X_OK) != 0)
        return fail_errno(err, errno, "find the worker program %s", d->paths.worker);
    if ((st = path_join(cache, sizeof cache, d->paths.data, "plugins.cache.json", err)) !=
            LATHE_OK ||
        (st = sup_open(d->parts.loop, &sup, &d->sup, err)) != LATHE_OK)
        return st;
    reg.sup = d->sup;
    if ((st = reg_open(&reg, &d->parts.reg, err)) != LATHE_OK)
        return st;
    reg_scan(d->parts.reg, 1);
    if (!reg_settle(d->parts.reg, SETTLE_MS))
        log_warn("some plugins are still being described", F_NONE);
    return lathed_required_check(d, err);
}

static int32_t storage_open(struct lathed *d, struct lathe_error *err)
{
    const char *name = config_string(group(d, "plugins"), "storage");
    const struct lathe_plugin_info *info = NULL;
    const struct lathe_component *component;
    struct store_options options = {.base = loop_base(d->parts.loop)};
    struct lathed_file *file;
    char dir[SETTINGS_PATH_MAX];
    int32_t st;

    if (reg_find(d->parts.reg, LATHE_KIND_STORAGE, name, &info) == NULL)
        return fail_field(err, LATHE_E_NOT_FOUND, "plugins.storage",
                          "there is no usable storage named %.64s in %.100s", name,
                          d->paths.plugins[0] != NULL ? d->paths.plugins[0]
                                                      : "(no plugin directory)");
    if ((st = lathed_file_open(d, info->path, &file, err)) != LATHE_OK)
        return st;
    if ((component = plugin_find(file->file, LATHE_KIND_STORAGE, name)) == NULL)
        return fail(err, LATHE_E_CONFLICT, "%s has changed since it was described",
                    file->file->path);
    if ((st = lathed_params(d, component, &d->storage_params, err)) != LATHE_OK ||
        (st = data_sub(d, "store", dir, err)) != LATHE_OK)
        return st;
    options.storage = component->vtable;
    options.host = host_table(file->host);
    options.params = params_table(d->storage_params);
    options.data_dir = dir;
    return store_open(&options, &d->parts.store, err);
}

static int32_t files_open(struct lathed *d, struct lathe_error *err)
{
    char dir[SETTINGS_PATH_MAX];
    struct artifacts_options artifacts = {
        .loop = d->parts.loop, .pool = d->parts.pool, .store = d->parts.store, .dir = dir};
    struct events_options events = {.base = loop_base(d->parts.loop), .store = d->parts.store};
    int32_t st;

    if ((st = data_sub(d, "artifacts", dir, err)) != LATHE_OK ||
        (st = artifacts_open(&artifacts, &d->parts.artifacts, err)) != LATHE_OK)
        return st;
    return events_open(&events, &d->parts.events, err);
}

static int32_t models_and_serve_open(struct lathed *d, const struct lathe_store_service *store,
                                     struct lathe_error *err)
{
    const struct config_group *workers = group(d, "workers");
    char dir[SETTINGS_PATH_MAX];
    struct models_config models = {d->parts.loop, store, artifacts_service(d->parts.artifacts)};
    struct serve_config serve = {.loop = d->parts.loop,
                                 .sup = d->sup,
                                 .reg = d->parts.reg,
                                 .dir = dir,
                                 .max_workers = (uint32_t)config_int(workers, "serving"),
                                 .idle_ms = (uint32_t)config_int(workers, "serving_idle_ms"),
                                 .memory_bytes = (uint64_t)config_int(workers, "memory_mb") << 20,
                                 .is_confined = config_bool(workers, "confine")};
    int32_t st;

    if ((st = models_open(&models, &d->parts.models, err)) != LATHE_OK ||
        (st = data_sub(d, "serve", dir, err)) != LATHE_OK)
        return st;
    serve.models = d->parts.models;
    return serve_open(&serve, &d->parts.serve, err);
}

static int32_t work_open(struct lathed *d, struct lathe_error *err)
{
    const struct config_group *workers = group(d, "workers");
    const struct lathe_store_service *store = NULL;
    char dir[SETTINGS_PATH_MAX];
    struct jobs_config jobs = {.loop = d->parts.loop,
                               .sup = d->sup,
                               .reg = d->parts.reg,
                               .events = events_service(d->parts.events),
                               .artifacts = artifacts_service(d->parts.artifacts),
                               .runs_dir = dir,
                               .slots = (uint32_t)config_int(workers, "slots"),
                               .queue_limit = (uint32_t)config_int(workers, "queue"),
                               .threads_max = (uint32_t)config_int(workers, "threads"),
                               .stop_ms = (uint32_t)config_int(workers, "stop_ms"),
                               .kill_ms = (uint32_t)config_int(workers, "kill_ms"),
                               .retries = (uint32_t)config_int(workers, "retries"),
                               .memory_bytes = (uint64_t)config_int(workers, "memory_mb") << 20,
                               .auto_resume = config_bool(workers, "auto_resume"),
                               .is_confined = config_bool(workers, "confine")};
    int32_t st;

    if ((st = store_service(d->parts.store, "core", &store, err)) != LATHE_OK ||
        (st = models_and_serve_open(d, store, err)) != LATHE_OK ||
        (st = data_sub(d, "runs", dir, err)) != LATHE_OK)
        return st;
    jobs.store = store;
    jobs.models = d->parts.models;
    return jobs_open(&jobs, &d->parts.jobs, err);
}

int32_t lathed_parts_open(struct lathed *d, struct lathe_error *err)
{
    uint32_t threads = (uint32_t)config_int(group(d, "server"), "threads");
    int32_t st;

    if ((d->parts.metrics = http_metrics_new()) == NULL)
        return fail(err, LATHE_E_NOMEM, "open counters");
    if ((st = data_lock(d, err)) != LATHE_OK || (st = loop_open(&d->parts.loop, err)) != LATHE_OK ||
        (st = pool_open(d->parts.loop, threads, POOL_QUEUE, &d->parts.pool, err)) != LATHE_OK ||
        (st = registry_open(d, err)) != LATHE_OK || (st = storage_open(d, err)) != LATHE_OK ||
        (st = lathed_tokens_open(d, err)) != LATHE_OK)
        return st;
    if (d->args.token_name != NULL)
        return LATHE_OK;
    if ((st = files_open(d, err)) != LATHE_OK)
        return st;
    return work_open(d, err);
}

void lathed_parts_close(struct lathed *d)
{
    pool_close(d->parts.pool);
    serve_close(d->parts.serve);
    jobs_detach(d->parts.jobs);
    sup_close(d->sup);
    if (d->parts.store != NULL)
        store_drain(d->parts.store); /* the last callbacks of jobs and models, while all is there */
    artifacts_close(d->parts.artifacts);
    events_close(d->parts.events);
    if (d->parts.store != NULL)
        store_close(d->parts.store);
    jobs_close(d->parts.jobs);
    models_close(d->parts.models);
    http_auth_close(d->parts.auth);
    reg_close(d->parts.reg);
    lathed_files_close(d);
    params_free(d->storage_params);
    http_metrics_free(d->parts.metrics);
    loop_close(d->parts.loop);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
}
