/* Reading the configuration and turning it into absolute paths and word lists. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lathed/settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"

#define WORDS_MAX 256

/* ---- words ---- */

static char *word_next(const char **at)
{
    const char *begin = *at, *end;
    while (*begin != '\0' && (isspace((unsigned char)*begin) || *begin == ','))
        begin++;
    if (*begin == '\0')
        return NULL;
    end = begin + strcspn(begin, ",");
    *at = end;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    return mem_strndup(begin, (size_t)(end - begin));
}

char **settings_words(const char *text)
{
    char **words = mem_zalloc(WORDS_MAX + 1, sizeof *words);
    for (size_t n = 0; words != NULL && n < WORDS_MAX; n++)
        if ((words[n] = word_next(&text)) == NULL)
            break;
    return words;
}

void settings_words_free(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        mem_free(words[i]);
    mem_free(words);
}

int settings_has_word(const char *list, const char *word)
{
    char **words = settings_words(list);
    int found = 0;
    for (size_t i = 0; words != NULL && words[i] != NULL && !found; i++)
        found = strcmp(words[i], "*") == 0 || strcmp(words[i], word) == 0;
    settings_words_free(words);
    return found;
}

int settings_split_address(const char *text, char *address, size_t cap, uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *begin = text;
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    char *end;
    long number;

    if (len == 0 || !isdigit((unsigned char)colon[1]))
        return 0;
    number = strtol(colon + 1, &end, 10);
    if (*end != '\0' || number > 65535)
        return 0;
    if (begin[0] == '[') {
        if (len < 3 || begin[len - 1] != ']')
            return 0;
        begin++;
        len -= 2;
    }
    if (len >= cap)
        return 0;
    memcpy(address, begin, len);
    address[len] = '\0';
    *port = (uint16_t)number;
    return 1;
}

/* ---- the file ---- */

static int32_t listeners_check(const struct config *config, const char *path,
                               struct lathe_error *err)
{
    const struct config_group *server = config_group(config_root(config), "server");
    size_t n = config_count(server, "listeners");

    for (size_t i = 0; i < n; i++) {
        const struct config_group *l = config_item(server, "listeners", i);
        int has_cert = config_string(l, "tls_cert")[0] != '\0';
        int has_key = config_string(l, "tls_key")[0] != '\0';
        if (has_cert != has_key)
            return fail_field(err, LATHE_E_INVALID, "server.listeners",
                              "%s:%u: a TLS listener needs both tls_cert and tls_key", path,
                              config_line(l));
    }
    return LATHE_OK;
}

int32_t settings_load(const char *path, struct config **out, struct lathe_error *err)
{
    struct config *config = NULL;
    int32_t st = path != NULL ? config_load(path, settings_schema(), &config, err)
                              : config_parse("", 0, "defaults", settings_schema(), &config, err);
    if (st == LATHE_OK &&
        (st = listeners_check(config, path != NULL ? path : "defaults", err)) != LATHE_OK)
        config_free(config);
    if (st == LATHE_OK)
        *out = config;
    return st;
}

/* ---- paths ---- */

/* Absolute form of path; the target need not exist. */
static int32_t absolute(const char *path, char out[SETTINGS_PATH_MAX], struct lathe_error *err)
{
    char cwd[SETTINGS_PATH_MAX];
    if (path[0] == '/') {
        if (strlen(path) >= SETTINGS_PATH_MAX)
            return fail(err, LATHE_E_LIMIT, "path %.60s... is too long", path);
        snprintf(out, SETTINGS_PATH_MAX, "%s", path);
        return LATHE_OK;
    }
    if (getcwd(cwd, sizeof cwd) == NULL)
        return fail_errno(err, errno, "find the working directory");
    return path_join(out, SETTINGS_PATH_MAX, cwd, path, err);
}

/* Adds the directories of a list separated by ':', at most max. */
static int32_t search_path(const char *list, size_t max, char **dirs, size_t *n,
                           struct lathe_error *err)
{
    char word[SETTINGS_PATH_MAX], dir[SETTINGS_PATH_MAX];
    int32_t st = LATHE_OK;

    while (list != NULL && st == LATHE_OK) {
        size_t len = strcspn(list, ":");

        if (len >= sizeof word)
            return fail(err, LATHE_E_LIMIT, "LATHE_PLUGIN_PATH: %.60s... is too long", list);
        memcpy(word, list, len);
        word[len] = '\0';
        list = list[len] == ':' ? list + len + 1 : NULL;
        if (len == 0)
            continue;
        if (*n >= max)
            return fail(err, LATHE_E_LIMIT, "LATHE_PLUGIN_PATH names more than %zu directories",
                        max);
        if ((st = absolute(word, dir, err)) == LATHE_OK && (dirs[*n] = mem_strdup(dir)) == NULL)
            st = fail(err, LATHE_E_NOMEM, "read paths");
        *n += st == LATHE_OK;
    }
    return st;
}

static int32_t plugin_dirs(const struct config_group *paths, const char *self,
                           struct settings_paths *out, struct lathe_error *err)
{
    const char *env = getenv("LATHE_PLUGIN_PATH");
    char **words = settings_words(config_string(paths, "plugins"));
    size_t n = 0;
    char dir[SETTINGS_PATH_MAX];
    int32_t st = words != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "read paths");

    out->plugins = mem_zalloc(2 * WORDS_MAX + 8, sizeof *out->plugins);
    if (out->plugins == NULL)
        st = fail(err, LATHE_E_NOMEM, "read paths");
    if (st == LATHE_OK)
        st = search_path(env, WORDS_MAX, out->plugins, &n, err);
    for (size_t i = 0; st == LATHE_OK && words[i] != NULL; i++)
        if ((st = absolute(words[i], dir, err)) == LATHE_OK)
            out->plugins[n++] = mem_strdup(dir);
    settings_words_free(words);
    for (const char *const *rel = (const char *const[]){"../plugins", LATHED_PLUGIN_RELPATH, NULL};
         st == LATHE_OK && *rel != NULL; rel++) {
        char real[PATH_MAX];
        if ((st = path_join(dir, sizeof dir, self, *rel, err)) == LATHE_OK &&
            realpath(dir, real) != NULL)
            out->plugins[n++] = mem_strdup(real);
    }
    return st;
}

/* www: the command line, the configuration, or the assets that were installed with the program. */
static int32_t www_dir(const struct config_group *paths, const struct arguments *args,
                       const char *self, char out[SETTINGS_PATH_MAX], struct lathe_error *err)
{
    const char *given = args->www_dir != NULL ? args->www_dir : config_string(paths, "www");
    char dir[SETTINGS_PATH_MAX], real[PATH_MAX];
    int32_t st;

    out[0] = '\0';
    if (given[0] != '\0')
        return absolute(given, out, err);
    /* beside the build's programs, or where it was installed */
    for (const char *const *rel = (const char *const[]){"../www", LATHED_WWW_RELPATH, NULL};
         *rel != NULL; rel++) {
        if ((st = path_join(dir, sizeof dir, self, *rel, err)) != LATHE_OK)
            return st;
        if (realpath(dir, real) == NULL)
            continue;
        snprintf(out, SETTINGS_PATH_MAX, "%s", real);
        break;
    }
    return LATHE_OK;
}

static int32_t plugin_config_dir(const struct config_group *paths, const struct arguments *args,
                                 char out[SETTINGS_PATH_MAX], struct lathe_error *err)
{
    const char *given = config_string(paths, "plugin_config");
    char file[SETTINGS_PATH_MAX], *slash;
    int32_t st;

    if (given[0] != '\0')
        return absolute(given, out, err);
    if ((st = absolute(args->config_path != NULL ? args->config_path : "etc/lathe.conf", file,
                       err)) != LATHE_OK)
        return st;
    if ((slash = strrchr(file, '/')) != NULL)
        *slash = '\0';
    return path_join(out, SETTINGS_PATH_MAX, file, "plugins.d", err);
}

int32_t settings_paths(const struct config *config, const struct arguments *args,
                       struct settings_paths *out, struct lathe_error *err)
{
    const struct config_group *paths = config_group(config_root(config), "paths");
    const char *worker = config_string(paths, "worker");
    char self[SETTINGS_PATH_MAX];
    int32_t st;

    memset(out, 0, sizeof *out);
    if ((st = path_self_dir(self, sizeof self, err)) == LATHE_OK &&
        (st = absolute(args->data_dir != NULL ? args->data_dir : config_string(paths, "data"),
                       out->data, err)) == LATHE_OK &&
        (st = www_dir(paths, args, self, out->www, err)) == LATHE_OK &&
        (st = plugin_config_dir(paths, args, out->plugin_config, err)) == LATHE_OK &&
        (st = worker[0] != '\0' ? absolute(worker, out->worker, err)
                                : path_join(out->worker, sizeof out->worker, self, "lathe-worker",
                                            err)) == LATHE_OK)
        st = plugin_dirs(paths, self, out, err);
    if (st != LATHE_OK)
        settings_paths_fini(out);
    return st;
}

void settings_paths_fini(struct settings_paths *paths)
{
    settings_words_free(paths->plugins);
    paths->plugins = NULL;
}
