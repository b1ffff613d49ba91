/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that never repeat: the store holds, for each topic, a number up to which they are given
 * out. It is raised in blocks ahead of use. After a crash a topic goes on behind its block; after
 * an orderly stop, exactly where it ended. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "core/base/fail.h"
#define LOG_MODULE "events"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/event/events_internal.h"
#include "core/store/store.h"

#define COLLECTION "events.topics"
#define PAGE 1000u

/* A reservation under way. */
struct reservation {
    struct events *events;
    char *topic;
    uint64_t generation, upto;
};

void events_unref(struct events *e)
{
    if (--e->refs == 0)
        mem_free(e);
}

static void format(const struct topic *t, uint64_t upto, char *out, size_t cap)
{
    snprintf(out, cap, "{\"reserved\":%llu,\"closed\":%s}", (unsigned long long)upto,
             t->is_closed ? "true" : "false");
}

static void reserved(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct reservation *r = user;
    struct topic *t = r->events->is_closed ? NULL : hmap_get(r->events->topics, r->topic);
    static const struct timeval soon = {0, 200000};

    if (t == NULL || t->generation != r->generation)
        return;
    t->is_reserving = 0;
    if (status != LATHE_OK) {
        log_warn("numbers of a topic could not be reserved, trying again", F_STR("topic", r->topic),
                 F_STR("error", result->error->text));
        t->retry = 1;
        evtimer_add(r->events->retry, &soon);
        return;
    }
    t->reserved = r->upto;
    numbers_want(t);
    deliver_mark(t);
}

static void reservation_drop(void *user)
{
    struct reservation *r = user;

    events_unref(r->events);
    mem_free(r->topic);
    mem_free(r);
}

static int32_t reserve(struct topic *t, uint64_t upto)
{
    struct reservation *r = mem_new(struct reservation);
    const struct lathe_store_call call = {sizeof call, 0, reserved, reservation_drop, r};
    char json[96];

    if (r == NULL || (r->topic = mem_strdup(t->name)) == NULL) {
        mem_free(r);
        return LATHE_E_NOMEM;
    }
    r->events = t->events;
    r->events->refs++;
    r->generation = t->generation;
    r->upto = upto;
    format(t, upto, json, sizeof json);
    return t->events->store->put(t->events->store, COLLECTION, t->name, LATHE_REV_ANY, json, &call);
}

void numbers_want(struct topic *t)
{
    static const struct timeval soon = {0, 200000};
    uint32_t block = t->events->options.block;

    if (t->is_reserving || t->next_seq + block / 2 <= t->reserved)
        return;
    t->is_reserving = 1;
    t->retry = 0;
    if (t->asked < t->next_seq - 1 + block)
        t->asked = t->next_seq - 1 + block;
    if (reserve(t, t->asked) != LATHE_OK) {
        t->is_reserving = 0;
        t->retry = 1;
        evtimer_add(t->events->retry, &soon);
    }
}

void numbers_retry(struct events *e)
{
    size_t cursor = 0;
    void *value;

    while (hmap_next(e->topics, &cursor, NULL, &value)) {
        struct topic *t = value;

        if (t->retry)
            numbers_want(t);
    }
}

void numbers_save(struct topic *t)
{
    char json[96];
    const struct lathe_store_service *store = t->events->store;

    format(t, t->events->is_closed ? t->next_seq - 1 : t->asked, json, sizeof json);
    if (store->put(store, COLLECTION, t->name, LATHE_REV_ANY, json, NULL) != LATHE_OK)
        log_warn("the state of a topic was not stored; its numbers may jump after a restart",
                 F_STR("topic", t->name));
}

void numbers_forget(struct events *e, const char *topic)
{
    if (e->store->remove(e->store, COLLECTION, topic, LATHE_REV_ANY, NULL) != LATHE_OK)
        log_warn("a topic was not removed from the store", F_STR("topic", topic));
}

/* State of the loading at start. */
struct loading {
    struct events *events;
    int32_t status;
    struct lathe_error *err;
    char cursor[LATHE_STORAGE_CURSOR_MAX];
};

/* Our own format: {"reserved":N,"closed":B}. */
static int32_t load_topic(struct loading *load, const struct lathe_storage_doc *doc)
{
    static const char head[] = "{\"reserved\":";
    const char *number = doc->json + sizeof head - 1;
    char closed[8] = "", *rest = closed;
    uint64_t upto = 0;
    struct topic *t;

    if (strncmp(doc->json, head, sizeof head - 1) == 0)
        upto = strtoull(number, &rest, 10);
    if (upto > INT64_MAX || sscanf(rest, ",\"closed\":%5[a-z]}", closed) != 1)
        return fail(load->err, LATHE_E_CORRUPT, "stored numbers of topic %s are damaged", doc->id);
    if ((t = topic_get(load->events, doc->id)) == NULL)
        return fail(load->err, LATHE_E_NOMEM, "no memory for topic %s", doc->id);
    t->reserved = t->asked = upto;
    t->next_seq = upto + 1;
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
        load->status = load_topic(load, result->docs[i]);
    snprintf(load->cursor, sizeof load->cursor, "%s", result->cursor);
}

static void declared(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct loading *load = user;

    load->status = status;
    if (status != LATHE_OK && load->err != NULL)
        *load->err = *result->error;
}

int32_t numbers_load(struct events *e, struct lathe_error *err)
{
    static const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION,
                                                               NULL};
    struct loading load = {.events = e, .err = err};
    struct lathe_store_call call = {sizeof call, 0, declared, NULL, &load};
    struct lathe_storage_query q = {
        .struct_size = sizeof q, .collection = COLLECTION, .limit = PAGE};
    int32_t st = e->store->declare(e->store, &collection, &call);

    if (st != LATHE_OK)
        return fail(err, st, "the store refuses the collection of topics");
    store_drain(e->options.store);
    call.done = loaded;
    while (load.status == LATHE_OK) {
        q.cursor = load.cursor[0] != 0 ? load.cursor : NULL;
        if ((st = e->store->scan(e->store, &q, &call)) != LATHE_OK)
            return fail(err, st, "the store refuses to list the topics");
        store_drain(e->options.store);
        if (load.cursor[0] == 0)
            break;
    }
    return load.status;
}
