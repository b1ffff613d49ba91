/* Negotiation with plugin files: one test per reason to refuse a file, and those that must be
 * taken. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/registry/negotiate.h"

static const char *variant_path(const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.so", name);
    return test_path(LATHE_BINARY_DIR "/tests/plugins", file);
}

struct refusal {
    const char *variant;
    int32_t status;
    const char *says;
};

static const struct refusal refusals[] = {
    {"bad_magic", LATHE_E_CORRUPT, "not a Lathe plugin"},
    {"bad_size", LATHE_E_VERSION, "smaller than the"},
    {"bad_tag", LATHE_E_VERSION, "data layout tag"},
    {"bad_table_major", LATHE_E_VERSION, "built for SDK 2."},
    {"bad_minor", LATHE_E_VERSION, "needs SDK 1.7, this host is 1.0"},
    {"bad_major", LATHE_E_VERSION, "built for SDK 2, this host"},
    {"bad_symbol", LATHE_E_INVALID, "exports no lathe_plugin_v1"},
    {"bad_load", LATHE_E_INVALID, "lathe_no_such_function"},
    {"bad_id", LATHE_E_INVALID, "no reverse DNS name"},
    {"bad_license", LATHE_E_INVALID, "names no version, license or summary"},
    {"bad_empty", LATHE_E_INVALID, "brings no component"},
    {"bad_twice", LATHE_E_EXISTS, "brings component bad_twice-v0 (lathe.env/1) twice"},
    {"bad_kind", LATHE_E_UNSUPPORTED, "unknown kind lathe.teapot/1"},
    {"bad_name", LATHE_E_INVALID, "\"../etc\" is not well formed"},
    {"bad_summary", LATHE_E_INVALID, "has no summary"},
    {"bad_component_size", LATHE_E_VERSION, "component record of 24 bytes"},
    {"bad_needs", LATHE_E_UNSUPPORTED, "needs service org.example.coffee/1"},
    {"bad_vtable", LATHE_E_INVALID, "has no function table"},
    {"bad_vtable_size", LATHE_E_VERSION, "function table of 16 bytes"},
    {"bad_slot", LATHE_E_INVALID, "does not provide step()"},
    {"bad_option_size", LATHE_E_VERSION, "option record of 8 bytes"},
    {"bad_option_name", LATHE_E_INVALID, "Size-Of"},
    {"bad_option_type", LATHE_E_INVALID, "unknown type 99"},
    {"bad_option_doc", LATHE_E_INVALID, "has no doc"},
    {"bad_option_choices", LATHE_E_INVALID, "no choices"},
    {"bad_option_default", LATHE_E_INVALID, "default"},
    {"bad_option_range", LATHE_E_INVALID, "at least 1 and at most 10"},
    {"bad_option_twice", LATHE_E_INVALID, "declared twice"},
    {"bad_option_secret", LATHE_E_UNSUPPORTED, "option api_key is secret"},
};

static void every_bad_file_is_refused_with_its_own_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct plugin_file *file = NULL;
        struct lathe_error err = {0};
        int32_t st = plugin_open(variant_path(refusals[i].variant), &file, &err);
        if (st != refusals[i].status)
            print_error("%s: %s (%s)\n", refusals[i].variant, lathe_status_name(st), err.text);
        assert_int_equal(st, refusals[i].status);
        assert_int_equal(err.code, st);
        assert_contains(err.text, refusals[i].says);
        assert_null(file);
    }
}

static void refusal_messages_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(refusals[i].says, refusals[j].says);
}

static void good_old_and_future_files_are_taken(void **state)
{
    static const char *const names[] = {"good", "old", "future"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct plugin_file *file = NULL;
        struct lathe_error err = {0};
        char component[32];
        assert_ok(plugin_open(variant_path(names[i]), &file, &err), &err);
        snprintf(component, sizeof component, "%s-v0", names[i]);
        assert_non_null(plugin_find(file, "lathe.env/1", component));
        assert_null(plugin_find(file, "lathe.env/1", "other"));
        assert_non_null(plugin_find(file, "lathe.env/1", NULL));
        assert_true(plugin_runs_in(file, KIND_IN_WORKER));
        assert_false(plugin_runs_in(file, KIND_IN_SERVER));
        assert_int_equal(strlen(file->sha256), 64);
        plugin_close(file);
    }
}

static void failing_init_gives_its_reason(void **state)
{
    struct plugin_file *file = NULL;
    struct lathe_error err = {0};
    (void)state;
    assert_ok(plugin_open(variant_path("bad_init"), &file, &err), &err);
    assert_int_equal(plugin_init(file, NULL, &err), LATHE_E_UNAVAILABLE);
    assert_contains(err.text, "the moon is not full");
    plugin_fini(file);
    plugin_close(file);
}

static void description_holds_options_and_file_facts(void **state)
{
    struct plugin_file *file = NULL;
    struct lathe_error err = {0};
    json_t *json, *option;
    (void)state;
    assert_ok(plugin_open(variant_path("good"), &file, &err), &err);
    json = plugin_describe(file);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "id")), "org.lathe.test.good");
    option = json_array_get(
        json_object_get(json_array_get(json_object_get(json, "components"), 0), "options"), 0);
    assert_string_equal(json_string_value(json_object_get(option, "name")), "size");
    assert_int_equal(json_integer_value(json_object_get(option, "default")), 4);
    json_decref(json);
    plugin_close(file);
}

static void file_writable_by_others_is_refused(void **state)
{
    struct plugin_file *file = NULL;
    struct lathe_error err = {0};
    char *dir = test_tmpdir();
    const char *path = test_path(dir, "open.so");
    (void)state;
    test_write_file(path, "x");
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(plugin_open(path, &file, &err), LATHE_E_DENIED);
    assert_contains(err.text, "chmod o-w");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(plugin_open(path, &file, &err), LATHE_E_CORRUPT);
    assert_contains(err.text, "no ELF file");
    assert_int_equal(plugin_open(dir, &file, &err), LATHE_E_INVALID);
    assert_contains(err.text, "no regular file");
    assert_int_equal(plugin_open(test_path(dir, "none.so"), &file, &err), LATHE_E_NOT_FOUND);
    test_tmpdir_remove(dir);
}

static void kinds_have_slots_inside_their_size(void **state)
{
    (void)state;
    for (uint32_t i = 0; kind_at(i) != NULL; i++) {
        const struct kind_info *kind = kind_at(i);
        assert_ptr_equal(kind_find(kind->id), kind);
        for (const struct kind_slot *s = kind->slots; s->name != NULL; s++)
            assert_true(s->offset_bytes + sizeof(void *) <= kind->min_size_bytes);
    }
    assert_null(kind_find("lathe.teapot/1"));
    assert_null(kind_find(NULL));
    assert_true(kind_has_service(KIND_IN_SERVER, "lathe.jobs/1"));
    assert_false(kind_has_service(KIND_IN_WORKER, "lathe.jobs/1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_file_is_refused_with_its_own_message),
        cmocka_unit_test(refusal_messages_differ),
        cmocka_unit_test(good_old_and_future_files_are_taken),
        cmocka_unit_test(failing_init_gives_its_reason),
        cmocka_unit_test(description_holds_options_and_file_facts),
        cmocka_unit_test(file_writable_by_others_is_refused),
        cmocka_unit_test(kinds_have_slots_inside_their_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
