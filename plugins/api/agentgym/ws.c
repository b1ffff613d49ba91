/* Live updates by WebSocket. Without events=all a socket gets one message type, coalesced: the
 * newest status wins. With it, the socket reads the job's event log through a subscription, which
 * keeps order and has no hole. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define PER_SESSION_MAX 64
#define SOCKETS_MAX 1024
#define HEARTBEAT_MS 5000
#define CLOSE_AFTER_MS 1000
#define END_WAIT_MS 3000 /* for the event that ends a session; then the status says it */
#define TICK_MS 100
#define MESSAGES_PER_S 20

struct gym_socket {
    struct gym_socket *next;
    struct gym *gym;
    struct lathe_ws *ws; /* NULL once closed */
    struct lathe_events_subscriber *sub;
    struct feed feed;
    char session_id[64];
    int all, dirty, loading, closed;
    uint64_t since, last_seq, sent_seq;
    int64_t interval_ms, last_sent_ms, last_feed_ms, close_at_ms;
    int64_t second; /* of the message count */
    int messages;
};

static int64_t now_ms(const struct gym *gym)
{
    return gym->kit.clock->mono_ns(gym->kit.clock) / 1000000;
}

static const struct lathe_job_info *job_of(const struct gym_socket *s)
{
    return s->gym->kit.jobs->get(s->gym->kit.jobs, s->session_id);
}

/* ---- sending ---- */

static int32_t send_text(struct gym_socket *s, const struct text *t)
{
    if (t->failed || !s->ws)
        return LATHE_E_NOMEM;
    return s->gym->kit.http->ws_send(s->ws, 1, text_get(t), t->len_bytes);
}

static void send_update(struct gym_socket *s, const struct lathe_job_info *job, int heartbeat)
{
    int final = session_is_final(job);
    uint64_t seq = s->all && !final ? s->last_seq : job->seq;
    struct text out = {0};

    feed_update(s->gym, &out, job, seq, heartbeat, final);
    if (send_text(s, &out) == LATHE_OK) {
        s->last_sent_ms = now_ms(s->gym);
        s->sent_seq = seq;
        s->dirty = 0;
        if (final && !s->close_at_ms)
            s->close_at_ms = s->last_sent_ms + CLOSE_AFTER_MS;
    } else {
        s->dirty = 1; /* the next tick tries again with what is newest then */
    }
    text_fini(&out);
}

static void send_error(struct gym_socket *s, const char *code)
{
    struct text out = {0};
    struct jw w;

    jw_init(&w, &out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", "error");
    jw_str(&w, "code", code);
    jw_end_obj(&w);
    send_text(s, &out);
    text_fini(&out);
}

/* ---- the event log ---- */

static int32_t feed_out(void *user, uint64_t seq, const char *type, const struct text *t)
{
    struct gym_socket *s = user;
    int32_t st = send_text(s, t);

    (void)type;
    if (st == LATHE_OK) {
        s->sent_seq = seq;
        s->last_feed_ms = now_ms(s->gym);
    }
    return st;
}

static int32_t log_event(void *user, const struct lathe_event *event)
{
    struct gym_socket *s = user;
    const char *type = event->type ? event->type : "";
    const struct lathe_job_info *job;
    int32_t st = feed_event(&s->feed, event);

    if (st == LATHE_AGAIN)
        return st;
    s->last_seq = event->seq;
    if (strstr(type, "progress"))
        s->dirty = 1;
    if (s->feed.ended && !s->close_at_ms)
        s->close_at_ms = now_ms(s->gym) + CLOSE_AFTER_MS;
    if ((event->flags & LATHE_EVENT_GAP) && (job = job_of(s)) != NULL)
        send_update(s, job, 0);
    return LATHE_OK;
}

static void socket_free(struct gym_socket *s)
{
    if (s->closed && !s->sub && !s->loading)
        free(s);
}

static void log_over(void *user)
{
    struct gym_socket *s = user;

    s->sub = NULL;
    socket_free(s);
}

/* The evaluations are loaded: rows can be written, so the log may be read. */
static void log_open(void *user)
{
    struct gym_socket *s = user;
    struct lathe_events_subscription sub = {.struct_size = sizeof sub};
    char topic[96];

    if (s->closed)
        return;
    snprintf(topic, sizeof topic, "job/%s", s->session_id);
    sub.topic = topic;
    sub.since = s->since;
    sub.event = log_event;
    sub.drop = log_over;
    sub.user = s;
    if (s->gym->kit.events->subscribe(s->gym->kit.events, &sub, &s->sub) != LATHE_OK)
        s->gym->kit.http->ws_close(s->ws, 1011, "events are not available");
}

static void log_loaded(void *user)
{
    struct gym_socket *s = user;

    s->loading = 0;
    socket_free(s);
}

/* ---- life ---- */

static void tick_call(void *user)
{
    struct gym *gym = user;

    sockets_tick(gym);
    envs_tick(gym, now_ms(gym));
    if (!gym->sockets && !gym->envs) {
        gym->kit.loop->timer_cancel(gym->kit.loop, gym->tick);
        gym->tick = 0;
    }
}

void tick_want(struct gym *gym)
{
    if (!gym->tick)
        gym->kit.loop->timer_start(gym->kit.loop, TICK_MS, TICK_MS, tick_call, gym, NULL,
                                   &gym->tick);
}

static uint32_t sockets_of(const struct gym *gym, const char *session_id)
{
    const struct gym_socket *s;
    uint32_t n = 0;

    for (s = gym->sockets; s; s = s->next)
        n += !strcmp(s->session_id, session_id);
    return n;
}

static void first_message(struct gym_socket *s, const struct lathe_job_info *job, const char *since)
{
    uint64_t asked = since ? strtoull(since, NULL, 10) : job->seq;

    s->last_seq = s->all && since && asked < job->seq ? asked : job->seq;
    s->last_sent_ms = s->last_feed_ms = now_ms(s->gym);
    if (!s->all) {
        send_update(s, job, 0);
        return;
    }
    if (!since || asked >= job->seq) {
        send_update(s, job, 0);
        asked = job->seq;
    }
    if (s->close_at_ms)
        return; /* it is over and that was said */
    s->since = asked;
    s->loading = 1;
    session_load_evals(s->gym, s->session_id, log_open, s, log_loaded);
}

static int32_t socket_open(void *self, struct lathe_ws *ws, struct lathe_request *req, void **user)
{
    struct gym *gym = self;
    const struct lathe_http_service *http = gym->kit.http;
    const char *id = http->path_param(req, "session_id"), *events = http->query(req, "events");
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, id);
    struct gym_socket *s = calloc(1, sizeof *s);

    if (!s)
        return LATHE_E_NOMEM;
    s->gym = gym;
    s->ws = ws;
    *user = s;
    snprintf(s->session_id, sizeof s->session_id, "%s", id);
    if (!job || strcmp(job->owner, GYM_OWNER) != 0) {
        http->ws_close(ws, 4404, "unknown session");
        return LATHE_OK;
    }
    if (gym->n_sockets >= SOCKETS_MAX || sockets_of(gym, id) >= PER_SESSION_MAX) {
        http->ws_close(ws, 4429, "too many sockets");
        return LATHE_OK;
    }
    s->interval_ms = http->query_int(req, "interval_ms", 1000);
    s->all = events && !strcmp(events, "all");
    s->feed.gym = gym;
    s->feed.send = feed_out;
    s->feed.user = s;
    snprintf(s->feed.session_id, sizeof s->feed.session_id, "%s", id);
    s->next = gym->sockets;
    gym->sockets = s;
    gym->n_sockets++;
    tick_want(gym);
    first_message(s, job, http->query(req, "since"));
    return LATHE_OK;
}

static void socket_closed(void *self, void *user, struct lathe_ws *ws, int32_t code)
{
    struct gym *gym = self;
    struct gym_socket *s = user, **place = &gym->sockets;

    (void)ws;
    (void)code;
    for (; *place; place = &(*place)->next)
        if (*place == s) {
            *place = s->next;
            gym->n_sockets--;
            break;
        }
    s->ws = NULL;
    s->closed = 1;
    if (s->sub)
        gym->kit.events->unsubscribe(s->sub); /* ends in log_over, which frees */
    else
        socket_free(s);
}

static void socket_drained(void *self, void *user, struct lathe_ws *ws)
{
    struct gym_socket *s = user;

    (void)self;
    (void)ws;
    if (s->sub)
        s->gym->kit.events->resume(s->sub);
}

/* ---- messages from the client ---- */

static void answer_ping(struct gym_socket *s, const struct lathe_json *message)
{
    const struct lathe_json_service *j = s->gym->kit.json;
    char *id = j->get(message, "id") ? j->dup_text(j->get(message, "id"), 0, NULL) : NULL;
    struct text out = {0};
    struct jw w;

    jw_init(&w, &out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", "pong");
    jw_raw(&w, "id", id);
    jw_end_obj(&w);
    send_text(s, &out);
    text_fini(&out);
    j->free_text(id);
}

static void answer_interval(struct gym_socket *s, const struct lathe_json *message)
{
    int64_t ms = s->gym->kit.json->get_int(message, "ms", 0);
    struct text out = {0};

    if (ms < 100 || ms > 10000) {
        send_error(s, "invalid_interval");
        return;
    }
    s->interval_ms = ms;
    text_adds(&out, "{\"type\":\"ack\",\"for\":\"set_interval\"}");
    send_text(s, &out);
    text_fini(&out);
}

static int over_rate(struct gym_socket *s)
{
    int64_t second = now_ms(s->gym) / 1000;

    if (second != s->second) {
        s->second = second;
        s->messages = 0;
    }
    return ++s->messages > MESSAGES_PER_S;
}

static void socket_message(void *self, void *user, struct lathe_ws *ws, int32_t is_text,
                           const void *data, uint64_t len_bytes)
{
    struct gym *gym = self;
    struct gym_socket *s = user;
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *message = NULL;
    const char *type;

    if (!is_text) {
        gym->kit.http->ws_close(ws, 1003, "text only");
        return;
    }
    if (over_rate(s)) {
        send_error(s, "rate_limited");
        return;
    }
    j->parse(j, data, len_bytes, NULL, &message, NULL);
    type = j->get_string(message, "type", "");
    if (!strcmp(type, "ping"))
        answer_ping(s, message);
    else if (!strcmp(type, "set_interval"))
        answer_interval(s, message);
    else
        send_error(s, "unknown_message");
    j->release(message);
}

/* ---- what happens to sessions ---- */

void sockets_notify(struct gym *gym, const struct lathe_job_event *event)
{
    int at_once = event->kind == LATHE_JOB_EVENT_STATE || event->kind == LATHE_JOB_EVENT_EVAL ||
                  event->kind == LATHE_JOB_EVENT_DONE;
    struct gym_socket *s, *next;

    for (s = gym->sockets; s; s = next) {
        next = s->next;
        if (s->all || s->close_at_ms || strcmp(s->session_id, event->job->id) != 0)
            continue;
        s->last_seq = event->seq;
        s->dirty = 1;
        /* a final state is told once everything about it is stored: with DONE */
        if (at_once && (!session_is_final(event->job) || event->kind == LATHE_JOB_EVENT_DONE))
            send_update(s, event->job, 0);
    }
}

void sockets_tick(struct gym *gym)
{
    int64_t now = now_ms(gym);
    struct gym_socket *s, *next;
    const struct lathe_job_info *job;

    for (s = gym->sockets; s; s = next) {
        next = s->next;
        if (s->close_at_ms) {
            if (now >= s->close_at_ms)
                gym->kit.http->ws_close(s->ws, 1000, "finished");
            continue;
        }
        if (!(job = job_of(s))) {
            gym->kit.http->ws_close(s->ws, 4404, "session deleted");
            continue;
        }
        if (session_is_final(job) && now - s->last_sent_ms < END_WAIT_MS)
            continue; /* the end is on its way */
        if (session_is_final(job) && s->all && now - s->last_feed_ms < END_WAIT_MS)
            continue; /* the log is being read */
        if (session_is_final(job) || (s->dirty && now - s->last_sent_ms >= s->interval_ms))
            send_update(s, job, 0);
        else if (now - s->last_sent_ms >= HEARTBEAT_MS)
            send_update(s, job, 1);
    }
}

const struct lathe_ws_handler gym_ws_handler = {
    .struct_size = sizeof gym_ws_handler,
    .queue_bytes = 256u << 10,
    .max_message_bytes = 16u << 10,
    .slow_ms = 10000,
    .slow_code = 4408,
    .open = socket_open,
    .message = socket_message,
    .drained = socket_drained,
    .close = socket_closed,
};
