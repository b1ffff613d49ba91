/* core/json/schema: structured violations, references, limits, formats, defaults. What each keyword
 * means is covered by test_schema_suite. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/json/schema.h"

static json_t *parse(const char *text)
{
    struct lathe_error err = {0};
    json_t *value = NULL;

    assert_ok(json_parse_text(text, strlen(text), NULL, &value, &err), &err);
    return value;
}

static struct schema *compile(const char *text, const char *pointer,
                              const struct schema_options *options)
{
    struct lathe_error err = {0};
    struct schema *schema = NULL;
    json_t *document = parse(text);

    assert_ok(schema_compile(document, pointer, options, &schema, &err), &err);
    json_decref(document); /* the schema keeps it */
    return schema;
}

static int32_t compile_error(const char *text, struct lathe_error *err)
{
    struct schema *schema = NULL;
    json_t *document = parse(text);
    int32_t st;

    memset(err, 0, sizeof *err);
    st = schema_compile(document, "", NULL, &schema, err);
    schema_free(schema);
    json_decref(document);
    return st;
}

/* "keyword path;" of every violation, in order. */
static const char *violations(const struct schema *schema, const char *text)
{
    static char out[2048];
    struct schema_report report;
    json_t *value = parse(text);
    int32_t st;

    schema_report_init(&report);
    st = schema_validate(schema, value, &report);
    assert_int_equal(st == LATHE_OK, report.n == 0);
    out[0] = '\0';
    for (size_t i = 0; i < report.n; i++) {
        char *path = json_dup_text(report.items[i].path, 0, NULL);
        size_t len = strlen(out);
        snprintf(out + len, sizeof out - len, "%s %s;", report.items[i].keyword, path);
        assert_true(report.items[i].message[0] != '\0');
        mem_free(path);
    }
    schema_report_fini(&report);
    json_decref(value);
    return out;
}

static void violations_come_in_body_order_with_missing_last(void **state)
{
    struct schema *schema = compile(
        "{\"type\":\"object\",\"required\":[\"id\",\"n\"],\"additionalProperties\":false,"
        "\"properties\":{\"n\":{\"type\":\"integer\",\"maximum\":10},\"s\":{\"type\":\"string\"},"
        "\"id\":{},\"l\":{\"items\":{\"type\":\"string\",\"minLength\":2}}}}",
        "", NULL);

    (void)state;
    assert_string_equal(violations(schema, "{\"s\":1,\"zzz\":0,\"n\":11,\"l\":[\"ab\",3,\"c\"]}"),
                        "type [\"s\"];additionalProperties [\"zzz\"];maximum [\"n\"];"
                        "type [\"l\",1];minLength [\"l\",2];required [\"id\"];");
    assert_string_equal(violations(schema, "{\"id\":1,\"n\":10.0}"), "");
    assert_string_equal(violations(schema, "[]"), "type [];");
    schema_free(schema);
}

static void violations_of_combined_schemas_follow_the_body(void **state)
{
    struct schema *schema = compile("{\"allOf\":[{\"properties\":{\"b\":{\"type\":\"null\"}}},"
                                    "{\"properties\":{\"a\":{\"type\":\"null\"}}}]}",
                                    "", NULL);

    (void)state;
    assert_string_equal(violations(schema, "{\"a\":1,\"b\":1}"), "type [\"a\"];type [\"b\"];");
    schema_free(schema);
}

static void a_violation_carries_limit_value_and_message(void **state)
{
    struct schema *schema = compile(
        "{\"properties\":{\"n\":{\"type\":\"number\",\"exclusiveMinimum\":0.5}}}", "", NULL);
    struct schema_report report;
    json_t *value = parse("{\"n\":0.5}");
    char text[128];

    (void)state;
    schema_report_init(&report);
    assert_int_equal(schema_validate(schema, value, &report), LATHE_E_INVALID);
    json_decref(value);
    schema_free(schema); /* the report stands on its own */
    assert_int_equal(report.n, 1);
    assert_string_equal(report.items[0].keyword, "exclusiveMinimum");
    assert_true(json_real_value(report.items[0].limit) == 0.5);
    assert_true(json_real_value(report.items[0].value) == 0.5);
    assert_string_equal(schema_violation_text(&report.items[0], text, sizeof text),
                        "/n: must be above 0.5");
    schema_report_fini(&report);
}

static void violations_are_limited(void **state)
{
    struct schema_options options = {0, 0, 3};
    struct schema *schema = compile("{\"items\":{\"type\":\"null\"}}", "", &options);
    struct schema_report report;
    json_t *value = parse("[1,2,3,4,5]");

    (void)state;
    schema_report_init(&report);
    assert_int_equal(schema_validate(schema, value, &report), LATHE_E_INVALID);
    assert_int_equal(report.n, 3);
    schema_report_fini(&report);
    schema_free(schema);
    json_decref(value);
    options.first_only = 1;
    schema = compile("{\"items\":{\"type\":\"null\"}}", "", &options);
    assert_string_equal(violations(schema, "[1,2]"), "type [0];");
    schema_free(schema);
}

static void the_branch_that_was_meant_is_reported(void **state)
{
    struct schema *nullable =
        compile("{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1},{\"type\":\"null\"}]}", "", NULL);
    struct schema *variants = compile(
        "{\"oneOf\":[{\"properties\":{\"kind\":{\"const\":\"a\"},\"x\":{\"type\":\"integer\"}}},"
        "{\"properties\":{\"kind\":{\"const\":\"b\"},\"y\":{\"type\":\"integer\"}}}]}",
        "", NULL);
    struct schema *unclear = compile("{\"anyOf\":[{\"minimum\":5},{\"multipleOf\":2}]}", "", NULL);

    (void)state;
    assert_string_equal(violations(nullable, "0"), "minimum [];");
    assert_string_equal(violations(nullable, "\"x\""), "type [];");
    assert_string_equal(violations(nullable, "null"), "");
    assert_string_equal(violations(variants, "{\"kind\":\"b\",\"y\":\"no\"}"), "type [\"y\"];");
    assert_string_equal(violations(variants, "{\"kind\":\"c\"}"), "oneOf [];");
    assert_string_equal(violations(unclear, "3"), "anyOf [];");
    schema_free(nullable);
    schema_free(variants);
    schema_free(unclear);
}

static void openapi_documents_share_components(void **state)
{
    json_t *document = parse(
        "{\"openapi\":\"3.1.0\",\"paths\":{\"/a\":{\"post\":{\"schema\":"
        "{\"$ref\":\"#/components/schemas/Node\"}}}},\"components\":{\"schemas\":{\"Node\":"
        "{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/components/schemas/Node\"},"
        "\"v\":{\"$ref\":\"#/components/schemas/Value\"}},\"additionalProperties\":false},"
        "\"Value\":{\"type\":\"integer\"}}}}");
    struct lathe_error err = {0};
    struct schema_set *set;
    struct schema *body, *value, *none = NULL;

    (void)state;
    assert_ok(schema_set_open(document, NULL, &set, &err), &err);
    json_decref(document);
    assert_ok(schema_get(set, "/paths/~1a/post/schema", &body, &err), &err);
    assert_ok(schema_get(set, "/components/schemas/Value", &value, &err), &err);
    assert_int_equal(schema_get(set, "/components/schemas/No", &none, &err), LATHE_E_NOT_FOUND);
    schema_set_close(set); /* schemas outlive the set */
    assert_string_equal(violations(body, "{\"next\":{\"next\":{\"v\":\"x\"}},\"w\":1}"),
                        "type [\"next\",\"next\",\"v\"];additionalProperties [\"w\"];");
    assert_string_equal(violations(value, "1.5"), "type [];");
    schema_free(body);
    schema_free(value);
}

static void malformed_schemas_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text, *part;
        int32_t status;
    } cases[] = {
        {"{\"properties\":{\"a\":{\"type\":\"int\"}}}", "#/properties/a: type", LATHE_E_INVALID},
        {"{\"allOf\":[]}", "allOf", LATHE_E_INVALID},
        {"{\"items\":3}", "#/items", LATHE_E_INVALID},
        {"{\"pattern\":\"(\"}", "pattern", LATHE_E_INVALID},
        {"{\"minLength\":-1}", "minLength", LATHE_E_INVALID},
        {"{\"multipleOf\":0}", "multipleOf", LATHE_E_INVALID},
        {"{\"required\":[1]}", "required", LATHE_E_INVALID},
        {"{\"$ref\":\"#/nowhere\"}", "#/nowhere", LATHE_E_INVALID},
        {"{\"$ref\":\"http://example.com/x\"}", "has no target", LATHE_E_INVALID},
        {"{\"$dynamicRef\":\"#x\"}", "$dynamicRef", LATHE_E_UNSUPPORTED},
        {"{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}", "given twice",
         LATHE_E_INVALID},
        {"[]", "must be an object", LATHE_E_INVALID}};
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(compile_error(cases[i].text, &err), cases[i].status);
        assert_contains(err.text, cases[i].part);
    }
}

static void endless_references_end_at_a_limit(void **state)
{
    struct schema *loop = compile("{\"$ref\":\"#\"}", "", NULL);
    struct schema *fan = compile("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "", NULL);
    json_t *value = json_true();

    (void)state;
    assert_int_equal(schema_validate(loop, value, NULL), LATHE_E_LIMIT);
    assert_int_equal(schema_validate(fan, value, NULL), LATHE_E_LIMIT);
    schema_free(loop);
    schema_free(fan);
}

static void a_costly_pattern_is_a_violation_not_a_hang(void **state)
{
    struct schema *schema = compile("{\"pattern\":\"^(a+)+$\"}", "", NULL);

    (void)state;
    assert_string_equal(violations(schema, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
                        "pattern [];");
    schema_free(schema);
}

static void large_unique_arrays_are_checked_quickly(void **state)
{
    struct schema *schema = compile("{\"uniqueItems\":true}", "", NULL);
    json_t *value = json_array();

    (void)state;
    for (int i = 0; i < 100000; i++)
        json_array_append_new(value, json_pack("{s:i}", "k", i));
    assert_int_equal(schema_validate(schema, value, NULL), LATHE_OK);
    json_array_append_new(value, json_pack("{s:f}", "k", 77.0));
    assert_int_equal(schema_validate(schema, value, NULL), LATHE_E_INVALID);
    json_decref(value);
    schema_free(schema);
}

static void formats_are_asserted_only_when_asked(void **state)
{
    static const struct {
        const char *format, *good, *bad;
    } cases[] = {
        {"date-time", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00Z"},
        {"uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"},
        {"uri", "http://a.example/x?y#z", "/relative"},
        {"uri", "urn:x:%41", "http://a/%4"},
        {"email", "a.b@example.org", "a..b@example.org"},
        {"email", "a@b", "@b"},
        {"ipv4", "192.0.2.1", "192.0.2.256"},
        {"ipv6", "2001:db8::1", "2001:db8:::1"}};
    struct schema_options strict = {1, 0, 0};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schema *asserted, *noted;
        snprintf(text, sizeof text, "{\"format\":\"%s\"}", cases[i].format);
        asserted = compile(text, "", &strict);
        noted = compile(text, "", NULL);
        snprintf(text, sizeof text, "\"%s\"", cases[i].good);
        assert_string_equal(violations(asserted, text), "");
        snprintf(text, sizeof text, "\"%s\"", cases[i].bad);
        assert_string_equal(violations(asserted, text), "format [];");
        assert_string_equal(violations(noted, text), "");
        schema_free(asserted);
        schema_free(noted);
    }
}

static void defaults_fill_absent_members_only(void **state)
{
    struct schema *schema =
        compile("{\"properties\":{\"a\":{\"default\":1},\"b\":{\"$ref\":\"#/$defs/B\"},"
                "\"l\":{\"items\":{\"properties\":{\"x\":{\"default\":[]}}}}},"
                "\"allOf\":[{\"properties\":{\"c\":{\"default\":null}}}],"
                "\"$defs\":{\"B\":{\"default\":{},\"properties\":{\"deep\":{\"default\":true}}}}}",
                "", NULL);
    json_t *value = parse("{\"a\":5,\"l\":[{},{\"x\":0}]}");
    char *text;

    (void)state;
    assert_int_equal(schema_apply_defaults(schema, value), LATHE_OK);
    text = json_dup_text(value, LATHE_JSON_SORTED, NULL);
    assert_string_equal(text,
                        "{\"a\":5,\"b\":{\"deep\":true},\"c\":null,\"l\":[{\"x\":[]},{\"x\":0}]}");
    mem_free(text);
    json_decref(value);
    schema_free(schema);
}

static void endless_defaults_end_at_a_limit(void **state)
{
    struct schema *schema =
        compile("{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"default\":{}}", "", NULL);
    json_t *value = parse("{}");

    (void)state;
    assert_int_equal(schema_apply_defaults(schema, value), LATHE_E_LIMIT);
    json_decref(value);
    schema_free(schema);
}

static void compiling_without_memory_is_reported(void **state)
{
    json_t *document = parse("{\"properties\":{\"a\":{\"$ref\":\"#/$defs/x\"}},\"allOf\":[{}],"
                             "\"$defs\":{\"x\":{\"$anchor\":\"y\",\"type\":\"null\"}}}");
    struct lathe_error err = {0};
    struct schema *schema;
    int32_t st = LATHE_E_NOMEM;
    unsigned long n;

    (void)state;
    for (n = 1; st == LATHE_E_NOMEM; n++) {
        schema = NULL;
        mem_fail_after(n);
        st = schema_compile(document, "", NULL, &schema, &err);
        mem_fail_after(0);
    }
    assert_int_equal(st, LATHE_OK);
    assert_true(n > 10);
    schema_free(schema);
    json_decref(document);
}

static void validating_without_memory_is_reported(void **state)
{
    struct schema *schema =
        compile("{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"integer\"}],\"uniqueItems\":true,"
                "\"properties\":{\"a\":{\"maximum\":1},\"d\":{\"default\":{\"x\":[]}}},"
                "\"propertyNames\":{\"maxLength\":1},\"unevaluatedProperties\":false}",
                "", NULL);
    json_t *value = parse("{\"a\":2,\"bb\":[1,1],\"c\":null}");
    int32_t st = LATHE_E_NOMEM;
    unsigned long n;

    (void)state;
    for (n = 1; st == LATHE_E_NOMEM; n++) {
        struct schema_report report;
        schema_report_init(&report);
        mem_fail_after(n);
        st = schema_validate(schema, value, &report);
        mem_fail_after(0);
        schema_report_fini(&report);
    }
    assert_int_equal(st, LATHE_E_INVALID);
    assert_true(n > 20);
    st = LATHE_E_NOMEM;
    for (n = 1; st == LATHE_E_NOMEM; n++) {
        json_t *copy = json_deep_copy(value);
        mem_fail_after(n);
        st = schema_apply_defaults(schema, copy);
        mem_fail_after(0);
        json_decref(copy);
    }
    assert_int_equal(st, LATHE_OK);
    json_decref(value);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(violations_come_in_body_order_with_missing_last),
        cmocka_unit_test(violations_of_combined_schemas_follow_the_body),
        cmocka_unit_test(a_violation_carries_limit_value_and_message),
        cmocka_unit_test(violations_are_limited),
        cmocka_unit_test(the_branch_that_was_meant_is_reported),
        cmocka_unit_test(openapi_documents_share_components),
        cmocka_unit_test(malformed_schemas_are_refused_with_their_place),
        cmocka_unit_test(endless_references_end_at_a_limit),
        cmocka_unit_test(a_costly_pattern_is_a_violation_not_a_hang),
        cmocka_unit_test(large_unique_arrays_are_checked_quickly),
        cmocka_unit_test(formats_are_asserted_only_when_asked),
        cmocka_unit_test(defaults_fill_absent_members_only),
        cmocka_unit_test(endless_defaults_end_at_a_limit),
        cmocka_unit_test(compiling_without_memory_is_reported),
        cmocka_unit_test(validating_without_memory_is_reported),
    };

    json_set_alloc_funcs(mem_alloc, mem_free); /* so that JSON runs out of memory too */

    return cmocka_run_group_tests(tests, NULL, NULL);
}
