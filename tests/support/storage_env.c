/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a storage plugin with the defaults of its options and opens a store over it. */

#include "tests/support/storage_env.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/io.h"
#include "lathe/plugin.h"

static int64_t get_int(const struct lathe_params *params, const char *name)
{
    static const struct {
        const char *name;
        int64_t value;
    } defaults[] = {
        {"cache_mib", 16}, {"merge_points", 60000}, {"merge_age", 30}, {"max_backlog", 2000000}};

    (void)params;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (strcmp(name, defaults[i].name) == 0)
            return defaults[i].value;
    return 0;
}

static const char *get_string(const struct lathe_params *params, const char *name)
{
    (void)params;
    return strcmp(name, "file") == 0 ? "lathe.db" : "quick";
}

static const struct lathe_storage *load(const char *name)
{
    char path[512];
    const struct lathe_plugin *plugin;
    void *handle;

    snprintf(path, sizeof path, LATHE_BINARY_DIR "/plugins/storage_%s.so", name);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(handle);
    plugin = dlsym(handle, "lathe_plugin_v1");
    assert_non_null(plugin);
    return plugin->components[0]->vtable;
}

void storage_env_open_store(struct storage_env *env)
{
    struct lathe_error err = {0};

    if (store_open(&env->options, &env->store, &err) != LATHE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(store_service(env->store, "test", &env->service, NULL), LATHE_OK);
}

void storage_env_open(struct storage_env *env, const char *plugin, struct event_base *base)
{
    memset(env, 0, sizeof *env);
    snprintf(env->dir, sizeof env->dir, "/tmp/lathe-store-XXXXXX");
    assert_non_null(mkdtemp(env->dir));
    env->plugin = plugin;
    env->base = base != NULL ? base : event_base_new();
    env->params = (struct lathe_params){
        .struct_size = sizeof env->params, .get_int = get_int, .get_string = get_string};
    env->options.storage = load(plugin);
    env->options.params = &env->params;
    env->options.data_dir = env->dir;
    env->options.base = env->base;
    storage_env_open_store(env);
    if (base != NULL)
        env->base = NULL;
}

void storage_env_close(struct storage_env *env)
{
    store_close(env->store);
    if (env->base != NULL)
        event_base_free(env->base);
    assert_int_equal(io_remove_tree(env->dir, NULL), LATHE_OK);
}
