/* Checks that every learner of box actions with a replay memory passes: probe problems, bit
 * equality of threads, instruction sets and resumed runs, dead learning rates, bad rewards. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BOX_LEARNER_H
#define TESTS_BOX_LEARNER_H

#include "kit/replay.h"
#include "tests/support/rl_harness.h"

struct box_learner {
    const char *file, *name;
    const char *probe_settings; /* for the probe problems */
    const char *small_settings; /* for bit equality: small nets that learn from step 200 on */
};

/* env: NULL = the probe problems. */
struct rl_setup box_setup(const struct box_learner *l, const struct lathe_component *env,
                          const char *env_settings, const char *settings);
void box_save(struct rl_run *r, struct rl_store *s);

void box_check_probes(const struct box_learner *l);
void box_check_threads_and_isa(const struct box_learner *l);
void box_check_resume(const struct box_learner *l);
void box_check_zero_learning_rate(const struct box_learner *l);
void box_check_bad_rewards(const struct box_learner *l);
void box_check_refusals(const struct box_learner *l);
void box_check_policy_alone(const struct box_learner *l);

/* The first minibatch (draw 0) of the replay memory in store, of Pendulum with one row and memory
 * for 1000 rows. */
void box_first_batch(const struct rl_store *store, uint64_t seed, uint32_t rows, uint32_t n_step,
                     double gamma, struct kit_replay_batch *batch);

#endif
