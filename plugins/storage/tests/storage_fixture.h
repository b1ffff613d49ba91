/* Opens a storage from the built plugin file, as a host would, for the conformance tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_FIXTURE_H
#define STORAGE_FIXTURE_H

#include "lathe/storage.h"

struct fixture {
    const struct lathe_storage *vtable;
    const struct lathe_storage_timeseries *series;
    void *self;
    char dir[64];
    char integrity[8];    /* option integrity_check */
    int64_t merge_points; /* option merge_points; 0: its default */
};

/* Loads plugins/storage_<name>.so. 0 on failure. */
int fixture_load(struct fixture *f, const char *name);
int32_t fixture_open(struct fixture *f, struct lathe_error *err);
void fixture_close(struct fixture *f);

/* One-operation batches. */
int32_t fixture_put(struct fixture *f, const char *coll, const char *id, uint64_t expected,
                    const char *json, uint64_t *revision);
int32_t fixture_delete(struct fixture *f, const char *coll, const char *id, uint64_t expected);
/* Declares a collection with the indexes n (number), s (string), tags (string, array), deep.list.x.
 */
int32_t fixture_declare(struct fixture *f, const char *coll);

/* Runs background work until there is none at this time of day. */
int32_t fixture_settle(struct fixture *f, int64_t now_us);
/* One point. */
int32_t fixture_point(struct fixture *f, uint64_t series, int64_t ts_us, double value,
                      uint32_t flags);
/* The number of a series, made when it does not exist; 0 on failure. */
uint64_t fixture_series(struct fixture *f, const char *name);

#endif
