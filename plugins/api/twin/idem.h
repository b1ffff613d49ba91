/* Idempotency keys: an answer is kept for a day and given again. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_TWIN_IDEM_H
#define PLUGINS_API_TWIN_IDEM_H

#include "plugins/api/twin/twin.h"

/* 1: the request goes on; 0: it was answered with *st. */
int idem_enter(struct tw *tw, struct lathe_request *req, int32_t *st);
/* Keeps an answer that is about to be sent. */
void idem_finish(struct tw *tw, struct lathe_request *req, int32_t http_status,
                 const struct text *body);
int32_t idem_open(struct tw *tw, struct lathe_error *err); /* reads what is kept */
void idem_sweep(struct tw *tw);                            /* forgets what is old */
void idem_close(struct tw *tw);

#endif
