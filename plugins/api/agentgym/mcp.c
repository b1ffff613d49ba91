/* Model Context Protocol over HTTP, without sessions: a client with any agent framework can load a
 * trained policy as a tool. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/version.h"
#include "plugins/api/agentgym/gym.h"

#define LATEST "2025-06-18"
#define INVALID_REQUEST (-32600)
#define NO_METHOD (-32601)
#define BAD_PARAMS (-32602)
#define FAILED (-32603)

/* The id of a request as JSON text; free_text. */
static char *rpc_id(struct gym *gym, const struct lathe_json *rpc)
{
    const struct lathe_json *id = gym->kit.json->get(rpc, "id");

    return id ? gym->kit.json->dup_text(id, 0, NULL) : NULL;
}

static void open_reply(struct jw *w, struct text *out, const char *id)
{
    jw_init(w, out);
    jw_obj(w, NULL);
    jw_str(w, "jsonrpc", "2.0");
    jw_raw(w, "id", id);
}

static int32_t rpc_error(struct gym *gym, struct lathe_request *req, const char *id, int code,
                         const char *message)
{
    struct text out = {0};
    struct jw w;

    open_reply(&w, &out, id);
    jw_obj(&w, "error");
    jw_int(&w, "code", code);
    jw_str(&w, "message", message);
    jw_end_obj(&w);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &out);
}

static int32_t initialize(struct gym *gym, struct lathe_request *req, const char *id,
                          const struct lathe_json *params)
{
    static const char *const known[] = {"2025-03-26", LATEST, NULL};
    const char *asked = gym->kit.json->get_string(params, "protocolVersion", LATEST);
    const char *const *v = known, *version = LATEST;
    struct text out = {0};
    struct jw w;

    for (; *v; v++)
        if (!strcmp(*v, asked))
            version = *v;
    open_reply(&w, &out, id);
    jw_obj(&w, "result");
    jw_str(&w, "protocolVersion", version);
    jw_raw(&w, "capabilities", "{\"tools\":{\"listChanged\":false}}");
    jw_obj(&w, "serverInfo");
    jw_str(&w, "name", "agentgym");
    jw_str(&w, "version", LATHE_VERSION_STRING);
    jw_end_obj(&w);
    jw_end_obj(&w);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &out);
}

static void write_state_schema(struct jw *w, const struct scenario *s)
{
    int i;

    jw_obj(w, "state");
    jw_str(w, "type", "object");
    jw_str(w, "description", "What is known of the ticket; absent members are unknown.");
    jw_obj(w, "properties");
    jw_raw(w, "label", "{\"type\":\"string\"}");
    jw_raw(w, "task", "{\"type\":[\"string\",\"null\"]}");
    jw_raw(w, "facts",
           "{\"type\":\"object\",\"additionalProperties\":{\"enum\":[\"true\",\"false\","
           "\"unknown\"]}}");
    jw_obj(w, "done");
    jw_str(w, "type", "array");
    jw_obj(w, "items");
    jw_arr(w, "enum");
    for (i = 0; s && i < s->n_tools; i++)
        jw_str(w, NULL, s->tool[i]);
    jw_end_arr(w);
    jw_end_obj(w);
    jw_end_obj(w);
    jw_raw(w, "last", "{\"enum\":[\"none\",\"ok\",\"wasted\",\"violation\",\"fault\"]}");
    jw_raw(w, "t", "{\"type\":\"integer\",\"minimum\":0}");
    jw_end_obj(w);
    jw_end_obj(w);
}

static int32_t tools_list(struct gym *gym, struct lathe_request *req, const char *id,
                          const struct scenario *s)
{
    struct text out = {0};
    struct jw w;

    open_reply(&w, &out, id);
    jw_obj(&w, "result");
    jw_arr(&w, "tools");
    jw_obj(&w, NULL);
    jw_str(&w, "name", "recommend_next_tool");
    jw_str(&w, "description", "The tool that the trained policy would call next.");
    jw_obj(&w, "inputSchema");
    jw_str(&w, "type", "object");
    jw_obj(&w, "properties");
    write_state_schema(&w, s);
    jw_end_obj(&w);
    jw_raw(&w, "required", "[\"state\"]");
    jw_end_obj(&w);
    jw_end_obj(&w);
    jw_obj(&w, NULL);
    jw_str(&w, "name", "list_tools");
    jw_str(&w, "description", "The tools that the policy chooses from.");
    jw_raw(&w, "inputSchema", "{\"type\":\"object\",\"properties\":{}}");
    jw_end_obj(&w);
    jw_end_arr(&w);
    jw_end_obj(&w);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &out);
}

/* A tool's result: the text is JSON, for clients that read text alone. */
static int32_t tool_result(struct gym *gym, struct lathe_request *req, const char *id,
                           const char *json, int is_error)
{
    struct text out = {0};
    struct jw w;

    open_reply(&w, &out, id);
    jw_obj(&w, "result");
    jw_arr(&w, "content");
    jw_obj(&w, NULL);
    jw_str(&w, "type", "text");
    jw_str(&w, "text", json);
    jw_end_obj(&w);
    jw_end_arr(&w);
    if (!is_error && json[0] == '{')
        jw_raw(&w, "structuredContent", json);
    jw_bool(&w, "isError", is_error);
    jw_end_obj(&w);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &out);
}

static void recommended(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                        const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_json_service *j = gym->kit.json;
    char *id = rpc_id(gym, gym->kit.http->body_json(park->req)), *text;
    struct lathe_json *reply, *first;

    (void)len_bytes;
    if (status == LATHE_E_INVALID) {
        tool_result(gym, park->req, id, err ? err->text : "the state is wrong", 1);
    } else if (status != LATHE_OK) {
        rpc_error(gym, park->req, id, FAILED, err ? err->text : "the model does not answer");
    } else {
        reply = api_parse(&gym->kit, answer);
        first = j->at(j->get(reply, "actions"), 0);
        text = first ? j->dup_text(first, 0, NULL) : NULL;
        tool_result(gym, park->req, id, text ? text : "{}", 0);
        j->free_text(text);
        j->release(reply);
    }
    j->free_text(id);
}

static int32_t recommend(struct gym *gym, struct lathe_request *req, const char *id,
                         const struct lathe_model_info *model, const struct lathe_json *arguments)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *state = j->get(arguments, "state");
    struct lathe_error err = {0};
    struct text body = {0};
    struct api_park *park;
    uint64_t handle = 0;
    char *text;
    int32_t st;

    if (j->type(state) != LATHE_JSON_OBJECT)
        return rpc_error(gym, req, id, BAD_PARAMS, "state is required");
    text = j->dup_text(state, 0, NULL);
    text_addf(&body, "{\"state\":%s,\"mode\":\"greedy\"}", text ? text : "{}");
    j->free_text(text);
    st = api_target(&gym->kit, &gym->targets, model->id, &handle, &err);
    if (st == LATHE_OK && (park = api_park_new(&gym->kit, gym, req, model->id)) != NULL)
        st = api_ask(
            &gym->kit, handle,
            &(struct api_question){"act", text_get(&body), recommended, park, api_park_drop}, &err);
    text_fini(&body);
    return st == LATHE_OK ? st : rpc_error(gym, req, id, FAILED, err.text);
}

static int32_t call_tool(struct gym *gym, struct lathe_request *req, const char *id,
                         const struct lathe_model_info *model, const struct scenario *s,
                         const struct lathe_json *params)
{
    const char *name = gym->kit.json->get_string(params, "name", "");
    struct text list = {0};
    struct jw w;
    int32_t st;
    int i;

    if (!strcmp(name, "recommend_next_tool"))
        return recommend(gym, req, id, model, gym->kit.json->get(params, "arguments"));
    if (strcmp(name, "list_tools") != 0)
        return rpc_error(gym, req, id, BAD_PARAMS, "unknown tool");
    jw_init(&w, &list);
    jw_obj(&w, NULL);
    jw_arr(&w, "tools");
    for (i = 0; s && i < s->n_tools; i++)
        jw_str(&w, NULL, s->tool[i]);
    jw_end_arr(&w);
    jw_end_obj(&w);
    st = tool_result(gym, req, id, text_get(&list), 0);
    text_fini(&list);
    return st;
}

static int32_t dispatch(struct gym *gym, struct lathe_request *req, const char *id,
                        const struct lathe_model_info *model, const struct lathe_json *rpc)
{
    const struct lathe_json_service *j = gym->kit.json;
    const char *method = j->get_string(rpc, "method", "");
    const struct lathe_json *params = j->get(rpc, "params");
    struct lathe_json *facts = model_facts(gym, model);
    const struct scenario *s = scenario_find(gym, j->get_string(facts, "scenario", ""));
    struct text out = {0};
    struct jw w;

    j->release(facts);
    if (!strcmp(method, "initialize"))
        return initialize(gym, req, id, params);
    if (!strcmp(method, "tools/list"))
        return tools_list(gym, req, id, s);
    if (!strcmp(method, "tools/call"))
        return call_tool(gym, req, id, model, s, params);
    if (strcmp(method, "ping") != 0)
        return rpc_error(gym, req, id, NO_METHOD, "unknown method");
    open_reply(&w, &out, id);
    jw_raw(&w, "result", "{}");
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &out);
}

int32_t op_mcp(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_model_info *model = model_find(gym, req);
    const struct lathe_json *rpc = gym->kit.http->body_json(req);
    char *id;
    int32_t st;

    if (!model)
        return LATHE_OK;
    if (!gym->kit.json->get(rpc, "method"))
        return rpc_error(gym, req, NULL, INVALID_REQUEST, "method is required");
    if (!gym->kit.json->get(rpc, "id")) { /* a notification */
        st = gym->kit.http->respond(req, 202, NULL, "", 0);
        return st == LATHE_E_CANCELLED ? LATHE_OK : st;
    }
    id = rpc_id(gym, rpc);
    st = dispatch(gym, req, id, model, rpc);
    gym->kit.json->free_text(id);
    return st;
}
