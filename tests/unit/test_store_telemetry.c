/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry through the store service: order, sharing of commits, privacy of series, background
 * work. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/storage_env.h"

#define SECOND INT64_C(1000000)
#define T0 INT64_C(1767600000000000)

static const char *plugins[] = {"memory", "sqlite"};

struct answer {
    int n_done, n_drop;
    int32_t status;
    uint64_t values[2];
    uint32_t n_ts, failed;
    double first;
    struct lathe_ts_stats stats;
    struct lathe_ts_result result;
};

static int setup(void **state)
{
    const char **plugin = *state;
    struct storage_env *env = calloc(1, sizeof *env);

    assert_non_null(env);
    storage_env_open(env, *plugin, NULL);
    *state = env;
    return 0;
}

static int teardown(void **state)
{
    storage_env_close(*state);
    free(*state);
    return 0;
}

static void on_done(void *user, int32_t status, const struct lathe_store_result *r)
{
    struct answer *a = user;

    a->n_done++;
    a->status = status;
    a->n_ts = r->n_ts;
    a->failed = r->failed_point;
    for (uint32_t i = 0; i < r->n_values && i < 2; i++)
        a->values[i] = r->values[i];
    if (r->ts_points != NULL && r->n_ts > 0)
        a->first = r->ts_points[0].value;
    if (r->ts_buckets != NULL && r->n_ts > 0)
        a->first = r->ts_buckets[0].avg;
    if (r->ts_latest != NULL && r->n_ts > 0)
        a->first = r->ts_latest[0].value;
    if (r->ts_stats != NULL)
        a->stats = *r->ts_stats;
    if (r->ts_result != NULL)
        a->result = *r->ts_result;
}

static void on_drop(void *user)
{
    ((struct answer *)user)->n_drop++;
}

static struct lathe_store_call into(struct answer *a)
{
    memset(a, 0, sizeof *a);
    return (struct lathe_store_call){sizeof(struct lathe_store_call), 0, on_done, on_drop, a};
}

static uint64_t open_series(struct storage_env *env, const char *name)
{
    struct answer a;
    const struct lathe_store_call call = into(&a);

    assert_int_equal(env->service->ts_open(env->service, &name, 1, &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.n_done, 1);
    assert_int_equal(a.n_drop, 1);
    assert_int_equal(a.status, LATHE_OK);
    return a.values[0];
}

static struct lathe_ts_query all_of(uint64_t id)
{
    return (struct lathe_ts_query){.struct_size = sizeof(struct lathe_ts_query),
                                   .series = id,
                                   .first_us = T0,
                                   .end_us = T0 + 86400 * SECOND,
                                   .interval_us = 60 * SECOND,
                                   .limit = 1000};
}

static void a_read_sees_every_point_sent_before_it(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    uint64_t id = open_series(env, "a");
    struct lathe_ts_query q = all_of(id);
    static struct answer writes[200], points, buckets, latest, stats;
    struct lathe_store_call call;
    struct store_stats before, after;

    store_get_stats(env->store, &before);
    for (int i = 0; i < 200; i++) {
        const struct lathe_ts_point p = {id, T0 + i * SECOND, i, 0, 0};
        const struct lathe_ts_batch batch = {sizeof batch, 1, T0, &p};

        call = into(&writes[i]);
        assert_int_equal(s->ts_ingest(s, &batch, &call), LATHE_OK);
    }
    q.flags = LATHE_TS_COUNT;
    call = into(&points);
    assert_int_equal(s->ts_points(s, &q, &call), LATHE_OK);
    call = into(&buckets);
    assert_int_equal(s->ts_buckets(s, &q, &call), LATHE_OK);
    call = into(&latest);
    assert_int_equal(s->ts_latest(s, &id, 1, &call), LATHE_OK);
    call = into(&stats);
    assert_int_equal(s->ts_stats(s, &call), LATHE_OK);
    store_drain(env->store);
    store_get_stats(env->store, &after);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(writes[i].status, LATHE_OK);
        assert_int_equal(writes[i].n_done, 1);
        assert_int_equal(writes[i].n_drop, 1);
    }
    assert_true(after.commits - before.commits < 100); /* shared */
    assert_int_equal(points.n_ts, 200);
    assert_int_equal(points.result.total, 200);
    assert_int_equal(buckets.n_ts, 4);
    assert_true(buckets.first == 29.5);
    assert_true(latest.first == 199);
    assert_int_equal(stats.stats.n_series, 1);
}

static void a_bad_point_fails_its_batch_alone(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    uint64_t id = open_series(env, "a");
    const struct lathe_ts_point good = {id, T0, 1, 0, 0};
    const struct lathe_ts_point bad[] = {good, {id, T0, 1, 99, 0}};
    const struct lathe_ts_batch batches[] = {{sizeof batches[0], 1, T0, &good},
                                             {sizeof batches[0], 2, T0, bad}};
    struct answer answers[3];

    for (int i = 0; i < 3; i++) {
        const struct lathe_store_call call = into(&answers[i]);

        assert_int_equal(s->ts_ingest(s, &batches[i % 2], &call), LATHE_OK);
    }
    store_drain(env->store);
    assert_int_equal(answers[0].status, LATHE_OK);
    assert_int_equal(answers[1].status, LATHE_E_INVALID);
    assert_int_equal(answers[1].failed, 1);
    assert_int_equal(answers[2].status, LATHE_OK);
}

static void series_of_others_cannot_be_used(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *mine = env->service, *other;
    uint64_t id = open_series(env, "a");
    struct lathe_ts_query q = all_of(id);
    const struct lathe_ts_point p = {id, T0, 1, 0, 0};
    const struct lathe_ts_batch batch = {sizeof batch, 1, T0, &p};
    const struct lathe_ts_retention keep = {sizeof keep, 0, 86400, 0, 0, 0, 0};
    struct answer a;
    struct lathe_store_call call;

    assert_int_equal(store_service(env->store, "other", &other, NULL), LATHE_OK);
    for (int i = 0; i < 6; i++) {
        static const int32_t want = LATHE_E_INVALID;
        int32_t st;

        call = into(&a);
        st = i == 0   ? other->ts_ingest(other, &batch, &call)
             : i == 1 ? other->ts_points(other, &q, &call)
             : i == 2 ? other->ts_buckets(other, &q, &call)
             : i == 3 ? other->ts_latest(other, &id, 1, &call)
             : i == 4 ? other->ts_erase(other, id, T0, T0 + 1, &call)
                      : other->ts_retain(other, id, &keep, &call);
        assert_int_equal(st, want);
        assert_int_equal(a.n_done, 0);
        assert_int_equal(a.n_drop, 1);
    }
    call = into(&a);
    assert_int_equal(mine->ts_retain(mine, id, &keep, &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.status, LATHE_OK);
    call = into(&a);
    assert_int_equal(mine->ts_erase(mine, id, LATHE_TS_MIN_US, LATHE_TS_MAX_US, &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.status, LATHE_OK);
    call = into(&a);
    assert_int_equal(mine->ts_remove(mine, id, &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.status, LATHE_OK);
}

static void points_and_documents_share_the_queue(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    static const struct lathe_storage_collection c = {sizeof c, 0, "things", NULL};
    uint64_t id = open_series(env, "a");
    struct answer a[4];
    struct lathe_store_call call = into(&a[0]);

    assert_int_equal(s->declare(s, &c, &call), LATHE_OK);
    for (int i = 1; i < 4; i++) {
        const struct lathe_ts_point p = {id, T0 + i, i, 0, 0};
        const struct lathe_ts_batch batch = {sizeof batch, 1, T0, &p};

        call = into(&a[i]);
        assert_int_equal(i == 2 ? s->put(s, "things", "x", LATHE_REV_NONE, "{}", &call)
                                : s->ts_ingest(s, &batch, &call),
                         LATHE_OK);
    }
    store_drain(env->store);
    for (int i = 0; i < 4; i++)
        assert_int_equal(a[i].status, LATHE_OK);
}

int main(void)
{
#define T(name)                                                      \
    {#name "(memory)", name, setup, teardown, (void *)&plugins[0]},  \
    {                                                                \
#name "(sqlite)", name, setup, teardown, (void *)&plugins[1] \
    }
    const struct CMUnitTest tests[] = {
        T(a_read_sees_every_point_sent_before_it),
        T(a_bad_point_fails_its_batch_alone),
        T(series_of_others_cannot_be_used),
        T(points_and_documents_share_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
