/* Service "lathe.run/1": what a task in a worker says about its run, and asks about it.
 * Threads: [learn] except where said. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_RUN_H
#define LATHE_RUN_H

#include "lathe/status.h"

#define LATHE_SERVICE_RUN "lathe.run/1"

struct lathe_run_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Reports how far the work is, in the task's own unit (steps, episodes, bytes); total 0 =
     * unknown. Cheap: the host sends at most four reports a second. Thread: [any]. Since 1.0. */
    void (*progress)(const struct lathe_run_service *run, uint64_t current, uint64_t total);

    /* 1 when the work should end soon: a stop, pause or shutdown waits for the slice to return.
     * Cheap enough for inner loops. Thread: [any]. Since 1.0. */
    int32_t (*should_yield)(const struct lathe_run_service *run);

    /* A point between two units of work, for tasks that call a library with long callbacks: sends
     * heartbeats and reads control messages. Returns LATHE_OK to go on, LATHE_E_CANCELLED when
     * slice must return now. Since 1.0. */
    int32_t (*point)(const struct lathe_run_service *run);

    /* Directory that belongs to the run; files named by results live here. Memory: the host's,
     * valid until close. Thread: [any]. Since 1.0. */
    const char *(*dir)(const struct lathe_run_service *run);

    /* Seed of the run, and the number of cores it may use. Thread: [any]. Since 1.0. */
    uint64_t (*seed)(const struct lathe_run_service *run);
    uint32_t (*threads)(const struct lathe_run_service *run);

    /* Publishes an evaluation: a JSON object. Memory: borrowed. Errors: LATHE_E_INVALID when it is
     * not one, LATHE_E_LIMIT over 1 MiB. Since 1.0. */
    int32_t (*evaluation)(const struct lathe_run_service *run, const char *json,
                          struct lathe_error *err);
};

#endif
