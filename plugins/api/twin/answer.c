/* Answers in the surface's envelope, errors, pages, rate limits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/idem.h"
#include "plugins/api/twin/twin.h"

int32_t answer(struct tw *tw, struct lathe_request *req, int32_t http_status, struct text *t)
{
    idem_finish(tw, req, http_status, t);
    return api_send(&tw->kit, req, http_status, t);
}

void data_open(struct jw *w, struct text *out)
{
    memset(out, 0, sizeof *out);
    jw_init(w, out);
    jw_obj(w, NULL);
}

int32_t data_send(struct tw *tw, struct lathe_request *req, int32_t http_status, struct jw *w)
{
    jw_end_obj(w);
    return answer(tw, req, http_status, w->out);
}

/* ---- errors ---- */

int32_t refuse(struct tw *tw, struct lathe_request *req, int32_t http_status, const char *code,
               const char *details_json, const char *fmt, ...)
{
    struct lathe_problem problem = {sizeof problem, 0,    http_status,  0,   code,
                                    NULL,           NULL, details_json, NULL};
    char message[LATHE_ERROR_TEXT];
    va_list args;
    int32_t st;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    problem.text = message;
    if (http_status == 429 || http_status == 503)
        problem.retry_after_s = 1;
    st = tw->kit.http->respond_problem(req, &problem);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

int32_t refuse_field(struct tw *tw, struct lathe_request *req, const char *code, const char *path,
                     const char *field_code, const char *message)
{
    struct text details = {0};
    struct jw w;
    int32_t st;

    jw_init(&w, &details);
    jw_obj(&w, NULL);
    jw_arr(&w, "fields");
    jw_obj(&w, NULL);
    jw_str(&w, "path", path);
    jw_str(&w, "code", field_code);
    jw_str(&w, "message", message);
    jw_end_obj(&w);
    jw_end_arr(&w);
    jw_end_obj(&w);
    st = refuse(tw, req, 422, code, details.failed ? NULL : details.data, "%s: %s", path, message);
    text_fini(&details);
    return st;
}

/* Schema keyword -> code of a field. */
static const char *field_code(const struct lathe_violation *v)
{
    static const char *const codes[][2] = {{"required", "REQUIRED"},
                                           {"additionalProperties", "UNKNOWN_FIELD"},
                                           {"type", "TYPE"},
                                           {"minimum", "RANGE"},
                                           {"maximum", "RANGE"},
                                           {"exclusiveMinimum", "RANGE"},
                                           {"exclusiveMaximum", "RANGE"},
                                           {"minLength", "LENGTH"},
                                           {"maxLength", "LENGTH"},
                                           {"minItems", "LENGTH"},
                                           {"maxItems", "LENGTH"},
                                           {"pattern", "PATTERN"},
                                           {"enum", "ENUM"},
                                           {NULL, "INVALID"}};
    size_t i = 0;

    while (codes[i][0] && strcmp(codes[i][0], v->keyword ? v->keyword : "") != 0)
        i++;
    return codes[i][1];
}

/* "body", "sensors", "0" -> "/sensors/0" */
static void pointer_of(const struct lathe_violation *v, char *out, size_t cap)
{
    const char *const *part = v->loc;
    size_t len = 0;

    out[0] = '\0';
    if (part && *part)
        part++;
    for (; part && *part && len < cap; part++)
        len += (size_t)snprintf(out + len, cap - len, "/%s", *part);
}

static int is_immutable(const char *path)
{
    return list_has("/id,/created_at,/updated_at,/sensor_count,/actuator_count,/sensors,/actuators,"
                    "/type,/last_updated,/state,/command_status,/twin_id,/last_sync,/desired_state",
                    path);
}

/* What the findings of the contract's check amount to. */
static const char *verdict(struct lathe_request *req, const struct lathe_http_service *http,
                           const struct lathe_violation *v, int32_t *status)
{
    const char *input = v->input_json ? v->input_json : "";
    char path[200];

    pointer_of(v, path, sizeof path);
    if (v->keyword && !strcmp(v->keyword, "json_invalid")) {
        int is_number = v->message && strstr(v->message, "number") != NULL;
        *status = is_number ? 422 : 400;
        return is_number ? "NON_FINITE" : "INVALID_JSON";
    }
    if (v->loc && v->loc[0] && !strcmp(v->loc[0], "header")) {
        *status = 400;
        return "INVALID_PARAMETER";
    }
    if (*status == 400)
        return "INVALID_PARAMETER";
    if (v->keyword && !strcmp(v->keyword, "type") &&
        (!strcmp(input, "\"NaN\"") || !strcmp(input, "\"Inf\"") || !strcmp(input, "\"-Inf\"") ||
         !strcmp(input, "\"Infinity\"") || !strcmp(input, "\"-Infinity\"")))
        return "NON_FINITE";
    if (!strcmp(http->method(req), "PATCH") && v->keyword &&
        !strcmp(v->keyword, "additionalProperties") && is_immutable(path))
        return "IMMUTABLE_FIELD";
    return "VALIDATION_ERROR";
}

static void write_fields(struct jw *w, const struct lathe_problem *problem)
{
    const struct lathe_violation *const *v = problem->violations;
    char path[200];

    jw_obj(w, "details");
    if (problem->http_status == 400 || (v[0]->loc && v[0]->loc[0] && *v[0]->loc[0] == 'h'))
        jw_str(w, "parameter", v[0]->loc && v[0]->loc[0] ? v[0]->loc[1] : "");
    jw_arr(w, "fields");
    for (; *v; v++) {
        pointer_of(*v, path, sizeof path);
        jw_obj(w, NULL);
        jw_str(w, "path", path);
        jw_str(w, "code", field_code(*v));
        jw_str(w, "message", (*v)->message ? (*v)->message : "is not valid");
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

/* A code for a problem that the server made. */
static const char *code_of(const struct lathe_problem *problem)
{
    static const struct {
        int32_t status;
        const char *code;
    } codes[] = {{400, "INVALID_PARAMETER"},  {401, "UNAUTHORIZED"},
                 {403, "FORBIDDEN"},          {404, "NOT_FOUND"},
                 {405, "METHOD_NOT_ALLOWED"}, {409, "CONFLICT"},
                 {413, "PAYLOAD_TOO_LARGE"},  {415, "UNSUPPORTED_MEDIA_TYPE"},
                 {422, "VALIDATION_ERROR"},   {429, "RATE_LIMIT_EXCEEDED"},
                 {503, "UNAVAILABLE"},        {507, "STORAGE_FULL"},
                 {0, "INTERNAL_ERROR"}};
    size_t i = 0;

    if (problem->code && problem->code[0] >= 'A' && problem->code[0] <= 'Z')
        return problem->code;
    while (codes[i].status && codes[i].status != problem->http_status)
        i++;
    return codes[i].code;
}

int32_t render_error(void *self, struct lathe_request *req, const struct lathe_problem *problem)
{
    struct tw *tw = self;
    const struct lathe_violation *const *v = problem->violations;
    const char *code = code_of(problem), *message = problem->text;
    int32_t status = problem->http_status;
    char path[200], sentence[400];
    struct text body = {0};
    struct jw w;

    if (v && v[0]) {
        code = verdict(req, tw->kit.http, v[0], &status);
        pointer_of(v[0], path, sizeof path);
        snprintf(sentence, sizeof sentence, "%s%s%s", path, path[0] ? ": " : "",
                 v[0]->message ? v[0]->message : "is not valid");
        message = sentence;
    }
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_obj(&w, "error");
    jw_str(&w, "code", code);
    jw_str(&w, "message", message && message[0] ? message : "The request failed");
    if (v && v[0])
        write_fields(&w, problem);
    else
        jw_raw(&w, "details", problem->extra_json ? problem->extra_json : "{}");
    jw_end_obj(&w);
    jw_end_obj(&w);
    return answer(tw, req, status, &body);
}

/* ---- pages ---- */

void pages_read(const struct tw *tw, struct lathe_request *req, struct pages *p, int64_t fallback)
{
    p->page = tw->kit.http->query_int(req, "page", 1);
    p->per_page = tw->kit.http->query_int(req, "per_page", fallback);
    p->total = 0;
}

int pages_has(const struct pages *p, int64_t index)
{
    return index / p->per_page == p->page - 1;
}

static int64_t page_count(const struct pages *p)
{
    return (p->total + p->per_page - 1) / p->per_page;
}

void pages_write(const struct pages *p, struct jw *w, const char *name)
{
    jw_obj(w, name);
    jw_int(w, "total_items", p->total);
    jw_int(w, "total_pages", page_count(p));
    jw_int(w, "current_page", p->page);
    jw_int(w, "per_page", p->per_page);
    jw_end_obj(w);
}

static void escape(struct text *out, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:,*";

    for (; *value; value++)
        if (strchr(plain, *value))
            text_add(out, value, 1);
        else
            text_addf(out, "%%%02X", (unsigned)(unsigned char)*value);
}

static void link_write(const struct tw *tw, struct lathe_request *req, struct jw *w,
                       const char *name, const int64_t place[2])
{
    static const char *const kept[] = {"sort",     "type",       "status",   "search",
                                       "health",   "fields",     "interval", "updated_since",
                                       "severity", "start_date", "end_date", "state",
                                       "fill",     "order",      NULL};
    struct text url = {0};
    const char *value;
    size_t i;

    text_addf(&url, "%s?page=%lld&per_page=%lld", tw->kit.http->path(req), (long long)place[0],
              (long long)place[1]);
    for (i = 0; kept[i]; i++)
        if ((value = tw->kit.http->query(req, kept[i])) != NULL && value[0]) {
            text_addf(&url, "&%s=", kept[i]);
            escape(&url, value);
        }
    jw_str(w, name, text_get(&url));
    text_fini(&url);
}

void links_write(const struct tw *tw, struct lathe_request *req, const struct pages *p,
                 struct jw *w)
{
    int64_t last = page_count(p), place[2] = {p->page, p->per_page};

    jw_obj(w, "links");
    link_write(tw, req, w, "self", place);
    if (last > 0) {
        place[0] = 1;
        link_write(tw, req, w, "first", place);
        place[0] = last;
        link_write(tw, req, w, "last", place);
    }
    place[0] = p->page - 1;
    if (p->page > 1 && p->page - 1 <= last)
        link_write(tw, req, w, "prev", place);
    place[0] = p->page + 1;
    if (p->page < last)
        link_write(tw, req, w, "next", place);
    jw_end_obj(w);
}

/* ---- rate limit ---- */

struct bucket {
    char subject[80];
    double tokens;
    int64_t at_ns;
};

static int rate_allows(struct tw *tw, struct lathe_request *req)
{
    const char *subject = tw->kit.http->identity(req)->subject;
    int64_t now = tw->kit.clock->mono_ns(tw->kit.clock);
    double limit = (double)tw->set.rate_limit, per_ns = limit / 60e9;
    struct bucket *b = map_get(&tw->buckets, subject);
    char number[32];

    if (tw->set.rate_limit == 0 || strlen(subject) >= sizeof b->subject)
        return 1;
    if (!b) {
        if (!(b = calloc(1, sizeof *b)))
            return 1;
        snprintf(b->subject, sizeof b->subject, "%s", subject);
        b->tokens = limit;
        b->at_ns = now;
        if (!map_put(&tw->buckets, b->subject, b)) {
            free(b);
            return 1;
        }
    }
    b->tokens += (double)(now - b->at_ns) * per_ns;
    b->tokens = b->tokens > limit ? limit : b->tokens;
    b->at_ns = now;
    snprintf(number, sizeof number, "%lld", (long long)tw->set.rate_limit);
    tw->kit.http->add_header(req, "X-RateLimit-Limit", number);
    snprintf(number, sizeof number, "%lld", (long long)(b->tokens >= 1 ? b->tokens - 1 : 0));
    tw->kit.http->add_header(req, "X-RateLimit-Remaining", number);
    snprintf(number, sizeof number, "%lld",
             (long long)((double)now_us(tw) / 1e6 + (limit - b->tokens) / limit * 60.0) + 1);
    tw->kit.http->add_header(req, "X-RateLimit-Reset", number);
    if (b->tokens < 1)
        return 0;
    b->tokens -= 1;
    return 1;
}

int enter(struct tw *tw, struct lathe_request *req, int32_t *st)
{
    if (!rate_allows(tw, req)) {
        *st = refuse(tw, req, 429, "RATE_LIMIT_EXCEEDED", NULL, "More than %lld requests a minute",
                     (long long)tw->set.rate_limit);
        return 0;
    }
    return idem_enter(tw, req, st);
}

void answers_close(struct tw *tw)
{
    size_t i;

    for (i = 0; i < tw->buckets.cap; i++)
        if (tw->buckets.slots[i].key)
            free(tw->buckets.slots[i].value);
    map_fini(&tw->buckets);
    idem_close(tw);
}
