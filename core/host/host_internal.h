/* One plugin's services. Each host_<name>.c fills in its own table. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HOST_HOST_INTERNAL_H
#define CORE_HOST_HOST_INTERNAL_H

#include "core/host/host.h"
#include "core/http/metrics.h"
#include "lathe/clock.h"
#include "lathe/counters.h"
#include "lathe/jobs.h"
#include "lathe/models.h"
#include "lathe/plugins.h"
#include "lathe/serve.h"
#include "lathe/store.h"
#include "lathe/tokens.h"

struct host_plugin {
    struct lathe_host host;
    const struct host_parts *parts;
    char id[129];
    struct loop_timers *timers;
    const struct lathe_store_service *store; /* made at first use */
    struct lathe_clock_service clock;
    struct lathe_loop_service loop;
    struct lathe_pool_service pool;
    struct lathe_plugins_service plugins;
    struct lathe_jobs_service jobs;
    struct lathe_models_service models;
    struct lathe_serve_service serve;
    struct lathe_tokens_service tokens;
    struct lathe_counters_service counters;
    uint32_t n_series;
    void (*collect)(void *user);
    void *collect_user;
};

void host_clock_fill(struct host_plugin *p);
void host_loop_fill(struct host_plugin *p);
void host_pool_fill(struct host_plugin *p);
void host_plugins_fill(struct host_plugin *p);
void host_jobs_fill(struct host_plugin *p);
void host_models_fill(struct host_plugin *p);
void host_serve_fill(struct host_plugin *p);
void host_tokens_fill(struct host_plugin *p);
void host_counters_fill(struct host_plugin *p);

#endif
