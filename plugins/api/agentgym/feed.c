/* Job events as the messages of this surface, for WebSockets and event streams alike. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

void feed_update(struct gym *gym, struct text *out, const struct lathe_job_info *job, uint64_t seq,
                 int heartbeat, int final)
{
    const struct text *status = session_status(gym, job);
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", "training_update");
    jw_str(&w, "session_id", job->id);
    jw_uint(&w, "seq", seq);
    if (heartbeat)
        jw_bool(&w, "heartbeat", 1);
    if (final)
        jw_bool(&w, "final", 1);
    jw_raw(&w, "data", status ? text_get(status) : NULL);
    jw_end_obj(&w);
}

void feed_gap(struct text *out, const char *session_id, uint64_t from, uint64_t to)
{
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", "gap");
    jw_str(&w, "session_id", session_id);
    jw_uint(&w, "from", from);
    jw_uint(&w, "to", to);
    jw_end_obj(&w);
}

static void open_message(struct jw *w, const struct feed *feed, const char *type, uint64_t seq)
{
    jw_obj(w, NULL);
    jw_str(w, "type", type);
    jw_str(w, "session_id", feed->session_id);
    jw_uint(w, "seq", seq);
}

static int32_t send_out(struct feed *feed, uint64_t seq, const char *type, struct text *t)
{
    int32_t st = t->failed ? LATHE_E_NOMEM : feed->send(feed->user, seq, type, t);

    text_fini(t);
    return st == LATHE_E_LIMIT ? LATHE_AGAIN : LATHE_OK;
}

static int32_t send_rows(struct feed *feed, const struct lathe_event *event,
                         const struct lathe_json *data, const struct session *s)
{
    const struct lathe_json_service *j = feed->gym->kit.json;
    const struct lathe_json *rows = j->get(data, "rows"), *row;
    uint32_t n = j->count(rows), i;
    struct text out = {0};
    struct jw w;

    if (!n)
        return LATHE_OK;
    jw_init(&w, &out);
    open_message(&w, feed, n == 1 ? "episode" : "episodes", event->seq);
    if (n > 1) {
        jw_int(&w, "from", j->get_int(j->at(rows, 0), "step", 0));
        jw_int(&w, "to", j->get_int(j->at(rows, n - 1), "step", 0));
        jw_arr(&w, "data");
    } else {
        /* one row is the value itself; the writer puts its name */
        text_adds(&out, ",\"data\":");
        w.more &= ~(UINT64_C(1) << w.depth);
    }
    for (i = 0; i < n; i++) {
        row = j->at(rows, i);
        history_row(feed->gym, &w, s, j->get_int(row, "step", 0), j->get(row, "values"));
    }
    if (n > 1)
        jw_end_arr(&w);
    jw_end_obj(&w);
    return send_out(feed, event->seq, n == 1 ? "episode" : "episodes", &out);
}

static int32_t send_evaluation(struct feed *feed, const struct lathe_event *event,
                               const struct session *s)
{
    struct gym *gym = feed->gym;
    const struct scenario *scenario =
        scenario_find(gym, gym->kit.json->get_string(s->extra, "scenario_id", ""));
    struct text out = {0};
    struct jw w;

    jw_init(&w, &out);
    open_message(&w, feed, "evaluation", event->seq);
    evaluation_write(gym, &w, "data", event->json, scenario);
    jw_end_obj(&w);
    return send_out(feed, event->seq, "evaluation", &out);
}

static const char *state_word(const struct lathe_json_service *j, const struct lathe_json *data,
                              const char *member)
{
    struct lathe_job_info job = {.struct_size = sizeof job, .reason = ""};
    const char *name = j->get_string(data, member, "");

    for (job.state = 0; job.state < LATHE_JOB_STATE_COUNT; job.state++)
        if (!strcmp(lathe_job_state_name(job.state), name))
            return session_state(&job);
    return name;
}

static int32_t send_state(struct feed *feed, const struct lathe_event *event,
                          const struct lathe_json *data)
{
    const struct lathe_json_service *j = feed->gym->kit.json;
    struct text out = {0};
    struct jw w;

    jw_init(&w, &out);
    open_message(&w, feed, "status", event->seq);
    jw_obj(&w, "data");
    jw_str(&w, "from", state_word(j, data, "from"));
    jw_str(&w, "to", state_word(j, data, "to"));
    jw_str(&w, "reason", j->get_string(data, "reason", ""));
    jw_end_obj(&w);
    jw_end_obj(&w);
    return send_out(feed, event->seq, "status", &out);
}

static int32_t send_checkpoint(struct feed *feed, const struct lathe_event *event,
                               const struct lathe_json *data)
{
    const struct lathe_json_service *j = feed->gym->kit.json;
    struct text out = {0};
    struct jw w;

    jw_init(&w, &out);
    open_message(&w, feed, "checkpoint", event->seq);
    jw_obj(&w, "data");
    jw_str(&w, "id", j->get_string(data, "id", ""));
    jw_int(&w, "episode", j->get_int(data, "current", 0));
    jw_str(&w, "sha256", j->get_string(data, "sha256", ""));
    jw_str(&w, "kind", j->get_string(data, "kind", ""));
    jw_end_obj(&w);
    jw_end_obj(&w);
    return send_out(feed, event->seq, "checkpoint", &out);
}

/* The end: the model, if one was made, then the last status. */
static int32_t send_end(struct feed *feed, const struct lathe_event *event)
{
    struct gym *gym = feed->gym;
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, feed->session_id);
    struct text out = {0};
    struct jw w;
    int32_t st;

    if (job && job->model_id[0] && !feed->ended) {
        jw_init(&w, &out);
        open_message(&w, feed, "model_saved", event->seq);
        jw_obj(&w, "data");
        jw_str(&w, "model_id", job->model_id);
        jw_end_obj(&w);
        jw_end_obj(&w);
        if ((st = send_out(feed, event->seq, "model_saved", &out)) != LATHE_OK)
            return st;
        memset(&out, 0, sizeof out);
    }
    feed->ended = 1; /* the model is said; what is left is the status */
    if (!job)
        return LATHE_OK;
    feed_update(gym, &out, job, event->seq, 0, 1);
    return send_out(feed, event->seq, "training_update", &out);
}

int32_t feed_event(struct feed *feed, const struct lathe_event *event)
{
    struct gym *gym = feed->gym;
    const struct lathe_job_info *job = gym->kit.jobs->get(gym->kit.jobs, feed->session_id);
    const struct session *s = job ? session_get(gym, job) : NULL;
    const char *type = event->type ? event->type : "";
    struct lathe_json *data;
    struct text out = {0};
    int32_t st = LATHE_OK;

    if (event->flags & LATHE_EVENT_GAP) {
        feed_gap(&out, feed->session_id, event->first_seq, event->seq);
        return send_out(feed, event->seq, "gap", &out);
    }
    if (!s || (event->flags & LATHE_EVENT_END))
        return LATHE_OK;
    if (!strncmp(type, "job.", 4))
        type += 4;
    if (!strcmp(type, "done"))
        return send_end(feed, event);
    if (!strcmp(type, "eval"))
        return send_evaluation(feed, event, s);
    data = api_parse(&gym->kit, event->json);
    if (!strcmp(type, "metrics"))
        st = send_rows(feed, event, data, s);
    else if (!strcmp(type, "state"))
        st = send_state(feed, event, data);
    else if (!strcmp(type, "checkpoint"))
        st = send_checkpoint(feed, event, data);
    gym->kit.json->release(data);
    return st;
}

/* ---- server-sent events ---- */

struct watcher {
    struct gym *gym;
    struct feed feed;
    struct lathe_stream *stream;
    struct lathe_events_subscriber *sub;
    int opening; /* op_events still uses it */
};

static void watcher_free(struct watcher *w)
{
    if (!w->stream && !w->sub && !w->opening)
        free(w);
}

static int32_t sse_send(void *user, uint64_t seq, const char *type, const struct text *t)
{
    struct watcher *w = user;
    char id[24];

    if (!w->stream)
        return LATHE_OK;
    snprintf(id, sizeof id, "%llu", (unsigned long long)seq);
    return w->gym->kit.http->stream_event(w->stream, id, type, text_get(t), t->len_bytes);
}

static void sse_drained(void *user, struct lathe_stream *stream)
{
    struct watcher *w = user;

    (void)stream;
    if (w->sub)
        w->gym->kit.events->resume(w->sub);
}

static void sse_closed(void *user, struct lathe_stream *stream)
{
    struct watcher *w = user;

    (void)stream;
    w->stream = NULL;
    if (w->sub)
        w->gym->kit.events->unsubscribe(w->sub); /* ends in sse_over */
    else
        watcher_free(w);
}

static void sse_over(void *user)
{
    struct watcher *w = user;

    w->sub = NULL;
    watcher_free(w);
}

static int32_t sse_event(void *user, const struct lathe_event *event)
{
    struct watcher *w = user;
    int32_t st = feed_event(&w->feed, event);

    if (st != LATHE_AGAIN && w->stream && (w->feed.ended || (event->flags & LATHE_EVENT_END)))
        w->gym->kit.http->stream_close(w->stream);
    return st;
}

static const struct lathe_stream_handler sse_handler = {sizeof sse_handler, 0,         0, 0,
                                                        sse_drained,        sse_closed};

int32_t op_events(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const char *last = gym->kit.http->header(req, "Last-Event-ID");
    const struct lathe_job_info *job = training_find(gym, req);
    struct lathe_events_subscription sub = {.struct_size = sizeof sub};
    struct text out = {0};
    struct watcher *w;
    char topic[96];
    int32_t st;

    if (!job)
        return LATHE_OK;
    if (!(w = calloc(1, sizeof *w)))
        return LATHE_E_NOMEM;
    w->opening = 1;
    w->gym = gym;
    w->feed.gym = gym;
    w->feed.send = sse_send;
    w->feed.user = w;
    snprintf(w->feed.session_id, sizeof w->feed.session_id, "%s", job->id);
    snprintf(topic, sizeof topic, "job/%s", job->id);
    st = gym->kit.http->stream_open(req, 200, "text/event-stream", &sse_handler, w, &w->stream);
    if (st != LATHE_OK) {
        free(w);
        return st == LATHE_E_CANCELLED ? LATHE_OK : st;
    }
    if (!last || session_is_final(job)) {
        feed_update(gym, &out, job, job->seq, 0, session_is_final(job));
        sse_send(w, job->seq, "training_update", &out);
        text_fini(&out);
    }
    sub.topic = topic;
    sub.since = last ? strtoull(last, NULL, 10) : job->seq;
    sub.event = sse_event;
    sub.drop = sse_over;
    sub.user = w;
    if (w->stream && (session_is_final(job) ||
                      gym->kit.events->subscribe(gym->kit.events, &sub, &w->sub) != LATHE_OK))
        gym->kit.http->stream_close(w->stream);
    w->opening = 0;
    watcher_free(w);
    return LATHE_OK;
}
