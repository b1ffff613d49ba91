/* Plugin files of a worker: opened, negotiated, initialised; components found with their
 * parameters. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_LOAD_H
#define CORE_WORKER_LOAD_H

#include "core/config/params.h"
#include "core/registry/negotiate.h"
#include "core/worker/job.h"
#include "core/worker/report.h"

/* Services that only a running job has; members may be NULL. Tables outlive the plugins. */
struct worker_services {
    const struct lathe_run_service *run;
    const struct lathe_metrics_service *metrics;
    struct control *control; /* for LOG frames; NULL: the process log only */
};

struct loaded;

/* A component and what it is opened with. params is released by component_close. */
struct component {
    const struct lathe_component *entry;
    const struct lathe_host *host;
    struct params *params;
};

/* Opens all files and runs their init. services is borrowed until load_close.
 * Errors: of negotiation and init; LATHE_E_CONFLICT when a file is not the one the job names. */
int32_t load_open(const struct wplugin_ref *refs, size_t n, const struct worker_services *services,
                  struct loaded **out, struct lathe_error *err) LATHE_MUST_USE;
void load_close(struct loaded *loaded); /* runs fini; NULL is fine */

size_t load_count(const struct loaded *loaded);
const struct plugin_file *load_at(const struct loaded *loaded, size_t i);

/* Finds kind/name (name NULL: the only one, or the first) and checks options against its table.
 * Errors: LATHE_E_NOT_FOUND; LATHE_E_INVALID with err->field = "<where>.<option>". */
int32_t load_component(const struct loaded *loaded, const char *kind, const char *name,
                       const json_t *options, const char *where, struct component *out,
                       struct lathe_error *err) LATHE_MUST_USE;
void component_close(struct component *component);

/* A host table for one plugin; released with host_free. */
const struct lathe_host *host_new(const char *plugin_id, const struct worker_services *services);
void host_set_id(const struct lathe_host *host, const char *plugin_id); /* borrowed */
void host_free(const struct lathe_host *host);

#endif
