/* Tickets for people and tools: state as JSON and as text, function schemas, and the way back from
 * a JSON state to an observation. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_base.h"
#include "plugins/env/workflow_mdp/workflow.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const last_name[] = {"none", "ok", "wasted", "fault", "violation"};

void wf_put(struct wf_text *t, const char *fmt, ...)
{
    const uint64_t room = t->len < t->cap ? t->cap - t->len : 0;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(room > 0 ? t->out + t->len : NULL, (size_t)room, fmt, args);
    va_end(args);
    t->len += n > 0 ? (uint64_t)n : 0;
}

void wf_put_string(struct wf_text *t, const char *value)
{
    wf_put(t, "\"");
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            wf_put(t, "\\%c", *value);
        else if ((unsigned char)*value < 0x20)
            wf_put(t, "\\u%04x", (unsigned)(unsigned char)*value);
        else
            wf_put(t, "%c", *value);
    }
    wf_put(t, "\"");
}

void wf_put_number(struct wf_text *t, const char *key, double x)
{
    char number[32];

    wf_number(x, number);
    if (key != NULL)
        wf_put(t, "\"%s\":%s", key, number);
    else
        wf_put(t, "%s", number);
}

int32_t wf_text_status(const struct wf_text *t)
{
    return t->len < t->cap ? LATHE_OK : LATHE_E_LIMIT;
}

static void put_state(struct wf_text *t, const struct wf_scenario *s, const struct wf_state *x)
{
    const char *comma = "";

    wf_put(t, "{\"label\":\"%s\",\"task\":", s->task[x->label].name);
    if (x->task == WF_UNIDENTIFIED)
        wf_put(t, "null");
    else
        wf_put(t, "\"%s\"", s->task[x->task].name);
    wf_put(t, ",\"facts\":{");
    for (uint32_t f = 0; f < s->n_facts; f++)
        wf_put(t, "%s\"%s\":\"%s\"", f > 0 ? "," : "", s->fact[f].name,
               (x->known_true >> f & 1u) != 0    ? "true"
               : (x->known_false >> f & 1u) != 0 ? "false"
                                                 : "unknown");
    wf_put(t, "},\"done\":[");
    for (uint32_t a = 0; a < s->n_tools; a++)
        if ((x->done >> a & 1u) != 0) {
            wf_put(t, "%s\"%s\"", comma, s->tool[a].name);
            comma = ",";
        }
    wf_put(t, "],\"last\":\"%s\",\"t\":%u}", last_name[x->last], x->t);
}

int32_t wf_state_json(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    const struct wf_batch *b = batch;
    struct wf_text t = {json, cap_bytes, 0};

    if (row >= b->n_envs)
        return LATHE_E_INVALID;
    put_state(&t, &b->scenario, &b->ticket[row].seen);
    return wf_text_status(&t);
}

/* The ticket in sentences. */
static void put_sentences(struct wf_text *t, const struct wf_scenario *s, const struct wf_state *x)
{
    const char *comma = "";

    wf_put(t, "Ticket labelled %s. ", s->task[x->label].name);
    if (x->task == WF_UNIDENTIFIED)
        wf_put(t, "The task is not identified yet.");
    else
        wf_put(t, "The task is %s.", s->task[x->task].name);
    for (uint32_t f = 0; f < s->n_facts; f++)
        if (((x->known_true | x->known_false) >> f & 1u) != 0)
            wf_put(t, " %s is %s.", s->fact[f].name,
                   (x->known_true >> f & 1u) != 0 ? "true" : "false");
    if (x->done != 0) {
        wf_put(t, " Done: ");
        for (uint32_t a = 0; a < s->n_tools; a++)
            if ((x->done >> a & 1u) != 0) {
                wf_put(t, "%s%s", comma, s->tool[a].name);
                comma = ", ";
            }
        wf_put(t, ".");
    }
    if (x->last != WF_NONE)
        wf_put(t, " The last call was %s.", last_name[x->last]);
    wf_put(t, " Step %u of %u.", x->t, s->max_steps);
}

static void put_tools(struct wf_text *t, const struct wf_scenario *s)
{
    static const char *const kind[] = {"Gathers evidence", "Acts on the ticket", "Ends the ticket"};

    for (uint32_t a = 0; a < s->n_tools; a++) {
        const struct wf_tool *tool = &s->tool[a];
        wf_put(t,
               "%s{\"type\":\"function\",\"function\":{\"name\":\"%s\",\"description\":\"%s%s%s. "
               "Cost ",
               a > 0 ? "," : "", tool->name, kind[tool->kind],
               tool->identifies ? " and identifies the task" : "",
               tool->irreversible ? "; cannot be undone" : "");
        wf_put_number(t, NULL, tool->cost);
        wf_put(t, ".\",\"parameters\":{\"type\":\"object\",\"properties\":{},"
                  "\"additionalProperties\":false}}}");
    }
}

/* What happened so far; the hidden truth once the ticket is over. */
static void put_progress(struct wf_text *t, const struct wf_scenario *s, const struct wf_ticket *k)
{
    uint32_t calls = 0;

    for (uint32_t a = 0; a < s->n_tools; a++)
        calls += k->calls[a];
    wf_put(t, "{\"outcome\":\"%s\",\"calls\":%u,\"wasted\":%u,\"violations\":%u",
           last_name[k->outcome], calls, k->wasted, k->violations);
    if (k->over) {
        wf_put(t, ",\"success\":%s,\"truth\":{\"task\":\"%s\",\"facts\":{",
               k->success ? "true" : "false", s->task[k->task].name);
        for (uint32_t f = 0; f < s->n_facts; f++)
            wf_put(t, "%s\"%s\":%s", f > 0 ? "," : "", s->fact[f].name,
                   (k->truth >> f & 1u) != 0 ? "true" : "false");
        wf_put(t, "}}");
    }
    wf_put(t, "}");
}

int32_t wf_render(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                  uint32_t dims[4])
{
    const struct wf_batch *b = batch;
    struct wf_text t = {buffer, cap_bytes, 0};

    if (row >= b->n_envs)
        return LATHE_E_INVALID;
    if (mode == LATHE_RENDER_TEXT) {
        put_sentences(&t, &b->scenario, &b->ticket[row].seen);
    } else if (mode == LATHE_RENDER_JSON) {
        wf_put(&t, "{\"state\":");
        put_state(&t, &b->scenario, &b->ticket[row].seen);
        wf_put(&t, ",\"text\":\"");
        put_sentences(&t, &b->scenario, &b->ticket[row].seen);
        wf_put(&t, "\",\"info\":");
        put_progress(&t, &b->scenario, &b->ticket[row]);
        wf_put(&t, ",\"max_steps\":%u,\"tools\":[", b->scenario.max_steps);
        put_tools(&t, &b->scenario);
        wf_put(&t, "]}");
    } else {
        return LATHE_E_UNSUPPORTED;
    }
    memset(dims, 0, 4 * sizeof *dims);
    dims[0] = (uint32_t)t.len + (wf_text_status(&t) == LATHE_OK ? 0u : 1u);
    return wf_text_status(&t);
}

/* ---- from JSON
 * ----------------------------------------------------------------------------------- */

static int32_t refuse(struct lathe_error *err, const char *field, const char *what)
{
    return env_fail(err, LATHE_E_INVALID, field, "state member %s: %s", field, what);
}

/* Index of a task by name; n_tasks when there is none. */
static uint32_t find_task(const struct wf_scenario *s, const char *task)
{
    uint32_t k = 0;

    while (k < s->n_tasks && (task == NULL || strcmp(s->task[k].name, task) != 0))
        k++;
    return k;
}

static int32_t read_facts(const struct wf_scenario *s, json_t *facts, struct wf_state *x,
                          struct lathe_error *err)
{
    if (facts == NULL)
        return LATHE_OK;
    if (!json_is_object(facts))
        return refuse(err, "facts", "expected an object");
    for (void *it = json_object_iter(facts); it != NULL; it = json_object_iter_next(facts, it)) {
        const json_t *v = json_object_iter_value(it);
        const char *word = json_is_string(v)  ? json_string_value(v)
                           : json_is_true(v)  ? "true"
                           : json_is_false(v) ? "false"
                           : json_is_null(v)  ? "unknown"
                                              : "";
        uint32_t f = 0;
        while (f < s->n_facts && strcmp(s->fact[f].name, json_object_iter_key(it)) != 0)
            f++;
        if (f == s->n_facts)
            return refuse(err, "facts", "names no fact of this scenario");
        if (strcmp(word, "true") == 0)
            x->known_true |= (uint8_t)(1u << f);
        else if (strcmp(word, "false") == 0)
            x->known_false |= (uint8_t)(1u << f);
        else if (strcmp(word, "unknown") != 0)
            return refuse(err, "facts", "a fact is \"true\", \"false\" or \"unknown\"");
    }
    return LATHE_OK;
}

static int32_t read_done(const struct wf_scenario *s, const json_t *done, struct wf_state *x,
                         struct lathe_error *err)
{
    if (done != NULL && !json_is_array(done))
        return refuse(err, "done", "expected an array of tool names");
    for (size_t i = 0; i < json_array_size(done); i++) {
        const char *tool = json_string_value(json_array_get(done, i));
        uint32_t a = 0;
        while (a < s->n_tools && (tool == NULL || strcmp(s->tool[a].name, tool) != 0))
            a++;
        if (a == s->n_tools)
            return refuse(err, "done", "names no tool of this scenario");
        x->done |= (uint16_t)(1u << a);
    }
    return LATHE_OK;
}

static int32_t read_last(const json_t *last, struct wf_state *x, struct lathe_error *err)
{
    const char *word = last == NULL || json_is_null(last) ? "none" : json_string_value(last);

    for (uint32_t k = 0; word != NULL && k < 5; k++)
        if (strcmp(last_name[k], word) == 0) {
            x->last = (uint8_t)(k == WF_VIOLATION ? WF_WASTED : k);
            return LATHE_OK;
        }
    return refuse(err, "last", "is none, ok, wasted or fault");
}

static int32_t read_members(const struct wf_scenario *s, json_t *o, struct wf_state *x,
                            struct lathe_error *err)
{
    static const char *const known[] = {"label", "task", "facts", "done", "last", "t"};
    const json_t *task = json_object_get(o, "task"), *t = json_object_get(o, "t");
    uint32_t label = find_task(s, json_string_value(json_object_get(o, "label")));
    int32_t st;

    if (!json_is_object(o))
        return refuse(err, "state", "expected an object");
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        uint32_t k = 0;
        while (k < 6 && strcmp(known[k], json_object_iter_key(it)) != 0)
            k++;
        if (k == 6)
            return refuse(err, json_object_iter_key(it), "unknown member");
    }
    if (label == s->n_tasks)
        return refuse(err, "label", "names no task of this scenario");
    x->label = (uint8_t)label;
    x->task = WF_UNIDENTIFIED;
    if (task != NULL && !json_is_null(task)) {
        const uint32_t k = find_task(s, json_string_value(task));
        if (k == s->n_tasks)
            return refuse(err, "task", "names no task of this scenario");
        x->task = (uint8_t)k;
    }
    if (t != NULL && (!json_is_integer(t) || json_integer_value(t) < 0 ||
                      json_integer_value(t) > (json_int_t)s->max_steps))
        return refuse(err, "t", "is a whole number up to the scenario's max_steps");
    x->t = (uint8_t)json_integer_value(t);
    if ((st = read_facts(s, json_object_get(o, "facts"), x, err)) != LATHE_OK ||
        (st = read_done(s, json_object_get(o, "done"), x, err)) != LATHE_OK)
        return st;
    return read_last(json_object_get(o, "last"), x, err);
}

int32_t wf_read_state(const struct wf_scenario *s, const char *json, struct wf_state *x,
                      struct lathe_error *err)
{
    json_error_t where;
    json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, &where);
    int32_t st;

    memset(x, 0, sizeof *x);
    if (o == NULL)
        return env_fail(err, LATHE_E_INVALID, "state", "line %d of the state: %s", where.line,
                        where.text);
    st = read_members(s, o, x, err);
    json_decref(o);
    return st;
}

int32_t wf_observe_json(void *batch, const char *state_json, void *obs, struct lathe_error *err)
{
    const struct wf_batch *b = batch;
    struct wf_state x;
    const int32_t st = wf_read_state(&b->scenario, state_json, &x, err);

    if (st == LATHE_OK)
        wf_observe(&b->scenario, &x, obs);
    return st;
}
