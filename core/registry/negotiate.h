/* Opening a plugin file and agreeing with it, or refusing it with a reason. The same code serves
 * the server, the workers and the conformance kit; plugins contain no version code of their own. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REGISTRY_NEGOTIATE_H
#define CORE_REGISTRY_NEGOTIATE_H

#include <jansson.h>

#include "core/registry/kinds.h"
#include "lathe/plugin.h"

#define PLUGIN_BUILD_ID_MAX 129 /* hex of at most 64 bytes, with NUL */

struct plugin_file {
    char *path; /* absolute, links resolved */
    char sha256[65];
    char build_id[PLUGIN_BUILD_ID_MAX]; /* "" when the file has none */
    uint64_t inode, size_bytes;
    int64_t mtime_ms;
    const struct lathe_plugin *entry; /* constant, in the mapped file */
    void *handle;                     /* of dlopen; never closed once init has run */
    void *state;                      /* what init gave */
    int has_init_run, has_init_failed;
};

/* Facts about the file alone: real path, regular, not writable by others, hash, build-id. Loads
 * nothing. *out is released by plugin_close. Thread: [any]. */
int32_t plugin_stat(const char *path, struct plugin_file **out,
                    struct lathe_error *err) LATHE_MUST_USE;

/* plugin_stat, then maps the file and negotiates everything that needs no call into it: symbol,
 * magic, tag, sizes, versions, kinds, ids, vtables, options, services. Thread: [any]. */
int32_t plugin_open(const char *path, struct plugin_file **out,
                    struct lathe_error *err) LATHE_MUST_USE;

/* The negotiation alone, for an entry table in memory (tests, conformance kit). */
int32_t plugin_negotiate(const struct lathe_plugin *p, struct lathe_error *err) LATHE_MUST_USE;

/* Runs init, once. host lives as long as the file. */
int32_t plugin_init(struct plugin_file *file, const struct lathe_host *host,
                    struct lathe_error *err) LATHE_MUST_USE;
/* Runs fini when init has run. */
void plugin_fini(struct plugin_file *file);
/* Releases the record; unmaps the file only when init has not run. NULL is fine. */
void plugin_close(struct plugin_file *file);

/* The component, or NULL. name NULL: the first of that kind. */
const struct lathe_component *plugin_find(const struct plugin_file *file, const char *kind,
                                          const char *name);
/* 1 when any component runs in that process. */
int plugin_runs_in(const struct plugin_file *file, enum kind_process process);

/* {"path","id","version","license","summary","abi":{...},"sha256","build_id","inode","size_bytes",
 *  "mtime_ms","components":[{"kind","name","summary","needs","options","describe":{}}]}; caller
 * owns. NULL when memory ends. */
json_t *plugin_describe(const struct plugin_file *file);
/* An option table as the JSON array that plugins.h documents. */
json_t *plugin_describe_options(const struct lathe_option *const *options);

/* Reads the GNU build-id of an ELF file as hex; "" when it has none. */
int32_t elf_build_id(const char *path, char out[PLUGIN_BUILD_ID_MAX],
                     struct lathe_error *err) LATHE_MUST_USE;

#endif
