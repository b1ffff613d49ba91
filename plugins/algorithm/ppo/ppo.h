/* Types shared by the files of algorithm "ppo": settings, nets, rollout memory, progress of an
 * update. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_PPO_H
#define ALGORITHM_PPO_H

#include "kit/flatten.h"
#include "kit/gae.h"
#include "kit/rows.h"
#include "kit/schedule.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

#define PPO_MAX_HIDDEN 8u
#define PPO_MAX_ACTIONS 4096u
#define PPO_MAX_PARTS 64u
#define PPO_SLICE \
    512u /* rows of a minibatch between two looks at the budget; a multiple of KIT_BLOCK */

enum ppo_norm { PPO_NORM_NONE, PPO_NORM_MINIBATCH, PPO_NORM_ITERATION };

struct ppo_config {
    double learning_rate, gamma, gae_lambda, clip_range, clip_range_vf, ent_coef, vf_coef;
    double max_grad_norm, target_kl, reward_scale, adam_eps, log_std_init;
    int32_t use_sde;
    int64_t sde_sample_freq;
    uint32_t n_steps, batch_size, n_epochs, n_hidden, hidden[PPO_MAX_HIDDEN];
    uint32_t activation, isa;
    int32_t lr_schedule, clip_schedule, ent_schedule;
    int32_t cleanrl, agentgym, half_value, ortho_init, bootstrap,
        shared; /* half_value: loss (V - R)^2 / 2 */
    enum ppo_norm norm;
};

/* Transitions of the iteration in time order; observations are flat float rows. A continuous
 * rollout has n_steps * n_envs entries plus one observation row per environment behind them. */
struct ppo_rollout {
    size_t cap, n;
    float *obs, *act_f, *logp, *value, *reward, *adv, *ret;
    int32_t *act_i; /* n_parts per entry */
    uint8_t *done, *mask;
    uint32_t *row, *perm;
    float *theta;       /* gSDE: [n_envs][n_feat][n_out] weights of the noise */
    uint32_t *sde_step; /* [n_envs] steps of the row in this rollout */
    uint32_t t, rows_seen, n_alive;
    size_t *pending;    /* [n_envs] entry of the step under way */
    uint8_t *alive;     /* [n_envs] EPISODIC */
    uint64_t *row_step; /* [n_envs] steps ever taken: counters of the action draws */
    float *next_value, *next_adv;
};

/* One minibatch, gathered. */
struct ppo_batch {
    float *x, *act_f, *logp_old, *adv, *ret, *value_old;
    int32_t *act_i;
    uint8_t *mask;
    uint32_t n;
};

/* What the loss of one minibatch needs besides the batch; the actor and the critic may run at once.
 */
struct ppo_pass {
    uint32_t from, to; /* rows of the batch */
    struct kit_policy_sums sums;
    double value_loss;
};

struct ppo_update {
    int32_t active, stopped;
    uint32_t epoch, start, at; /* epoch; first row of the minibatch; rows of it done */
    double lr, clip, ent, clip_vf;
    struct ppo_pass pass;
    struct kit_policy_sums total;
    double value_total, grad_norm, explained, last_kl;
    uint64_t rows, minibatches;
};

struct ppo {
    const struct lathe_host *host;
    const struct lathe_engine *engine;
    const struct kit_rows *rows;
    struct ppo_config cfg;
    struct kit_flat flat;
    struct lathe_engine_self *es;
    struct lathe_net *actor, *critic,
        *log_std; /* critic NULL: shared trunk; log_std: Gaussian only */
    struct lathe_workspace *act_a, *act_c, *upd_a, *upd_c, *std_ws;
    /* gSDE: the hidden layers are a net of their own, its outputs the noise's features; actor is
     * the head. NULL otherwise. */
    struct lathe_net *trunk;
    struct lathe_workspace *act_t, *upd_t;
    uint32_t n_feat, stride_t;
    float *s2, *dfeat; /* squared deviations [n_feat][n_out]; gradient of a block's features */
    uint32_t n_out, value_col, stride_a, stride_c, n_layers_a, n_layers_c;
    int32_t discrete, episodic, policy_only;
    int64_t act_start;
    uint32_t parts[PPO_MAX_PARTS], n_parts; /* action choices; more than one: MULTIDISCRETE */
    const struct lathe_space *act_space;
    uint32_t n_envs, n_mask, obs_stride, act_stride, dim, threads;
    uint64_t seed, total_steps, total_iterations, memory_limit;
    uint64_t steps, iterations, n_updates;
    struct ppo_rollout roll;
    struct ppo_batch batch;
    struct ppo_update upd;
    float *x_act, *scratch, *dy, *dv, *dls, *noise; /* work space of one block */
};

/* options.c */
extern const struct lathe_option *const ppo_options[];
int32_t ppo_configure(struct ppo *p, const struct lathe_algo_args *args, struct lathe_error *err);
int32_t ppo_fail(struct lathe_error *err, int32_t code, const char *field, const char *text);

/* nets.c */
int32_t ppo_nets_open(struct ppo *p, struct lathe_error *err);
void ppo_nets_close(struct ppo *p);
/* Values of rows inputs x (dim floats per row) into v. */
void ppo_values(struct ppo *p, const float *x, uint32_t rows, float *v);

/* Outputs of the actor for n <= KIT_BLOCK inputs x, with the update's workspaces or those of
 * acting; *feat: the features of gSDE, stride_t floats apart. */
const float *ppo_actor(struct ppo *p, int32_t update, uint32_t n, const float *x,
                       const float **feat);
/* gSDE: deviations as they are now, for features feat; uses p->s2. */
struct kit_sde ppo_sde(struct ppo *p, const float *feat);

/* sde.c */
/* Draws the weights of row's noise: a function of (seed, row, step). */
void ppo_sde_draw(struct ppo *p, uint32_t row, uint64_t step);
/* Actions of rows inputs: with the drawn weights of row[i] (row not NULL), with n_out standard
 * normals per input (u not NULL), or the mean. */
void ppo_sde_act(struct ppo *p, const float *mean, const struct kit_sde *s, uint32_t rows,
                 const uint32_t *row, const float *u, float *act);

/* rollout.c */
int32_t ppo_rollout_open(struct ppo *p, struct lathe_error *err);
void ppo_rollout_close(struct ppo *p);
int32_t ppo_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act);
int32_t ppo_observe(void *self, const struct lathe_transition *tr);
int32_t ppo_slots_next(void *self, struct lathe_env_io *io);
void ppo_rollout_reset(struct ppo *p);

/* update.c */
int32_t ppo_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err);

/* state.c */
int32_t ppo_save(void *self, const struct lathe_writer *w);
int32_t ppo_load(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t ppo_save_policy(void *self, const struct lathe_writer *w);
int32_t ppo_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t ppo_describe(void *self, char *json, uint64_t cap_bytes);

#endif
