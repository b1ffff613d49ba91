/* Service "lathe.pool/1". */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host_internal.h"

static int32_t run(const struct lathe_pool_service *pool, uint64_t deadline_ms,
                   lathe_pool_work_fn work, lathe_pool_done_fn done, void *user, lathe_drop_fn drop,
                   struct lathe_error *err)
{
    const struct host_plugin *p = pool->ctx;
    return pool_run(p->parts->pool, deadline_ms, work, done, user, drop, err);
}

void host_pool_fill(struct host_plugin *p)
{
    p->pool = (struct lathe_pool_service){sizeof p->pool, 0, p, run};
}
