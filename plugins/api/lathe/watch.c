/* Watching a run: metric series, and live events as server-sent events. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/lathe/native.h"

#define NAMES_MAX 64

/* ---- metrics ---- */

static void write_series(struct jw *w, const struct lathe_job_series *series, uint32_t max_points)
{
    uint32_t i, n = series->count;
    uint64_t *steps = calloc(n ? n : 1, sizeof *steps);
    double *values = calloc(n ? n : 1, sizeof *values);

    if (!steps || !values) {
        w->out->failed = 1;
        goto out;
    }
    if (n) {
        memcpy(steps, series->steps, n * sizeof *steps);
        memcpy(values, series->values, n * sizeof *values);
    }
    n = api_thin(steps, values, n, max_points);
    jw_obj(w, NULL);
    jw_str(w, "name", series->name);
    jw_arr(w, "steps");
    for (i = 0; i < n; i++)
        jw_uint(w, NULL, steps[i]);
    jw_end_arr(w);
    jw_arr(w, "values");
    for (i = 0; i < n; i++)
        jw_num(w, NULL, values[i]);
    jw_end_arr(w);
    jw_end_obj(w);
out:
    free(steps);
    free(values);
}

static void metrics_read(void *user, int32_t status, const struct lathe_job_series *const *series,
                         const struct lathe_error *err)
{
    struct api_park *park = user;
    struct text body = {0};
    struct jw w;

    if (status != LATHE_OK) {
        park->kit->http->respond_error(park->req, status, NULL, err);
        return;
    }
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "run_id", park->arg);
    jw_arr(&w, "series");
    for (; series && *series; series++)
        write_series(&w, *series, (uint32_t)park->number);
    jw_end_arr(&w);
    jw_end_obj(&w);
    api_send(park->kit, park->req, 200, &body);
}

int32_t runs_metrics(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const char *id = kit->http->path_param(req, "id"), *given = kit->http->query(req, "names");
    struct lathe_job_query query = {.struct_size = sizeof query};
    const char *names[NAMES_MAX + 1] = {NULL};
    struct lathe_error err = {0};
    char *copy = NULL, *save = NULL, *name;
    struct api_park *park;
    size_t n = 0;
    int32_t st;

    if (!kit->jobs->get(kit->jobs, id))
        return native_unknown(kit, req, "run");
    if (given && !(copy = api_dup(given)))
        return LATHE_E_NOMEM;
    for (name = copy ? strtok_r(copy, ",", &save) : NULL; name && n < NAMES_MAX;
         name = strtok_r(NULL, ",", &save))
        names[n++] = name;
    if (!(park = api_park_new(kit, self, req, id))) {
        free(copy);
        return LATHE_E_NOMEM;
    }
    park->number = kit->http->query_int(req, "max_points", 0);
    query.names = n ? names : NULL;
    query.from_step = (uint64_t)kit->http->query_int(req, "since", 0);
    query.done = metrics_read;
    query.user = park;
    query.drop = api_park_drop;
    st = kit->jobs->history(kit->jobs, id, &query, &err);
    if (st != LATHE_OK)
        kit->http->set_error(req, &err);
    free(copy);
    return st;
}

/* ---- events ---- */

/* One open event stream: lives until both the stream and the subscription are gone. */
struct watcher {
    const struct api_kit *kit;
    struct lathe_stream *stream;         /* NULL once closed */
    struct lathe_events_subscriber *sub; /* NULL once over */
    int opening;                         /* runs_events still uses it */
};

static void watcher_free(struct watcher *w)
{
    if (!w->stream && !w->sub && !w->opening)
        free(w);
}

static void stream_drained(void *user, struct lathe_stream *stream)
{
    struct watcher *w = user;

    (void)stream;
    if (w->sub)
        w->kit->events->resume(w->sub);
}

static void stream_closed(void *user, struct lathe_stream *stream)
{
    struct watcher *w = user;
    struct lathe_events_subscriber *sub = w->sub;

    (void)stream;
    w->stream = NULL;
    if (sub)
        w->kit->events->unsubscribe(sub); /* runs sub_over, which frees w */
    else
        watcher_free(w);
}

static void sub_over(void *user)
{
    struct watcher *w = user;

    w->sub = NULL;
    watcher_free(w);
}

static const char *short_type(const char *type)
{
    return !strncmp(type, "job.", 4) ? type + 4 : type;
}

static int32_t event_sent(void *user, const struct lathe_event *event)
{
    struct watcher *w = user;
    const char *type = event->type ? short_type(event->type) : "gap";
    char id[24], gap[96];
    int32_t st;

    if (!w->stream)
        return LATHE_OK;
    if (event->flags & LATHE_EVENT_END) {
        w->kit->http->stream_close(w->stream);
        return LATHE_OK;
    }
    snprintf(id, sizeof id, "%llu", (unsigned long long)event->seq);
    if (event->flags & LATHE_EVENT_GAP) {
        snprintf(gap, sizeof gap, "{\"from\":%llu,\"to\":%llu}",
                 (unsigned long long)event->first_seq, (unsigned long long)event->seq);
        st = w->kit->http->stream_event(w->stream, id, "gap", gap, strlen(gap));
    } else {
        st = w->kit->http->stream_event(w->stream, id, type, event->json, event->json_len);
    }
    if (st == LATHE_E_LIMIT)
        return LATHE_AGAIN;
    if (!strcmp(type, "done"))
        w->kit->http->stream_close(w->stream);
    return LATHE_OK;
}

static void send_snapshot(struct watcher *w, const struct lathe_job_info *job)
{
    struct text body = {0};
    struct jw jw;
    char id[24];

    jw_init(&jw, &body);
    run_write(w->kit, &jw, job, 0);
    snprintf(id, sizeof id, "%llu", (unsigned long long)job->seq);
    if (!body.failed && w->stream)
        w->kit->http->stream_event(w->stream, id, "run", body.data, body.len_bytes);
    text_fini(&body);
}

static const struct lathe_stream_handler stream_handler = {
    sizeof stream_handler, 0, 0, 0, stream_drained, stream_closed};

int32_t runs_events(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const char *id = kit->http->path_param(req, "id");
    const char *last = kit->http->header(req, "Last-Event-ID");
    const struct lathe_job_info *job = kit->jobs->get(kit->jobs, id);
    struct lathe_events_subscription sub = {.struct_size = sizeof sub};
    struct watcher *w;
    char topic[LATHE_EVENTS_TOPIC_MAX];
    int32_t st;

    if (!job)
        return native_unknown(kit, req, "run");
    if (!(w = calloc(1, sizeof *w)))
        return LATHE_E_NOMEM;
    w->kit = kit;
    st = kit->http->stream_open(req, 200, "text/event-stream", &stream_handler, w, &w->stream);
    if (st != LATHE_OK) {
        free(w);
        return st == LATHE_E_CANCELLED ? LATHE_OK : st;
    }
    w->opening = 1;
    if (!last)
        send_snapshot(w, job);
    snprintf(topic, sizeof topic, "job/%s", id);
    sub.topic = topic;
    sub.since = last ? strtoull(last, NULL, 10) : job->seq;
    sub.event = event_sent;
    sub.drop = sub_over;
    sub.user = w;
    if (w->stream && job->state >= LATHE_JOB_SUCCEEDED && sub.since >= job->seq) {
        kit->http->stream_event(w->stream, NULL, "done", job->result, strlen(job->result));
        kit->http->stream_close(w->stream);
    } else if (w->stream && kit->events->subscribe(kit->events, &sub, &w->sub) != LATHE_OK) {
        kit->http->stream_close(w->stream);
    }
    w->opening = 0;
    watcher_free(w);
    return LATHE_OK;
}
