/* A run on the screen. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ctl/show.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/json/json.h"

int show_columns(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

void show_init(struct show *show, const struct ctl *ctl)
{
    memset(show, 0, sizeof *show);
    show->ctl = ctl;
    render_progress_init(&show->progress);
}

void show_progress(struct show *show, const json_t *report)
{
    struct render_progress *p = &show->progress;
    const json_t *value = json_object_get(report, "mean_return");
    struct strbuf line;

    if (show->ctl->json || !show->ctl->is_terminal || !json_object_size(report))
        return;
    p->now_s = (double)clock_mono_ns() / 1e9;
    p->current = json_member_int(report, "current", 0);
    p->total = json_member_int(report, "total", 0);
    p->sps = json_member_float(report, "sps", 0);
    if (p->first < 0) {
        p->first = p->current;
        p->first_s = p->now_s;
    }
    if (json_is_number(value))
        render_progress_add(p, json_number_value(value));
    strbuf_init(&line);
    render_progress_line(&line, p, show_columns(), show->ctl->is_utf8);
    printf("\r\033[K%s%s%s", show->ctl->colour ? "\033[36m" : "", line.data,
           show->ctl->colour ? "\033[0m" : "");
    fflush(stdout);
    strbuf_fini(&line);
    show->is_drawn = 1;
}

/* Figures under the names that the closing line uses, beside those of the worker. */
static void print_eval_json(const json_t *eval)
{
    static const char *const names[][2] = {{"mean_return", "eval_mean_return"},
                                           {"std_return", "eval_std_return"},
                                           {"episodes", "eval_episodes"}};
    json_t *line = json_deep_copy(eval);
    size_t i;

    json_object_del(line, "returns");
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        json_object_set(line, names[i][1], json_object_get(line, names[i][0]));
    ctl_print_json(line);
    json_decref(line);
}

void show_eval(struct show *show, const json_t *eval)
{
    const json_t *success = json_object_get(eval, "success_rate");

    if (show->ctl->json) {
        print_eval_json(eval);
        return;
    }
    show_clear(show);
    printf("%10lld  return %.2f %s %.2f over %lld episodes",
           (long long)json_member_int(eval, "current", 0),
           json_member_float(eval, "mean_return", 0), show->ctl->is_utf8 ? "±" : "+/-",
           json_member_float(eval, "std_return", 0),
           (long long)json_member_int(eval, "episodes", 0));
    if (json_is_number(success))
        printf(", %.0f %% succeed", 100 * json_number_value(success));
    printf("%s\n", json_member_bool(eval, "final", 0) ? " (final)" : "");
    fflush(stdout);
}

void show_clear(struct show *show)
{
    if (show->is_drawn)
        fputs("\r\033[K", stdout);
    show->is_drawn = 0;
}
