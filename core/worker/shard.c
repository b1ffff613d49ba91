/* A small thread pool with a barrier that spins for about 2 us, then sleeps on a futex. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/shard.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define SPINS 400       /* about 2 us */
#define MIN_ROWS 32u    /* per thread; less costs more in waking than it gains */
#define ROW_MULTIPLE 16 /* ranges start at whole cache lines of float columns */

struct helper {
    struct shard *shard;
    pthread_t thread;
    uint32_t index;
    int32_t status;
};

/* start grows by one per job: release there makes the job's fields visible to helpers, done counts
 * helpers that finished: acquire there makes their results visible to the caller. */
struct shard {
    uint32_t n; /* ranges, caller included */
    uint32_t n_started;
    struct helper *helpers;
    shard_fn fn;
    void *user;
    uint32_t first, count, used;
    _Atomic uint32_t start, done, quit;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 20, NULL, NULL, 0);
}

/* Waits until *word differs from value; returns the new value. */
static uint32_t wait_change(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t now;
    int i;

    for (i = 0; i < SPINS; i++) {
        now = atomic_load_explicit(word, memory_order_acquire);
        if (now != value)
            return now;
    }
    for (;;) {
        now = atomic_load_explicit(word, memory_order_acquire);
        if (now != value)
            return now;
        futex_wait(word, value);
    }
}

static int32_t run_range(struct shard *shard, uint32_t index)
{
    uint64_t rows = shard->count, n = shard->used;
    uint64_t step = (rows + n - 1) / n;
    uint64_t lo, hi;

    step = (step + ROW_MULTIPLE - 1) / ROW_MULTIPLE * ROW_MULTIPLE;
    lo = step * index < rows ? step * index : rows;
    hi = lo + step < rows ? lo + step : rows;
    if (index >= n || lo == hi)
        return LATHE_OK;
    return shard->fn(shard->user, shard->first + (uint32_t)lo, (uint32_t)(hi - lo));
}

static void *helper_main(void *arg)
{
    struct helper *helper = arg;
    struct shard *shard = helper->shard;
    uint32_t seen = 0;

    for (;;) {
        seen = wait_change(&shard->start, seen);
        if (atomic_load_explicit(&shard->quit, memory_order_acquire))
            return NULL;
        helper->status = run_range(shard, helper->index);
        atomic_fetch_add_explicit(&shard->done, 1, memory_order_release);
        futex_wake(&shard->done);
    }
}

int32_t shard_open(uint32_t threads, struct shard **out, struct lathe_error *err)
{
    struct shard *shard = mem_new(struct shard);
    uint32_t i;

    if (shard == NULL)
        return fail(err, LATHE_E_NOMEM, "step threads");
    shard->n = threads < 1 ? 1 : threads;
    shard->helpers = mem_zalloc(shard->n, sizeof *shard->helpers);
    if (shard->helpers == NULL) {
        shard_close(shard);
        return fail(err, LATHE_E_NOMEM, "step threads");
    }
    for (i = 1; i < shard->n; i++) {
        struct helper *helper = &shard->helpers[i];

        helper->shard = shard;
        helper->index = i;
        if (pthread_create(&helper->thread, NULL, helper_main, helper) != 0) {
            shard_close(shard);
            return fail(err, LATHE_E_UNAVAILABLE, "step thread %u of %u could not start", i,
                        threads);
        }
        shard->n_started++;
    }
    *out = shard;
    return LATHE_OK;
}

void shard_close(struct shard *shard)
{
    uint32_t i;

    if (shard == NULL)
        return;
    atomic_store_explicit(&shard->quit, 1, memory_order_release);
    atomic_fetch_add_explicit(&shard->start, 1, memory_order_release);
    futex_wake(&shard->start);
    for (i = 1; i <= shard->n_started; i++)
        pthread_join(shard->helpers[i].thread, NULL);
    mem_free(shard->helpers);
    mem_free(shard);
}

int32_t shard_run(struct shard *shard, uint32_t first, uint32_t count, shard_fn fn, void *user)
{
    uint32_t used, i, done = 0;
    int32_t st;

    used = shard == NULL ? 1 : count / MIN_ROWS < shard->n ? count / MIN_ROWS : shard->n;
    if (used <= 1)
        return count > 0 ? fn(user, first, count) : LATHE_OK;
    shard->fn = fn;
    shard->user = user;
    shard->first = first;
    shard->count = count;
    shard->used = used;
    atomic_store_explicit(&shard->done, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&shard->start, 1, memory_order_release);
    futex_wake(&shard->start);
    st = run_range(shard, 0);
    while (done < shard->n_started)
        done = wait_change(&shard->done, done);
    for (i = 1; i <= shard->n_started && st == LATHE_OK; i++)
        st = shard->helpers[i].status;
    return st;
}
