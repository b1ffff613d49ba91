/* The loop's posts and timers, and the thread pool with its deadlines. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <pthread.h>
#include <time.h>

#include "core/host/pool.h"

#define WAIT_MS 20000

struct counts {
    struct loop *loop;
    struct loop_timers *timers;
    uint64_t handle;
    int n_calls, n_drops, n_done, is_over;
    int32_t status;
};

static void on_call(void *user)
{
    struct counts *c = user;
    c->n_calls++;
    assert_true(loop_on_thread(c->loop));
}

static void on_drop(void *user)
{
    struct counts *c = user;
    c->n_drops++;
    c->is_over = 1;
}

static int setup(void **state)
{
    static struct counts c;
    struct lathe_error err = {0};
    c = (struct counts){0};
    assert_ok(loop_open(&c.loop, &err), &err);
    c.timers = loop_timers_new(c.loop, 2);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    struct counts *c = *state;
    loop_timers_free(c->timers);
    loop_close(c->loop);
    return 0;
}

static void *post_many(void *user)
{
    struct counts *c = user;
    for (int i = 0; i < 1000; i++)
        if (loop_post(c->loop, on_call, c, NULL) != LATHE_OK)
            return c;
    return loop_post(c->loop, on_call, c, on_drop) == LATHE_OK ? NULL : c;
}

static void posts_from_a_thread_arrive_once_each(void **state)
{
    struct counts *c = *state;
    pthread_t thread;
    void *failed = c;
    assert_int_equal(pthread_create(&thread, NULL, post_many, c), 0);
    assert_true(loop_run_until(c->loop, &c->is_over, WAIT_MS));
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(c->n_calls, 1001);
    assert_int_equal(c->n_drops, 1);
}

static void a_refused_post_is_dropped(void **state)
{
    struct counts *c = *state;
    loop_refuse(c->loop);
    assert_int_equal(loop_post(c->loop, on_call, c, on_drop), LATHE_E_CANCELLED);
    assert_int_equal(c->n_calls, 0);
    assert_int_equal(c->n_drops, 1);
}

static void a_timer_fires_once_and_is_dropped(void **state)
{
    struct counts *c = *state;
    assert_int_equal(loop_timer_start(c->timers, 1, 0, on_call, c, on_drop, &c->handle), LATHE_OK);
    assert_true(loop_run_until(c->loop, &c->is_over, WAIT_MS));
    assert_int_equal(c->n_calls, 1);
    assert_int_equal(c->n_drops, 1);
}

static void cancel_at_third(void *user)
{
    struct counts *c = user;
    if (++c->n_calls == 3)
        loop_timer_cancel(c->timers, c->handle);
}

static void a_periodic_timer_may_cancel_itself(void **state)
{
    struct counts *c = *state;
    assert_int_equal(loop_timer_start(c->timers, 1, 1, cancel_at_third, c, on_drop, &c->handle),
                     LATHE_OK);
    assert_true(loop_run_until(c->loop, &c->is_over, WAIT_MS));
    assert_int_equal(c->n_calls, 3);
    assert_int_equal(c->n_drops, 1);
    loop_timer_cancel(c->timers, c->handle); /* long gone: nothing happens */
    assert_int_equal(c->n_drops, 1);
}

static void the_number_of_timers_is_limited(void **state)
{
    struct counts *c = *state;
    uint64_t handle;
    assert_int_equal(loop_timer_start(c->timers, 60000, 0, on_call, c, on_drop, &handle), LATHE_OK);
    assert_int_equal(loop_timer_start(c->timers, 60000, 0, on_call, c, on_drop, &handle), LATHE_OK);
    assert_int_equal(loop_timer_start(c->timers, 60000, 0, on_call, c, on_drop, &handle),
                     LATHE_E_LIMIT);
    assert_int_equal(c->n_drops, 1);
}

static int32_t work_fails(void *user, const struct lathe_pool_job *job, struct lathe_error *err)
{
    (void)user;
    (void)job;
    err->code = LATHE_E_IO;
    return LATHE_E_IO;
}

static int32_t work_until_cancelled(void *user, const struct lathe_pool_job *job,
                                    struct lathe_error *err)
{
    (void)user;
    (void)err;
    while (!job->cancelled(job))
        nanosleep(&(const struct timespec){0, 1000000}, NULL);
    return LATHE_OK;
}

static void on_done(void *user, int32_t status, const struct lathe_error *err)
{
    struct counts *c = user;
    assert_int_equal(c->n_drops, 0);
    (void)err;
    c->n_done++;
    c->status = status;
}

static void work_runs_and_its_status_comes_back(void **state)
{
    struct counts *c = *state;
    struct lathe_error err = {0};
    struct pool *pool = NULL;
    assert_ok(pool_open(c->loop, 2, 10, &pool, &err), &err);
    assert_ok(pool_run(pool, 10000, work_fails, on_done, c, on_drop, &err), &err);
    assert_true(loop_run_until(c->loop, &c->is_over, WAIT_MS));
    assert_int_equal(c->n_done, 1);
    assert_int_equal(c->status, LATHE_E_IO);
    pool_close(pool);
}

static void a_deadline_answers_and_cancels(void **state)
{
    struct counts *c = *state;
    struct lathe_error err = {0};
    struct pool *pool = NULL;
    assert_ok(pool_open(c->loop, 1, 10, &pool, &err), &err);
    assert_ok(pool_run(pool, 10, work_until_cancelled, on_done, c, on_drop, &err), &err);
    assert_true(loop_run_until(c->loop, &c->is_over, WAIT_MS));
    assert_int_equal(c->n_done, 1);
    assert_int_equal(c->status, LATHE_E_TIMEOUT);
    assert_int_equal(pool_run(pool, 0, work_fails, on_done, c, NULL, &err), LATHE_E_INVALID);
    pool_close(pool);
}

static void closing_the_pool_cancels_what_runs(void **state)
{
    struct counts *c = *state;
    struct lathe_error err = {0};
    struct pool *pool = NULL;
    assert_ok(pool_open(c->loop, 1, 1, &pool, &err), &err);
    assert_ok(pool_run(pool, 60000, work_until_cancelled, NULL, c, on_drop, &err), &err);
    pool_close(pool);
    loop_close(c->loop);
    assert_int_equal(c->n_drops, 1);
    assert_ok(loop_open(&c->loop, &err), &err);
    loop_timers_free(c->timers);
    c->timers = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_from_a_thread_arrive_once_each, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_post_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_fires_once_and_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_periodic_timer_may_cancel_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_timers_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(work_runs_and_its_status_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_answers_and_cancels, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_the_pool_cancels_what_runs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
