/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket and event streams: frames good and broken, closing, stalled readers, heartbeats. */
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_fixture.h"

#define UPGRADE(path)                                                                           \
    "GET " path " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static struct fixture fix;
static struct reply reply;

struct frame {
    int fin, opcode, code; /* code: of a close frame, 1005 for none */
    size_t len;
    unsigned char data[1 << 17];
};
static struct frame frame;

static void quick_pings(struct http_config *cfg, struct http_surface *surface)
{
    (void)surface;
    cfg->ws_ping_ms = 50;
    cfg->ws_dead_ms = 250;
    cfg->max_ws_clients = 2;
    cfg->write_timeout_ms = 400;
}

static int setup(void **state)
{
    (void)state;
    fixture_start(&fix, NULL);
    return 0;
}

static int setup_quick(void **state)
{
    (void)state;
    fixture_start(&fix, quick_pings);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fix);
    return 0;
}

static void send_frame(int fd, int first_byte, const void *data, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    unsigned char head[14], *body = malloc(len + 1);
    size_t n = 2;

    head[0] = (unsigned char)first_byte;
    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        head[1] = 0x80 | 126;
        head[n++] = (unsigned char)(len >> 8);
        head[n++] = (unsigned char)len;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            head[n++] = (unsigned char)((uint64_t)len >> (8 * i));
    }
    memcpy(head + n, mask, 4);
    for (size_t i = 0; i < len; i++)
        body[i] = ((const unsigned char *)data)[i] ^ mask[i & 3];
    client_send_bytes(fd, head, n + 4);
    client_send_bytes(fd, body, len);
    free(body);
}

static void send_text(int fd, const char *text)
{
    send_frame(fd, 0x81, text, strlen(text));
}

static int get(int fd, void *out, size_t len)
{
    return len == 0 || recv(fd, out, len, MSG_WAITALL) == (ssize_t)len;
}

/* 0 at the end of the connection. */
static int read_frame(int fd)
{
    unsigned char head[2], wide[8];

    if (!get(fd, head, 2))
        return 0;
    frame.fin = head[0] >> 7;
    frame.opcode = head[0] & 15;
    assert_int_equal(head[1] & 0x80, 0); /* servers do not mask */
    frame.len = head[1] & 127;
    if (frame.len >= 126) {
        size_t n = frame.len == 126 ? 2 : 8;

        if (!get(fd, wide, n))
            return 0;
        frame.len = 0;
        for (size_t i = 0; i < n; i++)
            frame.len = frame.len << 8 | wide[i];
    }
    assert_true(frame.len < sizeof frame.data);
    if (!get(fd, frame.data, frame.len))
        return 0;
    frame.data[frame.len] = 0;
    frame.code = frame.len >= 2 ? frame.data[0] << 8 | frame.data[1] : 1005;
    return 1;
}

/* An open socket that has read its welcome. */
static int ws_connect(void)
{
    int fd = client_open(fix.port);

    client_send(fd, UPGRADE("/ws/echo/a") "\r\n");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 101);
    assert_true(read_frame(fd));
    assert_string_equal((char *)frame.data, "welcome");
    return fd;
}

/* The next frame that is no ping is a close with this code, and the server ends the connection. */
static void expect_close(int fd, int code)
{
    do {
        if (!read_frame(fd))
            fail_msg("connection ended without close %d", code);
    } while (frame.opcode != 8);
    if (frame.code != code)
        fail_msg("close %d instead of %d", frame.code, code);
    assert_true(client_at_end(fd));
    close(fd);
}

static void handshake_follows_the_rfc(void **state)
{
    char value[64];
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd, UPGRADE("/ws/echo/a") "Sec-WebSocket-Protocol: bearer.x, chat\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_int_equal(reply.status, 101);
    assert_string_equal(reply_header(&reply, "Sec-WebSocket-Accept", value, sizeof value),
                        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_string_equal(reply_header(&reply, "Sec-WebSocket-Protocol", value, sizeof value),
                        "chat");
    close(fd);
    assert_int_equal(status_of(&fix, "GET /ws/echo/a HTTP/1.1\r\nHost: localhost\r\n\r\n"), 426);
    assert_int_equal(
        status_of(&fix, "GET /ws/echo/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 12\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
        426);
    assert_int_equal(
        status_of(&fix, "GET /ws/echo/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: short\r\n\r\n"),
        426);
    assert_int_equal(status_of(&fix, UPGRADE("/ws/echo/a") "Origin: http://evil.example\r\n\r\n"),
                     403);
    assert_int_equal(status_of(&fix,
                               "GET /api/stored HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n"
                               "Connection: Upgrade\r\n\r\n"),
                     200);
}

static void messages_come_back_whole(void **state)
{
    static char big[60000];
    int fd = ws_connect();

    (void)state;
    send_text(fd, "hello");
    assert_true(read_frame(fd));
    assert_string_equal((char *)frame.data, "hello");
    memset(big, 'q', sizeof big);
    send_frame(fd, 0x82, big, sizeof big);
    assert_true(read_frame(fd));
    assert_int_equal(frame.opcode, 2);
    assert_int_equal(frame.len, sizeof big);
    send_frame(fd, 0x01, "fra", 3); /* fragments with a ping between */
    send_frame(fd, 0x89, "p", 1);
    send_frame(fd, 0x80, "gment", 5);
    assert_true(read_frame(fd));
    assert_int_equal(frame.opcode, 10);
    assert_int_equal(frame.len, 1);
    assert_true(read_frame(fd));
    assert_string_equal((char *)frame.data, "fragment");
    send_frame(fd, 0x88, "\x03\xe8", 2);
    expect_close(fd, 1000);
    assert_true(wait_for(&fix.ws_closed, 1));
    assert_int_equal(fix.ws_code, 1000);
}

static void frames_glued_to_the_handshake_are_read(void **state)
{
    char text[512];
    int fd = client_open(fix.port);
    size_t len = (size_t)snprintf(text, sizeof text, "%s\r\n", UPGRADE("/ws/echo/a"));

    (void)state;
    memcpy(text + len, "\x81\x82\x00\x00\x00\x00hi", 8);
    client_send_bytes(fd, text, len + 8);
    assert_true(client_reply(fd, &reply));
    assert_true(read_frame(fd));
    assert_true(read_frame(fd));
    assert_string_equal((char *)frame.data, "hi");
    close(fd);
}

static void broken_frames_close_with_the_right_code(void **state)
{
    static char huge[70000];
    int fd = ws_connect();

    (void)state;
    client_send_bytes(fd, "\x81\x02hi", 4); /* not masked */
    expect_close(fd, 1002);
    fd = ws_connect();
    send_frame(fd, 0xc1, "x", 1); /* reserved bit */
    expect_close(fd, 1002);
    fd = ws_connect();
    send_frame(fd, 0x83, "x", 1); /* reserved opcode */
    expect_close(fd, 1002);
    fd = ws_connect();
    send_frame(fd, 0x80, "x", 1); /* continuation of nothing */
    expect_close(fd, 1002);
    fd = ws_connect();
    send_frame(fd, 0x09, "x", 1); /* fragmented ping */
    expect_close(fd, 1002);
    fd = ws_connect();
    send_frame(fd, 0x88, "\x03", 1); /* half a close code counts as none */
    expect_close(fd, 1005);
    fd = ws_connect();
    send_frame(fd, 0x81, "\xff\xfe", 2); /* no UTF-8 */
    expect_close(fd, 1007);
    fd = ws_connect();
    send_frame(fd, 0x82, huge, sizeof huge);
    expect_close(fd, 1009);
    assert_true(wait_for(&fix.ws_closed, 8));
    assert_int_equal(fix.ws_opened, 8);
    assert_int_equal(fix.ws_messages, 0);
}

static void the_server_can_close(void **state)
{
    int fd = ws_connect();

    (void)state;
    send_text(fd, "bye");
    assert_true(read_frame(fd));
    assert_int_equal(frame.code, 4000);
    assert_string_equal((char *)frame.data + 2, "as you wish");
    send_text(fd, "ignored");
    send_frame(fd, 0x88, "\x0f\xa0", 2);
    assert_true(client_at_end(fd));
    close(fd);
    assert_true(wait_for(&fix.ws_closed, 1));
    assert_int_equal(fix.ws_code, 4000);
    fd = client_open(fix.port);
    client_send(fd, UPGRADE("/ws/echo/unknown") "\r\n");
    assert_true(client_reply(fd, &reply));
    assert_true(read_frame(fd));
    assert_int_equal(frame.code, 4404);
    close(fd);
    fd = client_open(fix.port);
    client_send(fd, UPGRADE("/ws/echo/broken") "\r\n");
    assert_true(client_reply(fd, &reply));
    assert_true(read_frame(fd));
    assert_int_equal(frame.code, 1011);
    close(fd);
    assert_true(wait_for(&fix.ws_closed, 2)); /* the broken one is never closed: it did not open */
    assert_int_equal(fix.ws_opened, 3);
}

static void an_abrupt_end_is_1006(void **state)
{
    int fd = ws_connect();

    (void)state;
    close(fd);
    assert_true(wait_for(&fix.ws_closed, 1));
    assert_int_equal(fix.ws_code, 1006);
}

/* Others must be served at once while this reader takes nothing. */
static void expect_prompt_service(void)
{
    int64_t start = test_now_ms();

    for (int i = 0; i < 20; i++)
        assert_int_equal(status_of(&fix, "GET /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                         200);
    assert_in_range(test_now_ms() - start, 0, 1500);
}

static void a_stalled_websocket_is_closed_alone(void **state)
{
    int fd = ws_connect();
    struct timespec pause = {.tv_nsec = 100000000};

    (void)state;
    for (int i = 0; i < 60; i++) { /* more than socket buffers take */
        send_text(fd, "flood");
        if (i % 20 == 0)
            expect_prompt_service();
    }
    assert_true(wait_for(&fix.refused, 1));
    for (int i = 0; i < 60 && __atomic_load_n(&fix.ws_closed, __ATOMIC_SEQ_CST) == 0; i++) {
        send_text(fd, "flood");
        nanosleep(&pause, NULL);
    }
    expect_prompt_service();
    assert_true(wait_for(&fix.ws_closed, 1));
    assert_int_equal(fix.ws_code, 4408);
    close(fd);
}

static void a_reader_that_catches_up_is_told(void **state)
{
    int fd = ws_connect(), small = 4096;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    send_text(fd, "flood");
    assert_true(wait_for(&fix.refused, 1));
    while (__atomic_load_n(&fix.ws_drained, __ATOMIC_SEQ_CST) == 0 && read_frame(fd))
        ;
    assert_int_equal(fix.ws_drained, 1);
    close(fd);
}

static void silent_peers_are_dropped(void **state)
{
    int fd = ws_connect(), live = ws_connect(), pings = 0;

    (void)state;
    while (pings < 8) { /* answering keeps the socket */
        assert_true(read_frame(live));
        assert_int_equal(frame.opcode, 9);
        send_frame(live, 0x8a, "", 0);
        pings++;
    }
    while (read_frame(fd))
        assert_int_equal(frame.opcode, 9);
    assert_true(wait_for(&fix.ws_closed, 1));
    assert_int_equal(fix.ws_code, 1006);
    send_text(live, "here");
    while (read_frame(live) && frame.opcode == 9)
        ;
    assert_string_equal((char *)frame.data, "here");
    close(fd);
    close(live);
}

static void too_many_sockets_are_told_so(void **state)
{
    int a = ws_connect(), b = ws_connect(), c = client_open(fix.port);

    (void)state;
    client_send(c, UPGRADE("/ws/echo/a") "\r\n");
    assert_true(client_reply(c, &reply));
    assert_true(read_frame(c));
    assert_int_equal(frame.code, 4429);
    close(a);
    close(b);
    close(c);
}

/* --- event streams
 * --------------------------------------------------------------------------------------- */

static int read_chunk(int fd, char *out, size_t cap)
{
    char line[32];
    size_t n = 0, len;

    while (n + 1 < sizeof line && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    len = strtoul(line, NULL, 16);
    assert_true(len < cap);
    if (!get(fd, out, len) || !get(fd, line, 2))
        return -1;
    out[len] = '\0';
    return (int)len;
}

static void events_are_framed_and_kept_alive(void **state)
{
    char text[512], value[64];
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd, "GET /api/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 41\r\n\r\n");
    while (recv(fd, text, 1, MSG_PEEK) != 1)
        ;
    reply.head[0] = '\0';
    assert_true(client_reply_to_head(fd, &reply));
    assert_string_equal(reply_header(&reply, "Content-Type", value, sizeof value),
                        "text/event-stream");
    assert_string_equal(reply_header(&reply, "Transfer-Encoding", value, sizeof value), "chunked");
    assert_true(read_chunk(fd, text, sizeof text) > 0);
    assert_string_equal(text, "id: 41\nevent: hello\ndata: a\ndata: b\n\n");
    assert_true(read_chunk(fd, text, sizeof text) > 0);
    assert_string_equal(text, ":\n\n");
    close(fd);
    assert_true(wait_for(&fix.stream_closed, 1));
}

static void a_closed_stream_frees_its_connection(void **state)
{
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd, "GET /api/events?close=true HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    "GET /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_reply(fd, &reply));
    assert_contains(reply.body, "id: 1\nevent: hello\n");
    assert_true(client_reply(fd, &reply));
    assert_contains(reply.body, "session");
    close(fd);
    assert_int_equal(fix.stream_closed, 1);
}

static void a_stalled_stream_delays_nobody(void **state)
{
    int fd = client_open(fix.port), small = 4096;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_send(fd, "GET /api/events?flood=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(wait_for(&fix.refused, 1));
    expect_prompt_service();
    assert_true(client_reply_to_head(fd, &reply));
    for (int i = 0; i < 8 && __atomic_load_n(&fix.stream_drained, __ATOMIC_SEQ_CST) == 0; i++)
        assert_true(read_chunk(fd, (char *)frame.data, sizeof frame.data) > 0);
    assert_true(wait_for(&fix.stream_drained, 1));
    close(fd);
    assert_true(wait_for(&fix.stream_closed, 1));
}

static void head_of_a_stream_ends_at_once(void **state)
{
    int fd = client_open(fix.port);

    (void)state;
    client_send(fd, "HEAD /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    "GET /api/stored HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_reply_to_head(fd, &reply));
    assert_int_equal(reply.status, 200);
    assert_true(client_reply(fd, &reply));
    assert_contains(reply.body, "session");
    close(fd);
}

static void draining_says_goodbye(void **state)
{
    int ws, stream;

    (void)state;
    fixture_start(&fix, NULL);
    fix.drain_ms = 3000;
    ws = ws_connect();
    stream = client_open(fix.port);
    client_send(stream, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_reply_to_head(stream, &reply));
    fix.drain_ms = 300;
    fixture_stop(&fix);
    expect_close(ws, 1001);
    assert_int_equal(fix.ws_closed, 1);
    assert_int_equal(fix.stream_closed, 1);
    close(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(handshake_follows_the_rfc, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_come_back_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_glued_to_the_handshake_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_frames_close_with_the_right_code, setup, teardown),
        cmocka_unit_test_setup_teardown(the_server_can_close, setup, teardown),
        cmocka_unit_test_setup_teardown(an_abrupt_end_is_1006, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stalled_websocket_is_closed_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_catches_up_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_peers_are_dropped, setup_quick, teardown),
        cmocka_unit_test_setup_teardown(too_many_sockets_are_told_so, setup_quick, teardown),
        cmocka_unit_test_setup_teardown(events_are_framed_and_kept_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_stream_frees_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stalled_stream_delays_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(head_of_a_stream_ends_at_once, setup, teardown),
        cmocka_unit_test(draining_says_goodbye),
    };

    return cmocka_run_group_tests_name("http_ws", tests, NULL, NULL);
}
