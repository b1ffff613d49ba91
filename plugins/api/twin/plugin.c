/* The Twin surface: operations and handlers, options, the clockwork. The contract is openapi.json.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/plugin.h"
#include "plugins/api/twin/idem.h"
#include "plugins/api/twin/twin.h"
#include "twin_openapi.h"

#define TICK_MS 100 /* telemetry of a sensor is told this often at most */
#define SWEEP_MS 500

/* ---- clockwork ---- */

static void write_telemetry(struct tw *tw, const struct sensor *s)
{
    struct text event = {0};
    struct jw w;
    char time[40];

    time_text(time, s->ts_us);
    jw_init(&w, &event);
    jw_obj(&w, NULL);
    jw_str(&w, "twin_id", s->twin->id);
    jw_str(&w, "sensor_id", s->id);
    jw_str(&w, "timestamp", time);
    if (s->is_gap)
        jw_null(&w, "value");
    else
        jw_num(&w, "value", s->value);
    jw_str(&w, "state", sensor_state_name(sensor_judge(tw, s, NULL)));
    jw_uint(&w, "count", s->window_n);
    if (s->window_n) {
        jw_num(&w, "min", s->window_min);
        jw_num(&w, "max", s->window_max);
    }
    jw_end_obj(&w);
    publish(tw, "telemetry", &event);
}

static void waiting_flush(struct tw *tw, int go_on);

static void on_tick(void *user)
{
    struct tw *tw = user;
    struct sensor *s;

    if (!tw->loading)
        waiting_flush(tw, 1);
    while ((s = tw->dirty) != NULL) {
        tw->dirty = s->next_dirty;
        s->is_dirty = 0;
        write_telemetry(tw, s);
    }
}

static void on_sweep(void *user)
{
    struct tw *tw = user;
    int64_t now = now_us(tw);
    struct alert *a;
    size_t i;

    if (tw->loading)
        return;
    for (i = 0; i < tw->twins.cap; i++)
        if (tw->twins.slots[i].key)
            rules_tick(tw, tw->twins.slots[i].value);
    for (a = tw->alerts; a; a = a->next)
        if (a->is_active && a->expires_us && a->expires_us <= now)
            alert_clear(tw, a, "expired");
    idem_sweep(tw);
}

/* ---- operations: the same under /api and /api/v1 ---- */

/* A request that came while the stored twins were read. */
struct waiting {
    struct waiting *next;
    struct lathe_request *req;
    int32_t (*handler)(void *self, struct lathe_request *req);
};

static int32_t handle(struct tw *tw, struct lathe_request *req,
                      int32_t (*handler)(void *, struct lathe_request *))
{
    struct waiting *later, **at = &tw->waiting;
    int32_t st = LATHE_OK;

    if (!tw->loading)
        return enter(tw, req, &st) ? handler(tw, req) : st;
    if (!(later = calloc(1, sizeof *later)))
        return LATHE_E_NOMEM;
    later->req = tw->kit.http->acquire(req);
    later->handler = handler;
    while (*at)
        at = &(*at)->next;
    *at = later;
    return LATHE_OK;
}

/* The twins are here: those that waited go on, or, at the end, are let go. */
static void waiting_flush(struct tw *tw, int go_on)
{
    struct waiting *w;
    int32_t st;

    while ((w = tw->waiting) != NULL) {
        tw->waiting = w->next;
        st = go_on ? handle(tw, w->req, w->handler) : LATHE_OK;
        if (st < 0)
            tw->kit.http->respond_error(w->req, st, NULL, NULL);
        tw->kit.http->release(w->req);
        free(w);
    }
}

#define HANDLER(name)                                               \
    static int32_t in_##name(void *self, struct lathe_request *req) \
    {                                                               \
        return handle(self, req, op_##name);                        \
    }

HANDLER(list_twins)
HANDLER(create_twin)
HANDLER(get_twin)
HANDLER(patch_twin)
HANDLER(delete_twin)
HANDLER(list_sensors)
HANDLER(create_sensor)
HANDLER(get_sensor)
HANDLER(patch_sensor)
HANDLER(delete_sensor)
HANDLER(list_actuators)
HANDLER(create_actuator)
HANDLER(get_actuator)
HANDLER(patch_actuator)
HANDLER(delete_actuator)
HANDLER(commands)
HANDLER(history)
HANDLER(query)
HANDLER(status)
HANDLER(sync)
HANDLER(ingest)
HANDLER(write)
HANDLER(list_rules)
HANDLER(create_rule)
HANDLER(get_rule)
HANDLER(patch_rule)
HANDLER(delete_rule)
HANDLER(list_alerts)
HANDLER(create_alert)
HANDLER(acknowledge)
HANDLER(clear)
HANDLER(events)

#define BOTH(id, handler) LATHE_OPERATION(id, handler), LATHE_OPERATION(id "V1", handler)

static const struct lathe_operation *const operations[] = {
    BOTH("listTwins", in_list_twins),
    BOTH("createTwin", in_create_twin),
    BOTH("getTwin", in_get_twin),
    BOTH("updateTwin", in_patch_twin),
    BOTH("deleteTwin", in_delete_twin),
    BOTH("listSensors", in_list_sensors),
    BOTH("createSensor", in_create_sensor),
    BOTH("getSensor", in_get_sensor),
    BOTH("updateSensor", in_patch_sensor),
    BOTH("deleteSensor", in_delete_sensor),
    BOTH("listActuators", in_list_actuators),
    BOTH("createActuator", in_create_actuator),
    BOTH("getActuator", in_get_actuator),
    BOTH("updateActuator", in_patch_actuator),
    BOTH("deleteActuator", in_delete_actuator),
    BOTH("listCommands", in_commands),
    BOTH("getHistory", in_history),
    BOTH("queryTelemetry", in_query),
    BOTH("getTwinStatus", in_status),
    BOTH("syncTwin", in_sync),
    BOTH("ingestTelemetry", in_ingest),
    BOTH("ingestTwinTelemetry", in_ingest),
    LATHE_OPERATION("writeLines", in_write),
    BOTH("listRules", in_list_rules),
    BOTH("createRule", in_create_rule),
    BOTH("getRule", in_get_rule),
    BOTH("updateRule", in_patch_rule),
    BOTH("deleteRule", in_delete_rule),
    BOTH("listTwinAlerts", in_list_alerts),
    BOTH("listAlerts", in_list_alerts),
    BOTH("createAlert", in_create_alert),
    BOTH("acknowledgeAlert", in_acknowledge),
    BOTH("clearAlert", in_clear),
    BOTH("streamTwinEvents", in_events),
    BOTH("streamEvents", in_events),
    LATHE_OPERATION_WS("openSocket", &twin_ws_handler),
    LATHE_OPERATION_WS("openSocketV1", &twin_ws_handler),
    NULL};

/* ---- opening and closing ---- */

static void twin_close(void *self)
{
    struct tw *tw = self;

    if (!tw)
        return;
    if (tw->tick)
        tw->kit.loop->timer_cancel(tw->kit.loop, tw->tick);
    if (tw->sweep)
        tw->kit.loop->timer_cancel(tw->kit.loop, tw->sweep);
    waiting_flush(tw, 0);
    state_close(tw);
    alerts_close(tw);
    answers_close(tw);
    free(tw);
}

static void settings_read(struct tw *tw, const struct lathe_params *p)
{
    struct settings *s = &tw->set;

    snprintf(s->types, sizeof s->types, "%s", p->get_string(p, "twin_types"));
    snprintf(s->twin_tag, sizeof s->twin_tag, "%s", p->get_string(p, "twin_tag"));
    s->max_twins = p->get_int(p, "max_twins");
    s->max_sensors = p->get_int(p, "max_sensors");
    s->max_actuators = p->get_int(p, "max_actuators");
    s->max_rules = p->get_int(p, "max_rules");
    s->max_future_us = p->get_int(p, "max_future") * 1000000;
    s->rate_limit = p->get_int(p, "rate_limit");
    s->require_if_match = p->get_bool(p, "require_if_match");
    s->stale_s = p->get_float(p, "stale_after");
}

static int32_t twin_open(const struct lathe_host *host, const struct lathe_params *params,
                         struct lathe_error *err, void **self)
{
    struct tw *tw = calloc(1, sizeof *tw);
    int32_t st;

    if (!tw)
        return api_fail(err, LATHE_E_NOMEM, "", "opening the surface: out of memory");
    if ((st = api_kit_open(&tw->kit, host, err)) != LATHE_OK) {
        free(tw);
        return st;
    }
    settings_read(tw, params);
    /* alerts before twins: their rules find them */
    if ((st = alerts_open(tw, err)) == LATHE_OK && (st = state_open(tw, err)) == LATHE_OK &&
        (st = idem_open(tw, err)) == LATHE_OK &&
        (st = tw->kit.loop->timer_start(tw->kit.loop, TICK_MS, TICK_MS, on_tick, tw, NULL,
                                        &tw->tick)) == LATHE_OK)
        st = tw->kit.loop->timer_start(tw->kit.loop, SWEEP_MS, SWEEP_MS, on_sweep, tw, NULL,
                                       &tw->sweep);
    if (st != LATHE_OK) {
        twin_close(tw);
        return st;
    }
    *self = tw;
    return LATHE_OK;
}

static const struct lathe_api twin_api = {.struct_size = sizeof twin_api,
                                          .title = "Twin",
                                          .prefix = "",
                                          .openapi_json = (const char *)twin_openapi,
                                          .operations = operations,
                                          .open = twin_open,
                                          .close = twin_close,
                                          .render_error = render_error};

static const struct lathe_option *const options[] = {
    LATHE_OPTION("twin_types", LATHE_OPT_STRING, 0,
                 "equipment,system,device,process,facility,environment,industrial,"
                 "infrastructure,vehicle,person,custom",
                 0, 500, NULL, NULL, "Types a twin may have, separated by commas."),
    LATHE_OPTION("twin_tag", LATHE_OPT_STRING, 0, "twin", 0, 60, NULL, NULL,
                 "Tag of a telemetry line that names the twin."),
    LATHE_OPTION("max_twins", LATHE_OPT_INT, 0, "100000", 1, 1000000, NULL, NULL, "Twins at most."),
    LATHE_OPTION("max_sensors", LATHE_OPT_INT, 0, "1000", 1, 10000, NULL, NULL,
                 "Sensors of one twin at most."),
    LATHE_OPTION("max_actuators", LATHE_OPT_INT, 0, "200", 1, 10000, NULL, NULL,
                 "Actuators of one twin at most."),
    LATHE_OPTION("max_rules", LATHE_OPT_INT, 0, "100", 1, 10000, NULL, NULL,
                 "Alert rules of one twin at most."),
    LATHE_OPTION("max_future", LATHE_OPT_INT, 0, "300", 0, 86400, NULL, "s",
                 "How far in the future the time of a point may lie."),
    LATHE_OPTION("rate_limit", LATHE_OPT_INT, 0, "600", 0, 1000000, NULL, NULL,
                 "Requests a minute of one caller; 0: no limit."),
    LATHE_OPTION("require_if_match", LATHE_OPT_BOOL, 0, "false", 0, 0, NULL, NULL,
                 "Refuse changes without If-Match."),
    LATHE_OPTION("stale_after", LATHE_OPT_FLOAT, 0, "900", 0, 31536000, NULL, "s",
                 "Age at which a sensor without a value of its own is stale; 0: never."),
    NULL};

static const struct lathe_component component = {sizeof component,
                                                 0,
                                                 LATHE_KIND_API,
                                                 "twin",
                                                 "Digital twins, telemetry, alerts.",
                                                 &twin_api,
                                                 api_kit_needs,
                                                 options};

static const struct lathe_component *const components[] = {&component, NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,
    "org.lathe.api.twin",
    "1.0.0",
    "Apache-2.0",
    "The Twin REST surface: digital twins, sensors, actuators, history, alerts.",
    components,
    NULL,
    NULL};
