/* Role serve: a trained policy answers, callers step environments, wrong questions get an answer
 * too. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker_fixture.h"

struct serving {
    struct worker train, serve;
    int64_t id;
};

/* Sends a request; returns the body, or the error object when status is not 0. */
static json_t *ask(struct serving *s, const char *op, const char *body, int *status)
{
    char text[4096];
    json_t *answer, *part;

    snprintf(text, sizeof text, "{\"id\":%lld,\"op\":\"%s\",\"body\":%s}", (long long)++s->id, op,
             body);
    worker_send(&s->serve, LINK_REQUEST, text);
    answer = worker_expect(&s->serve, LINK_RESPONSE, 1);
    assert_int_equal(json_integer_value(json_object_get(answer, "id")), s->id);
    *status = (int)json_integer_value(json_object_get(answer, "status"));
    part = json_incref(json_object_get(answer, *status == 0 ? "body" : "error"));
    assert_non_null(part);
    json_decref(answer);
    return part;
}

static json_t *ask_ok(struct serving *s, const char *op, const char *body)
{
    int status;
    json_t *out = ask(s, op, body, &status);

    if (status != 0)
        print_error("%s: %s\n", op, json_string_value(json_object_get(out, "text")));
    assert_int_equal(status, 0);
    return out;
}

static void ask_bad(struct serving *s, const char *op, const char *body, int want,
                    const char *field)
{
    int status;
    json_t *out = ask(s, op, body, &status);

    assert_int_equal(status, want);
    assert_string_equal(json_string_value(json_object_get(out, "field")), field);
    json_decref(out);
}

static int open_policy(void **state)
{
    struct serving *s = calloc(1, sizeof *s);
    char hash[65], path[256], more[512];

    assert_non_null(s);
    worker_dir(&s->train);
    worker_job(&s->train, "{}");
    worker_run_to_end(&s->train, hash);
    worker_path(&s->train, "policy.safetensors", path, sizeof path);
    worker_dir(&s->serve);
    snprintf(more, sizeof more, "{\"role\":\"serve\",\"policy\":\"%s\"}", path);
    worker_job(&s->serve, more);
    worker_start(&s->serve, "serve");
    json_decref(worker_expect(&s->serve, LINK_HELLO, 1));
    *state = s;
    return 0;
}

static int close_serving(void **state)
{
    struct serving *s = *state;

    worker_send(&s->serve, LINK_SHUTDOWN, "{}");
    assert_int_equal(worker_wait(&s->serve), 0);
    worker_dir_remove(&s->serve);
    if (s->train.dir[0] != '\0')
        worker_dir_remove(&s->train);
    free(s);
    return 0;
}

static int open_host(void **state)
{
    struct serving *s = calloc(1, sizeof *s);

    assert_non_null(s);
    worker_dir(&s->serve);
    worker_job(&s->serve, "{\"role\":\"serve\"}");
    worker_start(&s->serve, "serve");
    json_decref(worker_expect(&s->serve, LINK_HELLO, 1));
    *state = s;
    return 0;
}

static void serve_policy_acts_on_observations_and_states(void **state)
{
    struct serving *s = *state;
    json_t *out = ask_ok(s, "act", "{\"observation\":[1,0]}");
    json_t *first = json_array_get(json_object_get(out, "actions"), 0);

    assert_string_equal(json_string_value(json_object_get(first, "action")), "right");
    assert_int_equal(json_integer_value(json_object_get(first, "action_index")), 1);
    assert_true(
        json_number_value(json_object_get(json_object_get(first, "probabilities"), "right")) > 0.5);
    json_decref(out);
    out = ask_ok(s, "act", "{\"states\":[{\"position\":2},{\"position\":0}]}");
    assert_int_equal(json_array_size(json_object_get(out, "actions")), 2);
    json_decref(out);
    out = ask_ok(s, "act", "{\"observations\":[[0,0],[1,1],[2,2]],\"mode\":\"sample\",\"seed\":5}");
    assert_int_equal(json_array_size(json_object_get(out, "actions")), 3);
    json_decref(out);
}

static void serve_policy_refuses_wrong_questions(void **state)
{
    struct serving *s = *state;

    ask_bad(s, "act", "{}", LATHE_E_INVALID, "observation");
    ask_bad(s, "act", "{\"observation\":[1]}", LATHE_E_INVALID, "observation");
    ask_bad(s, "act", "{\"observation\":[1,2,3]}", LATHE_E_INVALID, "observation");
    ask_bad(s, "act", "{\"observation\":[1,1e39]}", LATHE_E_INVALID, "observation");
    ask_bad(s, "act", "{\"observations\":[]}", LATHE_E_INVALID, "observations");
    ask_bad(s, "act", "{\"observation\":[1,0],\"mode\":\"best\"}", LATHE_E_INVALID, "mode");
    ask_bad(s, "act", "{\"observation\":[1,0],\"extra\":1}", LATHE_E_INVALID, "extra");
    ask_bad(s, "act", "{\"state\":{\"place\":1}}", LATHE_E_INVALID, "position");
    ask_bad(s, "fly", "{}", LATHE_E_UNSUPPORTED, "op");
    ask_bad(s, "evaluate", "{\"episodes\":0}", LATHE_E_INVALID, "episodes");
    json_decref(ask_ok(s, "act", "{\"observation\":[1,0]}")); /* still there */
}

static void serve_evaluation_repeats_exactly_and_explains_itself(void **state)
{
    struct serving *s = *state;
    const char *body = "{\"episodes\":30,\"seed\":5,\"trials\":4,\"traces\":2,\"info_rows\":true,"
                       "\"mode\":\"sample\"}";
    json_t *one = ask_ok(s, "evaluate", body), *two = ask_ok(s, "evaluate", body);
    json_t *trace = json_array_get(json_object_get(one, "traces"), 0), *reward;
    double sum = 0.0;
    size_t i;

    json_object_del(one, "wall_ms");
    json_object_del(two, "wall_ms");
    assert_true(json_equal(one, two));
    json_array_foreach(json_object_get(trace, "rewards"), i, reward) sum +=
        json_number_value(reward);
    assert_true(fabs(sum - json_number_value(json_object_get(trace, "return"))) < 1e-6);
    assert_int_equal(i, json_integer_value(json_object_get(trace, "length")));
    assert_true(json_number_value(json_object_get(json_object_get(one, "pass_k"), "1")) >=
                json_number_value(json_object_get(json_object_get(one, "pass_k"), "4")));
    assert_int_equal(json_array_size(json_object_get(json_object_get(one, "info"), "rows")), 30);
    json_decref(one);
    json_decref(two);
}

static void serve_hosts_environments_step_by_step(void **state)
{
    struct serving *s = *state;
    const char *create = "{\"id\":\"e1\",\"env\":{\"name\":\"Walk-v0\"},"
                         "\"stream\":{\"seed\":42,\"purpose\":3,\"index\":1}}";
    json_t *out = ask_ok(s, "env.create", create);
    int over = 0, steps = 0;

    assert_int_equal(json_array_size(json_object_get(out, "actions")), 2);
    assert_int_equal(json_integer_value(json_object_get(out, "max_steps")), 20);
    json_decref(out);
    ask_bad(s, "env.create", create, LATHE_E_EXISTS, "id");
    ask_bad(s, "env.step", "{\"id\":\"e1\",\"action\":\"up\"}", LATHE_E_INVALID, "action");
    ask_bad(s, "env.step", "{\"id\":\"e1\",\"action\":2}", LATHE_E_INVALID, "action");
    ask_bad(s, "env.step", "{\"id\":\"e2\",\"action\":0}", LATHE_E_NOT_FOUND, "id");
    while (!over && steps < 30) {
        out = ask_ok(s, "env.step", "{\"id\":\"e1\",\"action\":\"right\"}");
        over = json_is_true(json_object_get(out, "terminated")) ||
               json_is_true(json_object_get(out, "truncated"));
        assert_int_equal(json_integer_value(json_object_get(out, "t")), ++steps);
        json_decref(out);
    }
    assert_true(over);
    ask_bad(s, "env.step", "{\"id\":\"e1\",\"action\":1}", LATHE_E_CONFLICT, "");
    json_decref(ask_ok(s, "env.reset", "{\"id\":\"e1\",\"seed\":3}"));
    json_decref(ask_ok(s, "env.step", "{\"id\":\"e1\",\"action\":1}"));
    json_decref(ask_ok(s, "env.close", "{\"id\":\"e1\"}"));
    ask_bad(s, "env.state", "{\"id\":\"e1\"}", LATHE_E_NOT_FOUND, "id");
    out = ask_ok(s, "env.solve", "{\"env\":{\"name\":\"Walk-v0\"}}");
    assert_int_equal(json_integer_value(json_object_get(out, "goal")), 4);
    json_decref(out);
    out = ask_ok(s, "env.describe", "{\"env\":{\"name\":\"Walk-v0\"}}");
    assert_int_equal(json_integer_value(json_object_get(out, "obs_dim")), 2);
    json_decref(out);
    ask_bad(s, "act", "{}", LATHE_E_UNSUPPORTED, "op");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(serve_policy_acts_on_observations_and_states, open_policy,
                                        close_serving),
        cmocka_unit_test_setup_teardown(serve_policy_refuses_wrong_questions, open_policy,
                                        close_serving),
        cmocka_unit_test_setup_teardown(serve_evaluation_repeats_exactly_and_explains_itself,
                                        open_policy, close_serving),
        cmocka_unit_test_setup_teardown(serve_hosts_environments_step_by_step, open_host,
                                        close_serving),
    };

    return cmocka_run_group_tests_name("worker_serve", tests, NULL, NULL);
}
