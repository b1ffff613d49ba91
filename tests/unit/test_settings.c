/* The configuration of lathed: the shipped file, the command line, word lists and addresses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/lathed/settings.h"

static void the_shipped_file_is_what_the_tables_say(void **state)
{
    char *shipped = test_read_file(LATHE_SOURCE_DIR "/etc/lathe.conf", NULL);
    struct strbuf made;
    (void)state;
    strbuf_init(&made);
    assert_int_equal(config_schema_to_conf(settings_schema(), &made), LATHE_OK);
    assert_string_equal(shipped, made.data); /* lathed --default-config > etc/lathe.conf */
    strbuf_fini(&made);
    mem_free(shipped);
}

static void the_shipped_file_loads_and_equals_the_defaults(void **state)
{
    struct config *shipped = NULL, *defaults = NULL;
    struct lathe_error err = {0};
    json_t *a, *b;
    (void)state;
    assert_ok(settings_load(LATHE_SOURCE_DIR "/etc/lathe.conf", &shipped, &err), &err);
    assert_ok(settings_load(NULL, &defaults, &err), &err);
    a = config_to_json(shipped);
    b = config_to_json(defaults);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    config_free(shipped);
    config_free(defaults);
}

static int32_t load_text(const char *text, struct lathe_error *err)
{
    char *dir = test_tmpdir();
    const char *path = test_path(dir, "test.conf");
    struct config *config = NULL;
    int32_t st;
    test_write_file(path, text);
    st = settings_load(path, &config, err);
    config_free(config);
    test_tmpdir_remove(dir);
    return st;
}

static void mistakes_are_named_with_line_and_suggestion(void **state)
{
    struct lathe_error err = {0};
    (void)state;
    assert_int_equal(load_text("workers = {\n  slotz = 2;\n};\n", &err), LATHE_E_INVALID);
    assert_contains(err.text, "test.conf:2");
    assert_contains(err.text, "slots");
    assert_int_equal(load_text("workers = { slots = -1; };\n", &err), LATHE_E_INVALID);
    assert_int_equal(load_text("server = { listeners = ( { tls_cert = \"/x\"; } ); };\n", &err),
                     LATHE_E_INVALID);
    assert_contains(err.text, "both tls_cert and tls_key");
    assert_int_equal(
        load_text("server = { listeners = ( { port = 8002; }, { port = 3000; } ); };\n", &err),
        LATHE_OK);
}

static void addresses_are_split(void **state)
{
    static const char *const bad[] = {"",           "8000", ":8000",   "host:", "host:x",
                                      "host:70000", "[]:1", "[::1:80", "a:1x"};
    char address[32];
    uint16_t port = 0;
    (void)state;
    assert_true(settings_split_address("127.0.0.1:8000", address, sizeof address, &port));
    assert_string_equal(address, "127.0.0.1");
    assert_int_equal(port, 8000);
    assert_true(settings_split_address("[::1]:0", address, sizeof address, &port));
    assert_string_equal(address, "::1");
    assert_int_equal(port, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(settings_split_address(bad[i], address, sizeof address, &port));
    assert_false(settings_split_address("127.0.0.1:80", address, 4, &port));
}

static void words_are_trimmed(void **state)
{
    char **words = settings_words(" a, b c ,,d");
    (void)state;
    assert_string_equal(words[0], "a");
    assert_string_equal(words[1], "b c");
    assert_string_equal(words[2], "d");
    assert_null(words[3]);
    settings_words_free(words);
    assert_true(settings_has_word("a, b", "b"));
    assert_false(settings_has_word("a, bb", "b"));
    assert_true(settings_has_word("*", "anything"));
    assert_false(settings_has_word("", "b"));
}

static void the_command_line_is_read(void **state)
{
    char *const line[] = {(char[]){"lathed"}, (char[]){"--config=x.conf"}, (char[]){"--data"},
                          (char[]){"d"},      (char[]){"--check"},         NULL};
    char *const unknown[] = {(char[]){"lathed"}, (char[]){"--configs"}, NULL};
    char *const cut[] = {(char[]){"lathed"}, (char[]){"--data"}, NULL};
    struct arguments args;
    struct lathe_error err = {0};
    (void)state;
    assert_ok(arguments_parse(5, (char **)(uintptr_t)line, &args, &err), &err);
    assert_string_equal(args.config_path, "x.conf");
    assert_string_equal(args.data_dir, "d");
    assert_true(args.is_check);
    assert_false(args.is_help);
    assert_int_equal(arguments_parse(2, (char **)(uintptr_t)unknown, &args, &err), LATHE_E_INVALID);
    assert_contains(err.text, "--configs");
    assert_int_equal(arguments_parse(2, (char **)(uintptr_t)cut, &args, &err), LATHE_E_INVALID);
    assert_contains(err.text, "needs a value");
}

static void paths_are_absolute(void **state)
{
    struct settings_paths paths;
    struct arguments args = {.config_path = "etc/lathe.conf", .www_dir = "/srv/www"};
    struct config *config = NULL;
    struct lathe_error err = {0};
    (void)state;
    assert_ok(settings_load(NULL, &config, &err), &err);
    assert_ok(settings_paths(config, &args, &paths, &err), &err);
    assert_int_equal(paths.data[0], '/');
    assert_contains(paths.data, "/var");
    assert_string_equal(paths.www, "/srv/www");
    assert_contains(paths.plugin_config, "/etc/plugins.d");
    assert_contains(paths.worker, "/lathe-worker");
    settings_paths_fini(&paths);
    config_free(config);
}

static void the_plugin_path_may_name_several_directories(void **state)
{
    struct settings_paths paths;
    struct arguments args = {.config_path = "etc/lathe.conf"};
    struct config *config = NULL;
    struct lathe_error err = {0};
    char *lng = malloc(6000);

    (void)state;
    assert_non_null(lng);
    assert_ok(settings_load(NULL, &config, &err), &err);
    assert_int_equal(setenv("LATHE_PLUGIN_PATH", ":/opt/one::/opt/two:three:", 1), 0);
    assert_ok(settings_paths(config, &args, &paths, &err), &err);
    assert_string_equal(paths.plugins[0], "/opt/one");
    assert_string_equal(paths.plugins[1], "/opt/two");
    assert_contains(paths.plugins[2], "/three");
    settings_paths_fini(&paths);
    memset(lng, 'a', 5999);
    lng[5999] = '\0';
    assert_int_equal(setenv("LATHE_PLUGIN_PATH", lng, 1), 0);
    assert_int_equal(settings_paths(config, &args, &paths, &err), LATHE_E_LIMIT);
    assert_contains(err.text, "LATHE_PLUGIN_PATH");
    assert_int_equal(unsetenv("LATHE_PLUGIN_PATH"), 0);
    free(lng);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_file_is_what_the_tables_say),
        cmocka_unit_test(the_shipped_file_loads_and_equals_the_defaults),
        cmocka_unit_test(mistakes_are_named_with_line_and_suggestion),
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(words_are_trimmed),
        cmocka_unit_test(the_command_line_is_read),
        cmocka_unit_test(paths_are_absolute),
        cmocka_unit_test(the_plugin_path_may_name_several_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
