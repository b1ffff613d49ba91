/* A server whose connections are fed from memory: shared by the HTTP and WebSocket fuzzers. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_HTTP_FUZZ_H
#define TESTS_FUZZ_HTTP_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Runs one connection: sends data in two pieces, split at `cut`, closes the sending side and lets
 * the server finish. Aborts the process when the server leaves the connection open. */
void http_fuzz_run(const uint8_t *data, size_t len, size_t cut);

#endif
