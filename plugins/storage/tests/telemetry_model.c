/* SPDX-License-Identifier: Apache-2.0 */
/* Random telemetry against a naive model: one slot for each second of a few series; every level is
 * computed anew from the slots. The seed is printed, and taken from LATHE_TEST_SEED when set. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/storage/tests/test_telemetry.h"

#define N_SERIES 3
#define N_SLOTS 9000 /* 2.5 h */
#define N_STEPS 120
#define BATCH 250

struct slot {
    int used;
    double value;
    uint32_t flags;
};

struct model {
    uint64_t rng, ids[N_SERIES];
    struct slot slots[N_SERIES][N_SLOTS], saved[N_SERIES][N_SLOTS];
    int in_group;
};

static uint64_t draw(struct model *m, uint64_t below)
{
    uint64_t z = m->rng += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static void step_ingest(struct fixture *f, struct model *m)
{
    static struct lathe_ts_point points[BATCH];
    const struct lathe_ts_batch batch = {sizeof batch, 1 + (uint32_t)draw(m, BATCH), T0, points};
    uint64_t base = draw(m, N_SLOTS - 100);

    for (uint32_t i = 0; i < batch.n_points; i++) {
        uint64_t s = draw(m, N_SERIES);
        uint64_t at = draw(m, 5) > 0 ? base + draw(m, 100) : draw(m, N_SLOTS);
        struct slot *slot = &m->slots[s][at];

        if (!slot->used || draw(m, 3) == 0) {
            slot->value = (double)(int64_t)draw(m, 1000000) / 1000 - 500;
            slot->flags = draw(m, 12) == 0 ? LATHE_TS_BAD : (uint32_t)draw(m, 2);
        }
        slot->used = 1;
        points[i] = (struct lathe_ts_point){m->ids[s], T0 + (int64_t)at * SECOND, slot->value,
                                            slot->flags, 0};
    }
    assert_int_equal(f->series->ingest(f->self, &batch, NULL, NULL), LATHE_OK);
}

static void step_erase(struct fixture *f, struct model *m)
{
    uint64_t s = draw(m, N_SERIES), first = draw(m, N_SLOTS), n = draw(m, 400);

    assert_int_equal(f->series->erase(f->self, m->ids[s], T0 + (int64_t)first * SECOND,
                                      T0 + (int64_t)(first + n) * SECOND, NULL),
                     LATHE_OK);
    for (uint64_t i = first; i < first + n && i < N_SLOTS; i++)
        m->slots[s][i].used = 0;
}

static void check_points(struct fixture *f, struct model *m, int s, struct telemetry_rows *rows)
{
    struct lathe_ts_query q = {.struct_size = sizeof q,
                               .flags = LATHE_TS_COUNT | (draw(m, 2) ? LATHE_TS_DESC : 0),
                               .series = m->ids[s],
                               .limit = TELEMETRY_ROWS};
    int64_t first = (int64_t)draw(m, N_SLOTS), end = (int64_t)draw(m, N_SLOTS);
    uint32_t n = 0;

    q.first_us = T0 + first * SECOND;
    q.end_us = T0 + end * SECOND;
    telemetry_points(f, &q, rows);
    for (int64_t i = first; i < end; i++) {
        const struct slot *slot = &m->slots[s][i];
        const struct lathe_ts_point *p;

        if (!slot->used)
            continue;
        assert_true(n < rows->n);
        p = &rows->points[q.flags & LATHE_TS_DESC ? rows->n - 1 - n : n];
        assert_int_equal(p->ts_us, T0 + i * SECOND);
        assert_true(p->value == slot->value && p->flags == slot->flags);
        n++;
    }
    assert_int_equal(rows->n, n);
    assert_int_equal(rows->result.total, n);
}

static void bucket_expect(const struct slot *slots, int64_t first, int64_t n,
                          const struct lathe_ts_bucket *b)
{
    uint64_t count = 0, bad = 0;
    double sum = 0, min = (double)INFINITY, max = -(double)INFINITY, first_v = 0, last_v = 0;

    for (int64_t i = first < 0 ? 0 : first; i < first + n && i < N_SLOTS; i++) {
        if (!slots[i].used)
            continue;
        if ((slots[i].flags & LATHE_TS_QUALITY) == LATHE_TS_BAD) {
            bad++;
            continue;
        }
        if (count++ == 0)
            first_v = slots[i].value;
        last_v = slots[i].value;
        sum += slots[i].value;
        min = fmin(min, slots[i].value);
        max = fmax(max, slots[i].value);
    }
    assert_int_equal(b->n, count);
    assert_int_equal(b->n_bad, bad);
    if (count == 0)
        return;
    assert_true(fabs(b->sum - sum) <= 1e-9 * (1 + fabs(sum)));
    assert_true(fabs(b->avg - sum / (double)count) <= 1e-9 * (1 + fabs(sum)));
    assert_true(b->min == min && b->max == max);
    assert_true(b->first == first_v && b->last == last_v);
}

static void check_level(struct fixture *f, struct model *m, int s, int64_t interval,
                        struct telemetry_rows *rows)
{
    struct lathe_ts_query q = {.struct_size = sizeof q,
                               .series = m->ids[s],
                               .first_us = T0 - 86400 * SECOND,
                               .end_us = T0 + 86400 * SECOND,
                               .interval_us = interval * SECOND,
                               .limit = TELEMETRY_ROWS};
    uint64_t in_slots = 0, in_buckets = 0;

    telemetry_buckets(f, &q, rows);
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct lathe_ts_bucket *b = &rows->buckets[i];

        assert_true(b->n + b->n_bad > 0);
        assert_true(i == 0 || b->start_us > rows->buckets[i - 1].start_us);
        bucket_expect(m->slots[s], (b->start_us - T0) / SECOND, interval, b);
        in_buckets += b->n + b->n_bad;
    }
    for (int i = 0; i < N_SLOTS; i++)
        in_slots += (uint64_t)m->slots[s][i].used;
    assert_int_equal(in_buckets, in_slots);
}

static void step(struct fixture *f, struct model *m, struct telemetry_rows *rows)
{
    static const int64_t levels[] = {60, 300, 3600, 86400, 7, 900};
    uint32_t wait_ms;
    int s = (int)draw(m, N_SERIES);

    switch (draw(m, 10)) {
    case 0:
        step_erase(f, m);
        break;
    case 1:
        check_points(f, m, s, rows);
        break;
    case 2:
        check_level(f, m, s, levels[draw(m, 6)], rows);
        break;
    case 3:
        assert_int_equal(f->series->maintain(f->self, T0, &wait_ms, NULL), LATHE_OK);
        break;
    case 4:
        memcpy(m->saved, m->slots, sizeof m->saved);
        assert_int_equal(f->vtable->begin(f->self, NULL), LATHE_OK);
        step_ingest(f, m);
        step_ingest(f, m);
        if (draw(m, 2) == 0) {
            assert_int_equal(f->vtable->commit(f->self, NULL), LATHE_OK);
        } else {
            f->vtable->rollback(f->self);
            memcpy(m->slots, m->saved, sizeof m->slots);
        }
        break;
    case 5:
        if ((f->vtable->flags & LATHE_STORAGE_DURABLE) && draw(m, 3) == 0) {
            fixture_close(f);
            assert_int_equal(fixture_open(f, NULL), LATHE_OK);
        }
        break;
    default:
        step_ingest(f, m);
    }
}

void random_telemetry_agrees_with_the_model(void **state)
{
    static const int64_t levels[] = {60, 300, 3600, 86400, 900};
    struct fixture *f = *state;
    struct model *m = calloc(1, sizeof *m);
    struct telemetry_rows *rows = calloc(1, sizeof *rows);
    const char *seed = getenv("LATHE_TEST_SEED");

    assert_true(m != NULL && rows != NULL);
    m->rng = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("LATHE_TEST_SEED=%llu\n", (unsigned long long)m->rng);
    for (int s = 0; s < N_SERIES; s++) {
        char name[8];

        snprintf(name, sizeof name, "s%d", s);
        m->ids[s] = fixture_series(f, name);
        assert_true(m->ids[s] != 0);
    }
    for (int i = 0; i < N_STEPS; i++)
        step(f, m, rows);
    for (int pass = 0; pass < 2; pass++) {
        for (int s = 0; s < N_SERIES; s++) {
            check_points(f, m, s, rows);
            for (size_t l = 0; l < 5; l++)
                check_level(f, m, s, levels[l], rows);
        }
        assert_int_equal(fixture_settle(f, T0 + 86400 * SECOND), LATHE_OK);
    }
    free(m);
    free(rows);
}
