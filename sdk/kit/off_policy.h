/* What learners of bounded actions with a replay memory share: common settings, the replay memory,
 * when to learn, draws, minibatches as critic inputs, and the budget of an update.
 * Threads: [learn]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_OFF_POLICY_H
#define KIT_OFF_POLICY_H

#include "kit/box.h"
#include "kit/flatten.h"
#include "kit/mlp.h"
#include "kit/replay.h"
#include "lathe/algorithm.h"
#include "lathe/engine.h"

#define KIT_OFF_POLICY_HIDDEN 8u
#define KIT_OFF_POLICY_CHUNK 128u /* minibatch rows of one slice of work */
#define KIT_OFF_POLICY_BLOCK 64u  /* rows of one forward pass while acting */
#define KIT_OFF_POLICY_REPORT 64u /* gradient steps in one line of metrics */

/* Read from options of the same names by kit_off_policy_open; a learner may override them before
 * kit_off_policy_start. */
struct kit_off_policy_config {
    double learning_rate, gamma, tau;
    uint64_t buffer_size, learning_starts, train_freq;
    int64_t gradient_steps; /* -1 = as many as environment steps were taken since the last */
    uint32_t batch_size, n_step, n_hidden, hidden[KIT_OFF_POLICY_HIDDEN], activation, isa;
    int32_t lr_schedule;
};

struct kit_off_policy {
    const char *name; /* of the algorithm, for messages */
    const struct lathe_host *host;
    const struct lathe_engine *engine;
    struct lathe_engine_self *es;
    struct kit_off_policy_config cfg;
    struct kit_flat flat;
    struct kit_box box;
    uint32_t n_envs, obs_stride, act_stride, dim, n_act, threads;
    uint32_t ld; /* floats per row of critic inputs: observation, action, padding to 16 */
    int32_t policy_only;
    uint64_t seed, total_steps, memory_limit;
    uint64_t steps, n_updates, since_train; /* environment steps, gradient steps, vector steps */
    uint64_t *row_step;                     /* [n_envs] steps ever taken: counters of the draws */
    float *pending;                         /* [n_envs][n_act] actions in [-1, 1] under way */
    uint32_t rows_seen;
    struct kit_replay *replay;
    struct kit_replay_batch batch;
    float *x, *x_act; /* [batch_size][ld], [KIT_OFF_POLICY_BLOCK][ld]: critic inputs */
    /* the update under way */
    int32_t active;
    uint64_t left;   /* gradient steps */
    double lr_share; /* what the schedule leaves of learning rates */
};

int32_t kit_off_policy_fail(const struct kit_off_policy *b, struct lathe_error *err, int32_t code,
                            const char *field, const char *text);

/* Takes over args: spaces, options, engine. close also undoes start. b starts zeroed. */
LATHE_MUST_USE int32_t kit_off_policy_open(struct kit_off_policy *b, const char *name,
                                           const struct lathe_algo_args *args,
                                           struct lathe_error *err);
/* Opens the engine and, unless the run is POLICY_ONLY, the replay memory. */
LATHE_MUST_USE int32_t kit_off_policy_start(struct kit_off_policy *b, struct lathe_error *err);
void kit_off_policy_close(struct kit_off_policy *b);

/* An mlp: dims through the hidden layers (activation as set), then heads outputs of each kind with
 * head_activation (heads = 2: two joined layers). Uniform initializer by fan-in. */
struct kit_off_policy_net {
    uint32_t in, out, heads, trunk; /* trunk: 1 = hidden layers, 2 = heads, 3 = both */
    uint32_t head_activation, seed_row;
};
LATHE_MUST_USE int32_t kit_off_policy_net_open(const struct kit_off_policy *b,
                                               const struct kit_off_policy_net *shape,
                                               struct kit_mlp *m, struct lathe_error *err);

/* Chunks of a minibatch, and the rows of chunk c. */
uint32_t kit_off_policy_chunks(const struct kit_off_policy *b);
uint32_t kit_off_policy_rows(const struct kit_off_policy *b, uint32_t c);

/* Standard normals for (stream, row, step), n of them from block number block on. */
void kit_normals(uint64_t key, uint32_t stream, uint32_t row, uint64_t step, uint32_t block,
                 uint32_t n, float *out);
/* n uniform numbers in [-1, 1]. */
void kit_uniforms(uint64_t key, uint32_t stream, uint32_t row, uint64_t step, uint32_t n,
                  float *out);

/* Observation row of the host's array, flattened. */
void kit_off_policy_flatten(const struct kit_off_policy *b, const void *obs, size_t row, float *x);
/* An action in [-1, 1] to the host's array. */
void kit_off_policy_emit(const struct kit_off_policy *b, const float *unit, void *act, size_t row);
/* LATHE_OK when EXPLORE of these rows is legal now, else LATHE_E_CONFLICT. */
int32_t kit_off_policy_may_explore(const struct kit_off_policy *b, const struct lathe_obs *obs);
/* Does row act at random, since learning has not started? */
int32_t kit_off_policy_warm_up(const struct kit_off_policy *b, uint64_t row_step);

/* The whole of observe: rows into the replay memory, LATHE_UPDATE_DUE when it is time. */
int32_t kit_off_policy_observe(struct kit_off_policy *b, const struct lathe_transition *tr);

/* Draws minibatch number draw and fills x with (obs, act). */
void kit_off_policy_sample(struct kit_off_policy *b, uint64_t draw);

/* Calls slice until the update phase is over (LATHE_OK), the budget is used up (LATHE_AGAIN), the
 * host cancels or slice fails. slice works on one gradient step and counts left and n_updates. */
int32_t kit_off_policy_update(struct kit_off_policy *b, const struct lathe_budget *budget,
                              int32_t (*slice)(void *self), void *self, struct lathe_error *err);

/* Counters, row steps and the replay memory: "<name>/counters", "<name>/row_step", "replay/...".
 * save: LATHE_E_CONFLICT inside a step or an update. */
LATHE_MUST_USE int32_t kit_off_policy_save(const struct kit_off_policy *b,
                                           const struct lathe_writer *w);
LATHE_MUST_USE int32_t kit_off_policy_load(struct kit_off_policy *b, const struct lathe_reader *r);

#endif
