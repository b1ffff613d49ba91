/* What a run tells: history rows, progress, states, checkpoints, its end. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_REPORT_H
#define CORE_WORKER_REPORT_H

#include "core/base/strbuf.h"
#include "core/worker/control.h"
#include "lathe/algorithm.h"

#define REPORT_NAME_MAX 96
#define REPORT_SERIES_MAX 128

struct report_series {
    char name[REPORT_NAME_MAX];
    double value; /* latest */
    int is_set;   /* in the present row */
};

struct report {
    struct control *control;
    struct report_series series[REPORT_SERIES_MAX];
    uint32_t n_series;
    struct lathe_stats stats; /* handed to algorithms; puts into the present row */
    struct strbuf rows;
    uint32_t n_rows;
    int is_held; /* rows wait for report_flush: an evaluation goes before the row it belongs to */
    int64_t last_rows_ns, last_progress_ns;
    int warned;
};

void report_init(struct report *report, struct control *control);
void report_fini(struct report *report);

/* Sets a number of the present row; the last value of a name counts. Non-finite values are dropped
 * and logged once. */
void report_put(struct report *report, const char *name, double value);
/* Ends the present row: it is queued under step. */
void report_row(struct report *report, uint64_t step);
/* Sends queued rows when they are old or many; force sends them now. */
void report_flush(struct report *report, int force);
/* 1 when a PROGRESS frame is due (at most one every 250 ms). */
int report_progress_due(struct report *report);
/* Appends {"name":value,...} of the latest values. */
void report_latest(const struct report *report, struct strbuf *out);

void report_state(struct report *report, const char *state, uint64_t current);
/* Sends buf as a frame of that type; a buffer that failed is logged instead. */
void report_send(struct report *report, uint32_t type, const struct strbuf *buf);
/* Sends the ERROR frame, history rows first. */
void report_error(struct report *report, const char *id, const struct lathe_error *err,
                  uint64_t current, const char *checkpoint);

#endif
