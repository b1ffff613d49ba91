/* SPDX-License-Identifier: Apache-2.0 */
/* The artifact service: each call is a request whose work runs on the pool. */

#include "core/artifact/artifact.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/artifact/artifact_internal.h"
#include "core/base/fail.h"
#include "core/base/mem.h"

#define GRACE_MS (3600 * 1000)
#define PERIOD_MS (600 * 1000)

enum request_kind { TAKE_FILE, TAKE_BYTES, LOAD };

/* One call; freed by request_drop. */
struct request {
    enum request_kind kind;
    struct lathe_artifact_call call;
    int is_done;
    const char *dir; /* the module's, which outlives the pool */
    char *path;      /* TAKE_FILE */
    char *data;      /* TAKE_BYTES: input; LOAD: output */
    size_t len;
    int move, has_expected;
    uint64_t max_bytes, size;
    char expected[LATHE_ARTIFACT_SHA_MAX];
    char sha256[LATHE_ARTIFACT_SHA_MAX];
};

static int32_t request_work(void *user, const struct lathe_pool_job *job, struct lathe_error *err)
{
    struct request *r = user;
    int32_t st;

    (void)job;
    if (r->kind == TAKE_FILE)
        return artifact_take_file(r->dir, r->path, r->has_expected ? r->expected : NULL, r->move,
                                  r->sha256, &r->size, err);
    if (r->kind == TAKE_BYTES) {
        r->size = r->len;
        return artifact_take_bytes(r->dir, r->data, r->len, r->sha256, err);
    }
    st = artifact_read(r->dir, r->sha256, r->max_bytes, &r->data, &r->len, err);
    if (st != LATHE_OK)
        r->data = NULL;
    r->size = r->len;
    return st;
}

static void request_done(void *user, int32_t status, const struct lathe_error *err)
{
    static const struct lathe_error none = {0};
    struct request *r = user;
    struct lathe_artifact_result result = {.struct_size = sizeof result};

    r->is_done = 1;
    if (r->call.done == NULL)
        return;
    result.error = status != LATHE_OK && err != NULL ? err : &none;
    if (status == LATHE_OK) { /* after a timeout the work may still be writing these */
        result.sha256 = r->sha256;
        result.size_bytes = r->size;
        result.data = r->kind == LOAD ? r->data : NULL;
    }
    r->call.done(r->call.user, status, &result);
}

static void request_free(struct request *r)
{
    if (r->call.drop != NULL)
        r->call.drop(r->call.user);
    mem_free(r->path);
    mem_free(r->data);
    mem_free(r);
}

/* The pool drops what it did not start when the server ends: the caller still hears of it. */
static void request_drop(void *user)
{
    static const struct lathe_error ending = {
        .code = LATHE_E_UNAVAILABLE, .text = "the server ended before the artifact was handled"};
    struct request *r = user;

    if (!r->is_done)
        request_done(r, LATHE_E_UNAVAILABLE, &ending);
    request_free(r);
}

static struct request *request_new(struct artifacts *a, enum request_kind kind,
                                   const struct lathe_artifact_call *call)
{
    struct request *r = mem_new(struct request);

    if (r == NULL) {
        if (call != NULL && call->drop != NULL)
            call->drop(call->user);
        return NULL;
    }
    r->kind = kind;
    r->dir = a->dir;
    if (call != NULL) {
        r->call.done = call->done;
        r->call.drop = call->drop;
        r->call.user = call->user;
    }
    return r;
}

static int32_t submit(struct artifacts *a, struct request *r, int32_t st)
{
    if (st != LATHE_OK) {
        request_free(r);
        return st;
    }
    r->is_done = 1; /* when the pool refuses, drop comes without done */
    st = pool_run(a->options.pool, ARTIFACT_DEADLINE_MS, request_work, request_done, r,
                  request_drop, NULL);
    if (st == LATHE_OK)
        r->is_done = 0;
    return st == LATHE_E_LIMIT || st == LATHE_E_CANCELLED ? LATHE_E_UNAVAILABLE : st;
}

static int32_t service_import_file(const struct lathe_artifact_service *artifacts, const char *path,
                                   const char *expected_sha256, int32_t move,
                                   const struct lathe_artifact_call *call)
{
    struct request *r = request_new(artifacts->ctx, TAKE_FILE, call);
    int32_t st = LATHE_OK;

    if (r == NULL)
        return LATHE_E_NOMEM;
    if (path == NULL || path[0] == 0 ||
        (expected_sha256 != NULL && !artifact_sha_is_good(expected_sha256)))
        st = LATHE_E_INVALID;
    else if ((r->path = mem_strdup(path)) == NULL)
        st = LATHE_E_NOMEM;
    if (st == LATHE_OK && expected_sha256 != NULL) {
        memcpy(r->expected, expected_sha256, sizeof r->expected);
        r->has_expected = 1;
    }
    r->move = move != 0;
    return submit(artifacts->ctx, r, st);
}

static int32_t service_import_bytes(const struct lathe_artifact_service *artifacts,
                                    const void *data, uint64_t len_bytes,
                                    const struct lathe_artifact_call *call)
{
    struct request *r = request_new(artifacts->ctx, TAKE_BYTES, call);
    int32_t st = LATHE_OK;

    if (r == NULL)
        return LATHE_E_NOMEM;
    if (len_bytes >= SIZE_MAX)
        st = LATHE_E_LIMIT;
    else if ((r->data = mem_alloc((size_t)len_bytes + 1)) == NULL)
        st = LATHE_E_NOMEM;
    else if (len_bytes > 0)
        memcpy(r->data, data, (size_t)len_bytes);
    r->len = (size_t)len_bytes;
    return submit(artifacts->ctx, r, st);
}

static int32_t service_load(const struct lathe_artifact_service *artifacts, const char *sha256,
                            uint64_t max_bytes, const struct lathe_artifact_call *call)
{
    struct request *r = request_new(artifacts->ctx, LOAD, call);

    if (r == NULL)
        return LATHE_E_NOMEM;
    if (!artifact_sha_is_good(sha256))
        return submit(artifacts->ctx, r, LATHE_E_INVALID);
    memcpy(r->sha256, sha256, sizeof r->sha256);
    r->max_bytes = max_bytes;
    return submit(artifacts->ctx, r, LATHE_OK);
}

static int32_t service_find(const struct lathe_artifact_service *artifacts, const char *sha256,
                            char *path, uint32_t cap, uint64_t *size_bytes, struct lathe_error *err)
{
    const struct artifacts *a = artifacts->ctx;
    char full[ARTIFACT_PATH_MAX];
    struct stat info;
    size_t len;
    int32_t st;

    if (!artifact_sha_is_good(sha256))
        return fail(err, LATHE_E_INVALID, "an artifact is named by 64 lower-case hex digits");
    if ((st = artifact_path(a->dir, sha256, full, err)) != LATHE_OK)
        return st;
    if (stat(full, &info) != 0)
        return errno == ENOENT ? fail(err, LATHE_E_NOT_FOUND, "there is no artifact %s", sha256)
                               : fail_errno(err, errno, "stat %s", full);
    if (size_bytes != NULL)
        *size_bytes = (uint64_t)info.st_size;
    if (path == NULL)
        return LATHE_OK;
    if ((len = strlen(full)) >= cap)
        return fail(err, LATHE_E_LIMIT, "the path of artifact %s needs %zu bytes", sha256, len + 1);
    memcpy(path, full, len + 1);
    return LATHE_OK;
}

static void on_period(void *user)
{
    collect_start(user, NULL, NULL);
}

static int32_t timers_start(struct artifacts *a, struct lathe_error *err)
{
    uint64_t handle, period = (uint64_t)a->options.period_ms;

    if (a->options.store == NULL || a->options.period_ms < 0)
        return LATHE_OK;
    if ((a->timers = loop_timers_new(a->options.loop, 1)) == NULL ||
        loop_timer_start(a->timers, period, period, on_period, a, NULL, &handle) != LATHE_OK)
        return fail(err, LATHE_E_NOMEM, "no memory for the timer of artifacts");
    return LATHE_OK;
}

int32_t artifacts_open(const struct artifacts_options *options, struct artifacts **out,
                       struct lathe_error *err)
{
    struct artifacts *a = mem_new(struct artifacts);
    int32_t st = LATHE_OK;

    if (a == NULL)
        return fail(err, LATHE_E_NOMEM, "no memory for artifacts");
    a->options = *options;
    if (a->options.grace_ms == 0)
        a->options.grace_ms = GRACE_MS;
    if (a->options.period_ms == 0)
        a->options.period_ms = PERIOD_MS;
    if (strlen(options->dir) > ARTIFACT_PATH_MAX - 100)
        st = fail(err, LATHE_E_LIMIT, "the path of the artifact directory is too long");
    else
        memcpy(a->dir, options->dir, strlen(options->dir) + 1);
    a->service = (struct lathe_artifact_service){.struct_size = sizeof a->service,
                                                 .ctx = a,
                                                 .import_file = service_import_file,
                                                 .import_bytes = service_import_bytes,
                                                 .load = service_load,
                                                 .find = service_find};
    if (st == LATHE_OK && (st = artifact_dirs_open(a->dir, err)) == LATHE_OK)
        st = timers_start(a, err);
    if (st != LATHE_OK) {
        artifacts_close(a);
        return st;
    }
    *out = a;
    return LATHE_OK;
}

void artifacts_close(struct artifacts *artifacts)
{
    if (artifacts == NULL)
        return;
    collect_orphan(artifacts->collection);
    if (artifacts->timers != NULL)
        loop_timers_free(artifacts->timers);
    mem_free(artifacts);
}

const struct lathe_artifact_service *artifacts_service(const struct artifacts *artifacts)
{
    return &artifacts->service;
}

void artifacts_collect(struct artifacts *artifacts, void (*done)(void *user, int32_t, uint64_t),
                       void *user)
{
    collect_start(artifacts, done, user);
}
