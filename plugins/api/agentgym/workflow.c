/* What can be seen next: the outcomes of a call, as an agent would see them, from a scenario's
 * definition. Rewards play no part here; the environment itself is elsewhere. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/table.h"

struct clause {
    uint8_t t, f;
};

struct item {
    int present, required;
    uint32_t n_when;
    struct clause when[8];
    uint32_t after, on_fail; /* bits of tools */
    double pass;
};

struct task {
    double weight, prior[GYM_FACTS_MAX];
    struct item item[GYM_TOOLS_MAX];
};

struct tool {
    int is_final, identifies;
    double fault;
};

struct workflow {
    uint32_t n_tools, n_facts, n_tasks, max_steps;
    double label_noise, detect[GYM_FACTS_MAX];
    uint32_t revealed_by[GYM_FACTS_MAX];
    struct tool tool[GYM_TOOLS_MAX];
    struct task task[GYM_TASKS_MAX];
};

/* ---- reading ---- */

static uint32_t index_of(const char (*names)[48], int n, const char *name)
{
    int i;

    for (i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return (uint32_t)i;
    return UINT32_MAX;
}

static uint32_t tool_bits(const struct lathe_json_service *j, const struct lathe_json *list,
                          const struct scenario *s)
{
    uint32_t bits = 0, i, t;

    for (i = 0; i < j->count(list); i++) {
        t = index_of(s->tool, s->n_tools, j->as_string(j->at(list, i), "", NULL));
        if (t < GYM_TOOLS_MAX)
            bits |= 1u << t;
    }
    return bits;
}

static void read_when(const struct lathe_json_service *j, const struct lathe_json *when,
                      const struct scenario *s, struct item *item)
{
    uint32_t i, k, fact;

    for (i = 0; i < j->count(when) && i < 8; i++) {
        const struct lathe_json *clause = j->at(when, i);

        for (k = 0; k < j->count(clause); k++) {
            const struct lathe_json *c = j->at(clause, k);

            fact = index_of(s->fact, s->n_facts, j->get_string(c, "fact", ""));
            if (fact >= GYM_FACTS_MAX)
                continue;
            if (j->get_bool(c, "is", 1))
                item->when[i].t |= (uint8_t)(1u << fact);
            else
                item->when[i].f |= (uint8_t)(1u << fact);
        }
        item->n_when = i + 1;
    }
}

static void read_task(const struct lathe_json_service *j, const struct lathe_json *from,
                      const struct scenario *s, struct task *task)
{
    const struct lathe_json *plan = j->get(from, "plan"), *priors = j->get(from, "priors");
    uint32_t i, t;

    task->weight = j->get_float(from, "weight", 1);
    for (i = 0; i < (uint32_t)s->n_facts; i++)
        task->prior[i] = j->get_float(priors, s->fact[i], 0);
    for (i = 0; i < j->count(plan); i++) {
        const struct lathe_json *p = j->at(plan, i);
        struct item *item;

        t = index_of(s->tool, s->n_tools, j->get_string(p, "tool", ""));
        if (t >= GYM_TOOLS_MAX)
            continue;
        item = &task->item[t];
        item->present = 1;
        item->required = j->get_bool(p, "required", 1);
        item->pass = j->get_float(p, "pass", 1);
        item->after = tool_bits(j, j->get(p, "after"), s);
        item->on_fail = tool_bits(j, j->get(p, "on_fail"), s);
        read_when(j, j->get(p, "when"), s, item);
    }
}

struct workflow *workflow_open(struct gym *gym, const struct scenario *s)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_json *def = api_parse(&gym->kit, s->definition);
    struct workflow *flow = calloc(1, sizeof *flow);
    uint32_t i;

    if (!flow || !def) {
        free(flow);
        j->release(def);
        return NULL;
    }
    flow->n_tools = (uint32_t)s->n_tools;
    flow->n_facts = (uint32_t)s->n_facts;
    flow->n_tasks = (uint32_t)s->n_tasks;
    flow->max_steps = (uint32_t)s->max_steps;
    flow->label_noise = j->get_float(def, "label_noise", 0);
    for (i = 0; i < flow->n_tools; i++) {
        const struct lathe_json *t = j->at(j->get(def, "tools"), i);

        flow->tool[i].is_final = !strcmp(j->get_string(t, "kind", ""), "final");
        flow->tool[i].identifies = j->get_bool(t, "identifies", 0);
        flow->tool[i].fault = flow->tool[i].is_final ? 0 : j->get_float(t, "fault", 0);
    }
    for (i = 0; i < flow->n_facts; i++) {
        const struct lathe_json *f = j->at(j->get(def, "facts"), i);

        flow->revealed_by[i] = index_of(s->tool, s->n_tools, j->get_string(f, "revealed_by", ""));
        flow->detect[i] = j->get_float(f, "detect", 1);
    }
    for (i = 0; i < flow->n_tasks; i++)
        read_task(j, j->at(j->get(def, "tasks"), i), s, &flow->task[i]);
    j->release(def);
    return flow;
}

void workflow_close(struct workflow *flow)
{
    free(flow);
}

/* ---- rules ---- */

static int holds(const struct item *item, const struct table_state *x)
{
    uint32_t i;

    for (i = 0; i < item->n_when; i++)
        if (!(item->when[i].t & ~x->known_true) && !(item->when[i].f & ~x->known_false))
            return 1;
    return !item->n_when;
}

static int is_due(const struct workflow *flow, const struct task *task, const struct table_state *x,
                  uint32_t a)
{
    const struct item *item = &task->item[a];
    uint32_t t;

    if (!item->present || (x->done >> a & 1) || !holds(item, x))
        return 0;
    for (t = 0; t < flow->n_tools; t++)
        if ((item->after >> t & 1) && !(x->done >> t & 1) && task->item[t].present &&
            holds(&task->item[t], x))
            return 0;
    return 1;
}

static int gate_is_open(const struct workflow *flow, const struct table_state *x)
{
    uint32_t t;

    if (x->task == TABLE_UNKNOWN)
        return 0;
    for (t = 0; t < flow->n_tools; t++) {
        const struct item *item = &flow->task[x->task].item[t];

        if (item->present && item->required && !(x->done >> t & 1) && holds(item, x))
            return 0;
    }
    return 1;
}

/* Where outcomes go, after the step limit is applied. */
struct outlet {
    const struct workflow *flow;
    workflow_next_fn next;
    void *user;
};

static void emit(const struct outlet *out, struct table_state x, enum table_last last,
                 double probability)
{
    x.last = (uint8_t)last;
    if (probability > 0 && x.t < out->flow->max_steps)
        out->next(out->user, &x, probability);
}

/* The facts that tool a reveals, one after the other: each splits the outcome in two. */
static void reveal(const struct outlet *out, struct table_state x, uint32_t a, double probability)
{
    const struct workflow *flow = out->flow;
    const struct task *task = &flow->task[x.task];
    uint8_t open[GYM_FACTS_MAX];
    uint32_t n = 0, f, k, mask;

    for (f = 0; f < flow->n_facts; f++)
        if (flow->revealed_by[f] == a && task->prior[f] > 0 &&
            !((x.known_true | x.known_false) >> f & 1))
            open[n++] = (uint8_t)f;
    for (mask = 0; mask < 1u << n; mask++) {
        struct table_state y = x;
        double p = probability;

        for (k = 0; k < n; k++) {
            double found = task->prior[open[k]] * flow->detect[open[k]];

            if (mask >> k & 1)
                y.known_true |= (uint8_t)(1u << open[k]);
            else
                y.known_false |= (uint8_t)(1u << open[k]);
            p *= (mask >> k & 1) ? found : 1 - found;
        }
        emit(out, y, LAST_OK, p);
    }
}

/* A call that is due: done when it passes, else it un-does others. */
static void apply(const struct outlet *out, struct table_state x, uint32_t a, double probability)
{
    const struct item *item = &out->flow->task[x.task].item[a];
    struct table_state undone = x;

    if (item->pass < 1) {
        undone.done &= (uint16_t)~item->on_fail;
        emit(out, undone, LAST_OK, probability * (1 - item->pass));
    }
    x.done |= (uint16_t)(1u << a);
    reveal(out, x, a, probability * item->pass);
}

/* Chance that the hidden task is k, given the label. */
static double posterior(const struct workflow *flow, uint32_t label, uint32_t k)
{
    double sum = 0, mine = 0, p;
    uint32_t i;

    for (i = 0; i < flow->n_tasks; i++) {
        if (flow->n_tasks == 1)
            p = 1;
        else
            p = i == label ? 1 - flow->label_noise : flow->label_noise / (flow->n_tasks - 1);
        p *= flow->task[i].weight;
        sum += p;
        if (i == k)
            mine = p;
    }
    return sum > 0 ? mine / sum : 0;
}

static void identify(const struct outlet *out, const struct table_state *x, uint32_t a,
                     double probability)
{
    const struct workflow *flow = out->flow;
    uint32_t k;

    for (k = 0; k < flow->n_tasks; k++) {
        struct table_state y = *x;
        double p = probability * posterior(flow, x->label, k);

        y.task = (uint8_t)k;
        if (p > 0 && is_due(flow, &flow->task[k], &y, a))
            apply(out, y, a, p);
        else
            emit(out, y, LAST_OK, p);
    }
}

void workflow_step(const struct workflow *flow, const struct table_state *x, uint32_t a,
                   workflow_next_fn next, void *user)
{
    const struct outlet out = {flow, next, user};
    const struct tool *tool = &flow->tool[a];
    struct table_state y = *x;

    y.t++;
    if (tool->is_final) {
        if (!gate_is_open(flow, x))
            emit(&out, y, LAST_WASTED, 1);
        return;
    }
    emit(&out, y, LAST_FAULT, tool->fault);
    if (x->task == TABLE_UNKNOWN && tool->identifies)
        identify(&out, &y, a, 1 - tool->fault);
    else if (x->task != TABLE_UNKNOWN && is_due(flow, &flow->task[x->task], x, a))
        apply(&out, y, a, 1 - tool->fault);
    else
        emit(&out, y, LAST_WASTED, 1 - tool->fault);
}

void workflow_start(const struct workflow *flow, workflow_next_fn next, void *user)
{
    const struct outlet out = {flow, next, user};
    double total = 0, p;
    uint32_t label, k;

    for (k = 0; k < flow->n_tasks; k++)
        total += flow->task[k].weight;
    for (label = 0; label < flow->n_tasks; label++) {
        struct table_state x = {.label = (uint8_t)label, .task = TABLE_UNKNOWN};

        for (k = 0, p = 0; k < flow->n_tasks; k++)
            p += flow->task[k].weight / (total > 0 ? total : 1) *
                 (k == label          ? 1 - (flow->n_tasks > 1 ? flow->label_noise : 0)
                  : flow->n_tasks > 1 ? flow->label_noise / (flow->n_tasks - 1)
                                      : 0);
        emit(&out, x, LAST_NONE, p);
    }
}
