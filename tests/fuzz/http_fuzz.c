/* SPDX-License-Identifier: Apache-2.0 */
/* One server for the whole fuzzing process; every input is one connection over a socket pair. */
#include "tests/fuzz/http_fuzz.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/http/conn.h"
#include "tests/unit/http_contract_text.h"

#define TURNS_MAX 2000

static struct event_base *base;
static struct http_server *server;

/* Answers with what it was given, so that values from outside travel both ways. */
static int32_t answer(void *self, struct lathe_request *req)
{
    const struct lathe_http_service *http = http_service();
    const char *tag = http->query(req, "tag");

    (void)self;
    if (tag != NULL)
        (void)http->add_header(req, "X-Tag", tag);
    if (http->body_json(req) != NULL)
        return http->respond_json(req, 200, http->body_json(req));
    return http->respond(req, 200, "text/plain", http->path(req), strlen(http->path(req)));
}

static int32_t stream(void *self, struct lathe_request *req)
{
    static const struct lathe_stream_handler handler = {.struct_size = sizeof handler};
    struct lathe_stream *out = NULL;

    (void)self;
    if (http_service()->stream_open(req, 200, "text/event-stream", &handler, NULL, &out) ==
        LATHE_OK)
        (void)http_service()->stream_event(out, "1", "e", "data", 4);
    return LATHE_OK;
}

static int32_t ws_opened(void *self, struct lathe_ws *ws, struct lathe_request *req, void **user)
{
    (void)self;
    (void)req;
    *user = ws;
    return LATHE_OK;
}

static void ws_echo(void *self, void *user, struct lathe_ws *ws, int32_t is_text, const void *data,
                    uint64_t len)
{
    (void)self;
    (void)user;
    if (len > 0 && ((const char *)data)[0] == 'X')
        http_service()->ws_close(ws, 4000, "asked");
    (void)http_service()->ws_send(ws, is_text, data, len);
}

static const struct lathe_ws_handler echo = {
    .struct_size = sizeof echo, .max_message_bytes = 4096, .open = ws_opened, .message = ws_echo};

static const struct lathe_operation *const operations[] = {
    LATHE_OPERATION("listItems", answer), LATHE_OPERATION("getItem", answer),
    LATHE_OPERATION("special", answer),   LATHE_OPERATION("createItem", answer),
    LATHE_OPERATION("raw", answer),       LATHE_OPERATION("park", answer),
    LATHE_OPERATION("release", answer),   LATHE_OPERATION("silent", answer),
    LATHE_OPERATION("big", answer),       LATHE_OPERATION("liar", answer),
    LATHE_OPERATION("slow", answer),      LATHE_OPERATION("slowFail", answer),
    LATHE_OPERATION("events", stream),    LATHE_OPERATION_WS("echo", &echo),
    LATHE_OPERATION("stored", answer),    LATHE_OPERATION("ticket", answer),
    LATHE_OPERATION("who", answer),       NULL};

static void start(void)
{
    static const struct lathe_api api = {
        .struct_size = sizeof api, .openapi_json = test_contract_text, .operations = operations};
    struct http_listener_config listener = {.address = "127.0.0.1"};
    struct http_surface surface = {.name = "fuzz", .api = &api};
    struct http_config cfg;

    signal(SIGPIPE, SIG_IGN);
    log_set_level(-1);
    base = event_base_new();
    http_config_init(&cfg);
    cfg.listeners = &listener;
    cfg.n_listeners = 1;
    if (base == NULL || http_server_open(base, &cfg, &server, NULL) != LATHE_OK ||
        http_server_mount(server, &surface, NULL) != LATHE_OK ||
        http_server_start(server, NULL) != LATHE_OK)
        abort();
}

/* Lets the server work and throws its answers away. 1 once it has closed the connection. */
static int turn(int fd)
{
    char sink[65536];
    ssize_t n;

    event_base_loop(base, EVLOOP_NONBLOCK);
    while ((n = recv(fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
        ;
    return n == 0;
}

static void feed(int fd, const uint8_t *data, size_t len)
{
    for (int i = 0; len > 0 && i < TURNS_MAX; i++) {
        ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
        if (turn(fd))
            return;
    }
}

void http_fuzz_run(const uint8_t *data, size_t len, size_t cut)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int pair[2], closed = 0;

    if (server == NULL)
        start();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    conn_accept(server->listeners[0], pair[0], (const struct sockaddr *)(const void *)&from);
    if (cut > len)
        cut = len;
    feed(pair[1], data, cut);
    feed(pair[1], data + cut, len - cut);
    shutdown(pair[1], SHUT_WR);
    for (int i = 0; i < TURNS_MAX && !closed; i++)
        closed = turn(pair[1]);
    close(pair[1]);
    for (int i = 0; i < 10 && server->conns != NULL; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    if (server->conns != NULL || server->requests != NULL)
        abort(); /* leaked */
}
