/* Telemetry out: history of one sensor, several series in one answer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/define.h"

#define DAY_US INT64_C(86400000000)
#define BUCKETS_MAX 1000000
#define SERIES_MAX 100
#define ANSWER_MAX 100000

static int64_t interval_of(const char *name)
{
    static const struct {
        const char *name;
        int64_t us;
    } list[] = {{"1m", 60000000}, {"5m", 300000000}, {"1h", 3600000000}, {"1d", DAY_US}};
    size_t i;

    for (i = 0; name && i < 4; i++)
        if (!strcmp(list[i].name, name))
            return list[i].us;
    return 0;
}

/* Start rounds down, end rounds up, to whole buckets. NULL, or the code of the fault. */
static const char *range_fix(struct range *r)
{
    int64_t over;

    if (r->start_us >= r->end_us)
        return "INVALID_RANGE";
    if (!r->interval_us)
        return NULL;
    over = r->start_us % r->interval_us;
    r->start_us -= over < 0 ? over + r->interval_us : over;
    over = r->end_us % r->interval_us;
    r->end_us += over > 0 ? r->interval_us - over : -over;
    return (r->end_us - r->start_us) / r->interval_us > BUCKETS_MAX ? "RANGE_TOO_LARGE" : NULL;
}

/* Both dates and the interval. NULL, or the parameter at fault. */
static const char *range_read(struct tw *tw, const char *start, const char *end,
                              const char *interval, struct range *r)
{
    memset(r, 0, sizeof *r);
    r->end_us = now_us(tw) + 1000; /* the clock has milliseconds: what is stored now is seen */
    if (end && (!time_parse(end, &r->end_us) || r->end_us > LATHE_TS_MAX_US))
        return "end_date";
    r->start_us = r->end_us - DAY_US;
    if (start && !time_parse(start, &r->start_us))
        return "start_date";
    r->interval_us = interval_of(interval);
    return NULL;
}

static int32_t refuse_range(struct tw *tw, struct lathe_request *req, const char *code)
{
    return refuse(tw, req, 400, code, NULL, "%s",
                  !strcmp(code, "INVALID_RANGE") ? "start_date must lie before end_date"
                                                 : "The range has more than 1000000 buckets");
}

/* ---- filling ---- */

enum fill { FILL_NONE, FILL_NULL, FILL_PREVIOUS, FILL_LINEAR };

static enum fill fill_of(const char *name)
{
    static const char *const names[] = {"none", "null", "previous", "linear"};
    int i;

    for (i = 0; name && i < 4; i++)
        if (!strcmp(names[i], name))
            return (enum fill)i;
    return FILL_NONE;
}

/* Buckets without samples, between and around those with some. Takes rows. */
static struct row *fill_rows(const struct range *r, enum fill how, struct row *rows, int64_t *n)
{
    int64_t total = (r->end_us - r->start_us) / r->interval_us, i, at = 0;
    struct row *all = calloc((size_t)total + 1, sizeof *all);

    for (i = 0; all && i < total; i++) {
        int64_t ts = r->start_us + i * r->interval_us;
        struct row *o = &all[i];

        if (at < *n && rows[at].ts_us == ts) {
            *o = rows[at++];
            continue;
        }
        o->ts_us = ts;
        o->is_empty = 1;
        o->is_gap = 1;
        if (how == FILL_PREVIOUS && at > 0) {
            o->value = rows[at - 1].value;
            o->is_gap = 0;
        } else if (how == FILL_LINEAR && at > 0 && at < *n) {
            double part =
                (double)(ts - rows[at - 1].ts_us) / (double)(rows[at].ts_us - rows[at - 1].ts_us);
            o->value = rows[at - 1].value + part * (rows[at].value - rows[at - 1].value);
            o->is_gap = 0;
        }
    }
    free(rows);
    *n = all ? total : LATHE_E_NOMEM;
    return all;
}

/* ---- history ---- */

struct history {
    struct tw *tw;
    struct lathe_request *req;
    struct range range;
    char unit[40], interval[8];
};

static void history_free(struct history *h)
{
    h->tw->kit.http->release(h->req);
    free(h);
}

static void number_or_null(struct jw *w, const char *name, int is_null, double value)
{
    if (is_null || !isfinite(value))
        jw_null(w, name);
    else
        jw_num(w, name, value);
}

static void write_row(struct jw *w, const struct row *p, const struct range *range, int64_t now)
{
    static const char *const qualities[] = {"good", "uncertain", "bad"};
    char text[40];

    time_text(text, p->ts_us);
    jw_obj(w, NULL);
    jw_str(w, "timestamp", text);
    number_or_null(w, "value", p->is_gap, p->value);
    if (!range->interval_us) {
        if (p->quality != QUALITY_GOOD)
            jw_str(w, "quality", qualities[p->quality]);
    } else {
        number_or_null(w, "min", p->is_empty, p->min);
        number_or_null(w, "max", p->is_empty, p->max);
        jw_uint(w, "count", p->count);
        if (p->ts_us + range->interval_us > now)
            jw_bool(w, "partial", 1);
    }
    jw_end_obj(w);
}

static void write_meta(const struct history *h, struct jw *w, const struct pages *pages)
{
    char text[40];

    jw_obj(w, "meta");
    pages_write(pages, w, "pagination");
    jw_obj(w, "aggregation");
    if (h->interval[0])
        jw_str(w, "interval", h->interval);
    else
        jw_null(w, "interval");
    time_text(text, h->range.start_us);
    jw_str(w, "start_date", text);
    time_text(text, h->range.end_us);
    jw_str(w, "end_date", text);
    jw_str(w, "unit", h->unit);
    jw_end_obj(w);
    jw_end_obj(w);
}

static void write_csv(struct text *out, const struct row *p, const struct range *range)
{
    char text[40];

    time_text(text, p->ts_us);
    text_addf(out, "%s,", text);
    if (!p->is_gap)
        text_addf(out, "%.17g", p->value);
    if (range->interval_us && !p->is_empty)
        text_addf(out, ",%.17g,%.17g", p->min, p->max);
    else if (range->interval_us)
        text_adds(out, ",,");
    if (range->interval_us)
        text_addf(out, ",%llu", (unsigned long long)p->count);
    text_adds(out, "\r\n");
}

/* One page as CSV or NDJSON. */
static void send_plain(const struct history *h, const struct pages *pages, const struct row *rows,
                       int is_csv)
{
    struct text out = {0};
    int64_t i, at, now = now_us(h->tw);
    struct jw w;

    if (is_csv)
        text_adds(&out, h->range.interval_us ? "timestamp,value,min,max,count\r\n"
                                             : "timestamp,value\r\n");
    for (i = 0; i < pages->per_page && (pages->page - 1) * pages->per_page + i < pages->total;
         i++) {
        at = (pages->page - 1) * pages->per_page + i;
        if (is_csv) {
            write_csv(&out, &rows[at], &h->range);
            continue;
        }
        jw_init(&w, &out);
        write_row(&w, &rows[at], &h->range, now);
        text_adds(&out, "\n");
    }
    if (!out.failed)
        h->tw->kit.http->respond(h->req, 200, is_csv ? "text/csv" : "application/x-ndjson",
                                 text_get(&out), out.len_bytes);
    text_fini(&out);
}

static void send_history(struct history *h, int64_t n, const struct row *rows)
{
    const char *order = h->tw->kit.http->query(h->req, "order");
    const char *format = h->tw->kit.http->query(h->req, "format");
    int is_down = order && !strcmp(order, "desc");
    int64_t now = now_us(h->tw), i;
    struct pages pages;
    struct text body;
    struct jw w;

    pages_read(h->tw, h->req, &pages, 100);
    pages.total = n;
    if (format && strcmp(format, "json") != 0) {
        send_plain(h, &pages, rows, !strcmp(format, "csv"));
        return;
    }
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (i = (pages.page - 1) * pages.per_page; i < n && pages_has(&pages, i); i++)
        write_row(&w, &rows[is_down ? n - 1 - i : i], &h->range, now);
    jw_end_arr(&w);
    write_meta(h, &w, &pages);
    links_write(h->tw, h->req, &pages, &w);
    data_send(h->tw, h->req, 200, &w);
}

static void on_history(void *user, int64_t n, struct row *rows)
{
    struct history *h = user;
    enum fill fill = fill_of(h->tw->kit.http->query(h->req, "fill"));

    if (n >= 0 && fill != FILL_NONE && h->range.interval_us)
        rows = fill_rows(&h->range, fill, rows, &n);
    if (n < 0)
        refuse(h->tw, h->req, 503, "UNAVAILABLE", NULL, "The history could not be read");
    else
        send_history(h, n, rows);
    free(rows);
    history_free(h);
}

int32_t op_history(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_http_service *http = tw->kit.http;
    const char *interval = http->query(req, "interval"), *wrong;
    const char *sensor_id = http->path_param(req, "sensor_id");
    struct history *h;
    struct sensor *s;
    struct range range;
    struct twin *t;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)))
        return st;
    if (!(s = sensor_find(t, sensor_id)))
        return refuse(tw, req, 404, "SENSOR_NOT_FOUND", NULL, "Twin %.128s has no sensor %.64s",
                      t->id, sensor_id ? sensor_id : "");
    wrong = range_read(tw, http->query(req, "start_date"), http->query(req, "end_date"), interval,
                       &range);
    if (wrong)
        return bad_parameter(tw, req, wrong);
    if ((wrong = range_fix(&range)) != NULL)
        return refuse_range(tw, req, wrong);
    if (!(h = calloc(1, sizeof *h)))
        return LATHE_E_NOMEM;
    h->tw = tw;
    h->req = http->acquire(req);
    h->range = range;
    snprintf(h->unit, sizeof h->unit, "%s", s->unit);
    snprintf(h->interval, sizeof h->interval, "%s", interval ? interval : "");
    if ((st = tele_read(tw, s->uid, &range, on_history, h)) != LATHE_OK)
        history_free(h);
    return st;
}

/* ---- several series ---- */

struct query {
    struct tw *tw;
    struct lathe_request *req;
    struct range range;
    enum fill fill;
    uint32_t n, next;
    int64_t n_points;
    int is_over;
    struct asked {
        char twin_id[132], sensor_id[132], unit[40];
        int64_t uid; /* 0: not found */
        const char *code;
    } list[SERIES_MAX];
    char fields[8][8];
    uint32_t n_fields;
    struct text body;
    struct jw w;
};

static void query_free(struct query *q)
{
    q->tw->kit.http->release(q->req);
    text_fini(&q->body);
    free(q);
}

static void add_asked(struct query *q, const struct twin *t, const struct sensor *s)
{
    struct asked *a;

    if (q->n == SERIES_MAX) {
        q->is_over = 1;
        return;
    }
    a = &q->list[q->n++];
    snprintf(a->twin_id, sizeof a->twin_id, "%s", t->id);
    snprintf(a->sensor_id, sizeof a->sensor_id, "%s", s->id);
    snprintf(a->unit, sizeof a->unit, "%s", s->unit);
    a->uid = s->uid;
}

/* One entry of the request: one series, or all that a trailing star matches. */
static void resolve(struct query *q, const struct lathe_json *entry)
{
    const struct lathe_json_service *j = q->tw->kit.json;
    const char *twin_id = j->get_string(entry, "twin_id", "");
    const char *sensor_id = j->get_string(entry, "sensor_id", "");
    size_t len = strlen(sensor_id);
    struct twin *t = twin_find(q->tw, twin_id);
    struct sensor *s = t ? sensor_find(t, sensor_id) : NULL;
    uint32_t i, before = q->n;

    if (s)
        add_asked(q, t, s);
    else if (t && len && sensor_id[len - 1] == '*')
        for (i = 0; i < t->n_sensors; i++)
            if (!strncmp(t->sensors[i].id, sensor_id, len - 1))
                add_asked(q, t, &t->sensors[i]);
    if (q->n != before || q->n == SERIES_MAX)
        return;
    snprintf(q->list[q->n].twin_id, sizeof q->list[q->n].twin_id, "%.130s", twin_id);
    snprintf(q->list[q->n].sensor_id, sizeof q->list[q->n].sensor_id, "%.130s", sensor_id);
    q->list[q->n++].code = t ? "SENSOR_NOT_FOUND" : "TWIN_NOT_FOUND";
}

static double field_of(const struct row *p, const char *name)
{
    static const char *const names[] = {"avg", "min", "max", "sum", "count", "first", "last"};
    const double values[] = {p->value, p->min, p->max, p->sum, (double)p->count, p->first, p->last};
    size_t i;

    for (i = 0; i < 7; i++)
        if (!strcmp(names[i], name))
            return values[i];
    return p->value;
}

static void open_series(struct query *q, const struct asked *a)
{
    uint32_t i;

    jw_obj(&q->w, NULL);
    jw_str(&q->w, "twin_id", a->twin_id);
    jw_str(&q->w, "sensor_id", a->sensor_id);
    if (a->code) {
        jw_obj(&q->w, "error");
        jw_str(&q->w, "code", a->code);
        jw_str(&q->w, "message", "there is no such series");
        jw_end_obj(&q->w);
        return;
    }
    jw_str(&q->w, "unit", a->unit);
    jw_arr(&q->w, "columns");
    jw_str(&q->w, NULL, "timestamp");
    for (i = 0; i < q->n_fields; i++)
        jw_str(&q->w, NULL, q->fields[i]);
    jw_end_arr(&q->w);
}

static void step(struct query *q);

static void on_series(void *user, int64_t n, struct row *rows)
{
    struct query *q = user;
    char text[40];
    uint32_t k;
    int64_t i;

    if (n >= 0 && q->fill != FILL_NONE && q->range.interval_us)
        rows = fill_rows(&q->range, q->fill, rows, &n);
    if (n < 0 || (q->n_points += n) > ANSWER_MAX) {
        free(rows);
        if (n < 0)
            refuse(q->tw, q->req, 503, "UNAVAILABLE", NULL, "The history could not be read");
        else
            refuse(q->tw, q->req, 400, "RANGE_TOO_LARGE", NULL, "More than %d points", ANSWER_MAX);
        query_free(q);
        return;
    }
    open_series(q, &q->list[q->next]);
    jw_arr(&q->w, "rows");
    for (i = 0; i < n; i++) {
        time_text(text, rows[i].ts_us);
        jw_arr(&q->w, NULL);
        jw_str(&q->w, NULL, text);
        for (k = 0; k < q->n_fields; k++)
            number_or_null(&q->w, NULL,
                           rows[i].is_gap || (rows[i].is_empty && strcmp(q->fields[k], "avg") != 0),
                           field_of(&rows[i], q->fields[k]));
        jw_end_arr(&q->w);
    }
    jw_end_arr(&q->w);
    jw_end_obj(&q->w);
    free(rows);
    q->next++;
    step(q);
}

/* Reads the next series, or answers. */
static void step(struct query *q)
{
    for (; q->next < q->n; q->next++) {
        if (!q->list[q->next].code) {
            if (tele_read(q->tw, q->list[q->next].uid, &q->range, on_series, q) == LATHE_OK)
                return;
            q->list[q->next].code = "UNAVAILABLE";
        }
        open_series(q, &q->list[q->next]);
        jw_end_obj(&q->w);
    }
    jw_end_arr(&q->w);
    data_send(q->tw, q->req, 200, &q->w);
    query_free(q);
}

static void read_fields(struct query *q, const struct lathe_json *list)
{
    const struct lathe_json_service *j = q->tw->kit.json;
    uint32_t i, n = j->count(list);

    for (i = 0; i < n && i < 8; i++)
        snprintf(q->fields[q->n_fields++], 8, "%.7s", j->as_string(j->at(list, i), "", NULL));
    if (n == 0)
        snprintf(q->fields[q->n_fields++], 8, "%s", q->range.interval_us ? "avg" : "value");
}

int32_t op_query(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req), *list = j->get(body, "series");
    struct query *q;
    struct range range;
    const char *wrong = range_read(tw, j->get_string(body, "start_date", NULL),
                                   j->get_string(body, "end_date", NULL),
                                   j->get_string(body, "interval", NULL), &range);
    char path[40];
    uint32_t i;

    if (wrong) {
        snprintf(path, sizeof path, "/%s", wrong);
        return refuse_field(tw, req, "VALIDATION_ERROR", path, "FORMAT", "is no RFC 3339 time");
    }
    if ((wrong = range_fix(&range)) != NULL)
        return refuse_range(tw, req, wrong);
    if (!(q = calloc(1, sizeof *q)))
        return LATHE_E_NOMEM;
    q->tw = tw;
    q->range = range;
    q->fill = fill_of(j->get_string(body, "fill", "none"));
    read_fields(q, j->get(body, "fields"));
    for (i = 0; i < j->count(list); i++)
        resolve(q, j->at(list, i));
    if (q->is_over) {
        free(q);
        return refuse_field(tw, req, "VALIDATION_ERROR", "/series", "LENGTH",
                            "names more than 100 series");
    }
    q->req = tw->kit.http->acquire(req);
    data_open(&q->w, &q->body);
    jw_arr(&q->w, "data");
    step(q);
    return LATHE_OK;
}
