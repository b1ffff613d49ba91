/* The smaller parts of the worker: probes, tasks of plugins, job files, values on the wire. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/worker/codec.h"
#include "core/worker/job.h"
#include "worker_fixture.h"

#define PLUGINS LATHE_BINARY_DIR "/tests/plugins/"

static json_t *probe(const char *file, const char *options)
{
    char command[1024], text[65536];
    FILE *pipe;
    size_t n;
    json_t *out;

    snprintf(command, sizeof command,
             LATHE_BINARY_DIR "/bin/lathe-worker --role probe %s %s 2>/dev/null", file, options);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    n = fread(text, 1, sizeof text, pipe);
    assert_int_equal(pclose(pipe), 0);
    out = json_loadb(text, n, 0, NULL);
    assert_non_null(out);
    return out;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static void probe_describes_an_environment(void **state)
{
    json_t *out = probe(PLUGINS "worker_env.so", "");
    const json_t *component = json_array_get(json_object_get(out, "components"), 0);
    const json_t *describe = json_object_get(component, "describe");

    (void)state;
    assert_true(json_is_true(json_object_get(out, "ok")));
    assert_string_equal(text_of(json_object_get(out, "plugin"), "id"), "org.lathe.test.walk");
    assert_string_equal(text_of(component, "name"), "Walk-v0");
    assert_int_equal(json_array_size(json_object_get(component, "options")), 2);
    assert_int_equal(json_integer_value(json_object_get(describe, "obs_dim")), 2);
    assert_string_equal(text_of(json_object_get(describe, "action"), "kind"), "discrete");
    assert_int_equal(json_array_size(json_object_get(describe, "info_names")), 2);
    json_decref(out);
}

static void probe_survives_a_crash_and_a_hang(void **state)
{
    json_t *out = probe(PLUGINS "worker_crash.so", "");

    (void)state;
    assert_true(json_is_false(json_object_get(out, "ok")));
    assert_string_equal(text_of(out, "reason"), "signal 9 in init");
    json_decref(out);
    out = probe(PLUGINS "worker_hang.so", "--timeout-ms 700");
    assert_string_equal(text_of(out, "reason"), "no answer within 700 ms in init");
    json_decref(out);
    out = probe("/nowhere.so", "");
    assert_true(json_is_false(json_object_get(out, "ok")));
    json_decref(out);
}

static void task_job(const struct worker *w, const char *more)
{
    char members[1024];

    snprintf(members, sizeof members,
             "{\"task\":\"test.count\",\"plugins\":[{\"path\":\"" PLUGINS "worker_task.so\"}],"
             "\"spec\":{\"total\":%s",
             more);
    worker_job(w, members);
}

static void task_of_a_plugin_pauses_resumes_and_ends(void **state)
{
    struct worker w;
    char path[256], more[512];
    json_t *payload;

    (void)state;
    worker_dir(&w);
    task_job(&w, "200000},\"checkpoint\":{\"interval\":50000}}");
    worker_start(&w, "run");
    payload = worker_expect(&w, LINK_CHECKPOINT, 1);
    json_decref(payload);
    worker_send(&w, LINK_SHUTDOWN, "{}");
    do {
        payload = worker_expect(&w, LINK_CHECKPOINT, 1);
        worker_path(&w, text_of(payload, "file"), path, sizeof path);
        if (strcmp(text_of(payload, "kind"), "shutdown") == 0)
            break;
        json_decref(payload);
    } while (1);
    json_decref(payload);
    assert_int_equal(worker_wait(&w), 0);
    snprintf(more, sizeof more, "200000},\"resume\":[\"%s\"]}", path);
    task_job(&w, more);
    worker_start(&w, "run");
    payload = worker_expect(&w, LINK_DONE, 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(payload, "result"), "sum")),
                     7LL * 200000 * 200001 / 2); /* as if never interrupted */
    json_decref(payload);
    assert_int_equal(worker_wait(&w), 0);
    task_job(&w, "\"x\"}}");
    worker_start(&w, "run");
    payload = worker_expect(&w, LINK_ERROR, 1);
    assert_string_equal(text_of(payload, "field"), "spec.total");
    json_decref(payload);
    assert_int_equal(worker_wait(&w), 1);
    worker_dir_remove(&w);
}

static int number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return (int)json_integer_value(value);
}

/* What the plugin could not do, by errno; with members for the job file. *has_landlock as the
 * worker says. */
static json_t *try_to_escape(const char *members, int *has_landlock)
{
    char outside[] = "/tmp/lathe-outside-XXXXXX", text[1024];
    int fd = mkstemp(outside);
    struct worker w;
    json_t *hello, *done, *result;

    assert_true(fd >= 0);
    close(fd);
    worker_dir(&w);
    snprintf(text, sizeof text,
             "{\"task\":\"test.escape\",\"plugins\":[{\"path\":\"" PLUGINS "worker_escape.so\"}],"
             "\"spec\":{\"outside\":\"%s\",\"inside\":\"%s/own\"}%s}",
             outside, w.dir, members);
    worker_job(&w, text);
    worker_start(&w, "run");
    hello = worker_expect(&w, LINK_HELLO, 1);
    *has_landlock =
        json_is_true(json_object_get(json_object_get(hello, "confinement"), "landlock"));
    assert_true(json_is_true(json_object_get(json_object_get(hello, "confinement"), "seccomp")));
    json_decref(hello);
    done = worker_expect(&w, LINK_DONE, 1);
    result = json_incref(json_object_get(done, "result"));
    json_decref(done);
    assert_int_equal(worker_wait(&w), 0);
    worker_dir_remove(&w);
    assert_int_equal(unlink(outside), 0);
    return result;
}

static void plugins_of_a_confined_worker_stay_inside(void **state)
{
    int has_landlock = 0;
    json_t *r = try_to_escape("", &has_landlock);

    (void)state;
    assert_int_equal(number_of(r, "inet"), EPERM);
    assert_int_equal(number_of(r, "local"), EPERM);
    assert_int_equal(number_of(r, "program"), EPERM);
    assert_int_equal(number_of(r, "child"), EPERM);
    assert_int_equal(number_of(r, "write_inside"), 0);
    assert_int_equal(number_of(r, "read_inside"), 0);
    if (has_landlock) {
        assert_int_equal(number_of(r, "read_outside"), EACCES);
        assert_int_equal(number_of(r, "write_outside"), EACCES);
        assert_int_equal(number_of(r, "read_config"), EACCES);
    } else {
        print_message("this kernel has no Landlock: files were not checked\n");
    }
    json_decref(r);
    /* each bar by itself, so that the attempts above are known to be real */
    r = try_to_escape(",\"confine\":{\"seccomp\":true,\"landlock\":false}", &has_landlock);
    assert_false(has_landlock);
    assert_int_equal(number_of(r, "read_outside"), 0);
    assert_int_equal(number_of(r, "write_outside"), 0);
    assert_int_equal(number_of(r, "read_config"), 0);
    json_decref(r);
}

static void refuse_job(const char *text, const char *field)
{
    struct lathe_error err = {0};
    struct wjob job;

    assert_int_equal(wjob_parse(text, strlen(text), &job, &err), LATHE_E_INVALID);
    assert_string_equal(err.field, field);
}

#define HEAD "{\"version\":1,\"dir\":\"/tmp\",\"task\":\"rl.train\","

static void job_file_names_the_member_at_fault(void **state)
{
    (void)state;
    refuse_job("[]", "");
    refuse_job("{", "");
    refuse_job(HEAD "\"total_steps\":1,\"thread\":2}", "thread");
    refuse_job(HEAD "\"total_steps\":1,\"threads\":0}", "threads");
    refuse_job(HEAD "\"total_steps\":-1}", "total_steps");
    refuse_job(HEAD "\"n_envs\":1}", "total_steps");
    refuse_job(HEAD "\"mode\":\"episodic\",\"total_steps\":5}", "total_steps");
    refuse_job(HEAD "\"mode\":\"both\",\"total_steps\":5}", "mode");
    refuse_job(HEAD "\"total_steps\":5,\"eval\":{\"episode\":5}}", "eval.episode");
    refuse_job(HEAD "\"total_steps\":5,\"env\":{\"options\":{}}}", "env.name");
    refuse_job(HEAD "\"total_steps\":5,\"seed\":\"12x\"}", "seed");
    refuse_job("{\"version\":2,\"dir\":\"/tmp\",\"task\":\"env.solve\"}", "version");
    refuse_job("{\"dir\":\"tmp\",\"task\":\"env.solve\"}", "dir");
}

static void job_file_defaults_are_those_documented(void **state)
{
    const char *text = HEAD "\"total_steps\":5,\"seed\":\"9007199254740993\"}";
    struct wjob job;

    (void)state;
    assert_int_equal(wjob_parse(text, strlen(text), &job, NULL), LATHE_OK);
    assert_true(job.seed == 9007199254740993u);
    assert_int_equal(job.threads, 1);
    assert_int_equal(job.eval.episodes, 100);
    assert_int_equal(job.eval.final_episodes, 100);
    assert_int_equal(job.eval.seed, 10000);
    assert_int_equal(job.checkpoint_keep, 3);
    assert_int_equal(job.time_limit, -1);
    wjob_close(&job);
}

static void floats_are_written_as_they_were_meant(void **state)
{
    static const float values[] = {0.8f, -10.1f, 1.0f, 16777216.0f, 1e-7f, 0.1f + 0.2f};
    static const char *const texts[] = {"0.8", "-10.1", "1", "1.6777216e+07", "1e-07", "0.3"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct strbuf out;

        strbuf_init(&out);
        codec_add_float(&out, values[i]);
        assert_true(strtof(out.data, NULL) == values[i]);
        if (i < 3)
            assert_string_equal(out.data, texts[i]);
        strbuf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_describes_an_environment),
        cmocka_unit_test(probe_survives_a_crash_and_a_hang),
        cmocka_unit_test(task_of_a_plugin_pauses_resumes_and_ends),
        cmocka_unit_test(plugins_of_a_confined_worker_stay_inside),
        cmocka_unit_test(job_file_names_the_member_at_fault),
        cmocka_unit_test(job_file_defaults_are_those_documented),
        cmocka_unit_test(floats_are_written_as_they_were_meant),
    };

    return cmocka_run_group_tests_name("worker_parts", tests, NULL, NULL);
}
