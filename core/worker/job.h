/* The job file of a worker, read and checked. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_JOB_H
#define CORE_WORKER_JOB_H

#include <jansson.h>
#include <stdint.h>

#include "lathe/status.h"

/* A component by name with its options (a JSON object, never NULL once read). */
struct wcomponent {
    const char *name; /* NULL: not given */
    json_t *options;
};

struct wplugin_ref {
    const char *path;
    const char *sha256; /* "" = not checked */
};

struct weval_spec {
    uint64_t interval, seed, sample_seed;
    uint32_t episodes, final_episodes, trials, traces;
    int sample, at_start, info_rows;
};

struct wlimits {
    uint64_t memory_bytes, cpu_seconds, file_bytes, core_bytes;
    uint32_t files;
};

/* All text points into root. Storage from the caller. */
struct wjob {
    json_t *root;
    const char *id, *dir, *role, *task;
    struct wplugin_ref *plugins;
    size_t n_plugins;
    struct wcomponent env, algorithm, engine;
    json_t *spec, *solve; /* objects or NULL */
    uint64_t seed, total, checkpoint_interval;
    uint32_t threads, n_envs, checkpoint_keep, pace_ms;
    int64_t time_limit; /* -1: the environment's own */
    int episodic, obs_norm, reward_norm, checkpoint_best, fast, seccomp, landlock;
    double norm_gamma;
    struct weval_spec eval;     /* of training */
    struct weval_spec evaluate; /* of rl.evaluate */
    const char *target_metric;  /* NULL: none */
    double target_value;
    json_t *resume; /* array of strings or NULL */
    const char *init_policy, *policy;
    struct wlimits limits;
};

/* Reads and checks a file. Errors: LATHE_E_INVALID with err->field = dotted member, LATHE_E_IO. */
int32_t wjob_open(const char *path, struct wjob *job, struct lathe_error *err) LATHE_MUST_USE;
/* Same from text, for tests and fuzzing. */
int32_t wjob_parse(const char *text, size_t len_bytes, struct wjob *job,
                   struct lathe_error *err) LATHE_MUST_USE;
void wjob_close(struct wjob *job);

/* Members of an evaluation request (rl.evaluate, serve). object may be NULL: defaults. */
int32_t weval_parse(const json_t *object, const char *where, struct weval_spec *spec,
                    struct lathe_error *err) LATHE_MUST_USE;

/* An unsigned 64-bit number given as integer or as text of digits: 1 when it is one. */
int wjob_u64(const json_t *value, uint64_t *out);

/* Refuses members of object that are not among known (NULL-terminated). */
int32_t wjob_only(const json_t *object, const char *where, const char *const *known,
                  struct lathe_error *err) LATHE_MUST_USE;

#endif
