/* A crash or a hang of a plugin is a result here, not an outage of the kit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"

#define OUTPUT_MAX ((size_t)1 << 20)

/* Reads until the end of output or the deadline; 1 when the output ended. */
static int drain(int fd, int64_t deadline_ns, struct strbuf *out)
{
    char chunk[4096];

    for (;;) {
        int64_t left_ms = (deadline_ns - clock_mono_ns()) / 1000000;
        struct pollfd pfd = {fd, POLLIN, 0};
        if (left_ms <= 0)
            return 0;
        int ready = poll(&pfd, 1, left_ms > 1000 ? 1000 : (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return 1;
        if (ready <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR))
            return 1;
        if (n > 0 && out->len_bytes < OUTPUT_MAX)
            strbuf_add(out, chunk, (size_t)n);
    }
}

static void reap(pid_t pid, int64_t deadline_ns, struct sandbox_result *result)
{
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_mono_ns() >= deadline_ns) {
            result->timed_out = 1;
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        usleep(2000);
    }
    result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result->signal = WIFSIGNALED(status) && !result->timed_out ? WTERMSIG(status) : 0;
}

int32_t sandbox_run(char *const argv[], uint32_t timeout_s, struct sandbox_result *result,
                    struct lathe_error *err)
{
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid = 0;

    memset(result, 0, sizeof *result);
    strbuf_init(&result->output);
    if (pipe2(fds, O_CLOEXEC) != 0)
        return fail_errno(err, errno, "make a pipe for a test process");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    int failed = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (failed != 0) {
        close(fds[0]);
        return fail_errno(err, failed, "start %s", argv[0]);
    }
    int64_t deadline_ns = clock_mono_ns() + (int64_t)timeout_s * 1000000000;
    drain(fds[0], deadline_ns, &result->output);
    close(fds[0]);
    reap(pid, deadline_ns, result);
    return LATHE_OK;
}

void sandbox_result_fini(struct sandbox_result *result)
{
    strbuf_fini(&result->output);
}
