/* core/config: option tables, params, configuration files. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/config.h"
#include "core/json/json.h"
#include "core/json/schema.h"

static const char *const modes[] = {"fast", "exact", NULL};

static const struct lathe_option *const options[] = {
    LATHE_OPTION("gamma", LATHE_OPT_FLOAT, LATHE_OPT_MAX_EXCLUDED | LATHE_OPT_LIVE, "0.99", 0, 1,
                 NULL, NULL, "Discount of later rewards."),
    LATHE_OPTION_INT("n_steps", "2048", 1, 1000000, "Steps per update."),
    LATHE_OPTION_INT("seed", "0", 0, 0, "Seed, any integer."),
    LATHE_OPTION_BOOL("normalize", "true", "Normalise advantages."),
    LATHE_OPTION_ENUM("mode", "fast", modes, "How to compute."),
    LATHE_OPTION_STRING("name", "run", 8, "Name of the run."),
    LATHE_OPTION_LIST("layers", "[64, 64]", 1, 4096, "Widths of hidden layers."),
    LATHE_OPTION_JSON("extra", "{\"a\":null}", "Anything."),
    LATHE_OPTION("timeout", LATHE_OPT_FLOAT, 0, "1e-05", 0, 10, NULL, "s", "How long to wait."),
    LATHE_OPTION("token", LATHE_OPT_STRING, LATHE_OPT_SECRET, "", 0, 0, NULL, NULL, "A secret."),
    NULL};

static const struct lathe_option *const needy[] = {
    LATHE_OPTION("path", LATHE_OPT_STRING, LATHE_OPT_REQUIRED, NULL, 0, 0, NULL, NULL, "A path."),
    LATHE_OPTION_INT("port", "8000", 0, 65535, "A port."), NULL};

static const struct config_section tls = {"tls", "Encryption.", 0, needy, NULL};
static const struct config_section *const listener_sections[] = {&tls, NULL};
static const struct config_section listeners = {"listeners", "Where to listen.", CONFIG_LIST, needy,
                                                listener_sections};
static const struct config_section server = {"server", "The server.", 0, options, NULL};
static const struct config_section *const root_sections[] = {&server, &listeners, &tls, NULL};
static const struct config_section root = {"", "Settings of the test.", 0, NULL, root_sections};

static json_t *parse(const char *text)
{
    struct lathe_error err = {0};
    json_t *value = NULL;

    assert_ok(json_parse_text(text, strlen(text), NULL, &value, &err), &err);
    return value;
}

static int32_t new_params(const char *text, struct params **out, struct lathe_error *err)
{
    json_t *values = parse(text);
    int32_t st;

    memset(err, 0, sizeof *err);
    st = params_new(options, values, out, err);
    json_decref(values);
    return st;
}

/* --- names and tables --------------------------------------------------------------------------
 */

static void distance_counts_edits_and_swaps(void **state)
{
    (void)state;
    assert_int_equal(text_distance("gamma", "gamma", 3), 0);
    assert_int_equal(text_distance("gama", "gamma", 3), 1);
    assert_int_equal(text_distance("agmma", "gamma", 3), 1);
    assert_int_equal(text_distance("Gamma", "gamma", 3), 0);
    assert_int_equal(text_distance("", "abc", 3), 3);
    assert_int_equal(text_distance("abcdef", "xyz", 3), 4);
    assert_string_equal(option_nearest(options, "nsteps"), "n_steps");
    assert_string_equal(option_nearest(options, "normalise"), "normalize");
    assert_null(option_nearest(options, "learning_rate"));
}

static void tables_with_defects_are_refused(void **state)
{
    const struct lathe_option *const out_of_range[] = {LATHE_OPTION_INT("n", "0", 1, 5, "x"), NULL};
    const struct lathe_option *const not_a_number[] = {LATHE_OPTION_FLOAT("n", "nan", 0, 0, "x"),
                                                       NULL};
    const struct lathe_option *const no_default[] = {LATHE_OPTION_INT("n", NULL, 0, 0, "x"), NULL};
    const struct lathe_option *const bad_choice[] = {LATHE_OPTION_ENUM("n", "slow", modes, "x"),
                                                     NULL};
    const struct lathe_option *const bad_name[] = {LATHE_OPTION_BOOL("N", "true", "x"), NULL};
    const struct lathe_option *const no_doc[] = {LATHE_OPTION_BOOL("n", "true", ""), NULL};
    const struct lathe_option *const twice[] = {LATHE_OPTION_BOOL("n", "true", "x"),
                                                LATHE_OPTION_BOOL("n", "true", "x"), NULL};
    const option_list bad[] = {out_of_range, not_a_number, no_default, bad_choice,
                               bad_name,     no_doc,       twice};
    struct lathe_error err = {0};

    (void)state;
    assert_ok(options_check(options, &err), &err);
    assert_ok(options_check(needy, &err), &err);
    assert_ok(options_check(NULL, &err), &err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(options_check(bad[i], &err), LATHE_E_INVALID);
}

static void tables_survive_json(void **state)
{
    const option_list tables[] = {options, needy};
    struct lathe_error err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        json_t *first = options_to_json(tables[i]), *second;
        struct option_table *table = NULL;
        assert_ok(options_from_json(first, &table, &err), &err);
        second = options_to_json(option_table_list(table));
        assert_true(json_same(first, second));
        assert_int_equal(option_count(option_table_list(table)), option_count(tables[i]));
        for (size_t k = 0; tables[i][k] != NULL; k++)
            assert_int_equal(option_table_list(table)[k]->flags, tables[i][k]->flags);
        option_table_free(table);
        json_decref(first);
        json_decref(second);
    }
}

static void tables_from_bad_json_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[1]",
        "[{\"name\":\"a\"}]",
        "[{\"name\":\"a\",\"type\":\"text\",\"doc\":\"x\",\"default\":\"\"}]",
        "[{\"name\":\"a\",\"type\":\"int\",\"doc\":\"x\",\"default\":\"x\"}]",
        "[{\"name\":\"a\",\"type\":\"int\",\"doc\":\"x\"}]",
        "[{\"name\":\"a\",\"type\":\"enum\",\"doc\":\"x\",\"default\":\"b\",\"choices\":[1]}]"};
    struct lathe_error err = {0};
    struct option_table *table = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *value = parse(bad[i]);
        assert_int_equal(options_from_json(value, &table, &err), LATHE_E_INVALID);
        json_decref(value);
    }
    assert_null(table);
}

static void tables_as_schema_accept_their_own_defaults(void **state)
{
    struct lathe_error err = {0};
    json_t *document = options_to_schema(options), *values, *wrong;
    struct params *params;
    struct schema *schema;

    (void)state;
    assert_ok(schema_compile(document, "", NULL, &schema, &err), &err);
    assert_ok(params_new(options, NULL, &params, &err), &err);
    values = params_to_json(params, 0, 1);
    assert_int_equal(schema_validate(schema, values, NULL), LATHE_OK);
    wrong = parse("{\"gamma\":1}");
    assert_int_equal(schema_validate(schema, wrong, NULL), LATHE_E_INVALID);
    json_decref(wrong);
    json_decref(values);
    params_free(params);
    schema_free(schema);
    json_decref(document);
}

/* --- params ---------------------------------------------------------------------------------- */

static void params_have_defaults_and_given_values(void **state)
{
    struct lathe_error err;
    struct params *params;
    const struct lathe_params *p;
    double layers[2] = {0, 0};

    (void)state;
    assert_ok(
        new_params("{\"n_steps\":16.0,\"mode\":\"exact\",\"layers\":[1,2.5,3]}", &params, &err),
        &err);
    p = params_table(params);
    assert_true(p->get_float(p, "gamma") == 0.99);
    assert_int_equal(p->get_int(p, "n_steps"), 16);
    assert_true(p->get_float(p, "n_steps") == 16.0);
    assert_int_equal(p->get_bool(p, "normalize"), 1);
    assert_string_equal(p->get_string(p, "mode"), "exact");
    assert_int_equal(p->get_list(p, "layers", layers, 2), 3);
    assert_true(layers[0] == 1 && layers[1] == 2.5);
    assert_string_equal(p->get_json(p, "extra"), "{\"a\":null}");
    assert_int_equal(p->is_set(p, "mode"), 1);
    assert_int_equal(p->is_set(p, "gamma"), 0);
    params_free(params);
}

static void params_refuse_with_the_name_of_the_option(void **state)
{
    static const struct {
        const char *text, *field, *part;
    } cases[] = {{"{\"gama\":0.5}", "gama", "did you mean \"gamma\"?"},
                 {"{\"qqqqqqqq\":0.5}", "qqqqqqqq", "unknown option"},
                 {"{\"gamma\":1.0}", "gamma", "must be at least 0 and below 1, not 1"},
                 {"{\"gamma\":\"0.5\"}", "gamma", "must be a number, not a string"},
                 {"{\"n_steps\":0}", "n_steps", "must be at least 1"},
                 {"{\"n_steps\":1.5}", "n_steps", "must be an integer"},
                 {"{\"n_steps\":true}", "n_steps", "must be an integer, not true or false"},
                 {"{\"normalize\":1}", "normalize", "must be true or false"},
                 {"{\"mode\":\"slow\"}", "mode", "one of \"fast\", \"exact\", not \"slow\""},
                 {"{\"name\":\"too long name\"}", "name", "at most 8 bytes"},
                 {"{\"layers\":[64,0]}", "layers", "element 1 must be at least 1"},
                 {"{\"layers\":[64,null]}", "layers", "element 1 must be a number"},
                 {"{\"layers\":64}", "layers", "must be a list"},
                 {"{\"timeout\":11}", "timeout", "at most 10 s"},
                 {"[]", "", "must be an object"}};
    struct params *params = NULL;
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(new_params(cases[i].text, &params, &err), LATHE_E_INVALID);
        assert_string_equal(err.field, cases[i].field);
        assert_contains(err.text, cases[i].part);
    }
    assert_int_equal(params_new(needy, NULL, &params, &err), LATHE_E_INVALID);
    assert_contains(err.text, "option \"path\" is required");
    assert_null(params);
}

static void params_refuse_numbers_that_are_not_finite(void **state)
{
    /* Jansson itself cannot hold NaN; a huge integer outside the range must not round into it. */
    const struct lathe_option *const exact[] = {
        LATHE_OPTION_INT("n", "0", 0, 9007199254740992.0, "x"), NULL};
    json_t *values = parse("{\"n\":9007199254740993}");
    struct params *params = NULL;
    struct lathe_error err;

    (void)state;
    assert_null(json_real(NAN));
    assert_int_equal(params_new(exact, values, &params, &err), LATHE_E_INVALID);
    json_decref(values);
}

static void params_hide_secrets(void **state)
{
    struct lathe_error err;
    struct params *params;
    json_t *shown, *full;

    (void)state;
    assert_ok(new_params("{\"token\":\"abc\"}", &params, &err), &err);
    shown = params_to_json(params, 1, 0);
    full = params_to_json(params, 0, 1);
    assert_int_equal(json_object_size(shown), 1);
    assert_string_equal(json_member_string(shown, "token", ""), "***");
    assert_string_equal(json_member_string(full, "token", ""), "abc");
    assert_int_equal(json_object_size(full), option_count(options));
    json_decref(shown);
    json_decref(full);
    params_free(params);
}

static void params_change_only_live_options(void **state)
{
    struct lathe_error err;
    struct params *params, *changed = NULL;
    json_t *live = parse("{\"gamma\":0.5}"), *fixed = parse("{\"n_steps\":1}");

    (void)state;
    assert_ok(new_params("{\"n_steps\":7}", &params, &err), &err);
    assert_int_equal(params_change(params, fixed, &changed, &err), LATHE_E_CONFLICT);
    assert_string_equal(err.field, "n_steps");
    assert_ok(params_change(params, live, &changed, &err), &err);
    assert_true(params_table(changed)->get_float(params_table(changed), "gamma") == 0.5);
    assert_int_equal(params_table(changed)->get_int(params_table(changed), "n_steps"), 7);
    assert_true(params_table(params)->get_float(params_table(params), "gamma") == 0.99);
    params_free(params);
    params_free(changed);
    json_decref(live);
    json_decref(fixed);
}

static void params_reading_something_undeclared_is_logged(void **state)
{
    struct lathe_error err;
    struct params *params;
    const struct lathe_params *p;
    char *dir = test_tmpdir(), tail[4096];

    (void)state;
    assert_ok(log_open(test_path(dir, "log"), LATHE_LOG_INFO, &err), &err);
    assert_ok(new_params("{}", &params, &err), &err);
    p = params_table(params);
    assert_int_equal(p->get_int(p, "no_such_option"), 0);
    assert_string_equal(p->get_string(p, "gamma"), "");
    log_tail(tail, sizeof tail);
    assert_contains(tail, "no_such_option");
    assert_contains(tail, "another type");
    params_free(params);
    log_close();
    test_tmpdir_remove(dir);
}

static void params_come_from_files(void **state)
{
    char *dir = test_tmpdir();
    const char *path = test_path(dir, "x.conf");
    struct lathe_error err = {0};
    struct params *params = NULL;
    const struct lathe_params *p;

    (void)state;
    assert_ok(params_from_file(options, path, &params, &err), &err); /* no file: defaults */
    params_free(params);
    test_write_file(path, "# comment\ngamma = 0.5;\nextra = { x = [1, 2]; y = \"z\"; };\n"
                          "seed = 5000000000;\nlayers = (8, 16.5);\n");
    assert_ok(params_from_file(options, path, &params, &err), &err);
    p = params_table(params);
    assert_true(p->get_float(p, "gamma") == 0.5);
    assert_string_equal(p->get_json(p, "extra"), "{\"x\":[1,2],\"y\":\"z\"}");
    assert_int_equal(p->get_int(p, "seed"), 5000000000);
    assert_int_equal(p->get_list(p, "layers", NULL, 0), 2);
    params_free(params);
    test_write_file(path, "gamma = 0.5;\n\ngama = 1;\n");
    assert_int_equal(params_from_file(options, path, &params, &err), LATHE_E_INVALID);
    assert_contains(err.text, "x.conf:3: unknown setting \"gama\", did you mean \"gamma\"?");
    test_tmpdir_remove(dir);
}

/* --- files ----------------------------------------------------------------------------------- */

static int32_t load(const char *text, struct config **out, struct lathe_error *err)
{
    memset(err, 0, sizeof *err);
    return config_parse(text, strlen(text), "t.conf", &root, out, err);
}

static void config_reads_groups_lists_and_defaults(void **state)
{
    static const char text[] = "server = { mode = \"exact\"; gamma = 0; };\n"
                               "listeners = (\n"
                               "  { path = \"a\"; },\n"
                               "  { path = \"b\"; port = 9000; tls = { path = \"k\"; }; }\n"
                               ");\n";
    struct lathe_error err;
    struct config *config;
    const struct config_group *top, *second;

    (void)state;
    assert_ok(load(text, &config, &err), &err);
    top = config_root(config);
    assert_string_equal(config_string(config_group(top, "server"), "mode"), "exact");
    assert_true(config_float(config_group(top, "server"), "gamma") == 0.0);
    assert_int_equal(config_int(config_group(top, "server"), "n_steps"), 2048);
    assert_int_equal(config_is_set(config_group(top, "server"), "n_steps"), 0);
    assert_int_equal(config_count(top, "listeners"), 2);
    second = config_item(top, "listeners", 1);
    assert_int_equal(config_line(second), 4);
    assert_int_equal(config_int(second, "port"), 9000);
    assert_string_equal(config_string(config_group(second, "tls"), "path"), "k");
    assert_null(config_item(top, "listeners", 2));
    /* Absent: no line, defaults, and what is required there is not demanded. */
    assert_int_equal(config_line(config_group(top, "tls")), 0);
    assert_int_equal(config_int(config_group(top, "tls"), "port"), 8000);
    assert_string_equal(config_string(config_group(top, "tls"), "path"), "");
    config_free(config);
}

static void config_errors_name_file_line_and_setting(void **state)
{
    static const struct {
        const char *text, *part, *field;
    } cases[] = {
        {"server = {\n  gama = 0.5;\n};", "t.conf:2: unknown setting \"server.gama\", did you mean",
         "server.gama"},
        {"\nsever = { };", "t.conf:2: unknown setting \"sever\", did you mean \"server\"?",
         "sever"},
        {"server = {\n  gamma = 1.5;\n};", "t.conf:2: \"server.gamma\" must be", "server.gamma"},
        {"server = {\n\n  mode = \"x\";\n};", "t.conf:3: \"server.mode\" must be one of",
         "server.mode"},
        {"server = 5;", "t.conf:1: \"server\" must be a group", "server"},
        {"listeners = { };", "must be a list of groups", "listeners"},
        {"listeners = ( 1 );", "\"listeners[0]\" must be a group", "listeners[0]"},
        {"listeners = (\n { path = \"\"; },\n { });", "t.conf:3: listeners[1]: option \"path\" is",
         "listeners[1].path"},
        {"tls = { port = 1; };", "option \"path\" is required", "tls.path"},
        {"server = {\n", "t.conf:", ""},
        {"server = { name = \"a\"; name = \"b\"; };", "duplicate", ""},
        {"server = { seed = 99999999999999999999; };", "out of range", ""},
        {"\n@include \"x\"\n", "t.conf:2: directives", ""},
        {"server = { timeout = 1e999; };", "not finite", "server.timeout"},
        {"server = { extra = \"{\"; };", "must hold JSON", "server.extra"}};
    struct config *config = NULL;
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(load(cases[i].text, &config, &err), LATHE_E_INVALID);
        assert_contains(err.text, cases[i].part);
        assert_string_equal(err.field, cases[i].field);
    }
    assert_null(config);
}

static void config_numbers_keep_64_bits(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {{"server={seed=2147483647;};", 2147483647},
                 {"server={seed=2147483648;};", 2147483648},
                 {"server={seed=-9223372036854775807;};", -INT64_C(9223372036854775807)},
                 {"server={seed=0x1FFFFFFFF;};", 0x1ffffffff},
                 {"/* 99999999999999999999 */ server={name=\"9\\\"9\";seed=7L;}; # 9999999999", 7}};
    struct config *config;
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(load(cases[i].text, &config, &err), &err);
        assert_int_equal(config_int(config_group(config_root(config), "server"), "seed"),
                         cases[i].want);
        config_free(config);
    }
}

static void config_default_file_reads_back_as_the_defaults(void **state)
{
    static const struct config_section *const sections[] = {&server, &listeners, NULL};
    static const struct config_section schema = {"", "Test.", 0, NULL, sections};
    struct lathe_error err = {0};
    struct config *written, *empty;
    struct strbuf text;
    json_t *a, *b;

    (void)state;
    strbuf_init(&text);
    assert_int_equal(config_schema_to_conf(&schema, &text), LATHE_OK);
    assert_contains(text.data, "# Discount of later rewards. [float, from 0 below 1]");
    assert_ok(config_parse(text.data, text.len_bytes, "gen", &schema, &written, &err), &err);
    assert_ok(config_parse("", 0, "empty", &schema, &empty, &err), &err);
    a = config_to_json(written);
    b = config_to_json(empty);
    assert_true(json_same(a, b));
    assert_int_equal(config_is_set(config_group(config_root(written), "server"), "gamma"), 1);
    json_decref(a);
    json_decref(b);
    config_free(written);
    config_free(empty);
    strbuf_fini(&text);
}

static void option_conf_text_reads_back(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};
    struct params *params, *defaults;
    struct strbuf text;
    json_t *a, *b;

    (void)state;
    strbuf_init(&text);
    assert_int_equal(options_to_conf(options, &text), LATHE_OK);
    test_write_file(test_path(dir, "p.conf"), text.data);
    assert_ok(params_from_file(options, test_path(dir, "p.conf"), &params, &err), &err);
    assert_ok(params_new(options, NULL, &defaults, &err), &err);
    a = params_to_json(params, 0, 1);
    b = params_to_json(defaults, 0, 1);
    assert_true(json_same(a, b));
    json_decref(a);
    json_decref(b);
    params_free(params);
    params_free(defaults);
    strbuf_fini(&text);
    test_tmpdir_remove(dir);
}

static void markdown_has_a_row_per_option(void **state)
{
    struct strbuf text;

    (void)state;
    strbuf_init(&text);
    assert_int_equal(config_schema_to_markdown(&root, &text), LATHE_OK);
    assert_contains(text.data, "## `listeners.tls`");
    assert_contains(text.data, "| `gamma` | float | `0.99` | from 0 below 1 | Discount of later "
                               "rewards. May change while a job runs. |");
    assert_contains(text.data, "| `path` | string | required |");
    strbuf_fini(&text);
}

static void config_without_memory_is_reported(void **state)
{
    static const char text[] = "server = { mode = \"exact\"; };\nlisteners = ({ path = \"a\"; });";
    struct lathe_error err = {0};
    struct config *config = NULL;
    int32_t st = LATHE_E_NOMEM;
    unsigned long n;

    (void)state;
    for (n = 1; st != LATHE_OK && n < 10000; n++) {
        mem_fail_after(n);
        st = config_parse(text, sizeof text - 1, "t", &root, &config, &err);
        mem_fail_after(0);
        assert_true(st == LATHE_OK || err.text[0] != '\0');
    }
    assert_int_equal(st, LATHE_OK);
    config_free(config);
    assert_true(n > 60);
}

static void options_without_memory_are_reported(void **state)
{
    struct lathe_error err = {0};
    int32_t st = LATHE_E_NOMEM;
    unsigned long n;

    (void)state;
    for (n = 1; st != LATHE_OK && n < 10000; n++) {
        struct option_table *table = NULL;
        struct params *params = NULL;
        json_t *array, *schema;

        mem_fail_after(n);
        array = options_to_json(options);
        schema = options_to_schema(options);
        st = array != NULL && schema != NULL ? options_from_json(array, &table, &err)
                                             : LATHE_E_NOMEM;
        if (st == LATHE_OK)
            st = params_new(option_table_list(table), NULL, &params, &err);
        mem_fail_after(0);
        params_free(params);
        option_table_free(table);
        json_decref(array);
        json_decref(schema);
    }
    assert_int_equal(st, LATHE_OK);
    assert_true(n > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_edits_and_swaps),
        cmocka_unit_test(tables_with_defects_are_refused),
        cmocka_unit_test(tables_survive_json),
        cmocka_unit_test(tables_from_bad_json_are_refused),
        cmocka_unit_test(tables_as_schema_accept_their_own_defaults),
        cmocka_unit_test(params_have_defaults_and_given_values),
        cmocka_unit_test(params_refuse_with_the_name_of_the_option),
        cmocka_unit_test(params_refuse_numbers_that_are_not_finite),
        cmocka_unit_test(params_hide_secrets),
        cmocka_unit_test(params_change_only_live_options),
        cmocka_unit_test(params_reading_something_undeclared_is_logged),
        cmocka_unit_test(params_come_from_files),
        cmocka_unit_test(config_reads_groups_lists_and_defaults),
        cmocka_unit_test(config_errors_name_file_line_and_setting),
        cmocka_unit_test(config_numbers_keep_64_bits),
        cmocka_unit_test(config_default_file_reads_back_as_the_defaults),
        cmocka_unit_test(option_conf_text_reads_back),
        cmocka_unit_test(markdown_has_a_row_per_option),
        cmocka_unit_test(config_without_memory_is_reported),
        cmocka_unit_test(options_without_memory_are_reported),
    };

    json_set_alloc_funcs(mem_alloc, mem_free); /* so that JSON runs out of memory too */

    return cmocka_run_group_tests(tests, NULL, NULL);
}
