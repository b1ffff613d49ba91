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

#define CTL_OPTIONS_MAX 128
#define CTL_ARGS_MAX 16
#define CTL_PATH_MAX 4096

/* An option of a command; arg NULL: it takes no value. Several may repeat (--set). */
struct ctl_option {
    const char *name, *arg, *help;
};

struct ctl;

struct ctl_command {
    const char *name, *args, *help;
    const char *examples; /* one per line, without the leading "lathectl " */
    int args_min, args_max;
    const struct ctl_option *options; /* ends with a NULL name; NULL: none */
    int (*run)(struct ctl *ctl);
};

/* One invocation. */
struct ctl {
    const struct ctl_command *command;
    const char *server, *token;
    int json, is_quiet;               /* is_quiet: calls that fail print nothing */
    int is_terminal, is_utf8, colour; /* of stdout */
    const char *option[CTL_OPTIONS_MAX], *value[CTL_OPTIONS_MAX];
    int n_options;
    const char *arg[CTL_ARGS_MAX];
    int n_args;
    void *curl;
    long http_status; /* of the last call; 0: no answer */
    int interrupt_fd; /* readable after Ctrl-C; -1: Ctrl-C ends the program */
};

/* commands.c, help.c */
extern const struct ctl_option ctl_common_options[];
const struct ctl_command *ctl_commands(size_t *count);
const struct ctl_command *ctl_command_find(const char *name); /* or NULL */
void ctl_usage(const struct ctl_command *command);            /* NULL: of the program */

/* args.c */
/* Reads the command line into ctl. CTL_OK, or CTL_USAGE after the error was printed. */
int ctl_parse(struct ctl *ctl, int argc, const char *const *argv);
/* The last value of an option ("" for one without value), or def. */
const char *ctl_value(const struct ctl *ctl, const char *name, const char *def);
int ctl_has(const struct ctl *ctl, const char *name);
/* The n-th value of a repeated option, or NULL. */
const char *ctl_value_at(const struct ctl *ctl, const char *name, int n);
/* A whole number, also as 1e6, 200k, 5M. 0 after an error was printed. */
int ctl_int(const struct ctl *ctl, const char *name, int64_t def, int64_t *out);
int ctl_parse_count(const char *text, int64_t *out); /* 1 on success */
/* The name of the NULL-terminated list that a misspelt one was probably meant to be, or NULL. */
const char *ctl_nearest(const char *const *names, const char *name);

/* client.c: the REST interface. reply: the JSON answer, new reference, or NULL. Returns CTL_OK, or
 * CTL_FAILED after the error was printed. */
int ctl_open(struct ctl *ctl);
void ctl_close(struct ctl *ctl);
int ctl_call(struct ctl *ctl, const char *method, const char *path, const json_t *body,
             json_t **reply);
/* Downloads into a file; "-" is stdout. */
int ctl_download(struct ctl *ctl, const char *path, const char *file);
void ctl_escape(const char *text, char *out, size_t cap); /* for one path segment */
/* "/lathe/v1/<collection>/<id>[/<verb>]" */
void ctl_path(const char *collection, const char *id, const char *verb, char out[400]);
/* Calls; with --json prints the answer. *reply is the caller's when the result is 1, which says
 * that the command should print it for people; *status is the exit code otherwise. */
int ctl_fetch(struct ctl *ctl, const char *method, const char *path, const json_t *body,
              json_t **reply, int *status);

/* stream.c: server-sent events. Takes one event; 0 ends the stream. */
typedef int (*ctl_event_fn)(void *user, const char *event, const char *data);
#define CTL_STREAM_BROKEN 0
#define CTL_STREAM_ENDED 1
#define CTL_STREAM_INTERRUPTED 2
/* Reads an event stream until it ends. *seq: number of the last event, where the next call goes on;
 * negative: from now. */
int ctl_stream(struct ctl *ctl, const char *path, int64_t *seq, ctl_event_fn fn, void *user);
/* Parts of the HTTP client that stream.c shares. */
struct curl_slist;
struct curl_slist *ctl_headers(const struct ctl *ctl, int has_body, const char *more);
void ctl_prepare(struct ctl *ctl, const char *method, const char *path, struct curl_slist *list);

/* signals.c: from begin to end Ctrl-C is read from ctl->interrupt_fd and does not end the program.
 */
void ctl_interrupts_begin(struct ctl *ctl);
void ctl_interrupts_end(struct ctl *ctl);
/* Waits; 1 when Ctrl-C came. */
int ctl_interrupt_wait(const struct ctl *ctl, int timeout_ms);

/* child.c: a program and its output, line by line. */
struct ctl_child {
    const char *const *argv; /* argv[0] is a path */
    const char *stderr_path; /* NULL: as our own */
    void (*line)(void *user, const char *line);
    void *user;
};
/* The exit code, 128 + signal, or -1 after an error was printed. After Ctrl-C the child gets
 * SIGTERM, after the second one SIGKILL; *was_interrupted (may be NULL) tells. */
int ctl_child_run(const struct ctl *ctl, const struct ctl_child *child, int *was_interrupted);
/* Path of a program that was installed with this one; 0 after an error was printed. */
int ctl_program(const char *name, char out[CTL_PATH_MAX]);

/* print.c */
void ctl_print_json(const json_t *value); /* one line */
void ctl_error(const char *fmt, ...) LATHE_PRINTF(1, 2);
/* ctl_error, and {"error":{"code","message"}} on stdout with --json. Returns CTL_FAILED. */
int ctl_fail(const struct ctl *ctl, const char *code, const char *fmt, ...) LATHE_PRINTF(3, 4);
/* A record as "name  value" lines; objects and lists as JSON. */
void ctl_print_record(const json_t *record);

/* A table of columns, printed when it is complete. */
struct ctl_table {
    int n_columns, n_rows, cap_rows;
    char **cell; /* row after row; row 0 is the heading */
};
void ctl_table_row(struct ctl_table *table, int n_columns, const char *const *cells);
void ctl_table_print(struct ctl_table *table); /* and releases */

/* run_body.c: what --env, --algo, --set and the rest mean. */
/* Run request of the REST interface; new reference, or NULL after an error was printed. algorithm
 * and env: their option tables (arrays), which give --set its types and its names. */
json_t *ctl_run_body(const struct ctl *ctl, const json_t *algorithm, const json_t *env);
/* Text as a value of an option of that type ("int", "string", ...; NULL: as it looks). New
 * reference, or NULL when it cannot be one. */
json_t *ctl_typed_value(const char *type, const char *text);
/* A run request in the words of a job specification; new reference. */
json_t *ctl_run_spec(const json_t *body);

/* commands */
int ctl_train(struct ctl *ctl);
int ctl_watch(struct ctl *ctl);
/* seq: as for ctl_stream. */
int ctl_watch_run(struct ctl *ctl, const char *id, int64_t seq);
int ctl_local(struct ctl *ctl);
int ctl_list(struct ctl *ctl);
int ctl_show(struct ctl *ctl);
int ctl_change(struct ctl *ctl); /* pause, resume, stop, cancel */
int ctl_delete(struct ctl *ctl);
int ctl_metrics(struct ctl *ctl);
int ctl_export(struct ctl *ctl);
int ctl_models(struct ctl *ctl);
int ctl_act(struct ctl *ctl);
int ctl_plugins(struct ctl *ctl);
int ctl_components(struct ctl *ctl); /* envs, algos */
/* The record of an environment or algorithm; NULL after an error was printed, with the nearest
 * name. what: "environments" or "algorithms". */
json_t *ctl_component(struct ctl *ctl, const char *what, const char *name);
int ctl_tokens(struct ctl *ctl);
int ctl_status(struct ctl *ctl);
int ctl_completion(struct ctl *ctl);
int ctl_help(struct ctl *ctl);

#endif
