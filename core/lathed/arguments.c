/* The command line of lathed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/fail.h"
#include "core/lathed/settings.h"

const char *const arguments_help =
    "usage: lathed [OPTION...]\n"
    "\n"
    "  --config FILE        configuration (default: built-in defaults)\n"
    "  --data DIR           directory for everything the server keeps, instead of paths.data\n"
    "  --listen ADDR:PORT   the only listener, with all surfaces; port 0 picks a free one\n"
    "  --www DIR            pages and assets for browsers, instead of paths.www\n"
    "  --insecure           allow --listen off loopback without authentication\n"
    "  --check              say what is wrong with the configuration, and end\n"
    "  --token NAME         make a bearer token, print it, and end (the server must not run)\n"
    "  --scopes LIST        scopes of --token, separated by commas (default: *:admin)\n"
    "  --default-config     print the commented default configuration, and end\n"
    "  --reference          print the reference of all settings as Markdown, and end\n"
    "  --version            print the version, and end\n"
    "  --help               print this text, and end\n"
    "\n"
    "When ready, the server prints one JSON line on stdout with its addresses and process id.\n"
    "SIGTERM and SIGINT end it with checkpoints of all running jobs; SIGHUP reads the\n"
    "configuration again, reopens the log and looks for new plugins.\n";

struct flag {
    const char *name;
    int *is_set;
};

struct text {
    const char *name;
    const char **value;
};

static int flag_take(const char *arg, const struct flag *flags)
{
    for (; flags->name != NULL; flags++)
        if (strcmp(arg, flags->name) == 0) {
            *flags->is_set = 1;
            return 1;
        }
    return 0;
}

/* 1 when arg (with the one after it) was taken, -1 when its value is missing. */
static int text_take(const char *arg, const char *value, const struct text *texts, int *used)
{
    for (; texts->name != NULL; texts++) {
        size_t len = strlen(texts->name);
        if (strncmp(arg, texts->name, len) != 0 || (arg[len] != '\0' && arg[len] != '='))
            continue;
        *used = arg[len] == '\0';
        *texts->value = arg[len] == '=' ? arg + len + 1 : value;
        return *texts->value != NULL ? 1 : -1;
    }
    return 0;
}

int32_t arguments_parse(int argc, char **argv, struct arguments *args, struct lathe_error *err)
{
    const struct flag flags[] = {{"--check", &args->is_check},
                                 {"--help", &args->is_help},
                                 {"-h", &args->is_help},
                                 {"--version", &args->is_version},
                                 {"--default-config", &args->is_default_config},
                                 {"--reference", &args->is_reference},
                                 {"--insecure", &args->is_insecure},
                                 {NULL, NULL}};
    const struct text texts[] = {{"--config", &args->config_path},
                                 {"--data", &args->data_dir},
                                 {"--listen", &args->listen},
                                 {"--www", &args->www_dir},
                                 {"--token", &args->token_name},
                                 {"--scopes", &args->token_scopes},
                                 {NULL, NULL}};

    memset(args, 0, sizeof *args);
    for (int i = 1; i < argc; i++) {
        int used = 0, r;
        if (flag_take(argv[i], flags))
            continue;
        r = text_take(argv[i], i + 1 < argc ? argv[i + 1] : NULL, texts, &used);
        if (r == 0)
            return fail(err, LATHE_E_INVALID, "unknown option %.60s; see lathed --help", argv[i]);
        if (r < 0)
            return fail(err, LATHE_E_INVALID, "option %s needs a value", argv[i]);
        i += used;
    }
    return LATHE_OK;
}
