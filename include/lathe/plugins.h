/* Service "lathe.plugins/1": which plugin files the server knows, and what is in them.
 * Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_PLUGINS_H
#define LATHE_PLUGINS_H

#include "lathe/status.h"

#define LATHE_SERVICE_PLUGINS "lathe.plugins/1"

#define LATHE_PLUGIN_OK 0      /* usable */
#define LATHE_PLUGIN_BROKEN 1  /* refused; reason says why */
#define LATHE_PLUGIN_PROBING 2 /* found, description not there yet */

/* One component of a file, as the probe described it. */
struct lathe_component_info {
    uint32_t struct_size, reserved0;
    const char *kind, *name, *summary;
    const char *plugin_id;
    const char
        *options; /* JSON array of {"name","type","default","min","max","choices","unit","doc",
                     "required","live","secret"} */
    const char *describe; /* JSON object of what only this kind can tell (spaces of an environment,
                             action types of an algorithm); "{}" when there is nothing */
};

/* One file. Components are NULL-terminated and empty when the file is broken. */
struct lathe_plugin_info {
    uint32_t struct_size;
    uint32_t status; /* LATHE_PLUGIN_* */
    const char *path;
    const char *id, *version, *license, *summary; /* "" when unknown */
    const char *sha256, *build_id;                /* lower-case hex; "" when unknown */
    const char *reason;                           /* why it is broken, else "" */
    int64_t mtime_ms;
    const struct lathe_component_info *const *components;
};

/* Returns 0 to go on, anything else to stop the listing. */
typedef int32_t (*lathe_plugin_visit_fn)(void *user, const struct lathe_plugin_info *plugin);
typedef int32_t (*lathe_component_visit_fn)(void *user,
                                            const struct lathe_component_info *component);

struct lathe_plugins_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Calls visit for every file, sorted by path. Memory: the record is borrowed for the call.
     * Thread: [loop]. Since 1.0. */
    void (*list)(const struct lathe_plugins_service *plugins, lathe_plugin_visit_fn visit,
                 void *user);

    /* Calls visit for every usable component of kind ("lathe.env/1"; NULL for all), sorted by name.
     * Thread: [loop]. Since 1.0. */
    void (*components)(const struct lathe_plugins_service *plugins, const char *kind,
                       lathe_component_visit_fn visit, void *user);

    /* One usable component, or NULL. Memory: valid until the handler returns to the loop.
     * Thread: [loop]. Since 1.0. */
    const struct lathe_component_info *(*find)(const struct lathe_plugins_service *plugins,
                                               const char *kind, const char *name);

    /* Checks options (a JSON object of name to value) against the option table of a component and
     * returns the complete set, defaults filled in, as JSON text.
     * Memory: *out is the host's, valid until the handler returns to the loop.
     * Errors: LATHE_E_NOT_FOUND without the component; LATHE_E_INVALID with err->field for an
     * unknown name, wrong type or value out of range. Thread: [loop]. Since 1.0. */
    int32_t (*resolve)(const struct lathe_plugins_service *plugins, const char *kind,
                       const char *name, const char *options, const char **out,
                       struct lathe_error *err);

    /* Looks for new, changed and removed files now; results appear as probes finish.
     * Thread: [loop]. Since 1.0. */
    void (*rescan)(const struct lathe_plugins_service *plugins);

    /* Number that grows whenever the list changes: lets a caller keep what it derived.
     * Thread: [loop]. Since 1.0. */
    uint64_t (*generation)(const struct lathe_plugins_service *plugins);
};

#endif
