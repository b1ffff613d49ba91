/* Describing plugin files: the probe process, and the cache of what it said. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/registry/registry_internal.h"
#include "lathe/version.h"

#undef LOG_MODULE
#define LOG_MODULE "registry"

#define PROBE_MARGIN_MS 3000
#define PROBES_AT_ONCE 2
#define PROBE_OUT_MAX (8u << 20)

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

int reg_cache_take(struct reg *reg, struct entry *e)
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

void reg_cache_load(struct reg *reg)
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
    struct entry *e = reg_entry_find(reg, p->path);

    reg->n_probing--;
    if (e != NULL && e->is_probing && e->mtime_ns == p->mtime_ns)
        probe_take(reg, e, status, out, len, err);
    probe_free(p);
    reg_probes_start(reg);
    reg_index_build(reg);
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
void reg_probes_start(struct reg *reg)
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
