/* Engine "cpu": small dense nets on one or a few cores, equal bits on every instruction set and
 * thread count. This file opens engines and holds the table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cpu.h"
#include "lathe/plugin.h"

#define CPU_MAX_THREADS 64u

static uint32_t score(void)
{
    return 100u * kernels_get(LATHE_ISA_AUTO)->isa;
}

static void engine_close(struct lathe_engine_self *self)
{
    if (self == NULL)
        return;
    group_close(self->group);
    free(self);
}

static int32_t engine_open(const struct lathe_engine_args *args, struct lathe_error *err,
                           struct lathe_engine_self **self)
{
    const uint32_t threads = args->threads > CPU_MAX_THREADS ? CPU_MAX_THREADS : args->threads;
    struct lathe_engine_self *made;
    int32_t st;

    if (kernels_get(args->isa) == NULL)
        return cpu_fail(err, LATHE_E_UNSUPPORTED, "this CPU lacks the instruction set asked for");
    if ((made = calloc(1, sizeof *made)) == NULL)
        return cpu_fail(err, LATHE_E_NOMEM, "no memory for an engine");
    made->kernels = kernels_get(args->isa);
    made->host = args->host;
    if (threads > 1 && (st = group_open(threads - 1, &made->group)) != LATHE_OK) {
        free(made);
        return cpu_fail(err, st, "cannot start helper threads");
    }
    *self = made;
    return LATHE_OK;
}

static uint32_t stride(const struct lathe_net *net)
{
    return net->dense[net->n_dense - 1].out_pad;
}

static uint64_t step_get(const struct lathe_net *net)
{
    return net->step;
}

static void step_set(struct lathe_net *net, uint64_t step)
{
    net->step = step;
}

static void run_group(struct lathe_engine_self *self, void (*call)(void *user, uint32_t index),
                      void *user, uint32_t n)
{
    uint32_t i;

    if (self->group != NULL) {
        group_run(self->group, call, user, n);
        return;
    }
    for (i = 0; i < n; i++)
        call(user, i);
}

static uint32_t engine_isa(const struct lathe_engine_self *self)
{
    return self->kernels->isa;
}

static const struct lathe_engine cpu_engine = {
    .struct_size = sizeof(struct lathe_engine),
    .score = score,
    .open = engine_open,
    .close = engine_close,
    .net_open = cpu_net_open,
    .net_close = cpu_net_close,
    .workspace_open = cpu_workspace_open,
    .workspace_close = cpu_workspace_close,
    .stride = stride,
    .forward = cpu_forward,
    .backward = cpu_backward,
    .optim = cpu_optim,
    .polyak = cpu_polyak,
    .tensor_get = cpu_tensor_get,
    .tensor_set = cpu_tensor_set,
    .step_get = step_get,
    .step_set = step_set,
    .group = run_group,
    .isa = engine_isa,
};

LATHE_PLUGIN_SINGLE("org.lathe.engine.cpu", "1.0.0", "Apache-2.0",
                    "Neural networks on the CPU: fused kernels for small dense layers.",
                    LATHE_KIND_ENGINE, "cpu", &cpu_engine, NULL);
