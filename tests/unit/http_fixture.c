/* SPDX-License-Identifier: Apache-2.0 */
/* The server thread, the surface under test and the raw client. */
#include "tests/unit/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/http/auth.h"
#include "core/json/json.h"
#include "tests/unit/http_contract_text.h"

static const struct lathe_http_service *http(void)
{
    return http_service();
}

/* --- the surface
 * ----------------------------------------------------------------------------------------- */

static int32_t do_list(void *self, struct lathe_request *req)
{
    char text[200];
    const char *tag = http()->query(req, "tag");

    (void)self;
    snprintf(text, sizeof text, "{\"limit\":%lld,\"tag\":\"%s\",\"deep\":%d}",
             (long long)http()->query_int(req, "limit", -1), tag ? tag : "",
             (int)http()->query_bool(req, "deep", -1));
    (void)http()->add_header(req, "X-Total-Count", "3");
    return http()->respond(req, 200, "application/json", text, strlen(text));
}

static int32_t do_get(void *self, struct lathe_request *req)
{
    const char *id = http()->path_param(req, "id");
    struct lathe_error err = {.code = LATHE_E_NOT_FOUND, .text = "no such item"};
    struct lathe_json *object;
    int32_t st;

    (void)self;
    if (strcmp(id, "missing") == 0) {
        http()->set_error(req, &err);
        return LATHE_E_NOT_FOUND;
    }
    object = json_service()->object(json_service());
    json_service()->set_string(object, "id", id);
    st = http()->respond_json(req, 200, object);
    json_service()->release(object);
    return st;
}

static int32_t do_special(void *self, struct lathe_request *req)
{
    (void)self;
    return http()->respond(req, 200, "text/plain", "special", 7);
}

static int32_t do_create(void *self, struct lathe_request *req)
{
    (void)self;
    return http()->respond_json(req, 201, http()->body_json(req));
}

static int32_t do_raw(void *self, struct lathe_request *req)
{
    uint64_t len = 0;
    char text[64];

    (void)self;
    (void)http()->body(req, &len);
    snprintf(text, sizeof text, "%llu", (unsigned long long)len);
    return http()->respond(req, 200, "text/plain", text, strlen(text));
}

static int32_t do_park(void *self, struct lathe_request *req)
{
    struct fixture *fix = self;

    fix->parked = http()->acquire(req);
    return LATHE_OK;
}

static int32_t do_release(void *self, struct lathe_request *req)
{
    struct fixture *fix = self;
    struct lathe_request *parked = fix->parked;
    int open = parked != NULL && http()->is_open(parked);

    fix->parked = NULL;
    if (parked != NULL && http()->query_bool(req, "answer", 1))
        (void)http()->respond(parked, 200, "text/plain", "late", 4);
    http()->release(parked);
    return http()->respond(req, 200, "text/plain", open ? "open" : "gone", 4);
}

static int32_t do_silent(void *self, struct lathe_request *req)
{
    (void)self;
    (void)req;
    return LATHE_OK;
}

static int32_t do_big(void *self, struct lathe_request *req)
{
    static char text[100000];

    (void)self;
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    return http()->respond(req, 200, "application/json", text, sizeof text);
}

static int32_t do_liar(void *self, struct lathe_request *req)
{
    (void)self;
    return http()->respond(req, 200, "application/json", "{\"id\":7}", 8);
}

static int32_t do_slow(void *self, struct lathe_request *req)
{
    struct timespec pause = {.tv_nsec = 30000000};

    (void)self;
    assert_null(http()->acquire(req));
    nanosleep(&pause, NULL);
    (void)http()->add_header(req, "X-Pool", "yes");
    return http()->respond(req, 200, "text/plain", "from the pool", 13);
}

static int32_t do_slow_fail(void *self, struct lathe_request *req)
{
    struct lathe_error err = {.code = LATHE_E_CONFLICT, .text = "pool says no"};

    (void)self;
    http()->set_error(req, &err);
    return LATHE_E_CONFLICT;
}

static void on_stream_closed(void *user, struct lathe_stream *stream)
{
    struct fixture *fix = user;

    (void)stream;
    fix->stream = NULL;
    __atomic_add_fetch(&fix->stream_closed, 1, __ATOMIC_SEQ_CST);
}

static void on_stream_drained(void *user, struct lathe_stream *stream)
{
    struct fixture *fix = user;

    (void)stream;
    __atomic_add_fetch(&fix->stream_drained, 1, __ATOMIC_SEQ_CST);
}

static void flood(struct fixture *fix, struct lathe_stream *stream)
{
    static char block[8192];

    memset(block, 'y', sizeof block);
    for (int i = 0; i < 100000; i++)
        if (http()->stream_event(stream, NULL, NULL, block, sizeof block) == LATHE_E_LIMIT)
            break;
    __atomic_add_fetch(&fix->refused, 1, __ATOMIC_SEQ_CST);
}

static int32_t do_events(void *self, struct lathe_request *req)
{
    static const struct lathe_stream_handler handler = {.struct_size = sizeof handler,
                                                        .queue_bytes = 64 * 1024,
                                                        .heartbeat_ms = 60,
                                                        .drained = on_stream_drained,
                                                        .closed = on_stream_closed};
    struct fixture *fix = self;
    const char *last = http()->header(req, "Last-Event-ID");
    struct lathe_stream *stream = NULL;
    int32_t st = http()->stream_open(req, 200, "text/event-stream", &handler, fix, &stream);

    if (st != LATHE_OK)
        return LATHE_OK;
    fix->stream = stream;
    (void)http()->stream_event(stream, last ? last : "1", "hello", "a\nb", 3);
    if (http()->query_bool(req, "flood", 0))
        flood(fix, stream);
    else if (http()->query_bool(req, "close", 0))
        http()->stream_close(stream);
    return LATHE_OK;
}

static int32_t do_stored(void *self, struct lathe_request *req)
{
    static const char text[] =
        "{\"session_id\":\"session_1_1767225600\",\"scenario_id\":\"customer_support\","
        "\"framework\":"
        "\"LangChain\",\"status\":\"running\",\"current_episode\":120,\"max_episodes\":200,"
        "\"accuracy\":100.0,\"avg_reward\":11.71}";

    (void)self;
    return http()->respond(req, 200, "application/json", text, sizeof text - 1);
}

static int32_t do_ticket(void *self, struct lathe_request *req)
{
    char ticket[64];
    int32_t st;

    (void)self;
    if ((st = http()->ws_ticket(req, ticket)) != LATHE_OK)
        return st;
    return http()->respond(req, 200, "text/plain", ticket, strlen(ticket));
}

static int32_t do_who(void *self, struct lathe_request *req)
{
    const struct lathe_identity *who = http()->identity(req);
    char text[256];

    (void)self;
    snprintf(text, sizeof text, "%s %s %d", who->subject, who->role,
             (int)http()->has_scope(req, "test:admin"));
    return http()->respond(req, 200, "text/plain", text, strlen(text));
}

static int32_t ws_open(void *self, struct lathe_ws *ws, struct lathe_request *req, void **user)
{
    struct fixture *fix = self;
    const char *id = http()->path_param(req, "id");

    *user = fix;
    fix->ws = ws;
    __atomic_add_fetch(&fix->ws_opened, 1, __ATOMIC_SEQ_CST);
    if (strcmp(id, "unknown") == 0)
        http()->ws_close(ws, 4404, "unknown");
    else if (strcmp(id, "broken") == 0)
        return LATHE_E_INTERNAL;
    else
        (void)http()->ws_send(ws, 1, "welcome", 7);
    return LATHE_OK;
}

static void ws_message(void *self, void *user, struct lathe_ws *ws, int32_t is_text,
                       const void *data, uint64_t len)
{
    struct fixture *fix = user;
    static char block[16384];

    (void)self;
    __atomic_add_fetch(&fix->ws_messages, 1, __ATOMIC_SEQ_CST);
    if (is_text && len == 5 && memcmp(data, "flood", 5) == 0) {
        memset(block, 'z', sizeof block);
        while (http()->ws_send(ws, 1, block, sizeof block) == LATHE_OK)
            ;
        __atomic_add_fetch(&fix->refused, 1, __ATOMIC_SEQ_CST);
    } else if (is_text && len == 3 && memcmp(data, "bye", 3) == 0) {
        http()->ws_close(ws, 4000, "as you wish");
    } else {
        (void)http()->ws_send(ws, is_text, data, len);
    }
}

static void ws_drained(void *self, void *user, struct lathe_ws *ws)
{
    struct fixture *fix = user;

    (void)self;
    (void)ws;
    __atomic_add_fetch(&fix->ws_drained, 1, __ATOMIC_SEQ_CST);
}

static void ws_closed(void *self, void *user, struct lathe_ws *ws, int32_t code)
{
    struct fixture *fix = user;

    (void)self;
    (void)ws;
    fix->ws = NULL;
    fix->ws_code = code;
    __atomic_add_fetch(&fix->ws_closed, 1, __ATOMIC_SEQ_CST);
}

static const struct lathe_ws_handler echo = {.struct_size = sizeof echo,
                                             .queue_bytes = 128 * 1024,
                                             .max_message_bytes = 64 * 1024,
                                             .slow_ms = 300,
                                             .open = ws_open,
                                             .message = ws_message,
                                             .drained = ws_drained,
                                             .close = ws_closed};

static int32_t render(void *self, struct lathe_request *req, const struct lathe_problem *problem)
{
    char text[2048];
    size_t at = 0;

    (void)self;
    at += (size_t)snprintf(text, sizeof text, "{\"oops\":\"%s\",\"why\":\"%s\",\"list\":[",
                           problem->code ? problem->code : "", problem->text ? problem->text : "");
    for (size_t i = 0; problem->violations && problem->violations[i] && at < 1800; i++) {
        const struct lathe_violation *v = problem->violations[i];

        at += (size_t)snprintf(text + at, sizeof text - at, "%s\"%s", i ? "," : "", v->keyword);
        for (size_t k = 0; v->loc[k] != NULL && at < 1900; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "/%s", v->loc[k]);
        at += (size_t)snprintf(text + at, sizeof text - at, "\"");
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "]}");
    return http()->respond(req, problem->http_status, "application/json", text, at);
}

static const struct lathe_operation *const operations[] = {
    LATHE_OPERATION("listItems", do_list),  LATHE_OPERATION("getItem", do_get),
    LATHE_OPERATION("special", do_special), LATHE_OPERATION("createItem", do_create),
    LATHE_OPERATION("raw", do_raw),         LATHE_OPERATION("park", do_park),
    LATHE_OPERATION("release", do_release), LATHE_OPERATION("silent", do_silent),
    LATHE_OPERATION("big", do_big),         LATHE_OPERATION("liar", do_liar),
    LATHE_OPERATION_POOL("slow", do_slow),  LATHE_OPERATION_POOL("slowFail", do_slow_fail),
    LATHE_OPERATION("events", do_events),   LATHE_OPERATION_WS("echo", &echo),
    LATHE_OPERATION("stored", do_stored),   LATHE_OPERATION("ticket", do_ticket),
    LATHE_OPERATION("who", do_who),         NULL};

static const struct lathe_api surface_api = {.struct_size = sizeof surface_api,
                                             .title = "Test",
                                             .openapi_json = test_contract_text,
                                             .operations = operations,
                                             .render_error = render};

/* --- the server thread
 * --------------------------------------------------------------------------------------- */

static void on_drained(void *user)
{
    struct fixture *fix = user;

    __atomic_store_n(&fix->drained, 1, __ATOMIC_SEQ_CST);
    event_base_loopbreak(fix->base);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *fix = arg;
    char byte;

    (void)what;
    (void)!read(fd, &byte, 1);
    if (fix->drain_ms > 0)
        http_server_drain(fix->server, (uint32_t)fix->drain_ms, on_drained, fix);
    else
        event_base_loopbreak(fix->base);
}

struct pool_call {
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
    int report_fd;
};

static void *pool_thread(void *arg)
{
    struct pool_call *call = arg;

    call->work(call->arg);
    assert_int_equal(write(call->report_fd, &call, sizeof call), sizeof call);
    return NULL;
}

int32_t fixture_submit(void *ctx, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct fixture *fix = ctx;
    struct pool_call *call = malloc(sizeof *call);
    pthread_t thread;

    assert_non_null(call);
    *call = (struct pool_call){work, done, arg, fix->pool_fd[1]};
    assert_int_equal(pthread_create(&thread, NULL, pool_thread, call), 0);
    pthread_detach(thread);
    return LATHE_OK;
}

static void on_pool_done(evutil_socket_t fd, short what, void *arg)
{
    struct pool_call *call;

    (void)what;
    (void)arg;
    assert_int_equal(read(fd, &call, sizeof call), sizeof call);
    call->done(call->arg);
    free(call);
}

static void *run(void *arg)
{
    struct fixture *fix = arg;
    struct event *stop = event_new(fix->base, fix->stop_fd[0], EV_READ, on_stop, fix);
    struct event *pool =
        event_new(fix->base, fix->pool_fd[0], EV_READ | EV_PERSIST, on_pool_done, fix);

    event_add(stop, NULL);
    event_add(pool, NULL);
    event_base_dispatch(fix->base);
    event_free(stop);
    event_free(pool);
    return NULL;
}

void fixture_start(struct fixture *fix, void (*tune)(struct http_config *, struct http_surface *))
{
    static const char *const origins[] = {"http://localhost:3000", NULL};
    struct http_listener_config listener = {.address = "127.0.0.1"};
    struct http_surface surface = {.name = "test", .api = &surface_api, .self = fix};
    struct http_auth_config auth_cfg = {0};
    struct http_config cfg;
    struct lathe_error err = {0};

    signal(SIGPIPE, SIG_IGN);
    memset(fix, 0, sizeof *fix);
    assert_int_equal(http_auth_open(&auth_cfg, &fix->auth, &err), LATHE_OK);
    http_config_init(&cfg);
    cfg.listeners = &listener;
    cfg.n_listeners = 1;
    cfg.cors_origins = origins;
    cfg.auth = fix->auth;
    if (tune != NULL)
        tune(&cfg, &surface);
    fix->base = event_base_new();
    assert_non_null(fix->base);
    if (http_server_open(fix->base, &cfg, &fix->server, &err) != LATHE_OK ||
        http_server_mount(fix->server, &surface, &err) != LATHE_OK ||
        http_server_start(fix->server, &err) != LATHE_OK)
        fail_msg("server: %s", err.text);
    fix->port = http_server_port(fix->server, 0);
    assert_int_equal(pipe(fix->stop_fd), 0);
    assert_int_equal(pipe(fix->pool_fd), 0);
    assert_int_equal(pthread_create(&fix->thread, NULL, run, fix), 0);
}

void fixture_stop(struct fixture *fix)
{
    assert_int_equal(write(fix->stop_fd[1], "x", 1), 1);
    pthread_join(fix->thread, NULL);
    http_server_close(fix->server);
    http_service()->release(fix->parked);
    http_auth_close(fix->auth);
    event_base_free(fix->base);
    close(fix->stop_fd[0]);
    close(fix->stop_fd[1]);
    close(fix->pool_fd[0]);
    close(fix->pool_fd[1]);
}

/* --- the client
 * ---------------------------------------------------------------------------------------------- */

int client_open(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

void client_send_bytes(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n <= 0) /* the server may have refused and closed already */
            return;
        at += n;
        len -= (size_t)n;
    }
}

void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

static int read_byte(int fd, char *c)
{
    return recv(fd, c, 1, 0) == 1;
}

static int read_line(int fd, char *out, size_t cap)
{
    size_t n = 0;

    while (n + 1 < cap && read_byte(fd, &out[n]))
        if (out[n++] == '\n') {
            out[n] = '\0';
            return 1;
        }
    return 0;
}

static int read_exactly(int fd, char *out, size_t len)
{
    size_t n = 0;

    while (n < len) {
        ssize_t got = recv(fd, out + n, len - n, 0);

        if (got <= 0)
            return 0;
        n += (size_t)got;
    }
    return 1;
}

const char *reply_header(const struct reply *reply, const char *name, char *out, size_t cap)
{
    size_t len = strlen(name);

    for (const char *at = strstr(reply->head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            size_t n;

            at += len + 1;
            at += strspn(at, " ");
            n = strcspn(at, "\r");
            snprintf(out, cap, "%.*s", (int)n, at);
            return out;
        }
    }
    return NULL;
}

static int read_head(int fd, struct reply *reply)
{
    size_t n = 0;

    reply->status = 0;
    reply->body_len = 0;
    reply->body = reply->store;
    reply->store[0] = '\0';
    while (n + 1 < sizeof reply->head && read_byte(fd, &reply->head[n])) {
        reply->head[++n] = '\0';
        if (n >= 4 && memcmp(reply->head + n - 4, "\r\n\r\n", 4) == 0) {
            assert_int_equal(sscanf(reply->head, "HTTP/1.1 %d ", &reply->status), 1);
            return 1;
        }
    }
    return 0;
}

static int read_chunks(int fd, struct reply *reply)
{
    char line[64];

    while (read_line(fd, line, sizeof line)) {
        size_t len = strtoul(line, NULL, 16);

        assert_true(reply->body_len + len + 1 < REPLY_BODY_CAP);
        if (!read_exactly(fd, reply->body + reply->body_len, len) || !read_exactly(fd, line, 2))
            return 0;
        reply->body_len += len;
        if (len == 0)
            return 1;
    }
    return 0;
}

int client_reply(int fd, struct reply *reply)
{
    char value[64];
    int ok = 1;

    do {
        if (!read_head(fd, reply))
            return 0;
    } while (reply->status == 100);
    if (reply->status == 101 || reply->status == 204 || reply->status == 304)
        return 1;
    if (reply_header(reply, "Content-Length", value, sizeof value) != NULL) {
        reply->body_len = strtoul(value, NULL, 10);
        assert_true(reply->body_len < REPLY_BODY_CAP);
        ok = read_exactly(fd, reply->body, reply->body_len);
    } else if (reply_header(reply, "Transfer-Encoding", value, sizeof value) != NULL) {
        ok = read_chunks(fd, reply);
    }
    reply->body[reply->body_len] = '\0';
    return ok;
}

int client_reply_to_head(int fd, struct reply *reply)
{
    return read_head(fd, reply);
}

int client_at_end(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

void ask(const struct fixture *fix, const char *text, struct reply *reply)
{
    int fd = client_open(fix->port);

    client_send(fd, text);
    if (!client_reply(fd, reply))
        fail_msg("no answer to: %.60s", text);
    close(fd);
}

int status_of(const struct fixture *fix, const char *text)
{
    struct reply *reply = malloc(sizeof *reply);
    int status;

    ask(fix, text, reply);
    status = reply->status;
    free(reply);
    return status;
}

int64_t test_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_for(const int *value, int want)
{
    int64_t until = test_now_ms() + 5000;
    struct timespec pause = {.tv_nsec = 2000000};

    while (__atomic_load_n(value, __ATOMIC_SEQ_CST) < want) {
        if (test_now_ms() > until)
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}
