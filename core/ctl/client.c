/* The REST client: calls, downloads and event streams by libcurl. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define ANSWER_MAX (64u << 20)
#define LINE_MAX_BYTES (8u << 20)

int ctl_open(struct ctl *ctl)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(ctl->curl = curl_easy_init())) {
        ctl_error("the HTTP client could not be set up");
        return CTL_FAILED;
    }
    return CTL_OK;
}

void ctl_close(struct ctl *ctl)
{
    if (ctl->curl)
        curl_easy_cleanup(ctl->curl);
    ctl->curl = NULL;
    curl_global_cleanup();
}

void ctl_escape(const char *text, char *out, size_t cap)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t n = 0;

    for (; *text && n + 4 < cap; text++)
        if (strchr(safe, *text))
            out[n++] = *text;
        else
            n += (size_t)snprintf(out + n, cap - n, "%%%02X", (unsigned char)*text);
    out[n] = '\0';
}

static struct curl_slist *headers(const struct ctl *ctl, int has_body, const char *more)
{
    struct curl_slist *list = NULL;
    char line[512];

    list = curl_slist_append(list, "Accept: application/json, text/event-stream");
    list = curl_slist_append(list, "Expect:");
    if (has_body)
        list = curl_slist_append(list, "Content-Type: application/json");
    if (ctl->token && ctl->token[0]) {
        snprintf(line, sizeof line, "Authorization: Bearer %.400s", ctl->token);
        list = curl_slist_append(list, line);
    }
    if (more)
        list = curl_slist_append(list, more);
    return list;
}

static size_t take_answer(char *data, size_t size, size_t n, void *user)
{
    struct strbuf *buf = user;

    if (buf->len_bytes + n > ANSWER_MAX)
        return 0;
    strbuf_add(buf, data, size * n);
    return buf->failed ? 0 : size * n;
}

static void prepare(struct ctl *ctl, const char *method, const char *path, struct curl_slist *list)
{
    struct strbuf url;

    strbuf_init(&url);
    strbuf_adds(&url, ctl->server);
    while (url.len_bytes && url.data[url.len_bytes - 1] == '/')
        url.data[--url.len_bytes] = '\0';
    strbuf_adds(&url, path);
    curl_easy_reset(ctl->curl);
    curl_easy_setopt(ctl->curl, CURLOPT_URL, url.data);
    curl_easy_setopt(ctl->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(ctl->curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(ctl->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(ctl->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(ctl->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(ctl->curl, CURLOPT_USERAGENT, "lathectl");
    strbuf_fini(&url);
}

/* The message of an error answer, whichever surface wrote it. */
static void print_refusal(long code, const json_t *reply)
{
    const json_t *error = json_object_get(reply, "error"), *detail, *one;
    size_t i;

    if (json_is_object(error)) {
        ctl_error("%s (%s)", json_member_string(error, "message", "refused"),
                  json_member_string(error, "code", ""));
        detail = json_object_get(error, "details");
        for (i = 1; i < json_array_size(detail); i++) {
            one = json_array_get(detail, i);
            ctl_error("%s: %s", json_member_string(one, "field", ""),
                      json_member_string(one, "message", ""));
        }
    } else {
        ctl_error("the server answered %ld: %s", code,
                  json_member_string(reply, "detail", "no details"));
    }
}

int ctl_call(struct ctl *ctl, const char *method, const char *path, const json_t *body,
             json_t **reply)
{
    char *text = body ? json_dup_text(body, 0, NULL) : NULL;
    struct curl_slist *list = headers(ctl, text != NULL, NULL);
    json_t *answer = NULL;
    struct strbuf buf;
    CURLcode failed;
    long code = 0;

    strbuf_init(&buf);
    prepare(ctl, method, path, list);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEDATA, &buf);
    curl_easy_setopt(ctl->curl, CURLOPT_TIMEOUT, 180L);
    if (text)
        curl_easy_setopt(ctl->curl, CURLOPT_POSTFIELDS, text);
    else if (!strcmp(method, "POST"))
        curl_easy_setopt(ctl->curl, CURLOPT_POSTFIELDS, "");
    failed = curl_easy_perform(ctl->curl);
    curl_easy_getinfo(ctl->curl, CURLINFO_RESPONSE_CODE, &code);
    if (failed)
        ctl_error("%s: %s", ctl->server, curl_easy_strerror(failed));
    else if (json_parse_text(buf.data, buf.len_bytes, NULL, &answer, NULL) != LATHE_OK)
        answer = NULL;
    if (!failed && (code < 200 || code > 299)) {
        if (ctl->json && answer)
            ctl_print_json(answer);
        print_refusal(code, answer);
    }
    if (reply)
        *reply = answer;
    else
        json_decref(answer);
    curl_slist_free_all(list);
    strbuf_fini(&buf);
    mem_free(text);
    return !failed && code >= 200 && code <= 299 ? CTL_OK : CTL_FAILED;
}

static size_t take_file(char *data, size_t size, size_t n, void *user)
{
    return fwrite(data, size, n, user);
}

int ctl_download(struct ctl *ctl, const char *path, const char *file)
{
    struct curl_slist *list = headers(ctl, 0, NULL);
    FILE *out = fopen(file, "wb");
    CURLcode failed;
    int ok;

    if (!out) {
        ctl_error("%s cannot be written", file);
        curl_slist_free_all(list);
        return CTL_FAILED;
    }
    prepare(ctl, "GET", path, list);
    curl_easy_setopt(ctl->curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEFUNCTION, take_file);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEDATA, out);
    failed = curl_easy_perform(ctl->curl);
    ok = fclose(out) == 0 && !failed;
    if (!ok) {
        ctl_error("%s: %s", ctl->server, failed ? curl_easy_strerror(failed) : "disk full");
        remove(file);
    }
    curl_slist_free_all(list);
    return ok ? CTL_OK : CTL_FAILED;
}

/* ---- event streams ---- */

struct stream {
    struct ctl *ctl;
    struct strbuf line, data;
    char event[64];
    long long *seq;
    ctl_event_fn fn;
    void *user;
    int ended;
};

static void take_line(struct stream *s)
{
    const char *line = s->line.data;

    if (!line[0]) {
        if (s->data.len_bytes && !s->fn(s->user, s->event, s->data.data))
            s->ended = 1;
        strbuf_clear(&s->data);
        snprintf(s->event, sizeof s->event, "message");
    } else if (!strncmp(line, "event:", 6)) {
        snprintf(s->event, sizeof s->event, "%s", line + 6 + (line[6] == ' '));
    } else if (!strncmp(line, "id:", 3)) {
        *s->seq = strtoll(line + 3, NULL, 10);
    } else if (!strncmp(line, "data:", 5)) {
        if (s->data.len_bytes)
            strbuf_addc(&s->data, '\n');
        strbuf_adds(&s->data, line + 5 + (line[5] == ' '));
    }
}

static size_t take_stream(char *data, size_t size, size_t n, void *user)
{
    struct stream *s = user;
    size_t i;
    long code = 0;

    curl_easy_getinfo(s->ctl->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200)
        return size * n;
    for (i = 0; i < size * n && !s->ended; i++) {
        if (data[i] == '\r')
            continue;
        if (data[i] != '\n') {
            strbuf_addc(&s->line, data[i]);
            continue;
        }
        take_line(s);
        strbuf_clear(&s->line);
    }
    if (s->line.failed || s->line.len_bytes > LINE_MAX_BYTES)
        return 0;
    return s->ended ? 0 : size * n;
}

int ctl_stream(struct ctl *ctl, const char *path, long long *seq, ctl_event_fn fn, void *user)
{
    struct stream s = {.ctl = ctl, .seq = seq, .fn = fn, .user = user, .event = "message"};
    struct curl_slist *list;
    char last[64];
    CURLcode failed;
    long code = 0;

    snprintf(last, sizeof last, "Last-Event-ID: %lld", *seq);
    list = headers(ctl, 0, *seq > 0 ? last : NULL);
    strbuf_init(&s.line);
    strbuf_init(&s.data);
    prepare(ctl, "GET", path, list);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEFUNCTION, take_stream);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEDATA, &s);
    curl_easy_setopt(ctl->curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* heartbeats come every 15 s */
    curl_easy_setopt(ctl->curl, CURLOPT_LOW_SPEED_TIME, 60L);
    failed = curl_easy_perform(ctl->curl);
    curl_easy_getinfo(ctl->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_slist_free_all(list);
    strbuf_fini(&s.line);
    strbuf_fini(&s.data);
    return s.ended || (!failed && code == 200);
}
