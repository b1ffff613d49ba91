/* Scenarios: the built-in definitions, custom ones from the store, and what solving them gave.
 * Solving is the environment's work, in a worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code_review_json.h"
#include "customer_support_json.h"
#include "data_analysis_json.h"
#include "plugins/api/agentgym/gym.h"

#define COLLECTION "scenarios"
#define CUSTOM_ENV "workflow_mdp"
#define SCENARIOS_MAX 1000

/* What counts as reached, and whether the value is an upper limit. */
struct target {
    const char *scenario, *metric;
    double value;
    int is_upper;
};

static const struct target targets[] = {{"customer_support", "tool_reliability", 0.95, 0},
                                        {"customer_support", "response_quality", 0.95, 0},
                                        {"customer_support", "resolution_rate", 0.95, 0},
                                        {"customer_support", "cost_reduction", 0.30, 0},
                                        {"code_review", "review_accuracy", 0.90, 0},
                                        {"code_review", "false_positive_rate", 0.10, 1},
                                        {"code_review", "review_completeness", 0.85, 0},
                                        {"code_review", "sim_review_seconds", 600, 1},
                                        {"data_analysis", "analysis_accuracy", 0.85, 0},
                                        {"data_analysis", "data_quality", 0.90, 0},
                                        {"data_analysis", "insight_quality", 0.80, 0},
                                        {"data_analysis", "visualization_quality", 0.85, 0},
                                        {NULL, NULL, 0, 0}};

/* Figures that a card shows, and what its tasks are called. */
struct card {
    const char *scenario, *tasks, *metrics[4];
};

static const struct card cards[] = {
    {"customer_support",
     "ticket types",
     {"Tool Reliability", "Response Quality", "Resolution Rate", NULL}},
    {"code_review",
     "pull requests",
     {"Review Accuracy", "False Positive Rate", "Completeness", NULL}},
    {"data_analysis",
     "analysis tasks",
     {"Analysis Accuracy", "Data Quality", "Insight Quality", NULL}},
    {NULL, "tasks", {"Tool Reliability", "Resolution Rate", NULL, NULL}}};

static const struct card *card_of(const struct scenario *s)
{
    const struct card *c = cards;

    while (c->scenario && (!s->builtin || strcmp(c->scenario, s->id) != 0))
        c++;
    return c;
}

/* ---- the table ---- */

struct scenario *scenario_find(struct gym *gym, const char *id)
{
    struct scenario *s;

    for (s = gym->scenarios; s; s = s->next)
        if (!strcmp(s->id, id))
            return s;
    return NULL;
}

static void scenario_free(struct scenario *s)
{
    if (!s)
        return;
    free(s->description);
    free(s->definition);
    free(s);
}

static int names_read(const struct lathe_json_service *j, const struct lathe_json *list,
                      const char *member, char (*out)[48], int max)
{
    int n;

    for (n = 0; n < max && n < (int)j->count(list); n++)
        snprintf(out[n], 48, "%s", j->get_string(j->at(list, (uint32_t)n), member, ""));
    return n;
}

/* A scenario from its definition; NULL without memory. */
static struct scenario *scenario_new(struct gym *gym, const struct lathe_json *definition,
                                     int builtin)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct scenario *s = calloc(1, sizeof *s);
    char *canonical = j->dup_text(definition, LATHE_JSON_SORTED, NULL);

    if (!s || !canonical)
        goto fail;
    snprintf(s->id, sizeof s->id, "%s", j->get_string(definition, "id", ""));
    snprintf(s->name, sizeof s->name, "%s", j->get_string(definition, "name", s->id));
    snprintf(s->difficulty, sizeof s->difficulty, "%s",
             j->get_string(definition, "difficulty", "intermediate"));
    s->description = api_dup(j->get_string(definition, "description", ""));
    s->definition = api_dup(canonical);
    if (!s->description || !s->definition)
        goto fail;
    s->builtin = builtin;
    s->max_steps = (int)j->get_int(definition, "max_steps", 1);
    s->n_tools = names_read(j, j->get(definition, "tools"), "name", s->tool, GYM_TOOLS_MAX);
    s->n_facts = names_read(j, j->get(definition, "facts"), "name", s->fact, GYM_FACTS_MAX);
    s->n_tasks = names_read(j, j->get(definition, "tasks"), "id", s->task, GYM_TASKS_MAX);
    s->observation_dim = 2 * s->n_tasks + 2 * s->n_facts + s->n_tools + 5;
    sha256_hex(s->sha256, canonical, strlen(canonical));
    j->free_text(canonical);
    return s;
fail:
    j->free_text(canonical);
    scenario_free(s);
    return NULL;
}

static void scenario_append(struct gym *gym, struct scenario *s)
{
    struct scenario **end = &gym->scenarios;

    while (*end)
        end = &(*end)->next;
    *end = s;
}

/* ---- the store ---- */

static void analysis_read(const struct lathe_json_service *j, const struct lathe_json *from,
                          struct analysis *a)
{
    a->known = 1;
    a->exact = j->get_bool(from, "exact", 1);
    a->optimal_return = j->get_float(from, "optimal_return", 0);
    a->optimal_success = j->get_float(from, "optimal_success", 0);
    a->optimal_reliability = j->get_float(from, "optimal_tool_reliability", 0);
    a->random_return = j->get_float(from, "random_return", 0);
    a->random_success = j->get_float(from, "random_success", 0);
    a->states = j->get_int(from, "states", 0);
}

static void analysis_write(struct jw *w, const char *name, const struct analysis *a)
{
    jw_obj(w, name);
    jw_bool(w, "exact", a->exact);
    jw_num(w, "optimal_return", a->optimal_return);
    jw_num(w, "optimal_success", a->optimal_success);
    jw_num(w, "optimal_tool_reliability", a->optimal_reliability);
    jw_num(w, "random_return", a->random_return);
    jw_num(w, "random_success", a->random_success);
    jw_int(w, "states", a->states);
    jw_end_obj(w);
}

static int32_t scenario_store(struct gym *gym, const struct scenario *s,
                              const struct lathe_store_call *call)
{
    struct text doc = {0};
    struct jw w;
    int32_t st = LATHE_E_NOMEM;

    jw_init(&w, &doc);
    jw_obj(&w, NULL);
    jw_str(&w, "sha256", s->sha256);
    jw_int(&w, "created_ms", s->created_ms);
    if (!s->builtin)
        jw_raw(&w, "definition", s->definition);
    if (s->analysis.known)
        analysis_write(&w, "analysis", &s->analysis);
    jw_end_obj(&w);
    if (!doc.failed)
        st = gym->kit.store->put(gym->kit.store, COLLECTION, s->id, LATHE_REV_ANY, doc.data, call);
    else if (call && call->drop)
        call->drop(call->user);
    text_fini(&doc);
    return st;
}

static void scenario_load(struct gym *gym, const struct lathe_storage_doc *doc)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *stored = api_parse(&gym->kit, doc->json);
    const struct lathe_json *definition = j->get(stored, "definition");
    struct scenario *s = scenario_find(gym, doc->id);

    if (!s && definition && (s = scenario_new(gym, definition, 0)) != NULL) {
        s->created_ms = j->get_int(stored, "created_ms", 0);
        scenario_append(gym, s);
    }
    if (s && !strcmp(s->sha256, j->get_string(stored, "sha256", "")) && j->get(stored, "analysis"))
        analysis_read(j, j->get(stored, "analysis"), &s->analysis);
    j->release(stored);
}

static void scenarios_loaded(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct gym *gym = user;
    uint32_t i;

    for (i = 0; status == LATHE_OK && i < result->n_docs; i++)
        scenario_load(gym, result->docs[i]);
    gym->opened = 1;
}

static int32_t builtin_add(struct gym *gym, const unsigned char *text, struct lathe_error *err)
{
    struct lathe_json *definition = api_parse(&gym->kit, (const char *)text);
    struct scenario *s = definition ? scenario_new(gym, definition, 1) : NULL;

    gym->kit.json->release(definition);
    if (!s)
        return api_fail(err, LATHE_E_INTERNAL, "", "a built-in scenario cannot be read");
    scenario_append(gym, s);
    return LATHE_OK;
}

int32_t scenarios_open(struct gym *gym, struct lathe_error *err)
{
    static const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION,
                                                               NULL};
    struct lathe_storage_query query = {
        .struct_size = sizeof query, .collection = COLLECTION, .limit = SCENARIOS_MAX};
    struct lathe_store_call call = {sizeof call, 0, scenarios_loaded, NULL, gym};
    int32_t st;

    if ((st = builtin_add(gym, customer_support_json, err)) != LATHE_OK ||
        (st = builtin_add(gym, code_review_json, err)) != LATHE_OK ||
        (st = builtin_add(gym, data_analysis_json, err)) != LATHE_OK)
        return st;
    if ((st = gym->kit.store->declare(gym->kit.store, &collection, NULL)) != LATHE_OK ||
        (st = gym->kit.store->scan(gym->kit.store, &query, &call)) != LATHE_OK)
        return api_fail(err, st, "", "reading the stored scenarios failed");
    return LATHE_OK;
}

void scenarios_close(struct gym *gym)
{
    struct scenario *s;

    while ((s = gym->scenarios) != NULL) {
        gym->scenarios = s->next;
        scenario_free(s);
    }
}

/* ---- figures ---- */

struct lathe_json *scenario_env(struct gym *gym, const struct scenario *s, int sparse)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *env = j->object(j), *options = j->object(j);

    if (!s->builtin)
        j->set(options, "definition", api_parse(&gym->kit, s->definition));
    if (sparse)
        j->set_string(options, "reward_mode", "sparse");
    j->set_string(env, "name", s->builtin ? s->id : CUSTOM_ENV);
    j->set(env, "options", options);
    return env;
}

double scenario_score(const struct scenario *s, double mean_return)
{
    double span;

    if (!s || !s->analysis.known)
        return 0;
    span = s->analysis.optimal_return - s->analysis.random_return;
    return span > 0 ? (mean_return - s->analysis.random_return) / span : 0;
}

int scenario_targets_met(struct gym *gym, const struct scenario *s,
                         const struct lathe_json *metrics)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct target *t;
    int n = 0;

    for (t = targets; s && s->builtin && t->scenario; t++) {
        double value;

        if (strcmp(t->scenario, s->id) != 0)
            continue;
        n++;
        value = j->get_float(metrics, t->metric, t->is_upper ? INFINITY : -INFINITY);
        if (t->is_upper ? value > t->value : value < t->value)
            return 0;
    }
    return n > 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_seconds(const struct scenario *s)
{
    double sorted[32];
    uint32_t n = s->n_runs < 32 ? s->n_runs : 32;

    if (!n)
        return 0;
    memcpy(sorted, s->run_seconds, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    return sorted[n / 2];
}

void scenario_note_run(struct gym *gym, const struct lathe_job_info *job)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct session *session = session_get(gym, job);
    struct scenario *s;

    if (!session || job->state != LATHE_JOB_SUCCEEDED || job->current != 200 ||
        j->get_int(session->extra, "pace_ms", 0))
        return;
    s = scenario_find(gym, j->get_string(session->extra, "scenario_id", ""));
    if (s)
        s->run_seconds[s->n_runs++ % 32] = (double)job->active_ms / 1000.0;
}

/* ---- wire ---- */

static void write_list(struct jw *w, const char *name, const char *const *list)
{
    jw_arr(w, name);
    for (; *list; list++)
        jw_str(w, NULL, *list);
    jw_end_arr(w);
}

static void write_features(struct jw *w, const struct scenario *s)
{
    char line[64];

    jw_arr(w, "features");
    snprintf(line, sizeof line, "%d %s", s->n_tasks, card_of(s)->tasks);
    jw_str(w, NULL, line);
    snprintf(line, sizeof line, "%d tools", s->n_tools);
    jw_str(w, NULL, line);
    if (s->builtin || (s->analysis.known && s->analysis.exact))
        jw_str(w, NULL, "exact optimum known");
    jw_end_arr(w);
}

static void write_targets(struct jw *w, const struct scenario *s)
{
    const struct target *t;

    jw_obj(w, "targets");
    for (t = targets; s->builtin && t->scenario; t++)
        if (!strcmp(t->scenario, s->id))
            jw_num(w, t->metric, t->value);
    jw_end_obj(w);
}

void scenario_write(struct gym *gym, struct jw *w, const struct scenario *s, int whole)
{
    static const char *const frameworks[] = {"LangChain", "AutoGen", "CrewAI", NULL};
    double seconds = median_seconds(s);
    char duration[80] = "not measured yet";
    int i;

    (void)gym;
    if (seconds > 0)
        snprintf(duration, sizeof duration, "about %.0f s for 200 episodes (measured)",
                 fmax(1, seconds));
    jw_obj(w, NULL);
    jw_str(w, "id", s->id);
    jw_str(w, "name", s->name);
    jw_str(w, "description", s->description);
    jw_str(w, "difficulty", s->difficulty);
    jw_str(w, "duration", duration);
    jw_num(w, "rating", 0);
    jw_int(w, "rating_count", 0);
    jw_int(w, "tasks", s->n_tasks);
    write_list(w, "frameworks", frameworks);
    write_list(w, "metrics", card_of(s)->metrics);
    write_features(w, s);
    jw_int(w, "version", 1);
    jw_bool(w, "builtin", s->builtin);
    jw_str(w, "sha256", s->sha256);
    jw_int(w, "observation_dim", s->observation_dim);
    jw_int(w, "max_steps", s->max_steps);
    jw_arr(w, "tools");
    for (i = 0; i < s->n_tools; i++)
        jw_str(w, NULL, s->tool[i]);
    jw_end_arr(w);
    write_targets(w, s);
    if (whole && s->analysis.known)
        analysis_write(w, "analysis", &s->analysis);
    if (whole)
        jw_raw(w, "definition", s->definition);
    jw_end_obj(w);
}

static int32_t answer_scenario(struct gym *gym, struct lathe_request *req, int32_t http_status,
                               const struct scenario *s)
{
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    scenario_write(gym, &w, s, 1);
    return api_send(&gym->kit, req, http_status, &body);
}

/* ---- solving ---- */

static void analysis_set(struct gym *gym, struct scenario *s, const char *answer)
{
    struct lathe_json *solved = api_parse(&gym->kit, answer);
    size_t i;
    struct session *session;

    analysis_read(gym->kit.json, solved, &s->analysis);
    gym->kit.json->release(solved);
    for (i = 0; i < GYM_BUCKETS; i++) /* their score is known now */
        for (session = gym->sessions[i]; session; session = session->next)
            session->text_valid = 0;
}

/* Asks a worker to solve the environment of s. Errors: those of serve->call; drop has run. */
static int32_t ask_solve(struct gym *gym, const struct scenario *s, lathe_serve_done_fn done,
                         void *user, lathe_drop_fn drop, struct lathe_error *err)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *body;
    char *text;
    int32_t st = LATHE_E_NOMEM;

    if (!gym->solve_host && (st = gym->kit.serve->open(gym->kit.serve, "{\"host\":\"env\"}",
                                                       &gym->solve_host, err)) != LATHE_OK) {
        drop(user);
        return st;
    }
    body = j->object(j);
    j->set(body, "env", scenario_env(gym, s, 0));
    if ((text = j->dup_text(body, 0, NULL)) != NULL)
        st = api_ask(&gym->kit, gym->solve_host,
                     &(struct api_question){"env.solve", text, done, user, drop}, err);
    else
        drop(user);
    j->free_text(text);
    j->release(body);
    return st;
}

static void solved_for_get(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                           const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    struct scenario *s = scenario_find(gym, park->arg);

    (void)len_bytes;
    (void)err;
    if (s && status == LATHE_OK && !s->analysis.known) {
        analysis_set(gym, s, answer);
        scenario_store(gym, s, NULL);
    }
    if (!park->req)
        return;
    if (s)
        answer_scenario(gym, park->req, 200, s);
    else
        gym_not_found(&gym->kit, park->req, "scenario_not_found");
}

static void quiet_drop(void *user)
{
    free(user);
}

void scenario_want_analysis(struct gym *gym, struct scenario *s)
{
    struct api_park *park;

    if (s->analysis.known || !(park = calloc(1, sizeof *park)))
        return;
    park->self = gym;
    park->kit = &gym->kit;
    snprintf(park->arg, sizeof park->arg, "%s", s->id);
    ask_solve(gym, s, solved_for_get, park, quiet_drop, NULL);
}

/* ---- handlers ---- */

int32_t op_list_scenarios(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct scenario *s;
    struct api_page page;
    struct text body = {0};
    struct jw w;

    api_page_read(&gym->kit, req, &page);
    jw_init(&w, &body);
    jw_arr(&w, NULL);
    for (s = gym->scenarios; s; s = s->next)
        if (api_page_take(&page))
            scenario_write(gym, &w, s, 0);
    jw_end_arr(&w);
    api_page_header(&gym->kit, req, &page);
    return api_send(&gym->kit, req, 200, &body);
}

int32_t op_get_scenario(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct scenario *s = scenario_find(gym, gym->kit.http->path_param(req, "scenario_id"));
    struct lathe_error err = {0};
    struct api_park *park;
    int32_t st;

    if (!s)
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if (s->analysis.known)
        return answer_scenario(gym, req, 200, s);
    if (!(park = api_park_new(&gym->kit, gym, req, s->id)))
        return LATHE_E_NOMEM;
    if ((st = ask_solve(gym, s, solved_for_get, park, api_park_drop, &err)) != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

/* A scenario that is being solved and stored; it joins the table when that is done. */
struct creation {
    struct gym *gym;
    struct lathe_request *req;
    struct scenario *s; /* NULL once in the table */
};

static void creation_drop(void *user)
{
    struct creation *c = user;

    c->gym->kit.http->release(c->req);
    scenario_free(c->s);
    free(c);
}

static void creation_stored(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct creation *c = user;
    const struct scenario *s = c->s;

    if (status != LATHE_OK) {
        c->gym->kit.http->respond_error(c->req, status, NULL, result->error);
        return;
    }
    scenario_append(c->gym, c->s);
    c->s = NULL;
    gym_audit(c->gym, c->req, "scenario.create", s->id);
    answer_scenario(c->gym, c->req, 201, s);
}

/* The solver names the place in the definition: "tasks[0].plan". */
static void creation_refused(const struct creation *c, const struct lathe_error *err)
{
    char path[160];

    snprintf(path, sizeof path, "body%s%s", err && err->field[0] ? "." : "", err ? err->field : "");
    gym_invalid(&c->gym->kit, c->req, "value", path,
                err && err->text[0] ? err->text : "The definition is not valid", NULL, NULL);
}

static void creation_solved(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                            const struct lathe_error *err)
{
    struct creation *c = user, *next;
    struct lathe_store_call call = {sizeof call, 0, creation_stored, creation_drop, NULL};

    (void)len_bytes;
    if (status != LATHE_OK) {
        if (status == LATHE_E_INVALID)
            creation_refused(c, err);
        else
            c->gym->kit.http->respond_error(c->req, status, NULL, err);
        return;
    }
    analysis_set(c->gym, c->s, answer);
    if (c->s->analysis.exact && c->s->analysis.optimal_success <= 0) {
        api_problem(&c->gym->kit, c->req, 422, "unsolvable",
                    "No policy can succeed in this scenario");
        return;
    }
    if (scenario_find(c->gym, c->s->id) || !(next = calloc(1, sizeof *next))) {
        api_problem(&c->gym->kit, c->req, 409, "scenario_exists", "The scenario exists already");
        return;
    }
    *next = *c; /* the creation goes on in the store; c is dropped when this call returns */
    c->s = NULL;
    c->req = NULL;
    call.user = next;
    scenario_store(next->gym, next->s, &call);
}

int32_t op_create_scenario(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json *body = gym->kit.http->body_json(req);
    const char *id = gym->kit.json->get_string(body, "id", "");
    struct lathe_error err = {0};
    struct creation *c;
    int32_t st;

    if (scenario_find(gym, id))
        return api_problem(&gym->kit, req, 409, "scenario_exists", "Scenario %s exists already",
                           id);
    if (!(c = calloc(1, sizeof *c)))
        return LATHE_E_NOMEM;
    c->gym = gym;
    c->req = gym->kit.http->acquire(req);
    if (!(c->s = scenario_new(gym, body, 0))) {
        creation_drop(c);
        return LATHE_E_NOMEM;
    }
    c->s->created_ms = gym->kit.clock->wall_ms(gym->kit.clock);
    if ((st = ask_solve(gym, c->s, creation_solved, c, creation_drop, &err)) != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

/* ---- delete ---- */

struct use {
    struct gym *gym;
    const char *scenario;
    int used;
};

static int32_t find_use(void *user, const struct lathe_job_info *job)
{
    struct use *u = user;
    const struct session *s = session_is_final(job) ? NULL : session_get(u->gym, job);

    if (s && !strcmp(u->gym->kit.json->get_string(s->extra, "scenario_id", ""), u->scenario))
        u->used = 1;
    return u->used;
}

static void scenario_removed(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    struct scenario **place = &gym->scenarios, *s;
    struct text body = {0};

    if (status != LATHE_OK) {
        gym->kit.http->respond_error(park->req, status, NULL, result->error);
        return;
    }
    gym_audit(gym, park->req, "scenario.delete", park->arg);
    for (; (s = *place) != NULL; place = &s->next)
        if (!strcmp(s->id, park->arg)) {
            *place = s->next;
            scenario_free(s);
            break;
        }
    text_adds(&body, "{\"status\":\"deleted\"}");
    api_send(&gym->kit, park->req, 200, &body);
}

int32_t op_delete_scenario(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const char *id = gym->kit.http->path_param(req, "scenario_id");
    const struct scenario *s = scenario_find(gym, id);
    struct use use = {gym, id, 0};
    struct lathe_store_call call = {sizeof call, 0, scenario_removed, api_park_drop, NULL};

    if (!s)
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if (s->builtin)
        return api_problem(&gym->kit, req, 409, "scenario_builtin",
                           "Built-in scenarios cannot be deleted");
    gym->kit.jobs->list(gym->kit.jobs, GYM_OWNER, find_use, &use);
    if (use.used)
        return api_problem(&gym->kit, req, 409, "scenario_in_use",
                           "A session trains on this scenario");
    if (!(call.user = api_park_new(&gym->kit, gym, req, id)))
        return LATHE_E_NOMEM;
    return gym->kit.store->remove(gym->kit.store, COLLECTION, id, LATHE_REV_ANY, &call);
}
