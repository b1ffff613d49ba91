/* The AgentGym surface: operations and handlers, opening and closing. The contract is openapi.json.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "agentgym_openapi.h"
#include "lathe/plugin.h"
#include "plugins/api/agentgym/gym.h"

/* Keeps the best evaluation with the session, for after a restart. */
static void keep_best(struct gym *gym, struct session *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    char *extra;

    if (!s->n_evals || !s->extra)
        return;
    j->set_float(s->extra, "best_accuracy", s->best_accuracy);
    j->set_int(s->extra, "best_episode", s->best_episode);
    if ((extra = j->dup_text(s->extra, 0, NULL)) != NULL)
        gym->kit.jobs->set_extra(gym->kit.jobs, s->id, extra, NULL, NULL, NULL, NULL);
    j->free_text(extra);
}

static void on_job_event(void *user, const struct lathe_job_event *event)
{
    struct gym *gym = user;
    struct session *s = session_get(gym, event->job);

    if (s && event->kind == LATHE_JOB_EVENT_EVAL)
        session_add_eval(gym, s, event->data, 1);
    if (s && event->kind == LATHE_JOB_EVENT_PROGRESS)
        counts_progress(gym, s, event->job);
    if (event->kind == LATHE_JOB_EVENT_DONE) {
        scenario_note_run(gym, event->job);
        if (s)
            keep_best(gym, s);
    }
    sockets_notify(gym, event);
}

/* Finished runs say how long 200 episodes take; running ones need their best figures, and so do
 * those that ended together with the server. */
static int32_t on_old_job(void *user, const struct lathe_job_info *job)
{
    struct gym *gym = user;
    struct session *s = session_is_final(job) ? NULL : session_get(gym, job);
    struct lathe_json *progress = s ? api_parse(&gym->kit, job->progress) : NULL;

    if (s) /* steps of before the start do not count */
        s->env_steps = gym->kit.json->get_float(progress, "env_steps", 0);
    gym->kit.json->release(progress);
    scenario_note_run(gym, job);
    if (!session_is_final(job) ||
        (strcmp(job->eval, "null") != 0 && !strstr(job->extra, "\"best_accuracy\"")))
        session_load_evals(gym, job->id, NULL, NULL, NULL);
    return 0;
}

static void gym_close(void *self)
{
    struct gym *gym = self;

    if (!gym)
        return;
    counts_close(gym);
    if (gym->watch)
        gym->kit.jobs->unwatch(gym->kit.jobs, gym->watch);
    if (gym->tick)
        gym->kit.loop->timer_cancel(gym->kit.loop, gym->tick);
    api_targets_close(&gym->kit, &gym->targets);
    if (gym->env_host)
        gym->kit.serve->close(gym->kit.serve, gym->env_host);
    if (gym->solve_host)
        gym->kit.serve->close(gym->kit.serve, gym->solve_host);
    flights_close(gym);
    envs_close(gym);
    sessions_close(gym);
    scenarios_close(gym);
    model_texts_close(gym);
    memset(gym, 0, sizeof *gym);
    free(gym);
}

static int32_t gym_open(const struct lathe_host *host, const struct lathe_params *params,
                        struct lathe_error *err, void **self)
{
    struct gym *gym = calloc(1, sizeof *gym);
    int32_t st;

    if (!gym)
        return api_fail(err, LATHE_E_NOMEM, "", "opening the surface: out of memory");
    if ((st = api_kit_open(&gym->kit, host, err)) != LATHE_OK) {
        free(gym);
        return st;
    }
    if ((st = settings_open(gym, params, err)) != LATHE_OK ||
        (st = scenarios_open(gym, err)) != LATHE_OK) {
        gym_close(gym);
        return st;
    }
    gym->kit.jobs->list(gym->kit.jobs, GYM_OWNER, on_old_job, gym);
    st = gym->kit.jobs->watch(gym->kit.jobs, GYM_OWNER, on_job_event, gym, NULL, &gym->watch);
    if (st != LATHE_OK) {
        gym_close(gym);
        return api_fail(err, st, "", "watching sessions failed");
    }
    counts_open(gym);
    *self = gym;
    return LATHE_OK;
}

static const struct lathe_operation *const operations[] = {
    LATHE_OPERATION("listScenarios", op_list_scenarios),
    LATHE_OPERATION("getScenario", op_get_scenario),
    LATHE_OPERATION("createScenario", op_create_scenario),
    LATHE_OPERATION("deleteScenario", op_delete_scenario),
    LATHE_OPERATION("startTraining", op_start),
    LATHE_OPERATION("listTraining", op_list_training),
    LATHE_OPERATION("getTraining", op_get_training),
    LATHE_OPERATION("getHistory", op_history),
    LATHE_OPERATION("listCheckpoints", op_checkpoints),
    LATHE_OPERATION("streamEvents", op_events),
    LATHE_OPERATION("pauseTraining", op_pause),
    LATHE_OPERATION("resumeTraining", op_resume),
    LATHE_OPERATION("stopTraining", op_stop),
    LATHE_OPERATION("forkTraining", op_fork),
    LATHE_OPERATION("deleteTraining", op_delete_training),
    LATHE_OPERATION("listAlgorithms", op_algorithms),
    LATHE_OPERATION("compare", op_compare),
    LATHE_OPERATION("listModels", op_list_models),
    LATHE_OPERATION("getModel", op_get_model),
    LATHE_OPERATION("renameModel", op_rename_model),
    LATHE_OPERATION("deleteModel", op_delete_model),
    LATHE_OPERATION("exportModel", op_export),
    LATHE_OPERATION("importModel", op_import),
    LATHE_OPERATION("actModel", op_act),
    LATHE_OPERATION("evaluateModel", op_evaluate),
    LATHE_OPERATION("mcpModel", op_mcp),
    LATHE_OPERATION("createEnv", op_create_env),
    LATHE_OPERATION("getEnv", op_get_env),
    LATHE_OPERATION("resetEnv", op_reset_env),
    LATHE_OPERATION("stepEnv", op_step_env),
    LATHE_OPERATION("deleteEnv", op_delete_env),
    LATHE_OPERATION("getSettings", op_get_settings),
    LATHE_OPERATION("putSettings", op_put_settings),
    LATHE_OPERATION("getIndex", op_index),
    LATHE_OPERATION("getHealth", op_health),
    LATHE_OPERATION("getReady", op_ready),
    LATHE_OPERATION("createWsTicket", op_ticket),
    LATHE_OPERATION_WS("watchTraining", &gym_ws_handler),
    NULL};

static const struct lathe_api gym_api = {.struct_size = sizeof gym_api,
                                         .title = "AgentGym",
                                         .prefix = "",
                                         .openapi_json = (const char *)agentgym_openapi,
                                         .operations = operations,
                                         .open = gym_open,
                                         .close = gym_close,
                                         .render_error = gym_render_error};

static const struct lathe_option *const options[] = {
    LATHE_OPTION("secret_key", LATHE_OPT_STRING, LATHE_OPT_SECRET, "", 0, 512, NULL, NULL,
                 "Secret that encrypts the API keys of the settings; empty: keys are refused."),
    NULL};

static const struct lathe_component component = {sizeof component,
                                                 0,
                                                 LATHE_KIND_API,
                                                 "agentgym",
                                                 "Training of tool-calling agents.",
                                                 &gym_api,
                                                 api_kit_needs,
                                                 options};

static const struct lathe_component *const components[] = {&component, NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,
    "org.lathe.api.agentgym",
    "1.0.0",
    "Apache-2.0",
    "The AgentGym REST surface: scenarios, training sessions, models, settings.",
    components,
    NULL,
    NULL};
