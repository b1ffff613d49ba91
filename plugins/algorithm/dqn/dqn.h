/* Types shared by the files of algorithm "dqn": settings, nets, progress of an update. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_DQN_H
#define ALGORITHM_DQN_H

#include "kit/flatten.h"
#include "kit/replay.h"
#include "kit/rows.h"
#include "kit/schedule.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"
#include "loss.h"

#define DQN_MAX_HIDDEN 8u
#define DQN_MAX_ACTIONS 4096u
#define DQN_MAX_OUTPUTS 65536u
#define DQN_SLICE 256u /* rows of a minibatch between two looks at the budget */

enum dqn_profile { DQN_SB3, DQN_CLEANRL, DQN_AGENTGYM };

struct dqn_config {
    enum dqn_profile profile;
    double learning_rate, lr_end, gamma, tau, eps_start, eps_end, eps_fraction, max_grad_norm;
    double per_alpha, per_beta, reward_scale, adam_eps;
    uint64_t buffer_size, learning_starts, train_freq, target_update;
    int64_t gradient_steps;
    uint32_t batch_size, n_step, n_hidden, hidden[DQN_MAX_HIDDEN], activation, isa;
    int32_t lr_schedule, target_by_updates, per, bootstrap;
};

/* A minibatch on its way: drawn, gathered, with the target net's outputs at next_obs. */
struct dqn_prepared {
    struct kit_replay_batch batch;
    float *next_q; /* [batch_size][stride] */
};

/* An update phase: left gradient steps, the minibatch in work, and the one being prepared on the
 * other core meanwhile. */
struct dqn_update {
    int32_t active, ready, ahead, copy_after;
    uint64_t left;
    uint32_t at, cur; /* rows done of the slice loop; which of the two minibatches */
    double lr, beta;
    struct dqn_sums sums; /* of one minibatch */
    struct dqn_sums total;
    double grad_norm;
    uint64_t n_reported; /* gradient steps in total */
};

struct dqn {
    const struct lathe_host *host;
    const struct lathe_engine *engine;
    struct dqn_config cfg;
    struct dqn_heads heads;
    struct kit_flat flat;
    struct lathe_engine_self *es;
    struct lathe_net *online, *target;
    struct lathe_workspace *act_ws, *obs_ws, *next_ws, *target_ws;
    uint32_t n_layers, n_envs, n_mask, obs_stride, act_stride, dim, threads;
    int32_t episodic, policy_only;
    int64_t act_start;
    uint64_t seed, total_steps, total_iterations, memory_limit;
    /* progress: environment steps, gradient steps, iterations of EPISODIC runs, steps since the
     * last training, copies to the target net that are due */
    uint64_t steps, n_updates, iterations, since_train, copies_due;
    uint64_t *row_step; /* [n_envs] steps ever taken: counters of the action draws */
    uint8_t *alive;     /* [n_envs] EPISODIC */
    uint32_t rows_seen, n_alive;
    struct kit_replay *replay;
    struct dqn_prepared prepared[2];
    struct dqn_update upd;
    float *x_act, *q, *dy, *best, *goal, *error;
};

/* options.c */
extern const struct lathe_option *const dqn_options[];
extern const struct lathe_option *const qrdqn_options[];
int32_t dqn_configure(struct dqn *d, const struct lathe_algo_args *args, int32_t quantiles,
                      struct lathe_error *err);
int32_t dqn_fail(struct lathe_error *err, int32_t code, const char *field, const char *text);

/* nets.c */
int32_t dqn_nets_open(struct dqn *d, struct lathe_error *err);
void dqn_nets_close(struct dqn *d);
void dqn_target_copy(struct dqn *d);

/* play.c */
int32_t dqn_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act);
int32_t dqn_observe(void *self, const struct lathe_transition *tr);
void dqn_start_episodes(struct dqn *d);

/* update.c */
int32_t dqn_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err);

/* state.c */
int32_t dqn_save(void *self, const struct lathe_writer *w);
int32_t dqn_load(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t dqn_save_policy(void *self, const struct lathe_writer *w);
int32_t dqn_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t dqn_describe(void *self, char *json, uint64_t cap_bytes);

#endif
