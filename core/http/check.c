/* SPDX-License-Identifier: Apache-2.0 */
/* A request, or in tests an answer, against the contract. Text becomes JSON by the declared type,
 * the schema validator judges, and its findings are handed to the error renderer. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/http/conn.h"
#include "core/json/schema.h"

#define QUERY_VALUES_MAX 128
#define LOC_MAX 24
#define VIOLATIONS_MAX SCHEMA_VIOLATIONS_MAX
#define INPUT_TEXT_MAX 4096

/* What is wrong; the pointers belong to others. */
struct fault {
    const char *keyword, *message;
    const json_t *path, *value, *limit;
};

/* A violation with everything it points to. */
struct found {
    struct lathe_violation v;
    char *loc[LOC_MAX + 1];
    char *message, *input, *limit;
};

struct findings {
    struct found *items[VIOLATIONS_MAX];
    const struct lathe_violation *list[VIOLATIONS_MAX + 1];
    size_t n;
    int32_t status; /* of the answer: the first kind of fault decides */
};

static const struct fault missing = {.keyword = "required", .message = "is missing"};
static const struct fault twice = {.keyword = "uniqueItems", .message = "is given twice"};
static const struct fault unknown = {.keyword = "additionalProperties",
                                     .message = "is not a parameter of this operation"};
static const struct fault too_complex = {.keyword = "schema",
                                         .message = "is too complex to be checked"};

static void drop_findings(struct findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        for (size_t k = 0; k < LOC_MAX; k++)
            mem_free(f->items[i]->loc[k]);
        mem_free(f->items[i]->message);
        mem_free(f->items[i]->input);
        mem_free(f->items[i]->limit);
        mem_free(f->items[i]);
    }
    f->n = 0;
}

static char *short_text(const json_t *value)
{
    size_t len = 0;
    char *text = value ? json_dup_text(value, 0, &len) : NULL;

    if (text != NULL && len > INPUT_TEXT_MAX) {
        mem_free(text);
        return NULL;
    }
    return text;
}

/* Keeps copies of what fault points to, but for its keyword, which must be a constant. name and the
 * members path, value and limit may be NULL. */
static void add_found(struct findings *f, int32_t status, const char *where, const char *name,
                      const struct fault *fault)
{
    struct found *item;
    size_t at = 0;

    if (f->status == 0)
        f->status = status;
    if (f->n == VIOLATIONS_MAX || (item = mem_new(struct found)) == NULL)
        return;
    item->loc[at++] = mem_strdup(where);
    if (name != NULL)
        item->loc[at++] = mem_strdup(name);
    for (size_t i = 0; i < json_array_size(fault->path) && at < LOC_MAX; i++) {
        const json_t *token = json_array_get(fault->path, i);

        item->loc[at] = json_is_string(token) ? mem_strdup(json_string_value(token))
                                              : json_dup_text(token, 0, NULL);
        if (item->loc[at] == NULL)
            break;
        at++;
    }
    item->message = mem_strdup(fault->message);
    item->input = short_text(fault->value);
    item->limit = short_text(fault->limit);
    item->v = (struct lathe_violation){.struct_size = sizeof item->v,
                                       .keyword = fault->keyword,
                                       .loc = (const char *const *)item->loc,
                                       .message = item->message,
                                       .input_json = item->input,
                                       .limit_json = item->limit};
    f->items[f->n] = item;
    f->list[f->n++] = &item->v;
}

static void add_report(struct findings *f, int32_t status, const char *where, const char *name,
                       const struct schema_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        add_found(f, status, where, name,
                  &(struct fault){report->items[i].keyword, report->items[i].message,
                                  report->items[i].path, report->items[i].value,
                                  report->items[i].limit});
}

static int32_t answer_findings(struct lathe_request *req, struct findings *f, const char *code)
{
    struct lathe_problem problem = {.struct_size = sizeof problem,
                                    .http_status = f->status,
                                    .code = code,
                                    .text = "The request does not match the contract",
                                    .violations = f->list};

    if (f->status == 0)
        return LATHE_OK;
    f->list[f->n] = NULL;
    if (f->n > 0)
        problem.field = f->list[0]->loc[1];
    if (f->status == 404) {
        problem = (struct lathe_problem){.struct_size = sizeof problem,
                                         .http_status = 404,
                                         .code = "not_found",
                                         .text = "Not Found"};
    }
    (void)problem_send(req, &problem);
    drop_findings(f);
    return LATHE_E_INVALID;
}

/* --- parameters
 * ------------------------------------------------------------------------------------------ */

static json_t *integer_of(const char *text)
{
    char *end;
    long long value;

    if (*text != '-' && (*text < '0' || *text > '9'))
        return NULL;
    errno = 0;
    value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text ? json_integer(value) : NULL;
}

static json_t *number_of(const char *text)
{
    json_t *whole = integer_of(text);
    char *end;
    double value;

    if (whole != NULL)
        return whole;
    if (strspn(text, "+-.0123456789eE") != strlen(text) || *text == '\0')
        return NULL;
    value = strtod(text, &end);
    return *end == '\0' && isfinite(value) ? json_real(value) : NULL;
}

/* Text as a value of type; text that does not fit stays a string, which the schema then refuses. */
static json_t *coerce(enum http_param_type type, const char *text)
{
    json_t *value = NULL;

    if (type == PTYPE_INTEGER)
        value = integer_of(text);
    else if (type == PTYPE_NUMBER)
        value = number_of(text);
    else if (type == PTYPE_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0))
        value = json_true();
    else if (type == PTYPE_BOOLEAN && (strcmp(text, "false") == 0 || strcmp(text, "0") == 0))
        value = json_false();
    return value ? value : json_string(text);
}

static json_t *coerce_list(enum http_param_type item_type, const char *text)
{
    json_t *list = json_array();

    while (list != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        char *item = mem_strndup(text, len);

        if (item != NULL)
            (void)json_array_append_new(list, coerce(item_type, item));
        mem_free(item);
        text += len;
        text += *text == ',';
    }
    return list;
}

static const char *const where_names[] = {"path", "query", "header"};

static void check_value(struct findings *f, const struct http_param_spec *spec, int32_t status,
                        const char *text)
{
    struct schema_report report;
    json_t *value;

    if (spec->exact_string || spec->schema == NULL)
        return;
    value =
        spec->type == PTYPE_ARRAY ? coerce_list(spec->item_type, text) : coerce(spec->type, text);
    schema_report_init(&report);
    if (value == NULL) {
        f->status = 503;
    } else if (schema_validate(spec->schema, value, &report) != LATHE_OK) {
        if (report.n == 0)
            add_found(f, status, where_names[spec->where], spec->name,
                      &(struct fault){
                          .keyword = "schema", .message = "could not be checked", .value = value});
        add_report(f, status, where_names[spec->where], spec->name, &report);
    }
    schema_report_fini(&report);
    json_decref(value);
}

static void check_param(struct lathe_request *req, struct findings *f,
                        const struct http_param_spec *spec)
{
    int32_t status = spec->where == PARAM_PATH    ? 404
                     : spec->where == PARAM_QUERY ? req->op->query_status
                                                  : 422;
    const char *text = spec->where == PARAM_HEADER
                           ? request_header_named(req, spec->name)
                           : request_value(req, spec->where == PARAM_PATH, spec->name);

    if (text != NULL) {
        check_value(f, spec, status, text);
        return;
    }
    if (spec->required) {
        add_found(f, status, where_names[spec->where], spec->name, &missing);
    } else if (spec->default_text != NULL && spec->where == PARAM_QUERY) {
        uint32_t name = request_store(req, spec->name, strlen(spec->name));
        uint32_t value = request_store(req, spec->default_text, strlen(spec->default_text));

        if (!request_add_value(req, name, value))
            f->status = 503;
    }
}

/* "a=1&b" of the target into values. 0 when malformed. */
static int split_query(struct lathe_request *req)
{
    uint32_t at = req->url;

    while (req->head[at] != '?' && req->head[at] != '\0')
        at++;
    if (req->head[at] == '\0')
        return 1;
    at++;
    while (req->head[at] != '\0') {
        /* Offsets, not pointers: decoding may move the text. */
        size_t len = strcspn(req->head + at, "&"), name_len;
        uint32_t name, value;

        if (len > 0) {
            const char *equals = memchr(req->head + at, '=', len);

            if (req->n_values - req->n_path_values >= QUERY_VALUES_MAX)
                return 0;
            name_len = equals ? (size_t)(equals - (req->head + at)) : len;
            name = request_decode(req, req->head + at, name_len, 1);
            if (name == 0)
                return 0;
            value = request_decode(req, req->head + at + name_len + (equals != NULL),
                                   equals ? len - name_len - 1 : 0, 1);
            if (!request_add_value(req, name, value))
                return 0;
        }
        at += (uint32_t)len;
        at += req->head[at] == '&';
    }
    return 1;
}

static const struct http_param_spec *query_spec(const struct http_op *op, const char *name)
{
    for (size_t i = 0; i < op->n_params; i++)
        if (op->params[i].where == PARAM_QUERY && strcmp(op->params[i].name, name) == 0)
            return &op->params[i];
    return NULL;
}

/* Unknown names, and single values given twice. */
static void check_query_names(struct lathe_request *req, struct findings *f)
{
    const struct http_op *op = req->op;

    for (uint32_t i = req->n_path_values; i < req->n_values; i++) {
        const char *name = req->head + req->values[i].name;
        const struct http_param_spec *spec = query_spec(op, name);

        if (spec == NULL) {
            if (op->strict_query && !(op->is_ws && strcmp(name, "ticket") == 0))
                add_found(f, op->query_status, "query", name, &unknown);
            continue;
        }
        for (uint32_t k = req->n_path_values; k < i; k++)
            if (strcmp(req->head + req->values[k].name, name) == 0) {
                add_found(f, op->query_status, "query", name, &twice);
                break;
            }
    }
}

/* --- body
 * ------------------------------------------------------------------------------------------------
 */

static int type_matches(const char *have, const char *want)
{
    size_t len = strcspn(have, "; \t"), want_len = strcspn(want, "; \t");

    if (strcmp(want, "*/*") == 0)
        return 1;
    return len == want_len && strncasecmp(have, want, len) == 0;
}

static int type_accepted(const struct lathe_request *req)
{
    const char *have = request_header(req, HDR_CONTENT_TYPE);

    if (have == NULL)
        return 0;
    for (size_t i = 0; req->op->body_types[i] != NULL; i++)
        if (type_matches(have, req->op->body_types[i]))
            return 1;
    return 0;
}

static int is_json_text(const struct lathe_request *req)
{
    const char *have = request_header(req, HDR_CONTENT_TYPE);
    size_t len = have ? strcspn(have, "; \t") : 0;

    return (len == 16 && strncasecmp(have, "application/json", 16) == 0) ||
           (len > 5 && strncasecmp(have + len - 5, "+json", 5) == 0);
}

static void check_json(struct lathe_request *req, struct findings *f)
{
    struct lathe_json_limits limits = {.struct_size = sizeof limits,
                                       .len_bytes_max = req->body_len};
    struct schema_report report;
    struct lathe_error err = {0};
    int32_t st = json_parse_text(req->body, req->body_len, &limits, &req->json, &err);

    if (st != LATHE_OK) {
        if (st == LATHE_E_NOMEM)
            f->status = 503;
        else
            add_found(f, 422, "body", NULL,
                      &(struct fault){.keyword = "json_invalid", .message = err.text});
        return;
    }
    if (req->op->body_schema == NULL)
        return;
    schema_report_init(&report);
    st = schema_validate(req->op->body_schema, req->json, &report);
    if (st == LATHE_OK)
        st = schema_apply_defaults(req->op->body_schema, req->json);
    if (st == LATHE_E_NOMEM)
        f->status = 503;
    else if (st != LATHE_OK && report.n == 0)
        add_found(f, 422, "body", NULL, &too_complex);
    add_report(f, 422, "body", NULL, &report);
    schema_report_fini(&report);
}

/* Many clients send {} with every POST; it says nothing, so it is let through. */
static int is_empty_object(const struct lathe_request *req)
{
    return is_json_text(req) && req->body_len == 2 && memcmp(req->body, "{}", 2) == 0;
}

/* 0 when the answer is out already. */
static int check_body(struct lathe_request *req, struct findings *f)
{
    const struct http_op *op = req->op;

    if (!op->has_body) {
        if (req->body_len == 0 || is_empty_object(req))
            return 1;
        (void)problem_simple(req, 415, "unsupported_media_type", "This operation takes no body");
        return 0;
    }
    if (req->body_len == 0 && (!op->body_required || op->raw_body) &&
        request_header(req, HDR_CONTENT_TYPE) == NULL)
        return 1;
    if (req->body_len == 0) {
        if (op->body_required)
            add_found(f, 422, "body", NULL, &missing);
        return 1;
    }
    if (!type_accepted(req)) {
        (void)problem_simple(req, 415, "unsupported_media_type",
                             "The Content-Type is not one that this operation takes");
        return 0;
    }
    if (!op->raw_body && is_json_text(req))
        check_json(req, f);
    return 1;
}

int32_t contract_check(struct lathe_request *req)
{
    const struct http_op *op = req->op;
    struct findings f;

    if (op->n_params == 0 && !op->has_body && req->body_len == 0 &&
        strchr(req->head + req->url, '?') == NULL)
        return LATHE_OK;
    f.n = 0;
    f.status = 0;
    if (!split_query(req)) {
        (void)problem_simple(req, 400, "bad_query", "The query string is not well formed");
        return LATHE_E_INVALID;
    }
    check_query_names(req, &f);
    for (size_t i = 0; i < op->n_params; i++)
        check_param(req, &f, &op->params[i]);
    if (f.status != 0)
        return answer_findings(req, &f, f.status == 503 ? "no_memory" : "validation_error");
    if (!check_body(req, &f)) {
        drop_findings(&f);
        return LATHE_E_INVALID;
    }
    return answer_findings(req, &f, f.status == 503 ? "no_memory" : "validation_error");
}

/* --- answers
 * --------------------------------------------------------------------------------------------- */

const char *contract_check_answer(const struct http_op *op, int32_t status, const char *type,
                                  const void *data, size_t len_bytes, char *text, size_t cap)
{
    const struct http_response_spec *spec = NULL;
    struct schema_report report;
    struct lathe_error err = {0};
    char detail[200];
    json_t *value = NULL;

    for (size_t i = 0; i < op->n_responses; i++)
        if (op->responses[i].status == status || (op->responses[i].status == 0 && spec == NULL))
            spec = &op->responses[i];
    if (spec == NULL) {
        snprintf(text, cap, "operation %s: status %d is not in the contract", op->id, (int)status);
        return text;
    }
    if (spec->schema == NULL)
        return NULL;
    if (type == NULL || strncmp(type, "application/json", 16) != 0)
        return NULL;
    if (json_parse_text(data, len_bytes, NULL, &value, &err) != LATHE_OK) {
        snprintf(text, cap, "operation %s: the answer is no JSON: %.150s", op->id, err.text);
        return text;
    }
    schema_report_init(&report);
    if (schema_validate(spec->schema, value, &report) == LATHE_OK)
        text = NULL;
    else
        snprintf(text, cap, "operation %s: answer %d: %.150s", op->id, (int)status,
                 report.n > 0 ? schema_violation_text(&report.items[0], detail, sizeof detail)
                              : "too complex");
    schema_report_fini(&report);
    json_decref(value);
    return text;
}
