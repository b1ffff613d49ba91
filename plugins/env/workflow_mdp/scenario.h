/* A workflow scenario: tasks, tools and facts, read from its JSON definition and checked. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKFLOW_SCENARIO_H
#define WORKFLOW_SCENARIO_H

#include "lathe/status.h"

#define WF_MAX_TASKS 8u
#define WF_MAX_TOOLS 16u
#define WF_MAX_FACTS 8u
#define WF_MAX_STEPS 64
#define WF_MAX_CLAUSES 8u
#define WF_NAME 49 /* 48 bytes and the NUL */

enum wf_kind { WF_PROBE, WF_ACT, WF_FINAL };

/* Disjunction of clauses over facts; a clause holds when all of t are true and all of f are false.
 * n = 0 holds always. */
struct wf_when {
    uint32_t n;
    uint8_t t[WF_MAX_CLAUSES], f[WF_MAX_CLAUSES];
};

struct wf_tool {
    char name[WF_NAME];
    enum wf_kind kind;
    int identifies, irreversible;
    double cost, fault, seconds, tokens;
    uint8_t reveals; /* facts, as bits */
};

struct wf_fact {
    char name[WF_NAME];
    uint32_t revealed_by;
    double detect, bonus;
};

/* Plan item of one tool; masks are bits of tools. */
struct wf_item {
    int present, required;
    struct wf_when when;
    uint32_t after, on_fail;
    double progress, pass;
};

struct wf_final {
    uint32_t tool;
    struct wf_when when; /* on the hidden truth */
};

struct wf_task {
    char name[WF_NAME];
    double weight, prior[WF_MAX_FACTS];
    struct wf_item item[WF_MAX_TOOLS];
    uint32_t n_finals;
    struct wf_final final[WF_MAX_TOOLS];
    uint8_t possible;               /* facts with a prior above 0 */
    uint16_t repairs[WF_MAX_FACTS]; /* tools whose item is due exactly when the fact is true */
};

struct wf_scenario {
    char id[WF_NAME], name[129], description[513], difficulty[33];
    uint32_t max_steps, n_tasks, n_tools, n_facts;
    double label_noise, success, failure, wasted, violation;
    struct wf_tool tool[WF_MAX_TOOLS];
    struct wf_fact fact[WF_MAX_FACTS];
    struct wf_task task[WF_MAX_TASKS];
    char sha256[65]; /* of the canonical definition */
    char *canonical; /* sorted keys, no blanks, shortest numbers; owned */
};

/* Reads and checks a definition. Errors: LATHE_E_INVALID with the member's path in err->field;
 * LATHE_E_NOMEM. Release with wf_scenario_fini, also after a failure. */
LATHE_MUST_USE int32_t wf_scenario_read(struct wf_scenario *s, const char *json, size_t len,
                                        struct lathe_error *err);
void wf_scenario_fini(struct wf_scenario *s);

/* Does when hold for facts known (or truly) true t and false f? */
static inline int wf_holds(const struct wf_when *when, uint32_t t, uint32_t f)
{
    for (uint32_t k = 0; k < when->n; k++)
        if ((when->t[k] & ~t) == 0 && (when->f[k] & ~f) == 0)
            return 1;
    return when->n == 0;
}

/* SHA-256 of data as 64 hexadecimal digits and a NUL. */
void wf_sha256(const void *data, size_t len, char out[65]);

/* Shortest decimal text that reads back as x. */
void wf_number(double x, char out[32]);

#endif
