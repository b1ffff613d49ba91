/* Jobs in memory and as documents. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/job/job_spec.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

struct job *job_new(struct jobs *jobs, const char *id)
{
    struct job *job = mem_new(struct job);
    if (job == NULL)
        return NULL;
    job->jobs = jobs;
    snprintf(job->id, sizeof job->id, "%s", id);
    job->checkpoints = json_array();
    job->texts = (struct job_texts){mem_strdup("{}"),   mem_strdup("{}"),   mem_strdup("{}"),
                                    mem_strdup("null"), mem_strdup("null"), mem_strdup("null"),
                                    mem_strdup("")};
    if (job->checkpoints == NULL || job->texts.spec == NULL || job->texts.extra == NULL ||
        job->texts.progress == NULL || job->texts.eval == NULL || job->texts.result == NULL ||
        job->texts.crash == NULL || job->texts.ckpt_path == NULL) {
        job_free(job);
        return NULL;
    }
    return job;
}

void job_free(void *arg)
{
    struct job *job = arg;
    if (job == NULL)
        return;
    mem_free(job->texts.spec);
    mem_free(job->texts.extra);
    mem_free(job->texts.progress);
    mem_free(job->texts.eval);
    mem_free(job->texts.result);
    mem_free(job->texts.crash);
    mem_free(job->texts.ckpt_path);
    json_decref(job->spec);
    json_decref(job->extra);
    json_decref(job->checkpoints);
    json_decref(job->done);
    mem_free(job);
}

void job_link(struct job *job)
{
    struct jobs *jobs = job->jobs;
    struct job *after = jobs->last;

    while (after != NULL && after->order > job->order)
        after = after->prev;
    job->prev = after;
    job->next = after != NULL ? after->next : jobs->first;
    if (job->next != NULL)
        job->next->prev = job;
    else
        jobs->last = job;
    if (after != NULL)
        after->next = job;
    else
        jobs->first = job;
    if (hmap_put(jobs->by_id, job->id, job, NULL) != LATHE_OK)
        log_error("out of memory while indexing a job", F_STR("job", job->id));
    if (job->order >= jobs->next_order)
        jobs->next_order = job->order + 1;
}

void job_unlink(struct job *job)
{
    struct jobs *jobs = job->jobs;
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        jobs->first = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    else
        jobs->last = job->prev;
    hmap_remove(jobs->by_id, job->id);
}

void job_text_set(struct job *job, char **text, char *take_text)
{
    if (take_text == NULL) {
        log_error("out of memory, text of a job was not updated", F_STR("job", job->id));
        return;
    }
    loop_retire(job->jobs->cfg.loop, *text, mem_free);
    *text = take_text;
}

int64_t job_active_ms(const struct job *job)
{
    if (job->running_since_ns == 0)
        return job->active_ms;
    return job->active_ms + (clock_mono_ns() - job->running_since_ns) / 1000000;
}

void job_dir(const struct job *job, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", job->jobs->cfg.runs_dir, job->id);
}

uint64_t job_checkpoint_number(const json_t *checkpoint)
{
    return (uint64_t)json_member_int(checkpoint, "number", 0);
}

/* ---- documents ---- */

/* A JSON text that this module made itself. */
static json_t *value_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return value != NULL ? value : json_null();
}

json_t *job_to_json(const struct job *job)
{
    json_t *doc =
        json_pack("{s:s,s:s,s:I,s:s,s:s,s:O,s:O,s:O,s:s}", "id", job->id, "owner", job->owner,
                  "order", (json_int_t)job->order, "state", lathe_job_state_name(job->state),
                  "reason", job->reason, "spec", job->spec, "extra", job->extra, "checkpoints",
                  job->checkpoints, "model_id", job->model_id);
    if (doc == NULL)
        return NULL;
    json_object_set_new(doc, "current", json_integer((json_int_t)job->current));
    json_object_set_new(doc, "progress", value_of(job->texts.progress));
    json_object_set_new(doc, "eval", value_of(job->texts.eval));
    json_object_set_new(doc, "result", value_of(job->texts.result));
    json_object_set_new(doc, "crash", value_of(job->texts.crash));
    json_object_set_new(doc, "created_ms", json_integer(job->created_ms));
    json_object_set_new(doc, "updated_ms", json_integer(job->updated_ms));
    json_object_set_new(doc, "started_ms", json_integer(job->started_ms));
    json_object_set_new(doc, "ended_ms", json_integer(job->ended_ms));
    json_object_set_new(doc, "active_ms", json_integer(job_active_ms(job)));
    json_object_set_new(doc, "restarts", json_integer(job->restarts));
    json_object_set_new(doc, "crashes", json_integer(job->crashes));
    json_object_set_new(doc, "discard", json_boolean(job->is_discarding));
    json_object_set_new(doc, "seq", json_integer((json_int_t)job->seq));
    if (job->error_code != 0)
        json_object_set_new(doc, "error",
                            json_pack("{s:i,s:s,s:s}", "code", job->error_code, "id", job->error_id,
                                      "text", job->error_text));
    return doc;
}

static void text_from(struct job *job, char **text, const json_t *value)
{
    char *dup = value != NULL ? json_dup_text(value, 0, NULL) : NULL;
    if (dup == NULL)
        return;
    mem_free(*text);
    *text = dup;
    (void)job;
}

static void copy_to(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text);
}

int32_t job_from_json(struct job *job, const json_t *doc)
{
    const json_t *error = json_object_get(doc, "error");
    json_t *list = json_object_get(doc, "checkpoints");

    job->state = job->durable_state = job_state_parse(json_member_string(doc, "state", ""));
    job->spec = json_incref(json_object_get(doc, "spec"));
    job->extra = json_incref(json_object_get(doc, "extra"));
    if (job->state >= LATHE_JOB_STATE_COUNT || !json_is_object(job->spec) ||
        !json_is_object(job->extra) || !json_is_array(list))
        return LATHE_E_CORRUPT;
    json_decref(job->checkpoints);
    job->checkpoints = json_incref(list);
    copy_to(job->owner, sizeof job->owner, json_member_string(doc, "owner", ""));
    copy_to(job->reason, sizeof job->reason, json_member_string(doc, "reason", ""));
    copy_to(job->model_id, sizeof job->model_id, json_member_string(doc, "model_id", ""));
    copy_to(job->task, sizeof job->task, json_member_string(job->spec, "task", ""));
    job->order = (uint64_t)json_member_int(doc, "order", 0);
    job->current = (uint64_t)json_member_int(doc, "current", 0);
    job->total = job_spec_total(job->spec);
    job->seed = job_spec_seed(job->spec);
    job->seq = (uint64_t)json_member_int(doc, "seq", 0);
    job->created_ms = json_member_int(doc, "created_ms", 0);
    job->updated_ms = json_member_int(doc, "updated_ms", 0);
    job->started_ms = json_member_int(doc, "started_ms", 0);
    job->ended_ms = json_member_int(doc, "ended_ms", 0);
    job->active_ms = json_member_int(doc, "active_ms", 0);
    job->restarts = (uint32_t)json_member_int(doc, "restarts", 0);
    job->crashes = (uint32_t)json_member_int(doc, "crashes", 0);
    job->is_discarding = json_member_bool(doc, "discard", 0);
    job->error_code = (int32_t)json_member_int(error, "code", 0);
    copy_to(job->error_id, sizeof job->error_id, json_member_string(error, "id", ""));
    copy_to(job->error_text, sizeof job->error_text, json_member_string(error, "text", ""));
    text_from(job, &job->texts.spec, job->spec);
    text_from(job, &job->texts.extra, job->extra);
    text_from(job, &job->texts.progress, json_object_get(doc, "progress"));
    text_from(job, &job->texts.eval, json_object_get(doc, "eval"));
    text_from(job, &job->texts.result, json_object_get(doc, "result"));
    text_from(job, &job->texts.crash, json_object_get(doc, "crash"));
    if (json_array_size(job->checkpoints) > 0)
        job->ckpt_no = job->saved_ckpt_no = job_checkpoint_number(
            json_array_get(job->checkpoints, json_array_size(job->checkpoints) - 1));
    job->is_stored = 1;
    return LATHE_OK;
}

/* ---- what is shown ---- */

static uint32_t queue_position(const struct job *job)
{
    uint32_t n = 1;
    if (job->state != LATHE_JOB_QUEUED)
        return 0;
    for (const struct job *other = job->jobs->first; other != NULL; other = other->next)
        if (other->state == LATHE_JOB_QUEUED && other->queued_order < job->queued_order)
            n++;
    return n;
}

static void info_checkpoint(struct job *job)
{
    size_t n = json_array_size(job->checkpoints);
    const json_t *last = n > 0 ? json_array_get(job->checkpoints, n - 1) : NULL;

    job->info.checkpoint_current = (uint64_t)json_member_int(last, "current", 0);
    job->info.checkpoint_id = json_member_string(last, "id", "");
    job->info.checkpoint_path = json_member_string(last, "path", "");
    job->info.checkpoint_sha256 = json_member_string(last, "sha256", "");
    job->info.checkpoint_weights_sha256 = json_member_string(last, "weights_sha256", "");
}

const struct lathe_job_info *job_info(struct job *job)
{
    job->info = (struct lathe_job_info){
        .struct_size = sizeof job->info,
        .state = job->state,
        .id = job->id,
        .owner = job->owner,
        .task = job->task,
        .reason = job->reason,
        .spec = job->texts.spec,
        .extra = job->texts.extra,
        .current = job->current,
        .total = job->total,
        .progress = job->texts.progress,
        .eval = job->texts.eval,
        .result = job->texts.result,
        .model_id = job->model_id,
        .created_ms = job->created_ms,
        .updated_ms = job->updated_ms,
        .started_ms = job->started_ms,
        .ended_ms = job->ended_ms,
        .active_ms = job_active_ms(job),
        .seed = job->seed,
        .seq = job->seq,
        .queue_position = queue_position(job),
        .worker_pid = job->worker != NULL ? sup_worker_pid(job->worker) : 0,
        .restarts = job->restarts,
        .error_code = job->error_code,
        .error_id = job->error_id,
        .error_text = job->error_text,
        .crash = job->texts.crash,
    };
    info_checkpoint(job);
    return &job->info;
}
