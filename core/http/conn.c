/* SPDX-License-Identifier: Apache-2.0 */
/* A connection from accept to close: reading, phases and their deadlines, writing straight to the
 * socket. What a request means is decided in dispatch.c.
 *
 * Direct write: EV_WRITE stays off; an answer is written at once and EV_WRITE goes on only for what
 * the socket did not take. This spares two epoll_ctl calls per request. TLS writes through
 * libevent. */
#define LOG_MODULE "http"
#include "core/http/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define LINGER_MS 2000
#define READ_HIGH_BYTES (64 * 1024)
#define BODY_SLICE_BYTES (256 * 1024)
#define PIPELINE_BURST                                                        \
    64 /* requests of one connection served in a row before others get a turn \
        */

int64_t conn_now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

void conn_set_deadline(struct http_conn *conn, uint32_t timeout_ms)
{
    /* Inside conn_process the clock was read a moment ago. */
    int64_t now_ms = conn->depth > 0 ? conn->server->now_ns / 1000000 : conn_now_ms();

    conn->deadline_ms = timeout_ms == 0 ? 0 : now_ms + timeout_ms;
}

/* --- ending
 * ------------------------------------------------------------------------------------------ */

void conn_close(struct http_conn *conn)
{
    if (conn->phase == CONN_DEAD)
        return;
    conn->phase = CONN_DEAD;
    bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
    if (conn->ws != NULL)
        ws_gone(conn);
    if (conn->stream != NULL)
        stream_gone(conn);
    if (conn->req != NULL) {
        struct lathe_request *req = conn->req;

        conn->req = NULL;
        request_detach(req);
    }
    server_kick(conn->server, conn);
}

void conn_free(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    SSL *ssl = conn->tls ? bufferevent_openssl_get_ssl(conn->bev) : NULL;

    if (ssl != NULL && conn->tls_ready) { /* say goodbye without waiting for the other side's */
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    server->n_conns--;
    http_metric_set(server->m_conns, server->n_conns);
    bufferevent_free(conn->bev);
    mem_free(conn);
}

/* Everything is written: close, or when input may be unread, half close and wait, because a reset
 * would take the answer away from the client. */
static void flushed(struct http_conn *conn)
{
    if (conn->phase != CONN_FLUSH)
        return;
    if (conn->peer_eof || (!conn->must_linger && evbuffer_get_length(conn->in) == 0)) {
        conn_close(conn);
        return;
    }
    conn->phase = CONN_LINGER;
    conn_set_deadline(conn, LINGER_MS);
    if (!conn->tls)
        shutdown(conn->fd, SHUT_WR);
    evbuffer_drain(conn->in, evbuffer_get_length(conn->in));
}

void conn_finish(struct http_conn *conn)
{
    if (conn->phase == CONN_DEAD || conn->phase == CONN_FLUSH || conn->phase == CONN_LINGER)
        return;
    conn->phase = CONN_FLUSH;
    conn_set_deadline(conn, conn->server->cfg.write_timeout_ms);
    if (conn->depth == 0)
        conn_flush(conn);
}

/* --- writing
 * ----------------------------------------------------------------------------------------- */

static void after_write(struct http_conn *conn)
{
    if (conn->phase == CONN_STREAM)
        stream_drained(conn);
    else if (conn->phase == CONN_WS)
        ws_written(conn);
    if (conn->phase == CONN_FLUSH && evbuffer_get_length(conn->out) == 0)
        flushed(conn);
}

void conn_flush(struct http_conn *conn)
{
    size_t before;
    int n = 0;

    if (conn->phase == CONN_DEAD || conn->depth > 0)
        return;
    before = evbuffer_get_length(conn->out);
    if (before > 0 && !conn->tls) {
        evbuffer_unfreeze(conn->out, 1);
        n = evbuffer_write(conn->out, conn->fd);
        evbuffer_freeze(conn->out, 1);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            conn_close(conn);
            return;
        }
    }
    if (evbuffer_get_length(conn->out) > 0) {
        if (conn->out_seen_ms == 0)
            conn->out_seen_ms = conn_now_ms();
        conn->out_seen = evbuffer_get_length(conn->out);
        bufferevent_enable(conn->bev, EV_WRITE);
        if (n > 0)
            after_write(conn);
        return;
    }
    after_write(conn);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct http_conn *conn = arg;

    if (conn->phase == CONN_DEAD)
        return;
    if (evbuffer_get_length(conn->out) == 0) {
        conn->out_seen_ms = 0;
        if (!conn->tls)
            bufferevent_disable(bev, EV_WRITE);
    }
    after_write(conn);
}

/* --- reading
 * ----------------------------------------------------------------------------------------- */

/* Answers a request that cannot be read further; the connection ends with it. */
static void refuse(struct http_conn *conn, int32_t status, const char *code, const char *text)
{
    struct lathe_request *req = conn->req;

    if (req == NULL && (req = conn->req = request_new(conn)) == NULL) {
        conn_close(conn);
        return;
    }
    http_metric_add(conn->server->m_bad, 1);
    req->keep_alive = 0;
    req->phase = REQ_OPEN;
    conn->phase = CONN_HANDLING;
    conn->must_linger = 1;
    if (req->surface == NULL && conn->listener->n_mounts == 1)
        req->surface = conn->listener->mounts[0];
    (void)problem_simple(req, status, code, text);
}

static void refuse_parsed(struct http_conn *conn)
{
    refuse(conn, conn->abort_status ? conn->abort_status : 400,
           conn->abort_code ? conn->abort_code : "bad_request",
           conn->abort_text ? conn->abort_text : "The request is malformed");
}

static void request_is_in(struct http_conn *conn)
{
    struct lathe_request *req = conn->req;

    conn->phase = CONN_HANDLING;
    conn_set_deadline(conn, conn->server->cfg.handler_timeout_ms);
    req->phase = REQ_OPEN;
    req->refs++; /* the handler's own, so that an answer inside does not free it */
    dispatch_complete(req);
    request_unref(req);
}

/* The head is parsed and judged: may the body come? */
static void expect_body(struct http_conn *conn)
{
    struct lathe_request *req = conn->req;
    uint64_t announced = (conn->parser.flags & F_CONTENT_LENGTH) ? conn->parser.content_length : 0;

    if (announced > req->body_limit || (req->early_status != 0 && req->expects_continue)) {
        if (req->early_status != 0)
            refuse(conn, req->early_status, req->early_code, req->early_text);
        else
            refuse(conn, 413, "body_too_large", "The request body is too large");
        return;
    }
    conn->phase = CONN_BODY;
    conn_set_deadline(conn, conn->server->cfg.body_timeout_ms);
    if (req->expects_continue && evbuffer_get_length(conn->in) == 0)
        evbuffer_add(conn->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* 1: progress was made; 0: more input is needed or the phase changed for good. */
static int read_head(struct http_conn *conn)
{
    const struct http_config *cfg = &conn->server->cfg;
    size_t len = evbuffer_get_length(conn->in);
    size_t most = (size_t)cfg->max_header_bytes + cfg->max_uri_bytes;
    const char *data;
    long head_len;
    int rc;

    if (len == 0)
        return 0;
    data = (const char *)evbuffer_pullup(conn->in, (ev_ssize_t)(len > most + 4 ? most + 4 : len));
    if (data == NULL)
        return conn_close(conn), 0;
    if (conn->scan_off == 0 && data[0] == '\r' && (len == 1 || data[1] == '\n')) {
        if (len == 1)
            return 0;
        evbuffer_drain(conn->in, 2); /* an empty line before the request line is allowed */
        return 1;
    }
    head_len = parse_find_head(data, len > most + 4 ? most + 4 : len, &conn->scan_off);
    if (head_len == 0 && len <= most) {
        conn->server->now_ns = clock_mono_ns();
        if (conn->phase == CONN_IDLE)
            conn_set_deadline(conn, cfg->header_timeout_ms);
        conn->phase = CONN_HEAD;
        return 0;
    }
    if (head_len == 0 || head_len > (long)most) {
        int in_uri = memchr(data, '\n', cfg->max_uri_bytes) == NULL;

        refuse(conn, in_uri ? 414 : 431, in_uri ? "uri_too_long" : "headers_too_large",
               in_uri ? "The request URI is too long" : "The request head is too large");
        return 0;
    }
    conn->scan_off = 0;
    if (head_len < 0) {
        refuse(conn, 400, "bad_request", "The request head is malformed");
        return 0;
    }
    if ((conn->req = request_new(conn)) == NULL)
        return conn_close(conn), 0;
    conn->phase = CONN_HEAD;
    rc = parse_head(conn, data, (size_t)head_len);
    evbuffer_drain(conn->in, (size_t)head_len);
    if (rc < 0) {
        refuse_parsed(conn);
        return 0;
    }
    dispatch_head(conn->req);
    if (rc > 0)
        request_is_in(conn);
    else
        expect_body(conn);
    return 1;
}

static int read_body(struct http_conn *conn)
{
    size_t len = evbuffer_get_contiguous_space(conn->in);
    const char *data;
    size_t used = 0;
    int rc;

    if (len == 0)
        return 0;
    if (len > BODY_SLICE_BYTES)
        len = BODY_SLICE_BYTES;
    if ((data = (const char *)evbuffer_pullup(conn->in, (ev_ssize_t)len)) == NULL)
        return conn_close(conn), 0;
    rc = parse_body(conn, data, len, &used);
    evbuffer_drain(conn->in, used);
    if (rc < 0) {
        struct lathe_request *req = conn->req;

        if (conn->abort_status == 413 && req->early_status != 0)
            refuse(conn, req->early_status, req->early_code, req->early_text);
        else
            refuse_parsed(conn);
        return 0;
    }
    if (rc > 0)
        request_is_in(conn);
    return 1;
}

void conn_process(struct http_conn *conn)
{
    int burst = 0, more = 1;

    if (conn->depth > 0 || conn->phase == CONN_DEAD)
        return;
    conn->depth++;
    while (more) {
        if (conn->phase == CONN_IDLE || conn->phase == CONN_HEAD) {
            if (++burst > PIPELINE_BURST) {
                server_kick(conn->server, conn);
                break;
            }
            more = read_head(conn);
        } else if (conn->phase == CONN_BODY) {
            more = read_body(conn);
        } else {
            more = 0;
        }
    }
    if (conn->phase == CONN_WS)
        ws_read(conn);
    else if (conn->phase == CONN_LINGER || conn->phase == CONN_FLUSH || conn->phase == CONN_STREAM)
        evbuffer_drain(conn->in, evbuffer_get_length(conn->in));
    conn->depth--;
    if (conn->phase == CONN_DEAD)
        return;
    if (conn->peer_eof &&
        (conn->phase == CONN_IDLE || conn->phase == CONN_HEAD || conn->phase == CONN_BODY) &&
        !conn->kicked) {
        if (evbuffer_get_length(conn->out) > 0)
            conn_finish(conn);
        else
            conn_close(conn);
    }
    conn_flush(conn);
}

void conn_answered(struct http_conn *conn)
{
    struct lathe_request *req = conn->req;
    int keep = req->keep_alive && conn->phase == CONN_HANDLING && !conn->server->draining;

    conn->req = NULL;
    request_detach(req);
    if (conn->phase == CONN_DEAD || conn->phase == CONN_STREAM || conn->phase == CONN_WS)
        return;
    if (!keep) {
        conn_finish(conn);
        return;
    }
    conn->phase = CONN_IDLE;
    conn_set_deadline(conn, conn->server->cfg.idle_timeout_ms);
    if (conn->depth > 0)
        return;
    conn_flush(conn);
    if (conn->phase == CONN_IDLE && (conn->peer_eof || evbuffer_get_length(conn->in) > 0))
        server_kick(conn->server, conn);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    conn_process(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct http_conn *conn = arg;

    (void)bev;
    if (conn->phase == CONN_DEAD)
        return;
    if (what & BEV_EVENT_CONNECTED) {
        conn->tls_ready = 1;
        return;
    }
    if ((what & BEV_EVENT_EOF) && !(what & BEV_EVENT_ERROR)) {
        /* The client may have closed only its sending side: what it asked is still answered. */
        conn->peer_eof = 1;
        if (conn->phase == CONN_HANDLING || conn->phase == CONN_FLUSH)
            return;
        conn_process(conn);
        if (conn->phase == CONN_DEAD || conn->phase == CONN_HANDLING || conn->phase == CONN_FLUSH ||
            conn->kicked)
            return;
    }
    conn_close(conn);
}

/* --- time
 * -------------------------------------------------------------------------------------------- */

static void time_out(struct http_conn *conn)
{
    conn->deadline_ms = 0;
    switch (conn->phase) {
    case CONN_HEAD:
    case CONN_BODY:
        if (conn->tls && !conn->tls_ready)
            conn_close(conn);
        else
            refuse(conn, 408, "request_timeout", "The request did not arrive in time");
        break;
    case CONN_HANDLING:
        conn->req->keep_alive = 0;
        if (conn->req->on_pool) { /* its memory is in use there; only the client is let go */
            conn_close(conn);
            break;
        }
        (void)problem_simple(conn->req, 504, "timeout", "The answer took too long");
        break;
    default:
        conn_close(conn);
    }
}

void conn_tick(struct http_conn *conn, int64_t now_ms)
{
    size_t out_len = evbuffer_get_length(conn->out);

    if (conn->phase == CONN_STREAM)
        stream_tick(conn, now_ms);
    else if (conn->phase == CONN_WS)
        ws_tick(conn, now_ms);
    if (conn->phase == CONN_DEAD)
        return;
    if (out_len > 0) {
        if (out_len != conn->out_seen || conn->out_seen_ms == 0) {
            conn->out_seen = out_len;
            conn->out_seen_ms = now_ms;
        } else if (now_ms - conn->out_seen_ms > conn->server->cfg.write_timeout_ms) {
            conn_close(conn);
            return;
        }
    } else {
        conn->out_seen_ms = 0;
    }
    if (conn->deadline_ms != 0 && now_ms >= conn->deadline_ms) {
        time_out(conn);
        conn_flush(conn);
    }
}

/* --- beginning
 * --------------------------------------------------------------------------------------- */

static void write_address(const struct sockaddr *addr, char out[HTTP_ADDR_CAP])
{
    snprintf(out, HTTP_ADDR_CAP, "unknown");
    if (addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)addr)->sin_addr, out,
                  HTTP_ADDR_CAP);
    else if (addr->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, out,
                  HTTP_ADDR_CAP);
    if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.') != NULL)
        memmove(out, out + 7, strlen(out + 7) + 1);
}

static struct bufferevent *make_bev(struct http_listener *listener, int fd)
{
    struct event_base *base = listener->server->base;
    struct bufferevent *bev;
    SSL *ssl;

    if (listener->tls == NULL)
        return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if ((ssl = SSL_new(listener->tls)) == NULL)
        return NULL;
    bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

static void turn_away(struct http_server *server, int fd, int is_tls)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 5\r\nConnection: close\r\n\r\n";

    http_metric_add(server->m_refused, 1);
    if (!is_tls)
        (void)!send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

void conn_accept(struct http_listener *listener, int fd, const struct sockaddr *addr)
{
    struct http_server *server = listener->server;
    struct http_conn *conn = NULL;

    if (server->n_conns >= server->cfg.max_connections) {
        turn_away(server, fd, listener->tls != NULL);
        return;
    }
    if ((conn = mem_new(struct http_conn)) == NULL ||
        (conn->bev = make_bev(listener, fd)) == NULL) {
        mem_free(conn);
        turn_away(server, fd, 1);
        return;
    }
    conn->server = server;
    conn->listener = listener;
    conn->fd = fd;
    conn->tls = listener->tls != NULL;
    conn->in = bufferevent_get_input(conn->bev);
    conn->out = bufferevent_get_output(conn->bev);
    llhttp_init(&conn->parser, HTTP_REQUEST, parse_settings());
    conn->parser.data = conn;
    write_address(addr, conn->client);
    conn->next = server->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->conns = conn;
    server->n_conns++;
    http_metric_add(server->m_accepted, 1);
    http_metric_set(server->m_conns, server->n_conns);
    conn->phase = conn->tls ? CONN_HEAD : CONN_IDLE;
    conn_set_deadline(conn, server->cfg.header_timeout_ms);
    bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn);
    bufferevent_setwatermark(conn->bev, EV_READ, 0,
                             READ_HIGH_BYTES + server->cfg.max_header_bytes +
                                 server->cfg.max_uri_bytes);
    bufferevent_disable(conn->bev, EV_WRITE);
    bufferevent_enable(conn->bev, conn->tls ? EV_READ | EV_WRITE : EV_READ);
}
