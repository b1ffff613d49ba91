/* Bars, sparklines, plots and the progress line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ctl/render.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BAR_WIDE 24
#define BAR_NARROW 10
/* The most columns that a part of the progress line takes. */
#define SPEED_WIDTH 17
#define LEFT_WIDTH 18
#define RETURN_WIDTH 26
#define PLOT_MAX 200 /* columns and lines */

int render_width(const char *text)
{
    int n = 0;

    for (; text && *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void render_duration(double seconds, char out[32])
{
    int64_t s = seconds > 0 && seconds < 1e9 ? (int64_t)(seconds + 0.5) : 0;

    if (s >= 3600)
        snprintf(out, 32, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else if (s >= 60)
        snprintf(out, 32, "%d:%02d", (int)(s / 60), (int)(s % 60));
    else
        snprintf(out, 32, "%d s", (int)s);
}

void render_count(double n, char out[32])
{
    static const char unit[] = {'k', 'M', 'G', 'T'};
    int i = -1;

    if (n < 9999.5) {
        snprintf(out, 32, "%.0f", n);
        return;
    }
    while (i < 3 && n >= 999.5) {
        n /= 1000;
        i++;
    }
    snprintf(out, 32, "%.*f%c", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, unit[i]);
}

void render_bar(struct strbuf *out, double share, int width, int is_utf8)
{
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths, i;

    share = share > 0 ? (share < 1 ? share : 1) : 0;
    eighths = (int)(share * width * 8 + 1e-9);
    for (i = 0; i < width; i++) {
        int mine = eighths - 8 * i;

        if (mine >= 8)
            strbuf_adds(out, is_utf8 ? "█" : "#");
        else if (mine > 0 && is_utf8)
            strbuf_adds(out, part[mine]);
        else
            strbuf_adds(out, is_utf8 ? "░" : "-");
    }
}

static void limits(const double *values, size_t n, double *low, double *high)
{
    size_t i;

    *low = *high = n ? values[0] : 0;
    for (i = 1; i < n; i++) {
        *low = values[i] < *low ? values[i] : *low;
        *high = values[i] > *high ? values[i] : *high;
    }
}

void render_spark(struct strbuf *out, const double *values, int n, int is_utf8)
{
    static const char *const level[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-:=+*#";
    double low, high;
    int i;

    limits(values, n > 0 ? (size_t)n : 0, &low, &high);
    for (i = 0; i < n; i++) {
        double share = high > low ? (values[i] - low) / (high - low) : 0;
        int at = (int)(share * 7 + 0.5);

        if (is_utf8)
            strbuf_adds(out, level[at]);
        else
            strbuf_addc(out, ascii[at]);
    }
}

/* ---- plot ---- */

/* One cell: a braille character of 2 x 4 dots, or a star. */
static void add_cell(struct strbuf *out, unsigned dots, int is_utf8)
{
    const char braille[] = {(char)0xE2, (char)(0xA0 | (dots >> 6)), (char)(0x80 | (dots & 0x3F)),
                            '\0'};

    if (!dots)
        strbuf_addc(out, ' ');
    else if (is_utf8)
        strbuf_adds(out, braille);
    else
        strbuf_addc(out, '*');
}

static unsigned dot_at(int column, int line)
{
    static const unsigned char bit[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

    return bit[column & 1][line & 3];
}

/* A value as a dot from the top, of lines in all. */
static int line_of(double y, const double range[4], int lines)
{
    double share = range[3] > range[2] ? (y - range[2]) / (range[3] - range[2]) : 0.5;

    return (int)((1 - share) * (lines - 1) + 0.5);
}

/* Marks column after column the straight way between neighbours; cell is [height][width]. */
static void draw(const struct render_plot *plot, const double range[4], unsigned char *cell)
{
    int columns = plot->width * 2, lines = plot->height * 4, last = -1, column, line, at, step;
    size_t i = 0;

    for (column = 0; plot->n && column < columns; column++) {
        double x = range[0] + (range[1] - range[0]) * column / (columns - 1), y;

        while (i + 1 < plot->n && plot->x[i + 1] <= x)
            i++;
        y = plot->y[i];
        if (i + 1 < plot->n && plot->x[i + 1] > plot->x[i])
            y += (plot->y[i + 1] - y) * (x - plot->x[i]) / (plot->x[i + 1] - plot->x[i]);
        line = line_of(y, range, lines);
        step = last < line ? 1 : -1;
        for (at = last < 0 || last == line ? line : last + step; at != line + step; at += step)
            cell[at / 4 * plot->width + column / 2] |= (unsigned char)dot_at(column, at);
        last = line;
    }
}

void render_plot(struct strbuf *out, const struct render_plot *given)
{
    unsigned char cell[PLOT_MAX * PLOT_MAX] = {0};
    struct render_plot plot = *given;
    char left[32], right[32];
    double range[4];
    int row, column;

    plot.width = plot.width < 2 ? 2 : plot.width > PLOT_MAX ? PLOT_MAX : plot.width;
    plot.height = plot.height < 2 ? 2 : plot.height > PLOT_MAX ? PLOT_MAX : plot.height;
    limits(plot.x, plot.n, &range[0], &range[1]);
    limits(plot.y, plot.n, &range[2], &range[3]);
    draw(&plot, range, cell);
    for (row = 0; row < plot.height; row++) {
        double share = 1 - (double)row / (plot.height - 1);

        strbuf_addf(out, "%11.4g %s", range[2] + share * (range[3] - range[2]),
                    plot.is_utf8 ? "┤" : "|");
        for (column = 0; column < plot.width; column++)
            add_cell(out, cell[row * plot.width + column], plot.is_utf8);
        strbuf_addc(out, '\n');
    }
    render_count(range[0], left);
    render_count(range[1], right);
    strbuf_addf(out, "%13s%s %*s\n", "", left, plot.width - (int)strlen(left) - 1, right);
}

/* ---- progress ---- */

void render_progress_init(struct render_progress *p)
{
    memset(p, 0, sizeof *p);
    p->first = -1;
    p->stride = 1;
}

void render_progress_add(struct render_progress *p, double mean_return)
{
    int i;

    if (!isfinite(mean_return))
        return;
    p->latest = mean_return;
    p->has_latest = 1;
    p->sum += mean_return;
    if (++p->n_sum < p->stride)
        return;
    if (p->n_spark == RENDER_SPARK) {
        for (i = 0; i < RENDER_SPARK / 2; i++)
            p->spark[i] = (p->spark[2 * i] + p->spark[2 * i + 1]) / 2;
        p->n_spark = RENDER_SPARK / 2;
        p->stride *= 2;
        return; /* the sum goes on until it has as many points as the others */
    }
    p->spark[p->n_spark++] = p->sum / p->n_sum;
    p->sum = 0;
    p->n_sum = 0;
}

static void add_left(struct strbuf *out, const struct render_progress *p)
{
    double elapsed = p->now_s - p->first_s;
    int64_t done = p->current - p->first;
    char left[32];

    if (done <= 0 || elapsed < 1 || p->total <= p->current)
        return;
    render_duration(elapsed * (double)(p->total - p->current) / (double)done, left);
    strbuf_addf(out, "  %s left", left);
}

void render_progress_line(struct strbuf *out, const struct render_progress *p, int width,
                          int is_utf8)
{
    double share = p->total > 0 ? (double)p->current / (double)p->total : 0;
    char current[32], total[32], speed[32];
    int room, from;

    render_count((double)p->current, current);
    render_count((double)p->total, total);
    render_count(p->sps, speed);
    if (p->total > 0) {
        render_bar(out, share, width >= 100 ? BAR_WIDE : BAR_NARROW, is_utf8);
        strbuf_addf(out, " %3d%%  %s/%s", (int)(100 * share), current, total);
    } else {
        strbuf_adds(out, current);
    }
    if (render_width(out->data) + SPEED_WIDTH < width)
        strbuf_addf(out, "  %s steps/s", speed);
    if (render_width(out->data) + LEFT_WIDTH < width)
        add_left(out, p);
    if (!p->has_latest || render_width(out->data) + RETURN_WIDTH >= width)
        return;
    strbuf_addf(out, "  return %.2f ", p->latest);
    room = width - 1 - render_width(out->data);
    from = p->n_spark > room ? p->n_spark - room : 0;
    if (room > 0)
        render_spark(out, p->spark + from, p->n_spark - from, is_utf8);
}
