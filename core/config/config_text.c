/* libconfig text: what is read is checked before libconfig sees it, what is written reads back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config/config_text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/config/config.h"
#include "core/json/json.h"

#define COMMENT_WIDTH 92
#define NESTING_MAX 16

/* --- writing --------------------------------------------------------------------------------- */

void conf_add_comment(struct strbuf *out, int indent, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " \n");

        if (column != 0 && column + 1 + word > COMMENT_WIDTH) {
            strbuf_addc(out, '\n');
            column = 0;
        }
        if (column == 0) {
            strbuf_addf(out, "%*s#", indent, "");
            column = (size_t)indent + 1;
        }
        strbuf_addc(out, ' ');
        strbuf_add(out, text, word);
        column += 1 + word;
        text += word;
        text += strspn(text, " \n");
    }
    strbuf_addc(out, '\n');
}

static void add_string(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_addf(out, "\\%c", *text);
        else if (*text == '\n')
            strbuf_adds(out, "\\n");
        else if ((unsigned char)*text < 0x20)
            strbuf_addf(out, "\\x%02x", (unsigned)(unsigned char)*text);
        else
            strbuf_addc(out, *text);
    }
    strbuf_addc(out, '"');
}

static void add_list(struct strbuf *out, const json_t *list)
{
    int as_float = 0;

    /* A libconfig array holds one type only. */
    for (size_t i = 0; i < json_array_size(list); i++)
        as_float |= json_is_real(json_array_get(list, i));
    strbuf_addc(out, '[');
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *number = json_array_get(list, i);
        if (i != 0)
            strbuf_adds(out, ", ");
        if (as_float)
            strbuf_add_json_double(out, json_number_value(number));
        else
            strbuf_addf(out, "%lld", (long long)json_integer_value(number));
    }
    strbuf_addc(out, ']');
}

void conf_add_value(struct strbuf *out, const struct lathe_option *option, const json_t *value)
{
    char *text;

    if (option->type == LATHE_OPT_JSON) {
        text = json_dup_text(value, 0, NULL);
        add_string(out, text != NULL ? text : "");
        out->failed |= text == NULL;
        mem_free(text);
    } else if (json_is_string(value)) {
        add_string(out, json_string_value(value));
    } else if (json_is_array(value)) {
        add_list(out, value);
    } else if (json_is_boolean(value)) {
        strbuf_adds(out, json_is_true(value) ? "true" : "false");
    } else if (json_is_integer(value)) {
        strbuf_addf(out, "%lld", (long long)json_integer_value(value));
    } else {
        strbuf_add_json_double(out, json_real_value(value));
    }
}

/* --- reading --------------------------------------------------------------------------------- */

/* Length of the string, comment or plain character at text; lines passed are added to *line. */
static size_t skip_token(const char *text, size_t left, unsigned *line)
{
    size_t n = 1;

    if (text[0] == '"') {
        while (n < left && text[n] != '"')
            n += text[n] == '\\' ? 2 : 1;
        n++;
    } else if (text[0] == '#' || (text[0] == '/' && left > 1 && text[1] == '/')) {
        while (n < left && text[n] != '\n')
            n++;
    } else if (text[0] == '/' && left > 1 && text[1] == '*') {
        for (n = 2; n < left && !(text[n] == '*' && n + 1 < left && text[n + 1] == '/');)
            n++;
        n += 2;
    }
    if (n > left)
        n = left;
    for (size_t i = 0; i < n; i++)
        *line += text[i] == '\n';
    return n;
}

static int is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A run of word characters: copies it, and marks an integer that needs 64 bits with the L libconfig
 * wants (it would cut it to 32 bits silently otherwise). 0 when it does not fit 64 bits either. */
static int copy_word(struct strbuf *out, const char *word, size_t len)
{
    char digits[32];
    char *end;
    long long value;
    int is_hex = len > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');

    strbuf_add(out, word, len);
    if (!isdigit((unsigned char)word[0]))
        return 1;
    if (!is_hex && (memchr(word, '.', len) != NULL || memchr(word, 'e', len) != NULL ||
                    memchr(word, 'E', len) != NULL))
        return 1; /* a float */
    if (len >= sizeof digits)
        return 0;
    memcpy(digits, word, len);
    digits[len] = '\0';
    errno = 0;
    value = strtoll(digits, &end, is_hex ? 16 : 10);
    if (errno == ERANGE)
        return 0;
    if (*end == '\0' && (value > INT32_MAX || value < INT32_MIN))
        strbuf_addc(out, 'L');
    return 1;
}

static int32_t prepare(const char *text, size_t len, const char *name, struct strbuf *out,
                       struct lathe_error *err)
{
    unsigned line = 1;
    size_t n;

    for (size_t i = 0; i < len && !out->failed; i += n) {
        if (text[i] == '\0')
            return fail(err, LATHE_E_INVALID, "%s:%u: the file contains a NUL byte", name, line);
        if (text[i] == '@')
            return fail(err, LATHE_E_INVALID,
                        "%s:%u: directives such as @include are not supported, put the settings "
                        "into this file",
                        name, line);
        if (!is_word_char(text[i])) {
            n = skip_token(text + i, len - i, &line);
            strbuf_add(out, text + i, n);
            continue;
        }
        for (n = 1; i + n < len && is_word_char(text[i + n]);)
            n++;
        if (!copy_word(out, text + i, n))
            return fail(err, LATHE_E_INVALID, "%s:%u: the number %.*s is out of range", name, line,
                        (int)(n < 40 ? n : 40), text + i);
    }
    strbuf_addc(out, '\n'); /* libconfig refuses a comment that ends the file without one */
    return out->failed ? fail(err, LATHE_E_NOMEM, "%s: no memory", name) : LATHE_OK;
}

int32_t conf_parse(config_t *file, const char *text, size_t len_bytes, const char *name,
                   struct lathe_error *err)
{
    struct strbuf ready;
    int32_t st;

    config_init(file);
    if (len_bytes > CONFIG_FILE_MAX)
        return fail(err, LATHE_E_LIMIT, "%s: more than %zu bytes", name, CONFIG_FILE_MAX);
    strbuf_init(&ready);
    st = prepare(text, len_bytes, name, &ready, err);
    if (st == LATHE_OK && config_read_string(file, ready.data) != CONFIG_TRUE)
        st = fail(err, LATHE_E_INVALID, "%s:%d: %s", name, config_error_line(file),
                  config_error_text(file));
    strbuf_fini(&ready);
    return st;
}

static json_t *scalar_json(const config_setting_t *setting)
{
    const char *text;

    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_BOOL:
        return json_boolean(config_setting_get_bool(setting));
    case CONFIG_TYPE_INT:
        return json_integer(config_setting_get_int(setting));
    case CONFIG_TYPE_INT64:
        return json_integer(config_setting_get_int64(setting));
    case CONFIG_TYPE_FLOAT:
        return json_real(config_setting_get_float(setting));
    case CONFIG_TYPE_STRING:
        text = config_setting_get_string(setting);
        return json_string(text != NULL ? text : "");
    default:
        return NULL;
    }
}

/* Groups become objects, arrays and lists become arrays. The depth is bounded. */
static json_t *tree_json(const config_setting_t *setting, int depth)
{
    int is_group = config_setting_is_group(setting) == CONFIG_TRUE;
    json_t *out;

    if (config_setting_is_aggregate(setting) != CONFIG_TRUE)
        return scalar_json(setting);
    if (depth == 0)
        return NULL;
    out = is_group ? json_object() : json_array();
    for (unsigned i = 0; i < (unsigned)config_setting_length(setting); i++) {
        const config_setting_t *child = config_setting_get_elem(setting, i);
        json_t *value = tree_json(child, depth - 1);
        if ((is_group ? json_object_set_new(out, config_setting_name(child), value)
                      : json_array_append_new(out, value)) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

int32_t conf_to_json(const config_setting_t *setting, const struct lathe_option *option,
                     json_t **out, struct lathe_error *err)
{
    struct lathe_error detail;
    const char *text;

    if (option->type == LATHE_OPT_JSON && config_setting_type(setting) == CONFIG_TYPE_STRING) {
        text = config_setting_get_string(setting);
        text = text != NULL ? text : "";
        if (json_parse_text(text, strlen(text), NULL, out, &detail) != LATHE_OK)
            return fail_field(err, LATHE_E_INVALID, option->name, "must hold JSON: %s",
                              detail.text);
        return LATHE_OK;
    }
    *out = tree_json(setting, NESTING_MAX);
    if (*out == NULL)
        return fail_field(err, LATHE_E_INVALID, option->name,
                          "is not finite, not UTF-8, or nested too deeply");
    return LATHE_OK;
}
