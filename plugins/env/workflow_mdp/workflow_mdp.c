/* Plugin of the workflow scenarios: four components on one engine. Three ship their definition, the
 * fourth takes one as an option. Row i plays tickets from its own SplitMix64 stream. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/workflow_mdp/workflow.h"

#include "lathe/plugin.h"
#include "lathe/rng.h"
#include "plugins/env/common/env_base.h"

#include "code_review_json.h"
#include "customer_support_json.h"
#include "data_analysis_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fixed_names[WF_I_FIXED] = {"success",
                                                    "ok",
                                                    "calls",
                                                    "wasted",
                                                    "violations",
                                                    "faults",
                                                    "task",
                                                    "label",
                                                    "final_tool",
                                                    "right_final",
                                                    "sim_tokens",
                                                    "sim_seconds",
                                                    "truth",
                                                    "facts_present",
                                                    "facts_found",
                                                    "defects_present",
                                                    "defects_repaired"};

static void workflow_close(void *batch)
{
    struct wf_batch *b = batch;

    if (b == NULL)
        return;
    wf_solver_close(b->solver);
    wf_scenario_fini(&b->scenario);
    free(b->ticket);
    free(b->obs_high);
    free(b);
}

static void name_columns(struct wf_batch *b)
{
    const uint32_t n = b->scenario.n_tools;

    for (uint32_t k = 0; k < WF_I_FIXED; k++)
        b->info_names[k] = fixed_names[k];
    for (uint32_t k = 0; k < 2 * n; k++) {
        (void)snprintf(b->info_name[k], sizeof b->info_name[k], "%s_%s", k < n ? "calls" : "ok",
                       b->scenario.tool[k % n].name);
        b->info_names[WF_I_FIXED + k] = b->info_name[k];
    }
    b->info = (struct lathe_env_info){sizeof b->info, WF_I_FIXED + 2 * n, b->info_names};
    for (uint32_t a = 0; a < n; a++)
        b->action_names[a] = b->scenario.tool[a].name;
    b->describe = (struct lathe_env_describe){sizeof b->describe, n, b->action_names, wf_state_json,
                                              wf_observe_json};
}

static int32_t make_rows(struct wf_batch *b, uint32_t n_envs, struct lathe_error *err)
{
    static const double zero = 0.0, one = 1.0;
    const uint32_t dim = wf_obs_dim(&b->scenario);

    if (n_envs == 0)
        return env_fail(err, LATHE_E_INVALID, "n_envs", "a batch needs at least one row");
    b->n_envs = n_envs;
    if ((b->ticket = env_alloc(n_envs, sizeof *b->ticket)) == NULL)
        return env_fail(err, LATHE_E_NOMEM, "n_envs", "no memory for %u tickets", n_envs);
    for (uint32_t i = 0; i < n_envs; i++)
        wf_start(&b->scenario, &b->ticket[i], lathe_splitmix_stream(0, LATHE_PURPOSE_TRAIN, i));
    b->obs = env_box(dim, &zero, &one);
    b->obs.flags = LATHE_SPACE_ONE_BOUND;
    b->act = env_discrete(b->scenario.n_tools, 0);
    b->spec.struct_size = sizeof b->spec;
    b->spec.flags = LATHE_ENV_FINITE | LATHE_ENV_STOCHASTIC;
    b->spec.id = b->scenario.id;
    b->spec.version = 1;
    b->spec.obs_stride = 4 * dim;
    b->spec.act_stride = 4;
    b->spec.n_agents = 1;
    b->spec.reward_threshold = (double)NAN;
    b->spec.obs = &b->obs;
    b->spec.act = &b->act;
    return LATHE_OK;
}

static int32_t open_definition(const struct lathe_env_args *args, const char *json, size_t len,
                               struct lathe_error *err, void **batch)
{
    struct wf_batch *b = calloc(1, sizeof *b);
    int32_t st;

    if (b == NULL)
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a workflow batch");
    b->sparse = strcmp(args->params->get_string(args->params, "reward_mode"), "sparse") == 0;
    if ((st = wf_scenario_read(&b->scenario, json, len, err)) == LATHE_OK)
        st = make_rows(b, args->n_envs, err);
    if (st != LATHE_OK) {
        workflow_close(b);
        return st;
    }
    name_columns(b);
    *batch = b;
    return LATHE_OK;
}

static int32_t open_custom(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    const char *json = args->params->get_json(args->params, "definition");

    return open_definition(args, json, strlen(json), err, batch);
}

static int32_t open_customer_support(const struct lathe_env_args *args, struct lathe_error *err,
                                     void **batch)
{
    return open_definition(args, (const char *)customer_support_json, customer_support_json_len,
                           err, batch);
}

static int32_t open_code_review(const struct lathe_env_args *args, struct lathe_error *err,
                                void **batch)
{
    return open_definition(args, (const char *)code_review_json, code_review_json_len, err, batch);
}

static int32_t open_data_analysis(const struct lathe_env_args *args, struct lathe_error *err,
                                  void **batch)
{
    return open_definition(args, (const char *)data_analysis_json, data_analysis_json_len, err,
                           batch);
}

static const struct lathe_env_spec *workflow_spec(void *batch)
{
    return &((struct wf_batch *)batch)->spec;
}

void wf_fill_info(const struct wf_batch *b, const struct wf_ticket *t, float *info)
{
    const struct wf_scenario *s = &b->scenario;
    float *calls = info + WF_I_FIXED, *ok = calls + s->n_tools;

    memset(info, 0, b->info.n_info * sizeof *info);
    for (uint32_t a = 0; a < s->n_tools; a++) {
        calls[a] = (float)t->calls[a];
        ok[a] = (float)t->ok[a];
        info[WF_I_CALLS] += calls[a];
        info[WF_I_OK] += ok[a];
    }
    for (uint32_t f = 0; f < s->n_facts; f++) {
        const uint32_t repairs = s->task[t->task].repairs[f];
        if ((t->truth >> f & 1u) == 0)
            continue;
        info[WF_I_FACTS_PRESENT] += 1.0f;
        info[WF_I_FACTS_FOUND] += (float)(t->seen.known_true >> f & 1u);
        info[WF_I_DEFECTS_PRESENT] += repairs != 0 ? 1.0f : 0.0f;
        info[WF_I_DEFECTS_REPAIRED] += (repairs & t->seen.done) != 0 ? 1.0f : 0.0f;
    }
    info[WF_I_SUCCESS] = t->success;
    info[WF_I_WASTED] = (float)t->wasted;
    info[WF_I_VIOLATIONS] = (float)t->violations;
    info[WF_I_FAULTS] = (float)t->faults;
    info[WF_I_TASK] = t->task;
    info[WF_I_LABEL] = t->seen.label;
    info[WF_I_FINAL_TOOL] = t->final_tool == 255 ? -1.0f : (float)t->final_tool;
    info[WF_I_RIGHT_FINAL] = t->right;
    info[WF_I_SIM_TOKENS] = (float)t->sim_tokens;
    info[WF_I_SIM_SECONDS] = (float)t->sim_seconds;
    info[WF_I_TRUTH] = t->truth;
}

static void write_row(const struct wf_batch *b, uint32_t i, const struct lathe_env_io *io)
{
    wf_observe(&b->scenario, &b->ticket[i].seen, (float *)io->obs + (size_t)i * b->obs.shape[0]);
    if (io->info != NULL)
        wf_fill_info(b, &b->ticket[i], io->info + (size_t)i * b->info.n_info);
}

/* A stream state: a whole number, or text in decimal or 0x form (JSON numbers end at 2^53
 * elsewhere). */
static int read_stream(const json_t *v, uint64_t *out)
{
    const char *text = json_string_value(v);
    char *end;

    if (json_is_integer(v)) {
        *out = (uint64_t)json_integer_value(v);
        return 1;
    }
    if (text == NULL || text[0] == '\0' || text[0] == '-')
        return 0;
    *out = strtoull(text, &end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
    return *end == '\0';
}

/* Reset options: where the reset's draws and the steps' noise come from. */
struct streams {
    int has_reset, has_step;
    uint64_t reset, step;
};

static int32_t read_streams(const char *json, struct streams *out)
{
    json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    const json_t *reset = json_object_get(o, "reset_state"),
                 *step = json_object_get(o, "step_state");
    int good = json_is_object(o) &&
               json_object_size(o) == (size_t)(reset != NULL) + (size_t)(step != NULL);

    out->has_reset = reset != NULL;
    out->has_step = step != NULL;
    good = good && (reset == NULL || read_stream(reset, &out->reset));
    good = good && (step == NULL || read_stream(step, &out->step));
    json_decref(o);
    return good ? LATHE_OK : LATHE_E_INVALID;
}

static int32_t workflow_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                              const struct lathe_env_io *io)
{
    struct wf_batch *b = batch;
    struct streams streams = {0, 0, 0, 0};
    int32_t st;

    if (!env_json_is_empty(io->options_json) &&
        (st = read_streams(io->options_json, &streams)) != LATHE_OK)
        return st;
    for (uint32_t i = first; i < first + count; i++) {
        struct wf_ticket *t = &b->ticket[i];
        if (rows != NULL && rows[i] == 0)
            continue;
        wf_start(&b->scenario, t,
                 streams.has_reset   ? streams.reset
                 : io->seeds != NULL ? io->seeds[i]
                                     : lathe_mix64(t->stream));
        if (streams.has_step)
            t->stream = streams.step;
        write_row(b, i, io);
    }
    return LATHE_OK;
}

static int32_t workflow_step(void *batch, uint32_t first, uint32_t count,
                             const struct lathe_env_io *io)
{
    struct wf_batch *b = batch;
    const int32_t *act = io->act;
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < first + count; i++) {
        struct wf_ticket *t = &b->ticket[i];
        double reward = 0, terminal = 0;
        if (act[i] < 0 || (uint32_t)act[i] >= b->scenario.n_tools) {
            st = LATHE_E_INVALID;
            continue;
        }
        if (!t->over) /* a closed ticket stays as it is */
            reward = wf_step(&b->scenario, t, (uint32_t)act[i], &terminal);
        io->reward[i] = (float)(b->sparse ? terminal : reward);
        io->terminated[i] = t->over == 1;
        io->truncated[i] = t->over == 2;
        write_row(b, i, io);
    }
    return st;
}

/* ---- extensions
 * ------------------------------------------------------------------------------------ */

static int32_t snapshot_get(void *batch, uint32_t first, uint32_t count, void *buffer)
{
    const struct wf_batch *b = batch;

    if (first > b->n_envs || count > b->n_envs - first)
        return LATHE_E_INVALID;
    memcpy(buffer, b->ticket + first, (size_t)count * sizeof *b->ticket);
    return LATHE_OK;
}

static int ticket_is_sound(const struct wf_scenario *s, const struct wf_ticket *t)
{
    return t->task < s->n_tasks && t->seen.label < s->n_tasks && t->over <= 2 &&
           (t->seen.task == WF_UNIDENTIFIED || t->seen.task == t->task) &&
           t->seen.last <= WF_FAULT && t->outcome <= WF_VIOLATION && t->seen.t <= s->max_steps &&
           (t->over == 1 ? t->final_tool < s->n_tools : t->final_tool == 255) &&
           (uint32_t)t->seen.done >> s->n_tools == 0 &&
           (uint32_t)(t->truth | t->seen.known_true | t->seen.known_false) >> s->n_facts == 0 &&
           isfinite(t->sim_tokens) && isfinite(t->sim_seconds);
}

static int32_t snapshot_set(void *batch, uint32_t first, uint32_t count, const void *buffer)
{
    struct wf_batch *b = batch;
    struct wf_ticket t;

    if (first > b->n_envs || count > b->n_envs - first)
        return LATHE_E_INVALID;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&t, (const char *)buffer + i * sizeof t, sizeof t);
        if (!ticket_is_sound(&b->scenario, &t))
            return LATHE_E_CORRUPT;
    }
    memcpy(b->ticket + first, buffer, (size_t)count * sizeof t);
    return LATHE_OK;
}

int32_t wf_batch_solver(struct wf_batch *b, struct lathe_error *err)
{
    return b->solver != NULL ? LATHE_OK : wf_solver_open(&b->scenario, b->sparse, &b->solver, err);
}

static const struct lathe_env_snapshot snapshot_table = {
    sizeof snapshot_table, sizeof(struct wf_ticket), snapshot_get, snapshot_set};
static const struct lathe_env_render render_table = {sizeof render_table, 0, wf_render};
static const struct lathe_env_report report_table = {sizeof report_table, 0, wf_report};
static const struct lathe_env_solve solve_table = {sizeof solve_table, 0, wf_solve_json};

static const void *workflow_extension(void *batch, const char *id)
{
    struct wf_batch *b = batch;

    if (strcmp(id, LATHE_ENV_SNAPSHOT) == 0)
        return &snapshot_table;
    if (strcmp(id, LATHE_ENV_INFO) == 0)
        return &b->info;
    if (strcmp(id, LATHE_ENV_DESCRIBE) == 0)
        return &b->describe;
    if (strcmp(id, LATHE_ENV_RENDER) == 0)
        return &render_table;
    if (strcmp(id, LATHE_ENV_REPORT) == 0)
        return &report_table;
    if (strcmp(id, LATHE_ENV_SOLVE) == 0)
        return &solve_table;
    return NULL;
}

/* ---- tables
 * ---------------------------------------------------------------------------------------- */

#define WORKFLOW_ENV(open_fn)                                                               \
    {                                                                                       \
        sizeof(struct lathe_env), 0, open_fn, workflow_spec, workflow_reset, workflow_step, \
            workflow_close, workflow_extension                                              \
    }

static const struct lathe_env custom_env = WORKFLOW_ENV(open_custom);
static const struct lathe_env customer_support_env = WORKFLOW_ENV(open_customer_support);
static const struct lathe_env code_review_env = WORKFLOW_ENV(open_code_review);
static const struct lathe_env data_analysis_env = WORKFLOW_ENV(open_data_analysis);
static const char *const reward_modes[] = {"shaped", "sparse", NULL};

#define REWARD_MODE                                          \
    LATHE_OPTION_ENUM("reward_mode", "shaped", reward_modes, \
                      "Reward every step, or only how the ticket ends.")

static const struct lathe_option *const options[] = {REWARD_MODE, NULL};
static const struct lathe_option *const custom_options[] = {
    LATHE_OPTION("definition", LATHE_OPT_JSON, LATHE_OPT_REQUIRED, NULL, 0, 0, NULL, NULL,
                 "The scenario: tools, facts and tasks."),
    REWARD_MODE, NULL};

static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ENV, "customer_support",
                    "Tool use: support tickets, 5 tasks, 11 tools.", &customer_support_env,
                    options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "code_review", "Tool use: code reviews, 6 tasks, 11 tools.",
                    &code_review_env, options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "data_analysis", "Tool use: data analyses, 6 tasks, 15 tools.",
                    &data_analysis_env, options),
    LATHE_COMPONENT(LATHE_KIND_ENV, "workflow_mdp", "Tool use: a scenario of your own.",
                    &custom_env, custom_options),
    NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {LATHE_PLUGIN_HEADER,
                                                          "org.lathe.workflow_mdp",
                                                          "1.0.0",
                                                          "Apache-2.0",
                                                          "Tool-use scenarios.",
                                                          components,
                                                          NULL,
                                                          NULL};
