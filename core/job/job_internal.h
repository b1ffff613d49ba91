/* A job and the set of all jobs, as the files of this module see them. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JOB_JOB_INTERNAL_H
#define CORE_JOB_JOB_INTERNAL_H

#include "core/job/job.h"
#include "core/job/job_state.h"

#define JOB_COLLECTION "jobs"
#define JOB_ID_MAX 96
#define JOB_CRASH_LOOP 3 /* crashes in a row without a new checkpoint */

/* What somebody waits for. A wish is answered from what is durable, never from memory alone. */
enum job_want {
    WANT_PAUSED,
    WANT_GOING,
    WANT_STOPPED,
    WANT_CANCELLED,
    WANT_CHECKPOINT,
    WANT_SAVED
};

struct job_wish {
    struct job_wish *next;
    struct job *job;
    enum job_want want;
    uint64_t min_number; /* WANT_CHECKPOINT: number; WANT_SAVED: save */
    uint64_t timer;
    lathe_job_done_fn done;
    void *user;
    lathe_drop_fn drop;
};

/* Texts that are handed out; replaced by job_text_set, which keeps the old one until the loop
 * turns. */
struct job_texts {
    char *spec, *extra, *progress, *eval, *result, *crash;
    char *ckpt_path;
};

struct job {
    struct job *prev, *next; /* by order: oldest first */
    struct jobs *jobs;
    char id[JOB_ID_MAX], owner[65], reason[65], model_id[65], task[65];
    uint64_t order;
    uint32_t state, durable_state;
    json_t *spec, *extra, *checkpoints; /* checkpoints: array, oldest first */
    struct job_texts texts;
    uint64_t current, total, seed, seq;
    int64_t created_ms, updated_ms, started_ms, ended_ms, active_ms;
    int64_t running_since_ns;   /* 0 while no worker works for it */
    uint32_t restarts, crashes; /* crashes: in a row without a new checkpoint */
    int32_t error_code;
    char error_id[64], error_text[LATHE_ERROR_TEXT];
    uint64_t queued_order; /* place in the queue */
    struct sup_worker *worker;
    int is_ready;      /* its worker said HELLO */
    int is_released;   /* its worker was told to go: what it does no longer matters */
    int is_discarding; /* stop without a model */
    int is_suspended;  /* its worker wrote a shutdown checkpoint */
    json_t *done;      /* payload of DONE */
    /* saving */
    int is_saving, is_dirty, is_stored, is_removed;
    uint64_t save_no, saved_no, saving_no;
    uint32_t saving_state;
    uint64_t ckpt_no, saving_ckpt_no, saved_ckpt_no; /* highest checkpoint number */
    struct job_wish *wishes;
    struct lathe_job_info info;
    uint64_t retry_timer;
};

struct job_watch {
    struct job_watch *next;
    uint64_t handle;
    char owner[65];
    int has_owner, is_ended;
    lathe_job_event_fn fn;
    void *user;
    lathe_drop_fn drop;
};

struct jobs {
    struct jobs_config cfg;
    char *runs_dir;
    struct loop_timers *timers;
    struct hmap *by_id;
    struct job *first, *last;
    uint64_t next_order, next_queued, next_watch;
    uint32_t n_workers;
    struct job_watch *watches;
    int watch_depth;
    int is_started, is_draining, is_scheduling;
    void (*drained)(void *user);
    void *drained_user;
    uint64_t drain_timer;
    /* loading */
    int is_loaded;
    int32_t load_status;
    char cursor[LATHE_STORAGE_CURSOR_MAX];
};

/* job_record.c */
struct job *job_new(struct jobs *jobs, const char *id);
void job_free(void *arg);
void job_link(struct job *job); /* into the list and the index; order must be set */
void job_unlink(struct job *job);
json_t *job_to_json(const struct job *job);
int32_t job_from_json(struct job *job, const json_t *doc);
void job_text_set(struct job *job, char **text, char *take_text);
const struct lathe_job_info *job_info(struct job *job);
int64_t job_active_ms(const struct job *job);
void job_dir(const struct job *job, char *out, size_t cap);
/* Members of one checkpoint. */
uint64_t job_checkpoint_number(const json_t *checkpoint);

/* job_save.c */
void job_save(struct job *job);
struct job_wish *job_wish_add(struct job *job, enum job_want want,
                              const struct lathe_job_wish *wish);
void job_wishes_check(struct job *job);
void job_wishes_end(struct job *job, int32_t status, const struct lathe_error *err);

/* job_event.c */
void job_publish(struct job *job, uint32_t kind, const char *data, size_t len_bytes);
void job_publish_json(struct job *job, uint32_t kind, json_t *take_data);
void job_watches_free(struct jobs *jobs);

/* job_series.c */
void job_series_rows(struct job *job, const json_t *metrics);
void job_series_eval(struct job *job, const json_t *eval); /* before it becomes texts.eval */
void job_series_cut(struct job *job, int64_t after);

/* job_run.c */
void jobs_schedule(struct jobs *jobs);
int32_t job_start(struct job *job, struct lathe_error *err);
void job_release(struct job *job); /* its worker may go; nothing it says counts any more */
/* Applies event: LATHE_OK, or LATHE_E_CONFLICT. reason "" when there is none. */
int32_t job_apply(struct job *job, enum job_event event, const char *reason);
void job_fail(struct job *job, int32_t code, const char *id, const char *text);
uint32_t jobs_queued(const struct jobs *jobs);

/* Adds the time since its worker began to the job's active time. */
void job_clock_stop(struct job *job);

/* job_frames.c */
void job_on_frame(void *user, const struct link_frame *frame);

/* job_finish.c */
void job_finish(struct job *job);

/* job_recover.c */
int32_t jobs_load(struct jobs *jobs, struct lathe_error *err);

#endif
