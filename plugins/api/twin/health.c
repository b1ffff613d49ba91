/* State of sensors, health of twins, GET status, POST sync. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "plugins/api/twin/define.h"

const char *sensor_state_name(enum sensor_state state)
{
    static const char *const names[] = {"healthy", "warning", "error", "unknown"};

    return names[state];
}

/* Age from the arrival of the newest sample, so that a slow device clock is not stale. */
enum sensor_state sensor_judge(const struct tw *tw, const struct sensor *s, const char **reason)
{
    double age = (double)(now_us(tw) - s->recv_us) / 1e6;
    const char *none;
    const char **why = reason ? reason : &none;

    *why = "NO_DATA";
    if (!s->has_point)
        return SENSOR_UNKNOWN;
    *why = "BAD_QUALITY";
    if (s->is_gap || s->quality == QUALITY_BAD)
        return SENSOR_ERROR;
    *why = "OUT_OF_RANGE";
    if (s->is_out)
        return SENSOR_ERROR;
    *why = "STALE";
    if (s->stale_s > 0 && age > 3 * s->stale_s)
        return SENSOR_ERROR;
    *why = "WARN_LOW";
    if (s->warn_low.is_set && s->value < s->warn_low.value)
        return SENSOR_WARNING;
    *why = "WARN_HIGH";
    if (s->warn_high.is_set && s->value > s->warn_high.value)
        return SENSOR_WARNING;
    *why = "UNCERTAIN_QUALITY";
    if (s->quality == QUALITY_UNCERTAIN)
        return SENSOR_WARNING;
    *why = "STALE";
    if (s->stale_s > 0 && age > s->stale_s)
        return SENSOR_WARNING;
    *why = NULL;
    return SENSOR_HEALTHY;
}

struct census {
    int64_t total, healthy, warning, error;
    int64_t actuators, operational;
    int alert_error, alert_warning;
};

static void add_reason(struct jw *reasons, const char *kind, const char *id, const char *code)
{
    char target[160];

    if (!reasons)
        return;
    snprintf(target, sizeof target, "%s%s%s", kind, id[0] ? "/" : "", id);
    jw_obj(reasons, NULL);
    jw_str(reasons, "target", target);
    jw_str(reasons, "code", code);
    jw_end_obj(reasons);
}

static void count_all(struct tw *tw, struct twin *t, struct census *c, struct jw *reasons)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *list = j->get(t->doc, "actuators");
    const struct alert *a;
    const char *why = NULL;
    uint32_t i;

    memset(c, 0, sizeof *c);
    for (i = 0; i < t->n_sensors; i++) {
        enum sensor_state state = sensor_judge(tw, &t->sensors[i], &why);
        c->healthy += state == SENSOR_HEALTHY;
        c->error += state == SENSOR_ERROR;
        c->warning += state == SENSOR_WARNING || state == SENSOR_UNKNOWN;
        if (state != SENSOR_HEALTHY)
            add_reason(reasons, "sensors", t->sensors[i].id, why);
    }
    c->total = t->n_sensors;
    c->actuators = j->count(list);
    for (i = 0; i < j->count(list); i++)
        if (actuator_works(j, j->at(list, i)))
            c->operational++;
        else
            add_reason(reasons, "actuators", j->get_string(j->at(list, i), "id", ""), "COMMAND");
    for (a = t->n_alerts ? tw->alerts : NULL; a; a = a->next)
        if (a->is_active && !strcmp(a->twin_id, t->id)) {
            int bad = !strcmp(a->severity, "error") || !strcmp(a->severity, "critical");
            c->alert_error |= bad;
            c->alert_warning |= !strcmp(a->severity, "warning");
            if (bad || !strcmp(a->severity, "warning"))
                add_reason(reasons, "alerts", a->rule_id, "ALERT");
        }
    if (t->sync_failed)
        add_reason(reasons, "sync", "", "SYNC_FAILED");
}

static const char *word_of(const struct twin *t, const struct census *c)
{
    if (t->is_inactive || (!c->total && !c->actuators))
        return "unknown";
    if (c->error || c->operational < c->actuators || c->alert_error)
        return "critical";
    return c->warning || c->alert_warning || t->sync_failed ? "warning" : "good";
}

const char *twin_health(struct tw *tw, struct twin *t, struct jw *reasons)
{
    struct census c;

    count_all(tw, t, &c, reasons);
    return word_of(t, &c);
}

static void write_alerts(struct tw *tw, struct jw *w, const struct twin *t)
{
    const struct alert *a;
    int64_t n = 0;

    jw_arr(w, "alerts");
    for (a = tw->alerts; a; a = a->next)
        if (a->is_active && !strcmp(a->twin_id, t->id) && n++ < 50)
            alert_write(w, a);
    jw_end_arr(w);
    jw_int(w, "alerts_total", n);
}

static void write_counts(struct jw *w, const struct census *c)
{
    jw_obj(w, "sensors");
    jw_int(w, "total", c->total);
    jw_int(w, "healthy", c->healthy);
    jw_int(w, "warning", c->warning);
    jw_int(w, "error", c->error);
    jw_end_obj(w);
    jw_obj(w, "actuators");
    jw_int(w, "total", c->actuators);
    jw_int(w, "operational", c->operational);
    jw_int(w, "error", c->actuators - c->operational);
    jw_end_obj(w);
}

int32_t op_status(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct text body, list = {0};
    struct jw w, reasons;
    struct census c;
    struct twin *t;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)))
        return st;
    jw_init(&reasons, &list);
    jw_arr(&reasons, NULL);
    count_all(tw, t, &c, &reasons);
    jw_end_arr(&reasons);
    data_open(&w, &body);
    jw_obj(&w, "data");
    jw_str(&w, "id", t->id);
    jw_str(&w, "name", tw->kit.json->get_string(t->doc, "name", ""));
    jw_str(&w, "status", tw->kit.json->get_string(t->doc, "status", ""));
    jw_str(&w, "health", word_of(t, &c));
    jw_us(&w, "last_sync", tw->kit.json->get_int(t->doc, "last_sync_us", 0));
    write_counts(&w, &c);
    write_alerts(tw, &w, t);
    jw_raw(&w, "health_reasons", text_get(&list));
    if (t->sync_failed)
        jw_str(&w, "last_sync_error", "no_connector");
    else
        jw_null(&w, "last_sync_error");
    jw_end_obj(&w);
    text_fini(&list);
    return data_send(tw, req, 200, &w);
}

/* No connector exists here, so there is no counterpart to ask. */
int32_t op_sync(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *list;
    struct text details = {0};
    struct twin *t;
    struct jw w;
    uint32_t i;
    int32_t st;

    if (!(t = need_change(tw, req, &st)))
        return st;
    if (t->is_inactive)
        return refuse(tw, req, 409, "TWIN_INACTIVE", NULL, "Twin %.128s is not active", t->id);
    rules_sync_failed(tw, t);
    jw_init(&w, &details);
    jw_obj(&w, NULL);
    jw_str(&w, "reason", "no_connector");
    jw_null(&w, "connector");
    jw_int(&w, "elapsed_ms", 0);
    jw_arr(&w, "received");
    jw_end_arr(&w);
    jw_arr(&w, "missing");
    for (i = 0; i < t->n_sensors; i++)
        jw_str(&w, NULL, t->sensors[i].id);
    list = j->get(t->doc, "actuators");
    for (i = 0; i < j->count(list); i++)
        jw_str(&w, NULL, j->get_string(j->at(list, i), "id", ""));
    jw_end_arr(&w);
    jw_null(&w, "cause");
    jw_end_obj(&w);
    st = refuse(tw, req, 409, "SYNC_FAILED", details.failed ? NULL : details.data,
                "twin %.128s has no connector to its counterpart", t->id);
    text_fini(&details);
    return st;
}
