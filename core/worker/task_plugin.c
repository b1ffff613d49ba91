/* Tasks of plugins (lathe.task/1): slices, with pause, resume, checkpoints and recovery around
 * them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/ckpt.h"
#include "core/worker/services.h"
#include "core/worker/task.h"
#include "lathe/task.h"

#define TASK_FORMAT "lathe.task-checkpoint/1"
#define RESULT_MAX (512u * 1024u)
#define SLICE_NS 50000000u

struct ptask {
    const struct wjob *job;
    const struct loaded *loaded;
    struct control *control;
    struct report *report;
    struct component component;
    const struct lathe_task *vt;
    void *self;
    uint64_t current, total, number;
    char last_ckpt[32];
    char resumed_from[256];
    const char *error_id;
};

static void refresh_progress(struct ptask *t)
{
    t->vt->progress(t->self, &t->current, &t->total);
    atomic_store(&t->control->current, t->current);
}

static void send_progress(struct ptask *t)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out,
                "{\"current\":%llu,\"total\":%llu,\"metrics\":", (unsigned long long)t->current,
                (unsigned long long)t->total);
    report_latest(t->report, &out);
    strbuf_addc(&out, '}');
    report_send(t->report, LINK_PROGRESS, &out);
    strbuf_fini(&out);
}

static int can_save(const struct ptask *t)
{
    return (t->vt->flags & LATHE_TASK_RESUMABLE) && t->vt->save != NULL && t->vt->load != NULL;
}

static int32_t save(struct ptask *t, const char *kind, struct lathe_error *err)
{
    char path[4096], name[64], weights[65], file[65], text[384];
    struct ckpt_writer w;
    uint64_t size = 0;
    int32_t st;
    int n;

    if (!can_save(t))
        return LATHE_OK;
    t->error_id = "io_error";
    snprintf(name, sizeof name, "ckpt_%llu-%s.safetensors", (unsigned long long)++t->number, kind);
    if ((st = path_join(path, sizeof path, t->job->dir, name, err)) != LATHE_OK ||
        (st = ckpt_writer_open(&w, path, err)) != LATHE_OK)
        return st;
    ckpt_meta(&w, "format", TASK_FORMAT);
    ckpt_meta(&w, "task", t->job->task);
    snprintf(text, sizeof text, "%llu", (unsigned long long)t->number);
    ckpt_meta(&w, "number", text);
    w.prefix = "task/";
    st = t->vt->save(t->self, &w.writer);
    if (st != LATHE_OK) {
        ckpt_writer_abandon(&w);
        return fail(err, st, "%s could not save its state", t->job->task);
    }
    if ((st = ckpt_writer_close(&w, weights, file, &size, err)) != LATHE_OK)
        return st;
    snprintf(t->last_ckpt, sizeof t->last_ckpt, "ckpt_%llu", (unsigned long long)t->number);
    n = snprintf(text, sizeof text,
                 "{\"id\":\"%s\",\"number\":%llu,\"file\":\"%s\",\"removed\":[],\"current\":%llu,"
                 "\"kind\":\"%s\",\"sha256\":\"%s\",\"weights_sha256\":\"%s\",\"size_bytes\":%llu,"
                 "\"eval\":null}",
                 t->last_ckpt, (unsigned long long)t->number, name, (unsigned long long)t->current,
                 kind, file, weights, (unsigned long long)size);
    report_flush(t->report, 1);
    if (n > 0 && (size_t)n < sizeof text)
        control_send(t->control, LINK_CHECKPOINT, text, (size_t)n);
    return LATHE_OK;
}

static int32_t resume(struct ptask *t, struct lathe_error *err)
{
    size_t i;

    for (i = 0; i < json_array_size(t->job->resume); i++) {
        const char *path = json_string_value(json_array_get(t->job->resume, i));
        struct ckpt_reader r;
        int32_t st;

        if (!can_save(t) || ckpt_reader_open(&r, path, TASK_FORMAT, NULL) != LATHE_OK)
            continue;
        t->number = strtoull(ckpt_get_meta(&r, "number"), NULL, 10);
        r.prefix = "task/";
        st = t->vt->load(t->self, &r.reader, err);
        ckpt_reader_close(&r);
        if (st == LATHE_OK)
            snprintf(t->resumed_from, sizeof t->resumed_from, "%s", path);
        return st;
    }
    return LATHE_OK;
}

static int32_t open_task(struct ptask *t, struct lathe_error *err)
{
    struct lathe_task_args args = {0};
    char *spec = t->job->spec != NULL ? json_dup_text(t->job->spec, 0, NULL) : mem_strdup("{}");
    int32_t st;

    t->error_id = "invalid_option";
    st = load_component(t->loaded, LATHE_KIND_TASK, t->job->task, NULL, "spec", &t->component, err);
    if (st == LATHE_OK && spec == NULL)
        st = fail(err, LATHE_E_NOMEM, "task specification");
    if (st == LATHE_OK) {
        t->vt = t->component.entry->vtable;
        args.struct_size = sizeof args;
        args.host = t->component.host;
        args.params = params_table(t->component.params);
        args.spec = spec;
        args.seed = t->job->seed;
        args.threads = t->job->threads;
        control_busy(t->control, 1);
        st = t->vt->open(&args, err, &t->self);
        control_busy(t->control, 0);
    }
    mem_free(spec);
    return st;
}

static int32_t pause_here(struct ptask *t, struct lathe_error *err)
{
    int32_t st = save(t, "pause", err);

    if (st != LATHE_OK)
        return st;
    report_state(t->report, "paused", t->current);
    while (atomic_load(&t->control->pause) && !atomic_load(&t->control->stop) &&
           !atomic_load(&t->control->cancel) && !atomic_load(&t->control->shutdown))
        control_wait(t->control, 1000);
    if (!control_should_yield(t->control))
        report_state(t->report, "running", t->current);
    return LATHE_OK;
}

/* LATHE_AGAIN: go on. LATHE_OK: stop here; *outcome says why. */
static int32_t obey(struct ptask *t, const char **outcome, struct lathe_error *err)
{
    struct control *control = t->control;
    int32_t st = LATHE_OK;

    control_poll(control);
    if (atomic_exchange(&control->checkpoint_now, 0))
        st = save(t, "manual", err);
    if (st == LATHE_OK && atomic_load(&control->pause) && !atomic_load(&control->stop) &&
        !atomic_load(&control->cancel) && !atomic_load(&control->shutdown))
        st = pause_here(t, err);
    if (st != LATHE_OK)
        return st;
    if (atomic_load(&control->cancel))
        return LATHE_E_CANCELLED;
    if (atomic_load(&control->shutdown)) {
        *outcome = NULL;
        return save(t, "shutdown", err);
    }
    if (atomic_load(&control->stop)) {
        *outcome = "stopped";
        return LATHE_OK;
    }
    return LATHE_AGAIN;
}

static int32_t work(struct ptask *t, const char **outcome, struct lathe_error *err)
{
    struct lathe_budget budget = {sizeof budget, 0, SLICE_NS, control_cancelled, t->control};
    uint64_t last_saved = 0;
    int32_t st;

    for (;;) {
        refresh_progress(t);
        if (report_progress_due(t->report))
            send_progress(t);
        report_flush(t->report, 0);
        if (t->job->checkpoint_interval > 0 &&
            t->current / t->job->checkpoint_interval > last_saved) {
            last_saved = t->current / t->job->checkpoint_interval;
            if ((st = save(t, "periodic", err)) != LATHE_OK)
                return st;
        }
        if ((st = obey(t, outcome, err)) != LATHE_AGAIN)
            return st;
        t->error_id = "plugin_error";
        st = t->vt->slice(t->self, &budget, err);
        if (st == LATHE_OK) {
            *outcome = "completed";
            return LATHE_OK;
        }
        if (st != LATHE_AGAIN && st != LATHE_E_CANCELLED)
            return st;
    }
}

static int32_t finish(struct ptask *t, const char *outcome, struct lathe_error *err)
{
    char *text = mem_alloc(RESULT_MAX);
    int32_t st;

    refresh_progress(t);
    send_progress(t);
    if (text == NULL)
        return fail(err, LATHE_E_NOMEM, "result");
    st = t->vt->result(t->self, text, RESULT_MAX, err);
    if (st == LATHE_OK)
        task_done(t->report, outcome, t->current, text);
    mem_free(text);
    return st;
}

static int32_t run_task(struct ptask *t, struct lathe_error *err)
{
    const char *outcome = "completed";
    int32_t st;

    if ((st = open_task(t, err)) != LATHE_OK)
        return st;
    t->error_id = "checkpoint_corrupt";
    if ((st = resume(t, err)) != LATHE_OK)
        return st;
    task_hello(t->job, t->loaded, t->report);
    if ((st = work(t, &outcome, err)) != LATHE_OK)
        return st;
    if (outcome == NULL) {
        report_state(t->report, "suspended", t->current);
        return LATHE_OK;
    }
    return finish(t, outcome, err);
}

int plugin_task_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
                    struct report *report)
{
    struct ptask t = {job, loaded, control, report, .error_id = "invalid_job"};
    struct lathe_error err = {0};
    int32_t st = run_task(&t, &err);

    if (st != LATHE_OK && st != LATHE_E_CANCELLED)
        report_error(report, t.error_id, &err, t.current, t.last_ckpt);
    if (t.self != NULL)
        t.vt->close(t.self);
    component_close(&t.component);
    return st == LATHE_OK || st == LATHE_E_CANCELLED ? 0 : 1;
}
