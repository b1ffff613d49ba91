/* SPDX-License-Identifier: Apache-2.0 */
/* The server object: configuration copy, surfaces, listeners, ticking, draining. */
#define LOG_MODULE "http"
#include "core/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/http/conn.h"

#define BACKLOG 1024
#define ORIGIN_BYTES_MAX 200

void http_config_init(struct http_config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    cfg->max_connections = 4096;
    cfg->max_ws_clients = 1024;
    cfg->max_uri_bytes = 8 * 1024;
    cfg->max_header_bytes = 32 * 1024;
    cfg->max_headers = 100;
    cfg->max_body_bytes = 64 * 1024;
    cfg->header_timeout_ms = 10000;
    cfg->body_timeout_ms = 60000;
    cfg->idle_timeout_ms = 75000;
    cfg->write_timeout_ms = 30000;
    cfg->handler_timeout_ms = 120000;
    cfg->ws_ping_ms = 20000;
    cfg->ws_dead_ms = 60000;
}

static void fill_defaults(struct http_config *cfg)
{
    struct http_config def;

    http_config_init(&def);
#define DEFAULT(field)              \
    do {                            \
        if (cfg->field == 0)        \
            cfg->field = def.field; \
    } while (0)
    DEFAULT(max_connections);
    DEFAULT(max_ws_clients);
    DEFAULT(max_uri_bytes);
    DEFAULT(max_header_bytes);
    DEFAULT(max_headers);
    DEFAULT(max_body_bytes);
    DEFAULT(header_timeout_ms);
    DEFAULT(body_timeout_ms);
    DEFAULT(idle_timeout_ms);
    DEFAULT(write_timeout_ms);
    DEFAULT(handler_timeout_ms);
    DEFAULT(ws_ping_ms);
    DEFAULT(ws_dead_ms);
#undef DEFAULT
    if (cfg->max_headers > 255) /* struct lathe_request.known holds one byte */
        cfg->max_headers = 255;
}

/* --- copies of lists
 * ------------------------------------------------------------------------------------- */

static void free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        mem_free(list[i]);
    mem_free(list);
}

static int copy_list(const char *const *list, char ***out)
{
    size_t n = 0;

    *out = NULL;
    if (list == NULL)
        return 1;
    while (list[n] != NULL)
        n++;
    if ((*out = mem_zalloc(n + 1, sizeof(char *))) == NULL)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (((*out)[i] = mem_strdup(list[i])) == NULL)
            return 0;
    return 1;
}

static int copy_text(const char *text, const char **out)
{
    *out = NULL;
    return text == NULL || (*out = mem_strdup(text)) != NULL;
}

static void free_text(const char *text)
{
    mem_free((void *)(uintptr_t)text);
}

static void free_listener(struct http_listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->socket != NULL)
        evconnlistener_free(listener->socket);
    router_free(listener->router);
    SSL_CTX_free(listener->tls);
    free_list(listener->surface_names);
    free_text(listener->cfg.address);
    free_text(listener->cfg.tls_cert);
    free_text(listener->cfg.tls_key);
    mem_free(listener->openapi);
    mem_free(listener);
}

static int is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int32_t add_listener(struct http_server *server, const struct http_listener_config *cfg,
                            struct lathe_error *err)
{
    struct http_listener *listener = mem_new(struct http_listener);

    if (listener == NULL)
        return fail(err, LATHE_E_NOMEM, "set up a listener: out of memory");
    server->listeners[server->n_listeners++] = listener;
    listener->server = server;
    listener->cfg = *cfg;
    listener->cfg.address = listener->cfg.tls_cert = listener->cfg.tls_key = NULL;
    listener->cfg.surfaces = NULL;
    if (!copy_text(cfg->address ? cfg->address : "127.0.0.1", &listener->cfg.address) ||
        !copy_text(cfg->tls_cert, &listener->cfg.tls_cert) ||
        !copy_text(cfg->tls_key, &listener->cfg.tls_key) ||
        !copy_list(cfg->surfaces, &listener->surface_names))
        return fail(err, LATHE_E_NOMEM, "set up a listener: out of memory");
    listener->is_loopback = is_loopback(listener->cfg.address);
    if ((cfg->tls_cert == NULL) != (cfg->tls_key == NULL))
        return fail(err, LATHE_E_INVALID, "listener %s:%u: TLS needs a certificate and a key",
                    listener->cfg.address, (unsigned)cfg->port);
    if (cfg->tls_cert != NULL)
        return tls_open(cfg->tls_cert, cfg->tls_key, &listener->tls, err);
    return LATHE_OK;
}

/* --- ticking
 * --------------------------------------------------------------------------------------------- */

static void drain_step(struct http_server *server, int64_t now_ms)
{
    void (*drained)(void *user) = server->drained;

    if (drained == NULL || (server->n_conns > 0 && now_ms < server->drain_until_ms))
        return;
    server->drained = NULL;
    drained(server->drained_user);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *server = arg;
    int64_t now_ms = (server->now_ns = clock_mono_ns()) / 1000000;
    struct http_conn *conn, *next;

    (void)fd;
    (void)what;
    for (conn = server->conns; conn != NULL; conn = next) {
        next = conn->next; /* connections are freed by on_kick only */
        if (conn->phase != CONN_DEAD)
            conn_tick(conn, now_ms);
    }
    if (server->paused_accept && server->n_conns < server->cfg.max_connections) {
        server->paused_accept = 0;
        for (size_t i = 0; i < server->n_listeners; i++)
            evconnlistener_enable(server->listeners[i]->socket);
    }
    if (server->draining)
        drain_step(server, now_ms);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *server = arg;
    struct http_conn *conn = server->kicked;

    (void)fd;
    (void)what;
    server->kicked = NULL;
    server->now_ns = clock_mono_ns();
    while (conn != NULL) {
        struct http_conn *next = conn->kick_next;

        conn->kicked = 0;
        if (conn->phase == CONN_DEAD)
            conn_free(conn);
        else
            conn_process(conn);
        conn = next;
    }
}

void server_kick(struct http_server *server, struct http_conn *conn)
{
    if (conn->kicked)
        return;
    conn->kicked = 1;
    conn->kick_next = server->kicked;
    server->kicked = conn;
    if (!server->closing)
        event_active(server->kick, 0, 0);
}

const char *server_date(struct http_server *server, size_t *len)
{
    time_t now = time(NULL);

    if (now != server->date_s) {
        struct tm tm;

        gmtime_r(&now, &tm);
        server->date_len =
            strftime(server->date, sizeof server->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        server->date_s = now;
    }
    *len = server->date_len;
    return server->date;
}

static uint32_t tick_ms(const struct http_config *cfg)
{
    uint32_t least = cfg->header_timeout_ms;

    if (cfg->body_timeout_ms < least)
        least = cfg->body_timeout_ms;
    if (cfg->idle_timeout_ms < least)
        least = cfg->idle_timeout_ms;
    if (cfg->write_timeout_ms < least)
        least = cfg->write_timeout_ms;
    if (cfg->handler_timeout_ms < least)
        least = cfg->handler_timeout_ms;
    if (cfg->ws_ping_ms < least)
        least = cfg->ws_ping_ms;
    return least / 4 < 10 ? 10 : least / 4 > 250 ? 250 : least / 4;
}

/* --- opening
 * --------------------------------------------------------------------------------------------- */

static int32_t copy_config(struct http_server *server, const struct http_config *cfg,
                           struct lathe_error *err)
{
    char **origins, **hosts, **proxies;
    int ok;

    server->cfg = *cfg;
    fill_defaults(&server->cfg);
    server->cfg.listeners = NULL;
    ok = copy_text(cfg->www_dir, &server->cfg.www_dir);
    ok &= copy_list(cfg->cors_origins, &origins);
    server->cfg.cors_origins = (const char *const *)origins;
    ok &= copy_list(cfg->hosts, &hosts);
    server->cfg.hosts = (const char *const *)hosts;
    ok &= copy_list(cfg->proxies, &proxies);
    server->cfg.proxies = (const char *const *)proxies;
    if (!ok)
        return fail(err, LATHE_E_NOMEM, "open the HTTP server: out of memory");
    for (size_t i = 0; origins != NULL && origins[i] != NULL; i++)
        if (strlen(origins[i]) > ORIGIN_BYTES_MAX || strstr(origins[i], "://") == NULL)
            return fail_field(err, LATHE_E_INVALID, "cors_origins",
                              "\"%.80s\" is no origin; write scheme://host:port", origins[i]);
    if (cfg->n_listeners > HTTP_LISTENERS_MAX)
        return fail(err, LATHE_E_LIMIT, "at most %d listeners", HTTP_LISTENERS_MAX);
    return LATHE_OK;
}

static int32_t make_metrics(struct http_server *server, struct lathe_error *err)
{
    struct http_metrics *m = http_metrics_new();

    if ((server->metrics = m) == NULL)
        return fail(err, LATHE_E_NOMEM, "open the HTTP server: out of memory");
    server->m_conns =
        http_metrics_get(m, HTTP_METRIC_GAUGE, "lathe_http_connections", "Open connections.", "");
    server->m_accepted = http_metrics_get(m, HTTP_METRIC_COUNTER, "lathe_http_accepted_total",
                                          "Connections accepted.", "");
    server->m_refused = http_metrics_get(m, HTTP_METRIC_COUNTER, "lathe_http_refused_total",
                                         "Connections turned away at the limit.", "");
    server->m_bad = http_metrics_get(m, HTTP_METRIC_COUNTER, "lathe_http_bad_requests_total",
                                     "Requests that could not be read.", "");
    server->m_ws =
        http_metrics_get(m, HTTP_METRIC_GAUGE, "lathe_ws_clients", "Open WebSockets.", "");
    server->m_streams =
        http_metrics_get(m, HTTP_METRIC_GAUGE, "lathe_stream_clients", "Open answer streams.", "");
    server->m_core = http_metrics_get(m, HTTP_METRIC_COUNTER, "lathe_http_other_requests_total",
                                      "Requests answered outside any surface.", "");
    server->m_core_latency = http_metrics_get(m, HTTP_METRIC_HISTOGRAM, "lathe_http_other_seconds",
                                              "Time of requests outside any surface.", "");
    return LATHE_OK;
}

static int32_t make_events(struct http_server *server, struct lathe_error *err)
{
    uint32_t ms = tick_ms(&server->cfg);
    struct timeval period = {.tv_sec = 0, .tv_usec = (suseconds_t)ms * 1000};

    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    server->kick = event_new(server->base, -1, 0, on_kick, server);
    if (server->tick == NULL || server->kick == NULL || event_add(server->tick, &period) != 0)
        return fail(err, LATHE_E_NOMEM, "open the HTTP server: out of memory");
    return LATHE_OK;
}

int32_t http_server_open(struct event_base *base, const struct http_config *cfg,
                         struct http_server **out, struct lathe_error *err)
{
    struct http_server *server = mem_new(struct http_server);
    int32_t st;

    if (server == NULL)
        return fail(err, LATHE_E_NOMEM, "open the HTTP server: out of memory");
    server->base = base;
    server->start_ms = conn_now_ms();
    io_random(&server->id_state, sizeof server->id_state);
    st = copy_config(server, cfg, err);
    if (st == LATHE_OK)
        st = make_metrics(server, err);
    if (st == LATHE_OK)
        st = make_events(server, err);
    if (st == LATHE_OK)
        st = access_log_open(&server->access_log, base);
    for (size_t i = 0; st == LATHE_OK && i < cfg->n_listeners; i++)
        st = add_listener(server, &cfg->listeners[i], err);
    if (st != LATHE_OK)
        http_server_close(server);
    else
        *out = server;
    return st;
}

struct http_metrics *http_server_metrics(struct http_server *server)
{
    return server->metrics;
}

/* --- surfaces
 * -------------------------------------------------------------------------------------------- */

static void free_mount(struct http_mount *mount)
{
    if (mount == NULL)
        return;
    contract_free(mount->contract);
    mem_free(mount->name);
    mem_free(mount->prefix);
    mem_free(mount->openapi);
    mem_free(mount);
}

static int32_t check_surface(const struct http_server *server, const struct http_surface *surface,
                             const char *prefix, struct lathe_error *err)
{
    if (server->started)
        return fail(err, LATHE_E_CONFLICT, "mount \"%s\": the server runs already", surface->name);
    if (server->n_mounts == HTTP_SURFACES_MAX)
        return fail(err, LATHE_E_LIMIT, "mount \"%s\": at most %d surfaces", surface->name,
                    HTTP_SURFACES_MAX);
    if (surface->auth_required && server->cfg.auth == NULL)
        return fail(err, LATHE_E_INVALID,
                    "mount \"%s\": it requires tokens, but there is no token store", surface->name);
    if (surface->api->openapi_json == NULL)
        return fail(err, LATHE_E_INVALID, "mount \"%s\": it has no contract", surface->name);
    if (prefix[0] != '\0' && (prefix[0] != '/' || prefix[strlen(prefix) - 1] == '/'))
        return fail(err, LATHE_E_INVALID,
                    "mount \"%s\": prefix \"%s\" must begin with / and not end with it",
                    surface->name, prefix);
    for (size_t i = 0; i < server->n_mounts; i++)
        if (strcmp(server->mounts[i]->name, surface->name) == 0)
            return fail(err, LATHE_E_EXISTS, "mount \"%s\": the name is taken", surface->name);
    return LATHE_OK;
}

int32_t http_server_mount(struct http_server *server, const struct http_surface *surface,
                          struct lathe_error *err)
{
    const struct lathe_api *api = surface->api;
    const char *prefix = surface->prefix ? surface->prefix : api->prefix ? api->prefix : "";
    struct http_mount *mount;
    int32_t st = check_surface(server, surface, prefix, err);

    if (st != LATHE_OK)
        return st;
    if ((mount = mem_new(struct http_mount)) == NULL)
        return fail(err, LATHE_E_NOMEM, "mount \"%s\": out of memory", surface->name);
    mount->server = server;
    mount->api = api;
    mount->self = surface->self;
    mount->auth_required = surface->auth_required;
    mount->openapi_len = api->openapi_len ? (size_t)api->openapi_len : strlen(api->openapi_json);
    mount->name = mem_strdup(surface->name);
    mount->prefix = mem_strdup(prefix);
    mount->openapi = mem_strndup(api->openapi_json, mount->openapi_len);
    if (mount->name == NULL || mount->prefix == NULL || mount->openapi == NULL)
        st = fail(err, LATHE_E_NOMEM, "mount \"%s\": out of memory", surface->name);
    else
        st = contract_load(mount->openapi, mount->openapi_len, mount, &mount->contract, err);
    if (st != LATHE_OK) {
        free_mount(mount);
        return st;
    }
    server->mounts[server->n_mounts++] = mount;
    return LATHE_OK;
}

/* --- listening
 * ------------------------------------------------------------------------------------------- */

static int32_t claim_paths(struct http_listener *listener, struct http_mount *mount,
                           struct lathe_error *err)
{
    struct contract *contract = mount->contract;
    int32_t st = LATHE_OK;

    for (size_t i = 0; st == LATHE_OK && i < contract->n_ops; i++) {
        const char *path = contract->ops[i]->path;

        if (strcmp(path, "/") != 0 && core_route_find(path) != NULL)
            return fail(err, LATHE_E_CONFLICT,
                        "path %s of surface \"%s\" belongs to the server itself", path,
                        mount->name);
        st = router_add(listener->router, contract->ops[i], err);
    }
    return st;
}

static int32_t choose_mounts(struct http_listener *listener, struct lathe_error *err)
{
    struct http_server *server = listener->server;
    char **names = listener->surface_names;

    for (size_t i = 0; names == NULL && i < server->n_mounts; i++)
        listener->mounts[listener->n_mounts++] = server->mounts[i];
    for (size_t k = 0; names != NULL && names[k] != NULL && k < HTTP_SURFACES_MAX; k++) {
        size_t i = 0;

        while (i < server->n_mounts && strcmp(server->mounts[i]->name, names[k]) != 0)
            i++;
        if (i == server->n_mounts)
            return fail(err, LATHE_E_NOT_FOUND, "listener %s:%u: there is no surface \"%s\"",
                        listener->cfg.address, (unsigned)listener->cfg.port, names[k]);
        listener->mounts[listener->n_mounts++] = server->mounts[i];
    }
    return LATHE_OK;
}

static int32_t prepare(struct http_listener *listener, struct lathe_error *err)
{
    int32_t st;

    listener->n_mounts = 0;
    if ((listener->router = router_new()) == NULL)
        return fail(err, LATHE_E_NOMEM, "build the router: out of memory");
    if ((st = choose_mounts(listener, err)) != LATHE_OK)
        return st;
    for (size_t i = 0; i < listener->n_mounts; i++) {
        if (!listener->is_loopback && !listener->cfg.insecure &&
            !listener->mounts[i]->auth_required)
            return fail(
                err, LATHE_E_DENIED,
                "listener %s:%u is reachable from other machines, but surface \"%s\" asks for no "
                "token; set auth = \"required\" for it, or listen on 127.0.0.1",
                listener->cfg.address, (unsigned)listener->cfg.port, listener->mounts[i]->name);
        if ((st = claim_paths(listener, listener->mounts[i], err)) != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *addr,
                      int len, void *arg)
{
    (void)socket;
    (void)len;
    conn_accept(arg, fd, addr);
}

static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    struct http_listener *listener = arg;
    int errnum = EVUTIL_SOCKET_ERROR();

    log_warn("accept failed", F_STR("address", listener->host), F_STR("error", strerror(errnum)));
    if (errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM || errnum == ENOBUFS) {
        evconnlistener_disable(socket); /* on_tick tries again */
        listener->server->paused_accept = 1;
    }
}

static socklen_t fill_address(const struct http_listener *listener, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, listener->cfg.address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(listener->cfg.port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, listener->cfg.address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(listener->cfg.port);
        return sizeof *v6;
    }
    return 0;
}

static void note_port(struct http_listener *listener, int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;

    listener->port = listener->cfg.port;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
        listener->port =
            ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&addr)->sin6_port
                                             : ((struct sockaddr_in *)(void *)&addr)->sin_port);
    snprintf(listener->host, sizeof listener->host,
             strchr(listener->cfg.address, ':') ? "[%.50s]:%u" : "%.50s:%u", listener->cfg.address,
             (unsigned)listener->port);
}

static int32_t bind_listener(struct http_listener *listener, struct lathe_error *err)
{
    struct sockaddr_storage addr;
    socklen_t len = fill_address(listener, &addr);
    int fd, one = 1, zero = 0;

    if (len == 0)
        return fail_field(err, LATHE_E_INVALID, "address", "listener: \"%.60s\" is no IP address",
                          listener->cfg.address);
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(err, errno, "open a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
                     sizeof one); /* inherited by accepted ones */
    if (addr.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, BACKLOG) != 0) {
        int errnum = errno;

        close(fd);
        return fail_errno(err, errnum, "listen on %s port %u", listener->cfg.address,
                          (unsigned)listener->cfg.port);
    }
    listener->socket = evconnlistener_new(listener->server->base, on_accept, listener,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
    if (listener->socket == NULL) {
        close(fd);
        return fail(err, LATHE_E_NOMEM, "listen on %s: out of memory", listener->cfg.address);
    }
    evconnlistener_set_error_cb(listener->socket, on_accept_error);
    note_port(listener, fd);
    log_info("listening", F_STR("address", listener->host), F_BOOL("tls", listener->tls != NULL),
             F_INT("surfaces", listener->n_mounts));
    return LATHE_OK;
}

int32_t http_server_start(struct http_server *server, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    if (server->started)
        return fail(err, LATHE_E_CONFLICT, "start the HTTP server: it runs already");
    for (size_t i = 0; st == LATHE_OK && i < server->n_listeners; i++)
        st = prepare(server->listeners[i], err);
    for (size_t i = 0; st == LATHE_OK && i < server->n_listeners; i++)
        st = bind_listener(server->listeners[i], err);
    server->started = st == LATHE_OK;
    return st;
}

uint16_t http_server_port(const struct http_server *server, size_t index)
{
    return index < server->n_listeners ? server->listeners[index]->port : 0;
}

/* --- ending
 * ---------------------------------------------------------------------------------------------- */

static void send_away(struct http_conn *conn)
{
    if (conn->phase == CONN_IDLE && evbuffer_get_length(conn->out) == 0)
        conn_close(conn);
    else if (conn->phase == CONN_IDLE)
        conn_finish(conn);
    else if (conn->phase == CONN_WS && conn->ws != NULL)
        ws_close(conn->ws, 1001, "server stops");
    else if (conn->phase == CONN_STREAM && conn->stream != NULL)
        stream_close(conn->stream);
}

void http_server_drain(struct http_server *server, uint32_t grace_ms, void (*done)(void *user),
                       void *user)
{
    struct http_conn *conn, *next;

    if (server->draining)
        return;
    server->draining = 1;
    server->drained = done;
    server->drained_user = user;
    server->drain_until_ms = conn_now_ms() + grace_ms;
    for (size_t i = 0; i < server->n_listeners; i++)
        if (server->listeners[i]->socket != NULL) {
            evconnlistener_free(server->listeners[i]->socket);
            server->listeners[i]->socket = NULL;
        }
    server->paused_accept = 0;
    for (conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;
        send_away(conn);
    }
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    server->closing = 1;
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next)
        conn_close(conn);
    while (server->conns != NULL)
        conn_free(server->conns);
    /* Requests that somebody still holds outlive the server: they answer nothing and free
     * themselves. */
    for (struct lathe_request *req = server->requests; req != NULL; req = req->next)
        req->server = NULL, req->op = NULL, req->surface = NULL;
    request_free_all(server);
    for (size_t i = 0; i < server->n_listeners; i++)
        free_listener(server->listeners[i]);
    for (size_t i = 0; i < server->n_mounts; i++)
        free_mount(server->mounts[i]);
    if (server->tick != NULL)
        event_free(server->tick);
    if (server->kick != NULL)
        event_free(server->kick);
    access_log_close(&server->access_log);
    if (server->deflate_ready)
        deflateEnd(&server->deflate);
    http_metrics_free(server->metrics);
    free_text(server->cfg.www_dir);
    free_list((char **)(uintptr_t)server->cfg.cors_origins);
    free_list((char **)(uintptr_t)server->cfg.hosts);
    free_list((char **)(uintptr_t)server->cfg.proxies);
    mem_free(server);
}
