/* The host's side of an environment batch: time limits, autoreset, episode statistics, action
 * clipping. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_VEC_H
#define CORE_WORKER_VEC_H

#include <stddef.h>

#include "core/worker/shard.h"
#include "lathe/env.h"

/* Rows [first, first + count) that are all active. */
struct vec_run {
    uint32_t first, count;
};

struct vec_args {
    const struct lathe_env *env;
    const struct lathe_host *host;
    const struct lathe_params *params;
    struct shard *shard; /* borrowed; NULL = no helpers */
    uint32_t n;
    int64_t time_limit; /* -1: the environment's default */
};

/* Buffers are row-major, 64-byte aligned, n rows. */
struct vec {
    const struct lathe_env *env;
    void *batch;
    const struct lathe_env_spec *spec;
    const struct lathe_env_snapshot *snapshot; /* extensions: NULL when not offered */
    const struct lathe_env_report *report;
    const struct lathe_env_describe *describe;
    const struct lathe_env_info *info_names;
    struct shard *shard;
    uint32_t n, limit, n_mask, n_info;
    size_t obs_stride, act_stride;

    void *obs, *next_obs;      /* of now; of the coming step (swapped by vec_advance) */
    void *final_obs;           /* valid in ended rows */
    uint8_t *mask, *next_mask; /* NULL without masks */
    void *act;                 /* where act() writes */
    float *reward;
    uint8_t *terminated, *truncated;
    float *info, *final_info; /* [n][n_info]; final: at the end of the episode */
    uint32_t *ended, n_ended; /* of the last step, ascending */
    double *final_ret;        /* of ended rows */
    uint32_t *final_len;
    struct vec_run *runs;
    uint32_t n_runs;

    /* private */
    void *env_act;
    float *clip_low, *clip_high;
    uint32_t act_dim;
    void *own_obs[2]; /* obs and next_obs are these unless somebody lends a place */
    float *own_reward;
    uint8_t *own_terminated, *own_truncated;
    uint8_t *active, *ended_flag;
    double *ret;
    uint32_t *length;
    uint64_t *seeds;
    int autoreset;
    struct lathe_env_io io;
};

/* Opens a batch of n rows. Errors: of the environment; LATHE_E_UNSUPPORTED for several agents. */
int32_t vec_open(const struct vec_args *args, struct vec **out,
                 struct lathe_error *err) LATHE_MUST_USE;
void vec_close(struct vec *vec); /* NULL is fine */

/* Resets rows 0 .. count - 1, each with seed seeds[i], into vec->obs; they become the active rows,
 * others idle. options_json may be NULL. */
int32_t vec_reset(struct vec *vec, uint32_t count, const uint64_t *seeds, const char *options_json,
                  struct lathe_error *err) LATHE_MUST_USE;

/* Starts the active row once more from seed with options of its own. Errors: LATHE_E_INVALID when
 * the environment does not know them. */
int32_t vec_reset_row(struct vec *vec, uint32_t row, uint64_t seed,
                      const char *options_json) LATHE_MUST_USE;

/* Steps all active rows with vec->act into next_obs, reward, terminated, truncated, next_mask. With
 * autoreset, ended rows start their next episode; otherwise they become idle at vec_advance.
 * Errors: of the environment; LATHE_E_INTERNAL for a reward that is not finite. */
int32_t vec_step(struct vec *vec, int autoreset, struct lathe_error *err) LATHE_MUST_USE;

/* The coming step writes obs, reward, terminated and truncated to the places that io names, as far
 * as they are aligned as such buffers are; NULL and io NULL: to vec's own. A lent obs must stay
 * until the step after it has been made, or vec_keep. */
void vec_lend(struct vec *vec, const struct lathe_env_io *io);
/* Moves next_obs into vec's own memory. */
void vec_keep(struct vec *vec);

/* Makes next_obs the present one and forgets ended rows (idle, or counters at 0 with autoreset). */
void vec_advance(struct vec *vec);

/* Number of active rows. */
uint32_t vec_active(const struct vec *vec);

/* Seed rules. Thread: [any]. */
#define VEC_PURPOSE_TRAIN 1u
#define VEC_PURPOSE_EVAL 2u
#define VEC_PURPOSE_TRIAL 7u
uint64_t vec_seed(int episodic, uint64_t seed, uint32_t purpose, uint64_t index);

/* Numbers in the flattened form of a space; 0 when it cannot be flattened. */
uint64_t space_flat_dim(const struct lathe_space *space);
/* Actions of a DISCRETE space, else 0. */
uint32_t space_n_actions(const struct lathe_space *space);

#endif
