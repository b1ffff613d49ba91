/* Writing jobs down, and answering those who wait. One write per job is under way at a time;
 * changes made meanwhile go out with the next one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

#define SAVE_RETRY_MS 2000

static void save_start(struct job *job);

static void wish_free(struct job_wish *w)
{
    if (w->timer != 0)
        loop_timer_cancel(w->job->jobs->timers, w->timer);
    if (w->drop != NULL)
        w->drop(w->user);
    mem_free(w);
}

/* Takes w out of its job's list and answers it. */
static void wish_answer(struct job_wish *w, int32_t status, const struct lathe_error *err)
{
    struct job_wish **at = &w->job->wishes;
    while (*at != NULL && *at != w)
        at = &(*at)->next;
    if (*at == w)
        *at = w->next;
    if (w->done != NULL)
        w->done(w->user, status, job_info(w->job), err);
    wish_free(w);
}

static void on_wish_timeout(void *arg)
{
    struct job_wish *w = arg;
    struct lathe_error err = {0};
    w->timer = 0;
    wish_answer(w,
                fail(&err, LATHE_E_TIMEOUT, "job %s is still %s", w->job->id,
                     lathe_job_state_name(w->job->state)),
                &err);
}

struct job_wish *job_wish_add(struct job *job, enum job_want want,
                              const struct lathe_job_wish *wish)
{
    struct job_wish *w = mem_new(struct job_wish), **at = &job->wishes;

    if (w == NULL)
        return NULL;
    w->job = job;
    w->want = want;
    w->done = wish->done;
    w->user = wish->user;
    w->drop = wish->drop;
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
    if (wish->wait_ms > 0 && loop_timer_start(job->jobs->timers, wish->wait_ms, 0, on_wish_timeout,
                                              w, NULL, &w->timer) != LATHE_OK)
        log_warn("a wish waits without time limit", F_STR("job", job->id));
    return w;
}

/* 1: fulfilled, 0: wait, negative: it cannot be fulfilled any more. */
static int32_t wish_state(const struct job_wish *w)
{
    const struct job *job = w->job;
    uint32_t s = job->durable_state;
    int is_final = job_state_is_final(s);

    switch (w->want) {
    case WANT_PAUSED:
        return s == LATHE_JOB_PAUSED ? 1 : is_final ? LATHE_E_CONFLICT : 0;
    case WANT_GOING:
        if (s == LATHE_JOB_QUEUED || s == LATHE_JOB_STARTING || s == LATHE_JOB_RUNNING)
            return 1;
        return is_final ? LATHE_E_CONFLICT : 0;
    case WANT_STOPPED:
        if (s == LATHE_JOB_STOPPED || s == LATHE_JOB_SUCCEEDED)
            return 1;
        return is_final ? LATHE_E_CONFLICT : 0;
    case WANT_CANCELLED:
        return is_final ? 1 : 0;
    case WANT_CHECKPOINT:
        return job->saved_ckpt_no >= w->min_number ? 1 : is_final ? LATHE_E_CONFLICT : 0;
    case WANT_SAVED:
    default:
        return job->saved_no >= w->min_number ? 1 : 0;
    }
}

void job_wishes_check(struct job *job)
{
    struct job_wish *w = job->wishes;
    while (w != NULL) {
        struct lathe_error err = {0};
        int32_t r = wish_state(w);
        if (r == 0) {
            w = w->next;
            continue;
        }
        if (r < 0)
            (void)fail(&err, r, "job %s is %s", job->id, lathe_job_state_name(job->durable_state));
        wish_answer(w, r > 0 ? LATHE_OK : r, &err);
        w = job->wishes; /* the answer may have changed the list */
    }
}

void job_wishes_end(struct job *job, int32_t status, const struct lathe_error *err)
{
    while (job->wishes != NULL)
        wish_answer(job->wishes, status, err);
}

/* ---- saving ---- */

static void on_final(struct job *job)
{
    const struct lathe_events_service *events = job->jobs->cfg.events;
    char topic[JOB_ID_MAX + 8];

    job_publish(job, LATHE_JOB_EVENT_DONE, job->texts.result, strlen(job->texts.result));
    snprintf(topic, sizeof topic, "job/%s", job->id);
    if (events->close_topic(events, topic, 0) != LATHE_OK)
        log_warn("event topic was not closed", F_STR("job", job->id));
}

static void on_retry(void *arg)
{
    struct job *job = arg;
    job->retry_timer = 0;
    if (!job->is_saving)
        save_start(job);
}

static void on_saved(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct job *job = user;
    uint32_t before = job->durable_state;

    job->is_saving = 0;
    if (status != LATHE_OK) {
        log_error("job was not stored, trying again", F_STR("job", job->id),
                  F_STR("reason", result->error->text));
        job->is_dirty = 1;
        job_wishes_end(job, status, result->error);
        if (job->retry_timer == 0 && loop_timer_start(job->jobs->timers, SAVE_RETRY_MS, 0, on_retry,
                                                      job, NULL, &job->retry_timer) != LATHE_OK)
            log_error("job waits for its next change to be stored", F_STR("job", job->id));
        return;
    }
    job->is_stored = 1;
    job->durable_state = job->saving_state;
    job->saved_no = job->saving_no;
    job->saved_ckpt_no = job->saving_ckpt_no;
    if (job_state_is_final(job->durable_state) && !job_state_is_final(before))
        on_final(job);
    job_wishes_check(job);
    if (job->is_dirty)
        save_start(job);
    jobs_schedule(job->jobs);
}

static void save_start(struct job *job)
{
    const struct lathe_store_service *store = job->jobs->cfg.store;
    const struct lathe_events_service *events = job->jobs->cfg.events;
    struct lathe_store_call call = {sizeof call, 0, on_saved, NULL, job};
    char topic[JOB_ID_MAX + 8];
    json_t *doc = job_to_json(job);
    char *text = doc != NULL ? json_dup_text(doc, 0, NULL) : NULL;
    int32_t st = text != NULL ? LATHE_OK : LATHE_E_NOMEM;

    json_decref(doc);
    job->is_dirty = 0;
    job->saving_state = job->state;
    job->saving_no = job->save_no;
    job->saving_ckpt_no = job->ckpt_no;
    snprintf(topic, sizeof topic, "job/%s", job->id);
    if (events->flush(events, topic) != LATHE_OK) /* what led to this state goes first */
        log_warn("events of a job may be lost in a crash", F_STR("job", job->id));
    if (st == LATHE_OK)
        st = store->put(store, JOB_COLLECTION, job->id, LATHE_REV_ANY, text, &call);
    mem_free(text);
    if (st == LATHE_OK) {
        job->is_saving = 1;
        return;
    }
    log_error("job was not stored", F_STR("job", job->id), F_STR("reason", lathe_status_name(st)));
    job->is_dirty = 1;
    if (job->retry_timer == 0 && loop_timer_start(job->jobs->timers, SAVE_RETRY_MS, 0, on_retry,
                                                  job, NULL, &job->retry_timer) != LATHE_OK)
        log_error("job waits for its next change to be stored", F_STR("job", job->id));
}

void job_save(struct job *job)
{
    if (job->is_removed)
        return;
    job->save_no++;
    if (job->is_saving)
        job->is_dirty = 1;
    else
        save_start(job);
}
