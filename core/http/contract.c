/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles an OpenAPI 3.1 document: operations, their parameters, bodies, answers and scopes, each
 * bound to a handler. Places in the document are JSON pointers, so that schemas keep their
 * references. */
#include "core/http/contract.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/http/metrics.h"
#include "core/http/server.h"
#include "core/json/schema.h"

#define POINTER_CAP 1024
#define REF_HOPS_MAX 8
#define PARAMS_MAX 64
#define DOC_LIMIT ((uint64_t)8 << 20)

/* What the compiling functions share. */
struct build {
    struct contract *contract;
    struct http_mount *mount;
    struct schema_set *set;
    struct lathe_error *err;
};

/* A place: the value and the pointer that leads to it without passing through a $ref. */
struct place {
    json_t *value;
    char pointer[POINTER_CAP];
};

/* --- places
 * ---------------------------------------------------------------------------------------------- */

/* Appends "/name" with ~ and / escaped. 0 when it does not fit. */
static int pointer_add(char *pointer, const char *name)
{
    size_t at = strlen(pointer);

    if (at + 1 >= POINTER_CAP)
        return 0;
    pointer[at++] = '/';
    for (; *name != '\0'; name++) {
        if (at + 3 >= POINTER_CAP)
            return 0;
        if (*name == '~' || *name == '/') {
            pointer[at++] = '~';
            pointer[at++] = *name == '~' ? '0' : '1';
        } else {
            pointer[at++] = *name;
        }
    }
    pointer[at] = '\0';
    return 1;
}

/* Follows "$ref": "#/..." chains. */
static int32_t follow(const struct build *b, struct place *place)
{
    for (int hop = 0; hop < REF_HOPS_MAX; hop++) {
        const char *ref = json_member_string(place->value, "$ref", NULL);

        if (ref == NULL)
            return LATHE_OK;
        if (strncmp(ref, "#/", 2) != 0 || strlen(ref) >= POINTER_CAP)
            return fail(b->err, LATHE_E_INVALID, "contract of \"%s\": reference %s leads outside",
                        b->mount->name, ref);
        snprintf(place->pointer, sizeof place->pointer, "%s", ref + 1);
        if ((place->value = json_at_pointer(b->contract->doc, place->pointer)) == NULL)
            return fail(b->err, LATHE_E_INVALID, "contract of \"%s\": reference %s has no target",
                        b->mount->name, ref);
    }
    return fail(b->err, LATHE_E_INVALID, "contract of \"%s\": references go in circles at %s",
                b->mount->name, place->pointer);
}

/* The member name of place, followed. *out.value is NULL when it is absent. */
static int32_t member(const struct build *b, const struct place *place, const char *name,
                      struct place *out)
{
    *out = *place;
    out->value = json_object_get(place->value, name);
    if (out->value == NULL)
        return LATHE_OK;
    if (!pointer_add(out->pointer, name))
        return fail(b->err, LATHE_E_LIMIT, "contract of \"%s\": %s nests too deeply",
                    b->mount->name, place->pointer);
    return follow(b, out);
}

static int32_t element(const struct build *b, const struct place *place, size_t index,
                       struct place *out)
{
    char text[24];

    *out = *place;
    snprintf(text, sizeof text, "%zu", index);
    out->value = json_array_get(place->value, index);
    if (!pointer_add(out->pointer, text))
        return fail(b->err, LATHE_E_LIMIT, "contract of \"%s\": %s nests too deeply",
                    b->mount->name, place->pointer);
    return follow(b, out);
}

/* --- parameters
 * ------------------------------------------------------------------------------------------ */

static enum http_param_type type_of(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    const char *name = json_string_value(type);

    if (json_is_array(type)) /* ["integer", "null"]: text never is null */
        name = json_string_value(json_array_get(type, 0));
    if (name == NULL || strcmp(name, "string") == 0)
        return PTYPE_STRING;
    if (strcmp(name, "integer") == 0)
        return PTYPE_INTEGER;
    if (strcmp(name, "number") == 0)
        return PTYPE_NUMBER;
    if (strcmp(name, "boolean") == 0)
        return PTYPE_BOOLEAN;
    return strcmp(name, "array") == 0 ? PTYPE_ARRAY : PTYPE_STRING;
}

/* No member that could refuse a string. */
static int accepts_any_string(const json_t *schema)
{
    static const char *const harmless[] = {"type",     "description", "title",      "default",
                                           "examples", "example",     "deprecated", NULL};
    const char *name;
    json_t *value;

    if (type_of(schema) != PTYPE_STRING)
        return 0;
    json_object_foreach((json_t *)(uintptr_t)schema, name, value)
    {
        size_t i = 0;

        while (harmless[i] != NULL && strcmp(harmless[i], name) != 0)
            i++;
        if (harmless[i] == NULL)
            return 0;
    }
    return 1;
}

static int32_t default_of(const struct build *b, const json_t *schema, struct http_param_spec *spec)
{
    const json_t *def = json_object_get(schema, "default");

    if (def == NULL || json_is_null(def))
        return LATHE_OK;
    spec->default_text =
        json_is_string(def) ? mem_strdup(json_string_value(def)) : json_dup_text(def, 0, NULL);
    return spec->default_text ? LATHE_OK
                              : fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
}

static int32_t param_where(const struct build *b, const char *in, enum http_param_where *where)
{
    if (in != NULL && strcmp(in, "path") == 0)
        *where = PARAM_PATH;
    else if (in != NULL && strcmp(in, "query") == 0)
        *where = PARAM_QUERY;
    else if (in != NULL && strcmp(in, "header") == 0)
        *where = PARAM_HEADER;
    else
        return fail(b->err, LATHE_E_INVALID,
                    "contract of \"%s\": parameters in \"%s\" are not offered", b->mount->name,
                    in ? in : "");
    return LATHE_OK;
}

static int32_t param_schema(const struct build *b, const struct place *place,
                            struct http_param_spec *spec)
{
    struct place schema, items;
    int32_t st;

    if ((st = member(b, place, "schema", &schema)) != LATHE_OK)
        return st;
    if (schema.value == NULL) {
        spec->exact_string = 1;
        return LATHE_OK;
    }
    spec->type = type_of(schema.value);
    spec->exact_string = accepts_any_string(schema.value);
    if (spec->type == PTYPE_ARRAY) {
        if ((st = member(b, &schema, "items", &items)) != LATHE_OK)
            return st;
        spec->item_type = items.value ? type_of(items.value) : PTYPE_STRING;
    }
    if ((st = default_of(b, schema.value, spec)) != LATHE_OK || spec->exact_string)
        return st;
    return schema_get(b->set, schema.pointer, &spec->schema, b->err);
}

static struct http_param_spec *find_param(struct http_op *op, enum http_param_where where,
                                          const char *name)
{
    for (size_t i = 0; i < op->n_params; i++)
        if (op->params[i].where == where && strcmp(op->params[i].name, name) == 0)
            return &op->params[i];
    return NULL;
}

static void free_param(struct http_param_spec *spec)
{
    mem_free(spec->name);
    mem_free(spec->default_text);
    schema_free(spec->schema);
    memset(spec, 0, sizeof *spec);
}

static int32_t add_param(const struct build *b, struct http_op *op, const struct place *place)
{
    const char *name = json_member_string(place->value, "name", NULL);
    enum http_param_where where = PARAM_QUERY;
    struct http_param_spec *spec;
    int32_t st;

    if (name == NULL)
        return fail(b->err, LATHE_E_INVALID,
                    "contract of \"%s\": a parameter of \"%s\" has no name", b->mount->name,
                    op->id);
    if ((st = param_where(b, json_member_string(place->value, "in", NULL), &where)) != LATHE_OK)
        return st;
    if ((spec = find_param(op, where, name)) != NULL) {
        free_param(spec); /* the operation's own replaces the path's */
    } else {
        if (op->n_params == PARAMS_MAX)
            return fail(b->err, LATHE_E_LIMIT, "operation \"%s\" has too many parameters", op->id);
        spec = &op->params[op->n_params++];
    }
    spec->where = where;
    spec->required = where == PARAM_PATH || json_member_bool(place->value, "required", 0);
    if ((spec->name = mem_strdup(name)) == NULL)
        return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    return param_schema(b, place, spec);
}

static int32_t add_params(const struct build *b, struct http_op *op, const struct place *holder)
{
    struct place list, one;
    int32_t st = member(b, holder, "parameters", &list);

    for (size_t i = 0; st == LATHE_OK && i < json_array_size(list.value); i++)
        if ((st = element(b, &list, i, &one)) == LATHE_OK)
            st = add_param(b, op, &one);
    return st;
}

/* Path parameters first and in the order of the template: the router counts on it. */
static int32_t order_path_params(const struct build *b, struct http_op *op)
{
    const char *at = op->path;
    size_t placed = 0, n_path = 0;

    while ((at = strchr(at, '{')) != NULL) {
        size_t len = strcspn(++at, "}"), i = placed;
        struct http_param_spec swap;

        while (i < op->n_params &&
               !(op->params[i].where == PARAM_PATH && strlen(op->params[i].name) == len &&
                 memcmp(op->params[i].name, at, len) == 0))
            i++;
        if (i == op->n_params)
            return fail(b->err, LATHE_E_INVALID,
                        "operation \"%s\": {%.*s} of its path is not declared", op->id, (int)len,
                        at);
        swap = op->params[placed];
        op->params[placed++] = op->params[i];
        op->params[i] = swap;
    }
    for (size_t i = 0; i < op->n_params; i++)
        n_path += op->params[i].where == PARAM_PATH;
    if (n_path != placed || placed > HTTP_PATH_PARAMS_MAX)
        return fail(b->err, LATHE_E_INVALID,
                    "operation \"%s\": path parameters and path do not match", op->id);
    return LATHE_OK;
}

/* --- body, answers, scopes
 * ------------------------------------------------------------------------------- */

static int is_json_type(const char *type)
{
    size_t len = strcspn(type, "; ");

    return (len == 16 && strncasecmp(type, "application/json", 16) == 0) ||
           (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

static int32_t add_body(const struct build *b, struct http_op *op, const struct place *place)
{
    struct place body, content, type, schema;
    const char *name;
    json_t *value;
    size_t n = 0;
    int32_t st = member(b, place, "requestBody", &body);

    if (st != LATHE_OK || body.value == NULL)
        return st;
    op->has_body = 1;
    op->body_required = json_member_bool(body.value, "required", 0);
    if ((st = member(b, &body, "content", &content)) != LATHE_OK)
        return st;
    op->body_types = mem_zalloc(json_object_size(content.value) + 1, sizeof(char *));
    if (op->body_types == NULL)
        return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    json_object_foreach(content.value, name, value)
    {
        if ((op->body_types[n++] = mem_strdup(name)) == NULL)
            return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
        if (!is_json_type(name) || op->raw_body || op->body_schema != NULL)
            continue;
        if ((st = member(b, &content, name, &type)) != LATHE_OK)
            return st;
        if (json_object_get(type.value, "schema") == NULL)
            continue;
        schema = type;
        if (!pointer_add(schema.pointer, "schema"))
            return fail(b->err, LATHE_E_LIMIT, "operation \"%s\" nests too deeply", op->id);
        if ((st = schema_get(b->set, schema.pointer, &op->body_schema, b->err)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t add_answer(const struct build *b, struct http_op *op, const struct place *responses,
                          const char *status)
{
    struct http_response_spec *spec = &op->responses[op->n_responses];
    struct place response, content, type;
    const char *name;
    json_t *value;
    int32_t st = member(b, responses, status, &response);

    if (st != LATHE_OK)
        return st;
    spec->status = strcmp(status, "default") == 0 ? 0 : (int32_t)strtol(status, NULL, 10);
    op->n_responses++;
    if ((st = member(b, &response, "content", &content)) != LATHE_OK)
        return st;
    json_object_foreach(content.value, name, value)
    {
        if (!is_json_type(name) || json_object_get(value, "schema") == NULL)
            continue;
        if ((st = member(b, &content, name, &type)) != LATHE_OK)
            return st;
        if (!pointer_add(type.pointer, "schema"))
            return fail(b->err, LATHE_E_LIMIT, "operation \"%s\" nests too deeply", op->id);
        return schema_get(b->set, type.pointer, &spec->schema, b->err);
    }
    return LATHE_OK;
}

static int32_t add_answers(const struct build *b, struct http_op *op, const struct place *place)
{
    struct place responses;
    const char *status;
    json_t *value;
    int32_t st = member(b, place, "responses", &responses);

    if (st != LATHE_OK)
        return st;
    op->responses = mem_zalloc(json_object_size(responses.value) + 1, sizeof *op->responses);
    if (op->responses == NULL)
        return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    json_object_foreach(responses.value, status, value)
    {
        (void)value;
        if ((st = add_answer(b, op, &responses, status)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t add_scope(char **scopes, size_t cap, const char *scope)
{
    size_t n = 0;

    while (scopes[n] != NULL)
        n++;
    if (n + 1 >= cap)
        return LATHE_E_LIMIT;
    scopes[n] = mem_strdup(scope);
    return scopes[n] ? LATHE_OK : LATHE_E_NOMEM;
}

#define SCOPES_CAP 9

static int32_t add_scopes(const struct build *b, struct http_op *op, const json_t *operation)
{
    json_t *security = json_object_get(operation, "security"), *schemes, *list;
    const char *name;
    char scope[80];
    int32_t st = LATHE_OK;

    op->scopes = mem_zalloc(SCOPES_CAP, sizeof(char *));
    if (op->scopes == NULL)
        return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    if (security == NULL)
        security = json_object_get(b->contract->doc, "security");
    if (security == NULL) {
        snprintf(scope, sizeof scope, "%.60s:%s", b->mount->name,
                 op->method == HTTP_M_GET || op->method == HTTP_M_HEAD ? "read" : "write");
        st = add_scope(op->scopes, SCOPES_CAP, scope);
    }
    op->open_to_all = security != NULL && json_array_size(security) == 0;
    for (size_t i = 0; i < json_array_size(security); i++)
        if (json_object_size(json_array_get(security, i)) == 0)
            op->open_to_all = 1;
    schemes = json_array_get(security, 0);
    json_object_foreach(schemes, name, list)
    {
        for (size_t i = 0; st == LATHE_OK && i < json_array_size(list); i++)
            if (json_is_string(json_array_get(list, i)))
                st = add_scope(op->scopes, SCOPES_CAP, json_string_value(json_array_get(list, i)));
    }
    if (st == LATHE_E_LIMIT)
        return fail(b->err, st, "operation \"%s\" asks for too many scopes", op->id);
    return st == LATHE_OK ? st : fail(b->err, st, "compile the contract: out of memory");
}

/* --- operations
 * ------------------------------------------------------------------------------------------ */

static void free_op(struct http_op *op)
{
    if (op == NULL)
        return;
    for (size_t i = 0; op->params != NULL && i < op->n_params; i++)
        free_param(&op->params[i]);
    for (size_t i = 0; op->body_types != NULL && op->body_types[i] != NULL; i++)
        mem_free(op->body_types[i]);
    for (size_t i = 0; op->scopes != NULL && op->scopes[i] != NULL; i++)
        mem_free(op->scopes[i]);
    for (size_t i = 0; i < op->n_responses; i++)
        schema_free(op->responses[i].schema);
    schema_free(op->body_schema);
    mem_free(op->params);
    mem_free(op->body_types);
    mem_free(op->scopes);
    mem_free(op->responses);
    mem_free(op->id);
    mem_free(op->path);
    mem_free(op);
}

static int32_t bind_handler(const struct build *b, struct http_op *op)
{
    const struct lathe_operation *const *list = b->mount->api->operations;

    for (size_t i = 0; i < b->contract->n_ops; i++)
        if (strcmp(b->contract->ops[i]->id, op->id) == 0)
            return fail(b->err, LATHE_E_INVALID,
                        "contract of \"%s\": operationId \"%s\" appears twice", b->mount->name,
                        op->id);
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        if (strcmp(list[i]->id, op->id) == 0)
            op->impl = list[i];
    if (op->impl == NULL)
        return fail(b->err, LATHE_E_INVALID, "surface \"%s\": operation \"%s\" (%s) has no handler",
                    b->mount->name, op->id, op->path);
    if (op->is_ws ? op->impl->ws == NULL : op->impl->handle == NULL)
        return fail(b->err, LATHE_E_INVALID,
                    "surface \"%s\": operation \"%s\" is bound to the wrong kind "
                    "of handler (x-lathe-websocket)",
                    b->mount->name, op->id);
    return LATHE_OK;
}

static int32_t fill_op(const struct build *b, struct http_op *op, const struct place *item,
                       const struct place *place)
{
    const json_t *doc = b->contract->doc;
    int64_t max_body = json_member_int(place->value, "x-lathe-max-body-bytes", 0);
    int32_t st;

    op->strict_query = json_member_bool(place->value, "x-lathe-strict-query",
                                        json_member_bool(doc, "x-lathe-strict-query", 1));
    op->query_status = (int)json_member_int(place->value, "x-lathe-query-status", 400);
    op->raw_body = json_member_bool(place->value, "x-lathe-raw-body", 0);
    op->is_ws = json_member_bool(place->value, "x-lathe-websocket", 0);
    if (max_body < 0 || op->query_status < 400 || op->query_status > 499)
        return fail(b->err, LATHE_E_INVALID, "operation \"%s\": an x-lathe- value is out of range",
                    op->id);
    op->max_body_bytes = (uint64_t)max_body;
    if ((op->params = mem_zalloc(PARAMS_MAX, sizeof *op->params)) == NULL)
        return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    if ((st = bind_handler(b, op)) != LATHE_OK || (st = add_params(b, op, item)) != LATHE_OK ||
        (st = add_params(b, op, place)) != LATHE_OK ||
        (st = order_path_params(b, op)) != LATHE_OK || (st = add_body(b, op, place)) != LATHE_OK ||
        (st = add_answers(b, op, place)) != LATHE_OK)
        return st;
    return add_scopes(b, op, place->value);
}

static int32_t add_op(const struct build *b, const char *path, enum http_method method,
                      const struct place *item, const struct place *place)
{
    struct contract *contract = b->contract;
    const char *id = json_member_string(place->value, "operationId", NULL);
    struct http_op **grown, *op;
    size_t path_cap = strlen(b->mount->prefix) + strlen(path) + 1;
    char labels[160];
    int32_t st;

    if (id == NULL || strlen(id) > 64)
        return fail(b->err, LATHE_E_INVALID,
                    "contract of \"%s\": an operation of %s has no usable operationId",
                    b->mount->name, path);
    grown = mem_realloc(contract->ops, contract->n_ops + 1, sizeof *grown);
    if (grown == NULL || (op = (contract->ops = grown, mem_new(struct http_op))) == NULL)
        return fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    op->mount = b->mount;
    op->method = method;
    op->id = mem_strdup(id);
    op->path = mem_zalloc(1, path_cap);
    st = op->id && op->path ? LATHE_OK
                            : fail(b->err, LATHE_E_NOMEM, "compile the contract: out of memory");
    if (st == LATHE_OK) {
        snprintf(op->path, path_cap, "%s%s", b->mount->prefix, path);
        st = fill_op(b, op, item, place);
    }
    if (st != LATHE_OK) {
        free_op(op);
        return st;
    }
    snprintf(labels, sizeof labels, "surface=\"%.40s\",operation=\"%.64s\"", b->mount->name, id);
    op->latency = http_metrics_get(http_server_metrics(b->mount->server), HTTP_METRIC_HISTOGRAM,
                                   "lathe_http_request_seconds",
                                   "From first byte read to answer queued.", labels);
    contract->ops[contract->n_ops++] = op;
    return LATHE_OK;
}

static int32_t add_path(const struct build *b, const struct place *paths, const char *path)
{
    static const char *const names[] = {"get", "head", "post", "put", "patch", "delete", "options"};
    struct place item, place;
    int32_t st = member(b, paths, path, &item);

    if (st == LATHE_OK && path[0] != '/')
        st = fail(b->err, LATHE_E_INVALID, "contract of \"%s\": path \"%s\" must begin with /",
                  b->mount->name, path);
    for (int m = 0; st == LATHE_OK && m < HTTP_M_COUNT; m++) {
        if ((st = member(b, &item, names[m], &place)) == LATHE_OK && place.value != NULL)
            st = add_op(b, path, (enum http_method)m, &item, &place);
    }
    return st;
}

static int32_t check_handlers(const struct build *b)
{
    const struct lathe_operation *const *list = b->mount->api->operations;

    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        size_t k = 0;

        while (k < b->contract->n_ops && b->contract->ops[k]->impl != list[i])
            k++;
        if (k == b->contract->n_ops)
            return fail(b->err, LATHE_E_INVALID,
                        "surface \"%s\": handler \"%s\" has no operation in the contract",
                        b->mount->name, list[i]->id);
    }
    return LATHE_OK;
}

static int32_t compile(const struct build *b)
{
    struct place root = {.value = b->contract->doc, .pointer = ""}, paths;
    const char *version = json_member_string(b->contract->doc, "openapi", "");
    const char *path;
    json_t *value;
    int32_t st;

    if (strncmp(version, "3.1.", 4) != 0)
        return fail(b->err, LATHE_E_INVALID,
                    "contract of \"%s\": OpenAPI 3.1 is needed, this is \"%.20s\"", b->mount->name,
                    version);
    if ((st = member(b, &root, "paths", &paths)) != LATHE_OK)
        return st;
    json_object_foreach(paths.value, path, value)
    {
        (void)value;
        if ((st = add_path(b, &paths, path)) != LATHE_OK)
            return st;
    }
    return check_handlers(b);
}

void contract_free(struct contract *contract)
{
    if (contract == NULL)
        return;
    for (size_t i = 0; i < contract->n_ops; i++)
        free_op(contract->ops[i]);
    mem_free(contract->ops);
    json_decref(contract->doc);
    mem_free(contract);
}

int32_t contract_load(const char *text, size_t len_bytes, struct http_mount *mount,
                      struct contract **out, struct lathe_error *err)
{
    struct lathe_json_limits limits = {.struct_size = sizeof limits, .len_bytes_max = DOC_LIMIT};
    struct build b = {.mount = mount, .err = err};
    int32_t st;

    if ((b.contract = mem_new(struct contract)) == NULL)
        return fail(err, LATHE_E_NOMEM, "compile the contract: out of memory");
    st = json_parse_text(text, len_bytes, &limits, &b.contract->doc, err);
    if (st == LATHE_OK)
        st = schema_set_open(b.contract->doc, NULL, &b.set, err);
    if (st == LATHE_OK)
        st = compile(&b);
    schema_set_close(b.set);
    if (st != LATHE_OK)
        contract_free(b.contract);
    else
        *out = b.contract;
    return st;
}
