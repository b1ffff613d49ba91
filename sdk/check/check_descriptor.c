/* Tests of the entry table: negotiation, options, names, texts, repeated init and fini. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/registry/negotiate.h"
#include "sdk/check/check.h"

static void test_negotiates(struct check *check)
{
    const struct lathe_plugin *entry = check->file->entry;

    check_note(check, "%s %s, %s, ABI %u.%u", entry->id, entry->version,
               entry->license ? entry->license : "no licence", entry->abi_major, entry->abi_minor);
}

static int is_version(const char *text)
{
    int dots = 0;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '.')
            dots++;
        else if (*c == '-' || *c == '+')
            break;
        else if (*c < '0' || *c > '9')
            return 0;
    }
    return dots == 2 && text[0] != '.';
}

static int is_blank(const char *text)
{
    return text == NULL || text[strspn(text, " \t\n")] == '\0';
}

static void test_texts(struct check *check)
{
    const struct lathe_plugin *entry = check->file->entry;

    CHECK_THAT(check, strchr(entry->id, '.') != NULL,
               "id \"%s\" is not reverse DNS, such as org.example.maze", entry->id);
    CHECK_THAT(check, entry->version != NULL && is_version(entry->version),
               "version \"%s\" is not MAJOR.MINOR.PATCH", entry->version ? entry->version : "");
    CHECK_THAT(check, !is_blank(entry->license), "names no licence (an SPDX expression)");
    CHECK_THAT(check, !is_blank(entry->summary), "has no summary");
    for (const struct lathe_component *const *c = entry->components; *c != NULL; c++)
        CHECK_THAT(check, !is_blank((*c)->summary), "component %s %s has no summary", (*c)->kind,
                   (*c)->name);
}

static void check_option(struct check *check, const char *owner, const struct lathe_option *option)
{
    CHECK_THAT(check, !is_blank(option->doc), "%s: option %s has no documentation", owner,
               option->name);
    for (const char *c = option->name; *c != '\0'; c++)
        CHECK_THAT(check, (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_',
                   "%s: option name \"%s\" is not snake_case", owner, option->name);
}

static void test_options(struct check *check)
{
    const struct lathe_component *const *c = check->file->entry->components;
    uint32_t n = 0;

    for (; *c != NULL; c++)
        for (const struct lathe_option *const *o = (*c)->options; o != NULL && *o != NULL; o++) {
            check_option(check, (*c)->name, *o);
            n++;
        }
    check_note(check, "%u options", n);
}

static void test_lifecycle(struct check *check)
{
    const struct lathe_plugin *entry = check->file->entry;
    struct lathe_error err = {0};

    if (entry->init == NULL) {
        check_note(check, "has no init");
        return;
    }
    for (int i = 0; i < 100; i++) {
        void *state = NULL;
        int32_t st = entry->init(check->host, &err, &state);
        CHECK_THAT(check, st == LATHE_OK, "init failed in round %d: %s", i, err.text);
        if (entry->fini != NULL)
            entry->fini(state);
    }
}

static const struct check_test negotiates = {SCOPE_DESCRIPTOR, "descriptor.negotiates",
                                             "this SDK accepts the entry table", 10,
                                             test_negotiates};
static const struct check_test texts = {SCOPE_DESCRIPTOR, "descriptor.texts",
                                        "ids, versions, licence and summaries are there", 10,
                                        test_texts};
static const struct check_test options = {SCOPE_DESCRIPTOR, "descriptor.options",
                                          "every option is named and documented", 10, test_options};
static const struct check_test lifecycle = {SCOPE_DESCRIPTOR, "descriptor.lifecycle",
                                            "init and fini work a hundred times", 20,
                                            test_lifecycle};
const struct check_test *const check_descriptor_tests[] = {&negotiates, &texts, &options,
                                                           &lifecycle, NULL};
