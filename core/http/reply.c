/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an answer: status line and header lines from prepared pieces, body, log line, counters.
 */
#define LOG_MODULE "http"
#include "core/http/conn.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define HEAD_CAP 1024 /* the server's own lines; extra lines follow from req->extra */

/* A head under construction. Its parts have known bounds, HEAD_CAP covers their sum. */
struct head_buf {
    char data[HEAD_CAP];
    size_t len;
};

static void put(struct head_buf *head, const char *text, size_t len)
{
    if (len > HEAD_CAP - head->len)
        len = HEAD_CAP - head->len;
    memcpy(head->data + head->len, text, len);
    head->len += len;
}

#define PUT_LIT(head, lit) put(head, lit, sizeof(lit) - 1)

static void put_u64(struct head_buf *head, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put(head, digits + at, sizeof digits - at);
}

const char *reply_reason(int32_t status)
{
    static const struct {
        int16_t status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

static void put_status(struct head_buf *head, int32_t status)
{
    const char *reason;

    if (status == 200) {
        PUT_LIT(head, "HTTP/1.1 200 OK\r\n");
        return;
    }
    reason = reply_reason(status);
    PUT_LIT(head, "HTTP/1.1 ");
    put_u64(head, (uint64_t)status);
    PUT_LIT(head, " ");
    put(head, reason, strlen(reason));
    PUT_LIT(head, "\r\n");
}

static int has_no_body(int32_t status)
{
    return status == 204 || status == 304;
}

static void put_cors(struct head_buf *head, const struct lathe_request *req)
{
    const char *origin = request_header(req, HDR_ORIGIN);

    if (req->cors_ok && origin != NULL) {
        PUT_LIT(head, "Access-Control-Allow-Origin: ");
        put(head, origin,
            strlen(origin)); /* equals an entry of the allow list, so its length is sane */
        PUT_LIT(head, "\r\nAccess-Control-Allow-Credentials: true\r\n"
                      "Access-Control-Expose-Headers: X-Total-Count, X-Request-Id\r\n");
    }
    if (origin != NULL)
        PUT_LIT(head, "Vary: Origin\r\n");
}

static void put_head(struct head_buf *head, struct lathe_request *req, int32_t status,
                     const char *type, int64_t content_length)
{
    const char *date;
    size_t date_len;

    put_status(head, status);
    date = server_date(req->server, &date_len);
    put(head, date, date_len);
    if (type != NULL) {
        PUT_LIT(head, "Content-Type: ");
        put(head, type, strlen(type));
        PUT_LIT(head, "\r\n");
    }
    if (content_length >= 0) {
        if (!has_no_body(status)) {
            PUT_LIT(head, "Content-Length: ");
            put_u64(head, (uint64_t)content_length);
            PUT_LIT(head, "\r\n");
        }
    } else if (req->http_minor == 1) {
        PUT_LIT(head, "Transfer-Encoding: chunked\r\n");
    } else {
        req->keep_alive = 0; /* 1.0: the end of the connection ends the body */
    }
    PUT_LIT(head, "X-Request-Id: ");
    put(head, req->id, strlen(req->id));
    PUT_LIT(head, "\r\nX-Content-Type-Options: nosniff\r\n");
    put_cors(head, req);
    if (req->server->draining)
        req->keep_alive = 0;
    if (!req->keep_alive)
        PUT_LIT(head, "Connection: close\r\n");
    else if (req->http_minor == 0)
        PUT_LIT(head, "Connection: keep-alive\r\n");
    if (req->extra.len_bytes == 0)
        PUT_LIT(head, "\r\n");
}

int reply_usable(const struct lathe_request *req, int32_t *st)
{
    if (req->on_pool) {
        *st = req->pool_answered ? LATHE_E_CONFLICT : LATHE_OK;
        return !req->pool_answered;
    }
    if (req->phase == REQ_ANSWERED)
        *st = LATHE_E_CONFLICT;
    else if (req->phase == REQ_GONE || req->conn == NULL)
        *st = LATHE_E_CANCELLED;
    else
        return 1;
    return 0;
}

int32_t reply_head(struct lathe_request *req, int32_t status, const char *type,
                   int64_t content_length)
{
    struct head_buf head;
    struct evbuffer *out = req->conn->out;

    head.len = 0;
    put_head(&head, req, status, type, content_length);
    if (head.len >= HEAD_CAP)
        return LATHE_E_INVALID;
    if (evbuffer_add(out, head.data, head.len) != 0)
        return LATHE_E_NOMEM;
    if (req->extra.len_bytes > 0 &&
        (evbuffer_add(out, req->extra.data, req->extra.len_bytes) != 0 ||
         evbuffer_add(out, "\r\n", 2) != 0))
        return LATHE_E_NOMEM;
    req->status = status;
    return LATHE_OK;
}

static void count_op(struct http_server *server, struct http_op *op, int32_t status, int64_t ns)
{
    char labels[160];

    http_metric_observe_ns(op->latency, ns);
    for (int i = 0; i < HTTP_OP_COUNTERS; i++) {
        if (op->counters[i].status == status) {
            http_metric_add(op->counters[i].metric, 1);
            return;
        }
        if (op->counters[i].status == 0) {
            snprintf(labels, sizeof labels, "surface=\"%.40s\",operation=\"%.64s\",status=\"%d\"",
                     op->mount->name, op->id, (int)status);
            op->counters[i].status = status;
            op->counters[i].metric =
                http_metrics_get(server->metrics, HTTP_METRIC_COUNTER, "lathe_http_requests_total",
                                 "Requests answered.", labels);
            http_metric_add(op->counters[i].metric, 1);
            return;
        }
    }
}

void reply_done(struct lathe_request *req, uint64_t body_bytes)
{
    struct http_server *server = req->server;
    int64_t ns = (server->now_ns = clock_mono_ns()) - req->start_ns;
    struct http_conn *conn = req->conn;

    req->sent_bytes = body_bytes;
    req->phase = REQ_ANSWERED;
    if (req->op != NULL) {
        count_op(server, req->op, req->status, ns);
    } else {
        http_metric_add(server->m_core, 1);
        http_metric_observe_ns(server->m_core_latency, ns);
    }
    if (server->cfg.access_log && !req->no_log)
        access_log_add(&server->access_log, req, ns);
    if (conn != NULL)
        conn_answered(conn);
}

/* An answer outside its contract is a defect: in tests it becomes a 500 that says so. */
static int check_answer(struct lathe_request *req, int32_t status, const char *type,
                        const void *data, uint64_t len)
{
    char text[LATHE_ERROR_TEXT];
    const char *wrong;

    if (!req->server->cfg.validate_responses || req->op == NULL || req->rendering)
        return 1;
    wrong = contract_check_answer(req->op, status, type, data, (size_t)len, text, sizeof text);
    if (wrong == NULL)
        return 1;
    log_error("answer breaks the contract", F_STR("operation", req->op->id),
              F_INT("status", status), F_STR("detail", wrong));
    strbuf_clear(&req->extra);
    problem_simple(req, 500, "contract_violation", wrong);
    return 0;
}

static int32_t store_for_loop(struct lathe_request *req, int32_t status, const char *type,
                              const void *data, uint64_t len)
{
    strbuf_clear(&req->pool_body);
    strbuf_add(&req->pool_body, data, (size_t)len);
    if (req->pool_body.failed)
        return LATHE_E_NOMEM;
    req->has_pool_type = type != NULL;
    snprintf(req->pool_type, sizeof req->pool_type, "%s", type ? type : "");
    req->status = status;
    req->pool_rendered = req->rendering;
    req->pool_answered = 1;
    return LATHE_OK;
}

int32_t reply_send(struct lathe_request *req, int32_t status, const char *type, const void *data,
                   uint64_t len_bytes)
{
    char *packed = NULL;
    size_t packed_len = 0;
    int32_t st = LATHE_OK;

    if (!reply_usable(req, &st))
        return st;
    if (status < 200 || status > 599 || (len_bytes > 0 && data == NULL))
        return LATHE_E_INVALID;
    if (type != NULL && (strlen(type) > 90 || strpbrk(type, "\r\n") != NULL))
        return LATHE_E_INVALID;
    if (req->on_pool)
        return store_for_loop(req, status, type, data, len_bytes);
    if (!check_answer(req, status, type, data, len_bytes))
        return LATHE_OK;
    if (len_bytes >= 1024 && gzip_worthwhile(type, len_bytes)) {
        reply_add_header(req, "Vary", "Accept-Encoding");
        if (gzip_accepted(request_header(req, HDR_ACCEPT_ENCODING)) &&
            gzip_pack(req->server, data, (size_t)len_bytes, &packed, &packed_len) == LATHE_OK) {
            reply_add_header(req, "Content-Encoding", "gzip");
            data = packed;
            len_bytes = packed_len;
        }
    }
    st = reply_head(req, status, type, (int64_t)len_bytes);
    if (st == LATHE_OK && !req->is_head && !has_no_body(status) && len_bytes > 0 &&
        evbuffer_add(req->conn->out, data, (size_t)len_bytes) != 0)
        st = LATHE_E_NOMEM;
    mem_free(packed);
    if (st == LATHE_OK)
        reply_done(req, len_bytes);
    else
        conn_close(req->conn); /* half an answer cannot be mended */
    return st;
}

static int header_is_ours(const char *name)
{
    static const char *const ours[] = {"content-length",    "connection",   "date",
                                       "transfer-encoding", "x-request-id", NULL};

    for (size_t i = 0; ours[i] != NULL; i++)
        if (strcasecmp(ours[i], name) == 0)
            return 1;
    return 0;
}

int32_t reply_add_header(struct lathe_request *req, const char *name, const char *value)
{
    int32_t st = LATHE_OK;

    if (!reply_usable(req, &st))
        return st;
    if (name == NULL || value == NULL || *name == '\0' || header_is_ours(name))
        return LATHE_E_INVALID;
    for (const char *c = name; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              *c == '-' || *c == '_'))
            return LATHE_E_INVALID;
    for (const char *c = value; *c != '\0'; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return LATHE_E_INVALID;
    strbuf_adds(&req->extra, name);
    strbuf_adds(&req->extra, ": ");
    strbuf_adds(&req->extra, value);
    strbuf_adds(&req->extra, "\r\n");
    return req->extra.failed ? LATHE_E_NOMEM : LATHE_OK;
}
