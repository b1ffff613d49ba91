/* Series of a run, plotted on a terminal and as columns elsewhere. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/ctl/show.h"
#include "core/json/json.h"

#define PLOT_HEIGHT 12
#define PLOT_WIDTH_MAX 120
#define AXIS 14
#define DEFAULT_SERIES "rollout/ep_rew_mean"

static const char *name_of(const json_t *series)
{
    return json_member_string(series, "name", "");
}

static double number_at(const json_t *series, const char *member, size_t i)
{
    return json_number_value(json_array_get(json_object_get(series, member), i));
}

static size_t count_of(const json_t *series)
{
    size_t steps = json_array_size(json_object_get(series, "steps"));
    size_t values = json_array_size(json_object_get(series, "values"));

    return steps < values ? steps : values;
}

static void plot(const struct ctl *ctl, const json_t *series)
{
    size_t n = count_of(series), i;
    double *x = mem_zalloc(n ? n : 1, sizeof *x), *y = mem_zalloc(n ? n : 1, sizeof *y);
    int width = show_columns() - AXIS;
    struct render_plot p = {.x = x, .y = y, .n = n, .height = PLOT_HEIGHT, .is_utf8 = ctl->is_utf8};
    struct strbuf out;

    p.width = width > PLOT_WIDTH_MAX ? PLOT_WIDTH_MAX : width;
    for (i = 0; x && y && i < n; i++) {
        x[i] = number_at(series, "steps", i);
        y[i] = number_at(series, "values", i);
    }
    if (x && y && n) {
        strbuf_init(&out);
        render_plot(&out, &p);
        printf("%s, last %.6g\n%s\n", name_of(series), y[n - 1], out.data);
        strbuf_fini(&out);
    }
    mem_free(x);
    mem_free(y);
}

static void print_columns(const json_t *series)
{
    size_t n = count_of(series), i;

    for (i = 0; i < n; i++)
        printf("%s\t%.0f\t%.9g\n", name_of(series), number_at(series, "steps", i),
               number_at(series, "values", i));
}

/* Without names: the plot of the returns, and what else there is. */
static void print_overview(const struct ctl *ctl, const json_t *all)
{
    static const char *const heading[] = {"SERIES", "POINTS", "LAST"};
    struct ctl_table table = {0};
    const json_t *series;
    size_t i;

    ctl_table_row(&table, 3, heading);
    json_array_foreach(all, i, series)
    {
        size_t n = count_of(series);
        char points[32], last[32] = "";
        const char *cells[] = {name_of(series), points, last};

        if (!strcmp(name_of(series), DEFAULT_SERIES))
            plot(ctl, series);
        snprintf(points, sizeof points, "%zu", n);
        if (n)
            snprintf(last, sizeof last, "%.6g", number_at(series, "values", n - 1));
        ctl_table_row(&table, 3, cells);
    }
    ctl_table_print(&table);
}

static void print_all(const struct ctl *ctl, const json_t *all)
{
    int draws = ctl->is_terminal || ctl_has(ctl, "plot");
    const json_t *series;
    size_t i;

    if (draws && ctl->n_args == 1) {
        print_overview(ctl, all);
        return;
    }
    json_array_foreach(all, i, series)
    {
        if (draws)
            plot(ctl, series);
        else
            print_columns(series);
    }
}

/* A name that was asked for and is not there. 0 after an error was printed. */
static int has_all(const struct ctl *ctl, const json_t *all)
{
    const json_t *series;
    size_t i;
    int k, found;

    for (k = 1; k < ctl->n_args; k++) {
        found = 0;
        json_array_foreach(all, i, series) found |=
            !strcmp(name_of(series), ctl->arg[k]) && count_of(series) > 0;
        if (!found) {
            ctl_error("%s has no series %s; lathectl metrics %s lists them", ctl->arg[0],
                      ctl->arg[k], ctl->arg[0]);
            return 0;
        }
    }
    return 1;
}

int ctl_metrics(struct ctl *ctl)
{
    char base[400], name[300];
    struct strbuf path;
    json_t *reply;
    int64_t points;
    int status, i;

    if (!ctl_int(ctl, "points", 500, &points))
        return CTL_USAGE;
    ctl_path("runs", ctl->arg[0], "metrics", base);
    strbuf_init(&path);
    strbuf_addf(&path, "%s?max_points=%lld", base, (long long)points);
    for (i = 1; i < ctl->n_args; i++) {
        ctl_escape(ctl->arg[i], name, sizeof name);
        strbuf_addf(&path, "%s%s", i == 1 ? "&names=" : ",", name);
    }
    if (ctl_fetch(ctl, "GET", path.data, NULL, &reply, &status)) {
        const json_t *all = json_object_get(reply, "series");

        if (!has_all(ctl, all))
            status = CTL_FAILED;
        else
            print_all(ctl, all);
        json_decref(reply);
    }
    strbuf_fini(&path);
    return status;
}
