/* Reads scenario definitions: every member is checked against its limits, unknown members are
 * refused, plans must be acyclic. The canonical text and its digest identify a definition. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/workflow_mdp/scenario.h"

#include "plugins/env/common/env_base.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH 64
#define MAX_DEPTH 16
#define LIMIT_AMOUNT 1e6 /* seconds and tokens */

/* What is being read and where; the first failure is kept. */
struct reader {
    struct wf_scenario *s;
    struct lathe_error *err;
    int32_t st;
};

static int fail_at(struct reader *r, const char *path, const char *fmt, ...) LATHE_PRINTF(3, 4);

/* Records the first failure; always 0 so that callers can return it as "not read". */
static int fail_at(struct reader *r, const char *path, const char *fmt, ...)
{
    char text[LATHE_ERROR_TEXT];
    va_list args;

    if (r->st != LATHE_OK)
        return 0;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->st = env_fail(r->err, LATHE_E_INVALID, path, "scenario member %s: %s",
                     path[0] != '\0' ? path : "(document)", text);
    return 0;
}

static void join(char out[PATH], const char *path, const char *key)
{
    if (snprintf(out, PATH, "%s%s%s", path, path[0] != '\0' ? "." : "", key) >= PATH)
        out[PATH - 1] = '\0'; /* a path for people: cut is fine */
}

static void at_index(char out[PATH], const char *path, size_t i)
{
    if (snprintf(out, PATH, "%s[%zu]", path, i) >= PATH)
        out[PATH - 1] = '\0';
}

/* The object o may only have the members in keys (NULL-terminated). */
static int only(struct reader *r, const json_t *o, const char *path, const char *const *keys)
{
    char at[PATH];

    if (!json_is_object(o))
        return fail_at(r, path, "expected an object");
    for (void *it = json_object_iter((json_t *)(uintptr_t)o); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)o, it)) {
        const char *key = json_object_iter_key(it);
        uint32_t k = 0;
        while (keys[k] != NULL && strcmp(keys[k], key) != 0)
            k++;
        if (keys[k] == NULL) {
            join(at, path, key);
            return fail_at(r, at, "unknown member");
        }
    }
    return 1;
}

/* Number inside [lo, hi], or def when absent (NAN: required). */
static double number(struct reader *r, const json_t *o, const char *path, const char *key,
                     const double range[2], double def)
{
    const json_t *v = json_object_get(o, key);
    char at[PATH];
    double x;

    join(at, path, key);
    if (v == NULL) {
        if (isnan(def))
            (void)fail_at(r, at, "missing");
        return isnan(def) ? 0.0 : def;
    }
    if (!json_is_number(v)) {
        (void)fail_at(r, at, "expected a number");
        return 0.0;
    }
    x = json_number_value(v);
    if (!(x >= range[0] && x <= range[1])) {
        (void)fail_at(r, at, "must lie between %g and %g", range[0], range[1]);
        return 0.0;
    }
    return x;
}

static int flag(struct reader *r, const json_t *o, const char *path, const char *key, int def)
{
    const json_t *v = json_object_get(o, key);
    char at[PATH];

    if (v == NULL)
        return def;
    join(at, path, key);
    if (!json_is_boolean(v))
        (void)fail_at(r, at, "expected true or false");
    return json_is_true(v);
}

/* Free text of at most cap - 1 bytes, "" when absent. */
static void text(struct reader *r, const json_t *o, const char *key, char *out, size_t cap)
{
    const json_t *v = json_object_get(o, key);

    if (v == NULL)
        return;
    if (!json_is_string(v) || json_string_length(v) >= cap || strlen(json_string_value(v)) >= cap)
        (void)fail_at(r, key, "expected a text of at most %zu bytes", cap - 1);
    else
        (void)snprintf(out, cap, "%s", json_string_value(v));
}

/* A name: [a-z][a-z0-9_]{0,47}. */
static int name(struct reader *r, const json_t *o, const char *path, const char *key,
                char out[WF_NAME])
{
    const char *v = json_string_value(json_object_get(o, key));
    char at[PATH];

    join(at, path, key);
    if (v == NULL)
        return fail_at(r, at, "expected a name");
    if (strlen(v) >= WF_NAME || v[0] < 'a' || v[0] > 'z' ||
        v[strspn(v, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
        return fail_at(r, at, "a name is a letter and up to 47 of a-z, 0-9 and _");
    memcpy(out, v, strlen(v) + 1);
    return 1;
}

/* Array of at most max elements; absent counts as empty when least is 0. */
static size_t array(struct reader *r, const json_t *o, const char *path, const char *key,
                    const size_t bounds[2], const json_t **out)
{
    char at[PATH];

    join(at, path, key);
    *out = json_object_get(o, key);
    if (*out == NULL && bounds[0] == 0)
        return 0;
    if (!json_is_array(*out) || json_array_size(*out) < bounds[0] ||
        json_array_size(*out) > bounds[1]) {
        (void)fail_at(r, at, "expected an array of %zu to %zu elements", bounds[0], bounds[1]);
        return 0;
    }
    return json_array_size(*out);
}

static uint32_t tool_index(const struct wf_scenario *s, const char *tool)
{
    uint32_t k = 0;

    while (tool != NULL && k < s->n_tools && strcmp(s->tool[k].name, tool) != 0)
        k++;
    return tool == NULL ? s->n_tools : k;
}

static uint32_t fact_index(const struct wf_scenario *s, const char *fact)
{
    uint32_t k = 0;

    while (fact != NULL && k < s->n_facts && strcmp(s->fact[k].name, fact) != 0)
        k++;
    return fact == NULL ? s->n_facts : k;
}

/* Member key of o as a tool; n_tools after a failure. */
static uint32_t tool_member(struct reader *r, const json_t *o, const char *path, const char *key)
{
    const uint32_t k = tool_index(r->s, json_string_value(json_object_get(o, key)));
    char at[PATH];

    join(at, path, key);
    if (k == r->s->n_tools)
        (void)fail_at(r, at, "names no tool of this scenario");
    return k;
}

/* Member key of o as a set of tools. */
static uint32_t tool_set(struct reader *r, const json_t *o, const char *path, const char *key)
{
    static const size_t bounds[2] = {0, WF_MAX_TOOLS};
    const json_t *list;
    const size_t n = array(r, o, path, key, bounds, &list);
    uint32_t set = 0;
    char inner[PATH], at[PATH];

    join(inner, path, key);
    for (size_t i = 0; i < n; i++) {
        const uint32_t k = tool_index(r->s, json_string_value(json_array_get(list, i)));
        at_index(at, inner, i);
        if (k == r->s->n_tools)
            (void)fail_at(r, at, "names no tool of this scenario");
        else
            set |= 1u << k;
    }
    return set;
}

static void read_clause(struct reader *r, const json_t *list, const char *path,
                        struct wf_when *when)
{
    static const char *const keys[] = {"fact", "is", NULL};
    const uint32_t k = when->n++;
    char at[PATH];

    if (!json_is_array(list)) {
        (void)fail_at(r, path, "expected an array of {fact, is}");
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        uint32_t fact;
        at_index(at, path, i);
        if (!only(r, o, at, keys))
            return;
        fact = fact_index(r->s, json_string_value(json_object_get(o, "fact")));
        if (fact == r->s->n_facts)
            (void)fail_at(r, at, "names no fact of this scenario");
        else if (flag(r, o, at, "is", 1))
            when->t[k] |= (uint8_t)(1u << fact);
        else
            when->f[k] |= (uint8_t)(1u << fact);
    }
}

static void read_when(struct reader *r, const json_t *o, const char *path, struct wf_when *when)
{
    static const size_t bounds[2] = {0, WF_MAX_CLAUSES};
    const json_t *list;
    const size_t n = array(r, o, path, "when", bounds, &list);
    char inner[PATH], at[PATH];

    join(inner, path, "when");
    for (size_t i = 0; i < n; i++) {
        at_index(at, inner, i);
        read_clause(r, json_array_get(list, i), at, when);
    }
}

static void read_tool(struct reader *r, const json_t *o, const char *path)
{
    static const char *const keys[] = {"name",   "kind",       "cost",         "fault", "seconds",
                                       "tokens", "identifies", "irreversible", NULL};
    static const char *const kinds[] = {"probe", "act", "final"};
    static const double unit[2] = {0, 1}, money[2] = {0, 1000}, amount[2] = {0, LIMIT_AMOUNT};
    struct wf_tool *t = &r->s->tool[r->s->n_tools];
    const char *kind;
    uint32_t k = 0;

    if (!only(r, o, path, keys) || !name(r, o, path, "name", t->name))
        return;
    if (tool_index(r->s, t->name) < r->s->n_tools)
        (void)fail_at(r, path, "the tool %s exists twice", t->name);
    kind = json_string_value(json_object_get(o, "kind"));
    while (kind != NULL && k < 3 && strcmp(kinds[k], kind) != 0)
        k++;
    if (kind == NULL || k == 3)
        (void)fail_at(r, path, "kind must be probe, act or final");
    t->kind = k == 1 ? WF_ACT : k == 2 ? WF_FINAL : WF_PROBE;
    t->cost = number(r, o, path, "cost", money, 0.0);
    t->fault = number(r, o, path, "fault", unit, 0.0);
    t->seconds = number(r, o, path, "seconds", amount, 0.0);
    t->tokens = number(r, o, path, "tokens", amount, 0.0);
    t->identifies = flag(r, o, path, "identifies", 0);
    t->irreversible = flag(r, o, path, "irreversible", 0);
    if (t->identifies && t->kind != WF_PROBE)
        (void)fail_at(r, path, "only a probe identifies the task");
    if (t->kind == WF_FINAL && t->fault > 0)
        (void)fail_at(r, path, "a final has no fault");
    r->s->n_tools++;
}

static void read_fact(struct reader *r, const json_t *o, const char *path)
{
    static const char *const keys[] = {"name", "revealed_by", "detect", "bonus", NULL};
    static const double unit[2] = {0, 1}, money[2] = {-1000, 1000};
    struct wf_fact *f = &r->s->fact[r->s->n_facts];

    if (!only(r, o, path, keys) || !name(r, o, path, "name", f->name))
        return;
    if (fact_index(r->s, f->name) < r->s->n_facts)
        (void)fail_at(r, path, "the fact %s exists twice", f->name);
    f->revealed_by = tool_member(r, o, path, "revealed_by");
    f->detect = number(r, o, path, "detect", unit, 1.0);
    f->bonus = number(r, o, path, "bonus", money, 0.0);
    if (f->revealed_by < r->s->n_tools) {
        if (r->s->tool[f->revealed_by].kind == WF_FINAL)
            (void)fail_at(r, path, "a final reveals nothing");
        r->s->tool[f->revealed_by].reveals |= (uint8_t)(1u << r->s->n_facts);
    }
    r->s->n_facts++;
}

static void read_item(struct reader *r, const json_t *o, const char *path, struct wf_task *task)
{
    static const char *const keys[] = {"tool",     "when", "after",   "required",
                                       "progress", "pass", "on_fail", NULL};
    static const double unit[2] = {0, 1}, money[2] = {-1000, 1000};
    struct wf_item *item;
    uint32_t tool;

    if (!only(r, o, path, keys) || (tool = tool_member(r, o, path, "tool")) == r->s->n_tools)
        return;
    item = &task->item[tool];
    if (item->present)
        (void)fail_at(r, path, "the plan has %s twice", r->s->tool[tool].name);
    if (r->s->tool[tool].kind == WF_FINAL)
        (void)fail_at(r, path, "a final is not part of a plan; list it under finals");
    item->present = 1;
    read_when(r, o, path, &item->when);
    item->after = tool_set(r, o, path, "after");
    item->required = flag(r, o, path, "required", 1);
    item->progress = number(r, o, path, "progress", money, 1.0);
    item->pass = number(r, o, path, "pass", unit, 1.0);
    item->on_fail = tool_set(r, o, path, "on_fail");
    if (item->when.n == 1 && item->when.f[0] == 0 && r->s->tool[tool].kind == WF_ACT)
        for (uint32_t f = 0; f < r->s->n_facts; f++)
            if (item->when.t[0] == 1u << f)
                task->repairs[f] |= (uint16_t)(1u << tool);
}

/* Removes tools whose predecessors are all gone until none is left, or refuses. */
static void check_acyclic(struct reader *r, const struct wf_task *task, const char *path)
{
    uint32_t left = 0;
    int moved = 1;
    char at[PATH];

    for (uint32_t a = 0; a < r->s->n_tools; a++)
        left |= task->item[a].present ? 1u << a : 0;
    while (moved) {
        moved = 0;
        for (uint32_t a = 0; a < r->s->n_tools; a++)
            if ((left >> a & 1u) != 0 && (task->item[a].after & left) == 0) {
                left &= ~(1u << a);
                moved = 1;
            }
    }
    join(at, path, "plan");
    for (uint32_t a = 0; a < r->s->n_tools && left != 0; a++)
        if ((left >> a & 1u) != 0) {
            (void)fail_at(r, at, "the order of %s is a cycle", r->s->tool[a].name);
            return;
        }
}

static void read_priors(struct reader *r, const json_t *o, const char *path, struct wf_task *task)
{
    static const double unit[2] = {0, 1};
    const char *keys[WF_MAX_FACTS + 1] = {NULL};
    const json_t *priors = json_object_get(o, "priors");
    char at[PATH];

    if (priors == NULL)
        return;
    join(at, path, "priors");
    for (uint32_t f = 0; f < r->s->n_facts; f++)
        keys[f] = r->s->fact[f].name;
    if (!only(r, priors, at, keys))
        return;
    for (uint32_t f = 0; f < r->s->n_facts; f++) {
        task->prior[f] = number(r, priors, at, keys[f], unit, 0.0);
        task->possible |= (uint8_t)(task->prior[f] > 0 ? 1u << f : 0);
    }
}

static void read_finals(struct reader *r, const json_t *o, const char *path, struct wf_task *task)
{
    static const char *const keys[] = {"tool", "when", NULL};
    static const size_t bounds[2] = {1, WF_MAX_TOOLS};
    const json_t *list;
    const size_t n = array(r, o, path, "finals", bounds, &list);
    char inner[PATH], at[PATH];

    join(inner, path, "finals");
    for (size_t i = 0; i < n && r->st == LATHE_OK; i++) {
        const json_t *rule = json_array_get(list, i);
        struct wf_final *f = &task->final[task->n_finals];
        at_index(at, inner, i);
        if (!only(r, rule, at, keys) ||
            (f->tool = tool_member(r, rule, at, "tool")) == r->s->n_tools)
            return;
        if (r->s->tool[f->tool].kind != WF_FINAL)
            (void)fail_at(r, at, "%s is not a final", r->s->tool[f->tool].name);
        read_when(r, rule, at, &f->when);
        task->n_finals++;
    }
}

static void read_task(struct reader *r, const json_t *o, const char *path)
{
    static const char *const keys[] = {"id", "weight", "priors", "plan", "finals", NULL};
    static const size_t bounds[2] = {0, WF_MAX_TOOLS};
    static const double unit[2] = {0, 1};
    struct wf_task *task = &r->s->task[r->s->n_tasks];
    const json_t *plan;
    char inner[PATH], at[PATH];
    size_t n;

    if (!only(r, o, path, keys) || !name(r, o, path, "id", task->name))
        return;
    for (uint32_t k = 0; k < r->s->n_tasks; k++)
        if (strcmp(r->s->task[k].name, task->name) == 0)
            (void)fail_at(r, path, "the task %s exists twice", task->name);
    task->weight = number(r, o, path, "weight", unit, (double)NAN);
    read_priors(r, o, path, task);
    n = array(r, o, path, "plan", bounds, &plan);
    join(inner, path, "plan");
    for (size_t i = 0; i < n; i++) {
        at_index(at, inner, i);
        read_item(r, json_array_get(plan, i), at, task);
    }
    check_acyclic(r, task, path);
    read_finals(r, o, path, task);
    r->s->n_tasks++;
}

typedef void element_fn(struct reader *r, const json_t *o, const char *path);

static void read_elements(struct reader *r, const json_t *doc, const char *key,
                          const size_t bounds[2], element_fn *read)
{
    const json_t *list;
    const size_t n = array(r, doc, "", key, bounds, &list);
    char at[PATH];

    for (size_t i = 0; i < n && r->st == LATHE_OK; i++) {
        at_index(at, key, i);
        read(r, json_array_get(list, i), at);
    }
}

static void read_rewards(struct reader *r, const json_t *doc)
{
    static const char *const keys[] = {"success", "failure", "wasted", "violation", NULL};
    static const double money[2] = {-1000, 1000};
    json_t *empty = json_object();
    const json_t *o = json_object_get(doc, "rewards");

    if (o == NULL)
        o = empty;
    if (only(r, o, "rewards", keys)) {
        r->s->success = number(r, o, "rewards", "success", money, 10.0);
        r->s->failure = number(r, o, "rewards", "failure", money, -10.0);
        r->s->wasted = number(r, o, "rewards", "wasted", money, -0.5);
        r->s->violation = number(r, o, "rewards", "violation", money, -3.0);
    }
    json_decref(empty);
}

static void check_whole(struct reader *r)
{
    const struct wf_scenario *s = r->s;
    uint32_t n_identify = 0, n_final = 0;
    double weight = 0;

    for (uint32_t a = 0; a < s->n_tools; a++) {
        n_identify += s->tool[a].identifies != 0;
        n_final += s->tool[a].kind == WF_FINAL;
    }
    for (uint32_t k = 0; k < s->n_tasks; k++)
        weight += s->task[k].weight;
    if (n_identify == 0)
        (void)fail_at(r, "tools", "at least one probe must identify the task");
    if (n_final == 0)
        (void)fail_at(r, "tools", "at least one tool must be a final");
    if (fabs(weight - 1.0) > 1e-6)
        (void)fail_at(r, "tasks", "the weights sum to %g, not 1", weight);
    if (s->n_tasks == 1 && s->label_noise > 0)
        (void)fail_at(r, "label_noise", "needs at least two tasks");
}

static void read_document(struct reader *r, const json_t *doc)
{
    static const char *const keys[] = {"id",        "name",        "description", "difficulty",
                                       "max_steps", "label_noise", "rewards",     "tools",
                                       "facts",     "tasks",       NULL};
    static const size_t tools[2] = {2, WF_MAX_TOOLS}, facts[2] = {0, WF_MAX_FACTS},
                        tasks[2] = {1, WF_MAX_TASKS};
    static const double unit[2] = {0, 1}, steps[2] = {1, WF_MAX_STEPS};
    double max_steps;

    if (!only(r, doc, "", keys) || !name(r, doc, "", "id", r->s->id))
        return;
    text(r, doc, "name", r->s->name, sizeof r->s->name);
    text(r, doc, "description", r->s->description, sizeof r->s->description);
    text(r, doc, "difficulty", r->s->difficulty, sizeof r->s->difficulty);
    max_steps = number(r, doc, "", "max_steps", steps, (double)NAN);
    r->s->max_steps = (uint32_t)max_steps;
    if ((double)r->s->max_steps != max_steps)
        (void)fail_at(r, "max_steps", "expected a whole number");
    r->s->label_noise = number(r, doc, "", "label_noise", unit, 0.0);
    read_rewards(r, doc);
    if (r->st == LATHE_OK)
        read_elements(r, doc, "tools", tools, read_tool);
    if (r->st == LATHE_OK)
        read_elements(r, doc, "facts", facts, read_fact);
    if (r->st == LATHE_OK)
        read_elements(r, doc, "tasks", tasks, read_task);
    if (r->st == LATHE_OK)
        check_whole(r);
}

/* ---- canonical text
 * -------------------------------------------------------------------------------- */

struct growing {
    char *data;
    size_t len, cap;
    int failed;
};

static void put(struct growing *g, const char *data, size_t len)
{
    if (g->failed)
        return;
    if (g->len + len + 1 > g->cap) {
        const size_t cap = 2 * (g->len + len + 1);
        char *p = realloc(g->data, cap);
        if (p == NULL) {
            g->failed = 1;
            return;
        }
        g->data = p;
        g->cap = cap;
    }
    memcpy(g->data + g->len, data, len);
    g->len += len;
    g->data[g->len] = '\0';
}

static void put_text(struct growing *g, const char *text_in)
{
    put(g, text_in, strlen(text_in));
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys of o in byte order; the caller frees the array, the strings belong to o. */
static const char **sorted_keys(json_t *o)
{
    const char **keys = calloc(json_object_size(o) + 1, sizeof *keys);
    size_t n = 0;

    for (void *it = json_object_iter(o); keys != NULL && it != NULL;
         it = json_object_iter_next(o, it))
        keys[n++] = json_object_iter_key(it);
    if (keys != NULL)
        qsort(keys, n, sizeof *keys, compare_keys);
    return keys;
}

static void put_string(struct growing *g, const char *value)
{
    json_t *s = json_string(value);
    char *dump = s == NULL ? NULL : json_dumps(s, JSON_ENCODE_ANY | JSON_COMPACT);

    if (dump == NULL)
        g->failed = 1;
    else
        put_text(g, dump);
    free(dump);
    json_decref(s);
}

static void put_scalar(struct growing *g, const json_t *v)
{
    char number_text[32];

    if (json_is_string(v)) {
        put_string(g, json_string_value(v));
    } else if (json_is_integer(v)) {
        (void)snprintf(number_text, sizeof number_text, "%" JSON_INTEGER_FORMAT,
                       json_integer_value(v));
        put_text(g, number_text);
    } else if (json_is_real(v)) {
        wf_number(json_real_value(v), number_text);
        put_text(g, number_text);
    } else {
        put_text(g, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
    }
}

/* An object or array being written. */
struct level {
    json_t *value;
    const char **keys;
    size_t next;
};

/* Writes doc without recursion; nesting is limited by MAX_DEPTH, which no valid definition reaches.
 */
static void put_document(struct growing *g, json_t *doc)
{
    struct level stack[MAX_DEPTH];
    size_t depth = 1;

    stack[0] = (struct level){doc, sorted_keys(doc), 0};
    put_text(g, "{");
    while (depth > 0) {
        struct level *l = &stack[depth - 1];
        const int is_object = json_is_object(l->value);
        const size_t n = is_object ? json_object_size(l->value) : json_array_size(l->value);
        json_t *child;
        if (l->next == n || g->failed || (is_object && l->keys == NULL)) {
            g->failed |= is_object && l->keys == NULL;
            put_text(g, is_object ? "}" : "]");
            free(l->keys);
            depth--;
            continue;
        }
        if (l->next > 0)
            put_text(g, ",");
        if (is_object) {
            put_string(g, l->keys[l->next]);
            put_text(g, ":");
        }
        child = is_object ? json_object_get(l->value, l->keys[l->next])
                          : json_array_get(l->value, l->next);
        l->next++;
        if (!json_is_object(child) && !json_is_array(child)) {
            put_scalar(g, child);
        } else if (depth == MAX_DEPTH) {
            g->failed = 1;
        } else {
            stack[depth++] =
                (struct level){child, json_is_object(child) ? sorted_keys(child) : NULL, 0};
            put_text(g, json_is_object(child) ? "{" : "[");
        }
    }
}

int32_t wf_scenario_read(struct wf_scenario *s, const char *json, size_t len,
                         struct lathe_error *err)
{
    struct reader r = {s, err, LATHE_OK};
    struct growing g = {NULL, 0, 0, 0};
    json_error_t where;
    json_t *doc;

    memset(s, 0, sizeof *s);
    if ((doc = json_loadb(json, len, JSON_REJECT_DUPLICATES, &where)) == NULL)
        return env_fail(err, LATHE_E_INVALID, "definition", "line %d of the scenario: %s",
                        where.line, where.text);
    read_document(&r, doc);
    if (r.st == LATHE_OK) {
        put_document(&g, doc);
        s->canonical = g.data;
        if (g.failed)
            r.st = env_fail(err, LATHE_E_NOMEM, "definition",
                            "no memory for the scenario's canonical text");
        else
            wf_sha256(g.data, g.len, s->sha256);
    }
    json_decref(doc);
    return r.st;
}

void wf_scenario_fini(struct wf_scenario *s)
{
    free(s->canonical);
    s->canonical = NULL;
}
