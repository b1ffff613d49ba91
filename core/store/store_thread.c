/* SPDX-License-Identifier: Apache-2.0 */
/* The storage thread: takes what is queued, does adjacent writes in one group, and hands everything
 * back after the group is durable. While one group is synced the next one gathers. */

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_MODULE "store"
#include "core/base/log.h"
#include "core/store/store_internal.h"

#define GROUP_CALLS 512u               /* requests in one group */
#define GROUP_BYTES (8u * 1024 * 1024) /* of arguments in one group */

void store_wake(struct store *store)
{
    static const uint64_t one = 1;
    ssize_t n;

    do
        n = write(store->wake_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR); /* EAGAIN: the loop is already going to wake */
}

static void hand_back(struct store *store, struct store_list *done)
{
    if (done->head == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    list_move(&store->finished, done);
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
    store_wake(store);
}

/* The group was lost: every request by itself, so that only those that cannot be done fail. */
static void redo_singly(struct store *store, struct store_list *group)
{
    for (struct store_req *req = group->head; req != NULL; req = req->next)
        exec_request(store, req);
}

static int is_fatal(int32_t st)
{
    return st == LATHE_E_IO || st == LATHE_E_CORRUPT || st == LATHE_E_NOMEM ||
           st == LATHE_E_UNAVAILABLE || st == LATHE_E_INTERNAL;
}

static void count_group(struct store *store, uint64_t writes, int failed)
{
    pthread_mutex_lock(&store->lock);
    store->stats.writes += writes;
    store->stats.commits += !failed;
    store->stats.failed_commits += (uint64_t)failed;
    pthread_mutex_unlock(&store->lock);
}

/* Does all requests of the group inside one transaction. */
static void run_group(struct store *store, struct store_list *group)
{
    const struct lathe_storage *storage = store->options.storage;
    struct lathe_error err = {0};
    uint64_t writes = 0;
    int32_t st = storage->begin(store->self, &err);

    for (struct store_req *req = group->head; req != NULL && st == LATHE_OK; req = req->next) {
        exec_request(store, req);
        writes += (uint64_t)req_is_write(req);
        if (req_is_write(req) && is_fatal(req->status))
            st = req->status;
    }
    if (st == LATHE_OK)
        st = storage->commit(store->self, &err);
    else
        storage->rollback(store->self);
    if (st != LATHE_OK) {
        log_warn("a group of writes was taken back and is done again one by one",
                 F_STR("error", err.text), F_STR("status", lathe_status_name(st)),
                 F_INT("calls", group->n));
        redo_singly(store, group);
    }
    count_group(store, writes, st != LATHE_OK);
}

/* Moves requests that may share one group from `from` to `group`: reads join a group that has
 * begun, so that they see its writes and are answered after it is durable. */
static int gather(struct store_list *from, struct store_list *group)
{
    uint64_t bytes = 0;
    int writes = 0;

    while (from->head != NULL && group->n < GROUP_CALLS && bytes < GROUP_BYTES) {
        struct store_req *req = from->head;

        if (req_is_alone(req) && group->head != NULL)
            break; /* not inside a group */
        if (writes && req_is_telemetry(req) && !req_is_write(req))
            break; /* points are seen after commit */
        if (!writes && req_is_write(req) && group->head != NULL)
            break; /* reads before the first write need not wait for it */
        from->head = req->next;
        if (from->head == NULL)
            from->tail = &from->head;
        from->n--;
        writes |= req_is_write(req);
        bytes += req->cost_bytes;
        list_add(group, req);
        if (req_is_alone(req))
            break;
    }
    return writes;
}

static void run_list(struct store *store, struct store_list *list)
{
    while (list->head != NULL) {
        struct store_list group;

        list_init(&group);
        if (gather(list, &group) && group.n > 1)
            run_group(store, &group);
        else
            redo_singly(store, &group);
        if (group.n == 1 && req_is_write(group.head))
            count_group(store, 1, group.head->status != LATHE_OK);
        hand_back(store, &group);
        if (list->head != NULL)
            (void)exec_maintain(store); /* keeps pace with what came in */
    }
}

static void open_storage(struct store *store)
{
    const struct lathe_storage *storage = store->options.storage;
    const struct lathe_storage_args args = {sizeof args, 0, store->options.host,
                                            store->options.params, store->options.data_dir};
    int32_t st = storage->open(&args, &store->open_error, &store->self);

    if (st == LATHE_OK && LATHE_CAN(storage, struct lathe_storage, extension))
        store->series = storage->extension(store->self, LATHE_STORAGE_TIMESERIES);
    pthread_mutex_lock(&store->lock);
    store->open_status = st;
    store->opened = 1;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
}

/* Waits for calls, for wait_ms at most. Under the lock. */
static void idle(struct store *store, uint32_t wait_ms)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (store->waiting.head == NULL && !store->stopping && rc == 0)
        rc = wait_ms == UINT32_MAX ? pthread_cond_wait(&store->changed, &store->lock)
                                   : pthread_cond_timedwait(&store->changed, &store->lock, &until);
}

void *store_thread(void *arg)
{
    struct store *store = arg;
    struct store_list list;
    uint32_t wait_ms = 0;
    int stop = 0;

    open_storage(store);
    if (store->open_status != LATHE_OK)
        return NULL;
    list_init(&list);
    while (!stop) {
        pthread_mutex_lock(&store->lock);
        if (store->waiting.head == NULL && !store->stopping && wait_ms > 0)
            idle(store, wait_ms);
        list_move(&list, &store->waiting);
        stop = store->stopping && list.head == NULL;
        pthread_mutex_unlock(&store->lock);
        run_list(store, &list);
        if (!stop)
            wait_ms = exec_maintain(store);
    }
    store->options.storage->close(store->self);
    exec_fini(store);
    return NULL;
}
