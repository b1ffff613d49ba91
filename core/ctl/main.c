/* lathectl: reads the command line and runs the command. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/ctl/ctl.h"
#include "lathe/version.h"

static const char *from_environment(const char *name, const char *def)
{
    const char *value = getenv(name);

    return value && value[0] ? value : def;
}

static void look_around(struct ctl *ctl)
{
    const char *term = from_environment("TERM", "dumb");

    ctl->server =
        ctl_value(ctl, "server", from_environment("LATHE_SERVER", "http://127.0.0.1:8000"));
    ctl->token = ctl_value(ctl, "token", from_environment("LATHE_TOKEN", NULL));
    ctl->json = ctl_has(ctl, "json");
    ctl->is_terminal = isatty(STDOUT_FILENO) && strcmp(term, "dumb") != 0;
    ctl->is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    ctl->colour = ctl->is_terminal && !from_environment("NO_COLOR", NULL);
    ctl->interrupt_fd = -1;
}

static int run(struct ctl *ctl)
{
    int status;

    if (ctl_has(ctl, "version")) {
        printf("lathectl %s\n", LATHE_VERSION_STRING);
        return CTL_OK;
    }
    if (ctl_has(ctl, "help") || !ctl->command) {
        ctl_usage(ctl->command);
        return ctl_has(ctl, "help") ? CTL_OK : CTL_USAGE;
    }
    if (ctl->n_args < ctl->command->args_min || ctl->n_args > ctl->command->args_max) {
        ctl_error("usage: lathectl %s %s", ctl->command->name, ctl->command->args);
        return CTL_USAGE;
    }
    look_around(ctl);
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
    signal(SIGPIPE, SIG_IGN); /* a closed reader is a write that fails */
    log_set_level(LATHE_LOG_ERROR);
    status = ctl_parse(&ctl, argc, (const char *const *)argv);
    if (status == CTL_OK)
        status = run(&ctl);
    if (fflush(stdout) != 0 && status == CTL_OK)
        status = CTL_FAILED;
    return status;
}
