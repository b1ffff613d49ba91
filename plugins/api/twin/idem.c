/* Idempotency keys, kept in the store so that they outlive a restart. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/idem.h"

#define KEPT_US (INT64_C(86400) * 1000000)
#define RUNNING_US (INT64_C(400) * 1000000) /* a request that never answered */
#define BODY_MAX 65536
#define COLLECTION "idem"

struct idem {
    struct idem *next; /* of those that run */
    char key[65], print[65], request_id[80], location[300];
    const struct lathe_request *req;
    int32_t status; /* 0: still running */
    int64_t at_us;
    char *body;
};

static void digest(char out[65], const char *const *parts, const size_t *lens, size_t n)
{
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t i;

    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) {
        for (i = 0; i < n; i++) {
            EVP_DigestUpdate(ctx, parts[i], lens[i]);
            EVP_DigestUpdate(ctx, "\n", 1);
        }
        EVP_DigestFinal_ex(ctx, sum, NULL);
    }
    EVP_MD_CTX_free(ctx);
    for (i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static void idem_free(struct idem *e)
{
    free(e->body);
    free(e);
}

static void unlink_running(struct tw *tw, const struct idem *e)
{
    struct idem **at = &tw->running;

    while (*at && *at != e)
        at = &(*at)->next;
    if (*at)
        *at = e->next;
}

static void idem_forget(struct tw *tw, struct idem *e)
{
    if (e->status == 0)
        unlink_running(tw, e);
    map_remove(&tw->idem, e->key);
    idem_free(e);
}

static int32_t replay(struct tw *tw, struct lathe_request *req, const struct idem *e)
{
    struct text body = {0};

    tw->kit.http->add_header(req, "Idempotent-Replayed", "true");
    if (e->location[0])
        tw->kit.http->add_header(req, "Location", e->location);
    if (e->status == 204)
        return tw->kit.http->respond(req, 204, NULL, NULL, 0);
    text_adds(&body, e->body ? e->body : "");
    return api_send(&tw->kit, req, e->status, &body);
}

static int begin(struct tw *tw, struct lathe_request *req, const char *key, const char *print)
{
    struct idem *e = calloc(1, sizeof *e);

    if (!e)
        return 0;
    snprintf(e->key, sizeof e->key, "%s", key);
    snprintf(e->print, sizeof e->print, "%s", print);
    snprintf(e->request_id, sizeof e->request_id, "%s", tw->kit.http->request_id(req));
    e->req = req;
    e->at_us = now_us(tw);
    if (!map_put(&tw->idem, e->key, e)) {
        free(e);
        return 0;
    }
    e->next = tw->running;
    tw->running = e;
    return 1;
}

int idem_enter(struct tw *tw, struct lathe_request *req, int32_t *st)
{
    const struct lathe_http_service *http = tw->kit.http;
    const char *given = http->header(req, "Idempotency-Key"), *parts[3];
    char key[65], print[65];
    struct idem *e;
    uint64_t len = 0;
    size_t lens[3];

    if (!given || !strcmp(http->method(req), "GET"))
        return 1;
    parts[0] = http->identity(req)->subject;
    parts[1] = given;
    lens[0] = strlen(parts[0]);
    lens[1] = strlen(given);
    digest(key, parts, lens, 2);
    parts[0] = http->method(req);
    parts[1] = http->path(req);
    parts[2] = http->body(req, &len);
    lens[0] = strlen(parts[0]);
    lens[1] = strlen(parts[1]);
    lens[2] = (size_t)len;
    digest(print, parts, lens, parts[2] ? 3 : 2);
    e = map_get(&tw->idem, key);
    if (e && e->at_us + (e->status ? KEPT_US : RUNNING_US) < now_us(tw)) {
        idem_forget(tw, e);
        e = NULL;
    }
    if (!e) {
        *st = LATHE_E_NOMEM;
        return begin(tw, req, key, print);
    }
    if (strcmp(e->print, print) != 0)
        *st = refuse(tw, req, 422, "IDEMPOTENCY_KEY_REUSED", NULL,
                     "This Idempotency-Key came with another request");
    else if (e->status == 0)
        *st = refuse(tw, req, 409, "IDEMPOTENCY_IN_PROGRESS", NULL,
                     "The first request with this Idempotency-Key is still running");
    else
        *st = replay(tw, req, e);
    return 0;
}

static void idem_save(struct tw *tw, const struct idem *e)
{
    struct text doc = {0};
    struct jw w;

    jw_init(&w, &doc);
    jw_obj(&w, NULL);
    jw_str(&w, "print", e->print);
    jw_int(&w, "status", e->status);
    jw_int(&w, "at_us", e->at_us);
    jw_str(&w, "location", e->location);
    jw_str(&w, "body", e->body);
    jw_end_obj(&w);
    if (!doc.failed)
        tw->kit.store->put(tw->kit.store, COLLECTION, e->key, LATHE_REV_ANY, doc.data, NULL);
    text_fini(&doc);
}

/* The address of what a POST made: the path and the id in the answer. */
static void note_location(struct tw *tw, struct lathe_request *req, struct idem *e)
{
    struct lathe_json *body = e->status == 201 ? api_parse(&tw->kit, e->body) : NULL;
    const char *id = tw->kit.json->get_string(tw->kit.json->get(body, "data"), "id", NULL);

    if (id)
        snprintf(e->location, sizeof e->location, "%s/%s", tw->kit.http->path(req), id);
    tw->kit.json->release(body);
}

void idem_finish(struct tw *tw, struct lathe_request *req, int32_t http_status,
                 const struct text *body)
{
    struct idem *e = tw->running;

    while (e && (e->req != req || strcmp(e->request_id, tw->kit.http->request_id(req)) != 0))
        e = e->next;
    if (!e)
        return;
    if (http_status >= 500 || http_status == 429 || !body || body->len_bytes > BODY_MAX) {
        idem_forget(tw, e);
        return;
    }
    unlink_running(tw, e);
    e->status = http_status;
    e->body = api_dup(text_get(body));
    note_location(tw, req, e);
    idem_save(tw, e);
}

static void on_scan(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct tw *tw = user;
    const struct lathe_json_service *j = tw->kit.json;
    uint32_t i;

    for (i = 0; status == LATHE_OK && i < result->n_docs; i++) {
        struct lathe_json *doc = api_parse(&tw->kit, result->docs[i]->json);
        struct idem *e = calloc(1, sizeof *e);

        if (e) {
            snprintf(e->key, sizeof e->key, "%s", result->docs[i]->id);
            snprintf(e->print, sizeof e->print, "%s", j->get_string(doc, "print", ""));
            snprintf(e->location, sizeof e->location, "%s", j->get_string(doc, "location", ""));
            e->status = (int32_t)j->get_int(doc, "status", 500);
            e->at_us = j->get_int(doc, "at_us", 0);
            e->body = api_dup(j->get_string(doc, "body", ""));
            if (!map_put(&tw->idem, e->key, e))
                idem_free(e);
        }
        j->release(doc);
    }
    tw->loading--;
}

int32_t idem_open(struct tw *tw, struct lathe_error *err)
{
    const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION, NULL};
    const struct lathe_storage_query query = {
        .struct_size = sizeof query, .collection = COLLECTION, .limit = LATHE_STORAGE_SCAN_MAX};
    const struct lathe_store_call call = {sizeof call, 0, on_scan, NULL, tw};
    int32_t st;

    if ((st = tw->kit.store->declare(tw->kit.store, &collection, NULL)) != LATHE_OK ||
        (st = tw->kit.store->scan(tw->kit.store, &query, &call)) != LATHE_OK)
        return api_fail(err, st, "", "reading idempotency keys failed");
    tw->loading++;
    return LATHE_OK;
}

void idem_sweep(struct tw *tw)
{
    int64_t now = now_us(tw);
    size_t i;

    for (i = 0; i < tw->idem.cap; i++) {
        struct idem *e = tw->idem.slots[i].value;

        if (e && e->at_us + (e->status ? KEPT_US : RUNNING_US) < now) {
            tw->kit.store->remove(tw->kit.store, COLLECTION, e->key, LATHE_REV_ANY, NULL);
            idem_forget(tw, e);
        }
    }
}

void idem_close(struct tw *tw)
{
    size_t i;

    for (i = 0; i < tw->idem.cap; i++)
        if (tw->idem.slots[i].key)
            idem_free(tw->idem.slots[i].value);
    map_fini(&tw->idem);
}
