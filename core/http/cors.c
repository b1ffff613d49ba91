/* SPDX-License-Identifier: Apache-2.0 */
/* Who may talk to us from a browser: Origin against an exact list, Host against DNS rebinding. */
#include "core/http/conn.h"

#include <arpa/inet.h>
#include <string.h>

static int listed(const char *const *list, const char *text)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        if (strcasecmp(list[i], text) == 0)
            return 1;
    return 0;
}

enum cors_verdict cors_judge(const struct lathe_request *req)
{
    const char *origin = request_header(req, HDR_ORIGIN);
    const char *const *list = req->server->cfg.cors_origins;

    if (origin == NULL)
        return CORS_NONE;
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        if (strcmp(list[i], origin) == 0)
            return CORS_LISTED;
    return strcasecmp(origin, req->base_url) == 0 ? CORS_SAME : CORS_FOREIGN;
}

/* The host without its port and brackets into out; 0 when it is no host at all. */
static int split_host(const char *text, char out[256])
{
    const char *end;
    size_t len;

    if (*text == '[') {
        if ((end = strchr(++text, ']')) == NULL || (end[1] != '\0' && end[1] != ':'))
            return 0;
    } else if ((end = strchr(text, ':')) == NULL) {
        end = text + strlen(text);
    }
    len = (size_t)(end - text);
    if (len == 0 || len > 255 || strpbrk(text, "/\\@?# ") != NULL)
        return 0;
    memcpy(out, text, len);
    out[len] = '\0';
    if (len > 1 && out[len - 1] == '.')
        out[len - 1] = '\0';
    return 1;
}

static int is_loopback_name(const char *host)
{
    size_t len = strlen(host);
    struct in_addr v4;
    struct in6_addr v6;

    if (strcasecmp(host, "localhost") == 0 ||
        (len > 10 && strcasecmp(host + len - 10, ".localhost") == 0))
        return 1;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int is_address(const char *host)
{
    unsigned char any[16];

    return inet_pton(AF_INET, host, any) == 1 || inet_pton(AF_INET6, host, any) == 1;
}

int cors_host_allowed(const struct lathe_request *req)
{
    const struct http_config *cfg = &req->server->cfg;
    const struct http_listener *listener = req->listener;
    const char *text = request_header(req, HDR_HOST);
    char host[256];

    if (text == NULL)
        return 1; /* HTTP/1.0, no browser sends that */
    if (!split_host(text, host))
        return 0;
    if (is_loopback_name(host) || listed(cfg->hosts, host) || listed(cfg->hosts, text) ||
        strcasecmp(host, listener->cfg.address) == 0)
        return 1;
    if (listener->is_loopback)
        return 0;
    if (is_address(host))
        return 1;
    /* Off loopback every surface asks for a token, which a rebound page does not have. */
    return !listener->cfg.insecure && (cfg->hosts == NULL || cfg->hosts[0] == NULL);
}

void cors_preflight(struct lathe_request *req)
{
    const char *wanted = request_header_named(req, "access-control-request-headers");

    if (!req->cors_ok) {
        (void)problem_simple(req, 400, "origin_forbidden", "Disallowed CORS origin");
        return;
    }
    (void)reply_add_header(req, "Access-Control-Allow-Methods",
                           "GET, POST, PUT, PATCH, DELETE, OPTIONS");
    if (wanted != NULL && strlen(wanted) <= 1024)
        (void)reply_add_header(req, "Access-Control-Allow-Headers", wanted);
    (void)reply_add_header(req, "Access-Control-Max-Age", "600");
    (void)reply_send(req, 200, "text/plain; charset=utf-8", "OK", 2);
}
