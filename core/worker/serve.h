/* Role serve: answers requests about one policy, or hosts environments for callers. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_SERVE_H
#define CORE_WORKER_SERVE_H

#include "core/worker/learner.h"
#include "core/worker/report.h"

/* Answers REQUEST frames until the link closes or SHUTDOWN comes. Returns the process exit code. */
int serve_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
              struct report *report);

#endif
