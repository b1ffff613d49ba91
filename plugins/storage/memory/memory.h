/* Private to the memory storage: its objects and the calls between its files.
 * Threads: [store]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_MEMORY_H
#define STORAGE_MEMORY_H

#include "plugins/storage/common/ts_common.h"

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

/* One series of telemetry: points and buckets, each sorted by time. */
struct mem_ts {
    char *name;
    int64_t keep_us[TS_LEVELS + 1];
    struct lathe_ts_latest latest;
    size_t n, cap, n_buckets[TS_LEVELS], cap_buckets[TS_LEVELS];
    struct lathe_ts_point *points;
    struct lathe_ts_bucket *buckets[TS_LEVELS];
};

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
    struct mem_ts *ts; /* sorted by number */
    size_t n_ts;
    uint64_t last_ts;
    struct ts_item *staged; /* points of the open group */
    size_t n_staged, cap_staged;
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

/* mem_telemetry.c */
int32_t mem_ts_series_open(void *self, const char *const *names, uint32_t n_names, uint64_t *ids,
                           struct lathe_error *err);
int32_t mem_ts_series_remove(void *self, uint64_t series, struct lathe_error *err);
int32_t mem_ts_series_each(void *self, const char *prefix,
                           int32_t (*visit)(void *user, const char *name, uint64_t series),
                           void *user, struct lathe_error *err);
int32_t mem_ts_retain(void *self, uint64_t series, const struct lathe_ts_retention *retention,
                      struct lathe_error *err);
int32_t mem_ts_ingest(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point,
                      struct lathe_error *err);
/* Stores what the group ingested. On NOMEM some points may be in: they come again, or never. */
int32_t mem_ts_commit(struct mem_storage *m, struct lathe_error *err);
int32_t mem_ts_erase(void *self, uint64_t series, int64_t first_us, int64_t end_us,
                     struct lathe_error *err);
int32_t mem_ts_maintain(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err);
struct mem_ts *mem_ts_find(const struct mem_storage *m, uint64_t series);
/* Position of the first point, or bucket, that is not before t. */
size_t mem_ts_point_at(const struct mem_ts *ts, int64_t t);
size_t mem_ts_bucket_at(const struct mem_ts *ts, uint32_t level, int64_t t);
void mem_ts_fini(struct mem_storage *m);

/* mem_ts_read.c */
int32_t mem_ts_points(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit,
                      void *user, struct lathe_ts_result *result, struct lathe_error *err);
int32_t mem_ts_buckets(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit,
                       void *user, struct lathe_ts_result *result, struct lathe_error *err);
int32_t mem_ts_latest(void *self, const uint64_t *series, uint32_t n_series,
                      struct lathe_ts_latest *out, struct lathe_error *err);
int32_t mem_ts_stats(void *self, struct lathe_ts_stats *out, struct lathe_error *err);

#endif
