/* SPDX-License-Identifier: Apache-2.0 */
/* Ingests telemetry until it is killed, and says on standard output how many batches were made
 * durable. Argument 1 is the plugin, 2 the directory, 3 the first batch. Batch b holds second b of
 * TELEMETRY_SERIES series, and second b - 1 again. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/tests/telemetry_writer.h"

int main(int argc, char **argv)
{
    struct fixture f = {.merge_points = 2000};
    struct lathe_error err = {0};
    uint64_t ids[TELEMETRY_SERIES];
    static struct lathe_ts_point points[2 * TELEMETRY_SERIES];
    const struct lathe_ts_batch batch = {sizeof batch, 2 * TELEMETRY_SERIES, T0, points};

    if (argc != 4 || !fixture_load(&f, argv[1]))
        return 2;
    snprintf(f.dir, sizeof f.dir, "%s", argv[2]);
    if (fixture_open(&f, &err) != LATHE_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int s = 0; s < TELEMETRY_SERIES; s++) {
        char name[16];

        snprintf(name, sizeof name, "s%d", s);
        if ((ids[s] = fixture_series(&f, name)) == 0)
            return 1;
    }
    for (int64_t b = strtoll(argv[3], NULL, 10);; b++) {
        uint32_t wait_ms = 0;

        for (int s = 0; s < TELEMETRY_SERIES; s++) {
            points[2 * s] = (struct lathe_ts_point){ids[s], T0 + b * SECOND, (double)b + s, 0, 0};
            points[2 * s + 1] = points[2 * s];
            if (b > 0)
                points[2 * s + 1] = (struct lathe_ts_point){ids[s], T0 + (b - 1) * SECOND,
                                                            (double)(b - 1) + s, 0, 0};
        }
        if (f.series->ingest(f.self, &batch, NULL, &err) != LATHE_OK)
            return 1;
        printf("%" PRId64 "\n", b);
        fflush(stdout);
        if (f.series->maintain(f.self, T0 + b * SECOND, &wait_ms, &err) != LATHE_OK)
            return 1;
    }
}
