/* Starting a program with a clean environment, its own process group and a pidfd. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SUPER_SPAWN_H
#define CORE_SUPER_SPAWN_H

#include <sys/types.h>

#include "lathe/status.h"

struct spawn_spec {
    const char *const *argv; /* argv[0] is a path */
    int fd3;                 /* becomes descriptor 3 of the child; -1: none */
    int out_fd;              /* becomes stdout; -1: goes to log_path */
    const char *log_path;    /* stderr (and stdout), appended; NULL: /dev/null */
};

/* *pidfd is close-on-exec and becomes readable when the child ends. Errors: LATHE_E_IO, ... */
int32_t spawn_start(const struct spawn_spec *spec, pid_t *pid, int *pidfd,
                    struct lathe_error *err) LATHE_MUST_USE;
/* Reaps a child that has ended: exit code, or the signal (exit_code is then -1). */
void spawn_reap(int pidfd, int32_t *exit_code, int32_t *signal_number);
/* Signals the whole process group of a child that was not reaped yet. */
void spawn_signal(pid_t pid, int signal_number);

#endif
