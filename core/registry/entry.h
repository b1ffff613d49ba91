/* One plugin file in the list, and how it is made from what the probe printed. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REGISTRY_ENTRY_H
#define CORE_REGISTRY_ENTRY_H

#include "core/registry/registry.h"

struct entry_component {
    struct lathe_component_info info;
    struct option_table *options;
    char *options_text, *describe_text;
    const json_t *describe; /* inside entry.json */
};

struct entry {
    struct entry *next;
    char *path;
    uint64_t inode, size_bytes;
    int64_t mtime_ns;
    uint32_t dir_index;
    int is_present; /* seen by the scan under way */
    int is_probing; /* its probe waits or runs */
    char reason[LATHE_ERROR_TEXT];
    char shadow[LATHE_ERROR_TEXT]; /* why another file takes precedence, else "" */
    json_t *json;                  /* what the probe printed, or NULL */
    uint32_t n_components;
    struct entry_component *components;
    const struct lathe_component_info **infos; /* NULL-terminated */
    struct lathe_plugin_info info;
};

/* A new entry without description. NULL when memory ends. */
struct entry *reg_entry_new(const char *path);
void reg_entry_free(struct entry *entry);
/* Takes the probe's answer; a refusal or a malformed answer becomes entry->reason. */
void reg_entry_describe(struct entry *entry, json_t *take_json);
/* Recomputes entry->info from the rest. */
void reg_entry_refresh(struct entry *entry);

#endif
