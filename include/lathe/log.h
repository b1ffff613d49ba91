/* Structured log events: a constant message plus typed fields.
 * Threads: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_LOG_H
#define LATHE_LOG_H

#include "lathe/abi.h"

#define LATHE_LOG_ERROR 0 /* a person must act */
#define LATHE_LOG_WARN 1  /* degraded, still working */
#define LATHE_LOG_INFO 2  /* life cycle */
#define LATHE_LOG_DEBUG 3
#define LATHE_LOG_TRACE 4

#define LATHE_FIELD_INT 0
#define LATHE_FIELD_FLOAT 1
#define LATHE_FIELD_STRING 2
#define LATHE_FIELD_BOOL 3

/* One typed field of a log event; borrowed for the call. Only the member named by type is read
 * (BOOL reads i). str may be NULL and is then logged as null. */
struct lathe_field {
    uint32_t struct_size;
    uint32_t type;
    const char *name;
    int64_t i;
    double f;
    const char *str;
};

/* Fields for C call sites: LATHE_F_INT("pid", 12) has type const struct lathe_field *. */
#define LATHE_F_INT(n, v)                                                                         \
    (&(const struct lathe_field){sizeof(struct lathe_field), LATHE_FIELD_INT, n, (int64_t)(v), 0, \
                                 NULL})
#define LATHE_F_FLOAT(n, v) \
    (&(const struct lathe_field){sizeof(struct lathe_field), LATHE_FIELD_FLOAT, n, 0, v, NULL})
#define LATHE_F_STR(n, v) \
    (&(const struct lathe_field){sizeof(struct lathe_field), LATHE_FIELD_STRING, n, 0, 0, v})
#define LATHE_F_BOOL(n, v)                                                                        \
    (&(const struct lathe_field){sizeof(struct lathe_field), LATHE_FIELD_BOOL, n, (v) ? 1 : 0, 0, \
                                 NULL})

/* Events with the same message that come more than 10 times in a second are counted, not written;
 * those with the message "audit" are all written: they say who changed what.
 *
 * Logs msg with fields through the host given to the plugin:
 *   LATHE_LOG(host, LATHE_LOG_INFO, "model loaded", LATHE_F_STR("id", id));
 * At least one field is needed; use host->log(host, level, msg, NULL) for none. */
#define LATHE_LOG(host, level, msg, ...) \
    (host)->log((host), (level), (msg), (const struct lathe_field *const[]){__VA_ARGS__, NULL})

#endif
