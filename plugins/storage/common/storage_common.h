/* What every storage of the tree does alike: checks of arguments, keys of a document for an index,
 * cursors, thinning of series. Compiled into each plugin.
 * Threads: pure functions, [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_COMMON_H
#define STORAGE_COMMON_H

#include <jansson.h>

#include "lathe/storage.h"

/* Writes code and text into err (may be NULL) and returns code. */
int32_t storage_fail(struct lathe_error *err, int32_t code, const char *fmt, ...)
    LATHE_PRINTF(3, 4);

/* Collection, counter: [a-z0-9_./-]; 1 .. LATHE_STORAGE_NAME_MAX bytes. what names it in the
 * message. */
int32_t storage_check_name(const char *what, const char *name, struct lathe_error *err);
/* Document ids and series names: 1 .. LATHE_STORAGE_ID_MAX bytes of UTF-8 without control bytes. */
int32_t storage_check_id(const char *what, const char *id, struct lathe_error *err);
/* All of an operation that can be checked without the storage. */
int32_t storage_check_op(const struct lathe_storage_op *op, struct lathe_error *err);
/* Does the revision found (0: absent) meet the operation's expectation? */
int32_t storage_check_revision(const struct lathe_storage_op *op, uint64_t revision,
                               struct lathe_error *err);
int32_t storage_check_collection(const struct lathe_storage_collection *c, struct lathe_error *err);
/* Limits, flags and the shape of bounds; not whether the collection and the index exist. */
int32_t storage_check_query(const struct lathe_storage_query *q, struct lathe_error *err);
/* Bytes of a PUT's text. */
size_t storage_op_len(const struct lathe_storage_op *op);
/* Number of entries of a NULL-terminated list, or 0 for NULL. */
uint32_t storage_index_count(const struct lathe_storage_index *const *indexes);

/* A value inside an index. str is NULL for numbers. */
struct storage_key {
    double num;
    const char *str;
};

struct storage_keys {
    uint32_t n;
    struct storage_key keys[LATHE_STORAGE_VALUES_MAX];
};

/* Parses the text of one object. *out is a new reference. Errors: INVALID, LIMIT, NOMEM. */
int32_t storage_doc_parse(const char *json, size_t len, json_t **out, struct lathe_error *err);
/* The distinct keys of doc for an index; strings are borrowed from doc. Errors: LIMIT. */
int32_t storage_doc_keys(const json_t *doc, const char *field, uint32_t type,
                         struct storage_keys *out, struct lathe_error *err);
int storage_key_compare(uint32_t type, const struct storage_key *a, const struct storage_key *b);

/* A cursor: where a scan stopped. key is not used without an index. */
struct storage_cursor {
    struct storage_key key;
    char str[LATHE_STORAGE_KEY_MAX + 1];
    char id[LATHE_STORAGE_ID_MAX + 1];
};

/* Writes a cursor for a scan over an index of this type (or, with_index 0, over ids). */
void storage_cursor_write(const struct lathe_storage_query *q, uint32_t type,
                          const struct storage_key *key, const char *id,
                          char out[LATHE_STORAGE_CURSOR_MAX]);
/* Reads the cursor of q, which must have one. Errors: INVALID. */
int32_t storage_cursor_read(const struct lathe_storage_query *q, uint32_t type,
                            struct storage_cursor *out, struct lathe_error *err);

/* Merges neighbours while a series is read, and hands the rest on in blocks. */
struct storage_thin {
    lathe_series_visit visit;
    void *user;
    uint64_t group, in_group, n_values;
    double sum;
    uint32_t n_block;
    struct lathe_series_point block[256];
};

/* total points will come; max_points 0 keeps all. */
void storage_thin_start(struct storage_thin *thin, uint64_t total, uint32_t max_points,
                        lathe_series_visit visit, void *user);
int32_t storage_thin_add(struct storage_thin *thin, int64_t step, double value);
int32_t storage_thin_finish(struct storage_thin *thin);

#endif
