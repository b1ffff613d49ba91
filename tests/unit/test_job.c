/* Jobs with a stand-in worker and the memory storage: life cycle, control, queue, crashes,
 * recovery. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/artifact/artifact.h"
#include "core/base/mem.h"
#include "core/event/events.h"
#include "core/host/pool.h"
#include "core/job/job.h"
#include "tests/support/storage_env.h"

#define FAKE LATHE_BINARY_DIR "/tests/fake_worker"
#define WAIT_MS 30000

struct fixture {
    struct storage_env env;
    struct loop *loop;
    struct pool *pool;
    struct sup *sup;
    struct reg *reg;
    struct artifacts *artifacts;
    struct events *events;
    struct models *models;
    struct jobs *jobs;
    char *dir;
    char runs[600], plugins[600], files[600];
    uint32_t slots, queue_limit, retries;
    int no_resume;
    /* answers */
    int is_done, n_drops;
    int32_t status;
    char id[100], state[20], error_id[64], model_id[65], reason[65];
    uint64_t current;
    /* waiting for a state */
    uint32_t wanted;
    int is_reached, n_events[8];
};

static void jobs_up(struct fixture *f)
{
    struct lathe_error err = {0};
    struct sup_config sup = {FAKE, 5000};
    const char *dirs[] = {f->plugins, NULL};
    struct reg_config reg = {f->loop, NULL, dirs, FAKE, NULL, 5000};
    struct events_options events = {.base = loop_base(f->loop), .store = f->env.store};
    struct artifacts_options artifacts = {
        .loop = f->loop, .pool = f->pool, .store = f->env.store, .dir = f->files, .period_ms = -1};
    struct models_config models = {f->loop, f->env.service, NULL};
    struct jobs_config jobs = {.loop = f->loop,
                               .store = f->env.service,
                               .runs_dir = f->runs,
                               .slots = f->slots,
                               .queue_limit = f->queue_limit,
                               .retries = f->retries,
                               .auto_resume = !f->no_resume};

    assert_ok(pool_open(f->loop, 2, 100, &f->pool, &err), &err);
    artifacts.pool = f->pool;
    assert_ok(sup_open(f->loop, &sup, &f->sup, &err), &err);
    reg.sup = jobs.sup = f->sup;
    assert_ok(reg_open(&reg, &f->reg, &err), &err);
    reg_scan(f->reg, 0);
    assert_true(reg_settle(f->reg, WAIT_MS));
    assert_ok(artifacts_open(&artifacts, &f->artifacts, &err), &err);
    assert_ok(events_open(&events, &f->events, &err), &err);
    models.artifacts = jobs.artifacts = artifacts_service(f->artifacts);
    assert_ok(models_open(&models, &f->models, &err), &err);
    jobs.reg = f->reg;
    jobs.models = f->models;
    jobs.events = events_service(f->events);
    assert_ok(jobs_open(&jobs, &f->jobs, &err), &err);
    jobs_start(f->jobs);
}

/* As after kill -9: workers die unheard, the store keeps what it has. */
static void jobs_down(struct fixture *f)
{
    jobs_detach(f->jobs);
    sup_close(f->sup);
    pool_close(f->pool);
    store_drain(f->env.store);
    artifacts_close(f->artifacts);
    events_close(f->events);
    store_drain(f->env.store);
    jobs_close(f->jobs);
    models_close(f->models);
    reg_close(f->reg);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    struct lathe_error err = {0};

    f->dir = test_tmpdir();
    snprintf(f->runs, sizeof f->runs, "%s/runs", f->dir);
    snprintf(f->files, sizeof f->files, "%s/artifacts", f->dir);
    snprintf(f->plugins, sizeof f->plugins, "%s", f->dir);
    test_write_file(test_path(f->dir, "fake.so"), "x");
    assert_ok(loop_open(&f->loop, &err), &err);
    storage_env_open(&f->env, "memory", loop_base(f->loop));
    f->slots = 1;
    f->queue_limit = 2;
    jobs_up(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    jobs_down(f);
    storage_env_close(&f->env);
    loop_close(f->loop);
    test_tmpdir_remove(f->dir);
    mem_free(f);
    return 0;
}

/* ---- asking and waiting ---- */

static void on_done(void *user, int32_t status, const struct lathe_job_info *job,
                    const struct lathe_error *err)
{
    struct fixture *f = user;
    f->status = status;
    if (status != LATHE_OK && err != NULL)
        snprintf(f->reason, sizeof f->reason, "%.64s", err->text);
    if (job != NULL) {
        snprintf(f->id, sizeof f->id, "%s", job->id);
        snprintf(f->state, sizeof f->state, "%s", lathe_job_state_name(job->state));
        snprintf(f->model_id, sizeof f->model_id, "%s", job->model_id);
        f->current = job->current;
    }
    f->is_done = 1;
}

static void on_drop(void *user)
{
    ((struct fixture *)user)->n_drops++;
}

static int32_t wait_done(struct fixture *f, int32_t st)
{
    if (st != LATHE_OK)
        return st;
    assert_true(loop_run_until(f->loop, &f->is_done, WAIT_MS));
    return f->status;
}

static int32_t submit_spec(struct fixture *f, const char *spec, struct lathe_error *err)
{
    struct lathe_job_request r = {sizeof r, 0,   "test", NULL, spec, "{\"colour\":\"red\"}",
                                  NULL,     NULL};
    f->is_done = 0;
    return wait_done(f, jobs_submit(f->jobs, &r, on_done, f, on_drop, err));
}

static void submit(struct fixture *f, int seed, int total, int interval, int pace_ms)
{
    struct lathe_error err = {0};
    char spec[512];
    snprintf(
        spec, sizeof spec,
        "{\"task\":\"rl.train\",\"env\":{\"name\":\"Fake-v0\"},\"algorithm\":{\"name\":\"fake\"},"
        "\"mode\":\"episodic\",\"total_iterations\":%d,\"seed\":%d,\"pace_ms\":%d,"
        "\"checkpoint\":{\"interval\":%d}}",
        total, seed, pace_ms, interval);
    assert_ok(submit_spec(f, spec, &err), &err);
}

typedef int32_t (*control_fn)(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                              struct lathe_error *err);

static int32_t ask(struct fixture *f, control_fn control, const char *id, uint32_t flags)
{
    struct lathe_error err = {0};
    struct lathe_job_wish wish = {sizeof wish, flags, 20000, on_done, f, on_drop};
    char copy[100];
    snprintf(copy, sizeof copy, "%s", id);
    f->is_done = 0;
    return wait_done(f, control(f->jobs, copy, &wish, &err));
}

static void on_event(void *user, const struct lathe_job_event *event)
{
    struct fixture *f = user;
    f->n_events[event->kind]++;
    if (event->job->state == f->wanted)
        f->is_reached = 1;
}

static const struct lathe_job_info *wait_state(struct fixture *f, const char *id, uint32_t state)
{
    uint64_t watch = 0;
    char copy[100];
    snprintf(copy, sizeof copy, "%s", id);
    f->wanted = state;
    f->is_reached = jobs_get(f->jobs, copy)->state == state;
    assert_int_equal(jobs_watch(f->jobs, "test", on_event, f, on_drop, &watch), LATHE_OK);
    if (!f->is_reached && !loop_run_until(f->loop, &f->is_reached, WAIT_MS))
        fail_msg("job stays %s", lathe_job_state_name(jobs_get(f->jobs, copy)->state));
    jobs_unwatch(f->jobs, watch);
    return jobs_get(f->jobs, copy);
}

static void wait_current(struct fixture *f, const char *id, uint64_t current)
{
    const int never = 0;
    for (int i = 0; i < 3000 && jobs_get(f->jobs, id)->current < current; i++)
        (void)loop_run_until(f->loop, &never, 10);
    assert_true(jobs_get(f->jobs, id)->current >= current);
}

struct read {
    int is_done;
    uint32_t count;
    uint64_t last;
};

static void on_series(void *user, int32_t status, const struct lathe_job_series *const *series,
                      const struct lathe_error *err)
{
    struct read *r = user;
    (void)err;
    assert_int_equal(status, LATHE_OK);
    for (size_t i = 0; series[i] != NULL; i++)
        if (strcmp(series[i]->name, "train/loss") == 0) {
            r->count = series[i]->count;
            r->last = r->count > 0 ? series[i]->steps[r->count - 1] : 0;
        }
    r->is_done = 1;
}

static struct read history(struct fixture *f, const char *id, const char *const *names)
{
    struct read r = {0, 0, 0};
    struct lathe_error err = {0};
    struct lathe_job_query q = {sizeof q, 0, names, 0, on_series, &r, NULL};
    assert_ok(jobs_history(f->jobs, id, &q, &err), &err);
    assert_true(loop_run_until(f->loop, &r.is_done, WAIT_MS));
    return r;
}

/* ---- tests ---- */

static void a_job_runs_to_its_end_and_leaves_a_model(void **state)
{
    struct fixture *f = *state;
    const struct lathe_job_info *job;
    const struct lathe_model_info *model;

    submit(f, 1, 10, 5, 0);
    assert_string_equal(f->id, "job_1");
    job = wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
    assert_int_equal(job->current, 10);
    assert_int_equal(job->total, 10);
    assert_contains(job->result, "7.5");
    assert_contains(job->extra, "red");
    assert_string_equal(job->model_id, "model_1");
    model = models_get(f->models, "model_1");
    assert_non_null(model);
    assert_string_equal(model->name, "Fake-v0_fake");
    assert_string_equal(model->job_id, "job_1");
    assert_non_null(models_path(f->models, "model_1"));
    assert_true(f->n_events[LATHE_JOB_EVENT_METRICS] == 10);
    assert_true(f->n_events[LATHE_JOB_EVENT_CHECKPOINT] == 2);
    assert_int_equal(history(f, "job_1", NULL).count, 10);
    assert_int_equal(history(f, "job_1", (const char *const[]){"train/loss", NULL}).last, 10);
}

static void on_names(void *user, int32_t status, const struct lathe_job_series *const *series,
                     const struct lathe_error *err)
{
    struct read *r = user;

    (void)err;
    assert_int_equal(status, LATHE_OK);
    for (; *series != NULL; series++) {
        if (strncmp((*series)->name, "eval/", 5) != 0)
            continue;
        r->count++;
        assert_int_equal((*series)->count, 1);
        assert_true((*series)->values[0] ==
                    (strcmp((*series)->name, "eval/solved") == 0 ? 0.5 : 6.5));
    }
    r->is_done = 1;
}

static void evaluations_leave_their_figures_and_no_bookkeeping(void **state)
{
    struct fixture *f = *state;
    struct read r = {0, 0, 0};
    const struct lathe_job_query q = {sizeof q, 0, NULL, 0, on_names, &r, NULL};

    submit(f, 1, 4, 0, 0);
    wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
    assert_int_equal(jobs_history(f->jobs, "job_1", &q, NULL), LATHE_OK);
    assert_true(loop_run_until(f->loop, &r.is_done, WAIT_MS));
    assert_int_equal(r.count, 2); /* eval/mean_return and eval/solved, once for the last step */
}

static void bad_specifications_name_the_member(void **state)
{
    static const struct {
        const char *spec, *field;
        int32_t status;
    } bad[] = {
        {"{}", "task", LATHE_E_INVALID},
        {"{\"task\":\"rl.train\",\"colour\":1}", "colour", LATHE_E_INVALID},
        {"{\"task\":\"tea\"}", "task", LATHE_E_NOT_FOUND},
        {"{\"task\":\"rl.train\",\"env\":{\"name\":\"Mars-v0\"}}", "env.name", LATHE_E_NOT_FOUND},
        {"{\"task\":\"rl.train\",\"env\":{\"name\":\"Fake-v0\",\"options\":{\"size\":99}}}",
         "env.options.size", LATHE_E_INVALID},
        {"{\"task\":\"rl.train\",\"env\":{\"name\":\"Fake-v0\"}}", "algorithm", LATHE_E_INVALID},
        {"{\"task\":\"rl.train\",\"env\":{\"name\":\"Fake-v0\"},\"algorithm\":{\"name\":\"fake\"}}",
         "total_steps", LATHE_E_INVALID},
        {"{\"task\":\"rl.train\",\"seed\":-1}", "seed", LATHE_E_INVALID},
        {"{\"task\":\"rl.train\",\"env\":{\"name\":\"Fake-v0\"},\"algorithm\":{\"name\":\"fake\"},"
         "\"total_steps\":5,\"eval\":{\"episodes\":0}}",
         "eval.episodes", LATHE_E_INVALID},
        {"{\"task\":\"rl.evaluate\",\"model\":\"model_9\"}", "model", LATHE_E_NOT_FOUND},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lathe_error err = {0};
        assert_int_equal(submit_spec(f, bad[i].spec, &err), bad[i].status);
        assert_string_equal(err.field, bad[i].field);
    }
    assert_int_equal(f->n_drops, (int)(sizeof bad / sizeof bad[0]));
    assert_null(jobs_get(f->jobs, "job_1"));
}

static void pause_and_resume_go_on_where_it_stood(void **state)
{
    struct fixture *f = *state;
    uint64_t at;

    submit(f, 1, 60, 0, 5);
    wait_current(f, "job_1", 5);
    assert_int_equal(ask(f, jobs_pause, "job_1", 0), LATHE_OK);
    assert_string_equal(f->state, "paused");
    at = f->current;
    assert_true(at >= 5 && at < 60);
    assert_string_equal(jobs_get(f->jobs, "job_1")->checkpoint_id, "ckpt_1");
    assert_string_equal(jobs_get(f->jobs, "job_1")->checkpoint_weights_sha256, "weights 1");
    assert_int_equal(ask(f, jobs_pause, "job_1", 0), LATHE_OK); /* it is so already */
    assert_int_equal(ask(f, jobs_resume, "job_1", 0), LATHE_OK);
    assert_int_equal(wait_state(f, "job_1", LATHE_JOB_SUCCEEDED)->current, 60);
    assert_int_equal(history(f, "job_1", NULL).count, 60); /* each step once */
    assert_int_equal(ask(f, jobs_resume, "job_1", 0), LATHE_E_CONFLICT);
}

static void stop_keeps_a_model_unless_told_otherwise(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, 10000, 0, 2);
    wait_current(f, "job_1", 3);
    assert_int_equal(ask(f, jobs_stop, "job_1", 0), LATHE_OK);
    assert_string_equal(f->state, "stopped");
    assert_string_equal(f->model_id, "model_1");
    assert_int_equal(ask(f, jobs_stop, "job_1", 0), LATHE_OK); /* no second model */
    assert_null(models_get(f->models, "model_2"));
    submit(f, 1, 10000, 0, 2);
    wait_current(f, "job_2", 3);
    assert_int_equal(ask(f, jobs_stop, "job_2", LATHE_JOB_STOP_DISCARD), LATHE_OK);
    assert_string_equal(f->model_id, "");
}

static void a_paused_job_is_stopped_with_its_model(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, 10000, 0, 2);
    wait_current(f, "job_1", 3);
    assert_int_equal(ask(f, jobs_pause, "job_1", 0), LATHE_OK);
    assert_int_equal(ask(f, jobs_stop, "job_1", 0), LATHE_OK);
    assert_string_equal(f->state, "stopped");
    assert_string_equal(f->model_id, "model_1");
}

static void a_full_queue_refuses_and_queued_jobs_can_be_stopped(void **state)
{
    struct fixture *f = *state;
    struct lathe_error err = {0};
    uint32_t queued = 0, limit = 0;

    submit(f, 1, 100000, 0, 5);
    wait_state(f, "job_1", LATHE_JOB_RUNNING);
    submit(f, 1, 10, 0, 0);
    submit(f, 1, 10, 0, 0);
    assert_int_equal(jobs_get(f->jobs, "job_3")->queue_position, 2);
    assert_int_equal(submit_spec(f, "{\"task\":\"rl.train\"}", &err), LATHE_E_LIMIT);
    jobs_capacity(f->jobs, NULL, NULL, &queued, &limit);
    assert_int_equal(queued, 2);
    assert_int_equal(limit, 2);
    assert_int_equal(ask(f, jobs_stop, "job_2", 0), LATHE_OK);
    assert_string_equal(f->state, "stopped");
    assert_string_equal(f->model_id, "");
    assert_int_equal(jobs_get(f->jobs, "job_3")->queue_position, 1);
    assert_int_equal(ask(f, jobs_cancel, "job_1", 0), LATHE_OK);
    assert_string_equal(f->state, "cancelled");
    wait_state(f, "job_3", LATHE_JOB_SUCCEEDED);
}

static void a_crash_is_reported_and_hurts_no_other(void **state)
{
    struct fixture *f = *state;
    const struct lathe_job_info *job;
    submit(f, 2, 10, 0, 0);
    job = wait_state(f, "job_1", LATHE_JOB_CRASHED);
    assert_contains(job->crash, "\"signal\":6");
    assert_contains(job->error_text, "org.lathe.fake");
    submit(f, 1, 10, 0, 0);
    wait_state(f, "job_2", LATHE_JOB_SUCCEEDED);
}

static void a_crash_loop_is_given_up(void **state)
{
    struct fixture *f = *state;
    const struct lathe_job_info *job;
    jobs_down(f);
    f->retries = 5;
    jobs_up(f);
    submit(f, 2, 10, 0, 0);
    job = wait_state(f, "job_1", LATHE_JOB_FAILED);
    assert_string_equal(job->error_id, "crash_loop");
    assert_int_equal(job->restarts, 2);
}

static void a_worker_error_fails_the_job_with_its_reason(void **state)
{
    struct fixture *f = *state;
    const struct lathe_job_info *job;
    submit(f, 3, 10, 0, 0);
    job = wait_state(f, "job_1", LATHE_JOB_FAILED);
    assert_string_equal(job->error_id, "non_finite_loss");
    assert_string_equal(job->error_text, "loss is NaN");
}

static void a_killed_server_goes_on_from_the_last_checkpoint(void **state)
{
    struct fixture *f = *state;
    const struct lathe_job_info *job;

    submit(f, 1, 80, 10, 5);
    wait_current(f, "job_1", 25);
    jobs_down(f);
    jobs_up(f);
    job = jobs_get(f->jobs, "job_1");
    assert_non_null(job);
    assert_string_equal(job->reason, "resumed_after_restart");
    assert_true(job->checkpoint_current >= 20);
    job = wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
    assert_int_equal(job->current, 80);
    assert_int_equal(history(f, "job_1", NULL).count, 80); /* none lost, none twice */
}

static void without_auto_resume_it_waits(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, 80, 10, 5);
    wait_current(f, "job_1", 15);
    jobs_down(f);
    f->no_resume = 1;
    jobs_up(f);
    assert_int_equal(jobs_get(f->jobs, "job_1")->state, LATHE_JOB_PAUSED);
    assert_int_equal(ask(f, jobs_resume, "job_1", 0), LATHE_OK);
    wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
}

static void on_drained(void *user)
{
    ((struct fixture *)user)->is_done = 1;
}

static void draining_suspends_what_runs(void **state)
{
    struct fixture *f = *state;
    struct lathe_error err = {0};
    uint64_t at;

    submit(f, 1, 100, 0, 5);
    wait_current(f, "job_1", 5);
    f->is_done = 0;
    jobs_drain(f->jobs, 5000, on_drained, f);
    assert_true(loop_run_until(f->loop, &f->is_done, WAIT_MS));
    assert_int_equal(jobs_get(f->jobs, "job_1")->state, LATHE_JOB_QUEUED);
    at = jobs_get(f->jobs, "job_1")->checkpoint_current;
    assert_true(at >= 5);
    assert_int_equal(submit_spec(f, "{\"task\":\"rl.train\"}", &err), LATHE_E_UNAVAILABLE);
    jobs_down(f);
    jobs_up(f);
    wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
    assert_int_equal(history(f, "job_1", NULL).count, 100);
}

static void removal_is_for_final_jobs_and_leaves_the_model(void **state)
{
    struct fixture *f = *state;
    struct lathe_error err = {0};

    submit(f, 1, 10, 2, 20);
    assert_int_equal(jobs_remove(f->jobs, "job_1", on_done, f, on_drop, &err), LATHE_E_CONFLICT);
    wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
    for (f->status = LATHE_E_CONFLICT; f->status == LATHE_E_CONFLICT;) {
        const int never = 0; /* the worker may still be ending */
        f->is_done = 0;
        (void)loop_run_until(f->loop, &never, 10);
        f->status = wait_done(f, jobs_remove(f->jobs, "job_1", on_done, f, on_drop, &err));
    }
    assert_int_equal(f->status, LATHE_OK);
    assert_null(jobs_get(f->jobs, "job_1"));
    assert_non_null(models_get(f->models, "model_1"));
    assert_int_not_equal(access(test_path(f->runs, "job_1"), F_OK), 0);
    assert_int_equal(ask(f, jobs_pause, "job_1", 0), LATHE_E_NOT_FOUND);
    submit(f, 1, 10, 0, 0);
    assert_string_equal(f->id, "job_2"); /* numbers are not used again */
}

static void a_fork_continues_from_a_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct lathe_error err = {0};
    const char *spec =
        "{\"task\":\"rl.train\",\"env\":{\"name\":\"Fake-v0\"},\"algorithm\":{\"name\":\"fake\"},"
        "\"mode\":\"episodic\",\"total_iterations\":30,\"seed\":1}";
    struct lathe_job_request r = {sizeof r, 0, "test", "fork_", spec, NULL, "job_1", "ckpt_1"};

    submit(f, 1, 10, 5, 0);
    wait_state(f, "job_1", LATHE_JOB_SUCCEEDED);
    f->is_done = 0;
    assert_ok(wait_done(f, jobs_submit(f->jobs, &r, on_done, f, on_drop, &err)), &err);
    assert_string_equal(f->id, "fork_1");
    assert_int_equal(f->current, 5);
    assert_int_equal(wait_state(f, "fork_1", LATHE_JOB_SUCCEEDED)->current, 30);
    assert_int_equal(history(f, "fork_1", NULL).count, 25);
    r.from_checkpoint = "ckpt_99";
    assert_int_equal(jobs_submit(f->jobs, &r, on_done, f, on_drop, &err), LATHE_E_NOT_FOUND);
    assert_string_equal(err.field, "from_checkpoint");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_runs_to_its_end_and_leaves_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(evaluations_leave_their_figures_and_no_bookkeeping, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bad_specifications_name_the_member, setup, teardown),
        cmocka_unit_test_setup_teardown(pause_and_resume_go_on_where_it_stood, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_keeps_a_model_unless_told_otherwise, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_job_is_stopped_with_its_model, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_queued_jobs_can_be_stopped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_crash_is_reported_and_hurts_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_loop_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_error_fails_the_job_with_its_reason, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_killed_server_goes_on_from_the_last_checkpoint, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_auto_resume_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(draining_suspends_what_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(removal_is_for_final_jobs_and_leaves_the_model, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_fork_continues_from_a_checkpoint, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
