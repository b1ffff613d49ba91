/* A learner under test on one of a few one-step problems whose right answer is known. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_ALGO_RIG_H
#define SDK_CHECK_ALGO_RIG_H

#include "lathe/algorithm.h"
#include "sdk/check/check.h"

#define RIG_ROWS 4u

enum probe {
    PROBE_ACTION_MATTERS, /* action 1 pays +1, action 0 pays -1; observation always 0 */
    PROBE_MATCH,          /* observation 0 or 1; the action that equals it pays 1, the other 0 */
    PROBE_NAN             /* the reward becomes NaN after 100 steps */
};

/* Tensors in memory, in the order they were put. */
struct tensor_store {
    struct tensor *first, *last;
};

union rig_values {
    float f[RIG_ROWS];
    int32_t i[RIG_ROWS];
};

/* The learner keeps pointers into it: never copy an open one. */
struct algo_rig {
    const struct lathe_algorithm *algo;
    void *self;
    enum probe probe;
    uint32_t continuous, tabular;
    struct lathe_env_spec spec;
    struct lathe_space obs_space, act_space;
    uint64_t seed, steps, n_updates;
    union rig_values obs, next, act;
    struct plugin_file *engine_file;
};

/* Opens the learner for the probe; check is marked skipped when its spaces do not fit. */
int32_t algo_rig_open(struct algo_rig *rig, struct check *check, enum probe probe,
                      uint32_t threads);
void algo_rig_close(struct algo_rig *rig);
/* Plays `steps` more steps of all rows, updating when due. A failing call ends it with its status.
 */
int32_t algo_rig_train(struct algo_rig *rig, uint64_t steps, struct lathe_error *err);
/* Plays until an update has finished; an error after a million steps without one. */
int32_t algo_rig_iterate(struct algo_rig *rig, struct lathe_error *err);
/* Share of observations for which the greedy action is the best one, in [0, 1]. */
int32_t algo_rig_quality(struct algo_rig *rig, double *quality);

int32_t algo_rig_save(struct algo_rig *rig, struct tensor_store *store);
int32_t algo_rig_load(struct algo_rig *rig, const struct tensor_store *store,
                      struct lathe_error *err);
int tensor_store_equal(const struct tensor_store *a, const struct tensor_store *b);
void tensor_store_fini(struct tensor_store *store);

#endif
