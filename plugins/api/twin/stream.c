/* Live events: server-sent events and WebSocket channels over one topic, with resume by its
 * numbers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/twin.h"

/* ---- server-sent events ---- */

struct watcher {
    struct tw *tw;
    struct lathe_stream *stream;
    struct lathe_events_subscriber *sub;
    char twins[1024], types[64], sensors[1024];
    int opening; /* op_events still uses it */
};

static void watcher_free(struct watcher *w)
{
    if (!w->stream && !w->sub && !w->opening)
        free(w);
}

static int is_wanted(const struct watcher *w, const struct lathe_event *event)
{
    const struct lathe_json_service *j = w->tw->kit.json;
    struct lathe_json *data;
    int wanted = !w->types[0] || list_has(w->types, event->type ? event->type : "");

    if (!wanted || (!w->twins[0] && !w->sensors[0]))
        return wanted;
    data = api_parse(&w->tw->kit, event->json);
    wanted = (!w->twins[0] || list_has(w->twins, j->get_string(data, "twin_id", ""))) &&
             (!w->sensors[0] || !j->get(data, "sensor_id") ||
              list_has(w->sensors, j->get_string(data, "sensor_id", "")));
    j->release(data);
    return wanted;
}

static int32_t sse_event(void *user, const struct lathe_event *event)
{
    struct watcher *w = user;
    char id[24], gap[96];
    int32_t st;

    if (!w->stream || (event->flags & LATHE_EVENT_END))
        return LATHE_OK;
    snprintf(id, sizeof id, "%llu", (unsigned long long)event->seq);
    if (event->flags & LATHE_EVENT_GAP) {
        int n = snprintf(gap, sizeof gap, "{\"from\":%llu,\"to\":%llu}",
                         (unsigned long long)event->first_seq, (unsigned long long)event->seq);
        st = w->tw->kit.http->stream_event(w->stream, id, "gap", gap, (uint64_t)n);
    } else if (is_wanted(w, event)) {
        st =
            w->tw->kit.http->stream_event(w->stream, id, event->type, event->json, event->json_len);
    } else {
        return LATHE_OK;
    }
    return st == LATHE_E_LIMIT ? LATHE_AGAIN : LATHE_OK;
}

static void sse_drained(void *user, struct lathe_stream *stream)
{
    struct watcher *w = user;

    (void)stream;
    if (w->sub)
        w->tw->kit.events->resume(w->sub);
}

static void sse_closed(void *user, struct lathe_stream *stream)
{
    struct watcher *w = user;

    (void)stream;
    w->stream = NULL;
    if (w->sub)
        w->tw->kit.events->unsubscribe(w->sub); /* ends in sse_over */
    else
        watcher_free(w);
}

static void sse_over(void *user)
{
    struct watcher *w = user;

    w->sub = NULL;
    watcher_free(w);
}

static const struct lathe_stream_handler sse_handler = {
    sizeof sse_handler, 0, 1u << 20, 15000, sse_drained, sse_closed};

static void copy_query(const struct tw *tw, struct lathe_request *req, const char *name, char *out,
                       size_t cap)
{
    const char *value = tw->kit.http->query(req, name);

    snprintf(out, cap, "%s", value ? value : "");
}

int32_t op_events(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const char *last = tw->kit.http->header(req, "Last-Event-ID");
    struct lathe_events_subscription sub = {.struct_size = sizeof sub, .topic = TOPIC};
    const struct twin *t = NULL;
    struct watcher *w;
    int32_t st;

    if (tw->kit.http->path_param(req, "twin_id") && !(t = need_twin(tw, req, &st)))
        return st;
    if (!(w = calloc(1, sizeof *w)))
        return LATHE_E_NOMEM;
    w->opening = 1;
    w->tw = tw;
    copy_query(tw, req, "twin", w->twins, sizeof w->twins);
    copy_query(tw, req, "types", w->types, sizeof w->types);
    copy_query(tw, req, "sensors", w->sensors, sizeof w->sensors);
    if (t)
        snprintf(w->twins, sizeof w->twins, "%s", t->id);
    st = tw->kit.http->stream_open(req, 200, "text/event-stream", &sse_handler, w, &w->stream);
    if (st != LATHE_OK) {
        free(w);
        return st == LATHE_E_CANCELLED ? LATHE_OK : st;
    }
    sub.since = last ? strtoull(last, NULL, 10) : LATHE_EVENTS_LIVE;
    sub.event = sse_event;
    sub.drop = sse_over;
    sub.user = w;
    if (w->stream && tw->kit.events->subscribe(tw->kit.events, &sub, &w->sub) != LATHE_OK)
        tw->kit.http->stream_close(w->stream);
    w->opening = 0;
    watcher_free(w);
    return LATHE_OK;
}

/* ---- WebSocket ---- */

#define CHANNELS_MAX 100

struct socket {
    struct tw *tw;
    struct lathe_ws *ws; /* NULL once closed */
    struct lathe_events_subscriber *sub;
    char *channels[CHANNELS_MAX];
    size_t n_channels;
};

static void socket_free(struct socket *s)
{
    size_t i;

    if (s->ws || s->sub)
        return;
    for (i = 0; i < s->n_channels; i++)
        free(s->channels[i]);
    free(s);
}

static int32_t send_text(struct socket *s, struct text *t)
{
    int32_t st = LATHE_OK;

    if (s->ws && !t->failed)
        st = s->tw->kit.http->ws_send(s->ws, 1, text_get(t), t->len_bytes);
    text_fini(t);
    return st == LATHE_E_LIMIT ? LATHE_AGAIN : LATHE_OK;
}

/* "twins", "alerts", "twin:<id>", "twin:<id>/telemetry|alerts|status" */
static int channel_takes(const char *channel, const char *type, const char *twin_id)
{
    size_t len = strlen(twin_id);
    const char *rest;

    if (!strcmp(channel, "twins"))
        return !strcmp(type, "twin");
    if (!strcmp(channel, "alerts"))
        return !strcmp(type, "alert");
    if (strncmp(channel, "twin:", 5) != 0 || strncmp(channel + 5, twin_id, len) != 0)
        return 0;
    rest = channel + 5 + len;
    return rest[0] == '\0' || (!strcmp(rest, "/telemetry") && !strcmp(type, "telemetry")) ||
           (!strcmp(rest, "/alerts") && !strcmp(type, "alert")) ||
           (!strcmp(rest, "/status") && !strcmp(type, "status"));
}

static int32_t ws_event(void *user, const struct lathe_event *event)
{
    struct socket *s = user;
    const char *type = event->type ? event->type : "", *channel = NULL;
    struct lathe_json *data;
    struct text out = {0};
    struct jw w;
    size_t i;

    if (!s->ws || (event->flags & LATHE_EVENT_END))
        return LATHE_OK;
    data = api_parse(&s->tw->kit, event->json);
    for (i = 0; i < s->n_channels && !channel; i++)
        if ((event->flags & LATHE_EVENT_GAP) ||
            channel_takes(s->channels[i], type, s->tw->kit.json->get_string(data, "twin_id", "")))
            channel = s->channels[i];
    s->tw->kit.json->release(data);
    if (!channel)
        return LATHE_OK;
    jw_init(&w, &out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", event->flags & LATHE_EVENT_GAP ? "gap" : type);
    jw_str(&w, "channel", channel);
    jw_uint(&w, "seq", event->seq);
    if (event->flags & LATHE_EVENT_GAP)
        jw_uint(&w, "from", event->first_seq);
    else
        jw_raw(&w, "data", event->json);
    jw_end_obj(&w);
    return send_text(s, &out);
}

static void ws_over(void *user)
{
    struct socket *s = user;

    s->sub = NULL;
    socket_free(s);
}

static int32_t ws_open(void *self, struct lathe_ws *ws, struct lathe_request *req, void **user)
{
    struct tw *tw = self;
    struct lathe_events_subscription sub = {
        .struct_size = sizeof sub, .topic = TOPIC, .since = LATHE_EVENTS_LIVE};
    struct socket *s = calloc(1, sizeof *s);
    int32_t st;

    (void)req;
    if (!s)
        return LATHE_E_NOMEM;
    s->tw = tw;
    s->ws = ws;
    sub.event = ws_event;
    sub.drop = ws_over;
    sub.user = s;
    *user = s;
    st = tw->kit.events->subscribe(tw->kit.events, &sub, &s->sub);
    if (st != LATHE_OK) /* drop ran, but kept s for its socket */
        free(s);
    return st;
}

static void reply(struct socket *s, const char *type, const char *name, const char *value)
{
    struct text out = {0};
    struct jw w;

    jw_init(&w, &out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", type);
    if (name)
        jw_str(&w, name, value);
    jw_end_obj(&w);
    send_text(s, &out);
}

static void subscribe(struct socket *s, const char *channel)
{
    size_t i = 0;

    while (i < s->n_channels && strcmp(s->channels[i], channel) != 0)
        i++;
    if (i == s->n_channels) {
        if (i == CHANNELS_MAX || strlen(channel) > 160) {
            reply(s, "error", "code", "LIMIT_EXCEEDED");
            return;
        }
        if (!(s->channels[i] = api_dup(channel)))
            return;
        s->n_channels++;
    }
    reply(s, "subscribed", "channel", channel);
}

static void unsubscribe(struct socket *s, const char *channel)
{
    size_t i;

    for (i = 0; i < s->n_channels; i++)
        if (!strcmp(s->channels[i], channel)) {
            free(s->channels[i]);
            s->channels[i] = s->channels[--s->n_channels];
            break;
        }
    reply(s, "unsubscribed", "channel", channel);
}

static void ws_message(void *self, void *user, struct lathe_ws *ws, int32_t is_text,
                       const void *data, uint64_t len_bytes)
{
    struct socket *s = user;
    const struct lathe_json_service *j = s->tw->kit.json;
    const struct lathe_json_limits limits = {sizeof limits, 16, 262144};
    struct lathe_json *message = NULL;
    const char *type;

    (void)self;
    (void)ws;
    if (!is_text || j->parse(j, data, (size_t)len_bytes, &limits, &message, NULL) != LATHE_OK) {
        reply(s, "error", "code", "INVALID_JSON");
        return;
    }
    type = j->get_string(message, "type", "");
    if (!strcmp(type, "subscribe"))
        subscribe(s, j->get_string(message, "channel", ""));
    else if (!strcmp(type, "unsubscribe"))
        unsubscribe(s, j->get_string(message, "channel", ""));
    else if (!strcmp(type, "ping"))
        reply(s, "pong", NULL, NULL);
    else
        reply(s, "error", "code", "UNKNOWN_TYPE");
    j->release(message);
}

static void ws_drained(void *self, void *user, struct lathe_ws *ws)
{
    struct socket *s = user;

    (void)self;
    (void)ws;
    if (s->sub)
        s->tw->kit.events->resume(s->sub);
}

static void ws_closed(void *self, void *user, struct lathe_ws *ws, int32_t code)
{
    struct socket *s = user;

    (void)self;
    (void)ws;
    (void)code;
    s->ws = NULL;
    if (s->sub)
        s->tw->kit.events->unsubscribe(s->sub); /* ends in ws_over */
    else
        socket_free(s);
}

const struct lathe_ws_handler twin_ws_handler = {.struct_size = sizeof twin_ws_handler,
                                                 .queue_bytes = 1u << 20,
                                                 .max_message_bytes = 262144,
                                                 .slow_code = 1013,
                                                 .open = ws_open,
                                                 .message = ws_message,
                                                 .drained = ws_drained,
                                                 .close = ws_closed};
