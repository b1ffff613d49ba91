/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories against a naive model: an array of documents, sorted and filtered anew for every
 * scan. The seed is printed, and taken from LATHE_TEST_SEED when set. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/storage/tests/test_storage.h"

#define N_IDS 24
#define N_STEPS 1500
#define N_TAGS 3
#define PROVISIONAL                                                              \
    (1u << 30) /* revisions of this batch, not known yet; no real one gets there \
                */

struct record {
    int exists;
    uint64_t revision;
    int has_n;
    double n;
    char s[8];
    int tags[N_TAGS]; /* tag i present */
};

struct model {
    struct record docs[N_IDS];
    struct record saved[N_IDS]; /* at begin */
    uint64_t counter, saved_counter, highest, saved_highest, provisional;
    int in_group;
    uint64_t rng;
};

/* One row that a scan must return. */
struct row {
    int doc;
    double num;
    const char *str;
};

static uint64_t draw(struct model *m, uint64_t below)
{
    uint64_t z = m->rng += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static void id_of(int doc, char out[16])
{
    snprintf(out, 16, "id%02d", doc);
}

static void record_draw(struct model *m, struct record *r)
{
    r->exists = 1;
    r->has_n = draw(m, 5) > 0;
    r->n = (double)draw(m, 8) - 3.5;
    snprintf(r->s, sizeof r->s, "s%d", (int)draw(m, 4));
    for (int t = 0; t < N_TAGS; t++)
        r->tags[t] = draw(m, 2) == 0;
}

static void record_json(const struct record *r, char *out, size_t cap)
{
    size_t len = (size_t)snprintf(out, cap, "{\"s\":\"%s\",\"tags\":[", r->s);
    const char *comma = "";

    for (int t = 0; t < N_TAGS; t++)
        if (r->tags[t]) {
            len += (size_t)snprintf(out + len, cap - len, "%s\"t%d\"", comma, t);
            comma = ",";
        }
    len += (size_t)snprintf(out + len, cap - len, "]");
    if (r->has_n)
        len += (size_t)snprintf(out + len, cap - len, ",\"n\":%.1f", r->n);
    snprintf(out + len, cap - len, "}");
}

static int32_t expected_status(const struct record *r, uint32_t op, uint64_t expected)
{
    if (expected == LATHE_REV_NONE)
        return r->exists ? LATHE_E_EXISTS : LATHE_OK;
    if (!r->exists)
        return expected == LATHE_REV_ANY && op != LATHE_OP_CHECK ? LATHE_OK : LATHE_E_NOT_FOUND;
    return expected == LATHE_REV_ANY || expected == r->revision ? LATHE_OK : LATHE_E_CONFLICT;
}

static uint64_t draw_expectation(struct model *m, const struct record *r)
{
    switch (draw(m, 5)) {
    case 0:
        return LATHE_REV_NONE;
    case 1:
        return r->revision < PROVISIONAL ? r->revision + draw(m, 2) : LATHE_REV_ANY;
    default:
        return LATHE_REV_ANY;
    }
}

/* A batch of one to four operations. */
static void step_batch(struct fixture *f, struct model *m)
{
    struct lathe_storage_op ops[4];
    const struct lathe_storage_op *list[4];
    struct lathe_storage_batch batch = {sizeof batch, 1 + (uint32_t)draw(m, 4), list};
    struct record before[N_IDS], next[4];
    char ids[4][16], json[4][160];
    int docs[4];
    uint64_t values[4], counter = m->counter;
    uint32_t failed = 99, want_failed = 99;
    int32_t want = LATHE_OK;

    memcpy(before, m->docs, sizeof before);
    for (uint32_t i = 0; i < batch.n_ops; i++) {
        struct record *r;

        docs[i] = (int)draw(m, N_IDS);
        r = &m->docs[docs[i]];
        id_of(docs[i], ids[i]);
        record_draw(m, &next[i]);
        record_json(&next[i], json[i], sizeof json[i]);
        ops[i] = (struct lathe_storage_op){sizeof ops[i],
                                           (uint32_t)draw(m, 4),
                                           "things",
                                           ids[i],
                                           draw_expectation(m, r),
                                           json[i],
                                           0,
                                           1 + draw(m, 9)};
        if (ops[i].op == LATHE_OP_NEXT)
            ops[i].id = "numbers";
        list[i] = &ops[i];
        if (want != LATHE_OK || ops[i].op == LATHE_OP_NEXT)
            continue;
        if ((want = expected_status(r, ops[i].op, ops[i].expected)) != LATHE_OK) {
            want_failed = i;
        } else if (ops[i].op == LATHE_OP_PUT) {
            next[i].revision = m->provisional++; /* replaced by the real one below */
            *r = next[i];
        } else if (ops[i].op == LATHE_OP_DELETE) {
            memset(r, 0, sizeof *r);
        }
    }
    assert_int_equal(f->vtable->apply(f->self, &batch, values, &failed, NULL), want);
    if (want != LATHE_OK) {
        assert_int_equal(failed, want_failed);
        memcpy(m->docs, before, sizeof before);
        return;
    }
    for (uint32_t i = 0; i < batch.n_ops; i++) {
        if (ops[i].op == LATHE_OP_NEXT) {
            assert_int_equal(values[i], counter + 1);
            counter += ops[i].count;
        } else if (ops[i].op == LATHE_OP_PUT) {
            for (int d = 0; d < N_IDS; d++)
                if (m->docs[d].exists && m->docs[d].revision == next[i].revision && d == docs[i])
                    m->docs[d].revision = values[i];
            assert_true(values[i] > m->highest);
            m->highest = values[i];
        }
    }
    m->counter = counter;
}

static int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = 0;

    if (x->str != NULL)
        order = strcmp(x->str, y->str);
    else
        order = x->num < y->num ? -1 : x->num > y->num;
    return order != 0 ? order : x->doc - y->doc;
}

static int in_bounds(const struct row *r, const struct lathe_storage_query *q)
{
    int lo = 1, hi = 1;

    if (q->min != NULL)
        lo = r->str != NULL ? strcmp(r->str, q->min->str)
                            : (r->num > q->min->num) - (r->num < q->min->num);
    if (q->max != NULL)
        hi = r->str != NULL ? -strcmp(r->str, q->max->str)
                            : (r->num < q->max->num) - (r->num > q->max->num);
    return (lo > 0 || (lo == 0 && !(q->flags & LATHE_SCAN_MIN_EXCLUDED))) &&
           (hi > 0 || (hi == 0 && !(q->flags & LATHE_SCAN_MAX_EXCLUDED)));
}

static int model_rows(const struct model *m, const struct lathe_storage_query *q, struct row *rows,
                      char ids[N_IDS][16])
{
    static const char *const tags[N_TAGS] = {"t0", "t1", "t2"};
    struct row all[N_IDS * N_TAGS];
    int n = 0, kept = 0;

    for (int d = 0; d < N_IDS; d++) {
        const struct record *r = &m->docs[d];

        id_of(d, ids[d]);
        if (!r->exists)
            continue;
        if (q->filters != NULL && strcmp(r->s, q->filters[0]->value->str) != 0)
            continue;
        if (q->index == NULL)
            all[n++] = (struct row){d, 0, ids[d]};
        else if (strcmp(q->index, "n") == 0 && r->has_n)
            all[n++] = (struct row){d, r->n, NULL};
        else if (strcmp(q->index, "s") == 0)
            all[n++] = (struct row){d, 0, r->s};
        for (int t = 0; q->index != NULL && strcmp(q->index, "tags") == 0 && t < N_TAGS; t++)
            if (r->tags[t])
                all[n++] = (struct row){d, 0, tags[t]};
    }
    for (int i = 0; i < n; i++)
        if (in_bounds(&all[i], q))
            rows[kept++] = all[i];
    qsort(rows, (size_t)kept, sizeof *rows, row_compare);
    for (int i = 0; q->flags & LATHE_SCAN_DESC && i < kept / 2; i++) {
        struct row swap = rows[i];

        rows[i] = rows[kept - 1 - i];
        rows[kept - 1 - i] = swap;
    }
    return kept;
}

struct page {
    const struct model *m;
    const struct row *rows;
    int at, n;
};

static int32_t check_row(void *user, const struct lathe_storage_doc *doc)
{
    struct page *page = user;
    char id[16], json[160];
    const struct record *r;

    assert_true(page->at < page->n);
    id_of(page->rows[page->at].doc, id);
    r = &page->m->docs[page->rows[page->at++].doc];
    record_json(r, json, sizeof json);
    assert_string_equal(doc->id, id);
    assert_string_equal(doc->json, json);
    assert_int_equal(doc->revision, r->revision);
    return LATHE_OK;
}

/* Reads a random query to its end in pages and compares every row. */
static void step_scan(struct fixture *f, struct model *m)
{
    static const char *const fields[] = {NULL, "n", "s", "tags"};
    const char *field = fields[draw(m, 4)];
    char text[3][16], ids[N_IDS][16], cursor[LATHE_STORAGE_CURSOR_MAX];
    struct lathe_storage_value lo = {sizeof lo, LATHE_INDEX_STRING, text[0],
                                     (double)draw(m, 8) - 3.5};
    struct lathe_storage_value hi = {sizeof hi, LATHE_INDEX_STRING, text[1],
                                     (double)draw(m, 8) - 3.5};
    struct lathe_storage_value eq = {sizeof eq, LATHE_INDEX_STRING, text[2], 0};
    const struct lathe_storage_filter filter = {sizeof filter, 0, "s", &eq};
    const struct lathe_storage_filter *filters[] = {&filter, NULL};
    struct lathe_storage_query q = {
        .struct_size = sizeof q, .collection = "things", .index = field};
    struct lathe_storage_scan_result result = {.struct_size = sizeof result};
    struct row rows[N_IDS * N_TAGS];
    struct page page = {m, rows, 0, 0};
    const char *stem = field == NULL ? "id" : field[0] == 's' ? "s" : "t";

    for (int i = 0; i < 2; i++)
        snprintf(text[i], sizeof text[i], field == NULL ? "%s%02d" : "%s%d", stem,
                 (int)draw(m, field == NULL ? N_IDS : 4));
    snprintf(text[2], sizeof text[2], "s%d", (int)draw(m, 4));
    if (field != NULL && field[0] == 'n')
        lo.type = hi.type = LATHE_INDEX_NUMBER;
    q.flags = (uint32_t)draw(m, 16) | LATHE_SCAN_COUNT;
    q.min = draw(m, 2) ? &lo : NULL;
    q.max = draw(m, 2) ? &hi : NULL;
    q.filters = draw(m, 3) == 0 ? filters : NULL;
    q.limit = 1 + (uint32_t)draw(m, 9);
    page.n = model_rows(m, &q, rows, ids);
    do {
        int left = page.n - page.at;

        assert_int_equal(f->vtable->scan(f->self, &q, check_row, &page, &result, NULL), LATHE_OK);
        assert_int_equal(result.total, page.n);
        assert_int_equal(result.n_docs, left < (int)q.limit ? left : (int)q.limit);
        memcpy(cursor, result.cursor, sizeof cursor);
        q.cursor = cursor;
    } while (cursor[0] != 0);
    assert_int_equal(page.at, page.n);
}

static void step_group(struct fixture *f, struct model *m)
{
    if (!m->in_group) {
        assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
        memcpy(m->saved, m->docs, sizeof m->saved);
        m->saved_counter = m->counter;
        m->saved_highest = m->highest;
    } else if (draw(m, 3) > 0) {
        assert_int_equal(f->vtable->commit(f->self, NULL), LATHE_OK);
    } else {
        f->vtable->rollback(f->self);
        memcpy(m->docs, m->saved, sizeof m->saved);
        m->counter = m->saved_counter;
        m->highest = m->saved_highest;
    }
    m->in_group = !m->in_group;
}

static void step_reopen(struct fixture *f, struct model *m)
{
    if (m->in_group || !(f->vtable->flags & LATHE_STORAGE_DURABLE))
        return;
    fixture_close(f);
    assert_int_equal(fixture_open(f, NULL), LATHE_OK);
}

void random_histories_agree_with_the_model(void **state)
{
    struct fixture *f = *state;
    const char *given = getenv("LATHE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    print_message("LATHE_TEST_SEED=%llu\n", (unsigned long long)seed);
    m->rng = seed;
    m->provisional = PROVISIONAL;
    for (int i = 0; i < N_STEPS; i++) {
        uint64_t what = draw(m, 100);

        if (what < 60)
            step_batch(f, m);
        else if (what < 90)
            step_scan(f, m);
        else if (what < 98)
            step_group(f, m);
        else
            step_reopen(f, m);
    }
    free(m);
}
