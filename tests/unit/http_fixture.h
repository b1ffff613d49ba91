/* A running HTTP server with a small surface, and a raw client for it. Tests of core/http only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HTTP_FIXTURE_H
#define TESTS_UNIT_HTTP_FIXTURE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "core/http/http.h"
#include "tests/support/support.h"

#define REPLY_BODY_CAP (256 * 1024)

/* cmocka's fail_msg goes through a macro named fail, which core/base has as a function. */
#undef fail_msg
#define fail_msg(...)              \
    do {                           \
        print_error(__VA_ARGS__);  \
        print_error("\n");         \
        _fail(__FILE__, __LINE__); \
    } while (0)

struct fixture {
    pthread_t thread;
    struct event_base *base;
    struct http_server *server;
    struct http_auth *auth;
    uint16_t port;
    int stop_fd[2], pool_fd[2];
    int drain_ms; /* > 0: drain before stopping */
    int drained;
    /* What the surface saw; read by tests after the fact. */
    int ws_opened, ws_closed, ws_messages, ws_drained, stream_closed, stream_drained;
    int32_t ws_code;
    int32_t refused; /* writes that met LATHE_E_LIMIT */
    struct lathe_request *parked;
    struct lathe_stream *stream;
    struct lathe_ws *ws;
};

/* Starts the server; tune may change the configuration and the surface before. */
void fixture_start(struct fixture *fix, void (*tune)(struct http_config *, struct http_surface *));
void fixture_stop(struct fixture *fix);
/* A pool for struct http_config: one thread for each call; ctx is the fixture. */
int32_t fixture_submit(void *ctx, void (*work)(void *arg), void (*done)(void *arg), void *arg);

struct reply {
    int status;
    char head[16384];
    char *body; /* NUL-terminated */
    size_t body_len;
    char store[REPLY_BODY_CAP];
};

int client_open(uint16_t port); /* reads time out after 5 s */
void client_send(int fd, const char *text);
void client_send_bytes(int fd, const void *data, size_t len);
/* Reads one answer (Content-Length, chunked or until the end). 0 at the end of the connection. */
int client_reply(int fd, struct reply *reply);
int client_reply_to_head(int fd, struct reply *reply); /* the request was HEAD */
const char *reply_header(const struct reply *reply, const char *name, char *out, size_t cap);
/* 1 when the server closed: nothing more can be read. */
int client_at_end(int fd);
/* Sends text on a new connection and reads one answer. */
void ask(const struct fixture *fix, const char *text, struct reply *reply);
int status_of(const struct fixture *fix, const char *text);
/* Waits up to 5 s for *value to reach at least want. */
int wait_for(const int *value, int want);
int64_t test_now_ms(void);

#endif
