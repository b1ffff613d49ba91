/* A learner and the environment, engine and parameters it was opened with. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_LEARNER_H
#define CORE_WORKER_LEARNER_H

#include "core/worker/ckpt.h"
#include "core/worker/job.h"
#include "core/worker/load.h"
#include "core/worker/norm.h"
#include "core/worker/vec.h"

#define POLICY_FORMAT "lathe.policy/1"
#define LEARNER_ACT_ROWS 1024u /* rows of an evaluation or serving batch */

/* Components and threads of a job. Storage from the caller, zeroed. */
struct setup {
    const struct wjob *job;
    const struct loaded *loaded;
    struct control *control;
    struct component env, algorithm, engine;
    struct shard *shard;
};

int32_t setup_open(struct setup *setup, const struct wjob *job, const struct loaded *loaded,
                   struct control *control, struct lathe_error *err) LATHE_MUST_USE;
void setup_close(struct setup *setup);
/* Opens a batch of the job's environment. */
int32_t setup_vec(const struct setup *setup, uint32_t n, struct vec **out,
                  struct lathe_error *err) LATHE_MUST_USE;

struct learner {
    const struct lathe_algorithm *vt;
    void *self;
    const struct lathe_algo_export *export; /* NULL when not offered */
    const struct lathe_algo_slots *slots;   /* NULL when not offered */
    struct norm norm;
    int is_policy_only;
};

/* Opens the algorithm for n_envs training rows of vec's environment; policy_only for act and load
 * alone. Errors: LATHE_E_UNSUPPORTED when spaces or normalization do not fit, those of the
 * algorithm. */
int32_t learner_open(const struct setup *setup, const struct vec *vec, uint32_t n_envs,
                     int policy_only, struct learner *learner,
                     struct lathe_error *err) LATHE_MUST_USE;
void learner_close(struct learner *learner);

/* Normalizer moments as tensors "norm/...". */
void learner_put_norm(const struct learner *learner, struct ckpt_writer *writer);
int32_t learner_get_norm(struct learner *learner, const struct ckpt_reader *reader,
                         struct lathe_error *err) LATHE_MUST_USE;

/* Writes and reads the policy alone. what the file holds is a function of the learner: equal bytes.
 */
struct policy_file {
    char weights_sha256[65], file_sha256[65];
    uint64_t size_bytes;
};
int32_t policy_save(const struct setup *setup, const struct vec *vec, struct learner *learner,
                    const char *path, struct policy_file *out,
                    struct lathe_error *err) LATHE_MUST_USE;
int32_t policy_load(const struct setup *setup, const struct vec *vec, struct learner *learner,
                    const char *path, struct lathe_error *err) LATHE_MUST_USE;
/* Appends the policy's description (a JSON object), or null. */
void policy_describe(const struct learner *learner, struct strbuf *out);

#endif
