/* One request's points on their way in. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_TWIN_BATCH_H
#define PLUGINS_API_TWIN_BATCH_H

#include "plugins/api/twin/twin.h"

#define BATCH_MAX 50000

struct batch {
    struct tw *tw;
    struct twin *only; /* the path's twin, or NULL */
    struct point *points;
    uint32_t n, cap;
    int64_t recv_us, scale_num, scale_den; /* an integer time x num / den is microseconds */
    int64_t index, line;                   /* of the point being read; line 0: not lines */
    int64_t accepted, rejected, ignored;
    int ignore_unknown, is_full;
    struct text errors; /* elements of an array */
    struct jw writer;
    char first_error[200];
    int64_t first_line;
};

/* A point that cannot be kept: code says why. */
void batch_reject(struct batch *b, const char *code, const char *message);
/* Adds a point by names. ts_us is checked. */
void batch_add(struct batch *b, const char *twin_id, const char *sensor_id, const struct point *p);
/* Integer time of the request's precision in microseconds; 0 when out of range. */
int batch_time(const struct batch *b, int64_t given, int64_t *us);

/* lines.c: reads line protocol; text is changed. */
void lines_read(struct batch *b, char *text);

#endif
