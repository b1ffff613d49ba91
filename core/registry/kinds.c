/* Kind and service tables. One line per kind; adding a kind to the SDK means adding it here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registry/kinds.h"

#include <string.h>

#include "lathe/algorithm.h"
#include "lathe/api.h"
#include "lathe/artifact.h"
#include "lathe/clock.h"
#include "lathe/draft/connector.h"
#include "lathe/draft/deployer.h"
#include "lathe/draft/executor.h"
#include "lathe/draft/tracker.h"
#include "lathe/engine.h"
#include "lathe/env.h"
#include "lathe/events.h"
#include "lathe/http.h"
#include "lathe/jobs.h"
#include "lathe/json.h"
#include "lathe/metrics.h"
#include "lathe/models.h"
#include "lathe/plugins.h"
#include "lathe/pool.h"
#include "lathe/predictor.h"
#include "lathe/run.h"
#include "lathe/serve.h"
#include "lathe/storage.h"
#include "lathe/store.h"
#include "lathe/task.h"
#include "lathe/counters.h"
#include "lathe/tokens.h"

#define SLOT(type, field)                              \
    {                                                  \
#field, (uint32_t)offsetof(struct type, field) \
    }
#define SLOT_END \
    {            \
        NULL, 0  \
    }
#define SIZE_TO(type, field) \
    (uint32_t)(offsetof(struct type, field) + sizeof(((struct type *)0)->field))

static const struct kind_slot env_slots[] = {SLOT(lathe_env, open),  SLOT(lathe_env, spec),
                                             SLOT(lathe_env, reset), SLOT(lathe_env, step),
                                             SLOT(lathe_env, close), SLOT_END};
static const struct kind_slot algorithm_slots[] = {
    SLOT(lathe_algorithm, open),    SLOT(lathe_algorithm, act),
    SLOT(lathe_algorithm, observe), SLOT(lathe_algorithm, update),
    SLOT(lathe_algorithm, save),    SLOT(lathe_algorithm, load),
    SLOT(lathe_algorithm, close),   SLOT_END};
static const struct kind_slot engine_slots[] = {SLOT(lathe_engine, score),
                                                SLOT(lathe_engine, open),
                                                SLOT(lathe_engine, close),
                                                SLOT(lathe_engine, net_open),
                                                SLOT(lathe_engine, net_close),
                                                SLOT(lathe_engine, workspace_open),
                                                SLOT(lathe_engine, workspace_close),
                                                SLOT(lathe_engine, stride),
                                                SLOT(lathe_engine, forward),
                                                SLOT(lathe_engine, backward),
                                                SLOT(lathe_engine, optim),
                                                SLOT(lathe_engine, polyak),
                                                SLOT(lathe_engine, tensor_get),
                                                SLOT(lathe_engine, tensor_set),
                                                SLOT(lathe_engine, step_get),
                                                SLOT(lathe_engine, step_set),
                                                SLOT(lathe_engine, group),
                                                SLOT(lathe_engine, isa),
                                                SLOT_END};
static const struct kind_slot task_slots[] = {SLOT(lathe_task, open),     SLOT(lathe_task, slice),
                                              SLOT(lathe_task, progress), SLOT(lathe_task, result),
                                              SLOT(lathe_task, close),    SLOT_END};
static const struct kind_slot predictor_slots[] = {
    SLOT(lathe_predictor, open), SLOT(lathe_predictor, predict), SLOT(lathe_predictor, describe),
    SLOT(lathe_predictor, close), SLOT_END};
static const struct kind_slot storage_slots[] = {
    SLOT(lathe_storage, open),    SLOT(lathe_storage, close),
    SLOT(lathe_storage, declare), SLOT(lathe_storage, begin),
    SLOT(lathe_storage, commit),  SLOT(lathe_storage, rollback),
    SLOT(lathe_storage, apply),   SLOT(lathe_storage, get),
    SLOT(lathe_storage, scan),    SLOT_END};
static const struct kind_slot api_slots[] = {
    SLOT(lathe_api, title), SLOT(lathe_api, openapi_json), SLOT(lathe_api, operations),
    SLOT(lathe_api, open),  SLOT(lathe_api, close),        SLOT_END};
static const struct kind_slot tracker_slots[] = {
    SLOT(lathe_tracker, open),   SLOT(lathe_tracker, close),      SLOT(lathe_tracker, run_start),
    SLOT(lathe_tracker, points), SLOT(lathe_tracker, run_finish), SLOT_END};
static const struct kind_slot deployer_slots[] = {
    SLOT(lathe_deployer, open),     SLOT(lathe_deployer, close),  SLOT(lathe_deployer, deploy),
    SLOT(lathe_deployer, undeploy), SLOT(lathe_deployer, status), SLOT_END};
static const struct kind_slot connector_slots[] = {SLOT(lathe_connector, open),
                                                   SLOT(lathe_connector, close),
                                                   SLOT(lathe_connector, command), SLOT_END};
static const struct kind_slot executor_slots[] = {
    SLOT(lathe_executor, open),   SLOT(lathe_executor, close), SLOT(lathe_executor, start),
    SLOT(lathe_executor, signal), SLOT(lathe_executor, poll),  SLOT_END};

static const struct kind_info kinds[] = {
    {LATHE_KIND_ENV, KIND_IN_WORKER, SIZE_TO(lathe_env, close), env_slots},
    {LATHE_KIND_ALGORITHM, KIND_IN_WORKER, SIZE_TO(lathe_algorithm, close), algorithm_slots},
    {LATHE_KIND_ENGINE, KIND_IN_WORKER, SIZE_TO(lathe_engine, isa), engine_slots},
    {LATHE_KIND_TASK, KIND_IN_WORKER, SIZE_TO(lathe_task, close), task_slots},
    {LATHE_KIND_PREDICTOR, KIND_IN_WORKER, SIZE_TO(lathe_predictor, close), predictor_slots},
    {LATHE_KIND_STORAGE, KIND_IN_SERVER, SIZE_TO(lathe_storage, scan), storage_slots},
    {LATHE_KIND_API, KIND_IN_SERVER, SIZE_TO(lathe_api, close), api_slots},
    {LATHE_KIND_TRACKER, KIND_IN_SERVER, SIZE_TO(lathe_tracker, run_finish), tracker_slots},
    {LATHE_KIND_DEPLOYER, KIND_IN_SERVER, SIZE_TO(lathe_deployer, status), deployer_slots},
    {LATHE_KIND_CONNECTOR, KIND_IN_SERVER, SIZE_TO(lathe_connector, command), connector_slots},
    {LATHE_KIND_EXECUTOR, KIND_IN_SERVER, SIZE_TO(lathe_executor, poll), executor_slots},
};

static const char *const worker_services[] = {LATHE_SERVICE_CLOCK, LATHE_SERVICE_JSON,
                                              LATHE_SERVICE_METRICS, LATHE_SERVICE_RUN, NULL};
static const char *const server_services[] = {
    LATHE_SERVICE_ARTIFACT, LATHE_SERVICE_CLOCK,    LATHE_SERVICE_EVENTS,
    LATHE_SERVICE_HTTP,     LATHE_SERVICE_JOBS,     LATHE_SERVICE_JSON,
    LATHE_SERVICE_LOOP,     LATHE_SERVICE_MODELS,   LATHE_SERVICE_PLUGINS,
    LATHE_SERVICE_POOL,     LATHE_SERVICE_SERVE,    LATHE_SERVICE_STORE,
    LATHE_SERVICE_TOKENS,   LATHE_SERVICE_COUNTERS, NULL};

const struct kind_info *kind_at(uint32_t i)
{
    return i < sizeof kinds / sizeof kinds[0] ? &kinds[i] : NULL;
}

const struct kind_info *kind_find(const char *id)
{
    for (uint32_t i = 0; id != NULL && kind_at(i) != NULL; i++)
        if (strcmp(kinds[i].id, id) == 0)
            return &kinds[i];
    return NULL;
}

const char *const *kind_services(enum kind_process process)
{
    return process == KIND_IN_WORKER ? worker_services : server_services;
}

int kind_has_service(enum kind_process process, const char *id)
{
    for (const char *const *s = kind_services(process); *s != NULL; s++)
        if (strcmp(*s, id) == 0)
            return 1;
    return 0;
}
