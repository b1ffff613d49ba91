/* What the server (or a signal) wants of a running worker, and the proof that the worker is alive.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_CONTROL_H
#define CORE_WORKER_CONTROL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/link/link.h"

/* Wishes are set by control_poll and stay until the owner of the run clears them. They are atomic
 * because tasks may ask should_yield from their own threads. */
struct control {
    struct link_channel *link;
    int signal_fd;
    int stop_save; /* of the last STOP */
    int link_gone;
    int is_serving; /* frames are read by the serving loop: control_poll leaves them alone */
    int64_t last_poll_ns;
    _Atomic int pause, stop, cancel, checkpoint_now, shutdown;
    _Atomic uint64_t current; /* for heartbeats */

    /* heartbeat thread: sends while now < alive_until_ns */
    pthread_t pulse;
    pthread_mutex_t lock; /* guards quit and the wait on wake */
    pthread_cond_t wake;
    int pulse_started, quit;
    _Atomic int64_t alive_until_ns;
};

/* Blocks SIGTERM and SIGINT in this thread (so: before others start) and reads them as shutdown;
 * starts the heartbeat. link is borrowed. Storage from the caller. */
int32_t control_open(struct control *control, struct link_channel *link,
                     struct lathe_error *err) LATHE_MUST_USE;
void control_close(struct control *control);

/* Reads everything that came, without waiting, and proves life for 10 s. */
void control_poll(struct control *control);
/* For the serving loop: waits up to timeout_ms for a frame that is not a wish. 1 = *frame is set.
 */
int control_next(struct control *control, int timeout_ms, struct link_frame *frame);
/* control_poll at most once a millisecond: cheap enough for inner loops. */
void control_tick(struct control *control);
/* Waits up to timeout_ms for a wish to come. */
void control_wait(struct control *control, int timeout_ms);
/* A call into a plugin that may take up to 120 s begins (1) or ended (0). */
void control_busy(struct control *control, int busy);
/* 1 when the work should come to a boundary soon. Thread: [any]. */
int control_should_yield(struct control *control);
/* For struct lathe_budget: ticks, then 1 when cancelled. user is the control. */
int32_t control_cancelled(void *user);
/* Applies one frame of the server; 0 when it is not a control frame. */
int control_frame(struct control *control, const struct link_frame *frame);

/* Sends; a server that is gone becomes a shutdown wish, other failures are logged. */
void control_send(struct control *control, uint32_t type, const char *payload, size_t len_bytes);

#endif
