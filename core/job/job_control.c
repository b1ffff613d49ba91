/* What owners may do with a job: pause, resume, stop, cancel, checkpoint, remove, extra. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

#define STOP_DEFAULT_MS 600000
#define KILL_DEFAULT_MS 10000

static int32_t refuse(const struct lathe_job_wish *wish, int32_t st)
{
    if (wish->drop != NULL)
        wish->drop(wish->user);
    return st;
}

static int32_t find(struct jobs *jobs, const char *id, struct job **out, struct lathe_error *err)
{
    struct job *job = hmap_get(jobs->by_id, id);
    if (job == NULL || job->is_removed)
        return fail(err, LATHE_E_NOT_FOUND, "there is no job %.64s", id);
    *out = job;
    return LATHE_OK;
}

static int32_t conflict(const struct job *job, const char *what, struct lathe_error *err)
{
    return fail(err, LATHE_E_CONFLICT, "cannot %s job %s: it is %s", what, job->id,
                lathe_job_state_name(job->state));
}

/* A wish that is fulfilled already is answered at the next turn, like all others. */
static void on_turn(void *user)
{
    for (struct job *j = ((struct jobs *)user)->first; j != NULL; j = j->next)
        if (j->wishes != NULL && !j->is_saving)
            job_wishes_check(j);
}

/* Adds the wish, applies the event, writes down. */
static int32_t wish_apply(struct job *job, enum job_want want, enum job_event event,
                          const struct lathe_job_wish *wish, struct lathe_error *err)
{
    uint32_t before = job->state;
    uint64_t handle = 0;

    if (job_state_next(job->state, event) == JOB_STATE_CONFLICT)
        return refuse(wish, conflict(job, job_event_name(event), err));
    if (job_wish_add(job, want, wish) == NULL)
        return refuse(wish, fail(err, LATHE_E_NOMEM, "%s job %s", job_event_name(event), job->id));
    (void)job_apply(job, event, "user");
    if (job->state != before)
        job_save(job);
    else if (!job->is_saving && loop_timer_start(job->jobs->timers, 0, 0, on_turn, job->jobs, NULL,
                                                 &handle) != LATHE_OK)
        job_save(job);
    return LATHE_OK;
}

/* Sends a control frame to the worker; a dead link shows as its end. */
static void tell(const struct job *job, uint32_t type, const char *json)
{
    if (job->worker != NULL && !job->is_released &&
        sup_worker_send(job->worker, type, json, strlen(json)) != LATHE_OK)
        log_warn("worker was not told", F_STR("job", job->id),
                 F_STR("frame", link_type_name(type)));
}

int32_t jobs_pause(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                   struct lathe_error *err)
{
    struct job *job = NULL;
    uint32_t before;
    int32_t st = find(jobs, id, &job, err);

    if (st != LATHE_OK)
        return refuse(wish, st);
    before = job->state;
    st = wish_apply(job, WANT_PAUSED, JOB_ON_PAUSE, wish, err);
    if (st == LATHE_OK && before != job->state && job->state == LATHE_JOB_PAUSING)
        tell(job, LINK_PAUSE, "{}");
    return st;
}

int32_t jobs_resume(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                    struct lathe_error *err)
{
    struct job *job = NULL;
    int32_t st = find(jobs, id, &job, err);

    if (st != LATHE_OK)
        return refuse(wish, st);
    if (jobs->is_draining)
        return refuse(wish, fail(err, LATHE_E_UNAVAILABLE, "the server is ending"));
    if (job->state == LATHE_JOB_PAUSED && jobs_queued(jobs) >= jobs->cfg.queue_limit)
        return refuse(
            wish, fail(err, LATHE_E_LIMIT, "the queue is full (%u jobs)", jobs->cfg.queue_limit));
    st = wish_apply(job, WANT_GOING, JOB_ON_RESUME, wish, err);
    jobs_schedule(jobs);
    return st;
}

/* 1 when there is something to keep: a checkpoint, or a worker beyond its first iteration. */
static int has_learned(const struct job *job)
{
    return json_array_size(job->checkpoints) > 0 || job->is_ready;
}

int32_t jobs_stop(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                  struct lathe_error *err)
{
    struct job *job = NULL;
    uint32_t before;
    int32_t st = find(jobs, id, &job, err);
    int is_idle;

    if (st != LATHE_OK)
        return refuse(wish, st);
    before = job->state;
    is_idle =
        !has_learned(job) || (job->worker == NULL && (wish->flags & LATHE_JOB_STOP_DISCARD) != 0);
    if (before < LATHE_JOB_STOPPING)
        job->is_discarding = (wish->flags & LATHE_JOB_STOP_DISCARD) != 0;
    st = wish_apply(job, WANT_STOPPED, is_idle ? JOB_ON_STOP_IDLE : JOB_ON_STOP, wish, err);
    if (st != LATHE_OK || before == job->state)
        return st;
    if (job->state == LATHE_JOB_STOPPED)
        job_release(job);
    if (job->state == LATHE_JOB_STOPPING && job->worker != NULL && !job->is_released) {
        tell(job, LINK_STOP, job->is_discarding ? "{\"save\":false}" : "{\"save\":true}");
        sup_worker_end(job->worker, jobs->cfg.stop_ms != 0 ? jobs->cfg.stop_ms : STOP_DEFAULT_MS,
                       jobs->cfg.kill_ms != 0 ? jobs->cfg.kill_ms : KILL_DEFAULT_MS);
    }
    jobs_schedule(jobs);
    return st;
}

int32_t jobs_cancel(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                    struct lathe_error *err)
{
    struct job *job = NULL;
    int32_t st = find(jobs, id, &job, err);

    if (st != LATHE_OK)
        return refuse(wish, st);
    if ((st = wish_apply(job, WANT_CANCELLED, JOB_ON_CANCEL, wish, err)) == LATHE_OK)
        job_release(job);
    return st;
}

int32_t jobs_checkpoint(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                        struct lathe_error *err)
{
    struct job *job = NULL;
    struct job_wish *w;
    int32_t st = find(jobs, id, &job, err);

    if (st != LATHE_OK)
        return refuse(wish, st);
    if (job->state != LATHE_JOB_RUNNING)
        return refuse(wish, conflict(job, "checkpoint", err));
    if ((w = job_wish_add(job, WANT_CHECKPOINT, wish)) == NULL)
        return refuse(wish, fail(err, LATHE_E_NOMEM, "checkpoint job %s", id));
    w->min_number = job->ckpt_no + 1;
    tell(job, LINK_CHECKPOINT_NOW, "{}");
    return LATHE_OK;
}

int32_t jobs_set_extra(struct jobs *jobs, const char *id, const char *extra, lathe_job_done_fn done,
                       void *user, lathe_drop_fn drop, struct lathe_error *err)
{
    const struct lathe_job_wish wish = {sizeof wish, 0, 0, done, user, drop};
    struct job *job = NULL;
    struct job_wish *w;
    json_t *value = NULL;
    int32_t st = find(jobs, id, &job, err);

    if (st == LATHE_OK)
        st = json_parse_text(extra, strlen(extra), NULL, &value, err);
    if (st == LATHE_OK && !json_is_object(value))
        st = fail_field(err, LATHE_E_INVALID, "extra", "extra must be a JSON object");
    if (st == LATHE_OK && (w = job_wish_add(job, WANT_SAVED, &wish)) == NULL)
        st = fail(err, LATHE_E_NOMEM, "change job %s", id);
    if (st != LATHE_OK) {
        json_decref(value);
        return refuse(&wish, st);
    }
    w->min_number = job->save_no + 1;
    json_decref(job->extra);
    job->extra = value;
    job_text_set(job, &job->texts.extra, json_dup_text(value, 0, NULL));
    job_save(job);
    return LATHE_OK;
}

/* ---- removal ---- */

struct removal {
    struct job *job;
    lathe_job_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

static void removal_free(void *arg)
{
    struct removal *r = arg;
    if (r->drop != NULL)
        r->drop(r->user);
    mem_free(r);
}

static void on_removed(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct removal *r = user;
    struct job *job = r->job;
    struct jobs *jobs = job->jobs;
    struct lathe_error err = {0};
    char dir[4096], topic[JOB_ID_MAX + 8];

    if (status != LATHE_OK) {
        job->is_removed = 0;
        if (r->done != NULL)
            r->done(r->user, status, NULL, result->error);
        return;
    }
    job_dir(job, dir, sizeof dir);
    if (io_remove_tree(dir, &err) != LATHE_OK)
        log_warn("run directory was not removed", F_STR("job", job->id), F_STR("reason", err.text));
    snprintf(topic, sizeof topic, "job/%s", job->id);
    (void)jobs->cfg.events->close_topic(jobs->cfg.events, topic, LATHE_EVENTS_FORGET);
    if (job->retry_timer != 0)
        loop_timer_cancel(jobs->timers, job->retry_timer);
    job_wishes_end(job, LATHE_E_NOT_FOUND, &err);
    job_unlink(job);
    loop_retire(jobs->cfg.loop, job, job_free);
    if (r->done != NULL)
        r->done(r->user, LATHE_OK, NULL, &err);
}

int32_t jobs_remove(struct jobs *jobs, const char *id, lathe_job_done_fn done, void *user,
                    lathe_drop_fn drop, struct lathe_error *err)
{
    const struct lathe_job_wish wish = {sizeof wish, 0, 0, done, user, drop};
    const struct lathe_store_service *store = jobs->cfg.store;
    struct removal *r = NULL;
    struct job *job = NULL;
    int32_t st = find(jobs, id, &job, err);

    if (st == LATHE_OK && (!job_state_is_final(job->state) || job->worker != NULL))
        st = conflict(job, "delete", err);
    if (st == LATHE_OK && (r = mem_new(struct removal)) == NULL)
        st = fail(err, LATHE_E_NOMEM, "delete job %s", id);
    if (st != LATHE_OK)
        return refuse(&wish, st);
    *r = (struct removal){job, done, user, drop};
    job->is_removed = 1;
    job_series_cut(job, INT64_MIN);
    st = store->remove(store, JOB_COLLECTION, id, LATHE_REV_ANY,
                       &(struct lathe_store_call){sizeof(struct lathe_store_call), 0, on_removed,
                                                  removal_free, r});
    if (st != LATHE_OK) {
        job->is_removed = 0;
        return fail(err, st, "delete job %s: %s", id, lathe_status_name(st));
    }
    return LATHE_OK;
}

int32_t jobs_checkpoints(struct jobs *jobs, const char *id, lathe_checkpoint_visit_fn visit,
                         void *user)
{
    struct job *job = NULL;
    int32_t st = find(jobs, id, &job, NULL);

    if (st != LATHE_OK)
        return st;
    for (size_t i = json_array_size(job->checkpoints); i > 0; i--) {
        const json_t *c = json_array_get(job->checkpoints, i - 1);
        const json_t *value = json_object_get(c, "eval");
        char *eval = json_is_object(value) ? json_dup_text(value, 0, NULL) : mem_strdup("null");
        const struct lathe_checkpoint_info info = {sizeof info,
                                                   0,
                                                   json_member_string(c, "id", ""),
                                                   json_member_string(c, "kind", ""),
                                                   json_member_string(c, "path", ""),
                                                   json_member_string(c, "sha256", ""),
                                                   (uint64_t)json_member_int(c, "current", 0),
                                                   (uint64_t)json_member_int(c, "size_bytes", 0),
                                                   json_member_int(c, "created_ms", 0),
                                                   eval != NULL ? eval : "null",
                                                   json_member_string(c, "weights_sha256", "")};
        int32_t more = visit(user, &info);
        mem_free(eval);
        if (more != 0)
            break;
    }
    return LATHE_OK;
}
