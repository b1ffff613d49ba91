/* Proposal, kind "lathe.connector/1": the physical side of a digital twin.
 * Threads: [pool]; the sink may be called from any thread. May change until a user of it ships. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_DRAFT_CONNECTOR_H
#define LATHE_DRAFT_CONNECTOR_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_CONNECTOR "lathe.connector/1"

struct lathe_reading {
    const char *sensor;
    int64_t wall_ms; /* when the device measured it */
    double value;
};

/* Where a connector delivers; the host's, valid until close. */
struct lathe_connector_sink {
    uint32_t struct_size, reserved0;
    void *ctx;
    int32_t (*readings)(const struct lathe_connector_sink *sink,
                        const struct lathe_reading *readings, uint32_t n_readings);
    void (*online)(const struct lathe_connector_sink *sink, int32_t is_online, const char *reason);
};

struct lathe_connector {
    uint32_t struct_size, flags;
    /* Connects in the background; being unreachable is reported to the sink, not here. */
    int32_t (*open)(const struct lathe_host *host, const struct lathe_params *params,
                    const struct lathe_connector_sink *sink, struct lathe_error *err, void **self);
    void (*close)(void *self);
    /* Sends a command to an actuator and waits for the device's acknowledgement.
     * Errors: LATHE_E_TIMEOUT, LATHE_E_UNAVAILABLE, LATHE_E_DENIED. */
    int32_t (*command)(void *self, const char *actuator, double value, uint64_t deadline_ms,
                       struct lathe_error *err);
};

#endif
