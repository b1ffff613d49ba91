/* Alert rules: a machine for each, driven by samples in order of their time, and by the clock for
 * staleness. At most one alert of a rule is active. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/twin.h"

void publish(struct tw *tw, const char *type, struct text *t)
{
    if (!t->failed)
        tw->kit.events->publish(tw->kit.events, TOPIC, type, text_get(t), NULL);
    text_fini(t);
}

/* ---- from documents ---- */

static enum rule_kind kind_of(const char *name)
{
    static const char *const names[] = {"threshold", "range", "rate", "stale", "sync", "actuator"};
    int i = 0;

    while (i < 5 && strcmp(names[i], name) != 0)
        i++;
    return (enum rule_kind)i;
}

static void rule_read(struct tw *tw, struct twin *t, struct rule *r, const struct lathe_json *doc)
{
    const struct lathe_json_service *j = tw->kit.json;

    memset(r, 0, sizeof *r);
    r->twin = t;
    snprintf(r->id, sizeof r->id, "%s", j->get_string(doc, "id", ""));
    snprintf(r->op, sizeof r->op, "%s", j->get_string(doc, "op", "gt"));
    snprintf(r->severity, sizeof r->severity, "%s", j->get_string(doc, "severity", "warning"));
    snprintf(r->message, sizeof r->message, "%s",
             j->get_string(doc, "message", "{sensor} {value}{unit} beyond {limit}"));
    r->sensor = sensor_find(t, j->get_string(doc, "sensor_id", NULL));
    r->kind = kind_of(j->get_string(doc, "kind", ""));
    r->limit = j->get_float(doc, "value", 0);
    r->clear = j->get_float(doc, "clear_value", r->limit);
    r->low = j->get_float(doc, "low", -INFINITY);
    r->high = j->get_float(doc, "high", INFINITY);
    r->hysteresis = j->get_float(doc, "hysteresis", 0);
    r->for_us = (int64_t)(j->get_float(doc, "for", 0) * 1e6);
    r->clear_for_us = (int64_t)(j->get_float(doc, "clear_for", 0) * 1e6);
    r->after_us = (int64_t)(j->get_float(doc, "after", 0) * 1e6);
    r->failures = (int)j->get_int(doc, "n", 1);
    r->enabled = j->get_bool(doc, "enabled", 1);
}

/* What a rule has seen so far; an alert that was active before a restart is found by its rule. */
static void carry_over(struct tw *tw, struct rule *r, const struct rule *old)
{
    struct alert *a = r->twin->n_alerts ? tw->alerts : NULL;

    if (old) {
        r->state = old->state;
        r->t0 = old->t0;
        r->t1 = old->t1;
        r->last_ts = old->last_ts;
        r->late_ignored = old->late_ignored;
        r->alert = old->alert;
        return;
    }
    while (a && (!a->is_active || strcmp(a->rule_id, r->id) != 0 ||
                 strcmp(a->twin_id, r->twin->id) != 0))
        a = a->next;
    if (a) {
        r->alert = a;
        r->state = RULE_ACTIVE;
        r->t0 = a->created_us;
    }
}

static void bind_implicit(struct tw *tw, struct twin *t, struct sensor *s)
{
    int on = tw->kit.json->get_bool(t->doc, "implicit_rules", 1);
    int is_new = s->range.id[0] == '\0';
    struct rule range = s->range, stale = s->stale;

    s->range = (struct rule){.twin = t, .sensor = s, .kind = RULE_RANGE, .is_implicit = 1};
    snprintf(s->range.id, sizeof s->range.id, "range:%.120s", s->id);
    snprintf(s->range.severity, sizeof s->range.severity, "error");
    snprintf(s->range.message, sizeof s->range.message, "{sensor} {value}{unit} is out of range");
    s->range.low = s->min.is_set ? s->min.value : -INFINITY;
    s->range.high = s->max.is_set ? s->max.value : INFINITY;
    s->range.hysteresis = s->hysteresis;
    s->range.enabled = on && (s->min.is_set || s->max.is_set);
    carry_over(tw, &s->range, is_new ? NULL : &range);
    s->stale = (struct rule){.twin = t, .sensor = s, .kind = RULE_STALE, .is_implicit = 1};
    snprintf(s->stale.id, sizeof s->stale.id, "stale:%.120s", s->id);
    snprintf(s->stale.severity, sizeof s->stale.severity, "warning");
    snprintf(s->stale.message, sizeof s->stale.message, "{sensor} has sent nothing for {limit} s");
    s->stale.after_us = (int64_t)(s->stale_s * 1e6);
    s->stale.limit = s->stale_s;
    s->stale.enabled = on && s->stale_s > 0;
    carry_over(tw, &s->stale, is_new ? NULL : &stale);
}

void rules_bind(struct tw *tw, struct twin *t, struct rule *old, uint32_t n_old)
{
    const struct lathe_json *list = tw->kit.json->get(t->doc, "rules");
    uint32_t n = tw->kit.json->count(list), i, k;

    for (i = 0; i < t->n_sensors; i++)
        bind_implicit(tw, t, &t->sensors[i]);
    t->n_rules = 0;
    t->rules = calloc((size_t)n + 1, sizeof *t->rules);
    for (i = 0; t->rules && i < n; i++) {
        struct rule *r = &t->rules[t->n_rules++];
        const struct rule *same = NULL;

        rule_read(tw, t, r, tw->kit.json->at(list, i));
        for (k = 0; k < n_old; k++)
            if (!strcmp(old[k].id, r->id))
                same = &old[k];
        carry_over(tw, r, same);
        if (r->sensor) {
            r->next = r->sensor->rules;
            r->sensor->rules = r;
        }
    }
}

/* ---- alerts ---- */

/* Puts values into "{sensor} {value}{unit} above {limit}". */
static void expand(const struct rule *r, const struct point *p, char *out, size_t cap)
{
    const struct sensor *s = r->sensor;
    const char *at = r->message;
    struct text t = {0};

    for (; *at; at++) {
        if (!strncmp(at, "{sensor}", 8))
            text_adds(&t, s ? s->name : r->twin->id), at += 7;
        else if (!strncmp(at, "{unit}", 6))
            text_adds(&t, s && strcmp(s->unit, "1") != 0 ? s->unit : ""), at += 5;
        else if (!strncmp(at, "{value}", 7))
            text_addf(&t, "%.6g", p ? p->value : s && s->has_point ? s->value : 0.0), at += 6;
        else if (!strncmp(at, "{limit}", 7))
            text_addf(&t, "%.6g", r->kind == RULE_STALE ? (double)r->after_us / 1e6 : r->limit),
                at += 6;
        else
            text_add(&t, at, 1);
    }
    snprintf(out, cap, "%s", text_get(&t));
    text_fini(&t);
}

static void publish_alert(struct tw *tw, const struct alert *a)
{
    struct text event = {0};
    struct jw w;

    jw_init(&w, &event);
    alert_write(&w, a);
    publish(tw, "alert", &event);
}

struct alert *alert_new(struct tw *tw, struct twin *t, const char *severity, const char *message)
{
    struct alert *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->n = ++tw->last_alert;
    snprintf(a->twin_id, sizeof a->twin_id, "%s", t->id);
    snprintf(a->severity, sizeof a->severity, "%s", severity);
    snprintf(a->message, sizeof a->message, "%s", message);
    a->created_us = now_us(tw);
    a->is_active = 1;
    a->count = 1;
    a->next = tw->alerts;
    tw->alerts = a;
    t->n_alerts++;
    return a;
}

static void raise_alert(struct tw *tw, struct rule *r, const struct point *p)
{
    char message[400];
    struct alert *a;

    r->state = RULE_ACTIVE;
    if (r->alert)
        return;
    expand(r, p, message, sizeof message);
    if (!(a = alert_new(tw, r->twin, r->severity, message)))
        return;
    r->alert = a;
    snprintf(a->rule_id, sizeof a->rule_id, "%s", r->id);
    if (r->sensor)
        snprintf(a->sensor_id, sizeof a->sensor_id, "%s", r->sensor->id);
    if (p) {
        a->has_value = 1;
        a->value = a->peak = p->value;
    }
    alert_save(tw, a, NULL);
    publish_alert(tw, a);
}

/* The rule that holds an alert lets go of it. */
static void detach(struct twin *t, const struct alert *a)
{
    uint32_t i;

    for (i = 0; t && i < t->n_rules; i++)
        if (t->rules[i].alert == a) {
            t->rules[i].alert = NULL;
            t->rules[i].state = RULE_NORMAL;
        }
    for (i = 0; t && i < t->n_sensors; i++) {
        struct rule *pair[] = {&t->sensors[i].range, &t->sensors[i].stale};
        size_t k;

        for (k = 0; k < 2; k++)
            if (pair[k]->alert == a) {
                pair[k]->alert = NULL;
                pair[k]->state = RULE_NORMAL;
            }
    }
}

void alert_clear(struct tw *tw, struct alert *a, const char *reason)
{
    struct twin *t = twin_find(tw, a->twin_id);

    if (!a->is_active)
        return;
    detach(t, a);
    a->is_active = 0;
    a->cleared_us = now_us(tw);
    snprintf(a->reason, sizeof a->reason, "%s", reason);
    if (t && t->n_alerts)
        t->n_alerts--;
    alert_save(tw, a, NULL);
    publish_alert(tw, a);
}

static void settle(struct tw *tw, struct rule *r)
{
    struct alert *a = r->alert;

    r->state = RULE_NORMAL;
    r->alert = NULL;
    if (a)
        alert_clear(tw, a, "condition");
}

/* ---- the machine ---- */

static int is_beyond(const char *op, double value, double limit)
{
    if (!strcmp(op, "gt"))
        return value > limit;
    if (!strcmp(op, "ge"))
        return value >= limit;
    return !strcmp(op, "lt") ? value < limit : value <= limit;
}

/* Whether the sample raises (1), clears (-1), or does neither (0). */
static int judge(const struct rule *r, const struct point *p)
{
    const struct sensor *s = r->sensor;
    double value = p->value;

    if (r->kind == RULE_RANGE) {
        if (value < r->low || value > r->high)
            return 1;
        return value >= r->low + r->hysteresis && value <= r->high - r->hysteresis ? -1 : 0;
    }
    if (r->kind == RULE_RATE) {
        if (!s->has_previous || p->ts_us <= s->previous_us)
            return 0;
        value = (value - s->previous) / ((double)(p->ts_us - s->previous_us) / 1e6);
    }
    if (is_beyond(r->op, value, r->limit))
        return 1;
    /* equal to clear_value is clear, unless that is the limit itself of ge and le */
    if (r->clear == r->limit)
        return -1;
    return r->op[0] == 'g' ? (value <= r->clear ? -1 : 0) : (value >= r->clear ? -1 : 0);
}

static void note_value(struct rule *r, const struct point *p)
{
    struct alert *a = r->alert;

    if (!a)
        return;
    a->count++;
    a->value = p->value;
    if (a->has_value)
        a->peak = r->op[0] == 'l' ? fmin(a->peak, p->value) : fmax(a->peak, p->value);
    else
        a->peak = p->value;
    a->has_value = 1;
}

static void drive(struct tw *tw, struct rule *r, const struct point *p)
{
    int verdict;

    if (!r->enabled || r->kind > RULE_RATE)
        return;
    if (r->last_ts && p->ts_us <= r->last_ts) {
        r->late_ignored++;
        return;
    }
    r->last_ts = p->ts_us;
    verdict = judge(r, p);
    if (r->state == RULE_NORMAL && verdict > 0) {
        r->state = RULE_PENDING;
        r->t0 = p->ts_us;
    }
    if (r->state == RULE_PENDING) {
        if (verdict <= 0)
            r->state = RULE_NORMAL;
        else if (p->ts_us - r->t0 >= r->for_us)
            raise_alert(tw, r, p);
        return;
    }
    if (verdict > 0)
        note_value(r, p);
    if (r->state == RULE_ACTIVE && verdict < 0) {
        r->state = RULE_CLEARING;
        r->t1 = p->ts_us;
    }
    if (r->state == RULE_CLEARING) {
        if (verdict >= 0)
            r->state = RULE_ACTIVE;
        else if (p->ts_us - r->t1 >= r->clear_for_us)
            settle(tw, r);
    }
}

void rules_sample(struct tw *tw, struct sensor *s, const struct point *p)
{
    double low = s->min.is_set ? s->min.value : -INFINITY;
    double high = s->max.is_set ? s->max.value : INFINITY;
    double h = s->is_out ? s->hysteresis : 0;
    struct rule *r;

    if (!p->is_gap)
        s->is_out = p->value < low || p->value > high ||
                    (s->is_out && (p->value < low + h || p->value > high - h));
    if (s->twin->is_inactive)
        return;
    if (s->stale.state != RULE_NORMAL)
        settle(tw, &s->stale);
    for (r = s->rules; r; r = r->next)
        if (r->kind == RULE_STALE && r->state != RULE_NORMAL)
            settle(tw, r);
    if (p->is_gap || p->quality == QUALITY_BAD)
        return;
    drive(tw, &s->range, p);
    for (r = s->rules; r; r = r->next)
        drive(tw, r, p);
}

static void tick_stale(struct tw *tw, struct rule *r, int64_t now)
{
    const struct sensor *s = r->sensor;

    if (r->enabled && s && s->has_point && r->state == RULE_NORMAL &&
        now - s->recv_us > r->after_us)
        raise_alert(tw, r, NULL);
}

void rules_tick(struct tw *tw, struct twin *t)
{
    int64_t now = now_us(tw);
    uint32_t i;

    if (t->is_inactive)
        return;
    for (i = 0; i < t->n_sensors; i++)
        tick_stale(tw, &t->sensors[i].stale, now);
    for (i = 0; i < t->n_rules; i++)
        if (t->rules[i].kind == RULE_STALE)
            tick_stale(tw, &t->rules[i], now);
}

void rules_sync_failed(struct tw *tw, struct twin *t)
{
    uint32_t i;

    t->sync_failed++;
    for (i = 0; i < t->n_rules; i++)
        if (t->rules[i].kind == RULE_SYNC && t->rules[i].enabled &&
            t->sync_failed >= t->rules[i].failures)
            raise_alert(tw, &t->rules[i], NULL);
}
