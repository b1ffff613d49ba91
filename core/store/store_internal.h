/* Private to core/store: requests, the thread's queue, and the calls between its files. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_STORE_STORE_INTERNAL_H
#define CORE_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "core/store/store.h"

#define STORE_SPACE_MAX 60

enum store_kind {
    STORE_DECLARE,
    STORE_GET,
    STORE_APPLY,
    STORE_SCAN,
    STORE_SERIES_APPEND,
    STORE_SERIES_READ,
    STORE_SERIES_DROP,
    STORE_SERIES_LIST,
    STORE_REFERS,
    STORE_TS_OPEN,
    STORE_TS_REMOVE,
    STORE_TS_RETAIN,
    STORE_TS_INGEST,
    STORE_TS_POINTS,
    STORE_TS_BUCKETS,
    STORE_TS_LATEST,
    STORE_TS_ERASE,
    STORE_TS_STATS
};

/* Memory of one request, freed in one go. */
struct store_block {
    struct store_block *next;
};

struct store_arena {
    struct store_block *blocks;
    uint64_t bytes;
};

/* One call on its way: made on the loop, done on the thread, ended on the loop. Names in it carry
 * the name space. Arguments and result live in the arenas. */
struct store_req {
    struct store_req *next;
    enum store_kind kind;
    struct lathe_store_call call;
    size_t space_len; /* bytes of "space/" in front of series names */
    uint64_t cost_bytes;

    struct store_arena args;
    const struct lathe_storage_collection *collection;
    const char *name, *id; /* GET: collection, id; SERIES_DROP, SERIES_LIST: prefix; REFERS: hash */
    struct lathe_storage_batch batch;
    struct lathe_storage_query query;
    const struct lathe_series_chunk *const *chunks;
    uint32_t n_chunks;
    struct lathe_series_query series_query;
    int64_t after;

    /* telemetry */
    struct store_space *space; /* OPEN: learns the numbers */
    const char *const *names;
    uint32_t n_names;
    const uint64_t *ids; /* LATEST; the others have theirs in ts_query.series */
    struct lathe_ts_retention retention;
    struct lathe_ts_batch ts_batch;
    struct lathe_ts_query ts_query; /* ERASE: series and range */

    struct store_arena results; /* emptied when the request is done again */
    int32_t status;
    struct lathe_error error;
    struct lathe_store_result result;
    uint32_t cap_points, cap_series, cap_docs;
    const struct lathe_storage_doc **docs;
    struct lathe_series_point *points;
    const char **series;
    struct lathe_ts_point *ts_points;
    struct lathe_ts_bucket *ts_buckets;
    struct lathe_ts_result ts_result;
    uint32_t cap_ts;
    char cursor[LATHE_STORAGE_CURSOR_MAX];
};

struct store_list {
    struct store_req *head, **tail;
    uint32_t n;
};

/* A (collection, field) whose values keep artifacts alive. [store] */
struct store_ref {
    char *collection, *field;
};

struct store_space {
    struct store_space *next;
    struct store *store;
    char prefix[STORE_SPACE_MAX + 2]; /* "core/" */
    struct lathe_store_service service;
    uint64_t *ts_known; /* bit set of the series this name space opened. [loop] */
    size_t n_ts_known;  /* words */
};

struct event;

struct store {
    struct store_options options;
    pthread_t thread;
    int thread_runs;
    struct store_space *spaces; /* [loop] */
    struct event *wake;         /* [loop] */
    int wake_fd;

    pthread_mutex_t lock; /* protects everything down to `opened` */
    pthread_cond_t changed;
    struct store_list waiting, finished;
    uint64_t queued, queued_bytes; /* from the call until its callback returned */
    struct store_stats stats;
    int stopping, opened;

    /* [store] after opening */
    void *self;
    const struct lathe_storage_timeseries *series;
    struct store_ref *refs;
    size_t n_refs;
    int32_t open_status;
    struct lathe_error open_error;
};

/* store_req.c */
void *arena_alloc(struct store_arena *arena, size_t n, size_t size);
char *arena_strdup(struct store_arena *arena, const char *prefix, const char *text);
void arena_fini(struct store_arena *arena);
struct store_req *req_new(enum store_kind kind, const struct lathe_store_call *call);
/* Ends a request: calls done (when its status is known), drop, and releases it. */
void req_end(struct store_req *req, int with_done);
void list_init(struct store_list *list);
void list_add(struct store_list *list, struct store_req *req);
void list_move(struct store_list *to, struct store_list *from);

/* store_exec.c: [store] */
/* Does one request; its status and result are in it afterwards. */
void exec_request(struct store *store, struct store_req *req);
int req_is_write(const struct store_req *req);
void exec_fini(struct store *store);
/* Makes room for one more element in a result array. */
int exec_room(void **array, uint32_t n, uint32_t *cap, size_t size);

/* exec_ts.c: [store] */
int32_t exec_telemetry(struct store *store, struct store_req *req);
int req_is_telemetry(const struct store_req *req);
/* Must it be done outside of a group? */
int req_is_alone(const struct store_req *req);
/* A short piece of background work. Returns how long to wait before the next, in ms. */
uint32_t exec_maintain(struct store *store);

/* service_ts.c: [loop] */
void service_ts_init(struct store_space *space);
/* The numbers that a finished OPEN brought belong to its name space. */
void service_ts_learn(struct store_req *req);

/* store_service.c */
void service_init(struct store_space *space);
struct store_space *service_space(const struct lathe_store_service *service);
int32_t service_give_up(struct store_req *req, int32_t st);
/* Copies an id with prefix in front; NULL and *st on failure. */
const char *service_copy_id(struct store_req *req, const char *prefix, const char *id, int32_t *st);

/* store.c: takes req in every case. */
int32_t store_submit(struct store *store, struct store_req *req);

/* store_thread.c */
void *store_thread(void *arg);
void store_wake(struct store *store); /* [any] */

#endif
