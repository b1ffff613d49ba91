/* Bearer tokens kept in the store: read at start, written when made or revoked. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/http/auth.h"
#include "core/json/json.h"
#include "core/lathed/lathed.h"
#include "core/store/store.h"

#undef LOG_MODULE
#define LOG_MODULE "lathed"

#define COLLECTION "tokens"
#define TOKENS_MAX 10000
#define SCOPES_MAX 64

/* Outcome of a store call that is waited for. */
struct waiting {
    struct http_auth *auth;
    int32_t status;
    struct lathe_error err;
};

static void on_done(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct waiting *w = user;
    w->status = status;
    w->err = *result->error;
}

static json_t *token_json(const struct http_token *t)
{
    json_t *scopes = json_array();
    for (size_t i = 0; t->scopes[i] != NULL; i++)
        json_array_append_new(scopes, json_string(t->scopes[i]));
    return json_pack("{s:s,s:s,s:s,s:o,s:s,s:I,s:I,s:b}", "id", t->id, "name", t->name, "role",
                     t->role, "scopes", scopes, "hash", t->hash, "created_ms",
                     (json_int_t)t->created_ms, "expires_ms", (json_int_t)t->expires_ms, "revoked",
                     t->revoked);
}

/* Durable before it returns: a token is made or revoked rarely, and must then be so. */
static int32_t token_save(void *ctx, const struct http_token *t, struct lathe_error *err)
{
    struct lathed *d = ctx;
    const struct lathe_store_service *store = NULL;
    struct waiting w = {NULL, LATHE_E_INTERNAL, {0}};
    struct lathe_store_call call = {sizeof call, 0, on_done, NULL, &w};
    json_t *json = token_json(t);
    char *text = json != NULL ? json_dup_text(json, 0, NULL) : NULL;
    int32_t st = text != NULL ? store_service(d->parts.store, "core", &store, err)
                              : fail(err, LATHE_E_NOMEM, "store token");

    if (st == LATHE_OK &&
        (st = store->put(store, COLLECTION, t->id, LATHE_REV_ANY, text, &call)) != LATHE_OK)
        (void)fail(err, st, "store token: %s", lathe_status_name(st));
    json_decref(json);
    mem_free(text);
    if (st != LATHE_OK)
        return st;
    store_drain(d->parts.store);
    return w.status == LATHE_OK ? LATHE_OK : fail(err, w.status, "store token: %.150s", w.err.text);
}

static int32_t token_load(struct http_auth *auth, const json_t *json, struct lathe_error *err)
{
    const json_t *list = json_object_get(json, "scopes");
    const char *scopes[SCOPES_MAX + 1] = {NULL};
    struct http_token t = {
        json_member_string(json, "id", ""),     json_member_string(json, "name", ""),
        json_member_string(json, "role", ""),   scopes,
        json_member_string(json, "hash", ""),   json_member_int(json, "created_ms", 0),
        json_member_int(json, "expires_ms", 0), json_member_bool(json, "revoked", 0)};

    for (size_t i = 0; i < json_array_size(list) && i < SCOPES_MAX; i++)
        scopes[i] = json_string_value(json_array_get(list, i));
    return http_auth_load(auth, &t, err);
}

static void on_scanned(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct waiting *w = user;
    on_done(user, status, result);
    for (uint32_t i = 0; status == LATHE_OK && i < result->n_docs; i++) {
        struct lathe_error err = {0};
        json_t *json = NULL;
        int32_t st =
            json_parse_text(result->docs[i]->json, result->docs[i]->json_len, NULL, &json, &err);
        if (st == LATHE_OK)
            st = token_load(w->auth, json, &err);
        if (st != LATHE_OK)
            log_error("stored token is not usable", F_STR("id", result->docs[i]->id),
                      F_STR("reason", err.text));
        json_decref(json);
    }
}

int32_t lathed_tokens_open(struct lathed *d, struct lathe_error *err)
{
    static const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION,
                                                               NULL};
    const struct http_auth_config cfg = {d, token_save};
    const struct lathe_store_service *store = NULL;
    struct lathe_storage_query query = {
        .struct_size = sizeof query, .collection = COLLECTION, .limit = TOKENS_MAX};
    struct waiting w = {NULL, LATHE_E_INTERNAL, {0}};
    struct lathe_store_call call = {sizeof call, 0, on_scanned, NULL, &w};
    int32_t st;

    if ((st = http_auth_open(&cfg, &d->parts.auth, err)) != LATHE_OK ||
        (st = store_service(d->parts.store, "core", &store, err)) != LATHE_OK)
        return st;
    w.auth = d->parts.auth;
    if ((st = store->declare(store, &collection, NULL)) != LATHE_OK ||
        (st = store->scan(store, &query, &call)) != LATHE_OK)
        return fail(err, st, "read tokens: %s", lathe_status_name(st));
    store_drain(d->parts.store);
    return w.status == LATHE_OK ? LATHE_OK : fail(err, w.status, "read tokens: %.150s", w.err.text);
}
