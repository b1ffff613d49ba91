/* Helper threads for independent calls. The caller takes calls itself, so a helper that sleeps or
 * is descheduled before it took one costs nothing; waiting spins about 2 us, then yields, then
 * sleeps. When waiting eats more than a quarter of the time, the helpers are left alone for a
 * second (allowed: results do not depend on who computes). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "cpu.h"

#define N_MAX 0xffffu
#define SPIN_TURNS 400 /* about 2 us of pause instructions */
#define YIELD_TURNS 64
#define WINDOW_NS 50000000
#define REST_NS 1000000000

struct group {
    /* job number << 32 | number of calls << 16 | next index; claimed by compare-and-swap. The count
     * travels with the job, so that a late helper never measures an old job by a new count. */
    _Atomic uint64_t ticket;
    _Atomic uint32_t done;
    _Atomic(void *) user;
    void (*_Atomic call)(void *user, uint32_t index);
    _Atomic uint32_t sleepers;
    _Atomic int stop;
    pthread_mutex_t lock; /* guards the wake condition: sleepers re-check ticket under it */
    pthread_cond_t wake;
    uint32_t helpers;
    int64_t window_start, waited_ns, rest_until; /* caller's thread only */
    pthread_t threads[];
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Takes calls of job number job until none is left. */
static void work(struct group *g, uint32_t job)
{
    for (;;) {
        uint64_t t = atomic_load_explicit(&g->ticket, memory_order_acquire);
        const uint32_t index = (uint32_t)t & N_MAX, n = (uint32_t)t >> 16;
        void (*call)(void *, uint32_t) = atomic_load_explicit(&g->call, memory_order_relaxed);
        void *user = atomic_load_explicit(&g->user, memory_order_relaxed);
        if ((uint32_t)(t >> 32) != job || index >= n)
            return;
        if (!atomic_compare_exchange_weak_explicit(&g->ticket, &t, t + 1, memory_order_acq_rel,
                                                   memory_order_relaxed))
            continue;
        call(user, index);
        atomic_fetch_add_explicit(&g->done, 1, memory_order_release);
    }
}

static uint32_t wait_for_job(struct group *g, uint32_t seen)
{
    uint32_t job = seen;
    int turn;

    for (turn = 0; turn < SPIN_TURNS + YIELD_TURNS; turn++) {
        job = (uint32_t)(atomic_load_explicit(&g->ticket, memory_order_acquire) >> 32);
        if (job != seen || atomic_load_explicit(&g->stop, memory_order_relaxed))
            return job;
        if (turn < SPIN_TURNS)
            relax();
        else
            sched_yield();
    }
    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&g->sleepers, 1);
    while ((job = (uint32_t)(atomic_load(&g->ticket) >> 32)) == seen && !atomic_load(&g->stop))
        pthread_cond_wait(&g->wake, &g->lock);
    atomic_fetch_sub(&g->sleepers, 1);
    pthread_mutex_unlock(&g->lock);
    return job;
}

static void *helper(void *arg)
{
    struct group *g = arg;
    uint32_t job = 0;

    while (!atomic_load_explicit(&g->stop, memory_order_relaxed)) {
        job = wait_for_job(g, job);
        work(g, job);
    }
    return NULL;
}

int32_t group_open(uint32_t helpers, struct group **group)
{
    struct group *g = calloc(1, sizeof *g + helpers * sizeof g->threads[0]);

    if (g == NULL)
        return LATHE_E_NOMEM;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->wake, NULL);
    g->window_start = now_ns();
    for (; g->helpers < helpers; g->helpers++)
        if (pthread_create(&g->threads[g->helpers], NULL, helper, g) != 0) {
            group_close(g);
            return LATHE_E_NOMEM;
        }
    *group = g;
    return LATHE_OK;
}

void group_close(struct group *g)
{
    uint32_t i;

    if (g == NULL)
        return;
    pthread_mutex_lock(&g->lock);
    atomic_store(&g->stop, 1);
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
    for (i = 0; i < g->helpers; i++)
        pthread_join(g->threads[i], NULL);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static void wait_done(struct group *g, uint32_t n)
{
    const int64_t start = now_ns();
    int64_t end;
    int turn = 0;

    while (atomic_load_explicit(&g->done, memory_order_acquire) != n) {
        if (turn++ < SPIN_TURNS)
            relax();
        else
            sched_yield();
    }
    end = now_ns();
    g->waited_ns += end - start;
    if (end - g->window_start < WINDOW_NS)
        return;
    if (g->waited_ns * 4 > end - g->window_start)
        g->rest_until = end + REST_NS;
    g->window_start = end;
    g->waited_ns = 0;
}

void group_run(struct group *g, void (*call)(void *user, uint32_t index), void *user, uint32_t n)
{
    uint32_t job, i;

    if (n < 2 || n > N_MAX || (g->rest_until != 0 && now_ns() < g->rest_until)) {
        for (i = 0; i < n; i++)
            call(user, i);
        return;
    }
    job = (uint32_t)(atomic_load_explicit(&g->ticket, memory_order_relaxed) >> 32) + 1;
    /* every index of the job before is claimed, so nobody acts on these until ticket changes */
    atomic_store_explicit(&g->call, call, memory_order_relaxed);
    atomic_store_explicit(&g->user, user, memory_order_relaxed);
    atomic_store_explicit(&g->done, 0, memory_order_relaxed);
    atomic_store(&g->ticket, (uint64_t)job << 32 | (uint64_t)n << 16);
    if (atomic_load(&g->sleepers) > 0) {
        pthread_mutex_lock(&g->lock);
        pthread_cond_broadcast(&g->wake);
        pthread_mutex_unlock(&g->lock);
    }
    work(g, job);
    wait_done(g, n);
}
