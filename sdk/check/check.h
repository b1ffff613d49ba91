/* Conformance kit: what a test is, what it sees, how it reports. Each test runs in a process of its
 * own. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_CHECK_H
#define SDK_CHECK_CHECK_H

#include "core/base/strbuf.h"
#include "lathe/plugin.h"

struct plugin_file;

enum check_verdict { CHECK_PASS, CHECK_FAIL, CHECK_SKIP };

/* Context of one running test. */
struct check {
    const char *path;        /* plugin file */
    const char *engine_path; /* engine plugin for algorithms, or NULL */
    uint64_t seed;
    const struct plugin_file *file;          /* loaded; NULL in tests of scope FILE */
    const struct lathe_component *component; /* NULL in tests of scope FILE and DESCRIPTOR */
    const char *options_json;                /* --options for the component, "{}" by default */
    const struct lathe_host *host;
    struct strbuf note; /* facts worth showing, also when it passes */
    struct strbuf why;  /* first failure */
    enum check_verdict verdict;
};

/* Where a test applies: to the raw file, to the loaded file, or to each component of a kind. */
#define SCOPE_FILE "file"
#define SCOPE_DESCRIPTOR "descriptor"

struct check_test {
    const char *scope; /* SCOPE_FILE, SCOPE_DESCRIPTOR, or a kind: "lathe.env/1" */
    const char *name;  /* "env.determinism" */
    const char *doc;   /* one sentence: what passing means */
    uint32_t timeout_s;
    void (*run)(struct check *check);
};

/* NULL-terminated tables, one per source file. */
extern const struct check_test *const check_file_tests[];
extern const struct check_test *const check_descriptor_tests[];
extern const struct check_test *const check_env_tests[];
extern const struct check_test *const check_algorithm_tests[];

/* Records the first failure; later ones are ignored. */
void check_fail(struct check *check, const char *fmt, ...) LATHE_PRINTF(2, 3);
void check_skip(struct check *check, const char *fmt, ...) LATHE_PRINTF(2, 3);
void check_note(struct check *check, const char *fmt, ...) LATHE_PRINTF(2, 3);

/* Fails the test and returns from the calling function unless cond holds. */
#define CHECK_THAT(check, cond, ...)          \
    do {                                      \
        if (!(cond)) {                        \
            check_fail((check), __VA_ARGS__); \
            return;                           \
        }                                     \
    } while (0)

/* Runs of the allocator seen so far in this process, or UINT64_MAX where they cannot be counted
 * (sanitizer builds bring their own allocator). */
uint64_t check_allocations(void);

#endif
