/* Loading the plugin files a job names, and nothing else. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/load.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

struct loaded_file {
    struct plugin_file *file;
    const struct lathe_host *host;
};

struct loaded {
    size_t n;
    struct loaded_file *files;
};

static int32_t load_one(const struct wplugin_ref *ref, const struct worker_services *services,
                        struct loaded_file *out, struct lathe_error *err)
{
    int32_t st;

    if ((st = plugin_open(ref->path, &out->file, err)) != LATHE_OK)
        return st;
    if (ref->sha256[0] != '\0' && strcmp(ref->sha256, out->file->sha256) != 0)
        return fail(err, LATHE_E_CONFLICT, "%s changed since the job was made", ref->path);
    out->host = host_new(out->file->entry->id, services);
    if (out->host == NULL)
        return fail(err, LATHE_E_NOMEM, "load %s", ref->path);
    return plugin_init(out->file, out->host, err);
}

int32_t load_open(const struct wplugin_ref *refs, size_t n, const struct worker_services *services,
                  struct loaded **out, struct lathe_error *err)
{
    struct loaded *loaded = mem_new(struct loaded);
    int32_t st = LATHE_OK;
    size_t i;

    if (loaded == NULL || (loaded->files = mem_zalloc(n + 1, sizeof *loaded->files)) == NULL) {
        mem_free(loaded);
        return fail(err, LATHE_E_NOMEM, "load plugins");
    }
    for (i = 0; i < n && st == LATHE_OK; i++) {
        loaded->n++;
        st = load_one(&refs[i], services, &loaded->files[i], err);
    }
    if (st != LATHE_OK) {
        load_close(loaded);
        return st;
    }
    *out = loaded;
    return LATHE_OK;
}

void load_close(struct loaded *loaded)
{
    size_t i;

    if (loaded == NULL)
        return;
    for (i = loaded->n; i > 0; i--) {
        struct loaded_file *f = &loaded->files[i - 1];

        if (f->file != NULL)
            plugin_fini(f->file);
        plugin_close(f->file);
        host_free(f->host);
    }
    mem_free(loaded->files);
    mem_free(loaded);
}

size_t load_count(const struct loaded *loaded)
{
    return loaded->n;
}

const struct plugin_file *load_at(const struct loaded *loaded, size_t i)
{
    return loaded->files[i].file;
}

/* "learning_rate" -> "algorithm.options.learning_rate" */
static void prefix_field(struct lathe_error *err, const char *where)
{
    char full[sizeof err->field];

    if (err == NULL || err->field[0] == '\0')
        return;
    snprintf(full, sizeof full, "%.16s.options.%.38s", where, err->field);
    memcpy(err->field, full, sizeof full);
}

int32_t load_component(const struct loaded *loaded, const char *kind, const char *name,
                       const json_t *options, const char *where, struct component *out,
                       struct lathe_error *err)
{
    int32_t st;
    size_t i;

    memset(out, 0, sizeof *out);
    for (i = 0; i < loaded->n && out->entry == NULL; i++) {
        out->entry = plugin_find(loaded->files[i].file, kind, name);
        out->host = loaded->files[i].host;
    }
    if (out->entry == NULL)
        return fail_field(err, LATHE_E_NOT_FOUND, where, "no %s named %s among the job's plugins",
                          kind, name != NULL ? name : "(any)");
    st = params_new(out->entry->options, options, &out->params, err);
    if (st != LATHE_OK)
        prefix_field(err, where);
    return st;
}

void component_close(struct component *component)
{
    if (component == NULL)
        return;
    params_free(component->params);
    memset(component, 0, sizeof *component);
}
