/* Insides of lathectl: commands and their options in one table, an HTTP client, and output for
 * people and for programs. Threads: one. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CTL_CTL_H
#define CORE_CTL_CTL_H

#include <jansson.h>

#include "core/base/strbuf.h"
#include "lathe/status.h"

#define CTL_OK 0
#define CTL_FAILED 1 /* the server or the run said no */
#define CTL_USAGE 2

#define CTL_OPTIONS_MAX 64
#define CTL_ARGS_MAX 16

/* An option of a command; arg NULL: it takes no value. Several may repeat (--set). */
struct ctl_option {
    const char *name, *arg, *help;
};

struct ctl;

struct ctl_command {
    const char *name, *args, *help;
    int args_min, args_max;
    const struct ctl_option *options; /* ends with a NULL name; NULL: none */
    int (*run)(struct ctl *ctl);
};

/* One invocation. */
struct ctl {
    const struct ctl_command *command;
    const char *server, *token;
    int json, is_terminal;
    const char *option[CTL_OPTIONS_MAX], *value[CTL_OPTIONS_MAX];
    int n_options;
    const char *arg[CTL_ARGS_MAX];
    int n_args;
    void *curl;
};

/* main.c */
extern const struct ctl_option ctl_common_options[];
const struct ctl_command *ctl_commands(size_t *count);
/* The last value of an option ("" for one without value), or def. */
const char *ctl_value(const struct ctl *ctl, const char *name, const char *def);
/* The n-th value of a repeated option, or NULL. */
const char *ctl_value_at(const struct ctl *ctl, const char *name, int n);
int ctl_int(const struct ctl *ctl, const char *name, int64_t def,
            int64_t *out); /* 0: not a number */

/* client.c: the REST interface. reply: the JSON answer, new reference, or NULL. Returns CTL_OK, or
 * CTL_FAILED after the error was printed. */
int ctl_open(struct ctl *ctl);
void ctl_close(struct ctl *ctl);
int ctl_call(struct ctl *ctl, const char *method, const char *path, const json_t *body,
             json_t **reply);
/* Downloads into a file. */
int ctl_download(struct ctl *ctl, const char *path, const char *file);
/* Takes one server-sent event; 0 ends the stream. */
typedef int (*ctl_event_fn)(void *user, const char *event, const char *data);
/* Reads an event stream until it ends. *seq: the last event's id, where the next call goes on.
 * Returns 1 when the stream ended by itself or by fn, 0 when the connection broke. */
int ctl_stream(struct ctl *ctl, const char *path, long long *seq, ctl_event_fn fn, void *user);
void ctl_escape(const char *text, char *out, size_t cap); /* for one path segment */

/* print.c */
void ctl_print_json(const json_t *value); /* one line */
void ctl_error(const char *fmt, ...) LATHE_PRINTF(1, 2);

/* A table of columns, printed when it is complete. */
struct ctl_table {
    int n_columns, n_rows, cap_rows;
    char **cell; /* row after row; row 0 is the heading */
};
void ctl_table_row(struct ctl_table *table, int n_columns, const char *const *cells);
void ctl_table_print(struct ctl_table *table); /* and releases */

/* progress.c: a bar that overwrites itself on a terminal. */
#define CTL_SPARK 32
struct ctl_progress {
    int is_terminal, shown;
    double spark[CTL_SPARK];
    int n_spark;
    double started_s;
    long long first; /* current at the start of watching */
};
void ctl_progress_init(struct ctl_progress *p, int is_terminal);
void ctl_progress_show(struct ctl_progress *p, const json_t *report);
void ctl_progress_clear(struct ctl_progress *p);
double ctl_now_s(void);

/* run_body.c: what --env, --algo, --set and the rest mean. */
/* Run request of the REST interface; new reference, or NULL after an error was printed. algorithm
 * and env: their option tables (arrays), to tell whose option a --set names. */
json_t *ctl_run_body(const struct ctl *ctl, const json_t *algorithm, const json_t *env);

/* commands */
int ctl_train(struct ctl *ctl);
int ctl_watch(struct ctl *ctl);
int ctl_watch_run(struct ctl *ctl, const char *id);
int ctl_local(struct ctl *ctl);
int ctl_list(struct ctl *ctl);
int ctl_show(struct ctl *ctl);
int ctl_change(struct ctl *ctl); /* pause, resume, stop, cancel */
int ctl_delete(struct ctl *ctl);
int ctl_export(struct ctl *ctl);
int ctl_models(struct ctl *ctl);
int ctl_plugins(struct ctl *ctl);
int ctl_components(struct ctl *ctl); /* envs, algos */
int ctl_tokens(struct ctl *ctl);
int ctl_status(struct ctl *ctl);
int ctl_completion(struct ctl *ctl);
int ctl_help(struct ctl *ctl);
void ctl_usage(const struct ctl_command *command);

#endif
