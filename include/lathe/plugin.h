/* The entry table of a plugin file: who it is, what it needs, and the components it brings.
 * Threads: the tables are constant; init and fini run on the thread that loads the file. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_PLUGIN_H
#define LATHE_PLUGIN_H

#include "lathe/host.h"
#include "lathe/params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Option types. */
#define LATHE_OPT_BOOL 0   /* "true" or "false" */
#define LATHE_OPT_INT 1    /* 64-bit integer inside [min, max] */
#define LATHE_OPT_FLOAT 2  /* finite double inside [min, max] */
#define LATHE_OPT_STRING 3 /* UTF-8; max > 0 limits its bytes */
#define LATHE_OPT_ENUM 4   /* one of choices */
#define LATHE_OPT_LIST 5   /* JSON array of numbers, each inside [min, max] */
#define LATHE_OPT_JSON 6   /* any JSON value */

/* Option flags. */
#define LATHE_OPT_REQUIRED 1u     /* no default: the user must give it */
#define LATHE_OPT_LIVE 2u         /* may be changed while a job runs */
#define LATHE_OPT_SECRET 4u       /* never logged or shown; server kinds only */
#define LATHE_OPT_MIN_EXCLUDED 8u /* the range is (min, max] */
#define LATHE_OPT_MAX_EXCLUDED 16u

/* One option. Configuration files, job hyperparameters, --help and the reference are made from it.
 */
struct lathe_option {
    uint32_t struct_size, flags;
    const char *name; /* snake_case, the field's usual name */
    uint32_t type, reserved0;
    const char *def;            /* default as text; NULL only with REQUIRED */
    double min, max;            /* both 0: no limit */
    const char *const *choices; /* NULL-terminated, ENUM only */
    const char *unit;           /* "s", "bytes", ...; NULL when it has none */
    const char *doc;            /* one sentence, required */
};

/* One thing that a plugin brings. vtable is the struct of its kind: struct lathe_env for
 * "lathe.env/1", struct lathe_algorithm for "lathe.algorithm/1", and so on. */
struct lathe_component {
    uint32_t struct_size, flags;
    const char *kind;    /* "lathe.env/1" */
    const char *name;    /* unique within its kind: "CartPole-v1", "ppo" */
    const char *summary; /* one sentence for people */
    const void *vtable;
    const char *const *needs; /* service ids that must exist; NULL-terminated or NULL */
    const struct lathe_option *const *options; /* NULL-terminated or NULL */
};

/* The whole file. Exported as one constant object; nothing in it needs a call to be read. */
struct lathe_plugin {
    uint32_t magic, struct_size; /* LATHE_MAGIC; size as the author compiled it */
    uint16_t abi_major, abi_minor, abi_minor_min, reserved0;
    uint32_t abi_tag, flags;
    const char *id;      /* reverse DNS: "org.lathe.ppo" */
    const char *version; /* of the plugin: "1.0.0" */
    const char *license; /* SPDX expression */
    const char *summary;
    const struct lathe_component *const *components; /* NULL-terminated, so elements may grow */

    /* Optional. Checks and allocates; starts no thread and does no I/O. *state is handed to fini.
     * Errors: any status; the file is then refused with err's text. Thread: [loop] or [learn]. */
    int32_t (*init)(const struct lathe_host *host, struct lathe_error *err, void **state);

    /* Optional. Called at orderly exit only; a plugin must survive not being called. */
    void (*fini)(void *state);
};

/* The one exported symbol. Its name carries the ABI major, so that one file may serve two majors.
 */
extern LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1;

#ifdef __cplusplus
}
#endif

/* Fills the version fields of the entry table: use as the first member initialisers. */
#define LATHE_PLUGIN_HEADER                                                           \
    LATHE_MAGIC, sizeof(struct lathe_plugin), LATHE_ABI_MAJOR, LATHE_ABI_MINOR, 0, 0, \
        LATHE_ABI_TAG, 0

/* Option initialisers for C, used inside a table
 *   static const struct lathe_option *const options[] = {
 *       LATHE_OPTION_FLOAT("learning_rate", "3e-4", 0, 1, "Adam step size."), NULL}; */
#define LATHE_OPTION(n, t, fl, d, lo, hi, ch, u, text) \
    (&(const struct lathe_option){sizeof(struct lathe_option), fl, n, t, 0, d, lo, hi, ch, u, text})
#define LATHE_OPTION_BOOL(n, d, text) LATHE_OPTION(n, LATHE_OPT_BOOL, 0, d, 0, 0, NULL, NULL, text)
#define LATHE_OPTION_INT(n, d, lo, hi, text) \
    LATHE_OPTION(n, LATHE_OPT_INT, 0, d, lo, hi, NULL, NULL, text)
#define LATHE_OPTION_FLOAT(n, d, lo, hi, text) \
    LATHE_OPTION(n, LATHE_OPT_FLOAT, 0, d, lo, hi, NULL, NULL, text)
#define LATHE_OPTION_STRING(n, d, max_bytes, text) \
    LATHE_OPTION(n, LATHE_OPT_STRING, 0, d, 0, max_bytes, NULL, NULL, text)
#define LATHE_OPTION_ENUM(n, d, choice_list, text) \
    LATHE_OPTION(n, LATHE_OPT_ENUM, 0, d, 0, 0, choice_list, NULL, text)
#define LATHE_OPTION_LIST(n, d, lo, hi, text) \
    LATHE_OPTION(n, LATHE_OPT_LIST, 0, d, lo, hi, NULL, NULL, text)
#define LATHE_OPTION_JSON(n, d, text) LATHE_OPTION(n, LATHE_OPT_JSON, 0, d, 0, 0, NULL, NULL, text)

/* Component initialiser for C. */
#define LATHE_COMPONENT(kind_id, component_name, text, table, option_table)                      \
    (&(const struct lathe_component){sizeof(struct lathe_component), 0, kind_id, component_name, \
                                     text, table, NULL, option_table})

/* A whole plugin with one component, for C:
 *   LATHE_PLUGIN_SINGLE("org.example.maze", "0.1.0", "MIT", "A maze.",
 *                       "lathe.env/1", "Maze-v0", &maze_env, maze_options) */
#define LATHE_PLUGIN_SINGLE(pid, ver, lic, text, kind_id, component_name, table, option_table) \
    static const struct lathe_component *const lathe_plugin_components_[] = {                  \
        LATHE_COMPONENT(kind_id, component_name, text, table, option_table), NULL};            \
    LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {                                 \
        LATHE_PLUGIN_HEADER, pid, ver, lic, text, lathe_plugin_components_, NULL, NULL}

#endif
