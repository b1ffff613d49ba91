/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of a storage, for every storage plugin of the tree: argument 1 names it. Examples of
 * each rule first; model.c compares long random histories with a naive model. */

#include "plugins/storage/tests/test_storage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *plugin_name = "memory";

int storage_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_true(fixture_load(f, plugin_name));
    snprintf(f->dir, sizeof f->dir, "/tmp/lathe-storage-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
    assert_int_equal(fixture_declare(f, "things"), LATHE_OK);
    *state = f;
    return 0;
}

int storage_teardown(void **state)
{
    struct fixture *f = *state;
    char command[96];

    fixture_close(f);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static int32_t get(struct fixture *f, const char *id, struct lathe_storage_doc *doc)
{
    doc->struct_size = sizeof *doc;
    return f->vtable->get(f->self, "things", id, doc, NULL);
}

static void a_document_comes_back_with_its_revision(void **state)
{
    struct fixture *f = *state;
    struct lathe_storage_doc doc;
    uint64_t first = 0, second = 0;

    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_NONE, "{\"n\":1}", &first), LATHE_OK);
    assert_true(first > 0);
    assert_int_equal(get(f, "a", &doc), LATHE_OK);
    assert_string_equal(doc.json, "{\"n\":1}");
    assert_int_equal(doc.json_len, 7);
    assert_int_equal(doc.revision, first);
    assert_string_equal(doc.id, "a");
    assert_int_equal(fixture_put(f, "things", "a", first, "{ \"n\": 2 }", &second), LATHE_OK);
    assert_true(second > first);
    assert_int_equal(get(f, "a", &doc), LATHE_OK);
    assert_string_equal(doc.json, "{ \"n\": 2 }"); /* the text itself, not a rendering */
    assert_int_equal(get(f, "b", &doc), LATHE_E_NOT_FOUND);
}

static void a_missed_expectation_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct lathe_storage_doc doc;
    uint64_t rev = 0;

    assert_int_equal(fixture_put(f, "things", "a", 7, "{}", NULL), LATHE_E_NOT_FOUND);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_NONE, "{\"n\":1}", &rev), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_NONE, "{\"n\":2}", NULL),
                     LATHE_E_EXISTS);
    assert_int_equal(fixture_put(f, "things", "a", rev + 1, "{\"n\":2}", NULL), LATHE_E_CONFLICT);
    assert_int_equal(fixture_delete(f, "things", "a", rev + 1), LATHE_E_CONFLICT);
    assert_int_equal(get(f, "a", &doc), LATHE_OK);
    assert_string_equal(doc.json, "{\"n\":1}");
    assert_int_equal(fixture_delete(f, "things", "a", rev), LATHE_OK);
    assert_int_equal(fixture_delete(f, "things", "a", rev), LATHE_E_NOT_FOUND);
    assert_int_equal(fixture_delete(f, "things", "a", LATHE_REV_ANY), LATHE_OK);
}

static void a_recreated_document_never_shows_an_old_revision(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 0, second = 0;

    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "{}", &first), LATHE_OK);
    assert_int_equal(fixture_delete(f, "things", "a", LATHE_REV_ANY), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "{}", &second), LATHE_OK);
    assert_true(second > first);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    char long_id[300], long_key[700];

    memset(long_id, 'x', sizeof long_id);
    long_id[201] = 0;
    snprintf(long_key, sizeof long_key, "{\"s\":\"%.*s\"}", 513, "");
    memset(long_key + 6, 'k', 513);
    memcpy(long_key + 6 + 513, "\"}", 3);
    assert_int_equal(fixture_put(f, "things", long_id, LATHE_REV_ANY, "{}", NULL), LATHE_E_INVALID);
    long_id[200] = 0;
    assert_int_equal(fixture_put(f, "things", long_id, LATHE_REV_ANY, "{}", NULL), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", "", LATHE_REV_ANY, "{}", NULL), LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "things", "a\nb", LATHE_REV_ANY, "{}", NULL), LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "things", "\xc0\xaf", LATHE_REV_ANY, "{}", NULL),
                     LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "Things", "a", LATHE_REV_ANY, "{}", NULL), LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "unknown", "a", LATHE_REV_ANY, "{}", NULL), LATHE_E_NOT_FOUND);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "[]", NULL), LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "{\"a\":1", NULL),
                     LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "{\"a\":1,\"a\":2}", NULL),
                     LATHE_E_INVALID);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, long_key, NULL), LATHE_E_LIMIT);
    assert_int_equal(fixture_delete(f, "things", "a", LATHE_REV_NONE),
                     LATHE_OK); /* never written */
}

static void a_batch_happens_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    const struct lathe_storage_op put_a = {sizeof put_a,   LATHE_OP_PUT, "things", "a",
                                           LATHE_REV_NONE, "{\"n\":1}",  0,        0};
    const struct lathe_storage_op next = {sizeof next, LATHE_OP_NEXT, NULL, "ids", 0, NULL, 0, 5};
    const struct lathe_storage_op check = {sizeof check,  LATHE_OP_CHECK, "things", "b",
                                           LATHE_REV_ANY, NULL,           0,        0};
    const struct lathe_storage_op *ops[] = {&put_a, &next, &check};
    const struct lathe_storage_batch batch = {sizeof batch, 3, ops};
    struct lathe_storage_doc doc;
    uint64_t values[3] = {0};
    uint32_t failed = 99;

    assert_int_equal(f->vtable->apply(f->self, &batch, values, &failed, NULL), LATHE_E_NOT_FOUND);
    assert_int_equal(failed, 2);
    assert_int_equal(get(f, "a", &doc), LATHE_E_NOT_FOUND);
    assert_int_equal(fixture_put(f, "things", "b", LATHE_REV_NONE, "{}", NULL), LATHE_OK);
    assert_int_equal(f->vtable->apply(f->self, &batch, values, &failed, NULL), LATHE_OK);
    assert_int_equal(values[1], 1); /* the failed batch took no number */
    assert_int_equal(get(f, "a", &doc), LATHE_OK);
    assert_int_equal(doc.revision, values[0]);
}

static void later_operations_see_earlier_ones_of_the_batch(void **state)
{
    struct fixture *f = *state;
    const struct lathe_storage_op put = {sizeof put,     LATHE_OP_PUT, "things", "a",
                                         LATHE_REV_NONE, "{\"n\":1}",  0,        0};
    const struct lathe_storage_op del = {
        sizeof del, LATHE_OP_DELETE, "things", "a", LATHE_REV_ANY, NULL, 0, 0};
    const struct lathe_storage_op *ops[] = {&put, &del, &put};
    const struct lathe_storage_batch batch = {sizeof batch, 3, ops};
    uint64_t values[3] = {0};

    assert_int_equal(f->vtable->apply(f->self, &batch, values, NULL, NULL), LATHE_OK);
    assert_int_equal(values[1], values[0]);
    assert_true(values[2] > values[0]);
}

static void a_counter_gives_each_number_once(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 0, second = 0, other = 0;
    struct lathe_storage_op op = {sizeof op, LATHE_OP_NEXT, NULL, "ids", 0, NULL, 0, 10};
    const struct lathe_storage_op *ops[] = {&op};
    const struct lathe_storage_batch batch = {sizeof batch, 1, ops};

    assert_int_equal(f->vtable->apply(f->self, &batch, &first, NULL, NULL), LATHE_OK);
    assert_int_equal(f->vtable->apply(f->self, &batch, &second, NULL, NULL), LATHE_OK);
    op.id = "others";
    assert_int_equal(f->vtable->apply(f->self, &batch, &other, NULL, NULL), LATHE_OK);
    assert_int_equal(first, 1);
    assert_int_equal(second, 11);
    assert_int_equal(other, 1);
    op.count = 0;
    assert_int_equal(f->vtable->apply(f->self, &batch, &other, NULL, NULL), LATHE_E_INVALID);
}

static void a_group_is_kept_by_commit_and_lost_by_rollback(void **state)
{
    struct fixture *f = *state;
    const struct lathe_series_point p = {1, 2.0};
    const struct lathe_series_chunk chunk = {sizeof chunk, 1, "x/y", &p};
    const struct lathe_series_chunk *chunks[] = {&chunk};
    struct lathe_storage_doc doc;

    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "{\"n\":0}", NULL), LATHE_OK);
    assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
    assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_E_CONFLICT);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_ANY, "{\"n\":1}", NULL), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", "b", LATHE_REV_ANY, "{\"n\":1}", NULL), LATHE_OK);
    assert_int_equal(f->series->append(f->self, chunks, 1, NULL), LATHE_OK);
    assert_int_equal(get(f, "b", &doc), LATHE_OK);
    f->vtable->rollback(f->self);
    assert_int_equal(get(f, "b", &doc), LATHE_E_NOT_FOUND);
    assert_int_equal(get(f, "a", &doc), LATHE_OK);
    assert_string_equal(doc.json, "{\"n\":0}");
    assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", "b", LATHE_REV_NONE, "{\"n\":1}", NULL), LATHE_OK);
    assert_int_equal(fixture_put(f, "things", "a", LATHE_REV_NONE, "{}", NULL), LATHE_E_EXISTS);
    assert_int_equal(f->vtable->commit(f->self, NULL), LATHE_OK); /* the failed batch did no harm */
    assert_int_equal(f->vtable->commit(f->self, NULL), LATHE_E_CONFLICT);
    assert_int_equal(get(f, "b", &doc), LATHE_OK);
}

struct seen {
    char ids[4096];
    uint32_t n;
};

static int32_t see(void *user, const struct lathe_storage_doc *doc)
{
    struct seen *seen = user;

    strcat(seen->ids, doc->id);
    strcat(seen->ids, " ");
    seen->n++;
    assert_int_equal(strlen(doc->json), doc->json_len);
    return LATHE_OK;
}

static void expect_scan(struct fixture *f, const struct lathe_storage_query *q, const char *ids)
{
    struct lathe_storage_scan_result result = {.struct_size = sizeof result};
    struct seen seen = {{0}, 0};
    struct lathe_error err = {0};

    if (f->vtable->scan(f->self, q, see, &seen, &result, &err) != LATHE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(seen.ids, ids);
    assert_int_equal(result.n_docs, seen.n);
}

static void fill(struct fixture *f)
{
    static const char *const docs[][2] = {
        {"a", "{\"n\":3,\"s\":\"x\",\"tags\":[\"red\",\"big\"]}"},
        {"b", "{\"n\":1.5,\"s\":\"y\",\"tags\":[\"red\",\"red\"]}"},
        {"c", "{\"n\":true,\"s\":\"x\",\"deep\":{\"list\":[{\"x\":1},{\"x\":2},{}]}}"},
        {"d", "{\"n\":\"3\",\"s\":7,\"tags\":\"red\"}"},
        {"e", "{\"n\":-2,\"s\":\"\\u00e9\"}"},
        {"f", "{}"}};

    for (size_t i = 0; i < sizeof docs / sizeof docs[0]; i++)
        assert_int_equal(fixture_put(f, "things", docs[i][0], LATHE_REV_NONE, docs[i][1], NULL),
                         LATHE_OK);
}

static void scans_follow_ids_indexes_ranges_and_filters(void **state)
{
    struct fixture *f = *state;
    const struct lathe_storage_value one = {sizeof one, LATHE_INDEX_NUMBER, NULL, 1};
    const struct lathe_storage_value three = {sizeof three, LATHE_INDEX_NUMBER, NULL, 3};
    const struct lathe_storage_value x = {sizeof x, LATHE_INDEX_STRING, "x", 0};
    const struct lathe_storage_value red = {sizeof red, LATHE_INDEX_STRING, "red", 0};
    const struct lathe_storage_value b = {sizeof b, LATHE_INDEX_STRING, "b", 0};
    const struct lathe_storage_filter is_red = {sizeof is_red, 0, "tags", &red};
    const struct lathe_storage_filter *filters[] = {&is_red, NULL};
    struct lathe_storage_query q = {.struct_size = sizeof q, .collection = "things", .limit = 100};

    fill(f);
    expect_scan(f, &q, "a b c d e f ");
    q.flags = LATHE_SCAN_DESC;
    expect_scan(f, &q, "f e d c b a ");
    q.max = &b;
    expect_scan(f, &q, "b a ");
    q.flags = LATHE_SCAN_MAX_EXCLUDED;
    expect_scan(f, &q, "a ");
    q = (struct lathe_storage_query){.struct_size = sizeof q, .collection = "things", .limit = 100};
    q.index = "n";
    expect_scan(f, &q, "e c b a ");
    q.min = &one;
    expect_scan(f, &q, "c b a ");
    q.flags = LATHE_SCAN_MIN_EXCLUDED | LATHE_SCAN_MAX_EXCLUDED;
    q.max = &three;
    expect_scan(f, &q, "b ");
    q = (struct lathe_storage_query){.struct_size = sizeof q, .collection = "things", .limit = 100};
    q.index = "s";
    q.min = q.max = &x;
    expect_scan(f, &q, "a c ");
    q.filters = filters;
    expect_scan(f, &q, "a ");
    q.index = NULL;
    q.min = q.max = NULL;
    expect_scan(f, &q, "a b d ");
    q.filters = NULL;
    q.index = "tags";
    expect_scan(f, &q, "a a b d "); /* big, red, red, red */
    q.index = "deep.list.x";
    expect_scan(f, &q, "c c ");
    q.index = NULL;
    q.limit = 2;
    q.offset = 3;
    expect_scan(f, &q, "d e ");
}

static void bad_queries_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct lathe_storage_value num = {sizeof num, LATHE_INDEX_NUMBER, NULL, 1};
    struct lathe_storage_scan_result result = {.struct_size = sizeof result};
    struct lathe_storage_query q = {.struct_size = sizeof q, .collection = "things", .limit = 1};
    struct seen seen = {{0}, 0};
    char cursor[LATHE_STORAGE_CURSOR_MAX];

    fill(f);
    q.index = "color";
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_NOT_FOUND);
    q.index = "s";
    q.min = &num;
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_INVALID);
    q.index = NULL;
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_INVALID);
    q.min = NULL;
    q.limit = LATHE_STORAGE_SCAN_MAX + 1;
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_LIMIT);
    q.limit = 1;
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_OK);
    memcpy(cursor, result.cursor, sizeof cursor);
    assert_true(cursor[0] != 0);
    q.cursor = cursor;
    q.index = "n";
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_INVALID);
    q.index = NULL;
    for (size_t len = strlen(cursor); len > 0; len--) {
        cursor[len - 1] = 'z';
        assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_INVALID);
    }
}

static int32_t stop_at_second(void *user, const struct lathe_storage_doc *doc)
{
    uint32_t *n = user;

    (void)doc;
    return ++*n == 2 ? LATHE_E_CANCELLED : LATHE_OK;
}

static void a_reader_may_end_a_scan(void **state)
{
    struct fixture *f = *state;
    const struct lathe_storage_query q = {
        .struct_size = sizeof q, .collection = "things", .limit = 100};
    struct lathe_storage_scan_result result = {.struct_size = sizeof result};
    uint32_t n = 0;

    fill(f);
    assert_int_equal(f->vtable->scan(f->self, &q, stop_at_second, &n, &result, NULL),
                     LATHE_E_CANCELLED);
    assert_int_equal(n, 2);
    expect_scan(f, &q, "a b c d e f ");
}

static void indexes_follow_a_new_declaration(void **state)
{
    struct fixture *f = *state;
    const struct lathe_storage_index n = {sizeof n, LATHE_INDEX_STRING, "n"};
    const struct lathe_storage_index m = {sizeof m, LATHE_INDEX_STRING, "s"};
    const struct lathe_storage_index *indexes[] = {&n, &m, NULL};
    const struct lathe_storage_collection c = {sizeof c, 0, "things", indexes};
    struct lathe_storage_query q = {
        .struct_size = sizeof q, .collection = "things", .index = "n", .limit = 9};
    struct lathe_storage_scan_result result = {.struct_size = sizeof result};
    struct seen seen = {{0}, 0};

    fill(f);
    assert_int_equal(f->vtable->declare(f->self, &c, NULL), LATHE_OK);
    expect_scan(f, &q, "d ");
    q.index = "tags";
    assert_int_equal(f->vtable->scan(f->self, &q, see, &seen, &result, NULL), LATHE_E_NOT_FOUND);
    assert_int_equal(fixture_declare(f, "things"), LATHE_OK);
    expect_scan(f, &q, "a a b d ");
}

struct points {
    uint32_t n;
    struct lathe_series_point p[1000];
};

static int32_t collect(void *user, const struct lathe_series_point *points, uint32_t n)
{
    struct points *out = user;

    assert_true(out->n + n <= 1000);
    memcpy(out->p + out->n, points, n * sizeof *points);
    out->n += n;
    return LATHE_OK;
}

static void append(struct fixture *f, const char *name, int64_t first, uint32_t n)
{
    struct lathe_series_point points[600];
    const struct lathe_series_chunk chunk = {sizeof chunk, n, name, points};
    const struct lathe_series_chunk *chunks[] = {&chunk};

    for (uint32_t i = 0; i < n; i++)
        points[i] = (struct lathe_series_point){first + i, (double)(first + i) / 2};
    assert_int_equal(f->series->append(f->self, chunks, 1, NULL), LATHE_OK);
}

static void read_points(struct fixture *f, const char *name, uint32_t max, int64_t first,
                        int64_t last, struct points *out)
{
    const struct lathe_series_query q = {sizeof q, max, name, first, last};

    out->n = 0;
    assert_int_equal(f->series->read(f->self, &q, collect, out, NULL), LATHE_OK);
}

static void a_series_keeps_points_in_order_and_replaces_equal_steps(void **state)
{
    struct fixture *f = *state;
    struct points *out = calloc(1, sizeof *out);
    const struct lathe_series_point odd[] = {{3, 30},
                                             {-5, 1},
                                             {INT64_MAX, 7},
                                             {INT64_MIN, 8},
                                             {600, (double)NAN},
                                             {601, (double)INFINITY}};
    const struct lathe_series_chunk chunk = {sizeof chunk, 6, "j/loss", odd};
    const struct lathe_series_chunk *chunks[] = {&chunk};

    append(f, "j/loss", 0, 500);
    assert_int_equal(f->series->append(f->self, chunks, 1, NULL), LATHE_OK);
    read_points(f, "j/loss", 0, INT64_MIN, INT64_MAX, out);
    assert_int_equal(out->n, 505);
    assert_true(out->p[0].step == INT64_MIN && out->p[1].step == -5 &&
                out->p[504].step == INT64_MAX);
    assert_true(out->p[5].step == 3 && out->p[5].value == 30);
    assert_true(isnan(out->p[502].value) && isinf(out->p[503].value));
    read_points(f, "j/loss", 0, 10, 12, out);
    assert_int_equal(out->n, 3);
    assert_true(out->p[2].value == 6.0);
    read_points(f, "nothing", 0, 0, 10, out);
    assert_int_equal(out->n, 0);
    free(out);
}

static void thinning_gives_means_of_equal_groups(void **state)
{
    struct fixture *f = *state;
    struct points *out = calloc(1, sizeof *out);

    append(f, "j/r", 0, 10);
    read_points(f, "j/r", 10, 0, 99, out);
    assert_int_equal(out->n, 10);
    read_points(f, "j/r", 3, 0, 99, out); /* groups of 4, 4, 2 */
    assert_int_equal(out->n, 3);
    assert_true(out->p[0].step == 3 && out->p[0].value == 0.75);
    assert_true(out->p[2].step == 9 && out->p[2].value == 4.25);
    read_points(f, "j/r", 1, 0, 99, out);
    assert_int_equal(out->n, 1);
    assert_true(out->p[0].step == 9 && out->p[0].value == 2.25);
    append(f, "j/long", 0, 600);
    read_points(f, "j/long", 299, 0, 999, out);
    assert_int_equal(out->n, 200);
    free(out);
}

static int32_t count_series(void *user, const char *series, uint64_t n_points)
{
    char *text = user;
    size_t len = strlen(text);

    snprintf(text + len, 200 - len, "%s=%d ", series, (int)n_points);
    return LATHE_OK;
}

static void series_are_cut_and_removed_by_prefix(void **state)
{
    struct fixture *f = *state;
    char names[200] = "";

    append(f, "job_1/a", 0, 10);
    append(f, "job_1/b", 0, 5);
    append(f, "job_10/a", 0, 10);
    append(f, "job_1\xc3\xa9", 0, 2);
    assert_int_equal(f->series->drop_after(f->self, "job_1/", 6, NULL), LATHE_OK);
    assert_int_equal(f->series->list(f->self, "job_1", count_series, names, NULL), LATHE_OK);
    assert_string_equal(names, "job_1/a=7 job_1/b=5 job_10/a=10 job_1\xc3\xa9=2 ");
    assert_int_equal(f->series->drop_after(f->self, "job_1/", INT64_MIN, NULL), LATHE_OK);
    names[0] = 0;
    assert_int_equal(f->series->list(f->self, "job_1", count_series, names, NULL), LATHE_OK);
    assert_string_equal(names, "job_10/a=10 job_1\xc3\xa9=2 ");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        plugin_name = argv[1];
#define T(name) cmocka_unit_test_setup_teardown(name, storage_setup, storage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_document_comes_back_with_its_revision),
        T(a_missed_expectation_changes_nothing),
        T(a_recreated_document_never_shows_an_old_revision),
        T(bad_arguments_are_refused),
        T(a_batch_happens_whole_or_not_at_all),
        T(later_operations_see_earlier_ones_of_the_batch),
        T(a_counter_gives_each_number_once),
        T(a_group_is_kept_by_commit_and_lost_by_rollback),
        T(scans_follow_ids_indexes_ranges_and_filters),
        T(bad_queries_are_refused),
        T(a_reader_may_end_a_scan),
        T(indexes_follow_a_new_declaration),
        T(a_series_keeps_points_in_order_and_replaces_equal_steps),
        T(thinning_gives_means_of_equal_groups),
        T(series_are_cut_and_removed_by_prefix),
        T(random_histories_agree_with_the_model),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
