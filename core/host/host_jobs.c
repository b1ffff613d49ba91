/* Service "lathe.jobs/1" over core/job. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host_internal.h"
#include "core/job/job.h"

static struct jobs *jobs_of(const struct lathe_jobs_service *jobs)
{
    return ((const struct host_plugin *)jobs->ctx)->parts->jobs;
}

static int32_t submit(const struct lathe_jobs_service *jobs,
                      const struct lathe_job_request *request, lathe_job_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err)
{
    return jobs_submit(jobs_of(jobs), request, done, user, drop, err);
}

static const struct lathe_job_info *get(const struct lathe_jobs_service *jobs, const char *id)
{
    return jobs_get(jobs_of(jobs), id);
}

static void list(const struct lathe_jobs_service *jobs, const char *owner, lathe_job_visit_fn visit,
                 void *user)
{
    jobs_list(jobs_of(jobs), owner, visit, user);
}

static int32_t pause_job(const struct lathe_jobs_service *jobs, const char *id,
                         const struct lathe_job_wish *wish, struct lathe_error *err)
{
    return jobs_pause(jobs_of(jobs), id, wish, err);
}

static int32_t resume_job(const struct lathe_jobs_service *jobs, const char *id,
                          const struct lathe_job_wish *wish, struct lathe_error *err)
{
    return jobs_resume(jobs_of(jobs), id, wish, err);
}

static int32_t stop_job(const struct lathe_jobs_service *jobs, const char *id,
                        const struct lathe_job_wish *wish, struct lathe_error *err)
{
    return jobs_stop(jobs_of(jobs), id, wish, err);
}

static int32_t cancel_job(const struct lathe_jobs_service *jobs, const char *id,
                          const struct lathe_job_wish *wish, struct lathe_error *err)
{
    return jobs_cancel(jobs_of(jobs), id, wish, err);
}

static int32_t checkpoint(const struct lathe_jobs_service *jobs, const char *id,
                          const struct lathe_job_wish *wish, struct lathe_error *err)
{
    return jobs_checkpoint(jobs_of(jobs), id, wish, err);
}

static int32_t remove_job(const struct lathe_jobs_service *jobs, const char *id,
                          lathe_job_done_fn done, void *user, lathe_drop_fn drop,
                          struct lathe_error *err)
{
    return jobs_remove(jobs_of(jobs), id, done, user, drop, err);
}

static int32_t set_extra(const struct lathe_jobs_service *jobs, const char *id, const char *extra,
                         lathe_job_done_fn done, void *user, lathe_drop_fn drop,
                         struct lathe_error *err)
{
    return jobs_set_extra(jobs_of(jobs), id, extra, done, user, drop, err);
}

static int32_t checkpoints(const struct lathe_jobs_service *jobs, const char *id,
                           lathe_checkpoint_visit_fn visit, void *user)
{
    return jobs_checkpoints(jobs_of(jobs), id, visit, user);
}

static int32_t history(const struct lathe_jobs_service *jobs, const char *id,
                       const struct lathe_job_query *query, struct lathe_error *err)
{
    return jobs_history(jobs_of(jobs), id, query, err);
}

static int32_t watch(const struct lathe_jobs_service *jobs, const char *owner,
                     lathe_job_event_fn fn, void *user, lathe_drop_fn drop, uint64_t *handle)
{
    return jobs_watch(jobs_of(jobs), owner, fn, user, drop, handle);
}

static void unwatch(const struct lathe_jobs_service *jobs, uint64_t handle)
{
    jobs_unwatch(jobs_of(jobs), handle);
}

static void capacity(const struct lathe_jobs_service *jobs, uint32_t *slots, uint32_t *used,
                     uint32_t *queued, uint32_t *queue_limit)
{
    jobs_capacity(jobs_of(jobs), slots, used, queued, queue_limit);
}

void host_jobs_fill(struct host_plugin *p)
{
    p->jobs = (struct lathe_jobs_service){
        sizeof p->jobs, 0,           p,        submit,     get,        list,
        pause_job,      resume_job,  stop_job, cancel_job, checkpoint, remove_job,
        set_extra,      checkpoints, history,  watch,      unwatch,    capacity};
}
