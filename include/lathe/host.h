/* What a plugin may ask of the process that loaded it: log lines and services by id.
 * Threads: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_HOST_H
#define LATHE_HOST_H

#include "lathe/log.h"
#include "lathe/status.h"

/* The host as one plugin sees it. Every plugin gets its own, so log lines and timers carry its id.
 * Valid from init() until fini() returns. ctx is the host's and never to be read. */
struct lathe_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    void *ctx;

    /* Looks up a service table by id ("lathe.store/1"). Memory: the table is the host's, constant,
     * valid until fini(). Returns NULL when this process does not offer it: services named in
     * lathe_component.needs are there for certain. Thread: [any]. Since 1.0. */
    const void *(*get_service)(const struct lathe_host *host, const char *id);

    /* Writes one event to the server's log. Memory: everything is borrowed; fields may be NULL and
     * is otherwise NULL-terminated. Thread: [any]. Since 1.0. */
    void (*log)(const struct lathe_host *host, int32_t level, const char *msg,
                const struct lathe_field *const *fields);
};

#endif
