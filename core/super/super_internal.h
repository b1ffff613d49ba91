/* State shared by the files of the supervisor. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SUPER_SUPER_INTERNAL_H
#define CORE_SUPER_SUPER_INTERNAL_H

#include "core/super/super.h"

struct event;
struct sup_run_state;

struct sup {
    struct loop *loop;
    char *worker_path;
    uint32_t silence_ms, count;
    struct event *tick;
    struct sup_worker *first;
    struct sup_run_state *first_run;
};

void sup_runs_close(struct sup *sup);

#endif
