/* REST surfaces, kind "lathe.api/1": an embedded OpenAPI 3.1 contract plus a table operationId ->
 * handler. Threads: [loop]; handlers marked LATHE_OPERATION_BLOCKING run on [pool]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_API_H
#define LATHE_API_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_API "lathe.api/1"

struct lathe_json;
struct lathe_request; /* one HTTP request; read and answered through lathe/http.h */
struct lathe_ws;      /* one open WebSocket */

/* The contract document may carry these extension members, read by the server:
 *   x-lathe-websocket: true          (operation) GET that upgrades; bound to lathe_operation.ws
 *   x-lathe-strict-query: false      (operation or root) unknown query parameters are let through
 *   x-lathe-query-status: 422        (operation) status for bad query parameters; 400 when absent
 *   x-lathe-max-body-bytes: 67108864 (operation) replaces the server's body limit
 *   x-lathe-raw-body: true           (operation) body is not parsed; the handler reads bytes
 * security on an operation or the root lists scopes: [{"bearer": ["agentgym:write"]}]; [] means
 * open to all. Without it reading methods ask for "<surface>:read" and the others for
 * "<surface>:write". */

/* One thing wrong with a request. keyword is the JSON Schema keyword that failed ("required",
 * "additionalProperties", "type", "minimum", ...), or "json_invalid" for a body that is no JSON.
 * loc starts with "path", "query", "header" or "body" and goes down to the member; array indexes
 * are decimal text. Memory: borrowed for the call that received it. */
struct lathe_violation {
    uint32_t struct_size, flags;
    const char *keyword;
    const char *const *loc; /* NULL-terminated */
    const char *message;    /* one sentence in English */
    const char *input_json; /* the offending value as JSON text, or NULL when there is none */
    const char *limit_json; /* the keyword's value in the schema as JSON text, or NULL */
};

/* A failed request, before a surface gives it its own shape. Made by the server (unknown route 404,
 * wrong method 405, ...) and by handlers. Every pointer may be NULL. The server adds Allow,
 * WWW-Authenticate and Retry-After by itself. Memory: borrowed for the call. */
struct lathe_problem {
    uint32_t struct_size, flags;
    int32_t http_status;
    uint32_t retry_after_s; /* 0: none */
    const char *code;       /* stable lower-case word: "session_not_found", "validation_error" */
    const char *text;       /* for people */
    const char *field;      /* option or member at fault */
    const char *extra_json; /* further members of the answer, as the text of one JSON object */
    const struct lathe_violation *const *violations; /* NULL-terminated */
};

/* Callbacks of a WebSocket operation. */
struct lathe_ws_handler {
    uint32_t struct_size, flags;
    uint32_t queue_bytes;         /* output budget, 0: 256 KiB; a send beyond it is refused */
    uint32_t max_message_bytes;   /* longer input closes with 1009; 0: 64 KiB */
    uint32_t slow_ms;             /* budget exceeded this long closes with slow_code; 0: 10 000 */
    uint32_t slow_code;           /* 0: 4408 */
    const char *const *protocols; /* subprotocols offered, NULL-terminated or NULL */

    /* A client connected; the 101 is already sent, so that a refusal is a close code a browser can
     * read: call ws_close and return LATHE_OK. *user is handed to the other callbacks. req is
     * readable until open returns. Errors: any status closes with 1011, and close is then not
     * called. Thread: [loop]. */
    int32_t (*open)(void *self, struct lathe_ws *ws, struct lathe_request *req, void **user);

    /* One whole message. Text was checked to be UTF-8. data is borrowed. Thread: [loop]. */
    void (*message)(void *self, void *user, struct lathe_ws *ws, int32_t is_text, const void *data,
                    uint64_t len_bytes);

    /* Optional. The queue fell below half of its budget after a refused send. Thread: [loop]. */
    void (*drained)(void *self, void *user, struct lathe_ws *ws);

    /* Exactly once for each open that returned LATHE_OK; ws is dead when it returns. code as in RFC
     * 6455, 1006 when the connection broke. Thread: [loop]. */
    void (*close)(void *self, void *user, struct lathe_ws *ws, int32_t code);
};

#define LATHE_OPERATION_BLOCKING \
    1u /* may block: runs on [pool] and must answer before it returns */

/* One operation of the contract. Exactly one of handle and ws is set. */
struct lathe_operation {
    uint32_t struct_size, flags;
    const char *id; /* operationId */

    /* Answers req, now or later. To answer later, take a reference by http->acquire before
     * returning LATHE_OK. Parameters and body were checked against the contract before the call.
     * Errors: a negative status becomes an error answer in the surface's shape, with the text given
     * to http->set_error if any; nothing may have been answered then. Thread: [loop], or [pool]
     * with LATHE_OPERATION_BLOCKING. Since 1.0. */
    int32_t (*handle)(void *self, struct lathe_request *req);

    const struct lathe_ws_handler *ws;
};

/* A surface. */
struct lathe_api {
    uint32_t struct_size, flags;
    const char *title;        /* "AgentGym" */
    const char *prefix;       /* put before every path of the contract; "" or NULL for none */
    const char *openapi_json; /* OpenAPI 3.1 document, UTF-8 */
    uint64_t openapi_len;     /* bytes; 0 when the text is NUL-terminated */
    const struct lathe_operation *const
        *operations; /* NULL-terminated; must match the contract both ways */

    /* Opens the surface. Memory: host lives until close returns, params until open returns.
     * Errors: any status; the server then refuses to start, or names the surface as broken.
     * Thread: [loop]. Since 1.0. */
    int32_t (*open)(const struct lathe_host *host, const struct lathe_params *params,
                    struct lathe_error *err, void **self);
    void (*close)(void *self); /* no handler runs any more; parked requests were dropped */

    /* Optional. Answers req with problem in this surface's error shape, by http->respond. Without
     * it the server writes {"detail":text,"code":code,"request_id":id}. Must answer before it
     * returns; an unanswered problem is answered by the server. Thread: [loop]; [pool] for blocking
     * handlers. */
    int32_t (*render_error)(void *self, struct lathe_request *req,
                            const struct lathe_problem *problem);

    /* Optional. Capability query; NULL for unknown ids. */
    const void *(*extension)(void *self, const char *id);
};

/* Operation initialisers for C, used inside a table that ends with NULL. */
#define LATHE_OPERATION(op_id, handler) \
    (&(const struct lathe_operation){sizeof(struct lathe_operation), 0, op_id, handler, NULL})
#define LATHE_OPERATION_POOL(op_id, handler)                                                   \
    (&(const struct lathe_operation){sizeof(struct lathe_operation), LATHE_OPERATION_BLOCKING, \
                                     op_id, handler, NULL})
#define LATHE_OPERATION_WS(op_id, callbacks) \
    (&(const struct lathe_operation){sizeof(struct lathe_operation), 0, op_id, NULL, callbacks})

#endif
