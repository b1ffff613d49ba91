/* Option tables: lookup, the nearest name, defaults. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config/option.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/json/json.h"

#define DISTANCE_LEN_MAX 64

size_t option_count(option_list options)
{
    size_t n = 0;

    while (options != NULL && options[n] != NULL)
        n++;
    return n;
}

const struct lathe_option *option_find(option_list options, const char *name)
{
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        if (strcmp(options[i]->name, name) == 0)
            return options[i];
    }
    return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

size_t text_distance(const char *a, const char *b, size_t limit)
{
    /* Three rows of the table of optimal string alignment. */
    size_t rows[3][DISTANCE_LEN_MAX + 1];
    size_t n_a = strnlen(a, DISTANCE_LEN_MAX + 1), n_b = strnlen(b, DISTANCE_LEN_MAX + 1);

    if (n_a > DISTANCE_LEN_MAX || n_b > DISTANCE_LEN_MAX)
        return limit + 1;
    for (size_t k = 0; k <= n_b; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t k = 1; k <= n_b; k++) {
            int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[k - 1]);
            row[k] = min3(above[k] + 1, row[k - 1] + 1, above[k - 1] + (same ? 0 : 1));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
                above2[k - 2] + 1 < row[k])
                row[k] = above2[k - 2] + 1;
        }
    }
    return rows[n_a % 3][n_b] <= limit ? rows[n_a % 3][n_b] : limit + 1;
}

const char *option_nearest(option_list options, const char *name)
{
    size_t best = strlen(name) / 3 + 1; /* more changes than this is another word */
    const char *found = NULL;

    if (best > 3)
        best = 3;
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        size_t distance = text_distance(name, options[i]->name, best);
        if (distance < best || (distance == best && found == NULL)) {
            best = distance;
            found = options[i]->name;
        }
    }
    return found;
}

const char *option_type_name(uint32_t type)
{
    static const char *const names[] = {"bool", "int", "float", "string", "enum", "list", "json"};

    return type <= LATHE_OPT_JSON ? names[type] : "unknown";
}

static json_t *number_default(const struct lathe_option *option)
{
    const char *text = option->def;
    char *end;

    if (*text == '\0' || isspace((unsigned char)*text))
        return NULL;
    errno = 0;
    if (option->type == LATHE_OPT_INT) {
        long long value = strtoll(text, &end, 10);
        return *end == '\0' && errno == 0 ? json_integer(value) : NULL;
    } else {
        double value = strtod(text, &end);
        return *end == '\0' && isfinite(value) ? json_real(value) : NULL;
    }
}

int32_t option_default(const struct lathe_option *option, json_t **out, struct lathe_error *err)
{
    const char *text = option->def;
    json_t *value = NULL;

    if (text == NULL && (option->flags & LATHE_OPT_REQUIRED) != 0) {
        *out = NULL;
        return LATHE_OK;
    }
    if (text == NULL)
        return fail_field(err, LATHE_E_INVALID, option->name, "has no default and is not required");
    switch (option->type) {
    case LATHE_OPT_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            value = json_boolean(text[0] == 't');
        break;
    case LATHE_OPT_INT:
    case LATHE_OPT_FLOAT:
        value = number_default(option);
        break;
    case LATHE_OPT_STRING:
    case LATHE_OPT_ENUM:
        value = json_string(text);
        break;
    default:
        if (json_parse_text(text, strlen(text), NULL, &value, NULL) != LATHE_OK)
            value = NULL;
        break;
    }
    if (value == NULL)
        return fail_field(err, LATHE_E_INVALID, option->name, "the default \"%.60s\" is not a %s",
                          text, option_type_name(option->type));
    *out = value;
    return LATHE_OK;
}
