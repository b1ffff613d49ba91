/* Service "lathe.counters/1": series of plugins, kept apart from the server's own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/strbuf.h"
#include "core/host/host_internal.h"

#undef LOG_MODULE
#define LOG_MODULE "host"

#define NAME_MAX_BYTES 95
#define LABELS_MAX 16
#define SERIES_MAX 1000

static int name_is_good(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len &&
           strncmp(name, "lathe_", 6) != 0 && strncmp(name, "process_", 8) != 0;
}

/* name="value",... with values escaped; 0 when a label is not valid. */
static int labels_write(struct strbuf *out, const char *const *labels)
{
    for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
        if (labels[i + 1] == NULL || i >= 2 * LABELS_MAX || labels[i][0] == '\0' ||
            strspn(labels[i], "abcdefghijklmnopqrstuvwxyz_") != strlen(labels[i]))
            return 0;
        strbuf_addf(out, "%s%s=\"", i > 0 ? "," : "", labels[i]);
        for (const char *c = labels[i + 1]; *c != '\0'; c++) {
            if (*c == '\n') {
                strbuf_adds(out, "\\n");
                continue;
            }
            if (*c == '"' || *c == '\\')
                strbuf_addc(out, '\\');
            strbuf_addc(out, *c);
        }
        strbuf_addc(out, '"');
    }
    return !out->failed;
}

static struct lathe_counter *counter_get(const struct lathe_counters_service *counters,
                                         int32_t kind, const char *name, const char *help,
                                         const char *const *labels)
{
    struct host_plugin *p = counters->ctx;
    struct http_metric *series = NULL;
    struct strbuf text;
    int is_new = 0;

    strbuf_init(&text);
    if (p->n_series < SERIES_MAX && name_is_good(name) && labels_write(&text, labels) &&
        strpbrk(help, "\r\n") == NULL &&
        (kind == LATHE_COUNTER_TOTAL || kind == LATHE_COUNTER_GAUGE))
        series = http_metrics_find_or_add(p->parts->metrics,
                                          kind == LATHE_COUNTER_TOTAL ? HTTP_METRIC_COUNTER
                                                                      : HTTP_METRIC_GAUGE,
                                          name, help, text.data != NULL ? text.data : "", &is_new);
    if (series == NULL)
        log_warn("a plugin gets no counter", F_STR("plugin", p->id), F_STR("counter", name));
    p->n_series += (uint32_t)is_new;
    strbuf_fini(&text);
    return (struct lathe_counter *)(void *)series;
}

static void counter_add(const struct lathe_counters_service *counters,
                        struct lathe_counter *counter, double value)
{
    struct http_metric *series = (struct http_metric *)(void *)counter;

    (void)counters;
    if (isfinite(value) && (value >= 0 || http_metric_kind(series) == HTTP_METRIC_GAUGE))
        http_metric_add(series, value);
}

static void counter_set(const struct lathe_counters_service *counters,
                        struct lathe_counter *counter, double value)
{
    struct http_metric *series = (struct http_metric *)(void *)counter;

    (void)counters;
    if (isfinite(value) && http_metric_kind(series) == HTTP_METRIC_GAUGE)
        http_metric_set(series, value);
}

static void counter_collect(const struct lathe_counters_service *counters,
                            void (*collect)(void *user), void *user)
{
    struct host_plugin *p = counters->ctx;

    p->collect = collect;
    p->collect_user = user;
}

void host_counters_fill(struct host_plugin *p)
{
    p->counters = (struct lathe_counters_service){
        sizeof p->counters, 0, p, counter_get, counter_add, counter_set, counter_collect};
}

void host_collect(struct host_plugin *p)
{
    if (p->collect != NULL)
        p->collect(p->collect_user);
}
