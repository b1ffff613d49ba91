/* The kinds of components this server knows: which process runs them, what they must fill in, and
 * which services that process offers. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REGISTRY_KINDS_H
#define CORE_REGISTRY_KINDS_H

#include <stdint.h>

#include "lathe/abi.h"

enum kind_process { KIND_IN_WORKER, KIND_IN_SERVER };

/* A function or data pointer of a vtable that must not be NULL. */
struct kind_slot {
    const char *name; /* NULL ends the list */
    uint32_t offset_bytes;
};

struct kind_info {
    const char *id; /* "lathe.env/1" */
    enum kind_process process;
    uint32_t min_size_bytes; /* smallest vtable that holds all mandatory slots */
    const struct kind_slot *slots;
};

/* NULL for an unknown kind. Thread: [any]. */
const struct kind_info *kind_find(const char *id);
/* The i-th kind, NULL at the end. */
const struct kind_info *kind_at(uint32_t i);
/* Ids of the services that a process offers to plugins, NULL-terminated. */
const char *const *kind_services(enum kind_process process);
/* 1 when the process offers the service. */
int kind_has_service(enum kind_process process, const char *id);

#endif
