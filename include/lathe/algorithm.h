/* Kind "lathe.algorithm/1": a learner. The worker owns the loop; the algorithm never blocks it.
 * Threads: all calls [learn] except where said. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_ALGORITHM_H
#define LATHE_ALGORITHM_H

#include "lathe/env.h"

#define LATHE_KIND_ALGORITHM "lathe.algorithm/1"

/* Capability flags of struct lathe_algorithm. */
#define LATHE_ALGO_DISCRETE 1u   /* one discrete action */
#define LATHE_ALGO_CONTINUOUS 2u /* a float32 box */
#define LATHE_ALGO_MULTIDISCRETE 4u
#define LATHE_ALGO_ON_POLICY 8u
#define LATHE_ALGO_OFF_POLICY 16u
#define LATHE_ALGO_NEEDS_ENGINE 32u
#define LATHE_ALGO_TABULAR 64u /* needs finitely many (or hashable) observations */

/* Flags of struct lathe_algo_args. */
#define LATHE_RUN_EPISODIC \
    1u /* every iteration plays n_envs whole episodes, one per row, then updates */
#define LATHE_RUN_POLICY_ONLY \
    2u /* act and load only: evaluation, serving; no rollout or replay memory */
#define LATHE_RUN_FAST_NUMERICS \
    4u /* OpenBLAS and thread-dependent sums allowed; default is strict */

struct lathe_engine;

/* Arguments of open; borrowed until open returns, except spec, engine and host (until close). */
struct lathe_algo_args {
    uint32_t struct_size, flags;
    const struct lathe_host *host;
    const struct lathe_env_spec *spec; /* of the training environment */
    const struct lathe_params *params;
    const struct lathe_engine *engine; /* NULL unless NEEDS_ENGINE */
    uint32_t n_envs;                   /* rows that act and observe see while training */
    uint32_t threads;                  /* cores the run may use; results must not depend on it */
    uint32_t n_mask;                   /* bytes of action mask per row, 0 = none */
    uint32_t max_act_rows;             /* largest row count of a GREEDY or SAMPLE act call */
    uint64_t seed;                     /* key of all random draws (Philox4x32-10, lathe/rng.h) */
    uint64_t total_steps;              /* environment steps planned, for schedules; 0 = unknown */
    uint64_t total_iterations;         /* EPISODIC: iterations planned */
    uint64_t memory_limit_bytes;       /* 0 = none; more is LATHE_E_LIMIT before training starts */
};

/* Observations to act on. Pointers are row 0 of the batch; rows [first, first + count) are read. */
struct lathe_obs {
    uint32_t struct_size, first, count, reserved0;
    const void *obs;
    const uint8_t *mask; /* NULL = everything allowed */
    /* SAMPLE: the draw of row i is a function of (sample_key, sample_index + i - first). */
    uint64_t sample_key, sample_index;
};

#define LATHE_ACT_EXPLORE 0 /* training: draws belong to the run and are recorded */
#define LATHE_ACT_GREEDY 1  /* argmax (lowest index among maxima) or mean; changes nothing */
#define LATHE_ACT_SAMPLE 2  /* from the policy's distribution with sample_key; changes nothing */

/* Results of act. prob and value are optional outputs of GREEDY and SAMPLE. */
struct lathe_act {
    uint32_t struct_size, reserved0;
    void *act;   /* [rows][act_stride], written at rows [first, first + count) */
    float *prob; /* [rows][n_actions] of a discrete policy, or NULL */
    float *
        value; /* [rows] state value in undiscounted-reward units, 0 where there is none, or NULL */
};

/* One step of rows [first, first + count). Pointers are row 0 of the batch. */
struct lathe_transition {
    uint32_t struct_size, first, count, n_ended;
    const void *obs, *act;                 /* what act saw and gave */
    const float *reward;                   /* raw */
    const uint8_t *terminated, *truncated; /* time limit included */
    const void *next_obs;                  /* what the next act will see: after autoreset */
    const void *final_obs; /* observation that ended the episode; valid in ended rows only */
    const uint32_t *ended; /* ascending rows whose episode ended: terminated or truncated */
    const uint8_t *mask, *next_mask; /* or NULL */
};

/* At most max_ns of work; cancelled is polled at least every millisecond. */
struct lathe_budget {
    uint32_t struct_size, reserved0;
    uint64_t max_ns;                  /* 0 = until done */
    int32_t (*cancelled)(void *user); /* or NULL */
    void *user;
};

/* Sink for named metrics: stats->put(stats, "train/policy_loss", x). Since 1.0. */
struct lathe_stats {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */
    void (*put)(struct lathe_stats *stats, const char *name, double value);
};

/* Named tensors to and from a checkpoint. dtype as in space.h plus the two below. */
#define LATHE_U32 5
#define LATHE_U64 6
struct lathe_writer {
    uint32_t struct_size, reserved0;
    void *ctx;
    /* Adds one tensor; data is borrowed. LATHE_E_EXISTS for a name given twice. */
    int32_t (*put)(const struct lathe_writer *writer, const char *name, uint32_t dtype,
                   uint32_t ndim, const uint64_t *shape, const void *data);
};
struct lathe_reader {
    uint32_t struct_size, reserved0;
    void *ctx;
    /* Copies the tensor into out when dtype and shape are as asked: LATHE_E_NOT_FOUND,
     * LATHE_E_CORRUPT. */
    int32_t (*get)(const struct lathe_reader *reader, const char *name, uint32_t dtype,
                   uint32_t ndim, const uint64_t *shape, void *out);
    /* Shape of a tensor: writes up to 8 dimensions and returns ndim, or LATHE_E_NOT_FOUND. */
    int32_t (*shape)(const struct lathe_reader *reader, const char *name, uint32_t *dtype,
                     uint64_t shape[8]);
};

struct lathe_algorithm {
    uint32_t struct_size, flags;

    /* Makes a learner. Errors: LATHE_E_INVALID with err->field = the option at fault (including
     * rules that span options, such as a batch larger than the rollout), LATHE_E_UNSUPPORTED when
     * the spaces do not fit, LATHE_E_LIMIT for memory. Thread: [learn]. Since 1.0. */
    int32_t (*open)(const struct lathe_algo_args *args, struct lathe_error *err, void **self);

    /* Chooses actions. EXPLORE: exactly once per row and step, before the matching observe.
     * GREEDY, SAMPLE: any rows <= max_act_rows, training state unchanged. Since 1.0. */
    int32_t (*act)(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act);

    /* Takes the result of the step. Returns LATHE_OK or LATHE_UPDATE_DUE. Since 1.0. */
    int32_t (*observe)(void *self, const struct lathe_transition *transition);

    /* Learns. LATHE_AGAIN: budget used up, call again before the next act. LATHE_OK: iteration
     * done. LATHE_E_INTERNAL with a message for a non-finite loss. In EPISODIC runs the host calls
     * it once all rows have ended. Since 1.0. */
    int32_t (*update)(void *self, const struct lathe_budget *budget, struct lathe_stats *stats,
                      struct lathe_error *err);

    /* Complete state at an iteration boundary (on-policy, EPISODIC) or step boundary (off-policy):
     * a learner that loads it continues bit-identically. Since 1.0. */
    int32_t (*save)(void *self, const struct lathe_writer *writer);
    int32_t (*load)(void *self, const struct lathe_reader *reader, struct lathe_error *err);

    void (*close)(void *self);
    const void *(*extension)(void *self, const char *id);
};

#define LATHE_ALGO_SLOTS "lathe.algo.slots/1"
/* Where the next step should write, inside the rollout or replay memory, so that nothing is copied.
 * The algorithm fills obs, reward, terminated, truncated of io for the coming step; pointers it
 * leaves NULL are the host's. A host may ignore this extension: observe then gets the host's
 * buffers. Since 1.0. */
struct lathe_algo_slots {
    uint32_t struct_size, reserved0;
    int32_t (*next)(void *self, struct lathe_env_io *io);
};

#define LATHE_ALGO_EXPORT "lathe.algo.export/1"
/* The policy alone, for packages and serving. */
struct lathe_algo_export {
    uint32_t struct_size, reserved0;
    /* JSON description of the policy: {"kind":"mlp","layers":[{"in","out","activation"}...], ...}
     * or
     * {"kind":"table",...}. LATHE_E_LIMIT when cap_bytes is too small. */
    int32_t (*describe)(void *self, char *json, uint64_t cap_bytes);
    /* Tensors "policy/..." only: no optimizer, no replay. load_policy reads them back. */
    int32_t (*save_policy)(void *self, const struct lathe_writer *writer);
    int32_t (*load_policy)(void *self, const struct lathe_reader *reader, struct lathe_error *err);
};

#endif
