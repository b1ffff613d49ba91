/* Path text: joining, safe components, where the executable lives. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/io.h"

int32_t path_join(char *out, size_t cap, const char *dir, const char *name, struct lathe_error *err)
{
    size_t dir_len = strlen(dir);
    int len;

    while (dir_len > 1 && dir[dir_len - 1] == '/')
        dir_len--;
    while (*name == '/')
        name++;
    if (dir_len == 0)
        len = snprintf(out, cap, "%s", name);
    else
        len = snprintf(out, cap, "%.*s%s%s", (int)dir_len, dir,
                       dir[dir_len - 1] == '/' || *name == '\0' ? "" : "/", name);
    if (len < 0 || (size_t)len >= cap)
        return fail(err, LATHE_E_LIMIT, "the path %.80s/%.80s is too long", dir, name);
    return LATHE_OK;
}

int path_is_component(const char *name)
{
    size_t len = strnlen(name, 201);

    if (len == 0 || len > 200 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    return memchr(name, '/', len) == NULL;
}

int32_t path_self_dir(char *out, size_t cap, struct lathe_error *err)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (len < 0)
        return fail_errno(err, errno, "read /proc/self/exe");
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL)
        return fail(err, LATHE_E_INTERNAL, "the executable path %.80s is not absolute", path);
    slash[slash == path ? 1 : 0] = '\0';
    if (strlen(path) >= cap)
        return fail(err, LATHE_E_LIMIT, "the path %.80s is too long", path);
    memcpy(out, path, strlen(path) + 1);
    return LATHE_OK;
}
