/* The built-in task rl.train: start or resume, iterate, evaluate, checkpoint, obey, finish. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/train.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/worker/task.h"

/* Why the loop ended. */
enum outcome { GO_ON, COMPLETED, TARGET, STOPPED, SUSPENDED, CANCELLED };

int64_t train_active_ns(const struct trainer *t)
{
    return t->active_ns + (t->active_start_ns != 0 ? clock_mono_ns() - t->active_start_ns : 0);
}

double train_mean_return(const struct trainer *t)
{
    double sum = 0.0;
    uint64_t i;

    for (i = 0; i < t->c.window_count; i++)
        sum += t->window_ret[i];
    return t->c.window_count > 0 ? sum / (double)t->c.window_count : 0.0;
}

double train_sps(const struct trainer *t)
{
    return t->train_ns > 0 ? (double)t->c.env_steps * 1e9 / (double)t->train_ns : 0.0;
}

static int32_t alloc_norm(struct trainer *t, struct lathe_error *err)
{
    struct vec *vec = t->vec;

    if (t->learner.norm.obs) {
        t->nobs = mem_aligned(64, vec->n, vec->obs_stride);
        t->nnext = mem_aligned(64, vec->n, vec->obs_stride);
        t->nfinal = mem_aligned(64, vec->n, vec->obs_stride);
        if (t->nobs == NULL || t->nnext == NULL || t->nfinal == NULL)
            return fail(err, LATHE_E_NOMEM, "normalized observations");
    }
    if (t->learner.norm.reward) {
        t->nreward = mem_aligned(64, vec->n, sizeof(float));
        if (t->nreward == NULL)
            return fail(err, LATHE_E_NOMEM, "normalized rewards");
    }
    return LATHE_OK;
}

static int32_t open_all(struct trainer *t, const struct loaded *loaded, struct lathe_error *err)
{
    int32_t st;

    t->error_id = "invalid_job";
    if (t->job->algorithm.name == NULL)
        return fail_field(err, LATHE_E_INVALID, "algorithm", "job file: algorithm is missing");
    t->error_id = "invalid_option";
    if ((st = setup_open(t->setup, t->job, loaded, t->control, err)) != LATHE_OK)
        return st;
    if ((st = setup_vec(t->setup, t->job->n_envs, &t->vec, err)) != LATHE_OK)
        return st;
    st = learner_open(t->setup, t->vec, t->job->n_envs, 0, &t->learner, err);
    if (st != LATHE_OK) {
        if (st == LATHE_E_UNSUPPORTED)
            t->error_id = "spaces_unsupported";
        return st;
    }
    if ((st = alloc_norm(t, err)) != LATHE_OK)
        return st;
    t->error_id = "io_error";
    return train_scan_files(t, err);
}

static void close_all(struct trainer *t)
{
    if (t->has_evaluator)
        evaluator_close(&t->ev);
    learner_close(&t->learner);
    vec_close(t->vec);
    setup_close(t->setup);
    mem_free(t->nobs);
    mem_free(t->nnext);
    mem_free(t->nfinal);
    mem_free(t->nreward);
    mem_free(t->kept);
    strbuf_fini(&t->skipped);
    strbuf_fini(&t->final_eval);
}

static void send_progress(struct trainer *t)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out,
                "{\"current\":%llu,\"total\":%llu,\"iteration\":%llu,\"env_steps\":%llu,"
                "\"env_episodes\":%llu,\"active_ms\":%lld,\"sps\":",
                (unsigned long long)t->c.current, (unsigned long long)t->job->total,
                (unsigned long long)t->c.iteration, (unsigned long long)t->c.env_steps,
                (unsigned long long)t->c.env_episodes, (long long)(train_active_ns(t) / 1000000));
    strbuf_add_json_double(&out, train_sps(t));
    strbuf_adds(&out, ",\"mean_return\":");
    strbuf_add_json_double(&out, train_mean_return(t));
    strbuf_adds(&out, ",\"metrics\":");
    report_latest(t->report, &out);
    strbuf_addc(&out, '}');
    report_send(t->report, LINK_PROGRESS, &out);
    strbuf_fini(&out);
}

static int32_t evaluate(struct trainer *t, uint32_t episodes, int is_final, struct lathe_error *err)
{
    struct eval_at at = {t->c.current, t->c.iteration, t->c.env_steps, is_final};
    struct strbuf out;
    int32_t st = LATHE_OK;

    t->error_id = "env_error";
    if (!t->has_evaluator) {
        if ((st = evaluator_open(&t->ev, t->setup, &t->learner, err)) != LATHE_OK)
            return st;
        t->has_evaluator = 1;
    }
    strbuf_init(&out);
    st = eval_run(&t->ev, &t->job->eval, episodes, &at, &out, &t->last_eval, err);
    if (st == LATHE_OK) {
        t->has_eval = 1;
        t->last_eval_current = t->c.current;
        report_send(t->report, LINK_EVAL, &out);
        report_flush(t->report, 1);
        strbuf_fini(&t->final_eval);
        t->final_eval = out;
        return LATHE_OK;
    }
    strbuf_fini(&out);
    return st;
}

/* A new best evaluation is kept as a checkpoint. */
static int32_t keep_best(struct trainer *t, struct lathe_error *err)
{
    if (t->has_best && t->last_eval.mean <= t->best_mean)
        return LATHE_OK;
    t->has_best = 1;
    t->best_mean = t->last_eval.mean;
    t->best_current = t->c.current;
    t->best_ckpt[0] = '\0';
    if (!t->job->checkpoint_best || t->c.current == 0)
        return LATHE_OK;
    return train_save(t, "best", err);
}

/* Evaluation within the run. */
static int32_t evaluate_between(struct trainer *t, struct lathe_error *err)
{
    int32_t st = evaluate(t, t->job->eval.episodes, 0, err);

    return st == LATHE_OK ? keep_best(t, err) : st;
}

/* Evaluation of what the run ends with; it stands for the one within the run that was due with the
 * last step and would have played the same episodes. */
static int32_t evaluate_end(struct trainer *t, enum outcome *outcome, struct lathe_error *err)
{
    int32_t st = evaluate(t, t->job->eval.final_episodes, 1, err);

    if (st != LATHE_OK || !t->is_eval_left)
        return st;
    if (*outcome == COMPLETED && t->last_eval.target >= t->job->target_value)
        *outcome = TARGET;
    return keep_best(t, err);
}

static int crossed(uint64_t before, uint64_t now, uint64_t interval)
{
    return interval > 0 && now / interval > before / interval;
}

static void send_hello(struct trainer *t, const struct loaded *loaded)
{
    struct strbuf out;

    strbuf_init(&out);
    task_hello_head(t->job, loaded, &out);
    strbuf_addf(&out, ",\"current\":%llu,\"total\":%llu,\"resumed_from\":",
                (unsigned long long)t->c.current, (unsigned long long)t->job->total);
    strbuf_add_json_string(&out, t->resumed_from, strlen(t->resumed_from));
    strbuf_addf(&out, ",\"exact\":%s,\"skipped\":[%s]}", t->is_exact ? "true" : "false",
                t->skipped.data);
    report_send(t->report, LINK_HELLO, &out);
    strbuf_fini(&out);
}

static int32_t begin(struct trainer *t, const struct loaded *loaded, struct lathe_error *err)
{
    int32_t st = train_resume(t, err);

    if (st != LATHE_OK)
        return st;
    atomic_store(&t->control->current, t->c.current);
    if (!t->is_resumed && t->job->init_policy != NULL) {
        t->error_id = "checkpoint_mismatch";
        st = policy_load(t->setup, t->vec, &t->learner, t->job->init_policy, err);
        if (st != LATHE_OK)
            return st;
    }
    send_hello(t, loaded);
    report_state(t->report, "running", t->c.current);
    t->active_start_ns = clock_mono_ns();
    if (t->is_resumed)
        return LATHE_OK;
    if (!t->job->episodic && (st = train_start_rows(t, err)) != LATHE_OK)
        return st;
    return t->job->eval.at_start ? evaluate_between(t, err) : LATHE_OK;
}

/* Rest of the least duration of an iteration; a wish of the server ends it. */
static void keep_pace(struct trainer *t, int64_t start_ns)
{
    int64_t until_ns = start_ns + (int64_t)t->job->pace_ms * 1000000;

    while (!control_should_yield(t->control)) {
        int64_t left_ms = (until_ns - clock_mono_ns() + 999999) / 1000000;

        if (left_ms <= 0)
            return;
        control_wait(t->control, left_ms > 250 ? 250 : (int)left_ms);
        if (report_progress_due(t->report))
            send_progress(t);
    }
}

/* Waits while paused; the clock of the run stands still. */
static int32_t pause_here(struct trainer *t, struct lathe_error *err)
{
    struct control *control = t->control;
    int32_t st = train_save(t, "pause", err);

    if (st != LATHE_OK)
        return st;
    report_state(t->report, "paused", t->c.current);
    t->active_ns = train_active_ns(t);
    t->active_start_ns = 0;
    while (atomic_load(&control->pause) && !atomic_load(&control->stop) &&
           !atomic_load(&control->cancel) && !atomic_load(&control->shutdown))
        control_wait(control, 1000);
    t->active_start_ns = clock_mono_ns();
    if (!atomic_load(&control->stop) && !control_should_yield(control))
        report_state(t->report, "running", t->c.current);
    return LATHE_OK;
}

/* Does what the server wants at this boundary. */
static int32_t obey(struct trainer *t, enum outcome *outcome, struct lathe_error *err)
{
    struct control *control = t->control;
    int32_t st = LATHE_OK;

    control_poll(control);
    if (atomic_exchange(&control->checkpoint_now, 0) &&
        (st = train_save(t, "manual", err)) != LATHE_OK)
        return st;
    if (atomic_load(&control->pause) && !atomic_load(&control->stop) &&
        !atomic_load(&control->cancel) && !atomic_load(&control->shutdown) &&
        (st = pause_here(t, err)) != LATHE_OK)
        return st;
    if (atomic_load(&control->cancel)) {
        *outcome = CANCELLED;
    } else if (atomic_load(&control->shutdown)) {
        *outcome = SUSPENDED;
        st = train_save(t, "shutdown", err);
    } else if (atomic_load(&control->stop)) {
        *outcome = STOPPED;
    }
    return st;
}

static int32_t one_round(struct trainer *t, enum outcome *outcome, struct lathe_error *err)
{
    uint64_t before = t->c.current;
    int64_t start_ns = clock_mono_ns();
    int32_t st;

    t->report->is_held = 1;
    st = train_iterate(t, err);
    t->report->is_held = 0;
    if (st != LATHE_OK)
        return st;
    t->train_ns += clock_mono_ns() - start_ns;
    t->is_eval_left = crossed(before, t->c.current, t->job->eval.interval) &&
                      t->c.current >= t->job->total &&
                      t->job->eval.episodes == t->job->eval.final_episodes;
    if (!t->is_eval_left && crossed(before, t->c.current, t->job->eval.interval)) {
        if ((st = evaluate_between(t, err)) != LATHE_OK)
            return st;
        if (t->last_eval.target >= t->job->target_value) /* false for NaN */
            *outcome = TARGET;
    }
    if (t->c.current >= t->job->total && *outcome == GO_ON)
        *outcome = COMPLETED;
    if (*outcome == GO_ON && crossed(before, t->c.current, t->job->checkpoint_interval) &&
        (st = train_save(t, "periodic", err)) != LATHE_OK)
        return st;
    if (report_progress_due(t->report) || *outcome != GO_ON)
        send_progress(t);
    report_flush(t->report, 0);
    if (t->job->pace_ms > 0)
        keep_pace(t, start_ns);
    return LATHE_OK;
}

static int32_t loop(struct trainer *t, enum outcome *outcome, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (t->c.current >= t->job->total)
        *outcome = COMPLETED; /* resumed behind the last iteration: only the end is missing */
    while (st == LATHE_OK && *outcome == GO_ON) {
        st = obey(t, outcome, err);
        if (st == LATHE_OK && *outcome == GO_ON)
            st = one_round(t, outcome, err);
    }
    return st;
}

static void add_result(struct trainer *t, struct strbuf *out)
{
    strbuf_addf(out,
                "{\"env_steps\":%llu,\"env_episodes\":%llu,\"iterations\":%llu,\"active_ms\":%lld,"
                "\"sps\":",
                (unsigned long long)t->c.env_steps, (unsigned long long)t->c.env_episodes,
                (unsigned long long)t->c.iteration, (long long)(train_active_ns(t) / 1000000));
    strbuf_add_json_double(out, train_sps(t));
    strbuf_adds(out, ",\"mean_return\":");
    strbuf_add_json_double(out, train_mean_return(t));
    if (t->has_best) {
        strbuf_addf(out, ",\"best\":{\"current\":%llu,\"checkpoint\":\"%s\",\"mean_return\":",
                    (unsigned long long)t->best_current, t->best_ckpt);
        strbuf_add_json_double(out, t->best_mean);
        strbuf_addc(out, '}');
    } else {
        strbuf_adds(out, ",\"best\":null");
    }
    strbuf_addf(out, ",\"eval\":%s,\"policy\":",
                t->has_eval && t->final_eval.len_bytes > 0 ? t->final_eval.data : "null");
    policy_describe(&t->learner, out);
    strbuf_addc(out, '}');
}

static void add_artifact(const struct policy_file *policy, const char *name, struct strbuf *out)
{
    if (policy == NULL) {
        strbuf_adds(out, "null");
        return;
    }
    strbuf_addf(out,
                "{\"file\":\"%s\",\"sha256\":\"%s\",\"weights_sha256\":\"%s\",\"size_bytes\":%llu,"
                "\"kind\":\"policy\"}",
                name, policy->file_sha256, policy->weights_sha256,
                (unsigned long long)policy->size_bytes);
}

/* Last line of a run without a server. */
static void print_summary(struct trainer *t, const char *outcome, const struct policy_file *policy)
{
    struct strbuf out;
    struct lathe_error err;

    if (!t->control->link->standalone)
        return;
    strbuf_init(&out);
    strbuf_addf(&out, "{\"outcome\":\"%s\",\"eval_mean_return\":", outcome);
    strbuf_add_json_double(&out, t->last_eval.mean);
    strbuf_adds(&out, ",\"eval_std_return\":");
    strbuf_add_json_double(&out, t->last_eval.std);
    strbuf_addf(&out,
                ",\"eval_episodes\":%u,\"env_steps\":%llu,\"env_episodes\":%llu,"
                "\"iterations\":%llu,\"sps\":",
                t->last_eval.episodes, (unsigned long long)t->c.env_steps,
                (unsigned long long)t->c.env_episodes, (unsigned long long)t->c.iteration);
    strbuf_add_json_double(&out, train_sps(t));
    strbuf_adds(&out, ",\"wall_seconds\":");
    strbuf_add_json_double(&out, (double)train_active_ns(t) / 1e9);
    strbuf_addf(&out, ",\"checkpoint_sha256\":\"%s\",\"artifact\":", t->last_weights);
    add_artifact(policy, "policy.safetensors", &out);
    strbuf_adds(&out, "}\n");
    if (!out.failed && io_write_all(STDOUT_FILENO, out.data, out.len_bytes, &err) != LATHE_OK)
        t->control->link_gone = 1;
    strbuf_fini(&out);
}

static int32_t finish(struct trainer *t, enum outcome outcome, struct lathe_error *err)
{
    const char *name;
    int save = outcome != STOPPED || t->control->stop_save;
    char path[4096];
    struct policy_file policy;
    struct strbuf out;
    int32_t st = LATHE_OK;

    report_state(t->report, "stopping", t->c.current);
    if (save) {
        if ((st = evaluate_end(t, &outcome, err)) != LATHE_OK)
            return st;
        if ((st = train_save(t, "final", err)) != LATHE_OK)
            return st;
        t->error_id = "io_error";
        st = path_join(path, sizeof path, t->job->dir, "policy.safetensors", err);
        if (st == LATHE_OK)
            st = policy_save(t->setup, t->vec, &t->learner, path, &policy, err);
        if (st != LATHE_OK)
            return st;
    }
    name = outcome == STOPPED ? "stopped" : outcome == TARGET ? "target" : "completed";
    strbuf_init(&out);
    strbuf_addf(&out, "{\"outcome\":\"%s\",\"current\":%llu,\"result\":", name,
                (unsigned long long)t->c.current);
    add_result(t, &out);
    strbuf_adds(&out, ",\"artifact\":");
    add_artifact(save ? &policy : NULL, "policy.safetensors", &out);
    strbuf_addc(&out, '}');
    report_flush(t->report, 1);
    report_send(t->report, LINK_DONE, &out);
    strbuf_fini(&out);
    print_summary(t, name, save ? &policy : NULL);
    return LATHE_OK;
}

static int32_t work(struct trainer *t, const struct loaded *loaded, struct lathe_error *err)
{
    enum outcome outcome = GO_ON;
    int32_t st;

    if ((st = open_all(t, loaded, err)) != LATHE_OK)
        return st;
    if ((st = begin(t, loaded, err)) != LATHE_OK)
        return st;
    if ((st = loop(t, &outcome, err)) != LATHE_OK)
        return st;
    if (outcome == CANCELLED)
        return LATHE_E_CANCELLED;
    if (outcome == SUSPENDED) {
        report_state(t->report, "suspended", t->c.current);
        return LATHE_OK;
    }
    return finish(t, outcome, err);
}

int train_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
              struct report *report)
{
    struct setup setup = {0};
    struct trainer *t = mem_new(struct trainer);
    struct lathe_error err = {0};
    int32_t st = LATHE_E_NOMEM;

    if (t != NULL) {
        t->job = job;
        t->setup = &setup;
        t->control = control;
        t->report = report;
        t->is_exact = 1;
        t->error_id = "plugin_error";
        strbuf_init(&t->skipped);
        strbuf_init(&t->final_eval);
        st = work(t, loaded, &err);
    } else {
        fail(&err, st, "training state");
    }
    if (st < 0 && st != LATHE_E_CANCELLED)
        report_error(report, st == LATHE_E_NOMEM ? "out_of_memory" : t->error_id, &err,
                     t != NULL ? t->c.current : 0, t != NULL ? t->last_ckpt : "");
    if (t != NULL)
        close_all(t);
    mem_free(t);
    return st == LATHE_OK || st == LATHE_E_CANCELLED ? 0 : 1;
}
