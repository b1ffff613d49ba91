/* The server put together: what is opened at start, in order, and closed in reverse. Wiring only.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LATHED_LATHED_H
#define CORE_LATHED_LATHED_H

#include "core/host/host.h"
#include "core/http/http.h"
#include "core/lathed/settings.h"
#include "core/registry/negotiate.h"

struct event;
struct params;

#define LATHED_FILES_MAX 64
#define LATHED_SURFACES_MAX 64
#define LATHED_LISTENERS_MAX 32

/* A plugin file mapped into the server. */
struct lathed_file {
    struct plugin_file *file;
    struct host_plugin *host;
};

/* A REST surface that was opened. */
struct lathed_surface {
    const struct lathe_api *api;
    void *self;
    struct params *params;
    char name[65];
};

struct lathed {
    struct arguments args;
    struct config *config;
    struct settings_paths paths;
    int lock_fd;
    struct host_parts parts;
    struct sup *sup;
    struct params *storage_params;
    struct lathed_file files[LATHED_FILES_MAX];
    size_t n_files;
    struct lathed_surface surfaces[LATHED_SURFACES_MAX];
    size_t n_surfaces;
    struct http_server *http;
    char **cors, **hosts, **proxies, **listener_words[LATHED_LISTENERS_MAX];
    struct http_listener_config listeners[LATHED_LISTENERS_MAX];
    char listen_address[128];
    size_t n_listeners;
    struct event *signals[4];
    int is_ready, is_ending, n_draining, exit_code;
    int64_t start_ns;
};

/* files.c: plugins inside the server. */
int32_t lathed_file_open(struct lathed *d, const char *path, struct lathed_file **out,
                         struct lathe_error *err) LATHE_MUST_USE;
void lathed_files_close(struct lathed *d);
/* Options of a component from <plugin_config>/<name>.conf. */
int32_t lathed_params(struct lathed *d, const struct lathe_component *component,
                      struct params **out, struct lathe_error *err) LATHE_MUST_USE;
int32_t lathed_required_check(struct lathed *d, struct lathe_error *err) LATHE_MUST_USE;

/* parts.c: data directory, registry, store, jobs, models, tokens. */
int32_t lathed_parts_open(struct lathed *d, struct lathe_error *err) LATHE_MUST_USE;
void lathed_parts_close(struct lathed *d);

/* tokens.c: tokens kept in the store. */
int32_t lathed_tokens_open(struct lathed *d, struct lathe_error *err) LATHE_MUST_USE;

/* surfaces.c: the HTTP server and the REST surfaces. */
int32_t lathed_http_open(struct lathed *d, struct lathe_error *err) LATHE_MUST_USE;
void lathed_http_close(struct lathed *d);
void lathed_ready_line(const struct lathed *d);

#endif
