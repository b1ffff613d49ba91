/* Frames of a run. History rows are batched and never thinned. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/report.h"

#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#define LOG_MODULE "worker"
#include "core/base/log.h"

#define INTERVAL_NS 250000000LL
#define ROWS_BYTES 49152u

static void stats_put(struct lathe_stats *stats, const char *name, double value)
{
    report_put(stats->ctx, name, value);
}

void report_init(struct report *report, struct control *control)
{
    memset(report, 0, sizeof *report);
    report->control = control;
    report->stats.struct_size = sizeof report->stats;
    report->stats.ctx = report;
    report->stats.put = stats_put;
    strbuf_init(&report->rows);
    report->last_rows_ns = clock_mono_ns();
}

void report_fini(struct report *report)
{
    strbuf_fini(&report->rows);
}

static struct report_series *series_of(struct report *report, const char *name)
{
    size_t len = strlen(name);
    uint32_t i;

    for (i = 0; i < report->n_series; i++)
        if (strcmp(report->series[i].name, name) == 0)
            return &report->series[i];
    if (len == 0 || len >= REPORT_NAME_MAX || report->n_series == REPORT_SERIES_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_./-") != len)
        return NULL;
    memcpy(report->series[report->n_series].name, name, len + 1);
    return &report->series[report->n_series++];
}

void report_put(struct report *report, const char *name, double value)
{
    struct report_series *series = isfinite(value) ? series_of(report, name) : NULL;

    if (series == NULL) {
        if (!report->warned)
            log_warn("number dropped", F_STR("name", name), F_FLOAT("value", value));
        report->warned = 1;
        return;
    }
    series->value = value;
    series->is_set = 1;
}

void report_row(struct report *report, uint64_t step)
{
    struct strbuf *out = &report->rows;
    const char *comma = "";
    uint32_t i;

    strbuf_addf(out, "%s{\"step\":%llu,\"values\":{", report->n_rows > 0 ? "," : "",
                (unsigned long long)step);
    for (i = 0; i < report->n_series; i++) {
        struct report_series *series = &report->series[i];

        if (!series->is_set)
            continue;
        strbuf_addf(out, "%s\"%s\":", comma, series->name);
        strbuf_add_json_double(out, series->value);
        series->is_set = 0;
        comma = ",";
    }
    strbuf_adds(out, "}}");
    report->n_rows++;
    if (!report->is_held)
        report_flush(report, 0);
}

void report_flush(struct report *report, int force)
{
    struct strbuf frame;
    int64_t now = clock_mono_ns();

    if (report->n_rows == 0)
        return;
    if (!force && report->rows.len_bytes < ROWS_BYTES && now - report->last_rows_ns < INTERVAL_NS)
        return;
    strbuf_init(&frame);
    strbuf_adds(&frame, "{\"rows\":[");
    strbuf_add(&frame, report->rows.data, report->rows.len_bytes);
    strbuf_adds(&frame, "]}");
    if (report->rows.failed)
        frame.failed = 1;
    report_send(report, LINK_METRICS, &frame);
    strbuf_fini(&frame);
    if (report->rows.failed) {
        strbuf_fini(&report->rows);
        strbuf_init(&report->rows);
    }
    strbuf_clear(&report->rows);
    report->n_rows = 0;
    report->last_rows_ns = now;
}

int report_progress_due(struct report *report)
{
    int64_t now = clock_mono_ns();

    if (now - report->last_progress_ns < INTERVAL_NS)
        return 0;
    report->last_progress_ns = now;
    return 1;
}

void report_latest(const struct report *report, struct strbuf *out)
{
    uint32_t i;

    strbuf_addc(out, '{');
    for (i = 0; i < report->n_series; i++) {
        strbuf_addf(out, "%s\"%s\":", i > 0 ? "," : "", report->series[i].name);
        strbuf_add_json_double(out, report->series[i].value);
    }
    strbuf_addc(out, '}');
}

void report_state(struct report *report, const char *state, uint64_t current)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "{\"state\":\"%s\",\"current\":%llu}", state, (unsigned long long)current);
    report_flush(report, 1);
    report_send(report, LINK_STATE, &out);
    strbuf_fini(&out);
}

void report_send(struct report *report, uint32_t type, const struct strbuf *buf)
{
    if (buf->failed) {
        log_error("frame lost: no memory", F_STR("type", link_type_name(type)));
        return;
    }
    control_send(report->control, type, buf->data, buf->len_bytes);
}

void report_error(struct report *report, const char *id, const struct lathe_error *err,
                  uint64_t current, const char *checkpoint)
{
    struct strbuf out;

    report_flush(report, 1);
    strbuf_init(&out);
    strbuf_addf(&out, "{\"code\":%d,\"status\":\"%s\",\"id\":\"%s\",\"message\":", err->code,
                lathe_status_name(err->code), id);
    strbuf_add_json_string(&out, err->text, strlen(err->text));
    strbuf_adds(&out, ",\"field\":");
    strbuf_add_json_string(&out, err->field, strlen(err->field));
    strbuf_addf(&out, ",\"current\":%llu,\"checkpoint\":", (unsigned long long)current);
    strbuf_add_json_string(&out, checkpoint, strlen(checkpoint));
    strbuf_addc(&out, '}');
    report_send(report, LINK_ERROR, &out);
    strbuf_fini(&out);
}
