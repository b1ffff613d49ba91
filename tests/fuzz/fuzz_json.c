/* JSON texts: what is read is written and read again to the same value, in every form. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t forms[] = {0, LATHE_JSON_PRETTY, LATHE_JSON_SORTED};
    struct lathe_error err = {0};
    json_t *value = NULL;

    if (json_parse_text((const char *)data, size, NULL, &value, &err) != LATHE_OK) {
        if (err.text[0] == '\0' || strlen(err.text) >= sizeof err.text)
            abort();
        return 0;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t len = 0;
        char *text = json_dup_text(value, forms[i], &len);
        json_t *back = NULL;

        if (text == NULL || json_parse_text(text, len, NULL, &back, &err) != LATHE_OK ||
            !json_same(value, back))
            abort();
        json_decref(back);
        mem_free(text);
    }
    json_decref(value);
    return 0;
}
