/* Private to core/config: libconfig text, read and written. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CONFIG_CONFIG_TEXT_H
#define CORE_CONFIG_CONFIG_TEXT_H

#include <libconfig.h>

#include "core/config/params.h"

/* "# text", wrapped, each line indented. */
void conf_add_comment(struct strbuf *out, int indent, const char *text);
/* A value as the file would hold it. */
void conf_add_value(struct strbuf *out, const struct lathe_option *option, const json_t *value);
/* Comment and setting of one option. */
int32_t option_to_conf(const struct lathe_option *option, int indent, struct strbuf *out);

/* Parses text into file (which the caller ends with config_destroy, also on failure). Integers
 * beyond 32 bits keep their value; directives (@include) are refused. Errors name and line. */
int32_t conf_parse(config_t *file, const char *text, size_t len_bytes, const char *name,
                   struct lathe_error *err) LATHE_MUST_USE;
/* One setting as the JSON value that option wants: new reference. Type errors are left to
 * option_check_value. */
int32_t conf_to_json(const config_setting_t *setting, const struct lathe_option *option,
                     json_t **out, struct lathe_error *err) LATHE_MUST_USE;

/* As params_new; without demand_required absent required options stay without a value. */
int32_t params_build(option_list options, const json_t *values, int demand_required,
                     struct params **out, struct lathe_error *err) LATHE_MUST_USE;

/* Takes the root group's params out of a snapshot, which is then only good for config_free. */
struct config;
struct params *config_take_params(struct config *config);

#endif
