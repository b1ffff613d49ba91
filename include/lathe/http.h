/* Service "lathe.http/1": reading requests, answering them, event streams and WebSockets.
 * Threads: [loop]; the functions on a request also on [pool] inside a blocking handler. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_HTTP_H
#define LATHE_HTTP_H

#include "lathe/api.h"

#define LATHE_SERVICE_HTTP "lathe.http/1"

struct lathe_stream; /* an answer that is written piece by piece */

/* Who sent the request. Never NULL members; without authentication subject is "anonymous", role
 * "admin" and scopes empty. Borrowed until the request is released. */
struct lathe_identity {
    uint32_t struct_size, flags;
    const char *subject;       /* token id or user name */
    const char *role;          /* "viewer", "trainer", "admin" or what the token was given */
    const char *const *scopes; /* NULL-terminated: "agentgym:write" */
};
#define LATHE_IDENTITY_AUTHENTICATED 1u

/* Options and callbacks of a stream. Callbacks run on [loop] and may be NULL. */
struct lathe_stream_handler {
    uint32_t struct_size, flags;
    uint32_t queue_bytes;  /* output budget, 0: 256 KiB; a write beyond it is refused */
    uint32_t heartbeat_ms; /* event streams: a comment line this often, 0: 15 000 */
    void (*drained)(void *user,
                    struct lathe_stream *stream); /* below half again after a refused write */
    /* Exactly once, for whatever reason the stream ended, stream_close included; the stream is dead
     * when it returns. Free user here. */
    void (*closed)(void *user, struct lathe_stream *stream);
};

/* Text given in is borrowed until return and copied where it is kept. Text given out belongs to the
 * request and lives until the handler returned and every acquired reference was released. */
struct lathe_http_service {
    uint32_t struct_size, flags;

    /* --- the request
     * ------------------------------------------------------------------------------- */
    const char *(*method)(const struct lathe_request *req);    /* "GET" */
    const char *(*path)(const struct lathe_request *req);      /* decoded, without query */
    const char *(*operation)(const struct lathe_request *req); /* operationId, "" for none */
    const char *(*request_id)(const struct lathe_request *req);
    const char *(*client_address)(const struct lathe_request *req); /* "127.0.0.1" */
    const char *(*base_url)(const struct lathe_request *req);       /* "http://127.0.0.1:8000" */
    const struct lathe_identity *(*identity)(const struct lathe_request *req);
    int32_t (*has_scope)(const struct lathe_request *req, const char *scope); /* 1 or 0 */

    /* Values by name, NULL when absent. Path and query are percent-decoded; a query parameter that
     * the client left out has the contract's default. Header names in any case. */
    const char *(*path_param)(const struct lathe_request *req, const char *name);
    const char *(*query)(const struct lathe_request *req, const char *name);
    const char *(*header)(const struct lathe_request *req, const char *name);
    /* Query parameters by type; fallback when absent. */
    int64_t (*query_int)(const struct lathe_request *req, const char *name, int64_t fallback);
    double (*query_float)(const struct lathe_request *req, const char *name, double fallback);
    int32_t (*query_bool)(const struct lathe_request *req, const char *name, int32_t fallback);

    /* The body: raw bytes (NUL-terminated, *len_bytes without it), and the checked JSON value with
     * the contract's defaults filled in, NULL when the request has none. Borrowed. */
    const char *(*body)(const struct lathe_request *req, uint64_t *len_bytes);
    const struct lathe_json *(*body_json)(const struct lathe_request *req);

    /* --- life
     * --------------------------------------------------------------------------------------- */
    /* Keeps req valid after the handler returned, until the matching release. Releasing the last
     * reference of an unanswered request answers 500. Thread: [loop]. */
    struct lathe_request *(*acquire)(struct lathe_request *req);
    void (*release)(struct lathe_request *req); /* NULL is fine */
    /* 1 while an answer can still reach the client; 0 once it left or was answered. */
    int32_t (*is_open)(const struct lathe_request *req);

    /* --- the answer: one of the following, once
     * -------------------------------------------------------- */
    /* All return LATHE_OK, LATHE_E_CANCELLED when the client left (nothing to undo),
     * LATHE_E_CONFLICT when req was answered before, LATHE_E_NOMEM, LATHE_E_INVALID for a bad
     * status or header. */

    /* Adds a header line to the coming answer. Content-Length, Connection, Date, Transfer-Encoding
     * and line breaks are refused. */
    int32_t (*add_header)(struct lathe_request *req, const char *name, const char *value);
    /* Sends status with len_bytes of data. content_type NULL for none; compressed when worthwhile.
     */
    int32_t (*respond)(struct lathe_request *req, int32_t http_status, const char *content_type,
                       const void *data, uint64_t len_bytes);
    /* Sends value as application/json; value stays the caller's. */
    int32_t (*respond_json)(struct lathe_request *req, int32_t http_status,
                            const struct lathe_json *value);
    /* Sends problem through the surface's error renderer. */
    int32_t (*respond_problem)(struct lathe_request *req, const struct lathe_problem *problem);
    /* The same from a status and its error record (may be NULL): "not_found" becomes 404 and so on.
     * code NULL: the status's name. */
    int32_t (*respond_error)(struct lathe_request *req, int32_t status, const char *code,
                             const struct lathe_error *err);
    /* Keeps a copy of err for a handler that is about to return a negative status. */
    void (*set_error)(struct lathe_request *req, const struct lathe_error *err);

    /* --- streams: chunked answers and server-sent events [loop]
     * ---------------------------------------- */
    /* Starts an answer of unknown length; "text/event-stream" turns on heartbeats. From then on the
     * stream owns the connection; req may be released. Errors: as above; user is then not taken. */
    int32_t (*stream_open)(struct lathe_request *req, int32_t http_status, const char *content_type,
                           const struct lathe_stream_handler *handler, void *user,
                           struct lathe_stream **stream);
    /* Queues data. Errors: LATHE_E_LIMIT when the budget is spent (nothing queued). */
    int32_t (*stream_write)(struct lathe_stream *stream, const void *data, uint64_t len_bytes);
    /* Queues one server-sent event; id and event may be NULL, data may hold several lines. */
    int32_t (*stream_event)(struct lathe_stream *stream, const char *id, const char *event,
                            const char *data, uint64_t len_bytes);
    uint64_t (*stream_budget)(const struct lathe_stream *stream); /* bytes that may be queued now */
    void (*stream_close)(struct lathe_stream *stream); /* flushes, ends the answer, calls closed */

    /* --- WebSockets [loop]
     * ------------------------------------------------------------------------------ */
    /* Queues one message. Errors: LATHE_E_LIMIT when the budget is spent (nothing queued),
     * LATHE_E_CANCELLED when closing, LATHE_E_INVALID for text that is not UTF-8. */
    int32_t (*ws_send)(struct lathe_ws *ws, int32_t is_text, const void *data, uint64_t len_bytes);
    uint64_t (*ws_budget)(const struct lathe_ws *ws);
    /* Starts the closing handshake after what is queued; code 1000 or 3000..4999 or another
     * sendable code. The handler's close callback follows. */
    void (*ws_close)(struct lathe_ws *ws, int32_t code, const char *reason);

    /* A one-time ticket (30 s) by which the sender of req may open a WebSocket as "?ticket=...".
     * Writes at most 64 bytes. Errors: LATHE_E_LIMIT when too many are open. */
    int32_t (*ws_ticket)(struct lathe_request *req, char out[64]);
};

#endif
