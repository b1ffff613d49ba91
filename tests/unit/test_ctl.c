/* lathectl without a server: command line, values of --set, drawing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <math.h>
#include <string.h>

#include "core/ctl/ctl.h"
#include "core/ctl/render.h"
#include "core/json/json.h"

static int parse(struct ctl *ctl, int n, const char *const *words)
{
    memset(ctl, 0, sizeof *ctl);
    ctl->interrupt_fd = -1;
    return ctl_parse(ctl, n, words);
}

#define COUNT(...) ((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))
#define PARSE(ctl, ...) \
    parse(ctl, COUNT("lathectl", __VA_ARGS__), (const char *const[]){"lathectl", __VA_ARGS__})

/* ---- command line ---- */

static void options_stand_anywhere_and_repeat(void **state)
{
    struct ctl ctl;

    (void)state;
    assert_int_equal(
        PARSE(&ctl, "--json", "train", "--env=X", "--set", "a=1", "--set=b=2", "--seed", "7"),
        CTL_OK);
    assert_string_equal(ctl.command->name, "train");
    assert_true(ctl_has(&ctl, "json"));
    assert_string_equal(ctl_value(&ctl, "env", ""), "X");
    assert_string_equal(ctl_value_at(&ctl, "set", 0), "a=1");
    assert_string_equal(ctl_value_at(&ctl, "set", 1), "b=2");
    assert_null(ctl_value_at(&ctl, "set", 2));
    assert_string_equal(ctl_value(&ctl, "algo", "none"), "none");
}

static void last_value_of_an_option_counts(void **state)
{
    struct ctl ctl;
    int64_t seed;

    (void)state;
    assert_int_equal(PARSE(&ctl, "train", "--seed", "1", "--seed", "2"), CTL_OK);
    assert_true(ctl_int(&ctl, "seed", 0, &seed));
    assert_int_equal(seed, 2);
}

static void words_after_two_dashes_are_arguments(void **state)
{
    struct ctl ctl;

    (void)state;
    assert_int_equal(PARSE(&ctl, "act", "model_1", "--", "--json"), CTL_OK);
    assert_int_equal(ctl.n_args, 2);
    assert_string_equal(ctl.arg[1], "--json");
    assert_false(ctl_has(&ctl, "json"));
}

static void wrong_command_lines_are_usage_errors(void **state)
{
    struct ctl ctl;

    (void)state;
    assert_int_equal(PARSE(&ctl, "nonsense"), CTL_USAGE);
    assert_int_equal(PARSE(&ctl, "train", "--no-such", "1"), CTL_USAGE);
    assert_int_equal(PARSE(&ctl, "train", "--env"), CTL_USAGE);
    assert_int_equal(PARSE(&ctl, "train", "--detach=1"), CTL_USAGE);
    assert_int_equal(PARSE(&ctl, "list", "--env", "X"), CTL_USAGE); /* an option of train */
}

static void counts_may_be_written_short(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {{"0", 0},          {"-3", -3},       {"9007199254740993", 9007199254740993},
                {"100k", 100000},  {"1e6", 1000000}, {"2.5M", 2500000},
                {"1G", 1000000000}};
    static const char *const bad[] = {"",   "x",   "1.5",  "1e400", "10kk",
                                      "5 ", "nan", "1e30", "k",     "99999999999999999999"};
    int64_t got;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(ctl_parse_count(good[i].text, &got));
        assert_int_equal(got, good[i].want);
    }
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (ctl_parse_count(bad[i], &got))
            fail_msg("\"%s\" was taken for a count", bad[i]);
}

static void nearest_name_is_found_or_none(void **state)
{
    static const char *const names[] = {"train", "watch", "list", "CartPole-v1", NULL};

    (void)state;
    assert_string_equal(ctl_nearest(names, "trian"), "train");
    assert_string_equal(ctl_nearest(names, "CartPole-v3"), "CartPole-v1");
    assert_null(ctl_nearest(names, "xyzzy"));
}

static void every_command_is_documented(void **state)
{
    size_t n, i;
    const struct ctl_command *all = ctl_commands(&n);

    (void)state;
    for (i = 0; i < n; i++) {
        assert_true(strlen(all[i].help) > 10);
        assert_ptr_equal(ctl_command_find(all[i].name), &all[i]);
        assert_true(all[i].args_min <= all[i].args_max && all[i].args_max <= CTL_ARGS_MAX);
        for (const struct ctl_option *o = all[i].options; o && o->name; o++)
            assert_true(strlen(o->help) > 5);
    }
}

/* ---- values ---- */

static void assert_value(const char *type, const char *text, const char *want)
{
    json_t *value = ctl_typed_value(type, text), *expected = NULL;

    if (want) {
        assert_int_equal(json_parse_text(want, strlen(want), NULL, &expected, NULL), LATHE_OK);
        if (!value || !json_equal(value, expected))
            fail_msg("%s \"%s\" is not %s", type ? type : "(any)", text, want);
    } else if (value) {
        fail_msg("\"%s\" was taken for %s", text, type);
    }
    json_decref(value);
    json_decref(expected);
}

static void values_take_the_type_of_their_option(void **state)
{
    (void)state;
    assert_value("int", "64", "64");
    assert_value("int", "1e3", "1000");
    assert_value("int", "0.5", NULL);
    assert_value("float", "1", "1.0");
    assert_value("float", "3e-4", "3e-4");
    assert_value("float", "fast", NULL);
    assert_value("float", "inf", NULL);
    assert_value("bool", "true", "true");
    assert_value("bool", "no", "false");
    assert_value("bool", "2", NULL);
    assert_value("string", "123", "\"123\"");
    assert_value("enum", "true", "\"true\"");
    assert_value("list", "[64, 64]", "[64, 64]");
    assert_value("list", "64,64", "[64, 64]");
    assert_value("list", "64,x", NULL);
    assert_value("json", "{\"a\": 1}", "{\"a\": 1}");
    assert_value("json", "{", NULL);
    assert_value(NULL, "7", "7");
    assert_value(NULL, "seven", "\"seven\"");
}

#define ALGORITHM                                                                              \
    "[{\"name\":\"learning_rate\",\"type\":\"float\",\"default\":0.1,\"min\":0,\"max\":1,"     \
    "\"doc\":\"Step size.\"},{\"name\":\"note\",\"type\":\"string\",\"default\":\"\",\"doc\":" \
    "\"Text.\"}]"
#define ENVIRONMENT "[{\"name\":\"gravity\",\"type\":\"float\",\"default\":9.8,\"doc\":\"Pull.\"}]"

static json_t *json_of(const char *text)
{
    struct lathe_error err = {0};
    json_t *value = NULL;

    assert_ok(json_parse_text(text, strlen(text), NULL, &value, &err), &err);
    return value;
}

/* The request for these words, or NULL. */
static json_t *body_of(int n, const char *const *words)
{
    json_t *algorithm = json_of(ALGORITHM), *env = json_of(ENVIRONMENT), *body = NULL;
    struct ctl ctl;

    if (parse(&ctl, n, words) == CTL_OK)
        body = ctl_run_body(&ctl, algorithm, env);
    json_decref(algorithm);
    json_decref(env);
    return body;
}

#define TRAIN "lathectl", "train", "--env", "E-v0", "--algo", "a"
#define BODY(...) body_of(COUNT(TRAIN, __VA_ARGS__), (const char *const[]){TRAIN, __VA_ARGS__})

static void settings_go_where_they_belong(void **state)
{
    json_t *body = BODY("--steps", "2k", "--seed", "5", "--set", "n_envs=4", "--set",
                        "learning_rate=0.5", "--set", "note=12", "--set", "eval.seed=9",
                        "--env-set", "gravity=1", "--eval-every", "100", "--eval-episodes", "3");
    json_t *want =
        json_of("{\"env\":{\"id\":\"E-v0\",\"options\":{\"gravity\":1.0}},\"algorithm\":{"
                "\"id\":\"a\",\"options\":{\"learning_rate\":0.5,\"note\":\"12\"}},"
                "\"total_steps\":2000,\"seed\":5,\"n_envs\":4,\"eval\":{\"every\":100,"
                "\"episodes\":3,\"seed\":9}}");

    (void)state;
    assert_non_null(body);
    assert_true(json_equal(body, want));
    json_decref(body);
    json_decref(want);
}

static void request_becomes_the_specification_of_a_job(void **state)
{
    json_t *body =
        BODY("--iterations", "10", "--set", "target=4", "--eval-every", "5", "--name", "n");
    json_t *spec = ctl_run_spec(body);
    json_t *want = json_of("{\"task\":\"rl.train\",\"env\":{\"name\":\"E-v0\"},\"algorithm\":{"
                           "\"name\":\"a\"},\"mode\":\"episodic\",\"total_iterations\":10,"
                           "\"n_envs\":8,\"eval\":{\"interval\":5},\"target\":{\"metric\":"
                           "\"mean_return\",\"value\":4.0}}");

    (void)state;
    assert_non_null(spec);
    assert_true(json_equal(spec, want));
    json_decref(body);
    json_decref(spec);
    json_decref(want);
}

static void settings_that_are_wrong_are_refused(void **state)
{
    (void)state;
    assert_null(BODY("--seed", "1")); /* no length */
    assert_null(BODY("--steps", "many"));
    assert_null(BODY("--steps", "10", "--set", "learning_rate"));
    assert_null(BODY("--steps", "10", "--set", "=1"));
    assert_null(BODY("--steps", "10", "--set", "learning_rat=1"));
    assert_null(BODY("--steps", "10", "--set", "learning_rate=2")); /* out of range */
    assert_null(BODY("--steps", "10", "--set", "n_envs=many"));
    assert_null(BODY("--steps", "10", "--set", "gravity=1")); /* the environment's */
    assert_null(BODY("--steps", "10", "--env-set", "gravit=1"));
}

/* ---- drawing ---- */

static void assert_text(struct strbuf *out, const char *want)
{
    assert_string_equal(out->data, want);
    strbuf_clear(out);
}

static void bars_fill_by_eighths(void **state)
{
    struct strbuf out;

    (void)state;
    strbuf_init(&out);
    render_bar(&out, 0, 4, 1);
    assert_text(&out, "░░░░");
    render_bar(&out, 0.375, 4, 1);
    assert_text(&out, "█▌░░");
    render_bar(&out, 2, 4, 1);
    assert_text(&out, "████");
    render_bar(&out, NAN, 4, 0);
    assert_text(&out, "----");
    render_bar(&out, 0.5, 4, 0);
    assert_text(&out, "##--");
    strbuf_fini(&out);
}

static void sparklines_reach_from_lowest_to_highest(void **state)
{
    const double rising[] = {-1, 0, 1, 6}, equal[] = {5, 5};
    struct strbuf out;

    (void)state;
    strbuf_init(&out);
    render_spark(&out, rising, 4, 1);
    assert_text(&out, "▁▂▃█");
    render_spark(&out, equal, 2, 1);
    assert_text(&out, "▁▁");
    render_spark(&out, rising, 4, 0);
    assert_text(&out, "_.-#");
    render_spark(&out, rising, 0, 1);
    assert_text(&out, "");
    strbuf_fini(&out);
}

static void numbers_are_short(void **state)
{
    static const struct {
        double n;
        const char *want;
    } counts[] = {{0, "0"},          {9999, "9999"},     {12345, "12.3k"},
                  {999999, "1.00M"}, {4560000, "4.56M"}, {123e6, "123M"}};
    char out[32];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        render_count(counts[i].n, out);
        assert_string_equal(out, counts[i].want);
    }
    render_duration(7.4, out);
    assert_string_equal(out, "7 s");
    render_duration(245, out);
    assert_string_equal(out, "4:05");
    render_duration(3723, out);
    assert_string_equal(out, "1:02:03");
    render_duration(INFINITY, out);
    assert_string_equal(out, "0 s");
}

static void progress_keeps_the_whole_course(void **state)
{
    struct render_progress p;
    int i;

    (void)state;
    render_progress_init(&p);
    for (i = 0; i < 1000; i++)
        render_progress_add(&p, i);
    render_progress_add(&p, NAN);
    assert_in_range(p.n_spark, RENDER_SPARK / 2, RENDER_SPARK);
    assert_true(p.spark[0] < 32 && p.spark[p.n_spark - 1] > 900);
    for (i = 1; i < p.n_spark; i++)
        assert_true(p.spark[i] > p.spark[i - 1]);
    assert_close(p.latest, 999, 0, 0);
}

static void progress_line_fits_the_terminal(void **state)
{
    struct render_progress p;
    struct strbuf out;
    int width;

    (void)state;
    render_progress_init(&p);
    for (width = 0; width < 40; width++)
        render_progress_add(&p, width);
    p.first = 0;
    p.current = 25000;
    p.total = 100000;
    p.sps = 5000;
    p.first_s = 1;
    p.now_s = 6;
    strbuf_init(&out);
    render_progress_line(&out, &p, 200, 1);
    assert_contains(out.data, " 25%  25.0k/100k  5000 steps/s  15 s left  return 39.00 ");
    for (width = 60; width <= 200; width += 10) {
        strbuf_clear(&out);
        render_progress_line(&out, &p, width, 1);
        assert_true(render_width(out.data) < width);
    }
    strbuf_fini(&out);
}

static void plots_join_their_points(void **state)
{
    const double x[] = {0, 100}, y[] = {0, 3};
    struct render_plot plot = {.x = x, .y = y, .n = 2, .width = 4, .height = 4};
    struct strbuf out;

    (void)state;
    strbuf_init(&out);
    render_plot(&out, &plot);
    assert_text(&out, "          3 |   *\n          2 |  * \n          1 | ** \n"
                      "          0 |**  \n             0 100\n");
    plot.n = 1;
    plot.is_utf8 = 1;
    render_plot(&out, &plot);
    assert_true(out.len_bytes > 0);
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere_and_repeat),
        cmocka_unit_test(last_value_of_an_option_counts),
        cmocka_unit_test(words_after_two_dashes_are_arguments),
        cmocka_unit_test(wrong_command_lines_are_usage_errors),
        cmocka_unit_test(counts_may_be_written_short),
        cmocka_unit_test(nearest_name_is_found_or_none),
        cmocka_unit_test(every_command_is_documented),
        cmocka_unit_test(values_take_the_type_of_their_option),
        cmocka_unit_test(settings_go_where_they_belong),
        cmocka_unit_test(request_becomes_the_specification_of_a_job),
        cmocka_unit_test(settings_that_are_wrong_are_refused),
        cmocka_unit_test(bars_fill_by_eighths),
        cmocka_unit_test(sparklines_reach_from_lowest_to_highest),
        cmocka_unit_test(numbers_are_short),
        cmocka_unit_test(progress_keeps_the_whole_course),
        cmocka_unit_test(progress_line_fits_the_terminal),
        cmocka_unit_test(plots_join_their_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
