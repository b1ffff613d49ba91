/* The official JSON Schema 2020-12 tests. They are read from LATHE_SCHEMA_SUITE or from beside the
 * source tree; without them this test is skipped. Every test that is not run is listed with a
 * reason. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/json/schema.h"

#define DEFAULT_SUITE LATHE_SOURCE_DIR "/../shared/data/json-schema-test-suite"

/* Not run as files: dynamicRef.json ($dynamicRef is refused when compiled), refRemote.json (remote
 * documents are never fetched), vocabulary.json (custom metaschemas are not read). */
static const char *const files[] = {"additionalProperties.json",
                                    "allOf.json",
                                    "anchor.json",
                                    "anyOf.json",
                                    "boolean_schema.json",
                                    "const.json",
                                    "contains.json",
                                    "content.json",
                                    "default.json",
                                    "defs.json",
                                    "dependentRequired.json",
                                    "dependentSchemas.json",
                                    "enum.json",
                                    "exclusiveMaximum.json",
                                    "exclusiveMinimum.json",
                                    "format.json",
                                    "if-then-else.json",
                                    "infinite-loop-detection.json",
                                    "items.json",
                                    "maxContains.json",
                                    "maxItems.json",
                                    "maxLength.json",
                                    "maxProperties.json",
                                    "maximum.json",
                                    "minContains.json",
                                    "minItems.json",
                                    "minLength.json",
                                    "minProperties.json",
                                    "minimum.json",
                                    "multipleOf.json",
                                    "not.json",
                                    "oneOf.json",
                                    "pattern.json",
                                    "patternProperties.json",
                                    "prefixItems.json",
                                    "properties.json",
                                    "propertyNames.json",
                                    "ref.json",
                                    "required.json",
                                    "type.json",
                                    "unevaluatedItems.json",
                                    "unevaluatedProperties.json",
                                    "uniqueItems.json"};

/* Groups that are not run. */
static const struct {
    const char *file, *group, *reason;
} excluded[] = {
    {"defs.json", "validate definition against metaschema", "the metaschema is a remote document"},
    {"ref.json", "remote ref, containing refs itself", "the metaschema is a remote document"},
    {"pattern.json", "pattern with Unicode property escape requires unicode mode",
     "PCRE2 knows the short names of properties, \\p{L}, not \\p{Letter}"},
    {"patternProperties.json", "patternProperties with Unicode property escape",
     "PCRE2 knows the short names of properties, \\p{L}, not \\p{Letter}"},
    {"unevaluatedItems.json", "unevaluatedItems with $dynamicRef", "$dynamicRef is refused"},
    {"unevaluatedProperties.json", "unevaluatedProperties with $dynamicRef",
     "$dynamicRef is refused"}};

static const char *excluded_why(const char *file, const char *group)
{
    for (size_t i = 0; i < sizeof excluded / sizeof *excluded; i++) {
        if (strcmp(excluded[i].file, file) == 0 && strcmp(excluded[i].group, group) == 0)
            return excluded[i].reason;
    }
    return NULL;
}

/* Returns failures; adds tests run. */
static int run_group(const char *file, json_t *group, int *n_run)
{
    const char *title = json_string_value(json_object_get(group, "description"));
    json_t *tests = json_object_get(group, "tests");
    struct lathe_error err = {0};
    struct schema *schema;
    int n_failed = 0;

    if (schema_compile(json_object_get(group, "schema"), "", NULL, &schema, &err) != LATHE_OK) {
        print_error("%s: %s: %s\n", file, title, err.text);
        return 1;
    }
    for (size_t i = 0; i < json_array_size(tests); i++) {
        json_t *test = json_array_get(tests, i);
        json_t *data = json_object_get(test, "data");
        int want = json_is_true(json_object_get(test, "valid"));
        struct schema_report report;
        int32_t st, quiet;

        schema_report_init(&report);
        st = schema_validate(schema, data, &report);
        quiet = schema_validate(schema, data, NULL);
        if (st != quiet || st != (want ? LATHE_OK : LATHE_E_INVALID) ||
            (st != 0 && report.n == 0)) {
            print_error("%s: %s: %s: %s\n", file, title,
                        json_string_value(json_object_get(test, "description")),
                        lathe_status_name(st));
            n_failed++;
        }
        schema_report_fini(&report);
        (*n_run)++;
    }
    schema_free(schema);
    return n_failed;
}

static void schema_agrees_with_the_official_suite(void **state)
{
    const char *dir = test_env("LATHE_SCHEMA_SUITE", DEFAULT_SUITE);
    int n_failed = 0, n_run = 0;
    size_t n_excluded = 0;

    (void)state;
    if (access(dir, R_OK) != 0) {
        print_message("no suite at %s\n", dir);
        skip();
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t len;
        char *text = test_read_file(test_path(dir, files[i]), &len);
        /* Some instances hold "\u0000", which our own reader refuses. */
        json_t *groups = json_loadb(text, len, JSON_ALLOW_NUL, NULL);

        assert_non_null(groups);
        for (size_t k = 0; k < json_array_size(groups); k++) {
            json_t *group = json_array_get(groups, k);
            const char *reason =
                excluded_why(files[i], json_string_value(json_object_get(group, "description")));
            if (reason == NULL)
                n_failed += run_group(files[i], group, &n_run);
            else
                n_excluded++;
        }
        json_decref(groups);
        mem_free(text);
    }
    print_message("%d tests of the suite\n", n_run);
    assert_int_equal(n_failed, 0);
    assert_int_equal(n_excluded, sizeof excluded / sizeof *excluded); /* each name is right */
    assert_true(n_run > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(schema_agrees_with_the_official_suite)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
