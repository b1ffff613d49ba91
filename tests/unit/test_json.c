/* core/json: reading with limits, writing, comparing, the json service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/json/json.h"

static json_t *parse(const char *text)
{
    struct lathe_error err = {0};
    json_t *value = NULL;

    assert_ok(json_parse_text(text, strlen(text), NULL, &value, &err), &err);
    return value;
}

static int32_t parse_error(const char *text, struct lathe_error *err)
{
    json_t *value = NULL;
    int32_t st;

    memset(err, 0, sizeof *err);
    st = json_parse_text(text, strlen(text), NULL, &value, err);
    if (st == LATHE_OK)
        json_decref(value);
    return st;
}

static void json_text_round_trips(void **state)
{
    static const char *const texts[] = {"{\"b\":1,\"a\":[true,false,null,\"x\"],\"c\":{}}",
                                        "[0.1,1.0,-0.0,1e+300,9223372036854775807]",
                                        "\"\xf0\x9f\x98\x80 \\\" \\\\ \\n\"",
                                        "[]",
                                        "-9223372036854775808",
                                        "[[[[]]],{\"x\":[{}]}]"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *value = parse(texts[i]);
        char *text = json_dup_text(value, 0, NULL);
        assert_string_equal(text, texts[i]);
        mem_free(text);
        json_decref(value);
    }
}

static void json_pretty_and_sorted_text(void **state)
{
    json_t *value = parse("{\"b\":[1,2],\"a\":{},\"A\":{\"z\":0}}");
    char *text = json_dup_text(value, LATHE_JSON_SORTED, NULL);

    (void)state;
    assert_string_equal(text, "{\"A\":{\"z\":0},\"a\":{},\"b\":[1,2]}");
    mem_free(text);
    text = json_dup_text(value, LATHE_JSON_PRETTY, NULL);
    assert_string_equal(
        text, "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"a\": {},\n  \"A\": {\n    \"z\": 0\n  }\n}");
    mem_free(text);
    json_decref(value);
}

static void json_duplicate_member_is_named(void **state)
{
    struct lathe_error err;

    (void)state;
    assert_int_equal(parse_error("{\"a\":1,\n \"gamma\":2,\"gamma\":3}", &err), LATHE_E_INVALID);
    assert_string_equal(err.field, "gamma");
    assert_contains(err.text, "line 2");
    assert_contains(err.text, "given twice");
    assert_int_equal(
        parse_error("{\"a_name_longer_than_twenty_bytes\":1,\"a_name_longer_than_twenty_bytes\":2}",
                    &err),
        LATHE_E_INVALID);
    assert_string_equal(err.field, "a_name_longer_than_twenty_bytes");
}

static void json_numbers_out_of_range_are_refused(void **state)
{
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "1e999",
                                      "-1e999",
                                      "NaN",
                                      "Infinity",
                                      "01",
                                      "1.",
                                      "+1"};
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse_error(bad[i], &err), LATHE_E_INVALID);
    parse_error("[9223372036854775808]", &err);
    assert_contains(err.text, "out of range");
}

static void json_malformed_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "",         "{",           "[1,]",         "{\"a\":}",
        "\"\xff\"", "\"\\ud800\"", "\"\\u0000\"",  "[1] x",
        "{'a':1}",  "\"a\nb\"",    "\"\xc0\x80\"", "\"\xed\xa0\x80\""};
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse_error(bad[i], &err), LATHE_E_INVALID);
        assert_contains(err.text, "line 1");
    }
}

static void json_depth_and_size_are_limited(void **state)
{
    struct lathe_json_limits limits = {sizeof limits, 3, 20};
    struct lathe_error err = {0};
    json_t *value = NULL;
    char text[200];

    (void)state;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    assert_int_equal(parse_error(text, &err), LATHE_E_LIMIT);
    assert_ok(json_parse_text(text + 1, 128, NULL, &value, &err), &err);
    json_decref(value);
    assert_int_equal(json_parse_text("[[[[1]]]]", 9, &limits, &value, &err), LATHE_E_LIMIT);
    assert_ok(json_parse_text("[[[\"[[[[\"]]]", 12, &limits, &value, &err), &err);
    json_decref(value);
    assert_int_equal(json_parse_text("[1,2,3,4,5,6,7,8,9,0]", 21, &limits, &value, &err),
                     LATHE_E_LIMIT);
}

static void json_writing_stops_at_its_depth(void **state)
{
    json_t *value = json_array();

    (void)state;
    for (int i = 0; i < 300; i++)
        value = json_pack("[o]", value);
    assert_null(json_dup_text(value, 0, NULL));
    json_decref(value);
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static void json_without_memory_is_no_syntax_error(void **state)
{
    struct lathe_error err;
    json_malloc_t get;
    json_free_t put;
    int32_t st;

    (void)state;
    json_get_alloc_funcs(&get, &put);
    json_set_alloc_funcs(no_memory, put);
    st = parse_error("{\"a\":1}", &err);
    json_set_alloc_funcs(get, put);
    assert_int_equal(st, LATHE_E_NOMEM);
}

static void json_same_compares_values(void **state)
{
    static const struct {
        const char *a, *b;
        int same;
    } cases[] = {{"1", "1.0", 1},
                 {"9007199254740993", "9007199254740992.0", 0},
                 {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", 1},
                 {"{\"a\":1}", "{\"a\":1,\"b\":1}", 0},
                 {"[1,2]", "[2,1]", 0},
                 {"true", "1", 0},
                 {"null", "false", 0},
                 {"\"a\"", "\"a\"", 1},
                 {"-0.0", "0", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *a = parse(cases[i].a), *b = parse(cases[i].b);
        assert_int_equal(json_same(a, b), cases[i].same);
        assert_int_equal(json_same(b, a), cases[i].same);
        json_decref(a);
        json_decref(b);
    }
}

static void json_pointer_follows_the_rfc(void **state)
{
    json_t *root = parse("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"m~n\":8,\" \":7}");

    (void)state;
    assert_ptr_equal(json_at_pointer(root, ""), root);
    assert_string_equal(json_string_value(json_at_pointer(root, "/foo/1")), "baz");
    assert_int_equal(json_integer_value(json_at_pointer(root, "/a~1b")), 1);
    assert_int_equal(json_integer_value(json_at_pointer(root, "/m~0n")), 8);
    assert_int_equal(json_integer_value(json_at_pointer(root, "/")), 0);
    assert_int_equal(json_integer_value(json_at_pointer(root, "/ ")), 7);
    assert_null(json_at_pointer(root, "/foo/2"));
    assert_null(json_at_pointer(root, "/foo/01"));
    assert_null(json_at_pointer(root, "/foo/-"));
    assert_null(json_at_pointer(root, "/m~2n"));
    assert_null(json_at_pointer(root, "foo"));
    json_decref(root);
}

static void json_files_are_named_in_errors(void **state)
{
    char *dir = test_tmpdir();
    struct lathe_error err = {0};
    json_t *value = NULL;

    (void)state;
    test_write_file(test_path(dir, "x.json"), "{\"a\":\n[}");
    assert_int_equal(json_parse_file(test_path(dir, "x.json"), &value, &err), LATHE_E_INVALID);
    assert_contains(err.text, "x.json: line 2");
    test_write_file(test_path(dir, "x.json"), "{\"a\":true}");
    assert_ok(json_parse_file(test_path(dir, "x.json"), &value, &err), &err);
    assert_int_equal(json_member_bool(value, "a", 0), 1);
    assert_int_equal(json_member_bool(value, "b", 7), 7);
    json_decref(value);
    assert_int_equal(json_parse_file(test_path(dir, "no"), &value, &err), LATHE_E_NOT_FOUND);
    test_tmpdir_remove(dir);
}

/* --- the service ----------------------------------------------------------------------------- */

static void service_builds_and_reads_objects(void **state)
{
    const struct lathe_json_service *j = json_service();
    struct lathe_json *o = j->object(j), *tags = j->array(j), *back = NULL;
    struct lathe_error err = {0};
    char *text;

    (void)state;
    assert_int_equal(j->set_string(o, "id", "x"), LATHE_OK);
    assert_int_equal(j->set_int(o, "n", 12), LATHE_OK);
    assert_int_equal(j->set_float(o, "f", 0.5), LATHE_OK);
    assert_int_equal(j->set_bool(o, "b", 1), LATHE_OK);
    assert_int_equal(j->set_string(o, "none", NULL), LATHE_OK);
    assert_int_equal(j->append_string(tags, "a"), LATHE_OK);
    assert_int_equal(j->append_int(tags, 2), LATHE_OK);
    assert_int_equal(j->append_float(tags, 2.5), LATHE_OK);
    assert_int_equal(j->set(o, "tags", tags), LATHE_OK);
    text = j->dup_text(o, 0, NULL);
    assert_string_equal(text, "{\"id\":\"x\",\"n\":12,\"f\":0.5,\"b\":true,\"none\":null,"
                              "\"tags\":[\"a\",2,2.5]}");
    assert_ok(j->parse(j, text, strlen(text), NULL, &back, &err), &err);
    assert_true(j->equal(o, back));
    assert_string_equal(j->get_string(back, "id", ""), "x");
    assert_int_equal(j->get_int(back, "n", 0), 12);
    assert_int_equal(j->get_int(back, "f", -1), -1); /* has a fraction */
    assert_true(j->get_float(back, "n", 0) == 12.0);
    assert_int_equal(j->get_bool(back, "b", 0), 1);
    assert_string_equal(j->get_string(back, "absent", "def"), "def");
    assert_int_equal(j->as_int(j->at(j->get(back, "tags"), 1), 0), 2);
    assert_int_equal(j->type(j->pointer(back, "/tags/2")), LATHE_JSON_FLOAT);
    assert_int_equal(j->type(j->get(back, "absent")), LATHE_JSON_NONE);
    assert_int_equal(j->remove(back, "tags"), LATHE_OK);
    assert_int_equal(j->remove(back, "tags"), LATHE_E_NOT_FOUND);
    assert_int_equal(j->count(back), 5);
    j->free_text(text);
    j->release(back);
    j->release(o);
}

static void service_knows_every_type(void **state)
{
    static const uint32_t want[] = {LATHE_JSON_NULL,  LATHE_JSON_BOOL,   LATHE_JSON_INT,
                                    LATHE_JSON_FLOAT, LATHE_JSON_STRING, LATHE_JSON_ARRAY,
                                    LATHE_JSON_OBJECT};
    const struct lathe_json_service *j = json_service();
    struct lathe_json *a = j->array(j);
    size_t len = 0;

    (void)state;
    assert_int_equal(j->append(a, j->null(j)), LATHE_OK);
    assert_int_equal(j->append(a, j->boolean(j, 1)), LATHE_OK);
    assert_int_equal(j->append(a, j->integer(j, 3)), LATHE_OK);
    assert_int_equal(j->append(a, j->real(j, 4.0)), LATHE_OK);
    assert_int_equal(j->append(a, j->string(j, "f\xc3\xbcnf", 5)), LATHE_OK);
    assert_int_equal(j->append(a, j->array(j)), LATHE_OK);
    assert_int_equal(j->append(a, j->object(j)), LATHE_OK);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(j->type(j->at(a, i)), want[i]);
    assert_int_equal(j->set_null(j->at(a, 6), "x"), LATHE_OK);
    assert_int_equal(j->as_bool(j->at(a, 1), 0), 1);
    assert_int_equal(j->as_int(j->at(a, 3), 0), 4); /* 4.0 is whole */
    assert_true(j->as_float(j->at(a, 4), -1) == -1.0);
    assert_string_equal(j->as_string(j->at(a, 4), "", &len), "f\xc3\xbcnf");
    assert_int_equal(len, 5);
    assert_null(j->at(a, 7));
    assert_null(j->real(j, 1e308 * 10));
    j->release(a);
}

static void service_walks_members_in_order(void **state)
{
    const struct lathe_json_service *j = json_service();
    struct lathe_json *o = json_handle(parse("{\"z\":1,\"a\":2,\"m\":3}")), *value;
    const char *name;
    char order[4] = "";
    int64_t sum = 0;

    (void)state;
    for (const void *it = j->next(o, NULL, &name, &value); it != NULL;
         it = j->next(o, it, &name, &value)) {
        strncat(order, name, 1);
        sum += j->as_int(value, 0);
    }
    assert_string_equal(order, "zam");
    assert_int_equal(sum, 6);
    j->release(o);
}

static void service_reports_misuse_and_consumes_values(void **state)
{
    const struct lathe_json_service *j = json_service();
    struct lathe_json *o = j->object(j), *a = j->array(j);

    (void)state;
    assert_int_equal(j->set(a, "x", j->integer(j, 1)), LATHE_E_INVALID);
    assert_int_equal(j->append(o, j->integer(j, 1)), LATHE_E_INVALID);
    assert_int_equal(j->set(NULL, "x", j->integer(j, 1)), LATHE_E_NOMEM);
    assert_int_equal(j->set(o, "x", NULL), LATHE_E_NOMEM);
    assert_int_equal(j->set(o, "\xff", j->integer(j, 1)), LATHE_E_INVALID);
    assert_int_equal(j->set_string(o, "x", "\xff"), LATHE_E_INVALID);
    assert_int_equal(j->set_float(o, "x", 0.0 / 0.0 * 1e300), LATHE_E_INVALID);
    assert_int_equal(j->set(o, "self", j->acquire(o)), LATHE_E_INVALID);
    assert_int_equal(j->count(o), 0);
    assert_null(j->string(j, "\xff", 1));
    j->release(o);
    j->release(a);
    j->release(NULL);
}

static void service_dump_says_how_much_it_needs(void **state)
{
    const struct lathe_json_service *j = json_service();
    struct lathe_json *o = json_handle(parse("{\"a\":1}"));
    char out[8];
    size_t len = 0;

    (void)state;
    assert_int_equal(j->dump(o, 0, NULL, 0, &len), LATHE_E_LIMIT);
    assert_int_equal(len, 7);
    assert_int_equal(j->dump(o, 0, out, 7, &len), LATHE_E_LIMIT);
    assert_int_equal(j->dump(o, 0, out, 8, &len), LATHE_OK);
    assert_string_equal(out, "{\"a\":1}");
    assert_int_equal(j->dump(NULL, 0, out, 8, &len), LATHE_E_INVALID);
    j->release(o);
}

static void service_copy_is_deep(void **state)
{
    const struct lathe_json_service *j = json_service();
    struct lathe_json *o = json_handle(parse("{\"a\":[1]}")), *copy = j->copy(o);

    (void)state;
    j->append_int(j->get(copy, "a"), 2);
    assert_int_equal(j->count(j->get(o, "a")), 1);
    assert_false(j->equal(o, copy));
    j->release(o);
    j->release(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_text_round_trips),
        cmocka_unit_test(json_pretty_and_sorted_text),
        cmocka_unit_test(json_duplicate_member_is_named),
        cmocka_unit_test(json_numbers_out_of_range_are_refused),
        cmocka_unit_test(json_malformed_text_is_refused),
        cmocka_unit_test(json_depth_and_size_are_limited),
        cmocka_unit_test(json_writing_stops_at_its_depth),
        cmocka_unit_test(json_without_memory_is_no_syntax_error),
        cmocka_unit_test(json_same_compares_values),
        cmocka_unit_test(json_pointer_follows_the_rfc),
        cmocka_unit_test(json_files_are_named_in_errors),
        cmocka_unit_test(service_builds_and_reads_objects),
        cmocka_unit_test(service_knows_every_type),
        cmocka_unit_test(service_walks_members_in_order),
        cmocka_unit_test(service_reports_misuse_and_consumes_values),
        cmocka_unit_test(service_dump_says_how_much_it_needs),
        cmocka_unit_test(service_copy_is_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
