/* SPDX-License-Identifier: Apache-2.0 */
/* The kept events of a topic, and the limits on them. */

#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/event/events_internal.h"

struct entry *entry_new(uint64_t seq, const char *type, const char *json, size_t json_len)
{
    size_t type_len = strlen(type), total = sizeof(struct entry) + type_len + json_len + 2;
    struct entry *e = mem_alloc(total);
    char *text;

    if (e == NULL)
        return NULL;
    text = (char *)(e + 1);
    memcpy(text, type, type_len + 1);
    memcpy(text + type_len + 1, json, json_len);
    text[type_len + 1 + json_len] = 0;
    e->refs = 1;
    e->seq = seq;
    e->wall_ms = clock_wall_ms();
    e->cost_bytes = total;
    e->type = text;
    e->json = text + type_len + 1;
    e->json_len = json_len;
    return e;
}

void entry_release(struct entry *entry)
{
    if (--entry->refs == 0)
        mem_free(entry);
}

uint64_t ring_oldest(const struct topic *t)
{
    return t->next_seq - t->count;
}

struct entry *ring_at(const struct topic *t, uint64_t seq)
{
    size_t at = (size_t)(seq - ring_oldest(t));

    return t->ring[(t->head + at) & (t->cap - 1)];
}

void ring_pop(struct topic *t)
{
    struct entry *e = t->ring[t->head];

    t->head = (t->head + 1) & (t->cap - 1);
    t->count--;
    t->bytes -= e->cost_bytes;
    t->events->bytes -= e->cost_bytes;
    entry_release(e);
}

static int32_t ring_grow(struct topic *t)
{
    size_t cap = t->cap != 0 ? t->cap * 2 : 16;
    struct entry **ring = mem_zalloc(cap, sizeof *ring);

    if (ring == NULL)
        return LATHE_E_NOMEM;
    for (size_t i = 0; i < t->count; i++)
        ring[i] = t->ring[(t->head + i) & (t->cap - 1)];
    mem_free(t->ring);
    t->ring = ring;
    t->head = 0;
    t->cap = cap;
    return LATHE_OK;
}

int32_t ring_push(struct topic *t, struct entry *entry)
{
    if (t->count >= t->events->options.keep_events)
        ring_pop(t);
    if (t->count == t->cap && ring_grow(t) != LATHE_OK)
        return LATHE_E_NOMEM;
    t->ring[(t->head + t->count) & (t->cap - 1)] = entry;
    t->count++;
    t->next_seq = entry->seq + 1;
    t->bytes += entry->cost_bytes;
    t->events->bytes += entry->cost_bytes;
    return LATHE_OK;
}

void ring_trim_age(struct topic *t, int64_t before_ms)
{
    while (t->count > 0 && t->ring[t->head]->wall_ms < before_ms)
        ring_pop(t);
    if (t->count == 0) {
        mem_free(t->ring);
        t->ring = NULL;
        t->cap = t->head = 0;
    }
}

/* The topic that holds most loses its older half; a lone event stays. */
void ring_trim_bytes(struct events *e)
{
    while (e->bytes > e->options.max_bytes) {
        struct topic *most = NULL;
        size_t cursor = 0, keep;
        void *value;

        while (hmap_next(e->topics, &cursor, NULL, &value)) {
            struct topic *t = value;

            if (most == NULL || t->bytes > most->bytes)
                most = t;
        }
        if (most == NULL || most->count < 2)
            return;
        for (keep = most->count / 2; most->count > keep;)
            ring_pop(most);
    }
}

void ring_fini(struct topic *t)
{
    while (t->count > 0)
        ring_pop(t);
    mem_free(t->ring);
    t->ring = NULL;
}
