/* A surface's OpenAPI document compiled into operations with checkers, and the router over them.
 * Threads: [loop]; a compiled contract is immutable, the counters of its operations excepted. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_CONTRACT_H
#define CORE_HTTP_CONTRACT_H

#include <stddef.h>
#include <stdint.h>

#include "lathe/api.h"
#include "core/json/json.h"

struct http_mount;
struct http_metric;
struct http_metrics;
struct schema;
struct lathe_request;

enum http_method {
    HTTP_M_GET,
    HTTP_M_HEAD,
    HTTP_M_POST,
    HTTP_M_PUT,
    HTTP_M_PATCH,
    HTTP_M_DELETE,
    HTTP_M_OPTIONS,
    HTTP_M_COUNT
};

#define HTTP_OP_COUNTERS 12
#define HTTP_SEGMENTS_MAX 32
#define HTTP_PATH_PARAMS_MAX 8

enum http_param_where { PARAM_PATH, PARAM_QUERY, PARAM_HEADER };

/* How text becomes JSON before the schema sees it. */
enum http_param_type { PTYPE_STRING, PTYPE_INTEGER, PTYPE_NUMBER, PTYPE_BOOLEAN, PTYPE_ARRAY };

struct http_param_spec {
    char *name;
    enum http_param_where where;
    enum http_param_type type, item_type;
    int required, exact_string; /* exact_string: any string will do, nothing to check */
    char *default_text;         /* NULL: none */
    struct schema *schema;      /* NULL: no constraint */
};

struct http_response_spec {
    int32_t status; /* 0: default */
    struct schema *schema;
};

/* One operation. */
struct http_op {
    struct http_mount *mount;
    const struct lathe_operation *impl;
    char *id, *path; /* template with the mount's prefix */
    enum http_method method;
    struct http_param_spec *params;
    size_t n_params;
    int strict_query, query_status, raw_body, body_required, has_body, is_ws, open_to_all;
    uint64_t max_body_bytes; /* 0: the server's */
    char **body_types;       /* NULL-terminated media types, lower case */
    struct schema *body_schema;
    char **scopes; /* NULL-terminated: one of the lists; all are needed */
    struct http_response_spec *responses;
    size_t n_responses;
    struct http_metric *latency;
    struct {
        int32_t status;
        struct http_metric *metric;
    } counters[HTTP_OP_COUNTERS];
};

struct contract {
    json_t *doc;
    struct http_op **ops;
    size_t n_ops;
};

/* Reads text, checks every operation against mount's table and compiles it. name is used in
 * messages. Errors: LATHE_E_INVALID naming path, method or operationId. */
int32_t contract_load(const char *text, size_t len_bytes, struct http_mount *mount,
                      struct contract **out, struct lathe_error *err) LATHE_MUST_USE;
void contract_free(struct contract *contract);

/* Parameters and body of req against its operation. LATHE_OK, or the problem was answered. */
int32_t contract_check(struct lathe_request *req) LATHE_MUST_USE;
/* An answer against the contract: NULL, or what is wrong with it (into text). */
const char *contract_check_answer(const struct http_op *op, int32_t status, const char *type,
                                  const void *data, size_t len_bytes, char *text, size_t cap);

/* --- router ---------------------------------------------------------------------------------- */
struct router;

struct router_match {
    struct http_op *op;               /* NULL: path or method unknown */
    int path_known;                   /* the path exists, the method does not */
    uint32_t methods;                 /* bits of the methods the path has */
    const struct http_mount *surface; /* owner of the deepest known prefix, NULL when ambiguous */
    uint32_t n_params;
    struct {
        const char *name, *text; /* text points into the path given, not decoded */
        uint32_t len;
    } params[HTTP_PATH_PARAMS_MAX];
};

struct router *router_new(void);
void router_free(struct router *router);
/* Errors: LATHE_E_CONFLICT when another surface has this path, or this surface has it twice. */
int32_t router_add(struct router *router, struct http_op *op,
                   struct lathe_error *err) LATHE_MUST_USE;
void router_find(const struct router *router, const char *path, size_t len_bytes,
                 enum http_method method, struct router_match *match);

#endif
