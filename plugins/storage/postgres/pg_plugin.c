/* SPDX-License-Identifier: Apache-2.0 */
/* Storage "postgres": one schema of a PostgreSQL database. This file is the entry: options and
 * vtable. */

#include <string.h>

#include "lathe/plugin.h"
#include "plugins/storage/postgres/pg_storage.h"

static const void *pg_extension(void *self, const char *id)
{
    (void)self;
    return strcmp(id, LATHE_STORAGE_TIMESERIES) == 0 ? &pg_timeseries : NULL;
}

static const struct lathe_option *const options[] = {
    LATHE_OPTION_STRING("conninfo", "dbname=lathe", 1000,
                        "How to connect, as libpq reads it; passwords belong in a .pgpass file."),
    LATHE_OPTION_STRING("schema", "lathe", 60, "Schema that holds the tables; made when absent."),
    NULL,
};

static const struct lathe_storage postgres_storage = {
    .struct_size = sizeof(struct lathe_storage),
    .flags = LATHE_STORAGE_DURABLE,
    .open = pg_open,
    .close = pg_close,
    .declare = pg_declare,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .apply = pg_apply,
    .get = pg_get,
    .scan = pg_scan,
    .extension = pg_extension,
};

LATHE_PLUGIN_SINGLE("org.lathe.storage.postgres", LATHE_VERSION_STRING, "Apache-2.0",
                    "Keeps documents, series and telemetry in PostgreSQL.", LATHE_KIND_STORAGE,
                    "postgres", &postgres_storage, options);
