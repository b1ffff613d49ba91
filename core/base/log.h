/* The process log: one JSON line per event, constant message, data as fields, repeats folded.
 *   log_info("job started", F_STR("job", id), F_INT("pid", pid));  F_NONE for no field. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include "lathe/log.h"
#include "lathe/status.h"

#define F_INT LATHE_F_INT
#define F_FLOAT LATHE_F_FLOAT
#define F_STR LATHE_F_STR
#define F_BOOL LATHE_F_BOOL
#define F_NONE ((const struct lathe_field *)0)

/* Where lines go. Default before log_open: stderr at info. Thread: [loop] for open/close/reopen. */
int32_t log_open(const char *path, int32_t level,
                 struct lathe_error *err) LATHE_MUST_USE; /* NULL or "stderr" */
int32_t log_reopen(struct lathe_error *err);              /* after rotation */
void log_close(void);
void log_set_level(int32_t level);
int32_t log_get_level(void);
int log_level_parse(const char *name, int32_t *level); /* 1 on success */

/* Writes one event; module is a constant such as "http" or a plugin id. Thread: [any]. */
void log_event(int32_t level, const char *module, const char *msg,
               const struct lathe_field *const *fields);
/* Writes complete lines as they are, without folding and without keeping them for crash reports.
 * Thread: [any]. */
void log_write(const char *lines, size_t len_bytes);
/* Copies the last lines (at most 64) as text into out; returns bytes. For crash reports. */
size_t log_tail(char *out, size_t cap);

#ifndef LOG_MODULE
#define LOG_MODULE "core"
#endif
#define log_at(level, msg, ...)                                                \
    do {                                                                       \
        if ((level) <= log_get_level())                                        \
            log_event((level), LOG_MODULE, (msg),                              \
                      (const struct lathe_field *const[]){__VA_ARGS__, NULL}); \
    } while (0)
#define log_error(msg, ...) log_at(LATHE_LOG_ERROR, msg, __VA_ARGS__)
#define log_warn(msg, ...) log_at(LATHE_LOG_WARN, msg, __VA_ARGS__)
#define log_info(msg, ...) log_at(LATHE_LOG_INFO, msg, __VA_ARGS__)
#define log_debug(msg, ...) log_at(LATHE_LOG_DEBUG, msg, __VA_ARGS__)

#endif
