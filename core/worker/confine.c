/* Confinement of a worker by what the kernel offers. A worker needs its run directory, the plugin
 * files and their libraries; no network, no new programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <locale.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#define LOG_MODULE "worker"
#include "core/base/log.h"

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

static int32_t limit(int resource, const char *name, uint64_t value, struct lathe_error *err)
{
    struct rlimit now, want;

    if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
        return fail_errno(err, errno, "read limit %s", name);
    want.rlim_cur = want.rlim_max = (rlim_t)value;
    if (now.rlim_max != RLIM_INFINITY && want.rlim_max > now.rlim_max)
        want.rlim_cur = want.rlim_max = now.rlim_max; /* already tighter */
    if (setrlimit((__rlimit_resource_t)resource, &want) != 0)
        return fail_errno(err, errno, "limit %s to %llu", name, (unsigned long long)value);
    return LATHE_OK;
}

static int32_t set_limits(const struct wlimits *l, struct lathe_error *err)
{
    int32_t st = limit(RLIMIT_CORE, "core", l->core_bytes, err);

    if (st == LATHE_OK)
        st = limit(RLIMIT_NOFILE, "files", l->files, err);
#if !IS_SANITIZED /* sanitizers reserve terabytes of addresses */
    if (st == LATHE_OK && l->memory_bytes > 0)
        st = limit(RLIMIT_AS, "memory", l->memory_bytes, err);
#endif
    if (st == LATHE_OK && l->cpu_seconds > 0)
        st = limit(RLIMIT_CPU, "cpu", l->cpu_seconds, err);
    if (st == LATHE_OK && l->file_bytes > 0)
        st = limit(RLIMIT_FSIZE, "file size", l->file_bytes, err);
    return st;
}

static void close_above(int keep_fd)
{
    if (syscall(SYS_close_range, (unsigned)keep_fd + 1, ~0U, 0) != 0) {
        int fd, max = (int)sysconf(_SC_OPEN_MAX);

        for (fd = keep_fd + 1; fd < max && fd < 65536; fd++)
            close(fd);
    }
}

/* ---- Landlock ------------------------------------------------------------------------------- */

#define READ_RIGHTS \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                                              \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                             \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |  \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FILE_RIGHTS \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)

/* A path that does not exist is skipped. */
static int allow(int ruleset, const char *path, uint64_t rights, int is_dir)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    int result;

    if (path == NULL || path[0] != '/')
        return 0;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return 0;
    if (!is_dir)
        rule.allowed_access &= FILE_RIGHTS;
    result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return result;
}

static int allow_job_files(int ruleset, const struct wjob *job)
{
    size_t i;
    int bad = allow(ruleset, job->dir, READ_RIGHTS | (WRITE_RIGHTS), 1);

    for (i = 0; i < job->n_plugins; i++)
        bad |= allow(ruleset, job->plugins[i].path, READ_RIGHTS, 0);
    for (i = 0; i < json_array_size(job->resume); i++)
        bad |= allow(ruleset, json_string_value(json_array_get(job->resume, i)), READ_RIGHTS, 0);
    bad |= allow(ruleset, job->policy, READ_RIGHTS, 0);
    bad |= allow(ruleset, job->init_policy, READ_RIGHTS, 0);
    return bad;
}

static int landlock_apply(const struct wjob *job)
{
    static const char *const system[] = {"/usr", "/lib", "/lib64", "/proc", "/sys", NULL};
    /* of /etc only what loading a library reads: the rest may hold the server's secrets */
    static const char *const files[] = {"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime",
                                        "/dev/urandom", NULL};
    struct landlock_ruleset_attr attr = {.handled_access_fs = READ_RIGHTS | (WRITE_RIGHTS)};
    int i, bad = 0, ruleset;

    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return 0;
    for (i = 0; system[i] != NULL; i++)
        bad |= allow(ruleset, system[i], READ_RIGHTS, 1);
    for (i = 0; files[i] != NULL; i++)
        bad |= allow(ruleset, files[i], READ_RIGHTS, 0);
    bad |= allow(ruleset, "/dev/null", READ_RIGHTS | (WRITE_RIGHTS), 0);
    bad |= allow_job_files(ruleset, job);
    if (!bad)
        bad = syscall(SYS_landlock_restrict_self, ruleset, 0) != 0;
    close(ruleset);
    return !bad;
}

/* ---- seccomp -------------------------------------------------------------------------------- */

/* Refused with EPERM: programs, network, other processes, the system. */
static const int denied[] = {SCMP_SYS(execve),
                             SCMP_SYS(execveat),
                             SCMP_SYS(socket),
                             SCMP_SYS(connect),
                             SCMP_SYS(bind),
                             SCMP_SYS(listen),
                             SCMP_SYS(accept),
                             SCMP_SYS(accept4),
                             SCMP_SYS(ptrace),
                             SCMP_SYS(process_vm_readv),
                             SCMP_SYS(process_vm_writev),
                             SCMP_SYS(kexec_load),
                             SCMP_SYS(init_module),
                             SCMP_SYS(finit_module),
                             SCMP_SYS(delete_module),
                             SCMP_SYS(mount),
                             SCMP_SYS(umount2),
                             SCMP_SYS(pivot_root),
                             SCMP_SYS(chroot),
                             SCMP_SYS(reboot),
                             SCMP_SYS(swapon),
                             SCMP_SYS(swapoff),
                             SCMP_SYS(bpf),
                             SCMP_SYS(perf_event_open),
                             SCMP_SYS(userfaultfd),
                             SCMP_SYS(keyctl),
                             SCMP_SYS(add_key),
                             SCMP_SYS(request_key),
                             SCMP_SYS(setns),
                             SCMP_SYS(unshare),
                             SCMP_SYS(io_uring_setup),
                             SCMP_SYS(open_by_handle_at),
                             SCMP_SYS(sethostname)};

static int seccomp_apply(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    size_t i;
    int ok;

    if (ctx == NULL)
        return 0;
    ok = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
    for (i = 0; i < sizeof denied / sizeof denied[0] && ok; i++) {
        if (IS_SANITIZED && denied[i] == SCMP_SYS(ptrace))
            continue; /* the leak check stops its own threads this way */
        ok = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied[i], 0) == 0;
    }
    ok = ok && seccomp_load(ctx) == 0;
    seccomp_release(ctx);
    return ok;
}

int32_t confine_apply(const struct wjob *job, int keep_fd, struct lathe_error *err)
{
    int has_landlock, has_seccomp;
    int32_t st;

    close_above(keep_fd);
    if (getpgrp() != getpid() && setpgid(0, 0) != 0)
        log_warn("no own process group", F_INT("errno", errno));
    if (setlocale(LC_ALL, "C") == NULL || setenv("OPENBLAS_NUM_THREADS", "1", 1) != 0 ||
        setenv("OMP_NUM_THREADS", "1", 1) != 0)
        return fail(err, LATHE_E_INTERNAL, "process environment");
    if ((st = set_limits(&job->limits, err)) != LATHE_OK)
        return st;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail_errno(err, errno, "no_new_privs");
    has_landlock = job->landlock && landlock_apply(job);
    has_seccomp = job->seccomp && seccomp_apply();
    log_info("confined", F_BOOL("landlock", has_landlock), F_BOOL("seccomp", has_seccomp));
    return LATHE_OK;
}

void confine_describe(struct strbuf *out)
{
    int nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), root_errno = errno;
    struct rlimit core;

    strbuf_addf(out, "{\"rlimits\":%s,\"no_new_privs\":%s,\"seccomp\":%s,\"landlock\":%s}",
                getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur != RLIM_INFINITY ? "true"
                                                                                     : "false",
                nnp == 1 ? "true" : "false", seccomp == 2 ? "true" : "false",
                root < 0 && root_errno == EACCES ? "true" : "false");
    if (root >= 0)
        close(root);
}
