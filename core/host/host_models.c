/* Service "lathe.models/1" over core/model. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host_internal.h"
#include "core/model/model.h"

static struct models *models_of(const struct lathe_models_service *models)
{
    return ((const struct host_plugin *)models->ctx)->parts->models;
}

static int32_t create(const struct lathe_models_service *models,
                      const struct lathe_model_info *model, lathe_model_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err)
{
    return models_create_info(models_of(models), model, done, user, drop, err);
}

static const struct lathe_model_info *get(const struct lathe_models_service *models, const char *id)
{
    return models_get(models_of(models), id);
}

static void list(const struct lathe_models_service *models, const char *owner,
                 lathe_model_visit_fn visit, void *user)
{
    models_list(models_of(models), owner, visit, user);
}

static int32_t update(const struct lathe_models_service *models, const char *id,
                      const struct lathe_model_info *changes, lathe_model_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err)
{
    return models_update(models_of(models), id, changes, done, user, drop, err);
}

static int32_t remove_model(const struct lathe_models_service *models, const char *id,
                            lathe_model_done_fn done, void *user, lathe_drop_fn drop,
                            struct lathe_error *err)
{
    return models_remove(models_of(models), id, done, user, drop, err);
}

static const char *path(const struct lathe_models_service *models, const char *id)
{
    return models_path(models_of(models), id);
}

void host_models_fill(struct host_plugin *p)
{
    p->models = (struct lathe_models_service){sizeof p->models, 0,   p, create, get, list, update,
                                              remove_model,     path};
}
