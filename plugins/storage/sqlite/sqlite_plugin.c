/* SPDX-License-Identifier: Apache-2.0 */
/* Storage "sqlite": one file in write-ahead mode; what commit returned is on disk. The tables are
 * in sqlite_schema.c. This file is the entry: options and vtable. */

#include <string.h>

#include "lathe/plugin.h"
#include "plugins/storage/sqlite/sqlite_storage.h"

static const void *sql_extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_STORAGE_TIMESERIES) == 0 ? &sql_timeseries : NULL;
}

static const char *const check_choices[] = {"none", "quick", "full", NULL};

static const char *const durability_choices[] = {"full", "normal", NULL};

static const struct lathe_option *const options[] = {
    LATHE_OPTION_STRING("file", "lathe.db", 200,
                        "Name of the database file in the data directory."),
    LATHE_OPTION_INT("cache_mib", "16", 1, 4096, "Memory for cached pages, in MiB."),
    LATHE_OPTION_ENUM("integrity_check", "quick", check_choices,
                      "How thoroughly the file is checked when it is opened."),
    LATHE_OPTION_INT("merge_points", "60000", 100, 10000000,
                     "Telemetry points that are collected before they are sorted into the tables."),
    LATHE_OPTION_INT("merge_age", "30", 1, 3600,
                     "Seconds after which collected telemetry is sorted in, however few points."),
    LATHE_OPTION_INT("max_backlog", "2000000", 1000, 100000000,
                     "Telemetry points that may wait; more are refused until some are sorted in."),
    LATHE_OPTION_ENUM("durability", "full", durability_choices,
                      "Acknowledged telemetry survives a power cut (full) or a crash (normal)."),
    NULL,
};

static const struct lathe_storage sqlite_storage = {
    .struct_size = sizeof(struct lathe_storage),
    .flags = LATHE_STORAGE_DURABLE,
    .open = sql_open,
    .close = sql_close,
    .declare = sql_declare,
    .begin = sql_begin,
    .commit = sql_commit,
    .rollback = sql_rollback,
    .apply = sql_apply,
    .get = sql_get,
    .scan = sql_scan,
    .extension = sql_extension,
};

LATHE_PLUGIN_SINGLE("org.lathe.storage.sqlite", LATHE_VERSION_STRING, "Apache-2.0",
                    "Keeps documents and series in an SQLite database.", LATHE_KIND_STORAGE,
                    "sqlite", &sqlite_storage, options);
