/* What a worker says: frames become state, series, events and checkpoints of its job. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

/* ---- what a worker says ---- */

static void on_hello(struct job *job, const json_t *hello)
{
    int64_t current = json_member_int(hello, "current", 0);
    int is_resumed = json_member_string(hello, "resumed_from", "")[0] != '\0';
    size_t i;
    json_t *skipped;

    job->is_ready = 1;
    json_array_foreach(json_object_get(hello, "skipped"), i, skipped)
    {
        log_warn("checkpoint was not usable", F_STR("job", job->id),
                 F_STR("file", json_member_string(skipped, "file", "")),
                 F_STR("reason", json_member_string(skipped, "reason", "")));
    }
    /* what an earlier worker reported beyond this point will be reported again */
    job_series_cut(job, is_resumed ? current : INT64_MIN);
    job->current = (uint64_t)current;
    if (job->running_since_ns == 0)
        job->running_since_ns = clock_mono_ns();
    if (job_apply(job, JOB_ON_READY, job->reason) == LATHE_OK)
        job_save(job);
}

static void on_progress(struct job *job, const struct link_frame *frame, const json_t *json)
{
    job->current = (uint64_t)json_member_int(json, "current", (int64_t)job->current);
    if (job->total == 0)
        job->total = (uint64_t)json_member_int(json, "total", 0);
    job_text_set(job, &job->texts.progress, mem_strndup(frame->payload, frame->len_bytes));
    job_publish(job, LATHE_JOB_EVENT_PROGRESS, frame->payload, frame->len_bytes);
}

/* Forgets checkpoints whose file the worker has removed. */
static void checkpoints_prune(struct job *job)
{
    for (size_t i = json_array_size(job->checkpoints); i > 1; i--) {
        const json_t *c = json_array_get(job->checkpoints, i - 2);
        if (access(json_member_string(c, "path", ""), F_OK) != 0 && errno == ENOENT)
            json_array_remove(job->checkpoints, i - 2);
    }
}

static void on_checkpoint(struct job *job, json_t *json)
{
    char dir[4096], path[4096];
    const char *file = json_member_string(json, "file", "");

    job_dir(job, dir, sizeof dir);
    if (!path_is_component(file) || path_join(path, sizeof path, dir, file, NULL) != LATHE_OK) {
        log_error("worker named no file of its run directory", F_STR("job", job->id));
        return;
    }
    json_object_set_new(json, "path", json_string(path));
    json_object_set_new(json, "created_ms", json_integer(clock_wall_ms()));
    json_array_append(job->checkpoints, json);
    job->ckpt_no = job_checkpoint_number(json);
    job->crashes = 0;
    job->current = (uint64_t)json_member_int(json, "current", (int64_t)job->current);
    checkpoints_prune(job);
    job_publish_json(job, LATHE_JOB_EVENT_CHECKPOINT, json_incref(json));
    job_save(job);
}

static void on_state(struct job *job, const char *state)
{
    if (strcmp(state, "suspended") == 0)
        job->is_suspended = 1;
    if (strcmp(state, "paused") != 0)
        return;
    job_clock_stop(job);
    if (job_apply(job, JOB_ON_PAUSED, job->reason) != LATHE_OK)
        return;
    job_save(job);
    job_release(job); /* the checkpoint holds everything: resume starts a new worker */
}

static void on_done(struct job *job, json_t *json)
{
    const json_t *result = json_object_get(json, "result");

    json_decref(job->done);
    job->done = json_incref(json);
    job->current = (uint64_t)json_member_int(json, "current", (int64_t)job->current);
    job_clock_stop(job);
    if (result != NULL)
        job_text_set(job, &job->texts.result, json_dup_text(result, 0, NULL));
    if (job_apply(job, JOB_ON_DONE,
                  strcmp(json_member_string(json, "outcome", ""), "target") == 0
                      ? "target"
                      : job->reason) == LATHE_OK)
        job_finish(job);
}

static void on_error(struct job *job, const json_t *json)
{
    int32_t code = (int32_t)json_member_int(json, "code", LATHE_E_INTERNAL);
    job_fail(job, code < 0 && code >= LATHE_STATUS_LOWEST ? code : LATHE_E_INTERNAL,
             json_member_string(json, "id", "plugin_error"),
             json_member_string(json, "message", ""));
}

static void on_log(struct job *job, const struct link_frame *frame, const json_t *json)
{
    int32_t level = (int32_t)json_member_int(json, "level", LATHE_LOG_INFO);
    if (level <= log_get_level())
        log_event(level, "worker", json_member_string(json, "message", ""),
                  (const struct lathe_field *const[]){
                      F_STR("job", job->id),
                      F_STR("module", json_member_string(json, "module", "")), NULL});
    if (level <= LATHE_LOG_WARN)
        job_publish(job, LATHE_JOB_EVENT_LOG, frame->payload, frame->len_bytes);
}

void job_on_frame(void *user, const struct link_frame *frame)
{
    struct job *job = user;
    struct lathe_error err = {0};
    json_t *json = NULL;

    if (job->is_released || job_state_is_final(job->state))
        return;
    if (json_parse_text(frame->payload, frame->len_bytes, NULL, &json, &err) != LATHE_OK) {
        log_error("worker sent no JSON", F_STR("job", job->id), F_STR("reason", err.text),
                  F_STR("frame", link_type_name(frame->type)));
        return;
    }
    switch (frame->type) {
    case LINK_HELLO:
        on_hello(job, json);
        break;
    case LINK_PROGRESS:
        on_progress(job, frame, json);
        break;
    case LINK_METRICS:
        job_series_rows(job, json);
        job_publish(job, LATHE_JOB_EVENT_METRICS, frame->payload, frame->len_bytes);
        break;
    case LINK_EVAL:
        job_series_eval(job, json);
        job_text_set(job, &job->texts.eval, mem_strndup(frame->payload, frame->len_bytes));
        job_publish(job, LATHE_JOB_EVENT_EVAL, frame->payload, frame->len_bytes);
        break;
    case LINK_CHECKPOINT:
        on_checkpoint(job, json);
        break;
    case LINK_STATE:
        on_state(job, json_member_string(json, "state", ""));
        break;
    case LINK_DONE:
        on_done(job, json);
        break;
    case LINK_ERROR:
        on_error(job, json);
        break;
    case LINK_LOG:
        on_log(job, frame, json);
        break;
    default:
        break;
    }
    json_decref(json);
}
