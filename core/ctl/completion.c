/* Completion scripts for shells, made from the command table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/ctl/ctl.h"

static void print_commands(void)
{
    size_t n, i;
    const struct ctl_command *all = ctl_commands(&n);

    for (i = 0; i < n; i++)
        printf(" %s", all[i].name);
}

static void print_words(const struct ctl_command *c)
{
    const struct ctl_option *o;

    for (o = c->options; o && o->name; o++)
        printf(" --%s", o->name);
    for (o = ctl_common_options; o->name; o++)
        printf(" --%s", o->name);
    if (!strncmp(c->name, "token", 5))
        printf(" create list revoke");
    if (!strcmp(c->name, "completion"))
        printf(" bash zsh");
    if (!strcmp(c->name, "help"))
        print_commands();
}

int ctl_completion(struct ctl *ctl)
{
    int is_zsh = !strcmp(ctl->arg[0], "zsh");
    size_t n, i;
    const struct ctl_command *c = ctl_commands(&n);

    if (!is_zsh && strcmp(ctl->arg[0], "bash") != 0) {
        ctl_error("completion is there for bash and zsh");
        return CTL_USAGE;
    }
    printf("# Completion of lathectl; use: source <(lathectl completion %s)\n", ctl->arg[0]);
    if (is_zsh)
        printf("autoload -U +X bashcompinit && bashcompinit\n");
    printf("_lathectl() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words\n"
           "  if [ \"$COMP_CWORD\" -le 1 ]; then\n    words=\"");
    print_commands();
    printf("\"\n  else\n    case \"${COMP_WORDS[1]}\" in\n");
    for (i = 0; i < n; i++) {
        printf("      %s) words=\"", c[i].name);
        print_words(&c[i]);
        printf("\" ;;\n");
    }
    printf(
        "    esac\n    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
        "      --env) words=$(lathectl envs 2>/dev/null | awk 'NR>1{print $1}') ;;\n"
        "      --algo) words=$(lathectl algos 2>/dev/null | awk 'NR>1{print $1}') ;;\n"
        "      watch|show|pause|resume|stop|cancel|delete|metrics)\n"
        "        words=$(lathectl list 2>/dev/null | awk 'NR>1{print $1}') ;;\n"
        "      export|models|act) words=$(lathectl models 2>/dev/null | awk 'NR>1{print $1}') ;;\n"
        "    esac\n  fi\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
        "complete -o default -F _lathectl lathectl\n");
    return CTL_OK;
}
