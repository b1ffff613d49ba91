/* JSON Schema 2020-12: schemas of one document, compiled once, checked often.
 * Not offered: $dynamicRef (refused when compiled), remote documents, vocabularies.
 * Thread: [any]; compiled schemas are immutable, a report belongs to its caller. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JSON_SCHEMA_H
#define CORE_JSON_SCHEMA_H

#include <jansson.h>
#include <stddef.h>

#include "lathe/status.h"

#define SCHEMA_DEPTH_MAX 256      /* nested applications of schemas to one value */
#define SCHEMA_STEPS_MAX 1000000u /* applications in one check */
#define SCHEMA_VIOLATIONS_MAX 64

struct schema_options {
    int strict_formats;    /* date-time, uuid, uri, email, ipv4, ipv6 are asserted */
    int first_only;        /* stop at the first violation */
    size_t max_violations; /* 0: SCHEMA_VIOLATIONS_MAX, which is also the highest */
};

struct schema_set; /* the schemas of one document */
struct schema;     /* one of them; keeps its set alive */

/* document (a schema, or an OpenAPI document) is kept by reference and must not change. options may
 * be NULL. Errors: LATHE_E_NOMEM. */
int32_t schema_set_open(json_t *document, const struct schema_options *options,
                        struct schema_set **out, struct lathe_error *err) LATHE_MUST_USE;
void schema_set_close(struct schema_set *set); /* schemas made from it live on; NULL is fine */

/* Compiles the schema at a JSON pointer of the document ("" is the root) and all that it refers to:
 * "#/components/schemas/X", "#anchor", $id inside the document. Several calls share the parts.
 * Errors: LATHE_E_INVALID naming the place for a malformed schema or a $ref without target,
 * LATHE_E_NOT_FOUND for the pointer, LATHE_E_UNSUPPORTED for $dynamicRef, LATHE_E_NOMEM.
 * After any of these but LATHE_E_NOT_FOUND the set is only good for closing.
 * Thread: one thread per set at a time. */
int32_t schema_get(struct schema_set *set, const char *pointer, struct schema **out,
                   struct lathe_error *err) LATHE_MUST_USE;
/* Both steps for one schema. */
int32_t schema_compile(json_t *document, const char *pointer, const struct schema_options *options,
                       struct schema **out, struct lathe_error *err) LATHE_MUST_USE;
void schema_free(struct schema *schema); /* NULL is fine */

/* One thing wrong with a value. References are owned by the report. */
struct schema_violation {
    const char *keyword; /* "type", "required", "additionalProperties", ... constant. "false": a
                            schema that is plain false */
    json_t *path;        /* array of member names and indexes; for "required" and
                            "dependentRequired" the missing name is last, for
                            "additionalProperties" the surplus one */
    json_t *limit;     /* the keyword's value in the schema: ["string","null"], 10, ...; or NULL */
    json_t *value;     /* what was found at path; for a missing member the object without it */
    char message[200]; /* one sentence: "must be at most 1000" */
};

/* Violations in the order of the value: members as they stand in the text, missing ones after them.
 */
struct schema_report {
    struct schema_violation *items;
    size_t n, cap;
    int truncated; /* more were found than the limit */
};
void schema_report_init(struct schema_report *report);
void schema_report_fini(struct schema_report *report);
/* "/a/b/0: must be at most 1000" of one violation. Returns out. */
char *schema_violation_text(const struct schema_violation *violation, char *out, size_t cap);

/* Checks value. report may be NULL; otherwise it is initialised and empty, and filled on failure.
 * Where one branch of anyOf or oneOf is plainly the one meant (the only one of the value's type),
 * its violations are reported instead of "anyOf". Errors: LATHE_E_INVALID with violations;
 * LATHE_E_LIMIT beyond depth or steps; LATHE_E_NOMEM. */
int32_t schema_validate(const struct schema *schema, const json_t *value,
                        struct schema_report *report) LATHE_MUST_USE;

/* Adds what `default` says about absent members, also inside members and elements that are present.
 * Errors: LATHE_E_NOMEM, LATHE_E_LIMIT. */
int32_t schema_apply_defaults(const struct schema *schema, json_t *value) LATHE_MUST_USE;

#endif
