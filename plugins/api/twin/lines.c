/* Line protocol: <twin>[,tag=value...] <sensor>=<number>[,...] [timestamp]. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/batch.h"

/* Cuts the text up to the first of stops that no backslash hides, removing the backslashes. *stop
 * is what ended it, '\0' at the end of the text. Returns what follows. */
static char *cut(char *text, const char *stops, char *stop)
{
    char *from = text, *to = text;

    while (*from && !strchr(stops, *from)) {
        if (*from == '\\' && from[1] && strchr(", =\\", from[1]))
            from++;
        *to++ = *from++;
    }
    *stop = *from;
    if (*from)
        from++;
    *to = '\0';
    return from;
}

/* A field's value. "1i", "1u", "t", "false" are numbers too. NULL, or the code of the fault. */
static const char *number_of(const char *text, double *out)
{
    size_t len = strlen(text);
    char *end;

    if (!strcmp(text, "t") || !strcmp(text, "T") || !strcasecmp(text, "true")) {
        *out = 1;
        return NULL;
    }
    if (!strcmp(text, "f") || !strcmp(text, "F") || !strcasecmp(text, "false")) {
        *out = 0;
        return NULL;
    }
    if (text[0] == '"')
        return "NON_NUMERIC";
    if (!strcasecmp(text, "nan") || !strcasecmp(text, "inf") || !strcasecmp(text, "-inf") ||
        !strcasecmp(text, "+inf"))
        return "NON_FINITE";
    if (len > 1 && (text[len - 1] == 'i' || text[len - 1] == 'u'))
        len--;
    if (len == 0 || strspn(text, "+-.0123456789eE") < len)
        return "NON_NUMERIC";
    *out = strtod(text, &end);
    if (end != text + len)
        return "NON_NUMERIC";
    return isfinite(*out) ? NULL : "NON_FINITE";
}

/* The twin of a line: its first word, unless a tag names it. Returns the fields, or NULL. */
static char *read_head(struct batch *b, char *line, const char **twin)
{
    char stop, *rest = cut(line, ", ", &stop), *name;

    *twin = line;
    while (stop == ',') {
        name = rest;
        rest = cut(name, "=, ", &stop);
        if (stop != '=')
            return NULL;
        line = rest;
        rest = cut(line, ", ", &stop);
        if (!strcmp(name, b->tw->set.twin_tag))
            *twin = line;
    }
    return stop == ' ' && **twin ? rest : NULL;
}

/* The timestamp of a line, cut off its end: 0 when it is none. */
static int read_time(struct batch *b, char *fields, int64_t *us)
{
    char *at = fields, *stamp = NULL, *end;
    int is_quoted = 0;
    long long given;

    for (; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (*at == ' ' && !is_quoted && !stamp)
            stamp = at;
    }
    *us = b->recv_us;
    if (!stamp)
        return 1;
    *stamp++ = '\0';
    stamp += strspn(stamp, " ");
    if (!*stamp)
        return 1;
    errno = 0;
    given = strtoll(stamp, &end, 10);
    return errno == 0 && end != stamp && *(end + strspn(end, " ")) == '\0' &&
           batch_time(b, given, us);
}

static void read_line(struct batch *b, char *line)
{
    struct point p = {0};
    const char *twin = NULL, *fault;
    char *fields = read_head(b, line, &twin), *sensor, *value, stop = ',';

    if (!fields || !*fields) {
        batch_reject(b, "BAD_LINE", "is not <twin> <sensor>=<number>[,...] [timestamp]");
        return;
    }
    if (!read_time(b, fields, &p.ts_us)) {
        batch_reject(b, "TIMESTAMP_INVALID", "has a bad timestamp");
        return;
    }
    while (stop == ',') {
        sensor = fields;
        value = cut(sensor, "=,", &stop);
        if (stop != '=' || !*sensor) {
            batch_reject(b, "BAD_LINE", "has a field without a value");
            return;
        }
        fields = value;
        if (*value == '"') { /* text may hold commas */
            batch_reject(b, "NON_NUMERIC", "has a text field");
            return;
        }
        fields = cut(value, ",", &stop);
        fault = number_of(value, &p.value);
        if (fault)
            batch_reject(b, fault, "has a field that is no finite number");
        else
            batch_add(b, twin, sensor, &p);
        b->index++;
    }
}

void lines_read(struct batch *b, char *text)
{
    char *next;

    for (; text && *text && !b->is_full; text = next) {
        b->line++;
        if ((next = strchr(text, '\n')) != NULL)
            *next++ = '\0';
        text[strcspn(text, "\r")] = '\0';
        text += strspn(text, " \t");
        if (*text && *text != '#')
            read_line(b, text);
    }
}
