/* Telemetry in: JSON points, JSON columns, lines. An answer means the points are on disk. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/batch.h"

void batch_reject(struct batch *b, const char *code, const char *message)
{
    if (b->ignore_unknown &&
        (!strcmp(code, "TWIN_NOT_FOUND") || !strcmp(code, "SENSOR_NOT_FOUND"))) {
        b->ignored++;
        return;
    }
    if (b->rejected++ == 0) {
        snprintf(b->first_error, sizeof b->first_error, "%s: %s", code, message);
        b->first_line = b->line;
    }
    if (b->rejected > 100)
        return;
    jw_obj(&b->writer, NULL);
    jw_int(&b->writer, "index", b->index);
    if (b->line)
        jw_int(&b->writer, "line", b->line);
    jw_str(&b->writer, "code", code);
    jw_str(&b->writer, "message", message);
    jw_end_obj(&b->writer);
}

int batch_time(const struct batch *b, int64_t given, int64_t *us)
{
    if (given <= 0 || given > INT64_MAX / b->scale_num)
        return 0;
    *us = given * b->scale_num / b->scale_den;
    return *us > 0 && *us < LATHE_TS_MAX_US;
}

static int batch_grow(struct batch *b)
{
    uint32_t cap = b->cap ? b->cap * 2 : 256;
    struct point *wider = realloc(b->points, cap * sizeof *wider);

    if (!wider)
        return 0;
    b->points = wider;
    b->cap = cap;
    return 1;
}

void batch_add(struct batch *b, const char *twin_id, const char *sensor_id, const struct point *p)
{
    struct twin *t = b->only ? b->only : twin_find(b->tw, twin_id);
    struct sensor *s = t ? sensor_find(t, sensor_id) : NULL;

    if (!t)
        batch_reject(b, "TWIN_NOT_FOUND", "the twin is not known");
    else if (!s)
        batch_reject(b, "SENSOR_NOT_FOUND", "the sensor is not known");
    else if (t->is_archived)
        batch_reject(b, "TWIN_ARCHIVED", "the twin is archived");
    else if (p->ts_us > b->recv_us + b->tw->set.max_future_us)
        batch_reject(b, "TIMESTAMP_IN_FUTURE", "the time lies too far in the future");
    else if (b->n == BATCH_MAX || (b->n == b->cap && !batch_grow(b)))
        b->is_full = 1;
    else {
        b->points[b->n] = *p;
        b->points[b->n++].sensor = s;
    }
}

/* ---- JSON ---- */

static int read_time(const struct batch *b, const struct lathe_json *value, int64_t *us)
{
    const struct lathe_json_service *j = b->tw->kit.json;

    *us = b->recv_us;
    if (!value)
        return 1;
    if (j->type(value) == LATHE_JSON_INT)
        return batch_time(b, j->as_int(value, 0), us);
    return j->type(value) == LATHE_JSON_STRING && time_parse(j->as_string(value, "", NULL), us) &&
           *us > 0;
}

/* Number, boolean, or null for a gap; NULL, or the code of the fault. */
static const char *read_value(const struct lathe_json_service *j, const struct lathe_json *value,
                              struct point *p)
{
    const char *text = j->as_string(value, NULL, NULL);

    switch (j->type(value)) {
    case LATHE_JSON_INT:
    case LATHE_JSON_FLOAT:
        p->value = j->as_float(value, 0);
        return isfinite(p->value) ? NULL : "NON_FINITE";
    case LATHE_JSON_BOOL:
        p->value = j->as_bool(value, 0);
        return NULL;
    case LATHE_JSON_NULL:
        p->is_gap = 1;
        p->quality = QUALITY_BAD;
        return NULL;
    default:
        return text && (!strcmp(text, "NaN") || strstr(text, "Inf")) ? "NON_FINITE" : "NON_NUMERIC";
    }
}

static int read_quality(const char *name, enum quality *out)
{
    static const char *const names[] = {"good", "uncertain", "bad"};
    int i;

    for (i = 0; i < 3; i++)
        if (!strcmp(names[i], name)) {
            *out = (enum quality)i;
            return 1;
        }
    return 0;
}

static void read_point(struct batch *b, const struct lathe_json *o)
{
    const struct lathe_json_service *j = b->tw->kit.json;
    const char *twin = j->get_string(o, "twin", j->get_string(o, "twin_id", ""));
    const char *sensor = j->get_string(o, "sensor", j->get_string(o, "sensor_id", ""));
    const char *fault;
    struct point p = {0};

    if (!read_quality(j->get_string(o, "quality", "good"), &p.quality))
        batch_reject(b, "BAD_POINT", "quality is none of good, uncertain, bad");
    else if ((fault = read_value(j, j->get(o, "value"), &p)) != NULL)
        batch_reject(b, fault, "the value is no finite number");
    else if (!read_time(b, j->get(o, "ts"), &p.ts_us))
        batch_reject(b, "TIMESTAMP_INVALID", "the time is not valid");
    else
        batch_add(b, twin, sensor, &p);
}

/* NULL, or what is wrong with the whole body. */
static const char *read_points(struct batch *b, const struct lathe_json *list)
{
    const struct lathe_json_service *j = b->tw->kit.json;
    uint32_t i;

    if (j->count(list) == 0 || j->count(list) > BATCH_MAX)
        return "/points";
    for (i = 0; i < j->count(list); i++) {
        b->index = i;
        read_point(b, j->at(list, i));
    }
    return NULL;
}

static const char *read_columns(struct batch *b, const struct lathe_json *body)
{
    const struct lathe_json_service *j = b->tw->kit.json;
    const struct lathe_json *times = j->get(body, "ts"), *sensors = j->get(body, "sensors");
    const char *twin = j->get_string(body, "twin", ""), *name, *fault;
    struct lathe_json *column;
    const void *at = NULL;
    uint32_t i, n = j->count(times);

    if (j->type(times) != LATHE_JSON_ARRAY || n == 0 || n > BATCH_MAX)
        return "/ts";
    if (j->type(sensors) != LATHE_JSON_OBJECT || j->count(sensors) == 0)
        return "/sensors";
    while ((at = j->next(sensors, at, &name, &column)) != NULL)
        if (j->type(column) != LATHE_JSON_ARRAY || j->count(column) != n)
            return "/sensors";
    while ((at = j->next(sensors, at, &name, &column)) != NULL)
        for (i = 0; i < n && !b->is_full; i++) {
            struct point p = {0};

            b->index = i;
            if (j->type(j->at(column, i)) == LATHE_JSON_NULL)
                continue;
            if ((fault = read_value(j, j->at(column, i), &p)) != NULL)
                batch_reject(b, fault, "the value is no finite number");
            else if (!read_time(b, j->at(times, i), &p.ts_us))
                batch_reject(b, "TIMESTAMP_INVALID", "the time is not valid");
            else
                batch_add(b, twin, name, &p);
        }
    return NULL;
}

/* ---- requests ---- */

struct receipt {
    struct tw *tw;
    struct lathe_request *req;
    int64_t accepted, rejected, first_line, recv_us;
    char first_error[200];
    struct text errors;
    int is_write; /* the path that metric agents use */
};

static void receipt_drop(void *user)
{
    struct receipt *r = user;

    r->tw->kit.http->release(r->req);
    text_fini(&r->errors);
    free(r);
}

static void write_result(struct jw *w, const struct receipt *r)
{
    jw_int(w, "accepted", r->accepted);
    jw_int(w, "rejected", r->rejected);
    jw_raw(w, "errors", text_get(&r->errors));
}

static int32_t write_failed(const struct receipt *r)
{
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "code", "invalid");
    jw_str(&w, "message", r->first_error);
    jw_int(&w, "line", r->first_line);
    jw_end_obj(&w);
    return answer(r->tw, r->req, 400, &body);
}

static void send_receipt(const struct receipt *r)
{
    struct text body;
    struct jw w;

    if (r->is_write) {
        if (r->rejected)
            write_failed(r);
        else
            r->tw->kit.http->respond(r->req, 204, NULL, NULL, 0);
        return;
    }
    data_open(&w, &body);
    jw_obj(&w, "data");
    write_result(&w, r);
    jw_end_obj(&w);
    data_send(r->tw, r->req, 200, &w);
}

static void on_stored(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct receipt *r = user;

    (void)result;
    if (status == LATHE_OK)
        send_receipt(r);
    else if (status == LATHE_E_LIMIT)
        refuse(r->tw, r->req, 507, "STORAGE_FULL", NULL, "The storage is full");
    else
        refuse(r->tw, r->req, 503, "INGEST_OVERLOADED", NULL, "The points were not stored: %s",
               lathe_status_name(status));
}

static int32_t refuse_all(struct batch *b, struct lathe_request *req, struct receipt *r)
{
    struct text details = {0};
    struct jw w;
    int32_t st;

    if (r->is_write)
        return write_failed(r);
    r->accepted = 0;
    jw_init(&w, &details);
    jw_obj(&w, NULL);
    write_result(&w, r);
    jw_end_obj(&w);
    st = refuse(b->tw, req, 422, "INGEST_REJECTED", details.failed ? NULL : details.data,
                "no point was stored; the first fault is %s", b->first_error);
    text_fini(&details);
    return st;
}

/* The batch is read: keeps it, and answers when it is on disk. Frees what b has. */
static int32_t batch_finish(struct batch *b, struct lathe_request *req, int is_write, int is_atomic)
{
    struct receipt *r = calloc(1, sizeof *r);
    struct lathe_store_call call = {sizeof call, 0, on_stored, receipt_drop, r};
    int32_t st = LATHE_OK;
    uint32_t i;

    jw_end_arr(&b->writer);
    if (!r) {
        text_fini(&b->errors);
        free(b->points);
        return LATHE_E_NOMEM;
    }
    r->tw = b->tw;
    r->req = b->tw->kit.http->acquire(req);
    r->accepted = b->n;
    r->rejected = b->rejected;
    r->first_line = b->first_line;
    r->errors = b->errors;
    r->is_write = is_write;
    snprintf(r->first_error, sizeof r->first_error, "%s", b->first_error);
    if ((b->n == 0 && b->rejected) || (is_atomic && b->rejected)) {
        st = refuse_all(b, req, r);
        receipt_drop(r);
    } else if (b->n == 0) {
        send_receipt(r);
        receipt_drop(r);
    } else if ((st = tele_ingest(b->tw, b->points, b->n, &call)) == LATHE_OK) {
        for (i = 0; i < b->n; i++)
            tele_apply(b->tw, &b->points[i], b->recv_us);
    }
    free(b->points);
    return st;
}

static void batch_init(struct batch *b, struct tw *tw, struct lathe_request *req,
                       const char *precision)
{
    static const struct {
        const char *name;
        int64_t num, den;
    } scales[] = {{"s", 1000000, 1}, {"ms", 1000, 1}, {"us", 1, 1}, {"ns", 1, 1000}};
    const char *wanted = tw->kit.http->query(req, "precision");
    const char *unknown = tw->kit.http->query(req, "on_unknown");
    size_t i = 0;

    memset(b, 0, sizeof *b);
    b->tw = tw;
    b->recv_us = now_us(tw);
    b->ignore_unknown = unknown && !strcmp(unknown, "ignore");
    while (i < 3 && strcmp(scales[i].name, wanted && wanted[0] ? wanted : precision) != 0)
        i++;
    b->scale_num = scales[i].num;
    b->scale_den = scales[i].den;
    jw_init(&b->writer, &b->errors);
    jw_arr(&b->writer, NULL);
}

static int32_t ingest_lines(struct tw *tw, struct lathe_request *req, struct twin *only,
                            int is_write)
{
    struct batch b;
    uint64_t len = 0;
    const char *text = tw->kit.http->body(req, &len);
    char *copy = malloc((size_t)len + 1);
    int atomic = is_write ? 0 : tw->kit.http->query_bool(req, "atomic", 0);

    if (!copy)
        return LATHE_E_NOMEM;
    if (text && len)
        memcpy(copy, text, (size_t)len);
    copy[len] = '\0';
    batch_init(&b, tw, req, "ns");
    b.only = only;
    lines_read(&b, copy);
    free(copy);
    if (b.is_full) {
        text_fini(&b.errors);
        free(b.points);
        return refuse(tw, req, 413, "PAYLOAD_TOO_LARGE", NULL, "More than %d points", BATCH_MAX);
    }
    return batch_finish(&b, req, is_write, atomic);
}

static int32_t ingest_json(struct tw *tw, struct lathe_request *req, struct twin *only)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json_limits limits = {sizeof limits, 16, UINT64_C(64) << 20};
    struct lathe_json *body = NULL;
    struct lathe_error err = {0};
    struct batch b;
    uint64_t len = 0;
    const char *text = tw->kit.http->body(req, &len), *wrong;
    int32_t st = j->parse(j, text ? text : "", (size_t)len, &limits, &body, &err);

    if (st != LATHE_OK && strstr(err.text, "number"))
        return refuse(tw, req, 422, "NON_FINITE", NULL, "%s", err.text);
    if (st != LATHE_OK)
        return refuse(tw, req, 400, "INVALID_JSON", NULL, "%s", err.text);
    batch_init(&b, tw, req, "ms");
    b.only = only;
    if (j->get(body, "points"))
        wrong = read_points(&b, j->get(body, "points"));
    else
        wrong = read_columns(&b, body);
    j->release(body);
    if (wrong || b.is_full) {
        text_fini(&b.errors);
        free(b.points);
        if (b.is_full)
            return refuse(tw, req, 413, "PAYLOAD_TOO_LARGE", NULL, "More than %d points",
                          BATCH_MAX);
        return refuse_field(tw, req, "VALIDATION_ERROR", wrong, "LENGTH",
                            "has a wrong length or type");
    }
    return batch_finish(&b, req, 0, tw->kit.http->query_bool(req, "atomic", 0));
}

int32_t op_ingest(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const char *type = tw->kit.http->header(req, "Content-Type");
    struct twin *only = NULL;
    int32_t st;

    if (tw->kit.http->path_param(req, "twin_id") && !(only = need_twin(tw, req, &st)))
        return st;
    if (type && !strncmp(type, "text/plain", 10))
        return ingest_lines(tw, req, only, 0);
    return ingest_json(tw, req, only);
}

int32_t op_write(void *self, struct lathe_request *req)
{
    return ingest_lines(self, req, NULL, 1);
}
