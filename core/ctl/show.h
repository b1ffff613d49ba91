/* A run on the screen: the progress line, evaluations, the end. The same for runs of a server and
 * for local ones. Threads: one. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CTL_SHOW_H
#define CORE_CTL_SHOW_H

#include "core/ctl/ctl.h"
#include "core/ctl/render.h"

struct show {
    const struct ctl *ctl;
    struct render_progress progress;
    int is_drawn;
};

void show_init(struct show *show, const struct ctl *ctl);
/* A worker's report; draws on a terminal only. */
void show_progress(struct show *show, const json_t *report);
/* An evaluation: a line for people, or its JSON. */
void show_eval(struct show *show, const json_t *eval);
/* Takes the progress line away. */
void show_clear(struct show *show);
/* Columns of the terminal. */
int show_columns(void);

#endif
