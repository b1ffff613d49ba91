/* Service "lathe.events/1": publish and subscribe by topic, with numbers that never repeat and
 * replay. Threads: every function and callback is [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_EVENTS_H
#define LATHE_EVENTS_H

#include "lathe/status.h"

#define LATHE_SERVICE_EVENTS "lathe.events/1"

#define LATHE_EVENTS_TOPIC_MAX 200       /* bytes of a topic: UTF-8, no control byte */
#define LATHE_EVENTS_TYPE_MAX 64         /* bytes of a type */
#define LATHE_EVENTS_JSON_MAX (1u << 20) /* bytes of one event */

/* lathe_event.flags. 0: an event that somebody published. */
#define LATHE_EVENT_GAP \
    1u /* events first_seq .. seq are no longer kept, or never existed; no type, no json */
#define LATHE_EVENT_END \
    2u /* the topic was closed and all of it was delivered; the subscription is over */

/* One event, borrowed until the callback returns. */
struct lathe_event {
    uint32_t struct_size, flags;
    uint64_t seq;       /* > 0, strictly increasing within the topic, across restarts too */
    uint64_t first_seq; /* equals seq, except with LATHE_EVENT_GAP */
    int64_t wall_ms;    /* UTC when it was published */
    const char *topic;
    const char *type; /* "job.progress" */
    const char *json; /* JSON text */
    uint64_t json_len;
};

/* Start with what comes next, without replay (lathe_events_subscription.since). */
#define LATHE_EVENTS_LIVE UINT64_MAX

/* A subscription as asked for; copied. The first event delivered is the one after `since` (0: from
 * the beginning), then all later ones in order, without hole or duplicate. A `since` in the future
 * means live. When events are missing because they are no longer kept, or because more than
 * max_pending wait, one LATHE_EVENT_GAP names them and delivery goes on behind it. */
struct lathe_events_subscription {
    uint32_t struct_size;
    uint32_t max_pending; /* events that may wait for this subscriber; 0: all that are kept */
    const char *topic;
    uint64_t since;

    /* Takes one event; never called from inside subscribe, publish or resume. LATHE_OK: taken.
     * LATHE_AGAIN: not taken; it comes again after resume. It may publish and unsubscribe. */
    int32_t (*event)(void *user, const struct lathe_event *event);

    /* Called exactly once when the subscription is over, or before subscribe returns an error. May
     * be NULL. */
    void (*drop)(void *user);
    void *user;
};

/* What is known of a topic. */
struct lathe_events_topic {
    uint32_t struct_size, n_subscribers;
    uint64_t oldest_seq; /* of the events kept; last_seq + 1 when none is */
    uint64_t last_seq;   /* 0: nothing was ever published */
};

struct lathe_events_subscriber; /* opaque */

#define LATHE_EVENTS_FORGET \
    1u /* close: also remove the kept events and the number; it restarts at 1 */

/* The service. Topics come into being by use. The last 10 000 events of a topic are kept for at
 * least an hour (fewer when the server's byte limit for events is reached), across restarts too: an
 * event is delivered once it is on disk. Since 1.0. */
struct lathe_events_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Publishes json (text of one JSON value) and gives its number. Memory: copied. seq may be
     * NULL. Errors: INVALID, LIMIT, NOMEM. */
    int32_t (*publish)(const struct lathe_events_service *events, const char *topic,
                       const char *type, const char *json, uint64_t *seq);

    /* Subscribes. *out is valid until drop. Errors: INVALID, LIMIT (too many subscribers), NOMEM.
     */
    int32_t (*subscribe)(const struct lathe_events_service *events,
                         const struct lathe_events_subscription *subscription,
                         struct lathe_events_subscriber **out);

    /* Goes on after LATHE_AGAIN; harmless otherwise. */
    void (*resume)(struct lathe_events_subscriber *subscriber);

    /* Ends a subscription: no event comes any more, drop is called before it returns (when called
     * from inside the event callback: after that callback). NULL is fine. */
    void (*unsubscribe)(struct lathe_events_subscriber *subscriber);

    /* Ends a topic: subscribers get what is left, LATHE_EVENT_END, and drop. Later subscribers get
     * the replay and the end too. Publishing again opens it again, with higher numbers. */
    int32_t (*close_topic)(const struct lathe_events_service *events, const char *topic,
                           uint32_t flags);

    /* Fills *out (struct_size set by the caller); an unknown topic has last_seq 0. Errors: INVALID.
     */
    int32_t (*get_topic)(const struct lathe_events_service *events, const char *topic,
                         struct lathe_events_topic *out);

    /* Hands what was published in topic to the store now: whatever is written by a later call of
     * the store service is on disk only together with it. Errors: INVALID. */
    int32_t (*flush)(const struct lathe_events_service *events, const char *topic);
};

#endif
