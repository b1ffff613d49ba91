/* Running one test in a process of its own, with a time limit. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_SANDBOX_H
#define SDK_CHECK_SANDBOX_H

#include "core/base/strbuf.h"
#include "lathe/status.h"

struct sandbox_result {
    int exit_code; /* -1 when it did not exit by itself */
    int signal;    /* that ended it, else 0 */
    int timed_out;
    struct strbuf output; /* its stdout; released by sandbox_result_fini */
};

/* Starts argv[0] (a path) and waits at most timeout_s seconds; stderr is inherited. */
int32_t sandbox_run(char *const argv[], uint32_t timeout_s, struct sandbox_result *result,
                    struct lathe_error *err) LATHE_MUST_USE;
void sandbox_result_fini(struct sandbox_result *result);

#endif
