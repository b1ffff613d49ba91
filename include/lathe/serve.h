/* Service "lathe.serve/1": questions to a loaded model or an open environment in a worker process.
 * Threads: [loop], callbacks too. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_SERVE_H
#define LATHE_SERVE_H

#include "lathe/loop.h"
#include "lathe/status.h"

#define LATHE_SERVICE_SERVE "lathe.serve/1"

/* An answer: JSON text, borrowed for the call; NULL unless status is LATHE_OK. */
typedef void (*lathe_serve_done_fn)(void *user, int32_t status, const char *answer,
                                    uint64_t len_bytes, const struct lathe_error *err);

/* One question. Memory: borrowed for the call that takes it, but for user. done runs at most once,
 * on the loop, never before the call returns; drop(user) runs once after it. When the call itself
 * fails, done does not run, drop does. */
struct lathe_serve_request {
    uint32_t struct_size, reserved0;
    const char *op;
    const char *body; /* JSON text */
    uint64_t deadline_ms;
    lathe_serve_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

struct lathe_serve_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Opens a target and names it *handle; the worker starts at the first call and is kept warm
     * until it was idle for a while or others need its place, then starts again when called. spec:
     * {"model":"model_7"} for a stored model, or {"host":"env"} for a worker that keeps
     * environments open (it forgets them when it ends). Errors: LATHE_E_INVALID, LATHE_E_NOT_FOUND,
     * LATHE_E_LIMIT. Thread: [loop]. Since 1.0. */
    int32_t (*open)(const struct lathe_serve_service *serve, const char *spec, uint64_t *handle,
                    struct lathe_error *err);

    /* Sends one request and hands its answer to done. Operations of a model: "act", "evaluate",
     * "describe"; of an environment host: "env.create", "env.reset", "env.step", "env.close",
     * "env.solve". Requests of one target are answered in order.
     * Errors of the call: LATHE_E_NOT_FOUND for a closed handle, LATHE_E_LIMIT for too many open
     * requests or a body over the limit. Statuses for done: what the worker answered,
     * LATHE_E_TIMEOUT after deadline_ms, LATHE_E_UNAVAILABLE when the worker ended.
     * Thread: [loop]. Since 1.0. */
    int32_t (*call)(const struct lathe_serve_service *serve, uint64_t handle,
                    const struct lathe_serve_request *request, struct lathe_error *err);

    /* Forgets the target: open requests end with LATHE_E_CANCELLED. Unknown handles are ignored. */
    void (*close)(const struct lathe_serve_service *serve, uint64_t handle);
};

#endif
