/* Finite environments as tables: every state and action lists its outcomes, one draw picks one. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENV_MDP_H
#define ENV_MDP_H

#include "plugins/env/common/env_base.h"

#define ENV_MDP_MAX_OUTCOMES 3
#define ENV_MDP_MAX_STATES 65536u

/* Outcomes of one state and action, in drawing order. */
struct env_mdp_cell {
    uint32_t n;
    struct lathe_outcome out[ENV_MDP_MAX_OUTCOMES];
};

struct env_mdp;

/* Hooks of an environment whose dynamics need more than the table; both may be NULL. */
struct env_mdp_hooks {
    /* After the draw of a reset in row i. */
    void (*started)(struct env_mdp *mdp, uint32_t i);
    /* After a step's draw: may replace the next state. */
    int32_t (*moved)(struct env_mdp *mdp, uint32_t i, int32_t from, int32_t to);
};

/* A batch; i32[0] is the state, i32[1] the last action (-1 after a reset). base comes first. */
struct env_mdp {
    struct env_base base;
    uint32_t n_states, n_actions, n_start;
    struct env_mdp_cell *cells; /* [n_states][n_actions] */
    double *start;              /* [n_states] probabilities */
    uint8_t *allowed;           /* [n_states][n_actions], NULL = no mask */
    struct env_mdp_hooks hooks;
    struct lathe_space obs, act;
    struct lathe_env_model model;
    struct lathe_env_mask mask;
    struct lathe_env_describe describe;
    struct lathe_env_render render;
};

/* Allocates tables for n_states x n_actions and rows with n_extra more integers (i32[2] ...). */
LATHE_MUST_USE int32_t env_mdp_init(struct env_mdp *mdp, const struct lathe_env_args *args,
                                    uint32_t n_states, uint32_t n_actions, uint32_t n_extra,
                                    struct lathe_error *err);
void env_mdp_fini(struct env_mdp *mdp);

/* Appends an outcome to (state, action). */
void env_mdp_add(struct env_mdp *mdp, uint32_t state, uint32_t action,
                 struct lathe_outcome outcome);

/* The functions of struct lathe_env for such a batch. */
const struct lathe_env_spec *env_mdp_spec(void *batch);
int32_t env_mdp_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                      const struct lathe_env_io *io);
int32_t env_mdp_step(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io);
const void *env_mdp_extension(void *batch, const char *id);

#endif
