/* Configuration texts against a schema with every kind of option. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses the string it was reading when a syntax error follows (its strbuf_append). */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

static const char *const choices[] = {"one", "two", NULL};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_FLOAT("f", "0.5", 0, 1, "A float."),
    LATHE_OPTION_INT("i", "2", 1, 1000000, "An integer."),
    LATHE_OPTION_INT("wide", "0", 0, 0, "Any integer."),
    LATHE_OPTION_BOOL("b", "true", "A truth."),
    LATHE_OPTION_ENUM("e", "one", choices, "A choice."),
    LATHE_OPTION_STRING("s", "x", 8, "A text."),
    LATHE_OPTION_LIST("l", "[1]", 0, 9, "Numbers."),
    LATHE_OPTION_JSON("j", "null", "Anything."),
    NULL};

static const struct config_section inner = {"inner", "Inner.", 0, options, NULL};
static const struct config_section *const inner_list[] = {&inner, NULL};
static const struct config_section list = {"list", "List.", CONFIG_LIST, options, inner_list};
static const struct config_section *const sections[] = {&inner, &list, NULL};
static const struct config_section root = {"", "", 0, options, sections};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lathe_error err = {0};
    struct config *config = NULL;
    int32_t st = config_parse((const char *)data, size, "fuzz", &root, &config, &err);
    json_t *json;

    if (st != LATHE_OK) {
        /* Every refusal says where. */
        if (strncmp(err.text, "fuzz:", 5) != 0 || config != NULL)
            abort();
        return 0;
    }
    if ((json = config_to_json(config)) == NULL)
        abort();
    json_decref(json);
    if (config_float(config_root(config), "f") < 0 || config_float(config_root(config), "f") > 1)
        abort();
    config_free(config);
    return 0;
}
