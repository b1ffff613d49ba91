/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry: the two files, their schema, statements and result codes. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

#define DB_ID 0x4c415453  /* "LATS" */
#define LOG_ID 0x4c41544c /* "LATL" */
#define TS_SCHEMA 1
#define BUSY_MS 5000

#define ROLLUP_COLUMNS "n, n_bad, sum, mn, mx, first, first_ts, last, last_ts"
#define ROLLUP_INSERT                                         \
    "INSERT INTO rollup(series, res, bucket, " ROLLUP_COLUMNS \
    ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO UPDATE SET "

static const char db_schema[] =
    "CREATE TABLE sample(series INTEGER NOT NULL, ts INTEGER NOT NULL, value REAL NOT NULL,"
    " flags INTEGER NOT NULL, PRIMARY KEY(series, ts)) WITHOUT ROWID;"
    "CREATE TABLE rollup(series INTEGER NOT NULL, res INTEGER NOT NULL, bucket INTEGER NOT NULL,"
    " n INTEGER NOT NULL, n_bad INTEGER NOT NULL, sum REAL, mn REAL, mx REAL,"
    " first REAL, first_ts INTEGER NOT NULL, last REAL, last_ts INTEGER NOT NULL,"
    " PRIMARY KEY(series, res, bucket)) WITHOUT ROWID;" /* res and bucket in seconds */
    "CREATE TABLE state(series INTEGER PRIMARY KEY, has INTEGER NOT NULL, ts INTEGER NOT NULL,"
    " value REAL NOT NULL, flags INTEGER NOT NULL, recv INTEGER NOT NULL,"
    " horizon INTEGER NOT NULL);"
    "CREATE TABLE meta(key INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
    "INSERT INTO meta VALUES(1, 0), (2, 0);";

static const char log_schema[] =
    "CREATE TABLE log(seq INTEGER PRIMARY KEY, recv INTEGER NOT NULL, n INTEGER NOT NULL,"
    " payload BLOB NOT NULL);"
    "CREATE TABLE base(seq INTEGER NOT NULL);"
    "INSERT INTO base VALUES(0);";

static const char *const texts[TS_SQL_N] = {
    [TS_BEGIN] = "BEGIN IMMEDIATE",
    [TS_COMMIT] = "COMMIT",
    [TS_ROLLBACK] = "ROLLBACK",
    [TS_SAMPLE_ADD] = "INSERT INTO sample VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    [TS_SAMPLE_GET] = "SELECT value, flags FROM sample WHERE series=?1 AND ts=?2",
    [TS_SAMPLE_SET] = "UPDATE sample SET value=?3, flags=?4 WHERE series=?1 AND ts=?2",
    [TS_SAMPLE_CUT] = "DELETE FROM sample WHERE series=?1 AND ts>=?2 AND ts<?3",
    [TS_SAMPLE_EDGE] = "SELECT ts FROM sample WHERE series=?1 AND ts>=?2 AND ts<?3 ORDER BY ts"
                       " LIMIT 1 OFFSET ?4",
    [TS_SAMPLE_UP] = "SELECT ts, value, flags FROM sample WHERE series=?1 AND ts>=?2 AND ts<?3"
                     " ORDER BY ts LIMIT -1 OFFSET ?4",
    [TS_SAMPLE_DOWN] = "SELECT ts, value, flags FROM sample WHERE series=?1 AND ts>=?2 AND ts<?3"
                       " ORDER BY ts DESC LIMIT -1 OFFSET ?4",
    [TS_SAMPLE_COUNT] = "SELECT count(*) FROM sample WHERE series=?1 AND ts>=?2 AND ts<?3",
    [TS_ROLLUP_ADD] = ROLLUP_INSERT
    "sum=CASE WHEN excluded.n=0 THEN sum WHEN n=0 THEN excluded.sum ELSE sum+excluded.sum END,"
    "mn=CASE WHEN excluded.n>0 AND (n=0 OR excluded.mn<mn) THEN excluded.mn ELSE mn END,"
    "mx=CASE WHEN excluded.n>0 AND (n=0 OR excluded.mx>mx) THEN excluded.mx ELSE mx END,"
    "first=CASE WHEN excluded.n>0 AND (n=0 OR excluded.first_ts<first_ts) THEN excluded.first"
    " ELSE first END,"
    "first_ts=CASE WHEN excluded.n>0 AND (n=0 OR excluded.first_ts<first_ts)"
    " THEN excluded.first_ts ELSE first_ts END,"
    "last=CASE WHEN excluded.n>0 AND (n=0 OR excluded.last_ts>last_ts) THEN excluded.last"
    " ELSE last END,"
    "last_ts=CASE WHEN excluded.n>0 AND (n=0 OR excluded.last_ts>last_ts)"
    " THEN excluded.last_ts ELSE last_ts END,"
    "n=n+excluded.n, n_bad=n_bad+excluded.n_bad",
    [TS_ROLLUP_PUT] =
        ROLLUP_INSERT "n=excluded.n, n_bad=excluded.n_bad, sum=excluded.sum, mn=excluded.mn,"
                      " mx=excluded.mx, first=excluded.first, first_ts=excluded.first_ts,"
                      " last=excluded.last, last_ts=excluded.last_ts",
    [TS_ROLLUP_CUT] = "DELETE FROM rollup WHERE series=?1 AND res=?2 AND bucket>=?3 AND bucket<?4",
    [TS_ROLLUP_EDGE] = "SELECT bucket FROM rollup WHERE series=?1 AND res=?2 AND bucket<?3"
                       " ORDER BY bucket LIMIT 1",
    [TS_ROLLUP_DROP] = "DELETE FROM rollup WHERE series=?1",
    [TS_ROLLUP_UP] = "SELECT bucket, " ROLLUP_COLUMNS " FROM rollup WHERE series=?1 AND res=?2"
                     " AND bucket>=?3 AND bucket<?4 ORDER BY bucket LIMIT -1 OFFSET ?5",
    [TS_ROLLUP_DOWN] = "SELECT bucket, " ROLLUP_COLUMNS " FROM rollup WHERE series=?1 AND res=?2"
                       " AND bucket>=?3 AND bucket<?4 ORDER BY bucket DESC LIMIT -1 OFFSET ?5",
    [TS_ROLLUP_COUNT] = "SELECT count(*) FROM rollup WHERE series=?1 AND res=?2 AND bucket>=?3"
                        " AND bucket<?4",
    [TS_ROLLUP_SUM] = "SELECT coalesce(sum(n + n_bad), 0) FROM rollup WHERE series=?1 AND res=?2"
                      " AND bucket>=?3 AND bucket<?4",
    [TS_STATE_PUT] = "INSERT OR REPLACE INTO state VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [TS_STATE_DROP] = "DELETE FROM state WHERE series=?1",
    [TS_META_SET] = "UPDATE meta SET value=?2 WHERE key=?1",
    [TS_LOG_ADD] = "INSERT INTO log VALUES(?1, ?2, ?3, ?4)",
    [TS_LOG_BEGIN] = "BEGIN IMMEDIATE",
    [TS_LOG_COMMIT] = "COMMIT",
    [TS_LOG_ROLLBACK] = "ROLLBACK",
    [TS_LOG_CUT] = "DELETE FROM log WHERE seq<=?1",
    [TS_LOG_BASE] = "UPDATE base SET seq=?1",
};

int32_t ts_fail(struct sql_ts *ts, sqlite3 *db, int rc, struct lathe_error *err, const char *doing)
{
    int errnum = ts->last_errno; /* SQLite tells of ENOSPC alone, and forgets others in COMMIT */
    const char *path = db == ts->log ? ts->log_path : ts->db_path;

    if ((rc & 0xff) == SQLITE_FULL ||
        ((rc & 0xff) == SQLITE_IOERR && (errnum == EFBIG || errnum == ENOSPC || errnum == EDQUOT)))
        return storage_fail(err, LATHE_E_LIMIT, "%.80s: %s: the disk is full; make room on it",
                            path, doing);
    return storage_fail(err, sql_status(rc), "%.80s: %s: %.80s", path, doing, sqlite3_errmsg(db));
}

int32_t ts_stmt(struct sql_ts *ts, enum ts_sql id, sqlite3_stmt **out, struct lathe_error *err)
{
    if (ts->stmts[id] == NULL) {
        sqlite3 *db = id >= TS_LOG_ADD ? ts->log : ts->db;
        int rc =
            sqlite3_prepare_v3(db, texts[id], -1, SQLITE_PREPARE_PERSISTENT, &ts->stmts[id], NULL);

        if (rc != SQLITE_OK)
            return ts_fail(ts, db, rc, err, "prepare a statement");
    }
    sqlite3_reset(ts->stmts[id]);
    *out = ts->stmts[id];
    return LATHE_OK;
}

int32_t ts_done(struct sql_ts *ts, sqlite3_stmt *stmt, struct lathe_error *err, const char *doing)
{
    int32_t st = LATHE_OK;
    int rc;

    errno = 0;
    rc = sqlite3_step(stmt);
    ts->last_errno = errno;
    if (rc != SQLITE_DONE)
        st = ts_fail(ts, sqlite3_db_handle(stmt), rc, err, doing);
    sqlite3_reset(stmt);
    return st;
}

int32_t ts_run(struct sql_ts *ts, enum ts_sql id, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int32_t st = ts_stmt(ts, id, &stmt, err);

    return st == LATHE_OK ? ts_done(ts, stmt, err, texts[id]) : st;
}

int32_t ts_meta_set(struct sql_ts *ts, int64_t key, uint64_t value, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int32_t st = ts_stmt(ts, TS_META_SET, &stmt, err);

    if (st != LATHE_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, key);
    sqlite3_bind_int64(stmt, 2, (int64_t)value);
    return ts_done(ts, stmt, err, "write meta");
}

static int32_t exec(struct sql_ts *ts, sqlite3 *db, const char *text, struct lathe_error *err)
{
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? LATHE_OK : ts_fail(ts, db, rc, err, "set up the database");
}

int32_t ts_sync(struct sql_ts *ts, int full, struct lathe_error *err)
{
    return exec(ts, ts->db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);
}

static int32_t read_int(struct sql_ts *ts, sqlite3 *db, const char *text, int64_t *out,
                        struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? LATHE_OK : ts_fail(ts, db, rc, err, "read the schema version");
}

/* Creates the tables of a new file; checks those of an old one. */
static int32_t schema(struct sql_ts *ts, sqlite3 *db, const char *text, int64_t id,
                      struct lathe_error *err)
{
    const char *path = db == ts->log ? ts->log_path : ts->db_path;
    int64_t version = 0, app = 0, objects = 0;
    char pragmas[96];
    int32_t st = read_int(ts, db, "PRAGMA user_version", &version, err);

    if (st != LATHE_OK || (st = read_int(ts, db, "PRAGMA application_id", &app, err)) != LATHE_OK ||
        (st = read_int(ts, db, "SELECT count(*) FROM sqlite_schema", &objects, err)) != LATHE_OK)
        return st;
    if (app != id && (app != 0 || objects != 0))
        return storage_fail(err, LATHE_E_CORRUPT,
                            "%.150s is a database of another program; give Lathe its own file",
                            path);
    if (version > TS_SCHEMA || version < 0)
        return storage_fail(err, LATHE_E_VERSION,
                            "%.100s has schema %lld, this version knows %d: use a newer Lathe",
                            path, (long long)version, TS_SCHEMA);
    if (version == TS_SCHEMA)
        return LATHE_OK;
    if ((st = exec(ts, db, "BEGIN IMMEDIATE", err)) != LATHE_OK)
        return st;
    sqlite3_snprintf(sizeof pragmas, pragmas,
                     "PRAGMA application_id=%lld; PRAGMA user_version=%d; COMMIT;", (long long)id,
                     TS_SCHEMA);
    if ((st = exec(ts, db, text, err)) == LATHE_OK)
        st = exec(ts, db, pragmas, err);
    if (st != LATHE_OK)
        (void)exec(ts, db, "ROLLBACK", NULL);
    return st;
}

/* Creates the file with tight rights, and its name on disk, before SQLite sees it. */
static int32_t file_make(struct sql_ts *ts, const char *path, struct lathe_error *err)
{
    char *dir;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), dir_fd, failed;

    if (fd < 0 && errno == EEXIST)
        return LATHE_OK;
    if (fd < 0)
        return storage_fail(err, LATHE_E_IO, "create %.120s: %s", path, strerrordesc_np(errno));
    close(fd);
    if ((dir = strdup(ts->s->path)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a path");
    *strrchr(dir, '/') = 0;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    failed = dir_fd < 0 || fsync(dir_fd) != 0;
    if (dir_fd >= 0)
        close(dir_fd);
    free(dir);
    return failed ? storage_fail(err, LATHE_E_IO, "sync the directory of %.120s", path) : LATHE_OK;
}

static int32_t file_open(struct sql_ts *ts, const char *path, sqlite3 **db, const char *pragmas,
                         struct lathe_error *err)
{
    int32_t st = file_make(ts, path, err);
    int rc;

    if (st != LATHE_OK)
        return st;
    rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                         NULL);
    if (*db == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a database");
    sqlite3_extended_result_codes(*db, 1);
    if (rc != SQLITE_OK)
        return ts_fail(ts, *db, rc, err, "open the database");
    sqlite3_busy_timeout(*db, BUSY_MS);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return exec(ts, *db, pragmas, err);
}

int32_t ts_files_open(struct sql_ts *ts, int64_t cache_mib, struct lathe_error *err)
{
    char pragmas[256];
    int32_t st;

    sqlite3_snprintf(sizeof pragmas, pragmas,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
                     "PRAGMA cache_size=-%lld; PRAGMA cache_spill=OFF; PRAGMA "
                     "wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;",
                     (long long)(cache_mib > 64 ? cache_mib : 64) * 1024);
    if ((st = file_open(ts, ts->db_path, &ts->db, pragmas, err)) != LATHE_OK ||
        (st = schema(ts, ts->db, db_schema, DB_ID, err)) != LATHE_OK)
        return st;
    sqlite3_snprintf(sizeof pragmas, pragmas,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=%s; PRAGMA temp_store=MEMORY;"
                     "PRAGMA journal_size_limit=67108864;",
                     ts->full_sync ? "FULL" : "NORMAL");
    if ((st = file_open(ts, ts->log_path, &ts->log, pragmas, err)) != LATHE_OK ||
        (st = schema(ts, ts->log, log_schema, LOG_ID, err)) != LATHE_OK)
        return st;
    return LATHE_OK;
}

void ts_finalize(struct sql_ts *ts)
{
    for (int i = 0; i < TS_SQL_N; i++)
        sqlite3_finalize(ts->stmts[i]);
}
