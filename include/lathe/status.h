/* Status codes and the error record that every fallible call of the SDK uses.
 * Threads: [any]; a struct lathe_error belongs to its caller. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_STATUS_H
#define LATHE_STATUS_H

#include "lathe/abi.h"

/* Success is 0; positive values are success with a remark; failures are negative. No other codes
 * exist. One table in the server maps them to HTTP (in brackets). */
#define LATHE_AGAIN 1      /* done in part: call again (update, slice) */
#define LATHE_UPDATE_DUE 2 /* observe(): enough data was collected, call update() */
#define LATHE_OK 0
#define LATHE_E_INVALID (-1)         /* an argument, option or body is wrong [422] */
#define LATHE_E_NOT_FOUND (-2)       /* no such thing [404] */
#define LATHE_E_EXISTS (-3)          /* the name or id is taken [409] */
#define LATHE_E_CONFLICT (-4)        /* the thing is in another state or revision [409] */
#define LATHE_E_DENIED (-5)          /* known caller, not allowed [403] */
#define LATHE_E_UNAUTHENTICATED (-6) /* unknown caller [401] */
#define LATHE_E_LIMIT (-7)           /* too large, too many, buffer too small [413 or 429] */
#define LATHE_E_UNSUPPORTED (-8)     /* understood, but not offered here [501] */
#define LATHE_E_TIMEOUT (-9)         /* a deadline passed [504] */
#define LATHE_E_CANCELLED (-10)      /* the caller or an operator stopped it [409] */
#define LATHE_E_IO (-11)             /* file, socket or database failed [503] */
#define LATHE_E_CORRUPT (-12)        /* stored or received data is damaged [422 or 500] */
#define LATHE_E_VERSION (-13)        /* made for another version [422] */
#define LATHE_E_NOMEM (-14)          /* allocation failed or memory limit reached [503] */
#define LATHE_E_UNAVAILABLE (-15)    /* not now; trying later can help [503] */
#define LATHE_E_INTERNAL (-16)       /* a defect in Lathe or a plugin [500] */
#define LATHE_STATUS_LOWEST (-16)

/* Bytes of text in an error record, the closing NUL included. */
#define LATHE_ERROR_TEXT 240

/* Detail of a failure. The caller owns it and may pass NULL wherever one is taken. A callee writes
 * it only on failure. text is UTF-8 and says what was being done, with which name, and what to do
 * next; field names the option or body member at fault, or is empty. */
struct lathe_error {
    int32_t code;
    uint32_t reserved0;
    char text[LATHE_ERROR_TEXT];
    char field[64];
};

/* Status as a short lower-case word ("not_found"); never NULL. Thread: [any]. Since 1.0. */
static inline const char *lathe_status_name(int32_t status)
{
    static const char *const names[] = {"ok",          "invalid", "not_found",       "exists",
                                        "conflict",    "denied",  "unauthenticated", "limit",
                                        "unsupported", "timeout", "cancelled",       "io",
                                        "corrupt",     "version", "no_memory",       "unavailable",
                                        "internal"};
    if (status > 0)
        return status == LATHE_AGAIN ? "again" : "update_due";
    if (status < LATHE_STATUS_LOWEST)
        return "unknown";
    return names[-status];
}

#endif
