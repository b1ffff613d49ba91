/* What every storage does alike for telemetry: checks, buckets, adding points to the levels of
 * rollups, and building larger buckets from smaller ones. Threads: as storage_common.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TS_COMMON_H
#define TS_COMMON_H

#include "plugins/storage/common/storage_common.h"

#define TS_LEVELS 4u /* 1 minute, 5 minutes, 1 hour, 1 day */
#define TS_DAY_US INT64_C(86400000000)
#define TS_LOG_MAX 2000000u /* default of max_backlog */

/* Length of a level in microseconds. */
int64_t ts_level_us(uint32_t level);
/* The greatest origin + k * step that is not after t. */
int64_t ts_floor(int64_t t, int64_t step, int64_t origin);
/* Clamps to the times that points can have. */
int64_t ts_clamp(int64_t t);

int ts_point_is_bad(const struct lathe_ts_point *p);
/* All of a point that can be checked without the storage. */
int32_t ts_check_point(const struct lathe_ts_point *p, struct lathe_error *err);
int32_t ts_check_batch(const struct lathe_ts_batch *batch, struct lathe_error *err);
int32_t ts_check_query(const struct lathe_ts_query *q, int buckets, struct lathe_error *err);
/* keep_us receives points and the four levels in microseconds; INT64_MAX: forever. */
int32_t ts_check_retention(const struct lathe_ts_retention *r, int64_t keep_us[TS_LEVELS + 1],
                           struct lathe_error *err);
/* Start of the first day that is kept at now. */
int64_t ts_horizon(int64_t now_us, int64_t keep_us);
/* erase's rule about bounds before the horizon. */
int32_t ts_check_erase(int64_t first_us, int64_t end_us, int64_t horizon_us,
                       struct lathe_error *err);

/* A point on its way into the tables. */
struct ts_item {
    struct lathe_ts_point point;
    int64_t recv_us;
    uint64_t order; /* of arrival */
};

/* By series, time, arrival. */
void ts_items_sort(const struct ts_item **items, size_t n);
/* Takes the point into what latest reports; 1 when it became the latest one. */
int ts_latest_take(struct lathe_ts_latest *latest, const struct lathe_ts_point *p, int64_t recv_us);

void ts_bucket_clear(struct lathe_ts_bucket *b, int64_t start_us);
void ts_bucket_add_point(struct lathe_ts_bucket *b, const struct lathe_ts_point *p);
void ts_bucket_add(struct lathe_ts_bucket *b, const struct lathe_ts_bucket *more);

/* The level a query of buckets is served from, or TS_LEVELS for points. */
uint32_t ts_query_level(const struct lathe_ts_query *q);

/* The query's range with whole intervals, clamped to the times that points can have. */
int64_t ts_query_first(const struct lathe_ts_query *q);
int64_t ts_query_end(const struct lathe_ts_query *q);

/* Where rows of a read go: skips the offset, stops at the limit, counts. With buckets, neighbours
 * that belong to one interval are merged. */
struct ts_reader {
    const struct lathe_ts_query *q;
    struct lathe_ts_result *result;
    lathe_ts_visit_points visit_points;
    lathe_ts_visit_buckets visit_buckets;
    void *user;
    uint64_t seen; /* complete rows so far */
    int counting, has_bucket;
    struct lathe_ts_bucket bucket;
    uint32_t n_block;
    union {
        struct lathe_ts_point points[256];
        struct lathe_ts_bucket buckets[128];
    } block;
};

void ts_reader_start(struct ts_reader *r, const struct lathe_ts_query *q,
                     struct lathe_ts_result *result, void *user);
/* One stored row each, in the order of the query. *stop becomes 1 when no more rows are needed. */
int32_t ts_reader_point(struct ts_reader *r, const struct lathe_ts_point *p, int *stop);
int32_t ts_reader_bucket(struct ts_reader *r, const struct lathe_ts_bucket *b, int *stop);
int32_t ts_reader_finish(struct ts_reader *r);

/* Where merged points go. All calls concern one series; a point is stored before its buckets. */
struct ts_sink {
    void *self;
    uint64_t series;
    /* Adds what is in b to the stored bucket of this level. */
    int32_t (*add)(struct ts_sink *sink, uint32_t level, const struct lathe_ts_bucket *b,
                   struct lathe_error *err);
    /* Computes the stored bucket anew: level 0 from points, others from the level below. */
    int32_t (*recompute)(struct ts_sink *sink, uint32_t level, int64_t start_us,
                         struct lathe_error *err);
};

/* Buckets that points of one series, in order of time, are being added to. */
struct ts_levels {
    struct ts_sink *sink;
    int open[TS_LEVELS], dirty[TS_LEVELS];
    struct lathe_ts_bucket buckets[TS_LEVELS];
};

void ts_levels_start(struct ts_levels *levels, struct ts_sink *sink);
/* A new point. */
int32_t ts_levels_insert(struct ts_levels *levels, const struct lathe_ts_point *p,
                         struct lathe_error *err);
/* A point that has another value now. */
int32_t ts_levels_change(struct ts_levels *levels, int64_t ts_us, struct lathe_error *err);
int32_t ts_levels_finish(struct ts_levels *levels, struct lathe_error *err);
/* After points in [first, end) and the buckets wholly inside were removed: the buckets at the edges
 * anew, level by level. drop removes the buckets of a level with start in [first, end). */
int32_t ts_levels_erase(struct ts_sink *sink, int64_t first_us, int64_t end_us,
                        int32_t (*drop)(struct ts_sink *sink, uint32_t level, int64_t first_us,
                                        int64_t end_us, struct lathe_error *err),
                        struct lathe_error *err);

#endif
