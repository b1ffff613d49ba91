/* What plugins inside the server see of it: one struct lathe_host for each plugin, with its own
 * timers and store name space. Threads: [loop]; get_service and log are [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HOST_HOST_H
#define CORE_HOST_HOST_H

#include "core/host/pool.h"
#include "lathe/host.h"

struct artifacts;
struct events;
struct http_auth;
struct http_metrics;
struct jobs;
struct models;
struct reg;
struct serve;
struct store;

/* The parts of the server; filled in while it starts. A service whose part is NULL is not offered.
 */
struct host_parts {
    struct loop *loop;
    struct pool *pool;
    struct reg *reg;
    struct store *store;
    struct events *events;
    struct artifacts *artifacts;
    struct models *models;
    struct serve *serve;
    struct jobs *jobs;
    struct http_auth *auth;
    struct http_metrics *metrics; /* series of plugins */
};

struct host_plugin; /* one plugin's view */

/* plugin_id names log lines and the store's name space; parts outlives the result. */
int32_t host_open(const struct host_parts *parts, const char *plugin_id, struct host_plugin **out,
                  struct lathe_error *err) LATHE_MUST_USE;
/* Cancels the plugin's timers. NULL is fine. */
void host_close(struct host_plugin *plugin);
const struct lathe_host *host_table(const struct host_plugin *plugin);
/* Has the plugin bring its counters up to date. */
void host_collect(struct host_plugin *plugin);

#endif
