/* Starts lathe-worker as the server does: job file, socket pair on descriptor 3. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_WORKER_FIXTURE_H
#define TESTS_UNIT_WORKER_FIXTURE_H

#include <jansson.h>
#include <sys/types.h>

#include "core/link/link.h"

struct worker {
    char dir[128];
    pid_t pid;
    struct link_channel link;
    int is_open;
};

/* A fresh run directory. */
void worker_dir(struct worker *w);
void worker_dir_remove(struct worker *w);
/* Writes job.json: the defaults of the fixture plugins, overridden by members of the JSON text. */
void worker_job(const struct worker *w, const char *members);
void worker_start(struct worker *w, const char *role);
/* Next frame of that type; others are passed over. Fails the test at the end of the link when must
 * is 1. New reference, or NULL. */
json_t *worker_expect(struct worker *w, uint32_t type, int must);
void worker_send(struct worker *w, uint32_t type, const char *json);
/* Waits for the end; exit code, or -signal. */
int worker_wait(struct worker *w);
/* Runs the job to DONE and gives the weights hash of the final checkpoint. */
void worker_run_to_end(struct worker *w, char hash[65]);
/* Path of a file in the run directory, in a static buffer per call site's w. */
void worker_path(const struct worker *w, const char *name, char *out, size_t cap);

#endif
