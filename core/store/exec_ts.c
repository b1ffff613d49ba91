/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry on the storage thread: calls of the extension, and its background work. */

#include <string.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#define LOG_MODULE "store"
#include "core/base/log.h"
#include "core/store/store_internal.h"

#define RETRY_MS 5000u /* after background work failed */

int req_is_telemetry(const struct store_req *req)
{
    return req->kind >= STORE_TS_OPEN;
}

int req_is_alone(const struct store_req *req)
{
    return req->kind == STORE_DECLARE || req->kind == STORE_TS_OPEN ||
           req->kind == STORE_TS_REMOVE || req->kind == STORE_TS_RETAIN ||
           req->kind == STORE_TS_ERASE;
}

static int32_t take_points(void *user, const struct lathe_ts_point *points, uint32_t n)
{
    struct store_req *req = user;

    for (uint32_t i = 0; i < n; i++) {
        if (!exec_room((void **)&req->ts_points, req->result.n_ts, &req->cap_ts,
                       sizeof *req->ts_points))
            return fail(&req->error, LATHE_E_NOMEM, "no memory for points");
        req->ts_points[req->result.n_ts++] = points[i];
    }
    return LATHE_OK;
}

static int32_t take_buckets(void *user, const struct lathe_ts_bucket *buckets, uint32_t n)
{
    struct store_req *req = user;

    for (uint32_t i = 0; i < n; i++) {
        if (!exec_room((void **)&req->ts_buckets, req->result.n_ts, &req->cap_ts,
                       sizeof *req->ts_buckets))
            return fail(&req->error, LATHE_E_NOMEM, "no memory for buckets");
        req->ts_buckets[req->result.n_ts++] = buckets[i];
    }
    return LATHE_OK;
}

static int32_t exec_open(struct store *store, struct store_req *req)
{
    uint64_t *ids = arena_alloc(&req->results, req->n_names + 1u, sizeof *ids);
    int32_t st;

    if (ids == NULL)
        return fail(&req->error, LATHE_E_NOMEM, "no memory for numbers");
    st = store->series->series_open(store->self, req->names, req->n_names, ids, &req->error);
    if (st == LATHE_OK) {
        req->result.values = ids;
        req->result.n_values = req->n_names;
    }
    return st;
}

static int32_t exec_latest(struct store *store, struct store_req *req)
{
    struct lathe_ts_latest *out = arena_alloc(&req->results, req->n_names + 1u, sizeof *out);
    int32_t st;

    if (out == NULL)
        return fail(&req->error, LATHE_E_NOMEM, "no memory for points");
    st = store->series->latest(store->self, req->ids, req->n_names, out, &req->error);
    req->result.ts_latest = out;
    req->result.n_ts = st == LATHE_OK ? req->n_names : 0;
    return st;
}

static int32_t exec_stats(struct store *store, struct store_req *req)
{
    struct lathe_ts_stats *out = arena_alloc(&req->results, 1, sizeof *out);

    if (out == NULL)
        return fail(&req->error, LATHE_E_NOMEM, "no memory for figures");
    out->struct_size = sizeof *out;
    req->result.ts_stats = out;
    return store->series->stats(store->self, out, &req->error);
}

static int32_t exec_read(struct store *store, struct store_req *req)
{
    const struct lathe_storage_timeseries *t = store->series;
    int32_t st;

    req->ts_result = (struct lathe_ts_result){.struct_size = sizeof req->ts_result};
    st = req->kind == STORE_TS_POINTS ? t->points(store->self, &req->ts_query, take_points, req,
                                                  &req->ts_result, &req->error)
                                      : t->buckets(store->self, &req->ts_query, take_buckets, req,
                                                   &req->ts_result, &req->error);
    req->result.ts_result = &req->ts_result;
    req->result.ts_points = req->ts_points;
    req->result.ts_buckets = req->ts_buckets;
    return st;
}

int32_t exec_telemetry(struct store *store, struct store_req *req)
{
    const struct lathe_storage_timeseries *t = store->series;

    if (t == NULL || !LATHE_CAN(t, struct lathe_storage_timeseries, maintain))
        return fail(&req->error, LATHE_E_UNSUPPORTED, "this storage keeps no telemetry");
    switch (req->kind) {
    case STORE_TS_OPEN:
        return exec_open(store, req);
    case STORE_TS_REMOVE:
        return t->series_remove(store->self, req->ts_query.series, &req->error);
    case STORE_TS_RETAIN:
        return t->retain(store->self, req->ts_query.series, &req->retention, &req->error);
    case STORE_TS_INGEST:
        return t->ingest(store->self, &req->ts_batch, &req->result.failed_point, &req->error);
    case STORE_TS_LATEST:
        return exec_latest(store, req);
    case STORE_TS_ERASE:
        return t->erase(store->self, req->ts_query.series, req->ts_query.first_us,
                        req->ts_query.end_us, &req->error);
    case STORE_TS_STATS:
        return exec_stats(store, req);
    default:
        return exec_read(store, req);
    }
}

uint32_t exec_maintain(struct store *store)
{
    const struct lathe_storage_timeseries *t = store->series;
    struct lathe_error err = {0};
    struct timespec now;
    uint32_t wait_ms = 0;
    int32_t st;

    if (t == NULL || !LATHE_CAN(t, struct lathe_storage_timeseries, maintain))
        return UINT32_MAX;
    clock_gettime(CLOCK_REALTIME, &now);
    st = t->maintain(store->self, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, &wait_ms,
                     &err);
    if (st == LATHE_OK)
        return wait_ms;
    log_warn("background work of the storage failed and is tried again", F_STR("error", err.text),
             F_STR("status", lathe_status_name(st)));
    return RETRY_MS;
}
