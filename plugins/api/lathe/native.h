/* Insides of the native surface: one handler per operation of openapi.json. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_LATHE_NATIVE_H
#define PLUGINS_API_LATHE_NATIVE_H

#include "plugins/api/common/api_kit.h"

/* The open surface. It keeps nothing but open serve targets: answers come from services. */
struct native {
    struct api_kit kit;
    struct api_targets targets;
};

/* components.c */
int32_t plugins_list(void *self, struct lathe_request *req);
int32_t plugins_rescan(void *self, struct lathe_request *req);
int32_t environments_list(void *self, struct lathe_request *req);
int32_t environments_get(void *self, struct lathe_request *req);
int32_t algorithms_list(void *self, struct lathe_request *req);
int32_t algorithms_get(void *self, struct lathe_request *req);
int32_t status_get(void *self, struct lathe_request *req);

/* runs.c */
int32_t runs_create(void *self, struct lathe_request *req);
int32_t runs_list(void *self, struct lathe_request *req);
int32_t runs_get(void *self, struct lathe_request *req);
int32_t runs_delete(void *self, struct lathe_request *req);
int32_t runs_pause(void *self, struct lathe_request *req);
int32_t runs_resume(void *self, struct lathe_request *req);
int32_t runs_stop(void *self, struct lathe_request *req);
int32_t runs_cancel(void *self, struct lathe_request *req);

/* watch.c */
int32_t runs_metrics(void *self, struct lathe_request *req);
int32_t runs_events(void *self, struct lathe_request *req);

/* models.c */
int32_t models_list(void *self, struct lathe_request *req);
int32_t models_get(void *self, struct lathe_request *req);
int32_t models_delete(void *self, struct lathe_request *req);
int32_t models_export(void *self, struct lathe_request *req);
int32_t models_act(void *self, struct lathe_request *req);

/* tokens.c */
int32_t tokens_list(void *self, struct lathe_request *req);
int32_t tokens_create(void *self, struct lathe_request *req);
int32_t tokens_delete(void *self, struct lathe_request *req);

/* wire.c: JSON shapes. */
void run_write(const struct api_kit *kit, struct jw *w, const struct lathe_job_info *job,
               int with_spec);
void model_write(struct jw *w, const struct lathe_model_info *model);
void component_write(struct jw *w, const struct lathe_component_info *component);

/* wire.c: this surface's error shape; see lathe_api.render_error. */
int32_t native_render_error(void *self, struct lathe_request *req,
                            const struct lathe_problem *problem);

/* Answers 404 for an unknown id of `what` ("run"). */
int32_t native_unknown(const struct api_kit *kit, struct lathe_request *req, const char *what);

#endif
