/* Option table of "sac" and its profiles: an option the user did not set takes the profile's value,
 * or the table's default where the profile has none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sac.h"

static const char *const profiles[] = {"sb3", "cleanrl", NULL};
static const char *const schedules[] = {"constant", "linear", "cosine", NULL};
static const char *const activations[] = {"identity", "tanh", "relu", "gelu", NULL};
static const char *const isas[] = {"auto", "portable", "avx2", "avx512", NULL};

const struct lathe_option *const sac_options[] = {
    LATHE_OPTION_ENUM("profile", "sb3", profiles,
                      "Defaults, losses and order of updates to follow: sb3 or cleanrl."),
    LATHE_OPTION("learning_rate", LATHE_OPT_FLOAT, 0, "3e-4", 0, 1, NULL, NULL,
                 "Adam step size of the actor, and of critics and entropy unless q_lr is set."),
    LATHE_OPTION_FLOAT("q_lr", "0", 0, 1,
                       "Adam step size of critics and entropy, unset = learning_rate (cleanrl "
                       "1e-3)."),
    LATHE_OPTION_ENUM("lr_schedule", "constant", schedules, "Course of the step sizes to 0."),
    LATHE_OPTION_INT("buffer_size", "1000000", 1, 1073741824, "Rows of the replay memory."),
    LATHE_OPTION_INT("learning_starts", "100", 0, 1073741824,
                     "Environment steps with uniform actions before learning (cleanrl 5000)."),
    LATHE_OPTION_INT("batch_size", "256", 1, 65536, "Minibatch rows."),
    LATHE_OPTION_FLOAT("tau", "0.005", 0, 1, "Share of the critics in the target critics."),
    LATHE_OPTION_FLOAT("gamma", "0.99", 0, 1, "Discount factor."),
    LATHE_OPTION_INT("train_freq", "1", 1, 1048576,
                     "Steps of every environment row between trainings."),
    LATHE_OPTION_INT("gradient_steps", "1", -1, 1048576,
                     "Gradient steps per training, -1 = one per environment step."),
    LATHE_OPTION_INT("n_step", "1", 1, 1024, "Steps of the return before bootstrapping."),
    LATHE_OPTION_STRING("ent_coef", "auto", 32,
                        "Entropy coefficient: a number, auto, or auto_<start> to learn it."),
    LATHE_OPTION_STRING("target_entropy", "auto", 32,
                        "Entropy to hold when it is learned: a number, or auto = -dimensions."),
    LATHE_OPTION_INT("target_update_interval", "1", 1, 1048576,
                     "Gradient steps between updates of the target critics."),
    LATHE_OPTION_INT("policy_frequency", "1", 1, 64,
                     "cleanrl: as many actor steps every so many gradient steps (2)."),
    LATHE_OPTION_BOOL("use_sde", "false", "State-dependent exploration noise."),
    LATHE_OPTION_INT("sde_sample_freq", "-1", -1, 1048576,
                     "Steps between draws of the noise matrix, -1 = once per collection phase."),
    LATHE_OPTION_FLOAT("log_std_init", "-3", -20, 2, "use_sde: start of the log deviations."),
    LATHE_OPTION_BOOL("stable_log_prob", "false",
                      "Exact log probability of squashed actions; false: the usual 1e-6 term."),
    LATHE_OPTION_LIST("net_arch", "[256, 256]", 1, 4096,
                      "Widths of the hidden layers of actor and critics, 1 to 8 of them."),
    LATHE_OPTION_ENUM("activation", "relu", activations, "Activation of the hidden layers."),
    LATHE_OPTION_ENUM("isa", "auto", isas, "Instruction set; results do not depend on it."),
    NULL};

/* A finite number that fills the whole text. */
static int parse(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

static int32_t entropy(struct sac *s, const struct lathe_params *o, struct lathe_error *err)
{
    const char *coef = o->get_string(o, "ent_coef"), *target = o->get_string(o, "target_entropy");
    struct sac_config *c = &s->cfg;

    c->auto_alpha = strncmp(coef, "auto", 4) == 0;
    c->ent_coef = 1.0;
    if (c->auto_alpha && coef[4] == '_' ? !parse(coef + 5, &c->ent_coef) || c->ent_coef <= 0
                                        : strcmp(coef, "auto") != 0 && !parse(coef, &c->ent_coef))
        return kit_off_policy_fail(&s->base, err, LATHE_E_INVALID, "ent_coef",
                                   "ent_coef is a number, auto, or auto_ and a positive start");
    if (c->ent_coef < 0 || c->ent_coef > 1e4 || (c->auto_alpha && c->ent_coef < 1e-8))
        return kit_off_policy_fail(&s->base, err, LATHE_E_INVALID, "ent_coef",
                                   "ent_coef must lie in 0 .. 10000, a start in 1e-8 .. 10000");
    c->target_entropy = -(double)s->base.n_act;
    if (strcmp(target, "auto") != 0 && !parse(target, &c->target_entropy))
        return kit_off_policy_fail(&s->base, err, LATHE_E_INVALID, "target_entropy",
                                   "target_entropy is a number or auto");
    return LATHE_OK;
}

int32_t sac_configure(struct sac *s, const struct lathe_params *o, struct lathe_error *err)
{
    struct kit_off_policy_config *b = &s->base.cfg;
    struct sac_config *c = &s->cfg;
    int64_t freq;

    c->cleanrl = strcmp(o->get_string(o, "profile"), "cleanrl") == 0;
    if (c->cleanrl && !o->is_set(o, "learning_starts"))
        b->learning_starts = 5000;
    c->q_lr = o->is_set(o, "q_lr") ? o->get_float(o, "q_lr") : c->cleanrl ? 1e-3 : b->learning_rate;
    c->policy_frequency = c->cleanrl && !o->is_set(o, "policy_frequency")
                              ? 2u
                              : (uint32_t)o->get_int(o, "policy_frequency");
    if (!c->cleanrl && c->policy_frequency != 1)
        return kit_off_policy_fail(&s->base, err, LATHE_E_INVALID, "policy_frequency",
                                   "policy_frequency belongs to profile cleanrl");
    c->target_update_interval = (uint32_t)o->get_int(o, "target_update_interval");
    c->stable = o->get_bool(o, "stable_log_prob");
    c->sde = o->get_bool(o, "use_sde");
    freq = o->get_int(o, "sde_sample_freq");
    c->sde_sample_freq = freq > 0 ? (uint64_t)freq : 0;
    c->log_std_init = o->get_float(o, "log_std_init");
    if (c->sde && (uint64_t)b->hidden[b->n_hidden - 1] * s->base.n_act > 65536)
        return kit_off_policy_fail(&s->base, err, LATHE_E_INVALID, "use_sde",
                                   "last hidden layer x actions exceeds 65536");
    return entropy(s, o, err);
}
