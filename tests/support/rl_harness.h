/* Environment + algorithm + engine in one process, without a worker: what tests of learners need.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RL_HARNESS_H
#define TESTS_RL_HARNESS_H

#include "lathe/algorithm.h"
#include "lathe/engine.h"
#include "lathe/env.h"
#include "lathe/plugin.h"

#define RL_MAX_SETTINGS 24u

/* Options of one component: its table plus "name=value" settings. */
struct rl_params {
    struct lathe_params api;
    const struct lathe_option *const *table;
    const char *settings[RL_MAX_SETTINGS + 1]; /* NULL-terminated */
};

/* settings: "a=1;b=2" (borrowed text is copied into storage the caller frees with rl_params_fini).
 */
void rl_params_init(struct rl_params *p, const struct lathe_component *c, const char *settings);
void rl_params_fini(struct rl_params *p);

/* The component of a built plugin file (name without .so), or NULL. The file stays loaded. */
const struct lathe_component *rl_component(const char *file, const char *kind, const char *name);

struct rl_tensor {
    char name[96];
    uint32_t dtype, ndim;
    uint64_t shape[8], len_bytes;
    void *data;
};

/* A checkpoint in memory. */
struct rl_store {
    struct rl_tensor *list;
    uint32_t n;
    struct lathe_writer writer;
    struct lathe_reader reader;
};

void rl_store_init(struct rl_store *s);
void rl_store_fini(struct rl_store *s);
int rl_store_equal(const struct rl_store *a, const struct rl_store *b);

struct rl_setup {
    const struct lathe_component *env, *algo, *engine; /* engine may be NULL */
    const char *env_settings, *algo_settings;
    uint32_t n_envs, threads;
    uint64_t seed, total_steps, total_iterations; /* total_iterations > 0: EPISODIC */
    int32_t time_limit;                           /* 0: the environment's */
};

struct rl_run {
    struct rl_setup setup;
    const struct lathe_env *env;
    const struct lathe_algorithm *algo;
    const struct lathe_env_spec *spec;
    struct rl_params env_params, algo_params;
    void *batch, *self;
    uint32_t limit, n_mask, n_ended;
    unsigned char *obs, *next, *final, *act;
    float *reward;
    uint8_t *term, *trunc, *ended_flag, *alive;
    uint32_t *len, *ended;
    double *ret;
    uint64_t steps, episodes, tickets, iterations;
    double last_returns[100];
    uint64_t loss_nan;
    struct lathe_error err;
};

int32_t rl_open(struct rl_run *r, const struct rl_setup *setup);
void rl_close(struct rl_run *r);
/* Continuous: plays n more steps of the whole batch (n * n_envs environment steps). */
int32_t rl_steps(struct rl_run *r, uint64_t n);
/* Episodic: n more iterations of n_envs episodes and an update. */
int32_t rl_iterations(struct rl_run *r, uint64_t n);
/* Mean return of n greedy episodes; row i starts with seed base + i (continuous) or evaluation
 * ticket base's stream i (episodic). success, when not NULL, gets the mean of info "success". */
double rl_evaluate(struct rl_run *r, uint32_t n, uint64_t base, double *success);

#endif
