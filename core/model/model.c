/* Registry of models. A record is one document of collection "models"; the artifact member is
 * declared as an artifact index, which keeps the file alive. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/json/json.h"

#undef LOG_MODULE
#define LOG_MODULE "model"

#define COLLECTION "models"
#define SCAN_STEP 500
#define LOAD_MS 60000
#define NAME_MAX_BYTES 480 /* 120 characters of UTF-8 */

struct model {
    struct lathe_model_info info;
    json_t *doc;
    char *texts[4]; /* env options, algorithm options, metrics, extra */
    uint64_t number;
};

struct models {
    struct loop *loop;
    const struct lathe_store_service *store;
    const struct lathe_artifact_service *artifacts;
    struct hmap *by_id;
    char path[4096];
    /* loading */
    int is_loaded;
    int32_t load_status;
    char cursor[LATHE_STORAGE_CURSOR_MAX];
};

/* ---- records ---- */

static void model_free(void *arg)
{
    struct model *m = arg;
    if (m == NULL)
        return;
    for (size_t i = 0; i < 4; i++)
        mem_free(m->texts[i]);
    json_decref(m->doc);
    mem_free(m);
}

static char *object_text(const json_t *value)
{
    return json_is_object(value) ? json_dup_text(value, 0, NULL) : mem_strdup("{}");
}

/* A record over a document; NULL when memory ends or the document is no model. */
static struct model *model_of(json_t *doc)
{
    const json_t *env = json_object_get(doc, "env"), *algo = json_object_get(doc, "algorithm");
    const char *id = json_member_string(doc, "id", NULL);
    struct model *m = id != NULL ? mem_new(struct model) : NULL;

    if (m == NULL)
        return NULL;
    m->doc = json_incref(doc);
    m->texts[0] = object_text(json_object_get(env, "options"));
    m->texts[1] = object_text(json_object_get(algo, "options"));
    m->texts[2] = object_text(json_object_get(doc, "metrics"));
    m->texts[3] = object_text(json_object_get(doc, "extra"));
    for (size_t i = 0; i < 4; i++)
        if (m->texts[i] == NULL) {
            model_free(m);
            return NULL;
        }
    m->number = strtoull(id + strcspn(id, "0123456789"), NULL, 10);
    m->info = (struct lathe_model_info){sizeof m->info,
                                        0,
                                        id,
                                        json_member_string(doc, "owner", ""),
                                        json_member_string(doc, "name", ""),
                                        json_member_string(doc, "kind", "policy"),
                                        json_member_string(env, "name", ""),
                                        m->texts[0],
                                        json_member_string(algo, "name", ""),
                                        m->texts[1],
                                        json_member_string(doc, "artifact", ""),
                                        json_member_string(doc, "job", ""),
                                        m->texts[2],
                                        m->texts[3],
                                        (uint64_t)json_member_int(doc, "size_bytes", 0),
                                        (uint64_t)json_member_int(doc, "seed", 0),
                                        json_member_int(doc, "created_ms", 0),
                                        json_member_int(doc, "updated_ms", 0)};
    return m;
}

/* Puts a record in place of an older one, which stays readable until the loop turns. */
static int32_t model_show(struct models *models, struct model *m)
{
    void *old = NULL;
    int32_t st = hmap_put(models->by_id, m->info.id, m, &old);
    if (st != LATHE_OK)
        model_free(m);
    else if (old != NULL)
        loop_retire(models->loop, old, model_free);
    return st;
}

/* ---- writes ---- */

struct change {
    struct models *models;
    json_t *doc; /* NULL: removal */
    char id[64];
    int is_accepted, is_answered; /* an accepted change that cannot be written answers when freed */
    void *user;
    void (*extend)(void *user, const char *id, struct lathe_storage_op *op);
    lathe_model_done_fn done;
    lathe_drop_fn drop;
};

static void change_free(void *arg)
{
    struct change *c = arg;
    struct lathe_error err = {0};
    if (c->is_accepted && !c->is_answered && c->done != NULL)
        c->done(c->user, fail(&err, LATHE_E_UNAVAILABLE, "the store takes no more writes"), NULL,
                &err);
    if (c->drop != NULL)
        c->drop(c->user);
    json_decref(c->doc);
    mem_free(c);
}

static struct change *change_new(struct models *models, lathe_model_done_fn done, void *user,
                                 lathe_drop_fn drop)
{
    struct change *c = mem_new(struct change);
    if (c == NULL) {
        if (drop != NULL)
            drop(user);
        return NULL;
    }
    c->models = models;
    c->done = done;
    c->user = user;
    c->drop = drop;
    return c;
}

static void change_answer(struct change *c, int32_t status, const struct lathe_error *err)
{
    const struct lathe_model_info *info = NULL;
    c->is_answered = 1;
    if (status == LATHE_OK && c->doc != NULL)
        info = models_get(c->models, c->id);
    if (c->done != NULL)
        c->done(c->user, status, info, err);
}

static void on_written(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct change *c = user;
    struct lathe_error err = *result->error;

    if (status == LATHE_OK && c->doc != NULL) {
        struct model *m = model_of(c->doc);
        if (m == NULL || model_show(c->models, m) != LATHE_OK)
            status = fail(&err, LATHE_E_NOMEM, "keep model %s", c->id);
    } else if (status == LATHE_OK) {
        void *old = hmap_remove(c->models->by_id, c->id);
        if (old != NULL)
            loop_retire(c->models->loop, old, model_free);
    }
    change_answer(c, status, &err);
}

/* Writes c->doc (with one more operation when asked for); c belongs to the store call from here on.
 */
static int32_t change_write(struct change *c, uint64_t expected, lathe_drop_fn drop)
{
    const struct lathe_store_service *store = c->models->store;
    struct lathe_store_call call = {sizeof call, 0, on_written, drop, c};
    struct lathe_storage_op ops[2];
    const struct lathe_storage_op *list[2] = {&ops[0], &ops[1]};
    struct lathe_storage_batch batch = {sizeof batch, 1, list};
    size_t len = 0;
    char *text = json_dup_text(c->doc, 0, &len);
    int32_t st;

    if (text == NULL) {
        if (drop != NULL)
            drop(c);
        return LATHE_E_NOMEM;
    }
    memset(ops, 0, sizeof ops);
    ops[0] = (struct lathe_storage_op){sizeof ops[0], LATHE_OP_PUT, COLLECTION, c->id,
                                       expected,      text,         len,        0};
    if (c->extend != NULL) {
        ops[1].struct_size = sizeof ops[1];
        c->extend(c->user, c->id, &ops[1]);
        batch.n_ops = 2;
    }
    st = store->apply(store, &batch, &call);
    mem_free(text);
    return st;
}

/* The id is known: write. The store drops c once for next_id; the write takes its place. */
static void on_number(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct change *c = user;
    struct lathe_error err = *result->error;

    if (status == LATHE_OK) {
        snprintf(c->id, sizeof c->id, "model_%llu", (unsigned long long)result->values[0]);
        json_object_set_new(c->doc, "id", json_string(c->id));
        c->is_accepted = 1;
        if ((status = change_write(c, LATHE_REV_NONE, change_free)) != LATHE_OK)
            log_error("model was not stored", F_STR("reason", lathe_status_name(status)));
        return; /* c belongs to the store */
    }
    change_answer(c, status, &err);
    change_free(c);
}

int32_t models_create(struct models *models, const struct model_create *create,
                      struct lathe_error *err)
{
    struct change *c = change_new(models, create->done, create->user, create->drop);
    struct lathe_store_call call = {sizeof call, 0, on_number, NULL, c};
    int64_t now = clock_wall_ms();
    int32_t st;

    if (c == NULL) {
        json_decref(create->take_doc);
        return fail(err, LATHE_E_NOMEM, "make a model");
    }
    c->doc = create->take_doc;
    c->extend = create->extend;
    json_object_set_new(c->doc, "created_ms", json_integer(now));
    json_object_set_new(c->doc, "updated_ms", json_integer(now));
    if ((st = models->store->next_id(models->store, "model", 1, &call)) != LATHE_OK) {
        change_free(c);
        return fail(err, st, "make a model: %s", lathe_status_name(st));
    }
    return LATHE_OK;
}

static json_t *object_of(const char *text, struct lathe_error *err, const char *field, int32_t *st)
{
    json_t *value = NULL;
    if (text == NULL)
        return json_object();
    if (*st == LATHE_OK &&
        ((*st = json_parse_text(text, strlen(text), NULL, &value, err)) == LATHE_OK) &&
        !json_is_object(value))
        *st = fail_field(err, LATHE_E_INVALID, field, "%s must be a JSON object", field);
    return value;
}

static const char *text_or(const char *text, const char *def)
{
    return text != NULL ? text : def;
}

int32_t models_create_info(struct models *models, const struct lathe_model_info *info,
                           lathe_model_done_fn done, void *user, lathe_drop_fn drop,
                           struct lathe_error *err)
{
    int32_t st = LATHE_OK;
    uint64_t size = 0;
    json_t *env, *algo, *metrics, *extra, *doc;

    if (info->artifact_sha256 == NULL)
        st = fail_field(err, LATHE_E_INVALID, "artifact_sha256", "a model needs a file");
    else
        st = models->artifacts->find(models->artifacts, info->artifact_sha256, NULL, 0, &size, err);
    env = object_of(info->env_options, err, "env_options", &st);
    algo = object_of(info->algorithm_options, err, "algorithm_options", &st);
    metrics = object_of(info->metrics, err, "metrics", &st);
    extra = object_of(info->extra, err, "extra", &st);
    doc = json_pack("{s:s,s:s,s:s,s:{s:s,s:o*},s:{s:s,s:o*},s:s,s:s,s:o*,s:o*,s:I,s:I}", "owner",
                    text_or(info->owner, ""), "name", text_or(info->name, ""), "kind",
                    text_or(info->kind, "policy"), "env", "name", text_or(info->env_id, ""),
                    "options", env, "algorithm", "name", text_or(info->algorithm_id, ""), "options",
                    algo, "artifact", text_or(info->artifact_sha256, ""), "job",
                    text_or(info->job_id, ""), "metrics", metrics, "extra", extra, "size_bytes",
                    (json_int_t)size, "seed", (json_int_t)info->seed);
    if (doc == NULL && st == LATHE_OK)
        st = fail(err, LATHE_E_INVALID, "a model's text is not valid UTF-8");
    if (st != LATHE_OK) {
        json_decref(doc);
        if (drop != NULL)
            drop(user);
        return st;
    }
    return models_create(models, &(struct model_create){doc, user, NULL, done, drop}, err);
}

/* Checks the changes and applies them to a copy of the document. */
static int32_t changes_apply(json_t *doc, const struct lathe_model_info *changes,
                             struct lathe_error *err)
{
    int32_t st = LATHE_OK;
    if (changes->name != NULL &&
        (changes->name[0] == '\0' || strlen(changes->name) > NAME_MAX_BYTES))
        return fail_field(err, LATHE_E_INVALID, "name", "a name has 1 to 120 characters");
    if (changes->name != NULL && json_object_set_new(doc, "name", json_string(changes->name)) != 0)
        return fail_field(err, LATHE_E_INVALID, "name", "the name is not valid UTF-8");
    if (changes->metrics != NULL)
        json_object_set_new(doc, "metrics", object_of(changes->metrics, err, "metrics", &st));
    if (changes->extra != NULL)
        json_object_set_new(doc, "extra", object_of(changes->extra, err, "extra", &st));
    json_object_set_new(doc, "updated_ms", json_integer(clock_wall_ms()));
    return st;
}

int32_t models_update(struct models *models, const char *id, const struct lathe_model_info *changes,
                      lathe_model_done_fn done, void *user, lathe_drop_fn drop,
                      struct lathe_error *err)
{
    const struct model *m = hmap_get(models->by_id, id);
    struct change *c = change_new(models, done, user, drop);
    int32_t st;

    if (c == NULL)
        return fail(err, LATHE_E_NOMEM, "change model");
    if (m == NULL)
        st = fail(err, LATHE_E_NOT_FOUND, "there is no model %.64s", id);
    else if ((c->doc = json_deep_copy(m->doc)) == NULL)
        st = fail(err, LATHE_E_NOMEM, "change model");
    else
        st = changes_apply(c->doc, changes, err);
    if (st != LATHE_OK) {
        change_free(c);
        return st;
    }
    snprintf(c->id, sizeof c->id, "%s", m->info.id);
    if ((st = change_write(c, LATHE_REV_ANY, change_free)) != LATHE_OK)
        return fail(err, st, "change model: %s", lathe_status_name(st));
    return LATHE_OK;
}

int32_t models_remove(struct models *models, const char *id, lathe_model_done_fn done, void *user,
                      lathe_drop_fn drop, struct lathe_error *err)
{
    struct change *c = change_new(models, done, user, drop);
    struct lathe_store_call call = {sizeof call, 0, on_written, change_free, c};
    int32_t st;

    if (c == NULL)
        return fail(err, LATHE_E_NOMEM, "remove model");
    if (hmap_get(models->by_id, id) == NULL) {
        change_free(c);
        return fail(err, LATHE_E_NOT_FOUND, "there is no model %.64s", id);
    }
    snprintf(c->id, sizeof c->id, "%s", id);
    st = models->store->remove(models->store, COLLECTION, id, LATHE_REV_ANY, &call);
    return st == LATHE_OK ? LATHE_OK : fail(err, st, "remove model: %s", lathe_status_name(st));
}

/* ---- reads ---- */

const struct lathe_model_info *models_get(struct models *models, const char *id)
{
    const struct model *m = hmap_get(models->by_id, id);
    return m != NULL ? &m->info : NULL;
}

const json_t *models_doc(struct models *models, const char *id)
{
    const struct model *m = hmap_get(models->by_id, id);
    return m != NULL ? m->doc : NULL;
}

static int newest_first(const void *a, const void *b)
{
    const struct model *x = *(const struct model *const *)a, *y = *(const struct model *const *)b;
    return x->number < y->number ? 1 : x->number > y->number ? -1 : 0;
}

void models_list(struct models *models, const char *owner, lathe_model_visit_fn visit, void *user)
{
    const struct model **all = mem_zalloc(hmap_count(models->by_id) + 1, sizeof *all);
    size_t cursor = 0, n = 0;
    const char *key;
    void *value;

    while (all != NULL && hmap_next(models->by_id, &cursor, &key, &value)) {
        const struct model *m = value;
        if (owner == NULL || strcmp(m->info.owner, owner) == 0)
            all[n++] = m;
    }
    if (n > 0)
        qsort(all, n, sizeof *all, newest_first);
    for (size_t i = 0; i < n; i++)
        if (visit(user, &all[i]->info) != 0)
            break;
    mem_free(all);
}

const char *models_path(struct models *models, const char *id)
{
    const struct model *m = hmap_get(models->by_id, id);
    if (m == NULL ||
        models->artifacts->find(models->artifacts, m->info.artifact_sha256, models->path,
                                sizeof models->path, NULL, NULL) != LATHE_OK)
        return NULL;
    return models->path;
}

/* ---- life ---- */

static void load_more(struct models *models);

static void on_scanned(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct models *models = user;
    models->load_status = status;
    for (uint32_t i = 0; status == LATHE_OK && i < result->n_docs; i++) {
        json_t *doc = NULL;
        struct model *m = NULL;
        if (json_parse_text(result->docs[i]->json, result->docs[i]->json_len, NULL, &doc, NULL) ==
            LATHE_OK)
            m = model_of(doc);
        if (m == NULL)
            log_error("stored model is not readable", F_STR("id", result->docs[i]->id));
        else
            models->load_status = model_show(models, m);
        json_decref(doc);
    }
    if (status == LATHE_OK && result->cursor != NULL && result->cursor[0] != '\0') {
        snprintf(models->cursor, sizeof models->cursor, "%s", result->cursor);
        load_more(models);
    } else {
        models->is_loaded = 1;
    }
}

static void load_more(struct models *models)
{
    struct lathe_storage_query query = {.struct_size = sizeof query,
                                        .collection = COLLECTION,
                                        .cursor = models->cursor[0] ? models->cursor : NULL,
                                        .limit = SCAN_STEP};
    struct lathe_store_call call = {sizeof call, 0, on_scanned, NULL, models};
    int32_t st = models->store->scan(models->store, &query, &call);
    if (st != LATHE_OK) {
        models->load_status = st;
        models->is_loaded = 1;
    }
}

static int32_t models_load(struct models *models, struct lathe_error *err)
{
    static const struct lathe_storage_index artifact = {
        sizeof artifact, LATHE_INDEX_STRING | LATHE_INDEX_ARTIFACT, "artifact"};
    static const struct lathe_storage_index *const indexes[] = {&artifact, NULL};
    static const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION,
                                                               indexes};
    int32_t st = models->store->declare(models->store, &collection, NULL);
    if (st != LATHE_OK)
        return fail(err, st, "declare collection %s", COLLECTION);
    load_more(models);
    if (!loop_run_until(models->loop, &models->is_loaded, LOAD_MS))
        return fail(err, LATHE_E_TIMEOUT, "reading the models took too long");
    return models->load_status == LATHE_OK ? LATHE_OK
                                           : fail(err, models->load_status, "read the models: %s",
                                                  lathe_status_name(models->load_status));
}

int32_t models_open(const struct models_config *cfg, struct models **out, struct lathe_error *err)
{
    struct models *models = mem_new(struct models);
    int32_t st;

    if (models == NULL || (models->by_id = hmap_new()) == NULL) {
        mem_free(models);
        return fail(err, LATHE_E_NOMEM, "open model registry");
    }
    models->loop = cfg->loop;
    models->store = cfg->store;
    models->artifacts = cfg->artifacts;
    if ((st = models_load(models, err)) != LATHE_OK) {
        models_close(models);
        return st;
    }
    *out = models;
    return LATHE_OK;
}

void models_close(struct models *models)
{
    if (models == NULL)
        return;
    hmap_free(models->by_id, model_free);
    mem_free(models);
}
