/* What happens to jobs, told to watchers and to the event service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

static const char *const type_names[] = {"job.state",      "job.progress", "job.eval",
                                         "job.checkpoint", "job.metrics",  "job.done",
                                         "job.log",        "job.submitted"};

static void watch_free(struct job_watch *w)
{
    if (w->drop != NULL)
        w->drop(w->user);
    mem_free(w);
}

/* Removes watches that ended while events were being told. */
static void watches_sweep(struct jobs *jobs)
{
    struct job_watch **at = &jobs->watches;
    while (*at != NULL) {
        struct job_watch *w = *at;
        if (!w->is_ended) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        watch_free(w);
    }
}

void job_publish(struct job *job, uint32_t kind, const char *data, size_t len_bytes)
{
    struct jobs *jobs = job->jobs;
    const struct lathe_events_service *events = jobs->cfg.events;
    struct lathe_job_event event = {sizeof event, kind, 0, clock_wall_ms(), data, NULL};
    char topic[JOB_ID_MAX + 8];

    (void)len_bytes;
    snprintf(topic, sizeof topic, "job/%s", job->id);
    if (events->publish(events, topic, type_names[kind], data, &event.seq) == LATHE_OK)
        job->seq = event.seq;
    else
        event.seq = job->seq;
    job->updated_ms = event.wall_ms;
    event.job = job_info(job);
    jobs->watch_depth++;
    for (struct job_watch *w = jobs->watches; w != NULL; w = w->next)
        if (!w->is_ended && (!w->has_owner || strcmp(w->owner, job->owner) == 0))
            w->fn(w->user, &event);
    if (--jobs->watch_depth == 0)
        watches_sweep(jobs);
}

void job_publish_json(struct job *job, uint32_t kind, json_t *take_data)
{
    size_t len = 0;
    char *text = take_data != NULL ? json_dup_text(take_data, 0, &len) : NULL;
    if (text != NULL)
        job_publish(job, kind, text, len);
    else
        log_error("out of memory, event of a job is lost", F_STR("job", job->id));
    mem_free(text);
    json_decref(take_data);
}

int32_t jobs_watch(struct jobs *jobs, const char *owner, lathe_job_event_fn fn, void *user,
                   lathe_drop_fn drop, uint64_t *handle)
{
    struct job_watch *w = mem_new(struct job_watch), **at = &jobs->watches;
    if (w == NULL) {
        if (drop != NULL)
            drop(user);
        return LATHE_E_NOMEM;
    }
    w->handle = ++jobs->next_watch;
    w->has_owner = owner != NULL;
    snprintf(w->owner, sizeof w->owner, "%s", owner != NULL ? owner : "");
    w->fn = fn;
    w->user = user;
    w->drop = drop;
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
    *handle = w->handle;
    return LATHE_OK;
}

void jobs_unwatch(struct jobs *jobs, uint64_t handle)
{
    for (struct job_watch *w = jobs->watches; w != NULL; w = w->next)
        if (w->handle == handle)
            w->is_ended = 1;
    if (jobs->watch_depth == 0)
        watches_sweep(jobs);
}

void job_watches_free(struct jobs *jobs)
{
    for (struct job_watch *w = jobs->watches; w != NULL; w = w->next)
        w->is_ended = 1;
    watches_sweep(jobs);
}
