/* lathectl: the command table and its parser. Help, completion and parsing come from the one
 * table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ctl/ctl.h"
#include "lathe/version.h"

const struct ctl_option ctl_common_options[] = {
    {"server", "URL", "Server to talk to (environment LATHE_SERVER; http://127.0.0.1:8000)."},
    {"token", "TOKEN", "Bearer token (environment LATHE_TOKEN)."},
    {"json", NULL, "Print JSON: one value, or one line per event."},
    {"help", NULL, "Show how the command is used."},
    {NULL, NULL, NULL}};

static const struct ctl_option train_options[] = {
    {"env", "NAME", "Environment (required); lathectl envs lists them."},
    {"algo", "NAME", "Algorithm (required); lathectl algos lists them."},
    {"steps", "N", "Environment steps to train."},
    {"iterations", "N", "Iterations of whole episodes, instead of steps."},
    {"seed", "N", "Seed of everything random; drawn when absent."},
    {"threads", "N", "Threads that step environments; no number depends on it (1)."},
    {"set", "KEY=VALUE",
     "Option of the run, the algorithm or the environment; may repeat. "
     "algo.KEY and env.KEY say whose it is; eval.KEY and checkpoint.KEY too."},
    {"name", "TEXT", "Name of the run and of its model."},
    {"detach", NULL, "Print the id of the run and do not watch it."},
    {"local", NULL, "Train here, without a server."},
    {"plugins", "DIR", "Directory of plugins for --local; may repeat."},
    {"dir", "DIR", "Run directory for --local; kept. Without it a temporary one is used."},
    {NULL, NULL, NULL}};
static const struct ctl_option list_options[] = {{"state", "STATE", "Only runs in this state."},
                                                 {"limit", "N", "Most runs to show (100)."},
                                                 {NULL, NULL, NULL}};
static const struct ctl_option export_options[] = {
    {"output", "FILE", "File to write (MODEL.safetensors)."}, {NULL, NULL, NULL}};
static const struct ctl_option plugin_options[] = {{"rescan", NULL, "Look for new files first."},
                                                   {NULL, NULL, NULL}};
static const struct ctl_option token_options[] = {
    {"name", "TEXT", "Name of a new token."},
    {"role", "ROLE", "viewer, trainer or admin."},
    {"scope", "SCOPE", "Scope such as agentgym:write; may repeat."},
    {"expires", "SECONDS", "Life of a new token; for ever when absent."},
    {NULL, NULL, NULL}};
static const struct ctl_option model_options[] = {{"delete", NULL, "Delete the model."},
                                                  {NULL, NULL, NULL}};

static const struct ctl_command commands[] = {
    {"train", "", "Train an agent and watch it.", 0, 0, train_options, ctl_train},
    {"watch", "RUN", "Watch a run until it ends.", 1, 1, NULL, ctl_watch},
    {"list", "", "List runs.", 0, 0, list_options, ctl_list},
    {"show", "RUN", "Show one run.", 1, 1, NULL, ctl_show},
    {"pause", "RUN", "Pause a run.", 1, 1, NULL, ctl_change},
    {"resume", "RUN", "Resume a paused run.", 1, 1, NULL, ctl_change},
    {"stop", "RUN", "Stop a run and keep what was learned.", 1, 1, NULL, ctl_change},
    {"cancel", "RUN", "End a run at once; nothing is kept.", 1, 1, NULL, ctl_change},
    {"delete", "RUN", "Delete a finished run.", 1, 1, NULL, ctl_delete},
    {"models", "[MODEL]", "List models, or show one.", 0, 1, model_options, ctl_models},
    {"export", "MODEL", "Download a model.", 1, 1, export_options, ctl_export},
    {"envs", "[NAME]", "List environments, or show one with its options.", 0, 1, NULL,
     ctl_components},
    {"algos", "[NAME]", "List algorithms, or show one with its options.", 0, 1, NULL,
     ctl_components},
    {"plugins", "", "List plugin files, broken ones with the reason.", 0, 0, plugin_options,
     ctl_plugins},
    {"tokens", "[create | list | revoke ID]", "Bearer tokens.", 0, 2, token_options, ctl_tokens},
    {"token", "[create | list | revoke ID]", "The same as tokens.", 0, 2, token_options,
     ctl_tokens},
    {"status", "", "Version, slots and queue of the server.", 0, 0, NULL, ctl_status},
    {"completion", "bash | zsh", "Print a completion script for the shell.", 1, 1, NULL,
     ctl_completion},
    {"help", "[COMMAND]", "Show how a command is used.", 0, 1, NULL, ctl_help},
};

const struct ctl_command *ctl_commands(size_t *count)
{
    *count = sizeof commands / sizeof commands[0];
    return commands;
}

static const struct ctl_command *command_find(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* ---- values ---- */

const char *ctl_value(const struct ctl *ctl, const char *name, const char *def)
{
    int i;

    for (i = ctl->n_options - 1; i >= 0; i--)
        if (!strcmp(ctl->option[i], name))
            return ctl->value[i];
    return def;
}

const char *ctl_value_at(const struct ctl *ctl, const char *name, int n)
{
    int i;

    for (i = 0; i < ctl->n_options; i++)
        if (!strcmp(ctl->option[i], name) && n-- == 0)
            return ctl->value[i];
    return NULL;
}

int ctl_int(const struct ctl *ctl, const char *name, int64_t def, int64_t *out)
{
    const char *text = ctl_value(ctl, name, NULL);
    char *end;

    *out = def;
    if (!text)
        return 1;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (!errno && end != text && !*end)
        return 1;
    ctl_error("--%s takes a whole number, not \"%s\"", name, text);
    return 0;
}

/* ---- help ---- */

static void print_options(const struct ctl_option *o)
{
    char left[64];

    for (; o && o->name; o++) {
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        printf("  %-22s %s\n", left, o->help);
    }
}

void ctl_usage(const struct ctl_command *command)
{
    size_t i;

    if (command) {
        printf("usage: lathectl %s%s%s [OPTION...]\n\n%s\n\n", command->name,
               command->args[0] ? " " : "", command->args, command->help);
        print_options(command->options);
        print_options(ctl_common_options);
        return;
    }
    printf("usage: lathectl COMMAND [ARGUMENT...] [OPTION...]\n\n");
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-12s %s\n", commands[i].name, commands[i].help);
    printf("\n");
    print_options(ctl_common_options);
    printf("\nlathectl COMMAND --help shows the options of a command. Exit status: 0 done, 1 "
           "refused or failed,\n2 wrong usage.\n");
}

int ctl_help(struct ctl *ctl)
{
    const struct ctl_command *command = ctl->n_args ? command_find(ctl->arg[0]) : NULL;

    if (ctl->n_args && !command) {
        ctl_error("there is no command \"%s\"", ctl->arg[0]);
        return CTL_USAGE;
    }
    ctl_usage(command);
    return CTL_OK;
}

/* ---- parsing ---- */

static const struct ctl_option *option_in(const struct ctl_option *list, const char *name,
                                          size_t len)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == len && !strncmp(list->name, name, len))
            return list;
    return NULL;
}

/* Takes argv[*at] as an option; 0 after an error was printed. */
static int take_option(struct ctl *ctl, char **argv, int argc, int *at)
{
    const char *text = argv[*at] + 2, *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const struct ctl_option *o = option_in(ctl_common_options, text, len);

    if (!o && ctl->command)
        o = option_in(ctl->command->options, text, len);
    if (!o) {
        ctl_error("unknown option --%.*s; see lathectl %s --help", (int)len, text,
                  ctl->command ? ctl->command->name : "");
        return 0;
    }
    if (ctl->n_options == CTL_OPTIONS_MAX) {
        ctl_error("too many options");
        return 0;
    }
    ctl->option[ctl->n_options] = o->name;
    if (!o->arg) {
        ctl->value[ctl->n_options++] = "";
        return 1;
    }
    if (!equals && *at + 1 >= argc) {
        ctl_error("--%s needs a value: %s", o->name, o->arg);
        return 0;
    }
    ctl->value[ctl->n_options++] = equals ? equals + 1 : argv[++*at];
    return 1;
}

static int parse(struct ctl *ctl, int argc, char **argv)
{
    int i, only_args = 0;

    for (i = 1; i < argc; i++) {
        if (!only_args && !strcmp(argv[i], "--")) {
            only_args = 1;
        } else if (!only_args && !strncmp(argv[i], "--", 2)) {
            if (!take_option(ctl, argv, argc, &i))
                return CTL_USAGE;
        } else if (!only_args && !strcmp(argv[i], "-h")) {
            ctl->option[ctl->n_options] = "help";
            ctl->value[ctl->n_options++] = "";
        } else if (!ctl->command) {
            if (!(ctl->command = command_find(argv[i]))) {
                ctl_error("there is no command \"%s\"; lathectl --help lists them", argv[i]);
                return CTL_USAGE;
            }
        } else if (ctl->n_args == CTL_ARGS_MAX) {
            ctl_error("too many arguments");
            return CTL_USAGE;
        } else {
            ctl->arg[ctl->n_args++] = argv[i];
        }
    }
    return CTL_OK;
}

static int run(struct ctl *ctl)
{
    const char *from_env = getenv("LATHE_SERVER");
    int status;

    if (ctl_value(ctl, "help", NULL) || !ctl->command) {
        ctl_usage(ctl->command);
        return ctl->command || ctl_value(ctl, "help", NULL) ? CTL_OK : CTL_USAGE;
    }
    if (ctl->n_args < ctl->command->args_min || ctl->n_args > ctl->command->args_max) {
        ctl_error("usage: lathectl %s %s", ctl->command->name, ctl->command->args);
        return CTL_USAGE;
    }
    ctl->server =
        ctl_value(ctl, "server", from_env && from_env[0] ? from_env : "http://127.0.0.1:8000");
    ctl->token = ctl_value(ctl, "token", getenv("LATHE_TOKEN"));
    ctl->json = ctl_value(ctl, "json", NULL) != NULL;
    ctl->is_terminal = isatty(STDOUT_FILENO);
    if ((status = ctl_open(ctl)) == CTL_OK)
        status = ctl->command->run(ctl);
    ctl_close(ctl);
    return status;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    int status;

    setlocale(LC_CTYPE, "");
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        printf("lathectl %s\n", LATHE_VERSION_STRING);
        return CTL_OK;
    }
    status = parse(&ctl, argc, argv);
    if (status == CTL_OK)
        status = run(&ctl);
    if (fflush(stdout) != 0 && status == CTL_OK)
        status = CTL_FAILED;
    return status;
}
