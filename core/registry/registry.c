/* Discovery: scanning directories, probing new files, the cache, watching for changes, the index.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registry/registry.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/params.h"
#include "core/json/json.h"
#include "core/registry/registry_internal.h"

#undef LOG_MODULE
#define LOG_MODULE "registry"

#define PROBE_DEFAULT_MS 5000
#define DEBOUNCE_MS 150
#define FILES_MAX 1000

/* ---- index ---- */

static void key_of(char out[KEY_MAX], const char *kind, const char *name)
{
    snprintf(out, KEY_MAX, "%.127s\n%.250s", kind, name);
}

/* The reason why e may not be used beside the files before it, into e->shadow. */
static void shadow_find(const struct reg *reg, struct entry *e)
{
    char key[KEY_MAX];
    e->shadow[0] = '\0';
    for (uint32_t i = 0; i < e->n_components; i++) {
        const struct entry *other;
        key_of(key, e->components[i].info.kind, e->components[i].info.name);
        if ((other = hmap_get(reg->files, key)) != NULL) {
            snprintf(e->shadow, sizeof e->shadow, "component %s is already brought by %.150s",
                     e->components[i].info.name, other->path);
            return;
        }
    }
}

static void index_add(struct reg *reg, struct entry *e)
{
    char key[KEY_MAX];
    for (uint32_t i = 0; i < e->n_components; i++) {
        key_of(key, e->components[i].info.kind, e->components[i].info.name);
        if (hmap_put(reg->index, key, &e->components[i], NULL) != LATHE_OK ||
            hmap_put(reg->files, key, e, NULL) != LATHE_OK)
            log_error("out of memory while indexing plugins", F_STR("path", e->path));
    }
}

void reg_index_build(struct reg *reg)
{
    hmap_free(reg->index, NULL);
    hmap_free(reg->files, NULL);
    reg->index = hmap_new();
    reg->files = hmap_new();
    for (struct entry *e = reg->first; e != NULL; e = e->next) {
        if (e->json != NULL && e->reason[0] == '\0') {
            shadow_find(reg, e);
            if (e->shadow[0] == '\0')
                index_add(reg, e);
        }
        reg_entry_refresh(e);
    }
    reg->generation++;
}

/* ---- scan ---- */

struct entry *reg_entry_find(const struct reg *reg, const char *path)
{
    struct entry *e = reg->first;
    while (e != NULL && strcmp(e->path, path) != 0)
        e = e->next;
    return e;
}

static void entry_drop(void *entry)
{
    reg_entry_free(entry);
}

/* Puts e at its place in the list. */
static void entry_insert(struct reg *reg, struct entry *e)
{
    struct entry **at = &reg->first;
    while (*at != NULL && ((*at)->dir_index < e->dir_index ||
                           ((*at)->dir_index == e->dir_index && strcmp((*at)->path, e->path) < 0)))
        at = &(*at)->next;
    e->next = *at;
    *at = e;
}

static void entry_remove(struct reg *reg, struct entry *e)
{
    struct entry **at = &reg->first;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    loop_retire(reg->loop, e, entry_drop); /* a handler of this turn may hold it */
}

static void file_seen(struct reg *reg, const char *path, uint32_t dir_index, int force)
{
    struct entry *e = reg_entry_find(reg, path);
    struct stat s;
    int64_t mtime_ns;

    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode))
        return;
    mtime_ns = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
    if (e != NULL && (e->is_present || (e->inode == s.st_ino && e->mtime_ns == mtime_ns &&
                                        e->size_bytes == (uint64_t)s.st_size &&
                                        !(force && e->reason[0] != '\0' && !e->is_probing)))) {
        e->is_present = 1;
        return;
    }
    if (e != NULL)
        entry_remove(reg, e);
    if ((e = reg_entry_new(path)) == NULL)
        return;
    e->inode = (uint64_t)s.st_ino;
    e->size_bytes = (uint64_t)s.st_size;
    e->mtime_ns = mtime_ns;
    e->dir_index = dir_index;
    e->is_present = 1;
    if (!reg_cache_take(reg, e))
        e->is_probing = 1;
    entry_insert(reg, e);
}

static void dir_scan(struct reg *reg, const char *dir, uint32_t dir_index, int force)
{
    DIR *d = opendir(dir);
    struct dirent *item;
    uint32_t n = 0;

    if (d == NULL)
        return;
    while ((item = readdir(d)) != NULL && n < FILES_MAX) {
        char path[PATH_MAX], real[PATH_MAX];
        size_t len = strlen(item->d_name);
        if (len < 4 || item->d_name[0] == '.' || strcmp(item->d_name + len - 3, ".so") != 0)
            continue;
        if (path_join(path, sizeof path, dir, item->d_name, NULL) == LATHE_OK &&
            realpath(path, real) != NULL) {
            file_seen(reg, real, dir_index, force);
            n++;
        }
    }
    closedir(d);
}

void reg_scan(struct reg *reg, int force)
{
    struct entry *next;

    for (struct entry *e = reg->first; e != NULL; e = e->next)
        e->is_present = 0;
    for (uint32_t i = 0; reg->dirs[i] != NULL; i++)
        dir_scan(reg, reg->dirs[i], i, force);
    for (struct entry *e = reg->first; e != NULL; e = next) {
        next = e->next;
        if (e->is_present)
            continue;
        log_info("plugin file is gone", F_STR("path", e->path));
        if (json_object_del(reg->cache, e->path) == 0)
            reg->is_cache_dirty = 1;
        entry_remove(reg, e);
    }
    reg_probes_start(reg);
    reg_index_build(reg);
}

int reg_settle(struct reg *reg, uint32_t timeout_ms)
{
    return reg->is_settled || loop_run_until(reg->loop, &reg->is_settled, timeout_ms);
}

/* ---- watching ---- */

static void on_debounce(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    reg_scan(arg, 0);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct reg *reg = arg;
    struct timeval wait = {0, DEBOUNCE_MS * 1000};
    char buf[4096];
    (void)what;
    while (read(fd, buf, sizeof buf) > 0)
        ;
    event_add(reg->on_debounce, &wait);
}

static int32_t watch_open(struct reg *reg, struct lathe_error *err)
{
    const uint32_t mask =
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR;

    reg->on_debounce = evtimer_new(loop_base(reg->loop), on_debounce, reg);
    if (reg->on_debounce == NULL)
        return fail(err, LATHE_E_NOMEM, "watch plugin directories");
    if ((reg->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) < 0) {
        log_warn("plugin directories are not watched", F_STR("reason", strerror(errno)));
        return LATHE_OK;
    }
    for (size_t i = 0; reg->dirs[i] != NULL; i++)
        if (inotify_add_watch(reg->watch_fd, reg->dirs[i], mask) < 0)
            log_info("plugin directory is not watched", F_STR("path", reg->dirs[i]),
                     F_STR("reason", strerror(errno)));
    reg->on_watch =
        event_new(loop_base(reg->loop), reg->watch_fd, EV_READ | EV_PERSIST, on_watch, reg);
    if (reg->on_watch == NULL || event_add(reg->on_watch, NULL) != 0)
        return fail(err, LATHE_E_NOMEM, "watch plugin directories");
    return LATHE_OK;
}

/* ---- questions ---- */

uint64_t reg_generation(const struct reg *reg)
{
    return reg->generation;
}

void reg_list(const struct reg *reg, lathe_plugin_visit_fn visit, void *user)
{
    for (const struct entry *e = reg->first; e != NULL; e = e->next)
        if (visit(user, &e->info) != 0)
            return;
}

static int by_name(const void *a, const void *b)
{
    const struct lathe_component_info *x = *(const struct lathe_component_info *const *)a;
    const struct lathe_component_info *y = *(const struct lathe_component_info *const *)b;
    int r = strcmp(x->kind, y->kind);
    return r != 0 ? r : strcmp(x->name, y->name);
}

void reg_components(const struct reg *reg, const char *kind, lathe_component_visit_fn visit,
                    void *user)
{
    size_t cursor = 0, n = 0;
    const char *key;
    void *value;
    const struct lathe_component_info **all = mem_zalloc(hmap_count(reg->index) + 1, sizeof *all);

    while (all != NULL && hmap_next(reg->index, &cursor, &key, &value)) {
        const struct entry_component *c = value;
        if (kind == NULL || strcmp(c->info.kind, kind) == 0)
            all[n++] = &c->info;
    }
    if (n > 0)
        qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++)
        if (visit(user, all[i]) != 0)
            break;
    mem_free(all);
}

static const struct entry_component *component_find(const struct reg *reg, const char *kind,
                                                    const char *name, const struct entry **file)
{
    char key[KEY_MAX];
    if (name != NULL && strlen(kind) + strlen(name) < 250) {
        key_of(key, kind, name);
        *file = hmap_get(reg->files, key);
        return hmap_get(reg->index, key);
    }
    for (const struct entry *e = reg->first; name == NULL && e != NULL; e = e->next)
        for (uint32_t i = 0; e->info.status == LATHE_PLUGIN_OK && i < e->n_components; i++)
            if (strcmp(e->components[i].info.kind, kind) == 0) {
                *file = e;
                return &e->components[i];
            }
    return NULL;
}

const struct lathe_component_info *reg_find(const struct reg *reg, const char *kind,
                                            const char *name, const struct lathe_plugin_info **file)
{
    const struct entry *e = NULL;
    const struct entry_component *c = component_find(reg, kind, name, &e);
    if (file != NULL)
        *file = c != NULL ? &e->info : NULL;
    return c != NULL ? &c->info : NULL;
}

option_list reg_options(const struct reg *reg, const struct lathe_component_info *component)
{
    const struct entry *e = NULL;
    const struct entry_component *c = component_find(reg, component->kind, component->name, &e);
    return c != NULL ? option_table_list(c->options) : NULL;
}

const json_t *reg_describe(const struct reg *reg, const struct lathe_component_info *component)
{
    const struct entry *e = NULL;
    const struct entry_component *c = component_find(reg, component->kind, component->name, &e);
    return c != NULL ? c->describe : NULL;
}

int32_t reg_resolve(const struct reg *reg, const char *kind, const char *name, const json_t *values,
                    json_t **out, struct lathe_error *err)
{
    const struct entry *e = NULL;
    const struct entry_component *c = component_find(reg, kind, name, &e);
    struct params *params = NULL;
    int32_t st;

    if (c == NULL)
        return fail(err, LATHE_E_NOT_FOUND, "no usable plugin brings %.64s of kind %s", name, kind);
    if ((st = params_new(option_table_list(c->options), values, &params, err)) != LATHE_OK)
        return st;
    *out = params_to_json(params, 0, 1);
    params_free(params);
    return *out != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "resolve options of %s", name);
}

static int32_t info_json(void *user, const struct lathe_plugin_info *p)
{
    static const char *const words[] = {"ok", "broken", "probing"};
    json_t *components = json_array();
    for (size_t i = 0; p->components[i] != NULL; i++)
        json_array_append_new(components, json_pack("{s:s,s:s,s:s}", "kind", p->components[i]->kind,
                                                    "name", p->components[i]->name, "summary",
                                                    p->components[i]->summary));
    json_array_append_new(
        user, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "id", p->id, "version", p->version,
                        "path", p->path, "status", words[p->status % 3], "reason", p->reason,
                        "sha256", p->sha256, "build_id", p->build_id, "components", components));
    return 0;
}

void reg_json(const struct reg *reg, struct strbuf *out)
{
    json_t *list = json_array();
    reg_list(reg, info_json, list);
    if (json_write_text(list, 0, out) != LATHE_OK)
        strbuf_adds(out, "[]");
    json_decref(list);
}

/* ---- life ---- */

static int32_t paths_copy(struct reg *reg, const struct reg_config *cfg)
{
    size_t n = 0;
    while (cfg->dirs[n] != NULL)
        n++;
    reg->dirs = mem_zalloc(n + 1, sizeof *reg->dirs);
    reg->worker_path = mem_strdup(cfg->worker_path);
    if (reg->dirs == NULL || reg->worker_path == NULL)
        return LATHE_E_NOMEM;
    if (cfg->cache_path != NULL && (reg->cache_path = mem_strdup(cfg->cache_path)) == NULL)
        return LATHE_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        if ((reg->dirs[i] = mem_strdup(cfg->dirs[i])) == NULL)
            return LATHE_E_NOMEM;
    return LATHE_OK;
}

int32_t reg_open(const struct reg_config *cfg, struct reg **out, struct lathe_error *err)
{
    struct reg *reg = mem_new(struct reg);
    int32_t st;

    if (reg == NULL)
        return fail(err, LATHE_E_NOMEM, "open plugin registry");
    reg->loop = cfg->loop;
    reg->sup = cfg->sup;
    reg->probe_ms = cfg->probe_ms != 0 ? cfg->probe_ms : PROBE_DEFAULT_MS;
    reg->watch_fd = -1;
    if (paths_copy(reg, cfg) != LATHE_OK || (reg->index = hmap_new()) == NULL ||
        (reg->files = hmap_new()) == NULL)
        st = fail(err, LATHE_E_NOMEM, "open plugin registry");
    else
        st = watch_open(reg, err);
    if (st != LATHE_OK) {
        reg_close(reg);
        return st;
    }
    reg_cache_load(reg);
    *out = reg;
    return LATHE_OK;
}

void reg_close(struct reg *reg)
{
    if (reg == NULL)
        return;
    while (reg->first != NULL) {
        struct entry *e = reg->first;
        reg->first = e->next;
        reg_entry_free(e);
    }
    if (reg->on_watch != NULL)
        event_free(reg->on_watch);
    if (reg->on_debounce != NULL)
        event_free(reg->on_debounce);
    if (reg->watch_fd >= 0)
        close(reg->watch_fd);
    hmap_free(reg->index, NULL);
    hmap_free(reg->files, NULL);
    json_decref(reg->cache);
    for (size_t i = 0; reg->dirs != NULL && reg->dirs[i] != NULL; i++)
        mem_free(reg->dirs[i]);
    mem_free(reg->dirs);
    mem_free(reg->worker_path);
    mem_free(reg->cache_path);
    mem_free(reg);
}
