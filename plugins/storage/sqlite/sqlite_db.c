/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and result codes: the thin layer that everything else here stands on. */

#include <stdlib.h>
#include <string.h>

#include "plugins/storage/sqlite/sqlite_storage.h"

static const char *const texts[SQL_N] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT batch",
    [SQL_RELEASE] = "RELEASE batch",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO batch",
    [SQL_REVISION_SAVE] = "UPDATE meta SET value=?1 WHERE key='next_revision'",
    [SQL_DOC_REVISION] = "SELECT rev FROM doc WHERE coll=?1 AND id=?2",
    [SQL_DOC_GET] = "SELECT rev, json FROM doc WHERE coll=?1 AND id=?2",
    [SQL_DOC_PUT] = "INSERT INTO doc(coll, id, rev, json) VALUES(?1, ?2, ?3, ?4)"
                    " ON CONFLICT(coll, id) DO UPDATE SET rev=excluded.rev, json=excluded.json",
    [SQL_DOC_DELETE] = "DELETE FROM doc WHERE coll=?1 AND id=?2",
    [SQL_DOC_ALL] = "SELECT id, json FROM doc WHERE coll=?1",
    [SQL_ENTRY_GET] = "SELECT val FROM entry WHERE ix=?1 AND id=?2",
    [SQL_ENTRY_PUT] = "INSERT INTO entry(ix, id, val) VALUES(?1, ?2, ?3)",
    [SQL_ENTRY_DELETE] = "DELETE FROM entry WHERE ix=?1 AND id=?2",
    [SQL_COUNTER_TAKE] = "INSERT INTO counter(name, next) VALUES(?1, 1 + ?2)"
                         " ON CONFLICT(name) DO UPDATE SET next=next + ?2 RETURNING next - ?2",
    [SQL_COLL_ADD] = "INSERT INTO coll(name) VALUES(?1)",
    [SQL_IX_ADD] = "INSERT INTO ix(coll, field, type) VALUES(?1, ?2, ?3)",
    [SQL_IX_DELETE] = "DELETE FROM ix WHERE pk=?1",
    [SQL_IX_CLEAR] = "DELETE FROM entry WHERE ix=?1",
    [SQL_SERIES_FIND] = "SELECT pk FROM series WHERE name=?1",
    [SQL_SERIES_ADD] = "INSERT INTO series(name) VALUES(?1)",
    [SQL_SERIES_LIST] = "SELECT name, (SELECT count(*) FROM point WHERE series=pk) FROM series"
                        " WHERE name>=?1 AND name<?2 ORDER BY name",
    [SQL_SERIES_DELETE] = "DELETE FROM series WHERE name>=?1 AND name<?2",
    [SQL_POINT_PUT] = "INSERT INTO point(series, step, value) VALUES(?1, ?2, ?3)"
                      " ON CONFLICT(series, step) DO UPDATE SET value=excluded.value",
    [SQL_POINT_READ] = "SELECT step, value FROM point WHERE series=?1 AND step BETWEEN ?2 AND ?3"
                       " ORDER BY step",
    [SQL_POINT_COUNT] = "SELECT count(*) FROM point WHERE series=?1 AND step BETWEEN ?2 AND ?3",
    [SQL_POINT_CUT] = "DELETE FROM point WHERE series IN"
                      " (SELECT pk FROM series WHERE name>=?1 AND name<?2) AND step>?3",
    [SQL_POINT_CLEAR] = "DELETE FROM point WHERE series IN"
                        " (SELECT pk FROM series WHERE name>=?1 AND name<?2)",
    [SQL_TS_FIND] = "SELECT id FROM ts_series WHERE name=?1",
    [SQL_TS_ADD] = "INSERT INTO ts_series(name) VALUES(?1)",
    [SQL_TS_LIST] = "SELECT name, id FROM ts_series WHERE name>=?1 AND name<?2 ORDER BY name",
    [SQL_TS_KEEP] = "UPDATE ts_series SET keep0=?2, keep1=?3, keep2=?4, keep3=?5, keep4=?6"
                    " WHERE id=?1",
    [SQL_TS_REMOVE] = "DELETE FROM ts_series WHERE id=?1",
    [SQL_TS_PURGE_ADD] = "INSERT INTO ts_purge VALUES(?1)",
    [SQL_TS_PURGE_NEXT] = "SELECT series FROM ts_purge LIMIT 1",
    [SQL_TS_PURGE_DONE] = "DELETE FROM ts_purge WHERE series=?1",
};

int32_t sql_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return LATHE_E_CORRUPT;
    case SQLITE_NOMEM:
        return LATHE_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return LATHE_E_UNAVAILABLE;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        return LATHE_E_IO;
    default:
        return LATHE_E_INTERNAL;
    }
}

int32_t sql_fail(struct sql_storage *s, int rc, struct lathe_error *err, const char *doing)
{
    int32_t st = sql_status(rc);
    const char *hint = "";

    if (s->in_group)
        s->broken = 1;
    if (st == LATHE_E_CORRUPT)
        hint = "; the file is damaged: restore a backup, or try sqlite3's .recover";
    else if ((rc & 0xff) == SQLITE_FULL)
        hint = "; make room on the disk";
    return storage_fail(err, st, "%.80s: %s: %.60s%s", s->path, doing, sqlite3_errmsg(s->db), hint);
}

static int32_t prepare(struct sql_storage *s, const char *text, sqlite3_stmt **out,
                       struct lathe_error *err)
{
    int rc = sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);

    return rc == SQLITE_OK ? LATHE_OK : sql_fail(s, rc, err, "prepare a statement");
}

int32_t sql_stmt(struct sql_storage *s, enum sql_id id, sqlite3_stmt **out, struct lathe_error *err)
{
    if (s->stmts[id] == NULL) {
        int32_t st = prepare(s, texts[id], &s->stmts[id], err);

        if (st != LATHE_OK)
            return st;
    }
    sqlite3_reset(s->stmts[id]);
    sqlite3_clear_bindings(s->stmts[id]);
    *out = s->stmts[id];
    return LATHE_OK;
}

int32_t sql_step_done(struct sql_storage *s, sqlite3_stmt *stmt, struct lathe_error *err,
                      const char *doing)
{
    int rc = sqlite3_step(stmt);
    int32_t st = LATHE_OK;

    if (rc != SQLITE_DONE)
        st = sql_fail(s, rc, err, doing);
    sqlite3_reset(stmt);
    return st;
}

int32_t sql_run(struct sql_storage *s, enum sql_id id, struct lathe_error *err)
{
    sqlite3_stmt *stmt;
    int32_t st = sql_stmt(s, id, &stmt, err);

    return st == LATHE_OK ? sql_step_done(s, stmt, err, texts[id]) : st;
}

void sql_bind_str(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

void sql_bind_key(sqlite3_stmt *stmt, int at, uint32_t type, const struct storage_key *key)
{
    if ((type & 0xffu) == LATHE_INDEX_NUMBER)
        sqlite3_bind_double(stmt, at, key->num);
    else
        sql_bind_str(stmt, at, key->str);
}

int32_t sql_scan_stmt(struct sql_storage *s, const char *text, sqlite3_stmt **out,
                      struct lathe_error *err)
{
    struct sql_scan_stmt *slot;
    int32_t st;

    for (unsigned i = 0; i < SCAN_CACHE; i++)
        if (s->scans[i].text != NULL && strcmp(s->scans[i].text, text) == 0) {
            *out = s->scans[i].stmt;
            sqlite3_reset(*out);
            sqlite3_clear_bindings(*out);
            return LATHE_OK;
        }
    slot = &s->scans[s->next_scan++ % SCAN_CACHE];
    sqlite3_finalize(slot->stmt);
    free(slot->text);
    slot->stmt = NULL;
    if ((slot->text = strdup(text)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a scan");
    if ((st = prepare(s, text, &slot->stmt, err)) != LATHE_OK) {
        free(slot->text);
        slot->text = NULL;
        return st;
    }
    *out = slot->stmt;
    return LATHE_OK;
}

void sql_finalize_all(struct sql_storage *s)
{
    for (int i = 0; i < SQL_N; i++)
        sqlite3_finalize(s->stmts[i]);
    for (int i = 0; i < SCAN_CACHE; i++) {
        sqlite3_finalize(s->scans[i].stmt);
        free(s->scans[i].text);
    }
}
