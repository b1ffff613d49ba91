/* Shared by the files of the telemetry conformance suite. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_TELEMETRY_H
#define TEST_TELEMETRY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/storage/tests/storage_fixture.h"

#define SECOND INT64_C(1000000)
#define T0 INT64_C(1767600000000000) /* 2026-01-05T08:00:00Z, a full hour */
#define TELEMETRY_ROWS 40000u

struct telemetry_rows {
    uint32_t n;
    struct lathe_ts_result result;
    struct lathe_ts_point points[TELEMETRY_ROWS];
    struct lathe_ts_bucket buckets[TELEMETRY_ROWS];
};

int telemetry_setup(void **state);
int telemetry_teardown(void **state);
/* Read everything the query asks for; failures end the test. */
void telemetry_points(struct fixture *f, const struct lathe_ts_query *q,
                      struct telemetry_rows *out);
void telemetry_buckets(struct fixture *f, const struct lathe_ts_query *q,
                       struct telemetry_rows *out);
void random_telemetry_agrees_with_the_model(void **state);

#endif
