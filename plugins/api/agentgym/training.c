/* Reading sessions and changing their state. Which change is allowed when is one table here; the
 * server's own table has the last word. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

const struct lathe_job_info *training_find(struct gym *gym, struct lathe_request *req)
{
    const char *id = gym->kit.http->path_param(req, "session_id");
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, id);

    if (job && !strcmp(job->owner, GYM_OWNER))
        return job;
    gym_not_found(&gym->kit, req, "session_not_found");
    return NULL;
}

/* ---- read ---- */

int32_t op_get_training(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_job_info *job = training_find(gym, req);
    const struct text *status;
    int32_t st;

    if (!job)
        return LATHE_OK;
    if (!(status = session_status(gym, job)))
        return LATHE_E_NOMEM;
    st = gym->kit.http->respond(req, 200, "application/json", text_get(status), status->len_bytes);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

struct session_list {
    struct gym *gym;
    const char *state, *scenario;
    struct text *out;
    struct api_page page;
    int more;
};

static int32_t list_one(void *user, const struct lathe_job_info *job)
{
    struct session_list *l = user;
    const struct session *s;
    const struct text *status;

    if (l->state && strcmp(l->state, session_state(job)) != 0)
        return 0;
    if (l->scenario &&
        (!(s = session_get(l->gym, job)) ||
         strcmp(l->gym->kit.json->get_string(s->extra, "scenario_id", ""), l->scenario) != 0))
        return 0;
    if (!api_page_take(&l->page))
        return 0;
    if (!(status = session_status(l->gym, job))) {
        l->out->failed = 1;
        return 1;
    }
    if (l->more++)
        text_add(l->out, ",", 1);
    text_add(l->out, text_get(status), status->len_bytes);
    return 0;
}

int32_t op_list_training(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct text body = {0};
    struct session_list l = {gym,
                             gym->kit.http->query(req, "status"),
                             gym->kit.http->query(req, "scenario_id"),
                             &body,
                             {0, 0, 0},
                             0};

    api_page_read(&gym->kit, req, &l.page);
    text_add(&body, "[", 1);
    gym->kit.jobs->list(gym->kit.jobs, GYM_OWNER, list_one, &l);
    text_add(&body, "]", 1);
    api_page_header(&gym->kit, req, &l.page);
    return api_send(&gym->kit, req, 200, &body);
}

/* ---- change ---- */

enum verb { PAUSE, RESUME, STOP };
enum verdict { GO, NO_OP, ACCEPTED, REFUSED };

static const char *const verb_names[] = {"pause", "resume", "stop"};
static const char *const audit_words[] = {"training.pause", "training.resume", "training.stop"};
static const char *const done_words[] = {"paused", "resumed", "stopped"};
static const char *const doing_words[] = {"pausing", "resumed", "stopping"};

/* Rows: states as session_state() says them; columns: pause, resume, stop. */
static enum verdict judge(const char *state, enum verb verb)
{
    static const struct {
        const char *state;
        enum verdict verdict[3];
    } table[] = {
        {"pending", {GO, NO_OP, GO}},
        {"running", {GO, NO_OP, GO}},
        {"pausing", {ACCEPTED, REFUSED, GO}},
        {"paused", {NO_OP, GO, GO}},
        {"stopping", {REFUSED, REFUSED, ACCEPTED}},
        {"completed", {REFUSED, REFUSED, REFUSED}},
        {"stopped", {REFUSED, REFUSED, NO_OP}},
        {"failed", {REFUSED, REFUSED, REFUSED}},
    };
    size_t i;

    for (i = 0; i < sizeof table / sizeof table[0]; i++)
        if (!strcmp(table[i].state, state))
            return table[i].verdict[verb];
    return REFUSED;
}

static int32_t refuse(struct gym *gym, struct lathe_request *req, const char *state, enum verb verb)
{
    struct lathe_problem problem = {sizeof problem, 0,    409,  0,   "invalid_transition",
                                    NULL,           NULL, NULL, NULL};
    char message[120], extra[120];
    int32_t st;

    snprintf(message, sizeof message, "Cannot %s a session that is %s", verb_names[verb], state);
    snprintf(extra, sizeof extra, "{\"from\":\"%s\",\"action\":\"%s\"}", state, verb_names[verb]);
    problem.text = message;
    problem.extra_json = extra;
    st = gym->kit.http->respond_problem(req, &problem);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

static int32_t answer(struct gym *gym, struct lathe_request *req, const struct lathe_job_info *job,
                      enum verb verb, int reached)
{
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "status", reached ? done_words[verb] : doing_words[verb]);
    jw_str(&w, "session_id", job->id);
    if (verb == PAUSE) {
        jw_uint(&w, "current_episode", job->current);
        jw_str(&w, "checkpoint_id", job->checkpoint_id);
    } else if (verb == RESUME) {
        jw_str(&w, "session_status", session_state(job));
    } else if (reached) {
        jw_str(&w, "model_id", job->model_id);
    }
    jw_end_obj(&w);
    return api_send(&gym->kit, req, reached ? 200 : 202, &body);
}

static void wish_done(void *user, int32_t status, const struct lathe_job_info *job,
                      const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    enum verb verb = (enum verb)park->number;

    if (!job)
        job = gym->kit.jobs->get(gym->kit.jobs, park->arg);
    if (!job)
        gym_not_found(&gym->kit, park->req, "session_not_found");
    else if (status == LATHE_OK || status == LATHE_E_TIMEOUT) {
        gym_audit(gym, park->req, audit_words[verb], job->id);
        answer(gym, park->req, job, verb, status == LATHE_OK);
    } else if (status == LATHE_E_CONFLICT || status == LATHE_E_CANCELLED)
        refuse(gym, park->req, session_state(job), verb);
    else
        gym->kit.http->respond_error(park->req, status, NULL, err);
}

static int32_t wish(struct gym *gym, struct lathe_request *req, enum verb verb)
{
    const struct lathe_jobs_service *jobs = gym->kit.jobs;
    const struct lathe_job_info *job = training_find(gym, req);
    struct lathe_job_wish w = {.struct_size = sizeof w, .wait_ms = GYM_WISH_MS};
    struct lathe_error err = {0};
    struct api_park *park;
    enum verdict verdict;
    int32_t st;

    if (!job)
        return LATHE_OK;
    verdict = judge(session_state(job), verb);
    if (verdict == REFUSED)
        return refuse(gym, req, session_state(job), verb);
    if (verdict == NO_OP || verdict == ACCEPTED)
        return answer(gym, req, job, verb, verdict == NO_OP);
    if (!(park = api_park_new(&gym->kit, gym, req, job->id)))
        return LATHE_E_NOMEM;
    park->number = verb;
    w.done = wish_done;
    w.user = park;
    w.drop = api_park_drop;
    if (verb == STOP && !gym->kit.http->query_bool(req, "save", 1))
        w.flags = LATHE_JOB_STOP_DISCARD;
    if (verb == PAUSE)
        st = jobs->pause(jobs, job->id, &w, &err);
    else if (verb == RESUME)
        st = jobs->resume(jobs, job->id, &w, &err);
    else
        st = jobs->stop(jobs, job->id, &w, &err);
    if (st == LATHE_E_CONFLICT)
        return refuse(gym, req, session_state(job), verb);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

int32_t op_pause(void *self, struct lathe_request *req)
{
    return wish(self, req, PAUSE);
}

int32_t op_resume(void *self, struct lathe_request *req)
{
    return wish(self, req, RESUME);
}

int32_t op_stop(void *self, struct lathe_request *req)
{
    return wish(self, req, STOP);
}

/* ---- delete ---- */

static void deleted(void *user, int32_t status, const struct lathe_job_info *job,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    struct text body = {0};

    (void)job;
    if (status != LATHE_OK) {
        gym->kit.http->respond_error(park->req, status, NULL, err);
        return;
    }
    gym_audit(gym, park->req, "training.delete", park->arg);
    session_forget(gym, park->arg);
    snprintf(park->arg + strlen(park->arg), sizeof park->arg - strlen(park->arg), "/");
    gym->kit.store->series_drop_after(gym->kit.store, park->arg, INT64_MIN, NULL);
    text_adds(&body, "{\"status\":\"deleted\"}");
    api_send(&gym->kit, park->req, 200, &body);
}

int32_t op_delete_training(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_job_info *job = training_find(gym, req);
    struct lathe_error err = {0};
    struct api_park *park;
    int32_t st;

    if (!job)
        return LATHE_OK;
    if (!session_is_final(job))
        return api_problem(&gym->kit, req, 409, "session_active",
                           "Cannot delete a session that is %s; stop it first", session_state(job));
    if (!(park = api_park_new(&gym->kit, gym, req, job->id)))
        return LATHE_E_NOMEM;
    st = gym->kit.jobs->remove(gym->kit.jobs, job->id, deleted, park, api_park_drop, &err);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

/* ---- checkpoints ---- */

struct checkpoint_list {
    struct gym *gym;
    struct jw w;
};

static int32_t write_checkpoint(void *user, const struct lathe_checkpoint_info *c)
{
    struct checkpoint_list *l = user;
    const struct lathe_json_service *j = l->gym->kit.json;
    struct lathe_json *eval = api_parse(&l->gym->kit, c->eval);

    jw_obj(&l->w, NULL);
    jw_str(&l->w, "id", c->id);
    jw_uint(&l->w, "episode", c->current);
    jw_num(&l->w, "accuracy", eval_accuracy(j, eval));
    jw_str(&l->w, "sha256", c->sha256);
    jw_uint(&l->w, "size_bytes", c->size_bytes);
    jw_str(&l->w, "kind", c->kind);
    jw_end_obj(&l->w);
    j->release(eval);
    return 0;
}

int32_t op_checkpoints(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_job_info *job = training_find(gym, req);
    struct checkpoint_list l;
    struct text body = {0};

    if (!job)
        return LATHE_OK;
    l.gym = gym;
    jw_init(&l.w, &body);
    jw_arr(&l.w, NULL);
    gym->kit.jobs->checkpoints(gym->kit.jobs, job->id, write_checkpoint, &l);
    jw_end_arr(&l.w);
    return api_send(&gym->kit, req, 200, &body);
}
