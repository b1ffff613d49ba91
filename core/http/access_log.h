/* One log line per request, gathered and written in blocks: formatting and writing each by itself
 * would cost as much as the request. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_ACCESS_LOG_H
#define CORE_HTTP_ACCESS_LOG_H

#include <event2/event.h>

#include "core/base/strbuf.h"
#include "lathe/status.h"

struct lathe_request;

struct access_log {
    struct strbuf lines;
    struct event *timer; /* pending while there are lines */
    int64_t stamp_ms;    /* time that stamp shows */
    char stamp[25];
};

int32_t access_log_open(struct access_log *log, struct event_base *base) LATHE_MUST_USE;
void access_log_close(
    struct access_log *log); /* writes what is left; a closed or zeroed one is fine */
void access_log_add(struct access_log *log, const struct lathe_request *req, int64_t ns);

#endif
