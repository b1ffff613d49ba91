/* Credentials of a request against what its operation asks for. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HTTP_ACCESS_H
#define CORE_HTTP_ACCESS_H

struct lathe_request;

/* Sets the identity, or early_status 401, 403 or 429; for WebSocket upgrades ws_refuse instead. */
void access_check(struct lathe_request *req);

#endif
