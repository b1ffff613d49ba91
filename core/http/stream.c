/* SPDX-License-Identifier: Apache-2.0 */
/* Answers written piece by piece: chunked bodies and server-sent events. What is queued during one
 * turn of the loop goes out in one write. A reader that stalls fills only its own budget. */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/http/conn.h"

#define QUEUE_BYTES (256 * 1024)
#define HEARTBEAT_MS 15000

struct lathe_stream {
    struct http_conn *conn;
    struct lathe_stream_handler handler;
    void *user;
    uint64_t budget;
    uint32_t heartbeat_ms; /* 0: none */
    int64_t next_beat_ms;
    int chunked, keep_alive, refused;
};

/* Ends the stream's life; the connection is the caller's business. */
static void end_stream(struct lathe_stream *stream)
{
    struct http_conn *conn = stream->conn;
    struct http_server *server = conn->server;

    conn->stream = NULL;
    server->n_streams--;
    http_metric_set(server->m_streams, server->n_streams);
    if (stream->handler.closed != NULL)
        stream->handler.closed(stream->user, stream);
    mem_free(stream);
}

void stream_gone(struct http_conn *conn)
{
    end_stream(conn->stream);
}

static struct lathe_stream *make_stream(struct lathe_request *req,
                                        const struct lathe_stream_handler *handler, void *user,
                                        int is_events)
{
    struct lathe_stream *stream = mem_new(struct lathe_stream);

    if (stream == NULL)
        return NULL;
    stream->conn = req->conn;
    stream->user = user;
    if (handler != NULL) {
        stream->handler.queue_bytes = handler->queue_bytes;
        stream->handler.heartbeat_ms = handler->heartbeat_ms;
        if (LATHE_HAS(handler, struct lathe_stream_handler, closed)) {
            stream->handler.drained = handler->drained;
            stream->handler.closed = handler->closed;
        }
    }
    stream->budget = stream->handler.queue_bytes ? stream->handler.queue_bytes : QUEUE_BYTES;
    stream->chunked = req->http_minor == 1;
    if (is_events) {
        stream->heartbeat_ms =
            stream->handler.heartbeat_ms ? stream->handler.heartbeat_ms : HEARTBEAT_MS;
        stream->next_beat_ms = conn_now_ms() + stream->heartbeat_ms;
    }
    return stream;
}

int32_t stream_open(struct lathe_request *req, int32_t status, const char *type,
                    const struct lathe_stream_handler *handler, void *user,
                    struct lathe_stream **out)
{
    int is_events = type != NULL && strncmp(type, "text/event-stream", 17) == 0;
    struct http_conn *conn = req->conn;
    struct lathe_stream *stream;
    int32_t st = LATHE_OK;

    if (!reply_usable(req, &st))
        return st;
    if (status < 200 || status > 299 || type == NULL || strlen(type) > 90 ||
        strpbrk(type, "\r\n") != NULL)
        return LATHE_E_INVALID;
    if (req->is_head) { /* the head is the whole answer */
        st = reply_send(req, status, type, NULL, 0);
        return st == LATHE_OK ? LATHE_E_CANCELLED : st;
    }
    if ((stream = make_stream(req, handler, user, is_events)) == NULL)
        return LATHE_E_NOMEM;
    if (is_events) {
        (void)reply_add_header(req, "Cache-Control", "no-cache");
        (void)reply_add_header(req, "X-Accel-Buffering", "no");
    }
    if ((st = reply_head(req, status, type, -1)) != LATHE_OK) {
        mem_free(stream);
        return st;
    }
    stream->keep_alive = req->keep_alive;
    conn->phase = CONN_STREAM;
    conn->stream = stream;
    conn->deadline_ms = 0;
    bufferevent_setwatermark(conn->bev, EV_WRITE, (size_t)stream->budget / 2, 0);
    conn->server->n_streams++;
    http_metric_set(conn->server->m_streams, conn->server->n_streams);
    *out = stream;
    reply_done(req, 0);
    server_kick(conn->server, conn);
    return LATHE_OK;
}

uint64_t stream_budget(const struct lathe_stream *stream)
{
    size_t queued = evbuffer_get_length(stream->conn->out);

    return queued >= stream->budget ? 0 : stream->budget - queued;
}

/* Frames and queues; the budget was checked. */
static int32_t queue(struct lathe_stream *stream, const void *data, size_t len)
{
    struct evbuffer *out = stream->conn->out;
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", len);

    if ((stream->chunked && evbuffer_add(out, size, (size_t)n) != 0) ||
        evbuffer_add(out, data, len) != 0 ||
        (stream->chunked && evbuffer_add(out, "\r\n", 2) != 0)) {
        conn_close(stream->conn); /* a torn chunk cannot be mended */
        return LATHE_E_NOMEM;
    }
    server_kick(stream->conn->server, stream->conn);
    return LATHE_OK;
}

int32_t stream_write(struct lathe_stream *stream, const void *data, uint64_t len_bytes)
{
    if (stream->conn->phase == CONN_DEAD)
        return LATHE_E_CANCELLED;
    if (len_bytes == 0)
        return LATHE_OK;
    if (len_bytes > stream_budget(stream)) {
        stream->refused = 1;
        return LATHE_E_LIMIT;
    }
    return queue(stream, data, (size_t)len_bytes);
}

static int is_one_line(const char *text)
{
    return text == NULL || strpbrk(text, "\r\n") == NULL;
}

int32_t stream_event(struct lathe_stream *stream, const char *id, const char *event,
                     const char *data, uint64_t len_bytes)
{
    const char *at = data, *end = data + len_bytes;
    struct strbuf text;
    int32_t st;

    if (!is_one_line(id) || !is_one_line(event))
        return LATHE_E_INVALID;
    strbuf_init(&text);
    if (id != NULL)
        strbuf_addf(&text, "id: %s\n", id);
    if (event != NULL)
        strbuf_addf(&text, "event: %s\n", event);
    do {
        const char *stop = at;

        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        strbuf_adds(&text, "data: ");
        strbuf_add(&text, at, (size_t)(stop - at));
        strbuf_addc(&text, '\n');
        at = stop + 1;
        if (stop < end && *stop == '\r' && at < end && *at == '\n')
            at++;
    } while (at < end);
    strbuf_addc(&text, '\n');
    st = text.failed ? LATHE_E_NOMEM : stream_write(stream, text.data, text.len_bytes);
    strbuf_fini(&text);
    return st;
}

void stream_close(struct lathe_stream *stream)
{
    struct http_conn *conn = stream->conn;
    int keep = stream->keep_alive && stream->chunked && !conn->server->draining;

    if (conn->stream != stream || conn->phase == CONN_DEAD)
        return; /* closed is being called, or was */
    if (stream->chunked)
        evbuffer_add(conn->out, "0\r\n\r\n", 5);
    end_stream(stream);
    bufferevent_setwatermark(conn->bev, EV_WRITE, 0, 0);
    if (keep) {
        conn->phase = CONN_IDLE;
        conn_set_deadline(conn, conn->server->cfg.idle_timeout_ms);
        server_kick(conn->server, conn);
    } else {
        conn_finish(conn);
    }
}

void stream_drained(struct http_conn *conn)
{
    struct lathe_stream *stream = conn->stream;

    if (stream == NULL || !stream->refused ||
        evbuffer_get_length(conn->out) > (size_t)stream->budget / 2)
        return;
    stream->refused = 0;
    if (stream->handler.drained != NULL)
        stream->handler.drained(stream->user, stream);
}

void stream_tick(struct http_conn *conn, int64_t now_ms)
{
    struct lathe_stream *stream = conn->stream;

    if (stream == NULL || stream->heartbeat_ms == 0 || now_ms < stream->next_beat_ms)
        return;
    stream->next_beat_ms = now_ms + stream->heartbeat_ms;
    if (evbuffer_get_length(conn->out) == 0) /* a stalled reader needs no sign of life */
        (void)queue(stream, ":\n\n", 3);
}
