/* Publish and subscribe by topic: the implementation of service "lathe.events/1". Events are
 * delivered once they are in the store, and come back from it after a restart, a crash included.
 * Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_EVENT_EVENTS_H
#define CORE_EVENT_EVENTS_H

#include "lathe/events.h"

struct event_base;
struct store;
struct events;

/* Zeros mean the defaults in brackets. base and store are borrowed until events_close. */
struct events_options {
    struct event_base *base;
    struct store *store;
    uint32_t keep_events;     /* events kept per topic [10000] */
    uint32_t max_subscribers; /* [20000] */
    int64_t keep_ms;          /* how long they are kept at least, within the limits [one hour] */
    uint64_t max_bytes; /* of all kept events; beyond it the topics that need most lose their oldest
                           [256 MiB] */
};

/* Reads all topics and their kept events from the store, blocking. Errors: those of the store,
 * NOMEM. */
int32_t events_open(const struct events_options *options, struct events **out,
                    struct lathe_error *err) LATHE_MUST_USE;

/* Drops every subscriber and queues what is not stored yet to the store: call before store_close.
 * NULL is fine. */
void events_close(struct events *events);

/* The service table, valid until events_close. */
const struct lathe_events_service *events_service(const struct events *events);

/* Forgets events older than keep_ms, as the periodic timer does. For tests with a fake clock. */
void events_trim(struct events *events);

#endif
