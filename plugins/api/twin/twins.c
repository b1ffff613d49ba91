/* Twins: list, create, read, change, delete. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/define.h"

/* ---- the list ---- */

#define TERMS_MAX 32

struct listing {
    struct tw *tw;
    const char *types, *states, *health, *sort;
    char *terms[TERMS_MAX];
    size_t n_terms, n;
    int64_t since_us;
    struct sorted {
        struct twin *t;
        const struct listing *of;
    } * rows;
};

/* Texts of a value: itself, or everything below it. Not deeper than metadata may be. */
static void add_texts(const struct lathe_json_service *j, const struct lathe_json *value,
                      struct text *out)
{
    const struct lathe_json *stack[256];
    const void *at;
    struct lathe_json *child;
    size_t n = 0;
    uint32_t i;

    stack[n++] = value;
    while (n) {
        value = stack[--n];
        if (j->type(value) == LATHE_JSON_STRING) {
            text_adds(out, "\n");
            fold(j->as_string(value, "", NULL), out);
        }
        for (i = 0; j->type(value) == LATHE_JSON_ARRAY && i < j->count(value) && n < 256; i++)
            stack[n++] = j->at(value, i);
        if (j->type(value) == LATHE_JSON_OBJECT)
            for (at = NULL; n < 256 && (at = j->next(value, at, NULL, &child)) != NULL;)
                stack[n++] = child;
    }
}

static int matches_search(const struct listing *l, const struct twin *t)
{
    const struct lathe_json_service *j = l->tw->kit.json;
    struct text hay = {0};
    size_t i;

    if (!l->n_terms)
        return 1;
    fold(t->id, &hay);
    add_texts(j, j->get(t->doc, "name"), &hay);
    add_texts(j, j->get(t->doc, "description"), &hay);
    add_texts(j, j->get(t->doc, "metadata"), &hay);
    for (i = 0; i < l->n_terms && strstr(text_get(&hay), l->terms[i]); i++)
        ;
    text_fini(&hay);
    return i == l->n_terms;
}

static int is_listed(const struct listing *l, struct twin *t)
{
    const struct lathe_json_service *j = l->tw->kit.json;

    return (!l->types || list_has(l->types, j->get_string(t->doc, "type", ""))) &&
           (!l->states || list_has(l->states, j->get_string(t->doc, "status", ""))) &&
           (!l->health || list_has(l->health, twin_health(l->tw, t, NULL))) &&
           j->get_int(t->doc, "updated_us", 0) >= l->since_us && matches_search(l, t);
}

static int by_text(const char *a, const char *b)
{
    struct text fa = {0}, fb = {0};
    int order;

    fold(a, &fa);
    fold(b, &fb);
    order = strcmp(text_get(&fa), text_get(&fb));
    text_fini(&fa);
    text_fini(&fb);
    return order ? order : strcmp(a, b);
}

static int by_field(const struct listing *l, const char *field, const struct twin *a,
                    const struct twin *b)
{
    const struct lathe_json_service *j = l->tw->kit.json;
    int64_t na = 0, nb = 0;
    const char *stored = !strcmp(field, "created_at")   ? "created_us"
                         : !strcmp(field, "updated_at") ? "updated_us"
                                                        : NULL;

    if (!strcmp(field, "id"))
        return strcmp(a->id, b->id);
    if (!strcmp(field, "name"))
        return by_text(j->get_string(a->doc, field, ""), j->get_string(b->doc, field, ""));
    if (!strcmp(field, "type") || !strcmp(field, "status"))
        return strcmp(j->get_string(a->doc, field, ""), j->get_string(b->doc, field, ""));
    if (stored) {
        na = j->get_int(a->doc, stored, 0);
        nb = j->get_int(b->doc, stored, 0);
    } else if (!strcmp(field, "sensor_count")) {
        na = a->n_sensors;
        nb = b->n_sensors;
    } else {
        na = j->count(j->get(a->doc, "actuators"));
        nb = j->count(j->get(b->doc, "actuators"));
    }
    return na < nb ? -1 : na > nb;
}

static int by_sort(const void *x, const void *y)
{
    const struct sorted *a = x, *b = y;
    const char *at = a->of->sort;
    char field[24];
    int order, is_down;
    size_t len;

    while (*at) {
        is_down = *at == '-';
        at += is_down;
        len = strcspn(at, ",");
        snprintf(field, sizeof field, "%.*s", (int)len, at);
        order = by_field(a->of, field, a->t, b->t);
        if (order)
            return is_down ? -order : order;
        at += len;
        at += *at == ',';
    }
    return strcmp(a->t->id, b->t->id);
}

/* Every name of a comma list must be one of the allowed; a leading minus is fine when is_sort. */
static int are_known(const char *list, const char *allowed, int is_sort)
{
    char word[40];
    size_t len;

    for (; *list; list += len + (list[len] == ',')) {
        if (is_sort && *list == '-')
            list++;
        len = strcspn(list, ",");
        if (len == 0 || len >= sizeof word)
            return 0;
        snprintf(word, sizeof word, "%.*s", (int)len, list);
        if (!list_has(allowed, word))
            return 0;
    }
    return 1;
}

int32_t bad_parameter(struct tw *tw, struct lathe_request *req, const char *name)
{
    char details[96];

    snprintf(details, sizeof details, "{\"parameter\":\"%.40s\"}", name);
    return refuse(tw, req, 400, "INVALID_PARAMETER", details, "The parameter %s is not valid",
                  name);
}

/* NULL, or the name of the parameter at fault. */
static const char *listing_read(struct listing *l, struct lathe_request *req, struct text *search)
{
    const struct lathe_http_service *http = l->tw->kit.http;
    const char *since = http->query(req, "updated_since"), *given = http->query(req, "search");
    char *save = NULL, *term;

    l->types = http->query(req, "type");
    l->states = http->query(req, "status");
    l->health = http->query(req, "health");
    l->sort = http->query(req, "sort");
    if (!l->sort || !l->sort[0])
        l->sort = "created_at";
    if (!are_known(l->sort, "id,name,type,status,created_at,updated_at,sensor_count,actuator_count",
                   1))
        return "sort";
    if (l->states && !are_known(l->states, "active,inactive,archived", 0))
        return "status";
    if (l->health && !are_known(l->health, "good,warning,critical,unknown", 0))
        return "health";
    if (since && !time_parse(since, &l->since_us))
        return "updated_since";
    if (!given)
        return NULL;
    fold(given, search);
    if (search->failed || !search->data)
        return "search";
    for (term = strtok_r(search->data, " \t", &save); term && l->n_terms < TERMS_MAX;
         term = strtok_r(NULL, " \t", &save))
        l->terms[l->n_terms++] = term;
    return NULL;
}

static int32_t send_list(struct listing *l, struct lathe_request *req)
{
    struct pages pages;
    struct text body;
    struct jw w;
    size_t i;

    pages_read(l->tw, req, &pages, 20);
    pages.total = (int64_t)l->n;
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (i = 0; i < l->n; i++)
        if (pages_has(&pages, (int64_t)i)) {
            jw_obj(&w, NULL);
            twin_write(l->tw, &w, l->rows[i].t, 0, 0);
            jw_end_obj(&w);
        }
    jw_end_arr(&w);
    jw_obj(&w, "meta");
    pages_write(&pages, &w, "pagination");
    jw_end_obj(&w);
    links_write(l->tw, req, &pages, &w);
    return data_send(l->tw, req, 200, &w);
}

int32_t op_list_twins(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct listing l = {.tw = tw};
    struct text search = {0};
    const char *wrong = listing_read(&l, req, &search);
    struct twin *t;
    int32_t st;
    size_t i;

    if (wrong) {
        text_fini(&search);
        return bad_parameter(tw, req, wrong);
    }
    if (!(l.rows = calloc(tw->twins.n + 1, sizeof *l.rows))) {
        text_fini(&search);
        return LATHE_E_NOMEM;
    }
    for (i = 0; i < tw->twins.cap; i++)
        if ((t = tw->twins.slots[i].value) != NULL && is_listed(&l, t)) {
            l.rows[l.n].t = t;
            l.rows[l.n++].of = &l;
        }
    qsort(l.rows, l.n, sizeof *l.rows, by_sort);
    st = send_list(&l, req);
    free(l.rows);
    text_fini(&search);
    return st;
}

/* ---- one twin ---- */

static int32_t bad_type(struct tw *tw, struct lathe_request *req, const char *type)
{
    struct text details = {0};
    char list[sizeof tw->set.types], *save = NULL, *word;
    struct jw w;
    int32_t st;

    snprintf(list, sizeof list, "%s", tw->set.types);
    jw_init(&w, &details);
    jw_obj(&w, NULL);
    jw_arr(&w, "allowed");
    for (word = strtok_r(list, ", ", &save); word; word = strtok_r(NULL, ", ", &save))
        jw_str(&w, NULL, word);
    jw_end_arr(&w);
    jw_end_obj(&w);
    st = refuse(tw, req, 422, "INVALID_TWIN_TYPE", details.failed ? NULL : details.data,
                "%.64s is no type of twin", type);
    text_fini(&details);
    return st;
}

/* Copies members that the body has. */
void copy_members(const struct lathe_json_service *j, struct lathe_json *to,
                  const struct lathe_json *from, const char *const *names)
{
    const struct lathe_json *value;

    for (; *names; names++)
        if ((value = j->get(from, *names)) != NULL) {
            if (j->type(value) == LATHE_JSON_NULL)
                j->remove(to, *names);
            else
                j->set(to, *names, j->copy(value));
        }
}

static int create_elements(struct tw *tw, struct lathe_request *req, struct lathe_json *doc,
                           const struct lathe_json *body, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *list = j->get(body, "sensors");
    uint32_t i;

    for (i = 0; i < j->count(list); i++)
        if (!sensor_make(tw, req, doc, j->at(list, i), st))
            return 0;
    list = j->get(body, "actuators");
    for (i = 0; i < j->count(list); i++)
        if (!actuator_make(tw, req, doc, j->at(list, i), st))
            return 0;
    return 1;
}

static struct lathe_json *new_doc(struct tw *tw, const struct lathe_json *body)
{
    static const char *const names[] = {"id",        "name",           "description",
                                        "type",      "metadata",       "stale_after",
                                        "twin_type", "implicit_rules", NULL};
    const struct lathe_json_service *j = tw->kit.json;
    struct lathe_json *doc = j->object(j);
    int64_t uid = next_uid(tw);

    copy_members(j, doc, body, names);
    if (j->get(doc, "twin_type")) {
        if (!j->get(doc, "type"))
            j->set(doc, "type", j->copy(j->get(doc, "twin_type")));
        j->remove(doc, "twin_type");
    }
    if (!j->get(doc, "type"))
        j->set_string(doc, "type", "equipment");
    if (!j->get(doc, "metadata"))
        j->set(doc, "metadata", j->object(j));
    j->set_string(doc, "status", "active");
    j->set_int(doc, "uid", uid);
    j->set_int(doc, "created_us", uid);
    j->set(doc, "sensors", j->array(j));
    j->set(doc, "actuators", j->array(j));
    j->set(doc, "rules", j->array(j));
    touch(tw, doc);
    j->set_int(doc, "updated_us", uid);
    return doc;
}

/* Metadata beyond its limits: 1 when the request was answered. */
static int bad_metadata(struct tw *tw, struct lathe_request *req, const struct lathe_json *doc,
                        int32_t *st)
{
    size_t len = 0;

    tw->kit.json->dump(tw->kit.json->get(doc, "metadata"), 0, NULL, 0, &len);
    if (len <= 32768)
        return 0;
    *st = refuse_field(tw, req, "VALIDATION_ERROR", "/metadata", "LENGTH",
                       "is larger than 32768 bytes");
    return 1;
}

static int32_t send_twin(struct tw *tw, struct lathe_request *req, struct twin *t,
                         struct change *change, int with_lists)
{
    struct jw w;

    data_open(&w, &change->body);
    jw_obj(&w, "data");
    twin_write(tw, &w, t, with_lists, 1);
    jw_end_obj(&w);
    jw_end_obj(&w);
    change->req = req;
    return twin_save(tw, t, change);
}

int32_t op_create_twin(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    struct change change = {.http_status = 201, .event = "created"};
    const char *id = j->get_string(body, "id", "");
    struct lathe_json *doc;
    struct twin *t;
    char location[300];
    int32_t st;

    if (twin_find(tw, id))
        return refuse(tw, req, 409, "TWIN_EXISTS", NULL, "There is a twin %.128s already", id);
    if ((int64_t)tw->twins.n >= tw->set.max_twins)
        return refuse(tw, req, 409, "LIMIT_EXCEEDED", NULL, "There are %lld twins already",
                      (long long)tw->twins.n);
    doc = new_doc(tw, body);
    if (!list_has(tw->set.types, j->get_string(doc, "type", ""))) {
        st = bad_type(tw, req, j->get_string(doc, "type", ""));
        j->release(doc);
        return st;
    }
    if (bad_metadata(tw, req, doc, &st) || !create_elements(tw, req, doc, body, &st)) {
        j->release(doc);
        return st;
    }
    if (!(t = twin_add(tw, doc)))
        return LATHE_E_NOMEM;
    initial_values(tw, t, body);
    snprintf(location, sizeof location, "%.140s/%s", tw->kit.http->path(req), t->id);
    tw->kit.http->add_header(req, "Location", location);
    return send_twin(tw, req, t, &change, 1);
}

int32_t op_get_twin(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const char *known = tw->kit.http->header(req, "If-None-Match");
    struct text body;
    char tag[64];
    struct twin *t;
    struct jw w;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)))
        return st;
    etag_add(tw, req, t);
    snprintf(tag, sizeof tag, "\"r%lld.t%llu\"", (long long)t->rev, (unsigned long long)t->tele);
    if (known && (strstr(known, tag) || !strcmp(known, "*")))
        return tw->kit.http->respond(req, 304, NULL, NULL, 0);
    data_open(&w, &body);
    jw_obj(&w, "data");
    twin_write(tw, &w, t, 1, 1);
    jw_end_obj(&w);
    return data_send(tw, req, 200, &w);
}

/* RFC 7396 for metadata: null removes, objects merge. Works level by level. */
static void merge(const struct lathe_json_service *j, struct lathe_json *to,
                  const struct lathe_json *patch)
{
    struct pair {
        struct lathe_json *to;
        const struct lathe_json *patch;
    } stack[128];
    struct lathe_json *value, *inner;
    size_t n = 0;
    const char *name;
    const void *at;

    stack[n++] = (struct pair){to, patch};
    while (n) {
        struct pair p = stack[--n];

        for (at = NULL; (at = j->next(p.patch, at, &name, &value)) != NULL;) {
            if (j->type(value) == LATHE_JSON_NULL) {
                j->remove(p.to, name);
                continue;
            }
            if (j->type(value) != LATHE_JSON_OBJECT || n == 128) {
                j->set(p.to, name, j->copy(value));
                continue;
            }
            inner = j->get(p.to, name);
            if (j->type(inner) != LATHE_JSON_OBJECT) {
                j->set(p.to, name, j->object(j));
                inner = j->get(p.to, name);
            }
            stack[n++] = (struct pair){inner, value};
        }
    }
}

static void patch_doc(struct tw *tw, struct lathe_request *req, struct lathe_json *doc,
                      const struct lathe_json *body)
{
    static const char *const names[] = {"name",        "description",    "type", "status",
                                        "stale_after", "implicit_rules", NULL};
    static const char *const metadata[] = {"metadata", NULL};
    const struct lathe_json_service *j = tw->kit.json;
    const char *type = tw->kit.http->header(req, "Content-Type");

    copy_members(j, doc, body, names);
    if (j->get(body, "twin_type"))
        j->set(doc, "type", j->copy(j->get(body, "twin_type")));
    if (type && strstr(type, "merge-patch") && j->get(doc, "metadata"))
        merge(j, j->get(doc, "metadata"), j->get(body, "metadata"));
    else
        copy_members(j, doc, body, metadata);
    touch(tw, doc);
}

/* What an archived twin still takes. */
static int is_only_status(const struct lathe_json_service *j, const struct lathe_json *body)
{
    return j->count(body) == 1 && j->get(body, "status");
}

int32_t op_patch_twin(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    struct change change = {.http_status = 200, .event = "updated"};
    struct lathe_json *doc;
    struct twin *t;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)) || !precondition(tw, req, t, &st))
        return st;
    if (t->is_archived && !is_only_status(j, body))
        return refuse(tw, req, 409, "TWIN_ARCHIVED", NULL, "Twin %.128s is archived", t->id);
    if (!j->count(body)) {
        change.event = NULL;
        return send_twin(tw, req, t, &change, 0);
    }
    doc = j->copy(t->doc);
    patch_doc(tw, req, doc, body);
    if (!list_has(tw->set.types, j->get_string(doc, "type", ""))) {
        st = bad_type(tw, req, j->get_string(doc, "type", ""));
        j->release(doc);
        return st;
    }
    if (bad_metadata(tw, req, doc, &st)) {
        j->release(doc);
        return st;
    }
    return twin_install(tw, t, doc) ? send_twin(tw, req, t, &change, 0) : LATHE_E_NOMEM;
}

int32_t op_delete_twin(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct twin *t;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)) || !precondition(tw, req, t, &st))
        return st;
    return twin_erase(tw, t, req);
}
