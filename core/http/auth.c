/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, failure limits and one-time tickets. Only hashes are kept; a token's text exists once, in
 * the answer that created it. */
#include "core/http/auth.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"

#define ID_LEN 16
#define SECRET_BYTES 32
#define SCOPES_MAX 32
#define FAILURES_PER_MINUTE 10
#define FAILURE_CLIENTS_MAX 4096
#define TICKETS_MAX 4096
#define TICKET_MS 30000

struct failures {
    int64_t first_ms;
    uint32_t count;
};

struct ticket {
    char token_id[ID_LEN + 1];
    int64_t until_ms;
};

struct http_auth {
    struct http_auth_config cfg;
    struct hmap *tokens;   /* id -> struct http_token, strings behind it */
    struct hmap *failures; /* client -> struct failures */
    struct hmap *tickets;  /* SHA-256 of the ticket -> struct ticket */
};

int32_t http_auth_open(const struct http_auth_config *cfg, struct http_auth **out,
                       struct lathe_error *err)
{
    struct http_auth *auth = mem_new(struct http_auth);

    if (auth == NULL)
        return fail(err, LATHE_E_NOMEM, "open the token store: out of memory");
    auth->cfg = *cfg;
    auth->tokens = hmap_new();
    auth->failures = hmap_new();
    auth->tickets = hmap_new();
    if (auth->tokens == NULL || auth->failures == NULL || auth->tickets == NULL) {
        http_auth_close(auth);
        return fail(err, LATHE_E_NOMEM, "open the token store: out of memory");
    }
    *out = auth;
    return LATHE_OK;
}

void http_auth_close(struct http_auth *auth)
{
    if (auth == NULL)
        return;
    hmap_free(auth->tokens, mem_free);
    hmap_free(auth->failures, mem_free);
    hmap_free(auth->tickets, mem_free);
    mem_free(auth);
}

/* One block: the record, its scope list, then every string. */
static struct http_token *dup_token(const struct http_token *tok)
{
    size_t n = 0, bytes, at_scopes;
    struct http_token *copy;
    const char **list;
    char *at;

    bytes = strlen(tok->id) + strlen(tok->name) + strlen(tok->role) + strlen(tok->hash) + 4;
    for (; tok->scopes[n] != NULL; n++)
        bytes += strlen(tok->scopes[n]) + 1;
    at_scopes = sizeof *copy;
    if ((copy = mem_zalloc(1, at_scopes + (n + 1) * sizeof *list + bytes)) == NULL)
        return NULL;
    *copy = *tok;
    list = (const char **)(void *)(copy + 1);
    at = (char *)(list + n + 1);
    for (size_t i = 0; i < n; i++) {
        list[i] = at;
        at = stpcpy(at, tok->scopes[i]) + 1;
    }
    copy->scopes = list;
    copy->id = at;
    at = stpcpy(at, tok->id) + 1;
    copy->name = at;
    at = stpcpy(at, tok->name) + 1;
    copy->role = at;
    at = stpcpy(at, tok->role) + 1;
    copy->hash = at;
    memcpy(at, tok->hash, strlen(tok->hash) + 1);
    return copy;
}

static int is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

static int scope_rank(const char *verb)
{
    if (strcmp(verb, "read") == 0)
        return 1;
    if (strcmp(verb, "write") == 0)
        return 2;
    return strcmp(verb, "admin") == 0 ? 3 : 0;
}

/* Rank of a well-formed scope, 0 otherwise. */
static int scope_check(const char *scope)
{
    const char *colon = strchr(scope, ':');

    if (colon == NULL || colon == scope || colon - scope > 48)
        return 0;
    if (!(colon - scope == 1 && scope[0] == '*') &&
        (long)strspn(scope, "abcdefghijklmnopqrstuvwxyz0123456789_-.") != colon - scope)
        return 0;
    return scope_rank(colon + 1);
}

int http_scopes_grant(const char *const *scopes, const char *wanted)
{
    const char *colon = strchr(wanted, ':');
    int need = colon ? scope_rank(colon + 1) : 0;
    size_t len = colon ? (size_t)(colon - wanted) : 0;

    for (size_t i = 0; scopes[i] != NULL; i++) {
        const char *have = strchr(scopes[i], ':');

        if (strcmp(scopes[i], wanted) == 0)
            return 1;
        if (have == NULL || need == 0 || scope_rank(have + 1) < need)
            continue;
        if ((have - scopes[i] == 1 && scopes[i][0] == '*') ||
            ((size_t)(have - scopes[i]) == len && memcmp(scopes[i], wanted, len) == 0))
            return 1;
    }
    return 0;
}

int32_t http_auth_load(struct http_auth *auth, const struct http_token *tok,
                       struct lathe_error *err)
{
    struct http_token *copy;

    if (!is_hex(tok->id, ID_LEN) || !is_hex(tok->hash, 64))
        return fail(err, LATHE_E_CORRUPT, "load token \"%.32s\": id or hash is damaged", tok->id);
    if (hmap_get(auth->tokens, tok->id) != NULL)
        return fail(err, LATHE_E_EXISTS, "load token %s: the id is there already", tok->id);
    if ((copy = dup_token(tok)) == NULL ||
        hmap_put(auth->tokens, copy->id, copy, NULL) != LATHE_OK) {
        mem_free(copy);
        return fail(err, LATHE_E_NOMEM, "load token %s: out of memory", tok->id);
    }
    return LATHE_OK;
}

static int32_t check_scopes(const char *const *scopes, int *strongest, struct lathe_error *err)
{
    size_t n = 0;

    *strongest = 0;
    for (; scopes != NULL && scopes[n] != NULL; n++) {
        int rank = scope_check(scopes[n]);

        if (rank == 0)
            return fail_field(err, LATHE_E_INVALID, "scopes",
                              "\"%.60s\" is no scope; write <surface or *>:<read|write|admin>",
                              scopes[n]);
        if (rank > *strongest)
            *strongest = rank;
    }
    if (n == 0 || n > SCOPES_MAX)
        return fail_field(err, LATHE_E_INVALID, "scopes", "a token needs 1 to %d scopes",
                          SCOPES_MAX);
    return LATHE_OK;
}

/* "lathe_<id>_<secret>" with base64url and no padding. */
static void make_text(char id[ID_LEN + 1], char out[HTTP_TOKEN_TEXT])
{
    unsigned char random[SECRET_BYTES];
    char secret[64];

    io_random(random, ID_LEN / 2);
    hex_encode(random, ID_LEN / 2, id);
    io_random(random, sizeof random);
    base64_encode(random, sizeof random, secret);
    for (char *c = secret; *c != '\0'; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
    snprintf(out, HTTP_TOKEN_TEXT, "lathe_%.16s_%.43s", id, secret);
}

int32_t http_auth_create(struct http_auth *auth, const char *name, const char *role,
                         const char *const *scopes, int64_t expires_ms, char out[HTTP_TOKEN_TEXT],
                         struct lathe_error *err)
{
    static const char *const roles[] = {"viewer", "viewer", "trainer", "admin"};
    char id[ID_LEN + 1], hash[65];
    struct http_token tok;
    int strongest;
    int32_t st;

    if ((st = check_scopes(scopes, &strongest, err)) != LATHE_OK)
        return st;
    if (name == NULL || strlen(name) > 120)
        return fail_field(err, LATHE_E_INVALID, "name",
                          "a token needs a name of at most 120 bytes");
    if (role != NULL && (strlen(role) > 40 || role[0] == '\0'))
        return fail_field(err, LATHE_E_INVALID, "role", "a role has 1 to 40 bytes");
    make_text(id, out);
    sha256_hex(out, strlen(out), hash);
    tok = (struct http_token){.id = id,
                              .name = name,
                              .role = role ? role : roles[strongest],
                              .scopes = scopes,
                              .hash = hash,
                              .created_ms = clock_wall_ms(),
                              .expires_ms = expires_ms};
    if (auth->cfg.save != NULL && (st = auth->cfg.save(auth->cfg.ctx, &tok, err)) != LATHE_OK)
        return st;
    return http_auth_load(auth, &tok, err);
}

int32_t http_auth_revoke(struct http_auth *auth, const char *id, struct lathe_error *err)
{
    struct http_token *tok = hmap_get(auth->tokens, id);
    struct http_token changed;
    int32_t st;

    if (tok == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "revoke token \"%.32s\": there is none", id);
    changed = *tok;
    changed.revoked = 1;
    if (auth->cfg.save != NULL && (st = auth->cfg.save(auth->cfg.ctx, &changed, err)) != LATHE_OK)
        return st;
    tok->revoked = 1;
    return LATHE_OK;
}

const struct http_token *http_auth_next(const struct http_auth *auth, size_t *cursor)
{
    void *value;

    return hmap_next(auth->tokens, cursor, NULL, &value) ? value : NULL;
}

size_t http_auth_count(const struct http_auth *auth)
{
    return hmap_count(auth->tokens);
}

/* --- failures
 * -------------------------------------------------------------------------------------------- */

static void forget_old_failures(struct http_auth *auth, int64_t now_ms)
{
    size_t at = 0;
    const char *key;
    void *value;

    while (hmap_next(auth->failures, &at, &key, &value)) {
        struct failures *f = value;

        if (now_ms - f->first_ms >= 60000) {
            hmap_remove(auth->failures, key);
            mem_free(f);
        }
    }
}

static struct failures *failures_of(struct http_auth *auth, const char *client, int64_t now_ms)
{
    struct failures *f = hmap_get(auth->failures, client);

    if (f != NULL && now_ms - f->first_ms >= 60000)
        f->count = 0;
    return f;
}

static void count_failure(struct http_auth *auth, const char *client, int64_t now_ms)
{
    struct failures *f = failures_of(auth, client, now_ms);

    if (f == NULL) {
        if (hmap_count(auth->failures) >= FAILURE_CLIENTS_MAX)
            forget_old_failures(auth, now_ms);
        if (hmap_count(auth->failures) >= FAILURE_CLIENTS_MAX ||
            (f = mem_new(struct failures)) == NULL)
            return;
        if (hmap_put(auth->failures, client, f, NULL) != LATHE_OK) {
            mem_free(f);
            return;
        }
    }
    if (f->count++ == 0)
        f->first_ms = now_ms;
}

static int token_live(const struct http_token *tok, int64_t wall_ms)
{
    return !tok->revoked && (tok->expires_ms == 0 || tok->expires_ms > wall_ms);
}

/* Every path hashes and compares once, so that time does not tell a known id from an unknown one.
 */
static const struct http_token *look_up(const struct http_auth *auth, const char *text, size_t len)
{
    static const char none[65] = "0000000000000000000000000000000000000000000000000000000000000000";
    const struct http_token *tok = NULL;
    char id[ID_LEN + 1], hash[65];
    int same;

    if (len > 6 + ID_LEN && len < HTTP_TOKEN_TEXT && memcmp(text, "lathe_", 6) == 0) {
        memcpy(id, text + 6, ID_LEN);
        id[ID_LEN] = '\0';
        tok = hmap_get(auth->tokens, id);
    }
    sha256_hex(text, len < HTTP_TOKEN_TEXT ? len : HTTP_TOKEN_TEXT, hash);
    same = bytes_equal_ct(hash, tok != NULL ? tok->hash : none, 64);
    return same && tok != NULL && token_live(tok, clock_wall_ms()) ? tok : NULL;
}

int32_t http_auth_verify(struct http_auth *auth, const char *text, size_t len_bytes,
                         const char *client, const struct http_token **tok, uint32_t *retry_after_s)
{
    int64_t now_ms = clock_mono_ns() / 1000000;
    struct failures *f = failures_of(auth, client, now_ms);

    if (f != NULL && f->count >= FAILURES_PER_MINUTE) {
        *retry_after_s = (uint32_t)((f->first_ms + 60000 - now_ms) / 1000 + 1);
        return LATHE_E_LIMIT;
    }
    if ((*tok = look_up(auth, text, len_bytes)) != NULL)
        return LATHE_OK;
    count_failure(auth, client, now_ms);
    return LATHE_E_UNAUTHENTICATED;
}

/* --- tickets
 * --------------------------------------------------------------------------------------------- */

static void forget_old_tickets(struct http_auth *auth, int64_t now_ms)
{
    size_t at = 0;
    const char *key;
    void *value;

    while (hmap_next(auth->tickets, &at, &key, &value)) {
        struct ticket *ticket = value;

        if (ticket->until_ms <= now_ms) {
            hmap_remove(auth->tickets, key);
            mem_free(ticket);
        }
    }
}

int32_t http_auth_ticket(struct http_auth *auth, const char *token_id, char out[64])
{
    int64_t now_ms = clock_mono_ns() / 1000000;
    unsigned char random[24];
    struct ticket *ticket;
    char hash[65];

    if (hmap_count(auth->tickets) >= TICKETS_MAX)
        forget_old_tickets(auth, now_ms);
    if (hmap_count(auth->tickets) >= TICKETS_MAX)
        return LATHE_E_LIMIT;
    if ((ticket = mem_new(struct ticket)) == NULL)
        return LATHE_E_NOMEM;
    io_random(random, sizeof random);
    hex_encode(random, sizeof random, out);
    sha256_hex(out, strlen(out), hash);
    snprintf(ticket->token_id, sizeof ticket->token_id, "%.16s", token_id);
    ticket->until_ms = now_ms + TICKET_MS;
    if (hmap_put(auth->tickets, hash, ticket, NULL) != LATHE_OK) {
        mem_free(ticket);
        return LATHE_E_NOMEM;
    }
    return LATHE_OK;
}

int32_t http_auth_redeem(struct http_auth *auth, const char *ticket, const struct http_token **tok)
{
    const struct http_token *found = NULL;
    struct ticket *open;
    char hash[65];
    int32_t st = LATHE_E_UNAUTHENTICATED;

    sha256_hex(ticket, strlen(ticket), hash);
    if ((open = hmap_remove(auth->tickets, hash)) == NULL)
        return st;
    if (open->until_ms > clock_mono_ns() / 1000000) {
        if (open->token_id[0] == '\0')
            st = LATHE_OK;
        else if ((found = hmap_get(auth->tokens, open->token_id)) != NULL &&
                 token_live(found, clock_wall_ms()))
            st = LATHE_OK;
        else
            found = NULL;
    }
    mem_free(open);
    if (st == LATHE_OK)
        *tok = found;
    return st;
}
