/* The host's part for tests: options from the table with text overrides, buffers, SAME_STEP resets.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/testkit.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct overrides {
    const struct lathe_option *const *options;
    const char *const *pairs;
};

static const char *text_of(const struct lathe_params *params, const char *name)
{
    const struct overrides *o = params->ctx;

    for (uint32_t k = 0; o->pairs != NULL && o->pairs[k] != NULL; k += 2)
        if (strcmp(o->pairs[k], name) == 0)
            return o->pairs[k + 1];
    for (uint32_t k = 0; o->options != NULL && o->options[k] != NULL; k++)
        if (strcmp(o->options[k]->name, name) == 0)
            return o->options[k]->def;
    fail_msg("option %s is not declared", name);
    return "";
}

static int32_t get_bool(const struct lathe_params *p, const char *name)
{
    return strcmp(text_of(p, name), "true") == 0;
}

static int64_t get_int(const struct lathe_params *p, const char *name)
{
    return strtoll(text_of(p, name), NULL, 10);
}

static double get_float(const struct lathe_params *p, const char *name)
{
    return strtod(text_of(p, name), NULL);
}

static const char *get_string(const struct lathe_params *p, const char *name)
{
    return text_of(p, name);
}

static uint32_t get_list(const struct lathe_params *p, const char *name, double *out, uint32_t cap)
{
    const char *s = text_of(p, name);
    uint32_t n = 0;

    for (s += *s == '['; *s != '\0' && *s != ']'; s += *s == ',') {
        char *end;
        const double x = strtod(s, &end);
        if (end == s)
            break;
        if (n < cap)
            out[n] = x;
        n++;
        s = end;
    }
    return n;
}

static int32_t is_set(const struct lathe_params *p, const char *name)
{
    const struct overrides *o = p->ctx;

    for (uint32_t k = 0; o->pairs != NULL && o->pairs[k] != NULL; k += 2)
        if (strcmp(o->pairs[k], name) == 0)
            return 1;
    return 0;
}

static const void *no_service(const struct lathe_host *host, const char *id)
{
    (void)host;
    (void)id;
    return NULL;
}

static void log_nothing(const struct lathe_host *host, int32_t level, const char *msg,
                        const struct lathe_field *const *fields)
{
    (void)host;
    (void)level;
    (void)msg;
    (void)fields;
}

static void *buffer(size_t bytes)
{
    const size_t size = (bytes + 64) & ~(size_t)63;
    void *p = aligned_alloc(64, size);

    assert_non_null(p);
    memset(p, 0, size);
    return p;
}

static void find_component(struct testkit *kit, const char *stem, const char *component)
{
    char path[512];
    void *symbol;

    (void)snprintf(path, sizeof path, "%s/%s.so", ENV_PLUGIN_DIR, stem);
    kit->so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (kit->so == NULL)
        fail_msg("%s", dlerror());
    symbol = dlsym(kit->so, "lathe_plugin_v1");
    assert_non_null(symbol);
    kit->plugin = symbol;
    assert_int_equal(kit->plugin->magic, LATHE_MAGIC);
    for (uint32_t k = 0; kit->plugin->components[k] != NULL; k++)
        if (strcmp(kit->plugin->components[k]->name, component) == 0)
            kit->component = kit->plugin->components[k];
    if (kit->component == NULL)
        fail_msg("%s has no component %s", stem, component);
    kit->env = kit->component->vtable;
}

static void make_buffers(struct testkit *kit)
{
    const struct lathe_env_mask *mask = kit->env->extension(kit->batch, LATHE_ENV_MASK);
    const struct lathe_env_info *info = kit->env->extension(kit->batch, LATHE_ENV_INFO);
    const uint32_t n = kit->n;

    kit->n_mask = mask == NULL ? 0 : mask->n_mask;
    kit->n_info = info == NULL ? 0 : info->n_info;
    kit->act = buffer((size_t)n * kit->spec->act_stride);
    kit->obs = buffer((size_t)n * kit->spec->obs_stride);
    kit->final_obs = buffer((size_t)n * kit->spec->obs_stride);
    kit->reward = buffer(4 * (size_t)n);
    kit->terminated = buffer(n);
    kit->truncated = buffer(n);
    kit->ended = buffer(n);
    kit->seeds = buffer(8 * (size_t)n);
    kit->t = buffer(4 * (size_t)n);
    kit->mask = kit->n_mask == 0 ? NULL : buffer((size_t)n * kit->n_mask);
    kit->info = kit->n_info == 0 ? NULL : buffer(4 * (size_t)n * kit->n_info);
    kit->io = (struct lathe_env_io){
        sizeof kit->io, 0,    kit->act, kit->obs,  kit->reward, kit->terminated,
        kit->truncated, NULL, NULL,     kit->mask, kit->info};
}

int32_t testkit_open(struct testkit *kit, const char *stem, const char *component, uint32_t n,
                     const char *const *options, struct lathe_error *err)
{
    const struct lathe_host host = {sizeof host, LATHE_ABI_MAJOR, LATHE_ABI_MINOR,
                                    NULL,        no_service,      log_nothing};
    struct overrides overrides;
    struct lathe_params params = {sizeof params, 0,          &overrides, get_bool,   get_int,
                                  get_float,     get_string, get_list,   get_string, is_set};
    struct lathe_env_args args = {sizeof args, n, &host, &params};
    int32_t st;

    memset(kit, 0, sizeof *kit);
    find_component(kit, stem, component);
    overrides = (struct overrides){kit->component->options, options};
    if ((st = kit->env->open(&args, err, &kit->batch)) != LATHE_OK)
        return st;
    kit->n = n;
    kit->spec = kit->env->spec(kit->batch);
    kit->limit = kit->spec->default_limit;
    make_buffers(kit);
    return LATHE_OK;
}

void testkit_close(struct testkit *kit)
{
    if (kit->env != NULL)
        kit->env->close(kit->batch);
    free(kit->act);
    free(kit->obs);
    free(kit->final_obs);
    free(kit->reward);
    free(kit->terminated);
    free(kit->truncated);
    free(kit->ended);
    free(kit->seeds);
    free(kit->t);
    free(kit->mask);
    free(kit->info);
    memset(kit, 0, sizeof *kit);
}

void testkit_reset(struct testkit *kit, uint64_t seed)
{
    for (uint32_t i = 0; i < kit->n; i++) {
        kit->seeds[i] = seed + i;
        kit->t[i] = 0;
    }
    kit->io.seeds = kit->seeds;
    assert_int_equal(kit->env->reset(kit->batch, 0, kit->n, NULL, &kit->io), LATHE_OK);
    kit->io.seeds = NULL;
    kit->total_reward = 0;
    kit->n_episodes = 0;
}

void testkit_advance(struct testkit *kit)
{
    uint32_t n_ended = 0;

    assert_int_equal(kit->env->step(kit->batch, 0, kit->n, &kit->io), LATHE_OK);
    for (uint32_t i = 0; i < kit->n; i++) {
        kit->total_reward += (double)kit->reward[i];
        kit->t[i]++;
        if (kit->limit != 0 && kit->t[i] >= kit->limit)
            kit->truncated[i] = 1;
        kit->ended[i] = kit->terminated[i] | kit->truncated[i];
        if (kit->ended[i]) {
            kit->t[i] = 0;
            n_ended++;
        }
    }
    kit->n_episodes += n_ended;
    memcpy(kit->final_obs, kit->obs, (size_t)kit->n * kit->spec->obs_stride);
    if (n_ended > 0)
        assert_int_equal(kit->env->reset(kit->batch, 0, kit->n, kit->ended, &kit->io), LATHE_OK);
}
