/* Plugin files mapped into the server: opened once, initialised with a host of their own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/config/params.h"
#include "core/lathed/lathed.h"
#include "core/registry/registry.h"

#undef LOG_MODULE
#define LOG_MODULE "lathed"

int32_t lathed_file_open(struct lathed *d, const char *path, struct lathed_file **out,
                         struct lathe_error *err)
{
    struct lathed_file *f = &d->files[d->n_files];
    int32_t st;

    for (size_t i = 0; i < d->n_files; i++)
        if (strcmp(d->files[i].file->path, path) == 0) {
            *out = &d->files[i];
            return LATHE_OK;
        }
    if (d->n_files == LATHED_FILES_MAX)
        return fail(err, LATHE_E_LIMIT, "more than %d plugin files for the server",
                    LATHED_FILES_MAX);
    memset(f, 0, sizeof *f);
    if ((st = plugin_open(path, &f->file, err)) != LATHE_OK)
        return st;
    if ((st = host_open(&d->parts, f->file->entry->id, &f->host, err)) == LATHE_OK)
        st = plugin_init(f->file, host_table(f->host), err);
    if (st != LATHE_OK) {
        host_close(f->host);
        plugin_close(f->file);
        return st;
    }
    d->n_files++;
    log_info("plugin loaded", F_STR("plugin", f->file->entry->id),
             F_STR("version", f->file->entry->version), F_STR("path", path));
    *out = f;
    return LATHE_OK;
}

void lathed_files_close(struct lathed *d)
{
    while (d->n_files > 0) {
        struct lathed_file *f = &d->files[--d->n_files];
        plugin_fini(f->file);
        plugin_close(f->file);
        host_close(f->host);
    }
}

int32_t lathed_params(struct lathed *d, const struct lathe_component *component,
                      struct params **out, struct lathe_error *err)
{
    char name[80], path[SETTINGS_PATH_MAX];
    int32_t st;

    snprintf(name, sizeof name, "%.64s.conf", component->name);
    if ((st = path_join(path, sizeof path, d->paths.plugin_config, name, err)) != LATHE_OK)
        return st;
    return params_from_file(component->options, path, out, err);
}

struct required {
    const char *id;
    int is_found;
};

static int32_t required_visit(void *user, const struct lathe_plugin_info *plugin)
{
    struct required *r = user;
    r->is_found = plugin->status == LATHE_PLUGIN_OK && strcmp(plugin->id, r->id) == 0;
    return r->is_found;
}

int32_t lathed_required_check(struct lathed *d, struct lathe_error *err)
{
    const struct config_group *plugins = config_group(config_root(d->config), "plugins");
    char **ids = settings_words(config_string(plugins, "required"));
    int32_t st = ids != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "read plugins.required");

    for (size_t i = 0; st == LATHE_OK && ids[i] != NULL; i++) {
        struct required r = {ids[i], 0};
        reg_list(d->parts.reg, required_visit, &r);
        if (!r.is_found)
            st = fail_field(err, LATHE_E_NOT_FOUND, "plugins.required",
                            "required plugin %.100s is missing or broken; see the log", ids[i]);
    }
    settings_words_free(ids);
    return st;
}
