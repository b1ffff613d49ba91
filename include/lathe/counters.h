/* Service "lathe.counters/1": counters and gauges of a plugin inside the server, shown at GET
 * /metrics in the text form of Prometheus. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_COUNTERS_H
#define LATHE_COUNTERS_H

#include "lathe/abi.h"

#define LATHE_SERVICE_COUNTERS "lathe.counters/1"

#define LATHE_COUNTER_TOTAL 0 /* only rises; its name ends in "_total" */
#define LATHE_COUNTER_GAUGE 1

struct lathe_counter; /* one series: a name with one set of labels */

struct lathe_counters_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Finds or makes a series. name: 1 to 95 bytes of [a-z0-9_], not beginning with "lathe_" or
     * "process_". help: one line; that of the first call counts. labels: names and values in turn,
     * ended by NULL; NULL for none. A plugin may have 1000 series. NULL when a rule is broken or
     * memory is short; the functions below take NULL. Memory: all text is copied; the series lives
     * as long as the server. Since 1.0. */
    struct lathe_counter *(*get)(const struct lathe_counters_service *counters, int32_t kind,
                                 const char *name, const char *help, const char *const *labels);

    /* Adds value, of a total not below 0. Since 1.0. */
    void (*add)(const struct lathe_counters_service *counters, struct lathe_counter *counter,
                double value);

    /* Sets a gauge. Since 1.0. */
    void (*set)(const struct lathe_counters_service *counters, struct lathe_counter *counter,
                double value);

    /* Calls collect(user) before the numbers are read, for gauges that are cheaper to count than to
     * keep; one such function per plugin, NULL for none. Ends with the plugin. Since 1.0. */
    void (*collect)(const struct lathe_counters_service *counters, void (*collect)(void *user),
                    void *user);
};

#endif
