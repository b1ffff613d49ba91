/* Checks that every environment plugin's test shares. All fail the running cmocka test. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENV_CHECKS_H
#define ENV_CHECKS_H

#include "plugins/env/common/testkit.h"

/* Writes the action of step t into act (int32 or float). */
typedef void check_action_fn(void *act, uint32_t t);

/* A recorded run of one row from seed 7: T steps, resets at episode ends without seeds. first and
 * last hold n_obs numbers. */
struct check_run {
    const char *stem, *component;
    const char *const *options;
    uint32_t n_steps, n_obs;
    check_action_fn *action;
    double first[6], last[6], total_reward;
    uint32_t n_episodes;
};
void check_run(const struct check_run *run);

/* Stepping in pieces gives the same bytes as stepping at once; so does a batch of another size. */
void check_cuts(const char *stem, const char *component, const char *const *options);

/* A snapshot set into another batch continues bit-identically; a damaged one is refused. */
void check_snapshot(const char *stem, const char *component, const char *const *options);

/* A bad action (bytes of act_stride) is INVALID, leaves its row alone and steps the others. */
void check_bad_action(const char *stem, const char *component, const void *bad);

/* Replays a golden file: the plugin's golden/<file>, or the same file below the directory named by
 * LATHE_GOLDEN_DIR. Returns how many lines were compared. */
uint32_t check_golden(const char *stem, const char *component, const char *const *options,
                      const char *file);

/* Value of the start distribution under the best (or, with random, the uniform) policy within
 * horizon steps, by value iteration on lathe.env.model/1. */
double check_value(const struct testkit *kit, uint32_t horizon, int random);

/* Sets doubles of row 0 through the snapshot extension. */
void check_set_state(struct testkit *kit, const double *state, uint32_t n);

#endif
