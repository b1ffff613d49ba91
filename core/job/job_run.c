/* Running jobs: the scheduler, the start of a worker, and how it ends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/job/job_spec.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

#define RELEASE_TERM_MS 5000

/* ---- state ---- */

int32_t job_apply(struct job *job, enum job_event event, const char *reason)
{
    int32_t to = job_state_next(job->state, event);
    uint32_t from = job->state;

    if (to == JOB_STATE_CONFLICT)
        return LATHE_E_CONFLICT;
    if ((uint32_t)to == from)
        return LATHE_OK;
    job->state = (uint32_t)to;
    if (reason != job->reason)
        snprintf(job->reason, sizeof job->reason, "%s", reason);
    if (job->state == LATHE_JOB_QUEUED)
        job->queued_order = ++job->jobs->next_queued;
    if (job_state_is_final(job->state) && job->ended_ms == 0)
        job->ended_ms = clock_wall_ms();
    log_info("job changed state", F_STR("job", job->id), F_STR("from", lathe_job_state_name(from)),
             F_STR("to", lathe_job_state_name(job->state)), F_STR("reason", job->reason));
    job_publish_json(job, LATHE_JOB_EVENT_STATE,
                     json_pack("{s:s,s:s,s:s}", "from", lathe_job_state_name(from), "to",
                               lathe_job_state_name(job->state), "reason", job->reason));
    return LATHE_OK;
}

void job_clock_stop(struct job *job)
{
    job->active_ms = job_active_ms(job);
    job->running_since_ns = 0;
}

void job_fail(struct job *job, int32_t code, const char *id, const char *text)
{
    job->error_code = code;
    snprintf(job->error_id, sizeof job->error_id, "%s", id);
    snprintf(job->error_text, sizeof job->error_text, "%s", text);
    job_clock_stop(job);
    if (job_apply(job, JOB_ON_FAIL, id) != LATHE_OK)
        return;
    log_error("job failed", F_STR("job", job->id), F_STR("error", id), F_STR("reason", text));
    job_save(job);
    job_release(job);
}

/* ---- the end of a worker ---- */

/* "org.lathe.ppo, org.lathe.cartpole": what ran in the worker, as far as it said. */
static void plugin_names(const struct sup_end *end, char *out, size_t cap)
{
    const json_t *plugins = json_object_get(end->hello, "plugins");
    size_t used = 0;

    snprintf(out, cap, "no plugin loaded yet");
    for (size_t i = 0; i < json_array_size(plugins) && used < cap; i++) {
        int n = snprintf(out + used, cap - used, "%s%s", i > 0 ? ", " : "",
                         json_member_string(json_array_get(plugins, i), "id", "?"));
        used += n > 0 ? (size_t)n : 0;
    }
}

static void crash_text(const struct sup_end *end, char out[LATHE_ERROR_TEXT])
{
    char names[120];

    plugin_names(end, names, sizeof names);
    if (end->has_hung)
        snprintf(out, LATHE_ERROR_TEXT, "the worker (%s) gave no sign of life and was killed",
                 names);
    else if (end->is_link_broken)
        snprintf(out, LATHE_ERROR_TEXT, "the worker (%s) sent damaged frames and was killed",
                 names);
    else if (end->signal != 0)
        snprintf(out, LATHE_ERROR_TEXT, "the worker (%s) ended by signal %d (%s)", names,
                 end->signal, strsignal(end->signal));
    else
        snprintf(out, LATHE_ERROR_TEXT, "the worker (%s) ended with exit code %d and no result",
                 names, end->exit_code);
}

static void job_crashed(struct job *job, const struct sup_end *end)
{
    json_t *report = sup_report(end, "run", job->seed);
    char text[LATHE_ERROR_TEXT];

    crash_text(end, text);
    job_text_set(job, &job->texts.crash, json_dup_text(report, 0, NULL));
    json_decref(report);
    job->crashes++;
    log_error("worker crashed", F_STR("job", job->id), F_INT("pid", end->pid),
              F_INT("signal", end->signal), F_STR("reason", text));
    if (job->jobs->cfg.retries > 0 && job->crashes >= JOB_CRASH_LOOP) {
        job_fail(job, LATHE_E_INTERNAL, "crash_loop", text);
        return;
    }
    if (job->crashes <= job->jobs->cfg.retries) {
        if (job_apply(job, JOB_ON_RETRY, "retry_after_crash") == LATHE_OK)
            job_save(job);
        return;
    }
    job->error_code = LATHE_E_INTERNAL;
    snprintf(job->error_id, sizeof job->error_id, "crashed");
    snprintf(job->error_text, sizeof job->error_text, "%s", text);
    if (job_apply(job, JOB_ON_CRASH, "crashed") == LATHE_OK)
        job_save(job);
}

static void drain_check(struct jobs *jobs);

static void on_end(void *user, const struct sup_end *end)
{
    struct job *job = user;
    struct jobs *jobs = job->jobs;

    jobs->n_workers--;
    job_clock_stop(job);
    job->worker = NULL;
    if (!job->is_released && !job_state_is_final(job->state) && job->state != LATHE_JOB_FINISHING) {
        if (job->is_suspended || jobs->is_draining) {
            if (job_apply(job, JOB_ON_RESTART, "server_restart") == LATHE_OK)
                job_save(job);
        } else {
            job_crashed(job, end);
        }
    }
    job->is_released = 0;
    drain_check(jobs);
    jobs_schedule(jobs);
}

void job_release(struct job *job)
{
    if (job->worker == NULL || job->is_released)
        return;
    job->is_released = 1;
    if (sup_worker_send(job->worker, LINK_CANCEL, "{}", 2) != LATHE_OK)
        sup_worker_kill(job->worker);
    else
        sup_worker_end(job->worker, RELEASE_TERM_MS, RELEASE_TERM_MS);
}

/* ---- the start of a worker ---- */

/* Checkpoints to resume from, newest first. */
static json_t *resume_list(const struct job *job)
{
    json_t *list = json_array();
    for (size_t i = json_array_size(job->checkpoints); i > 0; i--) {
        const json_t *c = json_array_get(job->checkpoints, i - 1);
        json_array_append_new(list, json_string(json_member_string(c, "path", "")));
    }
    return list;
}

static int32_t file_write(const char *path, const char *text, size_t len, struct lathe_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int32_t st;
    if (fd < 0)
        return fail_errno(err, errno, "write %s", path);
    st = io_write_all(fd, text, len, err);
    close(fd);
    return st;
}

/* Path of a model named in the specification into out; absent gives "". */
static int32_t model_file(const struct job *job, const char *member, char out[4096],
                          struct lathe_error *err)
{
    const char *id = json_member_string(job->spec, member, NULL), *path;
    out[0] = '\0';
    if (id == NULL)
        return LATHE_OK;
    if ((path = models_path(job->jobs->cfg.models, id)) == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "there is no model %.64s", id);
    snprintf(out, 4096, "%s", path);
    return LATHE_OK;
}

static int32_t job_file_write(struct job *job, const char *dir, const char *path,
                              struct lathe_error *err)
{
    const struct jobs_config *cfg = &job->jobs->cfg;
    char init[4096], policy[4096];
    json_t *resume = resume_list(job), *file = NULL;
    struct job_spec_run run = {
        job->id,         dir, "run", resume, NULL, NULL, cfg->threads_max, cfg->memory_bytes,
        cfg->is_confined};
    size_t len = 0;
    char *text = NULL;
    int32_t st;

    if ((st = model_file(job, "init_model", init, err)) == LATHE_OK)
        st = model_file(job, "model", policy, err);
    if (st == LATHE_OK) {
        run.init_policy = init[0] != '\0' ? init : NULL;
        run.policy = policy[0] != '\0' ? policy : NULL;
        st = job_spec_worker(cfg->reg, job->spec, &run, &file, err);
    }
    if (st == LATHE_OK && (text = json_dup_text(file, LATHE_JSON_PRETTY, &len)) == NULL)
        st = fail(err, LATHE_E_NOMEM, "write %s", path);
    if (st == LATHE_OK)
        st = file_write(path, text, len, err);
    mem_free(text);
    json_decref(file);
    json_decref(resume);
    return st;
}

/* Remembers the worker's process so that a later server can end it. */
static void pid_write(const struct job *job, const char *dir)
{
    struct lathe_error err = {0};
    char path[4096], text[32];
    int n = snprintf(text, sizeof text, "%d\n", sup_worker_pid(job->worker));
    if (path_join(path, sizeof path, dir, "worker.pid", &err) != LATHE_OK ||
        file_write(path, text, (size_t)n, &err) != LATHE_OK)
        log_warn("process id was not written down", F_STR("job", job->id),
                 F_STR("reason", err.text));
}

int32_t job_start(struct job *job, struct lathe_error *err)
{
    char dir[4096], path[4096], log[4096];
    struct sup_start start = {"run", path, log, {job, job_on_frame, on_end}};
    int32_t st;

    job_dir(job, dir, sizeof dir);
    if ((st = io_mkdir_p(dir, 0700, err)) != LATHE_OK ||
        (st = path_join(path, sizeof path, dir, "job.json", err)) != LATHE_OK ||
        (st = path_join(log, sizeof log, dir, "worker.log", err)) != LATHE_OK ||
        (st = job_file_write(job, dir, path, err)) != LATHE_OK)
        return st;
    if ((st = sup_worker_start(job->jobs->cfg.sup, &start, &job->worker, err)) != LATHE_OK)
        return st;
    job->jobs->n_workers++;
    job->is_ready = job->is_released = job->is_suspended = 0;
    pid_write(job, dir);
    if (job->started_ms == 0)
        job->started_ms = clock_wall_ms();
    else
        job->restarts++;
    return LATHE_OK;
}

/* ---- scheduler ---- */

uint32_t jobs_queued(const struct jobs *jobs)
{
    uint32_t n = 0;
    for (const struct job *job = jobs->first; job != NULL; job = job->next)
        n += job->state == LATHE_JOB_QUEUED;
    return n;
}

static void job_launch(struct job *job)
{
    struct lathe_error err = {0};
    int is_stopping = job->state == LATHE_JOB_STOPPING;
    int32_t st = job_start(job, &err);

    if (st != LATHE_OK) {
        job_fail(job, st, "start_failed", err.text);
        return;
    }
    if (job_apply(job, JOB_ON_START, job->reason) != LATHE_OK)
        log_error("job was started in a wrong state", F_STR("job", job->id));
    if (is_stopping && sup_worker_send(job->worker, LINK_STOP,
                                       job->is_discarding ? "{\"save\":false}" : "{\"save\":true}",
                                       job->is_discarding ? 14 : 13) != LATHE_OK)
        sup_worker_kill(job->worker);
    job_save(job);
}

/* The next job to start: stopping ones need a worker at once, queued ones a free slot. */
static struct job *next_job(const struct jobs *jobs)
{
    struct job *best = NULL;
    for (struct job *job = jobs->first; job != NULL; job = job->next) {
        if (job->worker != NULL)
            continue;
        if (job->state == LATHE_JOB_STOPPING)
            return job;
        if (job->state == LATHE_JOB_QUEUED && job->is_stored &&
            (best == NULL || job->queued_order < best->queued_order))
            best = job;
    }
    return best != NULL && jobs->n_workers < jobs->cfg.slots ? best : NULL;
}

static void schedule_now(void *arg)
{
    struct jobs *jobs = arg;
    struct job *job;

    jobs->is_scheduling = 0;
    while (!jobs->is_draining && (job = next_job(jobs)) != NULL)
        job_launch(job);
}

/* Starting a worker takes milliseconds: it waits until the handler that asked has returned. A timer
 * and no post, because timers end with the jobs. */
void jobs_schedule(struct jobs *jobs)
{
    uint64_t handle = 0;

    if (!jobs->is_started || jobs->is_draining || jobs->is_scheduling)
        return;
    jobs->is_scheduling =
        loop_timer_start(jobs->timers, 0, 0, schedule_now, jobs, NULL, &handle) == LATHE_OK;
}

/* ---- draining ---- */

static int is_quiet(const struct jobs *jobs)
{
    if (jobs->n_workers > 0)
        return 0;
    for (const struct job *job = jobs->first; job != NULL; job = job->next)
        if (job->is_saving || job->is_dirty || job->state == LATHE_JOB_FINISHING)
            return 0;
    return 1;
}

static void drain_end(struct jobs *jobs)
{
    void (*done)(void *user) = jobs->drained;
    jobs->drained = NULL;
    if (jobs->drain_timer != 0)
        loop_timer_cancel(jobs->timers, jobs->drain_timer);
    jobs->drain_timer = 0;
    if (done != NULL)
        done(jobs->drained_user);
}

static void drain_check(struct jobs *jobs)
{
    if (jobs->is_draining && jobs->drained != NULL && is_quiet(jobs))
        drain_end(jobs);
}

static void on_drain_tick(void *arg)
{
    drain_check(arg);
}

void jobs_drain(struct jobs *jobs, uint32_t grace_ms, void (*done)(void *user), void *user)
{
    jobs->is_draining = 1;
    jobs->drained = done;
    jobs->drained_user = user;
    for (struct job *job = jobs->first; job != NULL; job = job->next)
        if (job->worker != NULL && !job->is_released) {
            if (sup_worker_send(job->worker, LINK_SHUTDOWN, "{}", 2) != LATHE_OK)
                log_warn("worker was not told to end", F_STR("job", job->id));
            sup_worker_end(job->worker, grace_ms / 2, grace_ms / 2);
        }
    /* saves end between the ends of workers; look again until all is written down */
    if (loop_timer_start(jobs->timers, 10, 20, on_drain_tick, jobs, NULL, &jobs->drain_timer) !=
        LATHE_OK)
        drain_end(jobs);
}
