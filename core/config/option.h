/* Option tables: looking up, checking, describing. The tables come from plugins
 * (include/lathe/plugin.h), from the server itself, or as JSON from the probe. Thread: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CONFIG_OPTION_H
#define CORE_CONFIG_OPTION_H

#include <jansson.h>
#include <stddef.h>

#include "core/base/strbuf.h"
#include "lathe/plugin.h"
#include "lathe/status.h"

#define OPTIONS_MAX 256
#define OPTION_TEXT_MAX 1024 /* bytes of a name, default, doc, choice when read from JSON */

/* A table as everywhere: NULL-terminated, NULL stands for an empty one. */
typedef const struct lathe_option *const *option_list;

size_t option_count(option_list options);
const struct lathe_option *option_find(option_list options, const char *name); /* or NULL */
/* The known name that a misspelt one was probably meant to be, or NULL. */
const char *option_nearest(option_list options, const char *name);
/* Damerau-Levenshtein distance (adjacent swaps count 1), at most limit + 1. */
size_t text_distance(const char *a, const char *b, size_t limit);
const char *
option_type_name(uint32_t type); /* "bool", "int", "float", "string", "enum", "list", "json" */

/* Is the table itself right: names well formed and unique, types and flags known, doc present,
 * choices for ENUM, default present (or REQUIRED) and inside its own limits. err->field: the
 * option. */
int32_t options_check(option_list options, struct lathe_error *err) LATHE_MUST_USE;

/* Is value right for this option? err->text says what is wrong without naming where it came from,
 * err->field is the name. LATHE_E_INVALID. */
int32_t option_check_value(const struct lathe_option *option, const json_t *value,
                           struct lathe_error *err) LATHE_MUST_USE;
/* The default as a JSON value: new reference. REQUIRED without default gives *out = NULL. */
int32_t option_default(const struct lathe_option *option, json_t **out,
                       struct lathe_error *err) LATHE_MUST_USE;

/* [{"name","type","default","min","max","choices","unit","doc","required","live","secret",
 * "min_excluded","max_excluded"}, ...]; default is the JSON value; absent and false members are
 * left out. New reference, NULL without memory. */
json_t *options_to_json(option_list options);
/* The same as JSON Schema of an object: types, limits, enum, default, description, required. */
json_t *options_to_schema(option_list options);
/* Commented configuration text, every option at its default; Markdown table rows with heading. */
int32_t options_to_conf(option_list options, struct strbuf *out) LATHE_MUST_USE;
int32_t options_to_markdown(option_list options, struct strbuf *out) LATHE_MUST_USE;

/* A table that owns its text, made from what options_to_json wrote (the flags may also stand as
 * words in a member "flags"; null counts as absent). Errors: LATHE_E_INVALID (also when
 * options_check refuses it), LATHE_E_LIMIT, LATHE_E_NOMEM. */
struct option_table;
int32_t options_from_json(const json_t *array, struct option_table **out,
                          struct lathe_error *err) LATHE_MUST_USE;
option_list option_table_list(const struct option_table *table); /* NULL table: NULL */
void option_table_free(struct option_table *table);

#endif
