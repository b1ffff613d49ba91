/* Types shared by the files of the tabular algorithms. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_Q_LEARNING_H
#define ALGORITHM_Q_LEARNING_H

#include "lathe/algorithm.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"
#include "table.h"

enum q_rule { Q_LEARNING, Q_SARSA, Q_EXPECTED_SARSA, Q_DOUBLE };

struct q_self {
    enum q_rule rule;
    struct kit_flat flat;
    struct table table;
    double gamma, alpha, alpha_end, alpha_fraction, epsilon, epsilon_end, epsilon_fraction;
    uint32_t n_envs, n_actions, n_mask, obs_stride, act_stride;
    int32_t episodic, policy_only;
    int64_t act_start;
    uint64_t seed, total_steps, total_iterations, steps, iterations;
    uint64_t *row_step; /* [n_envs] decisions taken */
    int32_t *next_act;  /* [n_envs] SARSA: action already chosen, -1 = none */
    uint32_t *state;    /* [n_envs] state that act saw */
    int32_t *taken;     /* [n_envs] action of the step under way */
    uint8_t *alive;     /* [n_envs] EPISODIC */
    uint32_t n_alive;
    double td_sum;
    uint64_t td_count;
    double *work; /* n_actions numbers */
};

extern const struct lathe_option *const q_options[];

int32_t q_fail(struct lathe_error *err, int32_t code, const char *field, const char *text);

/* state.c */
int32_t q_save(void *self, const struct lathe_writer *w);
int32_t q_load(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t q_save_policy(void *self, const struct lathe_writer *w);
int32_t q_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t q_describe(void *self, char *json, uint64_t cap_bytes);
void q_start_episodes(struct q_self *q);

/* learn.c */
int32_t q_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act);
int32_t q_observe(void *self, const struct lathe_transition *tr);
int32_t q_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                 struct lathe_error *err);

#endif
