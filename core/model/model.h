/* The registry of models: all in memory, every change durable before it is shown. Threads: [loop].
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_MODEL_MODEL_H
#define CORE_MODEL_MODEL_H

#include <jansson.h>

#include "core/host/loop.h"
#include "lathe/artifact.h"
#include "lathe/models.h"
#include "lathe/store.h"

struct models;

struct models_config {
    struct loop *loop;
    const struct lathe_store_service *store;
    const struct lathe_artifact_service *artifacts;
};

/* Opens and reads what is stored, handling events of the loop meanwhile. */
int32_t models_open(const struct models_config *cfg, struct models **out,
                    struct lathe_error *err) LATHE_MUST_USE;
void models_close(struct models *models);

/* A model to be made, and who waits. doc: object with owner, name, kind, env {name, options},
 * algorithm {name, options}, artifact, job, metrics, extra, size_bytes, seed (all optional but
 * artifact). */
struct model_create {
    json_t *take_doc;
    void *user;
    /* Optional: one more operation for the same transaction, once the id is known. op's text lives
     * until done. */
    void (*extend)(void *user, const char *id, struct lathe_storage_op *op);
    lathe_model_done_fn done;
    lathe_drop_fn drop;
};
int32_t models_create(struct models *models, const struct model_create *create,
                      struct lathe_error *err);

/* As lathe_models_service. */
int32_t models_create_info(struct models *models, const struct lathe_model_info *info,
                           lathe_model_done_fn done, void *user, lathe_drop_fn drop,
                           struct lathe_error *err);
const struct lathe_model_info *models_get(struct models *models, const char *id);
void models_list(struct models *models, const char *owner, lathe_model_visit_fn visit, void *user);
int32_t models_update(struct models *models, const char *id, const struct lathe_model_info *changes,
                      lathe_model_done_fn done, void *user, lathe_drop_fn drop,
                      struct lathe_error *err);
int32_t models_remove(struct models *models, const char *id, lathe_model_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err);
const char *models_path(struct models *models, const char *id);
/* The stored document, borrowed; NULL when absent. */
const json_t *models_doc(struct models *models, const char *id);

#endif
