/* lathe-plugin-check: the conformance kit. The parent never maps the plugin: it starts itself once
 * per test, with a time limit, so that a crash or a hang is one failed line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/registry/negotiate.h"
#include "sdk/check/check.h"
#include "sdk/check/host.h"
#include "sdk/check/sandbox.h"

#define WALL_FACTOR 10u /* wall time a test may take for each second of processor time */

static const char usage_text[] =
    "usage: lathe-plugin-check [OPTION...] PLUGIN.so\n"
    "\n"
    "Runs the conformance tests for a Lathe plugin, each in a process of its own.\n"
    "\n"
    "  --list             list the tests that apply, then stop\n"
    "  --only ID          run the tests whose id starts with ID (\"env\", \"env.cuts:Maze-v0\")\n"
    "  --options JSON     options for the components under test, such as '{\"size\": 8}'\n"
    "  --engine FILE      engine plugin that algorithms use (default: engine_cpu.so beside "
    "PLUGIN)\n"
    "  --seed N           seed of actions and episodes (default 1)\n"
    "  --waive FILE       test ids, one a line, that may fail (# starts a comment)\n"
    "  --json             one JSON object per test instead of text\n"
    "  --in-process       run in this process, for debuggers\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 all passed or waived, 1 a test failed, 2 the command line or the kit is "
    "wrong.\n";

struct options {
    const char *only, *options_json, *engine, *waive_path, *path;
    const char *self;
    uint64_t seed;
    int list, json, in_process, child;
    char *waived; /* content of the waive file */
};

void check_fail(struct check *check, const char *fmt, ...)
{
    va_list args;

    if (check->verdict == CHECK_FAIL)
        return;
    check->verdict = CHECK_FAIL;
    va_start(args, fmt);
    strbuf_vaddf(&check->why, fmt, args);
    va_end(args);
}

void check_skip(struct check *check, const char *fmt, ...)
{
    va_list args;

    if (check->verdict != CHECK_PASS)
        return;
    check->verdict = CHECK_SKIP;
    va_start(args, fmt);
    strbuf_vaddf(&check->why, fmt, args);
    va_end(args);
}

void check_note(struct check *check, const char *fmt, ...)
{
    va_list args;

    if (check->note.len_bytes > 0)
        strbuf_adds(&check->note, "; ");
    va_start(args, fmt);
    strbuf_vaddf(&check->note, fmt, args);
    va_end(args);
}

static const struct check_test *const *const tables[] = {
    check_file_tests, check_descriptor_tests, check_env_tests, check_algorithm_tests, NULL};

/* "env.cuts:CartPole-v1", or the name alone for tests of the file. */
static void test_id(const struct check_test *test, const struct lathe_component *component,
                    char out[256])
{
    if (component != NULL)
        snprintf(out, 256, "%s:%s", test->name, component->name);
    else
        snprintf(out, 256, "%s", test->name);
}

static int is_selected(const struct options *opt, const char *id)
{
    return opt->only == NULL || strncmp(id, opt->only, strlen(opt->only)) == 0;
}

static int is_waived(const struct options *opt, const char *id)
{
    const char *line = opt->waived;
    size_t len = strlen(id);

    while (line != NULL && *line != '\0') {
        if (strncmp(line, id, len) == 0 && strchr(" \t\r\n#", line[len]) != NULL)
            return 1;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}

static void print_result(const struct options *opt, const char *id, const char *verdict,
                         const char *why, const char *note)
{
    if (opt->json) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "test", id, "verdict", verdict, "why", why,
                                 "note", note);
        char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
        puts(text != NULL ? text : "{}");
        free(text);
        json_decref(line);
    } else {
        const char *color = strcmp(verdict, "fail") == 0 ? "\033[31m" : "\033[32m";
        int tty = isatty(STDOUT_FILENO);
        printf("%s%-6s%s %-44s %s%s%s\n", tty ? color : "", verdict, tty ? "\033[0m" : "", id, why,
               *why && *note ? "; " : "", note);
    }
    fflush(stdout);
}

/* The first option that has no default and that --options does not mention, or NULL. */
static const char *missing_option(const struct options *opt,
                                  const struct lathe_component *component)
{
    const struct lathe_option *const *o = component != NULL ? component->options : NULL;
    const char *missing = NULL;
    json_t *values = json_loads(opt->options_json, 0, NULL);

    for (; o != NULL && *o != NULL && missing == NULL; o++)
        if (((*o)->flags & LATHE_OPT_REQUIRED) && json_object_get(values, (*o)->name) == NULL)
            missing = (*o)->name;
    json_decref(values);
    return missing;
}

/* Time limits count processor time, so that a busy machine fails nobody; SIGXCPU ends the process.
 */
static void limit_cpu(uint32_t seconds)
{
    struct rlimit limit = {seconds, seconds + 5};

    (void)setrlimit(RLIMIT_CPU, &limit);
}

/* Runs one test here and prints its result; 1 unless it failed. */
static int run_here(const struct options *opt, const struct check_test *test,
                    const struct plugin_file *file, const struct lathe_component *component)
{
    static const char *const words[] = {"pass", "fail", "skip"};
    struct check check = {.path = opt->path,
                          .engine_path = opt->engine,
                          .seed = opt->seed,
                          .file = file,
                          .component = component,
                          .options_json = opt->options_json,
                          .host = kit_host()};
    char id[256];

    strbuf_init(&check.note);
    strbuf_init(&check.why);
    test_id(test, component, id);
    const char *missing = missing_option(opt, component);
    if (opt->child)
        limit_cpu(test->timeout_s);
    if (missing != NULL)
        check_skip(&check, "needs --options with a value for %s", missing);
    else
        test->run(&check);
    int failed = check.verdict == CHECK_FAIL;
    const char *word = failed && is_waived(opt, id) ? "waived" : words[check.verdict];
    print_result(opt, id, word, check.why.data, check.note.data);
    strbuf_fini(&check.note);
    strbuf_fini(&check.why);
    return strcmp(word, "fail") != 0;
}

/* Prints one id per line for the parent, or a line for people. */
static void list_one(const struct options *opt, const struct check_test *test, const char *id)
{
    if (opt->child)
        printf("%s\t%u\n", id, test->timeout_s);
    else
        printf("%-44s %s\n", id, test->doc);
}

static int visit(const struct options *opt, const struct check_test *test,
                 const struct plugin_file *file, const struct lathe_component *component)
{
    char id[256];

    test_id(test, component, id);
    if (!is_selected(opt, id))
        return 1;
    if (!opt->list)
        return run_here(opt, test, file, component);
    list_one(opt, test, id);
    return 1;
}

/* Walks every test that applies; file is NULL to walk the file tests alone. */
static int walk(const struct options *opt, const struct plugin_file *file)
{
    int ok = 1;

    for (const struct check_test *const *const *table = tables; *table != NULL; table++)
        for (const struct check_test *const *t = *table; *t != NULL; t++) {
            if (strcmp((*t)->scope, SCOPE_FILE) == 0) {
                ok &= visit(opt, *t, NULL, NULL);
                continue;
            }
            if (file == NULL)
                continue;
            if (strcmp((*t)->scope, SCOPE_DESCRIPTOR) == 0) {
                ok &= visit(opt, *t, file, NULL);
                continue;
            }
            for (const struct lathe_component *const *c = file->entry->components; *c; c++)
                if (strcmp((*c)->kind, (*t)->scope) == 0)
                    ok &= visit(opt, *t, file, *c);
        }
    return ok;
}

static int run_in_process(const struct options *opt)
{
    struct plugin_file *file = NULL;
    struct lathe_error err = {0};
    int needs_file = opt->only == NULL || strncmp(opt->only, "file.", 5) != 0;

    if (needs_file && plugin_open(opt->path, &file, &err) != LATHE_OK) {
        print_result(opt, "descriptor.negotiates", "fail", err.text, "");
        return 0;
    }
    int ok = walk(opt, file);
    plugin_close(file);
    return ok;
}

/* Starts this program again for one test (or the list); the caller reads result. */
static int32_t run_child(const struct options *opt, const char *only, int list, uint32_t timeout_s,
                         struct sandbox_result *result, struct lathe_error *err)
{
    char seed[32];
    const char *argv[20];
    int n = 0;

    snprintf(seed, sizeof seed, "%" PRIu64, opt->seed);
    argv[n++] = opt->self;
    argv[n++] = "--child";
    argv[n++] = list ? "--list" : "--in-process";
    argv[n++] = "--seed";
    argv[n++] = seed;
    argv[n++] = "--options";
    argv[n++] = opt->options_json;
    if (opt->engine != NULL) {
        argv[n++] = "--engine";
        argv[n++] = opt->engine;
    }
    if (opt->waive_path != NULL) {
        argv[n++] = "--waive";
        argv[n++] = opt->waive_path;
    }
    if (opt->json)
        argv[n++] = "--json";
    if (only != NULL) {
        argv[n++] = "--only";
        argv[n++] = only;
    }
    argv[n++] = opt->path;
    argv[n] = NULL;
    char *const *args = (char *const *)(uintptr_t)argv; /* exec takes char *, and does not write */
    return sandbox_run(args, timeout_s, result, err);
}

static int report_child(const struct options *opt, const char *id, uint32_t timeout_s,
                        const struct sandbox_result *result)
{
    char why[128];

    fputs(result->output.data, stdout);
    if (!result->timed_out && result->signal == 0 && result->exit_code >= 0) {
        if (result->output.len_bytes == 0)
            print_result(opt, id, "fail", "the test process ended without a result", "");
        return result->exit_code == 0 && result->output.len_bytes > 0;
    }
    if (result->signal == SIGXCPU)
        snprintf(why, sizeof why, "did not finish within %u s of processor time", timeout_s);
    else if (result->timed_out)
        snprintf(why, sizeof why, "did not finish within %u s", timeout_s * WALL_FACTOR);
    else
        snprintf(why, sizeof why, "crashed with signal %d (%s)", result->signal,
                 strsignal(result->signal));
    int waived = is_waived(opt, id);
    print_result(opt, id, waived ? "waived" : "fail", why, "");
    return waived;
}

static int run_all(const struct options *opt)
{
    struct sandbox_result list, result;
    struct lathe_error err = {0};
    char *save = NULL;
    int ok = 1, n = 0;

    if (run_child(opt, opt->only, 1, 30, &list, &err) != LATHE_OK) {
        fprintf(stderr, "lathe-plugin-check: %s\n", err.text);
        return -1;
    }
    if (list.exit_code != 0 || list.timed_out) {
        ok = report_child(opt, "file.loads", 30, &list);
        sandbox_result_fini(&list);
        return ok;
    }
    for (char *line = strtok_r(list.output.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *tab = strchr(line, '\t');
        if (tab == NULL)
            continue;
        *tab = '\0';
        uint32_t timeout_s = (uint32_t)strtoul(tab + 1, NULL, 10);
        if (run_child(opt, line, 0, timeout_s * WALL_FACTOR, &result, &err) != LATHE_OK) {
            fprintf(stderr, "lathe-plugin-check: %s\n", err.text);
            ok = -1;
            break;
        }
        ok &= report_child(opt, line, timeout_s, &result);
        sandbox_result_fini(&result);
        n++;
    }
    sandbox_result_fini(&list);
    if (n == 0) {
        fprintf(stderr, "lathe-plugin-check: no test of this file is called %s; see --list\n",
                opt->only ? opt->only : "so");
        return -1;
    }
    return ok;
}

enum {
    OPT_LIST = 256,
    OPT_ONLY,
    OPT_OPTIONS,
    OPT_ENGINE,
    OPT_SEED,
    OPT_WAIVE,
    OPT_JSON,
    OPT_IN_PROCESS,
    OPT_CHILD,
    OPT_VERSION
};

static const struct option long_options[] = {{"list", no_argument, NULL, OPT_LIST},
                                             {"only", required_argument, NULL, OPT_ONLY},
                                             {"options", required_argument, NULL, OPT_OPTIONS},
                                             {"engine", required_argument, NULL, OPT_ENGINE},
                                             {"seed", required_argument, NULL, OPT_SEED},
                                             {"waive", required_argument, NULL, OPT_WAIVE},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {"in-process", no_argument, NULL, OPT_IN_PROCESS},
                                             {"child", no_argument, NULL, OPT_CHILD},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, OPT_VERSION},
                                             {NULL, 0, NULL, 0}};

/* 1 to go on, 0 to end with status 0, -1 to end with status 2. */
static int parse(int argc, char **argv, struct options *opt)
{
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        switch (c) {
        case OPT_LIST:
            opt->list = 1;
            break;
        case OPT_ONLY:
            opt->only = optarg;
            break;
        case OPT_OPTIONS:
            opt->options_json = optarg;
            break;
        case OPT_ENGINE:
            opt->engine = optarg;
            break;
        case OPT_SEED:
            opt->seed = strtoull(optarg, NULL, 10);
            break;
        case OPT_WAIVE:
            opt->waive_path = optarg;
            break;
        case OPT_JSON:
            opt->json = 1;
            break;
        case OPT_CHILD:
            opt->child = 1;
            break;
        case OPT_IN_PROCESS:
            opt->in_process = 1;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return 0;
        case OPT_VERSION:
            puts("lathe-plugin-check " LATHE_VERSION_STRING);
            return 0;
        default:
            fputs(usage_text, stderr);
            return -1;
        }
    }
    if (optind != argc - 1) {
        fputs(usage_text, stderr);
        return -1;
    }
    opt->path = argv[optind];
    return 1;
}

int main(int argc, char **argv)
{
    struct options opt = {.options_json = "{}", .seed = 1};
    struct lathe_error err = {0};
    char self[4096];
    size_t len = 0;
    int go = parse(argc, argv, &opt);

    if (go <= 0)
        return go < 0 ? 2 : 0;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        fputs("lathe-plugin-check: cannot find its own path\n", stderr);
        return 2;
    }
    self[n] = '\0';
    opt.self = self;
    if (opt.waive_path != NULL &&
        io_read_file(opt.waive_path, 1 << 20, &opt.waived, &len, &err) != LATHE_OK) {
        fprintf(stderr, "lathe-plugin-check: %s\n", err.text);
        return 2;
    }
    int ok = opt.in_process || opt.list ? run_in_process(&opt) : run_all(&opt);
    mem_free(opt.waived);
    return ok < 0 ? 2 : ok ? 0 : 1;
}
