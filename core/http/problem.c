/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: from a status or a list of violations to an answer in the surface's own shape. */
#include "core/http/conn.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

int32_t http_status_of(int32_t status)
{
    switch (status) {
    case LATHE_E_INVALID:
    case LATHE_E_CORRUPT:
    case LATHE_E_VERSION:
        return 422;
    case LATHE_E_NOT_FOUND:
        return 404;
    case LATHE_E_EXISTS:
    case LATHE_E_CONFLICT:
    case LATHE_E_CANCELLED:
        return 409;
    case LATHE_E_DENIED:
        return 403;
    case LATHE_E_UNAUTHENTICATED:
        return 401;
    case LATHE_E_LIMIT:
        return 429;
    case LATHE_E_UNSUPPORTED:
        return 501;
    case LATHE_E_TIMEOUT:
        return 504;
    case LATHE_E_IO:
    case LATHE_E_NOMEM:
    case LATHE_E_UNAVAILABLE:
        return 503;
    default:
        return status >= 0 ? 200 : 500;
    }
}

static void add_violation(struct strbuf *out, const struct lathe_violation *v)
{
    strbuf_adds(out, "{\"type\":");
    strbuf_add_json_string(out, v->keyword, strlen(v->keyword));
    strbuf_adds(out, ",\"loc\":[");
    for (size_t i = 0; v->loc != NULL && v->loc[i] != NULL; i++) {
        if (i > 0)
            strbuf_addc(out, ',');
        strbuf_add_json_string(out, v->loc[i], strlen(v->loc[i]));
    }
    strbuf_adds(out, "],\"msg\":");
    strbuf_add_json_string(out, v->message ? v->message : "", v->message ? strlen(v->message) : 0);
    if (v->input_json != NULL) {
        strbuf_adds(out, ",\"input\":");
        strbuf_adds(out, v->input_json);
    }
    strbuf_addc(out, '}');
}

/* The core's own shape, for surfaces without a renderer and for answers that no surface owns. */
static int32_t render_default(struct lathe_request *req, const struct lathe_problem *problem)
{
    const char *text = problem->text ? problem->text : reply_reason(problem->http_status);
    struct strbuf out;
    int32_t st;

    strbuf_init(&out);
    strbuf_adds(&out, "{\"detail\":");
    if (problem->violations != NULL && problem->violations[0] != NULL) {
        for (size_t i = 0; problem->violations[i] != NULL; i++) {
            strbuf_addc(&out, i == 0 ? '[' : ',');
            add_violation(&out, problem->violations[i]);
        }
        strbuf_addc(&out, ']');
    } else {
        strbuf_add_json_string(&out, text, strlen(text));
    }
    strbuf_adds(&out, ",\"code\":");
    strbuf_add_json_string(&out, problem->code ? problem->code : "error",
                           strlen(problem->code ? problem->code : "error"));
    if (problem->field != NULL && problem->field[0] != '\0') {
        strbuf_adds(&out, ",\"field\":");
        strbuf_add_json_string(&out, problem->field, strlen(problem->field));
    }
    strbuf_adds(&out, ",\"request_id\":");
    strbuf_add_json_string(&out, req->id, strlen(req->id));
    strbuf_adds(&out, "}");
    if (out.failed)
        st = reply_send(req, 503, NULL, NULL, 0);
    else
        st = reply_send(req, problem->http_status, "application/json", out.data, out.len_bytes);
    strbuf_fini(&out);
    return st;
}

static int answered(const struct lathe_request *req)
{
    return req->on_pool ? req->pool_answered : req->phase != REQ_OPEN;
}

static void add_problem_headers(struct lathe_request *req, const struct lathe_problem *problem)
{
    char text[16];

    if (problem->http_status == 405 && req->allow[0] != '\0')
        (void)reply_add_header(req, "Allow", req->allow);
    if (problem->http_status == 401)
        (void)reply_add_header(req, "WWW-Authenticate", "Bearer");
    if (problem->retry_after_s > 0) {
        snprintf(text, sizeof text, "%u", (unsigned)problem->retry_after_s);
        (void)reply_add_header(req, "Retry-After", text);
    }
}

int32_t problem_send(struct lathe_request *req, const struct lathe_problem *problem)
{
    const struct http_mount *surface = req->surface;
    int32_t st = LATHE_OK;

    if (!reply_usable(req, &st))
        return st;
    if (problem->http_status < 400 || problem->http_status > 599)
        return LATHE_E_INVALID;
    if (req->rendering) /* the renderer reports a problem itself */
        return render_default(req, problem);
    add_problem_headers(req, problem);
    req->rendering = 1;
    /* The request must survive its own answer while the renderer still holds it. */
    if (!req->on_pool)
        req->refs++;
    if (surface != NULL && LATHE_CAN(surface->api, struct lathe_api, render_error))
        (void)surface->api->render_error(surface->self, req, problem);
    if (!answered(req))
        st = render_default(req, problem);
    req->rendering = 0;
    if (!req->on_pool)
        request_unref(req);
    return st;
}

int32_t problem_simple(struct lathe_request *req, int32_t status, const char *code,
                       const char *text)
{
    struct lathe_problem problem = {.struct_size = sizeof problem,
                                    .http_status = status,
                                    .retry_after_s = req->retry_after_s,
                                    .code = code,
                                    .text = text};

    return problem_send(req, &problem);
}

int32_t problem_status(struct lathe_request *req, int32_t status, const char *code,
                       const struct lathe_error *err)
{
    struct lathe_problem problem = {.struct_size = sizeof problem,
                                    .http_status = http_status_of(status),
                                    .code = code ? code : lathe_status_name(status),
                                    .text = err && err->text[0] ? err->text : NULL,
                                    .field = err && err->field[0] ? err->field : NULL};

    if (status >= 0)
        return LATHE_E_INVALID;
    if (problem.http_status == 500) /* the text of a defect is for the log */
        problem.text = "Internal Server Error";
    return problem_send(req, &problem);
}
