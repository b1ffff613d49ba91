/* Error records. The text is formatted aside first, so that an argument may point into err itself.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef fail /* what an analyzer is told instead of these */
#undef fail_field
#undef fail_errno

/* Drops the start of a multi-byte character that the buffer's end cut off. */
static void trim_utf8(char *text)
{
    size_t len = strlen(text);
    size_t back = 0;

    while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back < len) {
        unsigned char lead = (unsigned char)text[len - 1 - back];
        size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
        if (need > back)
            text[len - 1 - back] = '\0';
    }
}

static void set_error(struct lathe_error *err, int32_t code, const char *field, const char *text)
{
    char name[sizeof err->field];

    /* field may point into err too */
    snprintf(name, sizeof name, "%s", field);
    err->code = code;
    err->reserved0 = 0;
    memcpy(err->field, name, sizeof name);
    snprintf(err->text, sizeof err->text, "%s", text);
    trim_utf8(err->text);
}

int32_t fail(struct lathe_error *err, int32_t code, const char *fmt, ...)
{
    if (err != NULL) {
        char text[LATHE_ERROR_TEXT];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        set_error(err, code, "", text);
    }
    return code;
}

int32_t fail_field(struct lathe_error *err, int32_t code, const char *field, const char *fmt, ...)
{
    if (err != NULL) {
        char text[LATHE_ERROR_TEXT];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        set_error(err, code, field != NULL ? field : "", text);
    }
    return code;
}

static int32_t status_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return LATHE_E_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return LATHE_E_LIMIT;
    case ENOMEM:
        return LATHE_E_NOMEM;
    case EACCES:
    case EPERM:
        return LATHE_E_DENIED;
    default:
        return LATHE_E_IO;
    }
}

int32_t fail_errno(struct lathe_error *err, int errnum, const char *fmt, ...)
{
    int32_t code = status_of_errno(errnum);

    if (err != NULL) {
        char text[LATHE_ERROR_TEXT];
        char reason[96];
        va_list args;
        size_t len, used;

        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        /* The reason must survive a long name: it takes the end of the buffer. */
        len = (size_t)snprintf(reason, sizeof reason, ": %s",
                               strerrordesc_np(errnum) != NULL ? strerrordesc_np(errnum)
                                                               : "unknown error");
        if (len >= sizeof reason)
            len = sizeof reason - 1;
        used = strlen(text);
        if (used + len >= sizeof text)
            used = sizeof text - 1 - len;
        memcpy(text + used, reason, len + 1);
        set_error(err, code, "", text);
    }
    return code;
}
