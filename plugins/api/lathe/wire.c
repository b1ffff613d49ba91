/* JSON shapes of the native surface, its error shape included. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/api/lathe/native.h"

#include <stdio.h>
#include <string.h>

static void write_error(struct jw *w, const struct lathe_job_info *job)
{
    if (!job->error_code) {
        jw_null(w, "error");
        return;
    }
    jw_obj(w, "error");
    jw_str(w, "code", job->error_id[0] ? job->error_id : lathe_status_name(job->error_code));
    jw_str(w, "message", job->error_text);
    jw_end_obj(w);
}

static void write_checkpoint(struct jw *w, const struct lathe_job_info *job)
{
    if (!job->checkpoint_id[0]) {
        jw_null(w, "checkpoint");
        return;
    }
    jw_obj(w, "checkpoint");
    jw_str(w, "id", job->checkpoint_id);
    jw_uint(w, "current", job->checkpoint_current);
    jw_str(w, "sha256", job->checkpoint_sha256);
    jw_str(w, "weights_sha256", job->checkpoint_weights_sha256);
    jw_end_obj(w);
}

static void write_tags(const struct api_kit *kit, struct jw *w, const struct lathe_json *extra)
{
    const struct lathe_json_service *j = kit->json;
    const struct lathe_json *tags = j->get(extra, "tags");
    uint32_t i;

    jw_arr(w, "tags");
    for (i = 0; i < j->count(tags); i++)
        jw_str(w, NULL, j->as_string(j->at(tags, i), "", NULL));
    jw_end_arr(w);
}

void run_write(const struct api_kit *kit, struct jw *w, const struct lathe_job_info *job,
               int with_spec)
{
    const struct lathe_json_service *j = kit->json;
    struct lathe_json *spec = api_parse(kit, job->spec), *extra = api_parse(kit, job->extra);

    jw_obj(w, NULL);
    jw_str(w, "id", job->id);
    jw_str(w, "name", j->get_string(extra, "name", ""));
    jw_str(w, "owner", job->owner);
    jw_str(w, "state", lathe_job_state_name(job->state));
    jw_str(w, "reason", job->reason);
    jw_str(w, "env", j->as_string(j->pointer(spec, "/env/name"), "", NULL));
    jw_str(w, "algorithm", j->as_string(j->pointer(spec, "/algorithm/name"), "", NULL));
    jw_uint(w, "seed", job->seed);
    jw_uint(w, "current", job->current);
    jw_uint(w, "total", job->total);
    jw_raw(w, "progress", strcmp(job->progress, "null") != 0 ? job->progress : "{}");
    jw_raw(w, "eval", job->eval);
    jw_raw(w, "result", job->result);
    jw_str(w, "model_id", job->model_id);
    write_tags(kit, w, extra);
    jw_time(w, "created_at", job->created_ms);
    jw_time(w, "updated_at", job->updated_ms);
    jw_time(w, "started_at", job->started_ms);
    jw_time(w, "ended_at", job->ended_ms);
    jw_num(w, "active_seconds", (double)job->active_ms / 1000.0);
    jw_uint(w, "seq", job->seq);
    jw_uint(w, "queue_position", job->queue_position);
    jw_int(w, "worker_pid", job->worker_pid);
    jw_uint(w, "restarts", job->restarts);
    write_error(w, job);
    jw_raw(w, "crash", job->crash);
    write_checkpoint(w, job);
    if (with_spec)
        jw_raw(w, "spec", job->spec);
    jw_end_obj(w);
    j->release(spec);
    j->release(extra);
}

void model_write(struct jw *w, const struct lathe_model_info *model)
{
    jw_obj(w, NULL);
    jw_str(w, "id", model->id);
    jw_str(w, "name", model->name);
    jw_str(w, "owner", model->owner);
    jw_str(w, "kind", model->kind);
    jw_str(w, "env", model->env_id);
    jw_raw(w, "env_options", model->env_options);
    jw_str(w, "algorithm", model->algorithm_id);
    jw_raw(w, "algorithm_options", model->algorithm_options);
    jw_str(w, "run_id", model->job_id);
    jw_str(w, "sha256", model->artifact_sha256);
    jw_uint(w, "size_bytes", model->size_bytes);
    jw_uint(w, "seed", model->seed);
    jw_raw(w, "metrics", model->metrics);
    jw_time(w, "created_at", model->created_ms);
    jw_time(w, "updated_at", model->updated_ms);
    jw_end_obj(w);
}

void component_write(struct jw *w, const struct lathe_component_info *component)
{
    jw_obj(w, NULL);
    jw_str(w, "id", component->name);
    jw_str(w, "kind", component->kind);
    jw_str(w, "summary", component->summary);
    jw_str(w, "plugin", component->plugin_id);
    jw_raw(w, "options", component->options[0] ? component->options : "[]");
    jw_raw(w, "describe", component->describe[0] ? component->describe : "{}");
    jw_end_obj(w);
}

/* "body", "env", "id" -> "env.id" */
static void dotted(char *out, size_t cap, const struct lathe_violation *v)
{
    const char *const *part = v->loc;
    size_t len = 0;

    out[0] = '\0';
    if (*part)
        part++; /* body, query, path or header */
    for (; *part && len < cap; part++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? "." : "", *part);
}

static void write_violations(struct jw *w, const struct lathe_problem *problem)
{
    const struct lathe_violation *const *v = problem->violations;
    char field[256];

    if (!v || !v[0])
        return;
    jw_arr(w, "details");
    for (; *v; v++) {
        dotted(field, sizeof field, *v);
        jw_obj(w, NULL);
        jw_str(w, "field", field);
        jw_str(w, "message", (*v)->message);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

int32_t native_render_error(void *self, struct lathe_request *req,
                            const struct lathe_problem *problem)
{
    const struct native *native = self;
    const struct lathe_violation *const *v = problem->violations;
    const char *field = problem->field ? problem->field : "";
    const char *message = problem->text ? problem->text : "The request failed";
    char first[256], joined[512];
    struct text body = {0};
    struct jw w;

    if (v && v[0]) {
        dotted(first, sizeof first, v[0]);
        field = first;
        snprintf(joined, sizeof joined, "%s%s%s", first, first[0] ? ": " : "",
                 v[0]->message ? v[0]->message : "invalid");
        message = joined;
    }
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_obj(&w, "error");
    jw_str(&w, "code", problem->code ? problem->code : "error");
    jw_str(&w, "message", message);
    jw_str(&w, "field", field);
    jw_str(&w, "request_id", native->kit.http->request_id(req));
    write_violations(&w, problem);
    jw_end_obj(&w);
    jw_end_obj(&w);
    return api_send(&native->kit, req, problem->http_status, &body);
}

int32_t native_unknown(const struct api_kit *kit, struct lathe_request *req, const char *what)
{
    char code[64];

    snprintf(code, sizeof code, "%s_not_found", what);
    return api_problem(kit, req, 404, code, "there is no %s %s", what,
                       kit->http->path_param(req, "id"));
}
