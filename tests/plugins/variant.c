/* One small environment plugin in many variants, chosen by -DVARIANT_<NAME>: a good one, an old
 * one, one of the future, and one bad one for each reason to refuse a file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "lathe/env.h"
#include "lathe/plugin.h"

static int32_t env_open(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    (void)args;
    (void)err;
    *batch = NULL;
    return LATHE_E_UNSUPPORTED;
}

static const struct lathe_env_spec *env_spec(void *batch)
{
    (void)batch;
    return NULL;
}

static int32_t env_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                         const struct lathe_env_io *io)
{
    (void)batch;
    (void)first;
    (void)count;
    (void)rows;
    (void)io;
    return LATHE_OK;
}

LATHE_UNUSED static int32_t env_step(void *batch, uint32_t first, uint32_t count,
                                     const struct lathe_env_io *io)
{
    (void)batch;
    (void)first;
    (void)count;
    (void)io;
    return LATHE_OK;
}

static void env_close(void *batch)
{
    (void)batch;
}

#if defined(VARIANT_OLD)
#define ENV_SIZE (uint32_t)(offsetof(struct lathe_env, close) + sizeof(void (*)(void)))
#elif defined(VARIANT_BAD_VTABLE_SIZE)
#define ENV_SIZE 16
#else
#define ENV_SIZE (uint32_t)sizeof(struct lathe_env)
#endif
#ifdef VARIANT_BAD_SLOT
#define ENV_STEP NULL
#else
#define ENV_STEP env_step
#endif

LATHE_UNUSED static const struct lathe_env env = {ENV_SIZE,  0,        env_open,  env_spec,
                                                  env_reset, ENV_STEP, env_close, NULL};

/* ---- options ---- */

#define GOOD_OPTION LATHE_OPTION_INT("size", "4", 1, 10, "Number of cells.")
#define PLAIN(name, type, def, lo, hi, doc) \
    LATHE_OPTION(name, type, 0, def, lo, hi, NULL, NULL, doc)

static const struct lathe_option *const options[] = {
#if defined(VARIANT_BAD_OPTION_NAME)
    LATHE_OPTION_INT("Size-Of", "4", 1, 10, "Number of cells."),
#elif defined(VARIANT_BAD_OPTION_TYPE)
    PLAIN("size", 99, "4", 1, 10, "Number of cells."),
#elif defined(VARIANT_BAD_OPTION_DOC)
    PLAIN("size", LATHE_OPT_INT, "4", 1, 10, NULL),
#elif defined(VARIANT_BAD_OPTION_CHOICES)
    PLAIN("size", LATHE_OPT_ENUM, "4", 0, 0, "Number of cells."),
#elif defined(VARIANT_BAD_OPTION_DEFAULT)
    PLAIN("size", LATHE_OPT_INT, NULL, 1, 10, "Number of cells."),
#elif defined(VARIANT_BAD_OPTION_RANGE)
    LATHE_OPTION_INT("size", "40", 1, 10, "Number of cells."),
#elif defined(VARIANT_BAD_OPTION_TWICE)
    GOOD_OPTION, GOOD_OPTION,
#elif defined(VARIANT_BAD_OPTION_SECRET)
    LATHE_OPTION("api_key", LATHE_OPT_STRING, LATHE_OPT_SECRET, "", 0, 100, NULL, NULL, "A key."),
#elif defined(VARIANT_BAD_OPTION_SIZE)
    (&(const struct lathe_option){8, 0, "size", LATHE_OPT_INT, 0, "4", 1, 10, NULL, NULL,
                                  "Cells."}),
#else
    GOOD_OPTION,
#endif
    NULL};

/* ---- components ---- */

#ifdef VARIANT_BAD_KIND
#define KIND "lathe.teapot/1"
#else
#define KIND LATHE_KIND_ENV
#endif
#ifdef VARIANT_BAD_NAME
#define NAME "../etc"
#else
#define NAME VARIANT_TEXT "-v0"
#endif
#ifdef VARIANT_BAD_VTABLE
#define VTABLE NULL
#else
#define VTABLE &env
#endif
#ifdef VARIANT_BAD_SUMMARY
#define SUMMARY ""
#else
#define SUMMARY "An environment for tests."
#endif
#ifdef VARIANT_BAD_COMPONENT_SIZE
#define COMPONENT_SIZE 24
#else
#define COMPONENT_SIZE sizeof(struct lathe_component)
#endif

static const char *const needs[] = {
#ifdef VARIANT_BAD_NEEDS
    "org.example.coffee/1",
#endif
    NULL};

static const struct lathe_component component = {COMPONENT_SIZE, 0,      KIND,  NAME,
                                                 SUMMARY,        VTABLE, needs, options};

static const struct lathe_component *const components[] = {
#ifdef VARIANT_BAD_EMPTY
    NULL,
#endif
    &component,
#ifdef VARIANT_BAD_TWICE
    &component,
#endif
    NULL};

/* ---- init ---- */

static int32_t plugin_init(const struct lathe_host *host, struct lathe_error *err, void **state)
{
    (void)host;
    (void)err;
    *state = NULL;
#if defined(VARIANT_BAD_INIT)
    if (err != NULL)
        snprintf(err->text, sizeof err->text, "the moon is not full");
    return LATHE_E_UNAVAILABLE;
#elif defined(VARIANT_BAD_CRASH)
    raise(SIGSEGV);
#elif defined(VARIANT_BAD_HANG)
    for (;;)
        nanosleep(&(const struct timespec){1, 0}, NULL);
#endif
    return LATHE_OK;
}

#ifdef VARIANT_BAD_LOAD
void lathe_no_such_function(void);
static void plugin_fini(void *state)
{
    (void)state;
    lathe_no_such_function();
}
#else
static void plugin_fini(void *state)
{
    (void)state;
}
#endif

/* ---- entry ---- */

#ifdef VARIANT_BAD_MAGIC
#define MAGIC 0x12345678u
#else
#define MAGIC LATHE_MAGIC
#endif
#if defined(VARIANT_BAD_SIZE)
#define SIZE 40
#elif defined(VARIANT_FUTURE)
#define SIZE (sizeof(struct lathe_plugin) + 64)
#else
#define SIZE sizeof(struct lathe_plugin)
#endif
#ifdef VARIANT_BAD_TAG
#define TAG (LATHE_ABI_TAG ^ 0x1000u)
#else
#define TAG LATHE_ABI_TAG
#endif
#ifdef VARIANT_BAD_TABLE_MAJOR
#define MAJOR (LATHE_ABI_MAJOR + 1)
#else
#define MAJOR LATHE_ABI_MAJOR
#endif
#ifdef VARIANT_BAD_MINOR
#define MINOR_MIN (LATHE_ABI_MINOR + 7)
#else
#define MINOR_MIN 0
#endif
#if defined(VARIANT_FUTURE) || defined(VARIANT_BAD_MINOR)
#define MINOR (LATHE_ABI_MINOR + 7)
#else
#define MINOR LATHE_ABI_MINOR
#endif
#ifdef VARIANT_BAD_ID
#define ID "Not An Id"
#else
#define ID "org.lathe.test." VARIANT_TEXT
#endif
#ifdef VARIANT_BAD_LICENSE
#define LICENSE NULL
#else
#define LICENSE "Apache-2.0"
#endif

#if defined(VARIANT_BAD_SYMBOL)
#define SYMBOL somebody_elses_plugin
#elif defined(VARIANT_BAD_MAJOR)
#define SYMBOL lathe_plugin_v2
#else
#define SYMBOL lathe_plugin_v1
#endif
extern LATHE_EXPORT const struct lathe_plugin SYMBOL;
LATHE_EXPORT const struct lathe_plugin SYMBOL = {
    MAGIC, SIZE,    MAJOR,   MINOR,        MINOR_MIN,  0,           TAG,        0,
    ID,    "1.0.0", LICENSE, "For tests.", components, plugin_init, plugin_fini};
