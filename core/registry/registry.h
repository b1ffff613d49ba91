/* The list of plugin files: found in directories, described by the probe process, kept up to date
 * while the server runs. Maps no file itself. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REGISTRY_REGISTRY_H
#define CORE_REGISTRY_REGISTRY_H

#include <jansson.h>

#include "core/base/strbuf.h"
#include "core/config/option.h"
#include "core/host/loop.h"
#include "core/super/super.h"
#include "lathe/plugins.h"

struct reg;

struct reg_config {
    struct loop *loop;
    struct sup *sup;
    const char *const *dirs; /* in order of precedence, NULL-terminated; missing ones are fine */
    const char *worker_path;
    const char *cache_path; /* NULL: none */
    uint32_t probe_ms;      /* time limit of one probe; 0: 5000 */
};

int32_t reg_open(const struct reg_config *cfg, struct reg **out,
                 struct lathe_error *err) LATHE_MUST_USE;
void reg_close(struct reg *reg);

/* Looks at the directories now; probes run in the background. force also probes broken files again.
 */
void reg_scan(struct reg *reg, int force);
/* Handles events until no probe is under way. 1 when settled, 0 after timeout_ms. */
int reg_settle(struct reg *reg, uint32_t timeout_ms);

/* Number that grows with every change of the list. */
uint64_t reg_generation(const struct reg *reg);

void reg_list(const struct reg *reg, lathe_plugin_visit_fn visit, void *user);
void reg_components(const struct reg *reg, const char *kind, lathe_component_visit_fn visit,
                    void *user);

/* A usable component and its file; NULL when there is none. Valid until the loop turns. name NULL:
 * the first of that kind. */
const struct lathe_component_info *reg_find(const struct reg *reg, const char *kind,
                                            const char *name,
                                            const struct lathe_plugin_info **file);
/* Options of a component that reg_find gave. */
option_list reg_options(const struct reg *reg, const struct lathe_component_info *component);
/* Its probe description; borrowed. */
const json_t *reg_describe(const struct reg *reg, const struct lathe_component_info *component);

/* Checks values (object or NULL) and returns the complete set; new reference in *out. */
int32_t reg_resolve(const struct reg *reg, const char *kind, const char *name, const json_t *values,
                    json_t **out, struct lathe_error *err) LATHE_MUST_USE;

/* The list as JSON text, for GET /-/plugins. */
void reg_json(const struct reg *reg, struct strbuf *out);

#endif
