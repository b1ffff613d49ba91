/* The command table: help, completion and parsing all come from it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/ctl/ctl.h"

#define END              \
    {                    \
        NULL, NULL, NULL \
    }

const struct ctl_option ctl_common_options[] = {
    {"server", "URL", "Server to talk to (environment LATHE_SERVER; http://127.0.0.1:8000)."},
    {"token", "TOKEN", "Bearer token (environment LATHE_TOKEN)."},
    {"json", NULL, "Print JSON: one value, or one line per event."},
    {"help", NULL, "Show how the command is used."},
    {"version", NULL, "Print the version."},
    END};

static const struct ctl_option train_options[] = {
    {"env", "NAME", "Environment (required); lathectl envs lists them."},
    {"algo", "NAME", "Algorithm (required); lathectl algos lists them."},
    {"steps", "N", "Environment steps to train; 200k and 1e6 are understood."},
    {"iterations", "N", "Iterations of whole episodes, instead of steps."},
    {"seed", "N", "Seed of everything random; drawn when absent."},
    {"threads", "N", "Threads that step environments; no number depends on it (1)."},
    {"set", "KEY=VALUE",
     "Option of the algorithm, or n_envs and other members of the run: time_limit, obs_norm, "
     "reward_norm, norm_gamma, target, pace_ms, numerics, eval.KEY, checkpoint.KEY. May repeat."},
    {"env-set", "KEY=VALUE", "Option of the environment. May repeat."},
    {"eval-every", "N", "Steps or iterations between evaluations (0: only at start and end)."},
    {"eval-episodes", "N", "Episodes of an evaluation (100)."},
    {"name", "TEXT", "Name of the run and of its model."},
    {"detach", NULL, "Print the id of the run and do not watch it."},
    {"local", NULL, "Train here, without a server."},
    {"plugins", "DIR", "Directory of plugins for --local, before the installed ones. May repeat."},
    {"dir", "DIR", "Run directory for --local; kept. Without it a temporary one is used."},
    END};
static const struct ctl_option list_options[] = {{"state", "STATE", "Only runs in this state."},
                                                 {"limit", "N", "Most runs to show (100)."},
                                                 END};
static const struct ctl_option metric_options[] = {
    {"points", "N", "Most points of a series (500)."},
    {"plot", NULL, "Draw although the output is no terminal."},
    END};
static const struct ctl_option export_options[] = {
    {"output", "FILE", "File to write (MODEL.safetensors); - is standard output."}, END};
static const struct ctl_option act_options[] = {
    {"sample", NULL, "Draw the action from the policy instead of taking the best."},
    {"seed", "N", "Seed of --sample (0)."},
    END};
static const struct ctl_option plugin_options[] = {{"rescan", NULL, "Look for new files first."},
                                                   END};
static const struct ctl_option token_options[] = {
    {"name", "TEXT", "Name of a new token (lathectl)."},
    {"role", "ROLE", "viewer, trainer or admin (viewer; admin with --data)."},
    {"scope", "SCOPE", "Scope such as agentgym:write instead of a role. May repeat."},
    {"expires", "SECONDS", "Life of a new token; for ever when absent."},
    {"data", "DIR",
     "Make the token without a server, in the data directory of one that does not run: how the "
     "first token is made."},
    {"config", "FILE", "Configuration of the server, for --data."},
    END};
static const struct ctl_option model_options[] = {{"delete", NULL, "Delete the model."}, END};

static const struct ctl_command commands[] = {
    {"train", "", "Train an agent and watch it. Ctrl-C stops watching, not the run.",
     "train --env CartPole-v1 --algo ppo --steps 100k --seed 1\n"
     "train --env CartPole-v1 --algo ppo --steps 1e6 --set n_envs=16 --set learning_rate=1e-3\n"
     "train --env FrozenLake-v1 --env-set is_slippery=false --algo q_learning --steps 50k\n"
     "train --local --env CartPole-v1 --algo ppo --steps 100k --dir ./run --json",
     0, 0, train_options, ctl_train},
    {"watch", "RUN", "Watch a run until it ends. Ctrl-C stops watching, not the run.",
     "watch run_1_1767225600\nwatch run_1_1767225600 --json", 1, 1, NULL, ctl_watch},
    {"list", "", "List runs, newest first.", "list\nlist --state running --json", 0, 0,
     list_options, ctl_list},
    {"show", "RUN", "Show one run.", "show run_1_1767225600 --json", 1, 1, NULL, ctl_show},
    {"pause", "RUN", "Pause a run.", "pause run_1_1767225600", 1, 1, NULL, ctl_change},
    {"resume", "RUN", "Resume a paused run.", "resume run_1_1767225600", 1, 1, NULL, ctl_change},
    {"stop", "RUN", "Stop a run and keep what was learned.", "stop run_1_1767225600", 1, 1, NULL,
     ctl_change},
    {"cancel", "RUN", "End a run at once; nothing is kept.", "cancel run_1_1767225600", 1, 1, NULL,
     ctl_change},
    {"delete", "RUN", "Delete a finished run.", "delete run_1_1767225600", 1, 1, NULL, ctl_delete},
    {"metrics", "RUN [SERIES...]", "Plot series of a run; columns when not on a terminal.",
     "metrics run_1_1767225600\nmetrics run_1_1767225600 train/loss rollout/ep_len_mean\n"
     "metrics run_1_1767225600 --json",
     1, CTL_ARGS_MAX, metric_options, ctl_metrics},
    {"models", "[MODEL]", "List models, or show one.", "models\nmodels MODEL --delete", 0, 1,
     model_options, ctl_models},
    {"export", "MODEL", "Download a model.", "export MODEL --output policy.safetensors", 1, 1,
     export_options, ctl_export},
    {"act", "MODEL OBSERVATION", "Ask a model for the action; OBSERVATION is JSON, - reads stdin.",
     "act MODEL '[0.01, -0.02, 0.03, 0.04]'\necho '[0, 0, 0, 0]' | lathectl act MODEL - --json", 2,
     2, act_options, ctl_act},
    {"envs", "[NAME]", "List environments, or show one with its options.", "envs\nenvs CartPole-v1",
     0, 1, NULL, ctl_components},
    {"algos", "[NAME]", "List algorithms, or show one with its options.", "algos\nalgos ppo --json",
     0, 1, NULL, ctl_components},
    {"plugins", "", "List plugin files, broken ones with the reason.", "plugins --rescan", 0, 0,
     plugin_options, ctl_plugins},
    {"tokens", "[create | list | revoke ID]", "Bearer tokens.",
     "tokens create --name dashboard --role viewer\n"
     "tokens create --name ops --data /var/lib/lathe\n"
     "tokens list\ntokens revoke 9f2c61d0a1b2c3d4",
     0, 2, token_options, ctl_tokens},
    {"token", "[create | list | revoke ID]", "The same as tokens.", NULL, 0, 2, token_options,
     ctl_tokens},
    {"status", "", "Version, slots and queue of the server.", "status --json", 0, 0, NULL,
     ctl_status},
    {"completion", "bash | zsh", "Print a completion script for the shell.",
     "completion bash > ~/.local/share/bash-completion/completions/lathectl", 1, 1, NULL,
     ctl_completion},
    {"help", "[COMMAND]", "Show how a command is used.", "help train", 0, 1, NULL, ctl_help},
};

const struct ctl_command *ctl_commands(size_t *count)
{
    *count = sizeof commands / sizeof commands[0];
    return commands;
}

const struct ctl_command *ctl_command_find(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}
