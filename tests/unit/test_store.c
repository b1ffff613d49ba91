/* SPDX-License-Identifier: Apache-2.0 */
/* The store: calls of many callers, in order, in groups, with every callback exactly once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "tests/support/storage_env.h"

static const char *plugins[] = {"memory", "sqlite"};

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

/* What one call reported. */
struct answer {
    int n_done, n_drop;
    int32_t status;
    uint64_t value, total;
    uint32_t n_docs, n_points, n_series;
    char text[256], cursor[LATHE_STORAGE_CURSOR_MAX];
    struct event_base *leave; /* loop to leave when done */
};

static void on_done(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct answer *a = user;

    a->n_done++;
    assert_int_equal(a->n_drop, 0);
    a->status = status;
    a->value = result->n_values > 0 ? result->values[0] : 0;
    a->total = result->total;
    a->n_docs = result->n_docs;
    a->n_points = result->n_points;
    a->n_series = result->n_series;
    assert_non_null(result->error);
    assert_int_equal(result->error->text[0] == 0, status == LATHE_OK);
    if (result->n_docs > 0)
        snprintf(a->text, sizeof a->text, "%s", result->docs[0]->json);
    if (result->n_series > 0)
        snprintf(a->text, sizeof a->text, "%s", result->series[0]);
    if (result->cursor != NULL)
        snprintf(a->cursor, sizeof a->cursor, "%s", result->cursor);
    if (a->leave != NULL)
        event_base_loopbreak(a->leave);
}

static void on_drop(void *user)
{
    struct answer *a = user;

    a->n_drop++;
}

static struct lathe_store_call into(struct answer *a)
{
    memset(a, 0, sizeof *a);
    return (struct lathe_store_call){sizeof(struct lathe_store_call), 0, on_done, on_drop, a};
}

static void declare(struct storage_env *env)
{
    static const struct lathe_storage_index n = {sizeof n, LATHE_INDEX_NUMBER, "n"};
    static const struct lathe_storage_index file = {
        sizeof file, LATHE_INDEX_STRING | LATHE_INDEX_ARTIFACT, "files.sha256"};
    static const struct lathe_storage_index *const indexes[] = {&n, &file, NULL};
    static const struct lathe_storage_collection c = {sizeof c, 0, "things", indexes};

    assert_int_equal(env->service->declare(env->service, &c, NULL), LATHE_OK);
}

static void a_put_is_answered_on_the_loop_and_read_back(void **state)
{
    struct storage_env *env = *state;
    struct answer put, get;
    struct lathe_store_call c_put = into(&put), c_get = into(&get);
    const struct lathe_store_service *s = env->service;

    declare(env);
    assert_int_equal(s->put(s, "things", "a", LATHE_REV_NONE, "{\"n\":1}", &c_put), LATHE_OK);
    assert_int_equal(s->get(s, "things", "a", &c_get), LATHE_OK);
    assert_int_equal(put.n_done, 0); /* never from inside the call */
    get.leave = env->options.base;
    event_base_dispatch(env->options.base);
    assert_int_equal(put.n_done, 1);
    assert_int_equal(put.n_drop, 1);
    assert_int_equal(put.status, LATHE_OK);
    assert_true(put.value > 0);
    assert_int_equal(get.status, LATHE_OK);
    assert_string_equal(get.text, "{\"n\":1}");
}

static void a_refused_call_drops_and_is_not_done(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    struct answer a;
    struct lathe_store_call call = into(&a);

    assert_int_equal(s->put(s, "a/b", "x", LATHE_REV_ANY, "{}", &call), LATHE_E_INVALID);
    assert_true(a.n_done == 0 && a.n_drop == 1);
    call = into(&a);
    assert_int_equal(s->put(s, "things", "x", LATHE_REV_ANY, NULL, &call), LATHE_E_INVALID);
    assert_true(a.n_done == 0 && a.n_drop == 1);
    call = into(&a);
    assert_int_equal(s->get(s, "things", "", &call), LATHE_E_INVALID);
    assert_true(a.n_done == 0 && a.n_drop == 1);
}

static void one_bad_batch_in_a_group_fails_alone(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    struct answer good[20], bad;
    struct lathe_store_call call;
    struct store_stats stats;
    char id[16];

    declare(env);
    store_drain(env->store);
    for (int i = 0; i < 20; i++) {
        call = into(&good[i]);
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(s->put(s, "things", id, LATHE_REV_NONE, "{\"n\":1}", &call), LATHE_OK);
        if (i == 10) {
            call = into(&bad);
            assert_int_equal(s->put(s, "things", "id3", LATHE_REV_NONE, "{}", &call), LATHE_OK);
        }
    }
    store_drain(env->store);
    for (int i = 0; i < 20; i++)
        assert_true(good[i].status == LATHE_OK && good[i].n_done == 1 && good[i].n_drop == 1);
    assert_int_equal(bad.status, LATHE_E_EXISTS);
    store_get_stats(env->store, &stats);
    assert_true(stats.commits < 21); /* they shared commits */
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.queued_bytes, 0);
}

static void name_spaces_do_not_meet(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service, *other = NULL, *again = NULL;
    const struct lathe_storage_collection c = {sizeof c, 0, "things", NULL};
    const struct lathe_series_point p = {1, 2};
    const struct lathe_series_chunk chunk = {sizeof chunk, 1, "run/loss", &p};
    const struct lathe_series_chunk *chunks[] = {&chunk};
    const struct lathe_series_query q = {sizeof q, 0, "run/loss", 0, 10};
    struct answer a;
    struct lathe_store_call call;

    assert_int_equal(store_service(env->store, "other", &other, NULL), LATHE_OK);
    assert_int_equal(store_service(env->store, "other", &again, NULL), LATHE_OK);
    assert_ptr_equal(other, again);
    assert_int_equal(store_service(env->store, "a/b", &again, NULL), LATHE_E_INVALID);
    declare(env);
    assert_int_equal(other->declare(other, &c, NULL), LATHE_OK);
    assert_int_equal(s->put(s, "things", "a", LATHE_REV_ANY, "{}", NULL), LATHE_OK);
    call = into(&a);
    assert_int_equal(other->get(other, "things", "a", &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.status, LATHE_E_NOT_FOUND);
    assert_int_equal(s->series_append(s, chunks, 1, NULL), LATHE_OK);
    call = into(&a);
    assert_int_equal(other->series_read(other, &q, &call), LATHE_OK);
    store_drain(env->store);
    assert_true(a.status == LATHE_OK && a.n_points == 0);
    call = into(&a);
    assert_int_equal(s->series_list(s, "run/", &call), LATHE_OK);
    store_drain(env->store);
    assert_true(a.n_series == 1);
    assert_string_equal(a.text, "run/loss");
    assert_int_equal(s->series_drop_after(s, "run/", 0, NULL), LATHE_OK);
    call = into(&a);
    assert_int_equal(s->series_read(s, &q, &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.n_points, 0);
}

static void a_full_queue_refuses_and_recovers(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s;
    struct answer a;
    struct lathe_store_call call = into(&a);
    int refused = 0;

    store_close(env->store);
    env->options.max_queued = 8;
    storage_env_open_store(env);
    s = env->service;
    declare(env);
    for (int i = 0; i < 100; i++)
        refused += s->next_id(s, "ids", 1, NULL) == LATHE_E_UNAVAILABLE;
    assert_true(refused >= 92); /* callbacks have not run: nothing left the queue */
    store_drain(env->store);
    assert_int_equal(s->next_id(s, "ids", 1, &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.value, 100 - refused + 1);
}

static void scans_page_through_and_references_are_found(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    struct lathe_storage_query q = {.struct_size = sizeof q,
                                    .flags = LATHE_SCAN_COUNT,
                                    .collection = "things",
                                    .index = "n",
                                    .limit = 2};
    struct answer a;
    struct lathe_store_call call;

    declare(env);
    for (int i = 0; i < 3; i++) {
        const char *const docs[] = {"{\"n\":3}", "{\"n\":1,\"files\":[{\"sha256\":\"abc\"}]}",
                                    "{\"n\":2}"};
        const char *const ids[] = {"x", "y", "z"};

        assert_int_equal(s->put(s, "things", ids[i], LATHE_REV_ANY, docs[i], NULL), LATHE_OK);
    }
    call = into(&a);
    assert_int_equal(s->scan(s, &q, &call), LATHE_OK);
    store_drain(env->store);
    assert_true(a.status == LATHE_OK && a.n_docs == 2 && a.total == 3 && a.cursor[0] != 0);
    {
        char cursor[LATHE_STORAGE_CURSOR_MAX];

        memcpy(cursor, a.cursor, sizeof cursor);
        q.cursor = cursor;
        call = into(&a);
        assert_int_equal(s->scan(s, &q, &call), LATHE_OK);
        store_drain(env->store);
        assert_true(a.n_docs == 1 && a.cursor[0] == 0);
        assert_string_equal(a.text, "{\"n\":3}");
    }
    call = into(&a);
    assert_int_equal(store_refers(env->store, "abc", &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.value, 1);
    assert_int_equal(s->remove(s, "things", "y", LATHE_REV_ANY, NULL), LATHE_OK);
    call = into(&a);
    assert_int_equal(store_refers(env->store, "abc", &call), LATHE_OK);
    store_drain(env->store);
    assert_int_equal(a.value, 0);
}

static void closing_finishes_what_was_accepted(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s = env->service;
    struct answer *answers = calloc(500, sizeof *answers);
    struct lathe_store_call call;

    declare(env);
    for (int i = 0; i < 500; i++) {
        call = into(&answers[i]);
        assert_int_equal(s->next_id(s, "ids", 1, &call), LATHE_OK);
    }
    store_close(env->store);
    for (int i = 0; i < 500; i++)
        assert_true(answers[i].n_done == 1 && answers[i].n_drop == 1 &&
                    answers[i].status == LATHE_OK && answers[i].value == (uint64_t)i + 1);
    free(answers);
    storage_env_open_store(env);
}

/* A storage whose commits fail as often as fails_left says. */
static const struct lathe_storage *real_storage;
static int fails_left;

static int32_t failing_commit(void *self, struct lathe_error *err)
{
    if (fails_left-- <= 0)
        return real_storage->commit(self, err);
    real_storage->rollback(self);
    snprintf(err->text, sizeof err->text, "the disk is unwell");
    return LATHE_E_IO;
}

static void a_lost_group_is_done_again_call_by_call(void **state)
{
    struct storage_env *env = *state;
    const struct lathe_store_service *s;
    struct lathe_storage failing;
    struct answer answers[30], get, taken;
    struct lathe_store_call call;
    struct store_stats stats;

    real_storage = env->options.storage;
    failing = *real_storage;
    failing.commit = failing_commit;
    store_close(env->store);
    env->options.storage = &failing;
    storage_env_open_store(env);
    s = env->service;
    declare(env);
    store_drain(env->store);
    fails_left = 1;
    for (int i = 0; i < 30; i++) {
        call = into(&answers[i]);
        assert_int_equal(s->next_id(s, "ids", 1, &call), LATHE_OK);
    }
    call = into(&taken);
    assert_int_equal(s->put(s, "things", "a", 99, "{}", &call), LATHE_OK);
    call = into(&get);
    assert_int_equal(s->get(s, "things", "a", &call), LATHE_OK);
    store_drain(env->store);
    for (int i = 0; i < 30; i++)
        assert_true(answers[i].status == LATHE_OK && answers[i].value == (uint64_t)i + 1);
    assert_int_equal(taken.status, LATHE_E_NOT_FOUND);
    assert_int_equal(get.status, LATHE_E_NOT_FOUND);
    store_get_stats(env->store, &stats);
    assert_true(stats.failed_commits == 1 || fails_left == 1); /* unless no two calls met */
    fails_left = 0;
    store_close(env->store);
    env->options.storage = real_storage;
    storage_env_open_store(env);
}

/* A chain of callers: each puts again when its put is durable. */
struct chain {
    struct storage_env *env;
    int left, *open;
    char id[16];
};

static void chain_step(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct chain *c = user;
    const struct lathe_store_call call = {sizeof call, 0, chain_step, NULL, c};
    const struct lathe_store_service *s = c->env->service;

    (void)result;
    assert_int_equal(status, LATHE_OK);
    if (--c->left == 0) {
        if (--*c->open == 0)
            event_base_loopbreak(c->env->options.base);
        return;
    }
    assert_int_equal(
        s->put(s, "things", c->id, LATHE_REV_ANY, "{\"n\":1,\"text\":\"some words\"}", &call),
        LATHE_OK);
}

static void many_callers_share_commits(void **state)
{
    enum { CALLERS = 64, PUTS = 40 };
    struct storage_env *env = *state;
    static const struct lathe_store_result none = {0};
    struct chain chains[CALLERS];
    struct store_stats stats;
    int open = CALLERS;
    int64_t begin;

    declare(env);
    store_drain(env->store);
    begin = clock_mono_ns();
    for (int i = 0; i < CALLERS; i++) {
        chains[i] = (struct chain){env, PUTS + 1, &open, ""};
        snprintf(chains[i].id, sizeof chains[i].id, "id%d", i);
        chain_step(&chains[i], LATHE_OK, &none);
    }
    event_base_dispatch(env->options.base);
    assert_int_equal(open, 0);
    store_get_stats(env->store, &stats);
    assert_int_equal(stats.writes, CALLERS * PUTS);
    assert_true(stats.commits * 2 < stats.writes);
    print_message("%s: %.0f acknowledged puts/s, %.1f per commit\n", env->plugin,
                  (double)stats.writes * 1e9 / (double)(clock_mono_ns() - begin),
                  (double)stats.writes / (double)stats.commits);
}

int main(void)
{
#define BOTH(name)                                            \
    {#name " (memory)", name, setup, teardown, &plugins[0]},  \
    {                                                         \
#name " (sqlite)", name, setup, teardown, &plugins[1] \
    }
    const struct CMUnitTest tests[] = {
        BOTH(a_put_is_answered_on_the_loop_and_read_back),
        BOTH(a_refused_call_drops_and_is_not_done),
        BOTH(one_bad_batch_in_a_group_fails_alone),
        BOTH(name_spaces_do_not_meet),
        BOTH(a_full_queue_refuses_and_recovers),
        BOTH(scans_page_through_and_references_are_found),
        BOTH(closing_finishes_what_was_accepted),
        BOTH(a_lost_group_is_done_again_call_by_call),
        BOTH(many_callers_share_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
