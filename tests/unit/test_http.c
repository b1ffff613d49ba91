/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP on the wire: strict parsing, limits, time-outs, keep-alive, pipelining, half-open clients.
 */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_fixture.h"

#define GET_STORED "GET /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n"

static struct fixture fix;
static struct reply reply;

static void short_times(struct http_config *cfg, struct http_surface *surface)
{
    (void)surface;
    cfg->header_timeout_ms = 200;
    cfg->body_timeout_ms = 200;
    cfg->idle_timeout_ms = 200;
    cfg->handler_timeout_ms = 300;
    cfg->max_connections = 8;
    cfg->max_header_bytes = 4096;
    cfg->max_uri_bytes = 1024;
    cfg->max_headers = 20;
}

static int setup(void **state)
{
    (void)state;
    fixture_start(&fix, NULL);
    return 0;
}

static int setup_short(void **state)
{
    (void)state;
    fixture_start(&fix, short_times);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fix);
    return 0;
}

static void expect_refused(const char *request, int status)
{
    int fd = client_open(fix.port);

    client_send(fd, request);
    if (!client_reply(fd, &reply))
        fail_msg("no answer to %.70s", request);
    if (reply.status != status)
        fail_msg("%d instead of %d for %.70s", reply.status, status, request);
    if (!client_at_end(fd))
        fail_msg("connection stays open after %.70s", request);
    close(fd);
}

static void malformed_requests_are_refused(void **state)
{
    static const char *const bad[] = {
        "GET /api/stored HTTP/1.1\r\n\r\n", /* no Host */
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /api/stored HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /api/stored HTTP/1.1\nHost: localhost\n\n", /* bare LF */
        "GET /api/stored HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", /* folded line */
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",    /* bare CR */
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nX\r\n\r\n",
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\n: y\r\n\r\n",
        "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nX: \x01\r\n\r\n",
        "GET  /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /api/stored\r\nHost: localhost\r\n\r\n",
        "GET /api/st\x01ored HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "get /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: "
        "6\r\n\r\nhello",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: "
        "5\r\n\r\nhello",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nhello",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nhello",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x5\r\n\r\nhello",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        "99999999999999999999999\r\n\r\n",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
        "chunked\r\n"
        "\r\n0\r\n\r\n",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "ffffffffffffffffff\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\x01\r\n\r\n",
        "\r\n\r\n \r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(bad[i], 400);
}

static void what_is_not_offered_says_so(void **state)
{
    (void)state;
    expect_refused(
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501);
    expect_refused("BREW /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    expect_refused("PROPFIND /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n", 501);
    expect_refused("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501);
    expect_refused("GET /api/stored HTTP/2.0\r\nHost: localhost\r\n\r\n", 505);
    expect_refused(
        "POST /api/items HTTP/1.1\r\nHost: localhost\r\nExpect: gold\r\nContent-Length: 1\r\n\r\n",
        417);
}

static void bad_paths_are_refused(void **state)
{
    static const char *const bad[] = {"/api/items/%00",       "/api/items/%zz",
                                      "/api/items/%f",        "/api/items/%ff%fe",
                                      "/api/items?limit=%00", "/api/items?a=%e0%80"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", bad[i]);
        assert_int_equal(status_of(&fix, text), 400);
    }
    assert_int_equal(
        status_of(&fix, "GET http://evil/api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
    assert_int_equal(
        status_of(&fix, "GET http://localhost/api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        200);
}

static void plain_get_has_the_expected_head(void **state)
{
    char value[128];

    (void)state;
    ask(&fix, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: abc-1\r\n\r\n", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_header(&reply, "Content-Type", value, sizeof value),
                        "application/json");
    assert_string_equal(reply_header(&reply, "X-Request-Id", value, sizeof value), "abc-1");
    assert_non_null(reply_header(&reply, "Date", value, sizeof value));
    assert_null(reply_header(&reply, "Connection", value, sizeof value));
    assert_contains(reply.body, "session_1_1767225600");
    ask(&fix, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a b\r\n\r\n", &reply);
    assert_int_equal(strlen(reply_header(&reply, "X-Request-Id", value, sizeof value)), 16);
}

static void head_has_length_and_no_body(void **state)
{
    int fd = client_open(fix.port);
    char value[32];

    (void)state;
    client_send(fd, "HEAD /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n" GET_STORED);
    assert_true(client_reply_to_head(fd, &reply));
    assert_true(atoi(reply_header(&reply, "Content-Length", value, sizeof value)) > 100);
    assert_true(client_reply(fd, &reply)); /* the next answer follows at once */
    assert_int_equal(reply.status, 200);
    assert_contains(reply.body, "session");
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    int fd = client_open(fix.port);
    char text[128];

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "GET /api/items/n%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
        client_send(fd, text);
    }
    for (int i = 0; i < 300; i++) {
        assert_true(client_reply(fd, &reply));
        snprintf(text, sizeof text, "{\"id\":\"n%d\"}", i);
        assert_string_equal(reply.body, text);
    }
    close(fd);
}

static void requests_behind_a_parked_one_wait(void **state)
{
    int fd = client_open(fix.port), other;
    struct timespec pause = {.tv_nsec = 50000000};

    (void)state;
    client_send(fd, "GET /api/park HTTP/1.1\r\nHost: localhost\r\n\r\n" GET_STORED);
    nanosleep(&pause, NULL);
    other = client_open(fix.port);
    client_send(other, "GET /api/release HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_reply(other, &reply));
    assert_string_equal(reply.body, "open");
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply.body, "late");
    assert_true(client_reply(fd, &reply));
    assert_contains(reply.body, "session");
    close(fd);
    close(other);
}

static void reset_client_makes_the_parked_request_stale(void **state)
{
    struct linger now = {.l_onoff = 1};
    struct timespec pause = {.tv_nsec = 50000000};
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd, "GET /api/park HTTP/1.1\r\nHost: localhost\r\n\r\n");
    nanosleep(&pause, NULL);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    nanosleep(&pause, NULL);
    ask(&fix, "GET /api/release HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_string_equal(reply.body, "gone");
}

static void half_closed_client_still_gets_its_answer(void **state)
{
    int fd = client_open(fix.port);
    struct timespec pause = {.tv_nsec = 50000000};

    (void)state;
    client_send(fd, "GET /api/park HTTP/1.1\r\nHost: localhost\r\n\r\n");
    shutdown(fd, SHUT_WR);
    nanosleep(&pause, NULL);
    ask(&fix, "GET /api/release HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply.body, "late");
    assert_true(client_at_end(fd));
    close(fd);
}

static void dropping_the_last_reference_answers_500(void **state)
{
    int fd = client_open(fix.port);
    struct timespec pause = {.tv_nsec = 50000000};

    (void)state;
    client_send(fd, "GET /api/park HTTP/1.1\r\nHost: localhost\r\n\r\n");
    nanosleep(&pause, NULL);
    ask(&fix, "GET /api/release?answer=false HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 500);
    close(fd);
    assert_int_equal(status_of(&fix, "GET /api/silent HTTP/1.1\r\nHost: localhost\r\n\r\n"), 500);
}

static void bytes_may_come_one_by_one(void **state)
{
    static const char text[] = "\r\nPOST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                               "application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    int fd = client_open(fix.port);

    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i++)
        client_send_bytes(fd, text + i, 1);
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply.body, "13");
    client_send(fd, GET_STORED);
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 200);
    close(fd);
}

static void old_clients_are_served(void **state)
{
    int fd = client_open(fix.port);
    char value[64];

    (void)state;
    client_send(fd, "GET /api/stored HTTP/1.0\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply_header(&reply, "Connection", value, sizeof value), "close");
    assert_true(client_at_end(fd));
    close(fd);
    fd = client_open(fix.port);
    client_send(fd, "GET /api/stored HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply_header(&reply, "Connection", value, sizeof value), "keep-alive");
    client_send(fd, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_true(client_at_end(fd));
    close(fd);
}

static void too_large_bodies_are_refused_early(void **state)
{
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd,
                "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: 70000\r\n\r\n");
    assert_true(client_reply(fd, &reply)); /* before any of the body was sent */
    assert_int_equal(reply.status, 413);
    assert_contains(reply.body, "\"oops\":\"body_too_large\"");
    assert_true(client_at_end(fd));
    close(fd);
}

static void chunked_bodies_meet_the_same_limit(void **state)
{
    static char block[70000];
    int fd = client_open(fix.port);

    (void)state;
    memset(block, 'a', sizeof block);
    client_send(fd,
                "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n11170\r\n");
    client_send_bytes(fd, block, sizeof block);
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 413);
    close(fd);
}

static void an_operation_may_raise_the_limit(void **state)
{
    static char block[1048576];
    int fd = client_open(fix.port);

    (void)state;
    client_send(
        fd,
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 1048576\r\n\r\n");
    client_send_bytes(fd, block, sizeof block);
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply.body, "1048576");
    close(fd);
}

static void expect_continue_is_answered(void **state)
{
    int fd = client_open(fix.port);
    char head[26] = "";

    (void)state;
    client_send(
        fd,
        "POST /api/raw HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(recv(fd, head, 25, MSG_WAITALL), 25);
    assert_string_equal(head, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(fd, "ABCD");
    assert_true(client_reply(fd, &reply));
    assert_string_equal(reply.body, "4");
    client_send(fd, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
                    "Expect: 100-continue\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 404);
    close(fd);
}

static void refused_small_bodies_keep_the_connection(void **state)
{
    int fd = client_open(fix.port);

    (void)state;
    client_send(
        fd,
        "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nABCD" GET_STORED);
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 404);
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 200);
    close(fd);
}

static void compressed_answers_and_bodies(void **state)
{
    static const unsigned char packed[] = {/* gzip of {"name":"zip"} */
                                           0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                           0x03, 0xab, 0x56, 0xca, 0x4b, 0xcc, 0x4d, 0x55, 0xb2,
                                           0x52, 0xaa, 0xca, 0x2c, 0x50, 0xaa, 0x05, 0x00, 0x08,
                                           0xea, 0x85, 0x10, 0x0e, 0x00, 0x00, 0x00};
    char value[64];
    int fd;

    (void)state;
    ask(&fix, "GET /api/big HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n",
        &reply);
    assert_string_equal(reply_header(&reply, "Content-Encoding", value, sizeof value), "gzip");
    assert_true(reply.body_len < 2000);
    ask(&fix, "GET /api/big HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip;q=0\r\n\r\n",
        &reply);
    assert_null(reply_header(&reply, "Content-Encoding", value, sizeof value));
    assert_int_equal(reply.body_len, 100000);
    fd = client_open(fix.port);
    client_send(fd,
                "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Encoding: gzip\r\nContent-Length: 34\r\n\r\n");
    client_send_bytes(fd, packed, sizeof packed);
    assert_true(client_reply(fd, &reply));
    if (reply.status != 201)
        fail_msg("%d %s", reply.status, reply.body);
    client_send(fd,
                "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 400);
    client_send(fd,
                "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnope");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 415);
    close(fd);
}

/* --- limits and time
 * ----------------------------------------------------------------------------------------- */

static void long_heads_are_refused(void **state)
{
    char *text = malloc(70000);

    (void)state;
    memset(text, 'a', 70000);
    memcpy(text, "GET /", 5);
    strcpy(text + 1500, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect_refused(text, 414);
    memset(text, 'a', 70000);
    memcpy(text, "GET /", 5);
    text[65000] = '\0';
    expect_refused(text, 414);
    strcpy(text, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    memset(text + strlen(text), 'b', 6000);
    strcpy(text + 6000, "\r\n\r\n");
    expect_refused(text, 431);
    strcpy(text, "GET / HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 25; i++)
        sprintf(text + strlen(text), "X-%d: y\r\n", i);
    strcat(text, "\r\n");
    expect_refused(text, 431);
    free(text);
}

static void slow_heads_time_out(void **state)
{
    int fd = client_open(fix.port);
    struct timespec pause = {.tv_nsec = 60000000};
    int64_t start = test_now_ms();

    (void)state;
    for (int i = 0; i < 6; i++) { /* a byte now and then does not extend the time */
        client_send(fd, i == 0 ? "G" : "E");
        nanosleep(&pause, NULL);
    }
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 408);
    assert_true(client_at_end(fd));
    assert_in_range(test_now_ms() - start, 150, 3000);
    close(fd);
}

static void slow_bodies_and_silent_clients_time_out(void **state)
{
    int fd = client_open(fix.port), silent = client_open(fix.port);

    (void)state;
    client_send(fd,
                "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: 10\r\n\r\n{");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 408);
    assert_true(client_at_end(silent));
    close(fd);
    close(silent);
    fd = client_open(fix.port);
    client_send(fd, GET_STORED);
    assert_true(client_reply(fd, &reply));
    assert_true(client_at_end(fd)); /* idle too long */
    close(fd);
}

static void handlers_that_never_answer_time_out(void **state)
{
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd, "GET /api/park HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 504);
    close(fd);
    ask(&fix, "GET /api/release HTTP/1.1\r\nHost: localhost\r\n\r\n", &reply);
    assert_string_equal(reply.body, "gone");
}

static void connections_beyond_the_limit_are_turned_away(void **state)
{
    int fds[10], turned = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        fds[i] = client_open(fix.port);
    for (int i = 0; i < 10; i++) {
        client_send(fds[i], GET_STORED);
        if (!client_reply(fds[i], &reply) || reply.status == 503)
            turned++;
        else
            assert_int_equal(reply.status, 200);
    }
    assert_int_equal(turned, 2);
    for (int i = 0; i < 10; i++)
        close(fds[i]);
}

static void draining_closes_idle_and_finishes_running(void **state)
{
    int idle, parked;
    struct timespec pause = {.tv_nsec = 50000000};

    (void)state;
    fixture_start(&fix, NULL);
    fix.drain_ms = 400;
    idle = client_open(fix.port);
    client_send(idle, GET_STORED);
    assert_true(client_reply(idle, &reply));
    parked = client_open(fix.port);
    client_send(parked, "GET /api/park HTTP/1.1\r\nHost: localhost\r\n\r\n");
    nanosleep(&pause, NULL);
    fixture_stop(&fix);
    assert_int_equal(fix.drained, 1);
    assert_true(client_at_end(idle));
    assert_true(client_at_end(parked));
    close(idle);
    close(parked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(malformed_requests_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_offered_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_paths_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_get_has_the_expected_head, setup, teardown),
        cmocka_unit_test_setup_teardown(head_has_length_and_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_behind_a_parked_one_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_client_makes_the_parked_request_stale, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_closed_client_still_gets_its_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(dropping_the_last_reference_answers_500, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_may_come_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(old_clients_are_served, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large_bodies_are_refused_early, setup, teardown),
        cmocka_unit_test_setup_teardown(chunked_bodies_meet_the_same_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(an_operation_may_raise_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(expect_continue_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_small_bodies_keep_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(compressed_answers_and_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(long_heads_are_refused, setup_short, teardown),
        cmocka_unit_test_setup_teardown(slow_heads_time_out, setup_short, teardown),
        cmocka_unit_test_setup_teardown(slow_bodies_and_silent_clients_time_out, setup_short,
                                        teardown),
        cmocka_unit_test_setup_teardown(handlers_that_never_answer_time_out, setup_short, teardown),
        cmocka_unit_test_setup_teardown(connections_beyond_the_limit_are_turned_away, setup_short,
                                        teardown),
        cmocka_unit_test(draining_closes_idle_and_finishes_running),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
