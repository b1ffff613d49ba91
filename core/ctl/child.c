/* Programs that lathectl starts: found beside it, their output read line by line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/ctl/ctl.h"

/* Starts it in its own process group: Ctrl-C is ours to pass on. Returns errno. */
static int start(const struct ctl_child *child, int out_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int failed;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    if (child->stderr_path)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, child->stderr_path,
                                         O_WRONLY | O_CREAT | O_APPEND, 0600);
    failed = posix_spawn(pid, child->argv[0], &actions, &attributes,
                         (char *const *)(uintptr_t)child->argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static void take_block(const struct ctl_child *child, struct strbuf *line, const char *block,
                       size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (block[i] != '\n') {
            strbuf_addc(line, block[i]);
            continue;
        }
        child->line(child->user, line->data);
        strbuf_clear(line);
    }
}

/* Reads until the child closes its end. Returns how often Ctrl-C came. */
static int read_lines(const struct ctl *ctl, const struct ctl_child *child, int fd, pid_t pid)
{
    struct pollfd wait[2] = {{.fd = fd, .events = POLLIN},
                             {.fd = ctl->interrupt_fd, .events = POLLIN}};
    struct strbuf line;
    char block[8192];
    int n_interrupts = 0;
    ssize_t n = 1;

    strbuf_init(&line);
    while (n > 0) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            break;
        if (wait[1].revents && ctl_interrupt_wait(ctl, 0))
            kill(-pid, n_interrupts++ ? SIGKILL : SIGTERM);
        if (!wait[0].revents)
            continue;
        if ((n = read(fd, block, sizeof block)) > 0)
            take_block(child, &line, block, (size_t)n);
        else if (n < 0 && (errno == EINTR || errno == EAGAIN))
            n = 1;
    }
    if (line.len_bytes)
        child->line(child->user, line.data);
    strbuf_fini(&line);
    return n_interrupts;
}

int ctl_child_run(const struct ctl *ctl, const struct ctl_child *child, int *was_interrupted)
{
    int fds[2], status = 0, failed, n_interrupts;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0) {
        ctl_error("no pipe: %s", strerror(errno));
        return -1;
    }
    failed = start(child, fds[1], &pid);
    close(fds[1]);
    if (failed) {
        ctl_error("%s cannot be started: %s", child->argv[0], strerror(failed));
        close(fds[0]);
        return -1;
    }
    n_interrupts = read_lines(ctl, child, fds[0], pid);
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (was_interrupted)
        *was_interrupted = n_interrupts > 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ctl_program(const char *name, char out[CTL_PATH_MAX])
{
    static const char *const places[] = {"", "/" CTL_LIBEXEC_RELPATH, NULL};
    struct lathe_error err = {0};
    char self[3800];
    int i;

    if (path_self_dir(self, sizeof self, &err) != LATHE_OK) {
        ctl_error("%s", err.text);
        return 0;
    }
    for (i = 0; places[i]; i++) {
        snprintf(out, CTL_PATH_MAX, "%s%.200s/%.60s", self, places[i], name);
        if (access(out, X_OK) == 0)
            return 1;
    }
    ctl_error("%s is not in %s; it is installed with the server", name, self);
    return 0;
}
