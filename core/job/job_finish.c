/* The end of a run: the artifact is taken in, then the model record and the job's final state are
 * written in one transaction. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

struct finish {
    struct job *job;
    char *text; /* the job's document in the transaction */
    uint32_t saved_state;
};

/* JOB_ON_SUCCEED for a complete run, JOB_ON_STOPPED for one that was stopped. */
static enum job_event finish_event(const struct job *job)
{
    const char *outcome = json_member_string(job->done, "outcome", "completed");
    return strcmp(outcome, "stopped") == 0 ? JOB_ON_STOPPED : JOB_ON_SUCCEED;
}

/* The final state without a model. */
static void finish_plain(struct job *job)
{
    job->ended_ms = clock_wall_ms();
    if (job_apply(job, finish_event(job), job->reason) == LATHE_OK)
        job_save(job);
}

static void on_extend(void *user, const char *id, struct lathe_storage_op *op)
{
    struct finish *f = user;
    struct job *job = f->job;
    int32_t state = job_state_next(job->state, finish_event(job));
    json_t *doc;

    snprintf(job->model_id, sizeof job->model_id, "%s", id);
    job->ended_ms = clock_wall_ms();
    f->saved_state = state >= 0 ? (uint32_t)state : job->state;
    if ((doc = job_to_json(job)) != NULL) {
        json_object_set_new(doc, "state", json_string(lathe_job_state_name(f->saved_state)));
        f->text = json_dup_text(doc, 0, NULL);
        json_decref(doc);
    }
    op->op = LATHE_OP_PUT;
    op->collection = JOB_COLLECTION;
    op->id = job->id;
    op->expected = LATHE_REV_ANY;
    op->json = f->text; /* NULL is refused by the store, and the transaction with it */
}

static void on_model(void *user, int32_t status, const struct lathe_model_info *model,
                     const struct lathe_error *err)
{
    struct finish *f = user;
    struct job *job = f->job;

    (void)model;
    if (status != LATHE_OK) {
        job->model_id[0] = '\0';
        job_fail(job, status, "io_error", err->text);
        return;
    }
    if (job_apply(job, finish_event(job), job->reason) == LATHE_OK)
        job_save(job); /* the same content again: keeps the bookkeeping of saves in one place */
}

static void finish_free(void *arg)
{
    struct finish *f = arg;
    mem_free(f->text);
    mem_free(f);
}

static const char *model_name(const struct job *job, char out[200])
{
    const char *given = json_member_string(job->extra, "model_name", NULL);
    if (given != NULL)
        return given;
    snprintf(out, 200, "%.64s_%.64s",
             json_member_string(json_object_get(job->spec, "env"), "name", job->task),
             json_member_string(json_object_get(job->spec, "algorithm"), "name", "model"));
    return out;
}

static json_t *model_doc(const struct job *job, const char *sha256, uint64_t size_bytes)
{
    const json_t *result = json_object_get(job->done, "result");
    json_t *eval = json_object_get(result, "eval");
    char name[200];

    return json_pack("{s:s,s:s,s:s,s:O?,s:O?,s:s,s:s,s:O?,s:{s:O,s:O?},s:I,s:I}", "owner",
                     job->owner, "name", model_name(job, name), "kind",
                     json_member_string(json_object_get(job->done, "artifact"), "kind", "policy"),
                     "env", json_object_get(job->spec, "env"), "algorithm",
                     json_object_get(job->spec, "algorithm"), "artifact", sha256, "job", job->id,
                     "metrics", eval, "extra", "job", job->extra, "result", result, "size_bytes",
                     (json_int_t)size_bytes, "seed", (json_int_t)job->seed);
}

static void on_imported(void *user, int32_t status, const struct lathe_artifact_result *result)
{
    struct job *job = user;
    struct lathe_error err = {0};
    struct finish *f;
    json_t *doc;

    if (status != LATHE_OK) {
        job_fail(job, status, "artifact_lost", result->error->text);
        return;
    }
    f = mem_new(struct finish);
    doc = model_doc(job, result->sha256, result->size_bytes);
    if (f == NULL || doc == NULL) {
        mem_free(f);
        json_decref(doc);
        job_fail(job, LATHE_E_NOMEM, "out_of_memory", "the model was not stored");
        return;
    }
    f->job = job;
    status = models_create(job->jobs->cfg.models,
                           &(struct model_create){doc, f, on_extend, on_model, finish_free}, &err);
    if (status != LATHE_OK)
        job_fail(job, status, "io_error", err.text);
}

/* Takes the named file of the run directory into the artifact store. */
static int32_t artifact_import(struct job *job, const json_t *artifact, struct lathe_error *err)
{
    const struct lathe_artifact_service *artifacts = job->jobs->cfg.artifacts;
    const struct lathe_artifact_call call = {sizeof call, 0, on_imported, NULL, job};
    const char *file = json_member_string(artifact, "file", "");
    char dir[4096], path[4096];
    int32_t st;

    if (!path_is_component(file))
        return fail(err, LATHE_E_CORRUPT, "the worker named no file of its run directory");
    job_dir(job, dir, sizeof dir);
    if ((st = path_join(path, sizeof path, dir, file, err)) != LATHE_OK)
        return st;
    st = artifacts->import_file(artifacts, path, json_member_string(artifact, "sha256", NULL), 0,
                                &call);
    return st == LATHE_OK ? LATHE_OK : fail(err, st, "take in %s: %s", file, lathe_status_name(st));
}

void job_finish(struct job *job)
{
    const json_t *artifact = json_object_get(job->done, "artifact");
    struct lathe_error err = {0};
    int32_t st;

    if (!json_is_object(artifact) || job->is_discarding || job->current == 0) {
        finish_plain(job);
        return;
    }
    if ((st = artifact_import(job, artifact, &err)) != LATHE_OK)
        job_fail(job, st, "artifact_lost", err.text);
}
