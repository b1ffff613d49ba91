/* Configuration files (libconfig syntax) read against a tree of option tables into a snapshot.
 * Thread: [loop] for loading; a snapshot is immutable and read from [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CONFIG_CONFIG_H
#define CORE_CONFIG_CONFIG_H

#include "core/config/params.h"

#define CONFIG_LIST 1u /* name = ( { ... }, { ... } ); a list of groups of this shape */
#define CONFIG_FILE_MAX ((size_t)1 << 20)

/* A group of settings. The root is one too; its name is only used in messages and documents. */
struct config_section {
    const char *name, *doc;
    uint32_t flags;
    option_list options;                          /* or NULL */
    const struct config_section *const *sections; /* nested groups, NULL-terminated, or NULL */
};

struct config;       /* snapshot of one file */
struct config_group; /* a group in it; lives as long as the snapshot */

/* schema is borrowed and must outlive the snapshot. Absent groups hold their defaults, absent lists
 * are empty. Errors: LATHE_E_INVALID "etc/lathe.conf:12: unknown setting ..., did you mean ...?"
 * for syntax, unknown names, types, ranges, choices, missing required ones; err->field is the
 * dotted name. LATHE_E_NOT_FOUND, LATHE_E_LIMIT, LATHE_E_NOMEM. */
int32_t config_load(const char *path, const struct config_section *schema, struct config **out,
                    struct lathe_error *err) LATHE_MUST_USE;
/* The same from text; name stands for the path in messages. */
int32_t config_parse(const char *text, size_t len_bytes, const char *name,
                     const struct config_section *schema, struct config **out,
                     struct lathe_error *err) LATHE_MUST_USE;
void config_free(struct config *config);

const struct config_group *config_root(const struct config *config);
/* Nested group by dotted path ("server.tls"); a defect of the caller (logged) gives NULL. */
const struct config_group *config_group(const struct config_group *group, const char *path);
/* Entries of a CONFIG_LIST section. */
size_t config_count(const struct config_group *group, const char *name);
const struct config_group *config_item(const struct config_group *group, const char *name,
                                       size_t i);
unsigned config_line(const struct config_group *group); /* where it opens; 0 when absent */

/* Settings of a group; the rules of struct lathe_params (declared name and type). NULL group gives
 * 0, 0.0, "". */
const struct lathe_params *config_params(const struct config_group *group);
int config_bool(const struct config_group *group, const char *name);
int64_t config_int(const struct config_group *group, const char *name);
double config_float(const struct config_group *group, const char *name);
const char *config_string(const struct config_group *group, const char *name);
int config_is_set(const struct config_group *group, const char *name);

/* The effective values as JSON, secrets hidden. New reference or NULL. */
json_t *config_to_json(const struct config *config);
/* The commented default file, and the reference in Markdown. */
int32_t config_schema_to_conf(const struct config_section *schema,
                              struct strbuf *out) LATHE_MUST_USE;
int32_t config_schema_to_markdown(const struct config_section *schema,
                                  struct strbuf *out) LATHE_MUST_USE;

#endif
