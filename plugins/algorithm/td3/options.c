/* Option tables of "td3" and "ddpg". */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "td3.h"

static const char *const schedules[] = {"constant", "linear", "cosine", NULL};
static const char *const activations[] = {"identity", "tanh", "relu", "gelu", NULL};
static const char *const noises[] = {"none", "normal", "ornstein-uhlenbeck", NULL};
static const char *const isas[] = {"auto", "portable", "avx2", "avx512", NULL};

#define COMMON_OPTIONS                                                                            \
    LATHE_OPTION("learning_rate", LATHE_OPT_FLOAT, 0, "1e-3", 0, 1, NULL, NULL,                   \
                 "Adam step size of actor and critics."),                                         \
        LATHE_OPTION_ENUM("lr_schedule", "constant", schedules, "Course of the step size to 0."), \
        LATHE_OPTION_INT("buffer_size", "1000000", 1, 1073741824, "Rows of the replay memory."),  \
        LATHE_OPTION_INT("learning_starts", "100", 0, 1073741824,                                 \
                         "Environment steps with uniform actions before learning."),              \
        LATHE_OPTION_INT("batch_size", "256", 1, 65536, "Minibatch rows."),                       \
        LATHE_OPTION_FLOAT("tau", "0.005", 0, 1, "Share of the nets in the target nets."),        \
        LATHE_OPTION_FLOAT("gamma", "0.99", 0, 1, "Discount factor."),                            \
        LATHE_OPTION_INT("train_freq", "1", 1, 1048576,                                           \
                         "Steps of every environment row between trainings."),                    \
        LATHE_OPTION_INT("gradient_steps", "1", -1, 1048576,                                      \
                         "Gradient steps per training, -1 = one per environment step."),          \
        LATHE_OPTION_INT("n_step", "1", 1, 1024, "Steps of the return before bootstrapping."),    \
        LATHE_OPTION_ENUM("noise_type", "normal", noises, "Exploration noise."),                  \
        LATHE_OPTION_FLOAT("noise_std", "0.1", 0, 10,                                             \
                           "Deviation of the exploration noise; actions span -1 to 1."),          \
        LATHE_OPTION_LIST("net_arch", "[400, 300]", 1, 4096,                                      \
                          "Widths of the hidden layers of actor and critics, 1 to 8 of them."),   \
        LATHE_OPTION_ENUM("activation", "relu", activations, "Activation of the hidden layers."), \
        LATHE_OPTION_ENUM("isa", "auto", isas, "Instruction set; results do not depend on it.")

const struct lathe_option *const td3_options[] = {
    COMMON_OPTIONS,
    LATHE_OPTION_INT("policy_delay", "2", 1, 1024,
                     "Gradient steps of the critics per step of actor and target nets."),
    LATHE_OPTION_FLOAT("target_policy_noise", "0.2", 0, 10,
                       "Deviation of the noise on target actions."),
    LATHE_OPTION_FLOAT("target_noise_clip", "0.5", 0, 10, "Limit of the noise on target actions."),
    NULL};

const struct lathe_option *const ddpg_options[] = {COMMON_OPTIONS, NULL};

void td3_configure(struct td3 *t, const struct lathe_params *o, int32_t ddpg)
{
    struct td3_config *c = &t->cfg;
    const char *noise = o->get_string(o, "noise_type");

    c->noise = strcmp(noise, "normal") == 0 ? TD3_NOISE_NORMAL
               : strcmp(noise, "none") == 0 ? TD3_NOISE_NONE
                                            : TD3_NOISE_OU;
    c->noise_std = (float)o->get_float(o, "noise_std");
    c->n_critics = ddpg ? 1 : 2;
    c->policy_delay = ddpg ? 1 : (uint32_t)o->get_int(o, "policy_delay");
    c->target_noise = ddpg ? 0 : (float)o->get_float(o, "target_policy_noise");
    c->target_clip = ddpg ? 0 : (float)o->get_float(o, "target_noise_clip");
}
