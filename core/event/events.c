/* SPDX-License-Identifier: Apache-2.0 */
/* The events service: topics by name, publish, subscribe, close. */

#include "core/event/events.h"

#include <string.h>

#include <event2/event.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/event/events_internal.h"
#include "core/store/store.h"

#define KEEP_EVENTS 10000u
#define KEEP_MS (3600 * 1000)
#define MAX_BYTES (256ull << 20)
#define MAX_SUBSCRIBERS 20000u
#define TRIM_S 60

static int text_is_good(const char *text, size_t max)
{
    size_t len = text != NULL ? strnlen(text, max + 1) : 0;

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return 0;
    return len > 0 && len <= max;
}

static struct events *events_of(const struct lathe_events_service *service)
{
    return service->ctx;
}

void topic_free(struct topic *t)
{
    ring_fini(t);
    chunks_free(t);
    mem_free(t->name);
    mem_free(t);
}

struct topic *topic_get(struct events *e, const char *name)
{
    struct topic *t = hmap_get(e->topics, name);
    void *old = NULL;

    if (t != NULL)
        return t;
    if ((t = mem_new(struct topic)) == NULL)
        return NULL;
    t->events = e;
    t->next_seq = 1;
    t->chunks_tail = &t->chunks;
    t->generation = ++e->generation;
    if ((t->name = mem_strdup(name)) == NULL || hmap_put(e->topics, name, t, &old) != LATHE_OK) {
        topic_free(t);
        return NULL;
    }
    return t;
}

static int32_t service_publish(const struct lathe_events_service *service, const char *topic,
                               const char *type, const char *json, uint64_t *seq)
{
    struct events *e = events_of(service);
    struct entry *entry;
    struct topic *t;
    size_t len;

    if (!text_is_good(topic, LATHE_EVENTS_TOPIC_MAX) ||
        !text_is_good(type, LATHE_EVENTS_TYPE_MAX) || json == NULL || json[0] == 0)
        return LATHE_E_INVALID;
    if ((len = strnlen(json, LATHE_EVENTS_JSON_MAX + 1)) > LATHE_EVENTS_JSON_MAX)
        return LATHE_E_LIMIT;
    if ((t = topic_get(e, topic)) == NULL ||
        (entry = entry_new(t->next_seq, type, json, len)) == NULL)
        return LATHE_E_NOMEM;
    if (ring_push(t, entry) != LATHE_OK) {
        entry_release(entry);
        return LATHE_E_NOMEM;
    }
    if (seq != NULL)
        *seq = t->next_seq - 1;
    if (t->is_closed) {
        t->is_closed = 0;
        keep_state(t);
    }
    ring_trim_bytes(e);
    deliver_mark(t);
    return LATHE_OK;
}

static struct lathe_events_subscriber *subscriber_new(struct topic *t,
                                                      const struct lathe_events_subscription *sub)
{
    struct lathe_events_subscriber *s = mem_new(struct lathe_events_subscriber), **link;

    if (s == NULL)
        return NULL;
    s->topic = t;
    s->pos = sub->since < t->next_seq - 1 ? sub->since : t->next_seq - 1;
    s->max_pending = sub->max_pending;
    s->event = sub->event;
    s->drop = sub->drop;
    s->user = sub->user;
    for (link = &t->subscribers; *link != NULL; link = &(*link)->next)
        ;
    *link = s; /* at the end: events reach subscribers in the order they came */
    t->events->n_subscribers++;
    return s;
}

static int32_t service_subscribe(const struct lathe_events_service *service,
                                 const struct lathe_events_subscription *subscription,
                                 struct lathe_events_subscriber **out)
{
    struct events *e = events_of(service);
    struct lathe_events_subscriber *s = NULL;
    int32_t st = LATHE_OK;
    struct topic *t;

    if (!text_is_good(subscription->topic, LATHE_EVENTS_TOPIC_MAX) || subscription->event == NULL)
        st = LATHE_E_INVALID;
    else if (e->n_subscribers >= e->options.max_subscribers)
        st = LATHE_E_LIMIT;
    else if ((t = topic_get(e, subscription->topic)) == NULL ||
             (s = subscriber_new(t, subscription)) == NULL)
        st = LATHE_E_NOMEM;
    if (st != LATHE_OK) {
        if (subscription->drop != NULL)
            subscription->drop(subscription->user);
        return st;
    }
    *out = s;
    deliver_mark(s->topic);
    return LATHE_OK;
}

static void service_resume(struct lathe_events_subscriber *subscriber)
{
    if (subscriber->is_dead)
        return;
    subscriber->is_paused = 0;
    deliver_mark(subscriber->topic);
}

static void service_unsubscribe(struct lathe_events_subscriber *subscriber)
{
    if (subscriber == NULL || subscriber->is_dead)
        return;
    if (subscriber->in_callback) {
        subscriber->is_ending = 1;
        return;
    }
    subscriber_end(subscriber);
    deliver_sweep(subscriber->topic->events);
}

/* Ends all subscribers and takes the topic out of the map; freed now, or by the delivery under way.
 */
static void forget(struct events *e, struct topic *t)
{
    t->is_forgotten = 1;
    e->dispatching++;
    for (struct lathe_events_subscriber *s = t->subscribers; s != NULL; s = s->next) {
        struct lathe_event event = {.flags = LATHE_EVENT_END, .seq = s->pos, .first_seq = s->pos};

        s->is_ending = 1;
        if (!s->is_dead && !s->in_callback)
            (void)subscriber_call(s, &event);
    }
    e->dispatching--;
    (void)hmap_remove(e->topics, t->name);
    keep_forget(t);
    deliver_mark(t);
}

static int32_t service_close_topic(const struct lathe_events_service *service, const char *topic,
                                   uint32_t flags)
{
    struct events *e = events_of(service);
    struct topic *t;

    if (!text_is_good(topic, LATHE_EVENTS_TOPIC_MAX))
        return LATHE_E_INVALID;
    if ((t = hmap_get(e->topics, topic)) == NULL)
        return LATHE_OK;
    if (flags & LATHE_EVENTS_FORGET) {
        forget(e, t);
        return LATHE_OK;
    }
    t->is_closed = 1;
    keep_flush(t, 1);
    keep_state(t);
    deliver_mark(t);
    return LATHE_OK;
}

static int32_t service_get_topic(const struct lathe_events_service *service, const char *topic,
                                 struct lathe_events_topic *out)
{
    struct topic *t;

    if (!text_is_good(topic, LATHE_EVENTS_TOPIC_MAX))
        return LATHE_E_INVALID;
    out->n_subscribers = 0;
    out->oldest_seq = 1;
    out->last_seq = 0;
    if ((t = hmap_get(events_of(service)->topics, topic)) == NULL)
        return LATHE_OK;
    out->oldest_seq = ring_oldest(t);
    out->last_seq = t->next_seq - 1;
    for (const struct lathe_events_subscriber *s = t->subscribers; s != NULL; s = s->next)
        out->n_subscribers += !s->is_dead;
    return LATHE_OK;
}

static int32_t service_flush(const struct lathe_events_service *service, const char *topic)
{
    struct topic *t;

    if (!text_is_good(topic, LATHE_EVENTS_TOPIC_MAX))
        return LATHE_E_INVALID;
    if ((t = hmap_get(events_of(service)->topics, topic)) != NULL)
        keep_flush(t, 1);
    return LATHE_OK;
}

void events_trim(struct events *events)
{
    int64_t before = clock_wall_ms() - events->options.keep_ms;
    size_t cursor = 0;
    void *value;

    while (hmap_next(events->topics, &cursor, NULL, &value)) {
        ring_trim_age(value, before);
        keep_trim(value, 1);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    deliver_run(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    events_trim(arg);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    keep_retry(arg);
}

static void defaults(struct events_options *o)
{
    if (o->keep_events == 0)
        o->keep_events = KEEP_EVENTS;
    if (o->keep_ms == 0)
        o->keep_ms = KEEP_MS;
    if (o->max_bytes == 0)
        o->max_bytes = MAX_BYTES;
    if (o->max_subscribers == 0)
        o->max_subscribers = MAX_SUBSCRIBERS;
}

static int32_t prepare(struct events *e, struct lathe_error *err)
{
    static const struct timeval period = {TRIM_S, 0};
    struct event_base *base = e->options.base;
    int32_t st = store_service(e->options.store, "core", &e->store, err);

    if (st != LATHE_OK)
        return st;
    e->topics = hmap_new();
    e->tick = evtimer_new(base, on_tick, e);
    e->retry = evtimer_new(base, on_retry, e);
    e->timer = event_new(base, -1, EV_PERSIST, on_timer, e);
    if (e->topics == NULL || e->tick == NULL || e->retry == NULL || e->timer == NULL ||
        event_add(e->timer, &period) != 0)
        return fail(err, LATHE_E_NOMEM, "no memory for events");
    return events_load(e, err);
}

int32_t events_open(const struct events_options *options, struct events **out,
                    struct lathe_error *err)
{
    struct events *e = mem_new(struct events);
    int32_t st;

    if (e == NULL)
        return fail(err, LATHE_E_NOMEM, "no memory for events");
    e->options = *options;
    defaults(&e->options);
    e->dirty_tail = &e->dirty;
    e->refs = 1;
    e->service = (struct lathe_events_service){.struct_size = sizeof e->service,
                                               .ctx = e,
                                               .publish = service_publish,
                                               .subscribe = service_subscribe,
                                               .resume = service_resume,
                                               .unsubscribe = service_unsubscribe,
                                               .close_topic = service_close_topic,
                                               .get_topic = service_get_topic,
                                               .flush = service_flush};
    if ((st = prepare(e, err)) != LATHE_OK) {
        events_close(e);
        return st;
    }
    *out = e;
    return LATHE_OK;
}

static void end_topic(struct topic *t)
{
    if (!t->is_forgotten)
        keep_flush(t, 1);
    for (struct lathe_events_subscriber *s = t->subscribers, *next; s != NULL; s = next) {
        next = s->next;
        subscriber_end(s);
        mem_free(s);
    }
    topic_free(t);
}

static void free_forgotten(struct events *e)
{
    while (e->dirty != NULL) {
        struct topic *t = e->dirty;

        e->dirty = t->next_dirty;
        if (t->is_forgotten)
            end_topic(t);
    }
}

void events_close(struct events *events)
{
    size_t cursor = 0;
    void *value;

    if (events == NULL)
        return;
    events->is_closed = 1;
    free_forgotten(events);
    while (events->topics != NULL && hmap_next(events->topics, &cursor, NULL, &value))
        end_topic(value);
    hmap_free(events->topics, NULL);
    events->topics = NULL;
    if (events->tick != NULL)
        event_free(events->tick);
    if (events->retry != NULL)
        event_free(events->retry);
    if (events->timer != NULL)
        event_free(events->timer);
    events_unref(events);
}

const struct lathe_events_service *events_service(const struct events *events)
{
    return &events->service;
}
