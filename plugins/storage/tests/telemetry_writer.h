/* What telemetry_writer writes, for the test that kills it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TELEMETRY_WRITER_H
#define TELEMETRY_WRITER_H

#include "plugins/storage/tests/storage_fixture.h"

#define TELEMETRY_SERIES 50
#define SECOND INT64_C(1000000)
#define T0 INT64_C(1767600000000000)

#endif
