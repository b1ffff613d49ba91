/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery: every subscriber has a position in its topic; a turn of the loop moves positions
 * forward. Nothing is queued per subscriber, so a slow one costs nothing and delays nobody. */

#include <event2/event.h>

#include "core/base/mem.h"
#include "core/event/events_internal.h"

#define PER_TURN 64u /* events for one subscriber before the next one's turn */
#define TOPICS_PER_TURN 64u

static const struct timeval now = {0, 0};

void deliver_mark(struct topic *t)
{
    struct events *e = t->events;

    if (t->is_dirty)
        return;
    t->is_dirty = 1;
    t->next_dirty = NULL;
    *e->dirty_tail = t;
    e->dirty_tail = &t->next_dirty;
    evtimer_add(e->tick, &now);
}

void subscriber_end(struct lathe_events_subscriber *s)
{
    if (s->is_dead)
        return;
    s->is_dead = 1;
    s->topic->events->has_dead = 1;
    s->topic->events->n_subscribers--;
    if (s->drop != NULL)
        s->drop(s->user);
}

int32_t subscriber_call(struct lathe_events_subscriber *s, struct lathe_event *event)
{
    int32_t st;

    event->struct_size = sizeof *event;
    event->topic = s->topic->name;
    s->in_callback = 1;
    st = s->event(s->user, event);
    s->in_callback = 0;
    if (s->is_ending)
        subscriber_end(s);
    return st;
}

/* Gives the subscriber the event after its position, or a gap that leads there. */
static int32_t give_next(struct lathe_events_subscriber *s, uint64_t last)
{
    struct topic *t = s->topic;
    uint64_t skip = s->pos, oldest = ring_oldest(t);
    struct lathe_event event = {0};
    struct entry *entry;
    int32_t st;

    if (s->max_pending > 0 && last - s->pos > s->max_pending)
        skip = last - s->max_pending;
    if (skip + 1 < oldest)
        skip = oldest - 1 < last ? oldest - 1 : last;
    if (skip != s->pos) {
        event.flags = LATHE_EVENT_GAP;
        event.first_seq = s->pos + 1;
        event.seq = skip;
        if ((st = subscriber_call(s, &event)) == LATHE_OK)
            s->pos = skip;
        return st;
    }
    entry = ring_at(t, s->pos + 1);
    entry->refs++; /* the callback may publish, and so push this one out */
    event.seq = event.first_seq = entry->seq;
    event.wall_ms = entry->wall_ms;
    event.type = entry->type;
    event.json = entry->json;
    event.json_len = entry->json_len;
    if ((st = subscriber_call(s, &event)) == LATHE_OK)
        s->pos = entry->seq;
    entry_release(entry);
    return st;
}

static uint64_t deliverable(const struct topic *t)
{
    return t->next_seq - 1 < t->saved ? t->next_seq - 1 : t->saved;
}

static void give_end(struct lathe_events_subscriber *s)
{
    struct lathe_event event = {.flags = LATHE_EVENT_END, .seq = s->pos, .first_seq = s->pos};

    if (subscriber_call(s, &event) == LATHE_AGAIN && !s->is_dead)
        s->is_paused = 1;
    else
        subscriber_end(s);
}

/* 1 when the subscriber could take more. */
static int serve(struct lathe_events_subscriber *s)
{
    uint32_t given = 0;

    while (!s->is_dead && !s->is_paused && !s->topic->is_forgotten &&
           s->pos < deliverable(s->topic)) {
        if (given++ == PER_TURN)
            return 1;
        if (give_next(s, deliverable(s->topic)) != LATHE_OK)
            s->is_paused = 1;
    }
    if (!s->is_dead && !s->is_paused && s->topic->is_closed && s->pos >= s->topic->next_seq - 1)
        give_end(s);
    return 0;
}

static void free_dead(struct topic *t)
{
    struct lathe_events_subscriber **link = &t->subscribers;

    while (*link != NULL) {
        struct lathe_events_subscriber *s = *link;

        if (s->is_dead && !s->in_callback) {
            *link = s->next;
            mem_free(s);
        } else {
            link = &s->next;
        }
    }
}

void deliver_sweep(struct events *e)
{
    size_t cursor = 0;
    void *value;

    if (!e->has_dead || e->dispatching > 0)
        return;
    e->has_dead = 0;
    while (hmap_next(e->topics, &cursor, NULL, &value))
        free_dead(value);
}

static struct topic *pop_dirty(struct events *e)
{
    struct topic *t = e->dirty;

    if (t == NULL)
        return NULL;
    e->dirty = t->next_dirty;
    if (e->dirty == NULL)
        e->dirty_tail = &e->dirty;
    t->is_dirty = 0;
    return t;
}

void deliver_run(struct events *e)
{
    struct topic *t;

    e->dispatching++;
    for (uint32_t i = 0; i < TOPICS_PER_TURN && (t = pop_dirty(e)) != NULL; i++) {
        int more = 0;

        if (t->is_forgotten) {
            free_dead(t);
            topic_free(t);
            continue;
        }
        for (struct lathe_events_subscriber *s = t->subscribers; s != NULL; s = s->next)
            more |= serve(s);
        if (!t->is_forgotten)
            keep_flush(t, 0);
        if (more) /* a topic forgotten meanwhile was marked by that */
            deliver_mark(t);
    }
    e->dispatching--;
    deliver_sweep(e);
    if (e->dirty != NULL)
        evtimer_add(e->tick, &now);
}
