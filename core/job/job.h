/* Jobs: queue, scheduler, control, history, recovery. The functions carry the meaning of the public
 * service lathe/jobs.h; core/host turns them into its table. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JOB_JOB_H
#define CORE_JOB_JOB_H

#include "core/base/strbuf.h"
#include "core/model/model.h"
#include "core/registry/registry.h"
#include "core/super/super.h"
#include "lathe/artifact.h"
#include "lathe/events.h"
#include "lathe/jobs.h"
#include "lathe/store.h"

struct jobs;

/* Services and modules outlive the jobs; text is copied. */
struct jobs_config {
    struct loop *loop;
    struct sup *sup;
    struct reg *reg;
    struct models *models;
    const struct lathe_store_service *store;
    const struct lathe_events_service *events;
    const struct lathe_artifact_service *artifacts;
    const char *runs_dir;  /* run directories are made below it */
    uint32_t slots;        /* workers at once; 0: CPUs - 1, at least 1 */
    uint32_t queue_limit;  /* 0: 100 */
    uint32_t threads_max;  /* cores one job may use; 0: all */
    uint32_t stop_ms;      /* a stopping worker gets so long before SIGTERM; 0: 600 000 */
    uint32_t kill_ms;      /* from SIGTERM to SIGKILL; 0: 10 000 */
    uint32_t retries;      /* new tries after a crash, from the last checkpoint */
    uint64_t memory_bytes; /* of one worker; 0: no limit */
    int auto_resume;       /* 0: what ran when the server ended is paused after its restart */
    int is_confined;       /* workers use seccomp and landlock */
};

/* Opens and reads what is stored, handling events of the loop meanwhile. Nothing starts before
 * jobs_start. */
int32_t jobs_open(const struct jobs_config *cfg, struct jobs **out,
                  struct lathe_error *err) LATHE_MUST_USE;
void jobs_start(struct jobs *jobs);
/* Refuses new jobs, checkpoints and ends all workers, writes everything down; done runs once. */
void jobs_drain(struct jobs *jobs, uint32_t grace_ms, void (*done)(void *user), void *user);
/* Lets go of all workers: call before sup_close. Nothing is started or told after it. NULL is fine.
 */
void jobs_detach(struct jobs *jobs);
/* After store_close, or a store_drain with nothing new: its callbacks use jobs. NULL is fine. */
void jobs_close(struct jobs *jobs);
/* Takes changed limits from a new configuration. */
void jobs_set_limits(struct jobs *jobs, uint32_t slots, uint32_t queue_limit);

int32_t jobs_submit(struct jobs *jobs, const struct lathe_job_request *request,
                    lathe_job_done_fn done, void *user, lathe_drop_fn drop,
                    struct lathe_error *err);
const struct lathe_job_info *jobs_get(struct jobs *jobs, const char *id);
void jobs_list(struct jobs *jobs, const char *owner, lathe_job_visit_fn visit, void *user);
int32_t jobs_pause(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                   struct lathe_error *err);
int32_t jobs_resume(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                    struct lathe_error *err);
int32_t jobs_stop(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                  struct lathe_error *err);
int32_t jobs_cancel(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                    struct lathe_error *err);
int32_t jobs_checkpoint(struct jobs *jobs, const char *id, const struct lathe_job_wish *wish,
                        struct lathe_error *err);
int32_t jobs_remove(struct jobs *jobs, const char *id, lathe_job_done_fn done, void *user,
                    lathe_drop_fn drop, struct lathe_error *err);
int32_t jobs_set_extra(struct jobs *jobs, const char *id, const char *extra, lathe_job_done_fn done,
                       void *user, lathe_drop_fn drop, struct lathe_error *err);
int32_t jobs_checkpoints(struct jobs *jobs, const char *id, lathe_checkpoint_visit_fn visit,
                         void *user);
int32_t jobs_history(struct jobs *jobs, const char *id, const struct lathe_job_query *query,
                     struct lathe_error *err);
int32_t jobs_watch(struct jobs *jobs, const char *owner, lathe_job_event_fn fn, void *user,
                   lathe_drop_fn drop, uint64_t *handle);
void jobs_unwatch(struct jobs *jobs, uint64_t handle);
void jobs_capacity(struct jobs *jobs, uint32_t *slots, uint32_t *used, uint32_t *queued,
                   uint32_t *queue_limit);
/* Prometheus lines: jobs by state, slots, queue. */
void jobs_metrics_text(struct jobs *jobs, struct strbuf *out);

#endif
