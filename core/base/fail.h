/* Filling a struct lathe_error in one line: return fail(err, LATHE_E_INVALID, "port %d is taken",
 * port). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_FAIL_H
#define CORE_BASE_FAIL_H

#include "lathe/status.h"

/* Writes code and text into err (may be NULL), clears err->field, returns code. Thread: [any]. */
int32_t fail(struct lathe_error *err, int32_t code, const char *fmt, ...) LATHE_PRINTF(3, 4);

/* As fail, and names the option or member at fault. */
int32_t fail_field(struct lathe_error *err, int32_t code, const char *field, const char *fmt, ...)
    LATHE_PRINTF(4, 5);

/* As fail with LATHE_E_IO (LATHE_E_NOT_FOUND for ENOENT, LATHE_E_LIMIT for ENOSPC/EDQUOT/EFBIG,
 * LATHE_E_NOMEM, LATHE_E_DENIED for EACCES/EPERM): "open /x: No such file or directory". */
int32_t fail_errno(struct lathe_error *err, int errnum, const char *fmt, ...) LATHE_PRINTF(3, 4);

#ifdef __clang_analyzer__
/* clang-tidy looks at one file at a time and cannot see that none of these ever returns LATHE_OK.
 */
#define fail(err, code, ...) ((void)(fail)(err, code, __VA_ARGS__), (code))
#define fail_field(err, code, ...) ((void)(fail_field)(err, code, __VA_ARGS__), (code))
#define fail_errno(err, ...) ((void)(fail_errno)(err, __VA_ARGS__), LATHE_E_IO)
#endif

#endif
