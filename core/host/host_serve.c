/* Service "lathe.serve/1" over core/model. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host_internal.h"
#include "core/model/serve.h"

static struct serve *serve_of(const struct lathe_serve_service *serve)
{
    return ((const struct host_plugin *)serve->ctx)->parts->serve;
}

static int32_t open_target(const struct lathe_serve_service *serve, const char *spec,
                           uint64_t *handle, struct lathe_error *err)
{
    return serve_target_open(serve_of(serve), spec, handle, err);
}

static int32_t call(const struct lathe_serve_service *serve, uint64_t handle,
                    const struct lathe_serve_request *request, struct lathe_error *err)
{
    return serve_target_call(serve_of(serve), handle, request, err);
}

static void close_target(const struct lathe_serve_service *serve, uint64_t handle)
{
    serve_target_close(serve_of(serve), handle);
}

void host_serve_fill(struct host_plugin *p)
{
    p->serve = (struct lathe_serve_service){sizeof p->serve, 0, p, open_target, call, close_target};
}
