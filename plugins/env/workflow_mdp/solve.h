/* Exact values of a scenario by dynamic programming over what an agent can see. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKFLOW_SOLVE_H
#define WORKFLOW_SOLVE_H

#include "plugins/env/workflow_mdp/engine.h"

#define WF_SOLVE_STATES 2000000u /* states at most */
#define WF_SOLVE_OUTCOMES \
    100000000u /* outcomes looked at while states are collected: some seconds */
#define WF_SOLVE_TICKETS                                                     \
    100000u /* tickets played by the random policy where states are too many \
             */

/* What a policy achieves, as means per ticket. */
struct wf_value {
    double mean_return, success, right, reliability, steps, tokens, seconds;
    double by_label[WF_MAX_TASKS]; /* mean return of tickets with this label */
};

struct wf_analysis {
    int exact, unsolvable;           /* unsolvable: exact, and the best policy never succeeds */
    uint32_t n_states;               /* reachable (label, task, facts, done, t) */
    struct wf_value optimal, random; /* optimal only when exact */
};

struct wf_solver;

/* Solves s; sparse counts the reward at the end alone. The solver keeps the best action of every
 * state; close releases it (NULL is fine). Errors: LATHE_E_NOMEM. */
LATHE_MUST_USE int32_t wf_solver_open(const struct wf_scenario *s, int sparse,
                                      struct wf_solver **solver, struct lathe_error *err);
void wf_solver_close(struct wf_solver *v);
const struct wf_analysis *wf_solver_analysis(const struct wf_solver *v);

/* Best action and its value in state x; 0 when x is not reachable or the analysis is not exact. */
int wf_solver_best(const struct wf_solver *v, const struct wf_state *x, uint32_t *action,
                   double *value);

#endif
