/* Private to core/event: topics, their rings, subscribers. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_EVENT_EVENTS_INTERNAL_H
#define CORE_EVENT_EVENTS_INTERNAL_H

#include "core/base/hash.h"
#include "core/event/events.h"
#include "lathe/store.h"

#define EVENTS_TOPICS "events.topics" /* {"reserved":number,"closed":bool} */
#define EVENTS_KEPT "events.kept"     /* chunks */

struct event;

/* One kept event; text follows the struct. */
struct entry {
    uint32_t refs;
    uint64_t seq;
    int64_t wall_ms;
    size_t cost_bytes;
    const char *type, *json;
    size_t json_len;
};

/* Some events of one topic as one document in the store, `id` its name, `last` the highest. */
struct chunk {
    struct chunk *next;
    uint64_t id, last;
};

/* A topic. Numbers in the ring have no holes: entry i is head_seq + i. Events above `saved` are not
 * delivered yet: after a crash they would be lost and their numbers given again. */
struct topic {
    struct topic *next_dirty;
    struct events *events;
    char *name;
    uint64_t generation; /* tells a forgotten topic from one of the same name */
    struct entry **ring;
    size_t head, count, cap; /* cap is a power of two, or 0 */
    size_t bytes;
    uint64_t next_seq, saved;
    uint64_t asked;    /* highest number handed to the store; >= saved */
    uint32_t n_saving; /* chunks on their way */
    int is_failed;     /* one of them failed: what follows it is written again */
    int retry;
    struct chunk *chunks, **chunks_tail; /* oldest first */
    int is_closed, is_dirty, is_forgotten;
    struct lathe_events_subscriber *subscribers;
};

struct lathe_events_subscriber {
    struct lathe_events_subscriber *next;
    struct topic *topic;
    uint64_t pos; /* number of the last event taken */
    uint32_t max_pending;
    int is_paused, is_dead, in_callback;
    int is_ending; /* unsubscribed from inside its own callback */
    int32_t (*event)(void *user, const struct lathe_event *event);
    void (*drop)(void *user);
    void *user;
};

struct events {
    struct events_options options;
    struct lathe_events_service service;
    const struct lathe_store_service *store;
    struct hmap *topics;
    struct topic *dirty, **dirty_tail;
    struct event *tick, *timer, *retry;
    uint64_t generation, next_chunk;
    uint64_t bytes;
    uint32_t n_subscribers;
    uint32_t refs; /* the owner, and each call of the store under way */
    int is_closed, has_dead;
    uint32_t dispatching; /* > 0: subscribers are walked, nothing may be freed */
};

/* events_ring.c */
struct entry *entry_new(uint64_t seq, const char *type, const char *json, size_t json_len);
void entry_release(struct entry *entry);
uint64_t ring_oldest(const struct topic *t); /* next_seq when it is empty */
struct entry *ring_at(const struct topic *t, uint64_t seq);
int32_t ring_push(struct topic *t, struct entry *entry);
void ring_pop(struct topic *t); /* forgets the oldest */
void ring_trim_age(struct topic *t, int64_t before_ms);
void ring_trim_bytes(struct events *e); /* until the byte limit holds */
void ring_fini(struct topic *t);

/* events_keep.c */
/* Hands events that are not in the store to it: one chunk unless one is on its way, or with `all`
 * everything. */
void keep_flush(struct topic *t, int all);
void keep_state(struct topic *t); /* stores whether the topic is closed */
/* Removes chunks of which nothing is kept any more; without `all` only when there are several. */
void keep_trim(struct topic *t, int all);
void keep_forget(struct topic *t); /* removes everything of the topic */
void keep_retry(struct events *e);
void chunk_add(struct topic *t, struct chunk *take_chunk);
void chunks_free(struct topic *t);
void events_unref(struct events *e);

/* events_load.c */
int32_t events_load(struct events *e, struct lathe_error *err);

/* events_deliver.c */
void deliver_mark(struct topic *t); /* something may have to be delivered */
void deliver_run(struct events *e);
/* Hands the event over; afterwards s may be dead, but not freed. */
int32_t subscriber_call(struct lathe_events_subscriber *s, struct lathe_event *event);
void subscriber_end(struct lathe_events_subscriber *s); /* drop, once */
void deliver_sweep(struct events *e);                   /* frees what is dead */

/* events.c */
struct topic *topic_get(struct events *e, const char *name); /* creates it; NULL: no memory */
void topic_free(struct topic *t);

#endif
