/* Service "lathe.artifact/1": immutable files named by their SHA-256 (checkpoints, weights,
 * packages). Threads: [loop] except where noted. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_ARTIFACT_H
#define LATHE_ARTIFACT_H

#include "lathe/status.h"

#define LATHE_SERVICE_ARTIFACT "lathe.artifact/1"
#define LATHE_ARTIFACT_SHA_MAX 65 /* lower-case hex and NUL */

/* What a finished call brings; borrowed until done returns. */
struct lathe_artifact_result {
    uint32_t struct_size, reserved0;
    const struct lathe_error *error; /* never NULL; text is empty on success */
    const char *sha256;
    uint64_t size_bytes;
    const void *data; /* load only */
};

/* How a call ends: the rules of struct lathe_store_call. done comes exactly once, later; drop
 * follows exactly once in every case, also when the call itself returns an error. */
struct lathe_artifact_call {
    uint32_t struct_size, reserved0;
    void (*done)(void *user, int32_t status, const struct lathe_artifact_result *result);
    void (*drop)(void *user);
    void *user;
};

/* The service. An artifact lives as long as a document refers to it through an index declared with
 * LATHE_INDEX_ARTIFACT, and a grace period (an hour by default) after it was brought in or last
 * referred to: so import first, then write the document. Since 1.0. */
struct lathe_artifact_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Brings in a regular file: checks its SHA-256 (expected may be NULL), makes it durable and
     * read-only under its hash. The file at path is gone afterwards when `move` is not 0.
     * Errors in done: CORRUPT when the hash differs, NOT_FOUND, LIMIT when the disk is full, IO. */
    int32_t (*import_file)(const struct lathe_artifact_service *artifacts, const char *path,
                           const char *expected_sha256, int32_t move,
                           const struct lathe_artifact_call *call);

    /* Brings in bytes, which are copied before it returns. */
    int32_t (*import_bytes)(const struct lathe_artifact_service *artifacts, const void *data,
                            uint64_t len_bytes, const struct lathe_artifact_call *call);

    /* Reads a whole artifact of at most max_bytes and checks its hash again.
     * Errors in done: NOT_FOUND, LIMIT, CORRUPT, IO. */
    int32_t (*load)(const struct lathe_artifact_service *artifacts, const char *sha256,
                    uint64_t max_bytes, const struct lathe_artifact_call *call);

    /* Writes the artifact's absolute path (cap bytes with NUL) and its size; either may be NULL.
     * The file must be opened read-only and never changed. Errors: INVALID, NOT_FOUND, LIMIT.
     * Thread: [any]. */
    int32_t (*find)(const struct lathe_artifact_service *artifacts, const char *sha256, char *path,
                    uint32_t cap, uint64_t *size_bytes, struct lathe_error *err);
};

#endif
