/* posix_spawn and pidfd. Fork is never used: from a large server it costs milliseconds, and a child
 * must not inherit descriptors, signal masks or real-time priority. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/super/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define ENV_MAX 24

/* Passed on when set; everything else stays behind. */
static const char *const env_kept[] = {"PATH",
                                       "TZ",
                                       "TMPDIR",
                                       "ASAN_OPTIONS",
                                       "UBSAN_OPTIONS",
                                       "TSAN_OPTIONS",
                                       "LSAN_OPTIONS",
                                       "LLVM_PROFILE_FILE",
                                       "LD_LIBRARY_PATH",
                                       "LD_PRELOAD",
                                       NULL};
/* Numeric libraries must not start threads of their own. */
static const char *const env_fixed[] = {"LC_ALL=C", "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1",
                                        NULL};

/* Builds envp; the strings are dup_. */
static void env_build(char *envp[ENV_MAX])
{
    size_t n = 0;
    for (size_t i = 0; env_fixed[i] != NULL && n + 1 < ENV_MAX; i++)
        envp[n++] = mem_strdup(env_fixed[i]);
    for (size_t i = 0; env_kept[i] != NULL && n + 1 < ENV_MAX; i++) {
        const char *value = getenv(env_kept[i]);
        size_t len = strlen(env_kept[i]);
        if (value == NULL || (envp[n] = mem_alloc(len + strlen(value) + 2)) == NULL)
            continue;
        memcpy(envp[n], env_kept[i], len);
        envp[n][len] = '=';
        memcpy(envp[n] + len + 1, value, strlen(value) + 1);
        n++;
    }
    envp[n] = NULL;
}

static void env_free(char *envp[ENV_MAX])
{
    for (size_t i = 0; i < ENV_MAX && envp[i] != NULL; i++)
        mem_free(envp[i]);
}

static int attr_set(posix_spawnattr_t *attr)
{
    struct sched_param normal = {0};
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                  POSIX_SPAWN_SETSCHEDULER;
    sigemptyset(&none);
    sigfillset(&all);
    return posix_spawnattr_setflags(attr, flags) || posix_spawnattr_setpgroup(attr, 0) ||
           posix_spawnattr_setsigmask(attr, &none) || posix_spawnattr_setsigdefault(attr, &all) ||
           posix_spawnattr_setschedpolicy(attr, SCHED_OTHER) ||
           posix_spawnattr_setschedparam(attr, &normal);
}

static int actions_set(posix_spawn_file_actions_t *fa, const struct spawn_spec *spec)
{
    const char *log = spec->log_path != NULL ? spec->log_path : "/dev/null";
    int r = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0) ||
            posix_spawn_file_actions_addopen(fa, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    /* out_fd and fd3 are above 2: the server keeps 0-2 open */
    if (!r)
        r = posix_spawn_file_actions_adddup2(fa, spec->out_fd >= 0 ? spec->out_fd : 2, 1);
    if (!r && spec->fd3 >= 0)
        r = posix_spawn_file_actions_adddup2(fa, spec->fd3, 3);
    if (!r)
        r = posix_spawn_file_actions_addclosefrom_np(fa, spec->fd3 >= 0 ? 4 : 3);
    return r;
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int32_t spawn_with(const struct spawn_spec *spec, posix_spawnattr_t *attr,
                          posix_spawn_file_actions_t *fa, pid_t *pid, struct lathe_error *err)
{
    char *envp[ENV_MAX] = {NULL};
    char *argv[16] = {NULL};
    int r;

    for (size_t i = 0; i < 15 && spec->argv[i] != NULL; i++)
        argv[i] = mem_strdup(spec->argv[i]); /* posix_spawn wants char *const */
    env_build(envp);
    r = posix_spawn(pid, spec->argv[0], fa, attr, argv, envp);
    env_free(envp);
    for (size_t i = 0; i < 15; i++)
        mem_free(argv[i]);
    return r == 0 ? LATHE_OK : fail_errno(err, r, "start %s", spec->argv[0]);
}

int32_t spawn_start(const struct spawn_spec *spec, pid_t *pid, int *pidfd, struct lathe_error *err)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t fa;
    int32_t st;

    if (posix_spawnattr_init(&attr) != 0)
        return fail(err, LATHE_E_NOMEM, "start %s", spec->argv[0]);
    if (posix_spawn_file_actions_init(&fa) != 0) {
        posix_spawnattr_destroy(&attr);
        return fail(err, LATHE_E_NOMEM, "start %s", spec->argv[0]);
    }
    if (attr_set(&attr) != 0 || actions_set(&fa, spec) != 0)
        st = fail(err, LATHE_E_NOMEM, "start %s", spec->argv[0]);
    else
        st = spawn_with(spec, &attr, &fa, pid, err);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    if (st == LATHE_OK && (*pidfd = pidfd_of(*pid)) < 0) {
        st = fail_errno(err, errno, "watch %s", spec->argv[0]);
        spawn_signal(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    return st;
}

void spawn_reap(int pidfd, int32_t *exit_code, int32_t *signal_number)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    *exit_code = -1;
    *signal_number = 0;
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0)
        if (errno != EINTR)
            return;
    if (info.si_code == CLD_EXITED)
        *exit_code = info.si_status;
    else
        *signal_number = info.si_status;
}

void spawn_signal(pid_t pid, int signal_number)
{
    if (pid > 1 && kill(-pid, signal_number) != 0)
        kill(pid, signal_number); /* the group does not exist yet */
}
