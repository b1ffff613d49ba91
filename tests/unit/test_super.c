/* Worker processes: start, frames both ways, every way to end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <signal.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/super/super.h"

#define FAKE LATHE_BINARY_DIR "/tests/fake_worker"
#define WAIT_MS 20000

struct seen {
    struct loop *loop;
    struct sup *sup;
    char *dir;
    struct sup_worker *worker;
    int has_ended, n_frames, n_hello, n_log;
    char last_log[128];
    struct sup_end end;
    json_t *report;
};

static void on_frame(void *user, const struct link_frame *frame)
{
    struct seen *s = user;
    s->n_frames++;
    s->n_hello += frame->type == LINK_HELLO;
    if (frame->type == LINK_LOG) {
        s->n_log++;
        snprintf(s->last_log, sizeof s->last_log, "%s", frame->payload);
    }
}

static void on_end(void *user, const struct sup_end *end)
{
    struct seen *s = user;
    s->end = *end;
    s->report = sup_report(end, "run", 7);
    s->has_ended = 1;
}

static int setup(void **state)
{
    struct seen *s = mem_new(struct seen);
    struct lathe_error err = {0};
    struct sup_config cfg = {FAKE, 1500};

    assert_non_null(s);
    s->dir = test_tmpdir();
    assert_ok(loop_open(&s->loop, &err), &err);
    assert_ok(sup_open(s->loop, &cfg, &s->sup, &err), &err);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct seen *s = *state;
    sup_close(s->sup);
    loop_close(s->loop);
    json_decref(s->report);
    test_tmpdir_remove(s->dir);
    mem_free(s);
    return 0;
}

static void start(struct seen *s, const char *word)
{
    struct lathe_error err = {0};
    const char *job = test_path(s->dir, "job"), *log = test_path(s->dir, "log");
    test_write_file(job, word);
    assert_ok(sup_worker_start(s->sup, &(struct sup_start){"run", job, log, {s, on_frame, on_end}},
                               &s->worker, &err),
              &err);
    assert_true(sup_worker_pid(s->worker) > 1);
}

static void wait_end(struct seen *s)
{
    assert_true(loop_run_until(s->loop, &s->has_ended, WAIT_MS));
    assert_int_equal(sup_count(s->sup), 0);
}

static void frames_arrive_before_the_end(void **state)
{
    struct seen *s = *state;
    start(s, "many");
    wait_end(s);
    assert_int_equal(s->n_frames, 501);
    assert_int_equal(s->end.exit_code, 0);
    assert_int_equal(s->end.signal, 0);
}

static void a_worker_answers_and_ends_when_told(void **state)
{
    struct seen *s = *state;
    start(s, "echo");
    assert_true(loop_run_until(s->loop, &s->n_hello, WAIT_MS));
    assert_int_equal(sup_worker_send(s->worker, LINK_PAUSE, "{}", 2), LATHE_OK);
    assert_true(loop_run_until(s->loop, &s->n_log, WAIT_MS));
    assert_contains(s->last_log, "PAUSE");
    assert_int_equal(sup_worker_send(s->worker, LINK_CANCEL, "{}", 2), LATHE_OK);
    wait_end(s);
    assert_int_equal(s->end.exit_code, 0);
}

static void a_crash_is_reported_with_signal_plugins_and_log(void **state)
{
    struct seen *s = *state;
    char *text;
    start(s, "crash");
    wait_end(s);
    assert_int_equal(s->end.signal, SIGABRT);
    text = json_dumps(s->report, 0);
    assert_contains(text, "\"signal\": 6");
    assert_contains(text, "org.lathe.fake");
    assert_contains(text, "about to crash");
    free(text);
}

static void silence_is_a_hang(void **state)
{
    struct seen *s = *state;
    start(s, "silent");
    wait_end(s);
    assert_true(s->end.has_hung);
    assert_int_equal(s->end.signal, SIGKILL);
    assert_string_equal(json_string_value(json_object_get(s->report, "reason")), "no sign of life");
}

static void damaged_frames_end_the_worker(void **state)
{
    struct seen *s = *state;
    start(s, "garbage");
    wait_end(s);
    assert_true(s->end.is_link_broken);
    assert_int_equal(s->n_frames, 0);
}

static void a_stubborn_worker_is_killed_in_steps(void **state)
{
    struct seen *s = *state;
    start(s, "stubborn");
    assert_true(loop_run_until(s->loop, &s->n_hello, WAIT_MS));
    sup_worker_end(s->worker, 0, 100);
    wait_end(s);
    assert_int_equal(s->end.signal, SIGKILL);
    assert_true(s->end.was_killed);
}

static void a_missing_program_is_an_error(void **state)
{
    struct seen *s = *state;
    struct lathe_error err = {0};
    struct sup_config cfg = {"/nonexistent/worker", 1500};
    struct sup *sup = NULL;
    struct sup_worker *w = NULL;
    assert_ok(sup_open(s->loop, &cfg, &sup, &err), &err);
    assert_int_equal(sup_worker_start(sup,
                                      &(struct sup_start){"run", "/x", NULL, {s, on_frame, on_end}},
                                      &w, &err),
                     LATHE_E_NOT_FOUND);
    assert_contains(err.text, "/nonexistent/worker");
    sup_close(sup);
}

static void closing_kills_what_runs(void **state)
{
    struct seen *s = *state;
    start(s, "silent");
    assert_int_equal(sup_count(s->sup), 1);
    /* teardown closes with the worker alive; its handler must stay silent */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_arrive_before_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_answers_and_ends_when_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_is_reported_with_signal_plugins_and_log, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(silence_is_a_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_frames_end_the_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stubborn_worker_is_killed_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_program_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_kills_what_runs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
