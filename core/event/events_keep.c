/* SPDX-License-Identifier: Apache-2.0 */
/* Kept events on disk: what a turn of the loop published in a topic goes to the store as one chunk,
 * what is published while it is written gathers for the next one. A chunk goes when none of its
 * events is kept any more. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#define LOG_MODULE "events"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/strbuf.h"
#include "core/event/events_internal.h"

#define CHUNK_EVENTS 512u
#define CHUNK_BYTES (512u * 1024u)
#define TRIM_MIN 16u    /* chunks worth a write to remove */
#define TRIM_MAX 500u   /* removed by one write */
#define ID_MAX_BYTES 24 /* 20 digits */

/* A chunk on its way. */
struct saving {
    struct events *events;
    char *topic;
    uint64_t generation, last;
};

void events_unref(struct events *e)
{
    if (--e->refs == 0)
        mem_free(e);
}

void chunk_add(struct topic *t, struct chunk *take_chunk)
{
    take_chunk->next = NULL;
    *t->chunks_tail = take_chunk;
    t->chunks_tail = &take_chunk->next;
}

static void chunk_pop(struct topic *t)
{
    struct chunk *c = t->chunks;

    t->chunks = c->next;
    if (t->chunks == NULL)
        t->chunks_tail = &t->chunks;
    mem_free(c);
}

void chunks_free(struct topic *t)
{
    while (t->chunks != NULL)
        chunk_pop(t);
}

/* ---- writing ---- */

static void retry_soon(struct topic *t)
{
    static const struct timeval soon = {0, 200000};

    t->retry = 1;
    evtimer_add(t->events->retry, &soon);
}

static void on_saved(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct saving *s = user;
    struct topic *t = s->events->is_closed ? NULL : hmap_get(s->events->topics, s->topic);

    if (t == NULL || t->generation != s->generation)
        return;
    t->n_saving--;
    if (status != LATHE_OK)
        log_warn("events of a topic were not stored", F_STR("topic", s->topic),
                 F_STR("error", result->error->text));
    if (status != LATHE_OK && status != LATHE_E_INVALID && status != LATHE_E_LIMIT)
        t->is_failed = 1;
    else if (!t->is_failed && t->saved < s->last)
        t->saved = s->last; /* what the store will never take is told all the same */
    if (t->is_failed && t->n_saving == 0) {
        t->is_failed = 0;
        t->asked = t->saved;
        retry_soon(t);
    }
    keep_trim(t, 0);
    deliver_mark(t);
}

static void saving_drop(void *user)
{
    struct saving *s = user;

    events_unref(s->events);
    mem_free(s->topic);
    mem_free(s);
}

/* Text without control bytes as a JSON string. */
static void add_text(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '"');
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *text);
    }
    strbuf_addc(out, '"');
}

/* {"topic":"t","first":7,"events":[[wall_ms,bytes of json,"type",json],...]} from event `first` on;
 * gives the last event in it. */
static uint64_t chunk_write(const struct topic *t, uint64_t first, struct strbuf *out)
{
    uint64_t seq = first;

    strbuf_adds(out, "{\"topic\":");
    add_text(out, t->name);
    strbuf_addf(out, ",\"first\":%" PRIu64 ",\"events\":[", first);
    for (; seq < t->next_seq && seq - first < CHUNK_EVENTS && out->len_bytes < CHUNK_BYTES; seq++) {
        const struct entry *e = ring_at(t, seq);

        strbuf_addf(out, "%s[%" PRId64 ",%zu,", seq > first ? "," : "", e->wall_ms, e->json_len);
        add_text(out, e->type);
        strbuf_addc(out, ',');
        strbuf_add(out, e->json, e->json_len);
        strbuf_addc(out, ']');
    }
    strbuf_adds(out, "]}");
    return seq - 1;
}

static int32_t put(struct topic *t, uint64_t id, uint64_t last, const char *json)
{
    struct events *e = t->events;
    struct saving *s = mem_new(struct saving);
    const struct lathe_store_call call = {sizeof call, 0, on_saved, saving_drop, s};
    char name[ID_MAX_BYTES];

    if (s == NULL || (s->topic = mem_strdup(t->name)) == NULL) {
        mem_free(s);
        return LATHE_E_NOMEM;
    }
    s->events = e;
    s->generation = t->generation;
    s->last = last;
    e->refs++;
    snprintf(name, sizeof name, "%020" PRIu64, id);
    return e->store->put(e->store, EVENTS_KEPT, name, LATHE_REV_ANY, json, &call);
}

/* Hands the next chunk to the store. */
static int32_t chunk_put(struct topic *t)
{
    uint64_t oldest = ring_oldest(t), first = t->asked + 1 > oldest ? t->asked + 1 : oldest;
    struct chunk *c = mem_new(struct chunk);
    struct strbuf out;
    int32_t st = LATHE_E_NOMEM;

    strbuf_init(&out);
    if (c != NULL) {
        c->id = ++t->events->next_chunk;
        c->last = chunk_write(t, first, &out);
        st = out.failed ? LATHE_E_NOMEM : put(t, c->id, c->last, out.data);
    }
    strbuf_fini(&out);
    if (st != LATHE_OK) {
        mem_free(c);
        return st;
    }
    t->asked = c->last;
    t->n_saving++;
    chunk_add(t, c);
    return LATHE_OK;
}

void keep_flush(struct topic *t, int all)
{
    if (t->is_failed || (t->n_saving > 0 && !all))
        return;
    t->retry = 0;
    while (t->count > 0 && t->asked < t->next_seq - 1) {
        int32_t st = chunk_put(t);

        if (st != LATHE_OK) {
            log_warn("events of a topic were not stored, trying again", F_STR("topic", t->name),
                     F_STR("error", lathe_status_name(st)));
            retry_soon(t);
        }
        if (st != LATHE_OK || !all)
            return;
    }
}

void keep_retry(struct events *e)
{
    size_t cursor = 0;
    void *value;

    while (hmap_next(e->topics, &cursor, NULL, &value)) {
        struct topic *t = value;

        if (t->retry)
            keep_flush(t, 0);
    }
}

/* ---- topics ---- */

static void state_format(const struct topic *t, char *out, size_t cap)
{
    snprintf(out, cap, "{\"reserved\":%" PRIu64 ",\"closed\":%s}", t->asked,
             t->is_closed ? "true" : "false");
}

void keep_state(struct topic *t)
{
    const struct lathe_store_service *store = t->events->store;
    char json[96];

    state_format(t, json, sizeof json);
    if (store->put(store, EVENTS_TOPICS, t->name, LATHE_REV_ANY, json, NULL) != LATHE_OK)
        log_warn("the state of a topic was not stored", F_STR("topic", t->name));
}

/* Removes n chunks from the front, and puts or removes the topic's state in the same write. */
static void remove_chunks(struct topic *t, uint32_t n, int with_topic)
{
    const struct lathe_store_service *store = t->events->store;
    struct lathe_storage_op *ops = mem_zalloc(n + 1, sizeof *ops);
    const struct lathe_storage_op **list = mem_zalloc(n + 1, sizeof *list);
    char(*ids)[ID_MAX_BYTES] = mem_zalloc(n + 1, sizeof *ids);
    struct lathe_storage_batch batch = {sizeof batch, n + 1, list};
    char json[96];
    int32_t st = LATHE_E_NOMEM;

    if (ops != NULL && list != NULL && ids != NULL) {
        state_format(t, json, sizeof json);
        ops[0] = (struct lathe_storage_op){.struct_size = sizeof ops[0],
                                           .op = with_topic ? LATHE_OP_DELETE : LATHE_OP_PUT,
                                           .collection = EVENTS_TOPICS,
                                           .id = t->name,
                                           .expected = LATHE_REV_ANY,
                                           .json = with_topic ? NULL : json};
        list[0] = &ops[0];
        for (uint32_t i = 1; i <= n; i++, chunk_pop(t)) {
            snprintf(ids[i], sizeof ids[i], "%020" PRIu64, t->chunks->id);
            ops[i] = (struct lathe_storage_op){.struct_size = sizeof ops[i],
                                               .op = LATHE_OP_DELETE,
                                               .collection = EVENTS_KEPT,
                                               .id = ids[i],
                                               .expected = LATHE_REV_ANY};
            list[i] = &ops[i];
        }
        st = store->apply(store, &batch, NULL);
    }
    if (st != LATHE_OK)
        log_warn("old events were not removed from the store", F_STR("topic", t->name),
                 F_STR("error", lathe_status_name(st)));
    mem_free(ops);
    mem_free(list);
    mem_free(ids);
}

/* Chunks at the front that end before event `before`, at most TRIM_MAX. */
static uint32_t count_chunks(const struct topic *t, uint64_t before)
{
    uint32_t n = 0;

    for (const struct chunk *c = t->chunks; c != NULL && c->last < before && n < TRIM_MAX;
         c = c->next)
        n++;
    return n;
}

void keep_trim(struct topic *t, int all)
{
    uint32_t n = count_chunks(t, ring_oldest(t));

    if (n >= (all ? 1 : TRIM_MIN))
        remove_chunks(t, n, 0);
}

void keep_forget(struct topic *t)
{
    uint32_t n;

    while ((n = count_chunks(t, UINT64_MAX)) == TRIM_MAX)
        remove_chunks(t, n, 0);
    remove_chunks(t, n, 1);
}
