/* A loop and a store over a built storage plugin, in a temporary directory, for tests of core
 * modules. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_STORAGE_ENV_H
#define TESTS_SUPPORT_STORAGE_ENV_H

#include <event2/event.h>

#include "core/store/store.h"

struct storage_env {
    char dir[64];
    struct event_base *base;
    struct store *store;
    const struct lathe_store_service *service; /* name space "test" */
    const char *plugin;
    struct store_options options;
    struct lathe_params params;
};

/* plugin is "memory" or "sqlite". base may be NULL: a new one. Asserts on failure. */
void storage_env_open(struct storage_env *env, const char *plugin, struct event_base *base);
void storage_env_open_store(struct storage_env *env);
void storage_env_close(struct storage_env *env); /* also removes the directory */

#endif
