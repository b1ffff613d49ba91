/* Building the table of a policy: call by call of the ticket, the states reached so far are shown
 * to the model, and its answers lead to the states of the next call. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/api/agentgym/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 128u /* states per question */
#define SLOTS (1u << 17)
#define RULES_MAX 150u

struct builder {
    struct gym *gym;
    struct workflow *flow;
    char model[48], scenario[64];
    struct table table;
    uint32_t cap;
    uint32_t *slot;            /* row + 1, by hash of the state */
    uint32_t asked, level_end; /* rows before asked are expanded; this call's rows end there */
    double lost;
    table_done_fn done;
    void *user;
    lathe_drop_fn drop;
    int waiting;
};

static void builder_free(struct builder *b)
{
    if (b->drop)
        b->drop(b->user);
    workflow_close(b->flow);
    free(b->table.rows);
    free(b->slot);
    free(b);
}

static uint64_t key_of(const struct table_state *x)
{
    return (uint64_t)x->label | (uint64_t)x->task << 8 | (uint64_t)x->known_true << 16 |
           (uint64_t)x->known_false << 24 | (uint64_t)x->last << 32 | (uint64_t)x->t << 40 |
           (uint64_t)x->done << 48;
}

static void add_state(void *user, const struct table_state *x, double probability)
{
    struct builder *b = user;
    uint64_t key = key_of(x);
    uint32_t at = (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 47) % SLOTS, cap;
    struct table_row *grown;

    for (; b->slot[at]; at = (at + 1) % SLOTS)
        if (key_of(&b->table.rows[b->slot[at] - 1].state) == key) {
            b->table.rows[b->slot[at] - 1].visits += probability;
            return;
        }
    if (b->table.n_rows >= TABLE_ROWS_MAX) {
        b->lost += probability;
        return;
    }
    if (b->table.n_rows == b->cap) {
        cap = b->cap ? 2 * b->cap : 256;
        if (!(grown = realloc(b->table.rows, cap * sizeof *grown))) {
            b->lost += probability;
            return;
        }
        b->table.rows = grown;
        b->cap = cap;
    }
    b->table.rows[b->table.n_rows] = (struct table_row){.state = *x, .visits = probability};
    b->slot[at] = ++b->table.n_rows;
}

struct expansion {
    struct builder *builder;
    double visits;
};

static void add_next(void *user, const struct table_state *x, double probability)
{
    const struct expansion *e = user;

    add_state(e->builder, x, probability * e->visits);
}

/* ---- questions ---- */

void table_state_write(struct jw *w, const char *name, const struct scenario *s,
                       const struct table_state *x)
{
    static const char *const lasts[] = {"none", "ok", "wasted", "fault"};
    int i;

    jw_obj(w, name);
    jw_str(w, "label", s->task[x->label]);
    if (x->task == TABLE_UNKNOWN)
        jw_null(w, "task");
    else
        jw_str(w, "task", s->task[x->task]);
    jw_obj(w, "facts");
    for (i = 0; i < s->n_facts; i++)
        jw_str(w, s->fact[i],
               x->known_true >> i & 1    ? "true"
               : x->known_false >> i & 1 ? "false"
                                         : "unknown");
    jw_end_obj(w);
    jw_arr(w, "done");
    for (i = 0; i < s->n_tools; i++)
        if (x->done >> i & 1)
            jw_str(w, NULL, s->tool[i]);
    jw_end_arr(w);
    jw_str(w, "last", lasts[x->last]);
    jw_int(w, "t", x->t);
    jw_end_obj(w);
}

static int by_visits(const void *a, const void *b)
{
    const struct table_row *x = a, *y = b;
    uint64_t kx = key_of(&x->state), ky = key_of(&y->state);

    if (x->visits != y->visits)
        return x->visits < y->visits ? 1 : -1;
    return (kx > ky) - (kx < ky);
}

static void finish(struct builder *b, int32_t status, const struct lathe_error *err)
{
    if (status == LATHE_OK) {
        qsort(b->table.rows, b->table.n_rows, sizeof *b->table.rows, by_visits);
        b->table.coverage = b->lost < 1 ? 1 - b->lost : 0;
        b->done(b->user, LATHE_OK, &b->table, NULL);
    } else {
        b->done(b->user, status, NULL, err);
    }
}

static int32_t ask_more(struct builder *b, struct lathe_error *err);

static void take_answers(struct builder *b, const struct lathe_json *actions, uint32_t n)
{
    const struct lathe_json_service *j = b->gym->kit.json;
    uint32_t i;

    for (i = 0; i < n; i++) {
        const struct lathe_json *a = j->at(actions, i);
        struct table_row *row = &b->table.rows[b->asked + i];
        struct expansion e = {b, row->visits};
        struct table_state state = row->state; /* rows move while states are added */
        uint32_t action = (uint32_t)j->get_int(a, "action_index", 0) % GYM_TOOLS_MAX;

        row->action = (uint8_t)action;
        row->probability =
            j->get_float(j->get(a, "probabilities"), j->get_string(a, "action", ""), 1);
        workflow_step(b->flow, &state, action, add_next, &e);
    }
    b->asked += n;
}

static void answered(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                     const struct lathe_error *err)
{
    struct builder *b = user;
    struct lathe_error failed = {0};
    const struct lathe_json *actions;
    struct lathe_json *reply;
    uint32_t n = b->level_end - b->asked < CHUNK ? b->level_end - b->asked : CHUNK;

    (void)len_bytes;
    if (status == LATHE_OK) {
        reply = api_parse(&b->gym->kit, answer);
        actions = b->gym->kit.json->get(reply, "actions");
        if (b->gym->kit.json->count(actions) == n)
            take_answers(b, actions, n);
        else
            status = LATHE_E_INTERNAL;
        b->gym->kit.json->release(reply);
    }
    b->waiting = 0;
    if (status == LATHE_OK && b->asked < b->table.n_rows) {
        if ((status = ask_more(b, &failed)) == LATHE_OK)
            return;
        err = &failed;
    }
    finish(b, status, err);
}

/* Frees the builder unless another question is under way. */
static void answered_drop(void *user)
{
    struct builder *b = user;

    if (!b->waiting)
        builder_free(b);
}

static int32_t ask_more(struct builder *b, struct lathe_error *err)
{
    const struct scenario *s = scenario_find(b->gym, b->scenario);
    struct text body = {0};
    uint64_t handle = 0;
    struct jw w;
    uint32_t i;
    int32_t st;

    if (!s)
        return api_fail(err, LATHE_E_NOT_FOUND, "", "the scenario was deleted");
    if (b->asked == b->level_end)
        b->level_end = b->table.n_rows;
    if ((st = api_target(&b->gym->kit, &b->gym->targets, b->model, &handle, err)) != LATHE_OK)
        return st;
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_arr(&w, "states");
    for (i = b->asked; i < b->level_end && i < b->asked + CHUNK; i++)
        table_state_write(&w, NULL, s, &b->table.rows[i].state);
    jw_end_arr(&w);
    jw_str(&w, "mode", "greedy");
    jw_end_obj(&w);
    b->waiting = 1;
    if (body.failed)
        st = LATHE_E_NOMEM;
    else
        st = api_ask(&b->gym->kit, handle,
                     &(struct api_question){"act", text_get(&body), answered, b, answered_drop},
                     err);
    if (st != LATHE_OK)
        b->waiting = 0;
    text_fini(&body);
    return st;
}

int32_t table_build(struct gym *gym, const char *model, const struct scenario *s,
                    table_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err)
{
    struct builder *b = calloc(1, sizeof *b);
    int32_t st;

    if (!b) {
        drop(user);
        return LATHE_E_NOMEM;
    }
    b->gym = gym;
    b->done = done;
    b->user = user;
    b->drop = drop;
    snprintf(b->model, sizeof b->model, "%s", model);
    snprintf(b->scenario, sizeof b->scenario, "%s", s->id);
    b->flow = workflow_open(gym, s);
    b->slot = calloc(SLOTS, sizeof *b->slot);
    if (!b->flow || !b->slot) {
        builder_free(b);
        return LATHE_E_NOMEM;
    }
    workflow_start(b->flow, add_state, b);
    if ((st = ask_more(b, err)) != LATHE_OK)
        builder_free(b);
    return st;
}

/* ---- in words ---- */

static int same_situation(const struct table_state *a, const struct table_state *b)
{
    return a->label == b->label && a->task == b->task && a->known_true == b->known_true &&
           a->known_false == b->known_false && a->done == b->done;
}

static void write_rule(struct text *out, const struct scenario *s, const struct table_row *row)
{
    const struct table_state *x = &row->state;
    int i, any = 0;

    if (x->task == TABLE_UNKNOWN)
        text_addf(out, "- If the label is %s and the task is not identified", s->task[x->label]);
    else
        text_addf(out, "- If the task is %s (label %s)", s->task[x->task], s->task[x->label]);
    for (i = 0; i < s->n_facts; i++)
        if ((x->known_true | x->known_false) >> i & 1)
            text_addf(out, ", %s is %s", s->fact[i], x->known_true >> i & 1 ? "true" : "false");
    text_adds(out, ", done: ");
    for (i = 0; i < s->n_tools; i++)
        if (x->done >> i & 1)
            text_addf(out, "%s%s", any++ ? ", " : "", s->tool[i]);
    text_addf(out, "%s: call %s.\n", any ? "" : "nothing", s->tool[row->action]);
}

void table_rules(struct text *out, const struct scenario *s, const struct table *table)
{
    uint32_t i, k, n = 0;

    for (i = 0; i < table->n_rows && n < RULES_MAX; i++) {
        for (k = 0; k < i; k++)
            if (same_situation(&table->rows[k].state, &table->rows[i].state))
                break;
        if (k < i || (int)table->rows[i].action >= s->n_tools)
            continue;
        write_rule(out, s, &table->rows[i]);
        n++;
    }
}
