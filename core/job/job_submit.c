/* New jobs: checked, numbered, stored, then queued. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/job/job_spec.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

#define QUEUE_LIMIT_DEFAULT 100
#define CHECKPOINT_MAX ((size_t)1 << 30)

struct submission {
    struct jobs *jobs;
    json_t *spec, *extra, *from; /* from: checkpoint to continue from, or NULL */
    char owner[65], prefix[33];
    uint32_t flags;
    lathe_job_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

static void submission_free(struct submission *s)
{
    if (s->drop != NULL)
        s->drop(s->user);
    json_decref(s->spec);
    json_decref(s->extra);
    json_decref(s->from);
    mem_free(s);
}

static void submission_fail(struct submission *s, int32_t status, const struct lathe_error *err)
{
    if (s->done != NULL)
        s->done(s->user, status, NULL, err);
    submission_free(s);
}

/* ---- checks ---- */

static int32_t prefix_check(const char *prefix, struct lathe_error *err)
{
    size_t n = strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789_.-");
    if (n == 0 || n > 32 || prefix[n] != '\0' || prefix[0] == '.')
        return fail_field(err, LATHE_E_INVALID, "id_prefix",
                          "job id prefix \"%.40s\" is not usable", prefix);
    return LATHE_OK;
}

static int32_t object_parse(const char *text, const char *field, json_t **out,
                            struct lathe_error *err)
{
    int32_t st;
    if (text == NULL) {
        *out = json_object();
        return *out != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "read %s", field);
    }
    if ((st = json_parse_text(text, strlen(text), NULL, out, err)) != LATHE_OK)
        return st;
    return json_is_object(*out)
               ? LATHE_OK
               : fail_field(err, LATHE_E_INVALID, field, "%s must be an object", field);
}

/* Models named in the specification exist; an evaluation takes environment and algorithm from its
 * model unless they are given. */
static int32_t models_check(struct jobs *jobs, json_t *given, struct lathe_error *err)
{
    static const char *const members[] = {"init_model", "model"};
    for (size_t i = 0; i < 2; i++) {
        const char *id = json_member_string(given, members[i], NULL);
        const json_t *doc;
        if (id == NULL || id[0] == '\0')
            continue;
        if ((doc = models_doc(jobs->cfg.models, id)) == NULL)
            return fail_field(err, LATHE_E_NOT_FOUND, members[i], "there is no model %.64s", id);
        if (i == 0)
            continue;
        if (json_object_get(given, "env") == NULL)
            json_object_set_new(given, "env", json_deep_copy(json_object_get(doc, "env")));
        if (json_object_get(given, "algorithm") == NULL)
            json_object_set_new(given, "algorithm",
                                json_deep_copy(json_object_get(doc, "algorithm")));
    }
    return LATHE_OK;
}

/* The checkpoint that the request wants to continue from; new reference or NULL. */
static int32_t from_find(struct jobs *jobs, const struct lathe_job_request *request, json_t **out,
                         struct lathe_error *err)
{
    const struct job *job;

    if (request->from_job == NULL)
        return LATHE_OK;
    if ((job = hmap_get(jobs->by_id, request->from_job)) == NULL || job->is_removed)
        return fail_field(err, LATHE_E_NOT_FOUND, "from_job", "there is no job %.64s",
                          request->from_job);
    for (size_t i = json_array_size(job->checkpoints); i > 0; i--) {
        json_t *c = json_array_get(job->checkpoints, i - 1);
        if (request->from_checkpoint != NULL &&
            strcmp(json_member_string(c, "id", ""), request->from_checkpoint) != 0)
            continue;
        if (access(json_member_string(c, "path", ""), R_OK) != 0)
            continue;
        *out = json_deep_copy(c);
        return *out != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "read a checkpoint");
    }
    return fail_field(err, LATHE_E_NOT_FOUND, "from_checkpoint", "job %s has no such checkpoint",
                      job->id);
}

/* ---- the job itself ---- */

/* Brings the checkpoint file into the new run directory: the other job may be deleted at any time.
 */
static int32_t from_take(struct job *job, json_t *from, struct lathe_error *err)
{
    const char *source = json_member_string(from, "path", "");
    char dir[4096], path[4096], *data = NULL;
    size_t len = 0;
    int32_t st;

    job_dir(job, dir, sizeof dir);
    if ((st = io_mkdir_p(dir, 0700, err)) != LATHE_OK ||
        (st = path_join(path, sizeof path, dir, "from.safetensors", err)) != LATHE_OK)
        return st;
    if (link(source, path) != 0) {
        if ((st = io_read_file(source, CHECKPOINT_MAX, &data, &len, err)) == LATHE_OK)
            st = io_write_file(path, data, len, 0600, err);
        mem_free(data);
        if (st != LATHE_OK)
            return st;
    }
    json_object_set_new(from, "path", json_string(path));
    json_object_set_new(from, "file", json_string("from.safetensors"));
    json_object_set_new(from, "kind", json_string("fork"));
    json_array_append(job->checkpoints, from);
    job->current = (uint64_t)json_member_int(from, "current", 0);
    job->ckpt_no = job->saved_ckpt_no = job_checkpoint_number(from);
    return LATHE_OK;
}

static struct job *job_make(struct submission *s, uint64_t number, struct lathe_error *err)
{
    char id[JOB_ID_MAX];
    int64_t now = clock_wall_ms();
    struct job *job;

    if (s->flags & LATHE_JOB_ID_TIME)
        snprintf(id, sizeof id, "%s%llu_%lld", s->prefix, (unsigned long long)number,
                 (long long)(now / 1000));
    else
        snprintf(id, sizeof id, "%s%llu", s->prefix, (unsigned long long)number);
    if ((job = job_new(s->jobs, id)) == NULL) {
        (void)fail(err, LATHE_E_NOMEM, "make a job");
        return NULL;
    }
    snprintf(job->owner, sizeof job->owner, "%s", s->owner);
    snprintf(job->task, sizeof job->task, "%s", json_member_string(s->spec, "task", ""));
    job->spec = json_incref(s->spec);
    job->extra = json_incref(s->extra);
    job_text_set(job, &job->texts.spec, json_dup_text(s->spec, 0, NULL));
    job_text_set(job, &job->texts.extra, json_dup_text(s->extra, 0, NULL));
    job->total = job_spec_total(s->spec);
    job->seed = job_spec_seed(s->spec);
    job->created_ms = job->updated_ms = now;
    job->order = s->jobs->next_order;
    job->queued_order = ++s->jobs->next_queued;
    job->state = job->durable_state = LATHE_JOB_QUEUED;
    if (s->from != NULL && from_take(job, s->from, err) != LATHE_OK) {
        job_free(job);
        return NULL;
    }
    return job;
}

/* The job is durable, or will never be. */
static void on_stored(void *user, int32_t status, const struct lathe_job_info *info,
                      const struct lathe_error *err)
{
    struct submission *s = user;
    struct job *job = hmap_get(s->jobs->by_id, info->id);

    if (status == LATHE_OK) {
        job_publish(job, LATHE_JOB_EVENT_SUBMITTED, "{}", 2);
        if (s->done != NULL)
            s->done(s->user, LATHE_OK, job_info(job), err);
        jobs_schedule(s->jobs);
        return;
    }
    if (s->done != NULL)
        s->done(s->user, status, NULL, err);
    job->is_removed = 1;
    job->is_dirty = 0;
    if (job->retry_timer != 0)
        loop_timer_cancel(s->jobs->timers, job->retry_timer);
    job_unlink(job);
    loop_retire(s->jobs->cfg.loop, job, job_free);
}

static void on_stored_drop(void *user)
{
    submission_free(user);
}

static void on_number(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct submission *s = user;
    struct lathe_error err = *result->error;
    struct lathe_job_wish wish = {sizeof wish, 0, 0, on_stored, s, on_stored_drop};
    struct job_wish *w;
    struct job *job;

    if (status != LATHE_OK) {
        submission_fail(s, status, &err);
        return;
    }
    if ((job = job_make(s, result->values[0], &err)) == NULL) {
        submission_fail(s, err.code != 0 ? err.code : LATHE_E_NOMEM, &err);
        return;
    }
    if ((w = job_wish_add(job, WANT_SAVED, &wish)) == NULL) {
        job_free(job);
        submission_fail(s, fail(&err, LATHE_E_NOMEM, "make a job"), &err);
        return;
    }
    w->min_number = 1;
    job_link(job);
    job_save(job);
}

static int32_t submission_fill(struct submission *s, const struct lathe_job_request *request,
                               struct lathe_error *err)
{
    const char *prefix = request->id_prefix != NULL ? request->id_prefix : "job_";
    json_t *given = NULL;
    int32_t st;

    if (s->jobs->is_draining)
        return fail(err, LATHE_E_UNAVAILABLE, "the server is ending");
    if (jobs_queued(s->jobs) >= s->jobs->cfg.queue_limit)
        return fail(err, LATHE_E_LIMIT, "the queue is full (%u jobs)", s->jobs->cfg.queue_limit);
    if (request->owner == NULL || request->owner[0] == '\0' ||
        strlen(request->owner) >= sizeof s->owner)
        return fail_field(err, LATHE_E_INVALID, "owner", "a job needs an owner of 1 to 64 bytes");
    if ((st = prefix_check(prefix, err)) != LATHE_OK)
        return st;
    snprintf(s->owner, sizeof s->owner, "%s", request->owner);
    snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
    s->flags = request->flags;
    if ((st = object_parse(request->extra, "extra", &s->extra, err)) != LATHE_OK ||
        (st = from_find(s->jobs, request, &s->from, err)) != LATHE_OK)
        return st;
    if ((st = object_parse(request->spec, "spec", &given, err)) == LATHE_OK &&
        (st = models_check(s->jobs, given, err)) == LATHE_OK)
        st = job_spec_resolve(s->jobs->cfg.reg, given, &s->spec, err);
    json_decref(given);
    return st;
}

int32_t jobs_submit(struct jobs *jobs, const struct lathe_job_request *request,
                    lathe_job_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err)
{
    const struct lathe_store_service *store = jobs->cfg.store;
    struct submission *s = mem_new(struct submission);
    struct lathe_store_call call = {sizeof call, 0, on_number, NULL, s};
    char counter[48];
    int32_t st;

    if (s == NULL) {
        if (drop != NULL)
            drop(user);
        return fail(err, LATHE_E_NOMEM, "make a job");
    }
    s->jobs = jobs;
    s->done = done;
    s->user = user;
    s->drop = drop;
    if ((st = submission_fill(s, request, err)) == LATHE_OK) {
        snprintf(counter, sizeof counter, "job.%s", s->prefix);
        if ((st = store->next_id(store, counter, 1, &call)) != LATHE_OK)
            (void)fail(err, st, "number a job: %s", lathe_status_name(st));
    }
    if (st != LATHE_OK)
        submission_free(s);
    return st;
}

/* ---- the set of jobs ---- */

static uint32_t slots_default(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 1 ? (uint32_t)n - 1 : 1;
}

void jobs_set_limits(struct jobs *jobs, uint32_t slots, uint32_t queue_limit)
{
    jobs->cfg.slots = slots != 0 ? slots : slots_default();
    jobs->cfg.queue_limit = queue_limit != 0 ? queue_limit : QUEUE_LIMIT_DEFAULT;
    jobs_schedule(jobs);
}

int32_t jobs_open(const struct jobs_config *cfg, struct jobs **out, struct lathe_error *err)
{
    struct jobs *jobs = mem_new(struct jobs);
    int32_t st;

    if (jobs == NULL)
        return fail(err, LATHE_E_NOMEM, "open jobs");
    jobs->cfg = *cfg;
    jobs->cfg.runs_dir = jobs->runs_dir = mem_strdup(cfg->runs_dir);
    jobs->next_order = 1;
    jobs_set_limits(jobs, cfg->slots, cfg->queue_limit);
    if (jobs->runs_dir == NULL || (jobs->by_id = hmap_new()) == NULL ||
        (jobs->timers = loop_timers_new(cfg->loop, UINT32_MAX)) == NULL)
        st = fail(err, LATHE_E_NOMEM, "open jobs");
    else
        st = jobs_load(jobs, err);
    if (st != LATHE_OK) {
        jobs_close(jobs);
        return st;
    }
    *out = jobs;
    return LATHE_OK;
}

void jobs_start(struct jobs *jobs)
{
    jobs->is_started = 1;
    jobs_schedule(jobs);
}

void jobs_detach(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    jobs->is_started = 0;
    jobs->is_draining = 1;
    for (struct job *job = jobs->first; job != NULL; job = job->next) {
        if (job->worker != NULL)
            sup_worker_forget(job->worker);
        job->worker = NULL;
    }
    jobs->n_workers = 0;
}

void jobs_close(struct jobs *jobs)
{
    struct lathe_error err = {0};

    if (jobs == NULL)
        return;
    (void)fail(&err, LATHE_E_CANCELLED, "the server is ending");
    for (struct job *job = jobs->first; job != NULL; job = job->next)
        job_wishes_end(job, LATHE_E_CANCELLED, &err);
    job_watches_free(jobs);
    while (jobs->first != NULL) {
        struct job *job = jobs->first;
        job_unlink(job);
        job_free(job);
    }
    loop_timers_free(jobs->timers);
    hmap_free(jobs->by_id, NULL);
    mem_free(jobs->runs_dir);
    mem_free(jobs);
}

const struct lathe_job_info *jobs_get(struct jobs *jobs, const char *id)
{
    struct job *job = hmap_get(jobs->by_id, id);
    return job != NULL && job->is_stored && !job->is_removed ? job_info(job) : NULL;
}

void jobs_list(struct jobs *jobs, const char *owner, lathe_job_visit_fn visit, void *user)
{
    for (struct job *job = jobs->last, *prev; job != NULL; job = prev) {
        prev = job->prev;
        if (job->is_stored && !job->is_removed &&
            (owner == NULL || strcmp(owner, job->owner) == 0) && visit(user, job_info(job)) != 0)
            return;
    }
}

void jobs_capacity(struct jobs *jobs, uint32_t *slots, uint32_t *used, uint32_t *queued,
                   uint32_t *queue_limit)
{
    if (slots != NULL)
        *slots = jobs->cfg.slots;
    if (used != NULL)
        *used = jobs->n_workers;
    if (queued != NULL)
        *queued = jobs_queued(jobs);
    if (queue_limit != NULL)
        *queue_limit = jobs->cfg.queue_limit;
}

void jobs_metrics_text(struct jobs *jobs, struct strbuf *out)
{
    uint32_t by_state[LATHE_JOB_STATE_COUNT] = {0};
    for (const struct job *job = jobs->first; job != NULL; job = job->next)
        by_state[job->state]++;
    strbuf_adds(out, "# HELP lathe_jobs Jobs by state.\n# TYPE lathe_jobs gauge\n");
    for (uint32_t s = 0; s < LATHE_JOB_STATE_COUNT; s++)
        strbuf_addf(out, "lathe_jobs{state=\"%s\"} %u\n", lathe_job_state_name(s), by_state[s]);
    strbuf_addf(
        out,
        "# HELP lathe_job_slots Workers that may run at once.\n# TYPE lathe_job_slots gauge\n"
        "lathe_job_slots %u\n# HELP lathe_workers Workers of jobs alive.\n"
        "# TYPE lathe_workers gauge\nlathe_workers %u\n",
        jobs->cfg.slots, jobs->n_workers);
}
