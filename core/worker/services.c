/* What tasks of plugins may say and ask. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/services.h"

#include <jansson.h>
#include <string.h>

#include "core/base/fail.h"

static void run_progress(const struct lathe_run_service *run, uint64_t current, uint64_t total)
{
    struct services *self = run->ctx;

    (void)total; /* the task's progress() is asked for both */
    atomic_store(&self->control->current, current);
}

static int32_t run_should_yield(const struct lathe_run_service *run)
{
    struct services *self = run->ctx;

    return control_should_yield(self->control);
}

static int32_t run_point(const struct lathe_run_service *run)
{
    struct services *self = run->ctx;

    control_tick(self->control);
    report_flush(self->report, 0);
    return control_should_yield(self->control) ? LATHE_E_CANCELLED : LATHE_OK;
}

static const char *run_dir(const struct lathe_run_service *run)
{
    struct services *self = run->ctx;

    return self->job->dir;
}

static uint64_t run_seed(const struct lathe_run_service *run)
{
    struct services *self = run->ctx;

    return self->job->seed;
}

static uint32_t run_threads(const struct lathe_run_service *run)
{
    struct services *self = run->ctx;

    return self->job->threads;
}

static int32_t run_evaluation(const struct lathe_run_service *run, const char *json,
                              struct lathe_error *err)
{
    struct services *self = run->ctx;
    json_t *value = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    int is_object = json_is_object(value);
    size_t len = strlen(json);

    json_decref(value);
    if (!is_object)
        return fail(err, LATHE_E_INVALID, "an evaluation must be a JSON object");
    if (len > LINK_PAYLOAD_MAX)
        return fail(err, LATHE_E_LIMIT, "evaluation of %zu bytes", len);
    report_flush(self->report, 1);
    control_send(self->control, LINK_EVAL, json, len);
    return LATHE_OK;
}

/* Names of one step form a row; a new step ends it. */
static void metrics_put(const struct lathe_metrics_service *metrics, const char *name,
                        uint64_t step, double value)
{
    struct services *self = metrics->ctx;

    if (self->has_row && step < self->row_step) {
        report_put(self->report, "", value); /* dropped and logged */
        return;
    }
    if (self->has_row && step > self->row_step)
        report_row(self->report, self->row_step);
    self->has_row = 1;
    self->row_step = step;
    report_put(self->report, name, value);
}

void services_init(struct services *services, const struct wjob *job, struct control *control,
                   struct report *report)
{
    memset(services, 0, sizeof *services);
    services->job = job;
    services->control = control;
    services->report = report;
    services->run.struct_size = sizeof services->run;
    services->run.ctx = services;
    services->run.progress = run_progress;
    services->run.should_yield = run_should_yield;
    services->run.point = run_point;
    services->run.dir = run_dir;
    services->run.seed = run_seed;
    services->run.threads = run_threads;
    services->run.evaluation = run_evaluation;
    services->metrics.struct_size = sizeof services->metrics;
    services->metrics.ctx = services;
    services->metrics.put = metrics_put;
}
