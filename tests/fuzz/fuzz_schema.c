/* {"schema": ..., "value": ...}: any schema compiles or is refused, any value is judged within the
 * limits, and the answer does not depend on whether violations are collected. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "core/json/json.h"
#include "core/json/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct schema *schema, json_t *value)
{
    struct schema_report report;
    int32_t st, quiet;
    char text[64];

    schema_report_init(&report);
    st = schema_validate(schema, value, &report);
    quiet = schema_validate(schema, value, NULL);
    /* Collecting goes on where the other stops, so only it may meet a limit. */
    if (st != quiet && st != LATHE_E_LIMIT)
        abort();
    if ((st == LATHE_E_INVALID) != (report.n > 0) && st != LATHE_E_LIMIT)
        abort();
    for (size_t i = 0; i < report.n; i++)
        schema_violation_text(&report.items[i], text, sizeof text);
    schema_report_fini(&report);
    (void)!schema_apply_defaults(schema, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lathe_json_limits limits = {sizeof limits, 32, 4096};
    struct schema_options options = {1, 0, 8};
    struct schema *schema = NULL;
    json_t *document = NULL, *value;

    if (json_parse_text((const char *)data, size, &limits, &document, NULL) != LATHE_OK)
        return 0;
    value = json_deep_copy(json_object_get(document, "value"));
    if (value != NULL && schema_compile(document, "/schema", &options, &schema, NULL) == LATHE_OK)
        judge(schema, value);
    schema_free(schema);
    json_decref(value);
    json_decref(document);
    return 0;
}
