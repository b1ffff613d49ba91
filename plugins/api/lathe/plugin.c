/* The native surface: any environment, any algorithm. What lathectl speaks. This file only ties
 * operations to handlers; the contract is openapi.json. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lathe/plugin.h"
#include "lathe_openapi.h"
#include "plugins/api/lathe/native.h"

static int32_t native_open(const struct lathe_host *host, const struct lathe_params *params,
                           struct lathe_error *err, void **self)
{
    struct native *native = calloc(1, sizeof *native);
    int32_t st;

    (void)params;
    if (!native)
        return api_fail(err, LATHE_E_NOMEM, "", "opening the surface: out of memory");
    if ((st = api_kit_open(&native->kit, host, err)) != LATHE_OK) {
        free(native);
        return st;
    }
    *self = native;
    return LATHE_OK;
}

static void native_close(void *self)
{
    struct native *native = self;

    if (!native)
        return;
    api_targets_close(&native->kit, &native->targets);
    free(native);
}

static const struct lathe_operation *const operations[] = {
    LATHE_OPERATION("listPlugins", plugins_list),
    LATHE_OPERATION("rescanPlugins", plugins_rescan),
    LATHE_OPERATION("listEnvironments", environments_list),
    LATHE_OPERATION("getEnvironment", environments_get),
    LATHE_OPERATION("listAlgorithms", algorithms_list),
    LATHE_OPERATION("getAlgorithm", algorithms_get),
    LATHE_OPERATION("getStatus", status_get),
    LATHE_OPERATION("createRun", runs_create),
    LATHE_OPERATION("listRuns", runs_list),
    LATHE_OPERATION("getRun", runs_get),
    LATHE_OPERATION("deleteRun", runs_delete),
    LATHE_OPERATION("pauseRun", runs_pause),
    LATHE_OPERATION("resumeRun", runs_resume),
    LATHE_OPERATION("stopRun", runs_stop),
    LATHE_OPERATION("cancelRun", runs_cancel),
    LATHE_OPERATION("getRunMetrics", runs_metrics),
    LATHE_OPERATION("streamRunEvents", runs_events),
    LATHE_OPERATION("listModels", models_list),
    LATHE_OPERATION("getModel", models_get),
    LATHE_OPERATION("deleteModel", models_delete),
    LATHE_OPERATION("exportModel", models_export),
    LATHE_OPERATION("actModel", models_act),
    LATHE_OPERATION("listTokens", tokens_list),
    LATHE_OPERATION("createToken", tokens_create),
    LATHE_OPERATION("deleteToken", tokens_delete),
    NULL};

static const struct lathe_api native_api = {sizeof native_api,
                                            0,
                                            "Lathe",
                                            "",
                                            (const char *)lathe_openapi,
                                            0,
                                            operations,
                                            native_open,
                                            native_close,
                                            native_render_error,
                                            NULL};

static const struct lathe_component component = {
    sizeof component,           0,           LATHE_KIND_API, "lathe",
    "The native REST surface.", &native_api, api_kit_needs,  NULL};

static const struct lathe_component *const components[] = {&component, NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,
    "org.lathe.api.lathe",
    "1.0.0",
    "Apache-2.0",
    "The native REST surface, for any environment and algorithm.",
    components,
    NULL,
    NULL};
