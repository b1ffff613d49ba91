/* SPDX-License-Identifier: Apache-2.0 */
/* The schema and its history. migrations[i] brings version i to i + 1; a released entry is never
 * edited, a change is a new entry. user_version holds the version, application_id says the file is
 * ours. */

#include "plugins/storage/sqlite/sqlite_storage.h"

#define APPLICATION_ID 0x4c415448 /* "LATH" */

static const char migration_documents[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('next_revision', 1);"
    "CREATE TABLE coll(pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE ix(pk INTEGER PRIMARY KEY AUTOINCREMENT, coll INTEGER NOT NULL, field TEXT NOT "
    "NULL,"
    " type INTEGER NOT NULL, UNIQUE(coll, field));"
    "CREATE TABLE doc(pk INTEGER PRIMARY KEY, coll INTEGER NOT NULL, id TEXT NOT NULL,"
    " rev INTEGER NOT NULL, json TEXT NOT NULL, UNIQUE(coll, id));"
    "CREATE TABLE entry(ix INTEGER NOT NULL, val NOT NULL, id TEXT NOT NULL,"
    " PRIMARY KEY(ix, val, id)) WITHOUT ROWID;"
    "CREATE INDEX entry_doc ON entry(ix, id);"
    "CREATE TABLE counter(name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;";

static const char migration_series[] =
    "CREATE TABLE series(pk INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE point(series INTEGER NOT NULL, step INTEGER NOT NULL, value REAL,"
    " PRIMARY KEY(series, step)) WITHOUT ROWID;";

static const char migration_telemetry[] = /* keep: microseconds of points and rollups */
    "CREATE TABLE ts_series(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " keep0 INTEGER NOT NULL DEFAULT 9223372036854775807,"
    " keep1 INTEGER NOT NULL DEFAULT 9223372036854775807,"
    " keep2 INTEGER NOT NULL DEFAULT 9223372036854775807,"
    " keep3 INTEGER NOT NULL DEFAULT 9223372036854775807,"
    " keep4 INTEGER NOT NULL DEFAULT 9223372036854775807);"
    "CREATE TABLE ts_purge(series INTEGER PRIMARY KEY);";

static const char *const migrations[] = {migration_documents, migration_series,
                                         migration_telemetry};

#define SCHEMA_VERSION ((int64_t)(sizeof migrations / sizeof migrations[0]))

static int32_t read_int(struct sql_storage *s, const char *text, int64_t *out,
                        struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? LATHE_OK : sql_fail(s, rc, err, "read the schema version");
}

static int32_t check_ours(struct sql_storage *s, int64_t version, struct lathe_error *err)
{
    int64_t app = 0, objects = 0;
    int32_t st = read_int(s, "PRAGMA application_id", &app, err);

    if (st == LATHE_OK)
        st = read_int(s, "SELECT count(*) FROM sqlite_schema", &objects, err);
    if (st != LATHE_OK)
        return st;
    if (app != APPLICATION_ID && (app != 0 || objects != 0))
        return storage_fail(err, LATHE_E_CORRUPT,
                            "%.150s is a database of another program; give Lathe its own file",
                            s->path);
    if (version > SCHEMA_VERSION || version < 0)
        return storage_fail(err, LATHE_E_VERSION,
                            "%.100s has schema %lld, this version knows %lld: use a newer Lathe",
                            s->path, (long long)version, (long long)SCHEMA_VERSION);
    return LATHE_OK;
}

static int32_t run_text(struct sql_storage *s, const char *text, struct lathe_error *err)
{
    int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? LATHE_OK : sql_fail(s, rc, err, "change the schema");
}

static int32_t migrate_from(struct sql_storage *s, int64_t version, struct lathe_error *err)
{
    char text[96];
    int32_t st = LATHE_OK;

    for (int64_t v = version; v < SCHEMA_VERSION && st == LATHE_OK; v++)
        st = run_text(s, migrations[v], err);
    if (st != LATHE_OK)
        return st;
    sqlite3_snprintf(sizeof text, text, "PRAGMA application_id=%d; PRAGMA user_version=%lld;",
                     APPLICATION_ID, (long long)SCHEMA_VERSION);
    return run_text(s, text, err);
}

int32_t sql_migrate(struct sql_storage *s, struct lathe_error *err)
{
    int64_t version = 0;
    int32_t st = read_int(s, "PRAGMA user_version", &version, err);

    if (st != LATHE_OK || (st = check_ours(s, version, err)) != LATHE_OK ||
        version == SCHEMA_VERSION)
        return st;
    if ((st = sql_run(s, SQL_BEGIN, err)) != LATHE_OK)
        return st;
    if ((st = migrate_from(s, version, err)) == LATHE_OK)
        st = sql_run(s, SQL_COMMIT, err);
    if (st != LATHE_OK)
        (void)sql_run(s, SQL_ROLLBACK, NULL);
    return st;
}
