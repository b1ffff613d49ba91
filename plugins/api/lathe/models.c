/* Models of the registry: list, look, delete, download, ask. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/api/lathe/native.h"

#define READ_DEADLINE_MS 30000
#define EXPORT_MAX_BYTES (1u << 30)

struct model_list {
    struct jw w;
    struct api_page page;
};

static int32_t list_one(void *user, const struct lathe_model_info *model)
{
    struct model_list *l = user;

    if (api_page_take(&l->page))
        model_write(&l->w, model);
    return 0;
}

int32_t models_list(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct text body = {0};
    struct model_list l;

    jw_init(&l.w, &body);
    api_page_read(kit, req, &l.page);
    jw_arr(&l.w, NULL);
    kit->models->list(kit->models, kit->http->query(req, "owner"), list_one, &l);
    jw_end_arr(&l.w);
    api_page_header(kit, req, &l.page);
    return api_send(kit, req, 200, &body);
}

int32_t models_get(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const struct lathe_model_info *model =
        kit->models->get(kit->models, kit->http->path_param(req, "id"));
    struct text body = {0};
    struct jw w;

    if (!model)
        return native_unknown(kit, req, "model");
    jw_init(&w, &body);
    model_write(&w, model);
    return api_send(kit, req, 200, &body);
}

static void deleted(void *user, int32_t status, const struct lathe_model_info *model,
                    const struct lathe_error *err)
{
    struct api_park *park = user;
    struct text body = {0};

    (void)model;
    if (status != LATHE_OK) {
        park->kit->http->respond_error(park->req, status, NULL, err);
        return;
    }
    text_adds(&body, "{\"status\":\"deleted\"}");
    api_send(park->kit, park->req, 200, &body);
}

int32_t models_delete(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const char *id = kit->http->path_param(req, "id");
    struct lathe_error err = {0};
    struct api_park *park;
    int32_t st;

    if (!kit->models->get(kit->models, id))
        return native_unknown(kit, req, "model");
    if (!(park = api_park_new(kit, self, req, id)))
        return LATHE_E_NOMEM;
    api_target_forget(kit, &((struct native *)self)->targets, id);
    st = kit->models->remove(kit->models, id, deleted, park, api_park_drop, &err);
    if (st != LATHE_OK)
        kit->http->set_error(req, &err);
    return st;
}

/* ---- export ---- */

/* [pool]: reads the file of the model into memory and answers. */
static int32_t read_whole(const char *path, struct text *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat sb;
    char block[65536];
    ssize_t n;

    if (fd < 0)
        return LATHE_E_IO;
    if (fstat(fd, &sb) != 0 || sb.st_size > (off_t)EXPORT_MAX_BYTES) {
        close(fd);
        return LATHE_E_LIMIT;
    }
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            text_add(out, block, (size_t)n);
    close(fd);
    return n < 0 ? LATHE_E_IO : out->failed ? LATHE_E_NOMEM : LATHE_OK;
}

struct download {
    const struct api_kit *kit;
    struct lathe_request *req;
    char *path, *name;
    struct text data;
};

static void download_drop(void *user)
{
    struct download *d = user;

    d->kit->http->release(d->req);
    free(d->path);
    free(d->name);
    text_fini(&d->data);
    free(d);
}

static int32_t download_read(void *user, const struct lathe_pool_job *job, struct lathe_error *err)
{
    struct download *d = user;

    (void)job;
    (void)err;
    return read_whole(d->path, &d->data);
}

static void download_done(void *user, int32_t status, const struct lathe_error *err)
{
    struct download *d = user;
    char disposition[160];

    if (status != LATHE_OK) {
        d->kit->http->respond_error(d->req, status, NULL, err);
        return;
    }
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%.64s.safetensors\"",
             d->name);
    d->kit->http->add_header(d->req, "Content-Disposition", disposition);
    d->kit->http->respond(d->req, 200, "application/octet-stream", text_get(&d->data),
                          d->data.len_bytes);
}

int32_t models_export(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const char *id = kit->http->path_param(req, "id"), *path;
    struct lathe_error err = {0};
    struct download *d;
    int32_t st;

    if (!kit->models->get(kit->models, id))
        return native_unknown(kit, req, "model");
    if (!(path = kit->models->path(kit->models, id)))
        return api_problem(kit, req, 503, "model_file_missing", "the file of %s is not there", id);
    if (!(d = calloc(1, sizeof *d)))
        return LATHE_E_NOMEM;
    d->kit = kit;
    d->req = kit->http->acquire(req);
    d->path = api_dup(path);
    d->name = api_dup(id);
    if (!d->path || !d->name) {
        download_drop(d);
        return LATHE_E_NOMEM;
    }
    st = kit->pool->run(kit->pool, READ_DEADLINE_MS, download_read, download_done, d, download_drop,
                        &err);
    if (st != LATHE_OK)
        kit->http->set_error(req, &err);
    return st;
}

/* ---- act ---- */

static void acted(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                  const struct lathe_error *err)
{
    struct api_park *park = user;

    if (status != LATHE_OK)
        park->kit->http->respond_error(park->req, status, NULL, err);
    else
        park->kit->http->respond(park->req, 200, "application/json", answer, len_bytes);
}

int32_t models_act(void *self, struct lathe_request *req)
{
    struct native *native = self;
    const struct api_kit *kit = &native->kit;
    const char *id = kit->http->path_param(req, "id");
    struct lathe_error err = {0};
    struct api_park *park;
    uint64_t handle = 0, len = 0;
    int32_t st;

    if (!kit->models->get(kit->models, id))
        return native_unknown(kit, req, "model");
    st = api_target(kit, &native->targets, id, &handle, &err);
    if (st == LATHE_OK) {
        if (!(park = api_park_new(kit, self, req, id)))
            return LATHE_E_NOMEM;
        st = api_ask(
            kit, handle,
            &(struct api_question){"act", kit->http->body(req, &len), acted, park, api_park_drop},
            &err);
    }
    if (st != LATHE_OK)
        kit->http->set_error(req, &err);
    return st;
}
