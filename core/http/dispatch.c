/* SPDX-License-Identifier: Apache-2.0 */
/* From a parsed head to a handler: address forms, host and origin, route, credentials, then the
 * body, the contract's checks and the call. The first thing found wrong is kept as "early" and
 * answered when the body has been read, so that the connection can go on. */
#define LOG_MODULE "http"
#include "core/http/conn.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/http/access.h"

#define LOOP_BUDGET_NS 5000000 /* a handler on the loop that takes longer is named in the log */

static void set_early(struct lathe_request *req, int32_t status, const char *code, const char *text)
{
    if (req->early_status != 0)
        return;
    req->early_status = status;
    req->early_code = code;
    req->early_text = text;
}

/* --- the head
 * ---------------------------------------------------------------------------------------- */

static int id_is_sane(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len >= HTTP_ID_CAP)
        return 0;
    for (; *text != '\0'; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
              (*text >= '0' && *text <= '9') || strchr("-_.:", *text) != NULL))
            return 0;
    return 1;
}

/* Behind a listed proxy the client is the last address that is no proxy itself. */
static void believe_proxy(struct lathe_request *req)
{
    const char *const *proxies = req->server->cfg.proxies;
    const char *forwarded, *last;
    size_t i, len;

    for (i = 0; proxies != NULL && proxies[i] != NULL; i++)
        if (strcmp(proxies[i], req->client) == 0)
            break;
    if (proxies == NULL || proxies[i] == NULL ||
        (forwarded = request_header_named(req, "x-forwarded-for")) == NULL)
        return;
    last = strrchr(forwarded, ',');
    last = last ? last + 1 : forwarded;
    while (*last == ' ')
        last++;
    len = strcspn(last, " \t");
    if (len > 0 && len < HTTP_ADDR_CAP && strspn(last, "0123456789abcdefABCDEF.:") >= len) {
        memcpy(req->client, last, len);
        req->client[len] = '\0';
    }
}

static void set_base_url(struct lathe_request *req)
{
    const char *host = request_header(req, HDR_HOST);
    const char *scheme = req->conn->tls ? "https://" : "http://";
    const char *proto;
    size_t len, scheme_len;

    if (req->server->cfg.proxies != NULL && strcmp(req->client, req->conn->client) != 0 &&
        (proto = request_header_named(req, "x-forwarded-proto")) != NULL &&
        strcmp(proto, "https") == 0)
        scheme = "https://";
    if (host == NULL || host[0] == '\0')
        host = req->listener->host;
    scheme_len = strlen(scheme);
    len = strlen(host);
    if (len >= sizeof req->base_url - scheme_len)
        len = sizeof req->base_url - scheme_len - 1;
    memcpy(req->base_url, scheme, scheme_len);
    memcpy(req->base_url + scheme_len, host, len);
    req->base_url[scheme_len + len] = '\0';
}

/* The path of the target, which may be in absolute form. NULL when it is neither. */
static const char *target_path(const struct lathe_request *req, size_t *len)
{
    const char *url = req->head + req->url, *start = url;
    const char *host = request_header(req, HDR_HOST);

    if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0) {
        const char *authority = strstr(url, "//") + 2;
        size_t n = strcspn(authority, "/?");

        if (host == NULL || strlen(host) != n || strncasecmp(host, authority, n) != 0)
            return NULL;
        start = authority + n;
        if (*start != '/')
            return NULL;
    }
    if (*start != '/')
        return NULL;
    *len = strcspn(start, "?#");
    return start;
}

static void write_allow(struct lathe_request *req, uint32_t methods)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    size_t at = 0;

    if (methods & (1u << HTTP_M_GET))
        methods |= 1u << HTTP_M_HEAD;
    methods |= 1u << HTTP_M_OPTIONS;
    for (int i = 0; i < HTTP_M_COUNT; i++)
        if (methods & (1u << i))
            at += (size_t)snprintf(req->allow + at, sizeof req->allow - at, "%s%s", at ? ", " : "",
                                   names[i]);
}

static void keep_path_values(struct lathe_request *req, const struct router_match *match)
{
    uint32_t offsets[HTTP_PATH_PARAMS_MAX]; /* storing may move the text that match points into */

    for (uint32_t i = 0; i < match->n_params; i++)
        offsets[i] = (uint32_t)(match->params[i].text - req->head);
    for (uint32_t i = 0; i < match->n_params; i++) {
        uint32_t value = request_decode(req, req->head + offsets[i], match->params[i].len, 0);
        uint32_t name;

        if (value == 0) {
            set_early(req, 400, "bad_request", "The path is not well formed");
            return;
        }
        name = request_store(req, match->params[i].name, strlen(match->params[i].name));
        if (!request_add_value(req, name, value)) {
            set_early(req, 503, "no_memory", "Out of memory");
            return;
        }
    }
    req->n_path_values = req->n_values;
}

static int wants_html(const struct lathe_request *req)
{
    const char *accept = request_header(req, HDR_ACCEPT);

    return accept != NULL && strstr(accept, "text/html") != NULL;
}

static void find_route(struct lathe_request *req, const char *path, size_t len)
{
    struct router_match match;
    enum http_method method = req->method;

    if ((req->path = request_decode(req, path, len, 0)) == 0) {
        set_early(req, 400, "bad_request", "The path is not well formed");
        return;
    }
    /* request_decode may have moved the text that path points into */
    path = target_path(req, &len);
    router_find(req->listener->router, path, len, method, &match);
    if (match.op == NULL && method == HTTP_M_HEAD)
        router_find(req->listener->router, path, len, HTTP_M_GET, &match);
    req->surface = match.surface;
    if (match.op == NULL || (len == 1 && wants_html(req))) {
        req->core = core_route_find(req->head + req->path);
        if (req->core != NULL) {
            req->surface = NULL;
            if (method != HTTP_M_GET && method != HTTP_M_HEAD && method != HTTP_M_OPTIONS) {
                write_allow(req, 1u << HTTP_M_GET);
                set_early(req, 405, "method_not_allowed", "Method Not Allowed");
            } else if (method == HTTP_M_OPTIONS) {
                write_allow(req, 1u << HTTP_M_GET);
            }
            return;
        }
    }
    if (match.op == NULL) {
        if (req->surface == NULL && req->listener->n_mounts == 1)
            req->surface = req->listener->mounts[0];
        if (!match.path_known) {
            set_early(req, 404, "not_found", "Not Found");
            return;
        }
        write_allow(req, match.methods);
        if (method != HTTP_M_OPTIONS)
            set_early(req, 405, "method_not_allowed", "Method Not Allowed");
        return;
    }
    req->op = match.op;
    req->surface = match.op->mount;
    keep_path_values(req, &match);
}

static int changes_state(const struct lathe_request *req)
{
    return req->method != HTTP_M_GET && req->method != HTTP_M_HEAD && req->method != HTTP_M_OPTIONS;
}

void dispatch_head(struct lathe_request *req)
{
    const char *text = request_header(req, HDR_X_REQUEST_ID);
    enum cors_verdict verdict;
    const char *path;
    size_t len = 0;

    if (text != NULL && id_is_sane(text))
        memcpy(req->id, text, strlen(text) + 1);
    if (req->server->cfg.proxies != NULL)
        believe_proxy(req);
    set_base_url(req);
    if ((path = target_path(req, &len)) == NULL) {
        set_early(req, 400, "bad_request", "The request target is not a path of this server");
        return;
    }
    find_route(req, path, len);
    verdict = cors_judge(req);
    req->cors_ok = verdict == CORS_LISTED;
    if (!cors_host_allowed(req)) {
        req->early_status = 0; /* this comes before any other fault */
        set_early(req, 403, "host_forbidden", "This Host is not served here");
        return;
    }
    if (verdict == CORS_FOREIGN && (changes_state(req) || (req->op != NULL && req->op->is_ws))) {
        req->early_status = 0;
        set_early(req, 403, "origin_forbidden", "This Origin may not change anything here");
        return;
    }
    if (req->early_status != 0 || req->method == HTTP_M_OPTIONS)
        return;
    if (req->op != NULL || (req->core != NULL && req->core->guarded))
        access_check(req);
    if (req->op != NULL && req->op->max_body_bytes != 0 && req->early_status == 0)
        req->body_limit = req->op->max_body_bytes;
}

/* --- the whole request
 * ----------------------------------------------------------------------------------- */

static int unpack_body(struct lathe_request *req)
{
    const char *encoding = request_header(req, HDR_CONTENT_ENCODING);
    char *plain = NULL;
    size_t plain_len = 0;
    int32_t st;

    if (encoding == NULL || strcasecmp(encoding, "identity") == 0 || req->body_len == 0)
        return 1;
    if (strcasecmp(encoding, "gzip") != 0) {
        (void)problem_simple(req, 415, "content_encoding", "Only gzip is understood");
        return 0;
    }
    st = gzip_unpack(req->body, req->body_len, req->body_limit, &plain, &plain_len);
    if (st != LATHE_OK) {
        if (st == LATHE_E_LIMIT)
            (void)problem_simple(req, 413, "body_too_large", "The request body is too large");
        else
            (void)problem_simple(req, 400, "bad_gzip", "The body is no valid gzip data");
        return 0;
    }
    mem_free(req->body);
    req->body = plain;
    req->body_len = plain_len;
    req->body_cap = plain_len + 1;
    return 1;
}

static void after_handler(struct lathe_request *req, int32_t st)
{
    if (st < 0)
        (void)problem_status(req, st, NULL, req->error.code != 0 ? &req->error : NULL);
}

static void pool_work(void *arg)
{
    struct lathe_request *req = arg;
    int32_t st = req->op->impl->handle(req->surface->self, req);

    if (!req->pool_answered)
        after_handler(req, st < 0 ? st : LATHE_E_INTERNAL);
}

static void pool_done(void *arg)
{
    struct lathe_request *req = arg;
    int32_t st = LATHE_OK;

    req->on_pool = 0;
    req->rendering = req->pool_rendered;
    if (reply_usable(req, &st))
        (void)reply_send(req, req->status, req->has_pool_type ? req->pool_type : NULL,
                         req->pool_body.data, req->pool_body.len_bytes);
    request_unref(req);
}

static void call_handler(struct lathe_request *req)
{
    const struct lathe_operation *impl = req->op->impl;
    const struct http_pool *pool = &req->server->cfg.pool;
    int32_t st;

    if (!(impl->flags & LATHE_OPERATION_BLOCKING) || pool->submit == NULL) {
        int64_t before_ns = req->body_len == 0 ? req->start_ns : clock_mono_ns(), held_ns;

        st = impl->handle(req->surface->self, req);
        /* an answer has just read the clock */
        held_ns = (req->phase == REQ_ANSWERED ? req->server->now_ns : clock_mono_ns()) - before_ns;
        if (held_ns > LOOP_BUDGET_NS)
            log_warn("handler held the loop", F_STR("surface", req->surface->name),
                     F_STR("operation", req->op->id), F_INT("ms", held_ns / 1000000));
        after_handler(req, st);
        return;
    }
    req->on_pool = 1;
    req->refs++;
    st = pool->submit(pool->ctx, pool_work, pool_done, req);
    if (st != LATHE_OK) {
        req->on_pool = 0;
        req->refs--;
        (void)problem_status(req, LATHE_E_UNAVAILABLE, "pool_full", NULL);
    }
}

static void answer_options(struct lathe_request *req)
{
    if (req->allow[0] == '\0' && req->op != NULL)
        write_allow(req, 1u << req->op->method);
    (void)reply_add_header(req, "Allow", req->allow);
    (void)reply_send(req, 204, NULL, NULL, 0);
}

void dispatch_complete(struct lathe_request *req)
{
    if (req->method == HTTP_M_OPTIONS && request_header(req, HDR_ORIGIN) != NULL &&
        request_header_named(req, "access-control-request-method") != NULL &&
        req->early_status != 403) {
        cors_preflight(req);
        return;
    }
    if (req->early_status != 0) {
        (void)problem_simple(req, req->early_status, req->early_code, req->early_text);
        return;
    }
    if (req->core != NULL) {
        if (req->method == HTTP_M_OPTIONS)
            answer_options(req);
        else
            req->core->handle(req);
        return;
    }
    if (req->op == NULL) {
        answer_options(req);
        return;
    }
    if (req->op->is_ws) {
        if (!ws_wanted(req)) {
            (void)reply_add_header(req, "Upgrade", "websocket");
            (void)problem_simple(req, 426, "upgrade_required", "This address speaks WebSocket");
            return;
        }
        if (req->ws_refuse == 0 && contract_check(req) != LATHE_OK)
            return;
        ws_start(req, req->ws_refuse);
        return;
    }
    if (unpack_body(req) && contract_check(req) == LATHE_OK)
        call_handler(req);
}
