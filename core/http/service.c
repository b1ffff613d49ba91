/* SPDX-License-Identifier: Apache-2.0 */
/* The table "lathe.http/1" that surfaces call. */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/http/conn.h"

static const char *svc_method(const struct lathe_request *req)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    return names[req->method];
}

static const char *svc_path(const struct lathe_request *req)
{
    return req->path ? req->head + req->path : "";
}

static const char *svc_operation(const struct lathe_request *req)
{
    return req->op ? req->op->id : "";
}

static const char *svc_request_id(const struct lathe_request *req)
{
    return req->id;
}

static const char *svc_client(const struct lathe_request *req)
{
    return req->client;
}

static const char *svc_base_url(const struct lathe_request *req)
{
    return req->base_url;
}

static const struct lathe_identity *svc_identity(const struct lathe_request *req)
{
    return &req->identity;
}

static int32_t svc_has_scope(const struct lathe_request *req, const char *scope)
{
    if (req->surface == NULL || !req->surface->auth_required)
        return 1;
    return http_scopes_grant(req->identity.scopes, scope);
}

static const char *svc_path_param(const struct lathe_request *req, const char *name)
{
    return request_value(req, 1, name);
}

static const char *svc_query(const struct lathe_request *req, const char *name)
{
    return request_value(req, 0, name);
}

static int64_t svc_query_int(const struct lathe_request *req, const char *name, int64_t fallback)
{
    const char *text = request_value(req, 0, name);
    char *end = NULL;
    long long value = text ? strtoll(text, &end, 10) : 0;

    return text != NULL && end != text && *end == '\0' ? value : fallback;
}

static double svc_query_float(const struct lathe_request *req, const char *name, double fallback)
{
    const char *text = request_value(req, 0, name);
    char *end = NULL;
    double value = text ? strtod(text, &end) : 0;

    return text != NULL && end != text && *end == '\0' ? value : fallback;
}

static int32_t svc_query_bool(const struct lathe_request *req, const char *name, int32_t fallback)
{
    const char *text = request_value(req, 0, name);

    if (text == NULL)
        return fallback;
    return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static const char *svc_body(const struct lathe_request *req, uint64_t *len_bytes)
{
    if (len_bytes != NULL)
        *len_bytes = req->body_len;
    return req->body ? req->body : "";
}

static const struct lathe_json *svc_body_json(const struct lathe_request *req)
{
    return json_handle(req->json);
}

static struct lathe_request *svc_acquire(struct lathe_request *req)
{
    if (req->on_pool)
        return NULL;
    req->refs++;
    return req;
}

static int32_t svc_is_open(const struct lathe_request *req)
{
    int32_t st = LATHE_OK;

    return reply_usable(req, &st);
}

static int32_t svc_respond_json(struct lathe_request *req, int32_t status,
                                const struct lathe_json *value)
{
    struct strbuf out;
    int32_t st;

    strbuf_init(&out);
    st = json_write_text((const json_t *)(const void *)value, 0, &out);
    if (st == LATHE_OK)
        st = reply_send(req, status, "application/json", out.data, out.len_bytes);
    strbuf_fini(&out);
    return st;
}

static void svc_set_error(struct lathe_request *req, const struct lathe_error *err)
{
    if (err != NULL)
        req->error = *err;
}

static int32_t svc_ws_ticket(struct lathe_request *req, char out[64])
{
    if (req->server->cfg.auth == NULL)
        return LATHE_E_UNSUPPORTED;
    return http_auth_ticket(
        req->server->cfg.auth,
        req->identity.flags & LATHE_IDENTITY_AUTHENTICATED ? req->identity.subject : "", out);
}

static int32_t svc_stream_open(struct lathe_request *req, int32_t status, const char *type,
                               const struct lathe_stream_handler *handler, void *user,
                               struct lathe_stream **stream)
{
    return req->on_pool ? LATHE_E_UNSUPPORTED
                        : stream_open(req, status, type, handler, user, stream);
}

const struct lathe_http_service *http_service(void)
{
    static const struct lathe_http_service service = {
        .struct_size = sizeof service,
        .method = svc_method,
        .path = svc_path,
        .operation = svc_operation,
        .request_id = svc_request_id,
        .client_address = svc_client,
        .base_url = svc_base_url,
        .identity = svc_identity,
        .has_scope = svc_has_scope,
        .path_param = svc_path_param,
        .query = svc_query,
        .header = request_header_named,
        .query_int = svc_query_int,
        .query_float = svc_query_float,
        .query_bool = svc_query_bool,
        .body = svc_body,
        .body_json = svc_body_json,
        .acquire = svc_acquire,
        .release = request_unref,
        .is_open = svc_is_open,
        .add_header = reply_add_header,
        .respond = reply_send,
        .respond_json = svc_respond_json,
        .respond_problem = problem_send,
        .respond_error = problem_status,
        .set_error = svc_set_error,
        .stream_open = svc_stream_open,
        .stream_write = stream_write,
        .stream_event = stream_event,
        .stream_budget = stream_budget,
        .stream_close = stream_close,
        .ws_send = ws_send,
        .ws_budget = ws_budget,
        .ws_close = ws_close,
        .ws_ticket = svc_ws_ticket,
    };

    return &service;
}
