/* Proposal, kind "lathe.deployer/1": runs a model somewhere and says how it is doing.
 * Threads: [pool], with the deadline of the call. May change until a user of it ships. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_DRAFT_DEPLOYER_H
#define LATHE_DRAFT_DEPLOYER_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_DEPLOYER "lathe.deployer/1"

/* One deployment as asked for; borrowed for the call. */
struct lathe_deployment {
    uint32_t struct_size, reserved0;
    const char *id;         /* chosen by the server, stable across calls */
    const char *model_path; /* file of the model, read-only */
    const char *spec;       /* JSON object: replicas, resources, target-specific members */
};

struct lathe_deployer {
    uint32_t struct_size, flags;
    int32_t (*open)(const struct lathe_host *host, const struct lathe_params *params,
                    struct lathe_error *err, void **self);
    void (*close)(void *self);

    /* Brings the target to the deployment asked for; calling again with the same id changes it.
     * Errors: LATHE_E_UNAVAILABLE when the target cannot be reached, LATHE_E_TIMEOUT. */
    int32_t (*deploy)(void *self, const struct lathe_deployment *deployment, uint64_t deadline_ms,
                      struct lathe_error *err);
    /* Removes it; an unknown id is LATHE_OK. */
    int32_t (*undeploy)(void *self, const char *id, uint64_t deadline_ms, struct lathe_error *err);
    /* JSON object {"state":"pending|running|failed|gone","ready":n,"message":...} into json.
     * LATHE_E_LIMIT when cap_bytes is too small. */
    int32_t (*status)(void *self, const char *id, uint64_t deadline_ms, char *json,
                      uint64_t cap_bytes, struct lathe_error *err);
};

#define LATHE_DEPLOYER_LOGS "lathe.deployer.logs/1"

#endif
