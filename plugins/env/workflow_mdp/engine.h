/* One ticket of a workflow scenario: its state, the rules of a step, what an agent sees. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKFLOW_ENGINE_H
#define WORKFLOW_ENGINE_H

#include "plugins/env/workflow_mdp/scenario.h"

enum wf_outcome {
    WF_NONE,
    WF_OK,
    WF_WASTED,
    WF_FAULT,
    WF_VIOLATION
}; /* violation is seen as wasted */

#define WF_UNIDENTIFIED 255u

/* What decides the future of a ticket, apart from the hidden truth. */
struct wf_state {
    uint8_t label, task; /* task: index, or WF_UNIDENTIFIED */
    uint8_t known_true, known_false, t, last;
    uint16_t done;
};

/* A ticket in play: all of a row. Plain data, copied as the row's snapshot. */
struct wf_ticket {
    uint64_t stream; /* state of the ticket's generator */
    struct wf_state seen;
    uint8_t task, truth, over, success, right, final_tool; /* final_tool: 255 = none */
    uint8_t calls[WF_MAX_TOOLS], ok[WF_MAX_TOOLS];
    uint32_t wasted, violations, faults, outcome;
    double sim_tokens, sim_seconds;
};

/* Draws a ticket from *stream, which ends behind the reset's draws. */
void wf_start(const struct wf_scenario *s, struct wf_ticket *t, uint64_t stream);

/* Plays tool a; returns the shaped reward. *terminal is the part paid by the episode's end. over is
 * 1 after an accepted final, 2 after the last step without one. */
double wf_step(const struct wf_scenario *s, struct wf_ticket *t, uint32_t a, double *terminal);

/* Is the item of tool a due, and may a final be accepted? task is the identified one. */
int wf_is_due(const struct wf_task *task, const struct wf_state *x, uint32_t a, uint32_t n_tools);
int wf_gate_is_open(const struct wf_task *task, const struct wf_state *x, uint32_t n_tools);

/* Is final a right for the hidden truth? */
int wf_is_right(const struct wf_task *task, uint32_t truth, uint32_t a);

/* Length of an observation, and the observation. */
uint32_t wf_obs_dim(const struct wf_scenario *s);
void wf_observe(const struct wf_scenario *s, const struct wf_state *x, float *obs);

#endif
