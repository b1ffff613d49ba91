/* Reading jobs after a start of the server, and deciding what goes on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/job/job_internal.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "job"

#define SCAN_STEP 500
#define LOAD_MS 120000

/* 1 when pid is a worker of this run directory (and no later process with its number). */
static int is_worker_of(long pid, const char *dir)
{
    struct lathe_error err = {0};
    char path[64], *text = NULL;
    size_t len = 0;
    int found = 0;

    snprintf(path, sizeof path, "/proc/%ld/cmdline", pid);
    if (io_read_file(path, 65536, &text, &len, &err) != LATHE_OK)
        return 0;
    for (size_t i = 0; i + 1 < len; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    found = strstr(text, "lathe-worker") != NULL && strstr(text, dir) != NULL;
    mem_free(text);
    return found;
}

/* Ends a worker that an earlier server left behind: two must not write into one run directory. */
static void stale_worker_end(const struct job *job)
{
    struct lathe_error err = {0};
    char dir[4096], path[4096], *text = NULL;
    size_t len = 0;
    long pid;

    job_dir(job, dir, sizeof dir);
    if (path_join(path, sizeof path, dir, "worker.pid", &err) != LATHE_OK ||
        io_read_file(path, 64, &text, &len, &err) != LATHE_OK)
        return;
    pid = strtol(text, NULL, 10);
    mem_free(text);
    if (pid <= 1 || !is_worker_of(pid, dir))
        return;
    log_warn("ending a worker left behind", F_STR("job", job->id), F_INT("pid", pid));
    if (kill((pid_t)-pid, SIGKILL) != 0)
        kill((pid_t)pid, SIGKILL);
}

/* A job that was under way goes on from its last checkpoint, or waits when so configured. */
static void job_recover(struct job *job)
{
    const uint32_t was = job->state;
    int was_going = was == LATHE_JOB_STARTING || was == LATHE_JOB_RUNNING ||
                    was == LATHE_JOB_PAUSING || was == LATHE_JOB_FINISHING ||
                    (was == LATHE_JOB_QUEUED && strcmp(job->reason, "server_restart") == 0);

    if (job_state_is_final(was))
        return;
    stale_worker_end(job);
    (void)job_apply(job, JOB_ON_RESTART, "resumed_after_restart");
    if (was == LATHE_JOB_QUEUED) {
        job->queued_order = ++job->jobs->next_queued;
        if (was_going)
            snprintf(job->reason, sizeof job->reason, "resumed_after_restart");
    }
    if (was_going && !job->jobs->cfg.auto_resume)
        (void)job_apply(job, JOB_ON_PAUSE, "paused_by_restart");
    if (was_going)
        job_save(job);
}

static void job_load(struct jobs *jobs, const struct lathe_storage_doc *doc)
{
    struct lathe_error err = {0};
    struct job *job = job_new(jobs, doc->id);
    json_t *json = NULL;
    int32_t st =
        job != NULL ? json_parse_text(doc->json, doc->json_len, NULL, &json, &err) : LATHE_E_NOMEM;

    if (st == LATHE_OK)
        st = job_from_json(job, json);
    json_decref(json);
    if (st == LATHE_OK) {
        job_link(job);
        return;
    }
    log_error("stored job is not readable", F_STR("job", doc->id), F_STR("reason", err.text));
    job_free(job);
}

static void load_more(struct jobs *jobs);

static void on_scanned(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct jobs *jobs = user;

    jobs->load_status = status;
    for (uint32_t i = 0; status == LATHE_OK && i < result->n_docs; i++)
        job_load(jobs, result->docs[i]);
    if (status == LATHE_OK && result->cursor != NULL && result->cursor[0] != '\0') {
        snprintf(jobs->cursor, sizeof jobs->cursor, "%s", result->cursor);
        load_more(jobs);
    } else {
        jobs->is_loaded = 1;
    }
}

static void load_more(struct jobs *jobs)
{
    const struct lathe_store_service *store = jobs->cfg.store;
    const struct lathe_storage_query query = {.struct_size = sizeof query,
                                              .collection = JOB_COLLECTION,
                                              .cursor = jobs->cursor[0] ? jobs->cursor : NULL,
                                              .limit = SCAN_STEP};
    const struct lathe_store_call call = {sizeof call, 0, on_scanned, NULL, jobs};
    int32_t st = store->scan(store, &query, &call);
    if (st != LATHE_OK) {
        jobs->load_status = st;
        jobs->is_loaded = 1;
    }
}

int32_t jobs_load(struct jobs *jobs, struct lathe_error *err)
{
    static const struct lathe_storage_collection collection = {sizeof collection, 0, JOB_COLLECTION,
                                                               NULL};
    const struct lathe_store_service *store = jobs->cfg.store;
    int32_t st = store->declare(store, &collection, NULL);

    if (st != LATHE_OK)
        return fail(err, st, "declare collection %s", JOB_COLLECTION);
    load_more(jobs);
    if (!loop_run_until(jobs->cfg.loop, &jobs->is_loaded, LOAD_MS))
        return fail(err, LATHE_E_TIMEOUT, "reading the jobs took too long");
    if (jobs->load_status != LATHE_OK)
        return fail(err, jobs->load_status, "read the jobs: %s",
                    lathe_status_name(jobs->load_status));
    for (struct job *job = jobs->first; job != NULL; job = job->next)
        job_recover(job);
    return LATHE_OK;
}
