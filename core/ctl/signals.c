/* Ctrl-C as something to wait for, so that watching ends in order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/ctl/ctl.h"

static sigset_t interrupts(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void ctl_interrupts_begin(struct ctl *ctl)
{
    sigset_t set = interrupts();

    if (ctl->interrupt_fd >= 0)
        return;
    ctl->interrupt_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (ctl->interrupt_fd >= 0)
        sigprocmask(SIG_BLOCK, &set, NULL);
}

void ctl_interrupts_end(struct ctl *ctl)
{
    sigset_t set = interrupts();

    if (ctl->interrupt_fd < 0)
        return;
    close(ctl->interrupt_fd);
    ctl->interrupt_fd = -1;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int ctl_interrupt_wait(const struct ctl *ctl, int timeout_ms)
{
    struct pollfd p = {.fd = ctl->interrupt_fd, .events = POLLIN};
    struct signalfd_siginfo info;

    if (poll(&p, 1, timeout_ms) < 1)
        return 0;
    return read(ctl->interrupt_fd, &info, sizeof info) == (ssize_t)sizeof info;
}
