/* Time: wall and monotonic, and a fake clock for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* UTC milliseconds since 1970 */
int64_t clock_mono_ns(void);
/* "2026-01-01T00:00:00.000Z" into out (25 bytes). */
void clock_iso8601(int64_t wall_ms, char out[25]);
/* Reads RFC 3339 with offset; 1 on success. */
int clock_parse_iso8601(const char *text, int64_t *wall_ms);
/* Tests: non-zero freezes both clocks at the given instant until clock_fake(0, 0). */
void clock_fake(int64_t wall_ms, int64_t mono_ns);

#endif
