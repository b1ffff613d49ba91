/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket on a connection's own buffers: handshake, frames by wslay, pings, output budget,
 * closing. wslay's send callback always takes everything into the output buffer, so the budget is
 * one number, and input is not read while that buffer is full: a peer that never reads cannot make
 * us queue pongs. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/http/conn.h"

#define QUEUE_BYTES (256u * 1024)
#define MESSAGE_BYTES (64u * 1024)
#define SLOW_MS 10000
#define SLOW_CODE 4408
#define CLOSE_WAIT_MS 2000
#define CONTROL_SLACK 4096 /* control frames may pass the budget by this */

struct lathe_ws {
    struct http_conn *conn;
    wslay_event_context_ptr ctx;
    const struct lathe_ws_handler *handler; /* NULL: refused, only the close frame is sent */
    void *self, *user;
    uint32_t queue_bytes, slow_ms, slow_code;
    int opened, closing, busy, orphan;
    int32_t code; /* what the close callback will be told; 0: 1006 */
    int64_t seen_ms, ping_ms, refused_ms;
};

/* --- handshake
 * ------------------------------------------------------------------------------------------- */

int ws_wanted(const struct lathe_request *req)
{
    const char *upgrade = request_header(req, HDR_UPGRADE);
    const char *key = request_header_named(req, "sec-websocket-key");
    const char *version = request_header_named(req, "sec-websocket-version");
    unsigned char raw[18];

    return req->is_upgrade && req->method == HTTP_M_GET && req->http_minor == 1 &&
           upgrade != NULL && strcasecmp(upgrade, "websocket") == 0 && version != NULL &&
           strcmp(version, "13") == 0 && key != NULL && strlen(key) == 24 &&
           base64_decode(key, 24, raw, sizeof raw) == 16;
}

static int accept_text(const char *key, char out[32])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    char text[64];

    snprintf(text, sizeof text, "%.24s%s", key, guid);
    if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) != 1)
        return 0;
    base64_encode(digest, 20, out);
    return 1;
}

static int offers(const struct lathe_ws_handler *handler, const char *name, size_t len)
{
    for (size_t i = 0; handler->protocols != NULL && handler->protocols[i] != NULL; i++)
        if (strlen(handler->protocols[i]) == len && memcmp(handler->protocols[i], name, len) == 0)
            return 1;
    /* Without a list of its own a handler takes what comes; browsers insist on an answer. */
    return handler->protocols == NULL && !(len > 7 && memcmp(name, "bearer.", 7) == 0);
}

/* The first subprotocol of the client that the handler offers. */
static size_t choose_protocol(const struct lathe_request *req, char *out, size_t cap)
{
    const char *at = request_header_named(req, "sec-websocket-protocol");

    while (at != NULL && *at != '\0') {
        size_t len;

        at += strspn(at, " \t,");
        len = strcspn(at, " \t,");
        if (len > 0 && len < cap && offers(req->op->impl->ws, at, len)) {
            memcpy(out, at, len);
            out[len] = '\0';
            return len;
        }
        at += len;
    }
    return 0;
}

static int send_handshake(struct lathe_request *req)
{
    char accept[32], protocol[128];

    if (!accept_text(request_header_named(req, "sec-websocket-key"), accept))
        return 0;
    evbuffer_add_printf(req->conn->out,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nX-Request-Id: %s\r\n",
                        accept, req->id);
    if (choose_protocol(req, protocol, sizeof protocol) > 0)
        evbuffer_add_printf(req->conn->out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    return evbuffer_add(req->conn->out, "\r\n", 2) == 0;
}

/* --- wslay callbacks
 * --------------------------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
    struct lathe_ws *ws = arg;
    int n = 0;

    (void)flags;
    if (!ws->orphan)
        n = evbuffer_remove(ws->conn->in, buf, len);
    if (n > 0)
        return n;
    wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct lathe_ws *ws = arg;

    (void)flags;
    if (!ws->orphan && evbuffer_add(ws->conn->out, data, len) == 0)
        return (ssize_t)len;
    wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg,
                       void *arg)
{
    struct lathe_ws *ws = arg;

    (void)ctx;
    if (msg->opcode == WSLAY_CONNECTION_CLOSE) {
        if (ws->code == 0)
            ws->code = msg->status_code ? msg->status_code : 1005;
        return;
    }
    if (ws->orphan || ws->closing || !ws->opened || wslay_is_ctrl_frame(msg->opcode))
        return;
    if (ws->handler->message != NULL)
        ws->handler->message(ws->self, ws->user, ws, msg->opcode == WSLAY_TEXT_FRAME, msg->msg,
                             msg->msg_length);
}

/* --- life
 * --------------------------------------------------------------------------------------------------
 */

static void free_ws(struct lathe_ws *ws)
{
    wslay_event_context_free(ws->ctx);
    mem_free(ws);
}

/* The connection is going: tell the handler, and free unless wslay is on the stack. */
void ws_gone(struct http_conn *conn)
{
    struct lathe_ws *ws = conn->ws;
    struct http_server *server = conn->server;

    if (ws == NULL)
        return;
    conn->ws = NULL;
    ws->closing = 1;
    server->n_ws--;
    http_metric_set(server->m_ws, server->n_ws);
    if (ws->opened && ws->handler->close != NULL) {
        ws->opened = 0;
        ws->busy++;
        ws->handler->close(ws->self, ws->user, ws, ws->code ? ws->code : 1006);
        ws->busy--;
    }
    ws->orphan = 1;
    if (ws->busy == 0)
        free_ws(ws);
}

/* Moves wslay's queue to the output and ends the connection after both close frames. */
static void pump(struct lathe_ws *ws)
{
    struct http_conn *conn = ws->conn;

    if (wslay_event_send(ws->ctx) != 0) { /* calls nothing but on_send */
        conn_close(conn);
        return;
    }
    if (!wslay_event_want_read(ws->ctx) && !wslay_event_want_write(ws->ctx)) {
        conn->must_linger = 1;
        ws_gone(conn); /* may free ws: not used below */
        conn_finish(conn);
        return;
    }
    if (conn->depth == 0)
        server_kick(conn->server, conn);
}

static void start_close(struct lathe_ws *ws, int32_t code, const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;

    if (ws->closing)
        return;
    ws->closing = 1;
    ws->code = code;
    conn_set_deadline(ws->conn, CLOSE_WAIT_MS);
    if (wslay_event_queue_close(ws->ctx, (uint16_t)code, (const uint8_t *)reason,
                                len > 120 ? 120 : len) != 0)
        return;
    if (ws->busy == 0)
        pump(ws);
}

static struct lathe_ws *make_ws(struct lathe_request *req)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
    const struct lathe_ws_handler *handler = req->op->impl->ws;
    struct lathe_ws *ws = mem_new(struct lathe_ws);

    if (ws == NULL)
        return NULL;
    if (wslay_event_context_server_init(&ws->ctx, &callbacks, ws) != 0) {
        mem_free(ws);
        return NULL;
    }
    ws->conn = req->conn;
    ws->handler = handler;
    ws->self = req->surface->self;
    ws->queue_bytes = handler->queue_bytes ? handler->queue_bytes : QUEUE_BYTES;
    ws->slow_ms = handler->slow_ms ? handler->slow_ms : SLOW_MS;
    ws->slow_code = handler->slow_code ? handler->slow_code : SLOW_CODE;
    ws->seen_ms = ws->ping_ms = conn_now_ms();
    wslay_event_config_set_max_recv_msg_length(
        ws->ctx, handler->max_message_bytes ? handler->max_message_bytes : MESSAGE_BYTES);
    return ws;
}

/* The kernel's buffer grows to megabytes by itself: a peer that does not read would look well for
 * long, and what it gets then is old. */
static void bound_kernel_buffer(const struct lathe_ws *ws)
{
    int bytes = (int)(ws->queue_bytes < INT_MAX ? ws->queue_bytes : INT_MAX);

    (void)setsockopt(bufferevent_getfd(ws->conn->bev), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void ws_start(struct lathe_request *req, int32_t refuse_code)
{
    struct http_conn *conn = req->conn;
    struct http_server *server = conn->server;
    struct lathe_ws *ws = make_ws(req);
    int32_t st = LATHE_OK;

    if (ws == NULL || !send_handshake(req)) {
        if (ws != NULL)
            free_ws(ws);
        (void)problem_simple(req, 503, "no_memory", "Out of memory");
        return;
    }
    if (refuse_code == 0 && server->n_ws >= server->cfg.max_ws_clients)
        refuse_code = 4429;
    bound_kernel_buffer(ws);
    conn->ws = ws;
    conn->phase = CONN_WS;
    conn->deadline_ms = 0;
    bufferevent_setwatermark(conn->bev, EV_WRITE, ws->queue_bytes / 2, 0);
    server->n_ws++;
    http_metric_set(server->m_ws, server->n_ws);
    req->status = 101;
    ws->busy++;
    if (refuse_code == 0) {
        ws->opened = 1;
        st = ws->handler->open(ws->self, ws, req, &ws->user);
        if (st != LATHE_OK)
            ws->opened = 0;
    }
    if (refuse_code != 0 || st != LATHE_OK)
        start_close(ws, refuse_code != 0 ? refuse_code : 1011, NULL);
    ws->busy--;
    reply_done(req, 0);
    if (ws->orphan)
        free_ws(ws);
    else
        pump(ws);
}

/* wslay answers a broken frame header with a close frame that names no reason; send 1002 instead.
 * Its own queue is empty here, pump() saw to that. */
static void broken_frame(struct lathe_ws *ws)
{
    struct http_conn *conn = ws->conn;

    if (!ws->closing) {
        ws->code = 1002;
        evbuffer_add(conn->out, "\x88\x02\x03\xea", 4);
    }
    conn->must_linger = 1;
    ws_gone(conn);
    conn_finish(conn);
}

void ws_read(struct http_conn *conn)
{
    struct lathe_ws *ws = conn->ws;
    int rc;

    if (ws == NULL || ws->busy > 0)
        return;
    if (evbuffer_get_length(conn->in) > 0)
        ws->seen_ms = conn_now_ms();
    if (evbuffer_get_length(conn->out) >= ws->queue_bytes + CONTROL_SLACK)
        return; /* resumed by ws_written */
    ws->busy++;
    rc = wslay_event_recv(ws->ctx);
    ws->busy--;
    if (ws->orphan) {
        free_ws(ws);
        return;
    }
    if (rc != 0) {
        broken_frame(ws);
        return;
    }
    if (!wslay_event_want_read(ws->ctx) &&
        !ws->closing) { /* wslay found a broken frame, or got a close */
        ws->closing = 1;
        if (ws->code == 0)
            ws->code = wslay_event_get_status_code_sent(ws->ctx);
        conn_set_deadline(conn, CLOSE_WAIT_MS);
    }
    pump(ws);
}

void ws_written(struct http_conn *conn)
{
    struct lathe_ws *ws = conn->ws;

    if (ws == NULL || evbuffer_get_length(conn->out) > ws->queue_bytes / 2)
        return;
    if (ws->refused_ms != 0) {
        ws->refused_ms = 0;
        if (ws->opened && !ws->closing && ws->handler->drained != NULL) {
            ws->busy++;
            ws->handler->drained(ws->self, ws->user, ws);
            ws->busy--;
            if (ws->orphan) {
                free_ws(ws);
                return;
            }
            if (wslay_event_want_write(ws->ctx))
                pump(ws);
        }
    }
    if (conn->phase == CONN_WS && evbuffer_get_length(conn->in) > 0)
        server_kick(conn->server, conn);
}

void ws_tick(struct http_conn *conn, int64_t now_ms)
{
    const struct http_config *cfg = &conn->server->cfg;
    struct lathe_ws *ws = conn->ws;
    struct wslay_event_msg ping = {.opcode = WSLAY_PING};

    if (ws == NULL || ws->closing)
        return; /* the connection's deadline ends it */
    if (now_ms - ws->seen_ms > cfg->ws_dead_ms) {
        conn_close(conn);
        return;
    }
    if (ws->refused_ms != 0 && now_ms - ws->refused_ms > ws->slow_ms) {
        start_close(ws, (int32_t)ws->slow_code, "too slow");
        return;
    }
    if (now_ms - ws->ping_ms >= cfg->ws_ping_ms) {
        ws->ping_ms = now_ms;
        if (evbuffer_get_length(conn->out) < ws->queue_bytes &&
            wslay_event_queue_msg(ws->ctx, &ping) == 0)
            pump(ws);
    }
}

/* --- for handlers
 * ------------------------------------------------------------------------------------------ */

uint64_t ws_budget(const struct lathe_ws *ws)
{
    size_t queued;

    if (ws->closing || ws->orphan)
        return 0;
    queued = evbuffer_get_length(ws->conn->out) + wslay_event_get_queued_msg_length(ws->ctx);
    return queued >= ws->queue_bytes ? 0 : ws->queue_bytes - queued;
}

int32_t ws_send(struct lathe_ws *ws, int32_t is_text, const void *data, uint64_t len_bytes)
{
    struct wslay_event_msg msg = {.opcode = is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                  .msg = data,
                                  .msg_length = (size_t)len_bytes};

    if (ws->closing || ws->orphan)
        return LATHE_E_CANCELLED;
    if (is_text && !text_is_utf8(data, (size_t)len_bytes))
        return LATHE_E_INVALID;
    if (len_bytes + 16 > ws_budget(ws)) {
        if (ws->refused_ms == 0)
            ws->refused_ms = conn_now_ms();
        return LATHE_E_LIMIT;
    }
    if (wslay_event_queue_msg(ws->ctx, &msg) != 0)
        return LATHE_E_NOMEM;
    if (ws->busy == 0)
        pump(ws);
    return LATHE_OK;
}

void ws_close(struct lathe_ws *ws, int32_t code, const char *reason)
{
    int sendable = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                   (code >= 3000 && code <= 4999);

    if (!ws->orphan)
        start_close(ws, sendable ? code : 1011, reason);
}
