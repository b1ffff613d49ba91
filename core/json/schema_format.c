/* Strings: formats, patterns with bounded effort, code points. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/json/schema_node.h"

#define MATCH_LIMIT 200000
#define MATCH_DEPTH_LIMIT 20000
#define MATCH_HEAP_KIB 4096

enum string_format format_parse(const char *name)
{
    static const struct {
        const char *name;
        enum string_format format;
    } formats[] = {{"date-time", FORMAT_DATE_TIME}, {"uuid", FORMAT_UUID}, {"uri", FORMAT_URI},
                   {"email", FORMAT_EMAIL},         {"ipv4", FORMAT_IPV4}, {"ipv6", FORMAT_IPV6}};

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].format;
    }
    return FORMAT_NONE;
}

static int is_uuid(const char *text)
{
    if (strlen(text) != 36)
        return 0;
    for (int i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return 0;
        } else if (!isxdigit((unsigned char)text[i])) {
            return 0;
        }
    }
    return 1;
}

/* An absolute URI in ASCII: scheme, then characters of RFC 3986 with complete percent escapes. */
static int is_uri(const char *text)
{
    size_t scheme = strcspn(text, ":");

    if (text[scheme] != ':' || !isalpha((unsigned char)text[0]))
        return 0;
    for (size_t i = 0; i < scheme; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("+-.", text[i]) == NULL)
            return 0;
    }
    for (const char *s = text + scheme + 1; *s != '\0'; s++) {
        if (*s == '%') {
            if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]))
                return 0;
        } else if ((unsigned char)*s >= 0x80 ||
                   (!isalnum((unsigned char)*s) && strchr("-._~:/?#[]@!$&'()*+,;=", *s) == NULL)) {
            return 0;
        }
    }
    return 1;
}

static int is_host(const char *host)
{
    size_t label = 0;

    for (; *host != '\0'; host++) {
        if (*host == '.') {
            if (label == 0 || host[-1] == '-')
                return 0;
            label = 0;
        } else if (isalnum((unsigned char)*host) || (*host == '-' && label > 0)) {
            if (++label > 63)
                return 0;
        } else {
            return 0;
        }
    }
    return label > 0 && host[-1] != '-';
}

static int is_email(const char *text)
{
    const char *at = strrchr(text, '@');
    size_t local = at != NULL ? (size_t)(at - text) : 0;

    if (local == 0 || local > 64 || strlen(at + 1) > 255)
        return 0;
    for (size_t i = 0; i < local; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '.' && (i == 0 || i + 1 == local || text[i + 1] == '.'))
            return 0;
        if (c < 0x80 && !isalnum(c) && strchr("!#$%&'*+-/=?^_`{|}~.", c) == NULL)
            return 0;
    }
    return is_host(at + 1);
}

int format_check(enum string_format format, const char *text)
{
    unsigned char address[16];
    int64_t when;

    switch (format) {
    case FORMAT_NONE:
        return 1;
    case FORMAT_DATE_TIME:
        return strchr(text, ' ') == NULL && clock_parse_iso8601(text, &when);
    case FORMAT_UUID:
        return is_uuid(text);
    case FORMAT_URI:
        return is_uri(text);
    case FORMAT_EMAIL:
        return is_email(text);
    case FORMAT_IPV4:
        return inet_pton(AF_INET, text, address) == 1;
    case FORMAT_IPV6:
        return inet_pton(AF_INET6, text, address) == 1;
    }
    return 1;
}

int pattern_match(const pcre2_code *pattern, const char *text, size_t len_bytes)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (data != NULL && limits != NULL) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        pcre2_set_depth_limit(limits, MATCH_DEPTH_LIMIT);
        pcre2_set_heap_limit(limits, MATCH_HEAP_KIB);
        rc = pcre2_match(pattern, (PCRE2_SPTR)text, len_bytes, 0, 0, data, limits);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

size_t utf8_count(const char *text, size_t len_bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < len_bytes; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}
