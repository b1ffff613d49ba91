/* Dynamic programming: states are collected layer by layer (t never falls), values computed
 * backwards, then the mass of tickets is pushed forwards under a policy to get its success, calls
 * and costs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/workflow_mdp/solve.h"

#include "lathe/rng.h"
#include "plugins/env/common/env_base.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OUTCOMES (WF_MAX_TASKS * 2 * 256 + 4)
#define N_MARKS \
    4 /* 0, 1, 2 wasted calls without a violation; beyond that a ticket cannot succeed */
#define NOT_FOUND UINT32_MAX
#define TIE 1e-10

/* One thing that can happen after an action. */
struct outcome {
    double p, reward, terminal;
    struct wf_state next;
    uint8_t kind, over, right; /* kind: enum wf_outcome */
};

struct wf_solver {
    const struct wf_scenario *s;
    int sparse;
    struct wf_analysis analysis;
    uint32_t n, cap, n_slots; /* states, room, hash slots (a power of two) */
    struct wf_state *state;
    uint32_t *slot; /* index + 1, 0 = free */
    double *value;
    uint8_t *best;
    double (*mass)[N_MARKS];
    struct outcome *out;
    uint64_t n_outcomes;
};

static uint64_t key_of(const struct wf_state *x)
{
    uint64_t k;

    _Static_assert(sizeof *x == sizeof k, "a state is eight bytes without padding");
    memcpy(&k, x, sizeof k);
    return k;
}

static uint32_t find(const struct wf_solver *v, const struct wf_state *x)
{
    uint64_t h = lathe_mix64(key_of(x));

    for (;; h++) {
        const uint32_t i = v->slot[h & (v->n_slots - 1)];
        if (i == 0)
            return NOT_FOUND;
        if (key_of(&v->state[i - 1]) == key_of(x))
            return i - 1;
    }
}

static void insert_slot(struct wf_solver *v, uint32_t i)
{
    uint64_t h = lathe_mix64(key_of(&v->state[i]));

    while (v->slot[h & (v->n_slots - 1)] != 0)
        h++;
    v->slot[h & (v->n_slots - 1)] = i + 1;
}

/* Doubles the room; the table stays at most half full. */
static int32_t grow(struct wf_solver *v)
{
    const uint32_t cap = v->cap == 0 ? 4096 : 2 * v->cap;
    struct wf_state *state = realloc(v->state, (size_t)cap * sizeof *state);
    uint32_t *slot;

    if (state == NULL)
        return LATHE_E_NOMEM;
    v->state = state;
    if ((slot = calloc((size_t)2 * cap, sizeof *slot)) == NULL)
        return LATHE_E_NOMEM;
    free(v->slot);
    v->slot = slot;
    v->cap = cap;
    v->n_slots = 2 * cap;
    for (uint32_t i = 0; i < v->n; i++)
        insert_slot(v, i);
    return LATHE_OK;
}

static int32_t add(struct wf_solver *v, const struct wf_state *x)
{
    int32_t st;

    if (v->cap != 0 && find(v, x) != NOT_FOUND)
        return LATHE_OK;
    if (v->n == WF_SOLVE_STATES)
        return LATHE_E_LIMIT;
    if (v->n == v->cap && (st = grow(v)) != LATHE_OK)
        return st;
    v->state[v->n] = *x;
    insert_slot(v, v->n++);
    return LATHE_OK;
}

/* Probability that the hidden truth makes final a right, given what is known. */
static double right_probability(const struct wf_scenario *s, const struct wf_state *x, uint32_t a)
{
    const struct wf_task *task = &s->task[x->task];
    double q[WF_MAX_FACTS], sum = 0;

    for (uint32_t f = 0; f < s->n_facts; f++) {
        const double p = task->prior[f], missed = p * (1.0 - s->fact[f].detect);
        q[f] = (x->known_true >> f & 1u) != 0    ? 1.0
               : (x->known_false >> f & 1u) == 0 ? p
               : missed == 0.0                   ? 0.0
                                                 : missed / (1.0 - p * s->fact[f].detect);
    }
    for (uint32_t truth = 0; truth < 1u << s->n_facts; truth++) {
        double p = 1.0;
        for (uint32_t f = 0; f < s->n_facts; f++)
            p *= (truth >> f & 1u) != 0 ? q[f] : 1.0 - q[f];
        if (p > 0.0 && wf_is_right(task, truth, a))
            sum += p;
    }
    return sum;
}

static struct outcome *push(struct outcome *o, double p, const struct wf_state *next, uint8_t kind)
{
    memset(o, 0, sizeof *o);
    o->p = p;
    o->next = *next;
    o->kind = kind;
    return o;
}

/* A due item succeeds: one outcome per way its facts can come out. */
static uint32_t apply(const struct wf_scenario *s, const struct wf_state *x, uint32_t a, double p,
                      struct outcome *out)
{
    const struct wf_task *task = &s->task[x->task];
    const struct wf_item *item = &task->item[a];
    const uint32_t hidden =
        s->tool[a].reveals & task->possible & ~(uint32_t)(x->known_true | x->known_false);
    uint32_t n = 0, found = hidden;

    if (item->pass < 1.0) {
        struct outcome *o = push(&out[n++], p * (1.0 - item->pass), x, WF_OK);
        o->next.done &= (uint16_t)~item->on_fail;
        p *= item->pass;
    }
    for (;; found = (found - 1) & hidden) { /* every subset of hidden, down to none */
        struct outcome *o = push(&out[n], p, x, WF_OK);
        o->reward = item->progress;
        o->next.done |= (uint16_t)(1u << a);
        o->next.known_true |= (uint8_t)found;
        o->next.known_false |= (uint8_t)(hidden & ~found);
        for (uint32_t f = 0; f < s->n_facts; f++) {
            const double seen = task->prior[f] * s->fact[f].detect;
            if ((hidden >> f & 1u) == 0)
                continue;
            o->p *= (found >> f & 1u) != 0 ? seen : 1.0 - seen;
            o->reward += (found >> f & 1u) != 0 ? s->fact[f].bonus : 0.0;
        }
        n += o->p > 0.0;
        if (found == 0)
            break;
    }
    return n;
}

/* Identification: the task is drawn from what the label says about it. */
static uint32_t identify(const struct wf_scenario *s, const struct wf_state *x, uint32_t a,
                         double p, struct outcome *out)
{
    double weight[WF_MAX_TASKS], sum = 0;
    uint32_t n = 0;

    for (uint32_t k = 0; k < s->n_tasks; k++) {
        weight[k] = s->task[k].weight * (k == x->label ? 1.0 - s->label_noise
                                                       : s->label_noise / (double)(s->n_tasks - 1));
        sum += weight[k];
    }
    for (uint32_t k = 0; k < s->n_tasks; k++) {
        struct wf_state next = *x;
        if (!(weight[k] > 0.0))
            continue;
        next.task = (uint8_t)k;
        if (wf_is_due(&s->task[k], &next, a, s->n_tools))
            n += apply(s, &next, a, p * weight[k] / sum, out + n);
        else
            (void)push(&out[n++], p * weight[k] / sum, &next, WF_OK);
    }
    return n;
}

static uint32_t call_tool(const struct wf_scenario *s, const struct wf_state *x, uint32_t a,
                          struct outcome *out)
{
    const struct wf_tool *tool = &s->tool[a];
    const double works = 1.0 - tool->fault;
    uint32_t n = 0;

    if (tool->fault > 0.0)
        (void)push(&out[n++], tool->fault, x, WF_FAULT);
    if (x->task == WF_UNIDENTIFIED && tool->identifies)
        return n + identify(s, x, a, works, out + n);
    if (x->task != WF_UNIDENTIFIED && wf_is_due(&s->task[x->task], x, a, s->n_tools))
        return n + apply(s, x, a, works, out + n);
    (void)push(&out[n], works, x, tool->irreversible ? WF_VIOLATION : WF_WASTED);
    out[n++].reward = tool->irreversible ? s->violation : s->wasted;
    return n;
}

/* All outcomes of action a in state x. */
static uint32_t expand(const struct wf_scenario *s, const struct wf_state *x, uint32_t a,
                       struct outcome *out)
{
    struct wf_state next = *x;
    uint32_t n = 0;

    next.t++;
    if (s->tool[a].kind != WF_FINAL) {
        n = call_tool(s, &next, a, out);
    } else if (x->task == WF_UNIDENTIFIED || !wf_gate_is_open(&s->task[x->task], x, s->n_tools)) {
        push(&out[n++], 1.0, &next, WF_WASTED)->reward = s->wasted;
    } else {
        const double right = right_probability(s, x, a);
        for (uint8_t k = 0; k < 2; k++) {
            struct outcome *o = push(&out[n], k ? right : 1.0 - right, &next, WF_NONE);
            o->over = 1;
            o->right = k;
            o->terminal = k ? s->success : s->failure;
            n += o->p > 0.0;
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        out[k].reward -= s->tool[a].cost;
        if (!out[k].over && next.t >= s->max_steps) {
            out[k].over = 1;
            out[k].terminal = s->failure;
        }
    }
    return n;
}

static double label_probability(const struct wf_scenario *s, uint32_t label)
{
    double p = 0, sum = 0;

    for (uint32_t k = 0; k < s->n_tasks; k++) {
        sum += s->task[k].weight;
        p += s->task[k].weight * (k == label       ? 1.0 - s->label_noise
                                  : s->n_tasks > 1 ? s->label_noise / (double)(s->n_tasks - 1)
                                                   : 0.0);
    }
    return p / sum;
}

/* Collects every reachable state. LATHE_E_LIMIT when there are too many. */
static int32_t collect(struct wf_solver *v)
{
    int32_t st = LATHE_OK;

    for (uint32_t label = 0; label < v->s->n_tasks && st == LATHE_OK; label++) {
        struct wf_state x = {0};
        x.label = (uint8_t)label;
        x.task = WF_UNIDENTIFIED;
        if (label_probability(v->s, label) > 0.0)
            st = add(v, &x);
    }
    for (uint32_t i = 0; i < v->n && st == LATHE_OK; i++)
        for (uint32_t a = 0; a < v->s->n_tools && st == LATHE_OK; a++) {
            const struct wf_state x = v->state[i];
            const uint32_t n = expand(v->s, &x, a, v->out);
            v->n_outcomes += n + (1u << v->s->n_facts) / 8;
            if (v->n_outcomes > WF_SOLVE_OUTCOMES)
                return LATHE_E_LIMIT;
            for (uint32_t k = 0; k < n && st == LATHE_OK; k++)
                if (!v->out[k].over)
                    st = add(v, &v->out[k].next);
        }
    return st;
}

static double action_value(struct wf_solver *v, uint32_t i, uint32_t a)
{
    const uint32_t n = expand(v->s, &v->state[i], a, v->out);
    double q = 0;

    for (uint32_t k = 0; k < n; k++) {
        const struct outcome *o = &v->out[k];
        q += o->p * ((v->sparse ? 0.0 : o->reward) + o->terminal +
                     (o->over ? 0.0 : v->value[find(v, &o->next)]));
    }
    return q;
}

static void compute_values(struct wf_solver *v)
{
    for (uint32_t i = v->n; i-- > 0;) {
        v->value[i] = action_value(v, i, 0);
        v->best[i] = 0;
        for (uint32_t a = 1; a < v->s->n_tools; a++) {
            const double q = action_value(v, i, a);
            if (q > v->value[i] + TIE) {
                v->value[i] = q;
                v->best[i] = (uint8_t)a;
            }
        }
    }
}

/* Sums over tickets; turned into means at the end. */
struct sums {
    double ret, success, right, ok, calls, steps, tokens, seconds, by_label[WF_MAX_TASKS];
};

/* Takes action a with probability share from state i. */
static void flow(struct wf_solver *v, uint32_t i, uint32_t a, double share, struct sums *sum)
{
    const struct wf_state *x = &v->state[i];
    const struct wf_tool *tool = &v->s->tool[a];
    const uint32_t n = expand(v->s, x, a, v->out);

    for (uint32_t k = 0; k < n; k++) {
        const struct outcome *o = &v->out[k];
        const uint32_t to = o->over ? NOT_FOUND : find(v, &o->next);
        const double gain = (v->sparse ? 0.0 : o->reward) + o->terminal;
        for (uint32_t mark = 0; mark < N_MARKS; mark++) {
            const double m = v->mass[i][mark] * share * o->p;
            const uint32_t next = o->kind == WF_VIOLATION                      ? N_MARKS - 1
                                  : o->kind == WF_WASTED && mark < N_MARKS - 1 ? mark + 1
                                                                               : mark;
            sum->ret += m * gain;
            sum->by_label[x->label] += m * gain;
            sum->calls += o->kind != WF_NONE ? m : 0.0;
            sum->ok += o->kind == WF_OK ? m : 0.0;
            sum->steps += m;
            sum->tokens += m * tool->tokens;
            sum->seconds += m * tool->seconds;
            sum->right += o->right ? m : 0.0;
            sum->success += o->right && next < N_MARKS - 1 ? m : 0.0;
            if (to != NOT_FOUND)
                v->mass[to][next] += m;
        }
    }
}

static void set_value(const struct wf_scenario *s, const struct sums *sum, struct wf_value *value)
{
    value->mean_return = sum->ret;
    value->success = sum->success;
    value->right = sum->right;
    value->reliability = sum->calls > 0.0 ? sum->ok / sum->calls : 0.0;
    value->steps = sum->steps;
    value->tokens = sum->tokens;
    value->seconds = sum->seconds;
    for (uint32_t k = 0; k < s->n_tasks; k++) {
        const double p = label_probability(s, k);
        value->by_label[k] = p > 0.0 ? sum->by_label[k] / p : 0.0;
    }
}

static void evaluate(struct wf_solver *v, int random, struct wf_value *value)
{
    const double share = 1.0 / (double)v->s->n_tools;
    struct sums sum = {0};

    memset(v->mass, 0, (size_t)v->n * sizeof *v->mass);
    for (uint32_t i = 0; i < v->n && v->state[i].t == 0; i++)
        v->mass[i][0] = label_probability(v->s, v->state[i].label);
    for (uint32_t i = 0; i < v->n; i++) {
        if (!random)
            flow(v, i, v->best[i], 1.0, &sum);
        for (uint32_t a = 0; random && a < v->s->n_tools; a++)
            flow(v, i, a, share, &sum);
    }
    set_value(v->s, &sum, value);
}

/* The random policy on a fixed set of tickets, for scenarios with too many states. */
static void play_random(struct wf_solver *v, struct wf_value *value)
{
    const struct wf_scenario *s = v->s;
    struct sums sum = {0};
    double calls = 0, ok = 0;

    for (uint32_t k = 0; k < WF_SOLVE_TICKETS; k++) {
        uint64_t actions = lathe_splitmix_stream(0, LATHE_PURPOSE_ACTION, k);
        struct wf_ticket t;
        wf_start(s, &t, lathe_splitmix_stream(0, LATHE_PURPOSE_EVAL, k));
        while (!t.over) {
            const uint32_t a = (uint32_t)(lathe_splitmix_double(&actions) * (double)s->n_tools);
            double terminal, reward = wf_step(s, &t, a, &terminal);
            sum.ret += v->sparse ? terminal : reward;
            sum.by_label[t.seen.label] += v->sparse ? terminal : reward;
        }
        for (uint32_t a = 0; a < s->n_tools; a++) {
            calls += t.calls[a];
            ok += t.ok[a];
        }
        sum.steps += t.seen.t;
        sum.success += t.success;
        sum.right += t.right;
        sum.tokens += t.sim_tokens;
        sum.seconds += t.sim_seconds;
    }
    for (double *x = &sum.ret; x != (double *)&sum + sizeof sum / sizeof *x; x++)
        *x /= WF_SOLVE_TICKETS;
    sum.calls = calls;
    sum.ok = ok;
    set_value(s, &sum, value);
}

static int32_t solve_exactly(struct wf_solver *v)
{
    v->value = calloc(v->n, sizeof *v->value);
    v->best = calloc(v->n, sizeof *v->best);
    v->mass = calloc(v->n, sizeof *v->mass);
    if (v->value == NULL || v->best == NULL || v->mass == NULL)
        return LATHE_E_NOMEM;
    compute_values(v);
    evaluate(v, 0, &v->analysis.optimal);
    evaluate(v, 1, &v->analysis.random);
    v->analysis.exact = 1;
    v->analysis.unsolvable = !(v->analysis.optimal.success > 0.0);
    free(v->mass);
    v->mass = NULL;
    return LATHE_OK;
}

int32_t wf_solver_open(const struct wf_scenario *s, int sparse, struct wf_solver **solver,
                       struct lathe_error *err)
{
    struct wf_solver *v = calloc(1, sizeof *v);
    int32_t st = LATHE_E_NOMEM;

    if (v == NULL || (v->out = calloc(MAX_OUTCOMES, sizeof *v->out)) == NULL)
        goto out;
    v->s = s;
    v->sparse = sparse;
    st = collect(v);
    v->analysis.n_states = v->n;
    if (st == LATHE_OK) {
        st = solve_exactly(v);
    } else if (st == LATHE_E_LIMIT) {
        play_random(v, &v->analysis.random);
        st = LATHE_OK;
    }
out:
    if (st != LATHE_OK) {
        wf_solver_close(v);
        return env_fail(err, st, "definition", "no memory to solve the scenario");
    }
    *solver = v;
    return LATHE_OK;
}

void wf_solver_close(struct wf_solver *v)
{
    if (v == NULL)
        return;
    free(v->state);
    free(v->slot);
    free(v->value);
    free(v->best);
    free(v->mass);
    free(v->out);
    free(v);
}

const struct wf_analysis *wf_solver_analysis(const struct wf_solver *v)
{
    return &v->analysis;
}

int wf_solver_best(const struct wf_solver *v, const struct wf_state *x, uint32_t *action,
                   double *value)
{
    struct wf_state key = *x;
    uint32_t i;

    key.last = 0;
    if (!v->analysis.exact || (i = find(v, &key)) == NOT_FOUND)
        return 0;
    *action = v->best[i];
    *value = v->value[i];
    return 1;
}
