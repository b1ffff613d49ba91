/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms. Series are found by name and labels once and then used by
 * pointer. */
#include "core/http/metrics.h"

#include <string.h>

#include "core/base/hash.h"
#include "core/base/mem.h"

#define BUCKETS 14

static const double bounds[BUCKETS] = {1e-4,   2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
                                       2.5e-2, 5e-2,   0.1,  0.25, 0.5,    1,    10};
static const int64_t bounds_ns[BUCKETS] = {100000,    250000,    500000,     1000000,    2500000,
                                           5000000,   10000000,  25000000,   50000000,   100000000,
                                           250000000, 500000000, 1000000000, 10000000000};

struct family;

struct http_metric {
    struct family *family;
    char *labels;
    double value; /* histogram: sum in seconds */
    uint64_t buckets[BUCKETS + 1];
};

struct family {
    int kind;
    char *name, *help;
    struct hmap *series; /* labels -> struct http_metric */
};

struct http_metrics {
    struct hmap *families;
};

static void drop_metric(void *value)
{
    struct http_metric *metric = value;

    mem_free(metric->labels);
    mem_free(metric);
}

static void drop_family(void *value)
{
    struct family *family = value;

    if (family == NULL)
        return;
    hmap_free(family->series, drop_metric);
    mem_free(family->name);
    mem_free(family->help);
    mem_free(family);
}

struct http_metrics *http_metrics_new(void)
{
    struct http_metrics *metrics = mem_new(struct http_metrics);

    if (metrics != NULL && (metrics->families = hmap_new()) == NULL) {
        mem_free(metrics);
        return NULL;
    }
    return metrics;
}

void http_metrics_free(struct http_metrics *metrics)
{
    if (metrics == NULL)
        return;
    hmap_free(metrics->families, drop_family);
    mem_free(metrics);
}

static struct family *family_get(struct http_metrics *metrics, int kind, const char *name,
                                 const char *help)
{
    struct family *family = hmap_get(metrics->families, name);

    if (family != NULL)
        return family->kind == kind ? family : NULL;
    if ((family = mem_new(struct family)) == NULL)
        return NULL;
    family->kind = kind;
    family->name = mem_strdup(name);
    family->help = mem_strdup(help);
    family->series = hmap_new();
    if (family->name == NULL || family->help == NULL || family->series == NULL ||
        hmap_put(metrics->families, name, family, NULL) != LATHE_OK) {
        drop_family(family);
        return NULL;
    }
    return family;
}

struct http_metric *http_metrics_find_or_add(struct http_metrics *metrics, int kind,
                                             const char *name, const char *help, const char *labels,
                                             int *is_new)
{
    struct family *family = family_get(metrics, kind, name, help);
    struct http_metric *metric;

    if (family == NULL)
        return NULL;
    if ((metric = hmap_get(family->series, labels)) != NULL)
        return metric;
    if ((metric = mem_new(struct http_metric)) == NULL)
        return NULL;
    metric->family = family;
    metric->labels = mem_strdup(labels);
    if (metric->labels == NULL || hmap_put(family->series, labels, metric, NULL) != LATHE_OK) {
        drop_metric(metric);
        return NULL;
    }
    if (is_new != NULL)
        *is_new = 1;
    return metric;
}

struct http_metric *http_metrics_get(struct http_metrics *metrics, int kind, const char *name,
                                     const char *help, const char *labels)
{
    return http_metrics_find_or_add(metrics, kind, name, help, labels, NULL);
}

int http_metric_kind(const struct http_metric *metric)
{
    return metric != NULL ? metric->family->kind : -1;
}

void http_metric_add(struct http_metric *metric, double value)
{
    if (metric != NULL)
        metric->value += value;
}

void http_metric_set(struct http_metric *metric, double value)
{
    if (metric != NULL)
        metric->value = value;
}

void http_metric_observe_ns(struct http_metric *metric, int64_t ns)
{
    int i = 0;

    if (metric == NULL)
        return;
    while (i < BUCKETS && ns > bounds_ns[i])
        i++;
    metric->buckets[i]++;
    metric->value += (double)ns * 1e-9;
}

double http_metric_value(const struct http_metric *metric)
{
    uint64_t n = 0;

    if (metric == NULL)
        return 0;
    if (metric->family->kind != HTTP_METRIC_HISTOGRAM)
        return metric->value;
    for (int i = 0; i <= BUCKETS; i++)
        n += metric->buckets[i];
    return (double)n;
}

static void write_histogram(const struct http_metric *metric, struct strbuf *out)
{
    const char *name = metric->family->name;
    const char *comma = metric->labels[0] ? "," : "";
    uint64_t n = 0;

    for (int i = 0; i < BUCKETS; i++) {
        n += metric->buckets[i];
        strbuf_addf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, metric->labels, comma, bounds[i],
                    (unsigned long long)n);
    }
    n += metric->buckets[BUCKETS];
    strbuf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, metric->labels, comma,
                (unsigned long long)n);
    strbuf_addf(out, "%s_sum{%s} %.9g\n%s_count{%s} %llu\n", name, metric->labels, metric->value,
                name, metric->labels, (unsigned long long)n);
}

void http_metrics_write(const struct http_metrics *metrics, struct strbuf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    size_t at = 0;
    void *value;

    while (hmap_next(metrics->families, &at, NULL, &value)) {
        const struct family *family = value;
        size_t inner = 0;

        strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                    kinds[family->kind]);
        while (hmap_next(family->series, &inner, NULL, &value)) {
            const struct http_metric *metric = value;

            if (family->kind == HTTP_METRIC_HISTOGRAM)
                write_histogram(metric, out);
            else if (metric->labels[0] != '\0')
                strbuf_addf(out, "%s{%s} %.17g\n", family->name, metric->labels, metric->value);
            else
                strbuf_addf(out, "%s %.17g\n", family->name, metric->value);
        }
    }
}
