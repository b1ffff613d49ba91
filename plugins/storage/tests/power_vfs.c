/* SPDX-License-Identifier: Apache-2.0 */
/* Wraps SQLite's own file system: operations go through, and a journal of each file remembers what
 * was not synced yet. */

#include "plugins/storage/tests/power_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 16

struct change {
    struct change *next;
    int64_t at, len; /* len < 0: truncation to `at` */
    char *data;
};

struct image {
    char name[64];
    int exists;
    char *data; /* as of the last sync */
    int64_t size;
    struct change *head, **tail;
};

struct handle {
    sqlite3_file base;
    struct image *image; /* NULL: not watched */
    sqlite3_file *real;
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *real;
    struct image images[FILES_MAX];
    int n_images, off, full;
    uint64_t left, ops;
} power = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void image_apply(struct image *im, const struct change *c)
{
    int64_t size = c->len < 0 ? c->at : c->at + c->len;

    if (c->len < 0 && size >= im->size)
        return;
    if (size > im->size) {
        im->data = realloc(im->data, (size_t)size);
        memset(im->data + im->size, 0, (size_t)(size - im->size));
        im->size = size;
    }
    if (c->len < 0)
        im->size = size;
    else
        memcpy(im->data + c->at, c->data, (size_t)c->len);
}

static void image_clear(struct image *im, int apply)
{
    while (im->head != NULL) {
        struct change *c = im->head;

        im->head = c->next;
        if (apply)
            image_apply(im, c);
        free(c->data);
        free(c);
    }
    im->tail = &im->head;
}

/* One operation; 0 when the power is off. Under the lock. */
static int spend(void)
{
    power.ops++;
    if (power.left == 0)
        power.off = 1;
    else if (power.left != UINT64_MAX)
        power.left--;
    return !power.off;
}

static void image_add(struct image *im, int64_t at, int64_t len, const void *data)
{
    struct change *c = calloc(1, sizeof *c);

    c->at = at;
    c->len = len;
    if (len > 0) {
        c->data = malloc((size_t)len);
        memcpy(c->data, data, (size_t)len);
    }
    *im->tail = c;
    im->tail = &c->next;
}

static struct handle *of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static int p_close(sqlite3_file *file)
{
    struct handle *h = of(file);

    return h->real->pMethods != NULL ? h->real->pMethods->xClose(h->real) : SQLITE_OK;
}

static int p_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    if (power_is_off())
        return SQLITE_IOERR_READ;
    return of(file)->real->pMethods->xRead(of(file)->real, to, n, at);
}

static int p_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
    struct handle *h = of(file);
    sqlite3_int64 size = 0;
    int rc = SQLITE_IOERR_WRITE;

    pthread_mutex_lock(&power.lock);
    h->real->pMethods->xFileSize(h->real, &size);
    if (h->image == NULL) {
        rc = h->real->pMethods->xWrite(h->real, from, n, at);
    } else if (power.full && at + n > size) {
        rc = SQLITE_FULL;
    } else if (spend()) {
        image_add(h->image, at, n, from);
        rc = h->real->pMethods->xWrite(h->real, from, n, at);
    }
    pthread_mutex_unlock(&power.lock);
    return rc;
}

static int p_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = of(file);
    int rc = SQLITE_IOERR_TRUNCATE;

    pthread_mutex_lock(&power.lock);
    if (h->image == NULL || spend()) {
        if (h->image != NULL)
            image_add(h->image, size, -1, NULL);
        rc = h->real->pMethods->xTruncate(h->real, size);
    }
    pthread_mutex_unlock(&power.lock);
    return rc;
}

static int p_sync(sqlite3_file *file, int flags)
{
    struct handle *h = of(file);
    int rc = SQLITE_IOERR_FSYNC;

    (void)flags;
    pthread_mutex_lock(&power.lock);
    if (h->image == NULL || spend()) {
        if (h->image != NULL)
            image_clear(h->image, 1);
        rc = SQLITE_OK;
    }
    pthread_mutex_unlock(&power.lock);
    return rc;
}

static int p_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return of(file)->real->pMethods->xFileSize(of(file)->real, size);
}

static int p_lock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xLock(of(file)->real, level);
}

static int p_unlock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}

static int p_reserved(sqlite3_file *file, int *out)
{
    return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, out);
}

static int p_control(sqlite3_file *file, int op, void *arg)
{
    return op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE
               ? SQLITE_NOTFOUND
               : of(file)->real->pMethods->xFileControl(of(file)->real, op, arg);
}

static int p_sector(sqlite3_file *file)
{
    (void)file;
    return 512;
}

static int p_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static int p_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return of(file)->real->pMethods->xShmMap(of(file)->real, page, size, extend, out);
}

static int p_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return of(file)->real->pMethods->xShmLock(of(file)->real, offset, n, flags);
}

static void p_shm_barrier(sqlite3_file *file)
{
    of(file)->real->pMethods->xShmBarrier(of(file)->real);
}

static int p_shm_unmap(sqlite3_file *file, int remove)
{
    return of(file)->real->pMethods->xShmUnmap(of(file)->real, remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = p_close,
    .xRead = p_read,
    .xWrite = p_write,
    .xTruncate = p_truncate,
    .xSync = p_sync,
    .xFileSize = p_size,
    .xLock = p_lock,
    .xUnlock = p_unlock,
    .xCheckReservedLock = p_reserved,
    .xFileControl = p_control,
    .xSectorSize = p_sector,
    .xDeviceCharacteristics = p_characteristics,
    .xShmMap = p_shm_map,
    .xShmLock = p_shm_lock,
    .xShmBarrier = p_shm_barrier,
    .xShmUnmap = p_shm_unmap,
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static struct image *image_find(const char *path)
{
    for (int i = 0; i < power.n_images; i++)
        if (strcmp(power.images[i].name, base_name(path)) == 0)
            return &power.images[i];
    return NULL;
}

/* What is on the disk at the first open counts as synced. */
static struct image *image_need(const char *path)
{
    struct image *im = image_find(path);
    FILE *in;

    if (im == NULL && power.n_images < FILES_MAX) {
        im = &power.images[power.n_images++];
        memset(im, 0, sizeof *im);
        snprintf(im->name, sizeof im->name, "%s", base_name(path));
        im->tail = &im->head;
        if ((in = fopen(path, "rb")) != NULL) {
            fseek(in, 0, SEEK_END);
            im->size = ftell(in);
            rewind(in);
            im->data = malloc((size_t)im->size + 1);
            if (fread(im->data, 1, (size_t)im->size, in) != (size_t)im->size)
                im->size = 0;
            fclose(in);
        }
    }
    if (im != NULL)
        im->exists = 1;
    return im;
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct handle *h = of(file);
    int rc;

    (void)vfs;
    memset(h, 0, sizeof *h);
    h->real = (sqlite3_file *)(void *)(h + 1);
    if (power_is_off())
        return SQLITE_CANTOPEN;
    pthread_mutex_lock(&power.lock);
    if (name != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        h->image = image_need(name);
    rc = power.real->xOpen(power.real, name, h->real, flags, out);
    pthread_mutex_unlock(&power.lock);
    if (rc == SQLITE_OK)
        h->base.pMethods = &methods;
    return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    struct image *im;
    int rc = SQLITE_IOERR_DELETE;

    (void)vfs;
    pthread_mutex_lock(&power.lock);
    if (spend()) {
        if ((im = image_find(name)) != NULL) {
            image_clear(im, 0);
            im->size = 0;
            im->exists = 0;
        }
        rc = power.real->xDelete(power.real, name, sync_dir);
    }
    pthread_mutex_unlock(&power.lock);
    return rc;
}

void power_install(void)
{
    power.real = sqlite3_vfs_find(NULL);
    power.vfs = *power.real;
    power.vfs.zName = "power";
    power.vfs.szOsFile = (int)sizeof(struct handle) + power.real->szOsFile;
    power.vfs.xOpen = v_open;
    power.vfs.xDelete = v_delete;
    sqlite3_vfs_register(&power.vfs, 1);
}

void power_on(uint64_t n_ops)
{
    pthread_mutex_lock(&power.lock);
    for (int i = 0; i < power.n_images; i++) {
        image_clear(&power.images[i], 0);
        free(power.images[i].data);
    }
    power.n_images = 0;
    power.off = power.full = 0;
    power.left = n_ops;
    power.ops = 0;
    pthread_mutex_unlock(&power.lock);
}

void power_set_full(int full)
{
    pthread_mutex_lock(&power.lock);
    power.full = full;
    pthread_mutex_unlock(&power.lock);
}

uint64_t power_ops(void)
{
    uint64_t n;

    pthread_mutex_lock(&power.lock);
    n = power.ops;
    pthread_mutex_unlock(&power.lock);
    return n;
}

int power_is_off(void)
{
    int off;

    pthread_mutex_lock(&power.lock);
    off = power.off;
    pthread_mutex_unlock(&power.lock);
    return off;
}

static int image_write(const char *dir, const struct image *im)
{
    char path[160];
    FILE *out;
    int good;

    snprintf(path, sizeof path, "%s/%s", dir, im->name);
    if (!im->exists)
        return remove(path) == 0 || 1;
    if ((out = fopen(path, "wb")) == NULL)
        return 0;
    good = im->size == 0 || fwrite(im->data, 1, (size_t)im->size, out) == (size_t)im->size;
    return fclose(out) == 0 && good;
}

int power_restore(const char *dir, uint64_t rng)
{
    char command[160];
    int good;

    snprintf(command, sizeof command, "rm -f %s/*-shm", dir);
    good = system(command) == 0;
    for (int i = 0; i < power.n_images; i++) {
        struct image *im = &power.images[i];

        for (const struct change *c = im->head; c != NULL; c = c->next) {
            rng = rng * 6364136223846793005u + 1442695040888963407u;
            if (rng >> 63)
                image_apply(im, c);
        }
        image_clear(im, 0);
        good = image_write(dir, im) && good;
    }
    return good;
}
