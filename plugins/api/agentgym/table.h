/* The table of a policy: every visible state that its greedy play can reach, with the action and
 * how often it comes up. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_AGENTGYM_TABLE_H
#define PLUGINS_API_AGENTGYM_TABLE_H

#include "plugins/api/agentgym/gym.h"

#define TABLE_ROWS_MAX 50000u
#define TABLE_UNKNOWN 255u /* task not identified */

enum table_last { LAST_NONE, LAST_OK, LAST_WASTED, LAST_FAULT };

/* What an agent sees of a ticket. */
struct table_state {
    uint8_t label, task, known_true, known_false, last, t;
    uint16_t done;
};

struct table_row {
    struct table_state state;
    uint8_t action;
    double probability; /* of the action */
    double visits;      /* expected per ticket */
};

struct table {
    struct table_row *rows; /* most visited first when done */
    uint32_t n_rows;
    double coverage; /* share of tickets that never leave the table */
};

/* Takes the outcome; table is borrowed for the call, NULL on failure. */
typedef void (*table_done_fn)(void *user, int32_t status, const struct table *table,
                              const struct lathe_error *err);

/* Builds the table of a model of scenario s by asking the model. done runs once, later; then drop.
 * When the call itself fails, only drop runs. */
int32_t table_build(struct gym *gym, const char *model, const struct scenario *s,
                    table_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err);

/* {"label",...,"t"} */
void table_state_write(struct jw *w, const char *name, const struct scenario *s,
                       const struct table_state *x);

/* The policy in words: one rule per situation, the commonest first. */
void table_rules(struct text *out, const struct scenario *s, const struct table *table);

/* workflow.c: the rules of a scenario, read from its definition. */
struct workflow;
struct workflow *workflow_open(struct gym *gym, const struct scenario *s); /* NULL: no memory */
void workflow_close(struct workflow *flow);

/* Takes one possible next state; probability is that of the outcome. */
typedef void (*workflow_next_fn)(void *user, const struct table_state *next, double probability);
/* First states of a ticket. */
void workflow_start(const struct workflow *flow, workflow_next_fn next, void *user);
/* What action a leads to; nothing when the ticket ends. */
void workflow_step(const struct workflow *flow, const struct table_state *x, uint32_t a,
                   workflow_next_fn next, void *user);

#endif
