/* Playing evaluation episodes with a frozen policy, apart from everything training touches. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_EVAL_H
#define CORE_WORKER_EVAL_H

#include "core/base/strbuf.h"
#include "core/worker/learner.h"

struct evaluator {
    const struct setup *setup;
    struct learner *learner;
    struct vec *vec;
    void *nobs; /* normalized observations, or NULL */
};

/* What n episodes gave. */
struct eval_data {
    uint32_t n, n_info;
    double *ret;
    uint32_t *len;
    float *info; /* [n][n_info] at the end of each */
};

/* Where a run stands when it evaluates; part of the answer. */
struct eval_at {
    uint64_t current, iteration, env_steps;
    int is_final;
};

struct eval_summary {
    double mean, std, success_rate; /* success_rate NaN without a success number */
    double target;                  /* value of the job's target metric, NaN when it has none */
    uint32_t episodes;
};

/* learner is borrowed. */
int32_t evaluator_open(struct evaluator *ev, const struct setup *setup, struct learner *learner,
                       struct lathe_error *err) LATHE_MUST_USE;
void evaluator_close(struct evaluator *ev);

/* Plays `episodes` episodes and appends the evaluation object to out (core/worker/README.md,
 * section 3). Errors: LATHE_E_CANCELLED, those of environment and policy. */
int32_t eval_run(struct evaluator *ev, const struct weval_spec *spec, uint32_t episodes,
                 const struct eval_at *at, struct strbuf *out, struct eval_summary *summary,
                 struct lathe_error *err) LATHE_MUST_USE;

/* Episodes [first, first + count) of one trial, kept from row `at` of the data. */
struct eval_part {
    uint64_t first;
    uint32_t count, trial, at;
};

/* Plays them. trace may be NULL; with it, count is 1 and members "actions":[],"rewards":[] are
 * appended. */
int32_t eval_play(struct evaluator *ev, const struct weval_spec *spec, const struct eval_part *part,
                  struct eval_data *data, struct strbuf *trace,
                  struct lathe_error *err) LATHE_MUST_USE;

int32_t eval_data_open(struct eval_data *data, uint32_t n, uint32_t n_info) LATHE_MUST_USE;
void eval_data_close(struct eval_data *data);

/* Column of the info number called name, or UINT32_MAX. */
uint32_t vec_info_column(const struct vec *vec, const char *name);
/* Appends one action of the space as a name, number or array. */
void vec_action_json(const struct vec *vec, const void *act, uint32_t row, struct strbuf *out);

#endif
