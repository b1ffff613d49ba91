/* Types shared by the files of algorithms "td3" and "ddpg": settings, nets, progress of an update.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_TD3_H
#define ALGORITHM_TD3_H

#include "kit/off_policy.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

#define TD3_OU_THETA 0.15f
#define TD3_OU_DT 0.01f

enum td3_noise { TD3_NOISE_NONE, TD3_NOISE_NORMAL, TD3_NOISE_OU };

struct td3_config {
    enum td3_noise noise;
    float noise_std, target_noise, target_clip;
    uint32_t policy_delay, n_critics;
};

struct td3_nets {
    struct kit_mlp actor, actor_target, q[2], q_target[2];
    struct lathe_workspace *actor_act, *q_act[2], *actor_next, *q_next[2], *q_policy;
    struct lathe_workspace **actor_ws, **q_ws[2]; /* [chunks] */
    uint32_t lda, ldq;                            /* floats per row of actor and critic outputs */
};

enum td3_phase {
    TD3_SAMPLE,  /* draw a minibatch */
    TD3_FORWARD, /* next actions, critics */
    TD3_TARGET,  /* target critics, errors */
    TD3_CRITIC,  /* backward through the critics, their step */
    TD3_POLICY,  /* the actor's ascent on the first critic, its step */
    TD3_FINISH,  /* target nets, end of the gradient step */
    TD3_PHASES
};

struct td3_update {
    enum td3_phase phase;
    uint32_t chunk;
    double q_loss, q, actor_loss;                   /* of this gradient step */
    double total_q_loss, total_q, total_actor_loss; /* since the last report */
    uint64_t n_reported, n_actor;
    double grad_norm;
};

struct td3 {
    struct kit_off_policy base;
    struct td3_config cfg;
    struct td3_nets nets;
    struct td3_update upd;
    float *ou;            /* [n_envs][n_act] Ornstein-Uhlenbeck noise */
    float *noise, *u_act; /* [KIT_OFF_POLICY_BLOCK][n_act] */
    float *x_next, *x_pi, *dq[2], *dq_policy,
        *da;                 /* [batch_size] rows; da: actor output gradients */
    float *dx;               /* [KIT_OFF_POLICY_CHUNK][ld] */
    const float *q_out[2];   /* target critics of a chunk */
    const float **q_rows[2]; /* [chunks] critics' outputs */
};

/* options.c */
extern const struct lathe_option *const td3_options[];
extern const struct lathe_option *const ddpg_options[];
void td3_configure(struct td3 *t, const struct lathe_params *o, int32_t ddpg);

/* nets.c */
int32_t td3_nets_open(struct td3 *t, struct lathe_error *err);
void td3_nets_close(struct td3 *t);

/* play.c */
int32_t td3_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act);
int32_t td3_observe(void *self, const struct lathe_transition *tr);

/* update.c */
int32_t td3_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err);

/* state.c */
int32_t td3_save(void *self, const struct lathe_writer *w);
int32_t td3_load(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t td3_save_policy(void *self, const struct lathe_writer *w);
int32_t td3_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t td3_describe(void *self, char *json, uint64_t cap_bytes);

#endif
