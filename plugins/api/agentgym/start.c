/* Starting a session: the request becomes a job specification, and its fields are kept with the
 * job, so that everything shown later comes from one place. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lathe/algorithm.h"
#include "plugins/api/agentgym/gym.h"

#define RETRY_AFTER_S 30
#define AUTO_CHECKPOINT 10

const char *framework_canonical(const char *given)
{
    static const char *const names[] = {"LangChain", "AutoGen", "CrewAI", "Generic"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcasecmp(names[i], given))
            return names[i];
    return NULL;
}

/* ---- learners ---- */

struct choices {
    struct gym *gym;
    struct jw w;
};

static int is_discrete(struct gym *gym, const struct lathe_component_info *c)
{
    struct lathe_json *describe = api_parse(&gym->kit, c->describe);
    int yes = gym->kit.json->get_bool(describe, "discrete", 0);

    gym->kit.json->release(describe);
    return yes;
}

static int32_t add_choice(void *user, const struct lathe_component_info *c)
{
    struct choices *choices = user;

    if (is_discrete(choices->gym, c))
        jw_str(&choices->w, NULL, c->name);
    return 0;
}

/* 422 that lists what is registered. */
static int32_t unknown_algorithm(struct gym *gym, struct lathe_request *req, const char *id)
{
    struct text list = {0}, given = {0};
    struct choices choices = {.gym = gym};
    struct jw w;
    int32_t st;

    jw_init(&choices.w, &list);
    jw_arr(&choices.w, NULL);
    gym->kit.plugins->components(gym->kit.plugins, LATHE_KIND_ALGORITHM, add_choice, &choices);
    jw_end_arr(&choices.w);
    jw_init(&w, &given);
    jw_str(&w, NULL, id);
    st = gym_invalid(&gym->kit, req, "enum", "body.algorithm", "no such learner is registered",
                     text_get(&given), text_get(&list));
    text_fini(&list);
    text_fini(&given);
    return st;
}

/* 1 when the component declares the option (and, with choice, offers that value). */
static int option_offers(struct gym *gym, const struct lathe_component_info *c, const char *name,
                         const char *choice)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *options = api_parse(&gym->kit, c->options), *o, *list;
    uint32_t i, k;
    int found = 0;

    for (i = 0; i < j->count(options) && !found; i++) {
        o = j->at(options, i);
        if (strcmp(j->get_string(o, "name", ""), name) != 0)
            continue;
        list = j->get(o, "choices");
        found = !choice;
        for (k = 0; choice && k < j->count(list); k++)
            found |= !strcmp(j->as_string(j->at(list, k), "", NULL), choice);
    }
    j->release(options);
    return found;
}

static void set_if_offered(struct gym *gym, struct lathe_json *options,
                           const struct lathe_component_info *c, const char *name, double value)
{
    if (!gym->kit.json->get(options, name) && option_offers(gym, c, name, NULL))
        gym->kit.json->set_float(options, name, value);
}

/* Options of the learner: the request's own, then what the start fields mean to it. */
static struct lathe_json *algorithm_options(struct gym *gym, const struct lathe_component_info *c,
                                            const struct lathe_json *fields,
                                            const struct scenario *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *options = j->copy(j->get(fields, "hyperparameters"));
    double rate = j->get_float(fields, "learning_rate", 0.001);

    if (!options)
        options = j->object(j);
    if (!j->get(options, "profile") && option_offers(gym, c, "profile", "agentgym"))
        j->set_string(options, "profile", "agentgym");
    if (!j->get(options, "key_dims") && option_offers(gym, c, "key_dims", NULL))
        j->set_int(options, "key_dims", 2 * s->n_tasks + 2 * s->n_facts + s->n_tools);
    set_if_offered(gym, options, c, "learning_rate", rate);
    if (option_offers(gym, c, "alpha", NULL)) { /* tables: fall to a tenth, explore four fifths */
        set_if_offered(gym, options, c, "alpha", rate);
        set_if_offered(gym, options, c, "alpha_end", 0.1 * rate);
        set_if_offered(gym, options, c, "epsilon_fraction", 0.8);
    }
    set_if_offered(gym, options, c, "gamma", j->get_float(fields, "discount_factor", 0.99));
    return options;
}

static double default_learning_rate(struct gym *gym, const struct lathe_component_info *c,
                                    const struct lathe_json *options)
{
    if (option_offers(gym, c, "alpha", NULL)) /* a table */
        return 0.3;
    if (option_offers(gym, c, "profile", "agentgym"))
        return 0.001;
    return gym->kit.json->get_float(options, "learning_rate", 0.001);
}

static int32_t write_algorithm(void *user, const struct lathe_component_info *c)
{
    struct choices *l = user;
    struct gym *gym = l->gym;
    const struct lathe_json_service *j = gym->kit.json;
    const char *given =
        option_offers(gym, c, "profile", "agentgym") ? "{\"profile\":\"agentgym\"}" : "{}";
    const char *all = NULL;
    struct lathe_json *options, *describe;

    if (!is_discrete(gym, c))
        return 0;
    if (gym->kit.plugins->resolve(gym->kit.plugins, LATHE_KIND_ALGORITHM, c->name, given, &all,
                                  NULL) != LATHE_OK)
        all = "{}";
    options = api_parse(&gym->kit, all);
    describe = api_parse(&gym->kit, c->describe);
    jw_obj(&l->w, NULL);
    jw_str(&l->w, "id", c->name);
    jw_int(&l->w, "version", 1);
    jw_str(&l->w, "kind",
           j->get_bool(describe, "tabular", 0)     ? "tabular"
           : j->get_bool(describe, "on_policy", 0) ? "on_policy"
                                                   : "off_policy");
    jw_num(&l->w, "default_learning_rate", default_learning_rate(gym, c, options));
    jw_raw(&l->w, "hyperparameters", all);
    jw_end_obj(&l->w);
    j->release(options);
    j->release(describe);
    return 0;
}

int32_t op_algorithms(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct choices l = {.gym = gym};
    struct text body = {0};

    jw_init(&l.w, &body);
    jw_arr(&l.w, NULL);
    gym->kit.plugins->components(gym->kit.plugins, LATHE_KIND_ALGORITHM, write_algorithm, &l);
    jw_end_arr(&l.w);
    return api_send(&gym->kit, req, 200, &body);
}

/* ---- fields ---- */

/* Where a field comes from: the request, else the session that is continued. */
struct source {
    const struct lathe_json_service *j;
    const struct lathe_json *body, *base;
};

static struct lathe_json *given(const struct source *from, const char *name)
{
    struct lathe_json *value = from->j->get(from->body, name);

    return value ? value : from->j->get(from->base, name);
}

static void take_int(const struct source *from, struct lathe_json *to, const char *name,
                     int64_t def)
{
    from->j->set_int(to, name, from->j->as_int(given(from, name), def));
}

static void take_float(const struct source *from, struct lathe_json *to, const char *name,
                       double def)
{
    from->j->set_float(to, name, from->j->as_float(given(from, name), def));
}

static void take_string(const struct source *from, struct lathe_json *to, const char *name,
                        const char *def)
{
    from->j->set_string(to, name, from->j->as_string(given(from, name), def, NULL));
}

static void take_any(const struct source *from, struct lathe_json *to, const char *name)
{
    struct lathe_json *value = given(from, name);

    if (value && from->j->type(value) != LATHE_JSON_NULL)
        from->j->set(to, name, from->j->acquire(value));
}

/* The name of the session's model: the session's own, else scenario_framework. */
static void model_name_set(const struct lathe_json_service *j, struct lathe_json *f)
{
    char name[128], *c;

    snprintf(name, sizeof name, "%s_%s", j->get_string(f, "scenario_id", "model"),
             j->get_string(f, "framework", ""));
    for (c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    j->set_string(f, "model_name", j->get_string(f, "name", name));
}

/* All start fields with their values; the caller releases. */
static struct lathe_json *fields_build(struct gym *gym, const struct source *from,
                                       const struct scenario *s,
                                       const struct lathe_component_info *learner)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct settings *set = &gym->settings;
    struct lathe_json *f = j->object(j);
    const char *framework =
        framework_canonical(j->as_string(given(from, "framework"), set->framework, NULL));

    j->set_string(f, "scenario_id", s->id);
    j->set_string(f, "framework", framework ? framework : set->framework);
    take_int(from, f, "max_episodes", set->max_episodes);
    take_float(from, f, "learning_rate",
               option_offers(gym, learner, "alpha", NULL) ? 0.3 : set->learning_rate);
    j->set_string(f, "algorithm", learner->name);
    j->set_int(f, "seed", given(from, "seed") ? j->as_int(given(from, "seed"), 0) : random_seed());
    take_int(from, f, "batch_size", 64);
    take_float(from, f, "discount_factor", 0.99);
    take_int(from, f, "eval_interval", 10);
    take_int(from, f, "eval_episodes", 200);
    take_int(from, f, "eval_seed", 1000003);
    take_int(from, f, "checkpoint_interval", set->auto_save ? AUTO_CHECKPOINT : 0);
    take_any(from, f, "target_accuracy");
    take_int(from, f, "pace_ms", 0);
    take_string(from, f, "reward_mode", "shaped");
    take_any(from, f, "hyperparameters");
    take_any(from, f, "init_model_id");
    take_any(from, f, "name");
    take_any(from, f, "tags");
    model_name_set(j, f);
    j->set_int(f, "scenario_version", 1);
    j->set_string(f, "scenario_sha256", s->sha256);
    return f;
}

static struct lathe_json *spec_build(struct gym *gym, const struct lathe_json *f,
                                     const struct scenario *s,
                                     const struct lathe_component_info *learner)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *spec = j->object(j), *part;
    double target = j->get_float(f, "target_accuracy", 0);

    j->set_string(spec, "task", "rl.train");
    j->set(spec, "env",
           scenario_env(gym, s, !strcmp(j->get_string(f, "reward_mode", ""), "sparse")));
    part = j->object(j);
    j->set_string(part, "name", learner->name);
    j->set(part, "options", algorithm_options(gym, learner, f, s));
    j->set(spec, "algorithm", part);
    j->set_int(spec, "seed", j->get_int(f, "seed", 0));
    j->set_string(spec, "mode", "episodic");
    j->set_int(spec, "n_envs", j->get_int(f, "batch_size", 64));
    j->set_int(spec, "total_iterations", j->get_int(f, "max_episodes", 200));
    j->set_int(spec, "pace_ms", j->get_int(f, "pace_ms", 0));
    part = j->object(j);
    j->set_int(part, "interval", j->get_int(f, "eval_interval", 10));
    j->set_int(part, "episodes", j->get_int(f, "eval_episodes", 200));
    j->set_int(part, "seed", j->get_int(f, "eval_seed", 1000003));
    j->set_int(part, "final_episodes", GYM_FINAL_TICKETS);
    j->set(spec, "eval", part);
    part = j->object(j);
    j->set_int(part, "interval", j->get_int(f, "checkpoint_interval", 0));
    j->set(spec, "checkpoint", part);
    if (target > 0) {
        part = j->object(j);
        j->set_string(part, "metric", "success_rate");
        j->set_float(part, "value", target / 100);
        j->set(spec, "target", part);
    }
    if (j->get(f, "init_model_id"))
        j->set_string(spec, "init_model", j->get_string(f, "init_model_id", ""));
    return spec;
}

/* ---- answers ---- */

int32_t answer_started(struct gym *gym, struct lathe_request *req, const struct lathe_job_info *job,
                       const char *session_status)
{
    const struct session *s = session_get(gym, job);
    const char *parent = s ? gym->kit.json->get_string(s->extra, "parent_session_id", NULL) : NULL;
    struct text body = {0};
    char path[128];
    struct jw w;

    snprintf(path, sizeof path, "/ws/training/%s", job->id);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "session_id", job->id);
    jw_str(&w, "status", "started");
    jw_str(&w, "session_status", session_status);
    jw_uint(&w, "seed", job->seed);
    jw_str(&w, "websocket", path);
    if (parent)
        jw_str(&w, "parent_session_id", parent);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &body);
}

static int32_t queue_full(struct gym *gym, struct lathe_request *req)
{
    struct lathe_problem problem = {
        sizeof problem,           0,    429,  RETRY_AFTER_S, "queue_full",
        "Training queue is full", NULL, NULL, NULL};
    uint32_t queued = 0;
    char extra[48];

    gym->kit.jobs->capacity(gym->kit.jobs, NULL, NULL, &queued, NULL);
    snprintf(extra, sizeof extra, "{\"queued\":%u}", queued);
    problem.extra_json = extra;
    gym->kit.http->respond_problem(req, &problem);
    return LATHE_OK;
}

/* A refused job in this surface's words. */
static int32_t refused(struct gym *gym, struct lathe_request *req, int32_t status,
                       const struct lathe_error *err)
{
    static const char options[] = "algorithm.options.";
    struct lathe_error shown;

    if (status == LATHE_E_LIMIT)
        return queue_full(gym, req);
    if (status == LATHE_E_NOT_FOUND && err && strstr(err->text, "checkpoint"))
        return gym_not_found(&gym->kit, req, "checkpoint_not_found");
    if (status == LATHE_E_CONFLICT)
        return api_problem(&gym->kit, req, 409, "model_incompatible", "%s", err ? err->text : "");
    if (err && !strncmp(err->field, options, sizeof options - 1)) {
        shown = *err;
        memmove(shown.field, err->field + sizeof options - 1,
                strlen(err->field) - sizeof options + 2);
        return gym_failed(&gym->kit, req, status, &shown, "body.hyperparameters");
    }
    return gym_failed(&gym->kit, req, status, err, "body");
}

/* ---- submitting ---- */

static void started(void *user, int32_t status, const struct lathe_job_info *job,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;

    if (status != LATHE_OK || !job)
        refused(gym, park->req, status, err);
    else {
        gym_audit(gym, park->req, "training.start", job->id);
        answer_started(gym, park->req, job, park->flag ? "running" : "pending");
    }
}

/* park->number is that of the idempotency key while the job is stored. */
static void started_drop(void *user)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    int64_t flight = park->number;

    api_park_drop(park);
    flight_end(gym, flight);
}

struct start {
    const struct scenario *scenario;
    const struct lathe_component_info *learner;
    struct lathe_json *fields; /* taken */
    const char *from_job, *from_checkpoint, *key;
};

static int32_t submit(struct gym *gym, struct lathe_request *req, const struct start *start)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_job_request request = {.struct_size = sizeof request,
                                        .flags = LATHE_JOB_ID_TIME,
                                        .owner = GYM_OWNER,
                                        .id_prefix = "session_",
                                        .from_job = start->from_job,
                                        .from_checkpoint = start->from_checkpoint};
    struct lathe_json *spec = spec_build(gym, start->fields, start->scenario, start->learner);
    char *spec_text = j->dup_text(spec, 0, NULL), *extra_text;
    uint32_t slots = 0, used = 0, queued = 0;
    struct lathe_error err = {0};
    struct api_park *park = NULL;
    int32_t st = LATHE_E_NOMEM;

    gym->kit.jobs->capacity(gym->kit.jobs, &slots, &used, &queued, NULL);
    j->set_string(start->fields, "initial_status", used + queued < slots ? "running" : "pending");
    extra_text = j->dup_text(start->fields, 0, NULL);
    if (spec_text && extra_text && (park = api_park_new(&gym->kit, gym, req, NULL))) {
        park->flag = used + queued < slots;
        park->number = start->key ? flight_begin(gym, start->key) : 0;
        request.spec = spec_text;
        request.extra = extra_text;
        st = gym->kit.jobs->submit(gym->kit.jobs, &request, started, park, started_drop, &err);
        if (st != LATHE_OK)
            st = refused(gym, req, st, &err);
    }
    j->free_text(spec_text);
    j->free_text(extra_text);
    j->release(spec);
    j->release(start->fields);
    return st;
}

/* What init_model_id needs; answers and returns 0 when it does not fit. */
static int init_model_fits(struct gym *gym, struct lathe_request *req,
                           const struct lathe_json *fields, const struct scenario *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    const char *id = j->get_string(fields, "init_model_id", NULL);
    const struct lathe_model_info *model = id ? gym->kit.models->get(gym->kit.models, id) : NULL;
    struct lathe_json *facts;
    int fits;

    if (!id)
        return 1;
    if (!model || strcmp(model->owner, GYM_OWNER) != 0) {
        gym_not_found(&gym->kit, req, "model_not_found");
        return 0;
    }
    facts = model_facts(gym, model);
    fits = !strcmp(j->get_string(facts, "scenario_sha256", ""), s->sha256) &&
           !strcmp(model->algorithm_id, j->get_string(fields, "algorithm", ""));
    j->release(facts);
    if (!fits)
        api_problem(&gym->kit, req, 409, "model_incompatible",
                    "Model %s is for another scenario or algorithm", id);
    return fits;
}

static int32_t start_from(struct gym *gym, struct lathe_request *req, const struct source *from,
                          struct scenario *s, struct start *start)
{
    const char *algorithm = from->j->as_string(given(from, "algorithm"), "ppo", NULL);

    start->scenario = s;
    start->learner = gym->kit.plugins->find(gym->kit.plugins, LATHE_KIND_ALGORITHM, algorithm);
    if (!start->learner || !is_discrete(gym, start->learner))
        return unknown_algorithm(gym, req, algorithm);
    scenario_want_analysis(gym, s);
    start->fields = fields_build(gym, from, s, start->learner);
    if (start->from_job)
        from->j->set_string(start->fields, "parent_session_id", start->from_job);
    if (!init_model_fits(gym, req, start->fields, s)) {
        from->j->release(start->fields);
        return LATHE_OK;
    }
    return LATHE_AGAIN; /* go on and submit */
}

int32_t op_start(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct source from = {j, gym->kit.http->body_json(req), NULL};
    struct scenario *s = scenario_find(gym, j->get_string(from.body, "scenario_id", ""));
    struct start start = {.key = gym->kit.http->header(req, "Idempotency-Key")};
    char hash[65] = "", *canonical;
    int32_t st;

    if (start.key && strlen(start.key) > GYM_KEY_MAX)
        return api_problem(&gym->kit, req, 400, "idempotency_key_invalid",
                           "An Idempotency-Key has at most %d characters", GYM_KEY_MAX);
    if (start.key && start.key[0]) {
        if (!(canonical = j->dup_text(from.body, LATHE_JSON_SORTED, NULL)))
            return LATHE_E_NOMEM;
        sha256_hex(hash, canonical, strlen(canonical));
        j->free_text(canonical);
        if ((st = start_replay(gym, req, start.key, hash)) != LATHE_AGAIN)
            return st;
    } else {
        start.key = NULL;
    }
    if (!s)
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if ((st = start_from(gym, req, &from, s, &start)) != LATHE_AGAIN)
        return st;
    if (start.key) {
        j->set_string(start.fields, "idempotency_key", start.key);
        j->set_string(start.fields, "idempotency_hash", hash);
    }
    return submit(gym, req, &start);
}

int32_t op_fork(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_job_info *job = training_find(gym, req);
    struct session *session = job ? session_get(gym, job) : NULL;
    struct source from = {j, gym->kit.http->body_json(req), session ? session->extra : NULL};
    struct start start = {0};
    struct scenario *s;
    int32_t st;

    if (!job)
        return LATHE_OK;
    if (!session)
        return LATHE_E_NOMEM;
    if (!(s = scenario_find(gym, j->get_string(session->extra, "scenario_id", ""))))
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if (!job->checkpoint_id[0])
        return api_problem(&gym->kit, req, 409, "no_checkpoint",
                           "The session has no checkpoint to continue from");
    start.from_job = session->id;
    start.from_checkpoint = j->get_string(from.body, "checkpoint_id", NULL);
    if ((st = start_from(gym, req, &from, s, &start)) != LATHE_AGAIN)
        return st;
    return submit(gym, req, &start);
}
