/* SPDX-License-Identifier: Apache-2.0 */
/* The request object: storage of its text, counted references, reuse. */
#include "core/http/conn.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/json/json.h"

#define FREE_REQUESTS_MAX 256
#define KEPT_HEAD_BYTES 8192
#define HEAD_BYTES_FIRST 1024
#define HEAD_BYTES_LIMIT (1u << 20)

static const char *const no_scopes[] = {NULL};

/* A short id that does not repeat while the server runs: SplitMix64 over a random start. */
static void make_id(struct http_server *server, char id[HTTP_ID_CAP])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t z = (server->id_state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    for (int i = 0; i < 16; i++, z >>= 4)
        id[i] = digits[z & 15];
    id[16] = '\0';
}

static void link_request(struct http_server *server, struct lathe_request *req)
{
    req->prev = NULL;
    req->next = server->requests;
    if (req->next != NULL)
        req->next->prev = req;
    server->requests = req;
}

static void unlink_request(struct http_server *server, struct lathe_request *req)
{
    if (req->prev != NULL)
        req->prev->next = req->next;
    else
        server->requests = req->next;
    if (req->next != NULL)
        req->next->prev = req->prev;
}

/* Everything but the reusable buffers back to zero. */
static void reset_request(struct lathe_request *req)
{
    struct lathe_request kept = *req;

    memset(req, 0, sizeof *req);
    req->head = kept.head;
    req->head_cap = kept.head_cap;
    req->headers = kept.headers;
    req->cap_headers = kept.cap_headers;
    req->values = kept.values;
    req->cap_values = kept.cap_values;
    req->extra = kept.extra;
    req->pool_body = kept.pool_body;
    strbuf_clear(&req->extra);
    strbuf_clear(&req->pool_body);
    req->head_len = 1; /* offset 0 means absent */
}

struct lathe_request *request_new(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct lathe_request *req = server->free_requests;

    if (req != NULL) {
        server->free_requests = req->next_free;
        server->n_free_requests--;
        reset_request(req);
    } else {
        if ((req = mem_new(struct lathe_request)) == NULL)
            return NULL;
        if ((req->head = mem_alloc(HEAD_BYTES_FIRST)) == NULL) {
            mem_free(req);
            return NULL;
        }
        req->head_cap = HEAD_BYTES_FIRST;
        req->head_len = 1;
        strbuf_init(&req->extra);
        strbuf_init(&req->pool_body);
    }
    req->head[0] = '\0';
    req->server = server;
    req->conn = conn;
    req->listener = conn->listener;
    req->refs = 1;
    req->phase = REQ_READING;
    req->body_limit = server->cfg.max_body_bytes;
    req->start_ns = server->now_ns = clock_mono_ns();
    req->identity.struct_size = sizeof req->identity;
    req->identity.subject = "anonymous";
    req->identity.role = "admin";
    req->identity.scopes = no_scopes;
    make_id(server, req->id);
    memcpy(req->client, conn->client, sizeof req->client);
    link_request(server, req);
    return req;
}

static void free_request(struct lathe_request *req)
{
    strbuf_fini(&req->extra);
    strbuf_fini(&req->pool_body);
    mem_free(req->head);
    mem_free(req->headers);
    mem_free(req->values);
    mem_free(req);
}

void request_free_all(struct http_server *server)
{
    while (server->free_requests != NULL) {
        struct lathe_request *req = server->free_requests;

        server->free_requests = req->next_free;
        free_request(req);
    }
    server->n_free_requests = 0;
}

static void retire(struct lathe_request *req)
{
    struct http_server *server = req->server;

    if (server != NULL)
        unlink_request(server, req);
    mem_free(req->body);
    mem_free(req->identity_text);
    json_decref(req->json);
    req->body = req->identity_text = NULL;
    req->json = NULL;
    if (server == NULL || server->n_free_requests >= FREE_REQUESTS_MAX ||
        req->head_cap > KEPT_HEAD_BYTES || req->extra.cap_bytes > KEPT_HEAD_BYTES ||
        req->pool_body.cap_bytes > KEPT_HEAD_BYTES) {
        free_request(req);
        return;
    }
    req->next_free = server->free_requests;
    server->free_requests = req;
    server->n_free_requests++;
}

void request_unref(struct lathe_request *req)
{
    if (req == NULL)
        return;
    if (req->refs == 2 && req->phase == REQ_OPEN && req->conn != NULL && !req->on_pool) {
        /* Only the connection's own reference is left: nobody can answer any more. */
        req->refs--;
        problem_simple(req, 500, "no_answer", "The handler gave no answer");
        return;
    }
    if (--req->refs == 0)
        retire(req);
}

void request_detach(struct lathe_request *req)
{
    req->conn = NULL;
    if (req->phase != REQ_ANSWERED)
        req->phase = REQ_GONE;
    if (--req->refs == 0)
        retire(req);
}

uint32_t request_store(struct lathe_request *req, const char *text, size_t len_bytes)
{
    uint32_t at = req->head_len;
    int inside = text >= req->head && text < req->head + req->head_len;
    size_t offset = inside ? (size_t)(text - req->head) : 0;

    if (len_bytes >= HEAD_BYTES_LIMIT - req->head_len)
        return 0;
    if (at + len_bytes + 1 > req->head_cap) {
        uint32_t cap = req->head_cap;
        char *grown;

        while (at + len_bytes + 1 > cap)
            cap *= 2;
        if ((grown = mem_realloc(req->head, cap, 1)) == NULL)
            return 0;
        req->head = grown;
        req->head_cap = cap;
        if (inside) /* text moved with its buffer */
            text = grown + offset;
    }
    if (len_bytes > 0)
        memcpy(req->head + at, text, len_bytes);
    req->head[at + len_bytes] = '\0';
    req->head_len = at + (uint32_t)len_bytes + 1;
    return at;
}

const char *request_header(const struct lathe_request *req, enum http_known id)
{
    return req->known[id] == 0 ? NULL : req->head + req->headers[req->known[id] - 1].value;
}

const char *request_header_named(const struct lathe_request *req, const char *name)
{
    size_t len = strlen(name);

    for (uint32_t i = 0; i < req->n_headers; i++)
        if (req->headers[i].name_len == len &&
            strcasecmp(req->head + req->headers[i].name, name) == 0)
            return req->head + req->headers[i].value;
    return NULL;
}

int request_add_value(struct lathe_request *req, uint32_t name, uint32_t value)
{
    if (name == 0 || value == 0)
        return 0;
    if (req->n_values == req->cap_values) {
        uint32_t cap = req->cap_values ? req->cap_values * 2 : 8;
        struct http_value *grown = mem_realloc(req->values, cap, sizeof *grown);

        if (grown == NULL)
            return 0;
        req->values = grown;
        req->cap_values = cap;
    }
    req->values[req->n_values++] = (struct http_value){name, value};
    return 1;
}

const char *request_value(const struct lathe_request *req, int from_path, const char *name)
{
    uint32_t first = from_path ? 0 : req->n_path_values;
    uint32_t end = from_path ? req->n_path_values : req->n_values;

    for (uint32_t i = first; i < end; i++)
        if (strcmp(req->head + req->values[i].name, name) == 0)
            return req->head + req->values[i].value;
    return NULL;
}

int request_body_add(struct lathe_request *req, const char *data, size_t len_bytes)
{
    if (req->body_len + len_bytes + 1 > req->body_cap) {
        size_t cap = req->body_cap ? req->body_cap : 1024;
        char *grown;

        while (cap < req->body_len + len_bytes + 1)
            cap *= 2;
        if ((grown = mem_realloc(req->body, cap, 1)) == NULL)
            return 0;
        req->body = grown;
        req->body_cap = cap;
    }
    memcpy(req->body + req->body_len, data, len_bytes);
    req->body_len += len_bytes;
    req->body[req->body_len] = '\0';
    return 1;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
int text_is_utf8(const char *text, size_t len_bytes)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;

    while (i < len_bytes) {
        unsigned char c = p[i];
        size_t more = c < 0x80 ? 0 : c < 0xc2 ? 9 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 9;

        if (more == 9 || i + more >= len_bytes + (more == 0))
            return 0;
        for (size_t k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return 0;
        if ((c == 0xe0 && p[i + 1] < 0xa0) || (c == 0xed && p[i + 1] > 0x9f) ||
            (c == 0xf0 && p[i + 1] < 0x90) || (c == 0xf4 && p[i + 1] > 0x8f))
            return 0;
        i += more + 1;
    }
    return 1;
}

uint32_t request_decode(struct lathe_request *req, const char *text, size_t len_bytes,
                        int plus_is_space)
{
    uint32_t at = request_store(req, text, len_bytes);
    char *out, *from, *end;

    if (at == 0)
        return 0;
    out = from = req->head + at;
    end = from + len_bytes;
    while (from < end) {
        char c = *from++;

        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int hi = from < end ? hex_value(from[0]) : -1;
            int lo = hi >= 0 && from + 1 < end ? hex_value(from[1]) : -1;

            if (lo < 0 || (hi == 0 && lo == 0))
                return 0;
            c = (char)(hi * 16 + lo);
            from += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    len_bytes = (size_t)(out - (req->head + at));
    req->head_len = at + (uint32_t)len_bytes + 1;
    return text_is_utf8(req->head + at, len_bytes) ? at : 0;
}
