/* The JSON writer and the helpers that need no server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/api/common/api_kit.h"

static void writer_puts_commas_names_and_escapes(void **state)
{
    struct text t = {0};
    struct jw w;

    (void)state;
    jw_init(&w, &t);
    jw_obj(&w, NULL);
    jw_str(&w, "a\"b", "x\n\x01\\\xc3\xa9");
    jw_str(&w, "none", NULL);
    jw_arr(&w, "list");
    jw_int(&w, NULL, -5);
    jw_obj(&w, NULL);
    jw_end_obj(&w);
    jw_uint(&w, NULL, UINT64_MAX);
    jw_end_arr(&w);
    jw_bool(&w, "yes", 1);
    jw_null(&w, "nil");
    jw_raw(&w, "raw", "{\"k\":1}");
    jw_end_obj(&w);
    assert_string_equal(text_get(&t),
                        "{\"a\\\"b\":\"x\\n\\u0001\\\\\xc3\xa9\",\"none\":\"\",\"list\":[-5,{},"
                        "18446744073709551615],\"yes\":true,\"nil\":null,\"raw\":{\"k\":1}}");
    text_fini(&t);
}

static void numbers_are_short_finite_and_read_back(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0.0"},
                 {100, "100.0"},
                 {0.1, "0.1"},
                 {1e-9, "1e-09"},
                 {1.0 / 3, "0.3333333333333333"},
                 {-2.5, "-2.5"},
                 {NAN, "0.0"},
                 {INFINITY, "0.0"}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text t = {0};
        struct jw w;

        jw_init(&w, &t);
        jw_num(&w, NULL, cases[i].value);
        assert_string_equal(text_get(&t), cases[i].text);
        text_fini(&t);
    }
}

static void times_are_utc_with_milliseconds(void **state)
{
    char stamp[32];

    (void)state;
    text_time(stamp, 1767225600007);
    assert_string_equal(stamp, "2026-01-01T00:00:00.007Z");
}

static void thinning_keeps_means_and_last_steps(void **state)
{
    uint64_t steps[] = {1, 2, 3, 4, 5, 6, 7};
    double values[] = {1, 1, 1, 4, 4, 4, 4};

    (void)state;
    assert_int_equal(api_thin(steps, values, 7, 0), 7);
    assert_int_equal(api_thin(steps, values, 7, 2), 2);
    assert_int_equal(steps[0], 3);
    assert_int_equal(steps[1], 7);
    assert_true(values[0] == 1 && values[1] == 4);
}

static void pages_count_everything_and_take_a_window(void **state)
{
    struct api_page page = {2, 1, 0};
    int taken[4], i;

    (void)state;
    for (i = 0; i < 4; i++)
        taken[i] = api_page_take(&page);
    assert_true(!taken[0] && taken[1] && taken[2] && !taken[3]);
    assert_int_equal(page.total, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_puts_commas_names_and_escapes),
        cmocka_unit_test(numbers_are_short_finite_and_read_back),
        cmocka_unit_test(times_are_utc_with_milliseconds),
        cmocka_unit_test(thinning_keeps_means_and_last_steps),
        cmocka_unit_test(pages_count_everything_and_take_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
