/* The configuration of lathed: its schema, and the few values that the command line overrides. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LATHED_SETTINGS_H
#define CORE_LATHED_SETTINGS_H

#include "core/config/config.h"

#define SETTINGS_PATH_MAX 4096

/* The command line. */
struct arguments {
    const char *config_path; /* NULL: defaults only */
    const char *data_dir;    /* NULL: paths.data */
    const char *listen;      /* ADDR:PORT, replaces all listeners; NULL: as configured */
    const char *www_dir;     /* NULL: paths.www */
    const char *token_name;  /* make a token, print it, end; NULL: serve */
    const char *token_scopes;
    int is_check, is_help, is_version, is_default_config, is_reference, is_insecure;
};

/* Fills args. Errors: LATHE_E_INVALID for an unknown or incomplete option. */
int32_t arguments_parse(int argc, char **argv, struct arguments *args,
                        struct lathe_error *err) LATHE_MUST_USE;
extern const char *const arguments_help;

const struct config_section *settings_schema(void);
/* Reads the file (or the defaults when path is NULL) and checks what tables cannot. */
int32_t settings_load(const char *path, struct config **out,
                      struct lathe_error *err) LATHE_MUST_USE;

/* Directories, absolute. */
struct settings_paths {
    char data[SETTINGS_PATH_MAX];
    char www[SETTINGS_PATH_MAX];           /* "" when there is none */
    char plugin_config[SETTINGS_PATH_MAX]; /* directory of <plugin>.conf files */
    char worker[SETTINGS_PATH_MAX];        /* the lathe-worker program */
    char **plugins;                        /* NULL-terminated; free with settings_words_free */
};
int32_t settings_paths(const struct config *config, const struct arguments *args,
                       struct settings_paths *out, struct lathe_error *err) LATHE_MUST_USE;
void settings_paths_fini(struct settings_paths *paths);

/* Comma-separated words, trimmed; NULL-terminated. NULL when memory ends. */
char **settings_words(const char *text);
void settings_words_free(char **words);
/* 1 when list holds word or is "*". */
int settings_has_word(const char *list, const char *word);
/* "127.0.0.1:8000", "[::1]:8000". 1 on success. */
int settings_split_address(const char *text, char *address, size_t cap, uint16_t *port);

#endif
