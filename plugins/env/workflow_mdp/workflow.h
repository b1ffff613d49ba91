/* The batch of tickets behind the plugin, shared by its files. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKFLOW_WORKFLOW_H
#define WORKFLOW_WORKFLOW_H

#include "lathe/env.h"
#include "plugins/env/workflow_mdp/solve.h"

/* Fixed columns of info; after them calls_<tool> and ok_<tool> for every tool. */
enum wf_info {
    WF_I_SUCCESS,
    WF_I_OK,
    WF_I_CALLS,
    WF_I_WASTED,
    WF_I_VIOLATIONS,
    WF_I_FAULTS,
    WF_I_TASK,
    WF_I_LABEL,
    WF_I_FINAL_TOOL, /* -1: none */
    WF_I_RIGHT_FINAL,
    WF_I_SIM_TOKENS,
    WF_I_SIM_SECONDS,
    WF_I_TRUTH, /* hidden facts as bits */
    WF_I_FACTS_PRESENT,
    WF_I_FACTS_FOUND,
    WF_I_DEFECTS_PRESENT,
    WF_I_DEFECTS_REPAIRED,
    WF_I_FIXED
};
#define WF_MAX_INFO (WF_I_FIXED + 2 * WF_MAX_TOOLS)

struct wf_batch {
    struct lathe_env_spec spec;
    struct wf_scenario scenario;
    int sparse;
    uint32_t n_envs;
    struct wf_ticket *ticket;
    struct lathe_space obs, act;
    double *obs_high; /* ones */
    struct lathe_env_info info;
    char info_name[2 * WF_MAX_TOOLS][WF_NAME + 8];
    const char *info_names[WF_MAX_INFO + 1];
    struct lathe_env_describe describe;
    const char *action_names[WF_MAX_TOOLS + 1];
    struct wf_solver *solver; /* opened at the first use of exact values, on the learn thread */
};

/* Text into a caller's buffer; len counts on behind the end so that the need is known. */
struct wf_text {
    char *out;
    uint64_t cap, len;
};
void wf_put(struct wf_text *t, const char *fmt, ...) LATHE_PRINTF(2, 3);
void wf_put_string(struct wf_text *t, const char *value);         /* quoted, escaped */
void wf_put_number(struct wf_text *t, const char *key, double x); /* "key":x, key may be NULL */
int32_t wf_text_status(const struct wf_text *t);

/* The batch's solver, opened when needed. */
LATHE_MUST_USE int32_t wf_batch_solver(struct wf_batch *b, struct lathe_error *err);

void wf_fill_info(const struct wf_batch *b, const struct wf_ticket *t, float *info);

int32_t wf_report(void *batch, uint32_t n_episodes, const float *info, const double *returns,
                  const uint32_t *lengths, char *json, uint64_t cap_bytes);
int32_t wf_solve_json(void *batch, const char *options_json, char *json, uint64_t cap_bytes,
                      struct lathe_error *err);
int32_t wf_state_json(void *batch, uint32_t row, char *json, uint64_t cap_bytes);
int32_t wf_observe_json(void *batch, const char *state_json, void *obs, struct lathe_error *err);
int32_t wf_render(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                  uint32_t dims[4]);

/* Reads {"label","task","facts","done","last","t"}; omitted members are unknown, none or 0. */
LATHE_MUST_USE int32_t wf_read_state(const struct wf_scenario *s, const char *json,
                                     struct wf_state *x, struct lathe_error *err);

#endif
