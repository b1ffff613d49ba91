/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the database: one process at a time, checked, brought up to date. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "plugins/storage/sqlite/sqlite_ts.h"

#define BUSY_MS 5000 /* an operator's sqlite3 may hold the file for a moment */

static int32_t make_path(struct sql_storage *s, const char *dir, const char *file,
                         struct lathe_error *err)
{
    size_t len = strlen(dir) + strlen(file) + 2;

    if (file[0] == 0 || file[0] == '.' || strchr(file, '/') != NULL)
        return storage_fail(err, LATHE_E_INVALID,
                            "option file: \"%.100s\" is not a plain file name", file);
    if ((s->path = malloc(len)) == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a path");
    snprintf(s->path, len, "%s/%s", dir, file);
    return LATHE_OK;
}

static int32_t io_fail(struct lathe_error *err, int errnum, const char *doing, const char *path)
{
    return storage_fail(err, LATHE_E_IO, "%s %.120s: %s", doing, path, strerrordesc_np(errnum));
}

/* The lock file outlives the process; its lock does not. The database is created with tight rights
 * before SQLite sees it. */
static int32_t lock(struct sql_storage *s, struct lathe_error *err)
{
    size_t len = strlen(s->path) + 6;
    char *name = malloc(len);
    int32_t st = LATHE_OK;
    int fd;

    if (name == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a path");
    snprintf(name, len, "%s.lock", s->path);
    s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        st = io_fail(err, errno, "open", name);
    else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        st = storage_fail(
            err, LATHE_E_CONFLICT,
            "%.120s is in use by another process; stop it or choose another directory", s->path);
    else if ((fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        st = io_fail(err, errno, "open", s->path);
    else
        close(fd);
    free(name);
    return st;
}

static int32_t pragmas(struct sql_storage *s, int64_t cache_mib, struct lathe_error *err)
{
    char text[256];
    int rc;

    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_snprintf(sizeof text, text,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                     "PRAGMA cache_size=-%lld; PRAGMA journal_size_limit=67108864;",
                     (long long)cache_mib * 1024);
    rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? LATHE_OK : sql_fail(s, rc, err, "set up the database");
}

static int32_t check(struct sql_storage *s, const char *kind, struct lathe_error *err)
{
    const char *text =
        strcmp(kind, "full") == 0 ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)";
    sqlite3_stmt *stmt = NULL;
    int32_t st = LATHE_OK;
    int rc;

    if (strcmp(kind, "none") == 0)
        return LATHE_OK;
    rc = sqlite3_prepare_v2(s->db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        st = sql_fail(s, rc, err, "check the database");
    else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        st = storage_fail(err, LATHE_E_CORRUPT,
                          "%.80s is damaged (%.80s): restore a backup, or try sqlite3's .recover",
                          s->path, (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return st;
}

static int32_t load_revision(struct sql_storage *s, struct lathe_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key='next_revision'", -1,
                                &stmt, NULL);
    int32_t st = LATHE_OK;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        s->next_revision = s->saved_revision = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        st = sql_fail(s, rc, err, "read the revision counter");
    sqlite3_finalize(stmt);
    return st;
}

static int32_t open_database(struct sql_storage *s, const struct lathe_params *params,
                             struct lathe_error *err)
{
    int rc = sqlite3_open_v2(
        s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int32_t st;

    if (rc != SQLITE_OK)
        return s->db != NULL ? sql_fail(s, rc, err, "open the database")
                             : storage_fail(err, LATHE_E_NOMEM, "no memory for a database");
    if ((st = pragmas(s, params->get_int(params, "cache_mib"), err)) != LATHE_OK ||
        (st = check(s, params->get_string(params, "integrity_check"), err)) != LATHE_OK ||
        (st = sql_migrate(s, err)) != LATHE_OK || (st = load_revision(s, err)) != LATHE_OK)
        return st;
    return sql_collections_load(s, err);
}

static void read_ts_options(struct sql_storage *s, const struct lathe_params *params)
{
    s->ts_options.merge_points = (size_t)params->get_int(params, "merge_points");
    s->ts_options.max_backlog = (size_t)params->get_int(params, "max_backlog");
    s->ts_options.merge_age_s = params->get_int(params, "merge_age");
    s->ts_options.cache_mib = params->get_int(params, "cache_mib");
    s->ts_options.full_sync = strcmp(params->get_string(params, "durability"), "normal") != 0;
}

int32_t sql_open(const struct lathe_storage_args *args, struct lathe_error *err, void **self)
{
    struct sql_storage *s = calloc(1, sizeof *s);
    int32_t st;

    if (s == NULL)
        return storage_fail(err, LATHE_E_NOMEM, "no memory for a storage");
    s->lock_fd = -1;
    st = make_path(s, args->data_dir, args->params->get_string(args->params, "file"), err);
    if (st == LATHE_OK && (st = lock(s, err)) == LATHE_OK)
        st = open_database(s, args->params, err);
    if (st == LATHE_OK) {
        read_ts_options(s, args->params);
        st = sql_ts_open(s, 0, err);
    }
    if (st != LATHE_OK) {
        sql_close(s);
        return st;
    }
    *self = s;
    return LATHE_OK;
}

void sql_close(void *self)
{
    struct sql_storage *s = self;

    if (s == NULL)
        return;
    if (s->db != NULL && s->in_group)
        sql_rollback(s);
    sql_ts_close(s);
    sql_finalize_all(s);
    sqlite3_close(s->db);
    sql_collections_free(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->buf);
    free(s->path);
    free(s);
}
