/* SPDX-License-Identifier: Apache-2.0 */
/* Topics and kept events as the store has them, read once at the start. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#define LOG_MODULE "events"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/event/events_internal.h"
#include "core/store/store.h"

#define TOPICS_PAGE 1000u
#define CHUNKS_PAGE 32u

/* State of the loading. */
struct loading {
    struct events *events;
    int32_t (*take)(struct loading *load, const struct lathe_storage_doc *doc);
    int32_t status;
    struct lathe_error *err;
    char cursor[LATHE_STORAGE_CURSOR_MAX];
};

/* What is left of a chunk's text. */
struct cut {
    const char *at, *end;
};

static int cut_lit(struct cut *c, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0)
        return 0;
    c->at += len;
    return 1;
}

static int cut_number(struct cut *c, uint64_t *out)
{
    const char *from = c->at;

    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - from < 19; c->at++)
        *out = *out * 10 + (uint64_t)(*c->at - '0');
    return c->at > from;
}

static int cut_text(struct cut *c, char *out, size_t cap)
{
    size_t n = 0;

    if (!cut_lit(c, "\""))
        return 0;
    for (; c->at < c->end && *c->at != '"' && n + 1 < cap; c->at++) {
        if (*c->at == '\\' && ++c->at == c->end)
            return 0;
        out[n++] = *c->at;
    }
    out[n] = 0;
    return cut_lit(c, "\"");
}

/* Puts event seq behind what the topic has. Chunks may overlap after failed writes. */
static int32_t take_event(struct topic *t, uint64_t seq, int64_t wall_ms, const char *type,
                          struct cut json)
{
    struct entry *entry;

    if (t->count > 0 && seq < t->next_seq)
        return LATHE_OK;
    if (seq != t->next_seq)
        while (t->count > 0)
            ring_pop(t); /* numbers of a ring have no holes */
    if ((entry = entry_new(seq, type, json.at, (size_t)(json.end - json.at))) == NULL)
        return LATHE_E_NOMEM;
    entry->wall_ms = wall_ms;
    if (ring_push(t, entry) == LATHE_OK)
        return LATHE_OK;
    entry_release(entry);
    return LATHE_E_NOMEM;
}

static int32_t take_events(struct topic *t, struct cut *c, uint64_t seq, uint64_t *last)
{
    char type[LATHE_EVENTS_TYPE_MAX + 1];
    uint64_t wall_ms, len;
    int32_t st;

    for (;; seq++) {
        if (!cut_lit(c, "[") || !cut_number(c, &wall_ms) || !cut_lit(c, ",") ||
            !cut_number(c, &len) || !cut_lit(c, ",") || !cut_text(c, type, sizeof type) ||
            !cut_lit(c, ",") || len > (uint64_t)(c->end - c->at))
            return LATHE_E_CORRUPT;
        st = take_event(t, seq, (int64_t)wall_ms, type, (struct cut){c->at, c->at + len});
        if (st != LATHE_OK)
            return st;
        *last = seq;
        c->at += len;
        if (cut_lit(c, "]]}"))
            return LATHE_OK;
        if (!cut_lit(c, "],"))
            return LATHE_E_CORRUPT;
    }
}

static int32_t take_chunk(struct loading *load, const struct lathe_storage_doc *doc)
{
    struct events *e = load->events;
    char name[LATHE_EVENTS_TOPIC_MAX + 1];
    struct cut c = {doc->json, doc->json + strlen(doc->json)};
    struct chunk *chunk = mem_new(struct chunk);
    struct topic *t = NULL;
    uint64_t first = 0;
    int32_t st = LATHE_E_CORRUPT;

    if (chunk == NULL)
        return fail(load->err, LATHE_E_NOMEM, "no memory for kept events");
    if (cut_lit(&c, "{\"topic\":") && cut_text(&c, name, sizeof name) &&
        cut_lit(&c, ",\"first\":") && cut_number(&c, &first) && first > 0 &&
        cut_lit(&c, ",\"events\":["))
        st = (t = topic_get(e, name)) != NULL ? take_events(t, &c, first, &chunk->last)
                                              : LATHE_E_NOMEM;
    chunk->id = strtoull(doc->id, NULL, 10);
    if (chunk->id > e->next_chunk)
        e->next_chunk = chunk->id;
    if (t != NULL)
        chunk_add(t, chunk);
    else
        mem_free(chunk);
    if (st == LATHE_E_CORRUPT) {
        log_warn("kept events are damaged and left out", F_STR("document", doc->id));
        return LATHE_OK;
    }
    return st == LATHE_OK ? st : fail(load->err, st, "no memory for kept events");
}

static int32_t take_topic(struct loading *load, const struct lathe_storage_doc *doc)
{
    static const char head[] = "{\"reserved\":";
    char closed[8] = "", *rest = closed;
    uint64_t upto = 0;
    struct topic *t;

    if (strncmp(doc->json, head, sizeof head - 1) == 0)
        upto = strtoull(doc->json + sizeof head - 1, &rest, 10);
    if (upto > INT64_MAX || sscanf(rest, ",\"closed\":%5[a-z]}", closed) != 1)
        return fail(load->err, LATHE_E_CORRUPT, "stored numbers of topic %s are damaged", doc->id);
    if ((t = topic_get(load->events, doc->id)) == NULL)
        return fail(load->err, LATHE_E_NOMEM, "no memory for topic %s", doc->id);
    t->asked = upto;
    t->is_closed = strcmp(closed, "true") == 0;
    return LATHE_OK;
}

static void loaded(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct loading *load = user;

    load->status = status;
    if (status != LATHE_OK) {
        if (load->err != NULL)
            *load->err = *result->error;
        return;
    }
    for (uint32_t i = 0; i < result->n_docs && load->status == LATHE_OK; i++)
        load->status = load->take(load, result->docs[i]);
    snprintf(load->cursor, sizeof load->cursor, "%s", result->cursor);
}

static void declared(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct loading *load = user;

    load->status = status;
    if (status != LATHE_OK && load->err != NULL)
        *load->err = *result->error;
}

static int32_t load_collection(struct loading *load, const char *name, uint32_t page)
{
    struct events *e = load->events;
    const struct lathe_storage_collection collection = {sizeof collection, 0, name, NULL};
    struct lathe_store_call call = {sizeof call, 0, declared, NULL, load};
    struct lathe_storage_query q = {.struct_size = sizeof q, .collection = name, .limit = page};
    int32_t st = e->store->declare(e->store, &collection, &call);

    if (st != LATHE_OK)
        return fail(load->err, st, "the store refuses the collection %s", name);
    store_drain(e->options.store);
    call.done = loaded;
    load->cursor[0] = 0;
    while (load->status == LATHE_OK) {
        q.cursor = load->cursor[0] != 0 ? load->cursor : NULL;
        if ((st = e->store->scan(e->store, &q, &call)) != LATHE_OK)
            return fail(load->err, st, "the store refuses to list %s", name);
        store_drain(e->options.store);
        if (load->cursor[0] == 0)
            break;
    }
    return load->status;
}

int32_t events_load(struct events *e, struct lathe_error *err)
{
    struct loading load = {.events = e, .take = take_topic, .err = err};
    size_t cursor = 0;
    void *value;
    int32_t st = load_collection(&load, EVENTS_TOPICS, TOPICS_PAGE);

    load.take = take_chunk;
    if (st != LATHE_OK || (st = load_collection(&load, EVENTS_KEPT, CHUNKS_PAGE)) != LATHE_OK)
        return st;
    while (hmap_next(e->topics, &cursor, NULL, &value)) {
        struct topic *t = value;

        if (t->next_seq <= t->asked) { /* its last events are not in the store */
            while (t->count > 0)
                ring_pop(t);
            t->next_seq = t->asked + 1;
        }
        t->saved = t->asked = t->next_seq - 1;
    }
    ring_trim_bytes(e);
    events_trim(e);
    return LATHE_OK;
}
