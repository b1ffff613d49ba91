/* Errors in the form that clients of FastAPI services know. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

/* Schema keyword -> error type, member of ctx, and how the sentence starts. */
struct flavour {
    const char *keyword, *type, *ctx, *message;
};

static const struct flavour flavours[] = {
    {"required", "missing", NULL, "Field required"},
    {"additionalProperties", "extra_forbidden", NULL, "Extra inputs are not permitted"},
    {"json_invalid", "json_invalid", NULL, "JSON decode error"},
    {"minimum", "greater_than_equal", "ge", "Input should be greater than or equal to "},
    {"exclusiveMinimum", "greater_than", "gt", "Input should be greater than "},
    {"maximum", "less_than_equal", "le", "Input should be less than or equal to "},
    {"exclusiveMaximum", "less_than", "lt", "Input should be less than "},
    {"maxLength", "string_too_long", "max_length", "String is too long; most characters: "},
    {"minLength", "string_too_short", "min_length", "String is too short; least characters: "},
    {"pattern", "string_pattern_mismatch", "pattern", "String should match pattern "},
    {"minItems", "too_short", "min_length", "List is too short; least items: "},
    {"maxItems", "too_long", "max_length", "List is too long; most items: "},
    {"enum", "enum", "expected", "Input should be one of "},
    {"const", "enum", "expected", "Input should be "},
    {NULL, "value_error", NULL, NULL}};

static const struct flavour *flavour_of(const char *keyword)
{
    const struct flavour *f = flavours;

    while (f->keyword && strcmp(f->keyword, keyword ? keyword : "") != 0)
        f++;
    return f;
}

/* "type" alone says which type was wanted in its limit. */
static const char *type_error(const struct lathe_violation *v, const char **message)
{
    const char *limit = v->limit_json ? v->limit_json : "";
    int is_text = v->input_json && v->input_json[0] == '"';

    if (strstr(limit, "\"integer\"")) {
        *message = is_text ? "Input should be a valid integer, unable to parse string as an integer"
                           : "Input should be a valid integer";
        return is_text ? "int_parsing" : "int_type";
    }
    if (strstr(limit, "\"number\"")) {
        *message = "Input should be a valid number";
        return "float_type";
    }
    if (strstr(limit, "\"boolean\"")) {
        *message = "Input should be a valid boolean";
        return "bool_type";
    }
    if (strstr(limit, "\"string\"")) {
        *message = "Input should be a valid string";
        return "string_type";
    }
    if (strstr(limit, "\"array\"")) {
        *message = "Input should be a valid list";
        return "list_type";
    }
    *message = "Input should be a valid dictionary";
    return "dict_type";
}

static int is_index(const char *part)
{
    return part[0] && strspn(part, "0123456789") == strlen(part) && strlen(part) < 10;
}

static const char frameworks_json[] = "[\"LangChain\",\"AutoGen\",\"CrewAI\",\"Generic\"]";

/* framework is an enumeration whatever the case, which a schema can only say as a pattern. */
static int is_framework(const struct lathe_violation *v)
{
    return v->loc[0] && v->loc[1] && !v->loc[2] && !strcmp(v->loc[1], "framework") && v->keyword &&
           !strcmp(v->keyword, "pattern");
}

static void write_violation(struct jw *w, const struct lathe_violation *v)
{
    const struct flavour *f = flavour_of(is_framework(v) ? "enum" : v->keyword);
    const char *limit = is_framework(v) ? frameworks_json : v->limit_json;
    const char *type = f->type, *message = f->message;
    const char *const *part;
    char sentence[400];

    if (v->keyword && !strcmp(v->keyword, "type"))
        type = type_error(v, &message);
    else if (f->ctx && limit)
        snprintf(sentence, sizeof sentence, "%s%.300s", f->message, limit), message = sentence;
    else if (!message)
        message = v->message ? v->message : "Value error";
    jw_obj(w, NULL);
    jw_str(w, "type", type);
    jw_arr(w, "loc");
    for (part = v->loc; part && *part; part++)
        if (part != v->loc && is_index(*part))
            jw_int(w, NULL, strtol(*part, NULL, 10));
        else
            jw_str(w, NULL, *part);
    jw_end_arr(w);
    jw_str(w, "msg", message);
    if (v->input_json)
        jw_raw(w, "input", v->input_json);
    if (f->ctx && limit) {
        jw_obj(w, "ctx");
        jw_raw(w, f->ctx, limit);
        jw_end_obj(w);
    }
    jw_end_obj(w);
}

/* Members of a JSON object's text, put behind what w has already. */
static void write_extra(const struct api_kit *kit, struct jw *w, const char *extra_json)
{
    struct lathe_json *extra = api_parse(kit, extra_json), *value;
    const void *at = NULL;
    const char *name;
    char *text;

    while (extra && (at = kit->json->next(extra, at, &name, &value)) != NULL) {
        text = kit->json->dup_text(value, 0, NULL);
        jw_raw(w, name, text);
        kit->json->free_text(text);
    }
    kit->json->release(extra);
}

int32_t gym_render_error(void *self, struct lathe_request *req, const struct lathe_problem *problem)
{
    const struct api_kit *kit = &((struct gym *)self)->kit;
    const struct lathe_violation *const *v = problem->violations;
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    if (v && v[0]) {
        jw_arr(&w, "detail");
        for (; *v; v++)
            write_violation(&w, *v);
        jw_end_arr(&w);
    } else if (problem->http_status == 404 &&
               (!problem->code || !strcmp(problem->code, "not_found"))) {
        jw_str(&w, "detail", "Not Found");
    } else {
        jw_str(&w, "detail", problem->text && problem->text[0] ? problem->text : "Error");
    }
    jw_str(&w, "code", problem->code ? problem->code : "error");
    if (problem->extra_json)
        write_extra(kit, &w, problem->extra_json);
    jw_str(&w, "request_id", kit->http->request_id(req));
    jw_end_obj(&w);
    return api_send(kit, req, problem->http_status, &body);
}

int32_t gym_not_found(const struct api_kit *kit, struct lathe_request *req, const char *code)
{
    static const char *const texts[][2] = {{"scenario_not_found", "Scenario not found"},
                                           {"session_not_found", "Training session not found"},
                                           {"model_not_found", "Model not found"},
                                           {"env_not_found", "Environment not found"},
                                           {"checkpoint_not_found", "Checkpoint not found"}};
    size_t i;

    for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!strcmp(texts[i][0], code))
            return api_problem(kit, req, 404, code, "%s", texts[i][1]);
    return api_problem(kit, req, 404, code, "Not Found");
}

int32_t gym_invalid(const struct api_kit *kit, struct lathe_request *req, const char *keyword,
                    const char *path, const char *message, const char *input_json,
                    const char *limit_json)
{
    struct lathe_violation v = {sizeof v, 0, keyword, NULL, message, input_json, limit_json};
    const struct lathe_violation *list[] = {&v, NULL};
    struct lathe_problem problem = {sizeof problem, 0,    422,  0,   "validation_error",
                                    message,        NULL, NULL, list};
    const char *loc[12] = {NULL};
    char copy[256], *save = NULL, *part;
    size_t n = 0;
    int32_t st;

    snprintf(copy, sizeof copy, "%s", path);
    for (part = strtok_r(copy, ".[]", &save); part && n < 11; part = strtok_r(NULL, ".[]", &save))
        loc[n++] = part;
    v.loc = loc;
    st = kit->http->respond_problem(req, &problem);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

int32_t gym_failed(const struct api_kit *kit, struct lathe_request *req, int32_t status,
                   const struct lathe_error *err, const char *prefix)
{
    char path[256];
    int32_t st;

    if (status == LATHE_E_INVALID && err && err->field[0]) {
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", err->field);
        return gym_invalid(kit, req, "value", path, err->text, NULL, NULL);
    }
    st = kit->http->respond_error(req, status, NULL, err);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}
