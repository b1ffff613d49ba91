/* Connections and requests as the files of this folder see them. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_CONN_H
#define CORE_HTTP_CONN_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <llhttp.h>
#include <netinet/in.h>

#include "core/http/contract.h"
#include "core/http/server.h"

#define HTTP_ID_CAP 65
#define HTTP_ADDR_CAP INET6_ADDRSTRLEN

enum conn_phase {
    CONN_IDLE,     /* between requests, nothing read */
    CONN_HEAD,     /* part of a head is there */
    CONN_BODY,     /* head parsed, body coming */
    CONN_HANDLING, /* a handler owes the answer */
    CONN_STREAM,   /* a stream owns the output */
    CONN_WS,       /* frames both ways */
    CONN_FLUSH,    /* answer being written, then close */
    CONN_LINGER,   /* written and half closed; input is dropped until the peer closes */
    CONN_DEAD      /* waiting to be freed */
};

/* One header line; offsets into lathe_request.head. name is lower case; both end with NUL. */
struct http_header {
    uint32_t name, value;
    uint32_t name_len, value_len;
};

/* Headers that the server itself reads, found once while parsing. 0: absent, else index + 1. */
enum http_known {
    HDR_HOST,
    HDR_ORIGIN,
    HDR_ACCEPT,
    HDR_ACCEPT_ENCODING,
    HDR_CONTENT_TYPE,
    HDR_CONTENT_ENCODING,
    HDR_AUTHORIZATION,
    HDR_EXPECT,
    HDR_UPGRADE,
    HDR_X_REQUEST_ID,
    HDR_IF_NONE_MATCH,
    HDR_TRANSFER_ENCODING,
    HDR_KNOWN_COUNT
};

/* What a request asks, decoded. Offsets into head. */
struct http_value {
    uint32_t name, value;
};

enum request_phase { REQ_READING, REQ_OPEN, REQ_ANSWERED, REQ_GONE };

struct lathe_request {
    struct http_conn *conn; /* NULL once the client left or the answer is out */
    struct http_server *server;
    struct lathe_request *next_free;
    struct lathe_request *prev, *next; /* all live requests of the server */
    uint32_t refs;
    enum request_phase phase;
    struct http_listener *listener;

    char *head; /* url, header lines and decoded values, each NUL-terminated */
    uint32_t head_len, head_cap;
    uint32_t url, url_len;
    uint32_t path; /* decoded */
    struct http_header *headers;
    uint32_t n_headers, cap_headers;
    uint8_t known[HDR_KNOWN_COUNT];
    uint8_t dup_host, bad_expect, expects_continue, is_upgrade, http_minor, is_head;
    enum http_method method;

    struct http_value *values; /* path parameters first, then query */
    uint32_t n_values, cap_values, n_path_values;

    char *body;
    size_t body_len, body_cap, body_limit;
    json_t *json;

    struct http_op *op;               /* NULL for core routes and unknown ones */
    const struct http_mount *surface; /* who renders errors; may be set without op */
    const struct http_core_route *core;
    int32_t early_status; /* found wrong before the body: answer this when it is in */
    const char *early_code, *early_text;
    char allow[64];
    uint32_t retry_after_s;

    struct lathe_identity identity;
    char *identity_text; /* backing store of a copied identity */
    struct lathe_error error;

    struct strbuf extra; /* header lines of the answer */
    int keep_alive, rendering, on_pool, pool_answered, pool_rendered, cors_ok, no_log;
    int32_t ws_refuse; /* close code for an upgrade whose credentials do not do; 0: fine */
    int32_t status;
    struct strbuf pool_body; /* answer of a blocking handler until it is back on the loop */
    char pool_type[96];
    int has_pool_type;

    int64_t start_ns;
    uint64_t sent_bytes;
    char id[HTTP_ID_CAP];
    char client[HTTP_ADDR_CAP];
    char base_url[160];
};

struct http_conn {
    struct http_server *server;
    struct http_listener *listener;
    struct http_conn *prev, *next; /* all connections */
    struct http_conn *kick_next;
    struct bufferevent *bev;
    struct evbuffer *in, *out;
    int fd;
    enum conn_phase phase;
    int tls, tls_ready, depth, kicked, peer_eof, must_linger;
    int64_t deadline_ms; /* 0: none */
    size_t out_seen;     /* output length at the last look, to tell progress */
    int64_t out_seen_ms;
    llhttp_t parser;
    size_t scan_off; /* head bytes already searched for its end */
    size_t raw_body; /* body bytes fed, framing included */
    int32_t abort_status;
    const char *abort_code, *abort_text;
    int message_done;
    struct lathe_request *req;
    struct lathe_stream *stream;
    struct lathe_ws *ws;
    char client[HTTP_ADDR_CAP];
};

/* conn.c */
void conn_accept(struct http_listener *listener, int fd, const struct sockaddr *addr);
void conn_close(struct http_conn *conn);    /* at once; freed later by the kick event */
void conn_finish(struct http_conn *conn);   /* flush, half close, linger, close */
void conn_flush(struct http_conn *conn);    /* write what is queued now if possible */
void conn_answered(struct http_conn *conn); /* the current request's answer is queued */
void conn_tick(struct http_conn *conn, int64_t now_ms);
void conn_free(struct http_conn *conn);    /* from the kick event only */
void conn_process(struct http_conn *conn); /* look at the input again */
void conn_set_deadline(struct http_conn *conn, uint32_t timeout_ms);
int64_t conn_now_ms(void);

/* parse.c: llhttp glue. Returns 0 to go on, 1 when a whole request is in, -1 on error (abort_*
 * set). */
int parse_head(struct http_conn *conn, const char *data, size_t len_bytes);
int parse_body(struct http_conn *conn, const char *data, size_t len_bytes, size_t *used);
/* Length of the head at the start of data with its blank line; 0 when more is needed, -1 when
 * broken. */
long parse_find_head(const char *data, size_t len_bytes, size_t *scan_off);
const llhttp_settings_t *parse_settings(void);

/* request.c */
struct lathe_request *request_new(struct http_conn *conn);
void request_unref(struct lathe_request *req);
void request_free_all(struct http_server *server);
void request_detach(struct lathe_request *req); /* the client left */
uint32_t request_store(struct lathe_request *req, const char *text,
                       size_t len_bytes); /* offset, 0: no memory */
const char *request_header(const struct lathe_request *req, enum http_known id); /* NULL: absent */
const char *request_header_named(const struct lathe_request *req, const char *name);
int request_add_value(struct lathe_request *req, uint32_t name, uint32_t value);
const char *request_value(const struct lathe_request *req, int from_path, const char *name);
int request_body_add(struct lathe_request *req, const char *data, size_t len_bytes);
/* Percent-decodes; plus_is_space for queries. Offset, or 0 when malformed, not UTF-8 or with NUL.
 */
int text_is_utf8(const char *text, size_t len_bytes); /* RFC 3629 */
uint32_t request_decode(struct lathe_request *req, const char *text, size_t len_bytes,
                        int plus_is_space);

/* dispatch.c */
void dispatch_head(
    struct lathe_request *req); /* after the head: route, host, origin, auth, limits */
void dispatch_complete(struct lathe_request *req); /* after the body */

/* reply.c */
int32_t reply_send(struct lathe_request *req, int32_t status, const char *type, const void *data,
                   uint64_t len_bytes);
/* Queues the head of an answer whose body follows by other means; content_length -1: chunked. */
int32_t reply_head(struct lathe_request *req, int32_t status, const char *type,
                   int64_t content_length);
void reply_done(struct lathe_request *req, uint64_t body_bytes); /* log, metrics, next request */
int32_t reply_add_header(struct lathe_request *req, const char *name, const char *value);
int reply_usable(const struct lathe_request *req, int32_t *st);
const char *reply_reason(int32_t status);

/* problem.c */
int32_t problem_send(struct lathe_request *req, const struct lathe_problem *problem);
int32_t problem_simple(struct lathe_request *req, int32_t status, const char *code,
                       const char *text);
int32_t problem_status(struct lathe_request *req, int32_t status, const char *code,
                       const struct lathe_error *err);

/* stream.c, ws.c */
int32_t stream_open(struct lathe_request *req, int32_t status, const char *type,
                    const struct lathe_stream_handler *handler, void *user,
                    struct lathe_stream **out);
int32_t stream_write(struct lathe_stream *stream, const void *data, uint64_t len_bytes);
int32_t stream_event(struct lathe_stream *stream, const char *id, const char *event,
                     const char *data, uint64_t len_bytes);
uint64_t stream_budget(const struct lathe_stream *stream);
void stream_close(struct lathe_stream *stream);
void stream_gone(struct http_conn *conn);    /* the connection ends */
void stream_drained(struct http_conn *conn); /* output shrank */
void stream_tick(struct http_conn *conn, int64_t now_ms);

int ws_wanted(const struct lathe_request *req);
void ws_start(struct lathe_request *req, int32_t refuse_code);
void ws_read(struct http_conn *conn);
void ws_written(struct http_conn *conn);
void ws_gone(struct http_conn *conn);
void ws_tick(struct http_conn *conn, int64_t now_ms);
int32_t ws_send(struct lathe_ws *ws, int32_t is_text, const void *data, uint64_t len_bytes);
uint64_t ws_budget(const struct lathe_ws *ws);
void ws_close(struct lathe_ws *ws, int32_t code, const char *reason);

#endif
