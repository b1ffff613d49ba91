/* Checked values of an option table, and the struct lathe_params through which plugins read them.
 * Thread: [any]; immutable once made. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CONFIG_PARAMS_H
#define CORE_CONFIG_PARAMS_H

#include <jansson.h>

#include "core/config/option.h"
#include "lathe/params.h"

struct params;

/* values: a JSON object of name to value, or NULL for defaults only. options is borrowed and must
 * outlive the params; values is not kept.
 * Errors: LATHE_E_INVALID with err->field = option: unknown name (suggesting the nearest), wrong
 * type, out of range, not one of the choices, missing although required. LATHE_E_NOMEM. */
int32_t params_new(option_list options, const json_t *values, struct params **out,
                   struct lathe_error *err) LATHE_MUST_USE;
/* A copy of old with some values replaced; each must carry LATHE_OPT_LIVE (LATHE_E_CONFLICT). */
int32_t params_change(const struct params *old, const json_t *values, struct params **out,
                      struct lathe_error *err) LATHE_MUST_USE;
/* Reads a file of the form `name = value;` (etc/plugins.d/<name>.conf). A missing file gives the
 * defaults. Errors name file and line. */
int32_t params_from_file(option_list options, const char *path, struct params **out,
                         struct lathe_error *err) LATHE_MUST_USE;
void params_free(struct params *params);

/* What a component gets; valid until params_free. Reading an undeclared name or type is logged. */
const struct lathe_params *params_table(const struct params *params);
/* {"name": value, ...} of all options; only those that the user gave with set_only. SECRET values
 * become "***" unless with_secrets. New reference, NULL without memory. */
json_t *params_to_json(const struct params *params, int set_only, int with_secrets);

#endif
