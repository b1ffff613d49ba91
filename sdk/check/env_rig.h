/* A batch under test: guarded buffers, random actions from the space, hashing of all that is seen.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_ENV_RIG_H
#define SDK_CHECK_ENV_RIG_H

#include "lathe/env.h"
#include "sdk/check/check.h"
#include "sdk/check/guard.h"

struct env_rig {
    const struct lathe_env *env;
    const struct lathe_env_spec *spec;
    const struct lathe_env_snapshot *snapshot; /* NULL when not offered */
    void *batch;
    uint32_t n_rows, n_mask, n_info, n_ended;
    uint32_t *step_count; /* per row, for the time limit */
    struct guard act, obs, reward, terminated, truncated, mask, info, seeds;
    struct lathe_env_io io;
    uint64_t hash;
};

/* Opens the component of check with its options; a failure is recorded. */
int32_t env_rig_open(struct env_rig *rig, struct check *check, uint32_t n_rows);
void env_rig_close(struct env_rig *rig);

int32_t env_rig_reset_all(struct env_rig *rig, uint64_t seed); /* row i is seeded with seed + i */
int32_t env_rig_reset_rows(struct env_rig *rig, const uint8_t *rows);
int32_t env_rig_reset_ended(struct env_rig *rig); /* also at the time limit; continues generators */
int32_t env_rig_step(struct env_rig *rig, uint32_t parts);
int32_t env_rig_step_range(struct env_rig *rig, uint32_t first, uint32_t count);
int32_t env_rig_step_threads(struct env_rig *rig, uint32_t threads);

/* Actions of step t: a function of (seed, t, row) alone. */
void env_rig_random_actions(struct env_rig *rig, uint64_t seed, uint32_t t);
uint32_t env_rig_bad_action_count(const struct env_rig *rig);
void env_rig_bad_action(struct env_rig *rig, uint32_t row, uint32_t which);
const char *env_rig_bad_action_name(const struct env_rig *rig, uint32_t which);

void env_rig_hash(struct env_rig *rig); /* folds observations, rewards and flags into rig->hash */
int env_rig_intact(const struct env_rig *rig);
/* 1 when obs and reward outside rows [first, first + count) still hold the fill byte 0x7f. */
int env_rig_untouched(const struct env_rig *rig, uint32_t first, uint32_t count);
/* 1 when every observation lies in its space and every reward is finite; else says why. */
int env_rig_in_space(const struct env_rig *rig, char *why, size_t cap);
/* Snapshot of one row into state; 0 when the environment offers none. */
int env_rig_state(struct env_rig *rig, uint32_t row, struct strbuf *state);
int env_rig_state_equal(struct env_rig *rig, uint32_t row, const struct strbuf *state);

#endif
