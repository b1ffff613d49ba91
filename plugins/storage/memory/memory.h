/* Private to the memory storage: its objects and the calls between its files.
 * Threads: [store]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_MEMORY_H
#define STORAGE_MEMORY_H

#include "plugins/storage/common/storage_common.h"

struct mem_doc {
    char *id, *json;
    size_t json_len;
    uint64_t revision;
    json_t *parsed; /* owns the strings that index entries point to */
};

struct mem_entry {
    struct storage_key key;
    const struct mem_doc *doc;
};

/* Entries sorted by key, then id. */
struct mem_index {
    char *field;
    uint32_t type;
    size_t n, cap;
    struct mem_entry *entries;
};

/* Documents sorted by id. Arrays never shrink, so that undoing needs no memory. */
struct mem_collection {
    char *name;
    size_t n, cap;
    struct mem_doc **docs;
    uint32_t n_indexes;
    struct mem_index indexes[LATHE_STORAGE_INDEX_MAX];
};

struct mem_counter {
    char *name;
    uint64_t next;
};

struct mem_series {
    char *name;
    size_t n, cap;
    struct lathe_series_point *points; /* sorted by step */
};

/* How to take back one change; the newest is last. */
struct mem_undo {
    uint32_t kind;
    struct mem_collection *collection; /* UNDO_DOC */
    char *name;                        /* document id, counter or series */
    struct mem_doc *doc;               /* what was there before, or NULL */
    uint64_t next;                     /* UNDO_COUNTER; 0: it did not exist */
    struct mem_series series;          /* UNDO_SERIES: the points before */
};

#define UNDO_DOC 0u
#define UNDO_COUNTER 1u
#define UNDO_SERIES 2u

struct mem_storage {
    struct mem_collection **collections;
    size_t n_collections;
    struct mem_counter *counters;
    size_t n_counters;
    struct mem_series *series; /* sorted by name */
    size_t n_series;
    struct mem_undo *undo;
    size_t n_undo, cap_undo;
    uint64_t next_revision;
    int in_group;
};

/* memory.c: undo */
int32_t mem_undo_reserve(struct mem_storage *m, struct mem_undo **slot, struct lathe_error *err);
void mem_undo_to(struct mem_storage *m, size_t mark);
void mem_undo_forget(struct mem_storage *m);

/* mem_docs.c */
struct mem_collection *mem_collection_find(const struct mem_storage *m, const char *name);
int32_t mem_declare(struct mem_storage *m, const struct lathe_storage_collection *c,
                    struct lathe_error *err);
void mem_collection_free(struct mem_collection *c);
/* Position of id, or where it belongs; *found says which. */
size_t mem_doc_position(const struct mem_collection *c, const char *id, int *found);
void mem_doc_free(struct mem_doc *doc);
/* Takes the document out of the array and the indexes; returns it, or NULL. Needs no memory. */
struct mem_doc *mem_doc_detach(struct mem_collection *c, const char *id);
/* Puts doc in; room was made before by mem_doc_room. */
void mem_doc_attach(struct mem_collection *c, struct mem_doc *doc);
int32_t mem_doc_room(struct mem_collection *c, const struct mem_doc *doc, struct lathe_error *err);
int32_t mem_apply_op(struct mem_storage *m, const struct lathe_storage_op *op, uint64_t *value,
                     struct lathe_error *err);
struct mem_counter *mem_counter_find(const struct mem_storage *m, const char *name);

/* mem_scan.c */
int32_t mem_scan(struct mem_storage *m, const struct lathe_storage_query *q,
                 lathe_storage_visit visit, void *user, struct lathe_storage_scan_result *result,
                 struct lathe_error *err);

/* mem_series.c */
extern const struct lathe_storage_timeseries mem_timeseries;
void mem_series_restore(struct mem_storage *m, struct mem_undo *undo);
void mem_series_fini(struct mem_series *series);

#endif
