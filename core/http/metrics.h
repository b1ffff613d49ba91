/* Counters, gauges and histograms, written out as Prometheus text. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_METRICS_H
#define CORE_HTTP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/strbuf.h"
#include "lathe/status.h"

struct http_metrics;
struct http_metric; /* one series: a name with one set of labels */

#define HTTP_METRIC_COUNTER 0
#define HTTP_METRIC_GAUGE 1
#define HTTP_METRIC_HISTOGRAM 2 /* seconds, fixed buckets from 100 us to 10 s */

struct http_metrics *http_metrics_new(void);
void http_metrics_free(struct http_metrics *metrics);

/* Finds or makes a series. labels: "surface=\"agentgym\",status=\"200\"" or "". NULL when memory is
 * short; the functions below take NULL. is_new (may be NULL): 1 when it was made. Memory: the
 * registry's. */
struct http_metric *http_metrics_find_or_add(struct http_metrics *metrics, int kind,
                                             const char *name, const char *help, const char *labels,
                                             int *is_new);
struct http_metric *http_metrics_get(struct http_metrics *metrics, int kind, const char *name,
                                     const char *help, const char *labels);
void http_metric_add(struct http_metric *metric, double value);      /* counter and gauge */
void http_metric_set(struct http_metric *metric, double value);      /* gauge */
void http_metric_observe_ns(struct http_metric *metric, int64_t ns); /* histogram */
int http_metric_kind(const struct http_metric *metric);              /* -1 for NULL */
double http_metric_value(const struct http_metric *metric); /* histogram: number of observations */

void http_metrics_write(const struct http_metrics *metrics, struct strbuf *out);

struct http_server;
struct http_metrics *http_server_metrics(struct http_server *server);

#endif
