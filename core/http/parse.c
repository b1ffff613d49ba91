/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to a request: finds the end of a head with stricter rules than llhttp has, then lets
 * llhttp read it whole, so that every callback sees a complete token. No answers are made here. */
#include "core/http/conn.h"

#include <string.h>

#include "core/base/mem.h"

#define TRAILER_BYTES_MAX 8192

static int abort_with(struct http_conn *conn, int32_t status, const char *code, const char *text)
{
    conn->abort_status = status;
    conn->abort_code = code;
    conn->abort_text = text;
    return HPE_USER;
}

static struct http_conn *conn_of(llhttp_t *parser)
{
    return (struct http_conn *)parser->data;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = conn_of(parser);
    struct lathe_request *req = conn->req;

    if (len > conn->server->cfg.max_uri_bytes)
        return abort_with(conn, 414, "uri_too_long", "The request URI is too long");
    if ((req->url = request_store(req, at, len)) == 0)
        return abort_with(conn, 503, "no_memory", "Out of memory");
    req->url_len = (uint32_t)len;
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = conn_of(parser);
    struct lathe_request *req = conn->req;
    struct http_header *hdr;

    if (conn->phase == CONN_BODY) /* a trailer: read and forgotten */
        return 0;
    if (req->n_headers >= conn->server->cfg.max_headers)
        return abort_with(conn, 431, "too_many_headers", "The request has too many header lines");
    if (req->n_headers == req->cap_headers) {
        uint32_t cap = req->cap_headers ? req->cap_headers * 2 : 16;
        struct http_header *grown = mem_realloc(req->headers, cap, sizeof *grown);

        if (grown == NULL)
            return abort_with(conn, 503, "no_memory", "Out of memory");
        req->headers = grown;
        req->cap_headers = cap;
    }
    hdr = &req->headers[req->n_headers];
    memset(hdr, 0, sizeof *hdr);
    if ((hdr->name = request_store(req, at, len)) == 0)
        return abort_with(conn, 503, "no_memory", "Out of memory");
    hdr->name_len = (uint32_t)len;
    for (char *c = req->head + hdr->name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    req->n_headers++;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = conn_of(parser);
    struct lathe_request *req = conn->req;
    struct http_header *hdr;

    if (conn->phase == CONN_BODY)
        return 0;
    if (req->n_headers == 0)
        return abort_with(conn, 400, "bad_request", "The request head is malformed");
    hdr = &req->headers[req->n_headers - 1];
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (hdr->value != 0) /* never with a whole head; two spans would be a parser we do not know */
        return abort_with(conn, 400, "bad_request", "The request head is malformed");
    if ((hdr->value = request_store(req, at, len)) == 0)
        return abort_with(conn, 503, "no_memory", "Out of memory");
    hdr->value_len = (uint32_t)len;
    return 0;
}

/* Position of a header in enum http_known, or -1. */
static int known_index(const char *name, size_t len)
{
    static const struct {
        const char *name;
        uint8_t len, id;
    } known[] = {
        {"host", 4, HDR_HOST},
        {"origin", 6, HDR_ORIGIN},
        {"accept", 6, HDR_ACCEPT},
        {"expect", 6, HDR_EXPECT},
        {"upgrade", 7, HDR_UPGRADE},
        {"content-type", 12, HDR_CONTENT_TYPE},
        {"x-request-id", 12, HDR_X_REQUEST_ID},
        {"authorization", 13, HDR_AUTHORIZATION},
        {"if-none-match", 13, HDR_IF_NONE_MATCH},
        {"accept-encoding", 15, HDR_ACCEPT_ENCODING},
        {"content-encoding", 16, HDR_CONTENT_ENCODING},
        {"transfer-encoding", 17, HDR_TRANSFER_ENCODING},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].len == len && memcmp(known[i].name, name, len) == 0)
            return known[i].id;
    return -1;
}

static int on_header_done(llhttp_t *parser)
{
    struct http_conn *conn = conn_of(parser);
    struct lathe_request *req = conn->req;
    struct http_header *hdr;
    int id;

    if (conn->phase == CONN_BODY || req->n_headers == 0)
        return 0;
    hdr = &req->headers[req->n_headers - 1];
    if (hdr->name_len == 0)
        return abort_with(conn, 400, "bad_request", "A header line has no name");
    if (hdr->value == 0 && (hdr->value = request_store(req, "", 0)) == 0)
        return abort_with(conn, 503, "no_memory", "Out of memory");
    id = known_index(req->head + hdr->name, hdr->name_len);
    if (id < 0)
        return 0;
    if (req->known[id] == 0)
        req->known[id] = (uint8_t)req->n_headers;
    else if (id == HDR_HOST || id == HDR_CONTENT_TYPE || id == HDR_AUTHORIZATION ||
             id == HDR_ORIGIN)
        return abort_with(conn, 400, "duplicate_header",
                          "A header that may appear once was sent twice");
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = conn_of(parser);
    struct lathe_request *req = conn->req;

    if (req->body_len + len > req->body_limit)
        return abort_with(conn, 413, "body_too_large", "The request body is too large");
    if (req->early_status != 0) { /* it will be refused: count, do not keep */
        req->body_len += len;
        return 0;
    }
    if (!request_body_add(req, at, len))
        return abort_with(conn, 503, "no_memory", "Out of memory");
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    conn_of(parser)->message_done = 1;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_done,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

const llhttp_settings_t *parse_settings(void)
{
    return &settings;
}

long parse_find_head(const char *data, size_t len_bytes, size_t *scan_off)
{
    size_t at = *scan_off;

    while (at < len_bytes) {
        const char *lf;
        size_t i;

        if (at > 0 && data[at - 1] == '\n' && (data[at] == ' ' || data[at] == '\t'))
            return -1; /* a folded line */
        lf = memchr(data + at, '\n', len_bytes - at);
        if (lf == NULL)
            break;
        i = (size_t)(lf - data);
        if (i == 0 || data[i - 1] != '\r')
            return -1; /* a bare line feed */
        if (i >= 3 && data[i - 2] == '\n')
            return (long)(i + 1);
        at = i + 1;
    }
    *scan_off = len_bytes;
    return 0;
}

static int method_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_M_GET;
    case HTTP_HEAD:
        return HTTP_M_HEAD;
    case HTTP_POST:
        return HTTP_M_POST;
    case HTTP_PUT:
        return HTTP_M_PUT;
    case HTTP_PATCH:
        return HTTP_M_PATCH;
    case HTTP_DELETE:
        return HTTP_M_DELETE;
    case HTTP_OPTIONS:
        return HTTP_M_OPTIONS;
    default:
        return -1;
    }
}

/* What llhttp lets pass and we do not. */
static int check_head(struct http_conn *conn)
{
    struct lathe_request *req = conn->req;
    const char *text;
    int method = method_of(conn->parser.method);

    if (conn->parser.http_major != 1 || conn->parser.http_minor > 1)
        return abort_with(conn, 505, "version_not_supported",
                          "Only HTTP/1.0 and HTTP/1.1 are served");
    req->http_minor = conn->parser.http_minor;
    if (method < 0)
        return abort_with(conn, 501, "method_not_implemented", "This method is not offered");
    req->method = (enum http_method)method;
    req->is_head = method == HTTP_M_HEAD;
    if (req->http_minor == 1 && req->known[HDR_HOST] == 0)
        return abort_with(conn, 400, "host_missing", "The Host header is missing");
    if ((text = request_header(req, HDR_TRANSFER_ENCODING)) != NULL) {
        if (strcasecmp(text, "chunked") != 0)
            return abort_with(conn, 501, "transfer_encoding", "Only chunked transfer is offered");
        if (req->http_minor == 0)
            return abort_with(conn, 400, "bad_request", "HTTP/1.0 has no chunked transfer");
    }
    if ((text = request_header(req, HDR_EXPECT)) != NULL) {
        if (strcasecmp(text, "100-continue") != 0)
            return abort_with(conn, 417, "expectation_failed", "Only 100-continue can be expected");
        req->expects_continue = req->http_minor == 1;
    }
    return 0;
}

static int parse_failed(struct http_conn *conn, llhttp_errno_t rc)
{
    if (conn->abort_status == 0) {
        if (rc == HPE_INVALID_METHOD)
            abort_with(conn, 400, "bad_request", "The request line is malformed");
        else if (rc == HPE_PAUSED_H2_UPGRADE || rc == HPE_INVALID_VERSION)
            abort_with(conn, 505, "version_not_supported", "Only HTTP/1.0 and HTTP/1.1 are served");
        else
            abort_with(conn, 400, "bad_request", "The request is malformed");
    }
    return -1;
}

/* "METHOD SP target SP version": llhttp would take more blanks. */
static int line_has_two_blanks(const char *data, size_t len_bytes)
{
    const char *end = memchr(data, '\r', len_bytes);
    const char *first = end ? memchr(data, ' ', (size_t)(end - data)) : NULL;
    const char *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;

    return second != NULL && second > first + 1 && second + 9 == end;
}

int parse_head(struct http_conn *conn, const char *data, size_t len_bytes)
{
    llhttp_errno_t rc;

    llhttp_reset(&conn->parser);
    conn->message_done = 0;
    conn->abort_status = 0;
    conn->raw_body = 0;
    if (!line_has_two_blanks(data, len_bytes))
        return abort_with(conn, 400, "bad_request", "The request line is malformed"), -1;
    rc = llhttp_execute(&conn->parser, data, len_bytes);
    if (rc == HPE_PAUSED_UPGRADE)
        conn->message_done = 1;
    else if (rc != HPE_OK && !(rc == HPE_PAUSED && conn->message_done))
        return parse_failed(conn, rc);
    if (check_head(conn) != 0)
        return -1;
    conn->req->is_upgrade = conn->parser.upgrade != 0;
    conn->req->keep_alive = llhttp_should_keep_alive(&conn->parser);
    if (conn->parser.upgrade) /* llhttp answers 0 there; an unwanted upgrade is a plain request */
        conn->req->keep_alive = conn->req->http_minor == 1;
    return conn->message_done;
}

int parse_body(struct http_conn *conn, const char *data, size_t len_bytes, size_t *used)
{
    llhttp_errno_t rc = llhttp_execute(&conn->parser, data, len_bytes);

    *used = len_bytes;
    if (rc == HPE_OK || (conn->message_done && (rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE))) {
        if (conn->message_done) {
            const char *stop = llhttp_get_error_pos(&conn->parser);

            if (stop != NULL && stop >= data && stop <= data + len_bytes)
                *used = (size_t)(stop - data);
        }
        conn->raw_body += *used;
        /* Chunk framing and trailers cost at most so much more than the body they carry. */
        if (conn->raw_body > conn->req->body_len * 8 + TRAILER_BYTES_MAX * 8)
            return abort_with(conn, 413, "body_too_large", "The request body is too large"), -1;
        return conn->message_done;
    }
    return parse_failed(conn, rc);
}
