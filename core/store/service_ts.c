/* SPDX-License-Identifier: Apache-2.0 */
/* The service table's telemetry: copies arguments, and lets a name space use only the series that
 * it opened. */

#include <string.h>

#include "core/base/mem.h"
#include "core/store/store_internal.h"

static int is_known(const struct store_space *space, uint64_t series)
{
    return series / 64 < space->n_ts_known &&
           (space->ts_known[series / 64] >> series % 64 & 1) != 0;
}

static int learn(struct store_space *space, uint64_t series)
{
    size_t words = (size_t)(series / 64) + 1;
    uint64_t *known;

    if (words > space->n_ts_known) {
        size_t grown = words * 2;

        if ((known = mem_realloc(space->ts_known, grown, sizeof *known)) == NULL)
            return 0;
        memset(known + space->n_ts_known, 0, (grown - space->n_ts_known) * sizeof *known);
        space->ts_known = known;
        space->n_ts_known = grown;
    }
    space->ts_known[series / 64] |= UINT64_C(1) << series % 64;
    return 1;
}

void service_ts_learn(struct store_req *req)
{
    for (uint32_t i = 0; i < req->result.n_values && req->status == LATHE_OK; i++)
        if (!learn(req->space, req->result.values[i]))
            req->status = LATHE_E_NOMEM;
}

static int32_t service_ts_open(const struct lathe_store_service *service, const char *const *names,
                               uint32_t n_names, const struct lathe_store_call *call)
{
    struct store_space *space = service_space(service);
    struct store_req *req = req_new(STORE_TS_OPEN, call);
    const char **copies;
    int32_t st = LATHE_OK;

    if (req == NULL)
        return LATHE_E_NOMEM;
    if (n_names > LATHE_TS_NAMES_MAX)
        return service_give_up(req, LATHE_E_LIMIT);
    if ((copies = arena_alloc(&req->args, n_names + 1u, sizeof *copies)) == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    for (uint32_t i = 0; i < n_names && st == LATHE_OK; i++)
        copies[i] = service_copy_id(req, space->prefix, names[i], &st);
    req->space = space;
    req->names = copies;
    req->n_names = n_names;
    return st == LATHE_OK ? store_submit(space->store, req) : service_give_up(req, st);
}

/* A call about one series. */
static int32_t submit_series(const struct lathe_store_service *service, struct store_req *req,
                             uint64_t series)
{
    struct store_space *space = service_space(service);

    if (!is_known(space, series))
        return service_give_up(req, LATHE_E_INVALID);
    req->ts_query.series = series;
    return store_submit(space->store, req);
}

static int32_t service_ts_remove(const struct lathe_store_service *service, uint64_t series,
                                 const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_TS_REMOVE, call);

    return req != NULL ? submit_series(service, req, series) : LATHE_E_NOMEM;
}

static int32_t service_ts_retain(const struct lathe_store_service *service, uint64_t series,
                                 const struct lathe_ts_retention *retention,
                                 const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_TS_RETAIN, call);

    if (req == NULL)
        return LATHE_E_NOMEM;
    req->retention = (struct lathe_ts_retention){sizeof req->retention, 0,
                                                 retention->raw_s,      retention->m1_s,
                                                 retention->m5_s,       retention->h1_s,
                                                 retention->d1_s};
    return submit_series(service, req, series);
}

static int32_t service_ts_ingest(const struct lathe_store_service *service,
                                 const struct lathe_ts_batch *batch,
                                 const struct lathe_store_call *call)
{
    struct store_space *space = service_space(service);
    struct store_req *req = req_new(STORE_TS_INGEST, call);
    struct lathe_ts_point *points;

    if (req == NULL)
        return LATHE_E_NOMEM;
    if (batch->n_points > LATHE_TS_BATCH_MAX)
        return service_give_up(req, LATHE_E_LIMIT);
    for (uint32_t i = 0; i < batch->n_points; i++)
        if (!is_known(space, batch->points[i].series))
            return service_give_up(req, LATHE_E_INVALID);
    if ((points = arena_alloc(&req->args, batch->n_points + 1u, sizeof *points)) == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    if (batch->n_points > 0)
        memcpy(points, batch->points, batch->n_points * sizeof *points);
    req->ts_batch =
        (struct lathe_ts_batch){sizeof req->ts_batch, batch->n_points, batch->recv_us, points};
    return store_submit(space->store, req);
}

static int32_t submit_read(const struct lathe_store_service *service, enum store_kind kind,
                           const struct lathe_ts_query *query, const struct lathe_store_call *call)
{
    struct store_req *req = req_new(kind, call);

    if (req == NULL)
        return LATHE_E_NOMEM;
    req->ts_query = (struct lathe_ts_query){.struct_size = sizeof req->ts_query,
                                            .flags = query->flags,
                                            .first_us = query->first_us,
                                            .end_us = query->end_us,
                                            .interval_us = query->interval_us,
                                            .origin_us = query->origin_us,
                                            .offset = query->offset,
                                            .limit = query->limit};
    return submit_series(service, req, query->series);
}

static int32_t service_ts_points(const struct lathe_store_service *service,
                                 const struct lathe_ts_query *query,
                                 const struct lathe_store_call *call)
{
    return submit_read(service, STORE_TS_POINTS, query, call);
}

static int32_t service_ts_buckets(const struct lathe_store_service *service,
                                  const struct lathe_ts_query *query,
                                  const struct lathe_store_call *call)
{
    return submit_read(service, STORE_TS_BUCKETS, query, call);
}

static int32_t service_ts_latest(const struct lathe_store_service *service, const uint64_t *series,
                                 uint32_t n_series, const struct lathe_store_call *call)
{
    struct store_space *space = service_space(service);
    struct store_req *req = req_new(STORE_TS_LATEST, call);
    uint64_t *ids;

    if (req == NULL)
        return LATHE_E_NOMEM;
    if (n_series > LATHE_TS_BATCH_MAX)
        return service_give_up(req, LATHE_E_LIMIT);
    if ((ids = arena_alloc(&req->args, n_series + 1u, sizeof *ids)) == NULL)
        return service_give_up(req, LATHE_E_NOMEM);
    for (uint32_t i = 0; i < n_series; i++) {
        if (!is_known(space, series[i]))
            return service_give_up(req, LATHE_E_INVALID);
        ids[i] = series[i];
    }
    req->ids = ids;
    req->n_names = n_series;
    return store_submit(space->store, req);
}

static int32_t service_ts_erase(const struct lathe_store_service *service, uint64_t series,
                                int64_t first_us, int64_t end_us,
                                const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_TS_ERASE, call);

    if (req == NULL)
        return LATHE_E_NOMEM;
    req->ts_query.first_us = first_us;
    req->ts_query.end_us = end_us;
    return submit_series(service, req, series);
}

static int32_t service_ts_stats(const struct lathe_store_service *service,
                                const struct lathe_store_call *call)
{
    struct store_req *req = req_new(STORE_TS_STATS, call);

    return req != NULL ? store_submit(service_space(service)->store, req) : LATHE_E_NOMEM;
}

void service_ts_init(struct store_space *space)
{
    struct lathe_store_service *s = &space->service;

    s->ts_open = service_ts_open;
    s->ts_remove = service_ts_remove;
    s->ts_retain = service_ts_retain;
    s->ts_ingest = service_ts_ingest;
    s->ts_points = service_ts_points;
    s->ts_buckets = service_ts_buckets;
    s->ts_latest = service_ts_latest;
    s->ts_erase = service_ts_erase;
    s->ts_stats = service_ts_stats;
}
