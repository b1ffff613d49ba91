/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's side of the store: opening, queueing, callbacks, closing. */

#include "core/store/store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/store/store_internal.h"

#define QUEUE_CALLS 20000u
#define QUEUE_BYTES (128ull << 20)
#define CALLBACKS_PER_TURN 256u /* then other events of the loop get their turn */

int32_t store_submit(struct store *store, struct store_req *req)
{
    int32_t st = LATHE_OK;

    req->cost_bytes = req->args.bytes + sizeof *req;
    pthread_mutex_lock(&store->lock);
    if (store->stopping || store->queued >= store->options.max_queued ||
        store->queued_bytes + req->cost_bytes > store->options.max_queued_bytes) {
        st = LATHE_E_UNAVAILABLE;
    } else {
        store->queued++;
        store->queued_bytes += req->cost_bytes;
        store->stats.calls++;
        list_add(&store->waiting, req);
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    if (st != LATHE_OK)
        req_end(req, 0);
    return st;
}

/* Takes at most max finished requests off the list. */
static void take_finished(struct store *store, struct store_list *out, uint32_t max)
{
    pthread_mutex_lock(&store->lock);
    while (store->finished.head != NULL && out->n < max) {
        struct store_req *req = store->finished.head;

        store->finished.head = req->next;
        if (store->finished.head == NULL)
            store->finished.tail = &store->finished.head;
        store->finished.n--;
        list_add(out, req);
    }
    pthread_mutex_unlock(&store->lock);
}

/* Runs callbacks; returns how many. */
static uint32_t run_finished(struct store *store, uint32_t max)
{
    struct store_list list;
    uint64_t bytes = 0;
    uint32_t n;

    list_init(&list);
    take_finished(store, &list, max);
    n = list.n;
    for (struct store_req *req = list.head, *next; req != NULL; req = next) {
        next = req->next;
        bytes += req->cost_bytes;
        req_end(req, 1);
    }
    pthread_mutex_lock(&store->lock);
    store->queued -= n;
    store->queued_bytes -= bytes;
    pthread_mutex_unlock(&store->lock);
    return n;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct store *store = arg;
    uint64_t count;

    (void)what;
    if (read((int)fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        return;
    if (run_finished(store, CALLBACKS_PER_TURN) == CALLBACKS_PER_TURN)
        store_wake(store); /* through the descriptor, so that other events come first */
}

static int32_t loop_side_open(struct store *store, struct lathe_error *err)
{
    store->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (store->wake_fd < 0)
        return fail_errno(err, errno, "create an eventfd");
    store->wake =
        event_new(store->options.base, store->wake_fd, EV_READ | EV_PERSIST, on_wake, store);
    if (store->wake == NULL || event_add(store->wake, NULL) != 0)
        return fail(err, LATHE_E_NOMEM, "no memory for an event");
    return LATHE_OK;
}

/* Signals belong to the loop: the new thread starts with all of them blocked. */
static int32_t thread_start(struct store *store, struct lathe_error *err)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&store->thread, NULL, store_thread, store);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return fail_errno(err, rc, "start the storage thread");
    store->thread_runs = 1;
    pthread_setname_np(store->thread, "store");
    pthread_mutex_lock(&store->lock);
    while (!store->opened)
        pthread_cond_wait(&store->changed, &store->lock);
    pthread_mutex_unlock(&store->lock);
    if (store->open_status != LATHE_OK && err != NULL) {
        *err = store->open_error;
        err->code = store->open_status;
    }
    return store->open_status;
}

static void stop_thread(struct store *store)
{
    if (!store->thread_runs)
        return;
    pthread_mutex_lock(&store->lock);
    store->stopping = 1;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    store->thread_runs = 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    stop_thread(store);
    while (run_finished(store, UINT32_MAX) > 0)
        ;
    if (store->wake != NULL)
        event_free(store->wake);
    if (store->wake_fd >= 0)
        close(store->wake_fd);
    while (store->spaces != NULL) {
        struct store_space *space = store->spaces;

        store->spaces = space->next;
        mem_free(space->ts_known);
        mem_free(space);
    }
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    mem_free(store);
}

/* Waits of the storage thread go by the monotonic clock. */
static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int32_t store_open(const struct store_options *options, struct store **out, struct lathe_error *err)
{
    struct store *store = mem_new(struct store);
    int32_t st;

    if (store == NULL)
        return fail(err, LATHE_E_NOMEM, "no memory for the store");
    store->options = *options;
    store->wake_fd = -1;
    if (store->options.max_queued == 0)
        store->options.max_queued = QUEUE_CALLS;
    if (store->options.max_queued_bytes == 0)
        store->options.max_queued_bytes = QUEUE_BYTES;
    pthread_mutex_init(&store->lock, NULL);
    cond_init(&store->changed);
    list_init(&store->waiting);
    list_init(&store->finished);
    if ((st = loop_side_open(store, err)) == LATHE_OK)
        st = thread_start(store, err);
    if (st != LATHE_OK) {
        store_close(store);
        return st;
    }
    *out = store;
    return LATHE_OK;
}

int32_t store_service(struct store *store, const char *space,
                      const struct lathe_store_service **out, struct lathe_error *err)
{
    size_t len = strnlen(space, STORE_SPACE_MAX + 1);
    struct store_space *s;

    if (len == 0 || len > STORE_SPACE_MAX ||
        strspn(space, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != len)
        return fail(err, LATHE_E_INVALID,
                    "name space \"%.60s\" must be 1 to %d bytes of a-z, 0-9, _, . "
                    "and -",
                    space, STORE_SPACE_MAX);
    for (s = store->spaces; s != NULL; s = s->next)
        if (strncmp(s->prefix, space, len) == 0 && s->prefix[len] == '/')
            break;
    if (s == NULL) {
        if ((s = mem_new(struct store_space)) == NULL)
            return fail(err, LATHE_E_NOMEM, "no memory for a name space");
        s->store = store;
        memcpy(s->prefix, space, len);
        s->prefix[len] = '/';
        service_init(s);
        s->next = store->spaces;
        store->spaces = s;
    }
    *out = &s->service;
    return LATHE_OK;
}

void store_drain(struct store *store)
{
    for (;;) {
        pthread_mutex_lock(&store->lock);
        while (store->queued > 0 && store->finished.head == NULL)
            pthread_cond_wait(&store->changed, &store->lock);
        if (store->queued == 0) {
            pthread_mutex_unlock(&store->lock);
            return;
        }
        pthread_mutex_unlock(&store->lock);
        run_finished(store, UINT32_MAX);
    }
}

void store_get_stats(struct store *store, struct store_stats *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->stats;
    out->queued = store->queued;
    out->queued_bytes = store->queued_bytes;
    pthread_mutex_unlock(&store->lock);
}
