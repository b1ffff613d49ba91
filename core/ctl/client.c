/* The REST client: calls and downloads by libcurl, and errors that say what to do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define ANSWER_MAX (64u << 20)

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

/* ---- requests ---- */

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

void ctl_path(const char *collection, const char *id, const char *verb, char out[400])
{
    char safe[256];

    ctl_escape(id, safe, sizeof safe);
    snprintf(out, 400, "/lathe/v1/%s/%s%s%s", collection, safe, verb ? "/" : "", verb ? verb : "");
}

struct curl_slist *ctl_headers(const struct ctl *ctl, int has_body, const char *more)
{
    struct curl_slist *list = NULL;
    char line[512];

    list = curl_slist_append(list, "Accept: application/json, text/event-stream, */*");
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

void ctl_prepare(struct ctl *ctl, const char *method, const char *path, struct curl_slist *list)
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

/* ---- what went wrong, and what to do ---- */

static void report_unreachable(const struct ctl *ctl, CURLcode failed)
{
    ctl_fail(ctl, "unreachable", "%s: %s", ctl->server, curl_easy_strerror(failed));
    if (failed == CURLE_COULDNT_CONNECT || failed == CURLE_COULDNT_RESOLVE_HOST)
        ctl_error("start a server with: lathed --data DIR\n"
                  "          name another one with --server URL or LATHE_SERVER, or train without "
                  "one: lathectl train --local");
}

static void report_details(const json_t *error)
{
    const json_t *details = json_object_get(error, "details");
    size_t i;

    for (i = 1; i < json_array_size(details); i++) {
        const json_t *one = json_array_get(details, i);

        ctl_error("%s: %s", json_member_string(one, "field", ""),
                  json_member_string(one, "message", ""));
    }
}

/* The error answer of whichever surface wrote it; text is the raw body. */
static void report_refusal(const struct ctl *ctl, const char *text, size_t len)
{
    const json_t *error;
    json_t *answer = NULL;

    if (json_parse_text(text, len, NULL, &answer, NULL) != LATHE_OK)
        answer = NULL;
    error = json_object_get(answer, "error");
    if (ctl->json && answer)
        ctl_print_json(answer);
    if (json_is_object(error))
        ctl_error("%s (%s)", json_member_string(error, "message", "refused"),
                  json_member_string(error, "code", ""));
    else if (json_object_get(answer, "detail"))
        ctl_error("%s answered %ld: %s", ctl->server, ctl->http_status,
                  json_member_string(answer, "detail", ""));
    else
        ctl_error("%s answered %ld; is it a Lathe server?", ctl->server, ctl->http_status);
    report_details(error);
    json_decref(answer);
    if (ctl->http_status == 401)
        ctl_error("give a token with --token or LATHE_TOKEN; an administrator makes one with: "
                  "lathectl tokens create\n          the first one, while the server is down: "
                  "lathectl tokens create --data DIR");
    else if (ctl->http_status == 403)
        ctl_error("the token does not allow this; lathectl tokens list shows scopes, lathectl "
                  "tokens create --role trainer makes a wider one");
}

/* ---- calls ---- */

static size_t take_answer(char *data, size_t size, size_t n, void *user)
{
    struct strbuf *buf = user;

    if (buf->len_bytes + n > ANSWER_MAX)
        return 0;
    strbuf_add(buf, data, size * n);
    return buf->failed ? 0 : size * n;
}

static CURLcode perform(struct ctl *ctl)
{
    CURLcode failed = curl_easy_perform(ctl->curl);

    ctl->http_status = 0;
    curl_easy_getinfo(ctl->curl, CURLINFO_RESPONSE_CODE, &ctl->http_status);
    return failed;
}

static int is_success(const struct ctl *ctl)
{
    return ctl->http_status >= 200 && ctl->http_status <= 299;
}

int ctl_call(struct ctl *ctl, const char *method, const char *path, const json_t *body,
             json_t **reply)
{
    char *text = body ? json_dup_text(body, 0, NULL) : NULL;
    struct curl_slist *list = ctl_headers(ctl, text != NULL, NULL);
    json_t *answer = NULL;
    struct strbuf buf;
    CURLcode failed;
    int ok;

    strbuf_init(&buf);
    ctl_prepare(ctl, method, path, list);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(ctl->curl, CURLOPT_WRITEDATA, &buf);
    curl_easy_setopt(ctl->curl, CURLOPT_TIMEOUT, 180L);
    if (text)
        curl_easy_setopt(ctl->curl, CURLOPT_POSTFIELDS, text);
    else if (!strcmp(method, "POST"))
        curl_easy_setopt(ctl->curl, CURLOPT_POSTFIELDS, "");
    failed = perform(ctl);
    ok = !failed && is_success(ctl);
    if (failed && !ctl->is_quiet)
        report_unreachable(ctl, failed);
    else if (!ok && !ctl->is_quiet)
        report_refusal(ctl, buf.data, buf.len_bytes);
    else if (ok && json_parse_text(buf.data, buf.len_bytes, NULL, &answer, NULL) != LATHE_OK) {
        ok = 0;
        if (!ctl->is_quiet)
            ctl_fail(ctl, "no_json", "%s did not answer with JSON; is it a Lathe server?",
                     ctl->server);
    }
    if (reply)
        *reply = ok ? json_incref(answer) : NULL;
    json_decref(answer);
    curl_slist_free_all(list);
    strbuf_fini(&buf);
    mem_free(text);
    return ok ? CTL_OK : CTL_FAILED;
}

int ctl_fetch(struct ctl *ctl, const char *method, const char *path, const json_t *body,
              json_t **reply, int *status)
{
    *status = ctl_call(ctl, method, path, body, reply);
    if (*status == CTL_OK && !ctl->json)
        return 1;
    if (*status == CTL_OK)
        ctl_print_json(*reply);
    json_decref(*reply);
    *reply = NULL;
    return 0;
}

/* ---- downloads ---- */

struct download {
    struct ctl *ctl;
    FILE *out;
    struct strbuf refusal; /* the body of an error answer */
};

static size_t take_file(char *data, size_t size, size_t n, void *user)
{
    struct download *d = user;
    long code = 0;

    curl_easy_getinfo(d->ctl->curl, CURLINFO_RESPONSE_CODE, &code);
    return code == 200 ? fwrite(data, size, n, d->out) : take_answer(data, size, n, &d->refusal);
}

static CURLcode fetch_file(struct download *d, const char *path)
{
    struct curl_slist *list = ctl_headers(d->ctl, 0, NULL);
    CURLcode failed;

    ctl_prepare(d->ctl, "GET", path, list);
    curl_easy_setopt(d->ctl->curl, CURLOPT_WRITEFUNCTION, take_file);
    curl_easy_setopt(d->ctl->curl, CURLOPT_WRITEDATA, d);
    failed = perform(d->ctl);
    curl_slist_free_all(list);
    return failed;
}

int ctl_download(struct ctl *ctl, const char *path, const char *file)
{
    int is_stdout = !strcmp(file, "-"), ok;
    struct download d = {.ctl = ctl};
    char part[CTL_PATH_MAX];
    CURLcode failed;

    snprintf(part, sizeof part, "%.4000s.part", file);
    d.out = is_stdout ? stdout : fopen(part, "wb");
    if (!d.out)
        return ctl_fail(ctl, "io", "%s cannot be written", part);
    strbuf_init(&d.refusal);
    failed = fetch_file(&d, path);
    ok = !failed && is_success(ctl);
    if (failed && failed != CURLE_WRITE_ERROR)
        report_unreachable(ctl, failed);
    else if (!failed && !ok)
        report_refusal(ctl, d.refusal.data, d.refusal.len_bytes);
    if ((is_stdout ? fflush(d.out) : fclose(d.out)) != 0 || failed == CURLE_WRITE_ERROR ||
        (ok && !is_stdout && rename(part, file) != 0)) {
        ctl_fail(ctl, "io", "%s cannot be written; is the disk full?", file);
        ok = 0;
    }
    if (!ok && !is_stdout)
        remove(part);
    strbuf_fini(&d.refusal);
    return ok ? CTL_OK : CTL_FAILED;
}
