/* Workers that answer questions: one per model in use, one per environment host; started on demand,
 * kept warm, ended when idle or when others need the place. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_MODEL_SERVE_H
#define CORE_MODEL_SERVE_H

#include "core/base/strbuf.h"
#include "core/model/model.h"
#include "core/registry/registry.h"
#include "core/super/super.h"
#include "lathe/serve.h"

struct serve;

struct serve_config {
    struct loop *loop;
    struct sup *sup;
    struct reg *reg;
    struct models *models;
    const char *dir;       /* run directories are made below it, and emptied at start */
    uint32_t max_workers;  /* alive at once; 0: 8 */
    uint32_t idle_ms;      /* without a question; 0: 300 000 */
    uint64_t memory_bytes; /* of one worker; 0: no limit */
    int is_confined;
};

int32_t serve_open(const struct serve_config *cfg, struct serve **out,
                   struct lathe_error *err) LATHE_MUST_USE;
void serve_close(struct serve *serve); /* open questions end with LATHE_E_CANCELLED */

int32_t serve_target_open(struct serve *serve, const char *spec, uint64_t *handle,
                          struct lathe_error *err);
int32_t serve_target_call(struct serve *serve, uint64_t handle,
                          const struct lathe_serve_request *request, struct lathe_error *err);
void serve_target_close(struct serve *serve, uint64_t handle);
void serve_metrics_text(const struct serve *serve, struct strbuf *out);

#endif
