/* Training runs in a worker: equal bits after pauses, kills, torn files and with other thread
 * counts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker_fixture.h"

#define EPISODIC "\"mode\":\"episodic\",\"total_iterations\":60,\"n_envs\":40"
#define NORMALIZED "\"obs_norm\":true,\"reward_norm\":true"

static void reference(const char *members, char hash[65])
{
    struct worker w;

    worker_dir(&w);
    worker_job(&w, members);
    worker_run_to_end(&w, hash);
    worker_dir_remove(&w);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

/* Waits for a checkpoint of that kind and gives its file's path. */
static void next_checkpoint(struct worker *w, const char *kind, char *path, size_t cap)
{
    for (;;) {
        json_t *payload = worker_expect(w, LINK_CHECKPOINT, 1);
        int found = strcmp(text_of(payload, "kind"), kind) == 0;

        if (found)
            worker_path(w, text_of(payload, "file"), path, cap);
        json_decref(payload);
        if (found)
            return;
    }
}

/* Pauses after a while, resumes in the same process, shuts down, goes on in a new process. */
static void interrupted(const char *members, const char *second, char hash[65])
{
    char path[256], more[1024];
    struct worker w;
    json_t *hello;

    worker_dir(&w);
    snprintf(more, sizeof more, "{%s,\"pace_ms\":1}", members);
    worker_job(&w, more);
    worker_start(&w, "run");
    json_decref(worker_expect(&w, LINK_PROGRESS, 1));
    worker_send(&w, LINK_PAUSE, "{}");
    next_checkpoint(&w, "pause", path, sizeof path);
    worker_send(&w, LINK_RESUME, "{}");
    worker_send(&w, LINK_SHUTDOWN, "{}");
    next_checkpoint(&w, "shutdown", path, sizeof path);
    assert_int_equal(worker_wait(&w), 0);
    snprintf(more, sizeof more, "{%s,%s,\"resume\":[\"%s\"]}", members, second, path);
    worker_job(&w, more);
    worker_start(&w, "run");
    hello = worker_expect(&w, LINK_HELLO, 1);
    assert_string_equal(text_of(hello, "resumed_from"), path);
    assert_true(json_is_true(json_object_get(hello, "exact")));
    assert_true(json_integer_value(json_object_get(hello, "current")) > 0);
    json_decref(hello);
    worker_send(&w, LINK_CANCEL, "{}");
    worker_wait(&w);
    worker_run_to_end(&w, hash);
    worker_dir_remove(&w);
}

static void run_threads_do_not_change_the_result(void **state)
{
    char one[65], two[65];

    (void)state;
    reference("{" NORMALIZED "}", one);
    reference("{" NORMALIZED ",\"threads\":2}", two);
    assert_string_equal(one, two);
}

#define LENDING(n) "\"algorithm\":{\"name\":\"preference\",\"options\":{\"slots\":" n "}}"

static void run_in_the_learners_memory_gives_the_same_bits(void **state)
{
    char plain[65], lent[65], parts[65];

    (void)state;
    reference("{}", plain);
    reference("{" LENDING("1") "}", lent);
    assert_string_equal(plain, lent);
    reference("{" LENDING("2") "}", lent);
    assert_string_equal(plain, lent);
    interrupted(LENDING("1"), "\"threads\":2", parts);
    assert_string_equal(plain, parts);
}

static void run_resumed_equals_uninterrupted_continuous(void **state)
{
    char whole[65], parts[65];

    (void)state;
    reference("{" NORMALIZED "}", whole);
    interrupted(NORMALIZED, "\"threads\":2", parts);
    assert_string_equal(whole, parts);
}

static void run_resumed_equals_uninterrupted_episodic(void **state)
{
    char whole[65], parts[65], other[65];

    (void)state;
    reference("{" EPISODIC "}", whole);
    interrupted(EPISODIC, "\"threads\":1", parts);
    assert_string_equal(whole, parts);
    reference("{" EPISODIC ",\"seed\":8}", other);
    assert_string_not_equal(whole, other);
}

static void run_killed_at_any_moment_resumes_to_the_same_result(void **state)
{
    char whole[65], parts[65], newest[256] = "", older[256] = "", more[1024];
    struct worker w;
    int k;

    (void)state;
    reference("{" EPISODIC ",\"checkpoint\":{\"interval\":1}}", whole);
    worker_dir(&w);
    for (k = 0; k < 4; k++) {
        json_t *payload = NULL;
        int i;

        snprintf(more, sizeof more,
                 "{" EPISODIC ",\"checkpoint\":{\"interval\":1},\"resume\":[%s%s%s%s%s%s%s]}",
                 newest[0] ? "\"" : "", newest, newest[0] ? "\"" : "", older[0] ? "," : "",
                 older[0] ? "\"" : "", older, older[0] ? "\"" : "");
        worker_job(&w, more);
        worker_start(&w, "run");
        for (i = 0; i < 5 + k; i++) {
            json_decref(payload);
            payload = worker_expect(&w, LINK_CHECKPOINT, 1);
            snprintf(older, sizeof older, "%s", newest);
            worker_path(&w, text_of(payload, "file"), newest, sizeof newest);
        }
        kill(w.pid, SIGKILL); /* most likely while it writes the next one */
        json_decref(payload);
        assert_int_equal(worker_wait(&w), -SIGKILL);
    }
    snprintf(more, sizeof more,
             "{" EPISODIC ",\"checkpoint\":{\"interval\":1},\"resume\":[\"%s\",\"%s\"]}", newest,
             older);
    worker_job(&w, more);
    worker_run_to_end(&w, parts);
    assert_string_equal(whole, parts);
    worker_dir_remove(&w);
}

static void run_skips_a_torn_checkpoint_for_the_one_before(void **state)
{
    char whole[65], parts[65], first[256], second[256], more[1024];
    struct worker w;
    json_t *hello;
    int fd;

    (void)state;
    reference("{}", whole);
    worker_dir(&w);
    worker_job(&w, "{\"checkpoint\":{\"interval\":2000}}");
    worker_start(&w, "run");
    next_checkpoint(&w, "periodic", first, sizeof first);
    next_checkpoint(&w, "periodic", second, sizeof second);
    kill(w.pid, SIGKILL);
    worker_wait(&w);
    fd = open(second, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, lseek(fd, 0, SEEK_END) - 40), 3);
    close(fd);
    snprintf(more, sizeof more, "{\"resume\":[\"%s\",\"%s\"]}", second, first);
    worker_job(&w, more);
    worker_start(&w, "run");
    hello = worker_expect(&w, LINK_HELLO, 1);
    assert_string_equal(text_of(hello, "resumed_from"), first);
    assert_int_equal(json_array_size(json_object_get(hello, "skipped")), 1);
    json_decref(hello);
    kill(w.pid, SIGKILL);
    worker_wait(&w);
    worker_run_to_end(&w, parts);
    assert_string_equal(whole, parts);
    worker_dir_remove(&w);
}

static void run_without_snapshots_is_marked_inexact(void **state)
{
    char path[256], more[1024];
    struct worker w;
    json_t *hello;

    (void)state;
    worker_dir(&w);
    worker_job(&w, "{\"env\":{\"name\":\"Walk-v0\",\"options\":{\"snapshot\":false}},\"pace_ms\":1,"
                   "\"checkpoint\":{\"interval\":1000}}");
    worker_start(&w, "run");
    next_checkpoint(&w, "periodic", path, sizeof path);
    worker_send(&w, LINK_CANCEL, "{}");
    assert_int_equal(worker_wait(&w), 0);
    snprintf(
        more, sizeof more,
        "{\"env\":{\"name\":\"Walk-v0\",\"options\":{\"snapshot\":false}},\"resume\":[\"%s\"]}",
        path);
    worker_job(&w, more);
    worker_start(&w, "run");
    hello = worker_expect(&w, LINK_HELLO, 1);
    assert_true(json_is_false(json_object_get(hello, "exact")));
    json_decref(hello);
    json_decref(worker_expect(&w, LINK_DONE, 1));
    assert_int_equal(worker_wait(&w), 0);
    worker_dir_remove(&w);
}

static void run_stop_makes_one_artifact_and_a_row_per_iteration(void **state)
{
    struct worker w;
    struct link_frame frame;
    struct lathe_error err = {0};
    json_t *done = NULL;
    uint64_t rows = 0, last_step = 0, iterations;

    (void)state;
    worker_dir(&w);
    worker_job(&w, "{" EPISODIC ",\"pace_ms\":2}");
    worker_start(&w, "run");
    while (done == NULL && link_poll(&w.link, 60000, &frame, &err) == 1) {
        json_t *payload = json_loadb(frame.payload, frame.len_bytes, 0, NULL), *row;
        size_t i;

        if (frame.type == LINK_PROGRESS && rows == 0)
            worker_send(&w, LINK_STOP, "{}");
        json_array_foreach(json_object_get(payload, "rows"), i, row)
        {
            uint64_t step = (uint64_t)json_integer_value(json_object_get(row, "step"));

            assert_int_equal(step, last_step + 1); /* ascending, none left out */
            last_step = step;
            rows++;
        }
        if (frame.type == LINK_DONE)
            done = json_incref(payload);
        json_decref(payload);
    }
    assert_non_null(done);
    assert_string_equal(text_of(done, "outcome"), "stopped");
    assert_int_equal(strlen(text_of(json_object_get(done, "artifact"), "sha256")), 64);
    iterations = (uint64_t)json_integer_value(
        json_object_get(json_object_get(done, "result"), "iterations"));
    assert_int_equal(rows, iterations);
    json_decref(done);
    assert_int_equal(worker_wait(&w), 0);
    worker_dir_remove(&w);
}

/* Runs a job that fails and compares the error id and field. */
static void expect_error(const char *members, const char *id, const char *field)
{
    struct worker w;
    json_t *error;

    worker_dir(&w);
    worker_job(&w, members);
    worker_start(&w, "run");
    error = worker_expect(&w, LINK_ERROR, 1);
    assert_string_equal(text_of(error, "id"), id);
    assert_string_equal(text_of(error, "field"), field);
    json_decref(error);
    assert_int_equal(worker_wait(&w), 1);
    worker_dir_remove(&w);
}

static void run_failures_name_what_failed(void **state)
{
    (void)state;
    expect_error("{\"algorithm\":{\"name\":\"preference\",\"options\":{\"fail_at\":3}}}",
                 "non_finite_loss", "");
    expect_error("{\"env\":{\"name\":\"Walk-v0\",\"options\":{\"bad_reward_at\":900}}}",
                 "non_finite_reward", "");
    expect_error("{\"algorithm\":{\"name\":\"preference\",\"options\":{\"n_step\":3}}}",
                 "invalid_option", "algorithm.options.n_step");
    expect_error("{\"limits\":{\"file_bytes\":2000},\"checkpoint\":{\"interval\":1000}}",
                 "io_error", "");
    expect_error("{\"algorithm\":{\"name\":\"unheard\"}}", "invalid_option", "algorithm");
    expect_error("{\"plugins\":[{\"path\":\"/nowhere.so\"}]}", "load_failed", "");
}

static void run_reaches_a_target_and_ends(void **state)
{
    struct worker w;
    json_t *done;

    (void)state;
    worker_dir(&w);
    worker_job(&w,
               "{\"total_steps\":1000000,\"target\":{\"metric\":\"success_rate\",\"value\":0.9}}");
    worker_start(&w, "run");
    done = worker_expect(&w, LINK_DONE, 1);
    assert_string_equal(text_of(done, "outcome"), "target");
    json_decref(done);
    assert_int_equal(worker_wait(&w), 0);
    worker_dir_remove(&w);
}

/* Evaluations of a run; the last two in steps[0] and steps[1]. */
static int evaluations(const char *members, int64_t steps[2])
{
    struct worker w;
    struct link_frame frame;
    int n = 0, n_final = 0, is_done = 0;

    worker_dir(&w);
    worker_job(&w, members);
    worker_start(&w, "run");
    while (!is_done && link_poll(&w.link, 60000, &frame, NULL) == 1) {
        json_t *payload = json_loadb(frame.payload, frame.len_bytes, 0, NULL);

        if (frame.type == LINK_EVAL) {
            n++;
            n_final += json_is_true(json_object_get(payload, "final"));
            steps[0] = steps[1];
            steps[1] = json_integer_value(json_object_get(payload, "current"));
        }
        is_done = frame.type == LINK_DONE;
        if (is_done) /* the last one counts for the best, whichever it is */
            assert_true(
                json_number_value(json_object_get(
                    json_object_get(json_object_get(payload, "result"), "best"), "mean_return")) >=
                json_number_value(json_object_get(
                    json_object_get(json_object_get(payload, "result"), "eval"), "mean_return")));
        json_decref(payload);
    }
    assert_int_equal(worker_wait(&w), 0);
    worker_dir_remove(&w);
    assert_int_equal(n_final, 1);
    return n;
}

static void run_evaluates_its_last_step_once(void **state)
{
    int64_t steps[2] = {0, 0};
    int n;

    (void)state;
    n = evaluations("{\"eval\":{\"interval\":5000,\"episodes\":20}}", steps);
    assert_int_equal(n, 5); /* at the start, after 5000, 10000, 15000 and at the end */
    assert_true(steps[0] < steps[1]);
    /* other episodes: the curve keeps its last point */
    n = evaluations("{\"eval\":{\"interval\":5000,\"episodes\":20,\"final_episodes\":20,"
                    "\"seed\":3},\"total_steps\":18000}",
                    steps);
    assert_int_equal(n, 5); /* none was due with the last step */
    assert_true(steps[0] < steps[1]);
}

static void run_ends_with_a_checkpoint_when_the_server_is_gone(void **state)
{
    struct worker w;
    char path[256], name[64];
    int i, found = 0;

    (void)state;
    worker_dir(&w);
    worker_job(&w, "{\"pace_ms\":5}");
    worker_start(&w, "run");
    json_decref(worker_expect(&w, LINK_PROGRESS, 1));
    assert_int_equal(worker_wait(&w), 0); /* closes our end first */
    for (i = 1; i < 10; i++) {
        snprintf(name, sizeof name, "ckpt_%d-shutdown.safetensors", i);
        worker_path(&w, name, path, sizeof path);
        found += access(path, R_OK) == 0;
    }
    assert_int_equal(found, 1);
    worker_dir_remove(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_threads_do_not_change_the_result),
        cmocka_unit_test(run_in_the_learners_memory_gives_the_same_bits),
        cmocka_unit_test(run_resumed_equals_uninterrupted_continuous),
        cmocka_unit_test(run_resumed_equals_uninterrupted_episodic),
        cmocka_unit_test(run_killed_at_any_moment_resumes_to_the_same_result),
        cmocka_unit_test(run_skips_a_torn_checkpoint_for_the_one_before),
        cmocka_unit_test(run_without_snapshots_is_marked_inexact),
        cmocka_unit_test(run_stop_makes_one_artifact_and_a_row_per_iteration),
        cmocka_unit_test(run_failures_name_what_failed),
        cmocka_unit_test(run_reaches_a_target_and_ends),
        cmocka_unit_test(run_evaluates_its_last_step_once),
        cmocka_unit_test(run_ends_with_a_checkpoint_when_the_server_is_gone),
    };

    return cmocka_run_group_tests_name("worker_run", tests, NULL, NULL);
}
