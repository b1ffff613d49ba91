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
#include "core/registry/entry.h"
#include "lathe/version.h"

#undef LOG_MODULE
#define LOG_MODULE "registry"

#define PROBE_DEFAULT_MS 5000
#define PROBE_MARGIN_MS 3000
#define PROBES_AT_ONCE 2
#define PROBE_OUT_MAX (8u << 20)
#define DEBOUNCE_MS 150
#define FILES_MAX 1000

#define KEY_MAX 384 /* bytes of "kind\nname" */

struct reg {
    struct loop *loop;
    struct sup *sup;
    char **dirs; /* NULL-terminated */
    char *worker_path, *cache_path;
    uint32_t probe_ms;
    struct entry *first; /* by dir_index, then path */
    struct hmap *index;  /* "kind\nname" -> struct entry_component */
    struct hmap *files;  /* same key -> struct entry */
    json_t *cache;       /* path -> {"key","probe"} */
    uint64_t generation;
    uint32_t n_probing;
    int is_settled, is_cache_dirty;
    int watch_fd;
    struct event *on_watch, *on_debounce;
};

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

static void index_build(struct reg *reg)
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

/* ---- cache ---- */

/* Text that changes when the file, the server or the worker program does. */
static void cache_key(const struct reg *reg, const struct entry *e, char out[256])
{
    struct stat s;
    if (stat(reg->worker_path, &s) != 0)
        memset(&s, 0, sizeof s);
    snprintf(out, 256, "%s %lld.%09ld %lld %llu %lld %llu", LATHE_VERSION_STRING,
             (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec, (long long)s.st_size,
             (unsigned long long)e->inode, (long long)e->mtime_ns,
             (unsigned long long)e->size_bytes);
}

static int cache_take(struct reg *reg, struct entry *e)
{
    const json_t *hit = json_object_get(reg->cache, e->path);
    char key[KEY_MAX];

    cache_key(reg, e, key);
    if (hit == NULL || strcmp(json_member_string(hit, "key", ""), key) != 0)
        return 0;
    reg_entry_describe(e, json_incref(json_object_get(hit, "probe")));
    return 1;
}

static void cache_put(struct reg *reg, const struct entry *e)
{
    char key[KEY_MAX];
    cache_key(reg, e, key);
    if (e->reason[0] != '\0')
        json_object_del(reg->cache, e->path);
    else
        json_object_set_new(reg->cache, e->path,
                            json_pack("{s:s,s:O}", "key", key, "probe", e->json));
    reg->is_cache_dirty = 1;
}

static void cache_save(struct reg *reg)
{
    struct lathe_error err = {0};
    size_t len = 0;
    char *text;

    if (!reg->is_cache_dirty || reg->cache_path == NULL)
        return;
    reg->is_cache_dirty = 0;
    if ((text = json_dup_text(reg->cache, 0, &len)) == NULL)
        return;
    if (io_write_file(reg->cache_path, text, len, 0600, &err) != LATHE_OK)
        log_warn("plugin cache was not written", F_STR("reason", err.text));
    mem_free(text);
}

static void cache_load(struct reg *reg)
{
    struct lathe_error err = {0};
    if (reg->cache_path == NULL ||
        json_parse_file(reg->cache_path, &reg->cache, &err) != LATHE_OK ||
        !json_is_object(reg->cache)) {
        json_decref(reg->cache);
        reg->cache = json_object();
    }
}

/* ---- probing ---- */

struct probe {
    struct reg *reg;
    char *path;
    int64_t mtime_ns;
};

static void probes_start(struct reg *reg);

static struct entry *entry_find(const struct reg *reg, const char *path)
{
    struct entry *e = reg->first;
    while (e != NULL && strcmp(e->path, path) != 0)
        e = e->next;
    return e;
}

static void probe_free(struct probe *p)
{
    mem_free(p->path);
    mem_free(p);
}

static void probe_take(struct reg *reg, struct entry *e, int32_t status, const char *out,
                       size_t len, const struct lathe_error *err)
{
    struct lathe_error bad = {0};
    json_t *json = NULL;

    if (status == LATHE_OK && json_parse_text(out, len, NULL, &json, &bad) != LATHE_OK)
        status = LATHE_E_CORRUPT;
    if (status != LATHE_OK)
        json =
            json_pack("{s:b,s:s}", "ok", 0, "reason",
                      status == LATHE_E_CORRUPT ? "the probe printed no description" : err->text);
    e->is_probing = 0;
    reg_entry_describe(e, json);
    cache_put(reg, e);
    if (e->reason[0] != '\0')
        log_warn("plugin is broken", F_STR("path", e->path), F_STR("reason", e->reason));
    else
        log_info("plugin found", F_STR("path", e->path), F_INT("components", e->n_components));
}

static void on_probed(void *user, int32_t status, const char *out, size_t len,
                      const struct lathe_error *err)
{
    struct probe *p = user;
    struct reg *reg = p->reg;
    struct entry *e = entry_find(reg, p->path);

    reg->n_probing--;
    if (e != NULL && e->is_probing && e->mtime_ns == p->mtime_ns)
        probe_take(reg, e, status, out, len, err);
    probe_free(p);
    probes_start(reg);
    index_build(reg);
}

static int32_t probe_start(struct reg *reg, struct entry *e, struct lathe_error *err)
{
    char limit[16];
    const char *argv[] = {reg->worker_path, "--role", "probe", e->path,
                          "--timeout-ms",   limit,    NULL};
    struct probe *p = mem_new(struct probe);
    int32_t st;

    if (p == NULL || (p->path = mem_strdup(e->path)) == NULL) {
        mem_free(p);
        return fail(err, LATHE_E_NOMEM, "probe %s", e->path);
    }
    p->reg = reg;
    p->mtime_ns = e->mtime_ns;
    snprintf(limit, sizeof limit, "%u", reg->probe_ms);
    st = sup_run(
        reg->sup,
        &(struct sup_run){argv, reg->probe_ms + PROBE_MARGIN_MS, PROBE_OUT_MAX, p, on_probed}, err);
    if (st != LATHE_OK)
        probe_free(p);
    return st;
}

/* Starts waiting probes up to the limit; settles when none is left. */
static void probes_start(struct reg *reg)
{
    struct lathe_error err = {0};
    int n_waiting = 0;

    for (struct entry *e = reg->first; e != NULL; e = e->next) {
        if (e->is_probing != 1)
            continue;
        if (reg->n_probing >= PROBES_AT_ONCE) {
            n_waiting++;
            continue;
        }
        e->is_probing = 2; /* under way */
        if (probe_start(reg, e, &err) == LATHE_OK) {
            reg->n_probing++;
            continue;
        }
        e->is_probing = 0;
        reg_entry_describe(e, json_pack("{s:b,s:s}", "ok", 0, "reason", err.text));
        log_warn("plugin could not be probed", F_STR("path", e->path), F_STR("reason", err.text));
    }
    reg->is_settled = reg->n_probing == 0 && n_waiting == 0;
    if (reg->is_settled)
        cache_save(reg);
}

/* ---- scan ---- */

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
    struct entry *e = entry_find(reg, path);
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
    if (!cache_take(reg, e))
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
    probes_start(reg);
    index_build(reg);
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
    cache_load(reg);
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
