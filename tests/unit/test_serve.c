/* Serving with a stand-in worker: started on demand, kept warm, ended when idle or when others need
 * the place; deadlines, crashes, closed targets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "core/artifact/artifact.h"
#include "core/base/mem.h"
#include "core/host/pool.h"
#include "core/json/json.h"
#include "core/model/serve.h"
#include "tests/support/storage_env.h"

#define FAKE LATHE_BINARY_DIR "/tests/fake_worker"
#define WAIT_MS 30000
#define HOST "{\"host\":\"env\"}"

struct fixture {
    struct storage_env env;
    struct loop *loop;
    struct pool *pool;
    struct sup *sup;
    struct reg *reg;
    struct artifacts *artifacts;
    struct models *models;
    struct serve *serve;
    char *dir;
    char runs[600], files[600];
    struct serve_config cfg;
};

static void serve_up(struct fixture *f)
{
    struct lathe_error err = {0};

    f->cfg.loop = f->loop;
    f->cfg.sup = f->sup;
    f->cfg.reg = f->reg;
    f->cfg.models = f->models;
    f->cfg.dir = f->runs;
    assert_ok(serve_open(&f->cfg, &f->serve, &err), &err);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    struct lathe_error err = {0};
    struct sup_config sup = {FAKE, 5000};
    const char *dirs[] = {NULL, NULL};
    struct reg_config reg = {NULL, NULL, dirs, FAKE, NULL, 5000};
    struct artifacts_options artifacts = {.period_ms = -1};
    struct models_config models = {0};

    f->dir = test_tmpdir();
    snprintf(f->runs, sizeof f->runs, "%s/serve", f->dir);
    snprintf(f->files, sizeof f->files, "%s/artifacts", f->dir);
    test_write_file(test_path(f->dir, "fake.so"), "x");
    assert_ok(loop_open(&f->loop, &err), &err);
    storage_env_open(&f->env, "memory", loop_base(f->loop));
    assert_ok(pool_open(f->loop, 2, 100, &f->pool, &err), &err);
    assert_ok(sup_open(f->loop, &sup, &f->sup, &err), &err);
    reg.loop = f->loop;
    reg.sup = f->sup;
    dirs[0] = f->dir;
    assert_ok(reg_open(&reg, &f->reg, &err), &err);
    reg_scan(f->reg, 0);
    assert_true(reg_settle(f->reg, WAIT_MS));
    artifacts.loop = f->loop;
    artifacts.pool = f->pool;
    artifacts.store = f->env.store;
    artifacts.dir = f->files;
    assert_ok(artifacts_open(&artifacts, &f->artifacts, &err), &err);
    models.loop = f->loop;
    models.store = f->env.service;
    models.artifacts = artifacts_service(f->artifacts);
    assert_ok(models_open(&models, &f->models, &err), &err);
    f->cfg.max_workers = 2;
    serve_up(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    serve_close(f->serve);
    sup_close(f->sup);
    pool_close(f->pool);
    store_drain(f->env.store);
    artifacts_close(f->artifacts);
    models_close(f->models);
    reg_close(f->reg);
    storage_env_close(&f->env);
    loop_close(f->loop);
    test_tmpdir_remove(f->dir);
    mem_free(f);
    return 0;
}

struct reply {
    int is_done, n_drops;
    int32_t status;
    int64_t pid, n;
    char text[LATHE_ERROR_TEXT], field[64];
};

static void on_answer(void *user, int32_t status, const char *answer, uint64_t len,
                      const struct lathe_error *err)
{
    struct reply *r = user;
    json_t *json = NULL;

    assert_false(r->is_done);
    r->status = status;
    snprintf(r->text, sizeof r->text, "%s", err->text);
    snprintf(r->field, sizeof r->field, "%s", err->field);
    if (status == LATHE_OK) {
        assert_int_equal(json_parse_text(answer, len, NULL, &json, NULL), LATHE_OK);
        r->pid = json_member_int(json, "pid", 0);
        r->n = json_member_int(json, "n", 0);
        json_decref(json);
    } else {
        assert_null(answer);
    }
    r->is_done = 1;
}

static void on_drop(void *user)
{
    ((struct reply *)user)->n_drops++;
}

static uint64_t open_target(struct fixture *f)
{
    struct lathe_error err = {0};
    uint64_t handle = 0;

    assert_ok(serve_target_open(f->serve, HOST, &handle, &err), &err);
    return handle;
}

/* Sends op; the answer comes later. */
static int32_t send_op(struct fixture *f, uint64_t handle, const char *op, uint64_t deadline_ms,
                       struct reply *r)
{
    const struct lathe_serve_request q = {
        sizeof q, 0, op, "{\"env\":{\"name\":\"Fake-v0\"}}", deadline_ms, on_answer, r, on_drop};

    *r = (struct reply){0};
    return serve_target_call(f->serve, handle, &q, NULL);
}

static struct reply ask(struct fixture *f, uint64_t handle, const char *op, uint64_t deadline_ms)
{
    struct reply r;

    assert_int_equal(send_op(f, handle, op, deadline_ms, &r), LATHE_OK);
    assert_false(r.is_done); /* never from inside the call */
    assert_true(loop_run_until(f->loop, &r.is_done, WAIT_MS));
    assert_int_equal(r.n_drops, 1);
    return r;
}

static int count_workers(const struct fixture *f)
{
    struct strbuf out;
    int n = -1;

    strbuf_init(&out);
    serve_metrics_text(f->serve, &out);
    assert_int_equal(sscanf(strrchr(out.data, ' '), "%d", &n), 1);
    strbuf_fini(&out);
    return n;
}

static void wait_workers(struct fixture *f, int n)
{
    const int never = 0;

    for (int i = 0; i < 3000 && count_workers(f) != n; i++)
        (void)loop_run_until(f->loop, &never, 10);
    assert_int_equal(count_workers(f), n);
}

static void a_worker_starts_with_the_first_question_and_stays_warm(void **state)
{
    struct fixture *f = *state;
    uint64_t target = open_target(f);
    struct reply one, two;

    assert_int_equal(count_workers(f), 0);
    one = ask(f, target, "env.describe", 0);
    assert_int_equal(one.status, LATHE_OK);
    assert_true(one.pid > 0);
    assert_int_equal(count_workers(f), 1);
    two = ask(f, target, "env.describe", 0);
    assert_int_equal(two.pid, one.pid);
    assert_int_equal(two.n, 2);
}

static void an_idle_worker_ends_and_comes_back(void **state)
{
    struct fixture *f = *state;
    struct reply one, two;
    uint64_t target;

    serve_close(f->serve);
    f->cfg.idle_ms = 40;
    serve_up(f);
    target = open_target(f);
    one = ask(f, target, "env.describe", 0);
    wait_workers(f, 0);
    two = ask(f, target, "env.describe", 0);
    assert_int_equal(two.status, LATHE_OK);
    assert_int_not_equal(two.pid, one.pid);
    assert_int_equal(two.n, 1);
}

static void a_waiting_question_keeps_an_idle_worker(void **state)
{
    struct fixture *f = *state;
    struct reply r;

    serve_close(f->serve);
    f->cfg.idle_ms = 20;
    serve_up(f);
    r = ask(f, open_target(f), "silent", 300);
    assert_int_equal(r.status, LATHE_E_TIMEOUT); /* not UNAVAILABLE */
}

static void the_longest_unused_worker_makes_room(void **state)
{
    struct fixture *f = *state;
    uint64_t a = open_target(f), b = open_target(f), c = open_target(f);
    int64_t pid_a = ask(f, a, "env.describe", 0).pid, pid_b = ask(f, b, "env.describe", 0).pid;

    assert_int_equal(ask(f, a, "env.describe", 0).pid, pid_a); /* now b is the older one */
    assert_int_equal(ask(f, c, "env.describe", 0).status, LATHE_OK);
    wait_workers(f, 2);
    assert_int_equal(ask(f, a, "env.describe", 0).pid, pid_a);
    assert_int_not_equal(ask(f, b, "env.describe", 0).pid, pid_b);
    wait_workers(f, 2);
}

static void one_place_is_made_for_one_question(void **state)
{
    struct fixture *f = *state;
    uint64_t target[4];
    struct reply r[4];
    int64_t kept;

    serve_close(f->serve);
    f->cfg.max_workers = 3;
    serve_up(f);
    for (int i = 0; i < 4; i++)
        target[i] = open_target(f);
    for (int i = 0; i < 3; i++)
        r[i] = ask(f, target[i], "env.describe", 0);
    kept = r[2].pid;
    assert_int_equal(send_op(f, target[3], "env.describe", 0, &r[3]), LATHE_OK); /* ends worker 0 */
    assert_int_equal(send_op(f, target[0], "env.describe", 0, &r[0]), LATHE_OK); /* ends worker 1 */
    while (!r[3].is_done || !r[0].is_done)
        assert_true(loop_run_until(f->loop, r[3].is_done ? &r[0].is_done : &r[3].is_done, WAIT_MS));
    wait_workers(f, 3);
    assert_int_equal(ask(f, target[2], "env.describe", 0).pid, kept);
}

static void busy_workers_leave_no_room(void **state)
{
    struct fixture *f = *state;
    uint64_t a = open_target(f), b = open_target(f), c = open_target(f);
    struct reply one, two, three;

    assert_int_equal(send_op(f, a, "silent", 0, &one), LATHE_OK);
    assert_int_equal(send_op(f, b, "silent", 0, &two), LATHE_OK);
    assert_int_equal(send_op(f, c, "env.describe", 0, &three), LATHE_E_LIMIT);
    assert_int_equal(three.n_drops, 1);
    assert_false(three.is_done);
    serve_target_close(f->serve, a);
    assert_int_equal(one.status, LATHE_E_CANCELLED);
    assert_int_equal(one.n_drops, 1);
    assert_int_equal(ask(f, c, "env.describe", 0).status, LATHE_OK);
    serve_target_close(f->serve, b);
    assert_int_equal(two.status, LATHE_E_CANCELLED);
}

static void a_deadline_ends_the_question_and_not_the_worker(void **state)
{
    struct fixture *f = *state;
    uint64_t target = open_target(f);
    int64_t pid = ask(f, target, "env.describe", 0).pid;
    struct reply late = ask(f, target, "silent", 50), next;

    assert_int_equal(late.status, LATHE_E_TIMEOUT);
    next = ask(f, target, "env.describe", 5000);
    assert_int_equal(next.status, LATHE_OK);
    assert_int_equal(next.pid, pid);
}

static void a_crash_answers_every_question_and_a_new_worker_follows(void **state)
{
    struct fixture *f = *state;
    uint64_t target = open_target(f);
    int64_t pid = ask(f, target, "env.describe", 0).pid;
    struct reply waiting, crash;

    assert_int_equal(send_op(f, target, "silent", 0, &waiting), LATHE_OK);
    crash = ask(f, target, "crash", 0);
    assert_int_equal(crash.status, LATHE_E_UNAVAILABLE);
    assert_contains(crash.text, "signal 6");
    assert_int_equal(waiting.status, LATHE_E_UNAVAILABLE);
    assert_int_equal(waiting.n_drops, 1);
    assert_int_equal(count_workers(f), 0);
    crash = ask(f, target, "env.describe", 0);
    assert_int_equal(crash.status, LATHE_OK);
    assert_int_not_equal(crash.pid, pid);
}

static void refusals_of_the_worker_come_with_their_field(void **state)
{
    struct fixture *f = *state;
    struct reply r = ask(f, open_target(f), "refuse", 0);

    assert_int_equal(r.status, LATHE_E_INVALID);
    assert_string_equal(r.text, "no such thing");
    assert_string_equal(r.field, "x");
}

static void bad_targets_and_questions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct lathe_error err = {0};
    struct reply r = {0};
    uint64_t handle = open_target(f);
    struct lathe_serve_request q = {
        sizeof q, 0, "env.describe", "{\"env\":{\"name\":\"Tea-v0\"}}", 0, on_answer, &r, on_drop};

    assert_int_equal(serve_target_call(f->serve, handle, &q, &err), LATHE_E_NOT_FOUND);
    assert_string_equal(err.field, "env.name");
    q.body = "{}";
    assert_int_equal(serve_target_call(f->serve, handle, &q, &err), LATHE_E_INVALID);
    q.body = "{\"id\":\"env_1\"}";
    assert_int_equal(serve_target_call(f->serve, handle, &q, &err), LATHE_E_NOT_FOUND);
    q.body = "no json";
    assert_int_equal(serve_target_call(f->serve, handle, &q, &err), LATHE_E_INVALID);
    serve_target_close(f->serve, handle);
    serve_target_close(f->serve, handle); /* unknown handles are ignored */
    q.body = "{}";
    assert_int_equal(serve_target_call(f->serve, handle, &q, &err), LATHE_E_NOT_FOUND);
    assert_int_equal(r.n_drops, 5);
    assert_false(r.is_done);
    assert_int_equal(serve_target_open(f->serve, "{\"model\":\"model_9\"}", &handle, &err),
                     LATHE_E_NOT_FOUND);
    assert_int_equal(serve_target_open(f->serve, "{}", &handle, &err), LATHE_E_INVALID);
    assert_int_equal(count_workers(f), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_worker_starts_with_the_first_question_and_stays_warm),
        T(an_idle_worker_ends_and_comes_back),
        T(a_waiting_question_keeps_an_idle_worker),
        T(the_longest_unused_worker_makes_room),
        T(one_place_is_made_for_one_question),
        T(busy_workers_leave_no_room),
        T(a_deadline_ends_the_question_and_not_the_worker),
        T(a_crash_answers_every_question_and_a_new_worker_follows),
        T(refusals_of_the_worker_come_with_their_field),
        T(bad_targets_and_questions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
