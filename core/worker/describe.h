/* Descriptions of environments and algorithms as JSON, for the probe and for serving. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_DESCRIBE_H
#define CORE_WORKER_DESCRIBE_H

#include <jansson.h>

#include "core/worker/vec.h"
#include "lathe/algorithm.h"

/* New references; NULL without memory. Shapes: core/worker/README.md, section 7. */
json_t *describe_space(const struct lathe_space *space);
json_t *describe_env(const struct vec *vec);
json_t *describe_algorithm(const struct lathe_algorithm *vt);

#endif
