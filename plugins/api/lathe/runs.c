/* Runs: a request body becomes a job specification; everything else is the server's. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "plugins/api/lathe/native.h"

#define WISH_WAIT_MS 2000

/* ---- create ---- */

static void copy_member(const struct lathe_json_service *j, struct lathe_json *to, const char *as,
                        const struct lathe_json *from, const char *name)
{
    struct lathe_json *value = j->get(from, name);

    if (value)
        j->set(to, as, j->acquire(value));
}

static struct lathe_json *reference(const struct lathe_json_service *j,
                                    const struct lathe_json *from)
{
    struct lathe_json *ref = j->object(j);

    copy_member(j, ref, "name", from, "id");
    if (j->get(from, "options"))
        copy_member(j, ref, "options", from, "options");
    else
        j->set(ref, "options", j->object(j));
    return ref;
}

/* The job specification; the caller releases. NULL without memory. */
static struct lathe_json *spec_build(const struct lathe_json_service *j,
                                     const struct lathe_json *body)
{
    static const char *const same[] = {"seed",     "mode",        "total_steps", "total_iterations",
                                       "n_envs",   "threads",     "pace_ms",     "time_limit",
                                       "obs_norm", "reward_norm", "norm_gamma",  "numerics",
                                       NULL};
    struct lathe_json *spec = j->object(j), *part;
    const struct lathe_json *given;
    const char *const *name;

    j->set_string(spec, "task", "rl.train");
    j->set(spec, "env", reference(j, j->get(body, "env")));
    j->set(spec, "algorithm", reference(j, j->get(body, "algorithm")));
    for (name = same; *name; name++)
        copy_member(j, spec, *name, body, *name);
    if ((given = j->get(body, "eval"))) {
        part = j->object(j);
        copy_member(j, part, "interval", given, "every");
        copy_member(j, part, "episodes", given, "episodes");
        copy_member(j, part, "seed", given, "seed");
        copy_member(j, part, "final_episodes", given, "final_episodes");
        j->set(spec, "eval", part);
    }
    if ((given = j->get(body, "checkpoint"))) {
        part = j->object(j);
        copy_member(j, part, "interval", given, "every");
        j->set(spec, "checkpoint", part);
    }
    if ((given = j->get(body, "target"))) {
        part = j->object(j);
        j->set_string(part, "metric", "mean_return");
        copy_member(j, part, "value", body, "target");
        j->set(spec, "target", part);
    }
    return spec;
}

static void answer_job(const struct api_kit *kit, struct lathe_request *req, int32_t http_status,
                       const struct lathe_job_info *job)
{
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    run_write(kit, &w, job, 1);
    api_send(kit, req, http_status, &body);
}

static void created(void *user, int32_t status, const struct lathe_job_info *job,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    char location[160];

    if (status != LATHE_OK || !job) {
        park->kit->http->respond_error(park->req, status, NULL, err);
        return;
    }
    snprintf(location, sizeof location, "/lathe/v1/runs/%s", job->id);
    park->kit->http->add_header(park->req, "Location", location);
    answer_job(park->kit, park->req, 201, job);
}

/* What the run needs beyond the contract's schema. Answers and returns 0 when it is wrong. */
static int length_given(const struct api_kit *kit, struct lathe_request *req,
                        const struct lathe_json *body)
{
    int episodic = !strcmp(kit->json->get_string(body, "mode", "continuous"), "episodic");
    const char *field = episodic ? "total_iterations" : "total_steps";
    struct lathe_problem problem = {sizeof problem, 0,     422,  0,   "validation_error",
                                    NULL,           field, NULL, NULL};
    char message[120];

    if (kit->json->get(body, field))
        return 1;
    snprintf(message, sizeof message, "%s is required in mode %s", field,
             episodic ? "episodic" : "continuous");
    problem.text = message;
    kit->http->respond_problem(req, &problem);
    return 0;
}

int32_t runs_create(void *self, struct lathe_request *req)
{
    struct native *native = self;
    const struct api_kit *kit = &native->kit;
    const struct lathe_json_service *j = kit->json;
    const struct lathe_json *body = kit->http->body_json(req);
    struct lathe_job_request request = {.struct_size = sizeof request};
    struct lathe_json *spec, *extra;
    struct api_park *park;
    struct lathe_error err;
    char *spec_text, *extra_text;
    int32_t st = LATHE_E_NOMEM;

    if (!length_given(kit, req, body))
        return LATHE_OK;
    if (!(park = api_park_new(kit, self, req, NULL)))
        return LATHE_E_NOMEM;
    spec = spec_build(j, body);
    extra = j->object(j);
    copy_member(j, extra, "name", body, "name");
    copy_member(j, extra, "model_name", body, "name");
    copy_member(j, extra, "tags", body, "tags");
    spec_text = j->dup_text(spec, 0, NULL);
    extra_text = j->dup_text(extra, 0, NULL);
    if (spec_text && extra_text) {
        request.flags = LATHE_JOB_ID_TIME;
        request.owner = "lathe";
        request.id_prefix = "run_";
        request.spec = spec_text;
        request.extra = extra_text;
        request.from_job = j->as_string(j->pointer(body, "/from/run"), NULL, NULL);
        request.from_checkpoint = j->as_string(j->pointer(body, "/from/checkpoint"), NULL, NULL);
        memset(&err, 0, sizeof err);
        st = kit->jobs->submit(kit->jobs, &request, created, park, api_park_drop, &err);
        if (st != LATHE_OK)
            kit->http->set_error(req, &err);
    } else {
        api_park_drop(park);
    }
    j->free_text(spec_text);
    j->free_text(extra_text);
    j->release(spec);
    j->release(extra);
    return st;
}

/* ---- read ---- */

struct run_list {
    const struct api_kit *kit;
    const char *state;
    struct jw w;
    struct api_page page;
};

static int32_t list_one(void *user, const struct lathe_job_info *job)
{
    struct run_list *l = user;

    if (l->state && strcmp(l->state, lathe_job_state_name(job->state)) != 0)
        return 0;
    if (api_page_take(&l->page))
        run_write(l->kit, &l->w, job, 0);
    return 0;
}

int32_t runs_list(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct text body = {0};
    struct run_list l;

    l.kit = kit;
    l.state = kit->http->query(req, "state");
    jw_init(&l.w, &body);
    api_page_read(kit, req, &l.page);
    jw_arr(&l.w, NULL);
    kit->jobs->list(kit->jobs, kit->http->query(req, "owner"), list_one, &l);
    jw_end_arr(&l.w);
    api_page_header(kit, req, &l.page);
    return api_send(kit, req, 200, &body);
}

int32_t runs_get(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const struct lathe_job_info *job = kit->jobs->get(kit->jobs, kit->http->path_param(req, "id"));

    if (!job)
        return native_unknown(kit, req, "run");
    answer_job(kit, req, 200, job);
    return LATHE_OK;
}

/* ---- change ---- */

static void deleted(void *user, int32_t status, const struct lathe_job_info *job,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    struct text body = {0};

    (void)job;
    if (status != LATHE_OK) {
        park->kit->http->respond_error(park->req, status, NULL, err);
        return;
    }
    text_adds(&body, "{\"status\":\"deleted\"}");
    api_send(park->kit, park->req, 200, &body);
}

int32_t runs_delete(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const char *id = kit->http->path_param(req, "id");
    struct api_park *park;
    struct lathe_error err = {0};
    int32_t st;

    if (!kit->jobs->get(kit->jobs, id))
        return native_unknown(kit, req, "run");
    if (!(park = api_park_new(kit, self, req, id)))
        return LATHE_E_NOMEM;
    st = kit->jobs->remove(kit->jobs, id, deleted, park, api_park_drop, &err);
    if (st != LATHE_OK)
        kit->http->set_error(req, &err);
    return st;
}

static void wish_done(void *user, int32_t status, const struct lathe_job_info *job,
                      const struct lathe_error *err)
{
    struct api_park *park = user;

    if (!job)
        job = park->kit->jobs->get(park->kit->jobs, park->arg);
    if ((status == LATHE_OK || status == LATHE_E_TIMEOUT) && job)
        answer_job(park->kit, park->req, status == LATHE_OK ? 200 : 202, job);
    else
        park->kit->http->respond_error(park->req, status, NULL, err);
}

typedef int32_t (*wish_fn)(const struct lathe_jobs_service *jobs, const char *id,
                           const struct lathe_job_wish *wish, struct lathe_error *err);

static int32_t wish(void *self, struct lathe_request *req, wish_fn call)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const char *id = kit->http->path_param(req, "id");
    struct lathe_job_wish w = {.struct_size = sizeof w, .wait_ms = WISH_WAIT_MS};
    struct lathe_error err = {0};
    int32_t st;

    if (!kit->jobs->get(kit->jobs, id))
        return native_unknown(kit, req, "run");
    if (!(w.user = api_park_new(kit, self, req, id)))
        return LATHE_E_NOMEM;
    w.done = wish_done;
    w.drop = api_park_drop;
    st = call(kit->jobs, id, &w, &err);
    if (st != LATHE_OK)
        kit->http->set_error(req, &err);
    return st;
}

int32_t runs_pause(void *self, struct lathe_request *req)
{
    return wish(self, req, ((struct native *)self)->kit.jobs->pause);
}

int32_t runs_resume(void *self, struct lathe_request *req)
{
    return wish(self, req, ((struct native *)self)->kit.jobs->resume);
}

int32_t runs_stop(void *self, struct lathe_request *req)
{
    return wish(self, req, ((struct native *)self)->kit.jobs->stop);
}

int32_t runs_cancel(void *self, struct lathe_request *req)
{
    return wish(self, req, ((struct native *)self)->kit.jobs->cancel);
}
