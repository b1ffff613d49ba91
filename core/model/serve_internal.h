/* Records of the serving module. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_MODEL_SERVE_INTERNAL_H
#define CORE_MODEL_SERVE_INTERNAL_H

#include "core/model/serve.h"

struct hmap;

/* What a caller opened. */
struct target {
    struct target *next;
    uint64_t handle;
    char model_id[65];    /* "": environment host */
    struct hmap *env_ids; /* id of an open environment -> struct serve_worker */
};

/* A question that waits for its answer. */
struct question {
    struct question *next; /* of the same worker, oldest first */
    struct serve *serve;
    struct serve_worker *worker;
    uint64_t number, timer;
    char *env_id; /* member id of the body, or NULL */
    int is_create, is_close;
    lathe_serve_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

struct serve_worker {
    struct serve_worker *next;
    struct serve *serve;
    struct target *target; /* NULL once it was closed */
    struct sup_worker *process;
    struct question *questions;
    json_t *env_names; /* environments an environment host has loaded */
    char dir[4096], reason[LATHE_ERROR_TEXT];
    uint32_t n_questions, n_envs;
    int64_t used_ns;
    int is_ending;
};

struct serve {
    struct serve_config cfg;
    struct loop_timers *timers;
    char *dir;
    struct target *targets;
    struct serve_worker *workers;
    uint32_t n_workers, n_targets;
    uint64_t next_handle, next_question, next_dir, tick;
};

/* serve.c */
void serve_on_frame(void *user, const struct link_frame *frame);
void serve_questions_end(struct serve_worker *worker, int32_t status, const char *text);

/* serve_worker.c */
/* Starts a worker for the target, making room when all places are taken. */
int32_t serve_worker_start(struct serve *serve, struct target *target, struct serve_worker **out,
                           struct lathe_error *err) LATHE_MUST_USE;
void serve_worker_end(struct serve_worker *worker);

#endif
