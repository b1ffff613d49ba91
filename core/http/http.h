/* The HTTP server of lathed: listeners, surfaces, streams, WebSockets. One loop thread; see auth.h
 * for tokens and metrics.h for counters. Threads: [loop] unless a line says otherwise. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_HTTP_H
#define CORE_HTTP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/strbuf.h"
#include "lathe/http.h"

struct event_base;
struct http_server;
struct http_auth;

/* One listening socket. */
struct http_listener_config {
    const char *address;            /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;                  /* 0: the system picks one; see http_server_port() */
    int insecure;                   /* not on loopback although a surface asks for no token */
    const char *tls_cert, *tls_key; /* PEM files; both or neither */
    const char *const *surfaces;    /* NULL-terminated names; NULL: all mounted ones */
};

/* Blocking handlers run through this; NULL submit: they run on the loop. work runs on a pool
 * thread, then done on the loop. */
struct http_pool {
    void *ctx;
    int32_t (*submit)(void *ctx, void (*work)(void *arg), void (*done)(void *arg), void *arg);
};

/* Everything is copied by http_server_open except auth and the callbacks' contexts. Zero in a limit
 * means the default set by http_config_init. */
struct http_config {
    const struct http_listener_config *listeners;
    size_t n_listeners;
    const char *www_dir;             /* swagger-ui/ and redoc/ below it; NULL: built-in page */
    const char *const *cors_origins; /* NULL-terminated exact origins */
    const char *const *hosts;   /* names accepted in Host beside loopback and bound addresses */
    const char *const *proxies; /* addresses whose X-Forwarded-For and -Proto are believed */
    struct http_auth *auth;     /* NULL: surfaces must not require tokens */
    int metrics_need_token;     /* /metrics and /-/plugins ask for scope "server:read" */
    int validate_responses;     /* tests: an answer outside the contract becomes a 500 */
    int access_log;             /* one line per request */

    uint32_t max_connections;    /* 4096 */
    uint32_t max_ws_clients;     /* 1024 */
    uint32_t max_uri_bytes;      /* 8 KiB -> 414 */
    uint32_t max_header_bytes;   /* 32 KiB in total -> 431 */
    uint32_t max_headers;        /* 100 -> 431 */
    uint64_t max_body_bytes;     /* 64 KiB -> 413; a contract may raise it per operation */
    uint32_t header_timeout_ms;  /* 10 000: whole head, from its first byte -> 408 */
    uint32_t body_timeout_ms;    /* 60 000: whole body -> 408 */
    uint32_t idle_timeout_ms;    /* 75 000: between requests */
    uint32_t write_timeout_ms;   /* 30 000 without progress */
    uint32_t handler_timeout_ms; /* 120 000: parked request -> 504 */
    uint32_t ws_ping_ms;         /* 20 000 */
    uint32_t ws_dead_ms;         /* 60 000 without a sign of life */

    struct http_pool pool;
    void *ctx; /* for the callbacks below, each may be NULL */
    /* 1 when ready; 0 and a reason otherwise. GET /-/ready. */
    int (*ready)(void *ctx, char *why, size_t cap);
    /* Appends a JSON value: the plugin list. GET /-/plugins. */
    void (*plugins_json)(void *ctx, struct strbuf *out);
    /* Appends Prometheus text of other modules. GET /metrics. */
    void (*metrics_text)(void *ctx, struct strbuf *out);
};

void http_config_init(struct http_config *cfg); /* zeroes, then defaults */

/* One surface to serve. name is the component's name ("agentgym"), also its scope prefix. */
struct http_surface {
    const char *name;
    const struct lathe_api *api;
    void *self; /* from api->open; closing it is the caller's, after http_server_close */
    int auth_required;
    const char *prefix; /* NULL: api->prefix */
};

/* The process must ignore SIGPIPE: peers leave while they are written to.
 * Memory: *out until http_server_close. Errors: LATHE_E_INVALID, LATHE_E_NOMEM, LATHE_E_IO (TLS
 * files). */
int32_t http_server_open(struct event_base *base, const struct http_config *cfg,
                         struct http_server **out, struct lathe_error *err) LATHE_MUST_USE;

/* Compiles the contract and binds handlers. Before http_server_start. Errors: LATHE_E_INVALID names
 * the operation that has no handler, the handler that has no operation, or the part of the contract
 * that is wrong. */
int32_t http_server_mount(struct http_server *server, const struct http_surface *surface,
                          struct lathe_error *err) LATHE_MUST_USE;

/* Builds routers and binds every listener. Errors: LATHE_E_CONFLICT for a path that two surfaces
 * claim (both are named), LATHE_E_DENIED for a listener off loopback without authentication,
 * LATHE_E_IO. */
int32_t http_server_start(struct http_server *server, struct lathe_error *err) LATHE_MUST_USE;

/* The port that listener index is bound to; 0 when there is none. */
uint16_t http_server_port(const struct http_server *server, size_t index);

/* Stops accepting, lets running requests finish, closes idle connections, streams and WebSockets
 * (1001). done runs once, when nothing is left or after grace_ms. */
void http_server_drain(struct http_server *server, uint32_t grace_ms, void (*done)(void *user),
                       void *user);

/* Drops what is left. Stop the pool first: blocking handlers use the server's contracts. NULL is
 * fine. */
void http_server_close(struct http_server *server);

/* The table for plugins; the same for all. Thread: [any]. */
const struct lathe_http_service *http_service(void);

/* HTTP status for a lathe status; 200 for success. Thread: [any]. */
int32_t http_status_of(int32_t status);

/* Merged OpenAPI document of the surfaces of listener index, appended to out. */
int32_t http_server_openapi(struct http_server *server, size_t index,
                            struct strbuf *out) LATHE_MUST_USE;

#endif
