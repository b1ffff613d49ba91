/* Server-sent events by libcurl, until the stream ends, breaks, or Ctrl-C comes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ctl/ctl.h"

#define LINE_MAX_BYTES (8u << 20)
#define POLL_MS 1000

struct stream {
    struct ctl *ctl;
    struct strbuf line, data;
    char event[64];
    int64_t *seq;
    ctl_event_fn fn;
    void *user;
    int has_ended;
};

static void take_line(struct stream *s)
{
    const char *line = s->line.data;

    if (!line[0]) {
        if (s->data.len_bytes && !s->fn(s->user, s->event, s->data.data))
            s->has_ended = 1;
        strbuf_clear(&s->data);
        snprintf(s->event, sizeof s->event, "message");
    } else if (!strncmp(line, "event:", 6)) {
        snprintf(s->event, sizeof s->event, "%s", line + 6 + (line[6] == ' '));
    } else if (!strncmp(line, "id:", 3)) {
        *s->seq = strtoll(line + 3, NULL, 10);
    } else if (!strncmp(line, "data:", 5)) {
        if (s->data.len_bytes)
            strbuf_addc(&s->data, '\n');
        strbuf_adds(&s->data, line + 5 + (line[5] == ' '));
    }
}

static size_t take_stream(char *data, size_t size, size_t n, void *user)
{
    struct stream *s = user;
    long code = 0;
    size_t i;

    curl_easy_getinfo(s->ctl->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200)
        return size * n;
    for (i = 0; i < size * n && !s->has_ended; i++) {
        if (data[i] == '\r')
            continue;
        if (data[i] != '\n') {
            strbuf_addc(&s->line, data[i]);
            continue;
        }
        take_line(s);
        strbuf_clear(&s->line);
    }
    if (s->line.failed || s->data.failed || s->line.len_bytes + s->data.len_bytes > LINE_MAX_BYTES)
        return 0;
    return s->has_ended ? 0 : size * n;
}

/* Runs the prepared transfer. */
static int transfer(struct ctl *ctl, const struct stream *s)
{
    struct curl_waitfd extra = {.fd = ctl->interrupt_fd, .events = CURL_WAIT_POLLIN};
    int n_extra = ctl->interrupt_fd >= 0, running = 1, left, result = CTL_STREAM_BROKEN;
    CURLM *multi = curl_multi_init();
    CURLMsg *msg;
    long code = 0;

    if (!multi)
        return CTL_STREAM_BROKEN;
    curl_multi_add_handle(multi, ctl->curl);
    while (running && curl_multi_perform(multi, &running) == CURLM_OK && running) {
        curl_multi_poll(multi, n_extra ? &extra : NULL, (unsigned)n_extra, POLL_MS, NULL);
        if (n_extra && ctl_interrupt_wait(ctl, 0)) {
            result = CTL_STREAM_INTERRUPTED;
            break;
        }
    }
    curl_easy_getinfo(ctl->curl, CURLINFO_RESPONSE_CODE, &code);
    msg = curl_multi_info_read(multi, &left);
    if (result == CTL_STREAM_BROKEN &&
        (s->has_ended || (msg && msg->data.result == CURLE_OK && code == 200)))
        result = CTL_STREAM_ENDED;
    curl_multi_remove_handle(multi, ctl->curl);
    curl_multi_cleanup(multi);
    return result;
}

int ctl_stream(struct ctl *ctl, const char *path, int64_t *seq, ctl_event_fn fn, void *user)
{
    struct stream s = {.ctl = ctl, .seq = seq, .fn = fn, .user = user, .event = "message"};
    struct curl_slist *list;
    char last[64];
    int result;

    snprintf(last, sizeof last, "Last-Event-ID: %lld", (long long)*seq);
    list = ctl_headers(ctl, 0, *seq >= 0 ? last : NULL);
    strbuf_init(&s.line);
    strbuf_init(&s.data);
    ctl_prepare(ctl, "GET", path, list);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEFUNCTION, take_stream);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEDATA, &s);
    curl_easy_setopt(ctl->curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* heartbeats come every 15 s */
    curl_easy_setopt(ctl->curl, CURLOPT_LOW_SPEED_TIME, 60L);
    result = transfer(ctl, &s);
    curl_slist_free_all(list);
    strbuf_fini(&s.line);
    strbuf_fini(&s.data);
    return result;
}
