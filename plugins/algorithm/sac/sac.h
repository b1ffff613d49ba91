/* Types shared by the files of algorithm "sac": settings, nets, progress of an update. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALGORITHM_SAC_H
#define ALGORITHM_SAC_H

#include "kit/off_policy.h"
#include "kit/rows.h"
#include "kit/squashed.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

struct sac_config {
    double q_lr, ent_coef, target_entropy, log_std_init; /* ent_coef: fixed, or where it starts */
    uint32_t policy_frequency, target_update_interval;
    uint64_t sde_sample_freq; /* 0 = never within a collection phase */
    int32_t cleanrl, stable, sde, auto_alpha;
};

/* One pass of the actor: its workspaces and what the last forward gave. */
struct sac_pass {
    struct lathe_workspace *trunk, *head;
    const float *h, *out;
};

/* Hidden layers and heads of the actor are two nets, since state-dependent noise needs what lies
 * between them. */
struct sac_nets {
    struct kit_mlp trunk, head, log_std, log_alpha, q[2], target[2];
    struct lathe_workspace *log_std_ws, *alpha_ws, *q_act[2], *target_ws[2];
    struct sac_pass act, next;
    struct sac_pass *policy;          /* [chunks] kept from forward to backward */
    struct lathe_workspace **q_ws[2]; /* [chunks] */
    uint32_t features, ldh, ldo, ldq; /* of the trunk; floats per row of trunk, head, critic */
};

enum sac_phase {
    SAC_SAMPLE,  /* draw a minibatch */
    SAC_FORWARD, /* next actions, actions, critics */
    SAC_TARGET,  /* target critics, errors */
    SAC_CRITIC,  /* backward through the critics, their step */
    SAC_POLICY,  /* actions of the actor and their critics */
    SAC_ASCENT,  /* backward through the critics to the actions */
    SAC_ACTOR,   /* backward through the actor, its step */
    SAC_ENTROPY, /* cleanrl: log probabilities anew, step of the entropy coefficient */
    SAC_POLYAK,  /* target nets, end of the gradient step */
    SAC_PHASES
};

struct sac_sums {
    double q_loss, actor_loss, logp, q, alpha;
};

struct sac_update {
    enum sac_phase phase;
    uint32_t chunk, pass; /* pass: repetition of the actor's step (cleanrl) */
    double alpha, alpha_loss;
    struct sac_sums sums, total; /* of this gradient step, since the last report */
    uint64_t n_reported, n_actor;
    double grad_norm;
};

struct sac {
    struct kit_off_policy base;
    struct sac_config cfg;
    const struct kit_rows *rows;
    const struct kit_squashed_rows *squashed;
    struct sac_nets nets;
    struct sac_update upd;
    /* state-dependent noise: of the rows that explore [n_envs][n_act][features], of this gradient
     * step, of a SAMPLE row, deviations [n_act][features] */
    float *row_theta, *theta, *act_theta, *std, *dlog_std, *sde_scratch;
    float *noise_act, *u_act; /* [KIT_OFF_POLICY_BLOCK][n_act] */
    float *noise, *x_next, *x_pi, *logp_next, *logp, *dq[2], *da; /* [batch_size] rows */
    float *noise_next, *dx[2], *dhead, *dh, *dh_sde;              /* [KIT_OFF_POLICY_CHUNK] rows */
    const float *q_out[2];                                        /* target critics of a chunk */
    const float **q_rows[2];                                      /* [chunks] critics' outputs */
};

/* options.c */
extern const struct lathe_option *const sac_options[];
int32_t sac_configure(struct sac *s, const struct lathe_params *o, struct lathe_error *err);

/* nets.c */
int32_t sac_nets_open(struct sac *s, struct lathe_error *err);
void sac_nets_close(struct sac *s);
/* Forward of rows inputs x (ldx apart) with p's workspaces. */
void sac_actor(struct sac *s, struct sac_pass *p, uint32_t rows, const float *x, uint32_t ldx);
/* Actions (act_ld apart) of p's outputs; explore 0 = means. noise [rows][n_act] without, theta
 * [n_act][features] with state-dependent noise. logp may be NULL. */
struct sac_draw {
    int32_t explore;
    const float *noise, *theta;
};
void sac_sample(struct sac *s, const struct sac_pass *p, uint32_t rows, const struct sac_draw *draw,
                float *act, size_t act_ld, float *logp);
/* Brings std up to date with the log deviations of state-dependent noise. */
void sac_refresh_std(struct sac *s);
/* std * standard normals for (key, stream, row, step). */
void sac_draw_theta(struct sac *s, uint64_t key, uint32_t stream, uint32_t row, uint64_t step,
                    float *theta);
double sac_alpha(struct sac *s);

/* play.c */
int32_t sac_act(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act);
int32_t sac_observe(void *self, const struct lathe_transition *tr);

/* losses.c: per chunk of a minibatch */
void sac_target_rows(struct sac *s, uint32_t chunk);
void sac_ascent_rows(struct sac *s, uint32_t chunk);
void sac_actor_backward(struct sac *s, uint32_t chunk);

/* update.c */
int32_t sac_update(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                   struct lathe_error *err);

/* state.c */
int32_t sac_save(void *self, const struct lathe_writer *w);
int32_t sac_load(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t sac_save_policy(void *self, const struct lathe_writer *w);
int32_t sac_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err);
int32_t sac_describe(void *self, char *json, uint64_t cap_bytes);

#endif
