/* Rules and alerts over HTTP, and alerts in the store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/define.h"

#define COLLECTION "alerts"

static const char *const rule_members[] = {
    "sensor_id", "kind",      "op",    "value", "clear_value", "low",     "high",    "hysteresis",
    "for",       "clear_for", "after", "n",     "severity",    "message", "enabled", NULL};

/* ---- alerts in the store ---- */

/* twin_id comes first: event streams look for it there. */
static void alert_members(struct jw *w, const struct alert *a)
{
    char id[32];

    snprintf(id, sizeof id, "alert-%llu", (unsigned long long)a->n);
    jw_str(w, "twin_id", a->twin_id);
    jw_str(w, "id", id);
    jw_str(w, "severity", a->severity);
    jw_str(w, "message", a->message);
    jw_us(w, "created_at", a->created_us);
    if (a->rule_id[0])
        jw_str(w, "rule_id", a->rule_id);
    else
        jw_null(w, "rule_id");
    if (a->sensor_id[0])
        jw_str(w, "sensor_id", a->sensor_id);
    else
        jw_null(w, "sensor_id");
    jw_str(w, "state", a->is_active ? "active" : "cleared");
    if (a->has_value) {
        jw_num(w, "value", a->value);
        jw_num(w, "peak", a->peak);
    } else {
        jw_null(w, "value");
        jw_null(w, "peak");
    }
    jw_uint(w, "count", a->count);
}

void alert_write(struct jw *w, const struct alert *a)
{
    jw_obj(w, NULL);
    alert_members(w, a);
    jw_bool(w, "acknowledged", a->is_acknowledged);
    jw_us(w, "acknowledged_at", a->acknowledged_us);
    if (a->by[0])
        jw_str(w, "acknowledged_by", a->by);
    else
        jw_null(w, "acknowledged_by");
    jw_us(w, "cleared_at", a->cleared_us);
    if (a->reason[0])
        jw_str(w, "clear_reason", a->reason);
    else
        jw_null(w, "clear_reason");
    jw_us(w, "expires_at", a->expires_us);
    jw_end_obj(w);
}

int32_t alert_save(struct tw *tw, const struct alert *a, const struct lathe_store_call *call)
{
    struct text doc = {0};
    struct jw w;
    char id[32];
    int32_t st = LATHE_E_NOMEM;

    snprintf(id, sizeof id, "alert-%llu", (unsigned long long)a->n);
    jw_init(&w, &doc);
    jw_obj(&w, NULL);
    alert_members(&w, a);
    jw_uint(&w, "n", a->n);
    jw_bool(&w, "acknowledged", a->is_acknowledged);
    jw_int(&w, "acknowledged_us", a->acknowledged_us);
    jw_str(&w, "acknowledged_by", a->by);
    jw_int(&w, "created_us", a->created_us);
    jw_int(&w, "cleared_us", a->cleared_us);
    jw_str(&w, "clear_reason", a->reason);
    jw_int(&w, "expires_us", a->expires_us);
    jw_end_obj(&w);
    if (!doc.failed)
        st = tw->kit.store->put(tw->kit.store, COLLECTION, id, LATHE_REV_ANY, doc.data, call);
    else if (call && call->drop)
        call->drop(call->user);
    text_fini(&doc);
    return st;
}

static void load(struct tw *tw, const struct lathe_storage_doc *doc)
{
    const struct lathe_json_service *j = tw->kit.json;
    struct lathe_json *o = api_parse(&tw->kit, doc->json);
    struct alert *a = calloc(1, sizeof *a);

    if (!a || !o) {
        free(a);
        j->release(o);
        return;
    }
    a->n = (uint64_t)j->get_int(o, "n", 0);
    snprintf(a->twin_id, sizeof a->twin_id, "%s", j->get_string(o, "twin_id", ""));
    snprintf(a->rule_id, sizeof a->rule_id, "%s", j->get_string(o, "rule_id", ""));
    snprintf(a->sensor_id, sizeof a->sensor_id, "%s", j->get_string(o, "sensor_id", ""));
    snprintf(a->severity, sizeof a->severity, "%s", j->get_string(o, "severity", ""));
    snprintf(a->message, sizeof a->message, "%s", j->get_string(o, "message", ""));
    snprintf(a->reason, sizeof a->reason, "%s", j->get_string(o, "clear_reason", ""));
    snprintf(a->by, sizeof a->by, "%s", j->get_string(o, "acknowledged_by", ""));
    a->is_active = !strcmp(j->get_string(o, "state", ""), "active");
    a->is_acknowledged = j->get_bool(o, "acknowledged", 0);
    a->has_value = j->type(j->get(o, "value")) != LATHE_JSON_NULL;
    a->value = j->get_float(o, "value", 0);
    a->peak = j->get_float(o, "peak", 0);
    a->count = (uint64_t)j->get_int(o, "count", 1);
    a->created_us = j->get_int(o, "created_us", 0);
    a->cleared_us = j->get_int(o, "cleared_us", 0);
    a->acknowledged_us = j->get_int(o, "acknowledged_us", 0);
    a->expires_us = j->get_int(o, "expires_us", 0);
    j->release(o);
    a->next = tw->alerts; /* the scan goes from old to new */
    tw->alerts = a;
    if (a->n > tw->last_alert)
        tw->last_alert = a->n;
}

static void on_scan(void *user, int32_t status, const struct lathe_store_result *result);

static int32_t scan_from(struct tw *tw, const char *cursor)
{
    const struct lathe_storage_query query = {.struct_size = sizeof query,
                                              .collection = COLLECTION,
                                              .index = "n",
                                              .cursor = cursor,
                                              .limit = 5000};
    const struct lathe_store_call call = {sizeof call, 0, on_scan, NULL, tw};

    return tw->kit.store->scan(tw->kit.store, &query, &call);
}

static void on_scan(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct tw *tw = user;
    uint32_t i;

    for (i = 0; status == LATHE_OK && i < result->n_docs; i++)
        load(tw, result->docs[i]);
    if (status == LATHE_OK && result->cursor && result->cursor[0] &&
        scan_from(tw, result->cursor) == LATHE_OK)
        return;
    tw->loading--;
}

static void on_last_command(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct tw *tw = user;
    struct lathe_json *c;

    if (status == LATHE_OK && result->n_docs) {
        c = api_parse(&tw->kit, result->docs[0]->json);
        tw->last_command = (uint64_t)tw->kit.json->get_int(c, "n", 0);
        tw->kit.json->release(c);
    }
    tw->loading--;
}

int32_t alerts_open(struct tw *tw, struct lathe_error *err)
{
    static const struct lathe_storage_index by_n = {sizeof by_n, LATHE_INDEX_NUMBER, "n"};
    static const struct lathe_storage_index by_actuator = {sizeof by_actuator, LATHE_INDEX_NUMBER,
                                                           "actuator"};
    static const struct lathe_storage_index *const alert_indexes[] = {&by_n, NULL};
    static const struct lathe_storage_index *const command_indexes[] = {&by_n, &by_actuator, NULL};
    const struct lathe_storage_collection alerts = {sizeof alerts, 0, COLLECTION, alert_indexes};
    const struct lathe_storage_collection commands = {sizeof commands, 0, "commands",
                                                      command_indexes};
    const struct lathe_storage_query last = {.struct_size = sizeof last,
                                             .flags = LATHE_SCAN_DESC,
                                             .collection = "commands",
                                             .index = "n",
                                             .limit = 1};
    const struct lathe_store_call call = {sizeof call, 0, on_last_command, NULL, tw};
    const struct lathe_store_service *store = tw->kit.store;
    int32_t st;

    if ((st = store->declare(store, &alerts, NULL)) != LATHE_OK ||
        (st = store->declare(store, &commands, NULL)) != LATHE_OK ||
        (st = scan_from(tw, NULL)) != LATHE_OK)
        return api_fail(err, st, "", "reading the stored alerts failed");
    tw->loading++;
    if ((st = store->scan(store, &last, &call)) != LATHE_OK)
        return api_fail(err, st, "", "reading the stored commands failed");
    tw->loading++;
    return LATHE_OK;
}

void alerts_close(struct tw *tw)
{
    struct alert *a;

    while ((a = tw->alerts) != NULL) {
        tw->alerts = a->next;
        free(a);
    }
}

void alerts_drop_twin(struct tw *tw, const char *twin_id, const char *sensor_id)
{
    struct alert **at = &tw->alerts, *a;
    char id[32];

    while ((a = *at) != NULL) {
        if (strcmp(a->twin_id, twin_id) != 0) {
            at = &a->next;
            continue;
        }
        if (sensor_id) {
            if (!strcmp(a->sensor_id, sensor_id))
                alert_clear(tw, a, "sensor_removed");
            at = &a->next;
            continue;
        }
        snprintf(id, sizeof id, "alert-%llu", (unsigned long long)a->n);
        tw->kit.store->remove(tw->kit.store, COLLECTION, id, LATHE_REV_ANY, NULL);
        *at = a->next;
        free(a);
    }
}

/* ---- alerts over HTTP ---- */

int32_t op_list_alerts(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_http_service *http = tw->kit.http;
    const char *twin_id = http->path_param(req, "twin_id"), *state = http->query(req, "state");
    const char *severity = http->query(req, "severity");
    const struct alert *a;
    struct pages pages;
    struct text body;
    struct jw w;
    int32_t st;

    if (twin_id && !need_twin(tw, req, &st))
        return st;
    pages_read(tw, req, &pages, 20);
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (a = tw->alerts; a; a = a->next) {
        if ((twin_id && strcmp(a->twin_id, twin_id) != 0) ||
            (state && strcmp(state, a->is_active ? "active" : "cleared") != 0) ||
            (severity && !list_has(severity, a->severity)))
            continue;
        if (pages_has(&pages, pages.total++))
            alert_write(&w, a);
    }
    jw_end_arr(&w);
    jw_obj(&w, "meta");
    pages_write(&pages, &w, "pagination");
    jw_end_obj(&w);
    links_write(tw, req, &pages, &w);
    return data_send(tw, req, 200, &w);
}

static void on_alert_saved(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct api_park *park = user;
    struct tw *tw = park->self;
    const struct alert *a = tw->alerts;
    struct text body = {0};
    struct jw w;

    (void)result;
    while (a && a->n != (uint64_t)park->number)
        a = a->next;
    if (status != LATHE_OK || !a) {
        refuse(tw, park->req, status == LATHE_E_LIMIT ? 507 : 503,
               status == LATHE_E_LIMIT ? "STORAGE_FULL" : "UNAVAILABLE", NULL,
               "The alert was not stored");
        return;
    }
    jw_init(&w, &body);
    text_adds(&body, "{\"data\":");
    alert_write(&w, a);
    text_adds(&body, "}");
    answer(tw, park->req, park->flag, &body);
}

/* Stores a, then answers with it. */
static int32_t send_alert(struct tw *tw, struct lathe_request *req, const struct alert *a,
                          int32_t http_status)
{
    struct lathe_store_call call = {sizeof call, 0, on_alert_saved, api_park_drop, NULL};
    struct api_park *park = api_park_new(&tw->kit, tw, req, NULL);

    if (!park)
        return LATHE_E_NOMEM;
    park->number = (int64_t)a->n;
    park->flag = http_status;
    call.user = park;
    return alert_save(tw, a, &call);
}

int32_t op_create_alert(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    const char *expires = j->get_string(body, "expires_at", NULL);
    int64_t expires_us = 0;
    struct alert *a;
    struct twin *t;
    int32_t st;

    if (!(t = need_change(tw, req, &st)))
        return st;
    if (expires && (!time_parse(expires, &expires_us) || expires_us <= now_us(tw)))
        return refuse_field(tw, req, "VALIDATION_ERROR", "/expires_at", "TIMESTAMP_INVALID",
                            "is no RFC 3339 time in the future");
    a = alert_new(tw, t, j->get_string(body, "severity", "info"),
                  j->get_string(body, "message", ""));
    if (!a)
        return LATHE_E_NOMEM;
    a->expires_us = expires_us;
    return send_alert(tw, req, a, 201);
}

static struct alert *need_alert(struct tw *tw, struct lathe_request *req, int32_t *st)
{
    const char *id = tw->kit.http->path_param(req, "alert_id");
    struct twin *t = need_twin(tw, req, st);
    struct alert *a = tw->alerts;
    char name[32];

    for (; t && a; a = a->next) {
        snprintf(name, sizeof name, "alert-%llu", (unsigned long long)a->n);
        if (!strcmp(a->twin_id, t->id) && !strcmp(name, id ? id : ""))
            return a;
    }
    if (t)
        *st = refuse(tw, req, 404, "ALERT_NOT_FOUND", NULL, "Twin %.128s has no such alert", t->id);
    return NULL;
}

int32_t op_acknowledge(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct alert *a;
    int32_t st;

    if (!(a = need_alert(tw, req, &st)))
        return st;
    if (!a->is_acknowledged) {
        a->is_acknowledged = 1;
        a->acknowledged_us = now_us(tw);
        snprintf(a->by, sizeof a->by, "%.70s", tw->kit.http->identity(req)->subject);
    }
    return send_alert(tw, req, a, 200);
}

int32_t op_clear(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct alert *a;
    int32_t st;

    if (!(a = need_alert(tw, req, &st)))
        return st;
    alert_clear(tw, a, "manual");
    return send_alert(tw, req, a, 200);
}

/* ---- rules over HTTP ---- */

static void rule_write(struct tw *tw, struct jw *w, const char *name, struct twin *t,
                       const struct lathe_json *doc)
{
    static const char *const states[] = {"normal", "pending", "active", "clearing"};
    const struct lathe_json_service *j = tw->kit.json;
    const char *id = j->get_string(doc, "id", "");
    const char *const *member;
    const struct rule *r = NULL;
    char *text;
    uint32_t i;

    for (i = 0; i < t->n_rules; i++)
        if (!strcmp(t->rules[i].id, id))
            r = &t->rules[i];
    jw_obj(w, name);
    jw_str(w, "id", id);
    for (member = rule_members; *member; member++)
        if (j->get(doc, *member)) {
            text = j->dup_text(j->get(doc, *member), 0, NULL);
            jw_raw(w, *member, text);
            j->free_text(text);
        }
    jw_str(w, "state", states[r ? r->state : RULE_NORMAL]);
    jw_uint(w, "late_ignored", r ? r->late_ignored : 0);
    jw_end_obj(w);
}

/* NULL, or what is wrong with a rule. */
static const char *rule_fault(const struct lathe_json_service *j, const struct lathe_json *r)
{
    const char *kind = j->get_string(r, "kind", ""), *op = j->get_string(r, "op", "gt");
    double value = j->get_float(r, "value", 0), clear = j->get_float(r, "clear_value", value);
    double low = j->get_float(r, "low", 0), high = j->get_float(r, "high", 0);
    int needs_sensor = strcmp(kind, "sync") != 0 && strcmp(kind, "actuator") != 0;

    if (needs_sensor && !j->get(r, "sensor_id"))
        return "sensor_id";
    if ((!strcmp(kind, "threshold") || !strcmp(kind, "rate")) && !j->get(r, "value"))
        return "value";
    if (!strcmp(kind, "range") && (!j->get(r, "low") || !j->get(r, "high") || low >= high ||
                                   2 * j->get_float(r, "hysteresis", 0) >= high - low))
        return "hysteresis";
    if (!strcmp(kind, "stale") && j->get_float(r, "after", 0) <= 0)
        return "after";
    if (op[0] == 'g' ? clear > value : clear < value)
        return "clear_value";
    return NULL;
}

/* 1, or 0 when the request was answered. */
static int rule_check(struct tw *tw, struct lathe_request *req, struct twin *t,
                      const struct lathe_json *r, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    const char *fault = rule_fault(j, r), *sensor_id = j->get_string(r, "sensor_id", NULL);
    char path[40];

    if (!fault && sensor_id && !sensor_find(t, sensor_id))
        fault = "sensor_id";
    if (!fault)
        return 1;
    snprintf(path, sizeof path, "/%s", fault);
    *st = refuse_field(tw, req, "INVALID_RULE", path, "INVALID", "does not fit the rule");
    return 0;
}

static int32_t save_rule(struct tw *tw, struct lathe_request *req, struct twin *t, const char *id,
                         int32_t http_status)
{
    struct change change = {.req = req, .http_status = http_status};
    struct jw w;

    data_open(&w, &change.body);
    rule_write(tw, &w, "data", t, element(tw, t, "rules", id, NULL));
    jw_end_obj(&w);
    return twin_save(tw, t, &change);
}

int32_t op_create_rule(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    const char *id = j->get_string(body, "id", "");
    struct lathe_json *doc;
    char location[300];
    struct twin *t;
    int32_t st;

    if (!(t = need_change(tw, req, &st)))
        return st;
    if (element(tw, t, "rules", id, NULL))
        return refuse(tw, req, 409, "RULE_EXISTS", NULL, "There is a rule %.128s already", id);
    if (t->n_rules >= tw->set.max_rules)
        return refuse(tw, req, 409, "LIMIT_EXCEEDED", NULL, "The twin has %u rules already",
                      t->n_rules);
    if (!rule_check(tw, req, t, body, &st))
        return st;
    doc = j->copy(t->doc);
    j->append(j->get(doc, "rules"), j->copy(body));
    touch(tw, doc);
    if (!twin_install(tw, t, doc))
        return LATHE_E_NOMEM;
    snprintf(location, sizeof location, "%.160s/%s", tw->kit.http->path(req), id);
    tw->kit.http->add_header(req, "Location", location);
    return save_rule(tw, req, t, id, 201);
}

static struct lathe_json *need_rule(struct tw *tw, struct lathe_request *req, struct twin *t,
                                    uint32_t *index, int32_t *st)
{
    const char *id = tw->kit.http->path_param(req, "rule_id");
    struct lathe_json *r = t ? element(tw, t, "rules", id, index) : NULL;

    if (t && !r)
        *st = refuse(tw, req, 404, "RULE_NOT_FOUND", NULL, "Twin %.128s has no rule %.64s", t->id,
                     id ? id : "");
    return r;
}

int32_t op_get_rule(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct lathe_json *r;
    struct text body;
    struct twin *t;
    struct jw w;
    int32_t st = LATHE_OK;

    t = need_twin(tw, req, &st);
    if (!(r = need_rule(tw, req, t, NULL, &st)))
        return st;
    data_open(&w, &body);
    rule_write(tw, &w, "data", t, r);
    return data_send(tw, req, 200, &w);
}

int32_t op_list_rules(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json *list;
    struct pages pages;
    struct text body;
    struct twin *t;
    struct jw w;
    uint32_t i;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)))
        return st;
    list = tw->kit.json->get(t->doc, "rules");
    pages_read(tw, req, &pages, 20);
    pages.total = tw->kit.json->count(list);
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (i = 0; i < tw->kit.json->count(list); i++)
        if (pages_has(&pages, i))
            rule_write(tw, &w, NULL, t, tw->kit.json->at(list, i));
    jw_end_arr(&w);
    jw_obj(&w, "meta");
    pages_write(&pages, &w, "pagination");
    jw_end_obj(&w);
    links_write(tw, req, &pages, &w);
    return data_send(tw, req, 200, &w);
}

int32_t op_patch_rule(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    struct lathe_json *doc, *r;
    uint32_t index = 0;
    struct twin *t;
    int32_t st = LATHE_OK;

    t = need_change(tw, req, &st);
    if (!need_rule(tw, req, t, &index, &st))
        return st;
    doc = j->copy(t->doc);
    r = j->at(j->get(doc, "rules"), index);
    copy_members(j, r, tw->kit.http->body_json(req), rule_members);
    if (!rule_check(tw, req, t, r, &st)) {
        j->release(doc);
        return st;
    }
    touch(tw, doc);
    if (!twin_install(tw, t, doc))
        return LATHE_E_NOMEM;
    return save_rule(tw, req, t, tw->kit.http->path_param(req, "rule_id"), 200);
}

int32_t op_delete_rule(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    struct change change = {.req = req, .http_status = 204};
    struct lathe_json *doc, *kept, *list;
    uint32_t index = 0, i;
    struct twin *t;
    int32_t st = LATHE_OK;

    t = need_change(tw, req, &st);
    if (!need_rule(tw, req, t, &index, &st))
        return st;
    if (t->rules[index].alert)
        alert_clear(tw, t->rules[index].alert, "rule_removed");
    doc = j->copy(t->doc);
    list = j->get(doc, "rules");
    kept = j->array(j);
    for (i = 0; i < j->count(list); i++)
        if (i != index)
            j->append(kept, j->copy(j->at(list, i)));
    j->set(doc, "rules", kept);
    touch(tw, doc);
    return twin_install(tw, t, doc) ? twin_save(tw, t, &change) : LATHE_E_NOMEM;
}
