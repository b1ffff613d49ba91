/* Help texts, made from the command table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/ctl/ctl.h"

#define COLUMN 24
#define LINE 100

/* Text from column on, broken between words. */
static void print_wrapped(const char *text)
{
    int at = COLUMN;

    while (*text) {
        int len = (int)strcspn(text, " ");

        if (at + 1 + len > LINE) {
            printf("\n%*s", COLUMN, "");
            at = COLUMN;
        }
        printf("%s%.*s", at > COLUMN ? " " : "", len, text);
        at += len + (at > COLUMN);
        text += len + (text[len] == ' ');
    }
    putchar('\n');
}

static void print_options(const struct ctl_option *o)
{
    char left[64];

    for (; o && o->name; o++) {
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        if ((int)strlen(left) > COLUMN - 3)
            printf("  %s\n%*s", left, COLUMN, "");
        else
            printf("  %-*s", COLUMN - 2, left);
        print_wrapped(o->help);
    }
}

static void print_examples(const char *text)
{
    printf("\nexamples:\n");
    while (*text) {
        int len = (int)strcspn(text, "\n");

        printf("  lathectl %.*s\n", len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_program(void)
{
    size_t i, n;
    const struct ctl_command *all = ctl_commands(&n);

    printf("usage: lathectl COMMAND [ARGUMENT...] [OPTION...]\n\n");
    for (i = 0; i < n; i++)
        printf("  %-12s %s\n", all[i].name, all[i].help);
    printf("\n");
    print_options(ctl_common_options);
    printf("\nlathectl COMMAND --help shows the options of a command. Exit status: 0 done, 1 "
           "refused or failed,\n2 wrong usage.\n");
}

void ctl_usage(const struct ctl_command *command)
{
    if (!command) {
        print_program();
        return;
    }
    printf("usage: lathectl %s%s%s [OPTION...]\n\n%s\n\n", command->name,
           command->args[0] ? " " : "", command->args, command->help);
    print_options(command->options);
    print_options(ctl_common_options);
    if (command->examples)
        print_examples(command->examples);
}

int ctl_help(struct ctl *ctl)
{
    const struct ctl_command *command = ctl->n_args ? ctl_command_find(ctl->arg[0]) : NULL;

    if (ctl->n_args && !command) {
        ctl_error("there is no command \"%s\"; lathectl --help lists them", ctl->arg[0]);
        return CTL_USAGE;
    }
    ctl_usage(command);
    return CTL_OK;
}
