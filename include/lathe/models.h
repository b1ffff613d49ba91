/* Service "lathe.models/1": the registry of trained models that all surfaces share.
 * Threads: [loop], callbacks too. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_MODELS_H
#define LATHE_MODELS_H

#include "lathe/loop.h"
#include "lathe/status.h"

#define LATHE_SERVICE_MODELS "lathe.models/1"

/* A model. Text is never NULL; JSON texts are complete values. Memory: as the call that gives it
 * says. */
struct lathe_model_info {
    uint32_t struct_size, reserved0;
    const char *id;    /* "model_7"; numbers are never used again */
    const char *owner; /* surface that made or imported it */
    const char *name;
    const char *kind;                             /* "policy" */
    const char *env_id, *env_options;             /* options: JSON object */
    const char *algorithm_id, *algorithm_options; /* options: JSON object */
    const char *artifact_sha256;                  /* file in the artifact store */
    const char *job_id;                           /* "" when imported */
    const char *metrics;                          /* JSON object, usually the final evaluation */
    const char *extra;                            /* JSON object, the owner's */
    uint64_t size_bytes;
    uint64_t seed;
    int64_t created_ms, updated_ms;
};

/* Outcome of an asynchronous call; model is NULL when there is none to show. */
typedef void (*lathe_model_done_fn)(void *user, int32_t status,
                                    const struct lathe_model_info *model,
                                    const struct lathe_error *err);
/* Returns 0 to go on, anything else to stop the listing. */
typedef int32_t (*lathe_model_visit_fn)(void *user, const struct lathe_model_info *model);

/* Asynchronous calls take (done, user, drop): done runs once, on the loop, after the change is
 * durable; drop(user) runs once after it. When the call itself fails, done does not run, drop does.
 */
struct lathe_models_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Stores a new model; id, created_ms and updated_ms of the argument are ignored, NULL text is
     * "" or
     * "{}". artifact_sha256 must name a file of the artifact store, which the model then keeps
     * alive. Models of jobs are made by the server itself. Errors: LATHE_E_INVALID,
     * LATHE_E_NOT_FOUND (no such artifact), LATHE_E_LIMIT. Thread: [loop]. Since 1.0. */
    int32_t (*create)(const struct lathe_models_service *models,
                      const struct lathe_model_info *model, lathe_model_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err);

    /* The model, or NULL. Memory: valid until the handler returns to the loop. Since 1.0. */
    const struct lathe_model_info *(*get)(const struct lathe_models_service *models,
                                          const char *id);

    /* Visits models, newest first; owner NULL for all. Since 1.0. */
    void (*list)(const struct lathe_models_service *models, const char *owner,
                 lathe_model_visit_fn visit, void *user);

    /* Changes name, metrics and extra to those members of changes that are not NULL; all other
     * members are ignored. Errors: LATHE_E_NOT_FOUND, LATHE_E_INVALID. Since 1.0. */
    int32_t (*update)(const struct lathe_models_service *models, const char *id,
                      const struct lathe_model_info *changes, lathe_model_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err);

    /* Forgets a model; its file goes when nothing else names it. Errors: LATHE_E_NOT_FOUND. */
    int32_t (*remove)(const struct lathe_models_service *models, const char *id,
                      lathe_model_done_fn done, void *user, lathe_drop_fn drop,
                      struct lathe_error *err);

    /* Path of the model's file, for reading, or NULL. Memory: valid until the handler returns to
     * the loop. Since 1.0. */
    const char *(*path)(const struct lathe_models_service *models, const char *id);
};

#endif
