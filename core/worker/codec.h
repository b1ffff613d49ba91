/* Rows of a space as JSON and back: the leaves in order, raw values. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_CODEC_H
#define CORE_WORKER_CODEC_H

#include <jansson.h>

#include "core/base/strbuf.h"
#include "lathe/space.h"
#include "lathe/status.h"

/* Appends one row: a number for DISCRETE, text for TEXT, else a flat array of all leaf values. */
void codec_write(const struct lathe_space *space, const void *row, struct strbuf *out);
/* Reads what codec_write gives (DISCRETE also as [n]) into a zeroed row. Numbers outside a leaf's
 * range are refused. Errors: LATHE_E_INVALID with err->field = where. */
int32_t codec_read(const struct lathe_space *space, const json_t *value, const char *where,
                   void *row, struct lathe_error *err) LATHE_MUST_USE;

/* Appends the shortest decimal that reads back as the same float (non-finite: null): 0.8, not
 * 0.800000011920929. */
void codec_add_float(struct strbuf *out, float value);

#endif
