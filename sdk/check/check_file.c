/* Tests of the file before and while it is mapped: symbols, segments, floating-point mode. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "sdk/check/check.h"
#include "sdk/check/elf_scan.h"

#define ENTRY_SYMBOL "lathe_plugin_v1"

/* What a plugin never calls: it would end, fork or reconfigure the process, or break determinism.
 */
static const char *const denied[] = {
    "exit",       "_exit",         "quick_exit", "abort_handler_s", "fork",    "vfork",
    "system",     "popen",         "execve",     "execv",           "execvp",  "execl",
    "execlp",     "setlocale",     "chdir",      "fchdir",          "umask",   "signal",
    "sigaction",  "fesetround",    "fesetenv",   "srand",           "srandom", "longjmp",
    "siglongjmp", "__longjmp_chk", "setuid",     "setgid",          NULL};
/* Refused for environments, algorithms and engines only; others may ask for the time. */
static const char *const denied_numeric[] = {
    "rand",   "random", "rand_r",  "drand48",   "time", "gettimeofday", "clock", "localtime",
    "printf", "puts",   "putchar", "getrandom", NULL};

struct symbols {
    struct check *check;
    uint32_t n_exports, has_entry;
    const char *const *deny;
    struct strbuf found;
};

static void count_export(void *user, const char *name, int defined)
{
    struct symbols *symbols = user;

    if (!defined)
        return;
    if (strcmp(name, ENTRY_SYMBOL) == 0) {
        symbols->has_entry = 1;
    } else if (strncmp(name, "lathe_plugin_v", 14) != 0 && name[0] != '_') {
        symbols->n_exports++;
        strbuf_addf(&symbols->found, "%s%s", symbols->found.len_bytes ? ", " : "", name);
    }
}

static void find_denied(void *user, const char *name, int defined)
{
    struct symbols *symbols = user;

    for (const char *const *deny = symbols->deny; !defined && *deny != NULL; deny++)
        if (strcmp(*deny, name) == 0)
            strbuf_addf(&symbols->found, "%s%s", symbols->found.len_bytes ? ", " : "", name);
}

static void test_exports(struct check *check)
{
    struct symbols symbols = {.check = check};
    struct elf_facts facts;
    struct lathe_error err = {0};

    strbuf_init(&symbols.found);
    int32_t st = elf_scan(check->path, count_export, &symbols, &facts, &err);
    if (st != LATHE_OK)
        check_fail(check, "%s", err.text);
    else if (!symbols.has_entry)
        check_fail(check, "does not export %s; define it, or use LATHE_PLUGIN_SINGLE",
                   ENTRY_SYMBOL);
    else if (symbols.n_exports > 0)
        check_fail(check, "also exports %s; build with lathe_add_plugin(), which hides them",
                   symbols.found.data);
    strbuf_fini(&symbols.found);
}

static void scan_denied(struct check *check, const char *const *deny, const char *advice)
{
    struct symbols symbols = {.check = check, .deny = deny};
    struct elf_facts facts;
    struct lathe_error err = {0};

    strbuf_init(&symbols.found);
    if (elf_scan(check->path, find_denied, &symbols, &facts, &err) != LATHE_OK)
        check_fail(check, "%s", err.text);
    else if (symbols.found.len_bytes > 0)
        check_fail(check, "imports %s: %s", symbols.found.data, advice);
    strbuf_fini(&symbols.found);
}

static void test_imports(struct check *check)
{
    scan_denied(check, denied, "a plugin must not end, fork or reconfigure the process");
}

static void test_segments(struct check *check)
{
    struct symbols symbols = {.check = check, .deny = denied};
    struct elf_facts facts;
    struct lathe_error err = {0};

    strbuf_init(&symbols.found);
    int32_t st = elf_scan(check->path, find_denied, &symbols, &facts, &err);
    strbuf_fini(&symbols.found);
    CHECK_THAT(check, st == LATHE_OK, "%s", err.text);
    CHECK_THAT(check, facts.n_writable_code == 0, "%u segments are writable and executable",
               facts.n_writable_code);
    CHECK_THAT(check, !facts.text_relocations, "has text relocations; compile with -fPIC");
    CHECK_THAT(check, facts.has_now && facts.has_relro,
               "was not linked with -z now -z relro; build with lathe_add_plugin()");
    CHECK_THAT(check, facts.has_nodelete,
               "was not linked with -z nodelete: unloading could leave dangling code pointers");
}

static void test_float_mode(struct check *check)
{
#if defined(__x86_64__)
    unsigned before = _mm_getcsr() & ~0x3fu; /* without the sticky exception flags */
    void *handle = dlopen(check->path, RTLD_NOW | RTLD_LOCAL);
    unsigned after = _mm_getcsr() & ~0x3fu;

    CHECK_THAT(check, handle != NULL, "%s", dlerror());
    CHECK_THAT(check, before == after,
               "loading it changed the floating-point mode (MXCSR %#x to %#x); link without "
               "-Ofast and -ffast-math",
               before, after);
#else
    check_skip(check, "knows x86-64 only");
#endif
}

static void test_loads(struct check *check)
{
    void *handle = dlopen(check->path, RTLD_NOW | RTLD_LOCAL);

    CHECK_THAT(check, handle != NULL, "%s", dlerror());
    CHECK_THAT(check, dlsym(handle, ENTRY_SYMBOL) != NULL, "has no symbol %s", ENTRY_SYMBOL);
}

static void test_numeric_imports(struct check *check)
{
    scan_denied(
        check, denied_numeric,
        "numeric code draws from lathe/rng.h, logs through the host, and does not read clocks");
}

static const struct check_test loads = {
    SCOPE_FILE, "file.loads", "every symbol resolves and the entry table is there", 10, test_loads};
static const struct check_test exports = {
    SCOPE_FILE, "file.exports", "exports its entry table and nothing else", 10, test_exports};
static const struct check_test imports = {SCOPE_FILE, "file.imports",
                                          "imports no function on the deny list", 10, test_imports};
static const struct check_test segments = {SCOPE_FILE, "file.segments",
                                           "no writable code, relro, bind now, never unloaded", 10,
                                           test_segments};
static const struct check_test float_mode = {SCOPE_FILE, "file.float_mode",
                                             "loading leaves the floating-point mode alone", 10,
                                             test_float_mode};
static const struct check_test numeric_env = {"lathe.env/1", "env.imports",
                                              "no clock, printing or process-wide generator", 10,
                                              test_numeric_imports};
static const struct check_test numeric_algorithm = {"lathe.algorithm/1", "algorithm.imports",
                                                    "no clock, printing or process-wide generator",
                                                    10, test_numeric_imports};
const struct check_test *const check_file_tests[] = {
    &loads, &exports, &imports, &segments, &float_mode, &numeric_env, &numeric_algorithm, NULL};
