/* Resolved options of a component: every declared option has a checked value when open() sees it.
 * Threads: [any] until the call that received them returns. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_PARAMS_H
#define LATHE_PARAMS_H

#include "lathe/abi.h"

/* Values of one option table. Types, ranges and choices were checked before; a plugin only reads.
 * Reading a name or type that the option table does not declare is a defect of the plugin: it is
 * logged and yields 0, 0.0, "" or an empty list. Strings live until the owner of the params object
 * returns from the call it passed them to. Thread: [any]. Since 1.0. */
struct lathe_params {
    uint32_t struct_size;
    uint32_t reserved0;
    const void *ctx; /* the host's */

    int32_t (*get_bool)(const struct lathe_params *params, const char *name); /* 0 or 1 */
    int64_t (*get_int)(const struct lathe_params *params, const char *name);
    double (*get_float)(const struct lathe_params *params, const char *name); /* INT options too */
    const char *(*get_string)(const struct lathe_params *params,
                              const char *name); /* STRING, ENUM */

    /* Copies up to cap numbers of a LIST option into out (may be NULL when cap is 0) and returns
     * how many the list holds. */
    uint32_t (*get_list)(const struct lathe_params *params, const char *name, double *out,
                         uint32_t cap);

    /* A JSON option as JSON text, "null" when absent. */
    const char *(*get_json)(const struct lathe_params *params, const char *name);

    /* 1 when the user gave the value, 0 when it is the default. */
    int32_t (*is_set)(const struct lathe_params *params, const char *name);
};

#endif
