/* Worker processes: started, watched, talked to, and ended in steps. Knows nothing of jobs.
 * Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SUPER_SUPER_H
#define CORE_SUPER_SUPER_H

#include <jansson.h>

#include "core/host/loop.h"
#include "core/link/link.h"

struct sup;
struct sup_worker;

struct sup_config {
    const char *worker_path; /* the lathe-worker program */
    uint32_t silence_ms;     /* no frame for so long: the worker hangs and is killed; 0: 30 000 */
};

/* How a worker ended. log is the tail of its log frames and of its stderr, one line each. */
struct sup_end {
    int32_t pid;
    int32_t exit_code; /* when signal is 0 */
    int32_t signal;
    int has_hung;        /* killed because it gave no sign of life */
    int is_link_broken;  /* killed because its frames were damaged */
    int was_killed;      /* by sup_worker_end's steps */
    const json_t *hello; /* payload of its HELLO, or NULL */
    const json_t *log;   /* array of strings */
};

/* Callbacks. end comes exactly once, after the last frame; the worker is gone when it returns. */
struct sup_handler {
    void *user;
    void (*frame)(void *user, const struct link_frame *frame);
    void (*end)(void *user, const struct sup_end *end);
};

int32_t sup_open(struct loop *loop, const struct sup_config *cfg, struct sup **out,
                 struct lathe_error *err) LATHE_MUST_USE;
/* Kills what is left without calling handlers. NULL is fine. */
void sup_close(struct sup *sup);

/* What to start: lathe-worker --role role --job job_path, stderr and stdout appended to log_path.
 */
struct sup_start {
    const char *role;
    const char *job_path;
    const char *log_path;
    struct sup_handler handler;
};
int32_t sup_worker_start(struct sup *sup, const struct sup_start *start, struct sup_worker **out,
                         struct lathe_error *err) LATHE_MUST_USE;
int32_t sup_worker_pid(const struct sup_worker *worker);

/* Sends one frame; it waits in memory while the worker does not read.
 * Errors: LATHE_E_LIMIT (size, or 8 MiB waiting), LATHE_E_UNAVAILABLE, LATHE_E_NOMEM. */
int32_t sup_worker_send(struct sup_worker *worker, uint32_t type, const char *json,
                        size_t len_bytes) LATHE_MUST_USE;

/* Ends the worker in steps: SIGTERM after term_ms, SIGKILL kill_ms later, unless it ended before. A
 * second call may only shorten the times. */
void sup_worker_end(struct sup_worker *worker, uint32_t term_ms, uint32_t kill_ms);
/* Kills at once; end still comes. */
void sup_worker_kill(struct sup_worker *worker);

/* Takes the handler away: nothing is told any more. The process goes on until it ends or sup_close.
 */
void sup_worker_forget(struct sup_worker *worker);

/* Number of workers alive. */
uint32_t sup_count(const struct sup *sup);

/* The crash report that is kept with a job or shown for a served model; caller owns. */
json_t *sup_report(const struct sup_end *end, const char *role, uint64_t seed);

/* Runs argv to its end with stdout captured (at most max_bytes), for the probe. done runs once on
 * the loop. timeout kills. Memory: out is borrowed for the call. */
struct sup_run {
    const char *const *argv;
    uint32_t timeout_ms;
    size_t max_bytes;
    void *user;
    void (*done)(void *user, int32_t status, const char *out, size_t len_bytes,
                 const struct lathe_error *err);
};
int32_t sup_run(struct sup *sup, const struct sup_run *run, struct lathe_error *err) LATHE_MUST_USE;

#endif
