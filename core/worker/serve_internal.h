/* Shared by the files of role serve. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_SERVE_INTERNAL_H
#define CORE_WORKER_SERVE_INTERNAL_H

#include "core/base/hash.h"
#include "core/worker/eval.h"
#include "core/worker/serve.h"

struct serve {
    const struct wjob *job;
    const struct loaded *loaded;
    struct control *control;
    struct report *report;

    /* a policy: has_policy */
    int has_policy;
    struct setup setup;
    struct vec *vec; /* one row, for the specification and describe */
    struct learner learner;
    struct evaluator ev;
    void *obs, *nobs, *act;
    uint8_t *mask;
    float *prob, *value;

    /* environments of callers */
    struct hmap *instances; /* id -> struct instance */
    uint64_t next_file;
};

/* Each appends the answer's body to out. */
int32_t serve_act(struct serve *s, const json_t *body, struct strbuf *out,
                  struct lathe_error *err) LATHE_MUST_USE;
int32_t serve_evaluate(struct serve *s, const json_t *body, struct strbuf *out,
                       struct lathe_error *err) LATHE_MUST_USE;
int32_t serve_policy_open(struct serve *s, struct lathe_error *err) LATHE_MUST_USE;
void serve_policy_close(struct serve *s);

/* "env.*". LATHE_E_NOT_FOUND for an unknown instance. */
int32_t serve_env(struct serve *s, const char *op, const json_t *body, struct strbuf *out,
                  struct lathe_error *err) LATHE_MUST_USE;
void serve_env_close_all(struct serve *s);

#endif
