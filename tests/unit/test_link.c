/* Frames of the link: round trips in any cut, and every way a stream can be broken. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/link/link.h"

static void encode_three(struct strbuf *out)
{
    uint32_t sequence = 0;

    strbuf_init(out);
    assert_int_equal(link_encode(&sequence, LINK_HELLO, "{\"a\":1}", 7, out), LATHE_OK);
    assert_int_equal(link_encode(&sequence, LINK_HEARTBEAT, NULL, 0, out), LATHE_OK);
    assert_int_equal(link_encode(&sequence, LINK_DONE, "{}", 2, out), LATHE_OK);
    assert_int_equal(sequence, 3);
}

static void check_three(struct link_decoder *decoder, const struct strbuf *bytes, size_t cut)
{
    static const uint32_t types[] = {LINK_HELLO, LINK_HEARTBEAT, LINK_DONE};
    static const char *const texts[] = {"{\"a\":1}", "", "{}"};
    struct link_frame frame;
    size_t at = 0, n = 0;

    while (at < bytes->len_bytes) {
        size_t len = bytes->len_bytes - at < cut ? bytes->len_bytes - at : cut;
        int32_t st;

        assert_int_equal(link_decoder_feed(decoder, bytes->data + at, len, NULL), LATHE_OK);
        at += len;
        while ((st = link_decoder_next(decoder, &frame, NULL)) == 1) {
            assert_true(n < 3);
            assert_int_equal(frame.type, types[n]);
            assert_int_equal(frame.sequence, n + 1);
            assert_string_equal(frame.payload, texts[n]); /* NUL-terminated */
            assert_int_equal(frame.len_bytes, strlen(texts[n]));
            n++;
        }
        assert_int_equal(st, 0);
    }
    assert_int_equal(n, 3);
}

static void link_frames_survive_every_cut(void **state)
{
    struct strbuf bytes;
    size_t cut;

    (void)state;
    encode_three(&bytes);
    for (cut = 1; cut <= bytes.len_bytes; cut++) {
        struct link_decoder decoder;

        link_decoder_init(&decoder);
        check_three(&decoder, &bytes, cut);
        link_decoder_fini(&decoder);
    }
    strbuf_fini(&bytes);
}

static int32_t decode_damaged(size_t at, unsigned char value, int32_t *again)
{
    struct link_decoder decoder;
    struct link_frame frame;
    struct lathe_error err = {0};
    struct strbuf bytes;
    int32_t st;

    encode_three(&bytes);
    bytes.data[at] = (char)value;
    link_decoder_init(&decoder);
    assert_int_equal(link_decoder_feed(&decoder, bytes.data, bytes.len_bytes, &err), LATHE_OK);
    st = link_decoder_next(&decoder, &frame, &err);
    *again = link_decoder_feed(&decoder, "x", 1, &err);
    link_decoder_fini(&decoder);
    strbuf_fini(&bytes);
    return st;
}

static void link_broken_headers_end_the_stream(void **state)
{
    static const struct {
        size_t at;
        unsigned char value;
        int32_t st;
    } cases[] = {{0, 'x', LATHE_E_CORRUPT},
                 {6, 9, LATHE_E_VERSION},
                 {11, 0x7f, LATHE_E_LIMIT},
                 {12, 5, LATHE_E_CORRUPT}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t again;

        assert_int_equal(decode_damaged(cases[i].at, cases[i].value, &again), cases[i].st);
        assert_int_equal(again, cases[i].st); /* for good */
    }
}

static void link_limits_hold_on_both_sides(void **state)
{
    struct link_decoder decoder;
    struct strbuf out;
    uint32_t sequence = 0;
    char *big = mem_zalloc(LINK_PAYLOAD_MAX + 1, 1);
    size_t i;
    int32_t st = LATHE_OK;

    (void)state;
    strbuf_init(&out);
    assert_int_equal(link_encode(&sequence, LINK_EVAL, big, LINK_PAYLOAD_MAX + 1, &out),
                     LATHE_E_LIMIT);
    assert_int_equal(sequence, 0);
    assert_int_equal(out.len_bytes, 0);
    assert_int_equal(link_encode(&sequence, LINK_EVAL, big, LINK_PAYLOAD_MAX, &out), LATHE_OK);
    link_decoder_init(&decoder);
    for (i = 0; i < 4 && st == LATHE_OK; i++) /* nobody takes frames out */
        st = link_decoder_feed(&decoder, out.data, out.len_bytes, NULL);
    assert_int_equal(st, LATHE_E_LIMIT);
    assert_int_equal(i, 3);
    link_decoder_fini(&decoder);
    strbuf_fini(&out);
    mem_free(big);
}

static void link_an_announced_length_reserves_nothing(void **state)
{
    struct link_decoder decoder;
    struct link_frame frame;
    struct strbuf out;
    uint32_t sequence = 0;
    char *big = mem_zalloc(LINK_PAYLOAD_MAX, 1);

    (void)state;
    strbuf_init(&out);
    assert_int_equal(link_encode(&sequence, LINK_EVAL, big, LINK_PAYLOAD_MAX, &out), LATHE_OK);
    link_decoder_init(&decoder);
    assert_int_equal(link_decoder_feed(&decoder, out.data, 100, NULL), LATHE_OK);
    assert_int_equal(link_decoder_next(&decoder, &frame, NULL), 0);
    assert_true(decoder.cap_bytes <= 8192);
    link_decoder_fini(&decoder);
    strbuf_fini(&out);
    mem_free(big);
}

static void link_channels_talk_and_notice_the_end(void **state)
{
    struct link_channel a, b;
    struct link_frame frame;
    struct lathe_error err = {0};
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(link_channel_open(&a, fds[0], &err), LATHE_OK);
    assert_int_equal(link_channel_open(&b, fds[1], &err), LATHE_OK);
    assert_int_equal(link_poll(&b, 0, &frame, &err), 0);
    assert_int_equal(link_send(&a, LINK_PAUSE, "{}", 2, &err), LATHE_OK);
    assert_int_equal(link_send(&a, LINK_STOP, "{\"save\":false}", 14, &err), LATHE_OK);
    assert_int_equal(link_poll(&b, 1000, &frame, &err), 1);
    assert_int_equal(frame.type, LINK_PAUSE);
    assert_int_equal(link_poll(&b, 1000, &frame, &err), 1);
    assert_string_equal(frame.payload, "{\"save\":false}");
    link_channel_close(&a);
    assert_int_equal(link_poll(&b, 1000, &frame, &err), LATHE_E_UNAVAILABLE);
    assert_int_equal(link_send(&b, LINK_DONE, "{}", 2, &err), LATHE_E_UNAVAILABLE);
    link_channel_close(&b);
}

static void link_without_memory_reports_it(void **state)
{
    struct link_decoder decoder;

    (void)state;
    link_decoder_init(&decoder);
    mem_fail_after(1);
    assert_int_equal(link_decoder_feed(&decoder, "abc", 3, NULL), LATHE_E_NOMEM);
    mem_fail_after(0);
    assert_int_equal(link_decoder_feed(&decoder, "abc", 3, NULL), LATHE_OK);
    link_decoder_fini(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_frames_survive_every_cut),
        cmocka_unit_test(link_broken_headers_end_the_stream),
        cmocka_unit_test(link_limits_hold_on_both_sides),
        cmocka_unit_test(link_an_announced_length_reserves_nothing),
        cmocka_unit_test(link_channels_talk_and_notice_the_end),
        cmocka_unit_test(link_without_memory_reports_it),
    };

    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
