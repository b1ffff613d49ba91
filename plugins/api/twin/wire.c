/* JSON shapes of twins, sensors and actuators. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plugins/api/twin/twin.h"

/* A member of a stored document as it is, null when absent. */
static void write_member(const struct tw *tw, struct jw *w, const struct lathe_json *o,
                         const char *name, const char *absent)
{
    const struct lathe_json *value = tw->kit.json->get(o, name);
    char *text = value ? tw->kit.json->dup_text(value, 0, NULL) : NULL;

    jw_raw(w, name, text ? text : absent);
    tw->kit.json->free_text(text);
}

static void write_number(const struct tw *tw, struct jw *w, const struct lathe_json *o,
                         const char *name)
{
    const struct lathe_json_service *j = tw->kit.json;
    uint32_t type = j->type(j->get(o, name));

    if (type == LATHE_JSON_INT || type == LATHE_JSON_FLOAT)
        jw_num(w, name, j->get_float(o, name, 0));
    else
        jw_null(w, name);
}

void sensor_write(const struct tw *tw, struct jw *w, const char *name, struct twin *t,
                  uint32_t index)
{
    static const char *const qualities[] = {"good", "uncertain", "bad"};
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *doc = j->at(j->get(t->doc, "sensors"), index);
    const struct sensor *s = &t->sensors[index];

    jw_obj(w, name);
    jw_str(w, "id", s->id);
    jw_str(w, "name", s->name);
    jw_str(w, "description", j->get_string(doc, "description", ""));
    jw_str(w, "unit", s->unit);
    if (s->has_point && !s->is_gap)
        jw_num(w, "current_value", s->value);
    else
        jw_null(w, "current_value");
    jw_bound(w, "min_value", &s->min);
    jw_bound(w, "max_value", &s->max);
    jw_us(w, "last_updated", s->has_point ? s->ts_us : 0);
    jw_bound(w, "warn_low", &s->warn_low);
    jw_bound(w, "warn_high", &s->warn_high);
    jw_num(w, "hysteresis", s->hysteresis);
    write_number(tw, w, doc, "stale_after");
    jw_str(w, "quality", qualities[s->quality]);
    jw_str(w, "state", sensor_state_name(sensor_judge(tw, s, NULL)));
    jw_end_obj(w);
}

/* A binary state is a boolean, a continuous one a number. */
static void write_state(const struct tw *tw, struct jw *w, const struct lathe_json *a,
                        const char *stored, const char *name)
{
    const struct lathe_json_service *j = tw->kit.json;

    if (j->type(j->get(a, stored)) == LATHE_JSON_BOOL)
        jw_bool(w, name, j->get_bool(a, stored, 0));
    else
        jw_raw(w, name, NULL);
}

void actuator_write(const struct tw *tw, struct jw *w, const char *name, const struct lathe_json *a)
{
    static const char *const states[][2] = {{"current_state", "current_state"},
                                            {"desired_state", "desired_state"}};
    const struct lathe_json_service *j = tw->kit.json;
    int is_binary = !strcmp(j->get_string(a, "type", ""), "binary");

    jw_obj(w, name);
    jw_str(w, "id", j->get_string(a, "id", ""));
    jw_str(w, "name", j->get_string(a, "name", ""));
    jw_str(w, "description", j->get_string(a, "description", ""));
    jw_str(w, "type", j->get_string(a, "type", ""));
    if (is_binary)
        write_state(tw, w, a, states[0][0], states[0][1]);
    else
        write_number(tw, w, a, states[0][0]);
    jw_us(w, "last_updated", j->get_int(a, "updated_us", 0));
    write_number(tw, w, a, "min_value");
    write_number(tw, w, a, "max_value");
    write_number(tw, w, a, "max_rate");
    if (is_binary)
        write_state(tw, w, a, states[1][0], states[1][1]);
    else
        write_number(tw, w, a, states[1][0]);
    jw_str(w, "command_status", j->get_string(a, "command_status", "idle"));
    jw_num(w, "command_timeout", j->get_float(a, "command_timeout", 5));
    jw_end_obj(w);
}

static void write_lists(const struct tw *tw, struct jw *w, struct twin *t)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *actuators = j->get(t->doc, "actuators");
    uint32_t i;

    jw_arr(w, "sensors");
    for (i = 0; i < t->n_sensors; i++)
        sensor_write(tw, w, NULL, t, i);
    jw_end_arr(w);
    jw_arr(w, "actuators");
    for (i = 0; i < j->count(actuators); i++)
        actuator_write(tw, w, NULL, j->at(actuators, i));
    jw_end_arr(w);
}

void twin_write(const struct tw *tw, struct jw *w, struct twin *t, int with_lists, int with_meta)
{
    const struct lathe_json_service *j = tw->kit.json;

    jw_str(w, "id", t->id);
    jw_str(w, "name", j->get_string(t->doc, "name", ""));
    jw_str(w, "description", j->get_string(t->doc, "description", ""));
    jw_str(w, "type", j->get_string(t->doc, "type", ""));
    jw_str(w, "status", j->get_string(t->doc, "status", "active"));
    jw_int(w, "sensor_count", t->n_sensors);
    jw_int(w, "actuator_count", j->count(j->get(t->doc, "actuators")));
    if (with_lists)
        write_lists(tw, w, t);
    if (with_meta) {
        write_member(tw, w, t->doc, "metadata", "{}");
        write_number(tw, w, t->doc, "stale_after");
        jw_bool(w, "implicit_rules", j->get_bool(t->doc, "implicit_rules", 1));
    }
    jw_us(w, "created_at", j->get_int(t->doc, "created_us", 0));
    jw_us(w, "updated_at", j->get_int(t->doc, "updated_us", 0));
}
