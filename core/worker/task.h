/* What a worker can run: the built-in tasks and those of plugins. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_TASK_H
#define CORE_WORKER_TASK_H

#include "core/worker/load.h"

/* Runs job->task to its end; sends every frame of it. Returns the process exit code. */
int task_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
             struct report *report);

/* "rl.evaluate" and "env.solve". task_small.c */
int evaluate_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
                 struct report *report);
int solve_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
              struct report *report);
/* A lathe.task/1 component. task_plugin.c */
int plugin_task_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
                    struct report *report);

/* Appends the members that every HELLO has, without the closing brace. */
void task_hello_head(const struct wjob *job, const struct loaded *loaded, struct strbuf *out);
/* A HELLO of a task that cannot be resumed. */
void task_hello(const struct wjob *job, const struct loaded *loaded, struct report *report);
/* DONE with result (a JSON object) and no artifact; in a standalone run also as last line. */
void task_done(struct report *report, const char *outcome, uint64_t current, const char *result);

/* Appends what lathe.env.solve/1 answers. Errors: LATHE_E_UNSUPPORTED without the extension. */
struct vec;
int32_t vec_solve(struct vec *vec, const json_t *options, struct strbuf *out,
                  struct lathe_error *err) LATHE_MUST_USE;

#endif
