/* State shared by the files of the registry. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REGISTRY_REGISTRY_INTERNAL_H
#define CORE_REGISTRY_REGISTRY_INTERNAL_H

#include "core/registry/entry.h"

struct event;
struct hmap;

#define KEY_MAX 384 /* bytes of "kind\nname" */

struct reg {
    struct loop *loop;
    struct sup *sup;
    char **dirs; /* NULL-terminated */
    char *worker_path, *cache_path;
    uint32_t probe_ms;
    struct entry *first; /* by dir_index, then path */
    struct hmap *index;  /* "kind\nname" -> struct entry_component */
    struct hmap *files;  /* same key -> struct entry */
    json_t *cache;       /* path -> {"key","probe"} */
    uint64_t generation;
    uint32_t n_probing;
    int is_settled, is_cache_dirty;
    int watch_fd;
    struct event *on_watch, *on_debounce;
};

/* registry.c */
struct entry *reg_entry_find(const struct reg *reg, const char *path);
void reg_index_build(struct reg *reg); /* after any change of an entry */

/* reg_probe.c */
void reg_cache_load(struct reg *reg);
/* 1 when the cache describes the file as it is. */
int reg_cache_take(struct reg *reg, struct entry *entry);
/* Starts waiting probes up to the limit; settles and writes the cache when none is left. */
void reg_probes_start(struct reg *reg);

#endif
