/* The workers that serve: their job files, their start and end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/job/job_spec.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/model/serve_internal.h"
#include "lathe/env.h"

#undef LOG_MODULE
#define LOG_MODULE "serve"

#define END_MS 3000

/* ---- workers ---- */

/* Forgets the environments that lived in w. */
static void ids_forget(struct serve_worker *w)
{
    size_t cursor = 0;
    const char *key;
    void *value;
    if (w->target == NULL || w->target->env_ids == NULL)
        return;
    while (hmap_next(w->target->env_ids, &cursor, &key, &value))
        if (value == w)
            hmap_remove(w->target->env_ids, key);
    w->n_envs = 0;
}

static void on_end(void *user, const struct sup_end *end)
{
    struct serve_worker *w = user;
    struct serve *serve = w->serve;
    struct serve_worker **at = &serve->workers;
    struct lathe_error err = {0};
    char text[LATHE_ERROR_TEXT];

    w->process = NULL;
    if (w->reason[0] != '\0')
        snprintf(text, sizeof text, "%s", w->reason);
    else
        snprintf(text, sizeof text, "the worker ended (signal %d, exit code %d)", end->signal,
                 end->exit_code);
    if (end->signal != 0 && !end->was_killed)
        log_error("serving worker crashed", F_INT("pid", end->pid), F_INT("signal", end->signal));
    ids_forget(w);
    serve_questions_end(w, LATHE_E_UNAVAILABLE, text);
    while (*at != NULL && *at != w)
        at = &(*at)->next;
    if (*at == w)
        *at = w->next;
    serve->n_workers--;
    if (io_remove_tree(w->dir, &err) != LATHE_OK)
        log_warn("directory was not removed", F_STR("reason", err.text));
    json_decref(w->env_names);
    mem_free(w);
}

void serve_worker_end(struct serve_worker *w)
{
    if (w->is_ending)
        return;
    w->is_ending = 1;
    if (sup_worker_send(w->process, LINK_CANCEL, "{}", 2) != LATHE_OK)
        sup_worker_kill(w->process);
    else
        sup_worker_end(w->process, END_MS, END_MS);
}

/* Ends the worker that was not asked for the longest time, if one is free. */
static int make_room(struct serve *serve)
{
    struct serve_worker *oldest = NULL;
    for (struct serve_worker *w = serve->workers; w != NULL; w = w->next)
        if (!w->is_ending && w->questions == NULL && w->n_envs == 0 &&
            (oldest == NULL || w->used_ns < oldest->used_ns))
            oldest = w;
    if (oldest != NULL)
        serve_worker_end(oldest);
    return oldest != NULL;
}

/* Workers that were not told to go. */
static uint32_t count_staying(const struct serve *serve)
{
    uint32_t n = 0;
    for (const struct serve_worker *w = serve->workers; w != NULL; w = w->next)
        n += !w->is_ending;
    return n;
}

static int32_t env_visit(void *user, const struct lathe_component_info *component)
{
    struct serve_worker *w = user;
    json_array_append_new(w->env_names, json_string(component->name));
    return 0;
}

/* The part of the job file that depends on what is served. */
static int32_t spec_make(struct serve_worker *w, const struct target *t, struct job_spec_run *run,
                         json_t **spec, struct lathe_error *err)
{
    const json_t *doc;
    const char *path;

    if (t->model_id[0] == '\0') {
        *spec = json_object();
        return *spec != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "serve environments");
    }
    if ((doc = models_doc(w->serve->cfg.models, t->model_id)) == NULL ||
        (path = models_path(w->serve->cfg.models, t->model_id)) == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "there is no model %.64s", t->model_id);
    run->policy = path;
    *spec = json_pack("{s:s,s:{s:O,s:O},s:{s:O,s:O}}", "task", "rl.evaluate", "env", "name",
                      json_object_get(json_object_get(doc, "env"), "name"), "options",
                      json_object_get(json_object_get(doc, "env"), "options"), "algorithm", "name",
                      json_object_get(json_object_get(doc, "algorithm"), "name"), "options",
                      json_object_get(json_object_get(doc, "algorithm"), "options"));
    if (*spec == NULL)
        return fail(err, LATHE_E_UNSUPPORTED, "model %s names no environment and algorithm",
                    t->model_id);
    json_object_del(*spec, "task");
    return job_spec_engine(w->serve->cfg.reg, *spec, err);
}

static int32_t text_write(const char *path, const json_t *value, struct lathe_error *err)
{
    size_t len = 0;
    char *text = json_dup_text(value, LATHE_JSON_PRETTY, &len);
    int fd = text != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    int32_t st;

    if (fd < 0)
        st = text == NULL ? fail(err, LATHE_E_NOMEM, "write %s", path)
                          : fail_errno(err, errno, "write %s", path);
    else
        st = io_write_all(fd, text, len, err);
    if (fd >= 0)
        close(fd);
    mem_free(text);
    return st;
}

static int32_t job_file(struct serve_worker *w, const struct target *t, const char *path,
                        struct lathe_error *err)
{
    struct job_spec_run run = {"serve",
                               w->dir,
                               "serve",
                               NULL,
                               NULL,
                               NULL,
                               1,
                               w->serve->cfg.memory_bytes,
                               w->serve->cfg.is_confined};
    json_t *spec = NULL, *job = NULL;
    int32_t st = spec_make(w, t, &run, &spec, err);

    if (st == LATHE_OK)
        st = job_spec_worker(w->serve->cfg.reg, spec, &run, &job, err);
    json_decref(spec);
    for (size_t i = 0; st == LATHE_OK && i < json_array_size(w->env_names); i++)
        st = job_spec_add_plugin(w->serve->cfg.reg, LATHE_KIND_ENV,
                                 json_string_value(json_array_get(w->env_names, i)),
                                 json_object_get(job, "plugins"), err);
    if (st == LATHE_OK)
        st = text_write(path, job, err);
    json_decref(job);
    return st;
}

static int32_t worker_spawn(struct serve_worker *w, struct target *t, struct lathe_error *err)
{
    char path[4096], log[4096];
    struct sup_start start = {"serve", path, log, {w, serve_on_frame, on_end}};
    int32_t st;

    if (t->model_id[0] == '\0')
        reg_components(w->serve->cfg.reg, LATHE_KIND_ENV, env_visit, w);
    if ((st = io_mkdir_p(w->dir, 0700, err)) != LATHE_OK ||
        (st = path_join(path, sizeof path, w->dir, "job.json", err)) != LATHE_OK ||
        (st = path_join(log, sizeof log, w->dir, "worker.log", err)) != LATHE_OK ||
        (st = job_file(w, t, path, err)) != LATHE_OK)
        return st;
    return sup_worker_start(w->serve->cfg.sup, &start, &w->process, err);
}

int32_t serve_worker_start(struct serve *serve, struct target *t, struct serve_worker **out,
                           struct lathe_error *err)
{
    struct serve_worker *w;
    int32_t st;

    if (count_staying(serve) >= serve->cfg.max_workers && !make_room(serve))
        return fail(err, LATHE_E_LIMIT, "all %u serving workers are busy", serve->cfg.max_workers);
    if ((w = mem_new(struct serve_worker)) == NULL || (w->env_names = json_array()) == NULL) {
        mem_free(w);
        return fail(err, LATHE_E_NOMEM, "start serving worker");
    }
    w->serve = serve;
    w->target = t;
    snprintf(w->dir, sizeof w->dir, "%s/%llu", serve->dir, (unsigned long long)++serve->next_dir);
    if ((st = worker_spawn(w, t, err)) != LATHE_OK) {
        json_decref(w->env_names);
        mem_free(w);
        return st;
    }
    w->next = serve->workers;
    serve->workers = w;
    serve->n_workers++;
    *out = w;
    return LATHE_OK;
}
