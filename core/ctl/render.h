/* Drawing with characters: bars, sparklines, plots, the progress line. Writes into buffers and
 * knows no terminal. Thread: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CTL_RENDER_H
#define CORE_CTL_RENDER_H

#include <stdint.h>

#include "core/base/strbuf.h"

/* Columns of text on a terminal: bytes that do not continue a UTF-8 character. NULL: 0. */
int render_width(const char *text);
/* "7 s", "4:05", "1:02:03". */
void render_duration(double seconds, char out[32]);
/* "950", "12.3k", "4.56M". */
void render_count(double n, char out[32]);
/* share of [0, 1]; width columns. */
void render_bar(struct strbuf *out, double share, int width, int is_utf8);
/* Lowest to highest value as eight heights; equal values are all lowest. */
void render_spark(struct strbuf *out, const double *values, int n, int is_utf8);

struct render_plot {
    const double *x, *y; /* [n]; x ascending */
    size_t n;
    int width, height; /* columns and lines of the field, without axes */
    int is_utf8;
};
/* Lines with a left axis, and one with the ends of x below. */
void render_plot(struct strbuf *out, const struct render_plot *given);

#define RENDER_SPARK 32

/* What a progress line needs to remember. */
struct render_progress {
    double spark[RENDER_SPARK]; /* the whole course so far */
    int n_spark;
    double sum; /* of points that wait to become one */
    int n_sum, stride;
    double latest; /* return */
    int has_latest;
    int64_t first, current, total; /* first: negative before the first report */
    double first_s, now_s, sps;
};
void render_progress_init(struct render_progress *p);
void render_progress_add(struct render_progress *p, double mean_return);
/* Bar, counts, speed, returns, time left: as much as fits into width columns. */
void render_progress_line(struct strbuf *out, const struct render_progress *p, int width,
                          int is_utf8);

#endif
