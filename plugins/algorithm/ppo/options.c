/* Option table of "ppo" and its three profiles: an option the user did not set takes the profile's
 * value, or the table's default where the profile has none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ppo.h"

static const char *const profiles[] = {"sb3", "cleanrl", "agentgym", NULL};
static const char *const schedules[] = {"constant", "linear", "cosine", NULL};
static const char *const activations[] = {"identity", "tanh", "relu", "gelu", NULL};
static const char *const norms[] = {"none", "minibatch", "iteration", NULL};
static const char *const isas[] = {"auto", "portable", "avx2", "avx512", NULL};

const struct lathe_option *const ppo_options[] = {
    LATHE_OPTION_ENUM(
        "profile", "sb3", profiles,
        "Defaults and conventions to follow: sb3, cleanrl, or agentgym (whole episodes)."),
    LATHE_OPTION("learning_rate", LATHE_OPT_FLOAT, 0, "3e-4", 0, 1, NULL, NULL,
                 "Adam step size (cleanrl 2.5e-4, agentgym 1e-3)."),
    LATHE_OPTION_INT("n_steps", "2048", 1, 1048576,
                     "Steps per row and iteration (cleanrl 128); unused in episodic runs."),
    LATHE_OPTION_INT("batch_size", "64", 1, 1048576, "Minibatch rows (cleanrl 128)."),
    LATHE_OPTION_INT("n_epochs", "10", 1, 1000, "Passes over the rollout (cleanrl, agentgym 4)."),
    LATHE_OPTION_FLOAT("gamma", "0.99", 0, 1, "Discount factor."),
    LATHE_OPTION_FLOAT("gae_lambda", "0.95", 0, 1, "Trace decay of the advantage estimate."),
    LATHE_OPTION_FLOAT("clip_range", "0.2", 0, 10, "Clip of the probability ratio."),
    LATHE_OPTION_FLOAT("clip_range_vf", "0", 0, 1000,
                       "Clip of value changes, 0 = none (cleanrl: clip_range)."),
    LATHE_OPTION_FLOAT("ent_coef", "0", 0, 10, "Entropy bonus (cleanrl 0.01, agentgym 0.06)."),
    LATHE_OPTION_FLOAT("vf_coef", "0.5", 0, 100, "Weight of the value loss."),
    LATHE_OPTION_FLOAT("max_grad_norm", "0.5", 0, 1e6, "Global gradient norm limit, 0 = none."),
    LATHE_OPTION_FLOAT("target_kl", "0", 0, 100, "Stops an iteration's epochs early, 0 = off."),
    LATHE_OPTION_BOOL("normalize_advantage", "true", "false turns advantage normalization off."),
    LATHE_OPTION_ENUM("advantage_norm", "minibatch", norms,
                      "Rows that advantages are normalized over (agentgym: iteration)."),
    LATHE_OPTION_ENUM("lr_schedule", "constant", schedules,
                      "Course of the learning rate to 0 (cleanrl, agentgym linear)."),
    LATHE_OPTION_ENUM("clip_schedule", "constant", schedules, "Course of clip_range to 0."),
    LATHE_OPTION_ENUM("ent_schedule", "constant", schedules,
                      "Course of ent_coef to 0 (agentgym linear)."),
    LATHE_OPTION_LIST("net_arch", "[64, 64]", 1, 4096,
                      "Widths of the hidden layers, 1 to 8 of them."),
    LATHE_OPTION_ENUM("activation", "tanh", activations, "Activation of the hidden layers."),
    LATHE_OPTION_BOOL("ortho_init", "true",
                      "Orthogonal weights; false: uniform by fan-in (agentgym: normal)."),
    LATHE_OPTION_BOOL("shared_trunk", "false",
                      "Policy and value share the hidden layers (agentgym)."),
    LATHE_OPTION_BOOL("bootstrap_truncation", "true",
                      "Adds the value of the last observation where a limit cut an episode "
                      "(cleanrl, agentgym false)."),
    LATHE_OPTION_FLOAT("reward_scale", "1", 1e-6, 1e6, "Factor on rewards (agentgym 0.1)."),
    LATHE_OPTION_FLOAT("adam_eps", "1e-5", 1e-12, 1, "Adam's denominator term."),
    LATHE_OPTION_FLOAT("log_std_init", "0", -10, 5, "Start of the Gaussian's log deviation."),
    LATHE_OPTION_BOOL("use_sde", "false",
                      "Noise that depends on the state (gSDE); for a box of actions."),
    LATHE_OPTION_INT("sde_sample_freq", "-1", -1, 1048576,
                     "Steps between draws of that noise, -1 = once per rollout."),
    LATHE_OPTION_ENUM("isa", "auto", isas, "Instruction set; results do not depend on it."),
    NULL};

int32_t ppo_fail(struct lathe_error *err, int32_t code, const char *field, const char *text)
{
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->code = code;
        snprintf(err->text, sizeof err->text, "ppo: %s", text);
        snprintf(err->field, sizeof err->field, "%s", field);
    }
    return code;
}

/* The number the user set, else the profile's (NaN: none), else the table's default. */
static double pick(const struct lathe_params *o, const char *name, double profile)
{
    return o->is_set(o, name) || isnan(profile) ? o->get_float(o, name) : profile;
}

static int32_t flag(const struct lathe_params *o, const char *name, int32_t set, int32_t profile)
{
    return o->is_set(o, name) || !set ? o->get_bool(o, name) : profile;
}

static uint32_t choice(const char *const *names, const char *value)
{
    uint32_t i;

    for (i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return 0;
}

static int32_t schedule(const struct lathe_params *o, const char *name, int32_t linear)
{
    return linear && !o->is_set(o, name) ? KIT_SCHEDULE_LINEAR
                                         : kit_schedule_kind(o->get_string(o, name));
}

static int32_t hidden(struct ppo_config *c, const struct lathe_params *o, struct lathe_error *err)
{
    double list[PPO_MAX_HIDDEN];
    uint32_t i;

    c->n_hidden = o->get_list(o, "net_arch", list, PPO_MAX_HIDDEN);
    if (c->n_hidden == 0 || c->n_hidden > PPO_MAX_HIDDEN)
        return ppo_fail(err, LATHE_E_INVALID, "net_arch", "net_arch needs 1 to 8 widths");
    for (i = 0; i < c->n_hidden; i++) {
        if (list[i] < 1 || list[i] > 4096 || list[i] != floor(list[i]))
            return ppo_fail(err, LATHE_E_INVALID, "net_arch", "widths are integers from 1 to 4096");
        c->hidden[i] = (uint32_t)list[i];
    }
    return LATHE_OK;
}

int32_t ppo_configure(struct ppo *p, const struct lathe_algo_args *args, struct lathe_error *err)
{
    const struct lathe_params *o = args->params;
    const uint32_t profile = choice(profiles, o->get_string(o, "profile"));
    const int32_t cr = profile == 1, ag = profile == 2;
    struct ppo_config *c = &p->cfg;

    c->cleanrl = cr;
    c->agentgym = ag;
    c->half_value = cr || ag;
    c->learning_rate = pick(o, "learning_rate", cr ? 2.5e-4 : ag ? 1e-3 : (double)NAN);
    c->n_steps = (uint32_t)pick(o, "n_steps", cr ? 128 : (double)NAN);
    c->batch_size = (uint32_t)pick(o, "batch_size", cr ? 128 : (double)NAN);
    c->n_epochs = (uint32_t)pick(o, "n_epochs", cr || ag ? 4 : (double)NAN);
    c->gamma = pick(o, "gamma", (double)NAN);
    c->gae_lambda = pick(o, "gae_lambda", (double)NAN);
    c->clip_range = pick(o, "clip_range", (double)NAN);
    c->clip_range_vf = pick(o, "clip_range_vf", cr ? c->clip_range : (double)NAN);
    c->ent_coef = pick(o, "ent_coef", cr ? 0.01 : ag ? 0.06 : (double)NAN);
    c->vf_coef = pick(o, "vf_coef", (double)NAN);
    c->max_grad_norm = pick(o, "max_grad_norm", (double)NAN);
    c->target_kl = pick(o, "target_kl", (double)NAN);
    c->reward_scale = pick(o, "reward_scale", ag ? 0.1 : (double)NAN);
    c->adam_eps = pick(o, "adam_eps", (double)NAN);
    c->use_sde = o->get_bool(o, "use_sde");
    c->sde_sample_freq = o->get_int(o, "sde_sample_freq");
    c->log_std_init = pick(o, "log_std_init", (double)NAN);
    c->norm = ag && !o->is_set(o, "advantage_norm")
                  ? PPO_NORM_ITERATION
                  : (enum ppo_norm)choice(norms, o->get_string(o, "advantage_norm"));
    if (!o->get_bool(o, "normalize_advantage"))
        c->norm = PPO_NORM_NONE;
    c->lr_schedule = schedule(o, "lr_schedule", cr || ag);
    c->clip_schedule = schedule(o, "clip_schedule", 0);
    c->ent_schedule = schedule(o, "ent_schedule", ag);
    c->activation = choice(activations, o->get_string(o, "activation"));
    c->isa = choice(isas, o->get_string(o, "isa"));
    c->ortho_init = flag(o, "ortho_init", ag, 0);
    c->shared = flag(o, "shared_trunk", ag, 1);
    c->bootstrap = flag(o, "bootstrap_truncation", cr || ag, 0);
    if (c->use_sde && p->discrete)
        return ppo_fail(err, LATHE_E_INVALID, "use_sde", "use_sde needs a float32 BOX of actions");
    if (!p->episodic && (uint64_t)c->n_steps * p->n_envs > 1u << 26)
        return ppo_fail(err, LATHE_E_LIMIT, "n_steps", "n_steps x n_envs exceeds 67108864");
    if (!p->episodic && c->batch_size > (uint64_t)c->n_steps * p->n_envs)
        return ppo_fail(err, LATHE_E_INVALID, "batch_size",
                        "batch_size is larger than the rollout (n_steps x n_envs)");
    return hidden(c, o, err);
}
