/* Choosing the task, and the frames all tasks share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/task.h"

#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/confine.h"
#include "core/worker/learner.h"
#include "core/worker/train.h"

#define SOLVE_MAX (8u * 1024u * 1024u)

int task_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
             struct report *report)
{
    if (strcmp(job->task, "rl.train") == 0)
        return train_run(job, loaded, control, report);
    if (strcmp(job->task, "rl.evaluate") == 0)
        return evaluate_run(job, loaded, control, report);
    if (strcmp(job->task, "env.solve") == 0)
        return solve_run(job, loaded, control, report);
    return plugin_task_run(job, loaded, control, report);
}

void task_hello_head(const struct wjob *job, const struct loaded *loaded, struct strbuf *out)
{
    size_t i;

    strbuf_addf(out, "{\"protocol\":1,\"pid\":%d,\"role\":\"%s\",\"task\":", (int)getpid(),
                job->role);
    strbuf_add_json_string(out, job->task, strlen(job->task));
    strbuf_adds(out, ",\"sdk\":\"" LATHE_VERSION_STRING "\",\"plugins\":[");
    for (i = 0; i < load_count(loaded); i++) {
        const struct plugin_file *file = load_at(loaded, i);

        strbuf_adds(out, i > 0 ? ",{\"id\":" : "{\"id\":");
        strbuf_add_json_string(out, file->entry->id, strlen(file->entry->id));
        strbuf_adds(out, ",\"version\":");
        strbuf_add_json_string(out, file->entry->version, strlen(file->entry->version));
        strbuf_adds(out, ",\"path\":");
        strbuf_add_json_string(out, file->path, strlen(file->path));
        strbuf_addf(out, ",\"build_id\":\"%s\"}", file->build_id);
    }
    strbuf_addf(out, "],\"threads\":%u,\"confinement\":", job->threads);
    confine_describe(out);
}

void task_hello(const struct wjob *job, const struct loaded *loaded, struct report *report)
{
    struct strbuf out;

    strbuf_init(&out);
    task_hello_head(job, loaded, &out);
    strbuf_adds(&out, ",\"current\":0,\"total\":0,\"resumed_from\":\"\",\"exact\":true,"
                      "\"skipped\":[]}");
    report_send(report, LINK_HELLO, &out);
    strbuf_fini(&out);
    report_state(report, "running", 0);
}

void task_done(struct report *report, const char *outcome, uint64_t current, const char *result)
{
    struct strbuf out;
    struct lathe_error err;

    strbuf_init(&out);
    strbuf_addf(&out, "{\"outcome\":\"%s\",\"current\":%llu,\"result\":%s,\"artifact\":null}",
                outcome, (unsigned long long)current, result);
    report_flush(report, 1);
    report_send(report, LINK_DONE, &out);
    if (report->control->link->standalone) {
        strbuf_clear(&out);
        strbuf_addf(&out, "%s\n", result);
        if (!out.failed && io_write_all(STDOUT_FILENO, out.data, out.len_bytes, &err) != LATHE_OK)
            report->control->link_gone = 1;
    }
    strbuf_fini(&out);
}

int32_t vec_solve(struct vec *vec, const json_t *options, struct strbuf *out,
                  struct lathe_error *err)
{
    const struct lathe_env_solve *ext = NULL;
    char *text, *options_text = NULL;
    int32_t st;

    if (LATHE_CAN(vec->env, struct lathe_env, extension))
        ext = vec->env->extension(vec->batch, LATHE_ENV_SOLVE);
    if (ext == NULL)
        return fail(err, LATHE_E_UNSUPPORTED, "%s cannot be solved exactly", vec->spec->id);
    if (options != NULL && (options_text = json_dup_text(options, 0, NULL)) == NULL)
        return fail(err, LATHE_E_NOMEM, "solve options");
    text = mem_alloc(SOLVE_MAX);
    st = text != NULL ? ext->solve(vec->batch, options_text, text, SOLVE_MAX, err)
                      : fail(err, LATHE_E_NOMEM, "solve");
    if (st == LATHE_OK)
        strbuf_adds(out, text);
    else if (err != NULL && err->code != st)
        fail(err, st, "%s: solve failed: %s", vec->spec->id, lathe_status_name(st));
    mem_free(text);
    mem_free(options_text);
    return st;
}
