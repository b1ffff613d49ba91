/* Fixture: an environment whose file crashes, or with WORKER_HANG never returns, in init. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <unistd.h>

#include "lathe/env.h"
#include "lathe/plugin.h"

static int32_t bad_init(const struct lathe_host *host, struct lathe_error *err, void **state)
{
    (void)host;
    (void)err;
    (void)state;
#ifdef WORKER_HANG
    while (getppid() != 0)
        sleep(1);
#else
    kill(getpid(), SIGKILL);
#endif
    return LATHE_OK;
}

static int32_t bad_open(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    (void)args;
    (void)err;
    (void)batch;
    return LATHE_E_UNSUPPORTED;
}

static const struct lathe_env_spec *bad_spec(void *batch)
{
    return batch;
}

static int32_t bad_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                         const struct lathe_env_io *io)
{
    (void)batch;
    (void)first;
    (void)count;
    (void)rows;
    (void)io;
    return LATHE_E_UNSUPPORTED;
}

static int32_t bad_step(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io)
{
    return bad_reset(batch, first, count, NULL, io);
}

static void bad_close(void *batch)
{
    (void)batch;
}

static const struct lathe_env bad_env = {sizeof bad_env, 0,        bad_open,  bad_spec,
                                         bad_reset,      bad_step, bad_close, NULL};
static const struct lathe_component *const components[] = {
    LATHE_COMPONENT(LATHE_KIND_ENV, "Bad-v0", "Never usable.", &bad_env, NULL), NULL};
LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER, "org.lathe.test.bad", "1.0.0",  "Apache-2.0",
    "Never usable.",     components,           bad_init, NULL};
