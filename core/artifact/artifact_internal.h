/* Private to core/artifact. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ARTIFACT_ARTIFACT_INTERNAL_H
#define CORE_ARTIFACT_ARTIFACT_INTERNAL_H

#include "core/artifact/artifact.h"
#include "core/host/loop.h"
#include "core/host/pool.h"

#define ARTIFACT_PATH_MAX 1024
#define ARTIFACT_DEADLINE_MS (30u * 60u * 1000u)

struct collection;

struct artifacts {
    struct artifacts_options options;
    struct lathe_artifact_service service;
    struct loop_timers *timers;
    struct collection *collection; /* the one that runs, or NULL */
    char dir[ARTIFACT_PATH_MAX];
};

/* artifact_files.c: [pool] or [any]; no state but the directory */
int artifact_sha_is_good(const char *sha256);
/* dir/ab/abcd..., or LATHE_E_LIMIT. */
int32_t artifact_path(const char *dir, const char *sha256, char out[ARTIFACT_PATH_MAX],
                      struct lathe_error *err);
int32_t artifact_trash_path(const char *dir, const char *sha256, char out[ARTIFACT_PATH_MAX],
                            struct lathe_error *err);
/* Brings a file in; sha256 receives its hash. expected may be NULL. */
int32_t artifact_take_file(const char *dir, const char *path, const char *expected, int move,
                           char sha256[LATHE_ARTIFACT_SHA_MAX], uint64_t *size,
                           struct lathe_error *err);
int32_t artifact_take_bytes(const char *dir, const void *data, size_t len,
                            char sha256[LATHE_ARTIFACT_SHA_MAX], struct lathe_error *err);
/* Reads and checks a whole artifact; *out is dup_. */
int32_t artifact_read(const char *dir, const char *sha256, uint64_t max_bytes, char **out,
                      size_t *len, struct lathe_error *err);
/* Creates the directories, removes half-written files, puts back what a collection left in the
 * trash. */
int32_t artifact_dirs_open(const char *dir, struct lathe_error *err);

/* artifact_collect.c */
void collect_orphan(struct collection *c); /* the artifacts are closed: end soon; NULL is fine */
void collect_start(struct artifacts *artifacts, void (*done)(void *user, int32_t, uint64_t),
                   void *user);

#endif
