/* Negotiation with a plugin file. Every refusal has its own message; tests/plugins holds a bad file
 * for each. Does not decide where files are looked for, and runs nothing but init and fini. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registry/negotiate.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/config/option.h"

#define COMPONENTS_MAX 256
#define OTHER_MAJORS_MAX 9
#define END_OF(type, field) (offsetof(struct type, field) + sizeof(((struct type *)0)->field))

/* ---- ids ---- */

static int is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Reverse DNS: at least two labels of lower-case letters, digits, '-' and '_'. */
static int id_is_well_formed(const char *id)
{
    size_t dots = 0, label = 0, i = 0;
    for (; id[i] != '\0' && i < 128; i++) {
        if (id[i] == '.') {
            if (label == 0)
                return 0;
            dots++;
            label = 0;
        } else if (is_lower_alnum(id[i]) || (label > 0 && (id[i] == '-' || id[i] == '_'))) {
            label++;
        } else {
            return 0;
        }
    }
    return id[i] == '\0' && dots > 0 && label > 0;
}

/* Component names go into paths of REST calls: letters, digits, '.', '_', '-', not leading '.'. */
static int name_is_well_formed(const char *name)
{
    size_t i = 0;
    for (; name[i] != '\0' && i < 64; i++) {
        char c = name[i];
        int alnum = is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
        if (!alnum && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return 0;
    }
    return i > 0 && name[i] == '\0';
}

/* ---- options ---- */

/* Sizes here, meaning by the one checker of option tables. */
static int32_t component_options_check(const struct lathe_component *c, struct lathe_error *err)
{
    struct lathe_error inner = {0};
    int32_t st;

    for (size_t i = 0; c->options != NULL && c->options[i] != NULL; i++)
        if (c->options[i]->struct_size < END_OF(lathe_option, doc))
            return fail(err, LATHE_E_VERSION,
                        "component %s: an option record of %u bytes is too small", c->name,
                        c->options[i]->struct_size);
    if ((st = options_check(c->options, &inner)) != LATHE_OK)
        return fail(err, st, "component %s: %.160s", c->name, inner.text);
    return LATHE_OK;
}

/* ---- components ---- */

static int32_t vtable_check(const struct lathe_component *c, const struct kind_info *kind,
                            struct lathe_error *err)
{
    uint32_t size;
    if (c->vtable == NULL)
        return fail(err, LATHE_E_INVALID, "component %s (%s) has no function table", c->name,
                    c->kind);
    memcpy(&size, c->vtable, sizeof size);
    if (size < kind->min_size_bytes)
        return fail(
            err, LATHE_E_VERSION,
            "component %s (%s): function table of %u bytes is smaller than the %u of the first "
            "release",
            c->name, c->kind, size, kind->min_size_bytes);
    for (const struct kind_slot *s = kind->slots; s->name != NULL; s++) {
        void (*slot)(void);
        memcpy(&slot, (const char *)c->vtable + s->offset_bytes, sizeof slot);
        if (slot == NULL)
            return fail(err, LATHE_E_INVALID, "component %s (%s) does not provide %s()", c->name,
                        c->kind, s->name);
    }
    return LATHE_OK;
}

static int32_t needs_check(const struct lathe_component *c, const struct kind_info *kind,
                           struct lathe_error *err)
{
    for (size_t i = 0; c->needs != NULL && c->needs[i] != NULL; i++)
        if (!kind_has_service(kind->process, c->needs[i]))
            return fail(err, LATHE_E_UNSUPPORTED,
                        "component %s (%s) needs service %.64s, which %s does not offer", c->name,
                        c->kind, c->needs[i],
                        kind->process == KIND_IN_WORKER ? "a worker" : "the server");
    return LATHE_OK;
}

/* What a worker's components are given is part of the stored job or deployment. */
static int32_t secrets_check(const struct lathe_component *c, const struct kind_info *kind,
                             struct lathe_error *err)
{
    for (size_t i = 0; kind->process == KIND_IN_WORKER && c->options != NULL && c->options[i]; i++)
        if (c->options[i]->flags & LATHE_OPT_SECRET)
            return fail(err, LATHE_E_UNSUPPORTED,
                        "component %s (%s): option %.64s is secret, but settings of workers are "
                        "stored and shown with the job; only components in the server keep secrets",
                        c->name, c->kind, c->options[i]->name);
    return LATHE_OK;
}

static int32_t component_check(const struct lathe_component *c, struct lathe_error *err)
{
    const struct kind_info *kind;
    int32_t st;

    if (c->struct_size < END_OF(lathe_component, options))
        return fail(err, LATHE_E_VERSION, "a component record of %u bytes is too small",
                    c->struct_size);
    if (c->kind == NULL || c->name == NULL || !name_is_well_formed(c->name))
        return fail(err, LATHE_E_INVALID, "component name \"%.64s\" is not well formed",
                    c->name == NULL ? "" : c->name);
    if ((kind = kind_find(c->kind)) == NULL)
        return fail(err, LATHE_E_UNSUPPORTED, "component %s is of unknown kind %.64s", c->name,
                    c->kind);
    if (c->summary == NULL || c->summary[0] == '\0')
        return fail(err, LATHE_E_INVALID, "component %s has no summary", c->name);
    if ((st = vtable_check(c, kind, err)) != LATHE_OK)
        return st;
    if ((st = component_options_check(c, err)) != LATHE_OK)
        return st;
    if ((st = secrets_check(c, kind, err)) != LATHE_OK)
        return st;
    return needs_check(c, kind, err);
}

static int32_t components_check(const struct lathe_plugin *p, struct lathe_error *err)
{
    int32_t st;
    if (p->components == NULL || p->components[0] == NULL)
        return fail(err, LATHE_E_INVALID, "plugin %s brings no component", p->id);
    for (size_t i = 0; p->components[i] != NULL; i++) {
        if (i >= COMPONENTS_MAX)
            return fail(err, LATHE_E_LIMIT, "plugin %s has more than %d components", p->id,
                        COMPONENTS_MAX);
        if ((st = component_check(p->components[i], err)) != LATHE_OK)
            return st;
        for (size_t j = 0; j < i; j++)
            if (strcmp(p->components[i]->kind, p->components[j]->kind) == 0 &&
                strcmp(p->components[i]->name, p->components[j]->name) == 0)
                return fail(err, LATHE_E_EXISTS, "plugin %s brings component %s (%s) twice", p->id,
                            p->components[i]->name, p->components[i]->kind);
    }
    return LATHE_OK;
}

/* ---- entry table ---- */

int32_t plugin_negotiate(const struct lathe_plugin *p, struct lathe_error *err)
{
    if (p->magic != LATHE_MAGIC)
        return fail(err, LATHE_E_CORRUPT, "entry table starts with %08x: not a Lathe plugin",
                    p->magic);
    if (p->struct_size < END_OF(lathe_plugin, fini))
        return fail(err, LATHE_E_VERSION,
                    "entry table of %u bytes is smaller than the %zu of SDK 1.0", p->struct_size,
                    END_OF(lathe_plugin, fini));
    if (p->abi_tag != LATHE_ABI_TAG)
        return fail(
            err, LATHE_E_VERSION,
            "data layout tag %08x differs from %08x: built with packed structs or for another "
            "machine",
            p->abi_tag, LATHE_ABI_TAG);
    if (p->abi_major != LATHE_ABI_MAJOR)
        return fail(err, LATHE_E_VERSION, "built for SDK %u.%u, this host is %d.%d", p->abi_major,
                    p->abi_minor, LATHE_ABI_MAJOR, LATHE_ABI_MINOR);
    if (p->abi_minor_min > LATHE_ABI_MINOR)
        return fail(err, LATHE_E_VERSION, "needs SDK %u.%u, this host is %d.%d", p->abi_major,
                    p->abi_minor_min, LATHE_ABI_MAJOR, LATHE_ABI_MINOR);
    if (p->id == NULL || !id_is_well_formed(p->id))
        return fail(err, LATHE_E_INVALID, "plugin id \"%.64s\" is no reverse DNS name",
                    p->id == NULL ? "" : p->id);
    if (p->version == NULL || p->license == NULL || p->summary == NULL || p->version[0] == '\0' ||
        p->license[0] == '\0' || p->summary[0] == '\0')
        return fail(err, LATHE_E_INVALID, "plugin %s names no version, license or summary", p->id);
    return components_check(p, err);
}

/* ---- file ---- */

static int32_t stat_check(struct plugin_file *f, struct lathe_error *err)
{
    struct stat s;
    if (stat(f->path, &s) != 0)
        return fail_errno(err, errno, "stat %s", f->path);
    if (!S_ISREG(s.st_mode))
        return fail(err, LATHE_E_INVALID, "%s is no regular file", f->path);
    if (s.st_mode & S_IWOTH)
        return fail(err, LATHE_E_DENIED, "%s can be written by everyone; run chmod o-w", f->path);
    f->inode = (uint64_t)s.st_ino;
    f->size_bytes = (uint64_t)s.st_size;
    f->mtime_ms = (int64_t)s.st_mtim.tv_sec * 1000 + s.st_mtim.tv_nsec / 1000000;
    return LATHE_OK;
}

int32_t plugin_stat(const char *path, struct plugin_file **out, struct lathe_error *err)
{
    struct plugin_file *f = mem_new(struct plugin_file);
    char real[PATH_MAX];
    int32_t st = LATHE_OK;

    if (f == NULL)
        return fail(err, LATHE_E_NOMEM, "open plugin %s", path);
    if (realpath(path, real) == NULL)
        st = fail_errno(err, errno, "find plugin %s", path);
    else if ((f->path = mem_strdup(real)) == NULL)
        st = fail(err, LATHE_E_NOMEM, "open plugin %s", path);
    if (st == LATHE_OK)
        st = stat_check(f, err);
    if (st == LATHE_OK)
        st = elf_build_id(f->path, f->build_id, err);
    if (st == LATHE_OK)
        st = sha256_file_hex(f->path, f->sha256, err);
    if (st != LATHE_OK) {
        plugin_close(f);
        return st;
    }
    *out = f;
    return LATHE_OK;
}

/* The entry symbol is absent: says which SDK the file was built for, if any. */
static int32_t symbol_missing(const struct plugin_file *f, struct lathe_error *err)
{
    char name[32];
    for (int major = 0; major <= OTHER_MAJORS_MAX; major++) {
        snprintf(name, sizeof name, "lathe_plugin_v%d", major);
        if (dlsym(f->handle, name) != NULL)
            return fail(err, LATHE_E_VERSION, "built for SDK %d, this host is SDK %d.%d", major,
                        LATHE_ABI_MAJOR, LATHE_ABI_MINOR);
    }
    return fail(err, LATHE_E_INVALID, "exports no lathe_plugin_v%d: not a Lathe plugin",
                LATHE_ABI_MAJOR);
}

int32_t plugin_open(const char *path, struct plugin_file **out, struct lathe_error *err)
{
    struct plugin_file *f = NULL;
    const char *reason;
    int32_t st;

    if ((st = plugin_stat(path, &f, err)) != LATHE_OK)
        return st;
    if ((f->handle = dlopen(f->path, RTLD_NOW | RTLD_LOCAL)) == NULL) {
        reason = dlerror();
        st = fail(err, LATHE_E_INVALID, "cannot be loaded: %s", reason == NULL ? "?" : reason);
    } else if ((f->entry = dlsym(f->handle, "lathe_plugin_v1")) == NULL) {
        st = symbol_missing(f, err);
    } else {
        st = plugin_negotiate(f->entry, err);
    }
    if (st != LATHE_OK) {
        plugin_close(f);
        return st;
    }
    *out = f;
    return LATHE_OK;
}

int32_t plugin_init(struct plugin_file *f, const struct lathe_host *host, struct lathe_error *err)
{
    struct lathe_error local = {0};
    int32_t st;

    if (f->has_init_run)
        return LATHE_OK;
    f->has_init_run = 1;
    if (f->entry->init == NULL)
        return LATHE_OK;
    if ((st = f->entry->init(host, &local, &f->state)) == LATHE_OK)
        return LATHE_OK;
    f->has_init_failed = 1;
    return fail(err, st < 0 && st >= LATHE_STATUS_LOWEST ? st : LATHE_E_INTERNAL, "init: %.200s",
                local.text[0] != '\0' ? local.text : lathe_status_name(st));
}

void plugin_fini(struct plugin_file *f)
{
    if (f == NULL || !f->has_init_run || f->has_init_failed || f->entry->fini == NULL)
        return;
    f->has_init_failed = 1; /* never twice */
    f->entry->fini(f->state);
}

void plugin_close(struct plugin_file *f)
{
    if (f == NULL)
        return;
    if (f->handle != NULL && !f->has_init_run)
        dlclose(f->handle);
    mem_free(f->path);
    mem_free(f);
}

const struct lathe_component *plugin_find(const struct plugin_file *f, const char *kind,
                                          const char *name)
{
    for (size_t i = 0; f->entry->components[i] != NULL; i++) {
        const struct lathe_component *c = f->entry->components[i];
        if (strcmp(c->kind, kind) == 0 && (name == NULL || strcmp(c->name, name) == 0))
            return c;
    }
    return NULL;
}

int plugin_runs_in(const struct plugin_file *f, enum kind_process process)
{
    for (size_t i = 0; f->entry->components[i] != NULL; i++) {
        const struct kind_info *kind = kind_find(f->entry->components[i]->kind);
        if (kind != NULL && kind->process == process)
            return 1;
    }
    return 0;
}
