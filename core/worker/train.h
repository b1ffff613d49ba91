/* The built-in task rl.train: state of a training run, shared by its source files. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_TRAIN_H
#define CORE_WORKER_TRAIN_H

#include "core/worker/eval.h"
#include "core/worker/report.h"

#define TRAIN_FORMAT "lathe.checkpoint/1"
#define TRAIN_WINDOW 100u
#define TRAIN_ID_MAX 48
#define TRAIN_KEPT_MAX 1024u

/* A checkpoint file in the run directory. */
struct train_file {
    uint64_t number;
    char kind[16];
};

/* Deterministic part of where the run stands; saved in checkpoints. */
struct train_counters {
    uint64_t current, iteration, env_steps, env_episodes;
    uint64_t window_pos, window_count;
};

struct trainer {
    const struct wjob *job;
    struct setup *setup;
    struct control *control;
    struct report *report;
    struct vec *vec;
    struct learner learner;
    struct evaluator ev;
    int has_evaluator;

    struct train_counters c;
    double window_ret[TRAIN_WINDOW], window_len[TRAIN_WINDOW];
    uint64_t iter_episodes; /* of the present iteration */
    double iter_ret;

    void *nobs, *nnext, *nfinal; /* normalized observations; NULL without obs_norm */
    float *nreward;              /* NULL without reward_norm */

    int64_t active_ns, train_ns; /* before active_start_ns; iterations alone */
    int64_t active_start_ns;

    uint64_t number; /* of the last checkpoint */
    char last_ckpt[TRAIN_ID_MAX], last_weights[65];
    struct train_file *kept;
    uint32_t n_kept;

    int has_eval, has_best;
    int is_eval_left; /* the evaluation due with the last step is left to the end */
    struct eval_summary last_eval;
    uint64_t last_eval_current, best_current;
    double best_mean;
    char best_ckpt[TRAIN_ID_MAX];
    struct strbuf final_eval; /* JSON of the last evaluation made */

    int is_exact, is_resumed;
    char resumed_from[256];
    struct strbuf skipped; /* JSON array of checkpoints that could not be used */
    const char *error_id;  /* set by what fails */
};

/* One iteration: collect and learn. train_iter.c */
int32_t train_start_rows(struct trainer *t, struct lathe_error *err) LATHE_MUST_USE;
int32_t train_iterate(struct trainer *t, struct lathe_error *err) LATHE_MUST_USE;
/* Recomputes the normalized observations after a checkpoint was loaded. */
void train_renormalize(struct trainer *t);

/* Checkpoints. train_ckpt.c */
int32_t train_save(struct trainer *t, const char *kind, struct lathe_error *err) LATHE_MUST_USE;
/* Loads the first sound file of job->resume; is_resumed stays 0 when there is none. */
int32_t train_resume(struct trainer *t, struct lathe_error *err) LATHE_MUST_USE;
/* Finds the checkpoints that are in the run directory already. */
int32_t train_scan_files(struct trainer *t, struct lathe_error *err) LATHE_MUST_USE;

int64_t train_active_ns(const struct trainer *t);
double train_mean_return(const struct trainer *t); /* of the window, 0 when empty */
double train_sps(const struct trainer *t);

/* Runs the task to its end and sends DONE or ERROR. Returns the process exit code. */
int train_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
              struct report *report);

#endif
