/* Drives an environment plugin in a test as a host does: opens the shipped file, fills in options,
 * owns the buffers, counts the time limit and resets ended rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENV_TESTKIT_H
#define ENV_TESTKIT_H

#include "lathe/env.h"
#include "lathe/plugin.h"

/* An opened batch with its buffers. */
struct testkit {
    void *so;
    const struct lathe_plugin *plugin;
    const struct lathe_component *component;
    const struct lathe_env *env;
    const struct lathe_env_spec *spec;
    void *batch;
    uint32_t n, n_mask, n_info, limit;
    void *act, *obs, *final_obs;
    float *reward, *info;
    uint8_t *terminated, *truncated, *ended, *mask;
    uint64_t *seeds;
    uint32_t *t;
    double total_reward; /* of testkit_advance */
    uint64_t n_episodes;
    struct lathe_env_io io;
};

/* Opens component of plugin file stem (in the build tree) with n rows. options is "name", "value"
 * pairs closed by NULL, or NULL. Returns the status of open; on failure only the file stays loaded.
 */
int32_t testkit_open(struct testkit *kit, const char *stem, const char *component, uint32_t n,
                     const char *const *options, struct lathe_error *err);
void testkit_close(struct testkit *kit);

/* Resets all rows, row i with seed + i, and clears counters. */
void testkit_reset(struct testkit *kit, uint64_t seed);

/* One step of all rows with the actions in act: time limit, then resets of ended rows without
 * seeds. */
void testkit_advance(struct testkit *kit);

#endif
