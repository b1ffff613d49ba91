/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, scopes, failure limits, tickets; the same over the wire; TLS; metrics text. */
#include "tests/support/support.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/http/auth.h"
#include "core/http/metrics.h"
#include "tests/unit/http_fixture.h"

static struct fixture fix;
static struct reply reply;
static char cert_path[512], key_path[512];

static const char *const reader[] = {"test:read", NULL};
static const char *const writer[] = {"test:write", NULL};
static const char *const master[] = {"*:admin", NULL};
static const char *const stranger[] = {"other:admin", NULL};

/* --- the store
 * ----------------------------------------------------------------------------------------- */

struct saved {
    int count, revoked;
    char hash[65], id[32];
    int32_t answer;
};

static int32_t save(void *ctx, const struct http_token *tok, struct lathe_error *err)
{
    struct saved *saved = ctx;

    (void)err;
    saved->count++;
    saved->revoked = tok->revoked;
    snprintf(saved->hash, sizeof saved->hash, "%s", tok->hash);
    snprintf(saved->id, sizeof saved->id, "%s", tok->id);
    return saved->answer;
}

static struct http_auth *open_store(struct saved *saved)
{
    struct http_auth_config cfg = {.ctx = saved, .save = save};
    struct http_auth *auth = NULL;

    memset(saved, 0, sizeof *saved);
    assert_int_equal(http_auth_open(&cfg, &auth, NULL), LATHE_OK);
    return auth;
}

static int32_t verify(struct http_auth *auth, const char *text, const char *client)
{
    const struct http_token *tok = NULL;
    uint32_t after = 0;

    return http_auth_verify(auth, text, strlen(text), client, &tok, &after);
}

static void tokens_live_until_revoked_or_expired(void **state)
{
    struct saved saved;
    struct http_auth *auth = open_store(&saved);
    char text[HTTP_TOKEN_TEXT], other[HTTP_TOKEN_TEXT];
    struct lathe_error err;

    (void)state;
    assert_int_equal(http_auth_create(auth, "ci", NULL, writer, 0, text, &err), LATHE_OK);
    assert_int_equal(saved.count, 1);
    assert_int_equal(strncmp(text, "lathe_", 6), 0);
    assert_null(strstr(text, saved.hash));
    assert_int_equal(verify(auth, text, "a"), LATHE_OK);
    text[strlen(text) - 1] ^= 1;
    assert_int_equal(verify(auth, text, "a"), LATHE_E_UNAUTHENTICATED);
    text[strlen(text) - 1] ^= 1;
    assert_int_equal(http_auth_revoke(auth, saved.id, &err), LATHE_OK);
    assert_int_equal(saved.revoked, 1);
    assert_int_equal(verify(auth, text, "a"), LATHE_E_UNAUTHENTICATED);
    assert_int_equal(http_auth_revoke(auth, "nobody", &err), LATHE_E_NOT_FOUND);
    assert_int_equal(http_auth_create(auth, "old", NULL, reader, clock_wall_ms() - 1, other, &err),
                     LATHE_OK);
    assert_int_equal(verify(auth, other, "a"), LATHE_E_UNAUTHENTICATED);
    assert_int_equal(http_auth_count(auth), 2);
    http_auth_close(auth);
}

static void stored_tokens_come_back(void **state)
{
    struct saved saved;
    struct http_auth *auth = open_store(&saved), *again;
    char text[HTTP_TOKEN_TEXT];
    struct lathe_error err;
    struct http_token tok;
    size_t at = 0;

    (void)state;
    assert_int_equal(http_auth_create(auth, "ci", "boss", master, 0, text, &err), LATHE_OK);
    tok = *http_auth_next(auth, &at);
    assert_null(http_auth_next(auth, &at));
    assert_string_equal(tok.role, "boss");
    again = open_store(&saved);
    assert_int_equal(http_auth_load(again, &tok, &err), LATHE_OK);
    assert_int_equal(http_auth_load(again, &tok, &err), LATHE_E_EXISTS);
    assert_int_equal(verify(again, text, "a"), LATHE_OK);
    tok.hash = "damaged";
    assert_int_equal(http_auth_load(again, &tok, &err), LATHE_E_CORRUPT);
    http_auth_close(auth);
    http_auth_close(again);
}

static void bad_scopes_and_failed_saves_make_no_token(void **state)
{
    static const char *const bad[][2] = {{"test", NULL},    {"test:", NULL},
                                         {":read", NULL},   {"te st:read", NULL},
                                         {"**:read", NULL}, {"test:own", NULL}};
    struct saved saved;
    struct http_auth *auth = open_store(&saved);
    char text[HTTP_TOKEN_TEXT];
    struct lathe_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(http_auth_create(auth, "x", NULL, bad[i], 0, text, &err), LATHE_E_INVALID);
    saved.answer = LATHE_E_IO;
    assert_int_equal(http_auth_create(auth, "x", NULL, reader, 0, text, &err), LATHE_E_IO);
    assert_int_equal(http_auth_count(auth), 0);
    http_auth_close(auth);
}

static void scopes_include_the_weaker_ones(void **state)
{
    (void)state;
    assert_true(http_scopes_grant(writer, "test:read"));
    assert_true(http_scopes_grant(writer, "test:write"));
    assert_false(http_scopes_grant(writer, "test:admin"));
    assert_false(http_scopes_grant(writer, "tes:read"));
    assert_false(http_scopes_grant(stranger, "test:read"));
    assert_true(http_scopes_grant(master, "anything:admin"));
    assert_false(http_scopes_grant(reader, "test:write"));
}

static void ten_failures_lock_one_client_for_a_minute(void **state)
{
    struct saved saved;
    struct http_auth *auth = open_store(&saved);
    char text[HTTP_TOKEN_TEXT];
    struct lathe_error err;

    (void)state;
    clock_fake(1000000, 5000000000);
    assert_int_equal(http_auth_create(auth, "ci", NULL, reader, 0, text, &err), LATHE_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(verify(auth, "lathe_wrong", "1.2.3.4"), LATHE_E_UNAUTHENTICATED);
    assert_int_equal(verify(auth, text, "1.2.3.4"), LATHE_E_LIMIT);
    assert_int_equal(verify(auth, text, "1.2.3.5"), LATHE_OK);
    clock_fake(1000000, 65000000000);
    assert_int_equal(verify(auth, text, "1.2.3.4"), LATHE_OK);
    clock_fake(0, 0);
    http_auth_close(auth);
}

static void tickets_work_once_and_for_thirty_seconds(void **state)
{
    struct saved saved;
    struct http_auth *auth = open_store(&saved);
    const struct http_token *tok = NULL;
    char text[HTTP_TOKEN_TEXT], ticket[64];
    struct lathe_error err;

    (void)state;
    clock_fake(1000000, 5000000000);
    assert_int_equal(http_auth_create(auth, "ci", NULL, reader, 0, text, &err), LATHE_OK);
    assert_int_equal(http_auth_ticket(auth, saved.id, ticket), LATHE_OK);
    assert_int_equal(http_auth_redeem(auth, ticket, &tok), LATHE_OK);
    assert_string_equal(tok->id, saved.id);
    assert_int_equal(http_auth_redeem(auth, ticket, &tok), LATHE_E_UNAUTHENTICATED);
    assert_int_equal(http_auth_ticket(auth, saved.id, ticket), LATHE_OK);
    clock_fake(1000000, 35000000000);
    assert_int_equal(http_auth_redeem(auth, ticket, &tok), LATHE_E_UNAUTHENTICATED);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(http_auth_ticket(auth, "", ticket), LATHE_OK);
    assert_int_equal(http_auth_ticket(auth, "", ticket), LATHE_E_LIMIT);
    clock_fake(0, 0);
    http_auth_close(auth);
}

/* --- over the wire
 * --------------------------------------------------------------------------------------- */

static void require_tokens(struct http_config *cfg, struct http_surface *surface)
{
    surface->auth_required = 1;
    cfg->metrics_need_token = 1;
}

static int setup(void **state)
{
    (void)state;
    fixture_start(&fix, require_tokens);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fix);
    return 0;
}

/* The store belongs to the loop thread, which is idle between requests of these tests. */
static void make_token(const char *const *scopes, char out[HTTP_TOKEN_TEXT])
{
    struct lathe_error err;

    assert_int_equal(http_auth_create(fix.auth, "t", NULL, scopes, 0, out, &err), LATHE_OK);
}

static int with_token(const char *method, const char *path, const char *token)
{
    char text[512];

    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", method, path,
             token);
    ask(&fix, text, &reply);
    return reply.status;
}

static void operations_ask_for_their_scope(void **state)
{
    char read_token[HTTP_TOKEN_TEXT], write_token[HTTP_TOKEN_TEXT], other[HTTP_TOKEN_TEXT],
        all[HTTP_TOKEN_TEXT], value[64];

    (void)state;
    make_token(reader, read_token);
    make_token(writer, write_token);
    make_token(stranger, other);
    make_token(master, all);
    ask(&fix, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_int_equal(reply.status, 401);
    assert_string_equal(reply_header(&reply, "WWW-Authenticate", value, sizeof value), "Bearer");
    assert_contains(reply.body, "\"oops\":\"unauthenticated\"");
    assert_int_equal(with_token("GET", "/api/stored", read_token), 200);
    assert_int_equal(with_token("POST", "/api/ticket", read_token), 403);
    assert_int_equal(with_token("POST", "/api/ticket", write_token), 200);
    assert_int_equal(with_token("GET", "/api/stored", other), 403);
    assert_int_equal(with_token("GET", "/api/who", write_token), 200);
    assert_contains(reply.body, " trainer 0");
    assert_int_equal(with_token("GET", "/api/who", all), 200);
    assert_contains(reply.body, " admin 1");
    assert_int_equal(with_token("GET", "/metrics", read_token), 403);
    assert_int_equal(with_token("GET", "/metrics", all), 200);
    assert_int_equal(status_of(&fix, "GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    assert_int_equal(status_of(&fix, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401);
}

static void guessing_is_slowed_down(void **state)
{
    char value[32];

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(with_token("GET", "/api/stored", "lathe_guess"), 401);
    assert_int_equal(with_token("GET", "/api/stored", "lathe_guess"), 429);
    assert_in_range(atoi(reply_header(&reply, "Retry-After", value, sizeof value)), 1, 61);
}

static int ws_first_close(const char *extra, const char *query)
{
    unsigned char frame[64];
    char text[1024];
    int fd = client_open(fix.port), code = -1;

    snprintf(text, sizeof text,
             "GET /ws/echo/a%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
             "Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             query, extra);
    client_send(fd, text);
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 101);
    assert_int_equal(recv(fd, frame, 4, MSG_WAITALL), 4);
    code = frame[0] == 0x88 ? frame[2] << 8 | frame[3] : 0;
    close(fd);
    return code;
}

static void sockets_take_header_subprotocol_or_ticket(void **state)
{
    char token[HTTP_TOKEN_TEXT], other[HTTP_TOKEN_TEXT], text[256];

    (void)state;
    make_token(writer, token);
    make_token(stranger, other);
    assert_int_equal(ws_first_close("", ""), 4401);
    snprintf(text, sizeof text, "Authorization: Bearer %s\r\n", token);
    assert_int_equal(ws_first_close(text, ""), 0);
    snprintf(text, sizeof text, "Authorization: Bearer %s\r\n", other);
    assert_int_equal(ws_first_close(text, ""), 4403);
    snprintf(text, sizeof text, "Sec-WebSocket-Protocol: lathe.training.v1, bearer.%s\r\n", token);
    assert_int_equal(ws_first_close(text, ""), 0);
    assert_int_equal(with_token("POST", "/api/ticket", token), 200);
    snprintf(text, sizeof text, "?ticket=%s", reply.body);
    assert_int_equal(ws_first_close("", text), 0);
    assert_int_equal(ws_first_close("", text), 4401); /* it worked once */
}

/* --- TLS
 * -----------------------------------------------------------------------------------------------
 */

static void write_certificate(const char *dir)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *file;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    snprintf(cert_path, sizeof cert_path, "%s/cert.pem", dir);
    snprintf(key_path, sizeof key_path, "%s/key.pem", dir);
    assert_non_null(file = fopen(cert_path, "w"));
    PEM_write_X509(file, cert);
    fclose(file);
    assert_non_null(file = fopen(key_path, "w"));
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void use_tls(struct http_config *cfg, struct http_surface *surface)
{
    /* the fixture's listener lives in its frame until the server has copied it */
    struct http_listener_config *listener =
        (struct http_listener_config *)(uintptr_t)cfg->listeners;

    (void)surface;
    listener->tls_cert = cert_path;
    listener->tls_key = key_path;
    cfg->header_timeout_ms = 400;
}

/* Sends text and reads until the end, or until `until` (may be NULL) has come. */
static int tls_ask(SSL_CTX *ctx, int max_version, const char *text, const char *until, char *out,
                   size_t cap)
{
    int fd = client_open(fix.port), n = -1, got = 0;
    SSL *ssl = SSL_new(ctx);

    SSL_set_max_proto_version(ssl, max_version);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, text, (int)strlen(text)) > 0)
        while ((n = SSL_read(ssl, out + got, (int)cap - got - 1)) > 0) {
            got += n;
            out[got] = '\0';
            if (until != NULL && memmem(out, (size_t)got, until, strlen(until)) != NULL)
                break;
        }
    out[got] = '\0';
    SSL_free(ssl);
    close(fd);
    return got;
}

#define TLS_BIG "GET /api/big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
#define TLS_EVENTS "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define TLS_SOCKET                                                                                \
    "GET /ws/echo/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void tls_serves_and_refuses_old_versions(void **state)
{
    char *dir = test_tmpdir();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    static char out[200000];
    int silent;

    (void)state;
    write_certificate(dir);
    fixture_start(&fix, use_tls);
    assert_true(tls_ask(ctx, TLS1_3_VERSION, TLS_BIG, NULL, out, sizeof out) > 100000);
    assert_int_equal(strncmp(out, "HTTP/1.1 200 OK", 15), 0);
    assert_true(tls_ask(ctx, TLS1_2_VERSION, TLS_BIG, NULL, out, sizeof out) > 100000);
    assert_true(tls_ask(ctx, TLS1_3_VERSION, TLS_EVENTS, ":\n\n", out, sizeof out) > 0);
    assert_contains(out, "event: hello");
    assert_contains(out, ":\n\n");
    assert_true(tls_ask(ctx, TLS1_3_VERSION, TLS_SOCKET, "welcome", out, sizeof out) > 0);
    assert_contains(out, "101 Switching");
    assert_non_null(memmem(out, sizeof out, "welcome", 7));
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0");
    assert_int_equal(tls_ask(ctx, TLS1_1_VERSION, TLS_BIG, NULL, out, sizeof out), 0);
    silent = client_open(fix.port); /* a handshake that never comes */
    assert_true(client_at_end(silent));
    close(silent);
    fixture_stop(&fix);
    SSL_CTX_free(ctx);
    test_tmpdir_remove(dir);
}

static void metrics_text_has_types_and_buckets(void **state)
{
    struct http_metrics *m = http_metrics_new();
    struct http_metric *h =
        http_metrics_get(m, HTTP_METRIC_HISTOGRAM, "t_seconds", "T.", "a=\"b\"");
    struct strbuf out;

    (void)state;
    http_metric_add(http_metrics_get(m, HTTP_METRIC_COUNTER, "c_total", "C.", ""), 2);
    assert_null(http_metrics_get(m, HTTP_METRIC_GAUGE, "c_total", "C.", ""));
    http_metric_observe_ns(h, 200000);
    http_metric_observe_ns(h, 20000000000);
    strbuf_init(&out);
    http_metrics_write(m, &out);
    assert_contains(out.data, "# TYPE c_total counter\nc_total 2\n");
    assert_contains(out.data, "t_seconds_bucket{a=\"b\",le=\"0.0001\"} 0\n");
    assert_contains(out.data, "t_seconds_bucket{a=\"b\",le=\"0.00025\"} 1\n");
    assert_contains(out.data, "t_seconds_bucket{a=\"b\",le=\"10\"} 1\n");
    assert_contains(out.data, "t_seconds_bucket{a=\"b\",le=\"+Inf\"} 2\n");
    assert_contains(out.data, "t_seconds_count{a=\"b\"} 2\n");
    strbuf_fini(&out);
    http_metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_live_until_revoked_or_expired),
        cmocka_unit_test(stored_tokens_come_back),
        cmocka_unit_test(bad_scopes_and_failed_saves_make_no_token),
        cmocka_unit_test(scopes_include_the_weaker_ones),
        cmocka_unit_test(ten_failures_lock_one_client_for_a_minute),
        cmocka_unit_test(tickets_work_once_and_for_thirty_seconds),
        cmocka_unit_test_setup_teardown(operations_ask_for_their_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(guessing_is_slowed_down, setup, teardown),
        cmocka_unit_test_setup_teardown(sockets_take_header_subprotocol_or_ticket, setup, teardown),
        cmocka_unit_test(tls_serves_and_refuses_old_versions),
        cmocka_unit_test(metrics_text_has_types_and_buckets),
    };

    return cmocka_run_group_tests_name("http_auth", tests, NULL, NULL);
}
