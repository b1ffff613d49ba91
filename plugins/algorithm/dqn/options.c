/* Option tables of "dqn" and "qrdqn" and their profiles: an option the user did not set takes the
 * profile's value, or the table's default where the profile has none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dqn.h"

static const char *const profiles[] = {"sb3", "cleanrl", "agentgym", NULL};
static const char *const schedules[] = {"constant", "linear", "cosine", NULL};
static const char *const activations[] = {"identity", "tanh", "relu", "gelu", NULL};
static const char *const units[] = {"steps", "updates", NULL};
static const char *const isas[] = {"auto", "portable", "avx2", "avx512", NULL};

#define COMMON_OPTIONS                                                                             \
    LATHE_OPTION_ENUM(                                                                             \
        "profile", "sb3", profiles,                                                                \
        "Defaults and conventions to follow: sb3, cleanrl, or agentgym (whole episodes)."),        \
        LATHE_OPTION("learning_rate", LATHE_OPT_FLOAT, 0, "1e-4", 0, 1, NULL, NULL,                \
                     "Adam step size (cleanrl 2.5e-4, agentgym 1e-3)."),                           \
        LATHE_OPTION_ENUM("lr_schedule", "constant", schedules,                                    \
                          "Course of the learning rate (agentgym linear)."),                       \
        LATHE_OPTION_FLOAT("lr_end", "0", 0, 1,                                                    \
                           "Share of the learning rate left at the end (agentgym 0.1)."),          \
        LATHE_OPTION_INT("buffer_size", "1000000", 1, 1073741824,                                  \
                         "Rows of the replay memory (cleanrl 10000, agentgym 50000)."),            \
        LATHE_OPTION_INT("learning_starts", "100", 0, 1073741824,                                  \
                         "Steps before learning; random actions until then, except in cleanrl "    \
                         "(10000) and agentgym (0)."),                                             \
        LATHE_OPTION_INT("batch_size", "32", 1, 65536,                                             \
                         "Minibatch rows (cleanrl 128, agentgym 64)."),                            \
        LATHE_OPTION_FLOAT("gamma", "0.99", 0, 1, "Discount factor."),                             \
        LATHE_OPTION_INT("train_freq", "4", 1, 1048576,                                            \
                         "Environment steps, of all rows, between trainings (cleanrl 10)."),       \
        LATHE_OPTION_INT("gradient_steps", "1", -1, 1048576,                                       \
                         "Gradient steps per training, -1 = one per environment step."),           \
        LATHE_OPTION_INT("target_update_interval", "10000", 1, 1073741824,                         \
                         "Distance of copies to the target net (cleanrl, agentgym 500)."),         \
        LATHE_OPTION_ENUM("target_update_unit", "steps", units,                                    \
                          "What the distance counts: environment steps, or gradient steps "        \
                          "(agentgym)."),                                                          \
        LATHE_OPTION_FLOAT("tau", "1", 0, 1, "Share of the online net in a copy."),                \
        LATHE_OPTION_FLOAT("exploration_initial_eps", "1", 0, 1,                                   \
                           "Share of random actions at the start."),                               \
        LATHE_OPTION_FLOAT("exploration_final_eps", "0.05", 0, 1,                                  \
                           "Share of random actions at the end."),                                 \
        LATHE_OPTION_FLOAT("exploration_fraction", "0.1", 0, 1,                                    \
                           "Part of the run until the final share (cleanrl, agentgym 0.5)."),      \
        LATHE_OPTION_FLOAT("max_grad_norm", "10", 0, 1e6,                                          \
                           "Global gradient norm limit, 0 = none (cleanrl)."),                     \
        LATHE_OPTION_BOOL("double", "false",                                                       \
                          "The online net chooses the next action, the target net rates it "       \
                          "(agentgym true)."),                                                     \
        LATHE_OPTION_BOOL("dueling", "false", "Separate outputs for state value and advantage."),  \
        LATHE_OPTION_BOOL("per", "false", "Prioritized replay."),                                  \
        LATHE_OPTION_FLOAT("per_alpha", "0.6", 0, 10, "Exponent of priorities."),                  \
        LATHE_OPTION_FLOAT("per_beta", "0.4", 0, 1,                                                \
                           "Exponent of importance weights at the start; 1 at the end."),          \
        LATHE_OPTION_INT("n_step", "1", 1, 1024, "Steps of the return before bootstrapping."),     \
        LATHE_OPTION_BOOL("huber", "true",                                                         \
                          "Error linear beyond 1; false: squared (cleanrl), with quantiles: "      \
                          "absolute."),                                                            \
        LATHE_OPTION_LIST("net_arch", "[64, 64]", 1, 4096,                                         \
                          "Widths of the hidden layers, 1 to 8 of them (cleanrl [120, 84])."),     \
        LATHE_OPTION_ENUM("activation", "relu", activations,                                       \
                          "Activation of the hidden layers (agentgym tanh)."),                     \
        LATHE_OPTION_BOOL("bootstrap_truncation", "true",                                          \
                          "The value of the last observation counts where a limit cut an episode " \
                          "(agentgym false)."),                                                    \
        LATHE_OPTION_FLOAT("reward_scale", "1", 1e-6, 1e6, "Factor on rewards (agentgym 0.1)."),   \
        LATHE_OPTION_FLOAT("adam_eps", "1e-8", 1e-12, 1,                                           \
                           "Adam's denominator term (agentgym 1e-5)."),                            \
        LATHE_OPTION_ENUM("isa", "auto", isas, "Instruction set; results do not depend on it.")

const struct lathe_option *const dqn_options[] = {
    COMMON_OPTIONS,
    LATHE_OPTION_INT("quantile", "0", 0, 1024,
                     "Quantiles of the return that are learned, 0 = its mean."),
    NULL};

const struct lathe_option *const qrdqn_options[] = {
    COMMON_OPTIONS,
    LATHE_OPTION_INT("quantile", "200", 1, 1024, "Quantiles of the return that are learned."),
    NULL};

int32_t dqn_fail(struct lathe_error *err, int32_t code, const char *field, const char *text)
{
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->code = code;
        snprintf(err->text, sizeof err->text, "dqn: %s", text);
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

static int32_t hidden(struct dqn_config *c, const struct lathe_params *o, struct lathe_error *err)
{
    double list[DQN_MAX_HIDDEN] = {120, 84};
    uint32_t i;

    c->n_hidden = 2;
    if (c->profile != DQN_CLEANRL || o->is_set(o, "net_arch"))
        c->n_hidden = o->get_list(o, "net_arch", list, DQN_MAX_HIDDEN);
    if (c->n_hidden == 0 || c->n_hidden > DQN_MAX_HIDDEN)
        return dqn_fail(err, LATHE_E_INVALID, "net_arch", "net_arch needs 1 to 8 widths");
    for (i = 0; i < c->n_hidden; i++) {
        if (list[i] < 1 || list[i] > 4096 || list[i] != floor(list[i]))
            return dqn_fail(err, LATHE_E_INVALID, "net_arch", "widths are integers from 1 to 4096");
        c->hidden[i] = (uint32_t)list[i];
    }
    return LATHE_OK;
}

static void numbers(struct dqn_config *c, const struct lathe_params *o)
{
    const int32_t cr = c->profile == DQN_CLEANRL, ag = c->profile == DQN_AGENTGYM;
    const double none = (double)NAN;

    c->learning_rate = pick(o, "learning_rate", cr ? 2.5e-4 : ag ? 1e-3 : none);
    c->lr_end = pick(o, "lr_end", ag ? 0.1 : none);
    c->buffer_size = (uint64_t)pick(o, "buffer_size", cr ? 1e4 : ag ? 5e4 : none);
    c->learning_starts = (uint64_t)pick(o, "learning_starts", cr ? 1e4 : ag ? 0 : none);
    c->batch_size = (uint32_t)pick(o, "batch_size", cr ? 128 : ag ? 64 : none);
    c->gamma = pick(o, "gamma", none);
    c->train_freq = (uint64_t)pick(o, "train_freq", cr ? 10 : none);
    c->gradient_steps = o->get_int(o, "gradient_steps");
    c->target_update = (uint64_t)pick(o, "target_update_interval", cr || ag ? 500 : none);
    c->tau = pick(o, "tau", none);
    c->eps_start = pick(o, "exploration_initial_eps", none);
    c->eps_end = pick(o, "exploration_final_eps", none);
    c->eps_fraction = pick(o, "exploration_fraction", cr || ag ? 0.5 : none);
    c->max_grad_norm = pick(o, "max_grad_norm", cr ? 0 : none);
    c->per_alpha = pick(o, "per_alpha", none);
    c->per_beta = pick(o, "per_beta", none);
    c->n_step = (uint32_t)o->get_int(o, "n_step");
    c->reward_scale = pick(o, "reward_scale", ag ? 0.1 : none);
    c->adam_eps = pick(o, "adam_eps", ag ? 1e-5 : none);
}

int32_t dqn_configure(struct dqn *d, const struct lathe_algo_args *args, int32_t quantiles,
                      struct lathe_error *err)
{
    const struct lathe_params *o = args->params;
    struct dqn_config *c = &d->cfg;
    struct dqn_heads *h = &d->heads;
    const uint32_t profile = choice(profiles, o->get_string(o, "profile"));
    const int32_t cr = profile == DQN_CLEANRL, ag = profile == DQN_AGENTGYM;
    uint32_t n;

    c->profile = (enum dqn_profile)profile;
    numbers(c, o);
    c->lr_schedule = ag && !o->is_set(o, "lr_schedule")
                         ? KIT_SCHEDULE_LINEAR
                         : kit_schedule_kind(o->get_string(o, "lr_schedule"));
    c->target_by_updates = ag && !o->is_set(o, "target_update_unit")
                               ? 1
                               : choice(units, o->get_string(o, "target_update_unit")) == 1;
    c->activation = ag && !o->is_set(o, "activation")
                        ? LATHE_ACTIVATION_TANH
                        : choice(activations, o->get_string(o, "activation"));
    c->isa = choice(isas, o->get_string(o, "isa"));
    c->bootstrap = flag(o, "bootstrap_truncation", ag, 0);
    c->per = o->get_bool(o, "per");
    n = (uint32_t)o->get_int(o, "quantile");
    h->quantile = quantiles || n > 0;
    h->n_atoms = n > 0 ? n : 1;
    h->dueling = o->get_bool(o, "dueling");
    h->double_q = flag(o, "double", ag, 1);
    h->huber = flag(o, "huber", cr && !h->quantile, 0);
    if ((uint64_t)h->n_atoms * (h->n_actions + 1u) > DQN_MAX_OUTPUTS)
        return dqn_fail(err, LATHE_E_LIMIT, "quantile", "quantile x actions exceeds 65536 outputs");
    if (c->gradient_steps == 0)
        return dqn_fail(err, LATHE_E_INVALID, "gradient_steps",
                        "gradient_steps is at least 1, or -1 for one per environment step");
    if (c->learning_starts > 0 && !d->episodic && d->total_steps > 0 &&
        c->learning_starts >= d->total_steps && !d->policy_only)
        return dqn_fail(err, LATHE_E_INVALID, "learning_starts",
                        "learning_starts leaves no step of the run to learn in");
    return hidden(c, o, err);
}
