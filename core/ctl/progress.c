/* The progress line: bar, speed, returns as a sparkline, time left. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define BAR 24

double ctl_now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void ctl_progress_init(struct ctl_progress *p, int is_terminal)
{
    memset(p, 0, sizeof *p);
    p->is_terminal = is_terminal;
    p->started_s = ctl_now_s();
    p->first = -1;
}

static void add_point(struct ctl_progress *p, double value)
{
    if (p->n_spark == CTL_SPARK) {
        memmove(p->spark, p->spark + 1, (CTL_SPARK - 1) * sizeof *p->spark);
        p->n_spark--;
    }
    p->spark[p->n_spark++] = value;
}

static void print_spark(const struct ctl_progress *p)
{
    static const char *const level[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double low = p->spark[0], high = p->spark[0];
    int i;

    for (i = 1; i < p->n_spark; i++) {
        low = p->spark[i] < low ? p->spark[i] : low;
        high = p->spark[i] > high ? p->spark[i] : high;
    }
    for (i = 0; i < p->n_spark; i++) {
        double share = high > low ? (p->spark[i] - low) / (high - low) : 0;

        fputs(level[(int)(share * 7.0)], stdout);
    }
}

static void print_left(const struct ctl_progress *p, long long current, long long total)
{
    double elapsed = ctl_now_s() - p->started_s, left;
    long long done = current - p->first;

    if (done <= 0 || elapsed < 1 || total <= current)
        return;
    left = elapsed * (double)(total - current) / (double)done;
    printf("  %d:%02d left", (int)left / 60, (int)left % 60);
}

void ctl_progress_show(struct ctl_progress *p, const json_t *report)
{
    long long current = json_member_int(report, "current", 0);
    long long total = json_member_int(report, "total", 0);
    double share = total > 0 ? (double)current / (double)total : 0;
    int filled = (int)(share * BAR), i;

    if (p->first < 0)
        p->first = current;
    add_point(p, json_member_float(report, "mean_return", 0));
    if (!p->is_terminal)
        return;
    fputs("\r\033[K", stdout);
    for (i = 0; i < BAR; i++)
        fputs(i < filled ? "█" : "░", stdout);
    printf(" %3d%%  %lld/%lld  %.0f steps/s  return %.2f ", (int)(100 * share), current, total,
           json_member_float(report, "sps", 0), p->spark[p->n_spark - 1]);
    print_spark(p);
    print_left(p, current, total);
    fflush(stdout);
    p->shown = 1;
}

void ctl_progress_clear(struct ctl_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stdout);
    p->shown = 0;
}
