/* SPDX-License-Identifier: Apache-2.0 */
/* Contracts: routing, checks of parameters and bodies, error shapes, CORS, core paths, start-up
 * refusals. */
#include "tests/support/support.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "tests/unit/http_fixture.h"

static struct fixture fix;
static struct reply reply;
static char www[256];

static int not_ready(void *ctx, char *why, size_t cap)
{
    (void)ctx;
    snprintf(why, cap, "store is down");
    return 0;
}

static void tune(struct http_config *cfg, struct http_surface *surface)
{
    (void)surface;
    cfg->validate_responses = 1;
    cfg->access_log = 1;
    cfg->pool.ctx = &fix;
    cfg->pool.submit = fixture_submit;
    cfg->ready = not_ready;
    cfg->www_dir = www;
}

static int setup(void **state)
{
    char *dir = test_tmpdir();
    char path[512];
    struct lathe_error err;

    *state = dir;
    snprintf(www, sizeof www, "%s", dir);
    snprintf(path, sizeof path, "%s/swagger-ui", dir);
    assert_int_equal(io_mkdir_p(path, 0755, &err), LATHE_OK);
    test_write_file(test_path(path, "swagger-ui-bundle.js"), "window.x = 1;");
    test_write_file(test_path(path, ".hidden"), "no");
    test_write_file(test_path(dir, "secret.txt"), "no");
    fixture_start(&fix, tune);
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(&fix);
    test_tmpdir_remove(*state);
    return 0;
}

static void get(const char *path)
{
    char text[1024];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    ask(&fix, text, &reply);
}

static void post_json(const char *path, const char *body)
{
    char text[2048];

    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             path, strlen(body), body);
    ask(&fix, text, &reply);
}

static void expect(int status, const char *part)
{
    if (reply.status != status || strstr(reply.body, part) == NULL)
        fail_msg("%d %s: wanted %d %s", reply.status, reply.body, status, part);
}

static void literal_segments_win_over_parameters(void **state)
{
    (void)state;
    get("/api/items/special");
    expect(200, "special");
    get("/api/items/other");
    expect(200, "{\"id\":\"other\"}");
    get("/api/items/a%2Fb%20c");
    expect(200, "{\"id\":\"a/b c\"}");
}

static void unknown_paths_and_methods_use_the_surface_shape(void **state)
{
    char value[64];

    (void)state;
    get("/api/nothing");
    expect(404, "{\"oops\":\"not_found\"");
    get("/api/items/");
    expect(404, "oops");
    ask(&fix, "DELETE /api/items HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    expect(405, "method_not_allowed");
    assert_string_equal(reply_header(&reply, "Allow", value, sizeof value),
                        "GET, HEAD, POST, OPTIONS");
    ask(&fix, "OPTIONS /api/items HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_int_equal(reply.status, 204);
    assert_string_equal(reply_header(&reply, "Allow", value, sizeof value),
                        "GET, HEAD, POST, OPTIONS");
}

static void query_parameters_are_checked_and_defaulted(void **state)
{
    (void)state;
    get("/api/items");
    expect(200, "{\"limit\":10,\"tag\":\"\",\"deep\":0}");
    get("/api/items?limit=1000&tag=red&deep=true");
    expect(200, "{\"limit\":1000,\"tag\":\"red\",\"deep\":1}");
    get("/api/items?limit=0");
    expect(400, "minimum/query/limit");
    get("/api/items?limit=1001");
    expect(400, "maximum/query/limit");
    get("/api/items?limit=abc");
    expect(400, "type/query/limit");
    get("/api/items?limit=1.5");
    expect(400, "type/query/limit");
    get("/api/items?limit=");
    expect(400, "type/query/limit");
    get("/api/items?limit=99999999999999999999");
    expect(400, "query/limit");
    get("/api/items?tag=green");
    expect(400, "enum/query/tag");
    get("/api/items?colour=red");
    expect(400, "additionalProperties/query/colour");
    get("/api/items?limit=1&limit=2");
    expect(400, "uniqueItems/query/limit");
}

static void bodies_are_checked_and_defaulted(void **state)
{
    (void)state;
    post_json("/api/items", "{\"name\":\"a\"}");
    expect(201, "{\"name\":\"a\",\"count\":5}");
    post_json("/api/items", "{\"name\":\"\",\"count\":1001,\"extra\":1,\"tags\":[\"x\",2]}");
    expect(422, "minLength/body/name");
    expect(422, "maximum/body/count");
    expect(422, "additionalProperties/body/extra");
    expect(422, "type/body/tags/1");
    post_json("/api/items", "{\"count\":\"x\"}");
    expect(422, "type/body/count");
    expect(422, "required/body/name");
    post_json("/api/items", "{\"name\":");
    expect(422, "json_invalid/body");
    post_json("/api/items", "{\"name\":\"a\",\"name\":\"b\"}");
    expect(422, "json_invalid/body");
    post_json("/api/items", "{\"name\":\"\xff\"}");
    expect(422, "json_invalid/body");
    post_json("/api/items",
              "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
    expect(422, "json_invalid/body");
    post_json("/api/items", "null");
    expect(422, "type/body");
}

static void bodies_need_their_content_type(void **state)
{
    (void)state;
    ask(&fix,
        "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        "Content-Length: 2\r\n\r\n{}",
        &reply);
    expect(415, "unsupported_media_type");
    ask(&fix, "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", &reply);
    expect(415, "unsupported_media_type");
    ask(&fix,
        "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        "application/json;charset=utf-8\r\n"
        "Content-Length: 12\r\n\r\n{\"name\":\"a\"}",
        &reply);
    expect(201, "\"a\"");
    ask(&fix, "POST /api/items HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    expect(422, "required/body");
    ask(&fix, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", &reply);
    expect(415, "unsupported_media_type");
    ask(&fix,
        "POST /api/ticket HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}",
        &reply);
    assert_int_equal(reply.status, 200); /* an empty object is no body */
}

static void statuses_of_handlers_become_problems(void **state)
{
    (void)state;
    get("/api/items/missing");
    expect(404, "{\"oops\":\"not_found\",\"why\":\"no such item\"");
    get("/api/slow");
    expect(200, "from the pool");
    assert_non_null(strstr(reply.head, "X-Pool: yes"));
    get("/api/slow-fail");
    expect(409, "\"why\":\"pool says no\"");
}

static void a_client_that_leaves_does_not_disturb_the_pool(void **state)
{
    struct linger now = {.l_onoff = 1};
    int fds[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        fds[i] = client_open(fix.port);
        client_send(fds[i], "GET /api/slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    for (int i = 0; i < 8; i++) {
        if (i % 2 == 0)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
        else
            assert_true(client_reply(fds[i], &reply));
        close(fds[i]);
    }
    get("/api/slow"); /* by now the others are done too */
    expect(200, "from the pool");
}

static void answers_outside_the_contract_become_500(void **state)
{
    (void)state;
    get("/api/liar");
    expect(500, "contract_violation");
}

static void origins_are_judged(void **state)
{
    char value[64];

    (void)state;
    ask(&fix,
        "OPTIONS /api/items HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n"
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: X-A, "
        "Content-Type\r\n\r\n",
        &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_header(&reply, "Access-Control-Allow-Origin", value, sizeof value),
                        "http://localhost:3000");
    assert_string_equal(reply_header(&reply, "Access-Control-Allow-Headers", value, sizeof value),
                        "X-A, Content-Type");
    assert_string_equal(reply_header(&reply, "Access-Control-Max-Age", value, sizeof value), "600");
    ask(&fix,
        "OPTIONS /api/items HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n",
        &reply);
    assert_int_equal(reply.status, 400);
    ask(&fix,
        "POST /api/items HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
        "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"name\":\"a\"}",
        &reply);
    expect(403, "origin_forbidden");
    ask(&fix,
        "POST /api/items HTTP/1.1\r\nHost: localhost:81\r\nOrigin: http://localhost:81\r\n"
        "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"name\":\"a\"}",
        &reply);
    expect(201, "\"a\"");
    ask(&fix, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
        &reply);
    assert_int_equal(reply.status, 200);
    assert_null(reply_header(&reply, "Access-Control-Allow-Origin", value, sizeof value));
    ask(&fix,
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\r\n",
        &reply);
    assert_string_equal(reply_header(&reply, "Access-Control-Expose-Headers", value, sizeof value),
                        "X-Total-Count, X-Request-Id");
    assert_string_equal(reply_header(&reply, "Vary", value, sizeof value), "Origin");
}

static void foreign_hosts_are_refused(void **state)
{
    static const struct {
        const char *host;
        int status;
    } hosts[] = {{"localhost:8000", 200},
                 {"127.0.0.1", 200},
                 {"[::1]:80", 200},
                 {"a.localhost", 200},
                 {"evil.example", 403},
                 {"10.0.0.1", 403},
                 {"", 403},
                 {"localhost@evil", 403},
                 {"127.0.0.1.evil.example", 403}};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(text, sizeof text, "GET /api/stored HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);
        if (status_of(&fix, text) != hosts[i].status)
            fail_msg("Host %s", hosts[i].host);
    }
}

static void core_paths_are_served(void **state)
{
    char value[128];
    json_t *doc = NULL;
    struct lathe_error err;

    (void)state;
    get("/");
    expect(200, "\"surfaces\":[{\"name\":\"test\"");
    ask(&fix, "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n", &reply);
    expect(200, "<a href=\"/docs\">");
    get("/-/health");
    expect(200, "\"status\":\"ok\"");
    get("/-/ready");
    expect(503, "store is down");
    get("/-/plugins");
    expect(200, "[]");
    get("/metrics");
    expect(200, "lathe_http_connections 1\n");
    get("/api/stored");
    get("/metrics");
    expect(200,
           "lathe_http_requests_total{surface=\"test\",operation=\"stored\",status=\"200\"} 1\n");
    expect(200, "lathe_http_request_seconds_count{surface=\"test\",operation=\"stored\"} 1\n");
    get("/openapi.json");
    assert_int_equal(json_parse_text(reply.body, reply.body_len, NULL, &doc, &err), LATHE_OK);
    assert_non_null(json_at_pointer(doc, "/paths/~1api~1items~1{id}/get/operationId"));
    assert_non_null(json_at_pointer(doc, "/components/schemas/NewItem"));
    assert_non_null(json_at_pointer(doc, "/paths/~1metrics/get"));
    json_decref(doc);
    get("/docs");
    expect(200, "SwaggerUIBundle");
    get("/redoc"); /* not installed: the plain page */
    expect(200, "<code>/api/items/{id}</code>");
    ask(&fix, "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_int_equal(reply.status, 405);
    assert_string_equal(reply_header(&reply, "Allow", value, sizeof value), "GET, HEAD, OPTIONS");
}

static void files_stay_inside_their_directory(void **state)
{
    static const char *const bad[] = {"/docs/../secret.txt",   "/docs/%2e%2e/secret.txt",
                                      "/docs/..%2fsecret.txt", "/docs/.hidden",
                                      "/docs//etc/passwd",     "/docs/nothing.js",
                                      "/docs/..\\secret.txt",  "/docs/%2fetc/passwd"};
    char text[256], etag[64], value[64];

    (void)state;
    get("/docs/swagger-ui-bundle.js");
    expect(200, "window.x = 1;");
    assert_string_equal(reply_header(&reply, "Content-Type", value, sizeof value),
                        "text/javascript; charset=utf-8");
    assert_non_null(reply_header(&reply, "ETag", etag, sizeof etag));
    snprintf(
        text, sizeof text,
        "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: %s\r\n\r\n",
        etag);
    ask(&fix, text, &reply);
    assert_int_equal(reply.status, 304);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        get(bad[i]);
        if (reply.status != 404)
            fail_msg("%s: %d", bad[i], reply.status);
    }
}

/* --- refusals at start
 * ------------------------------------------------------------------------------------ */

static int32_t answer_ok(void *self, struct lathe_request *req)
{
    (void)self;
    return http_service()->respond(req, 200, "text/plain", "ok", 2);
}

#define DOC(paths) "{\"openapi\":\"3.1.0\",\"paths\":{" paths "}}"
#define OP(id) "{\"get\":{\"operationId\":\"" id "\",\"responses\":{}}}"

static const struct lathe_operation *const op_a[] = {LATHE_OPERATION("a", answer_ok), NULL};

/* Mounts documents (second may be NULL) on a listener and starts; the error's text is in err. */
static int32_t try_start(const char *address, const char *first, const char *second,
                         struct lathe_error *err)
{
    struct lathe_api api = {.struct_size = sizeof api, .operations = op_a};
    struct lathe_api other = api;
    struct http_listener_config listener = {.address = address};
    struct http_surface surface = {.name = "one", .api = &api};
    struct event_base *base = event_base_new();
    struct http_server *server = NULL;
    struct http_config cfg;
    int32_t st;

    http_config_init(&cfg);
    cfg.listeners = &listener;
    cfg.n_listeners = 1;
    api.openapi_json = first;
    other.openapi_json = second;
    st = http_server_open(base, &cfg, &server, err);
    if (st == LATHE_OK)
        st = http_server_mount(server, &surface, err);
    surface.name = "two";
    surface.api = &other;
    if (st == LATHE_OK && second != NULL)
        st = http_server_mount(server, &surface, err);
    if (st == LATHE_OK)
        st = http_server_start(server, err);
    http_server_close(server);
    event_base_free(base);
    return st;
}

static void contracts_and_handlers_must_match(void **state)
{
    struct lathe_error err;

    (void)state;
    assert_int_equal(try_start("127.0.0.1", DOC("\"/x\":" OP("a")), NULL, &err), LATHE_OK);
    assert_int_equal(try_start("127.0.0.1", DOC("\"/x\":" OP("b")), NULL, &err), LATHE_E_INVALID);
    assert_contains(err.text, "\"b\"");
    assert_int_equal(try_start("127.0.0.1", DOC(""), NULL, &err), LATHE_E_INVALID);
    assert_contains(err.text, "handler \"a\" has no operation");
    assert_int_equal(try_start("127.0.0.1", DOC("\"/x\":" OP("a") ",\"/y\":" OP("a")), NULL, &err),
                     LATHE_E_INVALID);
    assert_contains(err.text, "twice");
    assert_int_equal(try_start("127.0.0.1", DOC("\"/x/{id}\":" OP("a")), NULL, &err),
                     LATHE_E_INVALID);
    assert_contains(err.text, "{id}");
    assert_int_equal(try_start("127.0.0.1", "{\"openapi\":\"3.0.0\"}", NULL, &err),
                     LATHE_E_INVALID);
    assert_int_equal(try_start("127.0.0.1", "{", NULL, &err), LATHE_E_INVALID);
}

static void clashing_paths_name_both_surfaces(void **state)
{
    struct lathe_error err;

    (void)state;
    assert_int_equal(
        try_start("127.0.0.1", DOC("\"/x/y\":" OP("a")), DOC("\"/x/y\":" OP("a")), &err),
        LATHE_E_CONFLICT);
    assert_contains(err.text, "\"one\"");
    assert_contains(err.text, "\"two\"");
    assert_int_equal(
        try_start("127.0.0.1", DOC("\"/x/y\":" OP("a")), DOC("\"/x/z\":" OP("a")), &err), LATHE_OK);
    assert_int_equal(try_start("127.0.0.1", DOC("\"/metrics\":" OP("a")), NULL, &err),
                     LATHE_E_CONFLICT);
}

static void open_listeners_without_tokens_are_refused(void **state)
{
    struct lathe_error err;

    (void)state;
    assert_int_equal(try_start("0.0.0.0", DOC("\"/x\":" OP("a")), NULL, &err), LATHE_E_DENIED);
    assert_contains(err.text, "asks for no token");
    assert_int_equal(try_start("not-an-address", DOC("\"/x\":" OP("a")), NULL, &err),
                     LATHE_E_DENIED);
}

/* The n-th allocation fails, for every n; a metric without memory is done without. */
static void start_survives_failed_allocations(void **state)
{
    static const char doc[] = DOC(
        "\"/x/"
        "{id}\":{\"get\":{\"operationId\":\"a\",\"parameters\":[{\"name\":\"id\",\"in\":\"path\","
        "\"required\":true,\"schema\":{\"type\":\"integer\"}},{\"name\":\"q\",\"in\":\"query\","
        "\"schema\":{"
        "\"type\":\"integer\",\"default\":3}}],\"responses\":{\"200\":{\"content\":{\"application/"
        "json\":{"
        "\"schema\":{\"type\":\"object\"}}}}}}}");
    struct lathe_error err;
    int32_t st, failed = 0;

    (void)state;
    for (unsigned long n = 1; n <= 300; n++) {
        mem_fail_after(n);
        st = try_start("127.0.0.1", doc, NULL, &err);
        mem_fail_after(0);
        failed += st != LATHE_OK;
        if (st != LATHE_OK && st != LATHE_E_NOMEM)
            fail_msg("allocation %lu: %s: %s", n, lathe_status_name(st), err.text);
    }
    assert_true(failed > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literal_segments_win_over_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_paths_and_methods_use_the_surface_shape, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(query_parameters_are_checked_and_defaulted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bodies_are_checked_and_defaulted, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_need_their_content_type, setup, teardown),
        cmocka_unit_test_setup_teardown(statuses_of_handlers_become_problems, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_does_not_disturb_the_pool, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(answers_outside_the_contract_become_500, setup, teardown),
        cmocka_unit_test_setup_teardown(origins_are_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_hosts_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(core_paths_are_served, setup, teardown),
        cmocka_unit_test_setup_teardown(files_stay_inside_their_directory, setup, teardown),
        cmocka_unit_test(contracts_and_handlers_must_match),
        cmocka_unit_test(clashing_paths_name_both_surfaces),
        cmocka_unit_test(open_listeners_without_tokens_are_refused),
        cmocka_unit_test(start_survives_failed_allocations),
    };

    return cmocka_run_group_tests_name("http_contract", tests, NULL, NULL);
}
