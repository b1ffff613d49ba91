/* Private to core/event: topics, their rings, subscribers. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_EVENT_EVENTS_INTERNAL_H
#define CORE_EVENT_EVENTS_INTERNAL_H

#include "core/base/hash.h"
#include "core/event/events.h"
#include "lathe/store.h"

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

/* A topic. Numbers in the ring have no holes: entry i is head_seq + i. Events above `reserved` are
 * not delivered yet: their numbers are not safe from being given again after a crash. */
struct topic {
    struct topic *next_dirty;
    struct events *events;
    char *name;
    uint64_t generation; /* tells a forgotten topic from one of the same name */
    struct entry **ring;
    size_t head, count, cap; /* cap is a power of two, or 0 */
    size_t bytes;
    uint64_t next_seq, reserved;
    uint64_t asked; /* highest number ever asked of the store; >= reserved */
    int is_reserving, retry;
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
    uint64_t generation;
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

/* events_numbers.c */
int32_t numbers_load(struct events *e, struct lathe_error *err);
/* Reserves the next block when it is time. */
void numbers_want(struct topic *t);
/* Stores the state of the topic as it is: exact number, closed or not. */
void numbers_save(struct topic *t);
void numbers_forget(struct events *e, const char *topic);
void numbers_retry(struct events *e);
void events_unref(struct events *e);

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
