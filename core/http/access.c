/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the token of a request (header, WebSocket subprotocol or one-time ticket) and compares its
 * scopes with the operation's. */
#include "core/http/access.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/http/conn.h"

static const char *const server_scopes[] = {"server:read", NULL};

static void deny(struct lathe_request *req, int32_t status, const char *code, const char *text,
                 int32_t ws_code)
{
    if (req->op != NULL && req->op->is_ws) {
        req->ws_refuse = ws_code;
        return;
    }
    req->early_status = status;
    req->early_code = code;
    req->early_text = text;
}

/* The identity outlives later changes of the token, so it is copied: pointers first, then text. */
static int copy_identity(struct lathe_request *req, const struct http_token *tok)
{
    size_t n = 0, bytes = strlen(tok->id) + strlen(tok->role) + 2;
    const char **list;
    char *at;

    for (; tok->scopes[n] != NULL; n++)
        bytes += strlen(tok->scopes[n]) + 1;
    if ((req->identity_text = mem_alloc((n + 1) * sizeof *list + bytes)) == NULL)
        return 0;
    list = (const char **)(void *)req->identity_text;
    at = req->identity_text + (n + 1) * sizeof *list;
    for (size_t i = 0; i < n; i++) {
        list[i] = at;
        at = stpcpy(at, tok->scopes[i]) + 1;
    }
    list[n] = NULL;
    req->identity.scopes = list;
    req->identity.subject = at;
    at = stpcpy(at, tok->id) + 1;
    req->identity.role = at;
    memcpy(at, tok->role, strlen(tok->role) + 1);
    req->identity.flags |= LATHE_IDENTITY_AUTHENTICATED;
    return 1;
}

/* The token text in the request, or NULL. */
static const char *find_bearer(const struct lathe_request *req, size_t *len)
{
    const char *text = request_header(req, HDR_AUTHORIZATION);

    if (text != NULL && strncasecmp(text, "bearer ", 7) == 0) {
        text += 7;
        while (*text == ' ')
            text++;
        *len = strlen(text);
        return text;
    }
    if (req->op == NULL || !req->op->is_ws ||
        (text = request_header_named(req, "sec-websocket-protocol")) == NULL)
        return NULL;
    while (*text != '\0') {
        size_t n;

        text += strspn(text, " \t,");
        n = strcspn(text, " \t,");
        if (n > 7 && strncmp(text, "bearer.", 7) == 0) {
            *len = n - 7;
            return text + 7;
        }
        text += n;
    }
    return NULL;
}

/* "?ticket=" of an upgrade, copied into out. */
static int find_ticket(const struct lathe_request *req, char out[64])
{
    const char *query = strchr(req->head + req->url, '?');

    if (req->op == NULL || !req->op->is_ws || query == NULL)
        return 0;
    for (query++; *query != '\0'; query += query[0] == '&') {
        size_t n = strcspn(query, "&");

        if (n > 7 && n - 7 < 64 && strncmp(query, "ticket=", 7) == 0) {
            memcpy(out, query + 7, n - 7);
            out[n - 7] = '\0';
            return 1;
        }
        query += n;
    }
    return 0;
}

static int32_t find_token(struct lathe_request *req, const struct http_token **tok)
{
    struct http_auth *auth = req->server->cfg.auth;
    char ticket[64];
    const char *text;
    size_t len = 0;

    if ((text = find_bearer(req, &len)) != NULL)
        return http_auth_verify(auth, text, len, req->client, tok, &req->retry_after_s);
    if (find_ticket(req, ticket))
        return http_auth_redeem(auth, ticket, tok);
    return LATHE_E_UNAUTHENTICATED;
}

void access_check(struct lathe_request *req)
{
    const struct http_config *cfg = &req->server->cfg;
    const struct http_token *tok = NULL;
    const char *const *needed;
    int32_t st;

    if (req->op != NULL ? (!req->op->mount->auth_required || req->op->open_to_all)
                        : !cfg->metrics_need_token)
        return;
    needed = req->op != NULL ? (const char *const *)req->op->scopes : server_scopes;
    if (cfg->auth == NULL) {
        deny(req, 401, "unauthenticated", "This server has no tokens", 4401);
        return;
    }
    st = find_token(req, &tok);
    if (st == LATHE_E_LIMIT) {
        deny(req, 429, "too_many_failures", "Too many failed attempts; try later", 4429);
        return;
    }
    if (st != LATHE_OK || tok == NULL) {
        deny(req, 401, "unauthenticated", "A valid bearer token is needed", 4401);
        return;
    }
    if (!copy_identity(req, tok)) {
        deny(req, 503, "no_memory", "Out of memory", 1013);
        return;
    }
    for (size_t i = 0; needed[i] != NULL; i++)
        if (!http_scopes_grant(req->identity.scopes, needed[i])) {
            deny(req, 403, "forbidden", "The token does not allow this", 4403);
            return;
        }
}
