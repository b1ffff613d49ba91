/* A link end for the worker: sends wait for the peer, receives are polled. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"

#define SEND_TIMEOUT_MS 30000

static int32_t channel_init(struct link_channel *channel, int fd, struct lathe_error *err)
{
    memset(channel, 0, sizeof *channel);
    channel->fd = fd;
    if (pthread_mutex_init(&channel->send_lock, NULL) != 0)
        return fail(err, LATHE_E_INTERNAL, "link: cannot make a lock");
    strbuf_init(&channel->out);
    link_decoder_init(&channel->in);
    channel->last_send_ns = clock_mono_ns();
    return LATHE_OK;
}

int32_t link_channel_open(struct link_channel *channel, int fd, struct lathe_error *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return fail_errno(err, errno, "link: descriptor %d", fd);
    return channel_init(channel, fd, err);
}

int32_t link_channel_open_lines(struct link_channel *channel, int fd, struct lathe_error *err)
{
    int32_t st = channel_init(channel, fd, err);

    channel->standalone = 1;
    return st;
}

void link_channel_close(struct link_channel *channel)
{
    if (channel == NULL)
        return;
    if (!channel->standalone && channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
    strbuf_fini(&channel->out);
    link_decoder_fini(&channel->in);
    pthread_mutex_destroy(&channel->send_lock);
}

static int32_t wait_writable(int fd, int64_t deadline_ns, struct lathe_error *err)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int64_t left_ms = (deadline_ns - clock_mono_ns()) / 1000000;

    if (left_ms <= 0)
        return fail(err, LATHE_E_TIMEOUT, "link: the peer does not read");
    if (poll(&p, 1, (int)left_ms) < 0 && errno != EINTR)
        return fail_errno(err, errno, "link: poll");
    return LATHE_OK;
}

static int32_t send_bytes(int fd, const char *data, size_t len_bytes, struct lathe_error *err)
{
    int64_t deadline_ns = clock_mono_ns() + (int64_t)SEND_TIMEOUT_MS * 1000000;
    int32_t st;

    while (len_bytes > 0) {
        ssize_t n = send(fd, data, len_bytes, MSG_NOSIGNAL);
        int e = errno;

        if (n >= 0) {
            data += n;
            len_bytes -= (size_t)n;
        } else if (e == EAGAIN) {
            if ((st = wait_writable(fd, deadline_ns, err)) != LATHE_OK)
                return st;
        } else if (e == EPIPE || e == ECONNRESET) {
            return fail(err, LATHE_E_UNAVAILABLE, "link: the peer is gone");
        } else if (e != EINTR) {
            return fail_errno(err, e, "link: send");
        }
    }
    return LATHE_OK;
}

static int32_t send_line(struct link_channel *channel, uint32_t type, const char *payload,
                         size_t len_bytes, struct lathe_error *err)
{
    strbuf_addf(&channel->out, "{\"frame\":\"%s\",\"data\":", link_type_name(type));
    if (len_bytes > 0)
        strbuf_add(&channel->out, payload, len_bytes);
    else
        strbuf_adds(&channel->out, "{}");
    strbuf_adds(&channel->out, "}\n");
    if (channel->out.failed)
        return fail(err, LATHE_E_NOMEM, "link: line");
    return io_write_all(channel->fd, channel->out.data, channel->out.len_bytes, err);
}

int32_t link_send(struct link_channel *channel, uint32_t type, const char *payload,
                  size_t len_bytes, struct lathe_error *err)
{
    int32_t st;

    pthread_mutex_lock(&channel->send_lock);
    strbuf_clear(&channel->out);
    if (channel->standalone) {
        st = send_line(channel, type, payload, len_bytes, err);
    } else {
        st = link_encode(&channel->sequence, type, payload, len_bytes, &channel->out);
        if (st != LATHE_OK)
            fail(err, st, "link: %s frame of %zu bytes", link_type_name(type), len_bytes);
        else
            st = send_bytes(channel->fd, channel->out.data, channel->out.len_bytes, err);
    }
    if (channel->out.failed) { /* a failed buffer stays failed: start afresh */
        strbuf_fini(&channel->out);
        strbuf_init(&channel->out);
    }
    channel->last_send_ns = clock_mono_ns();
    pthread_mutex_unlock(&channel->send_lock);
    return st;
}

int64_t link_last_send_ns(struct link_channel *channel)
{
    int64_t ns;

    pthread_mutex_lock(&channel->send_lock);
    ns = channel->last_send_ns;
    pthread_mutex_unlock(&channel->send_lock);
    return ns;
}

/* Reads what is there: 1 = something came, 0 = nothing, negative = closed or failed. */
static int32_t read_some(struct link_channel *channel, struct lathe_error *err)
{
    char buf[16384];
    ssize_t n = recv(channel->fd, buf, sizeof buf, 0);
    int e = errno;
    int32_t st;

    if (n == 0 || (n < 0 && e == ECONNRESET))
        return fail(err, LATHE_E_UNAVAILABLE, "link: the peer closed it");
    if (n < 0)
        return e == EAGAIN || e == EINTR ? 0 : fail_errno(err, e, "link: receive");
    st = link_decoder_feed(&channel->in, buf, (size_t)n, err);
    return st == LATHE_OK ? 1 : st;
}

int32_t link_poll(struct link_channel *channel, int timeout_ms, struct link_frame *frame,
                  struct lathe_error *err)
{
    int64_t deadline_ns = clock_mono_ns() + (int64_t)timeout_ms * 1000000;

    if (channel->standalone) {
        if (timeout_ms != 0)
            poll(NULL, 0, timeout_ms);
        return 0;
    }
    for (;;) {
        struct pollfd p = {.fd = channel->fd, .events = POLLIN};
        int left_ms = timeout_ms;
        int32_t st = link_decoder_next(&channel->in, frame, err);

        if (st != 0)
            return st;
        if ((st = read_some(channel, err)) < 0)
            return st;
        if (st > 0)
            continue;
        if (timeout_ms > 0)
            left_ms = (int)((deadline_ns - clock_mono_ns() + 999999) / 1000000);
        if (timeout_ms == 0 || (timeout_ms > 0 && left_ms <= 0))
            return 0;
        if (poll(&p, 1, left_ms) < 0)
            return errno == EINTR ? 0 : fail_errno(err, errno, "link: poll");
    }
}
