/* Fixture: a task that tries to leave its worker, and tells the errno of each attempt. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lathe/plugin.h"
#include "lathe/task.h"

struct escape {
    char outside[256], inside[256]; /* files that the spec names */
    int inet, local, program, child, read_outside, write_outside, read_config, read_inside,
        write_inside;
};

/* Two strings of a spec {"outside":"...","inside":"..."}. */
static int32_t escape_open(const struct lathe_task_args *args, struct lathe_error *err, void **task)
{
    struct escape *e = calloc(1, sizeof *e);

    (void)err;
    if (e == NULL)
        return LATHE_E_NOMEM;
    if (sscanf(args->spec, "{\"outside\":\"%250[^\"]\",\"inside\":\"%250[^\"]\"", e->outside,
               e->inside) != 2) {
        free(e);
        return LATHE_E_INVALID;
    }
    *task = e;
    return LATHE_OK;
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int try_socket(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* 0 when a program ran. */
static int try_spawn(void)
{
    char program[] = "/bin/true", *const argv[] = {program, NULL}, *const none[] = {NULL};
    int status = 0, result;
    pid_t pid;

    if ((result = posix_spawn(&pid, program, NULL, NULL, argv, none)) != 0)
        return result;
    if (waitpid(pid, &status, 0) != pid)
        return errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ECHILD;
}

static int try_exec(void)
{
    char program[] = "/bin/true", *const argv[] = {program, NULL}, *const none[] = {NULL};

    (void)execve(program, argv, none); /* ends this process when it is let */
    return errno;
}

static int32_t escape_slice(void *task, const struct lathe_budget *budget, struct lathe_error *err)
{
    struct escape *e = task;

    (void)budget;
    (void)err;
    e->inet = try_socket(AF_INET);
    e->local = try_socket(AF_UNIX);
    e->program = try_exec();
    e->child = try_spawn();
    e->read_outside = try_open(e->outside, O_RDONLY);
    e->write_outside = try_open(e->outside, O_WRONLY);
    e->read_config = try_open("/etc/passwd", O_RDONLY);
    e->write_inside = try_open(e->inside, O_WRONLY | O_CREAT);
    e->read_inside = try_open(e->inside, O_RDONLY);
    return LATHE_OK;
}

static void escape_progress(void *task, uint64_t *current, uint64_t *total)
{
    (void)task;
    *current = *total = 1;
}

static int32_t escape_result(void *task, char *json, uint64_t cap_bytes, struct lathe_error *err)
{
    const struct escape *e = task;
    int n = snprintf(json, cap_bytes,
                     "{\"inet\":%d,\"local\":%d,\"program\":%d,\"child\":%d,\"read_outside\":%d,"
                     "\"write_outside\":%d,\"read_config\":%d,\"read_inside\":%d,"
                     "\"write_inside\":%d}",
                     e->inet, e->local, e->program, e->child, e->read_outside, e->write_outside,
                     e->read_config, e->read_inside, e->write_inside);

    (void)err;
    return n > 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static const struct lathe_task escape = {.struct_size = sizeof escape,
                                         .open = escape_open,
                                         .slice = escape_slice,
                                         .progress = escape_progress,
                                         .result = escape_result,
                                         .close = free};

LATHE_PLUGIN_SINGLE("org.lathe.test.escape", "1.0.0", "Apache-2.0", "Tries to leave.",
                    LATHE_KIND_TASK, "test.escape", &escape, NULL);
