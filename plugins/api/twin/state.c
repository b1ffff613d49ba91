/* Twins in memory and their way to the store. A change is installed at once, so that the next
 * request builds on it, and answered when it is durable; when the store refuses it, the twin is
 * read again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/twin.h"

#define COLLECTION "twins"

/* ---- finding ---- */

struct twin *twin_find(const struct tw *tw, const char *id)
{
    return id ? map_get(&tw->twins, id) : NULL;
}

struct twin *need_twin(struct tw *tw, struct lathe_request *req, int32_t *st)
{
    const char *id = tw->kit.http->path_param(req, "twin_id");
    struct twin *t = twin_find(tw, id);

    if (!t)
        *st = refuse(tw, req, 404, "TWIN_NOT_FOUND", NULL, "There is no twin %.128s", id ? id : "");
    return t;
}

/* "r12" or the whole tag, quoted or not, one of a list; only r counts. */
static int matches(const char *given, int64_t rev)
{
    char wanted[32];
    size_t len = (size_t)snprintf(wanted, sizeof wanted, "r%lld", (long long)rev);

    while (*given) {
        given += strspn(given, " ,\"");
        if (!strncmp(given, "W/\"", 3))
            given += 3;
        if (*given == '*')
            return 1;
        if (!strncmp(given, wanted, len) && (given[len] == '\0' || strchr("\". ,", given[len])))
            return 1;
        given += strcspn(given, ",");
    }
    return 0;
}

int precondition(struct tw *tw, struct lathe_request *req, const struct twin *t, int32_t *st)
{
    const char *given = tw->kit.http->header(req, "If-Match");

    if (!given && tw->set.require_if_match)
        *st = refuse(tw, req, 428, "PRECONDITION_REQUIRED", NULL, "If-Match is missing");
    else if (given && !matches(given, t->rev))
        *st = refuse(tw, req, 412, "PRECONDITION_FAILED", NULL,
                     "The twin is at revision r%lld, not %.40s", (long long)t->rev, given);
    else
        return 1;
    return 0;
}

struct twin *need_change(struct tw *tw, struct lathe_request *req, int32_t *st)
{
    struct twin *t = need_twin(tw, req, st);

    if (!t || !precondition(tw, req, t, st))
        return NULL;
    if (t->is_archived) {
        *st = refuse(tw, req, 409, "TWIN_ARCHIVED", NULL, "Twin %.128s is archived", t->id);
        return NULL;
    }
    return t;
}

int32_t has_scope(struct tw *tw, struct lathe_request *req, const char *scope, int32_t *st)
{
    if (tw->kit.http->has_scope(req, scope))
        return 1;
    *st = refuse(tw, req, 403, "FORBIDDEN", NULL, "This needs the scope %s", scope);
    return 0;
}

struct sensor *sensor_find(struct twin *t, const char *id)
{
    uint32_t i, at;

    for (i = 0; id && i < t->n_sensors; i++) {
        at = (t->hint + i) % t->n_sensors;
        if (!strcmp(t->sensors[at].id, id)) {
            t->hint = at + 1;
            return &t->sensors[at];
        }
    }
    return NULL;
}

struct lathe_json *element(const struct tw *tw, const struct twin *t, const char *list,
                           const char *id, uint32_t *index)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *array = j->get(t->doc, list);
    uint32_t i, n = j->count(array);

    for (i = 0; id && i < n; i++)
        if (!strcmp(j->get_string(j->at(array, i), "id", ""), id)) {
            if (index)
                *index = i;
            return j->at(array, i);
        }
    return NULL;
}

int64_t next_uid(struct tw *tw)
{
    int64_t now = now_us(tw);

    tw->last_uid = now > tw->last_uid ? now : tw->last_uid + 1;
    return tw->last_uid;
}

/* ---- from the document to the runtime ---- */

static struct bound bound_of(const struct lathe_json_service *j, const struct lathe_json *o,
                             const char *name)
{
    struct bound b = {0};
    uint32_t type = j->type(j->get(o, name));

    if (type == LATHE_JSON_INT || type == LATHE_JSON_FLOAT) {
        b.is_set = 1;
        b.value = j->get_float(o, name, 0);
    }
    return b;
}

static void sensor_bind(struct tw *tw, struct twin *t, struct sensor *s,
                        const struct lathe_json *doc)
{
    const struct lathe_json_service *j = tw->kit.json;
    struct bound h = bound_of(j, doc, "hysteresis"), stale = bound_of(j, doc, "stale_after");

    s->twin = t;
    s->id = j->get_string(doc, "id", "");
    s->name = j->get_string(doc, "name", "");
    s->unit = j->get_string(doc, "unit", "");
    s->uid = j->get_int(doc, "uid", 0);
    s->min = bound_of(j, doc, "min_value");
    s->max = bound_of(j, doc, "max_value");
    s->warn_low = bound_of(j, doc, "warn_low");
    s->warn_high = bound_of(j, doc, "warn_high");
    s->hysteresis = h.is_set                         ? h.value
                    : s->min.is_set && s->max.is_set ? 0.01 * (s->max.value - s->min.value)
                                                     : 0;
    s->stale_s = stale.is_set ? stale.value : j->get_float(t->doc, "stale_after", tw->set.stale_s);
    if (s->has_point && !s->is_gap)
        s->is_out = (s->min.is_set && s->value < s->min.value) ||
                    (s->max.is_set && s->value > s->max.value);
}

static struct sensor *sensor_by_uid(struct sensor *list, uint32_t n, int64_t uid)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        if (list[i].uid == uid)
            return &list[i];
    return NULL;
}

/* The list of sensors with events due holds pointers into the old array. */
static void forget_dirty(struct tw *tw, const struct twin *t)
{
    struct sensor **at = &tw->dirty;

    while (*at)
        if ((*at)->twin == t) {
            (*at)->is_dirty = 0;
            *at = (*at)->next_dirty;
        } else {
            at = &(*at)->next_dirty;
        }
}

/* Makes sensors and rules anew from the document; what they have seen is carried over. */
static int twin_bind(struct tw *tw, struct twin *t)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *list = j->get(t->doc, "sensors");
    const char *status = j->get_string(t->doc, "status", "active");
    uint32_t n = j->count(list), i, n_old = t->n_sensors, n_old_rules = t->n_rules;
    struct sensor *fresh = calloc(n + 1, sizeof *fresh), *old = t->sensors, *same;
    struct rule *old_rules = t->rules;

    if (!fresh)
        return 0;
    forget_dirty(tw, t);
    for (i = 0; i < n; i++) {
        same = sensor_by_uid(old, n_old, j->get_int(j->at(list, i), "uid", 0));
        if (same)
            fresh[i] = *same;
        fresh[i].is_dirty = 0;
        fresh[i].rules = NULL;
        sensor_bind(tw, t, &fresh[i], j->at(list, i));
    }
    t->id = j->get_string(t->doc, "id", "");
    t->rev = j->get_int(t->doc, "rev", 1);
    t->uid = j->get_int(t->doc, "uid", 0);
    t->is_archived = !strcmp(status, "archived");
    t->is_inactive = strcmp(status, "active") != 0;
    t->sensors = fresh;
    t->n_sensors = n;
    t->hint = 0;
    rules_bind(tw, t, old_rules, n_old_rules);
    free(old);
    free(old_rules);
    return 1;
}

int twin_install(struct tw *tw, struct twin *t, struct lathe_json *take_doc)
{
    struct lathe_json *old = t->doc;

    if (!take_doc)
        return 0;
    t->doc = take_doc;
    if (!twin_bind(tw, t)) {
        t->doc = old;
        tw->kit.json->release(take_doc);
        return 0;
    }
    map_put(&tw->twins, t->id, t); /* the key lives in the document; the slot exists */
    tw->kit.json->release(old);
    return 1;
}

struct twin *twin_add(struct tw *tw, struct lathe_json *take_doc)
{
    struct twin *t = calloc(1, sizeof *t);
    const char *id = tw->kit.json->get_string(take_doc, "id", "");
    const struct alert *a;

    for (a = tw->alerts; t && a; a = a->next)
        t->n_alerts += a->is_active && !strcmp(a->twin_id, id);
    if (t)
        t->doc = take_doc;
    if (!t || !take_doc || !twin_bind(tw, t) || !map_put(&tw->twins, t->id, t)) {
        tw->kit.json->release(take_doc);
        if (t)
            free(t->sensors);
        free(t);
        return NULL;
    }
    t->tele = (uint64_t)now_us(tw);
    return t;
}

void twin_drop(struct tw *tw, struct twin *t)
{
    forget_dirty(tw, t);
    if (twin_find(tw, t->id) == t)
        map_remove(&tw->twins, t->id);
    free(t->sensors);
    free(t->rules);
    tw->kit.json->release(t->doc);
    free(t);
}

void touch(struct tw *tw, struct lathe_json *doc)
{
    tw->kit.json->set_int(doc, "updated_us", now_us(tw));
    tw->kit.json->set_int(doc, "rev", tw->kit.json->get_int(doc, "rev", 0) + 1);
}

void etag_add(const struct tw *tw, struct lathe_request *req, const struct twin *t)
{
    char tag[64];

    snprintf(tag, sizeof tag, "\"r%lld.t%llu\"", (long long)t->rev, (unsigned long long)t->tele);
    tw->kit.http->add_header(req, "ETag", tag);
}

/* ---- writing ---- */

struct saving {
    struct tw *tw;
    struct lathe_request *req;
    char id[132], event[24];
    int64_t uid;
    int32_t http_status;
    struct text body;
};

static void on_reload(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct saving *s = user;
    struct twin *t = twin_find(s->tw, s->id);
    struct lathe_json *doc;

    if (status == LATHE_OK && result->n_docs == 1) {
        doc = api_parse(&s->tw->kit, result->docs[0]->json);
        if (t)
            twin_install(s->tw, t, doc);
        else
            twin_add(s->tw, doc);
    } else if (status == LATHE_E_NOT_FOUND && t && !t->n_writes) {
        twin_drop(s->tw, t);
    }
}

static void saving_free(void *user)
{
    struct saving *s = user;

    s->tw->kit.http->release(s->req);
    text_fini(&s->body);
    free(s);
}

/* The store did not take a change: memory goes back to what it has. */
static void reload(struct saving *s)
{
    struct saving *again = calloc(1, sizeof *again);
    struct lathe_store_call call = {sizeof call, 0, on_reload, saving_free, again};

    if (!again)
        return;
    again->tw = s->tw;
    snprintf(again->id, sizeof again->id, "%s", s->id);
    s->tw->kit.store->get(s->tw->kit.store, COLLECTION, s->id, &call);
}

static int32_t refuse_stored(struct tw *tw, struct lathe_request *req, int32_t status)
{
    if (status == LATHE_E_LIMIT)
        return refuse(tw, req, 507, "STORAGE_FULL", NULL, "The storage is full");
    return refuse(tw, req, 503, "UNAVAILABLE", NULL, "The storage did not take the change: %s",
                  lathe_status_name(status));
}

static void publish_change(struct tw *tw, const struct saving *s)
{
    struct text event = {0};
    struct jw w;

    jw_init(&w, &event);
    jw_obj(&w, NULL);
    jw_str(&w, "twin_id", s->id);
    jw_str(&w, "change", s->event);
    jw_end_obj(&w);
    publish(tw, "twin", &event);
}

static void on_saved(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct saving *s = user;
    struct tw *tw = s->tw;
    struct twin *t = twin_find(tw, s->id);

    (void)result;
    if (t && t->uid == s->uid && t->n_writes)
        t->n_writes--;
    if (status != LATHE_OK) {
        if (!t || !t->n_writes)
            reload(s);
        if (s->req)
            refuse_stored(tw, s->req, status);
        return;
    }
    if (s->event[0])
        publish_change(tw, s);
    if (!s->req)
        return;
    if (t)
        etag_add(tw, s->req, t);
    if (s->http_status == 204) {
        tw->kit.http->respond(s->req, 204, NULL, NULL, 0);
        return;
    }
    answer(tw, s->req, s->http_status, &s->body);
}

static struct saving *saving_new(struct tw *tw, const struct twin *t, struct lathe_request *req)
{
    struct saving *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->tw = tw;
    s->uid = t->uid;
    s->req = req ? tw->kit.http->acquire(req) : NULL;
    snprintf(s->id, sizeof s->id, "%s", t->id);
    return s;
}

int32_t twin_save(struct tw *tw, struct twin *t, struct change *change)
{
    struct saving *s = saving_new(tw, t, change->req);
    char *json = tw->kit.json->dup_text(t->doc, 0, NULL);
    struct lathe_storage_op ops[2] = {
        {sizeof ops[0], LATHE_OP_PUT, COLLECTION, t->id, LATHE_REV_ANY, json, 0, 0},
        {sizeof ops[0], LATHE_OP_PUT, change->extra_collection, change->extra_id, LATHE_REV_ANY,
         change->extra_json, 0, 0}};
    const struct lathe_storage_op *const list[] = {&ops[0], &ops[1]};
    const struct lathe_storage_batch batch = {sizeof batch, change->extra_json ? 2 : 1, list};
    struct lathe_store_call call = {sizeof call, 0, on_saved, saving_free, s};
    int32_t st = LATHE_E_NOMEM;

    if (s && json && !change->body.failed) {
        s->http_status = change->http_status;
        s->body = change->body;
        memset(&change->body, 0, sizeof change->body);
        snprintf(s->event, sizeof s->event, "%s", change->event ? change->event : "");
        t->n_writes++;
        st = tw->kit.store->apply(tw->kit.store, &batch, &call);
        if (st != LATHE_OK && t->n_writes)
            t->n_writes--;
    } else if (s) {
        saving_free(s);
    }
    text_fini(&change->body);
    tw->kit.json->free_text(json);
    return st;
}

int32_t twin_erase(struct tw *tw, struct twin *t, struct lathe_request *req)
{
    struct saving *s = saving_new(tw, t, req);
    struct lathe_store_call call = {sizeof call, 0, on_saved, saving_free, s};
    char id[132];
    uint32_t i;
    int32_t st;

    if (!s)
        return LATHE_E_NOMEM;
    s->http_status = 204;
    snprintf(s->event, sizeof s->event, "deleted");
    snprintf(id, sizeof id, "%s", t->id);
    st = tw->kit.store->remove(tw->kit.store, COLLECTION, id, LATHE_REV_ANY, &call);
    if (st != LATHE_OK)
        return st;
    for (i = 0; i < t->n_sensors; i++)
        tele_forget(tw, t->sensors[i].uid);
    alerts_drop_twin(tw, id, NULL);
    twin_drop(tw, t);
    return LATHE_OK;
}

/* ---- the start ---- */

static void on_scan(void *user, int32_t status, const struct lathe_store_result *result);

static int32_t scan_from(struct tw *tw, const char *cursor)
{
    const struct lathe_storage_query query = {
        .struct_size = sizeof query, .collection = COLLECTION, .cursor = cursor, .limit = 1000};
    const struct lathe_store_call call = {sizeof call, 0, on_scan, NULL, tw};

    return tw->kit.store->scan(tw->kit.store, &query, &call);
}

static void on_scan(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct tw *tw = user;
    struct twin *t;
    uint32_t i, k;

    for (i = 0; status == LATHE_OK && i < result->n_docs; i++) {
        if (!(t = twin_add(tw, api_parse(&tw->kit, result->docs[i]->json))))
            continue;
        if (t->uid > tw->last_uid)
            tw->last_uid = t->uid;
        for (k = 0; k < t->n_sensors; k++) {
            if (t->sensors[k].uid > tw->last_uid)
                tw->last_uid = t->sensors[k].uid;
            tele_restore(tw, &t->sensors[k]);
        }
    }
    if (status == LATHE_OK && result->cursor && result->cursor[0] &&
        scan_from(tw, result->cursor) == LATHE_OK)
        return;
    tw->loading--;
}

int32_t state_open(struct tw *tw, struct lathe_error *err)
{
    const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION, NULL};
    int32_t st;

    if ((st = tw->kit.store->declare(tw->kit.store, &collection, NULL)) != LATHE_OK ||
        (st = scan_from(tw, NULL)) != LATHE_OK)
        return api_fail(err, st, "", "reading the stored twins failed");
    tw->loading++;
    return LATHE_OK;
}

void state_close(struct tw *tw)
{
    size_t i = 0;

    while (i < tw->twins.cap)
        if (tw->twins.slots[i].key)
            twin_drop(tw, tw->twins.slots[i].value); /* moves others into the hole */
        else
            i++;
    map_fini(&tw->twins);
}
