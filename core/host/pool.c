/* The thread pool. A task is owned by the loop until a thread takes it, by the thread while it
 * works, and by the loop again through a post; the deadline timer runs on the loop and only answers
 * the caller. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define THREADS_MAX 64
#define NO_DEADLINE_MS ((uint64_t)1000 * 3600 * 24 * 365)

struct task {
    struct task *next;
    struct pool *pool;
    lathe_pool_work_fn work;
    lathe_pool_done_fn done;
    void *user;
    lathe_drop_fn drop;
    struct lathe_pool_job job;
    uint64_t deadline_ms, timer;
    atomic_int is_cancelled; /* loop -> thread: stop soon */
    int has_answered;        /* [loop]: done was called */
    int32_t status;
    struct lathe_error err;
};

struct pool {
    struct loop *loop;
    struct loop_timers *timers;
    pthread_mutex_t lock; /* guards head, tail, queued, is_closing, running */
    pthread_cond_t cond;
    struct task *head, *tail;
    struct task *running[THREADS_MAX];
    uint32_t queued, queue_limit, n_threads;
    int is_closing;
    pthread_t threads[THREADS_MAX];
};

struct thread_arg {
    struct pool *pool;
    uint32_t index;
};

static int32_t job_cancelled(const struct lathe_pool_job *job)
{
    const struct task *t = job->ctx;
    return atomic_load(&t->is_cancelled);
}

static void task_free(void *arg)
{
    struct task *t = arg;
    if (t->drop != NULL)
        t->drop(t->user);
    mem_free(t);
}

static void on_finished(void *arg)
{
    struct task *t = arg;
    loop_timer_cancel(t->pool->timers, t->timer);
    if (!t->has_answered && t->done != NULL)
        t->done(t->user, t->status, &t->err);
    t->has_answered = 1;
}

static void on_timeout(void *arg)
{
    struct task *t = arg;
    struct lathe_error err = {0};

    atomic_store(&t->is_cancelled, 1);
    if (t->has_answered)
        return;
    t->has_answered = 1;
    (void)fail(&err, LATHE_E_TIMEOUT, "not finished within %llu ms",
               (unsigned long long)t->deadline_ms);
    if (t->done != NULL)
        t->done(t->user, LATHE_E_TIMEOUT, &err);
}

/* The next task for thread i, or NULL when the pool closes. */
static struct task *task_take(struct pool *pool, uint32_t i)
{
    struct task *t;
    pthread_mutex_lock(&pool->lock);
    pool->running[i] = NULL;
    while (pool->head == NULL && !pool->is_closing)
        pthread_cond_wait(&pool->cond, &pool->lock);
    t = pool->is_closing ? NULL : pool->head;
    if (t != NULL) {
        pool->head = t->next;
        if (pool->head == NULL)
            pool->tail = NULL;
        pool->queued--;
        pool->running[i] = t;
    }
    pthread_mutex_unlock(&pool->lock);
    return t;
}

static void *thread_main(void *arg)
{
    struct thread_arg a = *(struct thread_arg *)arg;
    struct task *t;

    mem_free(arg);
    while ((t = task_take(a.pool, a.index)) != NULL) {
        if (atomic_load(&t->is_cancelled))
            t->status = LATHE_E_TIMEOUT;
        else
            t->status = t->work(t->user, &t->job, &t->err);
        pthread_mutex_lock(&a.pool->lock);
        a.pool->running[a.index] = NULL;
        pthread_mutex_unlock(&a.pool->lock);
        if (loop_post(a.pool->loop, on_finished, t, task_free) != LATHE_OK)
            continue; /* the loop is ending: dropped by loop_post */
    }
    return NULL;
}

static int32_t thread_start(struct pool *pool, struct lathe_error *err)
{
    struct thread_arg *arg = mem_new(struct thread_arg);
    if (arg == NULL)
        return fail(err, LATHE_E_NOMEM, "start pool thread");
    *arg = (struct thread_arg){pool, pool->n_threads};
    if (pthread_create(&pool->threads[pool->n_threads], NULL, thread_main, arg) != 0) {
        mem_free(arg);
        return fail(err, LATHE_E_LIMIT, "start pool thread");
    }
    pool->n_threads++;
    return LATHE_OK;
}

int32_t pool_open(struct loop *loop, uint32_t n_threads, uint32_t queue_limit, struct pool **out,
                  struct lathe_error *err)
{
    struct pool *pool = mem_new(struct pool);
    int32_t st = LATHE_OK;

    if (pool == NULL || (pool->timers = loop_timers_new(loop, UINT32_MAX)) == NULL) {
        mem_free(pool);
        return fail(err, LATHE_E_NOMEM, "open thread pool");
    }
    pool->loop = loop;
    pool->queue_limit = queue_limit;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->cond, NULL);
    while (st == LATHE_OK && pool->n_threads < n_threads && pool->n_threads < THREADS_MAX)
        st = thread_start(pool, err);
    if (st != LATHE_OK) {
        pool_close(pool);
        return st;
    }
    *out = pool;
    return LATHE_OK;
}

void pool_close(struct pool *pool)
{
    struct task *t;

    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = 1;
    for (uint32_t i = 0; i < pool->n_threads; i++)
        if (pool->running[i] != NULL)
            atomic_store(&pool->running[i]->is_cancelled, 1);
    pthread_cond_broadcast(&pool->cond);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    while ((t = pool->head) != NULL) {
        pool->head = t->next;
        task_free(t);
    }
    loop_timers_free(pool->timers);
    pthread_cond_destroy(&pool->cond);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
}

/* Hands a prepared task to the threads; LATHE_E_LIMIT when the queue is full. */
static int32_t task_queue(struct pool *pool, struct task *t)
{
    int32_t st = LATHE_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->is_closing)
        st = LATHE_E_CANCELLED;
    else if (pool->queued >= pool->queue_limit)
        st = LATHE_E_LIMIT;
    if (st == LATHE_OK) {
        if (pool->tail != NULL)
            pool->tail->next = t;
        else
            pool->head = t;
        pool->tail = t;
        pool->queued++;
        pthread_cond_signal(&pool->cond);
    }
    pthread_mutex_unlock(&pool->lock);
    return st;
}

int32_t pool_run(struct pool *pool, uint64_t deadline_ms, lathe_pool_work_fn work,
                 lathe_pool_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err)
{
    struct task *t = mem_new(struct task);
    int32_t st;

    if (t == NULL) {
        if (drop != NULL)
            drop(user);
        return fail(err, LATHE_E_NOMEM, "queue work");
    }
    t->pool = pool;
    t->work = work;
    t->done = done;
    t->user = user;
    t->drop = drop;
    t->deadline_ms = deadline_ms;
    t->job = (struct lathe_pool_job){sizeof t->job, 0, t, job_cancelled};
    if (deadline_ms == 0)
        st = fail(err, LATHE_E_INVALID, "work needs a deadline");
    else if ((st = loop_timer_start(pool->timers, deadline_ms, 0, on_timeout, t, NULL,
                                    &t->timer)) != LATHE_OK)
        st = fail(err, st, "queue work");
    else if ((st = task_queue(pool, t)) != LATHE_OK) {
        loop_timer_cancel(pool->timers, t->timer);
        st =
            fail(err, st, st == LATHE_E_LIMIT ? "too much work is queued" : "the server is ending");
    }
    if (st != LATHE_OK)
        task_free(t);
    return st;
}

/* ---- the http module's shape ---- */

struct plain {
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static int32_t plain_work(void *user, const struct lathe_pool_job *job, struct lathe_error *err)
{
    struct plain *p = user;
    (void)job;
    (void)err;
    p->work(p->arg);
    return LATHE_OK;
}

static void plain_done(void *user, int32_t status, const struct lathe_error *err)
{
    struct plain *p = user;
    (void)status;
    (void)err;
    p->done(p->arg);
}

int32_t pool_submit(void *pool, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct plain *p = mem_new(struct plain);
    if (p == NULL)
        return LATHE_E_NOMEM;
    *p = (struct plain){work, done, arg};
    return pool_run(pool, NO_DEADLINE_MS, plain_work, plain_done, p, mem_free, NULL);
}
