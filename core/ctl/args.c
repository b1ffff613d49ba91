/* The command line: options by the command table, values, numbers, and the name that was probably
 * meant. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/option.h"
#include "core/ctl/ctl.h"

#define NAMES_MAX 64
#define COUNT_MAX 9007199254740991.0 /* what every JSON client can hold */

/* ---- values ---- */

const char *ctl_value(const struct ctl *ctl, const char *name, const char *def)
{
    int i;

    for (i = ctl->n_options - 1; i >= 0; i--)
        if (!strcmp(ctl->option[i], name))
            return ctl->value[i];
    return def;
}

int ctl_has(const struct ctl *ctl, const char *name)
{
    return ctl_value(ctl, name, NULL) != NULL;
}

const char *ctl_value_at(const struct ctl *ctl, const char *name, int n)
{
    int i;

    for (i = 0; i < ctl->n_options; i++)
        if (!strcmp(ctl->option[i], name) && n-- == 0)
            return ctl->value[i];
    return NULL;
}

static int is_plain_integer(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    return *text && text[strspn(text, "0123456789")] == '\0';
}

int ctl_parse_count(const char *text, int64_t *out)
{
    double value, scale = 1;
    char *end;

    errno = 0;
    if (is_plain_integer(text)) {
        long long whole = strtoll(text, &end, 10);

        if (errno)
            return 0;
        *out = whole;
        return 1;
    }
    value = strtod(text, &end);
    if (errno || end == text || !strpbrk(text, "0123456789"))
        return 0;
    if (*end == 'k' || *end == 'K')
        scale = 1e3;
    else if (*end == 'M')
        scale = 1e6;
    else if (*end == 'G')
        scale = 1e9;
    value *= scale;
    if (end[scale > 1] != '\0' || !(fabs(value) <= COUNT_MAX) || fabs(value - nearbyint(value)) > 0)
        return 0;
    *out = (int64_t)value;
    return 1;
}

int ctl_int(const struct ctl *ctl, const char *name, int64_t def, int64_t *out)
{
    const char *text = ctl_value(ctl, name, NULL);

    *out = def;
    if (!text || ctl_parse_count(text, out))
        return 1;
    ctl_error("--%s takes a whole number, not \"%s\"", name, text);
    return 0;
}

const char *ctl_nearest(const char *const *names, const char *name)
{
    size_t best = strlen(name) > 4 ? 3 : 2, distance;
    const char *found = NULL;

    for (; *names; names++) {
        distance = text_distance(*names, name, best);
        if (distance < best) {
            best = distance;
            found = *names;
        }
    }
    return found;
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

static int complain_option(const struct ctl *ctl, const char *text, size_t len)
{
    const struct ctl_option *lists[] = {ctl_common_options,
                                        ctl->command ? ctl->command->options : NULL};
    const char *names[NAMES_MAX + 1] = {NULL}, *nearest;
    char wrong[64] = "";
    size_t n = 0, i;

    memcpy(wrong, text, len < sizeof wrong ? len : sizeof wrong - 1);
    for (i = 0; i < 2; i++)
        for (const struct ctl_option *o = lists[i]; o && o->name && n < NAMES_MAX; o++)
            names[n++] = o->name;
    nearest = ctl_nearest(names, wrong);
    if (nearest)
        ctl_error("unknown option --%s, did you mean --%s?", wrong, nearest);
    else
        ctl_error("unknown option --%s; see lathectl %s%s--help", wrong,
                  ctl->command ? ctl->command->name : "", ctl->command ? " " : "");
    return 0;
}

static int put_option(struct ctl *ctl, const char *name, const char *value)
{
    if (ctl->n_options == CTL_OPTIONS_MAX) {
        ctl_error("more than %d options", CTL_OPTIONS_MAX);
        return 0;
    }
    ctl->option[ctl->n_options] = name;
    ctl->value[ctl->n_options++] = value;
    return 1;
}

/* Takes argv[*at] as an option; 0 after an error was printed. */
static int take_option(struct ctl *ctl, const char *const *argv, int argc, int *at)
{
    const char *text = argv[*at] + 2, *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const struct ctl_option *o = option_in(ctl_common_options, text, len);

    if (!o && ctl->command)
        o = option_in(ctl->command->options, text, len);
    if (!o)
        return complain_option(ctl, text, len);
    if (!o->arg) {
        if (equals)
            ctl_error("--%s takes no value", o->name);
        return !equals && put_option(ctl, o->name, "");
    }
    if (!equals && *at + 1 >= argc) {
        ctl_error("--%s needs a value: %s", o->name, o->arg);
        return 0;
    }
    return put_option(ctl, o->name, equals ? equals + 1 : argv[++*at]);
}

static int take_command(struct ctl *ctl, const char *name)
{
    const char *names[NAMES_MAX + 1] = {NULL}, *nearest;
    const struct ctl_command *all;
    size_t n, i;

    if ((ctl->command = ctl_command_find(name)) != NULL)
        return 1;
    all = ctl_commands(&n);
    for (i = 0; i < n && i < NAMES_MAX; i++)
        names[i] = all[i].name;
    nearest = ctl_nearest(names, name);
    if (nearest)
        ctl_error("there is no command \"%s\", did you mean %s?", name, nearest);
    else
        ctl_error("there is no command \"%s\"; lathectl --help lists them", name);
    return 0;
}

static int take_argument(struct ctl *ctl, const char *text)
{
    if (ctl->n_args == CTL_ARGS_MAX) {
        ctl_error("more than %d arguments", CTL_ARGS_MAX);
        return 0;
    }
    ctl->arg[ctl->n_args++] = text;
    return 1;
}

int ctl_parse(struct ctl *ctl, int argc, const char *const *argv)
{
    int i, ok = 1, only_args = 0;

    for (i = 1; ok && i < argc; i++) {
        if (!only_args && !strcmp(argv[i], "--"))
            only_args = 1;
        else if (!only_args && !strncmp(argv[i], "--", 2))
            ok = take_option(ctl, argv, argc, &i);
        else if (!only_args && !strcmp(argv[i], "-h"))
            ok = put_option(ctl, "help", "");
        else if (!ctl->command)
            ok = take_command(ctl, argv[i]);
        else
            ok = take_argument(ctl, argv[i]);
    }
    return ok ? CTL_OK : CTL_USAGE;
}
