/* Insides of the server that several files of this folder need. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_SERVER_H
#define CORE_HTTP_SERVER_H

#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <zlib.h>

#include "core/http/auth.h"
#include "core/http/contract.h"
#include "core/http/access_log.h"
#include "core/http/http.h"
#include "core/http/metrics.h"

#define HTTP_SURFACES_MAX 32
#define HTTP_LISTENERS_MAX 16

struct http_conn;
struct lathe_request;

/* A mounted surface. */
struct http_mount {
    struct http_server *server;
    char *name, *prefix;
    const struct lathe_api *api;
    void *self;
    int auth_required;
    struct contract *contract;
    char *openapi; /* text as given */
    size_t openapi_len;
};

struct http_listener {
    struct http_server *server;
    struct http_listener_config cfg; /* strings owned */
    char **surface_names;            /* NULL: all */
    struct http_mount *mounts[HTTP_SURFACES_MAX];
    size_t n_mounts;
    struct router *router;
    struct evconnlistener *socket;
    SSL_CTX *tls;
    uint16_t port;
    int is_loopback, needs_token;
    char *openapi; /* merged document, made at its first reading */
    size_t openapi_len;
    char host[80]; /* "127.0.0.1:8000", for base URLs when a client sent no Host */
};

struct http_server {
    struct event_base *base;
    struct http_config cfg; /* lists owned */
    struct access_log access_log;
    struct http_listener *listeners[HTTP_LISTENERS_MAX];
    size_t n_listeners;
    struct http_mount *mounts[HTTP_SURFACES_MAX];
    size_t n_mounts;
    struct event *tick, *kick;
    struct http_conn *conns, *kicked;
    struct lathe_request *requests, *free_requests;
    uint32_t n_conns, n_free_requests, n_ws, n_streams;
    int started, draining, closing, paused_accept;
    int64_t drain_until_ms;
    void (*drained)(void *user);
    void *drained_user;
    uint64_t id_state; /* request ids */
    time_t date_s;
    char date[40]; /* "Date: ...\r\n" */
    size_t date_len;
    int64_t start_ms;
    int64_t now_ns; /* clock as last read: by a request's start or end, a tick or a kick */
    z_stream deflate;
    int deflate_ready;
    struct http_metrics *metrics;
    struct http_metric *m_conns, *m_accepted, *m_refused, *m_ws, *m_streams, *m_bad, *m_core,
        *m_core_latency;
};

/* core_routes.c: "/", "/docs", ... */
struct http_core_route {
    const char *path;
    int is_prefix; /* also everything below */
    int guarded;   /* asks for a token when the server is set so */
    void (*handle)(struct lathe_request *req);
};
const struct http_core_route *core_route_find(const char *path);

/* cors.c */
enum cors_verdict { CORS_NONE, CORS_SAME, CORS_LISTED, CORS_FOREIGN };
enum cors_verdict cors_judge(const struct lathe_request *req);
int cors_host_allowed(const struct lathe_request *req);
void cors_preflight(struct lathe_request *req);

/* files.c: serves root/rel with ETag, sendfile and cache as Cache-Control. 0 when there is no such
 * file. */
int files_serve(struct lathe_request *req, const char *root, const char *rel, const char *cache);

/* gzip.c */
int gzip_accepted(const char *accept_encoding);
int gzip_worthwhile(const char *content_type, uint64_t len_bytes);
/* Compresses into *out (mem_free); LATHE_OK, or an error: send it plain. */
int32_t gzip_pack(struct http_server *server, const void *data, size_t len_bytes, char **out,
                  size_t *out_len);
/* Errors: LATHE_E_LIMIT above max, LATHE_E_INVALID for bad data. */
int32_t gzip_unpack(const char *data, size_t len_bytes, size_t max, char **out, size_t *out_len);

/* tls.c */
int32_t tls_open(const char *cert, const char *key, SSL_CTX **out, struct lathe_error *err);

/* openapi.c: the merged document of a listener, kept with it. */
int32_t openapi_get(struct http_listener *listener, const char **text, size_t *len);

/* server.c */
void server_kick(struct http_server *server, struct http_conn *conn); /* look at conn soon */
const char *server_date(struct http_server *server, size_t *len);

#endif
