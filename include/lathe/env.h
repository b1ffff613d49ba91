/* Kind "lathe.env/1": a batch of n_envs copies of one environment, stepped together.
 * Threads: open, spec, close, extension [learn]; reset and step [step], disjoint row ranges at
 * once. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_ENV_H
#define LATHE_ENV_H

#include "lathe/host.h"
#include "lathe/params.h"
#include "lathe/space.h"

#define LATHE_KIND_ENV "lathe.env/1"

#define LATHE_ENV_FINITE 1u     /* finitely many states; usually offers lathe.env.model/1 */
#define LATHE_ENV_STOCHASTIC 2u /* transitions are random */

/* Arguments of open. Borrowed until open returns. */
struct lathe_env_args {
    uint32_t struct_size;
    uint32_t n_envs; /* rows, >= 1 */
    const struct lathe_host *host;
    const struct lathe_params *params; /* the component's options, checked */
};

/* Facts about an opened batch; constant and valid until close. */
struct lathe_env_spec {
    uint32_t struct_size, flags;
    const char *id;                  /* "CartPole-v1" */
    uint32_t version;                /* rises when the dynamics change */
    uint32_t obs_stride, act_stride; /* bytes of one observation row and one action row */
    uint32_t n_agents;               /* rows per sub-environment, 1 for single-agent */
    uint32_t default_limit;          /* steps per episode that the host enforces, 0 = none */
    uint32_t reserved0;
    double reward_threshold; /* mean return that counts as solved, NaN = none */
    const struct lathe_space *obs, *act;
};

/* Buffers of one call. The host owns them; they may differ at every call and need not be kept. Each
 * pointer is row 0 of the whole batch: row i of obs starts at obs + i * obs_stride. All are aligned
 * to 64 bytes. act is read-only (it may be mapped so). */
struct lathe_env_io {
    uint32_t struct_size, reserved0;
    const void *act;     /* step: [n_envs][act_stride] */
    void *obs;           /* out: [n_envs][obs_stride] */
    float *reward;       /* step, out: [n_envs] */
    uint8_t *terminated; /* step, out: 1 = the MDP reached an absorbing state (its value is 0) */
    uint8_t *truncated;  /* step, out: 1 = an outside limit of the model itself ended the episode */
    const uint64_t
        *seeds; /* reset: [n_envs] new seed of each row's generator; NULL continues its stream */
    const char *options_json; /* reset: environment-specific, NULL = defaults */
    uint8_t *mask; /* out: [n_envs][n_mask], 1 = action allowed; only with lathe.env.mask/1; may be
                      NULL */
    float *info;   /* out: [n_envs][n_info]; only with lathe.env.info/1; may be NULL */
};

/* An environment. The author writes dynamics only: time limits, autoreset, episode statistics and
 * normalization are the host's. Row i draws from its own generator (lathe/rng.h), so results depend
 * neither on threads nor on how the batch is cut. No global state, allocation, lock or system call
 * in step. */
struct lathe_env {
    uint32_t struct_size, flags;

    /* Makes a batch. Memory: *batch is the plugin's, released by close; on failure nothing is left.
     * Errors: LATHE_E_INVALID for an option, LATHE_E_NOMEM. Thread: [learn]. Since 1.0. */
    int32_t (*open)(const struct lathe_env_args *args, struct lathe_error *err, void **batch);

    /* Facts about the batch; never NULL. Memory: the plugin's, until close. Thread: [any].
     * Since 1.0. */
    const struct lathe_env_spec *(*spec)(void *batch);

    /* Starts an episode in rows [first, first + count) whose rows[i] is not 0 (rows NULL: all) and
     * writes their obs (and mask, info). rows is indexed by absolute row. Other rows are not
     * touched. Errors: LATHE_E_INVALID for options_json. Thread: [step]. Since 1.0. */
    int32_t (*reset)(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                     const struct lathe_env_io *io);

    /* Steps rows [first, first + count) once: reads act, writes obs (of the state reached, terminal
     * or not), reward, terminated, truncated (and mask, info). Never resets. Errors:
     * LATHE_E_INVALID for a discrete action out of range or a non-finite number; such a row is
     * unchanged, the others are stepped, the batch stays usable. Thread: [step]. Since 1.0. */
    int32_t (*step)(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io);

    /* Releases the batch; NULL is fine. Thread: [learn]. Since 1.0. */
    void (*close)(void *batch);

    /* Constant table of an extension below, or NULL. May be NULL itself. Thread: [learn].
     * Since 1.0. */
    const void *(*extension)(void *batch, const char *id);
};

#define LATHE_ENV_SNAPSHOT "lathe.env.snapshot/1"
/* State of rows as bytes, generator included: get, then set into another batch with equal options,
 * continues bit-identically. buffer holds count * row_bytes. Thread: [learn]. Since 1.0. */
struct lathe_env_snapshot {
    uint32_t struct_size;
    uint32_t row_bytes; /* fixed upper size of one row */
    int32_t (*get)(void *batch, uint32_t first, uint32_t count, void *buffer);
    int32_t (*set)(void *batch, uint32_t first, uint32_t count,
                   const void *buffer); /* CORRUPT when refused */
};

#define LATHE_ENV_RENDER "lathe.env.render/1"
#define LATHE_RENDER_TEXT 0 /* UTF-8; dims[0] = bytes */
#define LATHE_RENDER_RGB 1  /* uint8 height x width x 3; dims = height, width, 3 */
#define LATHE_RENDER_JSON 2 /* for web views; dims[0] = bytes */
/* Draws one row. LATHE_E_LIMIT when cap_bytes is too small (dims then hold what is needed),
 * LATHE_E_UNSUPPORTED for a mode not offered. Thread: [learn]. Since 1.0. */
struct lathe_env_render {
    uint32_t struct_size, reserved0;
    int32_t (*render)(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes,
                      uint32_t dims[4]);
};

#define LATHE_ENV_MASK "lathe.env.mask/1"
/* Action masks: n_mask bytes per row, written with every observation. Since 1.0. */
struct lathe_env_mask {
    uint32_t struct_size;
    uint32_t n_mask; /* number of discrete actions */
};

#define LATHE_ENV_INFO "lathe.env.info/1"
/* Numbers per row for evaluation reports, running totals of the episode so far: after the last step
 * they describe the whole episode. Since 1.0. */
struct lathe_env_info {
    uint32_t struct_size;
    uint32_t n_info;
    const char *const
        *names; /* n_info + 1 entries, NULL-terminated; "success" (0 or 1) is understood by all */
};

#define LATHE_ENV_REPORT "lathe.env.report/1"
/* Turns an evaluation into the environment's own metrics. info is [n_episodes][n_info] at each
 * episode's end, returns and lengths are [n_episodes]; the text is a JSON object of numbers, arrays
 * and objects, NUL-terminated, written into json. LATHE_E_LIMIT when cap_bytes is too small.
 * Thread: [learn]. Since 1.0. */
struct lathe_env_report {
    uint32_t struct_size, reserved0;
    int32_t (*report)(void *batch, uint32_t n_episodes, const float *info, const double *returns,
                      const uint32_t *lengths, char *json, uint64_t cap_bytes);
};

#define LATHE_ENV_DESCRIBE "lathe.env.describe/1"
/* Names for people and tools: discrete actions, and a row's state as text and JSON. Since 1.0. */
struct lathe_env_describe {
    uint32_t struct_size;
    uint32_t n_actions;              /* 0 when actions have no names */
    const char *const *action_names; /* NULL-terminated */
    /* JSON object of the row's visible state into json; optional. LATHE_E_LIMIT as above. */
    int32_t (*state)(void *batch, uint32_t row, char *json, uint64_t cap_bytes);
    /* Inverse for policies: writes the observation of a JSON state into obs (one row); optional.
     * LATHE_E_INVALID with the member at fault in err. */
    int32_t (*observe)(void *batch, const char *state_json, void *obs, struct lathe_error *err);
};

#define LATHE_ENV_SOLVE "lathe.env.solve/1"
/* Exact values where the environment can compute them: a JSON object (optimal_return,
 * random_return, states, ...) into json. Thread: [learn]. Since 1.0. */
struct lathe_env_solve {
    uint32_t struct_size, reserved0;
    int32_t (*solve)(void *batch, const char *options_json, char *json, uint64_t cap_bytes,
                     struct lathe_error *err);
};

#define LATHE_ENV_MODEL "lathe.env.model/1"
struct lathe_outcome {
    double probability, reward;
    uint32_t next_state;
    uint32_t terminated;
};
/* The full model of a finite MDP, states 0 .. n_states - 1 as in the DISCRETE observation. Both
 * calls write at most cap entries and return how many there are (> cap: nothing was written).
 * Thread: [any]. Since 1.0. */
struct lathe_env_model {
    uint32_t struct_size;
    uint32_t n_states, n_actions, reserved0;
    uint32_t (*transitions)(void *batch, uint32_t state, uint32_t action, struct lathe_outcome *out,
                            uint32_t cap);
    uint32_t (*start)(void *batch, struct lathe_outcome *out,
                      uint32_t cap); /* probability, next_state */
};

#endif
