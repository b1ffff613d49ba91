/* Bearer tokens: made, checked and revoked here; kept elsewhere (the server gives a save callback).
 * Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_AUTH_H
#define CORE_HTTP_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "lathe/status.h"

#define HTTP_TOKEN_TEXT 80 /* "lathe_<16 hex id>_<43 base64url>" and NUL */

struct http_auth;

/* One stored token; never its secret. */
struct http_token {
    const char *id;
    const char *name;
    const char *role;
    const char *const *scopes; /* NULL-terminated: "agentgym:write", "*:admin" */
    const char *hash;          /* SHA-256 of the whole token text, hex */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    int revoked;
};

struct http_auth_config {
    void *ctx;
    /* Stores tok durably (insert or replace by id). NULL: memory only. */
    int32_t (*save)(void *ctx, const struct http_token *tok, struct lathe_error *err);
};

int32_t http_auth_open(const struct http_auth_config *cfg, struct http_auth **out,
                       struct lathe_error *err) LATHE_MUST_USE;
void http_auth_close(struct http_auth *auth);

/* Takes a stored token in at start. Errors: LATHE_E_CORRUPT for a bad hash or id, LATHE_E_EXISTS.
 */
int32_t http_auth_load(struct http_auth *auth, const struct http_token *tok,
                       struct lathe_error *err) LATHE_MUST_USE;

/* Makes and saves a token; its text is in out and nowhere else. scopes are checked:
 * "<surface or *>:<read|write|admin>". role NULL: from the strongest scope. */
int32_t http_auth_create(struct http_auth *auth, const char *name, const char *role,
                         const char *const *scopes, int64_t expires_ms, char out[HTTP_TOKEN_TEXT],
                         struct lathe_error *err) LATHE_MUST_USE;

/* Errors: LATHE_E_NOT_FOUND. */
int32_t http_auth_revoke(struct http_auth *auth, const char *id,
                         struct lathe_error *err) LATHE_MUST_USE;

/* *cursor starts at 0; NULL at the end. Borrowed until the next change. */
const struct http_token *http_auth_next(const struct http_auth *auth, size_t *cursor);

size_t http_auth_count(const struct http_auth *auth);

/* LATHE_OK and the token for a known, live one; LATHE_E_UNAUTHENTICATED otherwise; LATHE_E_LIMIT
 * when this client failed 10 times within the last minute (*retry_after_s is set). */
int32_t http_auth_verify(struct http_auth *auth, const char *text, size_t len_bytes,
                         const char *client, const struct http_token **tok,
                         uint32_t *retry_after_s);

/* 1 when scopes grant wanted: admin includes write includes read, "*" stands for every surface. */
int http_scopes_grant(const char *const *scopes, const char *wanted);

/* One-time tickets of 30 s for clients that cannot send headers. out holds 64 bytes.
 * token_id is remembered; "" stands for an anonymous caller. Errors: LATHE_E_LIMIT above 4096 open.
 */
int32_t http_auth_ticket(struct http_auth *auth, const char *token_id, char out[64]) LATHE_MUST_USE;
/* Consumes a ticket: LATHE_OK and the token (NULL for anonymous), or LATHE_E_UNAUTHENTICATED. */
int32_t http_auth_redeem(struct http_auth *auth, const char *ticket,
                         const struct http_token **tok) LATHE_MUST_USE;

#endif
