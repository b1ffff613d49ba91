/* SPDX-License-Identifier: Apache-2.0 */
/* Collection of artifacts that nothing refers to. One file at a time: ask the store; if no document
 * refers to it, move it to the trash, ask again (a document may have been written meanwhile), and
 * only then remove it. A file that is referred to is dated anew, so that its grace begins when the
 * last reference was seen. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/artifact/artifact_internal.h"
#include "core/base/clock.h"
#include "core/base/fail.h"
#define LOG_MODULE "artifact"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/store.h"

enum action { LIST, TOUCH, TRASH, RESTORE, REMOVE };

/* A collection under way. Each hop to the store or the pool sets is_waiting; when its drop finds
 * that no answer came, the server is ending and the collection is given up. */
struct collection {
    struct artifacts *artifacts; /* NULL: closed meanwhile */
    char dir[ARTIFACT_PATH_MAX];
    int64_t before_ms;
    char (*names)[LATHE_ARTIFACT_SHA_MAX];
    size_t n, cap, at;
    enum action action;
    int is_waiting;
    uint64_t removed;
    void (*done)(void *user, int32_t status, uint64_t removed);
    void *user;
};

static void next(struct collection *c);

static void finish(struct collection *c, int32_t status)
{
    if (c->artifacts != NULL)
        c->artifacts->collection = NULL;
    if (c->removed > 0 || status != LATHE_OK)
        log_info("artifacts collected", F_INT("removed", c->removed), F_INT("looked_at", c->at),
                 F_STR("status", lathe_status_name(status)));
    if (c->done != NULL)
        c->done(c->user, status, c->removed);
    mem_free(c->names);
    mem_free(c);
}

static int32_t names_add(struct collection *c, const char *name, struct lathe_error *err)
{
    if (c->n == c->cap) {
        size_t cap = c->cap != 0 ? c->cap * 2 : 64;
        void *names = mem_realloc(c->names, cap, sizeof *c->names);

        if (names == NULL)
            return fail(err, LATHE_E_NOMEM, "no memory to list artifacts");
        c->names = names;
        c->cap = cap;
    }
    memcpy(c->names[c->n++], name, LATHE_ARTIFACT_SHA_MAX);
    return LATHE_OK;
}

static int is_old(int dir_fd, const char *name, int64_t before_ms)
{
    struct stat info;

    if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
        return 0;
    return (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000 <= before_ms;
}

static int32_t list_sub(struct collection *c, unsigned sub, struct lathe_error *err)
{
    char path[ARTIFACT_PATH_MAX + 8];
    struct dirent *entry;
    int32_t st = LATHE_OK;
    DIR *d;

    snprintf(path, sizeof path, "%s/%02x", c->dir, sub);
    if ((d = opendir(path)) == NULL)
        return errno == ENOENT ? LATHE_OK : fail_errno(err, errno, "open %s", path);
    while (st == LATHE_OK && (entry = readdir(d)) != NULL)
        if (artifact_sha_is_good(entry->d_name) && is_old(dirfd(d), entry->d_name, c->before_ms))
            st = names_add(c, entry->d_name, err);
    closedir(d);
    return st;
}

static int32_t list(struct collection *c, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (unsigned sub = 0; sub < 256 && st == LATHE_OK; sub++)
        st = list_sub(c, sub, err);
    return st;
}

static int32_t act(struct collection *c, struct lathe_error *err)
{
    char path[ARTIFACT_PATH_MAX], trash[ARTIFACT_PATH_MAX];
    int32_t st = artifact_path(c->dir, c->names[c->at], path, err);
    int rc;

    if (st != LATHE_OK ||
        (st = artifact_trash_path(c->dir, c->names[c->at], trash, err)) != LATHE_OK)
        return st;
    switch (c->action) {
    case TOUCH:
        rc = utimensat(AT_FDCWD, path, NULL, 0);
        break;
    case TRASH:
        rc = rename(path, trash);
        break;
    case RESTORE:
        rc = rename(trash, path);
        break;
    default:
        rc = unlink(trash);
        break;
    }
    return rc == 0 ? LATHE_OK : fail_errno(err, errno, "collect artifact %s", path);
}

/* [pool] */
static int32_t work(void *user, const struct lathe_pool_job *job, struct lathe_error *err)
{
    struct collection *c = user;

    (void)job;
    return c->action == LIST ? list(c, err) : act(c, err);
}

static void given_up(void *user)
{
    struct collection *c = user;

    if (c->is_waiting == 1)
        finish(c, LATHE_E_UNAVAILABLE);
    else if (c->is_waiting == 2) /* answered: go on now that this hop is over */
        next(c);
}

static void worked(void *user, int32_t status, const struct lathe_error *err)
{
    struct collection *c = user;

    c->is_waiting = 2;
    if (status != LATHE_OK) {
        log_warn("an artifact could not be collected", F_STR("error", err->text));
        c->at = c->action == LIST ? c->n : c->at + 1;
        c->action = LIST;
        return;
    }
    c->removed += c->action == REMOVE;
    if (c->action == TOUCH || c->action == RESTORE || c->action == REMOVE)
        c->at++;
    if (c->action != TRASH)
        c->action = LIST; /* the next file begins */
}

static void hop_to_pool(struct collection *c, enum action action)
{
    c->action = action;
    c->is_waiting = 1;
    (void)pool_run(c->artifacts->options.pool, ARTIFACT_DEADLINE_MS, work, worked, c, given_up,
                   NULL);
}

/* The store's answer: decides what happens to the file. */
static void answered(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct collection *c = user;
    int in_trash = c->action == TRASH;

    if (status != LATHE_OK)
        return; /* given_up ends the collection; the trash is put back at the next start */
    c->is_waiting = 3;
    if (result->values[0] != 0)
        c->action = in_trash ? RESTORE : TOUCH;
    else
        c->action = in_trash ? REMOVE : TRASH;
}

static void answer_over(void *user)
{
    struct collection *c = user;

    if (c->is_waiting != 3 || c->artifacts == NULL)
        finish(c, LATHE_E_UNAVAILABLE);
    else
        hop_to_pool(c, c->action);
}

/* Goes on with the file at c->at: action LIST means that nothing was done to it yet. */
static void next(struct collection *c)
{
    const struct lathe_store_call call = {sizeof call, 0, answered, answer_over, c};

    if (c->artifacts == NULL) {
        finish(c, LATHE_E_UNAVAILABLE);
        return;
    }
    if (c->at >= c->n) {
        finish(c, LATHE_OK);
        return;
    }
    c->is_waiting = 1;
    (void)store_refers(c->artifacts->options.store, c->names[c->at], &call);
}

void collect_start(struct artifacts *artifacts, void (*done)(void *user, int32_t, uint64_t),
                   void *user)
{
    struct collection *c = NULL;
    int32_t st = LATHE_OK;

    if (artifacts->collection != NULL)
        st = LATHE_E_CONFLICT;
    else if (artifacts->options.store != NULL && (c = mem_new(struct collection)) == NULL)
        st = LATHE_E_NOMEM;
    if (c == NULL) {
        if (done != NULL)
            done(user, st, 0);
        return;
    }
    c->artifacts = artifacts;
    artifacts->collection = c;
    memcpy(c->dir, artifacts->dir, sizeof c->dir);
    c->before_ms = clock_wall_ms() - artifacts->options.grace_ms;
    c->done = done;
    c->user = user;
    hop_to_pool(c, LIST);
}

void collect_orphan(struct collection *c)
{
    if (c != NULL)
        c->artifacts = NULL;
}
