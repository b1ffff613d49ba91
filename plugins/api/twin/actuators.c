/* Actuators, and the commands they get. Without a connector a command is applied at once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/define.h"

#define COMMANDS "commands"

static const char *const definition[] = {"name",     "description",     "min_value", "max_value",
                                         "max_rate", "command_timeout", NULL};

static int is_number(const struct lathe_json_service *j, const struct lathe_json *value)
{
    uint32_t type = j->type(value);

    return type == LATHE_JSON_INT || type == LATHE_JSON_FLOAT;
}

static int is_binary(const struct lathe_json_service *j, const struct lathe_json *a)
{
    return !strcmp(j->get_string(a, "type", ""), "binary");
}

int actuator_state(const struct lathe_json_service *j, const struct lathe_json *a,
                   const struct lathe_json *value, double *out)
{
    if (j->type(value) == LATHE_JSON_BOOL) {
        *out = j->as_bool(value, 0);
        return is_binary(j, a);
    }
    *out = j->as_float(value, 0);
    return is_number(j, value) && (!is_binary(j, a) || *out == 0.0 || *out == 1.0);
}

int actuator_works(const struct lathe_json_service *j, const struct lathe_json *a)
{
    const char *status = j->get_string(a, "command_status", "idle");

    return strcmp(status, "failed") != 0 && strcmp(status, "timeout") != 0;
}

static void set_state(const struct lathe_json_service *j, struct lathe_json *a, const char *name,
                      double value)
{
    if (is_binary(j, a))
        j->set_bool(a, name, value != 0.0);
    else
        j->set_float(a, name, value);
}

/* Rules that a schema cannot say: 1, or 0 when the request was answered. */
static int check(struct tw *tw, struct lathe_request *req, const struct lathe_json *a, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *min = j->get(a, "min_value"), *max = j->get(a, "max_value");

    if (is_number(j, min) && is_number(j, max) && j->as_float(min, 0) >= j->as_float(max, 0)) {
        *st = refuse_field(tw, req, "VALIDATION_ERROR", "/min_value", "RANGE",
                           "must be less than max_value");
        return 0;
    }
    return 1;
}

/* The state must fit type and range: 1, or 0 when the request was answered. */
static int check_state(struct tw *tw, struct lathe_request *req, const struct lathe_json *a,
                       const struct lathe_json *value, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *min = j->get(a, "min_value"), *max = j->get(a, "max_value");
    double state;

    if (!actuator_state(j, a, value, &state))
        *st = refuse_field(tw, req, "INVALID_STATE", "/current_state", "INVALID_STATE",
                           is_binary(j, a) ? "must be true, false, 0 or 1" : "must be a number");
    else if (!is_binary(j, a) && ((is_number(j, min) && state < j->as_float(min, 0)) ||
                                  (is_number(j, max) && state > j->as_float(max, 0))))
        *st = refuse_field(tw, req, "OUT_OF_RANGE", "/current_state", "RANGE",
                           "lies outside min_value and max_value");
    else
        return 1;
    return 0;
}

int actuator_make(struct tw *tw, struct lathe_request *req, struct lathe_json *doc,
                  const struct lathe_json *body, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    struct lathe_json *list = j->get(doc, "actuators"), *a;
    const struct lathe_json *state = j->get(body, "current_state");
    const char *id = j->get_string(body, "id", "");
    double value = 0;
    uint32_t i, n = j->count(list);

    for (i = 0; i < n; i++)
        if (!strcmp(j->get_string(j->at(list, i), "id", ""), id)) {
            *st = refuse(tw, req, 409, "ACTUATOR_EXISTS", NULL,
                         "There is an actuator %.128s already", id);
            return 0;
        }
    if (n >= tw->set.max_actuators) {
        *st = refuse(tw, req, 409, "LIMIT_EXCEEDED", NULL, "The twin has %u actuators already", n);
        return 0;
    }
    if (j->type(state) == LATHE_JSON_NULL)
        state = NULL;
    if (!check(tw, req, body, st) || (state && !check_state(tw, req, body, state, st)))
        return 0;
    a = j->object(j);
    j->set_string(a, "id", id);
    j->set_string(a, "type", j->get_string(body, "type", "binary"));
    j->set_int(a, "uid", next_uid(tw));
    copy_members(j, a, body, definition);
    if (state && actuator_state(j, a, state, &value)) {
        set_state(j, a, "current_state", value);
        set_state(j, a, "desired_state", value);
        j->set_int(a, "updated_us", now_us(tw));
    }
    *st = j->append(list, a);
    return *st == LATHE_OK;
}

static int32_t save_actuator(struct tw *tw, struct twin *t, const char *id, struct change *change)
{
    struct jw w;

    data_open(&w, &change->body);
    actuator_write(tw, &w, "data", element(tw, t, "actuators", id, NULL));
    jw_end_obj(&w);
    return twin_save(tw, t, change);
}

int32_t op_create_actuator(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    struct change change = {.req = req, .http_status = 201, .event = "updated"};
    struct lathe_json *doc;
    struct twin *t;
    char location[300];
    int32_t st;

    if (!(t = need_change(tw, req, &st)))
        return st;
    doc = j->copy(t->doc);
    if (!actuator_make(tw, req, doc, body, &st)) {
        j->release(doc);
        return st;
    }
    touch(tw, doc);
    if (!twin_install(tw, t, doc))
        return LATHE_E_NOMEM;
    snprintf(location, sizeof location, "%.160s/%s", tw->kit.http->path(req),
             j->get_string(body, "id", ""));
    tw->kit.http->add_header(req, "Location", location);
    return save_actuator(tw, t, j->get_string(body, "id", ""), &change);
}

/* The actuator of the path in t, or NULL when the request was answered. */
static struct lathe_json *need_actuator(struct tw *tw, struct lathe_request *req, struct twin *t,
                                        uint32_t *index, int32_t *st)
{
    const char *id = tw->kit.http->path_param(req, "actuator_id");
    struct lathe_json *a = t ? element(tw, t, "actuators", id, index) : NULL;

    if (t && !a)
        *st = refuse(tw, req, 404, "ACTUATOR_NOT_FOUND", NULL, "Twin %.128s has no actuator %.64s",
                     t->id, id ? id : "");
    return a;
}

int32_t op_get_actuator(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct lathe_json *a;
    struct text body;
    struct twin *t;
    struct jw w;
    int32_t st = LATHE_OK;

    t = need_twin(tw, req, &st);
    if (!(a = need_actuator(tw, req, t, NULL, &st)))
        return st;
    etag_add(tw, req, t);
    data_open(&w, &body);
    actuator_write(tw, &w, "data", a);
    return data_send(tw, req, 200, &w);
}

int32_t op_list_actuators(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *list;
    struct pages pages;
    struct text body;
    struct twin *t;
    struct jw w;
    uint32_t i;
    int32_t st;

    if (!(t = need_twin(tw, req, &st)))
        return st;
    list = j->get(t->doc, "actuators");
    pages_read(tw, req, &pages, 20);
    pages.total = j->count(list);
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (i = 0; i < j->count(list); i++)
        if (pages_has(&pages, i))
            actuator_write(tw, &w, NULL, j->at(list, i));
    jw_end_arr(&w);
    jw_obj(&w, "meta");
    pages_write(&pages, &w, "pagination");
    jw_end_obj(&w);
    links_write(tw, req, &pages, &w);
    return data_send(tw, req, 200, &w);
}

/* ---- commands ---- */

static void write_command_state(const struct lathe_json_service *j, const struct lathe_json *a,
                                struct jw *w, const char *name, const struct lathe_json *value)
{
    if (!value || j->type(value) == LATHE_JSON_NULL)
        jw_null(w, name);
    else if (is_binary(j, a))
        jw_bool(w, name,
                j->type(value) == LATHE_JSON_BOOL ? j->as_bool(value, 0)
                                                  : j->as_float(value, 0) != 0.0);
    else
        jw_num(w, name, j->as_float(value, 0));
}

/* The record of a command that was applied at once. */
static void write_command(struct tw *tw, struct text *out, const struct lathe_json *a,
                          const struct lathe_json *requested)
{
    const struct lathe_json_service *j = tw->kit.json;
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_int(&w, "actuator", j->get_int(a, "uid", 0));
    jw_uint(&w, "n", tw->last_command);
    write_command_state(j, a, &w, "requested", requested);
    write_command_state(j, a, &w, "previous", j->get(a, "current_state"));
    jw_str(&w, "status", "applied");
    jw_int(&w, "at_us", now_us(tw));
    jw_str(&w, "source", "api");
    jw_end_obj(&w);
}

/* Not faster than max_rate allows: 1, or 0 when the request was answered. */
static int check_rate(struct tw *tw, struct lathe_request *req, const struct lathe_json *a,
                      double wanted, int32_t *st)
{
    const struct lathe_json_service *j = tw->kit.json;
    double seconds = (double)(now_us(tw) - j->get_int(a, "updated_us", 0)) / 1e6;
    double delta = fabs(wanted - j->get_float(a, "current_state", wanted));

    if (is_binary(j, a) || !is_number(j, j->get(a, "max_rate")) ||
        delta <= j->get_float(a, "max_rate", 0) * seconds)
        return 1;
    *st = refuse_field(tw, req, "RATE_TOO_HIGH", "/current_state", "RATE",
                       "changes faster than max_rate");
    return 0;
}

static int may_command(struct tw *tw, struct lathe_request *req, const struct twin *t,
                       const struct lathe_json *a, int32_t *st)
{
    const struct lathe_json *state =
        tw->kit.json->get(tw->kit.http->body_json(req), "current_state");
    double value = 0;

    if (!has_scope(tw, req, "twins:command", st))
        return 0;
    if (t->is_inactive) {
        *st = refuse(tw, req, 409, "TWIN_INACTIVE", NULL, "Twin %.128s is not active", t->id);
        return 0;
    }
    if (!check_state(tw, req, a, state, st))
        return 0;
    actuator_state(tw->kit.json, a, state, &value);
    return check_rate(tw, req, a, value, st);
}

static void publish_command(struct tw *tw, const struct twin *t, const struct lathe_json *a)
{
    struct text event = {0};
    struct jw w;

    jw_init(&w, &event);
    jw_obj(&w, NULL);
    jw_str(&w, "twin_id", t->id);
    jw_str(&w, "actuator_id", tw->kit.json->get_string(a, "id", ""));
    write_command_state(tw->kit.json, a, &w, "current_state",
                        tw->kit.json->get(a, "current_state"));
    jw_str(&w, "command_status", "applied");
    jw_end_obj(&w);
    publish(tw, "actuator", &event);
}

/* Definition first, then the state, in one write together with the record. */
static int32_t patch(struct tw *tw, struct lathe_request *req, struct twin *t,
                     struct lathe_json *doc, struct lathe_json *a)
{
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *state = j->get(tw->kit.http->body_json(req), "current_state");
    struct change change = {.req = req, .http_status = 200, .event = state ? NULL : "updated"};
    struct text record = {0};
    char number[32], id[132];
    double value = 0;
    int32_t st;

    snprintf(id, sizeof id, "%s", j->get_string(a, "id", ""));
    if (state) {
        tw->last_command++;
        snprintf(number, sizeof number, "cmd-%llu", (unsigned long long)tw->last_command);
        write_command(tw, &record, a, state);
        actuator_state(j, a, state, &value);
        set_state(j, a, "current_state", value);
        set_state(j, a, "desired_state", value);
        j->set_string(a, "command_status", "applied");
        j->set_int(a, "updated_us", now_us(tw));
        change.extra_collection = COMMANDS;
        change.extra_id = number;
        change.extra_json = record.failed ? NULL : record.data;
        publish_command(tw, t, a);
    }
    st = twin_install(tw, t, doc) ? save_actuator(tw, t, id, &change) : LATHE_E_NOMEM;
    text_fini(&record);
    return st;
}

int32_t op_patch_actuator(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    const struct lathe_json *body = tw->kit.http->body_json(req);
    int has_state = j->get(body, "current_state") != NULL;
    struct lathe_json *doc, *a;
    const char *type;
    uint32_t index = 0;
    struct twin *t;
    int32_t st = LATHE_OK;

    t = need_change(tw, req, &st);
    if (!(a = need_actuator(tw, req, t, &index, &st)))
        return st;
    type = j->get_string(body, "type", NULL);
    if (type && strcmp(type, j->get_string(a, "type", "")) != 0)
        return refuse_field(tw, req, "IMMUTABLE_FIELD", "/type", "IMMUTABLE", "never changes");
    if ((!has_state || j->count(body) > 1) && !has_scope(tw, req, "twins:write", &st))
        return st;
    if (!j->count(body))
        return op_get_actuator(self, req);
    doc = j->copy(t->doc);
    a = j->at(j->get(doc, "actuators"), index);
    copy_members(j, a, body, definition);
    if (!check(tw, req, a, &st) || (has_state && !may_command(tw, req, t, a, &st))) {
        j->release(doc);
        return st;
    }
    if (!has_state || j->count(body) > 1)
        touch(tw, doc);
    return patch(tw, req, t, doc, a);
}

int32_t op_delete_actuator(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    const struct lathe_json_service *j = tw->kit.json;
    struct change change = {.req = req, .http_status = 204, .event = "updated"};
    struct lathe_json *doc, *kept, *list;
    uint32_t index = 0, i;
    struct twin *t;
    int32_t st = LATHE_OK;

    t = need_change(tw, req, &st);
    if (!need_actuator(tw, req, t, &index, &st))
        return st;
    doc = j->copy(t->doc);
    list = j->get(doc, "actuators");
    kept = j->array(j);
    for (i = 0; i < j->count(list); i++)
        if (i != index)
            j->append(kept, j->copy(j->at(list, i)));
    j->set(doc, "actuators", kept);
    touch(tw, doc);
    return twin_install(tw, t, doc) ? twin_save(tw, t, &change) : LATHE_E_NOMEM;
}

static void write_record(struct tw *tw, struct jw *w, const struct lathe_storage_doc *doc)
{
    const struct lathe_json_service *j = tw->kit.json;
    struct lathe_json *c = api_parse(&tw->kit, doc->json);
    char *requested = j->dup_text(j->get(c, "requested"), 0, NULL);
    char *previous = j->dup_text(j->get(c, "previous"), 0, NULL);

    jw_obj(w, NULL);
    jw_str(w, "id", doc->id);
    jw_raw(w, "requested", requested);
    jw_raw(w, "previous", previous);
    jw_str(w, "status", j->get_string(c, "status", ""));
    jw_null(w, "ack");
    jw_us(w, "requested_at", j->get_int(c, "at_us", 0));
    jw_us(w, "finished_at", j->get_int(c, "at_us", 0));
    jw_str(w, "source", j->get_string(c, "source", ""));
    jw_null(w, "error");
    jw_end_obj(w);
    j->free_text(requested);
    j->free_text(previous);
    j->release(c);
}

static void on_commands(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct api_park *park = user;
    struct tw *tw = park->self;
    struct pages pages;
    struct text body;
    struct jw w;
    uint32_t i;

    if (status != LATHE_OK) {
        refuse(tw, park->req, 503, "UNAVAILABLE", NULL, "The commands could not be read");
        return;
    }
    pages_read(tw, park->req, &pages, 20);
    pages.total = (int64_t)result->total;
    data_open(&w, &body);
    jw_arr(&w, "data");
    for (i = 0; i < result->n_docs; i++)
        write_record(tw, &w, result->docs[i]);
    jw_end_arr(&w);
    jw_obj(&w, "meta");
    pages_write(&pages, &w, "pagination");
    jw_end_obj(&w);
    links_write(tw, park->req, &pages, &w);
    data_send(tw, park->req, 200, &w);
}

int32_t op_commands(void *self, struct lathe_request *req)
{
    struct tw *tw = self;
    struct lathe_storage_value uid = {sizeof uid, LATHE_INDEX_NUMBER, NULL, 0};
    struct lathe_storage_filter filter = {sizeof filter, 0, "actuator", &uid};
    const struct lathe_storage_filter *const filters[] = {&filter, NULL};
    struct lathe_storage_query query = {.struct_size = sizeof query,
                                        .flags = LATHE_SCAN_DESC | LATHE_SCAN_COUNT,
                                        .collection = COMMANDS,
                                        .index = "n",
                                        .filters = filters};
    struct lathe_store_call call = {sizeof call, 0, on_commands, api_park_drop, NULL};
    struct lathe_json *a;
    struct pages pages;
    struct twin *t;
    int32_t st = LATHE_OK;

    t = need_twin(tw, req, &st);
    if (!(a = need_actuator(tw, req, t, NULL, &st)))
        return st;
    uid.num = (double)tw->kit.json->get_int(a, "uid", 0);
    pages_read(tw, req, &pages, 20);
    query.limit = (uint32_t)pages.per_page;
    query.offset = pages.page - 1 > UINT32_MAX / pages.per_page
                       ? UINT32_MAX
                       : (uint32_t)((pages.page - 1) * pages.per_page);
    if (!(call.user = api_park_new(&tw->kit, self, req, NULL)))
        return LATHE_E_NOMEM;
    return tw->kit.store->scan(tw->kit.store, &query, &call);
}
