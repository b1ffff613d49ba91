/* The rules of the workflow game: reset draws, gate, plan, faults, rewards, observation. The order
 * of the draws is part of the definition; recorded tickets depend on it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/workflow_mdp/engine.h"

#include "lathe/rng.h"

#include <string.h>

static uint32_t draw_task(const struct wf_scenario *s, uint64_t *stream)
{
    const double u = lathe_splitmix_double(stream);
    double sum = 0;

    for (uint32_t k = 0; k < s->n_tasks; k++) {
        sum += s->task[k].weight;
        if (u < sum)
            return k;
    }
    return s->n_tasks - 1;
}

void wf_start(const struct wf_scenario *s, struct wf_ticket *t, uint64_t stream)
{
    uint32_t k, label;

    memset(t, 0, sizeof *t);
    t->stream = stream;
    k = label = draw_task(s, &t->stream);
    if (s->label_noise > 0 && lathe_splitmix_double(&t->stream) < s->label_noise) {
        const uint32_t j = (uint32_t)(lathe_splitmix_double(&t->stream) * (double)(s->n_tasks - 1));
        label = j < k ? j : j + 1;
    }
    t->task = (uint8_t)k;
    t->seen.label = (uint8_t)label;
    t->seen.task = WF_UNIDENTIFIED;
    t->final_tool = 255;
    for (uint32_t f = 0; f < s->n_facts; f++)
        if (lathe_splitmix_double(&t->stream) < s->task[k].prior[f])
            t->truth |= (uint8_t)(1u << f);
}

/* Does the plan ask for tool a at all, as far as the known facts tell? */
static int is_wanted(const struct wf_task *task, const struct wf_state *x, uint32_t a)
{
    return task->item[a].present && wf_holds(&task->item[a].when, x->known_true, x->known_false);
}

int wf_is_due(const struct wf_task *task, const struct wf_state *x, uint32_t a, uint32_t n_tools)
{
    const uint32_t open = task->item[a].after & ~(uint32_t)x->done;

    if (!is_wanted(task, x, a) || (x->done >> a & 1u) != 0)
        return 0;
    for (uint32_t b = 0; b < n_tools; b++)
        if ((open >> b & 1u) != 0 && is_wanted(task, x, b))
            return 0;
    return 1;
}

int wf_gate_is_open(const struct wf_task *task, const struct wf_state *x, uint32_t n_tools)
{
    for (uint32_t a = 0; a < n_tools; a++)
        if (task->item[a].required && is_wanted(task, x, a) && (x->done >> a & 1u) == 0)
            return 0;
    return 1;
}

int wf_is_right(const struct wf_task *task, uint32_t truth, uint32_t a)
{
    for (uint32_t k = 0; k < task->n_finals; k++)
        if (task->final[k].tool == a && wf_holds(&task->final[k].when, truth, ~truth))
            return 1;
    return 0;
}

/* A due item succeeds (or fails its check); returns what it pays. */
static double apply(const struct wf_scenario *s, struct wf_ticket *t, uint32_t a)
{
    const struct wf_task *task = &s->task[t->task];
    const struct wf_item *item = &task->item[a];
    double pay = item->progress;

    if (item->pass < 1.0 && lathe_splitmix_double(&t->stream) >= item->pass) {
        t->seen.done &= (uint16_t)~item->on_fail;
        return 0.0;
    }
    t->seen.done |= (uint16_t)(1u << a);
    for (uint32_t f = 0; f < s->n_facts; f++) {
        const uint8_t bit = (uint8_t)(1u << f);
        if (((s->tool[a].reveals & task->possible) & bit) == 0 ||
            ((t->seen.known_true | t->seen.known_false) & bit) != 0)
            continue;
        if ((t->truth & bit) != 0 && lathe_splitmix_double(&t->stream) < s->fact[f].detect) {
            t->seen.known_true |= bit;
            pay += s->fact[f].bonus;
        } else {
            t->seen.known_false |= bit;
        }
    }
    return pay;
}

static double refuse(const struct wf_scenario *s, struct wf_ticket *t, uint32_t a)
{
    if (s->tool[a].irreversible) {
        t->violations++;
        t->outcome = WF_VIOLATION;
        return s->violation;
    }
    t->wasted++;
    t->outcome = WF_WASTED;
    return s->wasted;
}

/* A tool that is not a final. */
static double call_tool(const struct wf_scenario *s, struct wf_ticket *t, uint32_t a)
{
    const struct wf_task *task = &s->task[t->task];

    if (lathe_splitmix_double(&t->stream) < s->tool[a].fault) {
        t->faults++;
        t->outcome = WF_FAULT;
        return 0.0;
    }
    if (t->seen.task == WF_UNIDENTIFIED) {
        if (!s->tool[a].identifies)
            return refuse(s, t, a);
        t->seen.task = t->task;
    } else if (!wf_is_due(task, &t->seen, a, s->n_tools)) {
        return refuse(s, t, a);
    }
    t->outcome = WF_OK;
    t->ok[a]++;
    return wf_is_due(task, &t->seen, a, s->n_tools) ? apply(s, t, a) : 0.0;
}

double wf_step(const struct wf_scenario *s, struct wf_ticket *t, uint32_t a, double *terminal)
{
    const struct wf_tool *tool = &s->tool[a];
    const struct wf_task *task = &s->task[t->task];
    double reward = -tool->cost;

    *terminal = 0;
    t->seen.t++;
    t->sim_tokens += tool->tokens;
    t->sim_seconds += tool->seconds;
    if (tool->kind == WF_FINAL && t->seen.task != WF_UNIDENTIFIED &&
        wf_gate_is_open(task, &t->seen, s->n_tools)) {
        t->over = 1;
        t->final_tool = (uint8_t)a;
        t->right = (uint8_t)wf_is_right(task, t->truth, a);
        t->success = t->right && t->violations == 0 && t->wasted <= 2;
        t->outcome = WF_OK;
        *terminal = t->right ? s->success : s->failure;
    } else {
        t->calls[a]++;
        if (tool->kind == WF_FINAL) {
            t->wasted++;
            t->outcome = WF_WASTED;
            reward += s->wasted;
        } else {
            reward += call_tool(s, t, a);
        }
        if (t->seen.t >= s->max_steps) {
            t->over = 2;
            *terminal = s->failure;
        }
    }
    t->seen.last = t->outcome == WF_VIOLATION ? WF_WASTED : (uint8_t)t->outcome;
    return reward + *terminal;
}

uint32_t wf_obs_dim(const struct wf_scenario *s)
{
    return 2 * s->n_tasks + 2 * s->n_facts + s->n_tools + 5;
}

void wf_observe(const struct wf_scenario *s, const struct wf_state *x, float *obs)
{
    memset(obs, 0, wf_obs_dim(s) * sizeof *obs);
    obs[x->label] = 1.0f;
    obs += s->n_tasks;
    if (x->task != WF_UNIDENTIFIED)
        obs[x->task] = 1.0f;
    obs += s->n_tasks;
    for (uint32_t f = 0; f < s->n_facts; f++, obs += 2) {
        obs[0] = (float)(x->known_true >> f & 1u);
        obs[1] = (float)(x->known_false >> f & 1u);
    }
    for (uint32_t a = 0; a < s->n_tools; a++)
        *obs++ = (float)(x->done >> a & 1u);
    obs[x->last] = 1.0f;
    obs[4] = (float)((double)x->t / (double)s->max_steps);
}
