/* What a worker gives up before it loads anything. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_CONFINE_H
#define CORE_WORKER_CONFINE_H

#include "core/base/strbuf.h"
#include "core/worker/job.h"

/* Own process group, no_new_privs, limits, locale "C", one BLAS thread, every descriptor above
 * keep_fd closed, then Landlock and seccomp where the kernel has them: a missing one is logged, not
 * an error. Call before other threads start. Errors: LATHE_E_DENIED, LATHE_E_INVALID for limits
 * that cannot be set. */
int32_t confine_apply(const struct wjob *job, int keep_fd, struct lathe_error *err) LATHE_MUST_USE;

/* Appends {"rlimits":true,"no_new_privs":true,"seccomp":true,"landlock":0} as the kernel reports
 * it. */
void confine_describe(struct strbuf *out);

#endif
