/* Probe problems with known answers for learners, one observation and one action wide. Select with
 * the options probe=a..f|w, and continuous=true for a float32 box action in [-1, 1], whose sign
 * counts. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PROBE_ENV_H
#define TESTS_PROBE_ENV_H

#include "lathe/plugin.h"

/* a: one action, obs 0, one step, reward 1: value 1.
 * b: obs +-1, reward = obs: value = obs.
 * c: two steps, obs 0 then 1, reward 1 at the end: values gamma, 1.
 * d: two actions, reward +-1 by the action: the second is best.
 * e: obs +-1, reward 1 when the action matches it.
 * f: obs 0, reward 1 for ever: needs a time limit from outside.
 * w: reward NaN. */
extern const struct lathe_component probe_env_component;

#endif
