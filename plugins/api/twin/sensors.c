/* Sensors: list, create, read, change, delete. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/define.h"

static const char *const definition[] = {"name",        "unit",     "description", "min_value",
                                         "max_value",   "warn_low", "warn_high",   "hysteresis",
                                         "stale_after", NULL};

static struct bound bound_of(const struct lathe_json_service *j, const struct lathe_json *o,
                             const char *name)
{
    uint32_t type = j->type(j->get(o, name));
    struct bound b = {type == LATHE_JSON_INT || type == LATHE_JSON_FLOAT, j->get_float(o, name, 0)};

    return b;
}

/* Rules that a schema cannot say: 1, or 0 when the request was answered. */
static int check(struct tw *tw, struct lathe_request *req, const struct lathe_json *s, int32_t *st)
{
    static const char *const warns[][2] = {{"warn_low", "/warn_low"}, {"warn_high", "/warn_high"}};
    const struct lathe_json_service *j = tw->kit.json;
    struct bound min = bound_of(j, s, "min_value"), max = bound_of(j, s, "max_value"), b;
    struct bound low = bound_of(j, s, "warn_low"), high = bound_of(j, s, "warn_high");
    size_t i;

    if (min.is_set && max.is_set && min.value >= max.value) {
        *st = refuse_field(tw, req, "VALIDATION_ERROR", "/min_value", "RANGE",
                           "must be less than max_value");
        return 0;
    }
    for (i = 0; i < 2; i++) {
        b = bound_of(j, s, warns[i][0]);
        if (b.is_set &&
            ((min.is_set && b.value < min.value) || (max.is_set && b.value > max.value))) {
            *st = refuse_field(tw, req, "VALIDATION_ERROR", warns[i][1], "RANGE",
                               "must lie inside min_value and max_value");
            return 0;
        }
    }
    if (low.is_set && high.is_set && low.value >= high.value) {
        *st = refuse_field(tw, req, "VALIDATION_ERROR", "/warn_low", "RANGE",
                           "must be less than warn_high");
        return 0;
    }
    return 1;
}

static int has_id(const struct lathe_json_service *j, const struct lathe_json *list, const char *id)
{
    uint32_t i;

    for (i = 0; i < j->count(list); i++)
        if (!strcmp(j->get_string(j->at(list, i), "id", ""), id))
            return 1;
    return 0;
}

int sensor_make(struct tw *tw, struct lathe_request *req, struct lathe_json *doc,
                const struct lathe_json *body, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    struct lathe_json *list = j->get(doc, "sensors"), *s;
    const char *id = j->get_string(body, "id", "");

    if (has_id(j, list, id))
        *st = refuse(tw, req, 409, "SENSOR_EXISTS", NULL, "There is a sensor %.128s already", id);
    else if (j->count(list) >= tw->set.max_sensors)
        *st = refuse(tw, req, 409, "LIMIT_EXCEEDED", NULL, "The twin has %u sensors already",
                     j->count(list));
    else if (!check(tw, req, body, st))
        return 0;
    else {
        s = j->object(j);
        j->set_string(s, "id", id);
        j->set_int(s, "uid", next_uid(tw));
        copy_members(j, s, body, definition);
        *st = j->append(list, s);
        return *st == LATHE_OK;
    }
    return 0;
}

static int32_t keep_value(struct tw *tw, struct sensor *s, const struct point *p,
                          const struct lathe_store_call *call)
{
    int32_t st = tele_ingest(tw, p, 1, call);

    if (st == LATHE_OK)
        tele_apply(tw, p, now_us(tw));
    (void)s;
    return st;
}

/* The sample that a body's current_value stands for; 0 when there is none. */
static int sample_of(struct tw *tw, struct sensor *s, const struct lathe_json *body,
                     struct point *p)
{
    static const char *const names[] = {"good", "uncertain", "bad"};
    const struct lathe_json_service *j = tw->kit.json;
    const char *quality = j->get_string(body, "quality", "good");
    struct bound b = bound_of(j, body, "current_value");

    memset(p, 0, sizeof *p);
    p->sensor = s;
    p->value = b.value;
    while (p->quality < QUALITY_BAD && strcmp(names[p->quality], quality) != 0)
        p->quality++;
    p->ts_us = now_us(tw);
    if (s->has_point && p->ts_us <= s->ts_us)
        p->ts_us = s->ts_us + 1;
    return b.is_set;
}

void initial_values(struct tw *tw, struct twin *t, const struct lathe_json *body)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *list = j->get(body, "sensors");
    struct sensor *s;
    struct point p;
    uint32_t i;

    for (i = 0; i < j->count(list); i++)
        if ((s = sensor_find(t, j->get_string(j->at(list, i), "id", ""))) != NULL &&
            sample_of(tw, s, j->at(list, i), &p))
            keep_value(tw, s, &p, NULL);
}

static int32_t save_sensor(struct tw *tw, struct lathe_request *req, struct sensor *s,
                           int32_t http_status)
{
    struct change change = {.req = req, .http_status = http_status, .event = "updated"};
    struct twin *t = s->twin;
    struct jw w;

    data_open(&w, &change.body);
    sensor_write(tw, &w, "data", t, (uint32_t)(s - t->sensors));
    jw_end_obj(&w);
    return twin_save(tw, t, &change);
}

int32_t op_create_sensor(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    struct lathe_json *doc;
    struct sensor *s;
    struct twin *t;
    struct point p;
    char location[300];
    int32_t st = LATHE_OK;

    if (!(t = need_change(tw, req, &st)))
        return st;
    doc = j->copy(t->doc);
    if (!sensor_make(tw, req, doc, body, &st)) {
        j->release(doc);
        return st;
    }
    touch(tw, doc);
    if (!twin_install(tw, t, doc))
        return LATHE_E_NOMEM;
    s = sensor_find(t, j->get_string(body, "id", ""));
    if (s && sample_of(tw, s, body, &p))
        st = keep_value(tw, s, &p, NULL);
    if (!s || st != LATHE_OK)
        return st == LATHE_OK ? LATHE_E_NOMEM : st;
    snprintf(location, sizeof location, "%.160s/%s", tw->kit.http->path(req), s->id);
    tw->kit.http->add_header(req, "Location", location);
    return save_sensor(tw, req, s, 201);
}

/* The sensor of the path in t, or NULL when the request was answered. */
static struct sensor *need_sensor(struct tw *tw, struct lathe_request *req, struct twin *t,
                                  int32_t *st)
{
    const char *id = tw->kit.http->path_param(req, "sensor_id");
    struct sensor *s = t ? sensor_find(t, id) : NULL;

    if (t && !s)
        *st = refuse(tw, req, 404, "SENSOR_NOT_FOUND", NULL, "Twin %.128s has no sensor %.64s",
                     t->id, id ? id : "");
    return s;
}

int32_t op_get_sensor(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct text body;
    struct sensor *s;
    struct twin *t;
    struct jw w;
    int32_t st = LATHE_OK;

    t = need_twin(tw, req, &st);
    if (!(s = need_sensor(tw, req, t, &st)))
        return st;
    etag_add(tw, req, t);
    data_open(&w, &body);
    sensor_write(tw, &w, "data", t, (uint32_t)(s - t->sensors));
    return data_send(tw, req, 200, &w);
}

int32_t op_list_sensors(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct pages pages;
    struct text body;
    struct twin *t;
    struct jw w;
    uint32_t i;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)))
        return st;
    pages_read(tw, req, &pages, 20);
    pages.total = t->n_sensors;
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (i = 0; i < t->n_sensors; i++)
        if (pages_has(&pages, i))
            sensor_write(tw, &w, NULL, t, i);
    jw_end_arr(&w);
    jw_obj(&w, "meta");
    pages_write(&pages, &w, "pagination");
    jw_end_obj(&w);
    links_write(tw, req, &pages, &w);
    return data_send(tw, req, 200, &w);
}

/* ---- PATCH ---- */

static int changes_definition(const struct lathe_json_service *j, const struct lathe_json *body)
{
    const char *const *name = definition;

    while (*name && !j->get(body, *name))
        name++;
    return *name != NULL;
}

struct value_sent {
    struct tw *tw;
    struct lathe_request *req;
    struct text body;
};

static void value_done(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct value_sent *v = user;

    (void)result;
    if (status == LATHE_OK)
        answer(v->tw, v->req, 200, &v->body);
    else if (status == LATHE_E_LIMIT)
        refuse(v->tw, v->req, 507, "STORAGE_FULL", NULL, "The storage is full");
    else
        refuse(v->tw, v->req, 503, "INGEST_OVERLOADED", NULL, "The value was not stored");
}

static void value_drop(void *user)
{
    struct value_sent *v = user;

    v->tw->kit.http->release(v->req);
    text_fini(&v->body);
    free(v);
}

/* A new value alone: nothing of the definition moves. */
static int32_t send_value(struct tw *tw, struct lathe_request *req, struct sensor *s,
                          const struct point *p)
{
    struct value_sent *v = calloc(1, sizeof *v);
    const struct lathe_store_call call = {sizeof call, 0, value_done, value_drop, v};
    struct twin *t = s->twin;
    struct jw w;
    int32_t st;

    if (!v)
        return LATHE_E_NOMEM;
    v->tw = tw;
    v->req = tw->kit.http->acquire(req);
    if ((st = tele_ingest(tw, p, 1, &call)) != LATHE_OK)
        return st;
    tele_apply(tw, p, now_us(tw));
    etag_add(tw, req, t);
    data_open(&w, &v->body);
    sensor_write(tw, &w, "data", t, (uint32_t)(s - t->sensors));
    jw_end_obj(&w);
    return LATHE_OK;
}

/* The new definition in *doc; 0 when the request was answered. */
static int patch_definition(struct tw *tw, struct lathe_request *req, struct sensor *s,
                            struct lathe_json **doc, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    const char *unit = j->get_string(body, "unit", s->unit);
    const char *how = j->get_string(body, "unit_change", "");
    struct lathe_json *one;

    if (strcmp(unit, s->unit) != 0 && s->has_point && !how[0]) {
        *st = refuse(tw, req, 409, "UNIT_CHANGE_AMBIGUOUS", NULL,
                     "The sensor has history in %.32s: say unit_change relabel or new_series",
                     s->unit);
        return 0;
    }
    *doc = j->copy(s->twin->doc);
    one = j->at(j->get(*doc, "sensors"), (uint32_t)(s - s->twin->sensors));
    copy_members(j, one, body, definition);
    if (!strcmp(how, "new_series"))
        j->set_int(one, "uid", next_uid(tw));
    touch(tw, *doc);
    if (check(tw, req, one, st))
        return 1;
    j->release(*doc);
    return 0;
}

/* The time of a sample that the client gave; 0 when the request was answered. */
static int given_time(struct tw *tw, struct lathe_request *req, const struct lathe_json *body,
                      struct point *p, int32_t *st)
{
    const char *text = tw->kit.json->get_string(body, "timestamp", NULL);

    if (!text)
        return 1;
    if (!time_parse(text, &p->ts_us) || p->ts_us <= 0)
        *st = refuse_field(tw, req, "VALIDATION_ERROR", "/timestamp", "TIMESTAMP_INVALID",
                           "is no RFC 3339 time");
    else if (p->ts_us > now_us(tw) + tw->set.max_future_us)
        *st = refuse_field(tw, req, "VALIDATION_ERROR", "/timestamp", "TIMESTAMP_IN_FUTURE",
                           "lies in the future");
    else
        return 1;
    return 0;
}

int32_t op_patch_sensor(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    int is_definition = changes_definition(j, body), has_value;
    struct lathe_json *doc = NULL;
    struct sensor *s;
    struct twin *t;
    struct point p;
    char id[132];
    int32_t st = LATHE_OK;

    t = need_change(tw, req, &st);
    if (!(s = need_sensor(tw, req, t, &st)))
        return st;
    if ((is_definition || !j->get(body, "current_value")) &&
        !has_scope(tw, req, "twins:write", &st))
        return st;
    if (j->get(body, "current_value") && !has_scope(tw, req, "twins:ingest", &st))
        return st;
    has_value = sample_of(tw, s, body, &p);
    if (has_value && !given_time(tw, req, body, &p, &st))
        return st;
    if (!is_definition)
        return has_value ? send_value(tw, req, s, &p) : op_get_sensor(self, req);
    if (!patch_definition(tw, req, s, &doc, &st))
        return st;
    snprintf(id, sizeof id, "%s", s->id);
    if (!twin_install(tw, t, doc) || !(s = sensor_find(t, id)))
        return LATHE_E_NOMEM;
    p.sensor = s;
    if (has_value && (st = keep_value(tw, s, &p, NULL)) != LATHE_OK)
        return st;
    return save_sensor(tw, req, s, 200);
}

/* ---- DELETE ---- */

static void remove_rules(const struct lathe_json_service *j, struct lathe_json *doc,
                         const char *sensor_id)
{
    struct lathe_json *kept = j->array(j), *list = j->get(doc, "rules");
    uint32_t i;

    for (i = 0; i < j->count(list); i++)
        if (strcmp(j->get_string(j->at(list, i), "sensor_id", ""), sensor_id) != 0)
            j->append(kept, j->copy(j->at(list, i)));
    j->set(doc, "rules", kept);
}

/* A new array without element index. */
static void remove_at(const struct lathe_json_service *j, struct lathe_json *doc, const char *name,
                      uint32_t index)
{
    struct lathe_json *kept = j->array(j), *list = j->get(doc, name);
    uint32_t i;

    for (i = 0; i < j->count(list); i++)
        if (i != index)
            j->append(kept, j->copy(j->at(list, i)));
    j->set(doc, name, kept);
}

int32_t op_delete_sensor(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    struct change change = {.req = req, .http_status = 204, .event = "updated"};
    struct lathe_json *doc;
    struct sensor *s;
    struct twin *t;
    char id[132];
    int64_t uid;
    int32_t st = LATHE_OK;

    t = need_change(tw, req, &st);
    if (!(s = need_sensor(tw, req, t, &st)))
        return st;
    snprintf(id, sizeof id, "%s", s->id);
    uid = s->uid;
    doc = j->copy(t->doc);
    remove_at(j, doc, "sensors", (uint32_t)(s - t->sensors));
    remove_rules(j, doc, id);
    touch(tw, doc);
    alerts_drop_twin(tw, t->id, id);
    if (!twin_install(tw, t, doc))
        return LATHE_E_NOMEM;
    tele_forget(tw, uid);
    return twin_save(tw, t, &change);
}
