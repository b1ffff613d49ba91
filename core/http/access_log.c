/* Lines wait at most FLUSH_MS, or until FLUSH_BYTES are there. They bypass the folding of repeated
 * events: every request is in the log. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/access_log.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/http/conn.h"

#define FLUSH_MS 100
#define FLUSH_BYTES 32768u

static void flush(struct access_log *log)
{
    if (log->lines.len_bytes > 0 && !log->lines.failed)
        log_write(log->lines.data, log->lines.len_bytes);
    strbuf_clear(&log->lines);
    log->lines.failed = 0;
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    flush(user);
}

int32_t access_log_open(struct access_log *log, struct event_base *base)
{
    memset(log, 0, sizeof *log);
    strbuf_init(&log->lines);
    log->timer = evtimer_new(base, on_timer, log);
    return log->timer != NULL ? LATHE_OK : LATHE_E_NOMEM;
}

void access_log_close(struct access_log *log)
{
    if (log->timer == NULL)
        return;
    flush(log);
    event_free(log->timer);
    log->timer = NULL;
    strbuf_fini(&log->lines);
}

static void add_plain(struct strbuf *out, const char *key, const char *value)
{
    strbuf_adds(out, key);
    if (value == NULL) {
        strbuf_add(out, "null", 4);
        return;
    }
    strbuf_addc(out, '"');
    strbuf_adds(out, value);
    strbuf_addc(out, '"');
}

static void add_number(struct strbuf *out, const char *key, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    strbuf_adds(out, key);
    strbuf_add(out, digits + at, sizeof digits - at);
}

void access_log_add(struct access_log *log, const struct lathe_request *req, int64_t ns)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    static const struct timeval later = {0, FLUSH_MS * 1000};
    struct strbuf *out = &log->lines;
    const char *path = req->path ? req->head + req->path : "";
    int64_t now_ms = clock_wall_ms();

    if (LATHE_LOG_INFO > log_get_level())
        return;
    if (now_ms != log->stamp_ms) {
        clock_iso8601(now_ms, log->stamp);
        log->stamp_ms = now_ms;
    }
    if (out->len_bytes == 0)
        evtimer_add(log->timer, &later);
    add_plain(out, "{\"time\":", log->stamp);
    strbuf_adds(out, ",\"level\":\"info\",\"module\":\"http\",\"msg\":\"request\"");
    strbuf_adds(out, ",\"request_id\":"); /* may come from the client */
    strbuf_add_json_string(out, req->id, strlen(req->id));
    add_plain(out, ",\"client\":", req->client);
    add_plain(out, ",\"method\":", names[req->method]);
    strbuf_adds(out, ",\"path\":");
    strbuf_add_json_string(out, path, strlen(path));
    add_plain(out, ",\"surface\":", req->surface ? req->surface->name : NULL);
    add_plain(out, ",\"operation\":", req->op ? req->op->id : NULL);
    add_number(out, ",\"status\":", (uint64_t)(req->status > 0 ? req->status : 0));
    add_number(out, ",\"bytes\":", req->sent_bytes);
    add_number(out, ",\"us\":", (uint64_t)(ns > 0 ? ns / 1000 : 0));
    strbuf_adds(out, ",\"subject\":");
    strbuf_add_json_string(out, req->identity.subject, strlen(req->identity.subject));
    strbuf_add(out, "}\n", 2);
    if (out->len_bytes >= FLUSH_BYTES)
        flush(log);
}
